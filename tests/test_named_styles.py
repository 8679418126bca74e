"""The styles that names mean: one finder for data sets and for transforms."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from dataset_parts import make_styles

from impasto.augment import Stylize
from impasto.batch.styles import named_styles
from impasto.dataset.styles import choose_styles
from impasto.errors import ImpastoError, StyleError
from impasto.models.table import find_bundle
from impasto.styles import library
from impasto.styles.places import GALLERY
from impasto.styles.style import Style


@pytest.fixture(autouse=True)
def no_styles_of_a_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "my styles"))


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A gallery of three styles of the model fast."""
    made = tmp_path / "gallery/fast"
    made.mkdir(parents=True)
    for path in sorted((GALLERY / "fast").glob("m*"))[:3]:
        shutil.copy(path, made)
    monkeypatch.setattr(library, "GALLERY", made.parent)
    return made


def test_names_folders_and_the_gallery(shelf: Path, tmp_path: Path) -> None:
    model = find_bundle("fast").identity
    folder = make_styles(tmp_path / "pictures", 2)
    first, *others = sorted(path.stem for path in shelf.iterdir())
    found = list(named_styles([str(folder), first, "gallery"], model=model, model_name="fast"))
    assert [name for name, _ in found] == ["style0", "style1", first, first, *others]
    kinds = [type(each) for _, each in found]
    assert kinds[2:] == [Style] * 4 and all(issubclass(each, Path) for each in kinds[:2])
    chosen = choose_styles([str(folder), first, "gallery"], find_bundle("fast"))
    assert [each.name for each in chosen] == sorted(["style0", "style1", first, *others])


def test_built_in_styles() -> None:
    found = list(
        named_styles(
            ["a*", "gallery"],
            model="0" * 16,
            model_name="bank",
            built_in=("air", "art", "own"),
            shipped=("air", "own"),
        )
    )
    assert found == [("air", "air"), ("art", "art"), ("air", "air"), ("own", "own")]


def test_a_damaged_style_of_the_gallery_is_refused(shelf: Path) -> None:
    path = min(shelf.iterdir())
    path.write_bytes(path.read_bytes()[:1000])
    words = f"style '{path.stem}' of the gallery: "
    with pytest.raises(StyleError, match=words):
        choose_styles(["gallery"], find_bundle("fast"))
    with pytest.raises(StyleError, match=words):
        Stylize(styles="gallery", model="fast")
    with pytest.raises(ImpastoError, match=path.stem):
        choose_styles([f"{path.stem[:4]}*"], find_bundle("fast"))


def test_no_style_is_said() -> None:
    for find in (
        lambda: choose_styles(["no-such-*"], find_bundle("fast")),
        lambda: Stylize(styles="no-such-*"),
    ):
        with pytest.raises(StyleError, match=r"no-such-\*: matches no style for this model"):
            find()
