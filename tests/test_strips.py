"""Files in strips: read as small pictures are, written so that everybody can read them."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_files import png_chunk
from conftest import VARIANTS, make_tiny, open_variant, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from mutated_files import tiff
from PIL import Image, ImageCms, TiffImagePlugin
from test_controls import blob

from impasto.controls import Controls
from impasto.controls import masks as mask_files
from impasto.controls.masks import PictureMask, read_mask
from impasto.errors import ImageError, OptionError
from impasto.images import strips_in as strips
from impasto.images.options import ReadOptions, SaveOptions
from impasto.images.photo import read_photo
from impasto.images.sources import open_picture
from impasto.images.strips_in import StripSource
from impasto.images.strips_out import PngWriter, TiffWriter, encode_png, filtered
from impasto.images.windows import DeepSource, PillowSource
from impasto.painting import Budget
from impasto.stylizer import Stylizer

SIDES = (97, 131)


@pytest.fixture(autouse=True)
def short_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small pictures too come in many strips."""
    monkeypatch.setattr(strips, "_STRIP_BYTES", 3000)
    monkeypatch.setattr(strips, "_READ_BYTES", 500)


def pillow(mode: str) -> Image.Image:
    """A picture in which every row and column differs."""
    y, x = np.mgrid[: SIDES[0], : SIDES[1]]
    planes = [x * 2 + y, y * 3, x * y // 7, 255 - x - y]
    rgba = Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))
    gray = rgba.getchannel(0)
    if mode == "I;16":
        return Image.fromarray((np.asarray(gray).astype(np.uint16) * 257) - x.astype(np.uint16))
    if mode in ("P", "P4"):
        return rgba.convert("RGB").quantize(12 if mode == "P4" else 200)
    if mode == "LA":
        return Image.merge("LA", [gray, rgba.getchannel(3)])
    return rgba if mode == "RGBA" else rgba.convert("RGB").convert(mode)


def check_windows(path: Path, kind: type) -> None:
    """Windows are what all of the picture is there, whatever their order."""
    wanted = read_photo(path)
    with open_picture(path, max_pixels=10**6) as picture:
        source = picture.source()
        assert isinstance(source, kind)
        assert (picture.height, picture.width) == wanted.image.shape[:2]
        assert picture.metadata == wanted.metadata
        assert source.depth == wanted.depth
        for top in (*range(0, picture.height, 20), 3, 0, 60):
            rows = slice(max(0, top - 7), min(picture.height, top + 27))
            for columns in (slice(0, 60), slice(40, picture.width)):
                image, opacity = source.window(rows, columns)
                np.testing.assert_array_equal(image, wanted.image[rows, columns])
                assert (opacity is None) == (wanted.alpha is None)
                if opacity is not None and wanted.alpha is not None:
                    np.testing.assert_array_equal(opacity, wanted.alpha[rows, columns])


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "P4", "1", "I;16"])
def test_png_in_strips(mode: str, tmp_path: Path) -> None:
    pillow(mode).save(tmp_path / "a.png")
    check_windows(tmp_path / "a.png", StripSource)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "CMYK", "F"])
def test_tiff_in_strips(mode: str, compression: str | None, tmp_path: Path) -> None:
    image = pillow("L" if mode == "F" else mode)
    if mode == "F":
        image = Image.fromarray(np.asarray(image, np.float32) / 255)
    more: dict[str, Any] = {"compression": compression, "strip_size": 5000} if compression else {}
    image.save(tmp_path / "a.tif", **more)
    check_windows(tmp_path / "a.tif", StripSource)


