"""Palette transfer from a style to a photograph: values first, then tints, then hues.

Palettes are moments of *tones*, the lightness of Oklab on an S-shaped scale and its a and b. In
RGB the same map turns skin green and light into spots; here lightness depends only on lightness.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color.moments import (
    ColorMoments,
    F,
    Matrix,
    matrix_power,
    moments_of,
    pixelwise,
)

# Oklab, B. Ottosson 2020 (bottosson.github.io/posts/oklab): linear sRGB -> cones -> L, a, b.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_CONES, _FROM_OKLAB = np.linalg.inv(_CONES), np.linalg.inv(_OKLAB)

# The light that a black screen reflects in a lit room. Without it the first steps of 8 bits above
# black would be far apart, and show as contours in a picture whose shadows become lighter.
_FLARE = 0.004
_BLACK = float(np.cbrt(_FLARE / (1 + _FLARE)))

# Distance beyond black and white at which the scale of tones ends: larger is more linear.
_TOE = 0.05

# Distance beyond [0, 1] within which linear light is simply clipped. Near blue the gamut of sRGB is
# concave by half as much in Oklab: without it the largest saturation would jump there.
_SLACK = 1e-3

# Bisections of the interval in which the largest saturation that fits is searched: 1 / 4096.
_HALVINGS = 12

# Limits for the change of contrast between light and dark, and of saturation: more would flatten
# the drawing, clip the lights, or amplify the grain of a plain sky to spots.
_CONTRAST = (2 / 3, 3 / 2)
_SATURATION = 2.5

# Added to variances: it keeps every division finite and is far below visibility.
_FLOOR = 1e-8


def to_tones(rgb: NDArray[np.floating[Any]]) -> Matrix:
    """Convert RGB to tones: the lightness of Oklab on an S-shaped scale, and its a and b.

    Oklab is computed from linear light ``(c + f) / (1 + f)``, f = 0.004, as seen in a lit room.
    With its lightness L scaled from 0 for black to 1 for white, the first tone is
    ``log((L + t) / (1 - L + t)) / 4``, t = 0.05. It has nearly the units of L in the middle and
    stretches towards black and white, so lights and shadows keep their drawing under any sum or
    product with tones.

    Args:
        rgb: (..., 3), sRGB in [0, 1]; values outside are clipped.

    Returns:
        (..., 3) float64.

    Example:
        >>> to_tones(np.array([1.0, 1.0, 1.0])).round(3) + 0.0
        array([0.761, 0.   , 0.   ])
    """
    values = np.clip(rgb.astype(np.float64), 0, 1)
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    tones: Matrix = np.cbrt((linear + _FLARE) / (1 + _FLARE) @ _CONES.T) @ _OKLAB.T
    light = np.clip((tones[..., 0] - _BLACK) / (1 - _BLACK), 0, 1)
    tones[..., 0] = np.log((light + _TOE) / (1 - light + _TOE)) / 4
    return tones


def from_tones(tones: Matrix) -> Matrix:
    """Convert tones to RGB, the inverse of :func:`to_tones` where it exists.

    A color outside sRGB is desaturated until it fits; hue and lightness stay.

    Args:
        tones: (..., 3) finite float64.

    Returns:
        (..., 3) float64, sRGB in [0, 1].

    Example:
        >>> from_tones(to_tones(np.array([0.2, 0.4, 0.6]))).round(6)
        array([0.2, 0.4, 0.6])
    """
    # The hyperbolic tangent is the same curve as the logistic one, and never overflows.
    light = np.clip(0.5 + (0.5 + _TOE) * np.tanh(2 * tones[..., :1]), 0, 1)
    lab = np.concatenate([_BLACK + (1 - _BLACK) * light, tones[..., 1:]], axis=-1)
    linear = _linear(lab)
    outside = ~_in_gamut(linear)[..., 0]
    linear[outside] = _linear(_desaturated(lab[outside]))
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def palette_of(
    image: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]] | None = None
) -> ColorMoments:
    """Compute the palette of a picture: moments of its tones, which merge like other moments.

    Args:
        image: (H, W, 3) floats in [0, 1].
        weights: (H, W), the weight of each pixel; None for equal weights.

    Raises:
        ImageError: as :func:`impasto.controls.color.moments.moments_of`.
        OptionError: the same.

    Example:
        >>> palette_of(np.full((2, 2, 3), 0.5)).mean.round(3) + 0.0
        array([0.024, 0.   , 0.   ])
    """
    return moments_of(image, weights, space=to_tones)


def palette_map(content: ColorMoments, style: ColorMoments) -> tuple[Matrix, Matrix]:
    """Compute the map of tones ``x' = A x + b`` from a photograph's palette to that of a style.

    In a painter's order:

    1. Values. Lightness gets the mean of the style, and its deviation as far as the contrast
       changes by a factor of 2/3 to 3/2: a plain style must not flatten the photograph.
    2. Tints. Each value gets the a and b that belong to it in the style (the regression on
       lightness), as indigo shadows and cream lights in a print; a grey photograph gets only these.
    3. Hues. The variation of a and b at equal lightness is mapped by the linear Monge-Kantorovich
       map (Pitié & Kokaram 2007), with saturation at most 2.5-fold: warm colors stay warmer.

    Args:
        content: :func:`palette_of` the photograph.
        style: :func:`palette_of` the style.

    Returns:
        A (3, 3) and b (3,), float64, for :func:`apply_palette`.

    Example:
        >>> same = palette_of(np.random.default_rng(0).random((8, 8, 3)))
        >>> np.allclose(palette_map(same, same)[0], np.eye(3))
        True
    """
    have, want = (each.covariance + _FLOOR * np.eye(3) for each in (content, style))
    wanted = np.sqrt(want[0, 0] / have[0, 0])
    contrast = np.clip(wanted, *_CONTRAST)
    # In a style of uniform lightness the slope is chance: more contrast must not multiply it.
    tint = min(wanted, contrast) * want[1:, 0] / want[0, 0]
    own = have[1:, 0] / have[0, 0]
    rest = (each[1:, 1:] - np.outer(each[1:, 0], each[0, 1:]) / each[0, 0] for each in (have, want))
    hues = _hues(*rest)
    matrix = np.zeros((3, 3))
    matrix[0, 0] = contrast
    matrix[1:, 0] = tint - hues @ own
    matrix[1:, 1:] = hues
    return matrix, style.mean - matrix @ content.mean


def apply_palette(image: NDArray[F], matrix: Matrix, offset: Matrix) -> NDArray[F]:
    """Map the tones of a photograph.

    Args:
        image: (H, W, 3) floats in [0, 1], or a strip or tile of it.
        matrix: A of :func:`palette_map`.
        offset: b of :func:`palette_map`.

    Returns:
        (H, W, 3) in [0, 1], of the dtype of ``image``; colors outside sRGB are desaturated until
        they fit.

    Example:
        >>> image = np.full((1, 1, 3), 0.25)
        >>> apply_palette(image, np.eye(3), np.zeros(3)).round(6).ravel()
        array([0.25, 0.25, 0.25])
    """
    return pixelwise(lambda colors: from_tones(to_tones(colors) @ matrix.T + offset), image)


# Rounding in a difference can leave a variance slightly below its floor, or below 0.
_power = partial(matrix_power, floor=_FLOOR**2)


def _hues(have: Matrix, want: Matrix) -> Matrix:
    """Compute the Monge-Kantorovich map between two covariances, with limited stretching."""
    root, inverse = _power(have, 0.5), _power(have, -0.5)
    values, axes = np.linalg.eigh(inverse @ _power(root @ want @ root, 0.5) @ inverse)
    stretched: Matrix = (axes * np.clip(values, 0, _SATURATION)) @ axes.T
    return stretched


def _linear(lab: Matrix) -> Matrix:
    """Convert Oklab, as seen in a lit room, to linear sRGB."""
    rgb: Matrix = (lab @ _FROM_OKLAB.T) ** 3 @ _FROM_CONES.T * (1 + _FLARE) - _FLARE
    return rgb


def _in_gamut(linear: Matrix) -> NDArray[np.bool_]:
    """Test (..., 3) linear colors for being in the gamut of sRGB; (..., 1)."""
    farthest: Matrix = np.abs(linear - 0.5).max(axis=-1, keepdims=True)
    return farthest <= 0.5 + _SLACK


def _desaturated(lab: Matrix) -> Matrix:
    """Reduce a and b of (n, 3) Oklab colors by the smallest factor that brings them into sRGB."""
    share, step = np.zeros((len(lab), 1)), 0.5
    for _ in range(_HALVINGS):
        tried = lab * np.hstack([np.ones_like(share), share + step, share + step])
        share += step * _in_gamut(_linear(tried))
        step /= 2
    return lab * np.hstack([np.ones_like(share), share, share])
