"""Synthetic photographs for training: shapes on plain grounds.

    python recipes/grounds.py runs/grounds
    impasto lab train recipes/configs/plain-grounds.toml

Logos, product pictures and skies are mostly plain, and photographs of training hardly ever are. A
network learns what to paint where nothing is to be seen only from pictures that have such places.
Here a ground of one color, white in a third of the pictures, or one that turns slowly into another,
has shapes on it with sharp or soft edges.
"""

from __future__ import annotations

import argparse
import inspect
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from drawing import fill_folder
from impasto.errors import ImpastoError

SIDE = 480
"""Side of a picture in pixels, more than that of the largest crops."""
FINE = 2
"""Factor of supersampling: shapes are drawn larger and reduced, for smooth edges."""
WHITE = 0.35
"""Share of the pictures whose ground is white or nearly white."""

Random = np.random.Generator


def draw_ground(random: Random, side: int = SIDE) -> NDArray[np.uint8]:
    """Draw shapes on a plain ground: a picture (side, side, 3), uint8.

    Args:
        random: the generator of all random choices.
        side: in pixels.

    >>> import numpy as np
    >>> draw_ground(np.random.default_rng(0), 64).shape
    (64, 64, 3)
    """
    large = side * FINE
    first = random.uniform(0.94, 1, 3) if random.random() < WHITE else random.random(3)
    second = first if random.random() < 0.5 else (first + random.normal(0, 0.2, 3)).clip(0, 1)
    angle = random.uniform(0, 2 * np.pi)
    line = np.linspace(-0.5, 0.5, large)
    turn = (0.5 + line * np.cos(angle) + line[:, None] * np.sin(angle)).clip(0, 1)[..., None]
    ground = _picture(first * (1 - turn) + second * turn)
    for _ in range(int(random.integers(3, 13))):
        mask = Image.new("L", ground.size)
        _draw_shape(ImageDraw.Draw(mask), random, large)
        if random.random() < 0.2:
            mask = mask.filter(ImageFilter.GaussianBlur(random.uniform(4, 30)))
        ground.paste(tuple(int(c) for c in random.integers(0, 256, 3)), (0, 0), mask)
    return np.asarray(ground.reduce(FINE))


def draw_grounds(
    folder: str | Path, count: int = 600, *, seed: int = 0, side: int = SIDE
) -> list[Path]:
    """Draw ``count`` such pictures as PNG files in ``folder`` and return their paths.

    The same seed draws the same pictures; a file that exists is not drawn again.

    Args:
        folder: created if missing.
        count: 1 or more.
        seed: of all random choices.
        side: in pixels.

    Raises:
        OptionError: for a count or a seed that is too small.
        ImageError: if the folder cannot be written.

    Example:
        >>> draw_grounds("runs/grounds")                                    # doctest: +SKIP
    """
    return fill_folder(folder, "ground", count, seed, lambda _, random: draw_ground(random, side))


def _picture(fractions: NDArray[np.float64]) -> Image.Image:
    return Image.fromarray((fractions * 255).round().astype(np.uint8))


def _draw_shape(draw: ImageDraw.ImageDraw, random: Random, side: int) -> None:
    middle = random.uniform(0, side, 2)
    reach = side * random.uniform(0.04, 0.3)
    width = int(reach * random.uniform(0.05, 0.4)) + 1
    corners = np.sort(random.uniform(0, 2 * np.pi, int(random.integers(3, 8))))
    distances = reach * random.uniform(0.5, 1, len(corners))[:, None]
    points = middle + distances * np.stack([np.cos(corners), np.sin(corners)], axis=1)
    outline = [(float(x), float(y)) for x, y in points]
    box = [*(middle - reach), *(middle + reach * random.uniform(0.2, 1))]
    match int(random.integers(5)):
        case 0:
            draw.ellipse(box, fill=255)
        case 1:
            draw.rectangle(box, fill=255)
        case 2:
            draw.polygon(outline, fill=255)
        case 3:
            draw.line(outline, fill=255, width=width, joint="curve")
        case _:
            draw.arc(box, *random.uniform(0, 360, 2), fill=255, width=width)


def main() -> None:
    """Draw the pictures requested on the command line."""
    parser = argparse.ArgumentParser(
        description="Draw shapes on plain backgrounds: pictures with smooth areas, which are "
        "rare in training photographs."
    )
    defaults = inspect.signature(draw_grounds).parameters
    parser.add_argument("folder", type=Path, help="output folder")
    for name in ("count", "seed", "side"):
        parser.add_argument(
            f"--{name}", type=int, default=defaults[name].default, help="default: %(default)s"
        )
    options = parser.parse_args()
    try:
        paths = draw_grounds(options.folder, options.count, seed=options.seed, side=options.side)
    except ImpastoError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    print(f"{len(paths)} pictures in {options.folder}")


if __name__ == "__main__":
    main()
