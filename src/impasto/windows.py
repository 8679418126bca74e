"""Pictures that one takes windows of, so that only a part of them is there as floats at a time.

A :class:`Source` gives any part of a picture. What it is kept in is its own business: an array, a
Pillow image of one byte a channel, or a file that is read in strips.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.deep import Deep
from impasto.pixels import deep_planes, is_deep, planes

Plane: TypeAlias = NDArray[np.float32]
Window: TypeAlias = tuple[NDArray[np.float32], Plane | None]
"""A part of a picture: its colors (h, w, 3), sRGB in [0, 1], and its opacity (h, w) or None."""

# How far Lanczos looks, in pixels of the larger of both scales.
_SUPPORT = 3
_BLOCK = 1 << 15
# Less of a mask than this is rounding.
_NOTHING = 1e-6


class Source(Protocol):
    """A picture by its parts."""

    @property
    def height(self) -> int:
        """In pixels."""
        ...

    @property
    def width(self) -> int:
        """In pixels."""
        ...

    @property
    def held(self) -> int:
        """Bytes that it keeps in memory as a whole."""
        ...

    @property
    def row_bytes(self) -> int:
        """Bytes that it keeps for every row of the windows last asked for."""
        ...

    @property
    def name(self) -> str:
        """What to call it in a message."""
        ...

    @property
    def depth(self) -> int:
        """Bits a channel that a file of the result deserves, 8 or 16."""
        ...

    def window(self, rows: slice, columns: slice) -> Window:
        """A part of the picture, from pixel to pixel; fastest row by row from the top."""
        ...


@dataclass(frozen=True, eq=False)
class ArraySource:
    """A picture that is an array.

    Example:
        >>> source = ArraySource(np.zeros((4, 6, 3), np.float32), None)
        >>> source.window(slice(0, 2), slice(1, 6))[0].shape
        (2, 5, 3)
    """

    image: NDArray[np.float32]
    opacity: Plane | None
    name: str = "the image"
    held: int = 0
    row_bytes: int = 0
    depth: int = 8

    @property
    def height(self) -> int:
        return len(self.image)

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`Source.window`."""
        opacity = None if self.opacity is None else self.opacity[rows, columns]
        return self.image[rows, columns].astype(np.float32, copy=False), opacity


@dataclass(frozen=True, eq=False)
class PillowSource:
    """A picture that is a Pillow image, upright, one byte a channel or as deep as it came.

    Example:
        >>> source = PillowSource(Image.new("L", (6, 4), 255), "a white one")
        >>> source.window(slice(0, 1), slice(0, 1))[0].ravel()
        array([1., 1., 1.], dtype=float32)
    """

    picture: Image.Image
    name: str
    row_bytes: int = 0

    @property
    def height(self) -> int:
        return self.picture.height

    @property
    def width(self) -> int:
        return self.picture.width

    @property
    def held(self) -> int:
        return self.height * self.width * stored_bytes(self.picture.mode)

    @property
    def depth(self) -> int:
        return 16 if is_deep(self.picture) else 8

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`Source.window`."""
        box = (columns.start, rows.start, columns.stop, rows.stop)
        return planes(self.picture.crop(box), name=self.name)


@dataclass(frozen=True, eq=False)
class DeepSource:
    """A picture of more than 8 bits a channel, kept as it was stored; not turned.

    Example:
        >>> deep = Deep(np.full((4, 6, 3), 65535, np.uint16))
        >>> source = DeepSource(Image.new("L", (6, 4)), deep, "a white one")
        >>> source.window(slice(0, 1), slice(0, 1))[0].ravel()
        array([1., 1., 1.], dtype=float32)
    """

    picture: Image.Image
    """Whose metadata hold for the pixels."""
    deep: Deep
    name: str
    row_bytes: int = 0
    depth: int = 16

    @property
    def height(self) -> int:
        return len(self.deep.values)

    @property
    def width(self) -> int:
        return int(self.deep.values.shape[1])

    @property
    def held(self) -> int:
        alpha = 0 if self.deep.alpha is None else self.deep.alpha.nbytes
        return self.deep.values.nbytes + alpha

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`Source.window`."""
        alpha = None if self.deep.alpha is None else self.deep.alpha[rows, columns]
        cut = replace(self.deep, values=self.deep.values[rows, columns], alpha=alpha)
        image, opacity, _ = deep_planes(self.picture, cut, name=self.name)
        return image, opacity


