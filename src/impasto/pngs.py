"""PNG of 16 bits a channel, which Pillow reads and writes at 8."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from impasto.deep import Deep

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY_ALPHA, _RGBA = 4, 6
_COLOR_TYPES = {1: 0, 2: _GREY_ALPHA, 3: 2, 4: _RGBA}
# Rows that are filtered at once: enough for NumPy, little for the memory.
_ROWS = 64


def read_png(picture: Image.Image, stream: BinaryIO) -> Deep | None:
    """Pixels of a PNG of 16 bits with color or alpha; None for any other, which Pillow reads whole.

    Pillow unpacks 16 bits to the high byte of each pair. Its unpacker for the other byte order
    takes the low one, so the file is decoded twice and the bytes are put together.

    Args:
        picture: what Pillow opened; loaded here if it is a deep one.
        stream: the file.

    Returns:
        The pixels, or None.
    """
    stream.seek(0)
    head = stream.read(33)  # signature and IHDR
    if len(head) < 33 or head[12:16] != b"IHDR" or head[24] != 16 or head[25] == 0:
        return None
    picture.load()
    if head[25] == _GREY_ALPHA:
        # Four bytes a pixel are RGBA of 8 bits: no unpacker gives the low bytes of grey and alpha.
        pair = _samples(PngImagePlugin.PngImageFile(_as_rgba(head, stream), ""))
        words = pair[..., 0::2] * np.uint16(256) + pair[..., 1::2]
        return Deep(words[..., :1], words[..., 1])
    stream.seek(0)
    other = PngImagePlugin.PngImageFile(stream, "")
    other.tile = [each._replace(args=str(each.args).replace(";16B", ";16L")) for each in other.tile]
    words = _samples(picture)
    words <<= 8
    other.load()
    words |= np.asarray(other)
    key = picture.info.get("transparency")
    if words.shape[2] == 4:
        return Deep(words[..., :3], words[..., 3])
    if isinstance(key, tuple):
        hidden = (words == np.array(key, np.uint16)).all(axis=2)
        return Deep(words, np.where(hidden, np.uint16(0), np.uint16(65535)))
    return Deep(words)


def encode_png(values: NDArray[np.uint16], *, exif: bytes = b"", profile: bytes = b"") -> bytes:
    """A PNG file of 16 bits a channel.

    Args:
        values: (H, W, C) uint16 of 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA) channels.
        exif: EXIF data, with or without the six bytes before it that JPEG has.
        profile: an ICC profile.

    Returns:
        The whole file.

    Example:
        >>> data = encode_png(np.zeros((2, 3, 3), np.uint16))
        >>> Image.open(io.BytesIO(data)).size
        (3, 2)
    """
    height, width, channels = values.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOR_TYPES[channels], 0, 0, 0)
    parts = [_SIGNATURE, _chunk(b"IHDR", header)]
    if profile:
        parts.append(_chunk(b"iCCP", b"ICC Profile\0\0" + zlib.compress(profile)))
    if exif:
        parts.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")))
    packer = zlib.compressobj(6)
    for block in _filtered(values):
        if packed := packer.compress(block):
            parts.append(_chunk(b"IDAT", packed))
    parts.append(_chunk(b"IDAT", packer.flush()))
    parts.append(_chunk(b"IEND", b""))
    return b"".join(parts)


def _samples(picture: Image.Image) -> NDArray[np.uint16]:
    picture.load()
    return np.asarray(picture).astype(np.uint16)


def _as_rgba(head: bytes, stream: BinaryIO) -> BinaryIO:
    stream.seek(len(head))
    start = head[12:24] + bytes([8, _RGBA]) + head[26:29]
    return io.BytesIO(head[:12] + start + struct.pack(">I", zlib.crc32(start)) + stream.read())


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _filtered(values: NDArray[np.uint16]) -> Iterator[bytes]:
    """Rows as PNG has them, each with the filter that leaves the least (PNG 1.2, 9.6)."""
    height, width, channels = values.shape
    step = 2 * channels
    above = np.zeros((1, width * step), np.uint8)
    for top in range(0, height, _ROWS):
        words = values[top : top + _ROWS].astype(">u2")
        rows = np.ascontiguousarray(words).view(np.uint8).reshape(len(words), width * step)
        up = np.concatenate([above, rows[:-1]])
        left, corner = np.zeros_like(rows), np.zeros_like(rows)
        left[:, step:], corner[:, step:] = rows[:, :-step], up[:, :-step]
        average = ((left.astype(np.uint16) + up) // 2).astype(np.uint8)
        candidates = np.stack(
            [rows, rows - left, rows - up, rows - average, rows - _paeth(left, up, corner)]
        )
        costs = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        best = costs.argmin(axis=0)
        chosen = candidates[best, np.arange(len(rows))]
        yield np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1).tobytes()
        above = rows[-1:]


def _paeth(left: NDArray[Any], up: NDArray[Any], corner: NDArray[Any]) -> NDArray[np.uint8]:
    a, b, c = (each.astype(np.int16) for each in (left, up, corner))
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_up <= to_corner, b, c)
    best = np.where((to_left <= to_up) & (to_left <= to_corner), a, nearest)
    return best.astype(np.uint8)
