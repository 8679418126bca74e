"""Pages made of rows: a section an experiment, docs/experiments.md, and tables in other pages."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import behavior
import coarse
import fig1
import methods
import peaks
import precisions
import prices
import shape
import shelves
import transforms
import tuned
import yardstick
from impasto.images.files import write_whole
from study import RESULTS, ROOT, ROWS, Experiment, Results

PAGE = ROOT / "docs" / "experiments.md"
TABLES: dict[str, tuple[Experiment, Callable[[Results], str | None]]] = {
    "fig1 run": (fig1.EXPERIMENT, lambda results: facts(fig1.EXPERIMENT, results)),
    "fig1 curves": (fig1.EXPERIMENT, fig1.curve_table),
    "fig1 leads": (fig1.EXPERIMENT, fig1.lead_table),
    "fig1 conclusion": (fig1.EXPERIMENT, fig1.lead_text),
    "transforms": (transforms.EXPERIMENT, transforms.EXPERIMENT.tables),
    "coarse": (coarse.EXPERIMENT, coarse.EXPERIMENT.tables),
    "behavior": (behavior.EXPERIMENT, behavior.EXPERIMENT.tables),
    "methods": (methods.EXPERIMENT, methods.EXPERIMENT.tables),
    "prices": (prices.EXPERIMENT, prices.EXPERIMENT.tables),
    "tuned": (tuned.EXPERIMENT, tuned.EXPERIMENT.tables),
    "shape": (shape.EXPERIMENT, shape.EXPERIMENT.tables),
    "shape verdict": (shape.EXPERIMENT, shape.verdict),
    "shape run": (shape.EXPERIMENT, lambda results: facts(shape.EXPERIMENT, results)),
    "yardstick pairs": (yardstick.EXPERIMENT, yardstick.legend),
    "yardstick": (yardstick.EXPERIMENT, yardstick.size_tables),
    "yardstick overview": (yardstick.EXPERIMENT, yardstick.overview),
    "yardstick front": (yardstick.EXPERIMENT, yardstick.front),
    "yardstick verdict": (yardstick.EXPERIMENT, yardstick.verdict),
}
"""Parts of other pages, between ``<!-- made of results: NAME -->`` and an end mark.

Where a function gives None, a page keeps what it has.
"""
MEASURED: dict[str, tuple[str, Callable[[peaks.Rows], str]]] = {
    "memory sizes": ("memory/pictures.csv", peaks.sizes),
    "memory budgets": ("memory/pictures.csv", peaks.budgets),
    "memory soak": ("memory/soak.csv", peaks.soak),
    "int8 speed": ("int8/speed.csv", precisions.speeds),
    "int8 pictures": ("int8/pictures.csv", precisions.pictures),
}
"""Parts that are made of rows of benchmarks, which are among the results."""
SHELVES: dict[str, Callable[[shelves.Shelves], str | None]] = {
    "gallery means": shelves.means,
    "gallery styles": shelves.every,
}
"""Parts that are made of the records in the styles that ship."""
WEIGHTS = {"vgg": "VGG-19", "decoder": "decoder of AdaIN"}
"""Files of weights that numbers may rest on, and what they are called."""
_MARK = re.compile(r"(<!-- made of results: ([\w ]+) -->\n)(.*?)(\n<!-- end -->)", re.DOTALL)

HEAD = (ROOT / "experiments" / "page.md").read_text()


def section(experiment: Experiment, results: Results, *, level: str = "#", base: str = "") -> str:
    """The section of an experiment; ``base`` is where its pictures lie, from the page."""
    body = experiment.tables(results)
    body = re.sub(r"\]\((?!\w+:)([\w-]+\.\w+)\)", rf"]({base}\1)", body)
    plot = f"![{experiment.title}]({base}{experiment.name}.png)"
    return "\n\n".join(
        [f"{level} {experiment.title}", experiment.about, facts(experiment, results), body, plot]
    )


def facts(experiment: Experiment, results: Results) -> str:
    """A line on what the numbers rest on."""
    done = len({tuple(row[key] for key in experiment.keys) for row in results.rows})
    settings = ", ".join(f"{name} {_shown(value)}" for name, value in results.settings.items())
    about, files = results.about, {"all": "all", "held out": "held-out"}
    pictures = (
        f"Photographs: {', '.join(about['contents'])}; paintings: {', '.join(about['styles'])}; "
        f"judged on {files[about['files']]} files"
    )
    parts = [pictures] if experiment.drawn else []
    parts += [f"{label}: {about[name]}" for name, label in WEIGHTS.items() if name in about]
    rests = f" {'; '.join(parts)}." if parts else ""
    return (
        f"*`python experiments {experiment.name}`: {done} of {about['units']} units, "
        f"{results.minutes():.1f} minutes of work ({settings}).{rests}*"
    )


def _shown(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def write_results(experiment: Experiment, results: Results, folder: Path) -> None:
    """Write plot and text of an experiment into its folder."""
    experiment.plot(results).save(folder / f"{experiment.name}.png", optimize=True)
    text = section(experiment, results) + "\n"
    write_whole(folder / "README.md", text.encode(), overwrite=True)


def made_pages(experiments: Sequence[Experiment], pages: Sequence[Path]) -> Mapping[Path, str]:
    """Text of every page that is made of committed rows, whole or in part."""
    found, sections = {}, [HEAD.rstrip()]
    for experiment in experiments:
        folder = RESULTS / experiment.name
        if not (folder / ROWS).exists():
            continue
        results = experiment.read(folder)
        found[folder / "README.md"] = section(experiment, results) + "\n"
        base = f"../experiments/results/{experiment.name}/"
        sections.append(section(experiment, results, level="##", base=base))
    found[PAGE] = "\n\n".join(sections) + "\n"
    for page in pages:
        text = page.read_text()
        if page != PAGE and _MARK.search(text):
            found[page] = _MARK.sub(_table, text)
    return found


def _table(match: re.Match[str]) -> str:
    if match[2] in SHELVES:
        text = SHELVES[match[2]](shelves.read_shelves())
    elif match[2] in MEASURED:
        text = _measured(match[2])
    else:
        text = _made_of_results(match[2])
    return match[0] if text is None else match[1] + text + match[4]


def _made_of_results(name: str) -> str | None:
    experiment, made = TABLES[name]
    if not (RESULTS / experiment.name / ROWS).exists():
        return None
    return made(experiment.read(RESULTS / experiment.name))


def _measured(name: str) -> str | None:
    file, made = MEASURED[name]
    path = RESULTS / file
    if not path.exists():
        return None
    with path.open(newline="") as opened:
        return made(list(csv.DictReader(opened)))
