"""Loss terms, one row each: a new one is a row here and its function.

There is a table for each kind of training.  The functions take painted pictures and their features,
and do not depend on configs; the objectives iterate over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_loss,
    gram,
    gram_loss,
    moment_loss,
    total_variation,
)

CONTENT, STYLE = "content layer", "style layers"
"""Placeholders for layer names in a ``Term``: those set by a config (``Distances``)."""

UNALIGNED = "unaligned"
"""Extra work that a term may need: some contents are also decoded without alignment."""


@dataclass(frozen=True)
class Term:
    """A term of a loss.

    Attributes:
        name: of its weight in a config, and in the log.
        weight: the default.
        function: measured pictures -> the unweighted term.
        layers: VGG layers whose features it needs; ``CONTENT`` and ``STYLE`` stand for those of the
            config.
        needs: extra work of the objective for it, where its weight is not 0: ``UNALIGNED``, or a
            value of its own objective.
        always: whether it is measured for the log even where its weight is 0.
    """

    name: str
    weight: float
    function: Callable[[Any], Tensor]
    layers: tuple[str, ...] = ()
    needs: str = ""
    always: bool = False


@dataclass(frozen=True)
class Distances:
    """Layers and norms of the terms ``content`` and ``style``, from a config.

    Attributes:
        units: ``mean`` or ``sum`` (``losses.style_loss``).
        content_layer: VGG layer of the content.
        squared: squares of distances; else norms.
        style_layers: VGG layers of the style, each with its factor.
    """

    units: str = "mean"
    content_layer: str = CONTENT_LAYER
    squared: bool = True
    style_layers: tuple[tuple[str, float], ...] = tuple((layer, 1.0) for layer in STYLE_LAYERS)

    def layers_of(self, terms: Iterable[Term]) -> list[str]:
        """Return the VGG layers that terms need, each once."""
        own = {CONTENT: [self.content_layer], STYLE: [layer for layer, _ in self.style_layers]}
        asked = (layer for term in terms for layer in term.layers)
        return list(dict.fromkeys(each for layer in asked for each in own.get(layer, [layer])))


@dataclass(frozen=True, eq=False)
class Batch:
    """Targets of pictures of ``contents`` in ``styles`` (N, 3, H, W in [0, 1]).

    Attributes:
        wanted: mean and standard deviation of the styles at the style layers and the content layer.
        target: AdaIN of the contents' features at the content layer.
        content: the contents' features there.
        inner: features of contents and of styles at the layer that a network starts from, if any.
        aligned: AdaIN of these.
        unaligned: how many of the first contents should be reproduced unchanged.
        share: weight of these in the identity term, so that the mean over the parts of a batch is
            the term of the whole batch, which uses a quarter.
        kept: target features of the content loss instead of ``target``, or None.
    """

    contents: Tensor
    styles: Tensor
    wanted: Mapping[str, tuple[Tensor, Tensor]]
    target: Tensor
    content: Tensor | None = None
    inner: tuple[Tensor, Tensor] | None = None
    aligned: Tensor | None = None
    unaligned: int = 0
    share: float = 0.0
    kept: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Painted:
    """Pictures of a batch, for ``STYLE_TERMS``.

    Attributes:
        batch: their targets.
        output: (N, 3, H, W), of its pairs (of its targets, for an inverse network).
        features: of ``output``, by layer of VGG.
        unaligned: pictures of the contents that should be reproduced unchanged.
        distances: layers and norms of content and style.
    """

    batch: Batch
    output: Tensor
    features: Mapping[str, Tensor]
    unaligned: Tensor
    distances: Distances


@dataclass(frozen=True, eq=False)
class BuiltInPainted:
    """Pictures by a network with built-in styles, for ``GRAM_TERMS``.

    Attributes:
        output: (N, 3, H, W).
        features: of ``output``, by layer of VGG.
        target: the photographs' features at ``content_layer``.
        content_layer: layer of the content loss.
        grams: (N, C, C) of the styles, by style layer.
        volume: (N, 1, 1), factors of the Gram matrices before the comparison.
        factors: of the style layers.
    """

    output: Tensor
    features: Mapping[str, Tensor]
    target: Tensor
    content_layer: str
    grams: Mapping[str, Tensor]
    volume: Tensor
    factors: Mapping[str, float]


def _content(painted: Painted) -> Tensor:
    by, batch = painted.distances, painted.batch
    found = painted.features[by.content_layer]
    wanted = batch.target if batch.kept is None else batch.kept
    return content_loss(found, wanted, squared=by.squared, units=by.units)


def _style(painted: Painted) -> Tensor:
    by = painted.distances
    return moment_loss(
        painted.features,
        painted.batch.wanted,
        units=by.units,
        weights=dict(by.style_layers),
        squared=by.squared,
    )


def _variation(painted: Painted | BuiltInPainted) -> Tensor:
    return total_variation(painted.output)


def _identity(painted: Painted) -> Tensor:
    batch = painted.batch
    if not batch.unaligned:  # a part of a batch may contain none of the quarter
        return painted.output.new_zeros(())
    return F.l1_loss(painted.unaligned, batch.contents[: batch.unaligned]) * batch.share


STYLE_TERMS: tuple[Term, ...] = (
    Term("content", 1.0, _content, layers=(CONTENT,), always=True),
    Term("style", 10.0, _style, layers=(STYLE,), always=True),
    Term("variation", 0.0, _variation, always=True),
    Term("identity", 10.0, _identity, needs=UNALIGNED),
)
"""Of networks for any style."""


def _gram_content(painted: BuiltInPainted) -> Tensor:
    return content_loss(painted.features[painted.content_layer], painted.target)


def _gram_style(painted: BuiltInPainted) -> Tensor:
    style, volume = painted.output.new_zeros(()), painted.volume
    for layer, goal in painted.grams.items():
        distance = gram_loss(volume * gram(painted.features[layer]), volume * goal)
        style = style + painted.factors[layer] * distance
    return style


GRAM_TERMS: tuple[Term, ...] = (
    Term("content", 1.0, _gram_content, always=True),
    Term("style", 10.0, _gram_style, always=True),
    Term("variation", 0.0, _variation, always=True),
)
"""Terms of networks with built-in styles; their papers' layers differ (``networks.BuiltInRow``)."""


def measure(terms: Sequence[Term], measured: object) -> dict[str, Tensor]:
    """Return each of ``terms``, unweighted, by name."""
    return {term.name: term.function(measured) for term in terms}
