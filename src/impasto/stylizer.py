"""The front door: load a model, make styles, stylize pictures."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.affine import check_weights
from impasto.color import moments_of, palette_of
from impasto.coloring import (
    colors_put_back,
    in_palettes,
    matched,
    paints,
    palette_to,
    pixel_counts,
)
from impasto.engines import Engine, open_engine
from impasto.errors import ImageError, OptionError, StyleError
from impasto.filepainting import Written, result_bytes, scaled, write_tiles
from impasto.filesources import open_source
from impasto.images import MAX_PIXELS, Photo, Picture, read_photo, scaled_size
from impasto.library import find_style
from impasto.masks import (
    check_masks,
    check_plane,
    check_strength,
    fit,
    fit_photo,
    read_alpha,
    read_mask,
)
from impasto.models import DEFAULT_MODEL, Card, find_bundle
from impasto.painting import (
    MIN_SIDE,
    Content,
    Painted,
    affines,
    check_image,
    check_size,
    cropped,
    encode,
    kept,
)
from impasto.regions import Statistics, check_statistics, is_flat, shares, strengths
from impasto.styles import Style
from impasto.tiled import TiledPainter, Watch, Wish
from impasto.tiling import MEMORY, Plan, at_once, check_memory, check_tile, plan_tiles
from impasto.windows import ArraySource, PlaneWindows, Source
from impasto.writing import QUALITY, check_depth, check_target, format_of

__all__ = ["MIN_SIDE", "STYLE_SIZE", "Content", "Painted", "Stylizer", "load"]

STYLE_SIZE = 512
"""Shorter side, in pixels, that larger style images are reduced to: the scale of its strokes."""

Plane: TypeAlias = NDArray[np.float32]


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Stylizer:
    """Load a model.

    Args:
        model: a name that ``impasto models`` lists, or the path of a ``.impasto`` file.
        engine: a name in :data:`impasto.engines.ENGINES`; by default the best one installed.
        precision: ``fp32`` or ``bf16``; by default what the engine prefers on this processor.
        threads: how many threads may be used, 1 or more; by default one for each core.

    Returns:
        The model, ready to run.

    Raises:
        ModelError: if the model is unknown, missing or damaged.
        EngineError: if the engine is not installed or does not start.
        OptionError: if engine, precision or threads is not a possible value.

    Example:
        >>> model = load("fast")                                            # doctest: +SKIP
        >>> model.stylize("street.jpg", "wave.jpg").save("out.png")         # doctest: +SKIP
    """
    bundle = find_bundle(model)
    return Stylizer(
        card=bundle.card,
        engine=open_engine(bundle, name=engine, precision=precision, threads=threads),
        identity=bundle.identity,
    )


class Stylizer:
    """A loaded model. It keeps nothing of the pictures and styles that pass through it.

    Made by :func:`load`. Its methods may be called from several threads at once.

    Attributes:
        card: what the model is.
        engine: what runs it.
        identity: 16 hexadecimal digits; styles are valid for one identity.
    """

    def __init__(self, *, card: Card, engine: Engine, identity: str) -> None:
        self.card = card
        self.engine = engine
        self.identity = identity

    def style(self, source: Picture | Photo, *, size: int | None = STYLE_SIZE) -> Style:
        """What is kept of a style image: its moments at every level.

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
        moments = self._encoded(photo.image, photo.alpha, photo.name).moments
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
        alpha: float | Plane = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Plane] | None = None,
        statistics: Statistics = "region",
        color: str | None = None,
        opacity: Plane | None = None,
        tile: int | None = None,
        memory: int = MEMORY,
        watch: Watch | None = None,
    ) -> Painted:
        """Stylize an image that is an array already, and say how long each step took.

        Every style goes where its mask is, as strongly as its weight, and the photograph stays
        where no mask is (:func:`impasto.regions.shares`). Without masks all styles go everywhere.
        Whatever is combined, the decoder runs once.

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
            color: a name in ``color.METHODS``, or None. All of them need the styles as photos.
            opacity: as for :meth:`encode`. What is fully transparent is left as it is.
            tile: paint in tiles of at most this many pixels to a side, 32 or more; None: only what
                does not fit into memory, in tiles as large as fit. The result is the same.
            memory: bytes that may be used beside the image and the result.
            watch: is told after every tile how many steps are done, and how many there are.

        Returns:
            An image of the same size, with times in seconds.

        Raises:
            StyleError: if a style was made by another model, or is no photo and color needs one.
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
        styles = _listed(style)
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
                source = ArraySource(image, opacity)
                wish = self._wish(source, styles, portions, strength, planes, statistics, color)
                return self._in_tiles(source, wish, plan, watch)
        content = self._content(image, opacity, features=paint)
        size = content.image.shape[:2]
        where = np.stack([fit(plane, *size) for plane in planes]) if planes else None
        regions = where if statistics == "region" else None
        if isinstance(strength, np.ndarray):
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
        maps = affines(content, values, amounts, regions, card=self.card)
        align_end = perf_counter()
        decoded = self.engine.decode(content.features, maps)
        result = cropped(decoded, size, card=self.card)
        if color is not None:
            result = colors_put_back(result, content.image, method=color)
        return Painted(
            image=kept(result, content.image, content.opacity, amounts),
            encode_seconds=encode_end - start,
            align_seconds=align_end - encode_end,
            decode_seconds=perf_counter() - align_end,
        )

    def stylize(
        self,
        content: Picture,
        style: Style | Picture | Sequence[Style | Picture],
        *,
        alpha: float | Picture = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Picture] | None = None,
        statistics: Statistics = "region",
        color: str | None = None,
        size: int | None = None,
        style_size: int | None = STYLE_SIZE,
        keep_gps: bool = False,
        tile: int | None = None,
        memory: int = MEMORY,
    ) -> Image.Image | NDArray[Any]:
        """A picture in the style of another, or of several.

        What is transparent in the picture is left alone, and does not count in its statistics.

        Args:
            content: a file, Pillow image or array, at least 16 x 16 pixels.
            style: made by this model's :meth:`style`, the name of one that is kept, or a picture to
                make it of; or a list of those.
            alpha: strength in [0, 2]: 0 the photograph, 1 the style, above 1 exaggerated. Or a map
                of it: a gray picture of any size, white for 1.
            weights: one for each style, 0 or more; only their ratios count.
            masks: one for each style: a gray picture or one with an alpha channel, of any size,
                that says where the style goes. What no mask covers stays the photograph.
            statistics: "region" or "image", as for :meth:`paint`.
            color: a name in ``color.METHODS``: how the photograph keeps its colors, or takes on
                the style's and nothing else. It needs the styles as pictures.
            size: shorter side of the result in pixels, 16 or more; by default the content's.
            style_size: as ``size`` of :meth:`style`, for styles that are pictures.
            keep_gps: keep the place where the photograph was taken among its EXIF data.
            tile: as for :meth:`paint`.
            memory: as for :meth:`paint`. The picture itself is held as floats;
                :meth:`stylize_file` holds as little of it as it can.

        Returns:
            A Pillow image of 8 bits for a file or a Pillow image (``Photo.save`` writes 16), and
            for an array one of the same dtype and layout. Transparency is kept.

        Raises:
            ImageError: if a picture cannot be read or is too small, or a mask is in color.
            StyleError: if a style was made by another model, or there is none of that name, or
                color needs a picture.
            OptionError: if alpha, weights, masks, statistics, color or a size are out of range.

        Example:
            >>> model.stylize("street.jpg", wave, alpha=0.8).save("out.png")     # doctest: +SKIP
            >>> model.stylize("street.jpg", [wave, "rain.jpg"], weights=[2, 1])  # doctest: +SKIP
        """
        # All that is cheap to find wrong comes before anything is read or encoded.
        strength = read_alpha(alpha)
        check_size(size)
        check_size(style_size)
        paints(color)
        styles = [self._found(each) for each in _listed(style)]
        for each in styles:
            if isinstance(each, Style):
                self.check_style(each, color=color)
        check_weights(weights, len(styles))
        check_statistics(statistics)
        planes = None if masks is None else [read_mask(each) for each in _listed(masks)]
        check_masks(planes, len(styles))
        photo = fit_photo(read_photo(content, keep_gps=keep_gps), size)
        check_image(photo.image, photo.name)
        painted = self.paint(
            photo.image,
            [
                each
                if isinstance(each, Style)
                else fit_photo(read_photo(each), style_size, enlarge=False)
                for each in styles
            ],
            alpha=strength,
            weights=weights,
            masks=planes,
            statistics=statistics,
            color=color,
            opacity=photo.alpha,
            tile=tile,
            memory=memory,
        )
        return photo.give_back(painted.image)

    def stylize_file(
        self,
        content: str | os.PathLike[str],
        target: str | os.PathLike[str],
        style: Style | Picture | Photo | Sequence[Style | Picture | Photo],
        *,
        alpha: float | Picture = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Picture] | None = None,
        statistics: Statistics = "region",
        color: str | None = None,
        size: int | None = None,
        style_size: int | None = STYLE_SIZE,
        tile: int | None = None,
        memory: int = MEMORY,
        max_pixels: int = MAX_PIXELS,
        keep_gps: bool = False,
        quality: int = QUALITY,
        depth: int | None = None,
        overwrite: bool = False,
        watch: Watch | None = None,
    ) -> Written:
        """A picture in the style of another, from file to file, whatever its size.

        The result is that of :meth:`stylize`. A picture that does not fit into memory is painted in
        tiles. PNG and TIFF are read and written in strips (:func:`impasto.filesources.open_source`
        says which), so memory does not grow with them; of other formats three bytes or four a pixel
        are held, and of masks and maps of strength four for each of their own pixels.

        Args:
            content: a file, at least 16 x 16 pixels.
            target: the file to write: PNG, TIFF, JPEG, WebP or AVIF, by its suffix.
            style: as for :meth:`stylize`, as are alpha, weights, masks, statistics, color, size and
                style_size.
            alpha: strength.
            weights: of the styles.
            masks: where each style goes.
            statistics: "region" or "image".
            color: a name in ``color.METHODS``, or None.
            size: shorter side of the result in pixels; by default the content's.
            style_size: shorter side that larger style pictures are reduced to.
            tile: paint in tiles of at most this many pixels to a side, 32 or more; None: only what
                does not fit into memory, in tiles as large as fit.
            memory: bytes that the process may use.
            max_pixels: a larger picture is refused.
            keep_gps: keep the place where the photograph was taken among its EXIF data.
            quality: of JPEG, WebP and AVIF, 1 to 100.
            depth: bits a channel, 8 or 16, which is for PNG and TIFF; by default 16 where the
                photograph has more than 8.
            overwrite: replace a file that is there.
            watch: is told after every tile how many steps are done, and how many there are.

        Returns:
            Where the result is, and how long each step took.

        Raises:
            ImageError: if a picture cannot be read, is too small or too large, or the result cannot
                be written.
            StyleError: as :meth:`stylize`.
            OptionError: as :meth:`stylize`, or if memory is too small for any tile.

        Example:
            >>> model.stylize_file("scan.tif", "painted.tif", wave)             # doctest: +SKIP
        """
        # All that is cheap to find wrong comes before anything is read or encoded.
        strength = read_alpha(alpha)
        check_size(size)
        check_size(style_size)
        check_tile(tile)
        check_memory(memory)
        portions = check_weights(weights, len(_listed(style)))
        check_statistics(statistics)
        path = Path(target)
        check_depth(depth, format_of(path))
        check_target(path, overwrite=overwrite)
        styles = [self._ready(each, style_size, color=color) for each in _listed(style)]
        planes = check_masks(
            None if masks is None else [read_mask(each) for each in _listed(masks)], len(styles)
        )
        with open_source(Path(content), max_pixels=max_pixels, keep_gps=keep_gps) as picture:
            height, width = picture.height, picture.width
            if size is not None:
                height, width = scaled_size(height, width, size)
            if min(height, width) < MIN_SIDE:
                raise ImageError(
                    f"{picture.name}: {width} x {height} pixels is too small; each side needs "
                    f"{MIN_SIDE} or more"
                )
            source = picture.source()
            maps = [*planes, *([strength] if isinstance(strength, np.ndarray) else [])]
            bits = depth or (source.depth if format_of(path).deep else 8)
            whole, row_bytes = result_bytes(path, height, width, 4, bits)
            plan = plan_tiles(
                height,
                width,
                card=self.card,
                memory=memory,
                tile=tile,
                held=source.held + whole + sum(each.nbytes for each in maps),
                row_bytes=source.row_bytes + row_bytes,
            ) or Plan(max(height, width) + 2 * self.card.margin + self.card.multiple, keep=True)
            source = scaled(source, height, width)
            wish = self._wish(source, styles, portions, strength, planes, statistics, color)
            painter = self._painter(source, wish, plan, watch)
            corner = source.window(slice(0, 1), slice(0, 1))
            write_tiles(
                painter.run(),
                path,
                height=height,
                width=width,
                channels=3 if corner[1] is None else 4,
                depth=bits,
                exif=picture.exif,
                overwrite=overwrite,
                quality=quality,
            )
        times = painter.times
        side = plan.side if plan.side < max(height, width) else None
        return Written(
            path, width, height, picture.remark, side, times.encode, times.align, times.decode
        )

    def fits(
        self,
        content: str | os.PathLike[str],
        *,
        size: int | None = None,
        memory: int = MEMORY,
        max_pixels: int = MAX_PIXELS,
    ) -> bool:
        """Whether a file can be painted at once within a budget, by its header.

        Args:
            content: a file.
            size: as for :meth:`stylize_file`, as are memory and max_pixels.
            memory: bytes that the process may use.
            max_pixels: a larger picture is refused.

        Raises:
            ImageError: if there is no such picture, or it is too large.

        Example:
            >>> model.fits("scan.tif")                                          # doctest: +SKIP
            False
        """
        with open_source(Path(content), max_pixels=max_pixels) as picture:
            height, width = picture.height, picture.width
        # Its floats and those of the result, what they were decoded from and what they become.
        held = 24 * height * width
        if size is not None:
            height, width = scaled_size(height, width, size)
            held += 24 * height * width
        return at_once(height, width, card=self.card, memory=memory, held=held)

    def check_style(self, style: Style | Photo, *, color: str | None = None) -> None:
        """Refuse a style that :meth:`paint` would refuse, before any work.

        Args:
            style: a style, or a photo to make it of.
            color: the color method it shall be used with.

        Raises:
            StyleError: if it was made by another model, or is no photo and color needs one.
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
        if color is not None:
            raise StyleError(
                f"color {color!r} works on the picture of a style, which style {style.name!r} has "
                "not kept: give the picture itself"
            )

    def _wish(
        self,
        source: Source,
        styles: Sequence[Style | Photo],
        weights: NDArray[np.float64],
        alpha: float | Plane,
        masks: Sequence[Plane],
        statistics: Statistics,
        color: str | None,
    ) -> Wish:
        height, width = source.height, source.width
        return Wish(
            styles=tuple(styles),
            weights=weights,
            alpha=alpha if isinstance(alpha, float) else PlaneWindows(alpha, height, width),
            masks=tuple(PlaneWindows(mask, height, width) for mask in masks),
            by_region=statistics == "region",
            color=color,
        )

    def _painter(self, source: Source, wish: Wish, plan: Plan, watch: Watch | None) -> TiledPainter:
        return TiledPainter(
            source,
            wish,
            plan,
            engine=self.engine,
            card=self.card,
            make_style=partial(self.style, size=None),
            watch=watch,
        )

    def _in_tiles(self, source: Source, wish: Wish, plan: Plan, watch: Watch | None) -> Painted:
        painter = self._painter(source, wish, plan, watch)
        result = np.empty((source.height, source.width, 3), np.float32)
        for tile in painter.run():
            result[tile.rows, tile.columns] = tile.image
        times = painter.times
        return Painted(result, times.encode, times.align, times.decode)

    def _ready(
        self, style: Style | Picture | Photo, size: int | None, *, color: str | None
    ) -> Style | Photo:
        """A style as :meth:`paint` takes it."""
        found = style if isinstance(style, Photo) else self._found(style)
        if isinstance(found, Style):
            self.check_style(found, color=color)
            return found
        photo = found if isinstance(found, Photo) else read_photo(found)
        photo = fit_photo(photo, size, enlarge=False)
        self.check_style(photo, color=color)
        return photo

    def _found(self, style: Style | Picture) -> Style | Picture:
        if isinstance(style, str | os.PathLike):
            return find_style(style, model=self.identity, model_name=self.card.name)
        return style

    def _value(
        self, style: Style | Photo, content: Content, region: Plane | None, color: str | None
    ) -> Style:
        if isinstance(style, Style):
            return style
        if color is not None:
            reference = moments_of(content.image, pixel_counts(content.opacity, region))
            style = matched(style, reference, method=color)
        return self.style(style, size=None)

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


def _listed(values: Any) -> list[Any]:
    return list(values) if isinstance(values, list | tuple) else [values]
