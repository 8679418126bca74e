"""Removal of the fine mesh that a model leaves in smooth areas.

A network that doubles its maps by repeating cells paints a little of the same pattern into every
cell. A decoder that can remove it has a level for that, whose features are 0 in every picture: the
aligned value is the share to remove at each place (:data:`COMB`). So a style has a share as its
mean there, and strength, masks and mixtures act on it as on other means. The control replaces the
share of every style.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from impasto.controls.moments import Moments
from impasto.errors import OptionError

COMB = "comb"
"""Name of the level that has the share of the mesh to remove: one channel, 0 in every picture."""


def check_descreen(descreen: float) -> float:
    """Return the share of the mesh to remove as a float, if it is valid.

    Raises:
        OptionError: if it is not a number from 0 to 1.

    Example:
        >>> check_descreen(1)
        1.0
    """
    try:
        value = float(descreen)
    except (TypeError, ValueError):
        value = -1.0
    if not 0 <= value <= 1:  # also refuses NaN
        raise OptionError(f"descreen must be a number from 0 to 1, not {descreen!r}")
    return value


def descreened(
    moments: Sequence[Moments], levels: Sequence[str], share: float | None
) -> tuple[Moments, ...]:
    """Return the moments of a style with another share of the mesh to remove.

    Args:
        moments: one per level.
        levels: the names of the levels.
        share: from 0 to 1; None: the style's own.

    Returns:
        The same moments, except at the level ``COMB``, if there is one.

    Example:
        >>> own = Moments(np.array([0.8]), np.array([0.0]))
        >>> descreened([own], ["comb"], 0.5)[0].mean
        array([0.5])
    """
    if share is None:
        return tuple(moments)
    # Without a deviation nothing but the mean counts.
    new = Moments(mean=np.array([share]), std=np.zeros(1))
    pairs = zip(levels, moments, strict=True)
    return tuple(new if name == COMB else each for name, each in pairs)
