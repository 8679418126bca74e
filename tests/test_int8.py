"""Decoders in int8: how they are made, what they compute, where they are chosen."""

from __future__ import annotations

import base64
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from browser import PACKAGES, PAGE, needs_browser, needs_packages, served
from click.testing import CliRunner
from conftest import make_tiny, paint, picture, psnr
from numpy.typing import NDArray
from onnx import numpy_helper

import impasto
from impasto.cli import cli
from impasto.controls.affine import adain
from impasto.errors import ModelError, StyleError
from impasto.images.photo import read_photo
from impasto.images.resizing import resize
from impasto.models import Bundle, Card, find_bundle, gains, processor, read_bundle, write_bundle
from impasto.models import engine as engines
from impasto.models.card import read_card, write_card
from impasto.models.engine import ENGINES, default_precision, fastest_precision, open_engine
from impasto.models.gains import GAINS, GainRow, find_gain
from impasto.models.processor import instructions
from impasto.painting import Budget
from impasto.styles.library import list_styles
from impasto.stylizer import Stylizer, stylizer_of
from impasto.web import site

pytest.importorskip("torch", reason="decoders in int8 are made by the lab, which needs PyTorch")

from impasto.lab.export import int8

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS, STYLES = EXAMPLES / "photos", EXAMPLES / "styles"
INSTALLED = [row for row in ENGINES if row.installed]
by_name = pytest.mark.parametrize("engine", [row.name for row in INSTALLED])
SHIPPED = ["fast", "quality"]
Opener = Callable[[str, str, str], Stylizer]


def planes(height: int, width: int, *, seed: int = 0) -> NDArray[np.float32]:
    return np.ascontiguousarray(picture(height, width, seed=seed).transpose(2, 0, 1))


def photograph(name: str, size: int) -> NDArray[np.float32]:
    return resize(read_photo(PHOTOS / name).image, size)


def make_deep() -> Bundle:
    """The tiny model with two more convolutions, the last, which change nothing."""
    bundle = make_tiny()
    model = onnx.load_from_string(bundle.decoder)
    graph = model.graph
    same = np.eye(12, dtype=np.float32)[:, :, None, None]
    graph.initializer.append(numpy_helper.from_array(same, "same"))
    graph.node[-1].input[0] = "kept_2"
    for source, target in (("deep_0", "kept_1"), ("kept_1", "kept_2")):
        node = onnx.helper.make_node("Conv", [source, "same"], [target])
        graph.node.insert(len(graph.node) - 1, node)
    return replace(bundle, decoder=model.SerializeToString())


@pytest.fixture(scope="module")
def deep_bundle() -> Bundle:
    return make_deep()


@pytest.fixture(scope="module")
def made(deep_bundle: Bundle) -> Bundle:
    """That model with a decoder in int8, whose first convolution is not exact."""
    exact = stylizer_of(deep_bundle, open_engine(deep_bundle, name="onnxruntime", precision="fp32"))
    styles = [exact.style(picture(48, 48, seed=seed)) for seed in range(6)]
    return int8.with_int8(deep_bundle, [planes(64, 64, seed=9), planes(64, 64, seed=8)], styles)


@pytest.fixture(scope="session")
def quantized(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Bundle]:
    """The models that ship, with the decoder in int8 that they have or that a little work gives."""
    found: dict[str, Bundle] = {}

    def bundle_of(name: str) -> Bundle:
        if name not in found:
            bundle = find_bundle(name)
            if not bundle.card.int8:
                exact = stylizer_of(
                    bundle, open_engine(bundle, name="onnxruntime", precision="fp32")
                )
                calibration = int8.Calibration(photographs=6, styles=3, side=160)
                photographs = int8.squares(
                    {str(PHOTOS): 1.0}, n=6, size=160, seed=0, held_out=False
                )
                contents = [
                    int8.content_planes(exact, each)
                    for each in photographs.permute(0, 2, 3, 1).contiguous().numpy()
                ]
                styles = sorted(int8.calibration_styles(exact, None), key=int8.loudness)[::-2]
                bundle = int8.with_int8(bundle, contents, styles, calibration)
            found[name] = bundle
        return found[name]

    return bundle_of


