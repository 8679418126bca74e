"""Opacity and colors of a picture, gathered before painting.

Gathered window by window, so that pictures of any size are supported.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color import ColorMoments, moments_of, palette_of
from impasto.controls.color.matching import needs_model
from impasto.controls.masks import PlaneWindows
from impasto.controls.moments import enough
from impasto.errors import ImageError
from impasto.images.resizing import Plane
from impasto.images.windows import ScaledSource, Source

# Side of the windows in which a picture is surveyed before scaling.
_LOOK = 1024
# Rows per step of the search for contrast: most pictures have it in the first of them.
_ROWS = 64
# Stride of the pixels that are checked before the others.
_SPARSE = 8


@dataclass(frozen=True, eq=False)
class Survey:
    """Opacity and colors of a picture.

    Attributes:
        opacity: True if some of the picture counts less than the rest.
        fill: the mean color of the visible part, for the rest; None if nothing is to be filled.
        colors: for each style the photograph's colors for a color method; empty without one.
    """

    opacity: bool
    fill: NDArray[np.float64] | None
    colors: tuple[ColorMoments, ...]


OPAQUE = Survey(opacity=False, fill=None, colors=())
"""A fully opaque picture."""


class _Counts:
    """Colors of the pixels that count, and the sum of their weights."""

    def __init__(self) -> None:
        self.colors: ColorMoments | None = None
        self._count = self._squares = 0.0

    def add(self, image: NDArray[np.float32], counts: Plane | None, *, tones: bool) -> None:
        if counts is not None:
            if not counts.any():
                return
            self._count += float(counts.sum(dtype=np.float64))
            self._squares += float(np.square(counts, dtype=np.float64).sum())
        found = palette_of(image, counts) if tones else moments_of(image, counts)
        self.colors = found if self.colors is None else self.colors.merge(found)

    @property
    def enough(self) -> bool:
        return self._squares > 0 and enough(self._count**2 / self._squares)


def survey(
    source: Source,
    regions: Sequence[PlaneWindows | None],
    *,
    color: str | None,
    tiles: Iterable[tuple[slice, slice]],
) -> Survey:
    """Read every pixel once, if there is anything to gather.

    Args:
        source: the picture.
        regions: for each style the region of its moments; None for the whole picture.
        color: a name in ``color.METHODS``, or None.
        tiles: rows and columns that together cover the picture.

    Raises:
        ImageError: if the picture holds NaN.

    Example:
        >>> source = Photo(np.zeros((4, 4, 3), np.float32), None, "a black one")  # doctest: +SKIP
        >>> survey(source, [None], color=None, tiles=[(slice(0, 4), slice(0, 4))])  # doctest: +SKIP
    """
    everywhere, visible, fill = _Counts(), _Counts(), _Counts()
    parts = [_Counts() for _ in regions]
    low, high, hidden = np.inf, -np.inf, False
    tones = not needs_model(color)
    for rows, columns in tiles:
        image, alpha = source.window(rows, columns)
        if alpha is None and color is None:
            break  # none of its windows has opacity
        if alpha is not None:
            low, high = min(low, float(alpha.min())), max(high, float(alpha.max()))
            hidden = hidden or bool((alpha <= 0).any())
            if not tones:
                fill.add(image, alpha, tones=False)
        if color is None:
            continue
        everywhere.add(image, None, tones=tones)
        if alpha is not None:
            visible.add(image, alpha, tones=tones)
        for region, part in zip(regions, parts, strict=True):
            if region is not None:
                counts = region.window(rows, columns)
                part.add(image, counts if alpha is None else counts * alpha, tones=tones)
    opacity = high > -np.inf and not (low == high and low > 0)
    photograph = everywhere.colors
    if opacity and low < high and visible.enough:
        photograph = visible.colors
    if color is not None and photograph is None:
        raise ImageError(f"{source.name}: has no pixels")
    chosen = [part.colors if part.enough else photograph for part in parts]
    return Survey(
        opacity=opacity,
        fill=fill.colors.mean if opacity and hidden and fill.colors is not None else None,
        colors=tuple(each for each in chosen if each is not None) if color is not None else (),
    )


def contrast_of(
    source: Source, region: PlaneWindows | None = None, *, enough: float, pixels: int = 1
) -> float | None:
    """Compute the contrast of a picture: the range of its colors in the visible part.

    Args:
        source: the picture.
        region: a mask stretched to it: only its part that is not black counts.
        enough: contrast above which the exact value does not matter, and the search stops.
        pixels: minimum number of pixels that count.

    Returns:
        The largest range of the three colors; None if too few pixels count to have a contrast of
        their own.

    Example:
        >>> source = Photo(np.zeros((4, 4, 3), np.float32), None, "a black one")  # doctest: +SKIP
        >>> contrast_of(source, enough=0.1)                                       # doctest: +SKIP
        0.0
    """
    columns, count, contrast = slice(0, source.width), 0, 0.0
    low, high = [np.inf] * 3, [-np.inf] * 3
    for top in range(0, source.height, _ROWS):
        rows = slice(top, min(top + _ROWS, source.height))
        image, alpha = source.window(rows, columns)
        counts = alpha
        if region is not None:
            inside = region.window(rows, columns)
            counts = inside if alpha is None else inside * alpha
        for step in (_SPARSE, 1):
            part = image[::step, ::step]
            if counts is not None:
                part = part[counts[::step, ::step] > 0]
            if part.size == 0:
                continue
            for c in range(3):  # along the color axis, which is contiguous, it is far slower
                low[c] = min(low[c], float(part[..., c].min()))
                high[c] = max(high[c], float(part[..., c].max()))
                contrast = max(contrast, high[c] - low[c])
            if contrast >= enough:
                return contrast
        count += part[..., 0].size
    return contrast if count >= pixels else None


def scaled(source: Source, height: int, width: int) -> Source:
    """Return a picture at another size, with transparent parts filled with the mean visible color.

    Args:
        source: the picture.
        height: wanted, in pixels.
        width: wanted.

    Returns:
        ``source`` itself if it has the size.
    """
    if (source.height, source.width) == (height, width):
        return source
    windows = (
        (slice(top, min(top + _LOOK, source.height)), slice(left, min(left + _LOOK, source.width)))
        for top in range(0, source.height, _LOOK)
        for left in range(0, source.width, _LOOK)
    )
    found = survey(source, [], color=None, tiles=windows)
    return ScaledSource(source, height, width, found.fill)
