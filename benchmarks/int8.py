"""int8 beside single precision and bfloat16: speed on several instruction sets, and the pictures.

    python benchmarks/int8.py [--models NAME|FILE ...] [--engines NAME ...] [--turns N] [--size N]
    ... --photographs FOLDER                          # also compares pictures
    ... --paintings FOLDER --vgg FILE                 # and their losses
    ... --rows experiments/results/int8               # keeps both tables as CSV

Precisions take turns, picture by picture, in one thread, and a row has the ratio of medians of CPU
seconds, which other work on the machine affects least. OpenVINO is measured in a process for each
of `--isa` that the processor supports, the limit set by ONEDNN_MAX_CPU_ISA; ONNX Runtime has no
such switch.

Pictures are compared with those of ONNX Runtime in single precision: 10 styles of the gallery, the
loudest 5 among them, on 3 photographs of the held-out tenth of the folder. Losses are those of
photographs in held-out paintings, judged by VGG-19 (needs PyTorch), relative to single precision.
`python experiments page` makes the tables of docs/precision.md from the rows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from numpy.typing import NDArray
from rows import RowFile

import impasto
from impasto import Budget, Controls, Style, Stylizer
from impasto.models import ENGINES, find_bundle
from impasto.models.engine import usable_precisions
from impasto.models.processor import instructions

# Values of ONEDNN_MAX_CPU_ISA, and the processor features that they require.
ISAS = {
    "AVX2": "avx2",
    "AVX512_CORE": "avx512",
    "AVX512_CORE_VNNI": "avx512_vnni",
    "AVX512_CORE_BF16": "avx512_bf16",
    "ALL": None,
}
# Those with which OpenVINO can open a model in bfloat16.
_BF16 = ("AVX512_CORE_BF16", "ALL")
SPEEDS = ("model", "engine", "isa", "processor", "precision", "size", "times")
PICTURES = (
    *("model", "engine", "processor", "pairs", "psnr_mean", "psnr_min", "step", "tiles"),
    *("content", "style"),
)
STYLE = "munch-scream"
# Sides of the pictures that are judged, in pixels.
_JUDGED = 256
# Largest difference between neighbors in flat areas.
_FLAT = 1 / 255


def main() -> None:
    if sys.argv[1:2] == ["--measure"]:
        print(json.dumps(measure(**json.loads(sys.argv[2]))))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--models", nargs="+", metavar="NAME|FILE", default=["fast", "quality"])
    installed = [row.name for row in ENGINES if row.installed]
    add("--engines", nargs="+", metavar="NAME", default=installed)
    add(
        "--isa",
        nargs="+",
        choices=ISAS,
        default=list(ISAS),
        help="unsupported ones are skipped",
    )
    add("--size", type=int, default=512, metavar="N", help="side of pictures, in pixels")
    add("--turns", type=int, default=7, metavar="N")
    add("--photographs", type=Path, metavar="FOLDER", help="also compare pictures of these")
    add("--paintings", type=Path, metavar="FOLDER", help="also compare losses in these styles")
    add("--pairs", type=int, default=16, metavar="N", help="number of pairs (default: %(default)s)")
    add("--vgg", type=Path, metavar="FILE", help="VGG weights for the losses")
    add(
        "--rows",
        type=Path,
        metavar="FOLDER",
        help="store rows there, in speed.csv and pictures.csv",
    )
    options = parser.parse_args()
    folder = options.rows
    speeds = RowFile(folder and folder / "speed.csv", SPEEDS)
    pictures = RowFile(folder and folder / "pictures.csv", PICTURES)
    for model in options.models:
        for engine in options.engines:
            for isa in options.isa if engine == "openvino" else ["ALL"]:
                if ISAS[isa] not in (None, *instructions()):
                    continue
                show(speeds, SPEEDS, measured(model, engine, isa, options))
    if options.photographs is not None:
        for model in options.models:
            show(pictures, PICTURES, compared(model, options))


def show(file: RowFile, columns: Sequence[str], rows: Sequence[dict[str, object]]) -> None:
    file.add(rows)
    for row in rows:
        print(", ".join(f"{name} {row[name]}" for name in columns if row[name] != ""), flush=True)


def measured(
    model: str, engine: str, isa: str, options: argparse.Namespace
) -> list[dict[str, object]]:
    """Return rows of a model on an engine, measured in a separate process."""
    job = {"model": model, "engine": engine, "size": options.size, "turns": options.turns}
    command = [sys.executable, __file__, "--measure", json.dumps(job)]
    done = subprocess.run(
        command, env={**os.environ, "ONEDNN_MAX_CPU_ISA": isa}, check=True, stdout=subprocess.PIPE
    )
    times: dict[str, float] = json.loads(done.stdout)
    cells = {"model": Path(model).stem, "engine": engine, "isa": isa, "size": options.size}
    cells |= {"processor": processor()}
    return [
        {**cells, "precision": precision, "times": f"{times['fp32'] / seconds:.2f}"}
        for precision, seconds in times.items()
    ]


def measure(model: str, engine: str, size: int, turns: int) -> dict[str, float]:
    """Return median CPU seconds per picture with a cached style, for every precision."""
    row = next(row for row in ENGINES if row.name == engine)
    models = {
        precision: impasto.load(model, engine=engine, precision=precision, threads=1)
        for precision in usable_precisions(row)
        if precision != "bf16" or os.environ.get("ONEDNN_MAX_CPU_ISA", "ALL") in _BF16
    }
    style = next(iter(models.values())).find(STYLE)
    rng = np.random.default_rng(0)
    image = rng.random((size // 8, size // 8, 3), np.float32).repeat(8, 0).repeat(8, 1)
    taken: dict[str, list[float]] = {precision: [] for precision in models}
    for turn in range(turns + 1):
        for precision, stylizer in models.items():
            start = process_time()
            stylizer.paint(image, style)
            if turn:  # the first prepares memory
                taken[precision].append(process_time() - start)
    return {precision: statistics.median(each) for precision, each in taken.items()}


def processor() -> str:
    return (instructions() or ("unknown",))[-1]


def compared(model: str, options: argparse.Namespace) -> list[dict[str, object]]:
    """Return rows of the effect of int8 on pictures, one per engine."""
    from impasto.lab.data.pictures import squares
    from impasto.lab.export.int8 import calibration_styles, distances, judged_styles

    find_bundle(model).graphs("int8")  # reports errors before the work
    exact = impasto.load(model, engine="onnxruntime", precision="fp32")
    found = squares({str(options.photographs): 1.0}, n=3, size=options.size, seed=0, held_out=True)
    photographs = list(found.permute(0, 2, 3, 1).contiguous().numpy())
    styles = judged_styles(calibration_styles(exact, None))
    rows = []
    for engine in options.engines:
        other = impasto.load(model, engine=engine, precision="int8")
        psnr = distances(exact, other, photographs, styles)
        shown = [ramp(options.size), *photographs]
        steps = [step(exact, other, each, style) for each in shown for style in styles[:3]]
        rows.append(
            {
                "model": Path(model).stem, "engine": engine, "processor": processor(),
                "pairs": len(psnr),
                "psnr_mean": f"{np.mean(psnr):.1f}", "psnr_min": f"{min(psnr):.1f}",
                "step": f"{255 * max(steps):.1f}",
                "tiles": f"{255 * max(seam(other, photographs[0], s) for s in styles[:3]):.2f}",
                **losses(exact, other, options),
            }
        )  # fmt: skip
    return rows


def ramp(size: int) -> NDArray[np.float32]:
    """Return a smooth sky, in which bands would be visible."""
    down = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    sky = np.array([0.35, 0.55, 0.85], np.float32) * (1 - down) + 0.95 * down
    return np.ascontiguousarray(np.broadcast_to(sky, (size, size, 3)))


def step(exact: Stylizer, other: Stylizer, image: NDArray[np.float32], style: Style) -> float:
    """Return the largest difference of neighbors in int8 where the exact picture is flat."""
    one, two = (each.paint(image, style).image for each in (exact, other))
    largest = 0.0
    for axis in (0, 1):
        moves = np.abs(np.diff(one, axis=axis)).max(axis=-1)
        around = np.lib.stride_tricks.sliding_window_view(moves, (5, 5)).max(axis=(2, 3))
        found = np.abs(np.diff(two, axis=axis)).max(axis=-1)[2:-2, 2:-2]
        if (around <= _FLAT).any():
            largest = max(largest, float(found[around <= _FLAT].max()))
    return largest


def seam(stylizer: Stylizer, image: NDArray[np.float32], style: Style) -> float:
    """Return the largest difference between a picture painted in tiles and as a whole."""
    whole = stylizer.paint(image, style).image
    tiled = stylizer.paint(image, style, Controls(), budget=Budget(tile=256)).image
    return float(np.abs(whole - tiled).max())


def losses(exact: Stylizer, other: Stylizer, options: argparse.Namespace) -> dict[str, object]:
    """Return losses in int8 relative to single precision; empty without paintings or judge."""
    if options.paintings is None or options.vgg is None:
        return {"content": "", "style": ""}
    import torch

    from impasto.lab import load_vgg
    from impasto.lab.export.scores import held_out_pairs
    from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, style_loss
    from impasto.lab.nets.normalization import adain

    judge = load_vgg(options.vgg)
    folders = ({str(each): 1.0} for each in (options.photographs, options.paintings))
    pairs = zip(*held_out_pairs(*folders, n=options.pairs, size=_JUDGED), strict=True)
    sums = {exact: np.zeros(2), other: np.zeros(2)}
    with torch.no_grad():
        for photograph, painting in pairs:
            wanted = judge(painting[None], STYLE_LAYERS)
            content = judge(photograph[None], [CONTENT_LAYER])[CONTENT_LAYER]
            target = adain(content, wanted[CONTENT_LAYER])
            image, style_image = (
                np.ascontiguousarray(each.permute(1, 2, 0).numpy())
                for each in (photograph, painting)
            )
            style = exact.style(style_image)
            for stylizer, total in sums.items():
                painted = torch.from_numpy(stylizer.paint(image, style).image).permute(2, 0, 1)
                got = judge(painted[None], STYLE_LAYERS)
                total += (
                    float(content_loss(got[CONTENT_LAYER], target)),
                    float(style_loss(got, wanted)),
                )
    content_ratio, style_ratio = sums[other] / sums[exact]
    return {"content": f"{content_ratio:.3f}", "style": f"{style_ratio:.3f}"}


if __name__ == "__main__":
    main()
