"""The gallery: what is made of a table of works, what never ships, and when nothing is made."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bad_files import truncated_jpeg
from conftest import make_tiny, open_variant
from lab_parts import SHARED
from PIL import Image
from test_cli import run, save

from impasto.errors import ImageError, ImpastoError, ModelError, OptionError, StyleError
from impasto.lab.export import gallery
from impasto.lab.export.gallery import WORKS, Work, make_gallery, read_works
from impasto.models import Bundle, write_bundle
from impasto.styles import library
from impasto.styles.files import load_style
from impasto.styles.library import find_style, list_styles

PAINTINGS = SHARED / "data" / "paintings"

MONET = Work("monet-bridge", "impressionists/MONET__Bridge.png", "Claude Monet", "The Bridge")
KLIMT = Work("klimt-kiss", "Größe ?.webp", "Gustav Klimt", "The Kiss", "1907-1908")
TABLE = """
[[work]]
name = "monet-bridge"
file = "impressionists/MONET__Bridge.png"
painter = "Claude Monet"
title = "The Bridge"

[[work]]
name = "klimt-kiss"
file = "Größe ?.webp"
painter = "Gustav Klimt"
title = "The Kiss"
year = "1907-1908"
"""


@pytest.fixture
def paintings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two works, of which one is larger than styles are read at; no style yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    monkeypatch.setattr(library, "GALLERY", tmp_path / "gallery")
    folder = tmp_path / "paintings"
    (folder / "impressionists").mkdir(parents=True)
    save(folder / MONET.file)
    save(folder / KLIMT.file, height=600, width=520, seed=1)
    return folder


@pytest.fixture
def make(paintings: Path, tiny_path: Path):
    """Makes the gallery of some works for the tiny model."""

    def made(*works: Work, folder: Path = Path("gallery")) -> list[Path]:
        return make_gallery(
            paintings, models=[tiny_path], works=works, folder=folder, overwrite=True
        )

    return made


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# --- what is made ----------------------------------------------------------------------------


def test_every_work_becomes_a_style(make, paintings: Path, tiny_bundle: Bundle) -> None:
    made = make(MONET, KLIMT)
    shelf = Path("gallery", "tiny")
    assert made == [shelf / "monet-bridge.safetensors", shelf / "klimt-kiss.safetensors"]
    assert sorted(shelf.iterdir()) == sorted(made)
    model = open_variant(tiny_bundle, ("onnxruntime", "fp32"))
    for path, work in zip(made, (MONET, KLIMT), strict=True):
        style = load_style(path)
        assert (style.name, style.model_name) == (work.name, "tiny")
        assert style.model == tiny_bundle.identity
        wanted = model.style(paintings / work.file)
        for got, exact in zip(style.moments, wanted.moments, strict=True):
            np.testing.assert_allclose(got.mean, exact.mean, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(got.std, exact.std, rtol=1e-5, atol=1e-6)
    assert load_style(made[0]).note == "Claude Monet, The Bridge, public domain"
    assert load_style(made[1]).note == "Gustav Klimt, The Kiss (1907-1908), public domain"


def test_the_library_finds_them(make, tiny_bundle: Bundle) -> None:
    make(MONET, KLIMT, folder=library.GALLERY)
    found = list_styles(model=tiny_bundle.identity)
    assert [(each.name, each.gallery) for each in found] == [
        ("klimt-kiss", True),
        ("monet-bridge", True),
    ]
    assert find_style("monet-bridge", model=tiny_bundle.identity) == found[1].style


def test_nothing_else_of_a_picture_ships(make, paintings: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a secret description"
    with Image.open(paintings / MONET.file) as opened:
        opened.save(paintings / MONET.file, exif=exif, comment="a secret description")
    (path,) = make(MONET)
    data = path.read_bytes()
    for word in (b"secret", b"MONET__", b"impressionists", bytes(paintings)):
        assert word not in data
    assert load_style(path).thumbnail is None


def test_the_same_works_are_the_same_bytes(make) -> None:
    make(MONET, KLIMT)
    make(KLIMT, MONET, folder=Path("again"))
    assert contents(Path("gallery")) == contents(Path("again"))
    make(MONET, KLIMT)
    assert contents(Path("gallery")) == contents(Path("again"))


def test_styles_of_rows_that_are_gone_go(make, paintings: Path) -> None:
    make(MONET, KLIMT)
    shelf = Path("gallery", "tiny")
    before = (shelf / "monet-bridge.safetensors").read_bytes()
    (shelf / "notes.txt").write_text("not a style")
    other = Path("gallery", "other", "old.safetensors")
    other.parent.mkdir()
    other.write_text("of another model")
    save(paintings / MONET.file, seed=7)
    make(MONET)
    assert {path.name for path in shelf.iterdir()} == {"monet-bridge.safetensors", "notes.txt"}
    assert other.exists()
    assert (shelf / "monet-bridge.safetensors").read_bytes() != before


def test_a_shelf_for_every_model_that_ships(
    paintings: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Row:
        def __init__(self, path: Path | None) -> None:
            self.name, self.path = path, path

    bundle = make_tiny(seed=1)
    write_bundle(replace(bundle, card=replace(bundle.card, name="other")), "other.impasto")
    rows = (Row(tiny_path), Row(None), Row(Path("other.impasto")))
    monkeypatch.setattr(gallery, "MODELS", rows)
    made = make_gallery(paintings, works=[MONET], folder="gallery")
    assert [path.parent.name for path in made] == ["tiny", "other"]
    assert load_style(made[0]).model != load_style(made[1]).model


# --- all or nothing --------------------------------------------------------------------------


def test_missing_paintings(make, paintings: Path) -> None:
    make(MONET, KLIMT)
    before = contents(Path("gallery"))
    gone = Work("gone", "art/gone.png", "Nobody", "Gone")
    with pytest.raises(ImageError) as caught:
        make(MONET, gone, Work("lost", "lost.png", "Nobody", "Lost"))
    assert str(caught.value) == (
        f"{paintings}/art/gone.png: no such painting (2 of 3 are missing); give the folder that "
        "the files of the table are in"
    )
    with pytest.raises(ImageError, match=r"nowhere: no such folder of paintings; check the path"):
        make_gallery("nowhere", works=[MONET], folder="gallery")
    assert contents(Path("gallery")) == before


def test_a_picture_that_cannot_be_read_changes_nothing(make, paintings: Path) -> None:
    make(MONET, KLIMT)
    before = contents(Path("gallery"))
    truncated_jpeg(paintings).rename(paintings / "bad.jpg")
    save(paintings / "small.png", height=8, width=8)
    save(paintings / MONET.file, seed=7)
    for file, says in (("bad.jpg", "bad.jpg"), ("small.png", "8 x 8")):
        with pytest.raises(ImpastoError, match=says):
            make(MONET, Work("bad", file, "Nobody", "Bad"))
    assert contents(Path("gallery")) == before


def test_models_that_cannot_be_used(
    paintings: Path, tiny_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*models: str | Path) -> str:
        with pytest.raises((ModelError, OptionError)) as caught:
            make_gallery(paintings, models=models, works=[MONET], folder="gallery")
        assert not Path("gallery").exists()
        return str(caught.value)

    write_bundle(make_tiny(seed=1), "twin.impasto")
    assert "two models are named 'tiny'" in refused(tiny_path, "./twin.impasto")
    assert "there is no model 'fats'" in refused("fats")
    assert "no model is included with this checkout; name the bundles" in refused()
    monkeypatch.setattr(gallery, "MODELS", ())
    with pytest.raises(ModelError, match="no model is included"):
        make_gallery(paintings, works=[MONET], folder="gallery")


# --- tables ----------------------------------------------------------------------------------


def test_a_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "works.toml"
    path.write_text(TABLE, encoding="utf-8")
    assert read_works(path) == read_works(str(path)) == (MONET, KLIMT)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", r"must contain only tables \[\[work\]\]"),
        ("work = 3", r"must contain only tables \[\[work\]\]"),
        ("work = [3]", "work 1: every field must be a string"),
        ("[[work", "cannot be read as TOML"),
        (TABLE + "[more]", r"must contain only tables \[\[work\]\]"),
        (TABLE + "year = 1907", "cannot be read as TOML"),
        (TABLE + "place = 3", "work 2: every field must be a string"),
        (TABLE + "place = 'Vienna'", "work 2: no such field 'place'; the fields are"),
        (TABLE.replace('painter = "Gustav Klimt"', ""), "work 2: painter is missing"),
        (TABLE.replace('"The Kiss"', '""'), "work 2: title is missing"),
        (TABLE.replace("klimt-kiss", "the kiss"), "work 2: 'the kiss' cannot be a style's name"),
        (TABLE.replace("klimt-kiss", "../../kiss"), r"work 2: '../../kiss' cannot be"),
        (TABLE.replace("klimt-kiss", "Monet-Bridge"), "two works are named 'Monet-Bridge'"),
    ],
)
def test_tables_that_cannot_be_used(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "works.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises((OptionError, StyleError), match=says) as caught:
        read_works(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


def test_no_table(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"gone\.toml: cannot be read"):
        read_works(tmp_path / "gone.toml")
    (tmp_path / "latin.toml").write_bytes(TABLE.encode("latin-1"))
    with pytest.raises(OptionError, match=r"latin\.toml: cannot be read"):
        read_works(tmp_path / "latin.toml")


def test_the_table_that_ships() -> None:
    works = read_works()
    assert works == read_works(WORKS) and len(works) >= 64
    assert len({work.file for work in works}) == len(works)
    assert len({work.painter for work in works}) >= 40
    for work in works:
        # A name starts with a part of the painter's, without accents.
        letters = unicodedata.normalize("NFKD", work.painter).encode("ascii", "ignore").decode()
        assert work.name.split("-")[0] in re.split(r"[ -]", letters.lower()), work
        assert not Path(work.file).is_absolute() and ".." not in Path(work.file).parts


@pytest.mark.skipif(not PAINTINGS.is_dir(), reason="the paintings are not beside the checkout")
def test_the_paintings_are_there() -> None:
    assert [work.file for work in read_works() if not (PAINTINGS / work.file).is_file()] == []


# --- the command -----------------------------------------------------------------------------


def test_the_command(paintings: Path, tiny_path: Path) -> None:
    Path("works.toml").write_text(TABLE, encoding="utf-8")
    words = ["--model", tiny_path, "--works", "works.toml", "-o", "shelves"]
    done = run("lab", "gallery", paintings, *words)
    assert done.stdout.decode().startswith("shelves/tiny: 2 styles, ")
    assert sorted(contents(Path("shelves"))) == [
        "tiny/klimt-kiss.safetensors",
        "tiny/monet-bridge.safetensors",
    ]
    (paintings / KLIMT.file).unlink()
    done = run("lab", "gallery", paintings, *words, code=2)
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("impasto: ") and "no such painting (1 of 2 are missing)" in line
