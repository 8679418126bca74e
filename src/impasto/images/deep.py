"""Pixels of more than 8 bits per channel, for which Pillow has no image mode."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin, PpmImagePlugin

from impasto.images.pixels import Deep

# PNG's numbers of color types (PNG, 3rd edition, 11.2.1).
_GREY_ALPHA, _RGBA = 4, 6


def deep_ppm(picture: Image.Image, stream: BinaryIO) -> Callable[[], Deep] | None:
    """Return a reader for a color PPM of 16 bits; None for any other, which Pillow reads in full.

    Args:
        picture: opened by Pillow; its pixels are not decoded yet.
        stream: the file.

    Returns:
        A function that reads the pixels, or None.
    """
    if not isinstance(picture, PpmImagePlugin.PpmImageFile) or picture.mode != "RGB":
        return None
    kind, _, offset, args = picture.tile[0]
    white = args[1] if kind == "ppm" and isinstance(args, tuple) else 255
    return partial(_read_ppm, stream, picture.size, offset, white) if white > 255 else None


def _read_ppm(stream: BinaryIO, size: tuple[int, int], offset: int, white: int) -> Deep:
    width, height = size
    stream.seek(offset)
    data = stream.read(width * height * 6)
    if len(data) < width * height * 6:
        raise ValueError("image file is truncated")
    values = np.frombuffer(data, ">u2").reshape(height, width, 3).astype(np.uint16)
    return Deep(np.minimum(values, np.uint16(white)), white=white)


def remark(picture: Image.Image, format: str, stream: BinaryIO) -> str:
    """Return a remark on the bits lost where a file is deeper than its reader; "" for none.

    Args:
        picture: opened by Pillow.
        format: of the file, by Pillow's name.
        stream: the file.

    Returns:
        A clause, such as "its 10 bits per channel are read as 8".

    Example:
        >>> remark(Image.new("RGB", (1, 1)), "JPEG", open("a.jpg", "rb"))    # doctest: +SKIP
        ''
    """
    bits = 8
    if format == "HEIF":
        bits = int(picture.info.get("bit_depth", 8))
    elif format == "AVIF":
        stream.seek(0)
        head = stream.read(4096)
        at = head.find(b"av1C")  # AV1CodecConfigurationRecord: high_bitdepth and twelve_bit
        flags = head[at + 6] if 0 <= at < len(head) - 6 else 0
        bits = 8 if not flags & 0x40 else 12 if flags & 0x20 else 10
    elif format == "JPEG2000" and picture.mode in ("RGB", "RGBA", "LA"):
        stream.seek(0)
        head = stream.read(4096)
        at = head.find(b"\xff\x4f\xff\x51")  # SIZ: Ssiz of the first component
        bits = (head[at + 42] & 0x7F) + 1 if 0 <= at < len(head) - 42 else 8
    elif format == "TIFF" and picture.mode == "CMYK":
        stored = getattr(picture, "tag_v2", {}).get(258, (8,))
        bits = max(stored) if isinstance(stored, tuple) and stored else 8
    return f"its {bits} bits per channel are read as 8" if bits > 8 else ""


def deep_png(picture: Image.Image, stream: BinaryIO) -> Callable[[], Deep] | None:
    """Return a reader for a PNG of 16 bits with color or alpha; None for others, left to Pillow.

    Args:
        picture: opened by Pillow; its pixels are not decoded yet.
        stream: the file.

    Returns:
        A function that reads the pixels, or None.
    """
    stream.seek(0)
    head = stream.read(33)  # signature and IHDR
    if len(head) < 33 or head[12:16] != b"IHDR" or head[24] != 16 or head[25] == 0:
        return None
    return partial(_read_png, picture, stream, head)


def _read_png(picture: Image.Image, stream: BinaryIO, head: bytes) -> Deep:
    """Read both bytes of each sample.

    Pillow unpacks 16 bits to the high byte of each pair. Its unpacker for the other byte order
    takes the low one, so the file is decoded twice and the bytes are joined.
    """
    picture.load()
    if head[25] == _GREY_ALPHA:
        # Four bytes per pixel as 8-bit RGBA: no unpacker gives the low bytes of grey and alpha.
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


def _samples(picture: Image.Image) -> NDArray[np.uint16]:
    picture.load()
    return np.asarray(picture).astype(np.uint16)


def _as_rgba(head: bytes, stream: BinaryIO) -> BinaryIO:
    stream.seek(len(head))
    start = head[12:24] + bytes([8, _RGBA]) + head[26:29]
    return io.BytesIO(head[:12] + start + struct.pack(">I", zlib.crc32(start)) + stream.read())
