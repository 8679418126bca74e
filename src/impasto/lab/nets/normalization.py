"""Normalization layers: one formula with several sources of statistics and of the affine pair.

All are ``gamma * (x - mu) / sigma + beta`` on features (N, C, H, W). The equations are those of
Huang & Belongie, "Arbitrary style transfer in real-time with adaptive instance normalization", ICCV
2017, arXiv 1703.06868, sections 3 and 4:

======================= ========== ================================ ===========================
layer                   equations  mu and sigma over                gamma and beta
======================= ========== ================================ ===========================
BatchNorm               1, 2, 3    (N, H, W): the batch             learned, for each channel
InstanceNorm            4, 5, 6    (H, W): each sample on its own   learned
LayerNorm                          (C, H, W)                        learned
GroupNorm                          (C / G, H, W)                    learned
ConditionalInstanceNorm 7          (H, W)                           learned, a pair a style
AdaIN                   8          (H, W)                           sigma and mu of the style
StyleCode                          (H, W)                           a linear map of a code
======================= ========== ================================ ===========================

:func:`standardize`, :func:`min_max` and :func:`whiten` only normalize, without an affine pair: by
mean and deviation, by the extremes, and by the covariance of the channels.

``BatchNorm`` and other functions of batch statistics are in :mod:`impasto.lab.nets.batchnorm`,
``StyleCode`` in :mod:`impasto.lab.nets.codes`.

Statistics are float32 where features are half precision (float64 for float64), in two passes: the
mean first, then the squared differences from it. State dicts of PyTorch's own layers can be loaded:
``weight``, ``bias`` and ``running_var`` are used as ``gamma``, ``beta`` and ``running_variance``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from impasto.controls.moments import EPS
from impasto.errors import OptionError, StyleError
from impasto.lab.nets.fast_norm import is_quick, quick_instance_norm

__all__ = [
    "EPS",
    "AdaIN",
    "ConditionalInstanceNorm",
    "GroupNorm",
    "InstanceNorm",
    "LayerNorm",
    "Normalization",
    "adain",
    "mean_std",
    "min_max",
    "normalize",
    "standardize",
    "whiten",
]

# Names in the state dicts of PyTorch's layers, and here.
_NAMES = {"weight": "gamma", "bias": "beta", "running_var": "running_variance"}


def mean_std(x: Tensor, eps: float = EPS, *, unbiased: bool = False) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each sample's channels: eqs. 5 and 6 of the paper.

    ``mu = 1/HW sum x`` and ``sigma = sqrt(1/HW sum (x - mu)^2 + eps)``.

    Args:
        x: features (N, C, H, W) of any floating type.
        eps: added to the variance, so that flat channels stay finite.
        unbiased: divide the sum of squares by HW - 1, as the PyTorch port of the paper does. The
            formula and the authors' code divide by HW; follow the checkpoint that you use.

    Returns:
        Two tensors (N, C, 1, 1), float32, or float64 if ``x`` is.

    Raises:
        OptionError: if x is not (N, C, H, W) or has too few pixels.

    Example:
        >>> mean, std = mean_std(torch.tensor([[[[1.0, 3.0]]]]))
        >>> mean.item(), round(std.item(), 3)
        (2.0, 1.0)
    """
    mean, variance = mean_variance(x, (2, 3), unbiased=unbiased)
    return mean, (variance + eps).sqrt()


