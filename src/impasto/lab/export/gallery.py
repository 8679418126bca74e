"""The gallery: named styles of works in the public domain, for every model that ships.

What ships of a work is its moments and a note, nothing of the picture.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.errors import ImageError, ModelError, OptionError, StyleError, counted, one_line
from impasto.models import MODELS, find_bundle
from impasto.styles.files import SUFFIX
from impasto.styles.library import add_style, check_name
from impasto.styles.places import GALLERY
from impasto.styles.style import Style
from impasto.stylizer import load

WORKS = Path(__file__).with_name("gallery.toml")
"""The table of the works whose styles ship."""


@dataclass(frozen=True)
class Work:
    """A painting in the public domain.

    Attributes:
        name: what its style is called, such as ``monet-waterlilies``.
        file: its picture, relative to the folder of paintings.
        painter: who painted it.
        title: what it is called.
        year: when it was painted, or the years; empty if that is not certain.
    """

    name: str
    file: str
    painter: str
    title: str
    year: str = ""

    @property
    def note(self) -> str:
        """Note that is kept with its style."""
        year = f" ({self.year})" if self.year else ""
        return f"{self.painter}, {self.title}{year}, public domain"


def read_works(path: str | Path = WORKS) -> tuple[Work, ...]:
    """The works in a TOML file of tables ``[[work]]``, each with the fields of :class:`Work`.

    Args:
        path: by default the table of the gallery that ships.

    Raises:
        OptionError: if the file cannot be read, or a row lacks a field or has another one.
        StyleError: if a name cannot be one of a style, or two rows have the same.

    Example:
        >>> read_works()[0].painter
        'Claude Monet'
    """
    path = Path(path)
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(
            f"{one_line(path)}: cannot be read as TOML ({one_line(error)})"
        ) from error
    rows = table.get("work")
    if not isinstance(rows, list) or not rows or len(table) > 1:
        raise OptionError(f"{one_line(path)}: must hold tables [[work]] and nothing else")
    works = tuple(_work(row, f"{one_line(path)}: work {i}") for i, row in enumerate(rows, start=1))
    seen = set()
    for work in works:
        # Where a file system sees no case, two of these would be one file.
        if work.name.lower() in seen:
            raise StyleError(f"{one_line(path)}: two works are called {work.name!r}")
        seen.add(work.name.lower())
    return works


def make_gallery(
    paintings: str | Path,
    *,
    models: Sequence[str | Path] | None = None,
    works: Sequence[Work] | None = None,
    folder: str | Path = GALLERY,
    overwrite: bool = False,
) -> list[Path]:
    """Encode every work by every model, and put the styles where the package looks for them.

    Nothing is written unless all of them can be made.

    Args:
        paintings: the folder that the files of the works are in.
        models: names or bundles; by default every model that ships.
        works: by default those of the gallery that ships.
        folder: where the shelves are, one a model; by default that of the package.
        overwrite: replace the styles on the shelf of a model, and delete those of works that are
            not in the table.

    Returns:
        The files, model by model, in the order of the works.

    Raises:
        ImageError: if a picture is missing, damaged or too small.
        ModelError: if there is no model, or one is unknown, missing or damaged.
        OptionError: if two models have one name, or there are styles on a shelf already.
        StyleError: if a style cannot be written.

    Example:
        >>> make_gallery("paintings", models=["fast"])                       # doctest: +SKIP
    """
    works = read_works() if works is None else works
    sources = _sources(Path(paintings), works)
    if models is None:
        models = [row.name for row in MODELS if row.path is not None]
    if not models:
        raise ModelError("no model ships with this checkout; name the bundles to make styles for")
    if not overwrite:
        _check_empty([Path(folder, find_bundle(model).card.name) for model in models])
    shelves: dict[str, list[Style]] = {}
    for model in models:
        # In single precision by the engine that is always there: the same styles on every machine.
        stylizer = load(model, engine="onnxruntime", precision="fp32")
        if stylizer.card.name in shelves:
            raise OptionError(
                f"two models are called {stylizer.card.name!r}; they cannot share a shelf"
            )
        shelves[stylizer.card.name] = [stylizer.style(source) for source in sources]
    written = []
    for shelf, styles in shelves.items():
        for work, style in zip(works, styles, strict=True):
            made = replace(style, note=work.note, thumbnail=None)
            written.append(add_style(made, work.name, folder=folder, shelf=shelf, overwrite=True))
        _clear(Path(folder, shelf), keep=written)
    return written


def _work(row: object, where: str) -> Work:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise OptionError(f"{where}: every field must be a text")
    known = {f.name: f for f in dataclasses.fields(Work)}
    if unknown := sorted(set(row) - set(known)):
        raise OptionError(f"{where}: no such field {unknown[0]!r}; the fields are {list(known)}")
    for name, field in known.items():
        if field.default is dataclasses.MISSING and not row.get(name):
            raise OptionError(f"{where}: {name} is missing")
    try:
        check_name(row["name"])
    except StyleError as error:
        raise StyleError(f"{where}: {error}") from error
    return Work(**row)


def _sources(paintings: Path, works: Sequence[Work]) -> list[Path]:
    """The pictures of the works, all of which are there."""
    if not paintings.is_dir():
        raise ImageError(f"{one_line(paintings)}: no such folder of paintings; check the path")
    sources = [paintings / work.file for work in works]
    missing = [source for source in sources if not source.is_file()]
    if missing:
        raise ImageError(
            f"{one_line(missing[0])}: no such painting ({len(missing)} of {len(works)} are "
            "missing); give the folder that the files of the table are in"
        )
    return sources


def _check_empty(shelves: Sequence[Path]) -> None:
    for shelf in shelves:
        if count := len(list(shelf.glob(f"*{SUFFIX}"))):
            raise OptionError(
                f"{one_line(shelf)}: has {counted(count, 'style')} already, which would be "
                "replaced or deleted; give another folder, or --overwrite (overwrite=True)"
            )


def _clear(shelf: Path, *, keep: Sequence[Path]) -> None:
    for path in sorted(shelf.glob(f"*{SUFFIX}")):
        if path not in keep:
            path.unlink()
