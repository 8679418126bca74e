"""More than 8 bits a channel, in and out, and what goes with the pixels: profile and place."""

from __future__ import annotations

import io
import itertools
import struct
from typing import Any

import numpy as np
import pytest
from bad_files import encoded, noise, png, png_chunk
from mutated_files import interlaced, tiff
from PIL import Image, ImageCms
from test_images import DISPLAY_P3, LINEAR_GREY, P3, SRGB, UPRIGHT, encode_srgb, icc, message

from impasto.errors import ImageError, OptionError
from impasto.images import strips_out as stripwriting
from impasto.images.icc import srgb_profile, to_srgb
from impasto.images.metadata import Metadata
from impasto.images.options import SaveOptions
from impasto.images.photo import read_photo, write_image
from impasto.images.resizing import resize
from impasto.images.strips_out import encode_png, encode_tiff


def words(height: int = 37, width: int = 45, channels: int = 3) -> np.ndarray:
    """Noise, and a ramp of all steps that 8 bits would lose."""
    values = np.random.default_rng(channels).integers(0, 65536, (height, width, channels))
    values[: height // 2] = np.arange(width)[None, :, None] * 3 + 20_000
    return values.astype(np.uint16)


def check(source: Any, values: np.ndarray, white: float = 65535) -> None:
    """That a picture is read as these values, exactly."""
    photo = read_photo(source)
    stored = values.astype(np.float32) / np.float32(white)
    color = np.repeat(stored[..., :1], 3, axis=2) if values.shape[2] < 3 else stored[..., :3]
    np.testing.assert_array_equal(photo.image, color)
    assert photo.image.dtype == np.float32
    assert photo.image.flags.c_contiguous
    assert photo.depth == 16
    assert photo.remark == ""
    if values.shape[2] in (2, 4):
        np.testing.assert_array_equal(photo.alpha, stored[..., -1])
    else:
        assert photo.alpha is None


# --- reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(37, 45), (1, 1), (130, 3), (5, 9)])
def test_png_of_16_bits(channels, size):
    values = words(*size, channels)
    check(io.BytesIO(encode_png(values)), values)
    check(io.BytesIO(interlaced(values)), values)


def test_png_of_16_bits_with_a_color_that_is_transparent():
    values = words(4, 5)
    values[1, 2], values[3, 3] = (1000, 2000, 3000), (1000, 2000, 3001)
    data = encode_png(values)
    at = data.index(b"IDAT") - 4
    key = png_chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000))
    photo = read_photo(io.BytesIO(data[:at] + key + data[at:]))
    assert photo.alpha[1, 2] == 0
    assert photo.alpha.sum() == 19
    np.testing.assert_array_equal(photo.rendered(photo.image).pixels(16)[..., :3], values)


