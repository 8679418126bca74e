"""Time and peak memory of the methods of the lab, in a process each.

python benchmarks/methods.py --vgg FILE            # 256 and 512 px, methods and models
python benchmarks/methods.py --vgg FILE --models cnnmrf --sizes 512 --precision bf16
python benchmarks/methods.py --vgg FILE --inverse NAME.safetensors        # style-swap by a network

The time of a method is extrapolated from a few of its steps: all steps of a stage take the same
time, except the first and those of CNNMRF that search for patches, which take at most as long as
the first.
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
"""Name of the row of Style-Swap with its inverse network."""


def main() -> None:
    if sys.argv[1:2] == ["--paint"]:
        return paint(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--models", nargs="+", metavar="NAME", default=["fast", "quality", *METHODS])
    add("--sizes", type=int, nargs="+", metavar="N", default=[256, 512])
    add("--precision", metavar="P", default="fp32", help="of methods (default: fp32)")
    add("--threads", type=int, metavar="N", default=1)
    add("--vgg", metavar="FILE", help="default: $IMPASTO_VGG, or the downloaded file")
    add("--inverse", metavar="FILE", help="an inverse network of style-swap, for a row with it")
    add("--steps", type=int, metavar="N", default=30, help="steps that are measured (30)")
    options = parser.parse_args()
    rows = []
    for model in [*options.models, *([NET] if options.inverse else [])]:
        for size in options.sizes:
            job = {"model": model, "size": size, "vgg": options.vgg, "threads": options.threads,
                    "precision": options.precision, "steps": options.steps,
                    "inverse": options.inverse}  # fmt: skip
            command = [sys.executable, __file__, "--paint", json.dumps(job)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            found = json.loads(done.stdout)
            rows.append((
                model, found["precision"], f"{size} x {size}", f"{found['seconds']:.2f}",
                f"{found['work']:.2f}", f"{found['peak'] / 1e6:.0f}", found["steps"],
            ))  # fmt: skip
            print("  ".join(rows[-1]), file=sys.stderr, flush=True)
    print(table(rows), LEGEND, sep="\n\n")


def paint(job: dict[str, object]) -> None:
    """Paint a picture and print time and memory; runs in a process of its own."""
    import impasto
    from impasto.images.photo import read_photo
    from impasto.images.resizing import resize

    size = int(str(job["size"]))
    content, style = (
        resize(read_photo(EXAMPLES / name).image, size)[:size, :size]
        for name in ("photos/coffee.jpg", "styles/wave.jpg")
    )
    method, net = job["model"] in METHODS, job["model"] == NET
    own = {"vgg": job["vgg"], "engine": "cpu", "precision": job["precision"]}
    name = "style-swap" if net else str(job["model"])
    model = impasto.load(name, threads=job["threads"], **(own if method or net else {}))
    if net:
        model = model.with_settings(options={"inverse": job["inverse"]})
    if not method:
        model.stylize(content, style)  # engines choose kernels for a size in the first run
        begin, work = perf_counter(), process_time()
        model.stylize(content, style)
        found = perf_counter() - begin, process_time() - work
        steps = "-"
    else:
        found, steps = time_method(model, content, style, int(str(job["steps"])))
    times = dict(zip(("seconds", "work"), found, strict=True))
    print(json.dumps({**times, "peak": peak_bytes(), "steps": steps,
                      "precision": model.engine.precision}))  # fmt: skip


def time_method(model, content, style, steps: int) -> tuple[tuple[float, float], str]:
    """Estimate wall and CPU seconds of all steps of a picture from some of them."""
    options = model.painter.method.options()
    scales, refresh = getattr(options, "scales", 1), getattr(options, "refresh", 10**9)
    few = max(3, -(-steps // scales))
    times: dict[object, list[tuple[float, float]]] = {}
    before = [(perf_counter(), process_time())]

    def watch(progress) -> None:
        now = perf_counter(), process_time()
        took = now[0] - before[0][0], now[1] - before[0][1]
        times.setdefault(progress.picture().shape, []).append(took)
        before[0] = now

    model.stylize(content, style, steps=few * scales, watch=watch)
    found = [0.0, 0.0]
    for stage in times.values():
        count = options.steps // scales
        searches = -(-count // refresh)
        for i in (0, 1):
            # The first step includes the setup and a search for patches.
            first, step = stage[0][i], statistics.median(each[i] for each in stage[1:])
            found[i] += count * step + searches * (first - step)
    return (found[0], found[1]), f"{few * scales} of {options.steps}"


def peak_bytes() -> int:
    """Return the peak resident memory of this process."""
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
