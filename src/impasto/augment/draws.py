"""Random numbers of a transform: different in every process, and repeatable with a seed."""

from __future__ import annotations

import os
import random
import sys
from typing import Any

from impasto.errors import OptionError


class Draws:
    """A source of random numbers in [0, 1).

    Without a seed they come from the source that other transforms use: PyTorch's global generator
    if PyTorch is loaded, else :mod:`random`. A ``DataLoader`` seeds both in each of its workers,
    and Python reseeds its own in each process that it forks.

    With a seed they are a separate stream, which starts anew in each process: in a worker of a
    ``DataLoader`` it also depends on the seed that the loader has given the worker, elsewhere on
    the name of the process.

    Args:
        seed: a whole number, or None.

    Raises:
        OptionError: if the seed is something else.

    Example:
        >>> Draws(1)(2) == Draws(1)(2)
        True
    """

    def __init__(self, seed: int | None) -> None:
        if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
            raise OptionError(f"seed must be a whole number or None, not {seed!r}")
        self.seed = seed
        self._stream: random.Random | None = None
        self._pid = 0

    def __call__(self, count: int) -> list[float]:
        """Draw ``count`` numbers."""
        torch = loaded_torch()
        if self.seed is not None:
            if self._stream is None or self._pid != os.getpid():
                self._stream = random.Random(f"{self.seed} {_place(torch)}")
                self._pid = os.getpid()
            return [self._stream.random() for _ in range(count)]
        if torch is not None:
            drawn: list[float] = torch.rand(count, dtype=torch.float64, device="cpu").tolist()
            return drawn
        return [random.random() for _ in range(count)]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None}


def loaded_torch() -> Any:
    """Return PyTorch's module if the process has loaded it, else None; never load it.

    Example:
        >>> loaded_torch() is sys.modules.get("torch")
        True
    """
    torch = sys.modules.get("torch")
    # A module that is still being imported lacks some of its names.
    return torch if hasattr(torch, "rand") and hasattr(torch, "Tensor") else None


def _place(torch: Any) -> str:
    """A text that distinguishes the stream of this process from those of others."""
    loader = None if torch is None else sys.modules.get("torch.utils.data")
    worker = None if loader is None else loader.get_worker_info()
    if worker is not None:
        return f"worker {worker.seed}"
    import multiprocessing

    return multiprocessing.current_process().name
