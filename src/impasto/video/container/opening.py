"""Containers, opened for reading: their pictures, and the time at which their film begins."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from io import UnsupportedOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

from impasto.errors import VideoError, escaped, one_line
from impasto.video.pyav import library, wrapped

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

__all__ = [
    "UNREADABLE",
    "PipeBytes",
    "Source",
    "is_address",
    "is_cover",
    "is_seekable",
    "likely_reason",
    "name_of",
    "open_container",
    "packets_of",
    "picture_stream",
    "tick_of",
    "zero_of",
]

Source: TypeAlias = str | Path | BinaryIO
"""A file, an address such as ``rtsp://...``, or an open binary file."""

UNREADABLE = "cannot be read as a film"

# Bytes 4 to 8 of MP4 and its relatives, whose index may stand at the end.
_MP4_BEGINNINGS = (b"ftyp", b"mdat", b"wide", b"free")

# Number of consecutive errors after which reading stops.
_GIVE_UP = 64

_IN_A_PIPE = (
    " (a pipe can carry YUV4MPEG2, Matroska and MPEG-TS, and MP4 only with its index at the start)"
)

# FFmpeg opens text files as films.
_TEXTS = frozenset(("tty", "bin", "adf", "idf", "xbin"))


def open_container(source: Source) -> InputContainer:
    """Open a container for reading.

    Raises:
        VideoError: It is not a container, or FFmpeg does not know it.
    """
    av = library()
    file: Any = source
    if isinstance(source, str | Path):
        # With its protocol, a name with a colon is still a name.
        file = str(source) if is_address(source) else f"file:{source}"
    elif not is_seekable(source):
        file = _Pipe(source)
    name = name_of(source)
    with wrapped(name, UNREADABLE + likely_reason(source)):
        container: InputContainer = av.open(file, metadata_errors="replace")
    if container.format.name in _TEXTS:
        container.close()
        raise VideoError(f"{escaped(name)}: {UNREADABLE}: it is a text file")
    return container


def picture_stream(container: InputContainer) -> VideoStream | None:
    """Return the stream of moving pictures; covers do not count."""
    streams = container.streams.video
    return next((each for each in streams if not is_cover(each)), None)


def zero_of(container: InputContainer, stream: VideoStream) -> Fraction:
    """Return the time of a container at which its film begins, in seconds.

    It is that of the first stream, so that picture and sound stay together. The silence that audio
    encoders begin with, before 0, does not count. It is a multiple of the tick of the pictures.
    """
    tick = tick_of(stream)
    starts = [
        each.start_time * each.time_base
        for each in container.streams
        if each.start_time is not None and each.time_base and each.type in ("video", "audio")
        if each is not stream and not is_cover(each)
    ]
    others = max(Fraction(0), min(starts)) if starts else None
    own = None if stream.start_time is None else stream.start_time * tick
    known = [each for each in (own, others) if each is not None]
    return math.floor(min(known, default=Fraction(0)) / tick) * tick


def packets_of(container: InputContainer, *streams: Any) -> Iterator[Any]:
    """Read all packets of some streams, or of all; on an error, yield the reason in one line."""
    av, failed = library(), 0
    while failed < _GIVE_UP:
        try:
            for packet in container.demux(*streams):
                failed = 0
                yield packet
            return
        except av.error.InvalidDataError as error:
            failed += 1
            if failed == 1:
                yield one_line(error)
        except IndexError:
            return  # PyAV, at the end: more streams were found than it knew at the beginning


def tick_of(stream: Any) -> Fraction:
    """Return the unit of a stream's times, in seconds."""
    return stream.time_base or Fraction(1, 1000)


def name_of(source: Source) -> str:
    """Return the name of a source, for messages."""
    if isinstance(source, str | Path):
        return str(source)
    name = getattr(source, "name", None)
    return name if isinstance(name, str) and name != "<stdin>" else "standard input"


def likely_reason(source: Source) -> str:
    """Return why a film may be unreadable, for a message, or ""."""
    if not is_seekable(source):
        return _IN_A_PIPE if not isinstance(source, str | Path) else ""
    if not isinstance(source, str | Path):
        return ""
    with suppress(OSError), Path(source).open("rb") as file:
        if file.read(12)[4:8] in _MP4_BEGINNINGS:
            return " (if it was cut short, its index is missing: record or copy it again)"
    return ""


class PipeBytes:
    """A file in memory that FFmpeg writes into and cannot seek in.

    Args:
        name: name for messages.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._data = bytearray()

    def write(self, data: bytes) -> int:
        """Store bytes."""
        self._data += data
        return len(data)

    def taken(self) -> bytes:
        """Return the stored bytes, and clear them."""
        data = bytes(self._data)
        self._data.clear()
        return data


class _Pipe:
    """A binary file that is read as its bytes come, without seeking."""

    def __init__(self, file: BinaryIO) -> None:
        self.name = name_of(file)
        # Whatever is available, without waiting for the full amount.
        self.read = getattr(file, "read1", file.read)


def is_address(source: Source) -> bool:
    """True for names with a protocol."""
    return isinstance(source, str) and "://" in source


def is_seekable(source: Source) -> bool:
    """True if a source can be read more than once."""
    if isinstance(source, str | Path):
        return not is_address(source)
    try:
        return source.seekable()
    except (AttributeError, ValueError, UnsupportedOperation):
        return False


def is_cover(stream: Any) -> bool:
    """True for a still picture that is the cover of the film."""
    return bool(stream.disposition & stream.disposition.__class__.attached_pic)
