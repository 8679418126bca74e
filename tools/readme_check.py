"""Follows the README to the letter, as a stranger would: from a clean clone to a painting.

    python tools/readme_check.py [--photograph FILE] [--limit SECONDS]

Clones what is committed into an empty folder, puts a photograph under the name that the section
"Get started" of README.md uses, and runs the commands of that section one after the other, in one
shell, with an empty home and nothing in pip's cache. Prints the seconds of every step. Exit status
1 if a command fails, if the picture that the README promises is not a painting of the photograph,
or if all of it takes longer than the limit.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from clean import ROOT, Failure, environment, read_picture, require_painted

SECTION = "Get started"
LIMIT = 120.0

LONGEST = 600.0
"""Seconds after which the commands are stopped: one of them hangs."""


@dataclass(frozen=True)
class Recipe:
    """The way to a painting, as a page prints it.

    Attributes:
        commands: to type one after the other.
        photograph: the name that stands for a photograph of one's own.
        painting: the name that the page says will be written.
    """

    commands: tuple[str, ...]
    photograph: str
    painting: str


@dataclass(frozen=True)
class Step:
    """A step that was taken, and the seconds that it took."""

    command: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Follow the README, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photograph", type=Path, help="by default one is drawn")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds, %(default)g")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="impasto-readme-") as folder:
            steps = follow(Path(folder), options.photograph)
        total = sum(step.seconds for step in steps)
        print(table(steps))
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        print(f"of it by a processor: {used.ru_utime + used.ru_stime:.0f} s")
        if total > options.limit:
            raise Failure(
                f"{total:.0f} s from the clone to the painting; {options.limit:g} at most"
            )
    except Failure as failure:
        print(f"readme-check: {failure}", file=sys.stderr)
        return 1
    print(f"readme-check: a painting after {total:.0f} s, of {options.limit:g}")
    return 0


def follow(folder: Path, photograph: Path | None = None) -> list[Step]:
    """Clone, do what the README of the clone says, and look at the painting.

    Args:
        folder: an empty one.
        photograph: what is painted; by default one is drawn.

    Raises:
        Failure: if something is not as the README says.
    """
    home, clone = folder / "home", folder / "impasto"
    home.mkdir()
    start = time.perf_counter()
    cloned = subprocess.run(
        ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if cloned.returncode:
        raise Failure(f"the checkout cannot be cloned: {cloned.stderr.strip()}")
    steps = [Step("git clone", time.perf_counter() - start)]
    recipe = read_recipe((clone / "README.md").read_text(encoding="utf-8"))
    own, painting = clone / recipe.photograph, clone / recipe.painting
    for path in (own, painting):
        if path.exists():
            raise Failure(f"{path.name} is in the repository; the README needs another name")
    if photograph is None:
        Image.fromarray(draw_photograph()).save(own, quality=92)
    else:
        shutil.copyfile(photograph, own)
    steps += perform(recipe.commands, clone, home)
    if not painting.is_file():
        raise Failure(f"{recipe.painting} is not there, and the README says that it is written")
    require_painted(read_picture(painting), read_picture(own))
    return steps


# --------------------------------------------------------------------------------- reading


def read_recipe(text: str, section: str = SECTION) -> Recipe:
    """Read the first block of shell of a section of a page.

    Its last command paints, and its comment says ``writes NAME``.

    Raises:
        Failure: if there is no such block, or it does not end in that way.
    """
    lines = shell_lines(section_of(text, section))
    commands = tuple(command for command, _ in lines)
    words = shlex.split(commands[-1]) if commands else []
    said = re.search(r"\bwrites (\S+\.\w+)", lines[-1][1]) if lines else None
    if words[:2] != ["impasto", "stylize"] or said is None:
        raise Failure(f"{section}: its commands must end with impasto stylize ... # writes NAME")
    return Recipe(commands, words[2], said[1])


def section_of(text: str, title: str) -> str:
    """Return a section of a page, to the next title of its level or of a higher one."""
    found: list[str] = []
    level, fence = 0, False
    for line in text.splitlines():
        fence ^= line.startswith("```")
        head = None if fence else re.match(r"(#+) +(.+?) *$", line)
        if head and level and len(head[1]) <= level:
            break
        if head and head[2] == title:
            level = len(head[1])
        elif level:
            found.append(line)
    if not level:
        raise Failure(f"there is no section {title}")
    return "\n".join(found)


def shell_lines(text: str) -> list[tuple[str, str]]:
    """Return the commands of the first block of shell, each with its comment."""
    block = re.search(r"^```(?:sh|bash|shell)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    found = []
    for line in (block[1] if block else "").replace("\\\n", " ").splitlines():
        command, _, comment = line.partition(" #")
        if command.strip() and not command.startswith("#"):
            found.append((command.strip(), comment.strip()))
    return found


def from_checkout(command: str, checkout: Path) -> str:
    """Return a command of pip that installs the package from a checkout, not from the index."""
    words = shlex.split(command)
    if words[:2] != ["pip", "install"] and words[1:4] != ["-m", "pip", "install"]:
        return command
    return shlex.join(re.sub(r"^impasto(?=\[|$)", lambda _: str(checkout), word) for word in words)


# --------------------------------------------------------------------------------- typing


def perform(commands: Sequence[str], folder: Path, home: Path) -> list[Step]:
    """Type commands into one shell, and return how long each took.

    Raises:
        Failure: if one of them fails, with what it said.
    """
    typed = []
    for command in commands:
        typed.append(from_checkout(command, folder))
        if typed[-1] != command:
            print(f"readme-check: for {command!r}, which needs the index: {typed[-1]!r}")
    # A line on a pipe of its own after each command, with its exit status.
    reading, writing = os.pipe()
    script = "".join(f"{command}\nstatus=$?; echo $status >&{writing}\n[ $status = 0 ] || exit\n"
                     for command in typed)  # fmt: skip
    steps = []
    with (
        tempfile.TemporaryFile("w+") as output,
        os.fdopen(reading) as done,
        subprocess.Popen(
            ["bash", "--noprofile", "--norc", "-c", script],
            cwd=folder, env=environment(home, python=True), pass_fds=[writing],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as shell,
    ):  # fmt: skip
        os.close(writing)
        watch = threading.Timer(LONGEST, os.killpg, (shell.pid, signal.SIGKILL))
        watch.start()
        start = time.perf_counter()
        for command in commands:
            line, end = done.readline(), time.perf_counter()
            if line.strip() != "0":
                watch.cancel()
                output.seek(0)
                raise Failure(f"{command!r} failed: {output.read().strip()[-2000:]}")
            steps.append(Step(command, end - start))
            start = end
        watch.cancel()
    return steps


def draw_photograph(width: int = 900, height: int = 600) -> np.ndarray:
    """Draw a picture that is none of the examples: hills, and a sun over water."""
    y, x = np.mgrid[0:height, 0:width] / height
    picture = np.stack([0.95 - 0.5 * y, 0.7 - 0.2 * y, 0.5 + 0.3 * y], axis=-1)
    sun = np.hypot(x - 1.05, y - 0.28)
    picture += np.exp(-30 * sun**2)[..., None] * [0.3, 0.2, 0.0]
    picture[sun < 0.09] = [1.0, 0.95, 0.7]
    for depth in range(4):
        ridge = 0.42 + 0.08 * depth + 0.06 * np.sin(x * (3 + 2 * depth) + 2 * depth)
        ridge += 0.015 * np.sin(x * (29 + 11 * depth))
        picture[y > ridge] = np.array([0.35, 0.5, 0.45]) * (1 - 0.2 * depth)
    water = y > 0.8
    glitter = 0.5 + 0.5 * np.sin(90 * y + 7 * np.sin(13 * x))
    shine = (glitter * np.exp(-8 * (x - 1.05) ** 2))[..., None] * [0.6, 0.5, 0.3]
    picture[water] = shine[water] + (0.15, 0.28, 0.4)
    picture += np.random.default_rng(29).normal(0, 0.02, (height, width, 1))
    return np.asarray(picture.clip(0, 1) * 255, dtype=np.uint8)


def table(steps: Sequence[Step]) -> str:
    """The steps with their seconds, as lines."""
    rows = [*steps, Step("together", sum(step.seconds for step in steps))]
    return "\n".join(f"{row.seconds:7.1f} s  {row.command}" for row in rows)


if __name__ == "__main__":
    sys.exit(main())
