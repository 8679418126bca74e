"""Tracks: the sound, the subtitles and everything else that a result takes from its source.

Sound is copied packet for packet; subtitles are re-encoded where the container of the result stores
them differently. What it cannot hold is found by trying and by reading the result, and is reported.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from impasto.errors import counted, escaped
from impasto.video.container.encoding import Container
from impasto.video.container.opening import (
    PipeBytes,
    is_cover,
    open_container,
    packets_of,
    picture_stream,
    zero_of,
)
from impasto.video.pyav import library

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["Packet", "SourceTracks"]

Packet: TypeAlias = Any
"""A packet of PyAV: a type with parameters in some of its versions."""

# Metadata of a container or a muxer, not of the film.
_OF_CONTAINERS = re.compile(
    r"(major_brand|minor_version|compatible_brands|encoder|software|handler_name|vendor_id|duration|rotate|"
    r"bps|number_of_frames|number_of_bytes|_statistics_.*|alpha_mode|source_id|timecode)(-.*)?",
    re.IGNORECASE,
)
# The longest silence before a film's beginning that audio encoders need, in seconds.
_PRIMING = Fraction(1, 5)

# Names and kinds of covers in Matroska, by their codecs.
_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}

_TEXT_KINDS = frozenset(("subrip", "srt", "mov_text", "webvtt", "ass", "ssa", "text"))
# The usual loudspeaker layouts, by their number.
_LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}

_NO_LANGUAGE = (None, "", "und")


class SourceTracks:
    """Everything but the pictures that a result takes from the source.

    Args:
        source: the film.
        container: container of the result.
        start: the time of the source at which the result begins.
        end: the time at which it ends; None: with the source.
        is_pipe: the result is not seekable.
    """

    def __init__(
        self,
        source: Path | None,
        container: Container,
        start: Fraction,
        end: Fraction | None,
        *,
        is_pipe: bool = False,
    ) -> None:
        self._source, self._container = source, container
        self._start, self._end, self._is_pipe = start, end, is_pipe
        self._given: Any = None if source is None else open_container(source)
        self._shift = Fraction(0)
        self._tracks: list[_Track] = []
        self._wanted: list[_Wanted] = []
        self._chapters: list[dict[str, Any]] = []
        self._metadata: dict[str, str] = {}
        self._remarks: list[str] = []
        self.is_damaged = False

    @property
    def remarks(self) -> list[str]:
        """Losses, one line each; ``is_damaged`` adds to them."""
        damaged = ["parts of the sound or subtitles are damaged and left out"]
        return [*self._remarks, *(damaged if self.is_damaged else [])]

    @property
    def names(self) -> list[str]:
        """The kinds of streams that the source has beside its pictures, such as "audio"."""
        if self._given is None:
            return []
        pictures = picture_stream(self._given)
        kinds = (each.type for each in self._given.streams if each is not pictures)
        return sorted({"sound" if kind == "audio" else kind for kind in kinds})

    def add_to(self, output: Any) -> None:
        """Add the streams, the chapters and the metadata of the source to the result.

        Args:
            output: an open container whose first stream is that of the pictures.
        """
        given = self._given
        if given is None:
            return
        pictures = picture_stream(given)
        self._shift = self._start + (zero_of(given, pictures) if pictures is not None else 0)
        self._chapters = self._moved_chapters(given)
        for stream in given.streams:
            if stream is pictures:
                _describe(output.streams.video[0], stream)
                continue
            made = self._added(stream, output)
            if made is not None:
                _describe(made, stream)
        self._wanted = [track.wanted() for track in self._tracks]
        self._metadata = _of_film(given.metadata)
        output.metadata.update(self._metadata)
        output.set_chapters(self._chapters)

    def packets(self) -> Iterator[tuple[Fraction, Packet]]:
        """Packets of the source's other streams, moved to the times of the result."""
        tracks = {track.given.index: track for track in self._tracks}
        if not tracks:
            return
        for packet in packets_of(self._given, [track.given for track in self._tracks]):
            if isinstance(packet, str):
                self.is_damaged = True
                continue
            track = tracks[packet.stream.index]
            if not packet.size:
                continue
            if is_cover(track.given):
                packet.pts = packet.dts = 0
            elif packet.pts is None or not self._is_inside(packet, track.given.type):
                continue
            try:
                taken = track.taken(packet)
            except library().error.FFmpegError:
                self.is_damaged = True
                continue
            if taken is not None:
                yield taken.dts * taken.time_base, taken

    def missing(self, target: Path) -> Iterator[str]:
        """Find what the finished film does not hold, by reading it; one line each."""
        with open_container(target) as film:
            found = {name.lower(): value for name, value in film.metadata.items()}
            lost = [name for name in self._metadata if name.lower() not in found]
            if lost:
                yield f"metadata is left out ({', '.join(map(escaped, lost))})"
            if len(film.chapters()) < len(self._chapters):
                yield f"{counted(len(self._chapters), 'chapter')} are left out"
            index = 0
            for track, wanted in zip(self._tracks, self._wanted, strict=True):
                if self._container.edits and not track.count:
                    continue  # MP4 has no empty tracks
                index = index + 1 if self._container.edits else wanted.index
                yield from _missing_of(wanted, film.streams[index])

    def close(self) -> None:
        """Close the source."""
        if self._given is not None:
            self._given.close()
            self._given = None

    def __enter__(self) -> SourceTracks:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _is_inside(self, packet: Packet, kind: str) -> bool:
        """Move a packet to the times of the result; False if it is outside them."""
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
        if kind == "audio" and not self._container.edits and begins < earliest:
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
            if not self._chapters or stream.discard.name != "all":
                self._left_out(stream)
            return None
        if stream.type == "video" and not is_cover(stream):
            self._left_out(stream)
            return None
        if is_cover(stream) and not self._container.edits:
            self._attach_cover(stream, output)
            return None
        if _is_held(self._container, stream, is_pipe=self._is_pipe):
            made = _added_as_it_is(output, stream)
            if stream.type != "attachment":
                self._tracks.append(
                    _Track(stream, made, self._container.edits, clock=_clock_of(stream))
                )
            return made
        if stream.type == "subtitle" and _codec_of(stream) in _TEXT_KINDS:
            return self._coded_again(stream, output)
        self._left_out(stream)
        return None

    def _attach_cover(self, stream: Any, output: Any) -> None:
        """Add a cover as Matroska stores it: as a file."""
        kind = _COVERS.get(_codec_of(stream))
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
        self._tracks.append(_Track(stream, made, self._container.edits, is_coded_again=True))
        return made

    def _left_out(self, stream: Any) -> None:
        kinds = {"audio": "sound", "video": "other video", "data": "data track"}
        kind = "cover" if is_cover(stream) else kinds.get(stream.type, stream.type)
        what = f"the {kind} ({escaped(_codec_of(stream))}"
        language = stream.metadata.get("language")
        if language not in _NO_LANGUAGE:
            what += f", {escaped(language)}"
        holder = f"{self._container.format}{' in a pipe' if self._is_pipe else ''}"
        self._remarks.append(f"{what}) is left out: {holder} cannot contain it")

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


