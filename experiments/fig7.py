"""Fig. 7 of Huang & Belongie 2017: a picture at strengths between content and style."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.batch.figures import ALPHAS
from impasto.lab.evaluate.intervals import mean_interval
from plots import Line, line_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, mean_of, pair_units, table

COLUMNS = ("style", "content_kept", "ssim")
SHEET = "strip.jpg"


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of ``size`` px."""

    pairs: int = 8
    size: int = 128


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    made = [bench.stylizer.stylize(look.content, look.style, alpha=alpha) for alpha in ALPHAS]
    for alpha, numbers in zip(ALPHAS, bench.judged(look, made), strict=True):
        yield {"alpha": alpha, **{name: numbers[name] for name in COLUMNS}}


def _pictures(bench: Bench, folder: Path) -> None:
    import impasto

    if (folder / SHEET).exists():
        return
    content, style = (ROOT / "examples" / each for each in ("photos/rocket.jpg", "styles/wave.jpg"))
    drawn = impasto.strip(bench.stylizer, content, style, size=2 * bench.settings.size)
    drawn.save(folder / SHEET, quality=88, optimize=True)


def _tables(results: Results) -> str:
    rows = [
        [alpha, *(mean_of(results.numbers(name, alpha=alpha)) for name in COLUMNS)]
        for alpha in results.values("alpha")
    ]
    head = ["alpha", "style", "content to f(c)", "SSIM"]
    return (
        f"Means over {len(results.values('pair'))} held-out pairs at {results.settings['size']} "
        f"px:\n\n{table(head, rows)}\n\n![A rocket at five strengths]({SHEET})\n\n"
        "*alpha 0, 0.25, 0.5, 0.75, 1, and the style. At 0 the studio returns the photograph "
        "itself, where the paper's figure shows the decoder's reconstruction.*"
    )


def _plot(results: Results) -> Image.Image:
    lines = []
    for name in COLUMNS[:2]:
        points, band = [], []
        for alpha in results.values("alpha"):
            values = results.numbers(name, alpha=alpha)
            points.append((float(alpha), float(np.mean(values))))
            if ends := mean_interval(values):
                band.append((float(alpha), *ends))
        lines.append(Line(name, points, band))
    return line_plot(lines, title="Fig. 7: losses by strength", x="alpha", y="mean square")


EXPERIMENT = Experiment(
    name="fig7",
    title="Fig. 7: content against style at runtime",
    about="One network for any strength: the features are mixed with the aligned ones, eq. 14.",
    settings=Settings,
    smoke=Settings(pairs=1, size=64),
    keys=("pair",),
    columns=("alpha", *COLUMNS),
    units=pair_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    pictures=_pictures,
)
