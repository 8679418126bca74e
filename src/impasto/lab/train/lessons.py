"""Lessons in the order in which they are learned: made in blocks, each of them used several times.

Judge and teacher are most of the work of a step, and what they say of a pair does not change.  A
block of lessons is made, gone through ``repeats`` times in a new order each time, and forgotten.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from impasto.errors import OptionError
from impasto.lab.train.data import Sampler
from impasto.lab.train.objective import Lesson, Objective

BLOCK = 64
"""Lessons that are kept at a time: 7.5 MB a pair of 256 px."""


class Lessons:
    """The lesson of every step; with ``state`` and ``restore`` the same ones after a pause."""

    def __init__(
        self,
        objective: Objective,
        contents: Sampler,
        styles: Sampler,
        *,
        batch: int,
        repeats: int,
        seed: int,
    ) -> None:
        if repeats < 1:
            raise OptionError(f"repeats is {repeats}; a lesson is learned from once or more")
        self.objective, self.contents, self.styles = objective, contents, styles
        self.batch, self.repeats, self.seed = batch, repeats, seed
        self.size = BLOCK if repeats > 1 else 1
        self._block = -1
        self._before = self._samplers()
        self._lessons: list[Lesson] = []

    def at(self, step: int) -> Lesson:
        """The lesson of ``step``, a number that never falls."""
        block, place = divmod(step, self.size * self.repeats)
        if block != self._block:
            self._before, self._block = self._samplers(), block
            self._lessons = []  # before the new ones: never two blocks in memory
            self._lessons = [self._made() for _ in range(self.size)]
        turn, place = divmod(place, self.size)
        order = np.random.default_rng([self.seed, block, turn]).permutation(self.size)
        return self._lessons[order[place]]

    def state(self, step: int) -> dict[str, Any]:
        """What ``restore`` needs to go on with ``step``: the block itself is made again."""
        inside = step // (self.size * self.repeats) == self._block
        return self._before if inside else self._samplers()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``."""
        self.contents.restore(state["contents"])
        self.styles.restore(state["styles"])
        self._block = -1

    def _made(self) -> Lesson:
        return self.objective.lesson(self.contents.batch(self.batch), self.styles.batch(self.batch))

    def _samplers(self) -> dict[str, Any]:
        return {"contents": self.contents.state(), "styles": self.styles.state()}