@dataclass(frozen=True)
class _Wanted:
    """The expected facts about a stream of the result; streams end with their containers."""

    index: int
    kind: str
    language: str | None
    title: str | None
    disposition: Any


@dataclass(eq=False)
class _Track:
    """A stream of the source, and the stream of the result that takes its packets.

    Attributes:
        given: stream of the source.
        made: stream of the result.
        is_strict: no two of its packets have the same time in the result.
        is_coded_again: whether its packets are re-encoded.
        clock: clock for packets whose times are rounded.
        count: number of packets of the result.
    """

    given: Any
    made: Any
    is_strict: bool
    is_coded_again: bool = False
    clock: _SampleClock | None = None
    count: int = 0
    _last: int | None = None

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
        """Return the packet for the result, or None for an empty text."""
        if self.is_coded_again:
            texts = self.given.codec_context.decode2(packet)
            if texts is None or not len(texts):
                return None
            coded: Packet = self.made.codec_context.encode_subtitle(texts)
            coded.time_base, coded.pts, coded.dts = packet.time_base, packet.pts, packet.pts
            coded.duration = packet.duration
            packet = coded
        elif self.clock is not None:
            self.clock.set(packet)
        self._put_in_order(packet)
        packet.stream = self.made
        return packet

    def _put_in_order(self, packet: Packet) -> None:
        """Give the packet a time of the result, not before that of the last one."""
        unit = packet.time_base / self.made.time_base
        packet.pts, packet.dts = round(packet.pts * unit), round(packet.dts * unit)
        packet.duration = round((packet.duration or 0) * unit)
        packet.time_base = self.made.time_base
        if self._last is not None and packet.dts < self._last + self.is_strict:
            packet.dts = self._last + self.is_strict
        packet.pts = max(packet.pts, packet.dts)
        self._last = packet.dts
        self.count += 1


class _SampleClock:
    """Exact times for packets of sound whose container has rounded them, such as Matroska's.

    Args:
        samples: samples in each packet.
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
        # The last packet may be shown shorter than it is.
        length = self._samples
        told = packet.duration * base / self._unit
        if 0 < told < length - base / self._unit:
            length = round(told)
        packet.time_base = self._unit
        packet.pts = packet.dts = place
        packet.duration = length
        self._next = place + self._samples


def _codec_of(stream: Any) -> str:
    """The codec of a stream, or the name of an attachment."""
    if stream.codec_context is not None:
        return str(stream.codec_context.codec.canonical_name)
    return getattr(stream, "name", None) or "unknown"


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


def _is_held(container: Container, stream: Any, *, is_pipe: bool) -> bool:
    """Test whether a muxer accepts a stream, with a film in memory without packets."""
    av = library()
    file = PipeBytes("header") if is_pipe else io.BytesIO()
    output = av.open(file, "w", format=container.format)
    try:
        _added_as_it_is(output, stream)
        output.start_encoding()
        output.close()
    except (av.error.FFmpegError, ValueError):
        with suppress(av.error.FFmpegError, ValueError):
            output.close()
        return False
    return True


def _added_as_it_is(output: Any, stream: Any) -> Any:
    """Add a stream to a container, whose packets are copied."""
    made = output.add_stream_from_template(stream, opaque=True)
    if stream.type == "audio" and stream.codec_context is not None:
        # MP4 needs the loudspeaker layout of PCM; AVI and Matroska do not state it.
        given = stream.codec_context.layout
        if given.name == f"{given.nb_channels} channels" and given.nb_channels in _LAYOUTS:
            made.codec_context.layout = _LAYOUTS[given.nb_channels]
    return made


def _missing_of(wanted: _Wanted, made: Any) -> Iterator[str]:
    language = wanted.language
    if language not in _NO_LANGUAGE and made.metadata.get("language") != language:
        yield f"the language of the {wanted.kind} ({escaped(str(language))}) is left out"
    if wanted.title and wanted.title not in made.metadata.values():
        yield f"the title of the {wanted.kind} ({escaped(wanted.title)}) is left out"
    lost = wanted.disposition & ~made.disposition
    if lost:
        yield f"the flag of the {wanted.kind} ({lost.name or lost}) is left out"
