"""Style-Swap: every patch of the content's features replaced by the style's most similar one.

Chen & Schmidt, "Fast patch-based style transfer of arbitrary style" (arXiv 1612.04337, 2016).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from impasto.errors import OptionError
from impasto.lab.descent import Objective, Stage, descend
from impasto.lab.losses import content_loss, total_variation
from impasto.lab.method import (
    Capabilities,
    Method,
    Run,
    Task,
    check_layers,
    first_picture,
    mean_square,
    resized,
)
from impasto.lab.patches import Bank, style_swap
from impasto.lab.vgg import VGG19


@dataclass(frozen=True)
class StyleSwap:
    """Options of the method.

    Attributes:
        steps: gradients taken on the way back to pixels.
        seed: of the noise.
        start: ``content``, ``noise`` or the file of a picture.
        optimizer: ``lbfgs`` or ``adam``.
        rate: of Adam, in units of the pixels.
        layer: where patches are swapped.
        tv: weight of the total variation, squared.
        chunk_mb: memory for similarities, in MB; the result does not depend on it.
    """

    steps: int = 100
    seed: int = 0
    start: str = "content"
    optimizer: str = "lbfgs"
    rate: float = 0.02
    layer: str = "relu3_1"
    tv: float = 2.0
    chunk_mb: int = 256


@torch.no_grad()
def swapped(task: Task, options: StyleSwap, vgg: VGG19) -> Tensor:
    """The features to paint: ``F + sum_k a_k (swap_k(F) - F)`` at the options' layer, float32.

    Section 3.1 is the case of one style at full strength, ``a = 1``; strength, several styles and
    regions are a mixture at each place.
    """
    layers = [options.layer]
    features = vgg(task.content, layers)[options.layer]
    content = features.float()
    size = (content.shape[2], content.shape[3])
    amounts = task.amounts if task.amounts.ndim == 1 else resized(task.amounts, size)
    target = content.clone()
    for style, opacity, amount in zip(task.styles, task.opacities, amounts, strict=True):
        if float(amount.max()) <= 0:
            continue
        seen = vgg(style, layers)[options.layer]
        counts = None if opacity is None else resized(opacity, (seen.shape[2], seen.shape[3]))
        bank = Bank([seen], counts=[counts])
        found = style_swap(features, bank, chunk_bytes=options.chunk_mb << 20)
        target += amount * (found - content)
    return target


def paint(task: Task, options: StyleSwap, vgg: VGG19, run: Run) -> Tensor:
    """The picture, (1, 3, H, W), not clipped.

    Minimizes ``|F(x) - target|^2 + tv TV(x)`` over the pixels (section 3.2), with squared total
    variation and the distance divided by the target's mean square: the paper's "inverse by
    optimization". Its inverse network, which is fast, is trained.
    """
    check_layers({options.layer: 1.0}, vgg, "layer")
    if options.steps < 1 or options.chunk_mb < 1:
        raise OptionError(
            f"steps and chunk_mb must be 1 or more, not {options.steps} and {options.chunk_mb}"
        )

    def prepare(_: dict[str, Tensor]) -> Objective:
        target = swapped(task, options, vgg)
        scale = 1 / mean_square(target)

        def losses(image: Tensor, step: int) -> dict[str, Tensor]:
            got = vgg(image, [options.layer])[options.layer].float()
            return {
                "swap": scale * content_loss(got, target),
                "tv": options.tv * total_variation(image, order=2),
            }

        return losses

    size = (task.content.shape[2], task.content.shape[3])
    return descend(
        first_picture(task, options.start, options.seed),
        [Stage(size, options.steps, prepare)],
        optimizer=options.optimizer,
        rate=options.rate,
        watch=run.watch,
        keeping=run.keeping,
    )


METHOD = Method(
    name="style-swap",
    title="Patches of features swapped for the style's, by optimization",
    paper="Chen & Schmidt, 2016",
    options=StyleSwap,
    capabilities=Capabilities(
        several=True,
        masks=True,
        alpha_map=True,
        highest_alpha=2.0,
        precisions=("fp32", "bf16"),
        keeps=True,
        alpha="features between the photograph's (0) and the swapped ones (1), at each place",
    ),
    paint=paint,
)
