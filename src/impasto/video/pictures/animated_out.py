"""Films as animated pictures: GIF, WebP and PNG, frame after frame, whole or not at all.

Every frame is encoded as a still picture, by the code for those, and its pieces are put into the
animation as they come, so the memory that is needed does not grow with the film.
"""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError, VideoError, counted, one_line
from impasto.images.files import whole_file
from impasto.images.icc import srgb_profile
from impasto.images.options import SaveOptions
from impasto.images.png import SIGNATURE, chunks_of
from impasto.images.writing import check_target, quantized, write_image
from impasto.video.frames import FilmInfo, Frame, Pixels
from impasto.video.pictures.gif_out import GifWriter

__all__ = ["SUFFIXES", "AnimationTarget"]

# Browsers show frames of 10 ms or less for 100 ms; GIF counts in hundredths of a second.
_SHORTEST = Fraction(11, 1000)


class AnimationTarget:
    """An animated picture that a film is written into: it gets its name when it is finished.

    Args:
        target: the file: ``.gif``, ``.webp``, ``.png`` or ``.apng``.
        info: the facts about the film; ``plays`` is how often it will be shown, for ever by
            default.
        save: the quality of WebP; the depth of PNG, 8 or 16 bits; whether a file is replaced.

    Attributes:
        deep: whether frames are written with 16 bits.

    Raises:
        VideoError: if no such picture can be written there.
    """

    def __init__(self, target: Path, info: FilmInfo, save: SaveOptions = SaveOptions()) -> None:
        self._name, self._target, self._info = one_line(target), target, info
        kind = SUFFIXES[target.suffix.lower()]
        side = max(info.height, info.width)
        if side > kind.largest:
            raise VideoError(
                f"{self._name}: {info.width} x {info.height} pixels, but {kind.name} allows "
                f"at most {kind.largest:,} per side; give a smaller --size"
            )
        self.deep = kind.deep and info.deep and save.depth != 8
        self._stack, self._overwrite = ExitStack(), save.overwrite
        self._remarks = []
        if info.deep and not kind.deep:
            self._remarks.append(f"{kind.name} holds 8 bits per channel, not 16")
        self._pending: bytes | None = None
        self._first, self._told, self._last = Fraction(0), Fraction(0), Fraction(0)
        self._seconds, self._frames, self._left_out = 1 / info.rate, 0, 0
        try:
            check_target(target, overwrite=save.overwrite)
            file = self._stack.enter_context(whole_file(target, overwrite=save.overwrite))
        except ImageError as error:
            raise VideoError(str(error)) from None
        except (OSError, ValueError) as error:
            raise self._error(error) from None
        self._writer: Container = kind(file, info, save)

    def write(self, frame: Frame) -> None:
        """Write the next frame; the one before it ends where it begins.

        Raises:
            VideoError: if it cannot be written.
        """
        if self._pending is None:
            self._first = frame.time
        time = frame.time - self._first
        if self._pending is not None:
            shortest = self._writer.shortest
            seconds = max(self._writer.nearest(time - self._told), shortest)
            if self._told + seconds > time + shortest / 2:  # too late by half of a frame
                self._left_out += 1
                return
            self._put(seconds)
        self._last = time
        self._seconds = frame.seconds or self._seconds
        try:
            self._pending = self._writer.encoded(*self._planes(frame))
        except (ImageError, OSError, ValueError) as error:
            raise self._error(error) from None

    def finish(self) -> tuple[str, ...]:
        """Finish the picture, and give it its name.

        Returns:
            What it cannot hold, one line each.

        Raises:
            VideoError: if there was no frame, or it cannot be written.
        """
        if self._pending is None:
            self.stop()
            raise VideoError(f"{self._name}: there was no frame to write")
        end = self._last + self._seconds
        self._put(max(self._writer.nearest(end - self._told), self._writer.shortest))
        try:
            self._writer.close(self._frames)
            self._stack.close()
        except FileExistsError:
            raise VideoError(
                f"{self._name}: already exists; give another name or pass --overwrite"
            ) from None
        except (OSError, ValueError) as error:
            raise self._error(error) from None
        if self._left_out:
            self._remarks.append(
                f"{self._writer.name} shows at most {int(1 / self._writer.shortest)} frames per "
                f"second: {counted(self._left_out, 'frame')} dropped"
            )
        return (*self._remarks, *self._writer.remarks())

    def stop(self) -> None:
        """Abort: nothing is left of the picture."""
        error = VideoError(f"{self._name}: not finished")
        self._stack.__exit__(type(error), error, None)

    def _planes(self, frame: Frame) -> tuple[Pixels, Pixels | None]:
        depth = 16 if self.deep else 8
        image, opacity = quantized(frame.image, depth), None
        if self._info.alpha:
            opaque = np.full(image.shape[:2], np.iinfo(image.dtype).max, image.dtype)
            opacity = opaque if frame.opacity is None else quantized(frame.opacity, depth)
        return image, opacity

    def _put(self, seconds: Fraction) -> None:
        assert self._pending is not None
        seconds = min(seconds, self._writer.longest)
        try:
            self._writer.put(self._pending, seconds)
        except (OSError, ValueError) as error:
            raise self._error(error) from None
        self._told += seconds
        self._frames += 1

    def _error(self, error: Exception) -> VideoError:
        return VideoError(f"{self._name}: cannot be written ({one_line(error)})")


