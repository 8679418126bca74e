"""The pass of a picture through an encoder and a decoder, in one tile or in many.

First the moments of the whole picture are gathered, tile by tile; then every tile is painted with
the resulting scale and shift, and with a margin as wide as the receptive field. So the tiles match,
and the result does not depend on how the picture was cut. A picture that fits into memory is one
tile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.color.matching import restore_colors
from impasto.controls.moments import (
    MIN_CELLS,
    Cells,
    Gathered,
    Moments,
    cell_average,
    effective_cells,
    enough,
    gathered,
)
from impasto.controls.regions import StyleMap
from impasto.controls.transforms import MAX_POSITIONS, Change, Samples, align_level
from impasto.errors import ImageError
from impasto.images.arrays import Photo
from impasto.images.resizing import Plane
from impasto.images.windows import PaintedTile, Source
from impasto.models.card import Card
from impasto.models.engine import Engine
from impasto.painting import Progress, Watch
from impasto.painting.plan import Plan, Tile, cut_tiles
from impasto.painting.survey import OPAQUE, Survey, survey

FADE = 1 / 8
"""Below this strength the photograph itself is mixed in, and at 0 only the photograph remains."""


@dataclass(frozen=True, eq=False)
class Content:
    """A photograph, cut into tiles and encoded, to be painted any number of times.

    It is padded by reflection, by ``Card.margin`` pixels on every side and up to a multiple of
    ``Card.multiple`` at the bottom and at the right, so nothing is shifted; after decoding the
    padding is cropped.

    Attributes:
        source: the photograph, whose colors are kept, and which stays where nothing is painted.
        basis: the picture that is encoded; usually the photograph itself.
        card: of the model.
        model: its identity.
        size: height and width of the photograph.
        shape: height and width with the padding.
        tiles: of the padded picture, row by row from the top, from left to right.
        survey: opacity of the picture.
        side: the largest side of its tiles, in pixels; None if it is one tile.
        contrast: range of the photograph's colors, exact only where it is small
            (:mod:`impasto.controls.plain`).
        features: one map (C, h, w) per level, of the padded picture; None where they are too large
            to be kept, and encoded again for every painting.
        moments: their mean and deviation, one pair per level, of the part that is not transparent;
            None without features.
    """

    source: Source
    basis: Source
    card: Card
    model: str
    size: tuple[int, int]
    shape: tuple[int, int]
    tiles: tuple[Tile, ...]
    survey: Survey = OPAQUE
    side: int | None = None
    contrast: float = 1.0
    features: tuple[NDArray[np.float32], ...] | None = None
    moments: tuple[Moments, ...] | None = None

    @classmethod
    def of(
        cls, source: Source, card: Card, plan: Plan, *, model: str, basis: Source | None = None
    ) -> Content:
        """Cut a picture as planned, and survey its opacity.

        Raises:
            ImageError: if the picture is broken.
        """
        margin, multiple = card.margin, card.multiple
        size = source.height, source.width
        height, width = (side + -side % multiple + 2 * margin for side in size)
        cut = cut_tiles(height, width, side=plan.side, card=card)
        side = plan.side if plan.side < max(size) else None
        shape = height, width
        content = cls(source, basis or source, card, model, size, shape, cut, side=side)
        if isinstance(source, Photo) and source.alpha is None:
            return content
        seen = survey(content.basis, (), color=None, tiles=content.inner())
        return replace(content, survey=seen)

    @property
    def whole(self) -> tuple[slice, slice]:
        """Rows and columns of the padded picture."""
        return slice(0, self.shape[0]), slice(0, self.shape[1])

    @property
    def planes(self) -> NDArray[np.float32]:
        """The padded picture as input of the encoder, (3, H, W)."""
        image, alpha = self.basis.window(slice(0, self.size[0]), slice(0, self.size[1]))
        image = _filled(image, self.seen(alpha), self.survey.fill)
        before = self.card.margin
        widths = [(0, 0)] + [
            (before, padded - side - before)
            for padded, side in zip(self.shape, self.size, strict=True)
        ]
        return np.pad(image.transpose(2, 0, 1), widths, mode="reflect")

    @property
    def opacity(self) -> Plane:
        """The opacity of the padded picture, (H, W), if it matters."""
        return _opacity_of(self, self.whole)

    def inner(self) -> Iterator[tuple[slice, slice]]:
        """Yield rows and columns of every tile that is not only padding."""
        for tile in self.tiles:
            if (found := self.inner_of(tile)) is not None:
                yield found

    def inner_of(self, tile: Tile) -> tuple[slice, slice] | None:
        """Return rows and columns of the picture in a tile's core; None if it is all padding."""
        margin = self.card.margin
        rows, columns = (
            slice(max(cut.core.start - margin, 0), min(cut.core.stop - margin, length))
            for cut, length in ((tile.rows, self.size[0]), (tile.columns, self.size[1]))
        )
        inside = rows.start < rows.stop and columns.start < columns.stop
        return (rows, columns) if inside else None

    def seen(self, alpha: Plane | None) -> Plane | None:
        """Return the opacity of a window, if it matters anywhere."""
        return alpha if self.survey.opacity else None

    def places(self, rows: slice, columns: slice) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Return the rows and columns of the picture that a part of the padded picture maps to."""
        margin = self.card.margin
        return (
            reflected(rows, margin, self.size[0]),
            reflected(columns, margin, self.size[1]),
        )

    def padded(
        self, window: Callable[[slice, slice], Any], rows: slice, columns: slice
    ) -> NDArray[Any]:
        """Return a part of the padded picture, (..., h, w), from ``window`` of the picture."""
        down, across = self.places(rows, columns)
        found: NDArray[Any] = window(span_of(down), span_of(across))
        return found if found.ndim == 1 else _indexed(found, down, across)


class Part:
    """A part of the padded picture, as input of the encoder.

    Attributes:
        planes: (3, h, w) float32, with the mean color where the picture is transparent.
    """

    def __init__(self, content: Content, rows: slice, columns: slice) -> None:
        self._places = content.places(rows, columns)
        self._spans = [span_of(each) for each in self._places]
        self._rows, self._columns = rows, columns
        image, alpha = content.basis.window(*self._spans)
        self._opacity = content.seen(alpha)
        self._image, self._alpha = image, alpha
        image = _filled(image, self._opacity, content.survey.fill)
        planes = _indexed(image.transpose(2, 0, 1), *self._places)
        self.planes: NDArray[np.float32] = np.ascontiguousarray(planes, np.float32)

    def opacity(self, rows: slice, columns: slice) -> Plane | None:
        """Return the opacity of a part of this part, both of the padded picture."""
        if self._opacity is None:
            return None
        down = self._places[0][_within(rows, self._rows)]
        across = self._places[1][_within(columns, self._columns)]
        inside = self._inside(span_of(down), span_of(across))
        found: Plane = _indexed(self._opacity[inside], down, across)
        return found

    def picture(self, rows: slice, columns: slice) -> tuple[NDArray[np.float32], Plane | None]:
        """Return a part of the picture itself, as read from its source."""
        inside = self._inside(rows, columns)
        return self._image[inside], None if self._alpha is None else self._alpha[inside]

    def _inside(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        return _within(rows, self._spans[0]), _within(columns, self._spans[1])


def encode(
    content: Content,
    engine: Engine,
    *,
    planes: NDArray[np.float32] | None = None,
    watch: Watch | None = None,
) -> Content:
    """Encode a picture and keep its features and their moments.

    Args:
        content: the picture.
        engine: encodes it.
        planes: ``content.planes``, if already computed.
        watch: called after every tile.

    Raises:
        EngineError: if the engine fails.
    """
    levels = content.card.levels
    if len(content.tiles) == 1:
        features, moments = engine.encode(content.planes if planes is None else planes)
        if engine.precision != "fp32":
            # Half precision or less: a number that rounds to the other side is 0.4 % off, and the
            # last digit of the graph's own sums, in float32, would decide that.
            moments = tuple(gathered(each) for each in features)
        if content.survey.opacity:
            visible = [Gathered(level.channels) for level in levels]
            for part, each, level in zip(visible, features, levels, strict=True):
                part.add(each, cell_average(content.opacity, level.stride))
            pairs = zip(visible, moments, strict=True)
            moments = tuple(part.moments_or(whole) for part, whole in pairs)
        _report(watch, 1, 2)
        return replace(content, features=features, moments=moments)
    height, width = content.shape
    features = tuple(
        np.empty((level.channels, height // level.stride, width // level.stride), np.float32)
        for level in levels
    )
    (moments,) = gather(content, engine, (None,), keep=features, watch=watch)
    return replace(content, features=features, moments=moments)


@dataclass(frozen=True, eq=False)
class _Piece:
    """A tile of an encoded picture, from which statistics of the picture are gathered.

    Attributes:
        core: its rows and columns, in pixels of the padded picture.
        features: of the core, one map (C, h, w) per level.
        opacity: of the core, if it matters.
        counts: for each region the weight of each pixel of the core; None for the whole picture.
    """

    core: tuple[slice, slice]
    features: Sequence[NDArray[np.float32]]
    opacity: Plane | None
    counts: Sequence[Plane | None]


def _pieces(
    content: Content, engine: Engine, regions: Sequence[Any], watch: Watch | None
) -> Iterator[_Piece]:
    """Yield every tile of a picture once, encoded if the picture's features were not kept."""
    for number, tile in enumerate(content.tiles, 1):
        core = tile.rows.core, tile.columns.core
        origin, part = (slice(0, 0), slice(0, 0)), None
        maps: Sequence[NDArray[np.float32]] = content.features or ()
        if content.features is None:
            origin = tile.rows.sight, tile.columns.sight
            part = Part(content, *origin)
            maps = engine.encode(part.planes)[0]
        opacity: Plane | None = None
        if content.survey.opacity:
            opacity = _opacity_of(content, core) if part is None else part.opacity(*core)
        counts = [_counts(content, region, core, opacity) for region in regions]
        features = [
            each[(slice(None), *_cells_within(core, origin, level.stride))]
            for each, level in zip(maps, content.card.levels, strict=True)
        ]
        yield _Piece(core, features, opacity, counts)
        if content.features is None:
            _report(watch, number, 2 * len(content.tiles))


