"""Alignment of statistics: known answers, and the paper's equations computed another way."""

from __future__ import annotations

import math

import numpy as np
import pytest
from conftest import apply_affine
from hypothesis import given
from hypothesis import strategies as st

from impasto.controls.affine import Affine, adain, blend, check_weights, gain_and_shift
from impasto.controls.moments import EPS, Moments, moments
from impasto.errors import OptionError, StyleError

RNG = np.random.default_rng(0)


def random_moments(channels: int = 5) -> Moments:
    return Moments(mean=RNG.normal(size=channels), std=RNG.uniform(0.1, 3, channels))


def test_moments_known_answer() -> None:
    features = np.array([[[1, 2], [3, 6]], [[0, 0], [0, 0]]], np.float32)
    found = moments(features)
    assert found.mean.tolist() == [3.0, 0.0]
    np.testing.assert_allclose(found.std, np.sqrt([14 / 4 + EPS, EPS]), rtol=1e-15)


def test_moments_in_single_precision_far_from_zero() -> None:
    # Sums of squares in float32 lose this deviation altogether.
    features = (1000 + 0.01 * RNG.standard_normal((3, 64, 64))).astype(np.float32)
    found = moments(features)
    exact = features.astype(np.float64)
    np.testing.assert_allclose(found.mean, exact.mean((1, 2)), rtol=1e-13)
    np.testing.assert_allclose(found.std, np.sqrt(exact.var((1, 2)) + EPS), rtol=1e-9)
    assert found.mean.dtype == found.std.dtype == np.float64


@pytest.mark.parametrize("shape", [(3, 4), (1, 3, 4, 4), (3, 0, 4)])
def test_moments_refuse_what_is_no_map(shape: tuple[int, ...]) -> None:
    with pytest.raises(OptionError, match=r"shape \(C, h, w\)"):
        moments(np.zeros(shape, np.float32))


def test_adain_gives_the_moments_of_the_style() -> None:
    features = RNG.normal(2, 3, (4, 16, 16))
    style = random_moments(4)
    content = moments(features)
    aligned = apply_affine(features, adain(content, style)).astype(np.float64)
    np.testing.assert_allclose(aligned.mean((1, 2)), style.mean, atol=1e-5)
    np.testing.assert_allclose(aligned.std((1, 2)), style.std, rtol=1e-4)


@given(st.floats(0, 2))
def test_adain_is_equations_8_and_14(alpha: float) -> None:
    features = RNG.normal(size=(4, 6, 6))
    content, style = moments(features), random_moments(4)
    mu_x, sigma_x, mu_y, sigma_y = (
        each[:, None, None] for each in (content.mean, content.std, style.mean, style.std)
    )
    eq8 = sigma_y * (features - mu_x) / sigma_x + mu_y
    eq14 = (1 - alpha) * features + alpha * eq8
    np.testing.assert_allclose(
        apply_affine(features, adain(content, style, alpha=alpha)), eq14, rtol=1e-4, atol=1e-4
    )


def test_alpha_0_is_exactly_the_identity_even_on_flat_content() -> None:
    flat = Moments(mean=np.array([7.0]), std=np.array([math.sqrt(EPS)]))
    found = adain(flat, Moments(mean=np.array([-3.0]), std=np.array([1e4])), alpha=0)
    assert found.scale.tolist() == [[[1.0]]]
    assert found.shift.tolist() == [[[0.0]]]
    assert found.scale.dtype == found.shift.dtype == np.float32


def test_adain_of_itself_is_the_identity() -> None:
    found = adain(same := random_moments(), same)
    np.testing.assert_allclose(found.scale, 1, rtol=1e-6)
    np.testing.assert_allclose(found.shift, 0, atol=1e-6)


@pytest.mark.parametrize("alpha", [-0.1, 2.1, math.nan, math.inf, "much", None])
def test_adain_refuses_alpha(alpha: float) -> None:
    with pytest.raises(OptionError, match="alpha must be a number from 0 to 2, not"):
        adain(random_moments(), random_moments(), alpha=alpha)


def test_adain_refuses_other_channels() -> None:
    with pytest.raises(StyleError, match="3 channels where the content has 5"):
        adain(random_moments(5), random_moments(3))


def test_blend_equals_mixing_the_aligned_features() -> None:
    features = RNG.normal(size=(4, 6, 6))
    content, one, two = moments(features), random_moments(4), random_moments(4)
    mixed = 0.25 * apply_affine(features, adain(content, one)) + 0.75 * apply_affine(
        features, adain(content, two)
    )
    blended = apply_affine(features, adain(content, blend([one, two], [1, 3])))
    np.testing.assert_allclose(blended, mixed, rtol=1e-4, atol=1e-5)


def test_blend_with_all_weight_on_one_is_that_one() -> None:
    one, two = random_moments(), random_moments()
    found = blend([one, two], [0, 4])
    np.testing.assert_array_equal(found.mean, two.mean)
    np.testing.assert_array_equal(found.std, two.std)


@pytest.mark.parametrize("weights", [[1], [0, 0], [1, -1], [1, math.nan], []])
def test_blend_refuses_weights(weights: list[float]) -> None:
    with pytest.raises(OptionError, match="weight"):
        blend([random_moments(), random_moments()], weights)


@given(st.lists(st.floats(0, 1.7e308, allow_subnormal=False), min_size=1, max_size=5).filter(any))
def test_weights_sum_to_1_however_large_or_small(weights: list[float]) -> None:
    found = check_weights(weights, len(weights))
    assert found.sum() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose(
        found / found.max(), np.divide(weights, max(weights)), rtol=1e-9, atol=1e-300
    )
    np.testing.assert_array_equal(check_weights(None, 4), 0.25)


def test_gain_and_shift_are_what_adain_adds_to_the_identity() -> None:
    x, y = random_moments(), random_moments()
    gain, shift = gain_and_shift(x, y)
    np.testing.assert_allclose(adain(x, y).scale.ravel(), 1 + gain, rtol=1e-6)
    np.testing.assert_allclose(adain(x, y).shift.ravel(), shift, rtol=1e-6)


def test_blend_refuses_styles_of_different_models() -> None:
    with pytest.raises(StyleError, match=r"\[3, 5\] channels"):
        blend([random_moments(5), random_moments(3)], [1, 1])


def test_apply_takes_a_map_a_place() -> None:
    features = np.ones((2, 3, 4), np.float32)
    scale = RNG.uniform(size=(2, 3, 4)).astype(np.float32)
    found = apply_affine(features, Affine(scale=scale, shift=np.ones((2, 1, 1), np.float32)))
    np.testing.assert_array_equal(found, scale + 1)
