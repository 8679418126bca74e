"""Feature transforms: maps that give a photograph's features the statistics of a style's.

AdaIN is one of a family. All of them take statistics of the whole photograph and of the whole
style, and derive one map ``T`` that is applied at every position, so strength, weights, masks and
tiles mean the same for all (:mod:`impasto.controls.regions`)::

    x + sum_k u_k (T_k(x) - x)

With ``mu``, ``sigma`` mean and deviation of a channel, ``S`` the covariance of all channels and
``F`` the distribution of a channel's values, of the photograph's features ``x`` or the style's
``y``:

===========  ====================================================================================
``adain``    ``sigma_y (x - mu_x) / sigma_x + mu_y`` (Huang & Belongie, ICCV 2017, eq. 8)
``mean``     ``x - mu_x + mu_y``: its mean alone
``std``      ``sigma_y (x - mu_x) / sigma_x + mu_x``: its deviation alone
``min-max``  ``(max_y - min_y) (x - min_x) / (max_x - min_x) + min_y``
``wct``      ``S_y^1/2 S_x^-1/2 (x - mu_x) + mu_y``: whitening and coloring (Li et al., NIPS 2017,
             arXiv 1705.08086)
``ost``      ``S_x^-1/2 (S_x^1/2 S_y S_x^1/2)^1/2 S_x^-1/2 (x - mu_x) + mu_y``: the optimal
             transport between two Gaussians (Lu et al., ICCV 2019, arXiv 1906.00668), the
             smallest change that gives the covariance of the style
``efdm``     ``F_y^-1(F_x(x))``: exact feature distribution matching, the value of rank ``r``
             becomes the style's value of rank ``r`` (Zhang et al., CVPR 2022, arXiv 2203.07740)
===========  ====================================================================================

Mean and deviation are those of :mod:`impasto.controls.moments`, so a saved style suffices for the
first three. The others need the features themselves (:class:`Samples`), and so the style's picture.
Sums run in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine, check_alpha, combine, gain_and_shift
from impasto.controls.moments import EPS, MIN_CELLS, Moments, effective_cells, enough, moments
from impasto.controls.plain import toned_down
from impasto.errors import OptionError, StyleError

MAX_POSITIONS = 1 << 15
"""Maximum number of a level's positions that transforms are fitted to; larger levels are subsampled
by rows and columns. At a stride of 8 pixels they are those of 2 megapixels."""

Matrix: TypeAlias = NDArray[np.float64]

_BLOCK = 1 << 12  # positions per block in float64


@dataclass(frozen=True, eq=False)
class Samples:
    """Features of a level at its positions, or of a large picture at a subset of them.

    Attributes:
        values: (C, h, w) float32.
        counts: (h, w), the weight of each position, 0 or more, not all 0; None: all equal.
        step: distance between samples in positions of the level; 1: all positions.
    """

    values: NDArray[np.float32]
    counts: NDArray[np.float64] | None = None
    step: int = 1

    def enough(self, fewest: float = MIN_CELLS) -> bool:
        """Return True if there are enough positions for statistics of their own."""
        return self.counts is None or enough(effective_cells(self.counts), fewest=fewest)

    @cached_property
    def moments(self) -> Moments:
        """Mean and deviation of every channel."""
        return moments(self.values, weights=self.counts)

    @cached_property
    def covariance(self) -> Matrix:
        """(C, C), biased: the sum of products divided by the sum of counts."""
        flat, mean = self._flat, self.moments.mean[:, None]
        total: Matrix = np.zeros((len(flat), len(flat)))
        for start in range(0, flat.shape[1], _BLOCK):
            part = slice(start, start + _BLOCK)
            centered = flat[:, part] - mean
            total += (centered * self._shares[part]) @ centered.T
        return total

    @cached_property
    def axes(self) -> tuple[Matrix, Matrix]:
        """Variances above ``EPS`` along the main axes, (R,), and these axes, (C, R)."""
        variances, axes = np.linalg.eigh(self.covariance)
        varying = variances > EPS
        return variances[varying], axes[:, varying]

    @cached_property
    def range(self) -> tuple[Matrix, Matrix]:
        """The smallest and the largest value of every channel, over positions with a weight."""
        seen = self._flat[:, self._shares > 0].astype(np.float64)
        return seen.min(axis=1), seen.max(axis=1)

    @cached_property
    def ordered(self) -> NDArray[np.float32]:
        """(C, K), the values of every channel in ascending order."""
        return np.sort(self._flat, axis=1)

    @property
    def _flat(self) -> NDArray[np.float32]:
        return self.values.reshape(len(self.values), -1)

    @cached_property
    def _shares(self) -> Matrix:
        """(K,), the counts divided by their sum."""
        if self.counts is None:
            count = self._flat.shape[1]
            return np.full(count, 1 / count)
        flat = self.counts.reshape(-1)
        shares: Matrix = flat / flat.sum()
        return shares

    def ranked(self, channel: int) -> tuple[NDArray[np.intp], Matrix]:
        """Return a channel's positions in ascending order of values, and the cumulative shares.

        Equal values, such as the many zeros after a ReLU, are ordered by :func:`scattered`.
        """
        order = np.lexsort((self._scattered, self._flat[channel]))
        return order, np.cumsum(self._shares[order])

    @cached_property
    def _scattered(self) -> Matrix:
        rows, columns = (slice(0, side * self.step, self.step) for side in self.values.shape[1:])
        return scattered(rows, columns).ravel()


class Change(Protocol):
    """A fitted transform of a level."""

    def __call__(
        self, features: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        """Transform features (C, h, w), located at these rows and columns of the level."""
        ...


@dataclass(frozen=True, eq=False)
class PerChannel:
    """``x + gain * x + shift``: a sum over several styles and strengths is again such a map.

    Attributes:
        gain: (C,).
        shift: (C,).
    """

    gain: Matrix
    shift: Matrix

    def __call__(
        self, features: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        scale, shift = (
            each.astype(np.float32)[:, None, None] for each in (1 + self.gain, self.shift)
        )
        return features * scale + shift


@dataclass(frozen=True, eq=False)
class Linear:
    """``A (x - mu_x) + mu_y``, a mixture of channels.

    Attributes:
        matrix: A, (C, C).
        shift: ``mu_y - A mu_x``, (C,).
    """

    matrix: Matrix
    shift: Matrix

    @classmethod
    def of(cls, matrix: Matrix, content: Samples, style: Samples) -> Linear:
        """Return the map with this matrix between the means of both."""
        return cls(matrix, style.moments.mean - matrix @ content.moments.mean)

    def __call__(
        self, features: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        flat = features.reshape(len(features), -1)
        mapped = self.matrix.astype(np.float32) @ flat + self.shift.astype(np.float32)[:, None]
        return mapped.reshape(features.shape)


@dataclass(frozen=True, eq=False)
class Matched:
    """Values for all positions of a level, each by its rank.

    Attributes:
        values: (C, h, w), of the whole level.
    """

    values: NDArray[np.float32]

    def __call__(
        self, features: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        return self.values[:, rows, columns]


@dataclass(frozen=True, eq=False)
class Table:
    """Values for those of a subset of a level's positions, with interpolation between them.

    Where a value occurs often, such as 0 after a ReLU, its positions share the values of its ranks,
    in the order of :func:`scattered`, as in :class:`Matched`.

    Attributes:
        given: (C, K), ascending.
        wanted: (C, K), ascending.
    """

    given: NDArray[np.float32]
    wanted: NDArray[np.float32]

    def __call__(
        self, features: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        places = scattered(rows, columns).ravel()
        result = np.empty((len(features), places.size), np.float32)
        flat = features.reshape(len(features), -1)
        for values, given, wanted, out in zip(flat, self.given, self.wanted, result, strict=True):
            first = np.searchsorted(given, values, "left")
            ties = np.searchsorted(given, values, "right") - first
            out[:] = np.interp(values, given, wanted)
            again = ties > 0
            out[again] = wanted[(first + (places * ties).astype(np.intp))[again]]
        return result.reshape(features.shape)


@dataclass(frozen=True, eq=False)
class Softened:
    """A mixture of a transform and the style's mean.

    For pictures that are almost plain (:mod:`impasto.controls.plain`).

    Attributes:
        change: the transform.
        share: of the transform, in [0, 1].
        mean: of the style, (C,).
    """

    change: Change
    share: float
    mean: Matrix

    def __call__(
        self, features: NDArray[np.float32], rows: slice, columns: slice
    ) -> NDArray[np.float32]:
        mean = self.mean.astype(np.float32)[:, None, None]
        whole = self.change(features, rows, columns)
        return np.float32(self.share) * whole + np.float32(1 - self.share) * mean


def adain(content: Moments, style: Moments) -> PerChannel:
    """Fit ``adain``; see the table of :mod:`impasto.controls.transforms`, as for the others."""
    return PerChannel(*gain_and_shift(content, style))


def mean(content: Moments, style: Moments) -> PerChannel:
    """Fit ``mean``."""
    gain, _ = gain_and_shift(content, style)
    return PerChannel(np.zeros_like(gain), style.mean - content.mean)


def std(content: Moments, style: Moments) -> PerChannel:
    """Fit ``std``."""
    gain, _ = gain_and_shift(content, style)
    return PerChannel(gain, -gain * content.mean)


def min_max(content: Samples, style: Samples) -> PerChannel:
    """Fit ``min-max``. A constant channel becomes the middle of the style's range."""
    (low, high), (wanted_low, wanted_high) = content.range, style.range
    flat = high - low < EPS
    ratio = (wanted_high - wanted_low) / np.where(flat, 1, high - low)
    ratio[flat] = 0
    start = np.where(flat, (wanted_low + wanted_high) / 2, wanted_low - low * ratio)
    return PerChannel(ratio - 1, start)


