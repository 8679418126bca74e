"""The contract of the engines: one protocol, the same numbers, and clear errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import apply_affine, make_tiny, picture, psnr
from numpy.typing import NDArray

from impasto.controls.affine import Affine, adain
from impasto.controls.moments import moments
from impasto.errors import EngineError, ModelError, OptionError
from impasto.models import Bundle, Level
from impasto.models import engine as engines
from impasto.models.engine import ENGINES, Engine, open_engine
from impasto.painting.adain import AdaINPainter
from impasto.stylizer import Stylizer

SOURCE = str(Path(engines.__file__).parents[2])
INSTALLED = [row for row in ENGINES if row.installed]
by_name = pytest.mark.parametrize("row", INSTALLED, ids=lambda row: row.name)


def planes(height: int, width: int, *, seed: int = 0) -> NDArray[np.float32]:
    return np.ascontiguousarray(picture(height, width, seed=seed).transpose(2, 0, 1))


def styled(engine: Engine, content: NDArray[np.float32], style: NDArray[np.float32]) -> NDArray:
    (features, own), (_, wanted) = engine.encode(content), engine.encode(style)
    return engine.decode(features, [adain(x, y) for x, y in zip(own, wanted, strict=True)])


def printed_by(program: str, model: Path, row: engines.EngineRow) -> str:
    """What a program prints that is given a model and the name of an engine."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(model), row.name],
        env={**os.environ, "PYTHONPATH": SOURCE},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_encode_gives_what_the_card_says(model: Stylizer) -> None:
    card = model.card
    height, width = 3 * 48, 4 * 48
    encoded, own = model.engine.encode(planes(height, width))
    assert len(encoded) == len(own) == len(card.levels)
    for level, features, found in zip(card.levels, encoded, own, strict=True):
        assert features.dtype == np.float32
        assert features.shape == (level.channels, height // level.stride, width // level.stride)
        assert found.mean.dtype == found.std.dtype == np.float64
        assert found.mean.shape == found.std.shape == (level.channels,)


def test_moments_are_those_of_the_features(model: Stylizer) -> None:
    # In bfloat16 too: rounded moments would tint the whole picture.
    encoded, own = model.engine.encode(planes(144, 192))
    for features, found in zip(encoded, own, strict=True):
        exact = moments(features)
        np.testing.assert_allclose(found.mean, exact.mean, atol=1e-4 * exact.std.max(), rtol=1e-4)
        np.testing.assert_allclose(found.std, exact.std, rtol=1e-3)


def test_decode_gives_an_image(model: Stylizer) -> None:
    found = styled(model.engine, planes(96, 144), planes(48, 48, seed=1))
    assert found.shape == (3, 96, 144)
    assert found.dtype == np.float32
    assert np.isfinite(found).all()


def test_engines_agree(model: Stylizer, reference: Stylizer) -> None:
    content, style = planes(144, 96), planes(96, 144, seed=1)
    one, two = styled(model.engine, content, style), styled(reference.engine, content, style)
    if model.engine.precision == "fp32":
        np.testing.assert_allclose(one, two, atol=1e-3)
    else:
        assert psnr(one.clip(0, 1), two.clip(0, 1)) >= 40


def test_decode_aligns_as_the_reference_does(tiny: Stylizer) -> None:
    # A scale and shift for each place, through the decoder and by hand before it.
    engine = tiny.engine
    encoded, _ = engine.encode(planes(32, 48))
    rng = np.random.default_rng(0)
    maps = [
        Affine(
            scale=rng.uniform(0.5, 1.5, features.shape).astype(np.float32),
            shift=rng.uniform(-0.1, 0.1, features.shape).astype(np.float32),
        )
        for features in encoded
    ]
    aligned = [
        apply_affine(features, affine) for features, affine in zip(encoded, maps, strict=True)
    ]
    same = [
        Affine(scale=np.ones((c, 1, 1), np.float32), shift=np.zeros((c, 1, 1), np.float32))
        for c in (12, 48)
    ]
    atol = 1e-5 if engine.precision == "fp32" else 0.02
    np.testing.assert_allclose(
        engine.decode(encoded, maps), engine.decode(aligned, same), atol=atol
    )


def test_results_stay_when_the_engine_runs_again(tiny: Stylizer) -> None:
    first, own = tiny.engine.encode(planes(16, 16))
    kept = [each.copy() for each in first]
    image = tiny.engine.decode(first, [adain(m, m) for m in own])
    copy = image.copy()
    other, own = tiny.engine.encode(planes(16, 16, seed=1))
    tiny.engine.decode(other, [adain(m, m) for m in own])
    for features, before in zip(first, kept, strict=True):
        np.testing.assert_array_equal(features, before)
    np.testing.assert_array_equal(image, copy)


def test_several_threads_at_once(tiny: Stylizer) -> None:
    style = planes(32, 32, seed=9)
    contents = [planes(16 + 4 * k, 48, seed=k) for k in range(8)]
    alone = [styled(tiny.engine, content, style) for content in contents]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda content: styled(tiny.engine, content, style), contents))
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, two)


