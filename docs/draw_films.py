"""Draw the pictures of docs/films.md: a few frames of a film, and its flicker at every level.

python docs/draw_films.py [--out FOLDER] [--clip NAME] [--style NAME] [--model NAME]

The clips are those of benchmarks/steady.py, whose motion is known exactly. A picture of flicker is
by how much a frame differs from the one before, moved along that motion, six times as strong.
"""

from __future__ import annotations

import argparse
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import impasto
from impasto.video.options import LEVELS
from impasto.video.painting import stylize_frames
from impasto.video.preview import contact_sheet
from impasto.video.steady.motion import warp

DOCS = Path(__file__).parent.resolve()
FRAMES, SHOWN, STRENGTH = 14, 12, 6.0
HEIGHT, WIDTH = 240, 426


def main() -> None:
    """Paint a clip at every level and save both pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=DOCS / "images", help="default: docs/images")
    parser.add_argument("--clip", default="pan", help="pan, object_on_pan, zoom, static, entering")
    parser.add_argument("--style", default="munch-scream")
    parser.add_argument("--model", default="fast")
    options = parser.parse_args()
    sys.path.insert(0, str(DOCS.parent / "tests"))
    import clips

    clip = getattr(clips, options.clip)(clips.Size(HEIGHT, WIDTH, FRAMES))
    model = impasto.load(options.model, engine="onnxruntime")
    films = {
        level: list(stylize_frames(model, clip.frames, options.style, steady=level))
        for level in LEVELS
    }
    shown = [
        (Fraction(number, 25), clip.frames[number], films["light"][number])
        for number in range(1, FRAMES, 4)
    ]
    sheet = contact_sheet(shown)
    sheet.save(options.out / "film.jpg", quality=85, optimize=True)
    rows = [np.hstack([films[level][SHOWN], flicker(films[level], clip)]) for level in LEVELS]
    image = Image.fromarray(np.vstack(rows))
    image.save(options.out / "flicker.jpg", quality=85, optimize=True)
    print(options.out / "film.jpg", options.out / "flicker.jpg")


def flicker(images: list[NDArray[np.uint8]], clip: Any) -> NDArray[np.uint8]:
    """The change from one frame to the next that is no motion."""
    before, now = (images[number].astype(np.float32) for number in (SHOWN - 1, SHOWN))
    change = np.abs(warp(before, np.ascontiguousarray(clip.flows[SHOWN]), cubic=False) - now)
    change[clip.hidden[SHOWN]] = 0
    return np.clip(STRENGTH * change, 0, 255).astype(np.uint8)


if __name__ == "__main__":
    main()
