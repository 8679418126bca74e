"""Random crops: sampled parameters, applied on the CPU or on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

P = TypeVar("P", NDArray[np.uint8], Tensor)
"""A picture, here or on a device."""


@dataclass(frozen=True)
class Draw:
    """Sampled parameters of one crop: sizes and places as shares of what is possible.

    Attributes:
        collection: number of the collection.
        picture: number of the picture in its collection.
        side: of the crop, between the least and the whole shorter side.
        left: place from the left.
        top: place from the top.
        mirrored: whether left and right are exchanged.
        channels: permutation of the color channels, if any.
        gain: factor of the contrast, where channels are permuted.
        beside: the crop behind the seam of a collage, if it is one.
        seam: place of the seam as a share of the side.
        upright: whether the seam runs from top to bottom, else from left to right.
    """

    collection: int
    picture: int
    side: float
    left: float
    top: float
    mirrored: bool
    channels: tuple[int, ...] | None
    gain: float
    beside: Draw | None = None
    seam: float = 0.5
    upright: bool = False


@dataclass(frozen=True, kw_only=True)
class Crops:
    """Settings of random crops and of their augmentation.

    Attributes:
        side: of the crops, in pixels.
        smallest: least share of the shorter side that a crop covers.
        resize: if not 0, all crops cover ``side / resize`` of the shorter side.
        enlarge: how many times as large as in its picture a crop may be at most: what is enlarged
            further has hardly any texture left to learn from.
        flip: share of mirrored crops.
        jitter: share of crops with permuted channels and changed contrast (for styles).
        collage: share of crops that are put together from two.
    """

    side: int
    smallest: float
    resize: int = 0
    enlarge: float = 2.0
    flip: float = 0.5
    jitter: float = 0.0
    collage: float = 0.0

    def box(self, draw: Draw, height: int, width: int) -> tuple[float, float, float, float]:
        """Box of a picture that is taken: left, top, right and bottom."""
        shorter = min(height, width)
        if self.resize:
            side = shorter * self.side / self.resize
        else:
            least = min(max(self.smallest * shorter, self.side / self.enlarge), shorter)
            # Evenly in its logarithm, for twice as large is as far away as half as large.
            side = least * (shorter / least) ** draw.side
        left, top = (width - side) * draw.left, (height - side) * draw.top
        return left, top, min(left + side, width), min(top + side, height)

    def cut(self, draw: Draw, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """The crop (side, side, 3) of a picture (H, W, 3)."""
        resized = Image.fromarray(array).resize(
            (self.side, self.side),
            Image.Resampling.BICUBIC,
            box=self.box(draw, *array.shape[:2]),
        )
        out = np.asarray(resized)
        if draw.mirrored:
            out = out[:, ::-1]
        if draw.channels is not None:
            out = out[..., draw.channels]
            middle = out.mean()
            out = np.clip((out - middle) * draw.gain + middle, 0, 255).astype(np.uint8)
        return out

    def cut_on_device(self, draw: Draw, picture: Tensor) -> Tensor:
        """The same of a picture (3, H, W) that lies, as bytes, on a device: there, in 0 to 255.

        What is taken begins and ends with whole pixels.
        """
        left, top, right, bottom = map(round, self.box(draw, *picture.shape[1:]))
        taken = picture[:, top:bottom, left:right].float()[None]
        out = F.interpolate(taken, (self.side, self.side), mode="bicubic", antialias=True)[0]
        out = out.clamp(0, 255)
        if draw.mirrored:
            out = out.flip(2)
        if draw.channels is not None:
            out = out[list(draw.channels)]
            middle = out.mean()
            out = torch.clamp((out - middle) * draw.gain + middle, 0, 255)
        return out

    def join(self, draw: Draw, one: P, two: P, *, rows: int) -> P:
        """A collage, in the place of ``one``: behind the seam lies ``two``.

        Of arrays or tensors alike; ``rows`` is the number of the axis of rows, columns follow.
        """
        behind = slice(round(self.side * draw.seam), None)
        place = (slice(None),) * (rows + draw.upright) + (behind,)
        one[place] = two[place]
        return one
