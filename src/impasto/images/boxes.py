"""The boxes of ISO media files (AVIF, HEIC, JPEG 2000), for data that Pillow does not report.

ISO 14496-12 (boxes and items), ISO 23008-12 (pictures in them), ISO 15444-1, annex I (JP2).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from impasto.images.cicp import ColorSpace, color_space

_XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_EXIF = b"JpgTiffExif->JP2"
_MOST_BYTES, _MOST_HEADER = 16 << 20, 1 << 20
_MOST_BOXES = 10_000
# Spaces of JPEG 2000 that decoders convert to sRGB or grey, or have a mode for: CMYK, sRGB, grey,
# sYCC (ISO 15444-1, I.5.3.3; 15444-2, M.11.7.3).
_JP2_SPACES = (12, 16, 17, 18)


@dataclass(frozen=True)
class Told:
    """The metadata and colors in the boxes of a file.

    Attributes:
        exif: EXIF data as stored in the file.
        xmp: a packet of XMP.
        colors: contents of the boxes ``colr`` of the displayed picture, in order.
        light: the brightest light of its content in cd/m2, or 0.
    """

    exif: bytes = b""
    xmp: bytes = b""
    colors: tuple[bytes, ...] = ()
    light: float = 0.0


def told_by_boxes(file: BinaryIO) -> Told:
    """Return the metadata and colors in the boxes of a file, as far as they are intact.

    Args:
        file: an AVIF, HEIC or JP2.
    """
    size = file.seek(0, io.SEEK_END)
    exif = xmp = header = meta = b""
    for kind, start, end in _places(file, 0, size):
        most = {b"uuid": _MOST_BYTES, b"jp2h": _MOST_BYTES, b"meta": _MOST_HEADER}
        if end - start <= most.get(kind, -1):
            file.seek(start)
            data = file.read(end - start)
            if data.startswith(_XMP):
                xmp = xmp or data[16:]
            elif data.startswith(_EXIF):
                exif = exif or data[16:]
            elif kind == b"jp2h":
                header = header or data
            elif kind == b"meta":
                meta = meta or data
    if header:
        found = tuple(data for kind, data in _boxes(header) if kind == b"colr")
        return Told(exif, xmp, found)
    try:
        return _of_items(file, meta[4:]) if meta else Told(exif, xmp)
    except (struct.error, IndexError):
        return Told(exif, xmp)


def space_of_boxes(told: Told) -> tuple[ColorSpace | None, bytes, str]:
    """Return the color space that the boxes ``colr`` of a picture declare.

    Returns:
        The space, None for sRGB; the ICC profile, which takes precedence over it; and a clause on
        what is not understood, or lost, or "".
    """
    lost = ""
    for data in told.colors:
        kind = data[:4]
        if kind in (b"prof", b"rICC"):
            return None, data[4:], ""
        if kind[:1] in (b"\2", b"\3"):  # of JPEG 2000, as are the next ones
            return None, data[3:], ""
    for data in told.colors:
        if data[:4] == b"nclx" and len(data) >= 8:
            numbers = data[4:8]
        elif data[:1] == b"\5" and len(data) >= 7:
            numbers = data[3:7]
        elif data[:1] == b"\1" and len(data) >= 7:
            number = int.from_bytes(data[3:7], "big")
            if number not in _JP2_SPACES:
                lost = f"its color space {number} is unknown: sRGB is assumed"
            continue
        else:
            continue
        primaries, transfer = struct.unpack(">HH", numbers)
        space = color_space(primaries, transfer, peak=told.light)
        if space is not None:
            return (None if space.same else space), b"", space.remark
        lost = f"its colors ({primaries}/{transfer} of H.273) are unknown: sRGB is assumed"
    return None, b"", lost


def _of_items(file: BinaryIO, meta: bytes) -> Told:
    """The same for items: EXIF data are an item, colors are properties of the first picture."""
    inner = dict(_boxes(meta))
    primary_box = inner.get(b"pitm", b"")
    wide = primary_box[:1] > b"\0"
    primary = int.from_bytes(primary_box[4 : 8 if wide else 6], "big")
    exif = b""
    for number, kind in _kinds(inner.get(b"iinf", b"")):
        if kind == b"Exif" and not exif:
            data = _item(file, inner.get(b"iloc", b""), inner.get(b"idat", b""), number)
            if len(data) > 4:  # offset of the start of the TIFF
                exif = data[4 + int.from_bytes(data[:4], "big") :]
    properties = dict(_boxes(inner.get(b"iprp", b"")))
    table = list(_boxes(properties.get(b"ipco", b"")))
    own = [table[i - 1] for i in _associated(properties.get(b"ipma", b""), primary) if i]
    light = 0.0
    for kind, data in own:
        if kind == b"mdcv" and len(data) >= 24 and not light:
            light = struct.unpack_from(">I", data, 16)[0] / 10_000
        elif kind == b"clli" and len(data) >= 4 and data[:2] != b"\0\0":
            light = float(struct.unpack_from(">H", data)[0])
    return Told(exif, b"", tuple(data for kind, data in own if kind == b"colr"), light)


def _kinds(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield number and kind of every item of a box ``iinf``."""
    for kind, entry in _boxes(data[6:] if data[:1] == b"\0" else data[8:]):
        if kind == b"infe" and entry[:1] == b"\2":
            yield struct.unpack_from(">H", entry, 4)[0], entry[8:12]
        elif kind == b"infe" and entry[:1] == b"\3":
            yield struct.unpack_from(">I", entry, 4)[0], entry[10:14]


