"""Completion in shells: by click's protocol, in a real bash, quickly and without anything heavy."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from test_overwriting import commands

from impasto.cli import cli
from impasto.cli.completion import COMPLETERS, FILES
from impasto.cli.shells import SHELLS, VARIABLE, script
from impasto.controls import STATISTICS
from impasto.controls.behavior import BEHAVIORS
from impasto.controls.color import METHODS
from impasto.controls.transforms import TRANSFORMS
from impasto.images.formats import WRITTEN
from impasto.models import ENGINES, MODELS
from impasto.video.container.encoding import CODECS
from impasto.video.options import LEVELS

HEAVY = {"numpy", "PIL", "onnxruntime", "openvino", "torch", "av", "tqdm", "importlib.metadata"}
SECONDS = 0.15

FILES_OR_WORDS = r"FILE|PHOTO|STYLE$|[a-z]\|[a-z]"
"""Metavariables of options that take a file, or one of a few words."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of files of all kinds, with a style of the user's own."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    for each in (home, work / "holiday", work / "my photos", tmp_path / "kept/0123456789abcdef"):
        each.mkdir(parents=True)
    for name in (
        *("photo.jpg", "my photo.JPG", "phrase.txt", "a,b.png", "tiny.impasto", "train.toml"),
        *("phase.mp4", "phone.gif", "own.safetensors", "../home/hat.png", ".hidden.jpg"),
        *("holiday/beach.heic", "holiday/plan.odt"),
        "../kept/0123456789abcdef/munch-mine.safetensors",
    ):
        (work / name).touch()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    return work


def complete(*words: str, shell: str = "bash") -> list[str]:
    """The lines that the command answers a shell with; the last word is incomplete."""
    variables = {VARIABLE: f"{shell}_complete", "COMP_WORDS": " ".join(("impasto", *words))}
    variables["COMP_CWORD"] = words[-1] if shell == "fish" else str(len(words))
    code = (
        "import sys\nfrom impasto.cli import main\n"
        "try: main()\nfinally: sys.stderr.write(' '.join(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = {*done.stderr.split()}
    assert "impasto.cli.shells" in loaded and not loaded & HEAVY, loaded & HEAVY
    return done.stdout.split("\n")[:-1]


# --- the protocol --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("sty", ["plain,stylize", "plain,style", "plain,styles"]),
        ("completion ", ["plain,bash", "plain,zsh", "plain,fish"]),
        ("ph", ["path,phase.mp4", "path,phone.gif", "path,photo.jpg"]),
        ("stylize ph", ["path,phone.gif", "path,photo.jpg"]),
        ("stylize phr", ["file,phr"]),
        ("stylize a", ["path,a,b.png"]),
        ("stylize h", ["path,holiday"]),
        ("stylize holiday/", ["path,holiday/beach.heic"]),
        ("stylize holiday/x", ["file,holiday/x"]),
        ("stylize nowhere/", ["file,nowhere/"]),
        ("stylize ~/h", ["path,~/hat.png"]),
        ("stylize .h", ["path,.hidden.jpg"]),
        ("stylize a.jpg -o ph", ["file,ph"]),
        ("stylize a.jpg -s munch-sc", ["plain,munch-scream"]),
        ("stylize a.jpg munch-sc", ["plain,munch-scream"]),
        ("stylize a.jpg -s phot", ["path,photo.jpg"]),
        ("stylize a.jpg --mask ph", ["path,phase.mp4", "path,phone.gif", "path,photo.jpg"]),
        ("stylize a.jpg --alpha pha", ["path,phase.mp4"]),
        ("stylize a.jpg --color c", ["plain,cholesky", "plain,coral"]),
        ("stylize a.jpg --depth ", ["plain,8", "plain,16"]),
        ("stylize a.jpg --transform w", ["plain,wct"]),
        ("stylize a.jpg --behavior a", ["plain,authors"]),
        ("stylize a.jpg --engine onnxr", ["plain,onnxruntime"]),
        ("stylize a.jpg --precision ", ["plain,bf16", "plain,fp32", "plain,int8", "plain,auto"]),
        (
            "stylize a.jpg --engine onnxruntime --precision ",
            ["plain,fp32", "plain,int8", "plain,auto"],
        ),
        ("stylize a.jpg --model q", ["plain,quality"]),
        ("stylize a.jpg --model ti", ["path,tiny.impasto"]),
        ("models ti", ["path,tiny.impasto"]),
        ("video ph", ["path,phase.mp4", "path,phone.gif"]),
        ("video a.mp4 --codec h", ["plain,h264", "plain,hevc"]),
        ("video a.mp4 --steady ", ["plain,off", "plain,light", "plain,strong"]),
        ("video a.mp4 --timeline t", ["path,train.toml"]),
        ("live --camera ph", ["path,phase.mp4", "path,phone.gif"]),
        ("style add x o", ["path,own.safetensors"]),
        ("style remove munch-", ["plain,munch-mine"]),
        ("serve --model f", ["plain,fast"]),
    ],
)
def test_answers_in_bash(folder: Path, words: str, found: list[str]) -> None:
    assert complete(*words.split(" ")) == found


