"""Fig. 8 of Huang & Belongie 2017: pictures between four styles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.batch.figures import STEPS
from impasto.lab.evaluate.intervals import mean_interval
from plots import Line, line_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, mean_of, table

CORNERS = ("wave", "pointillism", "woodcut", "stained_glass")
SHEET = "grid.jpg"


@dataclass(frozen=True)
class Settings:
    """A photograph of the examples at ``size`` px between four styles of the examples."""

    size: int = 128


def _units(bench: Bench) -> list[Unit]:
    return [Unit({"row": row}) for row in range(STEPS)]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    from impasto.lab.evaluate.pairs import Look, Pair, square

    size, i = bench.settings.size, int(unit.key["row"])
    photo = ROOT / "examples" / "photos" / "chelsea.jpg"
    files = [ROOT / "examples" / "styles" / f"{name}.jpg" for name in CORNERS]
    content, styles = square(photo, size), [square(file, size) for file in files]
    v, made, weights = i / (STEPS - 1), [], []
    for j in range(STEPS):
        h = j / (STEPS - 1)
        weights.append([(1 - v) * (1 - h), (1 - v) * h, v * (1 - h), v * h])
        made.append(bench.stylizer.stylize(content, styles, weights=weights[-1]))
    for corner, file in enumerate(files):
        look = Look(Pair(photo, file), content, styles[corner])
        for j, numbers in enumerate(bench.judged(look, made)):
            place = {"column": j, "style": CORNERS[corner], "weight": weights[j][corner]}
            yield place | {"loss": numbers["style"]}


def _pictures(bench: Bench, folder: Path) -> None:
    import impasto

    if (folder / SHEET).exists():
        return
    files = [ROOT / "examples" / "styles" / f"{name}.jpg" for name in CORNERS]
    photo = ROOT / "examples" / "photos" / "chelsea.jpg"
    drawn = impasto.grid(bench.stylizer, photo, files, size=bench.settings.size)
    drawn.save(folder / SHEET, quality=86, optimize=True)


def _by_weight(results: Results, style: str) -> dict[float, list[float]]:
    weights = sorted({float(weight) for weight in results.values("weight")})
    return {
        weight: found
        for weight in weights
        if (found := results.numbers("loss", style=style, weight=f"{weight:.6g}"))
    }


def _tables(results: Results) -> str:
    shown = (0.0, 0.25, 0.5, 0.75, 1.0)
    rows = [
        [style, *(mean_of(_by_weight(results, style).get(w, [])) for w in shown)]
        for style in CORNERS
    ]
    head = ["style loss to", *(f"weight {weight:g}" for weight in shown)]
    return (
        "The loss of a style by its weight in the mixture, over the pictures of the grid with that "
        "weight (one photograph, so the intervals are those of the grid):\n\n"
        f"{table(head, rows)}\n\n"
        f"![A cat between four styles]({SHEET})"
    )


def _plot(results: Results) -> Image.Image:
    lines = []
    for style in CORNERS:
        values = _by_weight(results, style)
        band = [(w, *ends) for w, found in values.items() if (ends := mean_interval(found))]
        lines.append(Line(style, [(w, float(np.mean(v))) for w, v in values.items()], band))
    return line_plot(
        lines, title="Fig. 8: loss to a style by its weight", x="weight", y="style loss"
    )


EXPERIMENT = Experiment(
    name="fig8",
    title="Fig. 8: interpolation between styles",
    about=(
        "A photograph between four styles, with 5 x 5 bilinear weights, eq. 15. The loss of a "
        "style should decrease evenly as its weight increases."
    ),
    settings=Settings,
    smoke=Settings(size=64),
    keys=("row",),
    columns=("column", "style", "weight", "loss"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    pictures=_pictures,
    drawn=False,
)
