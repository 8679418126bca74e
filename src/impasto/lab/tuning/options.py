"""Settings of tuning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from impasto.errors import OptionError, one_line
from impasto.lab.losses import CONTENT_LAYER
from impasto.lab.training.terms import STYLE_TERMS
from impasto.lab.tuning.prices import CONTENT

STYLE = next(term.weight for term in STYLE_TERMS if term.name == "style")
"""Fixed weight of the style loss for any weight of the content loss: that of training."""

LEAST_SIDE = 32
"""Smallest side of crops and photographs, in pixels: 4 x 4 positions at ``CONTENT_LAYER``."""

CELL = 16
"""A side must be a multiple of this, as the judge's layers and all our models require."""


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """Settings of tuning: with model, pictures and judge, they determine the result.

    Attributes:
        content: weight of the content loss; that of the style loss is ``STYLE``.
        steps: steps of Adam.
        batch: crops of photographs per step.
        crop: their side in pixels.
        crops: number of different crops, which all styles share; their features are kept in memory.
        rate: learning rate at the first step, in deviations of each channel; it falls to 0 along a
            cosine.
        comb: share of the mesh that the model's comb filter removes from the pictures, from 0 to 1,
            if it has such a filter (``quality`` has).
        judged: number of held-out photographs, which decide whether the result is better.
        size: shorter side to which they are reduced, in pixels; smaller ones are not resized.
        seed: of the choice of photographs and crops.

    Raises:
        OptionError: if a number is out of its range.
    """

    content: float = CONTENT["balanced"]
    steps: int = 120
    batch: int = 1
    crop: int = 256
    crops: int = 64
    rate: float = 0.06
    comb: float = 1.0
    judged: int = 8
    size: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.content < float("inf"):
            raise OptionError(f"content is {self.content}; it must be 0 or more")
        if not 0 < self.rate < float("inf"):
            raise OptionError(f"rate is {self.rate}; it must be above 0")
        if not 0 <= self.comb <= 1:
            raise OptionError(f"comb is {self.comb}; it must be from 0 to 1")
        for name in ("steps", "batch", "crops", "judged"):
            if getattr(self, name) < 1:
                raise OptionError(f"{name} is {getattr(self, name)}; it must be 1 or more")
        for name in ("crop", "size"):
            value = getattr(self, name)
            if value < LEAST_SIDE or value % CELL:
                raise OptionError(
                    f"{name} is {value}; it must be a multiple of {CELL}, {LEAST_SIDE} or more "
                    f"(the content is compared at {CONTENT_LAYER})"
                )


def read_settings(texts: Iterable[str]) -> dict[str, int | float]:
    """Parse settings of the command line, ``FIELD=VALUE``, for :class:`TuneOptions`.

    Raises:
        OptionError: naming the setting.

    Example:
        >>> read_settings(["crop=128", "rate=0.05"])
        {'crop': 128, 'rate': 0.05}
    """
    kinds = {each.name: float if each.type == "float" else int for each in fields(TuneOptions)}
    found: dict[str, int | float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        if name not in kinds:
            raise OptionError(
                f"tuning has no setting {one_line(name)!r}; its settings are {', '.join(kinds)}"
            )
        try:
            found[name] = kinds[name](value)
        except ValueError:
            kind = "number" if kinds[name] is float else "whole number"
            raise OptionError(f"{name} is {one_line(value)!r}; it must be a {kind}") from None
    return found
