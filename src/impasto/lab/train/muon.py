"""Muon: momentum whose direction is made orthogonal, for the weights of convolutions.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; scaled to the step
of Adam as in Liu et al. 2025 (arXiv 2502.16982), so that one learning rate serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

BOUND = 5.0
"""Spectral norm that no weight grows beyond: a network without normalization layers is only tame
if no layer amplifies much.  (Without it, norms of 5 were reached in 1 000 steps, maps of 1e5, and
now and then a picture of 1e10.  With 2.5 the shrinking that it takes pulled the layers at 1/8,
whose gradients agree least from batch to batch, down to a tenth of what their maps needed.)"""

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step a X + b X X'X + c X X'X X'X, tuned by Jordan."""


class Muon(torch.optim.Optimizer):
    """Muon for weights with two or more dimensions, Adam's rule for all others."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
    ) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:
        """One step along the gradients; a ``closure`` is not used."""
        for group in self.param_groups:
            # Matrices of one shape move together: most of them are too small to fill a device.
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

    def _orthogonal(self, parameters: Sequence[nn.Parameter], group: dict[str, Any]) -> None:
        momentum = group["momentum"]
        ahead = []
        for parameter in parameters:
            state = self.state[parameter]
            if not state:
                state["momentum"] = torch.zeros_like(parameter)
            state["momentum"].lerp_(parameter.grad, 1 - momentum)
            ahead.append(parameter.grad.lerp(state["momentum"], momentum).flatten(1))  # Nesterov
        rate = group["lr"] * 0.2 * max(ahead[0].shape) ** 0.5
        for parameter, matrix in zip(parameters, orthogonalize(torch.stack(ahead)), strict=True):
            # Each step adds a matrix of norm `rate` at most: shrinking by rate / BOUND keeps the
            # bound.
            parameter.mul_(1 - rate / BOUND)
            parameter.sub_(matrix.reshape(parameter.shape), alpha=rate)

    @staticmethod
    def _adam(parameter: nn.Parameter, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        first, second = group["betas"]
        state["step"] += 1
        count = float(state["step"])
        state["mean"].lerp_(parameter.grad, 1 - first)
        state["square"].lerp_(parameter.grad.square(), 1 - second)
        root = (state["square"] / (1 - second**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(state["mean"], root, value=-group["lr"] / (1 - first**count))


def orthogonalize(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """Roughly ``U V'`` of the singular value decomposition ``U S V'`` of matrices (..., m, n).

    Five Newton-Schulz steps bring all singular values to about 0.7 to 1.2, which is enough.
    """
    a, b, c = QUINTIC
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.bfloat16()
    x = x.mT if tall else x
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x.mT if tall else x).to(matrix.dtype)
