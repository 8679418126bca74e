"""Moments gathered piece by piece: what a picture's tiles say of it together.

Count, mean and sum of squared deviations of two pieces give those of both (Chan, Golub & LeVeque
1979), in float64, so it makes no difference that anybody could see where a picture was cut.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.affine import EPS, Moments
from impasto.regions import enough

# Numbers in float64 at a time: what is added and squared stays in cache.
_BLOCK = 1 << 17


class Gathered:
    """Moments of a level's features, of as many pieces as have been added so far.

    Args:
        channels: C of the level.

    Example:
        >>> features = np.random.default_rng(0).random((2, 8, 6), np.float32)
        >>> halves = Gathered(2)
        >>> halves.add(features[:, :, :3])
        >>> halves.add(features[:, :, 3:])
        >>> np.allclose(halves.moments.mean, features.mean((1, 2)))
        True
    """

    def __init__(self, channels: int) -> None:
        self._count = 0.0
        self._squares = 0.0
        self._mean = np.zeros(channels)
        self._m2 = np.zeros(channels)

    def add(
        self, features: NDArray[np.float32], counts: NDArray[np.floating[Any]] | None = None
    ) -> None:
        """Take in a piece.

        Args:
            features: (C, h, w), positions that were not added before.
            counts: (h, w), how much each position counts, 0 or more; None: all the same.
        """
        channels, height, width = features.shape
        rows = max(1, _BLOCK // max(1, channels * width))
        for top in range(0, height, rows):
            block = features[:, top : top + rows].reshape(channels, -1).astype(np.float64)
            if counts is None:
                self._merge(block, None)
            elif (weights := counts[top : top + rows]).any():  # most of it is outside small regions
                self._merge(block, weights.reshape(-1).astype(np.float64))

    @property
    def effective(self) -> float:
        """How many positions these are worth, as :func:`impasto.regions.effective_cells`."""
        return self._count * self._count / self._squares if self._squares > 0 else 0.0

    @property
    def moments(self) -> Moments:
        """Mean and deviation of all that was added; something must have been."""
        return Moments(mean=self._mean.copy(), std=np.sqrt(self._m2 / self._count + EPS))

    def moments_or(self, whole: Moments) -> Moments:
        """The moments, or ``whole`` if these positions are too few to have any.

        The same choice as :func:`impasto.regions.region_moments`, made when all is gathered.
        """
        return self.moments if enough(self.effective) else whole

    def _merge(self, block: NDArray[np.float64], weights: NDArray[np.float64] | None) -> None:
        # einsum, not BLAS: for so little at a time its threads cost more than they bring.
        if weights is None:
            count = squares = float(block.shape[1])
            mean = np.einsum("cp->c", block) / count
            block -= mean[:, None]
            m2 = np.einsum("cp,cp->c", block, block)
        else:
            count, squares = float(weights.sum()), float(np.square(weights).sum())
            mean = np.einsum("cp,p->c", block, weights / count)
            block -= mean[:, None]
            m2 = np.einsum("cp,cp,p->c", block, block, weights)
        total = self._count + count
        apart = mean - self._mean
        self._m2 += m2 + apart * apart * (self._count / total * count)
        self._mean += apart * (count / total)
        self._count, self._squares = total, self._squares + squares


def gather(features: NDArray[np.float32]) -> Moments:
    """Moments of a level that is there as a whole, as its tiles would give them.

    Example:
        >>> gather(np.array([[[1.0, 3.0]]], np.float32)).mean
        array([2.])
    """
    found = Gathered(len(features))
    found.add(features)
    return found.moments
