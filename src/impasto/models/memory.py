"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["give_back_memory", "share_memory"]

# Of mallopt in glibc: the number of separate heaps that threads may have.
_ARENA_MAX = -8


def share_memory() -> None:
    """Have all threads of this process take memory from one place, where they can (glibc).

    Else each may have a heap of its own, and what one has freed is not used by the next. It holds
    for the whole process and for threads that come later, so it is for commands, not for a library.

    Example:
        >>> share_memory()                                                   # doctest: +SKIP
    """
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows
        ctypes.CDLL(None).mallopt(_ARENA_MAX, 1)


def give_back_memory() -> None:
    """Have the C library give back what it holds and nobody uses, where it can (glibc).

    What a thread has freed is not used again by the next one, and large pieces lie between small
    ones that are still in use.

    Example:
        >>> give_back_memory()
    """
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows
        ctypes.CDLL(None).malloc_trim(0)
