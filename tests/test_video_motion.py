"""Motion between two frames, against clips whose motion is known exactly."""

from __future__ import annotations

from functools import cache

import clips
import numpy as np
import pytest
from clips import Clip, Size
from numpy.typing import NDArray

from impasto.video.steady.motion import (
    BLOCK,
    block_flow,
    compose,
    dominant_motion,
    enlarge,
    gray,
    is_cut,
    match_blocks,
    origins,
    reduction,
    shrink,
    warp,
)

SMALL = Size(192, 320, 9)

Image = NDArray[np.float32]


@cache
def clip(name: str) -> Clip:
    return clips.CLIPS[name](SMALL)


def looks(known: Clip, *times: int) -> list[Image]:
    """Frames as motion is looked for in them; the size is small enough to be kept."""
    assert reduction(*known.frames[0].shape[:2]) == 1
    return [gray((known.frames[t] / 255).astype(np.float32)) for t in times]


@pytest.mark.parametrize(
    ("height", "width", "factor"),
    [(128, 192, 1), (400, 400, 1), (360, 640, 2), (720, 1280, 2), (1080, 1920, 4), (2160, 3840, 8)],
)
def test_pictures_are_reduced_to_a_few_hundred_pixels(height: int, width: int, factor: int) -> None:
    assert reduction(height, width) == reduction(width, height) == factor


