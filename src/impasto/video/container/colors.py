"""Colors of films: from a decoder's output to sRGB, and from sRGB to an encoder's input.

A film stores its colors as brightness and two differences. Beside them it states, as numbers of
ITU-T H.273, how these are made from red, green and blue (the matrix of BT.601, BT.709 or BT.2020),
which numbers are black and white (16 and 235, or the full range), and how much light a number means
(SDR, PQ, HLG). swscale undoes the matrix and the range; HDR and wide gamuts are converted to sRGB
by :mod:`impasto.images.cicp`, just as in still pictures.

The colors of SDR films are used unchanged, as players do: the primaries of BT.601 look the same as
those of sRGB, and every curve of SDR was graded on a display like ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from impasto.images.cicp import ColorSpace, color_space
from impasto.images.ranges import WHITE
from impasto.video.frames import Pixels
from impasto.video.pyav import library

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = ["FromFilm", "ToFilm", "Upright", "untold_matrix", "upright"]

# Numbers of H.273 (and of FFmpeg).
BT709, BT601 = 1, 6
_RGB, _UNSPECIFIED, _YCGCO = 0, 2, 8
_LIMITED, _FULL = 1, 2

# Flags of swscale, which PyAV names from its version 18 on.
_BILINEAR, _AREA, _FULL_COLORS_OUT, _FULL_COLORS_IN, _ACCURATE = 2, 0x20, 0x2000, 0x4000, 0x40000

# The numbers of matrices, and swscale's for them.
_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}

# Curves that do not mean SDR as displays show it: linear, logarithmic, PQ, SMPTE 428, HLG.
_CONVERTED_CURVES = frozenset((8, 9, 10, 16, 17, 18))
_PQ, _HLG = 16, 18
# Primaries that look the same as sRGB's: BT.709, unspecified, and those of standard television.
_NARROW_PRIMARIES = frozenset((1, 2, 5, 6, 7, 22))

# Films that do not state their matrix: BT.709 from this size on, as in players.
_HIGH_DEFINITION = (1280, 577)


def is_deep(frame: VideoFrame) -> bool:
    """True if a frame has more than 8 bits."""
    return any(each.bits > 8 for each in frame.format.components)


def has_alpha(frame: VideoFrame) -> bool:
    """True if a frame has an opacity."""
    # FFmpeg counts palettes as such, though films in 256 colors have no opacity.
    return any(each.is_alpha for each in frame.format.components) and frame.format.name != "pal8"


@dataclass(frozen=True)
class Upright:
    """The orientation of a stored picture: sides swapped first, then mirrored.

    Attributes:
        transposed: rows become columns.
        flip_rows: upside down.
        flip_columns: left is right.
        is_exact: False if the film asks for an angle that is not a multiple of 90 degrees.
    """

    transposed: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    is_exact: bool = True

    def __call__(self, array: NDArray[Any]) -> NDArray[Any]:
        """Turn a picture upright."""
        if self.transposed:
            array = array.swapaxes(0, 1)
        if self.flip_rows:
            array = array[::-1]
        if self.flip_columns:
            array = array[:, ::-1]
        return np.ascontiguousarray(array)


def upright(frame: VideoFrame) -> Upright:
    """Read how a frame has to be turned: its display matrix.

    The matrix takes a pixel (x, y) to (a x + c y, b x + d y), y downward.
    """
    data = _side_data(frame, "DISPLAYMATRIX")
    if data is None:
        return Upright()
    a, b, _, c, d = np.frombuffer(data, np.int32)[:5].tolist()
    small, large = sorted((max(abs(a), abs(d)), max(abs(b), abs(c))))
    is_exact = small * 100 <= large
    if max(abs(b), abs(c)) > max(abs(a), abs(d)):
        return Upright(True, flip_rows=b < 0, flip_columns=c < 0, is_exact=is_exact)
    return Upright(False, flip_rows=d < 0, flip_columns=a < 0, is_exact=is_exact)


class FromFilm:
    """Decoded frames in sRGB.

    Args:
        first: the first frame.
        size: width and height, before it is turned upright, that all frames get; None: those of the
            first.
    """

    def __init__(self, first: VideoFrame, size: tuple[int, int] | None = None) -> None:
        self._reformatter = library().video.reformatter.VideoReformatter()
        # Without these, swscale repeats colors over 2 x 2 pixels, and its numbers are one too low.
        self._flags = _BILINEAR | _ACCURATE | _FULL_COLORS_OUT
        self._width, self._height = size or (first.width, first.height)
        self.deep, self.alpha = is_deep(first), has_alpha(first)
        self.space = _space(first)
        self.turn = upright(first)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Losses, one line each."""
        remark = self.space.remark if self.space else ""
        return (remark,) if remark else ()

    def __call__(self, frame: VideoFrame) -> tuple[Pixels, Pixels | None]:
        """Return the image (H, W, 3) and the opacity (H, W), upright and in sRGB."""
        name = f"{'rgba' if self.alpha else 'rgb'}{self._bits}"
        arguments: dict[str, Any] = {"src_colorspace": matrix_of(frame)}
        if frame.format.is_rgb:
            arguments = {}
        picture = self._reformatter.reformat(
            frame,
            format=_READ[name],
            width=self._width,
            height=self._height,
            dst_color_range=_FULL,
            interpolation=self._flags,
            threads=1,
            **arguments,
        )
        array = self.turn(picture.to_ndarray())
        image, opacity = array, None
        if self.alpha:
            image = np.ascontiguousarray(array[..., :3])
            opacity = np.ascontiguousarray(array[..., 3])
        if self.deep and not frame.format.is_rgb:
            image = np.minimum(image, _WHITE_OF_SWSCALE)
            image += image >> 8
            if opacity is not None:
                opacity |= opacity >> frame.format.components[-1].bits
        if self.space is not None:
            image = self._converted(image)
        return image, opacity

    @property
    def _bits(self) -> int:
        return 16 if self.deep else 8

    def _converted(self, image: Pixels) -> Pixels:
        assert self.space is not None
        white, result = np.float32(WHITE[image.dtype.str[1:]]), np.empty_like(image)
        rows = max(1, _AT_ONCE // image.shape[1])
        for top in range(0, len(image), rows):
            values = self.space.to_srgb(image[top : top + rows].astype(np.float32) / white)
            result[top : top + rows] = np.rint(values * white)
        return result


# Number of pixels converted as floats at a time, which take several times their memory.
_AT_ONCE = 1 << 18

# swscale treats red, green and blue of 16 bits as 256 times those of 8, wherever they are made from
# brightness and differences: white is 65280, not 65535.
_WHITE_OF_SWSCALE = np.uint16(255 << 8)

_PACKED = {"rgb8": "rgb24", "rgb16": "rgb48le", "rgba8": "rgba", "rgba16": "rgba64le"}
# swscale makes errors in packed pixels of 16 bits (blue is 57 too large beside a pure red).
_READ = {**_PACKED, "rgb16": "gbrp16le", "rgba16": "gbrap16le"}


def matrix_of(frame: VideoFrame) -> int:
    """Return the matrix that swscale has to undo, by its number there."""
    number = int(frame.colorspace)
    return _MATRICES[number if number in _MATRICES else untold_matrix(frame.height, frame.width)]


def untold_matrix(height: int, width: int) -> int:
    """Return the matrix that players assume for a film that does not state it."""
    many = width >= _HIGH_DEFINITION[0] or height >= _HIGH_DEFINITION[1]
    return BT709 if many else BT601


def _space(frame: VideoFrame) -> ColorSpace | None:
    """The space that a frame has to be converted from to sRGB, or None."""
    primaries, curve = int(frame.color_primaries), int(frame.color_trc)
    if primaries in _NARROW_PRIMARIES:
        primaries = BT709
    if curve not in _CONVERTED_CURVES:
        curve = 13
    space = color_space(primaries, curve, peak=_peak(frame))
    return None if space is None or space.same else space


def _peak(frame: VideoFrame) -> float:
    """cd/m2 of the brightest pixel of the film, 0 if it is not stated."""
    data = _side_data(frame, "CONTENT_LIGHT_LEVEL")
    return float(np.frombuffer(data, np.uint32)[0]) if data is not None else 0.0


def _side_data(frame: VideoFrame, name: str) -> bytes | None:
    found: Any = frame.side_data
    try:
        return bytes(found[name])
    except KeyError:
        return None


class ToFilm:
    """Pixels in sRGB as frames for an encoder: tagged BT.709, limited range.

    Args:
        pixel_format: pixel format of the encoder, such as "yuv420p".
        width: width of its frames: the last columns and rows are repeated up to it.
        height: height of its frames.
        matrix: number of the matrix, if it is not BT.709's.
    """

    def __init__(self, pixel_format: str, width: int, height: int, *, matrix: int = BT709) -> None:
        self._av = library()
        self._reformatter = self._av.video.reformatter.VideoReformatter()
        # The color of 2 x 2 pixels is their mean.
        self._flags = _AREA | _ACCURATE | _FULL_COLORS_IN | _FULL_COLORS_OUT
        self._format = self._av.VideoFormat(pixel_format)
        self._alpha = any(each.is_alpha for each in self._format.components)
        self._width, self._height, self._matrix = width, height, matrix

    @property
    def tags(self) -> dict[str, int]:
        """Attributes of a codec context that describe how the colors are stored."""
        matrix, area = (_RGB, _FULL) if self._format.is_rgb else (self._matrix, _LIMITED)
        # 13 is the curve of sRGB; it is used for RGB only, since players expect 1.
        curve = 13 if self._format.is_rgb else BT709
        return {
            "colorspace": matrix,
            "color_range": area,
            "color_primaries": BT709,
            "color_trc": curve,
        }

    def __call__(self, image: Pixels, opacity: Pixels | None = None) -> VideoFrame:
        """Return a frame for the encoder.

        Args:
            image: (H, W, 3) of 8 or 16 bits.
            opacity: (H, W); None: all is opaque.
        """
        array: NDArray[Any] = image
        if array.dtype == np.uint16 and not self._format.is_rgb:
            array = array - (array >> 8)  # swscale's white
        if self._alpha:
            if opacity is None:
                opacity = np.full(image.shape[:2], WHITE[image.dtype.str[1:]], image.dtype)
            array = np.dstack((array, opacity))
        below, right = self._height - array.shape[0], self._width - array.shape[1]
        if below or right:
            array = np.pad(array, ((0, below), (0, right), (0, 0)), mode="edge")
        name = f"{'rgba' if self._alpha else 'rgb'}{8 * array.dtype.itemsize}"
        frame = self._av.VideoFrame.from_ndarray(np.ascontiguousarray(array), format=_PACKED[name])
        frame.color_range, frame.colorspace = _FULL, _RGB
        result: VideoFrame = self._reformatter.reformat(
            frame,
            format=self._format.name,
            interpolation=self._flags,
            threads=1,
            src_color_range=_FULL,
            dst_color_range=self.tags["color_range"],
            **({} if self._format.is_rgb else {"dst_colorspace": _MATRICES[self._matrix]}),
        )
        for name, value in self.tags.items():
            setattr(result, name, value)
        return result
