"""Many styles in one network: a bank of filters each, between an encoder and a decoder.

Chen, Yuan, Liao, Yu & Hua, "StyleBank: an explicit representation for neural image style transfer"
(CVPR 2017, arXiv 1703.09210).

    picture -> encoder -> F ------------------> decoder -> the picture again     (auto-encoder)
                          F -> K_i * F -------> decoder -> the picture in style i

Encoder and decoder represent only content and a bank only style, so banks can be mixed, combined by
region, and trained one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.nets.blocks import reflected, reflecting
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.training.builtin import Layers, TwoBranches
from impasto.lab.training.config import (
    StyleBankMethod,
    StyleOptimizer,
    built_in_tables,
)
from impasto.lab.training.networks import NORMALIZATIONS, BuiltInRow

BANK = 3
"""Side of a bank's filters."""


@dataclass(frozen=True)
class StyleBankShape:
    """Channels of the first convolution; twice and four times as many follow."""

    width: int = 32


class StyleBank(nn.Module):
    """Encoder, banks and decoder.

    Encoder: 9x9, and two 3x3 of stride 2; the decoder mirrors it. Normalization and ReLU follow
    every convolution but the last. There are no residual blocks.
    """

    multiple = 4
    controls: tuple[str, ...] = ("alpha", "several", "masks")

    def __init__(
        self,
        styles: int,
        shape: StyleBankShape = StyleBankShape(),
        *,
        normalization: Callable[[int], nn.Module] = InstanceNorm,
    ) -> None:
        """Build with ``normalization``, the layer for given channels; the paper's is instance."""
        super().__init__()
        self.styles, self.shape = styles, shape
        one, two, four = (shape.width * factor for factor in (1, 2, 4))
        self.encoder = nn.ModuleList(
            nn.Sequential(
                reflecting(*channels, size=size, stride=stride), normalization(channels[1])
            )
            for channels, size, stride in (
                ((3, one), 9, 1),
                ((one, two), 3, 2),
                ((two, four), 3, 2),
            )
        )
        # A new bank starts near the identity: from the auto-encoder's picture.
        identity = torch.zeros(four, four, BANK, BANK)
        identity[range(four), range(four), BANK // 2, BANK // 2] = 1.0
        noise = torch.randn(styles, four, four, BANK, BANK) / (BANK * four**0.5)
        # (S, outputs, inputs x height x width)
        self.banks = nn.Parameter((identity + 0.1 * noise).flatten(2))
        self.decoder = nn.ModuleList(
            nn.Sequential(reflecting(inputs, outputs), normalization(outputs))
            for inputs, outputs in ((four, two), (two, one))
        )
        self.head = reflecting(one, 3, size=9, bias=True)
        with torch.no_grad():  # starts from a gray picture
            self.head.weight.mul_(0.1)

    def encode(self, image: Tensor) -> Tensor:
        """Return F (N, C, H/4, W/4) of ``image`` (N, 3, H, W) in [0, 1]."""
        x = (image - 0.5) * 4
        for layer in self.encoder:
            x = F.relu(layer(x))
        return x

    def decode(self, features: Tensor) -> Tensor:
        """Return the picture (N, 3, H, W) of features, before its light is restored."""
        x = features
        for layer in self.decoder:
            # Nearest up-sampling and a convolution, where the paper has convolutions of stride 1/2.
            x = F.relu(layer(F.interpolate(x, scale_factor=2, mode="nearest")))
        # Bounded as in Johnson et al. The paper names no function here; without one a few edges far
        # beyond black and white satisfy the style loss, and everything between is gray.
        return 0.5 + 150 / 255 * torch.tanh(self.head(x).float())

    def reconstruct(self, image: Tensor) -> Tensor:
        """Run only the auto-encoder branch."""
        return relit(self.decode(self.encode(image)), image, image.new_ones(1, 1, 1, 1))

    @property
    def pixel_bytes(self) -> int:
        """Largest memory per pixel in any engine, as measured at several widths."""
        return 36 * self.shape.width + 96

    def forward(self, image: Tensor, weights: Tensor) -> Tensor:
        """Paint ``image`` (N, 3, H, W) in [0, 1]; return (N, 3, H, W), not clipped.

        ``weights`` (N, S, 1, 1), or maps (N, S, H/4, W/4), are the amounts of the styles; the rest
        to 1 goes to F itself, so they are the strength too. One for all is also accepted.
        """
        rest = (1 - weights.sum(dim=1, keepdim=True)).clamp(min=0)
        return self.finish(self.banked(self.encode(image), weights), image, rest)

    def finish(self, features: Tensor, image: Tensor, rest: Tensor) -> Tensor:
        """Return the picture of features after the banks.

        ``rest`` (1 or N, 1, 1, 1), or a map (1 or N, 1, H/4, W/4), is the share of ``features``
        without style, which gets the light of ``image``.
        """
        return relit(self.decode(features), image, rest)

    def bank(self, features: Tensor, style: Tensor) -> Tensor:
        """Return ``K * F`` of a separate bank, given as a row of filters, (1, P, 1, 1)."""
        channels = features.shape[1]
        kernel = style.reshape(channels, channels, BANK, BANK)
        return F.conv2d(reflected(features, BANK // 2), kernel)

    def banked(self, features: Tensor, weights: Tensor) -> Tensor:
        """Return ``sum_i K_i * (w_i F) + (1 - sum_i w_i) F``: the paper's fusions, and strength."""
        rest = (1 - weights.sum(dim=1, keepdim=True)) * features
        if weights.shape[2:] != (1, 1):
            return rest + self._side_by_side(features, weights)
        # Uniform weights: the banks are first mixed into one (linear fusion).
        mixed = (weights[:, :, 0] * self.banks.flatten(1)).sum(dim=1)
        n, channels = features.shape[:2]
        kernels = mixed.reshape(-1, channels, channels, BANK, BANK)
        around = reflected(features, BANK // 2)
        if len(kernels) == 1:
            return rest + F.conv2d(around, kernels[0])
        found = F.conv2d(around.flatten(0, 1)[None], kernels.flatten(0, 1), groups=n)
        sorted_out: Tensor = found.unflatten(1, (n, channels))[0]
        return rest + sorted_out

    def _side_by_side(self, features: Tensor, weights: Tensor) -> Tensor:
        """Fuse by regions: each bank is applied to its own, in one convolution over all of them."""
        regions = (features[:, None] * weights[:, :, None]).flatten(1, 2)
        channels = features.shape[1]
        kernels = self.banks.unflatten(2, (channels, BANK, BANK))
        return F.conv2d(reflected(regions, BANK // 2), kernels.transpose(0, 1).flatten(1, 2))

    def style_parameters(self) -> list[nn.Parameter]:
        """Return the parameters of styles: tensors whose first axis is the style."""
        return [self.banks]


def relit(picture: Tensor, image: Tensor, share: Tensor) -> Tensor:
    """Return ``picture`` with the light of ``image``, by ``share`` (N, 1, h, w) at each position.

    Light is the mean and the deviation of each color, weighted by the share. This is not in the
    paper: instance normalization removes them from the features, and an auto-encoder can only guess
    them (16 dB). Where a style has full weight the share is 0 and nothing changes.
    """
    share = F.interpolate(share, size=image.shape[2:], mode="bilinear")
    total = share.sum(dim=(2, 3), keepdim=True).clamp(min=1e-3)

    def light(x: Tensor) -> tuple[Tensor, Tensor]:
        mean = (share * x).sum(dim=(2, 3), keepdim=True) / total
        variance = (share * (x - mean).square()).sum(dim=(2, 3), keepdim=True) / total
        return mean, (variance + 1e-4).sqrt()

    (mean, deviation), (own, spread) = light(image), light(picture)
    return picture + share * ((picture - own) * (deviation / spread) + mean - picture)


def _build(options: StyleBankMethod, styles: int) -> nn.Module:
    shape = StyleBankShape(width=options.width or StyleBankShape.width)
    return StyleBank(styles, shape, normalization=NORMALIZATIONS[options.normalization])


ROW = BuiltInRow(
    name="stylebank",
    title="Many styles: StyleBank of Chen et al. 2017",
    architecture="9x9, two strided convolutions, a 3x3 filter bank a style, up again",
    tables=built_in_tables(
        "stylebank", StyleBankMethod, optimizer=StyleOptimizer, logged="identity"
    ),
    build=_build,
    # Theirs: content at relu4_2; style at relu1_2, 2_2, 3_2 and 4_2.
    layers=Layers("relu4_1", ("relu1_2", "relu2_2", "relu3_2", "relu4_1")),
    objective=TwoBranches,
)
