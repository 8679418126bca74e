"""Masks and maps of strength: pictures of any kind and size -> (H, W) numbers for a photograph."""

from __future__ import annotations

import os
from contextlib import ExitStack
from numbers import Real
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import MAX_ALPHA, check_alpha
from impasto.errors import ImageError, OptionError, one_line
from impasto.images.photo import Picture, read_photo
from impasto.images.ranges import misfit
from impasto.images.resizing import MAX_PIXELS, Plane, Stretch, resize_plane, stretched
from impasto.images.sources import open_picture
from impasto.images.windows import Source

# Rows read at a time.
_ROWS = 256
# Masks of fewer pixels are kept as numbers, to avoid decoding them again.
_SMALL = 16_000_000
# JPEG does not keep the three channels of gray exactly equal. Half a level more than 4, since these
# are differences of rounded numbers.
_GREY_SPREAD = 4.5 / 255


class PictureMask:
    """A mask that is a picture, read window by window.

    If the picture has an alpha channel that is not opaque everywhere, that is the mask, so a
    cut-out works regardless of its colors. Otherwise its gray values are the mask: white is all,
    black is nothing, and values between form a soft border.

    Args:
        source: the picture; read once here, and again by :meth:`window`. One that reads a file
            serves one thread at a time.

    Attributes:
        shape: height and width in pixels.
        low: the smallest of its values.
        high: the largest of its values.
        held: bytes that it keeps in memory.
        row_bytes: bytes that it keeps for every row of a window.

    Raises:
        ImageError: if it is in color without transparency.

    Example:
        >>> from impasto.images.arrays import Photo
        >>> picture = Photo(np.full((4, 4, 3), 0.5, np.float32), None, "a gray one")
        >>> PictureMask(picture).window(slice(0, 1), slice(0, 2))
        array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self.shape = (source.height, source.width)
        self.held, self.row_bytes = source.held, source.row_bytes
        spread, gray, seen = 0.0, (np.inf, -np.inf), (np.inf, -np.inf)
        for top in range(0, source.height, _ROWS):
            rows = slice(top, min(top + _ROWS, source.height))
            image, alpha = source.window(rows, slice(0, source.width))
            spread = max(spread, float(np.ptp(image, axis=2).max()))
            gray = _widened(gray, _gray(image))
            if alpha is not None:
                seen = _widened(seen, alpha)
        self._cut_out = seen[0] < 1
        self.low, self.high = seen if self._cut_out else gray
        if not self._cut_out and spread > _GREY_SPREAD:
            raise ImageError(
                f"{source.name}: is a picture in color, whose channels differ by up to "
                f"{round(255 * spread)} of 255; a mask is a gray picture, or one with an alpha "
                "channel"
            )

    def window(self, rows: slice, columns: slice) -> NDArray[np.float32]:
        """Return a part, (h, w), from pixel to pixel; fastest row by row from the top."""
        image, alpha = self._source.window(rows, columns)
        return alpha if self._cut_out and alpha is not None else _gray(image)

    def whole(self) -> NDArray[np.float32]:
        """Return the whole mask, (H, W)."""
        found = np.empty(self.shape, np.float32)
        for top in range(0, len(found), _ROWS):
            rows = slice(top, min(top + _ROWS, len(found)))
            found[rows] = self.window(rows, slice(0, self.shape[1]))
        return found


Mask: TypeAlias = NDArray[np.float32] | PictureMask
"""A mask or a map of strength: an array of numbers, or a picture read in parts."""


def read_mask(source: Picture, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.float32]:
    """Read a mask from a picture, as :class:`PictureMask` interprets it.

    Args:
        source: a file, Pillow image or array, as for :func:`impasto.images.photo.read_photo`, or an
            array of bool.
        max_pixels: a larger picture is refused.

    Returns:
        (H, W) float32 in [0, 1], of the picture's own size.

    Raises:
        ImageError: if the picture cannot be read, or is in color without transparency.

    Example:
        >>> read_mask(np.array([[0, 51, 255]], np.uint8))
        array([[0. , 0.2, 1. ]], dtype=float32)
    """
    if isinstance(source, np.ma.MaskedArray):
        raise ImageError("the mask is a masked array; fill it first, for example with .filled(0)")
    if isinstance(source, np.ndarray) and source.dtype.kind == "b":
        source = source.astype(np.float32)
    photo = read_photo(source, max_pixels=max_pixels)
    return PictureMask(photo).whole()


def as_list(masks: Any) -> list[Any]:
    """Return masks as a list; a single picture or array of one mask is a list of one.

    Args:
        masks: a list or tuple of masks, one mask, or an array (K, H, W) of them.

    Example:
        >>> len(as_list(np.ones((2, 2)))), len(as_list(np.ones((3, 2, 2))))
        (1, 3)
    """
    if isinstance(masks, list | tuple):
        return list(masks)
    stacked = isinstance(masks, np.ndarray) and masks.ndim == 3 and masks.shape[2] not in (3, 4)
    return list(masks) if stacked else [masks]


def prepare_mask(mask: Any, what: str) -> Any:
    """Check a mask as far as possible without opening a file.

    Args:
        mask: a picture of any kind, or an (H, W) array of floats in [0, 1] or of bool.
        what: its name in messages.

    Returns:
        (H, W) float32; a file or a stream unchanged, for :func:`open_mask`.

    Raises:
        OptionError: if an array is no such array, or 0 everywhere.
        ImageError: if a picture is in color without transparency.

    Example:
        >>> prepare_mask(np.array([[False, True]]), "the mask")
        array([[0., 1.]], dtype=float32)
    """
    if is_file(mask):
        return mask
    if isinstance(mask, np.ndarray) and mask.ndim == 2 and mask.dtype.kind in "fb":
        mask = check_plane(mask, what)
    elif not isinstance(mask, PictureMask):
        mask = read_mask(mask)
    if not (mask.high > 0 if isinstance(mask, PictureMask) else mask.any()):
        raise OptionError(f"{what} is empty: none of its values is above 0")
    return mask


def prepare_alpha(alpha: Any) -> Any:
    """Check a strength as far as possible without opening a file.

    Args:
        alpha: a number in [0, 2]; an (H, W) array of floats in [0, 2]; or a picture of any kind,
            white for 1.

    Returns:
        A float, or (H, W) float32; a file or a stream unchanged, for :func:`open_mask`.

    Raises:
        OptionError: if a number is outside [0, 2] or not finite, or a text names no file.
        ImageError: if a picture is in color without transparency.

    Example:
        >>> prepare_alpha(1)
        1.0
    """
    if alpha is None or isinstance(alpha, Real | float):
        number: Any = alpha
        return check_alpha(number)  # refuses anything but a number
    if isinstance(alpha, str) and not os.path.lexists(alpha):
        raise OptionError(
            f"alpha must be a number from 0 to {MAX_ALPHA:g}, or a gray picture: "
            f"there is no file {one_line(alpha)!r}"
        )
    if is_file(alpha) or isinstance(alpha, PictureMask):
        return alpha
    if isinstance(alpha, np.ndarray):
        if alpha.ndim == 0:
            return check_alpha(alpha.item())
        if alpha.ndim == 1 or (alpha.ndim == 2 and alpha.dtype.kind in "fb"):
            return check_plane(alpha, "alpha", high=MAX_ALPHA)
    return read_mask(alpha)


def is_file(source: Any) -> bool:
    """Return True for a path or a stream, which is read when a picture is painted.

    Example:
        >>> is_file("sky.png"), is_file(np.eye(2))
        (True, False)
    """
    return isinstance(source, str | os.PathLike) or hasattr(source, "read")


def open_mask(source: Any, files: ExitStack, *, max_pixels: int) -> Any:
    """Read a mask or a map of strength; anything but a file is returned unchanged.

    Args:
        source: returned by :func:`prepare_mask` or :func:`prepare_alpha`.
        files: keeps large files open, which are read in parts repeatedly.
        max_pixels: a larger picture is refused.

    Raises:
        ImageError: if it cannot be read, or is a picture in color without transparency.

    Example:
        >>> with ExitStack() as files:                                           # doctest: +SKIP
        ...     open_mask("sky.png", files, max_pixels=10**9).shape
    """
    if not is_file(source):
        return source
    if isinstance(source, str | os.PathLike):
        picture = files.enter_context(open_picture(source, max_pixels=max_pixels))
        if picture.height * picture.width > _SMALL:
            return PictureMask(picture.source())
    return read_mask(source, max_pixels=max_pixels)


def check_plane(values: NDArray[Any], what: str, *, high: float = 1.0) -> NDArray[np.float32]:
    """Return one number per position, if the values are valid.

    Args:
        values: an (H, W) array of floats in [0, high], or of bool; rounding errors are clipped.
        what: its name in messages.
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
            f"{what} must be a floating-point array (H, W), not {values.shape} {values.dtype}"
        )
    if isinstance(values, np.ma.MaskedArray):
        raise OptionError(f"{what} is a masked array; fill it first, for example with .filled(0)")
    lowest, highest = float(values.min()), float(values.max())
    if found := misfit(values, lowest, highest, white=high):
        raise OptionError(f"the values of {what} must lie in [0, {high:g}], {found}")
    plane: NDArray[np.float32] = values.astype(np.float32, copy=False)
    return plane if 0 <= lowest and highest <= high else plane.clip(0, high)


