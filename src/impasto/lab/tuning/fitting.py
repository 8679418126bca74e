"""Fit the moments of one style by Adam through a fixed decoder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.controls.affine import adain
from impasto.controls.descreen import descreened
from impasto.controls.moments import Moments
from impasto.errors import OptionError
from impasto.images.photo import Photo
from impasto.lab.nets.blocks import reflected
from impasto.lab.nets.network import align
from impasto.lab.tuning.decoder import GraphDecoder
from impasto.lab.tuning.judge import Judge, Losses, Seen
from impasto.lab.tuning.options import STYLE, TuneOptions
from impasto.models import Bundle, open_engine
from impasto.styles.library import check_fits
from impasto.styles.style import Style
from impasto.styles.tuned import Tuned

WIDE = 4
"""Margin around crops, as a multiple of the studio's: zero padding there must not affect the loss,
or a frame is learned."""


@dataclass(frozen=True, eq=False)
class Encoded:
    """A crop or photograph encoded by a model.

    Attributes:
        seen: the picture and the judge's features of it.
        features: one map (C, h, w) per level, with the margin.
        moments: of them.
    """

    seen: Seen
    features: tuple[NDArray[np.float32], ...]
    moments: tuple[Moments, ...]


class Tuner:
    """A model with the judge's photographs, encoded once for all its styles."""

    def __init__(self, bundle: Bundle, judge: Judge) -> None:
        """Open the model.

        Raises:
            ModelError: if styles of this model cannot be tuned
                (:class:`impasto.lab.tuning.decoder.GraphDecoder`).
        """
        self.bundle, self.judge = bundle, judge
        self.decoder = GraphDecoder(bundle, judge.device)
        # Styles are encoded in single precision by ONNX Runtime, which is always installed.
        self.engine = open_engine(
            bundle, name="onnxruntime", precision="fp32", threads=torch.get_num_threads()
        )

    @cached_property
    def crops(self) -> list[Encoded]:
        """The training crops.

        Raises:
            OptionError: if they are not larger than the margin around them.
        """
        margin, side = WIDE * self.bundle.card.margin, self.judge.options.crop
        if side <= margin:
            raise OptionError(
                f"crop is {side}; model {self.bundle.card.name!r} needs crops larger than "
                f"the margin around them, {margin} px"
            )
        return [self._encode(each, margin) for each in self.judge.crops]

    @cached_property
    def unseen(self) -> list[Encoded]:
        """The held-out photographs, with the studio's margin."""
        return [self._encode(each, self.bundle.card.margin) for each in self.judge.unseen]

    def tune(
        self,
        style: Style,
        photo: Photo,
        options: TuneOptions | None = None,
        *,
        recipe: str = "",
        before: Losses | None = None,
        watch: Callable[[int, int], object] | None = None,
    ) -> Style:
        """Tune a style; return it unchanged where the result is not better.

        Better means a smaller weighted sum of both losses (:meth:`Losses.total`), averaged over
        held-out photographs, than that of the style with the same share of the mesh removed.

        Args:
            style: of this model; the start of the fit.
            photo: its picture, at the size at which styles are read.
            options: by default those of the judge; they must agree with its photographs.
            recipe: for the record.
            before: losses of ``style``, if known.
            watch: called after every step with its number and the total.

        Returns:
            The style with its record (``Style.tuned``).

        Raises:
            StyleError: if the style is of another model.
        """
        card = self.bundle.card
        check_fits(style, model=self.bundle.identity, model_name=card.name)
        options = options or self.judge.options
        before = before or self.judged(style.moments, photo)
        start = self._descreened(style.moments, options.comb)
        same = all(a is b for a, b in zip(start, style.moments, strict=True))
        bound = before if same else self.judged(start, photo)
        moments = self.fitted(style.moments, photo, options, watch)
        after = self.judged(moments, photo)
        better = after.total(options.content) < bound.total(options.content)
        tuned = Tuned(
            better=better,
            content=options.content,
            steps=options.steps,
            before=(before.content, before.style),
            after=(after.content, after.style),
            photographs=len(self.unseen),
            size=max(each.seen.image.shape[1] for each in self.unseen),
            recipe=recipe,
        )
        return replace(style, moments=moments if better else style.moments, tuned=tuned)

    def judged(self, moments: Sequence[Moments], photo: Photo) -> Losses:
        """Return losses of the studio's pictures of the held-out photographs with such moments."""
        pictures = (self.painted(each, moments) for each in self.unseen)
        return self.judge.losses(pictures, self.judge.wanted(photo))

    def painted(self, encoded: Encoded, moments: Sequence[Moments]) -> NDArray[np.float32]:
        """Return the studio's picture, (3, H, W) in [0, 1], of one of the held-out photographs."""
        margin = self.bundle.card.margin
        maps = [adain(own, wanted) for own, wanted in zip(encoded.moments, moments, strict=True)]
        picture = self.engine.decode(encoded.features, maps)
        height, width = encoded.seen.image.shape[1:]
        inside = picture[:, margin : margin + height, margin : margin + width]
        return np.ascontiguousarray(inside.clip(0, 1))

    def fitted(
        self,
        start: Sequence[Moments],
        photo: Photo,
        options: TuneOptions,
        watch: Callable[[int, int], object] | None = None,
    ) -> tuple[Moments, ...]:
        """Return the moments after a fit, better or not; the arguments are those of ``tune``."""
        wanted = self.judge.wanted(photo)
        start = self._descreened(start, options.comb)
        device = self.judge.device
        means, stds = (
            [torch.from_numpy(np.asarray(each, np.float32))[None, :, None, None] for each in column]
            for column in zip(*((level.mean, level.std) for level in start), strict=True)
        )
        means, stds = ([each.to(device) for each in column] for column in (means, stds))
        # Means change in units of their channel's deviation and deviations by factors: one rate
        # then suits channels of all scales, and no deviation becomes negative.
        shifts = [torch.zeros_like(each, requires_grad=True) for each in means]
        growths = [torch.zeros_like(each, requires_grad=True) for each in stds]
        adam = torch.optim.Adam([*shifts, *growths], lr=options.rate, betas=(0.9, 0.99))
        order = self._order(options)
        for step in range(options.steps):
            rate = options.rate * (1 + math.cos(math.pi * step / options.steps)) / 2
            adam.param_groups[0]["lr"] = rate
            chosen = [self.crops[i] for i in order[step]]
            now = _moments(means, stds, shifts, growths)
            picture = self._painted(chosen, now)
            content = torch.cat([each.seen.content for each in chosen])
            for_content, for_style = self.judge.terms(picture, content, wanted)
            loss = options.content * for_content + STYLE * for_style
            adam.zero_grad()
            loss.backward()
            adam.step()
            if watch is not None:
                watch(step + 1, options.steps)
        with torch.no_grad():
            levels = _moments(means, stds, shifts, growths)
        made = tuple(Moments(mean=_numbers(mean), std=_numbers(std)) for mean, std in levels)
        if not all(np.isfinite([level.mean, level.std]).all() for level in made):
            return tuple(start)  # diverged, as with a learning rate of 100
        return made

    def _descreened(self, moments: Sequence[Moments], share: float) -> tuple[Moments, ...]:
        """Return moments with a share of the mesh to remove.

        It has no deviation, so it stays while they are fitted: the losses take a mesh for texture,
        and would put it back.
        """
        return descreened(moments, [level.name for level in self.bundle.card.levels], share)

    def _painted(
        self, chosen: Sequence[Encoded], wanted: Sequence[tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Paint crops, (N, 3, H, W), not clipped, without their margin."""
        device, features = self.judge.device, []
        for level in zip(*(each.features for each in chosen), strict=True):
            stacked = torch.from_numpy(np.stack(level)).to(device)
            features.append(stacked.contiguous(memory_format=torch.channels_last))
        maps = [align(each, pair) for each, pair in zip(features, wanted, strict=True)]
        with torch.autocast(device.type, torch.bfloat16, enabled=self.judge.half):
            picture = self.decoder(features, *map(list, zip(*maps, strict=True)))
        margin = WIDE * self.bundle.card.margin
        side = chosen[0].seen.image.shape[1]
        return picture[..., margin : margin + side, margin : margin + side].float()

    def _order(self, options: TuneOptions) -> NDArray[np.int64]:
        """Return the indices of the crops of every step: each is used once before any repeats."""
        random, count = np.random.default_rng(options.seed), len(self.crops)
        rounds = -(-options.steps * options.batch // count)
        order = np.concatenate([random.permutation(count) for _ in range(rounds)])
        return order[: options.steps * options.batch].reshape(options.steps, options.batch)

    def _encode(self, seen: Seen, margin: int) -> Encoded:
        padded = reflected(torch.from_numpy(seen.image)[None], margin)[0] if margin else None
        image = seen.image if padded is None else padded.numpy()
        missing = [-side % self.bundle.card.multiple for side in image.shape[1:]]
        image = np.pad(image, [(0, 0), (0, missing[0]), (0, missing[1])], mode="reflect")
        features, moments = self.engine.encode(np.ascontiguousarray(image))
        return Encoded(seen, features, moments)


def _moments(
    means: Sequence[Tensor],
    stds: Sequence[Tensor],
    shifts: Sequence[Tensor],
    growths: Sequence[Tensor],
) -> list[tuple[Tensor, Tensor]]:
    return [
        (mean + std * shift, std * growth.exp())
        for mean, std, shift, growth in zip(means, stds, shifts, growths, strict=True)
    ]


def _numbers(values: Tensor) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = values.flatten().double().cpu().numpy()
    return numbers
