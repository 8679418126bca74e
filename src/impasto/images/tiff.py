"""TIFF of 16 bits or more, integers and floats, which Pillow reads at 8 bits or not at all.

Every sample is read as its bytes: a directory is appended to the file that declares one grey
channel of 8 bits, as many times wider, at the same places in the file. Pillow (libtiff) undoes the
compression, whichever it is, and the bytes are interpreted here.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, TiffImagePlugin

from impasto.errors import ImageError
from impasto.images.pixels import Deep
from impasto.images.ranges import WHITE, WIDE, ValueRange, check_dark, fractions
from impasto.images.views import FileView

# Tags (TIFF 6.0).
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 256, 257, 258, 259, 262
_STRIPS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANAR = 273, 274, 277, 278, 279, 284
_PREDICTOR, _COLORMAP, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 317, 320, 322, 323, 324, 325
_EXTRA, _FORMAT, _PROFILE = 338, 339, 34675
_EXIF_IFD, _GPS_IFD = 0x8769, 0x8825
_OLD_SUBFILE, _SUB_DIRECTORIES, _DNG_VERSION = 255, 330, 50706

# Bits of NewSubfileType: a smaller copy of another picture; a mask for one.
_REDUCED, _MASK = 1, 4
# Tags about a file, which its first directory holds for the others: title, maker, model,
# orientation, program, date, artist, XMP, copyright, IPTC, Photoshop's, profile, EXIF, place.
_ABOUT = (270, 271, 272, _ORIENTATION, 305, 306, 315, 700, 33432, 33723, 34377, _PROFILE,
          _EXIF_IFD, _GPS_IFD)  # fmt: skip

# Raw data of a camera's sensor (TIFF/EP and DNG): a mosaic of colors, or colors of its own.
_OF_SENSORS = frozenset((32803, 34892))
# Compressions of Sony, Samsung, Nikon, DNG (lossy), Kodak and Pentax for raw pictures only.
_RAW_COMPRESSIONS = frozenset((32767, 32770, 34713, 34892, 65000, 65535))
# Most directories in directories that are read.
_MAX_SUBS = 32

# Compressions that restore bytes regardless of their meaning: none, LZW, Deflate (two numbers),
# PackBits, LZMA, Zstandard.
_OF_BYTES = frozenset((1, 5, 8, 32946, 32773, 34925, 50000))
_INVERTED_GREY, _GREY, _RGB = 0, 1, 2
_ASSOCIATED, _UNASSOCIATED = 1, 2
_MAX_SAMPLES = 8
# Bits of samples that are read, here or by Pillow, and formats of samples (tag 339).
_READ_BITS = frozenset((1, 2, 4, 8, 16, 32, 64))
_UNSIGNED, _SIGNED, _FLOAT, _COMPLEX = 1, 2, 3, (5, 6)
_KINDS = {
    (16, _UNSIGNED): "u2", (32, _UNSIGNED): "u4", (64, _UNSIGNED): "u8",
    (8, _SIGNED): "i1", (16, _SIGNED): "i2", (32, _SIGNED): "i4", (64, _SIGNED): "i8",
    (16, _FLOAT): "f2", (32, _FLOAT): "f4", (64, _FLOAT): "f8",
}  # fmt: skip

# Bytes of the types of tags, and struct's codes for those that are read here.
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8,
               13: 4, 16: 8, 17: 8, 18: 8}  # fmt: skip
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_MAX_VALUES = 1 << 24


@dataclass(frozen=True)
class _Tag:
    type: int
    count: int
    value: bytes
    """The value itself if it fits into the entry, else its offset."""


@dataclass(frozen=True)
class _Directory:
    order: str
    """Byte order as for ``struct``: "<" or ">"."""
    big: bool
    tags: dict[int, _Tag]
    follows: int

    def integers(self, stream: BinaryIO, tag: int, default: tuple[int, ...] = ()) -> Any:
        """Return the values of a tag."""
        entry = self.tags.get(tag)
        if entry is None or entry.type not in _INTEGERS:
            return default
        if entry.count > _MAX_VALUES:
            raise ValueError(f"tag {tag} claims {entry.count} values")
        size = entry.count * _TYPE_BYTES[entry.type]
        data = entry.value[:size]
        if size > len(entry.value):
            (place,) = struct.unpack(self.order + "IQ"[self.big], entry.value)
            stream.seek(place)
            data = stream.read(size)
        return struct.unpack(f"{self.order}{entry.count}{_INTEGERS[entry.type]}", data)

    def first(self, stream: BinaryIO, tag: int, default: int) -> int:
        """Return the value of a tag that has one."""
        values = self.integers(stream, tag)
        return int(values[0]) if values else default


@dataclass(frozen=True)
class Contents:
    """The pictures in a TIFF.

    Attributes:
        pages: independent pictures, without previews and masks; 1 or more. Directories after a
            damaged one do not count.
        raw: True if it is a raw photograph, whose sensor values must be developed.
        main: the directory of the main picture, if the first one is its preview or its mask.
        preview: width and height of that preview.
    """

    pages: int
    raw: bool
    main: _Directory | None = None
    preview: tuple[int, int] = (0, 0)

    def main_alone(self, stream: BinaryIO) -> BinaryIO:
        """Return a view of the file with its main picture as the only one, without copying."""
        return stream if self.main is None else _with_directory(stream, self.main, {})


def contents(stream: BinaryIO) -> Contents:
    """List the pictures in a TIFF from its directories.

    Args:
        stream: the file.
    """
    pages = list(_directories(stream))
    if not pages:
        return Contents(1, False)
    subs = [sub for page in pages[:_MAX_SUBS] for sub in _subs(stream, page)]

    def is_part(directory: _Directory) -> bool:
        kind = directory.first(stream, _SUBFILE, 0)
        old = directory.first(stream, _OLD_SUBFILE, 1)
        return bool(kind & (_REDUCED | _MASK)) or (_SUBFILE not in directory.tags and old == 2)

    def size(directory: _Directory) -> tuple[int, int]:
        return directory.first(stream, _WIDTH, 0), directory.first(stream, _HEIGHT, 0)

    first, *others = pages
    raw = any(
        each.first(stream, _PHOTOMETRIC, _GREY) in _OF_SENSORS
        or each.first(stream, _COMPRESSION, 1) in _RAW_COMPRESSIONS
        for each in (*pages, *subs)
    )
    if not is_part(first):
        return Contents(1 + sum(not is_part(each) for each in others), raw)
    raw = raw or _DNG_VERSION in first.tags
    whole = [each for each in (*others, *subs) if not is_part(each) and min(size(each)) > 0]
    if not whole:  # marked as a preview, of no picture
        return Contents(1, raw)
    main = max(whole, key=lambda each: size(each)[0] * size(each)[1])
    about = {tag: first.tags[tag] for tag in _ABOUT if tag in first.tags}
    merged = replace(main, tags=about | main.tags)
    pages_there = max(1, sum(not is_part(each) for each in others))
    return Contents(pages_there, raw, merged, size(first))


def tile_pixels(stream: BinaryIO) -> int:
    """Return the pixels of a tile, which decoders hold at once even for a small picture; or 0."""
    directory = next(_directories(stream), None)
    if directory is None:
        return 0
    width, height = (directory.first(stream, tag, 0) for tag in (_TILE_WIDTH, _TILE_HEIGHT))
    return width * height


@dataclass(frozen=True)
class DeepTiff:
    """The header of a deep TIFF; :meth:`read` reads its pixels."""

    directory: _Directory
    size: tuple[int, int]
    dtype: np.dtype[Any]
    photometric: int
    samples: int
    extra: tuple[int, ...]
    planar: bool
    predictor: int
    tile: tuple[int, int] | None
    orientation: int
    name: str
    value_range: ValueRange | None

    @property
    def whole(self) -> bool:
        """True if it cannot be read in strips: separate channels, or numbers to check first."""
        return self.planar or self.dtype.str[1:] in WIDE

    def about(self, stream: BinaryIO) -> Image.Image:
        """Return an image of Pillow's with the file's metadata, whose pixels are bytes."""
        return self._open_plane(stream, 0)

    def read(self, stream: BinaryIO, about: Image.Image) -> Deep:
        """Read the pixels.

        Args:
            stream: the file.
            about: returned by :meth:`about`; its bytes are decoded here.
        """
        if self.planar:
            further = (self._open_plane(stream, plane) for plane in range(1, self.samples))
            channels = [self._values(each, 1) for each in (about, *further)]
            return self._deep(np.concatenate(channels, axis=2))
        return self._deep(self._values(about, self.samples))

    def of_bytes(self, picture: Image.Image) -> Deep:
        """Return the pixels of full rows, or rows of tiles, of a file with interleaved channels.

        Args:
            picture: of mode L, their bytes as :meth:`about` declares them.
        """
        return self._deep(self._samples_of(picture, self.samples))

    @property
    def has_alpha(self) -> bool:
        """True if the first of its extra samples is an opacity."""
        return self.samples > self._colors and self._extra in (_ASSOCIATED, _UNASSOCIATED)

    @property
    def _colors(self) -> int:
        return 3 if self.photometric == _RGB else 1

    @property
    def _extra(self) -> int:
        return self.extra[0] if self.extra else _UNASSOCIATED  # missing: as other readers assume

    def _deep(self, values: NDArray[Any]) -> Deep:
        colors, has_alpha, kind = self._colors, self.has_alpha, self._extra
        values, value_range = values[..., : colors + has_alpha], self.value_range
        white = 65535 if self.dtype.kind == "u" else 1
        if self.dtype.str[1:] in WIDE or (value_range and has_alpha and kind == _ASSOCIATED):
            values, white, value_range = self._fractions(values), 1, None
        color = values[..., :colors]
        alpha = values[..., colors] if has_alpha else None
        if self.photometric == _INVERTED_GREY:
            color = (white if value_range is None else sum(value_range)) - color
        if alpha is not None and kind == _ASSOCIATED:
            color = _unmultiplied(color, alpha, white)
        return Deep(color, alpha, white, value_range)

    def _fractions(self, values: NDArray[Any]) -> NDArray[np.float32]:
        kind = self.dtype.str[1:]
        if self.value_range is None and kind in WIDE:
            check_dark(values, white=WHITE[kind], name=self.name)
        what = "floats" if kind[0] == "f" else f"{self.dtype.name} numbers"
        return fractions(values, self.value_range, white=WHITE[kind], name=self.name, what=what)

    def _values(self, picture: Image.Image, samples: int) -> NDArray[Any]:
        """Return (H, W, samples) in the byte order of this machine."""
        # Its load() has Pillow's own limit, unless the memory is allocated already.
        picture.im = Image.new("L", picture.size).im
        picture.load()
        return self._samples_of(picture, samples)

    def _samples_of(self, picture: Image.Image, samples: int) -> NDArray[Any]:
        width, height = self.size[0], picture.height
        row = self.tile[0] if self.tile else width
        rows = np.asarray(picture).reshape(height, -1, row * samples * self.dtype.itemsize)
        words = self._words(rows, samples).reshape(height, -1, samples)[:, :width]
        return words.astype(self.dtype.newbyteorder("="), copy=False)

    def _words(self, rows: NDArray[np.uint8], samples: int) -> NDArray[Any]:
        """Return samples of (height, tiles side by side, bytes of a row)."""
        size = self.dtype.itemsize
        if self.predictor == 3:  # bytes in planes, the most significant first (TIFF note 3)
            steps = rows.reshape(*rows.shape[:2], -1, samples).cumsum(axis=2, dtype=np.uint8)
            planes = steps.reshape(*rows.shape[:2], size, -1).swapaxes(2, 3)
            return np.ascontiguousarray(planes).view(f">{self.dtype.kind}{size}")[..., 0]
        if self.predictor == 2:
            unsigned = rows.view(f"{self.dtype.byteorder}u{size}").astype(f"=u{size}")
            steps = unsigned.reshape(*rows.shape[:2], -1, samples)
            return steps.cumsum(axis=2, dtype=steps.dtype).view(self.dtype.newbyteorder("="))
        return rows.view(self.dtype)

    def _open_plane(self, stream: BinaryIO, plane: int) -> Image.Image:
        width = self.size[0]
        wide = self.dtype.itemsize if self.planar else self.dtype.itemsize * self.samples
        row = -(-width // self.tile[0]) * self.tile[0] if self.tile else width
        changed: dict[int, tuple[int, ...] | None] = {
            _WIDTH: (row * wide,), _BITS: (8,), _PHOTOMETRIC: (_GREY,), _SAMPLES: (1,),
            _FORMAT: (1,), _PREDICTOR: (1,), _PLANAR: (1,),
            _EXTRA: None, _COLORMAP: None, _ORIENTATION: None,
        }  # fmt: skip
        if self.tile:
            changed[_TILE_WIDTH] = (self.tile[0] * wide,)
        if self.planar:
            for tag in (_STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES):
                places = self.directory.integers(stream, tag)
                share = len(places) // self.samples
                changed[tag] = places[share * plane : share * (plane + 1)] or None
        return TiffImagePlugin.TiffImageFile(_with_directory(stream, self.directory, changed), "")


def deep_tiff(
    stream: BinaryIO, *, name: str, value_range: ValueRange | None = None
) -> DeepTiff | None:
    """Read the header of a TIFF, if its pixels are deep and can be read; else return None.

    Supported are grey and RGB, with and without alpha, of integers (16, 32 and 64 bits, and signed
    ones of 8) and floats of 16, 32 and 64 bits, in strips or tiles, with any predictor and any
    lossless compression.

    Args:
        stream: a TIFF.
        name: what to call it in a message.
        value_range: black and white of floats and wide integers, as for ``ReadOptions``.

    Returns:
        The header. No pixels are read yet.

    Raises:
        ImageError: if its samples are complex, or of an unsupported number of bits.
    """
    directory = next(_directories(stream), None)
    if directory is None:
        return None

    def first(tag: int, default: int) -> int:
        return directory.first(stream, tag, default)

    bits = set(directory.integers(stream, _BITS, (1,)))
    formats = set(directory.integers(stream, _FORMAT, (1,)))
    photometric = first(_PHOTOMETRIC, _GREY)
    samples, extra = first(_SAMPLES, 1), directory.integers(stream, _EXTRA)
    if formats & set(_COMPLEX):
        raise ImageError(f"{name}: a TIFF of complex numbers; save their magnitude (np.abs)")
    if unread := bits - _READ_BITS:
        raise ImageError(
            f"{name}: a TIFF of {min(unread)} bits per sample; save it again with 8 or 16"
        )
    kind = _KINDS.get((*bits, *formats)) if len(bits) == len(formats) == 1 else None
    if (
        kind is None
        or photometric not in (_INVERTED_GREY, _GREY, _RGB)
        or first(_COMPRESSION, 1) not in _OF_BYTES
        or not (3 if photometric == _RGB else 1) <= samples <= _MAX_SAMPLES
        or first(_PREDICTOR, 1) not in (1, 2, 3)
        or (first(_PREDICTOR, 1) == 3 and kind[0] != "f")
    ):
        return None
    tile = (first(_TILE_WIDTH, 0), first(_TILE_HEIGHT, 0))
    return DeepTiff(
        directory=directory,
        size=(first(_WIDTH, 0), first(_HEIGHT, 0)),
        dtype=np.dtype(directory.order + kind),
        photometric=photometric,
        samples=samples,
        extra=extra,
        planar=first(_PLANAR, 1) == 2 and samples > 1,
        predictor=first(_PREDICTOR, 1),
        tile=tile if _TILES in directory.tags and min(tile) > 0 else None,
        orientation=first(_ORIENTATION, 1),
        name=name,
        value_range=value_range,
    )


def _unmultiplied(color: NDArray[Any], alpha: NDArray[Any], white: int) -> NDArray[Any]:
    share = np.maximum(alpha, 1e-12 if white == 1 else 1).astype(np.float64)[..., None]
    straight = np.minimum(color * (white / share), white)
    whole: NDArray[Any] = np.rint(straight) if white != 1 else straight
    return whole.astype(color.dtype)


def _directories(stream: BinaryIO) -> Iterator[_Directory]:
    """Yield the directories of a TIFF, as far as they are intact."""
    stream.seek(0)
    head = stream.read(16)
    order = ">" if head[:2] == b"MM" else "<"
    big = 43 in head[2:4]
    try:
        (place,) = struct.unpack_from(order + "IQ"[big], head, 8 if big else 4)
        seen: set[int] = set()
        while place and place not in seen and len(seen) < 1000:
            seen.add(place)
            directory = _directory(stream, place, order, big=big)
            if directory is None:
                return
            yield directory
            place = directory.follows
    except struct.error:
        return


def _directory(stream: BinaryIO, place: int, order: str, *, big: bool) -> _Directory | None:
    """Return a directory, or None for an impossible number of tags; struct.error if it is cut."""
    stream.seek(place)
    (count,) = struct.unpack(order + "HQ"[big], stream.read(8 if big else 2))
    size = 20 if big else 12
    if count > 4096:
        return None
    table = stream.read(count * size)
    tags = {}
    for at in range(0, count * size, size):
        tag, kind, many = struct.unpack_from(order + ("HHQ" if big else "HHI"), table, at)
        tags[tag] = _Tag(kind, many, table[at + size - (8 if big else 4) : at + size])
    (follows,) = struct.unpack(order + "IQ"[big], stream.read(8 if big else 4))
    return _Directory(order, big, tags, follows)


def _subs(stream: BinaryIO, directory: _Directory) -> Iterator[_Directory]:
    """Yield the directories in a directory, as far as they are intact."""
    for place in directory.integers(stream, _SUB_DIRECTORIES)[:_MAX_SUBS]:
        try:
            sub = _directory(stream, place, directory.order, big=directory.big)
        except (struct.error, OSError, ValueError, OverflowError):
            continue
        if sub is not None:
            yield sub


class _PatchedFile(FileView):
    """A view of a file with other bytes at its start and after its end."""

    def __init__(self, stream: BinaryIO, size: int, head: bytes, tail: bytes) -> None:
        super().__init__(size + len(tail))
        self._stream, self._own, self._head, self._tail = stream, size, head, tail

    def bytes_at(self, place: int, count: int) -> bytes:
        if place < len(self._head):
            return self._head[place : place + count]
        if place >= self._own:
            return self._tail[place - self._own : place - self._own + count]
        self._stream.seek(place)
        return self._stream.read(min(count, self._own - place))


def _with_directory(
    stream: BinaryIO, directory: _Directory, changed: dict[int, tuple[int, ...] | None]
) -> BinaryIO:
    """Return a view of the file with another directory as its first."""
    order, word = directory.order, "IQ"[directory.big]
    width = struct.calcsize(order + word)
    size = stream.seek(0, io.SEEK_END)
    tail = bytearray(-size % 8)
    tags = dict(directory.tags)
    for tag, values in changed.items():
        tags.pop(tag, None)
        if values is None:
            continue
        value = struct.pack(f"{order}{len(values)}{word}", *values)
        if len(value) > width:
            value, packed = struct.pack(order + word, size + len(tail)), value
            tail += packed
        tags[tag] = _Tag(16 if directory.big else 4, len(values), value)
    place = size + len(tail)
    tail += struct.pack(order + "HQ"[directory.big], len(tags))
    for tag in sorted(tags):
        entry = tags[tag]
        tail += struct.pack(f"{order}HH{word}", tag, entry.type, entry.count) + entry.value
    tail += struct.pack(order + word, 0)
    mark = b"MM" if order == ">" else b"II"
    if directory.big:
        head = mark + struct.pack(order + "HHHQ", 43, 8, 0, place)
    else:
        head = mark + struct.pack(order + "HI", 42, place)
    return io.BufferedReader(_PatchedFile(stream, size, head, bytes(tail)))
