"""Every block of code in README and docs is run here, or says in the page why it is not.

A comment on the line before the block gives the reason: ``<!-- not run: needs VGG-19 -->``. Of such
a block, and of commands within the text, it is still checked that commands, options, fields, files
and names exist.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import io
import os
import re
import runpy
import shlex
import shutil
import signal
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.cli import cli, main
from impasto.video.timeline import read_timeline
from impasto.web.packages import FILMS, RUNTIME

ROOT = Path(__file__).parents[1]
FOLDERS = ("examples", "trained", "recipes", "experiments")
PAGES = [
    page.relative_to(ROOT).as_posix()
    for page in (
        ROOT / "README.md",
        *sorted((ROOT / "docs").glob("*.md")),
        *sorted((ROOT / "docs" / "history").glob("*.md")),
        *(ROOT / folder / "README.md" for folder in FOLDERS),
    )
    if page.exists()
]
PYTHON = {"python", "py"}
SHELL = {"sh", "bash", "shell", "console"}
TOML = {"toml"}

SKIPPED = {
    "pip install": "changes the environment",
    "git clone": "needs the network",
    "make": "sets an environment up and, in the end, runs these tests",
}
"""Start of a command -> why no block with it has to be marked."""

LIMIT = 60
"""Seconds that a command may take."""

_MARK = re.compile(r"^ *<!-- not run: (\S.*) -->$")
_FENCE = re.compile(r"^ *(`{3,}|~{3,}) *([^`\s]*)")
_PICTURE = re.compile(r"""["']([\w./-]+\.(?:png|jpg|tif))["']""")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``reason`` is why it is not run, or empty."""

    page: str
    line: int
    language: str
    text: str
    reason: str

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Command:
    """A command line of a block of shell, or one within the text of a page."""

    place: str
    text: str


def split_page(page: str, text: str) -> tuple[list[Block], str]:
    """The blocks of a page, and what is left of its text."""
    blocks: list[Block] = []
    prose: list[str] = []
    fence, language, start, body = "", "", 0, list[str]()
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        found = _FENCE.match(line)
        if not fence and found:
            fence, language, start, body = found[1], found[2], number, []
        elif fence and found and found[1].startswith(fence) and not found[2]:
            mark = _MARK.match(lines[start - 2]) if start > 1 else None
            reason = mark[1] if mark else ""
            blocks.append(Block(page, start, language, "\n".join(body) + "\n", reason))
            fence = ""
        else:
            (body if fence else prose).append(line)
    assert not fence, f"{page}:{start}: the block has no end"
    return blocks, "\n".join(prose)


def shell_commands(block: Block) -> Iterator[Command]:
    """The commands of a block of shell, without comments, continued lines joined."""
    text, start = "", block.line
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if block.language == "console" and not text:
            if not line.startswith("$ "):
                continue  # what the command prints
            line = line[2:]
        if not text:
            start = number
        text += line.partition(" #")[0].strip()
        if text.endswith("\\"):
            text = text[:-1]
            continue
        if text and not text.startswith("#"):
            yield Command(f"{block.page}:{start}", text)
        text = ""


SPLIT = {page: split_page(page, (ROOT / page).read_text()) for page in PAGES}
BLOCKS = [block for blocks, _ in SPLIT.values() for block in blocks]
COMMANDS = [
    command
    for block in BLOCKS
    if block.language in SHELL and not block.reason
    for command in shell_commands(block)
    if not command.text.startswith(tuple(SKIPPED))
]
MARKED = [
    command
    for block in BLOCKS
    if block.language in SHELL and block.reason
    for command in shell_commands(block)
]
INLINE = [
    Command(page, " ".join(text.split()))
    for page, (_, prose) in SPLIT.items()
    for text in re.findall(r"(?<!`)`((?:impasto|python) [^`]+)`", prose)
]


def places(items: list[Any]) -> list[Any]:
    """Parameters named after their place in a page."""
    return [pytest.param(item, id=item.place) for item in items]


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every file that the pages name, small."""
    folder = tmp_path_factory.mktemp("samples")
    examples = ROOT / "examples"
    pictures = {f"examples/{path.relative_to(examples)}": path for path in examples.glob("*/*.jpg")}
    photographs = "street.jpg photo.jpg a.jpg b.jpg scan.tif holiday/1.jpg holiday/old/2.jpg"
    for i, name in enumerate(f"{photographs} photos/1.jpg photos/2.jpg".split()):
        pictures[name] = examples / "photos" / ("rocket.jpg", "coffee.jpg")[i % 2]
    for i, name in enumerate("wave.jpg style.jpg rain.jpg styles/3.jpg paintings/one.jpg".split()):
        pictures[name] = examples / "styles" / ("wave.jpg", "woodcut.jpg")[i % 2]
    for name, path in pictures.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        with Image.open(path) as image:
            image.reduce(6).save(target)
    frames = [Image.open(path).reduce(8) for path in (examples / "photos").glob("*.jpg")]
    frames = [frame.convert("RGB").resize((64, 48)) for frame in frames]
    frames[0].save(folder / "cat.gif", save_all=True, append_images=frames[1:], duration=200)
    (folder / "shots").mkdir()
    for number, frame in enumerate(frames, 1):
        frame.save(folder / "shots" / f"shot-{number:04d}.png")
    save_clip(folder / "clip.mp4", [np.asarray(frame) for frame in frames[:4]])
    (folder / "styles.toml").write_text(next(b.text for b in BLOCKS if "[[style]]" in b.text))
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)[:, None].repeat(64, axis=1)
    Image.fromarray(ramp).save(folder / "ground.png")
    Image.fromarray(255 - ramp).save(folder / "sky.png")
    for name in ("configs", "trained", "recipes", "experiments", "docs", "benchmarks"):
        if (ROOT / name).exists():
            (folder / name).symlink_to(ROOT / name)
    return folder


def save_clip(path: Path, frames: list[np.ndarray]) -> None:
    """Write a film whose frames last four seconds, so that it is long and soon painted."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=Fraction(1, 4))
        stream.height, stream.width, stream.pix_fmt = *frames[0].shape[:2], "yuv420p"
        for frame in frames:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())


