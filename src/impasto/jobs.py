"""Where each result goes: one picture for each photograph and its styles, and its name."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

import click

from impasto.errors import OptionError
from impasto.sources import STDIO, Source

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
        for source in self.sources:
            yield tuple(self._job(source, styles, names) for styles in self.mixtures)

    def _job(self, source: Source, styles: tuple[str, ...], names: _Names) -> Job:
        if self.place == STDIO:
            return Job(source.path, None, styles)
        folder = Path(source.path).parent if self.place is None else Path(self.place)
        if self.is_file:
            target = names.check(folder, source.path)
        else:
            plain = folder / source.below / _derived_name(source.path, styles)
            target = names.free(plain, source.path)
        return Job(source.path, target, styles, done=self.existing == "skip" and _is_done(target))


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
    from impasto.imagefiles import one_line

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
        self.read = {self._real(Path(name)) for name in (*read, *plan.others) if name != STDIO}
        self.given: set[str] = set()
        self.numbered: dict[Path, Iterator[Path]] = {}

    def free(self, plain: Path, source: str) -> Path:
        for path in self.numbered.setdefault(plain, _numbered(plain)):
            real = self._real(self.check(path, source))
            if real in self.read or real in self.given:
                continue
            if self.existing != "spare" or not os.path.lexists(path):
                break
        self.given.add(real)
        return path

    def check(self, path: Path, source: str) -> Path:
        """Refuse to take what is read for a result that is done."""
        if self.existing == "skip" and self._real(path) in self.read:
            raise OptionError(
                f"{path}: is read in this call, and would be the result of {source}: with "
                "--resume give -o a folder away from what is read"
            )
        return path

    def _real(self, path: Path) -> str:
        """As realpath(), but following the links to a folder only once."""
        if path.is_symlink():
            return os.path.realpath(path)
        parent = str(path.parent)
        if parent not in self.folders:
            self.folders[parent] = os.path.realpath(parent)
        return f"{self.folders[parent]}/{path.name}"


def _is_done(path: Path) -> bool:
    # Results are written whole; an empty file is a name that was reserved for one.
    return path.is_file() and path.stat().st_size > 0


def _derived_name(source: str, styles: Sequence[str]) -> str:
    stem = "-".join("stdin" if name == STDIO else Path(name).stem for name in (source, *styles))
    suffix = Path(source).suffix
    return stem + (suffix if suffix.lower() in _written_suffixes() else ".png")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


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
    from impasto.imagefiles import WRITTEN

    return tuple(suffix for row in WRITTEN for suffix in row.suffixes)