def bytes_held(mask: Mask) -> tuple[int, int]:
    """Return the bytes that a mask keeps in memory, in total and per row of its own in a window."""
    if isinstance(mask, PictureMask):
        return mask.held, mask.row_bytes
    return mask.nbytes, 0


def fit(plane: Mask, height: int, width: int) -> NDArray[np.float32]:
    """Stretch a mask or a map to a picture's size.

    Args:
        plane: (H, W) in [0, 2], or a picture.
        height: of the picture.
        width: of the picture.

    Returns:
        (height, width) float32 between the smallest and the largest value of ``plane``, which is
        returned unchanged if it has the size.

    Example:
        >>> fit(np.full((4, 4), 1.5, np.float32), 1, 2)
        array([[1.5, 1.5]], dtype=float32)
    """
    if isinstance(plane, PictureMask):
        return PlaneWindows(plane, height, width).window(slice(0, height), slice(0, width))
    if plane.shape == (height, width):
        return plane
    low, high = float(plane.min()), float(plane.max())
    if low == high:
        return np.full((height, width), low, np.float32)
    # Scaling clips the overshoot at edges to [0, 1], so the plane is mapped to that range.
    scaled = resize_plane((plane - np.float32(low)) / np.float32(high - low), height, width)
    return without_rounding(scaled) * np.float32(high - low) + np.float32(low)


