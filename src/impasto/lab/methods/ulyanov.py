"""One style per network: the multi-scale generator of Ulyanov et al.

Ulyanov, Lebedev, Vedaldi & Lempitsky, "Texture networks" (ICML 2016, arXiv 1603.03417), with the
instance normalization of Ulyanov, Vedaldi & Lempitsky, "Improved texture networks" (CVPR 2017,
arXiv 1701.02096), which names this generator and the residual one of Johnson et al.

    picture, noise at 1/32 -> block -> twice as large -+
    picture, noise at 1/16 -> block -------------------+-> block -> twice as large -> ... -> 1x1
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.training.builtin import Layers
from impasto.lab.training.config import OneStyleMethod, built_in_tables
from impasto.lab.training.networks import NORMALIZATIONS, BuiltInRow

TILE = 128
"""Side of the noise tile that is repeated over a picture."""


@dataclass(frozen=True)
class UlyanovShape:
    """Channels added by each scale, and number of scales; by default those of the 2016 paper."""

    width: int = 8
    scales: int = 6


class Ulyanov(nn.Module):
    """The generator: the picture at every scale, joined from the coarsest to the finest.

    It paints its one style, without style weights or strength.
    """

    styles = 1
    controls: tuple[str, ...] = ()
    noise: Tensor

    def __init__(
        self,
        shape: UlyanovShape = UlyanovShape(),
        *,
        normalization: Callable[[int], nn.Module] = InstanceNorm,
    ) -> None:
        """Build with ``normalization``, the layer for given channels.

        It is instance normalization in 2017, batch normalization in 2016.
        """
        super().__init__()
        self.shape = shape
        width = shape.width
        # Noise is drawn once: the same photograph gives the same picture, and a stopped run
        # resumes exactly. The authors draw it anew for every picture.
        random = torch.Generator().manual_seed(0)
        self.register_buffer("noise", torch.rand(1, 3, TILE, TILE, generator=random))
        self.inputs = nn.ModuleList(_block(6, width, normalization) for _ in range(shape.scales))
        # Both sides are normalized before they are joined, so that neither dominates.
        self.fine = nn.ModuleList(normalization(width) for _ in range(shape.scales - 1))
        self.coarse = nn.ModuleList(normalization(width * (i + 1)) for i in range(shape.scales - 1))
        self.joints = nn.ModuleList(
            _block(width * (i + 2), width * (i + 2), normalization) for i in range(shape.scales - 1)
        )
        self.head = nn.Conv2d(width * shape.scales, 3, 1)
        with torch.no_grad():  # starts from a gray picture
            self.head.weight.mul_(0.1)
            nn.init.constant_(self.head.get_parameter("bias"), 0.5)

    @property
    def multiple(self) -> int:
        """Height and width must be multiples of this."""
        return 1 << (self.shape.scales - 1)

    @property
    def pixel_bytes(self) -> int:
        """Largest memory per pixel in any engine, as measured at several widths."""
        return 14 * self.shape.width * self.shape.scales

    def forward(self, image: Tensor, weights: Tensor | None = None) -> Tensor:
        """Paint ``image`` (N, 3, H, W) in [0, 1]; return (N, 3, H, W), not clipped."""
        pictures = [(image - 0.5) * 4]
        for _ in range(self.shape.scales - 1):
            pictures.append(F.avg_pool2d(pictures[-1], 2))
        x = self.inputs[0](self._with_noise(pictures[-1]))
        for i, larger in enumerate(reversed(pictures[:-1])):
            x = F.interpolate(x, scale_factor=2, mode="nearest")
            finer = self.inputs[i + 1](self._with_noise(larger))
            x = self.joints[i](torch.cat([self.fine[i](finer), self.coarse[i](x)], dim=1))
        picture: Tensor = self.head(x)
        return picture

    def _with_noise(self, picture: Tensor) -> Tensor:
        n, _, height, width = picture.shape
        # Rounded up; not by -(-height // TILE), which a graph rounds the other way.
        rows, columns = (height + TILE - 1) // TILE, (width + TILE - 1) // TILE
        tiles = self.noise.repeat(n, 1, rows, columns)
        return torch.cat([picture, tiles[..., :height, :width]], dim=1)


def _block(inputs: int, outputs: int, normalization: Callable[[int], nn.Module]) -> nn.Sequential:
    """Return convolutions of 3x3, 3x3 and 1x1, each with its normalization and a leaky ReLU.

    Padding is by replication, by one pixel; the authors wrap their textures around, and pad
    pictures by replication too.
    """
    layers: list[nn.Module] = []
    for first, size in ((inputs, 3), (outputs, 3), (outputs, 1)):
        layers += [
            nn.Conv2d(
                first, outputs, size, padding=size // 2, padding_mode="replicate", bias=False
            ),
            normalization(outputs),
            nn.LeakyReLU(0.01),
        ]
    return nn.Sequential(*layers)


def _build(options: OneStyleMethod, _: int) -> nn.Module:
    shape = UlyanovShape(width=options.width or UlyanovShape.width)
    return Ulyanov(shape, normalization=NORMALIZATIONS[options.normalization])


ROW = BuiltInRow(
    name="ulyanov",
    title="One style: the multi-scale generator of Ulyanov et al. 2016, 2017",
    architecture="picture and noise at six scales, three convolutions each, joined upwards",
    tables=built_in_tables("ulyanov", OneStyleMethod),
    build=_build,
    # Theirs: content at relu4_2, style up to relu5_1.
    layers=Layers("relu4_1", ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
    single=True,
)
