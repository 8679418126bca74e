"""Files that are views of another file: read-only, seekable, without copying."""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Any


class FileView(io.RawIOBase):
    """A file whose bytes :meth:`bytes_at` returns.

    Args:
        size: in bytes.
    """

    def __init__(self, size: int) -> None:
        self._size, self._at = size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_CUR: self._at, io.SEEK_END: self._size}.get(whence, 0)
        if start + offset < 0:
            raise ValueError(f"a position before the start: {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: Any) -> int:
        data = self.bytes_at(self._at, len(buffer)) if self._at < self._size else b""
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    @abstractmethod
    def bytes_at(self, place: int, count: int) -> bytes:
        """Return at least one and at most ``count`` bytes from an offset within the file."""
