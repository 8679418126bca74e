"""Films that are not video containers: animated and numbered pictures. They need no PyAV."""

from __future__ import annotations

import os
import re
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from impasto.errors import ImageError, VideoError, one_line
from impasto.images.formats import FORMATS, READ_SUFFIXES, open_file
from impasto.images.options import SaveOptions, check_max_pixels
from impasto.video.frames import Film, FilmInfo, Frame
from impasto.video.pictures.animated_in import open_animation
from impasto.video.pictures.animated_out import SUFFIXES, AnimationTarget
from impasto.video.pictures.numbered import NumberedTarget, is_pattern, open_numbered

__all__ = [
    "PicturesTarget",
    "is_picture_target",
    "is_pictures",
    "open_pictures",
    "open_pictures_target",
]

# Films that begin as pictures do: JPEG after JPEG, and sequences in AVIF, which PyAV reads.
_FILM_SUFFIXES = (".mjpg", ".mjpeg")
_FILM_BRANDS = (b"ftypavis", b"ftyphevc", b"ftyphevx", b"ftypmsf1")


class PicturesTarget(Protocol):
    """Pictures that a film is written into."""

    deep: bool
    """True if frames are written with 16 bits a channel; else they are rounded to 8."""

    def write(self, frame: Frame) -> None:
        """Write the next frame; VideoError if that fails."""
        ...

    def finish(self) -> tuple[str, ...]:
        """Write the rest; return what the pictures cannot hold, one line each."""
        ...

    def stop(self) -> None:
        """Abort: nothing is left half written."""
        ...


def is_pictures(source: str | os.PathLike[str]) -> bool:
    """Return True for what :func:`open_pictures` takes: a folder, a pattern, or a picture's file.

    Args:
        source: a name, which need not exist.

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


def is_picture_target(target: str | os.PathLike[str]) -> bool:
    """Return True for what :func:`open_pictures_target` takes.

    Args:
        target: a name with the suffix of a picture; a pattern of such names; a name without a
            suffix, which is a folder, or an existing folder.

    Example:
        >>> names = ("out.gif", "out-%04d.jpg", "frames", "out.jpg", "out.mp4")
        >>> [is_picture_target(name) for name in names]
        [True, True, True, True, False]
    """
    path = Path(target)
    suffix = path.suffix.lower()
    return is_pattern(target) or path.is_dir() or not suffix or suffix in READ_SUFFIXES


def open_pictures_target(
    target: str | os.PathLike[str], info: FilmInfo, *, save: SaveOptions = SaveOptions()
) -> PicturesTarget:
    """Open pictures for writing a film into them.

    Args:
        target: ``.gif``, ``.webp``, ``.png`` or ``.apng`` for an animated picture; for numbered
            ones a pattern such as ``painted-%04d.png``, or a folder, in which they are named
            ``frame-000001.png``.
        info: the facts about the film as it is written.
        save: quality and depth; whether files are replaced.

    Raises:
        VideoError: if no pictures can be written there.
    """
    path = Path(target)
    if not (is_pattern(target) or path.is_dir()):
        if path.suffix.lower() in SUFFIXES:
            return AnimationTarget(path, info, save)
        if path.suffix:
            raise VideoError(
                f"{one_line(path)}: a single {path.suffix} cannot hold a film; give numbered "
                f"pictures ({one_line(path.stem)}-%04d{path.suffix}), or a .gif, .webp, .png or "
                ".mp4"
            )
    return NumberedTarget(target, info, save)


def _picture_kind(path: Path) -> str | None:
    """The format of a picture's file, by its first bytes; None for other files."""
    with open_file(path) as file:
        head = file.read(32)
    if path.suffix.lower() in _FILM_SUFFIXES or head[4:12] in _FILM_BRANDS:
        return None
    return next((row.name for row in FORMATS if re.match(row.magic, head, re.DOTALL)), None)
