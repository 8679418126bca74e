"""Batch normalization at batches of 1, 2, 4 and 8, beside instance normalization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, mean_of, table
from training import STYLE, learn, logged


@dataclass(frozen=True)
class Settings:
    """Steps of each of ``batches`` crops of ``crop`` px; judged on ``pictures`` of ``size`` px."""

    batches: tuple[int, ...] = (1, 2, 4, 8)
    seeds: int = 2
    steps: int = 200
    crop: int = 64
    width: int = 16
    pictures: int = 8
    size: int = 128


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    return [
        Unit({"batch": batch, "normalization": normalization, "seed": seed})
        for seed in range(settings.seeds)
        for batch in settings.batches
        for normalization in ("batch", "instance")
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    changes = {
        "data.styles": {str(STYLE): 1.0},
        "data.crop": settings.crop,
        "johnson.width": settings.width,
        "johnson.normalization": unit.key["normalization"],
        "optimizer.final_rate": 1.0,
        "batch": unit.key["batch"],
        "iterations": settings.steps,
        "seed": unit.key["seed"],
        "log_every": max(settings.steps // 10, 1),
    }
    run = learn(bench, bench.work / unit.name, "johnson", changes)
    for row in logged(run, "style", steps=settings.steps):
        yield {"mode": "training", **row}
    yield from _held_out(bench, run, settings)


def _held_out(bench: Bench, run: object, settings: Settings) -> Iterator[Row]:
    """Style loss on held-out photographs, with running statistics and with those of a batch."""
    import torch

    from impasto.lab.training.checkpoints import CHECKPOINT, start_from
    from impasto.lab.training.networks import find_network
    from impasto.lab.training.places import run_config
    from impasto.lab.training.setup import open_setup

    config = run_config(run)
    row = find_network(config.network)
    setup = open_setup(config, row, torch.device("cpu"), begun=True)
    start_from(setup.learned, run / CHECKPOINT)
    photos = [
        torch.from_numpy(look.content.copy()).permute(2, 0, 1)
        for look in bench.looks(settings.pictures, settings.size)
    ]
    batch = setup.objective.prepare(torch.stack(photos), torch.zeros(len(photos), dtype=torch.long))
    with torch.no_grad():
        for mode in ("statistics of the batch", "running statistics"):
            setup.learned.train(mode != "running statistics")
            setup.learned.requires_grad_(False)
            kept = {name: value.clone() for name, value in setup.learned.state_dict().items()}
            pictures = setup.objective.pictures(setup.learned, batch)
            setup.learned.load_state_dict(kept)  # a pass in training moves the statistics
            yield {"mode": mode, "style": float(setup.objective.terms(pictures, batch)["style"])}


def _values(results: Results, mode: str, **cells: object) -> list[float]:
    return [float(row["style"]) for row in results.where(mode=mode, **cells)]


def _trained(results: Results, **cells: object) -> list[float]:
    """Style loss of the last quarter of the training, seed by seed."""
    steps, found = results.settings["steps"], []
    for seed in results.values("seed"):
        rows = results.where(mode="training", seed=seed, **cells)
        late = [float(row["style"]) for row in rows if float(row["step"]) > 0.75 * steps]
        if late:
            found.append(float(np.mean(late)))
    return found


def _tables(results: Results) -> str:
    rows = []
    for batch in sorted(results.values("batch"), key=int):
        for normalization in ("batch", "instance"):
            cells = {"batch": batch, "normalization": normalization}
            rows.append(
                [
                    normalization,
                    batch,
                    mean_of(_trained(results, **cells), 1),
                    mean_of(_values(results, "statistics of the batch", **cells), 1),
                    mean_of(_values(results, "running statistics", **cells), 1),
                ]
            )
    head = ["normalization", "batch", "in training", "held out, a batch", "held out, running"]
    return (
        f"Style loss after {results.settings['steps']} steps, over the seeds: in the last quarter "
        f"of the training, and on {results.settings['pictures']} held-out photographs with the "
        "statistics of that batch and with the running ones, as used at inference (both are the "
        f"same for instance normalization):\n\n{table(head, rows, text_columns=2)}"
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for batch in sorted(results.values("batch"), key=int):
        for normalization in ("batch", "instance"):
            cells = {"batch": batch, "normalization": normalization}
            values = _values(results, "running statistics", **cells)
            if values:
                name = f"{normalization} normalization"
                bars.append(
                    Bar(f"batch {batch}", name, float(np.mean(values)), mean_interval(values))
                )
    return bar_plot(bars, title="Held-out style loss by size of the batch", y="style loss")


EXPERIMENT = Experiment(
    name="batches",
    title="Batch normalization in small batches",
    about=(
        "Batch normalization takes its statistics from the pictures of a batch, and a small batch "
        "does not represent the data. At inference it uses running statistics, which it was not "
        "trained with. The `johnson` network is trained with both layers at batches of 1 to 8, for "
        "the same number of steps."
    ),
    settings=Settings,
    smoke=Settings(batches=(1, 2), seeds=1, steps=2, crop=32, width=8, pictures=2, size=64),
    keys=("batch", "normalization", "seed"),
    columns=("mode", "step", "style"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
