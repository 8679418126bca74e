"""Fig. 3 of Huang & Belongie 2017: losses of methods, and of Gatys over its steps."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from plots import Line, line_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table

MARKS = (1, 2, 5, 10, 20, 50, 100, 200, 350, 500)
"""Steps after which a picture of Gatys is judged."""
LAYERS = {f"relu{n}_1": 0.25 for n in range(1, 5)}


@dataclass(frozen=True)
class Settings:
    """``pairs`` of ``size`` px; Gatys starts from ``start`` and takes ``steps`` steps."""

    pairs: int = 4
    size: int = 128
    steps: int = 500
    start: str = "noise"


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    marks = [mark for mark in MARKS if mark <= settings.steps]
    found = []
    for pair in range(len(bench.looks(settings.pairs, settings.size))):
        for method in ("content", "adain"):
            found.append(Unit({"pair": pair, "method": method, "steps": 0}))
        found += [Unit({"pair": pair, "method": "gatys", "steps": mark}) for mark in marks]
    return found


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    if unit.key["method"] == "content":
        made = look.content
    elif unit.key["method"] == "adain":
        made = bench.stylizer.stylize(look.content, look.style)
    else:
        made = _gatys(look, int(unit.key["steps"]), int(unit.key["pair"]), bench)
    (numbers,) = bench.judged(look, [made])
    # The photograph itself has a content loss too: it is not the AdaIN target.
    yield {name: numbers[f"{name}_norm"] for name in ("style", "content")}


def _gatys(look: object, steps: int, pair: int, bench: Bench) -> object:
    """The picture after ``steps`` steps, gone on with from that of the mark before."""
    import impasto

    settings: Settings = bench.settings
    model = impasto.load("gatys", vgg=bench.vgg_file).with_settings(
        steps=steps,
        start=settings.start,
        options={
            "content_layers": {"relu4_1": 1.0},
            "style_layers": LAYERS,
            "pooling": "max",
        },
        checkpoint=bench.work / f"gatys-{pair}.pt",
    )
    return model.stylize(look.content, look.style)


def _logs(results: Results, loss: str, method: str, steps: int = 0) -> dict[str, float]:
    """Natural logarithm of a loss, pair by pair."""
    rows = results.where(method=method, steps=steps)
    return {row["pair"]: math.log(float(row[loss])) for row in rows}


def crossing(curve: dict[int, float], level: float) -> float | None:
    """First step at which a falling curve is below a level, between its marks by ln of the step."""
    marks = sorted(curve)
    if marks and curve[marks[0]] < level:
        return float(marks[0])
    for one, two in pairwise(marks):
        if curve[one] >= level > curve[two]:
            share = (curve[one] - level) / (curve[one] - curve[two])
            return float(math.exp((1 - share) * math.log(one) + share * math.log(two)))
    return None


def _crossings(results: Results, loss: str) -> tuple[list[float], int]:
    """Step at which Gatys passes AdaIN in each pair that is through; how many never do."""
    found, never = [], 0
    goal = _logs(results, loss, "adain")
    marks = [int(m) for m in results.values("steps") if int(m)]
    for pair, level in goal.items():
        curve = {m: logs[pair] for m in marks if pair in (logs := _logs(results, loss, "gatys", m))}
        if len(curve) == len(marks):
            at = crossing(curve, level)
            found += [] if at is None else [at]
            never += at is None
    return found, never


def _tables(results: Results) -> str:
    theirs = results.published
    last = max((int(mark) for mark in results.values("steps")), default=0)
    marks = sorted({1, 10, 50, 100, 200, last} & set(map(int, results.values("steps"))))
    lines = [("the photograph", "content", 0, "content"), ("AdaIN", "adain", 0, "adain")]
    lines += [(f"Gatys, step {m}", "gatys", m, "gatys" if m == 500 else "") for m in marks if m]
    rows = []
    for text, method, steps, paper in lines:
        cells = [text, str(len(_logs(results, "style", method, steps)))]
        for loss in ("style", "content"):
            cells.append(mean_of(list(_logs(results, loss, method, steps).values())))
            cells.append(f"{theirs[loss][paper]:.2f}" if paper in theirs[loss] else "")
        rows.append(cells)
    head = ["", "pairs", "ln style", "the paper (f)", "ln content", "the paper (f)"]
    parts = [table(head, rows)]
    for loss in ("style", "content"):
        found, never = _crossings(results, loss)
        if pairs := len(found) + never:
            text = f"The {loss} loss of Gatys falls below that of AdaIN in {len(found)} of {pairs} "
            text += f"pairs within {last} steps"
            text += f", at step {mean_of(found, 0)}." if found else "."
            if loss == "style":
                text += f" In the paper (f): at about {theirs['passes']['adain']}."
            parts.append(text)
    return "\n\n".join(parts)


def _plot(results: Results) -> Image.Image:
    marks = sorted(int(m) for m in results.values("steps") if int(m))
    lines = []
    for loss in ("style", "content"):
        points, band = [], []
        for mark in marks:
            values = list(_logs(results, loss, "gatys", mark).values())
            points.append((mark, float(np.mean(values))))
            if ends := mean_interval(values):
                band.append((mark, *ends))
        lines.append(Line(f"Gatys, {loss}", points, band))
        level = float(np.mean(list(_logs(results, loss, "adain").values())))
        lines.append(Line(f"AdaIN, {loss}", [(m, level) for m in marks], dashed=True))
    return line_plot(
        lines, title="Fig. 3: losses of Gatys over its steps", x="step", y="ln of loss", log_x=True
    )


EXPERIMENT = Experiment(
    name="fig3",
    title="Fig. 3: how near AdaIN comes to an optimization",
    about=(
        "Style and content loss (eqs. 12 and 13 as printed, 2-norms without squares) of the "
        "photograph, of AdaIN and of Gatys over its steps, and the step at which the optimization "
        "passes AdaIN. Gatys starts from white noise and uses relu1_1 to relu4_1 for the style and "
        "relu4_1 for the content, as the judge does; it minimizes Gram matrices, which are not the "
        "loss that it is judged by. The norms grow with the size of the pictures, and the paper "
        "does not state its size: levels cannot be compared, order and crossing can. Ulyanov's "
        "networks would have to be trained for every style, and are left out."
    ),
    settings=Settings,
    smoke=Settings(pairs=2, size=64, steps=5),
    keys=("pair", "method", "steps"),
    columns=("style", "content"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
