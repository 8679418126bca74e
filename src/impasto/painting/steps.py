"""One pass through a model: pad, encode, align, decode, crop. Steps without any choice of options.

:mod:`impasto.stylizer` checks what the user wants and puts the steps together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine, align
from impasto.controls.moments import (
    Moments,
    cell_average,
    effective_cells,
    enough,
    gather,
    region_moments,
)
from impasto.controls.regions import is_flat
from impasto.errors import ImageError
from impasto.images.options import MIN_SIDE
from impasto.images.photo import fill_hidden
from impasto.models import Card
from impasto.models.engine import Engine
from impasto.styles.style import Style

# What rounding in a resize may leave outside [0, 1].
_SLACK = 1e-3

FADE = 1 / 8
"""Below this strength the photograph itself is mixed in, and at 0 nothing else is left."""


@dataclass(frozen=True, eq=False)
class Content:
    """What is kept of a photograph in order to paint it more than once: it is encoded only once.

    Made by :meth:`impasto.stylizer.Stylizer.encode`; fits the model that made it and no other.

    Attributes:
        image: (H, W, 3), the photograph.
        opacity: (H, W) in [0, 1], or None if all of it counts the same.
        features: one map (C, h, w) a level, of the photograph with its padding.
        moments: their mean and deviation, one pair a level, of what is not transparent.
        model: the identity of the model that made it.
    """

    image: NDArray[np.float32]
    opacity: NDArray[np.float32] | None
    features: tuple[NDArray[np.float32], ...]
    moments: tuple[Moments, ...]
    model: str


@dataclass(frozen=True, eq=False)
class Painted:
    """A stylized image and how long each step took.

    Attributes:
        image: (H, W, 3) float32, RGB in [0, 1].
        encode_seconds: padding and encoder.
        align_seconds: from moments to scale and shift.
        decode_seconds: decoder, cropping and clipping.
    """

    image: NDArray[np.float32]
    encode_seconds: float
    align_seconds: float
    decode_seconds: float


def check_image(image: NDArray[np.float32], name: str) -> None:
    """Refuse an array that is no image, or too small for one.

    Args:
        image: (H, W, 3) floats in [0, 1], ``MIN_SIDE`` pixels or more to each side.
        name: what to call it in a message.

    Raises:
        ImageError: with the numbers.

    Example:
        >>> check_image(np.ones((16, 16, 3)), "a white one")
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{name}: an image must be an array, not a {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.kind != "f":
        raise ImageError(
            f"{name}: an image must be (H, W, 3) floating numbers, not {image.shape} {image.dtype}"
        )
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name}: {width} x {height} pixels is too small; each side needs {MIN_SIDE} or more"
        )
    low, high = float(image.min()), float(image.max())
    if not (low >= -_SLACK and high <= 1 + _SLACK):  # also refuses NaN
        raise ImageError(f"{name}: values must lie in [0, 1], not from {low:g} to {high:g}")


def encode(
    image: NDArray[np.float32],
    opacity: NDArray[np.float32] | None,
    *,
    engine: Engine,
    card: Card,
    model: str,
) -> Content:
    """Features and moments of an image, padded as the model needs it.

    Args:
        image: (H, W, 3) in [0, 1].
        opacity: (H, W) in [0, 1], or None.
        engine: what runs the encoder.
        card: of the model.
        model: its identity.

    Returns:
        A value for :func:`affines` and ``engine.decode``.
    """
    encoded = engine.encode(_planes(image, opacity, card))
    moments = encoded.moments
    if engine.precision != "fp32":
        # Half the digits: a scale that is rounded to the other side is 0.4 % off, and a difference
        # in the last digit of the graph's own sums, in float32, decides that. In float64 a picture
        # gets the same scale whether its moments are gathered at once or tile by tile.
        moments = tuple(gather(features) for features in encoded.features)
    if opacity is not None:
        counts = padded(opacity[None], card)[0]
        moments = tuple(
            region_moments(features, cell_average(counts, level.stride), whole=whole)
            for features, level, whole in zip(encoded.features, card.levels, moments, strict=True)
        )
    return Content(image, opacity, encoded.features, moments, model)


