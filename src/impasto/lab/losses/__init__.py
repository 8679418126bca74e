"""Losses as pure functions of features; means over their elements unless stated otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.lab.losses.transport import at_ranks, directions, projections, quantile_differences
from impasto.lab.nets.fast_moments import fast_mean_square, fast_mean_std
from impasto.lab.nets.normalization import mean_std

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1")
"""Style layers of Huang & Belongie 2017, which compare mean and standard deviation."""
CONTENT_LAYER = STYLE_LAYERS[-1]
"""Layer at which the content is compared with the AdaIN target."""


def content_loss(
    features: Tensor, target: Tensor, *, squared: bool = True, units: str = "mean"
) -> Tensor:
    """Return the mean square difference of two maps (N, C, h, w), in float32.

    Huang & Belongie 2017, eq. 12, squared as in the authors' code; the target is the AdaIN output,
    not the content's own features.  Without ``squared`` it is the 2-norm of the difference, as
    printed in eq. 12, averaged over the batch; then ``units`` applies: ``"sum"`` as printed,
    ``"mean"`` divided by the root of the number of elements of a map.

    >>> one, other = torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 3.0)
    >>> [content_loss(one, other, squared=False, units=units).item() for units in ("mean", "sum")]
    [3.0, 6.0]
    """
    if squared:
        return fast_mean_square(features, target)
    return _norm(features, target, units).mean()


def style_loss(
    features: Mapping[str, Tensor],
    style: Mapping[str, Tensor],
    *,
    units: str = "mean",
    unbiased: bool = False,
    weights: Mapping[str, float] | None = None,
    squared: bool = True,
) -> Tensor:
    """Return squared differences of means and standard deviations, summed over layers of ``style``.

    Huang & Belongie 2017, eq. 13.  ``units`` sets the reduction over the channels of a layer:
    ``"mean"`` averages them, as in the popular PyTorch port (with the weight 10); ``"sum"`` adds
    them, as the authors do, whose weight 1e-1 is 6.4, 12.8, 25.6 and 51 in mean units at 64, 128,
    256 and 512 channels.  Both average over the batch.  ``unbiased`` divides variances by one
    position less, as the port does.

    ``weights``: other layers than all, each with a factor. Without ``squared`` it uses the 2-norms
    over the channels, as printed in eq. 13, with the units of :func:`content_loss`.
    """
    wanted = style_moments(style, unbiased=unbiased)
    return moment_loss(
        features, wanted, units=units, unbiased=unbiased, weights=weights, squared=squared
    )


def style_moments(
    style: Mapping[str, Tensor], *, unbiased: bool = False
) -> dict[str, tuple[Tensor, Tensor]]:
    """Return mean and standard deviation of each layer, the target of ``style_loss``."""
    return {layer: _moments(features, unbiased) for layer, features in style.items()}


def moment_loss(
    features: Mapping[str, Tensor],
    wanted: Mapping[str, tuple[Tensor, Tensor]],
    *,
    units: str = "mean",
    unbiased: bool = False,
    weights: Mapping[str, float] | None = None,
    squared: bool = True,
) -> Tensor:
    """Return ``style_loss`` against stored moments (``style_moments``)."""
    terms = []
    for layer, weight in (dict.fromkeys(wanted, 1.0) if weights is None else weights).items():
        wanted_mean, wanted_std = wanted[layer]
        mean, std = _moments(features[layer], unbiased)
        if squared:
            term = F.mse_loss(mean, wanted_mean) + F.mse_loss(std, wanted_std)
            term = term * mean.shape[1] if units == "sum" else term
        else:
            term = (_norm(mean, wanted_mean, units) + _norm(std, wanted_std, units)).mean()
        terms.append(weight * term)
    return torch.stack(terms).sum()


def _moments(features: Tensor, unbiased: bool) -> tuple[Tensor, Tensor]:
    return mean_std(features, unbiased=True) if unbiased else fast_mean_std(features)


def _norm(found: Tensor, wanted: Tensor, units: str) -> Tensor:
    """Return 2-norms (N,) of differences; with mean units, roots of mean squares."""
    differences = (found.float() - wanted.float()).flatten(1)
    norms: Tensor = torch.linalg.vector_norm(differences, dim=1)
    return norms / differences.shape[1] ** 0.5 if units == "mean" else norms


def gram(features: Tensor, counts: Tensor | None = None) -> Tensor:
    """Return Gram matrices ``F F^T / (h w)`` of (N, C, h, w) in float32: (N, C, C).

    Gatys et al. 2016, eq. 3, divided by the positions, so that pictures of all sizes are
    comparable. With ``counts`` (h, w), 0 or more, the *guided* matrix ``sum_p t_p F_p F_p^T / sum_p
    t_p`` of Gatys et al. 2017 ("Controlling perceptual factors"; their channel is ``sqrt(t)``).

    >>> gram(torch.tensor([[[[1.0, 3.0]]]])).item()
    5.0
    """
    # Positions first: VGG uses channels last, and so does the gradient then, without a copy.
    points = features.permute(0, 2, 3, 1).flatten(1, 2).float()
    if counts is None:
        return points.mT @ points / points.shape[1]
    weights = counts.flatten().float()
    return (points * weights[:, None]).mT @ points / weights.sum().clamp(min=1e-12)


def gram_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean square difference of two Gram matrices of :func:`gram`.

    Gatys et al. 2016, eq. 4 divides the squares of their un-divided matrices by ``4 N^2 M^2``, N
    channels and M positions: a quarter of this where both pictures are of one size.
    """
    return F.mse_loss(found, wanted)


