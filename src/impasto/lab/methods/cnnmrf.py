"""CNNMRF: each small patch of features close to one of the style's, coarse to fine.

Li & Wand, "Combining Markov random fields and convolutional neural networks for image synthesis"
(CVPR 2016, arXiv 1601.04589).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.lab.losses import content_loss, total_variation
from impasto.lab.losses.patches import SIDE, Bank, patch_loss
from impasto.lab.nets.vgg import VGG
from impasto.lab.optimize.descent import Objective, Stage, descend, halved
from impasto.lab.optimize.method import (
    LIMITS,
    MULTIPLE,
    SMALLEST,
    Run,
    Task,
    check_layers,
    first_picture,
    mean_square,
    resized,
)
from impasto.lab.optimize.painter import Method


@dataclass(frozen=True)
class CNNMRF:
    """Options of the method.

    Attributes:
        steps: gradient steps over all resolutions.
        seed: of the noise.
        start: ``content``, ``noise`` or the file of a picture.
        optimizer: ``lbfgs`` or ``adam``.
        rate: of Adam, in units of the pixels.
        style_layers: layers where patches are compared, and their weights.
        content_layers: layers and their weights.
        style_weight: of all style layers.
        content_weight: of all content layers.
        tv: weight of the total variation, squared.
        scales: number of resolutions, each twice the one before; fewer for a small picture.
        style_scales: sizes of the style for its patches.
        style_rotations: angles of the style for its patches, in degrees.
        refresh: steps after which the nearest patches are searched again.
        chunk_mb: memory for similarities, in MB; the result does not depend on it.
    """

    steps: int = 200
    seed: int = 0
    start: str = "content"
    optimizer: str = "lbfgs"
    rate: float = 0.02
    style_layers: Mapping[str, float] = field(
        default_factory=lambda: {"relu3_1": 1.0, "relu4_1": 1.0}
    )
    content_layers: Mapping[str, float] = field(default_factory=lambda: {"relu4_2": 1.0})
    style_weight: float = 1.0
    content_weight: float = 1.0
    tv: float = 1.0
    scales: int = 3
    style_scales: tuple[float, ...] = (0.85, 1.0, 1.15)
    style_rotations: tuple[float, ...] = (-15.0, 0.0, 15.0)
    refresh: int = 10
    chunk_mb: int = 256


def paint(task: Task, options: CNNMRF, vgg: VGG, run: Run) -> Tensor:
    """Return the picture, (1, 3, H, W), not clipped.

    Minimizes ``sum_l w_l sum_i |patch_i - nearest_i|^2 + content_weight |F - P|^2 + tv TV``
    (eqs. 1 to 5). Patches come from several sizes and rotations of the style (section 4).

    Differences from the paper: each distance is divided by the mean square of its target, so that
    weights mean the same with any weights of VGG; nearest patches are searched every ``refresh``
    steps, not at each; and strength ``alpha`` is a factor at each patch, so 0 leaves only the
    content term, whose minimum is the photograph.
    """
    _check(options, vgg)
    full = (task.content.shape[2], task.content.shape[3])
    # The smallest picture still has several patches.
    scales = 1
    while scales < options.scales and min(full) >> scales >= SMALLEST:
        scales += 1
    each, rest = divmod(options.steps, scales)
    stages = []
    for times in reversed(range(scales)):
        size = halved(full, times, multiple=MULTIPLE)
        steps = each + (rest if times == 0 else 0)

        # The defaults bind the values that differ between stages.
        def prepare(
            notes: dict[str, Tensor], size: tuple[int, int] = size, times: int = times
        ) -> Objective:
            return _objective(task, options, vgg, size, times, notes)

        stages.append(Stage(size, steps, prepare))
    return descend(
        first_picture(task, options.start, options.seed),
        stages,
        optimizer=options.optimizer,
        rate=options.rate,
        watch=run.watch,
        checkpoint=run.checkpoint,
    )


@dataclass(eq=False)
class _Goal:
    """Goal of one style at one layer; the choice of patches changes over the steps."""

    bank: Bank
    amount: Tensor
    scale: float
    wanted: Tensor | None = None


@torch.no_grad()
def _objective(
    task: Task,
    options: CNNMRF,
    vgg: VGG,
    size: tuple[int, int],
    times: int,
    notes: dict[str, Tensor],
) -> Objective:
    """Return the losses at one size; the nearest patches are stored for resuming."""
    layers = {**options.content_layers, **options.style_layers}
    seen = vgg(resized(task.content, size), layers)
    content = {layer: seen[layer].float().clone() for layer in options.content_layers}
    factors = {layer: 1 / mean_square(x) for layer, x in content.items()}
    goals: dict[str, list[_Goal]] = {layer: [] for layer in options.style_layers}
    for k, style in enumerate(task.styles):
        amount = task.amounts[k]
        if float(amount.max()) <= 0:
            continue
        banks = _banks(style, task.opacities[k], options, vgg, times)
        for layer, (bank, scale) in banks.items():
            goals[layer].append(_Goal(bank, _patch_amount(amount, seen[layer]), scale))

    def losses(image: Tensor, step: int) -> dict[str, Tensor]:
        got = vgg(image, layers)
        kept = [
            weight * factors[layer] * content_loss(got[layer].float(), content[layer])
            for layer, weight in options.content_layers.items()
        ]
        taken = [image.new_zeros(())]
        for layer, weight in options.style_layers.items():
            for number, goal in enumerate(goals[layer]):
                name = f"{layer} {number}"
                if step % options.refresh == 0 or name not in notes:
                    with torch.no_grad():
                        notes[name] = goal.bank.nearest(
                            got[layer], chunk_bytes=options.chunk_mb << 20
                        )
                    goal.wanted = None
                if goal.wanted is None:
                    goal.wanted = goal.bank.take(notes[name])
                distance = patch_loss(got[layer], goal.wanted, goal.amount)
                taken.append(weight * goal.scale * distance)
        return {
            "content": options.content_weight * torch.stack(kept).sum(),
            "patches": options.style_weight * torch.stack(taken).sum(),
            "tv": options.tv * total_variation(image, order=2),
        }

    return losses


def _banks(
    style: Tensor, opacity: Tensor | None, options: CNNMRF, vgg: VGG, times: int
) -> dict[str, tuple[Bank, float]]:
    """Return the patches of a style by layer, at all sizes and angles, and 1 / mean square."""
    maps: dict[str, list[Tensor]] = {layer: [] for layer in options.style_layers}
    counts: dict[str, list[Tensor | None]] = {layer: [] for layer in options.style_layers}
    for scale in options.style_scales:
        height, width = (max(SMALLEST, round(side * scale / 2**times)) for side in style.shape[2:])
        small = resized(style, (height, width))
        visible = None if opacity is None else resized(opacity, (height, width))
        for angle in options.style_rotations:
            turned, inside = _rotated(small, visible, angle)
            for layer, features in vgg(turned, tuple(maps)).items():
                maps[layer].append(features)
                at = (features.shape[2], features.shape[3])
                counts[layer].append(None if inside is None else resized(inside, at))
    return {
        layer: (Bank(found, counts=counts[layer]), 1 / mean_square(found[0]))
        for layer, found in maps.items()
    }


def _rotated(image: Tensor, visible: Tensor | None, angle: float) -> tuple[Tensor, Tensor | None]:
    """Rotate a picture about its center; return it and the mask of valid pixels.

    The corners are filled by reflection, and excluded from the patches.
    """
    if angle % 360 == 0:
        return image, visible
    height, width = image.shape[2:]
    turn = torch.deg2rad(torch.tensor(float(angle)))
    cos, sin = float(turn.cos()), float(turn.sin())
    # In coordinates from -1 to 1 a rotation of pixels stretches where the sides differ.
    matrix = torch.tensor([[[cos, -sin * height / width, 0], [sin * width / height, cos, 0]]])
    grid = F.affine_grid(matrix.to(image), [1, 1, height, width], align_corners=False)
    turned = F.grid_sample(image, grid, padding_mode="reflection", align_corners=False)
    plane = torch.ones_like(image[:, :1]) if visible is None else visible[None, None].to(image)
    inside = F.grid_sample(plane, grid, padding_mode="zeros", align_corners=False)
    return turned.clamp(0, 1), inside[0, 0]


def _patch_amount(amount: Tensor, features: Tensor) -> Tensor:
    """Return the strength at each patch of features: a number for all, or (patches,)."""
    if amount.ndim == 0:
        return amount
    cells = resized(amount, (features.shape[2], features.shape[3]))
    return F.avg_pool2d(cells[None, None], SIDE, stride=1).flatten()


def _check(options: CNNMRF, vgg: VGG) -> None:
    check_layers(options.content_layers, vgg, "content layer")
    check_layers(options.style_layers, vgg, "style layer")
    for name in ("scales", "refresh", "chunk_mb"):
        if getattr(options, name) < 1:
            raise OptionError(f"{name} must be 1 or more, not {getattr(options, name)}")
    if options.steps < options.scales:
        raise OptionError(
            f"{options.steps} steps are fewer than the {options.scales} scales; give more"
        )
    if not options.style_scales or not all(0.1 <= each <= 4 for each in options.style_scales):
        raise OptionError(f"style_scales must lie in [0.1, 4], not {options.style_scales}")
    if not options.style_rotations:
        raise OptionError("style_rotations has no angle; 0 leaves the style unchanged")


METHOD = Method(
    name="cnnmrf",
    title="Neural patches of the style put together again (Markov random field)",
    paper="Li & Wand, CVPR 2016",
    options=CNNMRF,
    limits=LIMITS,
    alpha="a factor of the patch loss at each place, against the content loss",
    paint=paint,
)

open_painter = METHOD.open_painter
"""The entry point of ``impasto.painters``."""
