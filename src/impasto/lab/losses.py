"""Losses as pure functions of features; every one is a mean over its elements unless it says so."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.moments import fast_mean_square, fast_mean_std

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""Where Huang & Belongie 2017 compare mean and standard deviation."""
CONTENT_LAYER = STYLE_LAYERS[-1]
"""Where the content is compared with the AdaIN target."""


def content_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean square difference of two maps (N, C, h, w), in float32.

    Huang & Belongie 2017, eq. 12, squared as in the authors' code; the target is the AdaIN output,
    not the content's own features.
    """
    return fast_mean_square(features, target)


def style_loss(
    features: Mapping[str, Tensor], style: Mapping[str, Tensor], *, units: str = "mean"
) -> Tensor:
    """Squared difference of means and of standard deviations, summed over the layers of ``style``.

    Huang & Belongie 2017, eq. 13.  ``units`` says what is done with the channels of a layer:
    ``"mean"`` averages over them, as the popular PyTorch port does (with the weight 10);
    ``"sum"`` adds them up, as the authors do, whose weight 1e-1 is 6.4, 12.8, 25.6 and 51 in mean
    units at 64, 128, 256 and 512 channels.  Both average over the batch.
    """
    return moment_loss(features, style_moments(style), units=units)


def style_moments(style: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and standard deviation of each layer: all that ``style_loss`` asks of a style."""
    return {layer: fast_mean_std(features) for layer, features in style.items()}


def moment_loss(
    features: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[Tensor, Tensor]],
    *,
    units: str = "mean",
) -> Tensor:
    """``style_loss`` against moments that were kept (``style_moments``)."""
    terms = []
    for layer, (wanted_mean, wanted_std) in wanted.items():
        mean, std = fast_mean_std(features[layer])
        term = F.mse_loss(mean, wanted_mean) + F.mse_loss(std, wanted_std)
        terms.append(term * mean.shape[1] if units == "sum" else term)
    return torch.stack(terms).sum()


def total_variation(image: Tensor) -> Tensor:
    """Mean absolute difference of neighboring pixels of (N, C, H, W), both directions summed."""
    across = (image[..., :, 1:] - image[..., :, :-1]).abs().mean()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs().mean()
    return across + down
