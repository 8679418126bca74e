"""The paper's network: VGG-19 up to relu4_1, one AdaIN, a mirrored decoder.

Huang & Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization"
(ICCV 2017, arXiv 1703.06868), section 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.losses import STYLE_LAYERS
from impasto.lab.nets.batchnorm import BatchNorm
from impasto.lab.nets.blocks import affine, reflected
from impasto.lab.nets.network import EncoderDecoder
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.nets.precision import channels_last
from impasto.lab.nets.state import difference, read_weights, under_prefix
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.config import Method, Tables
from impasto.lab.training.networks import NetworkRow
from impasto.lab.training.objective import Paint
from impasto.lab.training.terms import Batch
from impasto.models.bundle import Level

LAYER = "relu4_1"
LAYERS = STYLE_LAYERS
"""Layers at which AdaIN may align: those after the first convolution of a block, where the mirrored
decoder starts."""
CHANNELS = (64, 128, 256, 512)
"""Channels of ``LAYERS``."""
DEPTHS = (1, 3, 5, 9)
"""Number of encoder convolutions up to each of ``LAYERS``."""
STRIDES = (1, 1, 2, 2, 4, 4, 4, 4, 8)
"""Strides of these convolutions."""
DECODER: tuple[tuple[str, int, int, bool], ...] = (
    ("1", 512, 256, True),
    ("5", 256, 256, False), ("8", 256, 256, False), ("11", 256, 256, False),
    ("14", 256, 128, True), ("18", 128, 128, False),
    ("21", 128, 64, True), ("25", 64, 64, False), ("28", 64, 3, False),
)  # fmt: skip
"""Key in pytorch-AdaIN's ``decoder.pth``, channels in and out, whether up-sampling follows."""
_LAST = DECODER[-1][0]
_FIRST = {"relu4_1": "1", "relu3_1": "14", "relu2_1": "21", "relu1_1": "28"}


@dataclass(frozen=True)
class AdaINOptions(Method):
    """``[adain]``."""

    layer: str = LAYER
    """Layer of VGG at which AdaIN aligns: relu4_1, the paper's, or relu3_1, relu2_1 or relu1_1; the
    decoder mirrors the encoder up to it."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for another layer."""
        if self.layer not in LAYERS:
            raise OptionError(f"layer = {self.layer!r}; it must be one of {', '.join(LAYERS)}")


class Decoder(nn.Module):
    """Decoder from relu4_1: the mirrored encoder, nearest up-sampling, reflection padding.

    It has no normalization layer, which would tie the output to one style, and no ReLU at the end.
    The ablations of fig. 6 change one thing each: twice the input channels (concatenated content
    and style features instead of AdaIN), or a normalization layer after every convolution but the
    last.
    """

    def __init__(
        self,
        *,
        layer: str = LAYER,
        pairs: bool = False,
        normalization: Callable[[int], nn.Module] | None = None,
    ) -> None:
        """``layer`` of ``LAYERS`` is the input, or two of it concatenated; ``normalization`` builds
        the layer for a number of channels."""
        super().__init__()
        self.layer = layer
        keys = [key for key, *_ in DECODER]
        self.rows = DECODER[keys.index(_FIRST[layer]) :]
        first = self.rows[0][0]
        self.convolutions = nn.ModuleDict(
            {
                key: nn.Conv2d(inputs * 2 if pairs and key == first else inputs, outputs, 3)
                for key, inputs, outputs, _ in self.rows
            }
        )
        self.normalizations = nn.ModuleDict(
            {key: normalization(outputs) for key, _, outputs, _ in self.rows if key != _LAST}
            if normalization
            else {}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, 3, s h, s w), not clipped, from features (N, C, h, w) of stride s."""
        for key, _, _, up in self.rows:
            x = self.convolutions[key](reflected(x))
            if self.normalizations and key != _LAST:
                x = self.normalizations[key](x)
            if key != _LAST:
                x = F.relu(x, inplace=True)
            if up:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x


def decoder_from(weights: Mapping[str, Tensor]) -> Decoder:
    """Return the decoder with weights under pytorch-AdaIN's keys, with or without a prefix.

    It starts at the deepest of ``LAYERS`` for which all weights exist.  Raises ``ModelError`` if
    there is none.
    """
    differing = ""
    for layer in reversed(LAYERS):
        decoder = Decoder(layer=layer)
        own = decoder.convolutions.state_dict()
        found = under_prefix(weights, own)
        if not (lacking := difference(own, found)):
            decoder.convolutions.load_state_dict(found)
            return channels_last(decoder)
        differing = differing or lacking
    raise ModelError(f"not a decoder of the pytorch-AdaIN layout: {differing}")


def load_decoder(path: str | Path) -> Decoder:
    """Return the decoder in a file, as :func:`decoder_from`.

    Raises ``ModelError`` for a file that is missing, damaged or of another kind.
    """
    weights = read_weights(path)
    try:
        return decoder_from(weights)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def encoder_of(vgg: VGG, layer: str = LAYER) -> VGG:
    """Cut ``vgg`` in place after ``layer`` and return it: by default the paper's encoder.

    Raises ``ModelError`` if it ends earlier.
    """
    names, last = list(vgg.convolutions), layer.replace("relu", "conv")
    if last not in names:
        raise ModelError(f"this VGG ends at {names[-1]}; the encoder needs {last}")
    for name in names[names.index(last) + 1 :]:
        del vgg.convolutions[name]
    return vgg


class AdaINNetwork(EncoderDecoder):
    """Fixed encoder and trained decoder, with the two methods of every network here."""

    def __init__(self, vgg: VGG, decoder: Decoder) -> None:
        """Combine ``vgg``, cut at the input layer of ``decoder``, with it."""
        super().__init__()
        self.vgg, self.decoder = vgg, decoder
        number = LAYERS.index(decoder.layer)
        self.multiple = stride = 1 << number
        self.levels = (Level(name=decoder.layer, channels=CHANNELS[number], stride=stride),)
        # 3x3 convolutions and 2x2 poolings, which stay within a cell; the decoder is the mirror.
        # One more cell, since pooled and up-sampled grids move in whole cells.
        self.encoder_rim = sum(STRIDES[: DEPTHS[number]])
        self.rim = 2 * self.encoder_rim + (stride - 1) + stride

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return the aligned layer of ``image`` (N, 3, H, W) in [0, 1], as the only level."""
        layer = self.decoder.layer
        return [self.vgg(image, [layer])[layer]]

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """Return the picture (N, 3, H, W), not clipped, from features under one affine map."""
        picture: Tensor = self.decoder(affine(features[0], scales[0], shifts[0]))
        return picture


