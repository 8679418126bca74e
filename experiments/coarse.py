"""Larger strokes (``coarse``): several factors and shares of detail, on held-out pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image

from impasto.controls import Controls, coarse
from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, gap_of, mean_of, pair_units, table

COLUMNS = ("style", "content", "wasserstein", "ssim", "edges")
HEAD = ("style loss", "content loss", "sliced Wasserstein", "SSIM", "edges")


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of ``size`` px; each factor, ``studied`` with each share of detail."""

    pairs: int = 30
    size: int = 512
    model: str = "quality"
    factors: tuple[float, ...] = (1.0, 2.0, 3.0, 4.0)
    studied: float = 2.0
    details: tuple[float, ...] = (0.0, 1.0)


def cases(settings: Settings) -> list[tuple[float, float]]:
    """Factors of the strokes with shares of detail, in the order of the table."""
    found = {(factor, coarse.DETAIL) for factor in settings.factors}
    found |= {(settings.studied, detail) for detail in settings.details}
    return sorted(found)


@contextmanager
def given_back(detail: float) -> Iterator[None]:
    """Give back that share of the photograph's detail; a constant of the package else."""
    usual = coarse.DETAIL
    coarse.DETAIL = detail
    try:
        yield
    finally:
        coarse.DETAIL = usual


@cache
def _model(name: str) -> Any:
    import impasto

    return impasto.load(name, engine="onnxruntime", precision="fp32")


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    model = _model(settings.model)
    style, pictures = model.style(look.style, size=None), []
    for factor, detail in cases(settings):
        with given_back(detail):
            pictures.append(model.paint(look.content, style, Controls(coarse=factor)).image)
    judged = bench.judged(look, pictures)
    for (factor, detail), numbers in zip(cases(settings), judged, strict=True):
        cells = {column: numbers[column] for column in COLUMNS}
        yield {"coarse": f"{factor:g}", "detail": f"{detail:g}", **cells}


def _named(results: Results) -> list[tuple[str, str, str]]:
    """Factor, share of detail and name of each case, as they stand in the rows."""
    found = []
    for factor, detail in dict.fromkeys((row["coarse"], row["detail"]) for row in results.rows):
        share = "" if float(factor) == 1 else f", {100 * float(detail):.0f} % of the detail"
        used = " (this is used)" if share and float(detail) == coarse.DETAIL else ""
        found.append((factor, detail, f"`--coarse {factor}`{share}{used}"))
    return found


def _tables(results: Results) -> str:
    rows = [
        [name, *(mean_of(results.numbers(c, coarse=factor, detail=detail), 3) for c in COLUMNS)]
        for factor, detail, name in _named(results)
    ]
    pairs, settings = len(results.values("pair")), results.settings
    return (
        f"Means over {pairs} held-out pairs at {settings['size']} px with `{settings['model']}`, "
        "in single precision:\n\n"
        f"{table(['', *HEAD], rows)}\n\n{_gaps(results)}"
    )


def _gaps(results: Results) -> str:
    """Lines on what each factor changes, pair by pair."""
    lines = []
    for factor, detail, name in _named(results):
        if float(factor) == 1 or float(detail) != coarse.DETAIL:
            continue
        style, ssim = (
            gap_of(
                results.numbers(column, coarse=factor, detail=detail),
                results.numbers(column, coarse="1"),
            )
            for column in ("style", "ssim")
        )
        short = name.split(",")[0]
        lines.append(
            f"* {short} minus `--coarse 1`, pair by pair: style loss {style}, SSIM {ssim}."
        )
    return "\n".join(lines)


def _plot(results: Results) -> Image.Image:
    bars = []
    for factor, detail, _ in _named(results):
        share = "" if float(factor) == 1 else f" + {detail}"
        for column in ("style", "ssim"):
            values = results.numbers(column, coarse=factor, detail=detail)
            mean = sum(values) / len(values)
            bars.append(Bar(f"{factor}{share}", column, mean, mean_interval(values)))
    return bar_plot(bars, title="Larger strokes: factor + share of detail", y="style loss, SSIM")


EXPERIMENT = Experiment(
    name="coarse",
    title="Larger strokes",
    about=(
        "`--coarse` paints a picture at 1/K of its size, enlarges it, restores a share of the "
        "photograph's fine detail and paints it again. What does that cost, and how large should "
        "the share be? Lower is better for style, content and sliced Wasserstein distance; SSIM "
        "and edges show how much of the photograph is left."
    ),
    settings=Settings,
    smoke=Settings(pairs=1, size=64, factors=(1.0, 2.0), details=(0.0,)),
    keys=("pair",),
    columns=("coarse", "detail", *COLUMNS),
    units=pair_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
