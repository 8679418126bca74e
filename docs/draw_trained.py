"""Paint the pictures of ``methods-trained.md`` with the models in ``trained/``.

python docs/draw_trained.py [--out FOLDER]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import impasto

ROOT = Path(__file__).resolve().parents[1]
SIZE = (300, 200)

Picture = NDArray[np.uint8]


def main() -> None:
    """Paint the three sheets of the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = ROOT / "docs" / "images"
    parser.add_argument("--out", type=Path, default=default, help="default: docs/images")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with Image.open(ROOT / "examples" / "photos" / "coffee.jpg") as file:
        cup = np.asarray(file.convert("RGB"))
    cin = impasto.load(ROOT / "trained" / "cin-9.impasto")
    bank = impasto.load(ROOT / "trained" / "stylebank-5.impasto")
    nine = [cin.stylize(cup, name) for name in cin.card.styles]
    save(out / "cin.jpg", [nine[:3], nine[3:6], nine[6:]])
    left = np.zeros(cup.shape[:2], np.float32)
    left[:, : cup.shape[1] // 2] = 1
    halves = bank.stylize(cup, ["wave", "stained_glass"], masks=[left, 1 - left])
    painted = [bank.stylize(cup, name) for name in bank.card.styles] + [halves]
    save(out / "stylebank.jpg", [painted[:3], painted[3:]])
    rows = []
    for model in (cin, bank):
        between = ([4 - i, i] for i in range(5))
        rows.append([model.stylize(cup, ["wave", "stained_glass"], weights=w) for w in between])
    rows.append([bank.stylize(cup, "night_sky", alpha=i / 4) for i in range(5)])
    save(out / "mixtures.jpg", rows, size=(200, 133))


def save(target: Path, rows: list[list[Picture]], *, size: tuple[int, int] = SIZE) -> None:
    """Reduce ``rows`` of pictures to ``size`` and save them as one sheet."""
    small = [
        [np.asarray(Image.fromarray(each).resize(size, Image.Resampling.LANCZOS)) for each in row]
        for row in rows
    ]
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in small])
    Image.fromarray(sheet).save(target, quality=88, optimize=True)
    print(target)


if __name__ == "__main__":
    main()
