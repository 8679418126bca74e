"""Terms of the losses, a row each: a new one is a row here and its function.

There is a table for each way of training.  The functions take what was painted and what the judge
saw of it, and know nothing of configs; the objectives walk over the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    color_loss,
    content_loss,
    gram,
    gram_loss,
    mesh_loss,
    moment_loss,
    projection_loss,
    total_variation,
)
from impasto.lab.methods.style_swap import LAYER as INVERSE_LAYER
from impasto.lab.nets.fast_moments import fast_mean_square

DISTILL_LAYERS = ("relu2_1", "relu3_1")
"""VGG layers at which pictures are compared with those of the teacher."""

WASSERSTEIN_LAYERS = ("relu3_1", "relu4_1")
"""Layers at which moments are met and patterns are not yet, with maps small enough to be sorted."""

Need = Literal["teacher", "directions", "unaligned", "two margins"]
"""Extra work that a term asks for: a teacher's picture of each pair; directions to project features
along; some contents decoded as they are; some pairs painted with two margins."""


@dataclass(frozen=True)
class Term:
    """A term of a loss.

    Attributes:
        name: in a config, where its weight stands, and in the log.
        weight: where a config does not say.
        function: what is measured -> the term before its weight.
        layers: of VGG, at which the judge looks at the pictures for it.
        needs: what has to be done for it; nothing is where its weight is 0.
        always: whether it is measured, for the log, where its weight is 0 too.
    """

    name: str
    weight: float
    function: Callable[[Any], Tensor]
    layers: tuple[str, ...] = ()
    needs: Need | None = None
    always: bool = False


@dataclass(frozen=True, eq=False)
class Batch:
    """Targets of pictures of ``contents`` in ``styles`` (N, 3, H, W in [0, 1]).

    Attributes:
        wanted: mean and standard deviation of the styles at the style layers.
        target: AdaIN of the contents' features at the content layer.
        content: the contents' features there, where they can be asked for again.
        style: those of the styles, for networks that start from them.
        picture: the teacher's, or None.
        taught: its features at ``DISTILL_LAYERS``.
        along: directions (K, C) a layer, for the sliced Wasserstein distance.
        projections: their features projected on these, (N, K, h w) each (``transport``).
        unaligned: how many of the first contents are to come back as they are.
        rim: how many of the first pairs a network with a margin paints again as the studio does,
            while all are painted with a wide one, so that a frame is worth nothing; None: all are
            painted as the studio does, and once.
        share: the part of these in the terms of identity and rim, so that the mean over the parts
            of a batch is the term of the whole batch, which is asked of a quarter.
    """

    contents: Tensor
    styles: Tensor
    wanted: Mapping[str, tuple[Tensor, Tensor]]
    target: Tensor
    content: Tensor | None
    style: Tensor | None
    picture: Tensor | None
    taught: Mapping[str, Tensor]
    along: Mapping[str, Tensor] = field(default_factory=dict)
    projections: Mapping[str, Tensor] = field(default_factory=dict)
    unaligned: int = 0
    rim: int | None = None
    share: float = 0.0


@dataclass(frozen=True, eq=False)
class Painted:
    """Pictures of a batch, for ``STYLE_TERMS`` and ``INVERSE_TERMS``.

    Attributes:
        batch: their targets.
        output: (N, 3, H, W), of its pairs (of its targets, for an inverse network).
        features: of ``output``, by layer of VGG.
        unaligned: pictures of the contents that are to come back as they are.
        narrow: pictures of the first pairs, painted again with the studio's margin.
        units: of the style loss: ``mean`` or ``sum`` (``losses.moment_loss``).
    """

    batch: Batch
    output: Tensor
    features: Mapping[str, Tensor]
    unaligned: Tensor
    narrow: Tensor
    units: str


@dataclass(frozen=True, eq=False)
class Mapped:
    """Feature maps that a reader's eye gives for the styles of a batch, for ``READER_TERMS``."""

    batch: Batch
    maps: Mapping[str, Tensor]
    units: str


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
    """

    output: Tensor
    features: Mapping[str, Tensor]
    target: Tensor
    content_layer: str
    grams: Mapping[str, Tensor]
    volume: Tensor


def _content(painted: Painted) -> Tensor:
    return content_loss(painted.features[CONTENT_LAYER], painted.batch.target)


def _style(painted: Painted) -> Tensor:
    return moment_loss(painted.features, painted.batch.wanted, units=painted.units)


def _variation(painted: Painted | BuiltInPainted) -> Tensor:
    return total_variation(painted.output)


def _wasserstein(painted: Painted) -> Tensor:
    return projection_loss(painted.features, painted.batch.along, painted.batch.projections)


def _mesh(painted: Painted) -> Tensor:
    return mesh_loss(painted.output, painted.batch.styles)


def _colors(painted: Painted) -> Tensor:
    return color_loss(painted.output, painted.batch.styles)


def _identity(painted: Painted) -> Tensor:
    batch = painted.batch
    if not batch.unaligned:  # a part of a batch may have none of the quarter that has to
        return painted.output.new_zeros(())
    return F.l1_loss(painted.unaligned, batch.contents[: batch.unaligned]) * batch.share


def _rim(painted: Painted) -> Tensor:
    batch = painted.batch
    if not batch.rim:
        return painted.output.new_zeros(())
    # Both sides receive gradients: each of the two pictures comes nearer to the other.
    wide, narrow = (_blurred(each) for each in (painted.output[: batch.rim], painted.narrow))
    return F.l1_loss(wide, narrow) * batch.share


def _blurred(pictures: Tensor) -> Tensor:
    # Strokes may lie elsewhere; light and color may not.
    return F.avg_pool2d(pictures, 8)


def _distill_pixels(painted: Painted) -> Tensor:
    if painted.batch.picture is None:
        raise ValueError("the batch has no picture of a teacher")
    return F.l1_loss(painted.output, painted.batch.picture)


def _distill_features(painted: Painted) -> Tensor:
    taught = painted.batch.taught
    return torch.stack(
        [content_loss(painted.features[layer], features) for layer, features in taught.items()]
    ).sum()


STYLE_TERMS: tuple[Term, ...] = (
    Term("content", 1.0, _content, layers=(CONTENT_LAYER,), always=True),
    Term("style", 10.0, _style, layers=STYLE_LAYERS, always=True),
    Term("variation", 0.0, _variation, always=True),
    Term("wasserstein", 0.0, _wasserstein, layers=WASSERSTEIN_LAYERS, needs="directions"),
    Term("mesh", 0.0, _mesh),
    Term("colors", 0.0, _colors),
    Term("identity", 10.0, _identity, needs="unaligned"),
    Term("rim", 0.0, _rim, needs="two margins"),
    Term("distill_pixels", 0.0, _distill_pixels, needs="teacher", always=True),
    Term(
        "distill_features",
        0.0,
        _distill_features,
        layers=DISTILL_LAYERS,
        needs="teacher",
        always=True,
    ),
)
"""Of networks for any style."""


def _inverse_content(painted: Painted) -> Tensor:
    return content_loss(painted.features[INVERSE_LAYER], painted.batch.target)


def _round_variation(painted: Painted) -> Tensor:
    return total_variation(painted.output, order=2)


def _inverse_identity(painted: Painted) -> Tensor:
    batch = painted.batch
    pictures = torch.cat([batch.contents, batch.styles])
    return F.l1_loss(painted.output[len(batch.contents) :], pictures)


INVERSE_TERMS: tuple[Term, ...] = (
    Term("content", 1.0, _inverse_content, layers=(INVERSE_LAYER,), always=True),
    Term("variation", 0.0, _round_variation, always=True),
    Term("identity", 10.0, _inverse_identity),
)
"""Of Style-Swap's inverse network."""


