"""Where a mean comes from: the same columns, folder of styles by folder of styles.

A tenth of the pairs can make half of a mean: a chessboard as a style has thirty times the loss of a
painting, and what a mean over both says is mostly about the chessboards.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.lab.evaluate.lines import Line
from impasto.lab.evaluate.painters import CONTENT_NAME
from impasto.lab.evaluate.table import BADNESS, metric


@dataclass(frozen=True)
class FolderMean:
    """A column of a model at one size, over the pairs whose styles lie in one folder.

    Attributes:
        size: in pixels.
        folder: of the styles, as it was asked for.
        model: its label.
        metric: the column.
        mean: over these pairs.
        share: of the sum over all pairs, from 0 to 1.
        pairs: how many.
    """

    size: int
    folder: str
    model: str
    metric: str
    mean: float
    share: float
    pairs: int


def by_style_folder(lines: Sequence[Line], folders: Iterable[str | Path]) -> list[FolderMean]:
    """Means of content loss, style loss and sliced Wasserstein distance, folder by folder.

    Args:
        lines: of any models and sizes.
        folders: where the styles come from; a file counts for the innermost that it lies in.

    Returns:
        Nothing where all styles come from one place.
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
            found.append(
                FolderMean(size, str(place), model, name, statistics.fmean(have), share, len(have))
            )
    return found


def folder_table(rows: Sequence[FolderMean]) -> str:
    """The rows of one size for people: a folder a line, a model a column; empty without rows."""
    if not rows:
        return ""
    models = [m for m in dict.fromkeys(row.model for row in rows) if m != CONTENT_NAME]
    cells = {(row.folder, row.model, row.metric): row for row in rows}
    lines = [
        f"Where it comes from: {', '.join(BADNESS)} by folder of the styles; in brackets the share "
        "that a folder has of the sum over all pairs.",
        "",
        "| styles of | pairs | " + " | ".join(models) + " |",
        "| --- | ---: | " + " | ".join("---:" for _ in models) + " |",
    ]
    for folder, count in {row.folder: row.pairs for row in rows}.items():
        texts = [
            ", ".join(_cell(cells[folder, model, name]) for name in BADNESS) for model in models
        ]
        lines.append(f"| {Path(folder).name} | {count} | " + " | ".join(texts) + " |")
    return "\n".join(lines)


def _cell(row: FolderMean) -> str:
    return f"{row.mean:.{metric(row.metric).digits}f} ({100 * row.share:.0f} %)"
