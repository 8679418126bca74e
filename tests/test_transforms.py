"""Feature transforms against their definitions, computed another way, alone and in pictures."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import open_variant, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

import impasto.painting.tiles
from impasto.controls import Controls
from impasto.controls.moments import EPS
from impasto.controls.regions import StyleMap
from impasto.controls.transforms import (
    OF_MOMENTS,
    TRANSFORMS,
    PerChannel,
    Samples,
    Table,
    align_level,
    efdm,
    scattered,
    transform,
)
from impasto.errors import OptionError, StyleError
from impasto.models import Bundle
from impasto.painting import Budget
from impasto.painting.tiles import sample
from impasto.styles.files import load_style, save_style
from impasto.stylizer import Stylizer, load

NAMES = tuple(row.name for row in TRANSFORMS)
Maps = NDArray[Any]


def features(channels: int, height: int, width: int, *, seed: int) -> NDArray[np.float32]:
    """Correlated channels of different scales."""
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(channels, channels)) * rng.uniform(0.2, 3, (channels, 1))
    flat = mixing @ rng.normal(size=(channels, height * width)) + rng.normal(size=(channels, 1))
    return flat.reshape(channels, height, width).astype(np.float32)


def root(matrix: Maps) -> Maps:
    """The square root of a symmetric positive matrix, by Newton's iteration (Denman & Beavers)."""
    y, z = matrix, np.eye(len(matrix))
    for _ in range(60):
        y, z = (y + np.linalg.inv(z)) / 2, (z + np.linalg.inv(y)) / 2
    return y


