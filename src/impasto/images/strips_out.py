"""A PNG or TIFF of 8 or 16 bits per channel, written from top to bottom as rows become ready."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from impasto.images.exif import Value, numbers_of
from impasto.images.metadata import Metadata, png_chunks, tiff_exif

_STRIP_BYTES = 1 << 20
# Rows filtered at a time: enough for NumPy, little for the memory.
_FILTER_ROWS = 64
_COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by the number of channels

# A larger TIFF needs offsets of 64 bits (BigTIFF); a little less than 4 GiB, for the header.
_LARGEST = (1 << 32) - (1 << 20)
# Types of values in a TIFF: whole numbers of 16, 32 and 64 bits, and bytes.
_SHORT, _LONG, _LONG8, _UNDEFINED = 3, 4, 16, 7


class StripWriter(Protocol):
    """A writer of rows from the top; the file is complete after the last one and ``close``."""

    def write(self, rows: NDArray[Any]) -> None:
        """Write (n, W, C) uint8 or uint16, the next rows."""
        ...

    def close(self) -> None:
        """Write what follows the pixels."""
        ...


class PngWriter:
    """Writer of a PNG.

    Args:
        file: the output.
        size: width and height in pixels.
        channels: 1 for grey, 2 with alpha, 3 for RGB, 4 with alpha.
        depth: bits per channel, 8 or 16.
        metadata: carried over from its photograph.
        profile: an ICC profile, b"" for none.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> writer = PngWriter(file, (4, 2), 3)
        >>> writer.write(np.zeros((2, 4, 3), np.uint8))
        >>> writer.close()
        >>> Image.open(file).size
        (4, 2)
    """

    def __init__(
        self,
        file: BinaryIO,
        size: tuple[int, int],
        channels: int,
        *,
        depth: int = 8,
        metadata: Metadata = Metadata(),
        profile: bytes = b"",
    ) -> None:
        width, height = size
        self._file = file
        self._deflate = zlib.compressobj()
        self._order = ">u2" if depth == 16 else "u1"
        self._above = np.zeros((width, channels * depth // 8), np.uint8)
        file.write(b"\x89PNG\r\n\x1a\n")
        color = _COLOR_TYPES[channels]
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
        if profile:
            self._chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile))
        for kind, data in png_chunks(metadata):
            self._chunk(kind, data)

    def write(self, rows: NDArray[Any]) -> None:
        """See :meth:`StripWriter.write`."""
        for top in range(0, len(rows), _FILTER_ROWS):
            part = np.ascontiguousarray(rows[top : top + _FILTER_ROWS], self._order).view(np.uint8)
            data = self._deflate.compress(filtered(part, self._above).tobytes())
            self._above = part[-1]
            if data:
                self._chunk(b"IDAT", data)

    def close(self) -> None:
        """See :meth:`StripWriter.close`."""
        self._chunk(b"IDAT", self._deflate.flush())
        self._chunk(b"IEND", b"")

    def _chunk(self, kind: bytes, data: bytes) -> None:
        checksum = zlib.crc32(data, zlib.crc32(kind))
        self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum))


class TiffWriter:
    """Writer of an uncompressed TIFF, above 4 GiB a BigTIFF.

    Args:
        file: the output.
        size: width and height in pixels.
        channels: 1 for grey, 2 with alpha, 3 for RGB, 4 with alpha.
        depth: bits per channel, 8 or 16.
        metadata: carried over from its photograph.
        profile: an ICC profile, b"" for none.

    Example:
        >>> from PIL import Image
        >>> file = io.BytesIO()
        >>> writer = TiffWriter(file, (4, 2), 3)
        >>> writer.write(np.zeros((2, 4, 3), np.uint8))
        >>> writer.close()
        >>> Image.open(file).size
        (4, 2)
    """

    def __init__(
        self,
        file: BinaryIO,
        size: tuple[int, int],
        channels: int,
        *,
        depth: int = 8,
        metadata: Metadata = Metadata(),
        profile: bytes = b"",
    ) -> None:
        width, height = size
        exif = tiff_exif(metadata, "<")
        order = exif.order
        self._file = file
        self._order = f"{order}u2" if depth == 16 else "u1"
        row = width * channels * depth // 8
        rows = min(height, max(1, _STRIP_BYTES // row))
        big = row * height > _LARGEST
        word = _LONG8 if big else _LONG
        tops = range(0, height, rows)

        def whole(kind: int, *values: int) -> Value:
            return numbers_of(kind, values, order)

        tags = {
            256: whole(_LONG, width),
            257: whole(_LONG, height),
            258: whole(_SHORT, *(depth,) * channels),
            259: whole(_SHORT, 1),  # no compression
            262: whole(_SHORT, 2 if channels > 2 else 1),  # RGB or grey
            273: whole(word, *(0 for _ in tops)),  # offsets of the strips
            277: whole(_SHORT, channels),
            278: whole(_LONG, rows),
            279: whole(word, *(min(rows, height - top) * row for top in tops)),
            284: whole(_SHORT, 1),  # channels interleaved
        }
        if channels in (2, 4):
            tags[338] = whole(_SHORT, 2)  # alpha that is not premultiplied
        if profile:
            tags[34675] = Value(_UNDEFINED, len(profile), profile)
        start = 16 if big else 8
        exif = replace(exif, main=exif.main | tags)
        pixels = start + len(exif.directories(start, big=big))
        pixels += pixels % 2
        exif.main[273] = whole(word, *(pixels + top * row for top in tops))
        mark = b"MM" if order == ">" else b"II"
        offset = struct.pack(order + "HHHQ", 43, 8, 0, start) if big else b""
        file.write(mark + (offset or struct.pack(order + "HI", 42, start)))
        header = exif.directories(start, big=big)
        file.write(header + bytes(pixels - start - len(header)))

    def write(self, rows: NDArray[Any]) -> None:
        """See :meth:`StripWriter.write`."""
        self._file.write(np.ascontiguousarray(rows, self._order).data)

    def close(self) -> None:
        """See :meth:`StripWriter.close`."""


def encode_png(
    values: NDArray[Any], *, metadata: Metadata = Metadata(), profile: bytes = b""
) -> bytes:
    """Return a whole PNG file of ``values`` (H, W, C), uint8 or uint16; see :class:`PngWriter`.

    Example:
        >>> from PIL import Image
        >>> data = encode_png(np.zeros((2, 3, 3), np.uint16))
        >>> Image.open(io.BytesIO(data)).size
        (3, 2)
    """
    return _encoded(PngWriter, values, metadata, profile)


def encode_tiff(
    values: NDArray[Any], *, metadata: Metadata = Metadata(), profile: bytes = b""
) -> bytes:
    """Return a whole TIFF file of ``values`` (H, W, C), uint8 or uint16; see :class:`TiffWriter`.

    Example:
        >>> data = encode_tiff(np.zeros((2, 3, 3), np.uint16))
        >>> data[:3]
        b'II*'
    """
    return _encoded(TiffWriter, values, metadata, profile)


def filtered(rows: NDArray[np.uint8], above: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Subtract from rows of a PNG what their neighbors predict, with the best filter for each.

    The filters of PNG (third edition, 9.2), and the usual criterion: the smallest sum of absolute
    differences (12.7). The average, which is rarely the best, is omitted for speed.

    Args:
        rows: (n, W, B), B bytes per pixel.
        above: (W, B), the row before the first one, 0 at the top.

    Returns:
        (n, 1 + W B), the number of the filter first.

    Example:
        >>> filtered(np.full((1, 2, 1), 7, np.uint8), np.zeros((2, 1), np.uint8))
        array([[1, 7, 0]], dtype=uint8)
    """
    count, width, size = rows.shape
    up = np.concatenate([above[None], rows[:-1]])
    left = np.zeros_like(rows)
    left[:, 1:] = rows[:, :-1]
    corner = np.zeros_like(rows)
    corner[:, 1:] = up[:, :-1]
    best = np.empty((count, 1 + width * size), np.uint8)
    least = np.full(count, np.iinfo(np.int64).max)
    for number, predicted in ((1, left), (2, up), (4, _paeth(left, up, corner))):
        rest = (rows - predicted).reshape(count, -1)
        cost = np.abs(rest.view(np.int8).astype(np.int16)).sum(axis=1)
        better = cost < least
        least[better] = cost[better]
        best[better, 0] = number
        best[better, 1:] = rest[better]
    return best


def _paeth(
    left: NDArray[np.uint8], up: NDArray[np.uint8], corner: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    a, b, c = (each.astype(np.int16) for each in (left, up, corner))
    by_left, by_up = np.abs(b - c), np.abs(a - c)
    by_corner = np.abs(a + b - 2 * c)
    nearer = np.where(by_up <= by_corner, up, corner)
    return np.where((by_left <= by_up) & (by_left <= by_corner), left, nearer)


def _encoded(
    writer: type[PngWriter] | type[TiffWriter],
    values: NDArray[Any],
    metadata: Metadata,
    profile: bytes,
) -> bytes:
    height, width, channels = values.shape
    file = io.BytesIO()
    depth = 8 * values.dtype.itemsize
    made = writer(file, (width, height), channels, depth=depth, metadata=metadata, profile=profile)
    made.write(values)
    made.close()
    return file.getvalue()
