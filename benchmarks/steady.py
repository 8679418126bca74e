"""Measure how calm painted films are, on clips whose motion is known exactly.

The clips are those of `tests/clips.py`: pans, an object that moves before one, a camera that
stands still with noise and with light that changes, a zoom, something large that enters; and a cut.
Each is painted frame by frame and at each level of steadiness. The table has absolute values and,
behind them, the ratio to frame by frame:

* the warping error: root mean square by which a frame differs from the one before, and from that 5
  before, moved along the exact motion, where that was seen;
* the detail: mean Laplacian;
* the largest step: mean change between frames of the unchanged part while something enters.

For the pan, `rigid` is one painting of the whole photograph that the camera moves over: its
remaining error is due to interpolation alone.

Example::

    python benchmarks/steady.py --model fast --style examples/styles/wave.jpg
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from time import process_time
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
LEVELS = ("off", "light", "strong")
FIRST = 4
"""First frame whose errors count: the stages need a few frames to start."""

Image = NDArray[np.float32]


@dataclass(frozen=True)
class Row:
    """The numbers of a clip at a level.

    Attributes:
        clip: its name.
        level: of steadiness, or `rigid`.
        near: warping error 1 frame apart.
        far: 5 frames apart.
        detail: of the result.
        step: the largest step; 0 where nothing enters.
        before: median milliseconds of CPU time per frame before painting.
        after: the same, after it.
    """

    clip: str
    level: str
    near: float
    far: float
    detail: float
    step: float = 0.0
    before: float = 0.0
    after: float = 0.0


BARS: tuple[tuple[str, str, str, float], ...] = (
    ("pan", "light", "near", 0.65),
    ("pan", "light", "far", 0.55),
    ("pan", "light", "detail", 0.97),
    ("slow pan", "light", "near", 1.0),
    ("static + noise", "light", "near", 0.25),
    ("static + exposure", "light", "near", 1.0),
    ("static + exposure", "light", "far", 1.0),
    ("static + exposure", "strong", "near", 1.0),
    ("static + exposure", "strong", "far", 1.0),
    ("entering", "light", "step", 0.35),
    ("pan", "strong", "near", 0.40),
    ("pan", "strong", "detail", 0.80),
    ("zoom", "strong", "near", 0.60),
)
"""Bounds of the ratios to frame by frame: upper ones, and a lower one for the detail."""


def main() -> None:
    """Read the command line, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", default="fast")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument(
        "--style",
        default=ROOT / "examples" / "styles" / "wave.jpg",
        help="a picture, or the name of a style",
    )
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--threads", type=int)
    clips = list(load_clips().CLIPS)
    parser.add_argument("--clips", nargs="+", choices=clips, default=clips, help="default: all")
    parser.add_argument("--levels", nargs="+", choices=LEVELS, default=LEVELS)
    parser.add_argument("--pictures", type=Path, help="folder for some frames, side by side")
    options = parser.parse_args()

    import impasto
    from impasto.controls import Controls

    model = impasto.load(options.model, engine=options.engine, threads=options.threads)
    style = model.prepare(options.style)

    def paint(image: Image) -> Image:
        return model.paint(image, [style], Controls()).image

    multiple = model.painter.card.multiple
    size = (options.height, options.width, options.frames)
    rows = []
    for row, images in measure(paint, multiple, size, names=options.clips, levels=options.levels):
        if not rows:
            print(HEAD)
        rows.append(row)
        print(line(row, rows), flush=True)
        if options.pictures is not None and images:
            save(images, options.pictures / f"{row.clip.replace(' ', '')}-{row.level}.png")
    print()
    for level in [each for each in options.levels if each != "off"]:
        ghost = 255 * ghost_after_cut(paint, multiple, size, level)
        print(f"{level}: the first frame after a cut differs by {ghost:.2f} of 255 (at most 1)")
    for text in checked(rows):
        print(text)


def measure(
    paint: Callable[[Image], Image],
    multiple: int,
    size: tuple[int, int, int],
    *,
    names: Iterable[str],
    levels: Iterable[str] = LEVELS,
) -> Iterable[tuple[Row, list[Image]]]:
    """Paint clips at levels of steadiness.

    Args:
        paint: paints a frame.
        multiple: of the model.
        size: height, width and number of frames.
        names: of clips.
        levels: of steadiness.

    Yields:
        The numbers of each, and its frames.
    """
    clips = load_clips()
    for name in names:
        clip = clips.CLIPS[name](clips.Size(*size))
        for level in levels:
            images, before, after = painted(clip.floats(), paint, multiple, level)
            step = largest_step(images, clip.hidden[-1]) if name == "entering" else 0.0
            row = Row(name, level, *errors(images, clip), step, before, after)
            yield row, images
        if name == "pan":  # it is measured only for this one
            images = rigid(clips, clips.Size(*size), paint)
            yield Row(name, "rigid", *errors(images, clip)), images


def load_clips() -> Any:
    """Import the clips, which are in the tests folder."""
    sys.path.insert(0, str(ROOT / "tests"))
    try:
        import clips
    finally:
        del sys.path[0]
    return clips


