"""Paint the example styles: every picture in examples/styles is made by this program.

    python examples/make_styles.py [NAME ...] [--out FOLDER]

NumPy and Pillow only. Each picture has its own seed, so the same versions give the same file.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from painted import abstract, night_sky, pointillism, watercolor
from PIL import Image
from printed import stained_glass, wave, woodcut

PICTURES: tuple[Callable[[], Image.Image], ...] = (
    abstract,
    night_sky,
    pointillism,
    stained_glass,
    watercolor,
    wave,
    woodcut,
)
"""One function a picture; the file takes the function's name."""


def main() -> None:
    """Paint the pictures named on the command line, or all of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    names = [picture.__name__ for picture in PICTURES]
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "styles")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        if not options.names or picture.__name__ in options.names:
            target = options.out / f"{picture.__name__}.jpg"
            picture().save(target, quality=87, subsampling=0, optimize=True)
            print(f"{target}  {target.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
