"""The loop over many pictures: read, paint and write one after the other; outcomes are values.

A photograph is opened and encoded once for all its pictures, and then released. A failure of one
picture is an outcome like any other, and the loop continues.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from time import perf_counter

from impasto.batch.inputs import STDIO
from impasto.batch.outputs import Job, error_line, is_done, new_folder, reserved
from impasto.controls import Controls
from impasto.errors import ImpastoError, OptionError, StyleError, escaped
from impasto.images.options import ReadOptions, SaveOptions
from impasto.images.photo import Photo
from impasto.images.sources import OpenPicture, open_picture
from impasto.painting import Budget, Content, Watch
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

FAILURES = (ImpastoError, OSError, MemoryError)
"""Errors that one picture may raise; any other error is a bug."""

FATAL = (BrokenPipeError, OptionError)
"""Errors among them that stop the loop, since the next picture would raise them too."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A style that is ready to use, or the error from preparing it.

    Attributes:
        name: as given by a user.
        value: the style, or its picture where a color method or the model needs that; or the error,
            with its reason in one line.
        remark: which of several pictures in its file was read, "" for a file of one.
    """

    name: str
    value: Style | Photo | ImpastoError
    remark: str = ""


@dataclass(frozen=True, eq=False)
class Outcome:
    """Result of a picture that was painted, or of pictures that failed or existed before.

    Attributes:
        jobs: one, or several that failed or were skipped for one reason.
        seconds: times of encoding, alignment and decoding. Time that is spent once for all pictures
            of a photograph is added to the first of them.
        remark: information that was lost in reading the photograph, and about the result's name;
            "" for none.
        problem: the reason for a failure, in one line that begins with the failed file. If there
            are neither seconds nor a problem, the pictures existed before.
        elsewhere: True if they did not exist, but another running call paints them.
    """

    jobs: tuple[Job, ...]
    seconds: tuple[float, float, float] | None = None
    remark: str = ""
    problem: str = ""
    elsewhere: bool = False


@dataclass
class Tally:
    """Counts of outcomes.

    Attributes:
        painted: number of pictures that were painted.
        skipped: number of pictures that existed before, or that another call paints.
        elsewhere: number of the latter.
        problems: number of missing pictures for each reason.
    """

    painted: int = 0
    skipped: int = 0
    elsewhere: int = 0
    problems: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Number of missing pictures."""
        return sum(self.problems.values())

    def add(self, outcome: Outcome) -> bool:
        """Count an outcome; return True if it has a new problem."""
        count = len(outcome.jobs)
        if outcome.problem:
            return self.add_problem(outcome.problem, count)
        if outcome.seconds is None:
            self.skipped += count
            self.elsewhere += count if outcome.elsewhere else 0
        else:
            self.painted += count
        return False

    def add_problem(self, problem: str, count: int = 0) -> bool:
        """Count ``count`` pictures as missing for a reason; return True if the reason is new."""
        new = problem not in self.problems
        self.problems[problem] = self.problems.get(problem, 0) + count
        return new

    def summary(self, seconds: float) -> list[str]:
        """Return a line of counts, then a line for each problem.

        Example:
            >>> Tally(painted=2, skipped=1).summary(3.21)
            ['2 painted, 1 skipped in 3.2 s']
        """
        parts = [f"{self.painted} painted"]
        if self.skipped:
            others = f" ({self.elsewhere} by another process)" if self.elsewhere else ""
            parts.append(f"{self.skipped} skipped{others}")
        if self.problems:
            parts.append(f"{self.failed} failed")
        lines = [", ".join(parts) + f" in {seconds:.1f} s"]
        for problem, count in self.problems.items():
            lines.append(f"  {problem}" + (f" ({count} pictures)" if count > 1 else ""))
        return lines


def prepare_styles(
    model: Stylizer, names: Iterable[str], controls: Controls, read: ReadOptions
) -> Iterator[Prepared]:
    """Find or read styles lazily, one after the other.

    Args:
        model: the loaded model.
        names: of styles, of files, or ``-``.
        controls: to use them with.
        read: options for reading.

    Raises:
        OptionError: if an option is out of range, which is the same for every style.
    """
    for name in names:
        remark = ""
        try:
            found = model.find(sys.stdin.buffer if name == STDIO else name)
            if isinstance(found, Style):
                style = model.prepare(found, controls, read)
            else:
                with open_picture(found, **read.opening) as picture:
                    photo, remark = picture.photo(), picture.pages
                style = model.prepare(photo, controls, read)
        except (OptionError, BrokenPipeError):
            raise
        except StyleError as error:
            yield Prepared(name, error)
        except FAILURES as error:
            yield Prepared(name, ImpastoError(error_line(error, name)))
        else:
            yield Prepared(name, style, remark)


