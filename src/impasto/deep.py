"""Pixels of more than 8 bits a channel, which Pillow has no kind of image for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PpmImagePlugin


@dataclass(frozen=True, eq=False)
class Deep:
    """Pixels as deep as they lie in the file, which are still as they were stored.

    Attributes:
        values: (H, W, 1) grey or (H, W, 3) RGB: uint16, or floats where 1 is white.
        alpha: (H, W) of the same kind, or None.
        orientation: of EXIF, if it is known already; else it is among the picture's metadata.
        white: what white is in ``values`` and opaque in ``alpha``.
    """

    values: NDArray[Any]
    alpha: NDArray[Any] | None = None
    orientation: int | None = None
    white: int = 65535


def read_ppm(picture: Image.Image, stream: BinaryIO) -> Deep | None:
    """Color of a PPM of 16 bits; None for any other, which Pillow reads whole.

    Args:
        picture: what Pillow opened; its pixels are not decoded yet.
        stream: the file.

    Returns:
        The pixels, or None.
    """
    if not isinstance(picture, PpmImagePlugin.PpmImageFile) or picture.mode != "RGB":
        return None
    kind, _, offset, args = picture.tile[0]
    white = args[1] if kind == "ppm" and isinstance(args, tuple) else 255
    if white <= 255:
        return None
    width, height = picture.size
    stream.seek(offset)
    data = stream.read(width * height * 6)
    if len(data) < width * height * 6:
        raise ValueError("image file is truncated")
    values = np.frombuffer(data, ">u2").reshape(height, width, 3).astype(np.uint16)
    return Deep(np.minimum(values, np.uint16(white)), white=white)


def remark(picture: Image.Image, format: str, stream: BinaryIO) -> str:
    """What is lost where a file is deeper than what is read of it; "" if nothing.

    Args:
        picture: what Pillow opened.
        format: of the file, as Pillow calls it.
        stream: the file.

    Returns:
        A part of a sentence, such as "its 10 bits a channel are read as 8".

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
    return f"its {bits} bits a channel are read as 8" if bits > 8 else ""
