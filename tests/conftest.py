"""Fixtures: a tiny model with real graphs, and every engine x model that is at hand.

The tiny model has two levels. Each level is a space-to-depth step and an orthogonal 1x1
convolution, so nothing is lost on the way down and the decoder can undo it exactly; the decoder
mixes what both levels say half and half. It is a real (if ugly) style transfer: alpha = 0 gives the
picture back, alpha = 1 gives every channel the style's moments.
"""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, checker, helper, numpy_helper

# PyTorch reads it at its import. The tensors of tests are small: threads would wait for each other
# longer than they work, and as many processes as there are cores run tests at once.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from browser import chromium
from film_files import FilmFiles

from impasto.controls import Controls
from impasto.controls.affine import Affine
from impasto.models import MODELS, Bundle, Card, Level, find_bundle, write_bundle
from impasto.models.engine import ENGINES, open_engine
from impasto.painting import Budget
from impasto.stylizer import Painted, Stylizer, stylizer_of

LEVELS = (Level("half", 12, 2), Level("quarter", 48, 4))


def tiny_card(*, margin: int = 0) -> Card:
    return Card(
        name="tiny",
        title="A model for tests",
        architecture="space-to-depth and orthogonal 1x1 convolutions",
        levels=LEVELS,
        multiple=4,
        rim=3,
        parameters=2 * (12 * 12 + 48 * 48),
        macs_512=0,
        data="none",
        iterations=0,
        losses={"none": 0.0},
        licence="CC0-1.0",
        notes="",
        margin=margin,
    )


def make_tiny(*, seed: int = 0, margin: int = 0) -> Bundle:
    """The tiny model; another seed is another model."""
    rng = np.random.default_rng(seed)
    mixers = [np.linalg.qr(rng.standard_normal((c, c)))[0].astype(np.float32) for c in (12, 48)]
    return Bundle(card=tiny_card(margin=margin), encoder=_encoder(mixers), decoder=_decoder(mixers))


def _encoder(mixers: list[NDArray[np.float32]]) -> bytes:
    constants = [
        numpy_helper.from_array(np.array([2, 3], np.int64), "sides"),
        numpy_helper.from_array(np.float32(1e-5), "eps"),
    ]
    nodes, outputs, source = [], [], "image"
    for i, (level, mixer) in enumerate(zip(LEVELS, mixers, strict=True)):
        constants.append(numpy_helper.from_array(mixer[:, :, None, None], f"mixer_{i}"))
        features, mean, std = f"features_{i}", f"mean_{i}", f"std_{i}"
        nodes += [
            helper.make_node("SpaceToDepth", [source], [f"deep_{i}"], blocksize=2),
            helper.make_node("Conv", [f"deep_{i}", f"mixer_{i}"], [features]),
            helper.make_node("ReduceMean", [features, "sides"], [mean], keepdims=1),
            helper.make_node("Sub", [features, mean], [f"centered_{i}"]),
            helper.make_node("Mul", [f"centered_{i}", f"centered_{i}"], [f"squares_{i}"]),
            helper.make_node("ReduceMean", [f"squares_{i}", "sides"], [f"var_{i}"], keepdims=1),
            helper.make_node("Add", [f"var_{i}", "eps"], [f"var_eps_{i}"]),
            helper.make_node("Sqrt", [f"var_eps_{i}"], [std]),
        ]
        outputs += [_port(features, level.channels, i)]
        outputs += [_port(name, level.channels, None) for name in (mean, std)]
        source = features
    return _graph("encoder", nodes, [_port("image", 3, "full")], outputs, constants)


def _decoder(mixers: list[NDArray[np.float32]]) -> bytes:
    # The inverse of an orthogonal matrix is its transpose.
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(mixer.T[:, :, None, None]), f"inverse_{i}")
        for i, mixer in enumerate(mixers)
    ]
    constants.append(numpy_helper.from_array(np.float32(0.5), "half"))
    nodes = []
    for i in range(2):
        nodes += [
            helper.make_node("Mul", [f"features_{i}", f"scale_{i}"], [f"scaled_{i}"]),
            helper.make_node("Add", [f"scaled_{i}", f"shift_{i}"], [f"aligned_{i}"]),
        ]
    nodes += [
        helper.make_node("Conv", ["aligned_1", "inverse_1"], ["deep_1"]),
        helper.make_node("DepthToSpace", ["deep_1"], ["shallow_1"], blocksize=2),
        helper.make_node("Add", ["shallow_1", "aligned_0"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["mixed"]),
        helper.make_node("Conv", ["mixed", "inverse_0"], ["deep_0"]),
        helper.make_node("DepthToSpace", ["deep_0"], ["image"], blocksize=2),
    ]
    inputs = [
        _port(f"{kind}_{i}", level.channels, f"{kind}_{i}")
        for i, level in enumerate(LEVELS)
        for kind in ("features", "scale", "shift")
    ]
    return _graph("decoder", nodes, inputs, [_port("image", 3, "full")], constants)


def _port(name: str, channels: int, size: object) -> Any:
    sides: list[object] = [1, 1] if size is None else [f"h_{size}", f"w_{size}"]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, channels, *sides])


def _graph(
    name: str, nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: list[Any]
) -> bytes:
    graph = helper.make_graph(nodes, name, inputs, outputs, constants)
    # Opset and format from 2022: what the oldest supported engines read.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    checker.check_model(model)
    return model.SerializeToString()


