"""Data sets: pictures a second of one worker and of two, in turns; memory of the driver.

    python benchmarks/dataset.py [speed] [memory] [plan] [--pictures N] [--turns N] [--rows FILE]
    python benchmarks/dataset.py executors [--pictures N] [--turns N]

* speed: photographs of 500 x 375 pixels, the usual size in ImageNet, in the styles of the gallery,
  read from files and written to files. Times begin with the first finished chunk, so they exclude
  the start of the workers (a second or two, once). The ratio is the median of those of the turns.
  Core seconds are the CPU time of the workers per picture: they are valid on a machine with other
  work too, unlike pictures per second and the ratio.
* memory: the largest resident memory of the driver with 100,000 names.
* plan: the table of docs/datasets.md, hours for ImageNet's pictures by the last rows of the file.
* executors: two workers of `local` and two of `ray`, in turns, and the ratio of their speeds.

Pictures are cut from the example photographs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import psutil
from PIL import Image, ImageOps
from rows import RowFile

from impasto.dataset.executors import EXECUTORS
from impasto.dataset.making import PAINTING, stylize_dataset
from impasto.dataset.options import DatasetOptions, Recipe
from impasto.models import DEFAULT_MODEL, find_bundle
from impasto.models.engine import available_cores, choose_engine

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
SIZE = 500, 375
NAMES = 100_000
IMAGENET = 1_281_167
"""Number of pictures in the training set (Russakovsky et al., IJCV 2015)."""

MACHINES, CORES = (1, 4, 16, 64), 16
ROWS = Path(__file__).parents[1] / "experiments" / "results" / "dataset" / "speed.csv"
WORKERS = 1, 2
COLUMNS = (
    "executor", "model", "engine", "precision", "size", "pictures", "turns", "workers",
    "pictures_a_second", "ratio_to_one", "core_seconds", "cores",
)  # fmt: skip


def main() -> None:
    """Run the chosen measurements and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", nargs="*", help="speed, memory, plan (default: these three), executors"
    )
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--engine")
    parser.add_argument("--executor", default="local", choices=[row.name for row in EXECUTORS])
    parser.add_argument("--rows", type=Path, metavar="FILE", help="CSV file of the rows")
    options = parser.parse_args()
    every = {"speed": speed, "memory": memory, "plan": print_plan}
    for name in options.what or every:
        if name == "executors":  # needs Ray
            compare_executors(options)
        elif name not in every:
            parser.error(f"{name!r} is not one of {', '.join(every)}")
        else:
            every[name](options)


def speed(options: argparse.Namespace) -> None:
    """Print the speed of one worker and of two, and their ratio."""
    bundle = find_bundle(options.model)
    row, precision = choose_engine(bundle, name=options.engine)
    rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    spent: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        write_pictures(source, options.pictures)
        for turn in range(options.turns):
            for workers in WORKERS if turn % 2 == 0 else WORKERS[::-1]:
                out = Path(folder, f"out-{turn}-{workers}")
                rate, each = painted(source, out, workers, options)
                rates[workers].append(rate)
                spent[workers].append(each)
    for workers in WORKERS:
        pairs = zip(rates[workers], rates[1], strict=True)
        ratio = statistics.median(many / one for many, one in pairs)
        rate, each = statistics.median(rates[workers]), statistics.median(spent[workers])
        print(
            f"{options.executor}, {options.model}, {row.name} {precision}, {workers} workers: "
            f"{rate:.2f} pictures a second, {ratio:.2f} x one worker, {each:.3f} core seconds each"
        )
        RowFile(options.rows, COLUMNS).add([{
            "executor": options.executor, "model": options.model, "engine": row.name,
            "precision": precision, "size": f"{SIZE[0]}x{SIZE[1]}", "pictures": options.pictures,
            "turns": options.turns, "workers": workers, "pictures_a_second": f"{rate:.3f}",
            "ratio_to_one": f"{ratio:.3f}", "core_seconds": f"{each:.4f}",
            "cores": available_cores(),
        }])  # fmt: skip


