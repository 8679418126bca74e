"""Tiles: where they lie, what is gathered from them, and that they add up to the whole picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import EMBEDDED, make_tiny, open_variant, paint, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from test_controls import Case, blob, cases, check, few, photo

from impasto.controls import Controls
from impasto.controls.descreen import COMB
from impasto.controls.masks import PlaneWindows, fit
from impasto.controls.moments import MIN_CELLS, Gathered, gathered, moments, region_moments
from impasto.errors import ImageError, OptionError
from impasto.images.photo import Photo
from impasto.images.resizing import resize
from impasto.images.windows import ScaledSource
from impasto.models import MODELS, find_bundle
from impasto.painting import Budget
from impasto.painting.plan import (
    Reach,
    cuts,
    pixel_bytes,
    plan_tiles,
    reach_of,
    tiles,
)
from impasto.painting.tiles import reflected
from impasto.stylizer import Stylizer

Image32 = NDArray[np.float32]

STEP = 1 / 255
"""What tiled and untiled may differ by, anywhere."""

TILES = [32, 57, 200]


def same(model: Stylizer, image: Image32, style: Any, tile: int, **options: Any) -> float:
    """The largest difference of a picture in tiles from the picture at once."""
    wanted = paint(model, image, style, **options).image
    found = paint(model, image, style, **options, budget=Budget(tile=tile)).image
    check(image, found)
    return float(np.abs(found - wanted).max())


# --- geometry --------------------------------------------------------------------------------

reaches = st.builds(
    lambda multiple, encoder, decoder: Reach(
        multiple, encoder * multiple, decoder * multiple, (encoder + decoder) * multiple
    ),
    st.sampled_from([1, 4, 8, 16]),
    st.integers(0, 6),
    st.integers(0, 6),
)


@given(reaches, st.integers(1, 90), st.integers(1, 400))
def test_cores_cover_the_picture_once_and_windows_hold_their_rims(
    reach: Reach, cells: int, side: int
) -> None:
    length = cells * reach.multiple
    found = list(cuts(length, side=side, reach=reach))
    covered = [place for cut in found for place in range(cut.core.start, cut.core.stop)]
    assert covered == list(range(length))
    for name in ("sight", "view", "window"):
        assert len({getattr(c, name).stop - getattr(c, name).start for c in found}) == 1
    for cut in found:
        assert cut.core.stop - cut.core.start <= max(side, reach.multiple)
        holds(cut.core, cut.sight, reach.encoder, length)
        holds(cut.core, cut.view, reach.decoder, length)
        holds(cut.view, cut.window, reach.encoder, length)
        holds(cut.core, cut.window, reach.both, length)
        for part in (cut.core, cut.sight, cut.view, cut.window):
            assert part.start % reach.multiple == part.stop % reach.multiple == 0


def holds(inner: slice, outer: slice, rim: int, length: int) -> None:
    assert 0 <= outer.start <= max(0, inner.start - rim)
    assert length >= outer.stop >= min(length, inner.stop + rim)


def test_tiles_come_row_by_row() -> None:
    places = [
        (tile.rows.core.start, tile.columns.core.start)
        for tile in tiles(64, 96, side=32, reach=Reach(8, 8, 8, 16))
    ]
    assert places == [(0, 0), (0, 32), (0, 64), (32, 0), (32, 32), (32, 64)]


@given(st.integers(1, 40), st.integers(0, 50), st.integers(0, 20))
def test_reflection_by_numbers_is_that_of_padding(length: int, margin: int, more: int) -> None:
    row = np.arange(length)
    wanted = np.pad(row, (margin, margin + more), mode="reflect")
    found = row[reflected(slice(0, len(wanted)), margin, length)]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_card_without_the_encoders_rim_gives_both_the_whole(name: str) -> None:
    card = find_bundle(name).card
    reach = reach_of(card)
    assert reach.both >= card.rim
    assert reach.encoder >= (card.encoder_rim or card.rim)


# --- the budget ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EMBEDDED)
def test_a_smaller_budget_means_smaller_tiles(name: str) -> None:
    card = find_bundle(name).card
    whole = plan_tiles(1000, 1000, card=card, budget=Budget())
    assert whole.side >= 1000 + 2 * card.margin and whole.keep
    plans = [
        plan_tiles(10_000, 10_000, card=card, budget=Budget(memory=memory))
        for memory in (700_000_000, 1_000_000_000, Budget.memory)
    ]
    sides = [plan.side for plan in plans]
    assert len(sides) == 3 and sides == sorted(sides) and sides[0] < sides[2]
    with pytest.raises(OptionError, match=r"10000 x 10000 .* needs [\d,]+ MB .*, but memory is 1"):
        plan_tiles(10_000, 10_000, card=card, budget=Budget(memory=100_000_000))


@pytest.mark.parametrize("name", EMBEDDED)
def test_what_is_measured_is_below_what_is_assumed_of_others(name: str) -> None:
    card = find_bundle(name).card
    row = next(row for row in MODELS if row.name == name)
    from dataclasses import replace

    assert 0 < pixel_bytes(card) == row.pixel_bytes <= pixel_bytes(replace(card, name="mine"))


@pytest.mark.parametrize("tile", [31, 0, -5, 64.0, "64", True])
def test_tile_refused(tiny: Stylizer, tile: Any) -> None:
    with pytest.raises(OptionError, match="tile must be a whole number of 32 pixels or more"):
        tiny.paint(picture(32, 32), tiny.style(picture(32, 32)), budget=Budget(tile=tile))


@pytest.mark.parametrize("memory", [0, -1, 1e9, "2GB"])
def test_memory_refused(tiny: Stylizer, memory: Any) -> None:
    with pytest.raises(OptionError, match="memory must be a whole number of bytes, 1 or more"):
        tiny.paint(picture(32, 32), tiny.style(picture(32, 32)), budget=Budget(memory=memory))


def test_an_encoded_picture_takes_no_tiles(tiny: Stylizer) -> None:
    held = tiny.encode(picture(32, 32))
    with pytest.raises(OptionError, match="already encoded: give the tile to encode"):
        tiny.paint(held, tiny.style(picture(32, 32)), budget=Budget(tile=32))


# --- what is gathered ------------------------------------------------------------------------


@given(st.integers(0, 99), st.booleans(), st.floats(1e-6, 1e6))
@settings(deadline=None)
def test_moments_of_pieces_are_those_of_the_whole(seed: int, soft: bool, scale: float) -> None:
    rng = np.random.default_rng(seed)
    height, width = rng.integers(2, 40, 2)
    features = (rng.standard_normal((3, height, width)) + 5) * scale
    features = features.astype(np.float32)
    counts = rng.random((height, width)) if soft else None
    found = Gathered(3)
    rows, columns = rng.integers(1, height + 1), rng.integers(1, width + 1)
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            part = slice(top, top + rows), slice(left, left + columns)
            found.add(features[:, *part], None if counts is None else counts[part])
    wanted = moments(features, weights=counts)
    np.testing.assert_allclose(found.moments.mean, wanted.mean, rtol=1e-9)
    np.testing.assert_allclose(found.moments.std, wanted.std, rtol=1e-9)
    whole = gathered(features)
    np.testing.assert_allclose(whole.std, moments(features).std, rtol=1e-12)


def test_too_few_positions_are_found_out_when_all_is_gathered() -> None:
    features = np.random.default_rng(0).random((2, 16, 16), np.float32)
    whole = moments(features)
    for count in (MIN_CELLS - 1, MIN_CELLS + 1):
        counts = np.zeros((16, 16))
        counts[:, 8].flat[:count] = 1
        counts[0, : max(0, count - 16)] = 1
        found = Gathered(2)
        found.add(features[:, :, :8], counts[:, :8])
        found.add(features[:, :, 8:], counts[:, 8:])
        wanted = region_moments(features, counts, whole=whole)
        assert (found.moments_or(whole) is whole) == (wanted is whole)
        np.testing.assert_allclose(found.moments_or(whole).mean, wanted.mean, rtol=1e-12)


# --- windows ---------------------------------------------------------------------------------


@given(st.integers(0, 200))
@settings(deadline=None)
def test_windows_of_a_plane_are_parts_of_the_stretched_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    plane = 2 * rng.random(rng.integers(1, 60, 2), np.float32)
    height, width = (int(side) for side in rng.integers(16, 90, 2))
    top, left = rng.integers(0, (height, width))
    rows = slice(int(top), int(rng.integers(top, height)) + 1)
    columns = slice(int(left), int(rng.integers(left, width)) + 1)
    wanted = fit(plane, height, width)[rows, columns]
    found = PlaneWindows(plane, height, width).window(rows, columns)
    np.testing.assert_allclose(found, wanted, atol=3e-7)
    assert np.mean(found != wanted) < 1e-3, "the same to the last bit, but for rounding"


@pytest.mark.parametrize("size", [17, 50, 131])
def test_windows_of_a_scaled_picture(size: int) -> None:
    image = picture(60, 80)
    wanted = resize(image, size)
    source = ScaledSource(Photo(image, None, "a picture"), *wanted.shape[:2], None)
    rows, columns = slice(5, size - 1), slice(9, 15)
    found, opacity = source.window(rows, columns)
    assert opacity is None
    np.testing.assert_array_equal(found, wanted[rows, columns])


# --- tiled is untiled ------------------------------------------------------------------------


@few
@given(cases(), st.integers(32, 120))
def test_tiled_is_untiled(tiny: Stylizer, case: Case, tile: int) -> None:
    assert same(tiny, case.image, case.styles, tile, **case.options) <= STEP


@pytest.mark.parametrize("margin", [4, 32])
@pytest.mark.parametrize("tile", TILES)
def test_tiled_is_untiled_with_a_margin(variant: tuple[str, str], margin: int, tile: int) -> None:
    model = open_variant(make_tiny(margin=margin), variant)
    image, opacity = picture(91, 130), blob(91, 130, 3)
    styles, masks = [photo(40, 50, seed=k) for k in (1, 2)], [blob(91, 130, 1), blob(20, 30, 2)]
    for options in ({}, {"masks": masks, "opacity": opacity, "alpha": blob(50, 9, 4)}):
        assert same(model, image, styles, tile, **options) <= STEP


CONTROLS: list[dict[str, Any]] = [
    {},
    {"alpha": 0.05, "weights": (1, 3)},
    {"masks": [blob(170, 203, 1), blob(40, 60, 2)], "opacity": blob(170, 203, 3)},
    {"alpha": 2 * blob(70, 90, 4), "color": "luminance"},
    {"masks": [blob(170, 203, 1), blob(40, 60, 2)], "color": "monge-kantorovich"},
    {"opacity": blob(170, 203, 5), "color": "only", "statistics": "image"},
]


@pytest.mark.parametrize("options", CONTROLS, ids=lambda options: "-".join(options) or "plain")
def test_every_model_on_every_engine(model: Stylizer, options: dict[str, Any]) -> None:
    styles = [photo(48, 64, seed=seed) for seed in (5, 6)]
    far = same(model, picture(170, 203), styles, 112, **options)
    # A model whose card says what it runs in promises nothing for what else it can be asked for.
    promised = model.card.precision in ("", model.engine.precision)
    assert far <= (STEP if promised else 3 * STEP)


@pytest.mark.parametrize("size", [(16, 16), (16, 200), (301, 17), (33, 95)], ids=str)
def test_odd_and_thin_pictures(model: Stylizer, size: tuple[int, int]) -> None:
    style = model.style(picture(40, 50, seed=1))
    for tile in (32, 1000):
        assert same(model, picture(*size), style, tile) <= STEP


def test_the_photograph_stays_where_nothing_is_painted(model: Stylizer) -> None:
    image, style = picture(90, 120), model.style(picture(40, 50, seed=1))
    mask = np.zeros((90, 120), np.float32)
    mask[:, 100:] = 1
    found = model.paint(image, style, Controls(masks=[mask]), budget=Budget(tile=32)).image
    np.testing.assert_array_equal(found[:, :100], image[:, :100])
    assert not np.array_equal(found[:, 100:], image[:, 100:])


def test_stylize_in_tiles(tiny: Stylizer, tmp_path: Path) -> None:
    style = tiny.style(picture(40, 50, seed=1))
    array = (255 * picture(70, 90)).astype(np.uint8)
    one, two = tiny.stylize(array, style), tiny.stylize(array, style, tile=32)
    assert isinstance(one, np.ndarray) and isinstance(two, np.ndarray)
    assert np.abs(one.astype(int) - two).max() <= 1
    steps: list[tuple[int, int]] = []
    tiny.paint(
        picture(70, 90),
        style,
        budget=Budget(tile=32),
        watch=lambda each: steps.append((each.step, each.steps)),
    )
    assert steps == [(k + 1, len(steps)) for k in range(len(steps))] and len(steps) > 8


def test_a_result_that_is_no_picture_is_refused(tiny: Stylizer) -> None:
    with pytest.raises(ImageError, match="values must lie in"):
        tiny.paint(
            np.full((64, 64, 3), np.nan, np.float32),
            tiny.style(picture(32, 32)),
            budget=Budget(tile=32),
        )


# --- the rim ---------------------------------------------------------------------------------


def test_one_pixel_reaches_no_further_than_the_rim(reference: Stylizer) -> None:
    card, engine = reference.card, reference.engine
    reach = reach_of(card)
    side = 2 * reach.both + 3 * card.multiple
    image = np.random.default_rng(0).random((3, side, side), np.float32)
    ones = [np.ones((level.channels, 1, 1), np.float32) for level in card.levels]
    from impasto.controls.affine import Affine

    combs = [level.name == COMB for level in card.levels]  # all of a mesh is removed
    same_maps = [
        Affine(one, np.full_like(one, comb)) for one, comb in zip(ones, combs, strict=True)
    ]
    at = side // 2 // card.multiple * card.multiple
    before, _ = engine.encode(image)
    wanted = engine.decode(before, same_maps)
    for offset in (0, card.multiple - 1):
        touched = image.copy()
        touched[:, at + offset, at + offset] += 20
        after, _ = engine.encode(touched)
        changed = np.abs(engine.decode(after, same_maps) - wanted).max(axis=0) > 0
        reached = np.abs(np.argwhere(changed) - (at + offset)).max()
        assert reached <= card.rim
        for level, one, two in zip(card.levels, before, after, strict=True):
            cells = np.argwhere((one != two).any(axis=0)) * level.stride
            if level.name == COMB:
                assert not cells.size
                continue
            beyond = np.maximum(cells - (at + offset), at + offset - cells - level.stride + 1)
            assert beyond.max() <= reach.encoder
