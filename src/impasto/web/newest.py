"""The newest picture for any number of viewers: each gets it when it is ready for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from threading import Lock

__all__ = ["Newest"]


class Newest:
    """The newest of a stream of encoded pictures. Nothing is queued for anyone.

    Pictures come from any thread; viewers are tasks of asyncio. A viewer that is slower than the
    stream misses pictures, and holds up neither the stream nor other viewers.
    """

    def __init__(self) -> None:
        self._picture, self._number, self._closed = b"", 0, False
        self._lock = Lock()
        self._bells: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}

    @property
    def viewers(self) -> int:
        """The number of viewers."""
        return len(self._bells)

    def put(self, picture: bytes) -> None:
        """Replace the picture."""
        with self._lock:
            self._picture = picture
            self._number += 1
        self._ring()

    def close(self) -> None:
        """End the stream, and every viewer with it."""
        self._closed = True
        self._ring()

    async def follow(self) -> AsyncIterator[bytes]:
        """Yield the current picture, then each time the newest, until the stream ends."""
        bell, seen = asyncio.Event(), 0
        with self._lock:
            self._bells[bell] = asyncio.get_running_loop()
        try:
            while not self._closed:
                bell.clear()
                with self._lock:
                    picture, number = self._picture, self._number
                if number == seen:
                    if not self._closed:  # it may have been closed before the bell was cleared
                        await bell.wait()
                    continue
                seen = number
                yield picture
        finally:
            with self._lock:
                del self._bells[bell]

    def _ring(self) -> None:
        with self._lock:
            bells = list(self._bells.items())
        for bell, loop in bells:
            with suppress(RuntimeError):  # its server has ended meanwhile
                loop.call_soon_threadsafe(bell.set)
