"""Instructions of this processor, which decide what is fast on it."""

from __future__ import annotations

from collections.abc import Set
from functools import cache
from pathlib import Path

__all__ = ["INSTRUCTIONS", "instructions", "processor_flags"]

INSTRUCTIONS: tuple[tuple[str, frozenset[str]], ...] = (
    ("avx2", frozenset({"avx2"})),
    ("avx512", frozenset({"avx512f", "avx512bw", "avx512dq", "avx512vl"})),
    ("avx512_vnni", frozenset({"avx512_vnni"})),
    ("avx512_bf16", frozenset({"avx512_bf16"})),
    ("amx", frozenset({"amx_int8", "amx_bf16"})),
)
"""Sets of instructions by name, weakest first, each with Linux's flags for it. A processor that has
one also has those before it."""

_CPUINFO = Path("/proc/cpuinfo")


def instructions(flags: Set[str] | None = None) -> tuple[str, ...]:
    """Return the names in ``INSTRUCTIONS`` that a processor supports, weakest first.

    Args:
        flags: of the processor; by default of this one.

    Returns:
        The names; none if nothing is known about the processor.

    Example:
        >>> instructions({"avx2", "fma"})
        ('avx2',)
    """
    known = processor_flags() if flags is None else flags
    found = []
    for name, needed in INSTRUCTIONS:
        if not needed <= known:
            break
        found.append(name)
    return tuple(found)


@cache
def processor_flags() -> frozenset[str]:
    """Return the flags that Linux reports for this processor; none on other systems.

    Example:
        >>> sorted(processor_flags())[:2]                                    # doctest: +SKIP
        ['abm', 'adx']
    """
    try:
        text = _CPUINFO.read_text(encoding="ascii", errors="replace")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, flags = line.partition(":")
        if name.strip() == "flags":  # ARM calls them "Features"
            return frozenset(flags.split())
    return frozenset()
