"""The paper's figures of its controls: a grid between four styles, and a strip of strengths.

The photograph is encoded once and each style once; every picture of a figure is one more decoding.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from impasto.controls.masks import fit, read_masks
from impasto.errors import OptionError
from impasto.images.icc import srgb_profile
from impasto.images.options import check_size
from impasto.images.photo import Photo, Picture, fit_photo, read_photo
from impasto.painting.steps import Content
from impasto.styles.style import Style, blend_styles
from impasto.stylizer import STYLE_SIZE, Stylizer

PICTURE_SIZE = 256
"""Shorter side of each picture in a figure, in pixels."""

ALPHAS = (0.0, 0.25, 0.5, 0.75, 1.0)
"""The strengths of Fig. 7 of Huang & Belongie, ICCV 2017."""

STEPS = 5
"""Pictures along each side of the grid, as in Fig. 8 of the paper."""

_GAP = 8

Row: TypeAlias = list[Image.Image | None]
Watch: TypeAlias = Callable[[], object]


def grid(
    model: Stylizer,
    content: Picture | Photo,
    styles: Sequence[Style | Picture | Photo],
    *,
    steps: int = STEPS,
    alpha: float = 1.0,
    size: int | None = PICTURE_SIZE,
    mask: Picture | None = None,
    watch: Watch | None = None,
) -> Image.Image:
    """A photograph between four styles (Fig. 8 of the paper): bilinear weights from the corners.

    In row i and column j of n, with v = i / (n - 1) and h = j / (n - 1), the styles weigh
    ``(1 - v)(1 - h), (1 - v) h, v (1 - h)`` and ``v h``. Outside of the corners stand the style
    pictures, as far as they are known.

    Args:
        model: what paints.
        content: the photograph.
        styles: four, for the corners: top left, top right, bottom left, bottom right.
        steps: pictures along each side, 2 or more.
        alpha: strength in [0, 2].
        size: shorter side that a larger photograph is reduced to; None leaves it as it is.
        mask: where all four styles go, as for ``Stylizer.stylize``; elsewhere the photograph stays.
        watch: called when a picture is done, ``steps`` times ``steps`` in all.

    Returns:
        An RGB image.

    Raises:
        OptionError: if there are not four styles, or steps, alpha or size are out of range, or the
            mask is empty.
        ImageError: if a picture cannot be read or is too small, or the mask is in color.
        StyleError: if a style was made by another model.

    Example:
        >>> grid(model, "street.jpg", [wave, rain, "a.jpg", "b.jpg"])       # doctest: +SKIP
    """
    if len(styles) != 4:
        raise OptionError(f"a grid has a style at each of its 4 corners, not {len(styles)}")
    if steps < 2:
        raise OptionError(f"a grid needs 2 steps or more along each side, not {steps}")
    planes = read_masks(mask, 1) or None
    held, values, thumbnails = _prepared(model, content, styles, size)
    places, extent = np.linspace(0, 1, steps), held.image.shape[:2]
    rows: list[Row] = []
    for v in places:
        row: Row = []
        for h in places:
            weights = [(1 - v) * (1 - h), (1 - v) * h, v * (1 - h), v * h]
            if model.card.styles:  # built in: they have no moments to blend
                quarters = planes and [fit(planes[0], *extent) / np.float32(4)] * 4
                painted = model.paint(held, values, weights=weights, alpha=alpha, masks=quarters)
            else:
                # As weights would do, and one style goes with the one mask.
                mixed = blend_styles(values, weights)
                painted = model.paint(held, mixed, alpha=alpha, masks=planes)
            row.append(_on_white(painted.image, held.opacity))
            _tell(watch)
        rows.append(row)
    if any(thumbnails):
        empty: Row = [None] * steps
        left, right = empty.copy(), empty.copy()
        left[0], right[0], left[-1], right[-1] = thumbnails
        rows = [[one, *row, two] for one, row, two in zip(left, rows, right, strict=True)]
    return _drawn(rows, held)


def strip(
    model: Stylizer,
    content: Picture | Photo,
    style: Style | Picture | Photo,
    *,
    alphas: Sequence[float] = ALPHAS,
    size: int | None = PICTURE_SIZE,
    mask: Picture | None = None,
    watch: Watch | None = None,
) -> Image.Image:
    """A photograph at several strengths of a style (Fig. 7 of the paper), and at last the style.

    Args:
        model: what paints.
        content: the photograph.
        style: the style.
        alphas: strengths in [0, 2], from left to right.
        size: shorter side that a larger photograph is reduced to; None leaves it as it is.
        mask: where the style goes, as for ``Stylizer.stylize``; elsewhere the photograph stays.
        watch: called when a picture is done, once for each strength.

    Returns:
        An RGB image.

    Raises:
        OptionError: if there are no strengths, or one or the size is out of range, or the mask is
            empty.
        ImageError: if a picture cannot be read or is too small, or the mask is in color.
        StyleError: if the style was made by another model.

    Example:
        >>> strip(model, "street.jpg", "wave.jpg", alphas=[0, 0.5, 1])      # doctest: +SKIP
    """
    if not alphas:
        raise OptionError("a strip needs one strength or more, not 0")
    planes = read_masks(mask, 1) or None
    held, values, thumbnails = _prepared(model, content, [style], size)
    row: Row = []
    for alpha in alphas:
        painted = model.paint(held, values, alpha=alpha, masks=planes)
        row.append(_on_white(painted.image, held.opacity))
        _tell(watch)
    return _drawn([row + [each for each in thumbnails if each]], held)


def _prepared(
    model: Stylizer,
    content: Picture | Photo,
    styles: Sequence[Style | Picture | Photo],
    size: int | None,
) -> tuple[Content, list[Style], list[Image.Image | None]]:
    check_size(size)
    values, thumbnails = [], []
    for each in styles:
        if isinstance(each, str):
            each = model.found(each)
        if isinstance(each, Style):
            model.check_style(each)
            known = each.thumbnail
            values.append(each)
            thumbnails.append(None if known is None else _picture(read_photo(io.BytesIO(known))))
        else:
            photo = each
            if not isinstance(photo, Photo):
                photo = fit_photo(read_photo(photo), STYLE_SIZE, enlarge=False)
            values.append(model.style(photo, size=None))
            thumbnails.append(_picture(photo))
    photo = content if isinstance(content, Photo) else read_photo(content)
    photo = fit_photo(photo, size, enlarge=False)
    return model.encode(photo.image, opacity=photo.alpha), values, thumbnails


def _picture(photo: Photo) -> Image.Image:
    return _on_white(photo.image, photo.alpha)


def _on_white(image: NDArray[np.float32], opacity: NDArray[np.float32] | None) -> Image.Image:
    if opacity is not None:
        image = image * opacity[..., None] + (1 - opacity[..., None])
    return Image.fromarray(np.rint(image.clip(0, 1) * 255).astype(np.uint8))


def _tell(watch: Watch | None) -> None:
    if watch is not None:
        watch()


def _drawn(rows: Sequence[Row], held: Content) -> Image.Image:
    """Pictures in rows and columns on white, each in the middle of a place for the photograph."""
    height, width = held.image.shape[:2]
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
