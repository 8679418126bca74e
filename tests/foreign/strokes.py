"""A package of somebody else's: a method and two networks, which Impasto knows by entry points.

The metadata beside it is what an installer makes of its ``pyproject.toml``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.lab import (
    STYLE_TERMS,
    BuiltInMethod,
    BuiltInRow,
    EncoderDecoder,
    Layers,
    Method,
    NetworkRow,
    Tables,
    Term,
    built_in_tables,
)
from impasto.models import Level
from impasto.painting import Limits, Progress

# By optimization.


@dataclass(frozen=True)
class Glaze:
    """Options of the method."""

    steps: int = 8
    rate: float = 0.5


def glaze(task, options, vgg, run):
    """Move the photograph's mean color to the style's, step by step."""
    goal = task.styles[0].mean(dim=(2, 3), keepdim=True)
    picture = task.content.clone()
    for step in range(options.steps):
        away = goal - picture.mean(dim=(2, 3), keepdim=True)
        picture += options.rate * float(task.amounts[0]) * away
        if run.watch is not None:
            run.watch(Progress(step + 1, options.steps, {"away": float(away.abs().mean())}))
    return picture


GLAZE = Method(
    name="glaze",
    title="The mean color of the style, by gradient descent",
    paper="nobody, nowhere",
    options=Glaze,
    limits=Limits(
        alpha=(0.0, 1.0), alpha_map=False, several=False, masks=False,
        statistics=("region",), tiles=False, memory=False, keeps_styles=False,
    ),
    alpha="share of the way",
    paint=glaze,
    precisions=("fp32",),
    checkpoints=False,
)  # fmt: skip

# Any style, and affine: a bundle holds it.


@dataclass(frozen=True)
class StrokesOptions:
    """``[strokes]``."""

    width: int = 16
    """Channels of its one level."""

    def __post_init__(self):
        if self.width < 1:
            raise OptionError(f"width = {self.width}; it must be 1 or more")


class Strokes(EncoderDecoder):
    """A convolution down to half the size, AdaIN, and one up again."""

    multiple = 2
    rim = 6  # both convolutions see one cell of 2 px further, and there is the cell itself
    encoder_rim = 2

    def __init__(self, width):
        super().__init__()
        self.levels = (Level("1/2", width, 2),)
        self.down = nn.Conv2d(12, width, 3)
        self.up = nn.Conv2d(width, 12, 3)

    def encode(self, image):
        x = F.pixel_unshuffle(image, 2)
        return [F.relu(self.down(F.pad(x, (1, 1, 1, 1), mode="reflect")))]

    def decode(self, features, scales, shifts):
        x = features[0] * scales[0] + shifts[0]
        return F.pixel_shuffle(self.up(F.pad(x, (1, 1, 1, 1), mode="reflect")), 2)


def _light(painted):
    light = painted.output.mean(dim=(1, 2, 3)) - painted.batch.contents.mean(dim=(1, 2, 3))
    return light.square().mean()


STROKES = NetworkRow(
    name="strokes",
    title="Strokes of half the size",
    architecture="two convolutions with AdaIN between",
    build=lambda options: Strokes(options.width),
    tables=Tables(
        terms=(*STYLE_TERMS, Term("light", 0.5, _light)), method=StrokesOptions, title="strokes"
    ),
)

# Any style, and not affine: it sees the style's picture itself.


def _blend(network, batch):
    pairs = torch.cat([batch.contents, batch.styles], 1)
    alone = torch.cat([batch.contents[: batch.unaligned]] * 2, 1)
    return network(torch.cat([pairs, alone]))


BLEND = NetworkRow(
    name="blend",
    title="One convolution over both pictures",
    architecture="a convolution",
    build=lambda options: nn.Conv2d(6, 3, 1),
    paint=_blend,
    assembled=None,
    remark="it lays the style's picture over the photograph",
)

# One style.


class Wash(nn.Module):
    """One convolution for one style."""

    styles, multiple, controls, pixel_bytes = 1, 4, (), 100

    def __init__(self, width):
        super().__init__()
        self.first, self.last = nn.Conv2d(3, width or 8, 3), nn.Conv2d(width or 8, 3, 1)

    def forward(self, image, weights=None):
        return torch.sigmoid(
            self.last(F.relu(self.first(F.pad(image, (1, 1, 1, 1), mode="reflect"))))
        )


WASH = BuiltInRow(
    name="wash",
    title="A wash in one style",
    architecture="two convolutions",
    tables=built_in_tables("wash", BuiltInMethod),
    build=lambda options, styles: Wash(options.width),
    layers=Layers("relu2_1", ("relu1_1", "relu2_1")),
    single=True,
)
