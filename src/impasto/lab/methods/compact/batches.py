"""Alternating batches of two sizes."""

from __future__ import annotations

from typing import Any

from impasto.errors import OptionError
from impasto.lab.training.batches import Batches

THIRD = 3
"""Every third step has larger crops, if a config sets them."""


class TwoSizes:
    """Batches of two sizes, each with its own pictures and order; implements ``Lessons``.

    Sizes alternate between steps: a network trained on one of them for long forgets the other.
    """

    def __init__(self, small: Batches, large: Batches) -> None:
        """Use ``large`` for the last of every ``THIRD`` steps."""
        self.small, self.large = small, large

    def at(self, step: int) -> list[Any]:
        """See ``Batches.at``."""
        before, place = divmod(step, THIRD)
        return self.large.at(before) if place == THIRD - 1 else self.small.at(step - before)

    def state(self, step: int) -> dict[str, Any]:
        """See ``Batches.state``."""
        before = step // THIRD
        return {"small": self.small.state(step - before), "large": self.large.state(before)}

    def restore(self, state: dict[str, Any]) -> None:
        """See ``Batches.restore``; raise ``OptionError`` for a state of plain ``Batches``."""
        if "small" not in state:
            raise OptionError(
                "the run was started with crops of one size; keep larger "
                "unchanged, or give another run folder (start = its checkpoint)"
            )
        self.small.restore(state["small"])
        self.large.restore(state["large"])
