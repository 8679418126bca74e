"""Training objective of any network with ``encode`` and ``decode``.

A pair costs most before the network has seen it: judge and teacher look at photograph, style and
the teacher's picture.  What they find is a ``Batch``, a value that can be learned from again.
``terms`` has the rows that the loss is a sum of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, style_moments
from impasto.lab.losses.transport import directions, projections
from impasto.lab.methods.adain import Decoder
from impasto.lab.nets.blocks import affine
from impasto.lab.nets.network import align
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import VGG
from impasto.lab.training.config import TrainConfig
from impasto.lab.training.optimizers import precision
from impasto.lab.training.terms import (
    DISTILL_LAYERS,
    WASSERSTEIN_LAYERS,
    Batch,
    Need,
    Painted,
    Term,
    measure,
)

DIRECTIONS = 32
"""Directions that the term ``wasserstein`` looks along, other ones in every batch."""

Paint = Callable[[Any, Batch], Tensor]
"""Network and batch -> pictures of its pairs, then of its unaligned contents."""


class Objective:
    """The weighted sum of terms of a config; holds judge and, if any, teacher."""

    paints = True
    """True if there are pictures to show of what is learned."""
    least_styles = 2
    """A network that shall take any style learns from one alone to ignore what it is given."""

    def __init__(
        self,
        config: TrainConfig,
        vgg: VGG,
        teacher: Decoder | None,
        *,
        paint: Paint,
        features: bool = False,
    ) -> None:
        """``paint``: what is trained; ``features``: whether it asks for those of a batch."""
        self.config, self.vgg, self.teacher = config, vgg, teacher
        self.paint, self.features = paint, features
        self.measured = measured_terms(config, teacher=teacher is not None)
        self.layers = list(dict.fromkeys(layer for term in self.measured for layer in term.layers))

    def needs(self, need: Need) -> bool:
        """Return True if a measured term asks for this work."""
        return any(term.needs == need for term in self.measured)

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Batch:
        """Prepare a batch of pairs (N, 3, H, W) in [0, 1]: all that the terms need.

        They may be one of several ``parts`` of a batch: every ``parts``-th pair from ``part`` on.
        ``number``: of the batch; the directions of the sliced Wasserstein distance depend on it.
        """
        seen = self.vgg(styles, STYLE_LAYERS)
        content = self.vgg(contents, [CONTENT_LAYER])[CONTENT_LAYER]
        target = adain(content, seen[CONTENT_LAYER])
        picture, taught = None, {}
        if self.teacher is not None:
            # Clipped, as it would be seen.
            picture = self.teacher(target).float().clamp(0, 1)
            taught = self.vgg(picture, DISTILL_LAYERS)
        along, cast = {}, {}
        if self.needs("directions"):
            for layer in WASSERSTEIN_LAYERS:
                x = seen[layer]
                # 0 are the directions of the yardstick, which stays a stranger to training.
                drawn = directions(x.shape[1], count=DIRECTIONS, seed=1 + number)
                along[layer] = drawn.to(x.device)
                cast[layer] = projections(x.flatten(2), along[layer])
        quarter = max(len(contents) * parts // 4, 1)
        some = len(range(part, quarter, parts))
        return Batch(
            contents,
            styles,
            style_moments(seen),
            target,
            content if self.features or self.teacher is None else None,
            seen[CONTENT_LAYER] if self.features else None,
            picture,
            taught,
            along,
            cast,
            some if self.needs("unaligned") else 0,
            some if self.needs("two margins") else None,
            some * parts / quarter,
        )

    def paired(self, one: Batch, other: Batch) -> Batch:
        """Pair the photographs of ``one`` with the styles of ``other``.

        Nothing is looked at again.  A teacher's pictures are those of the pairs as they were made,
        so with one ``one`` comes back as it is.
        """
        if self.teacher is not None or one.content is None:
            return one
        target = affine(one.content, *align(one.content, other.wanted[CONTENT_LAYER]))
        return replace(
            one,
            styles=other.styles,
            wanted=other.wanted,
            target=target,
            style=other.style,
            along=other.along,
            projections=other.projections,
        )

    def at(self, step: int) -> Objective:
        """Return the objective of a step: here always the same."""
        return self

    def balance(self, learned: Any) -> None:
        """Change nothing: the gradient is taken as it is."""

    def state(self) -> dict[str, Any]:
        """Nothing that a checkpoint has to keep."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to go on from."""

    def __call__(self, learned: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimize, and each term before its weight."""
        return weighted(self.config, self.terms(self.pictures(learned, batch), batch))

    def pictures(self, learned: Any, batch: Batch) -> Tensor:
        """The network's pictures of ``batch``, not clipped, then those of unaligned contents."""
        with precision(self.config, batch.contents):
            pictures = self.paint(learned, batch)
        return pictures.float()

    def terms(self, pictures: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Each term of the loss of such ``pictures``, before its weight."""
        n = len(batch.contents)
        output, unaligned, narrow = pictures.tensor_split([n, n + batch.unaligned])
        return self.measure(output, batch, unaligned=unaligned, narrow=narrow)

    def measure(
        self, output: Tensor, batch: Batch, *, unaligned: Tensor, narrow: Tensor
    ) -> dict[str, Tensor]:
        """The terms of pictures that are told apart already (``terms.Painted``)."""
        features = self.vgg(output, self.layers)
        units = self.config.style_units
        return measure(self.measured, Painted(batch, output, features, unaligned, narrow, units))


def measured_terms(config: TrainConfig, *, teacher: bool = False) -> tuple[Term, ...]:
    """The terms that a run with ``config`` measures."""
    return tuple(
        term
        for term in config.terms
        if (term.always or config.weight(term.name)) and (term.needs != "teacher" or teacher)
    )


def weighted(config: TrainConfig, terms: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum of terms by their weights in a config, and each before its weight."""
    total = torch.stack([config.weight(name) * term for name, term in terms.items()]).sum()
    return total, dict(terms)
