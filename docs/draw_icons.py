"""Draw the icons of the page as pictures, from the shapes in icon.svg.

python docs/draw_icons.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

STATIC = Path(__file__).resolve().parents[1] / "src/impasto/web/static"
ICON = STATIC / "icon.svg"

SIDE = 32
"""Side of the drawing in its own units."""

# Systems cut maskable icons to shapes of their own; what matters stays within this share.
SAFE = 0.72

FINER = 4
"""How many times finer it is drawn before it is reduced."""


def main() -> None:
    """Draw 192 and 512 pixels, and one for systems that cut icons themselves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=STATIC / "page", help="default: the page")
    out = parser.parse_args().out
    for name, side, whole in (("192", 192, False), ("512", 512, False), ("maskable", 512, True)):
        picture = draw(ICON.read_text(), side, maskable=whole)
        picture.save(out / f"icon-{name}.png", optimize=True)


def draw(svg: str, side: int, *, maskable: bool = False) -> Image.Image:
    """Draw the icon with ``side`` pixels a side; a maskable one fills the whole square."""
    scale = side * FINER / SIDE
    picture = Image.new("RGBA", (side * FINER, side * FINER))
    pen = ImageDraw.Draw(picture)
    rectangle = re.search(r'<rect [^>]*rx="(\d+)" fill="(#\w+)"', svg)
    width = re.search(r'stroke-width="(\d+)"', svg)
    assert rectangle and width
    rounded = 0 if maskable else int(rectangle[1]) * scale
    # The last pixel counts for Pillow.
    whole = (0, 0, side * FINER - 1, side * FINER - 1)
    pen.rounded_rectangle(whole, radius=rounded, fill=rectangle[2])
    share = SAFE if maskable else 1.0
    radius = int(width[1]) / 2 * scale * share
    for color, path in re.findall(r'<path stroke="(#\w+)" d="([^"]+)"', svg):
        for x, y in points(path):
            x, y = (((each - SIDE / 2) * share + SIDE / 2) * scale for each in (x, y))
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    reduced = picture.resize((side, side), Image.Resampling.LANCZOS)
    # Five colors and what is between them.
    return reduced.quantize(64, method=Image.Quantize.FASTOCTREE)


def points(path: str) -> Iterator[tuple[float, float]]:
    """Points close to each other along a path of one relative cubic curve, "Mx yc..."."""
    numbers = [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?", path)]
    start = np.array(numbers[:2])
    corners = [start, *(start + np.array(numbers[at : at + 2]) for at in (2, 4, 6))]
    for t in np.linspace(0, 1, 400):
        parts = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3)
        yield tuple(sum(part * corner for part, corner in zip(parts, corners, strict=True)))


if __name__ == "__main__":
    main()
