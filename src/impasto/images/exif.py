"""EXIF data as directories of raw values, which are written with the same bytes as were read.

Libraries decode and re-encode texts, and lose what is not ASCII: accents that a camera or a program
wrote as UTF-8 or Latin-1. Here a value is its type, its count and its bytes, without
interpretation. The structure is that of TIFF 6.0 and BigTIFF, the tags are those of EXIF 3.0.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO, Literal, NamedTuple, TypeAlias

PREFIX = b"Exif\0\0"
"""Bytes before EXIF data in a JPEG; Pillow wants them everywhere."""

ORIENTATION, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x0112, 0x011A, 0x011B, 0x0128
_SHOT, _PLACE, _COLOR_SPACE, _INTEROPERABILITY = 0x8769, 0x8825, 0xA001, 0xA005
_BYTE, _ASCII, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 2, 3, 4, 5, 7, 16

# Bytes of a value of each type, and of the units that a byte order swaps.
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
               13: 4, 16: 8, 17: 8, 18: 8, 129: 1}  # fmt: skip
_UNITS = _TYPE_BYTES | {5: 4, 10: 4}
_POINTERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

# Kept from the first directory, where a TIFF also has the layout of its pixels: document, title,
# camera, page, program, date, artist, computer, rating, copyright, Windows' five (XP...), and what
# some programs put there instead of into the second directory (dates, comment, owner, lens).
_TEXTS = (0x010D, 0x010E, 0x010F, 0x0110, 0x011D, 0x0131, 0x0132, 0x013B, 0x013C)
_MAIN_KEPT = frozenset((
    *_TEXTS, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, 0x4746, 0x4749, 0x8298,
    0x9003, 0x9004, 0x9286, *range(0x9C9B, 0x9CA0), *range(0xA430, 0xA440),
))  # fmt: skip
# Dropped from the second one, because it is no longer true or cannot be read at another place in
# a file: bits per pixel, the maker's blob, color space and gamma, size, related sound, further
# directories, padding.
_SHOT_DROPPED = frozenset((
    0x9102, 0x927C, 0xA001, 0xA002, 0xA003, 0xA004, 0xA005, 0xA500, 0xEA1C, _SHOT, _PLACE,
))  # fmt: skip

_ENDIAN: dict[str, Literal["little", "big"]] = {"<": "little", ">": "big"}
_MOST_ENTRIES = 4096
_MOST_BYTES = 4 << 20


class Value(NamedTuple):
    """A value of a directory as stored: type, count, and its bytes in the file's order."""

    type: int
    many: int
    data: bytes


Directory: TypeAlias = dict[int, Value]


