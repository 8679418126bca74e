"""Sliced Wasserstein distances of two point clouds, by sorting their projections."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

DIRECTIONS = 64
"""Number of directions onto which a cloud is projected."""


def directions(channels: int, *, count: int = DIRECTIONS, seed: int = 0) -> Tensor:
    """Return unit vectors (count, channels), the same on every machine for the same arguments.

    Normal vectors scaled to length 1 are uniformly distributed over the directions.

    >>> directions(3).norm(dim=1).allclose(torch.ones(64))
    True
    """
    random = np.random.Generator(np.random.PCG64([seed, channels]))
    vectors = random.standard_normal((count, channels))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return torch.from_numpy(vectors.astype(np.float32))


def projections(points: Tensor, along: Tensor) -> Tensor:
    """Return ``points`` (C, n) projected on ``along`` (K, C), each row sorted: (K, n) float32.

    Several clouds (N, C, n) are projected separately: (N, K, n). Store the result of a cloud to
    compare several others with it. Gradients pass through.
    """
    projected = along.to(points.device) @ points.float()
    if projected.device.type == "cpu" and not projected.requires_grad:
        # NumPy sorts with vector instructions: several times faster than PyTorch on a CPU.
        return torch.from_numpy(np.sort(projected.numpy(), axis=-1))
    return projected.sort(dim=-1).values


def sliced_wasserstein(projection: Tensor, other: Tensor, *, order: int = 2) -> float:
    """Return the sliced Wasserstein distance of two clouds, in the unit of their coordinates.

    In one dimension the cheapest way to move one set of n points onto another pairs them in sorted
    order, so with sorted projections x_k, y_k::

        SW_p = (mean over directions k and ranks i of |x_ki - y_ki|^p)^(1/p)

    Rabin et al., "Wasserstein barycenter and its application to texture mixing" (SSVM 2011), eq. 9;
    for features of a network: Heitz et al., "A sliced Wasserstein loss for neural texture
    synthesis" (CVPR 2021), who leave it squared. Exact for clouds of equal size; otherwise the
    smaller one's points are repeated, which is exact where one size divides the other.

    Args:
        projection: (K, n) of :func:`projections`.
        other: (K, m), of the same directions.
        order: p, 1 or 2.

    Example:
        >>> sliced_wasserstein(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0, 4.0]]))
        3.0
    """
    difference = quantile_differences(projection, other).abs_()
    if order == 1:
        return float(difference.mean(dim=1).double().mean())
    return math.sqrt(float(difference.square_().mean(dim=1).double().mean()))


def quantile_differences(projection: Tensor, other: Tensor) -> Tensor:
    """Return ``x_ki - y_ki`` of :func:`sliced_wasserstein`, (..., K, max(n, m)).

    >>> quantile_differences(torch.tensor([[0.0, 1.0]]), torch.tensor([[3.0]]))
    tensor([[-3., -2.]])
    """
    n = max(projection.shape[-1], other.shape[-1])
    return at_ranks(projection, n) - at_ranks(other, n)


def at_ranks(sorted_points: Tensor, n: int) -> Tensor:
    """Return ``n`` values of each sorted row (..., m), at evenly spaced ranks: (..., n).

    >>> at_ranks(torch.tensor([[1.0, 2.0]]), 4)
    tensor([[1., 1., 2., 2.]])
    """
    have = sorted_points.shape[-1]
    if have == n:
        return sorted_points
    # In integers, which are exact for any length.
    return sorted_points[
        ..., (2 * torch.arange(n, device=sorted_points.device) + 1) * have // (2 * n)
    ]
