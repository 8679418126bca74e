"""The standard pictures: large and sharp held-out photographs and paintings, listed by hash.

Numbers of two people are comparable only if they were measured on the same pictures. The list next
to this file has the names of the held-out tenth of two folders and the SHA-256 of each file; the
pictures themselves may not be redistributed.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from impasto.errors import ImageError, counted
from impasto.lab.evaluate.pairs import folder_files

CONTENTS, STYLES = "photos/crisp", "paintings/crisp"
"""Folders of the standard pictures, below the given folder."""
SIZES = (256, 512)
LIST = "standard.tsv"
_SHOWN = 3


@dataclass(frozen=True)
class Listed:
    """A file of the list.

    Attributes:
        folder: ``CONTENTS`` or ``STYLES``.
        name: of the file.
        sha256: of its bytes, in hexadecimal.
    """

    folder: str
    name: str
    sha256: str


@cache
def standard_list() -> tuple[Listed, ...]:
    """Return the files of the standard set, sorted.

    Example:
        >>> len(standard_list()), sum(file.folder == STYLES for file in standard_list())
        (115, 65)
    """
    text = (resources.files(__package__) / LIST).read_text(encoding="utf-8")
    return tuple(Listed(*row) for row in csv.reader(text.splitlines(), delimiter="\t"))


def survey(root: str | Path) -> tuple[Listed, ...]:
    """Return the held-out files in the standard folders below ``root``, sorted.

    Raises:
        ImageError: if a folder is missing.
    """
    return tuple(
        Listed(folder, file.name, hashlib.sha256(file.read_bytes()).hexdigest())
        for folder in (CONTENTS, STYLES)
        for file in folder_files(Path(root) / folder, held_out=True)
    )


def standard_folders(root: str | Path) -> tuple[Path, Path]:
    """Return the folders of photographs and of paintings, after checking them.

    Args:
        root: the folder with ``photos/crisp`` and ``paintings/crisp``, which may also contain files
            that are not held out.

    Raises:
        ImageError: if the held-out files are not those of the list.

    Example:
        >>> standard_folders("data")                                        # doctest: +SKIP
        (PosixPath('data/photos/crisp'), PosixPath('data/paintings/crisp'))
    """
    wanted, found = (
        {(file.folder, file.name): file.sha256 for file in files}
        for files in (standard_list(), survey(root))
    )
    others = {
        "missing": [at for at in wanted if at not in found],
        "different from the list": [at for at in wanted if at in found and found[at] != wanted[at]],
        "not in the list": [at for at in found if at not in wanted],
    }
    wrong = [
        f"{len(files)} {how} ({', '.join('/'.join(at) for at in files[:_SHOWN])}"
        + (", ...)" if len(files) > _SHOWN else ")")
        for how, files in others.items()
        if files
    ]
    if wrong:
        raise ImageError(
            f"{root}: is not the standard set of {counted(len(wanted), 'picture')}: "
            f"{'; '.join(wrong)}; give the pictures of the list, or use --contents and --styles "
            "for others"
        )
    return Path(root) / CONTENTS, Path(root) / STYLES
