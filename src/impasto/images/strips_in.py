"""A large PNG or TIFF read in strips, never in memory as a whole.

Pillow decodes only whole pictures. So each strip is made a small file in memory, with the header of
the large one, for Pillow to decode: colors, palettes, depths and profiles mean the same as in small
pictures, because the same code reads them.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NoReturn, TypeAlias

import numpy as np
from PIL import Image, TiffImagePlugin

from impasto.errors import ImageError
from impasto.images.formats import damaged
from impasto.images.pixels import deep_error
from impasto.images.png import SIGNATURE, chunks_of
from impasto.images.windows import DeepSource, PillowSource, Window, stored_bytes

# Approximate size of a decoded strip: large enough for its header to be negligible.
_STRIP_BYTES = 1 << 22
_READ_BYTES = 1 << 20

# Color types of a PNG whose pixels have an alpha channel.
_WITH_ALPHA = (4, 6)
# Chunks that declare the number of frames: a strip is one picture.
_FRAMES = (b"acTL", b"fcTL", b"fdAT")

_WIDTH, _LENGTH, _COMPRESSION, _PLANAR, _PREDICTOR = 256, 257, 259, 284, 317
_OFFSETS, _ROWS, _COUNTS = 273, 278, 279
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325

Strip: TypeAlias = PillowSource | DeepSource
Decode: TypeAlias = Callable[[BinaryIO], Strip]


@dataclass(frozen=True)
class Strips:
    """Reader of a file in strips.

    Attributes:
        read: yields the picture in strips, from the top, on every call.
        picture: has the file's metadata; not its pixels.
        row_bytes: of a row of a strip, as kept.
        depth: bits per channel to write a file of the result with, 8 or 16.
    """

    read: Callable[[], Iterator[Strip]]
    picture: Image.Image
    row_bytes: int
    depth: int


class StripSource:
    """A file that is reread from the top whenever a window lies above the last one.

    Args:
        strips: how to read it.
        size: width and height in pixels.
        name: what to call it in a message.
        format: of the file, by Pillow's name.
    """

    held = 0

    def __init__(self, strips: Strips, size: tuple[int, int], *, name: str, format: str) -> None:
        self.width, self.height = size
        self.name, self.row_bytes, self.depth = name, strips.row_bytes, strips.depth
        self._read, self._format = strips.read, format
        self._coming: Iterator[Strip] = iter(())
        self._here: deque[tuple[int, Strip]] = deque()
        self._end = 0

    def __reduce__(self) -> NoReturn:
        raise ImageError(
            f"{self.name}: a picture read in strips cannot be pickled or copied; read it "
            "with read_photo()"
        )

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`impasto.images.windows.Source.window`.

        Raises:
            ImageError: if the file turns out to be damaged.
        """
        if not self._here or rows.start < self._here[0][0]:
            self._coming, self._end = self._read(), 0
            self._here.clear()
        while self._here and self._here[0][0] + self._here[0][1].height <= rows.start:
            self._here.popleft()
        while self._end < rows.stop:
            try:
                strip = next(self._coming)
            except ImageError:
                raise
            except Exception as error:  # readers raise errors of any type on malformed bytes
                raise damaged(self.name, self._format, error) from error
            if self._end + strip.height > rows.start:
                self._here.append((self._end, strip))
            self._end += strip.height
        parts = []
        for top, strip in self._here:
            first, last = max(rows.start - top, 0), min(rows.stop - top, strip.height)
            if first < last:
                try:
                    parts.append(strip.window(slice(first, last), columns))
                except ImageError as error:  # with the numbers of the whole picture
                    every = (each.deep for each in self._read() if isinstance(each, DeepSource))
                    raise deep_error(every, name=self.name) or error from None
        if len(parts) == 1:
            return parts[0]
        opacity = [alpha for _, alpha in parts if alpha is not None]
        return (
            np.concatenate([image for image, _ in parts]),
            np.concatenate(opacity) if opacity else None,
        )


