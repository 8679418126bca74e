"""Steadiness of films: the stages before and after painting."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from typing import Any

import clips
import numpy as np
import pytest
from clips import Clip, Size
from numpy.typing import NDArray

import impasto
from impasto.controls import Controls
from impasto.errors import OptionError, VideoError
from impasto.painting import Budget
from impasto.video.frames import Frame
from impasto.video.painting import Crew, FramePainter, Look, changed
from impasto.video.steady import (
    LEVELS,
    Prepared,
    SteadyInput,
    SteadyOutput,
    cropped,
    padded,
)
from impasto.video.steady.motion import compose, warp

SMALL = Size(144, 256, 12)
"""Smaller than in `benchmarks/steady.py`, whose bars are narrower: in small frames, a pan changes
more of what the statistics are taken of."""

STYLE = clips.PHOTOS.parent / "styles" / "wave.jpg"
MULTIPLE = 8

Image = NDArray[np.float32]


@cache
def model() -> tuple[impasto.Stylizer, impasto.Style]:
    loaded = impasto.load("fast", engine="onnxruntime", threads=1)
    return loaded, loaded.style(STYLE)


def paint(image: Image) -> Image:
    painter, style = model()
    painted: Image = painter.paint(image, [style], Controls()).image
    return painted


@cache
def clip(name: str) -> Clip:
    return clips.CLIPS[name](SMALL)


@cache
def painted(name: str, level: str) -> tuple[Image, ...]:
    """A clip painted at a level of steadiness."""
    return tuple(steadied(clip(name).floats(), level))


def steadied(frames: list[Image], level: str) -> Iterator[Image]:
    before, after = SteadyInput(level, MULTIPLE), SteadyOutput(level)
    for frame in frames:
        prepared = before(frame)
        image = paint(padded(prepared.image, prepared.offset, before.multiple))
        yield after(prepared, cropped(image, prepared.offset, frame.shape[:2]))


def flicker(images: tuple[Image, ...], known: Clip, back: int) -> float:
    """The warping error with the exact motion: RMS against the image ``back`` before, moved."""
    errors = []
    height, width = images[0].shape[:2]
    y, x = np.mgrid[:height, :width]
    for t in range(4 + back, len(images)):
        flow, seen = known.flows[t].astype(np.float32), ~known.hidden[t]
        for earlier in range(t - 1, t - back, -1):
            hidden = warp(known.hidden[earlier].astype(np.float32), flow, cubic=False)
            seen = seen & (hidden < 0.01)
            flow = compose(flow, np.ascontiguousarray(known.flows[earlier]))
        for start, k, end in ((x, 0, width - 1), (y, 1, height - 1)):
            seen = seen & (start + flow[..., k] >= 0) & (start + flow[..., k] <= end)
        change = warp(images[t - back], flow, cubic=False) - images[t]
        errors.append(np.sqrt((change**2).mean(axis=-1)[seen].mean()))
    return float(np.mean(errors))


def ratio(name: str, level: str, back: int = 1) -> float:
    """Flicker of a clip against that of the clip painted frame by frame."""
    known = clip(name)
    return flicker(painted(name, level), known, back) / flicker(painted(name, "off"), known, back)


def detail(images: tuple[Image, ...]) -> float:
    """Mean absolute Laplacian of brightness."""
    total = 0.0
    for image in images[4:]:
        g = image.mean(axis=-1)
        total += float(
            np.abs(
                g[1:-1, 2:] + g[1:-1, :-2] + g[2:, 1:-1] + g[:-2, 1:-1] - 4 * g[1:-1, 1:-1]
            ).mean()
        )
    return total / len(images[4:])


def largest_step(images: tuple[Image, ...]) -> float:
    """The largest change from frame to frame of what stays in the clip ``entering``."""
    edge = int(0.45 * SMALL.width) + SMALL.width * 110 // 640
    rest = [image[:, edge:] for image in images[5:]]
    return max(float(np.abs(b - a).mean()) for a, b in pairwise(rest))


def test_light_follows_a_pan_and_keeps_the_detail() -> None:
    assert ratio("pan", "light", 1) <= 0.70
    assert ratio("pan", "light", 5) <= 0.60
    assert detail(painted("pan", "light")) >= 0.97 * detail(painted("pan", "off"))


def test_light_calms_noise() -> None:
    assert ratio("static + noise", "light") <= 0.25


@pytest.mark.parametrize("level", ["light", "strong"])
@pytest.mark.parametrize("back", [1, 5])
def test_changes_of_the_light_do_not_flicker_more(level: str, back: int) -> None:
    assert ratio("static + exposure", level, back) <= 1.0


def test_something_large_that_enters_does_not_repaint_the_rest_at_once() -> None:
    before = largest_step(painted("entering", "off"))
    assert largest_step(painted("entering", "light")) <= 0.35 * before


def test_strong_blends_along_the_motion() -> None:
    assert ratio("pan", "strong", 1) <= 0.40
    assert detail(painted("pan", "strong")) >= 0.80 * detail(painted("pan", "off"))
    assert ratio("zoom", "strong", 1) <= 0.70
    assert detail(painted("zoom", "strong")) >= 0.70 * detail(painted("zoom", "off"))


@pytest.mark.parametrize("name", ["zoom", "slow pan"])
def test_light_makes_nothing_worse(name: str) -> None:
    """A lattice that follows what is no common motion, or slower than by pixels, would."""
    assert ratio(name, "light", 1) <= 1.05
    assert ratio(name, "light", 5) <= 1.05


@pytest.mark.parametrize("level", ["light", "strong"])
def test_a_cut_leaves_no_ghost(level: str) -> None:
    known, middle = clips.cut(SMALL)
    frames = known.floats()[middle - 3 : middle + 1]
    stage = SteadyInput(level, MULTIPLE)
    assert [stage(frame).cut for frame in frames] == [True, False, False, True]
    alone = next(steadied(frames[-1:], level))
    np.testing.assert_array_equal(list(steadied(frames, level))[-1], alone)
    # The border alone changes the statistics of so small a picture by a little more than 1/255.
    assert np.abs(alone - paint(frames[-1])).mean() <= 2.5 / 255


def test_off_changes_nothing_and_needs_no_pyav(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [each for each in sys.modules if each.split(".")[0] == "av"]:
        monkeypatch.delitem(sys.modules, name)
    original = builtins.__import__

    def without(name: str, *arguments: Any, **others: Any) -> Any:
        if name.split(".")[0] == "av":
            raise ImportError(name)
        return original(name, *arguments, **others)

    monkeypatch.setattr(builtins, "__import__", without)
    frame = clip("pan").floats()[0]
    before, after = SteadyInput("off", MULTIPLE), SteadyOutput("off")
    for _ in range(2):
        prepared = before(frame)
        assert prepared.image is frame
        assert padded(frame, prepared.offset, before.multiple) is frame
        assert not prepared.cut
        assert after(prepared, frame) is frame
    assert before.state() == after.state() == {}
    with pytest.raises(VideoError, match=r"pip install 'impasto\[video\]'"):
        SteadyInput("light", MULTIPLE)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", ["pan", "static + exposure"])
def test_states_go_on_bit_for_bit(level: str, name: str) -> None:
    frames = [frame[:96, :128] for frame in clip(name).floats()[:8]]
    whole = [SteadyInput(level, MULTIPLE), SteadyOutput(level)]
    parts: list[Any] = [SteadyInput(level, MULTIPLE), SteadyOutput(level)]
    for t, frame in enumerate(frames):
        if t in (1, 5):
            states = [{key: value.copy() for key, value in part.state().items()} for part in parts]
            parts = [SteadyInput(level, MULTIPLE), SteadyOutput(level)]
            for part, state in zip(parts, states, strict=True):
                part.restore(state)
        results = []
        for before, after in (whole, parts):
            prepared = before(frame)
            results.append((prepared, after(prepared, prepared.image[::-1] ** 2)))
        (one, result), (two, other) = results
        assert (one.offset, one.cut) == (two.offset, two.cut)
        np.testing.assert_array_equal(one.image, two.image)
        np.testing.assert_array_equal(result, other)


def test_the_lattice_moves_with_the_picture() -> None:
    forth = clips.pan(Size(128, 192, 20), dx=1.5, dy=0.5).floats()
    for frames, sign in ((forth, 1), (forth[::-1], -1)):
        stage = SteadyInput("light", MULTIPLE)
        for t, frame in enumerate(frames):
            rows, columns = stage(frame).offset
            # The picture goes to the left and up, so the border there grows by the way back.
            assert abs((rows - sign * 0.5 * t + 4) % 8 - 4) <= 1.2
            assert abs((columns - sign * 1.5 * t + 4) % 8 - 4) <= 1.2


def test_a_camera_that_stands_still_holds_the_lattice() -> None:
    stage = SteadyInput("light", MULTIPLE)
    assert {stage(frame).offset for frame in clip("static + noise").floats()} == {(0, 0)}


@pytest.mark.parametrize("offset", [(0, 0), (3, 7), (7, 0)])
def test_borders_are_reflected_and_come_off(offset: tuple[int, int]) -> None:
    image = clip("pan").floats()[0][:128, :192]
    wide = padded(image, offset, MULTIPLE)
    assert wide.shape == (136, 200, 3)
    np.testing.assert_array_equal(cropped(wide, offset, (128, 192)), image)
    top, left = offset
    np.testing.assert_array_equal(wide[top + 128], wide[top + 126])
    np.testing.assert_array_equal(wide[:, left + 192], wide[:, left + 190])
    mask = image[..., 0]
    np.testing.assert_array_equal(padded(mask, offset, MULTIPLE), wide[..., 0])


def test_tiny_frames_and_changes_of_the_size_pass() -> None:
    rng = np.random.default_rng(0)
    for level in ("light", "strong"):
        before, after = SteadyInput(level, MULTIPLE), SteadyOutput(level)
        for height, width in ((16, 16), (16, 16), (40, 9), (40, 9), (33, 47), (33, 47)):
            frame = rng.random((height, width, 3)).astype(np.float32)
            prepared = before(frame)
            assert after(prepared, prepared.image).shape == frame.shape


def test_unknown_levels_are_refused() -> None:
    for stage in (lambda: SteadyInput("much", 8), lambda: SteadyOutput("much")):
        with pytest.raises(OptionError, match="off, light, strong, not 'much'"):
            stage()


def test_a_first_frame_begins_a_shot() -> None:
    frame = clip("pan").floats()[0]
    prepared = SteadyInput("strong", MULTIPLE)(frame)
    assert isinstance(prepared, Prepared)
    assert prepared.cut
    assert prepared.image is frame


def looks_of(*looks: Look) -> list[Image]:
    """A still frame painted in looks, one after the other, in eighths of 255."""
    frame = (clip("static + noise").frames[0][:96, :128] / 255).astype(np.float32)
    frames = [Frame(np.rint(frame * 255).astype(np.uint8), Fraction(t)) for t in range(len(looks))]
    painter = FramePainter(
        model()[0],
        lambda time: looks[int(time)],
        steady="light",
        crew=Crew(1, 1, Budget()),
    )
    return [painted.frame.image.astype(np.float32) / 255 for painted in painter.paint(frames)]


def test_a_style_that_changes_does_not_lag_where_nothing_moves() -> None:
    painter, wave = model()
    other = painter.style(clips.PHOTOS.parent / "styles" / "night_sky.jpg")
    one, two = Look([wave], Controls()), Look([other], Controls())
    alone = looks_of(two)[0]
    switched = looks_of(one, one, one, two)
    np.testing.assert_array_equal(switched[3], alone)
    # A fade lags by no more than a tenth of the way.
    ways = [
        Look([wave, other], Controls(weights=[1 - share, share]))
        for share in np.linspace(0.1, 0.9, 9).tolist()
    ]
    fading, sharp = looks_of(one, *ways), [looks_of(way)[0] for way in ways]
    whole = np.abs(sharp[-1] - sharp[0]).mean()
    for late, exact in zip(fading[1:], sharp, strict=True):
        assert np.abs(late - exact).mean() <= 0.15 * whole


def test_a_mask_that_moves_does_not_lag() -> None:
    _, wave = model()
    masks = np.zeros((4, 96, 128), np.float32)
    for t, mask in enumerate(masks):
        mask[:, : 32 + 16 * t] = 1
    looks = [Look([wave], Controls(masks=[mask])) for mask in masks]
    last = looks_of(*looks)[-1]
    alone = looks_of(looks[-1])[0]
    # Where the mask has come, and where it has not: there the frame stays as it is.
    np.testing.assert_allclose(last[:, 68:76], alone[:, 68:76], atol=2 / 255)
    np.testing.assert_array_equal(last[:, 90:], alone[:, 90:])


def test_changes_of_looks_are_sums_over_styles() -> None:
    _, wave = model()
    other = model()[0].style(clips.PHOTOS.parent / "styles" / "night_sky.jpg")
    one, half = Look([wave], Controls()), Look([wave], Controls(alpha=0.5))
    assert changed(one, one, (3, 4)) == 0
    assert changed(one, Look([wave], Controls()), (3, 4)) == 0
    assert changed(one, half, (3, 4)) == pytest.approx(0.5)
    assert changed(one, Look([other], Controls()), (3, 4)) == pytest.approx(2)
    assert changed(Look([], Controls()), half, (3, 4)) == pytest.approx(0.5)
    mixed = Look([other, wave], Controls(weights=[0.25, 0.75]))
    assert changed(one, mixed, (3, 4)) == pytest.approx(0.5)
    mask = np.zeros((6, 8), np.float32)
    mask[:, :4] = 1
    change = changed(one, Look([wave], Controls(masks=[mask])), (3, 4))
    np.testing.assert_allclose(change, [[0, 0, 1, 1]] * 3, atol=0.06)  # maps are scaled smoothly
