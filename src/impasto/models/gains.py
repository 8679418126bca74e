"""Measured gains of int8: the table that decides where it is worth its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["GAINS", "WORTH", "GainRow", "find_gain"]

WORTH = 1.15
"""Minimum speedup over the previous precision at which int8 is chosen automatically."""


# Between the work of `fast` (3.1) and that of `quality` (12.7), as the geometric mean: models above
# it are assumed to gain as `quality` does. Multiply-adds for 512 x 512 pixels.
_LARGE = 6.2e9


@dataclass(frozen=True)
class GainRow:
    """A measured gain: the speedup of a model in int8 over its previous precision.

    Attributes:
        engine: a name in ``ENGINES``.
        instructions: a name in :data:`impasto.models.processor.INSTRUCTIONS`; the row is for
            processors with these, and with stronger ones up to the next row of the engine.
        before: the precision compared with, which is the default there.
        fast: gain of ``fast`` at 512 px.
        quality: gain of ``quality`` at 512 px.
    """

    engine: str
    instructions: str
    before: str
    fast: float
    quality: float

    def of(self, macs_512: int) -> float:
        """Return the gain of a model with this much work: that of the nearer measured one."""
        return self.quality if macs_512 > _LARGE else self.fast


GAINS: tuple[GainRow, ...] = (
    GainRow("onnxruntime", "avx2", "fp32", fast=1.09, quality=1.27),
    GainRow("onnxruntime", "amx", "fp32", fast=1.09, quality=1.34),
    GainRow("openvino", "avx2", "fp32", fast=1.12, quality=1.34),
    GainRow("openvino", "avx512", "fp32", fast=1.07, quality=1.14),
    GainRow("openvino", "avx512_vnni", "fp32", fast=1.20, quality=1.41),
)
"""One row per engine and set of instructions, measured by `python benchmarks/int8.py`: those of
avx2 on AMD's Zen 3, the others on an Intel processor with AMX (docs/precision.md)."""


def find_gain(engine: str, instructions: Sequence[str]) -> GainRow | None:
    """Find the row for an engine on a processor: that of its strongest instructions.

    Args:
        engine: its name.
        instructions: of the processor, from :func:`impasto.models.processor.instructions`.

    Returns:
        The row; None if nothing was measured.

    Example:
        >>> find_gain("onnxruntime", ())
    """
    rows = {row.instructions: row for row in GAINS if row.engine == engine}
    return next((rows[name] for name in reversed(instructions) if name in rows), None)