@pytest.fixture(scope="session")
def opened(quantized: Callable[[str], Bundle]) -> Opener:
    """A function that opens a model that ships: name, engine, precision."""
    found: dict[tuple[str, str, str], Stylizer] = {}

    def open_once(name: str, engine: str, precision: str) -> Stylizer:
        key = name, engine, precision
        if key not in found:
            bundle = quantized(name)
            found[key] = stylizer_of(
                bundle, open_engine(bundle, name=engine, precision=precision, threads=1)
            )
        return found[key]

    return open_once


# --- what the graphs compute ------------------------------------------------------------------


def constants(graph: bytes) -> dict[str, NDArray[np.generic]]:
    found = onnx.load_from_string(graph).graph
    return {each.name: numpy_helper.to_array(each) for each in found.initializer}


def test_all_convolutions_but_the_last_three_are_quantized(
    quantized: Callable[[str], Bundle],
) -> None:
    found = onnx.load_from_string(quantized("fast").decoder_int8).graph
    makers = {name: node for node in found.node for name in node.output}
    kinds = []
    for node in found.node:
        if node.op_type == "Conv":
            before = makers.get(node.input[1])
            kinds.append(before is not None and before.op_type == "DequantizeLinear")
    plain = onnx.load_from_string(find_bundle("fast").decoder).graph
    count = sum(node.op_type == "Conv" for node in plain.node)
    assert kinds == [True] * (count - 3) + [False] * 3
    assert "Cast" not in {node.op_type for node in found.node}


