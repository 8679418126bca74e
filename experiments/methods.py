"""All methods on one pair: losses, CPU seconds and peak memory, each painted by a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from impasto.errors import ModelError
from plots import Bar, bar_plot
from study import DECODER, ROOT, Bench, Experiment, Results, Row, Unit, table
from table1 import INVERSE

PHOTO, STYLE = "photos/coffee.jpg", "styles/wave.jpg"
TRAINED = ROOT / "trained"
CONTENT, STYLES = "relu4_1", "relu1_1,relu2_1,relu3_1,relu4_1"
"""Layers of the normalized VGG-19, which is the judge as well."""

COLUMNS = ("style", "gram", "content", "ssim")
HEAD = ("", "trained for", "CPU s", "peak GB", "style", "Gram", "content", "SSIM")


@dataclass(frozen=True)
class Method:
    """A row of the table.

    Attributes:
        title: its name there.
        trained: the styles that it was trained for.
        model: a name or a file; None: called as its key, or put together here.
        options: of a method of the lab.
        style: the built-in one; None for the picture.
        steps: that it takes by default, where it optimizes.
    """

    title: str
    trained: str
    model: str | Path | None = None
    options: dict[str, str] = field(default_factory=dict)
    style: str | None = None
    steps: int = 0

    @property
    def slow(self) -> bool:
        """True if it takes minutes."""
        return self.steps > 0


PHOTOGRAPH = "photograph"
ANY, NOTHING, OURS = "any style", "nothing", "adain-ours"
METHODS: dict[str, Method] = {
    PHOTOGRAPH: Method("the photograph itself", ""),
    "adain": Method("`adain`, a public decoder", ANY),
    OURS: Method("`adain`, `trained/adain-decoder.safetensors`", ANY),
    "quality": Method("`quality`", ANY),
    "fast": Method("`fast`", ANY),
    "johnson": Method(
        "`johnson`, `trained/johnson-wave.impasto`",
        "this style",
        TRAINED / "johnson-wave.impasto",
        style="wave",
    ),
    "cin": Method(
        "`cin`, `trained/cin-9.impasto`", "9 styles", TRAINED / "cin-9.impasto", style="wave"
    ),
    "stylebank": Method(
        "`stylebank`, `trained/stylebank-5.impasto`",
        "5 styles",
        TRAINED / "stylebank-5.impasto",
        style="wave",
    ),
    "style-swap-net": Method(
        "`style-swap` with its network", ANY, "style-swap", {"inverse": str(INVERSE)}
    ),
    "style-swap": Method("`style-swap`", NOTHING, steps=100),
    "gatys": Method(
        "`gatys`", NOTHING, options={"content_layers": CONTENT, "style_layers": STYLES}, steps=200
    ),
    "cnnmrf": Method("`cnnmrf`", NOTHING, options={"content_layers": CONTENT}, steps=200),
}


@dataclass(frozen=True)
class Settings:
    """One pair at each of ``sizes``; those that optimize at the sizes of ``slow`` alone.

    They take ``share`` of their steps. Of the others the mean of ``times`` pictures is timed.
    """

    sizes: tuple[int, ...] = (256, 512)
    slow: tuple[int, ...] = (256,)
    share: float = 1.0
    times: int = 3
    methods: tuple[str, ...] = tuple(METHODS)


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    quick = [name for name in settings.methods if not METHODS[name].slow]
    slow = [name for name in settings.methods if METHODS[name].slow]
    return [
        Unit({"size": size, "method": name})
        for sizes, names in ((settings.sizes, quick), (settings.slow, slow))
        for size in sizes
        for name in names
    ]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    from impasto.lab.evaluate.pairs import Look, Pair, square

    name, size = str(unit.key["method"]), int(unit.key["size"])
    pair = Pair(ROOT / "examples" / PHOTO, ROOT / "examples" / STYLE)
    look = Look(pair, *(square(file, size) for file in (pair.content, pair.style)))
    if name == PHOTOGRAPH:
        (numbers,), found = bench.judged(look, [look.content]), {}
    else:
        picture, found = _painted(name, look, bench)
        (numbers,) = bench.judged(look, [picture])
    yield {**found, **{column: numbers[column] for column in COLUMNS}}


def _painted(name: str, look: Any, bench: Bench) -> tuple[Any, dict[str, float]]:
    """A picture by a process of its own, and what it needed."""
    method, settings = METHODS[name], bench.settings
    size = len(look.content)
    files = {part: bench.work / f"{part}-{size}.npy" for part in ("content", "style")}
    for part, file in files.items():
        np.save(file, getattr(look, part))
    out = bench.work / f"{name}-{size}.npy"
    load: dict[str, Any] = {"precision": "fp32", "threads": 1}
    steps = max(round(settings.share * method.steps), 1)
    options = {**method.options, **({"steps": str(steps)} if method.slow else {})}
    if method.slow or method.options:
        load |= {"vgg": str(bench.vgg_file), "engine": "cpu"}
    else:
        load["engine"] = "onnxruntime"
    job = {
        "model": str(_model(name, bench)),
        "load": load,
        "settings": options,
        "content": str(files["content"]),
        "style": method.style or str(files["style"]),
        "out": str(out),
        "times": 0 if method.slow else settings.times,
    }
    command = [sys.executable, str(Path(__file__).with_name("alone.py")), json.dumps(job)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ModelError(f"{name} at {size} px could not be painted: {reason}")
    needed: dict[str, float] = json.loads(done.stdout)
    about = {"steps": steps} if method.slow else {}
    picture = np.load(out)
    return picture, {**about, "cpu_seconds": needed["seconds"], "peak_bytes": needed["peak"]}


def _model(name: str, bench: Bench) -> str | Path:
    """Name or file of a model; the paper's network is put together first."""
    if name not in ("adain", OURS):
        return METHODS[name].model or name
    from impasto.lab.evaluate.painters import adain_bundle
    from impasto.models.bundle import write_bundle

    file = bench.work / f"{name}.impasto"
    if not file.exists():
        decoder = bench.decoder_file if name == "adain" else DECODER
        write_bundle(adain_bundle(bench.vgg_file, decoder), file)
    return file


