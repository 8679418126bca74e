"""Many styles in one network: conditional instance normalization.

Dumoulin, Shlens & Kudlur, "A learned representation for artistic style" (ICLR 2017, arXiv
1610.07629). All styles share the convolutions; a style is the gamma and beta of every
normalization, 2 numbers per channel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import repeat
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.nets.blocks import reflecting
from impasto.lab.nets.normalization import ConditionalInstanceNorm, instance_norm
from impasto.lab.training.builtin import Layers
from impasto.lab.training.config import (
    ManyStylesMethod,
    StyleOptimizer,
    built_in_tables,
)
from impasto.lab.training.networks import BuiltInRow

Pair: TypeAlias = tuple[Tensor, Tensor]
"""Gamma and beta of one normalization, each (1, C, 1, 1) or (N, C, 1, 1)."""


@dataclass(frozen=True)
class CINShape:
    """Channels of the first convolution (twice and four times as many follow), and number of
    residual blocks; by default those of the paper's table 1."""

    width: int = 32
    blocks: int = 5


class CIN(nn.Module):
    """The network of the paper's table 1: styles are mixed by their gammas and betas."""

    multiple = 4
    controls: tuple[str, ...] = ("several",)

    def __init__(self, styles: int, shape: CINShape = CINShape()) -> None:
        """Build for a number of ``styles``; the paper's networks have 1, 10 and 32."""
        super().__init__()
        self.styles, self.shape = styles, shape
        one, two, four = (shape.width * factor for factor in (1, 2, 4))

        def layer(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> Conditioned:
            return Conditioned(styles, inputs, outputs, size=size, stride=stride)

        self.downs = nn.ModuleList(
            [layer(3, one, 9), layer(one, two, 3, 2), layer(two, four, 3, 2)]
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList([layer(four, four), layer(four, four)]) for _ in range(shape.blocks)
        )
        self.ups = nn.ModuleList([layer(four, two), layer(two, one)])
        self.head = layer(one, 3, 9)

    @property
    def pixel_bytes(self) -> int:
        """Largest memory per pixel in any engine, as measured at several widths."""
        return 34 * self.shape.width

    def forward(self, image: Tensor, weights: Tensor) -> Tensor:
        """Paint ``image`` (N, 3, H, W) in [0, 1]; return (N, 3, H, W) in [0, 1].

        ``weights`` (N, S, 1, 1), or (1, S, 1, 1) for all, are the amounts of the styles; only their
        ratios matter.
        """
        return self._painted(image, repeat(weights.flatten(1)))

    def paint(self, image: Tensor, style: Tensor) -> Tensor:
        """Paint ``image`` in a separate style, given by a row of gammas and betas.

        ``style`` (1, P, 1, 1) has them in the order of :meth:`style_parameters`.
        """
        values = iter(style.split([each.shape[1] for each in self.style_parameters()], dim=1))
        return self._painted(image, zip(values, values, strict=True))

    def style_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of styles: tensors whose first axis is the style."""
        layers = [m for m in self.modules() if isinstance(m, ConditionalInstanceNorm)]
        return [parameter for layer in layers for parameter in (layer.gamma, layer.beta)]

    def _painted(self, image: Tensor, styles: Iterable[Tensor | Pair]) -> Tensor:
        """Return the picture, given the style of each normalization in order."""
        style = iter(styles)
        x = (image - 0.5) * 4
        for down in self.downs:
            x = F.relu(down(x, next(style)))
        for block in self.blocks:
            first, second = block.children()
            x = x + second(F.relu(first(x, next(style))), next(style))
        for up in self.ups:
            x = F.relu(up(F.interpolate(x, scale_factor=2, mode="nearest"), next(style)))
        return torch.sigmoid(self.head(x, next(style)))


class Conditioned(nn.Module):
    """A convolution and its conditional instance normalization."""

    def __init__(self, styles: int, inputs: int, outputs: int, *, size: int, stride: int) -> None:
        super().__init__()
        self.convolution = reflecting(inputs, outputs, size=size, stride=stride)
        self.normalization = ConditionalInstanceNorm(styles, outputs)

    def forward(self, x: Tensor, style: Tensor | Pair) -> Tensor:
        """Apply the layer; ``style``: weights of its own styles, or a separate gamma and beta."""
        x = self.convolution(x)
        if isinstance(style, tuple):
            return instance_norm(x, *style, self.normalization.eps)
        normalized: Tensor = self.normalization(x, style)
        return normalized


def _build(options: ManyStylesMethod, styles: int) -> nn.Module:
    return CIN(styles, CINShape(width=options.width or CINShape.width))


ROW = BuiltInRow(
    name="cin",
    title="Many styles: conditional instance normalization of Dumoulin et al. 2017",
    architecture="9x9, two strided convolutions, five residual blocks, up again; a gamma and "
    "beta a style in every normalization",
    tables=built_in_tables("cin", ManyStylesMethod, optimizer=StyleOptimizer),
    build=_build,
    # The paper only states that it follows Johnson et al.; content as in their code.
    layers=Layers("relu3_3", ("relu1_2", "relu2_2", "relu3_3", "relu4_1")),
)