def painted(
    frames: list[Image], paint: Callable[[Image], Image], multiple: int, level: str
) -> tuple[list[Image], float, float]:
    """Paint frames at a level; also return the milliseconds before and after painting."""
    from impasto.video.steady import SteadyInput, SteadyOutput, cropped, padded

    prepare, blend = SteadyInput(level, multiple), SteadyOutput(level)
    images, before, after = [], [], []
    for frame in frames:
        start = process_time()
        prepared = prepare(frame)
        before.append(process_time() - start)
        image = paint(padded(prepared.image, prepared.offset, prepare.multiple))
        image = cropped(image, prepared.offset, (frame.shape[0], frame.shape[1]))
        start = process_time()
        images.append(blend(prepared, image))
        after.append(process_time() - start)
    return images, 1000 * median(before), 1000 * median(after)


def rigid(clips: Any, size: Any, paint: Callable[[Image], Image]) -> list[Image]:
    """Return the pan over one painting of the whole photograph."""
    from PIL import Image as Pictures

    photograph = clips.pan_photograph(size)
    image = paint((np.asarray(photograph) / 255).astype(np.float32))
    picture = Pictures.fromarray(np.rint(255 * image).astype(np.uint8))
    return [
        (clips.window(picture, size, t * clips.PAN[0], t * clips.PAN[1]) / 255).astype(np.float32)
        for t in range(size.count)
    ]


def errors(images: list[Image], clip: Any) -> tuple[float, float, float]:
    """Return the warping errors, 1 and 5 frames apart, and the detail."""
    from impasto.video.steady.motion import compose, origins, warp
    from impasto.video.steady.report import detail

    found: dict[int, list[float]] = {1: [], 5: []}
    for t in range(FIRST, len(images)):
        flow, seen = np.array(clip.flows[t]), ~clip.hidden[t]
        for back in range(1, 6):
            if t - back < 0:
                break
            if back > 1:
                earlier = t - back + 1
                seen &= warp(clip.hidden[earlier].astype(np.float32), flow, cubic=False) < 0.01
                flow = compose(flow, np.ascontiguousarray(clip.flows[earlier]))
            if back in found:
                x, y = origins(flow)
                inside = seen & (x >= 0) & (x <= x.shape[1] - 1) & (y >= 0) & (y <= x.shape[0] - 1)
                change = (warp(images[t - back], flow, cubic=False) - images[t])[inside]
                found[back].append(float(np.sqrt((change**2).mean())))
    return fmean(found[1]), fmean(found[5]), fmean(map(detail, images[FIRST:]))


def largest_step(images: list[Image], hidden: NDArray[np.bool_]) -> float:
    """Return the largest mean change between frames of the part that is never hidden."""
    rest = [image[~hidden] for image in images[FIRST + 1 :]]
    return max(float(np.abs(b - a).mean()) for a, b in itertools.pairwise(rest))


def ghost_after_cut(
    paint: Callable[[Image], Image], multiple: int, size: tuple[int, int, int], level: str
) -> float:
    """Return the mean difference of a shot's first frame from the same painted alone, in [0, 1]."""
    clips = load_clips()
    clip, first = clips.cut(clips.Size(*size))
    frames = clip.floats()[first - 4 : first + 1]
    images, _, _ = painted(frames, paint, multiple, level)
    return float(np.abs(images[-1] - paint(frames[-1])).mean())


HEAD = (
    "| clip | steady | t-1 | | t-5 | | detail | | step | | ms before | ms after |\n"
    "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
)


def line(row: Row, rows: list[Row]) -> str:
    """Format a line of the table; ratios are to the clip frame by frame, among ``rows``."""
    base = next((each for each in rows if each.clip == row.clip and each.level == "off"), None)
    cells = [row.clip, row.level]
    for name in ("near", "far", "detail", "step"):
        value, by = getattr(row, name), getattr(base, name, 0.0)
        cells.append(f"{value:.4f}" if value else "")
        cells.append(f"{value / by:.2f}" if value and by else "")
    cells += [f"{row.before:.1f}", f"{row.after:.1f}"] if row.level in LEVELS else ["", ""]
    return f"| {' | '.join(cells)} |"


def checked(rows: list[Row]) -> list[str]:
    """Compare rows with the bounds, a line each; those not measured are skipped."""
    known = {(row.clip, row.level): row for row in rows}
    lines = []
    for clip, level, name, bar in BARS:
        if (clip, level) in known and (clip, "off") in known:
            ratio = getattr(known[clip, level], name) / getattr(known[clip, "off"], name)
            met = ratio >= bar if name == "detail" else ratio <= bar
            sign = ">=" if name == "detail" else "<="
            verdict = "met" if met else "NOT met"
            lines.append(f"{level}, {clip}, {name}: {ratio:.3f} {sign} {bar}: {verdict}")
    return lines


def save(images: list[Image], path: Path) -> None:
    """Write two frames side by side, and their difference amplified eight times."""
    from PIL import Image as Pictures

    one, two = images[-2:]
    difference = np.clip(0.5 + 4 * (two - one), 0, 1)
    levels = np.rint(255 * np.concatenate([one, two, difference], axis=1).clip(0, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    Pictures.fromarray(levels.astype(np.uint8)).save(path)


if __name__ == "__main__":
    main()