def mmd_loss(
    features: Tensor,
    style: Tensor,
    *,
    kernel: str = "polynomial",
    power: int = 2,
    constant: float = 0.0,
    bandwidth: float | None = None,
) -> Tensor:
    """Return the squared maximum mean discrepancy of feature vectors of maps (N, C, h, w).

    Li et al., "Demystifying neural style transfer" (IJCAI 2017), with all pairs::

        mean_ij k(f_i, f_j) + mean_ij k(s_i, s_j) - 2 mean_ij k(f_i, s_j)

    and the mean of that over the batch.

    Args:
        features: of the pictures.
        style: of the style of each, or of one for all; the size may differ.
        kernel: ``linear`` (``x . y``: the distance of the means), ``polynomial``
            (``(x . y + constant) ^ power``) or ``gaussian`` (``exp(-|x - y|^2 / 2 b^2)``). The
            polynomial of power 2 and constant 0 gives ``|G_f - G_s|^2``, summed over all entries
            of :func:`gram`: Gram matching is a special case.
        power: of the polynomial.
        constant: of the polynomial.
        bandwidth: b; by default the root of half the mean square distance of the style's own.

    Raises:
        OptionError: for another kernel, or if the batches do not match.
    """
    _check_batches(features, style)
    x, y = (each.flatten(2).mT.float() for each in (features, style))
    if kernel == "gaussian":
        if bandwidth is None:
            # The mean of |s_i - s_j|^2 over all pairs is twice the variance.
            variance = y.detach().var(dim=1, correction=0).sum(dim=1)[:, None, None]
        else:
            variance = torch.tensor(float(bandwidth) ** 2, device=y.device)

        def similarity(a: Tensor, b: Tensor) -> Tensor:
            lengths = a.square().sum(2)[:, :, None] + b.square().sum(2)[:, None]
            squares = lengths - 2 * a @ b.mT
            return torch.exp(-squares.clamp(min=0) / (2 * variance).clamp(min=1e-12))
    elif kernel in ("linear", "polynomial"):
        exponent, offset = (1, 0.0) if kernel == "linear" else (power, constant)

        def similarity(a: Tensor, b: Tensor) -> Tensor:
            return (a @ b.mT + offset) ** exponent
    else:
        raise OptionError(f"there is no kernel {kernel!r}; choose linear, polynomial or gaussian")
    return similarity(x, x).mean() + similarity(y, y).mean() - 2 * similarity(x, y).mean()


