"""An image fitted into a frame of another size, for outputs of a fixed size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["fitted"]


def fitted(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Scale an image into a frame, in the middle and without distortion.

    Args:
        image: (H, W, 3).
        height: height of the frame.
        width: width of the frame.

    Example:
        >>> fitted(np.full((10, 10, 3), 9, np.uint8), 20, 40)[10, [0, 9, 10, 29, 30], 0].tolist()
        [0, 0, 9, 9, 0]
    """
    factor = min(height / image.shape[0], width / image.shape[1])
    high, wide = (max(1, round(side * factor)) for side in image.shape[:2])
    scaled = Image.fromarray(image).resize((wide, high), Image.Resampling.BILINEAR)
    frame = np.zeros((height, width, 3), np.uint8)
    top, left = (height - high) // 2, (width - wide) // 2
    frame[top : top + high, left : left + wide] = np.asarray(scaled)
    return frame
