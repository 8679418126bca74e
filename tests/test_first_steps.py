"""First steps of a newcomer: slips in names get the line that helps, and leave nothing behind."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from conftest import make_tiny
from PIL import Image
from test_overwriting import commands

import impasto
from impasto.batch.inputs import find_contents
from impasto.batch.outputs import leave_out_results
from impasto.cli import cli
from impasto.cli.groups import say_option
from impasto.errors import ImageError, ImpastoError, ModelError, StyleError
from impasto.models import write_bundle

TINY = ("--model", "./tiny.impasto")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    write_bundle(make_tiny(), "tiny.impasto")
    rng = np.random.default_rng(0)
    Path("holiday").mkdir()
    for name in ("photo.jpg", "other.jpg", "wave.png", "holiday/a.jpg", "holiday/b.jpg"):
        Image.fromarray(rng.integers(0, 255, (32, 40, 3), dtype=np.uint8)).save(name)
    return tmp_path


def names() -> set[str]:
    return {str(each) for each in Path().rglob("*")}


def call(*words: str, code: int = 0) -> str:
    """All that the command says, or its error."""
    result: Result = CliRunner().invoke(cli, list(words), standalone_mode=False)
    if isinstance(error := result.exception, ImpastoError | click.ClickException):
        assert code == 2, error
        return error.format_message() if isinstance(error, click.ClickException) else str(error)
    assert result.exception is None and (result.return_value or 0) == code, result.output
    return result.output


# --- without a verb ------------------------------------------------------------------------------


def test_pictures_without_a_verb_are_painted(folder: Path) -> None:
    said = call("photo.jpg", "wave.png", *TINY)
    assert "impasto stylize photo.jpg wave.png" in said
    with Image.open("photo-wave.jpg") as image:
        assert image.size == (40, 32)
    call("holiday", "-s", "wave.png", "-o", "painted/", "-q", *TINY)
    assert {"painted/a-wave.jpg", "painted/b-wave.jpg"} <= names()


def test_a_name_that_can_be_no_command_is_a_picture(folder: Path) -> None:
    said = call("phto.jpg", "wave.png", *TINY, code=2)
    assert "phto.jpg: no such file; did you mean photo.jpg?" in said
    assert "is a web address" in call("https://a.org/b.jpg", "wave.png", code=2)
    assert "a style is missing: impasto stylize photo.jpg STYLE" in call("photo.jpg", code=2)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("stylise a b", "impasto stylize"),
        ("paint a b", "impasto stylize"),
        ("transfer a b", "impasto stylize"),
        ("style list", "impasto styles"),
        ("style ls", "impasto styles"),
        ("style delete x", "impasto style remove"),
        ("style ad x y", "impasto style add"),
        ("model", "impasto models"),
        ("train x", "impasto lab train"),
        ("help", "impasto --help"),
        ("lab fine-tune a b", "impasto lab finetune"),
        ("lab exprot a", "impasto lab export"),
        ("-o x photo.jpg wave.png", "impasto stylize PHOTO STYLE -o"),
    ],
)
def test_other_words_for_commands(folder: Path, words: str, meant: str) -> None:
    with pytest.raises(click.UsageError) as caught:
        cli.main(words.split(), prog_name="impasto", standalone_mode=False)
    error = caught.value
    shown = say_option(error) if isinstance(error, click.NoSuchOption) else error
    assert meant in shown.format_message()


@pytest.mark.parametrize(
    ("option", "meant"),
    [
        ("--strength", "--alpha"),
        ("--output", "--out"),
        ("--gpu", "--engine"),
        ("--preserve_color", "--color"),
        ("--resolution", "--size"),
        ("--force", "--overwrite"),
        ("--alhpa", "--alpha"),
        ("--content", "given without an option"),
    ],
)
def test_other_words_for_options(option: str, meant: str) -> None:
    with pytest.raises(click.NoSuchOption) as caught:
        cli.main(["stylize", "a", option, "x"], standalone_mode=False)
    said = say_option(caught.value).format_message()
    assert meant in said and "--set" not in said


def test_help_by_either_option_in_every_command() -> None:
    found = [*commands(), ((), cli), (("style",), cli)]
    assert len(found) > 10
    for path, _ in found:
        for flag in ("-h", "--help"):
            result = CliRunner().invoke(cli, [*path, flag])
            assert result.exit_code == 0 and "Usage:" in result.output, (path, result.output)


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("out", [(), ("-o", "painted"), ("-o", "painted/"), ("-o", "new.png")])
@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("*.jpgg", r"\*\.jpgg: no file matches this pattern"),
        ("holidy", r"holidy: no such file or folder; did you mean holiday\?"),
        ("holidy/", r"holidy/: no such folder; did you mean holiday\?"),
        ("holiday/c.png", r"holiday/c\.png: no such file; check the path"),
        ("nowhere/a.jpg", r"nowhere/a\.jpg: no such file, because there is no folder nowhere"),
        ("https://example.org/cat.jpg", r"https://example\.org/cat\.jpg: is a web address"),
        ("www.example.org/cat.jpg", r"is a web address"),
    ],
)
def test_a_photograph_that_is_not_there(
    folder: Path, name: str, line: str, out: tuple[str, ...]
) -> None:
    before = names()
    said = call("stylize", name, "-s", "wave.png", *out, *TINY, code=2)
    assert re.search(line, said) and "painted" not in said and "new.png" not in said, said
    assert names() == before


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("wavee.png", r"wavee\.png: no such file; did you mean wave\.png\?"),
        ("*.pngg", r"\*\.pngg: no style and no file matches this pattern"),
        ("art/wave.png", r"no folder art"),
        ("https://example.org/wave.jpg", r"is a web address"),
    ],
)
def test_a_style_that_is_not_there(folder: Path, name: str, line: str) -> None:
    before = names()
    said = call("stylize", "photo.jpg", "-s", name, "-o", "painted", *TINY, code=2)
    assert re.search(line, said) and "painted" not in said, said
    assert names() == before


def test_addresses_in_python(folder: Path) -> None:
    model = impasto.load("./tiny.impasto", engine="onnxruntime")
    address = "https://example.org/a.jpg"
    with pytest.raises(ImageError, match=rf"^{address}: is a web address"):
        model.stylize(address, "wave.png")
    with pytest.raises(StyleError, match=rf"^{address}: is a web address"):
        model.stylize("photo.jpg", address)
    with pytest.raises(ModelError, match="is a web address"):
        impasto.load("https://example.org/a.impasto")


def test_a_pattern_that_no_shell_has_expanded(folder: Path) -> None:
    found, problems = find_contents(["holiday/*.jpg", "*.jpgg", "photo.jpg"], out="painted/")
    assert [path for path, _ in found] == ["holiday/a.jpg", "holiday/b.jpg", "photo.jpg"]
    assert len(problems) == 1 and "*.jpgg" in problems[0]


def test_a_folder_for_results_is_written_with_a_slash(folder: Path) -> None:
    before = names()
    said = call("stylize", "photo.jpg", "-s", "wave.png", "-o", "painted", *TINY, code=2)
    assert "write painted/ " in said and names() == before
    call("stylize", "photo.jpg", "-s", "wave.png", "-o", "painted/", *TINY)
    assert "painted/photo-wave.jpg" in names()


@pytest.mark.parametrize("out", ["new/", "new/deep/"])
def test_a_call_that_fails_leaves_no_folder(folder: Path, out: str) -> None:
    Path("bad.jpg").write_text("no picture")
    Path("bad").mkdir()
    Path("bad/bad.jpg").write_text("no picture")
    before = names()
    for photo in ("bad.jpg", "bad"):
        call("stylize", photo, "-s", "wave.png", "-o", out, *TINY, code=2)
        assert names() == before
    Path("there").mkdir()
    call("stylize", "bad.jpg", "-s", "wave.png", "-o", "there", *TINY, code=2)
    assert Path("there").is_dir()


# --- the same call again -------------------------------------------------------------------------


def test_results_of_earlier_calls_are_no_photographs(folder: Path) -> None:
    for _ in range(2):
        photos = sorted(map(str, Path().glob("*.jpg")))
        said = call("stylize", *photos, "-s", "wave.png", *TINY)
    assert "2 results of earlier runs skipped (other-wave.jpg, photo-wave.jpg)" in said
    assert {each for each in names() if each.endswith("wave-wave.jpg")} == set()
    # By itself such a picture is a photograph like any other.
    call("stylize", "photo-wave.jpg", "-s", "wave.png", *TINY)
    assert "photo-wave-wave.jpg" in names()


@pytest.mark.parametrize(
    ("paths", "results"),
    [
        (["a.jpg", "a-wave.jpg", "a-wave-2.jpg"], ["a-wave.jpg", "a-wave-2.jpg"]),
        (["a.jpg", "a-munch-scream.png"], ["a-munch-scream.png"]),
        (["a.jpg", "a-b.jpg", "b.jpg", "a-2.jpg", "a-1999.jpg"], []),
        (["a.gif", "a.gif-wave.png"], ["a.gif-wave.png"]),
        (["a-wave.jpg"], []),
        (["b.jpg", "a-wave.jpg"], []),
        (["x/a.jpg", "y/a-wave.jpg"], []),
    ],
)
def test_which_names_are_results(paths: list[str], results: list[str]) -> None:
    kept, left = leave_out_results([(path, "") for path in paths], [("w.png",)], {"w.png": "wave"})
    assert list(left) == results
    assert [path for path, _ in kept] == [path for path in paths if path not in results]


def test_a_style_called_by_a_number_leaves_numbered_photographs_alone() -> None:
    inputs = [("img.jpg", ""), ("img-1.jpg", "")]
    assert leave_out_results(inputs, [("1.jpg",)], {"1.jpg": "1"}) == (tuple(inputs), ())


# --- numbers and units ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--memory", "4"), "'4' is 4 bytes: give the unit too, such as 4GB"),
        (("--memory", "512"), "such as 512GB or 512MiB"),
        (("--mask", "wave.png", "--mask", "wave.png"), "not 2 masks for 1 style: "),
        (("--weights", "1,2"), "not 2 weights for 1 style"),
    ],
)
def test_numbers_are_told_with_their_mend(folder: Path, words: tuple[str, ...], line: str) -> None:
    said = call("stylize", "photo.jpg", "-s", "wave.png", *words, *TINY, code=2)
    assert line in said, said


def test_a_bundle_in_the_working_folder_is_named_whole(folder: Path) -> None:
    write_bundle(make_tiny(), "adain.impasto")
    write_bundle(make_tiny(), "mine.impasto")
    for name in ("adain", "mine"):
        with pytest.raises(ModelError, match=rf"the file in this folder, {name}\.impasto"):
            impasto.load(name)


# --- standard output -----------------------------------------------------------------------------


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is full")
@pytest.mark.parametrize(
    "words",
    [
        ("stylize", "photo.jpg", "wave.png", "-o", "-", *TINY),
        ("strip", "photo.jpg", "-s", "wave.png", "-o", "-", *TINY),
        ("models", "tiny.impasto"),
    ],
)
def test_a_full_disk_behind_standard_output(folder: Path, words: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "impasto", *words], stdout=full, stderr=subprocess.PIPE
        )
    line = done.stderr.decode()
    assert done.returncode == 2 and line.count("\n") == 1, line
    assert line.startswith("impasto: standard output: ") and "No space left" in line
