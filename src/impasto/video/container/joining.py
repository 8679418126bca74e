"""Joining of the painted parts, and everything else that the source holds, into one film.

Nothing is re-encoded. The parts' packets get the exact times of the source's frames.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.errors import VideoError, counted, one_line
from impasto.video.container.encoding import Encoding
from impasto.video.container.opening import open_container
from impasto.video.container.tracks import Packet, SourceTracks
from impasto.video.pyav import library, wrapped

if TYPE_CHECKING:
    from av.container import InputContainer

__all__ = ["join"]

# Parts of a second in which MP4 counts; its numbers have 32 bits.
_FINEST = 1_000_000


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
    """Join parts into one film, with the sound and everything else of its source.

    Args:
        parts: files of :func:`impasto.video.container.encoding.write_part`, in their order.
        times: times of all their frames, in seconds of the source, ascending.
        target: the file to write, which is overwritten; its name does not matter.
        encoding: encoding of the parts.
        source: the film that sound, subtitles, chapters and metadata are taken from; None for none.
        start: the time of the source at which the result begins.
        end: the time at which it ends; None: with the source.
        seconds: how long the last frame is shown; None: the mean duration.

    Returns:
        Remarks on what the result does not hold, one line each.

    Raises:
        VideoError: A file cannot be read or written, or the parts do not fit the times.
    """
    library()
    with wrapped(str(target), "cannot be written"):
        pictures = _Pictures(parts, times, encoding, seconds)
        with SourceTracks(source, encoding.container, start, end) as tracks:
            try:
                return _written(target, pictures, tracks, encoding, start)
            except _of_the_film() as error:
                if source is None or isinstance(error, OSError):
                    raise
                reason = one_line(error)
        with SourceTracks(None, encoding.container, start, end) as none:
            _written(target, pictures, none, encoding, start)
        return (f"the source is damaged ({reason}): the result has only video",)


def _written(
    target: Path,
    pictures: _Pictures,
    tracks: SourceTracks,
    encoding: Encoding,
    start: Fraction,
) -> tuple[str, ...]:
    """Write the film; return remarks."""
    with library().open(
        f"file:{target}",
        "w",
        format=encoding.container.format,
        container_options=_muxer_options(encoding),
    ) as output:
        output.flags |= library().container.Flags.bitexact.value
        pictures.add_to(output)
        tracks.add_to(output)
        output.start_encoding()
        for packet in _merged(pictures.packets(start), tracks.packets()):
            try:
                output.mux(packet)
            except _of_the_film() as error:
                if isinstance(error, OSError):
                    raise
                tracks.is_damaged = True  # or a packet of the pictures, whose loss would be noticed
    if tracks.is_damaged:
        pictures.check(target)
    return (*tracks.remarks, *tracks.missing(target))


def _of_the_film() -> type[Exception]:
    """The errors of FFmpeg; those that are also errors of the system have other causes."""
    found: type[Exception] = library().error.FFmpegError
    return found


def _muxer_options(encoding: Encoding) -> dict[str, str]:
    # Sound that begins before 0 stays there: the pictures must not be moved by it.
    options = {**encoding.container.options, "avoid_negative_ts": "disabled"}
    if encoding.container.edits:
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
        self._has_edits = encoding.container.edits
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

    def check(self, target: Path) -> None:
        """Check that a film has all frames of the parts.

        Raises:
            VideoError: It does not.
        """
        found = len(self._read(target))
        if found != len(self._times):
            raise VideoError(f"only {found} of {len(self._times)} frames could be written")

    def _read(self, part: Path) -> list[int]:
        with open_container(part) as film:
            return [packet.pts or 0 for packet in self._of(film)]

    def _of(self, film: InputContainer) -> Iterator[Packet]:
        return (packet for packet in film.demux(film.streams.video[0]) if packet.size)


def _ranks(numbers: Sequence[int]) -> list[int]:
    """The rank of each number."""
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
