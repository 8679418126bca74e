"""The gallery: named styles of works in the public domain, for every included model.

For each work only its moments and a note are included, not the picture. The moments are predicted
by the model, or tuned (:mod:`impasto.lab.tuning`), which takes minutes per style: so tuned styles
are written to a separate folder, one file each, and shelves change once all are complete.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from impasto.errors import ImageError, ModelError, OptionError, StyleError, counted, one_line
from impasto.lab.tuning.files import Job, Result, Workshop
from impasto.lab.tuning.judge import Judge
from impasto.models import MODELS, Bundle, find_bundle, open_engine
from impasto.styles.files import SUFFIX, load_style
from impasto.styles.library import add_style, check_name
from impasto.styles.places import GALLERY
from impasto.styles.style import Style
from impasto.stylizer import stylizer_of

WORKS = Path(__file__).with_name("gallery.toml")
"""The table of the works whose styles are included."""


@dataclass(frozen=True)
class Work:
    """A painting in the public domain.

    Attributes:
        name: of its style, such as ``monet-waterlilies``.
        file: its picture, relative to the folder of paintings.
        painter: its painter.
        title: its title.
        year: its year or years; empty if uncertain.
    """

    name: str
    file: str
    painter: str
    title: str
    year: str = ""

    @property
    def note(self) -> str:
        """Note stored with its style."""
        year = f" ({self.year})" if self.year else ""
        return f"{self.painter}, {self.title}{year}, public domain"


def read_works(path: str | Path = WORKS) -> tuple[Work, ...]:
    """Read the works in a TOML file of tables ``[[work]]``, each with the fields of :class:`Work`.

    Args:
        path: by default the table of the included gallery.

    Raises:
        OptionError: if the file cannot be read, or a row lacks a field or has another one.
        StyleError: if a name is not valid for a style, or two rows have the same.

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
        raise OptionError(f"{one_line(path)}: must contain only tables [[work]]")
    works = tuple(_work(row, f"{one_line(path)}: work {i}") for i, row in enumerate(rows, start=1))
    seen = set()
    for work in works:
        # On a case-insensitive file system two of these would be one file.
        if work.name.lower() in seen:
            raise StyleError(f"{one_line(path)}: two works are named {work.name!r}")
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
    """Encode every work with every model, and write the styles to the package's shelves.

    Nothing is written unless all of them can be encoded.

    Args:
        paintings: the folder with the files of the works.
        models: names or bundles; by default every included model.
        works: by default those of the included gallery.
        folder: the folder of the shelves, one per model; by default that of the package.
        overwrite: replace the styles on the shelf of a model, and delete those of works that are
            not in the table.

    Returns:
        The files, model by model, in the order of the works.

    Raises:
        ImageError: if a picture is missing, damaged or too small.
        ModelError: if there is no model, or one is unknown, missing or damaged.
        OptionError: if two models have one name, or a shelf already has styles.
        StyleError: if a style cannot be written.

    Example:
        >>> make_gallery("paintings", models=["fast"])                       # doctest: +SKIP
    """
    works = read_works() if works is None else works
    sources = _sources(Path(paintings), works)
    bundles = _bundles(models)
    if not overwrite:
        _check_empty([Path(folder, bundle.card.name) for bundle in bundles])
    shelves: dict[str, list[Style]] = {}
    for bundle in bundles:
        # In single precision by ONNX Runtime, which is always installed: the same on every machine.
        engine = open_engine(bundle, name="onnxruntime", precision="fp32")
        stylizer = stylizer_of(bundle, engine)
        shelves[bundle.card.name] = [stylizer.style(source) for source in sources]
    return _put(shelves, works, Path(folder))


@dataclass(frozen=True)
class Progress:
    """Progress of a tuned gallery.

    Attributes:
        done: number of finished styles.
        count: the total.
        seconds: estimated time left, from the styles of this call; None before the first.
    """

    done: int
    count: int
    seconds: float | None


