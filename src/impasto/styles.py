"""A style as a value: what is kept of a style image."""

from __future__ import annotations

from dataclasses import dataclass

from impasto.affine import Moments


@dataclass(frozen=True, eq=False)
class Style:
    """The moments of a style image at every level of one model: a few kB, made once, used often.

    Made by :meth:`impasto.stylizer.Stylizer.style`; fits the model that made it and no other.

    Attributes:
        name: where it came from, for messages.
        model: the identity of the model that made it (``Stylizer.identity``).
        moments: one pair of mean and deviation a level, finest level first.
    """

    name: str
    model: str
    moments: tuple[Moments, ...]
