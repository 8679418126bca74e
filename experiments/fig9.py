"""Fig. 9 of Huang & Belongie 2017: the colors of the photograph are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, mean_of, pair_units, table

METHODS = ("none", "cholesky", "eigen", "monge-kantorovich", "luminance")
NAMES = {
    "none": "the style's colors",
    "cholesky": "style matched, Cholesky",
    "eigen": "style matched, eigen",
    "monge-kantorovich": "style matched, Monge-Kantorovich",
    "luminance": "luminance alone",
}
SHEET = "colors.jpg"


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of ``size`` px."""

    pairs: int = 8
    size: int = 128


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    import torch

    from impasto.lab.evaluate.pictures import color_distance

    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    made = [bench.stylizer.stylize(look.content, look.style, color=_color(m)) for m in METHODS]
    batch = torch.from_numpy(np.stack(made)).permute(0, 3, 1, 2)
    photo = torch.from_numpy(look.content.copy()).permute(2, 0, 1)[None]
    kept = color_distance(batch, photo.expand(len(made), -1, -1, -1))
    for i, numbers in enumerate(bench.judged(look, made)):
        yield {"method": METHODS[i], "to_content": float(kept[i]), "to_style": numbers["colors"],
               "style": numbers["style"]}  # fmt: skip


def _color(method: str) -> str | None:
    return None if method == "none" else method


def _pictures(bench: Bench, folder: Path) -> None:
    if (folder / SHEET).exists():
        return
    from impasto.lab.evaluate.pairs import square

    side = 2 * bench.settings.size  # to be looked at
    photo = square(ROOT / "examples" / "photos" / "coffee.jpg", side)
    style = square(ROOT / "examples" / "styles" / "night_sky.jpg", side)
    made = [bench.stylizer.stylize(photo, style, color=_color(method)) for method in METHODS]
    row = np.hstack([photo, style, *made])
    sheet = Image.fromarray(np.rint(np.clip(row, 0, 1) * 255).astype(np.uint8))
    sheet.save(folder / SHEET, quality=88, optimize=True)


def _tables(results: Results) -> str:
    columns = ("to_content", "to_style", "style")
    rows = [
        [NAMES[m], *(mean_of(results.numbers(name, method=m)) for name in columns)] for m in METHODS
    ]
    head = ["", "colors to the photograph's", "colors to the style's", "style loss"]
    return (
        f"Means over {len(results.values('pair'))} held-out pairs at {results.settings['size']} px "
        f"(colors: sliced Wasserstein distance in Lab):\n\n{table(head, rows)}\n\n"
        f"![A cup, its colors kept]({SHEET})\n\n*Photograph, style, and: "
        f"{'; '.join(NAMES.values())}.*"
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for method in METHODS:
        for name, text in (("to_content", "to the photograph's"), ("to_style", "to the style's")):
            values = results.numbers(name, method=method)
            bars.append(Bar(method, text, float(np.mean(values)), mean_interval(values)))
    return bar_plot(bars, title="Fig. 9: distance of the colors", y="Lab")


EXPERIMENT = Experiment(
    name="fig9",
    title="Fig. 9: the photograph's colors are kept",
    about=(
        "The paper first matches the style picture to the photograph's colors (Gatys et al. 2016). "
        "This compares all three maps of that paper and its luminance-only method."
    ),
    settings=Settings,
    smoke=Settings(pairs=1, size=64),
    keys=("pair",),
    columns=("method", "to_content", "to_style", "style"),
    units=pair_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    pictures=_pictures,
)
