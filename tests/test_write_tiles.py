"""Pictures written as their tiles become ready: to every format, whole or not at all."""

from __future__ import annotations

import inspect
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.errors import EngineError, ImageError
from impasto.images.arrays import Photo
from impasto.images.formats import WRITTEN
from impasto.images.metadata import Metadata
from impasto.images.options import SaveOptions
from impasto.images.windows import PaintedTile
from impasto.images.writing import Rendered, write_image, write_tiles

SIDES = (50, 70)


def floats(channels: int) -> np.ndarray:
    return np.random.default_rng(channels).random((*SIDES, channels), np.float32)


def metadata() -> Metadata:
    data = Image.Exif()
    data[0x010E] = "a title"
    return Metadata(data.tobytes())


def tiles(values: np.ndarray, side: int = 32) -> Iterator[PaintedTile]:
    for top in range(0, SIDES[0], side):
        for left in range(0, SIDES[1], side):
            rows = slice(top, min(top + side, SIDES[0]))
            columns = slice(left, min(left + side, SIDES[1]))
            part = values[rows, columns]
            opacity = part[..., 3] if values.shape[2] == 4 else None
            yield PaintedTile(rows, columns, part[..., :3], opacity)


def write(values: np.ndarray, target: Any, **options: Any) -> None:
    about: dict[str, Any] = {"metadata": metadata(), "depth": 8, "save": SaveOptions(), **options}
    parts = about.pop("parts", None) or tiles(values)
    height, width = SIDES
    write_tiles(parts, target, height=height, width=width, alpha=values.shape[2] == 4, **about)


@pytest.mark.parametrize("row", WRITTEN, ids=lambda row: row.name)
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("depth", [8, 16])
def test_tiles_are_what_the_whole_is(row: Any, channels: int, depth: int, tmp_path: Path) -> None:
    if depth == 16 and not row.deep:
        return
    values = floats(channels)
    alpha = values[..., 3] if channels == 4 else None
    whole = Rendered(values[..., :3], alpha, metadata(), depth)
    wanted, found = (tmp_path / f"{name}{row.suffixes[0]}" for name in ("wanted", "found"))
    write_image(whole, wanted, save=SaveOptions(depth=depth, quality=70))
    write(values, found, depth=depth, save=SaveOptions(quality=70))
    with Image.open(wanted) as first, Image.open(found) as second:
        assert (first.mode, first.size) == (second.mode, second.size)
        np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
        assert second.getexif()[0x010E] == "a title"
        assert first.info["icc_profile"] == second.info["icc_profile"]


class Slow(io.RawIOBase):
    """Takes a part only, as an unbuffered stream may."""

    def __init__(self) -> None:
        self.got = b""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        part = bytes(data[:1000])
        self.got += part
        return len(part)


@pytest.mark.parametrize("depth", [8, 16])
def test_a_stream_gets_a_png(depth: int, tmp_path: Path) -> None:
    values, slow = floats(4), Slow()
    write(values, slow, depth=depth)
    write(values, tmp_path / "a.png", depth=depth)
    assert slow.got == (tmp_path / "a.png").read_bytes()
    closed = io.BytesIO()
    closed.close()
    with pytest.raises(ImageError, match=r"the stream: cannot be written \(I/O"):
        write(values, closed)


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg", None])
def test_a_tile_that_fails_leaves_nothing(name: str | None, tmp_path: Path) -> None:
    def parts() -> Iterator[PaintedTile]:
        yield from list(tiles(floats(3)))[:4]
        raise EngineError("out of memory")

    target = io.BytesIO() if name is None else tmp_path / name
    with pytest.raises(EngineError, match=r"^out of memory$"):
        write(floats(3), target, parts=parts())
    assert not list(tmp_path.iterdir())
    assert name is not None or target.getvalue() == b""


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.jpg"])
def test_a_file_that_is_there_stays(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(b"precious")
    with pytest.raises(ImageError, match="already exists"):
        write(floats(3), path)
    assert path.read_bytes() == b"precious"
    write(floats(3), path, save=SaveOptions(overwrite=True))
    with Image.open(path) as found:
        assert found.size == SIDES[::-1]
    assert list(tmp_path.iterdir()) == [path]


def test_options_of_writing_are_one_value() -> None:
    for function in (write_image, write_tiles, Photo.save):
        parameters = inspect.signature(function).parameters
        assert len(parameters) <= 8
        assert not {"quality", "overwrite"} & set(parameters)
