"""Nothing is overwritten without ``--overwrite``, by no command."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import make_tiny
from PIL import Image

from impasto.cli import cli
from impasto.errors import ImpastoError, ModelError
from impasto.models import bundle_file, read_bundle, write_bundle

LAB = importlib.util.find_spec("torch") is not None
PRECIOUS = b"precious"
CONFIG = {"network": "fast", "vgg": "v.pth", "contents": {"p": 1.0}, "styles": {"q": 1.0}}


def commands(
    group: click.Group = cli, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        if name == "lab" and not LAB:
            continue
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


# Those that write into a folder of their own or go on with a file, which is tested below.
OTHERWISE = {"dataset"}
OF_LAB = {"lab train", "lab finetune", "lab evaluate", "lab score"}


def test_every_command_that_writes_has_the_option() -> None:
    writers = {}
    for path, command in commands():
        options = {flag for each in command.params for flag in each.opts}
        if options & {"-o", "--out", "--sheet", "--thumbnail"}:
            writers[" ".join(path)] = "--overwrite" in options
    without = {name for name, has in writers.items() if not has}
    assert without == OTHERWISE | (OF_LAB if LAB else set())
    assert {"stylize", "grid", "strip", "styles", "style show"} <= writers.keys()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "styles"))
    rng = np.random.default_rng(0)
    for name in ("a.png", "b.png"):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(name)
    write_bundle(make_tiny(), "tiny.impasto")
    Path("letter.txt").write_bytes(PRECIOUS)
    Path("letter.png").write_bytes(PRECIOUS)
    Path("letter.impasto").write_bytes(PRECIOUS)
    Path("letter.safetensors").write_bytes(PRECIOUS)
    return tmp_path


CALLS = [
    "stylize a.png b.png -o letter.png --model tiny.impasto",
    "stylize a.png b.png -o out.png --model gatys --preview letter.png",
    "grid a.png -s b.png -s b.png -s b.png -s b.png -o letter.png --model tiny.impasto",
    "strip a.png -s b.png -o letter.png --model tiny.impasto",
    "styles --sheet letter.png --on a.png",
    "style show munch-scream --thumbnail letter.png",
]
LAB_CALLS = [
    "lab import a.png b.png -o letter.txt",
    "lab import a.png b.png -o letter.impasto",
    "lab import a.png b.png -o letter",
    "lab export . -o letter.impasto",
    "lab export . -o letter.txt",
    "lab decoder . -o letter.safetensors",
]


@pytest.mark.parametrize("call", [*CALLS, *(LAB_CALLS if LAB else ())])
def test_a_file_is_left_alone(folder: Path, call: str) -> None:
    if "--model gatys" in call and not LAB:
        pytest.skip("needs PyTorch")
    before = sorted(each.name for each in folder.iterdir())
    result = CliRunner().invoke(cli, call.split())
    assert isinstance(result.exception, ImpastoError), result.output
    assert re.search(r"letter.*already exists.*--overwrite|no thumbnail", str(result.exception))
    assert all(each.read_bytes() == PRECIOUS for each in folder.glob("letter.*"))
    assert sorted(each.name for each in folder.iterdir()) == before


def test_with_the_option_it_is_replaced(folder: Path) -> None:
    for call in CALLS:
        if "munch" in call or "--sheet" in call or "gatys" in call:
            continue
        Path("letter.png").write_bytes(PRECIOUS)
        done = CliRunner().invoke(cli, [*call.split(), "--overwrite"])
        assert done.exit_code == 0, done.output
        with Image.open("letter.png") as image:
            image.load()


def test_names_of_bundles(folder: Path) -> None:
    assert bundle_file("mine") == Path("mine.impasto")
    assert bundle_file("letter", overwrite=True) == Path("letter.impasto")
    with pytest.raises(ModelError, match=r"saved as NAME\.impasto"):
        bundle_file("mine.onnx")
    with pytest.raises(ModelError, match=r"no folder nowhere; make it first"):
        bundle_file("nowhere/mine")
    with pytest.raises(ModelError, match="already exists"):
        write_bundle(make_tiny(), "letter.impasto")
    write_bundle(make_tiny(), "letter.impasto", overwrite=True)
    assert read_bundle("letter.impasto") == make_tiny()


def test_shelves_of_a_gallery_are_left_alone(folder: Path) -> None:
    pytest.importorskip("torch")
    from impasto.lab.export.gallery import Work, make_gallery

    shelf = folder / "gallery" / "tiny"
    shelf.mkdir(parents=True)
    (shelf / "mine.safetensors").write_bytes(PRECIOUS)
    work = Work("a", "a.png", "Nobody", "A")
    with pytest.raises(ImpastoError, match="already has 1 style"):
        make_gallery(folder, models=["./tiny.impasto"], works=[work], folder="gallery")
    assert [each.read_bytes() for each in shelf.iterdir()] == [PRECIOUS]


def test_a_run_replaces_nothing_that_is_no_run(folder: Path) -> None:
    pytest.importorskip("torch")
    from lab_parts import make_config

    from impasto.lab.training.config import read_config, write_config
    from impasto.lab.training.places import check_fresh

    config = make_config(**CONFIG)
    write_config(config, folder / "config.toml")
    check_fresh(folder, folder / "none.impasto")  # of a run that ended before its checkpoint
    text = "# my own\n" + (folder / "config.toml").read_text()
    (folder / "config.toml").write_text(text)
    assert read_config(folder / "config.toml") == config
    result = CliRunner().invoke(cli, ["lab", "train", "config.toml", "-o", "."])
    assert "config.toml: the config of the run would overwrite it" in str(result.exception)
    assert (folder / "config.toml").read_text() == text
    (folder / "run").mkdir()
    (folder / "run" / "run.impasto").write_bytes(PRECIOUS)
    result = CliRunner().invoke(cli, ["lab", "train", "config.toml", "-o", "run"])
    assert "run.impasto: already exists" in str(result.exception)
    assert [each.name for each in (folder / "run").iterdir()] == ["run.impasto"]


@pytest.mark.parametrize("name", ["summary.md", "folders.csv", "settings.json"])
def test_a_report_replaces_nothing_that_is_no_report(folder: Path, name: str) -> None:
    pytest.importorskip("torch")
    from impasto.lab.evaluate.lines import LineFile

    (folder / name).write_bytes(PRECIOUS)
    with pytest.raises(ImpastoError, match=r"does not belong to a report.*give another folder"):
        LineFile(folder, {"seed": 0})
    assert (folder / name).read_bytes() == PRECIOUS and not (folder / "pairs.csv").exists()


def test_the_config_of_a_run_holds_in_every_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    from lab_parts import make_config

    from impasto.lab.methods.compact.config import TaughtLoss
    from impasto.lab.training.config import write_config
    from impasto.lab.training.places import anchored, run_config

    config = make_config(**CONFIG)
    relative = replace(
        config,
        vgg="vgg.pth",
        start="quality",
        data=replace(config.data, contents={"photos-*.tar": 2.0}, styles={"a": 1.0, "name=b": 1}),
        loss=TaughtLoss(config.loss.weights, teacher="d.pth"),
    )
    found = anchored(relative, folder)
    assert (found.vgg, found.start) == (str(folder / "vgg.pth"), "quality")
    assert found.data.contents == {str(folder / "photos-*.tar"): 2.0}
    assert found.data.styles == {str(folder / "a"): 1.0, f"name={folder / 'b'}": 1}
    assert found.loss.teacher == str(folder / "d.pth")
    assert anchored(found, Path("/elsewhere")) == found
    # Runs of before that have relative paths.
    (folder / "vgg.pth").touch()
    (folder / "runs" / "mine").mkdir(parents=True)
    (folder / "other").mkdir()
    write_config(relative, folder / "runs" / "mine" / "config.toml")
    monkeypatch.chdir(folder / "other")
    assert run_config(Path("../runs/mine")) == found


def test_the_file_of_vgg(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    from lab_parts import make_config

    from impasto.lab.training.config import write_config
    from impasto.lab.training.places import with_vgg

    config = make_config(
        network="adain", vgg="vgg.pth", contents={"photos": 1.0}, styles={"paintings": 1.0}
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    monkeypatch.delenv("IMPASTO_VGG", raising=False)
    with pytest.raises(ModelError, match=r"^vgg\.pth: no such file .*; give --vgg or set IMPASTO"):
        with_vgg(config, None)
    for name in ("vgg.pth", "given.pth", "environment.pth"):
        Path(name).touch()
    assert with_vgg(config, None) is config
    assert with_vgg(config, Path("given.pth")).vgg == "given.pth"
    monkeypatch.setenv("IMPASTO_VGG", "environment.pth")
    assert with_vgg(config, None) is config  # what the config names comes first
    Path("vgg.pth").unlink()
    assert with_vgg(config, None).vgg == "environment.pth"
    write_config(config, Path("config.toml"))
    result = CliRunner().invoke(cli, ["lab", "train", "config.toml", "--vgg", "gone.pth"])
    assert "gone.pth: no such file of VGG-19" in str(result.exception)


def test_a_start_that_is_not_there_names_its_recipe(folder: Path) -> None:
    pytest.importorskip("torch")
    recipes = Path(__file__).parents[1] / "recipes" / "configs"
    for name, earlier in (
        ("quality", "quality-distill"),
        ("fast-reading", "fast"),
        ("adain-decoder", None),
    ):
        result = CliRunner().invoke(cli, ["lab", "train", str(recipes / f"{name}.toml")])
        text = str(result.exception)
        assert "this file does not exist" in text and "start" in text, text
        assert ("impasto lab train" in text) == (earlier is not None)
        if earlier:
            assert str(recipes / f"{earlier}.toml") in text
    assert not (folder / "runs").exists()