class Container(Protocol):
    """A format of animated pictures that is being written."""

    name: str
    largest: int
    """Pixels on a side."""
    deep: bool
    """True if it holds 16 bits a channel."""
    shortest: Fraction
    """Seconds of the shortest frame that is shown as stated."""
    longest: Fraction

    def __init__(self, file: BinaryIO, info: FilmInfo, save: SaveOptions) -> None: ...

    def nearest(self, seconds: Fraction) -> Fraction:
        """Return the nearest time that the format can state."""
        ...

    def encoded(self, image: Pixels, opacity: Pixels | None) -> bytes:
        """Return the data of a frame that does not depend on how long it is shown."""
        ...

    def put(self, encoded: bytes, seconds: Fraction) -> None:
        """Write a frame."""
        ...

    def close(self, frames: int) -> None:
        """Write the number of frames, and the end."""
        ...

    def remarks(self) -> tuple[str, ...]:
        """Return what was lost from the frames."""
        ...


class WebPWriter:
    """Writer of an animated WebP (RFC 9649)."""

    name = "WebP"
    largest = 16_383
    deep = False
    shortest = _SHORTEST
    longest = Fraction((1 << 24) - 1, 1000)

    def __init__(self, file: BinaryIO, info: FilmInfo, save: SaveOptions) -> None:
        self._file, self._quality = file, save.quality
        self._size = _three(info.width - 1) + _three(info.height - 1)
        profile = srgb_profile()
        flags = 0x22 | 0x10 * info.alpha  # an animation with a profile, and perhaps an opacity
        file.write(b"RIFF\0\0\0\0WEBP")
        file.write(_riff(b"VP8X", bytes((flags, 0, 0, 0)) + self._size) + _riff(b"ICCP", profile))
        file.write(_riff(b"ANIM", struct.pack("<IH", 0, min(info.plays or 0, 0xFFFF))))

    def nearest(self, seconds: Fraction) -> Fraction:
        """Return the nearest time in milliseconds."""
        return Fraction(round(seconds * 1000), 1000)

    def encoded(self, image: Pixels, opacity: Pixels | None) -> bytes:
        """Return the chunks of a still picture that are its pixels."""
        stream = io.BytesIO()
        Image.fromarray(_stacked(image, opacity)).save(stream, "WEBP", quality=self._quality)
        data, at, chunks = stream.getvalue(), 12, []
        while at + 8 <= len(data):
            kind, length = struct.unpack_from("<4sI", data, at)
            if kind in (b"ALPH", b"VP8 ", b"VP8L"):
                chunks.append(_riff(kind, data[at + 8 : at + 8 + length]))
            at += 8 + length + length % 2
        return b"".join(chunks)

    def put(self, encoded: bytes, seconds: Fraction) -> None:
        """Write a frame, which replaces the one before it."""
        placed = bytes(6) + self._size + _three(int(seconds * 1000)) + b"\2"
        self._file.write(_riff(b"ANMF", placed + encoded))

    def close(self, frames: int) -> None:
        """Write the length of the file.

        Raises:
            ValueError: if it is too long for the format.
        """
        length = self._file.tell() - 8
        if length > 0xFFFFFFFE:
            raise ValueError(
                "a WebP holds at most 4 GiB; give a smaller --size or a lower --quality"
            )
        self._file.seek(4)
        self._file.write(struct.pack("<I", length))

    def remarks(self) -> tuple[str, ...]:
        """Return nothing: it holds all but what is reported at the beginning."""
        return ()


