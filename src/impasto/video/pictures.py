"""Films that are no video containers: animated pictures, and numbered ones. They need no PyAV."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path

from impasto.errors import ImageError, VideoError, one_line
from impasto.images.formats import FORMATS, open_file
from impasto.images.options import check_max_pixels
from impasto.video.animated_in import open_animation
from impasto.video.frames import Film
from impasto.video.numbered import is_pattern, open_numbered

__all__ = ["is_pictures", "open_pictures"]

# Films that begin as pictures do: JPEG after JPEG, and sequences in AVIF, which PyAV reads.
_FILM_SUFFIXES = (".mjpg", ".mjpeg")
_FILM_BRANDS = (b"ftypavis", b"ftyphevc", b"ftyphevx", b"ftypmsf1")


def is_pictures(source: str | os.PathLike[str]) -> bool:
    """Return True for what :func:`open_pictures` takes: a folder, a pattern, or a picture's file.

    Args:
        source: a name; that nothing is there is no error.

    Example:
        >>> is_pictures("shot-%04d.png"), is_pictures("clip.mp4")
        (True, False)
    """
    try:
        if Path(source).is_dir() or is_pattern(source):
            return True
        return _picture_kind(Path(source)) is not None
    except (OSError, ValueError, ImageError):
        return False


def open_pictures(
    source: str | os.PathLike[str], *, rate: Fraction | None = None, max_pixels: int
) -> Film:
    """Open a film of pictures.

    Args:
        source: an animated GIF, WebP or PNG, whose frames last as long as it says; or numbered
            pictures: a folder, ``shot-%04d.png`` or ``shot-*.png``.
        rate: frames a second of numbered pictures; None: 25.
        max_pixels: larger pictures are refused.

    Raises:
        VideoError: one line, if it cannot be read as a film.
        OptionError: ``max_pixels`` below 1.

    Example:
        >>> with open_pictures("cat.gif", max_pixels=10**8) as film:         # doctest: +SKIP
        ...     times = [frame.time for frame in film.frames()]
    """
    check_max_pixels(max_pixels)
    path, name = Path(source), one_line(os.fspath(source))
    if is_pattern(source) or path.is_dir():
        return open_numbered(source, rate=rate, max_pixels=max_pixels)
    film = open_animation(path, max_pixels=max_pixels)
    if film is not None:
        return film
    if kind := _picture_kind(path):
        raise VideoError(
            f"{name}: is a still picture ({kind}), not a film; paint it with: impasto stylize"
        )
    raise VideoError(f"{name}: is neither an animated picture nor a folder or pattern of pictures")


def _picture_kind(path: Path) -> str | None:
    """The format of a picture's file, by its first bytes; None for other files."""
    with open_file(path) as file:
        head = file.read(32)
    if path.suffix.lower() in _FILM_SUFFIXES or head[4:12] in _FILM_BRANDS:
        return None
    return next((row.name for row in FORMATS if re.match(row.magic, head, re.DOTALL)), None)
