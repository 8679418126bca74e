"""Loss terms specific to the compact networks, and their inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import content_loss, projection_loss
from impasto.lab.methods.compact.losses import color_loss, mesh_loss, weave_loss
from impasto.lab.training.terms import STYLE_TERMS, Batch, Painted, Term

DISTILL_LAYERS = ("relu2_1", "relu3_1")
"""VGG layers at which pictures are compared with those of the teacher."""

WASSERSTEIN_LAYERS = ("relu3_1", "relu4_1")
"""Layers where moments match but patterns do not yet, with maps small enough to sort."""

TEACHER, DIRECTIONS, MARGINS = "teacher", "directions", "two margins"
"""Extra work that terms need: a teacher's picture of each pair; directions for projecting features;
some pairs painted with two margins."""


@dataclass(frozen=True, eq=False)
class CompactBatch(Batch):
    """Targets of pictures by a compact network.

    Attributes:
        picture: the teacher's, or None.
        taught: its features at ``DISTILL_LAYERS``.
        along: directions (K, C) per layer, for the sliced Wasserstein distance.
        projections: features of the styles projected on these, (N, K, h w) each (``transport``).
        rim: number of first pairs painted again with the studio's margin, while all are painted
            with a wide margin, so that a frame has no effect; None: all are painted once, with the
            studio's margin. ``share`` applies to its term, too.
    """

    picture: Tensor | None = None
    taught: Mapping[str, Tensor] = field(default_factory=dict)
    along: Mapping[str, Tensor] = field(default_factory=dict)
    projections: Mapping[str, Tensor] = field(default_factory=dict)
    rim: int | None = None


@dataclass(frozen=True, eq=False)
class CompactPainted(Painted):
    """Pictures of a batch, for ``COMPACT_TERMS``.

    Attributes:
        batch: their targets.
        narrow: pictures of the first pairs, painted again with the studio's margin.
    """

    batch: CompactBatch
    narrow: Tensor


def _wasserstein(painted: CompactPainted) -> Tensor:
    return projection_loss(painted.features, painted.batch.along, painted.batch.projections)


def _mesh(painted: CompactPainted) -> Tensor:
    return mesh_loss(painted.output, painted.batch.styles)


def _weave(painted: CompactPainted) -> Tensor:
    return weave_loss(painted.output, painted.batch.contents)


def _colors(painted: CompactPainted) -> Tensor:
    return color_loss(painted.output, painted.batch.styles)


def _rim(painted: CompactPainted) -> Tensor:
    batch = painted.batch
    if not batch.rim:
        return painted.output.new_zeros(())
    # Both sides receive gradients: each of the two pictures approaches the other.
    wide, narrow = (_blurred(each) for each in (painted.output[: batch.rim], painted.narrow))
    return F.l1_loss(wide, narrow) * batch.share


def _blurred(pictures: Tensor) -> Tensor:
    # Strokes may move; light and color may not.
    return F.avg_pool2d(pictures, 8)


def _distill_pixels(painted: CompactPainted) -> Tensor:
    if painted.batch.picture is None:
        raise ValueError("the batch has no picture of a teacher")
    return F.l1_loss(painted.output, painted.batch.picture)


def _distill_features(painted: CompactPainted) -> Tensor:
    taught = painted.batch.taught
    return torch.stack(
        [content_loss(painted.features[layer], features) for layer, features in taught.items()]
    ).sum()


_COMMON = {term.name: term for term in STYLE_TERMS}

COMPACT_TERMS: tuple[Term, ...] = (
    _COMMON["content"],
    _COMMON["style"],
    _COMMON["variation"],
    Term("wasserstein", 0.0, _wasserstein, layers=WASSERSTEIN_LAYERS, needs=DIRECTIONS),
    Term("mesh", 0.0, _mesh),
    Term("weave", 0.0, _weave),
    Term("colors", 0.0, _colors),
    _COMMON["identity"],
    Term("rim", 0.0, _rim, needs=MARGINS),
    Term("distill_pixels", 0.0, _distill_pixels, needs=TEACHER, always=True),
    Term(
        "distill_features",
        0.0,
        _distill_features,
        layers=DISTILL_LAYERS,
        needs=TEACHER,
        always=True,
    ),
)
"""Terms of ``fast`` and ``quality``, in the order of their logs."""
