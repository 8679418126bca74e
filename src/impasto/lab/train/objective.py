"""What training minimizes, for any network with ``encode`` and ``decode``.

A pair costs most before the network has seen it: judge and teacher look at photograph, style and
the teacher's picture.  What they find is a ``Lesson``, a value that can be learned from again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    content_loss,
    moment_loss,
    style_moments,
    total_variation,
)
from impasto.lab.methods.adain import Decoder
from impasto.lab.moments import fast_mean_std
from impasto.lab.normalization import adain
from impasto.lab.train.config import TrainConfig
from impasto.lab.vgg import VGG19

DISTILL_LAYERS = ("relu2_1", "relu3_1")


class Network(Protocol):
    """The two verbs of a network."""

    def encode(self, image: Tensor) -> list[Tensor]: ...

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor: ...


def align(content: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
    """Scale and shift (N, C, 1, 1) that give ``content`` the moments of ``style`` (eq. 8)."""
    mean, std = fast_mean_std(content)
    style_mean, style_std = fast_mean_std(style)
    scale = style_std / std
    return scale, style_mean - mean * scale


def stylize(network: Network, contents: Tensor, styles: Tensor, *, unaligned: int = 0) -> Tensor:
    """Pictures of ``contents`` in ``styles`` (N, 3, H, W), then the first ``unaligned`` contents
    decoded as they are (alpha = 0); each picture is encoded once."""
    n = len(contents)
    features, scales, shifts = [], [], []
    for level in network.encode(torch.cat([contents, styles])):
        content, style = level[:n], level[n:]
        scale, shift = align(content, style)
        features.append(torch.cat([content, content[:unaligned]]))
        scales.append(torch.cat([scale, torch.ones_like(scale[:unaligned])]))
        shifts.append(torch.cat([shift, torch.zeros_like(shift[:unaligned])]))
    return network.decode(features, scales, shifts)


@dataclass(frozen=True, eq=False)
class Lesson:
    """What is wanted of pictures of ``contents`` in ``styles`` (N, 3, H, W in [0, 1]).

    Attributes:
        wanted: mean and standard deviation of the styles at the style layers.
        target: AdaIN of the contents' features at the content layer.
        picture: the teacher's, or None.
        taught: its features at ``DISTILL_LAYERS``.
    """

    contents: Tensor
    styles: Tensor
    wanted: Mapping[str, tuple[Tensor, Tensor]]
    target: Tensor
    picture: Tensor | None
    taught: Mapping[str, Tensor]


class Objective:
    """The weighted sum of losses of a config; holds the judge and, if any, the teacher."""

    def __init__(self, config: TrainConfig, vgg: VGG19, teacher: Decoder | None) -> None:
        self.config, self.vgg, self.teacher = config, vgg, teacher
        self.unaligned = max(config.batch // 4, 1) if config.identity else 0

    @torch.no_grad()
    def lesson(self, contents: Tensor, styles: Tensor) -> Lesson:
        """What there is to learn from pairs (N, 3, H, W) in [0, 1]."""
        seen = self.vgg(styles, STYLE_LAYERS)
        content = self.vgg(contents, [CONTENT_LAYER])[CONTENT_LAYER]
        target = adain(content, seen[CONTENT_LAYER])
        picture, taught = None, {}
        if self.teacher is not None:
            # Clipped, as it would be seen.
            picture = self.teacher(target).float().clamp(0, 1)
            taught = self.vgg(picture, DISTILL_LAYERS)
        return Lesson(contents, styles, style_moments(seen), target, picture, taught)

    def __call__(self, network: Network, lesson: Lesson) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimize, and each term before its weight."""
        contents, n = lesson.contents, len(lesson.contents)
        with torch.autocast(contents.device.type, torch.bfloat16):
            pictures = stylize(network, contents, lesson.styles, unaligned=self.unaligned)
        pictures = pictures.float()
        output, unaligned = pictures[:n], pictures[n:]
        got = self.vgg(output, STYLE_LAYERS)
        terms = {
            "content": content_loss(got[CONTENT_LAYER], lesson.target),
            "style": moment_loss(got, lesson.wanted),
            "variation": total_variation(output),
        }
        if self.unaligned:
            terms["identity"] = F.l1_loss(unaligned, contents[: self.unaligned])
        if lesson.picture is not None:
            terms["distill_pixels"] = F.l1_loss(output, lesson.picture)
            terms["distill_features"] = torch.stack(
                [content_loss(got[layer], taught) for layer, taught in lesson.taught.items()]
            ).sum()
        total = torch.stack([getattr(self.config, k) * v for k, v in terms.items()]).sum()
        return total, {k: v.detach() for k, v in terms.items()}
