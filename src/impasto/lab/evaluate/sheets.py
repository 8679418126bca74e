"""Pictures of a report: the worst pairs beside the reference, and a contact sheet."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.batch.figures import Cell, contact_sheet
from impasto.images.options import SaveOptions
from impasto.images.writing import write_image
from impasto.lab.evaluate.lines import Line
from impasto.lab.evaluate.painters import Judged
from impasto.lab.evaluate.pairs import Pair, look_at, square
from impasto.lab.evaluate.report import WORST_BY, worst_pairs

WORST = 10
"""Number of worst pairs shown for each model."""
SHEET_CONTENTS, SHEET_STYLES = 5, 6


def write_sheets(
    folder: Path,
    painters: Sequence[Judged],
    lines: Sequence[Line],
    *,
    reference: str | None,
    worst_by: str = WORST_BY,
) -> list[Path]:
    """Repaint the shown pairs; write ``worst-MODEL-SIZE.png`` and ``sheet-MODEL-SIZE.png``."""
    beside = next((painter for painter in painters if painter.label == reference), None)
    files = []
    for size in dict.fromkeys(line.size for line in lines):
        of_size = [line for line in lines if line.size == size]
        for painter in painters:
            name = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', painter.label)}-{size}.png"
            worst = worst_sheet(
                painter, of_size, beside, size=size, reference=reference, by=worst_by
            )
            files.append(_write(worst, folder / f"worst-{name}"))
            pairs = list(dict.fromkeys(line.pair for line in of_size))
            files.append(_write(style_sheet(painter, pairs, size), folder / f"sheet-{name}"))
    return files


def worst_sheet(
    painter: Judged,
    lines: Sequence[Line],
    beside: Judged | None,
    *,
    size: int,
    reference: str | None,
    by: str = WORST_BY,
) -> Image.Image:
    """Draw a row per pair, the worst first: photograph, style, picture, the reference's."""
    values = {(line.model, line.pair): line.values for line in lines}
    shown = [painter] if beside is None or beside is painter else [painter, beside]
    cells = []
    for rank, (pair, score) in enumerate(
        worst_pairs(lines, painter.label, reference=reference, by=by, count=WORST), start=1
    ):
        look = look_at(pair, size)
        cells += [
            Cell(_picture(look.content), f"{rank}. {pair.content.name}", f"{by} {score:.2f}"),
            Cell(_picture(look.style), pair.style.name, "style"),
        ]
        for each in shown:
            found = values[each.label, pair]
            facts = (
                f"content {found['content']:.2g} style {found['style']:.2g} "
                f"ssim {found['ssim']:.2f} w {found['wasserstein']:.2g}"
            )
            painted = each.paint(look, unaligned=False).raw
            cells.append(Cell(_picture(painted), each.label, facts))
    return contact_sheet(cells, columns=2 + len(shown))


def style_sheet(painter: Judged, pairs: Sequence[Pair], size: int) -> Image.Image:
    """Draw the first pairs as a grid, photographs down, styles across.

    A slow painter paints only the pairs and leaves the other cells white.
    """
    contents = list(dict.fromkeys(pair.content for pair in pairs))[:SHEET_CONTENTS]
    styles = list(dict.fromkeys(pair.style for pair in pairs))[:SHEET_STYLES]
    blank = Image.new("RGB", (size, size), "white")
    cells = [Cell(blank, painter.label, f"{size} px")]
    cells += [Cell(_picture(square(style, size)), style.name) for style in styles]
    for content in contents:
        cells.append(Cell(_picture(square(content, size)), content.name))
        for pair in (Pair(content, style) for style in styles):
            shown = blank
            if painter.quick or pair in pairs:
                shown = _picture(painter.paint(look_at(pair, size), unaligned=False).raw)
            cells.append(Cell(shown, ""))
    return contact_sheet(cells, columns=1 + len(styles))


def _picture(image: NDArray[np.float32]) -> Image.Image:
    seen = np.nan_to_num(np.clip(image, 0, 1))
    return Image.fromarray(np.rint(seen * 255).astype(np.uint8))


def _write(sheet: Image.Image, path: Path) -> Path:
    write_image(sheet, path, save=SaveOptions(overwrite=True))
    return path
