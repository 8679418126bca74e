"""A picture as an array of floats: read from arrays of any dtype and layout, returned as such."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.errors import ImageError
from impasto.images.icc import srgb_profile
from impasto.images.metadata import Metadata, pillow_info
from impasto.images.options import SaveOptions
from impasto.images.ranges import FIXED, WHITE, ValueRange, fractions
from impasto.images.resizing import check_rgb, resize_plane
from impasto.images.windows import Source, Window
from impasto.images.writing import Rendered, quantized, write_image

Layout: TypeAlias = Literal["HW", "HWC", "CHW"]

_CHANNELS = (1, 3, 4)

# Kinds of numbers, in any byte order, whose white is unambiguous.
_CLEAR = ("u1", "u2", "f2", "f4", "f8")

# Rec. 709: the weights of the sRGB primaries.
_LUMA = (0.2126, 0.7152, 0.0722)


@dataclass(frozen=True)
class ArrayForm:
    """The form in which an array holds a picture.

    Attributes:
        dtype: of the array.
        layout: order of the axes.
        channels: 1, 3 or 4.
        height: in pixels.
        width: in pixels.
        name: what to call the array in a message.
        value_range: the values that are black and white, if the user gave them.
        mask: of a masked array: (H, W), True where any channel is masked.
    """

    dtype: np.dtype[Any]
    layout: Layout
    channels: int
    height: int
    width: int
    name: str
    value_range: ValueRange | None = None
    mask: NDArray[np.bool_] | None = field(default=None, compare=False)

    @property
    def depth(self) -> int:
        """Bits per channel to write a file of the result with, 8 or 16."""
        return 16 if self.dtype.itemsize > 1 else 8


def array_form(
    array: NDArray[Any],
    value_range: ValueRange | None = None,
    *,
    layout: Layout | None = None,
    name: str = "",
) -> ArrayForm:
    """Return the form of an array, without reading values other than the mask of a masked one.

    Args:
        array: as for :func:`impasto.images.photo.read_photo`.
        value_range: as for :func:`impasto.images.photo.read_photo`.
        layout: order of the axes; None: by the shape.
        name: what to call the array in a message; "": by its shape.

    Raises:
        ImageError: if its dtype or its shape is not that of a picture.

    Example:
        >>> array_form(np.zeros((4, 6, 3), np.uint8)).layout
        'HWC'
    """
    name = name or f"the array of shape {array.shape}"
    kind = array.dtype.str[1:]
    if kind not in WHITE:
        raise ImageError(
            f"{name}: dtype {array.dtype} is not supported; give uint8, uint16, or floats in [0, 1]"
            + _MENDS.get(array.dtype.kind, "")
        )
    layout = _layout(array, name) if layout is None else _checked(layout, array, name)
    height, width, channels = _channels_last(array, layout).shape
    if kind not in _CLEAR and value_range is None:
        held = f" from {array.min()} to {array.max()}" if array.size else ""
        raise ImageError(
            f"{name}: dtype {array.dtype}{held} does not define white; give uint8 "
            "(array.astype(np.uint8) if 255 is white), uint16, or floats in [0, 1], or set the "
            "values of black and white: value_range=(0, 255)"
        )
    mask: NDArray[np.bool_] | None = None
    if isinstance(array, np.ma.MaskedArray):
        mask = np.asarray(_channels_last(np.ma.getmaskarray(array), layout).any(axis=2))
    if kind in FIXED:
        value_range = None
    return ArrayForm(array.dtype, layout, channels, height, width, name, value_range, mask)


def read_array(array: NDArray[Any], form: ArrayForm) -> Photo:
    """Return a copy of the picture in an array.

    Args:
        array: uint8, uint16, or floats in [0, 1]; others with a range of values in ``form``. Masked
            pixels of a masked array are transparent.
        form: as returned by :func:`array_form`.

    Raises:
        ImageError: if floats are not in [0, 1].

    Example:
        >>> array = np.full((2, 4), 51, np.uint8)
        >>> float(read_array(array, array_form(array)).image[0, 0, 0])
        0.20000000298023224
    """
    stored = _channels_last(np.asarray(array), form.layout)
    if form.mask is not None and form.mask.any():  # masked values may be anything, such as NaN
        stored = stored.copy()
        stored[form.mask] = 0 if form.value_range is None else _least(form)
    kind = array.dtype.str[1:]
    values = fractions(
        stored, form.value_range, white=WHITE[kind], name=form.name, what=_named(array.dtype)
    )
    alpha = values[..., 3].copy() if form.channels == 4 else None
    if form.mask is not None:
        seen = np.where(form.mask, np.float32(0), np.float32(1))
        alpha = seen if alpha is None else alpha * seen
    return Photo(
        image=np.repeat(values, 3, axis=2) if form.channels == 1 else values[..., :3].copy(),
        alpha=alpha,
        name=form.name,
        form=form,
        depth=form.depth,
    )


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture that was read, with what is needed to return a result in the same form.

    It is also a :class:`impasto.images.windows.Source` of its own windows.

    Attributes:
        image: (H, W, 3) float32, sRGB in [0, 1], upright.
        alpha: (H, W) float32 in [0, 1], or None for a picture that had none.
        name: what to call it in a message.
        form: of an array; None for a file or a Pillow image.
        metadata: what a result may carry.
        depth: bits per channel to write a file of the result with: 16 if there were more than 8.
        remark: what was lost in reading, such as "its 10 bits per channel are read as 8"; or "".
        height: in pixels.
        width: in pixels.
    """

    image: NDArray[np.float32]
    alpha: NDArray[np.float32] | None
    name: str
    form: ArrayForm | None = None
    metadata: Metadata = Metadata()
    depth: int = 8
    remark: str = ""
    # The memory of a photo is counted by whoever read it.
    held = 0
    row_bytes = 0
    height: int = field(init=False)
    width: int = field(init=False)

    def __post_init__(self) -> None:
        height, width = self.image.shape[:2]
        object.__setattr__(self, "height", height)
        object.__setattr__(self, "width", width)

    def window(self, rows: slice, columns: slice) -> Window:
        """Return a part of the picture, from pixel to pixel, as views, not copies.

        Args:
            rows: with a start and a stop.
            columns: the same.

        Returns:
            Colors (h, w, 3) and opacity (h, w) or None.

        Example:
            >>> photo = Photo(np.zeros((4, 6, 3), np.float32), None, "a black one")
            >>> photo.window(slice(0, 2), slice(1, 6))[0].shape
            (2, 5, 3)
        """
        alpha = None if self.alpha is None else self.alpha[rows, columns]
        return self.image[rows, columns].astype(np.float32, copy=False), alpha

    def give_back(self, image: NDArray[np.floating[Any]]) -> Image.Image | NDArray[Any]:
        """Return the result ``image`` in the form of this photo's source.

        A file or a Pillow image gives an 8-bit Pillow image (it has no deeper colors), RGB or RGBA,
        upright, with the profile of sRGB, EXIF data, XMP and resolution in ``info``; :meth:`save`
        writes all metadata, and 16 bits. An array gives an array of the same dtype, layout and
        range of values; a grey one gives luma (Rec. 709). Alpha is restored, scaled if the size
        changed, as is the mask of a masked array.

        Args:
            image: (H, W, 3) floats in [0, 1], of any size; values outside are clipped.

        Raises:
            ImageError: if ``image`` has another shape, or holds NaN or infinity.

        Example:
            >>> grey = np.array([[0, 128, 255]], np.uint8)
            >>> photo = read_array(grey, array_form(grey))
            >>> photo.give_back(np.ones((1, 3, 3), np.float32))
            array([[255, 255, 255]], dtype=uint8)
        """
        rendered = self.rendered(image)
        if self.form is None:
            picture = Image.fromarray(rendered.pixels(8))
            picture.info["icc_profile"] = srgb_profile()
            picture.info.update(pillow_info(self.metadata))
            return picture
        values, alpha = rendered.image, rendered.alpha
        if self.form.channels > 1:
            planes = values
            if self.form.channels == 4 and alpha is not None:
                planes = np.dstack([values, alpha])
        else:  # in float64, so that a grey of three equal channels comes back exactly
            planes = (values @ np.array(_LUMA))[..., None].astype(values.dtype)
        array = _in_dtype(planes, self.form)
        if self.form.mask is not None:
            array = _masked(array, self.form.mask)
        if self.form.layout == "HW":
            return array[..., 0]
        if self.form.layout == "CHW":
            array = array.transpose(2, 0, 1)
            return array.copy() if self.form.mask is not None else np.ascontiguousarray(array)
        return array

    def rendered(self, image: NDArray[np.floating[Any]]) -> Rendered:
        """Prepare the result ``image`` for writing, with this photo's alpha, metadata and depth.

        Args:
            image: (H, W, 3) floats in [0, 1], of any size; values outside are clipped.

        Returns:
            A value for :func:`write_image`, which rounds it to the depth of the format.

        Raises:
            ImageError: if ``image`` has another shape, or holds NaN or infinity.

        Example:
            >>> array = np.full((2, 2), 1000, np.uint16)
            >>> deep = read_array(array, array_form(array))
            >>> deep.rendered(deep.image).pixels(16)[0, 0]
            array([1000, 1000, 1000], dtype=uint16)
        """
        check_rgb(image, f"the result for {self.name}")
        if not np.isfinite(image).all():
            raise ImageError(f"the result for {self.name} contains NaN or infinity")
        alpha = self.alpha
        if alpha is not None and alpha.shape != image.shape[:2]:
            alpha = resize_plane(alpha, *image.shape[:2])
        return Rendered(np.clip(image, 0, 1), alpha, self.metadata, self.depth)

    def save(
        self,
        image: NDArray[np.floating[Any]],
        target: str | os.PathLike[str] | BinaryIO,
        *,
        format: str | None = None,
        save: SaveOptions = SaveOptions(),
    ) -> None:
        """Write the result ``image``, at 16 bits per channel if this photo and the format do.

        Args:
            image: (H, W, 3) floats in [0, 1], of any size; values outside are clipped.
            target: as of :func:`write_image`, as are the other options.

        Raises:
            ImageError: as :meth:`rendered` and :func:`write_image` do.
            OptionError: as :func:`write_image` does.

        Example:
            >>> photo = read_photo("deep.tif")                              # doctest: +SKIP
            >>> painted = model.paint(photo.image, wave, opacity=photo.alpha)  # doctest: +SKIP
            >>> photo.save(painted.image, "out.tif")                        # doctest: +SKIP
        """
        write_image(self.rendered(image), target, format=format, save=save)