class ScaledSource:
    """A picture of another size than it is kept in; see :func:`impasto.resizing.resize`.

    Args:
        source: the picture.
        height: wanted, in pixels.
        width: wanted.
        fill: (3,) the color to give to what is transparent, so that it does not bleed into what
            can be seen; None to leave it.

    Example:
        >>> source = ScaledSource(ArraySource(np.ones((40, 20, 3), np.float32), None), 20, 10, None)
        >>> source.window(slice(0, 20), slice(2, 5))[0].shape
        (20, 3, 3)
    """

    def __init__(
        self, source: Source, height: int, width: int, fill: NDArray[np.float64] | None
    ) -> None:
        self.height, self.width, self.name = height, width, source.name
        self.held, self.depth = source.held, source.depth
        self.row_bytes = math.ceil(source.row_bytes * source.height / height)
        self._source, self._fill = source, fill

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`Source.window`."""
        vertical = _Stretch.of(self._source.height, self.height, rows)
        horizontal = _Stretch.of(self._source.width, self.width, columns)
        image, opacity = self._source.window(vertical.wanted, horizontal.wanted)
        if opacity is not None and self._fill is not None:
            image = np.where(opacity[..., None] <= 0, self._fill.astype(np.float32), image)
        channels = [_stretched(image[..., k], vertical, horizontal) for k in range(3)]
        scaled = np.clip(np.stack(channels, axis=-1), 0, 1)
        if opacity is not None:
            opacity = np.clip(_stretched(opacity, vertical, horizontal), 0, 1)
        return scaled, opacity


class PlaneSource(Protocol):
    """A mask or a map by its parts."""

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
        """The largest of them."""
        ...

    def window(self, rows: slice, columns: slice) -> Plane:
        """A part of it, from pixel to pixel."""
        ...


class ArrayPlane:
    """A mask or a map that is an array.

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
    """A mask or a map, stretched to a picture a window at a time; see :func:`impasto.masks.fit`.

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
        """What it says everywhere, if it says the same everywhere."""
        return self._plane.low if self._plane.low == self._plane.high else None

    def window(self, rows: slice, columns: slice) -> Plane:
        """(h, w), a part of it from pixel to pixel of the picture."""
        plane = self._plane
        if self.level is not None:
            size = (rows.stop - rows.start, columns.stop - columns.start)
            return np.full(size, self.level, np.float32)
        if plane.shape == (self._height, self._width):
            return plane.window(rows, columns)
        vertical = _Stretch.of(plane.shape[0], self._height, rows)
        horizontal = _Stretch.of(plane.shape[1], self._width, columns)
        low, span = np.float32(plane.low), np.float32(plane.high - plane.low)
        part = plane.window(vertical.wanted, horizontal.wanted)
        scaled = _stretched((part - low) / span, vertical, horizontal)
        return settled(scaled) * span + low


def settled(scaled: Plane) -> Plane:
    """A plane after scaling within [0, 1], and 0 where nothing but rounding is left.

    Where styles of weight 0 cover a place, any mask above 0 takes all of it: the last digit of a
    sum that is 0 in theory must not decide that.

    Example:
        >>> settled(np.array([-0.1, 1e-17, 0.5, 1.1], np.float32))
        array([0. , 0. , 0.5, 1. ], dtype=float32)
    """
    return np.where(scaled < _NOTHING, np.float32(0), np.minimum(scaled, np.float32(1)))


def stored_bytes(mode: str) -> int:
    """Bytes a pixel in Pillow's memory."""
    return {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}.get(mode, 4)


def reflected(cut: slice, margin: int, length: int) -> NDArray[np.intp]:
    """Where the pixels of a part of a padded picture come from, along one axis.

    What :func:`impasto.painting.padded` does to all of a picture, as the numbers of its pixels.

    Args:
        cut: from pixel to pixel of the padded picture.
        margin: pixels of padding before the picture.
        length: of the picture, in pixels.

    Example:
        >>> reflected(slice(0, 8), 2, 4)
        array([2, 1, 0, 1, 2, 3, 2, 1])
    """
    period = max(1, 2 * (length - 1))
    places = (np.arange(cut.start, cut.stop) - margin) % period
    return np.minimum(places, period - places) if length > 1 else places * 0


def span_of(places: NDArray[np.intp]) -> slice:
    """The part of a picture in which such pixels lie.

    Example:
        >>> span_of(np.array([2, 1, 0, 1]))
        slice(0, 3, None)
    """
    return slice(int(places.min()), int(places.max()) + 1)


@dataclass(frozen=True, eq=False)
class _Stretch:
    """Scaling along one axis by Lanczos, as Pillow does it, of a part alone.

    Pillow itself takes the edges of a part in single precision, which moves it a little against its
    neighbors. These are its weights in double precision, so a part is what the whole would have
    there (``precompute_coeffs`` in Pillow's Resample.c).

    Attributes:
        wanted: the pixels that have a say.
        first: (n,), for every pixel of the result the first of them that it takes.
        weights: (n, taps), how much of each that follows.
    """

    wanted: slice
    first: NDArray[np.intp]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, kept: int, length: int, cut: slice) -> _Stretch:
        scale = kept / length
        reach = _SUPPORT * max(scale, 1.0)
        centers = (np.arange(cut.start, cut.stop) + 0.5) * scale
        first = np.maximum((centers - reach + 0.5).astype(np.intp), 0)
        last = np.minimum((centers + reach + 0.5).astype(np.intp), kept)
        places = first[:, None] + np.arange(int((last - first).max()))
        at = (places - centers[:, None] + 0.5) / max(scale, 1.0)
        weights = np.sinc(at) * np.sinc(at / _SUPPORT)
        weights[(places >= last[:, None]) | (np.abs(at) > _SUPPORT)] = 0
        weights /= weights.sum(axis=1, keepdims=True)
        wanted = slice(int(first.min()), int(last.max()))
        return cls(wanted, first - wanted.start, weights)

    def apply(self, plane: Plane) -> Plane:
        """The rows of a plane, which are those that are wanted, scaled."""
        result = np.empty((len(self.first), plane.shape[1]), np.float32)
        step = max(1, _BLOCK // plane.shape[1])
        for top in range(0, len(result), step):
            part = slice(top, top + step)
            # As many rows at a time as stay in cache; the last taps of some of them weigh nothing.
            total = np.zeros(result[part].shape)
            for tap, weights in enumerate(self.weights[part].T):
                rows = plane[np.minimum(self.first[part] + tap, len(plane) - 1)]
                total += rows * weights[:, None]
            result[part] = total
        return result


def _stretched(plane: Plane, vertical: _Stretch, horizontal: _Stretch) -> Plane:
    rows = horizontal.apply(np.ascontiguousarray(plane.T)).T
    return vertical.apply(np.ascontiguousarray(rows))
