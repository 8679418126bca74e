"""Application of color methods: to style pictures before encoding, to the result after it.

The methods themselves are in :mod:`impasto.controls.color`; here they are combined with masks,
strengths and opacity.
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


def needs_model(method: str | None) -> bool:
    """Return True if a color method runs the model, as all do but ``only``.

    Raises:
        OptionError: if there is no such method.

    Example:
        >>> needs_model(None), needs_model("cholesky"), needs_model("only")
        (True, True, False)
    """
    return method is None or find_method(method).stage != "after"


def needs_picture(method: str | None) -> bool:
    """Return True if a method needs the picture of a style; moments suffice for ``luminance``.

    Raises:
        OptionError: if there is no such method.

    Example:
        >>> needs_picture(None), needs_picture("luminance"), needs_picture("cholesky")
        (False, False, True)
    """
    return method is not None and find_method(method).stage != "both"


def match_colors(style: Photo, reference: ColorMoments, *, method: str) -> Photo:
    """Give a style picture the colors of a photograph, before it is encoded.

    Args:
        style: the picture as read.
        reference: the photograph's, with weights from :func:`pixel_counts`.
        method: one that acts before painting.

    Returns:
        A photo of the same size, clipped to [0, 1] except for ``coral``.

    Example:
        >>> photo = Photo(np.full((4, 4, 3), 0.5, np.float32), None, "a grey one")
        >>> red = np.full((4, 4, 3), (1, 0, 0), np.float32)
        >>> match_colors(photo, moments_of(red), method="cholesky").image[0, 0]
        array([1., 0., 0.], dtype=float32)
    """
    have = moments_of(style.image, pixel_counts(style.alpha, None))
    mapped = apply_map(style.image, *linear_map(have, reference, method=method))
    return replace(style, image=np.clip(mapped, 0, 1) if find_method(method).clip else mapped)


def restore_colors(
    painted: NDArray[np.float32], image: NDArray[np.float32], *, method: str
) -> NDArray[np.float32]:
    """Restore the photograph's colors after painting, for ``luminance``; other methods do nothing.

    Args:
        painted: (H, W, 3) in [0, 1].
        image: (H, W, 3), the photograph.
        method: any.

    Returns:
        (H, W, 3) in [0, 1].

    Example:
        >>> image = np.zeros((1, 1, 3), np.float32)
        >>> restore_colors(image, image, method="cholesky") is image
        True
    """
    if find_method(method).stage != "both":
        return painted
    return put_luminance(painted, np.clip(image, 0, 1).astype(np.float32, copy=False))


def palette_to(content: ColorMoments, style: Photo) -> tuple[Matrix, Matrix]:
    """Compute the map that applies the palette of a style to a photograph, for ``only``.

    Args:
        content: ``palette_of`` the photograph, with weights from :func:`pixel_counts`.
        style: the picture as read.

    Returns:
        The map of :func:`impasto.controls.color.palette_map`.

    Example:
        >>> photo = Photo(np.random.default_rng(0).random((8, 8, 3), np.float32), None, "")
        >>> np.allclose(palette_to(palette_of(photo.image), photo)[0], np.eye(3))
        True
    """
    return palette_map(content, palette_of(style.image, pixel_counts(style.alpha, None)))


def apply_palettes(
    image: NDArray[np.float32],
    maps: Sequence[tuple[Matrix, Matrix]],
    amounts: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """Apply palettes of styles to a photograph, for ``only``, without running the model.

    ``(1 - sum_k u_k) x + sum_k u_k P_k(x)``, where ``P_k`` applies the palette of style ``k`` to
    the photograph: strengths, weights and masks mean the same as in
    :func:`impasto.controls.affine.align`.

    Args:
        image: (H, W, 3) in [0, 1].
        maps: of K styles, of :func:`palette_to`.
        amounts: their strengths, (K,) or (K, H, W).

    Returns:
        (H, W, 3) float32 in [0, 1].

    Example:
        >>> image = np.full((1, 1, 3), 0.5, np.float32)
        >>> apply_palettes(image, [(np.eye(3), np.zeros(3))], np.zeros(1)).ravel()
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
    """Return the weights of pixels in statistics of color; None if all are equal.

    As for features, the whole picture replaces a region of too few pixels, and a picture that is
    transparent everywhere counts as opaque.

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