def deep_values(channels: int) -> np.ndarray:
    """16 bits a channel, no row or column like another."""
    return np.random.default_rng(channels).integers(0, 65536, (*SIDES, channels), np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_of_16_bits_in_strips(channels: int, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(deep_values(channels)))
    check_windows(tmp_path / "a.png", StripSource)


def test_png_of_16_bits_with_a_color_that_is_transparent_in_strips(tmp_path: Path) -> None:
    values = deep_values(3)
    values[::5, ::3] = (1000, 2000, 3000)
    data = encode_png(values)
    at = data.index(b"IDAT") - 4
    key = png_chunk(b"tRNS", struct.pack(">3H", 1000, 2000, 3000))
    (tmp_path / "a.png").write_bytes(data[:at] + key + data[at:])
    check_windows(tmp_path / "a.png", StripSource)


@pytest.mark.parametrize("kind", ["u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("compression", [1, 5, 8])
@pytest.mark.parametrize("tile", [0, 16])
def test_deep_tiff_in_strips(kind: str, compression: int, tile: int, tmp_path: Path) -> None:
    for channels, order, big, predictor in (
        (1, "<", False, 1), (3, "<", False, 1), (3, ">", False, 2), (4, "<", True, 3),
        (2, "<", False, 2), (4, ">", False, 1), (3, "<", True, 1),
    ):  # fmt: skip
        if predictor == 3 and kind == "u2":
            continue
        values = deep_values(channels)
        values = values if kind == "u2" else (values / 65535).astype(kind)
        more: dict[str, Any] = {"predictor": predictor, "order": order, "big": big, "tile": tile}
        (tmp_path / "a.tif").write_bytes(tiff(values, compression=compression, **more))
        check_windows(tmp_path / "a.tif", StripSource)


def test_deep_tiff_that_is_turned_or_lies_in_planes_is_held_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(deep_values(3), planar=True))
    check_windows(tmp_path / "a.tif", DeepSource)
    (tmp_path / "a.tif").write_bytes(tiff(deep_values(3), tags={274: (6,)}))
    check_windows(tmp_path / "a.tif", DeepSource)


def test_tiff_of_jpeg_strips(tmp_path: Path) -> None:
    pillow("RGB").save(tmp_path / "a.tif", compression="jpeg", strip_size=5000)
    check_windows(tmp_path / "a.tif", StripSource)


@pytest.mark.parametrize("order", [b"II\x2a\x00", b"MM\x00\x2a"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_tiff_of_tiles(order: bytes, mode: str, tmp_path: Path) -> None:
    # Pillow writes none, so this one is put together by hand: 32 x 16 pixels a tile, plain.
    values = np.asarray(pillow(mode)).reshape(*SIDES, -1)
    channels = values.shape[2]
    full = np.pad(values, [(0, -SIDES[0] % 16), (0, -SIDES[1] % 32), (0, 0)])
    pieces = [
        full[top : top + 16, left : left + 32].tobytes()
        for top in range(0, SIDES[0], 16)
        for left in range(0, SIDES[1], 32)
    ]
    header = TiffImagePlugin.ImageFileDirectory_v2(order + bytes(4))
    tags = {256: SIDES[1], 257: SIDES[0], 258: (8,) * channels, 259: 1, 277: channels, 284: 1}
    for tag, value in {**tags, 262: 2 if channels == 3 else 1, 322: 32, 323: 16}.items():
        header[tag] = value
    for tag in (324, 325):
        header.tagtype[tag] = 4
    header[325] = tuple(map(len, pieces))
    header[324] = (0,) * len(pieces)
    start = 8 + len(header.tobytes(8))
    header[324] = tuple(start + 512 * channels * i for i in range(len(pieces)))
    with (tmp_path / "a.tif").open("wb") as file:
        header.save(file)
        file.write(b"".join(pieces))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.tif")), values.squeeze())
    check_windows(tmp_path / "a.tif", StripSource)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_profiles_exif_and_one_transparent_color(suffix: str, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif[0x010E] = "a title"
    exif.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    path = tmp_path / f"a.{suffix}"
    pillow("RGB").save(path, exif=exif, icc_profile=profile)
    check_windows(path, StripSource)
    for orientation in range(1, 9):
        exif[0x0112] = orientation
        pillow("RGB").save(path, exif=exif)
        check_windows(path, StripSource if orientation == 1 else PillowSource)
    if suffix == "png":
        pillow("RGB").save(path, transparency=(2, 3, 0))
        check_windows(path, StripSource)
        pillow("P").save(path, transparency=5)
        check_windows(path, StripSource)


def test_what_is_held_as_a_whole(tmp_path: Path) -> None:
    pillow("RGB").save(tmp_path / "a.jpg")
    check_windows(tmp_path / "a.jpg", PillowSource)
    pillow("RGB").save(tmp_path / "a.webp")
    check_windows(tmp_path / "a.webp", PillowSource)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_file_cut_short_is_one_line(suffix: str, tmp_path: Path, tiny: Stylizer) -> None:
    path = tmp_path / f"a.{suffix}"
    pillow("RGB").save(path)
    data = path.read_bytes()
    for share in (0.3, 0.6, 0.95):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ImageError, match=f"a.{suffix}: .*damaged, truncated") as error:
            tiny.stylize_file(path, tmp_path / "out.png", picture(32, 32), budget=Budget(tile=32))
        assert "\n" not in str(error.value)
    assert sorted(each.name for each in tmp_path.iterdir()) == [f"a.{suffix}"]


def test_pixels_that_end_early_with_other_bytes_behind_them(tmp_path: Path) -> None:
    rows = zlib.compress(bytes(100 * (1 + 3 * 80))) + b"no pixels " * 3000
    header = struct.pack(">IIBBBBB", 80, 200, 8, 2, 0, 0, 0)
    chunks = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", rows), png_chunk(b"IEND")]
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    with open_picture(tmp_path / "a.png") as file:
        source = file.source()
        assert isinstance(source, StripSource)
        assert source.window(slice(0, 90), slice(0, 80))[0].max() == 0
        with pytest.raises(ImageError, match="damaged, truncated"):
            source.window(slice(90, 200), slice(0, 80))


# --- writing ---------------------------------------------------------------------------------


@given(st.integers(1, 80), st.integers(1, 70), st.sampled_from([3, 4]), st.integers(1, 40))
@settings(deadline=None, max_examples=40)
def test_what_is_written_in_strips_is_read_by_pillow(
    height: int, width: int, channels: int, step: int
) -> None:
    rng = np.random.default_rng(height * width)
    rows = rng.integers(0, 256, (height, width, channels), np.uint8)
    rows[: height // 2] //= 8  # plain as well as noisy
    for writer_of in (PngWriter, TiffWriter):
        file = io.BytesIO()
        writer = writer_of(file, (width, height), channels)
        for top in range(0, height, step):
            writer.write(rows[top : top + step])
        writer.close()
        with Image.open(file) as found:
            assert found.mode == {3: "RGB", 4: "RGBA"}[channels]
            np.testing.assert_array_equal(np.asarray(found), rows)


def test_filters_pay() -> None:
    rows = (255 * picture(64, 80)).astype(np.uint8)
    plain, less = io.BytesIO(), io.BytesIO()
    Image.fromarray(rows).save(plain, "PNG")
    writer = PngWriter(less, (80, 64), 3)
    writer.write(rows)
    writer.close()
    assert less.tell() < 1.1 * plain.tell()
    assert set(filtered(rows, np.zeros((80, 3), np.uint8))[:, 0]) <= {1, 2, 4}


# --- from file to file -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize(
    "options", [{}, {"size": 50}, {"size": 120, "color": "luminance"}], ids=str
)
@pytest.mark.parametrize("kind", ["png", "alpha.png", "tif", "jpg"])
def test_from_file_to_file_is_stylize(
    tiny: Stylizer, tmp_path: Path, kind: str, options: dict[str, Any], suffix: str
) -> None:
    image = pillow("RGBA" if "alpha" in kind else "RGB")
    exif = Image.Exif()
    exif[0x010E] = "a title"
    if "alpha" in kind:
        image.putalpha(Image.fromarray((255 * blob(*SIDES, 3)).astype(np.uint8)))
    source, target = tmp_path / f"a.{kind}", tmp_path / f"painted.{suffix}"
    image.save(source, exif=exif)
    style = picture(40, 50, seed=1)
    wanted = tiny.stylize(source, style, **options)
    assert isinstance(wanted, Image.Image)
    controls, read = Controls(color=options.get("color")), ReadOptions(size=options.get("size"))
    written = tiny.stylize_file(source, target, style, controls, read=read, budget=Budget(tile=40))
    assert (written.path, written.tile) == (target, 40)
    with Image.open(target) as found:
        assert (found.mode, found.size) == (wanted.mode, wanted.size)
        assert found.size == (written.width, written.height)
        assert found.getexif()[0x010E] == "a title"
        assert np.abs(np.asarray(found).astype(int) - np.asarray(wanted)).max() <= 1


def test_large_masks_are_read_by_their_parts(
    tiny: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pillow("RGB").save(tmp_path / "a.png")
    cut_out = pillow("RGBA")
    cut_out.putalpha(cut_out.getchannel(3).resize((300, 200)).resize(cut_out.size))
    cut_out.save(tmp_path / "cut.tif")
    Image.fromarray(np.rint(blob(210, 150, 5) * 65535).astype(np.uint16)).save(tmp_path / "b.png")
    pillow("L").save(tmp_path / "alpha.jpg")
    styles = [picture(40, 50), picture(50, 44)]
    wish: dict[str, Any] = {
        "masks": [tmp_path / "cut.tif", str(tmp_path / "b.png")],
        "alpha": tmp_path / "alpha.jpg",
    }
    whole = np.asarray(tiny.stylize(tmp_path / "a.png", styles, **wish))
    monkeypatch.setattr(mask_files, "_SMALL", 0)
    for tile in (None, 48):
        target = tmp_path / f"{tile}.png"
        budget = Budget(tile=tile)
        tiny.stylize_file(tmp_path / "a.png", target, styles, Controls(**wish), budget=budget)
        np.testing.assert_allclose(np.asarray(Image.open(target), int), whole, atol=1)
    with ExitStack() as files:
        masks = Controls(**wish).opened(files, max_pixels=10**6).masks
        assert all(isinstance(mask, PictureMask) for mask in masks)
        for mask, path in zip(masks, wish["masks"], strict=True):
            np.testing.assert_array_equal(mask.whole(), read_mask(path))
        painted = tiny.stylize(tmp_path / "a.png", styles, **{**wish, "masks": masks})
        np.testing.assert_allclose(np.asarray(painted, int), whole, atol=1)


def test_bad_large_masks(tiny: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_files, "_SMALL", 0)
    pillow("RGB").save(tmp_path / "a.png")
    Image.new("L", (50, 400)).save(tmp_path / "black.png")
    for mask, error, text in (
        ("a.png", ImageError, r"a\.png: is a picture in color"),
        ("black.png", OptionError, "mask 1 is empty"),
        ("gone.png", ImageError, r"gone\.png: no such file"),
    ):
        with pytest.raises(error, match=text):
            tiny.stylize_file(
                tmp_path / "a.png",
                tmp_path / "o.png",
                picture(32, 32),
                Controls(masks=[tmp_path / mask]),
            )
    assert not (tmp_path / "o.png").exists()


def test_masks_and_names_from_file_to_file(tiny: Stylizer, tmp_path: Path) -> None:
    pillow("RGB").save(tmp_path / "a.png")
    masks = [blob(50, 60, 1), blob(*SIDES, 2)]
    styles = [picture(40, 50, seed=seed) for seed in (1, 2)]
    options: dict[str, Any] = {"masks": masks, "weights": (1, 2), "alpha": blob(20, 20, 4)}
    wanted = tiny.stylize(tmp_path / "a.png", styles, **options)
    tiny.stylize_file(
        tmp_path / "a.png",
        tmp_path / "b.jpg",
        styles,
        Controls(**options),
        save=SaveOptions(quality=100),
    )
    tiny.stylize_file(
        tmp_path / "a.png", tmp_path / "b.tif", styles, Controls(**options), budget=Budget(tile=32)
    )
    difference = np.asarray(Image.open(tmp_path / "b.tif")).astype(int) - np.asarray(wanted)
    assert np.abs(difference).max() <= 1
    wanted.save(tmp_path / "wanted.jpg", quality=100)
    jpegs = [np.asarray(Image.open(tmp_path / f"{name}.jpg"), int) for name in ("b", "wanted")]
    assert np.abs(jpegs[0] - jpegs[1]).mean() < 0.5
    with pytest.raises(ImageError, match=r"b\.tif: already exists"):
        tiny.stylize_file(tmp_path / "a.png", tmp_path / "b.tif", styles)
    with pytest.raises(ImageError, match=r"'.xyz' is not supported for output"):
        tiny.stylize_file(tmp_path / "a.png", tmp_path / "b.xyz", styles)
    with pytest.raises(OptionError, match="even in tiles of 32 pixels, but memory is 1 MB"):
        tiny.stylize_file(
            tmp_path / "a.png", tmp_path / "c.tif", styles, budget=Budget(memory=10**6)
        )
    with pytest.raises(ImageError, match="more than max_pixels"):
        tiny.stylize_file(
            tmp_path / "a.png", tmp_path / "c.tif", styles, read=ReadOptions(max_pixels=1000)
        )
    assert not (tmp_path / "c.tif").exists()


LARGE = """
import sys
import zlib
from contextlib import ExitStack
from pathlib import Path
import impasto

source, target, model, engine, precision, memory = sys.argv[1:]
stylizer = impasto.load(Path(model), engine=engine, precision=precision, threads=2)
style = str(Path(source).with_name("style" + Path(source).suffix))
written = stylizer.stylize_file(
    source, target, style, budget=impasto.Budget(memory=int(memory))
)
status = Path("/proc/self/status").read_text()
print(written.tile, status.split("VmHWM:")[1].split()[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_large_picture_stays_within_its_budget(
    suffix: str, tmp_path: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # strips as long as they are
    height, width = 4000, 6000
    across = np.arange(width * 3, dtype=np.uint32).reshape(1, width, 3) // 40
    source = tmp_path / f"large.{suffix}"
    with source.open("wb") as file:
        writer = (PngWriter if suffix == "png" else TiffWriter)(file, (width, height), 3)
        for top in range(0, height, 200):
            down = np.arange(top, top + 200)[:, None, None] // 9
            writer.write(((across + down) % 256).astype(np.uint8))
        writer.close()
    style = Image.fromarray((255 * picture(64, 64, seed=1)).astype(np.uint8))
    style.save(tmp_path / f"style.{suffix}")
    engine, precision = VARIANTS[-1]
    memory = 500_000_000
    arguments = [source, tmp_path / f"out.{suffix}", tiny_path, engine, precision, memory]
    done = subprocess.run(
        [sys.executable, "-c", LARGE, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
    )
    tile, peak = done.stdout.split()
    assert 32 <= int(tile) < width
    assert int(peak) * 1024 < memory
    with Image.open(tmp_path / f"out.{suffix}") as found:
        assert found.size == (width, height)


def test_the_same_model_at_once(tmp_path: Path) -> None:
    model = open_variant(make_tiny(margin=8), ("onnxruntime", "fp32"))
    pillow("RGB").save(tmp_path / "a.png")
    written = model.stylize_file(tmp_path / "a.png", tmp_path / "b.png", picture(40, 40))
    assert written.tile is None