def _item(file: BinaryIO, iloc: bytes, idat: bytes, wanted: int) -> bytes:
    """Return the data of an item, joined from its extents."""
    version, sizes = iloc[0], struct.unpack_from(">H", iloc, 4)[0]
    offset_size, length_size = sizes >> 12, sizes >> 8 & 15
    base_size, index_size = sizes >> 4 & 15, sizes & 15 if version else 0
    if not offset_size + length_size + index_size:
        return b""
    at = 6
    wide = 4 if version == 2 else 2

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(iloc):
            raise IndexError
        at += size
        return int.from_bytes(iloc[at - size : at], "big")

    for _ in range(number(wide)):
        name = number(wide)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(base_size)
        parts, left = [], _MOST_BYTES
        for _ in range(number(2)):
            number(index_size)
            offset, length = base + number(offset_size), number(length_size)
            if name != wanted or length > left or offset >= 1 << 62:
                continue
            left -= length
            if method == 1:
                parts.append(idat[offset : offset + length])
            elif method == 0:
                file.seek(offset)
                parts.append(file.read(length))
        if name == wanted:
            return b"".join(parts)
    return b""


def _associated(ipma: bytes, wanted: int) -> list[int]:
    """Return the numbers of the properties of an item, from 1."""
    version, flags = ipma[0], ipma[3]
    (count,) = struct.unpack_from(">I", ipma, 4)
    at, name, entry = 8, ">I" if version else ">H", ">H" if flags & 1 else ">B"
    most = 0x7FFF if flags & 1 else 0x7F
    for _ in range(count):
        (item,) = struct.unpack_from(name, ipma, at)
        at += struct.calcsize(name)
        many, size = ipma[at], struct.calcsize(entry)
        at += 1
        if item == wanted:
            return [struct.unpack_from(entry, ipma, at + i * size)[0] & most for i in range(many)]
        at += many * size
    return []


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for kind, start, end in _places(io.BytesIO(data), 0, len(data)):
        yield kind, data[start:end]


def _places(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of the content of every complete box."""
    for _ in range(_MOST_BOXES):
        if at + 8 > end:
            return
        file.seek(at)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        start = at + 8
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
            start += 8
        last = at + size if size else end
        if last < start or last > end:
            return
        yield kind, start, last
        at = last