@by_name
@pytest.mark.parametrize("threads", [1, 2])
def test_threads(tiny_bundle: Bundle, row: engines.EngineRow, threads: int) -> None:
    engine = open_engine(tiny_bundle, name=row.name, precision="fp32", threads=threads)
    assert engine.encode(planes(16, 16))[0][0].shape == (12, 8, 8)


BOUND = """
import os, sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
import numpy as np
from impasto.models import open_engine, read_bundle

cores, bound = os.sched_getaffinity(0), set()
engine = open_engine(read_bundle(sys.argv[1]), name=sys.argv[2], threads=1)
image = np.zeros((3, 256, 256), np.float32)
with ThreadPoolExecutor(1) as pool:
    runs = pool.submit(lambda: [engine.encode(image) for _ in range(20)])
    while not runs.done():
        for thread in Path("/proc/self/task").iterdir():
            with suppress(OSError):  # it has ended
                bound |= cores - os.sched_getaffinity(int(thread.name))
    runs.result()
print(sorted(bound))
"""


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs 2 cores"
)
@by_name
def test_no_thread_is_bound_to_a_core(tiny_path: Path, row: engines.EngineRow) -> None:
    """Two processes would be bound to the same one, and share it.

    In a process of its own: what other tests do with an engine may bind threads.
    """
    assert printed_by(BOUND, tiny_path, row) == "[]\n"


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2"])
def test_threads_refused(tiny_bundle: Bundle, threads: int) -> None:
    with pytest.raises(OptionError, match="threads must be a whole number of 1 or more, not"):
        open_engine(tiny_bundle, threads=threads)


def test_defaults(tiny_bundle: Bundle) -> None:
    row = INSTALLED[0]
    engine = open_engine(tiny_bundle)
    assert engine.name == row.name
    supported = import_module(row.module).supported()
    assert engine.precision == next(each for each in row.precisions if each in supported)


