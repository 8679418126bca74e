"""Color control: known answers, the papers' maps derived another way, flat pictures, palettes."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from impasto.controls.color import (
    METHODS,
    ColorMoments,
    apply_map,
    apply_palette,
    find_method,
    linear_map,
    moments_of,
    palette_map,
    palette_of,
    put_luminance,
)
from impasto.controls.color.matching import match_colors
from impasto.controls.color.palette import from_tones, to_tones
from impasto.errors import ImageError, OptionError
from impasto.images.photo import Photo, read_photo
from impasto.images.resizing import resize
from port import coral, square_root

Floats = NDArray[np.float64]
EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTOS, STYLES = (sorted((EXAMPLES / name).glob("*.jpg")) for name in ("photos", "styles"))
LINEAR = ["cholesky", "eigen", "monge-kantorovich"]
RNG = np.random.default_rng(0)


def colors(*, seed: int = 0, size: tuple[int, int] = (24, 31)) -> Floats:
    """A picture whose channels go together, as they do in photographs."""
    rng = np.random.default_rng(seed)
    mix = rng.uniform(-0.5, 1, (3, 3))
    values = rng.random((*size, 3)) @ mix
    return (values - values.min()) / (values.max() - values.min())


def match(
    image: NDArray[Any],
    reference: NDArray[Any],
    *,
    method: str,
    weights: Floats | None = None,
    reference_weights: Floats | None = None,
) -> NDArray[Any]:
    """A picture with the mean and covariance of another: the whole of what is done in strips."""
    have, want = moments_of(image, weights), moments_of(reference, reference_weights)
    return apply_map(image, *linear_map(have, want, method=method))


def transfer_palette(
    content: NDArray[Any],
    style: NDArray[Any],
    *,
    weights: Floats | None = None,
    reference_weights: Floats | None = None,
) -> NDArray[Any]:
    """A photograph in the palette of a style: the whole of what is done in strips."""
    have, want = palette_of(content, weights), palette_of(style, reference_weights)
    return apply_palette(content, *palette_map(have, want))


# NTSC of 1953, to the four digits that are commonly published.
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def to_yiq(rgb: NDArray[Any]) -> Floats:
    """RGB to YIQ, the reference for all that keeps or moves luminance."""
    return rgb.astype(np.float64) @ YIQ.T


def covariance_of(image: NDArray[Any]) -> Floats:
    return np.cov(image.reshape(-1, 3).astype(np.float64).T, bias=True)


def check_match(found: NDArray[Any], wanted: NDArray[Any], *, atol: float = 1e-6) -> None:
    for each, other in zip(
        (found.reshape(-1, 3).astype(np.float64).mean(0), covariance_of(found)),
        (wanted.reshape(-1, 3).astype(np.float64).mean(0), covariance_of(wanted)),
        strict=True,
    ):
        np.testing.assert_allclose(each, other, rtol=0, atol=atol)


def some_covariance(seed: int) -> Floats:
    square = np.random.default_rng(seed).normal(size=(3, 3)) / 5
    return square @ square.T + 1e-3 * np.eye(3)


def with_covariance(covariance: Floats) -> ColorMoments:
    return ColorMoments(weight=1.0, mean=np.zeros(3), covariance=covariance)


# Moments


def test_moments_known_answer() -> None:
    image = np.array([[[0, 0, 0], [1, 0, 0]], [[0, 1, 0], [1, 1, 0]]], np.float32)
    found = moments_of(image)
    assert found.weight == 4
    assert found.mean.tolist() == [0.5, 0.5, 0.0]
    assert found.covariance.tolist() == np.diag([0.25, 0.25, 0]).tolist()


def test_moments_with_weights() -> None:
    image, weights = colors(), RNG.random((24, 31))
    found = moments_of(image, weights)
    flat, counts = image.reshape(-1, 3), weights.ravel()
    np.testing.assert_allclose(found.mean, np.average(flat, axis=0, weights=counts), rtol=1e-13)
    expected = np.cov(flat.T, aweights=counts, bias=True)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-11)


def test_moments_in_single_precision() -> None:
    # Far from zero and almost flat: sums of squares in float32 lose this deviation altogether.
    image = (0.9 + 1e-4 * RNG.standard_normal((300, 300, 3))).astype(np.float32)
    np.testing.assert_allclose(moments_of(image).covariance, covariance_of(image), atol=1e-16)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 90), max_size=4), st.integers(0, 99))
def test_strips_merge_to_the_whole(cuts: list[int], seed: int) -> None:
    image = colors(seed=seed, size=(90, 7))
    weights = np.random.default_rng(seed).random((90, 7))
    edges = [0, *sorted(set(cuts) - {90}), 90]
    strips = [slice(top, end) for top, end in pairwise(edges)]
    merged = reduce(ColorMoments.merge, [moments_of(image[each], weights[each]) for each in strips])
    whole = moments_of(image, weights)
    assert merged.weight == pytest.approx(whole.weight)
    np.testing.assert_allclose(merged.mean, whole.mean, atol=1e-14)
    np.testing.assert_allclose(merged.covariance, whole.covariance, atol=1e-14)


def test_a_picture_of_many_blocks() -> None:
    image = RNG.random((700, 501, 3)).astype(np.float32)[:, ::-1]
    np.testing.assert_allclose(moments_of(image).covariance, covariance_of(image), atol=1e-14)
    turned = apply_map(image, np.eye(3)[::-1], np.zeros(3))
    np.testing.assert_array_equal(turned, image[..., ::-1])


# The linear maps


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_matching_gives_mean_and_covariance(method: str, dtype: Any) -> None:
    style, photo = (colors(seed=seed).astype(dtype) for seed in (1, 2))
    before = style.copy()
    found = match(style, photo, method=method)
    check_match(found, photo)
    assert found.dtype == dtype and found.shape == style.shape
    np.testing.assert_array_equal(style, before)


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("photo", PHOTOS, ids=lambda path: path.stem)
def test_matching_real_pictures(method: str, photo: Path) -> None:
    content = resize(read_photo(photo).image, 96)
    for path in STYLES:
        check_match(match(resize(read_photo(path).image, 80), content, method=method), content)


@pytest.mark.parametrize("sides", [(96, 96), (96, 192), (128, 64)], ids="{0[0]}-{0[1]}".format)
@pytest.mark.parametrize("photo", PHOTOS[:2], ids=lambda path: path.stem)
def test_coral_is_the_published_one(photo: Path, sides: tuple[int, int]) -> None:
    content = read_photo(photo)
    content = replace(content, image=resize(content.image, sides[0]))
    for path in STYLES[:3]:
        style = read_photo(path)
        style = replace(style, image=resize(style.image, sides[1]))
        wanted = coral(style.image.astype(float), content.image.astype(float))
        found = match_colors(style, moments_of(content.image), method="coral").image
        assert 10 * np.log10(1 / np.square(found - wanted).mean()) > 100


def test_coral_depends_on_the_sizes_of_pictures_and_does_not_clip() -> None:
    style, content = colors(seed=1, size=(64, 64)), colors(seed=2, size=(32, 32))
    ratio = match(style, content, method="coral").std((0, 1)) / content.std((0, 1))
    np.testing.assert_allclose(ratio, 0.5, rtol=0.01)  # sides twice as long: half the deviation
    photo = Photo(content.astype(np.float32), None, "a small one")
    found = match_colors(photo, moments_of(style), method="coral").image
    assert found.min() < 0 and found.max() > 1
    np.testing.assert_allclose(found.mean((0, 1)), style.mean((0, 1)), atol=1e-6)
    same = match(content, content, method="coral")
    np.testing.assert_allclose(same, content, atol=1e-12)


@pytest.mark.parametrize("flat", [(0, 1, 2), (1,)])
def test_coral_of_channels_that_do_not_vary_is_their_mean(flat: tuple[int, ...]) -> None:
    style, content = colors(seed=1), colors(seed=2)
    style[..., list(flat)] = 0.25
    found = match(style, content, method="coral")
    np.testing.assert_allclose(found.mean((0, 1)), content.mean((0, 1)), atol=1e-9)
    assert np.abs(found).max() < 5
    grey = np.full((8, 8, 3), 0.5)
    np.testing.assert_allclose(match(content, grey, method="coral"), 0.5, atol=1e-4)


@pytest.mark.parametrize("method", LINEAR)
def test_a_map_of_independent_channels_is_a_ratio_of_deviations(method: str) -> None:
    have, want = np.diag([0.01, 0.04, 0.09]), np.diag([0.04, 0.01, 0.09])
    matrix, _ = linear_map(with_covariance(have), with_covariance(want), method=method)
    np.testing.assert_allclose(matrix, np.diag([2, 0.5, 1]), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_maps_are_those_of_the_paper(seed: int) -> None:
    have, want = some_covariance(seed), some_covariance(seed + 50)
    one, two = with_covariance(have), with_covariance(want)
    cholesky, eigen, monge = (linear_map(one, two, method=name)[0] for name in LINEAR)
    expected = np.linalg.cholesky(want) @ np.linalg.inv(np.linalg.cholesky(have))
    np.testing.assert_allclose(cholesky, expected, rtol=1e-9, atol=1e-9)
    root = square_root(have)
    expected = square_root(want) @ np.linalg.inv(root)
    np.testing.assert_allclose(eigen, expected, rtol=1e-9, atol=1e-9)
    inverse = np.linalg.inv(root)
    expected = inverse @ square_root(root @ want @ root) @ inverse
    np.testing.assert_allclose(monge, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_monge_kantorovich_is_symmetric_positive_and_optimal(seed: int) -> None:
    have, want = some_covariance(seed), some_covariance(seed + 50)
    one, two = with_covariance(have), with_covariance(want)
    matrix, _ = linear_map(one, two, method="monge-kantorovich")
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-10)
    assert np.linalg.eigvalsh(matrix).min() > 0

    def cost(candidate: Floats) -> float:
        """The mean square of how far a color moves."""
        moved = candidate - np.eye(3)
        return float(np.trace(moved @ have @ moved.T))

    # All maps that match differ by a rotation of the white colors in between.
    root, rng = np.linalg.cholesky(have), np.random.default_rng(seed)
    for _ in range(200):
        turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        other = matrix @ root @ turn @ np.linalg.inv(root)
        np.testing.assert_allclose(other @ have @ other.T, want, atol=1e-9)
        assert cost(matrix) <= cost(other) + 1e-12
    for method in LINEAR[:2]:
        assert cost(matrix) <= cost(linear_map(one, two, method=method)[0]) + 1e-12


@pytest.mark.parametrize("method", LINEAR)
def test_matching_to_itself_changes_nothing(method: str) -> None:
    image = colors()
    np.testing.assert_allclose(match(image, image, method=method), image, atol=1e-12)


@pytest.mark.parametrize("method", [*LINEAR, "luminance"])
def test_transparent_pixels_do_not_count(method: str) -> None:
    style, photo = colors(seed=1), colors(seed=2)
    opaque = np.zeros(style.shape[:2])
    opaque[:, :20] = 1
    spoiled, spoiled_photo = (np.where(opaque[..., None], each, 1.0) for each in (style, photo))
    found = match(spoiled, spoiled_photo, method=method, weights=opaque, reference_weights=opaque)
    alone = match(style[:, :20], photo[:, :20], method=method)
    np.testing.assert_allclose(found[:, :20], alone, atol=1e-12)


def test_half_a_weight_is_half_a_pixel() -> None:
    image = colors()
    twice = np.concatenate([image, image[:12]])
    weights = np.ones(image.shape[:2])
    weights[12:] = 0.5
    for each, other in zip(
        linear_map(moments_of(image, weights), moments_of(colors(seed=3)), method="eigen"),
        linear_map(moments_of(twice), moments_of(colors(seed=3)), method="eigen"),
        strict=True,
    ):
        np.testing.assert_allclose(each, other, atol=1e-10)


# Flat pictures


def two_colors(one: Any, two: Any) -> Floats:
    image = np.empty((6, 10, 3))
    image[:, :4], image[:, 4:] = one, two
    return image


GREY = np.repeat(RNG.random((12, 16, 1)), 3, axis=2)
FLAT: dict[str, Floats] = {
    "one color": np.full((5, 7, 3), (0.2, 0.5, 0.7)),
    "black": np.zeros((4, 4, 3)),
    "one pixel": np.full((1, 1, 3), 0.3),
    "grey": GREY,
    "grey in single precision": GREY.astype(np.float32).astype(np.float64),
    "red and blue": two_colors((1, 0, 0), (0, 0, 1)),
    "red and green": two_colors((1, 0, 0), (0, 1, 0)),
    "blue alone": np.array([0, 0, 1]) * RNG.random((6, 6, 1)),
    "no blue": np.array([1, 1, 0]) * RNG.random((12, 12, 3)),
    "no red": np.array([0, 1, 1]) * RNG.random((12, 12, 3)),
    "three colors": np.array([[(0.9, 0.1, 0.1), (0.1, 0.8, 0.1), (0.2, 0.2, 0.9)]]),
}
RICH = {"colorful": colors(seed=1), "sepia": GREY ** np.array([0.4, 1.0, 2.0])}


@pytest.mark.parametrize("method", LINEAR)
@pytest.mark.parametrize("reference", [*FLAT, *RICH])
@pytest.mark.parametrize("image", [*FLAT, *RICH])
def test_flat_pictures_match_as_far_as_their_rank_allows(
    image: str, reference: str, method: str
) -> None:
    have, want = ({**FLAT, **RICH}[name] for name in (image, reference))
    found = match(have, want, method=method)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.mean((0, 1)), want.mean((0, 1)), atol=1e-9)
    ranks = [np.linalg.matrix_rank(covariance_of(each), tol=1e-9) for each in (have, want)]
    if ranks[0] >= ranks[1]:
        check_match(found, want)
    else:
        # What is there is right, and only what the rank has no room for is missing.
        missing = np.linalg.eigvalsh(covariance_of(want) - covariance_of(found))
        assert missing.min() > -1e-9
        assert np.linalg.matrix_rank(covariance_of(found), tol=1e-9) == ranks[0]
        assert (missing > 1e-9).sum() == ranks[1] - ranks[0]
    np.testing.assert_allclose(match(found, want, method=method), found, atol=1e-6)


@pytest.mark.parametrize("method", LINEAR)
def test_a_grey_style_gets_the_tones_of_the_photograph(method: str) -> None:
    sunset = two_colors((0.1, 0.1, 0.4), (1.0, 0.8, 0.5))
    found = match(GREY, sunset, method=method)
    np.testing.assert_allclose(to_yiq(found)[..., 0].std(), to_yiq(sunset)[..., 0].std(), atol=1e-9)
    dark, light = found[GREY[..., 0] < 0.2], found[GREY[..., 0] > 0.8]
    assert (dark[:, 2] > dark[:, 0]).all() and (light[:, 0] > light[:, 2]).all()


@pytest.mark.parametrize("method", LINEAR)
def test_rounding_to_8_bits_is_not_blown_up_to_colors(method: str) -> None:
    rng = np.random.default_rng(5)
    noisy = np.rint((0.2 + 0.6 * GREY + rng.normal(0, 0.3 / 255, GREY.shape)) * 255) / 255
    found = match(noisy, colors(seed=1), method=method)
    # On a line of colors, as for a grey without noise.
    spread = np.sqrt(np.linalg.eigvalsh(covariance_of(found)).clip(0))
    assert spread[1] < 1e-6
    # Faint color that is wanted as faint is no noise.
    np.testing.assert_allclose(match(noisy, noisy, method=method), noisy, atol=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(-12, 0), st.floats(-12, 0), st.floats(-12, 0), st.integers(0, 99),
    st.sampled_from(LINEAR),
)  # fmt: skip
def test_nearly_flat_pictures(a: float, b: float, c: float, seed: int, method: str) -> None:
    rng = np.random.default_rng(seed)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    spread = np.array([10**a, 10**b, 10**c])
    image = 0.5 + (rng.random((9, 9, 3)) - 0.5) * spread @ turn
    want = colors(seed=seed, size=(8, 8))
    found = match(image, want, method=method)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found.mean((0, 1)), want.mean((0, 1)), atol=1e-8)
    assert np.linalg.eigvalsh(covariance_of(want) - covariance_of(found)).min() > -1e-7
    if np.linalg.eigvalsh(covariance_of(image)).min() > 0.25 / 255**2:
        check_match(found, want)


# Properties

seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=40, deadline=None)
@given(seeds, seeds, st.sampled_from([*LINEAR, "luminance"]), st.booleans())
def test_finite_idempotent_and_blind_to_the_order(
    one: int, two: int, method: str, single: bool
) -> None:
    style, photo = colors(seed=one, size=(9, 11)), colors(seed=two, size=(8, 13))
    if single:
        style, photo = style.astype(np.float32), photo.astype(np.float32)
    found = match(style, photo, method=method)
    assert np.isfinite(found).all()
    atol = 1e-4 if single else 1e-9
    np.testing.assert_allclose(match(found, photo, method=method), found, atol=atol)
    rng = np.random.default_rng(one)
    order = rng.permutation(99)
    shuffled = style.reshape(-1, 3)[order].reshape(style.shape)
    other = rng.permutation(photo.reshape(-1, 3)).reshape(13, 8, 3)
    np.testing.assert_allclose(
        match(shuffled, other, method=method).reshape(-1, 3),
        found.reshape(-1, 3)[order],
        atol=atol,
    )


# YIQ and luminance


def test_the_reference_is_the_yiq_of_the_standard() -> None:
    back = [[1, 0.956, 0.619], [1, -0.272, -0.647], [1, -1.106, 1.703]]
    np.testing.assert_allclose(np.linalg.inv(YIQ), back, atol=2e-3)
    # As two color differences turned by 33 degrees, which is how the standard made it.
    rgb = colors()
    luma = rgb @ YIQ[0]
    u, v = 0.492111 * (rgb[..., 2] - luma), 0.877283 * (rgb[..., 0] - luma)
    sine, cosine = np.sin(np.deg2rad(33)), np.cos(np.deg2rad(33))
    expected = np.dstack([luma, cosine * v - sine * u, sine * v + cosine * u])
    np.testing.assert_allclose(to_yiq(rgb), expected, atol=1e-4)
    np.testing.assert_allclose(to_yiq(GREY)[..., 1:], 0, atol=1e-15)


def test_aligned_luminance_has_mean_and_deviation_of_the_photograph() -> None:
    style, photo = colors(seed=1), colors(seed=2)
    found = match(style, photo, method="luminance")
    luma, wanted, own = (to_yiq(each)[..., 0] for each in (found, photo, style))
    assert luma.mean() == pytest.approx(wanted.mean(), abs=1e-12)
    assert luma.std() == pytest.approx(wanted.std(), abs=1e-12)
    expected = wanted.std() / own.std() * (own - own.mean()) + wanted.mean()
    np.testing.assert_allclose(found, np.repeat(expected[..., None], 3, axis=2), atol=1e-12)


@pytest.mark.parametrize("name", FLAT)
def test_luminance_of_flat_pictures(name: str) -> None:
    photo = colors(seed=2)
    for style, content in ((FLAT[name], photo), (photo, FLAT[name])):
        found = match(style, content, method="luminance")
        assert np.isfinite(found).all()
        wanted = to_yiq(content)[..., 0]
        assert found.mean() == pytest.approx(wanted.mean(), abs=1e-9)
        if to_yiq(style)[..., 0].std() > 1e-3:
            assert to_yiq(found)[..., 0].std() == pytest.approx(wanted.std(), abs=1e-9)


def test_put_luminance_keeps_i_and_q_exactly_where_they_fit() -> None:
    content = 0.4 + 0.2 * colors(seed=1)
    stylized = 0.35 + 0.3 * colors(seed=2)
    found = to_yiq(put_luminance(stylized, content))
    np.testing.assert_allclose(found[..., 0], to_yiq(stylized)[..., 0], atol=1e-14)
    np.testing.assert_allclose(found[..., 1:], to_yiq(content)[..., 1:], atol=1e-14)


@settings(max_examples=40, deadline=None)
@given(seeds)
@example(636996)  # has a photograph's color that is nearly gray
def test_put_luminance_keeps_luminance_and_hue_everywhere(seed: int) -> None:
    rng = np.random.default_rng(seed)
    content, stylized = rng.beta(0.4, 0.4, (2, 6, 7, 3))
    found = put_luminance(stylized, content)
    assert found.min() >= 0 and found.max() <= 1
    chroma, own = to_yiq(found)[..., 1:], to_yiq(content)[..., 1:]
    np.testing.assert_allclose(to_yiq(found)[..., 0], to_yiq(stylized)[..., 0], atol=1e-12)
    # The same direction in the plane of I and Q, never farther out, and the border reached if less.
    cross = chroma[..., 0] * own[..., 1] - chroma[..., 1] * own[..., 0]
    np.testing.assert_allclose(cross, 0, atol=1e-12)
    # Lengths and not their ratio, which rounding alone takes past 1 where a pixel is nearly gray.
    length = np.linalg.norm(own, axis=-1)
    along = (chroma * own).sum(-1) / length
    assert (along >= -1e-12).all() and (along <= length + 1e-12).all()
    border = np.minimum(found, 1 - found).min(-1) < 1e-9
    assert (border | (along > length - 1e-9)).all()


def test_put_luminance_of_itself_is_itself() -> None:
    photo = colors().astype(np.float32)
    found = put_luminance(photo, photo)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, photo, atol=1e-6)


# The palette


def test_tones_of_oklab() -> None:
    # The lightness of a mid grey: the cube root of its light, with that of the room.
    light = ((0.5 + 0.055) / 1.055) ** 2.4
    black, grey = (np.cbrt((each + 0.004) / 1.004) for each in (0.0, light))
    lightness = (grey - black) / (1 - black)
    expected = np.log((lightness + 0.05) / (1.05 - lightness)) / 4
    np.testing.assert_allclose(to_tones(np.full(3, 0.5)), [expected, 0, 0], atol=1e-7)
    red, blue = to_tones(np.eye(3)[0]), to_tones(np.eye(3)[2])
    assert red[1] > 0.2 and red[2] > 0.1 and blue[2] < -0.25


def test_tones_round_trip() -> None:
    steps = np.linspace(0, 1, 16)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    np.testing.assert_allclose(from_tones(to_tones(cube)), cube, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(seeds, st.floats(0, 40))
def test_any_tone_is_a_color_of_the_same_hue(seed: int, size: float) -> None:
    tones = np.random.default_rng(seed).normal(0, 0.02 + size, (50, 3))
    found = from_tones(tones)
    assert found.min() >= 0 and found.max() <= 1
    again = to_tones(found)
    # Near black the light that may be clipped at once is more of a tone.
    shown = (tones[:, 0] > -0.4) & (tones[:, 0] < 0.7)
    np.testing.assert_allclose(again[shown, 0], tones[shown, 0], atol=0.02)
    cosine = (again[:, 1:] * tones[:, 1:]).sum(-1)
    assert (cosine > -1e-4 * np.linalg.norm(tones[:, 1:], axis=-1)).all()


def test_the_palette_of_itself_changes_nothing() -> None:
    image = colors()
    np.testing.assert_allclose(transfer_palette(image, image), image, atol=2e-3)


def test_a_palette_within_the_bounds_is_taken_exactly() -> None:
    content = 0.3 + 0.3 * colors(seed=1)
    style = content[..., ::-1] + 0.05
    found = transfer_palette(content, style)
    have, want = palette_of(found), palette_of(style)
    np.testing.assert_allclose(have.mean, want.mean, atol=1e-3)
    np.testing.assert_allclose(have.covariance, want.covariance, atol=1e-4)
    np.testing.assert_allclose(transfer_palette(found, style), found, atol=5e-3)


def test_lightness_comes_from_lightness_alone() -> None:
    matrix, _ = palette_map(palette_of(colors(seed=1)), palette_of(colors(seed=2)))
    assert matrix[0, 0] > 0 and matrix[0, 1:].tolist() == [0, 0]


@pytest.mark.parametrize("name", FLAT)
def test_palettes_of_flat_pictures(name: str) -> None:
    photo = colors(seed=2)
    for content, style in ((FLAT[name], photo), (photo, FLAT[name]), (FLAT[name], FLAT["grey"])):
        found = transfer_palette(content, style)
        assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1


def test_a_plain_style_tints_the_photograph_and_leaves_its_drawing() -> None:
    photo = colors(seed=2)
    found = transfer_palette(photo, FLAT["one color"])
    tones, wanted = to_tones(found), to_tones(FLAT["one color"])[0, 0]
    # Where there is room for it the hue is that of the style, from the darkest to the lightest.
    middle = np.abs(tones[..., 0] - wanted[0]) < 0.05
    np.testing.assert_allclose(
        tones[middle][:, 1:], wanted[1:][None].repeat(middle.sum(), 0), atol=0.02
    )
    assert np.corrcoef(tones[..., 0].ravel(), to_tones(photo)[..., 0].ravel())[0, 1] > 0.99
    assert tones[..., 0].std() > 0.5 * to_tones(photo)[..., 0].std()


def test_a_grey_photograph_gets_the_tints_of_a_print() -> None:
    indigo, cream = (0.15, 0.25, 0.45), (0.9, 0.8, 0.6)
    found = transfer_palette(GREY, two_colors(indigo, cream))
    dark, light = found[GREY[..., 0] < 0.25], found[GREY[..., 0] > 0.75]
    assert (dark[:, 2] > dark[:, 0]).all() and (light[:, 0] >= light[:, 2]).all()
    assert light[:, 0].mean() > light[:, 2].mean() + 0.1


def test_the_grain_of_a_plain_sky_stays_grain() -> None:
    rng = np.random.default_rng(3)
    sky = rng.normal((0.3, 0.5, 0.8), 0.004, (40, 40, 3))
    found = transfer_palette(sky, np.eye(3)[rng.integers(0, 3, (30, 30))])
    assert found.std((0, 1)).max() < 0.05


def test_the_first_steps_above_black_stay_together() -> None:
    # Shadows of 8 bits that a light style lifts must not break into contours.
    ramp = np.repeat(np.arange(256.0)[None, :, None] / 255, 3, axis=2)
    found = transfer_palette(ramp, two_colors((0.7, 0.75, 0.8), (1, 0.95, 0.9)))
    assert np.abs(np.diff(found, axis=1)).max() < 8 / 255


def test_transparent_pixels_do_not_count_in_palettes() -> None:
    content, style = colors(seed=1), colors(seed=2)
    opaque = np.zeros(style.shape[:2])
    opaque[:, :20] = 1
    spoiled, other = (np.where(opaque[..., None], each, 1.0) for each in (content, style))
    found = transfer_palette(spoiled, other, weights=opaque, reference_weights=opaque)
    alone = transfer_palette(content[:, :20], style[:, :20])
    np.testing.assert_allclose(found[:, :20], alone, atol=1e-9)


@settings(max_examples=20, deadline=None)
@given(seeds, seeds)
def test_palettes_are_finite_and_blind_to_the_order(one: int, two: int) -> None:
    content, style = colors(seed=one, size=(9, 11)), colors(seed=two, size=(8, 13))
    found = transfer_palette(content, style)
    assert found.min() >= 0 and found.max() <= 1
    order = np.random.default_rng(one).permutation(99)
    shuffled = content.reshape(-1, 3)[order].reshape(content.shape)
    np.testing.assert_allclose(
        transfer_palette(shuffled, style[::-1, ::-1]).reshape(-1, 3),
        found.reshape(-1, 3)[order],
        atol=1e-6,
    )


def test_palettes_of_real_pictures() -> None:
    for photo in PHOTOS:
        content = resize(read_photo(photo).image, 64)
        light = to_tones(content)[..., 0].ravel()
        for path in STYLES:
            found = transfer_palette(content, resize(read_photo(path).image, 64))
            assert found.dtype == np.float32 and found.min() >= 0 and found.max() <= 1
            # The drawing is that of the photograph.
            assert np.corrcoef(to_tones(found)[..., 0].ravel(), light)[0, 1] > 0.97


# Strips, memory, mistakes


def test_strips_give_what_the_whole_gives() -> None:
    content, style = colors(seed=1, size=(64, 40)), colors(seed=2)
    strips = np.split(content, 4)
    gathered = reduce(ColorMoments.merge, map(moments_of, strips))
    matched = apply_map(style, *linear_map(moments_of(style), gathered, method="eigen"))
    np.testing.assert_allclose(matched, match(style, content, method="eigen"), atol=1e-12)
    tones = palette_map(reduce(ColorMoments.merge, map(palette_of, strips)), palette_of(style))
    pieces = np.concatenate([apply_palette(strip, *tones) for strip in strips])
    np.testing.assert_allclose(pieces, transfer_palette(content, style), atol=1e-6)


@pytest.mark.parametrize(
    "work",
    [
        lambda image: match(image, image[:9], method="monge-kantorovich"),
        lambda image: put_luminance(image, image),
        lambda image: transfer_palette(image, image[:9]),
    ],
    ids=["match", "put_luminance", "transfer_palette"],
)
def test_a_large_picture_takes_no_copies(work: Callable[[NDArray[np.float32]], Any]) -> None:
    image = np.random.default_rng(0).random((1000, 1000, 3), np.float32)
    tracemalloc.start()
    work(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # The result, and a block of temporary arrays that does not grow with the picture.
    assert peak - image.nbytes < 32e6


def test_the_table_of_methods() -> None:
    places = {row.name: row.stage for row in METHODS}
    before = dict.fromkeys([*LINEAR, "coral"], "before")
    assert places == {**before, "luminance": "both", "only": "after"}
    assert all(find_method(row.name) is row and row.summary and row.use for row in METHODS)


def test_mistakes_are_told() -> None:
    image = colors()
    with pytest.raises(OptionError, match=r"no color method 'pca'; choose one of cholesky, eigen"):
        match(image, image, method="pca")
    with pytest.raises(OptionError, match="'only' acts after"):
        match(image, image, method="only")
    with pytest.raises(OptionError, match=r"weights \(24, 30\) must be as high and wide as"):
        moments_of(image, np.ones((24, 30)))
    for value in (-1.0, np.nan, np.inf):
        with pytest.raises(OptionError, match="numbers of 0 or more"):
            moments_of(image, np.full((24, 31), value))
    with pytest.raises(ImageError, match="the picture has no pixel to use"):
        match(image, image, method="eigen", reference_weights=np.zeros((24, 31)))
    with pytest.raises(ImageError, match="NaN or infinity"):
        moments_of(np.full((2, 2, 3), np.nan))
    with pytest.raises(ImageError, match="must have the same size"):
        put_luminance(image, image[1:])
    broken: NDArray[Any]
    for broken in (image[..., :2], image[0], (image * 255).astype(np.uint8), image[:0]):
        with pytest.raises(ImageError, match=r"must be floats of shape \(H, W, 3\)"):
            match(broken, image, method="eigen")
        with pytest.raises(ImageError, match=r"must be floats of shape \(H, W, 3\)"):
            transfer_palette(image, broken)
