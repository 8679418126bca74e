"""The main interface: load a model, make styles, stylize pictures."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, BinaryIO, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.controls import Controls
from impasto.controls.color.matching import needs_model, needs_picture
from impasto.controls.masks import bytes_held, check_plane, fit
from impasto.controls.transforms import OF_MOMENTS
from impasto.errors import ImageError, ModelError, OptionError, StyleError, one_line
from impasto.images.metadata import fitted
from impasto.images.options import MIN_SIDE, ReadOptions, SaveOptions, check_size
from impasto.images.photo import Photo, Picture, fit_photo, read_photo
from impasto.images.ranges import ValueRange, misfit
from impasto.images.resizing import Plane, scaled_size
from impasto.images.sources import OpenPicture, open_picture
from impasto.images.windows import PaintedTile, Source
from impasto.images.writing import (
    check_depth,
    check_target,
    format_of,
    result_bytes,
    result_format,
    write_tiles,
)
from impasto.models import (
    DEFAULT_MODEL,
    MODELS,
    Bundle,
    Card,
    find_bundle,
    find_plugin,
    open_plugin,
)
from impasto.models.engine import Engine, open_engine
from impasto.models.engines import AUTO
from impasto.painting import Budget, Content, Painter, Unencoded, Watch
from impasto.painting.adain import AdaINPainter
from impasto.painting.builtin import BuiltInPainter
from impasto.painting.objects import painter_of
from impasto.painting.palette import paint_palette
from impasto.painting.survey import scaled
from impasto.styles.library import find_kept, find_style, find_trained, is_name
from impasto.styles.style import Style

if TYPE_CHECKING:
    from impasto.controls import Map

__all__ = ["Painted", "Stylizer", "Written", "load", "stylizer_of"]

Styles: TypeAlias = Style | Picture | Photo | Sequence[Style | Picture | Photo]
"""One style or several: made before, names of saved ones, or pictures."""

# Models that ship: no package can plug in a painter under their names.
_NAMES = frozenset(row.name for row in MODELS)


@dataclass(frozen=True)
class Origin:
    """The call of :func:`load` that opened a model, as which the model is pickled.

    Attributes:
        model: its name, or the absolute path of its file.
        engine: as given to :func:`load`; so are the next three.
        precision: see there.
        threads: see there.
        vgg: see there.
        settings: of a method of the lab (:meth:`Stylizer.with_settings`).
    """

    model: str | Path
    engine: str | None
    precision: str | None
    threads: int | None
    vgg: Path | None
    settings: Mapping[str, object] = field(default_factory=dict)

    def open(self, identity: str) -> Stylizer:
        """Load the model again.

        Args:
            identity: of the pickled model.

        Raises:
            ModelError: if a different model is found.
            ImpastoError: as :func:`load`.
        """
        loaded = load(
            self.model,
            engine=self.engine,
            precision=self.precision,
            threads=self.threads,
            vgg=self.vgg,
        )
        if loaded.identity != identity:
            raise ModelError(
                f"{self.model}: is now a different model ({loaded.identity}) from the one that was "
                f"pickled ({identity}): load and pickle it again"
            )
        return loaded.with_settings(**self.settings)


@dataclass(frozen=True, eq=False)
class Painted:
    """A stylized image and the time of each step.

    Attributes:
        image: (H, W, 3) float32, RGB in [0, 1].
        encode_seconds: padding and encoder.
        align_seconds: from moments to scale and shift.
        decode_seconds: decoder, cropping and clipping.
    """

    image: NDArray[np.float32]
    encode_seconds: float
    align_seconds: float
    decode_seconds: float


@dataclass(frozen=True)
class Written:
    """A result that was written, and the time of each step.

    Attributes:
        path: the result; None for a stream.
        width: in pixels.
        height: in pixels.
        remark: what was lost from the photograph in reading and writing, "" for nothing.
        tile: the largest side of its tiles; None if it was painted as a whole.
        encode_seconds: as for :class:`Painted`.
        align_seconds: the same.
        decode_seconds: the same.
    """

    path: Path | None
    width: int
    height: int
    remark: str
    tile: int | None
    encode_seconds: float
    align_seconds: float
    decode_seconds: float


def load(
    model: str | Path = DEFAULT_MODEL,
    *,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    vgg: str | Path | None = None,
) -> Stylizer:
    """Load a model, or a method that a package plugs in, such as those of the lab.

    Args:
        model: a name that ``impasto models`` lists, the path of a ``.impasto`` file, or
            ``module:NAME`` for a painter, a function that opens one or an object with ``stylize``
            in a module that can be imported
            (:func:`impasto.painting.objects.painter_of`).
        engine: a name in :data:`impasto.models.ENGINES`; by default the best one installed. For a
            method of the lab a device of PyTorch, such as ``cpu`` or ``cuda``.
        precision: ``fp32``, ``bf16`` or ``int8``; by default that of the model's card, or the
            engine's preference on this processor. ``auto`` selects ``int8`` where that is faster,
            as measured (:func:`impasto.models.engine.fastest_precision`).
        threads: maximum number of threads, 1 or more; by default one per core.
        vgg: for methods of the lab: a file of VGG-19; by default that in ``$IMPASTO_VGG``, or
            the download of `impasto lab fetch vgg19`.

    Returns:
        The model, ready to run.

    Raises:
        ImpastoError: if a method needs a package that is not installed.
        ModelError: if the model is unknown, missing or damaged, or VGG-19 is.
        EngineError: if the engine is not installed or does not start.
        OptionError: if engine, precision or threads is invalid.

    Example:
        >>> model = load("fast")                                            # doctest: +SKIP
        >>> model.stylize("street.jpg", "wave.jpg").save("out.png")         # doctest: +SKIP
    """
    plugin = None if model in _NAMES else find_plugin(model)
    if plugin is not None:
        painter = painter_of(
            open_plugin(plugin),
            plugin.name,
            engine=engine,
            precision=None if precision == AUTO else precision,
            threads=threads,
            vgg=vgg,
        )
    elif vgg is not None:
        raise OptionError(f"model {str(model)!r} does not use VGG-19: leave vgg out")
    else:
        bundle = find_bundle(model)
        opened = open_engine(bundle, name=engine, precision=precision, threads=threads)
        painter = stylizer_of(bundle, opened).painter
    # Another process may have another working folder.
    named = model in _NAMES or plugin is not None
    origin = Origin(
        model=model if named else Path(model).absolute(),
        engine=engine,
        precision=precision,
        threads=threads,
        vgg=None if vgg is None else Path(vgg).absolute(),
    )
    return Stylizer(painter, origin=origin)


def stylizer_of(bundle: Bundle, engine: Engine) -> Stylizer:
    """Make a stylizer from a bundle and the engine that runs it.

    Example:
        >>> bundle = find_bundle("fast")                                    # doctest: +SKIP
        >>> stylizer_of(bundle, open_engine(bundle)).name                   # doctest: +SKIP
        'fast'
    """
    if bundle.card.styles:
        return Stylizer(BuiltInPainter.of(bundle, engine))
    return Stylizer(AdaINPainter(bundle.card, engine, bundle.identity))


class Stylizer:
    """A loaded model, for pictures in any form. It keeps no state of the pictures.

    Made by :func:`load`, or from any :class:`impasto.painting.Painter`. Its methods may be called
    from several threads at once. It is pickled and deep-copied as the arguments of :func:`load`, so
    that another process loads the model itself.

    Attributes:
        painter: paints.
        name: the model's name.
        identity: 16 hexadecimal digits; styles are valid for one identity.
        engine: runs the model.
        limits: the controls that the model supports.
    """

    def __init__(self, painter: Painter, *, origin: Origin | None = None) -> None:
        self.painter, self._origin = painter, origin
        self.name, self.identity = painter.name, painter.identity
        self.engine, self.limits = painter.engine, painter.limits

    def __reduce__(self) -> tuple[Any, ...]:
        if self._origin is None:  # as its painter, if that can be pickled
            return Stylizer, (self.painter,)
        return Origin.open, (self._origin, self.identity)

    @property
    def card(self) -> Card:
        """The model's card.

        Raises:
            ModelError: if it is not a trained model.
        """
        card: Card | None = getattr(self.painter, "card", None)
        if card is None:
            raise ModelError(f"{self.name!r} is not a trained model, so it has no card")
        return card

    def stylize(
        self,
        content: Picture,
        style: Styles,
        *,
        alpha: float | Map = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Map] = (),
        statistics: str = "region",
        color: str | None = None,
        transform: str = Controls.transform,
        coarse: float = 1.0,
        descreen: float | None = None,
        behavior: str = "impasto",
        size: int | None = None,
        style_size: int | None = ReadOptions.style_size,
        keep_gps: bool = False,
        value_range: ValueRange | None = None,
        tile: int | None = None,
        memory: int = Budget.memory,
        watch: Watch | None = None,
        **settings: object,
    ) -> Image.Image | NDArray[Any]:
        """Paint a picture in the style of another, or of several.

        Transparent parts of the picture stay unchanged, and do not count in its statistics.

        Args:
            content: a file, Pillow image or array, at least 16 x 16 pixels.
            style: made by this model's :meth:`style`, the name of a saved one, or a picture to make
                it from; or a list of those.
            alpha: strength in [0, 2]: 0 the photograph, 1 the style, above 1 exaggerated. Or a map
                of it: a gray picture of any size, white for 1, or an (H, W) array.
            weights: one for each style, 0 or more; only their ratios count.
            masks: one for each style: a gray picture or one with an alpha channel, of any size,
                that selects the style's region. What no mask covers stays the photograph.
            statistics: "region" or "image", as for :class:`impasto.controls.Controls`.
            color: a name in ``color.METHODS``: how the photograph keeps its colors, or gets only
                the style's colors. All but "luminance" need the styles as pictures.
            transform: a name in ``transforms.TRANSFORMS``: the statistics of features to align. All
                but "adain", "mean" and "std" need a model of VGG and the styles as pictures.
            coarse: factor by which strokes become larger, from 1 to 4.
            descreen: share of the fine mesh to remove, from 0 to 1; None: what each style asks for,
                1 for tuned styles and 0 for others.
            behavior: "impasto", "authors" or "port", as for :class:`impasto.controls.Controls`.
            size: shorter side of the result in pixels, 16 or more; by default the content's.
            style_size: shorter side that larger style pictures are reduced to.
            keep_gps: keep the place where the photograph was taken in its metadata.
            value_range: the values that are black and white in floats and wide integers, as for
                :class:`impasto.images.options.ReadOptions`.
            tile: paint in tiles of at most this many pixels per side; None: tile only pictures that
                do not fit into memory.
            memory: bytes that the process may use. The picture itself is held as floats;
                :meth:`stylize_file` holds as little of it as possible.
            watch: called after every step.
            settings: of a method of the lab: ``steps``, ``start``, ``seed``, ``options`` and
                ``checkpoint``.

        Returns:
            A Pillow image of 8 bits for a file or a Pillow image (``Photo.save`` writes 16), and
            for an array one of the same dtype and layout. Transparency is kept.

        Raises:
            ImageError: if a picture cannot be read or is too small, or a mask is in color.
            StyleError: if a style was made by another model, or there is none of that name, or
                color needs a picture of it.
            OptionError: if an option is out of its range, or not supported by the model.

        Example:
            >>> model.stylize("street.jpg", wave, alpha=0.8).save("out.png")     # doctest: +SKIP
            >>> model.stylize("street.jpg", [wave, "rain.jpg"], weights=[2, 1])  # doctest: +SKIP
        """
        # All cheap checks come before anything is read or encoded.
        controls = Controls(
            alpha=alpha,
            weights=weights,
            masks=masks,
            statistics=statistics,
            color=color,
            transform=transform,
            coarse=coarse,
            descreen=descreen,
            behavior=behavior,
        )
        read = ReadOptions(
            size=size, style_size=style_size, keep_gps=keep_gps, value_range=value_range
        )
        budget = Budget(tile=tile, memory=memory)
        model = self.with_settings(**settings)
        model.check(controls, len(_listed(style)), budget)
        with ExitStack() as files:
            styles = [model.prepare(each, controls, read) for each in _listed(style)]
            controls = controls.opened(files, max_pixels=read.max_pixels)
            model.check(controls, len(styles), budget)
            photo = read_photo(content, keep_gps=keep_gps, value_range=value_range)
            photo = fit_photo(photo, size)
            _check_side(*photo.image.shape[:2], name=photo.name)
            painted = model._painted(photo, styles, controls, budget, watch)
        return photo.give_back(painted.image)

    def stylize_file(
        self,
        content: str | os.PathLike[str],
        target: str | os.PathLike[str],
        style: Styles,
        controls: Controls = Controls(),
        *,
        read: ReadOptions = ReadOptions(),
        save: SaveOptions = SaveOptions(),
        budget: Budget = Budget(),
        watch: Watch | None = None,
    ) -> Written:
        """Paint a picture in the style of another, from file to file, at any size.

        The result is that of :meth:`stylize`. A picture that does not fit into memory is painted in
        tiles. PNG and TIFF are read and written in strips
        (:func:`impasto.images.sources.open_picture` describes which), so memory does not grow with
        their size, for the photograph as for masks or maps of strength; for other formats three or
        four bytes per pixel are held.

        Args:
            content: a file, at least 16 x 16 pixels.
            target: the file to write: PNG, TIFF, JPEG, WebP or AVIF, by its suffix.
            style: as for :meth:`stylize`.
            controls: strength, weights, masks and colors.
            read: sizes, and which of the photograph's metadata are kept.
            save: quality and depth of the result.
            budget: memory and tiles.
            watch: called after every step.

        Returns:
            The path of the result, and the time of each step.

        Raises:
            ImageError: if a picture cannot be read, is too small or too large, or the result cannot
                be written.
            StyleError: as :meth:`stylize`.
            OptionError: as :meth:`stylize`, or if memory is too small for any tile.

        Example:
            >>> model.stylize_file("scan.tif", "painted.tif", wave)             # doctest: +SKIP
        """
        path = Path(target)
        check_depth(save.depth, format_of(path))
        check_target(path, overwrite=save.overwrite)
        self.check(controls, len(_listed(style)), budget)
        with ExitStack() as files:
            styles = [self.prepare(each, controls, read) for each in _listed(style)]
            controls = controls.opened(files, max_pixels=read.max_pixels)
            self.check(controls, len(styles), budget)
            picture = files.enter_context(open_picture(content, **read.opening))
            start = perf_counter()
            encoded = self.encode_picture(picture, controls, path, read, save, budget, watch)
            seconds = perf_counter() - start
            written = self.write(encoded, picture, path, styles, controls, save, watch)
        return replace(written, encode_seconds=seconds + written.encode_seconds)

    def paint(
        self,
        image: NDArray[np.float32] | Content,
        style: Style | Photo | Sequence[Style | Photo],
        controls: Controls = Controls(),
        *,
        opacity: Plane | None = None,
        budget: Budget = Budget(),
        watch: Watch | None = None,
    ) -> Painted:
        """Stylize an image that is an array, and time each step.

        Every style is applied within its mask, by its weight, and the photograph stays where no
        mask is (:func:`impasto.controls.regions.shares`). Without masks all styles are applied
        everywhere. Any combination runs the decoder once.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more, or the result of
                :meth:`encode`.
            style: made by this model's :meth:`style`, or a photo to make it from at its own size;
                one or several.
            controls: strength, weights, masks and colors.
            opacity: as for :meth:`encode`. Fully transparent parts stay unchanged.
            budget: memory and tiles; the result is the same.
            watch: called after every step.

        Returns:
            An image of the same size, with times in seconds.

        Raises:
            StyleError: if a style was made by another model, or is no photo where color needs one.
            OptionError: if an option is out of its range, or not supported by the model.
            ImageError: if the array is not such an image.

        Example:
            >>> painted = model.paint(image, wave, Controls(alpha=0.8))     # doctest: +SKIP
            >>> painted.image.shape == image.shape                          # doctest: +SKIP
            True
            >>> model.paint(image, [wave, rain], Controls(masks=[sky, 1 - sky]))  # doctest: +SKIP
        """
        styles = _listed(style)
        self.check(controls, len(styles), budget)
        for each in styles:
            self.check_style(each, controls)
        with ExitStack() as files:
            controls = controls.opened(files, max_pixels=ReadOptions.max_pixels)
            self.check(controls, len(styles), budget)
            if isinstance(image, np.ndarray | list | tuple):  # lists are refused by name
                photo = _photo_of(image, opacity)
                return self._painted(photo, styles, controls, budget, watch)
            if image.model != self.identity:
                raise OptionError(
                    f"the image was encoded by another model ({image.model}) than {self.name!r} "
                    f"({self.identity}): encode it again with this model's encode()"
                )
            if opacity is not None:
                raise OptionError("the image is already encoded: give its opacity to encode()")
            if budget.tile is not None:
                raise OptionError("the image is already encoded: give the tile to encode()")
            return _joined(self._tiles(image, styles, controls, watch), image.source, 0.0)

    def encode(
        self,
        image: NDArray[np.float32],
        *,
        opacity: Plane | None = None,
        budget: Budget = Budget(),
    ) -> Content:
        """Encode a photograph, to paint it more than once.

        Args:
            image: (H, W, 3) floating RGB in [0, 1], 16 x 16 pixels or more.
            opacity: an (H, W) array in [0, 1] of any size, by which the moments are weighted. If
                the visible part of the image is too small for moments (``moments.MIN_CELLS``
                positions of a level), those of the whole image are used.
            budget: memory and tiles.

        Returns:
            A value to pass to :meth:`paint` instead of the image.

        Raises:
            ImageError: if the array is not such an image.
            OptionError: if the opacity is not such an array.

        Example:
            >>> street = model.encode(image)                                # doctest: +SKIP
            >>> [model.paint(street, each).image for each in styles]        # doctest: +SKIP
        """
        return self.painter.encode(_photo_of(image, opacity), budget)

    def style(
        self,
        source: Picture | Photo,
        *,
        size: int | None = ReadOptions.style_size,
        transform: str = Controls.transform,
    ) -> Style:
        """Make a style from a picture: its moments at every level.

        Transparent parts of the picture do not count.

        Args:
            source: a file, Pillow image or array, at least 16 x 16 pixels; or a photo read before.
            size: shorter side in pixels, 16 or more, to which a larger image is reduced; a smaller
                one stays unchanged. None leaves every image unchanged. The size sets the scale of
                strokes and ornaments.
            transform: to use it with. For those that are fitted to more than moments it keeps the
                features too, in memory, not in files.

        Returns:
            A value to keep and reuse, for this model.

        Raises:
            ImageError: if the picture cannot be read, is too small or transparent everywhere.
            OptionError: if size is below 16.
            StyleError: if the model keeps no styles.

        Example:
            >>> wave = model.style("wave.jpg")                              # doctest: +SKIP
        """
        check_size(size)
        controls = Controls(transform=transform)
        self.limits.check(self.name, controls, 1, Budget())
        if self.limits.styles:
            raise StyleError(f"a picture cannot be a style of {self._facts()}")
        photo = source if isinstance(source, Photo) else read_photo(source)
        photo = fit_photo(photo, size, enlarge=False)
        self.check_style(photo)
        made = self.painter.style(photo, transform)
        if isinstance(made, Style):
            return made
        raise StyleError(
            f"{self.name} cannot save styles, since it needs their pictures: give the picture "
            "itself"
        )

    def with_threads(self, threads: int) -> Stylizer:
        """Return the same model in an engine that uses this many threads per picture.

        Several pictures at once, each in one thread, take less time than one after the other, each
        in several threads.

        Args:
            threads: 1 or more.

        Returns:
            The model, reopened if needed; itself if it was not made by :func:`load` or is not a
            trained model.

        Raises:
            ImpastoError: as :func:`load`.

        Example:
            >>> model.with_threads(1).engine.name                           # doctest: +SKIP
            'onnxruntime'
        """
        origin = self._origin
        if origin is None or origin.threads == threads or not hasattr(self.painter, "card"):
            return self
        return replace(origin, threads=threads).open(self.identity)

    def with_settings(self, **settings: object) -> Stylizer:
        """Return the same model with settings of its own, such as ``steps`` of an optimization.

        Args:
            settings: by name; those that are None stay unchanged.

        Raises:
            OptionError: if the model has no such setting, or a value is out of its range.

        Example:
            >>> gatys = impasto.load("gatys").with_settings(steps=500)      # doctest: +SKIP
        """
        asked = {name: value for name, value in settings.items() if value is not None}
        if not asked:
            return self
        origin = self._origin and replace(self._origin, settings={**self._origin.settings, **asked})
        return Stylizer(self.painter.with_settings(asked), origin=origin)

    def prepare(
        self,
        style: Style | Picture | Photo,
        controls: Controls = Controls(),
        read: ReadOptions = ReadOptions(),
    ) -> Style | Photo:
        """Find or read a style, and check that this model can paint in it.

        Args:
            style: as for :meth:`stylize`.
            controls: to use it with.
            read: how pictures are read.

        Returns:
            A style for :meth:`paint`, or its picture where a color method or the model needs that.

        Raises:
            StyleError: as :meth:`find` and :meth:`check_style`.
            ImageError: if it is a picture that cannot be read, is too small or transparent.

        Example:
            >>> model.prepare("munch-scream").name                          # doctest: +SKIP
            'munch-scream'
        """
        found = style if isinstance(style, Photo) else self.find(style)
        if not isinstance(found, Style | Photo):
            with open_picture(found, **read.opening) as picture:
                found = picture.photo()
        if isinstance(found, Photo) and min(found.height, found.width) > (read.style_size or 0):
            found = fit_photo(found, read.style_size, enlarge=False)
        self.check_style(found, controls)
        if isinstance(found, Photo) and controls.color is None:
            return self.painter.style(found, controls.transform)
        return found

    def find(self, style: Style | Picture) -> Style | Picture:
        """Find the style for a name; anything but a name is returned unchanged.

        Args:
            style: a style, a picture, the name of a saved or built-in style, or a path.

        Returns:
            A style, or the picture of one.

        Raises:
            StyleError: as :func:`impasto.styles.library.find_style`, or if there is no such
                built-in style.

        Example:
            >>> model.find("munch-scream").name                             # doctest: +SKIP
            'munch-scream'
        """
        if isinstance(style, Style):
            return style
        if self.limits.styles:
            return self._built_in(style)
        if not isinstance(style, str | os.PathLike):
            return style
        if self.limits.keeps_styles:
            return find_style(style, model=self.identity, model_name=self.name)
        if not os.path.lexists(style):
            raise StyleError(
                f"{os.fspath(style)}: no such picture; {self.name} takes only pictures as styles, "
                "not saved styles"
            )
        return Path(style)

    def kept(self, name: str) -> Style:
        """Return the style that is saved or built in under a name, never a file by its path.

        For names from outside, such as those sent to a server.

        Args:
            name: of a style.

        Raises:
            StyleError: if there is no such style, or this model keeps none.

        Example:
            >>> model.kept("munch-scream").name                             # doctest: +SKIP
            'munch-scream'
        """
        if self.limits.styles:
            if not is_name(name) and name not in self._came_with:
                raise StyleError(f"there is no style {one_line(name)!r}")
            return self._built_in(name)
        if not self.limits.keeps_styles:
            raise StyleError(f"{self.name} does not use saved styles: send a picture")
        return find_kept(name, model=self.identity, model_name=self.name)

    def check(self, controls: Controls, styles: int, budget: Budget) -> None:
        """Refuse what this model does not support, before any work.

        Raises:
            OptionError: naming the control.

        Example:
            >>> model.check(Controls(alpha=0.5), 1, Budget())               # doctest: +SKIP
        """
        controls.check_count(styles)
        self.limits.check(self.name, controls, styles, budget)

    def check_style(self, style: Style | Photo, controls: Controls = Controls()) -> None:
        """Refuse a style that :meth:`paint` would refuse, before any work.

        Args:
            style: a style, or a photo to make it from.
            controls: to use it with.

        Raises:
            StyleError: if it was made by another model, or is no photo where a control needs one.
            ImageError: if the photo is too small or transparent everywhere.

        Example:
            >>> model.check_style(wave)                                     # doctest: +SKIP
        """
        if self.limits.styles:
            self._check_built_in(style, controls.color)
            return
        if isinstance(style, Photo):
            _check_side(*style.image.shape[:2], name=style.name)
            if style.alpha is not None and not style.alpha.any():
                raise ImageError(f"{style.name}: is fully transparent, so it has no style")
            return
        if not isinstance(style, Style):
            raise StyleError(f"a {type(style).__name__} is not a style: make one with style()")
        if not self.limits.keeps_styles:
            raise StyleError(
                f"style {style.name!r} was saved from a picture by a model; {self.name} needs the "
                "picture itself"
            )
        if style.model != self.identity:
            raise StyleError(
                f"style {style.name!r} was made by another model ({style.model}) than "
                f"{self.name!r} ({self.identity}): make it again with this model's style()"
            )
        levels = len(self.card.levels)
        if len(style.moments) != levels:
            raise StyleError(
                f"style {style.name!r} has {len(style.moments)} levels and model {self.name!r} has "
                f"{levels}: make it again with style()"
            )
        if controls.transform not in OF_MOMENTS and not style.samples:
            raise StyleError(
                f"transform {controls.transform!r} needs the features of a style, but style "
                f"{style.name!r} has only their mean and deviation: give the picture itself, or "
                f"make it with style(picture, transform={controls.transform!r})"
            )
        if needs_picture(controls.color):
            raise StyleError(
                f"color {controls.color!r} needs the picture of a style, which style "
                f"{style.name!r} does not contain: give the picture itself, or use 'luminance'"
            )

    def encode_picture(
        self,
        picture: OpenPicture,
        controls: Controls,
        target: Path | None,
        read: ReadOptions,
        save: SaveOptions,
        budget: Budget,
        watch: Watch | None = None,
    ) -> Content:
        """Encode an open picture at the requested size, within a budget of memory.

        Args:
            picture: from :func:`impasto.images.sources.open_picture`.
            controls: to paint it with; their masks are held in memory too.
            target: the file that it will be written to; None for a stream.
            read: the size.
            save: the depth.
            budget: memory and tiles.
            watch: called after every step.

        Raises:
            ImageError: if it is too small, or does not fit into memory where it must.
            OptionError: if not even the smallest tile fits.
        """
        height, width = picture.height, picture.width
        source: Source = picture
        if read.size is not None:
            height, width = scaled_size(height, width, read.size)
            source = scaled(picture, height, width)
        _check_side(height, width, name=picture.name)
        depth = _depth(save, picture.depth, target)
        maps: tuple[Any, ...] = (controls.alpha, *controls.masks)
        masks = [mask for mask in maps if not isinstance(mask, float)]
        format = result_format(target, save)
        whole, row = result_bytes(target, format, height, width, 4, depth)
        rows = sum(bytes_held(mask)[1] * mask.shape[0] // height for mask in masks)
        held = whole + sum(bytes_held(mask)[0] for mask in masks), row + rows
        if controls.color is not None and not needs_model(controls.color):
            return Unencoded(source, self.identity)
        return self.painter.encode(source, budget, held=held, watch=watch)

    def write(
        self,
        content: Content,
        picture: OpenPicture,
        target: Path | BinaryIO,
        styles: Sequence[Style | Photo],
        controls: Controls,
        save: SaveOptions,
        watch: Watch | None = None,
    ) -> Written:
        """Paint an encoded picture and write it tile by tile, completely or not at all.

        Args:
            content: from :meth:`encode_picture`.
            picture: that ``content`` was made from.
            target: a file, or a binary stream, which gets ``save.format``.
            styles: from :meth:`prepare`.
            controls: strength, weights, masks and colors, with their pictures read.
            save: quality and depth of the result.
            watch: called after every step.

        Returns:
            The path of the result, and the time of each step.

        Raises:
            ImageError: if the result cannot be written.
            EngineError: if the engine fails.
        """
        source = content.source
        seconds = [0.0, 0.0, 0.0]

        def timed() -> Iterator[PaintedTile]:
            for tile in self._tiles(content, styles, controls, watch):
                seconds[:] = (a + b for a, b in zip(seconds, tile.seconds, strict=True))
                yield tile

        path = target if isinstance(target, Path) else None
        tiles = timed()
        first = next(tiles)  # a picture has at least one tile
        write_tiles(
            chain([first], tiles),
            target,
            height=source.height,
            width=source.width,
            alpha=first.opacity is not None,
            metadata=picture.metadata,
            depth=_depth(save, source.depth, path),
            save=save,
        )
        _, left_out = fitted(picture.metadata, result_format(target, save).name)
        remark = "; ".join(filter(None, (picture.remark, *left_out)))
        return Written(path, source.width, source.height, remark, content.side, *seconds)

    def _painted(
        self,
        source: Source,
        styles: Sequence[Style | Photo],
        controls: Controls,
        budget: Budget,
        watch: Watch | None,
    ) -> Painted:
        start = perf_counter()
        content: Content = Unencoded(source, self.identity)
        if controls.color is None or needs_model(controls.color):
            content = self.painter.encode(source, budget, watch=watch)
        seconds = perf_counter() - start
        return _joined(self._tiles(content, styles, controls, watch), source, seconds)

    def _tiles(
        self,
        content: Content,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None,
    ) -> Iterator[PaintedTile]:
        if controls.color is None or needs_model(controls.color):
            return self.painter.paint(content, styles, controls, watch)
        photos = [style for style in styles if isinstance(style, Photo)]
        return paint_palette(content.source, photos, controls, watch)

    def _built_in(self, style: Picture) -> Style:
        if not isinstance(style, str | os.PathLike):
            raise StyleError(f"a picture cannot be a style of {self._facts()}")
        name, names = str(style), self.limits.styles
        found = find_trained(style, model=self.identity) or self._came_with.get(name)
        if found is None:
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise StyleError(
                f"there is no style {one_line(name)!r}; {hint}no picture can be a style of "
                + self._facts()
            )
        return found

    @property
    def _came_with(self) -> Mapping[str, Style]:
        """The built-in styles that came with the model."""
        styles: Mapping[str, Style] = getattr(self.painter, "styles", {})
        return styles

    def _check_built_in(self, style: Style | Photo, color: str | None) -> None:
        if not isinstance(style, Style):
            raise StyleError(f"a picture cannot be a style of {self._facts()}")
        if style.model != self.identity:
            raise StyleError(
                f"style {style.name!r} was made by another model ({style.model}) and is not a "
                f"style of {self._facts()}"
            )
        wanted = self.card.style_numbers
        given = 0 if style.parameters is None else style.parameters.size
        if given != wanted:
            raise StyleError(
                f"style {style.name!r} has {given:,} parameters, but model {self.name!r} needs "
                f"{wanted:,}: get it again"
            )
        if needs_picture(color):
            raise OptionError(
                f"color {color!r} needs the picture of a style, and the styles of model "
                f"{self.name!r} are built in: only 'luminance' is possible"
            )

    def _facts(self) -> str:
        names = self.limits.styles
        shown = ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
        files = "; more can be added from files (.safetensors)" if self.card.style_numbers else ""
        return f"model {self.name!r}, whose styles are built in: {shown}{files}"


def check_image(image: NDArray[np.float32], name: str) -> None:
    """Refuse an array that is not an image, or too small for one.

    Args:
        image: (H, W, 3) floats in [0, 1], ``MIN_SIDE`` pixels or more per side.
        name: its name in messages.

    Raises:
        ImageError: with the numbers.

    Example:
        >>> check_image(np.ones((16, 16, 3)), "a white one")
    """
    if not isinstance(image, np.ndarray):
        raise ImageError(f"{name}: an image must be an array, not a {type(image).__name__}")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype.kind != "f":
        raise ImageError(
            f"{name}: an image must be a floating-point array (H, W, 3), not {image.shape} "
            f"{image.dtype}"
        )
    _check_side(*image.shape[:2], name=name)
    if isinstance(image, np.ma.MaskedArray):
        raise ImageError(f"{name}: is a masked array; give it to stylize(), or its mask as opacity")
    if found := misfit(image, float(image.min()), float(image.max())):
        raise ImageError(f"{name}: values must lie in [0, 1], {found}")


def _check_side(height: int, width: int, *, name: str) -> None:
    if min(height, width) < MIN_SIDE:
        raise ImageError(
            f"{name}: {width} x {height} pixels is too small; each side needs {MIN_SIDE} or more"
        )


def _photo_of(image: Any, opacity: Plane | None) -> Photo:
    """Convert an array to a photo, range-checked once; its opacity is stretched to it."""
    check_image(image, "the image")
    if opacity is not None:
        opacity = fit(check_plane(opacity, "opacity"), *image.shape[:2])
    return Photo(image.astype(np.float32, copy=False), opacity, "the image")


def _joined(tiles: Iterator[PaintedTile], source: Source, encode_seconds: float) -> Painted:
    """Join the tiles of a picture."""
    result: NDArray[np.float32] | None = None
    seconds = np.array([encode_seconds, 0.0, 0.0])
    size = source.height, source.width
    for tile in tiles:
        seconds += tile.seconds
        if tile.image.shape[:2] == size:
            result = tile.image
            continue
        if result is None:
            result = np.empty((*size, 3), np.float32)
        result[tile.rows, tile.columns] = tile.image
    assert result is not None  # a picture has at least one tile
    return Painted(result, *seconds.tolist())


def _depth(save: SaveOptions, depth: int, target: Path | None) -> int:
    """Return the bits per channel of a result: as requested, or by photograph and format."""
    return save.depth or (depth if result_format(target, save).deep else 8)


def _listed(values: Any) -> list[Any]:
    """Return one or several values as a list; an array is one value."""
    return list(values) if isinstance(values, list | tuple) else [values]
