"""Styles that ship beside AdaIN: both losses on photographs that no style was tuned on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.images.photo import Photo
from impasto.lab.evaluate.intervals import mean_interval
from impasto.lab.export.gallery import Work, read_works
from impasto.lab.tuning.options import TuneOptions
from impasto.styles.style import Style
from plots import Bar, bar_plot
from prices import REFERENCE, UNTUNED, ratio_table, ratios, tuner_of
from shelves import style_files
from study import Bench, Experiment, Results, Row, Unit, mean_of, table
from weave import PERIODS

TUNED = "tuned"


@dataclass(frozen=True)
class Settings:
    """``works`` of the gallery, evenly taken, on ``photographs`` of ``size`` px.

    The pictures of the works are in the folder that ``--styles`` names; ``picture`` is one that
    stands for all of them, where they are not at hand.
    """

    models: tuple[str, ...] = ("quality", "fast")
    works: int = 20
    photographs: int = 20
    size: int = 512
    picture: str = ""

    @property
    def options(self) -> TuneOptions:
        """As settings of tuning."""
        return TuneOptions(judged=self.photographs, size=self.size)


def works_of(settings: Settings) -> list[Work]:
    """The works, in the order of the gallery."""
    every = read_works()
    places = np.linspace(0, len(every), min(settings.works, len(every)), endpoint=False)
    return [every[int(place)] for place in places]


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    return [
        Unit({"style": work.name, "model": model})
        for work in works_of(settings)
        for model in (REFERENCE, *settings.models)
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    from impasto.images.options import ReadOptions
    from impasto.images.photo import fit_photo, read_photo
    from impasto.stylizer import stylizer_of

    model, name = str(unit.key["model"]), str(unit.key["style"])
    work = next(each for each in works_of(bench.settings) if each.name == name)
    folder = next(iter(bench.places.styles))
    photo = read_photo(Path(folder, bench.settings.picture or work.file))
    photo = fit_photo(photo, ReadOptions.style_size, enlarge=False)
    tuner = tuner_of(bench, model)
    stylizer = stylizer_of(tuner.bundle, tuner.engine)
    styles = {UNTUNED: stylizer.style(photo, size=None)}
    if model != REFERENCE:
        styles[TUNED] = stylizer.find(style_files(stylizer.identity)[name])
    for state, style in styles.items():
        found = tuner.judged(style.moments, photo)
        weave = _weave(tuner, style, photo)
        yield {"state": state, "content": found.content, "style_loss": found.style, **weave}


def _weave(tuner: Any, style: Style, photo: Photo) -> Row:
    """Means of the weave over the photographs with smooth areas."""
    import torch

    from impasto.lab.evaluate.weave import FEWEST, smooth_places, weave

    rows, own = [], torch.from_numpy(np.ascontiguousarray(photo.image.transpose(2, 0, 1)))[None]
    for each in tuner.unseen:
        content = torch.from_numpy(each.seen.image)[None]
        if int(smooth_places(content).sum()) >= FEWEST:
            painted = torch.from_numpy(tuner.painted(each, style.moments))[None]
            rows.append([float(value) for value in weave(painted, content, own).values()])
    return dict(zip(PERIODS, np.mean(rows, axis=0).tolist(), strict=True)) if rows else {}


def _tables(results: Results) -> str:
    return (
        f"{_losses(results)}\n\nWeave in dB, on the photographs with smooth areas:\n\n"
        f"{_weaves(results)}"
    )


def _weaves(results: Results) -> str:
    rows = []
    for model in (REFERENCE, *results.settings["models"]):
        for state in (UNTUNED, TUNED):
            if found := results.where(model=model, state=state):
                values = [[float(row[c]) for row in found if row[c]] for c in PERIODS]
                rows.append([f"`{model}`", state, *map(mean_of, values)])
    return table(["model", "style", "4 px", "8 px", "16 px"], rows, text_columns=2)


def _losses(results: Results) -> str:
    settings = results.settings
    shown = ratio_table(results, "state", (UNTUNED, TUNED), head="style")
    return (
        f"Losses relative to AdaIN's, means over {len(results.values('style'))} styles of the "
        f"gallery and {settings['photographs']} held-out photographs of {settings['size']} px, "
        f"with 95 % intervals over the styles:\n\n{shown}"
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for column, words in (("style_loss", "style loss"), ("content", "content loss")):
        for model in results.settings["models"]:
            for state in (UNTUNED, TUNED):
                if found := ratios(results, column, model=model, state=state):
                    mean, interval = float(np.mean(found)), mean_interval(found)
                    bars.append(Bar(words, f"{model}, {state}", mean, interval))
    return bar_plot(bars, title="Styles of the gallery", y="times AdaIN's")


EXPERIMENT = Experiment(
    name="tuned",
    title="Tuned styles beside AdaIN",
    about=(
        "Some of the styles that ship, both as the model reads them and as tuned: both losses "
        "relative to AdaIN's, on photographs that no style was tuned on, and the weave in their "
        "smooth areas."
    ),
    settings=Settings,
    smoke=Settings(models=("fast",), works=1, photographs=1, size=64, picture="wave.jpg"),
    keys=("style", "model"),
    columns=("state", "content", "style_loss", *PERIODS),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
