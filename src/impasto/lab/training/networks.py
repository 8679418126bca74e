"""The networks that can be trained: a row each, which is all that training knows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from impasto.errors import OptionError
from impasto.lab.methods.adain import AdaINNetwork, Decoder, encoder_of
from impasto.lab.methods.cin import CIN, CINShape
from impasto.lab.methods.compact.network import EYE, FAST, QUALITY, Compact, CompactShape, Eye
from impasto.lab.methods.compact.reading import InverseObjective, ReadingObjective
from impasto.lab.methods.johnson import Johnson, JohnsonShape
from impasto.lab.methods.style_swap import Inverse
from impasto.lab.methods.stylebank import StyleBank, StyleBankShape
from impasto.lab.methods.ulyanov import Ulyanov, UlyanovShape
from impasto.lab.nets.batchnorm import BatchNorm
from impasto.lab.nets.network import stylize
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.builtin import BuiltInObjective, Layers, TwoBranches
from impasto.lab.training.config import TrainConfig
from impasto.lab.training.objective import Objective, Paint
from impasto.lab.training.terms import Batch

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm,
    "batch": BatchNorm,
}
"""Values of ``normalization`` in a config."""


@dataclass(frozen=True)
class BuiltInRow:
    """Facts about a network with built-in styles, for training, publishing and the command.

    Attributes:
        name: as in a config.
        title: for the card.
        architecture: for the card, in a line.
        network: makes it for a config and a number of styles, with random weights.
        layers: where its paper compares content and style. The papers' judge is VGG-16; ours is
            VGG-19, whose layers of these names are the same in number up to relu3_3, and which the
            normalised weights have up to relu4_1: it stands for relu4_2 and relu4_3.
        objective: what is minimized.
        single: whether it has exactly one style.
        licence: of the exported weights.
    """

    name: str
    title: str
    architecture: str
    network: Callable[[TrainConfig, int], nn.Module]
    layers: Layers
    objective: type[BuiltInObjective] = BuiltInObjective
    single: bool = False
    licence: str = "MIT"

    exported = True


def _johnson(config: TrainConfig, _: int) -> nn.Module:
    shape = JohnsonShape(width=config.method.width or JohnsonShape.width)
    return Johnson(shape, normalization=NORMALIZATIONS[config.method.normalization])


def _ulyanov(config: TrainConfig, _: int) -> nn.Module:
    shape = UlyanovShape(width=config.method.width or UlyanovShape.width)
    return Ulyanov(shape, normalization=NORMALIZATIONS[config.method.normalization])


def _cin(config: TrainConfig, styles: int) -> nn.Module:
    return CIN(styles, CINShape(width=config.method.width or CINShape.width))


def _stylebank(config: TrainConfig, styles: int) -> nn.Module:
    return StyleBank(styles, StyleBankShape(width=config.method.width or StyleBankShape.width))


BUILT_IN: tuple[BuiltInRow, ...] = (
    BuiltInRow(
        name="johnson",
        title="One style: the network of Johnson et al. 2016",
        architecture="9x9, two strided convolutions, five residual blocks, up again",
        network=_johnson,
        # The paper; the authors' code compares content at relu3_3. Theirs: relu4_3.
        layers=Layers("relu2_2", ("relu1_2", "relu2_2", "relu3_3", "relu4_1")),
        single=True,
    ),
    BuiltInRow(
        name="ulyanov",
        title="One style: the multi-scale generator of Ulyanov et al. 2016, 2017",
        architecture="picture and noise at six scales, three convolutions each, joined upwards",
        network=_ulyanov,
        # Theirs: content at relu4_2, style up to relu5_1.
        layers=Layers("relu4_1", ("relu1_1", "relu2_1", "relu3_1", "relu4_1")),
        single=True,
    ),
    BuiltInRow(
        name="cin",
        title="Many styles: conditional instance normalization of Dumoulin et al. 2017",
        architecture="9x9, two strided convolutions, five residual blocks, up again; a gamma and "
        "beta a style in every normalization",
        network=_cin,
        # The paper says no more than that it follows Johnson et al.; content as in their code.
        layers=Layers("relu3_3", ("relu1_2", "relu2_2", "relu3_3", "relu4_1")),
    ),
    BuiltInRow(
        name="stylebank",
        title="Many styles: StyleBank of Chen et al. 2017",
        architecture="9x9, two strided convolutions, a 3x3 filter bank a style, up again",
        network=_stylebank,
        # Theirs: content at relu4_2; style at relu1_2, 2_2, 3_2 and 4_2.
        layers=Layers("relu4_1", ("relu1_2", "relu2_2", "relu3_2", "relu4_1")),
        objective=TwoBranches,
    ),
)


MARGIN = 16
"""Reflected border in pixels around pictures of the compact networks, which pad with zeros."""
WIDE = 64
"""A border so wide that next to nothing of the zeros behind it is seen within."""


@dataclass(frozen=True)
class NetworkRow:
    """Facts about a network for any style, for training, publishing and the command.

    Attributes:
        name: as in a config.
        title: for the card.
        architecture: for the card, in a line.
        learned: makes what is trained, averaged and kept in checkpoints, with random weights.
        paint: its pictures of a batch.
        assembled: puts what was learned and the config's VGG together to the network that is
            exported; None where it does not fit ``encode`` and ``decode(features, scale, shift)``.
        part: the name of what is learned inside the assembled network, with a dot; "" where they
            are the same.
        features: whether ``paint`` asks for the VGG features of a batch.
        objective: what is minimized.
        alone: whether what is learned is kept without its VGG (``publish_decoder``).
        margin: reflected border in pixels that the studio puts around pictures.
        licence: of the exported weights.
        precision: for the card: what it runs in by default.
        remark: why it is not exported.
    """

    name: str
    title: str
    architecture: str
    learned: Callable[[], nn.Module]
    paint: Paint
    assembled: Callable[[Any, VGG], Any] | None
    part: str = ""
    features: bool = False
    objective: type[Objective] = Objective
    alone: bool = False
    margin: int = 0
    licence: str = "MIT"
    precision: str = ""
    remark: str = ""

    @property
    def exported(self) -> bool:
        """True if a finished run can be published as a bundle."""
        return self.assembled is not None


def find_network(name: str) -> NetworkRow | BuiltInRow:
    """The row called ``name``; ``OptionError`` where there is none."""
    rows: tuple[NetworkRow | BuiltInRow, ...] = (*NETWORKS, *BUILT_IN)
    for row in rows:
        if row.name == name:
            return row
    raise OptionError(f"no network {name!r}; there are {', '.join(row.name for row in rows)}")


def _compact(name: str, title: str, shape: CompactShape) -> NetworkRow:
    return NetworkRow(
        name=name,
        title=title,
        architecture=(
            f"pixel unshuffle, {len(shape.channels)} levels of {shape.channels} channels, "
            f"residual blocks {shape.encoder_blocks} down and {shape.decoder_blocks} up, "
            f"styles read with an eye of {shape.eye} channels"
        ),
        learned=lambda: Compact(shape),
        paint=_stylized,
        assembled=lambda learned, _: learned,
        margin=MARGIN,
    )


def _stylized(network: Any, batch: Batch) -> Tensor:
    # With a margin, as the studio: what a network that pads with zeros does there is not seen.
    # Without one it puts there what is missing within, and is off wherever the rim is cut off.
    contents, styles = batch.contents, batch.styles
    margin = MARGIN if batch.rim is None else WIDE
    pictures = stylize(network, contents, styles, unaligned=batch.unaligned, margin=margin)
    if not batch.rim:
        return pictures
    narrow = stylize(network, contents[: batch.rim], styles[: batch.rim], margin=MARGIN)
    return torch.cat([pictures, narrow])


def _decoded_target(decoder: Any, batch: Batch) -> Tensor:
    # The encoder is the judge: AdaIN of its features is the batch's target already.
    content, _ = _features(batch)
    picture: Tensor = decoder(torch.cat([batch.target, content[: batch.unaligned]]))
    return picture


def _inverted(inverse: Any, batch: Batch) -> Tensor:
    picture: Tensor = inverse(batch.target)
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

NETWORKS: tuple[NetworkRow, ...] = (
    _compact("fast", "Compact network for real time", FAST),
    _compact("quality", "Compact network, better pictures for four times the work", QUALITY),
    NetworkRow(
        name="adain",
        title="The network of Huang & Belongie 2017",
        architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder",
        learned=Decoder,
        paint=_decoded_target,
        assembled=_of_vgg,
        part="decoder.",
        features=True,
        alone=True,
        licence="MIT (decoder); the encoder's is that of the VGG file",
        precision=_DEEP,
    ),
    NetworkRow(
        name="adain-concat",
        title="Fig. 6 of Huang & Belongie 2017: concatenation in place of AdaIN",
        architecture="VGG-19 to relu4_1 of content and style side by side, mirrored decoder",
        learned=lambda: Decoder(channels=1024),
        paint=_decoded_pair,
        assembled=None,
        features=True,
        remark="its decoder takes the style's whole features, and a bundle only their moments",
    ),
    NetworkRow(
        name="adain-bn",
        title="Fig. 6 of Huang & Belongie 2017: batch normalization in the decoder",
        architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder with batch normalization",
        learned=lambda: Decoder(normalization=BatchNorm),
        paint=_decoded_target,
        assembled=_of_vgg,
        part="decoder.",
        features=True,
        licence="MIT (decoder); the encoder's is that of the VGG file",
        precision=_DEEP,
    ),
    NetworkRow(
        name="adain-in",
        title="Fig. 6 of Huang & Belongie 2017: instance normalization in the decoder",
        architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder with instance normalization",
        learned=lambda: Decoder(normalization=InstanceNorm),
        paint=_decoded_target,
        assembled=None,
        features=True,
        remark="its decoder takes statistics of the whole picture, and a bundle's must be local",
    ),
    NetworkRow(
        name="reader",
        title="The eye that the compact networks read styles with",
        architecture=f"features of {EYE} channels that tell the maps of VGG-19",
        learned=lambda: Eye(EYE),
        paint=_stylized,
        assembled=None,
        objective=ReadingObjective,
        remark="it paints nothing; a config of a compact network names its checkpoint as its eye",
    ),
    NetworkRow(
        name="style-swap",
        title="The inverse network of Chen & Schmidt 2016",
        architecture="relu3_1 of VGG-19 back to pixels: five convolutions, the mirrored VGG",
        learned=Inverse,
        paint=_inverted,
        assembled=None,
        objective=InverseObjective,
        alone=True,
        remark="a bundle aligns moments and swaps no patches; impasto lab decoder keeps it for "
        "--model style-swap",
    ),
)
