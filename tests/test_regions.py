"""Shares, strengths, cells and moments of regions: known answers and properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from impasto.controls import Controls
from impasto.controls.affine import adain, align
from impasto.controls.moments import (
    EPS,
    MIN_CELLS,
    Moments,
    cell_average,
    effective_cells,
    moments,
    region_moments,
)
from impasto.controls.regions import StyleMap, is_flat, shares
from impasto.errors import OptionError, StyleError

RNG = np.random.default_rng(0)
THIRDS = np.array([1 / 3, 2 / 3])


def amounts(**controls: Any) -> np.ndarray:
    """Strengths of the styles in a picture of one row of three pixels."""
    masks = controls.get("masks")
    shape = (1, 3) if masks is None else masks.shape[1:]
    if masks is not None:
        controls["masks"] = list(masks)
    found = StyleMap(Controls(**controls), len(controls["weights"]), *shape)
    return found.window(slice(0, shape[0]), slice(0, shape[1]))


def planes(*rows: list[float]) -> np.ndarray:
    """One mask of one row each."""
    return np.array(rows, np.float32)[:, None]


# --- shares ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("masks", "expected"),
    [
        ([[1, 0, 0], [0, 1, 0]], [[1, 0, 0], [0, 1, 0]]),  # weights count only where both are
        ([[1, 1, 0], [1, 0, 1]], [[1 / 3, 1, 0], [2 / 3, 0, 1]]),
        ([[0.5, 0, 0], [0, 0.25, 0]], [[0.5, 0, 0], [0, 0.25, 0]]),  # soft: the rest stays
        ([[0.5, 0.5, 0], [0.5, 0, 0]], [[1 / 3, 0.5, 0], [2 / 3, 0, 0]]),
        ([[0.2, 0, 0], [0.2, 0, 0]], [[0.4 / 3, 0, 0], [0.8 / 3, 0, 0]]),
    ],
)
def test_shares(masks: list[list[float]], expected: list[list[float]]) -> None:
    np.testing.assert_allclose(shares(THIRDS, planes(*masks))[:, 0], expected, rtol=1e-6)
    found = amounts(weights=[1, 2], masks=planes(*masks))
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-6)


def test_numbers_where_nothing_differs_from_place_to_place() -> None:
    np.testing.assert_array_equal(amounts(weights=[1, 2]), THIRDS)
    ones = np.ones((2, 3, 4), np.float32)
    np.testing.assert_array_equal(amounts(weights=[1, 2], masks=ones), THIRDS)
    quarter = amounts(weights=[1, 2], masks=ones * np.float32(0.25))
    np.testing.assert_allclose(quarter, THIRDS / 2, rtol=1e-12)


def test_a_style_of_weight_0_covers_nothing() -> None:
    found = shares(np.array([0.0, 1.0]), planes([1, 1, 0], [0, 1, 1]))
    np.testing.assert_array_equal(found[:, 0], [[0, 0, 0], [0, 1, 1]])


@given(
    masks=hnp.arrays(np.float32, (3, 4, 5), elements=st.floats(0, 1, width=32)),
    weights=st.lists(st.floats(0, 1e30), min_size=3, max_size=3).filter(any),
)
def test_shares_cover_what_the_masks_cover(masks: np.ndarray, weights: list[float]) -> None:
    portions = np.array(weights) / max(weights)
    found = shares(portions / portions.sum(), masks)
    assert np.isfinite(found).all() and (found >= 0).all()
    total = found.sum(axis=0) if found.ndim > 1 else np.full((4, 5), found.sum())
    assert (total <= np.minimum(masks.sum(axis=0), 1) + 1e-6).all()
    if min(weights) > 1e-6 * max(weights):
        np.testing.assert_allclose(total, np.minimum(masks.sum(axis=0), 1), atol=1e-6)


def test_strengths() -> None:
    ramp = np.array([[0.0, 1.0, 2.0]], np.float32)
    np.testing.assert_allclose(amounts(weights=[1, 2], alpha=0.5), THIRDS / 2)
    flat = np.full((2, 2), 0.5, np.float32)
    np.testing.assert_allclose(amounts(weights=[1, 2], alpha=flat), THIRDS / 2)
    found = amounts(weights=[1, 2], alpha=ramp)
    np.testing.assert_allclose(found[:, 0], [[0, 1 / 3, 2 / 3], [0, 2 / 3, 4 / 3]], rtol=1e-6)
    found = amounts(weights=[1, 2], alpha=ramp, masks=planes([1, 0, 1], [0, 1, 0.5]))
    np.testing.assert_allclose(found[:, 0], [[0, 0, 1], [0, 1, 1]], rtol=1e-6)


def test_statistics() -> None:
    assert Controls(statistics="image").statistics == "image"
    with pytest.raises(OptionError, match="statistics must be region or image, not 'mask'"):
        Controls(statistics="mask")


# --- cells and moments -----------------------------------------------------------------------


@given(
    stride=st.sampled_from([1, 2, 4]),
    many=st.sampled_from([(), (3,)]),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
)
def test_cell_average(stride: int, many: tuple[int, ...], rows: int, columns: int) -> None:
    image = RNG.random((*many, rows * stride, columns * stride), np.float32)
    found = cell_average(image, stride)
    assert found.shape == (*many, rows, columns)
    corner = image[..., -stride:, :stride].astype(np.float64).mean(axis=(-2, -1))
    np.testing.assert_allclose(found[..., -1, 0], corner, rtol=1e-12)


def test_effective_cells() -> None:
    assert effective_cells(np.zeros((3, 3))) == 0
    assert effective_cells(np.ones((3, 4))) == 12
    assert effective_cells(np.full((3, 4), 1e-3)) == pytest.approx(12)
    assert effective_cells(np.array([[1.0, 1e-9]])) == pytest.approx(1)


def test_is_flat() -> None:
    assert is_flat(np.full((2, 2), 0.3))
    assert not is_flat(np.eye(2))


def test_weighted_moments_are_those_of_repeated_pixels() -> None:
    features = RNG.normal(5, 2, (3, 2, 4)).astype(np.float32)
    times = np.array([[0, 1, 2, 3], [4, 0, 1, 2]])
    repeated = np.repeat(features.reshape(3, -1), times.ravel(), axis=1)
    found = moments(features, weights=0.25 * times)
    np.testing.assert_allclose(found.mean, repeated.mean(axis=1, dtype=np.float64), rtol=1e-12)
    variance = repeated.astype(np.float64).var(axis=1)
    np.testing.assert_allclose(found.std, np.sqrt(variance + EPS), rtol=1e-12)


def test_even_weights_are_no_weights() -> None:
    features = (1000 + 0.01 * RNG.standard_normal((3, 32, 32))).astype(np.float32)
    one, two = moments(features), moments(features, weights=np.full((32, 32), 0.1, np.float32))
    np.testing.assert_allclose(one.mean, two.mean, rtol=1e-13)
    np.testing.assert_allclose(one.std, two.std, rtol=1e-9)


@pytest.mark.parametrize(
    "weights",
    [np.ones((4, 2)), np.zeros((2, 4)), -np.ones((2, 4)), np.full((2, 4), np.nan)],
    ids=["shape", "zeros", "negative", "NaN"],
)
def test_moments_refuse_weights(weights: Any) -> None:
    with pytest.raises(OptionError, match="weights must"):
        moments(np.zeros((3, 2, 4), np.float32), weights=weights)


@pytest.mark.parametrize("cells", [0, 1, MIN_CELLS - 1, MIN_CELLS])
def test_small_regions_have_the_moments_of_the_whole(cells: int) -> None:
    features = RNG.normal(size=(2, 8, 8)).astype(np.float32)
    counts = np.zeros((8, 8))
    counts.flat[:cells] = 1
    whole = moments(features)
    found = region_moments(features, counts, whole=whole)
    assert (found is whole) == (cells < MIN_CELLS)


# --- align -----------------------------------------------------------------------------------


def random_moments(channels: int = 4) -> Moments:
    return Moments(mean=RNG.normal(size=channels), std=RNG.uniform(0.1, 3, channels))


@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0, 2.0])
def test_align_with_one_style_is_adain(alpha: float) -> None:
    x, y = random_moments(), random_moments()
    wanted = adain(x, y, alpha=alpha)
    flat = align([x], [y], np.array([alpha]))
    spread = align([x], [y], np.full((1, 3, 5), alpha, np.float32))
    for name in ("scale", "shift"):
        one, two = getattr(wanted, name), getattr(flat, name)
        np.testing.assert_allclose(two, one, rtol=1e-6)
        assert two.shape == (4, 1, 1) and two.dtype == np.float32
        three = getattr(spread, name)
        np.testing.assert_allclose(three, np.broadcast_to(one, (4, 3, 5)), rtol=1e-5, atol=1e-6)
        assert three.dtype == np.float32 and three.flags.c_contiguous


def test_align_of_strength_0_is_exactly_the_identity() -> None:
    x, y = random_moments(), Moments(mean=np.full(4, -3.0), std=np.full(4, 1e6))
    amounts = np.array([[[0.0, 1.0]]], np.float32)
    found = align([x], [y], amounts)
    np.testing.assert_array_equal(found.scale[:, 0, 0], 1)
    np.testing.assert_array_equal(found.shift[:, 0, 0], 0)


def test_align_refuses_another_number_of_channels() -> None:
    with pytest.raises(StyleError, match="3 channels where the content has 4"):
        align([random_moments()] * 2, [random_moments(), random_moments(3)], np.ones(2))
