"""Pictures of runs that no bundle can hold, and the two targets of the content loss."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

import torch
from conftest import picture
from lab_parts import changed, small_config, vgg_weights, write_pictures
from torch import nn
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.lab.methods.adain import DECODER
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training.checkpoints import read_checkpoint
from impasto.lab.training.config import config_text, parse_config
from impasto.lab.training.loop import train
from impasto.lab.training.networks import find_network
from impasto.lab.training.painting import open_run
from impasto.lab.training.setup import open_setup

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(tmp_path_factory.mktemp("run"), "adain", pictures=6)


def moments(x):
    return x.mean((2, 3), keepdim=True), x.var((2, 3), keepdim=True, correction=0) + 1e-5


def by_hand(weights, x, normalize):
    """The decoder written out with PyTorch's own functions."""
    for key, _, _, up in DECODER:
        kernel = weights[f"module.convolutions.{key}.weight"]
        bias = weights[f"module.convolutions.{key}.bias"]
        x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, bias)
        if key != DECODER[-1][0]:
            x = F.relu(normalize(key, x))
        x = F.interpolate(x, scale_factor=2) if up else x
    return x


@pytest.mark.parametrize("name", ["adain", "adain-concat", "adain-in", "adain-bn"])
def test_a_run_paints_whatever_its_decoder_takes(config, name, tmp_path):
    settings = changed(config, network=name, preview_every=0)
    train(settings, tmp_path / "run")
    painter = open_run(tmp_path / "run")
    assert (painter.name, painter.network, painter.iterations) == ("run", name, 2)
    content, style = picture(48, 64), picture(48, 64, seed=1)
    made = painter.stylize(content, style)
    vgg = load_vgg(config.vgg)
    both = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (content, style)]
    weights = read_checkpoint(tmp_path / "run" / "checkpoint.pt")["average"]
    with torch.no_grad():
        x, y = (vgg(each, ["relu4_1"])["relu4_1"] for each in both)
        (mean, var), (style_mean, style_var) = moments(x), moments(y)
        target = (x - mean) / var.sqrt() * style_var.sqrt() + style_mean
        if name == "adain-concat":
            target = torch.cat([x, y], 1)
        made_by = {"adain-bn": nn.BatchNorm2d}.get(name, partial(nn.InstanceNorm2d, affine=True))
        layers = {key: made_by(outputs) for key, _, outputs, _ in DECODER[:-1]}
        for key, layer in layers.items() if name in ("adain-bn", "adain-in") else ():
            prefix = f"module.normalizations.{key}."
            own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
            names = {"gamma": "weight", "beta": "bias", "running_variance": "running_var"}
            layer.load_state_dict({names.get(k, k): v for k, v in own.items()}, strict=False)
            layer.eval()
        plain = name in ("adain", "adain-concat")
        wanted = by_hand(weights, target, lambda key, z: z if plain else layers[key](z))
    wanted = wanted[0].clamp(0, 1).permute(1, 2, 0).numpy()
    assert made.shape == (48, 64, 3) and made.dtype == np.float32
    assert np.abs(made - wanted).max() < 1e-3 and made.std() > 0


def test_a_picture_of_any_size_is_painted_whole(config, tmp_path):
    train(changed(config, network="adain-concat", preview_every=0), tmp_path / "run")
    painter = open_run(tmp_path / "run", vgg=config.vgg)
    odd = picture(53, 71)
    assert painter.stylize(odd, picture(53, 71, seed=1)).shape == odd.shape
    with pytest.raises(OptionError, match=r"71 x 53 px, the style 100 x 90"):
        painter.stylize(odd, picture(90, 100))


def test_runs_that_paint_no_style_say_so(config, tmp_path):
    train(changed(config, network="reader", preview_every=0), tmp_path / "eye")
    with pytest.raises(
        OptionError, match="reader cannot paint arbitrary styles; it paints nothing"
    ):
        open_run(tmp_path / "eye")


def test_the_content_loss_asks_for_what_the_config_says(config):
    batches, terms = {}, {}
    for target in ("aligned", "content"):
        settings = changed(config, content_target=target, identity=0.0, precision="fp32")
        objective = open_setup(settings, find_network("adain"), CPU).objective
        contents, styles = (
            torch.from_numpy(picture(32, 32, seed=seed)).permute(2, 0, 1)[None] for seed in (3, 4)
        )
        batch = objective.prepare(contents, styles)
        painted = torch.from_numpy(picture(32, 32, seed=5)).permute(2, 0, 1)[None]
        batches[target], terms[target] = batch, objective.terms(painted, batch)
    # The decoder gets the aligned features either way; only the goal of the content loss differs.
    assert torch.equal(batches["aligned"].target, batches["content"].target)
    vgg = load_vgg(config.vgg)
    with torch.no_grad():
        x, y, own = (vgg(each, ["relu4_1"])["relu4_1"] for each in (contents, styles, painted))
    (mean, var), (style_mean, style_var) = moments(x), moments(y)
    aligned = (x - mean) / var.sqrt() * style_var.sqrt() + style_mean
    for target, goal in (("aligned", aligned), ("content", x)):
        wanted = (own - goal).square().mean()
        assert float(terms[target]["content"]) == pytest.approx(float(wanted), rel=1e-4)
        assert torch.equal(terms[target]["style"], terms["aligned"]["style"])
    # Another style for the same photograph changes its aligned features, and not its own.
    again = objective.paired(batches["content"], objective.prepare(styles, contents))
    assert torch.equal(again.kept, batches["content"].kept)
    assert not torch.equal(again.target, batches["content"].target)


def test_the_content_target_is_a_field_of_networks_that_align(config, tmp_path):
    settings = changed(config, content_target="content")
    assert settings.keeps_content and not config.keeps_content
    assert "content_target" in config_text(settings)
    with pytest.raises(OptionError, match="content_target = 'style'"):
        changed(config, content_target="style")
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    folder = str(write_pictures(tmp_path / "photos", 2))
    values = {"network": "johnson", "vgg": str(tmp_path / "vgg.pth"),
              "data": {"contents": {folder: 1.0}, "styles": {folder: 1.0}},
              "loss": {"content_target": "content"}}  # fmt: skip
    with pytest.raises(OptionError, match="'johnson' has no 'content_target'"):
        parse_config(values)
