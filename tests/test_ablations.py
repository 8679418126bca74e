"""Settings of ``[loss]`` and ``[adain]`` for ablations: layers and norms, and where AdaIN is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch
from conftest import picture
from lab_parts import make_config, small_config, vgg_weights

from impasto.controls import Controls
from impasto.errors import ModelError, OptionError
from impasto.lab import read_config, train, write_config
from impasto.lab.export.publish import publish_decoder, publish_run
from impasto.lab.losses import STYLE_LAYERS, content_loss, moment_loss, style_loss, style_moments
from impasto.lab.methods.adain import AdaINNetwork, Decoder, encoder_of, load_decoder
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training.networks import find_network
from impasto.painting import Budget
from impasto.stylizer import load


@pytest.fixture(scope="module")
def vgg_file(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("vgg") / "vgg.pth"
    torch.save(vgg_weights(), file)
    return file


@pytest.fixture(scope="module")
def vgg(vgg_file):
    return load_vgg(vgg_file)


@pytest.fixture(scope="module")
def pairs():
    """Two photographs, two styles, two pictures: (2, 3, 32, 32) each."""
    found = []
    for first in (0, 2, 4):
        images = [picture(32, 32, seed=seed) for seed in (first, first + 1)]
        found.append(torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).contiguous())
    return found


def config_of(vgg_file, **fields):
    return make_config(
        network="adain", vgg=str(vgg_file), contents={"a": 1.0}, styles={"b": 1.0},
        precision="fp32", identity=0.0, **fields,
    )  # fmt: skip


def objective_of(config, vgg):
    row = find_network(config.network)
    return row.objective(config, vgg, paint=row.painted, features=row.layer(config.method))


def float64(x: torch.Tensor) -> np.ndarray:
    return x.detach().double().numpy()


def moments(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=(2, 3)), np.sqrt(x.var(axis=(2, 3)) + 1e-5)


@pytest.mark.parametrize("units", ["mean", "sum"])
def test_without_settings_the_losses_are_those_of_the_paper_to_the_last_bit(
    vgg, vgg_file, pairs, units
):
    contents, styles, pictures = pairs
    objective = objective_of(config_of(vgg_file, style_units=units), vgg)
    batch = objective.prepare(contents, styles)
    terms = objective.terms(pictures, batch)
    seen, features = vgg(styles, STYLE_LAYERS), vgg(pictures, STYLE_LAYERS)
    target = adain(vgg(contents, ["relu4_1"])["relu4_1"], seen["relu4_1"])
    assert torch.equal(terms["content"], content_loss(features["relu4_1"], target))
    wanted = moment_loss(features, style_moments(seen), units=units)
    assert torch.equal(terms["style"], wanted)
    assert torch.equal(batch.aligned, target)


@pytest.mark.parametrize("units", ["mean", "sum"])
def test_norms_that_are_not_squared_are_those_of_the_paper(vgg, vgg_file, pairs, units):
    """Eq. 12 and 13 as they are printed, in float64, at the paper's layers."""
    contents, styles, pictures = pairs
    objective = objective_of(config_of(vgg_file, style_units=units, squared=False), vgg)
    batch = objective.prepare(contents, styles)
    terms = objective.terms(pictures, batch)
    seen, features = vgg(styles, STYLE_LAYERS), vgg(pictures, STYLE_LAYERS)
    own = float64(vgg(contents, ["relu4_1"])["relu4_1"])
    (mean, std), (goal, spread) = moments(own), moments(float64(seen["relu4_1"]))
    shape = (*mean.shape, 1, 1)
    normal = (own - mean.reshape(shape)) / std.reshape(shape)
    target = normal * spread.reshape(shape) + goal.reshape(shape)

    def norm(x: np.ndarray) -> np.ndarray:
        flat = x.reshape(len(x), -1)
        return np.sqrt((flat**2).sum(1) / (flat.shape[1] if units == "mean" else 1))

    content = norm(float64(features["relu4_1"]) - target).mean()
    style = 0.0
    for layer in STYLE_LAYERS:
        found, wanted = moments(float64(features[layer])), moments(float64(seen[layer]))
        style += sum(norm(a - b).mean() for a, b in zip(found, wanted, strict=True))
    assert float(terms["content"]) == pytest.approx(content, rel=1e-5)
    assert float(terms["style"]) == pytest.approx(style, rel=1e-5)


