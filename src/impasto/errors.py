"""The errors of Impasto: one tree, so that `except ImpastoError` catches whatever a user can mend.

A message is one line: what is wrong, the numbers, and the mend.
"""

__all__ = [
    "EngineError",
    "ImageError",
    "ImpastoError",
    "ModelError",
    "OptionError",
    "StyleError",
]


class ImpastoError(Exception):
    """The root of every error that Impasto raises on purpose."""


class ImageError(ImpastoError):
    """A picture that cannot be read, used or written."""


class StyleError(ImpastoError):
    """A style that does not fit, such as one made for another model."""


class ModelError(ImpastoError):
    """An unknown model name, or a bundle that is missing or damaged."""


class EngineError(ImpastoError):
    """An inference engine that is not installed, or that fails."""


class OptionError(ImpastoError, ValueError):
    """A value out of its range."""