@dataclass(frozen=True)
class Exif:
    """The three directories of EXIF data.

    Attributes:
        order: byte order as for ``struct``, "<" or ">".
        main: title, camera, artist, ... and for a TIFF the requested tags of its pixels.
        shot: exposure, lens, dates, ...
        place: GPS.
        whole: False if a part was damaged, or too large, and was skipped.
        adobe: True if it declares the colors of Adobe RGB (DCF 2.0).
    """

    order: str = "<"
    main: Directory = field(default_factory=dict)
    shot: Directory = field(default_factory=dict)
    place: Directory = field(default_factory=dict)
    whole: bool = True
    adobe: bool = False

    def number(self, tag: int) -> float | None:
        """Return the first number of a value of the main directory, or None."""
        value = self.main.get(tag)
        signs = {1: "B", 3: "H", 4: "I", 5: "II", 6: "b", 8: "h", 9: "i", 10: "ii", 11: "f",
                 12: "d"}  # fmt: skip
        if value is None or value.type not in signs or not value.many:
            return None
        first, *below = struct.unpack_from(self.order + signs[value.type], value.data)
        if below:
            return first / below[0] if below[0] else None
        return float(first) if math.isfinite(first) else None

    def fractions(self, tag: int) -> tuple[float, ...]:
        """Return the fractions of a value of the main directory; none if it has another type."""
        value = self.main.get(tag)
        if value is None or value.type != _RATIONAL:
            return ()
        numbers = struct.unpack(f"{self.order}{2 * value.many}I", value.data)
        return tuple(a / b if b else 0.0 for a, b in zip(numbers[::2], numbers[1::2], strict=True))

    def kept(self, *, place: bool) -> Exif:
        """Return the part that holds for a result."""
        return Exif(
            self.order,
            {tag: value for tag, value in self.main.items() if tag in _MAIN_KEPT},
            {tag: value for tag, value in self.shot.items() if tag not in _SHOT_DROPPED},
            self.place if place else {},
        )

    def with_resolution(self, dpi: tuple[float, float] | None) -> Exif:
        """Return the same with a resolution in dots per inch, unless it has one already."""
        if dpi is None or _close(self.dpi, dpi):
            return self
        numbers = [Fraction(each).limit_denominator(10_000) for each in dpi]
        main = dict(self.main)
        for tag, each in zip((X_RESOLUTION, Y_RESOLUTION), numbers, strict=True):
            data = struct.pack(self.order + "II", each.numerator, each.denominator)
            main[tag] = Value(_RATIONAL, 1, data)
        main[RESOLUTION_UNIT] = numbers_of(_SHORT, [2], self.order)
        return Exif(self.order, main, self.shot, self.place)

    @property
    def dpi(self) -> tuple[float, float] | None:
        """Dots per inch across and down, or None if missing."""
        inches = {2: 1.0, 3: 2.54}.get(int(self.number(RESOLUTION_UNIT) or 2))
        x, y = self.number(X_RESOLUTION), self.number(Y_RESOLUTION)
        return None if not inches or not x or not y else (x * inches, y * inches)

    def turned(self) -> Exif:
        """Return the same for a picture whose rows have become columns."""
        main = dict(self.main)
        x, y = main.pop(X_RESOLUTION, None), main.pop(Y_RESOLUTION, None)
        main |= {tag: v for tag, v in ((X_RESOLUTION, y), (Y_RESOLUTION, x)) if v is not None}
        return Exif(self.order, main, self.shot, self.place)

    def tobytes(self) -> bytes:
        """Return EXIF data in the form of JPEG; b"" if empty.

        Example:
            >>> Exif("<", {0x013B: Value(2, 2, b"J" + bytes(1))}).tobytes()[:8]
            b'Exif\\x00\\x00II'
        """
        if not (self.main or self.shot or self.place):
            return b""
        mark = b"MM" if self.order == ">" else b"II"
        return PREFIX + mark + struct.pack(self.order + "HI", 42, 8) + self.directories(8)

    def directories(self, start: int, *, big: bool = False) -> bytes:
        """Return all directories one after the other, to be placed at ``start`` of a TIFF.

        Args:
            start: of the first, from the start of the TIFF.
            big: use the 64-bit offsets of a BigTIFF.
        """
        kind = _LONG8 if big else _LONG
        inner = {tag: each for tag, each in ((_SHOT, self.shot), (_PLACE, self.place)) if each}
        main = self.main | {tag: numbers_of(kind, [0], self.order) for tag in inner}
        at = start + len(_packed(main, start, self.order, big))
        parts = []
        for tag, each in inner.items():
            main[tag] = numbers_of(kind, [at], self.order)
            parts.append(_packed(each, at, self.order, big))
            at += len(parts[-1])
        return b"".join((_packed(main, start, self.order, big), *parts))


def numbers_of(kind: int, values: Collection[int], order: str) -> Value:
    """Return a value of whole numbers.

    Args:
        kind: 1 for bytes, 3, 4 or 16 for numbers of 16, 32 or 64 bits.
        values: the numbers.
        order: "<" or ">".

    Example:
        >>> numbers_of(3, [1, 2], "<").data
        b'\\x01\\x00\\x02\\x00'
    """
    signs = {_BYTE: "B", _SHORT: "H", _LONG: "I", _LONG8: "Q"}
    data = struct.pack(f"{order}{len(values)}{signs[kind]}", *values)
    return Value(kind, len(values), data)


def parse_exif(data: bytes) -> Exif:
    """Parse EXIF data as stored in files, with or without prefix; an empty value if it is none.

    Example:
        >>> parse_exif(b"").main
        {}
    """
    return read_exif(io.BytesIO(data.removeprefix(PREFIX)))


