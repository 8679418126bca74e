"""Command ``impasto video``: a film in a style, from file to file."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from impasto.batch.inputs import STDIO
from impasto.cli import FAILED, completion
from impasto.cli.lines import say
from impasto.cli.options import FilmModelOptions, StyleOptions, options_of, progress_bar
from impasto.controls import Controls
from impasto.errors import OptionError, counted
from impasto.images.options import ReadOptions, SaveOptions, option
from impasto.video.options import VideoOptions
from impasto.video.timeline import Timeline, parse_timeline, read_timeline, time_text

if TYPE_CHECKING:
    from impasto.painting import Progress
    from impasto.video.film import FilmWork

# Frames of a preview.
_SAMPLES = 6


@dataclass(frozen=True, kw_only=True)
class FilmTask(StyleOptions):
    """Options of the styles and the result of a call.

    Attributes:
        out: the result.
        style_at: the times at which styles begin.
        alpha_at: strengths at times.
        fade: seconds of the transition from a style to the next.
        timeline: a file with all of these.
        preview: a picture of a few frames, in place of the film.
        quiet: print errors only.
    """

    out: str | None = option(
        None,
        "Result: .mp4, .mov, .mkv or .webm, .gif, .webp or .png (animated), a folder or a pattern "
        "(shot-%04d.png) of pictures; - for stdout: YUV4MPEG2, or Matroska with --codec.",
        short="-o",
        metavar="OUT",
        complete="file",
        shown="FILM-STYLE beside the film",
    )
    style_at: Sequence[str] = option(
        (), "Switch to a style at a time, such as 0:05=munch-scream.", metavar="TIME=STYLE"
    )
    alpha_at: Sequence[str] = option(
        (),
        "Strength at a time, such as 0:05=0.3; it changes linearly to the next.",
        metavar="TIME=A",
    )
    fade: float = option(0.0, "Duration of the crossfade to the next style.", metavar="SECONDS")
    timeline: Path | None = option(
        None,
        "File of styles and strengths over time (TOML).",
        metavar="FILE",
        complete="toml",
    )
    preview: Path | None = option(
        None,
        "Write a picture of a few frames, each above its painted version, instead of the film.",
        metavar="FILE",
    )
    quiet: bool = option(False, "Print errors only.", short="-q")

    def over_time(self) -> Timeline | None:
        """Return the styles and strengths over time; None if they stay the same.

        Raises:
            OptionError: as :func:`impasto.video.timeline.parse_timeline`.
        """
        given = bool(self.style_at or self.alpha_at)
        if self.timeline is not None and given:
            raise OptionError(
                "--timeline cannot be combined with --style-at and --alpha-at: leave them out"
            )
        if not given and self.timeline is None:
            return None
        first = self.style[0] if self.style and (self.style_at or self.timeline) else None
        if first is not None and len(self.style) > 1:
            raise OptionError(
                f"{counted(len(self.style), 'style')} cannot be mixed if styles change over time: "
                "give one -s, the first style"
            )
        if self.timeline is not None:
            return read_timeline(self.timeline, first=first)
        return parse_timeline(
            self.style_at, self.alpha_at, fade=Fraction(str(self.fade)), first=first
        )


@click.command()
@click.argument("film", metavar="FILM", shell_complete=completion.films)
@options_of(
    task=FilmTask,
    video=VideoOptions,
    controls=Controls,
    read=ReadOptions,
    save=SaveOptions,
    model=FilmModelOptions,
    leave_out=("read.keep_gps", "read.value_range", "save.depth"),
)
def video(
    film: str,
    task: FilmTask,
    video: VideoOptions,
    controls: Controls,
    read: ReadOptions,
    save: SaveOptions,
    model: FilmModelOptions,
) -> int:
    """Paint a film in the style of a picture, keeping its sound, timing and colors.

    FILM is a film (MP4, MOV, MKV, WebM or any other format that FFmpeg reads), an animated GIF,
    WebP or PNG, a folder or a pattern of numbered pictures (shot-%04d.png), or - for standard
    input.

    Interrupted work is kept in the folder OUT.part; run the same command again to resume it. Masks
    (--mask) and maps of strength (--alpha) may be films too.

    \b
    impasto video clip.mp4 -s munch-scream -o painted.mp4
    impasto video clip.mp4 -s wave.jpg --from 0:12 --to 0:15 -o try.mp4
    impasto video clip.mp4 -s munch-scream --preview look.png
    impasto video clip.mp4 -s munch-scream --style-at 0:09=monet-waterlilies --fade 2 -o out.mp4
    impasto video shots/ -s munch-scream --rate 24 -o painted.mp4
    """
    timeline = task.over_time()
    video = replace(video, timeline=timeline, save=save, workers=model.threads)
    has_styles = timeline is not None and bool(timeline.keys)
    if not task.style and not has_styles:
        raise click.UsageError("there is no style: give -s STYLE, such as -s munch-scream")
    if task.preview is not None and task.out is not None:
        raise click.UsageError("--preview writes no film: leave out -o or --preview")
    source: Any = sys.stdin.buffer if film == STDIO else film
    target: Any = None
    if task.preview is None:
        target = sys.stdout.buffer if task.out == STDIO else _target(film, task, timeline)

    from impasto.video.film import FilmWork

    with progress_bar("loading the model", None, quiet=task.quiet) as bar:
        # Trained models paint several frames at once, each in one thread.
        one_each = model.bundle() is not None
        loaded = replace(model, threads=1 if one_each else model.threads).load()
        bar.update()
    style = None if has_styles else list(task.style)
    with FilmWork(loaded, source, target, style, controls, video=video, read=read) as work:
        if task.preview is not None:
            return _preview(work, task.preview, save)
        return _paint(work, film, task)


def _paint(work: FilmWork, film: str, task: FilmTask) -> int:
    begin = perf_counter()
    resumed, told = work.resumed, task.quiet
    total = work.frames
    if resumed and not task.quiet:
        say(f"impasto: resuming after {counted(resumed, 'frame')} of an earlier run", err=True)
    with progress_bar(Path(film).name, total, quiet=task.quiet, done=resumed) as bar:
        bar.bar_format = None if total is None else _BAR

        def watch(progress: Progress) -> None:
            nonlocal told
            bar.update(progress.step - bar.n)
            if not told and progress.step - resumed > 2 * work.crew.workers:
                told = True
                say(_forecast(work, film, progress.step - resumed, begin), err=True, bar=bar)

        try:
            made = work.run(watch)
        except KeyboardInterrupt:
            if work.is_kept:
                say(
                    "impasto: the work so far is kept; run the same command again to resume",
                    err=True,
                )
            raise
    if not task.quiet:
        for remark in made.remarks:
            say(f"impasto: {film}: {remark}", err=True)
        painted = made.frames - made.resumed
        rate = f", {painted / made.seconds:.1f} a second" if painted > 1 else ""
        say(
            f"{made.path or 'standard output'}: {counted(made.frames, 'frame')} of {made.width} x "
            f"{made.height} in {made.seconds:.1f} s{rate}",
            err=made.path is None,
        )
    return 0


def _forecast(work: FilmWork, film: str, painted: int, begin: float) -> str:
    """Describe the expected work early on: frames, size, time."""
    each = (perf_counter() - begin) / painted
    size = f"{work.width} x {work.height} pixels"
    if work.frames is None:
        return f"impasto: {film}: frames of {size}, about {1 / each:.1f} a second"
    left = Fraction(round(each * max(0, work.frames - work.resumed)))
    return (
        f"impasto: {film}: {counted(work.frames, 'frame')} of {size}, about "
        f"{1 / each:.1f} a second: {time_text(left)}"
    )


def _preview(work: FilmWork, path: Path, save: SaveOptions) -> int:
    from impasto.images.writing import check_target, write_image
    from impasto.video.preview import contact_sheet

    check_target(path, overwrite=save.overwrite)
    frames = [
        (each.frame.time, each.photo, each.frame.image)
        for each in work.sample(_SAMPLES)
        if each.photo is not None
    ]
    if not frames:
        say(f"impasto: {work.info.name}: has no frame that can be decoded", err=True)
        return FAILED
    write_image(contact_sheet(frames), path, save=save)
    say(f"{path}: {counted(len(frames), 'frame')}")
    return 0


def _target(film: str, task: FilmTask, timeline: Timeline | None) -> Path:
    """Path of the result: as given, or beside the film, named after film and style."""
    if task.out is not None:
        return Path(task.out)
    if film == STDIO:
        raise click.UsageError("a film from standard input needs an output file: give -o OUT")
    names = task.style or [str(key.style) for key in (timeline.keys if timeline else ())]
    label = "+".join(dict.fromkeys(Path(name).stem for name in names))
    path = Path(film)
    if path.is_dir() or "%" in path.name or "*" in path.name:
        raise click.UsageError(
            "numbered pictures need an output file: give -o OUT, such as -o film.mp4"
        )
    written = (".mp4", ".mov", ".mkv", ".webm", ".gif", ".webp", ".png")
    suffix = path.suffix if path.suffix.lower() in written else ".mp4"
    return path.with_name(f"{path.stem}-{label}{suffix}")


_BAR = "{desc:<32.32} {bar} {percentage:3.0f} % {n}/{total} {rate_fmt} {elapsed}<{remaining}"
