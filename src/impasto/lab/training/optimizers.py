"""Optimizers (Muon, Adam), learning rate schedules, gradient clipping, moving average."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, overload

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from impasto.lab.nets.precision import has_bf16
from impasto.lab.training.config import Optimizer, TrainConfig

BOUND = 5.0
"""Upper bound of the spectral norm of weights: a network without normalization layers is only
stable if no layer amplifies much.  (Without it, norms of 5 were reached in 1 000 steps, maps of
1e5, and occasionally a picture of 1e10.  With 2.5 the required decay reduced the layers at 1/8,
whose gradients agree least between batches, to a tenth of what their maps needed.)"""

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step a X + b X X'X + c X X'X X'X, tuned by Jordan."""


class Muon(torch.optim.Optimizer):
    """Momentum with orthogonalized updates, for weights with two or more dimensions.

    Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; scaled to the
    step of Adam as in Liu et al. 2025 (arXiv 2502.16982), so that one learning rate suits both. All
    other weights are updated by Adam.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas})

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...
    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one step; a ``closure`` may compute the gradients, and its loss is returned."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            # Matrices of one shape are batched: most of them are too small to fill a device.
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"]:
                if parameter.grad is None:
                    continue
                if parameter.ndim >= 2:
                    alike.setdefault(parameter.shape, []).append(parameter)
                else:
                    self._adam(parameter, self.state[parameter], group)
            for parameters in alike.values():
                self._orthogonal(parameters, group)
        return loss

    def _orthogonal(self, parameters: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        ahead = []
        for parameter in parameters:
            state, gradient = self.state[parameter], parameter.grad
            assert gradient is not None  # or ``step`` had left it out
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(gradient, 1 - momentum)
            ahead.append(gradient.lerp(state["momentum"], momentum).flatten(1))  # Nesterov
        rate = group["lr"] * 0.2 * max(ahead[0].shape) ** 0.5
        for parameter, matrix in zip(parameters, orthogonalize(torch.stack(ahead)), strict=True):
            # Each step adds a matrix of norm at most `rate`: decay by rate / BOUND keeps the
            # bound.
            parameter.mul_(1 - rate / BOUND)
            parameter.sub_(matrix.reshape(parameter.shape), alpha=rate)

    @staticmethod
    def _adam(parameter: nn.Parameter, state: dict[str, Any], group: dict[str, Any]) -> None:
        gradient = parameter.grad
        assert gradient is not None  # or ``step`` had left it out
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        first, second = group["betas"]
        state["step"] += 1
        count = float(state["step"])
        state["mean"].lerp_(gradient, 1 - first)
        state["square"].lerp_(gradient.square(), 1 - second)
        root = (state["square"] / (1 - second**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(state["mean"], root, value=-group["lr"] / (1 - first**count))


def orthogonalize(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """Approximate ``U V'`` of the singular value decomposition ``U S V'`` of matrices (..., m, n).

    Five Newton-Schulz steps bring all singular values to about 0.7 to 1.2, which is enough. They
    run in bfloat16 where the device supports it.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.bfloat16() if has_bf16(matrix.device) else matrix.float()
    x = x.mT if tall else x
    norm: Tensor = x.norm(dim=(-2, -1), keepdim=True)
    x = x / (norm + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrix.dtype)


OPTIMIZERS: dict[str, Callable[[Iterable[Any], float], torch.optim.Optimizer]] = {
    "muon": lambda parameters, rate: Muon(parameters, lr=rate),
    "adam": lambda parameters, rate: torch.optim.Adam(parameters, lr=rate),
}


def _cosine(options: Optimizer, step: int, elapsed: float) -> float:
    return options.final_rate + (1 - options.final_rate) * (1 + math.cos(math.pi * elapsed)) / 2


def _inverse(options: Optimizer, step: int, elapsed: float) -> float:
    return 1 / (1 + options.decay * step)


SCHEDULES: dict[str, Callable[[Optimizer, int, float], float]] = {
    "cosine": _cosine,
    "inverse": _inverse,
}


class Clock:
    """Elapsed share of a run's time, without pauses between its parts."""

    def __init__(self, config: TrainConfig, before: float = 0.0) -> None:
        """Start the clock after ``before`` seconds of earlier parts of the run."""
        self.whole, self.since = 60 * config.minutes, time.monotonic() - before

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.since

    @property
    def elapsed(self) -> float:
        """Elapsed share of ``minutes``, up to 1; 0 where there is no such limit."""
        return min(self.seconds / self.whole, 1.0) if self.whole else 0.0