def test_norms_have_a_gradient_where_nothing_differs():
    x = torch.rand(1, 4, 8, 8, requires_grad=True)
    loss = content_loss(x, x.detach(), squared=False)
    loss = loss + style_loss({"a": x}, {"a": x.detach()}, squared=False)
    loss.backward()
    assert loss.item() == 0 and torch.isfinite(x.grad).all()


def test_layers_of_style_and_content_and_their_factors(vgg, vgg_file, pairs):
    contents, styles, pictures = pairs
    factors = {"relu1_2": 2.0, "relu3_1": 0.5}
    config = config_of(vgg_file, style_layers=factors, content_layer="relu3_2")
    objective = objective_of(config, vgg)
    batch = objective.prepare(contents, styles)
    terms = objective.terms(pictures, batch)
    seen, features = vgg(styles, factors), vgg(pictures, [*factors, "relu3_2"])
    style = 0.0
    for layer, factor in factors.items():
        found, wanted = moments(float64(features[layer])), moments(float64(seen[layer]))
        style += factor * sum(((a - b) ** 2).mean() for a, b in zip(found, wanted, strict=True))
    assert float(terms["style"]) == pytest.approx(style, rel=1e-5)
    own, goal = (vgg(x, ["relu3_2"])["relu3_2"] for x in (contents, styles))
    assert torch.equal(batch.target, adain(own, goal))
    assert torch.equal(terms["content"], content_loss(features["relu3_2"], batch.target))
    # The network aligns where it did.
    own, goal = (vgg(x, ["relu4_1"])["relu4_1"] for x in (contents, styles))
    assert torch.equal(batch.aligned, adain(own, goal))


def test_layers_of_networks_with_built_in_styles(vgg, pairs):
    contents, styles, pictures = pairs
    fields = {"network": "cin", "vgg": "vgg.pth", "contents": {"a": 1.0}, "styles": {"b": 1.0}}
    row = find_network("cin")

    def terms(**more):
        config = make_config(**fields, precision="fp32", **more)
        objective = row.objective(config, vgg, row.layers, [each[None] for each in styles])
        return objective.terms(pictures, objective.prepare(contents, torch.tensor([1, 0])))

    layers = {"relu1_1": 3.0, "relu2_2": 0.5}
    drawn, seen = vgg(styles.flip(0), layers), vgg(pictures, layers)
    style = 0.0
    for layer, factor in layers.items():
        grams = []
        for x in map(float64, (drawn[layer], seen[layer])):
            rows = x.reshape(*x.shape[:2], -1)
            grams.append(np.einsum("nip,njp->nij", rows, rows) / rows.shape[2])
        style += factor * ((grams[0] - grams[1]) ** 2).mean()
    changed = terms(style_layers=layers, content_layer="relu2_1")
    assert float(changed["style"]) == pytest.approx(style, rel=1e-5)
    content = content_loss(*(vgg(x, ["relu2_1"])["relu2_1"] for x in (pictures, contents)))
    assert torch.equal(changed["content"], content)
    papers = terms(style_layers=dict.fromkeys(row.layers.style, 1.0), content_layer="relu3_3")
    assert all(torch.equal(papers[name], value) for name, value in terms().items())


def test_pairs_are_made_anew_at_both_layers(vgg, vgg_file, pairs):
    contents, styles, pictures = pairs
    objective = objective_of(config_of(vgg_file, content_layer="relu3_1"), vgg)
    batch = objective.paired(
        objective.prepare(contents, pictures), objective.prepare(pictures, styles)
    )
    wanted = objective.prepare(contents, styles)
    torch.testing.assert_close(batch.target, wanted.target, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(batch.aligned, wanted.aligned, rtol=1e-4, atol=1e-4)
    assert torch.equal(batch.inner[1], wanted.inner[1])


def test_the_settings_are_kept_in_the_config(vgg_file, tmp_path):
    factors = {"relu2_1": 1.0, "relu3_1": 0.25}
    config = config_of(
        vgg_file, style_layers=factors, content_layer="relu3_1", squared=False, layer="relu3_1"
    )
    write_config(config, tmp_path / "a.toml")
    assert read_config(tmp_path / "a.toml") == config
    told = ["loss.style_layers={relu1_1 = 2}", "adain.layer=relu2_1"]
    read = read_config(tmp_path / "a.toml", settings=told)
    assert read.loss.style_layers == {"relu1_1": 2.0} and read.method.layer == "relu2_1"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"style_layers": {}}, "style_layers has no layer"),
        ({"style_layers": {"relu1_1": -1.0}}, "relu1_1 = -1.0; a factor must be above 0"),
        ({"layer": "relu3_4"}, "layer = 'relu3_4'; it must be one of relu1_1, relu2_1, relu3_1"),
        ({"content_layer": "relu5_1"}, "relu5_1 is not in these weights of VGG-19, which range"),
        ({"style_layers": {"conv1_1": 1.0}}, "conv1_1 is not in these weights"),
    ],
)
def test_layers_that_are_not_there_are_refused(vgg, vgg_file, fields, says):
    with pytest.raises((OptionError, ModelError), match=says):
        objective_of(config_of(vgg_file, **fields), vgg)


