"""A style as a value: the moments of a style image for one model, in memory or in a small file.

A style file is a safetensors file, ``NAME.safetensors``: for each level i the tensors ``mean_i``
and ``std_i`` (C,) float32, or for a style of a model with built-in styles the tensor
``parameters`` (P,) float16 or float32, and as metadata ``format``, ``name``, ``model`` (the
identity of the model it fits), ``model_name``, ``note`` and ``thumbnail`` (base64, "" for none); a
tuned style has ``tuned`` too (:mod:`impasto.styles.tuned`).
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.controls.affine import blend, check_weights
from impasto.controls.moments import Moments
from impasto.controls.transforms import Samples
from impasto.errors import OptionError, StyleError, counted
from impasto.images.photo import Photo, Picture, read_photo
from impasto.styles.tuned import Tuned

THUMBNAIL_SIDE = 128
"""Longer side of a thumbnail, in pixels."""

_MAX_THUMBNAIL_PIXELS = 512 * 512  # of files that others wrote


@dataclass(frozen=True, eq=False)
class Style:
    """The moments of a style image at every level of one model: a few kB, made once, used often.

    Made by :meth:`impasto.stylizer.Stylizer.style`; fits only the model that made it. Two styles
    are equal if all their fields are.

    Attributes:
        name: its origin, such as a file's name, for messages.
        model: the identity of the model that made it (``Stylizer.identity``).
        moments: one pair of mean and deviation per level, finest level first.
        note: the origin of the picture, such as painter and title.
        thumbnail: the reduced picture, as the bytes of a picture file (:func:`make_thumbnail`).
        model_name: the name of that model, for messages.
        samples: its features at every level, for transforms that are fitted to more than moments;
            empty unless it was made for one. They are not written to files.
        parameters: numbers of a style that was trained with or for a model with built-in styles,
            such as a bank of filters, (P,); it has no moments. None for other styles.
        tuned: how it was tuned, or None.
    """

    name: str
    model: str
    moments: tuple[Moments, ...]
    note: str = ""
    thumbnail: bytes | None = field(default=None, repr=False)
    model_name: str = ""
    samples: tuple[Samples, ...] = field(default=(), repr=False)
    parameters: NDArray[np.float16 | np.float32] | None = field(default=None, repr=False)
    tuned: Tuned | None = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Style):
            return NotImplemented
        return (
            self._metadata() == other._metadata()
            and len(self.moments) == len(other.moments)
            and all(
                np.array_equal(mine.mean, theirs.mean) and np.array_equal(mine.std, theirs.std)
                for mine, theirs in zip(self.moments, other.moments, strict=True)
            )
            and (self.parameters is None) == (other.parameters is None)
            and (
                self.parameters is None
                or other.parameters is None
                or np.array_equal(self.parameters, other.parameters)
            )
        )

    def __hash__(self) -> int:
        return hash(self._metadata())  # without the arrays, which may be equal in different dtypes

    def _metadata(self) -> tuple[object, ...]:
        return (self.name, self.model, self.note, self.thumbnail, self.model_name, self.tuned)


def blend_styles(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    """Blend several styles of one model into one, level by level as
    :func:`impasto.controls.affine.blend`; of trained styles their parameters.

    Args:
        styles: K styles made by one model, K >= 1.
        weights: K numbers >= 0, not all 0; only their ratios count.

    Returns:
        A style that can be used, mixed and saved as any other. Its name lists shares and
        names, its note joins their notes; it has no thumbnail.

    Raises:
        OptionError: if the numbers of styles and weights differ, or a weight is negative or not
            finite, or all are 0.
        StyleError: if the styles were made by different models.

    Example:
        >>> import numpy as np
        >>> one, two = (
        ...     Style(name, "0" * 16, (Moments(np.array([m]), np.array([1.0])),))
        ...     for name, m in (("wave", 0.0), ("sunset", 4.0))
        ... )
        >>> mixed = blend_styles([one, two], [3, 1])
        >>> mixed.name, mixed.moments[0].mean
        ('0.75 wave + 0.25 sunset', array([1.]))
    """
    if not styles or len(styles) != len(weights):
        raise OptionError(
            f"blending needs one weight for each style, not {counted(len(weights), 'weight')} "
            f"for {counted(len(styles), 'style')}"
        )
    first = styles[0]
    for other in styles[1:]:
        if other.model != first.model or len(other.moments) != len(first.moments):
            raise StyleError(
                f"style {first.name!r} of {model_label(first.model, first.model_name)} and style "
                f"{other.name!r} of {model_label(other.model, other.model_name)} cannot be "
                "blended: make both with one model"
            )
    levels = zip(*(style.moments for style in styles), strict=True)
    moments = tuple(blend(level, weights) for level in levels)
    total = float(sum(weights))
    parameters = [style.parameters for style in styles if style.parameters is not None]
    used = [(style, w / total) for style, w in zip(styles, weights, strict=True) if w > 0]
    notes = dict.fromkeys(style.note for style, _ in used if style.note)
    return Style(
        name=" + ".join(f"{share:.3g} {style.name}" for style, share in used),
        model=first.model,
        moments=moments,
        note="; ".join(notes),
        model_name=first.model_name,
        parameters=_mixed(parameters, weights) if parameters else None,
    )


def make_thumbnail(source: Picture | Photo) -> bytes:
    """Encode a thumbnail of a picture: a WebP file of at most 128 pixels per side and a few kB.

    Args:
        source: a file, Pillow image or array, or a photo read before; transparent parts become
            white.

    Raises:
        ImageError: if it cannot be read.

    Example:
        >>> from dataclasses import replace
        >>> wave = replace(wave, thumbnail=make_thumbnail("wave.jpg"))       # doctest: +SKIP
    """
    photo = source if isinstance(source, Photo) else read_photo(source)
    image = photo.image
    if photo.alpha is not None:
        alpha = photo.alpha[..., None]
        image = image * alpha + (1 - alpha)
    picture = _picture(image)
    picture.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE), Image.Resampling.LANCZOS)
    encoded = io.BytesIO()
    picture.save(encoded, "WEBP", quality=80)
    return encoded.getvalue()


def open_thumbnail(style: Style) -> Image.Image | None:
    """Decode the thumbnail of a style to a Pillow image; None if it has none.

    Raises:
        ImageError: if it is damaged, or too large for a thumbnail.

    Example:
        >>> open_thumbnail(load_style("wave.safetensors")).size              # doctest: +SKIP
        (128, 86)
    """
    if style.thumbnail is None:
        return None
    photo = read_photo(io.BytesIO(style.thumbnail), max_pixels=_MAX_THUMBNAIL_PIXELS)
    return _picture(photo.image)


def model_label(identity: str, name: str = "") -> str:
    """Return the label of a model for messages: its name, if known, and its identity."""
    return f"model {name!r} ({identity})" if name else f"model {identity}"


def _mixed(
    parameters: Sequence[NDArray[np.float16 | np.float32]], weights: Sequence[float]
) -> NDArray[np.float16 | np.float32]:
    mixed = check_weights(weights, len(parameters)) @ np.stack(parameters).astype(np.float64)
    return mixed.astype(np.float32)


def _picture(image: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.rint(image * 255).astype(np.uint8))
