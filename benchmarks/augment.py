"""Measure how many pictures a second ``impasto.augment.Stylize`` paints, and what it adds.

The rows take turns, and each gets the median of its turns, so that other work on the machine
affects all of them. The first is the model alone, in one thread; then the transform in this
process, on each kind of picture; then, with PyTorch, a ``DataLoader`` with workers, whose start is
not counted. The CPU time of this process per picture estimates the speed of an idle machine.

Example::

    python benchmarks/augment.py --size 224 --workers 2
"""

from __future__ import annotations

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import impasto
from impasto.augment import Stylize
from impasto.controls import Controls
from impasto.images.resizing import resize

LOADED = "DataLoader"
"""Name of the row that runs in other processes."""
ROOT = Path(__file__).resolve().parents[1]


class Pictures:
    """A data set that repeats one picture through a transform, as in training code."""

    def __init__(self, picture: NDArray[np.uint8], transform: Stylize, count: int) -> None:
        self.picture, self.transform, self.count = picture, transform, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> NDArray[np.uint8]:
        made: NDArray[np.uint8] = self.transform(self.picture)
        return made


def main() -> None:
    """Read the command line, measure and print a table."""
    options = parser().parse_args()
    photo = impasto.read_photo(options.photo).image
    square = resize(photo, options.size)[: options.size, : options.size]
    picture = (square * 255).round().astype(np.uint8)
    turns = rows(options, picture)
    rates: dict[str, list[float]] = {name: [] for name in turns}
    busy: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(options.repeats):
        for name, turn in turns.items():
            start = process_time()
            rates[name].append(turn())
            busy[name].append((process_time() - start) / options.pictures)
    alone = median(next(iter(rates.values())))
    print(f"{options.model}, {options.size} x {options.size} px, {os.cpu_count()} cores\n")
    print("| | pictures/s | in the first | processor, ms |\n| --- | ---: | ---: | ---: |")
    for name, found in rates.items():
        used = "" if name.startswith(LOADED) else f"{1000 * median(busy[name]):.0f}"
        print(f"| {name} | {median(found):.1f} | {median(found) / alone:.2f} | {used} |")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--model", default="fast")
    made.add_argument("--size", type=int, default=224)
    made.add_argument("--pictures", type=int, default=16, help="in a turn")
    made.add_argument("--repeats", type=int, default=5)
    made.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    made.add_argument("--photo", default=ROOT / "examples" / "photos" / "coffee.jpg")
    return made


def rows(options: Any, picture: NDArray[np.uint8]) -> dict[str, Callable[[], float]]:
    """Return cases by name: functions that measure pictures per second."""
    count = options.pictures
    transform = Stylize(p=1.0, model=options.model)
    model = impasto.load(options.model, engine="onnxruntime", precision="fp32", threads=1)
    floats = picture.astype(np.float32) / 255

    def alone() -> None:
        for i in range(count):
            model.paint(floats, transform.styles[i % len(transform.styles)], Controls(alpha=0.6))

    def timed(work: Callable[[], object]) -> Callable[[], float]:
        work()  # an engine's first pictures take longer

        def turn() -> float:
            start = perf_counter()
            work()
            return count / (perf_counter() - start)

        return turn

    def each(value: Any) -> Callable[[], object]:
        return lambda: [transform(value) for _ in range(count)]

    found = {
        "the model alone": timed(alone),
        "Pillow images": timed(each(Image.fromarray(picture))),
        "arrays (H, W, 3) uint8": timed(each(picture)),
    }
    if importlib.util.find_spec("torch") is None:
        return found
    import torch

    batch = torch.from_numpy(floats).permute(2, 0, 1).expand(count, 3, *floats.shape[:2])
    found["a batch of tensors"] = timed(lambda: transform(batch))
    if options.workers:
        found[f"{LOADED}, {options.workers} workers"] = _loaded(options, picture, transform)
    return found


def _loaded(options: Any, picture: NDArray[np.uint8], transform: Stylize) -> Callable[[], float]:
    from torch.utils.data import DataLoader

    count = options.pictures * options.workers
    loader: Any = DataLoader(
        Pictures(picture, transform, count + 4 * options.workers),  # type: ignore[arg-type]
        batch_size=None,
        num_workers=options.workers,
        persistent_workers=True,
        prefetch_factor=2,
    )

    def turn() -> float:
        pictures = iter(loader)
        # Prefetched pictures are not counted.
        for _ in range(4 * options.workers):
            next(pictures)
        start = perf_counter()
        for _ in range(count):
            next(pictures)
        rate = count / (perf_counter() - start)
        assert next(pictures, None) is None
        return rate

    return turn


if __name__ == "__main__":
    main()
