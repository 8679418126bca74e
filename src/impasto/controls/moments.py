"""Moments of features: mean and deviation per channel, weighted, of a region, merged from parts.

The moments of a picture that is encoded in tiles are gathered tile by tile: count, mean and sum of
squared deviations of two parts give those of both (Chan, Golub & LeVeque 1979), in float64, so the
result does not depend on how the picture was cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.errors import OptionError

EPS = 1e-5
"""Added to a variance before the square root, as in the paper's code: flat channels stay finite."""

MIN_CELLS = 16
"""Effective number of a level's positions below which a region has no moments of its own."""

Cells: TypeAlias = Callable[[NDArray[np.floating[Any]], int], NDArray[np.float64]]
"""Reduces masks and maps of pixels to the positions of a level, by its stride."""

# Numbers per block in float64: sums and squares stay in cache.
_PIECE = 1 << 17
_BLOCK = 4096


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and standard deviation per channel of one level's features.

    Attributes:
        mean: (C,) float64.
        std: (C,) float64, ``sqrt(biased variance + EPS)``, hence never below ``sqrt(EPS)``.
        count: number of positions, or the sum of their weights; None if unknown.
    """

    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    count: float | None = None


def moments(
    features: NDArray[np.floating[Any]], *, weights: NDArray[np.floating[Any]] | None = None
) -> Moments:
    """Compute mean and standard deviation over the pixels of each channel.

    The variance is the biased one and has ``EPS`` added, ``sigma(x)^2 = mean((x - mu(x))^2) + EPS``
    (eqs. 5 and 6 of the paper), where the mean is a weighted one if there are weights.

    Args:
        features: (C, h, w), any floating type, at least one pixel.
        weights: (h, w), the weight of each pixel: 0 or more, not all 0. None: all equal.

    Returns:
        The moments, computed in float64.

    Raises:
        OptionError: if the array is not (C, h, w) or has no pixels, or the weights do not fit.

    Example:
        >>> import numpy as np
        >>> found = moments(np.array([[[1.0, 3.0]]]))
        >>> found.mean, found.std.round(4)
        (array([2.]), array([1.]))
        >>> moments(np.array([[[1.0, 3.0]]]), weights=np.array([[3.0, 1.0]])).mean
        array([1.5])
    """
    if features.ndim != 3 or features.shape[1] * features.shape[2] == 0:
        raise OptionError(
            f"features must have the shape (C, h, w) with at least one pixel, not {features.shape}"
        )
    flat = features.reshape(features.shape[0], -1)
    if weights is not None:
        found = _weighted_moments(flat, _pixel_shares(weights, features.shape[1:]))
        return replace(found, count=float(weights.sum(dtype=np.float64)))
    mean = flat.mean(axis=1, dtype=np.float64)
    variance = np.empty_like(mean)
    # One channel at a time: all of them in float64 would double the memory of a large picture.
    for channel, values in enumerate(flat):
        centered = values.astype(np.float64) - mean[channel]
        # Not BLAS: its threads synchronize longer than this takes.
        variance[channel] = np.einsum("i,i", centered, centered) / centered.size
    return Moments(mean=mean, std=np.sqrt(variance + EPS), count=flat.shape[1])


class Gathered:
    """Moments of a level's features, accumulated from parts.

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
        """Add a part.

        Args:
            features: (C, h, w), positions that were not added before.
            counts: (h, w), the weight of each position, 0 or more; None: all equal.
        """
        channels, height, width = features.shape
        rows = max(1, _PIECE // max(1, channels * width))
        for top in range(0, height, rows):
            block = features[:, top : top + rows].reshape(channels, -1).astype(np.float64)
            if counts is None:
                self._merge(block, None)
            elif (weights := counts[top : top + rows]).any():  # most of it is outside small regions
                self._merge(block, weights.reshape(-1).astype(np.float64))

    @property
    def effective(self) -> float:
        """Effective number of positions, as :func:`effective_cells`."""
        return self._count * self._count / self._squares if self._squares > 0 else 0.0

    @property
    def moments(self) -> Moments:
        """Mean and deviation of all that was added, which must not be empty."""
        std = np.sqrt(self._m2 / self._count + EPS)
        return Moments(mean=self._mean.copy(), std=std, count=self._count)

    def moments_or(self, whole: Moments, *, fewest: float = MIN_CELLS) -> Moments:
        """Return the moments, or ``whole`` if these positions are fewer than ``fewest``.

        The same choice as in :func:`impasto.controls.moments.region_moments`, made when all parts
        are gathered.
        """
        return self.moments if enough(self.effective, fewest=fewest) else whole

    def _merge(self, block: NDArray[np.float64], weights: NDArray[np.float64] | None) -> None:
        # einsum, not BLAS: for such small products its threads cost more than they gain.
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


def gathered(features: NDArray[np.float32]) -> Moments:
    """Compute the moments of a complete level, summed in float64 as those of its tiles are.

    Example:
        >>> gathered(np.array([[[1.0, 3.0]]], np.float32)).mean
        array([2.])
    """
    found = Gathered(len(features))
    found.add(features)
    return found.moments


def region_moments(
    features: NDArray[np.float32], counts: NDArray[np.floating[Any]], *, whole: Moments
) -> Moments:
    """Compute the moments of a region of a level, or return ``whole`` if it is too small.

    AdaIN per region as in the authors' code (test.lua, ``-mask``), with soft borders. Below
    ``MIN_CELLS`` positions a deviation is unreliable, and of one position it is 0: the style's
    contrast would then be multiplied by hundreds.

    Args:
        features: (C, h, w) of the level.
        counts: (h, w), the share of each position in the region, in [0, 1].
        whole: the moments to fall back to.

    Returns:
        The moments of the region, or ``whole`` itself.

    Example:
        >>> features = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
        >>> lower_half = np.repeat([0.0, 1.0], 32).reshape(8, 8)
        >>> region_moments(features, lower_half, whole=moments(features)).mean
        array([47.5])
    """
    if not enough(effective_cells(counts)):
        return whole
    return moments(features, weights=counts)


def cell_average(planes: NDArray[np.floating[Any]], stride: int) -> NDArray[np.float64]:
    """Reduce masks and maps to a level's resolution: the mean over each of its cells.

    Args:
        planes: (..., H, W), both sides multiples of ``stride``.
        stride: pixels of the picture per position of the level.

    Returns:
        (..., H / stride, W / stride) float64.

    Example:
        >>> cell_average(np.array([[0.0, 1.0], [1.0, 1.0]]), 2)
        array([[0.75]])
    """
    *many, height, width = planes.shape
    # Rows first: adding whole rows is much faster than adding the few neighbors in a row.
    rows = planes.reshape(*many, height // stride, stride, width).sum(axis=-2, dtype=np.float64)
    means: NDArray[np.float64]
    means = rows.reshape(*many, height // stride, width // stride, stride).sum(axis=-1)
    means /= stride**2
    return means


def cell_corner(planes: NDArray[np.floating[Any]], stride: int) -> NDArray[np.float64]:
    """Reduce masks and maps to a level's resolution: the first pixel of each of its cells.

    The authors' code reduces its masks in this way, by scaling to the nearest pixel.

    Args:
        planes: as for :func:`cell_average`.
        stride: the same.

    Returns:
        (..., H / stride, W / stride) float64.

    Example:
        >>> cell_corner(np.array([[0.0, 1.0], [1.0, 1.0]]), 2)
        array([[0.]])
    """
    return planes[..., ::stride, ::stride].astype(np.float64)


def effective_cells(counts: NDArray[np.floating[Any]]) -> float:
    """Effective number of positions of a soft region, ``(sum w)^2 / sum w^2`` (Kish, 1965).

    Args:
        counts: (h, w), the weight of each position, 0 or more.

    Returns:
        The number of positions of a hard region, less for a soft one; 0 for an empty one.

    Example:
        >>> effective_cells(np.array([[1.0, 1.0, 0.0]])), effective_cells(np.array([[1.0, 0.5]]))
        (2.0, 1.8)
    """
    total = float(counts.sum(dtype=np.float64))
    squares = float(np.square(counts, dtype=np.float64).sum())
    return total * total / squares if squares > 0 else 0.0


def enough(effective: float, *, fewest: float = MIN_CELLS) -> bool:
    """Return True if this many effective positions are enough for moments of their own.

    Regions of exactly ``MIN_CELLS`` are common (a hard mask of 4 x 4 positions); the order of
    summation must not decide.

    Example:
        >>> enough(MIN_CELLS * (1 - 1e-15)), enough(MIN_CELLS - 0.01)
        (True, False)
    """
    return effective >= fewest * (1 - 1e-9)


def blocks(size: int) -> Iterator[slice]:
    """Yield slices that cover a range, short enough for float64 copies to stay in cache.

    Example:
        >>> [part.start for part in blocks(10_000)]
        [0, 4096, 8192]
    """
    for start in range(0, size, _BLOCK):
        yield slice(start, start + _BLOCK)


def _pixel_shares(
    weights: NDArray[np.floating[Any]], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    if weights.shape != shape:
        raise OptionError(f"weights must have the shape {shape} of the map, not {weights.shape}")
    shares = weights.reshape(-1).astype(np.float64)
    total = shares.sum()
    if not (np.isfinite(total) and total > 0 and shares.min() >= 0):
        raise OptionError("weights must be finite numbers of 0 or more, not all 0")
    shares /= total
    return shares


def _weighted_moments(flat: NDArray[np.floating[Any]], shares: NDArray[np.float64]) -> Moments:
    mean, variance = np.zeros((2, len(flat)))
    for part in blocks(shares.size):
        if shares[part].any():  # most of the picture has no weight in a small region
            mean += flat[:, part].astype(np.float64) @ shares[part]
    for part in blocks(shares.size):
        if shares[part].any():
            centered = flat[:, part] - mean[:, None]
            variance += np.square(centered, out=centered) @ shares[part]
    return Moments(mean=mean, std=np.sqrt(variance + EPS))
