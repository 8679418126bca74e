"""Models x sizes x pairs -> a line each, and the report; existing measurements are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from impasto.errors import OptionError, counted
from impasto.lab.evaluate.features import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_distances,
    gram_distances,
    style_distances,
    style_facts,
    wasserstein_distances,
)
from impasto.lab.evaluate.fid import summarize_fid
from impasto.lab.evaluate.foreign import JudgedPictures
from impasto.lab.evaluate.inception import SMALLEST, Inception
from impasto.lab.evaluate.lines import Line, LineFile, key_of, read_lines
from impasto.lab.evaluate.lpips import LPIPS
from impasto.lab.evaluate.painters import (
    CONTENT_NAME,
    Judged,
    JudgedContent,
    Model,
    PainterOptions,
    Pictures,
    open_painters,
    same_model,
)
from impasto.lab.evaluate.pairs import Drawn, Pair, PairOptions, draw_pairs, look_at
from impasto.lab.evaluate.pictures import (
    checkerboard_excess,
    clipped_share,
    color_distance,
    edge_similarity,
    psnr,
    ssim,
)
from impasto.lab.evaluate.report import (
    FolderMean,
    Summary,
    by_style_folder,
    check_worst_by,
    summarize,
    write_tables,
)
from impasto.lab.evaluate.sheets import write_sheets
from impasto.lab.evaluate.weave import FEWEST, smooth_places, weave
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import VGG, load_vgg
from impasto.lab.optimize.devices import DTYPES
from impasto.models import DEFAULT_MODEL

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate_models`.

    Attributes:
        lines: of every model, size and pair, the photograph itself (``(content)``) first.
        summary: one row per model, size and column.
        by_folder: means of the losses by folder of styles; empty where there is one.
        drawn: the pairs, and the unusable files.
        reference: label of the model that the others are compared with, or None.
        files: the written files, the tables first.
    """

    lines: tuple[Line, ...]
    summary: tuple[Summary, ...]
    by_folder: tuple[FolderMean, ...]
    drawn: Drawn
    reference: str | None
    files: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class JudgeOptions:
    """Networks that judge pictures.

    Attributes:
        vgg: weights of VGG-19 up to relu4_1 or deeper. Use the normalised ones for numbers
            comparable with the paper.
        precision: of VGG: ``bf16`` or ``fp32``. The former is several times faster on processors
            with support for it, and changes means over pairs by less than 1 % (measured).
        lpips: backbone and heads of LPIPS, for its column; see :mod:`impasto.lab.evaluate.lpips`.
        inception: weights of Inception v3 for FID, and with ``lpips`` for ArtFID; see
            :mod:`impasto.lab.evaluate.fid`.

    Raises:
        OptionError: for another precision.
    """

    vgg: str | Path
    precision: str = "bf16"
    lpips: tuple[str | Path, str | Path] | None = None
    inception: str | Path | None = None

    def __post_init__(self) -> None:
        if self.precision not in DTYPES:
            raise OptionError(
                f"judge_precision must be one of {list(DTYPES)}, not {self.precision!r}"
            )

    def load(self) -> Judge:
        """Load VGG, and LPIPS if requested.

        Raises:
            ModelError: if weights cannot be used.
            OptionError: if VGG ends before relu4_1.
        """
        perceptual = None if self.lpips is None else LPIPS.load(*self.lpips)
        return Judge(load_vgg(self.vgg), precision=self.precision, perceptual=perceptual)