@pytest.fixture
def folder(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the samples, in which the test works."""
    target = tmp_path / "work"
    shutil.copytree(samples, target, symlinks=True)
    monkeypatch.chdir(target)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    monkeypatch.setenv("PYTHONPATH", str(Path(impasto.__file__).parents[1]))
    monkeypatch.delenv("IMPASTO_VGG", raising=False)
    return target


def files_in(folder: Path) -> set[Path]:
    """All files in ``folder``, not following links."""
    return {path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()}


def open_pictures(paths: set[Path]) -> None:
    """Decode each of the files that is a picture."""
    for path in paths:
        if path.suffix in {".png", ".jpg", ".tif"}:
            with Image.open(path) as image:
                image.load()


def test_the_pages_are_found() -> None:
    assert {"README.md", "docs/controls.md", "trained/README.md"} <= set(PAGES)
    readme = [command.text for command in COMMANDS if command.place.startswith("README.md:")]
    assert len(readme) >= 11 and any("munch-scream" in text for text in readme)
    assert len(BLOCKS) >= 30 and len(MARKED) >= 10 and len(INLINE) >= 10


@pytest.mark.parametrize("block", places(BLOCKS))
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    known = block.language in PYTHON | SHELL | TOML
    assert known or block.reason, (
        f"{block.place}: nothing runs {block.language or 'a block without a language'}; "
        "say so on the line before it: <!-- not run: REASON -->"
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_mark_stands_before_a_block(page: str) -> None:
    marks = [line for line in (ROOT / page).read_text().splitlines() if "<!-- not run" in line]
    assert len(marks) == sum(bool(block.reason) for block in SPLIT[page][0])


# ------------------------------------------------------------------------------------- shell


@pytest.mark.parametrize("command", places(COMMANDS))
def test_a_command_runs(command: Command, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = files_in(folder)
    unquoted = re.sub(r"'[^']*'", "", command.text)
    # Those of the lab may go on for hours, so they run where they can be stopped.
    if re.match(r"impasto (?!lab )[^|&;<>*?$]*$", unquoted):
        assert run_here(shlex.split(command.text), monkeypatch) == 0
    else:
        define = "".join(
            f'{name}() {{ "{sys.executable}" {more} "$@"; }}; '
            for name, more in (("impasto", "-m impasto"), ("python", ""))
        )
        run_in_bash(f"set -o pipefail; {define}{command.text}")
    made = files_in(folder) - before
    assert made or "impasto stylize" not in command.text
    open_pictures(made)


def run_in_bash(shell: str) -> None:
    """Run ``shell`` in a process of its own, with all that it starts, for a minute at most."""
    with subprocess.Popen(
        ["bash", "-c", shell], stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            _, errors = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            pytest.fail(f"not done in {LIMIT} seconds; mark the block: <!-- not run: REASON -->")
    assert process.returncode == 0, errors


def run_here(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the console script in this process, which has its imports behind it; the exit code."""
    monkeypatch.setattr(sys, "argv", words)
    with warnings.catch_warnings(), pytest.raises(SystemExit) as exit:
        main()
    return int(exit.value.code or 0)


@pytest.mark.parametrize("command", places(MARKED))
def test_a_command_that_is_not_run_could_be(command: Command, folder: Path) -> None:
    for part in re.split(r"\s(?:\|+|&&|;)\s|;\s", command.text):
        check_command(part, complete=True)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_could_be_run(page: str, folder: Path) -> None:
    for command in INLINE:
        if command.place == page:
            check_command(command.text, complete=False)


def check_command(text: str, *, complete: bool) -> None:
    """Check command, options and files; if it is ``complete``, its arguments and values too."""
    words = shlex.split(text.partition(" ...")[0])
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    if "impasto" in words[:1] or ("-m" in words and words[words.index("-m") + 1] == "impasto"):
        arguments = words[words.index("impasto") + 1 :]
        context = parse(arguments, complete=complete)
        if context is not None and arguments[:2] == ["lab", "train"]:
            check_config(context)
        words = arguments
    elif words[0] == "python" and (words[1].endswith(".py") or (ROOT / words[1]).is_dir()):
        if Path(words[1]).stem.isupper():  # stands for any script
            return
        file = words[1] if words[1].endswith(".py") else f"{words[1]}/__main__.py"
        listed = script_help(file)
        for word in words[2:]:
            option = word.partition("=")[0]
            assert not option.startswith("--") or option in listed, f"{words[1]} has no {option}"
    elif words[0] == "docker":
        check_docker(words)
    elif words[:2] == ["npm", "pack"]:
        assert words[2:] == [f"{each.name}@{each.version}" for each in (RUNTIME, FILMS)]
    else:
        known = ("pip", "git", "make", "cd", "cat", "torchrun", "python", "python3", ".", "curl")
        assert words[0] in known, f"{text!r} starts an unknown program"
    for word in words:
        # What a checkout has, must be there; what a run leaves, needs not.
        if re.match(r"(configs|trained|examples|recipes|experiments|docs|benchmarks)/\w", word):
            assert (ROOT / word).exists(), f"{text!r}: there is no {word}"


def check_docker(words: list[str]) -> None:
    """Check the command in a container, and the extras that an image is built with."""
    assert words[1] in ("build", "run", "inspect", "stop")
    if words[1] == "run":
        last = len(words) - words[::-1].index("impasto")
        parse(words[last:], complete=True)
    for word in words:
        name, equals, value = word.partition("=")
        if equals and words[words.index(word) - 1] == "--build-arg":
            assert f"ARG {name}=" in (ROOT / "Dockerfile").read_text()
            extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
            assert set(filter(None, value.split(","))) <= set(extras["optional-dependencies"])


def parse(arguments: list[str], *, complete: bool) -> click.Context | None:
    """Parse a command line as click does, without running it."""
    command: click.Command = cli
    context = click.Context(cli, info_name="impasto", **cli.context_settings)
    while isinstance(command, click.Group) and arguments and not arguments[0].startswith("-"):
        name, *arguments = arguments
        found = command.get_command(context, name)
        assert found is not None, f"{context.command_path} has no command {name}"
        if name == "lab" and not isinstance(found, click.Group):  # hands its arguments on
            pytest.importorskip("torch")
            found = importlib.import_module("impasto.lab.cli").lab
        command, context = found, click.Context(found, info_name=name, parent=context)
    if isinstance(command, click.Group) and not arguments:  # named in a text
        return None
    try:
        return command.make_context(context.info_name, list(arguments), parent=context.parent)
    except click.exceptions.Exit:  # --help
        return None
    except (click.MissingParameter, click.BadParameter):
        if complete:
            raise
        return None


def check_config(context: click.Context) -> None:
    """Read the config of a training command with its settings."""
    from impasto.lab.training.config import read_config

    if (path := ROOT / context.params["config"]).exists():  # not one that a run leaves
        read_config(path, settings=context.params["settings"])


@cache
def script_help(script: str) -> set[str]:
    """The options that a script's ``--help`` lists."""
    path = ROOT / script
    assert path.exists(), f"there is no {script}"
    saved, output = (sys.argv, sys.path), io.StringIO()
    sys.argv, sys.path = [script, "--help"], [str(path.parent), *sys.path]
    try:
        with redirect_stdout(output), pytest.raises(SystemExit):
            runpy.run_path(str(path), run_name="__main__")
    finally:
        sys.argv, sys.path = saved
    return set(re.findall(r"--[\w-]+", output.getvalue()))


# ------------------------------------------------------------------------------------ Python


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.language in PYTHON for b in SPLIT[page][0])]
)
def test_the_python_of_a_page_runs_from_top_to_bottom(page: str, folder: Path) -> None:
    before = files_in(folder)
    names: dict[str, object] = {"__name__": "page"}
    saved = set()
    for block in SPLIT[page][0]:
        if block.language not in PYTHON or block.reason:
            continue
        if block.text.lstrip().startswith(">>>"):
            run_examples(block, names)
        else:
            # Lines as in the page, for tracebacks; without the future imports of this file.
            code = "\n" * block.line + block.text
            exec(compile(code, block.page, "exec", dont_inherit=True), names)
        saved |= {Path(name) for name in _PICTURE.findall(block.text)}
    assert all(path.exists() for path in saved)
    open_pictures(files_in(folder) - before)
    if page == "README.md":
        with Image.open("out.png") as image, Image.open("street.jpg") as street:
            assert image.size == street.size
        assert Path("out.tif").exists()


