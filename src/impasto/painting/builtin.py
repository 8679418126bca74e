"""A loaded model whose styles are built into its network: the same verbs, styles by name alone.

Its normalization takes statistics of the whole picture within the network, so nothing can be
painted in tiles: a picture that does not fit into memory is refused.
"""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import check_weights
from impasto.controls.color.matching import colors_put_back, needs_picture
from impasto.controls.masks import (
    Mask,
    PictureMask,
    check_masks,
    check_strength,
    fit,
    read_alpha,
    read_masks,
)
from impasto.controls.moments import cell_average
from impasto.controls.regions import Statistics, check_statistics, shares, strengths
from impasto.errors import ImageError, OptionError, StyleError
from impasto.images.formats import one_line
from impasto.images.options import SaveOptions, check_size
from impasto.images.photo import Photo, Picture, fill_hidden, fit_photo, read_photo
from impasto.images.resizing import MAX_PIXELS, Plane, scaled_size
from impasto.images.sources import open_picture
from impasto.images.writing import QUALITY, check_depth, check_target, format_of
from impasto.painting.adain import STYLE_SIZE, Painter, listed
from impasto.painting.files import Written, write_painted
from impasto.painting.plan import MEMORY, check_memory, check_tile, memory_at_once
from impasto.painting.steps import Content, Painted, check_image, cropped, kept, padded
from impasto.painting.tiles import Watch
from impasto.styles.style import Style


