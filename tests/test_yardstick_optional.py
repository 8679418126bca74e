"""LPIPS, FID and ArtFID: random weights of the true shapes against direct formulas.

The trained weights are the user's; none are here.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import make_tiny
from lab_parts import vgg_weights, write_pictures
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.evaluate.fid import Cloud, frechet_distance
from impasto.lab.evaluate.inception import Inception
from impasto.lab.evaluate.lpips import LPIPS
from impasto.lab.evaluate.painters import PainterOptions
from impasto.lab.evaluate.pairs import PairOptions
from impasto.lab.evaluate.run import JudgeOptions, evaluate_models
from impasto.models import write_bundle


def alexnet() -> nn.Sequential:
    """The convolutional part as torchvision lays it out: an index is a key."""
    pool = nn.MaxPool2d(3, 2)
    return nn.Sequential(
        nn.Conv2d(3, 64, 11, 4, 2), nn.ReLU(), pool,
        nn.Conv2d(64, 192, 5, padding=2), nn.ReLU(), pool,
        nn.Conv2d(192, 384, 3, padding=1), nn.ReLU(),
        nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(),
        nn.Conv2d(256, 256, 3, padding=1), nn.ReLU(), pool,
    )  # fmt: skip


def vgg16() -> nn.Sequential:
    layers: list[nn.Module] = []
    before = 3
    for width, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        layers.append(nn.MaxPool2d(2, 2))
    return nn.Sequential(*layers)


BACKBONES = {  # the network, where it is compared, channels there
    "alexnet": (alexnet, (1, 4, 7, 9, 11), (64, 192, 384, 256, 256)),
    "vgg16": (vgg16, (3, 8, 15, 22, 29), (64, 128, 256, 512, 512)),
}


def lpips_files(folder, name: str):
    torch.manual_seed(0)
    make, compared, channels = BACKBONES[name]
    network = make()
    weights = {f"features.{key}": value for key, value in network.state_dict().items()}
    heads = {f"lin{i}.model.1.weight": torch.rand(1, c, 1, 1) for i, c in enumerate(channels)}
    paths = folder / f"{name}.pth", folder / f"{name}-heads.pth"
    torch.save(weights | {"classifier.1.weight": torch.zeros(2, 2)}, paths[0])
    torch.save(heads, paths[1])
    return paths, network, compared, [h.flatten() for h in heads.values()]


@pytest.mark.parametrize("name", BACKBONES)
def test_lpips_against_its_formula(name, tmp_path):
    paths, network, compared, heads = lpips_files(tmp_path, name)
    images = torch.rand(2, 2, 3, 70, 64)
    expected = torch.zeros(2)
    maps: list[list[Tensor]] = [[], []]
    for side, image in enumerate(images):
        # ImageNet's normalization of [0, 1], as the authors wrote it for [-1, 1]
        mean, std = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])
        x = (image - mean[:, None, None]) / std[:, None, None]
        for i, layer in enumerate(network):
            x = layer(x)
            if i in compared:
                maps[side].append(F.normalize(x, dim=1, eps=1e-10))
    for a, b, head in zip(*maps, heads, strict=True):
        expected += torch.einsum("nchw,c->nhw", (a - b) ** 2, head).mean((1, 2)).detach()
    lpips = LPIPS.load(*paths)
    found = lpips(*images)
    assert torch.allclose(found, expected, rtol=5e-3)
    assert lpips(images[0], images[0]).tolist() == [0, 0]
    assert found.min() > 0.01


def test_weights_that_are_not_of_lpips_are_refused(tmp_path):
    (alex, alex_heads), *_ = lpips_files(tmp_path, "alexnet")
    (vgg, _), *_ = lpips_files(tmp_path, "vgg16")
    torch.save(vgg_weights("torchvision"), tmp_path / "vgg19.pth")
    with pytest.raises(ModelError, match="do not fit vgg16"):
        LPIPS.load(vgg, alex_heads)
    with pytest.raises(ModelError, match="not LPIPS heads"):
        LPIPS.load(alex, alex)
    with pytest.raises(ModelError, match="not an LPIPS backbone"):
        LPIPS.load(alex_heads, alex_heads)
    with pytest.raises(ModelError, match="not an LPIPS backbone"):  # as deep, but another network
        LPIPS.load(tmp_path / "vgg19.pth", alex_heads)


def test_a_cloud_gathers_mean_and_covariance():
    points = np.random.default_rng(0).normal(3, 2, (50, 6))
    cloud = Cloud(6)
    for point in points:
        cloud.add(point)
    assert cloud.mean == pytest.approx(points.mean(0))
    assert cloud.covariance == pytest.approx(np.cov(points, rowvar=False))


def clouds(*sets: np.ndarray) -> list[Cloud]:
    made = []
    for points in sets:
        made.append(Cloud(points.shape[1]))
        for point in points:
            made[-1].add(point)
    return made


def test_frechet_distance_of_scaled_and_shifted_clouds():
    """Where C2 = a^2 C1: |m1 - m2|^2 + (1 - a)^2 tr C1; also of fewer points than channels."""
    random = np.random.default_rng(0)
    for n in (200, 4):
        points = random.normal(size=(n, 8)) @ random.normal(size=(8, 8))
        one, two, same = clouds(points, 3 * points + 5, points[::-1])
        apart = np.square(one.mean - two.mean).sum()
        expected = apart + 4 * np.trace(one.covariance)
        assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-5)
        assert frechet_distance(one, same) == pytest.approx(0, abs=1e-4)


def test_frechet_distance_of_normals_with_other_axes():
    """Against the root of a matrix taken the general way, by its eigenvectors."""
    random = np.random.default_rng(1)
    one, two = clouds(*(random.normal(size=(300, 5)) @ random.normal(size=(5, 5)) for _ in "ab"))
    values, vectors = np.linalg.eig(one.covariance @ two.covariance)
    root = (vectors * np.sqrt(values)) @ np.linalg.inv(vectors)
    expected = np.square(one.mean - two.mean).sum() + np.trace(
        one.covariance + two.covariance - 2 * root.real
    )
    assert frechet_distance(one, two) == pytest.approx(expected, rel=1e-6)


def inception_weights() -> dict[str, Tensor]:
    """Random weights with torchvision's names and shapes, without the classifiers."""
    shapes: dict[str, tuple[int, int, int, int]] = {
        "Conv2d_1a_3x3": (32, 3, 3, 3), "Conv2d_2a_3x3": (32, 32, 3, 3),
        "Conv2d_2b_3x3": (64, 32, 3, 3), "Conv2d_3b_1x1": (80, 64, 1, 1),
        "Conv2d_4a_3x3": (192, 80, 3, 3),
    }  # fmt: skip

    def block(name: str, inputs: int, **chains: list[tuple[str, int, int, int]]) -> None:
        for chain in chains.values():
            before = inputs
            for branch, width, *kernel in chain:
                shapes[f"{name}.branch{branch}"] = (width, before, *kernel)
                before = width

    for name, inputs, pool in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        block(f"Mixed_{name}", inputs, a=[("1x1", 64, 1, 1)],
              b=[("5x5_1", 48, 1, 1), ("5x5_2", 64, 5, 5)],
              c=[("3x3dbl_1", 64, 1, 1), ("3x3dbl_2", 96, 3, 3), ("3x3dbl_3", 96, 3, 3)],
              d=[("_pool", pool, 1, 1)])  # fmt: skip
    block("Mixed_6a", 288, a=[("3x3", 384, 3, 3)],
          b=[("3x3dbl_1", 64, 1, 1), ("3x3dbl_2", 96, 3, 3), ("3x3dbl_3", 96, 3, 3)])  # fmt: skip
    for name, c in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        block(f"Mixed_{name}", 768, a=[("1x1", 192, 1, 1)],
              b=[("7x7_1", c, 1, 1), ("7x7_2", c, 1, 7), ("7x7_3", 192, 7, 1)],
              c=[("7x7dbl_1", c, 1, 1), ("7x7dbl_2", c, 7, 1), ("7x7dbl_3", c, 1, 7),
                 ("7x7dbl_4", c, 7, 1), ("7x7dbl_5", 192, 1, 7)],
              d=[("_pool", 192, 1, 1)])  # fmt: skip
    block("Mixed_7a", 768, a=[("3x3_1", 192, 1, 1), ("3x3_2", 320, 3, 3)],
          b=[("7x7x3_1", 192, 1, 1), ("7x7x3_2", 192, 1, 7), ("7x7x3_3", 192, 7, 1),
             ("7x7x3_4", 192, 3, 3)])  # fmt: skip
    for name, inputs in (("7b", 1280), ("7c", 2048)):
        block(f"Mixed_{name}", inputs, a=[("1x1", 320, 1, 1)], b=[("3x3_1", 384, 1, 1)],
              c=[("3x3dbl_1", 448, 1, 1), ("3x3dbl_2", 384, 3, 3)],
              d=[("_pool", 192, 1, 1)])  # fmt: skip
        for branch in ("3x3_2", "3x3dbl_3"):
            shapes[f"Mixed_{name}.branch{branch}a"] = (384, 384, 1, 3)
            shapes[f"Mixed_{name}.branch{branch}b"] = (384, 384, 3, 1)
    random = torch.Generator().manual_seed(0)
    weights = {}
    for name, shape in shapes.items():
        fan = shape[1] * shape[2] * shape[3]
        weights[f"{name}.conv.weight"] = torch.randn(shape, generator=random) * (2 / fan) ** 0.5
        for part, low in (("weight", 0.5), ("bias", -0.1), ("running_var", 0.5)):
            weights[f"{name}.bn.{part}"] = torch.rand(shape[0], generator=random) + low
        weights[f"{name}.bn.running_mean"] = torch.randn(shape[0], generator=random) * 0.1
    return weights


