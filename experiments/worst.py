"""Sheet of the worst pairs of a model: photograph, style, AdaIN and the models side by side.

python experiments/worst.py --standard data/ --vgg vgg_normalised.pth --decoder decoder.pth -o worst.jpg
"""  # noqa: E501

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import yardstick
from impasto.batch.figures import Cell, contact_sheet
from impasto.errors import ImpastoError, OptionError
from impasto.images.options import SaveOptions
from impasto.images.writing import write_image
from impasto.lab.evaluate.painters import CONTENT_NAME
from impasto.lab.evaluate.pairs import look_at
from impasto.lab.evaluate.report import worst_pairs
from options import add_places, places_of
from study import RESULTS, Bench, Results

COUNT = 10
WIDEST = 1600
"""Pixels across that a sheet has at most."""
FACTS = (("content", 2), ("style", 2), ("ssim", 2))
"""Columns below a picture, and their digits."""


def main() -> None:
    """Draw the sheet."""
    options = parser().parse_args()
    try:
        results = yardstick.EXPERIMENT.read(options.rows)
        settings = yardstick.Settings(
            tuple(results.settings["sizes"]), tuple(results.settings["pairs"])
        )
        bench = Bench(settings, places_of(options), options.rows)
        made = sheet(results, bench, model=options.model, size=options.size, count=options.count)
        write_image(made, options.out, save=SaveOptions(overwrite=True))
        print(options.out)
    except ImpastoError as error:
        sys.exit(f"worst: {error}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="worst", description=(__doc__ or "").splitlines()[0])
    add = made.add_argument
    add_places(made)
    rows = RESULTS / yardstick.EXPERIMENT.name
    add("--rows", type=Path, default=rows, metavar="DIR", help="results of the yardstick")
    add("--model", default="quality", choices=yardstick.MODELS, help="whose worst pairs")
    add("--size", type=int, default=512, help="in pixels, of those in the results")
    add("--count", type=int, default=COUNT, help=f"pairs (default: {COUNT})")
    add("-o", "--out", type=Path, required=True, metavar="FILE", help="the picture")
    return made


def sheet(
    results: Results, bench: Bench, *, model: str, size: int, count: int = COUNT
) -> Image.Image:
    """A row a pair, the worst first, by the numbers of the results; painted anew.

    Raises:
        OptionError: if the results are of other pictures, weights or sizes.
    """
    record = bench.record()
    for name in ("contents", "styles", "files", "vgg", "decoder"):
        if record.get(name) != results.about.get(name):
            raise OptionError(
                f"the results have {name} = {results.about.get(name)}, not {record.get(name)}; "
                "give the pictures and weights that they were made with"
            )
    lines = [line for line in yardstick.lines_of(results) if line.size == size]
    if not lines:
        raise OptionError(
            f"the results have no pairs at {size} px; their sizes are "
            + ", ".join(results.values("size"))
        )
    values = {(line.model, line.pair): line.values for line in lines}
    painters = yardstick.painters(bench.stylizer, bench.vgg_file)
    painters = [painter for painter in painters if painter.label != CONTENT_NAME]
    pairs = bench.pairs(max(bench.settings.pairs))
    cells = []
    worst = worst_pairs(lines, model, reference=yardstick.REFERENCE, count=count)
    for rank, (pair, score) in enumerate(worst, start=1):
        look = look_at(pairs[int(pair.content.name)], size)
        cells += [
            Cell(
                _picture(look.content), f"{rank}.", f"{model} is {np.exp(score):.2f} x as far off"
            ),
            Cell(_picture(look.style), "style"),
        ]
        for painter in painters:
            found = values[painter.label, pair]
            facts = ", ".join(f"{name} {found[name]:.{digits}f}" for name, digits in FACTS)
            painted = painter.paint(look, unaligned=False).raw
            cells.append(Cell(_picture(painted), painter.label, facts))
    return narrowed(contact_sheet(cells, columns=2 + len(painters)))


def narrowed(made: Image.Image) -> Image.Image:
    """A picture no wider than a sheet may be."""
    if made.width <= WIDEST:
        return made
    height = round(made.height * WIDEST / made.width)
    return made.resize((WIDEST, height), Image.Resampling.LANCZOS)


def _picture(image: Any) -> Image.Image:
    return Image.fromarray(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))


if __name__ == "__main__":
    main()
