"""From file to file: a picture of any size painted with a fixed amount of memory.

Windows are read of the one file, tiles are painted, and rows are written to the other as they
become ready.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from impasto.images.options import SaveOptions
from impasto.images.photo import Photo
from impasto.images.windows import ScaledSource, Source
from impasto.images.writing import (
    write_image,
)
from impasto.painting.steps import Painted
from impasto.painting.survey import survey

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
    """A picture at another size, as :func:`impasto.images.photo.fit_photo` makes it; the mean of
    what can be seen goes where nothing can.

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
        quality: as for :func:`impasto.images.photo.write_image`.

    Raises:
        ImageError: if the file cannot be written.
    """
    rendered = photo.rendered(painted.image)
    write_image(
        rendered, target, save=SaveOptions(quality=quality, depth=depth, overwrite=overwrite)
    )
    height, width = painted.image.shape[:2]
    times = painted.encode_seconds, painted.align_seconds, painted.decode_seconds
    return Written(target, width, height, photo.remark, None, *times)
