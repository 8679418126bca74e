"""Tasks: conversion of arrays of any size to padded tensors for a method, and back."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from impasto.images.arrays import Photo
from impasto.images.photo import fill_hidden, read_photo
from impasto.lab.optimize.method import MARGIN, MULTIPLE, SMALLEST, STARTS, Task, resized

Plane: TypeAlias = NDArray[np.float32]


def make_task(
    image: Plane,
    opacity: Plane | None,
    styles: Sequence[Photo],
    amounts: NDArray[Any],
    *,
    start: Photo | None,
    device: str,
) -> Task:
    """Make a task, padded by reflection; :func:`cropped` removes the padding.

    ``MARGIN`` pixels are added on all sides, then bottom and right are padded to a multiple of
    ``MULTIPLE``.

    Args:
        image: (H, W, 3), the photograph.
        opacity: (H, W) in [0, 1] of it, or None.
        styles: K pictures.
        amounts: strength times share of each style, (K,) or (K, H, W).
        start: an initial picture of any size, or None for the option's value.
        device: of the tensors.
    """
    return Task(
        content=_tensor(fill_hidden(image, opacity), device),
        styles=tuple(_style(each, device) for each in styles),
        opacities=tuple(_opacity(each, device) for each in styles),
        amounts=_amounts(amounts, opacity, device),
        start=None if start is None else _start(start, image.shape[:2], device),
        counted=_counted(image.shape[:2], device),
    )


def cropped(painted: Plane, size: Sequence[int]) -> Plane:
    """Remove the padding of :func:`make_task`, at any scale.

    Args:
        painted: (H', W', 3) of a task, or smaller, as in an early stage.
        size: height and width of the photograph.

    Returns:
        (H, W, 3), or smaller by the same factor.
    """
    parts = []
    for length, side in zip(painted.shape[:2], size, strict=True):
        scale = length / _padded_side(side)
        begin = round(MARGIN * scale)
        parts.append(slice(begin, begin + max(1, round((MARGIN + side) * scale) - begin)))
    return painted[parts[0], parts[1]]


def start_photo(start: object) -> Photo | None:
    """Read the picture named by an option ``start``; None where it is one of ``STARTS``.

    Raises:
        ImageError: if there is no such picture.
    """
    if isinstance(start, Photo) or start in STARTS:
        return start if isinstance(start, Photo) else None
    return read_photo(str(start))


def fingerprint(task: Task, options: Any, network: Sequence[object]) -> str:
    """Hash all inputs of a run, since a checkpoint is valid only for its own run.

    Args:
        task: its pictures.
        options: the method's. ``steps`` is excluded, since a run may be extended, and ``start``,
            which is in the checkpoint.
        network: the method's name and facts about its network, whose ``repr`` is complete.
    """
    named = dataclasses.asdict(options)
    for name in ("steps", "start"):
        named.pop(name, None)
    digest = hashlib.sha256(repr((tuple(network), sorted(named.items()))).encode())
    seen = [each for each in (*task.opacities, task.counted) if each is not None]
    for tensor in (task.content, *task.styles, *seen, task.amounts):
        digest.update(repr(tuple(tensor.shape)).encode())
        digest.update(tensor.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


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
    """Set the strength to 0 where the photograph is transparent: nothing is painted there."""
    if opacity is not None and amounts.ndim == 1 and opacity.min() < 1:
        amounts = np.broadcast_to(amounts[:, None, None], (len(amounts), *opacity.shape))
    if amounts.ndim == 1:
        return torch.from_numpy(amounts.astype(np.float32)).to(device)
    if opacity is not None:
        amounts = amounts * opacity
    return _padded(amounts, device)