def _decoded_target(decoder: Any, batch: Batch) -> Tensor:
    (content, _), aligned = _features(batch)
    picture: Tensor = decoder(torch.cat([aligned, content[: batch.unaligned]]))
    return picture


def _decoded_pair(decoder: Any, batch: Batch) -> Tensor:
    (content, style), _ = _features(batch)
    alone = content[: batch.unaligned]  # a picture with itself as style
    pairs = torch.cat([torch.cat([content, style], 1), torch.cat([alone, alone], 1)])
    picture: Tensor = decoder(pairs)
    return picture


def _features(batch: Batch) -> tuple[tuple[Tensor, Tensor], Tensor]:
    if batch.inner is None or batch.aligned is None:
        raise OptionError("these batches keep no features; make them with Objective(features=...)")
    return batch.inner, batch.aligned


def _of_vgg(decoder: Any, vgg: VGG) -> AdaINNetwork:
    return AdaINNetwork(encoder_of(vgg, decoder.layer), decoder)


def _row(
    paint: Paint, assembled: Callable[[Any, VGG], Any] | None, **made: Any
) -> Callable[..., NetworkRow]:
    """Return a function from facts to a row whose decoder is built with ``made``."""
    return partial(
        NetworkRow,
        build=lambda options: Decoder(layer=options.layer, **made),
        tables=Tables(method=AdaINOptions, title="adain"),
        paint=paint,
        assembled=assembled,
        part="decoder.",
        features=lambda options: options.layer,
        licence="MIT (decoder); the encoder's is that of the VGG file",
        precision=_DEEP,
    )


# Eighteen successive convolutions round differently in windows of another size: in bfloat16 tiles
# differed by 2 of 255 from the whole picture, where 1 is promised.
_DEEP = "fp32"

ADAIN = _row(_decoded_target, _of_vgg)(
    name="adain",
    title="The network of Huang & Belongie 2017",
    architecture="VGG-19 to {layer}, AdaIN, mirrored decoder",
    alone=True,
)

CONCATENATION = _row(_decoded_pair, None, pairs=True)(
    name="adain-concat",
    title="Fig. 6 of Huang & Belongie 2017: concatenation in place of AdaIN",
    architecture="VGG-19 to {layer} of content and style side by side, mirrored decoder",
    remark="its decoder takes the style's whole features, and a bundle only their moments",
)

BATCH_NORMALIZED = _row(_decoded_target, _of_vgg, normalization=BatchNorm)(
    name="adain-bn",
    title="Fig. 6 of Huang & Belongie 2017: batch normalization in the decoder",
    architecture="VGG-19 to {layer}, AdaIN, mirrored decoder with batch normalization",
)

INSTANCE_NORMALIZED = _row(_decoded_target, None, normalization=InstanceNorm)(
    name="adain-in",
    title="Fig. 6 of Huang & Belongie 2017: instance normalization in the decoder",
    architecture="VGG-19 to {layer}, AdaIN, mirrored decoder with instance normalization",
    remark="its decoder takes statistics of the whole picture, and a bundle's must be local",
)
