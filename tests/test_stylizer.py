"""The contract of a loaded model: every engine x the tiny model and every embedded one."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tiny, open_variant, picture, psnr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import impasto
from impasto.controls import Controls
from impasto.controls.moments import Moments, moments
from impasto.errors import ImageError, ModelError, OptionError, StyleError
from impasto.models import Bundle
from impasto.painting.tiles import FADE
from impasto.styles.style import Style
from impasto.stylizer import Painted, Stylizer, load

SIZES = [(16, 16), (17, 31), (33, 16), (50, 47), (16, 400), (97, 18), (64, 64)]

# Few and small: every new size makes an engine plan anew, and an embedded model is real work.
few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)


def exactly(model: Stylizer) -> float:
    """How near results that are equal in theory come."""
    return 1e-4 if model.engine.precision == "fp32" else 0.02


@pytest.fixture(scope="module")
def style(model: Stylizer) -> Style:
    return model.style(picture(64, 80, seed=5))


def check(image: NDArray[np.float32], result: NDArray[np.float32]) -> None:
    assert result.shape == image.shape
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_same_size_out(model: Stylizer, style: Style, size: tuple[int, int]) -> None:
    image = picture(*size)
    check(image, model.paint(image, style).image)


@few
@given(height=st.integers(16, 120), width=st.integers(16, 120), alpha=st.floats(0, 2))
def test_any_size_and_alpha(
    model: Stylizer, style: Style, height: int, width: int, alpha: float
) -> None:
    image = picture(height, width, seed=height)
    check(image, model.paint(image, style, Controls(alpha=alpha)).image)


@few
@given(height=st.integers(16, 70), width=st.integers(16, 200))
def test_its_own_style_gives_any_picture_back(tiny: Stylizer, height: int, width: int) -> None:
    # Through encoder and decoder, which in the tiny model undo each other exactly.
    image = picture(height, width)
    found = tiny.paint(image, tiny.style(image)).image
    np.testing.assert_allclose(found, image, atol=exactly(tiny))


def test_alpha_0_is_the_photograph(model: Stylizer, style: Style) -> None:
    image = picture(33, 47)
    np.testing.assert_array_equal(model.paint(image, style, Controls(alpha=0)).image, image)


def test_nothing_jumps_between_alpha_0_and_a_little(model: Stylizer, style: Style) -> None:
    image = picture(33, 47)
    results = [
        model.paint(image, style, Controls(alpha=alpha)).image
        for alpha in (0, 1e-3, FADE, FADE + 1e-3)
    ]
    for one, two in [results[:2], results[2:]]:
        assert np.abs(one - two).max() < 0.02


@pytest.mark.parametrize("margin", [4, 32])
@pytest.mark.parametrize("size", [(16, 16), (17, 50)], ids=str)
def test_a_margin_is_cut_off_again(
    variant: tuple[str, str], margin: int, size: tuple[int, int]
) -> None:
    # 32 px around 16 px: reflected there and back, since one reflection has only 15 px to give.
    model = open_variant(make_tiny(margin=margin), variant)
    image = picture(*size)
    found = model.paint(image, model.style(image, size=None)).image
    np.testing.assert_allclose(found, image, atol=exactly(model))


def test_no_shift(tiny: Stylizer) -> None:
    # Rolled by whole cells, the statistics are the same ones, so the result must roll along.
    style = tiny.style(picture(40, 40, seed=1))
    image = picture(48, 64)
    for shift in [(4, 0), (0, 4), (8, 20)]:
        moved = np.roll(image, shift, axis=(0, 1))
        expected = np.roll(tiny.paint(image, style).image, shift, axis=(0, 1))
        np.testing.assert_allclose(tiny.paint(moved, style).image, expected, atol=exactly(tiny))


def test_rows_and_columns_are_not_swapped(model: Stylizer) -> None:
    # A bright corner stays where it is, and stays nearest to itself among the four.
    image = np.full((96, 160, 3), 0.2, np.float32)
    image[:48, 80:] = 0.9
    found = model.paint(image, model.style(image)).image.mean(axis=2)
    corners = [found[:40, :70], found[:40, 90:], found[56:, :70], found[56:, 90:]]
    assert int(np.argmax([corner.mean() for corner in corners])) == 1


def test_padding_reflects(tiny: Stylizer) -> None:
    # Moments are those of the picture that is reflected to a multiple of 4, not of zeros.
    image = picture(17, 22)
    whole = np.pad(image, [(0, 3), (0, 2), (0, 0)], mode="reflect")
    for one, two in zip(tiny.style(image).moments, tiny.style(whole).moments, strict=True):
        np.testing.assert_array_equal(one.mean, two.mean)
        np.testing.assert_array_equal(one.std, two.std)


def test_the_style_arrives(tiny: Stylizer) -> None:
    # Both levels have the style's moments, and both are linear in the pixels, so colors follow.
    content, style_image = 0.3 + 0.4 * picture(64, 64), 0.3 + 0.4 * picture(48, 48, seed=7)
    painted = tiny.paint(content, tiny.style(style_image))
    wanted, found = (
        moments(style_image.transpose(2, 0, 1)),
        moments(painted.image.transpose(2, 0, 1)),
    )
    before = moments(content.transpose(2, 0, 1))
    assert np.abs(found.mean - wanted.mean).max() < 0.01
    assert np.abs(found.mean - wanted.mean).max() < np.abs(before.mean - wanted.mean).max() / 5


def test_deterministic(model: Stylizer, style: Style) -> None:
    image = picture(50, 70)
    first = model.paint(image, style).image
    model.paint(picture(32, 32, seed=3), style)
    np.testing.assert_array_equal(model.paint(image, style).image, first)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_constant_pictures(model: Stylizer, style: Style, value: float) -> None:
    flat = np.full((37, 48, 3), value, np.float32)
    check(flat, model.paint(flat, style).image)
    flat_style = model.style(flat)
    check(flat, model.paint(flat, flat_style, Controls(alpha=2)).image)
    image = picture(37, 48)
    check(image, model.paint(image, flat_style).image)


@pytest.mark.parametrize("factor", [0.0, 1e4, 1e8])
def test_extreme_styles(model: Stylizer, style: Style, factor: float) -> None:
    extreme = replace(
        style,
        moments=tuple(Moments(mean=-factor * m.mean, std=factor * m.std) for m in style.moments),
    )
    image = picture(32, 48)
    check(image, model.paint(image, extreme, Controls(alpha=2)).image)


def test_black_and_white_noise(model: Stylizer, style: Style) -> None:
    rng = np.random.default_rng(0)
    noise = (rng.random((48, 40, 3)) < 0.5).astype(np.float32)
    check(noise, model.paint(noise, style, Controls(alpha=2)).image)
    check(noise, model.paint(noise, model.style(noise)).image)


def test_engines_agree(model: Stylizer, reference: Stylizer) -> None:
    image, other = picture(75, 110), picture(64, 80, seed=5)
    one = model.paint(image, model.style(other)).image
    two = reference.paint(image, reference.style(other)).image
    if model.engine.precision == "fp32":
        np.testing.assert_allclose(one, two, atol=1e-3)
    else:
        assert psnr(one, two) >= 40


def test_a_style_is_a_value(model: Stylizer) -> None:
    one, two = model.style(picture(40, 40, seed=1)), model.style(picture(40, 40, seed=2))
    image = picture(32, 32)
    first = model.paint(image, one).image
    assert not np.array_equal(model.paint(image, two).image, first)
    again = Style(name="copied", model=model.identity, moments=one.moments)
    np.testing.assert_array_equal(model.paint(image, again).image, first)


def test_a_style_serves_every_engine(model: Stylizer, reference: Stylizer) -> None:
    style = reference.style(picture(40, 40, seed=1))
    image = picture(48, 48)
    assert psnr(model.paint(image, style).image, reference.paint(image, style).image) >= 40


def test_style_of_another_model(tiny: Stylizer, variant: tuple[str, str]) -> None:
    other = open_variant(make_tiny(seed=1), variant).style(picture(40, 40))
    for use in (tiny.paint, tiny.stylize):
        with pytest.raises(StyleError, match=r"was made by another model .*: make it again"):
            use(picture(32, 32), other)
    with pytest.raises(StyleError, match=r"a str is not a style: make one with style\(\)"):
        tiny.paint(picture(32, 32), "wave.jpg")
    short = Style(name="half", model=tiny.identity, moments=tiny.style(picture(40, 40)).moments[:1])
    with pytest.raises(StyleError, match="'half' has 1 levels and model 'tiny' has 2"):
        tiny.paint(picture(32, 32), short)


@pytest.mark.parametrize("alpha", [-0.01, 2.01, float("nan"), float("inf"), "full", None])
def test_alpha_refused(tiny: Stylizer, alpha: Any) -> None:
    style = tiny.style(picture(40, 40))
    refused = r"alpha must be a number from 0 to 2, (not|or a .*'full')"
    with pytest.raises(OptionError, match=refused):
        Controls(alpha=alpha)
    with pytest.raises(OptionError, match=refused):
        tiny.stylize("never opened.jpg", style, alpha=alpha)


def test_too_small(tiny: Stylizer) -> None:
    style = tiny.style(picture(16, 16))
    small, message = picture(15, 40), r"40 x 15 pixels is too small; each side needs 16 or more"
    with pytest.raises(ImageError, match=message):
        tiny.paint(small, style)
    with pytest.raises(ImageError, match=message):
        tiny.stylize(small, style)
    with pytest.raises(ImageError, match=message):
        tiny.style(small)


@pytest.mark.parametrize("size", [15, 0, -1, 16.5, "512"])
def test_size_refused(tiny: Stylizer, size: Any) -> None:
    message = "size must be a whole number of 16 pixels or more, not"
    with pytest.raises(OptionError, match=message):
        tiny.style("never opened.jpg", size=size)
    with pytest.raises(OptionError, match=message):
        tiny.stylize("never opened.jpg", "never opened.jpg", size=size)


@pytest.mark.parametrize(
    "image",
    [
        [[0.0]],
        np.zeros((32, 32), np.float32),
        np.zeros((3, 32, 32), np.float32),
        np.zeros((32, 32, 3), np.uint8),
        np.full((32, 32, 3), 255, np.float32),
        np.full((32, 32, 3), -1, np.float32),
        np.full((32, 32, 3), np.nan, np.float32),
    ],
    ids=["list", "grey", "planes first", "uint8", "255", "-1", "NaN"],
)
def test_paint_refuses_what_is_no_image(tiny: Stylizer, image: NDArray[np.float32]) -> None:
    with pytest.raises(ImageError, match="the image: "):
        tiny.paint(image, tiny.style(picture(32, 32)))


def test_paint_takes_any_float_and_any_strides(tiny: Stylizer) -> None:
    style = tiny.style(picture(40, 40, seed=1))
    image = picture(32, 48)
    expected = tiny.paint(image, style).image
    turned = np.ascontiguousarray(image.transpose(1, 0, 2)).transpose(1, 0, 2)
    for other in (image.astype(np.float64), turned):
        np.testing.assert_allclose(tiny.paint(other, style).image, expected, atol=1e-6)


def test_paint_leaves_its_input_alone(model: Stylizer, style: Style) -> None:
    image = picture(32, 48)
    before = image.copy()
    image.flags.writeable = False
    model.paint(image, style)
    np.testing.assert_array_equal(image, before)


def test_times(tiny: Stylizer) -> None:
    painted = tiny.paint(picture(32, 32), tiny.style(picture(32, 32)))
    assert isinstance(painted, Painted)
    times = (painted.encode_seconds, painted.align_seconds, painted.decode_seconds)
    assert all(0 < each < 10 for each in times)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(20, 30, 3), (3, 20, 30), (20, 30), (20, 30, 4)], ids=str)
def test_array_in_array_out(tiny: Stylizer, dtype: type, shape: tuple[int, ...]) -> None:
    white = 1 if np.issubdtype(dtype, np.floating) else np.iinfo(dtype).max
    array = (np.random.default_rng(0).uniform(0.2, 0.8, shape) * white).astype(dtype)
    before = array.copy()
    style = tiny.style(picture(40, 40, seed=1))
    found = tiny.stylize(array, style)
    assert isinstance(found, np.ndarray)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(array, before)
    if shape[-1] == 4:
        np.testing.assert_allclose(found[..., 3], array[..., 3], rtol=1e-6)
    same = tiny.stylize(array, style, alpha=0)
    np.testing.assert_allclose(same / white, array / white, atol=exactly(tiny) + 1 / 255)


def test_alpha_channel_kept(tiny: Stylizer) -> None:
    rgba = np.dstack([picture(32, 48), np.tile(np.linspace(0, 1, 48, dtype=np.float32), (32, 1))])
    image = Image.fromarray((rgba * 255).astype(np.uint8))
    found = tiny.stylize(image, picture(40, 40, seed=1))
    assert isinstance(found, Image.Image)
    assert (found.mode, found.size) == ("RGBA", (48, 32))
    np.testing.assert_array_equal(found.getchannel("A"), image.getchannel("A"))
    smaller = tiny.stylize(image, picture(40, 40, seed=1), size=16)
    assert isinstance(smaller, Image.Image)
    assert (smaller.mode, smaller.size) == ("RGBA", (24, 16))


def test_path_in_pillow_out(tiny: Stylizer, tmp_path: Path) -> None:
    content, style = tmp_path / "content.png", tmp_path / "style.jpg"
    Image.fromarray((picture(33, 47) * 255).astype(np.uint8)).save(content)
    Image.fromarray((picture(40, 40, seed=1) * 255).astype(np.uint8)).save(style)
    found = tiny.stylize(content, str(style))
    assert isinstance(found, Image.Image)
    assert (found.mode, found.size) == ("RGB", (47, 33))
    same = tiny.stylize(str(content), style, alpha=0)
    with Image.open(content) as original:
        difference = np.asarray(same, np.int16) - np.asarray(original, np.int16)
    assert np.abs(difference).max() <= np.ceil(255 * exactly(tiny))


def test_size_of_the_content(tiny: Stylizer) -> None:
    style = tiny.style(picture(40, 40))
    for size, expected in [(16, (16, 32, 3)), (30, (30, 60, 3)), (50, (50, 100, 3))]:
        found = tiny.stylize(picture(30, 60), style, size=size)
        assert isinstance(found, np.ndarray)
        assert found.shape == expected


def test_size_of_the_style(tiny: Stylizer) -> None:
    def mean(image: NDArray[np.float32], size: int | None) -> NDArray[np.float64]:
        return tiny.style(image, size=size).moments[0].std

    image = picture(64, 96)
    np.testing.assert_array_equal(mean(image, 64), mean(image, None))
    np.testing.assert_array_equal(mean(image, 640), mean(image, None))  # never enlarged
    assert not np.array_equal(mean(image, 32), mean(image, None))


def test_a_missing_file_is_named(tiny: Stylizer) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.jpg"):
        tiny.style("nowhere.jpg")
    with pytest.raises(ImageError, match=r"nowhere\.jpg"):
        tiny.stylize("nowhere.jpg", picture(32, 32))


def test_several_threads_at_once(tiny: Stylizer) -> None:
    style = tiny.style(picture(40, 40, seed=1))
    images = [picture(20 + 3 * k, 31, seed=k) for k in range(8)]
    alone = [tiny.paint(image, style).image for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: tiny.paint(image, style).image, images))
    for one, two in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, two)


def test_load_by_path(tiny_path: Path, tiny_bundle: Bundle, variant: tuple[str, str]) -> None:
    engine, precision = variant
    open_variant(tiny_bundle, variant)  # skips where the processor lacks the precision
    model = load(tiny_path, engine=engine, precision=precision, threads=1)
    assert (model.engine.name, model.engine.precision) == variant
    assert model.card == tiny_bundle.card
    assert model.identity == tiny_bundle.identity


def test_load_refuses(tiny_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model 'monet'"):
        load("monet")
    with pytest.raises(OptionError, match="there is no engine 'steam'"):
        load(tiny_path, engine="steam")


def test_the_package_is_lazy() -> None:
    code = (
        "import sys, impasto\n"
        "assert not {'numpy', 'PIL', 'impasto.stylizer'} & sys.modules.keys()\n"
        "assert callable(impasto.load) and 'load' in dir(impasto)\n"
    )
    source = str(Path(impasto.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": source}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)


@pytest.mark.parametrize("name", impasto.__all__)
def test_public_names(name: str) -> None:
    assert getattr(impasto, name)


def test_names_that_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'impasto' has no attribute 'lod'"):
        impasto.lod  # noqa: B018


def test_version() -> None:
    try:
        installed = importlib.metadata.version("impasto")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("impasto runs from its source folder")
    assert installed == impasto.__version__
