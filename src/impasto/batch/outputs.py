"""Where each result goes: one picture for each photograph and its styles, and its name."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import click

from impasto.batch.inputs import STDIO, Source
from impasto.errors import OptionError

Existing: TypeAlias = Literal["spare", "replace", "skip"]
"""What becomes of a file under a result's name: it stays and the result gets another name, it is
replaced, or it is the result, made in an earlier call."""


@dataclass(frozen=True)
class Job:
    """A picture to paint.

    Attributes:
        source: the photograph.
        target: where its picture goes: a file, or None for standard output.
        styles: what it is painted in, all at once.
        done: whether the picture is there already.
    """

    source: str
    target: Path | None
    styles: tuple[str, ...] = ()
    done: bool = False


@dataclass(frozen=True)
class Plan:
    """All that one call paints. Made by :func:`plan`.

    It is worked out photograph by photograph, so the first is painted at once, however many there
    are.

    Attributes:
        sources: the photographs, in order.
        mixtures: for each picture of a photograph, its styles.
        place: a file, a folder, or ``STDIO``; None for beside the photographs.
        is_file: whether ``place`` is a file.
        existing: what becomes of files under the names of results.
        others: what else is read, such as masks.
    """

    sources: tuple[Source, ...]
    mixtures: tuple[tuple[str, ...], ...]
    place: str | None
    is_file: bool = False
    existing: Existing = "spare"
    others: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.sources) * len(self.mixtures)

    def groups(self) -> Iterator[tuple[Job, ...]]:
        """The jobs of one photograph after the other, each photograph's in the order of styles.

        With ``existing="skip"`` the names depend on the plan alone, not on what is there, so they
        are the same in every call.

        Raises:
            OptionError: if a result that may be there already is a picture that is read.
        """
        names = _Names(self)
        suffixes = _written_suffixes()
        mixtures = [
            (styles, "".join(f"-{_stem(name)}" for name in styles)) for styles in self.mixtures
        ]
        for source in self.sources:
            folder = Path(source.path).parent if self.place is None else Path(self.place)
            below, stem = folder / source.below, _stem(source.path)
            suffix = Path(source.path).suffix
            if suffix.lower() not in suffixes:
                suffix = ".png"
            jobs = []
            for styles, ending in mixtures:
                target, done = None, False
                if self.is_file:
                    target, done = names.fixed(folder, source.path)
                elif self.place != STDIO:
                    target, done = names.free(below, stem + ending, suffix, source.path)
                jobs.append(Job(source.path, target, styles, done))
            yield tuple(jobs)


def plan(
    sources: Sequence[Source],
    mixtures: Sequence[Sequence[str]],
    *,
    out: str | None,
    existing: Existing = "spare",
    to_folder: bool = False,
    others: Sequence[str] = (),
) -> Plan:
    """Where each result goes; nothing is made or written yet.

    Args:
        sources: the photographs, one or more.
        mixtures: for each picture of a photograph, the styles that it gets together.
        out: what was given as the place of the results.
        existing: what becomes of files under the names of results.
        to_folder: whether ``out`` must be a folder even for a single result.
        others: what else is read, such as masks.

    Raises:
        click.UsageError: if the names contradict each other.
        OptionError: if ``out`` cannot be written, as far as that can be known before the work.
    """
    made = Plan(
        sources=tuple(sources),
        mixtures=tuple(map(tuple, mixtures)),
        place=out,
        existing=existing,
        others=tuple(others),
    )
    from_stdin = STDIO in [source.path for source in sources]
    to_folder = to_folder or len(made) > 1
    if out == STDIO or (out is None and from_stdin and not to_folder):
        if to_folder:
            raise click.UsageError("-o - takes one picture; for several give a folder")
        if existing == "skip":
            raise click.UsageError("--resume needs results in files, not on standard output")
        if sys.stdout.isatty():
            raise click.UsageError("no picture is written to a terminal: give -o FILE, or redirect")
        return replace(made, place=STDIO)
    if out is None and from_stdin:
        raise click.UsageError("standard input (-) has no folder of its own: give -o FOLDER")
    if out is not None and not Path(out).is_dir():
        if not to_folder and not out.endswith("/"):
            _check_file(Path(out), existing)
            return replace(made, is_file=True)
        if os.path.lexists(out.rstrip("/")):
            raise OptionError(f"{out}: is a file; name a folder for several results")
        if Path(out).suffix.lower() in _written_suffixes() and not out.endswith("/"):
            raise OptionError(
                f"{out}: is the name of a file; for several results name a folder"
                f" (or {out}/ if the folder shall be called so)"
            )
    return made


def error_line(error: BaseException, job: Job) -> str:
    """What went wrong, in one line that begins with the file it is about."""
    from impasto.images.formats import one_line

    if isinstance(error, MemoryError):
        text = "not enough memory for a picture of this size; give --size"
    elif isinstance(error, OSError):
        text = error.strerror or type(error).__name__
    else:
        text = one_line(error)
    source = "<stdin>" if job.source == STDIO else one_line(job.source)
    named = text.startswith((f"{source}:", f"{one_line(job.target)}:"))
    return text if named else f"{source}: {text}"


class _Names:
    """Names that are free for results. Each costs the same, however many there are."""

    def __init__(self, plan: Plan) -> None:
        self.existing = plan.existing
        self.folders: dict[str, str] = {}
        read = [source.path for source in plan.sources]
        read += [name for mixture in plan.mixtures for name in mixture]
        # No result may take the place of what this call reads, nor of another result.
        self.read = set()
        for path in (Path(name) for name in (*read, *plan.others) if name != STDIO):
            self.read.add(self._real(str(path.parent), path.name, _look(str(path))))
        self.given: set[str] = set()
        self.numbers: dict[tuple[str, str, str], int] = {}

    def free(self, folder: Path, stem: str, suffix: str, source: str) -> tuple[Path, bool]:
        """The first of STEM, STEM-2, STEM-3 ... that is free, and whether the result is there."""
        plain = str(folder), stem, suffix
        number = self.numbers.get(plain, 1)
        while True:
            name = f"{stem}-{number}{suffix}" if number > 1 else f"{stem}{suffix}"
            path = f"{folder}/{name}"
            found = _look(path)
            real = self._real(plain[0], name, found)
            self._check(real, path, source)
            taken = real in self.read or real in self.given
            if not taken and (found is None or self.existing != "spare"):
                break
            number += 1
        if number > 1:  # who asks for this name again need not count up to it again
            self.numbers[plain] = number + 1
        self.given.add(real)
        return Path(path), self._is_done(path, found)

    def fixed(self, path: Path, source: str) -> tuple[Path, bool]:
        """A name that was given, and whether the result is there."""
        found = _look(str(path))
        self._check(self._real(str(path.parent), path.name, found), str(path), source)
        return path, self._is_done(str(path), found)

    def _check(self, real: str, path: str, source: str) -> None:
        if self.existing == "skip" and real in self.read:
            raise OptionError(
                f"{path}: is read in this call, and would be the result of {source}: with "
                "--resume give -o a folder away from what is read"
            )

    def _is_done(self, path: str, found: os.stat_result | None) -> bool:
        if self.existing != "skip" or found is None:
            return False
        if stat.S_ISLNK(found.st_mode):
            return Path(path).is_file()
        # Results are written whole; an empty file is a name that was reserved for one.
        return stat.S_ISREG(found.st_mode) and found.st_size > 0

    def _real(self, folder: str, name: str, found: os.stat_result | None) -> str:
        """As realpath(), but following the links to a folder only once."""
        if found is not None and stat.S_ISLNK(found.st_mode):
            return os.path.realpath(f"{folder}/{name}")
        if folder not in self.folders:
            self.folders[folder] = os.path.realpath(folder)
        return f"{self.folders[folder]}/{name}"


def _look(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return None


def _stem(name: str) -> str:
    return "stdin" if name == STDIO else Path(name).stem


def _check_file(path: Path, existing: Existing) -> None:
    """What writing would refuse after minutes of work is better refused now."""
    if path.suffix.lower() not in _written_suffixes():
        raise OptionError(
            f"{path}: the suffix {path.suffix!r} tells no format that is written; use one of "
            + ", ".join(_written_suffixes())
        )
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}; make it first")
    if os.path.lexists(path) and existing == "spare":
        raise OptionError(f"{path}: exists already; give another name, or --overwrite")


def _written_suffixes() -> tuple[str, ...]:
    from impasto.images.formats import WRITTEN

    return tuple(suffix for row in WRITTEN for suffix in row.suffixes)
