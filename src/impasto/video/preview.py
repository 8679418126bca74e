"""Preview of a film: a few frames on a sheet, each photograph above its painting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from impasto.errors import OptionError
from impasto.images.icc import srgb_profile
from impasto.images.writing import quantized
from impasto.video.timeline import time_text

__all__ = ["contact_sheet"]

_SIDE = 640
"""Longer side of a picture on the sheet, in pixels."""

_MARGIN, _GAP = 16, 4
_TEXT, _INK = 20, "black"

# Width to height of a sheet, about: that of most screens.
_ASPECT = 1.5


def contact_sheet(
    frames: Sequence[tuple[Fraction, NDArray[Any], NDArray[Any]]], *, side: int = _SIDE
) -> Image.Image:
    """Draw frames on a white sheet: the photograph, the painting below it, and the time below both.

    Args:
        frames: for each the time in seconds, the photograph and the painting, (H, W, 3): uint8,
            uint16 or floats in [0, 1].
        side: longer side in pixels to which larger pictures are reduced.

    Returns:
        An RGB image.

    Raises:
        OptionError: if there is no frame.

    Example:
        >>> frame = np.zeros((90, 160, 3), np.uint8)
        >>> contact_sheet([(Fraction(5), frame, frame)]).size
        (192, 236)
    """
    if not frames:
        raise OptionError("a preview needs at least one frame")
    pairs = [
        (time, _reduced(photo, side), _reduced(painted, side)) for time, photo, painted in frames
    ]
    width = max(max(photo.width, painted.width) for _, photo, painted in pairs)
    above = max(photo.height for _, photo, _ in pairs)
    below = max(painted.height for _, _, painted in pairs)
    step_x, step_y = width + _MARGIN, above + _GAP + below + _TEXT + 2 * _MARGIN
    columns = max(1, min(len(pairs), round(math.sqrt(_ASPECT * len(pairs) * step_y / step_x))))
    rows = -(-len(pairs) // columns)
    columns = -(-len(pairs) // rows)  # equally many in each row, if possible
    sheet = Image.new("RGB", (columns * step_x + _MARGIN, rows * step_y), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(_TEXT)
    for index, (time, photo, painted) in enumerate(pairs):
        left = _MARGIN + index % columns * step_x
        top = _MARGIN + index // columns * step_y
        sheet.paste(photo, (left, top + above - photo.height))
        sheet.paste(painted, (left, top + above + _GAP))
        draw.text((left, top + above + _GAP + below + _GAP), time_text(time, places=2), _INK, font)
    sheet.info["icc_profile"] = srgb_profile()
    return sheet


def _reduced(image: NDArray[Any], side: int) -> Image.Image:
    picture = Image.fromarray(quantized(np.ascontiguousarray(image), 8))
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    return picture
