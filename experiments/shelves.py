"""Tables of the styles that ship: both losses of each before and after it was tuned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from impasto.lab.export.gallery import Work, read_works
from impasto.models import MODELS, find_bundle
from impasto.styles.library import list_styles
from impasto.styles.tuned import Tuned
from study import table

Shelves = Mapping[str, Mapping[str, Tuned]]
"""Records of tuned styles by model and name."""


def read_shelves(models: Sequence[str] | None = None) -> Shelves:
    """Read the records of the gallery's styles; by default for every model that ships."""
    found: dict[str, dict[str, Tuned]] = {}
    for model in models or [row.name for row in MODELS if row.path is not None]:
        bundle = find_bundle(model)
        shelf = found.setdefault(bundle.card.name, {})
        for entry in list_styles(model=bundle.identity, own=False):
            if entry.style is not None and entry.style.tuned is not None:
                shelf[entry.name] = entry.style.tuned
    return found


def style_files(model: str) -> dict[str, Path]:
    """Files of the gallery's styles for the model of that identity, by name.

    By its file a style is found even if the user has another under the same name.
    """
    return {entry.name: entry.path for entry in list_styles(model=model, own=False)}


def means(shelves: Shelves) -> str | None:
    """Means over all styles of a model; None where there are none."""
    lines = []
    for model, styles in shelves.items():
        if styles:
            before, after = (
                [sum(pair[i] for pair in pairs) / len(pairs) for i in (1, 0)]
                for pairs in zip(*map(_losses, styles.values()), strict=True)
            )
            cells = [
                f"{a:.3f} → {b:.3f} ({b / a - 1:+.0%})" for a, b in zip(before, after, strict=True)
            ]
            kept = sum(not each.better for each in styles.values())
            lines.append([f"`{model}`", str(len(styles)), *cells, str(kept)])
    head = ["model", "styles", "style loss", "content loss", "left as they were"]
    return table(head, lines) if lines else None


def every(shelves: Shelves, works: Sequence[Work] | None = None) -> str | None:
    """Every work with the losses of its styles; None where none is tuned."""
    if not any(shelves.values()):
        return None
    lines = []
    for work in sorted(read_works() if works is None else works, key=lambda each: each.name):
        cells = []
        for styles in shelves.values():
            tuned = styles.get(work.name)
            cells.append("")
            if tuned is not None:
                (content, style), (content_now, style_now) = _losses(tuned)
                cells[-1] = f"{style:.2f} → {style_now:.2f}, {content:.2f} → {content_now:.2f}"
        lines.append([f"`{work.name}`", work.note.removesuffix(", public domain"), *cells])
    head = ["style", "work", *(f"`{model}`: style, content" for model in shelves)]
    return table(head, lines, text_columns=2)


def _losses(tuned: Tuned) -> tuple[tuple[float, float], tuple[float, float]]:
    """Content and style loss before, and of what ships."""
    return tuned.before, tuned.after if tuned.better else tuned.before
