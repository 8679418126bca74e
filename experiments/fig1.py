"""Fig. 1 of Huang & Belongie 2017: batch against instance normalization."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from plots import Line, line_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, gap_of, mean_of, table
from training import STYLE, learn, logged

THROUGH = ROOT / "trained" / "johnson-wave.impasto"
INPUTS = {
    "plain": "as they are",
    "contrast": "of one contrast",
    "styled": "in one style",
}
NORMALIZATIONS = ("batch", "instance")
PARTS = 6
"""Parts of the training that the table has a column for."""


@dataclass(frozen=True)
class Settings:
    """Steps of ``batch`` crops of ``crop`` px, of ``photographs`` photographs of ``side`` px."""

    seeds: int = 3
    steps: int = 300
    crop: int = 96
    batch: int = 4
    width: int = 16
    photographs: int = 320
    side: int = 224


def _units(bench: Bench) -> list[Unit]:
    return [
        Unit({"photographs": kind, "normalization": normalization, "seed": seed})
        for seed in range(bench.settings.seeds)
        for kind in INPUTS
        for normalization in NORMALIZATIONS
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    kind = str(unit.key["photographs"])
    folder = bench.work / "photographs" / kind
    write_photographs(bench.places.contents, {kind: folder}, settings)
    changes = {
        "data.contents": {str(folder): 1.0},
        "data.styles": {str(STYLE): 1.0},
        "data.crop": settings.crop,
        "johnson.width": settings.width,
        "johnson.normalization": unit.key["normalization"],
        "optimizer.final_rate": 1.0,
        "batch": settings.batch,
        "iterations": settings.steps,
        "seed": unit.key["seed"],
        "log_every": max(settings.steps // (5 * PARTS), 1),
    }
    run = learn(bench, bench.work / unit.name, "johnson", changes)
    yield from logged(run, "style", steps=settings.steps)


def write_photographs(sources: Any, folders: dict[str, Path], settings: Settings) -> None:
    """Write random photographs to each folder, processed by its name, unless it is whole."""
    import impasto
    from impasto.lab.data.sources import find_sources, read

    found = [each for source in sources for each in find_sources(source)[0]]
    found.sort(key=lambda each: str(each.path))
    np.random.default_rng(0).shuffle(found)
    found = found[: settings.photographs]
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / ".whole").exists():
            continue
        model = impasto.load(THROUGH) if name == "styled" else None
        for i, each in enumerate(found):
            picture = read(each, shorter=settings.side, smallest=64)
            if isinstance(picture, str) or (folder / f"{i:04d}.png").exists():
                continue
            if name == "contrast":
                picture = equalized(picture)
            elif model is not None:
                picture = model.stylize(picture, model.card.styles[0])
            Image.fromarray(picture).save(folder / f"{i:04d}.png")
        (folder / ".whole").touch()


def equalized(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Equalize the histogram of luminance of a picture."""
    y, cb, cr = (np.asarray(band) for band in Image.fromarray(picture).convert("YCbCr").split())
    ranks = np.bincount(y.ravel(), minlength=256).cumsum()
    lowest = ranks[ranks > 0][0]
    levels = np.round(255 * (ranks - lowest) / max(ranks[-1] - lowest, 1)).clip(0, 255)
    bands = np.stack([levels.astype(np.uint8)[y], cb, cr], axis=2)
    return np.asarray(Image.fromarray(bands, "YCbCr").convert("RGB"))


def of_part(results: Results, kind: str, normalization: str, part: int) -> list[float]:
    """Mean style loss of a part of the training, seed by seed; only seeds that both layers have."""
    steps = results.settings["steps"]
    low, high = steps * part / PARTS, steps * (part + 1) / PARTS
    found = []
    for seed in shared_seeds(results, kind):
        rows = results.where(photographs=kind, normalization=normalization, seed=seed)
        inside = [float(row["style"]) for row in rows if low < float(row["step"]) <= high]
        found.append(float(np.mean(inside)))
    return found


def shared_seeds(results: Results, kind: str) -> list[str]:
    """Seeds with both normalizations."""
    have = [
        {row["seed"] for row in results.where(photographs=kind, normalization=each)}
        for each in NORMALIZATIONS
    ]
    return sorted(have[0] & have[1], key=int)


