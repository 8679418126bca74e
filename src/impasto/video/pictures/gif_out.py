"""Writer of an animated GIF: 255 colors for as long as they fit, and only the changes of a frame.

A separate palette for every frame would make plain areas flicker, as would dithering by error
diffusion, whose dots move with everything around them. So a palette is kept as long as the frames
look about as good with it as with one of their own, which is until the next shot; and every color
is mapped to the nearest one.
"""

from __future__ import annotations

import io
import math
import struct
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.images.options import SaveOptions
from impasto.video.frames import FilmInfo, Pixels

__all__ = ["GifWriter"]

# Number of colors sampled for a palette, and of rounds that refine it.
_LOOKED_AT, _ROUNDS = 40_000, 4

# How much worse than with a palette of its own a frame may look, as factor and as levels of 255.
_WORSE, _LEVELS = 1.15, 0.5

_COLORS = 255
_HOLE = 255
"""The transparent entry of every palette."""

# Bytes before the palette of a file.
_HEAD = 13

# Disposal methods of a frame: keep it, or clear it.
_STAYS, _GOES = 1, 2


class GifWriter:
    """Writer of an animated GIF (GIF89a, and Netscape's extension for how often it is shown)."""

    name = "GIF"
    largest = 65_535
    deep = False
    shortest = Fraction(2, 100)
    longest = Fraction(65_535, 100)

    def __init__(self, file: BinaryIO, info: FilmInfo, save: SaveOptions) -> None:
        self._file, self._size, self._plays = file, (info.width, info.height), info.plays or 0
        self._palette: bytes | None = None
        self._error = 0.0
        self._canvas: NDArray[np.uint8] | None = None  # entries of the palette that are shown
        self._global = b""  # the palette of the file
        self._half = False  # something was partly transparent

    def nearest(self, seconds: Fraction) -> Fraction:
        """Return the nearest time in hundredths of a second."""
        return Fraction(round(seconds * 100), 100)

    def encoded(self, image: Pixels, opacity: Pixels | None) -> bytes:
        """Return the part of a frame that differs from the one before it, and its colors."""
        seen = None if opacity is None else opacity >= 128
        entries, anew = self._entries(image, seen)
        if opacity is not None:
            self._half = self._half or bool(((opacity > 0) & (opacity < 255)).any())
            entries[opacity < 128] = _HOLE
            return self._picture(entries, (0, 0))
        before, self._canvas = self._canvas, entries
        if before is None or anew:
            return self._picture(entries, (0, 0))
        same = entries == before
        rows, columns = (np.flatnonzero(~same.all(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return self._picture(np.full((1, 1), _HOLE, np.uint8), (0, 0))
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        place = int(columns[0]), int(rows[0])
        holes = np.where(same, np.uint8(_HOLE), entries)[part]
        # Holes compress well in areas, and badly if they are scattered.
        return min((self._picture(each, place) for each in (entries[part], holes)), key=len)

    def put(self, encoded: bytes, seconds: Fraction) -> None:
        """Write a frame, with its palette if that is not the file's."""
        placed, palette, data = encoded[:9], encoded[9 : 9 + 3 * 256], encoded[9 + 3 * 256 :]
        if not self._global:
            self._global = palette
            self._begin()
        own = b"" if palette == self._global else palette
        left = _GOES if self._canvas is None else _STAYS
        hundredths = int(seconds * 100)
        self._file.write(b"!\xf9\4" + struct.pack("<BHBB", left << 2 | 1, hundredths, _HOLE, 0))
        self._file.write(placed + (b"\x87" if own else b"\0") + own + data)

    def close(self, frames: int) -> None:
        """Write the end."""
        self._file.write(b";")

    def remarks(self) -> tuple[str, ...]:
        """Return what was lost from the frames."""
        if not self._half:
            return ()
        return ("GIF has no partly transparent pixels: they become opaque or fully transparent",)

    def _begin(self) -> None:
        self._file.write(b"GIF89a" + struct.pack("<HHBBB", *self._size, 0xF7, 0, 0) + self._global)
        if self._plays != 1:
            again = min(self._plays - 1, 0xFFFF) if self._plays else 0
            self._file.write(b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<H", again) + b"\0")

    def _entries(
        self, image: Pixels, seen: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.uint8], bool]:
        """Return the entries of the palette for a frame, and whether the palette is a new one."""
        step = math.ceil(math.sqrt(image.shape[0] * image.shape[1] / _LOOKED_AT))
        some, kept = image[::step, ::step], self._palette
        if seen is not None and (shown := seen[::step, ::step]).any():
            some = some[shown][None]
        if kept is not None and _error(some, kept) <= _WORSE * self._error + _LEVELS:
            return _nearest(image, kept), False
        own = _palette_of(some)
        least = _error(some, own)
        if kept is not None and (error := _error(some, kept)) <= _WORSE * least + _LEVELS:
            self._error = error
            return _nearest(image, kept), False
        self._palette, self._error = own, least
        return _nearest(image, own), True

    def _picture(self, entries: NDArray[np.uint8], place: tuple[int, int]) -> bytes:
        """Return a part of a frame as the file stores it: its position, its palette, its pixels."""
        assert self._palette is not None
        picture = Image.fromarray(entries)
        picture.putpalette(self._palette)
        stream = io.BytesIO()
        picture.save(stream, "GIF", optimize=False, interlace=False)
        data = stream.getvalue()[_HEAD + len(self._palette) :]  # from the image separator on
        placed = struct.pack("<cHHHH", b",", *place, *picture.size)
        return placed + self._palette + data[len(placed) + 1 : -1]


def _palette_of(pixels: Pixels) -> bytes:
    """Return the colors that approximate those of a picture: by median cut, then by k-means."""
    cut = Image.fromarray(pixels).quantize(_COLORS, Image.Quantize.MEDIANCUT)
    found = np.array(cut.getpalette(), np.uint8).reshape(-1, 3)[:_COLORS]
    colors = np.concatenate([found, np.repeat(found[:1], _COLORS - len(found), axis=0)])
    for _ in range(_ROUNDS):
        entries = _nearest(pixels, _filled(colors)).ravel()
        counts = np.bincount(entries, minlength=_COLORS)
        for channel in range(3):
            values = pixels[..., channel].ravel()
            sums = np.bincount(entries, values, minlength=_COLORS)
            means = np.rint(sums / np.maximum(counts, 1)).astype(np.uint8)
            colors[:, channel] = np.where(counts, means, colors[:, channel])
    return _filled(colors)


def _filled(colors: NDArray[np.uint8]) -> bytes:
    """Return a palette with one more entry, for holes, which adds no color."""
    return colors.tobytes() + colors[:1].tobytes()


def _nearest(pixels: Pixels, palette: bytes) -> NDArray[np.uint8]:
    table = Image.new("P", (1, 1))
    table.putpalette(palette)
    picture = Image.fromarray(pixels).quantize(palette=table, dither=Image.Dither.NONE)
    entries = np.array(picture, np.uint8)
    entries[entries == _HOLE] = 0
    return entries


def _error(pixels: Pixels, palette: bytes) -> float:
    """Return the mean distance of colors from those of a palette, in levels of 255."""
    colors = np.frombuffer(palette, np.uint8).reshape(-1, 3).astype(np.int16)
    return float(np.abs(colors[_nearest(pixels, palette)] - pixels).mean())
