"""Pictures of any kind -> float RGB in [0, 1], and the result back in the form that was given."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError
from impasto.images.formats import (
    Decoded,
    check_pixels,
    decode,
    load,
    one_line,
    open_file,
    stream_name,
)
from impasto.images.icc import srgb_profile
from impasto.images.options import check_max_pixels
from impasto.images.pixels import deep_planes, is_deep, planes, upright
from impasto.images.resizing import MAX_PIXELS, check_rgb, resize, resize_plane
from impasto.images.writing import QUALITY, Rendered, quantized, write_image

__all__ = [
    "ArrayForm",
    "Photo",
    "Picture",
    "Rendered",
    "read_photo",
    "write_image",
]

Picture: TypeAlias = str | os.PathLike[str] | Image.Image | NDArray[Any] | BinaryIO
"""What may be given as a picture: a path, a Pillow image, a NumPy array, a binary stream."""

Layout: TypeAlias = Literal["HW", "HWC", "CHW"]

# White for each dtype that an array may have, whatever its byte order.
_WHITE = {"u1": 255, "u2": 65535, "f2": 1, "f4": 1, "f8": 1}

# Pixels in float64 at a time.
_BLOCK = 1 << 16

# Rec. 709: the weights of the sRGB primaries.
_LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class ArrayForm:
    """How an array held a picture: its dtype, order of axes and number of channels."""

    dtype: np.dtype[Any]
    layout: Layout
    channels: int


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture that was read, and what is needed to give a result back in the same form.

    Attributes:
        image: (H, W, 3) float32, sRGB in [0, 1], upright.
        alpha: (H, W) float32 in [0, 1], or None for a picture that had none.
        name: what to call it in a message.
        form: of an array; None for a file or a Pillow image.
        exif: what is kept of the EXIF data, b"" for nothing.
        depth: bits a channel that a file of the result deserves: 16 if there were more than 8.
        remark: what was lost in reading, such as "its 10 bits a channel are read as 8"; or "".
    """

    image: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    name: str
    form: ArrayForm | None = None
    exif: bytes = b""
    depth: int = 8
    remark: str = ""

    def give_back(self, image: NDArray[np.floating[Any]]) -> Image.Image | NDArray[Any]:
        """The result ``image`` in the form that this photo came in.

        A file or a Pillow image gives an 8-bit Pillow image (it has no deeper colors), RGB or RGBA,
        upright, with the profile of sRGB and the EXIF data in ``info``; :meth:`save` writes 16
        bits. An array gives an array of the same dtype and layout; a grey one gives luma
        (Rec. 709). Alpha is put back, scaled if the size changed.

        Args:
            image: (H, W, 3) floats in [0, 1], of any size; what is outside is clipped.

        Raises:
            ImageError: if ``image`` has another shape, or holds NaN or infinity.

        Example:
            >>> grey = np.array([[0, 128, 255]], np.uint8)
            >>> read_photo(grey).give_back(np.ones((1, 3, 3), np.float32))
            array([[255, 255, 255]], dtype=uint8)
        """
        rendered = self.rendered(image)
        if self.form is None:
            picture = Image.fromarray(rendered.pixels(8))
            picture.info["icc_profile"] = srgb_profile()
            if self.exif:
                picture.info["exif"] = self.exif
            return picture
        values, alpha = rendered.image, rendered.alpha
        if self.form.channels > 1:
            planes = values if alpha is None else np.dstack([values, alpha])
        else:  # in float64, so that a grey of three equal channels comes back exactly
            planes = (values @ np.array(_LUMA))[..., None].astype(values.dtype)
        array = _in_dtype(planes, self.form.dtype)
        if self.form.layout == "HW":
            return array[..., 0]
        if self.form.layout == "CHW":
            return np.ascontiguousarray(array.transpose(2, 0, 1))
        return array

    def rendered(self, image: NDArray[np.floating[Any]]) -> Rendered:
        """The result ``image`` ready to be written: with this photo's alpha, EXIF data and depth.

        Args:
            image: (H, W, 3) floats in [0, 1], of any size; what is outside is clipped.

        Returns:
            A value for :func:`write_image`, which rounds it to what the format can hold.

        Raises:
            ImageError: if ``image`` has another shape, or holds NaN or infinity.

        Example:
            >>> deep = read_photo(np.full((2, 2), 1000, np.uint16))
            >>> deep.rendered(deep.image).pixels(16)[0, 0]
            array([1000, 1000, 1000], dtype=uint16)
        """
        check_rgb(image, f"the result for {self.name}")
        if not np.isfinite(image).all():
            raise ImageError(f"the result for {self.name} holds NaN or infinity")
        alpha = self.alpha
        if alpha is not None and alpha.shape != image.shape[:2]:
            alpha = resize_plane(alpha, *image.shape[:2])
        return Rendered(np.clip(image, 0, 1), alpha, self.exif, self.depth)

    def save(
        self,
        image: NDArray[np.floating[Any]],
        target: str | os.PathLike[str] | BinaryIO,
        *,
        format: str | None = None,
        quality: int = QUALITY,
        depth: int | None = None,
        overwrite: bool = False,
    ) -> None:
        """Write the result ``image``: 16 bits a channel if this photo and the format have them.

        Args:
            image: (H, W, 3) floats in [0, 1], of any size; what is outside is clipped.
            target: as of :func:`write_image`, as are the other options.

        Raises:
            ImageError: as :meth:`rendered` and :func:`write_image` do.
            OptionError: as :func:`write_image` does.

        Example:
            >>> photo = read_photo("deep.tif")                              # doctest: +SKIP
            >>> painted = model.paint(photo.image, wave, opacity=photo.alpha)  # doctest: +SKIP
            >>> photo.save(painted.image, "out.tif")                        # doctest: +SKIP
        """
        write_image(
            self.rendered(image),
            target,
            format=format,
            quality=quality,
            depth=depth,
            overwrite=overwrite,
        )


