"""Objective of a compact network: the paper's losses, a teacher, and terms of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from impasto.lab.losses.transport import directions, projections
from impasto.lab.methods.adain import Decoder, load_decoder
from impasto.lab.methods.compact.config import EyeMethod, TaughtLoss
from impasto.lab.methods.compact.terms import (
    DIRECTIONS,
    DISTILL_LAYERS,
    MARGINS,
    TEACHER,
    WASSERSTEIN_LAYERS,
    CompactBatch,
    CompactPainted,
)
from impasto.lab.nets.network import stylize
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.config import TrainConfig
from impasto.lab.training.objective import Objective, Paint, quarter_of
from impasto.lab.training.terms import Batch, measure

MARGIN = 16
"""Reflected border in pixels around pictures of the compact networks, which pad with zeros."""
WIDE = 64
"""A border so wide that the zeros behind it have almost no effect within."""
COUNT = 32
"""Number of directions of the term ``wasserstein``, which differ in every batch."""


class CompactObjective(Objective):
    """The weighted sum of ``COMPACT_TERMS``; holds judge and, if any, teacher."""

    def __init__(
        self,
        config: TrainConfig,
        vgg: VGG,
        *,
        paint: Paint,
        features: str = "",
        teacher: Decoder | None = None,
    ) -> None:
        """Set up with a ``teacher``: by default the decoder named by the config, if any."""
        super().__init__(config, vgg, paint=paint, features=features)
        loss, method = config.loss, config.method
        if teacher is None and isinstance(loss, TaughtLoss) and loss.teacher:
            teacher = load_decoder(loss.teacher)
        if teacher is None:
            self.measured = tuple(term for term in self.measured if term.needs != TEACHER)
            self.layers = self.distances.layers_of(self.measured)
        else:
            weight = vgg.preprocess.weight
            teacher.to(weight.device, weight.dtype).requires_grad_(False)
            self.aim = "distilling an AdaIN decoder"
        self.teacher = teacher
        self.aim += " and against a mesh" if config.weight("mesh") else ""
        self.aim += " and on the colors of pixels" if config.weight("colors") else ""
        if isinstance(method, EyeMethod) and method.eye:
            self.aim += ", with a reader whose eye was trained apart"

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> CompactBatch:
        """Prepare a batch of pairs as ``Objective.prepare``, with the data of further terms."""
        batch, seen = self.look(contents, styles, part=part, parts=parts)
        found: dict[str, Any] = dict(vars(batch))
        if self.teacher is not None:
            # Clipped, as in the final picture.
            found["picture"] = self.teacher(batch.target).float().clamp(0, 1)
            found["taught"] = self.vgg(found["picture"], DISTILL_LAYERS)
            if not self.features:
                found["content"] = None  # a pair stays together: its picture is already painted
        if self.needs(DIRECTIONS):
            found["along"], found["projections"] = {}, {}
            for layer in WASSERSTEIN_LAYERS:
                x = seen[layer]
                # 0 gives the directions of the evaluation, which training must not use.
                along = directions(x.shape[1], count=COUNT, seed=1 + number).to(x.device)
                found["along"][layer] = along
                found["projections"][layer] = projections(x.flatten(2), along)
        if self.needs(MARGINS):
            found["rim"] = quarter_of(len(contents), part, parts)[0]
        return CompactBatch(**found)

    def paired(self, one: Batch, other: Batch) -> Batch:
        """Pair the photographs of ``one`` with the styles of ``other``.

        A teacher's pictures belong to the original pairs, so with a teacher ``one`` is returned
        unchanged.
        """
        if self.teacher is not None:
            return one
        paired = super().paired(one, other)
        if isinstance(paired, CompactBatch) and isinstance(other, CompactBatch):
            return replace(paired, along=other.along, projections=other.projections)
        return paired

    def terms(self, pictures: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return each unweighted loss term of such ``pictures``."""
        assert isinstance(batch, CompactBatch)  # as ``prepare`` makes them
        n = len(batch.contents)
        output, unaligned, narrow = pictures.tensor_split([n, n + batch.unaligned])
        features = self.vgg(output, self.layers)
        painted = CompactPainted(batch, output, features, unaligned, self.distances, narrow)
        return measure(self.measured, painted)


def paint_batch(network: Any, batch: Batch) -> Tensor:
    """Paint a batch, its unaligned contents, and some pairs with the studio's margin.

    A margin is used as in the studio, where it hides the effects of zero padding. Without one the
    network learns to use the border, and is wrong wherever the rim is cut off.
    """
    assert isinstance(batch, CompactBatch)  # as the objective prepares them
    contents, styles = batch.contents, batch.styles
    margin = MARGIN if batch.rim is None else WIDE
    pictures = stylize(network, contents, styles, unaligned=batch.unaligned, margin=margin)
    if not batch.rim:
        return pictures
    narrow = stylize(network, contents[: batch.rim], styles[: batch.rim], margin=MARGIN)
    return torch.cat([pictures, narrow])
