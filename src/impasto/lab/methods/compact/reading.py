"""Training of a reader's eye, and its transfer to a reader."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from impasto.errors import ModelError
from impasto.lab.losses import STYLE_LAYERS, moment_loss, style_moments
from impasto.lab.methods.compact.network import Compact
from impasto.lab.methods.compact.reader import PREFIX
from impasto.lab.methods.compact.terms import CompactBatch
from impasto.lab.nets.fast_moments import fast_mean_square, fast_mean_std
from impasto.lab.training.checkpoints import weights_from
from impasto.lab.training.objective import Objective, weighted
from impasto.lab.training.optimizers import precision
from impasto.lab.training.terms import Batch, Term, measure

EYE_LAYERS = STYLE_LAYERS[1:]
"""The layers whose maps an eye is trained to predict."""


@dataclass(frozen=True, eq=False)
class Mapped:
    """Feature maps predicted by a reader's eye for the styles of a batch, for ``READER_TERMS``."""

    batch: CompactBatch
    maps: Mapping[str, Tensor]
    units: str


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
    # Over all numbers of a map: within pictures and channels, and between them.
    return std.square().mean() + mean.var(correction=0)


READER_TERMS: tuple[Term, ...] = (
    Term("style", 10.0, _mapped_style, always=True),
    Term("distill_features", 0.0, _mapped_features, always=True),
)
"""Terms of the eye of the compact networks' readers."""


class ReadingObjective(Objective):
    """Distance of an ``Eye``'s maps to those of VGG, on styles only.

    ``distill_features``: mean square distance of the maps, in variances of the judge's; ``style``:
    that of their moments, as in the style loss. Maps provide most of the signal, with thousands of
    numbers per picture; moments are few.
    """

    paints = False

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> CompactBatch:
        """Prepare VGG's maps of ``styles`` (N, 3, H, W) in [0, 1]."""
        seen = self.vgg(styles, EYE_LAYERS)
        wanted = style_moments(seen)
        return CompactBatch(contents, styles, wanted, styles, taught=seen)

    def __call__(self, learned: Any, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss to minimize, and each unweighted term."""
        assert isinstance(batch, CompactBatch)  # as ``prepare`` makes them
        with precision(self.config, batch.styles):
            maps = dict(zip(EYE_LAYERS, learned(batch.styles), strict=True))
        mapped = Mapped(batch, maps, self.distances.units)
        return weighted(self.config, measure(self.measured, mapped))


def eye_of(source: str | Path) -> dict[str, Tensor]:
    """Return the weights of the eye in a checkpoint or a bundle.

    The source is a run of ``reader``, a compact network with a reader, or a model by name. Raises
    ``ModelError`` if it has none.
    """
    weights = weights_from(source)[0]
    if any(name.startswith(PREFIX) for name in weights):
        own = PREFIX + "eye."
        weights = {k.removeprefix(own): v for k, v in weights.items() if k.startswith(own)}
    if "maps.0.weight" not in weights:
        raise ModelError(f"{source}: contains no eye; give a run of reader, or a model")
    return weights


@torch.no_grad()
def give_eye(
    learned: Compact, weights: Mapping[str, Tensor], styles: Iterable[Tensor], *, bf16: bool = False
) -> None:
    """Load an eye into the reader of ``learned``, and set its principal axes.

    The layers after them remain to be trained. ``weights``: of :func:`eye_of`; ``styles``: batches
    of crops (N, 3, H, W) in [0, 1], several times as many as the reader has axes. Raises
    ``RuntimeError`` where eyes differ in size.
    """
    learned.reader.eye.load_state_dict(weights)
    rows = []
    for batch in styles:
        with torch.autocast(batch.device.type, torch.bfloat16, enabled=bf16):
            means, stds = zip(*(fast_mean_std(x) for x in learned.encode(batch)), strict=True)
            rows.append(learned.reader.seen(batch, None, means, stds))
    learned.reader.look(torch.cat(rows))
