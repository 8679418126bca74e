"""Styles: values, files, and a library of them by name."""
