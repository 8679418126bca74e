"""Content target t against f(c): does the aligned target converge faster, as the paper says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from plots import Line, line_plot
from study import Bench, Experiment, Results, Row, Unit, gap_of, mean_of, table
from training import learn, logged

TARGETS = {"aligned": "t = AdaIN(f(c), f(s))", "content": "f(c)"}
ENOUGH = 2000
"""Steps from which on a decoder paints its styles."""
JUDGED = ("style", "content", "content_kept", "ssim")


@dataclass(frozen=True)
class Settings:
    """Steps of ``batch`` crops of ``crop`` px; judged on ``pairs`` held-out pairs of ``size`` "
    "px."""

    seeds: int = 3
    steps: int = 200
    crop: int = 64
    batch: int = 4
    pairs: int = 8
    size: int = 128


def decoder_changes(settings: Settings, seed: int) -> dict[str, object]:
    """Changes to the paper's recipe that make a decoder small enough for an experiment."""
    return {
        "data.crop": settings.crop,
        "data.resize": 2 * settings.crop,
        "batch": settings.batch,
        "iterations": settings.steps,
        "seed": seed,
        "log_every": max(settings.steps // 20, 1),
        "optimizer.learning_rate": 5e-4,  # few steps
    }


def judged(bench: Bench, run: Path, count: int, size: int) -> Iterator[Row]:
    """Numbers of what a run has learned, on held-out pairs, a row each."""
    from impasto.lab import open_run

    painter = open_run(run, vgg=bench.vgg_file)
    for number, look in enumerate(bench.looks(count, size)):
        (numbers,) = bench.judged(look, [painter.stylize(look.content, look.style)])
        yield {"pictures": f"pair {number}", **{name: numbers[name] for name in JUDGED}}


def early(results: Results) -> str:
    """A warning below runs that have hardly begun to learn."""
    steps = results.settings["steps"]
    if steps >= ENOUGH:
        return ""
    return (
        f"\n\n**{steps} steps show only the beginning**: the paper's recipe has 160,000, and the "
        "style loss of a fully trained decoder is far lower (Fig. 7, alpha 1). These results may "
        "not hold later in training."
    )


def by_seed(results: Results, column: str, **cells: object) -> list[float]:
    """Mean over the held-out pairs, seed by seed."""
    found = []
    for seed in results.values("seed"):
        rows = results.where(seed=seed, **cells)
        values = [float(r[column]) for r in rows if r["pictures"] != "training" and r[column]]
        if values:
            found.append(float(np.mean(values)))
    return found


def training_lines(results: Results, key: str, names: Mapping[str, str]) -> Sequence[Line]:
    """Style loss in training, the mean over the seeds, a line for each value of a column."""
    lines = []
    for value, text in names.items():
        rows = results.where(**{key: value, "pictures": "training"})
        steps = list(dict.fromkeys(row["step"] for row in rows))
        points = [
            (
                int(step),
                float(np.log(np.mean([float(r["style"]) for r in rows if r["step"] == step]))),
            )
            for step in steps
        ]
        if points:
            lines.append(Line(text, points))
    return lines


def _units(bench: Bench) -> list[Unit]:
    seeds = range(bench.settings.seeds)
    return [Unit({"target": target, "seed": seed}) for seed in seeds for target in TARGETS]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    changes = decoder_changes(settings, int(unit.key["seed"]))
    changes |= {"loss.content_target": unit.key["target"]}
    run = learn(bench, bench.work / unit.name, "adain", changes)
    for row in logged(run, "style", "content", steps=settings.steps):
        yield {"pictures": "training", **row}
    yield from judged(bench, run, settings.pairs, settings.size)


def _at(results: Results, target: str, share: float) -> list[float]:
    """Style loss in training up to a share of the steps from half of that on, seed by seed."""
    steps, found = results.settings["steps"] * share, []
    for seed in results.values("seed"):
        rows = results.where(target=target, seed=seed, pictures="training")
        values = [float(r["style"]) for r in rows if steps / 2 < float(r["step"]) <= steps]
        if values:
            found.append(float(np.mean(values)))
    return found


def _tables(results: Results) -> str:
    steps, shares = results.settings["steps"], (0.25, 0.5, 1.0)
    curves = [
        [text, *(mean_of(_at(results, t, s), 0) for s in shares)] for t, text in TARGETS.items()
    ]
    count = min(len(_at(results, target, 1.0)) for target in TARGETS)
    gaps = [
        gap_of(_at(results, "content", s)[:count], _at(results, "aligned", s)[:count], 0)
        for s in shares
    ]
    if count:
        curves.append(["f(c) less t, seed by seed", *gaps])
    head = ["content target", *(f"steps {steps * s / 2:.0f} to {steps * s:.0f}" for s in shares)]
    rows = [
        [text, *(mean_of(by_seed(results, name, target=target)) for name in JUDGED)]
        for target, text in TARGETS.items()
    ]
    after = ["content target", "style", "content to t", "content to f(c)", "SSIM"]
    return (
        "Style loss in training (squares summed over channels), over the seeds:\n\n"
        f"{table(head, curves)}\n\nHeld-out pairs at the end, in mean units, over the seeds:\n\n"
        f"{table(after, rows)}{early(results)}"
    )


def _plot(results: Results) -> Image.Image:
    lines = training_lines(results, "target", TARGETS)
    return line_plot(lines, title="Content target: style loss", x="step", y="ln of style loss")


EXPERIMENT = Experiment(
    name="targets",
    title="Content target: t or f(c)",
    about=(
        "The paper compares the picture's features with t, the aligned ones, instead of f(c), the "
        "photograph's own. It found that this converges slightly faster and fits the decoder's "
        "task, which is to invert AdaIN. Both runs start from the same weights and use the same "
        "crops."
    ),
    settings=Settings,
    smoke=Settings(seeds=1, steps=2, crop=32, batch=2, pairs=1, size=64),
    keys=("target", "seed"),
    columns=("pictures", "step", *JUDGED),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
