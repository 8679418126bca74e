"""Masks and maps of strength: pictures of any kind and size -> (H, W) numbers for a photograph."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.affine import MAX_ALPHA, check_alpha
from impasto.colormoments import moments_of
from impasto.errors import ImageError, OptionError
from impasto.imagefiles import one_line
from impasto.images import MAX_PIXELS, Photo, Picture, read_photo, resize, resize_plane
from impasto.windows import settled

# What JPEG makes of grey: its three channels need not stay equal to the last bit.
_GREY_SPREAD = 4 / 255


def read_mask(source: Picture, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.float32]:
    """A mask, which says where something counts, from a picture of it.

    If the picture has an alpha channel that is not opaque everywhere, that is the mask, so a
    cut-out will do whatever its colors are. Otherwise its gray values are: white is all, black is
    nothing, and what is between is a soft border.

    Args:
        source: a file, Pillow image or array, as for :func:`impasto.images.read_photo`, or an
            array of bool.
        max_pixels: a larger picture is refused.

    Returns:
        (H, W) float32 in [0, 1], of the picture's own size.

    Raises:
        ImageError: if the picture cannot be read, or is one in color without transparency.

    Example:
        >>> read_mask(np.array([[0, 51, 255]], np.uint8))
        array([[0. , 0.2, 1. ]], dtype=float32)
    """
    if isinstance(source, np.ndarray) and source.dtype.kind == "b":
        source = source.astype(np.float32)
    photo = read_photo(source, max_pixels=max_pixels)
    if photo.alpha is not None and photo.alpha.min() < 1:
        return photo.alpha
    spread = float(np.ptp(photo.image, axis=2).max())
    if spread > _GREY_SPREAD:
        raise ImageError(
            f"{photo.name}: is a picture in color, whose channels differ by up to "
            f"{round(255 * spread)} of 255; a mask is a gray picture, or one with an alpha channel"
        )
    gray: NDArray[np.float32] = photo.image.mean(axis=2, dtype=np.float32)
    return gray


def read_alpha(
    source: float | Picture, *, max_pixels: int = MAX_PIXELS
) -> float | NDArray[np.float32]:
    """A strength: a number as it is, or a map of it from a picture.

    Args:
        source: a number in [0, 2]; a picture as for :func:`read_mask`, white for 1; or an (H, W)
            array of floats in [0, 2].
        max_pixels: a larger picture is refused.

    Returns:
        The number, or (H, W) float32 of the picture's own size.

    Raises:
        OptionError: if a number is outside [0, 2] or not finite, or a text names no file.
        ImageError: as :func:`read_mask`.

    Example:
        >>> read_alpha(1)
        1.0
    """
    if source is None or isinstance(source, Real | float):
        return check_alpha(source)  # refuses what is no number
    if isinstance(source, np.ndarray) and source.dtype.kind == "f" and source.ndim < 3:
        return check_strength(source)
    if isinstance(source, str) and not os.path.lexists(source):
        raise OptionError(
            f"alpha must be a number from 0 to {MAX_ALPHA:g}, or a gray picture: "
            f"there is no file {one_line(source)!r}"
        )
    return read_mask(source, max_pixels=max_pixels)


def check_strength(alpha: float | NDArray[Any]) -> float | NDArray[np.float32]:
    """A number or a map of strength, if it is one.

    Args:
        alpha: a number, or an (H, W) array of floats, in [0, 2].

    Raises:
        OptionError: if it is anything else.

    Example:
        >>> check_strength(np.full((1, 2), 0.5))
        array([[0.5, 0.5]], dtype=float32)
    """
    if not isinstance(alpha, np.ndarray):
        return check_alpha(alpha)
    return check_plane(alpha, "alpha", high=MAX_ALPHA) if alpha.ndim else check_alpha(alpha.item())


def check_plane(values: NDArray[Any], what: str, *, high: float = 1.0) -> NDArray[np.float32]:
    """One number for each place, if it is that.

    Args:
        values: an (H, W) array of floats in [0, high], or of bool.
        what: what to call it in a message.
        high: the largest value allowed.

    Raises:
        OptionError: if it is anything else.

    Example:
        >>> check_plane(np.eye(1), "the mask")
        array([[1.]], dtype=float32)
    """
    if not isinstance(values, np.ndarray):
        raise OptionError(f"{what} must be an array, not a {type(values).__name__}")
    if values.ndim != 2 or not values.size or values.dtype.kind not in "fb":
        raise OptionError(
            f"{what} must be (H, W) floating numbers, not {values.shape} {values.dtype}"
        )
    lowest, highest = float(values.min()), float(values.max())
    if not (lowest >= 0 and highest <= high):  # also refuses NaN
        raise OptionError(
            f"the values of {what} must lie in [0, {high:g}], not from {lowest:g} to {highest:g}"
        )
    return values.astype(np.float32, copy=False)


def check_masks(masks: Sequence[NDArray[Any]] | None, count: int) -> list[NDArray[np.float32]]:
    """Masks for ``count`` styles, if they are that; an empty list for None.

    Args:
        masks: for each style an (H, W) array of floats in [0, 1], or of bool.
        count: how many styles there are.

    Raises:
        OptionError: if the numbers of styles and masks differ, or a mask is no such array or is 0
            everywhere.

    Example:
        >>> len(check_masks([np.ones((2, 2)), np.eye(2)], 2))
        2
    """
    if masks is None:
        return []
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        masks = [masks]
    if len(masks) != count:
        raise OptionError(
            f"there must be one mask for each style, not {len(masks)} masks for {count} styles"
        )
    planes = [check_plane(mask, f"mask {i}") for i, mask in enumerate(masks, 1)]
    for i, plane in enumerate(planes, 1):
        if not plane.any():
            raise OptionError(f"mask {i} is empty: none of its values is above 0")
    return planes


def fit(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """A mask or a map stretched to a picture's size.

    Args:
        plane: (H, W) in [0, 2].
        height: of the picture.
        width: of the picture.

    Returns:
        (height, width) float32 between the smallest and the largest value of ``plane``, which is
        returned itself if it has the size.

    Example:
        >>> fit(np.full((4, 4), 1.5, np.float32), 1, 2)
        array([[1.5, 1.5]], dtype=float32)
    """
    if plane.shape == (height, width):
        return plane
    low, high = float(plane.min()), float(plane.max())
    if low == high:
        return np.full((height, width), low, np.float32)
    # Scaling knows [0, 1] only, and overshoots at edges as far as it may: to these limits here.
    scaled = resize_plane((plane - np.float32(low)) / np.float32(high - low), height, width)
    return settled(scaled) * np.float32(high - low) + np.float32(low)


def fit_photo(photo: Photo, size: int | None, *, enlarge: bool = True) -> Photo:
    """A photograph at the size it will be worked on, what is transparent in it filled.

    Args:
        photo: as it was read.
        size: shorter side in pixels; None: as it is.
        enlarge: whether a smaller one is scaled too.

    Returns:
        A photo of that size; ``photo`` itself if there is nothing to do.

    Raises:
        ImageError: if the result would have too many pixels.

    Example:
        >>> photo = read_photo(np.zeros((40, 20), np.uint8))
        >>> fit_photo(photo, 10).image.shape
        (20, 10, 3)
    """
    side = min(photo.image.shape[:2])
    if size is None or side == size or (side < size and not enlarge):
        return photo
    image = resize(fill_hidden(photo.image, photo.alpha), size)
    alpha = None if photo.alpha is None else resize_plane(photo.alpha, *image.shape[:2])
    return replace(photo, image=image, alpha=alpha)


def fill_hidden(
    image: NDArray[np.float32], opacity: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """A picture whose transparent part has the mean color of the rest.

    Programs write anything there, mostly black. It would bleed into what can be seen, over the
    edge of a scaled picture as over that of features.

    Args:
        image: (H, W, 3).
        opacity: (H, W) in [0, 1], or None.

    Returns:
        (H, W, 3); ``image`` itself if all or nothing of it is transparent.

    Example:
        >>> image = np.array([[[0.2, 0.2, 0.2], [0.9, 0.9, 0.9]]], np.float32)
        >>> fill_hidden(image, np.array([[1, 0]], np.float32))[0, 1]
        array([0.2, 0.2, 0.2], dtype=float32)
    """
    if opacity is None:
        return image
    hidden = opacity <= 0
    if hidden.all() or not hidden.any():
        return image
    mean = moments_of(image, opacity).mean
    return np.where(hidden[..., None], mean.astype(image.dtype), image)
