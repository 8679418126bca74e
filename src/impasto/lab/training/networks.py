"""Rows of networks that can be trained: all that training knows of a network.

Each stands beside its network, and ``registry`` says where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn

from impasto.lab.nets.batchnorm import BatchNorm
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.builtin import BuiltInObjective, Layers
from impasto.lab.training.config import Tables, TrainConfig
from impasto.lab.training.objective import Objective, Paint
from impasto.lab.training.registry import HOMES, load_row

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
        tables: of its config.
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
    tables: Tables
    network: Callable[[TrainConfig, int], nn.Module]
    layers: Layers
    objective: type[BuiltInObjective] = BuiltInObjective
    single: bool = False
    licence: str = "MIT"

    exported = True


@dataclass(frozen=True)
class NetworkRow:
    """Facts about a network for any style, for training, publishing and the command.

    Attributes:
        name: as in a config.
        title: for the card.
        architecture: for the card, in a line.
        tables: of its config.
        learned: makes what is trained, averaged and kept in checkpoints, with random weights.
        paint: its pictures of a batch.
        assembled: puts what was learned and the config's VGG together to the network that is
            exported; None where it does not fit ``encode`` and ``decode(features, scale, shift)``.
        part: the name of what is learned inside the assembled network, with a dot; "" where they
            are the same.
        features: whether ``paint`` asks for the VGG features of a batch.
        objective: what is minimized.
        opened: what its method does to the setup of a run beyond what all do
            (``setup.open_setup``).
        alone: whether what is learned is kept without its VGG (``publish_decoder``).
        margin: reflected border in pixels that the studio puts around pictures.
        licence: of the exported weights.
        precision: for the card: what it runs in by default.
        remark: why it is not exported.
    """

    name: str
    title: str
    architecture: str
    tables: Tables
    learned: Callable[[], nn.Module]
    paint: Paint
    assembled: Callable[[Any, VGG], Any] | None
    part: str = ""
    features: bool = False
    objective: type[Objective] = Objective
    opened: Callable[..., Any] | None = None
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
    row: NetworkRow | BuiltInRow = load_row(name)
    return row


def all_networks() -> list[NetworkRow | BuiltInRow]:
    """Every row, in the order of ``registry.HOMES``."""
    return [find_network(name) for name in HOMES]