def compare_executors(options: argparse.Namespace) -> None:
    """Print the speed of two workers of each executor, and the ratios to the first."""
    names = [row.name for row in EXECUTORS]
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        write_pictures(source, options.pictures)
        for turn in range(options.turns):
            for name in names if turn % 2 == 0 else names[::-1]:
                options.executor = name
                out = Path(folder, f"out-{turn}-{name}")
                found[name].append(painted(source, out, 2, options))
    for name in names:
        rates, used = zip(*found[name], strict=True)
        pairs = zip(found[name], found[names[0]], strict=True)
        ratios = sorted(own[0] / first[0] for own, first in pairs)
        print(
            f"{name}, {options.model}, 2 workers: {statistics.median(rates):.2f} pictures a second "
            f"and {statistics.median(used):.2f} core seconds a picture; "
            f"{statistics.median(ratios):.2f} x {names[0]} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f} in {options.turns} turns)"
        )


def painted(
    source: Path, out: Path, workers: int, options: argparse.Namespace
) -> tuple[float, float]:
    """Make a data set; return pictures per second and core seconds each, after the first chunk."""
    times: list[tuple[float, float, int]] = []

    def watch(stage: str, step: int, total: int | None) -> None:
        if stage == PAINTING and step:
            times.append((perf_counter(), used_by_workers(), step))

    stylize_dataset(
        source,
        out,
        "gallery",
        DatasetOptions(seed=1, workers=workers, executor=options.executor),
        Recipe(model=options.model, engine=options.engine),
        watch=watch,
    )
    (start, used, first), (end, used_at_end, last) = times[0], times[-1]
    return (last - first) / (end - start), (used_at_end - used) / (last - first)


def used_by_workers() -> float:
    """Return the CPU seconds of all child processes."""
    times = [each.cpu_times() for each in psutil.Process().children(recursive=True)]
    return sum(each.user + each.system for each in times)


def memory(options: argparse.Namespace) -> None:
    """Print the peak memory of the driver with as many names, of empty files."""
    most = 0
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "in")
        for number in range(NAMES):
            path = source / f"n{number // 1000:08d}" / f"n{number // 1000:08d}_{number}.JPEG"
            if number % 1000 == 0:
                path.parent.mkdir(parents=True)
            path.touch()

        def watch(stage: str, step: int, total: int | None) -> None:
            nonlocal most
            most = max(most, psutil.Process(os.getpid()).memory_info().rss)

        made = stylize_dataset(
            source,
            Path(folder, "out"),
            "gallery",
            DatasetOptions(executor=options.executor),
            Recipe(model=options.model, engine=options.engine),
            watch=watch,
        )
        most = max(most, psutil.Process(os.getpid()).memory_info().rss)
    print(f"{made.counts['in']:,} names: the driver has {most / 1e6:.0f} MB at most")


def print_plan(options: argparse.Namespace) -> None:
    """Print the table of hours."""
    print(plan(options.rows or ROWS))


def plan(path: Path) -> str:
    """Return a Markdown table: hours for ImageNet, by the last one-worker row of each model.

    Args:
        path: the file of the rows.
    """
    last: dict[tuple[str, str, str], float] = {}
    for row in RowFile(path, COLUMNS).rows:
        if row["workers"] == "1" and row["executor"] == "local":
            key = row["model"], row["engine"], row["precision"]
            last[key] = float(row["core_seconds"])
    heads = [f"{count} x {CORES} cores" for count in MACHINES]
    lines = [
        f"| model | core seconds a picture | core hours | {' | '.join(heads)} |",
        f"| --- | --- | --- | {' | '.join('---' for _ in heads)} |",
    ]
    for (model, engine, precision), seconds in last.items():
        hours = IMAGENET * seconds / 3600
        cells = [f"{hours / (count * CORES):,.1f} h" for count in MACHINES]
        name = f"`{model}`, {engine} {precision}"
        lines.append(f"| {name} | {seconds:.3f} | {hours:,.0f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def write_pictures(folder: Path, count: int) -> None:
    """Write ``count`` different pictures: windows of the example photographs."""
    folder.mkdir()
    for number, image in zip(range(count), windows(), strict=False):
        image.save(folder / f"{number:06d}.JPEG", quality=92)


def windows() -> Iterator[Image.Image]:
    """Yield crops and mirrored crops of the photographs without end."""
    photos = [Image.open(path).convert("RGB") for path in sorted(PHOTOS.glob("*.jpg"))]
    step = 0
    while True:
        for photo in photos:
            fitted = ImageOps.fit(photo, (SIZE[0] + 64, SIZE[1] + 64))
            left, top = step * 13 % 64, step * 29 % 64
            cut = fitted.crop((left, top, left + SIZE[0], top + SIZE[1]))
            yield ImageOps.mirror(cut) if step % 2 else cut
        step += 1


if __name__ == "__main__":
    main()
