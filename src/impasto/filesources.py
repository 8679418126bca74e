"""A picture in a file, of which only windows are made floats: read in strips where that goes.

Where not, Pillow decodes it as a whole and it is held with one byte a channel (:func:`open_source`
says which). What its pixels mean is what :func:`impasto.images.read_photo` takes them to mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from impasto.deep import remark
from impasto.errors import ImageError
from impasto.imagefiles import Header, damaged, decode, one_line, open_file, opened
from impasto.pixels import deep_planes, metadata, upright
from impasto.strips import StripSource, png_strips, tiff_strips
from impasto.windows import ArraySource, DeepSource, PillowSource, Source

# EXIF orientations that swap height and width.
_ACROSS = (5, 6, 7, 8)


@dataclass(frozen=True)
class FilePicture:
    """A picture whose header was read.

    Attributes:
        height: upright, in pixels.
        width: upright, in pixels.
        exif: what is kept of the EXIF data, b"" for nothing.
        name: what to call it in a message.
        remark: what is lost in reading, such as "its 10 bits a channel are read as 8"; or "".
        source: reads the picture, as far as it must be held as a whole.
    """

    height: int
    width: int
    exif: bytes
    name: str
    remark: str
    source: Callable[[], Source]


@contextmanager
def open_source(path: Path, *, max_pixels: int, keep_gps: bool = False) -> Iterator[FilePicture]:
    """A picture to take windows of, for as long as the block lasts.

    In strips are read: PNG, but for interlaced ones and colors of 16 bits; and TIFF of 8 bits in
    strips or tiles. Those that an EXIF orientation turns, and all others, are decoded as a whole.

    Args:
        path: a file as for :func:`impasto.images.read_photo`.
        max_pixels: a larger picture is refused.
        keep_gps: keep the place where it was taken among the EXIF data.

    Raises:
        ImageError: if it cannot be read.

    Example:
        >>> with open_source(Path("large.tif"), max_pixels=10**9) as picture:    # doctest: +SKIP
        ...     image, opacity = picture.source().window(slice(0, 64), slice(0, 64))
    """
    name = one_line(path)
    with open_file(path) as file:
        header = opened(file, name=name, max_pixels=max_pixels)
        kind = header.row.name
        try:
            strips, about = _strips(file, header)
            lost = "" if header.tiff else remark(header.picture, kind, file)
        except Exception as error:  # a reader raises whatever foreign bytes make it trip over
            raise damaged(name, kind, error) from error
        orientation, exif = metadata(about, keep_gps=keep_gps)
        if header.tiff is not None:
            orientation = header.tiff.orientation
        width, height = header.size
        if strips is not None and orientation not in range(2, 9):
            told = _told(strips, name, kind)

            def source() -> Source:
                return StripSource(told, (width, height), mode=header.picture.mode, name=name)

            yield FilePicture(height, width, exif, name, lost, source)
            return

        def whole() -> Source:
            decoded = decode(file, name=name, max_pixels=max_pixels)
            if decoded.deep is None:
                return PillowSource(upright(decoded.picture)[0], name)
            if orientation in range(2, 9):
                image, alpha, _ = deep_planes(decoded.picture, decoded.deep, name=name)
                held = image.nbytes + (0 if alpha is None else alpha.nbytes)
                return ArraySource(image, alpha, name, held=held, depth=16)
            return DeepSource(decoded.picture, decoded.deep, name)

        if orientation in _ACROSS:
            width, height = height, width
        yield FilePicture(height, width, exif, name, lost, whole)


def _strips(
    file: BinaryIO, header: Header
) -> tuple[Callable[[], Iterator[Image.Image]] | None, Image.Image]:
    """How to read the picture in strips, if that goes, and what says all of it but its pixels."""
    picture, kind = header.picture, header.row.name
    if kind == "PNG":
        found = png_strips(file, lambda small: _decoded(small, kind))
        return found if found is not None else (None, picture)
    if kind == "TIFF" and header.tiff is None:
        return tiff_strips(file, picture, lambda small: _decoded(small, kind)), picture
    return None, picture


def _decoded(small: BinaryIO, kind: str) -> Image.Image:
    picture = Image.open(small, formats=(kind,))
    picture.load()
    return picture


def _told(
    strips: Callable[[], Iterator[Image.Image]], name: str, kind: str
) -> Callable[[], Iterator[Image.Image]]:
    def told() -> Iterator[Image.Image]:
        try:
            yield from strips()
        except ImageError:
            raise
        except Exception as error:  # as above
            raise damaged(name, kind, error) from error

    return told
