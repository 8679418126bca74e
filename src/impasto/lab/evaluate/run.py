"""Models x sizes x pairs -> a line each, and the report; what was measured is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from impasto.errors import OptionError
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
from impasto.lab.evaluate.inception import SMALLEST, Inception
from impasto.lab.evaluate.lines import Line, LineFile, key_of
from impasto.lab.evaluate.lpips import LPIPS
from impasto.lab.evaluate.painters import (
    ContentPainter,
    Painter,
    Pictures,
    StudioPainter,
    identity_of,
    open_painters,
)
from impasto.lab.evaluate.pairs import Drawn, Pair, draw_pairs, look_at
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
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import VGG19, load_vgg
from impasto.lab.optimize.devices import DTYPES
from impasto.models import DEFAULT_MODEL

CELL = 8
"""A size must be a multiple of this, the stride of relu4_1."""

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Evaluation:
    """Result of :func:`evaluate_models`.

    Attributes:
        lines: of every model, size and pair, the photograph itself (``(content)``) first.
        summary: one row a model, size and column.
        by_folder: where the means of the losses come from, folder of styles by folder; empty where
            there is one.
        drawn: the pairs, and the files that could not be used.
        reference: label of the model that the others are compared with, or None.
        files: what was written, the tables first.
    """

    lines: tuple[Line, ...]
    summary: tuple[Summary, ...]
    by_folder: tuple[FolderMean, ...]
    drawn: Drawn
    reference: str | None
    files: tuple[Path, ...]


def evaluate_models(
    models: Sequence[str | Path] = (DEFAULT_MODEL,),
    *,
    contents: Mapping[str, float],
    styles: Mapping[str, float],
    vgg: str | Path,
    out: str | Path,
    decoder: str | Path | None = None,
    reference: str | Path | None = None,
    sizes: Sequence[int] = (256,),
    pairs: int | None = 200,
    seed: int = 0,
    held_out: bool = True,
    engine: str | None = None,
    precision: str = "fp32",
    threads: int | None = None,
    judge_precision: str = "bf16",
    lpips: tuple[str | Path, str | Path] | None = None,
    inception: str | Path | None = None,
    worst_by: str = "badness",
    progress: bool = False,
) -> Evaluation:
    """Judge models on the same pairs, through the studio's engine, and write a report.

    Every model paints every pair at every size: the largest square in the middle of each picture,
    scaled to the size, the style too. Lines are written as they are made; a run that is cut off is
    gone on with by the same call, and more models, sizes or pairs may be added to a folder.

    Args:
        models: names or ``.impasto`` files, methods of the lab with options if wanted
            (``"gatys:steps=100"``).
        contents: folders of photographs, or single ones, and how often each is drawn from.
        styles: folders of styles, or single ones, and how often each is drawn from.
        vgg: weights of VGG-19 to relu4_1 or deeper: the judge. The normalised ones for numbers like
            those of the paper.
        out: the folder of the report.
        decoder: weights of an AdaIN decoder for ``vgg`` (pytorch-AdaIN's ``decoder.pth``): one more
            model, the reference unless another is named.
        reference: the model that the others are compared with: one of ``models``, or one more.
        sizes: sides of the squares in pixels, multiples of 8.
        pairs: how many; None for all.
        seed: of the draw.
        held_out: only files of the held-out tenth, by hash of the file's name.
        engine: as for :func:`impasto.load`.
        precision: of the models, as for :func:`impasto.load`. ``fp32`` gives the same numbers on
            other machines.
        threads: as for :func:`impasto.load`.
        judge_precision: of VGG: ``bf16`` or ``fp32``. The former is several times faster on
            processors made for it, and changes means over pairs by less than 1 % (measured).
        lpips: backbone and heads of LPIPS, for that column; see :mod:`impasto.lab.evaluate.lpips`.
        inception: weights of Inception v3 for FID, and with ``lpips`` for ArtFID; see
            :mod:`impasto.lab.evaluate.fid`.
        worst_by: the column that tells the worst pairs, or ``badness``
            (:func:`impasto.lab.evaluate.report.badness`).
        progress: show a bar on standard error.

    Returns:
        All that is in the report.

    Raises:
        ImageError: if a folder is missing or holds no usable picture.
        ModelError: if a model or weights cannot be used.
        EngineError: if the engine is not there.
        OptionError: if an option is out of range, or the folder was made with others.

    Example:
        >>> found = evaluate_models(                                        # doctest: +SKIP
        ...     ["quality", "fast"], contents={"photos": 1}, styles={"paintings": 1},
        ...     vgg="vgg_normalised.pth", decoder="decoder.pth", out="judged",
        ... )
        >>> [(s.model, s.mean) for s in found.summary if s.metric == "ssim"]  # doctest: +SKIP
        [('adain', 0.43), ('quality', 0.61), ('fast', 0.58)]
    """
    for size in sizes:
        if not isinstance(size, int) or size < 64 or size % CELL:
            raise OptionError(f"a size must be 64 or more and a multiple of {CELL}, not {size!r}")
    if not sizes:
        raise OptionError("there is no size to evaluate at; give one, such as 256")
    if judge_precision not in DTYPES:
        raise OptionError(f"judge_precision is one of {list(DTYPES)}, not {judge_precision!r}")
    check_worst_by(worst_by, lpips=lpips is not None)
    out = Path(out)
    opened, named = _opened(models, reference, vgg, decoder, engine, precision, threads)
    network = None if inception is None else Inception.load(inception)
    if network is not None and min(sizes) < SMALLEST:
        raise OptionError(f"FID needs sizes of {SMALLEST} pixels or more, not {min(sizes)}")
    perceptual = None if lpips is None else LPIPS.load(*lpips)
    judge = Judge(load_vgg(vgg), precision=judge_precision, perceptual=perceptual)
    drawn = draw_pairs(contents, styles, count=pairs, seed=seed, held_out=held_out)
    for painter in opened:
        painter.check([pair.style for pair in drawn.pairs])
    file = LineFile(
        out,
        {
            "vgg": digest(vgg),
            "judge_precision": judge_precision,
            "engine": opened[0].stylizer.engine.name,
            "precision": opened[0].stylizer.engine.precision,
            "lpips": None if lpips is None else [digest(each) for each in lpips],
        },
    )
    painters: list[Painter] = [ContentPainter(), *opened]
    work = [(size, pair) for size in sizes for pair in drawn.pairs]
    with tqdm(total=len(work), unit="pair", disable=not progress) as bar:
        for size, pair in work:
            missing = [
                painter
                for painter in painters
                if key_of(painter.label, painter.identity, size, pair) not in file.lines
            ]
            if missing:
                file.add(measure(missing, judge, pair, size))
            bar.update()
    lines = [
        file.lines[key_of(painter.label, painter.identity, size, pair)]
        for size, pair in work
        for painter in painters
    ]
    summary = summarize(lines, reference=named)
    if network is not None:
        summary += summarize_fid(opened, drawn.pairs, sizes, network, summary, named, progress)
    notes = _notes(contents, styles, drawn, seed, held_out, opened, judge_precision, vgg)
    by_folder = by_style_folder(lines, styles)
    files = write_tables(out, summary, reference=named, notes=notes, by_folder=by_folder)
    files += write_sheets(out, opened, lines, reference=named, worst_by=worst_by)
    return Evaluation(tuple(lines), tuple(summary), tuple(by_folder), drawn, named, tuple(files))


class Judge:
    """VGG, and LPIPS if there is one: what measures a picture."""

    def __init__(self, vgg: VGG19, *, precision: str, perceptual: LPIPS | None = None) -> None:
        if CONTENT_LAYER not in vgg.layers:
            raise OptionError(f"the judge needs {CONTENT_LAYER}; this VGG ends at {vgg.layers[-1]}")
        self.vgg = vgg.to(DTYPES[precision])
        self.perceptual = perceptual

    @torch.no_grad()
    def __call__(
        self, content: Plane, style: Plane, made: Iterable[Pictures]
    ) -> list[dict[str, float]]:
        """The numbers of every picture in ``made`` of one pair; (H, W, 3) each."""
        made = list(made)
        photograph, painting = _batch([content]), _batch([style])
        raw = _batch([each.raw for each in made])
        seen = raw.clamp(0, 1)
        # One pass: photograph, style and every picture. Pictures are what is seen, so clipped.
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
    """Measurements that only some painters allow."""
    found: dict[str, float] = {}
    if made.unaligned is not None:
        alone = _batch([made.unaligned]).clamp(0, 1)
        found["identity_psnr"] = float(psnr(alone, photograph)[0])
    if not made.clipped:
        found["clipped"] = float(clipped_share(_batch([made.raw]))[0])
    if made.seconds is not None:
        found["seconds"] = made.seconds
    return found


def measure(painters: Sequence[Painter], judge: Judge, pair: Pair, size: int) -> Iterator[Line]:
    """The lines of one pair."""
    look = look_at(pair, size)
    values = judge(look.content, look.style, [painter.paint(look) for painter in painters])
    for painter, numbers in zip(painters, values, strict=True):
        yield Line(painter.label, painter.identity, size, pair, numbers)


def digest(path: str | Path) -> str:
    """Fingerprint of a file of weights: 16 hexadecimal digits of its SHA-256."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _batch(images: Sequence[Plane]) -> Tensor:
    arrays = np.stack([np.ascontiguousarray(image, np.float32) for image in images])
    return torch.from_numpy(arrays).permute(0, 3, 1, 2)


def _opened(
    models: Sequence[str | Path],
    reference: str | Path | None,
    vgg: str | Path,
    decoder: str | Path | None,
    engine: str | None,
    precision: str,
    threads: int | None,
) -> tuple[tuple[StudioPainter, ...], str | None]:
    """The models, the reference first, and its label."""
    opening: dict[str, Any] = {"engine": engine, "precision": precision, "threads": threads}
    models = list(models)
    if reference is None:
        painters = open_painters(models, vgg=vgg, decoder=decoder, **opening)
        return painters, None if decoder is None else painters[0].label
    identity = identity_of(reference)
    if identity not in map(identity_of, models):
        models.append(reference)
    painters = open_painters(models, vgg=vgg, decoder=decoder, **opening)
    ordered = tuple(sorted(painters, key=lambda painter: painter.identity != identity))
    return ordered, ordered[0].label


def _notes(
    contents: Mapping[str, float],
    styles: Mapping[str, float],
    drawn: Drawn,
    seed: int,
    held_out: bool,
    painters: Sequence[StudioPainter],
    judge_precision: str,
    vgg: str | Path,
) -> list[str]:
    """Notes on pairs, models and judge, for the end of the table."""
    which = "of the held-out tenth" if held_out else "of all files, trained on or not"
    sides = [
        ", ".join(f"{Path(folder).name} {share:g}" for folder, share in side.items())
        for side in (contents, styles)
    ]
    ways: dict[str, list[str]] = {}
    for painter in painters:
        engine = painter.stylizer.engine
        ways.setdefault(f"in {engine.precision} on {engine.name}", []).append(painter.label)
    notes = [
        f"{len(drawn.pairs)} pairs {which}, seed {seed}; contents: {sides[0]}; styles: {sides[1]}.",
        "Largest square of every picture, scaled to the size.",
        "; ".join(f"{', '.join(labels)} {way}" for way, labels in ways.items())
        + f"; judged by {Path(vgg).name} ({digest(vgg)}) in {judge_precision}.",
        "; ".join(f"{p.label} is {p.identity} ({p.stylizer.card.title})" for p in painters) + ".",
    ]
    return notes + [f"left out: {file.name}: {reason}" for file, reason in drawn.left_out]
