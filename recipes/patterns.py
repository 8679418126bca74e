"""Synthetic patterns for training: stripes, checks, dots, webs, cells and the like.

    python recipes/patterns.py runs/patterns
    impasto lab train recipes/configs/fast.toml --style paintings/ --style runs/patterns

A flag, a chessboard or a cobweb has statistics far from those of paintings. Such styles have the
largest losses, and a network that has seen a few hundred photographs of textures does not
generalize to others. Period, angle, palette, bend and light of every pattern drawn here are random.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawing import fill_folder
from impasto.errors import ImpastoError, OptionError

SIDE = 400
"""Side of a pattern in pixels: as in the collections of pictures they are mixed with."""
FINE = 2
"""Factor of supersampling: patterns are drawn larger and reduced, for smooth edges."""

Field = NDArray[np.float32]
"""Array (H, W) or (H, W, 3) of float32."""
Random = np.random.Generator


def draw_pattern(random: Random, side: int = SIDE) -> NDArray[np.uint8]:
    """Draw a pattern (side, side, 3), uint8: of one kind, or of two divided by a third.

    Args:
        random: the generator of all random choices.
        side: in pixels, 64 or more.

    Raises:
        OptionError: for a smaller side.

    >>> import numpy as np
    >>> draw_pattern(np.random.default_rng(0), 64).shape
    (64, 64, 3)
    """
    if side < 64:
        raise OptionError(f"side = {side}; it must be 64 px or more")
    picture = _colored(random, side * FINE)
    if random.random() < 0.25:
        u, v = _coordinates(random, side * FINE)
        part = (_kind(random)(random, u, v) % 2 < 1)[..., None]
        picture = np.where(part, picture, _colored(random, side * FINE))
    picture = _shade(random, picture)
    # (side, FINE, side, FINE, 3): the mean of FINE x FINE pixels.
    reduced = picture.reshape(side, FINE, side, FINE, 3).mean((1, 3))
    if random.random() < 0.5:
        reduced += random.normal(0, random.uniform(0, 0.05), reduced.shape)
    return (reduced.clip(0, 1) * 255).round().astype(np.uint8)


def draw_patterns(
    folder: str | Path, count: int = 2400, *, seed: int = 0, side: int = SIDE
) -> list[Path]:
    """Draw ``count`` patterns as PNG files in ``folder`` and return their paths.

    The same seed draws the same patterns; a file that exists is not drawn again.

    Args:
        folder: created if missing.
        count: 1 or more.
        seed: of all random choices.
        side: in pixels.

    Raises:
        OptionError: for a count, a side or a seed that is too small.
        ImageError: if the folder cannot be written.

    >>> import tempfile
    >>> [path.name for path in draw_patterns(tempfile.mkdtemp(), 2, side=64)]
    ['pattern-0-000000.png', 'pattern-0-000001.png']
    """
    return fill_folder(folder, "pattern", count, seed, lambda _, random: draw_pattern(random, side))


def _colored(random: Random, side: int) -> Field:
    """Draw one kind of pattern in the colors of a palette: (side, side, 3) in [0, 1]."""
    u, v = _coordinates(random, side)
    steps = _kind(random)(random, u, v)
    colors = _palette(random, int(random.integers(2, 6)))
    low = np.floor(steps).astype(int)
    if random.random() < 0.2:  # gradients between the colors
        share = (steps - low)[..., None]
        return colors[low % len(colors)] * (1 - share) + colors[(low + 1) % len(colors)] * share
    return colors[low % len(colors)]


def _palette(random: Random, count: int) -> Field:
    """Draw ``count`` colors (count, 3): between ink and paper, saturated, or muted."""
    kind = random.random()
    if kind < 0.3:  # paper is rarely white, nor ink black
        ends = random.uniform([[0.0], [0.7]], [[0.3], [1.0]])
        ends = ends + random.normal(0, random.uniform(0, 0.12), (2, 3))
        share = random.permutation(np.linspace(0, 1, count))[:, None]
        colors = ends[0] * (1 - share) + ends[1] * share
    elif kind < 0.65:
        colors = random.uniform(0, 1, (count, 3))
        if random.random() < 0.25:
            colors = colors.round()
    else:
        middle = random.uniform(0.2, 0.8, 3)
        colors = middle + random.normal(0, random.uniform(0.08, 0.3), (count, 3))
    return colors.clip(0, 1).astype(np.float32)


def _shade(random: Random, picture: Field) -> Field:
    """Shade a picture by smooth uneven light, as in a photograph."""
    if random.random() < 0.5:
        return picture
    light = 1 + random.uniform(0, 0.5) * _noise(random, len(picture), 3)
    return picture * light.clip(0.3, None)[..., None]


def _coordinates(random: Random, side: int) -> tuple[Field, Field]:
    """Draw a coordinate grid, in periods: rotated, stretched and often bent."""
    y, x = np.mgrid[:side, :side].astype(np.float32) / side - random.uniform(0.3, 0.7)
    if random.random() < 0.5:
        bend = 10 ** random.uniform(-2.5, -0.8)
        cells = int(random.integers(2, 9))
        x = x + bend * _noise(random, side, cells)
        y = y + bend * _noise(random, side, cells)
    if random.random() < 0.25:  # seen at a slant
        slant = 1 + random.uniform(-0.6, 0.6) * x + random.uniform(-0.6, 0.6) * y
        x, y = x / slant, y / slant
    angle = random.choice([0.0, np.pi / 2, np.pi / 4, random.uniform(0, 2 * np.pi)])
    periods = 3 * 16 ** random.uniform(0, 1)
    stretch = 2 ** random.uniform(-0.7, 0.7) if random.random() < 0.4 else 1.0
    u = (x * np.cos(angle) + y * np.sin(angle)) * periods * stretch
    v = (y * np.cos(angle) - x * np.sin(angle)) * periods / stretch
    return u.astype(np.float32), v.astype(np.float32)


def _noise(random: Random, side: int, cells: int) -> Field:
    """Draw smooth noise (side, side) of mean 0 and deviation about 1, ``cells`` waves across."""
    hills = random.normal(0, 1, (cells + 3, cells + 3)).astype(np.float32)
    drawn = Image.fromarray(hills).resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(drawn, np.float32)


# A kind maps coordinates, in periods, to colors: a number whose integer part is the index of a
# color.


def _bands(random: Random, u: Field, v: Field) -> Field:
    edges = np.sort(random.uniform(0, 1, int(random.integers(1, 5))))
    return np.searchsorted(edges, u % 1).astype(np.float32)


def _waves(random: Random, u: Field, v: Field) -> Field:
    height, length = random.uniform(0.1, 1.0), random.uniform(0.5, 3)
    if random.random() < 0.5:
        return _bands(random, u + height * np.sin(2 * np.pi * v / length), v)
    return _bands(random, u + 2 * height * np.abs(v / length % 1 - 0.5), v)  # zigzag


def _checks(random: Random, u: Field, v: Field) -> Field:
    return np.floor(u) + np.floor(v)


def _plaid(random: Random, u: Field, v: Field) -> Field:
    return _bands(random, u, v) + _bands(random, v, u)


def _bricks(random: Random, u: Field, v: Field) -> Field:
    row = np.floor(v)
    along = (u / random.uniform(1, 3) + row * random.choice([0.5, 1 / 3])) % 1
    joint = random.uniform(0.04, 0.25)
    inside = (along > joint / 2) & (v % 1 > joint)
    return np.where(inside, 1 + row % random.integers(1, 4), 0).astype(np.float32)


def _lines(random: Random, u: Field, v: Field) -> Field:
    """Draw thin lines in one to four directions."""
    width = random.uniform(0.03, 0.25)
    covered = np.zeros_like(u)
    for angle in random.uniform(0, np.pi, int(random.integers(1, 5))):
        covered = np.maximum(covered, (u * np.cos(angle) + v * np.sin(angle)) % 1 < width)
    return covered.astype(np.float32)


def _grid(random: Random, u: Field, v: Field) -> Field:
    width = random.uniform(0.04, 0.4)
    return ((u % 1 < width) | (v % 1 < width)).astype(np.float32)


def _dots(random: Random, u: Field, v: Field) -> Field:
    row = np.floor(v)
    a = (u + 0.5 * (row % 2) * (random.random() < 0.5)) % 1 - 0.5
    inside = np.hypot(a, v % 1 - 0.5) < random.uniform(0.15, 0.5)
    which = 1 + (np.floor(u) * 7 + row * 3) % random.integers(1, 4)
    return np.where(inside, which, 0).astype(np.float32)


def _scales(random: Random, u: Field, v: Field) -> Field:
    row = np.floor(v)
    a = (u + 0.5 * (row % 2)) % 1 - 0.5
    reach = np.hypot(a * 1.2, v % 1)
    rings = int(random.integers(1, 5))
    return np.floor(reach * rings * 1.2) + row % 2


def _weave(random: Random, u: Field, v: Field) -> Field:
    """Draw woven strands with round shading."""
    over = (np.floor(u) + np.floor(v)) % 2 < 1
    across = np.where(over, u % 1, v % 1)
    gap = random.uniform(0.0, 0.2)
    shade = np.floor(np.sin(np.pi * across) * random.integers(1, 4) * 0.999)
    return np.where(np.abs(across - 0.5) > 0.5 - gap / 2, 0, 1 + shade + over).astype(np.float32)


def _rings(random: Random, u: Field, v: Field) -> Field:
    arms = int(random.integers(-3, 4))  # 0: rings; else a spiral
    around = np.arctan2(v, u) / (2 * np.pi)
    return _bands(random, (np.hypot(u, v) / 2 + arms * around).astype(np.float32), v)


def _web(random: Random, u: Field, v: Field) -> Field:
    """Draw a cobweb: rays, and threads that sag between them."""
    rays = int(random.integers(8, 30))
    around = (np.arctan2(v, u) / (2 * np.pi) * rays).astype(np.float32)
    far = np.hypot(u, v)
    width = random.uniform(0.02, 0.15)
    between = np.abs(around % 1 - 0.5) * 2  # 1 on a ray
    threads = (far * (1 + random.uniform(0, 0.3) * (1 - between**2))) % 1 < width
    ray = (1 - between) * far * 2 * np.pi / rays < width * 2
    return (threads | ray).astype(np.float32)


def _cells(random: Random, u: Field, v: Field) -> Field:
    """Draw cells around scattered points: glass, cracks, honeycomb, skin."""
    near, next_, which = _nearest(random, u, v)
    kind = random.random()
    edge = next_ - near < random.uniform(0.03, 0.3)
    if kind < 0.4:  # cracks
        return edge.astype(np.float32)
    if kind < 0.8:  # glass in lead
        return np.where(edge, 0, 1 + which % random.integers(2, 5)).astype(np.float32)
    return np.floor(near * random.uniform(2, 8))


def _nearest(random: Random, u: Field, v: Field) -> tuple[Field, Field, Field]:
    """Compute the distances to the two nearest of scattered points, and the index of the first."""
    scatter = random.uniform(0, 1)
    side = 64
    offsets = 0.5 + scatter * random.uniform(-0.5, 0.5, (side, side, 2)).astype(np.float32)
    numbers = random.integers(0, 1000, (side, side)).astype(np.float32)
    i, j = np.floor(u).astype(int), np.floor(v).astype(int)
    near = np.full_like(u, np.inf)
    next_, which = near.copy(), np.zeros_like(u)
    for a in (-1, 0, 1):
        for b in (-1, 0, 1):
            p, q = (i + a) % side, (j + b) % side
            # Every other column is half a square lower: without scatter, a honeycomb.
            d = np.hypot(
                i + a + offsets[p, q, 0] - u,
                j + b + offsets[p, q, 1] + ((i + a) % 2) / 2 - 0.25 - v,
            )
            closer = d < near
            next_ = np.where(closer, near, np.minimum(next_, d))
            which = np.where(closer, numbers[p, q], which)
            near = np.minimum(near, d)
    return near, next_, which


def _blotches(random: Random, u: Field, v: Field) -> Field:
    rough = _noise(random, len(u), int(random.integers(4, 60)))
    return np.floor(rough * random.uniform(0.5, 3))


KINDS: tuple[Callable[[Random, Field, Field], Field], ...] = (
    _bands, _bands, _waves, _checks, _checks, _plaid, _bricks, _lines, _grid, _dots, _scales,
    _weave, _rings, _web, _web, _cells, _cells, _blotches,
)  # fmt: skip
"""Kinds of patterns; those with more contrast or more variety are listed twice."""


def _kind(random: Random) -> Callable[[Random, Field, Field], Field]:
    return KINDS[int(random.integers(len(KINDS)))]


def main() -> None:
    """Draw patterns into the folder named on the command line."""
    defaults = inspect.signature(draw_patterns).parameters
    parser = argparse.ArgumentParser(
        description="Draw stripes, checks, dots, webs and the like: high-contrast styles for "
        "training."
    )
    add = parser.add_argument
    add("folder", type=Path, help="output folder, created if missing")
    add("--count", type=int, default=defaults["count"].default, help="default: %(default)s")
    add(
        "--seed",
        type=int,
        default=defaults["seed"].default,
        help="seed of the random choices (default: %(default)s)",
    )
    options = parser.parse_args()
    try:
        drawn = draw_patterns(options.folder, options.count, seed=options.seed)
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{options.folder}: {len(drawn)} patterns")


if __name__ == "__main__":
    main()
