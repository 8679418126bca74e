"""The judge of tuning: VGG, and its features of photographs, which all styles share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError, counted
from impasto.images.photo import Photo
from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import Collection, Sampler, load_collections
from impasto.lab.data.sources import Source, find_sources, is_held_out
from impasto.lab.losses import CONTENT_LAYER, STYLE_LAYERS, content_loss, moment_loss
from impasto.lab.nets.blocks import affine
from impasto.lab.nets.network import align
from impasto.lab.nets.normalization import EPS
from impasto.lab.nets.precision import has_bf16
from impasto.lab.nets.vgg import VGG, load_vgg
from impasto.lab.nets.weights import find_vgg
from impasto.lab.tuning.options import CELL, STYLE, TuneOptions

Wanted = dict[str, tuple[Tensor, Tensor]]
"""Mean and standard deviation (1, C, 1, 1) of a style at each of VGG's style layers."""

Watch = Callable[[int, int], object]
"""Callback with the number of encoded photographs, and the total."""

LAYERS = tuple(dict.fromkeys((*STYLE_LAYERS, CONTENT_LAYER)))

SMALLEST_SHARE = 0.5
"""Least share of the shorter side of a photograph that a crop covers."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A photograph and the judge's features of it.

    Attributes:
        image: (3, H, W) float32 in [0, 1].
        content: (1, C, h, w), features at ``CONTENT_LAYER``.
    """

    image: NDArray[np.float32]
    content: Tensor


@dataclass(frozen=True)
class Losses:
    """The paper's two losses of pictures, in mean units.

    Attributes:
        content: mean square distance from the AdaIN target at ``CONTENT_LAYER``.
        style: squared differences of means and deviations, summed over ``STYLE_LAYERS``.
    """

    content: float
    style: float

    def total(self, content: float) -> float:
        """Return the weighted sum, which is minimized and used to compare results."""
        return content * self.content + STYLE * self.style


