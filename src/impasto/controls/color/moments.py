"""Moments of the colors of a picture, gathered block by block, and maps of its pixels.

Memory is limited to the picture and one block. Sums run in float64; a result has the dtype of the
picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, OptionError

F = TypeVar("F", bound=np.floating[Any])
Matrix: TypeAlias = NDArray[np.float64]

# Pixels computed at a time: a float64 copy of a large picture would be twice as large as itself.
_BLOCK = 1 << 16


@dataclass(frozen=True, eq=False)
class ColorMoments:
    """Mean and covariance of the colors of a picture, or of a part of it.

    Attributes:
        weight: number of pixels, or the sum of their weights; above 0.
        mean: (3,) float64.
        covariance: (3, 3) float64, biased: the sum of products divided by ``weight``.
    """

    weight: float
    mean: Matrix
    covariance: Matrix

    def merge(self, other: ColorMoments) -> ColorMoments:
        """Merge the moments of two parts (Chan, Golub & LeVeque 1979).

        Args:
            other: moments of other pixels.

        Example:
            >>> from functools import reduce
            >>> image = np.random.default_rng(0).random((9, 5, 3))
            >>> strips = [moments_of(strip) for strip in np.split(image, 3)]
            >>> together = reduce(ColorMoments.merge, strips)
            >>> np.allclose(together.covariance, moments_of(image).covariance, atol=1e-15)
            True
        """
        weight = self.weight + other.weight
        share = other.weight / weight
        apart = other.mean - self.mean
        return ColorMoments(
            weight=weight,
            mean=self.mean + share * apart,
            covariance=(1 - share) * self.covariance
            + share * other.covariance
            + share * (1 - share) * np.outer(apart, apart),
        )


def moments_of(
    image: NDArray[np.floating[Any]],
    weights: NDArray[np.floating[Any]] | None = None,
    *,
    space: Callable[[Matrix], Matrix] | None = None,
) -> ColorMoments:
    """Compute mean and covariance of the colors of a picture.

    Args:
        image: (H, W, 3) finite floats.
        weights: (H, W), 0 or more: the weight of each pixel, such as its opacity; None for equal
            weights.
        space: maps (..., 3) RGB to the color space of the moments; None for RGB.

    Raises:
        ImageError: if ``image`` is no such array, or all weights are 0.
        OptionError: if the weights have another shape, or are negative or not finite.

    Example:
        >>> found = moments_of(np.array([[[0.0, 0.0, 0.0], [0.5, 1.0, 0.0]]]))
        >>> found.mean, found.covariance[0]
        (array([0.25, 0.5 , 0.  ]), array([0.0625, 0.125 , 0.    ]))
    """
    _check(image)
    if weights is not None and weights.shape != image.shape[:2]:
        raise OptionError(
            f"weights {weights.shape} must be as high and wide as the picture {image.shape}"
        )
    total: ColorMoments | None = None
    for rows in _blocks(image):
        colors = image[rows].astype(np.float64).reshape(-1, 3)
        counts = None if weights is None else weights[rows].astype(np.float64).ravel()
        part = _block_moments(colors if space is None else space(colors), counts)
        if part is not None:
            total = part if total is None else total.merge(part)
    if total is None:
        raise ImageError("the picture has no pixel to use: all of it is transparent or masked out")
    if not np.isfinite(total.covariance).all():
        raise ImageError("the picture holds NaN or infinity")
    return total


def matrix_power(matrix: Matrix, exponent: float, *, floor: float = 0.0) -> Matrix:
    """Raise a symmetric matrix to a power.

    Args:
        matrix: (n, n), its eigenvalues 0 or more.
        exponent: such as 0.5 for the square root.
        floor: smaller eigenvalues are raised to this first.

    Example:
        >>> matrix_power(np.diag([4.0, 9.0]), 0.5)
        array([[2., 0.],
               [0., 3.]])
    """
    values, axes = np.linalg.eigh(matrix)
    power: Matrix = (axes * np.maximum(values, floor) ** exponent) @ axes.T
    return power


def apply_map(image: NDArray[F], matrix: Matrix, offset: Matrix) -> NDArray[F]:
    """Apply ``A x + b`` to every pixel x.

    Args:
        image: (H, W, 3) floats.
        matrix: A, (3, 3).
        offset: b, (3,).

    Returns:
        (H, W, 3) of the dtype of ``image``, not clipped.

    Example:
        >>> apply_map(np.ones((1, 1, 3)), np.eye(3), np.array([0.0, 1.0, 2.0])).ravel()
        array([1., 2., 3.])
    """
    return pixelwise(lambda colors: colors @ matrix.T + offset, image)


def pixelwise(
    function: Callable[..., Matrix], image: NDArray[F], *others: NDArray[np.floating[Any]]
) -> NDArray[F]:
    """Apply ``function`` to the colors of every pixel, block by block.

    Args:
        function: maps float64 (h, w, 3), one array per picture, to the same shape.
        image: (H, W, 3) floats.
        others: of the same shape.

    Returns:
        (H, W, 3) of the dtype of ``image``.

    Raises:
        ImageError: if ``image`` is no such array, or another has a different shape.

    Example:
        >>> pixelwise(lambda colors: 1 - colors, np.zeros((1, 1, 3))).ravel()
        array([1., 1., 1.])
    """
    _check(image)
    for other in others:
        if other.shape != image.shape:
            raise ImageError(
                f"pictures {image.shape} and {other.shape} must have the same size to match their "
                "colors"
            )
    result = np.empty_like(image)
    for rows in _blocks(image):
        colors = [
            image[rows].astype(np.float64),
            *(each[rows].astype(np.float64) for each in others),
        ]
        result[rows] = function(*colors)
    return result


def _blocks(image: NDArray[Any]) -> Iterator[slice]:
    """Split the rows of a picture into blocks."""
    rows = max(1, _BLOCK // image.shape[1])
    for top in range(0, image.shape[0], rows):
        yield slice(top, top + rows)


def _block_moments(colors: Matrix, counts: Matrix | None) -> ColorMoments | None:
    """Compute the moments of (n, 3) colors; None if all weights are 0."""
    if counts is None:
        counts = np.ones(len(colors))
    elif not np.isfinite(counts).all() or (counts < 0).any():
        raise OptionError("the weights of pixels must be numbers of 0 or more")
    weight = float(counts.sum())
    if weight == 0:
        return None
    # Normalized first, so that very small weights lose no precision.
    shares = counts / weight
    mean = shares @ colors
    centered = colors - mean
    return ColorMoments(
        weight=weight, mean=mean, covariance=(centered * shares[:, None]).T @ centered
    )


def _check(image: NDArray[Any]) -> None:
    if image.ndim != 3 or image.shape[2] != 3 or not image.size or image.dtype.kind != "f":
        raise ImageError(
            f"a picture must be floats of shape (H, W, 3), not {image.dtype} of shape {image.shape}"
        )
