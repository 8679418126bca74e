"""Alignment of statistics, the core of style transfer, as pure functions on arrays.

Adaptive instance normalization (Huang & Belongie, ICCV 2017, eq. 8) gives the features ``x`` of a
photograph the mean and standard deviation, channel by channel, of the features ``y`` of a style::

    AdaIN(x, y) = sigma(y) * (x - mu(x)) / sigma(x) + mu(y)

which is one multiplication and one addition per channel, ``x * scale + shift``. Every control is a
choice of scale and shift, so they are computed here, between the two heavy graphs. Sums run in
float64; only the result is rounded to the float32 that inference engines take.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.moments import Moments, blocks
from impasto.errors import OptionError, StyleError, counted

MAX_ALPHA = 2.0
"""The largest strength: above 1 the style is exaggerated, above 2 pictures fall apart."""


@dataclass(frozen=True, eq=False)
class Affine:
    """The map ``features * scale + shift`` of one level.

    Attributes:
        scale: (C, 1, 1) float32, or (C, h, w) where it varies by position.
        shift: as ``scale``.
    """

    scale: NDArray[np.float32]
    shift: NDArray[np.float32]


def blend(styles: Sequence[Moments], weights: Sequence[float]) -> Moments:
    """Blend moments: the weighted mean of the styles' means and of their deviations.

    ``mu = sum_k w_k mu_k`` and ``sigma = sum_k w_k sigma_k`` with the weights divided by their sum.
    This is eq. 15 of the paper: AdaIN is linear in (mu, sigma) of the style, so mixing the moments
    equals mixing the aligned features.

    Args:
        styles: the moments of one level of K styles, K >= 1.
        weights: K numbers >= 0, not all 0; only their ratios count.

    Returns:
        The moments of the mixture.

    Raises:
        OptionError: if the numbers of styles and weights differ, or a weight is negative or not
            finite, or all are 0.
        StyleError: if the styles have different numbers of channels.

    Example:
        >>> import numpy as np
        >>> one, two = (Moments(np.array([m]), np.array([1.0])) for m in (0.0, 4.0))
        >>> blend([one, two], [3, 1]).mean
        array([1.])
    """
    shares = check_weights(weights, len(styles))
    channels = {style.mean.shape for style in styles}
    if len(channels) > 1:
        counts = sorted(shape[0] for shape in channels)
        raise StyleError(f"styles with {counts} channels cannot be blended: use one model for all")
    return Moments(
        mean=shares @ np.stack([style.mean for style in styles]),
        std=shares @ np.stack([style.std for style in styles]),
    )


def check_weights(weights: Sequence[float] | None, count: int) -> NDArray[np.float64]:
    """Return the weights of styles, divided by their sum.

    Args:
        weights: one number for each style, 0 or more, not all 0; None: all equal.
        count: number of styles.

    Returns:
        (count,) numbers that sum to 1.

    Raises:
        OptionError: if there are no styles, the numbers of styles and weights differ, or a weight
            is negative or not finite, or all are 0.

    Example:
        >>> check_weights([3, 1], 2)
        array([0.75, 0.25])
    """
    if count < 1:
        raise OptionError("at least one style is needed, not 0")
    given = [1.0] * count if weights is None else list(weights)
    if len(given) != count:
        raise OptionError(
            f"there must be one weight for each style, not {counted(len(given), 'weight')} for "
            f"{counted(count, 'style')}"
        )
    try:
        shares = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        shares = np.full(1, np.nan)
    if shares.ndim != 1 or not np.isfinite(shares).all() or (shares < 0).any() or not shares.any():
        raise OptionError(
            f"the weights of styles must be numbers of 0 or more, not all 0, not {given}"
        )
    # Divided by the largest first, so that sums of the largest and smallest floats stay finite.
    scaled: NDArray[np.float64] = shares / shares.max()
    scaled /= scaled.sum()
    return scaled


def check_alpha(alpha: float) -> float:
    """Return the strength as a float, if it is valid.

    Args:
        alpha: a finite number in [0, 2].

    Raises:
        OptionError: if it is anything else.

    Example:
        >>> check_alpha(1)
        1.0
    """
    try:
        value = float(alpha)
    except (TypeError, ValueError):
        value = math.nan
    if not 0.0 <= value <= MAX_ALPHA:  # also refuses NaN
        raise OptionError(f"alpha must be a number from 0 to {MAX_ALPHA:g}, not {alpha!r}")
    return value


def adain(content: Moments, style: Moments, *, alpha: float = 1.0) -> Affine:
    """Return scale and shift that give a content's features the moments of a style.

    With ``s = sigma(y) / sigma(x)``, eq. 8 of the paper is ``x * s + (mu(y) - mu(x) * s)``. The
    strength of eq. 14, ``(1 - alpha) x + alpha AdaIN(x, y)``, interpolates scale and shift between
    (1, 0), which leaves the features unchanged, and that pair::

        scale = 1 + alpha * (s - 1)        shift = alpha * (mu(y) - mu(x) * s)

    Args:
        content: moments of the features ``x`` that the map will be applied to.
        style: moments of the style's features ``y`` at the same level.
        alpha: strength in [0, 2]: 0 the photograph, 1 the style, above 1 exaggerated.

    Returns:
        scale and shift, each (C, 1, 1) float32; at ``alpha=0`` exactly 1 and 0.

    Raises:
        OptionError: if alpha is outside [0, 2] or not a number.
        StyleError: if the two have different numbers of channels.

    Example:
        >>> import numpy as np
        >>> x = Moments(np.array([1.0]), np.array([2.0]))
        >>> y = Moments(np.array([5.0]), np.array([4.0]))
        >>> full = adain(x, y)
        >>> full.scale.item(), full.shift.item()
        (2.0, 3.0)
        >>> adain(x, y, alpha=0.5).scale.item()
        1.5
    """
    strength = check_alpha(alpha)
    gain, shift = gain_and_shift(content, style)
    # A style's deviation can make the shift from a very flat content large; alpha = 0 must still be
    # exactly the identity, and both products below are then exactly 0.
    return Affine(scale=column(1.0 + strength * gain), shift=column(strength * shift))


def gain_and_shift(
    content: Moments, style: Moments
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AdaIN's difference from the identity, in float64: ``s - 1``, ``mu(y) - mu(x) * s``.

    Every control is a sum of such pairs, each times a strength that may vary by position.

    Args:
        content: moments of the features ``x``.
        style: moments of the style's features ``y`` at the same level.

    Returns:
        Two arrays (C,).

    Raises:
        StyleError: if the two have different numbers of channels.

    Example:
        >>> import numpy as np
        >>> x = Moments(np.array([1.0]), np.array([2.0]))
        >>> gain_and_shift(x, Moments(np.array([5.0]), np.array([4.0])))
        (array([1.]), array([3.]))
    """
    if content.mean.shape != style.mean.shape:
        raise StyleError(
            f"the style has {style.mean.size} channels where the content has {content.mean.size}: "
            "make it again with this model"
        )
    ratio = style.std / content.std
    return ratio - 1.0, style.mean - content.mean * ratio


