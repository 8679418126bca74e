"""Larger strokes: a picture is painted small, enlarged, and painted again at full size.

A model paints strokes of a fixed size in pixels, so those of a picture that is painted at 1/K of
its size are K times as large after enlarging. Enlarging blurs edges; a share of the photograph's
fine detail, its difference from its reduced and enlarged version, is restored before the second
painting, which makes the surface crisp again::

    x_K = E(paint(R(x))) + DETAIL * (x - E(R(x)))        result = paint(x_K)

with R for reducing to 1/K and E for enlarging. Gatys et al. (CVPR 2017, section 6) paint coarse
strokes by optimization at two sizes in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from impasto.errors import OptionError
from impasto.images.arrays import Photo
from impasto.images.options import MIN_SIDE
from impasto.images.windows import ScaledSource, Source, Window

if TYPE_CHECKING:
    from impasto.controls.regions import StyleMap

MAX_COARSE = 4.0
"""The largest factor: beyond it the photograph is hardly recognizable."""

DETAIL = 0.7
"""Share of the photograph's fine detail that is restored (docs/controls.md has the numbers)."""


def check_coarse(coarse: float) -> float:
    """Return the factor of the stroke size as a float, if it is valid.

    Raises:
        OptionError: if it is not a number from 1 to 4.

    Example:
        >>> check_coarse(2)
        2.0
    """
    try:
        value = float(coarse)
    except (TypeError, ValueError):
        value = 0.0
    if not 1 <= value <= MAX_COARSE:  # also refuses NaN
        raise OptionError(f"coarse must be a number from 1 to {MAX_COARSE:g}, not {coarse!r}")
    return value


def small_size(height: int, width: int, coarse: float) -> tuple[int, int]:
    """Return height and width of the first, small painting.

    Example:
        >>> small_size(300, 200, 2)
        (150, 100)
    """
    factor = min(coarse, min(height, width) / MIN_SIDE)
    return max(MIN_SIDE, round(height / factor)), max(MIN_SIDE, round(width / factor))


@dataclass(frozen=True, eq=False)
class CoarseSource:
    """A photograph with the coarse strokes added, to be painted at full size; a ``Source``.

    Attributes:
        photograph: the photograph.
        reduced: the photograph at the size of ``painted``.
        painted: the painting of ``reduced``.
        amounts: the strength of each style at every position; where it is 0, the photograph stays.
    """

    photograph: Source
    reduced: Source
    painted: Photo
    amounts: StyleMap

    @property
    def height(self) -> int:
        """In pixels."""
        return self.photograph.height

    @property
    def width(self) -> int:
        """In pixels."""
        return self.photograph.width

    @property
    def held(self) -> int:
        """Bytes that it keeps in memory as a whole."""
        return self.photograph.held + self.reduced.held + self.painted.image.nbytes

    @property
    def row_bytes(self) -> int:
        """Bytes that it keeps for every row of a window."""
        return self.photograph.row_bytes

    @property
    def name(self) -> str:
        """The name of the picture, for messages."""
        return self.photograph.name

    @property
    def depth(self) -> int:
        """Bits per channel to write a file of the result with."""
        return self.photograph.depth

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`impasto.images.windows.Source.window`."""
        image, alpha = self.photograph.window(rows, columns)
        size = self.height, self.width
        strokes, _ = ScaledSource(self.painted, *size, None).window(rows, columns)
        blurred, _ = ScaledSource(self.reduced, *size, None).window(rows, columns)
        coarse = np.clip(strokes + np.float32(DETAIL) * (image - blurred), 0, 1)
        share = np.minimum(self.amounts.window(rows, columns).sum(axis=0), 1).astype(np.float32)
        # Written so that a share of 0 or 1 gives exactly one or the other.
        return coarse * share[..., None] + image * (1 - share[..., None]), alpha
