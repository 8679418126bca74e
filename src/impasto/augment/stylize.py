"""The transform: paints pictures of a data set, each in a style and strength drawn for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.augment.draws import Draws
from impasto.augment.forms import check_axes, form_of
from impasto.augment.own_model import OwnModel
from impasto.augment.samples import painted_sample, torchvision_kind
from impasto.augment.styles import Given, find_all
from impasto.controls import Controls
from impasto.controls.color.matching import needs_picture
from impasto.errors import OptionError
from impasto.images.arrays import Photo
from impasto.images.options import check_range
from impasto.images.ranges import ValueRange
from impasto.models import DEFAULT_MODEL
from impasto.styles.library import WHOLE_GALLERY
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

Strength: TypeAlias = float | tuple[float, float]
"""One strength, or the lowest and the highest."""


@dataclass(frozen=True)
class _Draw:
    """Numbers drawn for a picture."""

    painted: bool
    style: Style
    alpha: float


class Stylize:
    """Paint pictures for training, each with the probability ``p``, in a style drawn at random.

    This removes texture as a common feature of a class, and leaves shape: Geirhos et al.,
    "ImageNet-trained CNNs are biased towards texture" (ICLR 2019); Jackson et al., "Style
    augmentation" (CVPR workshops 2019). A picture keeps its size, its type, its range of values and
    the position of everything in it, so boxes, masks and labels stay valid.

    It is called like other transforms: with a picture; with several arguments, a dictionary or a
    tuple, as in torchvision (:mod:`impasto.augment.samples` defines which part is the picture); or
    with names, ``transform(image=..., mask=..., bboxes=...)``, as in albumentations. Parts that are
    not pictures are returned as the same objects.

    Pictures: Pillow images; arrays of NumPy and tensors of PyTorch, (H, W), (H, W, C) or (C, H, W)
    with 1, 3 or 4 channels and 16 x 16 pixels or more, uint8, uint16 or floats in [0, 1]. With more
    with 1, 3 or 4 channels and 16 x 16 pixels or more, uint8, uint16 or floats in [0, 1]. With more
    axes before them they are a batch, and style and strength are drawn for each picture (all frames
    of a ``tv_tensors.Video`` are painted alike). Where both orders of axes are possible, such as
    (3, 50, 4), an array has its channels last and a tensor has them first. Opacity is kept, and
    transparent pixels stay as they are.

    It can be pickled, and used in workers that were forked or spawned: each process opens the model
    for itself, in one thread, when it paints its first picture.

    Random numbers come from PyTorch's global generator if PyTorch is loaded, else from
    :mod:`random`. A ``DataLoader`` seeds both in each worker, so workers differ, and
    ``torch.manual_seed`` repeats them. With ``seed`` they are a separate stream
    (:class:`impasto.augment.draws.Draws`).

    Args:
        p: probability that a picture is painted, in [0, 1].
        alpha: strength, or the lowest and the highest between which it is drawn, in [0, 2].
        styles: "gallery", all that ship with the model; or names, patterns of names, files, folders
            of pictures or style files, Pillow images, and styles made by the model; one or several.
            Pictures are read once, here.
        model: a name or a file as for :func:`impasto.load`, which ONNX Runtime runs in single
            precision; or a model loaded by it, with another engine or precision.
        color: how a picture keeps its colors, as for :meth:`impasto.Stylizer.stylize`; only
            "luminance" works without the pictures of styles.
        layout: "HWC" or "CHW", the order of axes of arrays and tensors; None: by their shape.
        value_range: the values that are black and white in floats, as for
            :class:`impasto.ReadOptions`; others are clipped.
        seed: seed of the random numbers; None: as above.

    Raises:
        OptionError: if a value is out of its range, or not supported by the model.
        StyleError: if there is no such style, or it was made for another model.
        ModelError: if there is no such model.
        ImageError: if the picture of a style cannot be read.

    Example:
        >>> transform = Stylize(p=1.0, alpha=0.5, styles="monet-*")         # doctest: +SKIP
        >>> transform(np.zeros((224, 224, 3), np.uint8)).shape              # doctest: +SKIP
        (224, 224, 3)
    """

    available_keys = frozenset({"image"})
    """Names of the targets that it changes, which albumentations' ``Compose`` reads."""

    def __init__(
        self,
        p: float = 0.5,
        alpha: Strength = (0.2, 1.0),
        styles: Given | Sequence[Given] = WHOLE_GALLERY,
        *,
        model: str | Path | Stylizer = DEFAULT_MODEL,
        color: str | None = None,
        layout: str | None = None,
        value_range: ValueRange | None = None,
        seed: int | None = None,
    ) -> None:
        self.p, self.alpha = _probability(p), _strengths(alpha)
        self.color = Controls(color=color).color
        if needs_picture(color):
            raise OptionError(
                f"color {color!r} needs the pictures of styles, but only their statistics are "
                "kept here: use 'luminance'"
            )
        self.layout = check_axes(layout)
        check_range(value_range)
        self.value_range = value_range
        self._draws = Draws(seed)
        self._model = OwnModel(model)
        self.styles = find_all(styles, self._model)

    def __repr__(self) -> str:
        low, high = self.alpha
        return f"Stylize(p={self.p:g}, alpha=({low:g}, {high:g}), {len(self.styles)} styles)"

    def __call__(self, *sample: Any, **targets: Any) -> Any:
        """Paint the picture of a sample, or leave it as it is, at random.

        Args:
            sample: a picture, or a sample with one; several arguments are a sample too.
            targets: the parts of a sample by name, instead of that.

        Returns:
            The sample in the same form, with its picture painted; a dictionary for names.

        Raises:
            ImageError: if there is no picture, or one that cannot be painted.
            OptionError: if nothing was given, or parts both with names and without.
            EngineError: if the engine fails.

        Example:
            >>> image, boxes = transform(image, boxes)                      # doctest: +SKIP
            >>> transform(image=image, mask=mask)["mask"] is mask           # doctest: +SKIP
            True
        """
        if bool(sample) == bool(targets):
            raise OptionError("give a picture or a sample, or its parts by name (image=...)")
        drawn: list[_Draw] = []

        def draw(number: int) -> _Draw:
            while len(drawn) <= number:
                drawn.append(self._draw())
            return drawn[number]

        def paint(value: Any) -> Any:
            form = form_of(value, self.layout, self.value_range)
            alike = torchvision_kind(value) == "Video"
            painted = {}
            for number in range(form.count):
                found = draw(0 if alike else number)
                if found.painted:
                    painted[number] = self._paint(form.photo(number), found)
            return form.give_back(painted)

        if targets:
            return painted_sample(targets, paint)
        return painted_sample(sample[0] if len(sample) == 1 else sample, paint)

    def _draw(self) -> _Draw:
        """Draw three numbers for each picture, painted or not: ``p`` does not shift the others."""
        chance, which, strength = self._draws(3)
        low, high = self.alpha
        style = self.styles[int(which * len(self.styles))]
        return _Draw(chance < self.p, style, low + (high - low) * strength)

    def _paint(self, photo: Photo, draw: _Draw) -> NDArray[Any]:
        controls = Controls(alpha=draw.alpha, color=self.color)
        model = self._model()
        painted = model.paint(photo.image, draw.style, controls, opacity=photo.alpha)
        return np.asarray(photo.give_back(painted.image))


def _probability(p: float) -> float:
    if not 0 <= _number(p, "p") <= 1:
        raise OptionError(f"p must be a probability in [0, 1], not {p!r}")
    return float(p)


def _strengths(alpha: Strength) -> tuple[float, float]:
    pair = alpha if isinstance(alpha, tuple | list) else (alpha, alpha)
    if len(pair) != 2:
        raise OptionError(f"alpha must be a number or a pair (lowest, highest), not {alpha!r}")
    low, high = (_number(each, "alpha") for each in pair)
    if not 0 <= low <= high <= 2:
        raise OptionError(f"alpha must be in [0, 2], the lowest before the highest, not {alpha!r}")
    return low, high


def _number(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise OptionError(f"{name} must be a number, not {value!r}")
    return float(value)
