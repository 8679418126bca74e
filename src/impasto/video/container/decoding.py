"""Decoding of a container: frame after frame at exact times, whatever it contains.

Edit lists are applied by FFmpeg, so frames are counted by decoding them. Fields of interlaced films
are joined by bwdif. A packet that cannot be decoded becomes a :class:`Damage`, and decoding
continues.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from impasto.errors import VideoError, counted, escaped, one_line
from impasto.video.container.opening import (
    UNREADABLE,
    Source,
    is_cover,
    is_seekable,
    likely_reason,
    name_of,
    open_container,
    packets_of,
    picture_stream,
    tick_of,
    zero_of,
)
from impasto.video.frames import LARGE, Damage
from impasto.video.pyav import library, wrapped

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["Decoding", "Moment"]

# Decoding begins this long before the first frame that is wanted, to get past the reordering of
# frames and the frames that deinterlacing needs.
_RUN_UP = Fraction(1)

# Threads of a decoder, each of which holds frames in memory; painting takes longer than decoding.
_THREADS, _THREADS_LARGE = 2, 1

# A film that ends this much earlier than it states is truncated: in seconds, or as a fraction.
_CUT_SHORT = Fraction(1, 2)
_CUT_SHORT_PART = Fraction(1, 50)

# Where there is a choice, libvpx decodes the opacity too.
_WITH_ALPHA = {"vp8": "libvpx", "vp9": "libvpx-vp9"}

_SHOWN = {"audio": "sound", "subtitle": "subtitles"}

_MICROSECONDS = 1_000_000
_DEFAULT_RATE = Fraction(25)
# Values outside are errors of the container.
_SLOWEST, _FASTEST = Fraction(1, 60), Fraction(1000)


@dataclass(frozen=True, eq=False)
class Moment:
    """A decoded frame and its time."""

    frame: VideoFrame
    time: Fraction
    seconds: Fraction | None


class Decoding:
    """One pass through a container; the first frame is decoded at once.

    Args:
        source: the file.
        max_pixels: refuse films with larger frames; None: it was checked before.
    """

    def __init__(self, source: Source, max_pixels: int | None) -> None:
        self._av = library()
        self._source = source
        self._name = name_of(source)
        if not isinstance(source, str | Path) and is_seekable(source):
            source.seek(0)
        self._lock, self._is_closed = Lock(), False
        self._container = open_container(source)
        try:
            self._open(max_pixels)
        except BaseException:
            self.close()
            raise

    def _open(self, max_pixels: int | None) -> None:
        stream = picture_stream(self._container)
        if stream is None:
            raise VideoError(f"{escaped(self._name)}: has no video{self._holds()}")
        self.stream = stream
        if stream.codec_context is None:
            raise VideoError(f"{escaped(self._name)}: FFmpeg has no decoder for its video")
        self._check(stream.codec_context.width, stream.codec_context.height, max_pixels)
        self.tick = tick_of(stream)
        self.zero = zero_of(self._container, stream)
        rates = (stream.average_rate, stream.guessed_rate, _DEFAULT_RATE)
        self.rate = next(rate for rate in rates if rate and _SLOWEST <= rate <= _FASTEST)
        self._decoder = self._opened_decoder()
        self._graph: Any = None
        self._last: Fraction | None = None
        self._end: Fraction = self.zero
        self._damages: list[Damage] = []
        self._moments = self._timed(self._decoded())
        with wrapped(self._name, UNREADABLE):
            self._ahead = self._first()
        if self._ahead is None:
            reason = f" ({self._damages[0].reason})" if self._damages else ""
            if not is_seekable(self._source):
                reason += likely_reason(self._source)
            raise VideoError(f"{escaped(self._name)}: has no frame that can be decoded{reason}")
        self.first = self._ahead.frame
        self._check(self.first.width, self.first.height, max_pixels)

    @property
    def seconds(self) -> Fraction | None:
        """Stated length of the film; None if it is not stated."""
        if (told := _told_end(self._told().get("duration", ""))) is not None:
            return told - self.zero
        ends = []
        if self.stream.duration:
            ends.append(((self.stream.start_time or 0) + self.stream.duration) * self.tick)
        if self._container.duration:
            ends.append(self._start + Fraction(self._container.duration, _MICROSECONDS))
        return max(ends) - self.zero if ends else None

    @property
    def _start(self) -> Fraction:
        """The time from which the container counts its length."""
        if "matroska" in self._container.format.name:
            return Fraction(0)
        return Fraction(self._container.start_time or 0, _MICROSECONDS)

    @property
    def others(self) -> list[str]:
        """The kinds of streams beside the pictures that players show or play."""
        kinds = {each.type for each in self._container.streams}
        return [name for kind, name in _SHOWN.items() if kind in kinds]

    @property
    def remarks(self) -> Iterator[str]:
        """Changes and losses, one line each."""
        others = [each for each in self._container.streams.video if not is_cover(each)][1:]
        if others:
            yield f"has {counted(len(others) + 1, 'video track')}: only the first is painted"
        if self._graph is not None:
            yield "it is interlaced: its fields are combined into full frames"

    def moments(self, start: Fraction) -> Iterator[Moment | Damage]:
        """Decode all frames, or those from some point before ``start`` on."""
        target = start - _RUN_UP
        if target > 0 and is_seekable(self._source):
            self._seek(target)
            self._ahead = self._first()
            if self._ahead is None or self._ahead.time > start:
                self._restart()
        if self._ahead is not None:
            yield from self._damages
            yield self._ahead
        while (each := self._next()) is not None:
            yield each

    def close(self) -> None:
        """Close the container, as soon as no other thread reads from it."""
        with self._lock:
            self._is_closed = True
            self._container.close()

    def _next(self) -> Moment | Damage | None:
        """Decode the next frame; None at the end, or if the film was closed: FFmpeg would crash."""
        with self._lock:
            return None if self._is_closed else next(self._moments, None)

    def _first(self) -> Moment | None:
        while isinstance(each := self._next(), Damage):
            pass
        return each

    def _seek(self, target: Fraction) -> None:
        self._damages.clear()
        self._graph, self._last, self._ahead = None, None, None
        with suppress(self._av.error.FFmpegError):
            offset = math.floor((target + self.zero) / self.tick)
            self._container.seek(offset, stream=self.stream)
        self._decoder.flush_buffers()
        self._moments = self._timed(self._decoded())

    def _restart(self) -> None:
        self._container.close()
        if not isinstance(self._source, str | Path):
            self._source.seek(0)
        self._container = open_container(self._source)
        self._open(None)

    def _check(self, width: int, height: int, max_pixels: int | None) -> None:
        if max_pixels is not None and width * height > max_pixels:
            raise VideoError(
                f"{escaped(self._name)}: its frames have {width} x {height} pixels, more than "
                f"the limit of {max_pixels:,}; pass --max-pixels {width * height} to read it"
            )

    def _holds(self) -> str:
        kinds = sorted({each.type for each in self._container.streams})
        return f", only {' and '.join(kinds)}" if kinds else ""

    def _opened_decoder(self) -> Any:
        context = self.stream.codec_context
        name = _WITH_ALPHA.get(context.codec.canonical_name)
        if name is not None and self._told().get("alpha_mode") == "1":
            with suppress(ValueError):
                return self._av.CodecContext.create(name, "r")
        large = context.width * context.height > LARGE
        context.thread_type = "AUTO"
        context.thread_count = _THREADS_LARGE if large else _THREADS
        return context

    def _told(self) -> dict[str, str]:
        """The metadata of the pictures; the case of its names depends on FFmpeg's version."""
        return {name.lower(): value for name, value in self.stream.metadata.items()}

    def _packets(self) -> Iterator[Any]:
        """All packets of the film's pictures; errors of the container become damages."""
        for packet in packets_of(self._container):
            if isinstance(packet, str):
                yield Damage(self._last, packet)
                continue
            if packet.pts is not None and packet.time_base:
                ends = (packet.pts + (packet.duration or 0)) * packet.time_base
                self._end = max(self._end, ends)
            if packet.stream is self.stream:
                yield packet

    def _decoded(self) -> Iterator[VideoFrame | Damage]:
        """All frames of the film as the decoder gives them, deinterlaced."""
        is_corrupt = False
        for packet in self._packets():
            if isinstance(packet, Damage):
                yield packet
                continue
            try:
                frames = self._decoder.decode(packet)
            except self._av.error.FFmpegError as error:
                yield Damage(self._last, f"a packet cannot be decoded: {one_line(error)}")
                continue
            for frame in frames:
                if frame.is_corrupt and not is_corrupt:
                    yield Damage(
                        self._last, "a frame is damaged, and shown as far as it can be decoded"
                    )
                is_corrupt = frame.is_corrupt
                yield from self._whole(frame)
        if self._graph is not None:
            self._graph.push(None)
            yield from self._pulled()

    def _whole(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Join the fields of a frame, if the film is interlaced."""
        if self._graph is None and not frame.interlaced_frame:
            yield frame
            return
        if self._graph is None:
            self._graph = self._deinterlacer(frame)
        self._graph.push(frame)
        yield from self._pulled()

    def _deinterlacer(self, frame: VideoFrame) -> Any:
        graph = self._av.filter.Graph()
        graph.link_nodes(
            graph.add_buffer(
                width=frame.width,
                height=frame.height,
                format=frame.format,
                time_base=frame.time_base,
            ),
            graph.add("bwdif", "mode=send_frame:deint=interlaced"),
            graph.add("buffersink"),
        ).configure()
        return graph

    def _pulled(self) -> Iterator[VideoFrame]:
        while True:
            try:
                yield self._graph.vpull()
            except (BlockingIOError, EOFError):
                return

    def _timed(self, frames: Iterator[VideoFrame | Damage]) -> Iterator[Moment | Damage]:
        """Assign times to the frames, each later than the one before, whatever the file states."""
        is_damaged = False
        for frame in frames:
            if isinstance(frame, Damage):
                if not is_damaged:  # consecutive failures are one damage
                    if self._last is None:
                        self._damages.append(frame)
                    yield frame
                is_damaged = True
                continue
            is_damaged = False
            base = frame.time_base or self.tick
            if frame.pts is not None:
                time = frame.pts * base - self.zero
            elif self._last is not None:
                time = self._last + max(self.tick, round(1 / self.rate / self.tick) * self.tick)
            else:
                time = Fraction(0)
            if self._last is not None and time <= self._last:
                time = self._last + self.tick
            self._last = time
            yield Moment(frame, time, frame.duration * base if frame.duration else None)
        yield from self._cut_short()

    def _cut_short(self) -> Iterator[Damage]:
        """A damage at the end of a film that ends earlier than it states."""
        duration = self._container.duration
        if not duration:
            return
        says = Fraction(duration, _MICROSECONDS)
        found = self._end - self._start
        if found < says - max(_CUT_SHORT, says * _CUT_SHORT_PART):
            text = f"ends after {float(found):.1f} of {float(says):.1f} s: it has been cut short"
            yield Damage(self._last, text)


def _told_end(text: str) -> Fraction | None:
    """The end of a track as Matroska states it, such as "00:01:02.500000000"."""
    found = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", text)
    if found is None:
        return None
    hours, minutes, seconds = found.groups()
    return 3600 * int(hours) + 60 * int(minutes) + Fraction(seconds)
