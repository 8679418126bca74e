"""Options for reading and writing pictures, as values that are checked on construction.

Nothing heavy is imported here: the command line builds its options from the fields.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from impasto.errors import OptionError

MIN_SIDE = 16
"""The smallest side of a picture that can be painted, in pixels."""


def option(default: Any, help: str, **settings: Any) -> Any:
    """Declare a field that is also an option of the command line.

    Args:
        default: the field's default, which the help shows.
        help: a sentence for the command line.
        settings: ``flag`` (the name on the command line, if not the field's), ``short``
            (such as ``-o``), ``metavar``, ``required``, ``shown`` (a text for the default, where
            its value says little), ``reads`` (where the default is defined, if not here:
            ``module:function:parameter``), ``kind`` (how a text is parsed, where the field's type
            does not define it), ``complete`` (what shells complete: words, or a name in
            ``impasto.cli.completion.COMPLETERS``; without it, the words of a ``metavar`` such as
            "8|16"), and ``special`` (the ability that a control needs, such as "paint
            larger strokes", if only some painters have it).
    """
    return field(default=default, metadata={"help": help, **settings})


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """Options for reading pictures.

    Attributes:
        size: shorter side of the result in pixels, 16 or more; None: the photograph's own.
        style_size: shorter side in pixels, 16 or more, to which larger style pictures are reduced,
            which sets the scale of their strokes; None leaves them unchanged.
        max_pixels: larger pictures are refused, files by their headers before they are decoded.
        keep_gps: keep the place where the photograph was taken in its metadata.
        value_range: the values that are black and white in pictures of floats or of wide integers
            (32 bits, or signed ones), whose formats do not define them: (0, 4095), say. Values
            beyond are clipped. None: floats from 0 to 1, integers from 0 to the type's maximum.

    Raises:
        OptionError: if a number is out of its range.

    Example:
        >>> ReadOptions(size=1024).size
        1024
    """

    size: int | None = option(
        None, "Shorter side of the result.", metavar="N", shown="the photograph's"
    )
    style_size: int | None = option(
        512,
        "Reduce larger style pictures to this shorter side, which sets the scale of the strokes.",
        metavar="N",
    )
    max_pixels: int = option(200_000_000, "Refuse larger pictures.", metavar="N")
    keep_gps: bool = option(False, "Keep the photograph's GPS position.")
    value_range: tuple[float, float] | None = option(
        None,
        "Values of black and white in floating-point and 32-bit integer pictures, such as 0,4095; "
        "values outside are clipped.",
        flag="range",
        metavar="LOW,HIGH",
        kind="Sequence[float]",
        shown="0,1 for floats, the full range for integers",
    )

    def __post_init__(self) -> None:
        check_size(self.size)
        check_size(self.style_size)
        check_max_pixels(self.max_pixels)
        check_range(self.value_range)

    @property
    def opening(self) -> dict[str, Any]:
        """Keywords for :func:`impasto.images.sources.open_picture`."""
        names = "max_pixels", "keep_gps", "value_range"
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class SaveOptions:
    """Options for writing a result.

    Attributes:
        quality: of JPEG, WebP and AVIF, 1 to 100; the other formats are lossless.
        depth: bits per channel, 8 or 16, for PNG and TIFF; None: 16 where the photograph has
            more than 8 and the format holds them.
        overwrite: replace an existing file.
        format: of a result that is written to a stream: "png", "jpeg", "webp", "avif" or "tiff";
            None: PNG. For a file its name decides.

    Raises:
        OptionError: if a number is out of its range.

    Example:
        >>> SaveOptions(quality=80).overwrite
        False
    """

    quality: int = option(92, "Quality of JPEG, WebP and AVIF, 1 to 100.", metavar="Q")
    depth: int | None = option(
        None,
        "Bits per channel; 16 for PNG and TIFF only.",
        metavar="8|16",
        shown="16 if both photograph and format support it",
    )
    overwrite: bool = option(False, "Overwrite existing files.")
    format: str | None = option(
        None,
        "Format of a result on standard output: png, jpeg, webp, avif or tiff.",
        metavar="NAME",
        complete=("png", "jpeg", "webp", "avif", "tiff"),
        shown="png",
    )

    def __post_init__(self) -> None:
        if not 1 <= self.quality <= 100:
            raise OptionError(f"quality is {self.quality}; give 1 to 100")
        if self.depth not in (None, 8, 16):
            raise OptionError(
                f"depth is {self.depth}; give 8 or 16, or leave it out to keep the photograph's"
            )


def check_size(size: int | None) -> None:
    """Refuse a shorter side that is neither None nor a whole number from ``MIN_SIDE`` up.

    Raises:
        OptionError: naming the number.

    Example:
        >>> check_size(512)
    """
    if size is None:
        return
    try:
        whole = operator.index(size)
    except TypeError:
        whole = 0
    if whole < MIN_SIDE:
        raise OptionError(f"size must be a whole number of {MIN_SIDE} pixels or more, not {size!r}")


def check_max_pixels(max_pixels: int) -> None:
    """Refuse a pixel limit below 1.

    Raises:
        OptionError: naming the number.

    Example:
        >>> check_max_pixels(1_000_000)
    """
    if max_pixels < 1:
        raise OptionError(f"max_pixels is {max_pixels}; give 1 or more")


def check_range(value_range: Sequence[float] | None) -> None:
    """Refuse a range of values that is not two numbers in increasing order.

    Raises:
        OptionError: naming the numbers.

    Example:
        >>> check_range((0, 4095))
    """
    if value_range is None:
        return
    try:
        low, high = map(float, value_range)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (low < high and math.isfinite(high - low)):
        raise OptionError(
            "range (value_range) must be two numbers, the values of black and white, such "
            f"as 0,4095, not {value_range!r}"
        )
