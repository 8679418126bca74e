"""A picture of any kind, opened: the header is read once, pixels are decoded on request.

Only this module and the one that writes files know the code that relies on private parts of Pillow:
for samples of more than 8 bits (``deep``, ``tiff``) and for strips (``strips_in``).
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError, OptionError, one_line
from impasto.images.arrays import ArrayForm, Photo, array_form, read_array
from impasto.images.boxes import Told, space_of_boxes, told_by_boxes
from impasto.images.cicp import ADOBE_GAMMA, ADOBE_RGB, D65, ColorSpace, gamma_space
from impasto.images.deep import deep_png, deep_ppm, remark
from impasto.images.exif import ORIENTATION, parse_exif, read_exif
from impasto.images.formats import (
    FORMATS,
    RAW_SUFFIXES,
    FileFormat,
    check_pixels,
    check_raw,
    damaged,
    load,
    open_by_pillow,
    open_file,
    raw_error,
    stream_name,
)
from impasto.images.kinds import FILM, kind_of_head, refuse_address
from impasto.images.metadata import (
    Metadata,
    metadata_of_picture,
    metadata_of_png,
    metadata_of_tiff,
    xmp_of_gif,
)
from impasto.images.options import check_range
from impasto.images.pixels import (
    DEEP_MODES,
    UPRIGHT,
    Deep,
    deep_planes,
    planes,
    profile_remark,
    upright,
)
from impasto.images.png import chunks_of_info, png_space, told_and_pixels
from impasto.images.ranges import ValueRange
from impasto.images.resizing import MAX_PIXELS
from impasto.images.strips_in import Strip, Strips, StripSource, png_strips, tiff_strips
from impasto.images.tiff import DeepTiff, contents, deep_tiff, tile_pixels
from impasto.images.windows import DeepSource, PillowSource, Source, Window, stored_bytes

Picture: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any] | BinaryIO
"""A picture as users pass it: a path, a Pillow image, a NumPy array, a binary stream."""

# Formats whose 16 bits Pillow would cut to 8, and the function that finds a reader for such a file.
_DEEP = {"PNG": deep_png, "PPM": deep_ppm}

# Formats that are made of boxes.
_OF_BOXES = ("AVIF", "HEIF", "JPEG2000")

# Tags of a TIFF that declare colors (TIFF 6.0, section 20), and the color spaces of cameras.
_WHITE, _PRIMARIES, _CURVES = 318, 319, 301
_ADOBE = ColorSpace(ADOBE_RGB, gamma=ADOBE_GAMMA)

# EXIF orientations that swap height and width.
_ACROSS = (5, 6, 7, 8)


@contextmanager
def open_picture(
    source: Picture,
    *,
    max_pixels: int = MAX_PIXELS,
    keep_gps: bool = False,
    value_range: ValueRange | None = None,
) -> Iterator[OpenPicture]:
    """Open a picture for the duration of the block: its header is parsed, its pixels are not.

    Args:
        source: a picture of any kind, as for :func:`impasto.images.photo.read_photo`.
        max_pixels: a larger picture is refused, a file by its header.
        keep_gps: keep the place where it was taken in the metadata.
        value_range: black and white of floats and wide integers, as for ``ReadOptions``.

    Raises:
        ImageError: if it cannot be read, then or when its pixels are requested.
        OptionError: ``max_pixels`` below 1.

    Example:
        >>> with open_picture(np.zeros((4, 6), np.uint8)) as picture:
        ...     picture.height, picture.width
        (4, 6)
    """
    if max_pixels < 1:
        raise OptionError(f"max_pixels is {max_pixels}; give 1 or more")
    check_range(value_range)
    if isinstance(source, str | os.PathLike):
        name = one_line(os.fspath(source))
        if line := refuse_address(source):
            raise ImageError(line)
        with open_file(Path(source)) as file:
            yield OpenPicture(file, name, max_pixels, keep_gps, value_range)
    elif isinstance(source, np.ndarray):
        yield OpenPicture(source, "", max_pixels, keep_gps, value_range)
    elif isinstance(source, Image.Image):
        name = one_line(getattr(source, "filename", "") or "the Pillow image")
        yield OpenPicture(source, name, max_pixels, keep_gps, value_range)
    elif hasattr(source, "read"):
        name = stream_name(source)
        yield OpenPicture(_all_bytes(source, name), name, max_pixels, keep_gps, value_range)
    else:
        raise ImageError(
            f"a {type(source).__name__} is not a picture; give a path, a Pillow image, a NumPy "
            "array (for a tensor: tensor.numpy(force=True)), or a binary stream (io.BytesIO for "
            "bytes)"
        )


class OpenPicture:
    """A picture that was opened by :func:`open_picture`.

    Request its pixels either as floats as a whole (:meth:`photo`) or by windows (:meth:`source`).
    Decoded pixels are not kept here: a second request reads the file again.

    Attributes:
        name: what to call it in a message.
        depth: bits per channel to write a file of the result with: 16 if there are more than 8.
        form: of an array; None for a file or a Pillow image.
        pages: a remark on the other pictures of the file, such as "the first of its 3 pages is
            taken", "" for a file of one; a part of :attr:`remark`.
    """

    name: str
    depth: int
    form: ArrayForm | None = None

    def __init__(
        self,
        content: NDArray[Any] | Image.Image | BinaryIO,
        name: str,
        max_pixels: int,
        keep_gps: bool,
        value_range: ValueRange | None = None,
    ) -> None:
        self.name = name
        self._max_pixels, self._keep_gps, self._range = max_pixels, keep_gps, value_range
        self._size: tuple[int, int]  # width and height as stored
        self._array: NDArray[Any] | None = None
        self._file: BinaryIO | None = None
        self._format: FileFormat | None = None
        self._tiff: DeepTiff | None = None
        self._picture: Image.Image | None = None
        self._read_deep: Callable[[], Deep] | None = None
        self.pages = ""
        self._told: list[tuple[bytes, bytes]] | None = None  # the chunks of a PNG
        self._boxes: Told | None = None  # of an AVIF, HEIC or JP2
        self._lost: tuple[str, ...] = ()  # of its bits and colors
        self._space: ColorSpace | None = None  # where it is declared by other means than a profile
        # EXIF orientation, and the metadata that a result may carry, once known.
        self._about: tuple[int, Metadata] | None = None
        if isinstance(content, np.ndarray):
            self._array, self.form = content, array_form(content, value_range)
            self.name, self.depth, self._about = self.form.name, self.form.depth, (1, Metadata())
            self._size = self.form.width, self.form.height
            check_pixels(self._size, name=self.name, max_pixels=max_pixels)
        elif isinstance(content, Image.Image):
            check_pixels(content.size, name=name, max_pixels=max_pixels)
            load(content, name=name)
            self._picture, self._size = content, content.size
            self._about = metadata_of_picture(content, place=keep_gps)
            self._space, lost = self._colors(content)
            if self._space is None:
                lost = lost or profile_remark(content, deep=False)
            self._lost = (lost,)
            self.depth = 16 if content.mode in DEEP_MODES else 8
        else:
            self._file = content
            self._parse_header(content)

    def __reduce__(self) -> NoReturn:
        raise ImageError(
            f"{self.name}: an open picture cannot be pickled or copied; pickle its photo()"
        )

    @property
    def height(self) -> int:
        """In pixels, upright."""
        return self._size[0] if self._metadata[0] in _ACROSS else self._size[1]

    @property
    def width(self) -> int:
        """In pixels, upright."""
        return self._size[1] if self._metadata[0] in _ACROSS else self._size[0]

    @property
    def orientation(self) -> int:
        """The EXIF orientation, 1 to 8, from which it is turned upright; 1 for upright."""
        return self._metadata[0] if self._metadata[0] in UPRIGHT else 1

    @property
    def has_opacity(self) -> bool:
        """True if it may have transparent parts, by its header."""
        if self.form is not None:
            return self.form.channels == 4 or self.form.mask is not None
        if self._tiff is not None:
            return self._tiff.has_alpha
        return self._lazy_picture().has_transparency_data

    @property
    def metadata(self) -> Metadata:
        """All metadata that a result may carry."""
        return self._metadata[1]

    @property
    def remark(self) -> str:
        """All that is skipped or lost, such as "its 10 bits per channel are read as 8"; or ""."""
        parts = (self.pages, *self._lost, *self.metadata.lost)
        return "; ".join(one_line(each) for each in parts if each)

    @cached_property
    def streams(self) -> bool:
        """True if :meth:`source` reads the file in strips, and never keeps all of it in memory."""
        return self._strips is not None and self._metadata[0] not in UPRIGHT

    @property
    def held(self) -> int:
        """Bytes that it keeps in memory as a whole, once windows of it are requested."""
        if self.streams or self._picture is None:
            return self._source.held
        return self.height * self.width * stored_bytes(self._picture.mode)

    @property
    def row_bytes(self) -> int:
        """Bytes that it keeps for every row of the windows last requested."""
        return self._source.row_bytes if self.streams else 0

    def window(self, rows: slice, columns: slice) -> Window:
        """See :meth:`impasto.images.windows.Source.window`."""
        return self._source.window(rows, columns)

    @cached_property
    def _source(self) -> Source:
        return self.source()

    def photo(self) -> Photo:
        """Return the whole picture as floats, decoded now.

        Raises:
            ImageError: if the file turns out to be damaged, or its values are not fractions of
                white.

        Example:
            >>> with open_picture("scan.tif") as picture:                    # doctest: +SKIP
            ...     photo = picture.photo()
        """
        if self.form is not None and self._array is not None:
            return read_array(self._array, self.form)
        picture, deep = self._decode()
        try:
            orientation, metadata = self._metadata
            if deep is not None:
                profile = picture.info.get("icc_profile")
                image, alpha = deep_planes(
                    deep.upright(orientation), profile, name=self.name, space=self._space
                )
            else:
                if self._turn in UPRIGHT:
                    picture = upright(picture, self._turn)
                image, alpha = planes(
                    picture, name=self.name, space=self._space, value_range=self._range
                )
        except ImageError:
            raise
        except Exception as error:  # headers that contradict each other, or too little memory
            raise ImageError(
                f"{self.name}: its pixels (mode {picture.mode}, {picture.width} x {picture.height})"
                f" cannot be converted ({one_line(error)}); save it as RGB"
            ) from error
        return Photo(
            image, alpha, self.name, metadata=metadata, depth=self.depth, remark=self.remark
        )

    def source(self) -> Source:
        """Return the picture by windows, of which only those requested are floats at a time.

        PNG is read in strips, unless interlaced; and TIFF in strips or tiles, unless it is
        compressed as one or its channels are stored separately. Files that an EXIF orientation
        turns, and all others, are decoded as a whole and kept at their stored depth; an array as
        floats.

        Raises:
            ImageError: as :meth:`photo`, or when a window is requested.

        Example:
            >>> with open_picture("large.tif") as picture:                   # doctest: +SKIP
            ...     image, opacity = picture.source().window(slice(0, 64), slice(0, 64))
        """
        if self.form is not None:
            return self.photo()
        if self.streams and self._strips is not None and self._format is not None:
            kind = self._format.name
            return StripSource(self._strips, self._size, name=self.name, format=kind)
        picture, deep = self._decode()
        if deep is None:
            turned = upright(picture, self._turn)
            return PillowSource(turned, self.name, self._space, value_range=self._range)
        return DeepSource(picture, deep.upright(self._metadata[0]), self.name, self._space)

    def _parse_header(self, file: BinaryIO) -> None:
        """Find the format, and all that is known before decoding."""
        name = self.name
        file.seek(0)
        head = file.read(32)
        check_raw(head, name)
        if not head:
            raise ImageError(f"{name}: empty (0 bytes); save or download the picture again")
        rows = [row for row in FORMATS if re.match(row.magic, head, re.DOTALL)]
        if not rows:
            if Path(name).suffix.lower() in RAW_SUFFIXES:
                raise raw_error(name, f"{Path(name).suffix} by its name")
            if kind_of_head(head) == FILM:
                raise ImageError(f"{name}: is {FILM.name}, not a picture; {FILM.mend}")
            known = ", ".join(row.name for row in FORMATS)
            raise ImageError(
                f"{name}: not a picture in a supported format ({known}); save it as JPEG or PNG"
            )
        row, tiff = rows[0], None
        if row.name == "PNG" and self._told is None:
            self._told, file = told_and_pixels(file)
            self._file = file
        if row.name in _OF_BOXES and self._boxes is None:
            self._boxes = told_by_boxes(file)
        if row.name == "TIFF":
            if self._format is None:  # not when it is reopened
                file = self._file = self._main_page(file)
            tiff = _checked_tiff(file, name, self._max_pixels, self._range)
        if tiff is None:
            picture, row = open_by_pillow(file, rows, name=name, max_pixels=self._max_pixels)
        read_deep: Callable[[], Deep] | None = None
        cut = ""
        try:
            if tiff is not None:
                picture = tiff.about(file)
                read_deep = partial(tiff.read, file, picture)
            self._place = file.tell()
            if row.name in _DEEP:
                read_deep = _DEEP[row.name](picture, file)
            elif row.cut and tiff is None:
                cut = remark(picture, row.name, file)
            self._space, lost = self._colors(picture)
            if self._space is None:
                lost = lost or profile_remark(picture, deep=read_deep is not None)
            self._lost = (cut, lost)
            if row.name == "HEIF" and (count := getattr(picture, "n_frames", 1)) > 1:
                self.pages = f"the main one of its {count} pictures is used"
        except Exception as error:
            raise damaged(name, row.name, error) from error
        self._format, self._tiff, self._picture, self._read_deep = row, tiff, picture, read_deep
        # Pillow reports the size of a TIFF as upright; all other sizes here are as stored.
        size = picture.size if row.name != "TIFF" else getattr(picture, "_tile_size", picture.size)
        self._size = size if tiff is None else tiff.size
        self.depth = 16 if read_deep is not None or picture.mode in DEEP_MODES else 8

    def _colors(self, picture: Image.Image) -> tuple[ColorSpace | None, str]:
        """Return the color space declared by other means than an ICC profile, and what is lost."""
        has_profile = bool(picture.info.get("icc_profile"))
        if self._told is not None:
            return png_space(self._told, profile=has_profile)
        if self._boxes is not None and self._boxes.colors:
            space, profile, lost = space_of_boxes(self._boxes)
            if profile:
                picture.info["icc_profile"] = profile
            return space, lost
        if self._file is None and (chunks := chunks_of_info(picture.info)):
            return png_space(chunks, profile=has_profile)
        if has_profile or picture.mode not in ("RGB", "RGBA", "L"):
            return None, ""
        if self._file is not None and picture.format == "TIFF":
            return _colors_of_tiff(self._file)
        exif = picture.info.get("exif")
        adobe = isinstance(exif, bytes) and parse_exif(exif).adobe
        return (_ADOBE if adobe else None), ""

    def _main_page(self, file: BinaryIO) -> BinaryIO:
        """Return a TIFF with its main picture as the first, and a remark on the others."""
        try:
            found = contents(file)
        except Exception as error:
            raise damaged(self.name, "TIFF", error) from error
        if found.raw:
            raise raw_error(self.name, "a TIFF or DNG of sensor values")
        if found.main is not None:
            width, height = found.preview
            self.pages = f"its first picture, {width} x {height}, is a preview; the main one"
        elif found.pages > 1:
            self.pages = f"the first of its {found.pages} pages"
        self.pages += " is used" if self.pages else ""
        return found.main_alone(file)

    def _lazy_picture(self) -> Image.Image:
        """Return Pillow's image, not decoded; reopen it if decoded pixels were given away."""
        if self._picture is None:
            assert self._file is not None
            self._parse_header(self._file)
            assert self._picture is not None
        return self._picture

    @property
    def _metadata(self) -> tuple[int, Metadata]:
        """The EXIF orientation, and the metadata that a result may carry."""
        if self._about is None:
            self._about = self._described(self._lazy_picture())
        return self._about

    def _described(self, picture: Image.Image) -> tuple[int, Metadata]:
        place = self._keep_gps
        if self._told is not None:
            return metadata_of_png(self._told, place=place)
        if self._file is None or self._format is None or self._format.name != "TIFF":
            told = self._boxes or Told()
            if self._file is not None and picture.format == "GIF":
                told = Told(xmp=xmp_of_gif(self._file))
            return metadata_of_picture(picture, exif=told.exif, xmp=told.xmp, place=place)
        orientation, metadata = metadata_of_tiff(self._file, place=place)
        if self._tiff is not None:
            return self._tiff.orientation, metadata
        with suppress(Exception):  # broken EXIF data is no reason to refuse the picture
            orientation = picture.getexif().get(ORIENTATION, 1)  # Pillow applies it too
        return orientation, metadata

    @property
    def _turn(self) -> int:
        """The EXIF orientation of decoded pixels: Pillow turns those of a TIFF itself."""
        return 1 if self._format is not None and self._format.name == "TIFF" else self._metadata[0]

    def _decode(self) -> tuple[Image.Image, Deep | None]:
        """Return the decoded picture, and its pixels separately if Pillow would cut them."""
        picture, file, row = self._lazy_picture(), self._file, self._format
        if file is None or row is None:  # a user's Pillow image, which is loaded already
            return picture, None
        if row.name == "TIFF" and self._about is None:  # Pillow forgets how it turned the pixels
            self._about = self._described(picture)
        read_deep, self._picture, self._read_deep = self._read_deep, None, None
        self.__dict__.pop("_strips", None)  # which refer to the picture too
        try:
            deep = read_deep() if read_deep is not None else None
            if deep is None:
                file.seek(self._place)
                if row.name == "TIFF":
                    # Its load() has Pillow's limit too, unless the memory is allocated already.
                    picture.im = Image.new(picture.mode, self._size).im
                picture.load()
        except ImageError:
            raise
        except Exception as error:  # truncation alone raises five different types
            raise damaged(self.name, row.name, error) from error
        if self._about is None:
            self._about = self._described(picture)
        return picture, deep

    @cached_property
    def _strips(self) -> Strips | None:
        """Reader of the file in strips, if possible."""
        file, row, tiff = self._file, self._format, self._tiff
        if file is None or row is None or row.name not in ("PNG", "TIFF"):
            return None
        picture = self._lazy_picture()

        def open_strip(small: BinaryIO) -> Image.Image:
            return Image.open(small, formats=(row.name,))

        def decoded(small: BinaryIO) -> Strip:
            strip = open_strip(small)
            read_deep = deep_png(strip, small) if row.name == "PNG" else None
            if read_deep is not None:
                return DeepSource(strip, read_deep(), self.name, self._space)
            strip.load()
            return PillowSource(strip, self.name, self._space, value_range=self._range)

        def of_bytes(small: BinaryIO) -> Strip:
            assert tiff is not None
            return DeepSource(picture, tiff.of_bytes(open_strip(small)), self.name, self._space)

        try:
            if row.name == "PNG":
                return png_strips(file, decoded)
            if tiff is None:
                return tiff_strips(file, picture, decoded, depth=self.depth)
            return None if tiff.whole else tiff_strips(file, picture, of_bytes, depth=16)
        except Exception as error:  # readers raise errors of any type on malformed bytes
            raise damaged(self.name, row.name, error) from error


