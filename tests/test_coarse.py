"""Larger strokes: painted twice, the photograph kept, and composed with the other controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import paint, picture
from PIL import Image
from test_controls import blob, photo

from impasto.cli import cli
from impasto.controls import Controls
from impasto.controls.coarse import DETAIL, CoarseSource, check_coarse, small_size
from impasto.controls.regions import StyleMap
from impasto.errors import OptionError
from impasto.images.arrays import Photo
from impasto.images.resizing import resize_plane
from impasto.painting import Budget, Limits
from impasto.stylizer import Stylizer

SIZE = (90, 124)


@pytest.mark.parametrize("bad", [0, 0.99, 4.01, float("nan"), "large", None])
def test_factors_refused(bad: Any) -> None:
    with pytest.raises(OptionError, match="coarse must be a number from 1 to 4"):
        Controls(coarse=bad)


def test_factors() -> None:
    assert check_coarse(3) == Controls(coarse=3).coarse == 3.0
    assert small_size(300, 200, 2) == (150, 100)
    assert small_size(20, 40, 4) == (16, 32), "never smaller than a picture can be"


def test_a_factor_of_1_changes_nothing(tiny: Stylizer) -> None:
    image, style = picture(*SIZE), tiny.style(picture(40, 50, seed=1))
    wanted = tiny.paint(image, style).image
    np.testing.assert_array_equal(tiny.paint(image, style, Controls(coarse=1)).image, wanted)


def test_the_basis_is_the_small_painting_with_the_detail_of_the_photograph() -> None:
    image = picture(60, 80)
    reduced = Photo(picture(30, 40, seed=1), None, "reduced")
    painted = Photo(picture(30, 40, seed=2), None, "painted")
    amounts = StyleMap(Controls(), 1, 60, 80)
    source = CoarseSource(Photo(image, None, "photo"), reduced, painted, amounts)
    whole, alpha = source.window(slice(0, 60), slice(0, 80))
    large = [
        np.stack([resize_plane(each.image[..., k], 60, 80) for k in range(3)], axis=-1)
        for each in (painted, reduced)
    ]
    wanted = np.clip(large[0] + DETAIL * (image - large[1]), 0, 1)
    assert alpha is None
    np.testing.assert_allclose(whole, wanted, atol=1e-6)
    part, _ = source.window(slice(7, 33), slice(20, 71))
    np.testing.assert_allclose(part, whole[7:33, 20:71], atol=1e-6)


def test_the_second_painting_is_that_of_the_basis(tiny: Stylizer) -> None:
    image, style = picture(*SIZE), tiny.style(picture(40, 50, seed=1))
    small = small_size(*SIZE, 2)
    reduced = np.stack([resize_plane(image[..., k], *small) for k in range(3)], axis=-1)
    painted = tiny.paint(reduced, style).image
    basis = CoarseSource(
        *(Photo(each, None, "") for each in (image, reduced, painted)),
        StyleMap(Controls(), 1, *SIZE),
    )
    wanted = tiny.paint(basis.window(slice(0, SIZE[0]), slice(0, SIZE[1]))[0], style).image
    found = tiny.paint(image, style, Controls(coarse=2)).image
    np.testing.assert_allclose(
        found, wanted, atol=1e-4 if tiny.engine.precision == "fp32" else 0.02
    )
    assert np.abs(found - tiny.paint(image, style).image).max() > 0.05


COMBINED: list[dict[str, Any]] = [
    {},
    {"alpha": 0.5, "weights": (1, 3)},
    {"masks": [blob(*SIZE, 1), blob(40, 60, 2)], "opacity": blob(*SIZE, 3)},
    {"alpha": 2 * blob(70, 90, 4), "color": "luminance"},
    {"masks": [blob(*SIZE, 1), blob(40, 60, 2)], "color": "monge-kantorovich"},
    {"color": "only", "statistics": "image"},
]


@pytest.mark.parametrize("options", COMBINED, ids=lambda options: "-".join(options) or "plain")
def test_it_composes_with_every_control_and_with_tiles(
    tiny: Stylizer, options: dict[str, Any]
) -> None:
    image, styles = picture(*SIZE), [photo(48, 64, seed=seed) for seed in (5, 6)]
    whole = paint(tiny, image, styles, coarse=2.5, **options).image
    tiled = paint(tiny, image, styles, coarse=2.5, budget=Budget(tile=48), **options).image
    assert np.isfinite(whole).all() and whole.min() >= 0 and whole.max() <= 1
    assert np.abs(whole - tiled).max() <= 1 / 255
    if "opacity" in options:
        hidden = options["opacity"] == 0
        np.testing.assert_array_equal(whole[hidden], image[hidden])


def test_the_photograph_stays_where_nothing_is_painted(tiny: Stylizer) -> None:
    image, style = picture(*SIZE), tiny.style(picture(40, 50, seed=1))
    np.testing.assert_array_equal(
        tiny.paint(image, style, Controls(coarse=3, alpha=0)).image, image
    )
    mask = np.zeros(SIZE, np.float32)
    mask[:, 80:] = 1
    found = tiny.paint(image, style, Controls(coarse=3, masks=[mask])).image
    np.testing.assert_array_equal(found[:, :80], image[:, :80])
    assert not np.array_equal(found[:, 80:], image[:, 80:])


def test_the_photographs_hues_are_kept_as_ever(tiny: Stylizer) -> None:
    image, style = picture(*SIZE), tiny.style(picture(40, 50, seed=1))
    found = tiny.paint(image, style, Controls(coarse=2, color="luminance")).image
    wanted = tiny.paint(image, style, Controls(color="luminance")).image
    chroma = [each - each.mean(axis=2, keepdims=True) for each in (found, wanted)]
    assert np.corrcoef(chroma[0].ravel(), chroma[1].ravel())[0, 1] > 0.95


def test_what_cannot_paint_larger_strokes_says_so() -> None:
    with pytest.raises(
        OptionError, match="model 'mine' cannot paint larger strokes: leave coarse out"
    ):
        Limits().check("mine", Controls(coarse=2), 1, Budget())


def test_on_the_command_line(tiny_path: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 0), ("b", 1)):
        pixels = np.rint(255 * picture(60, 80, seed=seed)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    names = [str(tmp_path / f"{name}.png") for name in "ab"]
    pictures = []
    for factor in ("1", "2"):
        out = tmp_path / f"{factor}.png"
        done = CliRunner().invoke(
            cli, ["stylize", *names, "-o", str(out), "--coarse", factor, "--model", str(tiny_path)]
        )
        assert done.exit_code == 0, done.output
        pictures.append(np.asarray(Image.open(out), int))
    assert np.abs(pictures[0] - pictures[1]).max() > 5
    assert "--coarse K" in CliRunner().invoke(cli, ["stylize", "--help"]).output