class PngWriter:
    """Writer of an animated PNG (PNG, 3rd edition)."""

    name = "PNG"
    largest = (1 << 31) - 1
    deep = True
    shortest = _SHORTEST
    longest = Fraction(0xFFFF)

    def __init__(self, file: BinaryIO, info: FilmInfo, save: SaveOptions) -> None:
        self._file, self._plays = file, info.plays or 0
        self._size = struct.pack(">II", info.width, info.height)
        self._parts = 0  # numbered parts: of frames and of their pixels
        self._control = 0  # the position of the number of frames

    def nearest(self, seconds: Fraction) -> Fraction:
        """Return the fraction of two numbers of 16 bits that is nearest to a time."""
        found = seconds.limit_denominator(0xFFFF)
        while found.numerator > 0xFFFF:  # more than a second: less exact, and compensated
            found = found.limit_denominator(max(1, found.denominator // 2))
            if found.denominator == 1:
                break
        return found

    def encoded(self, image: Pixels, opacity: Pixels | None) -> bytes:
        """Return a still picture, of 16 bits if the frames have them."""
        stream = io.BytesIO()
        write_image(_stacked(image, opacity), stream, format="png")
        return stream.getvalue()

    def put(self, encoded: bytes, seconds: Fraction) -> None:
        """Write the pixels of a frame, and with the first of them everything that precedes them."""
        picture, first = io.BytesIO(encoded), not self._control
        if first:
            self._file.write(SIGNATURE)
        for chunk in chunks_of(picture):
            data = encoded[chunk.start : chunk.start + chunk.length]
            if chunk.kind == b"IDAT":
                if seconds:
                    self._begin_frame(seconds)
                    seconds = Fraction(0)
                if first:
                    self._chunk(b"IDAT", data)
                else:
                    self._chunk(b"fdAT", self._next() + data)
            elif first and chunk.kind != b"IEND":
                self._chunk(chunk.kind, data)
                if chunk.kind == b"IHDR":
                    self._control = self._file.tell()
                    self._chunk(b"acTL", struct.pack(">II", 1, self._plays))

    def close(self, frames: int) -> None:
        """Write the end, and the number of frames."""
        self._chunk(b"IEND", b"")
        self._file.seek(self._control)
        self._chunk(b"acTL", struct.pack(">II", frames, self._plays))

    def remarks(self) -> tuple[str, ...]:
        """Return nothing: it holds all."""
        return ()

    def _begin_frame(self, seconds: Fraction) -> None:
        delay = struct.pack(">HH", seconds.numerator, seconds.denominator)
        # At its position, without blending: it stays until the next one replaces it.
        self._chunk(b"fcTL", self._next() + self._size + bytes(8) + delay + bytes(2))

    def _next(self) -> bytes:
        self._parts += 1
        return struct.pack(">I", self._parts - 1)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        check = zlib.crc32(data, zlib.crc32(kind))
        self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check))


def _stacked(image: Pixels, opacity: Pixels | None) -> NDArray[Any]:
    return image if opacity is None else np.dstack([image, opacity])


def _riff(kind: bytes, data: bytes) -> bytes:
    return struct.pack("<4sI", kind, len(data)) + data + b"\0" * (len(data) % 2)


def _three(number: int) -> bytes:
    return number.to_bytes(3, "little")


SUFFIXES: dict[str, type[Container]] = {
    ".gif": GifWriter,
    ".webp": WebPWriter,
    ".png": PngWriter,
    ".apng": PngWriter,
}
"""The formats of animated pictures that are written, by the suffixes of files, in lower case."""
