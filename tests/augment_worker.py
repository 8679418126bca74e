"""A data set for workers of a ``DataLoader``; spawned ones load this file, and no test."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray


class Same:
    """The same picture again and again, by a transform, as training code has it."""

    def __init__(self, transform: Any, picture: NDArray[Any], count: int) -> None:
        self.transform, self.picture, self.count = transform, picture, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, number: int) -> NDArray[Any]:
        made: NDArray[Any] = self.transform(self.picture)
        return made
