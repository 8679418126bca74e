"""Styles of trained networks as files: taken out of one model, given to a copy of its base.

The two models here have one base, whose weights are random, and other styles in another order, as
two people have them who trained styles for it apart from each other.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import picture
from PIL import Image
from test_cli import imported

import impasto
from impasto.cli import cli
from impasto.controls import Controls
from impasto.errors import StyleError
from impasto.images.photo import read_photo
from impasto.models import Bundle, read_bundle, write_bundle
from impasto.models.engine import ENGINES, Engine, open_engine
from impasto.styles.files import load_style, read_style, save_style
from impasto.styles.library import VARIABLE, export_style, trained_names
from impasto.styles.style import Style, blend_styles
from impasto.stylizer import Stylizer, stylizer_of

torch = pytest.importorskip("torch")

from test_siblings import NETWORKS, lively  # noqa: E402

from impasto.lab.export.builtin import export_built_in  # noqa: E402
from impasto.lab.export.graphs import CardFacts  # noqa: E402
from impasto.lab.export.publish import _round_to_half  # noqa: E402
from impasto.lab.methods.cin import CIN, CINShape  # noqa: E402
from impasto.lab.methods.stylebank import StyleBank, StyleBankShape  # noqa: E402
from impasto.lab.training.checkpoints import start_from  # noqa: E402

TRAINED = Path(__file__).parents[1] / "trained"
ENGINE_NAMES = [row.name for row in ENGINES if row.installed]
KINDS = ("cin", "stylebank")


def facts(name: str) -> CardFacts:
    return CardFacts(name, "A small one", "for tests", "nothing", 0, {}, "MIT")


def lively_network(kind: str) -> Any:
    torch.manual_seed(0)
    network = lively(NETWORKS[kind]()).eval()
    _round_to_half(network)
    return network


@pytest.fixture(scope="module", params=KINDS)
def pair(request: pytest.FixtureRequest) -> tuple[Bundle, Bundle]:
    """Two bundles of one base: the second has other styles than the first."""
    network, other = (lively_network(request.param) for _ in range(2))
    with torch.no_grad():
        for index, parameter in enumerate(other.style_parameters()):
            random = torch.Generator().manual_seed(index)
            noise = torch.randn(parameter.shape, generator=random)
            parameter.copy_((parameter.flip(0) + 0.1 * noise).half().float())
    one = export_built_in(network, facts("mine"), ("wave", "rain", "night sky"))
    two = export_built_in(other, facts("theirs"), ("snow", "fog", "sun"))
    return one, two


@pytest.fixture(scope="module")
def files(pair: tuple[Bundle, Bundle], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("shared")
    found = [folder / f"{bundle.card.name}.impasto" for bundle in pair]
    for bundle, path in zip(pair, found, strict=True):
        write_bundle(bundle, path)
    return found


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "styles"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "styles"


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_a_style_in_a_file_paints_the_same_picture_bit_for_bit(
    pair: tuple[Bundle, Bundle], tmp_path: Path, engine: str
) -> None:
    mine, theirs = (
        stylizer_of(each, open_engine(each, name=engine, precision="fp32", threads=1))
        for each in pair
    )
    assert mine.identity == theirs.identity and pair[0].fingerprint != pair[1].fingerprint
    image = picture(45, 70)
    save_style(export_style("rain", pair[0]), tmp_path / "rain.safetensors")
    sent = load_style(tmp_path / "rain.safetensors")
    assert sent == mine.find("rain")
    wanted = mine.paint(image, mine.find("rain")).image
    np.testing.assert_array_equal(theirs.paint(image, sent).image, wanted)
    found = theirs.stylize(image, tmp_path / "rain.safetensors")
    np.testing.assert_array_equal(found, wanted)
    # The others are other styles, and what was sent mixes with them.
    alone = [theirs.paint(image, theirs.find(name)).image for name in ("snow", "fog", "sun")]
    assert min(float(np.abs(each - wanted).max()) for each in alone) > 0.02
    mixed = theirs.paint(image, [sent, theirs.find("fog")], Controls(weights=[1, 3])).image
    blended = blend_styles([sent, theirs.find("fog")], [1, 3])  # type: ignore[list-item]
    np.testing.assert_allclose(theirs.paint(image, blended).image, mixed, atol=1e-5)
    assert float(np.abs(mixed - wanted).max()) > 0.01 < float(np.abs(mixed - alone[1]).max())


def test_a_foreign_base_refuses_it(pair: tuple[Bundle, Bundle], tmp_path: Path) -> None:
    network = lively_network("stylebank" if pair[0].card.bank_channels else "cin")
    with torch.no_grad():  # the same in all but a bias
        next(network.head.parameters())[0] += 0.5
    other = export_built_in(network, facts("another"), ("a", "b", "c"))
    model = stylizer_of(other, open_engine(other, name="onnxruntime"))
    save_style(export_style("rain", pair[0]), tmp_path / "rain.safetensors")
    message = (
        r"'rain' was trained for model 'mine' \(\w{16}\), not for .*: .* copies of its own base"
    )
    with pytest.raises(StyleError, match=message):
        model.stylize(picture(32, 32), tmp_path / "rain.safetensors")
    with pytest.raises(StyleError, match="'rain' was made by another model"):
        model.paint(picture(32, 32), load_style(tmp_path / "rain.safetensors"))
    with pytest.raises(StyleError, match="was trained for model 'mine'"):
        impasto.load("fast").stylize(picture(32, 32), tmp_path / "rain.safetensors")
    short = load_style(tmp_path / "rain.safetensors")
    assert short.parameters is not None
    short = Style("short", pair[0].identity, (), parameters=short.parameters[:-1])
    mine = stylizer_of(pair[0], open_engine(pair[0], name="onnxruntime"))
    with pytest.raises(StyleError, match=r"'short' has [\d,]+ parameters, but model 'mine'"):
        mine.paint(picture(32, 32), short)
    one = TRAINED / "johnson-wave.impasto"
    if one.exists():
        with pytest.raises(StyleError, match="is the whole network: give its"):
            export_style("wave", read_bundle(one))


def run(*words: object) -> int:
    return cli.main([str(each) for each in words], standalone_mode=False) or 0


def test_the_command_exports_adds_lists_paints_and_removes(
    files: list[Path], library: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine, theirs = (("--model", path) for path in files)
    image = (picture(40, 56) * 255).astype(np.uint8)
    Image.fromarray(image).save(tmp_path / "street.png")
    run("style", "export", "rain", *mine)
    assert "rain.safetensors: style 'rain' for model 'mine'" in capsys.readouterr().out
    with pytest.raises(StyleError, match="already exists"):
        run("style", "export", "rain", *mine)
    run("style", "add", "my-rain", "rain.safetensors", *theirs, "--note", "from a friend")
    identity = read_bundle(files[1]).identity
    assert f"{library / identity / 'my-rain.safetensors'}" in capsys.readouterr().out
    run("styles", *theirs)
    assert re.search(
        r"sun\n+Your styles for this model\n+ +my-rain +yours +from a friend", said(capsys)
    )
    assert trained_names(read_bundle(files[1])) == ("snow", "fog", "sun", "my-rain")
    run("style", "show", "my-rain", *theirs)
    assert "trained: " in said(capsys)
    fast = ("--engine", "onnxruntime")
    run("stylize", "street.png", "my-rain", *theirs, *fast, "-o", "one.png")
    run("stylize", "street.png", "rain", *mine, *fast, "-o", "two.png")
    np.testing.assert_array_equal(read_photo("one.png").image, read_photo("two.png").image)
    run("stylize", "street.png", "--all-pairs", "-s", "*", *theirs, *fast, "-o", "all")
    assert {each.name for each in Path("all").iterdir()} == {
        f"street-{name}.png" for name in ("snow", "fog", "sun", "my-rain")
    }
    run("styles", *theirs, "--sheet", "sheet.png", "--on", "street.png")
    assert "4 styles" in said(capsys)
    with pytest.raises(StyleError, match="'rain' was trained for model 'mine'"):
        run("style", "add", "rain", "rain.safetensors", "--model", "fast")
    with pytest.raises(StyleError, match="more can be added from files"):
        run("style", "add", "street", "street.png", *theirs)
    run("style", "remove", "my-rain", *theirs)
    assert trained_names(read_bundle(files[1])) == ("snow", "fog", "sun")
    with pytest.raises(StyleError, match="has no style 'my-rain', but snow, fog, sun"):
        run("style", "export", "my-rain", *theirs)


def said(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_style_of_the_library_is_a_file_too(library: Path, tmp_path: Path) -> None:
    run("style", "export", "munch-scream", "--model", "fast", "-o", tmp_path / "a.safetensors")
    assert load_style(tmp_path / "a.safetensors").model == impasto.load("fast").identity
    with pytest.raises(StyleError, match="no style 'munch-screem'"):
        run("style", "export", "munch-screem", "--model", "fast")


def test_adding_needs_no_pytorch(files: list[Path], library: Path) -> None:
    save_style(export_style("rain", read_bundle(files[0])), "rain.safetensors")
    words = ("style", "add", "rain", "rain.safetensors", "--model", files[1])
    assert not imported(*words) & {"torch", "onnx", "onnxruntime", "openvino"}
    assert (library / read_bundle(files[1]).identity / "rain.safetensors").exists()


def test_a_network_with_one_style_more_has_the_same_base(
    pair: tuple[Bundle, Bundle], files: list[Path]
) -> None:
    """What `add_styles` trains and exports is found to fit the bundle that it started from."""
    torch.manual_seed(5)
    banks = pair[0].card.bank_channels
    more = StyleBank(4, StyleBankShape(8)) if banks else CIN(4, CINShape(8, 2))
    start_from(more, files[0], held=3)
    names = (*pair[0].card.styles, "new")
    grown = export_built_in(more.eval(), facts("mine"), names)
    assert grown == export_built_in(more, facts("mine"), names, base=pair[0])
    assert grown.identity == pair[0].identity and grown.parts == pair[0].parts
    assert [read_style(each) for each in grown.styles[:3]] == [
        read_style(each) for each in pair[0].styles
    ]
    # A new style starts at the mean of the others.
    rows = [read_style(each).parameters for each in grown.styles]
    wanted = np.mean([each for each in rows[:3] if each is not None], axis=0, dtype=np.float64)
    np.testing.assert_allclose(rows[3], wanted, atol=2e-3)


# Banks


class Recorded:
    """An engine that keeps the names of the graphs it runs."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name, self.precision = engine, engine.name, engine.precision
        self.parts: list[str] = []

    def run(self, part: str, feed: Any) -> Any:
        self.parts.append(part)
        return self.engine.run(part, feed)


