"""Style-Swap: every patch of the content's features replaced by the style's most similar one.

Chen & Schmidt, "Fast patch-based style transfer of arbitrary style" (arXiv 1612.04337, 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.losses import content_loss, total_variation
from impasto.lab.losses.patches import Bank, style_swap
from impasto.lab.nets.blocks import reflecting
from impasto.lab.nets.precision import channels_last
from impasto.lab.nets.state import difference, read_weights, under_prefix, weights_metadata
from impasto.lab.nets.vgg import VGG
from impasto.lab.optimize.descent import Objective, Stage, descend, to_array
from impasto.lab.optimize.method import (
    LIMITS,
    Run,
    Task,
    check_layers,
    first_picture,
    mean_square,
    resized,
)
from impasto.lab.optimize.painter import Method
from impasto.lab.training import objective
from impasto.lab.training.config import Loss, Tables
from impasto.lab.training.networks import NetworkRow
from impasto.lab.training.terms import Batch, Painted, Term
from impasto.painting import Progress

LAYER = "relu3_1"
"""Layer at which the paper swaps patches, and the input of its inverse network."""

OPTIMIZATION = "optimization"
"""Name of the inversion to pixels without a trained network."""

INVERSE: tuple[tuple[str, int, int, bool], ...] = (
    ("14", 256, 128, True), ("18", 128, 128, False),
    ("21", 128, 64, True), ("25", 64, 64, False), ("28", 64, 3, False),
)  # fmt: skip
"""VGG-19 up to relu3_1, mirrored: key, channels in and out, whether up-sampling follows.  It equals
the last layers of the decoder of pytorch-AdaIN, so the keys are those of its ``decoder.pth``."""


@dataclass(frozen=True)
class StyleSwap:
    """Options of the method.

    Attributes:
        inverse: the inversion to pixels: ``optimization``, or the file of a trained inverse
            network, NAME.safetensors, which uses only ``chunk_mb`` of the other options.
        steps: gradient steps of the optimization.
        seed: of the noise.
        start: ``content``, ``noise`` or the file of a picture.
        optimizer: ``lbfgs`` or ``adam``.
        rate: of Adam, in units of the pixels.
        layer: the layer where patches are swapped.
        tv: weight of the total variation, squared.
        chunk_mb: memory for similarities, in MB; the result does not depend on it.
    """

    inverse: str = OPTIMIZATION
    steps: int = 100
    seed: int = 0
    start: str = "content"
    optimizer: str = "lbfgs"
    rate: float = 0.02
    layer: str = LAYER
    tv: float = 2.0
    chunk_mb: int = 256


class Inverse(nn.Module):
    """The inverse network of section 4, from features at relu3_1 to their picture.

    It uses nearest up-sampling and 3x3 convolutions, as in the paper, but pads by reflection, as
    the normalised VGG, and has no normalization after the convolutions, which would remove the mean
    and the contrast of each picture that the features encode.
    """

    def __init__(self) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict(
            {key: reflecting(inputs, outputs, bias=True) for key, inputs, outputs, _ in INVERSE}
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the picture (N, 3, 4h, 4w), not clipped, of features (N, 256, h, w)."""
        last = INVERSE[-1][0]
        for key, _, _, up in INVERSE:
            x = self.convolutions[key](x)
            if key != last:
                x = F.relu(x, inplace=True)
            if up:
                x = F.interpolate(x, scale_factor=2, mode="nearest")
        return x


