"""Scales shared by the compact network and its eye: the picture at 1/2, 1/4 and 1/8."""

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
    """Channels and numbers of residual blocks per scale, finest (1/2) first."""

    channels: tuple[int, ...]
    encoder_blocks: tuple[int, ...]
    decoder_blocks: tuple[int, ...]
    eye: tuple[int, ...]
    """Channels of the reader's eye at the same scales."""
    hidden: int
    """Number of principal axes of the reader, and units in each of its two hidden layers."""
    leak: float = 0.1
    """Slope of a ReLU below 0.  With plain ReLUs all but two or three of each 128 channels within
    the blocks at 1/8 died in training ``quality``: a channel that is 0 for all pictures has no
    gradient and never recovers, and the losses do not show it."""
    dilations: tuple[int, ...] = ()
    """Dilations of further residual blocks at the coarsest scale, after the alignment: a larger
    receptive field at 1/8, for strokes longer than a few cells."""
    comb: bool = False
    """Presence of a comb filter behind the last convolution."""
    combed: float = 0.0
    """Share of the mesh that it removes for styles that the reader predicts, from 0 to 1."""


def scale_features(
    image: Tensor,
    stem: nn.Module,
    downs: Iterable[nn.Module],
    blocks: nn.ModuleList,
    leak: float,
) -> list[Tensor]:
    """Return features of ``image`` (N, 3, H, W) in [0, 1] at every scale, finest (1/2) first."""
    # pictures have a deviation of about 1/4; this gives the features one of about 1
    x = F.pixel_unshuffle((image - 0.5) * 4, FOLD)
    features = [blocks[0](leaking(stem(x), leak))]
    for down, block in zip(downs, blocks[1:], strict=True):
        features.append(block(leaking(down(features[-1]), leak)))
    return features


def residual_blocks(channels: Sequence[int], numbers: Sequence[int], leak: float) -> nn.ModuleList:
    """Return the given numbers of residual blocks per scale, in sequence."""
    return nn.ModuleList(
        nn.Sequential(*(Residual(c, leak=leak) for _ in range(n)))
        for c, n in zip(channels, numbers, strict=True)
    )


def weighted_moments(x: Tensor, counts: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (N, C, 1, 1) of a map, with positions weighted by ``counts``.

    ``counts`` (N, 1, h, w) is 0 or more, one for each cell of the coarsest scale; None: equal
    weights.
    """
    if counts is None:
        return fast_mean_std(x)
    # Finer positions have the weight of their cell.
    # (int: the ratio is the same for all sizes, so it may be a constant of an exported graph.)
    weights = F.interpolate(counts, scale_factor=int(x.shape[2]) // int(counts.shape[2]))
    weights = weights / weights.sum(dim=(2, 3), keepdim=True)
    mean = (x * weights).sum(dim=(2, 3), keepdim=True)
    variance = ((x - mean).square() * weights).sum(dim=(2, 3), keepdim=True)
    return mean, (variance + EPS).sqrt()
