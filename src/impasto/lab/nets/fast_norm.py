"""Fast instance normalization of large bfloat16 maps, and sums over their channels.

Written as in the formula, in float32, it takes more than half of the time of a training step of
networks with one after every convolution.  Here statistics are sums (on a CPU by its matrix units)
without a float32 copy, and the map is read once: ``x * scale + shift``, and in the backward pass
``a * gradient + b * x + c``, with numbers per channel.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

SMALLEST = 256
"""Number of positions below which the plain formula is fast enough."""


def is_quick(x: Tensor) -> bool:
    """Return True for ``x`` (N, C, h, w) for which these functions are fast."""
    return (
        not torch.compiler.is_compiling()  # which fuses the plain formula into one pass
        and x.device.type in ("cpu", "cuda")
        and x.dtype == torch.bfloat16
        and x.shape[2] * x.shape[3] >= SMALLEST
        and x.is_contiguous(memory_format=torch.channels_last)
    )


def channel_sums(x: Tensor) -> Tensor:
    """Return the sum over h and w of a channels-last map, (N, C, 1, 1) in float32."""
    if x.device.type == "cuda":  # its reductions accumulate in float32 for any input type
        return x.sum(dim=(2, 3), keepdim=True, dtype=torch.float32)
    n, channels, height, width = x.shape
    rows = x.permute(0, 2, 3, 1).reshape(n * height, width, channels)
    ones = torch.ones(1, 1, width, dtype=x.dtype).expand(n * height, 1, width)
    partial = torch.bmm(ones, rows).reshape(n, height, channels)
    return partial.sum(dim=1, dtype=torch.float32).reshape(n, channels, 1, 1)


def channel_moments(x: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """Return mean and (biased) deviation of a channels-last map, (N, C, 1, 1) in float32."""
    positions = x.shape[2] * x.shape[3]
    mean = channel_sums(x) / positions
    deviation = x - mean.to(x.dtype)
    # The subtracted mean was rounded; the mean square is corrected for its error.
    missed = mean - mean.to(x.dtype).float()
    variance = channel_sums(deviation.mul_(deviation)) / positions - missed.square()
    return mean, (variance.clamp_(min=0) + eps).sqrt()


def quick_instance_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Return ``gamma * (x - mu) / sigma + beta`` over (h, w), where :func:`is_quick` is True.

    ``gamma`` and ``beta`` are (1, C, 1, 1) or (N, C, 1, 1). Equal to ``normalize`` with
    ``mean_std`` up to the rounding of bfloat16.
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
