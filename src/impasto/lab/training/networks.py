"""Rows of networks that can be trained: all that training knows of a network.

Each stands beside its network, and ``registry`` says where.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from torch import Tensor, nn

from impasto.lab.nets.batchnorm import BatchNorm
from impasto.lab.nets.network import stylize
from impasto.lab.nets.normalization import InstanceNorm
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.builtin import BuiltInObjective, Layers
from impasto.lab.training.config import Tables
from impasto.lab.training.objective import Objective, Paint
from impasto.lab.training.registry import HOMES, load_row
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
        tables: of its config (``config.built_in_tables``).
        build: makes it for the options of its own table and a number of styles, with random
            weights. ``forward(image, weights)`` paints; ``styles``, ``multiple``, ``controls`` and
            ``pixel_bytes`` are as in :class:`impasto.lab.export.builtin.BuiltIn`, and
            ``style_parameters()`` gives what belongs to styles, if there are several.
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
    build: Callable[[Any, int], nn.Module]
    layers: Layers
    objective: type[BuiltInObjective] = BuiltInObjective
    single: bool = False
    licence: str = "MIT"

    exported = True

    def described(self, options: Any) -> str:
        """The architecture, and its normalization where that is an option."""
        normalization = getattr(options, "normalization", "")
        told = f"; {normalization} normalization" if normalization else ""
        return f"{self.architecture}{told}"

    @property
    def family(self) -> str:
        """The styles that it paints, in words."""
        return "one style" if self.single else "many styles"


def _itself(learned: Any, _: VGG) -> Any:
    return learned


@dataclass(frozen=True)
class NetworkRow:
    """Facts about a network for any style, for training, publishing and the command.

    Attributes:
        name: as in a config.
        title: for the card.
        architecture: for the card, in a line, with options of its own table in braces.
        build: makes what is trained, averaged and kept in checkpoints for the options of its own
            table, with random weights.
        tables: of its config; ``Tables(method=OPTIONS, title=NAME)`` gives it a table ``[NAME]``
            with the fields of a frozen dataclass.
        paint: its pictures of a batch: of all pairs, then of the first ``batch.unaligned`` contents
            with nothing changed. None: an :class:`impasto.lab.nets.network.EncoderDecoder`, whose
            pictures are made as the studio makes them.
        assembled: puts what was learned and the config's VGG together to the network that is
            exported, an ``EncoderDecoder``: ``encode``, scale and shift, ``decode``. By default
            what was learned is the network. None where it is no such network, and not exported.
        part: the name of what is learned inside the assembled network, with a dot; "" where they
            are the same.
        features: the layer of VGG at which ``paint`` asks for the features of a batch
            (``batch.inner``), by the options of its own table; None: at none.
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
    build: Callable[[Any], nn.Module]
    tables: Tables = field(default_factory=Tables)
    paint: Paint | None = None
    assembled: Callable[[Any, VGG], Any] | None = _itself
    part: str = ""
    features: Callable[[Any], str] | None = None
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

    def described(self, options: Any) -> str:
        """The architecture, with the options that it names."""
        return self.architecture.format(**vars(options))

    def layer(self, options: Any) -> str:
        """The layer at which ``paint`` asks for features; empty where it asks for none."""
        return self.features(options) if self.features else ""

    @property
    def painted(self) -> Paint:
        """The function that paints a batch."""
        return self.paint or partial(paint_pairs, margin=self.margin)

    @property
    def family(self) -> str:
        """The styles that it paints, in words."""
        return "any style"


def paint_pairs(network: Any, batch: Batch, *, margin: int = 0) -> Tensor:
    """Pictures of a batch by a network that encodes and decodes, then of its unaligned contents."""
    return stylize(network, batch.contents, batch.styles, unaligned=batch.unaligned, margin=margin)


def find_network(name: str) -> NetworkRow | BuiltInRow:
    """The row called ``name``; ``OptionError`` where there is none."""
    row: NetworkRow | BuiltInRow = load_row(name)
    return row


def all_networks() -> list[NetworkRow | BuiltInRow]:
    """Every row of the lab's own networks, in the order of ``registry.HOMES``."""
    return [find_network(name) for name in HOMES]
