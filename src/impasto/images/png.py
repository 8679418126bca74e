"""The chunks of a PNG: what they tell, apart from the pixels, which alone Pillow gets to see."""

from __future__ import annotations

import io
import struct
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, BinaryIO, NamedTuple

from impasto.images.cicp import ColorSpace, color_space, gamma_space

SIGNATURE = b"\x89PNG\r\n\x1a\n"

# Chunks that may be there for pixels to be understood, beside those with a capital letter.
_OF_PIXELS = frozenset((b"tRNS", b"iCCP", b"acTL", b"fcTL", b"fdAT"))
_MOST_BYTES = 16 << 20


class Chunk(NamedTuple):
    """A chunk: its kind, where its data begin, and how many bytes they have."""

    kind: bytes
    start: int
    length: int

    @property
    def tells(self) -> bool:
        """True if its data are no pixels and nothing that decoding them needs."""
        return self.kind[:1].islower() and self.kind not in _OF_PIXELS


def told_chunks(file: BinaryIO) -> list[tuple[bytes, bytes]]:
    """Kind and data of the header, the profile, and the chunks that are not about pixels.

    Args:
        file: a PNG; chunks of more than 16 MiB together are passed over.
    """
    found, left = [], _MOST_BYTES
    for chunk in _chunks(file):
        if (chunk.tells or chunk.kind in (b"IHDR", b"iCCP")) and chunk.length <= left:
            left -= chunk.length
            file.seek(chunk.start)
            found.append((chunk.kind, file.read(chunk.length)))
    return found


def pixels_of(file: BinaryIO) -> BinaryIO:
    """The same PNG without the chunks that tell something: itself if it has none.

    Pillow refuses a whole picture for a text that is too large, too well packed or wrong in its
    checksum.
    """
    kept: list[tuple[int, int]] = []
    done = 0
    for chunk in _chunks(file):
        if chunk.tells:
            if done < chunk.start - 8:
                kept.append((done, chunk.start - 8))
            done = chunk.start + chunk.length + 4
    if not done:
        return file
    end = file.seek(0, io.SEEK_END)
    return io.BufferedReader(_Parts(file, [*kept, (done, max(done, end))]), 1 << 16)


def _chunks(file: BinaryIO) -> Iterator[Chunk]:
    """The chunks of a PNG, as far as they are whole."""
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
    """The color space that chunks of a PNG tell of, in the order of PNG, 3rd edition, 4.3.

    Args:
        told: kind and data of the chunks.
        profile: whether it has an ICC profile that can be read.

    Returns:
        The space, None for the profile or for sRGB; and a part of a sentence about what is not
        understood, or lost, or "".
    """
    chunks = dict(reversed(told))  # of two of a kind the first
    lost = ""
    if (data := chunks.get(b"cICP")) is not None:
        space = None
        if len(data) == 4 and data[2] == 0 and data[3] < 2:
            head = chunks.get(b"IHDR", b"")
            deep = head[8:9] == b"\x10"  # palettes and what is stretched have 8 bits
            narrow = 0 if data[3] else 16 if deep else 8
            space = color_space(data[0], data[1], narrow=narrow, peak=_brightest(chunks))
        if space is not None and data[:2] != b"\2\2":
            return space, space.remark
        if space is None:
            lost = f"its cICP {'/'.join(map(str, data[:8]))} is not understood and passed over"
    if profile or b"sRGB" in chunks:
        return None, lost
    gamma, primaries = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    if not (gamma or primaries):
        return None, lost and f"{lost}: its colors are taken for sRGB"
    space = gamma_space(
        struct.unpack(">I", gamma)[0] / 100_000 if len(gamma) == 4 else None,
        tuple(each / 100_000 for each in struct.unpack(">8I", primaries))
        if len(primaries) == 32
        else None,
    )
    if space is None or len(gamma) not in (0, 4) or len(primaries) not in (0, 32):
        return space, "its gAMA and cHRM make no sense: its colors are taken for sRGB"
    return space, lost


def chunks_of_info(info: Mapping[Any, Any]) -> list[tuple[bytes, bytes]]:
    """The chunks about colors of a PNG that Pillow has opened, from its ``info``.

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
    """The brightest light of its content, or else of the display it was made on, in cd/m2; or 0."""
    content, display = chunks.get(b"cLLI", b""), chunks.get(b"mDCV", b"")
    if len(content) == 8 and (light := struct.unpack_from(">I", content)[0]):
        return float(light / 10_000)
    return float(struct.unpack_from(">I", display, 16)[0] / 10_000) if len(display) == 24 else 0.0


class _Parts(io.RawIOBase):
    """Parts of a file, from one place to another, as a file; nothing is copied."""

    def __init__(self, file: BinaryIO, parts: list[tuple[int, int]]) -> None:
        self._file, self._at = file, 0
        self._parts = parts
        self._starts: list[int] = []  # where each begins here
        self._size = 0
        for first, last in parts:
            self._starts.append(self._size)
            self._size += last - first

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_CUR: self._at, io.SEEK_END: self._size}.get(whence, 0)
        if start + offset < 0:
            raise ValueError(f"a place before the start: {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self._size:
            return 0
        number = bisect(self._starts, self._at) - 1
        first, last = self._parts[number]
        place = first + self._at - self._starts[number]
        self._file.seek(place)
        data = self._file.read(min(len(buffer), last - place))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)
