"""Regions: the strength of each style at every position, and the resulting scale and shift.

Strength, several styles and masks reduce to one quantity: a strength ``u_k`` of each style ``k``, a
number or a map. AdaIN is an affine map, so aligning the features to all styles at once is again one
(eqs. 14 and 15 of Huang & Belongie, ICCV 2017, at every position)::

    x + sum_k u_k (AdaIN(x, y_k) - x)  =  x * (1 + sum_k u_k (s_k - 1)) + sum_k u_k t_k

where ``s_k`` and ``t_k`` are the scale and shift of style ``k``. Pure functions on arrays, as
:mod:`impasto.controls.affine`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import check_weights
from impasto.controls.behavior import find_behavior
from impasto.controls.masks import HardWindows, PlaneWindows
from impasto.controls.moments import cell_average, cell_corner

if TYPE_CHECKING:
    from impasto.controls import Controls


def shares(
    weights: NDArray[np.floating[Any]], masks: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    """Divide every position among the styles whose masks cover it.

    The styles cover ``c = min(1, sum_k m_k)`` of a position and divide it by their weights,
    ``c * w_k m_k / sum_j w_j m_j``. The rest, ``1 - c``, stays the photograph, and so does what
    only styles of weight 0 cover.

    Args:
        weights: (K,), from :func:`impasto.controls.affine.check_weights`.
        masks: (K, H, W) in [0, 1], of the same dtype.

    Returns:
        (K, H, W) of that dtype; sums to 1 or less over K.

    Example:
        >>> left_and_everywhere = np.array([[[1.0, 0.0]], [[1.0, 1.0]]])
        >>> shares(np.array([0.75, 0.25]), left_and_everywhere)[:, 0]
        array([[0.75, 0.  ],
               [0.25, 1.  ]])
    """
    weighted = weights[:, None, None] * masks
    total = weighted.sum(axis=0)
    parts: NDArray[np.floating[Any]] = np.zeros_like(weighted)
    np.divide(weighted, total, out=parts, where=total > 0)
    parts *= np.minimum(masks.sum(axis=0), 1)
    return parts


class StyleMap:
    """The strength ``u_k`` of each style at every position of a picture: alpha times its share.

    Numbers where strengths are uniform, else maps, consistently for the whole picture, so that all
    tiles are rounded in the same way.

    Args:
        controls: strength, weights, masks and statistics, with all their pictures read.
        count: K, the number of styles.
        height: of the picture, in pixels.
        width: of the picture, in pixels.

    Raises:
        OptionError: unless there is one weight for each style.

    Example:
        >>> from impasto.controls import Controls
        >>> half = StyleMap(Controls(alpha=0.5, weights=[3, 1]), 2, 64, 64)
        >>> half.window(slice(0, 8), slice(0, 8))
        array([0.375, 0.125])
    """

    def __init__(self, controls: Controls, count: int, height: int, width: int) -> None:
        self._weights: NDArray[np.floating[Any]] = check_weights(controls.weights, count)
        masks: Any = controls.masks  # all read: no longer files
        alpha: Any = controls.alpha
        self.behavior = find_behavior(controls.behavior)
        """The row of ``controls.behavior``: whose code is followed where the paper leaves room."""
        self.descreen = controls.descreen
        """Share of the mesh to remove; None: what each style asks for."""
        self.cells = cell_corner if self.behavior.hard else cell_average
        """Reduces masks and maps to the positions of a level, by its stride."""
        kind = HardWindows if self.behavior.hard else PlaneWindows
        self._masks = [kind(mask, height, width) for mask in masks]
        self._alpha: float | PlaneWindows
        self._alpha = alpha if isinstance(alpha, float) else PlaneWindows(alpha, height, width)
        levels = [mask.level for mask in self._masks if mask.level is not None]
        self._flat = len(levels) == len(self._masks)
        if self._masks and self._flat:
            flat = np.array(levels)[:, None, None]
            self._weights = shares(self._weights, flat)[:, 0, 0]
        own = self._masks if controls.statistics == "region" else ()
        regions = [mask if mask.level is None else None for mask in own]
        self.regions: tuple[PlaneWindows | None, ...] = tuple(regions) or (None,) * count
        """For each style the mask within which statistics are taken; None: the whole picture."""

    def window(self, rows: slice, columns: slice) -> NDArray[np.floating[Any]]:
        """Return the strengths in a part of the picture, (K,) or (K, h, w)."""
        found: NDArray[np.floating[Any]] = self._weights
        if not self._flat:
            masks = np.stack([mask.window(rows, columns) for mask in self._masks])
            found = shares(found.astype(np.float32), masks)
        alpha = self._alpha
        if isinstance(alpha, PlaneWindows):
            if alpha.level is None:
                everywhere = found if found.ndim > 1 else found[:, None, None]
                return everywhere.astype(np.float32) * alpha.window(rows, columns)
            alpha = alpha.level
        return found * alpha


def is_flat(plane: NDArray[np.floating[Any]]) -> bool:
    """Return True if a mask or a map is constant.

    Example:
        >>> is_flat(np.ones((2, 2)))
        True
    """
    return bool(plane.min() == plane.max())
