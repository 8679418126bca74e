"""The models that ship, on photographs that they were not trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lab_parts import padded
from PIL import Image

from impasto.controls import Controls
from impasto.controls.affine import Affine, adain
from impasto.controls.descreen import COMB
from impasto.lab.training.checkpoints import start_from
from impasto.lab.training.networks import find_network
from impasto.models import MODELS, find_bundle
from impasto.stylizer import Stylizer, load

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS = sorted((EXAMPLES / "photos").glob("*.jpg"))
STYLES = sorted((EXAMPLES / "styles").glob("*.jpg"))
EMBEDDED = [row.name for row in MODELS if row.file is not None]


@pytest.fixture(scope="module", params=EMBEDDED)
def model(request: pytest.FixtureRequest) -> Stylizer:
    return load(request.param, engine="onnxruntime")


def _photo(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"), np.float32) / 255


def test_both_ship_and_are_small_with_an_honest_card():
    assert EMBEDDED == ["fast", "quality"]
    for row in MODELS:
        if row.file is None:
            continue
        assert row.path is not None and row.path.stat().st_size <= 16e6
        card = find_bundle(row.name).card
        assert card.name == row.name
        assert card.iterations > 0 and card.data and card.licence == "MIT"
        assert {"held_out_content_256", "held_out_style_256"} <= set(card.losses)


def test_the_picture_depends_on_every_level(model):
    """Dead layers behind a level leave a model that paints, with most of its work for nothing.

    Dead is below 1e-5 here; 1e-3 is a quarter of an 8-bit step, on average.
    """
    image = _photo(PHOTOS[0])
    encoded, _ = model.engine.encode(padded(image, model.card))
    same = [
        Affine(np.ones((len(f), 1, 1), np.float32), np.zeros((len(f), 1, 1), np.float32))
        for f in encoded
    ]
    before = model.engine.decode(encoded, same)
    for i, level in enumerate(encoded):
        moved = list(same)
        moved[i] = Affine(same[i].scale * 1.5, level.mean(axis=(1, 2))[:, None, None] * -0.5)
        if model.card.levels[i].name == COMB:  # it is 0 in every picture, and 1 removes a mesh
            moved[i] = Affine(same[i].scale, np.ones_like(same[i].shift))
        change = np.abs(model.engine.decode(encoded, moved) - before).mean()
        assert change > 1e-3, model.card.levels[i].name


@pytest.mark.parametrize("name", EMBEDDED)
def test_training_can_go_on_from_it(name):
    row = find_network(name)
    network = row.build(row.tables.method())
    start_from(network, name)  # raises where weights are missing
    assert all(torch.isfinite(weight).all() for weight in network.state_dict().values())


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_at_alpha_0_the_photograph_comes_back(model, path):
    image = _photo(path)
    style = model.style(STYLES[0])
    assert np.array_equal(model.paint(image, style, Controls(alpha=0)).image, image)
    # The network alone, which paint() mixes with the photograph below FADE: near enough for that.
    encoded, _ = model.engine.encode(padded(image, model.card))
    same = [
        Affine(np.ones((len(f), 1, 1), np.float32), np.zeros((len(f), 1, 1), np.float32))
        for f in encoded
    ]
    (height, width), top = image.shape[:2], model.card.margin
    got = model.engine.decode(encoded, same)[:, top : top + height, top : top + width]
    got = got.transpose(1, 2, 0).clip(0, 1)
    psnr = -10 * np.log10(((got - image) ** 2).mean())
    assert psnr >= 25


@pytest.mark.parametrize("path", STYLES, ids=lambda path: path.stem)
def test_the_picture_takes_the_colors_of_the_style_and_keeps_the_drawing(model, path):
    style = model.style(path)
    colors = _photo(path).mean(axis=(0, 1))
    for photo in PHOTOS[:2]:
        image = _photo(photo)
        painted = model.paint(image, style).image
        before = np.abs(image.mean(axis=(0, 1)) - colors).sum()
        after = np.abs(painted.mean(axis=(0, 1)) - colors).sum()
        assert after < max(0.5 * before, 0.12)
        gray = [each.mean(axis=2) for each in (image, painted)]
        assert np.corrcoef(gray[0].ravel(), gray[1].ravel())[0, 1] > 0.5


def test_no_picture_explodes(model):
    """Flat, noisy and extreme pictures in each other's style stay in sane numbers unclipped."""
    random = np.random.default_rng(0)
    odd = [
        np.zeros((3, 64, 64)), np.ones((3, 64, 64)), random.random((3, 64, 64)),
        (random.random((3, 64, 64)) > 0.5), np.full((3, 64, 64), 0.5),
    ]  # fmt: skip
    encoded = [model.engine.encode(each.astype(np.float32)) for each in odd]
    for features, own in encoded:
        for _, wanted in encoded:
            maps = [adain(c, s) for c, s in zip(own, wanted, strict=True)]
            assert np.abs(model.engine.decode(features, maps)).max() < 5
