"""Flat pictures: deviation from flat of a painted picture of one color."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RING = 16
"""Width in pixels of the ring along the border, and of the middle that it is compared with."""


@dataclass(frozen=True)
class Deviation:
    """Deviation of a painted picture from one color, in steps of 255.

    Attributes:
        spread: largest difference between two pixels of one channel.
        ring: largest difference of a pixel of the ring along the border from the median of the
            middle, in any channel.
    """

    spread: float
    ring: float


def deviation(image: NDArray[np.float32]) -> Deviation:
    """Measure how far a picture (H, W, 3) in [0, 1] is from one color.

    Example:
        >>> image = np.full((64, 64, 3), 0.5, np.float32)
        >>> image[0, 0, 1] += 3 / 255
        >>> deviation(image)
        Deviation(spread=3.0, ring=3.0)
    """
    values = 255 * np.asarray(image, np.float64)
    height, width = values.shape[:2]
    top, left = (height - RING) // 2, (width - RING) // 2
    middle = np.median(values[top : top + RING, left : left + RING], axis=(0, 1))
    border = np.ones((height, width), bool)
    border[RING:-RING, RING:-RING] = False
    ring = np.abs(values[border] - middle).max()
    return Deviation(spread=_told(np.ptp(values, axis=(0, 1)).max()), ring=_told(ring))


def shapes(side: int = 256) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return a disk, a bar and a line on white, and the background far from them.

    Returns:
        (side, side, 3) in [0, 1], and (side, side): the positions where a network with a receptive
        field of a quarter of the side sees only white.
    """
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    image = np.ones((side, side, 3), np.float32)
    image[(x - 0.2) ** 2 + (y - 0.2) ** 2 < 0.15**2] = (0.8, 0.2, 0.1)
    image[(abs(x - 0.12) < 0.06) & (y > 0.5) & (y < 0.9)] = (0.1, 0.3, 0.6)
    image[(abs(y - 0.08) < 0.01) & (x < 0.5)] = 0.0
    ground: NDArray[np.bool_] = (x > 0.7) & (y > 0.35) & (y < 0.95) & (x < 0.95)
    return image, ground


def ground_spread(image: NDArray[np.float32], ground: NDArray[np.bool_]) -> float:
    """Return the largest difference between two background pixels of a channel, in steps of 255."""
    return _told(np.ptp(255 * np.asarray(image, np.float64)[ground], axis=0).max())


def _told(value: float) -> float:
    """Remove the rounding of float32."""
    return round(float(value), 3)
