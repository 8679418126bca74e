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

A style is read once and used often, so it gets more care than the picture (``Reader``).  Moments of
so small an encoder do not tell a style as VGG's do, and there are better ones to align
to: found by gradient descent for one style at a time, they halve the style loss of the same
decoder.  The reader sees the style with eyes of its own, which learned to see what VGG sees, and
says which moments the picture is to be given.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.nets.blocks import Residual, affine, convolution, leaking
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.lab.nets.normalization import EPS
from impasto.models.bundle import Level

FOLD = 2
"""The picture is folded to 1/FOLD before the first convolution."""


@dataclass(frozen=True)
class CompactShape:
    """Channels and numbers of residual blocks a scale, finest (1/2) first."""

    channels: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]
    eye: tuple[int, ...]
    """Channels of the reader's eye at the same scales."""
    hidden: int
    """Axes that the reader looks along, and numbers in each of its two hidden layers."""
    leak: float = 0.1
    """Slope of a ReLU below 0.  With plain ones all but two or three of each 128 channels within
    the blocks at 1/8 died while ``quality`` was trained: a channel that is 0 for all pictures has
    no gradient and never comes back, and nothing in the losses tells."""


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
FAST = CompactShape((24, 48, 96), (0, 0, 1), (0, 1, 1), EYE, HIDDEN)
"""3.06 billion multiply-adds at 512 px: less than a fortieth of the paper's network."""
QUALITY = CompactShape((32, 64, 128), (0, 1, 2), (1, 1, 4), EYE, HIDDEN)
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
        self.encoders = _blocks(channels, shape.encoder_blocks, shape.leak)
        self.decoders = _blocks(channels, shape.decoder_blocks, shape.leak)
        self.ups = nn.ModuleList(convolution(coarse, fine) for fine, coarse in pairwise(channels))
        self.head = convolution(channels[0], folded)
        self.reader = Reader(shape)
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
        """Largest distance in pixels at which an input pixel changes an output pixel.

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
        """Share of the encoder in ``rim``: the pixels that a position sees beyond its own cell."""
        reach = FOLD  # the stem
        for i, blocks in enumerate(self.shape.encoder_blocks):
            stride = FOLD << i
            reach += 2 * blocks * stride
            if i:
                reach += stride // 2  # down: a 3x3 of the finer grid
        return reach

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of ``image`` (N, 3, H, W) in [0, 1], one map (N, C, h, w) a level."""
        return _scales(image, self.stem, self.downs, self.encoders, self.shape.leak)[1:]

    def read(
        self, style: Tensor, features: Sequence[Tensor], counts: Tensor | None = None
    ) -> list[tuple[Tensor, Tensor]]:
        """The mean and deviation (N, C, 1, 1) a level that a picture is to have in a style.

        ``features`` are those of ``style`` (N, 3, H, W); ``counts`` (N, 1, h, w), a number for each
        ``multiple`` pixels, says how much each place counts: without it all count the same.
        """
        means, stds = zip(*(_moments(level, counts) for level in features), strict=True)
        return list(zip(*self.reader(style, counts, means, stds), strict=True))

    def style_parameters(self) -> list[nn.Parameter]:
        """Parameters with a learning rate of their own (``TrainConfig.style_rate``)."""
        return list(self.reader.parameters())

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """The picture (N, 3, H, W), not clipped, from features under one affine map a level."""
        aligned = [affine(*maps) for maps in zip(features, scales, shifts, strict=True)]
        x = self.decoders[-1](aligned[-1])
        for i in reversed(range(len(self.ups))):
            x = self.ups[i](x)
            # No ReLU before a sum: one there went dead, and all of 1/8 behind it, unnoticed.
            x = x if i else leaking(x, self.shape.leak)
            x = _doubled(x)
            x = self.decoders[i](x + aligned[i - 1] if i else x)
        return F.pixel_shuffle(self.head(x), FOLD)


