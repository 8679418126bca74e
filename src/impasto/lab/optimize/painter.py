"""A style transfer method by optimization: facts, options, one function; and its painter.

A ``Method`` with an entry point in the group ``impasto.painters`` is run by name, by
``impasto.load(NAME)`` and ``impasto stylize --model NAME``; any other one by its location,
``module:METHOD``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from impasto.controls.color.matching import match_colors, restore_colors
from impasto.controls.regions import StyleMap
from impasto.errors import OptionError
from impasto.images.arrays import Photo, in_memory
from impasto.images.windows import PaintedTile, Source
from impasto.lab.nets.vgg import VGG, load_vgg
from impasto.lab.nets.weights import find_vgg
from impasto.lab.optimize.descent import Checkpoint, to_array
from impasto.lab.optimize.devices import Device, at_work, open_device
from impasto.lab.optimize.method import Run, Task
from impasto.lab.optimize.settings import changed_options
from impasto.lab.optimize.task import Plane, cropped, fingerprint, make_task, start_photo
from impasto.painting import Budget, Limits, Progress, Unencoded, Watch
from impasto.painting.survey import survey
from impasto.painting.tiles import keep_photograph
from impasto.styles.style import Style

if TYPE_CHECKING:
    from impasto.controls import Controls


@dataclass(frozen=True)
class Method:
    """A method that can be run by name.

    Attributes:
        name: as on the command line.
        title: a human-readable line.
        paper: authors and venue.
        options: a frozen dataclass with a default for every field; among them ``steps``, ``seed``
            and ``start`` where the method has them.
        limits: the controls that it takes.
        alpha: the meaning of strength for this method, in a line.
        paint: returns the picture, (1, 3, H, W) of the content's size, not clipped.
        precisions: of the perceptual network, the default first.
        checkpoints: whether a run can be written to a file and resumed.
    """

    name: str
    title: str
    paper: str
    options: type
    limits: Limits
    alpha: str
    paint: Callable[[Task, Any, VGG, Run], Tensor]
    precisions: tuple[str, ...] = ("fp32", "bf16")
    checkpoints: bool = True

    def open_painter(
        self,
        *,
        engine: str | None = None,
        precision: str | None = None,
        threads: int | None = None,
        vgg: str | Path | None = None,
    ) -> MethodPainter:
        """Open the method as a painter, with its device and its VGG-19.

        Args:
            engine: a device of PyTorch; by default ``cuda`` if available, else ``cpu``.
            precision: one of the method's; by default the first.
            threads: largest number, 1 or more; by default PyTorch's choice.
            vgg: a file of VGG-19, as for :func:`impasto.lab.nets.weights.find_vgg`.

        Raises:
            ModelError: if there is no VGG-19, or it cannot be read.
            EngineError: if the device is not available.
            OptionError: if precision or threads is not a valid value.
        """
        device = open_device(engine, precision, threads, precisions=self.precisions)
        network = load_vgg(find_vgg(vgg)).to(device=device.name, dtype=device.dtype)
        return MethodPainter(self, network, device, self.options())


@dataclass(frozen=True, eq=False)
class MethodPainter:
    """A method that optimizes pixels; a ``Painter``.

    Attributes:
        method: its facts and its function.
        vgg: the perceptual network, on the device and in its precision.
        engine: the device of PyTorch that runs it.
        options: an instance of ``method.options``.
        checkpoint: the file of a run, written every 25th step and at any end; if it exists, the run
            is resumed from it. For one picture only.
    """

    method: Method
    vgg: VGG
    engine: Device
    options: Any
    checkpoint: Path | None = None

    @property
    def name(self) -> str:
        """See :class:`impasto.painting.Painter`."""
        return self.method.name

    @property
    def identity(self) -> str:
        """See :class:`impasto.painting.Painter`; the same for all options."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]

    @property
    def limits(self) -> Limits:
        """The method's controls."""
        return self.method.limits

    def with_settings(self, settings: Mapping[str, object]) -> MethodPainter:
        """Return the method with other settings; settings not named stay unchanged.

        Args:
            settings: options by name, such as ``steps``, ``seed`` and ``start`` (``content``,
                ``noise``, or an initial picture: a file, Pillow image or array). Also ``options``
                (an instance of ``method.options``, or a table of some of them) and ``checkpoint``
                (a file).

        Raises:
            OptionError: if the method has no such option or no checkpoint, or a value is of
                another type.
            ImageError: if ``start`` is a picture that cannot be read.

        Example:
            >>> gatys = impasto.load("gatys").with_settings(steps=500)      # doctest: +SKIP
        """
        by_name = dict(settings)
        checkpoint: Any = by_name.pop("checkpoint", None)
        if checkpoint is not None and not self.method.checkpoints:
            raise OptionError(f"{self.name} writes no checkpoint; omit it")
        options = changed_options(self.options, by_name.pop("options", None), by_name)
        return replace(
            self, options=options, checkpoint=Path(checkpoint) if checkpoint else self.checkpoint
        )

    def style(self, photo: Photo, transform: str) -> Photo:
        """Return the picture itself: a method uses the pixels of a style."""
        return photo

    def encode(
        self,
        source: Source,
        budget: Budget,
        *,
        held: tuple[int, int] = (0, 0),
        watch: Watch | None = None,
    ) -> Unencoded:
        """Read a whole photograph; nothing is computed yet."""
        return Unencoded(in_memory(source), self.identity)

    def paint(
        self,
        content: Unencoded,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None = None,
    ) -> Iterator[PaintedTile]:
        """Paint a whole photograph; see :meth:`impasto.painting.Painter.paint`.

        Args:
            content: of :meth:`encode`.
            styles: pictures.
            controls: within the limits.
            watch: called after every step, with losses and the picture so far; if it returns True,
                that is the result.

        Raises:
            OptionError: if an option is out of its range, or the checkpoint is of another run.
            ModelError: if the network lacks a layer, or the checkpoint cannot be used.
            EngineError: if memory is scarce.
        """
        start = perf_counter()
        source = content.source
        whole = slice(0, source.height), slice(0, source.width)
        amounts = StyleMap(controls, len(styles), source.height, source.width)
        strengths = amounts.window(*whole)
        image, alpha = source.window(*whole)
        seen = survey(source, amounts.regions, color=controls.color, tiles=[whole])
        photos = [style for style in styles if isinstance(style, Photo)]
        if controls.color is not None:
            pairs = zip(photos, seen.colors, strict=True)
            photos = [match_colors(photo, colors, method=controls.color) for photo, colors in pairs]
        aligned = perf_counter()
        result, opacity = image, alpha if seen.opacity else None
        if strengths.any():  # otherwise nothing is painted
            result = self._optimized(image, opacity, photos, strengths, watch)
        if controls.color is not None:
            result = restore_colors(result, image, method=controls.color)
        result = keep_photograph(result, image, opacity, strengths)
        times = 0.0, aligned - start, perf_counter() - aligned
        yield PaintedTile(*whole, result, alpha, times)

    def _optimized(
        self,
        image: Plane,
        opacity: Plane | None,
        styles: Sequence[Photo],
        amounts: NDArray[np.floating[Any]],
        watch: Watch | None,
    ) -> Plane:
        height, width = image.shape[:2]
        start = start_photo(getattr(self.options, "start", "content"))
        task = make_task(image, opacity, styles, amounts, start=start, device=self.engine.name)
        if watch is not None:
            watch = partial(_without_padding, watch=watch, size=(height, width))
        checkpoint = None
        if self.checkpoint is not None:
            network = self.name, self.vgg.layout.name, self.vgg.layers, self.engine.precision
            checkpoint = Checkpoint(self.checkpoint, fingerprint(task, self.options, network))
        with at_work(self.engine, f"{self.name} to paint {width} x {height} pixels"):
            painted = self.method.paint(task, self.options, self.vgg, Run(watch, checkpoint))
        return cropped(to_array(painted), (height, width))


def _without_padding(progress: Progress, *, watch: Watch, size: tuple[int, int]) -> object:
    """Call ``watch`` with the picture's padding removed."""
    padded = progress.picture
    if padded is None:
        return watch(progress)
    return watch(replace(progress, picture=lambda: cropped(padded(), size)))
