"""Pictures for training: cached as bytes or decoded on demand, and sampled evenly."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Mapping, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.errors import ImageError, OptionError
from impasto.images.formats import passed_over
from impasto.lab.data.cropping import Crops, Draw
from impasto.lab.data.sources import (
    SMALLEST,
    SUFFIXES,
    LeftOut,
    Source,
    find_sources,
    is_held_out,
    read,
    reduced,
    size_of,
    split,
)

__all__ = [
    "Collection",
    "Loaded",
    "Sampler",
    "held_out_squares",
    "is_held_out",
    "load_collections",
    "squares",
]

THREADS = min(16, os.cpu_count() or 1)
"""Threads of a sampler; decoding and resizing release Python's lock."""

S = TypeVar("S", bound=Sized)


@dataclass(frozen=True)
class Collection:
    """A group of pictures, (H, W, 3) uint8 each."""

    name: str
    pictures: Sequence[NDArray[np.uint8]]


@dataclass(frozen=True)
class Loaded:
    """Loaded collections of pictures, and the skipped files.

    Attributes:
        collections: one per path.
        left_out: skipped files with the reason; grows when a picture decoded on demand is broken.
    """

    collections: tuple[Collection, ...]
    left_out: list[LeftOut] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(collection.pictures) for collection in self.collections)


class OnDemand(Sequence[NDArray[np.uint8]]):
    """Pictures that are decoded on each access.

    A broken one is replaced by the next, so that draws are the same in every run.
    """

    def __init__(
        self, sources: Sequence[Source], *, shorter: int, smallest: int, left_out: list[LeftOut]
    ) -> None:
        self.sources, self.shorter, self.smallest = sources, shorter, smallest
        self.left_out = left_out
        self._broken: set[int] = set()

    def __len__(self) -> int:
        return len(self.sources)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        for after in range(len(self)):
            place = (index + after) % len(self)
            if place in self._broken:
                continue
            result = read(self.sources[place], shorter=self.shorter, smallest=self.smallest)
            if not isinstance(result, str):
                return result
            if place not in self._broken:
                self._broken.add(place)
                self.left_out.append((self.sources[place].path, result))
        raise ImageError(
            f"none of {len(self)} pictures can be decoded; the first is {self.sources[0].path}"
        )


def load_collections(
    places: Iterable[str | Path],
    *,
    shorter: int,
    held_out: bool = False,
    smallest: int = SMALLEST,
    memory: float = float("inf"),
) -> Loaded:
    """Find every picture at ``places``, one collection per path.

    Broken and small files are skipped and listed; where pictures are decoded on demand, those with
    a valid header but broken pixels only when they are drawn.

    Args:
        places: folders, shards or patterns of shards (``find_sources``).
        shorter: larger pictures are reduced to so many pixels on the shorter side.
        held_out: which side of the held-out split.
        smallest: pictures with fewer pixels on the shorter side are skipped.
        memory: gigabytes; if the pictures of all paths together need more, none is cached.

    Raises:
        ImageError: for a path that is missing or has no usable picture.
    """
    names = [str(place) for place in places]
    left_out: list[LeftOut] = []
    usable, pixels = [], 0
    for place in names:
        others: list[Path] = []
        found, unread = find_sources(place, others=others)
        left_out += unread
        if others:  # once per path: a shard has text beside every picture
            left_out.append((Path(place), passed_over(path.name for path in others)))
        sources = split(found, held_out=held_out)
        with ThreadPoolExecutor(THREADS) as pool:
            sizes = list(pool.map(lambda s: size_of(s, smallest), sources))
        good = []
        for source, size in zip(sources, sizes, strict=True):
            if isinstance(size, str):
                left_out.append((source.path, size))
            else:
                good.append(source)
                pixels += int(np.prod(reduced(*size, shorter)))
        usable.append(_some(place, good, len(sources), smallest, left_out))
    collections = []
    for place, sources in zip(names, usable, strict=True):
        pictures: Sequence[NDArray[np.uint8]] = OnDemand(
            sources, shorter=shorter, smallest=smallest, left_out=left_out
        )
        if 3 * pixels <= memory * 1e9:
            pictures = _decoded(sources, shorter, smallest, left_out)
            _some(place, pictures, len(sources), smallest, left_out)
        collections.append(Collection(Path(place).name, pictures))
    return Loaded(tuple(collections), left_out)


def _decoded(
    sources: Sequence[Source], shorter: int, smallest: int, left_out: list[LeftOut]
) -> tuple[NDArray[np.uint8], ...]:
    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(lambda s: read(s, shorter=shorter, smallest=smallest), sources))
    pictures = []
    for source, result in zip(sources, results, strict=True):
        if isinstance(result, str):
            left_out.append((source.path, result))
        else:
            pictures.append(result)
    return tuple(pictures)


def _some(place: str, found: S, tried: int, smallest: int, left_out: Sequence[LeftOut]) -> S:
    """Return ``found``, or raise an error if it is empty."""
    if len(found):
        return found
    example = f"; {left_out[-1][0].name}: {left_out[-1][1]}" if left_out else ""
    raise ImageError(
        f"{place}: none of {tried} files is a usable picture; give a place with pictures of at "
        f"least {smallest} px ({', '.join(sorted(SUFFIXES))}){example}"
    )


def held_out_squares(places: Mapping[str, float], *, n: int, size: int, seed: int) -> Tensor:
    """Draw ``n`` pictures (N, 3, size, size) in [0, 1] of the held-out tenth of ``places``.

    Each is cropped to its largest square; paths are drawn from by their shares, with ``seed``.
    """
    return squares(places, n=n, size=size, seed=seed, held_out=True)


