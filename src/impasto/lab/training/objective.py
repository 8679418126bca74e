"""Training objective of any network with ``encode`` and ``decode``.

Most of the cost of a pair is in the features of photograph and style, before the network runs. They
are kept in a ``Batch``, which can be used again.  ``terms`` has the rows that the loss sums.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from impasto.lab.losses import style_moments
from impasto.lab.nets.blocks import affine
from impasto.lab.nets.network import align
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import VGG
from impasto.lab.optimize.method import check_layers
from impasto.lab.training.config import TrainConfig
from impasto.lab.training.optimizers import precision
from impasto.lab.training.terms import UNALIGNED, Batch, Painted, Term, measure

Paint = Callable[[Any, Batch], Tensor]
"""Network and batch -> pictures of its pairs, then of its unaligned contents."""


class Objective:
    """The weighted sum of the terms of a config; holds the judge."""

    paints = True
    """True if the trained module paints pictures for previews."""
    aim = "the paper's losses"
    """Aim, for the card of the model."""
    least_styles = 2
    """Smallest number of styles: with only one, a network for any style learns to ignore it."""

    def __init__(self, config: TrainConfig, vgg: VGG, *, paint: Paint, features: str = "") -> None:
        """Set up with the network's ``paint``, and the layer of the ``features`` that it needs.

        Raises ``ModelError`` for a layer that is not in ``vgg``.
        """
        self.config, self.vgg, self.distances = config, vgg, config.distances
        self.paint, self.features = paint, features
        self.measured = measured_terms(config)
        self.layers = self.distances.layers_of(self.measured)
        asked = [*self.layers, *([features] if features else [])]
        if asked:
            check_layers(dict.fromkeys(asked, 1.0), vgg, "layer")

    def needs(self, need: str) -> bool:
        """Return True if a measured term needs this work."""
        return any(term.needs == need for term in self.measured)

    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Batch:
        """Prepare a batch of pairs (N, 3, H, W) in [0, 1] with all data that the terms need.

        They may be one of several ``parts`` of a batch: every ``parts``-th pair from ``part`` on.
        ``number``: of the batch, for an objective with random draws per batch.
        """
        return self.look(contents, styles, part=part, parts=parts)[0]

    @torch.no_grad()
    def look(
        self, contents: Tensor, styles: Tensor, *, part: int, parts: int
    ) -> tuple[Batch, dict[str, Tensor]]:
        """Encode pairs with the judge; return their batch, and the features of the styles."""
        layer, start = self.distances.content_layer, self.features
        at = {layer, start} if start else {layer}
        seen = self.vgg(styles, at.union(name for name, _ in self.distances.style_layers))
        own = self.vgg(contents, at)
        some, share = quarter_of(len(contents), part, parts)
        target = adain(own[layer], seen[layer])
        inner = (own[start], seen[start]) if start else None
        batch = Batch(
            contents,
            styles,
            style_moments(seen),
            target,
            own[layer],
            inner,
            self._aligned(target, inner),
            some if self.needs(UNALIGNED) else 0,
            share,
            own[layer] if self.config.keeps_content else None,
        )
        return batch, seen

    def _aligned(self, target: Tensor, inner: tuple[Tensor, Tensor] | None) -> Tensor | None:
        """Return AdaIN at the layer that the network starts from; the target if it is the same."""
        if inner is None or self.features == self.distances.content_layer:
            return None if inner is None else target
        return adain(*inner)

    def paired(self, one: Batch, other: Batch) -> Batch:
        """Pair the photographs of ``one`` with the styles of ``other``, without encoding again.

        A batch without the features of its photographs is returned unchanged.
        """
        if one.content is None:
            return one
        moments = other.wanted[self.distances.content_layer]
        target = affine(one.content, *align(one.content, moments))
        inner = None
        if one.inner is not None and other.inner is not None:
            inner = one.inner[0], other.inner[1]
        return replace(
            one,
            styles=other.styles,
            wanted=other.wanted,
            target=target,
            inner=inner,
            aligned=self._aligned(target, inner),
        )

    def at(self, step: int) -> Objective:
        """Return the objective of a step: here always the same."""
        return self

    def balance(self, learned: Any) -> None:
        """Do nothing: the gradient is used unchanged."""

    def state(self) -> dict[str, Any]:
        """Return an empty state: a checkpoint needs none."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Do nothing: there is no state."""

    def __call__(self, learned: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimize, and each unweighted term."""
        return weighted(self.config, self.terms(self.pictures(learned, batch), batch))

    def pictures(self, learned: Any, batch: Batch) -> Tensor:
        """Return the pictures of ``batch``, not clipped, then those of unaligned contents."""
        with precision(self.config, batch.contents):
            pictures = self.paint(learned, batch)
        return pictures.float()

    def terms(self, pictures: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return each unweighted loss term of such ``pictures``."""
        output, unaligned = pictures.tensor_split([len(batch.contents)])
        return self.measure(output, batch, unaligned=unaligned)

    def measure(self, output: Tensor, batch: Batch, *, unaligned: Tensor) -> dict[str, Tensor]:
        """Return the terms of pictures, given unaligned ones separately (``terms.Painted``)."""
        features = self.vgg(output, self.layers)
        painted = Painted(batch, output, features, unaligned, self.distances)
        return measure(self.measured, painted)


def quarter_of(count: int, part: int, parts: int) -> tuple[int, float]:
    """Return the number of a part's pairs in the first quarter of a batch, and its share of them.

    A part has ``count`` pairs: every ``parts``-th of the batch from ``part`` on.
    """
    quarter = max(count * parts // 4, 1)
    some = len(range(part, quarter, parts))
    return some, some * parts / quarter


def measured_terms(config: TrainConfig) -> tuple[Term, ...]:
    """Return the terms that a run with ``config`` measures."""
    return tuple(term for term in config.terms if term.always or config.weight(term.name))


def weighted(config: TrainConfig, terms: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the weighted sum of terms by a config, and each unweighted term."""
    total = torch.stack([config.weight(name) * term for name, term in terms.items()]).sum()
    return total, dict(terms)
