"""Speed of every engine, precision, model and size, compared with the paper's network.

    python benchmarks/speed.py [--quick] [--models NAME|FILE ...] [--sizes N ...] [--csv FILE]

The rows take turns, again and again, and each gets the median of its turns: other load on the
machine then affects all of them alike. The reference is the network of Huang & Belongie 2017
(VGG-19 to relu4_1 and its mirror, reflection padding) in PyTorch eager, single precision, with
random weights; without PyTorch it is left out.
"""

from __future__ import annotations

import argparse
import csv
import importlib.metadata
import importlib.util
import operator
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import impasto
from impasto.controls.affine import adain
from impasto.errors import EngineError, ImpastoError
from impasto.models import MODELS
from impasto.models.engine import ENGINES

SIZES = (256, 512, 1024)
REPEATS = 5
TURN_SECONDS = 0.3
"""Duration of a turn, which repeats short calls: the times of single ones vary too much."""
REST_SECONDS = 0.03
"""Pause before a turn, in which the threads of the previous engine stop spinning."""
REFERENCE = "torch"
HAS_TORCH = importlib.util.find_spec("torch") is not None

# 3x3 convolutions of VGG-19 to relu4_1: channels in and out, stride of the place. The decoder is
# the same table read backwards, in and out exchanged.
VGG = ((3, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 2), (128, 256, 4), (256, 256, 4),
       (256, 256, 4), (256, 256, 4), (256, 512, 8))  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A row: a model on an engine in a precision. The engine of the reference is ``torch``."""

    model: str
    engine: str
    precision: str

    @property
    def label(self) -> str:
        return Path(self.model).stem


class Timing(NamedTuple):
    """Multiply-adds, and median seconds: with a prepared style, with a new style, graphs alone."""

    multiply_adds: float
    kept: float
    encoded: float
    graphs: float


class Bundled:
    """A bundle on one of Impasto's engines, with a picture and a style of the same size."""

    def __init__(self, case: Case, size: int, threads: int | None) -> None:
        self.model = impasto.load(
            case.model, engine=case.engine, precision=case.precision, threads=threads
        )
        self.multiply_adds = self.model.card.macs_512 * (size / 512) ** 2
        self.content, self.picture = pictures(size)
        self.value = self.model.style(self.picture, size=None)
        self.planes = np.ascontiguousarray(self.content.transpose(2, 0, 1))
        _, own = self.model.engine.encode(self.planes)
        self.affines = [adain(c, s) for c, s in zip(own, self.value.moments, strict=True)]

    def style(self) -> object:
        return self.model.style(self.picture, size=None)

    def paint(self) -> object:
        return self.model.paint(self.content, self.value)

    def graphs(self) -> object:
        engine = self.model.engine
        return engine.decode(engine.encode(self.planes)[0], self.affines)


class Paper:
    """The paper's network as the reference, written as in the popular PyTorch port."""

    def __init__(self, size: int, threads: int | None) -> None:
        import torch
        from torch import nn

        def block(inputs: int, outputs: int) -> list[nn.Module]:
            return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU()]

        self.torch = torch
        if threads is not None:
            torch.set_num_threads(threads)
        encoder: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
        decoder: list[nn.Module] = []
        stride = 1
        for inputs, outputs, at in VGG:
            encoder += [nn.MaxPool2d(2)] * (at != stride) + block(inputs, outputs)
            up = [nn.Upsample(scale_factor=2)] * (at != stride)
            decoder = [*block(outputs, inputs), *up, *decoder]
            stride = at
        self.encoder = nn.Sequential(*encoder).eval()
        self.decoder = nn.Sequential(*decoder[:-1]).eval()  # no ReLU at the end
        self.content, self.picture = (
            torch.from_numpy(image).permute(2, 0, 1)[None].contiguous() for image in pictures(size)
        )
        layers = sum(9 * inputs * outputs / at**2 for inputs, outputs, at in VGG)
        # Both halves, and the 1x1 convolution before them.
        self.multiply_adds = (2 * layers + 9) * size**2
        self.value = self.style()

    def style(self) -> tuple[Any, Any]:
        with self.torch.inference_mode():
            return self._moments(self.encoder(self.picture))

    def paint(self) -> object:
        with self.torch.inference_mode():
            x = self.encoder(self.content)
            mean, std = self._moments(x)
            return self.decoder((x - mean) / std * self.value[1] + self.value[0]).clamp(0, 1)

    def graphs(self) -> object:
        with self.torch.inference_mode():
            return self.decoder(self.encoder(self.content))

    def _moments(self, x: Any) -> tuple[Any, Any]:
        variance, mean = self.torch.var_mean(x, dim=(2, 3), keepdim=True)
        return mean, (variance + 1e-5).sqrt()


