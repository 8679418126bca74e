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
    """Sampled parameters of one crop: sizes and positions as shares of the possible range.

    Attributes:
        collection: index of the collection.
        picture: index of the picture in its collection.
        side: of the crop, between the least and the whole shorter side.
        left: position from the left.
        top: position from the top.
        mirrored: whether left and right are exchanged.
        channels: permutation of the color channels, if any.
        gain: factor of the contrast, where channels are permuted.
        beside: the crop beyond the seam, for a collage.
        seam: position of the seam as a share of the side.
        upright: whether the seam is vertical, else horizontal.
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
    """Settings of random crops and their augmentation.

    Attributes:
        side: of the crops, in pixels.
        smallest: least share of the shorter side that a crop covers.
        resize: if not 0, all crops cover ``side / resize`` of the shorter side.
        enlarge: largest factor by which a crop may be enlarged: beyond it there is hardly any
            texture left to learn from.
        flip: share of mirrored crops.
        jitter: share of crops with permuted channels and changed contrast (for styles).
        collage: share of crops composed of two.
    """

    side: int
    smallest: float
    resize: int = 0
    enlarge: float = 2.0
    flip: float = 0.5
    jitter: float = 0.0
    collage: float = 0.0

    def box(self, draw: Draw, height: int, width: int) -> tuple[float, float, float, float]:
        """Return the cropped box of a picture: left, top, right and bottom."""
        shorter = min(height, width)
        if self.resize:
            side = shorter * self.side / self.resize
        else:
            least = min(max(self.smallest * shorter, self.side / self.enlarge), shorter)
            # Uniform in its logarithm, so that doubling and halving are equally likely.
            side = least * (shorter / least) ** draw.side
        left, top = (width - side) * draw.left, (height - side) * draw.top
        return left, top, min(left + side, width), min(top + side, height)

    def cut(self, draw: Draw, array: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return the crop (side, side, 3) of a picture (H, W, 3)."""
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
        """Crop a picture (3, H, W) of bytes on its device; the result is in 0 to 255.

        The cropped box is aligned to whole pixels.
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
        """Return a collage, written into ``one``: beyond the seam is ``two``.

        Both are arrays or tensors; ``rows`` is the index of the axis of rows, followed by columns.
        """
        behind = slice(round(self.side * draw.seam), None)
        place = (slice(None),) * (rows + draw.upright) + (behind,)
        one[place] = two[place]
        return one
