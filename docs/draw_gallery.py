"""Draw the contact sheets of the gallery and write ``gallery.md``, the page with all its styles.

python docs/draw_gallery.py [--model NAME] [--out FOLDER]

A sheet is a photograph in every style of a model. Each says in its file what it was made of, so
sheets that are up to date are left as they are, and an interrupted call goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import impasto
from impasto.batch.figures import Cell, contact_sheet
from impasto.images.files import write_whole
from impasto.lab.export.gallery import Work, read_works
from impasto.models import MODELS, find_bundle
from impasto.styles.library import Entry, list_styles
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

DOCS = Path(__file__).resolve().parent
PHOTOGRAPHS = ("rocket", "coffee", "chelsea", "astronaut")
"""Of ``examples/photos``: a wide view, a still life, fur and a face."""

COLUMNS, PAINTED, WIDTH = 9, 320, 1600
"""Of a sheet: styles beside each other, shorter side while painting, width in pixels."""


def main() -> None:
    """Draw what is missing or out of date."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", action="append", help="only this one; may be given again")
    parser.add_argument("--out", type=Path, default=DOCS, help="default: docs")
    options = parser.parse_args()
    models = options.model or [row.name for row in MODELS if row.path is not None]
    images = options.out / "images"
    images.mkdir(parents=True, exist_ok=True)
    for model in models:
        for name in PHOTOGRAPHS:
            photograph = DOCS.parent / "examples" / "photos" / f"{name}.jpg"
            draw(model, photograph, images / sheet_name(model, name))
    path = options.out / "gallery.md"
    write_whole(path, page(models, read_works()).encode(), overwrite=True)
    print(path)


def sheet_name(model: str, photograph: str) -> str:
    """The file of a sheet."""
    return f"gallery-{model}-{photograph}.jpg"


def shelf(model: str) -> list[Entry]:
    """The styles of the gallery for a model, by name."""
    found = list_styles(model=find_bundle(model).identity, own=False)
    return [each for each in found if each.style is not None]


def draw(model: str, photograph: Path, target: Path) -> None:
    """Draw a photograph in every style of a model, unless the sheet is up to date."""
    entries = shelf(model)
    digest = hashlib.sha256(Path(__file__).read_bytes() + photograph.read_bytes())
    for entry in entries:
        digest.update(entry.path.read_bytes())
    made_of = digest.hexdigest()[:32].encode()
    if target.is_file():
        with Image.open(target) as drawn:
            if drawn.info.get("comment") == made_of:
                return
    stylizer = impasto.load(model)
    cells = [
        Cell(painted(stylizer, photograph, entry.style), entry.name)
        for entry in entries
        if entry.style is not None
    ]
    sheet = contact_sheet(cells, columns=COLUMNS)
    sheet = sheet.resize((WIDTH, round(sheet.height * WIDTH / sheet.width)), Image.Resampling.BOX)
    buffer = io.BytesIO()
    sheet.save(buffer, "JPEG", quality=82, optimize=True, comment=made_of)
    write_whole(target, buffer.getvalue(), overwrite=True)
    print(target)


def painted(stylizer: Stylizer, photograph: Path, style: Style) -> Image.Image:
    """The photograph in a style."""
    made = stylizer.stylize(photograph, style, size=PAINTED)
    return made if isinstance(made, Image.Image) else Image.fromarray(np.asarray(made))


def page(models: Sequence[str], works: Sequence[Work]) -> str:
    """The page: every work with the losses of its styles, and the sheets."""
    styles = {model: {each.name: each.style for each in shelf(model)} for model in models}
    head = ["style", "work", *(f"`{model}`: style, content" for model in models)]
    lines = ["| " + " | ".join(head) + " |", "| --- | --- |" + " ---: |" * len(models)]
    for work in sorted(works, key=lambda each: each.name):
        told = work.note.removesuffix(", public domain")
        cells = []
        for model in models:
            style = styles[model].get(work.name)
            record = None if style is None else style.tuned
            cells.append("")
            if record is not None:
                (content, found), (content_now, now) = record.before, record.after
                kept = "" if record.better else " (kept as it was)"
                cells[-1] = f"{found:.2f} → {now:.2f}, {content:.2f} → {content_now:.2f}{kept}"
        lines.append("| " + " | ".join([f"`{work.name}`", told, *cells]) + " |")
    table = "\n".join(lines)
    sheets = "\n\n".join(
        f"![The {name} in all styles, painted by {model}](images/{sheet_name(model, name)})"
        for model in models
        for name in PHOTOGRAPHS
    )
    return f"""# The gallery

<!-- written by docs/draw_gallery.py, with the sheets -->
Styles that come with Impasto: `impasto stylize street.jpg -s munch-scream`. All are of works in
the public domain, and keep nothing of them but statistics. With every style stand its losses before
and after it was tuned ([tuning.md](tuning.md)), on photographs that the tuning did not see.

{table}

## Contact sheets

{sheets}
"""


if __name__ == "__main__":
    main()
