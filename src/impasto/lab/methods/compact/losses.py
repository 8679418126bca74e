"""Pixel losses of the compact networks, as pure functions of pictures."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.losses import moment_loss, style_moments


def mesh_loss(image: Tensor, style: Tensor) -> Tensor:
    """Return the excess of the finest pattern in a picture over that in its style.

    ``mean max(0, ln (E(image) + e) / (E(style) + e))`` over pictures (N, 3, H, W) in [0, 1], where
    ``E`` is the mean square after a filter (1, -3, 3, -1) / 8 along and across: it passes a pattern
    of 2 px fully, one of 4 px with a third of its amplitude, and removes smooth areas. ``e`` is the
    energy of rounding to 8 bits. Networks that fold pixels into channels leave such a pattern in
    empty areas; it is faint, and hardly affects squared differences.

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


def weave_loss(image: Tensor, content: Tensor) -> Tensor:
    """Return the prominence of a lattice of cells in the smooth areas of a photograph.

    ``mean max(0, ln (E(image) + e) / (N(image) + e))`` over pictures (N, 3, H, W) in [0, 1] and
    ``LATTICES``. ``E`` is the mean energy of the waves of a lattice, ``N`` that of the waves a 16th
    of a cycle beside each, which no lattice has: strokes have both. They are measured in windows of
    32 px, 8 px apart, which count where ``content`` is smooth; ``e`` is the energy of a wave of
    half a step of 8 bits. In empty areas a network's output repeats with the cells of its scales,
    or with every second one.

    >>> plain, striped = torch.full((1, 3, 64, 64), 0.5), torch.full((1, 3, 64, 64), 0.5)
    >>> striped[..., ::4] = 0.6
    >>> weave_loss(plain, plain).item(), round(weave_loss(striped, plain).item(), 1)
    (0.0, 1.7)
    """
    smooth = (0.04 - _contrast(content)).clamp_min(0)
    total = smooth.sum(dim=(1, 2)).clamp_min(_FEW)
    share = smooth / total[:, None, None]  # sums to almost 0 where little is smooth
    found = (_waves(image) * share[:, None]).sum(dim=(2, 3))
    on, beside = found[:, : len(_ON)], found[:, len(_ON) :].unflatten(1, (len(_ON), -1)).mean(2)
    counts = [len(waves) for waves in LATTICES.values()]
    excess = [
        F.relu(((one.mean(1) + _HALF_STEP) / (other.mean(1) + _HALF_STEP)).log())
        for one, other in zip(on.split(counts, 1), beside.split(counts, 1), strict=True)
    ]
    return torch.stack(excess).mean()


LATTICES = {
    "cells of 4 px": ((4, 0), (0, 4), (4, 4), (4, -4)),
    "cells of 8 px": ((2, 0), (0, 2), (2, 2), (2, -2)),
    "cells of 8 px that alternate, as on a chessboard": (
        *((1, 1), (1, -1), (3, 3), (3, -3)),
        *((1, 3), (3, 1), (1, -3), (3, -1)),
    ),
}
"""Waves of a lattice, in cycles within 16 px to the right and down."""

# The waves beside them have one odd and one even number, unlike any lattice.
_ON = [wave for waves in LATTICES.values() for wave in waves]
_BESIDE = [(x + dx, y + dy) for x, y in _ON for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))]

_WINDOW, _HOP = 32, 8
_HALF_STEP = (0.5 / 255) ** 2
_FEW = 0.04  # one window without contrast, or several with little


def _window(like: Tensor) -> Tensor:
    line = torch.hann_window(_WINDOW, periodic=True, device=like.device, dtype=torch.float32)
    square = line[:, None] * line
    return square / square.sum()


def _contrast(picture: Tensor) -> Tensor:
    """Return the deviation (N, h, w) of lightness in each window."""
    light = picture.float().mean(dim=1, keepdim=True)
    window = _window(light)[None, None]
    mean, square = (F.conv2d(each, window, stride=_HOP) for each in (light, light.square()))
    return (square - mean.square()).clamp_min(0).sqrt().squeeze(1)


def _waves(picture: Tensor) -> Tensor:
    """Return the energy (N, K, h, w) of the waves ``_ON`` and ``_BESIDE`` in each window."""
    window = _window(picture)
    places = torch.arange(_WINDOW, device=picture.device, dtype=torch.float32)
    filters = []
    for x, y in (*_ON, *_BESIDE):
        turn = 2 * torch.pi / 16 * (x * places + y * places[:, None])
        filters += [2 * window * turn.cos(), 2 * window * turn.sin()]
    lines = picture.float().flatten(0, 1)[:, None]
    parts = F.conv2d(lines, torch.stack(filters)[:, None], stride=_HOP).square()
    by_color = parts.reshape(len(picture), -1, len(filters) // 2, 2, *parts.shape[2:])
    return by_color.sum(dim=3).mean(dim=1)


def color_loss(image: Tensor, style: Tensor) -> Tensor:
    """Return the style loss of the pixels: the color difference of a picture from its style.

    Squared differences of mean and standard deviation of red, green and blue, over pictures
    (N, 3, H, W); ``image`` is clipped to [0, 1] first, as in the final picture. VGG's layers
    measure a tint only through 3 x 3 pixels, and tolerate one of about 0.04.

    >>> gray, red = torch.full((1, 3, 8, 8), 0.5), torch.zeros(1, 3, 8, 8)
    >>> red[:, 0] = 1
    >>> round(color_loss(gray, red).item(), 4)
    0.25
    """
    return moment_loss({"": image.clamp(0, 1)}, style_moments({"": style}))
