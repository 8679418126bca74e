"""Masks and maps from pictures of every kind, and what is refused."""

from __future__ import annotations

import io
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import picture
from PIL import Image

from impasto.controls import Controls
from impasto.controls.masks import check_plane, fit, read_mask
from impasto.errors import ImageError, OptionError
from impasto.images.photo import Photo, fill_hidden, fit_photo, read_photo

RAMP = np.tile(np.arange(0, 256, 5, dtype=np.uint8), (20, 1))
WANTED = RAMP.astype(np.float32) / 255


def colors() -> np.ndarray:
    return np.rint(picture(*RAMP.shape) * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "source",
    [
        RAMP,
        WANTED.astype(np.float64),
        RAMP.astype(np.uint16) * 257,
        np.dstack([RAMP] * 3),
        np.dstack([colors(), RAMP]),
        Image.fromarray(RAMP),
        Image.merge("LA", [Image.new("L", RAMP.shape[::-1]), Image.fromarray(RAMP)]),
        Image.fromarray(np.dstack([colors(), RAMP])),
        Image.fromarray(RAMP).convert("P"),
        Image.fromarray(np.dstack([RAMP, RAMP, RAMP, np.full_like(RAMP, 255)])),
    ],
    ids="uint8 float uint16 rgb cutout L LA RGBA P opaque".split(),
)
def test_a_mask_of_any_kind(source: Any) -> None:
    found = read_mask(source)
    assert found.dtype == np.float32 and found.shape == RAMP.shape
    np.testing.assert_allclose(found, WANTED, atol=1e-6)


def test_a_mask_of_bool() -> None:
    np.testing.assert_array_equal(read_mask(RAMP > 99), RAMP > 99)
    with_one_bit = Image.fromarray(RAMP > 99)
    assert with_one_bit.mode == "1"
    np.testing.assert_array_equal(read_mask(with_one_bit), RAMP > 99)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_a_mask_from_a_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"mask{suffix}"
    # As programs write it: a JPEG of three channels, whose colors are off by a bit.
    Image.fromarray(RAMP).convert("RGB").save(
        path, **({"quality": 100} if suffix == ".webp" else {})
    )
    np.testing.assert_allclose(read_mask(path), WANTED, atol=0.03)
    stream = io.BytesIO(path.read_bytes())
    np.testing.assert_array_equal(read_mask(stream), read_mask(str(path)))


def test_gray_that_is_off_by_four_levels_is_gray() -> None:
    """Whatever the level: differences of rounded fractions are a little more or less than 4/255."""
    for off, is_gray in ((4, True), (5, False)):
        for level in range(0, 250):
            pixels = np.full((16, 16, 3), level, np.uint8)
            pixels[..., 1] += off
            if is_gray:
                read_mask(pixels)
            else:
                with pytest.raises(ImageError, match="up to 5 of 255"):
                    read_mask(pixels)


def test_what_is_no_mask(tmp_path: Path) -> None:
    Image.fromarray(colors()).save(tmp_path / "sky.png")
    with pytest.raises(ImageError, match=r"sky\.png: is a picture in color, .* a gray picture, or"):
        read_mask(tmp_path / "sky.png")
    with pytest.raises(ImageError, match="in color"):
        read_mask(np.dstack([colors(), np.full_like(RAMP, 255)]))  # opaque everywhere
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_mask("gone.png")
    with pytest.raises(ImageError, match="more than max_pixels = 9"):
        read_mask(RAMP, max_pixels=9)
    with pytest.raises(ImageError, match="is not a picture"):
        read_mask(0.5)  # type: ignore[arg-type]


def opened(**controls: Any) -> Controls:
    with ExitStack() as files:
        return Controls(**controls).opened(files, max_pixels=10**6)


