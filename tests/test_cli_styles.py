"""``impasto style`` and ``impasto styles``, run as a person runs them, on a tiny model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bad_files import BAD_FILES
from conftest import make_tiny
from PIL import Image
from test_cli import imported, names, run, save
from test_styles import OTHER, make_style

import impasto
from impasto.batch.figures import CELL_SIDE, Cell, contact_sheet
from impasto.errors import OptionError
from impasto.images.options import ReadOptions
from impasto.images.photo import read_photo
from impasto.models import DEFAULT_MODEL, Bundle, write_bundle
from impasto.styles import library
from impasto.styles.files import load_style, save_style
from impasto.styles.library import add_style, find_style, list_styles
from impasto.styles.style import open_thumbnail


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a photograph and two style pictures, and nothing kept yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    monkeypatch.setattr(library, "GALLERY", tmp_path / "no gallery")  # what ships is not asked here
    for seed, name in enumerate(("street.jpg", "wave.png", "sky.png")):
        save(Path(name), seed=seed)
    return tmp_path


@pytest.fixture
def model(tiny_path: Path) -> list[str]:
    return ["--model", str(tiny_path)]


@pytest.fixture
def other(folder: Path) -> list[str]:
    """Another model of the same kind."""
    bundle = make_tiny(seed=1)
    write_bundle(replace(bundle, card=replace(bundle.card, name="other")), "other.impasto")
    return ["--model", "other.impasto"]


def error(*words: str | Path) -> str:
    done = run(*words, code=2)
    assert done.stdout == b""
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("impasto: ")
    return line


# --- add -------------------------------------------------------------------------------------


def test_add_keeps_what_the_library_makes(tiny_bundle: Bundle, model: list[str]) -> None:
    done = run("style", "add", "great-wave", "wave.png", *model, "--note", "Hokusai", "--size", 24)
    path = Path("kept", tiny_bundle.identity, "great-wave.safetensors")
    line = done.stdout.decode()
    assert line.startswith("great-wave: saved for model 'tiny', ") and str(path) in line
    found = find_style("great-wave", model=tiny_bundle.identity)
    assert found == load_style(path)
    assert (found.note, found.model_name) == ("Hokusai", "tiny")
    stylizer = impasto.load(model[1], precision="fp32")
    for one, two in zip(found.moments, stylizer.style("wave.png", size=24).moments, strict=True):
        np.testing.assert_allclose(one.mean, two.mean, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one.std, two.std, rtol=1e-5, atol=1e-6)
    thumbnail = open_thumbnail(found)
    assert thumbnail is not None and thumbnail.size == (52, 40)
    assert path.stat().st_size < 6000


def test_add_from_standard_input(tiny_bundle: Bundle, model: list[str]) -> None:
    run("style", "add", "one", "wave.png", *model)
    run("style", "add", "two", "-", *model, stdin=Path("wave.png").read_bytes())
    one, two = (find_style(name, model=tiny_bundle.identity) for name in ("one", "two"))
    assert (one.note, two.note) == ("wave.png", "standard input")
    assert replace(one, name="two", note=two.note) == two


def test_add_a_scan_of_floats_and_several_pages(tiny_bundle: Bundle, model: list[str]) -> None:
    values = read_photo("wave.png").image * 4000
    Image.fromarray(values[..., 1]).save(
        "scan.tif", save_all=True, append_images=[Image.fromarray(values[..., 0])]
    )
    assert "--range" in error("style", "add", "scan", "scan.tif", *model)
    done = run("style", "add", "scan", "scan.tif", *model, "--range", "0,4000")
    told = "impasto: scan.tif: the first of its 2 pages is used"
    assert done.stderr.decode().strip() == told
    stylizer = impasto.load(model[1], precision="fp32")
    wanted = stylizer.style(np.clip(values[..., 1] / 4000, 0, 1))
    found = find_style("scan", model=tiny_bundle.identity)
    for one, two in zip(found.moments, wanted.moments, strict=True):
        np.testing.assert_allclose(one.mean, two.mean, rtol=1e-4, atol=1e-5)


def test_add_a_style_file(tiny_bundle: Bundle, model: list[str], other: list[str]) -> None:
    style = make_style(model=tiny_bundle.identity, channels=(12, 48), thumbnail=b"x")
    save_style(style, "got.safetensors")
    run("style", "add", "got", "got.safetensors", *model)
    found = find_style("got", model=tiny_bundle.identity)
    assert found == replace(load_style("got.safetensors"), name="got")
    line = error("style", "add", "again", "got.safetensors", *other)
    assert "was made for model 'tiny'" in line and "not for model 'other'" in line
    done = run("style", "add", "again", "got.safetensors", *model, "--size", 24, code=2)
    assert b"--size is for pictures" in done.stderr


def test_add_replaces_nothing_unless_allowed(tiny_bundle: Bundle, model: list[str]) -> None:
    run("style", "add", "wave", "wave.png", *model)
    before = find_style("wave", model=tiny_bundle.identity)
    assert "already exists" in error("style", "add", "wave", "sky.png", *model)
    assert find_style("wave", model=tiny_bundle.identity) == before
    run("style", "add", "wave", "sky.png", *model, "--overwrite")
    assert find_style("wave", model=tiny_bundle.identity).note == "sky.png"


def test_one_name_for_two_models(model: list[str], other: list[str]) -> None:
    for each in (model, other):
        run("style", "add", "wave", "wave.png", *each)
    assert sorted(e.style.model_name for e in list_styles() if e.style) == ["other", "tiny"]
    run("style", "remove", "wave", *other)
    assert [e.style.model_name for e in list_styles() if e.style] == ["tiny"]


def test_add_refuses(folder: Path, model: list[str]) -> None:
    before = names()
    for words, says in [
        (("my wave", "wave.png"), "such as 'my-wave'"),
        (("wave.png", "wave.png"), "such as 'wave-png'"),
        (("wave", "gone.png"), "gone.png: no such file"),
        (("wave", "gone.safetensors"), "gone.safetensors: no such style file"),
        (("wave", "wave.png", "--size", "3"), "16 pixels or more"),
    ]:
        assert says in error("style", "add", *words, *model)
    assert "did you mean 'fast'" in error("style", "add", "wave", "wave.png", "--model", "fsat")
    for each in BAD_FILES[:8]:
        bad = each.make(folder)
        assert str(bad) in error("style", "add", "wave", bad, *model)
        before |= {bad.name}
    assert names() <= before
    assert not list_styles()


# --- list, show, remove ----------------------------------------------------------------------


def test_styles_lists_them(model: list[str], other: list[str]) -> None:
    assert b"impasto style add NAME PICTURE" in run("styles", *model).stdout
    run("style", "add", "wave", "wave.png", *model, "--note", "two\nlines")
    run("style", "add", "grey-sky", "sky.png", *other)
    text = run("styles").stdout.decode()
    assert "for model 'tiny' (" in text and "for model 'other' (" in text
    assert "\n  wave  yours    two lines\n" in text and "\n  grey-sky  yours    sky.png\n" in text
    text = run("styles", *model).stdout.decode()
    assert "wave" in text and "grey-sky" not in text
    bad = next(Path("kept").glob("*/wave.safetensors"))
    bad.write_text("hello")
    text = run("styles").stdout.decode()
    assert (
        "grey-sky" in text
        and f"cannot be used: {Path.cwd() / bad}: is a text file, not a style" in text
    )


def test_show(tiny_bundle: Bundle, model: list[str]) -> None:
    run("style", "add", "wave", "wave.png", *model, "--note", "Hokusai")
    text = run("style", "show", "wave").stdout.decode()
    path = Path("kept", tiny_bundle.identity, "wave.safetensors")
    for fact in (f"wave for model 'tiny' ({tiny_bundle.identity})", "Hokusai", "12, 48", str(path)):
        assert fact in text
    assert "Hokusai" in run("style", "show", path).stdout.decode()
    run("style", "show", "wave", "--thumbnail", "small.png")
    with Image.open("small.png") as small:
        assert small.size == (52, 40)
    assert (
        b"already exists" in run("style", "show", "wave", "--thumbnail", "sky.png", code=2).stderr
    )
    assert "there is no style 'wvae'" in error("style", "show", "wvae")
    add_style(make_style(), "bare")
    run("style", "show", "bare")
    assert b"no thumbnail" in run("style", "show", "bare", "--thumbnail", "b.png", code=2).stderr


def test_remove(model: list[str]) -> None:
    run("style", "add", "wave", "wave.png", *model)
    assert run("style", "remove", "wave").stdout.startswith(b"wave: removed for model 'tiny' (")
    assert not list_styles()
    assert "you have no style 'wave'" in error("style", "remove", "wave")


def test_what_they_import(model: list[str]) -> None:
    engines = {"onnxruntime", "openvino", "torch", "onnx"}
    assert not imported("style", "--help") & {"numpy", "PIL", *engines}
    assert not imported("styles") & engines
    assert not imported("style", "add", "--help") & engines
    text = " ".join(run("style", "add", "--help").stdout.decode().split())
    for default in (DEFAULT_MODEL, str(ReadOptions.style_size)):
        assert f"[default: {default}]" in text


# --- the sheet -------------------------------------------------------------------------------


def test_sheet(tiny_bundle: Bundle, model: list[str], other: list[str]) -> None:
    for name in ("wave", "sky"):
        run("style", "add", name, f"{name}.png", *model)
    run("style", "add", "elsewhere", "sky.png", *other)
    done = run("styles", *model, "--sheet", "sheet.png", "--on", "street.jpg")
    assert done.stdout == b"sheet.png: 2 styles for model 'tiny'\n" and done.stderr == b""
    with Image.open("sheet.png") as image:
        sheet = np.asarray(image)
    stylizer = impasto.load(model[1])
    street = np.asarray(Image.open("street.jpg"))
    # Pictures that are smaller than a cell stand there as they are.
    assert contains(sheet, street, tolerance=1)
    for name in ("wave", "sky"):
        style = find_style(name, model=tiny_bundle.identity)
        painted = np.asarray(stylizer.stylize("street.jpg", style))
        assert contains(sheet, painted[:20, :20], tolerance=3), "but for the inset"
        assert not contains(sheet, painted, tolerance=3)


def contains(sheet: np.ndarray, part: np.ndarray, *, tolerance: int) -> bool:
    """Whether a picture stands somewhere on the sheet."""
    height, width = part.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (height, width), axis=(0, 1))
    target = part.astype(int).transpose(2, 0, 1)
    return any(
        (abs(window.astype(int) - target) <= tolerance).all()
        for row in windows
        for window in row
        if (abs(window[:, 0, 0].astype(int) - target[:, 0, 0]) <= tolerance).all()
    )


def test_sheet_tells_damaged_styles_and_draws_the_others(
    tiny_bundle: Bundle, model: list[str]
) -> None:
    run("style", "add", "wave", "wave.png", *model)
    short = make_style(model=tiny_bundle.identity, channels=(12,), thumbnail=b"no picture")
    add_style(short, "short")
    add_style(replace(short, model=OTHER), "elsewhere")
    bad = add_style(short, "bad")
    bad.write_text("hello")
    words = ("styles", *model, "--sheet", "sheet.jpg", "--on", "street.jpg")
    done = run(*words, code=2)
    lines = done.stderr.decode().splitlines()
    assert len(lines) == 2 and str(bad) in lines[0] and "'short'" in lines[1]
    assert done.stdout.startswith(b"sheet.jpg: 1 styles")
    assert Path("sheet.jpg").exists()


def test_sheet_refuses(model: list[str]) -> None:
    on = ("--on", "street.jpg")
    assert "there is no style for model 'tiny' yet" in error(
        "styles", *model, "--sheet", "s.png", *on
    )
    run("style", "add", "wave", "wave.png", *model)
    assert "already exists" in error("styles", *model, "--sheet", "sky.png", *on)
    assert "no such file" in error("styles", *model, "--sheet", "s.png", "--on", "gone.png")
    assert "is not supported for output" in error("styles", *model, "--sheet", "s.xyz", *on)
    for words in (("--sheet", "s.png"), on):
        assert b"give both or neither" in run("styles", *words, code=2).stderr
    run("styles", *model, "--sheet", "sky.png", *on, "--overwrite")


@pytest.mark.parametrize("count", [1, 2, 7, 25])
def test_contact_sheet_is_a_page(count: int) -> None:
    picture = Image.new("RGB", (600, 400), "red")
    sheet = contact_sheet([Cell(picture, f"style-{i}", "x" * 200) for i in range(count)])
    pixels = np.asarray(sheet).astype(int)
    red = (pixels[..., 0] > 250) & (pixels[..., 1] < 5)
    assert red.sum() == count * CELL_SIDE * (CELL_SIDE * 2 // 3)
    assert (pixels.max(-1) < 200).any(), "no text"
    if count > 6:
        assert 1 < sheet.width / sheet.height < 2.2
    assert contact_sheet([Cell(picture, "a")] * count, columns=1).width == CELL_SIDE + 32


def test_a_contact_sheet_writes_nothing_where_there_is_no_text() -> None:
    pixels = np.asarray(contact_sheet([Cell(Image.new("RGB", (90, 60), "white"), "")]))
    assert (pixels == 255).all()


def test_contact_sheet_of_nothing() -> None:
    for cells, columns in [([], None), ([Cell(Image.new("RGB", (9, 9)), "a")], 0)]:
        with pytest.raises(OptionError, match="at least one"):
            contact_sheet(cells, columns=columns)
