"""Channels within residual blocks that live, and those that are work for nothing.

A channel behind a ReLU that is 0 for every picture has no gradient and never comes back, and what
goes around the blocks keeps the losses falling: only looking at the channels tells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from impasto.lab.nets.blocks import Residual

DEAD = 0.01
"""A channel that says less than this share of what the strongest of its block says is dead."""


@contextmanager
def watched(network: nn.Module) -> Iterator[dict[str, Tensor]]:
    """What the channels within the residual blocks of ``network`` say while it runs.

    Yields a row of numbers for each block that has run, by its name: for every channel between the
    two convolutions its deviation over places and pictures times the norm of the weights that are
    its way out, the largest over all passes.
    """
    said: dict[str, Tensor] = {}

    def note(name: str, block: Residual, within: Tensor) -> None:
        deviation = within.detach().float().std(dim=(0, 2, 3), correction=0)
        # (out, in, 3, 3): what a channel says leaves by all kernels that take it in.
        way_out = block.second.weight.detach().float().square().sum(dim=(0, 2, 3)).sqrt()
        says = deviation * way_out
        said[name] = torch.maximum(said[name], says) if name in said else says

    hooks = [
        block.second.register_forward_pre_hook(
            lambda _, given, name=name, block=block: note(name, block, given[0])
        )
        for name, block in network.named_modules()
        if isinstance(block, Residual)
    ]
    try:
        yield said
    finally:
        for hook in hooks:
            hook.remove()


def dead_channels(said: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Which channels are dead (bool, one a channel), for each block of what :func:`watched` saw.

    >>> import torch
    >>> dead_channels({"block": torch.tensor([2.0, 0.5, 0.01])})["block"].tolist()
    [False, False, True]
    """
    return {name: says <= DEAD * says.max() for name, says in said.items()}


def dead_share(said: Mapping[str, Tensor]) -> float | None:
    """The share of all channels that are dead, from 0 to 1; None where no block has run.

    >>> import torch
    >>> dead_share({"block": torch.tensor([2.0, 0.5, 0.01, 0.0])})
    0.5
    """
    if not said:
        return None
    return float(torch.cat(list(dead_channels(said).values())).float().mean())
