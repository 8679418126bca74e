"""Names of results: PHOTO-STYLE, from only the names of a photograph and its styles.

No name depends on which other photographs exist, so that a later call finds finished results.
"""

from __future__ import annotations

import fnmatch
import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePath

from impasto.batch.inputs import STDIO, is_pattern

MAX_BYTES = 255
"""Longest file name in nearly every file system, in bytes."""

_DIGITS = 8


def photo_part(photo: str, written: Sequence[str], read: Sequence[str]) -> tuple[str, str]:
    """Return the part of a result's name for the photograph, and the suffix.

    They are those of the photograph, if its format can be written. Else the result is a PNG, and
    keeps the photograph's own suffix too: ``a.gif``, ``a.bmp`` and ``a.png`` may be in one folder.
    ``a.gif.png`` keeps it too, since it would otherwise take the name of the first.

    Args:
        photo: its file, or ``-``.
        written: suffixes of the formats that are written.
        read: suffixes of all formats.

    Example:
        >>> photo_part("trip/a.jpg", [".jpg", ".png"], [".gif", ".jpg", ".png"])
        ('a', '.jpg')
        >>> photo_part("trip/a.gif", [".jpg", ".png"], [".gif", ".jpg", ".png"])
        ('a.gif', '.png')
    """
    if photo == STDIO:
        return "stdin", ".png"
    name = os.path.basename(photo)  # noqa: PTH119 (Path is slow for many files)
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    if suffix.lower() not in written:
        return name, ".png"
    inner, changed = stem, suffix
    while changed.lower() in written:
        inner, changed = os.path.splitext(inner)  # noqa: PTH122
    return (name if changed.lower() in read else stem), suffix


def style_labels(named: Sequence[str], styles: Sequence[str]) -> dict[str, str]:
    """Return the label of each style in the names of results: its file's name, or its own.

    A style from a sub-folder carries the path below the named folder, and where several folders are
    named, the folder's name too. Where two styles of a call would still have the same name, both
    carry the path from their common folder, and then their suffixes.

    Args:
        named: names of styles, files, folders and patterns, as given by a user.
        styles: the styles that they refer to.

    Example:
        >>> style_labels(["art", "wave.png"], ["art/ink.png", "art/monet/hay.png", "wave.png"])
        {'art/ink.png': 'ink', 'art/monet/hay.png': 'monet-hay', 'wave.png': 'wave'}
    """
    roots = {style: _root(style, named) for style in styles if style != STDIO}
    folders = {root for style, root in roots.items() if style not in named} - {PurePath()}
    common = shared_folder([str(root) for root in roots.values()])
    choices = {STDIO: ("stdin",) * 3} if STDIO in styles else {}
    for style, root in roots.items():
        path = PurePath(style)
        below = path.relative_to(root)
        if style not in named and len(folders) > 1:
            below = root.name / below
        whole = PurePath(os.path.relpath(style, common))
        choices[style] = _joined(below), _joined(whole), f"{_joined(whole)}{path.suffix}"
    labels = {style: choices[style][0] for style in styles}
    for level in (1, 2):
        counts = Counter(labels.values())
        for style, label in labels.items():
            if counts[label] > 1:
                labels[style] = choices[style][level]
    return labels


def shared_folder(folders: Sequence[str]) -> str:
    """Return the folder that contains all of them, as an absolute path; the current one for none.

    Example:
        >>> shared_folder(["/trip/2019", "/trip/2020"])
        '/trip'
    """
    try:
        return os.path.commonpath([os.path.abspath(each) for each in folders] or [os.curdir])  # noqa: PTH100
    except ValueError:  # on several drives
        return os.curdir


def shortened(photo: str, ending: str, suffix: str, limit: int = MAX_BYTES) -> str:
    """Join the parts of a result's name; one that is too long is cut, and gets a checksum.

    The checksum is that of the whole name, so different names stay different, and each is the same
    in every call. No multi-byte character is split.

    Args:
        photo: the part of the photograph.
        ending: the part of the styles.
        suffix: of the result.
        limit: maximum length of a name in bytes.

    Example:
        >>> shortened("street", "-wave", ".png")
        'street-wave.png'
        >>> shortened("l" * 300, "-wave", ".png", limit=40)
        'llllllllllllllll...-9d80e71e-wave.png'
    """
    name = f"{photo}{ending}{suffix}"
    if len(os.fsencode(name)) <= limit:
        return name
    digest = hashlib.sha256(os.fsencode(name)).hexdigest()[:_DIGITS]
    room = limit - len(os.fsencode(f"...-{digest}...{suffix}"))
    half = room // 2  # neither part gets less, if it needs more
    photo_room = max(half, room - len(os.fsencode(ending)))
    ending_room = max(half, room - len(os.fsencode(photo)))
    return f"{_cut(photo, photo_room)}-{digest}{_cut(ending, ending_room)}{suffix}"


def _cut(text: str, room: int) -> str:
    cut = text[:room]  # a character has one byte or more
    while len(os.fsencode(cut)) > room:
        cut = cut[:-1]
    return text if cut == text else f"{cut}..."


def _joined(path: PurePath) -> str:
    parts = [part for part in path.parent.parts if part not in (path.anchor, os.pardir)]
    return "-".join([*parts, path.stem])


def _root(style: str, named: Sequence[str]) -> PurePath:
    """Return the folder in which a style was found: a named one, or its own."""
    path = PurePath(style)
    if style in named:
        return path.parent
    for name in named:
        folder = PurePath(name)
        if is_pattern(name):
            if not fnmatch.fnmatchcase(style, str(folder)):
                continue
            while is_pattern(str(folder)):
                folder = folder.parent
        if name != STDIO and folder != path and path.is_relative_to(folder):
            return folder
    return path.parent