@pytest.mark.parametrize("layer", STYLE_LAYERS)
def test_the_decoder_mirrors_the_encoder_up_to_any_layer(vgg_file, layer):
    """As many pixels as came in, and none is reached from farther than the rim says."""
    network = AdaINNetwork(encoder_of(load_vgg(vgg_file), layer), Decoder(layer=layer)).eval()
    (level,) = network.levels
    assert (level.name, network.multiple) == (layer, level.stride)
    stride, side = level.stride, 16 * (network.rim // 8)  # a multiple of 8, wider than the rim
    image = torch.rand(1, 3, 16, side + 8)
    changed = image.clone()
    changed[..., -8:] = 0
    ones, zeros = torch.ones(1, level.channels, 1, 1), torch.zeros(1, level.channels, 1, 1)
    with torch.no_grad():
        features = [network.encode(x)[0] for x in (image, changed)]
        assert features[0].shape == (1, level.channels, 16 // stride, (side + 8) // stride)
        one, other = (network.decode([x], [ones], [zeros]) for x in features)
    assert one.shape == image.shape
    columns = (one - other).abs().amax(dim=(0, 1, 2)).nonzero()
    assert columns.min() >= side - network.rim
    cells = (features[0] - features[1]).abs().amax(dim=(0, 1, 2)).nonzero()
    assert cells.min() * stride >= side - network.encoder_rim - stride
    if layer == "relu4_1":
        assert (network.rim, network.encoder_rim) == (75, 30)


def test_a_network_that_aligns_at_relu3_1_is_trained_and_exported(tmp_path, monkeypatch):
    monkeypatch.setattr("impasto.lab.export.graphs.PARITY_SIZES", ((37, 53),))  # the others: slow
    config = small_config(tmp_path, "adain", pictures=4)
    config = replace(
        config,
        method=replace(config.method, layer="relu3_1"),
        loss=replace(config.loss, content_layer="relu3_1"),
        precision="fp32",
        score_pairs=1,
        score_size=64,
    )
    run = tmp_path / "run"
    train(config, run)
    bundle = publish_run(run, tmp_path / "shallow.impasto")
    assert bundle.card.levels[0].name == "relu3_1" and bundle.card.multiple == 4
    assert bundle.card.architecture == "VGG-19 to relu3_1, AdaIN, mirrored decoder"
    model = load(tmp_path / "shallow.impasto", engine="onnxruntime", precision="fp32")
    content, style = picture(60, 76), picture(40, 40, seed=1)
    whole = model.paint(content, model.style(style)).image
    tiled = model.paint(content, model.style(style), budget=Budget(tile=32)).image
    np.testing.assert_allclose(whole, tiled, atol=1e-4)
    assert np.array_equal(
        model.paint(content, model.style(style), Controls(alpha=0)).image, content
    )
    # Its decoder alone is read as what it is.
    publish_decoder(run, tmp_path / "decoder.safetensors")
    assert load_decoder(tmp_path / "decoder.safetensors").layer == "relu3_1"
    # By hand, in float64.
    encoder = encoder_of(load_vgg(config.vgg), "relu3_1").double()
    decoder = load_decoder(tmp_path / "decoder.safetensors").double()
    images = [torch.from_numpy(x).permute(2, 0, 1)[None].double() for x in (content, style)]
    with torch.no_grad():
        own, goal = (encoder(x, ["relu3_1"])["relu3_1"] for x in images)
        mean, std = own.mean((2, 3), keepdim=True), own.var((2, 3), correction=0, keepdim=True)
        far, wide = goal.mean((2, 3), keepdim=True), goal.var((2, 3), correction=0, keepdim=True)
        normal = (own - mean) / (std + 1e-5).sqrt()
        painted = decoder(normal * (wide + 1e-5).sqrt() + far)[0].clamp(0, 1)
    np.testing.assert_allclose(whole, painted.permute(1, 2, 0).numpy(), atol=2e-3)
