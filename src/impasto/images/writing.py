"""Pictures -> files: 8 or 16 bits per channel, with their metadata, completely or not at all."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError, ImpastoError, OptionError, one_line
from impasto.images.files import destination, whole_file, write_whole
from impasto.images.formats import WRITTEN, FileFormat, stream_name
from impasto.images.icc import srgb_profile
from impasto.images.metadata import Metadata, fitted, given_metadata, pillow_options
from impasto.images.options import SaveOptions
from impasto.images.ranges import SLACK
from impasto.images.strips_out import PngWriter, StripWriter, TiffWriter, encode_png, encode_tiff
from impasto.images.windows import PaintedTile

QUALITY = SaveOptions.quality

_STRIP_ENCODERS = {"PNG": encode_png, "TIFF": encode_tiff}


# Values per block in floats.
_VALUES = 1 << 20


@dataclass(frozen=True, eq=False)
class Rendered:
    """A picture to be written, not yet rounded to whole numbers, since the format sets the depth.

    Made by :meth:`impasto.images.photo.Photo.rendered`, for :func:`write_image`.

    Attributes:
        image: (H, W, 1) grey or (H, W, 3) sRGB: uint8, uint16 or floats in [0, 1].
        alpha: (H, W), the same; or None.
        metadata: carried over from its photograph.
        depth: 8 or 16, the bits per channel of the source.
    """

    image: NDArray[Any]
    alpha: NDArray[Any] | None = None
    metadata: Metadata = Metadata()
    depth: int = 8

    def pixels(self, depth: int) -> NDArray[Any]:
        """Return colors and alpha in whole numbers of ``depth`` bits, (H, W, C)."""
        image = quantized(self.image, depth)
        if self.alpha is None:
            return image
        return np.dstack([image, quantized(self.alpha, depth)])


def write_image(
    image: Image.Image | Rendered | NDArray[Any],
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    save: SaveOptions = SaveOptions(),
) -> None:
    """Write a picture to a file or to a binary stream: completely, or not at all.

    A file is written under a temporary name in its own folder and then renamed, so no partial file
    is ever visible; an existing file is replaced only with ``overwrite``, even if it appears while
    the picture is being encoded. ICC profile and metadata of a Pillow image are kept as far as the
    format holds them; anything else is sRGB, and gets its profile.

    Args:
        image: any Pillow image, a result that :meth:`Photo.rendered` made, or an array of shape
            (H, W) or (H, W, C) with C of 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA): uint8,
            uint16, or floats in [0, 1]. A transparent one is composited onto white for JPEG.
        target: a path, or a stream such as ``sys.stdout.buffer`` (nothing is written to it unless
            the whole picture could be encoded).
        format: "png", "jpeg", "webp", "avif" or "tiff"; by default the suffix of the path decides,
            and a stream gets PNG.
        save: quality, depth, and replacing an existing file. By default PNG and TIFF get 16 bits
            per channel where there are more than 8: in an array of uint16 or in the result for a
            deep photograph.

    Raises:
        ImageError: an unknown suffix, a missing folder, an existing file, a full disk, ...
        OptionError: an unknown ``format``, or a depth that the format or the Pillow image does not
            support.

    Example:
        >>> stream, save = io.BytesIO(), SaveOptions(quality=80)
        >>> write_image(Image.new("RGB", (4, 4)), stream, format="webp", save=save)
        >>> stream.getvalue()[8:12]
        b'WEBP'
    """
    if isinstance(target, str | os.PathLike):
        path = Path(target)
        row = _row_of(format) if format else format_of(path)
        check_depth(save.depth, row)
        check_target(path, overwrite=save.overwrite)
        _write_file(path, _encoded(image, one_line(path), row, save), save.overwrite)
        return
    row = _row_of(format) if format else result_format(None, save)
    check_depth(save.depth, row)
    _write_stream(target, _encoded(image, stream_name(target), row, save))


def format_of(target: str | os.PathLike[str] | None) -> FileFormat:
    """Return the format for the suffix of a path; PNG for None, which is a stream.

    Raises:
        ImageError: naming the known suffixes.

    Example:
        >>> format_of("street.jpeg").name
        'JPEG'
    """
    if target is None:
        return _row_of("png")
    path = Path(target)
    for row in WRITTEN:
        if path.suffix.lower() in row.suffixes:
            return row
    known = ", ".join(suffix for row in WRITTEN for suffix in row.suffixes)
    raise ImageError(
        f"{one_line(path)}: the suffix {path.suffix!r} is not supported for output; "
        f"use one of {known}"
    )


def result_format(target: Path | BinaryIO | None, save: SaveOptions) -> FileFormat:
    """Return the format of a result: by the name of its file, or as requested for a stream.

    Args:
        target: a file, or a stream, also given as None.
        save: has the format of a stream.

    Raises:
        ImageError: as :func:`format_of`.
        OptionError: if there is no such format.

    Example:
        >>> result_format(None, SaveOptions(format="webp")).name
        'WEBP'
    """
    if isinstance(target, Path) or save.format is None:
        return format_of(target if isinstance(target, Path) else None)
    return _row_of(save.format)


def check_depth(depth: int | None, format: FileFormat) -> None:
    """Refuse a number of bits that a format does not hold.

    Args:
        depth: 8, 16, or None for the source's.
        format: of the file.

    Raises:
        OptionError: naming both.

    Example:
        >>> check_depth(8, WRITTEN[0])
    """
    if depth == 16 and not format.deep:
        known = " or ".join(row.name for row in WRITTEN if row.deep)
        raise OptionError(f"{format.name} holds 8 bits per channel, not 16: use {known}")


def quantized(values: NDArray[Any], depth: int) -> NDArray[Any]:
    """Return whole numbers of ``depth`` bits, 8 or 16; floats outside [0, 1] are clipped.

    Example:
        >>> quantized(np.array([0.5, 1.5]), 16)
        array([32768, 65535], dtype=uint16)
    """
    dtype, white = (np.uint16, 65535) if depth == 16 else (np.uint8, 255)
    if values.dtype.kind == "f":
        found = np.empty(values.shape, dtype)
        if values.ndim == 0 or not values.size:
            found[...] = np.rint(np.clip(values, 0, 1) * white)
            return found
        step = max(1, _VALUES // max(1, values[:1].size))
        for top in range(0, len(values), step):  # copies of all would be three times the picture
            part = np.clip(values[top : top + step], 0, 1)
            part *= white
            found[top : top + step] = np.rint(part, out=part)
        return found
    if values.dtype.itemsize * 8 == depth:
        return values.astype(dtype)
    if depth == 16:
        return values.astype(np.uint16) * np.uint16(257)
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _encoded(
    image: Image.Image | Rendered | NDArray[Any],
    name: str,
    row: FileFormat,
    save: SaveOptions,
) -> bytes:
    if isinstance(image, Image.Image):
        if save.depth == 16:
            raise OptionError(
                f"{name}: a Pillow image has 8 bits per channel; give an array or Photo.rendered()"
            )
        metadata, _ = fitted(given_metadata(image), row.name)
        if row.name != "TIFF" or image.mode not in ("L", "LA", "RGB", "RGBA"):
            return _by_pillow(image, name, row, metadata, save.quality)
        pixels = np.asarray(image)
        pixels = pixels if pixels.ndim == 3 else pixels[..., None]
        profile = image.info.get("icc_profile") or b""
        return encode_tiff(pixels, metadata=metadata, profile=profile)
    rendered = image if isinstance(image, Rendered) else _of_array(image, name)
    metadata, _ = fitted(rendered.metadata, row.name)
    bits = save.depth or (rendered.depth if row.deep else 8)
    pixels = rendered.pixels(bits)
    if bits == 16 or row.name == "TIFF":
        try:
            encode = _STRIP_ENCODERS[row.name]
            return encode(pixels, metadata=metadata, profile=_profile(pixels))
        except Exception as error:
            raise ImageError(
                f"{name}: cannot be written as {row.name} of {bits} bits ({one_line(error)})"
                + ("; use 8 bits (depth=8)" if bits == 16 else "")
            ) from error
    return _by_pillow(_pillow(pixels), name, row, metadata, save.quality)


def _pillow(pixels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    picture.info["icc_profile"] = _profile(pixels)
    return picture


def _profile(pixels: NDArray[Any]) -> bytes:
    """Return the profile that declares the color space; none for grey, which it does not fit."""
    return srgb_profile() if pixels.shape[2] > 2 else b""


def _of_array(array: Any, name: str) -> Rendered:
    shape: tuple[int, ...] = getattr(array, "shape", ())
    dtype = getattr(array, "dtype", None)
    if (
        not isinstance(array, np.ndarray)
        or array.dtype.str[1:] not in ("u1", "u2", "f2", "f4", "f8")
        or not (array.ndim == 2 or (array.ndim == 3 and 1 <= shape[2] <= 4))
        or not array.size
    ):
        raise ImageError(
            f"{name}: cannot be written from a {type(array).__name__} of {dtype} and shape {shape};"
            " give uint8, uint16 or floats in [0, 1] of shape (H, W) or (H, W, C), 1 to 4 channels"
        )
    if isinstance(array, np.ma.MaskedArray):
        raise ImageError(f"{name}: cannot be written from a masked array; fill it first (.filled)")
    if array.dtype.kind == "f":
        low, high = array.min(), array.max()
        if not (low >= -SLACK and high <= 1 + SLACK):  # also refuses NaN
            raise ImageError(
                f"{name}: floats from {low:.9g} to {high:.9g}, not within [0, 1]; "
                "scale them (/ 255) or clip them (np.clip)"
            )
        array = array.clip(0, 1)
    planes = array[..., None] if array.ndim == 2 else array
    colors = 1 if planes.shape[2] < 3 else 3
    alpha = planes[..., -1] if planes.shape[2] > colors else None
    depth = 16 if array.dtype.str[1:] == "u2" else 8
    return Rendered(planes[..., :colors], alpha, depth=depth)


def _by_pillow(
    image: Image.Image, name: str, row: FileFormat, metadata: Metadata, quality: int
) -> bytes:
    options = pillow_options(metadata, row.name)
    if profile := image.info.get("icc_profile"):
        options["icc_profile"] = profile
    if row.lossy:
        options["quality"] = quality
    # TIFF stays uncompressed: Pillow's compressing writer fails on EXIF data with a sub-directory.
    encoded = io.BytesIO()
    try:
        if not row.alpha:
            image = _on_white(image)
        image.save(encoded, format=row.name, **options)
    except Exception as error:  # the error type depends on the format and its codec
        raise ImageError(
            f"{name}: cannot be written as {row.name} ({one_line(error)}); mode {image.mode}, "
            f"{image.width} x {image.height} pixels: convert it to RGB, or try PNG or TIFF"
        ) from error
    return encoded.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        color = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
    return image.convert("RGB") if image.mode == "P" else image


def check_target(path: Path, *, overwrite: bool) -> None:
    """Raise ImageError if no file can be written there, as far as that is known in advance."""
    name = one_line(path)
    try:
        if not path.parent.is_dir():
            raise ImageError(f"{name}: there is no folder {one_line(path.parent)}; make it first")
        place = destination(path)
        kind = place.stat().st_mode if os.path.lexists(place) else None
        if (
            kind is None and place != path
        ):  # a link to nothing: still a name that somebody has given
            kind = stat.S_IFREG
    except (OSError, ValueError) as error:  # as in open_file
        raise ImageError(f"{name}: cannot be written ({one_line(error)})") from None
    if kind is None:
        return
    if stat.S_ISDIR(kind):
        raise ImageError(f"{name}: is a folder; give a file name in it")
    if not stat.S_ISREG(kind):  # replacing /dev/null would harm the whole system
        raise ImageError(
            f"{name}: is a pipe or a device, not a regular file; give a stream to write into it "
            "(on the command line: -)"
        )
    if not overwrite:
        raise target_exists(path)


def _write_file(path: Path, data: bytes, overwrite: bool) -> None:
    with _naming_target(path):
        write_whole(path, data, overwrite=overwrite)


def _write_stream(stream: BinaryIO, data: bytes | memoryview) -> None:
    left = memoryview(data)
    try:
        while left:  # an unbuffered stream may accept only a part
            left = left[stream.write(left) :]
        stream.flush()
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        name = stream_name(stream)
        raise ImageError(f"{name}: cannot be written ({one_line(error)})") from error


@contextmanager
def _naming_target(target: Path) -> Iterator[None]:
    """Report errors of the file system with the name of the file."""
    try:
        yield
    except ImpastoError:  # of the tiles to be written
        raise
    except FileExistsError:
        raise target_exists(target) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ImageError(f"{one_line(target)}: cannot be written ({one_line(error)})") from error


def target_exists(path: Path) -> ImageError:
    """Return the error for a name that is taken."""
    return ImageError(
        f"{one_line(path)}: already exists; give another name or pass overwrite=True "
        "(--overwrite on the command line)"
    )


def _row_of(format: str) -> FileFormat:
    wanted = format.lower().removeprefix(".")
    for row in WRITTEN:
        if wanted == row.name.lower() or f".{wanted}" in row.suffixes:
            return row
    known = ", ".join(row.name.lower() for row in WRITTEN)
    raise OptionError(f"format {format!r} cannot be written; give one of {known}")


# Formats that are written row by row; pictures of all others are collected first.
_WRITERS: dict[str, type[PngWriter] | type[TiffWriter]] = {"PNG": PngWriter, "TIFF": TiffWriter}


# Rows that are rounded at a time.
_ROWS = 16


def result_bytes(
    target: Path | None, format: FileFormat, height: int, width: int, channels: int, depth: int
) -> tuple[int, int]:
    """Return the bytes that a result keeps in memory, in total and per row of a tile."""
    if target is not None and format.name in _WRITERS:
        return 0, width * channels * depth // 8
    return 3 * height * width * channels, 0  # itself, Pillow's copy, and its compressed data


def write_tiles(
    tiles: Iterator[PaintedTile],
    target: Path | BinaryIO,
    *,
    height: int,
    width: int,
    alpha: bool,
    metadata: Metadata,
    depth: int,
    save: SaveOptions,
) -> None:
    """Write a picture as its tiles become ready: completely, or not at all.

    Args:
        tiles: row by row from the top, from left to right.
        target: a file, of which PNG and TIFF are written strip by strip and the others encoded by
            Pillow; or a stream, which gets ``save.format`` in full or nothing.
        height: of the picture, in pixels.
        width: of the picture.
        alpha: True if the tiles have an opacity.
        metadata: carried over from the photograph, as far as the format holds it.
        depth: bits per channel, 8 or 16, for PNG and TIFF.
        save: quality, and replacing an existing file.

    Raises:
        ImageError: if the target cannot be written.

    Example:
        >>> stream, white = io.BytesIO(), np.ones((4, 6, 3), np.float32)
        >>> tiles = iter([PaintedTile(slice(0, 4), slice(0, 6), white, None)])
        >>> about = {"alpha": False, "metadata": Metadata(), "depth": 8}
        >>> write_tiles(tiles, stream, height=4, width=6, save=SaveOptions(), **about)
        >>> Image.open(stream).size
        (6, 4)
    """
    channels = 4 if alpha else 3
    row = result_format(target, save)
    metadata, _ = fitted(metadata, row.name)
    bands = _bands(tiles, width, channels, depth)

    def write_bands(kind: type[PngWriter] | type[TiffWriter], file: BinaryIO) -> None:
        size, profile = (width, height), srgb_profile()
        writer: StripWriter = kind(
            file, size, channels, depth=depth, metadata=metadata, profile=profile
        )
        for _, band in bands:
            writer.write(band)
        writer.close()

    if isinstance(target, Path):
        check_target(target, overwrite=save.overwrite)
        if row.name in _WRITERS:
            with _naming_target(target), whole_file(target, overwrite=save.overwrite) as file:
                write_bands(_WRITERS[row.name], file)
            return
    elif row.name in _WRITERS:
        encoded = io.BytesIO()
        write_bands(_WRITERS[row.name], encoded)
        _write_stream(target, encoded.getbuffer())
        return
    whole = np.empty((height, width, channels), np.uint8)
    for top, band in bands:
        whole[top : top + len(band)] = band
    name = one_line(target) if isinstance(target, Path) else stream_name(target)
    data = _by_pillow(_pillow(whole), name, row, metadata, save.quality)
    if isinstance(target, Path):
        _write_file(target, data, save.overwrite)
    else:
        _write_stream(target, data)


def _bands(
    tiles: Iterator[PaintedTile], width: int, channels: int, depth: int
) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield full rows of the picture in whole numbers, and the number of the first of them."""
    band: NDArray[Any] | None = None
    dtype = np.uint16 if depth == 16 else np.uint8
    for tile in tiles:
        if band is None:
            band = np.empty((tile.rows.stop - tile.rows.start, width, channels), dtype)
        part = band[:, tile.columns]
        for top in range(0, len(part), _ROWS):  # intermediate values stay in cache
            rows = slice(top, top + _ROWS)
            part[rows, :, :3] = quantized(tile.image[rows], depth)
            if tile.opacity is not None:
                part[rows, :, 3] = quantized(tile.opacity[rows], depth)
        if tile.columns.stop == width:
            yield tile.rows.start, band
            band = None
