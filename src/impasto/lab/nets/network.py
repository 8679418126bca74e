"""Methods of every network for any style, a base class for others, and stylization with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from impasto.lab.nets.blocks import reflected
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.models.bundle import Level


class Network(Protocol):
    """The three methods of a network."""

    def encode(self, image: Tensor) -> list[Tensor]: ...

    def read(
        self, style: Tensor, features: Sequence[Tensor]
    ) -> Sequence[tuple[Tensor, Tensor]]: ...

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor: ...


class EncoderDecoder(nn.Module):
    """A network for a bundle: ``encode``, one scale and shift per channel, ``decode``.

    Subclasses have a forward pass in two parts, between which the statistics of every level are
    aligned.  No part may depend on the whole picture, which may be painted in tiles: no
    normalization over positions, no attention.

    Attributes:
        levels: features that are aligned (:class:`impasto.models.Level`), finest first.
        multiple: height and width must be multiples of this many pixels.
        rim: largest distance in pixels at which an input pixel changes an output pixel, one cell of
            the coarsest level included.
        encoder_rim: the encoder's share of it.
        reader: computes the target moments from a style's; None: its own moments are used.
    """

    levels: tuple[Level, ...]
    multiple: int
    rim: int
    encoder_rim: int
    reader: nn.Module | None = None

    def encode(self, image: Tensor) -> list[Tensor]:
        """Return features of ``image`` (N, 3, H, W) in [0, 1], one map (N, C, h, w) per level."""
        raise NotImplementedError

    def read(self, style: Tensor, features: Sequence[Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
        """Return the target mean and deviation (N, C, 1, 1) per level: the style's own."""
        return [fast_mean_std(level) for level in features]

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """Decode features under one affine map per level to a picture (N, 3, H, W), not clipped."""
        raise NotImplementedError


def align(content: Tensor, style: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return scale and shift (N, C, 1, 1) that give ``content`` a style's moments (eq. 8)."""
    mean, std = fast_mean_std(content)
    style_mean, style_std = style
    scale = style_std / std
    return scale, style_mean - mean * scale


def stylize(
    network: Network, contents: Tensor, styles: Tensor, *, unaligned: int = 0, margin: int = 0
) -> Tensor:
    """Return ``contents`` in ``styles``, then the first ``unaligned`` contents (alpha = 0).

    Pictures are (N, 3, H, W), and each is encoded once. With a ``margin`` in pixels a reflected
    border is added to all of them and cropped from the results, as in the studio.
    """
    n = len(contents)
    pictures = torch.cat([contents, styles])
    if margin:
        pictures = reflected(pictures, margin)
    encoded = network.encode(pictures)
    styles = pictures[n:]
    wanted = network.read(styles, [level[n:] for level in encoded])
    features, scales, shifts = [], [], []
    for level, style in zip(encoded, wanted, strict=True):
        content = level[:n]
        scale, shift = align(content, style)
        features.append(torch.cat([content, content[:unaligned]]))
        scales.append(torch.cat([scale, torch.ones_like(scale[:unaligned])]))
        shifts.append(torch.cat([shift, torch.zeros_like(shift[:unaligned])]))
    decoded = network.decode(features, scales, shifts)
    return decoded[..., margin:-margin, margin:-margin] if margin else decoded
