"""Batches of two sizes, which take turns."""

from __future__ import annotations

from typing import Any

from impasto.errors import OptionError
from impasto.lab.training.batches import Batches

THIRD = 3
"""One step of so many has larger crops, where a config asks for some."""


class TwoSizes:
    """Batches of two sizes, each with its own pictures in its own order; they are ``Lessons``.

    Sizes take turns from step to step: a network that sees one of them for long forgets the other.
    """

    def __init__(self, small: Batches, large: Batches) -> None:
        """``large`` has one step of ``THIRD``, the last."""
        self.small, self.large = small, large

    def at(self, step: int) -> list[Any]:
        """As ``Batches.at``."""
        before, place = divmod(step, THIRD)
        return self.large.at(before) if place == THIRD - 1 else self.small.at(step - before)

    def state(self, step: int) -> dict[str, Any]:
        """As ``Batches.state``."""
        before = step // THIRD
        return {"small": self.small.state(step - before), "large": self.large.state(before)}

    def restore(self, state: dict[str, Any]) -> None:
        """As ``Batches.restore``; ``OptionError`` where ``state`` is one of those."""
        if "small" not in state:
            raise OptionError(
                "the run began with crops of one size: leave larger as it "
                "was, or give another run folder (start = its checkpoint)"
            )
        self.small.restore(state["small"])
        self.large.restore(state["large"])
