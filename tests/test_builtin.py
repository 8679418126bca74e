"""Models whose styles are built in, as a user gets them: a bundle, the two verbs, the command."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import VARIANTS, picture
from lab_parts import changed, make_config, vgg_weights, write_pictures
from PIL import Image
from test_siblings import NETWORKS, STYLES, lively, one_hot

import impasto
from impasto.cli import cli
from impasto.controls.moments import Moments
from impasto.errors import EngineError, ImageError, ModelError, OptionError, StyleError
from impasto.images.arrays import Photo
from impasto.images.options import ReadOptions
from impasto.images.photo import read_photo
from impasto.lab.export.builtin import built_in_parity, export_built_in
from impasto.lab.export.graphs import PARITY, CardFacts
from impasto.lab.export.publish import _round_to_half
from impasto.lab.training.checkpoints import start_from, weights_of
from impasto.lab.training.config import read_config, write_config
from impasto.lab.training.networks import find_network
from impasto.models import Bundle, find_bundle, read_bundle, write_bundle
from impasto.models.engine import ENGINES, open_engine
from impasto.painting import Budget
from impasto.painting.builtin import BuiltInPainter
from impasto.styles.files import style_bytes
from impasto.styles.style import Style
from impasto.stylizer import stylizer_of

NAMES = ("wave", "rain", "night sky")
FACTS = CardFacts("small", "A small one", "for tests", "nothing", 0, {"style": 1.5}, "MIT")


@pytest.fixture(scope="module")
def networks():
    made = {}
    for name, make in NETWORKS.items():
        torch.manual_seed(0)
        made[name] = lively(make()).eval()
        _round_to_half(made[name])
    return made


@pytest.fixture(scope="module")
def bundles(networks) -> dict[str, Bundle]:
    return {
        name: export_built_in(
            network, dataclasses.replace(FACTS, name=name), NAMES[: network.styles]
        )
        for name, network in networks.items()
    }


@pytest.fixture(scope="module")
def paths(bundles, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("built-in")
    for name, bundle in bundles.items():
        write_bundle(bundle, folder / f"{name}.impasto")
    return {name: folder / f"{name}.impasto" for name in bundles}


@pytest.fixture(params=NETWORKS, scope="module")
def model(request, paths) -> impasto.Stylizer:
    return impasto.load(paths[request.param], engine="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def bank(paths) -> impasto.Stylizer:
    return impasto.load(paths["stylebank"], engine="onnxruntime", threads=1)


# --- the bundle ---


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("engine", [row.name for row in ENGINES if row.installed])
def test_the_graph_is_the_network(networks, bundles, name, engine, monkeypatch):
    monkeypatch.setattr("impasto.lab.export.builtin.PARITY_SIZES", ((16, 16), (37, 53), (64, 160)))
    opened = open_engine(bundles[name], name=engine, precision="fp32")
    differences = built_in_parity(networks[name], opened)
    assert len(differences) == 3 and max(differences.values()) <= PARITY


def test_a_wrong_network_is_noticed(networks, bundles, monkeypatch):
    monkeypatch.setattr("impasto.lab.export.builtin.PARITY_SIZES", ((32, 32),))
    torch.manual_seed(0)
    other = lively(NETWORKS["cin"](), seed=1).eval()
    opened = open_engine(bundles["cin"], name="onnxruntime")
    assert max(built_in_parity(other, opened).values()) > PARITY


@pytest.mark.parametrize("name", NETWORKS)
def test_a_bundle_keeps_card_graphs_styles_and_weights(networks, bundles, paths, name):
    bundle, network = bundles[name], networks[name]
    again = read_bundle(paths[name])
    assert again == bundle and again.identity == bundle.identity
    assert again.card.styles == NAMES[: network.styles]
    assert again.card.controls == network.controls
    assert again.card.macs_512 > 1e9 and again.card.pixel_bytes > 0
    with zipfile.ZipFile(paths[name]) as archive:
        kept = set(archive.namelist())
    parts = {"encoder", "bank", "decoder"} if name == "stylebank" else {"painter"}
    count = network.styles if hasattr(network, "style_parameters") else 0
    styles = {f"styles/{i}.safetensors" for i in range(count)}
    assert kept == {"card.json", *(f"{part}.onnx" for part in parts), *styles}
    torch.manual_seed(1)
    loaded = NETWORKS[name]()
    start_from(loaded, paths[name])
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key


def test_cards_of_other_models_stay_as_they_were(tiny_path, bundles, tmp_path):
    with zipfile.ZipFile(tiny_path) as archive:
        assert not {"styles", "controls", "pixel_bytes"} & set(
            json.loads(archive.read("card.json"))
        )
    with pytest.raises(EngineError, match="no painter: it has no built-in styles"):
        open_engine(read_bundle(tiny_path)).run("painter", {"image": np.zeros((3, 16, 16), "f")})
    for name in ("cin", "stylebank"):
        opened = open_engine(bundles[name])
        with pytest.raises(EngineError, match="no encoder: its styles are built in"):
            opened.encode(np.zeros((3, 16, 16), np.float32))
        with pytest.raises(EngineError, match="no decoder: its styles are built in"):
            opened.decode([], [])


def test_cards_that_contradict_themselves_are_refused(bundles, tmp_path):
    card = bundles["cin"].card
    for change, message in (
        ({"styles": ("a", "a")}, "no style twice"),
        ({"controls": ("magic",)}, "magic"),
        ({"styles": ()}, "has no levels"),
        ({"style_numbers": 0}, "before styles were stored beside the graphs; export its run again"),
        ({"style_numbers": -1}, "'style_numbers' must be 0 or more"),
    ):
        with pytest.raises(ModelError, match=message):
            dataclasses.replace(card, **change)
    values = {**dataclasses.asdict(card), "styles": [1]}
    with zipfile.ZipFile(tmp_path / "odd.impasto", "w") as archive:
        archive.writestr("card.json", json.dumps(values))
    with pytest.raises(ModelError, match="'styles' in the card must be strings"):
        read_bundle(tmp_path / "odd.impasto")
    values["styles"] = ["a", "b"]
    with zipfile.ZipFile(tmp_path / "odd.impasto", "w") as archive:
        archive.writestr("card.json", json.dumps(values))
    with pytest.raises(ModelError, match=r"has no painter\.onnx"):
        read_bundle(tmp_path / "odd.impasto")
    fewer = dataclasses.replace(
        bundles["cin"], card=dataclasses.replace(card, style_numbers=card.style_numbers - 1)
    )
    for row in ENGINES:
        if row.installed:
            with pytest.raises(ModelError, match=r"'style' of the painter .* has \d+ channels"):
                open_engine(fewer, name=row.name)
    swapped = dataclasses.replace(bundles["cin"], styles=bundles["stylebank"].styles)
    with pytest.raises(ModelError, match="style 'wave' in model 'cin' is of another model"):
        stylizer_of(swapped, open_engine(swapped))


def test_a_style_of_moments_is_no_built_in_one_for_training_either(bundles):
    bundle = bundles["cin"]
    moments = (Moments(np.zeros(3), np.ones(3)),)
    data = style_bytes(Style("rain", bundle.identity, moments, model_name="cin"))
    odd = dataclasses.replace(bundle, styles=(bundle.styles[0], data, bundle.styles[2]))
    for refused in (weights_of, lambda odd: stylizer_of(odd, open_engine(odd))):
        with pytest.raises(ModelError, match="style 'rain' in model 'cin' is of another model"):
            refused(odd)


class Tints(torch.nn.Module):
    """Somebody's network of several styles, which knows nothing but weights of them."""

    styles, multiple, controls, pixel_bytes = 3, 1, ("several",), 100

    def __init__(self):
        super().__init__()
        self.tints = torch.nn.Parameter(torch.eye(3))

    def forward(self, image, weights):
        share = weights / weights.sum(dim=1, keepdim=True)
        return 0.5 * image + 0.5 * (share[:, :, None] * self.tints[None, :, :, None, None]).sum(1)


