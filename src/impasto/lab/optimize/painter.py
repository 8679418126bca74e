"""Methods of the lab behind the studio's two verbs: ``load(NAME).stylize(content, style)``."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.controls.masks import Mask, PictureMask, check_strength, read_alpha, read_masks
from impasto.controls.regions import Statistics
from impasto.errors import OptionError, StyleError
from impasto.images.options import SaveOptions, check_size
from impasto.images.photo import Photo, Picture, fit_photo, read_photo
from impasto.images.resizing import MAX_PIXELS
from impasto.images.writing import QUALITY, check_depth, check_target, format_of
from impasto.lab.nets.vgg import VGG19
from impasto.lab.optimize.descent import Keeping, Progress, Watch
from impasto.lab.optimize.devices import Device, at_work
from impasto.lab.optimize.method import Method, Run
from impasto.lab.optimize.settings import Settings
from impasto.lab.optimize.task import cropped, make_task, start_photo, story_of
from impasto.models import Card
from impasto.painting.adain import listed
from impasto.painting.files import Written, write_painted
from impasto.painting.plan import MEMORY
from impasto.painting.steps import Content, Painted
from impasto.styles.style import Style
from impasto.stylizer import STYLE_SIZE, Stylizer

Plane = NDArray[np.float32]


class MethodStylizer(Stylizer):
    """A method of the lab, used as a model is. It keeps nothing of what passes through it.

    Made by ``impasto.load(NAME)``. What is particular to it is asked for by ``stylize`` and
    ``paint``, or for many calls by :meth:`set`.

    Attributes:
        method: what it is and can do.
        settings: what its calls ask for.
    """

    keeps_styles = False

    def __init__(
        self,
        method: Method,
        vgg: VGG19,
        device: Device,
        *,
        card: Card,
        settings: Settings | None = None,
    ) -> None:
        self.method, self.vgg = method, vgg
        self.settings = settings or Settings(method.options())
        identity = hashlib.sha256(method.name.encode()).hexdigest()[:16]
        super().__init__(card=card, engine=device, identity=identity)  # type: ignore[arg-type]

    def set(
        self,
        *,
        steps: int | None = None,
        start: Picture | None = None,
        seed: int | None = None,
        options: Any = None,
        watch: Watch | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> MethodStylizer:
        """The same method with other settings; None leaves each as it is.

        Args:
            steps: how many gradients are taken.
            start: ``content``, ``noise``, or a picture to begin with: a file, Pillow image or
                array.
            seed: of the noise.
            options: an instance of ``method.options``, or a table of some of them by name.
            watch: is told after every step, with losses and the picture so far; if it returns
                ``True``, that is the result.
            checkpoint: a file that the run is kept in, at every 25th step and at its end, however
                it ends; if it is there, the run goes on from it. Not for more than one picture.

        Raises:
            OptionError: if the method has no such option, or a value is of another type.

        Example:
            >>> gatys = impasto.load("gatys").set(steps=500, start="noise")  # doctest: +SKIP
        """
        changed = self.settings.changed(
            self.method,
            {"steps": steps, "start": start, "seed": seed},
            options=options,
            watch=watch,
            checkpoint=checkpoint,
        )
        device: Any = self.engine
        return MethodStylizer(self.method, self.vgg, device, card=self.card, settings=changed)

    def style(self, source: Picture | Photo, *, size: int | None = STYLE_SIZE) -> Style:
        """Refused: a method looks at the picture of a style.

        Raises:
            StyleError: always.
        """
        raise StyleError(
            f"{self.method.name} keeps no styles, it looks at their pictures: give the picture "
            "itself to stylize() or paint()"
        )

    def found(self, style: Style | Picture) -> Style | Picture:
        """See :meth:`Stylizer.found`; names mean files only."""
        if isinstance(style, str | os.PathLike) and not os.path.lexists(style):
            raise StyleError(
                f"{os.fspath(style)}: no such picture; {self.method.name} takes pictures as "
                "styles, none of those that models keep"
            )
        return Path(style) if isinstance(style, str) else style

    def check_style(self, style: Style | Photo, *, color: str | None = None) -> None:
        """See :meth:`Stylizer.check_style`; only pictures will do."""
        if isinstance(style, Style):
            raise StyleError(
                f"style {style.name!r} is what a model has kept of a picture; {self.method.name} "
                "needs the picture itself"
            )
        super().check_style(style, color=color)

    def paint(  # type: ignore[override]
        self,
        image: NDArray[np.float32] | Content,
        style: Photo | Sequence[Photo],
        *,
        alpha: float | Mask = 1.0,
        weights: Sequence[float] | None = None,
        masks: Sequence[Mask] | None = None,
        statistics: Statistics = "region",
        color: str | None = None,
        opacity: Plane | None = None,
        tile: int | None = None,
        memory: int = MEMORY,
        steps: int | None = None,
        start: Picture | None = None,
        seed: int | None = None,
        options: Any = None,
        watch: Watch | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Painted:
        """See :meth:`Stylizer.paint`, and :meth:`set` for what is more.

        Raises:
            OptionError: if the method cannot do what is asked, too.
        """
        can, name = self.method.capabilities, self.method.name
        strength = check_strength(alpha)
        if not isinstance(strength, float) and not can.alpha_map:
            raise OptionError(f"{name} takes a number as alpha, no map; use masks, or a number")
        highest = strength if isinstance(strength, float) else _highest(strength)
        if highest > can.highest_alpha:
            raise OptionError(
                f"alpha of {name} must lie in [0, {can.highest_alpha:g}], not {highest:g}"
            )
        if isinstance(style, list | tuple) and len(style) > 1 and not can.several:
            raise OptionError(f"{name} takes one style, not {len(style)}")
        if masks is not None and not can.masks:
            raise OptionError(f"{name} takes no masks")
        if statistics != "region":
            raise OptionError(
                f"{name} looks at what is within a mask: statistics must be 'region', "
                f"not {statistics!r}"
            )
        self._check_whole(tile, memory)
        made = self.set(
            steps=steps, start=start, seed=seed, options=options, watch=watch, checkpoint=checkpoint
        )
        if checkpoint is not None and not can.keeps:
            raise OptionError(f"{name} keeps no checkpoint: leave it out")
        for each in listed(style):
            self.check_style(each, color=color)
        if not isinstance(image, Content):
            image, opacity = self.encode(image, opacity=opacity), None  # so that it is not cut
        return Stylizer.paint(
            made,
            image,
            style,
            alpha=strength,
            weights=weights,
            masks=masks,
            statistics=statistics,
            color=color,
            opacity=opacity,
        )

    def stylize(  # type: ignore[override]
        self,
        content: Picture,
        style: Picture | Sequence[Picture],
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
        steps: int | None = None,
        start: Picture | None = None,
        seed: int | None = None,
        options: Any = None,
        watch: Watch | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
    ) -> Image.Image | NDArray[Any]:
        """See :meth:`Stylizer.stylize`, and :meth:`set` for what is more.

        Example:
            >>> model = impasto.load("gatys")                               # doctest: +SKIP
            >>> model.stylize("street.jpg", "wave.jpg", steps=300)          # doctest: +SKIP
        """
        made = self.set(
            steps=steps, start=start, seed=seed, options=options, watch=watch, checkpoint=checkpoint
        )
        return Stylizer.stylize(
            made,
            content,
            style,
            alpha=alpha,
            weights=weights,
            masks=masks,
            statistics=statistics,
            color=color,
            size=size,
            style_size=style_size,
            keep_gps=keep_gps,
            tile=tile,
            memory=memory,
        )

    def stylize_file(  # type: ignore[override]
        self,
        content: str | os.PathLike[str],
        target: str | os.PathLike[str],
        style: Picture | Photo | Sequence[Picture | Photo],
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
        """See :meth:`Stylizer.stylize_file`; the picture is painted as a whole.

        Args:
            content: a file, as for :meth:`Stylizer.stylize_file`, as is all that follows but watch.
            watch: as for :meth:`set`, by which steps and options are asked for.
        """
        self._check_whole(tile, memory)
        check_size(size)
        check_size(style_size)
        path = Path(target)
        check_depth(SaveOptions(quality=quality, depth=depth).depth, format_of(path))
        check_target(path, overwrite=overwrite)
        styles = [self._ready(each, style_size, color=color) for each in listed(style)]
        photo = fit_photo(read_photo(content, max_pixels=max_pixels, keep_gps=keep_gps), size)
        painted = self.paint(
            photo.image,
            styles,
            alpha=read_alpha(alpha, max_pixels=max_pixels),
            weights=weights,
            masks=read_masks(masks, len(styles), max_pixels=max_pixels) or None,
            statistics=statistics,
            color=color,
            opacity=photo.alpha,
            watch=watch,
        )
        return write_painted(
            painted, photo, path, depth=depth, overwrite=overwrite, quality=quality
        )

    def fits(
        self,
        content: str | os.PathLike[str],
        *,
        size: int | None = None,
        memory: int = MEMORY,
        max_pixels: int = MAX_PIXELS,
    ) -> bool:
        """True: a method paints every picture as a whole, or not at all."""
        return True

    def _check_whole(self, tile: int | None, memory: int) -> None:
        for name, asked in (("tile", tile is not None), ("memory", memory != MEMORY)):
            if asked:
                raise OptionError(
                    f"{self.method.name} looks at the picture as a whole and cannot paint in "
                    f"tiles: leave {name} out, and give a smaller size if memory is scarce"
                )

    def _encoded(
        self,
        image: NDArray[np.float32],
        opacity: Plane | None,
        name: str,
        *,
        features: bool = True,
    ) -> Content:
        # Methods look at pixels: there is nothing to encode beforehand.
        return super()._encoded(image, opacity, name, features=False)

    def _decoded(
        self,
        content: Content,
        styles: Sequence[Photo],
        amounts: NDArray[np.floating[Any]],
        regions: Plane | None,
    ) -> tuple[NDArray[np.float32], float]:
        begin = perf_counter()
        height, width = content.image.shape[:2]
        if not amounts.any():  # the photograph itself, see painting.kept
            return content.image, begin
        options = self.settings.options
        device: Any = self.engine
        start = start_photo(getattr(options, "start", "content"))
        task = make_task(content, styles, amounts, start=start, device=device.name)
        watch = self.settings.watch
        if watch is not None:
            watch = partial(_shown, watch=watch, size=(height, width))
        kept = self.settings.checkpoint
        if kept is not None:
            told = (self.method.name, self.vgg.layout.name, self.vgg.layers, device.precision)
            run = Run(watch, Keeping(kept, story_of(task, options, told)))
        else:
            run = Run(watch)
        what = f"{self.method.name} to paint {width} x {height} pixels"
        with at_work(device, what):
            painted = self.method.paint(task, options, self.vgg, run)
        array = cropped(painted, (height, width))[0].float().permute(1, 2, 0).cpu().numpy()
        return np.clip(array, 0, 1), begin


def _shown(progress: Progress, *, watch: Watch, size: tuple[int, int]) -> object:
    """Tells of the picture without its padding."""
    return watch(replace(progress, image=cropped(progress.image, size)))


def _highest(strength: Mask) -> float:
    return strength.high if isinstance(strength, PictureMask) else float(np.max(strength))
