"""Styles by name: what a name means, for which model, and what is never lost or mistaken."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_styles import MODEL, OTHER, make_style, rounded

from impasto.errors import StyleError
from impasto.models import MODELS
from impasto.styles import library, places
from impasto.styles.files import SUFFIX, load_style, save_style
from impasto.styles.library import (
    MAX_NAME,
    add_style,
    check_fits,
    check_name,
    find_style,
    list_styles,
    remove_style,
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder, in a working folder of its own, beside an empty gallery."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "mine"))
    monkeypatch.setattr(library, "GALLERY", tmp_path / "gallery")
    return tmp_path / "mine"


def add_gallery(name: str, *, shelf: str = "tiny", model: str = MODEL, note: str = "") -> Path:
    style = make_style(seed=9, model=model, model_name=shelf, note=note)
    return add_style(style, name, folder=library.GALLERY, shelf=shelf)


def refused(name: str, *, model: str = MODEL, model_name: str = "tiny") -> str:
    with pytest.raises(StyleError) as caught:
        find_style(name, model=model, model_name=model_name)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a", "7", "great-wave", "Starry_Night_2", "x" * MAX_NAME])
def test_names_that_can_be(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    ("name", "mend"),
    [
        ("great wave", "such as 'great-wave'"),
        ("wave.jpg", "such as 'wave-jpg'"),
        ("../../wave", "such as 'wave'"),
        ("-wave", "such as 'wave'"),
        ("_wave", "such as 'wave'"),
        ("café", "such as 'caf'"),
        ("wave\n", "such as 'wave'"),
        ("x" * (MAX_NAME + 1), f"such as '{'x' * MAX_NAME}'"),
        ("", "a letter or digit first"),
        ("東京", "a letter or digit first"),
        (".", "a letter or digit first"),
    ],
)
def test_names_that_cannot_be(folder: Path, name: str, mend: str) -> None:
    with pytest.raises(StyleError) as caught:
        add_style(make_style(), name)
    message = str(caught.value)
    assert mend in message and "\n" not in message
    assert message.count("such as") == mend.count("such as")
    assert not folder.exists(), "made for nothing"


@given(st.text())
def test_a_mended_name_can_be_one(name: str) -> None:
    try:
        check_name(name)
    except StyleError as error:
        _, _, mended = str(error).partition(", such as ")
        if mended:
            check_name(mended.strip("'"))


# --- what is added is found ------------------------------------------------------------------


def test_what_is_added_is_found(folder: Path) -> None:
    style = make_style(thumbnail=b"x")
    path = add_style(style, "great-wave")
    assert path == folder / MODEL / f"great-wave{SUFFIX}"
    found = find_style("great-wave", model=MODEL)
    assert found == replace(rounded(style), name="great-wave")
    assert [(e.name, e.path, e.gallery, e.style) for e in list_styles()] == [
        ("great-wave", path, False, found)
    ]


def test_no_style_is_replaced_unless_that_is_allowed() -> None:
    add_style(make_style(seed=1), "wave")
    with pytest.raises(StyleError, match=r"already exists; .*--overwrite"):
        add_style(make_style(seed=2), "wave")
    assert find_style("wave", model=MODEL) == rounded(make_style(seed=1))
    add_style(make_style(seed=2), "wave", overwrite=True)
    assert find_style("wave", model=MODEL) == rounded(make_style(seed=2))


def test_a_name_for_each_model() -> None:
    for seed, model in enumerate((MODEL, OTHER)):
        add_style(make_style(seed=seed, model=model), "wave")
    for seed, model in enumerate((MODEL, OTHER)):
        assert find_style("wave", model=model) == rounded(make_style(seed=seed, model=model))
        assert [e.style and e.style.model for e in list_styles(model=model)] == [model]
    assert len(list_styles()) == 2


def test_the_gallery_is_found_and_the_users_own_go_before_it() -> None:
    path = add_gallery("monet", note="Claude Monet")
    assert path == library.GALLERY / "tiny" / f"monet{SUFFIX}"
    found = find_style("monet", model=MODEL)
    assert found == load_style(path) and found.note == "Claude Monet"
    add_gallery("hokusai")
    add_style(make_style(), "monet")
    assert find_style("monet", model=MODEL) == replace(rounded(make_style()), name="monet")
    assert [(e.name, e.gallery) for e in list_styles()] == [("monet", False), ("hokusai", True)]
    # That of another model does not stand before it.
    remove_style("monet")
    add_style(make_style(model=OTHER), "monet")
    assert find_style("monet", model=MODEL) == found


def test_another_folder(tmp_path: Path) -> None:
    add_style(make_style(), "wave", folder=tmp_path / "theirs")
    assert not list_styles()
    assert len(list_styles(folder=tmp_path / "theirs")) == 1
    assert find_style("wave", model=MODEL, folder=str(tmp_path / "theirs")) == rounded(make_style())
    remove_style("wave", folder=tmp_path / "theirs")
    assert not list_styles(folder=tmp_path / "theirs")


# --- names, style files and pictures ---------------------------------------------------------


def test_what_is_a_picture(tmp_path: Path) -> None:
    add_style(make_style(), "wave")
    for name in ("wave.jpg", "./wave", "art/wave", "-", "two words", "gone.png", "été"):
        assert find_style(name, model=MODEL) == Path(name)
    assert find_style(Path("wave"), model=MODEL) == Path("wave")
    # A file without a suffix is a picture only if no style is called so.
    Path("wave").touch()
    Path("sunset").touch()
    assert find_style("wave", model=MODEL) == rounded(make_style())
    assert find_style("sunset", model=MODEL) == Path("sunset")


@pytest.mark.parametrize("name", ["kept.safetensors", "./kept.SAFETENSORS"])
def test_what_is_a_style_file(name: str) -> None:
    save_style(make_style(), name)
    assert find_style(name, model=MODEL) == find_style(Path(name), model=MODEL)
    assert find_style(name, model=MODEL) == rounded(make_style())
    message = refused(name, model=OTHER, model_name="fast")
    assert f"was made for model 'tiny' ({MODEL}), not for model 'fast' ({OTHER})" in message
    assert message.endswith("impasto style add wave PICTURE --model fast")
    save_style(make_style(name="../art/my wave.jpg"), name, overwrite=True)
    message = refused(name, model=OTHER, model_name="fast")
    assert message.endswith("impasto style add NAME PICTURE --model fast")


def test_style_files_that_cannot_be_used() -> None:
    assert "gone.safetensors: no such style file" in refused("gone.safetensors")
    Path("bad.safetensors").write_text("hello")
    assert "bad.safetensors: is a text file, not a style" in refused("bad.safetensors")


def test_no_such_name() -> None:
    assert "there is no style 'wvae', and no file of that name; `impasto styles`" in refused("wvae")
    add_style(make_style(), "wave")
    add_style(make_style(model=OTHER), "wvaf")
    assert "did you mean 'wave'? `impasto styles` lists" in refused("wvae")
    assert "did you mean" not in refused("zebra")


# --- models ----------------------------------------------------------------------------------


def test_a_style_for_another_model_is_refused_with_the_mend() -> None:
    add_style(make_style(), "wave")
    assert refused("wave", model=OTHER, model_name="fast") == (
        f"style 'wave' was made for model 'tiny' ({MODEL}), not for model 'fast' ({OTHER}); "
        "add it for this model too: impasto style add wave PICTURE --model fast"
    )
    assert refused("wave", model=OTHER, model_name="mine").endswith("--model FILE.impasto")
    assert f"not for model {OTHER}; " in refused("wave", model=OTHER, model_name="")
    add_style(make_style(model="e" * 16, model_name=""), "wave")
    message = refused("wave", model=OTHER, model_name="quality")
    assert f"made for model 'tiny' ({MODEL}) and model {'e' * 16}, not for" in message


def test_a_gallery_of_another_build_is_refused() -> None:
    add_gallery("monet", shelf="fast")
    message = refused("monet", model=OTHER, model_name="fast")
    assert f"made for model 'fast' ({MODEL}), not for model 'fast' ({OTHER})" in message


def test_check_fits() -> None:
    check_fits(make_style(), model=MODEL)
    with pytest.raises(StyleError, match="'wave' was made for model 'tiny'"):
        check_fits(make_style(), model=OTHER)


def test_the_file_says_the_model_not_the_shelf(folder: Path) -> None:
    path = add_style(make_style(), "wave")
    (folder / OTHER).mkdir()
    path.rename(folder / OTHER / path.name)
    assert find_style("wave", model=MODEL) == rounded(make_style())
    assert "was made for model 'tiny'" in refused("wave", model=OTHER)
    assert len(list_styles(model=MODEL)) == 1 and not list_styles(model=OTHER)


# --- damage ----------------------------------------------------------------------------------


def test_a_damaged_style_hides_no_other() -> None:
    add_style(make_style(), "wave")
    bad = add_style(make_style(model=OTHER), "wave")
    bad.write_text("hello")
    assert find_style("wave", model=MODEL) == rounded(make_style())
    entries = list_styles()
    assert [(e.path == bad, e.style is None) for e in entries] == [(False, False), (True, True)]
    assert str(bad) in entries[1].problem and "\n" not in entries[1].problem
    assert len(list_styles(model=MODEL)) == 1


def test_a_damaged_style_is_not_replaced_by_the_gallerys_unseen() -> None:
    bad = add_style(make_style(), "wave")
    bad.write_text("hello")
    add_gallery("wave")
    assert str(bad) in refused("wave")
    remove_style("wave")
    assert find_style("wave", model=MODEL) == load_style(library.GALLERY / "tiny" / bad.name)


def test_a_damaged_gallery_says_so() -> None:
    path = add_gallery("monet")
    path.write_bytes(path.read_bytes()[:-1])
    assert str(path) in refused("monet")


def test_other_files_are_passed_over_or_told(folder: Path) -> None:
    add_style(make_style(), "wave")
    for name in ("notes.txt", ".impasto-1.partial", "my wave.safetensors"):
        (folder / MODEL / name).write_text("x")
    (folder / "stray.safetensors").write_text("x")
    assert [(e.name, e.style is None) for e in list_styles()] == [
        ("my wave", True),
        ("wave", False),
    ]
    (folder / MODEL / "folder.safetensors").mkdir()
    assert "is a folder" in list_styles()[0].problem


# --- removing --------------------------------------------------------------------------------


def test_remove() -> None:
    for model in (MODEL, OTHER):
        add_style(make_style(model=model), "wave")
        add_style(make_style(model=model), "sea")
    assert [e.style and e.style.model for e in remove_style("wave", model=OTHER)] == [OTHER]
    assert len(list_styles()) == 3
    assert len(remove_style("sea")) == 2
    assert [e.name for e in list_styles()] == ["wave"]
    for name, model in [("sea", None), ("wave", OTHER), ("*", None), ("../x", None)]:
        with pytest.raises(StyleError, match="you have no style"):
            remove_style(name, model=model)
    assert [e.name for e in list_styles()] == ["wave"]


def test_the_gallery_stays() -> None:
    path = add_gallery("monet")
    with pytest.raises(StyleError, match="ships with the package and cannot be removed"):
        remove_style("monet")
    assert path.exists()


# --- the folder ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("platform", "variables", "wanted"),
    [
        ("linux", {}, "/home/me/.local/share/impasto/styles"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/impasto/styles"),
        ("linux", {"XDG_DATA_HOME": "data"}, "/home/me/.local/share/impasto/styles"),
        ("linux", {"XDG_DATA_HOME": ""}, "/home/me/.local/share/impasto/styles"),
        ("darwin", {"XDG_DATA_HOME": "/data"},
            "/home/me/Library/Application Support/impasto/styles"),
        ("win32", {"LOCALAPPDATA": "/apps"}, "/apps/impasto/styles"),
        ("linux", {"XDG_DATA_HOME": "/data", "IMPASTO_STYLES": "/here"}, "/here"),
        ("linux", {"IMPASTO_STYLES": "~/art"}, "/home/me/art"),
        ("linux", {"IMPASTO_STYLES": ""}, "/home/me/.local/share/impasto/styles"),
    ],
)  # fmt: skip
def test_where_styles_are_kept(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], wanted: str
) -> None:
    monkeypatch.setattr(places.sys, "platform", platform)
    for name in ("XDG_DATA_HOME", "LOCALAPPDATA", "IMPASTO_STYLES"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    assert places.styles_folder() == Path(wanted)


def test_without_a_home_there_is_the_gallery(monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("IMPASTO_STYLES")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(Path, "home", homeless)
    add_gallery("monet")
    assert find_style("monet", model=MODEL) and len(list_styles()) == 1
    with pytest.raises(StyleError, match=r"Could not determine home .*; set IMPASTO_STYLES"):
        add_style(make_style(), "wave")


def test_a_folder_that_cannot_be_made(folder: Path) -> None:
    folder.write_text("a file")
    with pytest.raises(StyleError, match=r"cannot be created .*; set IMPASTO_STYLES"):
        add_style(make_style(), "wave")
    assert list_styles() == ()
    assert os.fspath(folder) not in refused("wave")


# --- the gallery that ships ------------------------------------------------------------------

SHIPPED = Path(library.__file__).parents[1] / "models" / "gallery"


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no gallery in this checkout")
@pytest.mark.parametrize("row", [row for row in MODELS if row.path], ids=lambda row: row.name)
def test_gallery_of_a_model(row: object, monkeypatch: pytest.MonkeyPatch) -> None:
    from impasto.models import ModelRow, find_bundle

    assert isinstance(row, ModelRow)
    monkeypatch.setattr(library, "GALLERY", SHIPPED)
    bundle = find_bundle(row.name)
    entries = [e for e in list_styles(model=bundle.identity) if e.gallery]
    assert len(entries) >= 24
    assert len(entries) == len(list((SHIPPED / row.name).iterdir())), "some fit another build"
    for entry in entries:
        style = find_style(entry.name, model=bundle.identity)
        assert style == entry.style and entry.style is not None
        assert entry.style.note and entry.style.thumbnail is None  # statistics only
        sizes = [moments.mean.size for moments in entry.style.moments]
        assert sizes == [level.channels for level in bundle.card.levels]
        assert entry.path.stat().st_size < 20_000
