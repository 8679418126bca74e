"""The driver of a stylized data set, from names to the manifest; it handles no pixels.

Its memory grows only with the number of pictures (some hundred bytes each), not with their size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

from impasto import __version__
from impasto.dataset.executors import open_executor
from impasto.dataset.executors.loop import outcomes
from impasto.dataset.manifest import Manifest, is_kept
from impasto.dataset.options import DatasetOptions, Recipe
from impasto.dataset.painting import PaintSpec
from impasto.dataset.places import Given, Place, as_place
from impasto.dataset.styles import (
    ChosenStyle,
    ReadSpec,
    choose_styles,
    chunks_of_styles,
    need_pictures,
    without,
)
from impasto.dataset.tree import Survey, Tree, split_of
from impasto.dataset.work import (
    COPY,
    DONE,
    FAILED,
    PAINT,
    SHARD,
    SKIPPED,
    Chunk,
    Executor,
    Job,
    WorkerSpec,
)
from impasto.errors import DatasetError, one_line
from impasto.models.bundle import Bundle
from impasto.models.engine import available_cores, choose_engine
from impasto.models.table import DEFAULT_MODEL, MODELS, find_bundle
from impasto.styles.kept import KeptStyles, keep_styles, kept_file, kept_key

__all__ = ["Made", "stylize_dataset"]

Watch: TypeAlias = Callable[[str, int, int | None], None]
"""Function that is called with a stage (:data:`READING`, :data:`PAINTING`), the amount done, and
the total; None if it is unknown."""

READING, PAINTING = "reading styles", "painting"

# Pictures and side files of a chunk: some seconds of work, which are lost if a worker dies.
_CHUNK, _CHUNK_OF_COPIES = 16, 64

# A chunk is smaller where there are few pictures, so that all workers end at about the same time.
_CHUNKS_EACH = 8

# Number of failures that are listed at the end; the manifest has all of them.
_NAMED = 100

# Number of styles that are read before they are written.
_STYLES_AT_ONCE = 5_000


@dataclass(frozen=True)
class Made:
    """The result of making a data set.

    Attributes:
        counts: numbers of pictures: "in" is the sum of "done", "failed" and "skipped"; and of
            "copied" files.
        earlier: number of "done" pictures that an earlier call has made.
        problems: failures and skipped pictures, each with its reason: the first 100.
        seconds: time taken.
        remarks: notes for the user, one line each.
    """

    counts: dict[str, int]
    earlier: int
    problems: tuple[str, ...]
    seconds: float
    remarks: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """True if nothing failed and nothing was skipped."""
        return not self.problems


def stylize_dataset(
    source: Given,
    target: Given,
    styles: str | Sequence[str],
    options: DatasetOptions = DatasetOptions(),
    recipe: Recipe = Recipe(),
    *,
    watch: Watch | None = None,
    tell: Callable[[str], None] | None = None,
) -> Made:
    """Paint all pictures of a data set, each in its own style; the layout of the set is kept.

    Pictures keep names, sizes and formats; all other files are copied, so labels stay valid. The
    same seed gives the same bytes with any workers. The same call resumes interrupted work.

    Args:
        source: a folder of pictures (as ImageFolder, COCO or VOC), a folder of tar files as
            webdataset reads them, or one such file; or the address of one of these, as fsspec takes
            it, such as ``s3://bucket/train``.
        target: the folder of the resulting data set; new, or of an earlier call; or an address.
        styles: ``gallery``, names of styles, patterns of them, pictures, folders of pictures.
        options: seed, strengths, workers.
        recipe: how every picture is painted.
        watch: called as the work progresses.
        tell: called with notes for the user, one line each, as soon as they are known.

    Returns:
        The counts of the pictures. A failed picture is not an error.

    Raises:
        ImpastoError: if the source or a style does not exist, the folder has other content or a
            data set that was begun with other options, the disk is full, or workers cannot start.

    Example:
        >>> stylize_dataset("train", "painted", "gallery").counts["done"]    # doctest: +SKIP
        50000
    """
    begin = perf_counter()
    tell = tell or _nobody
    root, folder = as_place(source), as_place(target)
    names = [styles] if isinstance(styles, str) else list(styles)
    tree = Tree(root, folder, options.copy, samples=options.shards is not None)
    survey = tree.survey()
    if tree.is_sharded and options.shards is not None:
        raise DatasetError(
            f"{one_line(root)}: consists of tar files, which stay tar files: leave out shards"
        )
    for remark in survey.remarks:
        tell(remark)
    bundle = find_bundle(recipe.model or DEFAULT_MODEL)
    row, precision = choose_engine(bundle, name=recipe.engine, precision=recipe.precision)
    recipe = replace(recipe, model=_lasting(recipe.model), engine=row.name, precision=precision)
    chosen = choose_styles(names, bundle, tell=tell)
    about = _about(root, chosen, bundle, options, recipe)
    common = {"seed": options.seed, "model": bundle.identity}
    manifest = Manifest(folder, about, common)
    try:
        kept = kept_file(bundle.identity, row.name, precision)
        if not need_pictures(recipe.controls):
            chosen = _read_styles(chosen, kept, recipe, options, manifest, watch, tell)
        spec = PaintSpec(
            tree.root.absolute(),
            folder.absolute(),
            recipe,
            options,
            tuple(chosen),
            kept,
            survey.splits,
            survey.classes,
        )
        earlier = _paint(tree, survey, spec, manifest, watch)
        totals = manifest.finish(_NAMED)
    finally:
        manifest.close()
    remarks = list(survey.remarks)
    wanted = survey.pictures * options.styles_per_picture
    listed = totals.counts["in"] - totals.unpainted
    if not tree.is_sharded and listed != wanted:
        remarks.append(
            f"{one_line(root)} now has {wanted:,} pictures to paint, but the manifest lists "
            f"{listed:,}: files were added or removed since an earlier run"
        )
        tell(remarks[-1])
    seconds = perf_counter() - begin
    return Made(totals.counts, earlier, tuple(totals.problems), seconds, tuple(remarks))


def _paint(
    tree: Tree, survey: Survey, spec: PaintSpec, manifest: Manifest, watch: Watch | None
) -> int:
    """Paint the remaining pictures; return how many were painted before."""
    options = spec.options
    copies = options.styles_per_picture
    finished = _finished(manifest, copies)
    total = None if tree.is_sharded else survey.pictures * copies
    jobs = (job for job in tree.jobs() if job.name not in finished.whole)
    left = survey.pictures - finished.pictures // copies
    workers = options.workers or available_cores()
    size = max(1, min(_CHUNK, left // (workers * _CHUNKS_EACH)))
    if options.shards is not None:
        chunks = _sharded(tree.jobs(), options.shards, spec.splits, finished.whole)
    else:
        chunks = _chunks(jobs, size)
    first = next(chunks, None)
    if first is None:
        return finished.pictures
    step = finished.pictures

    def all_chunks() -> Iterator[Chunk]:
        yield first
        yield from chunks

    if watch is not None:
        watch(PAINTING, step, total)
    with _working(spec, options, manifest.marks) as executor:
        for some in outcomes(executor, all_chunks(), manifest.marks):
            manifest.add(some)
            step += sum(each.status in (DONE, FAILED, SKIPPED) for each in some)
            if watch is not None:
                watch(PAINTING, step, total)
    return finished.pictures


@dataclass(frozen=True)
class _Finished:
    """Results of earlier calls.

    Attributes:
        whole: sources of which all copies are finished.
        pictures: number of painted results among them.
    """

    whole: Set[str]
    pictures: int


def _finished(manifest: Manifest, copies: int) -> _Finished:
    """Find finished results: in the manifest, still there, and of the same length.

    A result in a tar file is finished if the tar file is.
    """
    found: dict[str, int] = {}
    painted: dict[str, int] = {}
    in_shards: dict[str, int] = {}
    shards: set[str] = set()
    size_of = manifest.place.sizes()
    for line in manifest.lines():
        source, result, bit = line["source"], line.get("result", ""), 1 << line.get("copy", 0)
        shard, mark, _ = result.partition(".tar/")
        if mark:
            in_shards[f"{shard}.tar"] = in_shards.get(f"{shard}.tar", 0) + 1
        elif is_kept(line) and size_of(result) == line["size"]:
            found[source] = found.get(source, 0) | bit
            if line["status"] == DONE:
                painted[source] = painted.get(source, 0) | bit
            if line["status"] == SHARD:
                shards.add(result)
        else:
            found[source] = found.get(source, 0) & ~bit
    full = (1 << copies) - 1
    whole = {source for source, bits in found.items() if bits == full}
    pictures = sum(bits.bit_count() for source, bits in painted.items() if source in whole)
    return _Finished(whole, pictures + sum(in_shards.get(each, 0) for each in shards))


def _chunks(jobs: Iterable[Job], size: int) -> Iterator[Chunk]:
    """Cut jobs into chunks: pictures, side files, and each tar file by itself."""
    number = 0
    waiting: dict[str, list[Job]] = {PAINT: [], COPY: [], SHARD: []}
    sizes = {PAINT: size, COPY: _CHUNK_OF_COPIES, SHARD: 1}
    for job in jobs:
        some = waiting[job.kind]
        some.append(job)
        if len(some) == sizes[job.kind]:
            yield Chunk(number, tuple(some))
            some.clear()
            number += 1
    for some in waiting.values():
        if some:
            yield Chunk(number, tuple(some))
            number += 1


def _sharded(
    jobs: Iterable[Job], size: int, splits: Sequence[str], whole: Set[str]
) -> Iterator[Chunk]:
    """Cut pictures into tar files, separately for each part of the data set."""
    number = index = 0
    split = ""
    some: list[Job] = []
    others: list[Job] = []

    def shard() -> Iterator[Chunk]:
        nonlocal number, index
        name = f"{split}-{index:06d}.tar" if split else f"{index:06d}.tar"
        if some and name not in whole:
            yield Chunk(number, tuple(some), shard=name)
            number += 1
        index += bool(some)
        some.clear()

    for job in jobs:
        if job.kind != PAINT:
            if job.name not in whole:
                others.append(job)
            if len(others) == _CHUNK_OF_COPIES:
                yield Chunk(number, tuple(others))
                others.clear()
                number += 1
            continue
        if (part := split_of(job.name, splits)) != split or len(some) == size:
            yield from shard()
            index = index if part == split else 0
            split = part
        some.append(job)
    yield from shard()
    if others:
        yield Chunk(number, tuple(others))


def _read_styles(
    chosen: list[ChosenStyle],
    kept: Path,
    recipe: Recipe,
    options: DatasetOptions,
    manifest: Manifest,
    watch: Watch | None,
    tell: Callable[[str], None],
) -> list[ChosenStyle]:
    """Have workers read pictures of styles that were not read before; return the readable styles.

    Raises:
        DatasetError: if none can be read.
    """
    before = KeptStyles(kept)
    keys = {each.picture: kept_key(each.sha256, recipe.read.style_size) for each in chosen}
    unread = {
        keys[each.picture]: each
        for each in chosen
        if each.picture and keys[each.picture] not in before
    }
    before.close()
    if not unread:
        return chosen
    problems: dict[str, str] = {}
    read: dict[str, bytes] = {}
    spec = ReadSpec(
        recipe.model or DEFAULT_MODEL, str(recipe.engine), str(recipe.precision), recipe.read
    )
    step = 0
    try:
        with _working(spec, options, manifest.marks) as executor:
            chunks = chunks_of_styles(list(unread.values()), 4)
            for some in outcomes(executor, chunks, manifest.marks):
                for each in some:
                    if each.problem:
                        problems[keys[each.source]] = each.problem
                    else:
                        read[keys[each.source]] = each.data
                step += len(some)
                if len(read) >= _STYLES_AT_ONCE:
                    keep_styles(kept, read)
                    read.clear()
                if watch is not None:
                    watch(READING, step, len(unread))
    finally:
        if read:
            keep_styles(kept, read)
    for key, problem in problems.items():
        tell(f"style {one_line(unread[key].picture)} is skipped: {problem}")
    return without(chosen, [each.picture for each in chosen if keys[each.picture] in problems])


@contextmanager
def _working(spec: WorkerSpec, options: DatasetOptions, marks: Path) -> Iterator[Executor]:
    """An executor, whose workers end with the block."""
    executor = open_executor(
        options.executor, spec, workers=options.workers, marks=marks, address=options.address
    )
    try:
        yield executor
    finally:
        executor.close()


def _about(
    root: Place,
    chosen: Sequence[ChosenStyle],
    bundle: Bundle,
    options: DatasetOptions,
    recipe: Recipe,
) -> Mapping[str, Any]:
    """All that the bytes of a data set depend on, by name."""
    controls, read = recipe.controls, recipe.read
    return {
        "impasto": __version__,
        "source": str(root.absolute()),
        "seed": options.seed,
        "styles_per_picture": options.styles_per_picture,
        "alpha": list(options.alpha),
        "shards": options.shards,
        "copy": list(options.copy),
        "model": bundle.identity,
        "model_name": bundle.card.name,
        "engine": recipe.engine,
        "precision": recipe.precision,
        "color": controls.color,
        "transform": controls.transform,
        "coarse": controls.coarse,
        "descreen": controls.descreen,
        "behavior": controls.behavior,
        "style_size": read.style_size,
        "max_pixels": read.max_pixels,
        "keep_gps": read.keep_gps,
        "range": None if read.value_range is None else list(read.value_range),
        "quality": recipe.save.quality,
        "depth": recipe.save.depth,
        "styles": [[each.name, each.sha256] for each in chosen],
    }


def _lasting(model: str | Path | None) -> str | Path:
    """The model as every process finds it, whatever its working folder."""
    if model is None:
        return DEFAULT_MODEL
    return model if model in {row.name for row in MODELS} else Path(model).absolute()


def _nobody(line: str) -> None:
    """Discard a line."""
