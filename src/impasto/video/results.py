"""Results of films: parts that become a film, pictures, or a stream."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from impasto.errors import ImageError, ImpastoError, VideoError, one_line
from impasto.images.files import whole_path
from impasto.images.writing import check_target
from impasto.models.memory import give_back_memory
from impasto.video.container.encoding import CONTAINERS, Encoding, choose_encoding, write_part
from impasto.video.container.joining import join
from impasto.video.container.streams import StreamTarget
from impasto.video.container.tracks import SourceTracks
from impasto.video.frames import LARGE, FilmInfo
from impasto.video.options import VideoOptions
from impasto.video.painting import PaintedFrame, State
from impasto.video.parts import Part, PartFolder, PartWriter
from impasto.video.pictures import is_picture_target, open_pictures_target
from impasto.video.pictures.numbered import NumberedTarget

# Number of parts encoded at a time: the next one begins while the last one is finished, unless
# frames are so large that two encoders would need much memory.
_WRITERS = 2
# Length of a part: with the frames in progress, a kill costs less than a second.
_PART_SECONDS = Fraction(4, 5)


class Result(Protocol):
    """The result of a film while it is being made."""

    @property
    def path(self) -> Path | None:
        """The file or the folder; None for a stream."""
        ...

    @property
    def deep(self) -> bool:
        """True if its frames should have 16 bits."""
        ...

    @property
    def every(self) -> int:
        """The state is wanted with every so many frames; 0 for never."""
        ...

    @property
    def done(self) -> int:
        """The number of frames that earlier calls have painted."""
        ...

    @property
    def until(self) -> Fraction | None:
        """The time of the last of them; None if there is none."""
        ...

    @property
    def is_kept(self) -> bool:
        """True if another call can resume what is written."""
        ...

    def state(self) -> State:
        """Return the state after the last of them."""
        ...

    def put(self, painted: PaintedFrame) -> None:
        """Add the next frame."""
        ...

    def finish(self) -> tuple[str, ...]:
        """Write the result; return what it cannot hold, one line each."""
        ...

    def stop(self, *, keep: bool) -> None:
        """Abort, keeping what is safe; ``keep``: also as a separate result."""
        ...


def open_result(
    target: Path | BinaryIO,
    info: FilmInfo,
    video: VideoOptions,
    *,
    size: tuple[int, int],
    about: Mapping[str, str],
    source: Path | None,
) -> Result:
    """Open the result of a film, with what an earlier call has left of it.

    Args:
        target: file, folder, pattern or stream.
        info: the facts about the film.
        video: the options.
        size: height and width of the result.
        about: what the result is made from (:class:`impasto.video.parts.PartFolder`).
        source: the film that has the sound; None for a stream.

    Raises:
        VideoError: if no result can be written there.
    """
    height, width = size
    facts = replace(info, height=height, width=width)
    if not isinstance(target, Path):
        stream = StreamTarget(
            target,
            facts,
            codec=video.codec,
            crf=video.crf,
            source=source,
            start=video.start or Fraction(0),
            end=video.end,
        )
        return _Simple(None, stream)
    if is_picture_target(target):
        writer = open_pictures_target(target, facts, save=video.save)
        lost = _tracks_of(source)
        if isinstance(writer, NumberedTarget):
            return _Numbered(target, facts, video, about, lost)
        return _Simple(target, writer, lost)
    encoding = choose_encoding(facts, target.suffix, codec=video.codec, crf=video.crf)
    try:
        check_target(target, overwrite=video.save.overwrite)
    except ImageError as error:
        raise VideoError(str(error)) from None
    return _Joined(target, encoding, info, video, about, source)


class _Joined:
    """A film of parts that are joined at the end."""

    def __init__(
        self,
        target: Path,
        encoding: Encoding,
        info: FilmInfo,
        video: VideoOptions,
        about: Mapping[str, str],
        source: Path | None,
    ) -> None:
        self.path: Path | None = target
        self._target, self._encoding, self._video, self._source = target, encoding, video, source
        self.deep = info.deep and encoding.pixel_format.endswith("le")
        self.every = max(1, int(info.rate * _PART_SECONDS))
        self._open_writers = 1 if encoding.width * encoding.height > LARGE else _WRITERS
        self._folder = PartFolder(target, about, anew=video.save.overwrite)
        self.done, self.until = self._folder.frames, self._folder.until
        self._writer: PartWriter | None = None
        self._closing: deque[tuple[PartWriter, State | None]] = deque()

    @property
    def is_kept(self) -> bool:
        return bool(self._folder.parts)

    def state(self) -> State:
        return self._folder.state()

    def put(self, painted: PaintedFrame) -> None:
        if self._writer is None:
            number = len(self._folder.parts) + len(self._closing)
            write = partial(write_part, encoding=self._encoding)
            self._writer = PartWriter(write, self._folder.path(number))
        self._writer.put(painted.frame)
        if len(self._writer.times) == self.every:
            self._close(painted.state)
        self._record(most=self._open_writers - 1)

    def finish(self) -> tuple[str, ...]:
        self._close(None)
        self._record(most=0)
        overwrite = self._video.save.overwrite
        remarks = self._join(self._target, overwrite=overwrite, end=self._video.end)
        remarks = (*self._encoding.remarks, *remarks)
        self._folder.remove()
        return remarks

    def stop(self, *, keep: bool) -> None:
        if self._writer is not None:
            self._writer.stop()
        with suppress(ImpastoError, OSError):
            self._record(most=0)
        if keep and self._folder.parts:
            partial_name = f"{self._target.stem}.partial{self._target.suffix}"
            until = self._folder.until
            with suppress(ImpastoError):
                self._join(self._target.with_name(partial_name), overwrite=True, end=until)
        self._folder.remove_if_empty()

    def _close(self, state: State | None) -> None:
        if self._writer is not None:
            self._writer.close()
            self._closing.append((self._writer, state))
            self._writer = None

    def _record(self, *, most: int) -> None:
        """Record the parts that are written, and wait until at most ``most`` are not."""
        while self._closing and (len(self._closing) > most or self._closing[0][0].is_done):
            writer, state = self._closing[0]
            writer.wait()
            self._closing.popleft()
            self._folder.add(tuple(writer.times), writer.seconds, state)
            if self._open_writers == 1:
                give_back_memory()

    def _join(self, target: Path, *, overwrite: bool, end: Fraction | None) -> tuple[str, ...]:
        parts: list[Part] = self._folder.parts
        times = [time for part in parts for time in part.times]
        try:
            with whole_path(target, overwrite=overwrite) as hidden:
                return join(
                    [part.path for part in parts],
                    times,
                    hidden,
                    self._encoding,
                    source=self._source,
                    start=self._video.start or Fraction(0),
                    end=end,
                    seconds=parts[-1].seconds,
                )
        except FileExistsError:
            raise VideoError(
                f"{one_line(target)}: already exists; give another name or pass --overwrite"
            ) from None
        except OSError as error:
            raise VideoError(
                f"{one_line(target)}: cannot be written ({one_line(error)})"
            ) from error


class _Numbered:
    """Numbered pictures, each of them a separate part; the number done is recorded."""

    def __init__(
        self,
        target: Path,
        info: FilmInfo,
        video: VideoOptions,
        about: Mapping[str, str],
        lost: tuple[str, ...],
    ) -> None:
        self.path: Path | None = target
        self._lost = lost
        # Pictures that an interrupted call wrote after its last record are written again.
        self._writer = NumberedTarget(target, info, replace(video.save, overwrite=True))
        self.deep = self._writer.deep
        self.every = max(1, int(info.rate * _PART_SECONDS))
        before = self._writer.done()
        self._folder = PartFolder(target, about, anew=video.save.overwrite)
        if before and self._folder.is_new and not video.save.overwrite:
            self._folder.remove()
            raise VideoError(
                f"{one_line(target)}: picture {min(before)} already exists; give another name or "
                "pass --overwrite"
            )
        self.done, self.until = self._folder.frames, self._folder.until
        self._writer.skip(self.done)
        self._times: list[Fraction] = []

    @property
    def is_kept(self) -> bool:
        return bool(self._folder.parts)

    def state(self) -> State:
        return self._folder.state()

    def put(self, painted: PaintedFrame) -> None:
        self._writer.write(painted.frame)
        self._times.append(painted.frame.time)
        if len(self._times) == self.every:
            self._folder.add(tuple(self._times), painted.frame.seconds, painted.state)
            self._times = []

    def finish(self) -> tuple[str, ...]:
        self._folder.remove()
        return (*self._writer.finish(), *self._lost)

    def stop(self, *, keep: bool) -> None:
        self._folder.remove_if_empty()


class _Simple:
    """A result that is written as the frames come: pictures, or a stream."""

    deep = False
    every = 0
    done = 0
    until: Fraction | None = None
    is_kept = False

    def __init__(self, path: Path | None, writer: Any, lost: tuple[str, ...] = ()) -> None:
        self.path, self._writer, self._lost = path, writer, lost
        self.deep = writer.deep

    def state(self) -> State:
        return {}

    def put(self, painted: PaintedFrame) -> None:
        self._writer.write(painted.frame)

    def finish(self) -> tuple[str, ...]:
        return (*self._writer.finish(), *self._lost)

    def stop(self, *, keep: bool) -> None:
        self._writer.stop()


def _tracks_of(source: Path | None) -> tuple[str, ...]:
    """A remark on the sound and the other tracks of a source, which pictures do not hold."""
    if source is None:
        return ()
    tracks = SourceTracks(source, CONTAINERS[".mkv"], Fraction(0), None, is_pipe=True)
    names = tracks.names
    tracks.close()
    return (f"pictures cannot hold sound: {', '.join(names)} left out",) if names else ()