def reference(name: str, x: Maps, y: Maps) -> Maps:
    """The definitions on (C, positions) in float64."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    mu_x, mu_y = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    s_x, s_y = (np.sqrt(each.var(axis=1, keepdims=True) + EPS) for each in (x, y))
    if name == "adain":
        return (x - mu_x) / s_x * s_y + mu_y
    if name == "mean":
        return x - mu_x + mu_y
    if name == "std":
        return (x - mu_x) / s_x * s_y + mu_x
    if name == "min-max":
        low, high = x.min(axis=1, keepdims=True), x.max(axis=1, keepdims=True)
        want_low, want_high = y.min(axis=1, keepdims=True), y.max(axis=1, keepdims=True)
        return (x - low) / (high - low) * (want_high - want_low) + want_low
    cov_x, cov_y = (np.cov(each, bias=True) for each in (x, y))
    if name == "wct":
        return root(cov_y) @ np.linalg.inv(root(cov_x)) @ (x - mu_x) + mu_y
    if name == "ost":
        half = root(cov_x)
        back = np.linalg.inv(half)
        return back @ root(half @ cov_y @ half) @ back @ (x - mu_x) + mu_y
    assert name == "efdm"
    result = np.empty_like(x)
    for own, theirs, out in zip(x, y, result, strict=True):
        ranks = np.array([(own < value).sum() for value in own])  # no two are the same
        out[:] = np.sort(theirs)[((ranks + 0.5) / own.size * theirs.size).astype(int)]
    return result


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(12, 10), (9, 15)])
def test_transforms_are_their_definitions(name: str, shape: tuple[int, int]) -> None:
    x, y = features(8, 12, 10, seed=0), features(8, *shape, seed=1)
    found = transform(x, y, name)
    assert found.shape == x.shape and found.dtype == np.float32
    wanted = reference(name, x.reshape(8, -1), y.reshape(8, -1))
    close = 0 if name == "efdm" else 1e-4
    np.testing.assert_allclose(found.reshape(8, -1), wanted, rtol=close, atol=close)


def test_wct_of_as_many_channels_as_vgg_has() -> None:
    x, y = features(512, 30, 30, seed=2), features(512, 28, 31, seed=3)
    flat = x.reshape(512, -1).astype(np.float64)
    have, want = (np.cov(each.reshape(512, -1).astype(np.float64), bias=True) for each in (x, y))
    u, s, _ = np.linalg.svd(have)  # as the authors' code computes it
    v, t, _ = np.linalg.svd(want)
    kept = s > EPS
    white = (u[:, kept] / np.sqrt(s[kept])) @ u[:, kept].T @ (flat - flat.mean(1, keepdims=True))
    wanted = (v * np.sqrt(t)) @ v.T @ white + y.reshape(512, -1).mean(1, keepdims=True)
    found = transform(x, y, "wct").reshape(512, -1)
    assert np.abs(found - wanted).max() < 1e-4 * np.abs(wanted).max()


@pytest.mark.parametrize("name", ["wct", "ost"])
def test_the_covariance_becomes_that_of_the_style(name: str) -> None:
    x, y = features(16, 20, 20, seed=4), features(16, 18, 25, seed=5)
    found = transform(x, y, name).reshape(16, -1)
    np.testing.assert_allclose(found.mean(1), y.reshape(16, -1).mean(1), atol=1e-4)
    want = np.cov(y.reshape(16, -1), bias=True)
    np.testing.assert_allclose(np.cov(found, bias=True), want, atol=1e-4 * np.abs(want).max())


def test_optimal_transport_moves_features_least() -> None:
    """Of all maps that give the covariance, also less than whitening and coloring."""
    x, y = features(16, 20, 20, seed=6), features(16, 20, 20, seed=7)
    moved = {name: np.square(transform(x, y, name) - x).mean() for name in ("wct", "ost")}
    assert moved["ost"] < moved["wct"]


def test_flat_directions_stay_finite() -> None:
    """A channel of one value, channels that are the same, and fewer positions than channels."""
    x, y = features(6, 2, 2, seed=8), features(6, 9, 9, seed=9)
    x[1] = 3
    x[2] = x[3]
    for name in NAMES:
        found = transform(x, y, name)
        assert np.isfinite(found).all(), name
    middle = transform(x, y, "min-max")[1]
    np.testing.assert_allclose(middle, (y[1].min() + y[1].max()) / 2, rtol=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    x=arrays(np.float32, (2, 5, 7), elements=st.integers(-2, 3)),
    y=arrays(np.float32, (2, 5, 7), elements=st.integers(-2, 3)),
)
def test_ranks_are_matched_exactly_with_equal_values_too(x: Maps, y: Maps) -> None:
    found = transform(x, y, "efdm")
    for own, theirs, out in zip(x, y, found, strict=True):
        assert sorted(out.ravel()) == sorted(theirs.ravel())
        order = np.argsort(own.ravel(), kind="stable")
        for low, high in pairwise(order):
            if own.flat[low] < own.flat[high]:
                assert out.flat[low] <= out.flat[high]


def test_equal_values_are_spread_over_the_picture() -> None:
    """In the order of the positions all small values would lie at the top."""
    x = np.zeros((1, 40, 40), np.float32)
    y = np.linspace(0, 1, 1600, dtype=np.float32).reshape(1, 40, 40)
    found = transform(x, y, "efdm")[0]
    for part in (found[:20], found[20:], found[:, :20], found[10:20, 30:]):
        assert abs(part.mean() - 0.5) < 0.02


def test_part_of_the_positions_gives_nearly_the_same_map() -> None:
    x, y = np.maximum(features(3, 64, 60, seed=10), 0), np.maximum(features(3, 50, 50, seed=11), 0)
    some = efdm(Samples(x[:, ::2, ::2], step=2), Samples(y))
    assert isinstance(some, Table)
    found = some(x, slice(0, 64), slice(0, 60))
    exact = transform(x, y, "efdm")
    assert np.abs(found - exact).mean() < 0.03 * y.std()
    # Each part of the picture is mapped as it is in the whole.
    part = some(x[:, 16:40, 8:30], slice(16, 40), slice(8, 30))
    np.testing.assert_array_equal(part, found[:, 16:40, 8:30])


def test_positions_that_do_not_count_change_nothing() -> None:
    x, y = features(4, 10, 12, seed=12), features(4, 8, 9, seed=13)
    counts = np.zeros((10, 12))
    counts[:, :6] = 1
    for row in TRANSFORMS:
        if not row.samples:
            continue
        whole = row.fit(Samples(x, counts), Samples(y))
        left = row.fit(Samples(x[:, :, :6]), Samples(y))
        place = slice(0, 10), slice(0, 6)
        one, two = whole(x[:, :, :6], *place), left(x[:, :, :6], *place)
        np.testing.assert_allclose(one, two, atol=0 if row.name == "efdm" else 1e-4)


def test_strength_is_exact_at_zero_and_linear() -> None:
    x, y = features(4, 10, 12, seed=14), features(4, 8, 9, seed=15)
    for name in NAMES:
        np.testing.assert_array_equal(transform(x, y, name, alpha=0), x)
        half, full = transform(x, y, name, alpha=0.5), transform(x, y, name)
        np.testing.assert_allclose(half, (x + full) / 2, atol=1e-5)


def test_what_is_no_transform_is_refused() -> None:
    x = features(4, 5, 5, seed=0)
    with pytest.raises(
        OptionError, match="choose one of adain, mean, std, min-max, wct, ost, efdm"
    ):
        transform(x, x, "gram")
    with pytest.raises(OptionError, match="alpha must be a number from 0 to 2, not 3"):
        transform(x, x, alpha=3)
    with pytest.raises(OptionError, match=r"\(C, h, w\), not \(4, 25\)"):
        transform(x.reshape(4, 25), x)
    for name in NAMES:
        with pytest.raises(StyleError, match="2 channels where the content has 4"):
            transform(x, x[:2], name)


# In pictures: on a model that has two levels and looks at its style's own features.


@pytest.fixture(scope="module")
def model(tiny_bundle: Bundle) -> Stylizer:
    return open_variant(tiny_bundle, ("onnxruntime", "fp32"))


def ours(model: Stylizer, content: Any, styles: list[Any], controls: Controls) -> list[Maps]:
    """The features that the decoder is given, level by level."""
    source = content.source
    amounts = StyleMap(controls, len(styles), source.height, source.width)
    painter: Any = model.painter
    values = [painter.style(each.source, controls.transform) for each in styles]
    changes = painter.fit(content, values, amounts, controls.transform)
    found = []
    for i, (level, x) in enumerate(zip(model.card.levels, content.features, strict=True)):
        strengths = content.padded(amounts.window, *content.whole)
        if strengths.ndim > 1:
            k, height, width = strengths.shape
            cells = height // level.stride, level.stride, width // level.stride, level.stride
            strengths = strengths.reshape(k, *cells).mean(axis=(2, 4))
        rows, columns = slice(0, x.shape[1]), slice(0, x.shape[2])
        aligned, affine = align_level([each[i] for each in changes], x, strengths, rows, columns)
        found.append(aligned * affine.scale + affine.shift)
    return found


@pytest.fixture(scope="module")
def content(model: Stylizer) -> Any:
    return model.encode(picture(64, 96, seed=3))


@pytest.fixture(scope="module")
def styles(model: Stylizer) -> list[Any]:
    return [model.encode(picture(64, 80, seed=seed) ** (seed - 3)) for seed in (4, 5)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.5])
def test_strength_mixes_the_features(
    model: Stylizer, content: Any, styles: list[Any], name: str, alpha: float
) -> None:
    """Eq. 14, with the transform in place of AdaIN."""
    found = ours(model, content, styles[:1], Controls(alpha=alpha, transform=name))
    for x, y, out in zip(content.features, styles[0].features, found, strict=True):
        wanted = transform(x, y, name, alpha=alpha)
        np.testing.assert_allclose(out, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_weights_mix_the_features(
    model: Stylizer, content: Any, styles: list[Any], name: str
) -> None:
    """Eq. 15."""
    found = ours(model, content, styles, Controls(weights=[1, 3], transform=name))
    for i, x in enumerate(content.features):
        one, two = (transform(x, style.features[i], name) for style in styles)
        np.testing.assert_allclose(found[i], 0.25 * one + 0.75 * two, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_masks_give_each_region_its_own_map(
    model: Stylizer, content: Any, styles: list[Any], name: str
) -> None:
    """Fig. 10."""
    left = np.zeros((64, 96), np.float32)
    left[:, :48] = 1
    found = ours(model, content, styles, Controls(masks=[left, 1 - left], transform=name))
    for i, x in enumerate(content.features):
        half = x.shape[2] // 2
        for part, style in zip((slice(0, half), slice(half, None)), styles, strict=True):
            wanted = transform(x[:, :, part], style.features[i], name)
            np.testing.assert_allclose(found[i][:, :, part], wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("positions", [None, 100])
def test_tiles_do_not_change_the_picture(
    model: Stylizer, name: str, positions: int | None, monkeypatch: Any
) -> None:
    """Also where a map is fitted to a part of the positions, and where features are not kept."""
    if positions is not None:
        monkeypatch.setattr(impasto.painting.tiles, "MAX_POSITIONS", positions)
    image, style = picture(120, 150, seed=1), picture(70, 90, seed=2)
    mask = np.tile(np.linspace(0, 1, 150, dtype=np.float32), (120, 1))
    opacity = np.ones((120, 150), np.float32)
    opacity[:30, :40] = 0
    controls = Controls(transform=name, masks=[mask], alpha=0.9)
    wave = model.style((style * 255).astype(np.uint8), transform=name)
    whole = model.paint(image, wave, controls, opacity=opacity).image
    budget = Budget(tile=64)
    tiled = model.paint(image, wave, controls, opacity=opacity, budget=budget).image
    np.testing.assert_allclose(tiled, whole, atol=2e-4)
    assert np.abs(whole - image).max() > 0.05
    np.testing.assert_array_equal(whole[:30, :40], image[:30, :40])


def test_transforms_give_different_pictures(model: Stylizer) -> None:
    image, style = picture(64, 80, seed=1), picture(64, 64, seed=2) ** 2
    found = [model.stylize(image, style, transform=name) for name in NAMES]
    for i, one in enumerate(found):
        for two in found[:i]:
            assert np.abs(np.subtract(one, two)).max() > 1e-3
    plain = model.stylize(image, style)
    np.testing.assert_array_equal(found[0], plain)


def test_transforms_and_colors_and_strokes(model: Stylizer) -> None:
    image, style = picture(64, 80, seed=1), picture(64, 64, seed=2) ** 2
    for color in ("cholesky", "luminance"):
        found = model.stylize(image, style, transform="ost", color=color, coarse=2)
        assert np.isfinite(found).all()
        assert np.abs(found - model.stylize(image, style, transform="ost", color=color)).max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_picture_stays_plain(model: Stylizer, name: str) -> None:
    """What rounding leaves in it is not blown up to the style's contrast."""
    rng = np.random.default_rng(0)
    image = (0.5 + rng.integers(0, 2, (64, 64, 3)) / 255).astype(np.float32)
    found = model.stylize(image, picture(64, 64, seed=2), transform=name)
    assert np.ptp(found, axis=(0, 1)).max() < 12 / 255


