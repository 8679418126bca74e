"""Names of styles, patterns and folders -> the styles of a data set, in the order of their names.

Pictures of styles are hashed here and read by workers, once: the results are cached beside the
user's styles (:mod:`impasto.styles.kept`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from impasto.batch.inputs import STDIO, check_there
from impasto.batch.styles import Found, named_styles
from impasto.controls import Controls
from impasto.controls.color.matching import needs_picture
from impasto.controls.transforms import OF_MOMENTS
from impasto.dataset.work import DONE, FAILED, STYLE, Chunk, Job, Outcome
from impasto.errors import DatasetError, counted, one_line
from impasto.images.options import ReadOptions
from impasto.images.photo import Photo
from impasto.models.bundle import Bundle
from impasto.styles.files import read_style, style_bytes
from impasto.styles.kept import KeptStyles, kept_key
from impasto.styles.library import (
    WHOLE_GALLERY,
    export_style,
    trained_names,
)
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

# Number of styles that a worker keeps in memory, each some kB; of pictures, each some MB.
_IN_MEMORY, _PICTURES_IN_MEMORY = 4096, 32

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class ChosenStyle:
    """A style of a data set.

    Attributes:
        name: name in the manifest.
        sha256: hash of the picture, or of the file of a saved style.
        data: file of a saved style; b"" for a picture.
        picture: full path of a picture; "" for a saved style.
    """

    name: str
    sha256: str
    data: bytes = b""
    picture: str = ""


def choose_styles(
    names: Sequence[str], bundle: Bundle, *, tell: Callable[[str], None] | None = None
) -> list[ChosenStyle]:
    """Find all styles that the user named; pictures are hashed, but not read yet.

    Args:
        names: ``gallery``, names of styles, patterns of them, pictures, and folders of pictures.
        bundle: the model that they are for.
        tell: called with a line on what is skipped.

    Returns:
        The styles, in the order of their names, which are unique.

    Raises:
        ImpastoError: if one does not exist, or does not fit, or there is none.

    Example:
        >>> [each.name for each in choose_styles(["monet-*"], bundle)]       # doctest: +SKIP
        ['monet-impression-sunrise', 'monet-waterlilies']
    """
    if not names:
        raise DatasetError("there is no style: give -s STYLE, such as -s gallery")
    if STDIO in names:
        raise DatasetError("a style of a data set cannot come from standard input: give a file")
    check_there([name for name in names if name != WHOLE_GALLERY])
    found = named_styles(
        names,
        model=bundle.identity,
        model_name=bundle.card.name,
        built_in=trained_names(bundle),
        shipped=bundle.card.styles,
        tell=tell,
    )
    chosen: dict[str, ChosenStyle] = {}
    for label, style in found:
        if label not in chosen:
            chosen[label] = _chosen(label, style, bundle)
    if not chosen:
        raise DatasetError(f"model {bundle.card.name!r} has no gallery: name styles with -s")
    return [chosen[name] for name in sorted(chosen)]


def _chosen(label: str, found: Found, bundle: Bundle) -> ChosenStyle:
    if isinstance(found, str):
        found = export_style(found, bundle)
    if isinstance(found, Style):
        return _of_style(label, found)
    if bundle.card.styles:
        raise DatasetError(
            f"{one_line(found)}: a picture cannot be a style of model {bundle.card.name!r}, whose "
            f"styles are built in: {', '.join(bundle.card.styles)}"
        )
    digest = hashlib.sha256()
    try:
        with found.open("rb") as file:
            while piece := file.read(_PIECE):
                digest.update(piece)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{one_line(found)}: cannot be read ({one_line(error)})") from error
    return ChosenStyle(label, digest.hexdigest(), picture=os.path.abspath(found))  # noqa: PTH100


def _of_style(label: str, style: Style) -> ChosenStyle:
    # Without what painting does not use.
    data = style_bytes(replace(style, name=label, note="", thumbnail=None))
    return ChosenStyle(label, hashlib.sha256(data).hexdigest(), data=data)


def need_pictures(controls: Controls) -> bool:
    """Return True if controls use the pictures of styles, so that the pictures must be kept.

    Example:
        >>> need_pictures(Controls()), need_pictures(Controls(color="cholesky"))
        (False, True)
    """
    return needs_picture(controls.color) or controls.transform not in OF_MOMENTS


class StyleShelf:
    """The styles of a data set in a worker: prepared at their first use, and cached.

    Args:
        model: the model that paints in them.
        styles: all of them.
        kept: the file of styles that were read before.
        controls: controls that they are used with.
        read: how pictures of styles are read.
    """

    def __init__(
        self,
        model: Stylizer,
        styles: Sequence[ChosenStyle],
        kept: Path,
        controls: Controls,
        read: ReadOptions,
    ) -> None:
        self._model, self._styles = model, styles
        self._controls, self._read = controls, read
        self._kept = KeptStyles(kept)
        self._from_pictures = need_pictures(controls)
        most = _PICTURES_IN_MEMORY if self._from_pictures else _IN_MEMORY
        self._get = lru_cache(most)(self._prepared)

    def __getitem__(self, index: int) -> Style | Photo:
        return self._get(index)

    def _prepared(self, index: int) -> Style | Photo:
        chosen = self._styles[index]
        found: Style | None = None
        if chosen.data:
            found = read_style(chosen.data)
        elif not self._from_pictures:
            found = self._kept.get(kept_key(chosen.sha256, self._read.style_size))
        made = self._model.prepare(found or Path(chosen.picture), self._controls, self._read)
        if found is None and isinstance(made, Style) and not self._from_pictures:
            return read_style(style_bytes(made))  # rounded, as cached styles are
        return made


@dataclass(frozen=True)
class ReadSpec:
    """A worker that reads pictures of styles (:class:`impasto.dataset.work.WorkerSpec`).

    Attributes:
        model: as :func:`impasto.stylizer.load` takes it.
        engine: the same.
        precision: the same.
        read: how pictures are read.
    """

    model: str | Path
    engine: str
    precision: str
    read: ReadOptions

    def open(self) -> StyleReader:
        """Open the engine."""
        from impasto.stylizer import load

        model = load(self.model, engine=self.engine, precision=self.precision, threads=1)
        return StyleReader(model, self.read)


@dataclass(frozen=True)
class StyleReader:
    """Reads pictures of styles."""

    model: Stylizer
    read: ReadOptions

    def work(self, chunk: Chunk, begin: Callable[[str], None]) -> Iterator[Outcome]:
        """See :meth:`impasto.dataset.work.Worker.work`."""
        barred = {each.name: each.problem for each in chunk.barred}
        for job in chunk.jobs:
            if job.name in barred:
                yield Outcome(job.name, FAILED, problem=barred[job.name])
                continue
            begin(job.name)
            try:
                style = self.model.prepare(Path(job.name), read=self.read)
                if not isinstance(style, Style):
                    raise DatasetError(f"model {self.model.name!r} keeps no styles")
                data = style_bytes(style)
            except Exception as error:  # whatever is wrong with one picture
                yield Outcome(job.name, FAILED, problem=one_line(error))
            else:
                yield Outcome(job.name, DONE, data=data)


def chunks_of_styles(styles: Sequence[ChosenStyle], size: int) -> Iterator[Chunk]:
    """Cut pictures of styles into chunks."""
    for number, first in enumerate(range(0, len(styles), size)):
        jobs = tuple(Job(each.picture, STYLE) for each in styles[first : first + size])
        yield Chunk(number, jobs)


def without(styles: Sequence[ChosenStyle], problems: Sequence[str]) -> list[ChosenStyle]:
    """Return the styles without pictures that could not be read.

    Raises:
        DatasetError: if none is left.
    """
    left = [each for each in styles if each.picture not in problems]
    if not left:
        raise DatasetError(f"none of {counted(len(styles), 'style')} can be read")
    return left
