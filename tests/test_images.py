"""Pictures in and out: every mode, orientation, profile and layout, and everything that is bad."""

from __future__ import annotations

import io
import os
import struct
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_files import BAD_FILES, encoded, noise, png, png_chunk
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from impasto.errors import ImageError, OptionError
from impasto.images.formats import FORMATS, WRITTEN
from impasto.images.icc import srgb_profile
from impasto.images.options import SaveOptions
from impasto.images.photo import read_photo, write_image
from impasto.images.resizing import MAX_PIXELS, resize, resize_plane

GREEN = np.array([[[0.0, 1.0, 0.0]]], np.float32)


def message(source: Any, **options: Any) -> str:
    """What is said about a picture that must be refused: one line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own on damaged files
        with pytest.raises(ImageError) as caught:
            read_photo(source, **options)
    text = str(caught.value)
    assert text.isprintable()
    return text


def saved(path: Path, picture: Image.Image, **options: Any) -> Path:
    picture.save(path, **options)
    return path


def pixels(picture: Any) -> np.ndarray:
    assert isinstance(picture, Image.Image)
    return np.asarray(picture)


# --- bad input ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
def test_a_bad_file_gives_one_clear_line(bad, tmp_path):
    path = bad.make(tmp_path)
    text = message(path)
    assert text.startswith(f"{path}: ")
    for part in bad.says:
        assert part in text
    assert message(str(path)) == text


@pytest.mark.parametrize("bad", BAD_FILES, ids=lambda bad: bad.name)
def test_bad_bytes_give_the_same_line_from_a_stream(bad, tmp_path):
    path = bad.make(tmp_path)
    if not path.is_file():
        pytest.skip("no bytes")
    assert message(io.BytesIO(path.read_bytes())) == message(path).replace(str(path), "the stream")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = saved(tmp_path / "secret.png", noise())

    def denied(*_: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    assert message(path) == f"{path}: permission denied; make the file readable for you"


@pytest.mark.parametrize("path", ["no\0name.png", "no\nname.png", "x" * 5000 + ".png", ""])
def test_odd_names_stay_one_line(path):
    message(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no devices")
def test_a_device_is_not_read():
    assert "device" in message("/dev/zero")


@pytest.mark.parametrize("source", [None, 3, b"bytes", [[0.0]], object()])
def test_other_things_are_no_pictures(source):
    assert f"a {type(source).__name__} is not a picture" in message(source)


def test_streams_of_text_or_closed_are_told():
    assert "binary" in message(io.StringIO("text"))
    closed = io.BytesIO()
    closed.close()
    assert "closed" in message(closed)
    assert "empty" in message(io.BytesIO())


def test_a_picture_is_refused_from_its_header(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png(400, 300))
    assert "400 x 300 = 120,000 pixels" in message(path, max_pixels=119_999)
    assert "max_pixels = 10" in message(noise(), max_pixels=10)
    assert "max_pixels = 10" in message(np.zeros((4, 4)), max_pixels=10)
    with pytest.raises(OptionError):
        read_photo(path, max_pixels=0)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "AVIF", "TIFF", "GIF", "BMP", "JPEG2000", "PPM"])
@pytest.mark.parametrize("limit", [3000, 100])  # where Pillow warns, and where it raises
def test_pillows_own_limit_does_not_count(format, limit, monkeypatch):
    data = encoded(format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(io.BytesIO(data)).image.shape == (60, 80, 3)
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"exif": {0x0112: 6}}])
def test_pillows_own_limit_does_not_count_for_any_tiff(options, tmp_path, monkeypatch):
    if "exif" in options:
        exif = Image.Exif()
        exif.update(options["exif"])
        options = {"exif": exif}
    path = saved(tmp_path / "scan.tif", noise(), **options)
    before = read_photo(path).image
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    np.testing.assert_array_equal(read_photo(path).image, before)


def test_webp_keeps_pillows_limit_and_says_so(monkeypatch):
    data = encoded("WEBP")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 3000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read_photo(io.BytesIO(data)).image.shape == (60, 80, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    try:  # the limit came into this reader after the first Pillow that is supported
        read_photo(io.BytesIO(data))
    except ImageError as error:
        assert "Pillow's own limit" in str(error)


@pytest.mark.parametrize("tiles", [{}, {"tile_size": (32, 32)}])
def test_a_jpeg_2000_that_would_take_forever(tiles, tmp_path):
    data = bytearray(encoded("JPEG2000", quality_layers=[40, 20, 10], **tiles))
    assert read_photo(io.BytesIO(data)).image.shape == (60, 80, 3)
    at = data.index(b"\xff\x52\x00\x0c") + 6
    assert data[at : at + 2] == b"\0\3"
    data[at : at + 2] = b"\xff\xff"
    assert "65,535 quality layers" in message(io.BytesIO(data))
    part = data.rindex(b"\xff\x90\x00\x0a")
    looped = bytearray(data)
    struct.pack_into(">I", looped, part + 6, 13)  # a part that ends before it begins
    assert "65,535 quality layers" in message(io.BytesIO(looped))
    # The same, said by the last tile only.
    data[at : at + 2] = b"\0\3"
    (length,) = struct.unpack_from(">I", data, part + 6)
    style = data[at - 6 : at] + b"\xff\xff" + data[at + 2 : at + 8]
    struct.pack_into(">I", data, part + 6, length + len(style))
    data[part + 12 : part + 12] = style
    assert "65,535 quality layers" in message(io.BytesIO(data))


SAMPLES = {
    row.name: encoded(row.name, noise(24, 20)) for row in FORMATS if row.name not in ("HEIF",)
}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_of_any_kind_is_told_or_harmless(data):
    sample = SAMPLES[data.draw(st.sampled_from(sorted(SAMPLES)))]
    damaged = bytearray(sample[: data.draw(st.integers(0, len(sample)))])
    for _ in range(data.draw(st.integers(0, 4))):
        if damaged:
            at = data.draw(st.integers(0, min(len(damaged), 200) - 1))
            damaged[at] = data.draw(st.integers(0, 255))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            photo = read_photo(io.BytesIO(bytes(damaged)), max_pixels=10_000)
        except ImageError as error:
            assert str(error).isprintable()
        else:
            assert photo.image.dtype == np.float32
            assert 0 <= photo.image.min() <= photo.image.max() <= 1


# --- files and Pillow images -------------------------------------------------------------------


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
def test_a_file_comes_back_as_a_pillow_image(row, tmp_path):
    path = tmp_path / f"picture{row.suffixes[0]}"
    write_image(noise(), path)
    photo = read_photo(path)
    assert photo.image.shape == (60, 80, 3)
    assert photo.image.dtype == np.float32
    assert photo.image.flags.c_contiguous
    assert photo.alpha is None
    assert photo.name == str(path)
    with Image.open(path) as oracle:
        np.testing.assert_array_equal(
            pixels(photo.give_back(photo.image)), pixels(oracle.convert("RGB"))
        )
    if not row.lossy:
        np.testing.assert_array_equal(pixels(photo.give_back(photo.image)), pixels(noise()))


def test_heic_is_read_with_its_plugin_and_names_it_without(monkeypatch):
    data = b"\0\0\0\x18ftypheic" + bytes(40)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    assert "pip install 'impasto[heic]'" in message(io.BytesIO(data))
    monkeypatch.undo()
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    heif.from_pillow(Image.new("RGB", (40, 30), (10, 200, 30))).save(stream)
    photo = read_photo(stream)
    assert photo.image.shape == (30, 40, 3)
    np.testing.assert_allclose(
        photo.image * 255, [[[10, 200, 30]]] * 30 * np.ones((1, 40, 1)), 0, 3
    )


def test_streams_are_read_from_their_start():
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = io.BytesIO(encoded("PNG"))

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.data.readinto(memoryview(buffer)[:100])

    stream = io.BytesIO()
    noise().save(stream, "PNG")
    for source in (stream, Pipe(), io.BufferedReader(Pipe())):
        photo = read_photo(source)
        np.testing.assert_array_equal(pixels(photo.give_back(photo.image)), pixels(noise()))
    assert photo.name == "the stream"


@pytest.mark.parametrize(
    ("mode", "color", "wanted", "alpha"),
    [
        ("1", 1, (1, 1, 1), None),
        ("L", 51, (0.2, 0.2, 0.2), None),
        ("LA", (51, 102), (0.2, 0.2, 0.2), 0.4),
        ("La", (51, 255), (0.2, 0.2, 0.2), 1),
        ("RGB", (51, 102, 255), (0.2, 0.4, 1), None),
        ("RGBA", (51, 102, 255, 102), (0.2, 0.4, 1), 0.4),
        ("RGBA", (51, 102, 255, 0), (0.2, 0.4, 1), 0),
        ("RGBa", (0, 0, 0, 0), (0, 0, 0), 0),
        ("RGBX", (51, 102, 255, 0), (0.2, 0.4, 1), None),
        ("CMYK", (255, 0, 255, 0), (0, 1, 0), None),
        ("CMYK", (0, 0, 0, 204), (0.2, 0.2, 0.2), None),
        ("YCbCr", (255, 128, 128), (1, 1, 1), None),
        ("HSV", (0, 0, 51), (0.2, 0.2, 0.2), None),
        ("LAB", (255, 128, 128), (1, 1, 1), None),
        ("I;16", 13107, (0.2, 0.2, 0.2), None),
        ("I;16B", 13107, (0.2, 0.2, 0.2), None),
        ("I", 13107, (0.2, 0.2, 0.2), None),
        ("F", 0.2, (0.2, 0.2, 0.2), None),
    ],
)
def test_every_mode_of_pillow(mode, color, wanted, alpha):
    picture = Image.new(mode, (3, 2), color)
    before = picture.tobytes()
    photo = read_photo(picture)
    assert photo.image.shape == (2, 3, 3)
    np.testing.assert_allclose(photo.image, np.broadcast_to(wanted, (2, 3, 3)), atol=0.006)
    result = photo.give_back(photo.image)
    assert isinstance(result, Image.Image)
    assert result.size == (3, 2)
    if alpha is None:
        assert photo.alpha is None
        assert result.mode == "RGB"
    else:
        assert photo.alpha.shape == (2, 3)
        np.testing.assert_allclose(photo.alpha, alpha, atol=1e-6)
        assert result.mode == "RGBA"
    assert picture.mode == mode
    assert picture.tobytes() == before


@pytest.mark.parametrize("color", ["I", "F"])
@pytest.mark.parametrize("value", [-1, 70_000])
def test_deep_grey_out_of_range_is_refused_with_the_numbers(color, value):
    text = message(Image.new(color, (3, 2), value))
    assert f"{value:g}" in text
    assert "scale" in text
    if color == "F":
        message(Image.new("F", (3, 2), float("nan")))


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_deep_grey_files_are_scaled_not_clipped(suffix, tmp_path):
    ramp = np.linspace(0, 65535, 300).astype(np.uint16).reshape(10, 30)
    path = saved(tmp_path / f"deep.{suffix}", Image.fromarray(ramp))
    np.testing.assert_array_equal(
        read_photo(path).image[..., 1], ramp.astype(np.float32) / np.float32(65535)
    )


def test_palette_and_key_colors_become_alpha(tmp_path):
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    cases = [
        (palette, bytes([255, 102]), [1, 0.4]),
        (palette, 1, [1, 0]),
        (Image.fromarray(np.array([[7, 9]], np.uint8)), 9, [1, 0]),
        (Image.fromarray(np.array([[7, 1030]], np.uint16)), 1030, [1, 0]),
        (Image.fromarray(np.array([[[1, 2, 3], [3, 2, 1]]], np.uint8)), (3, 2, 1), [1, 0]),
        (Image.fromarray(np.array([[False, True]])), 1, [1, 0]),
    ]
    for picture, transparency, wanted in cases:
        path = saved(tmp_path / "key.png", picture, transparency=transparency)
        photo = read_photo(path)
        np.testing.assert_allclose(photo.alpha, [wanted], err_msg=f"{picture.mode}")
        assert photo.give_back(photo.image).mode == "RGBA"
    gif = saved(tmp_path / "key.gif", palette, transparency=1)
    np.testing.assert_array_equal(read_photo(gif).alpha, [[1, 0]])
    assert read_photo(saved(tmp_path / "plain.png", palette)).alpha is None


def test_deep_color_with_a_key_color_is_told_or_read(tmp_path):
    # Pillow cuts the pixels to 8 bits and leaves the key color at 16.
    path = tmp_path / "key.png"
    rows = b"".join(b"\0" + struct.pack(">6H", *[1000] * 3, *[60000] * 3) for _ in range(2))
    key = png_chunk(b"tRNS", struct.pack(">3H", 60000, 60000, 60000))
    data = png(2, 2, depth=16, chunks=key)
    start = data.index(b"IDAT") - 4
    body = png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND")
    path.write_bytes(data[:start] + body)
    try:
        assert read_photo(path).image.shape == (2, 2, 3)
    except ImageError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("suffix", ["png", "webp", "avif", "tif"])
def test_alpha_is_given_back(suffix, tmp_path):
    values = np.random.default_rng(1).integers(0, 256, (8, 9, 4), dtype=np.uint8)
    values[..., 3] = np.arange(72).reshape(8, 9) * 3
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(values), lossless=True, quality=100)
    with Image.open(path) as oracle:
        stored = pixels(oracle.convert("RGBA"))
    photo = read_photo(path)
    result = photo.give_back(photo.image)
    np.testing.assert_array_equal(pixels(result), stored)
    larger = photo.give_back(resize(photo.image, 20))
    assert (larger.size, larger.mode) == ((22, 20), "RGBA")
    with pytest.raises(ImageError, match="shape"):
        photo.give_back(photo.image[..., 0])
    with pytest.raises(ImageError, match="NaN"):
        photo.give_back(photo.image * np.float32("nan"))


def test_a_frame_of_a_film_opened_with_pillow(tmp_path):
    path = tmp_path / "film.gif"
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "lime")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with Image.open(path) as film:
        film.seek(1)
        np.testing.assert_array_equal(read_photo(film).image, np.tile(GREEN, (20, 20, 1)))


def test_previews_and_stereo_pairs_are_no_films(tmp_path):
    page = Image.new("RGB", (40, 20), "lime")
    stereo = saved(tmp_path / "stereo.mpo", page, save_all=True, append_images=[page])
    assert read_photo(stereo).image.shape == (20, 40, 3)
    small = page.resize((10, 5))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    scan = saved(tmp_path / "scan.tif", page, save_all=True, append_images=[small])
    assert read_photo(scan).image.shape == (20, 40, 3)


def test_a_lazy_or_closed_pillow_image_is_told(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded("JPEG")[:900])
    with Image.open(path) as lazy:
        assert message(lazy).startswith(f"{path}: a damaged")
    assert "0 x 5" in message(Image.new("RGB", (0, 5)))


# --- metadata ----------------------------------------------------------------------------------

UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_is_applied_and_dropped(orientation, suffix, tmp_path):
    blocks = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]], [[0] * 3, [255] * 3, [128] * 3]])
    stored = np.kron(blocks, np.ones((16, 16, 1))).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Camera"
    options = {"quality": 95, "exif": exif.tobytes()}
    path = saved(tmp_path / f"turned.{suffix}", Image.fromarray(stored), **options)
    photo = read_photo(path)
    wanted = UPRIGHT[orientation](stored)[8::16, 8::16]
    assert photo.image.shape == UPRIGHT[orientation](stored).shape
    np.testing.assert_allclose(photo.image[8::16, 8::16] * 255, wanted, atol=4)
    kept = photo.give_back(photo.image).getexif()
    assert kept[0x010F] == "Camera"
    assert 0x0112 not in kept


def test_exif_is_kept_but_not_the_place_nor_what_is_no_longer_true(tmp_path):
    exif = Image.Exif()
    exif.update({0x010F: "Camera", 0x013B: "Ann", 0x0112: 6, 0x8298: "(c) Ann"})
    exif[0x8825] = {1: "N", 2: (50.0, 4.0, 59.0)}
    exif[0x8769] = {0x9003: "2020:02:02 10:00:00", 0x829A: 0.01, 0xA002: 80, 0x927C: b"private"}
    path = saved(tmp_path / "shot.jpg", noise(), exif=exif)
    photo = read_photo(path)
    for suffix in ("jpg", "png", "webp", "avif", "tif"):
        target = tmp_path / f"result.{suffix}"
        write_image(photo.give_back(photo.image), target)
        with Image.open(target) as result:
            kept = result.getexif()
            shot = kept.get_ifd(0x8769)
            assert (kept[0x010F], kept[0x013B], kept[0x8298]) == ("Camera", "Ann", "(c) Ann")
            assert 0x8825 not in kept
            assert kept.get(0x0112, 1) == 1
            assert shot[0x9003] == "2020:02:02 10:00:00"
            assert float(shot[0x829A]) == pytest.approx(0.01)
            assert not {0xA002, 0x927C} & set(shot)
            assert result.info["icc_profile"] == srgb_profile()


@pytest.mark.parametrize(
    "exif", [b"Exif\0\0", b"Exif\0\0garbage of some length", b"Exif\0\0MM\0*\0"]
)
def test_broken_exif_is_passed_over(exif, tmp_path):
    picture = noise()
    picture.info["exif"] = exif
    photo = read_photo(picture)
    assert photo.metadata.exif == b""
    assert photo.image.shape == (60, 80, 3)


def icc(space: bytes, tags: dict[bytes, bytes], *, pcs: bytes = b"XYZ ") -> bytes:
    """An ICC profile, version 2.1, of the given tags."""
    description = b"desc" + struct.pack(">II", 0, 2) + b"t\0" + bytes(78)
    white = _xyz(0.9642, 1.0, 0.8249)
    tags = {b"desc": description, b"wtpt": white, b"cprt": b"text\0\0\0\0-\0", **tags}
    offset = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4sI4s4s4s", 0, b"", 0x02100000, kind, space, pcs) + bytes(12) + b"acsp"
    head = head.ljust(68, b"\0") + white[8:]
    return struct.pack(">I", offset + len(body)) + head[4:].ljust(124, b"\0") + table + body


def _xyz(*values: float) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _display(red: tuple, green: tuple, blue: tuple, gamma: float) -> bytes:
    tags = {b"rXYZ": _xyz(*red), b"gXYZ": _xyz(*green), b"bXYZ": _xyz(*blue)}
    return icc(b"RGB ", {**tags, **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _gamma(gamma))})


# Display P3 and sRGB adapted to D50, one primary a row; P3's curve as a plain gamma of 2.2.
P3 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))
SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141))
DISPLAY_P3 = _display(*P3, 2.2)
LINEAR_GREY = icc(b"GRAY", {b"kTRC": _gamma(1.0)})


def _inks() -> bytes:
    """A press whose cyan is pure red and whose other inks are black."""
    lab = []
    for corner in range(16):  # cyan changes slowest
        inks = corner >> 3, corner & 7
        lab.append((0, 0, 0) if inks[1] else ((53.24, 80.09, 67.2) if inks[0] else (100, 0, 0)))
    clut = [v for L, a, b in lab for v in (round(L * 2.55), round(a) + 128, round(b) + 128)]
    matrix = [65536 if i % 4 == 0 else 0 for i in range(9)]
    ramp = bytes(range(256))
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + struct.pack(">9i", *matrix)
    return icc(b"CMYK", {b"A2B0": table + ramp * 4 + bytes(clut) + ramp * 3}, pcs=b"Lab ")


def encode_srgb(linear: Any) -> np.ndarray:
    linear = np.clip(linear, 0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif", "avif"])
def test_display_p3_becomes_srgb(suffix, tmp_path):
    color = np.array([200, 100, 50])
    wanted = encode_srgb((color / 255) ** 2.2 @ np.array(P3) @ np.linalg.inv(np.array(SRGB)))
    assert np.abs(wanted * 255 - color).max() > 8
    picture = Image.new("RGB", (16, 16), tuple(color.tolist()))
    path = saved(tmp_path / f"p3.{suffix}", picture, icc_profile=DISPLAY_P3, quality=100)
    photo = read_photo(path)
    np.testing.assert_allclose(photo.image[8, 8] * 255, wanted * 255, atol=3)
    assert photo.give_back(photo.image).info["icc_profile"] == srgb_profile()


def test_profiles_of_every_kind_of_picture():
    def first(mode: str, color: Any, profile: bytes) -> np.ndarray:
        picture = Image.new(mode, (3, 2), color)
        picture.info["icc_profile"] = profile
        return read_photo(picture).image[0, 0] * 255

    grey = encode_srgb(55 / 255) * 255
    for mode, color in (("L", 55), ("LA", (55, 9)), ("I;16", 55 * 257), ("F", 55 / 255)):
        np.testing.assert_allclose(first(mode, color, LINEAR_GREY), [grey] * 3, atol=1.01)
    np.testing.assert_allclose(first("CMYK", (255, 0, 0, 0), _inks()), [255, 0, 0], atol=10)
    np.testing.assert_allclose(first("CMYK", (0, 0, 0, 0), _inks()), [255] * 3, atol=1)
    np.testing.assert_allclose(first("CMYK", (0, 0, 0, 255), _inks()), [0] * 3, atol=1)
    p3 = first("RGB", (200, 100, 50), DISPLAY_P3)
    for mode in ("RGBA", "RGBX"):
        np.testing.assert_array_equal(first(mode, (200, 100, 50, 77), DISPLAY_P3), p3)
    np.testing.assert_allclose(first("L", 60, DISPLAY_P3), [60] * 3, atol=3)  # grey stays grey
    # A profile of another kind of picture is passed over.
    np.testing.assert_allclose(first("RGB", (200, 100, 50), _inks()), [200, 100, 50])
    np.testing.assert_allclose(first("LAB", (255, 128, 128), DISPLAY_P3), [255] * 3, atol=1)


@pytest.mark.parametrize(
    "profile", [b"", b"garbage", DISPLAY_P3[:200], DISPLAY_P3[:132] + bytes(90)]
)
def test_a_broken_profile_is_passed_over(profile, tmp_path):
    path = saved(tmp_path / "broken.png", noise(), icc_profile=profile)
    photo = read_photo(path)
    np.testing.assert_array_equal(pixels(photo.give_back(photo.image)), pixels(noise()))


def test_an_srgb_profile_changes_nothing(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = read_photo(saved(tmp_path / "srgb.png", noise(), icc_profile=profile))
    np.testing.assert_array_equal(pixels(photo.give_back(photo.image)), pixels(noise()))


# --- arrays ------------------------------------------------------------------------------------

LAYOUTS = {
    "HW": lambda h, w: (h, w),
    "HW1": lambda h, w: (h, w, 1),
    "HW3": lambda h, w: (h, w, 3),
    "HW4": lambda h, w: (h, w, 4),
    "1HW": lambda h, w: (1, h, w),
    "3HW": lambda h, w: (3, h, w),
    "4HW": lambda h, w: (4, h, w),
}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_an_array_comes_back_the_same(data):
    layout = data.draw(st.sampled_from(sorted(LAYOUTS)))
    shape = LAYOUTS[layout](*data.draw(st.tuples(st.integers(1, 9), st.integers(1, 9))))
    dtype = np.dtype(data.draw(st.sampled_from(["u1", "<u2", ">u2", "f2", "<f4", ">f4"])))
    values = st.floats(0, 1, width=8 * dtype.itemsize) if dtype.kind == "f" else None
    array = data.draw(hnp.arrays(dtype, shape, elements=values))
    before = array.copy()
    photo = read_photo(array)
    result = photo.give_back(photo.image)
    assert isinstance(result, np.ndarray)
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array)
    np.testing.assert_array_equal(array, before)
    assert not np.shares_memory(photo.image, array)
    assert photo.image.flags.c_contiguous
    assert photo.image.shape[2] == 3


def test_double_precision_comes_back_in_single():
    array = np.random.default_rng(2).random((5, 6, 3))
    photo = read_photo(array)
    result = photo.give_back(photo.image)
    assert result.dtype == np.float64
    np.testing.assert_allclose(result, array, atol=1e-7)


def test_where_both_orders_of_axes_would_do_channels_are_last():
    assert read_photo(np.zeros((3, 50, 4))).image.shape == (3, 50, 3)
    assert read_photo(np.zeros((3, 50, 4))).alpha.shape == (3, 50)
    assert read_photo(np.zeros((4, 50, 3))).alpha is None
    assert read_photo(np.zeros((3, 50, 5))).image.shape == (50, 5, 3)


def test_a_grey_array_gives_luma_and_a_color_array_color():
    photo = read_photo(np.zeros((2, 2), np.uint8))
    assert photo.give_back(np.tile(GREEN, (2, 2, 1))).tolist() == [[182, 182]] * 2
    photo = read_photo(np.zeros((3, 2, 2), np.uint8))
    assert photo.give_back(np.tile(GREEN, (2, 2, 1))).tolist() == [
        [[0, 0]] * 2,
        [[255, 255]] * 2,
        [[0, 0]] * 2,
    ]
    photo = read_photo(np.full((4, 6, 8), 0.5, np.float32))
    result = photo.give_back(np.full((3, 4, 3), 2, np.float32))  # smaller, and out of range
    assert result.shape == (4, 3, 4)
    np.testing.assert_array_equal(result, np.array([1, 1, 1, 0.5])[:, None, None] * np.ones((3, 4)))


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 8, 8, 3)), ["batch", "loop", "(2, 8, 8, 3)"]),
        (np.zeros((8, 8, 5)), ["1, 3 or 4 channels"]),
        (np.zeros((8, 8, 2)), ["1, 3 or 4 channels"]),
        (np.zeros(8), ["(8,)"]),
        (np.zeros(()), ["()"]),
        (np.zeros((0, 8, 3)), ["8 x 0 pixels"]),
        (np.zeros((8, 8), bool), ["bool", "astype"]),
        (np.zeros((8, 8), np.int64), ["int64", "uint8"]),
        (np.zeros((8, 8), complex), ["complex128"]),
        (np.array([["a", "b"]]), ["dtype"]),
        (np.array([[None]]), ["object"]),
        (np.array([[0.0, np.nan, np.inf]]), ["2 of 3 values", "NaN"]),
        (np.array([[0.0, 255.0]]), ["from 0 to 255", "/ 255"]),
        (np.array([[-0.5, 1.0]], np.float16), ["from -0.5 to 1", "clip"]),
    ],
)
def test_arrays_that_do_not_fit_are_told(array, says):
    text = message(array)
    for part in says:
        assert part in text


# --- resizing ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "size", "wanted"),
    [
        ((300, 200), 100, (150, 100)),
        ((200, 301), 100, (100, 150)),
        ((10, 10), 25, (25, 25)),
        ((1, 3000), 2, (2, 6000)),
        ((5000, 4), 1, (1250, 1)),
        ((20_000, 100), 16, (3200, 16)),
    ],
)
def test_the_shorter_side_gets_the_size(shape, size, wanted):
    image = np.random.default_rng(3).random((*shape, 3), np.float32)
    result = resize(image, size)
    assert result.shape == (*wanted, 3)
    assert result.dtype == np.float32
    assert 0 <= result.min() <= result.max() <= 1


def test_resizing_keeps_what_8_bits_would_lose_and_does_not_alias():
    flat = np.full((64, 64, 3), 0.12345, np.float32)
    np.testing.assert_allclose(resize(flat, 17), 0.12345, atol=1e-6)
    assert resize(flat, 64) is flat
    board = np.indices((128, 128)).sum(axis=0) % 2
    reduced = resize(np.repeat(board[..., None], 3, axis=2).astype(np.float32), 16)
    np.testing.assert_allclose(reduced[2:-2, 2:-2], 0.5, atol=0.01)
    steps = np.zeros((8, 8), np.float32)
    steps[:, 4:] = 1  # overshoots
    assert resize_plane(steps, 32, 32).max() == 1
    assert resize_plane(steps[:, ::-1], 3, 5).shape == (3, 5)


@pytest.mark.parametrize("size", [0, -3, 2.5, "64", None])
def test_a_size_that_is_none(size):
    with pytest.raises(OptionError, match="size must be"):
        resize(np.zeros((8, 8, 3), np.float32), size)


def test_a_thin_picture_does_not_explode():
    with pytest.raises(ImageError, match="choose a smaller size"):
        resize(np.zeros((1, 5000, 3), np.float32), 1000)
    assert MAX_PIXELS < 1000 * 1000 * 5000
    with pytest.raises(ImageError, match="shape"):
        resize(np.zeros((8, 8), np.float32), 4)


# --- writing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1"])
def test_every_format_takes_every_usual_mode(row, mode, tmp_path):
    picture = noise().convert(mode)
    for suffix in row.suffixes:
        path = tmp_path / f"picture{suffix.upper()}"
        write_image(picture, path)
        with Image.open(path) as result:
            assert result.format == row.name
            assert result.size == (80, 60)
    assert len(list(tmp_path.iterdir())) == len(row.suffixes)


def test_jpeg_shows_transparency_as_white(tmp_path):
    picture = Image.new("RGBA", (32, 16), (0, 0, 0, 0))
    picture.paste((255, 0, 0, 128), (16, 0, 32, 16))
    write_image(picture, tmp_path / "white.jpg", save=SaveOptions(quality=100))
    with Image.open(tmp_path / "white.jpg") as result:
        assert result.mode == "RGB"
        np.testing.assert_allclose(result.getpixel((4, 8)), (255, 255, 255), atol=2)
        np.testing.assert_allclose(result.getpixel((28, 8)), (255, 127, 127), atol=4)


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_quality_counts(suffix, tmp_path):
    sizes = []
    for quality in (1, 50, 92):
        write_image(noise(), tmp_path / f"{quality}.{suffix}", save=SaveOptions(quality=quality))
        sizes.append((tmp_path / f"{quality}.{suffix}").stat().st_size)
    write_image(noise(), tmp_path / f"default.{suffix}")
    assert sizes == sorted(set(sizes))
    assert (tmp_path / f"default.{suffix}").stat().st_size == sizes[-1]


def test_a_profile_is_written_along(tmp_path):
    picture = noise()
    picture.info["icc_profile"] = DISPLAY_P3
    for row in WRITTEN:
        path = tmp_path / f"p3{row.suffixes[0]}"
        write_image(picture, path)
        with Image.open(path) as result:
            assert result.info["icc_profile"] == DISPLAY_P3


def test_streams_get_png_or_what_is_asked_for():
    for format, start in ((None, b"\x89PNG"), (".JPG", b"\xff\xd8"), ("tiff", b"II")):
        stream = io.BytesIO()
        write_image(noise(), stream, format=format)
        assert stream.getvalue().startswith(start)

    class Slow(io.RawIOBase):
        got = b""

        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            part = bytes(data[:1000])
            self.got += part
            return len(part)

    slow = Slow()
    write_image(noise(), slow)
    np.testing.assert_array_equal(pixels(Image.open(io.BytesIO(slow.got))), pixels(noise()))


def test_options_out_of_range(tmp_path):
    for quality in (0, 101):
        with pytest.raises(OptionError, match=rf"quality is {quality}; give 1 to 100"):
            SaveOptions(quality=quality)
    with pytest.raises(OptionError, match=r"give"):
        write_image(noise(), tmp_path / "x.png", format="gif")


@pytest.mark.parametrize("name", ["picture", "picture.gif", "picture.txt", ".png"])
def test_an_unknown_suffix_names_the_known(name, tmp_path):
    with pytest.raises(
        ImageError, match=r"\.jpg, \.jpeg, .*\.jfif, .*\.png, \.webp, \.avif, \.tif, \.tiff$"
    ):
        write_image(noise(), tmp_path / name)
    assert not list(tmp_path.iterdir())


def refused(path: Path, says: str, **options: Any) -> None:
    before = (
        {entry: entry.stat() for entry in path.parent.iterdir()} if path.parent.is_dir() else {}
    )
    with pytest.raises(ImageError) as caught:
        write_image(noise(), path, **options)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert says in text
    assert text.isprintable()
    if before:
        assert {entry: entry.stat() for entry in path.parent.iterdir()} == before


def test_where_nothing_can_be_written(tmp_path):
    refused(tmp_path / "none" / "x.png", "there is no folder")
    (tmp_path / "file").write_bytes(b"")
    refused(tmp_path / "file" / "x.png", "there is no folder")
    (tmp_path / "folder.png").mkdir()
    refused(tmp_path / "folder.png", "is a folder", save=SaveOptions(overwrite=True))
    refused(tmp_path / ("x" * 300 + ".png"), "")
    for name in ("no\0name.png", tmp_path / ("x" * 300) / "x.png"):
        with pytest.raises(ImageError):
            write_image(noise(), name)
    if Path("/dev/null").exists():
        refused(Path("/dev/null"), "device", save=SaveOptions(overwrite=True), format="png")
    if Path("/dev/full").exists():
        with (
            Path("/dev/full").open("wb") as full,
            pytest.raises(ImageError, match=r"/dev/full: .*space"),
        ):
            write_image(noise(), full)


def test_an_existing_file_is_replaced_only_when_told(tmp_path):
    path = tmp_path / "mine.png"
    path.write_bytes(b"precious")
    refused(path, "overwrite")
    assert path.read_bytes() == b"precious"
    write_image(noise(), path, save=SaveOptions(overwrite=True))
    np.testing.assert_array_equal(pixels(Image.open(path)), pixels(noise()))
    assert list(tmp_path.iterdir()) == [path]
    link = tmp_path / "link.png"
    link.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(ImageError, match="overwrite"):
        write_image(noise(), link)


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_appears_meanwhile_is_not_replaced(links, tmp_path, monkeypatch):
    path = tmp_path / "mine.png"
    save = Image.Image.save

    def slow(*arguments: Any, **options: Any) -> None:
        save(*arguments, **options)
        path.write_bytes(b"precious")

    monkeypatch.setattr(Image.Image, "save", slow)
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    with pytest.raises(ImageError, match="overwrite"):
        write_image(noise(), path)
    assert path.read_bytes() == b"precious"
    assert list(tmp_path.iterdir()) == [path]


def _no_links(*_: Any, **__: Any) -> None:
    raise PermissionError(1, "Operation not permitted")


def _full(*_: Any) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize("step", ["save", "write", "rename"])
def test_a_failure_leaves_nothing_behind(step, overwrite, tmp_path, monkeypatch):
    path = tmp_path / "mine.png"
    if overwrite:
        path.write_bytes(b"precious")
    before = list(tmp_path.iterdir())
    if step == "save":
        monkeypatch.setattr(Image.Image, "save", lambda *_, **__: _full())
    elif step == "rename":
        monkeypatch.setattr(Path, "replace", _full)
        monkeypatch.setattr(os, "link", _no_links)
    else:

        class Full(io.BytesIO):
            write = _full

        def opened(handle: int, mode: str) -> Any:
            os.close(handle)
            return Full()

        monkeypatch.setattr(os, "fdopen", opened)
    with pytest.raises(ImageError, match="No space left"):
        write_image(noise(), path, save=SaveOptions(overwrite=overwrite))
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == before
    if overwrite:
        assert path.read_bytes() == b"precious"


def test_files_are_written_without_hard_links_and_with_the_usual_rights(tmp_path, monkeypatch):
    mask = os.umask(0o022)
    os.umask(mask)
    write_image(noise(), tmp_path / "one.png")
    monkeypatch.setattr(os, "link", _no_links)
    write_image(noise(), tmp_path / "two.png")
    for name in ("one.png", "two.png"):
        np.testing.assert_array_equal(pixels(Image.open(tmp_path / name)), pixels(noise()))
        if os.name == "posix":
            assert (tmp_path / name).stat().st_mode & 0o777 == 0o666 & ~mask
    assert len(list(tmp_path.iterdir())) == 2


def test_what_a_format_cannot_hold_is_told(tmp_path):
    with pytest.raises(ImageError, match="cannot be written as JPEG"):
        write_image(Image.new("F", (3, 3)), tmp_path / "float.jpg")
    with pytest.raises(ImageError, match=r"cannot be written as WEBP .* 20000 x 1 pixels"):
        write_image(Image.new("RGB", (20_000, 1)), tmp_path / "long.webp")
    assert not list(tmp_path.iterdir())