def _all_bytes(stream: BinaryIO, name: str) -> BinaryIO:
    """Return all bytes of a stream, from its start if it can seek, as decoding needs to."""
    if isinstance(stream, io.TextIOBase):
        raise ImageError(f"{name}: is a text stream; open it in binary mode ('rb', .buffer)")
    try:
        if stream.seekable():
            stream.seek(0)
        return io.BytesIO(stream.read())
    except Exception as error:  # a stream may be of any class
        raise ImageError(f"{name}: cannot be read ({one_line(error)})") from error


def _colors_of_tiff(file: BinaryIO) -> tuple[ColorSpace | None, str]:
    """Return the color space that tags of a TIFF without a profile declare, and what is lost."""
    tags = read_exif(file, also=(_WHITE, _PRIMARIES, _CURVES))
    if tags.adobe:
        return _ADOBE, ""
    lost = "its transfer function is ignored" if _CURVES in tags.main else ""
    white, primaries = tags.fractions(_WHITE), tags.fractions(_PRIMARIES)
    if len(primaries) != 6:
        return None, lost
    space = gamma_space(None, (white if len(white) == 2 else D65) + primaries)
    if space is None:
        lost = "its primaries are invalid: sRGB is assumed"
    return (None if space is None or space.same else space), lost


def _checked_tiff(
    file: BinaryIO, name: str, max_pixels: int, value_range: ValueRange | None
) -> DeepTiff | None:
    """Check a TIFF before anything of its declared size is allocated; return a deep one."""
    try:
        tile, deep = tile_pixels(file), deep_tiff(file, name=name, value_range=value_range)
    except ImageError:
        raise
    except Exception as error:
        raise damaged(name, "TIFF", error) from error
    if tile > max_pixels:
        raise ImageError(
            f"{name}: tiles of {tile:,} pixels, more than max_pixels = {max_pixels:,}; save it "
            "again, or raise max_pixels if you trust it"
        )
    if deep:
        check_pixels(deep.size, name=name, max_pixels=max_pixels)
    return deep
