"""Statistics of a server, without the name of any picture."""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from impasto import __version__
from impasto.web.painting import Answer
from impasto.web.places import Places

__all__ = ["Figures"]


class Figures:
    """Counts of a server's work.

    Attributes:
        answers: number of answers by status.
        painted: number of pictures.
        frames: number of live frames.
        pixels: number of pixels of both.
        seconds: seconds of painting, all threads together.
        sockets: number of open sockets for live frames.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.answers: Counter[int] = Counter()
        self.painted = self.frames = self.pixels = self.sockets = 0
        self.seconds = 0.0

    def count(self, answer: Answer) -> None:
        """Count an answer, if it is a picture that was painted."""
        if answer.seconds is None:
            return
        self.painted += 1
        self.pixels += answer.size[0] * answer.size[1]
        self.seconds += sum(answer.seconds.values())

    def state(self, places: Places) -> dict[str, Any]:
        """All figures, for ``/api/health``."""
        return {
            "status": "ok",
            "version": __version__,
            "uptime": round(time.monotonic() - self._began, 3),
            "jobs": places.jobs,
            "queue": places.queue,
            "taken": places.taken,
            "painting": places.painting,
            "waiting": places.waiting,
            "sockets": self.sockets,
            "answers": {str(status): count for status, count in sorted(self.answers.items())},
            "painted": self.painted,
            "frames": self.frames,
            "pixels": self.pixels,
            "seconds": round(self.seconds, 3),
            "memory": resident_bytes(),
        }


def resident_bytes() -> int | None:
    """Bytes of memory that the process has now; None where they are not reported (not Linux).

    Example:
        >>> resident_bytes()                                                 # doctest: +SKIP
        104857600
    """
    with suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")
    return None
