"""Removal of the lattice that a compact network leaves in its pictures: a comb filter.

The network doubles its maps by repeating cells, and what it paints repeats with them: every 4 px
the same small pattern, a mesh on skies and faces. A stroke has energy at this period too, but it
does not keep step with the cells, so an average over many cells shows the mesh alone::

    phases   the mean of each of the 16 pixels of a cell, over the cells of a block of 8 px
    changes  without what a slope of the picture adds: the mean of all phases, and its gradient
    average  over 5 x 5 blocks
    picture  minus the average, interpolated between the blocks

All steps are linear, so the filter is four small convolutions with fixed weights behind the last
one of the network. Of white noise it removes less than 1/100 of the energy, close to multiples of
1/4 cycle per pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.methods.compact.scales import FOLD

PREFIX = "comb."
"""Of the names of its weights in an exported graph; they are constants and never loaded."""

CELL = 4
"""Period of the lattice, in pixels."""
BLOCK = 2 * CELL
"""Side of a block, in pixels: a multiple of the picture's size."""
_WINDOW = 5
"""Side of the window of the average, in blocks."""
_PHASES, _SUB = CELL**2, FOLD**2
_COLORS = 3
_BORDER = 1 + _WINDOW // 2 + 1
"""Blocks around a picture that the gradient, the window and the interpolation take."""
REACH = BLOCK * (1 + _BORDER)
"""Largest distance in pixels at which a pixel changes another."""


class Comb(nn.Module):
    """Removes a share of the lattice of 4 px from a folded picture (N, 12, h, w).

    >>> mesh = torch.rand(1, 3, 4, 4).repeat(1, 1, 32, 32)
    >>> flat = F.pixel_shuffle(Comb(1.0)(F.pixel_unshuffle(mesh, 2)), 2)
    >>> bool(flat.std(dim=(2, 3)).max() < 1e-5)
    True
    """

    def __init__(self, share: float) -> None:
        """``share``: of the lattice, from 0 to 1."""
        super().__init__()
        self.phases = _fixed(_phases(), stride=BLOCK // FOLD, groups=_COLORS)
        self.changes = _fixed(_changes(), groups=_COLORS)
        window = torch.full((_COLORS * _PHASES, 1, _WINDOW, _WINDOW), 1 / _WINDOW**2)
        self.average = _fixed(window, groups=len(window))
        self.spread = _fixed(share * _spread(), groups=_COLORS)

    def forward(self, folded: Tensor) -> Tensor:
        """Return the picture without the lattice; height and width must be multiples of 4."""
        phases = self.phases(folded)
        with torch.autocast(folded.device.type, enabled=False):  # as slow as reflection there
            phases = F.pad(phases, (_BORDER,) * 4, mode="replicate")
        lattice = self.spread(self.average(self.changes(phases)))
        return folded - F.pixel_shuffle(lattice, BLOCK // FOLD)


def _fixed(weight: Tensor, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """Return a convolution whose weights are constants, in no state and no optimizer."""
    outputs, inputs, side, _ = weight.shape
    made = nn.Conv2d(inputs * groups, outputs, side, stride, groups=groups, bias=False)
    del made.weight
    made.register_buffer("weight", weight, persistent=False)
    return made


def _phases() -> Tensor:
    """Weights from a folded picture to the 16 means of every block, for each color."""
    weight = torch.zeros(_PHASES, _SUB, BLOCK // FOLD, BLOCK // FOLD)
    cells = (BLOCK // CELL) ** 2
    for phase in range(_PHASES):
        (y, x), step = divmod(phase, CELL), CELL // FOLD
        sub = y % FOLD * FOLD + x % FOLD
        weight[phase, sub, y // FOLD :: step, x // FOLD :: step] = 1 / cells
    return weight.repeat(_COLORS, 1, 1, 1)


def _changes() -> Tensor:
    """Weights that subtract from each phase what a plane through the blocks around has there.

    The mean pixel of a phase lies up to 1.5 px from the middle of its block.
    """
    away = (torch.arange(CELL) - (CELL - 1) / 2) / (2 * BLOCK)
    line = torch.stack([-away, torch.ones(CELL), away], dim=1)
    plane = (line[:, None, :, None] * line[None, :, None, :]).reshape(_PHASES, 1, 3, 3)
    weight = -plane.repeat(1, _PHASES, 1, 1) / _PHASES
    same = torch.arange(_PHASES)
    weight[same, same, 1, 1] += 1
    return weight.repeat(_COLORS, 1, 1, 1)


def _spread() -> Tensor:
    """Weights from the blocks to every pixel: linear between their middles, phase by phase."""
    side = BLOCK // FOLD
    places = (torch.arange(side) + 0.5) / side - 0.5  # from the middle of the own block
    near = torch.stack([(-places).clamp(min=0), 1 - places.abs(), places.clamp(min=0)], dim=1)
    weight = torch.zeros(_SUB, side, side, _PHASES, 3, 3)
    for sub in range(_SUB):
        for row in range(side):
            for column in range(side):
                y = row % (CELL // FOLD) * FOLD + sub // FOLD
                x = column % (CELL // FOLD) * FOLD + sub % FOLD
                weight[sub, row, column, y * CELL + x] = near[row][:, None] * near[column]
    return weight.flatten(0, 2).repeat(_COLORS, 1, 1, 1)
