"""The standard pictures of the yardstick: the list, what is refused, and the command."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

import torch
from click.testing import CliRunner
from conftest import make_tiny
from lab_parts import SHARED, vgg_weights, write_pictures

from impasto.errors import ImageError
from impasto.lab.cli import lab
from impasto.lab.data.sources import is_held_out
from impasto.lab.evaluate import standard
from impasto.models import write_bundle


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small folders in the place of the large ones, and their list."""
    for folder in (standard.CONTENTS, standard.STYLES):
        write_pictures(tmp_path / folder, 30)
    found = tuple(
        standard.Listed(folder, file.name, hashlib.sha256(file.read_bytes()).hexdigest())
        for folder in (standard.CONTENTS, standard.STYLES)
        for file in sorted((tmp_path / folder).iterdir())
        if is_held_out(file.name)
    )
    assert len(found) >= 4
    monkeypatch.setattr(standard, "standard_list", lambda: found)
    return tmp_path


def test_the_list_is_of_held_out_files_and_sorted() -> None:
    files = standard.standard_list()
    assert len({(file.folder, file.name) for file in files}) == len(files) == 115
    assert all(is_held_out(file.name) and len(file.sha256) == 64 for file in files)
    for folder in (standard.CONTENTS, standard.STYLES):
        names = [file.name for file in files if file.folder == folder]
        assert names == sorted(names) and names


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the pictures in ../shared")
def test_the_list_is_that_of_the_pictures() -> None:
    assert standard.survey(SHARED / "data") == standard.standard_list()


def test_other_pictures_are_refused_by_name(root: Path) -> None:
    photographs, paintings = standard.standard_folders(root)
    assert (photographs, paintings) == (root / "photos" / "crisp", root / "paintings" / "crisp")
    first, second = standard.standard_list()[0], standard.standard_list()[-1]
    (root / first.folder / first.name).unlink()
    changed = root / second.folder / second.name
    changed.write_bytes(changed.read_bytes() + b" ")
    new = next(f"new{i}.png" for i in range(99) if is_held_out(f"new{i}.png"))
    (paintings / new).write_bytes(changed.read_bytes())
    with pytest.raises(ImageError) as refused:
        standard.standard_folders(root)
    assert f"1 missing ({first.folder}/{first.name})" in str(refused.value)
    assert f"1 different from the list ({second.folder}/{second.name})" in str(refused.value)
    assert f"1 not in the list ({standard.STYLES}/{new})" in str(refused.value)
    with pytest.raises(ImageError, match="no such folder"):
        standard.standard_folders(root / "elsewhere")


def test_the_command(root: Path) -> None:
    torch.save(vgg_weights(), root / "vgg.pth")
    write_bundle(make_tiny(), root / "one.impasto")
    words = [
        "evaluate", "--standard", root, "--vgg", root / "vgg.pth", "--model", root / "one.impasto",
        "--pairs", 2, "--engine", "onnxruntime", "-o", root / "judged",
    ]  # fmt: skip
    done = CliRunner().invoke(lab, [*map(str, words), "--size", "64"])
    assert done.exit_code == 0, done.output
    assert "## 2 pairs at 64 px" in done.output and "2 pairs of the held-out tenth" in done.output
    both = CliRunner().invoke(lab, [*map(str, words), "--styles", str(root)])
    assert both.exit_code == 2 and "--standard has its own pictures" in both.output
    (root / standard.standard_list()[0].folder / standard.standard_list()[0].name).unlink()
    refused = CliRunner().invoke(lab, list(map(str, words)))
    assert isinstance(refused.exception, ImageError) or "1 missing" in refused.output
