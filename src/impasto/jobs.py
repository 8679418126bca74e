"""What the names on the command line mean: which pictures are read, and where each result goes."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from impasto.errors import OptionError

STDIO = "-"
"""Standard input among the pictures read, standard output as the result."""


@dataclass(frozen=True)
class Job:
    """A photograph and where its picture goes: a file, or None for standard output."""

    source: str
    target: Path | None


def split_styles(
    contents: tuple[str, ...], styles: Sequence[str], *, others: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The photographs, and the styles, that the names on the command line mean.

    Args:
        contents: the names without an option.
        styles: those with ``-s``.
        others: what else is read, such as masks.

    Raises:
        click.UsageError: if it is not clear which is which.
    """
    if not styles and len(contents) == 1:
        photo = click.format_filename(contents[0])
        raise click.UsageError(f"a style is missing: impasto stylize {photo} STYLE")
    if not styles and len(contents) > 2:
        raise click.UsageError(
            f"{len(contents)} names and no style: say which picture is the style with -s STYLE"
        )
    if not styles:
        contents, styles = contents[:1], contents[1:]
    if (*contents, *styles, *others).count(STDIO) > 1:
        raise click.UsageError("standard input (-) can be read only once")
    return contents, tuple(styles)


def plan(
    contents: Sequence[str],
    styles: Sequence[str],
    *,
    out: str | None,
    overwrite: bool,
    others: Sequence[str] = (),
) -> tuple[Job, ...]:
    """Where each result goes; nothing is made or written yet.

    Args:
        contents: the photographs.
        styles: the styles that all of them get.
        out: what was given as the place of the results.
        overwrite: whether results may take the place of other files.
        others: what else is read, such as masks.

    Raises:
        click.UsageError: if the names contradict each other.
        OptionError: if ``out`` cannot be written, as far as that can be known before the work.
    """
    if out == STDIO or (out is None and tuple(contents) == (STDIO,)):
        if len(contents) > 1:
            raise click.UsageError("-o - takes one photograph; for several give a folder")
        if sys.stdout.isatty():
            raise click.UsageError("no picture is written to a terminal: give -o FILE, or redirect")
        return (Job(contents[0], None),)
    if out is None and STDIO in contents:
        raise click.UsageError("standard input (-) has no folder of its own: give -o FOLDER")
    if out is not None and not Path(out).is_dir():
        if len(contents) == 1 and not out.endswith("/"):
            _check_file(Path(out), overwrite=overwrite)
            return (Job(contents[0], Path(out)),)
        if os.path.lexists(out.rstrip("/")):
            raise OptionError(f"{out}: is a file; name a folder for several photographs")
    # No result may take the place of what this call reads, nor of another result.
    taken = {os.path.realpath(name) for name in (*contents, *styles, *others) if name != STDIO}
    names: dict[Path, Iterator[Path]] = {}
    jobs = []
    for source in contents:
        folder = Path(source).parent if out is None else Path(out)
        plain = folder / _derived_name(source, styles)
        target = next(
            path
            for path in names.setdefault(plain, _numbered(plain))
            if os.path.realpath(path) not in taken and (overwrite or not os.path.lexists(path))
        )
        taken.add(os.path.realpath(target))
        jobs.append(Job(source, target))
    return tuple(jobs)


def _derived_name(source: str, styles: Sequence[str]) -> str:
    stem = "-".join("stdin" if name == STDIO else Path(name).stem for name in (source, *styles))
    suffix = Path(source).suffix
    return stem + (suffix if suffix.lower() in _written_suffixes() else ".png")


def _numbered(path: Path) -> Iterator[Path]:
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def _check_file(path: Path, *, overwrite: bool) -> None:
    """What writing would refuse after minutes of work is better refused now."""
    if path.suffix.lower() not in _written_suffixes():
        raise OptionError(
            f"{path}: the suffix {path.suffix!r} tells no format that is written; use one of "
            + ", ".join(_written_suffixes())
        )
    if not path.parent.is_dir():
        raise OptionError(f"{path}: there is no folder {path.parent}; make it first")
    if os.path.lexists(path) and not overwrite:
        raise OptionError(f"{path}: exists already; give another name, or --overwrite")


def _written_suffixes() -> tuple[str, ...]:
    from impasto.imagefiles import WRITTEN

    return tuple(suffix for row in WRITTEN for suffix in row.suffixes)
