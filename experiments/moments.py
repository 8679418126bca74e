"""Mean alone against deviation alone: which of a style's two moments carries what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, gap_of, mean_of, table

TRANSFORMS = {
    "neither": "neither (the decoder alone)",
    "mean": "mean alone",
    "deviation": "deviation alone",
    "both": "both: AdaIN",
}
COLUMNS = ("style", "gram", "colors", "content_kept", "ssim")


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of ``size`` px."""

    pairs: int = 16
    size: int = 128


def _units(bench: Bench) -> list[Unit]:
    pairs = range(len(bench.looks(bench.settings.pairs, bench.settings.size)))
    return [Unit({"pair": pair}) for pair in pairs]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    import torch

    from impasto.lab import mean_std, normalize

    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    content, style = (
        torch.from_numpy(each.copy()).permute(2, 0, 1)[None] for each in (look.content, look.style)
    )
    with torch.no_grad():
        (x,), (y,) = bench.network.encode(content), bench.network.encode(style)
        (mean, std), (style_mean, style_std) = mean_std(x), mean_std(y)
        wanted = {
            "neither": (std, mean),
            "mean": (std, style_mean),
            "deviation": (style_std, mean),
            "both": (style_std, style_mean),
        }
        pictures = [
            bench.network.decoder(normalize(x, mean, std, *wanted[name])) for name in TRANSFORMS
        ]
    made = [each[0].permute(1, 2, 0).clamp(0, 1).numpy() for each in pictures]
    for name, numbers in zip(TRANSFORMS, bench.judged(look, made), strict=True):
        yield {"transform": name, **{column: numbers[column] for column in COLUMNS}}


def _tables(results: Results) -> str:
    rows = [
        [text, *(mean_of(results.numbers(column, transform=name)) for column in COLUMNS)]
        for name, text in TRANSFORMS.items()
    ]
    head = ["given by the style", "style", "Gram", "colors (Lab)", "content to f(c)", "SSIM"]
    pairs, size = len(results.values("pair")), results.settings["size"]
    gap = gap_of(*(results.numbers("style", transform=name) for name in ("mean", "deviation")))
    return (
        f"Means over {pairs} held-out pairs at {size} px:\n\n{table(head, rows)}\n\n"
        f"Style loss of the mean alone less that of the deviation alone, pair by pair: {gap}."
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for name in TRANSFORMS:
        values = results.numbers("style", transform=name)
        bars.append(Bar(name, "", float(np.mean(values)), mean_interval(values)))
    return bar_plot(bars, title="Style loss by the moments that are given", y="mean square")


EXPERIMENT = Experiment(
    name="moments",
    title="Mean alone, deviation alone",
    about=(
        "Does the mean of a channel carry the style more directly than its deviation? The decoder "
        "in `trained/` gets features to which one moment of the style was given, or both."
    ),
    settings=Settings,
    smoke=Settings(pairs=1, size=64),
    keys=("pair",),
    columns=("transform", *COLUMNS),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
