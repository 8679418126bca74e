"""``--tile`` and ``--memory``, as a person gives them."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image
from test_cli import folder, model, names, pixels, run, save

from impasto.cli.options import byte_count
from impasto.images.photo import read_photo
from impasto.images.writing import write_image

__all__ = ["folder", "model"]


def test_in_tiles(folder: Path, model: list[str]) -> None:
    save(Path("street.tif"), height=120, width=170)
    run("stylize", "street.tif", "wave.png", "-o", "whole.png", *model)
    for number, extra in enumerate((["--tile", "48"], ["--tile", "48", "--color", "luminance"])):
        done = run("stylize", "street.tif", "wave.png", "-o", f"{number}.tif", *extra, *model)
        assert done.stdout.startswith(f"{number}.tif: encode ".encode())
    assert np.abs(pixels(Path("0.tif")).astype(int) - pixels(Path("whole.png"))).max() <= 1
    assert np.abs(pixels(Path("1.tif")).astype(int) - pixels(Path("whole.png"))).max() > 1


def test_what_does_not_fit_goes_in_tiles_by_itself(folder: Path, model: list[str]) -> None:
    save(Path("large.png"), height=1500, width=1600)
    run("stylize", "large.png", "wave.png", "-o", "whole.png", *model)
    run("stylize", "large.png", "wave.png", "-o", "tiles.png", "--memory", "400 MB", *model)
    assert np.abs(pixels(Path("tiles.png")).astype(int) - pixels(Path("whole.png"))).max() <= 1


def test_masks_sizes_and_several_in_tiles(folder: Path, model: list[str]) -> None:
    Image.fromarray(np.tri(40, 52, dtype=np.uint8) * 255).save("mask.png")
    words = ("-s", "wave.png", "--mask", "mask.png", "--size", "70", "-o", "out/")
    run("stylize", "street.jpg", "harbor.png", *words, "--tile", "32", *model)
    assert names(Path("out")) == {"street-wave.jpg", "harbor-wave.png"}
    one = pixels(Path("out/harbor-wave.png"))
    run("stylize", "street.jpg", "harbor.png", *words, "--overwrite", *model)
    assert np.abs(one.astype(int) - pixels(Path("out/harbor-wave.png"))).max() <= 1


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_in_tiles(folder: Path, model: list[str], suffix: str) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (70, 90, 4), dtype=np.uint16)
    values[..., 3] |= 1  # what is transparent everywhere would not be painted anyway
    write_image(values, Path(f"deep.{suffix}"))
    words = ("--alpha", "0", "--tile", "32")
    run("stylize", f"deep.{suffix}", "wave.png", "-o", f"same.{suffix}", *words, *model)
    photo = read_photo(Path(f"same.{suffix}"))
    assert np.array_equal(photo.rendered(photo.image).pixels(16), values)
    run("stylize", f"deep.{suffix}", "wave.png", "-o", "8.png", "--depth", "8", *words, *model)
    assert read_photo(Path("8.png")).depth == 8
    assert np.array_equal(pixels(Path("8.png")), np.rint(values[..., :3] / 257).astype(np.uint8))


def test_standard_streams_in_tiles(folder: Path, model: list[str]) -> None:
    data = Path("harbor.png").read_bytes()
    whole = run("stylize", "-", "wave.png", "-o", "-", *model, stdin=data).stdout
    tiles = run("stylize", "-", "wave.png", "-o", "-", "--tile", "32", *model, stdin=data).stdout
    assert np.abs(pixels(whole).astype(int) - pixels(tiles)).max() <= 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tile", "8"], b"tile must be a whole number of 32 pixels or more, not 8"),
        (["--memory", "0"], b"memory must be a whole number of bytes, 1 or more, not 0"),
        (["--memory", "1MB", "--tile", "32"], b""),
        (["--memory", "lots"], b"'lots' must be a number of bytes, such as 2GB or 512MiB"),
        (["--memory", "1MB"], b"impasto: a picture of 52 x 40 pixels needs "),
    ],
)
def test_refused(folder: Path, model: list[str], words: list[str], says: bytes) -> None:
    done = run(
        "stylize", "harbor.png", "wave.png", "-o", "out.png", *words, *model, code=2 if says else 0
    )
    assert says in done.stderr
    assert Path("out.png").exists() == (not says)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2GB", 2 * 10**9),
        ("512MiB", 512 * 2**20),
        ("1.5 g", 1_500_000_000),
        ("2000000", 2_000_000),
        ("0", 0),
        (".5k", 500),
    ],
)
def test_bytes(text: str, count: int) -> None:
    assert byte_count(text) == count
    for wrong in ("", "GB", "-1", "2 bananas", "1e9"):
        with pytest.raises(click.BadParameter, match="must be a number of bytes"):
            byte_count(wrong)
