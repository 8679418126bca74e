"""The chunks of a PNG: what they tell, apart from the pixels, which alone Pillow gets to see."""

from __future__ import annotations

import io
import struct
from bisect import bisect
from collections.abc import Iterator
from typing import Any, BinaryIO, NamedTuple

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
    """Kind and data of the chunks that say something beside the pixels, and of the profile.

    Args:
        file: a PNG; chunks of more than 16 MiB together are passed over.
    """
    found, left = [], _MOST_BYTES
    for chunk in _chunks(file):
        if (chunk.tells or chunk.kind == b"iCCP") and chunk.length <= left:
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
