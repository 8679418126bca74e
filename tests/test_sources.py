"""A picture that is opened: its header is parsed once, its pixels are decoded when asked for."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mutated_files import interlaced, tiff
from PIL import Image, ImageFile

from impasto.errors import ImageError, OptionError
from impasto.images.arrays import Photo
from impasto.images.photo import read_photo
from impasto.images.sources import OpenPicture, open_picture
from impasto.images.strips_out import encode_png


def values(*, deep: bool = False) -> np.ndarray:
    """(19, 30, 3), no row or column like another."""
    rng = np.random.default_rng(5)
    return rng.integers(0, 65536 if deep else 256, (19, 30, 3), np.uint16 if deep else np.uint8)


def encoded(format: str, orientation: int = 1, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a title"
    stream = io.BytesIO()
    Image.fromarray(values()).save(stream, format, exif=exif, **options)
    return stream.getvalue()


FILES = {
    "a.jpg": encoded("JPEG"),
    "turned.jpg": encoded("JPEG", 6),
    "a.webp": encoded("WEBP"),
    "a.png": encoded("PNG"),
    "turned.png": encoded("PNG", 8),
    "a.tif": encoded("TIFF"),
    "turned.tif": encoded("TIFF", 6),
    "packed.tif": encoded("TIFF", 5, compression="tiff_lzw"),
    "deep.png": encode_png(values(deep=True)),
    "woven.png": interlaced(values(deep=True)),
    "deep.tif": tiff(values(deep=True)),
    "turned-deep.tif": tiff(values(deep=True), tags={274: (6,)}),
    "planes.tif": tiff(values(deep=True), planar=True),
    "deep.ppm": b"P6\n30 19\n65535\n" + values(deep=True).astype(">u2").tobytes(),
}


@pytest.fixture(params=FILES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = tmp_path / request.param
    path.write_bytes(FILES[request.param])
    return path


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """The files whose headers Pillow parses; not strips of them, which lie in memory."""
    files: list[Any] = []
    plain = ImageFile.ImageFile.__init__

    def counted(self: ImageFile.ImageFile, fp: Any, filename: Any = None) -> None:
        if not isinstance(fp, io.BytesIO):
            files.append(fp)
        plain(self, fp, filename)

    monkeypatch.setattr(ImageFile.ImageFile, "__init__", counted)
    yield files


# Pillow gives 16 bits of a PNG as high bytes and as low bytes, and planes of a TIFF one by one.
DECODED = {"deep.png": 2, "woven.png": 2, "planes.tif": 3}


@pytest.mark.parametrize("first", ["nothing", "size", "exif", "streams"])
@pytest.mark.parametrize("then", ["photo", "source"])
def test_the_header_is_parsed_once(path: Path, first: str, then: str, parsed: list[Any]) -> None:
    wanted = read_photo(path)
    assert len(parsed) == DECODED.get(path.name, 1)
    parsed.clear()
    with open_picture(path) as picture:
        if first == "size":
            assert (picture.height, picture.width) == wanted.image.shape[:2]
        elif first == "exif":
            assert picture.metadata == wanted.metadata
        elif first == "streams":
            assert picture.streams == (path.name in STREAMED)
        assert len(parsed) == 1
        if then == "photo":
            check(picture.photo(), wanted)
        else:
            check_source(picture, wanted)
        strips = then == "source" and path.name in STREAMED
        assert len(parsed) == (1 if strips else DECODED.get(path.name, 1))
        assert picture.streams == (path.name in STREAMED)


STREAMED = {"a.png", "a.tif", "deep.png", "deep.tif"}


def check(photo: Photo, wanted: Photo) -> None:
    np.testing.assert_array_equal(photo.image, wanted.image)
    assert photo.alpha is wanted.alpha is None
    assert (photo.metadata, photo.depth) == (wanted.metadata, wanted.depth)
    assert photo.remark == wanted.remark


def check_source(picture: OpenPicture, wanted: Photo) -> None:
    source = picture.source()
    assert (source.height, source.width, source.depth) == (*wanted.image.shape[:2], wanted.depth)
    assert picture.depth == wanted.depth
    assert (source.held == 0) == picture.streams
    rows, columns = slice(3, 17), slice(2, 15)
    np.testing.assert_array_equal(source.window(rows, columns)[0], wanted.image[rows, columns])


def test_whoever_asks_twice_is_answered_twice(path: Path) -> None:
    wanted = read_photo(path)
    with open_picture(path) as picture:
        check(picture.photo(), wanted)
        check_source(picture, wanted)
        check_source(picture, wanted)
        check(picture.photo(), wanted)
        assert (picture.height, picture.width) == wanted.image.shape[:2]
        assert picture.metadata == wanted.metadata


@pytest.mark.parametrize("name", ["a.jpg", "turned.png", "deep.tif"])
def test_streams_arrays_and_pillow_images_are_opened_too(name: str) -> None:
    wanted = read_photo(io.BytesIO(FILES[name]))
    with open_picture(io.BytesIO(FILES[name])) as picture:
        check_source(picture, wanted)
        check(picture.photo(), wanted)
    with Image.open(io.BytesIO(encoded("PNG", 6))) as image, open_picture(image) as picture:
        assert (picture.height, picture.width, picture.streams) == (30, 19, False)
        check(picture.photo(), read_photo(image))
        check_source(picture, read_photo(image))
    with open_picture(values(deep=True)) as picture:
        assert picture.form is not None
        assert (picture.height, picture.width, picture.depth) == (19, 30, 16)
        assert picture.source().depth == 16
        check(picture.photo(), read_photo(values(deep=True)))


def test_size_and_exif_need_no_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Image.Image) -> None:
        assert self.height < 15, "pixels were decoded"

    real = ImageFile.ImageFile.load
    monkeypatch.setattr(
        ImageFile.ImageFile, "load", lambda self: refuse(self) or real(self), raising=True
    )
    for name, data in FILES.items():
        if name != "woven.png":  # interlaced: what follows its pixels is found behind them
            with open_picture(io.BytesIO(data)) as picture:
                assert {picture.height, picture.width} == {19, 30}
                assert picture.depth == (16 if "deep" in name or "planes" in name else 8)
                assert picture.metadata.exif or picture.depth == 16


def test_what_is_wrong_is_said_at_once_or_when_pixels_are_asked_for() -> None:
    with pytest.raises(OptionError, match="max_pixels is 0"), open_picture("x", max_pixels=0):
        pass
    with (
        pytest.raises(ImageError, match="more than max_pixels = 100"),
        open_picture(io.BytesIO(FILES["a.jpg"]), max_pixels=100),
    ):
        pass
    with open_picture(io.BytesIO(FILES["a.jpg"][:-300])) as picture:
        assert picture.height == 19
        with pytest.raises(ImageError, match="a damaged, truncated or unusual JPEG file"):
            picture.photo()
    with open_picture(np.full((3, 4), 2.0)) as picture:
        assert picture.width == 4
        with pytest.raises(ImageError, match="floats from 2 to 2"):
            picture.photo()


def test_a_photo_is_a_source() -> None:
    photo = read_photo(np.dstack([values(), values()[..., :1]]))
    image, alpha = photo.window(slice(2, 5), slice(7, 30))
    np.testing.assert_array_equal(image, photo.image[2:5, 7:])
    np.testing.assert_array_equal(alpha, photo.alpha[2:5, 7:])
    assert (photo.height, photo.width, photo.held, photo.row_bytes) == (19, 30, 0, 0)
