"""Steadiness: frames prepared before a model sees them, and blended after it has painted them.

Painted frame by frame, a film flickers for two reasons. Noise of the picture becomes strokes that
change with every frame; and the model works on a lattice of its strides (8 pixels), which stays
fixed while the picture moves, so that a moving object is painted anew at every position. (The
statistics are not a cause: smoothing them over time makes changes of the light flicker more.)

``light``, before painting: what does not move is averaged over time, each pixel as long as it keeps
its color; and the picture is padded so that the lattice moves with the dominant motion
(:func:`padded`). After painting: while the camera stands still, what does not change is averaged
over time as well, so that a large object that enters does not repaint the rest at once.

``strong``: what moves is blended with the previous painting, warped along the motion of each pixel.

A cut resets everything. Where the picture changes other than by motion, nothing is blended, to
avoid ghosts.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.errors import OptionError
from impasto.video.options import LEVELS
from impasto.video.pyav import library
from impasto.video.steady.motion import (
    Floats,
    block_flow,
    dominant_motion,
    enlarge,
    gray,
    is_cut,
    match_blocks,
    origins,
    reduction,
    shrink,
    warp,
)

__all__ = ["Prepared", "State", "SteadyInput", "SteadyOutput", "cropped", "padded"]

State: TypeAlias = dict[str, NDArray[Any]]

_CELL = 2
"""Side, in pixels of the small copy, of the cells that are tested for change."""

_CHANGED = 6.0
"""A change of a cell, in levels of 255, from which on it is not averaged with the previous one."""

_NEAR = 2
"""Number of cells around a changed one in which paintings are not averaged either."""

_INPUT_SHARE = 0.8
"""The share of the previous frames in the input, where nothing changes."""

_LONGEST = 9.0
"""The mean age, in frames, of what is averaged in the result where nothing changes or moves."""

_BLUR = 0.15
"""The distance, in pixels, that a slow camera may move within that age."""

_QUICK = 0.5
"""A motion of the camera, in pixels a frame, from which on only `strong` averages paintings."""

_LAG = 0.1
"""The change of the strengths of styles that may pass within that age."""

_MOVING_SHARE = 0.5
"""The share of previous paintings in the result where something moves: more would blur it."""

_STILL = 0.05
"""A motion of the camera, in pixels, that counts as none."""

_COMMON = 0.4
"""The part of all motion that must be shared for the lattice to follow it; in a zoom or a turn, the
painting changes less if the lattice stays."""

_SLOW = 0.35
"""A motion along an axis, in pixels a frame, up to which the lattice does not follow it: it moves
by whole pixels, and such occasional steps would be more visible than slow change."""

_PACE_SHARE = 0.9
"""The share of previous frames in the mean motion along an axis, which decides that."""

_GRIP = 0.65
"""The distance, in pixels, that the picture may move off the lattice before that follows; more than
a half, so that it does not jump back and forth."""


_STRIP = 128
"""Number of rows that are averaged at once."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A frame prepared for the model, and what is needed after painting.

    Attributes:
        image: (H, W, 3) in [0, 1]; denoised in time.
        offset: rows and columns, each in [0, multiple): the position of the model's lattice.
        cut: whether a new shot begins, as with the first frame; never with the level ``off``.
        share: share of previous paintings in the result for each cell of a reduced picture, 0 to 1;
            None: no share.
        flow: (h, w, 2), the way back to where what is painted came from, in pixels of a reduced
            picture; None: it does not move.
    """

    image: Floats
    offset: tuple[int, int] = (0, 0)
    cut: bool = False
    share: Floats | None = None
    flow: Floats | None = None


class SteadyInput:
    """The stage before painting. It takes the frames of a film one after the other.

    Args:
        level: one of :data:`LEVELS`.
        multiple: spacing of the model's lattice, in pixels; 1 if it has none.

    Raises:
        OptionError: if there is no such level.
        VideoError: if PyAV is not installed, unless the level is ``off``.

    Attributes:
        multiple: by which to pad frames (:func:`padded`); 1, which pads nothing, if the level is
            ``off``.
    """

    def __init__(self, level: str, multiple: int) -> None:
        _check(level)
        if level != "off":
            library()
        self._level = level
        self.multiple = 1 if level == "off" else multiple
        self._last: _Seen | None = None
        self._restart()

    def __call__(self, image: Floats) -> Prepared:
        """Prepare a frame.

        Args:
            image: (H, W, 3) in [0, 1]; it may be kept, so it must not be changed afterwards.
        """
        if self._level == "off":
            return Prepared(image)
        seen, last = _Seen.of(image), self._last
        if last is None or last.image.shape != image.shape:
            return self._begin(seen)
        gains = _gains(seen.cells, last.cells)
        before = gray(last.small * gains)
        vectors = match_blocks(seen.look, before)
        if is_cut(seen.look, before, vectors):
            return self._begin(seen)
        shift = dominant_motion(seen.look, before, vectors)
        if shift.common > _COMMON:
            self._follow(np.array([shift.y, shift.x]) * seen.factor)
        pace = shift.speed * seen.factor
        age = _BLUR / max(pace, _BLUR / _LONGEST)
        slow_share = np.float32(age / (1 + age) if pace < _QUICK else 0)
        kept = _unchanged(seen, last, before, gains)
        self._last = denoised = _averaged(seen, last, gains, kept)
        share, flow = None, None
        if self._level == "strong":
            flow = block_flow(seen.look, before, vectors)
            if pace < _STILL:
                flow[np.abs(flow).max(axis=-1) * seen.factor < 2 * _STILL] = 0
            share = _found_again(seen.look, before, flow) * np.float32(_MOVING_SHARE)
            still = _cells(np.abs(flow).max(axis=-1)) * seen.factor < 2 * _BLUR
            share = np.maximum(share, _narrowed(kept) * still * slow_share)
        elif slow_share:
            share = _narrowed(kept) * slow_share
        return Prepared(denoised.image, self._lattice(), share=share, flow=flow)

    def state(self) -> State:
        """Return all that the next frame depends on, for :meth:`restore`."""
        if self._last is None:
            return {}
        return {
            "image": self._last.image,
            "small": self._last.small,
            "position": self._position,
            "pace": self._pace,
            "lattice": self._corner,
        }

    def restore(self, state: State) -> None:
        """Continue, bit for bit, where another stage of the same level was."""
        self._last = None
        self._restart()
        if state:
            self._last = _Seen(state["image"], state["small"])
            self._position, self._pace = state["position"], state["pace"]
            self._corner = state["lattice"]

    def _begin(self, seen: _Seen) -> Prepared:
        self._last = seen
        self._restart()
        return Prepared(seen.image, cut=True)

    def _restart(self) -> None:
        """Reset the lattice at the start of a shot, for an axis each: rows, columns."""
        self._position, self._corner = np.zeros(2), np.zeros(2, np.int64)
        self._pace = np.full(2, np.nan)

    def _follow(self, way: NDArray[np.float64]) -> None:
        """Let the lattice follow the picture, in whole pixels."""
        before = np.abs(way) if np.isnan(self._pace).any() else self._pace
        self._pace = _PACE_SHARE * before + (1 - _PACE_SHARE) * np.abs(way)
        position = self._position + way
        off = np.abs(position - self._corner) > _GRIP
        follows = self._pace >= _SLOW
        self._corner = np.where(off & follows, np.rint(position).astype(np.int64), self._corner)
        # A lattice that stands lets go.
        kept = np.clip(position, self._corner - _GRIP, self._corner + _GRIP)
        self._position = np.where(follows, position, kept)

    def _lattice(self) -> tuple[int, int]:
        rows, columns = (self._corner % self.multiple).tolist()
        return rows, columns


class SteadyOutput:
    """The stage after painting. It takes the paintings of a film one after the other.

    Args:
        level: level of the stage before painting.

    Raises:
        OptionError: if there is no such level.
    """

    def __init__(self, level: str) -> None:
        _check(level)
        self._keeps = level != "off"
        self._last: Floats | None = None

    def __call__(self, prepared: Prepared, painted: Floats, change: float | Floats = 0.0) -> Floats:
        """Blend a painting with those before it.

        Args:
            prepared: the frame that it was painted from.
            painted: (H, W, 3) in [0, 1], of the same size; it may be kept.
            change: how much the strengths of styles differ from those of the previous frame; from
                1 on nothing is blended. A number, or a map of the shape of ``prepared.share``.

        Returns:
            The painting, unchanged where there is nothing to blend it with.
        """
        last, share = self._last, prepared.share
        result = painted
        if share is not None and np.any(change):
            # A changing look must not lag where nothing moves.
            age = _LAG * (1 - np.minimum(change, 1)) / np.maximum(change, 1e-6)
            share = np.minimum(share, (age / (1 + age)).astype(np.float32))
        if last is not None and last.shape == painted.shape and share is not None and share.any():
            height, width = painted.shape[:2]
            factor = reduction(height, width)
            if prepared.flow is not None:
                axes = [enlarge(prepared.flow[..., k], height, width, factor) for k in range(2)]
                last = warp(last, np.stack(axes, axis=-1) * np.float32(factor))
            result = _mixed(painted, last, share, factor * _CELL)
        if self._keeps:
            self._last = result
        return result

    def state(self) -> State:
        """Return all that the next frame depends on, for :meth:`restore`."""
        return {} if self._last is None else {"painted": self._last}

    def restore(self, state: State) -> None:
        """Continue, bit for bit, where another stage of the same level was."""
        self._last = state.get("painted")


def padded(image: Floats, offset: tuple[int, int], multiple: int) -> Floats:
    """Put a reflected border around a picture, which moves the lattice of the model.

    Args:
        image: (H, W, ...).
        offset: rows above and columns to the left.
        multiple: rows above and below together, and columns; 1 adds nothing.

    Returns:
        (H + multiple, W + multiple, ...), whatever the offset.

    Example:
        >>> padded(np.zeros((90, 160, 3), np.float32), (3, 0), 8).shape
        (98, 168, 3)
    """
    if multiple == 1:
        return image
    sides = [(before, multiple - before) for before in offset]
    return np.pad(image, sides + [(0, 0)] * (image.ndim - 2), mode="reflect")


def cropped(painted: Floats, offset: tuple[int, int], size: tuple[int, int]) -> Floats:
    """Cut off the border that :func:`padded` has added.

    Args:
        painted: (H + multiple, W + multiple, ...).
        offset: as given to it.
        size: H and W.
    """
    top, left = offset
    return painted[top : top + size[0], left : left + size[1]]


@dataclass(frozen=True, eq=False)
class _Seen:
    """A frame and its reduced copies.

    Attributes:
        image: (H, W, 3) in [0, 1].
        small: (h, w, 3), reduced by ``factor``.
    """

    image: Floats
    small: Floats

    @classmethod
    def of(cls, image: Floats) -> _Seen:
        return cls(image, shrink(image, reduction(*image.shape[:2])))

    @property
    def factor(self) -> int:
        return reduction(*self.image.shape[:2])

    @cached_property
    def look(self) -> Floats:
        """(h, w), brightness in levels of 255."""
        return gray(self.small)

    @cached_property
    def cells(self) -> Floats:
        """(h // 2, w // 2, 3) in [0, 1]."""
        return shrink(self.small, _CELL)


def _check(level: str) -> None:
    if level not in LEVELS:
        raise OptionError(f"steady must be one of {', '.join(LEVELS)}, not {level!r}")


def _gains(now: Floats, before: Floats) -> Floats:
    """The factor by which each color is brighter than before, due to the light or the camera.

    Only if that explains a good part of the change; 1 for each color otherwise. A quarter of the
    cells is enough for that.
    """
    now, before = now[::2, ::2], before[::2, ::2]
    inside = (before > 0.05) & (before < 0.95) & (now < 0.98)
    gains = np.ones(3, np.float32)
    for c in range(3):
        of, to = before[..., c][inside[..., c]], now[..., c][inside[..., c]]
        if of.size < 16:
            continue
        gain = float(np.median(to / of))
        if abs(gain - 1) < 0.004 or not 0.5 < gain < 2:
            continue
        change, rest = np.median(np.abs(to - of)), np.median(np.abs(to - of * gain))
        if rest < 0.7 * change:
            gains[c] = gain
    return gains


def _unchanged(seen: _Seen, last: _Seen, before: Floats, gains: Floats) -> Floats:
    """For each cell, 1 where it is unchanged, down to 0 where something has changed.

    ``before`` is the brightness of the previous frame, corrected for a change of the light.

    A cell has changed if its colors have, and also if its pixels have by more than the noise: a
    fine pattern that moves keeps its mean colors. The noise is that of the quietest fifth of the
    picture.
    """
    colors = np.abs(_smooth(seen.cells - last.cells * gains)).max(axis=-1) * np.float32(255)
    rough = _cells(np.abs(seen.look - before))
    noise = min(float(np.partition(rough, rough.size // 5, axis=None)[rough.size // 5]), 6.0)
    excess = _smooth(np.maximum(rough - np.float32(2 * noise + 1), 0))
    return np.asarray(np.clip(1 - (colors + excess) / np.float32(_CHANGED), 0, 1), np.float32)


def _narrowed(kept: Floats) -> Floats:
    """The minimum over the cells around each: a painting depends on what is near."""
    for axis in range(2):
        padded_cells = np.pad(
            kept, [(_NEAR, _NEAR) if k == axis else (0, 0) for k in range(2)], mode="edge"
        )
        views = np.lib.stride_tricks.sliding_window_view(padded_cells, 2 * _NEAR + 1, axis=axis)
        kept = views.min(axis=-1)
    return kept


def _found_again(now: Floats, before: Floats, flow: Floats) -> Floats:
    """For each cell, 1 where a frame matches the previous one, moved; down to 0."""
    height, width = now.shape
    rest = np.abs(warp(before, flow, cubic=False) - now)
    x, y = origins(flow)
    rest[(x < 0) | (x > width - 1) | (y < 0) | (y > height - 1)] = 255
    return np.asarray(np.clip(1.5 - _smooth(_cells(rest)) / 10, 0, 1), np.float32)


def _averaged(seen: _Seen, last: _Seen, gains: Floats, kept: Floats) -> _Seen:
    """A frame with its noise averaged over time where nothing has changed."""
    if not kept.any():
        return seen
    share = kept * np.float32(_INPUT_SHARE)
    image = _mixed(seen.image, last.image, share, seen.factor * _CELL, gains)
    return _Seen(image, _mixed(seen.small, last.small, share, _CELL, gains))


def _mixed(
    image: Floats, other: Floats, share: Floats, factor: int, gains: Floats | None = None
) -> Floats:
    """``image * (1 - share) + other * gains * share``, in strips: frames may be large.

    Args:
        image: (H, W, 3).
        other: the same.
        share: for each cell of ``factor`` pixels.
        factor: the side of cells.
        gains: for each color; None for 1.
    """
    if gains is not None and (gains == 1).all():
        gains = None
    height, width = image.shape[:2]
    mixed = np.empty_like(image)
    for top in range(0, height, _STRIP):
        rows = slice(top, min(top + _STRIP, height))
        part = mixed[rows]
        before = other[rows] if gains is None else other[rows] * gains
        np.subtract(before, image[rows], out=part)
        shares = enlarge(share, height, width, factor, part=rows)
        for c in range(3):  # faster than by broadcasting
            part[..., c] *= shares
        part += image[rows]
    return mixed


def _cells(plane: Floats) -> Floats:
    return shrink(plane, _CELL)


def _smooth(cells: Floats) -> Floats:
    """Means of 3 x 3 cells."""
    sides = [(1, 1), (1, 1)] + [(0, 0)] * (cells.ndim - 2)
    around = np.pad(cells, sides, mode="edge")
    rows = around[:-2] + around[1:-1] + around[2:]
    return np.asarray((rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9, np.float32)