def in_memory(source: Source) -> Photo:
    """Return a picture as floats in memory, read and scaled once.

    Args:
        source: a picture that is read by windows; a photo is returned unchanged.

    Example:
        >>> photo = Photo(np.ones((4, 6, 3), np.float32), None, "a white one")
        >>> in_memory(photo) is photo
        True
    """
    if isinstance(source, Photo):
        return source
    if (decode := getattr(source, "photo", None)) is not None:  # a file that is not decoded yet
        photo: Photo = decode()
        return photo
    image, alpha = source.window(slice(0, source.height), slice(0, source.width))
    return Photo(image, alpha, source.name, depth=source.depth)


# Remedies to suggest in messages for arrays of some kinds.
_MENDS = {
    "b": " (a bool array: array.astype(np.float32))",
    "c": " (for complex numbers, the magnitude: np.abs)",
    "f": " (array.astype(np.float64))",
    "O": " (array.astype(np.float32), if it holds numbers)",
}


def _named(dtype: np.dtype[Any]) -> str:
    return "floats" if dtype.kind == "f" else f"{dtype.name}"


def _least(form: ArrayForm) -> Any:
    """Return black of a range, as a number of the array's kind."""
    low = 0.0 if form.value_range is None else form.value_range[0]
    return low if form.dtype.kind == "f" else round(low)