def png_strips(file: BinaryIO, decode: Decode) -> Strips | None:
    """Prepare to read a PNG in strips.

    A row of a PNG is stored as its difference from the row above. So a strip's small file begins
    with that row, already decoded, which is cut off again.

    Args:
        file: the PNG, seekable; in use as long as strips are read.
        decode: reads a small file.

    Returns:
        None if it is interlaced, since its rows are not stored from top to bottom.
    """
    chunks = list(chunks_of(file))
    told = [
        (kind, _read(file, start, length))
        for kind, start, length in chunks
        if kind not in (b"IDAT", b"IEND", *_FRAMES)
    ]
    header = next(data for kind, data in told if kind == b"IHDR")
    width, height, depth, color, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if interlaced:
        return None
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    row = (width * channels * depth + 7) // 8
    before = b"".join(_chunk(kind, data) for kind, data in told if kind != b"IHDR")
    places = [(start, length) for kind, start, length in chunks if kind == b"IDAT"]
    count = max(1, _STRIP_BYTES // (row + 1))

    def small(filtered: bytes, rows: int) -> Strip:
        head = struct.pack(">IIBBBBB", width, rows, depth, color, 0, 0, 0)
        data = _chunk(b"IDAT", zlib.compress(filtered, 0))
        whole = SIGNATURE + _chunk(b"IHDR", head) + before + data + _chunk(b"IEND", b"")
        return decode(io.BytesIO(whole))

    def strips() -> Iterator[Strip]:
        above = bytes(row + 1)  # filter 0, and for the first row all zeros
        done = 0
        for filtered in _inflated(file, places, count * (row + 1)):
            rows = min(len(filtered) // (row + 1), height - done)
            if rows == 0:
                break
            strip = small(above + filtered[: rows * (row + 1)], rows + 1)
            above = b"\0" + _last_row(strip, row, color, depth)
            done += rows
            yield _without_first_row(strip)
        if done < height:
            raise OSError("image file is truncated")

    first = small(bytes(row + 1), 1)
    return Strips(strips, first.picture, first.held, first.depth)


def tiff_strips(file: BinaryIO, picture: Any, decode: Decode, *, depth: int) -> Strips | None:
    """Prepare to read a TIFF in strips.

    Args:
        file: the TIFF, seekable; in use as long as strips are read.
        picture: opened by Pillow, not loaded; for a deep TIFF the image of its bytes.
        decode: reads a small file.
        depth: bits per channel to write a file of the result with, 8 or 16.

    Returns:
        None if it is compressed as one strip, or its channels are stored separately.
    """
    tags = picture.tag_v2
    width, height = tags[_WIDTH], tags[_LENGTH]
    if tags.get(_PLANAR, 1) != 1:
        return None
    tiled = _TILE_OFFSETS in tags
    offsets = tags[_TILE_OFFSETS if tiled else _OFFSETS]
    counts = tags.get(_TILE_COUNTS if tiled else _COUNTS)
    if counts is None or len(counts) != len(offsets):
        return None
    rows = min(tags[_TILE_LENGTH] if tiled else tags.get(_ROWS, height), height)
    across = -(-width // tags[_TILE_WIDTH]) if tiled else 1
    if len(offsets) != across * -(-height // rows):
        return None
    if not tiled and tags.get(_COMPRESSION, 1) == 1 and tags.get(_PREDICTOR, 1) == 1:
        offsets, counts, rows = _cut_finer(offsets, counts, rows, height)
    stored = max(1, width * stored_bytes(picture.mode))
    if rows * stored > 8 * _STRIP_BYTES and rows == height:
        return None
    group = max(1, _STRIP_BYTES // (rows * stored))

    def strips() -> Iterator[Strip]:
        for first in range(0, height, rows * group):
            last = min(height, first + rows * group)
            part = slice(first // rows * across, -(-last // rows) * across)
            pieces = []
            for offset, size in zip(offsets[part], counts[part], strict=True):
                file.seek(offset)
                pieces.append(file.read(size))
                if len(pieces[-1]) < size:
                    raise OSError("image file is truncated")
            yield decode(_small_tiff(picture, pieces, last - first, rows, tiled=tiled))

    return Strips(strips, picture, stored, depth)


def _cut_finer(
    offsets: Any, counts: Any, rows: int, height: int
) -> tuple[list[int], list[int], int]:
    """Cut strips of uncompressed pixels finer, which is possible between any two rows."""
    lengths = [min(rows, height - top) for top in range(0, height, rows)]
    widths = {count // length for count, length in zip(counts, lengths, strict=True)}
    row = min(widths)
    finer = next(
        (each for each in range(max(1, _STRIP_BYTES // max(row, 1)), 0, -1) if rows % each == 0), 1
    )
    if len(widths) > 1 or rows <= finer:
        return list(offsets), list(counts), rows
    if len(offsets) == 1:  # the last one may be shorter
        finer = max(1, _STRIP_BYTES // row)
    pieces = [
        (offset + at * row, min(finer, length - at) * row)
        for offset, length in zip(offsets, lengths, strict=True)
        for at in range(0, length, finer)
    ]
    return [offset for offset, _ in pieces], [size for _, size in pieces], finer


def _small_tiff(
    picture: Any, pieces: list[bytes], height: int, rows: int, *, tiled: bool
) -> BinaryIO:
    tags = picture.tag_v2
    order = b"MM\x00\x2a" if tags.prefix == b"MM" else b"II\x2a\x00"
    header = TiffImagePlugin.ImageFileDirectory_v2(order + bytes(4))
    for tag in tags:
        if tag not in (_TILE_OFFSETS, _TILE_COUNTS, *_SUB_DIRECTORIES):
            # The 64-bit numbers of a large file do not fit into a small one.
            header.tagtype[tag] = 4 if tags.tagtype[tag] == 16 else tags.tagtype[tag]
            header[tag] = tags[tag]
    header[_LENGTH] = height
    if not tiled:
        header[_ROWS] = rows
    for tag, values in (
        (_TILE_COUNTS if tiled else _COUNTS, [len(piece) for piece in pieces]),
        (_TILE_OFFSETS if tiled else _OFFSETS, [0] * len(pieces)),
    ):
        header.tagtype[tag] = 4
        header[tag] = tuple(values)
    start = 8 + len(header.tobytes(8))
    ends = np.cumsum([0, *(len(piece) for piece in pieces)])
    # Pillow's own writer moves offsets of strips, but not those of tiles, behind the header.
    shift = start if tiled else 0
    header[_TILE_OFFSETS if tiled else _OFFSETS] = tuple(int(end) + shift for end in ends[:-1])
    small = io.BytesIO()
    header.save(small)
    for piece in pieces:
        small.write(piece)
    small.seek(0)
    return small


# Tags of a picture, not of its strips: EXIF, GPS, further resolutions.
_SUB_DIRECTORIES = (330, 34665, 34853, 40965)


def _last_row(strip: Strip, row: int, color: int, depth: int) -> bytes:
    """Return the last row of a strip before filtering, for the next strip."""
    if isinstance(strip, DeepSource):
        values, alpha = strip.deep.values[-1], strip.deep.alpha
        if alpha is not None and color in _WITH_ALPHA:  # else it is a transparent color
            values = np.concatenate([values, alpha[-1][:, None]], axis=1)
        return bytes(values.astype(">u2"))
    last = strip.picture.crop((0, strip.height - 1, strip.width, strip.height))
    if depth == 16:
        return np.asarray(last).astype(">u2").tobytes()
    if depth < 8:
        return _packed(np.asarray(last)[0], depth, color)
    return last.tobytes()[:row]


def _without_first_row(strip: Strip) -> Strip:
    if isinstance(strip, DeepSource):
        deep = strip.deep
        alpha = None if deep.alpha is None else deep.alpha[1:]
        return replace(strip, deep=replace(deep, values=deep.values[1:], alpha=alpha))
    picture = strip.picture.crop((0, 1, strip.width, strip.height))
    return replace(strip, picture=picture)


def _packed(values: Any, depth: int, color: int) -> bytes:
    numbers = values.astype(np.uint8)
    if color == 0 and depth > 1:  # Pillow stretches gray to 8 bits
        numbers = numbers // (255 // (2**depth - 1))
    bits = np.unpackbits(numbers[:, None], axis=1)[:, 8 - depth :]
    return np.packbits(bits.ravel()).tobytes()


def _inflated(file: BinaryIO, places: list[tuple[int, int]], size: int) -> Iterator[bytes]:
    """Unpack the data chunks, in pieces of a given size; the last one may be smaller."""
    unpack = zlib.decompressobj()
    ready = bytearray()
    for start, length in places:
        at = start
        while at < start + length:
            file.seek(at)
            data = file.read(min(_READ_BYTES, start + length - at))
            if not data:
                raise OSError("image file is truncated")
            at += len(data)
            # Data behind the end of the stream would stay "unconsumed" forever.
            while data and not unpack.eof:
                ready += unpack.decompress(data, size)
                data = unpack.unconsumed_tail
                while len(ready) >= size:
                    yield bytes(ready[:size])
                    del ready[:size]
    ready += unpack.flush()
    while ready:
        yield bytes(ready[:size])
        del ready[:size]


def _read(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
