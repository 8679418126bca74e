"""Detection of bfloat16: does a device compute in it by instructions of its own?"""

from __future__ import annotations

import functools

import torch


@functools.cache
def has_bf16(device: torch.device) -> bool:
    """Return whether ``device`` has instructions for bfloat16.

    A processor without them emulates it: a 3x3 convolution of 64 channels takes 20 times as long
    as in float32 on one that has AVX2 alone.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu":
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    return False
