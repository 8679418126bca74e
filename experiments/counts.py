"""Numbers of paintings and of photographs: how many does a decoder for any style need?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from plots import Line, line_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table
from targets import JUDGED, by_seed, decoder_changes, early, judged
from training import learn, logged, some_of, trainable


@dataclass(frozen=True)
class Settings:
    """Steps of ``batch`` crops of ``crop`` px on each of ``counts`` pictures."""

    counts: tuple[int, ...] = (2, 10, 40, 400)
    seeds: int = 2
    steps: int = 200
    crop: int = 64
    batch: int = 4
    pairs: int = 8
    size: int = 128


def _units(bench: Bench, side: str) -> list[Unit]:
    settings: Settings = bench.settings
    most = len(trainable(getattr(bench.places, side)))
    counts = [count for count in settings.counts if count <= most]
    return [Unit({"count": n, "seed": seed}) for seed in range(settings.seeds) for n in counts]


def _measure(unit: Unit, bench: Bench, side: str) -> Iterator[Row]:
    settings: Settings = bench.settings
    count, seed = int(unit.key["count"]), int(unit.key["seed"])
    folders = getattr(bench.places, side)
    folder = some_of(folders, count, bench.work / f"pictures-{unit.name}", seed=seed)
    changes = decoder_changes(settings, seed) | {f"data.{side}": {folder: 1.0}}
    run = learn(bench, bench.work / unit.name, "adain", changes)
    for row in logged(run, "style", "content", steps=settings.steps):
        yield {"pictures": "training", **row}
    yield from judged(bench, run, settings.pairs, settings.size)


def _trained(results: Results, count: str) -> list[float]:
    """Style loss of the last quarter of the training, seed by seed, in the units of training."""
    steps, found = results.settings["steps"], []
    for seed in results.values("seed"):
        rows = results.where(count=count, seed=seed, pictures="training")
        values = [float(row["style"]) for row in rows if float(row["step"]) > 0.75 * steps]
        if values:
            found.append(float(np.mean(values)))
    return found


def _tables(results: Results, what: str) -> str:
    rows = [
        [
            count,
            mean_of(_trained(results, count), 1),
            *(mean_of(by_seed(results, name, count=count)) for name in JUDGED),
        ]
        for count in sorted(results.values("count"), key=int)
    ]
    head = [what, "style in training (sums)", "style", "content to t", "content to f(c)", "SSIM"]
    return (
        "Style loss on the training pictures, and means over held-out pairs, over the seeds:\n\n"
        + table(head, rows)
        + early(results)
    )


def _plot(results: Results, what: str) -> Image.Image:
    lines = []
    counts = sorted(results.values("count"), key=int)
    for name in ("style", "content"):
        values = {int(count): by_seed(results, name, count=count) for count in counts}
        points = [(count, float(np.mean(found))) for count, found in values.items() if found]
        band = [(c, *ends) for c, found in values.items() if (ends := mean_interval(found))]
        lines.append(Line(f"{name}, held out", points, band))
    title = f"Number of {what}: losses on held-out pairs"
    return line_plot(lines, title=title, x=what, y="mean square", log_x=True)


def _experiment(name: str, side: str, what: str, title: str, about: str) -> Experiment:
    found: Callable[[Bench], list[Unit]] = partial(_units, side=side)
    smoke = Settings(counts=(2, 3), seeds=1, steps=2, crop=32, batch=2, pairs=1, size=64)
    return Experiment(
        name=name,
        title=title,
        about=about,
        settings=Settings,
        smoke=smoke,
        keys=("count", "seed"),
        columns=("pictures", "step", *JUDGED),
        units=found,
        measure=partial(_measure, side=side),
        tables=partial(_tables, what=what),
        plot=partial(_plot, what=what),
    )


STYLES = _experiment(
    "styles",
    "styles",
    "paintings",
    "Number of paintings",
    "An early implementer found that AdaIN does not help with few styles: the decoder learns the "
    "styles instead of reading them. The paper's recipe is run on 2, 10, 40 and 400 paintings, "
    "each larger set containing the smaller ones, and judged on paintings that no run has seen.",
)
PHOTOGRAPHS = _experiment(
    "photographs",
    "contents",
    "photographs",
    "Number of photographs",
    "The same with all paintings and few photographs.",
)
