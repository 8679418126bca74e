"""Pictures in the forms of training code: converted to floats, and returned as they came.

The size, the dtype, the order of axes and the range of values are kept, and opacity is copied.
Pictures are not turned by EXIF data or converted by profiles: annotations, such as boxes, refer to
the pixels as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.augment.draws import loaded_torch
from impasto.augment.samples import is_array, torchvision_kind
from impasto.errors import ImageError, OptionError
from impasto.images.arrays import ArrayForm, Photo, array_form, read_array
from impasto.images.ranges import ValueRange

Axes: TypeAlias = Literal["HWC", "CHW"]
AXES: tuple[Axes, ...] = ("HWC", "CHW")
"""Orders of the last three axes of a picture."""

# Modes of Pillow whose pixels are used as they are.
_PLAIN = ("RGB", "RGBA", "L")
# Modes that are converted, and back; each with the mode that it is painted in.
_CONVERTED = {"LA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB"}


class Form(Protocol):
    """Pictures in one value: a single one, or a batch."""

    @property
    def count(self) -> int:
        """Number of pictures."""
        ...

    def photo(self, number: int) -> Photo:
        """Return one of them as floats.

        Raises:
            ImageError: if its values do not fit.
        """
        ...

    def give_back(self, painted: Mapping[int, NDArray[Any]]) -> Any:
        """Return the value, in the same type, with some of its pictures replaced.

        Args:
            painted: by number, as their photos return them; empty: the value itself.
        """
        ...


def form_of(value: Any, axes: Axes | None, value_range: ValueRange | None) -> Form:
    """Find the form of a picture or a batch, without looking at the values.

    Args:
        value: a Pillow image, an array or a tensor.
        axes: the order of the axes, if the user gave one.
        value_range: the values that are black and white in floats, if the user gave them.

    Raises:
        ImageError: if it is not a picture.

    Example:
        >>> form_of(np.zeros((8, 3, 32, 32), np.uint8), None, None).count
        8
    """
    if isinstance(value, Image.Image):
        return _PillowForm(value)
    if not is_array(value):
        raise ImageError(
            f"a {type(value).__name__} is not a picture; give a Pillow image, an array or a tensor"
        )
    if (kind := torchvision_kind(value)) and kind not in ("Image", "Video"):
        raise ImageError(f"a tensor of torchvision's type {kind} is not a picture")
    if isinstance(value, np.ndarray):
        return _ArrayForm.of(value, axes, value_range, what="array", first="HWC")
    return _TensorForm.of(value, axes, value_range)


def check_axes(axes: str | None) -> Axes | None:
    """Return the order of axes that a user gave, or None.

    Raises:
        OptionError: if there is no such order.

    Example:
        >>> check_axes("CHW")
        'CHW'
    """
    if axes is None:
        return None
    for each in AXES:
        if axes == each:
            return each
    raise OptionError(f"layout must be {' or '.join(map(repr, AXES))}, or None, not {axes!r}")


@dataclass(frozen=True, eq=False)
class _PillowForm:
    image: Image.Image
    count = 1

    def __post_init__(self) -> None:
        mode = self.image.mode
        if mode not in (*_PLAIN, *_CONVERTED):
            raise ImageError(
                f"a Pillow image of mode {mode} is not supported, since it may be a mask or not "
                "have 8-bit colors; if it is a picture, give image.convert('RGB')"
            )

    def photo(self, number: int) -> Photo:
        array = np.asarray(self._plain())
        return read_array(array, array_form(array, layout="HW" if array.ndim == 2 else "HWC"))

    def give_back(self, painted: Mapping[int, NDArray[Any]]) -> Image.Image:
        if not painted:
            return self.image
        made = Image.fromarray(painted[0])
        if made.mode != self.image.mode:
            made = made.convert(self.image.mode)
        made.info = dict(self.image.info)
        return made

    def _plain(self) -> Image.Image:
        mode = _CONVERTED.get(self.image.mode)
        return self.image if mode is None else self.image.convert(mode)


@dataclass(frozen=True, eq=False)
class _ArrayForm:
    """Pictures of an array (..., H, W, C), (..., C, H, W) or (H, W)."""

    array: NDArray[Any]
    planes: NDArray[Any]
    form: ArrayForm

    @classmethod
    def of(
        cls,
        array: NDArray[Any],
        axes: Axes | None,
        value_range: ValueRange | None,
        *,
        what: str,
        first: Axes,
    ) -> _ArrayForm:
        """``first``: the order of axes to use where both are possible."""
        if isinstance(array, np.ma.MaskedArray):
            raise ImageError("a masked array is not supported; give array.filled(0), or its data")
        name = f"the {what} of shape {tuple(array.shape)}"
        if array.ndim < 2 or 0 in array.shape:
            raise ImageError(f"{name}: contains no picture; give (H, W, C) or (C, H, W)")
        planes = array[None] if array.ndim == 2 else array.reshape(-1, *array.shape[-3:])
        form = array_form(
            planes[0],
            value_range,
            layout=None if array.ndim == 2 else axes or _axes(array.shape, first),
            name=name,
        )
        return cls(array, planes, form)

    @property
    def count(self) -> int:
        return len(self.planes)

    def photo(self, number: int) -> Photo:
        return read_array(self.planes[number], self.form)

    def give_back(self, painted: Mapping[int, NDArray[Any]]) -> NDArray[Any]:
        if not painted:
            return self.array
        made = np.array(self.array, order="C", subok=False)
        planes = made.reshape(self.planes.shape)
        for number, picture in painted.items():
            planes[number] = picture
        return made


@dataclass(frozen=True, eq=False)
class _TensorForm:
    """Pictures of a tensor of PyTorch, on any device."""

    tensor: Any
    pictures: _ArrayForm

    @classmethod
    def of(cls, tensor: Any, axes: Axes | None, value_range: ValueRange | None) -> _TensorForm:
        torch = loaded_torch()
        if tensor.layout != torch.strided or tensor.is_quantized:
            raise ImageError("a sparse or quantized tensor is not supported; make it dense first")
        plain = tensor.detach().as_subclass(torch.Tensor)
        if plain.dtype == torch.bfloat16:  # NumPy does not have it
            plain = plain.float()
        try:
            array = plain.cpu().numpy()
        except (RuntimeError, TypeError) as error:
            raise ImageError(
                f"a tensor of dtype {tensor.dtype} is not supported ({error}); give uint8 or floats"
            ) from error
        return cls(tensor, _ArrayForm.of(array, axes, value_range, what="tensor", first="CHW"))

    @property
    def count(self) -> int:
        return self.pictures.count

    def photo(self, number: int) -> Photo:
        return self.pictures.photo(number)

    def give_back(self, painted: Mapping[int, NDArray[Any]]) -> Any:
        if not painted:
            return self.tensor
        torch, kind = loaded_torch(), type(self.tensor)
        array = self.pictures.give_back(painted)
        made = torch.empty_like(self.tensor.detach().as_subclass(torch.Tensor))
        made.copy_(torch.from_numpy(array))  # to its dtype, its device and its order in memory
        return made if kind is torch.Tensor else made.as_subclass(kind)


def _axes(shape: tuple[int, ...], first: Axes) -> Axes | None:
    """The order of axes under which a shape is a picture's; None: :func:`array_form` refuses it."""
    fitting = [axes for axes, at in (("HWC", -1), ("CHW", -3)) if shape[at] in (1, 3, 4)]
    if first in fitting:
        return first
    for axes in AXES:
        if axes in fitting:
            return axes
    return None
