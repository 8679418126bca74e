"""A picture painted in tiles: what of it is there at a time is one tile, whatever its size.

Two passes. The first gathers the moments of the whole picture, the second paints every tile with
the scale and the shift that follow from them, and gives the tile a rim as wide as the model sees.
So the tiles fit each other, and the result is that of :meth:`impasto.stylizer.Stylizer.paint` on
all of it. Where opacity or colors have a say, a pass over the bare pixels comes before both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine, align
from impasto.controls.color.matching import (
    colors_put_back,
    in_palettes,
    matched,
    paints,
    palette_to,
)
from impasto.controls.color.moments import ColorMoments
from impasto.controls.masks import PlaneWindows
from impasto.controls.moments import Gathered, Moments, cell_average
from impasto.controls.regions import divided
from impasto.errors import ImageError
from impasto.images.photo import Photo
from impasto.images.windows import PaintedTile, Source
from impasto.models import Card
from impasto.models.engine import Engine
from impasto.painting.plan import Plan, Tile, reach_of, tiles
from impasto.painting.steps import kept
from impasto.painting.survey import Survey, survey
from impasto.styles.style import Style

Watch: TypeAlias = Callable[[int, int], object]
"""Is told how many steps of a work are done, and how many there are."""


@dataclass(frozen=True, eq=False)
class Wish:
    """What a picture shall become; all of it checked, and made for the picture's size.

    Attributes:
        styles: K of them; photos where a color method changes them first.
        weights: (K,), of :func:`impasto.controls.affine.check_weights`.
        alpha: the strength, a number or a map.
        masks: one for each style, or none at all.
        by_region: whether a style's moments are matched to those within its mask.
        color: a name in ``color.METHODS``, or None.
    """

    styles: tuple[Style | Photo, ...]
    weights: NDArray[np.float64]
    alpha: float | PlaneWindows
    masks: tuple[PlaneWindows, ...]
    by_region: bool
    color: str | None

    def amounts(self, rows: slice, columns: slice) -> NDArray[np.floating[Any]]:
        """The strength of each style in a part of the picture, (K,) or (K, h, w).

        As :func:`impasto.controls.regions.strengths` of :func:`impasto.controls.regions.shares`;
        numbers or maps for the whole picture alike, so that no tile is rounded otherwise than its
        neighbor.
        """
        shares: NDArray[np.floating[Any]] = self.weights
        levels = [mask.level for mask in self.masks if mask.level is not None]
        if len(levels) < len(self.masks):
            where = np.stack([mask.window(rows, columns) for mask in self.masks])
            shares = divided(self.weights.astype(np.float32), where)
        elif levels:
            shares = divided(self.weights, np.array(levels)[:, None, None])[:, 0, 0]
        alpha = self.alpha
        if isinstance(alpha, PlaneWindows):
            if alpha.level is None:
                everywhere = shares if shares.ndim > 1 else shares[:, None, None]
                strong: NDArray[np.floating[Any]] = everywhere.astype(np.float32)
                return strong * alpha.window(rows, columns)
            alpha = alpha.level
        return shares * alpha

    @property
    def regions(self) -> tuple[PlaneWindows | None, ...]:
        """For each style where its moments of the photograph come from; None for everywhere."""
        if not self.by_region or not self.masks:
            return (None,) * len(self.styles)
        return tuple(mask if mask.level is None else None for mask in self.masks)


@dataclass
class Times:
    """Seconds that the steps of a work took so far."""

    encode: float = 0.0
    align: float = 0.0
    decode: float = 0.0


class TiledPainter:
    """Paints one picture in tiles; made, used once, and forgotten.

    Args:
        source: the picture.
        wish: what it shall become.
        plan: how it is cut.
        engine: what runs the model.
        card: of the model.
        make_style: encodes a photo as a style.
        watch: is told after every tile.

    Attributes:
        times: of its steps, as far as they are done.
    """

    def __init__(
        self,
        source: Source,
        wish: Wish,
        plan: Plan,
        *,
        engine: Engine,
        card: Card,
        make_style: Callable[[Photo], Style],
        watch: Watch | None = None,
    ) -> None:
        self.times = Times()
        self._source, self._wish, self._engine, self._card = source, wish, engine, card
        self._make_style = make_style
        margin, multiple = card.margin, card.multiple
        self._padded = tuple(
            side + -side % multiple + 2 * margin for side in (source.height, source.width)
        )
        self._tiles = list(tiles(*self._padded, side=plan.side, reach=reach_of(card)))
        self._keep = plan.keep
        self._watch, self._done = watch, 0
        self._steps = (2 if paints(wish.color) else 1) * len(self._tiles)

    def run(self) -> Iterator[PaintedTile]:
        """The tiles of the result, row by row from the top, from left to right.

        Raises:
            ImageError: if a color method finds nothing that counts, or the picture is broken.
            EngineError: if the engine fails.
        """
        start = perf_counter()
        found = survey(self._source, self._wish.regions, color=self._wish.color, tiles=self._inner)
        if not paints(self._wish.color):
            photos = [style for style in self._wish.styles if isinstance(style, Photo)]
            pairs = zip(found.colors, photos, strict=True)
            maps = [palette_to(colors, style) for colors, style in pairs]
            self.times.align += perf_counter() - start
            yield from self._recolored(found, maps)
            return
        styles = [
            self._styled(style, found.colors[k] if found.colors else None)
            for k, style in enumerate(self._wish.styles)
        ]
        contents, features = self._gathered(found)
        self.times.encode += perf_counter() - start
        yield from self._decoded(found, contents, styles, features)

    @property
    def _inner(self) -> Iterator[tuple[slice, slice]]:
        """The cores within the picture, without its padding."""
        for tile in self._tiles:
            rows = self._of_picture(tile.rows.core, self._source.height)
            columns = self._of_picture(tile.columns.core, self._source.width)
            if rows.start < rows.stop and columns.start < columns.stop:
                yield rows, columns

    def _of_picture(self, cut: slice, length: int) -> slice:
        margin = self._card.margin
        return slice(max(cut.start - margin, 0), min(cut.stop - margin, length))

    def _styled(self, style: Style | Photo, colors: ColorMoments | None) -> Style:
        if isinstance(style, Style):
            return style
        if colors is not None and self._wish.color is not None:
            style = matched(style, colors, method=self._wish.color)
        return self._make_style(style)

    def _recolored(self, found: Survey, maps: Sequence[Any]) -> Iterator[PaintedTile]:
        for rows, columns in self._inner:
            start = perf_counter()
            image, alpha = self._source.window(rows, columns)
            opacity = found.seen(alpha)
            amounts = self._wish.amounts(rows, columns)
            result = kept(in_palettes(image, maps, amounts), image, opacity, amounts)
            self.times.align += perf_counter() - start
            yield PaintedTile(rows, columns, result, alpha)
            self._step()

    def _gathered(
        self, found: Survey
    ) -> tuple[list[list[Moments]], list[NDArray[np.float32]] | None]:
        """For each level the moments of the photograph for each style; its features, if kept."""
        levels, regions = self._card.levels, self._wish.regions
        everywhere = [Gathered(level.channels) for level in levels]
        visible = [Gathered(level.channels) for level in levels]
        parts = [[Gathered(level.channels) for _ in regions] for level in levels]
        whole = None
        if self._keep:
            height, width = self._padded
            whole = [
                np.empty(
                    (level.channels, height // level.stride, width // level.stride), np.float32
                )
                for level in levels
            ]
        for tile in self._tiles:
            part = _Part(self, found, tile.rows.sight, tile.columns.sight)
            encoded = self._engine.encode(part.planes)
            opacity = part.opacity_of(tile.rows.core, tile.columns.core)
            counts = [self._count(region, tile, opacity) for region in regions]
            for i, level in enumerate(levels):
                seen, core = (
                    (_cells(getattr(tile.rows, name), level.stride),
                     _cells(getattr(tile.columns, name), level.stride))
                    for name in ("sight", "core")
                )  # fmt: skip
                features = encoded.features[i][
                    :, _within(core[0], seen[0]), _within(core[1], seen[1])
                ]
                if whole is not None:
                    whole[i][:, core[0], core[1]] = features
                everywhere[i].add(features)
                if opacity is not None:
                    visible[i].add(features, cell_average(opacity, level.stride))
                for k, each in enumerate(counts):
                    if each is not None:
                        parts[i][k].add(features, cell_average(each, level.stride))
            self._step()
        contents = []
        for i in range(len(levels)):
            photograph = everywhere[i].moments
            if found.opacity:
                photograph = visible[i].moments_or(photograph)
            contents.append([
                photograph if region is None else parts[i][k].moments_or(photograph)
                for k, region in enumerate(regions)
            ])  # fmt: skip
        return contents, whole

    def _count(
        self, region: PlaneWindows | None, tile: Tile, opacity: NDArray[np.float32] | None
    ) -> NDArray[np.float32] | None:
        """How much each pixel of a core counts for the moments of a region."""
        if region is None:
            return None
        found: NDArray[np.float32]
        found = self._spread(region.window, tile.rows.core, tile.columns.core)
        return found if opacity is None else found * opacity

    def _spread(self, window: Callable[[slice, slice], Any], rows: slice, columns: slice) -> Any:
        """A part of the padded picture of what is given for the picture: (..., h, w)."""
        places = self._places(rows, columns)
        found = window(span_of(places[0]), span_of(places[1]))
        return found if found.ndim == 1 else _indexed(found, *places)

    def _places(self, rows: slice, columns: slice) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        margin = self._card.margin
        return (
            reflected(rows, margin, self._source.height),
            reflected(columns, margin, self._source.width),
        )

    def _decoded(
        self,
        found: Survey,
        contents: list[list[Moments]],
        styles: Sequence[Style],
        features: list[NDArray[np.float32]] | None,
    ) -> Iterator[PaintedTile]:
        for tile in self._tiles:
            rows = self._of_picture(tile.rows.core, self._source.height)
            columns = self._of_picture(tile.columns.core, self._source.width)
            if rows.start < rows.stop and columns.start < columns.stop:
                yield self._painted(found, contents, styles, features, tile, rows, columns)
            self._step()

    def _painted(
        self,
        found: Survey,
        contents: list[list[Moments]],
        styles: Sequence[Style],
        features: list[NDArray[np.float32]] | None,
        tile: Tile,
        rows: slice,
        columns: slice,
    ) -> PaintedTile:
        start = perf_counter()
        view = (tile.rows.view, tile.columns.view)
        spread = self._spread(self._wish.amounts, *view)
        margin = self._card.margin
        inner = [
            slice(each.start + margin - out.start, each.stop + margin - out.start)
            for each, out in zip((rows, columns), view, strict=True)
        ]
        amounts = spread if spread.ndim == 1 else spread[:, inner[0], inner[1]]
        if not amounts.any():
            image, alpha = self._source.window(rows, columns)
            return PaintedTile(rows, columns, np.clip(image, 0, 1), alpha)
        vertical, horizontal = tile.rows, tile.columns
        if features is None:
            part = _Part(self, found, vertical.window, horizontal.window)
            seen = self._engine.encode(part.planes).features
            origin = (vertical.window, horizontal.window)
            image, alpha = part.picture(rows, columns)
        else:
            seen, origin = tuple(features), (slice(0, 0), slice(0, 0))
            image, alpha = self._source.window(rows, columns)
        encode_end = perf_counter()
        maps: list[Affine] = []
        cut = []
        for i, level in enumerate(self._card.levels):
            inside = [
                _within(_cells(a, level.stride), _cells(b, level.stride))
                for a, b in zip(view, origin, strict=True)
            ]
            cut.append(np.ascontiguousarray(seen[i][:, inside[0], inside[1]]))
            cells = spread if spread.ndim == 1 else cell_average(spread, level.stride)
            maps.append(align(contents[i], [style.moments[i] for style in styles], cells))
        align_end = perf_counter()
        decoded = self._engine.decode(cut, maps)
        result = np.clip(decoded[:, inner[0], inner[1]].transpose(1, 2, 0), 0.0, 1.0)
        result = np.ascontiguousarray(result)
        if self._wish.color is not None:
            result = colors_put_back(result, image, method=self._wish.color)
        result = kept(result, image, found.seen(alpha), amounts)
        if not np.isfinite(result).all():
            raise ImageError(f"the result for {self._source.name} holds NaN or infinity")
        self.times.encode += encode_end - start
        self.times.align += align_end - encode_end
        self.times.decode += perf_counter() - align_end
        return PaintedTile(rows, columns, result, alpha)

    def _step(self) -> None:
        self._done += 1
        if self._watch is not None:
            self._watch(self._done, self._steps)


class _Part:
    """A part of the padded picture, ready to be encoded."""

    def __init__(self, painter: TiledPainter, found: Survey, rows: slice, columns: slice) -> None:
        self._places = painter._places(rows, columns)
        self._spans = [span_of(each) for each in self._places]
        self._rows, self._columns = rows, columns
        self._image, self._alpha = painter._source.window(*self._spans)
        self._opacity = found.seen(self._alpha)
        filled = self._image
        if self._opacity is not None and found.fill is not None:
            hidden = (self._opacity <= 0)[..., None]
            filled = np.where(hidden, found.fill.astype(np.float32), filled)
        planes = _indexed(filled.transpose(2, 0, 1), *self._places)
        self.planes = np.ascontiguousarray(planes, np.float32)

    def opacity_of(self, rows: slice, columns: slice) -> NDArray[np.float32] | None:
        """Of a part of this part, both of the padded picture."""
        if self._opacity is None:
            return None
        vertical = self._places[0][_within(rows, self._rows)]
        horizontal = self._places[1][_within(columns, self._columns)]
        inside = self._inside(span_of(vertical), span_of(horizontal))
        found: NDArray[np.float32] = _indexed(self._opacity[inside], vertical, horizontal)
        return found

    def picture(
        self, rows: slice, columns: slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """A part of the picture itself, as its source gives it."""
        inside = self._inside(rows, columns)
        return self._image[inside], None if self._alpha is None else self._alpha[inside]

    def _inside(self, rows: slice, columns: slice) -> tuple[slice, slice]:
        return _within(rows, self._spans[0]), _within(columns, self._spans[1])


def _indexed(planes: NDArray[Any], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Any:
    """(..., h, w) with its rows and columns as the places say, which begin at its own first one."""
    for axis, places in ((-2, rows), (-1, columns)):
        first = int(places.min())
        if not np.array_equal(places, np.arange(first, first + len(places))):
            planes = planes.take(places - first, axis=axis)
    return planes


def _within(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def _cells(cut: slice, stride: int) -> slice:
    return slice(cut.start // stride, cut.stop // stride)


def reflected(cut: slice, margin: int, length: int) -> NDArray[np.intp]:
    """Where the pixels of a part of a padded picture come from, along one axis.

    What :func:`impasto.painting.steps.padded` does to all of a picture, as the numbers of its
    pixels.

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
    """The part of a picture in which such pixels lie.

    Example:
        >>> span_of(np.array([2, 1, 0, 1]))
        slice(0, 3, None)
    """
    return slice(int(places.min()), int(places.max()) + 1)