class Eye(nn.Module):
    """A small network trained to predict VGG-19's feature maps, for the reader.

    Features at 1/2, 1/4 and 1/8, and from each, place by place, the map of relu2_1, relu3_1 or
    relu4_1.  Trained apart from any model (``train/reading.py``).
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        self.stem = convolution(3 * FOLD**2, channels[0])
        self.downs = nn.ModuleList(convolution(a, b, stride=2) for a, b in pairwise(channels))
        self.blocks = _blocks(channels, EYE_BLOCKS, 0.0)
        self.maps = nn.ModuleList(
            nn.Conv2d(own, vgg, 1) for own, vgg in zip(channels, SEEN, strict=True)
        )

    def forward(self, image: Tensor) -> list[Tensor]:
        """VGG's maps of ``image`` (N, 3, H, W) in [0, 1], as told, finest first."""
        seen = _scales(image, self.stem, self.downs, self.blocks, 0.0)
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
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.zeros_(layer.bias)
        self.says = nn.Linear(2 * shape.hidden, 2 * sum(self.levels))
        # Near-zero initialization, but not zero, so that gradients flow to all layers before it.
        nn.init.normal_(self.says.weight, std=1e-4)
        nn.init.zeros_(self.says.bias)

    def seen(
        self, style: Tensor, counts: Tensor | None, means: Sequence[Tensor], stds: Sequence[Tensor]
    ) -> Tensor:
        """All that it knows of a style (as ``forward`` takes it), a row of numbers each."""
        maps = [_moments(each, counts) for each in self.eye(style)]
        own = zip(means, stds, strict=True)
        # VGG's moments as they are: what the style loss compares.
        rows = [_told([_moments(style, counts), *own])]
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


def _told(moments: Iterable[tuple[Tensor, Tensor]]) -> Tensor:
    """Means and deviations (N, C, 1, 1) as one row of numbers a picture, for a layer to take.

    They are of order 1 whatever the scale of a map, also where it is flat.
    """
    rows = [(_asinh(mean / std), std.log()) for mean, std in moments]
    return torch.cat([each for row in rows for each in row], 1).flatten(1).float()


def _asinh(x: Tensor) -> Tensor:
    # In full, since the exporter does not know torch.asinh; of |x|, so that nothing cancels.
    return x.sign() * (x.abs() + (x.square() + 1).sqrt()).log()


def _moments(x: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
    if counts is None:
        return fast_mean_std(x)
    # What is finer counts as the cell that it lies in.
    # (int: their ratio is the same for all sizes, so it may be a constant of an exported graph.)
    weights = F.interpolate(counts, scale_factor=int(x.shape[2]) // int(counts.shape[2]))
    weights = weights / weights.sum(dim=(2, 3), keepdim=True)
    mean = (x * weights).sum(dim=(2, 3), keepdim=True)
    variance = ((x - mean).square() * weights).sum(dim=(2, 3), keepdim=True)
    return mean, (variance + EPS).sqrt()


def _scales(
    image: Tensor,
    stem: nn.Module,
    downs: Iterable[nn.Module],
    blocks: nn.ModuleList,
    leak: float,
) -> list[Tensor]:
    # pictures have a deviation of about 1/4: everything inside starts with one of about 1
    x = F.pixel_unshuffle((image - 0.5) * 4, FOLD)
    features = [blocks[0](leaking(stem(x), leak))]
    for down, block in zip(downs, blocks[1:], strict=True):
        features.append(block(leaking(down(features[-1]), leak)))
    return features


def _doubled(x: Tensor) -> Tensor:
    # Behind torch.compile (PyTorch 2.13) the gradient of F.interpolate was 0 in bfloat16.
    if torch.compiler.is_compiling():
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return F.interpolate(x, scale_factor=2, mode="nearest")


def _blocks(channels: Sequence[int], numbers: Sequence[int], leak: float) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(*(Residual(c, leak=leak) for _ in range(n)))
        for c, n in zip(channels, numbers, strict=True)
    )
