"""The worker of a data set: reads pictures, paints them, writes results, and reports them.

It opens its engine once, in one thread, and keeps the styles that it has used.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from socket import gethostname
from typing import Any, BinaryIO

from impasto.dataset.draws import Draw, draws
from impasto.dataset.options import DatasetOptions, Recipe
from impasto.dataset.places import Place
from impasto.dataset.shards import Member, TarWriter, key_of, samples_of, write_tar
from impasto.dataset.styles import ChosenStyle, StyleShelf
from impasto.dataset.tree import class_of, fits, result_name
from impasto.dataset.work import (
    COPIED,
    COPY,
    DONE,
    FAILED,
    SHARD,
    SKIPPED,
    Chunk,
    Job,
    Outcome,
)
from impasto.errors import DatasetError, OptionError, escaped, one_line
from impasto.images.formats import READ_SUFFIXES
from impasto.images.photo import Photo
from impasto.images.pixels import as_stored
from impasto.images.sources import OpenPicture, open_picture
from impasto.images.writing import format_of, write_image
from impasto.painting import Budget
from impasto.stylizer import Stylizer

# Disk errors that the next picture would also get.
_HOPELESS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

_PIECE = 1 << 20


@dataclass(frozen=True)
class PaintSpec:
    """A worker that paints (:class:`impasto.dataset.work.WorkerSpec`).

    Attributes:
        source: the folder that is read.
        target: the folder of the data set that is made.
        recipe: how pictures are painted; engine and precision are set.
        options: options of the data set.
        styles: styles in the order of their names.
        kept: the file of the styles that were read from pictures.
        splits: the parts of the data set (:func:`impasto.dataset.tree.split_of`).
        classes: its classes, in order.
    """

    source: Place
    target: Place
    recipe: Recipe
    options: DatasetOptions
    styles: tuple[ChosenStyle, ...]
    kept: Path
    splits: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def open(self) -> DatasetPainter:
        """Open the engine."""
        from impasto.models import DEFAULT_MODEL
        from impasto.stylizer import load

        if not self.source.exists():  # else all its pictures would fail
            raise DatasetError(
                f"{one_line(self.source)}: a worker on {gethostname()} cannot find it"
            )

        recipe = self.recipe
        model = load(
            recipe.model or DEFAULT_MODEL,
            engine=recipe.engine,
            precision=recipe.precision,
            threads=1,
        )
        for alpha in self.options.alpha:
            model.check(replace(recipe.controls, alpha=alpha), 1, Budget())
        return DatasetPainter(self, model)


@dataclass(frozen=True)
class Made:
    """A result in memory, or the reason why there is none.

    Attributes:
        draw: style and strength of the result.
        data: bytes of its file.
        problem: reason in one line; "" for none.
    """

    draw: Draw
    data: bytes = b""
    problem: str = ""


class DatasetPainter:
    """The worker itself; see :class:`impasto.dataset.work.Worker`.

    Args:
        spec: its specification.
        model: the model that paints.
    """

    def __init__(self, spec: PaintSpec, model: Stylizer) -> None:
        self._spec, self._model = spec, model
        recipe = spec.recipe
        self._styles = StyleShelf(model, spec.styles, spec.kept, recipe.controls, recipe.read)
        self._copies = spec.options.styles_per_picture

    def work(self, chunk: Chunk, begin: Callable[[str], None]) -> Iterator[Outcome]:
        """See :meth:`impasto.dataset.work.Worker.work`."""
        barred = {each.name: each.problem for each in chunk.barred}
        if chunk.shard:
            yield from self._shard_of_files(chunk, barred, begin)
            return
        for job in chunk.jobs:
            if job.kind == COPY:
                yield from self._copy(job)
            elif job.kind == SHARD:
                yield from self._shard(job, barred, begin)
            else:
                yield from self._picture(job, barred, begin)

    def _picture(
        self, job: Job, barred: Mapping[str, str], begin: Callable[[str], None]
    ) -> Iterator[Outcome]:
        """Paint a file into files."""
        result = result_name(job.name)
        for copy, made in enumerate(self._made(job.name, result, barred, begin)):
            if not made.problem:
                try:
                    self._spec.target.write(self._result(copy, result), made.data)
                except (OSError, ValueError) as error:
                    made = replace(made, problem=_problem(error, job.name))
            yield self._outcome(job.name, copy, result, made, barred)

    def _made(
        self,
        name: str,
        result: str,
        barred: Mapping[str, str],
        begin: Callable[[str], None],
        data: bytes | None = None,
    ) -> Iterator[Made]:
        """Paint a picture in all its styles, or give the reason for each failure.

        Args:
            name: name of its file; any name for a member of a tar file.
            result: name of the result.
            barred: pictures that are not to be tried, with the reasons.
            begin: as for :meth:`work`.
            data: bytes of a member.
        """
        options = self._spec.options
        drawn = list(
            draws(
                name,
                seed=options.seed,
                styles=len(self._spec.styles),
                copies=self._copies,
                alpha=options.alpha,
            )
        )
        if name in barred:
            yield from (Made(each, problem=barred[name]) for each in drawn)
            return
        begin(name)
        number = 0
        source: Path | BinaryIO | None = None
        try:
            source = self._spec.source.picture(name) if data is None else _named_stream(data, name)
            with open_picture(source, **self._spec.recipe.read.opening) as picture:
                for data in self._painted(picture, result, drawn):
                    yield Made(drawn[number], data)
                    number += 1
        except Exception as error:  # one picture must not stop the work on millions
            problem = _problem(error, source if isinstance(source, Path) else name)
            yield from (Made(each, problem=problem) for each in drawn[number:])

    def _painted(self, picture: OpenPicture, result: str, drawn: Sequence[Draw]) -> Iterator[bytes]:
        """Encode a picture once, and paint it in one style after the other."""
        recipe, model = self._spec.recipe, self._model
        save = replace(recipe.save, format=format_of(result).name.lower())
        if picture.orientation != 1:  # boxes and masks fit the pixels as they are stored
            yield from self._painted_as_stored(picture, save.format or "", drawn)
            return
        content = model.encode_picture(picture, recipe.controls, None, recipe.read, save, Budget())
        for each in drawn:
            controls = replace(recipe.controls, alpha=each.alpha)
            stream = io.BytesIO()
            model.write(content, picture, stream, [self._styles[each.style]], controls, save)
            yield stream.getvalue()

    def _painted_as_stored(
        self, picture: OpenPicture, format: str, drawn: Sequence[Draw]
    ) -> Iterator[bytes]:
        """Paint a picture upright, and turn the result back to the picture's own orientation."""
        recipe, turn = self._spec.recipe, picture.orientation
        photo = picture.photo()
        content = self._model.encode(photo.image, opacity=photo.alpha)
        metadata = picture.metadata.stored(turn)
        opacity = None if photo.alpha is None else as_stored(photo.alpha, turn)
        for each in drawn:
            controls = replace(recipe.controls, alpha=each.alpha)
            painted = self._model.paint(content, self._styles[each.style], controls)
            lying = Photo(
                as_stored(painted.image, turn), opacity, picture.name, metadata=metadata,
                depth=photo.depth,
            )  # fmt: skip
            stream = io.BytesIO()
            write_image(lying.rendered(lying.image), stream, format=format, save=recipe.save)
            yield stream.getvalue()

    def _copy(self, job: Job) -> Iterator[Outcome]:
        """Copy or link a side file."""
        spec = self._spec
        for copy in range(self._copies):
            result = self._result(copy, job.name)
            try:
                size, digest = _taken(
                    spec.source, job.name, spec.target, result, link=spec.options.link
                )
            except (OSError, ValueError) as error:
                problem = _problem(error, job.name)
                yield Outcome(job.name, FAILED, copy=copy, problem=problem)
            else:
                yield Outcome(job.name, COPIED, result, copy, size=size, sha256=digest)

    def _shard(
        self, job: Job, barred: Mapping[str, str], begin: Callable[[str], None]
    ) -> Iterator[Outcome]:
        """Paint the pictures of a tar file into a tar file of the same members."""
        found: list[Outcome] = []
        try:
            with self._tars(job.name) as tars:
                for sample in samples_of(self._spec.source, job.name):
                    found += self._sample(job.name, sample, tars, barred, begin)
        except tarfile.ReadError as error:  # what was painted of it is discarded
            for copy in range(self._copies):
                yield Outcome(job.name, FAILED, copy=copy, problem=one_line(error))
            return
        yield from found
        yield from self._shards(job.name, tars)

    def _sample(
        self,
        shard: str,
        sample: Sequence[Member],
        tars: _Tars,
        barred: Mapping[str, str],
        begin: Callable[[str], None],
    ) -> Iterator[Outcome]:
        """Paint the pictures of a sample; where one fails, the sample is left out."""
        painted: dict[str, list[Made]] = {}
        for member in sample:
            if self._is_picture(member):
                name = f"{shard}/{member.name}"
                results = self._made(name, result_name(member.name), barred, begin, member.data)
                painted[member.name] = list(results)
        for copy in range(self._copies):
            whole = all(not made[copy].problem for made in painted.values())
            for member in sample:
                made = painted.get(member.name)
                if made is None:
                    if whole:
                        tars.add(copy, member.info, member.info.name, member.data)
                    continue
                one = made[copy]
                if not whole and not one.problem:
                    one = replace(one, problem="another picture of the same sample failed")
                name = result_name(member.name)
                if whole:
                    tars.add(copy, member.info, name, one.data)
                source = f"{shard}/{member.name}"
                yield self._outcome(source, copy, f"{shard}/{name}", one, barred)
            tars.count(copy, whole and bool(painted))

    def _shard_of_files(
        self, chunk: Chunk, barred: Mapping[str, str], begin: Callable[[str], None]
    ) -> Iterator[Outcome]:
        """Paint files into a tar file: each with its class, its side files and its origin."""
        found: list[Outcome] = []
        keys: set[str] = set()
        with self._tars(chunk.shard) as tars:
            for job in chunk.jobs:
                key, suffix = _sample_key(result_name(job.name), keys)
                results = self._made(job.name, result_name(job.name), barred, begin)
                name = f"{key}.{suffix}"
                for copy, made in enumerate(results):
                    if not made.problem:
                        try:
                            members = self._members(job, made)
                        except OSError as error:
                            made = replace(made, problem=_problem(error, job.name))
                    if not made.problem:
                        tars.add(copy, _header(), name, made.data)
                        for ending, data in members.items():
                            tars.add(copy, _header(), f"{key}.{ending}", data)
                        tars.count(copy, True)
                    result = f"{chunk.shard}/{name}"
                    found.append(self._outcome(job.name, copy, result, made, barred))
        yield from found
        yield from self._shards(chunk.shard, tars)

    def _members(self, job: Job, made: Made) -> dict[str, bytes]:
        """Class, side files and origin of a picture in its sample, by suffix."""
        folder, slash, _ = job.name.rpartition("/")
        members = {}
        for each in job.beside:
            suffix = each.rpartition(".")[2].lower()
            members[suffix] = self._spec.source.read(f"{folder}{slash}{each}")
        label = class_of(job.name, self._spec.splits)
        about: dict[str, Any] = {"source": job.name}
        if self._spec.classes:
            members.setdefault("cls", str(self._spec.classes.index(label)).encode())
            about["class"] = label
        style = self._spec.styles[made.draw.style].name
        about |= {"style": style, "alpha": made.draw.alpha}
        members.setdefault("json", json.dumps(about).encode())
        return members

    def _is_picture(self, member: Member) -> bool:
        suffix = f".{key_of(member.name)[1].lower()}"
        return (
            member.info.isreg()
            and suffix in READ_SUFFIXES
            and not any(fits(member.name, each) for each in self._spec.options.copy)
        )

    def _tars(self, name: str) -> _Tars:
        names = [self._result(copy, name) for copy in range(self._copies)]
        return _Tars(self._spec.target, names)

    def _shards(self, name: str, tars: _Tars) -> Iterator[Outcome]:
        for copy, (size, digest) in enumerate(tars.facts):
            result = self._result(copy, name)
            yield Outcome(name, SHARD, result, copy, size=size, sha256=digest)

    def _outcome(
        self, source: str, copy: int, result: str, made: Made, barred: Mapping[str, str]
    ) -> Outcome:
        style = self._spec.styles[made.draw.style].name
        alpha = made.draw.alpha
        if made.problem:
            status = SKIPPED if source in barred else FAILED
            return Outcome(
                source, status, copy=copy, style=style, alpha=alpha, problem=made.problem
            )
        return Outcome(
            source,
            DONE,
            self._result(copy, result),
            copy,
            style,
            alpha,
            len(made.data),
            hashlib.sha256(made.data).hexdigest(),
        )

    def _result(self, copy: int, name: str) -> str:
        return name if self._copies == 1 else f"{copy + 1}/{name}"