def make_tuned_gallery(
    paintings: str | Path,
    judge: Judge,
    *,
    work: str | Path,
    models: Sequence[str | Path] | None = None,
    works: Sequence[Work] | None = None,
    folder: str | Path = GALLERY,
    overwrite: bool = False,
    watch: Callable[[Result, Progress], object] | None = None,
) -> list[Path]:
    """Tune every work for every model, and write the styles to the package's shelves.

    Each finished style is a file ``work/MODEL/NAME.safetensors``; after an interruption the next
    call tunes only those that are missing, or belong to another model, picture or settings. The
    shelves stay unchanged until all are finished.

    Args:
        paintings: as for :func:`make_gallery`.
        judge: with its photographs and settings.
        work: the folder of the tuned styles.
        models: as for :func:`make_gallery`.
        works: the same.
        folder: the same.
        overwrite: the same.
        watch: called after every style.

    Returns:
        The files, model by model, in the order of the works.

    Raises:
        ImageError, ModelError, OptionError, StyleError: as :func:`make_gallery`, and for models
            whose styles cannot be tuned.

    Example:
        >>> make_tuned_gallery("paintings", judge, work="runs/gallery")      # doctest: +SKIP
    """
    works = read_works() if works is None else works
    sources = _sources(Path(paintings), works)
    bundles = _bundles(models)
    if not overwrite:
        _check_empty([Path(folder, bundle.card.name) for bundle in bundles])
    plans = []
    for bundle in bundles:
        shelf = Path(work, bundle.card.name)
        _make_folder(shelf)
        jobs = [
            Job(
                name=each.name,
                picture=source,
                target=shelf / f"{each.name}{SUFFIX}",
                note=each.note,
                thumbnail=False,
            )
            for each, source in zip(works, sources, strict=True)
        ]
        workshop = Workshop(bundle, judge)
        workshop.check(jobs, overwrite=True)
        plans.append((bundle, [job for job in jobs if workshop.found(job) is None], jobs))
    count, made = sum(len(jobs) for _, _, jobs in plans), list[float]()
    left = sum(len(todo) for _, todo, _ in plans)
    for bundle, todo, _ in plans:
        # A new one per model: the encoded pictures of a model take some hundred megabytes.
        for result in Workshop(bundle, judge).run(todo, overwrite=True):
            left -= 1
            made += [] if result.seconds is None else [result.seconds]
            seconds = left * sum(made) / len(made) if made else None
            if watch is not None:
                watch(result, Progress(count - left, count, seconds))
    shelves = {
        bundle.card.name: [load_style(job.target) for job in jobs] for bundle, _, jobs in plans
    }
    return _put(shelves, works, Path(folder))


def _bundles(models: Sequence[str | Path] | None) -> list[Bundle]:
    """Return the models of a gallery; each has a shelf of its own name."""
    if models is None:
        models = [row.name for row in MODELS if row.path is not None]
    if not models:
        raise ModelError(
            "no model is included with this checkout; name the bundles to make styles for"
        )
    bundles = [find_bundle(model) for model in models]
    names = [bundle.card.name for bundle in bundles]
    for name in names:
        if names.count(name) > 1:
            raise OptionError(
                f"two models are named {name!r}; they cannot share a folder of styles"
            )
    return bundles


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StyleError(f"{one_line(path)}: cannot be created ({one_line(error)})") from error


def _put(shelves: dict[str, list[Style]], works: Sequence[Work], folder: Path) -> list[Path]:
    """Write all styles to their shelves, and delete other styles there."""
    written = []
    for shelf, styles in shelves.items():
        for work, style in zip(works, styles, strict=True):
            made = replace(style, note=work.note, thumbnail=None)
            written.append(add_style(made, work.name, folder=folder, shelf=shelf, overwrite=True))
        _clear(folder / shelf, keep=written)
    return written


def _work(row: object, where: str) -> Work:
    if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
        raise OptionError(f"{where}: every field must be a string")
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
    """Return the pictures of the works, and check that all exist."""
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
                f"{one_line(shelf)}: already has {counted(count, 'style')}, which would be "
                "overwritten or deleted; give another folder or pass --overwrite (overwrite=True)"
            )


def _clear(shelf: Path, *, keep: Sequence[Path]) -> None:
    for path in sorted(shelf.glob(f"*{SUFFIX}")):
        if path not in keep:
            path.unlink()
