"""Plain pictures without contrast, which alignment of statistics would amplify to a pattern.

AdaIN divides by the deviation of a picture's features. In a picture of one color that deviation
comes only from the network's borders and the rounding of colors, so it would be painted with the
full contrast of the style: a frame, and a pattern made of noise. So a deviation counts as
``1 / share`` times as large where contrast is very low. At a share of 0, features become the
style's mean::

    lim AdaIN(x, y) = mu(y)    for sigma(x) -> infinity

The paper adds ``EPS`` to the variance for the same purpose, which suffices for the paper's
networks, whose borders leave no trace.
"""

from __future__ import annotations

import numpy as np

from impasto.controls.moments import Moments

PLAIN = 4 / 255
"""Range of colors up to which a picture is plain: that of rounding to 8 bits and of JPEG."""

TEXTURED = 16 / 255
"""Range of colors from which a picture is given the full contrast."""


def texture_share(contrast: float) -> float:
    """Return the share of the style's contrast for a picture: 0 if it is plain, 1 if it is not.

    Args:
        contrast: the range of its colors, the largest of the three channels.

    Example:
        >>> [texture_share(contrast / 255) for contrast in (0, 4, 10, 16, 255)]
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """
    return float(np.clip((contrast - PLAIN) / (TEXTURED - PLAIN), 0, 1))


def toned_down(content: Moments, share: float) -> Moments:
    """Return moments of a picture that give it only a share of the style's contrast.

    Args:
        content: its moments.
        share: of :func:`texture_share`.

    Returns:
        ``content`` itself for a share of 1; infinite deviations for a share of 0.

    Example:
        >>> toned_down(Moments(np.array([1.0]), np.array([2.0])), 0.5).std
        array([4.])
    """
    if share == 1:
        return content
    std = np.full_like(content.std, np.inf) if share == 0 else content.std / share
    return Moments(mean=content.mean, std=std)