def gather(
    content: Content,
    engine: Engine,
    regions: Sequence[Any],
    *,
    cells: Cells = cell_average,
    fewest: float = MIN_CELLS,
    keep: Sequence[NDArray[np.float32]] | None = None,
    watch: Watch | None = None,
) -> list[tuple[Moments, ...]]:
    """Gather the moments of a picture's regions, tile by tile, in float64.

    Args:
        content: the picture; it is encoded tile by tile if its features were not kept.
        engine: encodes tiles.
        regions: masks stretched to the picture, or None for all of it.
        cells: reduces masks to the positions of a level.
        fewest: effective positions that a region needs.
        keep: arrays to store its features in.
        watch: called after every encoded tile.

    Returns:
        For each region the moments of every level; those of the whole picture where a region is too
        small.

    Raises:
        EngineError: if the engine fails.
    """
    levels, whole = content.card.levels, content.moments
    everywhere = [Gathered(level.channels) for level in levels]
    visible = [Gathered(level.channels) for level in levels]
    parts = [[Gathered(level.channels) for level in levels] for _ in regions]
    for piece in _pieces(content, engine, regions, watch):
        for i, (level, seen) in enumerate(zip(levels, piece.features, strict=True)):
            if keep is not None:
                rows, columns = (_cells(cut, level.stride) for cut in piece.core)
                keep[i][:, rows, columns] = seen
            if whole is None:
                everywhere[i].add(seen)
                if piece.opacity is not None:
                    visible[i].add(seen, cell_average(piece.opacity, level.stride))
            for region, counts in zip(parts, piece.counts, strict=True):
                if counts is not None:
                    region[i].add(seen, cells(counts, level.stride))
    if whole is None:
        whole = tuple(each.moments for each in everywhere)
        if content.survey.opacity:
            whole = tuple(one.moments_or(every) for one, every in zip(visible, whole, strict=True))
    return [
        tuple(
            fallback if region is None else level.moments_or(fallback, fewest=fewest)
            for level, fallback in zip(part, whole, strict=True)
        )
        for region, part in zip(regions, parts, strict=True)
    ]