def column(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Reshape (C,) to the (C, 1, 1) float32 that broadcasts against features."""
    return values.astype(np.float32).reshape(-1, 1, 1)


def align(
    contents: Sequence[Moments], styles: Sequence[Moments], amounts: NDArray[np.floating[Any]]
) -> Affine:
    """Return scale and shift of one level for K styles, each with its strength at every position.

    Args:
        contents: for each style, the moments of the content in its region.
        styles: the moments of each style at this level.
        amounts: the strength of each style, (K,) or (K, h, w).

    Returns:
        scale and shift, (C, 1, 1) for K numbers and else (C, h, w); exactly 1 and 0 where all
        strengths are 0.

    Raises:
        StyleError: if a style has a different number of channels.

    Example:
        >>> x, y = (Moments(np.array([m]), np.array([1.0])) for m in (1.0, 5.0))
        >>> align([x, x], [x, y], np.array([0.25, 0.75])).shift.item()
        3.0
    """
    return combine([gain_and_shift(x, y) for x, y in zip(contents, styles, strict=True)], amounts)


def combine(
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    amounts: NDArray[np.floating[Any]],
) -> Affine:
    """Add up differences from the identity, each times its strength at every position.

    Args:
        pairs: of K styles, as returned by :func:`gain_and_shift`, each (C,).
        amounts: the strength of each style, (K,) or (K, h, w).

    Returns:
        scale and shift as returned by :func:`align`.

    Example:
        >>> import numpy as np
        >>> double = combine([(np.array([1.0]), np.array([0.0]))], np.array([0.5]))
        >>> double.scale.item(), double.shift.item()
        (1.5, 0.0)
    """
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
