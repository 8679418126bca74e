"""Painters from objects not made for this program: functions, and objects with ``stylize``."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from impasto.controls.color.matching import match_colors, restore_colors
from impasto.controls.regions import StyleMap
from impasto.errors import ImageError, ModelError, OptionError
from impasto.images.arrays import Photo, in_memory
from impasto.images.photo import read_photo
from impasto.images.windows import PaintedTile, Source
from impasto.painting import Budget, Limits, Painter, Unencoded, Watch, refuse_settings
from impasto.painting.survey import survey
from impasto.painting.tiles import keep_photograph

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from impasto.controls import Controls
    from impasto.styles.style import Style

_PAINTER = ("identity", "limits", "style", "encode", "paint")

_KINDS = (
    "an impasto.painting.Painter, an object with stylize(content, style), a method of the lab, or "
    "a function or class that makes one of these"
)


def painter_of(thing: Any, name: str, **options: Any) -> Painter:
    """Return a painter, or the one that an object opens or can be wrapped in.

    Args:
        thing: a painter; an object with ``stylize(content, style)``, as :class:`ObjectPainter`
            describes; an object with a method ``open_painter``, such as the methods of the lab; or
            a function or a class that makes one of these.
        name: of the model, for messages.
        options: those of :func:`impasto.load`, each None unless the user gave it. A function gets
            those that are among its parameters.

    Raises:
        ModelError: if it is none of these.
        OptionError: if an option is given that is not used.

    Example:
        >>> class Copy:
        ...     def stylize(self, content, style):
        ...         return content
        >>> painter_of(Copy, "copy").limits.several
        False
    """
    if not isinstance(thing, type):
        inner: Any = getattr(thing, "painter", None)  # for a loaded model
        for painter in (thing, inner):
            if all(hasattr(painter, member) for member in _PAINTER):
                _refuse(options, name)
                found: Painter = painter
                return found
        if callable(getattr(thing, "stylize", None)):
            _refuse(options, name)
            return ObjectPainter(name, thing)
    opener = thing if isinstance(thing, type) else getattr(thing, "open_painter", thing)
    if not callable(opener):
        raise ModelError(f"model {name!r} is of type {type(thing).__name__}; it must be {_KINDS}")
    made = _call(opener, name, options)
    if made is None or inspect.isroutine(made) or isinstance(made, type):
        raise ModelError(f"model {name!r} opens as a {type(made).__name__}; it must be {_KINDS}")
    return painter_of(made, name)


def _refuse(options: Mapping[str, Any], name: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise OptionError(f"model {name!r} has no option {option!r}: leave it out")


def _call(opener: Callable[..., Any], name: str, options: Mapping[str, Any]) -> Any:
    try:
        signature = inspect.signature(opener)
    except ValueError:  # written in C
        signature = inspect.Signature()
    parameters = signature.parameters.values()
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        _refuse({k: v for k, v in options.items() if k not in signature.parameters}, name)
        options = {k: v for k, v in options.items() if k in signature.parameters}
    try:
        signature.bind(**options)
    except TypeError as error:
        raise ModelError(
            f"model {name!r} cannot be opened with engine, precision, threads and vgg: {error}"
        ) from error
    return opener(**options)


@dataclass(frozen=True)
class _Python:
    """The engine of an object, about which nothing is known."""

    name: str = "python"
    precision: str = "fp32"


@dataclass(frozen=True, eq=False)
class ObjectPainter:
    """Any object with ``stylize(content, style)`` as a painter.

    Content and style are passed as (H, W, 3) float32 arrays in [0, 1], the style at its own size.
    The result is anything that :func:`impasto.read_photo` accepts (an array of floats in [0, 1] or
    of uint8, a Pillow image), of the size of the content; floats beyond [0, 1] are clipped, as far
    as 1 beyond. An object whose ``stylize`` has a parameter ``alpha`` gets the strength; others
    paint with strength 1. Its own ``identity`` (16 hexadecimal digits), if any, distinguishes it
    from others of its name.

    Attributes:
        name: as given by the user.
        thing: the object.
    """

    name: str
    thing: Any
    engine: _Python = _Python()

    @property
    def identity(self) -> str:
        """See :class:`impasto.painting.Painter`."""
        own = getattr(self.thing, "identity", None)
        if isinstance(own, str) and own:
            return own
        return hashlib.sha256(self.name.encode()).hexdigest()[:16]

    @property
    def limits(self) -> Limits:
        """The controls: at most the strength."""
        return Limits(
            alpha=(0.0, 1.0) if self._graded else (1.0, 1.0),
            alpha_map=False,
            several=False,
            masks=False,
            tiles=False,
            memory=False,
            keeps_styles=False,
        )

    @property
    def _graded(self) -> bool:
        return "alpha" in inspect.signature(self.thing.stylize).parameters

    def with_settings(self, settings: Mapping[str, object]) -> ObjectPainter:
        """Refuse every setting; see :class:`impasto.painting.Painter`."""
        refuse_settings(self.name, settings)
        return self

    def style(self, photo: Photo, transform: str) -> Photo:
        """Return the picture itself."""
        return photo

    def encode(
        self,
        source: Source,
        budget: Budget,
        *,
        held: tuple[int, int] = (0, 0),
        watch: Watch | None = None,
    ) -> Unencoded:
        """Read a whole photograph."""
        return Unencoded(in_memory(source), self.identity)

    def paint(
        self,
        content: Unencoded,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None = None,
    ) -> Iterator[PaintedTile]:
        """Paint a whole photograph; see :meth:`impasto.painting.Painter.paint`.

        Raises:
            ImageError: if the result is not a picture of the content's size.
        """
        start = perf_counter()
        source, color = content.source, controls.color
        whole = slice(0, source.height), slice(0, source.width)
        image, opacity = source.window(*whole)
        amounts = StyleMap(controls, len(styles), source.height, source.width)
        strengths = amounts.window(*whole)
        painted = image
        if strengths.any():
            (style,) = (each for each in styles if isinstance(each, Photo))
            if color is not None:
                (colors,) = survey(source, amounts.regions, color=color, tiles=[whole]).colors
                style = match_colors(style, colors, method=color)
            given = {"alpha": float(strengths.sum())} if self._graded else {}
            made = self.thing.stylize(image.copy(), style.image.copy(), **given)
            painted = self._picture(made, image.shape[:2])
        if color is not None:
            painted = restore_colors(painted, image, method=color)
        result = keep_photograph(painted, image, opacity, strengths)
        yield PaintedTile(*whole, result, opacity, (0.0, 0.0, perf_counter() - start))

    def _picture(self, made: Any, size: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the picture that the object made, (H, W, 3) in [0, 1]."""
        name = f"the result of model {self.name!r}"
        if hasattr(made, "detach"):  # a tensor of PyTorch
            made = made.detach().cpu().numpy()
        if isinstance(made, np.ndarray):
            if made.dtype.kind == "f" and made.size and -1 <= made.min() and made.max() <= 2:
                made = made.clip(0, 1)  # a network's output exceeds the range
        elif not hasattr(made, "getbands"):
            raise ImageError(f"{name} is of type {type(made).__name__}, not an array or an image")
        try:
            found = read_photo(made).image
        except ImageError as error:
            raise ImageError(f"{name} is not a picture: {error}") from error
        if found.shape[:2] != size:
            raise ImageError(
                f"{name} has {found.shape[1]} x {found.shape[0]} pixels, for a photograph of "
                f"{size[1]} x {size[0]}; crop or scale it in stylize"
            )
        return found
