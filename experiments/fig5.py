"""Fig. 5 of Huang & Belongie 2017: pictures of the decoders of Fig. 6 side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fig6 import DECODERS, run_name
from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table

SHEET = "sheet.jpg"


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of ``size`` px."""

    pairs: int = 4
    size: int = 192


def _ready(bench: Bench) -> list[str]:
    """Decoders of which there is a run with a checkpoint."""
    runs = bench.work.parent / "fig6"
    return [each for each in DECODERS if (runs / run_name(each, 0) / "checkpoint.pt").exists()]


def _units(bench: Bench) -> list[Unit]:
    pairs = range(len(bench.looks(bench.settings.pairs, bench.settings.size)))
    return [Unit({"decoder": each, "pair": pair}) for each in _ready(bench) for pair in pairs]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    from impasto.lab import open_run

    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    run = bench.work.parent / "fig6" / run_name(str(unit.key["decoder"]), 0)
    painter = open_run(run, vgg=bench.vgg_file)
    made = painter.stylize(look.content, look.style)
    (numbers,) = bench.judged(look, [made])
    Image.fromarray(_bytes(made)).save(bench.work / f"{unit.name}.png")
    names = ("style", "content", "content_kept", "ssim")
    yield {"steps": painter.iterations} | {name: numbers[name] for name in names}


def _pictures(bench: Bench, folder: Path) -> None:
    """A row a pair: photograph, style, and each decoder's picture."""
    rows = []
    decoders = _ready(bench)
    for pair, look in enumerate(bench.looks(bench.settings.pairs, bench.settings.size)):
        files = [bench.work / f"{each}-{pair}.png" for each in decoders]
        if all(file.exists() for file in files):
            made = [np.asarray(Image.open(file)) for file in files]
            rows.append(np.hstack([_bytes(look.content), _bytes(look.style), *made]))
    if rows:
        sheet = Image.fromarray(np.vstack(rows))
        sheet.save(folder / SHEET, quality=88, optimize=True)


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _tables(results: Results) -> str:
    rows = []
    for decoder in results.values("decoder"):
        steps = results.where(decoder=decoder)[0]["steps"]
        cells = [
            mean_of(results.numbers(name, decoder=decoder))
            for name in ("style", "content", "content_kept", "ssim")
        ]
        rows.append([DECODERS[decoder], steps, *cells])
    head = ["decoder", "steps", "style", "content to t", "content to f(c)", "SSIM"]
    order = ", ".join(DECODERS[each] for each in results.values("decoder"))
    return (
        f"Means over {len(results.values('pair'))} held-out pairs at {results.settings['size']} "
        f"px, in mean units:\n\n{table(head, rows)}\n\n![Pictures of the decoders]({SHEET})\n\n"
        f"*Each row is a pair: photograph, style, and: {order}.*"
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for decoder in results.values("decoder"):
        for loss in ("style", "content_kept"):
            values = results.numbers(loss, decoder=decoder)
            bars.append(Bar(decoder, loss, float(np.mean(values)), mean_interval(values)))
    return bar_plot(bars, title="Fig. 5: losses of the pictures", y="mean square")


EXPERIMENT = Experiment(
    name="fig5",
    title="Fig. 5: the decoders of Fig. 6 side by side",
    about=(
        "Held-out pairs painted by each decoder trained for Fig. 6, with PyTorch "
        "(`impasto.lab.open_run`), since a bundle cannot hold two of them."
    ),
    settings=Settings,
    smoke=Settings(pairs=1, size=64),
    keys=("decoder", "pair"),
    columns=("steps", "style", "content", "content_kept", "ssim"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    pictures=_pictures,
)
