"""One style per network: the image transformation network of Johnson et al.

Johnson, Alahi & Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution"
(ECCV 2016, arXiv 1603.08155) and its supplement; with instance in place of batch normalization it
is the better of the two networks of Ulyanov et al. 2017 (arXiv 1701.02096).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.nets.blocks import reflecting
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.training.builtin import Layers
from impasto.lab.training.config import OneStyleMethod, built_in_tables
from impasto.lab.training.networks import NORMALIZATIONS, BuiltInRow


@dataclass(frozen=True)
class JohnsonShape:
    """Channels of the first convolution (twice and four times as many follow), and number of
    residual blocks; by default the paper's."""

    width: int = 32
    blocks: int = 5


class Johnson(nn.Module):
    """The network c9s1-32, d64, d128, R128 (five), u64, u32, c9s1-3.

    It paints its one style, without style weights or strength.
    """

    styles = 1
    multiple = 4
    controls: tuple[str, ...] = ()

    def __init__(
        self,
        shape: JohnsonShape = JohnsonShape(),
        *,
        normalization: Callable[[int], nn.Module] = InstanceNorm,
    ) -> None:
        """Build with ``normalization``, the layer for given channels; the paper's is batch."""
        super().__init__()
        self.shape = shape
        one, two, four = (shape.width * factor for factor in (1, 2, 4))
        self.downs = nn.ModuleList(
            nn.Sequential(
                reflecting(*channels, size=size, stride=stride), normalization(channels[1])
            )
            for channels, size, stride in (
                ((3, one), 9, 1),
                ((one, two), 3, 2),
                ((two, four), 3, 2),
            )
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                # Padded; the paper's blocks crop and its picture gets 40 pixels of reflection
                # first (`padding_type` "reflect" of the authors' code, not "reflect-start").
                reflecting(four, four), normalization(four), nn.ReLU(),
                reflecting(four, four), normalization(four),
            )
            for _ in range(shape.blocks)
        )  # fmt: skip
        self.ups = nn.ModuleList(
            nn.Sequential(reflecting(inputs, outputs), normalization(outputs))
            for inputs, outputs in ((four, two), (two, one))
        )
        self.head = reflecting(one, 3, size=9, bias=True)
        with torch.no_grad():  # starts from a gray picture, not a saturated one
            self.head.weight.mul_(0.1)

    @property
    def pixel_bytes(self) -> int:
        """Largest memory per pixel in any engine, as measured at several widths."""
        return 34 * self.shape.width

    def forward(self, image: Tensor, weights: Tensor | None = None) -> Tensor:
        """Paint ``image`` (N, 3, H, W) in [0, 1]; return (N, 3, H, W), not clipped."""
        x = (image - 0.5) * 4
        for down in self.downs:
            x = F.relu(down(x))
        for block in self.blocks:
            x = x + block(x)
        for up in self.ups:
            # Nearest up-sampling and a convolution (`U` of the authors' code), where the paper has
            # convolutions of stride 1/2 (`u`), which leave a checkerboard.
            x = F.relu(up(F.interpolate(x, scale_factor=2, mode="nearest")))
        # 150 tanh around the mean in their units of 0 to 255; the mean here is mid-gray.
        return 0.5 + 150 / 255 * torch.tanh(self.head(x))


def _build(options: OneStyleMethod, _: int) -> nn.Module:
    shape = JohnsonShape(width=options.width or JohnsonShape.width)
    return Johnson(shape, normalization=NORMALIZATIONS[options.normalization])


ROW = BuiltInRow(
    name="johnson",
    title="One style: the network of Johnson et al. 2016",
    architecture="9x9, two strided convolutions, five residual blocks, up again",
    tables=built_in_tables("johnson", OneStyleMethod),
    build=_build,
    # The paper; the authors' code compares content at relu3_3. Theirs: relu4_3.
    layers=Layers("relu2_2", ("relu1_2", "relu2_2", "relu3_3", "relu4_1")),
    single=True,
)
