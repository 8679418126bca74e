"""Numbers of every kind and range, from files and arrays: right, or refused as what they are."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import open_variant, picture
from mutated_files import tiff
from PIL import Image
from test_images import message

from impasto.cli import cli
from impasto.controls import Controls
from impasto.controls.masks import check_plane, read_mask
from impasto.errors import ImageError, OptionError
from impasto.images import strips_in
from impasto.images.options import ReadOptions
from impasto.images.photo import read_photo, write_image
from impasto.images.sources import open_picture
from impasto.models import Bundle
from impasto.stylizer import Stylizer

WHITES = {"u4": 2**32 - 1, "u8": 2**64 - 1, "i1": 127, "i2": 2**15 - 1, "i4": 2**31 - 1,
          "i8": 2**63 - 1}  # fmt: skip


@pytest.fixture(scope="module")
def fast(tiny_bundle: Bundle) -> Stylizer:
    return open_variant(tiny_bundle, ("onnxruntime", "fp32"))


def whole(values: np.ndarray, **options: Any) -> io.BytesIO:
    return io.BytesIO(tiff(values, **options))


def windows(source: Any, **options: Any) -> np.ndarray:
    """A picture as the command reads it: row by row."""
    with open_picture(source, **options) as opened:
        found = opened.source()
        rows = (slice(top, top + 1) for top in range(found.height))
        return np.concatenate([found.window(row, slice(0, found.width))[0] for row in rows])


# --- rounding errors ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["f2", "f4", "f8", ">f4"])
def test_rounding_errors_are_clipped(kind: str) -> None:
    values = np.array([[-9e-4, -1e-7, 0, 0.25, 1, 1 + 1e-7, 1.0009]] * 3, kind)
    wanted = np.clip(values.astype(np.float64), 0, 1).astype(np.float32)
    for source in (values, whole(values[..., None])):
        photo = read_photo(source)
        np.testing.assert_array_equal(photo.image[..., 1], wanted)
    np.testing.assert_array_equal(windows(whole(values[..., None]))[..., 2], wanted)
    for value in (-0.002, 1.002):
        text = message(np.full((4, 4), value, kind))
        low = float(text.split("from ")[1].split(" to ")[0])
        assert not 0 <= low <= 1


def test_rounding_errors_everywhere_else(tmp_path: Path, fast: Stylizer) -> None:
    mask = np.array([[-1e-7, 1 + 1e-7]])
    np.testing.assert_array_equal(check_plane(mask, "the mask"), [[0, 1]])
    assert Controls(alpha=np.full((4, 4), 2 + 1e-6)).alpha.max() == 2
    write_image(np.full((4, 4, 3), 1 + 1e-6), tmp_path / "white.png")
    assert np.asarray(Image.open(tmp_path / "white.png")).min() == 255
    Image.fromarray(np.full((4, 4), 1 + 1e-6, np.float32)).save(tmp_path / "white.tif")
    assert read_photo(tmp_path / "white.tif").image.min() == 1
    assert read_photo(Image.fromarray(np.full((4, 4), -1e-6, np.float32))).image.max() == 0
    image = picture(32, 40)
    image[0, 0], image[1, 1] = 0, 1
    painted = fast.stylize(image * np.float32(1.000002), image)
    assert painted.shape == image.shape and painted.max() <= 1


# --- numbers of all that is wrong --------------------------------------------------------------


@pytest.mark.parametrize("read", [read_photo, windows])
def test_the_first_nan_and_how_many(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips_in, "_STRIP_BYTES", 600)  # some ten strips
    values = np.full((60, 7, 3), 0.5, np.float32)
    values[41, 3, 1], values[41:43, 5] = np.inf, np.nan
    for source in (values, whole(values), whole(values, compression=8, tile=16)):
        with pytest.raises(ImageError) as caught:
            read(source)
        assert "7 of 1260 values (floats) are NaN or infinite" in str(caught.value)
        assert "the first in row 41, column 3" in str(caught.value)
    values = np.full((60, 7, 3), 0.5, np.float32)
    values[50, 2], values[3, 3] = 3.5, -1
    for source in (values, whole(values)):
        with pytest.raises(ImageError, match=r"floats from -1 to 3.5, not within \[0, 1\]; scale"):
            read(source)
        clipped = read(source, value_range=(0, 1))
        image = clipped if read is windows else clipped.image
        assert (image.min(), image.max()) == (0, 1)
    values[3, 3] = np.nan
    with pytest.raises(ImageError, match=r"3 of 1260 values .* row 3, column 3"):
        read(whole(values), value_range=(0, 1))


# --- black and white as a user says ------------------------------------------------------------


def test_a_range_scales_and_clips() -> None:
    values = np.array([[-50, 0, 100, 200, 300]] * 4, np.float32)
    wanted = np.tile(np.array([0, 0, 0.5, 1, 1], np.float32), (4, 1))
    sources = (values, whole(values[..., None]), Image.fromarray(values))
    for source in sources:
        photo = read_photo(source, value_range=(0, 200))
        np.testing.assert_allclose(photo.image[..., 0], wanted)
        assert windows(source, value_range=(-50, 300)).min() == 0
    inverted = read_photo(whole(values[..., None], inverted=True), value_range=(0, 200))
    np.testing.assert_allclose(inverted.image[..., 0], 1 - wanted)
    clear = np.dstack([values] * 3 + [values])
    np.testing.assert_allclose(
        read_photo(whole(clear, extra=1), value_range=(0, 200)).alpha, wanted
    )


def test_a_range_is_not_for_8_and_16_bits() -> None:
    for kind in (np.uint8, np.uint16, ">u2"):
        values = np.arange(12, dtype=kind).reshape(3, 4)
        plain, ranged = read_photo(values), read_photo(values, value_range=(0, 11))
        np.testing.assert_array_equal(plain.image, ranged.image)
        np.testing.assert_array_equal(ranged.give_back(ranged.image), values)


@pytest.mark.parametrize("kind", ["u4", "i1", "i2", ">i4", "i8", "u8", "f4", "f8"])
def test_a_result_comes_back_in_the_range_of_the_array(kind: str) -> None:
    values = np.linspace(-20 if kind[-2] != "u" else 0, 100, 60).reshape(4, 5, 3).astype(kind)
    photo = read_photo(values, value_range=(-30, 127))
    result = photo.give_back(photo.image)
    assert result.dtype == values.dtype
    np.testing.assert_allclose(result, values, atol=1e-5)
    np.testing.assert_allclose(photo.image, (values.astype(float) + 30) / 157, atol=1e-6)
    white = photo.give_back(np.ones_like(photo.image))
    np.testing.assert_allclose(white, 127, atol=1e-5)


@pytest.mark.parametrize("value", [(1, 0), (3, 3), (1,), (0, 1, 2), (0, float("nan")), "ab", 7])
def test_what_is_no_range(value: Any) -> None:
    with pytest.raises(OptionError, match="two numbers"):
        ReadOptions(value_range=value)
    with pytest.raises(OptionError, match="two numbers"):
        read_photo(np.zeros((4, 4)), value_range=value)


def test_the_command_takes_a_range(tmp_path: Path, tiny_path: Path) -> None:
    image = np.rint(picture(32, 40) * 255)
    (tmp_path / "scan.tif").write_bytes(tiff((image * 16).astype(np.float32)))
    Image.fromarray(image.astype(np.uint8)).save(tmp_path / "plain.png")
    options = ["-s", str(tmp_path / "plain.png"), "--model", str(tiny_path)]
    options += ["--engine", "onnxruntime", "--depth", "8"]
    run = CliRunner()
    call = ["stylize", str(tmp_path / "scan.tif"), *options, "-o", str(tmp_path / "a.png")]
    refused = run.invoke(cli, call, standalone_mode=False)
    assert "--range" in str(refused.exception or refused.output)
    run.invoke(cli, [*call, "--range", "0,4080"], standalone_mode=False, catch_exceptions=False)
    call[1], call[-1] = str(tmp_path / "plain.png"), str(tmp_path / "b.png")
    run.invoke(cli, call, standalone_mode=False, catch_exceptions=False)
    one, two = (np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    assert np.abs(one.astype(int) - two).max() <= 1


# --- integers of every width -------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(WHITES))
def test_tiffs_of_wide_and_signed_integers(kind: str) -> None:
    share = np.random.default_rng(0).random((21, 18, 4))
    share[0, 0], share[1, 1] = 0, 1
    for channels, planar, order, big, predictor, tile in itertools.product(
        (1, 3, 4), (False, True), "<>", (False, True), (1, 2), (0, 16)
    ):
        if (planar or big) and (order == ">" or tile):
            continue  # combinations that differ in nothing that is kind's own
        values = (share[..., :channels] * float(WHITES[kind])).clip(0, WHITES[kind])
        values = np.minimum(values, np.nextafter(float(WHITES[kind]), 0)).astype(kind)
        data = tiff(
            values, planar=planar, order=order, big=big, predictor=predictor, tile=tile,
            compression=8,
        )  # fmt: skip
        photo = read_photo(io.BytesIO(data))
        wanted = values.astype(np.float64) / WHITES[kind]
        color = wanted[..., :3] if channels > 1 else np.repeat(wanted, 3, axis=2)
        np.testing.assert_allclose(photo.image, color, atol=1e-6)
        if channels == 4:
            np.testing.assert_allclose(photo.alpha, wanted[..., 3], atol=1e-6)
        np.testing.assert_array_equal(windows(io.BytesIO(data)), photo.image)
        assert photo.depth == 16


def test_wide_integers_that_are_told() -> None:
    dim = np.full((8, 8, 1), 4095, np.uint32)
    dim[0, 0] = 7
    text = message(whole(dim))
    assert "uint32 from 7 to 4095, but white is 4294967295" in text
    assert "--range LOW,HIGH" in text and "0,4095" in text
    assert read_photo(whole(dim), value_range=(0, 4095)).image.max() == 1
    assert read_photo(whole(dim * 0)).image.max() == 0  # a black one is one
    below = np.linspace(-1024, 3071, 64).reshape(8, 8, 1).astype(np.int16)
    text = message(whole(below))
    assert "int16 numbers from -1024 to 3071, not within 0 (black) to 32767 (white)" in text
    photo = read_photo(whole(below), value_range=(-1024, 3071))
    np.testing.assert_allclose(photo.image[0, 0, 0], 0)
    np.testing.assert_allclose(photo.image[-1, -1], 1)
    plain = read_photo(whole(np.full((4, 4, 1), 2**31, np.uint32)))
    np.testing.assert_allclose(plain.image, 0.5)


def test_tiffs_of_numbers_that_are_not_read() -> None:
    assert "complex" in message(whole(np.ones((8, 8, 1), np.complex64)))
    data = bytearray(tiff(np.zeros((8, 8, 1), np.uint16)))
    at = data.index(b"\x02\x01\x03\x00\x01\x00\x00\x00\x10\x00")  # BitsPerSample 16
    data[at + 8] = 12
    assert "12 bits per sample" in message(io.BytesIO(bytes(data)))


# --- arrays of odd kinds -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["i1", "i2", "i4", "i8", "u4", "u8"])
def test_integer_arrays_need_a_range(kind: str) -> None:
    values = np.arange(100, dtype=kind).reshape(10, 10)
    text = message(values)
    assert f"{values.dtype} from 0 to 99" in text and "value_range=" in text
    read = read_photo(values, value_range=(0, 99)).image[..., 0]
    np.testing.assert_allclose(read, values / np.float32(99), atol=1e-6)


def test_other_arrays_are_told() -> None:
    assert "np.abs" in message(np.ones((4, 4), np.complex64))
    assert "astype(np.float32)" in message(np.ones((4, 4), object))
    if np.longdouble != np.float64:
        assert "astype(np.float64)" in message(np.ones((4, 4), np.longdouble))
    assert "bool" in message(np.ones((4, 4), bool))

    class Tensor:
        pass

    assert "a Tensor is not a picture" in message(Tensor())
    assert ".numpy(" in message(Tensor())


def test_arrays_of_every_layout_in_memory() -> None:
    values = np.random.default_rng(1).integers(0, 256, (9, 11, 3)).astype(np.uint8)
    wanted = read_photo(values).image
    fixed = values.copy()
    fixed.flags.writeable = False
    for array in (
        fixed,
        np.asfortranarray(values),
        np.repeat(values, 2, 1)[:, ::2],
        values[::-1][::-1],
        np.broadcast_to(values, values.shape),
        np.frombuffer(values.tobytes(), "u1").reshape(values.shape),
    ):
        photo = read_photo(array)
        np.testing.assert_array_equal(photo.image, wanted)
        np.testing.assert_array_equal(photo.give_back(photo.image), values)
    flat = read_photo(np.broadcast_to(np.float32(0.5), (8, 8, 3)))
    assert flat.image.flags.writeable


# --- masked arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["u1", "f4", ">u2"])
@pytest.mark.parametrize("layout", ["HW", "HWC", "CHW", "HW4"])
def test_a_mask_is_transparency_and_comes_back(kind: str, layout: str, fast: Stylizer) -> None:
    shape = {"HW": (32, 40), "HWC": (32, 40, 3), "CHW": (3, 32, 40), "HW4": (32, 40, 4)}[layout]
    white = {"u1": 255, "f4": 1, ">u2": 65535}[kind]
    values = (np.random.default_rng(2).random(shape) * white).astype(kind)
    if layout == "HW4":
        values[..., 3] = white
    hole = np.zeros((32, 40), bool)
    hole[5:20, 8:30] = True
    mask = np.broadcast_to(hole if layout in ("HW", "CHW") else hole[..., None], shape).copy()
    if kind == "f4":
        values[mask] = np.nan  # whatever is there
    array = np.ma.MaskedArray(values, mask=mask)
    photo = read_photo(array)
    np.testing.assert_array_equal(photo.alpha, 1 - hole.astype(np.float32))
    result = fast.stylize(array, picture(32, 32))
    assert isinstance(result, np.ma.MaskedArray)
    assert (result.dtype, result.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(result.mask, mask)
    # It does not matter what lies under the mask.
    other = values.copy()
    other[mask] = 0 if layout == "HW4" else white
    again = fast.stylize(np.ma.MaskedArray(other, mask=mask), picture(32, 32))
    np.testing.assert_array_equal(result.filled(0), again.filled(0))


def test_masks_of_a_channel_of_none_and_of_other_sizes(fast: Stylizer) -> None:
    values = np.full((32, 40, 3), 100, np.uint8)
    one = np.zeros(values.shape, bool)
    one[3, 4, 1] = True  # a pixel without green has no color
    photo = read_photo(np.ma.MaskedArray(values, mask=one))
    assert photo.alpha[3, 4] == 0 and photo.alpha.sum() == 32 * 40 - 1
    none = fast.stylize(np.ma.MaskedArray(values), picture(32, 32))
    assert isinstance(none, np.ma.MaskedArray) and not np.ma.getmaskarray(none).any()
    half = np.ma.MaskedArray(values, mask=np.broadcast_to(np.arange(40)[:, None] < 20, (32, 40, 3)))
    small = fast.stylize(half, picture(32, 32), size=16)
    np.testing.assert_array_equal(small.mask[..., 0], np.tile(np.arange(20) < 10, (16, 1)))
    ranged = read_photo(
        np.ma.MaskedArray(np.full((8, 8), -9999, np.int16), mask=True), value_range=(0, 9)
    )
    assert ranged.alpha.max() == 0


def test_masked_arrays_where_they_have_no_meaning(tmp_path: Path, fast: Stylizer) -> None:
    masked = np.ma.MaskedArray(np.full((32, 32), 0.5), mask=np.eye(32, dtype=bool))
    with pytest.raises(OptionError, match="masked array; fill it"):
        Controls(masks=[masked])
    with pytest.raises(OptionError, match="masked array; fill it"):
        Controls(alpha=masked)
    with pytest.raises(ImageError, match="masked array; fill it"):
        read_mask(np.ma.MaskedArray(np.zeros((4, 4), np.uint8), mask=True))
    with pytest.raises(ImageError, match="masked array; fill it"):
        write_image(masked, tmp_path / "a.png")
    image = np.ma.MaskedArray(picture(32, 32), mask=False)
    with pytest.raises(ImageError, match=r"masked array; give it to stylize\(\)"):
        fast.paint(image, fast.style(picture(32, 32)))
