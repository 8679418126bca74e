"""Objectives of what paints no pair: the reader's eye, and Style-Swap's inverse network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ModelError
from impasto.lab.losses import STYLE_LAYERS, style_moments
from impasto.lab.losses.patches import Bank, style_swap
from impasto.lab.methods.compact.network import Compact
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.lab.training.checkpoints import READER, weights_from
from impasto.lab.training.objective import Objective, weighted
from impasto.lab.training.optimizers import precision
from impasto.lab.training.terms import (
    INVERSE_LAYER,
    Batch,
    Mapped,
    measure,
)

EYE_LAYERS = STYLE_LAYERS[1:]
"""The layers whose maps an eye is trained to predict."""


class ReadingObjective(Objective):
    """Distance of an ``Eye``'s maps to those of VGG; it looks at styles alone.

    ``distill_features``: mean square distance of the maps, in variances of the judge's; ``style``:
    that of their moments, as the style loss has it. Maps teach most of it: they are thousands of
    numbers a picture, moments a few.
    """

    paints = False

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Batch:
        """Prepare VGG's maps of ``styles`` (N, 3, H, W) in [0, 1]."""
        seen = self.vgg(styles, EYE_LAYERS)
        wanted = style_moments(seen)
        return Batch(contents, styles, wanted, styles, None, None, None, seen)

    def __call__(self, learned: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimize, and each term before its weight."""
        with precision(self.config, batch.styles):
            maps = dict(zip(EYE_LAYERS, learned(batch.styles), strict=True))
        mapped = Mapped(batch, maps, self.config.style_units)
        return weighted(self.config, measure(self.measured, mapped))


def eye_of(source: str | Path) -> dict[str, Tensor]:
    """The weights of the eye in a checkpoint or a bundle.

    Of a run of ``reader``, or of the reader of a compact network or of a model by its name. Raises
    ``ModelError`` where there is none.
    """
    weights = weights_from(source)[0]
    if any(name.startswith(READER) for name in weights):
        own = READER + "eye."
        weights = {k.removeprefix(own): v for k, v in weights.items() if k.startswith(own)}
    if "maps.0.weight" not in weights:
        raise ModelError(f"{source}: there is no eye in it; give a run of reader, or a model")
    return weights


@torch.no_grad()
def give_eye(
    learned: Compact, weights: Mapping[str, Tensor], styles: Iterable[Tensor], *, bf16: bool = False
) -> None:
    """Let the reader of ``learned`` see with an eye, and look at what there is to see.

    What it makes of that is left to learn. ``weights``: of :func:`eye_of`;
    ``styles``: batches of crops (N, 3, H, W) in [0, 1], some times as many as the reader has axes.
    Raises ``RuntimeError`` where eyes differ in size.
    """
    learned.reader.eye.load_state_dict(weights)
    rows = []
    for batch in styles:
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=bf16):
            means, stds = zip(*(fast_mean_std(x) for x in learned.encode(batch)), strict=True)
            rows.append(learned.reader.seen(batch, None, means, stds))
    learned.reader.look(torch.cat(rows))


class InverseObjective(Objective):
    """Section 4 of Chen & Schmidt 2016: ``mean |F(x) - target|^2 + variation TV(x)``.

    A batch's targets are the swapped features of its pairs, then the features of its photographs
    and of its paintings: swapped features are those of no picture, so the network has to see them
    in training. Without style term; the ``identity`` term is the L1 distance of photographs and
    paintings from themselves, which the paper has not (the authors' code has, with weight 0).
    """

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Batch:
        """Prepare a batch of pairs (N, 3, H, W) in [0, 1]: 3 N targets."""
        content, style = (
            self.vgg(each, [INVERSE_LAYER])[INVERSE_LAYER] for each in (contents, styles)
        )
        # One style a photograph, where the authors' code swaps all with all.
        swapped = [
            style_swap(one[None], Bank([other[None]])).to(content.dtype)
            for one, other in zip(content, style, strict=True)
        ]
        target = torch.cat([*swapped, content, style])
        target = target.contiguous(memory_format=torch.channels_last)
        return Batch(contents, styles, {}, target, None, None, None, {})

    def terms(self, pictures: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Each term of the loss of such ``pictures``, before its weight."""
        return self.measure(pictures, batch, unaligned=pictures[:0], narrow=pictures[:0])
