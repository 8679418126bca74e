"""Losses of the compact networks on pixels, as pure functions of pictures."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import moment_loss, style_moments


def mesh_loss(image: Tensor, style: Tensor) -> Tensor:
    """Excess of the finest pattern in a picture over that in its style.

    ``mean max(0, ln (E(image) + e) / (E(style) + e))`` over pictures (N, 3, H, W) in [0, 1], where
    ``E`` is the mean square behind a filter (1, -3, 3, -1) / 8 along and across: all of a pattern
    of 2 px, a third of one of 4 px in amplitude, and nothing that is smooth. ``e`` is what rounding
    to 8 bits leaves. Networks that fold pixels into channels leave such a pattern where they have
    nothing to say; it is faint, and hardly counts in a square of differences.

    >>> flat, striped = torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8)
    >>> striped[..., ::2] = 0
    >>> mesh_loss(flat, striped).item(), round(mesh_loss(striped, flat).item(), 1)
    (0.0, 12.7)
    """
    ratio = (_finest(image) + _ROUNDING) / (_finest(style) + _ROUNDING)
    return F.relu(ratio.log()).mean()


_ROUNDING = 1 / 255**2 / 12 * (20 / 64) * 2  # through the filter, which sums 20 / 64, both ways


def _finest(image: Tensor) -> Tensor:
    total = image.new_zeros(len(image))
    for lines in (image, image.mT):
        third = lines[..., 3:] - lines[..., :-3] + 3 * (lines[..., 1:-2] - lines[..., 2:-1])
        total = total + (third / 8).square().mean(dim=(1, 2, 3))
    return total


def color_loss(image: Tensor, style: Tensor) -> Tensor:
    """The style loss of the pixels themselves: how far a picture is from its style in its colors.

    Squared differences of mean and standard deviation of red, green and blue, over pictures
    (N, 3, H, W); ``image`` is clipped to [0, 1] first, as it will be seen. VGG's layers tell a
    tint from what their 3 x 3 pixels make of it, and put up with one of 0.04 or so.

    >>> gray, red = torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8)
    >>> red[:, 0] = 1
    >>> round(color_loss(gray, red).item(), 4)
    0.25
    """
    return moment_loss({"": image.clamp(0, 1)}, style_moments({"": style}))