class _Tars:
    """The tar files of one shard, one for each copy of the data set."""

    def __init__(self, place: Place, names: Sequence[str]) -> None:
        self._place, self._names = place, names
        self._files = ExitStack()
        self._writers: list[TarWriter] = []
        self.facts: list[tuple[int, str]] = []

    def __enter__(self) -> _Tars:
        for name in self._names:
            self._writers.append(self._files.enter_context(write_tar(self._place, name)))
        return self

    def __exit__(self, *error: Any) -> None:
        self._files.__exit__(*error)
        self.facts = [(each.size, each.sha256) for each in self._writers]

    def add(self, copy: int, info: tarfile.TarInfo, name: str, data: bytes) -> None:
        self._writers[copy].add(info, name, data)

    def count(self, copy: int, whole: bool) -> None:
        """Count a sample that was written."""
        self._writers[copy].samples += whole


def _sample_key(name: str, taken: set[str]) -> tuple[str, str]:
    """A key for a picture, unique in the shard, and the suffix of its member."""
    folder, slash, own = name.rpartition("/")
    stem, _, suffix = own.rpartition(".")
    suffix = {"jpeg": "jpg", "jpe": "jpg", "jfif": "jpg", "jif": "jpg"}.get(
        suffix.lower(), suffix.lower()
    )
    key = f"{folder}{slash}{stem.replace('.', '_')}"
    while key in taken:
        key += f"_{suffix}"
    taken.add(key)
    return key, suffix