def test_names_of_styles_stand_before_pictures(folder: Path) -> None:
    found = complete("stylize", "a.jpg", "-s", "m")
    names = [each for each in found if each.startswith("plain,")]
    assert {"plain,munch-mine", "plain,munch-scream"} <= {*names} and names == sorted(names)
    assert found[len(names) :] == ["path,my photo.JPG", "path,my photos"]
    assert "path,holiday" in complete("stylize", "a.jpg", "--model", "")


def test_other_shells_look_for_files_by_themselves(folder: Path) -> None:
    words = ("stylize", "a.jpg", "--model", "f")
    assert complete(*words, shell="zsh") == ["plain", "fast", "_", "files", "impasto", "_"]
    assert complete(*words, shell="fish") == ["plain,fast", "files,impasto"]
    suffixes = complete("stylize", "ph", shell="fish")[0].partition(",")[2].split("|")
    assert {"jpg", "png", "heic", "tif"} <= {*suffixes} and "mp4" not in suffixes
    assert complete("video", "ph", shell="fish")[0].startswith("files,mp4|")
    assert "help" not in complete("sty", shell="zsh")


def test_lab_completes_its_configs(folder: Path) -> None:
    pytest.importorskip("torch")
    done = subprocess.run(
        [sys.executable, "-m", "impasto"],
        env=os.environ | {VARIABLE: "bash_complete", "COMP_WORDS": "impasto lab train t"}
        | {"COMP_CWORD": "3"},
        capture_output=True,
        text=True,
    )  # fmt: skip
    assert done.stdout == "path,train.toml\n"


# --- the words that options take -----------------------------------------------------------------


def options() -> Iterator[tuple[str, click.Option]]:
    for path, command in commands():
        for option in command.params:
            if isinstance(option, click.Option):
                yield " ".join((*path, option.opts[-1])), option


def words_of(name: str) -> list[list[str]]:
    """The words that an option of that name completes, for each command that has it."""
    found = []
    for place, option in options():
        if option.opts[-1] == name:
            context = click.Context(click.Command("x"))
            items = option.shell_complete(context, "")
            assert all(item.type == "plain" for item in items), place
            found.append([item.value for item in items])
    return found


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("--color", [row.name for row in METHODS]),
        ("--transform", [row.name for row in TRANSFORMS]),
        ("--behavior", [row.name for row in BEHAVIORS]),
        ("--statistics", [*STATISTICS]),
        ("--codec", [*CODECS]),
        ("--steady", [*LEVELS]),
        ("--format", [row.name.lower() for row in WRITTEN]),
        ("--engine", [row.name for row in ENGINES if row.installed]),
    ],
)
def test_words_are_those_of_the_tables(name: str, table: list[str]) -> None:
    found = words_of(name)
    assert found
    assert all(sorted(words) == sorted(table) for words in found), (found, table)


