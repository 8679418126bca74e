"""Plain pictures: those without contrast, which alignment of statistics would blow up to a pattern.

AdaIN divides by the deviation of a picture's features. In a picture of one color that deviation is
nothing but what the network's borders and the rounding of colors leave, so these would be painted
with the whole contrast of the style: a frame, and a pattern made of noise. So a deviation counts as
``1 / share`` times as large where there is next to no contrast. At a share of 0, features become
the style's mean alone::

    lim AdaIN(x, y) = mu(y)    for sigma(x) -> infinity

The paper adds ``EPS`` to the variance for the same purpose, which is enough for the networks of
the paper, whose borders leave nothing behind.
"""

from __future__ import annotations

import numpy as np

from impasto.controls.moments import Moments

PLAIN = 4 / 255
"""Range of colors up to which a picture is plain: what rounding to 8 bits and JPEG leave."""

TEXTURED = 16 / 255
"""Range of colors from which a picture has all of its contrast."""


def texture_share(contrast: float) -> float:
    """Share of the style's contrast that a picture is given: 0 if it is plain, 1 if it is not.

    Args:
        contrast: the range of its colors, the largest of the three channels.

    Example:
        >>> [texture_share(contrast / 255) for contrast in (0, 4, 10, 16, 255)]
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    return float(np.clip((contrast - PLAIN) / (TEXTURED - PLAIN), 0, 1))


def toned_down(content: Moments, share: float) -> Moments:
    """Moments of a picture that is to be given only a share of the style's contrast.

    Args:
        content: its moments.
        share: of :func:`texture_share`.

    Returns:
        ``content`` itself for a share of 1; deviations without end for one of 0.

    Example:
        >>> toned_down(Moments(np.array([1.0]), np.array([2.0])), 0.5).std
        array([4.])
    """
    if share == 1:
        return content
    std = np.full_like(content.std, np.inf) if share == 0 else content.std / share
    return Moments(mean=content.mean, std=std)