# Threshold of a hard mask.
_HALF = 0.5
# Mask values below this are rounding.
_NOTHING = 1e-6


class PlaneSource(Protocol):
    """A mask or a map that is read in parts."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        ...

    @property
    def low(self) -> float:
        """The smallest of its values."""
        ...

    @property
    def high(self) -> float:
        """The largest of its values."""
        ...

    def window(self, rows: slice, columns: slice) -> Plane:
        """Return a part, from pixel to pixel."""
        ...


class ArrayPlane:
    """A mask or a map in an array.

    Example:
        >>> ArrayPlane(np.eye(2, dtype=np.float32)).high
        1.0
    """

    def __init__(self, plane: Plane) -> None:
        self.low, self.high = float(plane.min()), float(plane.max())
        self._plane = plane

    @property
    def shape(self) -> tuple[int, int]:
        """See :class:`PlaneSource`."""
        height, width = self._plane.shape
        return height, width

    def window(self, rows: slice, columns: slice) -> Plane:
        """See :class:`PlaneSource`."""
        return self._plane[rows, columns]


class PlaneWindows:
    """A mask or a map, stretched to a picture a window at a time; see
    :func:`impasto.controls.masks.fit`.

    Args:
        plane: (h, w) in [0, 2].
        height: of the picture.
        width: of the picture.

    Example:
        >>> mask = PlaneWindows(np.eye(4, dtype=np.float32), 400, 400)
        >>> mask.window(slice(0, 10), slice(0, 10)).min() > 0.9
        np.True_
    """

    def __init__(self, plane: Plane | PlaneSource, height: int, width: int) -> None:
        self._plane = ArrayPlane(plane) if isinstance(plane, np.ndarray) else plane
        self._height, self._width = height, width

    @property
    def level(self) -> float | None:
        """The value of a constant mask; else None."""
        return self._plane.low if self._plane.low == self._plane.high else None

    def window(self, rows: slice, columns: slice) -> Plane:
        """Return a part, (h, w), from pixel to pixel of the picture."""
        plane = self._plane
        if self.level is not None:
            size = (rows.stop - rows.start, columns.stop - columns.start)
            return np.full(size, self.level, np.float32)
        if plane.shape == (self._height, self._width):
            return plane.window(rows, columns)
        vertical = Stretch.of(plane.shape[0], self._height, rows)
        horizontal = Stretch.of(plane.shape[1], self._width, columns)
        low, span = np.float32(plane.low), np.float32(plane.high - plane.low)
        part = plane.window(vertical.wanted, horizontal.wanted)
        scaled = stretched((part - low) / span, vertical, horizontal)
        return without_rounding(scaled) * span + low


class HardWindows(PlaneWindows):
    """A mask scaled to the nearest pixel, 1 where it is half or more and else 0.

    As the authors' code scales masks to its features (``image.scale`` of Torch, ``simple``), except
    for values between 0 and 1, which it assigns to neither region.

    Args: those of :class:`PlaneWindows`.

    Example:
        >>> mask = HardWindows(np.array([[0.4, 0.5]], np.float32), 1, 4)
        >>> mask.window(slice(0, 1), slice(0, 4))
        array([[0., 0., 1., 1.]], dtype=float32)
    """

    @property
    def level(self) -> float | None:
        """See :class:`PlaneWindows`."""
        level = super().level
        return None if level is None else float(level >= _HALF)

    def window(self, rows: slice, columns: slice) -> Plane:
        """See :class:`PlaneWindows`."""
        plane = self._plane
        down, across = (
            np.arange(cut.start, cut.stop) * given // wanted
            for cut, given, wanted in zip(
                (rows, columns), plane.shape, (self._height, self._width), strict=True
            )
        )
        part = plane.window(*(slice(int(each[0]), int(each[-1]) + 1) for each in (down, across)))
        hard: Plane = (part >= _HALF).astype(np.float32)
        return hard[np.ix_(down - down[0], across - across[0])]


def without_rounding(scaled: Plane) -> Plane:
    """Clip a plane to [0, 1] after scaling, and set values that are only rounding to 0.

    Where styles of weight 0 cover a position, any mask above 0 takes all of it: the last digit of a
    sum that is 0 in theory must not decide that.

    Example:
        >>> without_rounding(np.array([-0.1, 1e-17, 0.5, 1.1], np.float32))
        array([0. , 0. , 0.5, 1. ], dtype=float32)
    """
    return np.where(scaled < _NOTHING, np.float32(0), np.minimum(scaled, np.float32(1)))


def _gray(image: NDArray[np.float32]) -> NDArray[np.float32]:
    gray: NDArray[np.float32] = image.mean(axis=2, dtype=np.float32)
    return gray


def _widened(limits: tuple[float, float], values: NDArray[np.float32]) -> tuple[float, float]:
    return min(limits[0], float(values.min())), max(limits[1], float(values.max()))
