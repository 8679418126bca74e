"""Stylized data sets: names of pictures -> chunks -> workers -> results and their manifest.

The names go to workers, processes of this machine or of others, and what comes back are lines of
the manifest: pixels never travel.
"""