def read(content: Content, *, engine: Engine, card: Card) -> tuple[Moments, ...]:
    """The moments that a picture is to be given in a style, one pair a level.

    Args:
        content: the style, of :func:`encode`.
        engine: what runs the model.
        card: of the model; without a reader these are the style's own moments.
    """
    if not card.reader_macs_512:
        return content.moments
    planes = _planes(content.image, content.opacity, card)
    counts = np.ones([side // card.multiple for side in planes.shape[1:]], np.float32)
    if content.opacity is not None:
        seen = cell_average(padded(content.opacity[None], card)[0], card.multiple)
        if enough(effective_cells(seen)):
            counts = seen.astype(np.float32)
    return engine.read(planes, content.moments, counts)


def affines(
    content: Content,
    styles: Sequence[Style],
    amounts: NDArray[np.floating[Any]],
    regions: NDArray[np.float32] | None,
    *,
    card: Card,
) -> list[Affine]:
    """Scale and shift of every level; maps only where something differs from place to place.

    Args:
        content: of :func:`encode`.
        styles: K styles.
        amounts: their strengths, (K,) or (K, H, W), of :func:`impasto.controls.regions.strengths`.
        regions: (K, H, W), where the content gives each style its moments; None: everywhere.
        card: of the model.

    Returns:
        One map a level for ``engine.decode``.
    """
    counts: list[NDArray[np.float32] | None] = [None] * len(styles)
    if regions is not None:
        visible = np.float32(1) if content.opacity is None else content.opacity
        counts = [
            None if is_flat(region) else padded((region * visible)[None], card)[0]
            for region in regions
        ]
    if amounts.ndim > 1:
        amounts = padded(amounts, card)
    found = []
    for i, (features, whole) in enumerate(zip(content.features, content.moments, strict=True)):
        stride = card.levels[i].stride
        contents = [
            whole
            if each is None
            else region_moments(features, cell_average(each, stride), whole=whole)
            for each in counts
        ]
        cells = amounts if amounts.ndim == 1 else cell_average(amounts, stride)
        found.append(align(contents, [style.moments[i] for style in styles], cells))
    return found


def cropped(
    decoded: NDArray[np.float32], size: tuple[int, ...], *, card: Card
) -> NDArray[np.float32]:
    """The decoder's image without its padding, (H, W, 3) in [0, 1].

    Args:
        decoded: (3, H', W'), as ``engine.decode`` gives it.
        size: H and W.
        card: of the model.
    """
    height, width = size
    top = card.margin
    crop = decoded[:, top : top + height, top : top + width].transpose(1, 2, 0)
    return np.clip(crop, 0.0, 1.0, out=np.empty((height, width, 3), np.float32))


def kept(
    painted: NDArray[np.float32],
    image: NDArray[np.float32],
    opacity: NDArray[np.float32] | None,
    amounts: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """The painted image, and the photograph where the strength is 0 or all is transparent.

    A decoder gives a photograph back as well as it can, which is not exactly, and its view of a
    place reaches over the border of a mask. So what is to stay the photograph is the photograph.

    Args:
        painted: (H, W, 3) in [0, 1].
        image: (H, W, 3), the photograph.
        opacity: (H, W) in [0, 1], or None.
        amounts: the strengths of K styles, (K,) or (K, H, W); between 0 and ``FADE`` in sum the
            two are mixed, so that nothing jumps.

    Returns:
        (H, W, 3) float32 in [0, 1]; ``painted`` itself where nothing is kept.

    Example:
        >>> white, black = np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32)
        >>> kept(white, black, None, np.array([0.0625])).ravel()
        array([0.5, 0.5, 0.5], dtype=float32)
    """
    share = np.minimum(amounts.sum(axis=0) / FADE, 1).astype(np.float32)
    if opacity is not None:
        share = share * (opacity > 0)
    if share.min() == 1:
        return painted
    share = share[..., None]
    # Written so that a share of 0 or 1 gives exactly the one or the other.
    mixed: NDArray[np.float32] = painted * share + np.clip(image, 0, 1) * (1 - share)
    return mixed.astype(np.float32, copy=False)


def _planes(
    image: NDArray[np.float32], opacity: NDArray[np.float32] | None, card: Card
) -> NDArray[np.float32]:
    """(H, W, 3) as a graph takes it: (3, H', W'), padded, what is hidden filled."""
    planes = fill_hidden(image, opacity).transpose(2, 0, 1)
    return padded(planes.astype(np.float32, copy=False), card)


def padded(planes: NDArray[Any], card: Card) -> NDArray[Any]:
    """(C, H, W) to (C, H', W'), contiguous, reflected at the edges, more than once if thin.

    Example:
        >>> padded(np.ones((1, 17, 16)), card).shape                        # doctest: +SKIP
        (1, 20, 16)
    """
    widths = [(0, 0)]
    for side in planes.shape[1:]:
        widths.append((card.margin, card.margin + -side % card.multiple))
    return np.pad(planes, widths, mode="reflect")
