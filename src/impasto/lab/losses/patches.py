"""Patches of feature maps: finding the most similar ones, and putting them together again.

Similarity is the normalized cross-correlation ``<p, s> / (|p| |s|)`` of Li & Wand 2016 (eq. 3) and
Chen & Schmidt 2016 (section 3.1); both write it as a convolution whose filters are the style's
patches divided by their length. Here it is the same product over unfolded patches, a chunk of the
style's at a time with a running maximum, so that the memory for patches
does not depend on how many the style has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import OptionError

SIDE = 3
"""Side of a patch, as in both papers."""

CHUNK_BYTES = 256 << 20
"""Memory that the products of one chunk may take by default."""


def unfold(features: Tensor, *, side: int = SIDE) -> Tensor:
    """All patches of (1, C, h, w), one a row: ((h - side + 1)(w - side + 1), C side side)."""
    return F.unfold(features, side)[0].T


def fold(patches: Tensor, size: tuple[int, int], *, side: int = SIDE) -> Tensor:
    """Overlapping patches back to a map (1, C, *size), each value the mean of those that cover it.

    Chen & Schmidt 2016, section 3.1: a transposed convolution divided by the overlap count.

    >>> x = torch.rand(1, 2, 5, 6)
    >>> fold(unfold(x), (5, 6)).allclose(x)
    True
    """
    ones = torch.ones_like(patches[:, : side * side])
    total = F.fold(patches.T[None], size, side)
    return total / F.fold(ones.T[None], size, side)


class Bank:
    """The patches of one or more maps, which others are compared with; never all unfolded at once.

    Attributes:
        side: of a patch.
    """

    def __init__(
        self,
        maps: Sequence[Tensor],
        *,
        counts: Sequence[Tensor | None] | None = None,
        side: int = SIDE,
    ) -> None:
        """``maps``: each (1, C, h, w). ``counts``: for each what of it may be used, (h, w) in
        [0, 1]: a patch of which less than half counts is left out. None: all of it.

        Raises:
            OptionError: if no patch is left.
        """
        self.side = side
        counted = [None] * len(maps) if counts is None else counts
        self._maps: list[Tensor] = []
        self._used: list[Tensor | None] = []
        for each, count in zip(maps, counted, strict=True):
            if min(each.shape[2:]) < side:
                continue
            self._maps.append(each)
            share = None
            if count is not None:
                share = F.avg_pool2d(count[None, None].float(), side, stride=1)[0, 0]
            self._used.append(None if share is None else share >= 0.5)
        if not len(self):
            raise OptionError(
                f"the style has no patch of {side} x {side} features; give a larger picture"
            )

    def __len__(self) -> int:
        return sum(
            (each.shape[2] - self.side + 1) * (each.shape[3] - self.side + 1)
            if used is None
            else int(used.sum())
            for each, used in zip(self._maps, self._used, strict=True)
        )

    def nearest(self, features: Tensor, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
        """For each patch of ``features`` (1, C, h, w) the number of the most similar one here.

        The first of equals. Features in bfloat16 are compared in bfloat16, which is several times
        faster where a processor has matrix units, and takes patches for equal that differ by less
        than 1/256. ``chunk_bytes`` bounds the memory for similarities, not the result.
        """
        exact = torch.bfloat16 if features.dtype == torch.bfloat16 else torch.float32
        patches = unfold(features.to(exact), side=self.side)
        best = torch.full((len(patches),), -torch.inf, device=patches.device)
        index = torch.zeros(len(patches), dtype=torch.long, device=patches.device)
        # A patch of the style and its similarities to all of the content's.
        rows = max(1, chunk_bytes // (4 * (len(patches) + 2 * patches.shape[1])))
        begin = 0
        for known in self._strips(rows):
            for part in known.split(rows):
                # Dividing by the length of our own patch would not change which one is nearest.
                unit = part / part.norm(dim=1, keepdim=True).clamp(min=1e-8)
                found, place = (patches @ unit.to(exact).T).max(dim=1)
                better = found > best
                best = torch.where(better, found.float(), best)
                index = torch.where(better, place + begin, index)
                begin += len(part)
        return index

    def take(self, index: Tensor) -> Tensor:
        """The patches of these numbers, one a row, float32."""
        channels, beyond = self._maps[0].shape[1], self.side - 1
        taken = torch.zeros((len(index), channels, self.side**2), device=index.device)
        steps = torch.arange(self.side, device=index.device)
        begin = 0
        for each, used in zip(self._maps, self._used, strict=True):
            height, width = each.shape[2] - beyond, each.shape[3] - beyond
            length = height * width if used is None else int(used.sum())
            here = ((index >= begin) & (index < begin + length)).nonzero().flatten()
            places = index[here] - begin
            if used is not None:
                places = used.flatten().nonzero().flatten()[places]
            rows = (places // width)[:, None, None] + steps[:, None]
            columns = (places % width)[:, None, None] + steps
            found = each[0].permute(1, 2, 0)[rows, columns].float()  # (places, side, side, C)
            taken[here] = found.flatten(1, 2).mT
            begin += length
        return taken.flatten(1)

    def _strips(self, count: int) -> Iterator[Tensor]:
        """All patches in order, float32, about ``count`` at a time: as many rows of a map as
        that makes."""
        beyond = self.side - 1
        for each, used in zip(self._maps, self._used, strict=True):
            height, width = each.shape[2] - beyond, each.shape[3] - beyond
            step = max(1, count // width)
            for top in range(0, height, step):
                strip = each[:, :, top : top + step + beyond].float()
                patches = unfold(strip, side=self.side)
                yield patches if used is None else patches[used[top : top + step].flatten()]


def patch_loss(
    features: Tensor, wanted: Tensor, counts: Tensor | None = None, *, side: int = SIDE
) -> Tensor:
    """Mean square distance of every patch of a map from the one that was found for it.

    The style term of Li & Wand 2016, eq. 2 (MRF loss), where they sum. Without gradient for
    ``wanted`` or for the choice.

    Args:
        features: (1, C, h, w).
        wanted: the patches found, one a row, in the order of :func:`unfold`.
        counts: how much each patch counts, (rows,); by default all the same.
        side: of a patch.

    Example:
        >>> x = torch.rand(1, 2, 4, 4)
        >>> bank = Bank([x])
        >>> patch_loss(x, bank.take(bank.nearest(x))).item()
        0.0
    """
    squares = (unfold(features.float(), side=side) - wanted.detach()).square().mean(dim=1)
    if counts is None:
        return squares.mean()
    return (squares * counts).mean()


def style_swap(features: Tensor, bank: Bank, *, chunk_bytes: int = CHUNK_BYTES) -> Tensor:
    """Features with every patch replaced by the style's most similar one, overlaps averaged.

    Chen & Schmidt 2016, section 3.1.

    Args:
        features: of the content, (1, C, h, w), at least as large as a patch.
        bank: of the style's patches.
        chunk_bytes: as for :meth:`Bank.nearest`.

    Returns:
        A map of the same size, float32.

    Raises:
        OptionError: if the map is smaller than a patch.
    """
    height, width = features.shape[2:]
    if min(height, width) < bank.side:
        raise OptionError(
            f"{width} x {height} features are fewer than a patch of {bank.side}; "
            "give a larger photograph"
        )
    found = bank.take(bank.nearest(features, chunk_bytes=chunk_bytes))
    return fold(found, (height, width), side=bank.side)
