"""Tuned styles: the moments of one style, fitted by gradient descent through the fixed decoder.

A reader says in one look which moments pictures in a style are to have. For one style at a time
there are better ones, which are found by minimizing the paper's losses. The result is a style file
like any other.
"""
