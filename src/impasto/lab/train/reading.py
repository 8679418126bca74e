"""Training of the eye that the compact networks read styles with: to see what VGG sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ModelError
from impasto.lab.losses import STYLE_LAYERS, style_moments
from impasto.lab.methods.compact import EYE, HIDDEN, Compact, Eye, dense, told
from impasto.lab.moments import fast_mean_std
from impasto.lab.train.checkpoints import READER, weights_from
from impasto.lab.train.objective import Lesson, Objective, weighted
from impasto.lab.train.optimization import precision

CHANNELS = {"relu1_1": 64, "relu2_1": 128, "relu3_1": 256, "relu4_1": 512}
DENSE = STYLE_LAYERS[1:]
"""Layers whose maps are told at every place: those of the scales of the eye."""


class Witness(nn.Module):
    """An eye, and layers that tell from what it sees what VGG sees.

    Maps of relu2_1, relu3_1 and relu4_1 at every place, and mean and deviation of all style layers
    for the whole picture. The maps teach most of it (thousands of places a picture), the moments
    what a reader needs.
    """

    def __init__(self, channels: Sequence[int] = EYE, hidden: int = HIDDEN) -> None:
        super().__init__()
        self.eye = Eye(channels)
        self.maps = nn.ModuleList(
            nn.Conv2d(seen, CHANNELS[layer], 1) for seen, layer in zip(channels, DENSE, strict=True)
        )
        seen, told_of = 2 * (3 + sum(channels)), 2 * sum(CHANNELS.values())
        self.layers = dense((seen, hidden, hidden, told_of))
        with torch.no_grad():
            self.layers[-1].weight.mul_(0.1)

    def forward(self, image: Tensor) -> tuple[list[Tensor], Tensor]:
        """Maps of ``DENSE``, and the moments of all style layers (N, 1920), layer by layer."""
        seen = self.eye(image)
        x = told([fast_mean_std(each) for each in (image, *seen)])
        for layer in self.layers[:-1]:
            x = F.relu(layer(x))
        maps = [tell(each) for tell, each in zip(self.maps, seen, strict=True)]
        return maps, self.layers[-1](x)


class ReadingObjective(Objective):
    """How far a ``Witness`` is from what the judge sees; it looks at styles alone.

    ``distill_features``: mean square distance of the maps, in variances of the judge's; ``style``:
    that of the moments, in the units of the style loss. What the second is on held-out styles is
    how much style loss comes from not knowing the style.
    """

    distills = False
    paints = False

    @torch.no_grad()
    def lesson(self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1) -> Lesson:
        """What the judge sees of ``styles`` (N, 3, H, W) in [0, 1]."""
        seen = self.vgg(styles, STYLE_LAYERS)
        taught = {layer: seen[layer] for layer in DENSE}
        return Lesson(contents, styles, style_moments(seen), styles, None, None, taught, 0, 0.0)

    def __call__(self, learned: Any, lesson: Lesson) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss to minimize, and each term before its weight."""
        return weighted(self.config, self.distances(learned, lesson))

    def distances(self, learned: Any, lesson: Lesson) -> dict[str, Tensor]:
        """Each term, before its weight."""
        with precision(self.config, lesson.styles):
            maps, row = learned(lesson.styles)
        distances = [
            F.mse_loss(each.float(), seen.float()) / seen.float().var().clamp(min=1e-3)
            for each, seen in zip(maps, lesson.taught.values(), strict=True)
        ]
        wanted = [torch.cat(pair, 1).flatten(1) for pair in lesson.wanted.values()]
        parts = row.float().split([each.shape[1] for each in wanted], dim=1)
        # A mean over means and deviations is half of their sum.
        errors = [2 * F.mse_loss(got, each) for got, each in zip(parts, wanted, strict=True)]
        return {
            "style": torch.stack(errors).sum(),
            "distill_features": torch.stack(distances).sum(),
        }


def eye_of(source: str | Path) -> dict[str, Tensor]:
    """The weights of the eye, and of what makes use of it, in a checkpoint or a bundle.

    Of a run of ``reader`` those of a ``Witness``; of a compact network, or of a model by its name,
    those of its reader. Raises ``ModelError`` where there are none.
    """
    weights = weights_from(source)[0]
    if any(name.startswith(READER) for name in weights):
        weights = {k.removeprefix(READER): v for k, v in weights.items() if k.startswith(READER)}
    if "eye.stem.weight" not in weights:
        raise ModelError(f"{source}: there is no eye in it; give a run of reader, or a model")
    return weights


def give_eye(learned: Compact | Witness, weights: Mapping[str, Tensor]) -> None:
    """Let a reader, or a witness, start with an eye and with what was made of it before.

    What it says in the end, and a reader's view of the moments in its encoder, are left to learn.
    ``weights``: of :func:`eye_of`. Raises ``RuntimeError`` where eyes or layers differ in size.
    """
    own: Any = learned.reader if isinstance(learned, Compact) else learned
    eye = {k.removeprefix("eye."): v for k, v in weights.items() if k.startswith("eye.")}
    own.eye.load_state_dict(eye)
    # What the eye sees comes first, in both; behind it are moments of one encoder, not of another.
    seen = 2 * (3 + sum(layer.out_channels for layer in (own.eye.stem, *own.eye.downs)))
    with torch.no_grad():
        own.layers[0].weight.zero_()
        own.layers[0].weight[:, :seen] = weights["layers.0.weight"][:, :seen]
        own.layers[0].bias.copy_(weights["layers.0.bias"])
        own.layers[1].weight.copy_(weights["layers.1.weight"])
        own.layers[1].bias.copy_(weights["layers.1.bias"])