def _title(row: Any) -> str:
    steps = f", {row['steps']} steps" if row["steps"] else ""
    return METHODS[row["method"]].title + steps


def _tables(results: Results) -> str:
    parts = []
    for size in results.values("size"):
        order = list(METHODS)
        found = sorted(results.where(size=size), key=lambda row: order.index(row["method"]))
        rows = []
        for row in found:
            needs = [_digits(row["cpu_seconds"]), _digits(row["peak_bytes"], 1e9)]
            losses = [f"{float(row[column]):.2f}" for column in COLUMNS]
            rows.append([_title(row), METHODS[row["method"]].trained, *needs, *losses])
        parts.append(f"{size} x {size} px:\n\n{table(HEAD, rows, text_columns=2)}")
        painted = [row["method"] for row in found]
        missing = [METHODS[name].title for name in order if name not in painted]
        if missing:
            parts.append(f"Not painted at {size} px: {', '.join(missing)}.")
    return "\n\n".join(parts)


def _digits(text: str, unit: float = 1.0) -> str:
    """Two digits or more, and no powers of ten."""
    if not text:
        return ""
    value = float(text) / unit
    return f"{value:.{2 if value < 1 else 1 if value < 10 else 0}f}"


def _plot(results: Results) -> Image.Image:
    bars = [
        Bar(row["method"], f"{row['size']} px", float(row["gram"]))
        for row in results.rows
        if row["method"] != PHOTOGRAPH
    ]
    return bar_plot(bars, title="Distance of Gram matrices by method", y="relative distance")


EXPERIMENT = Experiment(
    name="methods",
    title="All methods on one pair",
    about=(
        "The cup of `examples/photos` in `examples/styles/wave.jpg`, each method with its defaults "
        "except for the layers: `gatys` and `cnnmrf` use the normalized VGG-19 up to relu4_1, "
        "which is also the judge. Each picture is painted in its own process, in single precision "
        "with one thread, and models run on ONNX Runtime. The table shows CPU seconds from both "
        "pictures to the painted one, which other work on the machine changes less than wall-clock "
        "time, and the peak resident memory. One pair illustrates the methods and is not a "
        "verdict."
    ),
    settings=Settings,
    smoke=Settings(
        sizes=(64,), slow=(64,), share=0.01, times=1, methods=(PHOTOGRAPH, "fast", "gatys")
    ),
    keys=("size", "method"),
    columns=("steps", "cpu_seconds", "peak_bytes", *COLUMNS),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    drawn=False,
)
