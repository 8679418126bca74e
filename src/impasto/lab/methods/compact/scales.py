"""The scales that the compact network and its eye share: the picture at 1/2, 1/4 and 1/8."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.nets.blocks import Residual, leaking
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.lab.nets.normalization import EPS

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
    dilations: tuple[int, ...] = ()
    """Dilations of further residual blocks at the coarsest scale, behind the alignment: what is
    aligned at 1/8 is seen from further away there, for strokes longer than a few cells."""


def scale_features(
    image: Tensor,
    stem: nn.Module,
    downs: Iterable[nn.Module],
    blocks: nn.ModuleList,
    leak: float,
) -> list[Tensor]:
    """Features of ``image`` (N, 3, H, W) in [0, 1] at every scale, finest (1/2) first."""
    # pictures have a deviation of about 1/4: everything inside starts with one of about 1
    x = F.pixel_unshuffle((image - 0.5) * 4, FOLD)
    features = [blocks[0](leaking(stem(x), leak))]
    for down, block in zip(downs, blocks[1:], strict=True):
        features.append(block(leaking(down(features[-1]), leak)))
    return features


def residual_blocks(channels: Sequence[int], numbers: Sequence[int], leak: float) -> nn.ModuleList:
    """So many residual blocks a scale, one behind the other."""
    return nn.ModuleList(
        nn.Sequential(*(Residual(c, leak=leak) for _ in range(n)))
        for c, n in zip(channels, numbers, strict=True)
    )


def weighted_moments(x: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
    """Mean and deviation (N, C, 1, 1) of a map, of which every place counts as ``counts`` says.

    ``counts`` (N, 1, h, w) is 0 or more, one for each cell of the coarsest scale; None: all count
    the same.
    """
    if counts is None:
        return fast_mean_std(x)
    # What is finer counts as the cell that it lies in.
    # (int: their ratio is the same for all sizes, so it may be a constant of an exported graph.)
    weights = F.interpolate(counts, scale_factor=int(x.shape[2]) // int(counts.shape[2]))
    weights = weights / weights.sum(dim=(2, 3), keepdim=True)
    mean = (x * weights).sum(dim=(2, 3), keepdim=True)
    variance = ((x - mean).square() * weights).sum(dim=(2, 3), keepdim=True)
    return mean, (variance + EPS).sqrt()