def read_photo(source: Picture, *, max_pixels: int = MAX_PIXELS, keep_gps: bool = False) -> Photo:
    """Read a picture of any kind as float RGB.

    Files and streams: JPEG, PNG, WebP, AVIF, TIFF, GIF, BMP, JPEG 2000, PPM, and HEIC with
    pillow-heif installed; one picture each, no film. A stream is read from its start, if it can
    seek. Of a Pillow image that holds several frames the current one is taken.

    The EXIF orientation is applied. An ICC profile (RGB, grey, CMYK or Lab) is converted to sRGB,
    relative colorimetric with black point compensation; one that is broken or belongs to another
    kind of picture is passed over, and CMYK without one gets Pillow's simple formula.

    Grey and color of 16 bits a channel (PNG, TIFF, PPM; Pillow's modes I;16 and I) and floats (TIFF
    of 16, 32 or 64 bits, white is 1; mode F) are read at their full depth. What is deeper than 8
    bits in AVIF, HEIC, JPEG 2000 and CMYK is read at 8, and ``remark`` says so.

    Arrays: uint8 and uint16 (white is 255 and 65535), or float16, float32 and float64 in [0, 1].
    Shape (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels: grey, RGB, RGB and alpha. Where
    both orders of axes would do, such as (3, 50, 4), channels are last. Not bool, which may mean a
    mask; not batches: loop over them.

    Args:
        source: a path, a Pillow image, a NumPy array, or a binary stream (``sys.stdin.buffer``).
        max_pixels: a larger picture is refused, a file from its header, before it is decoded.
        keep_gps: keep the place (GPS) among the EXIF data of results; otherwise it is dropped.

    Raises:
        ImageError: a picture that cannot be read, or an array that does not fit. One line: which
            picture, what is wrong, how to mend it.
        OptionError: ``max_pixels`` below 1.

    Example:
        >>> photo = read_photo(np.full((2, 4), 51, np.uint8))
        >>> photo.image.shape, float(photo.image[0, 0, 0])
        ((2, 4, 3), 0.20000000298023224)
    """
    check_max_pixels(max_pixels)
    if isinstance(source, np.ndarray):
        return _from_array(np.asarray(source), max_pixels)
    if isinstance(source, Image.Image):
        name = one_line(getattr(source, "filename", "") or "the Pillow image")
        check_pixels(source.size, name=name, max_pixels=max_pixels)
        load(source, name=name)
        return _photo(Decoded(source), name, keep_gps)
    if isinstance(source, str | os.PathLike):
        name = one_line(os.fspath(source))
        with open_file(Path(source)) as file:
            return _photo(decode(file, name=name, max_pixels=max_pixels), name, keep_gps)
    if hasattr(source, "read"):
        name = stream_name(source)
        data = _all_bytes(source, name)
        return _photo(decode(data, name=name, max_pixels=max_pixels), name, keep_gps)
    raise ImageError(
        f"a {type(source).__name__} is not a picture; give a path, a Pillow image, a NumPy array, "
        "or a binary stream (io.BytesIO for bytes)"
    )