@pytest.mark.parametrize("factor", [1, 2, 4])
@pytest.mark.parametrize("shape", [(18, 23, 3), (18, 23), (16, 24, 9)])
def test_reducing_takes_means_of_squares(shape: tuple[int, ...], factor: int) -> None:
    image = np.random.default_rng(0).random(shape).astype(np.float32)
    small = shrink(image, factor)
    assert small.shape == (shape[0] // factor, shape[1] // factor, *shape[2:])
    for row, column in ((0, 0), (2, 3), (small.shape[0] - 1, small.shape[1] - 1)):
        square = image[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        np.testing.assert_allclose(small[row, column], square.mean(axis=(0, 1)), rtol=1e-5)


def test_maps_are_enlarged_in_their_place() -> None:
    ramp = np.arange(8, dtype=np.float32)[None, :].repeat(5, axis=0)
    wide = enlarge(ramp, 22, 33, 4)  # 2 rows and a column more than 4 times as large
    assert wide.shape == (22, 33)
    # The middle of value k is at 4 k + 1.5.
    np.testing.assert_allclose(
        wide[:, 2:30], (np.arange(2, 30) - 1.5)[None, :] / 4 * np.ones((22, 1))
    )
    np.testing.assert_array_equal(wide[:, :1], 0)
    np.testing.assert_array_equal(wide[:, 32:], 7)


@pytest.mark.parametrize("cubic", [True, False])
def test_moving_by_whole_pixels_is_exact(cubic: bool) -> None:
    image = np.random.default_rng(0).random((50, 70, 3)).astype(np.float32)
    flow = np.broadcast_to(np.array([3, -2], np.float32), (50, 70, 2))
    moved = warp(image, flow, cubic=cubic)
    np.testing.assert_array_equal(moved[2:, :-3], image[:-2, 3:])
    np.testing.assert_array_equal(moved[:2, :-3], np.stack([image[0, 3:]] * 2))


def test_moving_by_parts_of_pixels_weighs_the_neighbors() -> None:
    image = np.random.default_rng(0).random((12, 14)).astype(np.float32)
    flow = np.zeros((12, 14, 2), np.float32)
    flow[5, 6] = (0.25, 0.5)
    linear = 0.5 * (0.75 * image[5:7, 6] + 0.25 * image[5:7, 7]).sum()
    assert warp(image, flow, cubic=False)[5, 6] == pytest.approx(linear, rel=1e-5)
    # Keys' cubic of a = -3/4 at 1/4 and at 1/2.
    a = -0.75
    across = [a * 0.25 * 0.75**2, 0, 0, a * 0.75 * 0.25**2]
    across[1] = (a + 2) * 0.25**3 - (a + 3) * 0.25**2 + 1
    across[2] = 1 - sum(across)
    down = [-0.09375, 0.59375, 0.59375, -0.09375]
    cubic = np.array(down) @ image[4:8, 5:9] @ np.array(across)
    assert warp(image, flow)[5, 6] == pytest.approx(float(cubic), rel=1e-5)
    assert warp(image, flow)[4, 6] == image[4, 6]


def test_large_pictures_are_moved_in_bands() -> None:
    image = np.random.default_rng(0).random((64, 1000, 3)).astype(np.float32)
    flow = np.random.default_rng(1).uniform(-5, 5, (64, 1000, 2)).astype(np.float32)
    whole = warp(image, flow)
    x, y = origins(flow)
    for row, column in ((0, 0), (21, 500), (40, 999), (63, 3)):
        alone = np.zeros((64, 1000, 2), np.float32)
        alone[...] = (x[row, column] - np.arange(1000))[None, :, None] * [1, 0] + (
            y[row, column] - np.arange(64)
        )[:, None, None] * [0, 1]
        np.testing.assert_allclose(warp(image, alone)[0, 0], whole[row, column], atol=1e-4)


def test_motions_follow_each_other() -> None:
    height, width = 40, 60
    first, then = (np.zeros((height, width, 2), np.float32) for _ in range(2))
    first[...] = (2, 0)
    then[..., 0] = np.arange(width)  # where x was at 2 x
    np.testing.assert_allclose(compose(first, then)[5, 7], (2 + 9, 0))


def test_blocks_are_found_where_they_were() -> None:
    image = clips.photograph("chelsea", 192, 320, 1.5)
    now, before = (
        gray(clips.window(image, SMALL, x, y) / np.float32(255)) for x, y in ((20, 30), (8, 34))
    )
    vectors = match_blocks(now, before)
    assert vectors.shape == (192 // BLOCK, 320 // BLOCK, 2)
    inner = vectors[1:-1, :-2].reshape(-1, 2)
    assert (inner == (12, -4)).all(axis=1).mean() > 0.9


def test_pictures_too_small_for_blocks_stand_still() -> None:
    for height, width in ((8, 200), (15, 15), (3, 3)):
        image = np.zeros((height, width), np.float32)
        vectors = match_blocks(image, image)
        assert vectors.shape == (height // BLOCK, width // BLOCK, 2) and not vectors.any()
        assert not block_flow(image, image, vectors).any()
        assert dominant_motion(image, image, vectors).speed == 0
        assert not is_cut(image, image, vectors)


@pytest.mark.parametrize(("name", "within"), [("pan", 0.06), ("object", 0.06)])
def test_the_common_motion_is_found_to_parts_of_pixels(name: str, within: float) -> None:
    known = clip(name)
    for t in (3, 8):
        now, before = looks(known, t, t - 1)
        shift = dominant_motion(now, before, match_blocks(now, before))
        assert (shift.x, shift.y) == pytest.approx(known.flows[t][-1, -1].tolist(), abs=within)
        assert shift.common > 0.8


def test_noise_is_no_motion() -> None:
    now, before = looks(clip("static + noise"), 5, 4)
    shift = dominant_motion(now, before, match_blocks(now, before))
    assert max(abs(shift.x), abs(shift.y)) < 0.02
    assert shift.speed < 0.05


def test_a_zoom_has_no_common_motion() -> None:
    now, before = looks(clip("zoom"), 5, 4)
    shift = dominant_motion(now, before, match_blocks(now, before))
    assert shift.common < 0.4
    assert shift.speed > 0.3


def test_a_picture_without_texture_stands_still() -> None:
    image = np.full((96, 160), 90, np.float32)
    assert dominant_motion(image, image, match_blocks(image, image)).speed == 0


@pytest.mark.parametrize(
    ("name", "within"), [("pan", 0.3), ("zoom", 0.3), ("object", 0.5), ("static + noise", 0.1)]
)
def test_every_pixel_gets_its_motion(name: str, within: float) -> None:
    """Mean distances from the truth, where it was seen; no motion at all would be 0.5 to 2.4."""
    known = clip(name)
    now, before = looks(known, 6, 5)
    flow = block_flow(now, before, match_blocks(now, before))
    x, y = origins(known.flows[6])
    seen = (x >= 0) & (x <= SMALL.width - 1) & (y >= 0) & (y <= SMALL.height - 1)
    seen &= ~known.hidden[6]
    assert np.linalg.norm(flow - known.flows[6], axis=-1)[seen].mean() < within


def test_cuts_are_found() -> None:
    known, middle = clips.cut(SMALL)
    found = []
    for t in range(1, SMALL.count):
        now, before = looks(known, t, t - 1)
        if is_cut(now, before, match_blocks(now, before)):
            found.append(t)
    assert found == [middle]


@pytest.mark.parametrize("name", ["object", "static + noise", "static + exposure", "entering"])
def test_motion_noise_and_light_are_no_cuts(name: str) -> None:
    known = clip(name)
    for t in range(1, SMALL.count):
        now, before = looks(known, t, t - 1)
        assert not is_cut(now, before, match_blocks(now, before))


def test_a_quick_pan_is_no_cut() -> None:
    known = clips.pan(Size(192, 320, 3), dx=21.0, dy=3.0)
    now, before = looks(known, 2, 1)
    assert not is_cut(now, before, match_blocks(now, before))
