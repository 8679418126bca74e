"""Tables of a report: means, medians, comparison to the reference, style folders, worst pairs."""

from __future__ import annotations

import csv
import io
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from impasto.errors import OptionError, escaped
from impasto.images.files import write_whole
from impasto.lab.evaluate.intervals import LEVEL, mean_interval
from impasto.lab.evaluate.lines import (
    BADNESS,
    BAR,
    COLUMNS,
    METRICS,
    TABLES,
    Criterion,
    Line,
    metric,
)
from impasto.lab.evaluate.painters import CONTENT_NAME
from impasto.lab.evaluate.pairs import Pair

WORST_BY = "badness"
LEAST_DISTANCE = 0.01
"""Lower bound of 1 - SSIM before its logarithm: below it pictures look the same."""


@dataclass(frozen=True)
class FolderMean:
    """A column of a model at one size, over the pairs whose styles are from one folder.

    Attributes:
        size: in pixels.
        folder: of the styles, as it was given.
        model: its label.
        metric: the column.
        mean: over these pairs.
        share: of the sum over all pairs, from 0 to 1.
        pairs: how many.
        low, high: ends of the interval of the mean; None for a single pair.
    """

    size: int
    folder: str
    model: str
    metric: str
    mean: float
    share: float
    pairs: int
    low: float | None = None
    high: float | None = None


def by_style_folder(lines: Sequence[Line], folders: Iterable[str | Path]) -> list[FolderMean]:
    """Return means of content loss, style loss and sliced Wasserstein distance by folder.

    Args:
        lines: of any models and sizes.
        folders: sources of the styles; a file counts for the innermost that contains it.

    Returns:
        An empty list where all styles come from one folder.
    """
    places = sorted(map(Path, folders), key=lambda place: -len(place.parts))
    values: dict[tuple[int, str, str], dict[Path, list[float]]] = {}
    for line in lines:
        place = next((p for p in places if line.pair.style.is_relative_to(p)), None)
        if place is None:
            continue
        for name in BADNESS:
            of_model = values.setdefault((line.size, line.model, name), defaultdict(list))
            of_model[place].append(line.values[name])
    found = []
    for (size, model, name), of_place in values.items():
        if len(of_place) < 2:
            continue
        total = sum(map(sum, of_place.values()))
        for place in sorted(of_place):
            have = of_place[place]
            share = sum(have) / total if total else 0.0
            mean, ends = statistics.fmean(have), mean_interval(have) or (None, None)
            found.append(FolderMean(size, str(place), model, name, mean, share, len(have), *ends))
    return found


