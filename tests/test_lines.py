"""Every text of the command is one line that does nothing to a terminal, whatever it names."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest
from bad_files import truncated_jpeg
from test_cli import on_terminal, run, save

from impasto.errors import escaped

ODD = "a\nb\r\x1b[31m\x1b]0;title\x07\x9b2J\u202egnp.\u2066\u2028\u200f"
SHOWN = (
    r"a\nb\r\x1b[31m\x1b]0;title\x07\x9b2J\u202egnp.\u2066\u2028\u200f"  # each sign by its number
)
RAW = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u200f]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    save(Path("wave.png"))
    return tmp_path


@pytest.fixture
def model(tiny_path: Path) -> list[str]:
    return ["--model", str(tiny_path), "--engine", "onnxruntime"]


def test_control_signs_are_escaped_and_nothing_else():
    assert escaped(ODD) == SHOWN
    assert escaped(os.fsdecode(b"latin-\xe9 \xff")) == r"latin-\xe9 \xff"
    assert escaped("\ud83d") == r"\ud83d"
    for name in [
        "été 東京\u3000🎨",
        "👩\u200d🎨",
        "می\u200cخواهم",
        "a  b\u00a0c\\n",
        "Ä\u0308",
        "",
    ]:
        assert escaped(name) == name
    assert escaped(escaped(ODD)) == SHOWN


def test_lines_of_pictures_styles_and_failures(folder: Path, model: list[str]):
    Path(f"in {ODD}").mkdir()
    save(Path(f"in {ODD}", f"photo {ODD}.png"))
    save(Path(f"style {ODD}.png"), seed=1)
    Path(truncated_jpeg(folder)).rename(Path(f"in {ODD}", f"bad {ODD}.jpg"))
    style = f"style {ODD}.png"
    words = ("stylize", f"in {ODD}", f"gone {ODD}.png", "-s", style, "-s", f"no {ODD}*")
    done = run(*words, "--all-pairs", "-o", f"out {ODD}", *model, code=2)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert not RAW.search(out + err), ascii(out + err)
    [line] = out.splitlines()
    assert line.startswith(f"out {SHOWN}/photo {SHOWN}-style {SHOWN}.png: encode ")
    lines = err.splitlines()
    for name in (f"in {SHOWN}/bad {SHOWN}.jpg", f"gone {SHOWN}.png", f"no {SHOWN}*"):
        assert sum(line.startswith(f"impasto: {name}: ") for line in lines) == 1
        assert sum(line.startswith(f"  {name}: ") for line in lines) == 1  # in the summary
    assert len(lines) == 7


def test_lines_of_other_commands(folder: Path, model: list[str]):
    odd = f"x {ODD}.png"
    save(Path(odd))
    for words, code in [
        (("stylize", odd, "wave.png", "-o", f"gone {ODD}/a.png"), 2),
        (("stylize", odd, "wave.png", "-o", f"a {ODD}.xyz"), 2),
        (("stylize", odd, "wave.png", "-o", odd), 2),
        (("stylize", odd, "wave.png", "--alpha", ODD), 2),
        (("stylize", odd, "wave.png", "--size", ODD), 2),
        (("stylize", odd, "wave.png", f"--{ODD}"), 2),
        (("stylize", odd, "wave.png", "--model", f"m {ODD}"), 2),
        (("stylize", odd), 2),
        (("strip", odd, "-s", "wave.png", "-o", f"strip {ODD}.png", *model), 0),
        (("style", "add", "mine", odd, "--note", ODD, *model[:2]), 0),
        (("style", "add", f"mine {ODD}", odd), 2),
        (("style", "show", "mine"), 0),
        (("styles",), 0),
        (("models", f"m {ODD}.impasto"), 2),
        ((ODD,), 2),
    ]:
        done = run(*words, code=code)
        text = (done.stdout + done.stderr).decode()
        assert not RAW.search(text), ascii(text)


def test_progress_bars(folder: Path, model: list[str]):
    save(Path(f"{ODD}.png"), height=160, width=160)
    code, text = on_terminal(
        "stylize", f"{ODD}.png", "-s", "wave.png", "-o", f"out {ODD}/", "--tile", "128", *model
    )
    assert code == 0
    assert "title\x07" not in text and "\x1b[31m" not in text and "\u202e" not in text
    assert r"\ra\nb\r\x1b[31m" in text.replace("\r", r"\r")


def test_there_is_one_door():
    """No other file of the commands writes to the terminal."""
    source = Path(__file__).parent.parent / "src" / "impasto"
    files = [*source.glob("cli/*.py"), *source.glob("lab/cli/*.py")]
    assert len(files) > 8
    for path in files:
        if path.name == "lines.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                doors = ("click.echo", "click.secho", "print")
                assert called not in doors, f"{path.name}:{node.lineno}"
                assert not called.endswith((".set_description_str", "bar.write", "stderr.write"))
