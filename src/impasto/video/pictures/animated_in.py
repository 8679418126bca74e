"""Animated pictures as films: GIF, WebP and PNG, with the times that they state, frame by frame.

The facts beside the pixels (times, how often it is shown, transparency) are read from the file
itself, exactly and before anything is decoded; the pixels are decoded by Pillow.
"""

from __future__ import annotations

import io
import math
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, count, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError, VideoError, one_line
from impasto.images.cicp import ColorSpace
from impasto.images.formats import FORMATS, check_pixels, damaged, open_by_pillow, open_file
from impasto.images.pixels import planes
from impasto.images.png import chunks_of, png_space, told_and_pixels
from impasto.images.writing import quantized
from impasto.video.frames import Damage, FilmInfo, Frame

__all__ = ["AnimatedFilm", "open_animation"]

# Browsers show frames of 10 ms or less for 100 ms, as users expect of such pictures.
_TOO_SHORT, _INSTEAD = Fraction(1, 100), Fraction(1, 10)

# The finest unit of time that film containers support.
_FINEST = 90_000

_PLAIN = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")


@dataclass(frozen=True)
class Told:
    """The facts about an animated picture other than its pixels.

    Attributes:
        size: width and height in pixels.
        delays: how long each frame is shown, in seconds, as stated in the file.
        plays: how often it is shown, 0: endlessly.
        first: the frame that Pillow counts as the first of the animation.
        alpha: whether it may be transparent; None: its pixels decide.
        whole: False for a file that is truncated after the frames that are stated.
        deep: whether it has more than 8 bits a channel.
    """

    size: tuple[int, int]
    delays: tuple[Fraction, ...]
    plays: int = 0
    first: int = 0
    alpha: bool | None = None
    whole: bool = True
    deep: bool = False


def open_animation(path: Path, *, max_pixels: int) -> AnimatedFilm | None:
    """Open an animated GIF, WebP or PNG as a film.

    Args:
        path: the file.
        max_pixels: larger ones are refused.

    Returns:
        None for a picture of one frame, or of another format.

    Raises:
        VideoError: if it cannot be read.
    """
    name = one_line(path)
    try:
        with open_file(path) as file:
            head = file.read(32)
            found = [row.name for row in FORMATS if re.match(row.magic, head, re.DOTALL)]
            if not found or found[0] not in _TELLERS:
                return None
            kind = found[0]
            told = _TELLERS[kind](file)
            if len(told.delays) < 2:
                return None
            check_pixels(told.size, name=name, max_pixels=max_pixels)
        return AnimatedFilm(path, kind, told, max_pixels)
    except (ImageError, OSError, struct.error, IndexError) as error:
        reason = one_line(error) if isinstance(error, ImageError) else f"{name}: {one_line(error)}"
        raise VideoError(reason) from None


