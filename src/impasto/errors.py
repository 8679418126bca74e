"""The errors of Impasto: one tree, so that `except ImpastoError` catches all that users can fix.

A message is one line: the problem, the numbers, and the remedy. Names from outside, which may hold
anything, are inserted by :func:`escaped`.
"""

from __future__ import annotations

import unicodedata

__all__ = [
    "DatasetError",
    "EngineError",
    "ImageError",
    "ImpastoError",
    "ModelError",
    "OptionError",
    "StyleError",
    "VideoError",
    "WebError",
    "counted",
    "escaped",
    "interruption",
    "one_line",
]

# Control characters, those that change the writing direction or are invisible, halves of surrogate
# pairs (bytes of names that are not UTF-8), and line ends.
_ESCAPED = ("Cc", "Cf", "Cs", "Zl", "Zp")

# They join letters and emoji, and occur in names that people give.
_JOINERS = "\u200c\u200d"


def counted(count: int, noun: str) -> str:
    """Return a number and its noun, for a message.

    Example:
        >>> counted(1, "mask"), counted(2, "mask")
        ('1 mask', '2 masks')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


class ImpastoError(Exception):
    """The root of every error that Impasto raises intentionally."""


class ImageError(ImpastoError):
    """A picture that cannot be read, used or written."""


class StyleError(ImpastoError):
    """A style that does not fit, such as one made for another model."""


class ModelError(ImpastoError):
    """An unknown model name, or a bundle that is missing or damaged."""


class EngineError(ImpastoError):
    """An inference engine that is not installed, or that fails."""


class VideoError(ImpastoError):
    """A film or a camera that cannot be read, or a film that cannot be written."""


class WebError(ImpastoError):
    """A page that cannot be served."""


class DatasetError(ImpastoError):
    """A data set that cannot be read, made or checked."""


class OptionError(ImpastoError, ValueError):
    """A value out of its range."""


def escaped(text: str) -> str:
    """Escape control characters, so that a text is one line and cannot affect a terminal.

    Args:
        text: anything, such as the name of a file.

    Example:
        >>> print(escaped("new\\nline \\x1b[31m.png"))
        new\\nline \\x1b[31m.png
    """
    if text.isprintable():
        return text
    return "".join(_escape(sign) if _is_control(sign) else sign for sign in text)


def one_line(what: object) -> str:
    """Return the text of anything, such as an error of the system, as one line for a message.

    Example:
        >>> one_line(FileNotFoundError(2, "No such file", "street.jpg"))
        'No such file'
    """
    # Without the file name that the system adds, which may be the temporary one.
    text = getattr(what, "strerror", None) or str(what) or type(what).__name__
    return escaped(text.strip())


def interruption(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interruption that caused an error, if any.

    A signal while a library is loading or working may result in an error of the library.

    Example:
        >>> interruption(ValueError("the user's mistake")) is None
        True
    """
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, KeyboardInterrupt):
        cause = cause.__cause__ or cause.__context__
    return cause


def _is_control(sign: str) -> bool:
    return unicodedata.category(sign) in _ESCAPED and sign not in _JOINERS


def _escape(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # a byte, as Python keeps it in names
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign.encode("unicode_escape").decode("ascii")
