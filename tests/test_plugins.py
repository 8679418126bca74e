"""Painters that other packages plug in, on the command line: as the lab's methods, without it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from test_cli import COMMAND, on_terminal, pixels, save

MODULE = """
from dataclasses import dataclass, replace
from types import SimpleNamespace
import numpy as np
from impasto.errors import OptionError
from impasto.images.windows import PaintedTile
from impasto.painting import Limits, Progress, Unencoded

def open_painter(*, engine, precision, threads, vgg):
    return Inverter(SimpleNamespace(name=engine or "hand", precision=precision or "fp32"))

@dataclass(frozen=True)
class Inverter:
    engine: object
    steps: int = 2
    name = "inverter"
    identity = "0123456789abcdef"
    limits = Limits(tiles=False, keeps_styles=False, several=False)

    def with_settings(self, settings):
        options = dict(settings)
        for name in options.pop("options", {}):
            raise OptionError(f"there is no option {name!r} here")
        return replace(self, **options)

    def style(self, photo, transform):
        return photo

    def encode(self, source, budget, *, held=(0, 0), watch=None):
        return Unencoded(source, self.identity)

    def paint(self, content, styles, controls, watch=None):
        rows, columns = slice(0, content.source.height), slice(0, content.source.width)
        image, opacity = content.source.window(rows, columns)
        for step in range(1, self.steps + 1):
            if watch is not None:
                watch(Progress(step, self.steps, {"content": 1 / step}, lambda: 1 - image))
        yield PaintedTile(rows, columns, 1 - image, opacity, (0.0, 0.0, 0.0))
"""
THINGS = """
import numpy as np
from inverter import Inverter, open_painter

class Fade:
    def stylize(self, content, style, alpha=1.0):
        return content + alpha * (style.mean(axis=(0, 1)) - content)

FADE = Fade()
NUMBER = 3

def with_argument(hue):
    return FADE

def only_engine(engine):
    assert engine in (None, "chalk")
    return FADE
"""
POINTS = """[impasto.painters]
inverter = inverter:open_painter
fade = things:Fade
missing = no_such_package:open_painter [fast]
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with pictures, and a package with two painters on the path."""
    packages = tmp_path / "packages"
    (packages / "inverting-1.0.dist-info").mkdir(parents=True)
    (packages / "inverter.py").write_text(MODULE)
    (packages / "things.py").write_text(THINGS)
    for name, text in (
        ("METADATA", "Metadata-Version: 2.1\nName: inverting\nVersion: 1.0\n"),
        ("entry_points.txt", POINTS),
    ):
        (packages / "inverting-1.0.dist-info" / name).write_text(text)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(packages), *_path()]))
    monkeypatch.chdir(work)
    for seed, name in enumerate(("street.png", "harbor.png", "wave.png")):
        save(Path(name), seed=seed)
    return work


def _path() -> list[str]:
    return [each for each in os.environ.get("PYTHONPATH", "").split(os.pathsep) if each]


def run(
    *words: str, code: int = 0, command: Sequence[str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*command, *words], capture_output=True, timeout=60, check=False, text=True
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    return done


def test_a_painter_paints_with_a_preview(folder: Path) -> None:
    words = ("stylize", "street.png", "-s", "wave.png", "--model", "inverter", "-o")
    line = run(*words, "a.png", "--steps", "3", "--preview", "p.png", "--engine", "chalk").stdout
    assert line.startswith("a.png: encode ") and line.endswith("(inverter, chalk fp32)\n")
    np.testing.assert_array_equal(pixels(Path("a.png")), 255 - pixels(Path("street.png")))
    np.testing.assert_array_equal(pixels(Path("a.png")), pixels(Path("p.png")))
    code, text = on_terminal(*words, "b.png", "--steps", "7")
    assert code == 0 and "7/7 content 0.143" in text


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--model", "inverter", "--set", "steps"), "write NAME=VALUE"),
        (("--model", "inverter", "--set", "hue=2"), "there is no option 'hue'"),
        (("--model", "inverter", "--tile", "64"), "the whole picture at once .* leave --tile out"),
        (
            ("--model", "inverter", "--memory", "1GB"),
            "the whole picture at once .* leave --memory out",
        ),
        (("--model", "inverter", "-s", "harbor.png"), "cannot mix styles"),
        (("--model", "missing"), r"needs no_such_package; pip install 'inverting\[fast\]'"),
        (("--model", "fast", "--steps", "3"), "--steps is for methods .* one of .*inverter"),
        (("--set", "a=1"), "--set is for methods"),
    ],
)
def test_refused(folder: Path, words: tuple[str, ...], says: str) -> None:
    done = run("stylize", "street.png", "-s", "wave.png", "-o", "a.png", *words, code=2)
    assert re.fullmatch(f"impasto: .*{says}.*\n", done.stderr), done.stderr
    assert not Path("a.png").exists()


def test_no_kept_style_is_for_a_painter_that_looks_at_pictures(folder: Path) -> None:
    done = run("stylize", "street.png", "munch-scream", "--model", "inverter", code=2)
    assert "munch-scream: no such picture" in done.stderr


def test_one_picture_for_a_preview(folder: Path) -> None:
    words = ("stylize", "street.png", "harbor.png", "-s", "wave.png", "--model", "inverter")
    assert "one picture, not 2" in run(*words, "--preview", "p.png", code=2).stderr
    assert len(run(*words, "-o", "all").stdout.splitlines()) == 3


def test_painters_are_listed(folder: Path) -> None:
    text = run("models").stdout
    assert "\n  inverter\n    from the package inverting\n\n" in text
    assert "from the package inverting; needs pip install 'inverting[fast]'" in text


@pytest.mark.parametrize(
    "place",
    ["fade", "things:FADE", "things:Fade", "things:only_engine", "here:FADE", "a.here:FADE"],
)
def test_a_place_in_a_module_is_a_model(folder: Path, place: str) -> None:
    """Of a package or of the working folder, which is not on Python's path with the command."""
    Path("a").mkdir()
    for file in ("here.py", "a/here.py"):
        Path(file).write_text("import things\nFADE = things.Fade()\n")
    words = ("stylize", "street.png", "-s", "wave.png", "--model", place, "-o", "a.png")
    command = [sys.executable, "-P", "-m", "impasto"]
    line = run(*words, "--alpha", "0.25", command=command).stdout
    assert line.endswith(f"({place}, python fp32)\n")
    street, wave = (pixels(Path(f"{name}.png")).astype(float) for name in ("street", "wave"))
    wanted = 0.75 * street + 0.25 * wave.mean(axis=(0, 1))
    np.testing.assert_allclose(pixels(Path("a.png")), wanted, atol=0.51)


