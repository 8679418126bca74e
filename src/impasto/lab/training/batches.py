"""Training batches in order: prepared in blocks, with each batch used several times.

The judge takes half of the time of a step, and its features of a pair do not change.  A block of
batches is prepared, iterated ``repeats`` times in a new order each time, and discarded. Photographs
are paired with other styles each time, if the objective supports it: the features of either do not
depend on the other.
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
"""Largest number of steps whose batches are kept at a time,"""
PAIRS = 1024
"""and of pairs, if that is fewer: 7.5 MB each at 256 px."""


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """Size and order of batches.

    Attributes:
        batch: pairs per step.
        repeats: uses of each pair.
        seed: of the order in a block.
        block: steps of a block; 0: chosen by memory.

    Raises:
        OptionError: if ``repeats`` is less than 1.
    """

    batch: int
    repeats: int
    seed: int
    block: int = 0

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise OptionError(f"repeats is {self.repeats}; it must be 1 or more")

    @property
    def block_length(self) -> int:
        """Steps of a block, chosen by memory where ``block`` is 0."""
        most = min(BLOCK, max(PAIRS // self.batch, 2)) if self.repeats > 1 else 1
        return self.block or most


@dataclass(frozen=True, kw_only=True)
class Partition:
    """Parts into which each batch is divided, over all processes.

    Attributes:
        count: number of parts.
        own: those of this process; it draws the others too, but prepares only its own.
    """

    count: int = 1
    own: range = range(1)


class Preparing(Protocol):
    """The part of an objective that prepares batches, whose type only it knows."""

    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int, parts: int, number: int
    ) -> Any: ...

    def paired(self, one: Any, other: Any) -> Any: ...


class Draws(Protocol):
    """The source of the crops of a batch, or of the indices of its styles."""

    def batch(
        self, n: int, only: Sequence[int] | None, *, device: torch.device | str
    ) -> Tensor: ...

    def state(self) -> dict[str, object]: ...

    def restore(self, state: dict[str, object]) -> None: ...


class Lessons(Protocol):
    """The batches of a run, step by step; for the methods see :class:`Batches`."""

    def at(self, step: int) -> list[Any]: ...

    def state(self, step: int) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Batches:
    """Prepared pictures of every step; ``state`` and ``restore`` resume the same sequence."""

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
            objective: prepares batches.
            contents: the source of photographs.
            styles: the source of paintings.
            options: size and order of the batches.
            partition: the parts of a batch, and those of this process.
            device: the device of the batches.

        Raises:
            OptionError: if a batch cannot be divided into so many equal parts.
        """
        if options.batch % partition.count:
            raise OptionError(
                f"a batch of {options.batch} pairs cannot be split into {partition.count} equal "
                "parts (processes x accumulate); change one of them"
            )
        self.objective, self.contents, self.styles = objective, contents, styles
        self.options, self.partition, self.device = options, partition, device
        self.size = options.block_length
        self._block = -1
        self._before = self._samplers()
        self._batches: list[list[Any]] = []

    def at(self, step: int) -> list[Any]:
        """Return this process's parts of the batch of ``step``, which never decreases."""
        block, place = divmod(step, self.size * self.options.repeats)
        if block != self._block:
            self._before, self._block = self._samplers(), block
            self._batches = []  # first, so that two blocks are never in memory
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
        """Return the state to resume at ``step`` with ``restore``, which rebuilds the block."""
        inside = step // (self.size * self.options.repeats) == self._block
        return self._before if inside else self._samplers()

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from ``state``; raise ``OptionError`` if it is that of other batches."""
        if "contents" not in state:
            raise OptionError(
                "the run was started with different batches; keep [data] unchanged, or give "
                "another run folder (start = its checkpoint)"
            )
        self.contents.restore(state["contents"])
        self.styles.restore(state["styles"])
        self._block = -1

    def _made(self, number: int) -> list[Any]:
        # Every parts-th pair, so that each part has its share of the unaligned ones.
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
