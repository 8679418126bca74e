"""Inception v3 up to its 2048 pooled features, as pure functions of the user's state dict.

Szegedy et al., "Rethinking the Inception architecture for computer vision" (CVPR 2016), with
torchvision's weight names and channel order.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError
from impasto.lab.nets.state import read_weights

BATCH_EPS = 1e-3
"""Epsilon of its batch normalizations."""
SMALLEST = 75
"""Smallest shorter side in pixels that leaves an output after five halvings without padding."""
FEATURES = 2048


class Inception:
    """Features of pictures for FID."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        """Build from a state dict with torchvision's keys; classifiers in it are not used.

        Raises:
            ModelError: if ``weights`` are not those of Inception v3.
        """
        self.folded: dict[str, tuple[Tensor, Tensor]] = {}
        for key in weights:
            if key.endswith(".conv.weight"):
                name = key.removesuffix(".conv.weight")
                self.folded[name] = _folded(weights, name)
        try:
            with torch.no_grad():
                shape = self(torch.zeros(1, 3, SMALLEST, SMALLEST)).shape
        except (KeyError, RuntimeError) as error:
            raise ModelError(
                f"not the weights of torchvision's inception_v3 ({str(error)[:120]})"
            ) from error
        if shape[1] != FEATURES:
            raise ModelError(
                f"Inception v3 has {FEATURES} features, but these weights have {shape[1]}"
            )

    @classmethod
    def load(cls, path: str | Path) -> Inception:
        """Load from a file of weights.

        Raises:
            ModelError: if it cannot be read or is something else.
        """
        return cls(read_weights(path))

    @torch.no_grad()
    def __call__(self, image: Tensor) -> Tensor:
        """Return features (N, 2048) of pictures (N, 3, H, W), without resizing or scaling."""
        x = self._conv(image, "Conv2d_1a_3x3", stride=2, padding=0)
        x = self._conv(x, "Conv2d_2a_3x3", padding=0)
        x = F.max_pool2d(self._conv(x, "Conv2d_2b_3x3"), 3, 2)
        x = self._conv(x, "Conv2d_3b_1x1")
        x = F.max_pool2d(self._conv(x, "Conv2d_4a_3x3", padding=0), 3, 2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._pooled_block(x, name, ["1x1"], ["5x5_1", "5x5_2"], _numbered("3x3dbl", 3))
        x = self._halving_block(x, "Mixed_6a", ["3x3"], _numbered("3x3dbl", 3))
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._pooled_block(x, name, ["1x1"], _numbered("7x7", 3), _numbered("7x7dbl", 5))
        x = self._halving_block(x, "Mixed_7a", _numbered("3x3", 2), _numbered("7x7x3", 4))
        for name in ("Mixed_7b", "Mixed_7c"):
            x = self._wide_block(x, name)
        return x.mean(dim=(2, 3))

    def _conv(self, x: Tensor, name: str, *, stride: int = 1, padding: int | None = None) -> Tensor:
        weight, bias = self.folded[name]
        around = [side // 2 for side in weight.shape[2:]] if padding is None else padding
        return F.relu(F.conv2d(x, weight, bias, stride=stride, padding=around))

    def _branch(self, x: Tensor, block: str, names: list[str]) -> Tensor:
        for name in names:
            x = self._conv(x, f"{block}.branch{name}")
        return x

    def _pool(self, x: Tensor, block: str) -> Tensor:
        return self._conv(F.avg_pool2d(x, 3, 1, 1), f"{block}.branch_pool")

    def _pooled_block(self, x: Tensor, block: str, *branches: list[str]) -> Tensor:
        parts = [self._branch(x, block, names) for names in branches]
        return torch.cat([*parts, self._pool(x, block)], dim=1)

    def _halving_block(self, x: Tensor, block: str, *branches: list[str]) -> Tensor:
        parts = []
        for *before, last in branches:
            inner = self._branch(x, block, before)
            parts.append(self._conv(inner, f"{block}.branch{last}", stride=2, padding=0))
        return torch.cat([*parts, F.max_pool2d(x, 3, 2)], dim=1)

    def _wide_block(self, x: Tensor, block: str) -> Tensor:
        square = self._branch(x, block, ["3x3_1"])
        double = self._branch(x, block, ["3x3dbl_1", "3x3dbl_2"])
        parts = [self._branch(x, block, ["1x1"])]
        parts += [self._branch(square, block, [name]) for name in ("3x3_2a", "3x3_2b")]
        parts += [self._branch(double, block, [name]) for name in ("3x3dbl_3a", "3x3dbl_3b")]
        return torch.cat([*parts, self._pool(x, block)], dim=1)


def _numbered(name: str, count: int) -> list[str]:
    return [f"{name}_{i}" for i in range(1, count + 1)]


def _folded(weights: Mapping[str, Tensor], name: str) -> tuple[Tensor, Tensor]:
    """Fold a convolution and the batch normalization after it into one convolution."""
    try:
        gain, shift, mean, variance = (
            weights[f"{name}.bn.{part}"].double()
            for part in ("weight", "bias", "running_mean", "running_var")
        )
    except KeyError as error:
        raise ModelError(f"{error.args[0]} is missing; give torchvision's inception_v3") from error
    scale = gain / (variance + BATCH_EPS).sqrt()
    kernel = weights[f"{name}.conv.weight"].double() * scale.reshape(-1, 1, 1, 1)
    return kernel.float(), (shift - mean * scale).float()