class AnimatedFilm:
    """An animated picture that is open for reading.

    Args:
        path: the file, which is opened again for every pass through its frames.
        kind: Pillow's name of its format.
        told: the facts beside its pixels.
        max_pixels: larger ones are refused.

    Raises:
        ImageError: if its first frame cannot be decoded.
    """

    def __init__(self, path: Path, kind: str, told: Told, max_pixels: int) -> None:
        self._path, self._kind, self._told, self._max_pixels = path, kind, told, max_pixels
        self._seconds = [_INSTEAD if each <= _TOO_SHORT else each for each in told.delays]
        self.info = self._described()

    def frames(
        self, start: Fraction = Fraction(0), end: Fraction | None = None
    ) -> Iterator[Frame | Damage]:
        """Decode the frames that appear at ``start`` or later and before ``end``, in seconds.

        A frame is painted over the previous one, so the film ends at a damaged one.
        """
        time, before, total = Fraction(0), None, len(self._seconds)
        with self._opened() as (picture, space):
            for number, seconds in enumerate(self._seconds):
                if end is not None and time >= end:
                    return
                if time >= start:
                    try:
                        image, opacity = self._pixels(picture, number, space)
                    except Exception as error:  # a reader may raise any error
                        behind = " and those after it" if number + 1 < total else ""
                        yield Damage(
                            before,
                            f"frame {number + 1} of {total}{behind} cannot be decoded "
                            f"({one_line(error)})",
                        )
                        return
                    yield Frame(image, time, opacity, seconds)
                    before = time
                time += seconds
        if not self._told.whole:
            yield Damage(before, f"the file is cut short after frame {total}")

    def close(self) -> None:
        """Do nothing: the file is open only while frames are read."""

    def __enter__(self) -> AnimatedFilm:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _described(self) -> FilmInfo:
        told, seconds = self._told, sum(self._seconds, Fraction(0))
        with self._opened() as (picture, space):
            alpha = told.alpha
            if alpha is None:
                try:
                    picture.seek(told.first)
                    alpha = _sees_through(picture)
                except Exception as error:
                    raise damaged(one_line(self._path), self._kind, error) from None
            remarks = []
            if told.deep:
                remarks.append("its 16 bits per channel are read as 8")
            if space is not None and space.remark:
                remarks.append(space.remark)
            if any(key in picture.info for key in ("exif", "xmp", "XML:com.adobe.xmp")):
                remarks.append("its EXIF data and XMP are not kept")
        short = sum(each <= _TOO_SHORT for each in told.delays)
        if short:
            remarks.append(
                f"{short} of its {len(told.delays)} frames last 10 ms or less, and are shown for "
                "100 ms, as in browsers"
            )
        units = math.lcm(*(each.denominator for each in self._seconds))
        tick = Fraction(1, units if units <= _FINEST else _FINEST)
        if units > _FINEST:  # no container can store such times
            ends = [round(end / tick) for end in accumulate(self._seconds, initial=Fraction(0))]
            self._seconds = [(end - begin) * tick for begin, end in pairwise(ends)]
        return FilmInfo(
            name=one_line(self._path),
            height=told.size[1],
            width=told.size[0],
            rate=len(self._seconds) / seconds,
            seconds=float(seconds),
            frames=len(self._seconds),
            alpha=bool(alpha),
            tick=tick,
            remarks=tuple(remarks),
            plays=told.plays,
        )

    @contextmanager
    def _opened(self) -> Iterator[tuple[Image.Image, ColorSpace | None]]:
        """Pillow's picture, and its colors where something other than a profile gives them."""
        name = one_line(self._path)
        rows = [row for row in FORMATS if row.name == self._kind]
        space = None
        try:
            file = open_file(self._path)
            stream: BinaryIO = file
            with file:
                if self._kind == "PNG":
                    chunks, stream = told_and_pixels(file)
                elif self._kind == "WEBP" and not (self._told.whole and self._told.alpha is False):
                    stream = _mended_webp(file, alpha=self._told.alpha is not False)
                picture, _ = open_by_pillow(
                    stream, rows, name=name, max_pixels=self._max_pixels, animated=True
                )
                if self._kind == "PNG":
                    has_profile = bool(picture.info.get("icc_profile"))
                    space, _ = png_space(chunks, profile=has_profile)
                yield picture, space
        except ImageError as error:
            raise VideoError(str(error)) from None

    def _pixels(
        self, picture: Image.Image, number: int, space: ColorSpace | None
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8] | None]:
        picture.seek(number + self._told.first)
        picture.load()
        if picture.size != self._told.size:  # Pillow widens a GIF for frames that overhang
            picture = picture.crop((0, 0, *self._told.size))
        if space is None and picture.mode in _PLAIN and not picture.info.get("icc_profile"):
            if not self.info.alpha:
                return _array(picture.convert("RGB")), None
            every = _array(picture.convert("RGBA"))
            return np.ascontiguousarray(every[..., :3]), np.ascontiguousarray(every[..., 3])
        colors, alpha = planes(picture, name=self.info.name, space=space)
        opacity = None
        if self.info.alpha:
            opacity = np.ones(colors.shape[:2], np.float32) if alpha is None else alpha
        return quantized(colors, 8), None if opacity is None else quantized(opacity, 8)


def _array(picture: Image.Image) -> NDArray[np.uint8]:
    return np.array(picture, np.uint8)


def _sees_through(picture: Image.Image) -> bool:
    """Return True if a pixel of the current frame is not opaque."""
    if not picture.has_transparency_data:
        return False
    lowest: Any = picture.convert("RGBA").getchannel("A").getextrema()[0]
    return bool(lowest < 255)


def _told_by_gif(file: BinaryIO) -> Told:
    """The facts of a GIF (GIF89a, and Netscape's extension for how often it is shown)."""
    file.seek(6)
    width, height, flags = struct.unpack("<HHBxx", file.read(7))
    _skip_palette(file, flags)
    delays: list[Fraction] = []
    delay, plays, whole, holes, clears = Fraction(0), 1, True, False, False
    while whole and (sign := file.read(1)) not in (b"", b";"):
        if sign == b"!":
            label, data = file.read(1), _blocks(file)
            if label == b"\xf9" and data and len(data) >= 4:
                delay = Fraction(int.from_bytes(data[1:3], "little"), 100)
                holes = holes or bool(data[0] & 1)
                clears = clears or data[0] >> 2 & 7 >= 2
            elif label == b"\xff" and data and data[:12] == b"NETSCAPE2.0\1" and len(data) >= 14:
                again = int.from_bytes(data[12:14], "little")
                plays = again + 1 if again else 0
        elif sign == b",":
            placed = file.read(9)
            _skip_palette(file, placed[8] if len(placed) == 9 else 0)
            file.read(1)  # bits of its colors
            if whole := _blocks(file) is not None:
                delays.append(delay)
            delay = Fraction(0)
    alpha = (True if clears else None) if holes else False
    return Told((width, height), tuple(delays), plays, alpha=alpha, whole=whole)