class BuiltInPainter(Painter):
    """A model with built-in styles and what runs it. ``card.styles`` are their names.

    Attributes:
        card: what the model is; ``card.controls`` says what can be asked of it.
        engine: what runs it.
        identity: 16 hexadecimal digits.
    """

    def style(self, source: Picture | Photo, *, size: int | None = STYLE_SIZE) -> Style:
        """Refused: no style can be made of a picture. One that is built in has a name.

        Args:
            source: a picture.
            size: of it.

        Raises:
            StyleError: always.

        Example:
            >>> model.style("wave.jpg")                                     # doctest: +SKIP
            Traceback (most recent call last):
            impasto.errors.StyleError: a picture cannot be a style of model 'waves': ...
        """
        raise StyleError(f"a picture cannot be a style of {self._facts()}")

    def found(self, style: Style | Picture) -> Style:
        """The style that a name means.

        Args:
            style: a name in ``card.styles``, or what this method made of one.

        Raises:
            StyleError: for any other name, and for pictures.

        Example:
            >>> model.found("wave").name                                    # doctest: +SKIP
            'wave'
        """
        if isinstance(style, Style):
            return style
        if not isinstance(style, str | os.PathLike):
            raise StyleError(f"a picture cannot be a style of {self._facts()}")
        name = str(style)
        if name not in self.card.styles:
            near = difflib.get_close_matches(name, self.card.styles, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise StyleError(
                f"there is no style {one_line(name)!r}; {hint}no picture can be a style of "
                + self._facts()
            )
        return Style(name=name, model=self.identity, moments=(), model_name=self.card.name)

    def encode(self, image: NDArray[np.float32], *, opacity: Plane | None = None) -> Content:
        """A photograph as :meth:`paint` takes it; nothing is computed yet.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more.
            opacity: what of it can be seen, (H, W) in [0, 1] of any size.

        Raises:
            ImageError: if the array is no such image.
            OptionError: if the opacity is no such array.

        Example:
            >>> street = model.encode(image)                                # doctest: +SKIP
        """
        return self._encoded(image, opacity, "the image", features=False)

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

        Arguments mean what they mean for :meth:`impasto.painting.adain.Painter.paint`;
        ``card.controls`` says which of them can be something else than their default.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more.
            style: of :meth:`found`, one or several.
            alpha: strength, with "alpha" among the controls; a map needs "masks" too.
            weights: one for each style, with "several" among the controls.
            masks: one for each style, with "masks" among the controls.
            statistics: makes no difference: those of the whole image are taken in the network.
            color: "luminance", or None.
            opacity: what of the image can be seen.
            tile: must be None.
            memory: bytes that may be used beside the image and the result.
            watch: is not told anything: there is one step.

        Raises:
            StyleError: if a style is not one of this model.
            OptionError: if an option is out of range, or the model cannot do it.
            ImageError: if the array is no such image, or too large for the memory.

        Example:
            >>> model.paint(image, model.found("wave")).image.shape == image.shape  # doctest: +SKIP
            True
        """
        styles = listed(style)
        for each in styles:
            self.check_style(each, color=color)
        portions = check_weights(weights, len(styles))
        strength = check_strength(alpha)
        planes = check_masks(masks, len(styles))
        check_statistics(statistics)
        check_tile(tile)
        check_memory(memory)
        self._check_controls(len(styles), strength, masked=bool(planes), tile=tile)
        start = perf_counter()
        content = self._content(image, opacity, features=False)
        size = content.image.shape[:2]
        self._check_fits(*size, memory=memory, name="the image")
        where = np.stack([fit(plane, *size) for plane in planes]) if planes else None
        if not isinstance(strength, float):
            strength = fit(strength, *size)
        amounts = strengths(strength, shares(portions, where))
        given = self._weights(styles, amounts)
        filled = fill_hidden(content.image, content.opacity).transpose(2, 0, 1)
        before = perf_counter()
        made = self.engine.paint(padded(filled.astype(np.float32, copy=False), self.card), given)
        result = cropped(made, size, card=self.card)
        if color is not None:
            result = colors_put_back(result, content.image, method=color)
        return Painted(
            image=kept(result, content.image, content.opacity, amounts),
            encode_seconds=0.0,
            align_seconds=before - start,
            decode_seconds=perf_counter() - before,
        )

    def check_style(self, style: Style | Photo, *, color: str | None = None) -> None:
        """Refuse what is no style of this model, before any work.

        Args:
            style: a style.
            color: the color method it shall be used with.

        Raises:
            StyleError: if it is a picture or the style of another model.
            OptionError: if the color method needs the picture of a style.

        Example:
            >>> model.check_style(model.found("wave"))                      # doctest: +SKIP
        """
        if not isinstance(style, Style):
            raise StyleError(f"a picture cannot be a style of {self._facts()}")
        if style.model != self.identity or style.name not in self.card.styles:
            raise StyleError(
                f"style {style.name!r} was made by another model ({style.model}) than this: it is "
                f"no style of {self._facts()}"
            )
        if needs_picture(color):
            raise OptionError(
                f"color {color!r} works on the picture of a style, and the styles of model "
                f"{self.card.name!r} are built in: only 'luminance' can be done"
            )

    def fits(
        self,
        content: str | os.PathLike[str],
        *,
        size: int | None = None,
        memory: int = MEMORY,
        max_pixels: int = MAX_PIXELS,
    ) -> bool:
        """Whether a file can be painted within a budget, by its header.

        Args:
            content: a file.
            size: shorter side of the result in pixels; by default the content's.
            memory: bytes that the process may use.
            max_pixels: a larger picture is refused.

        Raises:
            ImageError: if there is no such picture, or it is too large.

        Example:
            >>> model.fits("scan.tif")                                          # doctest: +SKIP
            False
        """
        with open_picture(Path(content), max_pixels=max_pixels) as picture:
            height, width = picture.height, picture.width
        if size is not None:
            height, width = scaled_size(height, width, size)
        return memory_at_once(height, width, card=self.card) <= memory

    def stylize_file(
        self,
        content: str | os.PathLike[str],
        target: str | os.PathLike[str],
        style: Style | Picture | Photo | Sequence[Style | Picture | Photo],
        *,
        alpha: float | Picture | PictureMask = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Picture | PictureMask] | None = None,
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
        """A picture in built-in styles, from file to file, as a whole.

        Args:
            content: a file, at least 16 x 16 pixels.
            target: the file to write: PNG, TIFF, JPEG, WebP or AVIF, by its suffix.
            style: one or several names, or what :meth:`found` made of them.
            alpha: as for :meth:`paint`, as are weights, masks, statistics, color and tile.
            weights: of the styles.
            masks: where each style goes.
            statistics: makes no difference.
            color: "luminance", or None.
            size: shorter side of the result in pixels; by default the content's.
            style_size: makes no difference.
            tile: must be None.
            memory: bytes that the process may use.
            max_pixels: a larger picture is refused.
            keep_gps: keep the place where the photograph was taken among its EXIF data.
            quality: of JPEG, WebP and AVIF, 1 to 100.
            depth: bits a channel, 8 or 16; by default 16 where photograph and format have them.
            overwrite: replace a file that is there.
            watch: is not told anything.

        Returns:
            Where the result is, and how long each step took.

        Raises:
            ImageError: if a picture cannot be read, is too small, or too large for the memory, or
                the result cannot be written.
            StyleError: as :meth:`found`.
            OptionError: as :meth:`paint`.

        Example:
            >>> model.stylize_file("street.jpg", "painted.png", "wave")         # doctest: +SKIP
        """
        check_size(size)
        check_tile(tile)
        check_memory(memory)
        path = Path(target)
        check_depth(SaveOptions(quality=quality, depth=depth).depth, format_of(path))
        check_target(path, overwrite=overwrite)
        styles = [self.found(each) for each in listed(style)]
        for each in styles:
            self.check_style(each, color=color)
        with open_picture(Path(content), max_pixels=max_pixels) as picture:
            height, width = picture.height, picture.width
        if size is not None:
            height, width = scaled_size(height, width, size)
        self._check_fits(height, width, memory=memory, name=one_line(content))
        strength = read_alpha(alpha, max_pixels=max_pixels)
        planes = read_masks(masks, len(styles), max_pixels=max_pixels)
        self._check_controls(len(styles), strength, masked=bool(planes), tile=tile)
        photo = read_photo(content, max_pixels=max_pixels, keep_gps=keep_gps)
        photo = fit_photo(photo, size)
        check_image(photo.image, photo.name)
        painted = self.paint(
            photo.image,
            styles,
            alpha=strength,
            weights=weights,
            masks=planes or None,
            statistics=statistics,
            color=color,
            opacity=photo.alpha,
            tile=tile,
            memory=memory,
        )
        return write_painted(
            painted, photo, path, depth=depth, overwrite=overwrite, quality=quality
        )

    def _check_controls(
        self, count: int, alpha: float | Mask, *, masked: bool, tile: int | None
    ) -> None:
        """Refuse what this model cannot do, naming what it can."""
        asked = {
            "several": count > 1 and "mix styles",
            "masks": masked and "confine a style to a mask",
            "alpha": not (isinstance(alpha, float) and alpha == 1)
            and "paint with another strength than 1",
        }
        if not isinstance(alpha, float) and "alpha" in self.card.controls and not asked["masks"]:
            asked["masks"] = "change its strength from place to place"
        for control, what in asked.items():
            if what and control not in self.card.controls:
                able = ", ".join(self.card.controls) or "none of alpha, several and masks"
                raise OptionError(
                    f"model {self.card.name!r} cannot {what}: its controls are {able}; leave that "
                    "out, or use a model for any style"
                )
        if tile is not None:
            raise OptionError(
                f"model {self.card.name!r} cannot paint in tiles, since it takes statistics of the "
                "whole picture: leave tile out, and give a size that fits into memory"
            )

    def _check_fits(self, height: int, width: int, *, memory: int, name: str) -> None:
        needed = memory_at_once(height, width, card=self.card)
        if needed <= memory:
            return
        fixed = memory_at_once(0, 0, card=self.card)
        share = (memory - fixed) / (needed - fixed)
        side = math.floor(min(height, width) * math.sqrt(max(share, 0.0)) * 0.98)
        mend = f"give --size {side} or less, or" if side >= 16 else "give"
        raise ImageError(
            f"{name}: {width} x {height} pixels need {needed / 1e6:,.0f} MB with model "
            f"{self.card.name!r}, which sees pictures as a whole and cannot paint in tiles, and "
            f"memory is {memory / 1e6:,.0f} MB; {mend} more memory"
        )

    def _weights(
        self, styles: Sequence[Style], amounts: NDArray[np.floating[Any]]
    ) -> NDArray[np.float32] | None:
        """How much of every style that the model has: (S, 1, 1), or (S, h, w)."""
        if not self.card.weighted:
            return None
        if amounts.ndim == 1:
            cells = amounts[:, None, None]
        else:
            cells = cell_average(padded(amounts, self.card), self.card.multiple)
        found = np.zeros((len(self.card.styles), *cells.shape[1:]), np.float32)
        for style, amount in zip(styles, cells, strict=True):
            found[self.card.styles.index(style.name)] += amount
        return found

    def _facts(self) -> str:
        names = self.card.styles
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        return f"model {self.card.name!r}, whose styles are built in: {shown}"
