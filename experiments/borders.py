"""Instance against batch normalization at padded borders, in StyleBank's auto-encoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from plots import Line, line_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, mean_of, table
from training import learn

BANDS = ((0, 1), (1, 2), (2, 4), (4, 8), (8, 16), (16, 1000))
"""Distances from the border in pixels: from, to (excluded)."""
NORMALIZATIONS = ("instance", "batch")
PADDINGS = ("reflection", "zeros")
STYLES = ("wave", "stained_glass")


@dataclass(frozen=True)
class Settings:
    """Steps of ``batch`` crops of ``crop`` px; judged on ``pictures`` of ``size`` px."""

    seeds: int = 2
    steps: int = 300
    crop: int = 64
    batch: int = 4
    width: int = 16
    pictures: int = 8
    size: int = 128


def _units(bench: Bench) -> list[Unit]:
    return [
        Unit({"normalization": normalization, "seed": seed})
        for seed in range(bench.settings.seeds)
        for normalization in NORMALIZATIONS
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    styles = [str(ROOT / "examples" / "styles" / f"{name}.jpg") for name in STYLES]
    changes = {
        "data.styles": dict.fromkeys(styles, 1.0),
        "data.crop": settings.crop,
        "stylebank.width": settings.width,
        "stylebank.normalization": unit.key["normalization"],
        "batch": settings.batch,
        "iterations": settings.steps,
        "seed": unit.key["seed"],
        "log_every": max(settings.steps // 10, 1),
    }
    run = learn(bench, bench.work / unit.name, "stylebank", changes)
    yield from _errors(bench, run, str(unit.key["normalization"]))


def _errors(bench: Bench, run: Path, normalization: str) -> Iterator[Row]:
    """Error of the auto-encoder by distance from the border, as trained and padded with zeros."""
    import torch

    from impasto.lab import StyleBank, StyleBankShape
    from impasto.lab.nets.blocks import Reflecting
    from impasto.lab.training.checkpoints import CHECKPOINT, start_from
    from impasto.lab.training.networks import NORMALIZATIONS as LAYERS

    settings: Settings = bench.settings
    shape = StyleBankShape(width=settings.width)
    network = StyleBank(len(STYLES), shape, normalization=LAYERS[normalization])
    start_from(network, run / CHECKPOINT)
    network.eval()
    looks = bench.looks(settings.pictures, settings.size)
    photos = torch.stack([torch.from_numpy(x.content.copy()).permute(2, 0, 1) for x in looks])
    padded = [module for module in network.modules() if isinstance(module, Reflecting)]
    for padding in PADDINGS:
        if padding == "zeros":  # the same weights
            for module in padded:
                module.forward = partial(_with_zeros, module)
        with torch.no_grad():
            made = network.reconstruct(photos).clamp(0, 1)
        square = (made - photos).square().mean(dim=(0, 1)).numpy()
        for (low, high), error in zip(BANDS, by_distance(square), strict=True):
            yield {"padding": padding, "from": low, "to": high, "error": error}


def _with_zeros(module: Any, x: Any) -> Any:
    """A convolution that pads by reflection, with zeros in its place."""
    from torch.nn import functional as F

    around = module.kernel_size[0] // 2
    return F.conv2d(x, module.weight, module.bias, module.stride, padding=around)


def by_distance(square: np.ndarray) -> list[float]:
    """Mean of a map (H, W) in each of ``BANDS``, by distance from the nearest border."""
    height, width = square.shape
    y, x = np.mgrid[:height, :width]
    distance = np.minimum(np.minimum(y, height - 1 - y), np.minimum(x, width - 1 - x))
    return [float(square[(distance >= low) & (distance < high)].mean()) for low, high in BANDS]


def _ratios(results: Results, normalization: str, padding: str, low: int) -> list[float]:
    """Error of a band in that of the innermost, seed by seed."""
    cells = {"normalization": normalization, "padding": padding}
    here = results.numbers("error", **cells, **{"from": low})
    inner = results.numbers("error", **cells, **{"from": BANDS[-1][0]})
    return [one / other for one, other in zip(here, inner, strict=True)]


def _tables(results: Results) -> str:
    head = ["normalization", "padding"]
    head += [f"{low}" if high == low + 1 else f"{low} to {high - 1}" for low, high in BANDS[:-1]]
    head += [f"error at {BANDS[-1][0]} px and more"]
    rows = []
    for normalization in NORMALIZATIONS:
        for padding in PADDINGS:
            cells = {"normalization": normalization, "padding": padding}
            inner = results.numbers("error", **cells, **{"from": BANDS[-1][0]})
            ratios = [
                mean_of(_ratios(results, normalization, padding, low)) for low, _ in BANDS[:-1]
            ]
            rows.append([normalization, padding, *ratios, mean_of(inner, 4)])
    return (
        "Mean square error of the auto-encoder's reconstruction of the photograph, by distance "
        "from the border in pixels, relative to that of the inside (last column), over the "
        "seeds:\n\n" + table(head, rows, text_columns=2)
    )


def _plot(results: Results) -> Image.Image:
    lines = []
    for normalization in NORMALIZATIONS:
        for padding in PADDINGS:
            points = []
            for low, high in BANDS[:-1]:
                values = _ratios(results, normalization, padding, low)
                if values:
                    points.append(((low + high) / 2, float(np.mean(values))))
            if points:
                name = f"{normalization}, {padding}"
                lines.append(Line(name, points, dashed=padding == "zeros"))
    title = "StyleBank's auto-encoder: error at the border in that inside"
    return line_plot(lines, title=title, x="pixels from the border", y="ratio", log_x=True)


EXPERIMENT = Experiment(
    name="borders",
    title="Instance and batch normalization at padded borders",
    about=(
        "StyleBank's authors use instance normalization because it handles the artifacts that "
        "padding leaves along borders better. StyleBank is trained with either layer and two "
        "styles. Our convolutions pad by reflection, so the trained weights are also run with zero "
        "padding instead. Batch normalization uses its running statistics, which are shared by the "
        "steps with banks and those without."
    ),
    settings=Settings,
    smoke=Settings(seeds=1, steps=3, crop=32, batch=2, width=8, pictures=1, size=64),
    keys=("normalization", "seed"),
    columns=("padding", "from", "to", "error"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
