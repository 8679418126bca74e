"""Our compact multi-level network: AdaIN's idea at a tenth or a fortieth of its work.

The picture is folded to half its size (pixel unshuffle) and then halved by strided convolutions;
statistics are aligned at 1/4 and 1/8 in one encoder that is learned, not borrowed.  Strokes are
made at 1/8, most of all behind the alignment, so most of the residual blocks stand there.

    unfold  ->  1/2  ->  [1/4]  ->  [1/8]      encode
                         AdaIN      AdaIN      align
    fold    <-  1/2  <-  [1/4]  <-  [1/8]      decode

The decoder adds each aligned level to what comes up from below.  Nothing skips at 1/2, which would
keep the picture crisp and the strokes weak.  (Folding to 1/4 at once costs as much and was tried:
rescaled channels then no longer fit together within a cell of 4 px, and leave a grid on the
picture.)  No normalization layer anywhere: the moments of all levels are known after one pass over
the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.blocks import Residual, affine, convolution
from impasto.models.bundle import Level

FOLD = 2
"""The picture is folded to 1/FOLD before the first convolution."""


@dataclass(frozen=True)
class CompactShape:
    """Channels and numbers of residual blocks a scale, finest (1/2) first."""

    channels: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]


FAST = CompactShape((24, 48, 96), (0, 0, 1), (0, 1, 1))
"""3.06 billion multiply-adds at 512 px: less than a fortieth of the paper's network."""
QUALITY = CompactShape((32, 64, 128), (0, 1, 2), (1, 1, 4))
"""12.5 billion multiply-adds at 512 px: a tenth of the paper's network."""


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
        self.encoders = _blocks(channels, shape.encoder_blocks)
        self.decoders = _blocks(channels, shape.decoder_blocks)
        self.ups = nn.ModuleList(convolution(coarse, fine) for fine, coarse in pairwise(channels))
        self.head = convolution(channels[0], folded)
        # A small last convolution starts from a mid-gray picture instead of loud noise.
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.fill_(0.5)

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels whose statistics are aligned, finest first."""
        return tuple(
            Level(name=f"1/{FOLD << i}", channels=c, stride=FOLD << i)
            for i, c in enumerate(self.shape.channels)
            if i
        )

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return FOLD << (len(self.shape.channels) - 1)

    @property
    def rim(self) -> int:
        """How many pixels away an input pixel can still change an output pixel, at most.

        A 3x3 convolution at stride s reaches s pixels further, and a cell of the coarsest grid
        may lie across the pixel in question.
        """
        reach = self.encoder_rim + FOLD  # the head
        for i, blocks in enumerate(self.shape.decoder_blocks):
            stride = FOLD << i
            reach += 2 * blocks * stride
            if i:
                reach += stride  # up: a 3x3 of this grid
        return reach + self.multiple

    @property
    def encoder_rim(self) -> int:
        """How much of it is the encoder's: what a position sees beyond its own cell."""
        reach = FOLD  # the stem
        for i, blocks in enumerate(self.shape.encoder_blocks):
            stride = FOLD << i
            reach += 2 * blocks * stride
            if i:
                reach += stride // 2  # down: a 3x3 of the finer grid
        return reach

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of ``image`` (N, 3, H, W) in [0, 1], one map (N, C, h, w) a level."""
        # pictures have a deviation of about 1/4: everything inside starts with one of about 1
        x = F.pixel_unshuffle((image - 0.5) * 4, FOLD)
        x = self.encoders[0](F.relu(self.stem(x)))
        features = []
        for down, encoder in zip(self.downs, self.encoders[1:], strict=True):
            x = encoder(F.relu(down(x)))
            features.append(x)
        return features

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """The picture (N, 3, H, W), not clipped, from features under one affine map a level."""
        aligned = [affine(*maps) for maps in zip(features, scales, shifts, strict=True)]
        x = self.decoders[-1](aligned[-1])
        for i in reversed(range(len(self.ups))):
            x = F.interpolate(F.relu(self.ups[i](x)), scale_factor=2, mode="nearest")
            x = self.decoders[i](x + aligned[i - 1] if i else x)
        return F.pixel_shuffle(self.head(x), FOLD)


def _blocks(channels: Sequence[int], numbers: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(*(Residual(c) for _ in range(n)))
        for c, n in zip(channels, numbers, strict=True)
    )
