"""Style-Swap's inverse network: the contract of all methods, known answers, training, its file."""

# ruff: noqa: F401, F811  (fixtures and tests of another file, run here with fixtures of this one)
from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from time import perf_counter

import numpy as np
import pytest
import torch
from lab_parts import SHARED, changed, small_config, vgg_weights, write_pictures
from safetensors.torch import save_file

# What every method has to keep, with the network in place of the optimization.
from test_methods import (
    content,
    pictures,
    test_a_photograph_that_was_encoded_is_painted_the_same,
    test_half_precision_stays_near,
    test_luminance_keeps_the_colors,
    test_masks_keep_the_photograph_outside,
    test_scarce_memory_is_told_with_the_size,
    test_the_yardstick_takes_it,
    test_transparent_parts_stay_and_do_not_count,
    test_weights_mix_and_zero_is_none,
    test_what_it_cannot_do_is_refused,
)

import impasto
from impasto.controls import Controls
from impasto.errors import ModelError, OptionError
from impasto.images.photo import read_photo, write_image
from impasto.images.resizing import resize
from impasto.lab.export.publish import publish_decoder, publish_run, publish_trained
from impasto.lab.losses import content_loss
from impasto.lab.methods.adain import Decoder
from impasto.lab.methods.style_swap import (
    INVERSE,
    LAYER,
    Inverse,
    Stopwatch,
    StyleSwap,
    decoded,
    load_inverse,
    paint,
    swapped,
)
from impasto.lab.nets.state import read_weights, weights_metadata
from impasto.lab.nets.vgg import LAYOUTS, load_vgg
from impasto.lab.optimize.method import Run, Task
from impasto.lab.optimize.settings import set_options
from impasto.lab.training.checkpoints import read_checkpoint, start_from
from impasto.lab.training.config import TrainConfig
from impasto.lab.training.journal import Preview
from impasto.lab.training.loop import train
from impasto.lab.training.networks import find_network
from impasto.lab.training.setup import open_setup

REPOSITORY = Path(__file__).parents[1]
TRAINED = REPOSITORY / "trained/style-swap-inverse.safetensors"
NORMALISED = SHARED / "weights/vgg_normalised.pth"


