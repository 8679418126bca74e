"""The preview of a film: photographs above their paintings."""

from __future__ import annotations

import doctest
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image, ImageChops

from impasto.errors import OptionError
from impasto.video import preview
from impasto.video.preview import contact_sheet

RED, BLUE = (255, 0, 0), (0, 0, 255)


def plain(color: tuple[int, int, int], height: int = 90, width: int = 160) -> np.ndarray:
    return np.full((height, width, 3), color, np.uint8)


def areas(sheet: Image.Image, color: tuple[int, int, int]) -> list[tuple[int, int, int, int]]:
    """The boxes of a color, column by column of the sheet."""
    mask = (np.asarray(sheet) == color).all(axis=2)
    columns = np.flatnonzero(mask.any(axis=0))
    starts = [c for c in columns if c - 1 not in columns]
    boxes = []
    for start in starts:
        end = next(c for c in range(start, mask.shape[1] + 1) if c not in columns)
        rows = np.flatnonzero(mask[:, start])
        boxes.append((int(start), int(rows[0]), end, int(rows[-1]) + 1))
    return boxes


def test_the_painting_stands_below_its_photograph() -> None:
    frames = [(Fraction(i), plain(RED), plain(BLUE)) for i in range(2)]
    sheet = contact_sheet(frames)
    above, below = areas(sheet, RED), areas(sheet, BLUE)
    assert len(above) == len(below) == 2
    for (left, top, right, bottom), (x0, y0, x1, y1) in zip(above, below, strict=True):
        assert (left, right) == (x0, x1) and (right - left, bottom - top) == (160, 90)
        assert bottom < y0 and (x1 - x0, y1 - y0) == (160, 90)


def test_the_time_stands_under_each() -> None:
    """Two sheets differ in nothing but their texts, which are below the pictures."""
    one = contact_sheet([(Fraction(5), plain(RED), plain(BLUE))])
    other = contact_sheet([(Fraction("125.5"), plain(RED), plain(BLUE))])
    box = ImageChops.difference(one, other).getbbox()
    assert box is not None and box[1] > areas(one, BLUE)[0][3]


@pytest.mark.parametrize("count", [1, 2, 6, 7])
def test_a_sheet_is_about_as_wide_as_a_screen(count: int) -> None:
    frames = [(Fraction(i), plain(RED), plain(BLUE)) for i in range(count)]
    sheet = contact_sheet(frames)
    assert sheet.width / sheet.height < 3
    assert (np.asarray(sheet) == RED).all(axis=2).sum() == count * 90 * 160


def test_pictures_of_any_kind_are_reduced() -> None:
    deep = np.full((720, 1280, 3), 65535, np.uint16)
    floats = np.zeros((360, 640, 3), np.float32)
    floats[..., 0] = 1.2  # as a painting may be, before it is rounded
    sheet = contact_sheet([(Fraction(0), deep, floats)], side=320)
    assert areas(sheet, RED) == [(16, 16 + 180 + 4, 336, 16 + 180 + 4 + 180)]
    with pytest.raises(OptionError, match="at least one frame"):
        contact_sheet([])


def test_the_examples_hold() -> None:
    assert doctest.testmod(preview).failed == 0
