"""Figures of several pictures: a grid between four styles, a strip of strengths, a contact sheet.

Grid and strip are the paper's figures of its controls. The photograph and each style are
encoded once; every picture of a figure costs one more decoding.
"""

from __future__ import annotations

import io
import math
import unicodedata
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from impasto.controls import Controls
from impasto.controls.masks import fit
from impasto.errors import OptionError, one_line
from impasto.images.icc import srgb_profile
from impasto.images.options import ReadOptions, check_size
from impasto.images.photo import Photo, Picture, fit_photo, read_photo
from impasto.painting import Budget, Content, Progress, Watch
from impasto.styles.style import Style, blend_styles
from impasto.stylizer import Stylizer

PICTURE_SIZE = 256
"""Shorter side of each picture in a figure, in pixels."""

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The strengths of Fig. 7 of Huang & Belongie, ICCV 2017."""

STEPS = 5
"""Pictures along each side of the grid, as in Fig. 8 of the paper."""

_GAP = 8

CELL_SIDE = 320
"""Longer side of a picture on a contact sheet, in pixels."""

_CELL_GAP = 16
_LABEL_SIZE, _CAPTION_SIZE = 18, 14
_INK, _PALE = "black", (110, 110, 110)

# Approximate aspect ratio of a sheet: that of most screens, and of a page in landscape.
_ASPECT = 1.5

Row: TypeAlias = list[Image.Image | None]


def grid(
    model: Stylizer,
    content: Picture | Photo,
    styles: Sequence[Style | Picture | Photo],
    controls: Controls = Controls(),
    *,
    steps: int = STEPS,
    size: int | None = PICTURE_SIZE,
    read: ReadOptions = ReadOptions(),
    watch: Watch | None = None,
) -> Image.Image:
    """Draw a photograph between four styles (Fig. 8 of the paper): bilinear weights from corners.

    In row i and column j of n, with v = i / (n - 1) and h = j / (n - 1), the weights of the styles
    are ``(1 - v)(1 - h), (1 - v) h, v (1 - h)`` and ``v h``. The style pictures are drawn beside
    the corners, if they are known.

    Args:
        model: the loaded model.
        content: the photograph.
        styles: four, for the corners: top left, top right, bottom left, bottom right.
        controls: as for ``Stylizer.paint``, but without weights; a single mask applies to all four
            styles.
        steps: pictures along each side, 2 or more.
        size: shorter side that a larger photograph is reduced to; None leaves it unchanged.
        read: limits for reading; only ``style_size`` of its sizes is used.
        watch: called after every picture, ``steps`` times ``steps`` in all.

    Returns:
        An RGB image.

    Raises:
        OptionError: if there are not four styles, steps, size or a control is out of range, or the
            model does not support it.
        ImageError: if a picture cannot be read or is too small, or the mask is in color.
        StyleError: if a style was made by another model.

    Example:
        >>> grid(model, "street.jpg", [wave, rain, "a.jpg", "b.jpg"])       # doctest: +SKIP
    """
    if len(styles) != 4:
        raise OptionError(f"a grid has a style at each of its 4 corners, not {len(styles)}")
    if steps < 2:
        raise OptionError(f"a grid needs 2 steps or more along each side, not {steps}")
    if controls.weights is not None:
        raise OptionError("a grid sets the weights itself: leave weights out")
    if len(controls.masks) > 1:
        raise OptionError(f"a grid has one mask for all its styles, not {len(controls.masks)}")
    with ExitStack() as files:
        controls = controls.opened(files, max_pixels=read.max_pixels)
        photo, encoded, values, thumbnails = _prepare(model, content, styles, size, read)
        blend = not model.limits.styles  # built-in styles have no moments to blend
        if controls.masks and not blend:  # four quarters, which add up to the mask
            mask: Any = controls.masks[0]
            plane = fit(mask, *photo.image.shape[:2])
            controls = replace(controls, masks=[plane / np.float32(4)] * 4)
        places = np.linspace(0, 1, steps)
        rows: list[Row] = []
        for v in places:
            row: Row = []
            for h in places:
                weights = [(1 - v) * (1 - h), (1 - v) * h, v * (1 - h), v * h]
                if blend:  # equivalent to weights, and one style goes with the one mask
                    painted = model.paint(encoded, blend_styles(values, weights), controls)
                else:
                    painted = model.paint(encoded, values, replace(controls, weights=weights))
                row.append(_on_white(painted.image, photo.alpha))
                _report(watch, len(rows) * steps + len(row), steps * steps)
            rows.append(row)
    if any(thumbnails):
        empty: Row = [None] * steps
        left, right = empty.copy(), empty.copy()
        left[0], right[0], left[-1], right[-1] = thumbnails
        rows = [[one, *row, two] for one, row, two in zip(left, rows, right, strict=True)]
    return _in_rows(rows, photo)


def strip(
    model: Stylizer,
    content: Picture | Photo,
    style: Style | Picture | Photo,
    controls: Controls = Controls(),
    *,
    alphas: Sequence[float] = ALPHAS,
    size: int | None = PICTURE_SIZE,
    read: ReadOptions = ReadOptions(),
    watch: Watch | None = None,
) -> Image.Image:
    """Draw a photograph at several strengths of a style (Fig. 7 of the paper), then the style.

    Args:
        model: the loaded model.
        content: the photograph.
        style: the style.
        controls: as for ``Stylizer.paint``, except alpha.
        alphas: strengths in [0, 2], from left to right.
        size: shorter side that a larger photograph is reduced to; None leaves it unchanged.
        read: limits for reading; only ``style_size`` of its sizes is used.
        watch: called after every picture, once for each strength.

    Returns:
        An RGB image.

    Raises:
        OptionError: if there are no strengths, one of them, the size or a control is out of range,
            or the model does not support it.
        ImageError: if a picture cannot be read or is too small, or the mask is in color.
        StyleError: if the style was made by another model.

    Example:
        >>> strip(model, "street.jpg", "wave.jpg", alphas=[0, 0.5, 1])      # doctest: +SKIP
    """
    if not alphas:
        raise OptionError("a strip needs one strength or more, not 0")
    with ExitStack() as files:
        controls = controls.opened(files, max_pixels=read.max_pixels)
        strengths = [replace(controls, alpha=alpha) for alpha in alphas]
        for each in strengths:
            model.check(each, 1, Budget())
        photo, encoded, values, thumbnails = _prepare(model, content, [style], size, read)
        row: Row = []
        for each in strengths:
            painted = model.paint(encoded, values, each)
            row.append(_on_white(painted.image, photo.alpha))
            _report(watch, len(row), len(strengths))
    return _in_rows([row + [each for each in thumbnails if each]], photo)


@dataclass(frozen=True, eq=False)
class Cell:
    """A picture on a sheet.

    Attributes:
        picture: of any size; reduced where it is larger than a cell.
        label: the text below it.
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
        columns: pictures per row; by default as many as give a sheet of about 3 : 2.

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
    pictures = [_reduce(cell.picture, CELL_SIDE) for cell in cells]
    width = max(picture.width for picture in pictures)
    height = max(picture.height for picture in pictures)
    text_height = _LABEL_SIZE + _CAPTION_SIZE + _CELL_GAP
    step_x, step_y = width + _CELL_GAP, height + text_height + _CELL_GAP
    if columns is None:
        columns = max(1, round(math.sqrt(_ASPECT * len(cells) * step_y / step_x)))
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * step_x + _CELL_GAP, rows * step_y + _CELL_GAP), "white")
    draw = ImageDraw.Draw(sheet)
    label_font = ImageFont.load_default(_LABEL_SIZE)
    caption_font = ImageFont.load_default(_CAPTION_SIZE)
    for index, (cell, picture) in enumerate(zip(cells, pictures, strict=True)):
        left = _CELL_GAP + index % columns * step_x
        top = _CELL_GAP + index // columns * step_y
        sheet.paste(picture, (left, top))
        if cell.inset is not None:
            inset = ImageOps.expand(_reduce(cell.inset, width // 4), border=2, fill="white")
            right, bottom = left + picture.width, top + picture.height
            sheet.paste(inset, (right - inset.width, bottom - inset.height))
        below = top + height + 4
        label = _cut(cell.label, label_font, width)
        draw.text((left, below), label, _INK, label_font)
        caption = _cut(cell.caption, caption_font, width)
        draw.text((left, below + _LABEL_SIZE + 4), caption, _PALE, caption_font)
    sheet.info["icc_profile"] = srgb_profile()
    return sheet


def _prepare(
    model: Stylizer,
    content: Picture | Photo,
    styles: Sequence[Style | Picture | Photo],
    size: int | None,
    read: ReadOptions,
) -> tuple[Photo, Content, list[Style], list[Image.Image | None]]:
    """Read and encode photograph and styles: photo, content, styles, pictures of the styles."""
    check_size(size)
    values: list[Style] = []
    thumbnails: list[Image.Image | None] = []
    for each in styles:
        value = each if isinstance(each, Photo) else model.find(each)
        if isinstance(value, Style):
            model.check_style(value)
            data = value.thumbnail
            values.append(value)
            thumbnails.append(None if data is None else _picture(read_photo(io.BytesIO(data))))
            continue
        if not isinstance(value, Photo):
            value = read_photo(value, max_pixels=read.max_pixels, value_range=read.value_range)
            value = fit_photo(value, read.style_size, enlarge=False)
        values.append(model.style(value, size=None))
        thumbnails.append(_picture(value))
    if not isinstance(content, Photo):
        content = read_photo(content, max_pixels=read.max_pixels, value_range=read.value_range)
    photo = fit_photo(content, size, enlarge=False)
    return photo, model.encode(photo.image, opacity=photo.alpha), values, thumbnails


def _picture(photo: Photo) -> Image.Image:
    return _on_white(photo.image, photo.alpha)


def _on_white(image: NDArray[np.float32], opacity: NDArray[np.float32] | None) -> Image.Image:
    if opacity is not None:
        image = image * opacity[..., None] + (1 - opacity[..., None])
    return Image.fromarray(np.rint(image.clip(0, 1) * 255).astype(np.uint8))


def _report(watch: Watch | None, step: int, steps: int) -> None:
    if watch is not None:
        watch(Progress(step, steps))


def _in_rows(rows: Sequence[Row], photo: Photo) -> Image.Image:
    """Draw pictures in rows and columns on white, each centered in its cell."""
    height, width = photo.image.shape[:2]
    across, down = len(rows[0]), len(rows)
    size = (across * (width + _GAP) + _GAP, down * (height + _GAP) + _GAP)
    sheet = Image.new("RGB", size, "white")
    for i, row in enumerate(rows):
        for j, each in enumerate(row):
            if each is None:
                continue
            each.thumbnail((width, height), Image.Resampling.LANCZOS)
            left = _GAP + j * (width + _GAP) + (width - each.width) // 2
            top = _GAP + i * (height + _GAP) + (height - each.height) // 2
            sheet.paste(each, (left, top))
    sheet.info["icc_profile"] = srgb_profile()
    return sheet


def _reduce(picture: Image.Image, side: int) -> Image.Image:
    small = picture.convert("RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    return small


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Cut a text to a width, and remove accents, which Pillow's font lacks."""
    if not text:
        return ""
    letters = unicodedata.normalize("NFKD", one_line(text))
    text = "".join(letter for letter in letters if not unicodedata.combining(letter))
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text.rstrip() + "…"
