"""Figure 1 of AdaIN: training a network of one style with batch and with instance normalization.

python experiments/figure1.py --photographs DIR --vgg FILE -o runs/figure1

Three kinds of photographs are used: unchanged; with equalized luminance, so that all have the same
contrast; and after another network has given them another style. The plotted values, the style loss
over the steps, are printed as a table. All runs have one seed, hence the same initial weights and
the same crops.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import statistics
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import impasto
from impasto.lab.data.sources import find_sources, read
from impasto.lab.training.config import TrainConfig, read_config
from impasto.lab.training.loop import train

ROOT = Path(__file__).parents[1]
SIDE = 224
NORMALIZATIONS = ("batch", "instance")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--photographs", required=True, metavar="DIR")
    add("--vgg", required=True, metavar="FILE")
    add("-o", "--output", type=Path, required=True, metavar="DIR")
    add("--style", default=str(ROOT / "examples" / "styles" / "stained_glass.jpg"), metavar="FILE")
    add("--through", default=str(ROOT / "trained" / "johnson-wave.impasto"), metavar="FILE",
        help="network of another style (default: %(default)s)")  # fmt: skip
    add("--network", choices=("johnson", "ulyanov"), default="johnson")
    add("--count", type=int, default=320, metavar="N", help="photographs (default: %(default)s)")
    add("--steps", type=int, default=300, metavar="N")
    add("--inputs", nargs="+", default=["plain", "contrast", "styled"], metavar="NAME")
    options = parser.parse_args()
    config = read_config(
        ROOT / "configs" / f"{options.network}.toml",
        changes={
            "vgg": options.vgg,
            "data.styles": {options.style: 1.0},
            "data.crop": 96,
            f"{options.network}.width": 16,
            "optimizer.final_rate": 1.0,
            "batch": 4,
            "iterations": options.steps,
            "log_every": 10,
            "preview_every": 0,
        },
    )
    folders = {name: options.output / name for name in options.inputs}
    write_photographs(options.photographs, folders, options.through, options.count)
    curves = {}
    for name, folder in folders.items():
        for normalization in NORMALIZATIONS:
            run = options.output / f"{name}-{normalization}"
            settings = dataclasses.replace(
                config,
                data=dataclasses.replace(config.data, contents={str(folder): 1.0}),
                method=dataclasses.replace(config.method, normalization=normalization),
            )
            curves[name, normalization] = train_curve(settings, run)
    print_table(curves, options.steps)


def write_photographs(source: str, folders: dict[str, Path], through: str, count: int) -> None:
    """Write ``count`` random photographs of ``source`` to each folder, processed by its name.

    Files that exist are left unchanged."""
    model = impasto.load(through) if "styled" in folders else None
    found = sorted(find_sources(source)[0], key=lambda each: str(each.path))
    np.random.default_rng(0).shuffle(found)
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    for i, each in enumerate(found[:count]):
        if all((folder / f"{i:04d}.png").exists() for folder in folders.values()):
            continue
        picture = read(each, shorter=SIDE, smallest=64)
        if isinstance(picture, str):
            continue
        for name, folder in folders.items():
            made = picture
            if name == "contrast":
                made = equalized(picture)
            elif name == "styled" and model is not None:
                made = model.stylize(picture, model.card.styles[0])
            Image.fromarray(made).save(folder / f"{i:04d}.png")


def equalized(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Equalize the histogram of luminance of a picture."""
    y, cb, cr = (np.asarray(band) for band in Image.fromarray(picture).convert("YCbCr").split())
    ranks = np.bincount(y.ravel(), minlength=256).cumsum()
    lowest = ranks[ranks > 0][0]
    levels = np.round(255 * (ranks - lowest) / max(ranks[-1] - lowest, 1)).clip(0, 255)
    bands = np.stack([levels.astype(np.uint8)[y], cb, cr], axis=2)
    return np.asarray(Image.fromarray(bands, "YCbCr").convert("RGB"))


def train_curve(config: TrainConfig, run: Path) -> dict[int, float]:
    """Train, and return step -> style loss, the mean of the steps since the one before."""
    train(config, run)
    with (run / "log.csv").open() as file:
        return {int(row["step"]): float(row["style"]) for row in csv.DictReader(file)}


def print_table(curves: dict[tuple[str, str], dict[int, float]], steps: int) -> None:
    marks = [steps * part // 6 for part in range(1, 7)]
    print(f"{'photographs':12}{'norm.':10}" + "".join(f"{'to ' + str(m):>10}" for m in marks))
    for (name, normalization), found in curves.items():
        cells = []
        for low, high in zip([0, *marks], marks, strict=False):
            cells.append(statistics.mean(v for step, v in found.items() if low < step <= high))
        print(f"{name:12}{normalization:10}" + "".join(f"{cell:10.3f}" for cell in cells))


if __name__ == "__main__":
    main()
