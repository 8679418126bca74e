"""How weights move: the optimizers, the schedules of the learning rate, the moving average."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from impasto.lab.train.config import TrainConfig
from impasto.lab.train.muon import Muon

OPTIMIZERS: dict[str, Callable[[Iterable[Any], float], torch.optim.Optimizer]] = {
    "muon": lambda parameters, rate: Muon(parameters, lr=rate),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
}


def _cosine(config: TrainConfig, step: int, along: float) -> float:
    return config.final_rate + (1 - config.final_rate) * (1 + math.cos(math.pi * along)) / 2


def _inverse(config: TrainConfig, step: int, along: float) -> float:
    return 1 / (1 + config.decay * step)


SCHEDULES: dict[str, Callable[[TrainConfig, int, float], float]] = {
    "cosine": _cosine,
    "inverse": _inverse,
}


class Clock:
    """How much of a run's time is over, pauses between its parts not counted."""

    def __init__(self, config: TrainConfig, before: float = 0.0) -> None:
        """``before``: seconds of parts of the run that are over."""
        self.whole, self.since = 60 * config.minutes, time.monotonic() - before

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return time.monotonic() - self.since

    @property
    def along(self) -> float:
        """The share of ``minutes`` that is over, up to 1; 0 where there is no such limit."""
        return min(self.seconds / self.whole, 1.0) if self.whole else 0.0


def learning_rate(config: TrainConfig, step: int, along: float = 0.0) -> float:
    """That of ``step``: a linear warm-up, then the schedule of the config.

    ``along``: the share of its time that is over, where it has ``minutes``.
    """
    rise = min((step + 1) / max(config.warmup, 1), 1.0)
    along = max(min(step / config.iterations, 1.0), along)
    return config.learning_rate * rise * SCHEDULES[config.schedule](config, step, along)


def precision(config: TrainConfig, images: Tensor) -> torch.autocast:
    """Within it what is learned works in the precision of a config."""
    half = config.precision == "bf16"
    return torch.autocast(images.device.type, torch.bfloat16, enabled=half)


def parameter_groups(
    config: TrainConfig, learned: Any, moving: Sequence[nn.Parameter]
) -> list[dict[str, Any]]:
    """What an optimizer takes: ``moving``; where styles have a rate of their own, those parameters
    apart, and ``share`` is what of the learning rate a group gets."""
    if config.style_rate == 1 or not hasattr(learned, "style_parameters"):
        return [{"params": list(moving)}]
    own = {id(parameter) for parameter in learned.style_parameters()}
    shared = [parameter for parameter in moving if id(parameter) not in own]
    styles = [parameter for parameter in moving if id(parameter) in own]
    groups = [{"params": shared, "share": 1.0}, {"params": styles, "share": config.style_rate}]
    return [group for group in groups if group["params"]]


@torch.no_grad()
def update_average(average: AveragedModel, learned: nn.Module, decay: float) -> None:
    """Take the weights of ``learned`` into their moving average.

    Its decay rises to ``decay``: the first weights, which are random, are forgotten at once.

    (``AveragedModel.update_parameters`` asks a device for its count, and waits for it.)
    """
    count = int(average.n_averaged)
    now = min(decay, (1 + count) / (10 + count)) if count else 0.0
    averages, weights = list(average.module.parameters()), list(learned.parameters())
    torch._foreach_lerp_(averages, weights, 1 - now)
    for kept, buffer in zip(average.module.buffers(), learned.buffers(), strict=True):
        kept.copy_(buffer)
    average.n_averaged += 1


def clip_gradients(parameters: Sequence[nn.Parameter], norm: float) -> Tensor:
    """Scale the gradients down to ``norm`` if it is not 0; their norm before.

    One that is not finite would spoil weights and averages for good: all of it is 0 then, and the
    step goes on along the steps before.  (Nobody waits to learn whether it is.)
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = nn.utils.get_total_norm(gradients)
    if norm:
        nn.utils.clip_grads_with_norm_(parameters, norm, total)
    finite = torch.isfinite(total)
    for gradient in gradients:
        gradient.masked_fill_(~finite, 0)
    return total
