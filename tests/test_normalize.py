"""A normalized VGG of one's own: every filter's mean is 1, nothing else changes, and it trains."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from lab_parts import make_config, vgg_weights, write_pictures

from impasto.errors import ModelError, OptionError
from impasto.lab.export.normalize import publish_normalized
from impasto.lab.nets.vgg import VGG, load_vgg, normalized, recognize
from impasto.lab.nets.weights import NORMALIZED, find_vgg
from impasto.lab.training.loop import train


def loaded(network: str, layout: str, last: str) -> VGG:
    weights = vgg_weights(layout, last=last, network=network)
    for name, value in weights.items():
        if name.endswith(".bias"):
            value.normal_(std=0.1, generator=torch.Generator().manual_seed(len(value)))
    return VGG(weights, recognize(weights)).eval()


@pytest.mark.parametrize(
    ("network", "layout", "last"),
    [
        ("VGG-19", "torchvision", "conv3_1"),
        ("VGG-19", "Caffe", "conv5_4"),
        ("VGG-16", "torchvision", "conv5_3"),
    ],
)
def test_every_filter_has_a_mean_of_1(network: str, layout: str, last: str):
    plain = loaded(network, layout, last)
    pictures = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    table = normalized(plain, pictures.split(2))
    assert recognize(table).network == network
    made = VGG(table, recognize(table))
    assert made.is_normalized and not plain.is_normalized and made.layers == plain.layers
    assert made.layers[-1] == last.replace("conv", "relu")
    # The network as it was, but for padding: features differ by a factor for each filter.
    keys = {f"{key}.{part}": value for key, convolution in zip(
        recognize(table).keys, plain.convolutions.values(), strict=False
    ) for part, value in convolution.state_dict().items()}  # fmt: skip
    first = {"0.weight": plain.preprocess.weight, "0.bias": plain.preprocess.bias}
    same = VGG(keys | first, made.layout)
    for layer in made.layers:
        before, after = (each(pictures, [layer])[layer].double() for each in (same, made))
        means = before.mean(dim=(0, 2, 3))
        alive = means > 0.05 * means.median()
        assert alive.float().mean() > 0.4
        torch.testing.assert_close(
            after[:, alive], before[:, alive] / means[alive][:, None, None], rtol=1e-2, atol=1e-2
        )
        assert (after.mean(dim=(0, 2, 3))[alive] - 1).abs().max() < 1e-3


def test_no_pictures():
    with pytest.raises(ModelError, match="no pictures to normalize with"):
        normalized(loaded("VGG-19", "Caffe", "conv1_1"), [])


def test_the_command_makes_what_training_takes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IMPASTO_VGG", raising=False)
    photos = write_pictures(tmp_path / "photos", 12)
    plain = tmp_path / "vgg19.pth"
    torch.save(vgg_weights("torchvision"), plain)
    config = make_config(
        network="adain", vgg=str(plain), contents={str(photos): 1.0}, styles={str(photos): 1.0},
        iterations=1, batch=2, crop=32, preview_every=0,
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"not normalized.*`impasto lab normalize .*vgg19\.pth"):
        train(config, tmp_path / "run")
    with pytest.raises(ModelError, match="impasto lab normalize"):
        find_vgg(normalised=True)
    command = [sys.executable, "-m", "impasto", "lab", "normalize", plain, photos]
    small = ["--count", "6", "--size", "32"]
    done = subprocess.run([*command, *small], capture_output=True, text=True, check=False)
    made = tmp_path / "cache" / "impasto" / NORMALIZED
    assert (done.returncode, done.stdout) == (0, f"{made}: training finds it there\n"), done.stderr
    assert find_vgg(normalised=True) == made
    vgg = load_vgg(made)
    assert vgg.is_normalized and vgg.layers[-1] == "relu4_1"
    config = make_config(
        network="adain", vgg=str(made), contents={str(photos): 1.0}, styles={str(photos): 1.0},
        iterations=1, batch=2, crop=32, preview_every=0,
    )  # fmt: skip
    train(config, tmp_path / "run")
    done = subprocess.run([*command, *small], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--overwrite" in done.stderr
    with pytest.raises(OptionError, match="is already normalized"):
        publish_normalized(made, photos, tmp_path / "again.safetensors")
    with pytest.raises(OptionError, match=r"must be saved as NAME\.safetensors"):
        publish_normalized(plain, photos, tmp_path / "again.pth")
    with pytest.raises(OptionError, match="count = 0"):
        publish_normalized(plain, photos, tmp_path / "again.safetensors", count=0)


def test_a_file_of_vgg16_is_that():
    for layout in ("torchvision", "Caffe", "pytorch-AdaIN"):
        weights = vgg_weights(layout, network="VGG-16")
        assert (recognize(weights).name, recognize(weights).network) == (layout, "VGG-16")
        vgg = VGG(weights, recognize(weights))
        assert vgg.layers[-3:] == ("relu3_2", "relu3_3", "relu4_1")
        with pytest.raises(ModelError, match="no layer 'relu3_4'"):
            vgg(torch.zeros(1, 3, 16, 16), ["relu3_4"])
    normalizing = {
        "features.0.weight": torch.zeros(64, 3, 3, 3),
        "features.1.weight": torch.ones(64),
    }
    with pytest.raises(ModelError, match="with batch normalization"):
        recognize(normalizing)
