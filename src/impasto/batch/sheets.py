"""A contact sheet: many pictures on one, each with its name under it."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont, ImageOps

from impasto.errors import OptionError
from impasto.images.formats import one_line
from impasto.images.icc import srgb_profile

CELL_SIDE = 320
"""Longer side of a picture on a sheet, in pixels."""

_GAP = 16
_LABEL_SIZE, _CAPTION_SIZE = 18, 14
_INK, _PALE = "black", (110, 110, 110)

# Width to height of a sheet, about: that of most screens, and of a page laid down.
_ASPECT = 1.5


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture on a sheet.

    Attributes:
        picture: of any size; made smaller where it is larger than a cell.
        label: what stands under it.
        caption: a second line, paler and smaller.
        inset: a small picture for its lower right corner, such as the style it is painted in.
    """

    picture: Image.Image
    label: str
    caption: str = ""
    inset: Image.Image | None = None


def contact_sheet(cells: Sequence[Cell], *, columns: int | None = None) -> Image.Image:
    """Draw pictures row by row on a white sheet, labeled in Pillow's own font.

    Args:
        cells: one or more.
        columns: how many stand in a row; by default so many that the sheet is 3 : 2, about.

    Returns:
        An RGB image.

    Raises:
        OptionError: if there is no cell, or columns is below 1.

    Example:
        >>> contact_sheet([Cell(Image.new("RGB", (300, 200)), "night")]).size
        (332, 280)
    """
    if not cells or (columns is not None and columns < 1):
        raise OptionError("a contact sheet needs at least one picture and one column")
    pictures = [_fitted(cell.picture, CELL_SIDE) for cell in cells]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    text_height = _LABEL_SIZE + _CAPTION_SIZE + _GAP
    step_x, step_y = width + _GAP, height + text_height + _GAP
    if columns is None:
        columns = max(1, round(math.sqrt(_ASPECT * len(cells) * step_y / step_x)))
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * step_x + _GAP, rows * step_y + _GAP), "white")
    draw = ImageDraw.Draw(sheet)
    label_font = ImageFont.load_default(_LABEL_SIZE)
    caption_font = ImageFont.load_default(_CAPTION_SIZE)
    for index, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        left = _GAP + index % columns * step_x
        top = _GAP + index // columns * step_y
        sheet.paste(picture, (left, top))
        if cell.inset is not None:
            inset = ImageOps.expand(_fitted(cell.inset, width // 4), border=2, fill="white")
            right, bottom = left + picture.width, top + picture.height
            sheet.paste(inset, (right - inset.width, bottom - inset.height))
        below = top + height + 4
        label = _cut(cell.label, label_font, width)
        draw.text((left, below), label, _INK, label_font)
        caption = _cut(cell.caption, caption_font, width)
        draw.text((left, below + _LABEL_SIZE + 4), caption, _PALE, caption_font)
    sheet.info["icc_profile"] = srgb_profile()
    return sheet


def _fitted(picture: Image.Image, side: int) -> Image.Image:
    small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, or as much of its beginning as fits; accents go, which Pillow's font lacks."""
    if not text:
        return ""
    letters = unicodedata.normalize("NFKD", one_line(text))
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
