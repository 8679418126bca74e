"""Speed of two checkouts in comparison: the ratio of their times for the same picture.

Both paint the same picture in turn, A B B A ..., each in its own process, so that a change of the
machine's speed affects both. The ratio is the median of the ratios, pair by pair.

Example::

    git worktree add ../before REVISION
    python benchmarks/compare.py ../before/src src --model fast --size 256 --size 512
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path
from typing import IO

WORKER = """
import json, sys
from time import perf_counter
import numpy as np
import impasto

model, engine, threads, photo, style = sys.argv[1:]
stylizer = impasto.load(model, engine=engine, threads=int(threads))
wave = stylizer.style(style)
from PIL import Image
for line in sys.stdin:
    size = int(line)
    image = Image.open(photo).convert("RGB").resize((size * 3 // 2, size))
    image = np.asarray(image, np.float32) / 255
    stylizer.paint(image, wave)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "end":
            break
        start = perf_counter()
        result = stylizer.paint(image, wave).image
        print(json.dumps([perf_counter() - start, float(result.mean())]), flush=True)
"""


class Worker:
    """A process that paints with one checkout.

    Args:
        source: the folder that contains the package.
        arguments: model, engine, threads, photograph and style.
    """

    def __init__(self, source: Path, arguments: list[str]) -> None:
        environment = os.environ | {"PYTHONPATH": str(source.resolve())}
        self._process = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def ask(self, line: str) -> str:
        """Send a line and return the answer."""
        stdin, stdout = self._streams
        stdin.write(f"{line}\n")
        stdin.flush()
        return stdout.readline().strip()

    def send(self, line: str) -> None:
        """Send a line without an answer."""
        self._streams[0].write(f"{line}\n")

    def close(self) -> None:
        """End the process."""
        self._streams[0].close()
        self._process.wait()

    @property
    def _streams(self) -> tuple[IO[str], IO[str]]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None and stdout is not None
        return stdin, stdout


def main() -> None:
    """Read the command line and print a row for every case."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("before", type=Path, help="folder src of the checkout to compare with")
    parser.add_argument("after", type=Path, help="folder src of this checkout")
    parser.add_argument("--model", action="append", help="default: fast and quality")
    parser.add_argument("--engine", action="append", help="default: onnxruntime and openvino")
    parser.add_argument("--size", type=int, action="append", help="default: 256, 512, 1024")
    parser.add_argument("--runs", type=int, default=9, help="pairs of runs (default: 9)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default: 2)")
    parser.add_argument("--photo", default="examples/photos/rocket.jpg")
    parser.add_argument("--style", default="examples/styles/wave.jpg")
    options = parser.parse_args()
    print(f"{'model':<8} {'engine':<12} {'size':>5} {'before':>9} {'after':>9} {'ratio':>7}")
    for model in options.model or ("fast", "quality"):
        for engine in options.engine or ("onnxruntime", "openvino"):
            arguments = [model, engine, str(options.threads), options.photo, options.style]
            workers = [Worker(source, arguments) for source in (options.before, options.after)]
            for size in options.size or (256, 512, 1024):
                _compare(workers, size, options.runs, f"{model:<8} {engine:<12}")
            for worker in workers:
                worker.close()


def _compare(workers: list[Worker], size: int, runs: int, label: str) -> None:
    for worker in workers:
        worker.ask(str(size))
    seconds: list[list[float]] = [[], []]
    means = [0.0, 0.0]
    for number in range(runs):
        order = (0, 1) if number % 2 == 0 else (1, 0)
        for k in order:
            took, means[k] = json.loads(workers[k].ask("go"))
            seconds[k].append(took)
    for worker in workers:
        worker.send("end")
    ratios = [after / before for before, after in zip(*seconds, strict=True)]
    before, after = (statistics.median(each) for each in seconds)
    apart = abs(means[0] - means[1])
    print(
        f"{label} {size:>5} {1000 * before:>6.1f} ms {1000 * after:>6.1f} ms "
        f"{statistics.median(ratios):>7.3f}  (means of the pictures differ by {apart:.1e})",
        flush=True,
    )


if __name__ == "__main__":
    main()
