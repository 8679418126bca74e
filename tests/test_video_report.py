"""Reports of how calm a film is."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import clips
import numpy as np
import pytest
from clips import Size
from numpy.typing import NDArray

from impasto.errors import VideoError
from impasto.video.steady.report import FilmReport, Summary, detail

SMALL = Size(96, 160, 12)
RATE = 4

Image = NDArray[np.float32]


def report(
    frames: list[Image], results: list[Image], painted: list[Image] | None = None
) -> FilmReport:
    made = FilmReport("clip.mp4", "light")
    for t, (frame, result) in enumerate(zip(frames, results, strict=True)):
        made.add(Fraction(t, RATE), frame, result, painted[t] if painted else None)
    return made


def still(count: int = 12) -> list[Image]:
    return [clips.static(SMALL, noise=0).floats()[0]] * count


def known(value: float | None) -> float:
    assert value is not None
    return value


def test_what_never_changes_has_no_error() -> None:
    summary = report(still(), still(), still()).summary()
    assert (summary.frames, summary.shots, summary.flicker) == (12, 1, ())
    assert summary.error == summary.far_error == summary.film_error == summary.painted_error == 0
    assert summary.detail_kept == 1


def test_errors_are_root_mean_squares_of_changes() -> None:
    """Results that are lighter by 0.1 every second frame, and grow lighter by 0.01 a frame."""
    frames = still()
    results = [np.full_like(frame, 0.2 + 0.1 * (t % 2)) for t, frame in enumerate(frames)]
    summary = report(frames, results).summary()
    assert summary.error == pytest.approx(0.1, rel=1e-4)
    assert summary.far_error == pytest.approx(0.1, rel=1e-4)
    assert summary.film_error == summary.far_film_error == 0
    assert summary.painted_error is summary.detail_kept is None
    results = [np.full_like(frame, 0.2 + 0.01 * t) for t, frame in enumerate(frames)]
    summary = report(frames, results).summary()
    assert summary.error == pytest.approx(0.01, rel=1e-3)
    assert summary.far_error == pytest.approx(0.05, rel=1e-3)


def test_what_moves_with_the_film_is_calm() -> None:
    frames = clips.pan(SMALL, dx=2.0, dy=0.0).floats()
    rigid = report(frames, [1 - frame for frame in frames]).summary()
    assert known(rigid.error) < 0.02 and known(rigid.far_error) < 0.02
    standing = report(frames, [1 - frames[0]] * len(frames)).summary()
    assert known(standing.error) > 3 * known(rigid.error)
    assert known(standing.far_error) > 5 * known(rigid.far_error)


def test_nothing_is_compared_over_a_cut() -> None:
    film, middle = clips.cut(SMALL)
    frames = film.floats()
    results = [np.full_like(frame, 0.1 if t < middle else 0.9) for t, frame in enumerate(frames)]
    summary = report(frames, results).summary()
    assert summary.shots == 2
    assert summary.error == pytest.approx(0, abs=1e-6)
    assert summary.far_error == pytest.approx(0, abs=1e-6)


def test_what_was_not_seen_before_is_not_compared() -> None:
    """Something dark comes in from the left, painted in another color than what it covers."""
    frames = clips.entering(Size(96, 160, 20)).floats()
    dark = clips.window(clips.photograph("rocket", 96, 160, 1.0), SMALL, 0, 0) * 0.6
    results = []
    for frame in frames:
        new = (np.abs(frame * 255 - dark).max(axis=-1) < 1)[..., None]
        results.append(np.where(new, np.float32(0.9), np.float32(0.1)) * np.ones_like(frame))
    everywhere = [np.sqrt(((b - a) ** 2).mean()) for a, b in pairwise(results[5:])]
    assert known(report(frames, results).summary().error) < 0.5 * np.mean(everywhere)


def test_detail_is_a_mean_laplacian() -> None:
    image = np.zeros((9, 9, 3), np.float32)
    assert detail(image) == 0
    image[4, 4] = 0.5
    # 4 x 0.5 in the middle and 0.5 at its 4 neighbors, over 7 x 7 pixels.
    assert detail(image) == pytest.approx(4 / 49, rel=1e-5)


def test_blur_is_told_by_the_detail_that_is_kept() -> None:
    painted = still()
    blurred = [(image + np.roll(image, 1, axis=1)) / 2 for image in painted]
    assert known(report(painted, blurred, painted).summary().detail_kept) < 0.8


def test_seconds_that_flicker_are_named() -> None:
    frames = still(32)
    results = [np.full_like(frame, 0.5 + 0.001 * (t % 2)) for t, frame in enumerate(frames)]
    for t in (*range(13, 20), 29):
        results[t] = results[t] + np.float32(0.1 * (t % 2))
    summary = report(frames, results).summary()
    assert [(each.start, each.end) for each in summary.flicker] == [(3, 6), (7, 8)]
    assert all(each.error > 0.02 and each.film == 0 for each in summary.flicker)


def test_reports_are_written_for_people_and_programs(tmp_path: Path) -> None:
    frames = clips.pan(SMALL).floats()
    results = [1 - frame for frame in frames]
    made = report(frames, results, results)
    path = tmp_path / "calm.md"
    for _ in range(2):  # again over itself
        made.write(path)
    text, summary = path.read_text(), made.summary()
    assert f"| the painted film | {summary.error:.4f} | {summary.far_error:.4f} |" in text
    assert (
        f"| the original film | {summary.film_error:.4f} | {summary.far_film_error:.4f} |" in text
    )
    assert "12 frames, 1 shot" in text and "100% of the painted detail is kept" in text
    table = json.loads((tmp_path / "calm.json").read_text())
    assert table["film"] == "clip.mp4" and table["steady"] == "light"
    assert table["error"] == summary.error and table["frames"] == 12
    assert [each["frames"] for each in table["seconds"]] == [4, 4, 4]
    made.write(tmp_path / "other.json")
    assert (tmp_path / "other.md").read_text() == text
    with pytest.raises(VideoError, match=r"gone.*report cannot be written"):
        made.write(tmp_path / "gone" / "calm.md")


def test_sums_go_on_where_another_report_was() -> None:
    frames = clips.static(SMALL, noise=2).floats()
    results = [1 - frame for frame in frames]
    whole = report(frames, results).summary()
    first = report(frames[:6], results[:6])
    second = FilmReport("clip.mp4", "light")
    second.restore({key: value.copy() for key, value in first.state().items()})
    for t in range(6, 12):
        second.add(Fraction(t, RATE), frames[t], results[t])
    joined = second.summary()
    assert joined.frames == whole.frames and joined.shots == whole.shots
    assert joined.detail == pytest.approx(whole.detail)
    assert joined.error == pytest.approx(known(whole.error), rel=0.05)


def test_memory_does_not_grow_with_frames() -> None:
    made = FilmReport("clip.mp4", "off")
    frame = still(1)[0]
    for t in range(30):
        made.add(Fraction(t, 25), frame, frame)
    assert made.state()["sums"].shape[0] == 2  # seconds
    assert len(made._last) == 6


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_frames_give_a_report_without_errors(count: int, tmp_path: Path) -> None:
    made = report(still(count), still(count))
    summary = made.summary()
    assert isinstance(summary, Summary)
    assert summary.frames == count and summary.error is None
    made.write(tmp_path / "calm.md")
    assert f"{count} frame" in (tmp_path / "calm.md").read_text()


def test_large_frames_are_reduced_first() -> None:
    frames = [np.zeros((40, 2600, 3), np.float32)] * 2
    made = report(frames, frames)
    assert made.summary().error == 0
    assert made._last[-1].stack.shape == (10, 650, 9)
