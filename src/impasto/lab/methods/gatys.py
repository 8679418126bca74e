"""Neural style: a picture with the features of the content and the Gram matrices of the style.

Gatys, Ecker & Bethge, "Image style transfer using convolutional neural networks" (CVPR 2016);
regions, several styles and coarse to fine: Gatys et al., "Controlling perceptual factors in neural
style transfer" (CVPR 2017, arXiv 1611.07865).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from impasto.errors import OptionError
from impasto.lab.losses import content_loss, gram, gram_loss, total_variation
from impasto.lab.nets.vgg import VGG
from impasto.lab.optimize.descent import Objective, Stage, descend, halved
from impasto.lab.optimize.method import (
    LIMITS,
    MULTIPLE,
    Run,
    Task,
    check_layers,
    first_picture,
    mean_square,
    resized,
)
from impasto.lab.optimize.painter import Method


@dataclass(frozen=True)
class Gatys:
    """Options of the method.

    Attributes:
        steps: gradient steps over all scales.
        seed: of the noise.
        start: ``content``, ``noise`` (the paper's white noise) or the file of a picture.
        optimizer: ``lbfgs`` or ``adam``.
        rate: of Adam, in units of the pixels.
        content_layers: layers and their weights.
        style_layers: layers and their weights.
        content_weight: of all content layers.
        style_weight: of all style layers.
        tv: weight of the total variation.
        scales: number of sizes, each twice the one before; with ``start`` noise or content the
            first one determines the position of large strokes.
        pooling: ``average``, which the paper slightly prefers, or ``max``, the network's own.
        units: ``relative`` or ``paper``, see :func:`paint`.
    """

    steps: int = 200
    seed: int = 0
    start: str = "content"
    optimizer: str = "lbfgs"
    rate: float = 0.02
    content_layers: Mapping[str, float] = field(default_factory=lambda: {"relu4_2": 1.0})
    style_layers: Mapping[str, float] = field(
        default_factory=lambda: {f"relu{n}_1": 0.2 for n in range(1, 6)}
    )
    content_weight: float = 1.0
    style_weight: float = 30.0
    tv: float = 0.3
    scales: int = 1
    pooling: str = "average"
    units: str = "relative"


@dataclass(frozen=True, eq=False)
class _Goal:
    """Goal of one style at one layer."""

    wanted: Tensor
    guide: Tensor | None
    weight: float


def paint(task: Task, options: Gatys, vgg: VGG, run: Run) -> Tensor:
    """Return the picture, (1, 3, H, W), not clipped.

    Minimizes ``content_weight sum_l w_l |F_l - P_l|^2 + style_weight sum_l v_l |G_l - A_l|^2``
    (eq. 7), with P the content's features and A the style's Gram matrices.

    Differences from the paper: in ``relative`` units each term is a mean square divided by that of
    its target, so that weights mean the same with any weights of VGG, layers and sizes; in
    ``paper`` units they are those of eqs. 1 and 4. Strength ``alpha`` is part of the targets, as in
    AdaIN: ``A = (1 - alpha) Gram(content) + alpha Gram(style)``, so 0 is the photograph. Several
    styles: the weighted mean of their Gram matrices, which has the same minimum as the weighted sum
    of their losses. Regions: guided Gram matrices of the region against those of the whole style,
    weighted by the region's share of the picture.
    """
    _check(options, vgg)
    full = (task.content.shape[2], task.content.shape[3])
    each, rest = divmod(options.steps, options.scales)
    stages = []
    for times in reversed(range(options.scales)):
        size = halved(full, times, multiple=MULTIPLE)
        steps = each + (rest if times == 0 else 0)

        # The defaults bind the values that differ between stages.
        def prepare(
            _: dict[str, Tensor], size: tuple[int, int] = size, times: int = times
        ) -> Objective:
            return _objective(task, options, vgg, size, times)

        stages.append(Stage(size, steps, prepare))
    return descend(
        first_picture(task, options.start, options.seed),
        stages,
        optimizer=options.optimizer,
        rate=options.rate,
        watch=run.watch,
        checkpoint=run.checkpoint,
    )


@torch.no_grad()
def _objective(
    task: Task, options: Gatys, vgg: VGG, size: tuple[int, int], times: int
) -> Objective:
    content = resized(task.content, size)
    layers = {**options.content_layers, **options.style_layers}
    seen = vgg(content, layers, pooling=options.pooling)
    paper = options.units == "paper"
    wanted = {layer: seen[layer].clone() for layer in options.content_layers}
    factors = {
        # eq. 1 is half the sum of squares
        layer: 0.5 * x.numel() if paper else 1 / mean_square(x)
        for layer, x in wanted.items()
    }
    counted = None if task.counted is None else resized(task.counted, size)
    places = {layer: None if counted is None else _at(counted, x) for layer, x in wanted.items()}
    goals = _goals(task, options, vgg, seen, counted, size, times)
    # eq. 4 is a quarter of the mean over the entries
    scales = {
        layer: [0.25 if paper else 1 / mean_square(goal.wanted) for goal in found]
        for layer, found in goals.items()
    }

    def losses(image: Tensor, step: int) -> dict[str, Tensor]:
        got = vgg(image, layers, pooling=options.pooling)
        kept = [
            weight * factors[layer] * _distance(got[layer], wanted[layer], places[layer])
            for layer, weight in options.content_layers.items()
        ]
        taken = [
            weight * goal.weight * scale * gram_loss(gram(got[layer], goal.guide), goal.wanted)
            for layer, weight in options.style_layers.items()
            for goal, scale in zip(goals[layer], scales[layer], strict=True)
        ]
        found = {
            "content": options.content_weight * torch.stack(kept).sum(),
            "style": options.style_weight * torch.stack(taken).sum(),
        }
        if options.tv:
            found["tv"] = options.tv * total_variation(image)
        return found

    return losses


def _goals(
    task: Task,
    options: Gatys,
    vgg: VGG,
    content: Mapping[str, Tensor],
    counted: Tensor | None,
    size: tuple[int, int],
    times: int,
) -> dict[str, list[_Goal]]:
    """Return for each style layer the target Gram matrices and their regions."""
    names = tuple(options.style_layers)
    styles: list[dict[str, Tensor]] = []
    for style, opacity in zip(task.styles, task.opacities, strict=True):
        small = halved((style.shape[2], style.shape[3]), times, multiple=MULTIPLE)
        seen = vgg(resized(style, small), names, pooling=options.pooling)
        styles.append(
            {
                layer: gram(x, None if opacity is None else _at(opacity, x))
                for layer, x in seen.items()
            }
        )
    goals: dict[str, list[_Goal]] = {layer: [] for layer in names}
    amounts = task.amounts
    if amounts.ndim == 1:
        for layer in names:
            guide = None if counted is None else _at(counted, content[layer])
            own = gram(content[layer], guide)
            mixed = own * (1 - float(amounts.sum()))
            for amount, each in zip(amounts, styles, strict=True):
                mixed = mixed + float(amount) * each[layer]
            goals[layer].append(_Goal(mixed, guide, 1.0))
        return goals
    amounts = resized(amounts, size)
    if counted is not None:
        amounts = amounts * counted
    total = amounts.sum(dim=0)
    for amount, each in zip(amounts, styles, strict=True):
        if float(amount.max()) <= 0:
            continue
        # The mean strength in the style's region, and the region's share of the picture.
        strength = float((amount * total).sum() / amount.sum())
        area = float((amount / total.clamp(min=1e-6)).mean())
        if counted is not None:
            area /= float(counted.mean())
        for layer in names:
            guide = _at(amount, content[layer])
            own = gram(content[layer], guide)
            mixed = (1 - strength) * own + strength * each[layer]
            goals[layer].append(_Goal(mixed, guide, area))
    return goals


def _distance(found: Tensor, wanted: Tensor, places: Tensor | None) -> Tensor:
    """Return the mean square difference of features, weighted by position."""
    if places is None:
        return content_loss(found.float(), wanted.float())
    square = (found.float() - wanted.float()).square().mean(dim=1)
    return (square * places).mean() / places.mean()


def _at(counts: Tensor, features: Tensor) -> Tensor:
    """Return counts (H, W) at the resolution of features."""
    return resized(counts, (features.shape[2], features.shape[3]))


def _check(options: Gatys, vgg: VGG) -> None:
    check_layers(options.content_layers, vgg, "content layer")
    check_layers(options.style_layers, vgg, "style layer")
    if options.steps < 1 or not 1 <= options.scales <= options.steps:
        raise OptionError(
            f"steps and scales must be 1 or more, and steps no fewer than scales, not "
            f"{options.steps} and {options.scales}"
        )
    if options.units not in ("relative", "paper"):
        raise OptionError(f"units must be relative or paper, not {options.units!r}")


METHOD = Method(
    name="gatys",
    title="Neural style, by optimization of Gram matrices",
    paper="Gatys, Ecker & Bethge, CVPR 2016",
    options=Gatys,
    limits=replace(LIMITS, alpha=(0.0, 1.0), alpha_map=False),
    alpha="Gram matrices between those of the photograph (0) and of the style (1)",
    paint=paint,
)

open_painter = METHOD.open_painter
"""The entry point of ``impasto.painters``."""