INTERRUPTED = """
import gc, signal, sys
from impasto.models import open_engine
from impasto.models import read_bundle

opened = [open_engine(read_bundle(sys.argv[1]), name=sys.argv[2]) for _ in range(3)]
while opened:
    opened.pop(0)
    gc.collect()
signal.signal(signal.SIGINT, signal.default_int_handler)
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


@by_name
def test_ctrl_c_works_after_models_have_come_and_gone(row: Any, tiny_path: Path) -> None:
    # Where an engine leaves the stack for signals in unmapped memory, this is a segmentation fault.
    assert printed_by(INTERRUPTED, tiny_path, row) == "interrupted\n"


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_a_card_may_ask_for_a_precision(tiny_bundle: Bundle, asked: str) -> None:
    bundle = replace(tiny_bundle, card=replace(tiny_bundle.card, precision=asked))
    for row in INSTALLED:
        usable = import_module(row.module).supported() & {"fp32", "bf16"}
        plain = open_engine(tiny_bundle, name=row.name).precision
        engine = open_engine(bundle, name=row.name)
        assert engine.precision == (asked if asked in usable else plain)
        for precision in usable:  # what is asked for in the call comes first
            assert open_engine(bundle, name=row.name, precision=precision).precision == precision


def test_unknown_engine_and_precision(tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="no engine 'tensorflow'; choose openvino or onnxruntime"):
        open_engine(tiny_bundle, name="tensorflow")
    with pytest.raises(
        OptionError, match="'onnxruntime' does not support precision 'bf16'; choose fp32"
    ):
        open_engine(tiny_bundle, name="onnxruntime", precision="bf16")


def table(monkeypatch: pytest.MonkeyPatch, **changes: str) -> None:
    rows = (replace(ENGINES[0], **changes), *ENGINES[1:])
    monkeypatch.setattr(engines, "ENGINES", rows)


def test_an_engine_that_is_not_installed(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(monkeypatch, imports="openvino_of_tomorrow")
    assert open_engine(tiny_bundle).name == "onnxruntime"
    with pytest.raises(EngineError, match=r'not installed; pip install "impasto\[openvino\]"'):
        open_engine(tiny_bundle, name="openvino")


def test_a_folder_of_that_name_is_no_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "enginelike").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert not replace(ENGINES[0], imports="enginelike").installed


def test_an_engine_that_does_not_start(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_engine.py").write_text("raise ImportError('libfoo.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    table(monkeypatch, imports="broken_engine", module="broken_engine")
    with pytest.raises(EngineError, match=r"does not start \(libfoo\.so: cannot open\); pip"):
        open_engine(tiny_bundle)


def test_a_processor_without_the_precision(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain_engine.py").write_text(
        "def supported(): return frozenset({'fp32'})\n"
        "def open_graphs(bundle, *, precision, threads): return precision\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    table(monkeypatch, imports="plain_engine", module="plain_engine")
    assert open_engine(tiny_bundle) == "fp32"
    with pytest.raises(EngineError, match=r"does not support bf16 .*; choose fp32"):
        open_engine(tiny_bundle, precision="bf16")


@by_name
@pytest.mark.parametrize(
    "damage",
    [
        lambda graph: b"",
        lambda graph: b"no graph at all",
        lambda graph: graph[: len(graph) // 2],
        lambda graph: graph[:99] + bytes(200) + graph[299:],
    ],
)
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_damaged_graphs(
    tiny_bundle: Bundle,
    row: engines.EngineRow,
    part: str,
    damage: Callable[[bytes], bytes],
    capfd: pytest.CaptureFixture[str],
) -> None:
    broken = replace(tiny_bundle, **{part: damage(getattr(tiny_bundle, part))})
    with pytest.raises(ModelError, match=f"the {part} of model 'tiny' is damaged") as caught:
        open_engine(broken, name=row.name)
    assert "\n" not in str(caught.value)
    assert "Exception from" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


@by_name
def test_graphs_that_do_not_fit_the_card(tiny_bundle: Bundle, row: engines.EngineRow) -> None:
    def opened(**changes: object) -> None:
        open_engine(replace(tiny_bundle, **changes), name=row.name)

    levels = tiny_bundle.card.levels
    third = (*levels, Level("third", 4, 4))
    with pytest.raises(ModelError, match="encoder of model 'tiny' has no output 'features_2'"):
        opened(card=replace(tiny_bundle.card, levels=third))
    wide = (Level("half", 13, 2), levels[1])
    with pytest.raises(ModelError, match=r"'features_0' .* has 12 channels, but its card says 13"):
        opened(card=replace(tiny_bundle.card, levels=wide))
    with pytest.raises(ModelError, match="encoder of model 'tiny' has no input 'image'"):
        opened(encoder=tiny_bundle.decoder)
    with pytest.raises(ModelError, match="decoder of model 'tiny' has an unknown input"):
        opened(card=replace(tiny_bundle.card, levels=levels[:1]))


def test_a_run_that_fails_and_the_next_one(tiny: Stylizer) -> None:
    with pytest.raises(EngineError, match="failed: ") as caught:
        tiny.engine.encode(planes(15, 16))
    assert "\n" not in str(caught.value)
    assert tiny.engine.encode(planes(16, 16))[0][0].shape == (12, 8, 8)


def test_opening_writes_nothing_home_and_calls_nobody(tiny_path: Path, tmp_path: Path) -> None:
    # By themselves OpenVINO leaves an identifier in ~/intel and looks up an analytics server, and
    # ONNX Runtime leaves one in ~/.cache/Microsoft.
    code = """
import os, socket, sys, time
calls = []
socket.getaddrinfo = lambda *where, **_: calls.append(where)
before = dict(os.environ)
from impasto.models import ENGINES, open_engine
from impasto.models import read_bundle
for row in ENGINES:
    if row.installed:
        open_engine(read_bundle(sys.argv[1]), name=row.name)
time.sleep(0.3)
assert dict(os.environ) == before, "the environment changed"
assert not calls, calls
"""
    # Not the variables of a continuous integration, which silence the libraries by themselves.
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PYTHONPATH": SOURCE}
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, impasto.models.engine, impasto.stylizer\n"
        "assert not {'onnxruntime', 'openvino', 'torch', 'onnx'} & sys.modules.keys()\n"
    )
    environment = {**os.environ, "PYTHONPATH": SOURCE}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("side", [16, 33, 64])
def test_a_style_is_encoded_at_once(side: int) -> None:
    # Its padding may be wider than the picture itself.
    bundle = make_tiny(margin=48)
    engine = open_engine(bundle, name="onnxruntime")
    style = Stylizer(AdaINPainter(bundle.card, engine, bundle.identity)).style(picture(side, side))
    rim = (48, 48 + -side % 4)
    padded = np.pad(planes(side, side), [(0, 0), rim, rim], mode="reflect")
    for found, wanted in zip(style.moments, engine.encode(padded)[1], strict=True):
        assert np.array_equal(found.mean, wanted.mean) and np.array_equal(found.std, wanted.std)


def test_another_seed_is_another_model() -> None:
    # Guards the fixture: tests on "a style of another model" need two that differ.
    one, two = make_tiny(), make_tiny(seed=1)
    assert one.encoder != two.encoder
    assert one.card == two.card
