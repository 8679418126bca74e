"""Tables and figures of the AdaIN paper, and small experiments around it, as commands.

python experiments NAME --contents photos/ --styles paintings/ --vgg vgg_normalised.pth
python experiments yardstick --standard data/ --vgg vgg_normalised.pth --decoder decoder.pth
python experiments all --smoke --budget 10 -o runs/paper
python experiments page
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import batches
import behavior
import borders
import coarse
import counts
import fig1
import fig3
import fig5
import fig6
import fig7
import fig8
import fig9
import fig10
import methods
import prices
import shape
import swap
import table1
import targets
import transforms
import tuned
import weave
import yardstick
from impasto.errors import ImpastoError, OptionError
from impasto.images.files import write_whole
from options import add_places, places_of
from pages import made_pages, write_results
from study import RESULTS, ROOT, Bench, Experiment, run

EXPERIMENTS: dict[str, Experiment] = {
    each.name: each
    for each in (
        table1.EXPERIMENT,
        fig1.EXPERIMENT,
        fig3.EXPERIMENT,
        fig6.EXPERIMENT,
        fig5.EXPERIMENT,  # of the networks of fig6
        fig7.EXPERIMENT,
        fig8.EXPERIMENT,
        fig9.EXPERIMENT,
        fig10.EXPERIMENT,
        targets.EXPERIMENT,
        batches.EXPERIMENT,
        counts.STYLES,
        counts.PHOTOGRAPHS,
        transforms.EXPERIMENT,
        swap.EXPERIMENT,
        borders.EXPERIMENT,
        coarse.EXPERIMENT,
        behavior.EXPERIMENT,
        yardstick.EXPERIMENT,
        weave.EXPERIMENT,
        methods.EXPERIMENT,
        prices.EXPERIMENT,
        tuned.EXPERIMENT,
        shape.EXPERIMENT,
    )
}


def main() -> None:
    """Run experiments, list them, or make the pages."""
    options = parser().parse_args()
    try:
        if options.name == "list":
            for each in EXPERIMENTS.values():
                print(f"{each.name:12} {each.title}")
        elif options.name == "page":
            sys.exit(_pages(check=options.check))
        else:
            _run(options)
    except ImpastoError as error:
        sys.exit(f"experiments: {error}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(prog="experiments", description=(__doc__ or "").splitlines()[0])
    add = made.add_argument
    names = [*EXPERIMENTS, "all", "list", "page"]
    add("name", choices=names, metavar="NAME", help=f"one of {', '.join(names)}")
    add_places(made)
    add("--budget", type=float, metavar="MINUTES", help="time limit for everything together")
    add("--seeds", type=int, metavar="N", help="number of seeds for training")
    add("--painter", action="append", metavar="NAME|FILE", help="with weave: a painter to measure")
    add("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a setting")
    add("--smoke", action="store_true", help="run in seconds, to test only; results mean nothing")
    add("-o", "--out", type=Path, metavar="DIR", help="default: runs/experiments")
    add("--work", type=Path, metavar="DIR", help="training runs (default: OUT/work)")
    add(
        "--check", action="store_true", help="with page: write nothing, and fail if a page is stale"
    )
    return made


def settings_of(experiment: Experiment, options: argparse.Namespace) -> Any:
    """Settings of an experiment by the command line.

    Raises:
        OptionError: for a field that it has not, or a value of another kind; of ``all``, those that
            have the field take it.
    """
    settings = experiment.smoke if options.smoke else experiment.settings()
    fields = {field.name for field in dataclasses.fields(settings)}
    changes: dict[str, Any] = {}
    given = [*options.set, *([f"seeds={options.seeds}"] if options.seeds else [])]
    for text in given:
        name, _, value = text.partition("=")
        if name not in fields:
            if options.name == "all" or name == "seeds":
                continue
            raise OptionError(
                f"{experiment.name} has no setting {name!r}; its settings are "
                + ", ".join(sorted(fields))
            )
        try:
            read = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            read = value
        usual = getattr(settings, name)
        if isinstance(usual, tuple):
            read = tuple(read) if isinstance(read, list) else (read,)
        elif isinstance(usual, int | float) and not isinstance(read, int | float):
            raise OptionError(f"{name} is {value!r}; it must be a number")
        changes[name] = read
    if options.painter:
        if "painters" not in fields:
            raise OptionError(f"{experiment.name} takes no --painter; weave does")
        changes["painters"] = tuple(options.painter)
    return dataclasses.replace(settings, **changes)


def _run(options: argparse.Namespace) -> None:
    chosen = list(EXPERIMENTS.values()) if options.name == "all" else [EXPERIMENTS[options.name]]
    out: Path = options.out or ROOT / "runs" / "experiments"
    work: Path = options.work or out / "work"
    places = places_of(options)
    end = None if options.budget is None else time.monotonic() + 60 * options.budget
    bench = None
    for number, experiment in enumerate(chosen):
        settings = settings_of(experiment, options)
        bench = Bench(settings, places, work / experiment.name, opened=bench)
        # What one leaves of its share is for those behind it.
        minutes = None
        if end is not None:
            minutes = max(end - time.monotonic(), 0) / 60 / (len(chosen) - number)
        folder = out / experiment.name
        found = run(experiment, bench, folder, minutes=minutes)
        if found is not None:
            write_results(experiment, found, folder)


def _pages(*, check: bool) -> int:
    """Write the pages, or tell how many are not as they would be written."""
    stale = 0
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for path, text in made_pages(list(EXPERIMENTS.values()), pages).items():
        if path.exists() and path.read_text() == text:
            continue
        name = path.relative_to(ROOT)
        print(f"{name}: {'is stale; run `python experiments page`' if check else 'written'}")
        stale += 1
        if not check:
            write_whole(path, text.encode(), overwrite=True)
    if not check:
        for each in EXPERIMENTS.values():
            folder = RESULTS / each.name
            if folder.is_dir():
                write_results(each, each.read(folder), folder)
    return stale if check else 0


if __name__ == "__main__":
    main()