def run(
    model: Stylizer,
    groups: Iterable[Sequence[Job]],
    styles: Mapping[str, Style | Photo | ImpastoError],
    controls: Controls,
    *,
    read: ReadOptions = ReadOptions(),
    save: SaveOptions = SaveOptions(),
    budget: Budget = Budget(),
    watch: Watch | None = None,
) -> Iterator[Job | Outcome]:
    """Paint the jobs that are not done, and write every picture before the next is started.

    Args:
        model: the loaded model.
        groups: the jobs of one photograph after the other.
        styles: for each name in a job the style, or the error of preparing it.
        controls: strength, weights, masks and colors; maps must be open.
        read: sizes, and the handling of the photographs' metadata.
        save: quality and depth of the results.
        budget: memory and tiles.
        watch: called after every step.

    Returns:
        Events in order: every job before it is started, and outcomes, which together cover every
        job once.

    Raises:
        OptionError: if an option is out of range, which is the same for every picture.
        BrokenPipeError: if standard output is closed.
    """
    for jobs in groups:
        done = tuple(job for job in jobs if job.done)
        if done:
            yield Outcome(done)
        failed: dict[str, list[Job]] = {}
        ready: list[tuple[Job, list[Style | Photo]]] = []
        for job in jobs:
            values: list[Style | Photo] = []
            problem = ""
            for value in (styles[name] for name in job.styles if not job.done):
                if isinstance(value, ImpastoError):
                    problem = problem or escaped(str(value))
                else:
                    values.append(value)
            if problem:
                failed.setdefault(problem, []).append(job)
            elif not job.done:
                ready.append((job, values))
        for problem, missing in failed.items():
            yield Outcome(tuple(missing), problem=problem)
        if ready:
            yield from _paint_photograph(model, ready, controls, read, save, budget, watch)


def _paint_photograph(
    model: Stylizer,
    ready: Sequence[tuple[Job, list[Style | Photo]]],
    controls: Controls,
    read: ReadOptions,
    save: SaveOptions,
    budget: Budget,
    watch: Watch | None,
) -> Iterator[Job | Outcome]:
    opened: tuple[OpenPicture, Content] | None = None
    shared = 0.0
    with ExitStack() as files:
        for index, (wanted, styles) in enumerate(ready):
            with ExitStack() as names:
                try:
                    job = _hold_name(wanted, names)
                except FAILURES as error:
                    yield Outcome((wanted,), problem=error_line(error, wanted.photo, wanted.target))
                    continue
                if job is None:
                    yield Outcome((wanted,), elsewhere=not is_done(wanted.target))
                    continue
                yield job
                start = perf_counter()
                try:
                    if opened is None:
                        source = sys.stdin.buffer if job.photo == STDIO else job.photo
                        picture = files.enter_context(open_picture(source, **read.opening))
                        opened = (
                            picture,
                            model.encode_picture(
                                picture, controls, job.target, read, save, budget, watch
                            ),
                        )
                except FATAL:
                    raise
                except FAILURES as error:
                    jobs = (job, *(other for other, _ in ready[index + 1 :]))
                    yield Outcome(jobs, problem=error_line(error, job.photo, job.target))
                    return
                shared += perf_counter() - start
                outcome = _paint(model, job, *opened, styles, controls, save, watch)
            if outcome.seconds:
                encode, align, decode = outcome.seconds
                outcome = replace(outcome, seconds=(shared + encode, align, decode))
                shared = 0.0
            yield outcome


def _hold_name(job: Job, names: ExitStack) -> Job | None:
    """Hold the name of a result until ``names`` is closed; None if the job is to be skipped."""
    if job.target is not None and not job.target.parent.is_dir():
        names.enter_context(new_folder(job.target.parent))
    return names.enter_context(reserved(job))


def _paint(
    model: Stylizer,
    job: Job,
    picture: OpenPicture,
    content: Content,
    styles: Sequence[Style | Photo],
    controls: Controls,
    save: SaveOptions,
    watch: Watch | None,
) -> Outcome:
    remarks = [job.remark]
    if job.target is not None and os.path.lexists(job.target):
        if job.existing == "skip":  # an empty file left by a killed call, or a dangling link
            save = replace(save, overwrite=True)
        elif job.existing == "replace" and job.target.is_file() and job.target.stat().st_nlink > 1:
            remarks.append("the old file remains under its other names (hard links)")
    try:
        target = job.target or sys.stdout.buffer
        written = model.write(content, picture, target, styles, controls, save, watch)
    except FATAL:
        raise
    except FAILURES as error:
        if isinstance(error.__cause__, BrokenPipeError):  # of standard output
            raise error.__cause__ from None
        if job.existing == "skip" and is_done(job.target):  # where calls cannot see each other
            return Outcome((job,), elsewhere=True)
        return Outcome((job,), problem=error_line(error, job.photo, job.target))
    seconds = written.encode_seconds, written.align_seconds, written.decode_seconds
    remark = "; ".join(each for each in (written.remark, *remarks) if each)
    return Outcome((job,), seconds, remark)
