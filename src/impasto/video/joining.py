"""Joining: the painted parts, and all else that the source holds, become one film.

Nothing is coded again but subtitles that the result keeps in another way. The parts' packets get
the exact times of the source's frames; sound is copied packet for packet. What the container of the
result does not hold is found by reading the result, and told.
"""

from __future__ import annotations

import io
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from impasto.errors import VideoError, counted, escaped
from impasto.video.containers import (
    is_cover,
    open_container,
    picture_stream,
    zero_of,
)
from impasto.video.encoding import Container, Encoding
from impasto.video.pyav import library, wrapped

if TYPE_CHECKING:
    from av.container import InputContainer

Packet: TypeAlias = Any
"""A packet of PyAV: a type with parameters in some of its versions."""

__all__ = ["join"]

# Metadata of a container or a muxer, not of the film.
_OF_CONTAINERS = re.compile(
    r"(major_brand|minor_version|compatible_brands|encoder|handler_name|vendor_id|duration|rotate|"
    r"bps|number_of_frames|number_of_bytes|_statistics_.*|alpha_mode|source_id|timecode)(-.*)?",
    re.IGNORECASE,
)
# Containers whose streams may begin before the film does.
_WITH_EDITS = frozenset(("mp4", "mov"))
# The silence before a film's beginning that encoders of sound need, at most, in seconds.
_PRIMING = Fraction(1, 5)
# Parts of a second in which MP4 counts; its numbers have 32 bits.
_FINEST = 1_000_000

# Names and kinds of covers in Matroska, by their codecs.
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}

_TEXT_KINDS = frozenset(("subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"))
_NO_LANGUAGE = (None, "", "und")


def join(
    parts: Sequence[Path],
    times: Sequence[Fraction],
    target: Path,
    encoding: Encoding,
    *,
    source: Path | None,
    start: Fraction = Fraction(0),
    end: Fraction | None = None,
    seconds: Fraction | None = None,
) -> tuple[str, ...]:
    """Write one film of parts, with the sound and all else of its source.

    Args:
        parts: files of :func:`impasto.video.encoding.write_part`, in their order.
        times: of all their frames, in seconds of the source, ascending.
        target: the file to write, which is overwritten; its name does not matter.
        encoding: that of the parts.
        source: the film that sound, subtitles, chapters and metadata are taken from; None for none.
        start: the time of the source at which the result begins.
        end: the time at which it ends; None: with the source.
        seconds: how long the last frame is shown; None: as long as the mean one.

    Returns:
        Remarks on what the result does not hold, one line each.

    Raises:
        VideoError: A file cannot be read or written, or the parts do not fit the times.
    """
    av = library()
    joining = _Joining(source, encoding.container, start, end)
    with wrapped(str(target), "cannot be written"):
        pictures = _Pictures(parts, times, encoding, seconds)
        given = None if source is None else open_container(source)
        try:
            output = av.open(
                f"file:{target}",
                "w",
                format=encoding.container.format,
                container_options=_muxer_options(encoding),
            )
            with output:
                output.flags |= av.container.Flags.bitexact.value
                pictures.add_to(output)
                if given is not None:
                    joining.add(given, output)
                output.start_encoding()
                tracks = joining.packets() if given is not None else iter(())
                for packet in _merged(pictures.packets(start), tracks):
                    output.mux(packet)
        finally:
            if given is not None:
                given.close()
    return (*joining.remarks, *_missing(target, joining))


def _muxer_options(encoding: Encoding) -> dict[str, str]:
    # Sound that begins before 0 stays there: the pictures must not be moved by it.
    options = {**encoding.container.options, "avoid_negative_ts": "disabled"}
    if encoding.container.format in _WITH_EDITS:
        # The beginnings of streams are counted in this; as a rule it is 1/1000 s.
        options["movie_timescale"] = str(min(encoding.tick.denominator, _FINEST))
    return options


