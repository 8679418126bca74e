"""LPIPS: a learned distance between two pictures, with the user's weights.

Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric" (CVPR 2018,
arXiv 1801.03924), eq. 1, version 0.1 of its authors' weights. It needs two files: the classifier's
weights as torchvision stores them (``alexnet`` or ``vgg16``), and the authors' linear heads for it
(``alex.pth`` or ``vgg.pth``: keys ``lin0.model.1.weight`` to ``lin4.model.1.weight``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError
from impasto.lab.nets.state import read_weights

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet's means and deviations, for pictures in [-1, 1]."""
EPS = 1e-10


@dataclass(frozen=True)
class Step:
    """A convolution and its ReLU.

    Attributes:
        key: of the weights.
        stride: of the convolution.
        padding: zeros around the map.
        pool: side of the max pooling of stride 2 before it; 0: none.
        compared: whether pictures are compared after it.
    """

    key: str
    stride: int = 1
    padding: int = 1
    pool: int = 0
    compared: bool = False


@dataclass(frozen=True)
class Backbone:
    """A classifier whose features LPIPS compares."""

    name: str
    first: tuple[int, ...]
    """Shape of its first convolution's weights, which identifies it."""
    steps: tuple[Step, ...]


def _vgg16() -> tuple[Step, ...]:
    stages = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
    return tuple(
        Step(
            f"features.{key}",
            pool=2 if i and key == stage[0] else 0,
            compared=key == stage[-1],
        )
        for i, stage in enumerate(stages)
        for key in stage
    )


BACKBONES: tuple[Backbone, ...] = (
    Backbone(
        "alexnet",
        (64, 3, 11, 11),
        (
            Step("features.0", stride=4, padding=2, compared=True),
            Step("features.3", padding=2, pool=3, compared=True),
            Step("features.6", pool=3, compared=True),
            Step("features.8", compared=True),
            Step("features.10", compared=True),
        ),
    ),
    Backbone("vgg16", (64, 3, 3, 3), _vgg16()),
)


class LPIPS:
    """The distance; ``LPIPS.load(backbone, heads)(image, other)``."""

    def __init__(self, weights: Mapping[str, Tensor], heads: Sequence[Tensor]) -> None:
        """Build from ``weights`` of a backbone, and ``heads``, one (C,) per compared layer.

        Raises:
            ModelError: if the two do not belong together, or the backbone is unknown.
        """
        shape = tuple(weights["features.0.weight"].shape) if "features.0.weight" in weights else ()
        backbone = next((row for row in BACKBONES if row.first == shape), None)
        keys = [] if backbone is None else [step.key for step in backbone.steps]
        if backbone is None or any(f"{key}.weight" not in weights for key in keys):
            names = " or ".join(row.name for row in BACKBONES)
            raise ModelError(
                f"features.0.weight of shape {shape} is not an LPIPS backbone; give the state dict "
                f"of torchvision's {names}"
            )
        self.backbone = backbone
        self.weights = {
            key: (weights[f"{key}.weight"].float(), weights[f"{key}.bias"].float()) for key in keys
        }
        self.heads = [head.float().flatten() for head in heads]
        wanted = [len(self.weights[step.key][1]) for step in backbone.steps if step.compared]
        if [len(head) for head in self.heads] != wanted:
            raise ModelError(
                f"heads of {[len(head) for head in self.heads]} channels do not fit "
                f"{backbone.name}, which has {wanted}; give the heads trained for it"
            )

    @classmethod
    def load(cls, backbone: str | Path, heads: str | Path) -> LPIPS:
        """Load from two files of weights, ``.pth`` or ``.safetensors``.

        Raises:
            ModelError: if a file cannot be read or is something else.

        Example:
            >>> LPIPS.load("alexnet-owt.pth", "alex.pth")                   # doctest: +SKIP
        """
        table = read_weights(heads)
        found = [table[key] for i in range(5) for key in table if key.startswith(f"lin{i}.")]
        if len(found) != 5:
            raise ModelError(
                f"{heads}: keys like {sorted(table)[:3]} are not LPIPS heads "
                "(lin0.model.1.weight to lin4.model.1.weight)"
            )
        return cls(read_weights(backbone), found)

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the feature maps that are compared, for pictures (N, 3, H, W) in [0, 1]."""
        shift, scale = (torch.tensor(each).reshape(1, 3, 1, 1) for each in (SHIFT, SCALE))
        x = (2 * image - 1 - shift) / scale
        found = []
        for step in self.backbone.steps:
            if step.pool:
                x = F.max_pool2d(x, step.pool, 2)
            weight, bias = self.weights[step.key]
            x = F.relu(F.conv2d(x, weight, bias, stride=step.stride, padding=step.padding))
            if step.compared:
                found.append(x)
        return found

    @torch.no_grad()
    def __call__(self, image: Tensor, other: Tensor) -> Tensor:
        """Return distances (N,) of pictures (N, 3, H, W) in [0, 1]; 0: the same.

        Features are scaled to length 1 at every position; squared differences are weighted by the
        head, averaged over positions and summed over layers.
        """
        total = torch.zeros(len(image))
        for x, y, head in zip(self.features(image), self.features(other), self.heads, strict=True):
            x, y = (each / (each.square().sum(1, keepdim=True).sqrt() + EPS) for each in (x, y))
            weighted = (x - y).square() * head.reshape(1, -1, 1, 1)
            total += weighted.sum(dim=1).mean(dim=(1, 2))
        return total
