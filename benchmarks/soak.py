"""Thousands of calls with random sizes, styles and masks in one process: is its memory flat?

python benchmarks/soak.py                            # 5,000 calls in each engine, 16 to 512 px
python benchmarks/soak.py --engine openvino --calls 300 --warm 100 --largest 64
python benchmarks/soak.py --rows experiments/results/memory/soak.csv    # for docs/controls.md

Exit code 1 if the memory at the last call is more than 10 % above that at the call number --warm,
or if a call that is made again gives other bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rows import RowFile

COLUMNS = ("model", "engine", "largest", "threads", "calls", "call", "bytes")
"""Columns of the stored rows: memory at every tenth of the calls."""

GROWTH = 1.10
"""Largest allowed memory at the last call, relative to that after warm-up."""

# Number of calls that are repeated in turn, and calls between repetitions.
_SAME, _EVERY = 8, 25
# Memory at a call is the median of so many calls up to it.
_WINDOW = 20


@dataclass(frozen=True)
class Soak:
    """Result of a soak.

    Attributes:
        early: bytes of resident memory when the process was warm.
        late: the same at the last call.
        course: the same at every tenth of the calls.
        sizes: number of different picture sizes.
        same: repeated calls.
        changed: repeated calls that gave other bytes than the first time.
    """

    early: int
    late: int
    course: tuple[int, ...]
    sizes: int
    same: int
    changed: int

    @property
    def fine(self) -> bool:
        """True if memory stayed flat and pictures unchanged."""
        return self.late <= GROWTH * self.early and not self.changed


def soak(
    model: str, engine: str, *, calls: int, warm: int, largest: int, threads: int, seed: int = 0
) -> Soak:
    """Paint pictures of random sizes in this process, and record its memory.

    Args:
        model: a name or a file.
        engine: a name in ``ENGINES``.
        calls: number of calls, 200 or more.
        warm: call after which memory may no longer grow.
        largest: the longest side, in pixels.
        threads: of the engine.
        seed: of the random pictures.
    """
    import impasto
    from impasto.styles.library import GALLERY

    stylizer = impasto.load(model, engine=engine, threads=threads)
    names = sorted(path.stem for path in (GALLERY / stylizer.name).iterdir())
    again = [_call(np.random.default_rng([seed, k]), names, largest) for k in range(_SAME)]
    first = [_digest(stylizer, call) for call in again]
    random = np.random.default_rng(seed)
    memory, sizes, same, changed = [], set(), 0, 0
    for number in range(calls):
        call = _call(random, names, largest)
        sizes.add(call["content"].shape)
        _digest(stylizer, call)
        if number % _EVERY == 0:
            k = same % _SAME
            changed += _digest(stylizer, again[k]) != first[k]
            same += 1
        memory.append(resident_bytes())
        if (number + 1) % (calls // 10) == 0:
            print(f"{engine}: {number + 1} calls, {memory[-1] / 1e6:.0f} MB", file=sys.stderr)
    early, *course = (
        int(np.median(memory[end - _WINDOW : end]))
        for end in (warm, *range(calls // 10, calls + 1, calls // 10))
    )
    return Soak(early, course[-1], tuple(course), len(sizes), same, changed)


def _call(random: np.random.Generator, names: list[str], largest: int) -> dict[str, Any]:
    """Return arguments of a call: a picture, one to three styles, and masks for every other one."""
    styles: list[Any] = [
        str(name) for name in random.choice(names, random.integers(1, 4), replace=False)
    ]
    if random.random() < 0.25:
        styles[0] = _picture(random, largest)
    masks: list[Any] = []
    if random.random() < 0.5:
        masks = [random.random(random.integers(4, 65, 2), np.float32) for _ in styles]
    alpha = float(random.choice([0.0, 0.5, 1.0, 1.0]))
    return {"content": _picture(random, largest), "style": styles, "masks": masks, "alpha": alpha}


def _picture(random: np.random.Generator, largest: int) -> NDArray[np.float32]:
    """Make a picture of random size: a color ramp with grain."""
    height, width = random.integers(16, largest + 1, 2)
    ramp = np.linspace(0, 0.8, height)[:, None, None] * np.linspace(1, 0.2, width)[:, None]
    grain = random.random((height, width, 1))
    return (ramp * random.random(3) + 0.2 * grain).astype(np.float32)


def _digest(stylizer: Any, call: dict[str, Any]) -> str:
    painted = stylizer.stylize(**call)
    return hashlib.sha256(np.ascontiguousarray(painted)).hexdigest()


def resident_bytes() -> int:
    """Return the resident memory of this process, on Linux."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def main() -> None:
    """Read the command line, and soak every engine in a separate process."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--model", default="fast", metavar="NAME|FILE", help="default: fast")
    add("--engine", nargs="+", metavar="NAME", default=["onnxruntime", "openvino"])
    add("--calls", type=int, default=5000, metavar="N", help="default: 5000")
    add("--warm", type=int, default=500, metavar="N", help="baseline call (default: 500)")
    add("--largest", type=int, default=512, metavar="PIXELS", help="longest side (default: 512)")
    add("--threads", type=int, default=2, metavar="N", help="default: 2")
    add("--rows", type=Path, metavar="FILE", help="store rows in a CSV, measure missing ones")
    add("--here", action="store_true", help="run in this process and print the result as JSON")
    options = parser.parse_args()
    numbers = {name: getattr(options, name) for name in ("calls", "warm", "largest", "threads")}
    if options.here:
        return print(json.dumps(asdict(soak(options.model, options.engine[0], **numbers))))
    fine, file = True, RowFile(options.rows, COLUMNS)
    for engine in options.engine:
        cells = {"model": options.model, "engine": engine, **numbers}
        del cells["warm"]
        if file.has(**cells):
            continue
        found = in_process(options.model, engine, **numbers)
        fine = fine and found.fine
        tenths = [options.calls * k // 10 for k in range(1, 11)]
        both = zip(tenths, found.course, strict=True)
        file.add([{**cells, "call": call, "bytes": held} for call, held in both])
        print(*report(engine, found, options.calls, options.warm), sep="\n", flush=True)
    sys.exit(not fine)


def in_process(model: str, engine: str, **options: int) -> Soak:
    """Run :func:`soak` in a separate process, whose memory holds nothing else."""
    command = [sys.executable, __file__, "--here", "--model", model, "--engine", engine]
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    found = json.loads(done.stdout)
    return Soak(**found | {"course": tuple(found["course"])})


def report(engine: str, found: Soak, calls: int, warm: int) -> Iterator[str]:
    """Yield lines about a soak."""
    growth, course = found.late / found.early - 1, [f"{each / 1e6:.0f}" for each in found.course]
    yield f"{engine}: {'fine' if found.fine else 'FAULT'}; {found.sizes} sizes in {calls} calls"
    yield (
        f"  memory {found.early / 1e6:.0f} MB at call {warm}, {found.late / 1e6:.0f} MB at call "
        f"{calls} ({growth:+.1%}); at every tenth of the calls {', '.join(course)} MB"
    )
    yield f"  {found.same} calls repeated, {found.changed} of them with different bytes"


if __name__ == "__main__":
    main()
