"""Training runs of experiments: configs of the lab with other pictures, and their logs."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from impasto.errors import OptionError
from impasto.lab.data.sources import is_held_out
from study import ROOT, Bench, Row

if TYPE_CHECKING:
    from impasto.lab import TrainConfig

CONFIGS = {
    "adain": ROOT / "configs" / "adain-paper.toml",
    "concat": ROOT / "experiments" / "configs" / "adain-concat.toml",
    "batch": ROOT / "experiments" / "configs" / "adain-bn.toml",
    "instance": ROOT / "experiments" / "configs" / "adain-in.toml",
    "johnson": ROOT / "configs" / "johnson.toml",
    "stylebank": ROOT / "configs" / "stylebank.toml",
}
STYLE = ROOT / "examples" / "styles" / "stained_glass.jpg"
"""The style of networks of one style."""


def learn(bench: Bench, run: Path, network: str, changes: Mapping[str, object]) -> Path:
    """Train as a config of the repository says, with ``changes``, unless that is done already.

    Args:
        bench: pictures and VGG.
        run: the run folder; one with a checkpoint is gone on with.
        network: a name of ``CONFIGS``.
        changes: values by their dotted names; ``data.contents`` and ``data.styles`` are the
            folders of the bench where they are left out.
    """
    from impasto.lab import read_config, train
    from impasto.lab.training.checkpoints import CHECKPOINT, read_checkpoint

    config = read_config(
        CONFIGS[network],
        changes={
            "vgg": str(bench.vgg_file),
            "data.contents": dict(bench.places.contents),
            "data.styles": dict(bench.places.styles),
            "preview_every": 0,
            **changes,
        },
    )
    done = 0
    if (run / CHECKPOINT).exists():
        done = read_checkpoint(run / CHECKPOINT)["step"]
        _check(run, config)
    if done < config.iterations:
        train(config, run)
    return run


def _check(run: Path, config: TrainConfig) -> None:
    """Refuse a run that was made in another way, but for its number of steps.

    Raises:
        OptionError: naming the first difference.
    """
    from impasto.lab.training.places import run_config

    found = run_config(run)
    for name in ("network", "batch", "seed", "loss", "optimizer", "method"):
        if getattr(found, name) != getattr(config, name):
            raise OptionError(
                f"{run}: has {name} = {getattr(found, name)}, not {getattr(config, name)}; give "
                "another --work, or the same settings"
            )
    for name in ("crop", "resize", "flip"):
        if getattr(found.data, name) != getattr(config.data, name):
            raise OptionError(
                f"{run}: has {name} = {getattr(found.data, name)}, not "
                f"{getattr(config.data, name)}; give another --work, or the same settings"
            )


def logged(run: Path, *columns: str, steps: int, file: str = "log.csv") -> Iterator[Row]:
    """Rows of a log up to a step: ``step`` and ``columns``."""
    with (run / file).open(newline="") as lines:
        for row in csv.DictReader(lines):
            if int(row["step"]) <= steps:
                yield {"step": row["step"], **{column: row[column] for column in columns}}


def some_of(folders: Iterable[str], count: int, target: Path, *, seed: int) -> str:
    """A folder from which training takes ``count`` pictures, drawn by ``seed``: links to them.

    A larger draw of the same seed begins with the smaller one.  Of every folder something is held
    out, so there is one more link, whose name puts it on that side.

    Raises:
        OptionError: if there are not so many.
    """
    found = trainable(folders)
    if len(found) < count:
        raise OptionError(f"there are {len(found)} pictures to train on, not {count}")
    np.random.default_rng(seed).shuffle(found)
    target.mkdir(parents=True, exist_ok=True)
    for i, file in enumerate([*found[:count], found[-1]]):
        link = target / f"{i:04d}-{file.name}"
        while is_held_out(link.name) != (i == count):  # the split goes by the name
            link = link.with_name(f"0{link.name}")
        if not link.is_symlink():
            link.symlink_to(file.resolve())
    return str(target)


def trainable(folders: Iterable[str]) -> list[Path]:
    """The pictures of folders that are not held out, sorted."""
    from impasto.lab.evaluate.pairs import folder_files

    files = (file for folder in folders for file in folder_files(folder, held_out=False))
    return sorted(file for file in files if not is_held_out(file.name))
