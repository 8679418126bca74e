"""Regions: how much of each style goes where, and the scale and shift that follow from it.

Strength, several styles and masks are one thing: a strength ``u_k`` of each style ``k``, a number
or a map. AdaIN is an affine map, so the features aligned to all of them at once are again one
(eqs. 14 and 15 of Huang & Belongie, ICCV 2017, at every place)::

    x + sum_k u_k (AdaIN(x, y_k) - x)  =  x * (1 + sum_k u_k (s_k - 1)) + sum_k u_k t_k

where ``s_k`` and ``t_k`` are the scale and shift of style ``k``. Pure functions on arrays, as
:mod:`impasto.affine`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from impasto.affine import Affine, Moments, blocks, column, gain_and_shift, moments
from impasto.errors import OptionError

Statistics: TypeAlias = Literal["region", "image"]
"""Which part of a photograph a style's scale and shift are made for: its mask's, or all of it."""

STATISTICS: tuple[str, ...] = get_args(Statistics)

MIN_CELLS = 16
"""Effective number of a level's positions below which a region has no moments of its own."""


def check_statistics(statistics: str) -> None:
    """Refuse what is not in ``STATISTICS``.

    Raises:
        OptionError: naming what there is.

    Example:
        >>> check_statistics("region")
    """
    if statistics not in STATISTICS:
        raise OptionError(f"statistics must be {' or '.join(STATISTICS)}, not {statistics!r}")


def shares(
    weights: NDArray[np.float64], masks: NDArray[np.float32] | None
) -> NDArray[np.floating[Any]]:
    """How much of each style a place takes.

    The styles cover ``c = min(1, sum_k m_k)`` of a place and divide it among them as their weights
    say, ``c * w_k m_k / sum_j w_j m_j``. The rest, ``1 - c``, stays the photograph, and so does
    what only styles of weight 0 cover.

    Args:
        weights: (K,), of :func:`impasto.affine.check_weights`.
        masks: (K, H, W) in [0, 1], or None for styles that are everywhere.

    Returns:
        (K, H, W), or (K,) where nothing differs from place to place; sums to 1 or less.

    Example:
        >>> left_and_everywhere = np.array([[[1.0, 0.0]], [[1.0, 1.0]]], np.float32)
        >>> shares(np.array([0.75, 0.25]), left_and_everywhere)[:, 0]
        array([[0.75, 0.  ],
               [0.25, 1.  ]], dtype=float32)
    """
    if masks is None:
        return weights
    if all(is_flat(mask) for mask in masks):
        return divided(weights, masks[:, :1, :1].astype(np.float64))[:, 0, 0]
    return divided(weights.astype(np.float32), masks)


