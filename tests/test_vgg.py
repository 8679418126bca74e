"""The perceptual network: layouts, layers by name, preprocessing, real weights where they are."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from lab_parts import SHARED, vgg_weights
from safetensors.torch import save_file
from torch.nn import functional as F

from impasto.errors import ModelError
from impasto.lab.nets.state import read_weights
from impasto.lab.nets.vgg import LAYOUTS, VGG, load_vgg, recognize

IMAGE = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("layout", [row.name for row in LAYOUTS])
def test_every_layout_is_recognized_from_its_keys(layout):
    assert recognize(vgg_weights(layout, last="conv1_2")).name == layout


@pytest.mark.parametrize("layout", [row.name for row in LAYOUTS])
def test_first_layer_is_preprocessing_and_convolution(layout):
    weights = vgg_weights(layout, last="conv1_1")
    row = recognize(weights)
    got = VGG(weights, row)(IMAGE, ["relu1_1"])["relu1_1"]
    if layout == "pytorch-AdaIN":
        ready = IMAGE * 2 - 1
    elif layout == "torchvision":
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        ready = (IMAGE - mean[:, None, None]) / std[:, None, None]
    else:
        ready = IMAGE.flip(1) * 255 - torch.tensor([103.939, 116.779, 123.68])[:, None, None]
    mode = "reflect" if layout == "pytorch-AdaIN" else "constant"
    padded = F.pad(ready.double(), (1, 1, 1, 1), mode=mode)
    key = row.keys[0]
    wanted = F.relu(F.conv2d(padded, weights[f"{key}.weight"].double()))
    scale = wanted.abs().max()
    assert torch.allclose(got.double() / scale, wanted / scale, atol=1e-5)


def test_layers_have_their_size_and_the_network_stops_where_it_may():
    vgg = VGG(vgg_weights(), LAYOUTS[0])
    blocks = {1: 2, 2: 2, 3: 4, 4: 1}
    assert vgg.layers == tuple(f"relu{n}_{k}" for n in blocks for k in range(1, blocks[n] + 1))
    features = vgg(IMAGE, ["relu3_1", "relu1_2", "relu4_1"])
    assert {k: tuple(v.shape) for k, v in features.items()} == {
        "relu1_2": (1, 64, 32, 48),
        "relu3_1": (1, 256, 8, 12),
        "relu4_1": (1, 512, 4, 6),
    }
    assert all((v >= 0).all() for v in features.values())
    with pytest.raises(ModelError, match="relu5_1"):
        vgg(IMAGE, ["relu5_1"])


def test_no_gradient_for_its_weights_but_one_for_the_picture():
    vgg = VGG(vgg_weights(last="conv2_1"), LAYOUTS[0])
    image = IMAGE.clone().requires_grad_()
    vgg(image, ["relu2_1"])["relu2_1"].sum().backward()
    assert image.grad is not None and image.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in vgg.parameters())


def test_files_of_both_kinds_and_bad_ones(tmp_path):
    weights = vgg_weights("Caffe", last="conv1_2")
    torch.save(weights, tmp_path / "a.pth")
    save_file(weights, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        assert load_vgg(tmp_path / name).layers == ("relu1_1", "relu1_2")
    (tmp_path / "text.pth").write_text("not weights")
    torch.save({"conv1_1.weight": torch.zeros(2, 2)}, tmp_path / "shape.pth")
    torch.save({"other": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    for name in ("text.pth", "shape.pth", "other.pth", "list.pth", "missing.pth"):
        with pytest.raises(ModelError):
            load_vgg(tmp_path / name)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return (exec, (f"open({str(tmp_path / 'ran')!r}, 'w').close()",))

    torch.save({"0.weight": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(ModelError):
        read_weights(tmp_path / "evil.pth")
    assert not (tmp_path / "ran").exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason="the real weights are not beside the checkout")
def test_the_normalised_and_the_caffe_weights_are_the_same_network():
    """Normalised activations are the Caffe ones times one positive factor a channel."""
    normal = load_vgg(SHARED / "weights" / "vgg_normalised.pth")
    caffe = load_vgg(SHARED / "weights" / "vgg19_caffe_to_conv5_1.safetensors")
    image = F.interpolate(IMAGE, (64, 64), mode="bicubic").clamp(0, 1)
    # away from the border, where one reflects and the other pads with zeros
    a = normal(image, ["relu2_1"])["relu2_1"][..., 6:-6, 6:-6].flatten(2)[0].numpy()
    b = caffe(image, ["relu2_1"])["relu2_1"][..., 6:-6, 6:-6].flatten(2)[0].numpy()
    alive = (a.std(axis=1) > 1e-3) & (b.std(axis=1) > 1e-3)
    assert alive.sum() > 80
    correlation = [np.corrcoef(x, y)[0, 1] for x, y in zip(a[alive], b[alive], strict=True)]
    assert min(correlation) > 0.999
