"""Normalization by batch statistics: BN, batch renormalization, domain adaptation.

Training uses the batch's own statistics, inference running ones. Batch renormalization bounds the
difference between the two; re-estimation corrects it where the pictures change.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from impasto.controls.moments import EPS
from impasto.errors import OptionError
from impasto.lab.nets.normalization import (
    Normalization,
    column,
    mean_variance,
    normalize,
    wide,
)


class BatchNorm(Normalization):
    """Batch normalization, eqs. 1 to 3: statistics over (N, H, W) of the batch.

    Training uses the batch's own statistics, with the biased variance of eq. 3, and updates the
    running ones; evaluation uses the running ones. As in PyTorch, and unlike eq. 3, the running
    variance is the unbiased one: it estimates that of the data.

    Args:
        channels: C.
        momentum: how far the running statistics move towards those of a batch, 0 to 1.
        eps: added to the variance.
        affine: as for :class:`~impasto.lab.nets.normalization.Normalization`.

    Example:
        >>> layer = BatchNorm(8)
        >>> layer(torch.randn(4, 8, 16, 16)).shape
        torch.Size([4, 8, 16, 16])
    """

    running_mean: Tensor
    running_variance: Tensor

    def __init__(
        self, channels: int, *, momentum: float = 0.1, eps: float = EPS, affine: bool = True
    ) -> None:
        super().__init__(channels, eps=eps, affine=affine)
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_variance", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        pair = self.pair(x)
        if self.training:
            mean, variance = mean_variance(x, (0, 2, 3))
            self._follow(mean.flatten(), variance.flatten(), x.numel() // x.shape[1])
        else:
            mean = column(wide(self.running_mean))
            variance = column(wide(self.running_variance))
        return normalize(x, mean, (variance + self.eps).sqrt(), *pair)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        _check_count(count)
        unbiased = variance * (count / (count - 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_variance.lerp_(unbiased.to(self.running_variance.dtype), self.momentum)


class BatchRenorm(Normalization):
    """Batch renormalization: training normalizes as inference does, up to a bound.

    Ioffe, "Batch renormalization: towards reducing minibatch dependence in batch-normalized
    models", NIPS 2017, arXiv 1702.03275, algorithm 1. With the statistics of the batch ``mu_B``,
    ``sigma_B`` and the running ones ``mu``, ``sigma``::

        r = clip(sigma_B / sigma, 1 / r_max, r_max)
        d = clip((mu_B - mu) / sigma, -d_max, d_max)
        y = gamma * ((x - mu_B) / sigma_B * r + d) + beta

    without gradients through r and d. Without bounds it equals inference, ``(x - mu) / sigma``;
    with ``r_max = 1`` and ``d_max = 0`` it is batch normalization. As published, the bounds widen
    over the steps: batch normalization up to ``steps[0]``, then ``r_max`` rises to ``bounds[0]`` at
    ``steps[1]`` and ``d_max`` to ``bounds[1]`` at ``steps[2]``.

    Args:
        channels: C.
        momentum: how far the running statistics move towards those of a batch, 0 to 1.
        bounds: the final ``r_max``, 1 or more, and ``d_max``, 0 or more.
        steps: when the bounds begin to widen, and when each of them is at its final value.
        eps: added to the variance.
        affine: as for :class:`~impasto.lab.nets.normalization.Normalization`.

    Raises:
        OptionError: for invalid bounds or steps.

    Example:
        >>> layer = BatchRenorm(8)
        >>> layer(torch.randn(4, 8, 16, 16)).shape
        torch.Size([4, 8, 16, 16])
    """

    running_mean: Tensor
    running_std: Tensor
    step: Tensor

    def __init__(
        self,
        channels: int,
        *,
        momentum: float = 0.01,
        bounds: tuple[float, float] = (3.0, 5.0),
        steps: tuple[int, int, int] = (5_000, 40_000, 25_000),
        eps: float = EPS,
        affine: bool = True,
    ) -> None:
        super().__init__(channels, eps=eps, affine=affine)
        if not (bounds[0] >= 1 and bounds[1] >= 0):
            raise OptionError(f"bounds = {bounds}; r_max must be 1 or more, d_max 0 or more")
        if not 0 <= steps[0] <= min(steps[1:]):
            raise OptionError(
                f"steps = {steps}; the bounds must begin to open before they are fully open"
            )
        self.momentum, self.bounds, self.steps = momentum, bounds, steps
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_std", torch.ones(channels))
        self.register_buffer("step", torch.zeros(()))  # a tensor, to avoid waiting for a device

    def limits(self) -> tuple[Tensor, Tensor]:
        """Return ``r_max`` and ``d_max`` of the current step."""
        first, *last = self.steps
        r, d = (((self.step - first) / max(end - first, 1)).clamp(0, 1) for end in last)
        return 1 + (self.bounds[0] - 1) * r, self.bounds[1] * d

    def forward(self, x: Tensor) -> Tensor:
        pair = self.pair(x)
        mean, std = column(wide(self.running_mean)), column(wide(self.running_std))
        if not self.training:
            return normalize(x, mean, std, *pair)
        own_mean, variance = mean_variance(x, (0, 2, 3))
        own_std = (variance + self.eps).sqrt()
        with torch.no_grad():
            _check_count(x.numel() // x.shape[1])
            r_max, d_max = self.limits()
            r = (own_std / std).clamp(1 / r_max, r_max)
            d = ((own_mean - mean) / std).clamp(-d_max, d_max)
        # (x - mu_B) / (sigma_B / r) + d, as one normalization.
        found = normalize(x, own_mean - d * own_std / r, own_std / r, *pair)
        with torch.no_grad():
            self.running_mean.lerp_(own_mean.flatten().to(self.running_mean.dtype), self.momentum)
            self.running_std.lerp_(own_std.flatten().to(self.running_std.dtype), self.momentum)
            self.step += 1
        return found

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any, **named: Any
    ) -> None:
        for theirs in ("running_var", "running_variance"):  # of batch normalization
            if prefix + theirs in state_dict:
                variance = state_dict.pop(prefix + theirs)
                state_dict[prefix + "running_std"] = (variance + self.eps).sqrt()
                state_dict.setdefault(prefix + "step", torch.zeros(()))
        super()._load_from_state_dict(state_dict, prefix, *others, **named)


@torch.no_grad()
def reestimate(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of a network by those of pictures of another domain.

    Li et al., "Revisiting batch normalization for practical domain adaptation" (AdaBN), arXiv
    1603.04779: mean and variance of every normalized channel over all pictures of the target
    domain; no weight changes. While they are computed a batch is normalized by its own statistics,
    as in training, so batches should be large.

    Args:
        network: with layers ``BatchNorm`` or ``BatchRenorm``, or PyTorch's own batch normalization.
        batches: inputs (N, C, H, W) of the network, all of the target domain.

    Raises:
        OptionError: if the network has no such layer, or there is no batch.

    Example:
        >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), BatchNorm(8))
        >>> reestimate(network, [torch.rand(4, 3, 16, 16) for _ in range(3)])
    """
    layers = [each for each in network.modules() if isinstance(each, _LAYERS)]
    if not layers:
        raise OptionError("this network has no batch normalization whose statistics could change")
    gathered: dict[nn.Module, tuple[int, Tensor, Tensor]] = {}

    def gather(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        (x,) = inputs
        count = x.numel() // x.shape[1]
        variance, mean = torch.var_mean(x.double(), dim=(0, 2, 3), correction=0)
        squares = variance * count
        if layer in gathered:  # Chan, Golub & LeVeque 1979
            before, other, sum_of_squares = gathered[layer]
            apart, total = mean - other, before + count
            squares = sum_of_squares + squares + apart.square() * (before * count / total)
            mean, count = other + apart * (count / total), total
        gathered[layer] = count, mean, squares

    modes = {each: each.training for each in network.modules()}
    saved = [{name: value.clone() for name, value in each.named_buffers()} for each in layers]
    hooks = [each.register_forward_pre_hook(gather) for each in layers]
    try:
        network.eval()
        for each in layers:
            each.train()
        for batch in batches:
            network(batch)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes.items():
            module.training = mode
        for each, values in zip(layers, saved, strict=True):  # undo the changes of the steps
            for name, value in each.named_buffers():
                value.copy_(values[name])
    if len(gathered) < len(layers):
        raise OptionError("no batches were given; give at least one")
    for layer, (count, mean, squares) in gathered.items():
        _set_statistics(layer, mean, squares / max(count - 1, 1))


_LAYERS = (BatchNorm, BatchRenorm, nn.BatchNorm2d)


def _set_statistics(layer: nn.Module, mean: Tensor, variance: Tensor) -> None:
    if isinstance(layer, BatchRenorm):
        layer.running_std.copy_((variance + layer.eps).sqrt())
    elif isinstance(layer, BatchNorm):
        layer.running_variance.copy_(variance)
    elif isinstance(layer, nn.BatchNorm2d) and layer.running_var is not None:
        layer.running_var.copy_(variance)
    running = layer.running_mean
    if isinstance(running, Tensor):
        running.copy_(mean)


def _check_count(count: int) -> None:
    if count < 2:
        raise OptionError(
            "a batch with one value per channel has no variance to train on; "
            "give more samples or more pixels, or call eval()"
        )
