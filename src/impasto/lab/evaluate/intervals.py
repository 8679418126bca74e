"""Bootstrap intervals: uncertainty of a mean over a few pairs or a few seeds."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
"""Share of the resampled means that lie in an interval."""
RESAMPLES = 2000
_BLOCK = 1 << 20  # numbers drawn at a time


def mean_interval(
    values: Sequence[float], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Return the percentile bootstrap interval of the mean of ``values``.

    As many values are drawn from them with replacement, repeatedly, and the interval covers the
    middle ``level`` of the means of these draws. Efron & Tibshirani, "An introduction to the
    bootstrap" (1993), chapter 13. It shows how far another draw of pairs would move the mean, but
    nothing about effects common to all pairs, such as the one run that trained the model.

    Args:
        values: one number per pair (or seed); for two models on the same pairs, their differences.
        level: between 0 and 1.
        resamples: number of draws.
        seed: of the draws; the same values give the same interval.

    Returns:
        The lower and the upper end; None for fewer than two values, which have no spread.

    Example:
        >>> mean_interval([2.0, 2.0, 2.0])
        (2.0, 2.0)
    """
    numbers = np.asarray(values, np.float64)
    count = len(numbers)
    if count < 2:
        return None
    random = np.random.default_rng(seed)
    means = []
    for begin in range(0, resamples, rows := max(_BLOCK // count, 1)):
        drawn = random.integers(0, count, (min(rows, resamples - begin), count))
        means.append(numbers[drawn].mean(axis=1))
    ends = np.quantile(np.concatenate(means), [(1 - level) / 2, (1 + level) / 2])
    return float(ends[0]), float(ends[1])
