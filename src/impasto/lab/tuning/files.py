"""Tune many styles into files; complete results of an earlier run are kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from time import perf_counter

from impasto.controls.descreen import COMB
from impasto.errors import ImageError, StyleError, one_line
from impasto.images.options import ReadOptions
from impasto.images.photo import fit_photo, read_photo
from impasto.images.sources import open_picture
from impasto.lab.tuning.fitting import Tuner
from impasto.lab.tuning.judge import Judge
from impasto.models import Bundle
from impasto.styles.files import load_style, save_style
from impasto.styles.style import Style, make_thumbnail
from impasto.stylizer import stylizer_of

VERSION = 1
"""Version of the procedure: results of an earlier version are not reused."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A style to tune and its file.

    Attributes:
        name: of the style.
        picture: its picture file, the target of the style loss.
        target: the style file.
        start: the initial style; None: the model's own prediction for the picture.
        note: origin of the picture.
        thumbnail: whether a thumbnail of the picture is kept.
    """

    name: str
    picture: Path
    target: Path
    start: Style | None = None
    note: str = ""
    thumbnail: bool = True


@dataclass(frozen=True, eq=False)
class Result:
    """A finished job.

    Attributes:
        job: the job.
        style: the style in its file.
        seconds: duration; None if it existed before.
    """

    job: Job
    style: Style
    seconds: float | None = None


class Workshop:
    """A model for which styles are tuned into files."""

    def __init__(
        self, bundle: Bundle, judge: Judge, *, style_size: int | None = ReadOptions.style_size
    ) -> None:
        """Set up; larger pictures are reduced to the shorter side ``style_size``.

        Nothing is opened until there is something to tune.
        """
        self.bundle, self.judge, self.style_size = bundle, judge, style_size

    @cached_property
    def tuner(self) -> Tuner:
        """The model; ``ModelError`` where its styles cannot be tuned."""
        return Tuner(self.bundle, self.judge)

    def recipe(self, job: Job) -> str:
        """Return a hash of everything that determines the result of a job, except its note.

        Raises:
            ImageError: if its picture cannot be read.
        """
        try:
            picture = hashlib.sha256(job.picture.read_bytes()).hexdigest()
        except OSError as error:
            raise ImageError(
                f"{one_line(job.picture)}: cannot be read ({one_line(error)})"
            ) from error
        options = asdict(self.judge.options)
        if all(level.name != COMB for level in self.bundle.card.levels):
            del options["comb"]
        facts = {
            "version": VERSION,
            "model": self.bundle.identity,
            "picture": picture,
            "style_size": self.style_size,
            "judge": self.judge.identity,
            **options,
        }
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
        for level in () if job.start is None else job.start.moments:
            digest.update(level.mean.tobytes() + level.std.tobytes())
        return digest.hexdigest()[:16]

    def found(self, job: Job) -> Style | None:
        """Return the complete result of a job from an earlier run, or None.

        Raises:
            ImageError: as :meth:`recipe`.
        """
        if not job.target.is_file():
            return None
        try:
            style = load_style(job.target)
        except StyleError:
            return None
        same = style.tuned is not None and style.tuned.recipe == self.recipe(job)
        return style if same else None

    def check(self, jobs: Sequence[Job], *, overwrite: bool) -> None:
        """Check for errors before anything is tuned.

        Raises:
            ImageError: if a picture cannot be read.
            StyleError: if two jobs have one target, or a file exists that these jobs did not write
                and may not replace.
        """
        taken: dict[Path, Job] = {}
        for job in jobs:
            if (other := taken.setdefault(job.target, job)) is not job:
                raise StyleError(
                    f"{one_line(other.picture)} and {one_line(job.picture)} would both be "
                    f"{one_line(job.target)}; tune them separately, under different names"
                )
            with open_picture(job.picture):
                pass
            if not job.target.parent.is_dir():
                raise StyleError(
                    f"{one_line(job.target)}: there is no folder {one_line(job.target.parent)}; "
                    "create it first"
                )
            if job.target.exists() and not overwrite and self.found(job) is None:
                raise StyleError(
                    f"{one_line(job.target)}: already exists, but was not made by this command "
                    "with these pictures and settings; give another name or pass --overwrite "
                    "(overwrite=True)"
                )

    def run(
        self,
        jobs: Sequence[Job],
        *,
        overwrite: bool = False,
        watch: Callable[[Job, int, int], object] | None = None,
    ) -> Iterator[Result]:
        """Tune one style after the other; each is written atomically when it is finished.

        Args:
            jobs: the styles; results of an earlier run with the same pictures and settings are
                reused.
            overwrite: replace other files of the targets' names.
            watch: called after every step with the job, the step's number and the total.

        Raises:
            ImageError: as :meth:`check`, or if a picture is too small.
            ModelError: if styles of the model cannot be tuned.
            StyleError: as :meth:`check`, or if a file cannot be written.
        """
        self.check(jobs, overwrite=overwrite)
        for job in jobs:
            if (style := self.found(job)) is not None:
                yield Result(job, style)
                continue
            begin = perf_counter()
            save_style(self._tuned(job, watch), job.target, overwrite=overwrite)
            yield Result(job, load_style(job.target), perf_counter() - begin)

    def _tuned(self, job: Job, watch: Callable[[Job, int, int], object] | None) -> Style:
        photo = read_photo(job.picture)
        thumbnail = make_thumbnail(photo) if job.thumbnail else None
        photo = fit_photo(photo, self.style_size, enlarge=False)
        start = job.start
        if start is None:
            stylizer = stylizer_of(self.bundle, self.tuner.engine)
            start = stylizer.style(photo, size=None)

        def step(done: int, count: int) -> None:
            if watch is not None:
                watch(job, done, count)

        tuned = self.tuner.tune(start, photo, recipe=self.recipe(job), watch=step)
        return replace(
            tuned,
            name=job.name,
            note=job.note,
            thumbnail=thumbnail,
            model_name=self.bundle.card.name,
        )