@by_name
def test_known_answer_of_a_quantized_convolution(
    made: Bundle, deep_bundle: Bundle, engine: str
) -> None:
    """The decoder of a convolution in int8 and three exact ones, worked out in whole numbers."""
    found = constants(made.decoder_int8)
    weights = next(each for each in found.values() if each.dtype == np.int8 and each.ndim == 4)
    exact = constants(deep_bundle.decoder)
    steps = np.abs(exact["inverse_1"]).astype(np.float64).reshape(48, -1).max(axis=1) / 63.5
    scaled = exact["inverse_1"] / steps[:, None, None, None]  # 7 bits of the 8
    assert np.abs(weights - scaled).max() <= 1.01 and np.abs(weights).max() <= 64

    graph = onnx.load_from_string(made.decoder_int8).graph
    (node,) = (n for n in graph.node if n.op_type == "Conv" and n.input[1] not in found)
    makers = {name: each for each in graph.node for name in each.output}
    scale_in, zero_in = (found[name] for name in makers[node.input[0]].input[1:3])
    scale_w = found[makers[node.input[1]].input[1]]
    quantizer = next(each for each in graph.node if node.output[0] in each.input)
    scale_out, zero_out = (found[name] for name in quantizer.input[1:3])

    other = open_engine(made, name=engine, precision="int8")
    image = planes(32, 32, seed=4)
    features, own = other.encode(image)
    reference = open_engine(made, name="onnxruntime", precision="fp32").encode(image)
    for one, two in zip(features, reference[0], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-5)  # the encoder is the same
    same = [adain(each, each) for each in own]
    whole = np.clip(np.rint(features[1] / scale_in) + zero_in, 0, 255) - float(zero_in)
    sums = np.einsum("oi,ihw->ohw", weights[:, :, 0, 0].astype(np.float64), whole)
    real = sums * float(scale_in) * scale_w.astype(np.float64)[:, None, None]
    low, high = (float(scale_out) * (end - float(zero_out)) for end in (0, 255))
    deep = np.clip(np.rint(real / float(scale_out)) * float(scale_out), low, high)

    def shallow(maps: NDArray[np.float64]) -> NDArray[np.float64]:
        channels, height, width = maps.shape
        blocks = maps.reshape(2, 2, channels // 4, height, width).transpose(2, 3, 0, 4, 1)
        return blocks.reshape(channels // 4, 2 * height, 2 * width)

    mixed = (shallow(deep) + features[0]) / 2
    inverse = exact["inverse_0"][:, :, 0, 0].astype(np.float64)
    # The scales of the same moments are next to 1, which moves a few numbers to the next step.
    answer = shallow(np.einsum("oi,ihw->ohw", inverse, mixed))
    given = other.decode(features, same)
    assert np.abs(given - answer).mean() <= 0.02 * float(scale_out)
    assert np.abs(given - answer).max() <= 2.1 * float(scale_out)


@by_name
@pytest.mark.parametrize("name", SHIPPED)
def test_pictures_are_near_those_in_single_precision(
    opened: Opener, name: str, engine: str
) -> None:
    exact, other = opened(name, "onnxruntime", "fp32"), opened(name, engine, "int8")
    assert (other.engine.precision, other.identity) == ("int8", exact.identity)
    styles = int8.judged_styles(int8.calibration_styles(exact, None))[::2]
    photographs = [photograph(name, 192) for name in ("chelsea.jpg", "coffee.jpg")]
    found = int8.distances(exact, other, photographs, styles)
    assert min(found) >= 30 and np.mean(found) >= 36, found


def test_a_smooth_sky_has_no_bands(opened: Opener) -> None:
    """AdaIN multiplies what little there is in smooth features, and whatever is rounded in them."""
    exact, other = (opened("fast", "onnxruntime", each) for each in ("fp32", "int8"))
    down = np.linspace(0, 1, 384, dtype=np.float32)[:, None, None]
    sky = np.array([0.35, 0.55, 0.85], np.float32) * (1 - down) + 0.95 * down
    sky = np.ascontiguousarray(np.broadcast_to(sky, (384, 128, 3)))
    # Loud styles in which some of the sky is flat in single precision.
    for name in ("posada-calavera", "renoir-moulin-de-la-galette", "moreau-chariot-of-apollo"):
        one, two = (paint(each, sky, each.find(name)).image for each in (exact, other))
        assert psnr(one, two) >= 34
        # Where nothing moves by more than 1 of 255 nearby, nothing may jump.
        moves = np.abs(np.diff(one, axis=0)).max(axis=-1)
        flat = np.lib.stride_tricks.sliding_window_view(moves, (5, 5)).max(axis=(2, 3)) <= 1 / 255
        found = np.abs(np.diff(two, axis=0)).max(axis=-1)[2:-2, 2:-2]
        assert flat.sum() > 500 and (found - moves[2:-2, 2:-2])[flat].max() <= 4 / 255


@by_name
def test_tiles_are_the_whole(opened: Opener, engine: str) -> None:
    model = opened("fast", engine, "int8")
    image, style = picture(400, 560, seed=2), model.find("munch-scream")
    whole = paint(model, image, style).image
    tiled = paint(model, image, style, budget=Budget(tile=256)).image
    assert np.abs(whole - tiled).max() <= 1 / 255


@by_name
def test_a_result_is_the_same_every_time_and_flat_pictures_are_flat(
    opened: Opener, engine: str
) -> None:
    exact, model = opened("fast", "onnxruntime", "fp32"), opened("fast", engine, "int8")
    style = model.find("munch-scream")
    flat = np.full((96, 96, 3), 0.4, np.float32)
    one, two = (paint(model, flat, style).image for _ in range(2))
    assert np.array_equal(one, two)
    spread = np.ptp(paint(exact, flat, style).image, axis=(0, 1)).max()
    assert np.ptp(one, axis=(0, 1)).max() <= spread + 4 / 255


def test_styles_are_interchangeable(opened: Opener) -> None:
    exact = opened("fast", "onnxruntime", "fp32")
    other = opened("fast", "onnxruntime", "int8")
    wave = STYLES / "wave.jpg"
    ours, theirs = exact.style(wave), other.style(wave)
    assert ours.model == theirs.model
    cup = photograph("coffee.jpg", 192)
    painted = [
        paint(model, cup, style).image for model in (exact, other) for style in (ours, theirs)
    ]
    for each in painted[1:]:
        assert psnr(painted[0], each) >= 30
    # A style of the gallery, made in single precision, is found and used as it is.
    assert other.find("klimt-kiss") == exact.find("klimt-kiss")


# --- the bundle -------------------------------------------------------------------------------


def test_a_bundle_keeps_its_identity_and_its_graphs(
    made: Bundle, deep_bundle: Bundle, tmp_path: Path
) -> None:
    assert made.identity == deep_bundle.identity and made.parts == deep_bundle.parts
    write_bundle(made, tmp_path / "one.impasto")
    write_bundle(made, tmp_path / "two.impasto")
    assert (tmp_path / "one.impasto").read_bytes() == (tmp_path / "two.impasto").read_bytes()
    again = read_bundle(tmp_path / "one.impasto")
    assert again == made
    assert again.graphs("int8") == {**made.parts, "decoder": made.decoder_int8}
    assert made.decoder_int8 not in (b"", made.decoder)
    assert again.graphs("fp32") == again.graphs("bf16") == again.parts
    with zipfile.ZipFile(tmp_path / "one.impasto") as archive:
        names = archive.namelist()
    assert names[-1] == "decoder.int8.onnx"


def test_bundles_without_int8_are_written_as_before(tiny_bundle: Bundle) -> None:
    assert "int8" not in write_card(tiny_bundle.card)


def test_a_bundle_that_lost_its_decoder_is_refused(made: Bundle, tmp_path: Path) -> None:
    write_bundle(made, tmp_path / "whole.impasto")
    with (
        zipfile.ZipFile(tmp_path / "whole.impasto") as whole,
        zipfile.ZipFile(tmp_path / "less.impasto", "w") as less,
    ):
        for name in whole.namelist()[:-1]:
            less.writestr(name, whole.read(name))
    with pytest.raises(ModelError, match=r"it has no decoder\.int8\.onnx"):
        read_bundle(tmp_path / "less.impasto")


@by_name
def test_a_model_without_a_decoder_in_int8_says_so(tiny_bundle: Bundle, engine: str) -> None:
    with pytest.raises(ModelError, match=r"'tiny' has no int8 decoder: .*impasto lab quantize"):
        open_engine(tiny_bundle, name=engine, precision="int8")


@by_name
def test_a_damaged_decoder_in_int8(made: Bundle, engine: str) -> None:
    broken = replace(made, decoder_int8=made.decoder_int8[: len(made.decoder_int8) // 2])
    with pytest.raises(ModelError, match="the decoder of model 'tiny' is damaged"):
        open_engine(broken, name=engine, precision="int8")
    open_engine(broken, name=engine, precision="fp32")


def test_cards(made: Bundle) -> None:
    card = replace(made.card, int8_psnr={"mean": 40.0, "min": 35.5})
    assert read_card(write_card(card)) == card
    assert card.int8 == "6 styles on 2 photographs, percentile 99.99"
    with pytest.raises(ModelError, match="'int8_psnr' needs 'int8'"):
        replace(card, int8="")
    with pytest.raises(ModelError, match="PSNR 'min' must be a finite number"):
        replace(card, int8_psnr={"min": float("nan")})
    with pytest.raises(ModelError, match="cannot have an int8 decoder"):
        Card(**{**vars(card), "levels": (), "styles": ("wave",)})


def test_bundles_that_ship_grow_by_little(
    quantized: Callable[[str], Bundle], tmp_path: Path
) -> None:
    grown = 0
    for name in SHIPPED:
        bundle = quantized(name)
        write_bundle(bundle, tmp_path / f"{name}.impasto")
        plain = replace(
            bundle,
            card=replace(bundle.card, int8="", int8_psnr={}),
            decoder_int8=b"",
        )
        write_bundle(plain, tmp_path / f"{name}-plain.impasto")
        sizes = [(tmp_path / f"{name}{end}.impasto").stat().st_size for end in ("", "-plain")]
        grown += sizes[0] - sizes[1]
    assert 0 < grown <= 2.5e6


# --- the command that makes them --------------------------------------------------------------


def test_quantize_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        int8.quantize_bundle,
        "__kwdefaults__",
        int8.quantize_bundle.__kwdefaults__
        | {"calibration": int8.Calibration(photographs=2, styles=2, pictures=3, judged_side=96)},
    )
    source, target = tmp_path / "tiny.impasto", tmp_path / "small.impasto"
    write_bundle(make_deep(), source)
    command = ["lab", "quantize", str(source), str(PHOTOS), "-o", str(target)]
    with pytest.raises(StyleError, match=r"no style for model 'tiny' .*folder of paintings"):
        CliRunner().invoke(cli, command, catch_exceptions=False, standalone_mode=False)
    assert not target.exists()
    done = CliRunner().invoke(cli, [*command, "--paintings", str(STYLES)], catch_exceptions=False)
    assert re.search(
        r"small\.impasto: 0\.\d\d MB in int8, PSNR to single precision \d\d\.\d dB, \d\d\.\d dB",
        done.output,
    )
    bundle = read_bundle(target)
    assert bundle.card.int8 == (
        "3 styles on 2 photographs, percentile 99.99; PSNR of 9 pairs at 96 px"
    )
    psnr_found = bundle.card.int8_psnr
    assert psnr_found["mean"] >= int8.LEAST_MEAN and psnr_found["min"] >= int8.LEAST_MIN
    assert bundle.parts == make_deep().parts
    # The same file again: what it had is replaced.
    again = CliRunner().invoke(
        cli, [*command[:2], str(target), *command[3:], "--paintings", str(STYLES), "--overwrite"]
    )
    assert again.exit_code == 0 and read_bundle(target) == bundle
    said = CliRunner().invoke(cli, ["models", str(target)]).output
    assert "int8: PSNR to single precision mean" in " ".join(said.split())


def test_pictures_that_are_too_far_are_not_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(int8, "LEAST_MEAN", 99.0)
    write_bundle(make_deep(), tmp_path / "tiny.impasto")
    with pytest.raises(ModelError, match=r"have a PSNR of \d\d\.\d dB to .* 99 and 30 are needed"):
        int8.quantize_bundle(
            tmp_path / "tiny.impasto",
            PHOTOS,
            tmp_path / "out.impasto",
            paintings=STYLES,
            calibration=int8.Calibration(photographs=1, styles=1, pictures=2, judged_side=64),
        )
    assert not (tmp_path / "out.impasto").exists()


def test_loud_styles_are_judged_first() -> None:
    model = impasto.load("fast", engine="onnxruntime", precision="fp32", threads=1)
    styles = [each.style for each in list_styles(model=model.identity) if each.style is not None]
    found = int8.judged_styles(styles)
    assert len(found) == 10 and len({each.name for each in found}) == 10
    loud = sorted((float(s.moments[-1].std.mean()) for s in styles), reverse=True)[:5]
    assert [float(s.moments[-1].std.mean()) for s in found[:5]] == loud


# --- where they are chosen --------------------------------------------------------------------

ZEN_3 = {"sse2", "avx", "avx2", "fma"}
SKYLAKE_X = ZEN_3 | {"avx512f", "avx512bw", "avx512dq", "avx512vl"}
ICE_LAKE = SKYLAKE_X | {"avx512_vnni"}
ZEN_4 = ICE_LAKE | {"avx512_bf16"}
SAPPHIRE_RAPIDS = ZEN_4 | {"amx_int8", "amx_bf16", "amx_tile"}


def test_instructions_of_processors() -> None:
    assert instructions({"sse2"}) == instructions(set()) == ()
    assert instructions(ZEN_3)[-1] == "avx2"
    assert instructions(SKYLAKE_X)[-1] == "avx512"
    assert instructions(ICE_LAKE)[-1] == "avx512_vnni"
    assert instructions(ZEN_4) == ("avx2", "avx512", "avx512_vnni", "avx512_bf16")
    assert instructions(SAPPHIRE_RAPIDS)[-1] == "amx"
    assert instructions(ZEN_3 | {"avx_vnni"}) == ("avx2",)


def test_flags_are_read_or_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, wanted in (
        ("processor\t: 0\nflags\t\t: fpu avx2 fma\n\nprocessor\t: 1\n", {"fpu", "avx2", "fma"}),
        ("processor\t: 0\nFeatures\t: fp asimd asimddp\n", set()),
    ):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
        processor.processor_flags.cache_clear()
        assert processor.processor_flags() == wanted
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "none")
    processor.processor_flags.cache_clear()
    assert processor.processor_flags() == frozenset() and instructions() == ()
    monkeypatch.undo()
    processor.processor_flags.cache_clear()


ROWS = (
    GainRow("onnxruntime", "avx512_vnni", "fp32", fast=1.2, quality=1.9),
    GainRow("openvino", "avx2", "fp32", fast=1.3, quality=1.5),
    GainRow("openvino", "avx512_bf16", "bf16", fast=1.1, quality=1.4),
)


@pytest.mark.parametrize(
    ("flags", "usable", "engine", "wanted", "smaller"),
    [
        (ZEN_3, "fp32 int8", "onnxruntime", "fp32", ""),  # not measured there
        (ICE_LAKE, "fp32 int8", "onnxruntime", "int8", ""),
        (ZEN_4, "fp32 int8", "onnxruntime", "int8", ""),
        (SAPPHIRE_RAPIDS, "fp32 int8", "onnxruntime", "int8", ""),  # it has no bfloat16
        (ZEN_3, "fp32 int8", "openvino", "int8", ""),
        (ICE_LAKE, "fp32 int8", "openvino", "int8", ""),
        (ZEN_4, "bf16 fp32 int8", "openvino", "int8", "bf16"),  # 1.4 and 1.1 times as fast
        (ZEN_4, "fp32 int8", "openvino", "fp32", ""),  # measured against bfloat16
        (SAPPHIRE_RAPIDS, "bf16 fp32 int8", "openvino", "bf16", ""),
        (set(), "fp32 int8", "openvino", "fp32", ""),  # nothing is known
    ],
)
def test_fastest_precision(
    made: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    flags: set[str],
    usable: str,
    engine: str,
    wanted: str,
    smaller: str,
) -> None:
    """``wanted`` of a model as large as quality, ``smaller`` of one like fast, if it differs."""
    monkeypatch.setattr(gains, "GAINS", ROWS)
    monkeypatch.setattr(engines, "instructions", lambda: instructions(flags))
    row = next(row for row in ENGINES if row.name == engine)
    found = usable.split()
    for macs, gains_as_measured in ((12_500_000_000, wanted), (3_100_000_000, smaller or wanted)):
        card = replace(made.card, macs_512=macs)
        assert fastest_precision(row, card, found) == gains_as_measured
    assert default_precision(made.card, found) == found[0]
    # Not of a model without such a decoder, or of one that asks for a precision.
    assert fastest_precision(row, make_tiny().card, found) == found[0]
    asks = replace(made.card, precision="fp32")
    assert fastest_precision(row, asks, found) == default_precision(asks, found) == "fp32"


def test_with_amx_bfloat16_stays(made: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    large = GainRow("openvino", "avx512_bf16", "bf16", fast=3.0, quality=3.0)
    monkeypatch.setattr(gains, "GAINS", (large,))
    row = next(row for row in ENGINES if row.name == "openvino")
    for flags, wanted in ((ZEN_4, "int8"), (SAPPHIRE_RAPIDS, "bf16")):
        monkeypatch.setattr(engines, "instructions", lambda flags=flags: instructions(flags))
        assert fastest_precision(row, made.card, ["bf16", "fp32", "int8"]) == wanted


def test_auto_opens_the_fastest(
    made: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "instructions", lambda: instructions(ICE_LAKE))
    monkeypatch.setattr(gains, "GAINS", ROWS)
    write_bundle(made, tmp_path / "made.impasto")

    def opened(precision: str | None) -> str:
        model = impasto.load(tmp_path / "made.impasto", engine="onnxruntime", precision=precision)
        return model.engine.precision

    assert (opened("auto"), opened(None), opened("fp32")) == ("int8", "fp32", "fp32")
    monkeypatch.setattr(engines, "instructions", lambda: ())
    assert opened("auto") == "fp32"


def test_films_and_cameras_ask_for_the_fastest() -> None:
    for command, fastest in (("video", True), ("live", True), ("stylize", False)):
        shown = " ".join(CliRunner().invoke(cli, [command, "--help"]).output.split())
        assert "Precision: fp32, bf16" in shown
        assert ("or auto, the fastest as measured. [default: auto]" in shown) is fastest
    from impasto.cli.options import FilmModelOptions, ModelOptions

    assert (FilmModelOptions().precision, ModelOptions().precision) == ("auto", None)


def test_table_of_gains_is_sound() -> None:
    names = [name for name, _ in processor.INSTRUCTIONS]
    assert {row.instructions for row in GAINS} <= set(names)
    assert {row.engine for row in GAINS} <= {row.name for row in ENGINES}
    keys = [(row.engine, row.instructions) for row in GAINS]
    assert len(set(keys)) == len(keys)
    weaker = find_gain("onnxruntime", ("avx2",))
    assert find_gain("onnxruntime", ("avx2", "avx512")) is weaker is not None


def test_tables_of_rows() -> None:
    import precisions

    cells = {"engine": "openvino", "isa": "ALL", "processor": "avx2", "model": "fast"}
    rows = [cells | {"precision": "int8", "times": "1.40"}]
    rows = [cells | {"precision": "fp32", "times": "1.00"}, *rows]
    assert precisions.speeds(rows).splitlines()[0::2] == [
        "| engine | processor | `ONEDNN_MAX_CPU_ISA` | model | fp32 | int8 |",
        "| OpenVINO | avx2 | ALL | `fast` | 1.00 | 1.40 |",
    ]
    found = {"pairs": "30", "psnr_mean": "39.4", "psnr_min": "35.3", "step": "1.0", "tiles": "0.1"}
    shown = precisions.pictures([cells | found | {"content": "1.001", "style": ""}])
    wanted = "| `fast` | OpenVINO | 30 | 39.4 | 35.3 | 1.0 | 0.1 | 1.001 |  |"
    assert shown.splitlines()[2] == wanted


# --- the page ---------------------------------------------------------------------------------


def test_page_of_files_names_the_decoder(made: Bundle, tiny_bundle: Bundle) -> None:
    (row,) = site.describe("device", [made])["models"]
    assert row["decoder_int8"] == "models/tiny/decoder.int8.onnx"
    assert row["decoder"] == "models/tiny/decoder.onnx"
    (plain,) = site.describe("device", [tiny_bundle])["models"]
    (of_server,) = site.describe("server", [made])["models"]
    assert plain["decoder_int8"] is of_server["decoder_int8"] is None


PAINTED = """async ({ pixels, moments, width, height }) => {
  const { Runtime, openRuntime } = await import("/page/models/runtime.js");
  const { Model } = await import("/page/models/model.js");
  const { paintPixels } = await import("/page/painting/adain.js");
  const { PixelSource } = await import("/page/images/windows.js");
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const doubles = (text) => new Float64Array(bytes(text).buffer);
  const { models: [row], runtime: builds } = await (await fetch("/site.json")).json();
  const wasm = new URL(builds.wasm, document.baseURI).href;
  const runtime = await openRuntime({ wasm, webgpu: null });
  const data = new Uint8ClampedArray(bytes(pixels).buffer);
  const source = () => new PixelSource({ width, height, data });
  const styles = [
    { moments: moments.map(([mean, std]) => ({ mean: doubles(mean), std: doubles(std) })) },
  ];
  const controls = { alpha: 1, weights: null, masks: [], color: null, coarse: 1 };
  const text = ({ data }) => {
    let found = "";
    for (let i = 0; i < data.length; i += 8192) {
      found += String.fromCharCode(...data.subarray(i, i + 8192));
    }
    return btoa(found);
  };
  const found = {};
  for (const [name, each] of [["int8", row], ["fp32", { ...row, decoder_int8: null }]]) {
    const model = await Model.open(each, document.baseURI, runtime);
    found[name] = {
      precision: model.precision,
      whole: text(await paintPixels(model, source(), styles, controls)),
      tiled: text(await paintPixels(model, source(), styles, controls, { tile: 256 })),
    };
  }
  found.card = new Runtime({}, "webgpu", 1).precision(row);
  return found;
}"""


@needs_browser
@needs_packages
def test_browsers_paint_in_int8_as_python_does(made: Bundle, browser: Any, tmp_path: Path) -> None:
    width, height = 448, 320
    exact, model = (
        stylizer_of(made, open_engine(made, name="onnxruntime", precision=each))
        for each in ("fp32", "int8")
    )
    style = exact.style(picture(64, 64, seed=3))
    image = np.rint(picture(height, width, seed=2) * 255).astype(np.uint8)
    facts = site.describe("device", [made], runtime=site.Runtime("runtime/ort.wasm.min.mjs"))
    folder = tmp_path / "models" / "tiny"
    folder.mkdir(parents=True)
    (tmp_path / "site.json").write_text(json.dumps(facts))
    (tmp_path / "index.html").write_text("<!doctype html><link rel=icon href=data:,>")
    (folder / "card.json").write_text(write_card(made.card))
    for part in ("encoder", "decoder"):
        (folder / f"{part}.onnx").write_bytes(made.parts[part])
    (folder / "decoder.int8.onnx").write_bytes(made.decoder_int8)

    def packed(values: NDArray[Any]) -> str:
        return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()

    opaque = np.dstack([image, np.full((height, width), 255, np.uint8)])
    moments = [[packed(each.mean), packed(each.std)] for each in style.moments]
    given = {"pixels": packed(opaque), "moments": moments, "width": width, "height": height}
    roots = {"/": tmp_path, "/page/": PAGE, "/runtime/": PACKAGES / "onnxruntime-web/dist"}
    with served(roots) as address:
        page = browser.new_page()
        page.goto(f"{address}/index.html")
        found = page.evaluate(PAINTED, given)
        page.close()
    assert found["card"] == "fp32"  # graphics cards compute in floating point
    for precision, painter in (("int8", model), ("fp32", exact)):
        assert found[precision]["precision"] == precision
        wanted = painter.paint(image.astype(np.float32) / 255, style).image
        whole, tiled = (
            np.frombuffer(base64.b64decode(found[precision][each]), np.uint8)
            .reshape(height, width, 4)[..., :3]
            .astype(np.float32)
            / 255
            for each in ("whole", "tiled")
        )
        assert np.abs(whole - tiled).max() <= 1 / 255 + 1e-6
        assert np.abs(whole - wanted).max() <= 2 / 255 + 1e-6
