"""PNG of 16 bits a channel, which Pillow reads at 8."""

from __future__ import annotations

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from impasto.deep import Deep

_GREY_ALPHA, _RGBA = 4, 6


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


def _samples(picture: Image.Image) -> NDArray[np.uint16]:
    picture.load()
    return np.asarray(picture).astype(np.uint16)


def _as_rgba(head: bytes, stream: BinaryIO) -> BinaryIO:
    stream.seek(len(head))
    start = head[12:24] + bytes([8, _RGBA]) + head[26:29]
    return io.BytesIO(head[:12] + start + struct.pack(">I", zlib.crc32(start)) + stream.read())
