"""Pictures for training: read once, kept in memory as bytes, sampled evenly over collections."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from impasto.errors import ImageError, OptionError

SUFFIXES = frozenset({".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
SMALLEST = 64
"""Shorter side in pixels under which a picture is left out: it would be all up-sampling."""


def is_held_out(name: str) -> bool:
    """Whether a file of this name is kept for evaluation: a fixed tenth, by hash of the name.

    >>> sum(is_held_out(f"{i}.jpg") for i in range(1000))
    100
    """
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 10 == 0


@dataclass(frozen=True)
class Collection:
    """Pictures that belong together, (H, W, 3) uint8 each."""

    name: str
    pictures: tuple[NDArray[np.uint8], ...]


@dataclass(frozen=True)
class Loaded:
    """What was read: the collections, and what was left out with the reason."""

    collections: tuple[Collection, ...]
    left_out: tuple[tuple[Path, str], ...]


def load_collections(
    folders: Iterable[str | Path], *, shorter: int, held_out: bool = False
) -> Loaded:
    """Read every picture under ``folders`` (recursive), one collection a folder.

    Larger pictures are reduced to ``shorter`` pixels on the shorter side, to keep memory small.
    Only files on the asked side of the held-out split are read.  Broken and tiny files are skipped
    and listed.  Raises ``ImageError`` for a folder that is missing or has no usable picture.
    """
    collections = []
    left_out: list[tuple[Path, str]] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ImageError(f"{folder}: no such folder; give a folder of pictures")
        files = sorted(
            f
            for f in folder.rglob("*")
            if f.suffix.lower() in SUFFIXES and is_held_out(f.name) == held_out
        )
        with ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda f: _read(f, shorter), files))
        pictures = []
        for file, result in zip(files, results, strict=True):
            if isinstance(result, str):
                left_out.append((file, result))
            else:
                pictures.append(result)
        if not pictures:
            raise ImageError(
                f"{folder}: none of {len(files)} files is a usable picture; give a folder with "
                f"pictures of at least {SMALLEST} px ({', '.join(sorted(SUFFIXES))})"
            )
        collections.append(Collection(folder.name, tuple(pictures)))
    return Loaded(tuple(collections), tuple(left_out))


def _read(file: Path, shorter: int) -> NDArray[np.uint8] | str:
    """The picture, or in one line why not."""
    try:
        with Image.open(file) as opened:
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except Exception as error:  # a decoder may raise anything on a broken file
        return str(error).split("\n")[0] or type(error).__name__
    side = min(picture.size)
    if side < SMALLEST:
        return f"{picture.width}x{picture.height} is smaller than {SMALLEST} px"
    if side > shorter:
        factor = shorter / side
        size = (max(round(picture.width * factor), 1), max(round(picture.height * factor), 1))
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    return np.asarray(picture)


def held_out_squares(folders: Mapping[str, float], *, n: int, size: int, seed: int) -> Tensor:
    """``n`` pictures (N, 3, size, size) in [0, 1] of the held-out tenth of ``folders``.

    The largest square of each; folders are drawn from by their shares, with ``seed``.
    """
    loaded = load_collections(folders, shorter=size, held_out=True)
    sampler = Sampler(
        loaded.collections, list(folders.values()), crop=size, smallest=1.0, jitter=0.0, seed=seed
    )
    return sampler.batch(n)


class Sampler:
    """Random square crops at random scales, a collection at a time by ``weights``.

    Sampling by file would follow the largest collection, and the look with it.
    """

    def __init__(
        self,
        collections: Sequence[Collection],
        weights: Sequence[float],
        *,
        crop: int,
        smallest: float,
        jitter: float,
        seed: int,
    ) -> None:
        """``smallest``: least share of the shorter side a crop covers; ``jitter``: share of crops
        with permuted channels and changed contrast (for styles)."""
        if len(weights) != len(collections) or min(weights) < 0 or sum(weights) <= 0:
            raise OptionError(f"{len(collections)} collections need as many weights >= 0")
        self.collections = collections
        self.shares = np.asarray(weights, np.float64) / np.sum(weights)
        self.crop, self.smallest, self.jitter = crop, smallest, jitter
        self.random = np.random.default_rng(seed)

    def batch(self, n: int) -> Tensor:
        """``n`` crops (N, 3, crop, crop), float32 in [0, 1]."""
        crops = np.stack([self._crop() for _ in range(n)])
        return torch.from_numpy(crops).permute(0, 3, 1, 2).float().div_(255)

    def _crop(self) -> NDArray[np.uint8]:
        random = self.random
        collection = self.collections[random.choice(len(self.collections), p=self.shares)]
        array = collection.pictures[random.integers(len(collection.pictures))]
        height, width = array.shape[:2]
        shorter = min(height, width)
        # Not below half the crop: what is enlarged further has no texture left to learn from.
        least = min(max(self.smallest * shorter, self.crop / 2), shorter)
        side = random.uniform(least, shorter)
        left, top = random.uniform(0, width - side), random.uniform(0, height - side)
        resized = Image.fromarray(array).resize(
            (self.crop, self.crop),
            Image.Resampling.BICUBIC,
            box=(left, top, left + side, top + side),
        )
        out = np.asarray(resized)
        if random.random() < 0.5:
            out = out[:, ::-1]
        if random.random() < self.jitter:
            out = out[..., random.permutation(3)]
            gain, middle = random.uniform(0.6, 1.5), out.mean()
            out = np.clip((out - middle) * gain + middle, 0, 255).astype(np.uint8)
        return out

    def state(self) -> dict[str, object]:
        """Where the random numbers stand, for an exact resume."""
        return dict(self.random.bit_generator.state)

    def restore(self, state: dict[str, object]) -> None:
        """Go on from ``state``."""
        self.random.bit_generator.state = state
