"""Styles as values, as files, and in a library by name."""
