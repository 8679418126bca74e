"""A picture in a file, of which only windows are made floats: read in strips where that goes.

Where not, Pillow decodes it as a whole and it is held with one byte a channel (:func:`open_source`
says which). What its pixels mean is what :func:`impasto.images.photo.read_photo` takes them to
mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from impasto.errors import ImageError
from impasto.images.deep import remark
from impasto.images.formats import Header, damaged, decode, one_line, open_file, opened
from impasto.images.pixels import deep_planes, is_deep, metadata, upright
from impasto.images.strips_in import Strip, Strips, StripSource, png_strips, tiff_strips
from impasto.images.windows import ArraySource, DeepSource, PillowSource, Source

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

    In strips are read: PNG, but for interlaced ones; and TIFF in strips or tiles, unless it is
    compressed as one or its channels lie apart. Those that an EXIF orientation turns, and all
    others, are decoded as a whole.

    Args:
        path: a file as for :func:`impasto.images.photo.read_photo`.
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
            strips = _strips(file, header, name)
            lost = "" if header.tiff else remark(header.picture, kind, file)
        except Exception as error:  # a reader raises whatever foreign bytes make it trip over
            raise damaged(name, kind, error) from error
        about = header.picture if strips is None else strips.picture
        orientation, exif = metadata(about, keep_gps=keep_gps)
        if header.tiff is not None:
            orientation = header.tiff.orientation
        width, height = header.size
        if strips is not None and orientation not in range(2, 9):
            told = replace(strips, read=_told(strips.read, name, kind))
            yield FilePicture(
                height, width, exif, name, lost, partial(StripSource, told, header.size, name=name)
            )
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


def _strips(file: BinaryIO, header: Header, name: str) -> Strips | None:
    """How to read the picture in strips, if that goes."""
    picture, row, deep = header.picture, header.row, header.tiff

    def opened(small: BinaryIO) -> Image.Image:
        return Image.open(small, formats=(row.name,))

    def decoded(small: BinaryIO) -> Strip:
        strip = opened(small)
        found = row.read_deep(strip, small) if row.read_deep else None
        if found is not None:
            return DeepSource(strip, found, name)
        strip.load()
        return PillowSource(strip, name)

    if row.name == "PNG":
        return png_strips(file, decoded)
    if row.name == "TIFF" and deep is None:
        return tiff_strips(file, picture, decoded, depth=16 if is_deep(picture) else 8)
    if deep is not None and not deep.planar:
        about = deep.about(file)
        return tiff_strips(
            file, about, lambda small: DeepSource(about, deep.of_bytes(opened(small)), name),
            depth=16,
        )  # fmt: skip
    return None


def _told(
    strips: Callable[[], Iterator[Strip]], name: str, kind: str
) -> Callable[[], Iterator[Strip]]:
    def told() -> Iterator[Strip]:
        try:
            yield from strips()
        except ImageError:
            raise
        except Exception as error:  # as above
            raise damaged(name, kind, error) from error

    return told
