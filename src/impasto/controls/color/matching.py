"""Where a color method acts: on the style picture before it is encoded, on the result after.

The methods themselves are in :mod:`impasto.controls.color`; here they meet masks, strengths and
opacity.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color import (
    ColorMoments,
    apply_map,
    apply_palette,
    find_method,
    linear_map,
    moments_of,
    palette_map,
    palette_of,
    put_luminance,
)
from impasto.controls.color.moments import Matrix
from impasto.controls.moments import effective_cells, enough
from impasto.controls.regions import is_flat
from impasto.images.photo import Photo


def paints(method: str | None) -> bool:
    """Whether there is anything for a model to do.

    Raises:
        OptionError: if there is no such method.

    Example:
        >>> paints(None), paints("cholesky"), paints("only")
        (True, True, False)
    """
    return method is None or find_method(method).where != "after"


def needs_picture(method: str | None) -> bool:
    """Whether a method asks for the picture of a style; ``luminance`` can do with its moments.

    Raises:
        OptionError: if there is no such method.

    Example:
        >>> needs_picture(None), needs_picture("luminance"), needs_picture("cholesky")
        (False, False, True)
    """
    return method is not None and find_method(method).where != "both"


def matched(style: Photo, reference: ColorMoments, *, method: str) -> Photo:
    """A style picture in the colors of a photograph, ready to be encoded.

    Args:
        style: as it was read.
        reference: of the photograph, its pixels counted as :func:`pixel_counts` says.
        method: one that acts before.

    Returns:
        A photo of the same size, clipped to [0, 1].

    Example:
        >>> photo = Photo(np.full((4, 4, 3), 0.5, np.float32), None, "a grey one")
        >>> red = np.full((4, 4, 3), (1, 0, 0), np.float32)
        >>> matched(photo, moments_of(red), method="cholesky").image[0, 0]
        array([1., 0., 0.], dtype=float32)
    """
    have = moments_of(style.image, pixel_counts(style.alpha, None))
    found = apply_map(style.image, *linear_map(have, reference, method=method))
    return replace(style, image=np.clip(found, 0, 1))


def colors_put_back(
    painted: NDArray[np.float32], image: NDArray[np.float32], *, method: str
) -> NDArray[np.float32]:
    """What a method does after painting: for ``luminance`` the photograph's own colors, else none.

    Args:
        painted: (H, W, 3) in [0, 1].
        image: (H, W, 3), the photograph.
        method: any.

    Returns:
        (H, W, 3) in [0, 1].

    Example:
        >>> image = np.zeros((1, 1, 3), np.float32)
        >>> colors_put_back(image, image, method="cholesky") is image
        True
    """
    if find_method(method).where != "both":
        return painted
    return put_luminance(painted, np.clip(image, 0, 1).astype(np.float32, copy=False))


def palette_to(content: ColorMoments, style: Photo) -> tuple[Matrix, Matrix]:
    """The map that lays the palette of a style on a photograph, for ``only``.

    Args:
        content: ``palette_of`` the photograph, its pixels counted as :func:`pixel_counts` says.
        style: as it was read.

    Returns:
        What :func:`impasto.controls.color.palette_map` gives.

    Example:
        >>> photo = Photo(np.random.default_rng(0).random((8, 8, 3), np.float32), None, "")
        >>> np.allclose(palette_to(palette_of(photo.image), photo)[0], np.eye(3))
        True
    """
    return palette_map(content, palette_of(style.image, pixel_counts(style.alpha, None)))


def in_palettes(
    image: NDArray[np.float32],
    maps: Sequence[tuple[Matrix, Matrix]],
    amounts: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """The photograph in the colors of styles, for ``only``: nothing is painted.

    ``(1 - sum_k u_k) x + sum_k u_k P_k(x)``, where ``P_k`` lays the palette of style ``k`` on the
    photograph: strengths, weights and masks mean what they mean in
    :func:`impasto.controls.affine.align`.

    Args:
        image: (H, W, 3) in [0, 1].
        maps: of K styles, of :func:`palette_to`.
        amounts: their strengths, (K,) or (K, H, W).

    Returns:
        (H, W, 3) float32 in [0, 1].

    Example:
        >>> image = np.full((1, 1, 3), 0.5, np.float32)
        >>> in_palettes(image, [(np.eye(3), np.zeros(3))], np.zeros(1)).ravel()
        array([0.5, 0.5, 0.5], dtype=float32)
    """
    image = np.clip(image, 0, 1).astype(np.float32, copy=False)
    result: NDArray[np.floating[Any]] = image * (1 - amounts.sum(axis=0))[..., None]
    for k, each in enumerate(maps):
        result += apply_palette(image, *each) * amounts[k][..., None]
    np.clip(result, 0, 1, out=result)
    return result.astype(np.float32, copy=False)


def pixel_counts(
    opacity: NDArray[np.float32] | None, region: NDArray[np.float32] | None
) -> NDArray[np.float32] | None:
    """How much each pixel counts in statistics of color; None for all the same.

    As for features, a region of too few pixels counts as the whole picture, and a picture that is
    transparent everywhere as an opaque one.

    Args:
        opacity: (H, W) in [0, 1], or None.
        region: (H, W) in [0, 1], or None.

    Example:
        >>> pixel_counts(None, np.ones((8, 8), np.float32)) is None
        True
    """
    if region is not None and not is_flat(region):
        counts = region if opacity is None else region * opacity
        if enough(effective_cells(counts)):
            return counts
    if opacity is None or is_flat(opacity) or not enough(effective_cells(opacity)):
        return None
    return opacity
