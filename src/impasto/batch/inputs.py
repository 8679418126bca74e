"""Resolution of names of files, folders and patterns to photographs and styles."""

from __future__ import annotations

import fnmatch
import glob
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias

from impasto.errors import OptionError, one_line
from impasto.images.kinds import refuse_address

STDIO = "-"
"""Standard input among the pictures read, standard output as the result."""


_COMPARED = 10_000
"""Most names of a folder that a misspelled one is compared with."""

Input: TypeAlias = tuple[str, str]
"""A photograph to read: its file or ``-``, and the sub-folder for its result, relative to the named
folder; "." for one directly in that folder, "" for a photograph named by itself."""


def split_styles(
    contents: tuple[str, ...], styles: Sequence[str], *, others: Sequence[str] = ()
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Separate photographs from styles; of exactly two names without styles the second is one.

    Args:
        contents: the names without an option.
        styles: those with ``-s``.
        others: other names that are read, such as masks.

    Raises:
        OptionError: if it is ambiguous which name is the style, or standard input would be read
            twice, or a name is a web address.

    Example:
        >>> split_styles(("street.jpg", "wave.jpg"), ())
        (('street.jpg',), ('wave.jpg',))
    """
    if not styles and len(contents) == 1:
        raise OptionError(f"a style is missing: impasto stylize {_line(contents[0])} STYLE")
    if not styles and len(contents) > 2:
        raise OptionError(f"{len(contents)} names and no style: give the style with -s STYLE")
    if not styles:
        contents, styles = contents[:1], contents[1:]
    for name in (*contents, *styles, *others):
        if line := refuse_address(name):
            raise OptionError(line)
    if (*contents, *styles, *others).count(STDIO) > 1:
        raise OptionError("standard input (-) can be read only once")
    return contents, tuple(styles)


def find_contents(
    names: Sequence[str], *, out: str | None, tell: Callable[[str], None] | None = None
) -> tuple[tuple[Input, ...], tuple[str, ...]]:
    """List the photographs that names of files and folders refer to, without opening them.

    Args:
        names: files, folders, ``-``, or shell-like patterns of files that no shell has expanded.
        out: the place of the results as a user gives it. If it is a folder within one of the
            folders, it is excluded: results are not read again.
        tell: called with a line on the skipped files of a folder, once for each folder.

    Returns:
        The photographs, those of a folder in the order of their paths; and a line for each folder
        that has none or cannot be listed, and for each pattern without a match. If nothing that was
        named exists, no photographs, and a line for each name.

    Raises:
        OptionError: if there are folders and no folder for the results, or if both are the same.

    Example:
        >>> find_contents(["street.jpg"], out=None)
        ((('street.jpg', ''),), ())
    """
    inputs: list[Input] = []
    problems: list[str] = []
    expanded: list[str] = []
    for name in names:
        matches = sorted(glob.glob(name, recursive=True)) if is_pattern(name) else [name]  # noqa: PTH207
        expanded += matches
        if not matches:
            problems.append(
                f"{_line(name)}: no file matches this pattern; check the path and suffix"
            )
    missing = [each for each in expanded if each != STDIO and not os.path.lexists(each)]
    if len(missing) == len(expanded):
        return (), (*problems, *map(_missing, missing))
    for name in expanded:
        if name == STDIO or not Path(name).is_dir():
            inputs.append((name, ""))
            continue
        if out is None or out == STDIO:
            raise OptionError(
                f"{_line(name)}: is a folder; give another one for the results with -o FOLDER "
                "(beside the photographs, they would be read as photographs in the next run)"
            )
        place = os.path.realpath(out)
        if place == os.path.realpath(name):
            raise OptionError(
                f"{name}: is an input, so the results cannot be written there: they would be read "
                "as photographs in the next run; give -o another folder"
            )
        found, unread = _pictures(name, _read_suffixes(), excluded=place, tell=tell)
        inputs += [(str(Path(name, each)), str(each.parent)) for each in found]
        problems += unread or ([] if found else [_empty(name, "picture", _read_suffixes())])
    return tuple(inputs), tuple(problems)


def find_styles(
    names: Sequence[str],
    *,
    model: Callable[[], str],
    built_in: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """List each style that names, patterns and folders refer to, once, without opening them.

    Args:
        names: files, folders, ``-``, names of styles, or shell-like patterns (``*``, ``?``,
            ``[...]``) of names or else of files.
        model: returns the identity of the model that the styles are for; called only if needed.
        built_in: the names of the model's built-in styles, if any.
        tell: called with a line on the skipped files of a folder or a pattern.

    Returns:
        The styles; and a line for each folder that has none or cannot be listed, and for each
        pattern without a match.
    """
    from impasto.styles.files import SUFFIX

    styles: dict[str, None] = {}
    problems: list[str] = []
    suffixes = (*_read_suffixes(), SUFFIX)
    for name in names:
        found: Sequence[str] = (name,)
        if matching := fnmatch.filter(built_in, name):
            found = matching
        elif is_pattern(name):
            # Only files that can be a style: a folder of styles may hold notes on them.
            found = _style_names(name, model)
            if not found:
                files = sorted(glob.glob(name))  # noqa: PTH207
                found = [each for each in files if _suffix(each) in suffixes]
                others = [Path(each) for each in files if each not in found]
                _tell_others(name, (each for each in others if each.is_file()), tell)
            if not found:
                problems.append(
                    f"{_line(name)}: matches no style for this model and no file; `impasto styles` "
                    "lists the styles"
                )
        elif _is_folder(name, model):
            paths, unread = _pictures(name, suffixes, tell=tell)
            found = [str(Path(name, each)) for each in paths]
            problems += unread or ([] if found else [_empty(name, "style", suffixes)])
        styles.update(dict.fromkeys(found))
    return tuple(styles), tuple(problems)


def check_single(names: Sequence[str], *, model: Callable[[], str]) -> None:
    """Refuse folders and patterns where each name is one style.

    Args:
        names: as for :func:`find_styles`.
        model: as for :func:`find_styles`.

    Raises:
        OptionError: for a folder or pattern, naming the option that takes it.
    """
    for name in names:
        if is_pattern(name) and not (glob.glob(name) or _style_names(name, model)):  # noqa: PTH207
            raise OptionError(
                f"{_line(name)}: no style and no file matches this pattern; patterns of styles "
                "need --all-pairs"
            )
        if is_pattern(name) or _is_folder(name, model):
            raise OptionError(
                f"{_line(name)}: may match several styles; with --all-pairs each photograph is "
                "painted in each of them"
            )


def check_there(names: Sequence[str]) -> None:
    """Refuse missing pictures of styles, before anything is reported about results.

    Args:
        names: styles; those that may be names of saved or built-in styles are accepted.

    Raises:
        OptionError: for the first, suggesting a similar name.
    """
    for name in names:
        if _is_file_name(name) and not os.path.lexists(name):
            raise OptionError(_missing(name))


def is_pattern(name: str) -> bool:
    """Return True for a shell-like pattern, unless a file has that name.

    Example:
        >>> is_pattern("monet-*")
        True
    """
    return glob.has_magic(name) and not os.path.lexists(name)


def _missing(name: str) -> str:
    """Return the line about a missing file or folder, with a similar name."""
    folder, own = os.path.split(name.rstrip("/"))
    kind = "no such folder" if name.endswith("/") else "no such file"
    if not _suffix(name) and kind == "no such file":
        kind = "no such file or folder"
    if folder and not Path(folder).is_dir():
        return f"{_line(name)}: {kind}, because there is no folder {_line(folder)}; check the path"
    try:
        names = os.listdir(folder or ".")  # noqa: PTH208 (Path is slow for many files)
    except OSError:
        names = []
    import difflib  # needed only for a wrong name

    near = difflib.get_close_matches(own, names[:_COMPARED], n=1, cutoff=0.75)
    mend = f"did you mean {_line(os.path.join(folder, near[0]))}?" if near else "check the path"  # noqa: PTH118
    return f"{_line(name)}: {kind}; {mend}"


def _is_file_name(name: str) -> bool:
    """Return True for a text that cannot be the name of a saved or built-in style."""
    return name != STDIO and (os.sep in name or _suffix(name) in _read_suffixes())


def _is_folder(name: str, model: Callable[[], str]) -> bool:
    # As everywhere, a style's name takes precedence over a file's.
    return name != STDIO and Path(name).is_dir() and not _style_names(glob.escape(name), model)


def _style_names(pattern: str, model: Callable[[], str]) -> list[str]:
    from impasto.styles.library import list_styles

    if Path(pattern).name != pattern:
        return []
    return [entry.name for entry in list_styles(model=model(), like=pattern)]


def _pictures(
    folder: str,
    suffixes: Sequence[str],
    *,
    excluded: str = "",
    tell: Callable[[str], None] | None = None,
) -> tuple[list[Path], list[str]]:
    """List the files with one of ``suffixes`` in a folder and below it, relative to it, in order.

    Hidden files and folders are skipped, the folder ``excluded``, and links to folders, which may
    form a cycle. The second list has a line for each folder that cannot be listed.
    """
    from impasto.images.formats import is_hidden

    unread: list[OSError] = []
    found: list[Path] = []
    others: list[Path] = []
    links: list[Path] = []
    for here, folders, files in os.walk(folder, onerror=unread.append):
        below = Path(here).relative_to(folder)
        folders[:] = (
            each
            for each in folders
            if not is_hidden(each)
            and (not excluded or os.path.realpath(Path(here, each)) != excluded)
        )
        links += [below / each for each in folders if Path(here, each).is_symlink()]
        for each in files:
            if _suffix(each) not in suffixes:
                others.append(below / each)
            elif not is_hidden(each):
                found.append(below / each)
    _tell_others(folder, others, tell)
    if links and tell is not None:
        what = "link to a folder is" if len(links) == 1 else "links to folders are"
        tell(f"{_line(folder)}: {len(links)} {what} not followed: {_line(min(links))}")
    return sorted(found), [
        f"{_line(error.filename)}: cannot be listed ({_line(error)})" for error in unread
    ]


def _tell_others(
    place: str, others: Iterable[str | Path], tell: Callable[[str], None] | None
) -> None:
    from impasto.images.formats import is_hidden, passed_over

    seen = (each for each in map(Path, others) if not is_hidden(each.name))
    if tell is not None and (line := passed_over(seen)):
        tell(f"{_line(place)}: {line}")


def _empty(folder: str, kind: str, suffixes: Sequence[str]) -> str:
    return f"{_line(folder)}: is a folder without any {kind} ({', '.join(suffixes)})"


def _line(value: object) -> str:

    return one_line(value)


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()  # noqa: PTH122 (Path is slow for many files)


def _read_suffixes() -> tuple[str, ...]:
    from impasto.images.formats import READ_SUFFIXES

    return READ_SUFFIXES
