"""Peak memory and time of painting huge pictures from file to file, in a process each.

python benchmarks/memory.py                          # 4, 16 and 100 megapixels, TIFF and PNG
python benchmarks/memory.py --models fast --formats tif --megapixels 4 100
python benchmarks/memory.py --depth 16 --mask        # 16 bits a channel, a mask of the same size
python benchmarks/memory.py --memory 512000000 1000000000       # is a budget kept?
python benchmarks/memory.py --engine onnxruntime --rows experiments/results/memory/pictures.csv

`python experiments page` makes the tables of docs/controls.md from those rows. Exit code 1 if a
peak is more than 10 % above the budget of memory.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
from PIL import Image
from rows import RowFile

from impasto import Budget

EXAMPLES = Path(__file__).parents[1] / "examples"
HEAD = (
    *("model", "format", "pixels", "budget", "tile", "peak MB", "s / Mpx", "x first"),
    *("CPU s / Mpx", "x first", "read + write"),
)
FOUND = ("engine", "precision", "tile", "peak")
COLUMNS = ("model", "format", "megapixels", "depth", "mask", "budget", *FOUND)
"""Columns of the stored rows: bytes, but no times, which other work on the machine affects."""
LEGEND = """\
budget        MB of memory that may be used
peak MB       largest resident memory of a process that loads the model and paints the picture
s / Mpx       seconds a megapixel from file to file, without loading the model and the style
x first       that relative to the smallest picture
CPU s / Mpx   the same as CPU time of all threads, which other work on the machine affects less
read + write  seconds a megapixel for reading and writing the same file without a model"""


def main() -> None:
    if sys.argv[1:2] == ["--paint"]:
        return paint(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--megapixels", type=float, nargs="+", metavar="N", default=[4, 16, 100])
    add("--models", nargs="+", metavar="NAME|FILE", default=["fast", "quality"])
    add("--formats", nargs="+", metavar="SUFFIX", default=["tif", "png"])
    add("--engine", metavar="NAME", help="default: the fastest installed")
    add("--precision", metavar="P", help="default: the engine's choice")
    add(
        "--memory",
        metavar="BYTES",
        type=int,
        nargs="+",
        default=[Budget.memory],
        help="budgets (default: the library's)",
    )
    add("--tile", metavar="N", type=int, help="force tiles of that many pixels")
    add("--depth", type=int, choices=(8, 16), default=8, help="bits per channel")
    add("--mask", action="store_true", help="paint within a mask as large as the picture")
    add("--rows", type=Path, metavar="FILE", help="store peaks in a CSV, measure missing ones")
    options = parser.parse_args()
    file = RowFile(options.rows, COLUMNS)
    asked = {"engine": options.engine, "precision": options.precision}
    asked = {name: value for name, value in asked.items() if value is not None}
    rows, kept = [], True  # requested tiles may need more than the budget
    with tempfile.TemporaryDirectory() as folder:
        for suffix in options.formats:
            pictures = [picture(Path(folder), n, suffix, options.depth) for n in options.megapixels]
            for model, budget in itertools.product(options.models, options.memory):
                first = None
                for source, millions in zip(pictures, options.megapixels, strict=True):
                    cells = {"model": Path(model).stem, "format": suffix, "budget": budget,
                             "megapixels": f"{millions:g}", "depth": options.depth,
                             "mask": "yes" if options.mask else "no"}  # fmt: skip
                    if file.has(**cells, **asked):
                        continue
                    found = measure(source, model, budget, options)
                    file.add([cells | {name: found[name] or "" for name in FOUND}])
                    kept = kept and (options.tile or found["peak"] <= 1.1 * budget)
                    rate = found["seconds"] / millions
                    work = found["work"] / millions
                    first = first or (rate, work)
                    rows.append((
                        Path(model).stem, suffix, f"{millions:g} M", f"{budget / 1e6:.0f}",
                        str(found["tile"] or "-"), f"{found['peak'] / 1e6:.0f}",
                        f"{rate:.3f}", f"{rate / first[0]:.2f}",
                        f"{work:.3f}", f"{work / first[1]:.2f}",
                        f"{found['copy'] / millions:.3f}",
                    ))  # fmt: skip
                    print("  ".join(rows[-1]), file=sys.stderr, flush=True)
            for source in pictures:
                source.unlink()
                mask_of(source).unlink()
    if rows:
        print(table(rows), LEGEND, sep="\n\n")
    sys.exit(not kept)


def picture(folder: Path, megapixels: float, suffix: str, depth: int) -> Path:
    """Write an example photograph, tiled with mirrored edges, and a mask beside it."""
    side = round(math.sqrt(megapixels * 1e6))
    with Image.open(EXAMPLES / "photos" / "coffee.jpg") as photo:
        base = np.asarray(photo.convert("RGB"))
    base = np.concatenate([base, base[::-1]])
    base = np.concatenate([base, base[:, ::-1]], axis=1)
    row = np.tile(base, (1, -(-side // base.shape[1]), 1))[:, :side]
    deep = row.astype(np.uint16) * 257 if depth == 16 else row
    write(mask_of(folder / f"{side}.{suffix}"), row[..., 1:2], side, 8)
    return write(folder / f"{side}.{suffix}", deep, side, depth)


def mask_of(path: Path) -> Path:
    return path.with_name(f"mask-{path.name}")


def write(path: Path, row: np.ndarray, side: int, depth: int) -> Path:
    """Write a square picture that repeats some rows."""
    from impasto.images.strips_out import PngWriter, TiffWriter

    with path.open("wb") as file:
        kind = PngWriter if path.suffix == ".png" else TiffWriter
        writer = kind(file, (side, side), row.shape[2], depth=depth)
        for top in range(0, side, len(row)):
            writer.write(row[: side - top])
        writer.close()
    return path


def measure(source: Path, model: str, budget: int, options: argparse.Namespace) -> dict[str, Any]:
    target = source.with_name(f"painted{source.suffix}")
    job = {
        "source": str(source), "target": str(target), "model": model, "engine": options.engine,
        "precision": options.precision, "memory": budget, "tile": options.tile,
        "masks": [str(mask_of(source))] if options.mask else None,
    }  # fmt: skip
    command = [sys.executable, __file__, "--paint", json.dumps(job)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    target.unlink()
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def paint(job: dict[str, str]) -> None:
    """Paint a picture and print time and memory; runs in a separate process."""
    import impasto

    model = impasto.load(job["model"], engine=job["engine"], precision=job["precision"])
    style = model.style(EXAMPLES / "styles" / "wave.jpg")
    limits = {name: job[name] for name in ("memory", "tile") if job[name] is not None}
    controls, budget = impasto.Controls(masks=job["masks"] or ()), impasto.Budget(**limits)
    start, work = perf_counter(), process_time()
    written = model.stylize_file(job["source"], job["target"], style, controls, budget=budget)
    seconds, work = perf_counter() - start, process_time() - work
    peak = peak_bytes()
    start = perf_counter()
    copy(job["source"], job["target"])
    result = {"seconds": seconds, "work": work, "peak": peak, "tile": written.tile}
    result |= {"engine": model.engine.name, "precision": model.engine.precision}
    result["copy"] = perf_counter() - start
    print(json.dumps(result))


def copy(source: str, target: str) -> None:
    """Read a file and write it again in strips, in the same way as painting does."""
    from impasto.images.metadata import Metadata
    from impasto.images.options import SaveOptions
    from impasto.images.sources import open_picture
    from impasto.images.windows import PaintedTile
    from impasto.images.writing import write_tiles

    with open_picture(Path(source), max_pixels=10**10) as picture:
        windows, columns = picture.source(), slice(0, picture.width)
        parts = (slice(y, min(y + 256, picture.height)) for y in range(0, picture.height, 256))
        write_tiles(
            (PaintedTile(rows, columns, *windows.window(rows, columns)) for rows in parts),
            Path(target), height=picture.height, width=picture.width, alpha=False,
            metadata=Metadata(), depth=windows.depth, save=SaveOptions(overwrite=True),
        )  # fmt: skip


def peak_bytes() -> int:
    """Return the peak resident memory of this process."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in (HEAD, *rows)
    )


if __name__ == "__main__":
    main()
