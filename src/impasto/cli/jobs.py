"""Painting what a plan says: with bars, a line for each picture, and what went wrong."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.batch.inputs import STDIO
from impasto.batch.outputs import Job, Plan
from impasto.cli.methods import MethodOptions
from impasto.cli.options import given
from impasto.cli.painting import PaintingOptions, about, read_style, short_name
from impasto.errors import ImageError, ImpastoError, OptionError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impasto.batch.run import Tally
    from impasto.images.photo import Photo
    from impasto.styles.style import Style
    from impasto.stylizer import Stylizer


def paint_jobs(
    made: Plan,
    tally: Tally,
    *,
    size: int | None,
    depth: int | None,
    keep_gps: bool,
    tiling: dict[str, Any],
    options: dict[str, Any],
    method: MethodOptions,
    common: PaintingOptions,
) -> None:
    """Paint what a plan says and is not done, and say how it goes.

    Args:
        made: the plan.
        tally: counts what was painted, and what was not.
        size: shorter side of the results in pixels; None: that of the photographs.
        depth: bits a channel of the results; None: by photograph and format.
        keep_gps: keep the place where a photograph was taken.
        tiling: ``tile`` and ``memory`` of :meth:`impasto.stylizer.Stylizer.paint`, where given.
        options: further ones of it.
        method: what is asked of a method of the lab.
        common: what all commands that paint take.

    Raises:
        ImpastoError: if nothing can be painted at all. What fails with one picture is told and
            counted.
    """
    skipped, names = _to_do(made)
    if skipped == len(made):
        tally.skipped += skipped
        return

    from impasto.batch import run as batch
    from impasto.images.photo import fit_photo

    remarks: dict[str, str] = {}

    def read(source: str) -> Photo:
        photo = common.read(source, keep_gps=keep_gps)
        if photo.remark:
            remarks[source] = photo.remark
        return fit_photo(photo, size)

    def write(photo: Photo, image: NDArray[np.float32], job: Job) -> None:
        if job.target is not None:
            _make_folder(job.target.parent)
        common.write(photo.rendered(image), job, depth=depth)

    with common.progress("loading the model", 1 + len(names)) as bar:
        stylizer = common.load(method.vgg)
        styles: dict[str, Style | Photo | str] = {}
        for name in names:
            bar.update()
            bar.set_description_str(f"style {short_name(name)}")
            try:
                styles[name] = _style(stylizer, name, common, color=options.get("color"))
            except OptionError:
                raise
            except ImpastoError as error:
                if len(made.mixtures) == 1:  # nothing can be painted
                    raise
                styles[name] = problem = " ".join(str(error).split())
                tally.add_problem(problem)
                bar.write(f"impasto: {problem}", file=sys.stderr)
    if made.place not in (None, STDIO) and not made.is_file:
        try:
            _make_folder(Path(made.place or ""))
        except ImageError as error:  # which would stop every picture
            raise OptionError(str(error)) from error

    particular = method.of(common.model)
    with common.progress("painting", len(made), done=skipped) as bar:
        if not stylizer.keeps_styles:
            particular["watch"] = method.watcher(bar)

        def start(job: Job) -> None:
            style = f", {short_name(job.styles[0])}" if len(made.mixtures) > 1 else ""
            bar.set_description_str(short_name(job.source) + style)

        def in_tiles(job: Job) -> bool:
            if job.source == STDIO or job.target is None:
                return False
            wish = given(size=size, memory=tiling.get("memory"), max_pixels=common.max_pixels)
            return "tile" in tiling or not stylizer.fits(job.source, **wish)

        def paint_file(job: Job, values: Sequence[Style | Photo]) -> tuple[float, float, float]:
            assert job.target is not None  # as in_tiles says
            _make_folder(job.target.parent)
            with common.progress(f"{short_name(job.source)}, tiles", None, below=1) as tiles:

                def watch(done: int, steps: int) -> None:
                    tiles.total = steps
                    tiles.update(done - tiles.n)

                written = stylizer.stylize_file(
                    job.source,
                    job.target,
                    values,
                    size=size,
                    keep_gps=keep_gps,
                    overwrite=common.overwrite,
                    watch=watch,
                    **options,
                    **tiling,
                    **given(max_pixels=common.max_pixels, quality=common.quality, depth=depth),
                )
            if written.remark:
                remarks[job.source] = written.remark
            return written.encode_seconds, written.align_seconds, written.decode_seconds

        for outcome in batch.run(
            stylizer,
            made.groups(),
            styles,
            read=read,
            write=write,
            tiles=batch.Tiles(in_tiles, paint_file),
            start=start,
            options=options | tiling | particular,
        ):
            new = tally.add(outcome)
            if new:
                bar.write(f"impasto: {outcome.problem}", file=sys.stderr)
            elif outcome.seconds and not common.quiet:
                (job,) = outcome.jobs
                line = _result_line(job, outcome.seconds, stylizer, remarks.get(job.source))
                bar.write(line, file=sys.stderr if job.target is None else sys.stdout)
            if outcome.problem or outcome.seconds:
                bar.update(len(outcome.jobs))


def _to_do(made: Plan) -> tuple[int, Sequence[str]]:
    """How many pictures are done, and the styles of the others."""
    if made.existing != "skip":
        return 0, tuple(dict.fromkeys(name for mixture in made.mixtures for name in mixture))
    skipped = 0
    names: dict[str, None] = {}
    for jobs in made.groups():
        for job in jobs:
            skipped += job.done
            if not job.done:
                names.update(dict.fromkeys(job.styles))
    return skipped, tuple(names)


def _style(
    stylizer: Stylizer, name: str, common: PaintingOptions, *, color: str | None
) -> Style | Photo:
    from impasto.styles.style import Style

    style = read_style(stylizer, name, common, color=color)
    if color is not None or isinstance(style, Style) or not stylizer.keeps_styles:
        return style  # each photograph changes the style's colors first, or it is used as it is
    return about(name, partial(stylizer.style, style, size=None))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(f"{folder}: cannot be made ({error.strerror})") from error


def _result_line(
    job: Job, seconds: tuple[float, float, float], stylizer: Stylizer, remark: str | None
) -> str:
    target = "standard output" if job.target is None else job.target
    encode, align, decode = seconds
    return (
        f"{target}: encode {encode:.3f} s, align {align:.3f} s, decode {decode:.3f} s "
        f"({stylizer.card.name}, {stylizer.engine.name} {stylizer.engine.precision})"
        + (f"; {remark}" if remark else "")
    )
