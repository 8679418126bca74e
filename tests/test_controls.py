"""Controls composed: strength, several styles, masks, color and transparency, in any combination.

What holds for each of them alone is in test_formulas.py, test_regions.py and test_color.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_tiny, open_variant, paint, picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from impasto.controls import Controls
from impasto.controls.affine import Affine
from impasto.controls.color import METHODS, put_luminance
from impasto.errors import ImageError, OptionError, StyleError
from impasto.images.photo import Photo, read_photo
from impasto.models import Bundle
from impasto.models.engine import Encoded, Engine
from impasto.painting import Budget
from impasto.painting.tiles import FADE
from impasto.styles.library import VARIABLE, add_style
from impasto.stylizer import Stylizer, stylizer_of

Image32 = NDArray[np.float32]

COLORS = [None, *(row.name for row in METHODS)]

few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
)


def near(model: Stylizer) -> float:
    """How near results that are equal in theory come."""
    return 2e-4 if model.engine.precision == "fp32" else 0.03


def photo(height: int, width: int, *, seed: int = 0, alpha: Image32 | None = None) -> Photo:
    return Photo(picture(height, width, seed=seed), alpha, f"picture {seed}")


def blob(height: int, width: int, seed: int) -> Image32:
    """A soft mask: a disk of any place and size, never empty."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / np.array([[[height]], [[width]]])
    top, left, radius, soft = rng.uniform((0, 0, 0.3, 0.02), (1, 1, 0.9, 0.5))
    return np.clip((radius - np.hypot(y - top, x - left)) / soft, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Case:
    """One combination of all controls."""

    image: Image32
    styles: tuple[Photo, ...]
    options: dict[str, Any]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    height, width = draw(st.integers(16, 90)), draw(st.integers(16, 90))
    count = draw(st.integers(1, 4))
    shape = st.sampled_from([(height, width), (20, 30), (131, 57)])
    masks = None
    if draw(st.booleans()):
        masks = [blob(*draw(shape), draw(st.integers(0, 99))) for _ in range(count)]
        masks = [np.maximum(mask, np.float32(0.1) * (mask.max() == 0)) for mask in masks]
    strength = st.floats(0, 2)
    opacity = st.one_of(st.none(), st.integers(0, 99))
    drawn = draw(opacity)
    return Case(
        image=picture(height, width, seed=draw(st.integers(0, 9))),
        styles=tuple(
            photo(draw(st.integers(16, 60)), 40, seed=10 + draw(st.integers(0, 9)))
            for _ in range(count)
        ),
        options={
            "alpha": 2 * blob(*draw(shape), 7) if draw(st.booleans()) else draw(strength),
            "weights": draw(
                st.none() | st.lists(st.floats(0, 9), min_size=count, max_size=count).filter(any)
            ),
            "masks": masks,
            "statistics": draw(st.sampled_from(["region", "image"])),
            "color": draw(st.sampled_from(COLORS)),
            "opacity": None if drawn is None else blob(height, width, drawn),
        },
    )


def check(image: Image32, result: Image32) -> None:
    assert result.shape == image.shape
    assert result.dtype == np.float32
    assert result.flags.c_contiguous
    assert np.isfinite(result).all()
    assert result.min() >= 0
    assert result.max() <= 1


# --- any combination -------------------------------------------------------------------------


@few
@given(cases())
def test_any_combination_gives_a_picture(model: Stylizer, case: Case) -> None:
    check(case.image, paint(model, case.image, case.styles, **case.options).image)


@few
@given(cases(), st.randoms())
def test_the_order_of_styles_does_not_matter(tiny: Stylizer, case: Case, random: Any) -> None:
    order = list(range(len(case.styles)))
    random.shuffle(order)
    turned = dict(case.options)
    for name in ("weights", "masks"):
        if turned[name] is not None:
            turned[name] = [turned[name][i] for i in order]
    one = paint(tiny, case.image, case.styles, **case.options).image
    two = paint(tiny, case.image, [case.styles[i] for i in order], **turned).image
    np.testing.assert_allclose(two, one, atol=near(tiny))


@few
@given(cases())
def test_alpha_0_is_the_photograph(tiny: Stylizer, case: Case) -> None:
    for alpha in (0, np.zeros((5, 7), np.float32)):
        options = {**case.options, "alpha": alpha}
        found = paint(tiny, case.image, case.styles, **options).image
        np.testing.assert_array_equal(found, case.image)


@few
@given(cases())
def test_masks_of_ones_are_no_masks(tiny: Stylizer, case: Case) -> None:
    ones = [np.ones((3 + k, 4), np.float32) for k in range(len(case.styles))]
    one = paint(tiny, case.image, case.styles, **{**case.options, "masks": None}).image
    two = paint(tiny, case.image, case.styles, **{**case.options, "masks": ones}).image
    np.testing.assert_array_equal(one, two)


@few
@given(cases(), st.integers(2, 4))
def test_equal_styles_are_one_style(tiny: Stylizer, case: Case, count: int) -> None:
    # Regions have statistics of their own; without them masks only say how much.
    options = {**case.options, "masks": None, "weights": None}
    one = paint(tiny, case.image, case.styles[:1], **options).image
    same = paint(tiny, case.image, case.styles[:1] * count, **options).image
    np.testing.assert_allclose(same, one, atol=near(tiny))
    mask = blob(50, 60, count)
    pieces = [mask / np.float32(count)] * count
    options["statistics"] = "image"
    if mask.any():
        one = paint(tiny, case.image, case.styles[:1], **{**options, "masks": [mask]}).image
        same = paint(
            tiny, case.image, case.styles[:1] * count, **{**options, "masks": pieces}
        ).image
        np.testing.assert_allclose(same, one, atol=near(tiny))


@few
@given(cases())
def test_what_no_mask_covers_is_the_photograph(tiny: Stylizer, case: Case) -> None:
    size = case.image.shape[:2]
    masks = [blob(*size, k) for k in range(len(case.styles))]
    masks[0].flat[0] = 1
    masks = [mask if mask.any() else masks[0] for mask in masks]
    found = paint(tiny, case.image, case.styles, **{**case.options, "masks": masks}).image
    free = np.max(masks, axis=0) == 0
    np.testing.assert_array_equal(found[free], case.image[free])


@few
@given(cases())
def test_what_is_transparent_stays_and_does_not_count(tiny: Stylizer, case: Case) -> None:
    opacity = blob(*case.image.shape[:2], 3)
    opacity[:9, :9] = 1
    hidden = opacity == 0
    other = case.image.copy()
    other[hidden] = np.random.default_rng(0).random((np.count_nonzero(hidden), 3), np.float32)
    options = {**case.options, "opacity": opacity}
    one = paint(tiny, case.image, case.styles, **options).image
    two = paint(tiny, other, case.styles, **options).image
    np.testing.assert_array_equal(one[~hidden], two[~hidden])
    np.testing.assert_array_equal(one[hidden], case.image[hidden])
    np.testing.assert_array_equal(two[hidden], other[hidden])


@few
@given(cases())
def test_an_encoded_photograph_paints_the_same(tiny: Stylizer, case: Case) -> None:
    options = dict(case.options)
    wanted = paint(tiny, case.image, case.styles, **options).image
    held = tiny.encode(case.image, opacity=options.pop("opacity"))
    np.testing.assert_array_equal(paint(tiny, held, case.styles, **options).image, wanted)


def test_engines_agree_on_maps(model: Stylizer, reference: Stylizer) -> None:
    image = picture(75, 110)
    masks = [blob(75, 110, 1), blob(75, 110, 2)]
    results = []
    for each in (model, reference):
        styles = [each.style(picture(64, 80, seed=seed)) for seed in (5, 6)]
        results.append(
            each.paint(image, styles, Controls(masks=masks, alpha=blob(30, 30, 3))).image
        )
    error = np.abs(results[0] - results[1])
    assert error.max() < 1e-3 or (model.engine.precision == "bf16" and error.mean() < 0.01)


# --- each of them ----------------------------------------------------------------------------


def test_weights_lead_from_one_style_to_the_other(model: Stylizer) -> None:
    image = picture(48, 64)
    styles = [model.style(picture(64, 80, seed=seed)) for seed in (5, 6)]
    ends = [model.paint(image, each).image for each in styles]
    for weights, wanted in [((1, 0), ends[0]), ((0, 3), ends[1])]:
        found = model.paint(image, styles, Controls(weights=weights)).image
        np.testing.assert_array_equal(found, wanted)
    steps = [model.paint(image, styles, Controls(weights=(4 - k, k))).image for k in range(5)]
    away = [np.abs(step - ends[0]).mean() for step in steps]
    assert away == sorted(away) and away[-1] > 0


def test_each_mask_gets_its_style(tiny: Stylizer) -> None:
    # Both levels of the tiny model are linear in the pixels, so a half has its style's mean color.
    image = picture(64, 96)
    left = np.zeros((64, 96), np.float32)
    left[:, :48] = 1
    pictures = [0.3 + 0.4 * picture(48, 48, seed=seed) for seed in (5, 6)]
    styles = [tiny.style(each) for each in pictures]
    found = tiny.paint(image, styles, Controls(masks=[left, 1 - left])).image
    for half, wanted in zip((found[:, :48], found[:, 48:]), pictures, strict=True):
        np.testing.assert_allclose(half.mean((0, 1)), wanted.mean((0, 1)), atol=0.02)
    alone = tiny.paint(image[:, :48], styles[0]).image
    np.testing.assert_allclose(found[:, :48], alone, atol=near(tiny))


def test_a_region_too_small_for_statistics_has_those_of_the_photograph(tiny: Stylizer) -> None:
    image, style = picture(64, 96), tiny.style(picture(48, 48, seed=5))
    dot = np.zeros((64, 96), np.float32)
    dot[20:24, 40:44] = 1
    region, whole = (
        tiny.paint(image, style, Controls(masks=[dot], statistics=each)).image
        for each in ("region", "image")
    )
    np.testing.assert_array_equal(region, whole)
    assert not np.array_equal(region, image)


def test_a_map_of_strength_is_a_mask_with_the_statistics_of_the_image(tiny: Stylizer) -> None:
    image, style, map_ = picture(64, 96), tiny.style(picture(48, 48, seed=5)), blob(64, 96, 4)
    one = tiny.paint(image, style, Controls(alpha=map_)).image
    two = tiny.paint(image, style, Controls(masks=[map_], statistics="image")).image
    np.testing.assert_allclose(one, two, atol=1e-6)


@pytest.mark.parametrize("color", [name for name in COLORS if name])
def test_colors_with_a_mask_stay_within_it(tiny: Stylizer, color: str) -> None:
    image, style = picture(64, 96), photo(48, 48, seed=5)
    mask = np.zeros((64, 96), np.float32)
    mask[:, 40:] = 1
    found = tiny.paint(image, style, Controls(masks=[mask], color=color)).image
    np.testing.assert_array_equal(found[:, :40], image[:, :40])
    assert np.abs(found[:, 40:] - image[:, 40:]).mean() > 0.003
    plain = tiny.paint(image, style, Controls(masks=[mask])).image
    assert not np.array_equal(plain, found)


@pytest.mark.parametrize("color", ["cholesky", "eigen", "monge-kantorovich", "luminance"])
def test_colors_are_kept(tiny: Stylizer, color: str) -> None:
    image = 0.3 + 0.4 * picture(64, 96)
    style = Photo(0.3 + 0.4 * picture(48, 48, seed=5)[..., ::-1] * (1, 0.6, 0.4), None, "a red one")
    style = replace(style, image=style.image.astype(np.float32))
    mean = image.mean((0, 1))
    kept = tiny.paint(image, style, Controls(color=color)).image.mean((0, 1))
    lost = tiny.paint(image, style).image.mean((0, 1))
    assert np.abs(kept - mean).max() < 0.02 < 0.05 < np.abs(lost - mean).max()


def test_only_colors_paints_nothing(tiny: Stylizer) -> None:
    counting = Counting(tiny.engine)
    model = stylizer_of(tiny, counting)
    painted = model.paint(picture(40, 40), photo(40, 40, seed=5), Controls(color="only"))
    assert (counting.encoded, counting.shapes) == (0, [])
    assert not np.array_equal(painted.image, picture(40, 40))


def test_a_transparent_style_is_its_visible_part(tiny: Stylizer) -> None:
    # Cells of the tiny model see nothing of each other, so the half stands for itself.
    image = picture(64, 80, seed=5)
    alpha = np.zeros((64, 80), np.float32)
    alpha[:, :40] = 1
    half = tiny.style(image[:, :40], size=None)
    cut = tiny.style(np.dstack([image, alpha]), size=None)
    for one, two in zip(half.moments, cut.moments, strict=True):
        np.testing.assert_allclose(one.mean, two.mean, atol=near(tiny))
        np.testing.assert_allclose(one.std, two.std, atol=near(tiny))
    with pytest.raises(ImageError, match="is fully transparent, so it has no style"):
        tiny.style(np.dstack([image, 0 * alpha]))
    with pytest.raises(ImageError, match="is fully transparent"):
        tiny.paint(picture(32, 32), photo(64, 80, alpha=0 * alpha), Controls(color="only"))


def test_a_transparent_photograph_is_left_alone(tiny: Stylizer) -> None:
    image = np.dstack([picture(32, 48), np.zeros((32, 48), np.float32)])
    np.testing.assert_array_equal(tiny.stylize(image, picture(40, 40, seed=1)), image)


# --- how much work ---------------------------------------------------------------------------


class Counting:
    """An engine that counts what it does."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.name, self.precision = engine, engine.name, engine.precision
        self.encoded = 0
        self.shapes: list[list[tuple[int, ...]]] = []

    def encode(self, image: Image32) -> Encoded:
        self.encoded += 1
        return self.engine.encode(image)

    def decode(self, features: Sequence[Image32], affines: Sequence[Affine]) -> Image32:
        self.shapes.append([each.scale.shape for each in affines])
        assert all(each.scale.shape == each.shift.shape for each in affines)
        return self.engine.decode(features, affines)


@pytest.fixture
def counting(tiny_bundle: Bundle) -> tuple[Stylizer, Counting]:
    tiny = open_variant(tiny_bundle, ("onnxruntime", "fp32"))
    engine = Counting(tiny.engine)
    return stylizer_of(tiny, engine), engine


COLUMNS = [(12, 1, 1), (48, 1, 1)]
MAPS = [(12, 20, 30), (48, 10, 15)]


@pytest.mark.parametrize(
    ("options", "shapes"),
    [
        ({}, COLUMNS),
        ({"alpha": 0.5, "weights": (1, 2)}, COLUMNS),
        ({"masks": [np.ones((4, 4)), np.full((9, 9), 0.3)]}, COLUMNS),
        ({"alpha": np.full((4, 4), 0.5)}, COLUMNS),
        ({"opacity": blob(40, 60, 3)}, COLUMNS),
        ({"alpha": blob(40, 60, 3)}, MAPS),
        ({"masks": [np.ones((4, 4)), blob(40, 60, 3)]}, MAPS),
    ],
)
def test_the_decoder_gets_maps_only_where_something_varies(
    counting: tuple[Stylizer, Counting], options: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    model, engine = counting
    styles = [model.style(picture(40, 40, seed=seed)) for seed in (5, 6)]
    engine.encoded = 0
    paint(model, picture(40, 60), styles, **options)
    assert engine.encoded == 1
    assert engine.shapes == [shapes]


def test_everything_is_encoded_once(counting: tuple[Stylizer, Counting]) -> None:
    model, engine = counting
    styles = [picture(40, 40, seed=seed) for seed in (5, 6, 7)]
    model.stylize(picture(40, 60), styles, color="eigen", masks=[blob(9, 9, k) for k in (1, 2, 5)])
    assert (engine.encoded, len(engine.shapes)) == (4, 1)
    held = model.encode(picture(40, 60))
    values = [model.style(each) for each in styles]
    engine.encoded = 0
    for alpha in (0.2, 0.4):
        model.paint(held, values, Controls(alpha=alpha))
    assert (engine.encoded, len(engine.shapes)) == (0, 3)


# --- from files and by name ------------------------------------------------------------------


def test_stylize_takes_every_control_as_a_picture(tiny: Stylizer, tmp_path: Path) -> None:
    image, mask, strength = picture(40, 60), blob(40, 60, 1), blob(40, 60, 2)
    files = {"mask": mask, "rest": 1 - mask, "strength": strength}
    for name, plane in files.items():
        Image.fromarray(np.rint(plane * 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    read = {name: np.rint(plane * 255).astype(np.float32) / 255 for name, plane in files.items()}
    style = tmp_path / "wave.png"
    Image.fromarray(np.rint(picture(70, 50, seed=5) * 255).astype(np.uint8)).save(style)
    photos = [read_photo(style), photo(40, 40, seed=6)]
    for color in (None, "luminance"):
        wanted = tiny.paint(
            image,
            photos,
            Controls(
                alpha=read["strength"],
                weights=(2, 1),
                masks=[read["mask"], read["rest"]],
                statistics="image",
                color=color,
            ),
        ).image
        found = tiny.stylize(
            image,
            [style, photos[1].image],
            alpha=tmp_path / "strength.png",
            weights=(2, 1),
            masks=[str(tmp_path / "mask.png"), Image.open(tmp_path / "rest.png")],
            statistics="image",
            color=color,
        )
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_masks_of_any_size_are_stretched(tiny: Stylizer) -> None:
    image, style = picture(60, 80), tiny.style(picture(40, 40, seed=5))
    big, small = blob(600, 800, 1), blob(30, 40, 1)
    one = tiny.stylize(image, style, masks=[big])
    two = tiny.stylize(image, style, masks=[small])
    assert np.abs(one - two).mean() < 0.01
    wanted = tiny.stylize(image, style, masks=[big > 0.5], size=30)
    assert wanted.shape == (30, 40, 3)


def test_styles_by_name(tiny: Stylizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    wave = tiny.style(picture(40, 40, seed=5))
    add_style(wave, "great-wave")
    image = picture(30, 40)
    wanted = tiny.stylize(image, [wave, picture(40, 40, seed=6)], weights=(1, 2))
    found = tiny.stylize(image, ["great-wave", picture(40, 40, seed=6)], weights=(1, 2))
    np.testing.assert_allclose(found, wanted, atol=near(tiny))
    with pytest.raises(StyleError, match=r"there is no style 'grate-wave'.*did you mean"):
        tiny.stylize(image, "grate-wave")


def test_the_size_of_style_pictures(tiny: Stylizer) -> None:
    image, style = picture(30, 40), picture(60, 80, seed=5)
    wanted = tiny.stylize(image, tiny.style(style, size=24))
    np.testing.assert_array_equal(tiny.stylize(image, style, style_size=24), wanted)
    assert not np.array_equal(tiny.stylize(image, style), wanted)


def test_what_is_kept_below_the_fade() -> None:
    assert 0 < FADE < 0.25, "the strengths of the paper's figures are the model's alone"


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"weights": [1]}, "one weight for each style, not 1 weight for 2 styles"),
        ({"weights": [1, -1]}, "0 or more, not all 0, not .1, -1."),
        ({"weights": [0, 0]}, "not all 0"),
        ({"weights": ["a", "b"]}, "must be numbers"),
        ({"masks": [np.ones((4, 4))]}, "one mask for each style, not 1 mask for 2 styles"),
        ({"masks": [np.ones((4, 4)), np.zeros((4, 4))]}, "mask 2 is empty"),
        ({"masks": [np.ones((4, 4)), np.full((4, 4), np.nan)]}, "mask 2"),
        ({"alpha": np.full((4, 4), 2.5)}, r"alpha must lie in \[0, 2\]"),
        ({"statistics": "mask"}, "statistics must be region or image, not 'mask'"),
        ({"color": "sepia"}, "no color method 'sepia'; choose one of cholesky, "),
    ],
)
def test_options_refused(tiny: Stylizer, options: dict[str, Any], says: str) -> None:
    styles = [tiny.style(picture(40, 40, seed=seed)) for seed in (5, 6)]
    with pytest.raises(OptionError, match=says):
        paint(tiny, picture(32, 32), styles, **options)
    with pytest.raises((OptionError, ImageError), match=f"{says}|NaN|not within"):
        tiny.stylize(picture(32, 32), styles, **options)


def test_bad_options_are_told_before_anything_is_read(tiny: Stylizer) -> None:
    style = tiny.style(picture(40, 40))
    for options in ({"weights": [1, 2]}, {"color": "sepia"}, {"statistics": ""}, {"style_size": 3}):
        with pytest.raises(OptionError):
            tiny.stylize("never opened.jpg", style, **options)
    with pytest.raises(StyleError):
        tiny.stylize("never opened.jpg", style, color="eigen")


def test_no_styles(tiny: Stylizer) -> None:
    with pytest.raises(OptionError, match="at least one style is needed"):
        tiny.paint(picture(32, 32), [])


@pytest.mark.parametrize("color", [name for name in COLORS if name not in (None, "luminance")])
def test_colors_need_the_picture_of_a_style(tiny: Stylizer, color: str) -> None:
    style = tiny.style(picture(40, 40))
    with pytest.raises(StyleError, match=f"color '{color}' .* give the picture itself"):
        tiny.paint(picture(32, 32), [photo(40, 40), style], Controls(color=color))


def test_a_kept_style_is_painted_in_its_own_luminance_and_the_photographs_hues(
    tiny: Stylizer,
) -> None:
    image, style = 0.3 + 0.4 * picture(64, 80), tiny.style(picture(40, 40, seed=3))
    painted = tiny.paint(image, style).image
    found = tiny.paint(image, style, Controls(color="luminance")).image
    np.testing.assert_allclose(found, put_luminance(painted, image), atol=1e-6)
    assert np.abs(found - painted).max() > 0.05
    tiled = tiny.paint(image, style, Controls(color="luminance"), budget=Budget(tile=48)).image
    np.testing.assert_allclose(tiled, found, atol=near(tiny))


def test_what_was_encoded_by_another_model(tiny: Stylizer, variant: tuple[str, str]) -> None:
    other = open_variant(make_tiny(seed=1), variant)
    held, style = other.encode(picture(32, 32)), tiny.style(picture(40, 40))
    with pytest.raises(OptionError, match="was encoded by another model"):
        tiny.paint(held, style)
    with pytest.raises(OptionError, match="already encoded: give its opacity to encode"):
        tiny.paint(tiny.encode(picture(32, 32)), style, opacity=np.eye(32, dtype=np.float32))
    with pytest.raises(OptionError, match="opacity must be an array"):
        tiny.encode(picture(32, 32), opacity=0.5)  # type: ignore[arg-type]