def load_inverse(path: str | Path, vgg: VGG) -> Inverse:
    """Load the inverse network in a file, on the device and in the precision of ``vgg``.

    Args:
        path: a file exported from a run by ``impasto lab decoder``, NAME.safetensors.
        vgg: the network whose features it inverts.

    Raises:
        OptionError: if there is no such file.
        ModelError: if it does not hold such a network, or one for another kind of VGG-19.
    """
    if not Path(path).is_file():
        raise OptionError(
            f"inverse: there is no file {str(path)!r}; give {OPTIMIZATION!r}, or the file of a "
            "trained inverse network: trained/style-swap-inverse.safetensors of the repository, or "
            "one of your own (impasto lab train configs/style-swap.toml)"
        )
    weights, layout = read_weights(path), weights_metadata(path).get("vgg", vgg.layout.name)
    if layout != vgg.layout.name:
        raise ModelError(
            f"{path} inverts the features of a VGG-19 of the {layout} layout, but this one has "
            f"the {vgg.layout.name} layout; give the matching one as --vgg (vgg_normalised.pth for "
            "pytorch-AdaIN)"
        )
    net = Inverse()
    own = net.convolutions.state_dict()
    weights = under_prefix(weights, own)
    if differing := difference(own, weights):
        raise ModelError(
            f"{path} is not an inverse network of Style-Swap ({differing}); impasto lab decoder "
            "saves one from a run of configs/style-swap.toml"
        )
    net.convolutions.load_state_dict(weights)
    like = vgg.preprocess.weight
    return channels_last(net.to(like.device, like.dtype)).requires_grad_(False)


@dataclass(frozen=True)
class Stopwatch:
    """CPU timer for the parts of painting a picture; a part may occur several times.

    Attributes:
        seconds: by part: ``encode``, ``swap``, ``decode``.
    """

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Add the time of a block to that of ``part``."""
        begin = perf_counter()
        yield
        self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - begin


@torch.no_grad()
def swapped(task: Task, options: StyleSwap, vgg: VGG, watch: Stopwatch | None = None) -> Tensor:
    """Return the target features ``F + sum_k a_k (swap_k(F) - F)`` at the options' layer, float32.

    Section 3.1 is the case of one style at full strength, ``a = 1``; strength, several styles and
    regions are a mixture at each position.  ``watch`` times the passes through ``vgg`` and the
    swap.
    """
    layers, watch = [options.layer], watch or Stopwatch()
    with watch.timing("encode"):
        features = vgg(task.content, layers)[options.layer]
    content = features.float()
    size = (content.shape[2], content.shape[3])
    amounts = task.amounts if task.amounts.ndim == 1 else resized(task.amounts, size)
    target: Tensor = content.clone()
    for style, opacity, amount in zip(task.styles, task.opacities, amounts, strict=True):
        if float(amount.max()) <= 0:
            continue
        with watch.timing("encode"):
            seen = vgg(style, layers)[options.layer]
        counts = None if opacity is None else resized(opacity, (seen.shape[2], seen.shape[3]))
        with watch.timing("swap"):
            bank = Bank([seen], counts=[counts])
            found = style_swap(features, bank, chunk_bytes=options.chunk_mb << 20)
        target += amount * (found - content)
    return target


def paint(task: Task, options: StyleSwap, vgg: VGG, run: Run) -> Tensor:
    """Return the picture, (1, 3, H, W), not clipped.

    By optimization it minimizes ``|F(x) - target|^2 + tv TV(x)`` over the pixels (section 3.2),
    with squared total variation and the distance divided by the target's mean square. The inverse
    network of section 4 is trained to do the same in one pass.
    """
    check_layers({options.layer: 1.0}, vgg, "layer")
    if options.steps < 1 or options.chunk_mb < 1:
        raise OptionError(
            f"steps and chunk_mb must be 1 or more, not {options.steps} and {options.chunk_mb}"
        )
    if options.inverse != OPTIMIZATION:
        return _decoded(task, options, vgg, run)

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
        checkpoint=run.checkpoint,
    )


@torch.no_grad()
def _decoded(task: Task, options: StyleSwap, vgg: VGG, run: Run) -> Tensor:
    """Paint with the inverse network."""
    for each in fields(options):
        alone = each.name not in ("inverse", "chunk_mb")
        if alone and getattr(options, each.name) != each.default:
            raise OptionError(
                f"{each.name} has no effect with an inverse network, which paints the features of "
                f"{LAYER} in one pass; omit {each.name} or inverse"
            )
    if run.checkpoint is not None:
        raise OptionError("an inverse network paints in one pass and writes no checkpoint; omit it")
    net = load_inverse(options.inverse, vgg)
    picture = decoded(swapped(task, options, vgg), net)
    if run.watch is not None:
        run.watch(Progress(1, 1, {}, partial(to_array, picture)))
    return picture


@torch.no_grad()
def decoded(target: Tensor, net: Inverse, watch: Stopwatch | None = None) -> Tensor:
    """Return the picture (1, 3, H, W), not clipped, of features by an inverse network."""
    with (watch or Stopwatch()).timing("decode"):
        like = net.convolutions[INVERSE[0][0]].get_parameter("weight")
        picture: Tensor = net(target.to(like.dtype, memory_format=torch.channels_last)).float()
    return picture


METHOD = Method(
    name="style-swap",
    title="Patches of features swapped for the style's, by optimization or a trained network",
    paper="Chen & Schmidt, 2016",
    options=StyleSwap,
    limits=LIMITS,
    alpha="features between the photograph's (0) and the swapped ones (1), at each place",
    paint=paint,
)

open_painter = METHOD.open_painter
"""The entry point of ``impasto.painters``."""


def _inverse_content(painted: Painted) -> Tensor:
    return content_loss(painted.features[LAYER], painted.batch.target)


def _round_variation(painted: Painted) -> Tensor:
    return total_variation(painted.output, order=2)


def _inverse_identity(painted: Painted) -> Tensor:
    batch = painted.batch
    pictures = torch.cat([batch.contents, batch.styles])
    return F.l1_loss(painted.output[len(batch.contents) :], pictures)


INVERSE_TERMS: tuple[Term, ...] = (
    Term("content", 1.0, _inverse_content, layers=(LAYER,), always=True),
    Term("variation", 0.0, _round_variation, always=True),
    Term("identity", 10.0, _inverse_identity),
)
"""Terms of Style-Swap's inverse network."""


