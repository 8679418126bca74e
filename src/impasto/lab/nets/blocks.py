"""Building blocks that the networks share, and the reach of a chain of convolutions."""

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
    """A convolution that keeps the size (divided by ``stride``), zero padding.

    Zeros and not reflection, since a separate padding step costs more time in every engine than the
    small convolution after it; the studio puts a reflected margin around the picture instead.
    Weights start so that maps keep their size through a ReLU (He et al. 2015).
    """
    padding = size // 2 * dilation
    made = nn.Conv2d(inputs, outputs, size, stride=stride, padding=padding, dilation=dilation)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    nn.init.zeros_(made.get_parameter("bias"))
    return made


def reflected(x: Tensor, width: int = 1) -> Tensor:
    """``x`` with a reflected border, padded in its own precision.

    Under autocast PyTorch pads in float32 on a processor, which takes thirty times as long as in
    bfloat16, for the same numbers.  On CUDA it puts the channels first, and the convolution behind
    it puts them last again: there a border of one pixel is laid around here, unless a compiler puts
    it together with what is before it.
    """
    if x.device.type == "cuda" and width == 1 and not torch.compiler.is_compiling():
        # ``apply`` has no types in PyTorch.
        padded: Callable[[Tensor], Tensor] = _Reflected.apply
        return padded(x)
    with torch.autocast(x.device.type, enabled=False):
        return F.pad(x, (width,) * 4, mode="reflect")


class _Reflected(Function):
    """A reflected border of one pixel around a map that keeps its channels last."""

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
        # Of the padded map, so that the corners are there already.
        padded[..., 0], padded[..., -1] = padded[..., 2], padded[..., -3]
        return padded

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (given,) = gradients
        # The same in the other direction: each border goes back to where it was taken from.
        inner = given[:, :, 1:-1, 1:-1].clone(memory_format=torch.channels_last)
        for from_, to in ((0, 1), (-1, -2)):
            inner[:, :, to] += given[:, :, from_, 1:-1]
            inner[..., to] += given[:, :, 1:-1, from_]
            for across, there in ((0, 1), (-1, -2)):
                inner[:, :, to, there] += given[:, :, from_, across]
        return inner


class Reflecting(nn.Conv2d):
    """A convolution with a square kernel that pads by reflection."""

    def forward(self, x: Tensor) -> Tensor:
        x = reflected(x, self.kernel_size[0] // 2)
        return F.conv2d(x, self.weight, self.bias, self.stride)


def reflecting(
    inputs: int, outputs: int, *, size: int = 3, stride: int = 1, bias: bool = False
) -> nn.Conv2d:
    """The same with reflection padding, for networks that are to pad as their papers do.

    By default without a bias, which the normalization behind it would take away again.
    """
    made = Reflecting(inputs, outputs, size, stride=stride, bias=bias)
    nn.init.kaiming_normal_(made.weight, nonlinearity="relu")
    if made.bias is not None:
        nn.init.zeros_(made.bias)
    return made


def leaking(x: Tensor, leak: float) -> Tensor:
    """``x`` where it is above 0, and ``leak`` of it below."""
    return F.leaky_relu(x, leak) if leak else F.relu(x)  # engines know a ReLU best


class Residual(nn.Module):
    """``x + conv(relu(conv(x)))``, without normalization, so that moments pass through.

    What is below 0 passes with the factor ``leak``; at 0, a plain ReLU. The first convolution looks
    at places that lie ``dilation`` apart.
    """

    def __init__(self, channels: int, *, leak: float = 0.0, dilation: int = 1) -> None:
        super().__init__()
        self.leak = leak
        self.first = convolution(channels, channels, dilation=dilation)
        self.second = convolution(channels, channels)
        # Starts near the identity: a deep stack without normalization then trains from the start.
        self.second.weight.data.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        added: Tensor = self.second(leaking(self.first(x), self.leak))
        return x + added


def affine(features: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """``features * scale + shift``: all that AdaIN and its controls do to a map (N, C, h, w)."""
    if scale.dtype != features.dtype:  # float32 moments of bfloat16 features; no cast in a graph
        scale, shift = scale.to(features.dtype), shift.to(features.dtype)
    return features * scale + shift