def divided(
    weights: NDArray[np.floating[Any]], masks: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """:func:`shares` at every place, also where they are the same everywhere.

    Args:
        weights: (K,).
        masks: (K, H, W), of the same dtype.

    Returns:
        (K, H, W) of that dtype.

    Example:
        >>> divided(np.array([1.0, 3.0]), np.full((2, 1, 1), 0.25)).ravel()
        array([0.125, 0.375])
    """
    weighted = weights[:, None, None] * masks
    total = weighted.sum(axis=0)
    parts: NDArray[np.floating[Any]] = np.zeros_like(weighted)
    np.divide(weighted, total, out=parts, where=total > 0)
    parts *= np.minimum(masks.sum(axis=0), 1)
    return parts


def strengths(
    alpha: float | NDArray[np.float32], styles: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """``u_k``: the strength of each style, ``alpha`` times its share.

    Args:
        alpha: a number or an (H, W) map, in [0, 2].
        styles: (K,) or (K, H, W), of :func:`shares`.

    Returns:
        (K, H, W), or (K,) where nothing differs from place to place.

    Example:
        >>> strengths(0.5, np.array([0.75, 0.25]))
        array([0.375, 0.125])
    """
    if isinstance(alpha, np.ndarray):
        if not is_flat(alpha):
            everywhere = styles if styles.ndim > 1 else styles[:, None, None]
            return everywhere.astype(np.float32, copy=False) * alpha
        alpha = float(alpha[0, 0])
    return styles * alpha


def is_flat(plane: NDArray[np.floating[Any]]) -> bool:
    """Whether a mask or a map says the same everywhere.

    Example:
        >>> is_flat(np.ones((2, 2)))
        True
    """
    return bool(plane.min() == plane.max())


def cell_average(planes: NDArray[np.floating[Any]], stride: int) -> NDArray[np.float64]:
    """Masks and maps at a level's resolution: the mean over each of its cells.

    Args:
        planes: (..., H, W), both sides multiples of ``stride``.
        stride: pixels of the picture for one position of the level.

    Returns:
        (..., H / stride, W / stride) float64.

    Example:
        >>> cell_average(np.array([[0.0, 1.0], [1.0, 1.0]]), 2)
        array([[0.75]])
    """
    *many, height, width = planes.shape
    # Rows first: whole rows are added much faster than the few neighbors in a row.
    rows = planes.reshape(*many, height // stride, stride, width).sum(axis=-2, dtype=np.float64)
    means: NDArray[np.float64]
    means = rows.reshape(*many, height // stride, width // stride, stride).sum(axis=-1)
    means /= stride**2
    return means


def effective_cells(counts: NDArray[np.floating[Any]]) -> float:
    """How many positions a soft region is worth, ``(sum w)^2 / sum w^2`` (Kish, 1965).

    Args:
        counts: (h, w), how much each position counts, 0 or more.

    Returns:
        The number of positions of a hard region, fewer for a soft one; 0 for an empty one.

    Example:
        >>> effective_cells(np.array([[1.0, 1.0, 0.0]])), effective_cells(np.array([[1.0, 0.5]]))
        (2.0, 1.8)
    """
    total = float(counts.sum(dtype=np.float64))
    squares = float(np.square(counts, dtype=np.float64).sum())
    return total * total / squares if squares > 0 else 0.0


def enough(effective: float) -> bool:
    """Whether a region of so many effective positions has moments of its own.

    Regions of exactly ``MIN_CELLS`` are common (a hard mask of 4 x 4 positions); the order in which
    they were summed must not decide.

    Example:
        >>> enough(MIN_CELLS * (1 - 1e-15)), enough(MIN_CELLS - 0.01)
        (True, False)
    """
    return effective >= MIN_CELLS * (1 - 1e-9)


def region_moments(
    features: NDArray[np.float32], counts: NDArray[np.floating[Any]], *, whole: Moments
) -> Moments:
    """Moments of a region of a level, or those of the whole picture if it is too small.

    AdaIN per region as the authors' code does it (test.lua, ``-mask``), with soft borders. Of less
    than ``MIN_CELLS`` positions a deviation says little, and of one it is 0: the style's contrast
    would then be multiplied by hundreds.

    Args:
        features: (C, h, w) of the level.
        counts: (h, w), how much each position belongs to the region, in [0, 1].
        whole: the moments to fall back to.

    Returns:
        Moments, of the region or ``whole`` itself.

    Example:
        >>> features = np.arange(64, dtype=np.float32).reshape(1, 8, 8)
        >>> lower_half = np.repeat([0.0, 1.0], 32).reshape(8, 8)
        >>> region_moments(features, lower_half, whole=moments(features)).mean
        array([47.5])
    """
    if not enough(effective_cells(counts)):
        return whole
    return moments(features, weights=counts)


def align(
    contents: Sequence[Moments], styles: Sequence[Moments], amounts: NDArray[np.floating[Any]]
) -> Affine:
    """Scale and shift of one level for K styles, each with its strength at every place.

    Args:
        contents: for each style, the moments that the content has where it goes.
        styles: the moments of each style at this level.
        amounts: the strength of each style, (K,) or (K, h, w).

    Returns:
        scale and shift, (C, 1, 1) for K numbers and else (C, h, w); exactly 1 and 0 where all
        strengths are 0.

    Raises:
        StyleError: if a style has another number of channels.

    Example:
        >>> x, y = (Moments(np.array([m]), np.array([1.0])) for m in (1.0, 5.0))
        >>> align([x, x], [x, y], np.array([0.25, 0.75])).shift.item()
        3.0
    """
    pairs = [gain_and_shift(x, y) for x, y in zip(contents, styles, strict=True)]
    gains, shifts = (np.stack(each, axis=1) for each in zip(*pairs, strict=True))
    if amounts.ndim == 1:
        return Affine(scale=column(1.0 + gains @ amounts), shift=column(shifts @ amounts))
    shape = (len(gains), *amounts.shape[1:])
    scale, shift = np.empty(shape, np.float32), np.empty(shape, np.float32)
    flat = amounts.reshape(len(amounts), -1)
    for part in blocks(flat.shape[1]):
        scale.reshape(len(gains), -1)[:, part] = 1.0 + gains @ flat[:, part]
        shift.reshape(len(gains), -1)[:, part] = shifts @ flat[:, part]
    return Affine(scale=scale, shift=shift)
