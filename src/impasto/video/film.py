"""From file to file: a film is read, painted frame by frame, and written."""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, BinaryIO

import numpy as np

from impasto.controls import Controls
from impasto.controls.masks import PictureMask
from impasto.errors import ImageError, OptionError, VideoError, one_line
from impasto.images.files import claim
from impasto.images.options import MIN_SIDE, ReadOptions
from impasto.images.photo import Photo
from impasto.images.resizing import scaled_size
from impasto.models.engine import available_cores
from impasto.painting import Progress, Watch
from impasto.styles.style import Style
from impasto.stylizer import Styles, Stylizer
from impasto.video.frames import Damage, Film, FilmInfo, Frame
from impasto.video.looks import Looks
from impasto.video.options import VideoOptions
from impasto.video.painting import (
    Crew,
    FramePainter,
    PaintedFrame,
    floats,
    named_state,
    part_of_state,
)
from impasto.video.pictures import is_pictures, open_pictures
from impasto.video.reading import open_film
from impasto.video.results import Result, open_result
from impasto.video.steady.report import FilmReport
from impasto.video.timeline import time_text

__all__ = ["FilmWork", "Filmed", "stylize_video"]


# Number of damaged places of a film that are reported individually.
_TOLD = 10


@dataclass(frozen=True)
class Filmed:
    """A film that was painted.

    Attributes:
        path: path of the result; None for a stream.
        frames: number of its frames.
        resumed: how many of them an earlier call had painted.
        height: height of its frames, in pixels.
        width: width of its frames.
        seconds: seconds that this call took.
        remarks: what was changed, damaged or lost on the way, one line each.
    """

    path: Path | None
    frames: int
    resumed: int
    height: int
    width: int
    seconds: float
    remarks: tuple[str, ...]


def stylize_video(
    model: Stylizer,
    source: str | os.PathLike[str] | BinaryIO,
    target: str | os.PathLike[str] | BinaryIO,
    style: Styles | None = None,
    controls: Controls = Controls(),
    *,
    video: VideoOptions = VideoOptions(),
    read: ReadOptions = ReadOptions(),
    watch: Watch | None = None,
) -> Filmed:
    """Paint a film in a style, from file to file: with its sound, its times and its colors.

    Interrupted work is kept in the folder ``TARGET.part``; the same call resumes it.

    Args:
        model: result of :func:`impasto.load`.
        source: a film, an animated picture, a folder or a pattern (``shot-%04d.png``) of numbered
            pictures, or a binary stream.
        target: the file to write: MP4, MOV, MKV or WebM, GIF, WebP or PNG (animated), by its
            suffix; a folder or a pattern of numbered pictures; or a binary stream, which gets
            YUV4MPEG2, or Matroska if a codec is given.
        style: as for :meth:`impasto.stylizer.Stylizer.stylize`; None if ``video.timeline`` has the
            styles.
        controls: strength, weights, masks and colors; masks and a map of strength may be films.
        video: the part of the film, steadiness and encoding.
        read: the size of the result and of the styles.
        watch: called after every frame.

    Raises:
        VideoError: if the film cannot be read or the result cannot be written.
        StyleError: as :meth:`impasto.stylizer.Stylizer.stylize`.
        ImageError: if the frames are too small, or a picture cannot be read.
        OptionError: if an option is out of its range, or the model cannot do it.

    Example:
        >>> stylize_video(model, "clip.mp4", "painted.mp4", "munch-scream")    # doctest: +SKIP
    """
    with FilmWork(model, source, target, style, controls, video=video, read=read) as work:
        return work.run(watch)