def curve_table(results: Results) -> str:
    """Style loss over the parts of the training."""
    steps = results.settings["steps"]
    head = ["photographs", "normalization"]
    head += [f"to {steps * (part + 1) // PARTS}" for part in range(PARTS)]
    rows = [
        [
            text,
            normalization,
            *(mean_of(of_part(results, kind, normalization, p), 1) for p in range(PARTS)),
        ]
        for kind, text in INPUTS.items()
        if shared_seeds(results, kind)
        for normalization in NORMALIZATIONS
    ]
    return table(head, rows, text_columns=2)


def lead_table(results: Results) -> str:
    """Lead of instance normalization, beside the paper's."""
    steps, theirs = results.settings["steps"], results.published
    head = ["photographs", "seeds", f"to {2 * steps // PARTS}", f"to {steps}", "the paper (f)"]
    rows = []
    for kind, text in INPUTS.items():
        both = {n: [of_part(results, kind, n, p) for p in range(PARTS)] for n in NORMALIZATIONS}
        seeds = len(shared_seeds(results, kind))
        if seeds:
            gaps = [gap_of(both["batch"][p], both["instance"][p], 1) for p in (1, PARTS - 1)]
            paper = theirs["batch"][kind] - theirs["instance"][kind]
            rows.append([text, str(seeds), *gaps, f"{paper:+.2f}"])
    return table(head, rows)


def lead_text(results: Results) -> str:
    """A sentence on how much of the lead each kind of photographs takes away, seed by seed."""
    parts = []
    for part, when in ((1, "early (second column)"), (PARTS - 1, "at the end")):
        leads = {}
        for kind in INPUTS:
            both = [of_part(results, kind, each, part) for each in NORMALIZATIONS]
            leads[kind] = [one - other for one, other in zip(*both, strict=True)]
        count = min(map(len, leads.values()))
        if not count:
            continue
        gaps = [gap_of(leads["plain"][:count], leads[k][:count], 1) for k in ("styled", "contrast")]
        parts.append(
            f"{when}, the lead on photographs as they are minus that on photographs in one style "
            f"is {gaps[0]}, and minus that on photographs of one contrast {gaps[1]}"
        )
    text = "; ".join(parts)
    return text[:1].upper() + text[1:] + "." if text else ""


def _tables(results: Results) -> str:
    return (
        "Mean style loss of the steps up to each mark, over the seeds:\n\n"
        f"{curve_table(results)}\n\n"
        "Lead of instance normalization (batch minus instance, seed by seed), and the paper's "
        f"after 5,000 steps in its own units:\n\n{lead_table(results)}\n\n{lead_text(results)}"
    )


def _plot(results: Results) -> Image.Image:
    lines = []
    for kind, text in INPUTS.items():
        for normalization in NORMALIZATIONS:
            rows = results.where(photographs=kind, normalization=normalization)
            steps = list(dict.fromkeys(int(row["step"]) for row in rows))
            at = {s: [float(r["style"]) for r in rows if int(r["step"]) == s] for s in steps}
            if at:
                points = [(s, float(np.log(np.mean(values)))) for s, values in at.items()]
                name = f"{normalization}, {text}"
                lines.append(Line(name, points, dashed=normalization == "batch"))
    return line_plot(lines, title="Fig. 1: style loss in training", x="step", y="ln of style loss")


EXPERIMENT = Experiment(
    name="fig1",
    title="Fig. 1: why instance normalization learns a style faster",
    about=(
        "The paper's answer: it removes the photograph's own *style*. If so, photographs that "
        "already share one style should leave little of its lead over batch normalization, and "
        "photographs that share one contrast should leave the lead unchanged. The `johnson` "
        "network is trained on `stained_glass` with three kinds of photographs: unchanged, with "
        "equalized luminance, and painted by `trained/johnson-wave.impasto`. Both layers of a seed "
        "start from the same weights and see the same crops. The paper uses other units (and its "
        "figure was read by eye), so only signs and proportions can be compared."
    ),
    settings=Settings,
    smoke=Settings(seeds=1, steps=6, crop=32, batch=2, width=8, photographs=10, side=64),
    keys=("photographs", "normalization", "seed"),
    columns=("step", "style"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