def pictures(size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Make a random content and a random style image."""
    content, style = np.random.default_rng(0).random((2, size, size, 3), dtype=np.float32)
    return content, style


def runner(case: Case, size: int, threads: int | None) -> Bundled | Paper:
    return Paper(size, threads) if case.engine == REFERENCE else Bundled(case, size, threads)


def turn(call: Callable[[], object], seconds: float) -> float:
    """Measure the seconds of a call, over as many calls as fit in a turn."""
    start, calls = time.perf_counter(), 0
    while True:
        call()
        calls += 1
        spent = time.perf_counter() - start
        if spent >= seconds:
            return spent / calls


def measure(cases: Sequence[Case], size: int, options: argparse.Namespace) -> list[Timing]:
    """Measure the seconds of each case in interleaved turns."""
    runners = [runner(case, size, options.threads) for case in cases]
    for each in runners:  # engines choose their kernels for a new size in the first runs
        each.style(), each.paint(), each.graphs()
    spent: list[list[tuple[float, ...]]] = [[] for _ in cases]
    for number in range(options.repeats):
        for case, each, turns in zip(cases, runners, spent, strict=True):
            show_progress(
                f"{size} px, turn {number + 1} of {options.repeats}: {case.label} {case.engine}"
            )
            time.sleep(REST_SECONDS)
            calls: tuple[Callable[[], object], ...] = (each.paint, each.style, each.graphs)
            paint, style, graphs = (turn(call, options.turn) for call in calls)
            turns.append((paint, paint + style, graphs))
    return [
        Timing(each.multiply_adds, *map(statistics.median, zip(*turns, strict=True)))
        for each, turns in zip(runners, spent, strict=True)
    ]


def peaks(seconds: float) -> dict[str, float]:
    """Measure the multiply-adds per second of the best matrix product, by precision."""
    best: dict[str, float] = {}
    for side in (512, 1024, 2048, 3072):
        a = np.random.default_rng(0).standard_normal((side, side), dtype=np.float32)
        factors: dict[str, Any] = {"fp32": a}
        if HAS_TORCH:
            import torch

            single = torch.from_numpy(a)
            factors = {"fp32": single, "bf16": single.bfloat16()}
        for precision, factor in factors.items():
            show_progress(f"matrix product of {side}, {precision}")
            product = partial(operator.matmul, factor, factor)
            product()
            rate = side**3 / min(turn(product, seconds / 3) for _ in range(3))
            best[precision] = max(rate, best.get(precision, 0))
    return best


def startups(cases: Sequence[Case], repeats: int) -> list[tuple[str, float]]:
    """Measure the median seconds of whole processes in interleaved turns."""
    commands = {
        "python -c pass (nothing at all)": ["-c", "pass"],
        "import impasto": ["-c", "import impasto"],
        "impasto --help": ["-m", "impasto", "--help"],
    }
    for case in cases:
        if case.engine != REFERENCE:
            code = f"import impasto; impasto.load({case.model!r}, engine={case.engine!r}, "
            code += f"precision={case.precision!r})"
            commands[f"load {case.label}, {case.engine} {case.precision}"] = ["-c", code]
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(repeats + 1):
        for name, arguments in commands.items():
            show_progress(f"start-up: {name}")
            start = time.perf_counter()
            process([sys.executable, *arguments])
            if number:  # the first round fills the disk cache
                spent[name].append(time.perf_counter() - start)
    return [(name, statistics.median(each)) for name, each in spent.items()]


def peak_memory(case: Case, size: int, threads: int | None) -> int:
    """Measure the peak bytes of a process that loads a model, encodes a style and paints once."""
    show_progress(f"memory: {case.label} {case.engine} {case.precision} {size} px")
    arguments = [case.model, case.engine, case.precision, str(size), str(threads or 0)]
    return int(process([sys.executable, __file__, "--peak-of", *arguments]))


def report_peak(model: str, engine: str, precision: str, size: str, threads: str) -> None:
    """Print the peak memory of this process, the child of :func:`peak_memory`."""
    each = runner(Case(model, engine, precision), int(size), int(threads) or None)
    each.style(), each.paint()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if sys.platform == "linux":
        # On Linux ru_maxrss starts at the size of the parent process; VmHWM does not.
        own = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
        peak = int(own[1]) if own else peak
    print(peak if sys.platform == "darwin" else peak * 1024)


def process(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    return done.stdout.strip()


def show_progress(text: str) -> None:
    """Show progress on one line of a terminal; nothing in a log."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table that is aligned as plain text too, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    left = [not cell[:1].isdigit() for cell in rows[0]]
    rule = ["-" * w if text else "-" * (w - 1) + ":" for w, text in zip(widths, left, strict=True)]
    lines = []
    for row in (head, rule, *rows):
        cells = zip(row, widths, left, strict=True)
        lines.append(" | ".join(c.ljust(w) if text else c.rjust(w) for c, w, text in cells))
    return "\n".join(f"| {line} |" for line in lines)


def ratio(one: float | None, other: float | None) -> str:
    return f"{one / other:.2f}" if one and other else "-"


def machine(threads: int | None) -> str:
    """Describe the processor and the versions that the numbers were measured with."""
    info = Path("/proc/cpuinfo")
    named = re.search(r"model name\s*:\s*(.+)", info.read_text() if info.is_file() else "")
    cpu = named[1] if named else platform.processor() or platform.machine()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = [f"Python {platform.python_version()}", f"impasto {impasto.__version__}"]
    for package in ("numpy", "onnxruntime", "openvino", "torch"):
        with suppress(importlib.metadata.PackageNotFoundError):
            versions.append(f"{package} {importlib.metadata.version(package)}")
    return f"{cpu}, {cores} cores, threads: {threads or 'all'}\n{', '.join(versions)}"


def choose(options: argparse.Namespace) -> tuple[list[Case], list[str]]:
    """List the cases that can run here, and the reasons why others cannot."""
    cases, notes = [], []
    if REFERENCE in options.engines and HAS_TORCH:
        cases.append(Case("paper (VGG-19)", REFERENCE, "fp32"))
    elif REFERENCE in options.engines:
        notes.append("no reference and no ratios: PyTorch is not installed (pip install torch)")
    models = options.models or [row.name for row in MODELS if row.path is not None]
    if not models:
        notes.append("no embedded model in this installation; give a bundle with --models")
    for model in models:
        for row in ENGINES:
            if row.name not in options.engines:
                continue
            for precision in row.precisions:
                case = Case(model, row.name, precision)
                try:
                    card = impasto.load(model, engine=row.name, precision=precision).card
                except EngineError as error:
                    notes.append(f"not {case.label} on {row.name} {precision}: {error}")
                    continue
                except ImpastoError as error:
                    raise SystemExit(str(error)) from error
                if odd := [size for size in options.sizes if size % card.multiple]:
                    raise SystemExit(f"size {odd[0]} is not a multiple of {card.multiple} pixels")
                cases.append(case)
    return cases, list(dict.fromkeys(notes))


HEAD = ("model", "engine", "precision", "size", "img/s", "x ref.", "img/s +style", "x ref.",
        "img/s graphs", "GMAC/s", "of peak", "peak MB")  # fmt: skip
RAW = (*HEAD[:4], "multiply_adds", "kept_s", "encoded_s", "graphs_s", "peak_bytes")
LEGEND = """\
img/s         pictures a second through Stylizer.paint, with a style prepared in advance
img/s +style  the same with a style image of the same size encoded each time
img/s graphs  encoder and decoder alone (Engine.encode and Engine.decode)
x ref.        times the speed of the paper's network in PyTorch eager fp32
GMAC/s        billions of multiply-adds a second in the graphs, as counted for direct convolution
of peak       that relative to the best matrix product of the same precision, measured here
peak MB       largest memory of a process that loads, encodes a style and paints one picture"""


def main() -> None:
    """Measure all cases and print the tables."""
    if sys.argv[1:2] == ["--peak-of"]:
        return report_peak(*sys.argv[2:])
    names = [*(row.name for row in ENGINES), REFERENCE]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--sizes", type=int, nargs="+", metavar="N", help=f"sides in pixels (default: {SIZES})")
    add("--models", nargs="+", metavar="NAME|FILE", help="default: every embedded model")
    add("--engines", nargs="+", choices=names, default=names, help="default: all")
    add("--repeats", type=int, metavar="N", help=f"turns for each row (default: {REPEATS})")
    add("--threads", type=int, metavar="N", help="for every engine (default: one for each core)")
    add("--quick", action="store_true", help="256 pixels, 3 short turns")
    add("--csv", type=Path, metavar="FILE", help="also write the rows to FILE")
    options = parser.parse_args()
    options.sizes = options.sizes or (SIZES[:1] if options.quick else SIZES)
    options.repeats = options.repeats or (3 if options.quick else REPEATS)
    options.turn = TURN_SECONDS / 6 if options.quick else TURN_SECONDS
    if min(options.sizes) < 16 or options.repeats < 1 or (options.threads or 1) < 1:
        parser.error("sizes must be 16 or more, repeats and threads 1 or more")

    cases, notes = choose(options)
    print(f"Impasto's speed\n\n{machine(options.threads)}")
    starts = startups(cases, min(3, options.repeats))
    peak = peaks(options.turn)
    results = []
    for size in options.sizes:
        memory = [peak_memory(case, size, options.threads) for case in cases]
        results.append((size, measure(cases, size, options), memory))
        peak = {name: max(rate, peak[name]) for name, rate in peaks(options.turn).items()}
    rows, raw = [], []
    for size, times, memory in results:
        base = times[0] if cases and cases[0].engine == REFERENCE else None
        for case, timing, used in zip(cases, times, memory, strict=True):
            start = (case.label, case.engine, case.precision)
            rate = timing.multiply_adds / timing.graphs
            raw.append((*start, size, *timing, used))
            rows.append((
                *start, str(size),
                f"{1 / timing.kept:.2f}", ratio(base and base.kept, timing.kept),
                f"{1 / timing.encoded:.2f}", ratio(base and base.encoded, timing.encoded),
                f"{1 / timing.graphs:.2f}", f"{rate / 1e9:.1f}" if rate else "-",
                ratio(rate, peak.get(case.precision)), f"{used / 1e6:.0f}",
            ))  # fmt: skip
    show_progress("")
    if rows:
        print(f"\nmedian of {options.repeats} interleaved turns\n\n{table(HEAD, rows)}\n\n{LEGEND}")
    head = ("matrix product, torch" if HAS_TORCH else "matrix product, NumPy", "GMAC/s")
    print("", table(head, [(n, f"{r / 1e9:.1f}") for n, r in sorted(peak.items())]), sep="\n")
    head = ("start-up of a process", "ms")
    print("", table(head, [(n, f"{s * 1e3:.0f}") for n, s in starts]), sep="\n")
    print("", *(f"note: {note}" for note in notes), sep="\n")
    if options.csv:
        with options.csv.open("w", newline="") as file:
            csv.writer(file).writerows([RAW, *raw])


if __name__ == "__main__":
    main()
