"""Time of a picture of a stylized data set: as stylize-datasets makes it, and with kept styles.

The loop of https://github.com/bethgelab/stylize-datasets, from file to file: of each photograph it
reads a painting drawn at random, scales and encodes it, and paints with the AdaIN paper's network
in PyTorch. Ours: ``impasto.augment.Stylize`` with the same paintings, read once, on each installed
engine. All take turns over the same photographs, in one thread, and medians are compared.

Its default for paintings is 512 px; fewer pixels, as here, are in its favor.

Example::

    python benchmarks/dataset_peer.py --photos photos/ --styles paintings/ --vgg vgg_normalised.pth
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

import impasto
from impasto.augment import Stylize
from impasto.images.formats import READ_SUFFIXES
from impasto.models.engine import ENGINES

ROOT = Path(__file__).resolve().parents[1]

Loop = Callable[[Path, Path], object]
"""Function from a photograph's file to the file of a result."""


def main() -> None:
    """Read the command line, measure and print a table."""
    options = parser().parse_args()
    photos, paintings = (_pictures(folder) for folder in (options.photos, options.styles))
    random.seed(1)
    loops: dict[str, Loop] = {"stylize-datasets' loop": peer(options, paintings)}
    kept = paintings[: options.kept]
    for row in ENGINES:
        if row.installed:
            model = impasto.load(options.model, engine=row.name, precision="fp32", threads=1)
            loops[f"`{options.model}`, {row.name}, styles kept"] = ours(model, kept, options)
    seconds = measured(loops, photos, options.repeats)
    slow = median(next(iter(seconds.values())))
    print(f"{len(photos)} photographs, paintings of {options.style_size} px\n")
    print("| | pictures/s | ratio |\n| --- | ---: | ---: |")
    for name, found in seconds.items():
        print(f"| {name} | {1 / median(found):.2f} | {slow / median(found):.1f} |")


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    made.add_argument("--photos", type=Path, default=ROOT / "examples" / "photos")
    made.add_argument("--styles", type=Path, default=ROOT / "examples" / "styles")
    made.add_argument("--vgg", type=Path, help="normalized VGG-19 (default: as in training)")
    made.add_argument("--decoder", type=Path, default=ROOT / "trained/adain-decoder.safetensors")
    made.add_argument("--model", default="fast")
    made.add_argument("--style-size", type=int, default=256)
    made.add_argument("--kept", type=int, default=40, help="paintings that are kept as styles")
    made.add_argument("--repeats", type=int, default=3)
    return made


def peer(options: Any, paintings: Sequence[Path]) -> Loop:
    """Return the loop of stylize-datasets."""
    import torch

    from impasto.lab import load_vgg
    from impasto.lab.methods.adain import AdaINNetwork, encoder_of, load_decoder
    from impasto.lab.nets.network import align, fast_mean_std
    from impasto.lab.nets.weights import find_vgg

    torch.set_num_threads(1)
    vgg = load_vgg(find_vgg(options.vgg, normalised=True))
    network = AdaINNetwork(encoder_of(vgg), load_decoder(options.decoder)).eval()

    def tensor(path: Path, size: int = 0) -> torch.Tensor:
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        if size:
            scale = size / min(image.size)
            sides = round(image.width * scale), round(image.height * scale)
            image = image.resize(sides, Image.Resampling.BILINEAR)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255

    def paint(photo: Path, target: Path) -> None:
        with torch.no_grad():
            features = network.encode(tensor(photo))
            style = network.encode(tensor(random.choice(paintings), options.style_size))
            scale, shift = align(features[0], fast_mean_std(style[0]))
            painted = network.decode(features, [scale], [shift])[0]
            pixels = (painted * 255 + 0.5).clamp(0, 255).byte().permute(1, 2, 0)
        Image.fromarray(pixels.numpy()).save(target)

    return paint


def ours(model: impasto.Stylizer, paintings: Sequence[Path], options: Any) -> Loop:
    """Return the same with the transform, with styles read in advance."""
    styles = [model.style(path, size=options.style_size) for path in paintings]
    transform = Stylize(p=1.0, alpha=1.0, styles=styles, model=model)

    def paint(photo: Path, target: Path) -> None:
        with Image.open(photo) as opened:
            transform(opened.convert("RGB")).save(target)

    return paint


def measured(
    loops: dict[str, Loop], photos: Sequence[Path], repeats: int
) -> dict[str, list[float]]:
    """Measure the seconds of each loop for each photograph, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats + 1):
            for photo in photos if turn else photos[:1]:  # the first pictures take longer
                for name, loop in loops.items():
                    start = perf_counter()
                    loop(photo, Path(folder, "painted.jpg"))
                    if turn:
                        seconds[name].append(perf_counter() - start)
    return seconds


def _pictures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in READ_SUFFIXES)


if __name__ == "__main__":
    main()
