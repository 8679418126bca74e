"""Price of content: both losses of tuned styles by the weight of the content loss."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from impasto.lab.tuning.options import TuneOptions
from plots import Line, line_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table

REFERENCE = "adain"
UNTUNED = "untuned"


@dataclass(frozen=True)
class Settings:
    """``styles`` held-out paintings tuned at each of ``prices``, dearest first.

    The first price begins with what the model says of the painting and takes ``steps`` steps; each
    other one begins where its neighbor ended, and takes ``further``. ``crop``, ``photographs`` and
    ``size`` are those of tuning: side of the crops, number of held-out photographs to be judged on
    and their shorter side.
    """

    models: tuple[str, ...] = ("quality", "fast")
    prices: tuple[float, ...] = (40.0, 20.0, 10.0, 5.0, 2.5)
    styles: int = 12
    steps: int = 120
    further: int = 60
    crop: int = 256
    photographs: int = 20
    size: int = 512

    @property
    def options(self) -> TuneOptions:
        """As settings of tuning."""
        return TuneOptions(
            steps=self.steps, crop=self.crop, judged=self.photographs, size=self.size
        )


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    # Painting by painting, so that a run that is cut off has whole rows for those that it has.
    return [
        Unit({"style": i, "model": model})
        for i in range(len(_paintings(bench)))
        for model in (REFERENCE, *settings.models)
    ]


def _paintings(bench: Bench) -> Sequence[Path]:
    """The paintings: each folder in its turn, its files in a shuffled order."""
    from impasto.lab.evaluate.pairs import folder_files

    orders = []
    for folder in bench.places.styles:
        files = folder_files(folder, held_out=not bench.places.all_files)
        order = np.random.default_rng(list(Path(folder).name.encode())).permutation(len(files))
        orders.append([files[i] for i in order])
    turns = [order[i] for i in range(max(map(len, orders))) for order in orders if i < len(order)]
    return turns[: bench.settings.styles]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    from impasto.images.options import ReadOptions
    from impasto.images.photo import fit_photo, read_photo
    from impasto.stylizer import stylizer_of

    settings: Settings = bench.settings
    photo = read_photo(_paintings(bench)[int(unit.key["style"])])
    photo = fit_photo(photo, ReadOptions.style_size, enlarge=False)
    tuner = tuner_of(bench, str(unit.key["model"]))
    style = stylizer_of(tuner.bundle, tuner.engine).style(photo, size=None)
    before = tuner.judged(style.moments, photo)
    yield {"price": UNTUNED, "content": before.content, "style_loss": before.style}
    if unit.key["model"] == REFERENCE:
        return
    options = tuner.judge.options
    for i, price in enumerate(settings.prices):
        steps = settings.further if i else settings.steps
        moments = tuner.fitted(style.moments, photo, replace(options, content=price, steps=steps))
        # Whatever it is worth at this price: the next begins there, and the curve shows it.
        style = replace(style, moments=moments)
        found = tuner.judged(moments, photo)
        yield {"price": f"{price:g}", "content": found.content, "style_loss": found.style}


@cache
def _judge(bench: Bench) -> Any:
    from impasto.lab.tuning.judge import Judge

    return Judge(list(bench.places.contents), vgg=bench.vgg_file, options=bench.settings.options)


@cache
def tuner_of(bench: Bench, model: str) -> Any:
    """A model with what it has encoded of the judge's photographs."""
    from impasto.lab.tuning.fitting import Tuner
    from impasto.models import find_bundle

    bundle = bench.bundle if model == REFERENCE else find_bundle(model)
    return Tuner(bundle, _judge(bench))


def ratios(results: Results, column: str, **cells: str) -> list[float]:
    """Losses over those of AdaIN, painting by painting, as far as both are there."""
    found = []
    for style in results.values("style"):
        own = results.numbers(column, style=style, **cells)
        theirs = results.numbers(column, style=style, model=REFERENCE)
        found += [own[0] / theirs[0]] if own and theirs else []
    return found


def ratio_table(results: Results, name: str, values: Sequence[str], *, head: str) -> str:
    """Table of both ratios for each model and each of ``values`` in the column ``name``."""
    rows = []
    for model in results.settings["models"]:
        for value in values:
            cells = [
                mean_of(ratios(results, column, model=model, **{name: value}))
                for column in ("style_loss", "content")
            ]
            if all(cells):
                rows.append([f"`{model}`", value, *cells])
    return table(["model", head, "style loss", "content loss"], rows, text_columns=2)


def _prices(results: Results) -> list[str]:
    return [UNTUNED, *(f"{price:g}" for price in results.settings["prices"])]


def _tables(results: Results) -> str:
    settings = results.settings
    shown = ratio_table(results, "price", _prices(results), head="price of content")
    return (
        f"Losses relative to AdaIN's, means over {len(results.values('style'))} held-out paintings "
        f"and {settings['photographs']} held-out photographs of {settings['size']} px, with 95 % "
        f"intervals over the paintings:\n\n{shown}\n\n"
        f"The highest price is tuned for {settings['steps']} steps from the model's own reading of "
        f"the painting, each lower price for {settings['further']} more steps from its neighbor. "
        "Vertical lines in the figure are the intervals of untuned styles."
    )


def _plot(results: Results) -> Image.Image:
    lines, widest = [], 1.0
    for model in results.settings["models"]:
        points, band = [], []
        for price in _prices(results):
            style, content = (
                ratios(results, column, model=model, price=price)
                for column in ("style_loss", "content")
            )
            if not style:
                continue
            x, ends = float(np.mean(content)), mean_interval(style)
            widest = max(widest, x)
            if price == UNTUNED:
                name = f"{model}, untuned"
                lines.append(Line(name, [(x, y) for y in ends or (float(np.mean(style)),)]))
                continue
            points.append((x, float(np.mean(style))))
            if ends:
                band.append((x, *ends))
        lines.append(Line(model, sorted(points), sorted(band)))
    lines.append(Line("AdaIN", [(1.0, 1.0), (widest, 1.0)], dashed=True))
    return line_plot(
        lines, title="Tuned styles by the price of content", x="content loss", y="style loss"
    )


EXPERIMENT = Experiment(
    name="prices",
    title="The price of content in tuned styles",
    about=(
        "`impasto lab tune` minimizes the weighted sum of the paper's two losses for one style at "
        "a time. The weight of the content loss, its price, decides how much of the photograph is "
        "given up for strokes. Both losses are relative to AdaIN's, on photographs that no style "
        "was tuned on."
    ),
    settings=Settings,
    smoke=Settings(
        models=("fast",),
        prices=(10.0, 1.0),
        styles=1,
        steps=2,
        further=1,
        crop=80,
        photographs=1,
        size=64,
    ),
    keys=("style", "model"),
    columns=("price", "content", "style_loss"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