def _skip_palette(file: BinaryIO, flags: int) -> None:
    if flags & 0x80:
        file.seek(3 << (flags & 7) + 1, io.SEEK_CUR)


def _blocks(file: BinaryIO) -> bytes | None:
    """The first two of the blocks that follow one another in a GIF; None if the last is missing."""
    kept = b""
    for number in count():
        length = file.read(1)
        if length == b"\0":
            return kept
        data = file.read(length[0]) if length else b""
        if not length or len(data) < length[0]:
            return None
        if number < 2:
            kept += data
    return None


def _told_by_png(file: BinaryIO) -> Told:
    """The facts of an animated PNG (PNG, 3rd edition, 11.3.6)."""
    size, plays, kind, deep = (0, 0), 0, 0, False
    delays: list[Fraction] = []
    holes, clears, pixels, first, whole = False, False, True, 0, False
    for chunk in chunks_of(file):
        file.seek(chunk.start)
        if chunk.kind == b"IHDR":
            *size_found, depth, kind = struct.unpack(">IIBB", file.read(10))
            size, deep = (size_found[0], size_found[1]), depth == 16
        elif chunk.kind == b"acTL" and chunk.length >= 8:
            plays = struct.unpack(">4xI", file.read(8))[0]
        elif chunk.kind == b"fcTL" and chunk.length >= 26:
            above, below, disposal, blend = struct.unpack(">20xHHBB", file.read(26))
            # A denominator of 0 means hundredths.
            delays.append(Fraction(above, below or 100))
            clears = clears or disposal == 1 or (len(delays) > 1 and blend == 0)
            pixels = False
        elif chunk.kind in (b"IDAT", b"fdAT"):
            first = 1 if not delays else first  # a picture for programs without animation
            pixels = True
        holes = holes or chunk.kind == b"tRNS"
        whole = whole or chunk.kind == b"IEND"
    if not pixels:
        delays.pop()
    alpha = (True if clears else None) if holes or kind & 4 else False
    return Told(size, tuple(delays), plays, first, alpha, whole, deep)


def _told_by_webp(file: BinaryIO) -> Told:
    """The facts of an animated WebP (RFC 9649, 2.7)."""
    size, plays, holes, clears = (0, 0), 0, False, False
    delays: list[Fraction] = []
    for kind, start, _ in (chunks := _Riff(file)):
        file.seek(start)
        if kind == b"VP8X":
            data = file.read(10)
            size = _three(data[4:]) + 1, _three(data[7:]) + 1
            holes = bool(data[0] & 0x10)
        elif kind == b"ANIM":
            plays = struct.unpack("<4xH", file.read(6))[0]
        elif kind == b"ANMF":
            data = file.read(20)
            part = _three(data[6:]) + 1, _three(data[9:]) + 1
            holes = holes or part != size or bool(data[15] & 1)
            clears = clears or (part != size and not delays)
            delays.append(Fraction(_three(data[12:]), 1000))
            replaces = data[15] & 2 and data[16:20] in (b"ALPH", b"VP8L")
            clears = clears or bool(data[15] & 1 or (replaces and len(delays) > 1))
    alpha = (True if clears else None) if holes else False
    return Told(size, tuple(delays), plays, alpha=alpha, whole=chunks.whole)


class _Riff:
    """The complete chunks of a WebP: kind, position and length of their data."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.whole = file, False

    def __iter__(self) -> Iterator[tuple[bytes, int, int]]:
        end = self._file.seek(0, io.SEEK_END)
        self._file.seek(4)
        told = int.from_bytes(self._file.read(4), "little") + 8
        at = 12
        while at + 8 <= min(end, told):
            self._file.seek(at)
            kind, length = struct.unpack("<4sI", self._file.read(8))
            if at + 8 + length > end:
                return
            yield kind, at + 8, length
            at += 8 + length + length % 2
        self.whole = told <= end + 1  # a byte that fills up the last chunk is often left out


def _mended_webp(file: BinaryIO, *, alpha: bool) -> BinaryIO:
    """A WebP of the complete chunks of another, which may be truncated.

    Its header states its opacity, if it has one: opaque frames that cover only a part of a picture
    leave the rest of it transparent, and encoders forget that.
    """
    parts = []
    for kind, start, length in _Riff(file):
        file.seek(start)
        data = file.read(length) + b"\0" * (length % 2)
        if kind == b"VP8X" and alpha:
            data = bytes((data[0] | 0x10, *data[1:]))
        parts.append(struct.pack("<4sI", kind, length) + data)
    body = b"WEBP" + b"".join(parts)
    return io.BytesIO(b"RIFF" + struct.pack("<I", len(body)) + body)


def _three(data: bytes) -> int:
    return int.from_bytes(data[:3], "little")


# Pillow's names of the formats that may be animated, and the readers of their facts.
_TELLERS: dict[str, Callable[[BinaryIO], Told]] = {
    "GIF": _told_by_gif,
    "PNG": _told_by_png,
    "WEBP": _told_by_webp,
}