class InverseObjective(objective.Objective):
    """Section 4 of Chen & Schmidt 2016: ``mean |F(x) - target|^2 + variation TV(x)``.

    A batch's targets are the swapped features of its pairs, then the features of its photographs
    and of its paintings: swapped features do not belong to any picture, so training must include
    them. There is no style term; the ``identity`` term is the L1 distance of photographs and
    paintings from themselves, which is not in the paper (but in the authors' code, with weight 0).
    """

    @torch.no_grad()
    def prepare(
        self, contents: Tensor, styles: Tensor, *, part: int = 0, parts: int = 1, number: int = 0
    ) -> Batch:
        """Prepare a batch of pairs (N, 3, H, W) in [0, 1]: 3 N targets."""
        content, style = (self.vgg(each, [LAYER])[LAYER] for each in (contents, styles))
        # One style per photograph, where the authors' code swaps all with all.
        swapped = [
            style_swap(one[None], Bank([other[None]])).to(content.dtype)
            for one, other in zip(content, style, strict=True)
        ]
        target = torch.cat([*swapped, content, style])
        target = target.contiguous(memory_format=torch.channels_last)
        return Batch(contents, styles, {}, target)

    def terms(self, pictures: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return each unweighted loss term of such ``pictures``."""
        return self.measure(pictures, batch, unaligned=pictures[:0])


def _inverted(inverse: Any, batch: Batch) -> Tensor:
    picture: Tensor = inverse(batch.target)
    return picture


INVERSE_ROW = NetworkRow(
    name="style-swap",
    title="The inverse network of Chen & Schmidt 2016",
    architecture="relu3_1 of VGG-19 back to pixels: five convolutions, the mirrored VGG",
    tables=Tables(INVERSE_TERMS, loss=Loss),
    build=lambda _: Inverse(),
    paint=_inverted,
    assembled=None,
    objective=InverseObjective,
    alone=True,
    remark="a bundle aligns moments and swaps no patches; impasto lab decoder saves it for "
    "--model style-swap",
)
