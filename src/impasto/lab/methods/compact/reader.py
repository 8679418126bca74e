"""The reader: predicts from a style the target moments of pictures.

A style is read once and used often, so it may cost more than the picture.  Moments of so small an
encoder describe a style less well than VGG's, and there are better targets: fitted by gradient
descent for one style at a time, they halve the style loss of the same decoder.  The reader encodes
the style with its own network, an eye trained to predict VGG's features (``reading``), and predicts
the target moments of the picture.
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
"""Prefix of the names of a reader's weights in its network."""
EYE = (48, 96, 192)
"""The eye of both models: 10.9 billion multiply-adds for a style of 512 px."""
EYE_BLOCKS = (0, 1, 2)
SEEN = (128, 256, 512)
"""Channels of the maps that an eye predicts: relu2_1, relu3_1 and relu4_1 of VGG-19."""
HIDDEN = 512
"""Number of principal axes in both readers, and units in each of their hidden layers."""
WEAK = 0.02
"""Axes with less variance than this count less: the inputs have a variance of 1 per number."""
FAR = 8.0
"""Soft bound of a style's distance from the mean of all styles along an axis, in deviations."""


class Eye(nn.Module):
    """A small network trained to predict VGG-19's feature maps, for the reader.

    It computes features at 1/2, 1/4 and 1/8, and from each, pointwise, the map of relu2_1, relu3_1
    or relu4_1.  It is trained separately from any model (``reading``).
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
        """Return the predicted VGG maps of ``image`` (N, 3, H, W) in [0, 1], finest first."""
        seen = scale_features(image, self.stem, self.downs, self.blocks, 0.0)
        return [F.relu(tell(each)) for tell, each in zip(self.maps, seen, strict=True)]


class Reader(nn.Module):
    """A network that predicts the target moments of pictures from a style.

    They are the style's own moments in the encoder plus a correction, which is almost 0 before
    training: the start is AdaIN.  The inputs, thousands of correlated numbers per style, are first
    projected on their principal axes (``look``); a linear layer and two hidden ones compute the
    correction from them.
    """

    def __init__(self, shape: CompactShape) -> None:
        super().__init__()
        self.eye = Eye(shape.eye)
        self.levels = shape.channels[1:]
        self.combed = shape.combed
        seen = 2 * (3 + sum(SEEN) + sum(self.levels))
        self.axes = nn.Linear(seen, shape.hidden).requires_grad_(False)
        self.layers = nn.ModuleList(nn.Linear(shape.hidden, shape.hidden) for _ in range(2))
        for layer in self.layers:  # for the ReLUs after them (He et al.)
            nn.init.kaiming_normal_(layer.get_parameter("weight"), nonlinearity="relu")
            nn.init.zeros_(layer.get_parameter("bias"))
        self.says = nn.Linear(2 * shape.hidden, 2 * sum(self.levels))
        # Near-zero initialization, but not zero, so that gradients reach all layers before it.
        nn.init.normal_(self.says.weight, std=1e-4)
        nn.init.zeros_(self.says.bias)

    def seen(
        self, style: Tensor, counts: Tensor | None, means: Sequence[Tensor], stds: Sequence[Tensor]
    ) -> Tensor:
        """Return the inputs for styles (as for ``forward``), one row of numbers each."""
        maps = [weighted_moments(each, counts) for each in self.eye(style)]
        levels = len(self.levels)
        own = zip(means[:levels], stds[:levels], strict=True)
        # VGG's moments unchanged, which the style loss compares.
        rows = [_row([weighted_moments(style, counts), *own])]
        return torch.cat([*rows, *(each.flatten(1).float() for pair in maps for each in pair)], 1)

    @torch.no_grad()
    def look(self, rows: Tensor) -> None:
        """Set the principal axes from the inputs of many styles, ``seen`` (n, D).

        Inputs are scaled to equal variance along each of them, which suits gradient descent, with
        less for weak ones, which are noise.
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
        """Return target means and deviations (N, C, 1, 1) per level.

        The inputs are a style (N, 3, H, W), the weights of its positions, or None (as in
        ``Compact.read``), and its own means and deviations.  That of a comb filter, if any, comes
        last, and is the same for all styles.
        """
        seen = self.seen(style, counts, means, stds)
        with torch.autocast(style.device.type, enabled=False):  # differences of similar numbers
            x = straight = FAR * torch.tanh(self.axes(seen) / FAR)
            for layer in self.layers:
                x = F.relu(layer(x))
            changes = self.says(torch.cat([straight, x], 1))[:, :, None, None]
        more, wider = changes.split([sum(self.levels)] * 2, dim=1)
        shifts, growths = more.split(self.levels, 1), wider.split(self.levels, 1)
        wanted = []
        for mean, std, shift, growth in zip(means, stds, shifts, growths, strict=False):
            # No deviation changes by more than a factor of e^2, whatever the style.
            wanted.append((mean + std * shift, std * torch.exp(2 * torch.tanh(growth / 2))))
        combs = zip(means[len(wanted) :], stds[len(wanted) :], strict=True)
        wanted += [(mean + self.combed, std) for mean, std in combs]
        means, stds = map(list, zip(*wanted, strict=True))
        return means, stds


def _row(moments: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Return means and deviations (N, C, 1, 1) as one row per picture, the input of a layer.

    They are of order 1 for any scale of a map, also where it is flat.
    """
    rows = [(_asinh(mean / std), std.log()) for mean, std in moments]
    return torch.cat([each for row in rows for each in row], 1).flatten(1).float()


def _asinh(x: Tensor) -> Tensor:
    # Written out, since the exporter lacks torch.asinh; of |x|, to avoid cancellation.
    return x.sign() * (x.abs() + (x.square() + 1).sqrt()).log()