def test_alpha_is_a_number_or_a_picture(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "ramp.png")
    for number in (0, 1.5, np.float32(0.5), np.array(0.25)):
        assert opened(alpha=number).alpha == float(number)
    for source in (tmp_path / "ramp.png", str(tmp_path / "ramp.png"), RAMP):
        np.testing.assert_allclose(opened(alpha=source).alpha, WANTED, atol=1e-6)
    doubled = opened(alpha=2 * WANTED).alpha
    assert isinstance(doubled, np.ndarray) and doubled.dtype == np.float32
    assert doubled.max() == 2
    with pytest.raises(OptionError, match="there is no file 'much'"):
        Controls(alpha="much")
    with pytest.raises(OptionError, match=r"alpha must lie in \[0, 2\], not from 0 to 3"):
        Controls(alpha=3 * WANTED)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([[1.0]], "must be an array, not a list"),
        (np.zeros((2, 2, 1)), r"must be a floating-point array \(H, W\)"),
        (np.zeros((0, 2)), r"must be a floating-point array \(H, W\)"),
        (np.zeros((2, 2), np.uint8), "not .* uint8"),
        (np.full((2, 2), 1.5), r"must lie in \[0, 1\], not from 1.5 to 1.5"),
        (np.full((2, 2), -0.1), "not from -0.1"),
        (np.full((2, 2), np.nan), "4 of 4 are NaN"),
    ],
)
def test_planes_refused(values: Any, says: str) -> None:
    with pytest.raises(OptionError, match=f"the mask.* {says}|the values of the mask {says}"):
        check_plane(values, "the mask")


def test_masks_are_one_for_each_style(tmp_path: Path) -> None:
    one = np.eye(5)
    assert Controls(masks=()).masks == Controls(masks=None).masks == ()
    for single in (one, [one], (one,), Image.fromarray(RAMP), [RAMP]):
        assert len(Controls(masks=single).masks) == 1
    assert len(Controls(masks=np.stack([one, one])).masks) == 2
    with pytest.raises(OptionError, match="one mask for each style, not 1 mask for 2 styles"):
        Controls(masks=[one]).check_count(2)
    with pytest.raises(OptionError, match="mask 2 is empty: none of its values is above 0"):
        Controls(masks=[one, np.zeros((5, 5))])
    Image.new("L", (8, 8)).save(tmp_path / "black.png")
    with pytest.raises(OptionError, match="mask 1 is empty"):
        opened(masks=[tmp_path / "black.png"])


def test_alpha_refused() -> None:
    assert Controls(alpha=1).alpha == 1.0
    assert isinstance(Controls(alpha=np.eye(2)).alpha, np.ndarray)
    with pytest.raises(OptionError, match="alpha must be"):
        Controls(alpha=np.zeros(3))


def test_fit() -> None:
    plane = 2 * WANTED
    assert fit(plane, *plane.shape) is plane
    smaller = fit(plane, 10, 26)
    assert smaller.shape == (10, 26) and smaller.dtype == np.float32
    assert 0 <= smaller.min() and smaller.max() <= 2
    np.testing.assert_allclose(smaller[:, 1:-1], plane[:10, 1:-1:2][:, :24] + 0.02, atol=0.05)
    np.testing.assert_array_equal(fit(np.full((3, 3), 0.3, np.float32), 7, 5), np.float32(0.3))


def test_fit_photo_does_not_let_hidden_colors_in() -> None:
    image = np.full((40, 60, 3), (0.9, 0.5, 0.1), np.float32)
    alpha = np.zeros((40, 60), np.float32)
    alpha[:, 30:] = 1
    image[:, :30] = (0, 1, 1)  # what programs leave there
    photo = fit_photo(Photo(image, alpha, "a cut-out"), 17)
    assert photo.image.shape == (17, 26, 3)
    assert photo.alpha is not None and photo.alpha.shape == (17, 26)
    seen = photo.image[photo.alpha > 0]
    np.testing.assert_allclose(seen, np.broadcast_to((0.9, 0.5, 0.1), seen.shape), atol=1e-4)
    small = read_photo(np.zeros((20, 20, 3), np.uint8))
    assert fit_photo(small, None) is fit_photo(small, 20) is small
    assert fit_photo(small, 30, enlarge=False) is small
    assert fit_photo(small, 30).image.shape == (30, 30, 3)


def test_fill_hidden() -> None:
    image, alpha = picture(8, 8), np.ones((8, 8), np.float32)
    assert fill_hidden(image, None) is image
    assert fill_hidden(image, alpha) is image
    assert fill_hidden(image, 0 * alpha) is image
    alpha[:4] = 0
    alpha[4] = 0.5
    found = fill_hidden(image, alpha)
    np.testing.assert_array_equal(found[4:], image[4:])
    mean = (0.5 * image[4].mean(axis=0) + image[5:].sum(axis=(0, 1)) / 8) / 3.5
    np.testing.assert_allclose(found[:4], np.broadcast_to(mean, (4, 8, 3)), rtol=1e-5)
