"""A film as a stream of frames: the values that pass from reading through painting to writing.

Whatever a film is stored in (a container, an animated picture, a folder of pictures, a pipe),
reading it yields :class:`Frame` after :class:`Frame`, upright and in sRGB; see :class:`Film`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGE", "Damage", "Film", "FilmInfo", "Frame", "Pixels"]

LARGE = 4_000_000
"""Pixels of a frame above which memory counts more than time, as in 4K."""

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.float32]
"""Whole numbers of 8 or 16 bits, white is 255 or 65535; from programs also floats in [0, 1]."""


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a film.

    Attributes:
        image: (H, W, 3), upright, sRGB.
        time: seconds from the film's beginning at which it appears, exact.
        opacity: (H, W), of the same kind as the image, or None.
        seconds: how long it is shown; None: until the next one.
    """

    image: Pixels
    time: Fraction
    opacity: Pixels | None = None
    seconds: Fraction | None = None


@dataclass(frozen=True)
class Damage:
    """A part of a film that cannot be decoded; the film continues after it.

    Attributes:
        time: time of the last frame before it, in seconds; None at the beginning.
        reason: one line.
    """

    time: Fraction | None
    reason: str


@dataclass(frozen=True)
class FilmInfo:
    """The facts about a film that are known before it is decoded.

    Attributes:
        name: name of the file, for messages.
        height: height of its frames, upright, in pixels.
        width: width of its frames.
        rate: mean number of frames in a second.
        seconds: its length; None if it is not stated.
        frames: approximate number of frames; None if it is not stated.
        aspect: width of a pixel over its height, of upright frames.
        alpha: whether its frames have an opacity.
        deep: whether its frames have 16 bits.
        tick: the unit of its times, in seconds: every time is a whole multiple of it.
        remarks: what is changed or lost in reading, one line each.
        plays: how often an animated picture is shown, 0: endlessly; None for other films.
    """

    name: str
    height: int
    width: int
    rate: Fraction
    seconds: float | None = None
    frames: int | None = None
    aspect: Fraction = Fraction(1)
    alpha: bool = False
    deep: bool = False
    tick: Fraction = Fraction(1, 90000)
    remarks: tuple[str, ...] = ()
    plays: int | None = None


class Film(Protocol):
    """A film that is open for reading."""

    @property
    def info(self) -> FilmInfo:
        """The facts about it."""
        ...

    def frames(
        self, start: Fraction = Fraction(0), end: Fraction | None = None
    ) -> Iterator[Frame | Damage]:
        """Decode the frames that appear at ``start`` or later and before ``end``, in seconds.

        May be called again, from another start, unless the film comes from a pipe.
        """
        ...

    def close(self) -> None:
        """Close the file."""
        ...

    def __enter__(self) -> Any: ...

    def __exit__(self, *error: object) -> None: ...
