"""A contact sheet: photographs (rows) in styles (columns), or one style from alpha 0 to 1.

python examples/contact_sheet.py sheet.jpg --contents a.jpg b.jpg --styles c.jpg d.jpg
python examples/contact_sheet.py strip.jpg --contents a.jpg --styles c.jpg --alphas 0 .5 1
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import impasto

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--contents", nargs="+", default=sorted((HERE / "photos").glob("*.jpg")))
    parser.add_argument("--styles", nargs="+", default=sorted((HERE / "styles").glob("*.jpg")))
    parser.add_argument("--alphas", nargs="+", type=float, help="columns of one style instead")
    parser.add_argument("--model", default="quality")
    parser.add_argument("--engine")
    parser.add_argument("--precision")
    parser.add_argument("--work", type=int, default=512, help="shorter side while painting")
    parser.add_argument("--cell", type=int, default=256, help="side of a cell on the sheet")
    a = parser.parse_args()

    model = impasto.load(a.model, engine=a.engine, precision=a.precision)
    styles = [(name, model.style(name)) for name in a.styles]
    columns = [(*style, alpha) for style in styles for alpha in a.alphas or (1.0,)]
    rows: list[list[Image.Image]] = []
    if not a.alphas:
        rows.append([Image.new("RGB", (1, 1), "white"), *(Image.open(n) for n, _, _ in columns)])
    for content in a.contents:
        painted = [
            model.stylize(content, style, alpha=alpha, size=a.work) for _, style, alpha in columns
        ]
        rows.append([Image.open(content), *painted])
    cells = [[np.asarray(_cell(picture, a.cell)) for picture in row] for row in rows]
    Image.fromarray(np.vstack([np.hstack(row) for row in cells])).save(a.out, quality=92)


def _cell(picture: Image.Image, side: int) -> Image.Image:
    return ImageOps.fit(picture.convert("RGB"), (side, side), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    main()