def folder_table(rows: Sequence[FolderMean]) -> str:
    """Format the rows of one size: a line per folder, a column per model; empty without rows."""
    if not rows:
        return ""
    models = [m for m in dict.fromkeys(row.model for row in rows) if m != CONTENT_NAME]
    cells = {(row.folder, row.model, row.metric): row for row in rows}
    lines = [
        f"Where it comes from: {', '.join(BADNESS)} by folder of the styles; in square brackets "
        "the interval of the mean, in round ones the share that a folder has of the sum over all "
        "pairs.",
        "",
        "| styles of | pairs | " + " | ".join(models) + " |",
        "| --- | ---: | " + " | ".join("---:" for _ in models) + " |",
    ]
    for folder, count in {row.folder: row.pairs for row in rows}.items():
        texts = [
            ", ".join(_folder_cell(cells[folder, model, name]) for name in BADNESS)
            for model in models
        ]
        lines.append(f"| {escaped(Path(folder).name)} | {count} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _folder_cell(row: FolderMean) -> str:
    digits = metric(row.metric).digits
    text = f"{row.mean:.{digits}f}"
    if row.low is not None and row.high is not None:
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    return f"{text} ({100 * row.share:.0f} %)"


@dataclass(frozen=True)
class Summary:
    """One column of one model at one size, over all pairs.

    Attributes:
        model: its label.
        size: in pixels.
        metric: the column.
        unit: of mean and median.
        better: ``lower`` or ``higher``.
        mean: over the pairs.
        median: over the pairs; None for columns defined for all pairs together only.
        ratio: mean divided by the reference's; None without one, or where differences are used.
        difference: mean over the pairs of its number minus the reference's; None without one.
        wins: share of pairs in which this model is better than the reference.
        pairs: how many.
        low, high: ends of the interval of the mean (:func:`intervals.mean_interval`); None for a
            single pair.
        difference_low, difference_high: the same for ``difference``, pair by pair, which is
            narrower: a pair that is hard for one model is hard for the other.
    """

    model: str
    size: int
    metric: str
    unit: str
    better: str
    mean: float
    median: float | None
    ratio: float | None
    difference: float | None
    wins: float | None
    pairs: int
    low: float | None = None
    high: float | None = None
    difference_low: float | None = None
    difference_high: float | None = None


def summarize(lines: Sequence[Line], *, reference: str | None) -> list[Summary]:
    """Return means and medians of every column by model, compared with those of the reference.

    A column without numbers of a model is left out.
    """
    values: dict[tuple[int, str], list[Line]] = defaultdict(list)
    for line in lines:
        values[line.size, line.model].append(line)
    found = []
    for (size, model), own in values.items():
        theirs = {line.pair: line for line in values.get((size, reference or ""), ())}
        for row in METRICS:
            have = [line.values[row.name] for line in own if row.name in line.values]
            if not have:
                continue
            mean = statistics.fmean(have)
            ratio = difference = wins = apart = None
            both = [
                (line.values[row.name], theirs[line.pair].values[row.name])
                for line in own
                if line.pair in theirs
                and row.name in line.values
                and row.name in theirs[line.pair].values
            ]
            if both and model != reference:
                differences = [a - b for a, b in both]
                difference, apart = statistics.fmean(differences), mean_interval(differences)
                if row.versus == "ratio":
                    base = statistics.fmean(b for _, b in both)
                    ratio = mean / base if base else math.nan
                sign = 1 if row.better == "higher" else -1
                wins = sum(sign * a > sign * b for a, b in both) / len(both)
            found.append(
                Summary(model, size, row.name, row.unit, row.better, mean,
                        statistics.median(have), ratio, difference, wins, len(have),
                        *(mean_interval(have) or (None, None)), *(apart or (None, None)))
            )  # fmt: skip
    return found


def passes(criterion: Criterion, row: Summary) -> bool | None:
    """Return True if a model meets a criterion; None without a reference."""
    if row.ratio is not None:
        gain = 1 / row.ratio if row.better == "lower" else row.ratio
    elif row.difference is not None:
        gain = row.difference if row.better == "higher" else -row.difference
    else:
        return None
    return gain > criterion.least if criterion.strict else gain >= criterion.least


def check_worst_by(name: str, *, lpips: bool) -> None:
    """Reject a name that is neither a column of the report nor ``badness``.

    Raises:
        OptionError: naming the choices.
    """
    if name not in (WORST_BY, *COLUMNS) or (name == "lpips" and not lpips):
        raise OptionError(
            f"the worst pairs are ranked by {WORST_BY} or a column, not {name!r}; the columns are "
            + ", ".join(COLUMNS)
        )


def badness(lines: Sequence[Line], model: str, *, reference: str | None) -> dict[Pair, float]:
    """Return the badness of each pair of a model, at one size; larger is worse.

    It is the mean of ``ln(have / base)`` over content loss, style loss, sliced Wasserstein distance
    and 1 - SSIM. The base is the reference's number for the same pair, so a pair counts as bad
    where the reference is better, not where all fail; for the reference itself, or without one, it
    is the model's own median.

    Args:
        lines: of one size, the reference's among them.
        model: label of the model.
        reference: label of the reference, or None.
    """
    own = [line for line in lines if line.model == model]
    medians = {name: statistics.median(map(_distances(name), own)) for name in (*BADNESS, "ssim")}
    theirs = {line.pair: line for line in lines if line.model == reference != model}
    found = {}
    for line in own:
        logs = []
        for name, median in medians.items():
            of = _distances(name)
            base = of(theirs[line.pair]) if line.pair in theirs else median
            logs.append(math.log(max(of(line), 1e-12) / max(base, 1e-12)))
        found[line.pair] = sum(logs) / len(logs)
    return found


class _distances:
    """A column of a line as a distance."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, line: Line) -> float:
        value = line.values[self.name]
        return max(1 - value, LEAST_DISTANCE) if self.name == "ssim" else value


def worst_pairs(
    lines: Sequence[Line], model: str, *, reference: str | None, by: str = WORST_BY, count: int = 10
) -> list[tuple[Pair, float]]:
    """Return the worst pairs of a model at one size, the worst first, with their scores."""
    if by == WORST_BY:
        scores = badness(lines, model, reference=reference)
    else:
        sign = 1 if metric(by).better == "lower" else -1
        scores = {
            line.pair: sign * line.values[by]
            for line in lines
            if line.model == model and by in line.values
        }
    # NaN counts as the worst.
    order = sorted(scores.items(), key=lambda item: -math.inf if math.isnan(item[1]) else -item[1])
    return [(pair, score if by == WORST_BY else abs(score)) for pair, score in order[:count]]


def write_tables(
    folder: Path,
    summary: Sequence[Summary],
    *,
    reference: str | None,
    notes: Sequence[str] = (),
    by_folder: Sequence[FolderMean] = (),
) -> list[Path]:
    """Write ``summary.csv`` (all columns), ``summary.md`` (readable) and ``folders.csv``."""
    files = [folder / name for name in TABLES]
    text = markdown(summary, reference=reference, notes=notes, by_folder=by_folder)
    write_whole(files[0], _rows(Summary, summary), overwrite=True)
    write_whole(files[1], text.encode(), overwrite=True)
    write_whole(files[2], _rows(FolderMean, by_folder), overwrite=True)
    return files


def _rows(kind: type, rows: Sequence[Any]) -> bytes:
    """Return CSV with the fields of a dataclass as columns."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([field.name for field in fields(kind)])
    for row in rows:
        writer.writerow([f"{v:.6g}" if isinstance(v, float) else v for v in astuple(row)])
    return buffer.getvalue().encode()


def markdown(
    summary: Sequence[Summary],
    *,
    reference: str | None,
    notes: Sequence[str] = (),
    by_folder: Sequence[FolderMean] = (),
) -> str:
    """Return the readable tables: one per size, models side by side, then criteria and folders."""
    parts = []
    for size in dict.fromkeys(row.size for row in summary):
        of_size = {(row.metric, row.model): row for row in summary if row.size == size}
        models = list(dict.fromkeys(row.model for row in summary if row.size == size))
        count = max(row.pairs for row in of_size.values())
        parts.append(f"## {count} pairs at {size} px\n\n{size_table(of_size, models)}")
        parts.append(layer_table(of_size, models))
        if reference is not None:
            parts.append(_difference_table(of_size, models, reference))
            parts.append(bar_table(of_size, models, reference))
        parts.append(folder_table([row for row in by_folder if row.size == size]))
    legend = (
        f"Means over the pairs, in square brackets the {100 * LEVEL:.0f} % bootstrap interval of "
        "the mean, in parentheses the median"
    )
    if reference is not None:
        legend += (
            f"; then the mean compared with that of {reference} (x for ratios, + or - for "
            "differences) and the share of pairs in which the model is better"
        )
    parts.insert(0, f"{legend}. {CONTENT_NAME} is the unchanged photograph.")
    parts.append("\n".join(f"* {note}" for note in notes))
    return "# Evaluation\n\n" + "\n\n".join(part for part in parts if part) + "\n"


def size_table(rows: Mapping[tuple[str, str], Summary], models: Sequence[str]) -> str:
    """Return the readable table of one size: a line per column of the report, models side by side.

    Args:
        rows: by column and model, of one size.
        models: in their order.
    """
    names = [row.name for row in METRICS if not row.by_layer]
    names += [name for name in ("fid", "artfid") if any(key[0] == name for key in rows)]
    return _side_by_side(rows, models, names)


def layer_table(rows: Mapping[tuple[str, str], Summary], models: Sequence[str]) -> str:
    """Return the columns that :func:`size_table` leaves out: its sums, layer by layer."""
    return _side_by_side(rows, models, [row.name for row in METRICS if row.by_layer])


def _side_by_side(
    rows: Mapping[tuple[str, str], Summary], models: Sequence[str], names: Sequence[str]
) -> str:
    lines = [
        "| | better | " + " | ".join(models) + " |",
        "| --- | --- | " + " | ".join("---:" for _ in models) + " |",
    ]
    for name in names:
        cells = [rows.get((name, model)) for model in models]
        if not any(cells):
            continue
        first = next(cell for cell in cells if cell)
        unit = f" ({first.unit})" if first.unit else ""
        digits = next((row.digits for row in METRICS if row.name == name), 2)
        texts = ["" if cell is None else _cell(cell, digits) for cell in cells]
        lines.append(f"| {name}{unit} | {first.better} | " + " | ".join(texts) + " |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _cell(row: Summary, digits: int) -> str:
    text = f"{row.mean:.{digits}f}"
    if row.low is not None and row.high is not None:
        text += f" [{row.low:.{digits}f}, {row.high:.{digits}f}]"
    if row.median is not None:
        text += f" ({row.median:.{digits}f})"
    if row.ratio is not None:
        text += f" x{row.ratio:.2f}"
    elif row.difference is not None:
        text += f" {row.difference:+.{digits}f}"
    if row.wins is not None:
        text += f" {100 * row.wins:.0f} %"
    return text


def _difference_table(
    rows: Mapping[tuple[str, str], Summary], models: Sequence[str], reference: str
) -> str:
    """Return a table of the differences pair by pair, of the shown columns; empty without any."""
    judged = [model for model in models if model not in (reference, CONTENT_NAME)]
    lines = []
    for row in METRICS:
        cells = [rows.get((row.name, model)) for model in judged]
        if row.by_layer or not any(cell and cell.difference_low is not None for cell in cells):
            continue
        texts = ["" if cell is None else _difference_cell(cell, row.digits) for cell in cells]
        lines.append(f"| {row.name} | {row.better} | " + " | ".join(texts) + " |")
    if not lines:
        return ""
    head = [
        f"Difference from {reference} pair by pair, with its interval; `*` where 0 lies outside.",
        "",
        f"| minus {reference} | better | " + " | ".join(judged) + " |",
        "| --- | --- | " + " | ".join("---:" for _ in judged) + " |",
    ]
    return "\n".join([*head, *lines])


def _difference_cell(row: Summary, digits: int) -> str:
    low, high = row.difference_low, row.difference_high
    if row.difference is None or low is None or high is None:
        return ""
    sure = " *" if low > 0 or high < 0 else ""
    return f"{row.difference:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]{sure}"


def bar_table(
    rows: Mapping[tuple[str, str], Summary], models: Sequence[str], reference: str
) -> str:
    """Return the table of one size of the criteria that each model meets; empty without any.

    Args:
        rows: by column and model, of one size.
        models: in their order.
        reference: label of the model that the others are compared with."""
    judged = [model for model in models if model not in (reference, CONTENT_NAME)]
    if not judged:
        return ""
    lines = [
        f"| the bar beside {reference} | " + " | ".join(judged) + " |",
        "| --- | " + " | ".join("---" for _ in judged) + " |",
    ]
    for criterion in BAR:
        row = metric(criterion.metric)
        if row.versus == "difference":
            wanted = f"{row.better} by {criterion.least:g} or more"
        else:
            wanted = row.better if criterion.strict else f"not {_OPPOSITE[row.better]}"
        answers = []
        for model in judged:
            found = rows.get((criterion.metric, model))
            met = None if found is None else passes(criterion, found)
            answers.append({True: "yes", False: "no", None: ""}[met])
        lines.append(f"| {criterion.metric} {wanted} | " + " | ".join(answers) + " |")
    return "\n".join(lines)


_OPPOSITE = {"lower": "higher", "higher": "lower"}
