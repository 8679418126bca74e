"""What the names on the command line mean: which pictures are read, and in which styles."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from impasto.errors import OptionError

STDIO = "-"
"""Standard input among the pictures read, standard output as the result."""


class Source(NamedTuple):
    """A photograph to read.

    Attributes:
        path: its file, or ``-``.
        below: of a photograph in a folder the sub-folder, which its result keeps, or "."; else "".
    """

    path: str
    below: str = ""


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


def find_contents(
    names: Sequence[str], *, out: str | None
) -> tuple[tuple[Source, ...], tuple[str, ...]]:
    """The photographs that names of files and folders mean; none of them is opened.

    Args:
        names: files, folders, ``-``.
        out: what was given as the place of the results. Where that is a folder within one of the
            folders, it is passed over: results are not read again.

    Returns:
        The photographs, those of a folder in the order of their paths; and a line for each folder
        that has none or cannot be looked into.

    Raises:
        click.UsageError: if there are folders, and no folder for the results.
        OptionError: if the results would lie among the photographs of a folder.
    """
    sources: list[Source] = []
    problems: list[str] = []
    for name in names:
        if name == STDIO or not Path(name).is_dir():
            sources.append(Source(name))
            continue
        if out is None or out == STDIO:
            raise click.UsageError(
                f"{click.format_filename(name)}: is a folder; say where its results go with "
                "-o FOLDER (beside the photographs they would be read again the next time)"
            )
        place = os.path.realpath(out)
        if place == os.path.realpath(name):
            raise OptionError(
                f"{name}: is read, so the results cannot lie there too: they would be read again "
                "the next time; give -o another folder"
            )
        found, unread = _pictures(name, _read_suffixes(), spare=place)
        sources += [Source(str(Path(name, each)), str(each.parent)) for each in found]
        problems += unread or ([] if found else [_empty(name, "picture", _read_suffixes())])
    return tuple(sources), tuple(problems)


def find_styles(
    names: Sequence[str], *, model: Callable[[], str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Each style that names, patterns of names and folders mean, once; none of them is opened.

    Args:
        names: files, folders, ``-``, names of styles, or shell-like patterns (``*``, ``?``,
            ``[...]``) of names and else of files.
        model: gives the identity of the model that the styles are for; asked only if it matters.

    Returns:
        The styles; and a line for each folder that has none or cannot be looked into, and for each
        pattern that nothing fits.
    """
    from impasto.styles.files import SUFFIX

    styles: dict[str, None] = {}
    problems: list[str] = []
    suffixes = (*_read_suffixes(), SUFFIX)
    for name in names:
        found: Sequence[str] = (name,)
        if _is_pattern(name):
            # Of files only those that can be a style: a folder of styles may hold notes on them.
            files = (each for each in glob.glob(name) if _suffix(each) in suffixes)  # noqa: PTH207
            found = _named(name, model) or sorted(files)
            if not found:
                problems.append(
                    f"{_line(name)}: fits no name of a style for this model, and no file; "
                    "`impasto styles` lists the names"
                )
        elif _is_folder(name, model):
            paths, unread = _pictures(name, suffixes)
            found = [str(Path(name, each)) for each in paths]
            problems += unread or ([] if found else [_empty(name, "style", suffixes)])
        styles.update(dict.fromkeys(found))
    return tuple(styles), tuple(problems)


def check_single(names: Sequence[str], *, model: Callable[[], str]) -> None:
    """Refuse folders and patterns where each name is one style.

    Raises:
        click.UsageError: naming the option that takes them.
    """
    for name in names:
        if _is_pattern(name) or _is_folder(name, model):
            raise click.UsageError(
                f"{click.format_filename(name)}: may mean several styles; each photograph is "
                "painted in each of them with --all-pairs"
            )


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not os.path.lexists(name)


def _is_folder(name: str, model: Callable[[], str]) -> bool:
    # As everywhere, a style's name goes before a file's.
    return name != STDIO and Path(name).is_dir() and not _named(glob.escape(name), model)


def _named(pattern: str, model: Callable[[], str]) -> list[str]:
    from impasto.styles.library import list_styles

    if Path(pattern).name != pattern:
        return []
    return [entry.name for entry in list_styles(model=model(), like=pattern)]


def _pictures(
    folder: str, suffixes: Sequence[str], *, spare: str = ""
) -> tuple[list[Path], list[str]]:
    """The files with one of ``suffixes`` in a folder and below it, relative to it and in order.

    Hidden files and folders are left out, the folder ``spare``, and links to folders, which may
    lead in a circle. What cannot be looked into is told in the second list.
    """
    unread: list[OSError] = []
    found = []
    for here, folders, files in os.walk(folder, onerror=unread.append):
        folders[:] = (
            each
            for each in folders
            if not each.startswith(".")
            and (not spare or os.path.realpath(Path(here, each)) != spare)
        )
        below = Path(here).relative_to(folder)
        found += [
            below / each for each in files if not each.startswith(".") and _suffix(each) in suffixes
        ]
    return sorted(found), [
        f"{_line(error.filename)}: cannot be looked into ({_line(error)})" for error in unread
    ]


def _empty(folder: str, what: str, suffixes: Sequence[str]) -> str:
    return f"{_line(folder)}: is a folder without any {what} ({', '.join(suffixes)})"


def _line(what: object) -> str:
    from impasto.images.formats import one_line

    return one_line(what)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (of ten thousands)


def _read_suffixes() -> tuple[str, ...]:
    from impasto.images.formats import FORMATS

    return tuple(suffix for row in FORMATS for suffix in row.suffixes)
