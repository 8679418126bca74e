"""Batches of training in their order: made in blocks, each of them used several times.

The judge is half of the work of a step, and what it sees in a pair does not change.  A block of
batches is made, gone through ``repeats`` times in a new order each time, and forgotten.
Photographs meet other styles each time, as far as the objective can pair them anew: what the judge
sees of either does not depend on the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from impasto.errors import OptionError

BLOCK = 64
"""Steps whose batches are kept at a time, at most,"""
PAIRS = 1024
"""and pairs, if that is fewer: 7.5 MB each at 256 px."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """Size and order of batches.

    Attributes:
        batch: pairs a step.
        repeats: how often each is learned from.
        seed: of the order in a block.
        block: steps of a block; 0: as many as are worth their memory.

    Raises:
        OptionError: if ``repeats`` is less than 1.
    """

    batch: int
    repeats: int
    seed: int
    block: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise OptionError(f"repeats is {self.repeats}; a picture is learned from once or more")

    @property
    def block_length(self) -> int:
        """Steps of a block, chosen by memory where ``block`` is 0."""
        most = min(BLOCK, max(PAIRS // self.batch, 2)) if self.repeats > 1 else 1
        return self.block or most


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Parts that each batch is learned in, over all processes.

    Attributes:
        count: number of parts.
        own: those of this process; it draws the others too, but makes only its own.
    """

    count: int = 1
    own: range = range(1)


class Preparing(Protocol):
    """The part of an objective that makes batches, of a kind that it alone looks into."""

    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int, parts: int, number: int
    ) -> Any: ...

    def paired(self, one: Any, other: Any) -> Any: ...


class Draws(Protocol):
    """The source of the crops of a batch, or of the numbers of its styles."""

    def batch(
        self, n: int, only: Sequence[int] | None, *, device: torch.device | str
    ) -> Tensor: ...

    def state(self) -> dict[str, object]: ...

    def restore(self, state: dict[str, object]) -> None: ...


class Lessons(Protocol):
    """The batches of a run, step by step; each method is as that of :class:`Batches`."""

    def at(self, step: int) -> list[Any]: ...

    def state(self, step: int) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Batches:
    """Prepared pictures of every step; with ``state`` and ``restore`` the same after a pause."""

    def __init__(
        self,
        objective: Preparing,
        contents: Draws,
        styles: Draws,
        *,
        options: BatchOptions,
        partition: Partition = Partition(),
        device: torch.device | str = "cpu",
    ) -> None:
        """Set up; nothing is drawn yet.

        Args:
            objective: makes batches.
            contents: where photographs come from.
            styles: where paintings come from.
            options: size and order of the batches.
            partition: the parts of a batch, and those of this process.
            device: where the batches are wanted.

        Raises:
            OptionError: if a batch cannot be divided into so many equal parts.
        """
        if options.batch % partition.count:
            raise OptionError(
                f"a batch of {options.batch} pairs cannot be learned in {partition.count} equal "
                "parts (processes x accumulate); change one of them"
            )
        self.objective, self.contents, self.styles = objective, contents, styles
        self.options, self.partition, self.device = options, partition, device
        self.size = options.block_length
        self._block = -1
        self._before = self._samplers()
        self._batches: list[list[Any]] = []

    def at(self, step: int) -> list[Any]:
        """The batch of ``step``, a number that never falls: the parts of this process."""
        block, place = divmod(step, self.size * self.options.repeats)
        if block != self._block:
            self._before, self._block = self._samplers(), block
            self._batches = []  # before the new ones: never two blocks in memory
            numbers = range(block * self.size, (block + 1) * self.size)
            self._batches = [self._made(number) for number in numbers]
        turn, place = divmod(place, self.size)
        order = np.random.default_rng([self.options.seed, block, turn]).permutation(self.size)
        mine, other = order[place], (order[place] + turn) % self.size
        return [
            self.objective.paired(one, two) if turn else one
            for one, two in zip(self._batches[mine], self._batches[other], strict=True)
        ]

    def state(self, step: int) -> dict[str, Any]:
        """State that ``restore`` needs to go on with ``step``: the block itself is made again."""
        inside = step // (self.size * self.options.repeats) == self._block
        return self._before if inside else self._samplers()

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from ``state``; ``OptionError`` where it is that of other batches."""
        if "contents" not in state:
            raise OptionError(
                "the run began with batches of another kind: leave [data] as it was, or give "
                "another run folder (start = its checkpoint)"
            )
        self.contents.restore(state["contents"])
        self.styles.restore(state["styles"])
        self._block = -1

    def _made(self, number: int) -> list[Any]:
        # Every parts-th pair: so each part has its share of those that come back unaligned.
        batch, parts, own = self.options.batch, self.partition.count, self.partition.own
        only = [i for part in own for i in range(part, batch, parts)]
        contents, styles = (
            sampler.batch(batch, only, device=self.device).chunk(len(own))
            for sampler in (self.contents, self.styles)
        )
        return [
            self.objective.prepare(c, s, part=part, parts=parts, number=number)
            for part, c, s in zip(own, contents, styles, strict=True)
        ]

    def _samplers(self) -> dict[str, Any]:
        return {"contents": self.contents.state(), "styles": self.styles.state()}
