"""A report on the steadiness of a painted film: numbers gathered frame by frame, in fixed memory.

The warping error of a film is the root mean square difference of a frame from an earlier one that
is warped along the motion of the film that was painted, where that was seen before (Ruder et
al. 2016; Lai et al. 2018): 1 frame apart it measures flicker, 5 frames apart strokes that do not
stay with objects. The motion is estimated in the film itself (:mod:`impasto.video.steady.motion`),
so the film's own error is reported beside it: the part due to noise, light and wrong motion. Blur
lowers the error; therefore the detail that is kept is reported as well.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from impasto.errors import VideoError, escaped, one_line
from impasto.images.files import write_whole
from impasto.video.steady.motion import (
    Floats,
    block_flow,
    compose,
    enlarge,
    gray,
    is_cut,
    match_blocks,
    origins,
    reduction,
    shrink,
    warp,
)

__all__ = ["APART", "FilmReport", "Flicker", "Second", "Summary", "detail"]

APART = (1, 5)
"""Numbers of frames between the two that are compared."""

_LARGEST = 1280
"""Longest side, in pixels, of the frames that are compared; larger ones are reduced first."""

_FOUND = 10.0
"""A pixel of the film is matched if it differs by less than this, in levels of 255."""

_MUCH = 1.5
"""A second flickers if its error is so many times the median."""

_MOST = 20
"""Number of lines of the table of flicker."""


@dataclass
class Second:
    """Sums over the frames of one second of a film.

    Attributes:
        frames: number of frames.
        cuts: number of new shots.
        details: detail of the result, see :func:`detail`.
        sharp: detail of the same paintings before they were blended with those before.
        unblended: number of frames for which that is known.
        pairs: frames that were compared with the previous one; ``far_pairs``, with that 5 before.
        result: warping errors 1 frame apart of the result.
        painted: of the paintings before they were blended.
        film: of the film itself.
        far_pairs: see ``pairs``.
        far_result: warping errors 5 frames apart of the result.
        far_painted: of the paintings before they were blended.
        far_film: of the film itself.
    """

    frames: float = 0
    cuts: float = 0
    details: float = 0
    sharp: float = 0
    unblended: float = 0
    pairs: float = 0
    result: float = 0
    painted: float = 0
    film: float = 0
    far_pairs: float = 0
    far_result: float = 0
    far_painted: float = 0
    far_film: float = 0


@dataclass(frozen=True)
class Flicker:
    """A piece of a film that flickers more than the rest.

    Attributes:
        start: its start, in seconds.
        end: its end.
        error: the mean warping error, 1 frame apart.
        film: error of the film itself.
    """

    start: int
    end: int
    error: float
    film: float


@dataclass(frozen=True)
class Summary:
    """The numbers of a film. Errors are defined at the head of the file; None: nothing to compare.

    Attributes:
        frames: number of frames.
        shots: number of shots.
        error: 1 frame apart.
        far_error: 5 frames apart.
        painted_error: 1 frame apart, of the paintings before they were blended.
        far_painted_error: 5 frames apart.
        film_error: 1 frame apart, of the film itself.
        far_film_error: 5 frames apart.
        detail: of the result (:func:`detail`).
        detail_kept: the share of that of the paintings before they were blended; None: not known.
        flicker: pieces that flicker.
    """

    frames: int
    shots: int
    error: float | None
    far_error: float | None
    painted_error: float | None
    far_painted_error: float | None
    film_error: float | None
    far_film_error: float | None
    detail: float
    detail_kept: float | None
    flicker: tuple[Flicker, ...]


class _Moment(NamedTuple):
    """A frame that later ones are compared with: pictures in one stack, brightness, motion.

    ``stack`` is (H, W, 3 K), the film, the result and perhaps the painting; ``flow`` leads to the
    previous frame, and is empty at a cut.
    """

    stack: Floats
    look: Floats
    flow: Floats | None


class FilmReport:
    """Collector of the numbers while a film is painted.

    Args:
        name: name of the film.
        level: level of steadiness.

    Example:
        >>> report = FilmReport("clip.mp4", "light")
        >>> for time in range(2):
        ...     report.add(Fraction(time, 25), *[np.zeros((64, 64, 3), np.float32)] * 2)
        >>> report.summary().error
        0.0
    """

    def __init__(self, name: str, level: str) -> None:
        self._name, self._level = name, level
        self._seconds: dict[int, Second] = {}
        self._resumed = False
        self._last: deque[_Moment] = deque(maxlen=1 + max(APART))

    def add(
        self, time: Fraction, image: Floats, result: Floats, painted: Floats | None = None
    ) -> None:
        """Add the next frame.

        Args:
            time: of the frame, in seconds.
            image: (H, W, 3) in [0, 1], as it was read.
            result: the same, as it is written.
            painted: the same, as it was painted, before it was blended with those before; None: not
                known.
        """
        sums = self._seconds.setdefault(int(time), Second())
        sums.frames += 1
        sums.details += detail(result)
        if painted is not None:
            sums.unblended += 1
            sums.sharp += detail(painted)
        moment = self._moment(image, result, result if painted is None else painted)
        if moment.flow is None:
            sums.cuts += not self._resumed
            self._last.clear()
        self._resumed = False
        self._last.append(moment)
        way = None
        for back in range(1, len(self._last)):
            flow = self._last[-back].flow
            if flow is None:
                break
            way = flow if way is None else compose(way, flow)
            if back in APART:
                self._compare(sums, moment, self._last[-back - 1], way, far=back != 1)

    def _moment(self, *pictures: Floats) -> _Moment:
        """The pictures of a frame, and the motion since the frame before unless a shot begins."""
        longest, factor = max(pictures[0].shape[:2]), 1
        while longest > _LARGEST * factor:
            factor *= 2
        stack = np.concatenate([shrink(picture, factor) for picture in pictures], axis=-1)
        film = stack[..., :3]
        look = gray(shrink(film, reduction(*film.shape[:2])))
        flow = None
        if self._last and self._last[-1].stack.shape == stack.shape:
            before = self._last[-1].look
            vectors = match_blocks(look, before)
            if not is_cut(look, before, vectors):
                flow = block_flow(look, before, vectors)
        return _Moment(stack, look, flow)

    def _compare(
        self, sums: Second, now: _Moment, then: _Moment, way: Floats, *, far: bool
    ) -> None:
        """Add the warping errors of two frames."""
        height, width = now.stack.shape[:2]
        factor = reduction(height, width)
        x, y = origins(way)
        seen = np.abs(warp(then.look, way, cubic=False) - now.look) < _FOUND
        seen &= (x >= 0) & (x <= way.shape[1] - 1) & (y >= 0) & (y <= way.shape[0] - 1)
        if not seen.any():
            return
        flow = np.stack(
            [enlarge(way[..., k], height, width, factor) for k in range(2)], axis=-1
        ) * np.float32(factor)
        mask = enlarge(seen.astype(np.float32), height, width, factor) > 0.5
        squares = (warp(then.stack, flow, cubic=False) - now.stack)[mask] ** 2
        film, result, painted = (
            float(np.sqrt(part.mean())) for part in np.split(squares, 3, axis=-1)
        )
        if far:
            sums.far_pairs += 1
            sums.far_film += film
            sums.far_result += result
            sums.far_painted += painted
        else:
            sums.pairs += 1
            sums.film += film
            sums.result += result
            sums.painted += painted

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the sums so far, without frames, so that a few are not compared at a seam."""
        rows = [list(asdict(sums).values()) for sums in self._seconds.values()]
        return {
            "seconds": np.array(list(self._seconds), np.int64),
            "sums": np.array(rows, np.float64).reshape(-1, len(fields(Second))),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Continue from the sums of another report of the same film."""
        rows = zip(state["seconds"].tolist(), state["sums"].tolist(), strict=True)
        self._seconds = {second: Second(*sums) for second, sums in rows}
        self._resumed = bool(self._seconds)
        self._last.clear()

    def summary(self) -> Summary:
        """The numbers of the frames so far."""
        parts = self._seconds.values()
        blended = _total(parts, "unblended") == _total(parts, "frames")
        return Summary(
            frames=int(_total(parts, "frames")),
            shots=int(_total(parts, "cuts")),
            error=_mean(parts, "result", "pairs"),
            far_error=_mean(parts, "far_result", "far_pairs"),
            painted_error=_mean(parts, "painted", "pairs") if blended else None,
            far_painted_error=_mean(parts, "far_painted", "far_pairs") if blended else None,
            film_error=_mean(parts, "film", "pairs"),
            far_film_error=_mean(parts, "far_film", "far_pairs"),
            detail=_mean(parts, "details", "frames") or 0.0,
            detail_kept=_mean(parts, "details", "sharp") if blended else None,
            flicker=tuple(_flicker(self._seconds)),
        )

    def write(self, path: Path) -> None:
        """Write Markdown to a file, and JSON, also of every second, to another beside it.

        Args:
            path: path of the Markdown; the other has the suffix ``.json``.

        Raises:
            VideoError: if one cannot be written.
        """
        summary = self.summary()
        about = {"film": self._name, "steady": self._level}
        seconds = [
            {
                "second": second,
                "frames": int(sums.frames),
                "error": _mean([sums], "result", "pairs"),
                "film_error": _mean([sums], "film", "pairs"),
            }
            for second, sums in sorted(self._seconds.items())
        ]
        table = json.dumps({**about, **asdict(summary), "seconds": seconds}, indent=1) + "\n"
        beside = path.with_suffix(".json")
        if beside == path:
            path = path.with_suffix(".md")
        for file, text in ((path, self._markdown(summary)), (beside, table)):
            try:
                write_whole(file, text.encode(), overwrite=True)
            except (OSError, ValueError) as error:
                raise VideoError(
                    f"{escaped(str(file))}: the report cannot be written: {one_line(error)}"
                ) from error

    def _markdown(self, summary: Summary) -> str:
        rows = [
            ("the painted film", summary.error, summary.far_error),
            ("before blending", summary.painted_error, summary.far_painted_error),
            ("the original film", summary.film_error, summary.far_film_error),
        ]
        shots = "1 shot" if summary.shots == 1 else f"{summary.shots} shots"
        lines = [
            f"# Steadiness of {escaped(self._name)}",
            "",
            f"Steadiness `{self._level}`, {summary.frames} frames, {shots}.",
            "",
            "| warping error | 1 frame apart | 5 frames apart |",
            "| --- | ---: | ---: |",
            *(f"| {name} | {_number(near)} | {_number(far)} |" for name, near, far in rows),
            "",
            f"Detail (mean Laplacian, of 255): {255 * summary.detail:.2f}",
        ]
        if summary.detail_kept is not None:
            lines[-1] += f"; {summary.detail_kept:.0%} of the painted detail is kept"
        lines[-1] += "."
        lines += ["", "## Where it flickers", ""]
        if not summary.flicker:
            lines.append(f"No second has {_MUCH} times the median error.")
            return "\n".join(lines) + "\n"
        lines += [
            "| from | to | 1 frame apart | the original film |",
            "| ---: | ---: | ---: | ---: |",
        ]
        lines += [
            f"| {_clock(each.start)} | {_clock(each.end)} | {each.error:.4f} | {each.film:.4f} |"
            for each in summary.flicker
        ]
        return "\n".join(lines) + "\n"


def detail(image: Floats) -> float:
    """The mean absolute Laplacian of brightness, in [0, 1]: how much fine detail an image has.

    Args:
        image: (H, W, 3) in [0, 1].
    """
    look = gray(image)
    middle = look[1:-1, 1:-1]
    around = look[1:-1, 2:] + look[1:-1, :-2] + look[2:, 1:-1] + look[:-2, 1:-1]
    return float(np.abs(around - 4 * middle).mean()) / 255


def _total(parts: Iterable[Second], name: str) -> float:
    """Sum a field over seconds."""
    return float(sum(getattr(each, name) for each in parts))


def _mean(parts: Iterable[Second], name: str, count: str) -> float | None:
    """Divide the sum of a field by that of another; None if there is nothing to divide by."""
    parts = list(parts)
    by = _total(parts, count)
    return _total(parts, name) / by if by else None


def _flicker(seconds: dict[int, Second]) -> list[Flicker]:
    """Runs of seconds whose error is far above the median: the worst, in order."""
    errors = {k: each.result / each.pairs for k, each in sorted(seconds.items()) if each.pairs}
    if not errors:
        return []
    limit = _MUCH * median(errors.values())
    runs: list[list[int]] = []
    for second in (k for k, error in errors.items() if error > limit):
        if runs and runs[-1][-1] == second - 1:
            runs[-1].append(second)
        else:
            runs.append([second])
    found = [_run(seconds, run) for run in runs]
    worst = sorted(found, key=lambda each: -each.error)[:_MOST]
    return sorted(worst, key=lambda each: each.start)


def _run(seconds: dict[int, Second], run: Sequence[int]) -> Flicker:
    parts = [seconds[k] for k in run]
    error, film = (_mean(parts, name, "pairs") or 0.0 for name in ("result", "film"))
    return Flicker(run[0], run[-1] + 1, error, film)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def _clock(seconds: int) -> str:
    return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
