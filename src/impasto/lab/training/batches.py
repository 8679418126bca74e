"""Batches of training in their order: made in blocks, each of them used several times.

Judge and teacher are most of the work of a step, and what they say of a pair does not change.  A
block of lessons is made, gone through ``repeats`` times in a new order each time, and forgotten.
Where no teacher painted the pairs, photographs meet other styles each time: what the judge sees of
either does not depend on the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from impasto.errors import OptionError
from impasto.lab.data.pictures import Sampler
from impasto.lab.training.objective import Objective
from impasto.lab.training.terms import Lesson

BLOCK = 64
"""Steps whose lessons are kept at a time, at most,"""
PAIRS = 1024
"""and pairs, if that is fewer: 7.5 MB each at 256 px."""
THIRD = 3
"""One step of so many has larger crops, where a config asks for some."""


_OTHERWISE = ": leave larger as it was, or give another run folder (start = its checkpoint)"


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
        parts: int = 1,
        mine: range = range(1),
        device: torch.device | str = "cpu",
        size: int = 0,
    ) -> None:
        """Set up; nothing is drawn yet.

        Args:
            objective: makes lessons.
            contents: where photographs come from.
            styles: where paintings come from.
            batch: pairs a step.
            repeats: how often each is learned from.
            seed: of the order in a block.
            parts: how many parts a batch is learned in, over all processes.
            mine: those of this process; it draws the others too, but makes only its own.
            device: where the lessons are wanted.
            size: steps of a block; 0: as many as are worth their memory.
        """
        if repeats < 1:
            raise OptionError(f"repeats is {repeats}; a lesson is learned from once or more")
        if batch % parts:
            raise OptionError(
                f"a batch of {batch} pairs cannot be learned in {parts} equal parts (processes x "
                "accumulate); change one of them"
            )
        self.objective, self.contents, self.styles = objective, contents, styles
        self.batch, self.repeats, self.seed = batch, repeats, seed
        self.parts, self.mine, self.device = parts, mine, device
        self.size = size or (min(BLOCK, max(PAIRS // batch, 2)) if repeats > 1 else 1)
        self._block = -1
        self._before = self._samplers()
        self._lessons: list[list[Lesson]] = []

    def at(self, step: int) -> list[Lesson]:
        """The lesson of ``step``, a number that never falls: the parts of this process."""
        block, place = divmod(step, self.size * self.repeats)
        if block != self._block:
            self._before, self._block = self._samplers(), block
            self._lessons = []  # before the new ones: never two blocks in memory
            numbers = range(block * self.size, (block + 1) * self.size)
            self._lessons = [self._made(number) for number in numbers]
        turn, place = divmod(place, self.size)
        order = np.random.default_rng([self.seed, block, turn]).permutation(self.size)
        mine, other = order[place], (order[place] + turn) % self.size
        return [
            self.objective.paired(one, two) if turn else one
            for one, two in zip(self._lessons[mine], self._lessons[other], strict=True)
        ]

    def state(self, step: int) -> dict[str, Any]:
        """State that ``restore`` needs to go on with ``step``: the block itself is made again."""
        inside = step // (self.size * self.repeats) == self._block
        return self._before if inside else self._samplers()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``; ``OptionError`` where it is one of ``TwoSizes``."""
        if "contents" not in state:
            raise OptionError(f"the run began with crops of two sizes{_OTHERWISE}")
        self.contents.restore(state["contents"])
        self.styles.restore(state["styles"])
        self._block = -1

    def _made(self, number: int) -> list[Lesson]:
        # Every parts-th pair: so each part has its share of those that come back unaligned.
        only = [i for part in self.mine for i in range(part, self.batch, self.parts)]
        contents, styles = (
            sampler.batch(self.batch, only, device=self.device).chunk(len(self.mine))
            for sampler in (self.contents, self.styles)
        )
        return [
            self.objective.lesson(c, s, part=part, parts=self.parts, number=number)
            for part, c, s in zip(self.mine, contents, styles, strict=True)
        ]

    def _samplers(self) -> dict[str, Any]:
        return {"contents": self.contents.state(), "styles": self.styles.state()}


class TwoSizes:
    """Lessons of two sizes, each with its own pictures in its own order; the surface is that of
    ``Lessons``.

    Sizes take turns from step to step: a network that sees one of them for long forgets the other.
    """

    def __init__(self, small: Lessons, large: Lessons) -> None:
        """``large`` has one step of ``THIRD``, the last."""
        self.small, self.large = small, large

    def at(self, step: int) -> list[Lesson]:
        """As ``Lessons.at``."""
        before, place = divmod(step, THIRD)
        return self.large.at(before) if place == THIRD - 1 else self.small.at(step - before)

    def state(self, step: int) -> dict[str, Any]:
        """As ``Lessons.state``."""
        before = step // THIRD
        return {"small": self.small.state(step - before), "large": self.large.state(before)}

    def restore(self, state: dict[str, Any]) -> None:
        """As ``Lessons.restore``; ``OptionError`` where ``state`` is one of those."""
        if "small" not in state:
            raise OptionError(f"the run began with crops of one size{_OTHERWISE}")
        self.small.restore(state["small"])
        self.large.restore(state["large"])
