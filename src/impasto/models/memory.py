"""Return of free memory to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["give_back_memory", "share_memory"]

# Parameter of mallopt in glibc: the number of separate heaps for threads.
_ARENA_MAX = -8


def share_memory() -> None:
    """Make all threads of this process allocate from one heap, where possible (glibc).

    Else each may have its own heap, whose freed memory other threads cannot use. It applies to the
    whole process and to later threads, so it is for commands, not for a library.

    Example:
        >>> share_memory()                                                   # doctest: +SKIP
    """
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Make the C library return free memory to the system, where possible (glibc).

    Memory that a thread has freed is not reused by the next one, and large pieces lie between small
    ones that are still in use.

    Example:
        >>> give_back_memory()
    """
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows
        ctypes.CDLL(None).malloc_trim(0)