def _header() -> tarfile.TarInfo:
    return tarfile.TarInfo()  # without an owner, dated 1970


def _named_stream(data: bytes, name: str) -> io.BytesIO:
    stream = io.BytesIO(data)
    stream.name = name
    return stream


def _taken(source: Place, name: str, target: Place, result: str, *, link: bool) -> tuple[int, str]:
    """Link or copy a file; return its size and SHA-256."""
    digest = hashlib.sha256()
    size = 0
    before, after = source.path(name), target.path(result)
    linked = False
    if link and before is not None and after is not None:
        with suppress(OSError):  # for example on another disk: it is copied
            after.parent.mkdir(parents=True, exist_ok=True)
            real = os.path.realpath(before)
            if not (after.exists() and after.samefile(real)):
                after.unlink(missing_ok=True)
                os.link(real, after)
            linked = True
    with ExitStack() as files:
        read = files.enter_context(source.open(name))
        made = None if linked else files.enter_context(target.whole(result))
        while piece := read.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            if made is not None:
                made.write(piece)
    if not linked and before is not None and after is not None:
        shutil.copymode(before, after)
    return size, digest.hexdigest()


def _problem(error: BaseException, name: str | Path) -> str:
    """The reason why one picture fails, in one line without the name of its file.

    Raises:
        DatasetError: if the next picture would fail for the same reason, or the place is lost.
        OptionError: the same.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _HOPELESS:
            raise DatasetError(
                f"the results cannot be written ({one_line(cause)}); finished pictures are kept: "
                "run the same command again to resume"
            ) from error
        cause = cause.__cause__
    if isinstance(error, OptionError | DatasetError):
        raise error
    if isinstance(error, MemoryError):
        return "not enough memory for a picture of this size"
    text = one_line(error)
    known = isinstance(error, OSError) or type(error).__module__ == "impasto.errors"
    if not known:
        text = f"{type(error).__name__}: {text}"
    return text.removeprefix(f"{escaped(str(name))}: ")