def learning_rate(config: TrainConfig, step: int, elapsed: float = 0.0) -> float:
    """Return the learning rate of ``step``: linear warm-up, then the schedule of the config.

    ``elapsed``: the elapsed share of its time, where it has ``minutes``.
    """
    options = config.optimizer
    rise = min((step + 1) / max(options.warmup, 1), 1.0)
    elapsed = max(min(step / config.iterations, 1.0), elapsed)
    return options.learning_rate * rise * SCHEDULES[options.schedule](options, step, elapsed)


def in_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Return True if networks and judge of ``config`` run in bfloat16 on ``device``."""
    return config.precision == "bf16" or (config.precision == "auto" and has_bf16(device))


def precision(config: TrainConfig, images: Tensor) -> torch.autocast:
    """Return the context in which a network in training runs in the precision of ``config``."""
    half = in_bf16(config, images.device)
    return torch.autocast(images.device.type, torch.bfloat16, enabled=half)


def parameter_groups(
    config: TrainConfig, learned: Any, moving: Sequence[nn.Parameter]
) -> list[dict[str, Any]]:
    """Return parameter groups of ``moving``, with a separate group for styles with their own rate.

    ``share`` is the factor of the learning rate of a group.
    """
    if config.style_rate == 1 or not hasattr(learned, "style_parameters"):
        return [{"params": list(moving)}]
    own = {id(parameter) for parameter in learned.style_parameters()}
    shared = [parameter for parameter in moving if id(parameter) not in own]
    styles = [parameter for parameter in moving if id(parameter) in own]
    groups = [{"params": shared, "share": 1.0}, {"params": styles, "share": config.style_rate}]
    return [group for group in groups if group["params"]]


@torch.no_grad()
def step_with(optimizer: torch.optim.Optimizer, styles: Sequence[nn.Parameter]) -> None:
    """Make a step that leaves styles that were not drawn unchanged.

    Adam updates a weight by the gradients of earlier steps even where its gradient is 0, so a bank
    would change in steps of other banks and of the auto-encoder.

    Args:
        optimizer: makes the step.
        styles: parameters whose first axis is the style; rows with gradient 0 keep their values and
            their optimizer state.
    """
    before: list[tuple[Tensor, Tensor, Tensor | None]] = []
    for parameter in styles:
        state = [each for each in optimizer.state[parameter].values() if _like(each, parameter)]
        before.extend((each, each.clone(), parameter.grad) for each in (parameter, *state))
    optimizer.step()
    for value, kept, gradient in before:
        if gradient is not None:
            drawn = gradient.flatten(1).ne(0).any(dim=1)
            value.copy_(torch.where(drawn.view(-1, *[1] * (value.ndim - 1)), value, kept))


def _like(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape


@torch.no_grad()
def update_average(average: AveragedModel, learned: nn.Module, decay: float) -> None:
    """Update the moving average by the weights of ``learned``.

    The decay rises to ``decay``: the initial random weights are discarded at once.
    (``AveragedModel.update_parameters`` reads its count from the device, and waits for it.)
    """
    count = int(average.n_averaged)
    now = min(decay, (1 + count) / (10 + count)) if count else 0.0
    averages: list[Tensor] = list(average.module.parameters())
    weights: list[Tensor] = list(learned.parameters())
    torch._foreach_lerp_(averages, weights, 1 - now)
    for kept, buffer in zip(average.module.buffers(), learned.buffers(), strict=True):
        kept.copy_(buffer)
    average.n_averaged += 1


def clip_gradients(parameters: Sequence[nn.Parameter], norm: float) -> Tensor:
    """Clip the gradients to ``norm`` if it is not 0; return their norm before.

    A gradient that is not finite would corrupt weights and averages permanently: it is set to 0,
    and the step uses the momentum alone.  (No host synchronization.)
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    total = nn.utils.get_total_norm(gradients)
    if norm:
        nn.utils.clip_grads_with_norm_(parameters, norm, total)
    finite = torch.isfinite(total)
    for gradient in gradients:
        gradient.masked_fill_(~finite, 0)
    return total
