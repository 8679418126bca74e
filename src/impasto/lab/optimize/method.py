"""Task and run, the input of a method's function, and helpers shared by methods.

:class:`impasto.lab.optimize.painter.Method` is the method itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.nets.vgg import VGG
from impasto.lab.optimize.descent import Checkpoint
from impasto.painting import Limits, Watch

MULTIPLE = 16
"""Height and width passed to methods are multiples of this: four poolings lose nothing."""

SMALLEST = 32
"""The smallest side passed to methods: 3 x 3 patches down to relu4_1."""

MARGIN = 16
"""Reflected border around the photograph that is cropped again: VGG pads with zeros, and the
optimization leaves colored dots there."""

STARTS = ("content", "noise")

LIMITS = Limits(statistics=("region",), tiles=False, memory=False, keeps_styles=False)
"""The limits of a method on pixels: whole pictures, and styles as pictures."""


@dataclass(frozen=True, eq=False)
class Task:
    """The input of a method, as tensors.

    Attributes:
        content: (1, 3, H, W) RGB in [0, 1], H and W multiples of ``MULTIPLE``, ``SMALLEST`` or
            more.
        styles: K pictures, each (1, 3, h, w) of any size from ``SMALLEST``.
        opacities: for each style (h, w) in [0, 1], the weight of each pixel; None: all equal.
        amounts: strength times share of each style: (K,), or (K, H, W) where that varies by
            position.
        start: an initial picture (1, 3, H, W), or None for the option's value.
        counted: (H, W) in [0, 1], 1 for the pixels that are not padding: only these count in
            statistics of the picture; None: all of them.
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
    checkpoint: Checkpoint | None = None


def first_picture(task: Task, start: object, seed: int) -> Tensor:
    """Return the initial picture of an optimization: content, white noise or another.

    The noise is that of Gatys et al.: values uniform in [0, 1]; the same for the same seed.
    """
    if task.start is not None:
        return task.start
    if start == "noise":
        random = torch.Generator().manual_seed(seed)
        return torch.rand(task.content.shape, generator=random).to(task.content.device)
    return task.content


def mean_square(x: Tensor) -> float:
    """Return the mean square of ``x``, never 0: distances are divided by that of their target."""
    return max(float(x.float().square().mean()), 1e-12)


def resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize (..., H, W), with averaging on reduction; ``image`` itself if it has the size."""
    if tuple(image.shape[-2:]) == size:
        return image
    batch = image.reshape(1, -1, *image.shape[-2:])
    scaled = F.interpolate(batch, size=size, mode="bilinear", antialias=True, align_corners=False)
    return scaled.reshape(*image.shape[:-2], *size)


def check_layers(layers: Mapping[str, float], vgg: VGG, what: str) -> None:
    """Reject layers that the network does not have, and weights below 0.

    Raises:
        OptionError: if there are no layers, or a weight is negative.
        ModelError: if these weights of VGG-19 end earlier.
    """
    if not layers:
        raise OptionError(f"there is no {what}; give one or more, such as relu3_1")
    for layer, weight in layers.items():
        if layer not in vgg.layers:
            raise ModelError(
                f"{what} {layer} is not in these weights of VGG-19, which range from "
                f"{vgg.layers[0]} to {vgg.layers[-1]}; give another --vgg, or other layers"
            )
        if not 0 <= weight < float("inf"):
            raise OptionError(f"the weight of {what} {layer} must be 0 or more, not {weight}")