def _in_dtype(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    values = values if dtype.kind == "f" else quantized(values, dtype.itemsize * 8)
    return values.astype(dtype)


def _from_array(array: NDArray[Any], max_pixels: int) -> Photo:
    name = f"the array of shape {array.shape}"
    if array.dtype.str[1:] not in _WHITE:
        raise ImageError(
            f"{name}: dtype {array.dtype} is not read; give uint8, uint16, or floats in [0, 1] "
            "(a bool array: array.astype(np.float32))"
        )
    layout = _layout(array, name)
    planes = array[..., None] if layout == "HW" else array
    planes = planes.transpose(1, 2, 0) if layout == "CHW" else planes
    height, width, channels = planes.shape
    check_pixels((width, height), name=name, max_pixels=max_pixels)
    _check_values(array, name)
    values = planes.astype(np.float32)
    values /= _WHITE[array.dtype.str[1:]]
    return Photo(
        image=np.repeat(values, 3, axis=2) if channels == 1 else values[..., :3].copy(),
        alpha=values[..., 3].copy() if channels == 4 else None,
        name=name,
        form=ArrayForm(array.dtype, layout, channels),
        depth=16 if array.dtype.itemsize > 1 else 8,
    )


def _layout(array: NDArray[Any], name: str) -> Layout:
    channels = (1, 3, 4)
    if array.ndim == 2:
        return "HW"
    if array.ndim == 3 and array.shape[2] in channels:
        return "HWC"
    if array.ndim == 3 and array.shape[0] in channels:
        return "CHW"
    if array.ndim == 4:
        raise ImageError(f"{name}: is a batch; loop over it and give one picture at a time")
    raise ImageError(
        f"{name}: a picture is (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels"
        + ("; of a batch or a film give one picture at a time" if array.ndim == 3 else "")
    )


def _check_values(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind != "f":
        return
    broken = array.size - int(np.count_nonzero(np.isfinite(array)))
    if broken:
        raise ImageError(
            f"{name}: {broken} of {array.size} values are NaN or infinite; "
            "mend them first (np.nan_to_num)"
        )
    low, high = float(array.min()), float(array.max())
    if low < 0 or high > 1:
        raise ImageError(
            f"{name}: floats from {low:g} to {high:g}, not within [0, 1]; "
            "scale them (/ 255) or clip them (np.clip)"
        )


def _all_bytes(stream: BinaryIO, name: str) -> BinaryIO:
    """All that the stream gives, from its start if it can go back: a pipe cannot, decoding must."""
    if isinstance(stream, io.TextIOBase):
        raise ImageError(f"{name}: is a stream of text; open it in binary mode ('rb', .buffer)")
    try:
        if stream.seekable():
            stream.seek(0)
        return io.BytesIO(stream.read())
    except Exception as error:  # a stream may be of anybody's class
        raise ImageError(f"{name}: cannot be read ({one_line(error)})") from error


def _photo(decoded: Decoded, name: str, keep_gps: bool) -> Photo:
    picture, deep = decoded.picture, decoded.deep
    try:
        if deep is not None:
            image, alpha, exif = deep_planes(picture, deep, name=name, keep_gps=keep_gps)
        else:
            picture, exif = upright(picture, keep_gps=keep_gps)
            image, alpha = planes(picture, name=name)
    except ImageError:
        raise
    except Exception as error:  # headers that contradict each other, or too little memory
        raise ImageError(
            f"{name}: its pixels (mode {picture.mode}, {picture.width} x {picture.height}) cannot "
            f"be converted ({one_line(error)}); save it as RGB"
        ) from error
    depth = 16 if deep is not None or is_deep(picture) else 8
    return Photo(image, alpha, name, exif=exif, depth=depth, remark=decoded.remark)


def fit_photo(photo: Photo, size: int | None, *, enlarge: bool = True) -> Photo:
    """A photograph at the size it will be worked on, what is transparent in it filled.

    Args:
        photo: as it was read.
        size: shorter side in pixels; None: as it is.
        enlarge: whether a smaller one is scaled too.

    Returns:
        A photo of that size; ``photo`` itself if there is nothing to do.

    Raises:
        ImageError: if the result would have too many pixels.

    Example:
        >>> photo = read_photo(np.zeros((40, 20), np.uint8))
        >>> fit_photo(photo, 10).image.shape
        (20, 10, 3)
    """
    side = min(photo.image.shape[:2])
    if size is None or side == size or (side < size and not enlarge):
        return photo
    image = resize(fill_hidden(photo.image, photo.alpha), size)
    alpha = None if photo.alpha is None else resize_plane(photo.alpha, *image.shape[:2])
    return replace(photo, image=image, alpha=alpha)


def fill_hidden(
    image: NDArray[np.float32], opacity: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """A picture whose transparent part has the mean color of the rest.

    Programs write anything there, mostly black. It would bleed into what can be seen, over the
    edge of a scaled picture as over that of features.

    Args:
        image: (H, W, 3).
        opacity: (H, W) in [0, 1], or None.

    Returns:
        (H, W, 3); ``image`` itself if all or nothing of it is transparent.

    Example:
        >>> image = np.array([[[0.2, 0.2, 0.2], [0.9, 0.9, 0.9]]], np.float32)
        >>> fill_hidden(image, np.array([[1, 0]], np.float32))[0, 1]
        array([0.2, 0.2, 0.2], dtype=float32)
    """
    if opacity is None:
        return image
    hidden = opacity <= 0
    if hidden.all() or not hidden.any():
        return image
    mean = mean_color(image, opacity)
    return np.where(hidden[..., None], mean.astype(image.dtype), image)


def mean_color(image: NDArray[np.floating[Any]], weights: NDArray[np.floating[Any]]) -> Any:
    """Return the mean color of a picture, (3,) float64, each pixel counted by its weight.

    Args:
        image: (H, W, 3) floats.
        weights: (H, W), 0 or more, not all 0.

    Example:
        >>> mean_color(np.ones((2, 2, 3)), np.eye(2))
        array([1., 1., 1.])
    """
    mean, total = np.zeros(3), 0.0
    rows = max(1, _BLOCK // image.shape[1])
    for top in range(0, len(image), rows):  # a float64 copy of all would be twice the picture
        block = slice(top, top + rows)
        shares = weights[block].astype(np.float64).ravel()
        if (weight := float(shares.sum())) > 0:
            total += weight
            colors = image[block].astype(np.float64).reshape(-1, 3)
            mean += weight / total * ((shares / weight) @ colors - mean)
    return mean
