"""Pictures of any kind -> float RGB in [0, 1], at working size, with transparent parts filled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.images.arrays import ArrayForm, Photo
from impasto.images.ranges import ValueRange
from impasto.images.resizing import MAX_PIXELS, resize, resize_plane
from impasto.images.sources import Picture, open_picture
from impasto.images.writing import Rendered, write_image

__all__ = [
    "ArrayForm",
    "Photo",
    "Picture",
    "Rendered",
    "read_photo",
    "write_image",
]

# Pixels per block in float64.
_BLOCK = 1 << 16


def read_photo(
    source: Picture,
    *,
    max_pixels: int = MAX_PIXELS,
    keep_gps: bool = False,
    value_range: ValueRange | None = None,
) -> Photo:
    """Read a picture of any kind as float RGB.

    Files and streams: JPEG, PNG, WebP, AVIF, TIFF, GIF, BMP, JPEG 2000, PPM, and HEIC with
    pillow-heif installed. Of a TIFF's pages the first is read, or the one after a preview, of a
    HEIC the main picture, and ``remark`` reports it; no films, no raw photographs. A stream is read
    from its start, if it can seek. Of a Pillow image of several frames the current one is used.

    The EXIF orientation is applied. An ICC profile (RGB, grey, CMYK or Lab) is converted to sRGB,
    relative colorimetric with black point compensation; one that is broken or belongs to another
    kind of picture is ignored, and CMYK without one gets Pillow's simple formula. Colors that
    are declared otherwise (cICP, gAMA and cHRM of a PNG, nclx of AVIF and HEIC, Adobe RGB of EXIF
    data) are converted too, HDR by :func:`impasto.images.cicp.tone_mapped`. ``remark`` reports what
    is ignored or lost.

    Grey and color of 16 bits per channel (PNG, TIFF, PPM; Pillow's modes I;16 and I) and floats
    (TIFF of 16, 32 or 64 bits, white is 1; mode F) are read at full depth, as are integers of 32
    and 64 bits and signed ones in TIFF (white is the type's maximum). More than 8 bits in AVIF,
    HEIC, JPEG 2000 and CMYK are read as 8, and ``remark`` reports it. Rounding errors, up to a
    thousandth of white outside the range of floats, are clipped.

    Arrays: uint8 and uint16 (white is 255 and 65535), or float16, float32 and float64 in [0, 1];
    other integers with ``value_range``. Masked pixels of a masked array (``numpy.ma``) are
    transparent. Shape (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels: grey, RGB, RGB and
    alpha. For an ambiguous shape, such as (3, 50, 4), channels are last. Not bool, which may mean a
    mask; not batches: loop over them.

    Args:
        source: a path, a Pillow image, a NumPy array, or a binary stream (``sys.stdin.buffer``).
        max_pixels: a larger picture is refused, a file by its header, before it is decoded.
        keep_gps: keep the place (GPS) in the metadata of results; otherwise it is dropped.
        value_range: the values that are black and white in floats and in integers other than uint8
            and uint16; values beyond are clipped.

    Raises:
        ImageError: a picture that cannot be read, or an array that does not fit. One line with
            the picture, the problem and the remedy.
        OptionError: ``max_pixels`` below 1, or an invalid range.

    Example:
        >>> photo = read_photo(np.full((2, 4), 51, np.uint8))
        >>> photo.image.shape, float(photo.image[0, 0, 0])
        ((2, 4, 3), 0.20000000298023224)
    """
    with open_picture(
        source, max_pixels=max_pixels, keep_gps=keep_gps, value_range=value_range
    ) as picture:
        return picture.photo()


def fit_photo(photo: Photo, size: int | None, *, enlarge: bool = True) -> Photo:
    """Return a photograph at its working size, with transparent parts filled.

    Args:
        photo: as it was read.
        size: shorter side in pixels; None: unchanged.
        enlarge: enlarge a smaller one too.

    Returns:
        A photo of that size; ``photo`` itself if nothing changes.

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
    """Fill the transparent part of a picture with the mean color of the rest.

    Programs write any color there, mostly black. It would bleed into the visible part across the
    edge, in scaling and in the features.

    Args:
        image: (H, W, 3).
        opacity: (H, W) in [0, 1], or None.

    Returns:
        (H, W, 3); ``image`` itself if all or none of it is transparent.

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
    mean = mean_color(image, opacity)
    return np.where(hidden[..., None], mean.astype(image.dtype), image)


def mean_color(image: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]]) -> Any:
    """Return the mean color of a picture, (3,) float64, each pixel weighted.

    Args:
        image: (H, W, 3) floats.
        weights: (H, W), 0 or more, not all 0.

    Example:
        >>> mean_color(np.ones((2, 2, 3)), np.eye(2))
        array([1., 1., 1.])
    """
    mean, total = np.zeros(3), 0.0
    rows = max(1, _BLOCK // image.shape[1])
    for top in range(0, len(image), rows):  # a float64 copy of all would be twice the picture
        block = slice(top, top + rows)
        shares = weights[block].astype(np.float64).ravel()
        if (weight := float(shares.sum())) > 0:
            total += weight
            colors = image[block].astype(np.float64).reshape(-1, 3)
            mean += weight / total * ((shares / weight) @ colors - mean)
    return mean
