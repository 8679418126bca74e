"""Clips whose motion is known exactly, made of the example photographs.

The motion is the way back: what is at ``(x, y)`` of a frame was at ``(x, y) + flow`` in the frame
before, as in :mod:`impasto.video.steady.motion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"


@dataclass(frozen=True, eq=False)
class Clip:
    """Frames and where everything in them came from.

    Attributes:
        frames: each (H, W, 3) uint8.
        flows: for each frame (H, W, 2), to the frame before; zeros for the first.
        hidden: for each frame (H, W): what was not seen in the frame before, or is near it.
    """

    frames: list[NDArray[np.uint8]]
    flows: list[NDArray[np.float32]]
    hidden: list[NDArray[np.bool_]]

    def floats(self) -> list[NDArray[np.float32]]:
        """The frames in [0, 1]."""
        return [(frame / 255).astype(np.float32) for frame in self.frames]


@dataclass(frozen=True)
class Size:
    """Height, width and number of frames."""

    height: int = 360
    width: int = 640
    count: int = 32


@cache
def photograph(name: str, height: int, width: int, room: float) -> Image.Image:
    """A photograph that is ``room`` times as large as a frame, or larger on one axis."""
    image = Image.open(PHOTOS / f"{name}.jpg").convert("RGB")
    scale = max(height * room / image.height, width * room / image.width)
    size = (round(image.width * scale), round(image.height * scale))
    return image.resize(size, Image.Resampling.LANCZOS)


def window(
    image: Image.Image, size: Size, x: float, y: float, step: float = 1.0
) -> NDArray[np.float32]:
    """A frame out of a picture: its corner at (x, y), its pixels ``step`` apart; levels of 255.

    By `resize`: `transform` interpolates by a cubic that moves a slope by up to 0.1 pixels.
    """
    box = (x, y, x + step * size.width, y + step * size.height)
    part = image.resize((size.width, size.height), Image.Resampling.LANCZOS, box=box)
    return np.asarray(part, np.float32)


PAN = (2.37, 0.61)
"""The motion of the camera, in pixels a frame."""


def pan_photograph(size: Size, dx: float = PAN[0], dy: float = PAN[1]) -> Image.Image:
    """The photograph that a camera moves over: as large as its way needs, at least 1.5 frames."""
    room = max(
        1.5,
        1 + (dx * size.count + 2) / size.width,
        1 + (dy * size.count + 2) / size.height,
    )
    return photograph("coffee", size.height, size.width, room)


def pan(size: Size, *, dx: float = PAN[0], dy: float = PAN[1]) -> Clip:
    """The camera moves over a photograph by (dx, dy) pixels a frame, none of them negative."""
    image = pan_photograph(size, dx, dy)
    frames = [_levels(window(image, size, t * dx, t * dy)) for t in range(size.count)]
    flow = np.broadcast_to(np.array([dx, dy], np.float32), (size.height, size.width, 2))
    return Clip(frames, [flow] * size.count, [_nowhere(size)] * size.count)


def object_on_pan(size: Size, *, dx: float = 1.3, dy: float = 0.4, noise: float = 1.0) -> Clip:
    """A disk moves by 8 pixels a frame to the right, before a pan with a little noise."""
    rng = np.random.default_rng(0)
    side = size.height * 4 // 9
    image = photograph("coffee", size.height, size.width, 1.5)
    other = photograph("astronaut", side, side, 1.0)
    disk_colors = np.asarray(other.crop((0, 0, side, side)), np.float32)
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    disk = x * x + y * y < (side * 0.47) ** 2
    top, grid = (size.height - side) // 2, np.mgrid[: size.height, : size.width]
    frames, flows, hidden = [], [], []
    before = _nowhere(size)
    for t in range(size.count):
        colors = window(image, size, t * dx, t * dy)
        left = size.width // 16 + 8 * t
        seen = max(0, min(side, size.width - left))
        mask = _nowhere(size)
        mask[top : top + side, left : left + seen] = disk[:, :seen]
        colors[mask] = disk_colors[:, :seen][disk[:, :seen]]
        colors += rng.normal(0, noise, colors.shape)
        flow = np.zeros((size.height, size.width, 2), np.float32)
        flow[...] = (dx, dy)
        flow[mask] = (-8, 0)
        from_y = np.clip(np.rint(grid[0] + flow[..., 1]).astype(int), 0, size.height - 1)
        from_x = np.clip(np.rint(grid[1] + flow[..., 0]).astype(int), 0, size.width - 1)
        changed = before[from_y, from_x] != mask
        hidden.append(_widened(changed, 3) if t else _nowhere(size))
        frames.append(_levels(colors))
        flows.append(flow)
        before = mask
    return Clip(frames, flows, hidden)


def static(size: Size, *, noise: float = 3.0, light: float = 0.0) -> Clip:
    """A camera that stands still; noise, and light that comes and goes by a share ``light``."""
    rng = np.random.default_rng(1)
    colors = window(photograph("chelsea", size.height, size.width, 1.0), size, 0, 0)
    frames = [
        _levels(colors * (1 + light * np.sin(0.9 * t)) + rng.normal(0, noise, colors.shape))
        for t in range(size.count)
    ]
    return Clip(frames, [_still(size)] * size.count, [_nowhere(size)] * size.count)


def zoom(size: Size) -> Clip:
    """The camera comes nearer, off the middle."""
    image = photograph("rocket", size.height, size.width, 1.3)
    unit = size.width / 640
    y, x = np.mgrid[: size.height, : size.width].astype(np.float32) + np.float32(0.5)
    frames, flows = [], []
    before = None
    for t in range(size.count):
        step, left, top = 1 - 0.004 * t, unit * (60 + 0.9 * t), unit * (40 + 0.5 * t)
        frames.append(_levels(window(image, size, left, top, step)))
        flow = _still(size).copy()
        if before is not None:
            # Pillow looks up the middles of pixels.
            old_step, old_left, old_top = before
            flow[..., 0] = (step * x + left - old_left) / old_step - x
            flow[..., 1] = (step * y + top - old_top) / old_step - y
        flows.append(flow)
        before = (step, left, top)
    return Clip(frames, flows, [_nowhere(size)] * size.count)


def entering(size: Size) -> Clip:
    """Something dark comes in from the left before a still picture, till it covers 0.45 of it.

    What it is or will be, and 100 of 640 pixels beside it, is hidden.
    """
    still = window(photograph("chelsea", size.height, size.width, 1.0), size, 0, 0)
    dark = window(photograph("rocket", size.height, size.width, 1.0), size, 0, 0) * 0.6
    frames, hidden = [], []
    for t in range(size.count):
        edge = int(np.clip((t - 6) * 28 * size.width / 640, 0, 0.45 * size.width))
        colors = still.copy()
        colors[:, :edge] = dark[:, :edge]
        mask = _nowhere(size)
        mask[:, : edge + size.width * 100 // 640] = True
        frames.append(_levels(colors))
        hidden.append(mask)
    return Clip(frames, [_still(size)] * size.count, hidden)


def cut(size: Size) -> tuple[Clip, int]:
    """A pan, and another picture from the middle on; the clip and the first frame of that."""
    first = pan(size)
    middle = size.count // 2
    second = zoom(size)
    frames = first.frames[:middle] + second.frames[middle:]
    return Clip(frames, first.flows[:middle] + second.flows[middle:], first.hidden), middle


CLIPS: dict[str, Callable[[Size], Clip]] = {
    "pan": pan,
    "slow pan": lambda size: pan(size, dx=0.15, dy=0.05),
    "object": object_on_pan,
    "static + noise": static,
    "static + exposure": lambda size: static(size, noise=1.5, light=0.06),
    "zoom": zoom,
    "entering": entering,
}
"""The clips that steadiness is measured on."""


def _levels(colors: NDArray[Any]) -> NDArray[np.uint8]:
    return np.clip(np.rint(colors), 0, 255).astype(np.uint8)


def _still(size: Size) -> NDArray[np.float32]:
    return np.zeros((size.height, size.width, 2), np.float32)


def _nowhere(size: Size) -> NDArray[np.bool_]:
    return np.zeros((size.height, size.width), bool)


def _widened(mask: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    image = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(image.filter(ImageFilter.MaxFilter(2 * by + 1))) > 0
