"""The front door: load a model, make styles, stylize pictures."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.affine import adain, check_alpha
from impasto.engines import Encoded, Engine, open_engine
from impasto.errors import ImageError, OptionError, StyleError
from impasto.images import Picture, read_photo, resize
from impasto.models import DEFAULT_MODEL, Card, find_bundle
from impasto.styles import Style

STYLE_SIZE = 512
"""Shorter side, in pixels, that larger style images are reduced to: the scale of its strokes."""

MIN_SIDE = 16
"""The smallest side of a picture, in pixels."""

# What rounding in a resize may leave outside [0, 1].
_SLACK = 1e-3


@dataclass(frozen=True, eq=False)
class Painted:
    """A stylized image and how long each step took.

    Attributes:
        image: (H, W, 3) float32, RGB in [0, 1].
        encode_seconds: padding and encoder.
        align_seconds: from moments to scale and shift.
        decode_seconds: decoder, cropping and clipping.
    """

    image: NDArray[np.float32]
    encode_seconds: float
    align_seconds: float
    decode_seconds: float


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Stylizer:
    """Load a model.

    Args:
        model: a name that ``impasto models`` lists, or the path of a ``.impasto`` file.
        engine: a name in :data:`impasto.engines.ENGINES`; by default the best one installed.
        precision: ``fp32`` or ``bf16``; by default what the engine prefers on this processor.
        threads: how many threads may be used, 1 or more; by default one for each core.

    Returns:
        The model, ready to run.

    Raises:
        ModelError: if the model is unknown, missing or damaged.
        EngineError: if the engine is not installed or does not start.
        OptionError: if engine, precision or threads is not a possible value.

    Example:
        >>> model = load("fast")                                            # doctest: +SKIP
        >>> model.stylize("street.jpg", "wave.jpg").save("out.png")         # doctest: +SKIP
    """
    bundle = find_bundle(model)
    return Stylizer(
        card=bundle.card,
        engine=open_engine(bundle, name=engine, precision=precision, threads=threads),
        identity=bundle.identity,
    )


class Stylizer:
    """A loaded model. It keeps nothing of the pictures and styles that pass through it.

    Made by :func:`load`. Its methods may be called from several threads at once.

    Attributes:
        card: what the model is.
        engine: what runs it.
        identity: 16 hexadecimal digits; styles are valid for one identity.
    """

    def __init__(self, *, card: Card, engine: Engine, identity: str) -> None:
        self.card = card
        self.engine = engine
        self.identity = identity

    def style(self, source: Picture, *, size: int | None = STYLE_SIZE) -> Style:
        """What is kept of a style image: its moments at every level.

        Args:
            source: a file, Pillow image or array, at least 16 x 16 pixels.
            size: shorter side in pixels, 16 or more, that a larger image is reduced to; a smaller
                one is left as it is. None leaves every image as it is. The size sets the scale of
                strokes and ornaments.

        Returns:
            A value to keep and use again, for this model.

        Raises:
            ImageError: if the picture cannot be read or is too small.
            OptionError: if size is below 16.

        Example:
            >>> wave = model.style("wave.jpg")                              # doctest: +SKIP
        """
        _check_size(size)
        photo = read_photo(source)
        image = photo.image
        if size is not None and min(image.shape[:2]) > size:
            image = resize(image, size)
        encoded = self._encode(image, photo.name)
        return Style(name=photo.name, model=self.identity, moments=encoded.moments)

    def paint(self, image: NDArray[np.float32], style: Style, *, alpha: float = 1.0) -> Painted:
        """Stylize an image that is an array already, and say how long each step took.

        The image is padded by reflection, ``Card.margin`` pixels on every side and what is missing
        to ``Card.multiple`` at the bottom and at the right, so nothing is shifted; after decoding
        the padding is cut off. The content's moments are those of the padded image.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more.
            style: made by this model's :meth:`style`.
            alpha: strength in [0, 2]: 0 gives the photograph back as far as the model can, 1 is
                the full style, more exaggerates it.

        Returns:
            An image of the same size, with times in seconds.

        Raises:
            StyleError: if the style was made by another model.
            OptionError: if alpha is outside [0, 2] or not a number.
            ImageError: if the array is no such image.

        Example:
            >>> painted = model.paint(image, wave, alpha=0.8)               # doctest: +SKIP
            >>> painted.image.shape == image.shape                          # doctest: +SKIP
            True
        """
        self._check_style(style)
        strength = check_alpha(alpha)
        start = perf_counter()
        encoded = self._encode(image, "the image")
        encode_end = perf_counter()
        affines = [
            adain(content, wanted, alpha=strength)
            for content, wanted in zip(encoded.moments, style.moments, strict=True)
        ]
        align_end = perf_counter()
        decoded = self.engine.decode(encoded.features, affines)
        top = self.card.margin
        height, width = image.shape[:2]
        crop = decoded[:, top : top + height, top : top + width].transpose(1, 2, 0)
        result = np.clip(crop, 0.0, 1.0, out=np.empty(image.shape, np.float32))
        return Painted(
            image=result,
            encode_seconds=encode_end - start,
            align_seconds=align_end - encode_end,
            decode_seconds=perf_counter() - align_end,
        )

    def stylize(
        self,
        content: Picture,
        style: Style | Picture,
        *,
        alpha: float = 1.0,
        size: int | None = None,
    ) -> Image.Image | NDArray[Any]:
        """A picture in the style of another.

        Args:
            content: a file, Pillow image or array, at least 16 x 16 pixels.
            style: made by this model's :meth:`style`, or a picture to make it of.
            alpha: strength in [0, 2], as in :meth:`paint`.
            size: shorter side of the result in pixels, 16 or more; None keeps the picture's size.

        Returns:
            For a file or a Pillow image a Pillow image, for an array an array of the same dtype
            and layout; as large as ``content`` unless ``size`` is given. An alpha channel is kept.

        Raises:
            ImageError: if a picture cannot be read or is too small.
            StyleError: if the style was made by another model.
            OptionError: if alpha or size is out of range.

        Example:
            >>> model.stylize("street.jpg", wave, alpha=0.8).save("out.png")     # doctest: +SKIP
        """
        # All that is cheap to find wrong comes before anything is read or encoded.
        check_alpha(alpha)
        _check_size(size)
        if isinstance(style, Style):
            self._check_style(style)
        photo = read_photo(content)
        image = photo.image
        if size is not None and min(image.shape[:2]) != size:
            image = resize(image, size)
        _check_sides(image, photo.name)
        value = style if isinstance(style, Style) else self.style(style)
        painted = self.paint(image, value, alpha=alpha)
        return photo.give_back(painted.image)

    def _check_style(self, style: Style) -> None:
        if not isinstance(style, Style):
            raise StyleError(f"a {type(style).__name__} is not a style: make one with style()")
        if style.model != self.identity:
            raise StyleError(
                f"style {style.name!r} was made by another model ({style.model}) than "
                f"{self.card.name!r} ({self.identity}): make it again with this model's style()"
            )
        if len(style.moments) != len(self.card.levels):
            raise StyleError(
                f"style {style.name!r} has {len(style.moments)} levels and model "
                f"{self.card.name!r} has {len(self.card.levels)}: make it again with style()"
            )

    def _encode(self, image: NDArray[np.float32], name: str) -> Encoded:
        _check_sides(image, name)
        low, high = float(image.min()), float(image.max())
        if not (low >= -_SLACK and high <= 1 + _SLACK):  # also refuses NaN
            raise ImageError(f"{name}: values must lie in [0, 1], not from {low:g} to {high:g}")
        return self.engine.encode(_padded(image, self.card))


def _padded(image: NDArray[np.float32], card: Card) -> NDArray[np.float32]:
    """(H, W, 3) to (3, H', W'), contiguous, reflected at the edges, more than once if thin."""
    widths = [(0, 0)]
    for side in image.shape[:2]:
        widths.append((card.margin, card.margin + -side % card.multiple))
    planes = image.transpose(2, 0, 1).astype(np.float32, copy=False)
    return np.pad(planes, widths, mode="reflect")


def _check_sides(image: NDArray[np.float32], name: str) -> None:
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{name}: an image must be an array, not a {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.kind != "f":
        raise ImageError(
            f"{name}: an image must be (H, W, 3) floating numbers, not {image.shape} {image.dtype}"
        )
    height, width = image.shape[:2]
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name}: {width} x {height} pixels is too small; each side needs {MIN_SIDE} or more"
        )


def _check_size(size: int | None) -> None:
    if size is None:
        return
    try:
        whole = operator.index(size)
    except TypeError:
        whole = 0
    if whole < MIN_SIDE:
        raise OptionError(f"size must be a whole number of {MIN_SIDE} pixels or more, not {size!r}")
