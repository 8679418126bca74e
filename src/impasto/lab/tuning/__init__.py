"""Tuned styles: the moments of one style, fitted by gradient descent through the fixed decoder.

A reader predicts the target moments of pictures in a style in one pass. For a single style better
ones can be found by minimizing the paper's losses. The result is an ordinary style file.
"""
