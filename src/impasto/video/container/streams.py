"""Films written into a pipe as their frames come: YUV4MPEG2, or Matroska.

There are no parts, and nothing can be resumed. YUV4MPEG2 is what most video tools read from a
pipe; it holds only pictures, at one rate, and does not state the matrix of its colors: it is the
one that players assume for films of its size. Matroska has exact times, sound and everything else.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from impasto.errors import counted
from impasto.video.container.colors import ToFilm, untold_matrix
from impasto.video.container.encoding import (
    CONTAINERS,
    check_size,
    choose_encoding,
    encoded,
    prepare_stream,
)
from impasto.video.container.opening import PipeBytes
from impasto.video.container.tracks import SourceTracks
from impasto.video.frames import FilmInfo, Frame
from impasto.video.pyav import library, wrapped

__all__ = ["StreamTarget"]

_UNWRITABLE = "cannot be written"

# Each frame goes out when the next one comes, not after a second.
_AT_ONCE = {"avoid_negative_ts": "disabled", "flush_packets": "1", "cluster_time_limit": "1"}


class StreamTarget:
    """A film that is written into an open file, such as standard output.

    Args:
        file: binary file, which need not be seekable.
        info: facts about the film.
        codec: a name in :data:`impasto.video.container.encoding.CODECS` for a Matroska film; None
            for YUV4MPEG2.
        crf: rate factor of the codec.
        source: the film that sound and everything else are taken from; None for none.
        start: the time of the source at which the result begins.
        end: the time at which it ends; None: with the source.

    Raises:
        OptionError: The codec is unknown, or a value is out of its range.
        VideoError: The source cannot be read.
    """

    def __init__(
        self,
        file: BinaryIO,
        info: FilmInfo,
        *,
        codec: str | None = None,
        crf: float | None = None,
        source: Path | None = None,
        start: Fraction = Fraction(0),
        end: Fraction | None = None,
    ) -> None:
        tracks = SourceTracks(source, CONTAINERS[".mkv"], start, end, is_pipe=True)
        self._name = _name_of(file)
        self._writer: _Writer
        if codec is None:
            self._writer = _Plain(file, info, start, tracks)
        else:
            self._writer = _Matroska(file, info, start, tracks, codec, crf)

    @property
    def deep(self) -> bool:
        """True if it takes frames of 16 bits."""
        return self._writer.deep

    def write(self, frame: Frame) -> None:
        """Write the next frame.

        Raises:
            VideoError: The other end is closed, or the frame has another size.
        """
        with wrapped(self._name, _UNWRITABLE):
            self._writer.write(frame)

    def finish(self) -> tuple[str, ...]:
        """Write what is left; return what the result does not hold, one line each."""
        with wrapped(self._name, _UNWRITABLE):
            return self._writer.finish()

    def stop(self) -> None:
        """Abort: what is written stays."""
        self._writer.stop()


class _Writer(Protocol):
    deep: bool

    def write(self, frame: Frame) -> None: ...

    def finish(self) -> tuple[str, ...]: ...

    def stop(self) -> None: ...


class _Plain:
    """YUV4MPEG2: a line of text for the film, then the values of each frame."""

    deep = False

    def __init__(
        self, file: BinaryIO, info: FilmInfo, start: Fraction, tracks: SourceTracks
    ) -> None:
        self._file, self._info, self._start = file, info, start
        self._lost = tracks.names
        tracks.close()
        matrix = untold_matrix(info.height, info.width)
        self._colors = ToFilm("yuv420p", info.width, info.height, matrix=matrix)
        self._begun = False
        self._waiting: tuple[int, bytes] | None = None
        self._repeated = self._skipped = 0

    def write(self, frame: Frame) -> None:
        """Place the frame at the constant rate; write the one before it."""
        check_size(frame, self._info.height, self._info.width)
        place = round((frame.time - self._start) * self._info.rate)
        data = self._data(frame)
        if self._waiting is None:
            self._waiting = (place, data)
            return
        before, waiting = self._waiting
        if place <= before:
            self._skipped += 1
            self._waiting = (before, data)
            return
        for _ in range(place - before):
            self._put(waiting)
        self._repeated += place - before - 1
        self._waiting = (place, data)

    def finish(self) -> tuple[str, ...]:
        if self._waiting is not None:
            self._put(self._waiting[1])
        self._file.flush()
        remarks = []
        if self._repeated or self._skipped:
            remarks.append(
                f"YUV4MPEG2 has one frame rate: {counted(self._repeated, 'frame')} repeated, "
                f"{self._skipped} dropped; give a codec to write Matroska, which keeps all times"
            )
        if self._info.alpha:
            remarks.append("the opacity is lost: YUV4MPEG2 has no alpha channel")
        if self._lost:
            remarks.append(
                f"YUV4MPEG2 holds only video ({', '.join(self._lost)} left out); give a codec to "
                "write Matroska"
            )
        return tuple(remarks)

    def stop(self) -> None:
        """Abort: a stream of whole frames is a film."""

    def _put(self, data: bytes) -> None:
        if not self._begun:
            info, rate, aspect = self._info, self._info.rate, self._info.aspect
            self._file.write(
                f"YUV4MPEG2 W{info.width} H{info.height} F{rate.numerator}:{rate.denominator} "
                f"Ip A{aspect.numerator}:{aspect.denominator} C420jpeg "
                "XYSCSS=420JPEG XCOLORRANGE=LIMITED\n".encode()
            )
            self._begun = True
        self._file.write(b"FRAME\n" + data)

    def _data(self, frame: Frame) -> bytes:
        planes = self._colors(frame.image).planes
        rows = (np.frombuffer(bytes(each), np.uint8).reshape(each.height, -1) for each in planes)
        return b"".join(
            row[:, : each.width].tobytes() for row, each in zip(rows, planes, strict=True)
        )


class _Matroska:
    """A Matroska film; the other tracks of the source are written at their times."""

    def __init__(
        self,
        file: BinaryIO,
        info: FilmInfo,
        start: Fraction,
        tracks: SourceTracks,
        codec: str,
        crf: float | None,
    ) -> None:
        av = library()
        encoding = choose_encoding(info, ".mkv", codec=codec, crf=crf)
        self.deep = info.deep and encoding.is_deep
        self._encoding, self._start, self._tracks = encoding, start, tracks
        self._file, self._bytes = file, PipeBytes(_name_of(file))
        self._colors = ToFilm(encoding.pixel_format, encoding.coded_width, encoding.coded_height)
        with wrapped(_name_of(file), _UNWRITABLE):
            self._output = av.open(
                self._bytes,
                "w",
                format="matroska",
                container_options=_AT_ONCE,
            )
            self._output.flags |= av.container.Flags.bitexact.value
            self._stream = self._output.add_stream(
                encoding.encoder.name, rate=encoding.encoder_rate
            )
            prepare_stream(self._stream, encoding, self._colors)
            self._stream.codec_context.time_base = encoding.tick
            self._stream.codec_context.gop_size = max(1, round(encoding.rate))
            tracks.add_to(self._output)
            self._output.start_encoding()
        self._others = tracks.packets()
        self._other = next(self._others, None)

    def write(self, frame: Frame) -> None:
        check_size(frame, self._encoding.height, self._encoding.width)
        picture = self._colors(frame.image, frame.opacity)
        time = frame.time - self._start
        picture.pts = round(time / self._encoding.tick)
        picture.time_base = self._encoding.tick
        self._mux_others(time)
        self._output.mux(encoded(self._stream, picture))
        self._pass_on()

    def finish(self) -> tuple[str, ...]:
        self._output.mux(encoded(self._stream, None))
        self._mux_others(None)
        self._close()
        self._pass_on()
        self._file.flush()
        return (*self._encoding.remarks, *self._tracks.remarks)

    def stop(self) -> None:
        """Abort: the packets that are written can be shown."""
        self._close()

    def _close(self) -> None:
        self._output.close()
        self._tracks.close()

    def _mux_others(self, until: Fraction | None) -> None:
        while self._other is not None and (until is None or self._other[0] <= until):
            self._output.mux(self._other[1])
            self._other = next(self._others, None)

    def _pass_on(self) -> None:
        """Write the output of FFmpeg: its own calls would swallow an interruption."""
        self._file.write(self._bytes.taken())


def _name_of(file: BinaryIO) -> str:
    name = getattr(file, "name", None)
    return name if isinstance(name, str) and name != "<stdout>" else "standard output"
