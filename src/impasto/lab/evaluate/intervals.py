"""Bootstrap intervals: how far a mean over a few pairs, or over a few seeds, can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEVEL = 0.95
"""Share of the resampled means that lie in an interval."""
RESAMPLES = 2000
_BLOCK = 1 << 20  # numbers that are drawn at a time


def mean_interval(
    values: Sequence[float], *, level: float = LEVEL, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the mean of ``values``.

    As many values are drawn from them with replacement, again and again, and the interval is what
    the middle ``level`` of the means of these draws cover. Efron & Tibshirani, "An introduction to
    the bootstrap" (1993), chapter 13. It says how far another draw of pairs would move the mean,
    and nothing of what all pairs have in common, such as the one run that made the model.

    Args:
        values: one number a pair (or seed); of two models on the same pairs, their differences.
        level: between 0 and 1.
        resamples: draws.
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