def random_inverse() -> Inverse:
    """One whose pictures are mostly in range."""
    torch.manual_seed(0)
    net = Inverse()
    with torch.no_grad():
        net.convolutions["28"].weight.mul_(0.2)
        net.convolutions["28"].bias.fill_(0.5)
    return net


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A stand-in for VGG-19 and an inverse network that nothing was taught."""
    folder = tmp_path_factory.mktemp("inverse")
    save_file(vgg_weights(last="conv3_1"), folder / "vgg.safetensors")
    save_file(random_inverse().convolutions.state_dict(), folder / "net.safetensors")
    return folder / "vgg.safetensors", folder / "net.safetensors"


@pytest.fixture(scope="module", params=["random", "trained"])
def files(request, parts, tmp_path_factory):
    if request.param == "random":
        return parts
    if not NORMALISED.is_file():
        pytest.skip("needs real weights in ../shared")
    weights, last = read_weights(NORMALISED), LAYOUTS[0].keys[4]  # to conv3_1, which is enough
    reach = {k: v for k, v in weights.items() if int(k.split(".")[0]) <= int(last)}
    path = tmp_path_factory.mktemp("real") / "vgg.safetensors"
    save_file(reach, path)
    return path, TRAINED


@pytest.fixture(scope="module")
def vgg(files):
    return files[0]


@pytest.fixture(scope="module")
def model(files):
    loaded = impasto.load("style-swap", vgg=files[0], engine="cpu", threads=1)
    return loaded.with_settings(options={"inverse": str(files[1])})


def a_picture(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(seed))


# --- painting


def test_keeps_size_and_kind_and_gives_one_picture(model, pictures):
    array = np.rint(pictures[0].image[:33, :47] * 255).astype(np.uint8)
    seen = []
    made = model.stylize(array, [pictures[1].image], watch=seen.append)
    assert made.shape == array.shape and made.dtype == np.uint8
    assert not np.array_equal(made, array)
    assert [(each.step, each.steps) for each in seen] == [(1, 1)]
    last = seen[0].picture()
    assert np.abs(np.rint(last * 255) - made.astype(float)).max() <= 1
    assert np.array_equal(made, model.stylize(array, [pictures[1].image]))
    tiny = model.stylize(array[:16, :17], [pictures[1].image])
    assert tiny.shape == (16, 17, 3)


def test_strength_mixes_the_features(model, pictures, content):
    none = model.paint(content, pictures[1], Controls(alpha=0.0)).image
    assert np.array_equal(none, np.clip(content, 0, 1))
    weak, middle, strong = (
        model.paint(content, pictures[1], Controls(alpha=alpha)).image for alpha in (0.2, 0.5, 1.0)
    )
    assert 0 < np.abs(weak - middle).mean() < np.abs(weak - strong).mean()


def test_the_content_as_its_own_style_is_the_network_s_reconstruction(files):
    vgg, net = load_vgg(files[0]), load_inverse(files[1], load_vgg(files[0]))
    image = a_picture(48, 64)
    options = set_options(StyleSwap(), {"inverse": str(files[1])})
    with torch.no_grad():
        wanted = net(vgg(image, [LAYER])[LAYER])
    made = paint(Task(image, (image,), (None,), torch.ones(1)), options, vgg, Run())
    assert made.shape == wanted.shape == image.shape
    assert (made - wanted).abs().max() < 1e-3


def test_time_is_told_by_part_and_the_picture_is_the_same(files):
    vgg = load_vgg(files[0])
    net, options = load_inverse(files[1], vgg), StyleSwap(inverse=str(files[1]))
    task = Task(a_picture(48, 64), (a_picture(48, 48, seed=1),), (None,), torch.ones(1))
    watch = Stopwatch()
    begin = perf_counter()
    made = decoded(swapped(task, options, vgg, watch), net, watch)
    whole = perf_counter() - begin
    assert torch.equal(made, paint(task, options, vgg, Run()))
    assert set(watch.seconds) == {"encode", "swap", "decode"}
    assert all(seconds > 0 for seconds in watch.seconds.values())
    # Nothing is timed twice, and little is left between the parts.
    assert 0.5 * whole < sum(watch.seconds.values()) <= whole


def test_network_is_the_mirrored_vgg():
    net = random_inverse()
    assert net(torch.rand(2, 256, 5, 7)).shape == (2, 3, 20, 28)
    assert [tuple(c.weight.shape) for c in net.convolutions.values()] == [
        (128, 256, 3, 3), (128, 128, 3, 3), (64, 128, 3, 3), (64, 64, 3, 3), (3, 64, 3, 3),
    ]  # fmt: skip
    # By hand, with the functions themselves.
    x = torch.rand(1, 256, 4, 6)
    found = net(x)
    for key, _, _, up in INVERSE:
        layer = net.convolutions[key]
        padded = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect")
        x = torch.nn.functional.conv2d(padded, layer.weight, layer.bias)
        x = x.relu() if key != "28" else x
        x = x.repeat_interleave(2, 2).repeat_interleave(2, 3) if up else x
    assert torch.allclose(found, x, atol=1e-5)


def test_a_decoder_of_the_paper_ends_in_the_same_network(tmp_path):
    torch.manual_seed(1)
    decoder = Decoder()
    save_file(decoder.convolutions.state_dict(), tmp_path / "decoder.safetensors")
    net = Inverse()
    start_from(net, tmp_path / "decoder.safetensors")
    x = given = torch.rand(1, 256, 6, 6)
    for key, _, _, up in INVERSE:
        layer = decoder.convolutions[key]
        assert torch.equal(net.convolutions[key].weight, layer.weight)
        x = layer(torch.nn.functional.pad(x, (1, 1, 1, 1), mode="reflect"))
        x = x.relu() if key != "28" else x
        x = torch.nn.functional.interpolate(x, scale_factor=2) if up else x
    assert torch.allclose(net(given), x, atol=1e-5)
    del decoder.convolutions["28"]
    save_file(decoder.convolutions.state_dict(), tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="does not fit"):
        start_from(net, tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    "option",
    [
        {"steps": 50},
        {"start": "noise"},
        {"optimizer": "adam"},
        {"rate": 0.1},
        {"tv": 0},
        {"seed": 3},
    ],
    ids=str,
)
def test_what_only_an_optimization_has_is_refused(model, pictures, content, option):
    with pytest.raises(OptionError, match=rf"{next(iter(option))} has no effect with an inverse"):
        model.with_settings(options=option).paint(content, pictures[1])
    assert (
        model.with_settings(options={"chunk_mb": 1}).paint(content, pictures[1]).image.shape
        == content.shape
    )


def test_only_its_own_layer_and_no_checkpoint(model, pictures, content, tmp_path):
    with pytest.raises(OptionError, match="layer has no effect"):
        model.with_settings(options={"layer": "relu2_1"}).paint(content, pictures[1])
    with pytest.raises(OptionError, match="writes no checkpoint"):
        model.with_settings(checkpoint=tmp_path / "run.pt").paint(content, pictures[1])
    assert not (tmp_path / "run.pt").exists()


def test_files_that_are_no_inverse_network(parts, pictures, content, tmp_path):
    model = impasto.load("style-swap", vgg=parts[0], engine="cpu", threads=1)

    def fails(file, error, message):
        with pytest.raises(error, match=message):
            model.with_settings(options={"inverse": str(file)}).paint(content, pictures[1])

    fails("net", OptionError, r"no file 'net'.*trained/style-swap-inverse\.safetensors")
    fails(tmp_path, OptionError, "there is no file")
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(parts[1].read_bytes()[:1000])
    fails(damaged, ModelError, "is a damaged or truncated safetensors file")
    fails(parts[0], ModelError, "not an inverse network of Style-Swap.*impasto lab decoder")
    weights = read_weights(parts[1])
    save_file(weights, tmp_path / "torchvision.safetensors", {"vgg": "torchvision"})
    fails(tmp_path / "torchvision.safetensors", ModelError, "torchvision layout.*pytorch-AdaIN")
    bad = {**weights, "14.weight": weights["14.weight"][:, :128].contiguous()}
    save_file(bad, tmp_path / "bad.safetensors")
    fails(tmp_path / "bad.safetensors", ModelError, "not an inverse network")


def test_on_the_command_line(parts, tmp_path, monkeypatch):
    from test_cli_methods import run

    write_pictures(tmp_path, 2, side=40)
    monkeypatch.chdir(tmp_path)
    words = ["stylize", "0.png", "-s", "1.png", "--model", "style-swap", "--engine", "cpu"]
    words += ["--vgg", str(parts[0]), "--set", f"inverse={parts[1]}"]
    said = run(*words, "-o", "a.png", "--preview", "p.png")
    assert "a.png" in said
    made, preview = (read_photo(name).image for name in ("a.png", "p.png"))
    assert made.shape == read_photo("0.png").image.shape
    assert np.abs(made - preview).max() < 0.01
    run(*words, "-o", "b.png", "--steps", "20", fails="steps has no effect")
    run(*words[:-1], "inverse=gone", "-o", "b.png", fails="no file 'gone'")
    assert not Path("b.png").exists()
    assert "--set inverse=optimization" in re.sub(r"\s+", " ", run("lab", "methods"))


# --- training


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    return small_config(folder, "style-swap", pictures=12)


def test_a_batch_has_photographs_paintings_and_their_swap(config):
    exact = changed(config, precision="fp32", identity=2.0)
    row, judge = find_network("style-swap"), load_vgg(config.vgg)
    objective = row.objective(exact, judge, paint=row.paint)
    contents, styles = (a_picture(32, 48, seed=n).repeat(2, 1, 1, 1) for n in (0, 1))
    contents[1] *= 0.5
    batch = objective.prepare(contents, styles)
    assert batch.target.shape == (6, 256, 8, 12)
    for i in range(2):
        task = Task(contents[i : i + 1], (styles[i : i + 1],), (None,), torch.ones(1))
        assert torch.allclose(batch.target[i], swapped(task, StyleSwap(), judge)[0], atol=1e-5)
    seen = judge(torch.cat([contents, styles]), [LAYER])[LAYER]
    assert torch.allclose(batch.target[2:], seen)
    # Pictures that are right have no distance, and only the paper's variation.
    right = torch.cat([contents, contents, styles])
    terms = objective.terms(right, batch)
    assert terms["identity"] == 0 and set(terms) == {"content", "variation", "identity"}
    swap_alone = content_loss(judge(contents, [LAYER])[LAYER], batch.target[:2]) / 3
    assert terms["content"].item() == pytest.approx(swap_alone.item(), rel=1e-5)
    loss, found = objective(random_inverse(), batch)
    wanted = found["content"] + 2 * found["identity"]  # the variation weighs nothing by default
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-6)
    for term in ({"teacher": "decoder.pth"}, {"mesh": 1.0}, {"colors": 1.0}):
        with pytest.raises(OptionError, match=f"'style-swap' has no '{min(term)}'"):
            open_setup(changed(config, **term), row, torch.device("cpu"))


def test_parts_are_one_joint_batch(config, tmp_path):
    joint = changed(config, iterations=1, optimizer="adam", precision="fp32", clip=0.0)
    for name, accumulate in (("joint", 1), ("parts", 2)):
        train(changed(joint, accumulate=accumulate), tmp_path / name)
    wanted, got = (
        read_checkpoint(tmp_path / name / "checkpoint.pt")["optimizer"]["state"]
        for name in ("joint", "parts")
    )
    for i, state in wanted.items():
        difference = (got[i]["exp_avg"] - state["exp_avg"]).norm()
        assert difference <= 1e-3 * state["exp_avg"].norm() + 1e-7


def test_learns_to_invert(config, tmp_path):
    longer = changed(config, iterations=30, content=0.0, identity=10.0, learning_rate=3e-3)
    train(longer, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        losses = [float(row["identity"]) for row in csv.DictReader(file)]
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_a_run_previews_and_leaves_a_file_that_paints(
    config,
    tmp_path,
    monkeypatch,
    pictures,
    content,
):
    monkeypatch.setattr(Preview, "side", 64)
    train(changed(config, preview_every=2), tmp_path / "run")
    assert (tmp_path / "run" / "preview-000002.png").exists()
    with (tmp_path / "run" / "held-out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["content"]) > 0 and float(row["identity"]) > 0 and "style" not in row
    assert publish_trained(tmp_path / "run") is None
    assert not list((tmp_path / "run").glob("*.impasto"))
    with pytest.raises(OptionError, match=r"style-swap cannot be exported: .*lab decoder"):
        publish_run(tmp_path / "run", tmp_path / "a.impasto")
    path = tmp_path / "net.safetensors"
    about = publish_decoder(tmp_path / "run", path)
    assert about == weights_metadata(path) and about["vgg"] == "pytorch-AdaIN"
    assert about["iterations"] == "2" and about["licence"] == "MIT"
    saved = read_checkpoint(tmp_path / "run" / "checkpoint.pt")["average"]
    found = load_inverse(path, load_vgg(config.vgg)).state_dict()
    for name, value in found.items():
        torch.testing.assert_close(value, saved[f"module.{name}"], atol=1e-3, rtol=1e-3)
    model = impasto.load("style-swap", vgg=config.vgg, engine="cpu", threads=1)
    made = model.with_settings(options={"inverse": str(path)}).paint(content, pictures[1])
    assert made.image.shape == content.shape
    more = changed(config, start=str(path), iterations=1)
    train(more, tmp_path / "more")
    stages = read_checkpoint(tmp_path / "more" / "checkpoint.pt")["stages"]
    assert [stage["iterations"] for stage in stages] == [2, 1]


# --- the real thing


@pytest.mark.skipif(not NORMALISED.is_file(), reason="needs real weights in ../shared")
def test_the_trained_network_comes_near_the_optimization(tmp_path):
    """On photographs and styles it never saw, as the objective of both ways judges it."""
    examples = REPOSITORY / "examples"
    judge = load_vgg(NORMALISED)
    model = impasto.load("style-swap", vgg=NORMALISED, engine="cpu")
    photo, style = (
        resize(read_photo(examples / name).image, 128)[:128, :128]
        for name in ("photos/chelsea.jpg", "styles/night_sky.jpg")
    )
    write_image(style, tmp_path / "style.png")

    def tensor(image):
        return torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1)[None]

    task = Task(tensor(photo), (tensor(style),), (None,), torch.ones(1))
    target = swapped(task, StyleSwap(), judge)

    def distance(image, target=target):
        got = judge(tensor(image), [LAYER])[LAYER]
        return float(content_loss(got, target) / target.square().mean())

    net = {"inverse": str(TRAINED)}
    by_net = model.with_settings(options=net).paint(photo, read_photo(tmp_path / "style.png")).image
    assert distance(by_net) < 0.6 * distance(photo)
    # What it makes of a photograph's own features is that photograph.
    own = judge(tensor(photo), [LAYER])[LAYER]
    with torch.no_grad():
        again = load_inverse(TRAINED, judge)(own).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    error = float(np.square(again - photo).mean())
    assert -10 * np.log10(error) > 20
