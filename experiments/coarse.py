"""Larger strokes (``coarse``): numbers of several factors and shares of detail on held-out pairs.

Means over the pairs of what ``impasto lab evaluate`` measures, and a sheet of pictures to judge by
eye.

Example::

    python experiments/coarse.py --contents photos/ --styles paintings/ --vgg vgg_normalised.pth
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path


def main() -> None:
    """Read the command line, paint and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--contents", action="append", required=True, help="folder of photographs")
    parser.add_argument("--styles", action="append", required=True, help="folder of paintings")
    parser.add_argument("--vgg", required=True, help="weights of VGG-19, the judge")
    parser.add_argument("--model", default="quality")
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--factor", type=float, action="append", help="default: 2, 3, 4")
    parser.add_argument("--detail", type=float, action="append", help="default: 0, 0.5, 0.7, 1")
    parser.add_argument("--sheet", type=Path, help="write the first six pairs to this file")
    options = parser.parse_args()

    import numpy as np
    import torch
    from PIL import Image

    import impasto
    from impasto.controls import coarse
    from impasto.lab import load_vgg
    from impasto.lab.evaluate.painters import Pictures
    from impasto.lab.evaluate.pairs import draw_pairs, look_at
    from impasto.lab.evaluate.run import Judge

    stylizer = impasto.load(options.model)
    judge = Judge(load_vgg(options.vgg), precision="fp32")
    cases = [(1.0, 0.0)] + [
        (factor, detail)
        for factor in options.factor or (2.0, 3.0, 4.0)
        for detail in options.detail or (0.0, 0.5, 0.7, 1.0)
    ]
    drawn = draw_pairs(
        dict.fromkeys(options.contents, 1.0),
        dict.fromkeys(options.styles, 1.0),
        count=options.pairs,
    )
    sums: dict[tuple[float, float], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    rows = []
    for pair in drawn.pairs:
        look = look_at(pair, options.size)
        style = stylizer.style(look.style, size=None)
        made = []
        for factor, detail in cases:
            coarse.DETAIL = detail  # a constant of the package, which is what is studied here
            controls = impasto.Controls(coarse=factor)
            made.append(stylizer.paint(look.content, style, controls).image)
        with torch.no_grad():
            numbers = judge(
                look.content, look.style, [Pictures(each, clipped=True) for each in made]
            )
        for case, values in zip(cases, numbers, strict=True):
            for name, value in values.items():
                sums[case][name] += value / len(drawn.pairs)
        if len(rows) < 6:
            rows.append(np.hstack([look.content, look.style, *made]))
            if options.sheet:
                pixels = np.rint(np.vstack(rows) * 255).astype(np.uint8)
                Image.fromarray(pixels).save(options.sheet)
    names = ("style", "content", "wasserstein", "ssim", "edges")
    print(f"{'K':>4} {'detail':>7} " + " ".join(f"{name:>11}" for name in names))
    for (factor, detail), values in sums.items():
        print(
            f"{factor:>4g} {detail:>7g} "
            + " ".join(f"{values.get(name, float('nan')):>11.3f}" for name in names)
        )


if __name__ == "__main__":
    main()