class FilmWork:
    """The painting of one film; all checks are made before the first frame.

    Args: as for :func:`stylize_video`; ``target`` may be None for a preview.

    Attributes:
        info: the facts about the film.
        height: height of the result, in pixels.
        width: width of the result.
        frames: approximate number of frames to paint, including finished ones; None if unknown.
        crew: how many frames are painted at once.
        resumed: how many frames an earlier call has painted.
    """

    def __init__(
        self,
        model: Stylizer,
        source: str | os.PathLike[str] | BinaryIO,
        target: str | os.PathLike[str] | BinaryIO | None,
        style: Styles | None = None,
        controls: Controls = Controls(),
        *,
        video: VideoOptions = VideoOptions(),
        read: ReadOptions = ReadOptions(),
    ) -> None:
        timeline = video.timeline
        given = _styles_of(style, video)
        mixed = len(given)
        if timeline is not None and timeline.keys:
            mixed = 2 if any(key.fade for key in timeline.keys) else 1
        if timeline is not None and timeline.keys and (controls.masks or controls.weights):
            raise OptionError(
                "masks and weights need styles that do not change over time: leave them out, or "
                "leave out the times of the styles"
            )
        model.check(controls, mixed, video.budget)
        for key in () if timeline is None else timeline.alphas:
            model.check(replace(controls, alpha=key.alpha), mixed, video.budget)
        self._read, self._video = read, video
        self._files = ExitStack()
        with ExitStack() as files:
            reading = partial(open_film, max_pixels=read.max_pixels)
            self._film: Film = files.enter_context(_opened(source, video.rate, read.max_pixels))
            self.info: FilmInfo = self._film.info
            self.height, self.width = self.info.height, self.info.width
            if read.size is not None:
                self.height, self.width = scaled_size(self.height, self.width, read.size)
            if min(self.height, self.width) < MIN_SIDE:
                raise ImageError(
                    f"{self.info.name}: {self.width} x {self.height} pixels is too small; each "
                    f"side needs {MIN_SIDE} or more"
                )
            controls, films = Looks.split(controls, files, reading)
            controls = controls.opened(files, max_pixels=read.max_pixels)
            styles = [model.prepare(each, controls, read) for each in given]
            model.check(controls, mixed, video.budget)
            self._looks = Looks(styles, controls, timeline, films)
            self.frames = _frames_between(self.info, video)
            cores = video.workers or available_cores()
            self.crew = Crew.of(model, self.height, self.width, video.budget, cores)
            self._model = model.with_threads(self.crew.threads)
            if video.report is not None and not video.save.overwrite and video.report.exists():
                raise VideoError(
                    f"{one_line(video.report)}: already exists; give the report another name or "
                    "pass --overwrite"
                )
            self._result: Result | None = None
            if target is not None:
                self._result = self._open_result(source, target, styles, controls, files)
            self._files = files.pop_all()

    @property
    def resumed(self) -> int:
        """The number of frames that an earlier call has painted."""
        return 0 if self._result is None else self._result.done

    @property
    def is_kept(self) -> bool:
        """True if a later call can resume what is painted."""
        return self._result is not None and self._result.is_kept

    def __enter__(self) -> FilmWork:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()

    def run(self, watch: Watch | None = None) -> Filmed:
        """Paint the frames that are not done, and write the result.

        Args:
            watch: called after every frame.

        Raises:
            VideoError: if the film cannot be read or the result cannot be written.
            ImpastoError: as :meth:`impasto.stylizer.Stylizer.paint`.
        """
        result = self._result
        if result is None:
            raise OptionError("there is nothing to write: give a target")
        begin, done, resumed = perf_counter(), result.done, result.done
        remarks = list(self.info.remarks)
        report: FilmReport | None = None
        if self._video.report is not None:
            report = FilmReport(self.info.name, self._video.steady)
        start = self._video.start or Fraction(0)
        if result.until is not None:
            start = result.until + self.info.tick
        try:
            painter = self.painter(deep=result.deep, keeps=report is not None)
            if result.done:
                painter.restore(result.state())
                if report is not None and (sums := part_of_state(result.state(), "report")):
                    report.restore(sums)
            for painted in painter.paint(self._decoded(start, remarks), every=result.every):
                if report is not None:
                    painted = _reported(report, painted)
                result.put(painted)
                del painted  # at 4K, a frame with its state has hundreds of megabytes
                done += 1
                if watch is not None:
                    watch(Progress(done, max(done, self.frames or 0)))
            if not done:
                raise VideoError(self._nothing())
            remarks += result.finish()
        except BaseException:
            result.stop(keep=self._video.keep_partial)
            raise
        if report is not None and self._video.report is not None:
            report.write(self._video.report)
        seconds = perf_counter() - begin
        return Filmed(result.path, done, resumed, self.height, self.width, seconds, tuple(remarks))

    def sample(self, count: int) -> Iterator[PaintedFrame]:
        """Paint a few frames, evenly spread over the film, each independently.

        Args:
            count: maximum number of frames.
        """
        start = self._video.start or Fraction(0)
        end = self._video.end
        if end is None and self.info.seconds is not None:
            end = Fraction(self.info.seconds)
        length = (end - start) if end is not None else Fraction(0)
        painter = self.painter(steady="off", keeps=True)
        times = [start + length * (2 * k + 1) / (2 * count) for k in range(count)]
        seen: set[Fraction] = set()
        for time in times if length > 0 else times[:1]:
            frames = (each for each in self._film.frames(time) if isinstance(each, Frame))
            frame = next(frames, None)
            if frame is not None and frame.time not in seen:
                seen.add(frame.time)
                yield from painter.paint([frame])

    def painter(
        self, *, steady: str | None = None, deep: bool = False, keeps: bool = False
    ) -> FramePainter:
        """Return a painter for the frames of this film; see there for the arguments."""
        return FramePainter(
            self._model,
            self._looks,
            steady=self._video.steady if steady is None else steady,
            size=self._read.size,
            crew=self.crew,
            deep=deep,
            keeps=keeps,
        )

    def _decoded(self, start: Fraction, remarks: list[str]) -> Iterator[Frame]:
        damaged = 0
        for each in self._film.frames(start, self._video.end):
            if isinstance(each, Frame):
                yield each
                continue
            damaged += 1
            if damaged <= _TOLD:
                remarks.append(_damage_line(each))
        if damaged > _TOLD:
            remarks.append(f"damaged in {damaged - _TOLD} more places")

    def _open_result(
        self,
        source: str | os.PathLike[str] | BinaryIO,
        target: str | os.PathLike[str] | BinaryIO,
        styles: list[Style | Photo],
        controls: Controls,
        files: ExitStack,
    ) -> Result:
        place = Path(target) if isinstance(target, str | os.PathLike) else target
        video = self._video
        about = {
            "source": _source_facts(source),
            "model": self._model.identity,
            "precision": self._model.engine.precision,
            "styles": _digest([each for style in styles for each in _arrays(style)]),
            "controls": _controls_facts(controls),
            "size": f"{self.width} x {self.height}",
            **{
                name: str(getattr(video, name))
                for name in ("codec", "crf", "start", "end", "steady", "rate")
            },
            "timeline": _timeline_facts(video),
        }
        if isinstance(place, Path) and not files.enter_context(claim(place)):
            raise VideoError(f"{one_line(place)}: another run is writing it")
        film = source if isinstance(source, str | os.PathLike) and not is_pictures(source) else None
        return open_result(
            place,
            self.info,
            video,
            size=(self.height, self.width),
            about=about,
            source=None if film is None else Path(film),
        )

    def _nothing(self) -> str:
        start = self._video.start
        if start is None:
            return f"{self.info.name}: has no frame that can be decoded"
        length = self.info.seconds
        end = "" if length is None else f"; the film ends at {time_text(Fraction(length))}"
        return f"{self.info.name}: has no frame at {time_text(start)} or later{end}"