@pytest.fixture(scope="module")
def banks() -> Bundle:
    return export_built_in(lively_network("stylebank"), facts("banks"), ("wave", "rain", "snow"))


def test_a_photograph_is_encoded_once_for_all_its_styles(banks: Bundle) -> None:
    recorded: Any = Recorded(open_engine(banks, name="onnxruntime"))
    model: Stylizer = stylizer_of(banks, recorded)
    content = model.encode(picture(40, 56))
    for name in ("wave", "rain", "snow"):
        model.paint(content, model.find(name))  # type: ignore[arg-type]
    assert recorded.parts == ["encoder", *["bank", "decoder"] * 3]
    recorded.parts.clear()
    mask = np.zeros((40, 56), np.float32)
    mask[:, :28] = 1
    both: list[Any] = [model.find("wave"), model.find("rain")]
    model.paint(content, both, Controls(masks=[mask, 1 - mask]))
    assert recorded.parts == ["bank", "bank", "decoder"]
    recorded.parts.clear()
    model.paint(content, both)  # linear fusion: banks are mixed before they filter
    assert recorded.parts == ["bank", "decoder"]


@pytest.mark.parametrize("engine", ENGINE_NAMES)
def test_a_bank_convolved_with_a_point_is_its_texton_there(banks: Bundle, engine: str) -> None:
    """StyleBank, section 3.2: a filter bank is the style's textons, F says which and where.

    With F a Dirac delta at one place of channel i, K * F is the filter of that channel, laid down
    at that place, in every output channel.
    """
    opened = open_engine(banks, name=engine, precision="fp32")
    channels = banks.card.bank_channels
    style = read_style(banks.styles[1]).parameters
    assert style is not None
    filters = style.astype(np.float32).reshape(channels, channels, 3, 3)
    features = np.zeros((channels, 8, 10), np.float32)
    channel, row, column = 5, 3, 6
    features[channel, row, column] = 1
    found = opened.run("bank", {"features": features, "style": style.astype("f")[:, None, None]})
    wanted = np.zeros_like(found)
    # Networks correlate: a convolution in the strict sense has its filter turned by half a turn.
    wanted[:, row - 1 : row + 2, column - 1 : column + 2] = filters[:, channel, ::-1, ::-1]
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    assert np.abs(wanted).max() > 0.1
