"""Stylized data sets: names of pictures -> chunks -> workers -> results and their manifest.

The names go to workers, processes on this machine or on others, which return lines of the
manifest: pixels are never transferred.
"""
