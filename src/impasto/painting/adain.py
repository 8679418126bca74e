"""A loaded model that paints arrays: styles from photographs, photographs in styles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import check_weights
from impasto.controls.color import moments_of, palette_of
from impasto.controls.color.matching import (
    colors_put_back,
    in_palettes,
    matched,
    needs_picture,
    paints,
    palette_to,
    pixel_counts,
)
from impasto.controls.masks import Mask, PlaneWindows, check_masks, check_plane, check_strength, fit
from impasto.controls.regions import (
    Statistics,
    check_statistics,
    is_flat,
    shares,
    strengths,
)
from impasto.errors import ImageError, OptionError, StyleError
from impasto.images.options import check_size
from impasto.images.photo import Photo, Picture, fit_photo, read_photo
from impasto.images.resizing import Plane
from impasto.images.windows import Source
from impasto.models import Card
from impasto.models.engine import Engine
from impasto.painting.plan import MEMORY, Plan, check_memory, check_tile, plan_tiles
from impasto.painting.steps import (
    Content,
    Painted,
    affines,
    check_image,
    cropped,
    encode,
    kept,
    read,
)
from impasto.painting.tiles import TiledPainter, Watch, Wish
from impasto.styles.style import Style

STYLE_SIZE = 512
"""Shorter side, in pixels, that larger style images are reduced to: the scale of its strokes."""


class Painter:
    """A model and what runs it. It keeps nothing of the pictures and styles that pass through it.

    Attributes:
        card: what the model is.
        engine: what runs it.
        identity: 16 hexadecimal digits; styles are valid for one identity.
        keeps_styles: whether :meth:`style` makes values to keep; else styles are pictures.
    """

    keeps_styles = True

    def __init__(self, *, card: Card, engine: Engine, identity: str) -> None:
        self.card = card
        self.engine = engine
        self.identity = identity

    def style(self, source: Picture | Photo, *, size: int | None = STYLE_SIZE) -> Style:
        """What is kept of a style image: the moments that a picture in it has at every level.

        What is transparent in the image does not count.

        Args:
            source: a file, Pillow image or array, at least 16 x 16 pixels; or a photo read before.
            size: shorter side in pixels, 16 or more, that a larger image is reduced to; a smaller
                one is left as it is. None leaves every image as it is. The size sets the scale of
                strokes and ornaments.

        Returns:
            A value to keep and use again, for this model.

        Raises:
            ImageError: if the picture cannot be read, is too small or transparent everywhere.
            OptionError: if size is below 16.

        Example:
            >>> wave = model.style("wave.jpg")                              # doctest: +SKIP
        """
        check_size(size)
        photo = source if isinstance(source, Photo) else read_photo(source)
        photo = fit_photo(photo, size, enlarge=False)
        self.check_style(photo)
        content = self._encoded(photo.image, photo.alpha, photo.name)
        moments = read(content, engine=self.engine, card=self.card)
        return Style(
            name=photo.name, model=self.identity, moments=moments, model_name=self.card.name
        )

    def encode(self, image: NDArray[np.float32], *, opacity: Plane | None = None) -> Content:
        """What is kept of a photograph to paint it more than once.

        The image is padded by reflection, ``Card.margin`` pixels on every side and what is missing
        to ``Card.multiple`` at the bottom and at the right, so nothing is shifted; after decoding
        the padding is cut off. The content's moments are those of the padded image.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more.
            opacity: what of it can be seen, an (H, W) array in [0, 1] of any size: the moments are
                weighted by it. If less of the image can be seen than has moments
                (``regions.MIN_CELLS`` positions of a level), those of the whole image are taken.

        Returns:
            A value to give to :meth:`paint` instead of the image.

        Raises:
            ImageError: if the array is no such image.
            OptionError: if the opacity is no such array.

        Example:
            >>> street = model.encode(image)                                # doctest: +SKIP
            >>> [model.paint(street, each).image for each in styles]        # doctest: +SKIP
        """
        return self._encoded(image, opacity, "the image")

    def paint(
        self,
        image: NDArray[np.float32] | Content,
        style: Style | Photo | Sequence[Style | Photo],
        *,
        alpha: float | Mask = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Mask] | None = None,
        statistics: Statistics = "region",
        color: str | None = None,
        opacity: Plane | None = None,
        tile: int | None = None,
        memory: int = MEMORY,
        watch: Watch | None = None,
    ) -> Painted:
        """Stylize an image that is an array already, and say how long each step took.

        Every style goes where its mask is, as strongly as its weight, and the photograph stays
        where no mask is (:func:`impasto.controls.regions.shares`). Without masks all styles go
        everywhere. Whatever is combined, the decoder runs once.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more, or what
                :meth:`encode` made of it.
            style: made by this model's :meth:`style`, or a photo to make it of at its own size;
                one or several.
            alpha: strength in [0, 2], a number or an (H, W) map of any size: 0 is the photograph,
                1 the full style, more exaggerates it. Below ``painting.FADE`` what the model makes
                is mixed with the photograph itself, which no decoder gives back exactly.
            weights: one for each style, 0 or more; only their ratios count. By default all are
                the same.
            masks: one for each style, (H, W) arrays in [0, 1] of any size, stretched to the image.
            statistics: "region" gives each style the moments that the content has within its mask,
                as the paper's code does; "image" gives all of them those of the whole content. A
                region of less than ``regions.MIN_CELLS`` positions at a level gets those of the
                whole content there. The same holds for colors.
            color: a name in ``color.METHODS``, or None. All but "luminance" need the styles as
                photos; a style that was kept is not fitted to the photograph's luminance first.
            opacity: as for :meth:`encode`. What is fully transparent is left as it is.
            tile: paint in tiles of at most this many pixels to a side, 32 or more; None: only what
                does not fit into memory, in tiles as large as fit. The result is the same.
            memory: bytes that may be used beside the image and the result.
            watch: is told after every tile how many steps are done, and how many there are.

        Returns:
            An image of the same size, with times in seconds.

        Raises:
            StyleError: if a style was made by another model, or is no photo where color needs one.
            OptionError: if alpha, weights, masks, statistics, color, tile or memory are out of
                range, a mask is 0 everywhere, or memory is too small for any tile.
            ImageError: if the array is no such image.

        Example:
            >>> painted = model.paint(image, wave, alpha=0.8)               # doctest: +SKIP
            >>> painted.image.shape == image.shape                          # doctest: +SKIP
            True
            >>> model.paint(image, [wave, rain], masks=[sky, 1 - sky])      # doctest: +SKIP
        """
        # All that is cheap to find wrong comes before anything is encoded.
        styles = listed(style)
        paint = paints(color)
        for each in styles:
            self.check_style(each, color=color)
        portions = check_weights(weights, len(styles))
        strength = check_strength(alpha)
        planes = check_masks(masks, len(styles))
        check_statistics(statistics)
        check_tile(tile)
        check_memory(memory)
        start = perf_counter()
        if isinstance(image, Content):
            if tile is not None:
                raise OptionError("the image is encoded already, as a whole: give no tile")
        else:
            check_image(image, "the image")
            height, width = image.shape[:2]
            plan = plan_tiles(height, width, card=self.card, memory=memory, tile=tile)
            if plan is not None:
                if opacity is not None:
                    opacity = fit(check_plane(opacity, "opacity"), height, width)
                source = Photo(image, opacity, "the image")
                return _joined(
                    self.tiled(
                        source,
                        plan,
                        styles,
                        alpha=strength,
                        weights=portions,
                        masks=planes,
                        statistics=statistics,
                        color=color,
                        watch=watch,
                    ),
                    height,
                    width,
                )
        content = self._content(image, opacity, features=paint)
        size = content.image.shape[:2]
        where = np.stack([fit(plane, *size) for plane in planes]) if planes else None
        regions = where if statistics == "region" else None
        if not isinstance(strength, float):
            strength = fit(strength, *size)
        amounts = strengths(strength, shares(portions, where))
        if not paint:
            image, seen = content.image, content.opacity
            maps_of_colors = [
                palette_to(
                    palette_of(image, pixel_counts(seen, None if regions is None else regions[k])),
                    each,
                )
                for k, each in enumerate(styles)
            ]
            recolored = in_palettes(image, maps_of_colors, amounts)
            result = kept(recolored, content.image, content.opacity, amounts)
            return Painted(result, 0.0, perf_counter() - start, 0.0)
        values = [
            self._value(each, content, None if regions is None else regions[k], color)
            for k, each in enumerate(styles)
        ]
        encode_end = perf_counter()
        result, align_end = self._decoded(content, values, amounts, regions)
        if color is not None:
            result = colors_put_back(result, content.image, method=color)
        return Painted(
            image=kept(result, content.image, content.opacity, amounts),
            encode_seconds=encode_end - start,
            align_seconds=align_end - encode_end,
            decode_seconds=perf_counter() - align_end,
        )

    def check_style(self, style: Style | Photo, *, color: str | None = None) -> None:
        """Refuse a style that :meth:`paint` would refuse, before any work.

        Args:
            style: a style, or a photo to make it of.
            color: the color method it shall be used with.

        Raises:
            StyleError: if it was made by another model, or is no photo where color needs one.
            ImageError: if the photo is too small or transparent everywhere.

        Example:
            >>> model.check_style(wave)                                     # doctest: +SKIP
        """
        if isinstance(style, Photo):
            check_image(style.image, style.name)
            if style.alpha is not None and not style.alpha.any():
                raise ImageError(
                    f"{style.name}: is transparent everywhere, so there is no style in it"
                )
            return
        if not isinstance(style, Style):
            raise StyleError(f"a {type(style).__name__} is not a style: make one with style()")
        if style.model != self.identity:
            raise StyleError(
                f"style {style.name!r} was made by another model ({style.model}) than "
                f"{self.card.name!r} ({self.identity}): make it again with this model's style()"
            )
        if len(style.moments) != len(self.card.levels):
            raise StyleError(
                f"style {style.name!r} has {len(style.moments)} levels and model "
                f"{self.card.name!r} has {len(self.card.levels)}: make it again with style()"
            )
        if needs_picture(color):
            raise StyleError(
                f"color {color!r} works on the picture of a style, which style {style.name!r} has "
                "not kept: give the picture itself, or take 'luminance'"
            )

    def tiled(
        self,
        source: Source,
        plan: Plan,
        styles: Sequence[Style | Photo],
        *,
        alpha: float | Mask,
        weights: NDArray[np.float64],
        masks: Sequence[Mask],
        statistics: Statistics,
        color: str | None,
        watch: Watch | None,
    ) -> TiledPainter:
        """What paints a picture in tiles, of options that were checked; see :meth:`paint`.

        Args:
            source: the picture.
            plan: how it is cut.
            styles: as for :meth:`paint`, as are alpha, statistics, color and watch.
            alpha: strength.
            weights: of :func:`impasto.controls.affine.check_weights`.
            masks: of :func:`impasto.controls.masks.check_masks`.
            statistics: "region" or "image".
            color: a name in ``color.METHODS``, or None.
            watch: is told after every tile.
        """
        height, width = source.height, source.width
        wish = Wish(
            styles=tuple(styles),
            weights=weights,
            alpha=alpha if isinstance(alpha, float) else PlaneWindows(alpha, height, width),
            masks=tuple(PlaneWindows(mask, height, width) for mask in masks),
            by_region=statistics == "region",
            color=color,
        )
        return TiledPainter(
            source,
            wish,
            plan,
            engine=self.engine,
            card=self.card,
            make_style=partial(self.style, size=None),
            watch=watch,
        )

    def _decoded(
        self,
        content: Content,
        styles: Sequence[Any],
        amounts: NDArray[np.floating[Any]],
        regions: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.float32], float]:
        """The picture in [0, 1], and when its decoding began."""
        maps = affines(content, styles, amounts, regions, card=self.card)
        begin = perf_counter()
        decoded = self.engine.decode(content.features, maps)
        return cropped(decoded, content.image.shape[:2], card=self.card), begin

    def _value(
        self, style: Style | Photo, content: Content, region: Plane | None, color: str | None
    ) -> Style | Photo:
        if isinstance(style, Style):
            return style
        if color is not None:
            reference = moments_of(content.image, pixel_counts(content.opacity, region))
            style = matched(style, reference, method=color)
        return self.style(style, size=None) if self.keeps_styles else style

    def _content(
        self, image: NDArray[np.float32] | Content, opacity: Plane | None, *, features: bool
    ) -> Content:
        if not isinstance(image, Content):
            return self._encoded(image, opacity, "the image", features=features)
        if image.model != self.identity:
            raise OptionError(
                f"the image was encoded by another model ({image.model}) than "
                f"{self.card.name!r} ({self.identity}): encode it again with this model's encode()"
            )
        if opacity is not None:
            raise OptionError("the image is encoded already: give its opacity to encode()")
        return image

    def _encoded(
        self,
        image: NDArray[np.float32],
        opacity: Plane | None,
        name: str,
        *,
        features: bool = True,
    ) -> Content:
        check_image(image, name)
        if opacity is not None:
            opacity = fit(check_plane(opacity, "opacity"), *image.shape[:2])
            if is_flat(opacity) and opacity[0, 0] > 0:
                opacity = None
        if not features:
            return Content(image, opacity, (), (), self.identity)
        return encode(image, opacity, engine=self.engine, card=self.card, model=self.identity)


def _joined(painter: TiledPainter, height: int, width: int) -> Painted:
    result = np.empty((height, width, 3), np.float32)
    for tile in painter.run():
        result[tile.rows, tile.columns] = tile.image
    times = painter.times
    return Painted(result, times.encode, times.align, times.decode)


def listed(values: Any) -> list[Any]:
    """One or several values as a list; an array is one value."""
    return list(values) if isinstance(values, list | tuple) else [values]
