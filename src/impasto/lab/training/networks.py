"""Rows of networks that can be trained: all facts that training needs about a network.

Each is in the module of its network, listed in ``registry``.
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
"""Allowed values of ``normalization`` in a config."""


@dataclass(frozen=True)
class BuiltInRow:
    """Facts about a network with built-in styles, for training, publishing and the command.

    Attributes:
        name: as in a config.
        title: for the card.
        architecture: for the card, in a line.
        tables: of its config (``config.built_in_tables``).
        build: builds it for the options of its own table and a number of styles, with random
            weights. ``forward(image, weights)`` paints; ``styles``, ``multiple``, ``controls`` and
            ``pixel_bytes`` are as in :class:`impasto.lab.export.builtin.BuiltIn`, and
            ``style_parameters()`` returns the parameters of styles, if there are several.
        layers: the content and style layers of its paper. The papers' judge is VGG-16; ours is
            VGG-19, whose layers of these names are equally many up to relu3_3, and which the
            normalised weights contain up to relu4_1: it replaces relu4_2 and relu4_3.
        objective: the training objective.
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
        """Return the architecture, and its normalization where that is an option."""
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
        build: builds the module that is trained, averaged and kept in checkpoints, for the options
            of its own table, with random weights.
        tables: of its config; ``Tables(method=OPTIONS, title=NAME)`` gives it a table ``[NAME]``
            with the fields of a frozen dataclass.
        paint: returns its pictures of a batch: of all pairs, then of the first ``batch.unaligned``
            contents without alignment. None: an :class:`impasto.lab.nets.network.EncoderDecoder`,
            which paints as in the studio.
        assembled: combines the trained module and the config's VGG into the exported network, an
            ``EncoderDecoder``: ``encode``, scale and shift, ``decode``. By default the trained
            module is the network. None where it is not such a network, and not exported.
        part: the name of the trained module inside the assembled network, with a dot; "" where they
            are the same.
        features: the VGG layer of the features that ``paint`` needs (``batch.inner``), by the
            options of its own table; None: no layer.
        objective: the training objective.
        opened: changes of its method to the common setup of a run (``setup.open_setup``).
        alone: whether the trained module is kept without its VGG (``publish_decoder``).
        margin: reflected border in pixels that the studio adds to pictures.
        licence: of the exported weights.
        precision: for the card: its default precision.
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
        """Return the architecture, with the options that it names."""
        return self.architecture.format(**vars(options))

    def layer(self, options: Any) -> str:
        """Return the layer of the features that ``paint`` needs; empty if none."""
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
    """Paint a batch with an encoder/decoder network, then its unaligned contents."""
    return stylize(network, batch.contents, batch.styles, unaligned=batch.unaligned, margin=margin)


def find_network(name: str) -> NetworkRow | BuiltInRow:
    """Return the row called ``name``; raise ``OptionError`` if there is none."""
    row: NetworkRow | BuiltInRow = load_row(name)
    return row


def all_networks() -> list[NetworkRow | BuiltInRow]:
    """Return every row of the lab's own networks, in the order of ``registry.HOMES``."""
    return [find_network(name) for name in HOMES]
