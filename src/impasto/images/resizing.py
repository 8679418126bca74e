"""Pictures and planes made smaller or larger: float32 throughout, without aliasing."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError, OptionError
from impasto.images.options import ReadOptions

Plane: TypeAlias = NDArray[np.float32]
"""One number for each pixel, (h, w)."""

MAX_PIXELS = ReadOptions.max_pixels
"""Larger pictures are refused before they are decoded, unless ``max_pixels`` is given."""


def resize(image: NDArray[np.float32], size: int) -> NDArray[np.float32]:
    """Scale an image so that its shorter side is ``size`` pixels, smaller or larger.

    The aspect ratio is kept to the nearest pixel. Lanczos of radius 3, widened when reducing to
    prevent aliasing, in float32 without a step through 8 bits; overshoot is clipped.

    Args:
        image: (H, W, 3) float32 in [0, 1].
        size: of the shorter side, in pixels.

    Returns:
        (H', W', 3) float32 in [0, 1]; ``image`` itself if it has the size.

    Raises:
        ImageError: if ``image`` has another shape, or the result would have more than MAX_PIXELS.
        OptionError: if ``size`` is not a whole number of 1 or more.

    Example:
        >>> resize(np.ones((300, 200, 3), np.float32), 50).shape
        (75, 50, 3)
    """
    check_rgb(image, "the image to resize")
    height, width = scaled_size(image.shape[0], image.shape[1], size)
    if (height, width) == image.shape[:2]:
        return image
    planes = [resize_plane(image[..., channel], height, width) for channel in range(3)]
    return np.stack(planes, axis=-1)


def scaled_size(height: int, width: int, size: int) -> tuple[int, int]:
    """Return height and width once the shorter side becomes ``size``, as in :func:`resize`.

    Args:
        height: before, in pixels.
        width: before.
        size: of the shorter side, in pixels.

    Raises:
        ImageError: if the result would have more than MAX_PIXELS.
        OptionError: if ``size`` is not a whole number of 1 or more.

    Example:
        >>> scaled_size(300, 200, 50)
        (75, 50)
    """
    try:
        whole = operator.index(size)
    except TypeError:
        whole = 0
    if whole < 1:
        raise OptionError(f"size must be a whole number of pixels, 1 or more, not {size!r}")
    shape = (height, width)
    if min(shape) == whole:
        return shape
    high, wide = (max(1, round(side * whole / min(shape))) for side in shape)
    if high * wide > max(MAX_PIXELS, height * width):
        raise ImageError(
            f"an image of {width} x {height} pixels with a shorter side of {whole} would have "
            f"{wide} x {high} = {high * wide:,} pixels; choose a smaller size"
        )
    return high, wide


def resize_plane(plane: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Scale one channel, an alpha or a mask to (height, width) as :func:`resize` does.

    Args:
        plane: (H, W) float32 in [0, 1].
        height: of the result, 1 or more.
        width: of the result, 1 or more.

    Returns:
        (height, width) float32 in [0, 1].

    Example:
        >>> resize_plane(np.ones((4, 4), np.float32), 2, 3).shape
        (2, 3)
    """
    picture = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    # Along the rows first, even where Pillow finds the other order faster, as windows are scaled.
    across = picture.resize((width, picture.height), Image.Resampling.LANCZOS)
    scaled = across.resize((width, height), Image.Resampling.LANCZOS)
    return np.clip(np.asarray(scaled, np.float32), 0, 1)


def check_rgb(image: NDArray[Any], what: str) -> None:
    """Refuse anything but an (H, W, 3) array of floats; ``what`` names it in the message."""
    if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype.kind != "f":
        raise ImageError(
            f"{what} must be floats of shape (H, W, 3), not {image.dtype} of shape {image.shape}"
        )


# Radius of Lanczos, in pixels of the larger of both scales.
_SUPPORT = 3


_BLOCK = 1 << 15


@dataclass(frozen=True, eq=False)
class Stretch:
    """Scale a part of one axis by Lanczos, as Pillow does.

    Pillow itself takes the edges of a part in single precision, which shifts it slightly against
    its neighbors. These are its weights in double precision, so a part equals that of the scaled
    whole (``precompute_coeffs`` in Pillow's Resample.c).

    Attributes:
        wanted: the pixels that contribute.
        first: (n,), for every pixel of the result the first of them that it uses.
        weights: (n, taps), of that pixel and of those that follow.
    """

    wanted: slice
    first: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, stored: int, length: int, cut: slice) -> Stretch:
        """Scale ``stored`` pixels to ``length``, of which the part ``cut`` is wanted."""
        scale = stored / length
        reach = _SUPPORT * max(scale, 1.0)
        centers = (np.arange(cut.start, cut.stop) + 0.5) * scale
        first = np.maximum((centers - reach + 0.5).astype(np.intp), 0)
        last = np.minimum((centers + reach + 0.5).astype(np.intp), stored)
        places = first[:, None] + np.arange(int((last - first).max()))
        at = (places - centers[:, None] + 0.5) / max(scale, 1.0)
        weights = np.sinc(at) * np.sinc(at / _SUPPORT)
        weights[(places >= last[:, None]) | (np.abs(at) > _SUPPORT)] = 0
        weights /= weights.sum(axis=1, keepdims=True)
        wanted = slice(int(first.min()), int(last.max()))
        return cls(wanted, first - wanted.start, weights)

    def apply(self, plane: Plane) -> Plane:
        """Scale the rows of a plane, which are the wanted ones."""
        result = np.empty((len(self.first), plane.shape[1]), np.float32)
        step = max(1, _BLOCK // plane.shape[1])
        for top in range(0, len(result), step):
            part = slice(top, top + step)
            # As many rows at a time as stay in cache; the last taps of some of them have weight 0.
            total = np.zeros(result[part].shape)
            for tap, weights in enumerate(self.weights[part].T):
                rows = plane[np.minimum(self.first[part] + tap, len(plane) - 1)]
                total += rows * weights[:, None]
            result[part] = total
        return result


def stretched(plane: Plane, vertical: Stretch, horizontal: Stretch) -> Plane:
    rows = horizontal.apply(np.ascontiguousarray(plane.T)).T
    return vertical.apply(np.ascontiguousarray(rows))
