"""Signals that end a call, raised as an exception so that unfinished files are cleaned up."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_NAMES = ("SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR1", "SIGUSR2", "SIGALRM", "SIGXCPU")

# A terminal that closes sends SIGHUP twice, a service manager two signals at once: the second must
# not interrupt the cleanup after the first.
_GRACE_SECONDS = 2.0


class Stopped(KeyboardInterrupt):
    """A signal that ends the call, Ctrl-C among them.

    Attributes:
        number: number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


class Signals:
    """The first signal received, if any.

    Attributes:
        number: number of that signal; 0 for none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._until = 0.0
        self._process = os.getpid()

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            Stopped: unless the first signal came only a moment ago.
        """
        if os.getpid() != self._process:  # a forked process keeps the default behavior
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if time.monotonic() < self._until:
            return
        self.number = self.number or number
        self._until = time.monotonic() + _GRACE_SECONDS
        raise Stopped(number)

    def line(self) -> str:
        """Return the line that reports the signal.

        Example:
            >>> signals = Signals()
            >>> signals.number = signal.SIGTERM
            >>> signals.line()
            'stopped by SIGTERM'
        """
        if self.number in (0, signal.SIGINT):
            return "interrupted"
        return f"stopped by {signal.Signals(self.number).name}"


@contextmanager
def stopping() -> Iterator[Signals]:
    """Raise :class:`Stopped` within the block for a signal that would have ended the process.

    A signal that is ignored, as with ``nohup`` or in the background of a shell, stays ignored.
    """
    signals = Signals()
    before = {}
    if threading.current_thread() is threading.main_thread():  # no other may set handlers
        for name in _NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) in (
                signal.SIG_DFL,
                signal.default_int_handler,
            ):
                before[number] = signal.signal(number, signals.stop)
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