class _Pictures:
    """The packets of all parts, with the times of their frames."""

    def __init__(
        self,
        parts: Sequence[Path],
        times: Sequence[Fraction],
        encoding: Encoding,
        seconds: Fraction | None,
    ) -> None:
        self._parts, self._times, self._encoding = parts, times, encoding
        self._numbers = [self._read(part) for part in parts]
        found = sum(map(len, self._numbers))
        if found != len(times) or not times:
            raise VideoError(f"the parts have {counted(found, 'frame')}, not {len(times)}")
        mean = (times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 1 / encoding.rate
        self._seconds = seconds or mean
        self._has_edits = encoding.container.format in _WITH_EDITS
        # How many places a frame is written before the one that is shown at its place.
        self._depth = max(
            place - rank for numbers in self._numbers for place, rank in enumerate(_ranks(numbers))
        )
        self._stream: Any = None

    def add_to(self, output: Any) -> None:
        """Add the stream of the pictures."""
        encoding = self._encoding
        with open_container(self._parts[0]) as first:
            stream = output.add_stream_from_template(first.streams.video[0], opaque=True)
        context = stream.codec_context
        context.sample_aspect_ratio = encoding.aspect
        context.framerate = encoding.rate
        stream.time_base = encoding.tick
        if encoding.codec == "hevc" and encoding.container.format in ("mp4", "mov"):
            context.codec_tag = "hvc1"  # the only one that Apple's players take
        if encoding.has_alpha and encoding.codec == "vp9":
            stream.metadata["alpha_mode"] = "1"
        self._stream = stream

    def packets(self, start: Fraction) -> Iterator[tuple[Fraction, Packet]]:
        """All packets with the times at which they are decoded."""
        base = self._stream.time_base
        shown = _ascending([round((time - start) / base) for time in self._times])
        step = min((late - early for early, late in pairwise(shown)), default=1)
        before = [shown[0] - step * (self._depth - place) for place in range(self._depth)]
        decoded = [*before, *shown][: len(shown)]
        lasts = [late - early for early, late in pairwise(shown)]
        lasts.append(max(1, round(self._seconds / base)))
        first = 0
        for part, numbers in zip(self._parts, self._numbers, strict=True):
            ranks = _ranks(numbers)
            with open_container(part) as film:
                for place, packet in enumerate(self._of(film)):
                    packet.stream = self._stream
                    packet.time_base = base
                    packet.pts = shown[first + ranks[place]]
                    packet.dts = decoded[first + place]
                    packet.duration = lasts[first + ranks[place]]
                    if first + place == len(shown) - 1 and self._has_edits:
                        # MP4 counts the length of a track from the last packet.
                        packet.duration = shown[-1] + lasts[-1] - packet.pts
                    yield packet.dts * base, packet
            first += len(numbers)

    def _read(self, part: Path) -> list[int]:
        with open_container(part) as film:
            return [packet.pts or 0 for packet in self._of(film)]

    def _of(self, film: InputContainer) -> Iterator[Packet]:
        return (packet for packet in film.demux(film.streams.video[0]) if packet.size)


class _SampleClock:
    """Exact times for packets of sound whose container has rounded them, such as Matroska's.

    Args:
        samples: in each packet.
        rate: samples in a second.
    """

    def __init__(self, samples: int, rate: int) -> None:
        self._samples, self._unit = samples, Fraction(1, rate)
        self._next: int | None = None

    def set(self, packet: Packet) -> None:
        """Count the time of a packet in samples, from that of the one before it."""
        base = packet.time_base
        given = packet.pts * base / self._unit
        place = round(given)
        if self._next is not None and abs(given - self._next) <= base / self._unit:
            place = self._next
        packet.time_base = self._unit
        packet.pts = packet.dts = place
        packet.duration = self._samples
        self._next = place + self._samples


@dataclass(frozen=True)
class _Wanted:
    """The facts that a stream of the result should have; streams end with their containers."""

    index: int
    kind: str
    language: str | None
    title: str | None
    disposition: Any


@dataclass(frozen=True, eq=False)
class _Track:
    """A stream of the source, and that of the result which takes its packets."""

    given: Any
    made: Any
    is_coded_again: bool = False
    clock: _SampleClock | None = None

    def wanted(self) -> _Wanted:
        """Return the facts that the result should keep."""
        given = self.given
        return _Wanted(
            self.made.index,
            "sound" if given.type == "audio" else given.type,
            given.metadata.get("language"),
            given.metadata.get("title"),
            given.disposition,
        )

    def taken(self, packet: Packet) -> Packet | None:
        """Return the packet for the result, or None for a text that says nothing."""
        if not self.is_coded_again:
            packet.stream = self.made
            if self.clock is not None:
                self.clock.set(packet)
            return packet
        texts = self.given.codec_context.decode2(packet)
        if texts is None or not len(texts):
            return None
        coded: Packet = self.made.codec_context.encode_subtitle(texts)
        coded.time_base, coded.pts, coded.dts = packet.time_base, packet.pts, packet.pts
        coded.duration = packet.duration
        coded.stream = self.made
        return coded


class _Joining:
    """All that the result takes from the source but its pictures.

    Args:
        source: the film.
        container: of the result.
        start: the time of the source at which the result begins.
        end: and ends; None: with the source.
    """

    def __init__(
        self, source: Path | None, container: Container, start: Fraction, end: Fraction | None
    ) -> None:
        self._source = source
        self._container, self._start, self._end = container, start, end
        self._given: Any = None
        self._shift = Fraction(0)
        self._tracks: list[_Track] = []
        self.wanted: list[_Wanted] = []
        self.remarks: list[str] = []
        self.chapters: list[dict[str, Any]] = []
        self.metadata: dict[str, str] = {}

    def add(self, given: InputContainer, output: Any) -> None:
        """Add the streams, the chapters and the metadata of the source to the result."""
        self._given = given
        pictures = picture_stream(given)
        self._shift = self._start + (zero_of(given, pictures) if pictures is not None else 0)
        self.chapters = self._moved_chapters(given)
        for stream in given.streams:
            if stream is pictures:
                _describe(output.streams.video[0], stream)
                continue
            made = self._added(stream, output)
            if made is not None:
                _describe(made, stream)
        self.wanted = [track.wanted() for track in self._tracks]
        self.metadata = _of_film(given.metadata)
        output.metadata.update(self.metadata)
        output.set_chapters(self.chapters)

    def packets(self) -> Iterator[tuple[Fraction, Packet]]:
        """Packets of the source's other streams, moved to the times of the result."""
        tracks = {track.given.index: track for track in self._tracks}
        if not tracks:
            return
        streams = [track.given for track in self._tracks]
        for packet in self._given.demux(streams):
            track = tracks[packet.stream.index]
            if not packet.size:
                continue
            if is_cover(track.given):
                packet.pts = packet.dts = 0
            elif packet.pts is None or not self._is_inside(packet, track.given.type):
                continue
            taken = track.taken(packet)
            if taken is not None and taken.dts is not None:
                yield taken.dts * taken.time_base, taken

    def _is_inside(self, packet: Packet, kind: str) -> bool:
        """Move a packet to the times of the result; False if it is not in them."""
        base: Fraction = packet.time_base
        begins = packet.pts * base - self._shift
        ends = begins + (packet.duration or 0) * base
        length = None if self._end is None else self._end - self._start
        if length is not None and begins >= length:
            return False
        if self._start > 0 and ends <= 0 and packet.duration:
            return False
        # Without edits, times before 0 can only be the silence before the beginning.
        earliest = Fraction(0) if self._start > 0 else -_PRIMING
        if kind == "audio" and self._container.format not in _WITH_EDITS and begins < earliest:
            return False
        packet.pts = round(begins / base)
        packet.dts = packet.pts if packet.dts is None else packet.dts - round(self._shift / base)
        if kind == "subtitle":
            begins = max(begins, Fraction(0))
            ends = ends if length is None else min(ends, length)
            packet.pts = packet.dts = round(begins / base)
            packet.duration = max(0, round((ends - begins) / base))
        return True

    def _added(self, stream: Any, output: Any) -> Any:
        """Add a stream to the result, or a remark."""
        if stream.type == "data":
            # The text track of MP4's chapters; they are kept as chapters.
            if not (self.chapters and stream.discard == stream.discard.__class__.all):
                self._left_out(stream)
            return None
        if stream.type == "video" and not is_cover(stream):
            self._left_out(stream)
            return None
        if is_cover(stream) and self._container.format not in _WITH_EDITS:
            self._attach_cover(stream, output)
            return None
        if _is_held(self._container, stream):
            made = output.add_stream_from_template(stream, opaque=True)
            if stream.type != "attachment":
                self._tracks.append(_Track(stream, made, clock=_clock_of(stream)))
            return made
        if stream.type == "subtitle" and stream.name in _TEXT_KINDS:
            return self._coded_again(stream, output)
        self._left_out(stream)
        return None

    def _attach_cover(self, stream: Any, output: Any) -> None:
        """Add a cover as Matroska has it: a file."""
        kind = _COVERS.get(stream.name)
        if kind is None or self._container.format != "matroska" or self._source is None:
            self._left_out(stream)
            return
        with open_container(self._source) as film:
            packets = film.demux(film.streams[stream.index])
            output.add_attachment(*kind, next(bytes(each) for each in packets if each.size))

    def _coded_again(self, stream: Any, output: Any) -> Any:
        made = output.add_stream(self._container.texts)
        stream.codec_context.open(strict=False)
        made.codec_context.subtitle_header = stream.codec_context.subtitle_header or b""
        made.time_base = made.codec_context.time_base = Fraction(1, 1000)
        self._tracks.append(_Track(stream, made, is_coded_again=True))
        return made

    def _left_out(self, stream: Any) -> None:
        context = stream.codec_context
        name = context.codec.canonical_name if context is not None else stream.name
        kinds = {"audio": "sound", "video": "other film", "data": "track of data"}
        kind = "cover" if is_cover(stream) else kinds.get(stream.type, stream.type)
        what = f"the {kind} ({escaped(name or 'unknown')}"
        language = stream.metadata.get("language")
        if language not in _NO_LANGUAGE:
            what += f", {escaped(language)}"
        self.remarks.append(f"{what}) is left out: {self._container.format} does not hold it")

    def _moved_chapters(self, given: InputContainer) -> list[dict[str, Any]]:
        chapters = []
        length = None if self._end is None else self._end - self._start
        for number, chapter in enumerate(given.chapters()):
            base = chapter["time_base"] or Fraction(1, 1000)
            begins = max(chapter["start"] * base - self._shift, Fraction(0))
            ends = chapter["end"] * base - self._shift
            if length is not None:
                ends = min(ends, length)
            if ends <= begins:
                continue
            chapters.append(
                {
                    "id": number,
                    "start": round(begins / base),
                    "end": round(ends / base),
                    "time_base": base,
                    "metadata": dict(chapter["metadata"]),
                }
            )
        return chapters


def _clock_of(stream: Any) -> _SampleClock | None:
    if stream.type != "audio" or stream.codec_context is None:
        return None
    samples, rate = stream.codec_context.frame_size, stream.codec_context.sample_rate
    if not samples or not rate or stream.time_base <= Fraction(1, rate):
        return None
    return _SampleClock(samples, rate)


def _describe(made: Any, given: Any) -> None:
    """Give a stream of the result the metadata and the disposition of the source's."""
    made.metadata.update(_of_film(given.metadata))
    made.disposition = given.disposition


def _of_film(metadata: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in metadata.items() if not _OF_CONTAINERS.fullmatch(name)}


def _is_held(container: Container, stream: Any) -> bool:
    """Try whether a muxer takes a stream, by a header in memory."""
    av = library()
    output = av.open(io.BytesIO(), "w", format=container.format)
    try:
        output.add_stream_from_template(stream, opaque=True)
        output.start_encoding()
    except (av.error.FFmpegError, ValueError):
        return False
    finally:
        # A film without packets is none for some muxers.
        with suppress(av.error.FFmpegError, ValueError):
            output.close()
    return True


def _missing(target: Path, joining: _Joining) -> Iterator[str]:
    """Find what the finished film does not hold, by reading it."""
    with open_container(target) as film:
        found = {name.lower(): value for name, value in film.metadata.items()}
        lost = [name for name in joining.metadata if name.lower() not in found]
        if lost:
            yield f"metadata is left out ({', '.join(map(escaped, lost))})"
        if len(film.chapters()) < len(joining.chapters):
            yield f"{counted(len(joining.chapters), 'chapter')} are left out"
        for wanted in joining.wanted:
            yield from _missing_of(wanted, film.streams[wanted.index])


def _missing_of(wanted: _Wanted, made: Any) -> Iterator[str]:
    language = wanted.language
    if language not in _NO_LANGUAGE and made.metadata.get("language") != language:
        yield f"the language of the {wanted.kind} ({escaped(str(language))}) is left out"
    if wanted.title and wanted.title not in made.metadata.values():
        yield f"the title of the {wanted.kind} ({escaped(wanted.title)}) is left out"
    lost = wanted.disposition & ~made.disposition
    if lost:
        yield f"the mark of the {wanted.kind} ({lost.name or lost}) is left out"


def _ranks(numbers: Sequence[int]) -> list[int]:
    """The place of each number among all of them in order."""
    ordered = sorted(numbers)
    return [bisect_left(ordered, number) for number in numbers]


def _ascending(ticks: list[int]) -> list[int]:
    """The same ticks, each at least one above the one before it."""
    result: list[int] = []
    for tick in ticks:
        result.append(tick if not result else max(tick, result[-1] + 1))
    return result


def _merged(
    one: Iterator[tuple[Fraction, Packet]], two: Iterator[tuple[Fraction, Packet]]
) -> Iterator[Packet]:
    """Packets of both in the order of their times."""
    first, second = next(one, None), next(two, None)
    while first is not None or second is not None:
        if second is None or (first is not None and first[0] <= second[0]):
            assert first is not None
            yield first[1]
            first = next(one, None)
        else:
            yield second[1]
            second = next(two, None)