def squares(places: Mapping[str, float], *, n: int, size: int, seed: int, held_out: bool) -> Tensor:
    """Draw pictures as :func:`held_out_squares`, from either side of the held-out split."""
    loaded = load_collections(places, shorter=size, held_out=held_out, memory=0.0)
    crops = Crops(side=size, smallest=1.0)
    sampler = Sampler(loaded.collections, list(places.values()), crops=crops, seed=seed)
    return sampler.batch(n)


class Sampler:
    """Random square crops, with the collection drawn by ``weights``.

    Sampling by file would favor the largest collection.

    The parameters are drawn first, which is cheap; then a few threads decode and resize, some
    batches ahead.  So several processes can draw the same batch and prepare a part of it each, and
    ``state`` always is the state before the next batch returned by ``batch``.
    """

    def __init__(
        self,
        collections: Sequence[Collection],
        weights: Sequence[float],
        *,
        crops: Crops,
        seed: int,
        ahead: int = 0,
        on_device: bool = False,
    ) -> None:
        """Set up; nothing is read yet.

        Args:
            collections: the source of pictures.
            weights: how often each is drawn from.
            crops: size and augmentation of the crops.
            seed: of all draws.
            ahead: number of batches prepared in advance.
            on_device: whether cached pictures are kept on the device of the batches, and cropped
                there.
        """
        if len(weights) != len(collections) or not weights or min(weights) < 0:
            raise OptionError(f"{len(collections)} collections need as many weights >= 0")
        if sum(weights) <= 0:
            raise OptionError("the weights of the collections are all 0; raise one of them")
        self.collections = collections
        self.shares = np.asarray(weights, np.float64) / np.sum(weights)
        self.crops, self.ahead = crops, ahead
        kept = all(isinstance(each.pictures, tuple) for each in collections)
        self.device_pictures: dict[tuple[int, int], Tensor] | None = (
            {} if on_device and kept else None
        )
        self.random = np.random.default_rng(seed)
        self._pool = ThreadPoolExecutor(THREADS)
        self._coming: deque[tuple[dict[str, object], list[Future[NDArray[np.uint8]]]]] = deque()

    def batch(
        self, n: int, only: Sequence[int] | None = None, *, device: torch.device | str = "cpu"
    ) -> Tensor:
        """Return crops (N, 3, side, side), float32 in [0, 1], on ``device``.

        Args:
            n: number of draws.
            only: the ones to prepare, by default all; the same in every call of a sampler that
                prepares batches ahead.
            device: of the result.
        """
        if self.device_pictures is not None:
            draws = [self._draw() for _ in range(n)]
            wanted = draws if only is None else [draws[i] for i in only]
            return torch.stack(
                [self._crop_on_device(self.device_pictures, draw, device) for draw in wanted]
            ).div_(255)
        while len(self._coming) <= self.ahead:
            before = dict(self.random.bit_generator.state)
            draws = [self._draw() for _ in range(n)]
            wanted = draws if only is None else [draws[i] for i in only]
            self._coming.append((before, [self._pool.submit(self._crop, d) for d in wanted]))
        pixels = torch.from_numpy(np.stack([crop.result() for crop in self._coming[0][1]]))
        self._coming.popleft()
        if torch.device(device).type == "cuda":
            pixels = pixels.pin_memory().to(device, non_blocking=True)
        return pixels.permute(0, 3, 1, 2).float().div_(255)

    def _draw(self) -> Draw:
        draw = self._draw_one()
        if not self.crops.collage or self.random.random() >= self.crops.collage:
            return draw
        seam, upright = self.random.uniform(0.3, 0.7), self.random.random() < 0.5
        return replace(draw, beside=self._draw_one(), seam=float(seam), upright=bool(upright))

    def _draw_one(self) -> Draw:
        random = self.random
        collection = int(random.choice(len(self.collections), p=self.shares))
        picture = int(random.integers(len(self.collections[collection].pictures)))
        side, left, top = (float(random.random()) for _ in range(3))
        mirrored = bool(random.random() < self.crops.flip)
        channels, gain = None, 1.0
        if random.random() < self.crops.jitter:
            channels = tuple(int(c) for c in random.permutation(3))
            gain = float(random.uniform(0.6, 1.5))
        return Draw(collection, picture, side, left, top, mirrored, channels, gain)

    def _crop(self, draw: Draw) -> NDArray[np.uint8]:
        out = self.crops.cut(draw, self.collections[draw.collection].pictures[draw.picture])
        if draw.beside is None:
            return out
        return self.crops.join(draw, out.copy(), self._crop(draw.beside), rows=0)

    def _crop_on_device(
        self, pictures: dict[tuple[int, int], Tensor], draw: Draw, device: torch.device | str
    ) -> Tensor:
        place = draw.collection, draw.picture
        if place not in pictures:  # moved once
            array = self.collections[draw.collection].pictures[draw.picture]
            pictures[place] = torch.tensor(array, device=device).permute(2, 0, 1)
        out = self.crops.cut_on_device(draw, pictures[place])
        if draw.beside is None:
            return out
        beside = self._crop_on_device(pictures, draw.beside, device)
        return self.crops.join(draw, out, beside, rows=1)

    def state(self) -> dict[str, object]:
        """Return the random state before the next batch, for an exact resume."""
        return self._coming[0][0] if self._coming else dict(self.random.bit_generator.state)

    def restore(self, state: dict[str, object]) -> None:
        """Resume from ``state``."""
        self._coming.clear()
        self.random.bit_generator.state = state
