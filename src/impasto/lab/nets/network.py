"""The verbs that every network for any style has, a start for others, a picture made with them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from impasto.lab.nets.blocks import reflected
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.models.bundle import Level


class Network(Protocol):
    """The three verbs of a network."""

    def encode(self, image: Tensor) -> list[Tensor]: ...

    def read(
        self, style: Tensor, features: Sequence[Tensor]
    ) -> Sequence[tuple[Tensor, Tensor]]: ...

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor: ...


class EncoderDecoder(nn.Module):
    """A network that a bundle can hold: ``encode``, one scale and shift a channel, ``decode``.

    Subclasses have a forward pass in two parts, between which the statistics of every level are
    aligned.  Nothing in them may depend on the picture as a whole, which may be painted in tiles:
    no normalization over places, no attention.

    Attributes:
        levels: features that are aligned (:class:`impasto.models.Level`), finest first.
        multiple: height and width must be multiples of this many pixels.
        rim: largest distance in pixels at which an input pixel changes an output pixel, one cell of
            the coarsest level included.
        encoder_rim: share of the encoder in it.
        reader: what makes the wanted moments of a style's; None: they are its own.
    """

    levels: tuple[Level, ...]
    multiple: int
    rim: int
    encoder_rim: int
    reader: nn.Module | None = None

    def encode(self, image: Tensor) -> list[Tensor]:
        """Features of ``image`` (N, 3, H, W) in [0, 1], one map (N, C, h, w) a level."""
        raise NotImplementedError

    def read(self, style: Tensor, features: Sequence[Tensor]) -> Sequence[tuple[Tensor, Tensor]]:
        """Mean and deviation (N, C, 1, 1) a level that a picture is to have: a style's own."""
        return [fast_mean_std(level) for level in features]

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """The picture (N, 3, H, W), not clipped, of features under one affine map a level."""
        raise NotImplementedError


def align(content: Tensor, style: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Scale and shift (N, C, 1, 1) that give ``content`` the moments of a style (eq. 8)."""
    mean, std = fast_mean_std(content)
    style_mean, style_std = style
    scale = style_std / std
    return scale, style_mean - mean * scale


def stylize(
    network: Network, contents: Tensor, styles: Tensor, *, unaligned: int = 0, margin: int = 0
) -> Tensor:
    """Pictures of ``contents`` in ``styles`` (N, 3, H, W), then the first ``unaligned`` contents
    decoded as they are (alpha = 0); each picture is encoded once.

    With a ``margin`` of so many pixels, as the studio paints: a reflected border is laid around
    all of them, and cut off the pictures.
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
