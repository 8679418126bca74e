"""Reads a Dockerfile and a .dockerignore: as much of both as ours use; all else is an error."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path


class DockerfileError(ValueError):
    """A line that cannot be read, with its words."""


@dataclass(frozen=True)
class Step:
    """An instruction.

    Attributes:
        name: in capitals, such as RUN.
        text: all behind its name, continued lines joined.
    """

    name: str
    text: str

    @property
    def words(self) -> list[str]:
        """The words, as a shell splits them; of a JSON list its values."""
        if self.text.startswith("["):
            return [str(word) for word in json.loads(self.text)]
        return shlex.split(self.text)


@dataclass
class Stage:
    """An image that is built.

    Attributes:
        image: it begins with.
        name: for ``COPY --from``.
        steps: in their order.
    """

    image: str
    name: str
    steps: list[Step] = field(default_factory=list)

    def last(self, name: str) -> Step | None:
        """Return the last instruction of a name."""
        return next((step for step in reversed(self.steps) if step.name == name), None)


_KNOWN = frozenset("ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL RUN USER WORKDIR".split())


def read_stages(text: str) -> list[Stage]:
    """Read a Dockerfile.

    Raises:
        DockerfileError: for an instruction that is not known here.

    Example:
        >>> [stage] = read_stages("FROM python:3.13-slim AS run\\nRUN one && \\\\\\n  two")
        >>> stage.name, stage.steps
        ('run', [Step(name='RUN', text='one && two')])
    """
    stages: list[Stage] = []
    for step in _steps(text):
        if step.name == "FROM":
            words = step.words
            name = words[2] if len(words) == 3 and words[1].upper() == "AS" else ""
            if len(words) != (3 if name else 1):
                raise DockerfileError(f"FROM {step.text}")
            stages.append(Stage(words[0], name or str(len(stages))))
        elif step.name not in _KNOWN or not stages:
            raise DockerfileError(f"{step.name} {step.text}")
        else:
            stages[-1].steps.append(step)
    return stages


def _steps(text: str) -> Iterator[Step]:
    held: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        held.append(line.strip().removesuffix("\\").strip())
        if not line.rstrip().endswith("\\"):
            name, _, rest = " ".join(held).partition(" ")
            yield Step(name.upper(), rest.strip())
            held.clear()


def substituted(text: str, values: dict[str, str]) -> str:
    """Replace ``$NAME`` and ``${NAME}``, as in ENV and COPY.

    Example:
        >>> substituted("/opt/bin:$PATH", {"PATH": "/bin"})
        '/opt/bin:/bin'
    """
    pattern = r"\$(?:\{(\w+)\}|(\w+))"
    return re.sub(pattern, lambda found: values.get(found[1] or found[2], ""), text)


def context_files(root: Path, ignore: str) -> list[Path]:
    """Return the files that a build may copy, relative to its folder.

    Args:
        root: the folder of the build.
        ignore: the text of ``.dockerignore``: of all lines that fit a file or a folder around it
            the last one decides.
    """
    rules = [line.strip() for line in ignore.splitlines()]
    rules = [line for line in rules if line and not line.startswith("#")]
    files = []
    for folder, folders, names in os.walk(root):
        here = Path(folder).relative_to(root)
        # No file in a folder is let through unless a rule names it or a folder inside it.
        folders[:] = [each for each in folders if _may_hold(here / each, rules)]
        files += [here / name for name in names if not _ignored(here / name, rules)]
    return sorted(files)


def _may_hold(folder: Path, rules: list[str]) -> bool:
    named = [rule[1:].strip("/").split("/") for rule in rules if rule.startswith("!")]
    inside = any(
        len(parts) > len(folder.parts) and all(map(fnmatch.fnmatchcase, folder.parts, parts))
        for parts in named
    )
    return inside or not _ignored(folder, rules)


def _ignored(path: Path, rules: list[str]) -> bool:
    ignored = False
    around = [path, *list(path.parents)[:-1]]
    for rule in rules:
        pattern = rule.removeprefix("!")
        if any(_fits(each, pattern) for each in around):
            ignored = not rule.startswith("!")
    return ignored


def _fits(path: Path, pattern: str) -> bool:
    if pattern.startswith("**/"):
        return fnmatch.fnmatchcase(path.name, pattern.removeprefix("**/"))
    parts, wanted = path.parts, pattern.strip("/").split("/")
    return len(parts) == len(wanted) and all(map(fnmatch.fnmatchcase, parts, wanted))
