"""Weave on smooth places, and flat pictures that do not come out flat, painter by painter."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.lab.evaluate.flat import deviation, ground_spread, shapes
from impasto.lab.evaluate.intervals import mean_interval
from impasto.lab.evaluate.painters import CONTENT_NAME
from impasto.lab.evaluate.pairs import Look, Pair, folder_files, look_at, square
from impasto.stylizer import Stylizer
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table

REFERENCE = "adain"
WEAVE, FLAT = "weave", "flat"
PERIODS = ("weave_4", "weave_8", "weave_16")
FLATS = ("spread", "ring", "ground")
COLORS = ((1.0, 1.0, 1.0), (0.5, 0.5, 0.5), (0.1, 0.1, 0.1), (0.8, 0.2, 0.1))
"""Of the flat pictures."""
FLAT_SIDE = 256


@dataclass(frozen=True)
class Settings:
    """Held-out ``photographs`` with smooth places x ``paintings``, at ``size`` px, with ``adain``
    beside the ``painters`` or without."""

    painters: tuple[str, ...] = ("quality", "fast")
    adain: bool = True
    photographs: int = 6
    paintings: int = 4
    size: int = 512


def _by_digest(folders: Iterable[str], *, held_out: bool) -> list[Path]:
    """The files of folders in an order that depends on their names alone."""
    files = {file for folder in folders for file in folder_files(folder, held_out=held_out)}
    return sorted(files, key=lambda file: hashlib.sha256(file.name.encode()).digest())


def _pictures(bench: Bench) -> tuple[list[Path], list[Path]]:
    """The photographs and the paintings; a longer list begins with the shorter one."""
    settings, held_out = bench.settings, not bench.places.all_files
    photographs: list[Path] = []
    for file in _by_digest(bench.places.contents, held_out=held_out):
        if len(photographs) == settings.photographs:
            break
        if _is_smooth_somewhere(file, settings.size):
            photographs.append(file)
    return photographs, _by_digest(bench.places.styles, held_out=held_out)[: settings.paintings]


@cache
def _is_smooth_somewhere(file: Path, size: int) -> bool:
    from impasto.lab.evaluate.weave import FEWEST, smooth_places

    return int(smooth_places(_batch(square(file, size))).sum()) >= FEWEST


def _batch(image: np.ndarray) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None].clamp(0, 1)


@cache
def _painters(adain: Stylizer | None, names: tuple[str, ...], vgg: Path) -> Mapping[str, Any]:
    """Painters by label: the photograph, those that are named, and AdaIN, which takes longest."""
    from impasto.lab.evaluate.painters import (
        JudgedAdaIN,
        JudgedContent,
        PainterOptions,
        open_painters,
    )

    options = PainterOptions(engine="onnxruntime", precision="fp32")
    found: list[Any] = [JudgedContent(), *open_painters(names, vgg=vgg, options=options)]
    if adain is not None:
        reference: Any = adain.painter
        found.append(JudgedAdaIN(reference, REFERENCE))
    return {painter.label: painter for painter in found}


def _opened(bench: Bench) -> Mapping[str, Any]:
    adain = bench.stylizer if bench.settings.adain else None
    return _painters(adain, bench.settings.painters, bench.vgg_file)


def _units(bench: Bench) -> list[Unit]:
    photographs, paintings = _pictures(bench)
    units = []
    for label, painter in _opened(bench).items():
        who = {"painter": label, "identity": painter.identity}
        if label != CONTENT_NAME:
            units += [
                Unit({**who, "kind": FLAT, "photograph": "", "painting": s})
                for s in range(len(paintings))
            ]
        units += [
            Unit({**who, "kind": WEAVE, "photograph": c, "painting": s})
            for c in range(len(photographs))
            for s in range(len(paintings))
        ]
    return units


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    photographs, paintings = _pictures(bench)
    painter = _opened(bench)[str(unit.key["painter"])]
    painting = paintings[int(unit.key["painting"])]
    if unit.key["kind"] == FLAT:
        yield _flats(painter, painting, bench.settings.size)
    else:
        look = look_at(
            Pair(photographs[int(unit.key["photograph"])], painting), bench.settings.size
        )
        yield _weave(painter.paint(look, unaligned=False).raw, look)


def _weave(painted: np.ndarray, look: Look) -> Row:
    from impasto.lab.evaluate.weave import smooth_places, weave

    content = _batch(look.content)
    found = weave(_batch(painted), content, _batch(look.style))
    columns = {f"weave_{period}": float(value) for period, value in found.items()}
    return {**columns, "smooth": float(smooth_places(content).double().mean())}


def _flats(painter: Any, painting: Path, size: int) -> Row:
    """The largest deviations over the flat pictures, and that of a ground with shapes on it."""
    stylizer: Stylizer = painter.stylizer
    style = stylizer.style(square(painting, size), size=None)

    def painted(image: np.ndarray) -> np.ndarray:
        # Not as the judge has it painted: the studio gives flat pictures a wider margin.
        return stylizer.paint(image, style).image

    sides = (FLAT_SIDE, FLAT_SIDE, 3)
    flats = [np.broadcast_to(np.float32(color), sides).copy() for color in COLORS]
    found = [deviation(painted(flat)) for flat in flats]
    image, ground = shapes(FLAT_SIDE)
    return {
        "spread": max(each.spread for each in found),
        "ring": max(each.ring for each in found),
        "ground": ground_spread(painted(image), ground),
    }


def _latest(results: Results) -> list[tuple[str, str]]:
    """Painters and their identities; of a file that was made anew the last."""
    return list({row["painter"]: row["identity"] for row in results.rows}.items())


def _tables(results: Results) -> str:
    rows, flats = [], []
    for painter, identity in _latest(results):
        cells = {"painter": painter, "identity": identity}
        means = [mean_of(results.numbers(c, kind=WEAVE, **cells), 1) for c in PERIODS]
        rows.append([f"`{painter}`", *means])
        found = [results.numbers(c, kind=FLAT, **cells) for c in FLATS]
        if any(found):
            flats.append([f"`{painter}`", *(_mean_and_most(values) for values in found)])
    settings = results.settings
    photographs, paintings = (
        len({row[key] for row in results.where(kind=WEAVE)}) for key in ("photograph", "painting")
    )
    shown = [
        f"{photographs} photographs x {paintings} paintings at {settings['size']} px, in single "
        f"precision. Decibels on smooth places, relative to the style; 0 is no weave. "
        f"`{CONTENT_NAME}` is the unchanged photograph.",
        table(["", "every 4 px", "every 8 px", "cells of 8 px, every 16"], rows),
        f"Flat pictures of {len(COLORS)} colors and shapes on white, {FLAT_SIDE} px, in steps of "
        "255: mean over the paintings, and the largest. Spread: difference between any two pixels "
        "of a flat picture. Ring: difference between the border and the middle. Ground: difference "
        "between two pixels of the white background, far from the shapes.",
        table(["", "spread", "ring", "ground"], flats),
    ]
    return "\n\n".join(shown)


def _mean_and_most(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.1f} ({max(values):.1f})" if values else ""


def _plot(results: Results) -> Image.Image:
    bars = []
    for painter, identity in _latest(results):
        for column in PERIODS:
            values = results.numbers(column, kind=WEAVE, painter=painter, identity=identity)
            if values:
                name = f"{column.removeprefix('weave_')} px"
                bars.append(Bar(painter, name, float(np.mean(values)), mean_interval(values)))
    return bar_plot(bars, title="Weave on smooth places", y="dB over the style")


EXPERIMENT = Experiment(
    name="weave",
    title="Weave on smooth places, and flat pictures",
    about=(
        "A network paints in the cells of its strides, and where it has nothing to paint it leaves "
        "a pattern that repeats with them. docs/evaluation.md explains how the weave is measured; "
        "flat pictures are painted as users get them."
    ),
    settings=Settings,
    smoke=Settings(painters=("fast",), adain=False, photographs=1, paintings=1, size=192),
    keys=("painter", "identity", "kind", "photograph", "painting"),
    columns=(*PERIODS, "smooth", *FLATS),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
