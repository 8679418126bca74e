"""Instance normalization of large bfloat16 maps, quickly; and sums over their channels.

Written as the formula says, in float32, it is more than half of the time of a training step of the
networks that have one behind every convolution.  Here statistics are sums (on a CPU by its matrix
units) that need no copy in float32, and the map is gone over once: ``x * scale + shift``, and in
the backward pass ``a * gradient + b * x + c``, with numbers a channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

SMALLEST = 256
"""Positions under which the plain formula is quick enough."""


def is_quick(x: Tensor) -> bool:
    """Return True for ``x`` (N, C, h, w) of the kind that these functions are fast for."""
    return (
        not torch.compiler.is_compiling()  # which makes one pass of the plain formula
        and x.device.type in ("cpu", "cuda")
        and x.dtype == torch.bfloat16
        and x.shape[2] * x.shape[3] >= SMALLEST
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def channel_sums(x: Tensor) -> Tensor:
    """Sum over h and w of a channels-last map, (N, C, 1, 1) in float32."""
    if x.device.type == "cuda":  # its reductions add in float32 whatever they read
        return x.sum(dim=(2, 3), keepdim=True, dtype=torch.float32)
    n, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n * height, width, channels)
    ones = torch.ones(1, 1, width, dtype=x.dtype).expand(n * height, 1, width)
    partial = torch.bmm(ones, rows).reshape(n, height, channels)
    return partial.sum(dim=1, dtype=torch.float32).reshape(n, channels, 1, 1)


def channel_moments(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Mean and (biased) standard deviation of such a map, each (N, C, 1, 1) in float32."""
    positions = x.shape[2] * x.shape[3]
    mean = channel_sums(x) / positions
    deviation = x - mean.to(x.dtype)
    # The mean subtracted was rounded; what it missed is taken off the mean square again.
    missed = mean - mean.to(x.dtype).float()
    variance = channel_sums(deviation.mul_(deviation)) / positions - missed.square()
    return mean, (variance.clamp_(min=0) + eps).sqrt()


def quick_instance_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """``gamma * (x - mu) / sigma + beta`` over (h, w), for ``x`` that :func:`is_quick`.

    ``gamma`` and ``beta`` are (1, C, 1, 1) or (N, C, 1, 1). The same as ``normalize`` with
    ``mean_std``, to the rounding of bfloat16.
    """
    # ``apply`` has no types in PyTorch.
    normalized: Callable[[Tensor, Tensor, Tensor, float], Tensor] = _InstanceNorm.apply
    return normalized(x, gamma.float(), beta.float(), eps)


class _InstanceNorm(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
        mean, std = channel_moments(x, eps)
        scale = gamma / std
        ctx.save_for_backward(x, mean, std, gamma)
        return torch.addcmul((beta - mean * scale).to(x.dtype), x, scale.to(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        x, mean, std, gamma = ctx.saved_tensors
        dtype = x.dtype
        given = gradients[0].to(dtype, memory_format=torch.channels_last)
        positions = x.shape[2] * x.shape[3]
        normalized = torch.addcmul((-mean / std).to(dtype), x, (1 / std).to(dtype))
        total = channel_sums(given)
        along = channel_sums(given * normalized)
        # gamma / std * (given - mean(given) - normalized * mean(given * normalized))
        scale = gamma / std
        back = torch.addcmul(
            (-scale * total / positions).to(dtype),
            normalized,
            (-scale * along / positions).to(dtype),
        )
        back.addcmul_(given, scale.to(dtype))
        if len(gamma) == 1:
            along, total = along.sum(0, keepdim=True), total.sum(0, keepdim=True)
        return back, along, total, None
