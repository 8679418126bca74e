"""The paper's network: VGG-19 to relu4_1, one AdaIN, a mirrored decoder.

Huang & Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization"
(ICCV 2017, arXiv 1703.06868), section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.nets.batchnorm import BatchNorm
from impasto.lab.nets.blocks import affine, reflected
from impasto.lab.nets.network import EncoderDecoder
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.nets.state import difference, read_weights, under_prefix
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.networks import NetworkRow
from impasto.lab.training.terms import Batch
from impasto.models.bundle import Level

LAYER = "relu4_1"
DECODER: tuple[tuple[str, int, int, bool], ...] = (
    ("1", 512, 256, True),
    ("5", 256, 256, False), ("8", 256, 256, False), ("11", 256, 256, False),
    ("14", 256, 128, True), ("18", 128, 128, False),
    ("21", 128, 64, True), ("25", 64, 64, False), ("28", 64, 3, False),
)  # fmt: skip
"""Key in pytorch-AdaIN's ``decoder.pth``, channels in and out, whether up-sampling follows."""


class Decoder(nn.Module):
    """relu4_1 back to a picture: the encoder mirrored, nearest up-sampling, reflection padding.

    No normalization layer, which would tie the output to one style, and no ReLU at the end.  The
    ablations of fig. 6 change one thing each: twice the channels in (content and style features
    side by side instead of AdaIN), or a normalization layer behind every convolution but the last.
    """

    def __init__(
        self, *, channels: int = 512, normalization: Callable[[int], nn.Module] | None = None
    ) -> None:
        """``channels`` come in; ``normalization`` makes the layer for a number of channels."""
        super().__init__()
        last = DECODER[-1][0]
        first = DECODER[0][0]
        self.convolutions = nn.ModuleDict(
            {
                key: nn.Conv2d(channels if key == first else inputs, outputs, 3)
                for key, inputs, outputs, _ in DECODER
            }
        )
        self.normalizations = nn.ModuleDict(
            {key: normalization(outputs) for key, _, outputs, _ in DECODER if key != last}
            if normalization
            else {}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Picture (N, 3, 8h, 8w), not clipped, from features (N, channels, h, w)."""
        last = DECODER[-1][0]
        for key, _, _, up in DECODER:
            x = self.convolutions[key](reflected(x))
            if self.normalizations and key != last:
                x = self.normalizations[key](x)
            if key != last:
                x = F.relu(x, inplace=True)
            if up:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x


def decoder_from(weights: Mapping[str, Tensor]) -> Decoder:
    """The decoder with weights that have pytorch-AdaIN's keys, or those behind a prefix.

    Raises ``ModelError`` where they do not.
    """
    decoder = Decoder()
    own = decoder.convolutions.state_dict()
    found = under_prefix(weights, own)
    if differing := difference(own, found):
        raise ModelError(f"not a decoder of the pytorch-AdaIN layout: {differing}")
    decoder.convolutions.load_state_dict(found)
    return decoder.to(memory_format=torch.channels_last)


def load_decoder(path: str | Path) -> Decoder:
    """The decoder in a file, as :func:`decoder_from`.

    Raises ``ModelError`` for a file that is missing, damaged or something else.
    """
    weights = read_weights(path)
    try:
        return decoder_from(weights)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def encoder_of(vgg: VGG) -> VGG:
    """``vgg`` itself, cut behind relu4_1: the paper's encoder.

    Raises ``ModelError`` where it does not reach so far.
    """
    names = list(vgg.convolutions)
    if "conv4_1" not in names:
        raise ModelError(f"this VGG ends at {names[-1]}; the paper's encoder needs conv4_1")
    for name in names[names.index("conv4_1") + 1 :]:
        del vgg.convolutions[name]
    return vgg


class AdaINNetwork(EncoderDecoder):
    """Fixed encoder and learned decoder, with the two verbs every network here has."""

    multiple = 8
    levels = (Level(name=LAYER, channels=512, stride=8),)
    # Encoder: 3x3 convolutions at strides 1, 1, 2, 2, 4 (four), 8 and three 2x2 poolings; decoder:
    # its mirror. One cell of 8 px more, since pooled and up-sampled grids move in whole cells.
    rim = 2 * (1 + 1 + 2 + 2 + 4 * 4 + 8) + (1 + 2 + 4) + 8
    encoder_rim = 1 + 1 + 2 + 2 + 4 * 4 + 8  # poolings stay within a cell

    def __init__(self, vgg: VGG, decoder: Decoder) -> None:
        super().__init__()
        self.vgg, self.decoder = vgg, decoder

    def encode(self, image: Tensor) -> list[Tensor]:
        """relu4_1 of ``image`` (N, 3, H, W) in [0, 1], as the only level."""
        return [self.vgg(image, [LAYER])[LAYER]]

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """The picture (N, 3, H, W), not clipped, from features under one affine map."""
        picture: Tensor = self.decoder(affine(features[0], scales[0], shifts[0]))
        return picture


def _decoded_target(decoder: Any, batch: Batch) -> Tensor:
    # The encoder is the judge: AdaIN of its features is the batch's target already.
    content, _ = _features(batch)
    picture: Tensor = decoder(torch.cat([batch.target, content[: batch.unaligned]]))
    return picture


def _decoded_pair(decoder: Any, batch: Batch) -> Tensor:
    content, style = _features(batch)
    alone = content[: batch.unaligned]  # a picture with itself as its style
    pairs = torch.cat([torch.cat([content, style], 1), torch.cat([alone, alone], 1)])
    picture: Tensor = decoder(pairs)
    return picture


def _features(batch: Batch) -> tuple[Tensor, Tensor]:
    if batch.content is None or batch.style is None:
        raise OptionError("these batches keep no features; make them with Objective(features=True)")
    return batch.content, batch.style


def _of_vgg(decoder: Any, vgg: VGG) -> AdaINNetwork:
    return AdaINNetwork(encoder_of(vgg), decoder)


# Eighteen convolutions in a row round differently in windows of another size: in bfloat16 tiles
# were 2 of 255 off the whole picture, where 1 is promised.
_DEEP = "fp32"

ADAIN = NetworkRow(
    name="adain",
    title="The network of Huang & Belongie 2017",
    architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder",
    build=lambda _: Decoder(),
    paint=_decoded_target,
    assembled=_of_vgg,
    part="decoder.",
    features=True,
    alone=True,
    licence="MIT (decoder); the encoder's is that of the VGG file",
    precision=_DEEP,
)

CONCATENATION = NetworkRow(
    name="adain-concat",
    title="Fig. 6 of Huang & Belongie 2017: concatenation in place of AdaIN",
    architecture="VGG-19 to relu4_1 of content and style side by side, mirrored decoder",
    build=lambda _: Decoder(channels=1024),
    paint=_decoded_pair,
    assembled=None,
    features=True,
    remark="its decoder takes the style's whole features, and a bundle only their moments",
)

BATCH_NORMALIZED = NetworkRow(
    name="adain-bn",
    title="Fig. 6 of Huang & Belongie 2017: batch normalization in the decoder",
    architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder with batch normalization",
    build=lambda _: Decoder(normalization=BatchNorm),
    paint=_decoded_target,
    assembled=_of_vgg,
    part="decoder.",
    features=True,
    licence="MIT (decoder); the encoder's is that of the VGG file",
    precision=_DEEP,
)

INSTANCE_NORMALIZED = NetworkRow(
    name="adain-in",
    title="Fig. 6 of Huang & Belongie 2017: instance normalization in the decoder",
    architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder with instance normalization",
    build=lambda _: Decoder(normalization=InstanceNorm),
    paint=_decoded_target,
    assembled=None,
    features=True,
    remark="its decoder takes statistics of the whole picture, and a bundle's must be local",
)
