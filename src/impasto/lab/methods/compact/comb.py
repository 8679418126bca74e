"""Removal of the lattice that a compact network leaves in its pictures: a comb filter.

The network doubles its maps by repeating cells, and what it paints repeats with them: every 4 px
the same small pattern, a mesh on skies and faces. A stroke has energy at this period too, but it
does not keep step with the cells, so an average over many cells shows the mesh alone::

    phases   the mean of each of the 16 pixels of a cell, over the cells of a block of 8 px
    changes  without what a slope of the picture adds: the mean of all phases, and its gradient
    lattice  their average over 5 x 5 blocks, each weighted by the inverse of its energy
    picture  minus the lattice, in every cell of the block

The weights keep edges out of the average: the outline of a tower is as straight as the mesh, and
would be repeated every 4 px in the sky beside it.

The filter has no weights of its own to learn. The last convolution of the network paints whole
cells for it. Of white noise it removes 1/100 of the energy, close to multiples of 1/4 cycle per
pixel.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.lab.methods.compact.scales import FOLD
from impasto.lab.nets.blocks import doubled

PREFIX = "comb."
"""Of the names of its weights in an exported graph; they are constants and never loaded."""

CELL = 4
"""Period of the lattice, in pixels."""
BLOCK = 2 * CELL
"""Side of a block, in pixels: a multiple of the picture's size."""
_WINDOW = 5
"""Side of the window of the average, in blocks."""
_STEPS = 255.0
"""Energies are mean squares in steps of 8 bits. Far below one step all blocks count the same."""
_PHASES = CELL**2
_COLORS = 3
_BORDER = 1 + _WINDOW // 2
"""Blocks around a picture that the gradient and the window take."""
REACH = BLOCK * (1 + _BORDER)
"""Largest distance in pixels at which a pixel changes another."""


class Comb(nn.Module):
    """Removes the lattice of 4 px from the cells of a picture (N, 48, h, w), or a share of it.

    >>> mesh = torch.rand(1, 3, 4, 4).repeat(1, 1, 32, 32)
    >>> cells = Comb()(F.pixel_unshuffle(mesh, 4), torch.ones(1, 1, 16, 16))
    >>> bool(F.pixel_shuffle(cells, 4).std(dim=(2, 3)).max() < 1e-5)
    True
    """

    def __init__(self) -> None:
        super().__init__()
        weight = _changes()
        # Without a parameter: its weights are constants, in no state and no optimizer.
        self.changes = nn.Conv2d(len(weight), len(weight), 3, groups=_COLORS, bias=False)
        del self.changes.weight
        self.changes.register_buffer("weight", weight, persistent=False)

    def forward(self, cells: Tensor, share: Tensor) -> Tensor:
        """Return the cells without a share of the lattice.

        ``share`` (N, 1, h / 2, w / 2) has a number for every block; above 1 it counts as 1.
        """
        phases = F.avg_pool2d(cells, BLOCK // CELL)
        with torch.autocast(cells.device.type, enabled=False):  # as slow as reflection there
            phases = F.pad(phases, (_BORDER,) * 4, mode="replicate")
        changes = self.changes(phases)
        energy = (changes * changes).mean(dim=1, keepdim=True) * _STEPS**2
        weights = torch.reciprocal(1 + energy)
        total = F.avg_pool2d(weights, _WINDOW, stride=1)
        lattice = F.avg_pool2d(changes * weights, _WINDOW, stride=1) / total
        # A strength above 1 exaggerates a style, but there is no more than all of the lattice.
        return cells - doubled(share.clamp(0, 1) * lattice)


def head_of_cells(head: nn.Conv2d) -> nn.Conv2d:
    """Return a convolution that paints in cells (N, 48, h, w) what ``head`` paints folded.

    Both read maps (N, C, 2 h, 2 w). Cells are ``F.pixel_unshuffle`` of a picture by 4; painted
    directly, they save two passes over all pixels.
    """
    weight, bias = in_cells(head.weight.detach(), head.get_parameter("bias").detach())
    outputs, inputs, side, _ = weight.shape
    made = nn.Conv2d(inputs, outputs, side, stride=CELL // FOLD, padding=1)
    made.weight, made.bias = nn.Parameter(weight), nn.Parameter(bias)
    return made


def in_cells(weight: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the weights of ``head_of_cells`` from those of a head, (12, C, 3, 3) and (12,)."""
    side, step = weight.shape[-1], CELL // FOLD
    wide = weight.new_zeros(_COLORS, step, FOLD, step, FOLD, weight.shape[1], side + 1, side + 1)
    folded = weight.unflatten(0, (_COLORS, FOLD, FOLD))
    for row in range(step):
        for column in range(step):
            place = (..., slice(row, row + side), slice(column, column + side))
            wide[:, row, :, column][place] = folded
    bias = bias.reshape(_COLORS, 1, FOLD, 1, FOLD).expand(-1, step, -1, step, -1)
    return wide.flatten(0, 4), bias.flatten()


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