def _check_batches(features: Tensor, style: Tensor) -> None:
    if features.shape[1] != style.shape[1] or len(style) not in (1, len(features)):
        raise OptionError(
            f"features {tuple(features.shape)} and style {tuple(style.shape)} do not match: they "
            "need the same channels, and one style or one per picture"
        )


def histogram_loss(features: Tensor, style: Tensor) -> Tensor:
    """Return the mean square distance of maps (N, C, h, w) from their histogram-matched versions.

    Risser, Wilmot & Barnes, "Stable and controllable neural texture synthesis and style transfer
    using histogram losses" (arXiv 1701.08893): every channel is matched to the style's distribution
    in it, and the change is the loss. The matching here is by ranks, which is exact, where theirs
    has 256 bins. The target is a constant, without gradient. ``style`` is that of each picture, or
    one for all; the size may differ.

    Raises:
        OptionError: where the batches do not fit.
    """
    _check_batches(features, style)
    x = features.flatten(2).float()
    with torch.no_grad():
        ordered = style.flatten(2).float().sort(dim=2).values
        places = x.argsort(dim=2)
        values = at_ranks(ordered, x.shape[2]).expand_as(x)
        matched = torch.empty_like(x).scatter_(2, places, values)
    return F.mse_loss(x, matched)


def sliced_wasserstein_loss(features: Tensor, style: Tensor, *, seed: int = 0) -> Tensor:
    """Return the squared sliced Wasserstein distance of feature vectors of maps (N, C, h, w).

    Heitz et al., "A sliced Wasserstein loss for neural texture synthesis" (CVPR 2021), along
    the directions of :func:`impasto.lab.losses.transport.directions` for ``seed``. It is the mean
    over the batch; ``style`` is that of each picture, or one for all.

    Raises:
        OptionError: where the batches do not fit.
    """
    _check_batches(features, style)
    along = directions(features.shape[1], seed=seed)
    return projection_loss({"": features}, {"": along}, {"": projections(style.flatten(2), along)})


def projection_loss(
    features: Mapping[str, Tensor], along: Mapping[str, Tensor], wanted: Mapping[str, Tensor]
) -> Tensor:
    """Return the squared sliced Wasserstein distance of maps (N, C, h, w) from given projections.

    ``wanted``: projections (N, K, n) per layer along directions (K, C) (``transport.projections``);
    the loss is a mean over pictures, directions and ranks, summed over the layers.  Unlike
    ``moment_loss``, in the same unit, it compares whole distributions: two clouds with the same
    mean and deviation in every channel may be far apart.
    """
    terms = []
    for layer, cast in wanted.items():
        own = projections(features[layer].flatten(2), along[layer])
        terms.append(quantile_differences(own, cast).square().mean())
    return torch.stack(terms).sum()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return the hinge loss of a discriminator, from its outputs for real and generated pictures.

    ``mean max(0, 1 - real) + mean max(0, 1 + fake)`` (Lim & Ye 2017, arXiv 1705.02894).
    """
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def adversarial_loss(fake: Tensor) -> Tensor:
    """Return the generator loss against the critic of :func:`critic_loss`: ``-mean fake``."""
    return -fake.mean()


def total_variation(image: Tensor, *, order: int = 1) -> Tensor:
    """Return the mean absolute difference of neighboring pixels, both directions summed.

    ``image`` is (N, C, H, W). ``order`` 2 uses squares (Li & Wand 2016, eq. 5), which smooth edges.
    """
    across = (image[..., :, 1:] - image[..., :, :-1]).abs()
    down = (image[..., 1:, :] - image[..., :-1, :]).abs()
    return (across**order).mean() + (down**order).mean()