def normalize(x: Tensor, mean: Tensor, std: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
    """Return ``gamma * (x - mean) / std + beta``, the common part of eqs. 1, 4, 7 and 8.

    Args:
        x: features (N, C, H, W) of any floating type.
        mean: broadcasts against x, as the other three; their precision is used for computing.
        std: greater than 0.
        gamma: the new standard deviation.
        beta: the new mean.

    Returns:
        (N, C, H, W) of the type of x.

    Example:
        >>> one = torch.ones(1, 1, 1, 1)
        >>> normalize(5 * one, mean=3 * one, std=2 * one, gamma=10 * one, beta=one).item()
        11.0
    """
    return (gamma * ((x - mean) / std) + beta).to(x.dtype)


def standardize(x: Tensor, eps: float = EPS) -> Tensor:
    """Give each sample's channels mean 0 and deviation 1: ``(x - mu) / sigma``.

    It is instance normalization without an affine pair.

    Args:
        x: features (N, C, H, W) of any floating type.
        eps: added to the variance, so that flat channels become 0.

    Returns:
        (N, C, H, W) of the type of x.

    Raises:
        OptionError: if x is not (N, C, H, W) or has too few pixels.

    Example:
        >>> found = standardize(torch.tensor([[[[1.0, 3.0, 5.0]]]]))
        >>> [round(value, 2) for value in found.flatten().tolist()]
        [-1.22, 0.0, 1.22]
    """
    mean, std = mean_std(x, eps)
    return ((x - mean) / std).to(x.dtype)


def min_max(x: Tensor, eps: float = EPS) -> Tensor:
    """Map each sample's channels to [0, 1]: ``(x - min) / (max - min)``.

    Two values determine the range, so one outlier compresses all the others.

    Args:
        x: features (N, C, H, W) of any floating type.
        eps: smallest divisor, so that flat channels become 0.

    Returns:
        (N, C, H, W) of the type of x.

    Raises:
        OptionError: if x is not (N, C, H, W) or has too few pixels.

    Example:
        >>> min_max(torch.tensor([[[[1.0, 3.0, 9.0]]]])).tolist()
        [[[[0.0, 0.25, 1.0]]]]
    """
    check_features(x)
    values = wide(x)
    low, high = torch.aminmax(values.flatten(2), dim=2)
    low, high = low[..., None, None], high[..., None, None]
    return ((values - low) / (high - low).clamp(min=eps)).to(x.dtype)


def whiten(x: Tensor, eps: float = EPS) -> Tensor:
    """Give each sample's channels mean 0, variance 1 and no correlation: ``S^-1/2 (x - mu)``.

    ``S = 1/HW sum (x - mu)(x - mu)^T + eps I`` is the covariance of the channels. Of all whitening
    maps, this root (ZCA, Bell & Sejnowski 1997) changes the features least, so each channel keeps
    its meaning. Where there are fewer positions than channels, some directions have no variance and
    stay 0. Sums run in float64.

    Args:
        x: features (N, C, H, W) of any floating type.
        eps: added to the variances.

    Returns:
        (N, C, H, W) of the type of x.

    Raises:
        OptionError: if x is not (N, C, H, W) or has too few pixels.

    Example:
        >>> flat = whiten(torch.randn(1, 3, 32, 32).cumsum(1))[0].flatten(1)
        >>> torch.allclose(flat @ flat.T / flat.shape[1], torch.eye(3), atol=1e-3)
        True
    """
    check_features(x)
    points = x.flatten(2).double()
    points = points - points.mean(dim=2, keepdim=True)
    covariance = points @ points.mT / points.shape[2]
    variances, directions = torch.linalg.eigh(covariance)
    scales = (variances.clamp(min=0) + eps).rsqrt()
    root = directions * scales[:, None] @ directions.mT
    white: Tensor = (root @ points).reshape(x.shape).to(x.dtype)
    return white


def adain(content: Tensor, style: Tensor, *, eps: float = EPS, unbiased: bool = False) -> Tensor:
    """Give the content's features the mean and standard deviation of the style's: eq. 8.

    ``AdaIN(x, y) = sigma(y) * (x - mu(x)) / sigma(x) + mu(y)``

    Args:
        content: x, features (N, C, H, W).
        style: y, features (N, C, h, w), or (1, C, h, w) for one style for all; of any size.
        eps: added to both variances.
        unbiased: which variances, see :func:`mean_std`.

    Returns:
        (N, C, H, W) of the content's type.

    Raises:
        StyleError: if numbers of channels or samples do not fit.
        OptionError: if either is not (N, C, H, W) or has too few pixels.

    Example:
        >>> content, style = torch.randn(1, 8, 16, 16), torch.randn(1, 8, 9, 9) * 3 + 1
        >>> torch.allclose(adain(content, style).mean((2, 3)), style.mean((2, 3)), atol=1e-5)
        True
    """
    mean, std = mean_std(content, eps, unbiased=unbiased)
    style_mean, style_std = mean_std(style, eps, unbiased=unbiased)
    if style.shape[1] != content.shape[1] or style.shape[0] not in (1, content.shape[0]):
        raise StyleError(
            f"style features {tuple(style.shape)} do not fit content features "
            f"{tuple(content.shape)}: give as many channels, and one sample or as many"
        )
    return normalize(content, mean, std, style_std, style_mean)


class AdaIN(nn.Module):
    """:func:`adain` as a layer without parameters: ``layer(content, style)``.

    Args:
        eps: added to both variances.
        unbiased: which variances, see :func:`mean_std`.

    Example:
        >>> AdaIN()(torch.randn(2, 8, 16, 16), torch.randn(1, 8, 9, 9)).shape
        torch.Size([2, 8, 16, 16])
    """

    def __init__(self, *, eps: float = EPS, unbiased: bool = False) -> None:
        super().__init__()
        self.eps = eps
        self.unbiased = unbiased

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"eps={self.eps}, unbiased={self.unbiased}"

    def forward(self, content: Tensor, style: Tensor) -> Tensor:
        return adain(content, style, eps=self.eps, unbiased=self.unbiased)


class Normalization(nn.Module):
    """A layer with an affine pair for each of its channels, or without one.

    Args:
        channels: C.
        eps: added to the variance.
        affine: whether gamma (ones at first) and beta (zeros) are learned; without them the output
            has mean 0 and deviation 1.
    """

    gamma: nn.Parameter | None
    beta: nn.Parameter | None

    def __init__(self, channels: int, *, eps: float = EPS, affine: bool = True) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.gamma = nn.Parameter(torch.ones(channels)) if affine else None
        self.beta = nn.Parameter(torch.zeros(channels)) if affine else None

    def pair(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return gamma and beta, each (1, C, 1, 1), for features (N, C, H, W).

        Raises:
            OptionError: if the features have another number of channels.
        """
        check_channels(x, self.channels)
        if self.gamma is None or self.beta is None:
            one = torch.ones(self.channels, device=x.device, dtype=wide(x).dtype)
            return column(one), column(torch.zeros_like(one))
        return column(self.gamma), column(self.beta)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        affine = "" if self.gamma is not None else ", affine=False"
        return f"{self.channels}, eps={self.eps}{affine}"

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *others: Any, **named: Any
    ) -> None:
        for theirs, ours in _NAMES.items():
            if prefix + theirs in state_dict and prefix + ours not in state_dict:
                state_dict[prefix + ours] = state_dict.pop(prefix + theirs)
        state_dict.pop(prefix + "num_batches_tracked", None)  # momentum is a number here
        super()._load_from_state_dict(state_dict, prefix, *others, **named)


class InstanceNorm(Normalization):
    """Instance normalization, eqs. 4 to 6: statistics over (H, W) of each sample, always.

    Args: those of :class:`Normalization`.

    Example:
        >>> InstanceNorm(8)(torch.randn(4, 8, 16, 16)).shape
        torch.Size([4, 8, 16, 16])
    """

    def forward(self, x: Tensor) -> Tensor:
        return instance_norm(x, *self.pair(x), self.eps)


class GroupNorm(Normalization):
    """Group normalization: statistics over (C / G, H, W) of each sample, G groups of channels.

    Wu & He, "Group normalization", ECCV 2018, arXiv 1803.08494, eq. 7. One group is layer
    normalization; as many groups as channels is instance normalization.

    Args:
        groups: G, which divides the channels.
        channels: C.
        eps: added to the variance.
        affine: as for :class:`Normalization`.

    Raises:
        OptionError: if groups do not divide channels.

    Example:
        >>> GroupNorm(2, 8)(torch.randn(4, 8, 16, 16)).shape
        torch.Size([4, 8, 16, 16])
    """

    def __init__(
        self, groups: int, channels: int, *, eps: float = EPS, affine: bool = True
    ) -> None:
        super().__init__(channels, eps=eps, affine=affine)
        if groups < 1 or channels % groups:
            raise OptionError(f"{channels} channels cannot be divided into {groups} groups")
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        gamma, beta = self.pair(x)
        # A group becomes one taller channel.
        mean, std = mean_std(x.reshape(len(x), self.groups, -1, x.shape[3]), self.eps)
        each = self.channels // self.groups
        mean, std = (value.repeat_interleave(each, dim=1) for value in (mean, std))
        return normalize(x, mean, std, gamma, beta)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"{self.groups}, {super().extra_repr()}"


class LayerNorm(GroupNorm):
    """Layer normalization of feature maps: statistics over (C, H, W) of each sample.

    Ba, Kiros & Hinton, "Layer normalization", arXiv 1607.06450, with a pair for each channel, as in
    convolutional networks; PyTorch's layer of this name normalizes the last axes instead.

    Args: those of :class:`Normalization`.

    Example:
        >>> LayerNorm(8)(torch.randn(4, 8, 16, 16)).shape
        torch.Size([4, 8, 16, 16])
    """

    def __init__(self, channels: int, *, eps: float = EPS, affine: bool = True) -> None:
        super().__init__(1, channels, eps=eps, affine=affine)

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return Normalization.extra_repr(self)


class ConditionalInstanceNorm(nn.Module):
    """Conditional instance normalization, eq. 7: instance normalization, a pair for each style.

    Dumoulin et al., "A learned representation for artistic style", ICLR 2017: pairs of several
    styles mix linearly, and a new style is learned by training its pair alone.

    Args:
        styles: S, how many styles.
        channels: C.
        eps: added to the variance.

    Example:
        >>> layer, x = ConditionalInstanceNorm(32, 8), torch.randn(4, 8, 16, 16)
        >>> layer(x, 5).shape, layer(x, torch.tensor([0, 31, 7, 7])).shape
        (torch.Size([4, 8, 16, 16]), torch.Size([4, 8, 16, 16]))
        >>> half_and_half = torch.zeros(32)
        >>> half_and_half[[3, 9]] = 0.5
        >>> layer(x, half_and_half).shape
        torch.Size([4, 8, 16, 16])
    """

    def __init__(self, styles: int, channels: int, *, eps: float = EPS) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = nn.Parameter(torch.ones(styles, channels))
        self.beta = nn.Parameter(torch.zeros(styles, channels))

    def pair(self, style: int | Tensor) -> tuple[Tensor, Tensor]:
        """Return gamma and beta of a style or of a mixture.

        Args:
            style: the index of one style for all samples; or (N,) indices; or floating weights (S,)
                for all samples or (N, S), not negative; only their ratios matter.

        Returns:
            Two tensors, both (1, C, 1, 1) or both (N, C, 1, 1).

        Raises:
            OptionError: if an index is not in [0, S) or the weights have the wrong shape, are
                negative or not finite, or are all 0. Values are checked on a CPU only, since a
                check would wait for a device.
        """
        wanted = torch.as_tensor(style)
        if wanted.is_floating_point():
            weights = self._checked_weights(wanted).to(self.gamma.device)[..., None]
            # Not a matrix product: autocast would run it in half precision.
            gamma, beta = (weights * self.gamma).sum(1), (weights * self.beta).sum(1)
        else:
            index = self._checked_index(wanted).to(self.gamma.device)
            gamma, beta = self.gamma[index], self.beta[index]
        return gamma[..., None, None], beta[..., None, None]

    def extra_repr(self) -> str:
        """Return the settings, for ``print``."""
        return f"{', '.join(map(str, self.gamma.shape))}, eps={self.eps}"

    def forward(self, x: Tensor, style: int | Tensor) -> Tensor:
        check_channels(x, self.gamma.shape[1])
        gamma, beta = self.pair(style)
        if len(gamma) not in (1, len(x)):
            raise OptionError(
                f"{len(gamma)} styles do not fit {len(x)} samples; give one style or one per sample"
            )
        return instance_norm(x, gamma, beta, self.eps)

    def _checked_index(self, index: Tensor) -> Tensor:
        styles = len(self.gamma)
        if index.ndim > 1 or index.dtype == torch.bool:
            raise OptionError(
                f"styles must be an index, (N,) indices or floating weights, not "
                f"{tuple(index.shape)} {index.dtype}"
            )
        index = index.reshape(-1).long()
        if _is_readable(index) and not bool(((index >= 0) & (index < styles)).all()):
            raise OptionError(f"style {index.tolist()} is outside 0 to {styles - 1}")
        return index

    def _checked_weights(self, weights: Tensor) -> Tensor:
        styles = len(self.gamma)
        if weights.ndim not in (1, 2) or weights.shape[-1] != styles:
            raise OptionError(
                f"weights of {styles} styles must be ({styles},) or (N, {styles}), "
                f"not {tuple(weights.shape)}"
            )
        weights = wide(weights.reshape(-1, styles))
        total = weights.sum(dim=1, keepdim=True)
        if _is_readable(weights) and not bool(
            (weights >= 0).all() and (total > 0).all() and total.isfinite().all()
        ):
            raise OptionError("weights of styles must be finite, 0 or more, and not all 0")
        return weights / total


def _is_readable(values: Tensor) -> bool:
    """Return True if values can be read without waiting for a device or breaking a graph."""
    return values.device.type == "cpu" and not torch.compiler.is_compiling()


def instance_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """Return ``gamma * (x - mu) / sigma + beta`` with the moments of each sample's channels.

    Args:
        x: features (N, C, H, W).
        gamma: (1, C, 1, 1) or (N, C, 1, 1).
        beta: as gamma.
        eps: added to the variance.
    """
    if is_quick(x):
        return quick_instance_norm(x, gamma, beta, eps)
    mean, std = mean_std(x, eps)
    return normalize(x, mean, std, gamma, beta)


def mean_variance(
    x: Tensor, over: tuple[int, ...], *, unbiased: bool = False
) -> tuple[Tensor, Tensor]:
    """Return mean and variance of features (N, C, H, W) over some axes, which are kept as 1.

    Raises:
        OptionError: if x is not (N, C, H, W) or has too few pixels.
    """
    check_features(x)
    if unbiased and x.shape[2] * x.shape[3] < 2:
        raise OptionError(
            f"features {tuple(x.shape)} have too few pixels for an unbiased variance; "
            "give a larger picture"
        )
    variance, mean = torch.var_mean(wide(x), dim=over, keepdim=True, correction=int(unbiased))
    return mean, variance


def wide(x: Tensor) -> Tensor:
    """Convert to at least float32: sums of half precision would lose most of their digits."""
    return x if x.dtype == torch.float64 else x.float()


def check_features(x: Tensor) -> None:
    """Raise ``OptionError`` unless x is (N, C, H, W), floating and not empty."""
    if x.ndim != 4 or not x.is_floating_point():
        raise OptionError(
            f"features must be (N, C, H, W) floating numbers, not {tuple(x.shape)} {x.dtype}"
        )
    if 0 in x.shape:
        raise OptionError(
            f"features {tuple(x.shape)} have too few pixels for a variance; give a larger picture"
        )


def check_channels(x: Tensor, channels: int) -> None:
    """Raise ``OptionError`` unless features are (N, ``channels``, H, W)."""
    if x.ndim != 4 or x.shape[1] != channels:
        raise OptionError(
            f"a layer of {channels} channels needs features (N, {channels}, H, W), "
            f"not {tuple(x.shape)}"
        )


def column(values: Tensor) -> Tensor:
    """Return (C,) as (1, C, 1, 1)."""
    return values[None, :, None, None]
