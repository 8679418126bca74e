"""The chunks of a PNG, separated from the pixels, which alone are passed to Pillow."""

from __future__ import annotations

import io
import struct
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from impasto.images.cicp import ColorSpace, color_space, gamma_space
from impasto.images.views import FileView

MORE = b""
"""Kind of the chunk that stands for those that were skipped."""

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks that decoding the pixels may need, beside those with a capital letter.
_OF_PIXELS = frozenset((b"tRNS", b"iCCP", b"acTL", b"fcTL", b"fdAT"))
_MOST_BYTES, _MOST_CHUNKS = 16 << 20, 10_000


class Chunk(NamedTuple):
    """A chunk: its kind, the offset of its data, and their number of bytes."""

    kind: bytes
    start: int
    length: int

    @property
    def tells(self) -> bool:
        """True if its data are neither pixels nor needed to decode them."""
        return self.kind[:1].islower() and self.kind not in _OF_PIXELS


def told_and_pixels(file: BinaryIO) -> tuple[list[tuple[bytes, bytes]], BinaryIO]:
    """Separate the metadata of a PNG from its pixels.

    Pillow refuses a whole picture if a text is too large, too highly compressed or has a wrong
    checksum, so it gets the pixels alone.

    Args:
        file: a PNG. Chunks beyond 10,000, or beyond 16 MiB together, are skipped, which a chunk
            of the kind ``MORE`` marks.

    Returns:
        Kind and data of the header, the profile, and the chunks that are not about pixels; and the
        PNG without the latter, itself if it has none.
    """
    told: list[tuple[bytes, bytes]] = []
    kept: list[tuple[int, int]] = []
    left, done, more = _MOST_BYTES, 0, False
    for chunk in chunks_of(file):
        if chunk.tells:
            if done < chunk.start - 8:
                kept.append((done, chunk.start - 8))
            done = chunk.start + chunk.length + 4
        elif chunk.kind not in (b"IHDR", b"iCCP"):
            continue
        if chunk.length <= left and len(told) < _MOST_CHUNKS:
            left -= chunk.length
            file.seek(chunk.start)
            told.append((chunk.kind, file.read(chunk.length)))
        else:
            more = True
    if more:
        told.append((MORE, b""))
    if not done:
        return told, file
    end = file.seek(0, io.SEEK_END)
    return told, io.BufferedReader(_Parts(file, [*kept, (done, max(done, end))]), 1 << 16)


def chunks_of(file: BinaryIO) -> Iterator[Chunk]:
    """Yield the chunks of a PNG, as far as they are complete.

    Example:
        >>> list(chunks_of(io.BytesIO(SIGNATURE)))
        []
    """
    size = file.seek(0, io.SEEK_END)
    at = len(SIGNATURE)
    while at + 12 <= size:
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        if at + 12 + length > size:
            return
        yield Chunk(kind, at + 8, length)
        if kind == b"IEND":
            return
        at += 12 + length


def png_space(
    told: Sequence[tuple[bytes, bytes]], *, profile: bool
) -> tuple[ColorSpace | None, str]:
    """Return the color space that chunks of a PNG declare, by the precedence of 4.3 (3rd edition).

    Args:
        told: kind and data of the chunks.
        profile: True if it has an ICC profile that can be read.

    Returns:
        The space, None for the profile or for sRGB; and a clause on what is not understood, or
        lost, or "".
    """
    chunks = dict(reversed(told))  # of two of a kind the first wins
    lost = ""
    if (data := chunks.get(b"cICP")) is not None:
        space = None
        if len(data) == 4 and data[2] == 0 and data[3] < 2:
            head = chunks.get(b"IHDR", b"")
            deep = head[8:9] == b"\x10"  # palettes and pixels that are expanded have 8 bits
            narrow = 0 if data[3] else 16 if deep else 8
            space = color_space(data[0], data[1], narrow=narrow, peak=_brightest(chunks))
        if space is not None and data[:2] != b"\2\2":
            return space, space.remark
        if space is None:
            lost = f"its cICP {'/'.join(map(str, data[:8]))} is unknown and ignored"
    if profile or b"sRGB" in chunks:
        return None, lost
    gamma, primaries = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    if not (gamma or primaries):
        return None, lost and f"{lost}: sRGB is assumed"
    space = gamma_space(
        struct.unpack(">I", gamma)[0] / 100_000 if len(gamma) == 4 else None,
        tuple(each / 100_000 for each in struct.unpack(">8I", primaries))
        if len(primaries) == 32
        else None,
    )
    if space is None or len(gamma) not in (0, 4) or len(primaries) not in (0, 32):
        return space, "its gAMA and cHRM are invalid: sRGB is assumed"
    return space, lost


def chunks_of_info(info: Mapping[Any, Any]) -> list[tuple[bytes, bytes]]:
    """Return the chunks about colors of a PNG that Pillow has opened, from its ``info``.

    Example:
        >>> chunks_of_info({"gamma": 1.0})
        [(b'gAMA', b'\\x00\\x01\\x86\\xa0')]
    """
    chunks = []
    if isinstance(gamma := info.get("gamma"), float):
        chunks.append((b"gAMA", struct.pack(">I", round(gamma * 100_000))))
    if isinstance(primaries := info.get("chromaticity"), tuple) and len(primaries) == 8:
        numbers = (round(each * 100_000) for each in primaries)
        chunks.append((b"cHRM", struct.pack(">8I", *numbers)))
    if "srgb" in info:
        chunks.append((b"sRGB", b"\0"))
    return chunks


def _brightest(chunks: dict[bytes, bytes]) -> float:
    """Find the brightest light of its content, or else its mastering display, in cd/m2; or 0."""
    content, display = chunks.get(b"cLLI", b""), chunks.get(b"mDCV", b"")
    if len(content) == 8 and (light := struct.unpack_from(">I", content)[0]):
        return float(light / 10_000)
    return float(struct.unpack_from(">I", display, 16)[0] / 10_000) if len(display) == 24 else 0.0


class _Parts(FileView):
    """Ranges of a file, joined as one file."""

    def __init__(self, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        self._file, self._parts = file, parts
        self._starts: list[int] = []  # offset of each range here
        size = 0
        for first, last in parts:
            self._starts.append(size)
            size += last - first
        super().__init__(size)

    def bytes_at(self, place: int, count: int) -> bytes:
        number = bisect(self._starts, place) - 1
        first, last = self._parts[number]
        start = first + place - self._starts[number]
        self._file.seek(start)
        return self._file.read(min(count, last - start))
