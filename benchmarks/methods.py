"""How long the methods of the lab take, and how much memory, each in a process of its own.

python benchmarks/methods.py --vgg FILE            # 256 and 512 px, methods and models
python benchmarks/methods.py --vgg FILE --models cnnmrf --sizes 512 --precision bf16
python benchmarks/methods.py --vgg FILE --inverse NAME.safetensors        # style-swap by a network

The time of a method is worked out from a few of its steps: all steps of a stage take the same time
but for the first, and for those of CNNMRF that search for patches, at most as long as the first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from time import perf_counter, process_time

EXAMPLES = Path(__file__).parents[1] / "examples"
HEAD = ("model", "precision", "pixels", "s", "CPU s", "peak MB", "steps measured")
LEGEND = """\
s        seconds a picture, from an array to an array, without loading the model
CPU s    the same of all threads together, which other work on the machine disturbs less
peak MB  largest resident memory of a process that loads the model and paints one picture"""
METHODS = ("gatys", "cnnmrf", "style-swap")
NET = "style-swap, net"
"""The row of Style-Swap with its inverse network."""


def main() -> None:
    if sys.argv[1:2] == ["--paint"]:
        return paint(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--models", nargs="+", metavar="NAME", default=["fast", "quality", *METHODS])
    add("--sizes", type=int, nargs="+", metavar="N", default=[256, 512])
    add("--precision", metavar="P", default="fp32", help="of methods (default: fp32)")
    add("--threads", type=int, metavar="N", default=1)
    add("--vgg", metavar="FILE", help="default: what $IMPASTO_VGG names, or was fetched")
    add("--inverse", metavar="FILE", help="an inverse network of style-swap, for a row with it")
    add("--steps", type=int, metavar="N", default=30, help="steps that are measured (30)")
    options = parser.parse_args()
    rows = []
    for model in [*options.models, *([NET] if options.inverse else [])]:
        for size in options.sizes:
            wish = {"model": model, "size": size, "vgg": options.vgg, "threads": options.threads,
                    "precision": options.precision, "steps": options.steps,
                    "inverse": options.inverse}  # fmt: skip
            command = [sys.executable, __file__, "--paint", json.dumps(wish)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            rows.append((
                model, found["precision"], f"{size} x {size}", f"{found['seconds']:.2f}",
                f"{found['work']:.2f}", f"{found['peak'] / 1e6:.0f}", found["steps"],
            ))  # fmt: skip
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows), LEGEND, sep="\n\n")


def paint(wish: dict[str, object]) -> None:
    """In a process of its own: paint, and print what it took."""
    import impasto
    from impasto.images.photo import read_photo
    from impasto.images.resizing import resize

    size = int(str(wish["size"]))
    content, style = (
        resize(read_photo(EXAMPLES / name).image, size)[:size, :size]
        for name in ("photos/coffee.jpg", "styles/wave.jpg")
    )
    method, net = wish["model"] in METHODS, wish["model"] == NET
    own = {"vgg": wish["vgg"], "engine": "cpu", "precision": wish["precision"]}
    name = "style-swap" if net else str(wish["model"])
    model = impasto.load(name, threads=wish["threads"], **(own if method or net else {}))
    if net:
        model = model.set(options={"inverse": wish["inverse"]})
    if not method:
        model.stylize(content, style)  # engines prepare themselves for a size
        begin, work = perf_counter(), process_time()
        model.stylize(content, style)
        found = perf_counter() - begin, process_time() - work
        steps = "-"
    else:
        found, steps = of_method(model, content, style, int(str(wish["steps"])))
    said = dict(zip(("seconds", "work"), found, strict=True))
    print(json.dumps({**said, "peak": peak_bytes(), "steps": steps,
                      "precision": model.engine.precision}))  # fmt: skip


def of_method(model, content, style, steps: int) -> tuple[tuple[float, float], str]:
    """Seconds of wall and of processors for a picture with all its steps, by some of them."""
    options = model.method.options()
    scales, refresh = getattr(options, "scales", 1), getattr(options, "refresh", 10**9)
    few = max(3, -(-steps // scales))
    times: dict[object, list[tuple[float, float]]] = {}
    before = [(perf_counter(), process_time())]

    def watch(progress) -> None:
        now = perf_counter(), process_time()
        took = now[0] - before[0][0], now[1] - before[0][1]
        times.setdefault(progress.image.shape, []).append(took)
        before[0] = now

    model.stylize(content, style, steps=few * scales, watch=watch)
    found = [0.0, 0.0]
    for stage in times.values():
        count = options.steps // scales
        searches = -(-count // refresh)
        for i in (0, 1):
            # The first step has with it what is done once, and the search.
            first, step = stage[0][i], statistics.median(each[i] for each in stage[1:])
            found[i] += count * step + searches * (first - step)
    return (found[0], found[1]), f"{few * scales} of {options.steps}"


def peak_bytes() -> int:
    """The largest resident memory of this process so far."""
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
