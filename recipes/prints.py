"""Synthetic prints for training: woodcuts, engravings and halftones, made from paintings.

    python recipes/prints.py paintings/ -o runs/prints
    impasto lab train recipes/configs/fast.toml --style paintings/ --style runs/prints

Two-tone pictures of ink on paper are among the first styles that people try, and rare among
paintings. Their moments are extreme (hardly a pixel is gray), and a network that has seen few of
them makes them too light and paints a warm black and white in gray. Here a painting is divided into
ink and paper by a local threshold, along lines that follow its light or through a screen of dots,
with random lines, ink and paper.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from drawing import fill_folder
from impasto.errors import ImageError, ImpastoError
from impasto.lab.data.sources import SMALLEST, Source, find_sources, read, split

Map = NDArray[np.float32]
"""Array (H, W) of float32."""
Random = np.random.Generator
SIDES = (256, 420)
"""Range of the shorter side of a print in pixels; paintings are resized to it before the lines are
drawn."""


def make_print(picture: NDArray[np.uint8], random: Random) -> NDArray[np.uint8]:
    """Turn a picture (H, W, 3) into a print of one ink on paper, of another size: (h, w, 3), uint8.

    Args:
        picture: RGB.
        random: generator for size, lines, ink and paper.

    >>> import numpy as np
    >>> make_print(np.zeros((64, 96, 3), np.uint8), np.random.default_rng(0)).shape
    (395, 592, 3)
    """
    light = _blurred(_light(picture, int(random.integers(*SIDES))), random.uniform(0.6, 2))
    paper_share = _threshold(light, random)[..., None]
    ink, paper = _colors(random)
    grain = _blurred(random.random(light.shape).astype(np.float32), random.uniform(0.5, 2))
    paper = paper * (0.98 + 0.04 * grain[..., None])
    result = ink * (1 - paper_share) + paper * paper_share
    return (result.clip(0, 1) * 255).round().astype(np.uint8)


def make_prints(
    places: Iterable[str | Path], folder: str | Path, count: int = 600, *, seed: int = 0
) -> list[Path]:
    """Make ``count`` prints of pictures at ``places`` as PNG files in ``folder``; return the paths.

    Pictures of the held-out tenth are skipped. A file that exists is not made again.

    Args:
        places: folders or shards of paintings (``sources.find_sources``), all used equally often.
        folder: created if missing.
        count: 1 or more.
        seed: of all random choices.

    Raises:
        OptionError: for a count or a seed that is too small.
        ImageError: for a path without usable pictures; if the folder cannot be written.

    Example:
        >>> make_prints(["paintings/"], "runs/prints")                      # doctest: +SKIP
    """
    found = [split(find_sources(place)[0], held_out=False) for place in places] or [[]]
    return fill_folder(
        folder,
        "print",
        count,
        seed,
        lambda i, random: make_print(_draw_picture(found[i % len(found)], random), random),
    )


def _draw_picture(sources: list[Source], random: Random) -> NDArray[np.uint8]:
    reason = "there are no pictures"
    for i in random.permutation(len(sources)):
        picture = read(sources[i], shorter=SIDES[1], smallest=SMALLEST)
        if not isinstance(picture, str):
            return picture
        reason = f"{sources[i].path.name}: {picture}"
    raise ImageError(f"none of {len(sources)} pictures can be used ({reason}); give paintings")


def _light(picture: NDArray[np.uint8], shorter: int) -> Map:
    opened = Image.fromarray(picture).convert("L")
    factor = shorter / min(opened.size)
    size = round(opened.width * factor), round(opened.height * factor)
    return np.asarray(opened.resize(size, Image.Resampling.LANCZOS), np.float32) / 255


def _threshold(light: Map, random: Random) -> Map:
    """Divide a picture into paper, 1, and ink, 0, with smooth edges."""
    local = random.uniform(0.2, 0.8)  # weight of the local against the global threshold
    x = (light - _blurred(light, random.uniform(8, 40))) * local * 2
    x = x + (light - np.median(light)) * (1 - local)
    x = x / (x.std() + 1e-3)
    if random.random() < 0.75:
        angle = random.uniform(0, np.pi)
        period = random.uniform(3.5, 9)
        bend = random.uniform(0, 25) * _blurred(light, 5)  # lines follow the light
        x = x + random.uniform(0.3, 1.2) * _lines(x.shape, angle, period, bend)
        if random.random() < 0.3:  # crossed by others: dots
            x = x + random.uniform(0.2, 0.8) * _lines(x.shape, angle + 1.2, period, 0 * bend)
    x = x - np.quantile(x, random.uniform(0.2, 0.65))
    return 1 / (1 + np.exp(-x * random.uniform(3, 12)))


def _lines(shape: tuple[int, ...], angle: float, period: float, bend: Map) -> Map:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    along = columns * np.cos(angle) + rows * np.sin(angle) + bend
    return np.sin(2 * np.pi * along / period).astype(np.float32)


def _colors(random: Random) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Draw the colors of ink and paper: mostly a dark one on a warm light one."""
    paper = random.uniform(0.78, 0.98) * np.array(
        [1, random.uniform(0.9, 1), random.uniform(0.72, 1)]
    )
    ink = random.uniform(0.02, 0.2) * np.array(
        [1, random.uniform(0.8, 1.1), random.uniform(0.7, 1.2)]
    )
    if random.random() < 0.2:
        ink = random.uniform(0.05, 0.5, 3)
    if random.random() < 0.15:
        paper = random.uniform(0.5, 1, 3)
    return ink, paper


def _blurred(x: Map, radius: float) -> Map:
    picture = Image.fromarray((x.clip(0, 1) * 255).astype(np.uint8))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def main() -> None:
    """Make prints of the paintings named on the command line."""
    defaults = inspect.signature(make_prints).parameters
    parser = argparse.ArgumentParser(
        description="Make woodcuts, engravings and halftones from paintings: two-tone styles "
        "for training."
    )
    add = parser.add_argument
    add("places", nargs="+", metavar="PAINTINGS", help="folders, shards or patterns of shards")
    add("-o", "--output", type=Path, required=True, help="folder of the prints")
    add("--count", type=int, default=defaults["count"].default, help="default: %(default)s")
    add(
        "--seed",
        type=int,
        default=defaults["seed"].default,
        help="seed of the random choices (default: %(default)s)",
    )
    options = parser.parse_args()
    try:
        made = make_prints(options.places, options.output, options.count, seed=options.seed)
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{options.output}: {len(made)} prints")


if __name__ == "__main__":
    main()