def _in_dtype(values: NDArray[Any], form: ArrayForm) -> NDArray[Any]:
    dtype = form.dtype
    if form.value_range is not None:
        low, high = form.value_range
        values = values.astype(np.float64) * (high - low) + low
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            values = np.rint(values).clip(limits.min, limits.max)
    elif dtype.kind != "f":
        values = quantized(values, dtype.itemsize * 8)
    return values.astype(dtype)


def _masked(array: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the masked array of a result, with the mask scaled to it."""
    size = array.shape[:2]
    if mask.shape != size:
        mask = resize_plane(mask.astype(np.float32), *size) > 0.5
    every = np.repeat(mask[..., None], array.shape[2], axis=2)
    masked: NDArray[Any] = np.ma.MaskedArray(array, mask=every)
    return masked


def _channels_last(array: NDArray[Any], layout: Layout) -> NDArray[Any]:
    if layout == "HW":
        return array[..., None]
    return array.transpose(1, 2, 0) if layout == "CHW" else array


def _checked(layout: Layout, array: NDArray[Any], name: str) -> Layout:
    """Return the layout that a user gave, if the array can have it."""
    if array.ndim != len(layout) or _channels_last(array, layout).shape[2] not in _CHANNELS:
        raise ImageError(f"{name}: is not a picture of layout {layout} with 1, 3 or 4 channels")
    return layout


def _layout(array: NDArray[Any], name: str) -> Layout:
    if array.ndim == 2:
        return "HW"
    if array.ndim == 3 and array.shape[2] in _CHANNELS:
        return "HWC"
    if array.ndim == 3 and array.shape[0] in _CHANNELS:
        return "CHW"
    if array.ndim == 4:
        raise ImageError(f"{name}: is a batch; loop over it and give one picture at a time")
    raise ImageError(
        f"{name}: a picture is (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels"
        + ("; give a batch or a film one picture at a time" if array.ndim == 3 else "")
    )
