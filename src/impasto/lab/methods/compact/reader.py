"""The reader: from a style to the moments that pictures in it are given.

A style is read once and used often, so it gets more care than the picture.  Moments of so small an
encoder do not tell a style as VGG's do, and there are better ones to align to: found by gradient
descent for one style at a time, they halve the style loss of the same decoder.  The reader sees the
style with eyes of its own, which learned to see what VGG sees (``reading``), and says which moments
the picture is to be given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.methods.compact.scales import (
    FOLD,
    CompactShape,
    residual_blocks,
    scale_features,
    weighted_moments,
)
from impasto.lab.nets.blocks import convolution

PREFIX = "reader."
"""Of the names of a reader's weights in its network."""
EYE = (48, 96, 192)
"""The eye of both models: 10.9 billion multiply-adds for a style of 512 px."""
EYE_BLOCKS = (0, 1, 2)
SEEN = (128, 256, 512)
"""Channels of the maps that an eye tells: relu2_1, relu3_1 and relu4_1 of VGG-19."""
HIDDEN = 512
"""Axes that both readers look along, and numbers in each of their hidden layers."""
WEAK = 0.02
"""Axes of less variance than this count less: what is seen has a variance of 1 a number."""
FAR = 8.0
"""Deviations from the middle of all styles that no style is further away, however odd it is."""


class Eye(nn.Module):
    """A small network trained to predict VGG-19's feature maps, for the reader.

    Features at 1/2, 1/4 and 1/8, and from each, place by place, the map of relu2_1, relu3_1 or
    relu4_1.  Trained apart from any model (``reading``).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stem = convolution(3 * FOLD**2, channels[0])
        self.downs = nn.ModuleList(convolution(a, b, stride=2) for a, b in pairwise(channels))
        self.blocks = residual_blocks(channels, EYE_BLOCKS, 0.0)
        self.maps = nn.ModuleList(
            nn.Conv2d(own, vgg, 1) for own, vgg in zip(channels, SEEN, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """VGG's maps of ``image`` (N, 3, H, W) in [0, 1], as told, finest first."""
        seen = scale_features(image, self.stem, self.downs, self.blocks, 0.0)
        return [F.relu(tell(each)) for tell, each in zip(self.maps, seen, strict=True)]


class Reader(nn.Module):
    """From a style to the moments that pictures in it are given.

    They are the style's own moments in the encoder and a correction, next to nothing before it is
    trained: AdaIN is where it starts.  What is seen of a style, thousands of numbers that mostly
    say the same, is laid along its main axes first (``look``); a linear layer and two hidden
    ones make the correction from that.
    """

    def __init__(self, shape: CompactShape) -> None:
        super().__init__()
        self.eye = Eye(shape.eye)
        self.levels = shape.channels[1:]
        seen = 2 * (3 + sum(SEEN) + sum(self.levels))
        self.axes = nn.Linear(seen, shape.hidden).requires_grad_(False)
        self.layers = nn.ModuleList(nn.Linear(shape.hidden, shape.hidden) for _ in range(2))
        for layer in self.layers:  # as ReLUs behind them want it (He et al.)
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
            nn.init.zeros_(layer.get_parameter("bias"))
        self.says = nn.Linear(2 * shape.hidden, 2 * sum(self.levels))
        # Near-zero initialization, but not zero, so that gradients flow to all layers before it.
        nn.init.normal_(self.says.weight, std=1e-4)
        nn.init.zeros_(self.says.bias)

    def seen(
        self, style: Tensor, counts: Tensor | None, means: Sequence[Tensor], stds: Sequence[Tensor]
    ) -> Tensor:
        """All that it knows of a style (as ``forward`` takes it), a row of numbers each."""
        maps = [weighted_moments(each, counts) for each in self.eye(style)]
        own = zip(means, stds, strict=True)
        # VGG's moments as they are: what the style loss compares.
        rows = [_row([weighted_moments(style, counts), *own])]
        return torch.cat([*rows, *(each.flatten(1).float() for pair in maps for each in pair)], 1)

    @torch.no_grad()
    def look(self, rows: Tensor) -> None:
        """Take the main axes of what is seen of many styles, ``seen`` (n, D), for its own.

        Along each of them styles differ equally much, which gradient descent likes; weak ones,
        which are noise, less.
        """
        rows = rows.double()
        center, spread = rows.mean(0), rows.std(0, correction=0) + 1e-3
        scaled = (rows - center) / spread
        strength, directions = torch.linalg.eigh(scaled.T @ scaled / len(rows))
        count = self.axes.out_features
        kept = directions[:, -count:] / (strength[-count:].clamp(min=0) + WEAK).sqrt()
        weight = (kept / spread[:, None]).T
        self.axes.weight.copy_(weight)
        self.axes.bias.copy_(-weight @ center)

    def forward(
        self, style: Tensor, counts: Tensor | None, means: Sequence[Tensor], stds: Sequence[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Wanted means and deviations (N, C, 1, 1) a level.

        Of a style (N, 3, H, W), how much each place of it counts, or None (as ``Compact.read``),
        and its own means and deviations.
        """
        seen = self.seen(style, counts, means, stds)
        with torch.autocast(style.device.type, enabled=False):  # differences of like numbers
            x = straight = FAR * torch.tanh(self.axes(seen) / FAR)
            for layer in self.layers:
                x = F.relu(layer(x))
            changes = self.says(torch.cat([straight, x], 1))[:, :, None, None]
        more, wider = changes.split([sum(self.levels)] * 2, dim=1)
        own = zip(means, stds, more.split(self.levels, 1), wider.split(self.levels, 1), strict=True)
        means, stds = [], []
        for mean, std, shift, growth in own:
            means.append(mean + std * shift)
            # No deviation changes by more than a factor of e^2, whatever the style.
            stds.append(std * torch.exp(2 * torch.tanh(growth / 2)))
        return means, stds


def _row(moments: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Means and deviations (N, C, 1, 1) as one row of numbers a picture, for a layer to take.

    They are of order 1 whatever the scale of a map, also where it is flat.
    """
    rows = [(_asinh(mean / std), std.log()) for mean, std in moments]
    return torch.cat([each for row in rows for each in row], 1).flatten(1).float()


def _asinh(x: Tensor) -> Tensor:
    # In full, since the exporter does not know torch.asinh; of |x|, so that nothing cancels.
    return x.sign() * (x.abs() + (x.square() + 1).sqrt()).log()