def read_exif(file: BinaryIO, *, also: Collection[int] = ()) -> Exif:
    """Read the EXIF data of a TIFF, either a file or the block that other formats embed.

    Only what may be kept is read, so pixels are not. Damaged parts are skipped.

    Args:
        file: the TIFF.
        also: further tags of the main directory to read.
    """
    file.seek(0)
    head = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if not order or len(head) < 8:
        return Exif(whole=not head)
    big = struct.unpack_from(order + "H", head, 2)[0] == 43
    left = [_MOST_BYTES]

    def directory(start: int, wanted: Callable[[int], bool]) -> tuple[Directory, bool]:
        return _directory(file, start, order, big, wanted, left)

    first = head[8:16] if big else head[4:8]
    inner = (ORIENTATION, _SHOT, _PLACE, *also)
    main, whole = directory(
        int.from_bytes(first, _ENDIAN[order]),
        lambda tag: tag in _MAIN_KEPT or tag in inner,
    )

    def inner_directory(
        pointer: Value | None, wanted: Callable[[int], bool]
    ) -> tuple[Directory, bool]:
        if pointer is None or pointer.type not in _POINTERS or pointer.many != 1:
            return {}, True
        (start,) = struct.unpack(order + _POINTERS[pointer.type], pointer.data)
        return directory(start, wanted)

    of_colors = (_COLOR_SPACE, _INTEROPERABILITY)
    shot, shot_whole = inner_directory(
        main.pop(_SHOT, None), lambda tag: tag not in _SHOT_DROPPED or tag in of_colors
    )
    place, place_whole = inner_directory(main.pop(_PLACE, None), lambda tag: True)
    space = shot.pop(_COLOR_SPACE, None)
    rule, _ = inner_directory(shot.pop(_INTEROPERABILITY, None), lambda tag: tag == 1)
    adobe = space is not None and (
        space.data == struct.pack(order + "H", 2)
        or (space.data == b"\xff\xff" and 1 in rule and rule[1].data[:3] == b"R03")
    )
    return Exif(order, main, shot, place, whole and shot_whole and place_whole, adobe)


def _directory(
    file: BinaryIO,
    start: int,
    order: str,
    big: bool,
    wanted: Callable[[int], bool],
    left: list[int],
) -> tuple[Directory, bool]:
    """Return the wanted values of a directory, and True if all of them are intact."""
    number, size, room = (8, 20, 8) if big else (2, 12, 4)
    head = _bytes_at(file, start, number)
    count = int.from_bytes(head, _ENDIAN[order])
    table = _bytes_at(file, start + number, min(count, _MOST_ENTRIES) * size)
    whole = len(head) == number and len(table) == count * size
    found: Directory = {}
    for at in range(0, len(table) - size + 1, size):
        tag, kind, many = struct.unpack_from(order + ("HHQ" if big else "HHI"), table, at)
        if not wanted(tag) or tag in found:
            continue
        length = _TYPE_BYTES.get(kind, 0) * many
        data = table[at + size - room : at + size][:length]
        if length > left[0]:
            whole = False
            continue
        left[0] -= length
        if length > room:
            (place,) = struct.unpack_from(order + "IQ"[big], table, at + size - room)
            data = _bytes_at(file, place, length)
        if not length or len(data) < length:
            whole = whole and not many
            continue
        found[tag] = Value(kind, many, data)
    return found, whole


def _bytes_at(file: BinaryIO, place: int, length: int) -> bytes:
    if place >= 1 << 62:  # beyond what any file can seek to
        return b""
    file.seek(place)
    return file.read(length)


def _packed(directory: Directory, start: int, order: str, big: bool) -> bytes:
    number, room = ("Q", 8) if big else ("H", 4)
    size = 20 if big else 12
    at = start + struct.calcsize(order + number) + len(directory) * size + room
    table, behind = struct.pack(order + number, len(directory)), b""
    for tag, value in sorted(directory.items()):
        head = struct.pack(order + ("HHQ" if big else "HHI"), tag, value.type, value.many)
        data = value.data
        if len(data) > room:
            place, data = at + len(behind), data + bytes(len(data) % 2)
            behind, data = behind + data, struct.pack(order + "IQ"[big], place)
        table += head + data.ljust(room, b"\0")
    return table + bytes(room) + behind


def _close(a: tuple[float, float] | None, b: tuple[float, float]) -> bool:
    return a is not None and all(abs(x - y) < 0.01 for x, y in zip(a, b, strict=True))
