"""Behavior where the paper leaves room: this project's, or that of published code.

Masks on the grid of features, strengths near 0, small regions and the estimate of a variance are
handled here for the best pictures. To reproduce published results exactly, they can also be handled
as in the authors' code (``test.lua``) or its PyTorch port (naoto0804/pytorch-AdaIN).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from impasto.controls.moments import EPS, MIN_CELLS, Moments
from impasto.errors import OptionError, StyleError


@dataclass(frozen=True)
class Behavior:
    """A row of the table of behaviors.

    Attributes:
        name: as on the command line.
        summary: a line for people.
        fade: True to mix in the photograph itself at strengths below ``painting.tiles.FADE``, and
            to keep it unchanged at 0 and outside masks; else the decoder's reconstruction stands
            there.
        hard: True if a position of the features lies fully within or outside a mask, by the mask's
            pixel at its corner, instead of in part.
        fewest: effective positions that a region needs for moments of its own.
        plain: True if a photograph without contrast is given none of the style's.
        unbiased: True if variances are divided by the number of positions minus 1.
        style_eps: True if ``EPS`` is added to a style's variance too, not only to the photograph's.
    """

    name: str
    summary: str
    fade: bool = True
    hard: bool = False
    fewest: float = MIN_CELLS
    plain: bool = True
    unbiased: bool = False
    style_eps: bool = True

    def of_content(self, found: Moments) -> Moments:
        """Return the moments of a photograph, or of a region, as this code computes them."""
        return _unbiased(found) if self.unbiased else found

    def of_style(self, found: Moments) -> Moments:
        """Return the moments of a style as this code computes them.

        Raises:
            StyleError: if the style does not record the number of its positions, which this needs.
        """
        if self.unbiased:
            return _unbiased(found)
        if self.style_eps:
            return found
        return replace(found, std=np.sqrt(np.maximum(np.square(found.std) - EPS, 0)))


BEHAVIORS: tuple[Behavior, ...] = (
    Behavior("impasto", "made for pictures: soft masks, and strength 0 is the photograph"),
    Behavior(
        "authors",
        "the authors' code: hard masks, and strength 0 is what the decoder makes of the photograph",
        fade=False,
        hard=True,
        fewest=1,
        plain=False,
        style_eps=False,
    ),
    Behavior(
        "port",
        "the PyTorch port: as authors, with unbiased variances; it has no masks of its own",
        fade=False,
        hard=True,
        fewest=2,
        plain=False,
        unbiased=True,
    ),
)


def find_behavior(name: str) -> Behavior:
    """Return the row of ``BEHAVIORS`` with this name.

    Raises:
        OptionError: if there is none.

    Example:
        >>> find_behavior("authors").hard
        True
    """
    for row in BEHAVIORS:
        if row.name == name:
            return row
    names = " or ".join(row.name for row in BEHAVIORS)
    raise OptionError(f"behavior must be {names}, not {name!r}")


def _unbiased(found: Moments) -> Moments:
    if found.count is None:
        raise StyleError(
            "behavior 'port' needs the number of positions of a style, which a saved style does "
            "not contain: give the picture itself"
        )
    variance = np.maximum(np.square(found.std) - EPS, 0) * (found.count / max(found.count - 1, 1))
    return replace(found, std=np.sqrt(variance + EPS))
