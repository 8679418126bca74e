"""Files of several pictures: the one that is meant is painted, and the others are told of."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_files import encoded, noise, raw_file
from PIL import Image
from test_images import message
from test_ranges import windows

from impasto.images.photo import read_photo

tifffile = pytest.importorskip("tifffile")

RAW_STARTS = {
    "Canon CR2": b"II*\0\x10\0\0\0CR\x02\0",
    "Canon CR3": struct.pack(">I", 24) + b"ftypcrx \0\0\0\x01crx isom",
    "Canon CRW": b"II\x1a\0\0\0HEAPCCDR",
    "Fujifilm RAF": b"FUJIFILMCCD-RAW 0201",
    "Minolta MRW": b"\0MRM\0\0",
    "Olympus ORF": b"IIRO\x08\0\0\0",
    "Panasonic RW2": b"IIU\0\x18\0\0\0",
    "Phase One IIQ": b"II*\0\x10\0\0\0IIII",
    "Sigma X3F": b"FOVb\0\0\x02\0",
}


def colors(height: int = 40, width: int = 56, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def check(path: Path, wanted: np.ndarray, remark: str = "") -> None:
    photo = read_photo(path)
    white = np.float32(np.iinfo(wanted.dtype).max)
    np.testing.assert_array_equal(photo.image, wanted.astype(np.float32) / white)
    np.testing.assert_array_equal(windows(path), photo.image)
    assert photo.remark == remark


# --- raw photographs ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", sorted(RAW_STARTS))
def test_raw_photographs_by_their_first_bytes(kind: str) -> None:
    text = message(io.BytesIO(RAW_STARTS[kind] + bytes(300)))
    assert f"a raw photograph ({kind}); develop it in a raw converter" in text
    assert "TIFF or JPEG" in text


@pytest.mark.parametrize("photometric", ["cfa", "linear_raw"])
@pytest.mark.parametrize("where", ["first", "sub", "next"])
@pytest.mark.parametrize("big", [False, True])
def test_raw_photographs_by_their_pictures(
    photometric: str, where: str, big: bool, tmp_path: Path
) -> None:
    path = tmp_path / "a.tif"
    shape = (80, 120) if photometric == "cfa" else (80, 120, 3)
    sensor: dict[str, Any] = {"data": np.full(shape, 500, np.uint16), "photometric": photometric}
    if photometric == "cfa":
        pattern = [(33421, 3, 2, (2, 2), True), (33422, 1, 4, bytes([0, 1, 1, 2]), True)]
        sensor["extratags"] = pattern
    with tifffile.TiffWriter(path, bigtiff=big) as file:
        if where != "first":
            subs = int(where == "sub")
            file.write(colors(), photometric="rgb", subfiletype=1 if subs else 0, subifds=subs)
        file.write(**sensor)
    assert "a raw photograph" in message(path)


def test_raw_photographs_by_version_and_by_compression(tmp_path: Path) -> None:
    version = (50706, 1, 4, bytes([1, 4, 0, 0]), True)
    with tifffile.TiffWriter(tmp_path / "a.dng") as file:
        file.write(colors(), photometric="rgb", subfiletype=1, extratags=[version])
    assert "a raw photograph" in message(tmp_path / "a.dng")
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:  # a picture that has kept the number
        file.write(colors(), photometric="rgb", extratags=[version])
    check(tmp_path / "a.tif", colors())
    data = bytearray(raw_file())
    for old, new in ((32803, 2), (500, 501)):  # not a mosaic by its name ...
        data = bytearray(bytes(data).replace(struct.pack("<I", old), struct.pack("<I", new), 1))
    nikon = struct.pack("<HHII", 259, 4, 1, 34713)  # ... but compressed as only Nikon does
    data = data.replace(struct.pack("<HHI", 258, 4, 1) + struct.pack("<I", 16), nikon)
    assert "a raw photograph" in message(io.BytesIO(bytes(data)))


def test_the_name_alone_says_nothing(tmp_path: Path) -> None:
    for suffix in ("dng", "nef", "cr2", "raw"):
        (tmp_path / f"a.{suffix}").write_bytes(encoded("PNG"))
        check(tmp_path / f"a.{suffix}", np.asarray(noise()))
    assert "a raw photograph (.kdc by its name)" in message(_written(tmp_path / "a.kdc", b"xyz1"))


# --- previews ----------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["sub", "next"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("options", [{}, {"compression": "deflate", "predictor": True}])
def test_the_picture_behind_a_preview(
    where: str, kind: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    path, main = tmp_path / "a.tif", colors(90, 70).astype(kind) * kind(np.iinfo(kind).max // 255)
    with tifffile.TiffWriter(path) as file:
        subs = int(where == "sub")
        artist = [(315, 2, 0, "Ada", True)]
        file.write(colors(9, 7), photometric="rgb", subfiletype=1, subifds=subs, extratags=artist)
        file.write(main, photometric="rgb", **options)
        if where == "next":
            file.write(colors(45, 35), photometric="rgb", subfiletype=1)
    check(path, main, "its first picture, 7 x 9, is a preview; the main one is used")
    exif = Image.Exif()
    exif.load(read_photo(path).metadata.exif)
    assert exif[315] == "Ada"  # which the first picture's directory has


def test_a_preview_of_nothing_is_a_picture(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", colors(), photometric="rgb", subfiletype=1)
    check(tmp_path / "a.tif", colors())


# --- pages -------------------------------------------------------------------------------------


def test_pages_pyramids_and_masks(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for big in (False, True):
        with tifffile.TiffWriter(path, bigtiff=big) as file:
            for seed in range(3):
                file.write(colors(seed=seed), photometric="rgb")
        check(path, colors(), "the first of its 3 pages is used")
        with tifffile.TiffWriter(path, bigtiff=big) as file:  # a pyramid
            file.write(colors(64, 64), photometric="rgb", subifds=2, tile=(32, 32))
            for side in (32, 16):
                file.write(colors(side, side), photometric="rgb", subfiletype=1, tile=(16, 16))
        check(path, colors(64, 64))
        with tifffile.TiffWriter(path, bigtiff=big) as file:  # reduced ones and a mask behind it
            file.write(colors(), photometric="rgb")
            file.write(colors(20, 28), photometric="rgb", subfiletype=1)
            file.write(np.zeros((40, 56), bool), subfiletype=4, photometric="minisblack")
        check(path, colors())


def test_a_stereo_pair_is_its_first_photograph(tmp_path: Path) -> None:
    one, two = noise(), noise().rotate(180)
    one.save(tmp_path / "a.mpo", "MPO", save_all=True, append_images=[two], quality=95)
    one.save(tmp_path / "b.jpg", quality=95)
    check(tmp_path / "a.mpo", np.asarray(Image.open(tmp_path / "b.jpg")))


def test_the_main_one_of_several_in_a_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    dark, light = (Image.new("RGB", (64, 48), (value,) * 3) for value in (20, 220))
    several = heif.from_pillow(dark)
    several.add_from_pillow(light)
    several.save(tmp_path / "a.heic", primary_index=1)
    photo = read_photo(tmp_path / "a.heic")
    assert photo.image.mean() > 0.7
    assert photo.remark == "the main one of its 2 pictures is used"


def test_the_line_of_a_result_says_how_many(tmp_path: Path, tiny_path: Path) -> None:
    frames = [Image.fromarray(colors(seed=seed)) for seed in range(4)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    frames[0].save(tmp_path / "style.tif", save_all=True, append_images=frames[1:3])
    command = [sys.executable, "-m", "impasto", "stylize", "a.tif", "style.tif", "-o", "o.png"]
    done = subprocess.run(
        [*command, "--model", str(tiny_path), "--engine", "onnxruntime"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == "impasto: style style.tif: the first of its 3 pages is used\n"
    assert done.stdout.rstrip().endswith("; the first of its 4 pages is used")


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