def evaluate_models(
    models: Sequence[Model] = (DEFAULT_MODEL,),
    *,
    pairs: PairOptions,
    judge: JudgeOptions,
    out: str | Path,
    painters: PainterOptions = PainterOptions(),
    reference: Model | None = None,
    worst_by: str = "badness",
    progress: bool = False,
) -> Evaluation:
    """Judge models on the same pairs, through the studio's engine, and write a report.

    Every model paints every pair at every size: photograph and style are cropped to their largest
    central square and scaled to the size. Lines are written as they are measured; the same call
    resumes an interrupted run, and models, sizes or pairs may be added to a folder.

    Args:
        models: names, ``.impasto`` files, run folders, ``module:NAME``, methods of the lab with
            options if wanted (``"gatys:steps=100"``), and any object with
            ``stylize(content, style)`` for (H, W, 3) float32 arrays in [0, 1]
            (:func:`impasto.painting.objects.painter_of`). It is reported under its ``name``, else
            that of its class; numbers already reported under a name and an ``identity`` are not
            measured again.
        pairs: the pairs and their sizes.
        judge: weights that pictures are judged with.
        out: the folder of the report.
        painters: engine and precision of the models, and the decoder of an additional one.
        reference: the model that the others are compared with, one of ``models`` or
            an additional one; None for that of ``painters.decoder``, if given.
        worst_by: the column that ranks the worst pairs, or ``badness``
            (:func:`impasto.lab.evaluate.report.badness`).
        progress: show a bar on standard error.

    Returns:
        The contents of the report.

    Raises:
        ImageError: if a folder is missing or holds no usable picture.
        ModelError: if a model or weights cannot be used.
        EngineError: if the engine is not installed.
        OptionError: if an option is out of range, or the folder was made with others.

    Example:
        >>> found = evaluate_models(                                        # doctest: +SKIP
        ...     ["quality", "fast"],
        ...     pairs=PairOptions(contents={"photos": 1}, styles={"paintings": 1}),
        ...     judge=JudgeOptions(vgg="vgg_normalised.pth"),
        ...     painters=PainterOptions(decoder="decoder.pth"),
        ...     out="judged",
        ... )
        >>> [(s.model, s.mean) for s in found.summary if s.metric == "ssim"]  # doctest: +SKIP
        [('adain', 0.43), ('quality', 0.61), ('fast', 0.58)]
    """
    check_worst_by(worst_by, lpips=judge.lpips is not None)
    opened, named = _opened(models, reference, judge.vgg, painters)
    inception = _inception(judge, pairs.sizes)
    drawn = draw_pairs(pairs)
    work = [(size, pair) for size in pairs.sizes for pair in drawn.pairs]
    file, lines = _measured(opened, work, judge, Path(out), progress)
    summary = summarize(lines, reference=named)
    if inception is not None:
        summary += summarize_fid(
            opened, drawn.pairs, pairs.sizes, inception, summary, named, progress
        )
    notes = [*_drawn(pairs, drawn), *_judged(judge, opened), *_left_out(drawn)]
    by_folder = by_style_folder(lines, pairs.styles)
    files = write_tables(file.folder, summary, reference=named, notes=notes, by_folder=by_folder)
    files += write_sheets(file.folder, opened, lines, reference=named, worst_by=worst_by)
    return Evaluation(tuple(lines), tuple(summary), tuple(by_folder), drawn, named, tuple(files))


def score_pictures(
    pictures: Mapping[str, str | Path],
    *,
    judge: JudgeOptions,
    out: str | Path,
    pairs: PairOptions | None = None,
    reference: str | None = None,
    worst_by: str = "badness",
    progress: bool = False,
) -> Evaluation:
    """Judge pictures made by other programs, and add them to a report.

    The numbers are those of :func:`evaluate_models`, except those that require the painting model
    (``identity_psnr``, ``clipped``, ``seconds``). Models already in the report stay in its tables,
    if they were measured on all the pairs.

    Args:
        pictures: folders by their names in the report;
            :class:`impasto.lab.evaluate.foreign.JudgedPictures` describes the file names.
        judge: weights that pictures are judged with.
        out: the folder of the report, existing or new.
        pairs: the pairs and their sizes; None for those of the report.
        reference: the one that the others are compared with: a key of ``pictures``, or a model of
            the report.
        worst_by: as for :func:`evaluate_models`.
        progress: show a bar on standard error.

    Raises:
        ImageError: if a pair has no picture, or one cannot be used; or as ``evaluate_models``.
        ModelError: if weights cannot be used.
        OptionError: if there is no report to take the pairs from, or an option is out of range.

    Example:
        >>> score_pictures(                                                 # doctest: +SKIP
        ...     {"stytr2": "outputs/stytr2"},
        ...     judge=JudgeOptions(vgg="vgg_normalised.pth"),
        ...     out="judged",
        ... )
    """
    check_worst_by(worst_by, lpips=judge.lpips is not None)
    opened = [JudgedPictures(name, folder) for name, folder in pictures.items()]
    if not opened:
        raise OptionError("there are no pictures to score; give NAME=FOLDER")
    out = Path(out)
    if pairs is None:
        work = _places(out)
        drawn = Drawn(tuple(dict.fromkeys(pair for _, pair in work)), ())
        told = [f"{counted(len(drawn.pairs), 'pair')} of the report."]
    else:
        drawn = draw_pairs(pairs)
        work = [(size, pair) for size in pairs.sizes for pair in drawn.pairs]
        told = _drawn(pairs, drawn)
    sizes = tuple(dict.fromkeys(size for size, _ in work))
    inception = _inception(judge, sizes)
    file, lines = _measured(opened, work, judge, out, progress)
    others, partly = _beside(file, lines, work)
    labels = dict.fromkeys(line.model for line in [*others, *lines])
    if reference is not None and reference not in labels:
        raise OptionError(
            f"reference {reference!r} is not in the report; it has {', '.join(labels)}"
        )
    content = [line for line in lines if line.model == CONTENT_NAME]
    lines = [*content, *others, *(line for line in lines if line.model != CONTENT_NAME)]
    summary = summarize(lines, reference=reference)
    if inception is not None:
        summary += summarize_fid(
            opened, drawn.pairs, sizes, inception, summary, reference, progress
        )
    notes = [*told, *_judged(judge, opened), *partly, *_left_out(drawn)]
    by_folder = by_style_folder(lines, dict.fromkeys(pair.style.parent for pair in drawn.pairs))
    files = write_tables(out, summary, reference=reference, notes=notes, by_folder=by_folder)
    files += write_sheets(out, opened, lines, reference=reference, worst_by=worst_by)
    return Evaluation(
        tuple(lines), tuple(summary), tuple(by_folder), drawn, reference, tuple(files)
    )


