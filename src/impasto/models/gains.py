"""Measured gains of int8: the table that decides where it is worth its loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["GAINS", "WORTH", "GainRow", "find_gain"]

WORTH = 1.15
"""Least speed of int8, in times that of single precision, at which it is taken where nobody asked for it."""


@dataclass(frozen=True)
class GainRow:
    """A measured gain: how many times as fast a model is in int8 as in what it ran in before.

    Attributes:
        engine: a name in ``ENGINES``.
        instructions: a name in :data:`impasto.models.processor.INSTRUCTIONS`; the row is for
            processors that have these, and stronger ones up to the next row of the engine.
        before: the precision that is compared with, the default there.
        fast: gain of ``fast`` at 512 px.
        quality: gain of ``quality`` at 512 px.
    """

    engine: str
    instructions: str
    before: str
    fast: float
    quality: float

    @property
    def gain(self) -> float:
        """The smaller of the two, since other models may be like either."""
        return min(self.fast, self.quality)


GAINS: tuple[GainRow, ...] = (
    GainRow("onnxruntime", "avx2", "fp32", fast=1.34, quality=1.91),
    GainRow("onnxruntime", "avx512_vnni", "fp32", fast=1.39, quality=1.80),
    GainRow("openvino", "avx2", "fp32", fast=1.35, quality=1.72),
    GainRow("openvino", "avx512_bf16", "bf16", fast=1.01, quality=1.26),
)
"""One row an engine and a set of instructions. Those for AVX2 are of AMD's Zen 3, the others of
Zen 4 (`python benchmarks/int8.py`, docs/precision.md)."""


def find_gain(engine: str, instructions: Sequence[str]) -> GainRow | None:
    """Find the row for an engine on a processor: that of the strongest instructions it has.

    Args:
        engine: its name.
        instructions: of the processor, as :func:`impasto.models.processor.instructions` gives them.

    Returns:
        The row; None where nothing was measured.

    Example:
        >>> find_gain("onnxruntime", ())
    """
    rows = {row.instructions: row for row in GAINS if row.engine == engine}
    return next((rows[name] for name in reversed(instructions) if name in rows), None)
