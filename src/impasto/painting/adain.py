"""Encoder/decoder models: alignment of statistics between an encoder and a decoder.

Encoding a photograph and a style, and the use of their moments, is in :mod:`impasto.controls`; the
pass over the picture is in :mod:`impasto.painting.tiles`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from impasto.controls import Controls
from impasto.controls.coarse import CoarseSource, small_size
from impasto.controls.color.matching import match_colors
from impasto.controls.descreen import COMB, descreened
from impasto.controls.moments import MIN_CELLS
from impasto.controls.plain import TEXTURED, texture_share
from impasto.controls.regions import StyleMap
from impasto.controls.transforms import (
    OF_MOMENTS,
    TRANSFORMS,
    Change,
    Samples,
    find_transform,
    fit_level,
)
from impasto.images.arrays import Photo, in_memory
from impasto.images.windows import PaintedTile, Source
from impasto.models.card import Card
from impasto.models.engine import Engine
from impasto.painting import Budget, Limits, Watch, refuse_settings
from impasto.painting.plan import Plan, far_from_borders, plan_tiles, plan_whole
from impasto.painting.survey import contrast_of, scaled, survey
from impasto.painting.tiles import Content, decode, encode, gather, read_counts, sample
from impasto.styles.style import Style


@dataclass(frozen=True, eq=False)
class AdaINPainter:
    """A model that aligns statistics between its encoder and its decoder; a ``Painter``.

    Attributes:
        card: the model's card.
        engine: runs it.
        identity: 16 hexadecimal digits; styles are valid for one identity.
        name: the model's name.
    """

    card: Card
    engine: Engine
    identity: str
    name: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.card.name)

    @cached_property
    def limits(self) -> Limits:
        """All controls, as far as the model allows.

        With a reader, which predicts moments, only the transforms of moments; the mesh is removed
        only by decoders with a level for it.
        """
        names = OF_MOMENTS if self.card.reader_macs_512 else tuple(row.name for row in TRANSFORMS)
        levels = [level.name for level in self.card.levels]
        special = ("coarse", "behavior", *(["descreen"] if COMB in levels else []))
        return Limits(special=special, transforms=names)

    def with_settings(self, settings: Mapping[str, object]) -> AdaINPainter:
        """Refuse every setting, since a trained model has none.

        Raises:
            OptionError: naming the setting.
        """
        refuse_settings(self.name, settings)
        return self

    def style(self, photo: Photo, transform: str = Controls.transform) -> Style:
        """Encode a style picture: its moments at every level.

        Transparent parts do not count.

        Args:
            photo: the picture.
            transform: to use it with; its features are kept if the transform needs them.

        Raises:
            EngineError: if the engine fails.
        """
        plan = plan_whole(photo.height, photo.width, card=self.card)
        content = Content.of(photo, self.card, plan, model=self.identity)
        planes = content.planes  # padded once, for both graphs
        encoded = encode(content, self.engine, planes=planes)
        moments = encoded.moments or ()
        if self.card.reader_macs_512:
            read = self.engine.read(planes, moments, read_counts(content))
            moments = tuple(
                replace(each, count=own.count) for each, own in zip(read, moments, strict=True)
            )
        samples: tuple[Samples, ...] = ()
        if find_transform(transform).samples:
            (samples,) = sample(encoded, self.engine, (None,))
        return Style(
            name=photo.name,
            model=self.identity,
            moments=moments,
            model_name=self.card.name,
            samples=samples,
        )

    def encode(
        self,
        source: Source,
        budget: Budget,
        *,
        held: tuple[int, int] = (0, 0),
        watch: Watch | None = None,
    ) -> Content:
        """Encode a photograph; in tiles, and without keeping its features, as memory requires.

        Raises:
            OptionError: if not even the smallest tile fits.
            ImageError: if the photograph is broken.
            EngineError: if the engine fails.
        """
        given = source

        def plan_for(card: Card) -> Plan:
            return plan_tiles(
                given.height,
                given.width,
                card=card,
                budget=budget,
                held=given.held + held[0],
                row_bytes=given.row_bytes + held[1],
            )

        card, plan = self.card, plan_for(self.card)
        if plan.whole:  # read and scaled once
            source = in_memory(source)
        contrast = contrast_of(source, enough=TEXTURED) or 0.0
        if contrast < TEXTURED:
            card = far_from_borders(card)
            plan = plan_for(card)
        content = Content.of(source, card, plan, model=self.identity)
        content = replace(content, contrast=contrast)
        return encode(content, self.engine, watch=watch) if plan.keep else content

    def paint(
        self,
        content: Content,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None = None,
    ) -> Iterator[PaintedTile]:
        """Paint an encoded photograph; see :meth:`impasto.painting.Painter.paint`.

        Raises:
            OptionError: unless there is one weight and one mask, if any, for each style.
            EngineError: if the engine fails.
            ImageError: if the photograph is broken.
        """
        source = content.source
        amounts = StyleMap(controls, len(styles), source.height, source.width)
        values = self._values(content, styles, amounts, controls)
        if controls.coarse > 1:
            content = self._coarse(content, values, amounts, controls)
        changes = self.fit(content, values, amounts, controls.transform, watch)
        yield from decode(content, self.engine, changes, amounts, color=controls.color, watch=watch)

    def fit(
        self,
        content: Content,
        styles: Sequence[Style],
        amounts: StyleMap,
        transform: str = Controls.transform,
        watch: Watch | None = None,
    ) -> list[list[Change]]:
        """Fit a transform from an encoded photograph, or parts of it, to styles.

        Args:
            content: the photograph.
            styles: K of them, made for the transform.
            amounts: the strength of each at every position.
            transform: its name.
            watch: called after every encoded tile.

        Returns:
            For each style the map of every level.

        Raises:
            EngineError: if the engine fails.
        """
        row = find_transform(transform)
        contents: Sequence[Sequence[Any]]
        if not row.samples and content.moments is not None and not any(amounts.regions):
            contents = [content.moments] * len(styles)
        else:
            collect = sample if row.samples else gather
            contents = collect(
                content,
                self.engine,
                amounts.regions,
                cells=amounts.cells,
                fewest=amounts.behavior.fewest,
                watch=watch,
            )
        fitted = []
        shares = self._texture_shares(content, amounts)
        names = [level.name for level in self.card.levels]
        # The share of a mesh to remove is a mean, also where a transform leaves means alone.
        rows = [find_transform("mean") if name == COMB else row for name in names]
        for own, style, share in zip(contents, styles, shares, strict=True):
            wanted: Sequence[Any] = style.samples
            if not row.samples:
                own = [amounts.behavior.of_content(level) for level in own]
                moments = descreened(style.moments, names, amounts.descreen)
                wanted = [amounts.behavior.of_style(level) for level in moments]
            levels = zip(rows, own, wanted, strict=True)
            fitted.append([fit_level(each, x, y, share=share) for each, x, y in levels])
        return fitted

    def _texture_shares(self, content: Content, amounts: StyleMap) -> list[float]:
        """Return for each style the share of its contrast for the photograph in its region."""
        if not amounts.behavior.plain:
            return [1.0] * len(amounts.regions)
        # As many pixels as the coarsest level needs for moments of its own.
        pixels = MIN_CELLS * max(level.stride for level in self.card.levels) ** 2
        shares = []
        for region in amounts.regions:
            contrast = None
            if region is not None:
                source = content.source
                contrast = contrast_of(source, region, enough=TEXTURED, pixels=pixels)
            shares.append(texture_share(content.contrast if contrast is None else contrast))
        return shares

    def _coarse(
        self, content: Content, styles: Sequence[Style], amounts: StyleMap, controls: Controls
    ) -> Content:
        """Encode the photograph with its coarse strokes, painted at 1/K of its size."""
        source, cuts = content.source, (content.tiles[0].rows, content.tiles[0].columns)
        side = max(cut.core.stop - cut.core.start for cut in cuts)
        plan = Plan(side, keep=content.features is not None)
        size = small_size(*content.size, controls.coarse)
        reduced = scaled(source, *size)
        if len(content.tiles) == 1:
            reduced = in_memory(reduced)
        small = Content.of(reduced, content.card, plan, model=self.identity)
        small = replace(small, contrast=content.contrast)
        if plan.keep:
            small = encode(small, self.engine)
        first = replace(controls, coarse=1.0, alpha=1.0, color=None)
        painted = np.empty((*size, 3), np.float32)
        for tile in self.paint(small, styles, first):
            painted[tile.rows, tile.columns] = tile.image
        strokes = Photo(painted, None, source.name)
        basis: Source = CoarseSource(source, reduced, strokes, amounts)
        if len(content.tiles) == 1:
            basis = in_memory(basis)
        coarse = Content.of(source, content.card, plan, model=self.identity, basis=basis)
        coarse = replace(coarse, contrast=content.contrast)
        return encode(coarse, self.engine) if plan.keep else coarse

    def _values(
        self,
        content: Content,
        styles: Sequence[Style | Photo],
        amounts: StyleMap,
        controls: Controls,
    ) -> list[Style]:
        """Return the styles, with photos encoded in the colors that a color method gives them."""
        color = controls.color
        photos = [style for style in styles if isinstance(style, Photo)]
        colors: Sequence[Any] = ()
        if photos and color is not None:
            seen = survey(content.source, amounts.regions, color=color, tiles=content.inner())
            colors = seen.colors
        values = []
        for k, style in enumerate(styles):
            if isinstance(style, Photo):
                if colors and color is not None:
                    style = match_colors(style, colors[k], method=color)
                style = self.style(style, controls.transform)
            values.append(style)
        return values
