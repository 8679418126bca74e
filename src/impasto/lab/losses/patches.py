"""Patches of feature maps: finding the most similar ones, and recombining them.

Similarity is the normalized cross-correlation ``<p, s> / (|p| |s|)`` of Li & Wand 2016 (eq. 3) and
Chen & Schmidt 2016 (section 3.1); both write it as a convolution whose filters are the style's
patches divided by their length. Here it is the same product over unfolded patches, one chunk of the
style's at a time with a running maximum, so that the memory for patches does not depend on their
number.
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
    """Return all patches of (1, C, h, w) as rows: ((h - side + 1)(w - side + 1), C side side)."""
    return F.unfold(features, side)[0].T


def fold(patches: Tensor, size: tuple[int, int], *, side: int = SIDE) -> Tensor:
    """Combine overlapping patches into a map (1, C, *size) by averaging the overlaps.

    Chen & Schmidt 2016, section 3.1: a transposed convolution divided by the overlap count.

    >>> x = torch.rand(1, 2, 5, 6)
    >>> fold(unfold(x), (5, 6)).allclose(x)
    True
    """
    ones = torch.ones_like(patches[:, : side * side])
    total = F.fold(patches.T[None], size, side)
    return total / F.fold(ones.T[None], size, side)


class Bank:
    """The reference patches of one or more maps; never all unfolded at once.

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
        """Build from ``maps``, each (1, C, h, w), and ``counts``, their usable parts.

        Each count is (h, w) in [0, 1]; a patch is excluded if less than half of it counts. None:
        everything is used.

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
        """Return the index of the most similar patch here for each patch of ``features``.

        ``features`` are (1, C, h, w). The first of equals is used. Features in bfloat16 are
        compared in bfloat16, which is several times faster on processors with matrix units, and
        treats patches as equal that differ by less than 1/256. ``chunk_bytes`` bounds the memory
        for similarities, not the result.
        """
        exact = torch.bfloat16 if features.dtype == torch.bfloat16 else torch.float32
        patches = unfold(features.to(exact), side=self.side)
        best = torch.full((len(patches),), -torch.inf, device=patches.device)
        index = torch.zeros(len(patches), dtype=torch.long, device=patches.device)
        # Each patch of the style and its similarities to all of the content's.
        rows = max(1, chunk_bytes // (4 * (len(patches) + 2 * patches.shape[1])))
        begin = 0
        for known in self._strips(rows):
            for part in known.split(rows):
                # Dividing by the length of the content's patch would not change the nearest one.
                unit = part / part.norm(dim=1, keepdim=True).clamp(min=1e-8)
                found, place = (patches @ unit.to(exact).T).max(dim=1)
                better = found > best
                best = torch.where(better, found.float(), best)
                index = torch.where(better, place + begin, index)
                begin += len(part)
        return index

    def take(self, index: Tensor) -> Tensor:
        """Return the patches of these indices as rows, float32."""
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
        """Yield all patches in order, float32, about ``count`` at a time, in whole map rows."""
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
    """Return the mean square distance of the patches of a map from their matches.

    This is the style term of Li & Wand 2016, eq. 2 (MRF loss), where they sum. There is no gradient
    for ``wanted`` or for the choice.

    Args:
        features: (1, C, h, w).
        wanted: the matching patches as rows, in the order of :func:`unfold`.
        counts: weight of each patch, (rows,); by default equal.
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
    """Replace every patch of the features by the style's most similar one, averaging overlaps.

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
