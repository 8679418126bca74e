"""What training minimizes, for any network with ``encode`` and ``decode``.

A pair costs most before the network has seen it: judge and teacher look at photograph, style and
the teacher's picture.  What they find is a ``Lesson``, a value that can be learned from again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    color_loss,
    content_loss,
    mesh_loss,
    moment_loss,
    shadow_loss,
    style_moments,
    total_variation,
)
from impasto.lab.losses.transport import directions, shadows
from impasto.lab.methods.adain import Decoder
from impasto.lab.nets.blocks import affine
from impasto.lab.nets.network import align
from impasto.lab.nets.normalization import adain
from impasto.lab.nets.vgg import VGG19
from impasto.lab.train.config import TrainConfig
from impasto.lab.train.optimizers import precision

DISTILL_LAYERS = ("relu2_1", "relu3_1")
TERMS = (
    "content", "style", "variation", "identity", "distill_pixels", "distill_features",
    "mesh", "colors", "rim", "wasserstein",
)  # fmt: skip
"""The terms that there may be, each with its weight in the config."""
SHADOW_LAYERS = ("relu3_1", "relu4_1")
"""Where the term ``wasserstein`` compares: where moments are met and patterns are not yet, and
where maps are small enough to be sorted."""
SHADOWS = 32
"""Directions that it looks along, other ones in every lesson."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is wanted of pictures of ``contents`` in ``styles`` (N, 3, H, W in [0, 1]).

    Attributes:
        wanted: mean and standard deviation of the styles at the style layers.
        target: AdaIN of the contents' features at the content layer.
        content: the contents' features there, where they can be asked for again.
        style: those of the styles, for networks that start from them.
        picture: the teacher's, or None.
        taught: its features at ``DISTILL_LAYERS``.
        along: directions (K, C) a layer in which the styles are looked at,
        shadows: and what is seen of them there, (N, K, h w) each (``transport.shadows``).
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
    shadows: Mapping[str, Tensor] = field(default_factory=dict)
    unaligned: int = 0
    rim: int | None = None
    share: float = 0.0


Paint = Callable[[Any, Lesson], Tensor]
"""What is learned and a lesson -> pictures of its pairs, then of its unaligned contents."""


def weighted(config: TrainConfig, terms: Mapping[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum of terms by their weights in a config, and each before its weight."""
    total = torch.stack([getattr(config, name) * term for name, term in terms.items()]).sum()
    return total, dict(terms)


class Objective:
    """The weighted sum of losses of a config; holds judge and, if any, teacher."""

    distills = True
    """Whether there may be a teacher, and a term for what is finer than the style."""
    paints = True
    """Whether there are pictures to show of what is learned."""
    least_styles = 2
    """A network that shall take any style learns from one alone to ignore what it is given."""

    def __init__(
        self,
        config: TrainConfig,
        vgg: VGG19,
        teacher: Decoder | None,
        *,
        paint: Paint,
        features: bool = False,
    ) -> None:
        """``paint``: what is trained; ``features``: whether it asks for those of a lesson."""
        self.config, self.vgg, self.teacher = config, vgg, teacher
        self.paint, self.features = paint, features

    @torch.no_grad()
    def lesson(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Lesson:
        """What there is to learn from pairs (N, 3, H, W) in [0, 1].

        They may be one of several ``parts`` of a batch: every ``parts``-th pair from ``part`` on.
        ``number``: of the batch, which says along what the clouds of its features are looked at.
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
        if self.config.wasserstein:
            for layer in SHADOW_LAYERS:
                x = seen[layer]
                # 0 are the directions of the yardstick, which stays a stranger to training.
                along[layer] = directions(x.shape[1], count=SHADOWS, seed=1 + number).to(x.device)
                cast[layer] = shadows(x.flatten(2), along[layer])
        quarter = max(len(contents) * parts // 4, 1)
        some = len(range(part, quarter, parts))
        return Lesson(
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
            some if self.config.identity else 0,
            some if self.config.rim else None,
            some * parts / quarter,
        )

    def paired(self, one: Lesson, other: Lesson) -> Lesson:
        """What there is to learn from the photographs of ``one`` in the styles of ``other``.

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
            shadows=other.shadows,
        )

    def at(self, step: int) -> Objective:
        """What is minimized in a step: here always the same."""
        return self

    def balance(self, learned: Any) -> None:
        """Change nothing: the gradient is taken as it is."""

    def state(self) -> dict[str, Any]:
        """Nothing that a checkpoint has to keep."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to go on from."""

    def __call__(self, learned: Any, lesson: Lesson) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimize, and each term before its weight."""
        return weighted(self.config, self.terms(self.pictures(learned, lesson), lesson))

    def pictures(self, learned: Any, lesson: Lesson) -> Tensor:
        """The network's pictures of ``lesson``, not clipped, then those of unaligned contents."""
        with precision(self.config, lesson.contents):
            pictures = self.paint(learned, lesson)
        return pictures.float()

    def terms(self, pictures: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """Each term of the loss of such ``pictures``, before its weight."""
        contents, n = lesson.contents, len(lesson.contents)
        output, unaligned = pictures[:n], pictures[n : n + lesson.unaligned]
        got = self.vgg(output, STYLE_LAYERS)
        terms = {
            "content": content_loss(got[CONTENT_LAYER], lesson.target),
            "style": moment_loss(got, lesson.wanted, units=self.config.style_units),
            "variation": total_variation(output),
        }
        if lesson.shadows:
            terms["wasserstein"] = shadow_loss(got, lesson.along, lesson.shadows)
        if self.config.mesh:
            terms["mesh"] = mesh_loss(output, lesson.styles)
        if self.config.colors:
            terms["colors"] = color_loss(output, lesson.styles)
        # A part of a batch may have none of the quarter that these are asked of.
        for name in ("identity", "rim"):
            if getattr(self.config, name):
                terms[name] = output.new_zeros(())
        if lesson.unaligned:
            distance = F.l1_loss(unaligned, contents[: lesson.unaligned])
            terms["identity"] = distance * lesson.share
        if lesson.rim:
            # Neither is held: each of the two pictures comes nearer to the other.
            narrow = pictures[n + lesson.unaligned :]
            terms["rim"] = F.l1_loss(_soft(output[: lesson.rim]), _soft(narrow)) * lesson.share
        if lesson.picture is not None:
            terms["distill_pixels"] = F.l1_loss(output, lesson.picture)
            terms["distill_features"] = torch.stack(
                [content_loss(got[layer], taught) for layer, taught in lesson.taught.items()]
            ).sum()
        return terms


def _soft(pictures: Tensor) -> Tensor:
    # Strokes may lie elsewhere; light and color may not.
    return F.avg_pool2d(pictures, 8)