def run_examples(block: Block, names: dict[str, object]) -> None:
    """Run a session of the interpreter and compare what it prints."""
    parser = doctest.DocTestParser()
    test = parser.get_doctest(block.text, names, block.place, block.page, block.line)
    output = io.StringIO()
    doctest.DocTestRunner(verbose=False).run(test, out=output.write, clear_globs=False)
    assert not output.getvalue(), output.getvalue()
    names.update(test.globs)


@pytest.mark.parametrize("block", places([b for b in BLOCKS if b.language in PYTHON and b.reason]))
def test_python_that_is_not_run_calls_what_there_is(block: Block) -> None:
    if "impasto.lab" in block.text:
        pytest.importorskip("torch")
    check_calls(block.text)


def check_calls(text: str) -> None:
    """Run the imports, and compare the calls of what is imported with its signatures."""
    names: dict[str, Any] = {}
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            exec(ast.unparse(node), names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (function := resolve(node.func, names)) is not None:
            keywords = {each.arg: None for each in node.keywords if each.arg}
            inspect.signature(function).bind(*(None for _ in node.args), **keywords)


def resolve(node: ast.expr, names: dict[str, Any]) -> Callable[..., Any] | None:
    """The function that ``a.b.c`` is, if ``a`` was imported."""
    if isinstance(node, ast.Attribute):
        owner = resolve(node.value, names)
        return None if owner is None else getattr(owner, node.attr)
    return names.get(node.id) if isinstance(node, ast.Name) else None


# -------------------------------------------------------------------------------------- TOML


def test_toml_is_read(tmp_path: Path) -> None:
    for block in BLOCKS:
        if block.language not in TOML or block.reason:
            continue
        values = tomllib.loads(block.text)
        if "network" in values:  # a whole config, not a part of one
            pytest.importorskip("torch")
            from impasto.lab.training.config import read_config

            (tmp_path / "config.toml").write_text(block.text)
            read_config(tmp_path / "config.toml")
        elif "style" in values and "at" in values["style"][0]:
            (tmp_path / "styles.toml").write_text(block.text)
            assert read_timeline(tmp_path / "styles.toml").styles


# ------------------------------------------------------------------------- the checks themselves


def test_blocks_are_read_with_their_marks() -> None:
    page = (
        "text\n```sh\nimpasto a \\\n    b  # why\n# no\nc\n```\n"
        "<!-- not run: far too slow -->\n~~~python\nx = '```'\n~~~\n"
        "```console\n$ impasto a\nit prints\n```\n```\nplain\n```\n"
    )
    blocks, prose = split_page("page", page)
    assert prose.splitlines() == ["text", "<!-- not run: far too slow -->"]
    assert [b.language for b in blocks] == ["sh", "python", "console", ""]
    assert [b.reason for b in blocks] == ["", "far too slow", "", ""]
    assert [b.line for b in blocks] == [2, 9, 12, 16]
    assert [(c.place, c.text) for c in shell_commands(blocks[0])] == [
        ("page:3", "impasto a b"),
        ("page:6", "c"),
    ]
    assert [c.text for c in shell_commands(blocks[2])] == ["impasto a"]


@pytest.mark.parametrize(
    "text",
    [
        "impasto stylise a.jpg b.jpg",
        "impasto stylize a.jpg b.jpg --colour luminance",
        "impasto stylize --alpha 1",
        "impasto lab train configs/gone.toml",
        "impasto lab train configs/johnson.toml --set no_such_field=1",
        "python benchmarks/speed.py --slow",
        "python benchmarks/gone.py",
        "unheard-of program",
    ],
)
def test_what_rotted_is_found(text: str, folder: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises((AssertionError, click.UsageError, impasto.ImpastoError)):
        check_command(text, complete=True)


@pytest.mark.parametrize(
    "text",
    [
        "from impasto import gone",
        "import impasto\nimpasto.gone()",
        "import impasto\nimpasto.save_style('file', colour=1)",
        "import impasto\nimpasto.load_style()",
    ],
)
def test_python_that_rotted_is_found(text: str) -> None:
    with pytest.raises((ImportError, AttributeError, TypeError)):
        check_calls(text)