class Judge:
    """The normalised VGG, photographs for training and held-out ones.

    Everything is computed on demand and only once, for any number of styles and models.
    """

    def __init__(
        self,
        photographs: Sequence[str | Path],
        *,
        vgg: str | Path | None = None,
        options: TuneOptions = TuneOptions(),
        device: torch.device | str | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Find photographs and weights.

        Args:
            photographs: folders, shards or patterns of shards. A tenth of each, by hash of the
                name, is held out; the judged ones are from it.
            vgg: a file of the normalised VGG-19; by default the one that training uses.
            options: numbers and sizes.
            device: the device to run on; by default CUDA if available.
            watch: called after every encoded photograph.

        Raises:
            ImageError: if a path does not exist.
            ModelError: if there is no normalised VGG-19.
            OptionError: if there are fewer than two photographs.
        """
        self.options, self._watch = options, watch
        self._places = [str(place) for place in photographs]
        found = [source for place in self._places for source in find_sources(place)[0]]
        if len(found) < 2:
            raise OptionError(
                f"{', '.join(self._places)}: {counted(len(found), 'photograph')}, but tuning needs "
                "at least 2, one to tune on and one to judge on (better 100); add photographs"
            )
        self._file = find_vgg(vgg, normalised=True)
        self.device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        self.half = has_bf16(self.device)
        digest = hashlib.sha256(self._file.read_bytes())
        for line in sorted(map(_told, found)):
            digest.update(line.encode(errors="surrogateescape"))
        self.identity = digest.hexdigest()[:16]

    @cached_property
    def vgg(self) -> VGG:
        """The network."""
        network = load_vgg(self._file)
        if not network.is_normalized:
            raise ModelError(
                f"{self._file}: is a {network.layout.network} whose activations are not "
                f"normalized, but the losses need normalized ones; make them with `impasto lab "
                f"normalize {self._file} PHOTOGRAPHS`"
            )
        return network.to(self.device, torch.bfloat16 if self.half else torch.float32)

    @cached_property
    def crops(self) -> tuple[Seen, ...]:
        """Crops of photographs for training."""
        options = self.options
        count = min(options.crops, options.steps * options.batch)
        shorter = round(options.crop / SMALLEST_SHARE)
        loaded = load_collections(self._places, shorter=shorter, memory=0.0)
        crops = Crops(side=options.crop, smallest=SMALLEST_SHARE)
        shares = [1.0] * len(loaded.collections)
        sampler = Sampler(loaded.collections, shares, crops=crops, seed=options.seed)
        drawn = (sampler.batch(1)[0].numpy() for _ in range(count))
        return tuple(self._looked(drawn, count))

    @cached_property
    def unseen(self) -> tuple[Seen, ...]:
        """Held-out photographs, the largest central square of each."""
        size = self.options.size
        loaded = load_collections(self._places, shorter=size, held_out=True, memory=0.0)
        random = np.random.default_rng([self.options.seed, len(loaded)])
        orders = [list(random.permutation(len(each.pictures))) for each in loaded.collections]
        chosen: list[tuple[Collection, int]] = []
        # The sources take turns, so that a large one does not dominate.
        while any(orders) and len(chosen) < self.options.judged:
            for collection, order in zip(loaded.collections, orders, strict=True):
                if order and len(chosen) < self.options.judged:
                    chosen.append((collection, int(order.pop())))
        squares = (_square(collection.pictures[i], size) for collection, i in chosen)
        return tuple(self._looked(squares, len(chosen)))

    @torch.no_grad()
    def wanted(self, photo: Photo) -> Wanted:
        """Return the target moments of the style loss, from the opaque pixels of a style."""
        image = torch.from_numpy(np.ascontiguousarray(photo.image)).permute(2, 0, 1)[None]
        features = self.vgg(image.to(self.device), STYLE_LAYERS)
        opacity = None
        if photo.alpha is not None:
            opacity = torch.from_numpy(photo.alpha.astype(np.float32))[None, None].to(self.device)
        return {layer: _moments(each.float(), opacity) for layer, each in features.items()}

    def terms(self, pictures: Tensor, content: Tensor, wanted: Wanted) -> tuple[Tensor, Tensor]:
        """Return content loss and style loss of pictures (N, 3, H, W) in one style."""
        features = self.vgg(pictures, LAYERS)
        count = len(pictures)
        goals = {
            layer: (mean.expand(count, -1, -1, -1), std.expand(count, -1, -1, -1))
            for layer, (mean, std) in wanted.items()
        }
        target = affine(content, *align(content, goals[CONTENT_LAYER]))
        found = content_loss(features[CONTENT_LAYER], target)
        asked = {layer: goals[layer] for layer in STYLE_LAYERS}
        return found, moment_loss(features, asked)

    @torch.no_grad()
    def losses(self, pictures: Iterable[NDArray[np.float32]], wanted: Wanted) -> Losses:
        """Return the mean losses over the held-out photographs.

        Args:
            pictures: one of each, in their order, (3, H, W) in [0, 1].
            wanted: moments of the style.
        """
        rows = []
        for seen, picture in zip(self.unseen, pictures, strict=True):
            painted = torch.from_numpy(picture)[None].to(self.device)
            rows.append([float(each) for each in self.terms(painted, seen.content, wanted)])
        content, style = np.mean(rows, axis=0).tolist()
        return Losses(content, style)

    @torch.no_grad()
    def _looked(self, images: Iterable[NDArray[np.float32]], count: int) -> list[Seen]:
        looked: list[Seen] = []
        for image in images:
            batch = torch.from_numpy(image)[None].to(self.device)
            # As float32: the target of the content loss is computed from it.
            looked.append(Seen(image, self.vgg(batch, [CONTENT_LAYER])[CONTENT_LAYER].float()))
            if self._watch is not None:
                self._watch(len(looked), count)
        return looked


def _told(source: Source) -> str:
    """Return a line that identifies a photograph, without decoding it."""
    length = source.length or source.path.stat().st_size
    return f"{source.path.name} {length} {is_held_out(source.path.name)}\n"


def _square(picture: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    """Return the largest central square that the judge's strides divide, (3, side, side)."""
    side = min(*picture.shape[:2], size) // CELL * CELL
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    cut = picture[top : top + side, left : left + side].astype(np.float32) / 255
    return np.ascontiguousarray(cut.transpose(2, 0, 1))


def _moments(features: Tensor, opacity: Tensor | None) -> tuple[Tensor, Tensor]:
    counts = torch.ones_like(features[:, :1])
    if opacity is not None:
        counts = F.adaptive_avg_pool2d(opacity, (features.shape[2], features.shape[3]))
    weights = counts / counts.sum(dim=(2, 3), keepdim=True).clamp(min=1e-12)
    mean = (features * weights).sum(dim=(2, 3), keepdim=True)
    variance = ((features - mean).square() * weights).sum(dim=(2, 3), keepdim=True)
    return mean, (variance + EPS).sqrt()
