"""Terms of the losses, a row each: a new one is a row here and its function.

There is a table for each way of training.  The functions take what was painted and what the judge
saw of it, and know nothing of configs; the objectives walk over the rows.
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
"""In place of the names of layers in a ``Term``: those that a config says (``Distances``)."""

UNALIGNED = "unaligned"
"""Work that a term may need: some contents are decoded as they are, too."""


@dataclass(frozen=True)
class Term:
    """A term of a loss.

    Attributes:
        name: in a config, where its weight stands, and in the log.
        weight: where a config does not say.
        function: what is measured -> the term before its weight.
        layers: of VGG, at which the judge looks at the pictures for it; ``CONTENT`` and ``STYLE``
            stand for those of the config.
        needs: extra work that the objective does for it, where its weight is not 0: ``UNALIGNED``,
            or what an objective of its own knows.
        always: whether it is measured, for the log, where its weight is 0 too.
    """

    name: str
    weight: float
    function: Callable[[Any], Tensor]
    layers: tuple[str, ...] = ()
    needs: str = ""
    always: bool = False


@dataclass(frozen=True)
class Distances:
    """Layers and norms of the terms ``content`` and ``style``, as a config says.

    Attributes:
        units: ``mean`` or ``sum`` (``losses.style_loss``).
        content_layer: of VGG, where the content is compared.
        squared: squares of distances; else norms.
        style_layers: of VGG, where the style is compared, each with its factor.
    """

    units: str = "mean"
    content_layer: str = CONTENT_LAYER
    squared: bool = True
    style_layers: tuple[tuple[str, float], ...] = tuple((layer, 1.0) for layer in STYLE_LAYERS)

    def layers_of(self, terms: Iterable[Term]) -> list[str]:
        """Layers of VGG that terms ask for, each once."""
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
        inner: features of contents and of styles at the layer that a network starts from, where it
            starts from such.
        aligned: AdaIN of these.
        unaligned: how many of the first contents are to come back as they are.
        share: the part of these in the term of identity, so that the mean over the parts of a batch
            is the term of the whole batch, which is asked of a quarter.
        kept: features that the content loss asks for in place of ``target``, or None.
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
        unaligned: pictures of the contents that are to come back as they are.
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
        content_layer: where content is compared.
        grams: (N, C, C) of the styles, by layer where style is compared.
        volume: (N, 1, 1), by which Gram matrices are multiplied before.
        factors: of the layers where style is compared.
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
    if not batch.unaligned:  # a part of a batch may have none of the quarter that has to
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
"""Of networks with built-in styles, whose papers differ in the layers (``networks.BuiltInRow``)."""


def measure(terms: Sequence[Term], measured: object) -> dict[str, Tensor]:
    """Each of ``terms`` before its weight, by name."""
    return {term.name: term.function(measured) for term in terms}
