"""Limits of a server: bytes, pixels, time, and waiting requests. Nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from impasto.errors import OptionError
from impasto.images.options import check_max_pixels, option

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of a server for all requests.

    Attributes:
        max_bytes: size of the body of a request; a larger one is refused before it is sent.
        max_pixels: pixels of a picture that is sent, and of a result.
        seconds: time that sending a request, painting it, and taking the answer may each take.
        queue: number of requests that may wait for their turn; others are asked to retry.

    Raises:
        OptionError: if a number is out of its range.

    Example:
        >>> Limits(queue=2).max_bytes
        32000000
    """

    max_bytes: int = option(
        32_000_000, "Refuse larger requests, such as 32MB.", metavar="BYTES", kind="bytes"
    )
    max_pixels: int = option(50_000_000, "Refuse larger pictures and results.", metavar="N")
    seconds: int = option(
        120, "Maximum seconds to receive a request, and to paint it.", metavar="N"
    )
    queue: int = option(8, "Maximum number of waiting requests.", metavar="N")

    def __post_init__(self) -> None:
        check_max_pixels(self.max_pixels)
        for name, least in (("max_bytes", 1), ("seconds", 1), ("queue", 0)):
            value = getattr(self, name)
            if value < least:
                raise OptionError(f"{name} is {value}; give {least} or more")