def _reported(report: FilmReport, painted: PaintedFrame) -> PaintedFrame:
    """Add a frame to the report, whose sums are kept with the state of steadying."""
    result = floats(painted.frame.image)
    if painted.photo is not None:
        report.add(painted.frame.time, painted.photo, result, painted.plain)
    if painted.state is None:
        return painted
    return replace(painted, state={**painted.state, **named_state("report", report.state())})


def _opened(source: Any, rate: Fraction | None, max_pixels: int) -> Film:
    if rate is None:
        return open_film(source, max_pixels=max_pixels)
    if not isinstance(source, str | os.PathLike) or not is_pictures(source):
        raise OptionError("rate is for numbered pictures only: a film has its own; leave it out")
    return open_pictures(source, rate=rate, max_pixels=max_pixels)


def _damage_line(damage: Damage) -> str:
    after = "" if damage.time is None else f" after {time_text(damage.time)}"
    return f"damaged{after}: {damage.reason}; the rest is painted"


def _styles_of(style: Styles | None, video: VideoOptions) -> list[Any]:
    """The styles: those of the timeline, or those that are mixed."""
    if video.timeline is not None and video.timeline.keys:
        if style is not None:
            raise OptionError(
                "the timeline already has the styles: leave out the style, or make it the first of "
                "the timeline"
            )
        return list(video.timeline.styles)
    if style is None:
        raise OptionError("there is no style: give one, or a timeline of styles")
    return list(style) if isinstance(style, list | tuple) else [style]


def _frames_between(info: FilmInfo, video: VideoOptions) -> int | None:
    """Approximate number of frames of the part of the film that is painted."""
    if info.frames is None:
        return None
    if video.start is None and video.end is None:
        return info.frames
    if not info.seconds:
        return None
    end = min(float(video.end), info.seconds) if video.end is not None else info.seconds
    share = (end - float(video.start or 0)) / info.seconds
    return max(1, round(info.frames * max(0.0, min(share, 1.0))))


def _source_facts(source: Any) -> str:
    """Facts that identify a film, so that another one under its name is recognized."""
    if not isinstance(source, str | os.PathLike):
        return f"a stream {secrets.token_hex(8)}"
    path = Path(source)
    with suppress(OSError):
        facts = path.stat()
        return f"{path.absolute()}, {facts.st_size} bytes, {facts.st_mtime_ns}"
    return str(path.absolute())


def _controls_facts(controls: Controls) -> str:
    parts = []
    for each in fields(controls):
        value = getattr(controls, each.name)
        if each.name == "masks":
            value = _digest(list(value)) if value else ""
        elif isinstance(value, np.ndarray | PictureMask):
            value = _digest([value])
        parts.append(f"{each.name}={value}")
    return " ".join(parts)


def _timeline_facts(video: VideoOptions) -> str:
    timeline = video.timeline
    if timeline is None:
        return ""
    times = {key.time for key in timeline.keys} | {key.time for key in timeline.alphas}
    fades = [str(key.fade) for key in timeline.keys]
    return f"{[(str(time), timeline.at(time)) for time in sorted(times)]} {fades}"


def _arrays(style: Style | Photo) -> Iterator[Any]:
    if isinstance(style, Photo):
        yield style.image
        if style.alpha is not None:
            yield style.alpha
        return
    for level in style.moments:
        yield from (level.mean, level.std)
    if style.parameters is not None:
        yield style.parameters


def _digest(arrays: list[Any]) -> str:
    found = hashlib.sha256()
    for each in arrays:
        values = each.whole() if isinstance(each, PictureMask) else np.asarray(each)
        found.update(f"{values.shape} {values.dtype}".encode())
        found.update(np.ascontiguousarray(values).tobytes())
    return found.hexdigest()[:16]
