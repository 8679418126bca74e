"""Draw what each channel of a filter bank is to its style: a Dirac delta, filtered and decoded.

StyleBank (Chen et al. 2017) calls the filters of a bank the textons of its style. A row of the
sheet is a style, the first of them no bank at all; a column is a channel of the features. In each
picture one delta of that channel stands in the middle, is convolved with the bank and drawn by the
decoder. Channels are those whose filters are largest over all banks.

Example::

    python experiments/elements.py trained/stylebank-5.impasto -o elements.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

CELLS = 12
"""Positions of the features to a side of a picture of the sheet; each is 4 pixels."""
SCALE = 2
"""Pixels of the sheet for one of a picture, along each side."""
LABEL = 96
"""Width of the names at the left."""


def main() -> None:
    """Read the command line and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("bundle", help="a .impasto file of stylebank")
    parser.add_argument("--styles", nargs="+", help="names or style files; default: all built in")
    parser.add_argument("--channels", type=int, default=10, help="how many")
    parser.add_argument("-o", "--out", type=Path, required=True)
    options = parser.parse_args()

    import numpy as np
    from PIL import Image, ImageDraw

    import impasto

    model = impasto.load(options.bundle, precision="fp32")
    channels, engine = model.card.bank_channels, model.engine
    if not channels:
        parser.error(f"the styles of {model.name!r} are no banks of filters")
    names = options.styles or model.card.styles
    banks = [model.find(name).parameters.astype(np.float32) for name in names]
    sizes = sum(np.square(bank.reshape(channels, channels, -1)).sum(axis=(0, 2)) for bank in banks)
    chosen = np.argsort(sizes)[::-1][: options.channels]
    side = 4 * CELLS
    gray = np.full((3, side, side), 0.5, np.float32)
    rows = []
    for bank in (None, *banks):
        row = []
        for channel in chosen:
            features = np.zeros((channels, CELLS, CELLS), np.float32)
            features[channel, CELLS // 2, CELLS // 2] = 1
            if bank is not None:
                feed = {"features": features, "style": bank[:, None, None]}
                features = engine.run("bank", feed)
            nothing = np.zeros((1, 1, 1), np.float32)
            feed = {"features": features, "image": gray, "rest": nothing}
            row.append(engine.run("decoder", feed).transpose(1, 2, 0).clip(0, 1))
        rows.append(np.concatenate(row, axis=1))
    pixels = np.rint(np.concatenate(rows) * 255).astype(np.uint8)
    drawn = Image.fromarray(pixels)
    drawn = drawn.resize((SCALE * drawn.width, SCALE * drawn.height), Image.Resampling.BICUBIC)
    sheet = Image.new("RGB", (LABEL + drawn.width, drawn.height), "white")
    sheet.paste(drawn, (LABEL, 0))
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(("no bank", *(Path(name).stem for name in names))):
        draw.text((6, SCALE * side * (number + 0.45)), name, fill="black")
    sheet.save(options.out)
    print(f"{options.out}: {len(names)} banks, channels {', '.join(map(str, chosen))}")


if __name__ == "__main__":
    main()
