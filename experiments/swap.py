"""Time of Style-Swap by part: what share of it goes into the swap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table
from table1 import INVERSE

PARTS = ("encode", "swap", "decode")


@dataclass(frozen=True)
class Settings:
    """``repeats`` pictures of each of ``sizes``, photograph and style alike."""

    sizes: tuple[int, ...] = (128, 256, 384, 512)
    repeats: int = 3


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    return [
        Unit({"size": size, "repeat": repeat})
        for repeat in range(settings.repeats)
        for size in settings.sizes
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    import torch

    from impasto.lab.methods.style_swap import (
        Stopwatch,
        StyleSwap,
        decoded,
        load_inverse,
        swapped,
    )
    from impasto.lab.optimize.method import Task

    look = bench.looks(int(unit.key["repeat"]) + 1, int(unit.key["size"]))[-1]
    content, style = (
        torch.from_numpy(each.copy()).permute(2, 0, 1)[None] for each in (look.content, look.style)
    )
    net, options = load_inverse(INVERSE, bench.vgg), StyleSwap(inverse=str(INVERSE))
    task = Task(content, (style,), (None,), torch.ones(1))
    for _ in range(2):  # the first call of a size is slower
        watch = Stopwatch()
        decoded(swapped(task, options, bench.vgg, watch), net, watch)
    yield watch.seconds


def _shares(results: Results, size: str) -> dict[str, list[float]]:
    """Share of each part in the time, picture by picture."""
    rows = results.where(size=size)
    return {
        part: [float(r[part]) / sum(float(r[each]) for each in PARTS) for r in rows]
        for part in PARTS
    }


def _tables(results: Results) -> str:
    rows = []
    for size in results.values("size"):
        shares = _shares(results, size)
        total = [sum(float(row[part]) for part in PARTS) for row in results.where(size=size)]
        cells = [mean_of([100 * share for share in shares[part]], 1) for part in PARTS]
        rows.append([f"{size} px", mean_of(total), *cells])
    head = ["", "seconds", *(f"{part}, %" for part in PARTS)]
    paper = 100 * results.published["share"]["swap"]
    return (
        "Wall-clock seconds, on a machine with other work, and the shares of the parts:\n\n"
        f"{table(head, rows)}\n\nThe paper: more than {paper:.0f} % in the swap."
    )


def _plot(results: Results) -> Image.Image:
    bars = [
        Bar(f"{size} px", part, 100 * float(np.mean(shares)))
        for size in results.values("size")
        for part, shares in _shares(results, size).items()
    ]
    return bar_plot(bars, title="Style-Swap: time by part", y="%")


EXPERIMENT = Experiment(
    name="swap",
    title="The share of the swap in Style-Swap's time",
    about=(
        "Huang & Belongie state that more than 95 % of the time of Chen & Schmidt's method goes "
        "into the swap. Measured here with the inverse network in `trained/` and a style of the "
        "photograph's size. The work of the swap grows with the square of the number of pixels, "
        "that of the networks in proportion to the number."
    ),
    settings=Settings,
    smoke=Settings(sizes=(64, 96), repeats=1),
    keys=("size", "repeat"),
    columns=PARTS,
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
