"""The front door: load a model, make styles, stylize pictures."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from numpy.typing import NDArray
from PIL import Image

from impasto.controls.affine import check_weights
from impasto.controls.color.matching import paints
from impasto.controls.masks import PictureMask, bytes_held, mask_reader, read_alpha, read_masks
from impasto.controls.regions import Statistics, check_statistics
from impasto.errors import ImageError, OptionError
from impasto.images.options import MIN_SIDE, SaveOptions, check_size
from impasto.images.photo import Photo, Picture, fit_photo, read_photo
from impasto.images.resizing import MAX_PIXELS, scaled_size
from impasto.images.sources import open_picture
from impasto.images.writing import (
    QUALITY,
    check_depth,
    check_target,
    format_of,
    result_bytes,
    write_tiles,
)
from impasto.models import DEFAULT_MODEL, find_bundle, lab_module
from impasto.models.engine import open_engine
from impasto.painting.adain import STYLE_SIZE, Painter, listed
from impasto.painting.builtin import BuiltInPainter
from impasto.painting.files import Written, scaled
from impasto.painting.plan import (
    MEMORY,
    Plan,
    at_once,
    check_memory,
    check_tile,
    plan_tiles,
)
from impasto.painting.steps import Content, Painted, check_image
from impasto.painting.tiles import Watch
from impasto.styles.library import find_style
from impasto.styles.style import Style

__all__ = ["MIN_SIDE", "STYLE_SIZE", "BuiltInStylizer", "Content", "Painted", "Stylizer", "load"]


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    vgg: str | Path | None = None,
) -> Stylizer:
    """Load a model, or a method of the lab.

    Args:
        model: a name that ``impasto models`` lists, or the path of a ``.impasto`` file.
        engine: a name in :data:`impasto.models.engine.ENGINES`; by default the best one installed.
            For a method of the lab a device of PyTorch, such as ``cpu`` or ``cuda``.
        precision: ``fp32`` or ``bf16``; by default what the model asks for, or the engine
            prefers on this processor.
        threads: how many threads may be used, 1 or more; by default one for each core.
        vgg: for methods of the lab: a file of VGG-19; by default what ``$IMPASTO_VGG`` names, or
            what `impasto lab fetch vgg19` has fetched.

    Returns:
        The model, ready to run; a :class:`BuiltInStylizer` if its styles are built in. For a method
        of the lab a :class:`impasto.lab.optimize.painter.MethodStylizer`, whose ``stylize`` takes
        ``steps`` too.

    Raises:
        ImpastoError: if a method of the lab is asked for and PyTorch is not installed.
        ModelError: if the model is unknown, missing or damaged, or VGG-19 is.
        EngineError: if the engine is not installed or does not start.
        OptionError: if engine, precision or threads is not a possible value.

    Example:
        >>> model = load("fast")                                            # doctest: +SKIP
        >>> model.stylize("street.jpg", "wave.jpg").save("out.png")         # doctest: +SKIP
    """
    module = lab_module(model)
    if module is not None:
        # By name, since the studio knows nothing of the lab; its own absence is its own error.
        lab: Any = importlib.import_module("impasto.lab.optimize.opening")
        method: Stylizer = lab.open_method(
            module, vgg=vgg, engine=engine, precision=precision, threads=threads
        )
        return method
    if vgg is not None:
        raise OptionError(f"model {str(model)!r} needs no VGG-19: leave vgg out")
    bundle = find_bundle(model)
    kind = BuiltInStylizer if bundle.card.styles else Stylizer
    return kind(
        card=bundle.card,
        engine=open_engine(bundle, name=engine, precision=precision, threads=threads),
        identity=bundle.identity,
    )


class Stylizer(Painter):
    """A loaded model, for pictures in any form. It keeps nothing of what passes through it.

    Made by :func:`load`. Its methods may be called from several threads at once. What it does with
    arrays (:meth:`paint`, :meth:`encode`, :meth:`style`) is inherited.

    Attributes:
        card: what the model is.
        engine: what runs it.
        identity: 16 hexadecimal digits; styles are valid for one identity.
    """

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
                the style's and nothing else. All but "luminance" need the styles as pictures.
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
                color needs a picture of it.
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
        styles = [self.found(each) for each in listed(style)]
        for each in styles:
            if isinstance(each, Style):
                self.check_style(each, color=color)
        check_weights(weights, len(styles))
        check_statistics(statistics)
        planes = read_masks(masks, len(styles))
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
            masks=planes or None,
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
        """A picture in the style of another, from file to file, whatever its size.

        The result is that of :meth:`stylize`. A picture that does not fit into memory is painted in
        tiles. PNG and TIFF are read and written in strips
        (:func:`impasto.images.sources.open_picture` says which), so memory does not grow with them,
        be they the photograph, masks or maps of strength; of other formats three bytes or four a
        pixel are held.

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
        check_size(size)
        check_size(style_size)
        check_tile(tile)
        check_memory(memory)
        portions = check_weights(weights, len(listed(style)))
        check_statistics(statistics)
        path = Path(target)
        save = SaveOptions(quality=quality, depth=depth, overwrite=overwrite)
        check_depth(depth, format_of(path))
        check_target(path, overwrite=overwrite)
        with ExitStack() as files:
            read = mask_reader(files)
            strength = read_alpha(alpha, max_pixels=max_pixels, read=read)
            styles = [self._ready(each, style_size, color=color) for each in listed(style)]
            planes = read_masks(masks, len(styles), max_pixels=max_pixels, read=read)
            picture = files.enter_context(
                open_picture(Path(content), max_pixels=max_pixels, keep_gps=keep_gps)
            )
            height, width = picture.height, picture.width
            if size is not None:
                height, width = scaled_size(height, width, size)
            if min(height, width) < MIN_SIDE:
                raise ImageError(
                    f"{picture.name}: {width} x {height} pixels is too small; each side needs "
                    f"{MIN_SIDE} or more"
                )
            source = picture.source()
            maps = [*planes, *([] if isinstance(strength, float) else [strength])]
            bits = depth or (source.depth if format_of(path).deep else 8)
            whole, row_bytes = result_bytes(path, height, width, 4, bits)
            plan = plan_tiles(
                height,
                width,
                card=self.card,
                memory=memory,
                tile=tile,
                held=source.held + whole + sum(bytes_held(each)[0] for each in maps),
                row_bytes=source.row_bytes
                + row_bytes
                + sum(bytes_held(each)[1] * each.shape[0] // height for each in maps),
            ) or Plan(max(height, width) + 2 * self.card.margin + self.card.multiple, keep=True)
            source = scaled(source, height, width)
            painter = self.tiled(
                source,
                plan,
                styles,
                alpha=strength,
                weights=portions,
                masks=planes,
                statistics=statistics,
                color=color,
                watch=watch,
            )
            corner = source.window(slice(0, 1), slice(0, 1))
            write_tiles(
                painter.run(),
                path,
                height=height,
                width=width,
                alpha=corner[1] is not None,
                exif=picture.exif,
                depth=bits,
                save=save,
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
        with open_picture(Path(content), max_pixels=max_pixels) as picture:
            height, width = picture.height, picture.width
        # Its floats and those of the result, what they were decoded from and what they become.
        held = 24 * height * width
        if size is not None:
            height, width = scaled_size(height, width, size)
            held += 24 * height * width
        return at_once(height, width, card=self.card, memory=memory, held=held)

    def _ready(
        self, style: Style | Picture | Photo, size: int | None, *, color: str | None
    ) -> Style | Photo:
        """A style as :meth:`paint` takes it."""
        found = style if isinstance(style, Photo) else self.found(style)
        if isinstance(found, Style):
            self.check_style(found, color=color)
            return found
        photo = found if isinstance(found, Photo) else read_photo(found)
        photo = fit_photo(photo, size, enlarge=False)
        self.check_style(photo, color=color)
        return photo

    def found(self, style: Style | Picture) -> Style | Picture:
        """What a user means by a style: a name or a path becomes a style, or the path of a picture.

        Raises:
            StyleError: as :func:`impasto.styles.library.find_style`.

        Example:
            >>> model.found("munch-scream").name                            # doctest: +SKIP
            'munch-scream'
        """
        if isinstance(style, str | os.PathLike):
            return find_style(style, model=self.identity, model_name=self.card.name)
        return style


class BuiltInStylizer(BuiltInPainter, Stylizer):
    """A loaded model whose styles are built in, for pictures in any form. Made by :func:`load`.

    ``stylize("street.jpg", "wave")`` takes names in ``card.styles``; ``card.controls`` says what
    else can be asked of it. What it cannot do is an error.
    """
