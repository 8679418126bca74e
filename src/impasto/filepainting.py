"""From file to file: a picture of any size painted with a fixed amount of memory.

Windows are read of the one file, tiles are painted, and rows are written to the other as they
become ready.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError
from impasto.imagefiles import one_line
from impasto.images import Photo
from impasto.painting import Painted
from impasto.profiles import srgb_profile
from impasto.stripwriting import PngWriter, StripWriter, TiffWriter
from impasto.surveying import survey
from impasto.tiled import PaintedTile
from impasto.wholefile import whole_file
from impasto.windows import ScaledSource, Source
from impasto.writing import Rendered, check_target, format_of, quantized, target_exists, write_image

# Formats that are written row by row; pictures of all others are collected first.
_WRITERS: dict[str, Callable[..., StripWriter]] = {"PNG": PngWriter, "TIFF": TiffWriter}

# Rows that are rounded at a time.
_ROWS = 16

# A side of the windows in which a picture is looked at before it is scaled.
_LOOK = 1024


@dataclass(frozen=True)
class Written:
    """A picture that was painted from file to file, and how long each step took.

    Attributes:
        path: the result.
        width: of it, in pixels.
        height: of it.
        remark: what was lost in reading the photograph, "" for nothing.
        tile: the largest side of the tiles it was painted in; None if it was painted at once.
        encode_seconds: looking at the picture, and gathering its moments.
        align_seconds: from moments to scale and shift.
        decode_seconds: painting.
    """

    path: Path
    width: int
    height: int
    remark: str
    tile: int | None
    encode_seconds: float
    align_seconds: float
    decode_seconds: float


def scaled(source: Source, height: int, width: int) -> Source:
    """A picture at another size, as :func:`impasto.masks.fit_photo` makes it; the mean of what can
    be seen goes where nothing can.

    Args:
        source: the picture.
        height: wanted, in pixels.
        width: wanted.

    Returns:
        ``source`` itself if it has the size.
    """
    if (source.height, source.width) == (height, width):
        return source
    windows = (
        (slice(top, min(top + _LOOK, source.height)), slice(left, min(left + _LOOK, source.width)))
        for top in range(0, source.height, _LOOK)
        for left in range(0, source.width, _LOOK)
    )
    found = survey(source, [], color=None, tiles=windows)
    return ScaledSource(source, height, width, found.fill)


def result_bytes(
    target: Path, height: int, width: int, channels: int, depth: int
) -> tuple[int, int]:
    """Bytes that a result holds in memory: as a whole, and for each row of pixels of a tile."""
    if format_of(target).name in _WRITERS:
        return 0, width * channels * depth // 8
    return 3 * height * width * channels, 0  # itself, Pillow's copy, and what is compressed of it


def write_painted(
    painted: Painted,
    photo: Photo,
    target: Path,
    *,
    depth: int | None,
    overwrite: bool,
    quality: int,
) -> Written:
    """Write a picture that was painted at once, with what its photograph carries.

    Args:
        painted: the picture.
        photo: of which it was painted, in its size.
        target: the file.
        depth: bits a channel, 8 or 16; by default 16 where photograph and format have them.
        overwrite: replace a file that is there.
        quality: as for :func:`impasto.images.write_image`.

    Raises:
        ImageError: if the file cannot be written.
    """
    rendered = photo.rendered(painted.image)
    write_image(rendered, target, quality=quality, depth=depth, overwrite=overwrite)
    height, width = painted.image.shape[:2]
    times = painted.encode_seconds, painted.align_seconds, painted.decode_seconds
    return Written(target, width, height, photo.remark, None, *times)


def write_tiles(
    tiles: Iterator[PaintedTile],
    target: Path,
    *,
    height: int,
    width: int,
    channels: int,
    depth: int,
    exif: bytes,
    overwrite: bool,
    quality: int,
) -> None:
    """Write a picture as its tiles become ready; whole, or not at all.

    Args:
        tiles: row by row from the top, from left to right.
        target: the file; PNG and TIFF are written strip by strip.
        height: of the picture, in pixels.
        width: of the picture.
        channels: 3 for RGB, 4 with alpha.
        depth: bits a channel, 8 or 16, which is for PNG and TIFF.
        exif: EXIF data that the result carries.
        overwrite: replace a file that is there.
        quality: as for :func:`impasto.images.write_image`.

    Raises:
        ImageError: if the file cannot be written.
    """
    check_target(target, overwrite=overwrite)
    row = format_of(target)
    bands = _bands(tiles, width, channels, depth)
    if row.name not in _WRITERS:
        whole = np.empty((height, width, channels), np.uint8)
        for top, band in bands:
            whole[top : top + len(band)] = band
        alpha = whole[..., 3] if channels == 4 else None
        rendered = Rendered(whole[..., :3], alpha, exif)
        write_image(rendered, target, quality=quality, overwrite=overwrite)
        return
    with _told(target), whole_file(target, overwrite=overwrite) as file:
        writer = _WRITERS[row.name](
            file, (width, height), channels, depth=depth, exif=exif, profile=srgb_profile()
        )
        for _, band in bands:
            writer.write(band)
        writer.close()


def _bands(
    tiles: Iterator[PaintedTile], width: int, channels: int, depth: int
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Full rows of the picture in whole numbers, and the number of the first of them."""
    band: NDArray[Any] | None = None
    dtype = np.uint16 if depth == 16 else np.uint8
    for tile in tiles:
        if band is None:
            band = np.empty((tile.rows.stop - tile.rows.start, width, channels), dtype)
        part = band[:, tile.columns]
        for top in range(0, len(part), _ROWS):  # what is between floats and bytes stays in cache
            rows = slice(top, top + _ROWS)
            part[rows, :, :3] = quantized(tile.image[rows], depth)
            if tile.opacity is not None:
                part[rows, :, 3] = quantized(tile.opacity[rows], depth)
        if tile.columns.stop == width:
            yield tile.rows.start, band
            band = None


@contextmanager
def _told(target: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:
        raise target_exists(target) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ImageError(f"{one_line(target)}: cannot be written ({one_line(error)})") from error
