"""The networks whose styles are built in, a row each: the siblings of AdaIN that are trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from impasto.lab.methods.cin import CIN, CINShape
from impasto.lab.methods.johnson import Johnson, JohnsonShape
from impasto.lab.methods.stylebank import StyleBank, StyleBankShape
from impasto.lab.methods.ulyanov import Ulyanov, UlyanovShape
from impasto.lab.nets.normalization import BatchNorm, InstanceNorm
from impasto.lab.train.builtin import BuiltInObjective, Layers, TwoBranches
from impasto.lab.train.config import TrainConfig

NORMALIZATIONS: dict[str, Callable[[int], nn.Module]] = {
    "instance": InstanceNorm,
    "batch": BatchNorm,
}
"""What ``normalization`` of a config may say."""


@dataclass(frozen=True)
class BuiltInRow:
    """What training, publishing and the command line know of such a network.

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
    shape = JohnsonShape(width=config.width or JohnsonShape.width)
    return Johnson(shape, normalization=NORMALIZATIONS[config.normalization])


def _ulyanov(config: TrainConfig, _: int) -> nn.Module:
    shape = UlyanovShape(width=config.width or UlyanovShape.width)
    return Ulyanov(shape, normalization=NORMALIZATIONS[config.normalization])


def _cin(config: TrainConfig, styles: int) -> nn.Module:
    return CIN(styles, CINShape(width=config.width or CINShape.width))


def _stylebank(config: TrainConfig, styles: int) -> nn.Module:
    return StyleBank(styles, StyleBankShape(width=config.width or StyleBankShape.width))


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
