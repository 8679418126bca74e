"""Fig. 10 of Huang & Belongie 2017: two styles in two regions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, gap_of, mean_of, table

SHEET = "regions.jpg"


@dataclass(frozen=True)
class Settings:
    """``pairs`` photographs of ``size`` px, each with the styles of two held-out pairs."""

    pairs: int = 8
    size: int = 160


def _units(bench: Bench) -> list[Unit]:
    pairs = range(len(bench.looks(bench.settings.pairs + 1, bench.settings.size)) - 1)
    return [Unit({"pair": pair}) for pair in pairs]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    looks = bench.looks(settings.pairs + 1, settings.size)
    pair = int(unit.key["pair"])
    content, styles = looks[pair].content, [looks[pair].style, looks[pair + 1].style]
    left = _left(settings.size)
    made = bench.stylizer.stylize(content, styles, masks=[left, 1 - left])
    half = settings.size // 2
    for side, picture in (("left", made[:, :half]), ("right", made[:, half:])):
        for style, painting in zip(("left", "right"), styles, strict=True):
            yield {"half": side, "style": style, "loss": _style_loss(bench, picture, painting)}


def _left(size: int) -> NDArray[np.float32]:
    mask = np.zeros((size, size), np.float32)
    mask[:, : size // 2] = 1
    return mask


def _style_loss(bench: Bench, picture: NDArray[np.float32], style: NDArray[np.float32]) -> float:
    import torch

    from impasto.lab.losses import STYLE_LAYERS, style_loss

    with torch.no_grad():
        seen = [
            bench.vgg(torch.from_numpy(each.copy()).permute(2, 0, 1)[None], STYLE_LAYERS)
            for each in (picture, style)
        ]
        return float(style_loss(*seen))


def _pictures(bench: Bench, folder: Path) -> None:
    if (folder / SHEET).exists():
        return
    from impasto.lab.evaluate.pairs import square

    side = 2 * bench.settings.size  # to be looked at
    photo = square(ROOT / "examples" / "photos" / "astronaut.jpg", side)
    names = ("wave", "stained_glass")
    styles = [square(ROOT / "examples" / "styles" / f"{name}.jpg", side) for name in names]
    left = _left(side)
    made = bench.stylizer.stylize(photo, styles, masks=[left, 1 - left])
    row = np.hstack([photo, *styles, made])
    sheet = Image.fromarray(np.rint(np.clip(row, 0, 1) * 255).astype(np.uint8))
    sheet.save(folder / SHEET, quality=88, optimize=True)


def _tables(results: Results) -> str:
    rows = []
    for half in ("left", "right"):
        other = "right" if half == "left" else "left"
        own = results.numbers("loss", half=half, style=half)
        theirs = results.numbers("loss", half=half, style=other)
        rows.append([f"{half} half", mean_of(own), mean_of(theirs), gap_of(own, theirs)])
    head = ["", "to its own style", "to the other half's", "difference"]
    return (
        f"Style loss of each half, means over {len(results.values('pair'))} pictures at "
        f"{results.settings['size']} px:\n\n{table(head, rows)}\n\n![Two regions]({SHEET})\n\n"
        "*Photograph, the two styles, and the picture: wave on the left, stained glass on the "
        "right.*"
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for half in ("left", "right"):
        for style in ("left", "right"):
            values = results.numbers("loss", half=half, style=style)
            text = f"to the {style} half's style"
            bars.append(Bar(f"{half} half", text, float(np.mean(values)), mean_interval(values)))
    return bar_plot(bars, title="Fig. 10: style loss of each half", y="mean square")


EXPERIMENT = Experiment(
    name="fig10",
    title="Fig. 10: regions",
    about=(
        "Two masks with a style each: AdaIN by region. Each half should be closer to its own style "
        "than to that of the other half."
    ),
    settings=Settings,
    smoke=Settings(pairs=1, size=64),
    keys=("pair",),
    columns=("half", "style", "loss"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    pictures=_pictures,
)
