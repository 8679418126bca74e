"""Our compact multi-level network: AdaIN's idea at a tenth or a fortieth of its work.

The picture is folded to a quarter of its size at once (pixel unshuffle), so that no convolution
runs at full resolution; the fold carries every pixel, which keeps the picture crisp without a skip
at 1/2.  Statistics are aligned at 1/4, 1/8 (and 1/16) in one encoder that is learned, not borrowed.
Strokes are made at 1/8 and 1/4, so the capacity stands there.

    unshuffle 4 -> [1/4] -> down -> [1/8] -> down -> [1/16]          encode
                    AdaIN            AdaIN            AdaIN          align
    unfold  <-    [1/4]  <-  up  <- [1/8]  <-  up  <- [1/16]         decode

The decoder adds each aligned level to what comes up from below.  It unfolds in two steps with one
thin convolution between them at 1/2: cells of 4 px that know nothing of their neighbors leave a
grid on the picture, and this joins them.  No normalization layer anywhere:
the moments of all levels are known after one pass over the picture (../docs/architecture.md).
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

STEM = 4
"""The picture is folded to 1/STEM before the first convolution."""


@dataclass(frozen=True)
class CompactShape:
    """Channels and numbers of residual blocks a level, finest level (1/4) first."""

    channels: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]


FAST = CompactShape((48, 96), (0, 1), (1, 1))
"""3.14 billion multiply-adds at 512 px: a fortieth of the paper's network."""
QUALITY = CompactShape((64, 128, 192), (1, 2, 1), (2, 2, 2))
"""12.54 billion multiply-adds at 512 px: a tenth of the paper's network."""


class Compact(nn.Module):
    """The network; ``encode`` and ``decode`` are exported as the two graphs of a bundle."""

    def __init__(self, shape: CompactShape) -> None:
        super().__init__()
        self.shape = shape
        folded = 3 * STEM**2
        channels = shape.channels
        self.stem = convolution(folded, channels[0])
        self.downs = nn.ModuleList(
            convolution(fine, coarse, stride=2) for fine, coarse in pairwise(channels)
        )
        self.encoders = nn.ModuleList(
            nn.Sequential(*(Residual(c) for _ in range(n)))
            for c, n in zip(channels, shape.encoder_blocks, strict=True)
        )
        self.decoders = nn.ModuleList(
            nn.Sequential(*(Residual(c) for _ in range(n)))
            for c, n in zip(channels, shape.decoder_blocks, strict=True)
        )
        self.ups = nn.ModuleList(
            convolution(coarse, fine) for fine, coarse in pairwise(channels)
        )
        self.head = convolution(channels[0], folded)
        self.joint = convolution(folded // 4, folded // 4)
        # A small last convolution starts from a mid-gray picture instead of loud noise.
        with torch.no_grad():
            self.head.weight.mul_(0.1)
            self.head.bias.fill_(0.5)
            self.joint.weight.zero_()
            self.joint.bias.zero_()

    @property
    def levels(self) -> tuple[Level, ...]:
        """The levels whose statistics are aligned, finest first."""
        return tuple(
            Level(name=f"1/{STEM << i}", channels=c, stride=STEM << i)
            for i, c in enumerate(self.shape.channels)
        )

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return STEM << (len(self.shape.channels) - 1)

    @property
    def rim(self) -> int:
        """How many pixels away an input pixel can still change an output pixel, at most.

        Each 3x3 convolution at stride s reaches s pixels further (a strided one s of its input);
        the fold, the pooled grid and nearest up-sampling add up to one cell of each grid.
        """
        reach = STEM  # the fold itself: an output pixel sees whole cells
        reach += STEM  # stem
        for i, (enc, dec) in enumerate(
            zip(self.shape.encoder_blocks, self.shape.decoder_blocks, strict=True)
        ):
            stride = STEM << i
            reach += 2 * (enc + dec) * stride
            if i:
                reach += stride // 2  # down: a 3x3 at the finer stride
                reach += stride  # up: a 3x3 at the coarse stride
                reach += stride  # alignment of the coarse grid, both ways
        reach += STEM  # head
        reach += STEM // 2  # joint
        return reach

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of ``image`` (N, 3, H, W) in [0, 1], one map (N, C, h, w) a level."""
        x = F.relu(self.stem(F.pixel_unshuffle(image - 0.5, STEM)))
        features = []
        for i, encoder in enumerate(self.encoders):
            if i:
                x = F.relu(self.downs[i - 1](x))
            x = encoder(x)
            features.append(x)
        return features

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """The picture (N, 3, H, W), not clipped, from features under one affine map a level."""
        last = len(features) - 1
        x = self.decoders[last](affine(features[last], scales[last], shifts[last]))
        for i in reversed(range(last)):
            up = F.interpolate(F.relu(self.ups[i](x)), scale_factor=2, mode="nearest")
            x = self.decoders[i](affine(features[i], scales[i], shifts[i]) + up)
        half = F.pixel_shuffle(self.head(x), STEM // 2)
        return F.pixel_shuffle(half + self.joint(F.relu(half)), 2)
