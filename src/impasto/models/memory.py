"""Memory that is free, given back to the system."""

from __future__ import annotations

import ctypes
from contextlib import suppress

__all__ = ["give_back_memory"]


def give_back_memory() -> None:
    """Have the C library give back what it holds and nobody uses, where it can (glibc).

    What a thread has freed is not used again by the next one, and large pieces lie between small
    ones that are still in use.

    Example:
        >>> give_back_memory()
    """
    with suppress(OSError, AttributeError, TypeError):  # TypeError: Windows
        ctypes.CDLL(None).malloc_trim(0)