def _inception(judge: JudgeOptions, sizes: Sequence[int]) -> Inception | None:
    network = None if judge.inception is None else Inception.load(judge.inception)
    if network is not None and min(sizes) < SMALLEST:
        raise OptionError(f"FID needs sizes of {SMALLEST} pixels or more, not {min(sizes)}")
    return network


def _measured(
    opened: Sequence[Judged],
    work: Sequence[tuple[int, Pair]],
    judge: JudgeOptions,
    out: Path,
    progress: bool,
) -> tuple[LineFile, list[Line]]:
    """Return the lines of the photograph and of every painter, and measure missing ones."""
    opened_judge = judge.load()
    for painter in opened:
        painter.check(list(dict.fromkeys(pair for _, pair in work)))
    settings = {
        "vgg": digest(judge.vgg),
        "judge_precision": judge.precision,
        "lpips": None if judge.lpips is None else [digest(each) for each in judge.lpips],
    }
    ways = [painter.way for painter in opened if painter.way is not None]
    if ways:
        settings |= {"engine": ways[0][0], "precision": ways[0][1]}
    file = LineFile(out, settings)
    judged = [JudgedContent(), *opened]
    with tqdm(total=len(work), unit="pair", disable=not progress) as bar:
        for size, pair in work:
            missing = [
                painter
                for painter in judged
                if key_of(painter.label, painter.identity, size, pair) not in file.lines
            ]
            if missing:
                file.add(measure(missing, opened_judge, pair, size))
            bar.update()
    return file, [
        file.lines[key_of(painter.label, painter.identity, size, pair)]
        for size, pair in work
        for painter in judged
    ]


def _places(out: Path) -> list[tuple[int, Pair]]:
    """Return sizes and pairs of a report, in its order."""
    found = list(dict.fromkeys(line.place for line in read_lines(out)))
    if not found:
        raise OptionError(
            f"{out}: has no report to take the pairs from; give contents and styles, or the folder "
            "of a report"
        )
    return found


def _beside(
    file: LineFile, lines: Sequence[Line], work: Sequence[tuple[int, Pair]]
) -> tuple[list[Line], list[str]]:
    """Return lines of other models of the report, and notes on models with missing lines."""
    wanted, own = set(work), {line.model for line in lines}
    latest: dict[str, dict[tuple[int, Pair], Line]] = {}
    identities: dict[str, str] = {}
    for line in file.lines.values():
        if line.model in own or line.place not in wanted:
            continue
        if identities.setdefault(line.model, line.identity) != line.identity:
            identities[line.model], latest[line.model] = line.identity, {}
        latest.setdefault(line.model, {})[line.place] = line
    found, notes = [], []
    for label, at in latest.items():
        if len(at) == len(wanted):
            found += [at[place] for place in work]
        else:
            notes.append(f"skipped: {label}: was measured on {len(at)} of {len(wanted)} pictures")
    return found, notes


