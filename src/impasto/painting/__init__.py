"""Painting a picture with a model: the common interface of all painters.

Encoder/decoder models (:mod:`impasto.painting.adain`), networks with built-in styles
(:mod:`impasto.painting.builtin`), the lab's methods and any package with an entry point in the
group ``impasto.painters`` implement :class:`Painter`; :class:`impasto.stylizer.Stylizer` is written
once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from impasto.errors import OptionError
from impasto.images.options import option

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from impasto.controls import Controls
    from impasto.images.photo import Photo
    from impasto.images.windows import PaintedTile, Source
    from impasto.styles.style import Style


SMALLEST = 32
"""The smallest tile, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The memory that painting may use, and the tiles that keep it within that limit.

    Attributes:
        tile: paint in tiles of at most this many pixels per side, 32 or more; None: tile only
            pictures that do not fit into memory, in tiles as large as fit. The result is the same.
        memory: bytes of main memory that the whole process may use while it paints one picture at a
            time: interpreter, engine, model, picture and tile. Accurate to a tenth from 512 MB on;
            a process that paints N pictures at once, in threads, needs that for each tile.

    Raises:
        OptionError: if a number is out of its range.

    Example:
        >>> Budget(tile=512).memory
        2000000000
    """

    tile: int | None = option(
        None,
        "Paint in tiles of at most N pixels per side.",
        metavar="N",
        shown="only if needed for --memory, in the largest tiles that fit",
    )
    memory: int = option(
        2_000_000_000,
        "Memory limit of the whole process, such as 2GB; from 512MB on it is kept to within 10 %.",
        metavar="BYTES",
        kind="bytes",
    )

    def __post_init__(self) -> None:
        whole = isinstance(self.memory, int) and not isinstance(self.memory, bool)
        if not whole or self.memory < 1:
            raise OptionError(
                f"memory must be a whole number of bytes, 1 or more, not {self.memory!r}"
            )
        if self.tile is None:
            return
        whole = isinstance(self.tile, int) and not isinstance(self.tile, bool)
        if not whole or self.tile < SMALLEST:
            raise OptionError(
                f"tile must be a whole number of {SMALLEST} pixels or more, not {self.tile!r}"
            )


@dataclass(frozen=True)
class Limits:
    """The controls that a painter supports, as data.

    Attributes:
        alpha: the smallest and the largest strength.
        alpha_map: True if the strength may vary by position.
        several: True if several styles can be mixed.
        masks: True if a style can be confined to a mask.
        statistics: the supported values of ``Controls.statistics``.
        transforms: the supported values of ``Controls.transform``.
        special: names of the controls that only some painters support (``option(special=...)``).
        tiles: True if a picture can be painted in tiles, so that it need not fit into memory.
        memory: True if it stays within a memory budget, or refuses pictures that exceed it.
        styles: the names of built-in styles, if it supports no others; else empty.
        keeps_styles: True if a style is kept as a value, so that its picture is not needed again.
    """

    alpha: tuple[float, float] = (0.0, 2.0)
    alpha_map: bool = True
    several: bool = True
    masks: bool = True
    statistics: tuple[str, ...] = ("region", "image")
    transforms: tuple[str, ...] = ("adain",)
    special: tuple[str, ...] = ()
    tiles: bool = True
    memory: bool = True
    styles: tuple[str, ...] = ()
    keeps_styles: bool = True

    def check(self, name: str, controls: Controls, styles: int, budget: Budget) -> None:
        """Refuse controls that the painter does not support.

        Args:
            name: of the painter, for the message.
            controls: the controls.
            styles: number of styles.
            budget: memory and tiles.

        Raises:
            OptionError: naming the control.

        Example:
            >>> from impasto.controls import Controls
            >>> Limits(several=False).check("one-style", Controls(), 2, Budget())
            Traceback (most recent call last):
            impasto.errors.OptionError: model 'one-style' cannot mix styles: its controls are ...
        """
        for each in fields(controls):
            what = each.metadata.get("special")
            if (
                what
                and each.name not in self.special
                and getattr(controls, each.name) != each.default
            ):
                raise OptionError(f"model {name!r} cannot {what}: leave {each.name} out")
        low, high = self.alpha
        alpha: Any = controls.alpha
        is_map = not isinstance(alpha, float)
        for refused, what in (
            (styles > 1 and not self.several, "mix styles"),
            (controls.masks and not self.masks, "confine a style to a mask"),
            (is_map and not self.alpha_map, "change its strength from place to place"),
            (low == high and alpha != low, f"use a strength other than {low:g}"),
        ):
            if refused:
                raise OptionError(
                    f"model {name!r} cannot {what}: its controls are {self._able()}; leave it "
                    "out or use a model for any style"
                )
        largest = alpha
        if is_map:  # a file that is not read yet has no values
            largest = getattr(alpha, "high", alpha.max() if hasattr(alpha, "max") else high)
        if largest > high:
            raise OptionError(
                f"alpha of model {name!r} must lie in [{low:g}, {high:g}], not {largest:g}"
            )
        if controls.statistics not in self.statistics:
            raise OptionError(
                f"model {name!r} computes statistics within masks: statistics must be "
                f"{' or '.join(self.statistics)}, not {controls.statistics!r}"
            )
        if controls.transform not in self.transforms:
            raise OptionError(
                f"model {name!r} does not support transform {controls.transform!r}, only "
                f"{', '.join(self.transforms)}; a VGG model supports all of them "
                "(impasto lab import)"
            )
        if budget.tile is not None and not self.tiles:
            raise OptionError(
                f"model {name!r} cannot paint in tiles, since it needs the whole picture at once: "
                "leave tile out and give a size that fits into memory"
            )
        if budget.memory != Budget.memory and not self.memory:
            raise OptionError(
                f"model {name!r} needs the whole picture at once, so memory cannot be limited: "
                "leave memory out, and give a smaller size if memory runs out"
            )

    def _able(self) -> str:
        able = {
            "alpha": self.alpha[0] < self.alpha[1],
            "several": self.several,
            "masks": self.masks,
        }
        return ", ".join(name for name, can in able.items() if can) or (
            "none of alpha, several and masks"
        )


@dataclass(frozen=True, eq=False)
class Progress:
    """Progress of a task.

    Attributes:
        step: number of finished steps.
        steps: number of steps.
        losses: of an optimization, by name.
        picture: returns the current picture, (H, W, 3) in [0, 1]; None while there is none.
    """

    step: int
    steps: int
    losses: Mapping[str, float] = field(default_factory=dict)
    picture: Callable[[], NDArray[np.float32]] | None = None


Watch: TypeAlias = Callable[[Progress], object]
"""Called after every step. If it returns True, an optimization ends with its current result."""


class Runner(Protocol):
    """Engine or PyTorch device that runs a painter."""

    @property
    def name(self) -> str:
        """As on the command line."""
        ...

    @property
    def precision(self) -> str:
        """``fp32``, ``bf16`` or ``int8``."""
        ...


class Content(Protocol):
    """A photograph prepared for one painter, to be painted any number of times."""

    @property
    def source(self) -> Source:
        """The photograph."""
        ...

    @property
    def model(self) -> str:
        """The identity of the painter that prepared it."""
        ...

    @property
    def side(self) -> int | None:
        """The largest side of its tiles, in pixels; None if it is painted as a whole."""
        ...


@dataclass(frozen=True, eq=False)
class Unencoded:
    """An unchanged photograph, for methods that use its pixels; a ``Content``.

    Attributes:
        source: the photograph.
        model: the identity of the painter that it is prepared for.
        side: None, since nothing was cut.
    """

    source: Source
    model: str
    side: int | None = None


class Painter(Protocol):
    """Interface of all painters. A painter keeps no state of the pictures it is given.

    Its methods may be called from several threads at once.
    """

    @property
    def name(self) -> str:
        """As on the command line, and in messages."""
        ...

    @property
    def identity(self) -> str:
        """16 hexadecimal digits: styles and contents are valid for one identity."""
        ...

    @property
    def engine(self) -> Runner:
        """Engine or device that runs it."""
        ...

    @property
    def limits(self) -> Limits:
        """The controls that it supports."""
        ...

    def with_settings(self, settings: Mapping[str, object]) -> Painter:
        """Return the painter with settings of its own, such as the ``steps`` of an optimization.

        Raises:
            OptionError: if there is no such setting, or a value is out of its range.
        """
        ...

    def style(self, photo: Photo, transform: str) -> Style | Photo:
        """Return what is kept of a style picture, or the picture itself if nothing else is kept.

        Args:
            photo: the picture.
            transform: to use it with, one of ``limits.transforms``.

        Raises:
            StyleError: if this painter takes no pictures as styles.
        """
        ...

    def encode(
        self,
        source: Source,
        budget: Budget,
        *,
        held: tuple[int, int] = (0, 0),
        watch: Watch | None = None,
    ) -> Content:
        """Prepare a photograph for being painted any number of times.

        Args:
            source: the photograph.
            budget: the memory that may be used, and the requested tiles.
            held: bytes held besides it throughout, and besides it for each row of pixels of a
                tile.
            watch: called after every step.

        Returns:
            The painter's own value for :meth:`paint`, of no other use.

        Raises:
            ImageError: if the photograph does not fit into memory and tiles cannot be painted.
            OptionError: if not even the smallest tile fits.
        """
        ...

    def paint(
        self,
        content: Any,
        styles: Sequence[Style | Photo],
        controls: Controls,
        watch: Watch | None = None,
    ) -> Iterator[PaintedTile]:
        """Paint the photograph, tile by tile: row by row from the top, from left to right.

        Args:
            content: from :meth:`encode`.
            styles: from :meth:`style`, or photos where a color method changes them first.
            controls: checked against :attr:`limits`, and for this number of styles.
            watch: called after every step.
        """
        ...


def refuse_settings(name: str, settings: Mapping[str, object]) -> None:
    """Refuse every setting, since a trained model has none.

    Args:
        name: of the model.
        settings: by name.

    Raises:
        OptionError: naming the first.

    Example:
        >>> refuse_settings("fast", {})
    """
    for setting in settings:
        raise OptionError(f"model {name!r} has no option {setting!r}: leave it out")
