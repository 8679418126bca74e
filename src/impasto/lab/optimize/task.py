"""Tasks of methods: arrays of any size, as the studio has them -> tensors."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.images.photo import Photo, fill_hidden, read_photo
from impasto.lab.optimize.method import MARGIN, MULTIPLE, SMALLEST, STARTS, Task, resized
from impasto.painting.steps import Content

Plane: TypeAlias = NDArray[np.float32]


def make_task(
    content: Content,
    styles: Sequence[Photo],
    amounts: NDArray[Any],
    *,
    start: Photo | None,
    device: str,
) -> Task:
    """A task, padded by reflection: ``MARGIN`` all around, then at the bottom and at the right to
    what methods take. :func:`cropped` is the way back.

    Args:
        content: the photograph, not encoded.
        styles: K pictures.
        amounts: strength times share of each style, (K,) or (K, H, W).
        start: a picture of any size to begin with, or None for what the options say.
        device: where the tensors shall be.
    """
    return Task(
        content=_tensor(fill_hidden(content.image, content.opacity), device),
        styles=tuple(_style(each, device) for each in styles),
        opacities=tuple(_opacity(each, device) for each in styles),
        amounts=_amounts(amounts, content.opacity, device),
        start=None if start is None else _start(start, content.image.shape[:2], device),
        counted=_counted(content.image.shape[:2], device),
    )


def cropped(painted: Tensor, size: Sequence[int]) -> Tensor:
    """Crop off what :func:`make_task` padded; at any scale of the picture.

    Args:
        painted: (1, 3, H', W') of a task, or smaller, as in an early stage.
        size: height and width of the photograph.

    Returns:
        (1, 3, H, W), or as much smaller.
    """
    for axis, side in zip((2, 3), size, strict=True):
        scale = painted.shape[axis] / _padded_side(side)
        begin = round(MARGIN * scale)
        painted = painted.narrow(axis, begin, max(1, round((MARGIN + side) * scale) - begin))
    return painted


def start_photo(start: object) -> Photo | None:
    """The picture that an option ``start`` names or is, or None where it is one of ``STARTS``.

    Raises:
        ImageError: if there is no such picture.
    """
    if isinstance(start, Photo) or start in STARTS:
        return start if isinstance(start, Photo) else None
    return read_photo(str(start))


def story_of(task: Task, options: Any, told: Sequence[object]) -> str:
    """Hash of all inputs of a run: the checkpoint of one run is of no use for another.

    Args:
        task: its pictures.
        options: the method's, without their ``steps``, of which a run may be given more, and
            ``start``, which is in what is kept.
        told: what else counts, of values that Python writes in full.
    """
    named = dataclasses.asdict(options)
    for name in ("steps", "start"):
        named.pop(name, None)
    story = hashlib.sha256(repr((tuple(told), sorted(named.items()))).encode())
    seen = [each for each in (*task.opacities, task.counted) if each is not None]
    for tensor in (task.content, *task.styles, *seen, task.amounts):
        story.update(repr(tuple(tensor.shape)).encode())
        story.update(tensor.cpu().contiguous().numpy().tobytes())
    return story.hexdigest()


def _start(photo: Photo, size: Sequence[int], device: str) -> Tensor:
    image = torch.from_numpy(photo.image).permute(2, 0, 1)[None]
    fitted = resized(image, (size[0], size[1]))[0].permute(1, 2, 0).numpy()
    return _tensor(fitted, device)


def _tensor(image: Plane, device: str) -> Tensor:
    return _padded(image.transpose(2, 0, 1), device)[None]


def _padded_side(side: int) -> int:
    return MULTIPLE * -(-(side + 2 * MARGIN) // MULTIPLE)


def _padded(planes: NDArray[Any], device: str) -> Tensor:
    ends = [(MARGIN, _padded_side(side) - side - MARGIN) for side in planes.shape[-2:]]
    return _reflected(planes, ends, device)


def _counted(size: Sequence[int], device: str) -> Tensor:
    found = torch.zeros(*map(_padded_side, size), device=device)
    found[MARGIN : MARGIN + size[0], MARGIN : MARGIN + size[1]] = 1
    return found


def _reflected(planes: NDArray[Any], ends: Sequence[tuple[int, int]], device: str) -> Tensor:
    widths = [(0, 0)] * (planes.ndim - 2) + list(ends)
    return torch.from_numpy(np.pad(planes, widths, mode="reflect").astype(np.float32)).to(device)


def _enlarged(planes: NDArray[Any], device: str) -> Tensor:
    return _reflected(planes, [(0, max(SMALLEST - side, 0)) for side in planes.shape[-2:]], device)


def _style(photo: Photo, device: str) -> Tensor:
    image = fill_hidden(photo.image, photo.alpha)
    return _enlarged(image.transpose(2, 0, 1), device)[None]


def _opacity(photo: Photo, device: str) -> Tensor | None:
    return None if photo.alpha is None else _enlarged(photo.alpha, device)


def _amounts(amounts: NDArray[Any], opacity: Plane | None, device: str) -> Tensor:
    """Amounts of paint a pixel: what is transparent is not painted, and does not count."""
    if opacity is not None and amounts.ndim == 1 and opacity.min() < 1:
        amounts = np.broadcast_to(amounts[:, None, None], (len(amounts), *opacity.shape))
    if amounts.ndim == 1:
        return torch.from_numpy(amounts.astype(np.float32)).to(device)
    if opacity is not None:
        amounts = amounts * opacity
    return _padded(amounts, device)
