"""Building blocks that the networks share, and the reach of a chain of convolutions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def convolution(inputs: int, outputs: int, *, size: int = 3, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size (divided by ``stride``), zero padding.

    Zeros and not reflection, since a separate padding step costs more time in every engine than the
    small convolution after it; the studio puts a reflected margin around the picture instead.
    Weights start so that maps keep their size through a ReLU (He et al. 2015).
    """
    made = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    nn.init.zeros_(made.bias)
    return made


class Residual(nn.Module):
    """``x + conv(relu(conv(x)))``, without normalization, so that moments pass through."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = convolution(channels, channels)
        self.second = convolution(channels, channels)
        # Starts near the identity: a deep stack without normalization then trains from the start.
        self.second.weight.data.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x)))


def affine(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``features * scale + shift``: all that AdaIN and its controls do to a map (N, C, h, w)."""
    if scale.dtype != features.dtype:  # float32 moments of bfloat16 features; no cast in a graph
        scale, shift = scale.to(features.dtype), shift.to(features.dtype)
    return features * scale + shift