def test_a_network_that_knows_weights_alone_is_exported_too(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.lab.export.builtin.PARITY_SIZES", ((16, 16),))
    network = Tints().eval()
    bundle = export_built_in(network, FACTS, ("red", "green", "blue"))
    assert max(built_in_parity(network, open_engine(bundle)).values()) <= PARITY
    write_bundle(bundle, tmp_path / "tints.impasto")
    model = impasto.load(tmp_path / "tints.impasto", precision="fp32")
    black = np.zeros((16, 16, 3), np.float32)
    np.testing.assert_allclose(model.stylize(black, "green")[0, 0], (0, 0.5, 0), atol=1e-6)
    mixed = model.stylize(black, ["red", "blue"], weights=[3, 1])
    np.testing.assert_allclose(mixed[0, 0], (0.375, 0, 0.125), atol=1e-6)
    start_from(Tints(), tmp_path / "tints.impasto")
    network.controls = ("several", "masks")
    with pytest.raises(
        ModelError, match="Tints declares several and masks, but its styles are not"
    ):
        export_built_in(network, FACTS, ("red", "green", "blue"))


# --- one contract for all ---


def test_stylize_keeps_size_and_range_and_is_the_same_every_time(model):
    assert isinstance(model.painter, BuiltInPainter)
    for size in ((16, 16), (45, 70)):
        image = picture(*size)
        painted = model.stylize(image, "wave")
        assert painted.shape == image.shape and painted.dtype == image.dtype
        assert painted.min() >= 0 and painted.max() <= 1
        np.testing.assert_array_equal(painted, model.stylize(image, "wave"))


def test_what_a_model_cannot_do_is_refused_by_name(model, tmp_path):
    image = picture(32, 40)
    mask = np.zeros((32, 40), np.float32)
    mask[:, :20] = 1
    Image.fromarray((image * 255).astype(np.uint8)).save(tmp_path / "a.png")
    asked: dict[str, Callable[[], object]] = {
        "alpha": lambda: model.stylize(image, "wave", alpha=0.5),
        "several": lambda: model.stylize(image, ["wave", "wave"]),
        "masks": lambda: model.stylize(image, "wave", masks=[mask]),
    }
    for control, attempt in asked.items():
        if control in model.card.controls:
            attempt()
            continue
        with pytest.raises(OptionError, match=f"model {model.card.name!r} cannot .*controls are"):
            attempt()
    tiled = (
        lambda: model.stylize(image, "wave", tile=64),
        lambda: model.stylize_file(
            tmp_path / "a.png", tmp_path / "b.png", "wave", budget=Budget(tile=64)
        ),
    )
    for attempt in tiled:
        with pytest.raises(OptionError, match="cannot paint in tiles"):
            attempt()
    for color in ("cholesky", "only"):
        with pytest.raises(OptionError, match=f"{color}.*only 'luminance'"):
            model.stylize(image, "wave", color=color)
    with pytest.raises(OptionError, match="weights"):
        model.stylize(image, "wave", weights=[1, 2])


def test_styles_are_names_and_nothing_else(model):
    image = picture(32, 32)
    known = "built in: " + ", ".join(model.card.styles)
    with pytest.raises(StyleError, match=f"did you mean 'wave'.*{known}"):
        model.stylize(image, "wav")
    for bad in ("wave.jpg", Path("wave.jpg"), image, Image.new("RGB", (32, 32))):
        with pytest.raises(StyleError, match=known):
            model.stylize(image, bad)
    with pytest.raises(StyleError, match=known):
        model.style("wave.jpg")
    other = dataclasses.replace(model.find("wave"), model="0" * 16)
    with pytest.raises(StyleError, match=f"another model.*{known}"):
        model.stylize(image, other)
    np.testing.assert_array_equal(
        model.stylize(image, model.find("wave")), model.stylize(image, "wave")
    )


def test_a_picture_that_does_not_fit_is_refused_with_the_numbers(model, tmp_path):
    Image.new("RGB", (3000, 2000), "teal").save(tmp_path / "large.png")
    memory = 400_000_000
    with pytest.raises(ImageError, match=r"3000 x 2000 pixels need .* MB .*--size (\d+)") as caught:
        model.stylize_file(
            tmp_path / "large.png", tmp_path / "b.png", "wave", budget=Budget(memory=memory)
        )
    size = int(str(caught.value).split("--size ")[1].split()[0])
    assert 64 < size < 2000
    fitting = Photo(np.zeros((size, size * 3 // 2, 3), np.float32), None, "the image")
    model.painter.encode(fitting, Budget(memory=memory))
    with pytest.raises(ImageError, match=r"need .* MB"):
        model.stylize(tmp_path / "large.png", "wave", memory=memory)
    assert not (tmp_path / "b.png").exists()


def test_a_file_is_painted_as_the_picture(model, tmp_path):
    pixels = (picture(40, 56) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    written = model.stylize_file(
        tmp_path / "a.png", tmp_path / "b.png", "wave", read=ReadOptions(size=32)
    )
    assert (written.height, written.width, written.tile) == (32, 45, None)
    wanted = np.asarray(model.stylize(tmp_path / "a.png", "wave", size=32))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "b.png")), wanted)
    with pytest.raises(ImageError, match="exists"):
        model.stylize_file(tmp_path / "a.png", tmp_path / "b.png", "wave")


def test_what_is_transparent_stays_and_luminance_keeps_colors(model):
    image = np.dstack([picture(32, 32), np.ones((32, 32), np.float32)])
    image[:16, :, 3] = 0
    painted = model.stylize(image, "wave")
    assert np.array_equal(painted[:16], image[:16])
    assert not np.allclose(painted[16:], image[16:], atol=0.01)
    gray = model.stylize(np.full((32, 32, 3), 0.5, np.float32), "wave", color="luminance")
    assert np.ptp(gray, axis=2).max() < 1e-2


@pytest.mark.parametrize("variant", VARIANTS, ids="-".join)
def test_every_engine_and_precision_paints_alike(paths, variant):
    name, precision = variant
    image = picture(64, 80)
    for path in (paths["johnson"], paths["stylebank"]):
        try:
            model = impasto.load(path, engine=name, precision=precision, threads=1)
        except EngineError:
            pytest.skip(f"this processor does not support {precision}")
        reference = impasto.load(path, engine="onnxruntime", threads=1).stylize(image, "wave")
        error = np.abs(model.stylize(image, "wave") - reference)
        assert error.max() < 1e-3 if precision == "fp32" else error.mean() < 0.05


# --- controls ---


def test_styles_mix_by_weights(paths, networks):
    for name in ("cin", "stylebank"):
        model = impasto.load(paths[name], engine="onnxruntime", threads=1)
        image = picture(32, 32)
        mixed = model.stylize(image, ["wave", "night sky"], weights=[3, 1])
        weights = 0.75 * one_hot(0) + 0.25 * one_hot(2)
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
        with torch.no_grad():
            wanted = networks[name](tensor, weights)[0].permute(1, 2, 0).clamp(0, 1).numpy()
        np.testing.assert_allclose(mixed, wanted, atol=1e-3)
        same = model.stylize(image, ["rain", "rain"], weights=[1, 2])
        np.testing.assert_allclose(same, model.stylize(image, "rain"), atol=1e-4)


def test_strength_goes_from_the_photograph_to_the_style(bank, networks):
    image = picture(32, 48)
    np.testing.assert_array_equal(bank.stylize(image, "wave", alpha=0), image)
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    with torch.no_grad():
        wanted = networks["stylebank"](tensor, 0.5 * one_hot(0))[0].permute(1, 2, 0).clamp(0, 1)
    np.testing.assert_allclose(bank.stylize(image, "wave", alpha=0.5), wanted.numpy(), atol=1e-3)
    ramp = np.zeros((32, 48), np.float32)
    ramp[:, 24:] = 1
    half = bank.stylize(image, "wave", alpha=ramp)
    np.testing.assert_array_equal(half[:, :24], image[:, :24])
    assert np.abs(half[:, 24:] - image[:, 24:]).max() > 0.05


def test_regions_get_their_styles(bank, networks):
    image = picture(32, 64)
    left = np.zeros((32, 64), np.float32)
    left[:, :32] = 1
    both = bank.stylize(image, ["wave", "rain"], masks=[left, 1 - left])
    weights = torch.zeros(1, STYLES, 8, 16)
    weights[:, 0, :, :8], weights[:, 1, :, 8:] = 1, 1
    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    with torch.no_grad():
        wanted = networks["stylebank"](tensor, weights)[0].permute(1, 2, 0).clamp(0, 1).numpy()
    np.testing.assert_allclose(both, wanted, atol=1e-3)
    only = bank.stylize(image, "wave", masks=[left])
    np.testing.assert_array_equal(only[:, 32:], image[:, 32:])


# --- the command ---


def run(*arguments: object) -> int:
    return cli.main([str(each) for each in arguments], standalone_mode=False) or 0


@pytest.fixture
def photo(tmp_path) -> Path:
    Image.fromarray((picture(40, 56) * 255).astype(np.uint8)).save(tmp_path / "street.png")
    return tmp_path / "street.png"


def test_the_command_paints_built_in_styles(paths, photo, capsys):
    model = ("--model", paths["stylebank"], "--engine", "onnxruntime")
    assert run("stylize", photo, "wave", *model) == 0
    out = photo.with_name("street-wave.png")
    assert "street-wave.png: encode" in capsys.readouterr().out
    loaded = impasto.load(paths["stylebank"], engine="onnxruntime")
    wanted = np.asarray(loaded.stylize(photo, "wave"))
    assert np.abs(np.asarray(Image.open(out)).astype(int) - wanted).max() <= 1
    mixture = ("-s", "wave", "-s", "night sky", "--weights", "1,3", "--alpha", "0.5")
    assert run("stylize", photo, *mixture, *model, "-o", photo.with_name("m.png")) == 0
    folder = photo.with_name("all")
    pairs = ("-s", "[rw]*", "-s", "wave", "--all-pairs", "-o", folder)
    assert run("stylize", photo, *pairs, *model) == 0
    assert sorted(p.name for p in folder.iterdir()) == ["street-rain.png", "street-wave.png"]
    assert read_photo(folder / "street-rain.png").image.shape == (40, 56, 3)


def test_the_command_says_what_is_wrong(paths, photo):
    model = ("--model", paths["johnson"])
    for arguments, error, message in (
        (("-s", "gone"), StyleError, "no style 'gone'.*built in: wave"),
        (("-s", photo), StyleError, "built in: wave"),
        (("-s", "wave", "--alpha", "0.5"), OptionError, "cannot use a strength other than 1"),
        (("-s", "wave", "--tile", "64"), OptionError, "cannot paint in tiles"),
        (("-s", "wave", "--mask", photo.with_name("m.png")), OptionError, "confine a style"),
    ):
        Image.new("L", (8, 8), 128).save(photo.with_name("m.png"))
        with pytest.raises(error, match=message):
            run("stylize", photo, *arguments, *model)


def test_a_picture_too_large_does_not_stop_the_others(paths, photo, capsys):
    Image.new("RGB", (2400, 2000)).save(photo.with_name("large.png"))
    code = run(
        "stylize", photo.with_name("large.png"), photo, "-s", "wave", "--model", paths["johnson"],
        "-o", photo.with_name("out"), "--memory", "400MB",
    )  # fmt: skip
    assert code == 2
    assert [p.name for p in photo.with_name("out").iterdir()] == ["street-wave.png"]
    assert "large.png: 2400 x 2000 pixels need" in capsys.readouterr().err


def test_names_are_listed(paths, capsys, tmp_path, photo):
    assert run("styles", "--model", paths["cin"]) == 0
    out = capsys.readouterr().out
    assert all(f"  {name}\n" in out for name in NAMES)
    run("models", paths["cin"], paths["johnson"])
    out = " ".join(capsys.readouterr().out.split())
    assert "styles built in: wave, rain, night sky; controls: several" in out
    assert "styles built in: wave; controls: none of alpha" in out
    sheet = tmp_path / "sheet.png"
    run("styles", "--model", paths["cin"], "--sheet", sheet, "--on", photo)
    assert Image.open(sheet).width > 200
    with pytest.raises(StyleError, match="built in"):
        run("style", "add", "mine", photo, "--model", paths["cin"])


def test_figures_of_built_in_styles(paths, photo, tmp_path):
    corners = [each for name in (*NAMES, "wave") for each in ("-s", name)]
    grid = ("grid", photo, *corners, "--steps", "3", "-o", tmp_path / "grid.png")
    run(*grid, "--model", paths["cin"])
    assert Image.open(tmp_path / "grid.png").width > 3 * 56
    run("strip", photo, "-s", "wave", "-o", tmp_path / "strip.png", "--model", paths["stylebank"])
    assert (tmp_path / "strip.png").is_file()
    with pytest.raises(OptionError, match="a strength other than"):
        run("strip", photo, "-s", "wave", "-o", tmp_path / "no.png", "--model", paths["johnson"])


def test_a_bundle_is_found_by_its_file_as_any_other(paths):
    assert find_bundle(paths["cin"]).card.styles == NAMES


# --- from training to painting ---


@pytest.mark.parametrize("name", ["johnson", "stylebank"])
def test_a_finished_run_leaves_a_bundle_that_paints(name, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("impasto.lab.export.builtin.PARITY_SIZES", ((37, 53),))
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    photos = write_pictures(tmp_path / "photos", 12)
    paintings = write_pictures(tmp_path / "paintings", 3, seed=1)
    write_config(
        make_config(
            network=name, vgg=str(tmp_path / "vgg.pth"), contents={"elsewhere": 1.0}, styles={},
            width=4, style_side=64, iterations=2, batch=2, crop=64, style=1e-3, optimizer="adam",
            precision="fp32", ema=0.5, warmup=1, preview_every=0, score_pairs=2, score_size=64,
        ),
        tmp_path / "config.toml",
    )  # fmt: skip
    first = ("lab", "train", tmp_path / "config.toml", "--photographs", photos)
    styles = [("--style", f"wave={paintings / '0.png'}")]
    if not find_network(name).single:
        styles.append(("--style", paintings / "1.png"))
    run(*first, *(each for pair in styles for each in pair), "-o", tmp_path / "mine")
    assert capsys.readouterr().out.endswith("mine.impasto\n")
    model = impasto.load(tmp_path / "mine" / "mine.impasto", engine="onnxruntime", threads=1)
    card = model.card
    assert card.styles == ("wave", "1")[: len(styles)] and card.iterations == 2
    wanted = {"held_out_content_64", "held_out_style_64"}
    assert set(card.losses) == wanted | (
        {"held_out_identity_psnr_64"} if name == "stylebank" else set()
    )
    image = picture(40, 40)
    before = model.stylize(image, "wave")
    assert before.shape == image.shape
    more = (*first, "-o", tmp_path / "more", "--set", "iterations=3", "--set")
    bundle = tmp_path / "mine" / "mine.impasto"
    if find_network(name).single:  # further on the same style
        run(*more, f"start={bundle}", *styles[0])
        assert read_bundle(tmp_path / "more" / "more.impasto").card.iterations == 5
        return
    run(
        *more, f"start={bundle}", "--set", f"{name}.add_styles=true", "--style", paintings / "2.png"
    )
    grown = impasto.load(tmp_path / "more" / "more.impasto", engine="onnxruntime", threads=1)
    assert grown.card.styles == ("wave", "1", "2")
    np.testing.assert_array_equal(grown.stylize(image, "wave"), before)
    new = grown.stylize(image, "2")
    assert np.abs(new - before).max() > 1e-3
    # The new style fits the model that it was trained beside.
    assert grown.identity == model.identity and "2" not in model.card.styles
    np.testing.assert_array_equal(model.stylize(image, grown.find("2")), new)


def test_settings_of_the_command_are_those_of_the_file(tmp_path):
    config = make_config(
        network="cin", vgg="v", contents={"photos": 1.0}, styles={"a.png": 1.0}, batch=3
    )
    write_config(config, tmp_path / "a.toml")
    found = read_config(
        tmp_path / "a.toml",
        changes={"data.styles": {"b.png": 1.0}},
        settings=[
            "iterations=7",
            "start=runs/a/checkpoint.pt",
            "data.flip=0",
            "cin.add_styles = false",
        ],
    )
    assert found == changed(
        config, styles={"b.png": 1.0}, iterations=7, start="runs/a/checkpoint.pt", flip=0.0
    )
    for setting, message in (
        ("speed=1", "no field 'speed'"),
        ("flip=0", "'flip' .*put it in .data. .--set data.flip"),
        ("loss.mesh=2", "'cin' has no 'mesh' .*only these have it: fast, quality$"),
        ("loss=2", "loss = 2; it must be a table, .loss."),
        ("batch=two", "batch = 'two'"),
        ("batch", "is not a setting"),
    ):
        with pytest.raises(OptionError, match=message):
            read_config(tmp_path / "a.toml", settings=[setting])