@pytest.fixture(scope="module")
def inception(tmp_path_factory):
    path = tmp_path_factory.mktemp("inception") / "inception.pth"
    torch.save(inception_weights(), path)
    return path


def test_inception_folds_its_normalizations():
    weights = inception_weights()
    network = Inception(weights)
    x = torch.randn(1, 64, 9, 9)
    name = "Conv2d_3b_1x1"
    kernel, bias = network.folded[name]
    plain = F.conv2d(x, weights[f"{name}.conv.weight"])
    parts = (weights[f"{name}.bn.{p}"] for p in ("running_mean", "running_var", "weight", "bias"))
    expected = F.batch_norm(plain, *parts, eps=1e-3)
    assert torch.allclose(F.conv2d(x, kernel, bias), expected, atol=1e-4)


def test_inception_against_torchvision():
    models = pytest.importorskip("torchvision.models")
    network = models.inception_v3(weights=None, init_weights=False, transform_input=False).eval()
    weights = inception_weights()
    missing, unexpected = network.load_state_dict(weights, strict=False)
    assert not unexpected
    assert all(key.startswith(("AuxLogits", "fc")) or "num_batches" in key for key in missing)
    network.fc = nn.Identity()
    image = torch.rand(2, 3, 112, 130)
    with torch.no_grad():
        expected = network(image)
    found = Inception(weights)(image)
    assert found.shape == (2, 2048)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * expected.abs().max())


