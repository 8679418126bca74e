"""Pictures read by windows, so that only a part of them is in memory as floats at a time.

A :class:`Source` returns any part of a picture. Its storage is an implementation detail: a Pillow
image of one byte per channel, samples as stored, a file that is read in strips, or floats
(:class:`impasto.images.arrays.Photo`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError
from impasto.images.cicp import ColorSpace
from impasto.images.pixels import (
    DEEP_MODES,
    Deep,
    deep_error,
    deep_planes,
    grey_error,
    planes,
)
from impasto.images.ranges import ValueRange
from impasto.images.resizing import Plane, Stretch, resize_plane, stretched

Window: TypeAlias = tuple[NDArray[np.float32], Plane | None]
"""A part of a picture: its colors (h, w, 3), sRGB in [0, 1], and its opacity (h, w) or None."""


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
        """Bytes that it keeps for every row of the windows last requested."""
        ...

    @property
    def name(self) -> str:
        """The name of the picture, for messages."""
        ...

    @property
    def depth(self) -> int:
        """Bits per channel to write a file of the result with, 8 or 16."""
        ...

    def window(self, rows: slice, columns: slice) -> Window:
        """Return a part of the picture, from pixel to pixel; fastest row by row from the top."""
        ...


@dataclass(frozen=True, eq=False)
class PillowSource:
    """An upright Pillow image as a source, with one byte per channel or at its original depth.

    Example:
        >>> source = PillowSource(Image.new("L", (6, 4), 255), "a white one")
        >>> source.window(slice(0, 1), slice(0, 1))[0].ravel()
        array([1., 1., 1.], dtype=float32)
    """

    picture: Image.Image
    name: str
    space: ColorSpace | None = None
    """Its colors, where they are declared by other means than an ICC profile."""
    row_bytes: int = 0
    value_range: ValueRange | None = None
    """Of floats and integers of 32 bits, if the user gave it."""
    height: int = field(init=False)
    width: int = field(init=False)
    held: int = field(init=False)
    depth: int = field(init=False)

    def __post_init__(self) -> None:
        width, height = self.picture.size
        mode = self.picture.mode
        facts = {
            "height": height,
            "width": width,
            "held": height * width * stored_bytes(mode),
            "depth": 16 if mode in DEEP_MODES else 8,
        }
        for name, value in facts.items():
            object.__setattr__(self, name, value)

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`Source.window`."""
        box = (columns.start, rows.start, columns.stop, rows.stop)
        try:
            return planes(
                self.picture.crop(box),
                name=self.name,
                space=self.space,
                value_range=self.value_range,
            )
        except ImageError as error:  # with the numbers of the whole picture
            raise grey_error(self.picture, name=self.name) or error from None


@dataclass(frozen=True, eq=False)
class DeepSource:
    """An upright picture of more than 8 bits per channel, kept as stored.

    Example:
        >>> deep = Deep(np.full((4, 6, 3), 65535, np.uint16))
        >>> source = DeepSource(Image.new("L", (6, 4)), deep, "a white one")
        >>> source.window(slice(0, 1), slice(0, 1))[0].ravel()
        array([1., 1., 1.], dtype=float32)
    """

    picture: Image.Image
    """The image whose metadata apply to the pixels."""
    deep: Deep
    name: str
    space: ColorSpace | None = None
    """As of :class:`PillowSource`."""
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
        profile = self.picture.info.get("icc_profile")
        try:
            return deep_planes(cut, profile, name=self.name, space=self.space)
        except ImageError as error:  # with the numbers of the whole picture
            raise deep_error([self.deep], name=self.name) or error from None


class ScaledSource:
    """A picture in another size than stored; see :func:`impasto.images.resizing.resize`.

    Args:
        source: the picture.
        height: wanted, in pixels.
        width: wanted.
        fill: (3,) the color for transparent parts, so that they do not bleed into the visible
            part; None to leave them.

    Example:
        >>> white = PillowSource(Image.new("L", (20, 40), 255), "a white one")
        >>> source = ScaledSource(white, 20, 10, None)
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
        vertical = Stretch.of(self._source.height, self.height, rows)
        horizontal = Stretch.of(self._source.width, self.width, columns)
        image, opacity = self._source.window(vertical.wanted, horizontal.wanted)
        if opacity is not None and self._fill is not None:
            image = np.where(opacity[..., None] <= 0, self._fill.astype(np.float32), image)
        whole = rows == slice(0, self.height) and columns == slice(0, self.width)

        def scale(plane: Plane) -> Plane:
            if whole:  # the same up to rounding, and faster
                return resize_plane(plane, self.height, self.width)
            return np.clip(stretched(plane, vertical, horizontal), 0, 1)

        scaled = np.stack([scale(image[..., k]) for k in range(3)], axis=-1)
        return scaled, None if opacity is None else scale(opacity)


def stored_bytes(mode: str) -> int:
    """Return the bytes per pixel in Pillow's memory."""
    return {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2}.get(mode, 4)


@dataclass(frozen=True, eq=False)
class PaintedTile:
    """A finished part of a picture.

    Attributes:
        rows: its place.
        columns: its place.
        image: (h, w, 3) in [0, 1].
        opacity: (h, w) in [0, 1], or None for a picture without alpha.
        seconds: to encode, align and decode it, including preparation.
    """

    rows: slice
    columns: slice
    image: NDArray[np.float32]
    opacity: NDArray[np.float32] | None
    seconds: tuple[float, float, float] = (0.0, 0.0, 0.0)
