"""The paper's figures of its controls: what stands where, and how much work it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from conftest import open_variant, picture
from numpy.typing import NDArray
from PIL import Image
from test_controls import Counting

from impasto.batch.figures import ALPHAS, grid, strip
from impasto.controls import Controls
from impasto.controls.masks import read_mask
from impasto.errors import ImageError, OptionError, StyleError
from impasto.images.icc import srgb_profile
from impasto.models import Bundle
from impasto.painting import Progress
from impasto.styles.style import make_thumbnail
from impasto.stylizer import Stylizer, stylizer_of

GAP = 8
CONTENT = picture(40, 60)
STYLES = [picture(48, 48, seed=seed) for seed in (5, 6, 7, 8)]


@pytest.fixture
def model(tiny_bundle: Bundle) -> Stylizer:
    return open_variant(tiny_bundle, ("onnxruntime", "fp32"))


def cell(sheet: Image.Image, row: int, column: int) -> NDArray[np.uint8]:
    left, top = GAP + column * (60 + GAP), GAP + row * (40 + GAP)
    return np.asarray(sheet.crop((left, top, left + 60, top + 40)))


def close(found: NDArray[np.uint8], wanted: NDArray[np.float32]) -> None:
    np.testing.assert_allclose(found / 255, wanted, atol=0.5 / 255 + 1e-4)


def test_grid_is_bilinear_between_its_corners(model: Stylizer) -> None:
    styles = [model.style(each) for each in STYLES]
    sheet = grid(model, CONTENT, styles)
    assert sheet.size == (5 * 60 + 6 * GAP, 5 * 40 + 6 * GAP)
    for (row, column), style in zip([(0, 0), (0, 4), (4, 0), (4, 4)], styles, strict=True):
        close(cell(sheet, row, column), model.paint(CONTENT, style).image)
    close(cell(sheet, 2, 2), model.paint(CONTENT, styles).image)
    weights = (0.75 * 0.5, 0.25 * 0.5, 0.75 * 0.5, 0.25 * 0.5)
    close(cell(sheet, 2, 1), model.paint(CONTENT, styles, Controls(weights=weights)).image)
    assert (np.asarray(sheet)[:GAP] == 255).all()
    assert sheet.info["icc_profile"] == srgb_profile()


def test_style_pictures_stand_at_the_corners(model: Stylizer) -> None:
    thumbnail = make_thumbnail(STYLES[3])
    styles = [*STYLES[:3], replace(model.style(STYLES[3]), thumbnail=thumbnail)]
    sheet = grid(model, CONTENT, styles, Controls(alpha=0.5), steps=3)
    assert sheet.size == (5 * 60 + 6 * GAP, 3 * 40 + 4 * GAP)
    for (row, column), style in zip([(0, 0), (0, 4), (2, 0), (2, 4)], STYLES, strict=True):
        found = cell(sheet, row, column)[:, 10:50]  # 40 x 40, in the middle
        assert np.abs(found.mean((0, 1)) / 255 - style.mean((0, 1))).max() < 0.02
        assert (cell(sheet, row, column)[:, :10] == 255).all()
    assert (cell(sheet, 1, 0) == 255).all()
    close(
        cell(sheet, 0, 1), model.paint(CONTENT, model.style(STYLES[0]), Controls(alpha=0.5)).image
    )


def test_strip_goes_from_the_photograph_to_the_style(model: Stylizer) -> None:
    sheet = strip(model, CONTENT, STYLES[0])
    assert sheet.size == (6 * 60 + 7 * GAP, 40 + 2 * GAP)
    style = model.style(STYLES[0])
    for column, alpha in enumerate(ALPHAS):
        close(cell(sheet, 0, column), model.paint(CONTENT, style, Controls(alpha=alpha)).image)
    np.testing.assert_array_equal(cell(sheet, 0, 0), np.rint(CONTENT * 255))
    assert strip(model, CONTENT, style, alphas=[0.3, 2]).size == (2 * 60 + 3 * GAP, 40 + 2 * GAP)


def test_a_figure_encodes_each_picture_once(tiny_bundle: Bundle) -> None:
    tiny = open_variant(tiny_bundle, ("onnxruntime", "fp32"))
    engine = Counting(tiny.engine)
    model = stylizer_of(tiny, engine)
    calls: list[Progress] = []
    grid(model, CONTENT, STYLES, steps=4, watch=calls.append)
    assert (engine.encoded, len(engine.shapes), len(calls)) == (5, 16, 16)
    strip(model, CONTENT, STYLES[0], watch=calls.append)
    # A strength of 0 is the photograph itself, which nothing decodes.
    assert (engine.encoded, len(engine.shapes), len(calls)) == (7, 20, 21)
    assert [(each.step, each.steps) for each in calls[-2:]] == [(4, 5), (5, 5)]


def test_a_photograph_is_reduced_and_never_enlarged(model: Stylizer) -> None:
    assert strip(model, CONTENT, STYLES[0], alphas=[1], size=20).size == (2 * 30 + 3 * GAP, 36)
    assert strip(model, CONTENT, STYLES[0], alphas=[1], size=99).size == (2 * 60 + 3 * GAP, 56)


def test_what_is_transparent_is_white(model: Stylizer) -> None:
    alpha = np.ones((40, 60), np.float32)
    alpha[:, 30:] = 0
    sheet = strip(model, np.dstack([CONTENT, alpha]), STYLES[0])
    for column in range(5):
        assert (cell(sheet, 0, column)[:, 30:] == 255).all()
        assert (cell(sheet, 0, column)[:, :30] < 255).any()


def test_a_mask_keeps_the_photograph_outside(model: Stylizer) -> None:
    """For a grid the one mask limits all four: a soft border is as soft as with one style."""
    mask = np.zeros((20, 30), np.float32)
    mask[:, 15:] = np.linspace(0.1, 1, 15)
    styles = [model.style(each) for each in STYLES]
    sheet = grid(model, CONTENT, styles, Controls(masks=mask, alpha=0.9), steps=3)
    quarter = [mask / 4] * 4  # which together cover as much as the mask
    for row, column in np.ndindex(3, 3):
        v, h = row / 2, column / 2
        weights = ((1 - v) * (1 - h), (1 - v) * h, v * (1 - h), v * h)
        wanted = model.paint(CONTENT, styles, Controls(weights=weights, masks=quarter, alpha=0.9))
        close(cell(sheet, row, column), wanted.image)
        np.testing.assert_array_equal(
            cell(sheet, row, column)[:, :29], np.rint(CONTENT[:, :29] * 255)
        )
    cut = Image.fromarray(np.rint(mask * 255).astype(np.uint8))
    sheet = strip(model, CONTENT, STYLES[0], Controls(masks=cut))
    for column, alpha in enumerate(ALPHAS):
        wanted = model.paint(CONTENT, styles[0], Controls(masks=[read_mask(cut)], alpha=alpha))
        close(cell(sheet, 0, column), wanted.image)
    with pytest.raises(OptionError, match="mask 1 is empty"):
        strip(model, CONTENT, STYLES[0], Controls(masks=np.zeros((9, 9), np.float32)))
    with pytest.raises(ImageError, match="is a picture in color"):
        grid(model, CONTENT, STYLES, Controls(masks=[CONTENT]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 1}, "2 steps or more along each side, not 1"),
        ({"controls": {"alpha": 3}}, "alpha must be"),
        ({"controls": {"weights": [1, 2, 3, 4]}}, "leave weights out"),
        ({"controls": {"masks": [np.eye(4)] * 4}}, "one mask for all its styles, not 4"),
        ({"size": 15}, "16 pixels or more"),
    ],
)
def test_grid_refuses(model: Stylizer, options: dict[str, Any], says: str) -> None:
    controls = options.pop("controls", {})
    with pytest.raises(OptionError, match=says):
        grid(model, CONTENT, STYLES, Controls(**controls), **options)


def test_figures_refuse(model: Stylizer, tiny_bundle: Bundle) -> None:
    with pytest.raises(OptionError, match="a style at each of its 4 corners, not 3"):
        grid(model, CONTENT, STYLES[:3])
    with pytest.raises(OptionError, match="one strength or more, not 0"):
        strip(model, CONTENT, STYLES[0], alphas=[])
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        strip(model, "gone.png", STYLES[0])
    with pytest.raises(StyleError, match="made by another model"):
        strip(model, CONTENT, replace(model.style(STYLES[0]), model="0" * 16))