def test_weights_that_are_not_of_inception_are_refused(inception):
    with pytest.raises(ModelError, match="inception_v3"):
        Inception(vgg_weights("torchvision"))
    weights = inception_weights()
    del weights["Mixed_6c.branch7x7_2.bn.bias"]
    with pytest.raises(ModelError, match=r"Mixed_6c.branch7x7_2.bn.bias"):
        Inception(weights)


def test_the_optional_columns_are_in_the_report(inception, tmp_path):
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    for seed, name in enumerate(("one", "two")):
        write_bundle(make_tiny(seed=seed), tmp_path / f"{name}.impasto")
    folders = [{str(write_pictures(tmp_path / s, 30)): 1.0} for s in ("photos", "paintings")]
    paths, *_ = lpips_files(tmp_path, "alexnet")
    options = {
        "models": [tmp_path / "one.impasto"], "reference": tmp_path / "two.impasto",
        "judge": JudgeOptions(
            vgg=tmp_path / "vgg.pth", precision="fp32", lpips=paths, inception=inception
        ),
        "painters": PainterOptions(engine="onnxruntime"), "out": tmp_path / "out",
    }  # fmt: skip
    small, large = (
        PairOptions(contents=folders[0], styles=folders[1], count=3, sizes=(size,))
        for size in (72, 80)
    )
    with pytest.raises(OptionError, match="75"):
        evaluate_models(**options, pairs=small)
    found = evaluate_models(**options, pairs=large)
    assert all(line.values["lpips"] >= 0 for line in found.lines)
    rows = {(row.model, row.metric): row for row in found.summary}
    for model in ("one", "two"):
        fid, artfid = rows[model, "fid"].mean, rows[model, "artfid"].mean
        assert fid > 0
        assert artfid == pytest.approx((1 + rows[model, "lpips"].mean) * (1 + fid))
    assert rows["one", "fid"].ratio == pytest.approx(
        rows["one", "fid"].mean / rows["two", "fid"].mean
    )
    assert "| artfid | lower |" in (tmp_path / "out" / "summary.md").read_text()
