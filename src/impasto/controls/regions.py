"""Regions: how much of each style goes where, and the scale and shift that follow from it.

Strength, several styles and masks are one thing: a strength ``u_k`` of each style ``k``, a number
or a map. AdaIN is an affine map, so the features aligned to all of them at once are again one
(eqs. 14 and 15 of Huang & Belongie, ICCV 2017, at every place)::

    x + sum_k u_k (AdaIN(x, y_k) - x)  =  x * (1 + sum_k u_k (s_k - 1)) + sum_k u_k t_k

where ``s_k`` and ``t_k`` are the scale and shift of style ``k``. Pure functions on arrays, as
:mod:`impasto.controls.affine`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from impasto.errors import OptionError

Statistics: TypeAlias = Literal["region", "image"]
"""Which part of a photograph a style's scale and shift are made for: its mask's, or all of it."""

STATISTICS: tuple[str, ...] = get_args(Statistics)


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
        weights: (K,), of :func:`impasto.controls.affine.check_weights`.
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
