"""Building blocks shared by the networks, and the receptive field of a chain of convolutions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F


def convolution(
    inputs: int, outputs: int, *, size: int = 3, stride: int = 1, dilation: int = 1
) -> nn.Conv2d:
    """Return a convolution that keeps the size (divided by ``stride``), with zero padding.

    It pads with zeros, not by reflection, since a separate padding step takes more time in every
    engine than the small convolution after it; the studio adds a reflected margin to the picture
    instead. The initial weights preserve the scale of maps through a ReLU (He et al. 2015).
    """
    padding = size // 2 * dilation
    made = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, dilation=dilation)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    nn.init.zeros_(made.get_parameter("bias"))
    return made


def reflected(x: Tensor, width: int = 1) -> Tensor:
    """Return ``x`` with a reflected border, padded in its own precision.

    Under autocast PyTorch pads in float32 on a CPU, which takes thirty times as long as in
    bfloat16, for the same numbers.  On CUDA it changes to channels first, and the next convolution
    changes back to channels last: there a custom function adds a border of one pixel, unless a
    compiler fuses the padding with the previous operation.
    """
    if x.device.type == "cuda" and width == 1 and not torch.compiler.is_compiling():
        # ``apply`` has no types in PyTorch.
        padded: Callable[[Tensor], Tensor] = _Reflected.apply
        return padded(x)
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (width,) * 4, mode="reflect")


class _Reflected(Function):
    """A reflected border of one pixel around a channels-last map."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        padded = torch.empty(
            (n, channels, height + 2, width + 2),
            dtype=x.dtype,
            device=x.device,
            memory_format=torch.channels_last,
        )
        padded[:, :, 1:-1, 1:-1] = x
        padded[:, :, 0, 1:-1], padded[:, :, -1, 1:-1] = x[:, :, 1], x[:, :, -2]
        # From the padded map, which already has the corners.
        padded[..., 0], padded[..., -1] = padded[..., 2], padded[..., -3]
        return padded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (given,) = gradients
        # The reverse: the gradient of each border is added where it was copied from.
        inner = given[:, :, 1:-1, 1:-1].clone(memory_format=torch.channels_last)
        for from_, to in ((0, 1), (-1, -2)):
            inner[:, :, to] += given[:, :, from_, 1:-1]
            inner[..., to] += given[:, :, 1:-1, from_]
            for across, there in ((0, 1), (-1, -2)):
                inner[:, :, to, there] += given[:, :, from_, across]
        return inner


def doubled(x: Tensor) -> Tensor:
    """Return ``x`` (N, C, h, w) at twice its size, with every position repeated."""
    # With torch.compile (PyTorch 2.13) the gradient of F.interpolate was 0 in bfloat16.
    if torch.compiler.is_compiling():
        return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    return F.interpolate(x, scale_factor=2, mode="nearest")


class Reflecting(nn.Conv2d):
    """A convolution with a square kernel that pads by reflection."""

    def forward(self, x: Tensor) -> Tensor:
        x = reflected(x, self.kernel_size[0] // 2)
        return F.conv2d(x, self.weight, self.bias, self.stride)


def reflecting(
    inputs: int, outputs: int, *, size: int = 3, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """Return a convolution with reflection padding, for networks that pad as in their papers.

    By default it has no bias, which the normalization after it would remove.
    """
    made = Reflecting(inputs, outputs, size, stride=stride, bias=bias)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    if made.bias is not None:
        nn.init.zeros_(made.bias)
    return made


def leaking(x: Tensor, leak: float) -> Tensor:
    """Return ``x`` where it is above 0, and ``leak * x`` below."""
    return F.leaky_relu(x, leak) if leak else F.relu(x)  # engines are best optimized for ReLU


class Residual(nn.Module):
    """``x + conv(relu(conv(x)))``, without normalization, so that moments pass through.

    Values below 0 are multiplied by ``leak``; 0 gives a plain ReLU. The first convolution has the
    given ``dilation``.
    """

    def __init__(self, channels: int, *, leak: float = 0.0, dilation: int = 1) -> None:
        super().__init__()
        self.leak = leak
        self.first = convolution(channels, channels, dilation=dilation)
        self.second = convolution(channels, channels)
        # Near the identity at first: a deep stack without normalization then trains from the start.
        self.second.weight.data.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.second(leaking(self.first(x), self.leak))
        return x + added


def affine(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Return ``features * scale + shift``: AdaIN and its controls on a map (N, C, h, w)."""
    if scale.dtype != features.dtype:  # float32 moments of bfloat16 features; no cast in the graph
        scale, shift = scale.to(features.dtype), shift.to(features.dtype)
    return features * scale + shift