def test_a_kept_style_serves_transforms_of_moments_alone(model: Stylizer, tmp_path: Path) -> None:
    image = picture(64, 80, seed=1)
    style = (picture(64, 64, seed=2) * 255).astype(np.uint8)
    file = tmp_path / "wave.safetensors"
    save_style(model.style(style, transform="ost"), file)
    kept = load_style(file)
    assert not kept.samples
    for name in NAMES:
        if name in OF_MOMENTS:
            found = model.paint(image, kept, Controls(transform=name)).image
            np.testing.assert_allclose(
                found, model.paint(image, model.style(style), Controls(transform=name)).image,
                atol=1e-5,
            )  # fmt: skip
        else:
            with pytest.raises(StyleError, match=f"{name!r} needs the features .* picture"):
                model.paint(image, kept, Controls(transform=name))


def test_models_that_cannot_do_it_refuse_it() -> None:
    fast = load("fast")
    assert fast.limits.transforms == OF_MOMENTS
    image = picture(64, 64, seed=0)
    with pytest.raises(OptionError, match="'fast' does not support transform 'wct', only adain"):
        fast.stylize(image, image, transform="wct")
    with pytest.raises(OptionError, match="does not support transform 'ost'"):
        fast.style(image, transform="ost")
    assert np.isfinite(fast.stylize(image, picture(64, 64, seed=1), transform="mean")).all()


def test_scattered_numbers_are_even() -> None:
    numbers = np.sort(scattered(slice(0, 30), slice(0, 40)).ravel())
    assert np.abs(numbers - (np.arange(1200) + 0.5) / 1200).max() < 0.01
    part = scattered(slice(10, 20, 2), slice(5, 9))
    np.testing.assert_array_equal(part, scattered(slice(0, 30), slice(0, 40))[10:20:2, 5:9])


def test_samples_of_a_picture_are_its_features(model: Stylizer, content: Any) -> None:
    painter: Any = model.painter
    (found,) = sample(content, painter.engine, (None,))
    for each, own in zip(found, content.features, strict=True):
        assert each.step == 1 and each.counts is None
        np.testing.assert_array_equal(each.values, own)


def test_a_change_per_channel_is_what_scale_and_shift_do() -> None:
    x = features(3, 4, 5, seed=0)
    change = PerChannel(np.array([0.5, 0, -1]), np.array([1.0, 2, 3]))
    place = slice(0, 4), slice(0, 5)
    same, affine = align_level([change], x, np.ones(1), *place)
    assert same is x
    np.testing.assert_allclose(x * affine.scale + affine.shift, change(x, *place), rtol=1e-6)