def test_every_option_of_a_file_or_a_choice_is_completed() -> None:
    plain = click.Option.shell_complete
    missing = []
    for place, option in options():
        metavar = option.metavar or ""
        names = option.name in ("engine", "model") or re.search(FILES_OR_WORDS, metavar)
        if names and not isinstance(option.type, click.Path):
            custom = getattr(option, "_custom_shell_complete", None)
            if custom is None and type(option).shell_complete is plain:
                missing.append(place)
    # A time or a name stands before the file, which shells do not see as a word of its own.
    assert {place for place in missing if not re.search("--(style-at|gallery)$", place)} == set()


def test_the_table_of_completers_is_light() -> None:
    context, parameter = click.Context(click.Command("x")), click.Option(["--x"])
    for name, completer in COMPLETERS.items():
        items = completer(context, parameter, "")
        assert items and all(item.type in ("plain", "file", FILES) for item in items), name
    shipped = {row.name for row in MODELS if row.file}
    assert shipped <= {item.value for item in COMPLETERS["model"](context, parameter, "")}


# --- the scripts ---------------------------------------------------------------------------------


def test_the_command_prints_the_scripts() -> None:
    for shell in SHELLS:
        result = CliRunner().invoke(cli, ["completion", shell])
        assert result.exit_code == 0 and result.output == script(shell)
        assert VARIABLE in result.output and "%(" not in result.output
    assert "Missing argument" in CliRunner().invoke(cli, ["completion"]).output


def test_scripts_of_the_variable_are_the_same(folder: Path) -> None:
    """Start-up files may still have the line that click's documentation shows."""
    for shell in SHELLS:
        done = subprocess.run(
            [sys.executable, "-m", "impasto"],
            env=os.environ | {VARIABLE: f"{shell}_source"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == script(shell)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_reads_its_script(shell: str, tmp_path: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    file = tmp_path / "script"
    file.write_text(script(shell))
    subprocess.run([shell, "-n", file], check=True, timeout=60)


def test_a_real_bash_completes(folder: Path, tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "impasto").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m impasto "$@"\n')
    (programs / "impasto").chmod(0o755)
    (tmp_path / "script").write_text(script("bash"))
    calls = (
        r"impasto stylize my\ ",
        "impasto stylize a.jpg -s munch-sc",
        "impasto stylize ~/h",
        'impasto stylize "my p',
    )
    # COMP_WORDS are the words as they were typed, with their backslashes and quotes.
    lines = [f"source '{tmp_path}/script'"]
    for call in calls:
        words = re.findall(r'"[^"]*|(?:\\.|\S)+', call)
        quoted = " ".join("'" + word + "'" for word in words)
        lines.append(
            f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _impasto_completion impasto; "
            '(IFS="|"; echo "${COMPREPLY[*]}")'
        )
    done = subprocess.run(
        ["bash", "--norc", "-c", "\n".join(lines)],
        env=os.environ | {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    both = "my photo.JPG|my photos"
    assert done.stdout.splitlines() == [both, "munch-scream", "~/hat.png", both], done.stderr


# --- quickly -------------------------------------------------------------------------------------


def seconds(*arguments: str, **variables: str) -> float:
    """The time of the processor for a call of Python, the best of some.

    With compiled modules, as an installation has them; the first call may compile them.
    """
    variables["PYTHONDONTWRITEBYTECODE"] = ""
    best = float("inf")
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *arguments],
            env=os.environ | variables,
            check=True,
            stdout=subprocess.DEVNULL,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def test_a_completion_takes_a_moment(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(folder / "compiled"))
    words = {"COMP_WORDS": "impasto stylize a.jpg -s mu", "COMP_CWORD": "4"}
    taken = seconds("-m", "impasto", **words, **{VARIABLE: "bash_complete"})
    # A machine that is slow or busy takes as much longer for click alone.
    click_alone = seconds("-c", "import click.shell_completion")
    assert taken <= SECONDS or taken <= 2.2 * click_alone, (taken, click_alone)
