"""Values of any range -> fractions of white: rounding errors are clipped, others are reported.

White follows from the kind of number: 1 for floats, the maximum for integers. Floats and wide
integers often use another range, so a user can give the values of black and white.
"""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError

ValueRange: TypeAlias = tuple[float, float]
"""The values that are black and white; those beyond them are clipped."""

SLACK = 1e-3
"""Share of white by which rounding errors may leave the range without being reported."""

WHITE = {
    "u1": 255, "u2": 65535, "u4": 2**32 - 1, "u8": 2**64 - 1,
    "i1": 127, "i2": 32767, "i4": 2**31 - 1, "i8": 2**63 - 1,
    "f2": 1, "f4": 1, "f8": 1,
}  # fmt: skip
"""White for each kind of number, by ``dtype.str`` after the byte order."""

FIXED = ("u1", "u2")
"""Kinds that have one range everywhere: a user's range does not apply to them."""

WIDE = ("u4", "u8", "i1", "i2", "i4", "i8")
"""Kinds of integers whose maximum is rarely meant as white."""

# A wide integer below this share of white is black in 8 bits.
_DARK = 1 / 256

# Values per block in float64.
_VALUES = 1 << 18


def fractions(
    values: NDArray[Any], value_range: ValueRange | None, *, white: int, name: str, what: str
) -> NDArray[np.float32]:
    """Return a copy of values as fractions of white; rounding errors are clipped.

    Args:
        values: of any real kind and shape, rows first.
        value_range: black and white if the user gave them: then all other values are clipped.
        white: the value that is white otherwise.
        name: of the picture, for a message.
        what: the name of the values in a message, such as "floats".

    Raises:
        ImageError: if there are NaN or infinity among them, or values outside the range.

    Example:
        >>> fractions(np.array([0, 127.5]), (0, 255), white=1, name="a scan", what="floats")
        array([0. , 0.5], dtype=float32)
    """
    kind = values.dtype.str[1:]
    if kind in FIXED:
        value_range = None
    low, high = (0.0, float(white)) if value_range is None else value_range
    if kind in FIXED and white >= WHITE[kind]:
        least, most = low, high
    else:
        least, most = float(values.min()), float(values.max())
    if not _fits(least, most, value_range, white, kind):
        census = Census(white=white)
        census.add(values)
        error = census.error(name, what)
        assert error is not None
        raise error
    if low == 0 and kind not in WIDE:
        scaled = values.astype(np.float32)
        if high != 1:
            scaled /= np.float32(high)
    else:
        scaled = np.empty(values.shape, np.float32)
        step = max(1, _VALUES // max(1, values[:1].size))
        for top in range(0, len(values), step):  # a float64 copy of all would be twice the picture
            rows = values[top : top + step].astype(np.float64)
            scaled[top : top + step] = (rows - low) / (high - low)
    if least < low or most > high:
        np.clip(scaled, 0, 1, out=scaled)
    return scaled


def misfit(values: NDArray[Any], least: float, most: float, *, white: float = 1.0) -> str:
    """Describe how floats leave [0, ``white``] by more than rounding; "" if they do not.

    Args:
        values: any number of them.
        least: the smallest, NaN if there is one.
        most: the largest.
        white: the upper end.

    Example:
        >>> misfit(np.array([0.0, 2.0]), 0, 2), misfit(np.array([1.0005]), 1.0005, 1.0005)
        ('not from 0 to 2', '')
    """
    if least >= -SLACK and most <= white + SLACK:  # False for NaN
        return ""
    broken = values.size - int(np.count_nonzero(np.isfinite(values)))
    if broken:
        return f"and {broken} of {values.size} are NaN or infinite"
    return f"not from {least:g} to {most:g}"


def check_dark(values: NDArray[Any], *, white: int, name: str) -> None:
    """Refuse wide integers that would give a black picture, since their white is another value.

    Raises:
        ImageError: with the numbers.

    Example:
        >>> check_dark(np.array([0, 2**31], np.uint32), white=2**32 - 1, name="a scan")
    """
    most = int(values.max())
    if 0 < most < white * _DARK:
        kind = values.dtype.name
        raise ImageError(
            f"{name}: {kind} from {int(values.min())} to {most}, but white is {white}, so it "
            "would be all black; set the values of black and white with "
            f"--range LOW,HIGH (value_range), such as {min(0, int(values.min()))},{most}"
        )


class Census:
    """Counts of the values of a picture, for the message about values that are not fractions.

    Args:
        white: as for :func:`fractions`.

    Example:
        >>> census = Census(white=1)
        >>> census.add(np.array([[0.5, 1.5]]))
        >>> str(census.error("a scan", "floats"))[:50]
        'a scan: floats from 0.5 to 1.5, not within [0, 1];'
    """

    def __init__(self, *, white: int = 1) -> None:
        self._white, self._kind = white, "f4"
        self._total, self._broken, self._rows = 0, 0, 0
        self._low, self._high = math.inf, -math.inf
        self._first = ""

    def add(self, values: NDArray[Any]) -> None:
        """Count the next rows."""
        finite = np.isfinite(values)
        broken = values.size - int(np.count_nonzero(finite))
        if broken and not self._broken and values.ndim > 1:
            row, column = np.argwhere(~finite)[0][:2]
            self._first = f", the first in row {self._rows + row}, column {column} (from 0)"
        if broken < values.size:
            sound = values[finite]
            self._low = min(self._low, sound.min().item())
            self._high = max(self._high, sound.max().item())
        self._kind = values.dtype.str[1:]
        self._total += values.size
        self._broken += broken
        self._rows += len(values)

    def error(self, name: str, what: str) -> ImageError | None:
        """Return the error about them, or None if they fit."""
        low, high, white = self._low, self._high, self._white
        if self._broken:
            return ImageError(
                f"{name}: {self._broken} of {self._total} values ({what}) are NaN or infinite"
                f"{self._first}; fill them before you scale or clip (np.nan_to_num)"
            )
        if _fits(low, high, None, white, self._kind):
            return None
        limits = "[0, 1]" if white == 1 else f"0 (black) to {white} (white)"
        return ImageError(
            f"{name}: {what} from {low:.9g} to {high:.9g}, not within {limits}; scale them"
            + (" (/ 255)" if white == 1 and 0 <= low and 1 < high <= 255 else "")
            + ", or set the values of black and white with --range LOW,HIGH (value_range): "
            f"{min(low, 0):.9g},{high:.9g} scales and 0,{white} clips"
        )


def _fits(low: float, high: float, value_range: ValueRange | None, white: int, kind: str) -> bool:
    """Return True if values from low to high are fractions, or become fractions by clipping."""
    if value_range is not None:
        return math.isfinite(low) and math.isfinite(high)
    slack = SLACK if kind[0] == "f" else 0
    return low >= -slack * white and high <= (1 + slack) * white  # False for NaN
