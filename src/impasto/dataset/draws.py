"""Random styles and strengths of a picture: from the seed and the picture's name alone.

So they do not depend on the order, the number of workers or other pictures, and can be computed
again. The random numbers of a picture are r(0), r(1), ...: r(j) is the first 8 bytes, as a number
with the most significant byte first, of the SHA-256 hash of the bytes ``SEED/j/NAME``, where SEED
and j are written in decimal digits and NAME is the picture's path in the data set with ``/`` (for a
picture in a tar file, the path of the tar file, ``/``, and the picture's name in it).

The k-th picture (k = 0, 1, ...) that is made from it has

* the style with number floor(r(2k) * n / 2^64) among the n styles that the picture has not had yet,
  in the order of their names; when it has had all, all are available again;
* the strength LO + (HI - LO) * r(2k + 1) / 2^64, rounded to 4 decimal places.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

_BITS = 64
_PLACES = 4


@dataclass(frozen=True, slots=True)
class Draw:
    """A style and a strength for one picture.

    Attributes:
        style: number of the style in the order of the names.
        alpha: the strength.
    """

    style: int
    alpha: float


def draws(
    name: str, *, seed: int, styles: int, copies: int = 1, alpha: tuple[float, float] = (1.0, 1.0)
) -> Iterator[Draw]:
    """Draw the styles and strengths of all pictures that are made from one.

    Args:
        name: name of the picture in the data set.
        seed: seed of the data set.
        styles: number of styles, 1 or more.
        copies: number of pictures that are made from it.
        alpha: the lowest and the highest strength.

    Returns:
        One for each copy.

    Example:
        >>> list(draws("cat/1.jpg", seed=1, styles=43, copies=2, alpha=(0.2, 1)))
        [Draw(style=36, alpha=0.7072), Draw(style=18, alpha=0.5898)]
    """
    low, high = alpha
    had: list[int] = []
    for copy in range(copies):
        if len(had) == styles:
            had.clear()
        style = (_number(seed, 2 * copy, name) * (styles - len(had))) >> _BITS
        for each in had:  # in ascending order, to count past the styles that were used
            if each <= style:
                style += 1
        had.append(style)
        had.sort()
        share = _number(seed, 2 * copy + 1, name) / (1 << _BITS)
        yield Draw(style, round(low + (high - low) * share, _PLACES))


def _number(seed: int, index: int, name: str) -> int:
    text = f"{seed}/{index}/".encode() + os.fsencode(name)
    return int.from_bytes(hashlib.sha256(text).digest()[: _BITS // 8], "big")
