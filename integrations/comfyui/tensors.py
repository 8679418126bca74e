"""Tensors of ComfyUI to arrays and back.

IMAGE is float32 (B, H, W, C) in [0, 1], MASK (B, H, W). Some nodes overshoot the range a little,
and ComfyUI clips when it saves, so what is outside is clipped here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from impasto import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray


def arrays_of(images: torch.Tensor) -> Iterator[NDArray[np.float32]]:
    """Give the images of a batch one by one, (H, W, 3), or (H, W, 4) if they have an opacity.

    Raises:
        ImageError: if the tensor is no batch of images.
    """
    if images.ndim != 4 or images.shape[-1] not in (1, 3, 4) or not len(images):
        raise ImageError(
            f"images must be a batch of (B, H, W, 3) numbers, not {tuple(images.shape)}: connect "
            "an IMAGE"
        )
    if images.shape[-1] == 1:
        images = images.expand(-1, -1, -1, 3)
    return (_array(image) for image in images)


def planes_of(masks: torch.Tensor, count: int) -> list[NDArray[np.float32]]:
    """Return the masks for a batch of images: one for all of them, or one for each.

    Raises:
        ImageError: if there are as many as neither.
    """
    if masks.ndim == 2:
        masks = masks[None]
    if masks.ndim != 3 or len(masks) not in (1, count):
        raise ImageError(
            f"masks of shape {tuple(masks.shape)} do not fit {count} images: connect one mask, or "
            "one for each image"
        )
    return [_array(mask) for mask in masks]


def batch_of(images: Iterable[NDArray[Any]], count: int) -> torch.Tensor:
    """Return so many images of one size as a batch; they are taken one by one."""
    batch = torch.empty(0)
    for number, image in enumerate(images):
        if number == 0:
            batch = torch.empty((count, *image.shape))
        batch[number] = torch.from_numpy(image)
    return batch


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    values: NDArray[np.float32] = tensor.detach().to("cpu", torch.float32).numpy()
    return values.clip(0, 1)