def wct(content: Samples, style: Samples) -> Linear:
    """Fit ``wct``.

    Axes along which either varies by no more than ``EPS`` are dropped, as in the authors' code: a
    direction without variance in the photograph cannot be stretched.
    """
    (have, axes), (want, wanted) = content.axes, style.axes
    color = (wanted * np.sqrt(want)) @ wanted.T
    return Linear.of(color @ (axes / np.sqrt(have)) @ axes.T, content, style)


def ost(content: Samples, style: Samples) -> Linear:
    """Fit ``ost``; axes are dropped as in :func:`wct`."""
    have, axes = content.axes
    root = np.sqrt(have)
    middle = (axes * root).T @ style.covariance @ (axes * root)
    variances, turn = np.linalg.eigh(middle)
    middle = (turn * np.sqrt(np.maximum(variances, 0))) @ turn.T
    inverse = axes / root
    return Linear.of(inverse @ middle @ inverse.T, content, style)


def efdm(content: Samples, style: Samples) -> Matched | Table:
    """Fit ``efdm``.

    Between equal numbers of positions it is the exact definition. Else rank ``r`` of ``K`` becomes
    the style's value at the same share, ``(r + 1/2) / K``, of its positions. A photograph of more
    than ``MAX_POSITIONS`` is matched by the ranks of a subset of its positions.
    """
    channels, height, width = content.values.shape
    mapped = np.empty((channels, height * width), np.float32)
    given = np.empty_like(mapped) if content.step > 1 else None
    last = style.ordered.shape[1] - 1
    for channel in range(channels):
        order, reached = content.ranked(channel)
        if content.counts is None and style.counts is None:
            ranks = np.arange(order.size)  # exact, in whole numbers
            found = style.ordered[channel, (2 * ranks + 1) * (last + 1) // (2 * order.size)]
        else:
            before = np.concatenate([[0.0], reached[:-1]])
            _, theirs = style.ranked(channel)  # never stops at a position of weight 0
            # The small excess prevents rounding from deciding between two ranks.
            middle = (before + reached) / 2 * (theirs[-1] / reached[-1]) + 1e-12
            found = style.ordered[channel, np.searchsorted(theirs, middle, "right").clip(0, last)]
        if given is None:
            mapped[channel, order] = found
        else:
            given[channel] = content.values[channel].ravel()[order]
            mapped[channel] = found
    if given is None:
        return Matched(mapped.reshape(content.values.shape))
    return Table(given, mapped)


@dataclass(frozen=True)
class Transform:
    """A row of :data:`TRANSFORMS`.

    Attributes:
        name: as users specify it.
        fit: fits the map from the statistics of the photograph to those of the style.
        samples: True if it is fitted to :class:`Samples`; else to ``Moments``.
    """

    name: str
    fit: Callable[[Any, Any], Change]
    samples: bool


TRANSFORMS = (
    Transform("adain", adain, samples=False),
    Transform("mean", mean, samples=False),
    Transform("std", std, samples=False),
    Transform("min-max", min_max, samples=True),
    Transform("wct", wct, samples=True),
    Transform("ost", ost, samples=True),
    Transform("efdm", efdm, samples=True),
)
"""The transforms, in the order of the table above."""

OF_MOMENTS = tuple(row.name for row in TRANSFORMS if not row.samples)
"""Names of those that need only mean and deviation."""


def find_transform(name: str) -> Transform:
    """Return the row of ``TRANSFORMS`` with this name.

    Raises:
        OptionError: if there is none.

    Example:
        >>> find_transform("wct").samples
        True
    """
    for row in TRANSFORMS:
        if row.name == name:
            return row
    names = ", ".join(row.name for row in TRANSFORMS)
    raise OptionError(f"there is no transform {name!r}; choose one of {names}")


def transform(
    content: NDArray[np.floating[Any]],
    style: NDArray[np.floating[Any]],
    name: str = "adain",
    *,
    alpha: float = 1.0,
) -> NDArray[np.float32]:
    """Give features the statistics of a style's, with any of the transforms.

    Args:
        content: features (C, h, w) of the photograph.
        style: features (C, h', w') of the style, of the same level.
        name: of the transform.
        alpha: strength in [0, 2] (eq. 14 of the paper): ``(1 - alpha) x + alpha T(x)``.

    Returns:
        (C, h, w).

    Raises:
        OptionError: if there is no such transform, alpha is out of its range, or an array is not
            (C, h, w).
        StyleError: if the two have different numbers of channels.

    Example:
        >>> x = np.array([[[3.0, 1.0, 2.0]]])
        >>> transform(x, np.array([[[10.0, 40.0, 20.0]]]), "efdm").ravel()
        array([40., 10., 20.], dtype=float32)
    """
    row, strength = find_transform(name), check_alpha(alpha)
    pair = []
    for each in (content, style):
        values = np.ascontiguousarray(each, np.float32)
        if values.ndim != 3 or not values.size:
            raise OptionError(f"features must have the shape (C, h, w), not {values.shape}")
        samples = Samples(values)
        pair.append(samples if row.samples else samples.moments)
    x = np.ascontiguousarray(content, np.float32)
    change = fit_level(row, *pair)
    return mixed([change], x, np.array([strength]), slice(0, x.shape[1]), slice(0, x.shape[2]))


def fit_level(row: Transform, content: Any, style: Any, *, share: float = 1.0) -> Change:
    """Fit a transform to a level.

    Args:
        row: the transform.
        content: :class:`Samples` or ``Moments`` of the photograph, as the transform needs.
        style: the same for the style.
        share: of the style's contrast (:func:`impasto.controls.plain.texture_share`).

    Raises:
        StyleError: if the two have different numbers of channels.
    """
    if row.samples:
        counts = [len(each.values) for each in (content, style)]
        if counts[0] != counts[1]:
            raise StyleError(
                f"the style has {counts[1]} channels where the content has {counts[0]}: make it "
                "again with this model"
            )
    if not row.samples:
        return row.fit(toned_down(content, share), style)
    change = row.fit(content, style)
    return change if share == 1 else Softened(change, share, style.moments.mean)


def scattered(rows: slice, columns: slice) -> Matrix:
    """Return numbers in [0, 1) for the positions of a level, evenly spread in every part of it.

    They decide the rank order of equal values. In the order of the positions, row by row, a picture
    whose features are 0 in many positions would run from the style's small values at the top to its
    large ones at the bottom. The additive recurrence of Roberts (2018, "The unreasonable
    effectiveness of quasirandom sequences").

    Args:
        rows: of the level, for any part of it: start, stop and step.
        columns: the same.

    Returns:
        (h, w).
    """
    ratio = 1.32471795724474602596  # the root of x^3 = x + 1
    down, across = (np.arange(cut.start, cut.stop, cut.step or 1) for cut in (rows, columns))
    numbers: Matrix = (down[:, None] / ratio + across / ratio**2) % 1
    return numbers


def align_level(
    changes: Sequence[Change],
    features: NDArray[np.float32],
    amounts: NDArray[np.floating[Any]],
    rows: slice,
    columns: slice,
) -> tuple[NDArray[np.float32], Affine]:
    """Align a part of a level to K styles: features, and the scale and shift for the decoder.

    If every change is :class:`PerChannel`, the features stay unchanged, and the transform is in
    scale and shift. Else the features are changed, and scale and shift are 1 and 0.

    Args:
        changes: of K styles.
        features: (C, h, w) float32.
        amounts: the strength of each style, (K,) or (K, h, w).
        rows: of the features in their level.
        columns: the same.
    """
    pairs = [(each.gain, each.shift) for each in changes if isinstance(each, PerChannel)]
    if len(pairs) == len(changes):
        return features, combine(pairs, amounts)
    ones = np.ones((len(features), 1, 1), np.float32)
    return mixed(changes, features, amounts, rows, columns), Affine(ones, np.zeros_like(ones))


def mixed(
    changes: Sequence[Change],
    features: NDArray[np.float32],
    amounts: NDArray[np.floating[Any]],
    rows: slice,
    columns: slice,
) -> NDArray[np.float32]:
    """Compute ``(1 - sum_k u_k) x + sum_k u_k T_k(x)``; arguments as for :func:`align_level`.

    Written so that strengths of 0 and 1 give exactly one or the other.
    """
    result: NDArray[np.float32] = features * (1 - amounts.sum(axis=0)).astype(np.float32)
    for change, amount in zip(changes, amounts, strict=True):
        if np.any(amount):
            result += change(features, rows, columns) * amount.astype(np.float32)
    return result
