"""Paint one job after the other; what fails is told, and the others are still done."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.batch.outputs import Job, error_line
from impasto.controls.color.matching import paints
from impasto.errors import ImpastoError, OptionError
from impasto.images.photo import Photo
from impasto.painting.steps import Content
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

FAILURES = (ImpastoError, OSError, MemoryError)
"""What one picture may raise; any other error is a defect of ours."""

FATAL = (BrokenPipeError, OptionError)
"""Those among them that the next picture would raise too."""

Write: TypeAlias = Callable[[Photo, NDArray[np.float32], Job], None]


@dataclass(frozen=True)
class Tiles:
    """How pictures are painted that are too large to be read at once.

    Attributes:
        needed: whether a job is one of those.
        paint: paints it from file to file, in styles that are ready, and gives its times as an
            :class:`Outcome` has them.
    """

    needed: Callable[[Job], bool]
    paint: Callable[[Job, Sequence[Style | Photo]], tuple[float, float, float]]


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of jobs of one photograph.

    Attributes:
        jobs: which; one, or several that have failed or are skipped for one reason.
        seconds: how long it took to encode, to align and to decode the picture, which is written
            already.
        problem: why there is none, in one line that begins with the file it is about. If both are
            missing, the pictures were there before.
    """

    jobs: tuple[Job, ...]
    seconds: tuple[float, float, float] | None = None
    problem: str = ""


@dataclass
class Tally:
    """The sum of outcomes.

    Attributes:
        painted: how many pictures were painted.
        skipped: how many were there before.
        problems: how many pictures are missing for each reason.
    """

    painted: int = 0
    skipped: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """How many pictures are missing."""
        return sum(self.problems.values())

    def add(self, outcome: Outcome) -> bool:
        """Count an outcome; whether it has a problem that was not known before."""
        count = len(outcome.jobs)
        if outcome.problem:
            return self.add_problem(outcome.problem, count)
        if outcome.seconds is None:
            self.skipped += count
        else:
            self.painted += count
        return False

    def add_problem(self, problem: str, count: int = 0) -> bool:
        """Note why ``count`` pictures are missing; whether that was not known before."""
        new = problem not in self.problems
        self.problems[problem] = self.problems.get(problem, 0) + count
        return new

    def summary(self, seconds: float) -> list[str]:
        """A line of numbers, then one for each problem.

        Example:
            >>> Tally(painted=2, skipped=1).summary(3.21)
            ['2 painted, 1 skipped in 3.2 s']
        """
        parts = [f"{self.painted} painted"]
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        if self.problems:
            parts.append(f"{self.failed} failed")
        lines = [", ".join(parts) + f" in {seconds:.1f} s"]
        for problem, count in self.problems.items():
            lines.append(f"  {problem}" + (f" ({count} pictures)" if count > 1 else ""))
        return lines


def run(
    model: Stylizer,
    groups: Iterable[Sequence[Job]],
    styles: Mapping[str, Style | Photo | str],
    *,
    read: Callable[[str], Photo],
    write: Write,
    start: Callable[[Job], object],
    options: Mapping[str, Any],
    tiles: Tiles | None = None,
) -> Iterator[Outcome]:
    """Paint what is not done yet, and write every picture before the next is begun.

    A photograph is read and encoded once for all its jobs, and forgotten after them.

    Args:
        model: what paints.
        groups: the jobs of one photograph after the other.
        styles: for each name in a job the style, or the line that says why there is none.
        read: gives a photograph at the size at which it is painted.
        write: takes a photograph, its painted image and the job that this is for.
        start: called before a job is begun.
        options: for :meth:`impasto.stylizer.Stylizer.paint`.
        tiles: what paints pictures that are too large for it; None: there are none.

    Returns:
        Outcomes, as they come; together they cover every job once.

    Raises:
        OptionError: if an option is out of range, which is the same for every picture.
        BrokenPipeError: if nobody reads what is written.
    """
    for jobs in groups:
        done = tuple(job for job in jobs if job.done)
        if done:
            yield Outcome(done)
        bad: dict[str, list[Job]] = {}
        todo: list[Job] = []
        for job in jobs:
            if not job.done:
                values = [styles[name] for name in job.styles]
                problem = next((each for each in values if isinstance(each, str)), "")
                (bad.setdefault(problem, []) if problem else todo).append(job)
        for problem, missing in bad.items():
            yield Outcome(tuple(missing), problem=problem)
        if todo:
            yield from _photograph(model, todo, styles, read, write, start, options, tiles)


def _photograph(
    model: Stylizer,
    jobs: Sequence[Job],
    styles: Mapping[str, Any],
    read: Callable[[str], Photo],
    write: Write,
    start: Callable[[Job], object],
    options: Mapping[str, Any],
    tiles: Tiles | None,
) -> Iterator[Outcome]:
    start(jobs[0])
    photo: Photo | None = None
    image: NDArray[np.float32] | Content
    encoding_once = 0.0
    try:
        if tiles is None or not tiles.needed(jobs[0]):
            photo = read(jobs[0].source)
            image, opacity = photo.image, photo.alpha
            if len(jobs) > 1 and paints(options.get("color")):
                begin = perf_counter()
                image, opacity = model.encode(photo.image, opacity=photo.alpha), None
                encoding_once = perf_counter() - begin
    except FATAL:
        raise
    except FAILURES as error:
        yield Outcome(tuple(jobs), problem=error_line(error, jobs[0]))
        return
    for job in jobs:
        start(job)
        values = [styles[name] for name in job.styles]
        try:
            if photo is None:
                assert tiles is not None
                times = tiles.paint(job, values)
            else:
                painted = model.paint(image, values, opacity=opacity, **options)
                write(photo, painted.image, job)
                encoding = encoding_once + painted.encode_seconds
                times = encoding, painted.align_seconds, painted.decode_seconds
                # The time of what was done once for all stands in the first of them.
                encoding_once = 0.0
                del painted  # no picture is kept while the next is made
        except FATAL:
            raise
        except FAILURES as error:
            yield Outcome((job,), problem=error_line(error, job))
        else:
            yield Outcome((job,), times)
