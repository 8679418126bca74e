"""Places for requests: a few are painted at once, a few more wait, and all others are refused.

A request has its place from its first byte until its answer has been taken, so that memory is
bounded by the number of places. A client that leaves frees its place: waiting work is dropped, and
painting ends at its next step.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from threading import Event
from typing import TypeVar

from impasto.errors import OptionError, WebError, counted
from impasto.painting import Progress

__all__ = ["BusyError", "Left", "Places", "Turn"]

T = TypeVar("T")

# The time of work is estimated from the last few.
_REMEMBERED = 20


class BusyError(WebError):
    """All places are taken.

    Attributes:
        seconds: seconds after which one should be free.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many requests are waiting: try again in {seconds} s")
        self.seconds = seconds


class Left(Exception):
    """The client has left."""


class Turn:
    """The turn of a piece of work, which checks between its steps whether to continue."""

    def __init__(self, seconds: float) -> None:
        """Begin a turn with a time limit in seconds."""
        self._limit, self._until = seconds, time.monotonic() + seconds
        self._left = Event()

    def end(self) -> None:
        """End the turn: the client has left."""
        self._left.set()

    def check(self, progress: Progress | None = None) -> None:
        """Continue, or raise an error; a :data:`impasto.painting.Watch`.

        Raises:
            Left: after :meth:`end`.
            OptionError: if the time is up.

        Example:
            >>> Turn(10).check()
        """
        if self._left.is_set():
            raise Left
        if time.monotonic() > self._until:
            raise OptionError(
                f"painting takes longer than the limit of {counted(round(self._limit), 'second')}: "
                "give a smaller size"
            )


class Places:
    """Places of a server, for one event loop.

    Attributes:
        jobs: number of pieces of work that are done at once.
        queue: number of pieces of work that may wait.
        painting: number of pieces of work that are being done.
    """

    def __init__(self, jobs: int, queue: int, seconds: float) -> None:
        """Make the places.

        Args:
            jobs: number of pieces of work that are done at once, each in a thread.
            queue: number of pieces that may wait.
            seconds: time limit of one.
        """
        self.jobs, self.queue, self.painting = jobs, queue, 0
        self._seconds = seconds
        self._taken = 0
        self._turns: deque[asyncio.Future[None]] = deque()
        self._works: deque[float] = deque(maxlen=_REMEMBERED)
        self._pool = ThreadPoolExecutor(jobs, "impasto-paint")

    @property
    def taken(self) -> int:
        """Number of places that are taken, whether anything is painted there or not."""
        return self._taken

    @property
    def waiting(self) -> int:
        """Number of pieces of work that wait for their turn."""
        return len(self._turns)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take a place for the block.

        Raises:
            BusyError: if none is free.
        """
        if self._taken >= self.jobs + self.queue:
            raise BusyError(self.patience())
        self._taken += 1
        try:
            yield
        finally:
            self._taken -= 1

    def patience(self) -> int:
        """Estimate the seconds until a place is free, from the work there and its usual time."""
        mean = sum(self._works) / len(self._works) if self._works else 1.0
        return max(1, math.ceil(mean * (self.painting + self.waiting) / self.jobs / 2))

    async def run(self, work: Callable[[Turn], T]) -> T:
        """Do a piece of work in a thread when its turn comes, first come first served.

        If the task is cancelled, what waits is dropped and what is being done ends at its next
        step. Only then is its thread free for others.

        Args:
            work: called with the turn, to check whether to continue.
        """
        if self.painting >= self.jobs or self._turns:
            waiter = asyncio.get_running_loop().create_future()
            self._turns.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if not waiter.cancelled():  # its turn had just come
                    self._done()
                elif waiter in self._turns:
                    self._turns.remove(waiter)
                raise
        else:
            self.painting += 1
        begin, turn = time.monotonic(), Turn(self._seconds)
        loop = asyncio.get_running_loop()

        def finished(_: Future[T]) -> None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(self._done, time.monotonic() - begin)

        try:
            future = self._pool.submit(work, turn)
        except BaseException:  # after close()
            self._done()
            raise
        future.add_done_callback(finished)
        try:
            return await asyncio.shield(asyncio.wrap_future(future))
        except asyncio.CancelledError:
            turn.end()
            raise

    def close(self) -> None:
        """Accept no more work, and wait for none."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _done(self, seconds: float | None = None) -> None:
        if seconds is not None:
            self._works.append(seconds)
        while self._turns:
            waiter = self._turns.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.painting -= 1
