"""Training of Style-Swap's inverse network: relu3_1 of the judge, back to the picture."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import content_loss, total_variation
from impasto.lab.losses.patches import Bank, style_swap
from impasto.lab.methods.style_swap import LAYER
from impasto.lab.train.objective import Lesson, Objective


class InverseObjective(Objective):
    """Section 4 of Chen & Schmidt 2016: ``mean |F(x) - target|^2 + variation TV(x)``.

    A lesson's targets are the swapped features of its pairs, then the features of its photographs
    and of its paintings: swapped features are those of no picture, so the network has to see them
    in training. Without style term; the ``identity`` term is the L1 distance of photographs and
    paintings from themselves, which the paper has not (the authors' code has, with weight 0).
    """

    distills = False

    @torch.no_grad()
    def lesson(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Lesson:
        """What there is to learn from pairs (N, 3, H, W) in [0, 1]: 3 N targets."""
        content, style = (self.vgg(each, [LAYER])[LAYER] for each in (contents, styles))
        # One style a photograph, where the authors' code swaps all with all.
        swapped = [
            style_swap(one[None], Bank([other[None]])).to(content.dtype)
            for one, other in zip(content, style, strict=True)
        ]
        target = torch.cat([*swapped, content, style])
        target = target.contiguous(memory_format=torch.channels_last)
        return Lesson(contents, styles, {}, target, None, None, None, {})

    def terms(self, pictures: Tensor, lesson: Lesson) -> dict[str, Tensor]:
        """Each term of the loss of such ``pictures``, before its weight."""
        got = self.vgg(pictures, [LAYER])[LAYER]
        terms = {
            "content": content_loss(got, lesson.target),
            "variation": total_variation(pictures, order=2),
        }
        if self.config.identity:
            seen = torch.cat([lesson.contents, lesson.styles])
            terms["identity"] = F.l1_loss(pictures[len(lesson.contents) :], seen)
        return terms
