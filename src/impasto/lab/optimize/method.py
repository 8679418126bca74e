"""Optimization methods: a row of facts, its options, and one function each.

Every file in :mod:`impasto.lab.methods` that has a ``METHOD`` can be run by name, by
``impasto.load(NAME)`` and ``impasto stylize --model NAME``; :mod:`impasto.lab.optimize.painter` is
what stands between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.nets.vgg import VGG19
from impasto.lab.optimize.descent import Keeping, Watch

MULTIPLE = 16
"""Height and width that methods get are multiples of this: nothing is lost in four poolings."""

SMALLEST = 32
"""The smallest side that methods get: 3 x 3 patches down to relu4_1."""

MARGIN = 16
"""Reflected border around the photograph that is cut off again: VGG pads its own with zeros, and
what it does not see well there comes out as colored dots."""

STARTS = ("content", "noise")


@dataclass(frozen=True)
class Capabilities:
    """Capabilities of a method beyond one photograph, one style and a number of strength.

    Attributes:
        several: mixes several styles by weights.
        masks: lets a style go where its mask is.
        alpha_map: takes a map of strength.
        highest_alpha: the largest strength.
        precisions: of the perceptual network.
        keeps: can be kept in a file and gone on with.
        alpha: what strength means for this method, in a line.
    """

    several: bool
    masks: bool
    alpha_map: bool
    highest_alpha: float
    precisions: tuple[str, ...]
    keeps: bool
    alpha: str


@dataclass(frozen=True, eq=False)
class Task:
    """Tensors that a method paints from.

    Attributes:
        content: (1, 3, H, W) RGB in [0, 1], H and W multiples of ``MULTIPLE``, ``SMALLEST`` or
            more.
        styles: K pictures, each (1, 3, h, w) of any size from ``SMALLEST``.
        opacities: for each style (h, w) in [0, 1], what of it counts, or None for all.
        amounts: strength times share of each style: (K,), or (K, H, W) where that differs from
            place to place.
        start: a picture (1, 3, H, W) to begin with, or None for what the options say.
        counted: (H, W) in [0, 1], what of the picture is not cut off again and so counts where
            statistics are taken of it; or None for all.
    """

    content: Tensor
    styles: tuple[Tensor, ...]
    opacities: tuple[Tensor | None, ...]
    amounts: Tensor
    start: Tensor | None = None
    counted: Tensor | None = None


@dataclass(frozen=True)
class Run:
    """Progress callback and checkpoint of a run."""

    watch: Watch | None = None
    keeping: Keeping | None = None


@dataclass(frozen=True)
class Method:
    """A method that can be run by name.

    Attributes:
        name: as on the command line.
        title: a line for people.
        paper: who and where.
        options: a frozen dataclass with a default for every field; among them ``steps``, ``seed``
            and ``start`` where the method has them.
        capabilities: see there.
        paint: the picture, (1, 3, H, W) of the content's size, not clipped.
    """

    name: str
    title: str
    paper: str
    options: type
    capabilities: Capabilities
    paint: Callable[[Task, Any, VGG19, Run], Tensor]


def first_picture(task: Task, start: object, seed: int) -> Tensor:
    """First picture of an optimization: the content, a given picture, or white noise.

    The noise is that of Gatys et al.: every value even in [0, 1]; the same for the same seed.
    """
    if task.start is not None:
        return task.start
    if start == "noise":
        random = torch.Generator().manual_seed(seed)
        return torch.rand(task.content.shape, generator=random).to(task.content.device)
    return task.content


def mean_square(x: Tensor) -> float:
    """Of all numbers of ``x``, never 0: distances are divided by that of their goal."""
    return max(float(x.float().square().mean()), 1e-12)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., H, W) at another size, averaged where it shrinks; itself if it has the size."""
    if tuple(image.shape[-2:]) == size:
        return image
    batch = image.reshape(1, -1, *image.shape[-2:])
    scaled = F.interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False)
    return scaled.reshape(*image.shape[:-2], *size)


def check_layers(layers: Mapping[str, float], vgg: VGG19, what: str) -> None:
    """Refuse layers that the network has not, or weights that are none.

    Raises:
        OptionError: if there are no layers, or a weight is negative.
        ModelError: if these weights of VGG-19 do not reach so far.
    """
    if not layers:
        raise OptionError(f"{what} names no layer; give one or more, such as relu3_1")
    for layer, weight in layers.items():
        if layer not in vgg.layers:
            raise ModelError(
                f"{what} {layer} is not in these weights of VGG-19, which reach from "
                f"{vgg.layers[0]} to {vgg.layers[-1]}; give another --vgg, or other layers"
            )
        if not 0 <= weight < float("inf"):
            raise OptionError(f"the weight of {what} {layer} must be 0 or more, not {weight}")
