"""Measure the time that a photograph takes in several styles of one StyleBank model.

It is encoded either anew for each style, or once for all of them. Both take turns, and the medians
are compared, so that other work on the machine affects both.

Example::

    python benchmarks/switching.py trained/stylebank-5.impasto --size 512
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
from time import perf_counter

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    """Read the command line, measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", nargs="?", default=ROOT / "trained" / "stylebank-5.impasto")
    parser.add_argument("--photo", default=ROOT / "examples" / "photos" / "coffee.jpg")
    parser.add_argument("--size", type=int, default=512, help="shorter side")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args()

    import impasto
    from impasto.images.photo import read_photo
    from impasto.images.resizing import resize
    from impasto.models.engine import ENGINES

    image = resize(read_photo(options.photo).image, options.size)
    print("| engine | styles | encoded for each, s | encoded once, s | ratio |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for row in ENGINES:
        if not row.installed:
            continue
        model = impasto.load(
            options.bundle, engine=row.name, precision="fp32", threads=options.threads
        )
        styles = [model.find(name) for name in model.card.styles]
        model.paint(image, styles[0])  # an engine's first picture takes longer
        anew, once = [], []
        for _ in range(options.repeats):
            start = perf_counter()
            for style in styles:
                model.paint(image, style)
            middle = perf_counter()
            content = model.encode(image)
            for style in styles:
                model.paint(content, style)
            anew.append(middle - start)
            once.append(perf_counter() - middle)
        one, two = median(anew), median(once)
        print(f"| {row.name} | {len(styles)} | {one:.2f} | {two:.2f} | {two / one:.2f} |")


if __name__ == "__main__":
    main()