def picture(height: int, width: int, *, seed: int = 0) -> NDArray[np.float32]:
    """A smooth colourful picture with a little grain, (H, W, 3) in [0, 1]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / 24
    phases = rng.uniform(0, 6.3, (3, 3))
    waves = [np.sin(a + x) + np.cos(b + y) + np.sin(c + x + 2 * y) for a, b, c in phases]
    image = 0.5 + 0.15 * np.stack(waves, axis=-1) + 0.02 * rng.standard_normal((height, width, 3))
    return image.clip(0, 1).astype(np.float32)


def apply_affine(features: NDArray[Any], affine: Affine) -> NDArray[np.float32]:
    """``features * scale + shift``, computed in float64: what a decoder does first."""
    exact = features.astype(np.float64) * affine.scale + affine.shift
    return exact.astype(np.float32)


def psnr(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    """How near two images in [0, 1] are, in dB."""
    error = float(np.mean((one.astype(np.float64) - two) ** 2))
    return float("inf") if error == 0 else -10 * math.log10(error)


VARIANTS = [
    (row.name, each)
    for row in ENGINES
    if row.installed
    for each in row.precisions
    if each != "int8"
]
"""Every engine that is installed at each of its precisions but int8, which has graphs of its own
that are further from the others: test_int8.py tests them."""

EMBEDDED = [row.name for row in MODELS if row.path is not None]
"""The models in this checkout."""


RECIPES = Path(__file__).parents[1] / "recipes"


@pytest.fixture(scope="session", autouse=True)
def default_signals() -> Iterator[None]:
    """Handle signals as in a terminal: nohup ignores SIGHUP, a shell's background SIGINT.

    What a test starts inherits what is ignored.
    """
    ignored = [
        number
        for number in (signal.SIGINT, getattr(signal, "SIGHUP", signal.SIGINT))
        if signal.getsignal(number) is signal.SIG_IGN
    ]
    for number in ignored:
        interrupted = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, interrupted)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture(scope="session")
def run_recipe() -> Callable[..., subprocess.CompletedProcess[str]]:
    """A function that runs ``recipes/NAME.py`` with arguments, as a user does."""

    def run(name: str, *arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(RECIPES / f"{name}.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    return run


VGG = Path(__file__).parents[2] / "shared" / "weights" / "vgg_normalised.pth"
DECODER = Path(__file__).parents[1] / "trained" / "adain-decoder.safetensors"
PAPERS = (
    ["adain"] if VGG.exists() and DECODER.exists() and importlib.util.find_spec("torch") else []
)
"""The paper's network where its encoder, which may not ship, lies beside the checkout."""


def open_variant(bundle: Bundle, variant: tuple[str, str]) -> Stylizer:
    """A model on one engine, or a skipped test where the processor lacks the precision."""
    name, precision = variant
    if (
        precision
        not in import_module(next(r.module for r in ENGINES if r.name == name)).supported()
    ):
        pytest.skip(f"this processor does not support {precision}")
    engine = open_engine(bundle, name=name, precision=precision, threads=2)
    return stylizer_of(bundle, engine)


def paint(
    model: Stylizer,
    image: Any,
    styles: Any,
    *,
    opacity: Any = None,
    budget: Budget = Budget(),
    **controls: Any,
) -> Painted:
    """Paint with controls by name, for cases that are tables of them."""
    return model.paint(image, styles, Controls(**controls), opacity=opacity, budget=budget)


@pytest.fixture(scope="session", params=VARIANTS, ids="-".join)
def variant(request: pytest.FixtureRequest) -> tuple[str, str]:
    """An engine and a precision."""
    found: tuple[str, str] = request.param
    return found


@pytest.fixture(scope="session")
def tiny(tiny_bundle: Bundle, variant: tuple[str, str]) -> Stylizer:
    """The tiny model on every engine."""
    return open_variant(tiny_bundle, variant)


@pytest.fixture(scope="session", params=["tiny", *EMBEDDED, *PAPERS])
def bundle(
    request: pytest.FixtureRequest, tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Bundle:
    """The tiny model, every embedded one, and the paper's network with our decoder."""
    if request.param == "adain":
        publish = pytest.importorskip("impasto.lab.export.publish")
        folder = tmp_path_factory.mktemp("papers")
        made: Bundle = publish.publish_adain(VGG, DECODER, folder / "adain.impasto")
        return made
    return tiny_bundle if request.param == "tiny" else find_bundle(request.param)


@pytest.fixture(scope="session")
def model(bundle: Bundle, variant: tuple[str, str]) -> Stylizer:
    """Every model on every engine."""
    return open_variant(bundle, variant)


@pytest.fixture(scope="session")
def reference(bundle: Bundle) -> Stylizer:
    """Every model on ONNX Runtime in single precision, which the others are compared with."""
    return open_variant(bundle, ("onnxruntime", "fp32"))


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    return make_tiny()


@pytest.fixture(scope="session")
def tiny_path(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "tiny.impasto"
    write_bundle(tiny_bundle, path)
    return path


@pytest.fixture
def inline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Data sets made without processes, and styles kept where no other test finds them."""
    from impasto.dataset import executors

    row = executors.ExecutorRow("inline", "inline_executor", "", "", "")
    monkeypatch.setattr(executors, "EXECUTORS", (*executors.EXECUTORS, row))
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "my styles"))


@pytest.fixture(scope="session")
def films(tmp_path_factory: pytest.TempPathFactory) -> FilmFiles:
    """Films of all odd kinds by their names, each made when it is first asked for."""
    return FilmFiles(tmp_path_factory.mktemp("films"))


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, for tests marked ``needs_browser``."""
    with chromium() as found:
        yield found
