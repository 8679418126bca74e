"""The paint box of make_styles.py: noise, washes of color, brushes, splines and light.

Pictures are painted at ``OVER`` times their size and reduced at the end, which smooths Pillow's
lines. Lengths are fractions of the height: the canvas is 1 high and 1.25 wide, y points down.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Field = NDArray[np.float64]
WIDTH, HEIGHT = 640, 512
OVER = 2
W, H = WIDTH * OVER, HEIGHT * OVER
Y, X = np.mgrid[0:H, 0:W] / H


def rgb(*names: str) -> Field:
    """Colors (n, 3) in [0, 1] from hexadecimal names."""
    return np.array([[int(n[i : i + 2], 16) for i in (0, 2, 4)] for n in names]) / 255.0


def ramp(t: Field, *names: str) -> Field:
    """Color at ``t`` in [0, 1] along a row of colors."""
    colors = rgb(*names)
    stops = np.linspace(0, 1, len(colors))
    return np.stack([np.interp(t, stops, colors[:, c]) for c in range(3)], axis=-1)


def clouds(rng: np.random.Generator, size: float, *, octaves: int = 4, stretch: float = 1) -> Field:
    """Smooth noise of mean 0 and standard deviation 1; ``size`` is the coarsest grain."""
    total = np.zeros((H, W))
    for octave in range(octaves):
        cell = size / 2**octave
        rows, columns = int(1 / cell) + 3, int(1.25 / (cell * stretch)) + 3
        grains = Image.fromarray(rng.standard_normal((rows, columns)).astype(np.float32))
        total += np.asarray(grains.resize((W, H), Image.Resampling.BICUBIC)) / 1.7**octave
    noise: Field = (total - total.mean()) / total.std()
    return noise


def blur(field: Field, radius: float) -> Field:
    """Gaussian blur of (H, W), the picture continued at its borders by reflection."""
    pad = int(3 * radius * H) + 1
    wide = np.pad(field, pad, mode="reflect")
    fy = np.fft.fftfreq(wide.shape[0])[:, None]
    fx = np.fft.rfftfreq(wide.shape[1])[None]
    keep = np.exp(-2 * (np.pi * radius * H) ** 2 * (fx**2 + fy**2))
    return np.fft.irfft2(np.fft.rfft2(wide) * keep, wide.shape)[pad:-pad, pad:-pad]


def step(field: Field, edge: float = 0.0, soft: float = 0.002) -> Field:
    """0 below ``edge``, 1 above, with a soft rim."""
    return np.clip((field - edge) / soft + 0.5, 0, 1)


def over(picture: Field, color: Field, cover: Field) -> Field:
    """Lay ``color`` over the picture where ``cover`` (H, W) is 1."""
    return picture + (color - picture) * cover[..., None]


def relief(picture: Field, height: Field, strength: float) -> Field:
    """Light a painted surface from the upper left."""
    dy, dx = np.gradient(height)
    light: Field = np.clip(1 - strength * (dx + dy), 0.6, 1.5)
    return picture * light[..., None]


def brush(
    rng: np.random.Generator,
    picture: Field,
    scene: Field,
    angle: Field,
    layers: Sequence[tuple[int, float, float]],
    *,
    jitter: float = 0.07,
) -> tuple[Field, Field]:
    """Paint ``scene`` with bristly strokes that follow ``angle``; the picture and its relief.

    ``layers`` holds (strokes, length, width), coarse to fine.
    """
    canvas = Image.fromarray((np.clip(picture, 0, 1) * 255).astype(np.uint8))
    surface = Image.new("L", (W, H), 128)
    draw, dig = ImageDraw.Draw(canvas), ImageDraw.Draw(surface)
    for count, length, width in layers:
        start = rng.random((count, 2)) * [W, H]
        paths, here = [start], start
        for _ in range(7):
            i = np.clip(here.astype(int), 0, [W - 1, H - 1])
            turn = angle[i[:, 1], i[:, 0]]
            here = here + np.stack([np.cos(turn), np.sin(turn)], 1) * length * H / 7
            paths.append(here)
        path = np.stack(paths, 1)
        i = np.clip(path[:, 3].astype(int), 0, [W - 1, H - 1])
        color = scene[i[:, 1], i[:, 0]] * (1 + jitter * 1.4 * rng.standard_normal((count, 1)))
        color = color + jitter * rng.standard_normal((count, 3)) * 0.5
        across = np.diff(path, axis=1, append=path[:, -1:] * 2 - path[:, -2:-1])
        across = np.stack([-across[..., 1], across[..., 0]], -1)
        across /= np.linalg.norm(across, axis=-1, keepdims=True) + 1e-9
        hairs = max(3, int(width * H / 2.5))
        offsets = np.linspace(-0.5, 0.5, hairs) * width * H
        for one, side, paint in zip(path, across, color, strict=True):
            for offset in offsets:
                shade = 1 + 0.09 * rng.standard_normal()
                first, last = rng.integers(0, 2), 8 - rng.integers(0, 3)
                points = [tuple(p) for p in (one + side * offset)[first:last]]
                ink = tuple(int(v) for v in np.clip(paint * shade * 255, 0, 255))
                draw.line(points, fill=ink, width=4)
                dig.line(points, fill=int(128 + 50 * rng.standard_normal()), width=3)
    return np.asarray(canvas) / 255.0, np.asarray(surface) / 255.0


def finish(picture: Field) -> Image.Image:
    """The picture at its final size."""
    whole = Image.fromarray((np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8))
    return whole.resize((WIDTH, HEIGHT), Image.Resampling.LANCZOS)


def spline(*points: tuple[float, float], count: int = 160) -> Field:
    """A smooth curve (count, 2) through the points, in pixels (Catmull-Rom)."""
    p = np.array([points[0], *points, points[-1]])
    t = np.linspace(0, len(points) - 1.0001, count)
    k, u = t.astype(int), (t % 1)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    curve: Field = b + 0.5 * u * (
        c - a + u * (2 * a - 5 * b + 4 * c - d + u * (3 * (b - c) + d - a))
    )
    return curve * H
