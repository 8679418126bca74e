"""One training run in several processes (``torchrun``), and the signals that stop it.

    torchrun --nproc-per-node 2 -m impasto lab train CONFIG

Every process holds the same weights, processes its parts of the batch and uses the mean of all
gradients, so that all make the same step.  Without ``torchrun`` there is one process, with the same
code.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from impasto.errors import OptionError


@dataclass(frozen=True)
class Processes:
    """This process among those of a run.

    Attributes:
        rank: its number; 0 writes files.
        count: number of processes.
        device: the device it computes on.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def reduce_device(self) -> torch.device:
        """Device of tensors that are reduced over processes."""
        return self.device if self.count > 1 else torch.device("cpu")

    @property
    def first(self) -> bool:
        """True for the process that writes."""
        return self.rank == 0

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes; all have the same shapes."""
        if self.count == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        distributed.all_reduce(flat)
        flat /= self.count
        pieces = flat.split([tensor.numel() for tensor in tensors])
        for tensor, piece in zip(tensors, pieces, strict=True):
            tensor.copy_(piece.view_as(tensor))

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all processes, in their order."""
        if self.count == 1:
            return [value]
        values: list[Any] = [None] * self.count
        distributed.all_gather_object(values, value)
        return values


@contextmanager
def join_processes(device: str = "") -> Iterator[Processes]:
    """Join the processes started by ``torchrun``; without it there is only this one.

    Args:
        device: ``cpu`` or ``cuda``; empty: CUDA if available.

    Raises:
        OptionError: if CUDA is requested but not available.
    """
    there = torch.cuda.is_available()
    if device == "cuda" and not there:
        raise OptionError("device = 'cuda', but PyTorch finds no CUDA device; leave it empty")
    if device not in ("", "cpu", "cuda"):
        raise OptionError(f"device = {device!r}; it must be 'cpu', 'cuda' or empty")
    kind = device or ("cuda" if there else "cpu")
    count = int(os.environ.get("WORLD_SIZE", "1"))
    place = torch.device(kind, int(os.environ.get("LOCAL_RANK", "0"))) if kind == "cuda" else None
    if place is not None:
        torch.cuda.set_device(place)
        # All training batches have one size, so the fastest convolution is searched once.
        torch.backends.cudnn.benchmark = True
    started = count > 1 and not distributed.is_initialized()
    if started:
        distributed.init_process_group("nccl" if kind == "cuda" else "gloo")
    rank = distributed.get_rank() if count > 1 else 0
    try:
        yield Processes(rank, count, place or torch.device("cpu"))
        if started:
            # All leave together: a process that ended while the first was still writing has
            # been seen to abort in the threads of gloo.
            distributed.barrier()
    finally:
        if started:
            distributed.destroy_process_group()


class Stop:
    """Flag set by a signal to stop training."""

    asked = False


@contextmanager
def stop_on_signals(*, patient: bool = False) -> Iterator[Stop]:
    """Turn Ctrl-C and ``kill`` into a request to stop, so that a step is always completed.

    A second one interrupts at once, unless ``patient``: ``torchrun`` forwards signals that its
    processes have already received, and ends them itself if they take long.  In threads other than
    the main one nothing changes.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def ask(number: int, _: Any) -> None:
        if stop.asked and not patient:
            raise KeyboardInterrupt
        stop.asked = True

    for number in numbers:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
