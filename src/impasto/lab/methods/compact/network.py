"""Our compact multi-level network: AdaIN at a tenth or a fortieth of its computation.

The picture is folded to half its size (pixel unshuffle) and then halved by strided convolutions;
statistics are aligned at 1/4 and 1/8 in one trained encoder.  Strokes are formed at 1/8, mainly
after the alignment, so most of the residual blocks are there.

    unfold  ->  1/2  ->  [1/4]  ->  [1/8]      encode
                         AdaIN      AdaIN      align
    fold    <-  1/2  <-  [1/4]  <-  [1/8]      decode

The decoder adds each aligned level to the up-sampled coarser one.  There is no skip connection at
1/2, which would keep the picture sharp and the strokes weak.  (Folding to 1/4 at once costs as much
and was tried: rescaled channels then no longer match within a cell of 4 px, and leave a grid on the
picture.)  There is no normalization layer: the moments of all levels are known after one pass over
the picture.

A style is read by a separate network (``reader``).

A network with a comb filter has one more level, a single channel that is 0 in every picture.  Its
aligned value is the share of the mesh that the filter removes, so a style has a number for it
beside its moments, and masks, strengths and mixtures act on it as on any other channel.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.controls.descreen import COMB
from impasto.lab.methods.compact.comb import BLOCK, CELL, REACH, Comb, head_of_cells, in_cells
from impasto.lab.methods.compact.comb import PREFIX as COMB_WEIGHTS
from impasto.lab.methods.compact.reader import EYE, HIDDEN, PREFIX, Reader
from impasto.lab.methods.compact.scales import (
    FOLD,
    CompactShape,
    residual_blocks,
    scale_features,
    weighted_moments,
)
from impasto.lab.nets.blocks import Residual, affine, convolution, doubled, leaking
from impasto.models.card import Level

FAST = CompactShape((24, 48, 96), (0, 0, 1), (0, 1, 1), EYE, HIDDEN)
"""3.06 billion multiply-adds at 512 px: less than a fortieth of the paper's network."""
QUALITY = CompactShape((32, 64, 128), (0, 1, 2), (1, 1, 4), EYE, HIDDEN, comb=True)
"""12.7 billion multiply-adds at 512 px: a tenth of the paper's network."""
_DILATED = "dilated."


class Compact(nn.Module):
    """The network; ``encode`` and ``decode`` are exported as the two graphs of a bundle."""

    def __init__(self, shape: CompactShape) -> None:
        super().__init__()
        self.shape = shape
        channels, folded = shape.channels, 3 * FOLD**2
        self.stem = convolution(folded, channels[0])
        self.downs = nn.ModuleList(
            convolution(fine, coarse, stride=2) for fine, coarse in pairwise(channels)
        )
        self.encoders = residual_blocks(channels, shape.encoder_blocks, shape.leak)
        self.decoders = residual_blocks(channels, shape.decoder_blocks, shape.leak)
        self.dilated = nn.Sequential(
            *(Residual(channels[-1], leak=shape.leak, dilation=d) for d in shape.dilations)
        )
        self.ups = nn.ModuleList(convolution(coarse, fine) for fine, coarse in pairwise(channels))
        head = convolution(channels[0], folded)
        self.head = head_of_cells(head) if shape.comb else head
        self.comb = Comb() if shape.comb else None
        self.reader = Reader(shape)
        # A small last convolution starts from a mid-gray picture instead of strong noise.
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            nn.init.constant_(self.head.get_parameter("bias"), 0.5)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels whose statistics are aligned, finest first; last that of a comb filter."""
        levels = tuple(
            Level(name=f"1/{FOLD << i}", channels=c, stride=FOLD << i)
            for i, c in enumerate(self.shape.channels)
            if i
        )
        return levels if self.comb is None else (*levels, Level(COMB, channels=1, stride=BLOCK))

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return FOLD << (len(self.shape.channels) - 1)

    @property
    def rim(self) -> int:
        """Largest distance in pixels at which an input pixel changes an output pixel.

        A 3x3 convolution at stride s reaches s pixels further, and a cell of the coarsest grid may
        extend across the pixel.
        """
        reach = self.encoder_rim + (FOLD if self.comb is None else CELL)  # the head
        for i, blocks in enumerate(self.shape.decoder_blocks):
            stride = FOLD << i
            reach += 2 * blocks * stride
            if i:
                reach += stride  # up: a 3x3 of this grid
        reach += sum(dilation + 1 for dilation in self.shape.dilations) * self.multiple
        reach += REACH if self.comb is not None else 0
        return reach + self.multiple

    @property
    def encoder_rim(self) -> int:
        """The encoder's share of ``rim``: its receptive field beyond the own cell, in pixels."""
        reach = FOLD  # the stem
        for i, blocks in enumerate(self.shape.encoder_blocks):
            stride = FOLD << i
            reach += 2 * blocks * stride
            if i:
                reach += stride // 2  # down: a 3x3 of the finer grid
        return reach

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return features of ``image`` (N, 3, H, W) in [0, 1], one map (N, C, h, w) per level."""
        maps = scale_features(image, self.stem, self.downs, self.encoders, self.shape.leak)[1:]
        return maps if self.comb is None else [*maps, 0 * maps[-1][:, :1]]

    def read(
        self, style: Tensor, features: Sequence[Tensor], counts: Tensor | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """Return the target mean and deviation (N, C, 1, 1) per level for a style.

        ``features`` are those of ``style`` (N, 3, H, W); ``counts`` (N, 1, h, w), a number for each
        ``multiple`` pixels, are the weights of the positions: without it all are equal.
        """
        means, stds = zip(*(weighted_moments(level, counts) for level in features), strict=True)
        return list(zip(*self.reader(style, counts, means, stds), strict=True))

    def complete(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return weights for this network from one without a reader, dilated blocks or a filter.

        The additions change nothing before training: the reader returns a style's own moments, the
        blocks are identities, and a comb filter removes nothing where its share is 0. Its constants
        are left out.
        """
        weights = {k: v for k, v in weights.items() if not k.startswith(COMB_WEIGHTS)}
        head = ("head.weight", "head.bias")
        if self.comb is not None and weights[head[0]].shape[-1] < self.head.weight.shape[-1]:
            weights |= dict(zip(head, in_cells(*(weights[name] for name in head)), strict=True))
        added: dict[str, Tensor] = {}
        for part in (PREFIX, _DILATED):
            if not any(name.startswith(part) for name in weights):
                added |= {k: v for k, v in self.state_dict().items() if k.startswith(part)}
        for name, value in added.items():
            if name.startswith(_DILATED) and ".second." in name:
                added[name] = torch.zeros_like(value)
        return weights | added

    def style_parameters(self) -> list[nn.Parameter]:
        """Return the parameters with their own learning rate (``TrainConfig.style_rate``)."""
        return list(self.reader.parameters())

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """Decode features under one affine map per level to (N, 3, H, W), not clipped."""
        aligned = [affine(*maps) for maps in zip(features, scales, shifts, strict=True)]
        share = None if self.comb is None else aligned.pop()
        x = self.dilated(self.decoders[-1](aligned[-1]))
        for i in reversed(range(len(self.ups))):
            x = self.ups[i](x)
            # No ReLU before a sum: one there died unnoticed, and with it everything at 1/8.
            x = x if i else leaking(x, self.shape.leak)
            x = doubled(x)
            x = self.decoders[i](x + aligned[i - 1] if i else x)
        x = self.head(x)
        if self.comb is None:
            return F.pixel_shuffle(x, FOLD)
        return F.pixel_shuffle(self.comb(x, share), CELL)