class Judge:
    """VGG, and LPIPS if given, which measure a picture."""

    def __init__(self, vgg: VGG, *, precision: str, perceptual: LPIPS | None = None) -> None:
        if CONTENT_LAYER not in vgg.layers:
            raise OptionError(f"the judge needs {CONTENT_LAYER}; this VGG ends at {vgg.layers[-1]}")
        self.vgg = vgg.to(DTYPES[precision])
        self.perceptual = perceptual

    @torch.no_grad()
    def __call__(
        self, content: Plane, style: Plane, made: Iterable[Pictures]
    ) -> list[dict[str, float]]:
        """Return the numbers of every picture in ``made`` of one pair; (H, W, 3) each."""
        made = list(made)
        photograph, painting = _batch([content]), _batch([style])
        raw = _batch([each.raw for each in made])
        seen = raw.clamp(0, 1)
        # One pass: photograph, style and every picture; clipped, as users see them.
        features = self.vgg(torch.cat([photograph, painting, seen]), STYLE_LAYERS)
        own, goal = ({layer: x[i : i + 1] for layer, x in features.items()} for i in (0, 1))
        wanted = style_facts(goal)
        target = adain(own[CONTENT_LAYER].float(), goal[CONTENT_LAYER].float())
        n = len(made)
        columns = {
            "colors": color_distance(seen, painting.expand(n, -1, -1, -1)),
            "ssim": ssim(seen, photograph.expand(n, -1, -1, -1)),
            "edges": edge_similarity(seen, photograph.expand(n, -1, -1, -1)),
            "checkerboard": checkerboard_excess(seen, photograph.expand(n, -1, -1, -1)),
        }
        if self.perceptual is not None:
            columns["lpips"] = self.perceptual(seen, photograph.expand(n, -1, -1, -1))
        if int(smooth_places(photograph).sum()) >= FEWEST:
            woven = weave(seen, photograph, painting)
            columns |= {f"weave_{period}": values for period, values in woven.items()}
        found = []
        for i in range(n):
            of_this = {layer: x[i + 2 : i + 3] for layer, x in features.items()}
            facts = style_facts(of_this)
            found.append(
                content_distances(of_this[CONTENT_LAYER], target, own[CONTENT_LAYER])
                | style_distances(facts, wanted)
                | gram_distances(facts, wanted)
                | wasserstein_distances(facts, wanted)
                | {name: float(values[i]) for name, values in columns.items()}
                | _alone(made[i], photograph)
            )
        return found


def _alone(made: Pictures, photograph: Tensor) -> dict[str, float]:
    """Return the measurements that only some painters support."""
    found: dict[str, float] = {}
    if made.unaligned is not None:
        alone = _batch([made.unaligned]).clamp(0, 1)
        found["identity_psnr"] = float(psnr(alone, photograph)[0])
    if not made.clipped:
        found["clipped"] = float(clipped_share(_batch([made.raw]))[0])
    if made.seconds is not None:
        found["seconds"] = made.seconds
    return found


def measure(painters: Sequence[Judged], judge: Judge, pair: Pair, size: int) -> Iterator[Line]:
    """Yield the lines of one pair."""
    look = look_at(pair, size)
    values = judge(look.content, look.style, [painter.paint(look) for painter in painters])
    for painter, numbers in zip(painters, values, strict=True):
        yield Line(painter.label, painter.identity, size, pair, numbers)


def digest(path: str | Path) -> str:
    """Return the fingerprint of a file of weights: 16 hexadecimal digits of its SHA-256."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _batch(images: Sequence[Plane]) -> Tensor:
    arrays = np.stack([np.ascontiguousarray(image, np.float32) for image in images])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2)


def _opened(
    models: Sequence[Model],
    reference: Model | None,
    vgg: str | Path,
    options: PainterOptions,
) -> tuple[tuple[Judged, ...], str | None]:
    """Open the models; return them, the reference first, and its label."""
    models = list(models)
    if reference is None:
        painters = open_painters(models, vgg=vgg, options=options)
        return painters, None if options.decoder is None else painters[0].label
    there = [i for i, model in enumerate(models) if same_model(model, reference)]
    if not there:
        models.append(reference)
        there = [len(models) - 1]
    painters = open_painters(models, vgg=vgg, options=options)
    first = painters[there[0] - len(models)]  # an additional model may come first
    ordered = (first, *(painter for painter in painters if painter is not first))
    return ordered, first.label


def _drawn(pairs: PairOptions, drawn: Drawn) -> list[str]:
    """Return notes on pairs, for the end of the table."""
    which = "of the held-out tenth" if pairs.held_out else "of all files, trained on or not"
    sides = [
        ", ".join(f"{Path(folder).name} {share:g}" for folder, share in side.items())
        for side in (pairs.contents, pairs.styles)
    ]
    return [
        f"{len(drawn.pairs)} pairs {which}, seed {pairs.seed}; contents: {sides[0]}; "
        f"styles: {sides[1]}."
    ]


def _judged(judge: JudgeOptions, painters: Sequence[Judged]) -> list[str]:
    """Return notes on models and judge."""
    ways: dict[str, list[str]] = {}
    for painter in painters:
        way = "painted elsewhere" if painter.way is None else "in {1} on {0}".format(*painter.way)
        ways.setdefault(way, []).append(painter.label)
    return [
        "Largest square of every picture, scaled to the size.",
        "; ".join(f"{', '.join(labels)} {way}" for way, labels in ways.items())
        + f"; judged by {Path(judge.vgg).name} ({digest(judge.vgg)}) in {judge.precision}.",
        "; ".join(f"{p.label} is {p.identity} ({p.title})" for p in painters) + ".",
    ]


def _left_out(drawn: Drawn) -> list[str]:
    return [f"skipped: {file.name}: {reason}" for file, reason in drawn.left_out]