def test_a_place_has_the_settings_of_its_painter(folder: Path) -> None:
    words = ("stylize", "street.png", "-s", "wave.png", "--model", "inverter:open_painter")
    assert "(inverter, hand fp32)" in run(*words, "-o", "a.png", "--steps", "3").stdout


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("nowhere:FADE", "there is no module 'nowhere' on Python's path or in .*; run in"),
        ("things.nowhere:FADE", "there is no module 'things.nowhere'"),
        ("things:FADES", "module 'things' has no 'FADES'; did you mean 'FADE'"),
        ("things:NUMBER", "is of type int; it must be an impasto.painting.Painter, an object"),
        ("things:with_argument", "cannot be opened with .*: missing a required argument: 'hue'"),
        ("broken:FADE", r"cannot be imported: ZeroDivisionError: .* \(broken.py, line 2\)"),
        ("wrong:FADE", r"cannot be imported: SyntaxError: .*wrong.py, line 1"),
        ("needy:FADE", "needs no_such_package; install it"),
        ("things:FADE:steps=3", "there is no model 'things:FADE:steps=3'; .* or as module:NAME"),
    ],
)
def test_a_place_without_a_painter_is_refused(folder: Path, place: str, says: str) -> None:
    Path("broken.py").write_text("FADE = 1\nFADE / 0\n")
    Path("wrong.py").write_text("FADE =\n")
    Path("needy.py").write_text("import no_such_package\n")
    words = ("stylize", "street.png", "-s", "wave.png", "--model", place, "-o", "a.png")
    done = run(*words, code=2)
    assert re.fullmatch(f"impasto: .*{says}.*\n", done.stderr), done.stderr


def test_options_that_nothing_takes_are_refused(folder: Path) -> None:
    words = ("stylize", "street.png", "-s", "wave.png", "--engine", "chalk", "--model")
    assert "(things:only_engine," in run(*words, "things:only_engine", "-o", "a.png").stdout
    done = run(*words, "things:FADE", "-o", "b.png", code=2)
    assert "'things:FADE' has no option 'engine': leave it out" in done.stderr