def _mapped_style(mapped: Mapped) -> Tensor:
    return moment_loss(mapped.maps, mapped.batch.wanted, units=mapped.units)


def _mapped_features(mapped: Mapped) -> Tensor:
    wanted = mapped.batch.wanted
    return torch.stack(
        [
            fast_mean_square(mapped.maps[layer], seen) / _variance(*wanted[layer]).clamp(min=1e-3)
            for layer, seen in mapped.batch.taught.items()
        ]
    ).sum()


def _variance(mean: Tensor, std: Tensor) -> Tensor:
    # Of all numbers of a map: within pictures and channels, and between them.
    return std.square().mean() + mean.var(correction=0)


READER_TERMS: tuple[Term, ...] = (
    Term("style", 10.0, _mapped_style, always=True),
    Term("distill_features", 0.0, _mapped_features, always=True),
)
"""Of the eye that the compact networks read styles with."""


def _gram_content(painted: BuiltInPainted) -> Tensor:
    return content_loss(painted.features[painted.content_layer], painted.target)


def _gram_style(painted: BuiltInPainted) -> Tensor:
    style, volume = painted.output.new_zeros(()), painted.volume
    for layer, goal in painted.grams.items():
        style = style + gram_loss(volume * gram(painted.features[layer]), volume * goal)
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


TERM_NAMES = tuple(
    dict.fromkeys(
        term.name
        for terms in (STYLE_TERMS, INVERSE_TERMS, READER_TERMS, GRAM_TERMS)
        for term in terms
    )
)
"""Names of all terms that there are, for the columns of logs."""