def sample(
    content: Content,
    engine: Engine,
    regions: Sequence[Any],
    *,
    cells: Cells = cell_average,
    fewest: float = MIN_CELLS,
    watch: Watch | None = None,
) -> list[tuple[Samples, ...]]:
    """Gather the features that a transform is fitted to, for each region of a picture.

    A picture with more positions than a transform is fitted to is subsampled by rows and columns,
    regardless of how it is cut.

    Args:
        content: the picture; it is encoded tile by tile if its features were not kept.
        engine: encodes tiles.
        regions: masks stretched to the picture, or None for all of it.
        cells: reduces masks to the positions of a level.
        fewest: effective positions that a region needs.
        watch: called after every encoded tile.

    Returns:
        For each region the samples of every level; those of the whole picture where a region is too
        small.

    Raises:
        EngineError: if the engine fails.
    """
    levels = content.card.levels
    height, width = content.shape
    sizes = [(height // level.stride, width // level.stride) for level in levels]
    steps = [_step(*size) for size in sizes]
    shapes = [[-(-n // step) for n in size] for size, step in zip(sizes, steps, strict=True)]
    values = [np.empty((a.channels, *b), np.float32) for a, b in zip(levels, shapes, strict=True)]
    weights = [[np.empty(shape) for shape in shapes] for _ in (None, *regions)]
    for piece in _pieces(content, engine, regions, watch):
        for i, (level, step) in enumerate(zip(levels, steps, strict=True)):
            pairs = [_every(_cells(cut, level.stride), step) for cut in piece.core]
            (to_rows, rows), (to_columns, columns) = pairs
            values[i][:, to_rows, to_columns] = piece.features[i][:, rows, columns]
            for own, counts in zip(weights, (piece.opacity, *piece.counts), strict=True):
                if counts is not None:
                    own[i][to_rows, to_columns] = cells(counts, level.stride)[rows, columns]

    def samples(weights: Sequence[NDArray[np.float64] | None]) -> tuple[Samples, ...]:
        rows = zip(values, weights, steps, strict=True)
        return tuple(Samples(*row) for row in rows)

    def or_else(own: Sequence[Samples], other: Sequence[Samples]) -> tuple[Samples, ...]:
        pairs = zip(own, other, strict=True)
        return tuple(one if one.enough(fewest) else another for one, another in pairs)

    whole = samples([None] * len(levels))
    if content.survey.opacity:
        whole = or_else(samples(weights[0]), whole)
    return [
        whole if region is None else or_else(samples(own), whole)
        for region, own in zip(regions, weights[1:], strict=True)
    ]


def decode(
    content: Content,
    engine: Engine,
    changes: Sequence[Sequence[Change]],
    amounts: StyleMap,
    *,
    color: str | None,
    watch: Watch | None,
) -> Iterator[PaintedTile]:
    """Paint the tiles of a picture, row by row from the top, from left to right.

    Args:
        content: the picture.
        engine: encodes and decodes.
        changes: for each style the fitted transform of every level.
        amounts: the strength of each at every position.
        color: a name in ``color.METHODS``, or None.
        watch: called after every tile.

    Raises:
        EngineError: if the engine fails.
        ImageError: if the result holds NaN or infinity, or the picture is broken.
    """
    for number, tile in enumerate(content.tiles, 1):
        inner = content.inner_of(tile)
        if inner is not None:
            yield _painted(content, engine, changes, amounts, (tile, inner), color)
        _report(watch, len(content.tiles) + number, 2 * len(content.tiles))


def keep_photograph(
    painted: NDArray[np.float32],
    image: NDArray[np.float32],
    opacity: Plane | None,
    amounts: NDArray[np.floating[Any]],
) -> NDArray[np.float32]:
    """Restore the photograph where the strength is 0 or all is transparent.

    A decoder does not reconstruct a photograph exactly, and its receptive field extends over the
    border of a mask. So where the photograph should stay, its own pixels are used.

    Args:
        painted: (H, W, 3) in [0, 1].
        image: (H, W, 3), the photograph.
        opacity: (H, W) in [0, 1], or None.
        amounts: the strengths of K styles, (K,) or (K, H, W); where their sum is between 0 and
            ``FADE``, the two are mixed, so that there is no jump.

    Returns:
        (H, W, 3) float32 in [0, 1]; ``painted`` itself where nothing is restored.

    Example:
        >>> white, black = np.ones((1, 1, 3), np.float32), np.zeros((1, 1, 3), np.float32)
        >>> keep_photograph(white, black, None, np.array([0.0625])).ravel()
        array([0.5, 0.5, 0.5], dtype=float32)
    """
    share = np.minimum(amounts.sum(axis=0) / FADE, 1).astype(np.float32)
    if opacity is not None:
        share = share * (opacity > 0)
    if share.min() == 1:
        return painted
    share = share[..., None]
    # Written so that a share of 0 or 1 gives exactly one or the other.
    mixed: NDArray[np.float32] = painted * share + np.clip(image, 0, 1) * (1 - share)
    return mixed.astype(np.float32, copy=False)


def read_counts(content: Content) -> NDArray[np.float32]:
    """Return weights of a style picture for its reader, (h, w), one per ``Card.multiple`` block."""
    multiple = content.card.multiple
    if content.survey.opacity:
        seen = cell_average(content.opacity, multiple)
        if enough(effective_cells(seen)):
            return seen.astype(np.float32)
    return np.ones([side // multiple for side in content.shape], np.float32)


def reflected(cut: slice, margin: int, length: int) -> NDArray[np.intp]:
    """Return the pixels of a picture that a part of its padded version maps to, along one axis.

    Args:
        cut: from pixel to pixel of the padded picture.
        margin: pixels of padding before the picture.
        length: of the picture, in pixels.

    Example:
        >>> reflected(slice(0, 8), 2, 4)
        array([2, 1, 0, 1, 2, 3, 2, 1])
    """
    period = max(1, 2 * (length - 1))
    places = (np.arange(cut.start, cut.stop) - margin) % period
    return np.minimum(places, period - places) if length > 1 else places * 0


def span_of(places: NDArray[np.intp]) -> slice:
    """Return the part of a picture that contains these pixels.

    Example:
        >>> span_of(np.array([2, 1, 0, 1]))
        slice(0, 3, None)
    """
    return slice(int(places.min()), int(places.max()) + 1)


def _painted(
    content: Content,
    engine: Engine,
    changes: Sequence[Sequence[Change]],
    amounts: StyleMap,
    place: tuple[Tile, tuple[slice, slice]],
    color: str | None,
) -> PaintedTile:
    start = perf_counter()
    tile, (rows, columns) = place
    view = tile.rows.view, tile.columns.view
    spread = content.padded(amounts.window, *view)
    margin = content.card.margin
    inner = [
        slice(each.start + margin - out.start, each.stop + margin - out.start)
        for each, out in zip((rows, columns), view, strict=True)
    ]
    inside = spread if spread.ndim == 1 else spread[:, inner[0], inner[1]]
    if not amounts.behavior.fade:
        inside = np.ones(1)  # everything is painted, however weakly
    if content.features is None:
        origin = tile.rows.window, tile.columns.window
        part = Part(content, *origin)
        features = engine.encode(part.planes)[0] if inside.any() else ()
    else:
        features, origin, part = content.features, (slice(0, 0), slice(0, 0)), None
    if part is None or content.source is not content.basis:
        image, alpha = content.source.window(rows, columns)
    else:
        image, alpha = part.picture(rows, columns)
    if not inside.any():
        return PaintedTile(rows, columns, np.clip(image, 0, 1), alpha)
    encoded = perf_counter()
    aligned_features, maps = [], []
    for i, (each, level) in enumerate(zip(features, content.card.levels, strict=True)):
        down, across = (_cells(cut, level.stride) for cut in view)
        cut = np.ascontiguousarray(each[(slice(None), *_cells_within(view, origin, level.stride))])
        strengths = spread if spread.ndim == 1 else amounts.cells(spread, level.stride)
        own = [levels[i] for levels in changes]
        found, scale_and_shift = align_level(own, cut, strengths, down, across)
        aligned_features.append(found)
        maps.append(scale_and_shift)
    aligned = perf_counter()
    decoded = engine.decode(aligned_features, maps)[:, inner[0], inner[1]].transpose(1, 2, 0)
    result = np.clip(decoded, 0.0, 1.0, out=np.empty(decoded.shape, np.float32))
    if color is not None:
        result = restore_colors(result, image, method=color)
    result = keep_photograph(result, image, content.seen(alpha), inside)
    if np.isnan(result.min()):  # infinity was clipped
        raise ImageError(f"the result for {content.basis.name} contains NaN or infinity")
    times = encoded - start, aligned - encoded, perf_counter() - aligned
    return PaintedTile(rows, columns, result, alpha, times)


def _filled(
    image: NDArray[np.float32], opacity: Plane | None, fill: NDArray[np.float64] | None
) -> NDArray[np.float32]:
    """Return a picture with its transparent part filled with a color."""
    if opacity is None or fill is None:
        return image
    return np.where((opacity <= 0)[..., None], fill.astype(np.float32), image)


def _opacity_of(content: Content, core: tuple[slice, slice]) -> Plane:
    """Return the opacity of a part of the padded picture."""

    def window(rows: slice, columns: slice) -> Any:
        return content.basis.window(rows, columns)[1]

    return content.padded(window, *core)


def _counts(
    content: Content, region: Any, core: tuple[slice, slice], opacity: Plane | None
) -> Plane | None:
    """Return the weight of each pixel of a core in the moments of a region."""
    if region is None:
        return None
    counts = content.padded(region.window, *core)
    return counts if opacity is None else counts * opacity


def _report(watch: Watch | None, step: int, steps: int) -> None:
    if watch is not None:
        watch(Progress(step, steps))


def _indexed(planes: NDArray[Any], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
    """Return (..., h, w) with the rows and columns at these places, relative to the smallest."""
    for axis, places in ((-2, rows), (-1, columns)):
        first = int(places.min())
        if not np.array_equal(places, np.arange(first, first + len(places))):
            planes = planes.take(places - first, axis=axis)
    return planes


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _cells(cut: slice, stride: int) -> slice:
    return slice(cut.start // stride, cut.stop // stride)


def _cells_within(
    part: tuple[slice, slice], whole: tuple[slice, slice], stride: int
) -> tuple[slice, slice]:
    """Return a level's rows and columns for a part of the picture, in a map of ``whole``."""
    rows, columns = (
        _within(_cells(a, stride), _cells(b, stride)) for a, b in zip(part, whole, strict=True)
    )
    return rows, columns


def _step(height: int, width: int) -> int:
    """Return the step between the positions of a level that a transform is fitted to."""
    return next(n for n in count(1) if -(-height // n) * -(-width // n) <= MAX_POSITIONS)


def _every(cut: slice, step: int) -> tuple[slice, slice]:
    """Return the range of every step-th position of a level in a cut: among all such, and in it."""
    skip = -cut.start % step
    return slice((cut.start + skip) // step, -(-cut.stop // step)), slice(skip, None, step)