@pytest.mark.parametrize("kind", ["u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("compression", [1, 5, 8])
@pytest.mark.parametrize("tile", [0, 16])
def test_tiff_of_every_layout(kind, compression, tile):
    for channels, planar, order, big, predictor in itertools.product(
        (1, 2, 3, 4), (False, True), "<>", (False, True), (1, 2, 3)
    ):
        if (
            (predictor == 3 and kind == "u2")
            or (planar and channels == 1)
            or (big and order == ">")
        ):
            continue
        values = words(19, 21, channels)
        if kind != "u2":
            values = (values / 65535).astype(kind)
        data = tiff(
            values,
            compression=compression,
            predictor=predictor,
            tile=tile,
            planar=planar,
            order=order,
            big=big,
        )
        check(io.BytesIO(data), values, 65535 if kind == "u2" else 1)


def test_tiff_agrees_with_another_reader_and_writer(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    for kind, channels, compression, planar in itertools.product(
        ("u2", "f4"), (1, 3, 4), (None, "zlib"), ("contig", "separate")
    ):
        if channels == 1 and planar == "separate":
            continue
        values = words(channels=channels)
        values = values if kind == "u2" else (values / 65535).astype(kind)
        stored = np.moveaxis(values, 2, 0) if planar == "separate" else values
        tifffile.imwrite(
            tmp_path / "other.tif",
            np.ascontiguousarray(stored if channels > 1 else values[..., 0]),
            photometric="rgb" if channels > 1 else "minisblack",
            planarconfig=planar if channels > 1 else None,
            compression=compression,
            predictor=compression is not None and kind == "u2",
            extrasamples=["unassalpha"] if channels == 4 else None,
        )
        check(tmp_path / "other.tif", values, 65535 if kind == "u2" else 1)
    for channels in (1, 2, 3, 4):
        values = words(channels=channels)
        write_image(values, tmp_path / f"{channels}.tif")
        read = tifffile.imread(tmp_path / f"{channels}.tif")
        np.testing.assert_array_equal(read.reshape(values.shape), values)


def test_what_else_a_tiff_says_of_its_channels():
    values = words(9, 8, 1)
    check(io.BytesIO(tiff(values, inverted=True)), 65535 - values)
    check(io.BytesIO(tiff(words(channels=4), extra=0)), words(channels=4)[..., :3])
    straight = np.array([[[60_000, 30_000, 10], [7, 8, 9]]])
    alpha = np.array([[[65_535 // 3], [0]]])
    stored = np.concatenate([straight * alpha // 65_535, alpha], axis=2).astype(np.uint16)
    photo = read_photo(io.BytesIO(tiff(stored, extra=1)))
    np.testing.assert_allclose(photo.image[0, 0] * 65535, straight[0, 0], atol=4)
    np.testing.assert_array_equal(photo.image[0, 1], 0)
    np.testing.assert_allclose(photo.alpha, [[1 / 3, 0]], atol=1e-6)


@pytest.mark.parametrize("value", [-0.25, 1.5, float("nan"), float("inf")])
def test_floats_that_are_no_fractions_of_white(value):
    values = np.full((4, 5, 3), 0.5, np.float32)
    values[2, 3, 1] = value
    text = message(io.BytesIO(tiff(values)))
    assert f"{value:g}" in text
    assert "scale" in text
    clear = np.full((4, 5, 4), 0.5, np.float32)
    clear[0, 0, 3] = value
    assert "alpha" in message(io.BytesIO(tiff(clear)))


def test_ppm_of_more_than_8_bits():
    values = words(3, 4)
    check(io.BytesIO(b"P6 4 3 65535\n" + values.astype(">u2").tobytes()), values)
    small = (values // 70).astype(">u2")
    check(io.BytesIO(b"P6\n# ten bits\n4 3\n1023\n" + small.tobytes()), small, 1023)
    assert "damaged, truncated" in message(io.BytesIO(b"P6 4 3 65535\n" + bytes(71)))


def test_pictures_of_8_bits_stay_so(tmp_path):
    for format in ("PNG", "TIFF", "JPEG", "WEBP", "AVIF", "GIF", "BMP", "JPEG2000", "PPM"):
        photo = read_photo(io.BytesIO(encoded(format)))
        assert (photo.depth, photo.remark) == (8, "")
    for array, depth in ((np.zeros((4, 4), np.uint8), 8), (np.zeros((4, 4), np.uint16), 16)):
        assert read_photo(array).depth == depth
    assert read_photo(Image.new("I;16", (4, 4))).depth == 16


def test_what_is_read_at_8_bits_is_told():
    inks = np.full((6, 7, 4), 65535 // 5, np.uint16)
    photo = read_photo(io.BytesIO(tiff(inks, tags={262: (5,), 338: ()})))
    assert photo.remark == "its 16 bits per channel are read as 8"
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.encode("RGB;16", (45, 37), words().tobytes(), stream, quality=90)
    photo = read_photo(stream)
    assert photo.depth == 8
    assert photo.remark in (
        "its 10 bits per channel are read as 8",
        "its 12 bits per channel are read as 8",
    )


def test_the_limits_hold_for_deep_files_too(tmp_path):
    text = message(io.BytesIO(png(50_000, 50_000, depth=16, kind=6)))
    assert "50000 x 50000 = 2,500,000,000 pixels" in text
    values = words(20, 30)
    for data in (encode_png(values), tiff(values), b"P6 30 20 65535\n" + values.tobytes()):
        assert "30 x 20 = 600 pixels" in message(io.BytesIO(data), max_pixels=599)
        read_photo(io.BytesIO(data), max_pixels=600)
    wide = message(io.BytesIO(tiff(values, tags={256: (1 << 30,), 257: (1 << 30,)})))
    assert "1,152,921,504,606,846,976 pixels" in wide
    for depth in (np.uint8, np.uint16):  # a small picture in an enormous tile
        data = tiff(values.astype(depth), tile=32, tags={322: (1 << 30,), 323: (1 << 16,)})
        assert "tiles of 70,368,744,177,664 pixels" in message(io.BytesIO(data))
    for data in (encode_png(values), tiff(values), tiff(values, compression=8, tile=16)):
        assert "damaged, truncated" in message(io.BytesIO(data[: len(data) // 2]))


def test_pages_of_deep_tiffs(tmp_path):
    tifffile = pytest.importorskip("tifffile")
    with tifffile.TiffWriter(tmp_path / "pages.tif") as file:
        for k in range(3):
            file.write(words() >> k, photometric="rgb")
    photo = read_photo(tmp_path / "pages.tif")
    assert photo.remark == "the first of its 3 pages is used"
    np.testing.assert_array_equal(photo.rendered(photo.image).pixels(16), words())
    with tifffile.TiffWriter(tmp_path / "preview.tif") as file:
        file.write(words(), photometric="rgb")
        file.write(np.zeros((5, 6, 3), np.uint8), photometric="rgb", subfiletype=1)
    check(tmp_path / "preview.tif", words())


# --- metadata ----------------------------------------------------------------------------------


def shot(orientation: int = 1) -> bytes:
    """EXIF data with a camera, a time, a place and an orientation."""
    exif = Image.Exif()
    exif.update({0x0112: orientation, 0x010F: "Camera"})
    exif[0x8769] = {0x9003: "2020:02:02 10:00:00"}
    exif[0x8825] = {1: "N", 2: (50.0, 4.0, 59.0)}
    return exif.tobytes()


@pytest.mark.parametrize("encode", [encode_png, encode_tiff])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_pictures_are_turned_upright(encode, orientation):
    values = words(6, 9, 4)
    photo = read_photo(io.BytesIO(encode(values, metadata=Metadata(shot(orientation)))))
    wanted = UPRIGHT[orientation](values).astype(np.float32) / np.float32(65535)
    np.testing.assert_array_equal(photo.image, wanted[..., :3])
    np.testing.assert_array_equal(photo.alpha, wanted[..., 3])
    kept = Image.Exif()
    kept.load(photo.metadata.exif)
    assert kept[0x010F] == "Camera"
    assert kept.get_ifd(0x8769)[0x9003] == "2020:02:02 10:00:00"
    assert not {0x0112, 0x8825} & set(kept)


@pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "webp", "avif"])
@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("keep", [False, True])
def test_profile_exif_and_place_of_results(suffix, deep, keep, tmp_path):
    values = words(40, 50, 3)
    write = encode_png(values, metadata=Metadata(shot(6)))
    if not deep:
        write = encoded("JPEG", noise(), exif=shot(6))
    photo = read_photo(io.BytesIO(write), keep_gps=keep)
    photo.save(photo.image, tmp_path / f"result.{suffix}")
    with Image.open(tmp_path / f"result.{suffix}") as back:
        exif = back.getexif()
        assert back.info["icc_profile"] == srgb_profile()
        assert exif[0x010F] == "Camera"
        assert exif.get(0x0112, 1) == 1
        assert exif.get_ifd(0x8769)[0x9003] == "2020:02:02 10:00:00"
        place = dict(exif.get_ifd(0x8825))
        assert bool(place) == keep
        if keep:
            assert place[1] == "N"
            assert [float(each) for each in place[2]] == [50, 4, 59]
    assert read_photo(tmp_path / f"result.{suffix}").depth == (
        16 if deep and suffix in ("png", "tif") else 8
    )


def test_the_profile_of_results_is_always_the_same():
    assert srgb_profile() == srgb_profile()
    profile = ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile()))
    assert "sRGB" in ImageCms.getProfileDescription(profile)
    stream = io.BytesIO()
    write_image(Image.new("RGB", (3, 3)), stream)  # what a user's own image is, nobody knows
    assert "icc_profile" not in Image.open(stream).info


def test_deep_colors_go_through_their_profile_in_full_depth():
    values = words()
    values[:18] = values[:18] // 257  # dark, where 8 bits have no steps at all
    linear = (values / 65535) ** 2.19921875 @ np.array(P3) @ np.linalg.inv(np.array(SRGB))
    wanted = encode_srgb(linear)
    profile = DISPLAY_P3
    for data in (encode_png(values, profile=profile), encode_tiff(values, profile=profile)):
        photo = read_photo(io.BytesIO(data))
        # At the border of sRGB the fifth digit of the primaries counts.
        np.testing.assert_allclose(photo.image, wanted, atol=2e-3)
        inside = (linear > 0.02) & (linear < 1) | (linear < 1e-4) & (linear > 0)
        np.testing.assert_allclose(photo.image[inside], wanted[inside], atol=5e-4)
    grey = words(channels=1)
    photo = read_photo(io.BytesIO(encode_tiff(grey, profile=LINEAR_GREY)))
    np.testing.assert_allclose(
        photo.image, np.repeat(encode_srgb(grey / 65535), 3, axis=2), atol=1e-5
    )
    # The same as Pillow's, as far as that goes.
    eighth = Image.fromarray((values // 257).astype(np.uint8))
    eighth.info["icc_profile"] = DISPLAY_P3
    np.testing.assert_allclose(
        read_photo(eighth).image,
        to_srgb((values // 257 / 255).astype(np.float32), DISPLAY_P3),
        atol=1.1 / 255,
    )


def test_curves_of_every_kind():
    ramp = np.linspace(0, 1, 50, dtype=np.float32)[None, :, None]

    def through(curve: bytes) -> np.ndarray:
        return to_srgb(ramp, icc(b"GRAY", {b"kTRC": curve}))[0, :, 0]

    def parametric(kind: int, *numbers: float) -> bytes:
        fixed = b"".join(struct.pack(">i", round(each * 65536)) for each in numbers)
        return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + fixed

    x = ramp[0, :, 0].astype(np.float64)
    table = struct.pack(">I", 256) + struct.pack(">256H", *(np.arange(256) ** 2).tolist())
    cases = [
        (b"curv\0\0\0\0" + struct.pack(">I", 0), x),
        (b"curv\0\0\0\0" + table, x**2 * (255**2 / 65535)),
        (parametric(0, 3.0), x**3),
        (parametric(1, 2.0, 1.25, -0.25), np.where(x >= 0.2, (1.25 * x - 0.25) ** 2, 0)),
        (parametric(2, 2.0, 0.5, 0.0, 0.5), (0.5 * x) ** 2 + 0.5),
        (parametric(3, 2.0, 1.0, 0.0, 0.5, 0.5), np.where(x >= 0.5, x**2, x / 2)),
        (parametric(4, 2.0, 0.9, 0.0, 0.5, 0.5, 0.1, 0.0),
         np.where(x >= 0.5, (0.9 * x) ** 2 + 0.1, x / 2)),
    ]  # fmt: skip
    for curve, linear in cases:
        np.testing.assert_allclose(through(curve), encode_srgb(linear), atol=4e-4)


def test_a_profile_that_is_a_table_and_one_that_is_broken():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    values = words()
    for profile in (b"", b"garbage", DISPLAY_P3[:200], lab):
        photo = read_photo(io.BytesIO(encode_png(values, profile=profile)))
        np.testing.assert_array_equal(photo.rendered(photo.image).pixels(16), values)
    # Three inks that are lightness and two colors, in a table of the corners of the cube.
    axis = [(0, 0, 0), (60, 20, 30), (50, -60, 40), (90, -10, 80), (30, 50, -90), (60, 70, -50),
            (80, -40, -10), (100, 0, 0)]  # fmt: skip
    clut = bytes(v for L, a, b in axis for v in (round(L * 2.55), a + 128, b + 128))
    identity = struct.pack(">9i", *[65536 if i % 4 == 0 else 0 for i in range(9)])
    ramp = bytes(range(256)) * 3
    table = b"mft1\0\0\0\0" + bytes([3, 3, 2, 0]) + identity + ramp + clut + ramp
    profile = icc(b"RGB ", {b"A2B0": table}, pcs=b"Lab ")
    eighth = Image.fromarray((values // 257).astype(np.uint8))
    eighth.info["icc_profile"] = profile
    by_pillow = read_photo(eighth).image
    deep = read_photo(io.BytesIO(encode_png((values // 257) * 257, profile=profile))).image
    assert np.abs(by_pillow * 255 - values // 257).max() > 30
    np.testing.assert_allclose(deep, by_pillow, atol=8 / 255)
    assert np.mean(np.abs(deep - by_pillow)) < 1 / 255


def test_a_profile_that_is_srgb_changes_no_value():
    values = words()
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    steps = np.rint(65535 * np.array([((v / 1023 + 0.055) / 1.055) ** 2.4 if v > 41 else
                                      v / 1023 / 12.92 for v in range(1024)]))  # fmt: skip
    curve = b"curv\0\0\0\0" + struct.pack(">I1024H", 1024, *steps.astype(int).tolist())
    rows = (b"rXYZ", b"gXYZ", b"bXYZ")
    colorants = {
        name: b"XYZ \0\0\0\0" + struct.pack(">3i", *[round(v * 65536) for v in row])
        for name, row in zip(rows, SRGB, strict=True)
    }
    other = icc(b"RGB ", {**colorants, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)})
    for profile in (own, other, srgb_profile()):
        photo = read_photo(io.BytesIO(encode_tiff(values, profile=profile)))
        np.testing.assert_array_equal(photo.rendered(photo.image).pixels(16), values)


# --- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif", "tiff"])
@pytest.mark.parametrize("channels", [3, 4])
def test_what_was_deep_is_written_deep(suffix, channels, tmp_path):
    values = words(70, 45, channels)
    write_image(values, tmp_path / f"in.{suffix}")
    photo = read_photo(tmp_path / f"in.{suffix}")
    photo.save(photo.image, tmp_path / f"out.{suffix}")
    check(tmp_path / f"out.{suffix}", values)
    with Image.open(tmp_path / f"out.{suffix}") as other:  # reads it too, if only the high bytes
        assert other.mode == ("RGB" if channels == 3 else "RGBA")
        np.testing.assert_array_equal(np.asarray(other), values >> 8)
    photo.save(resize(photo.image, 20), tmp_path / f"small.{suffix}")
    assert read_photo(tmp_path / f"small.{suffix}").image.shape == (31, 20, 3)
    back = photo.give_back(photo.image)
    np.testing.assert_array_equal(np.asarray(back), np.rint(values / 257).astype(np.uint8))


def test_floats_are_written_with_16_bits(tmp_path):
    values = (words() / 65535).astype(np.float32)
    photo = read_photo(io.BytesIO(tiff(values)))
    photo.save(photo.image, tmp_path / "out.tif")
    check(tmp_path / "out.tif", words())


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_a_format_of_8_bits_gets_8(suffix, tmp_path):
    flat = np.full((32, 32, 3), 51 * 257 + 100, np.uint16)
    write_image(flat, tmp_path / f"flat.{suffix}", save=SaveOptions(quality=100))
    np.testing.assert_allclose(read_photo(tmp_path / f"flat.{suffix}").image * 255, 51, atol=2)
    with pytest.raises(OptionError, match="8 bits per channel, not 16: use PNG or TIFF"):
        write_image(flat, tmp_path / f"deep.{suffix}", save=SaveOptions(depth=16))


def test_depth_as_an_option(tmp_path):
    photo = read_photo(io.BytesIO(encode_png(words())))
    for depth, wanted in ((None, 16), (8, 8), (16, 16)):
        photo.save(photo.image, tmp_path / "x.png", save=SaveOptions(depth=depth, overwrite=True))
        assert read_photo(tmp_path / "x.png").depth == wanted
    fine = np.linspace(0, 1, 3000, dtype=np.float32).reshape(30, 100)
    write_image(fine, tmp_path / "fine.tif", save=SaveOptions(depth=16))
    np.testing.assert_allclose(read_photo(tmp_path / "fine.tif").image[..., 0], fine, atol=1e-5)
    with pytest.raises(OptionError, match="Pillow image has 8 bits"):
        write_image(noise(), tmp_path / "no.png", save=SaveOptions(depth=16))
    with pytest.raises(OptionError, match="depth is 12"):
        write_image(words(), tmp_path / "no.png", save=SaveOptions(depth=12))
    assert not (tmp_path / "no.png").exists()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_arrays_are_written_as_they_are(kind, shape, tmp_path):
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    values = (np.random.default_rng(0).random(shape) * white).astype(kind)
    for suffix in ("png", "tif"):
        write_image(values, tmp_path / f"x.{suffix}")
        photo = read_photo(tmp_path / f"x.{suffix}")
        pixels = photo.rendered(photo.image).pixels(photo.depth)
        stored = values if kind is not np.float32 else np.rint(values * 255).astype(np.uint8)
        stored = stored.reshape(5, 7, -1)
        np.testing.assert_array_equal(pixels[..., 0], stored[..., 0])
        np.testing.assert_array_equal(pixels[..., -1], stored[..., -1])
        assert photo.depth == (16 if kind is np.uint16 else 8)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((4, 4, 5), np.uint16), "(4, 4, 5)"),
        (np.zeros((4, 4), np.int64), "int64"),
        (np.zeros((0, 4), np.uint8), "(0, 4)"),
        (np.full((4, 4), 1.5), "from 1.5 to 1.5"),
        (np.full((4, 4), np.nan), "nan"),
        ([[1]], "list"),
    ],
)
def test_arrays_that_cannot_be_written(array, says, tmp_path):
    with pytest.raises(ImageError) as caught:
        write_image(array, tmp_path / "x.png")
    assert says in str(caught.value)
    assert str(caught.value).isprintable()
    assert not list(tmp_path.iterdir())


def test_a_tiff_that_is_too_large_for_one_is_a_bigtiff(tmp_path, monkeypatch):
    monkeypatch.setattr(stripwriting, "_LARGEST", 1000)
    values = words()
    write_image(values, tmp_path / "a.tif")
    assert (tmp_path / "a.tif").read_bytes()[:4] == b"II\x2b\x00"
    photo = read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.rendered(photo.image).pixels(16), values)
