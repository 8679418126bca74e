"""Access to PyAV: it is imported here, at the first use of a film, and its errors become ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from impasto.errors import ImpastoError, VideoError, escaped, one_line

__all__ = ["library", "wrapped"]


def library() -> ModuleType:
    """Import PyAV and keep FFmpeg from printing messages.

    Returns:
        The module ``av``.

    Raises:
        VideoError: It is not installed.
    """
    # The encoder SVT-AV1 prints to the terminal itself, past FFmpeg; with 1 only its errors.
    os.environ.setdefault("SVT_LOG", "1")
    try:
        import av
        import av.logging
    except ImportError as error:
        text = f"films need PyAV: pip install 'impasto[video]' ({one_line(error)})"
        raise VideoError(text) from error
    av.logging.set_level(None)
    return av


@contextmanager
def wrapped(name: str, failure: str) -> Iterator[None]:
    """Turn every error of PyAV and of the system inside into a VideoError of one line.

    Args:
        name: name of the file, for the message.
        failure: what failed, such as "cannot be read".

    Raises:
        VideoError: The block has raised an error that is not ours.
    """
    from av.error import FFmpegError

    try:
        yield
    except ImpastoError:
        raise
    except (FFmpegError, OSError, ValueError, TypeError, RuntimeError, ArithmeticError) as error:
        reason = one_line(error).removeprefix("[Errno ").rstrip(".")
        raise VideoError(f"{escaped(name)}: {failure}: {reason}") from error
