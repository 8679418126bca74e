"""Patterns: drawn as their kind says, never twice the same, the same again from the same seed."""

from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

import patterns
from impasto.errors import ImageError, OptionError
from patterns import KINDS, draw_pattern, draw_patterns


def _random(seed=0):
    return np.random.default_rng(seed)


def _plane(side=60, periods=6):
    """A flat plane: u runs down, v to the right."""
    u, v = np.mgrid[:side, :side].astype(np.float32) / side * periods - periods / 2 + 1e-3
    return u, v


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS), ids=lambda kind: kind.__name__.strip("_"))
def test_each_kind_is_a_pattern_and_another_each_time(kind, monkeypatch):
    monkeypatch.setattr(patterns, "KINDS", (kind,))
    drawn = [draw_pattern(_random(seed), 64) for seed in range(8)]
    for picture in drawn:
        assert picture.shape == (64, 64, 3) and picture.dtype == np.uint8
    assert all((a != b).any() for a, b in pairwise(drawn))
    # One in many may be of two colors that are nearly the same, or of one cell.
    assert np.median([picture.astype(float).std((0, 1)).max() for picture in drawn]) > 10


def test_bands_run_along_and_checks_alternate():
    u, v = _plane()
    bands = patterns._bands(_random(), u, v)
    assert (bands == bands[:, :1]).all() and len(np.unique(bands)) > 1
    checks = patterns._checks(_random(), u, v) % 2
    period = 10
    np.testing.assert_array_equal(checks[period:], 1 - checks[:-period])
    np.testing.assert_array_equal(checks[:, period:], 1 - checks[:, :-period])


def test_dots_are_round_and_grids_have_meshes():
    u, v = _plane(120, 4)
    dots = patterns._dots(_random(), u, v) > 0
    even = np.floor(v) % 2 == 0  # the rows between may be shifted by half a dot
    away = np.hypot(u % 1 - 0.5, v % 1 - 0.5)
    assert away[even & dots].max() < away[even & ~dots].min()
    grid = patterns._grid(_random(), u, v)
    assert 0 < grid.mean() < 1
    assert grid[:, v[0] % 1 < 0.04].all() and grid[u[:, 0] % 1 < 0.04].all()


def test_rings_are_rings_and_webs_have_rays():
    u, v = _plane(121)
    u, v = u - u[60, 60], v - v[60, 60]
    no_arms = next(seed for seed in range(99) if _random(seed).integers(-3, 4) == 0)
    rings = patterns._rings(_random(no_arms), u, v)
    np.testing.assert_array_equal(rings, np.rot90(rings))
    assert len(np.unique(rings)) > 1
    web = patterns._web(_random(), u, v)
    assert 0.02 < web.mean() < 0.8 and web[60, 60] == 1  # where all rays meet


def test_the_nearest_point_is_the_nearest():
    """Against all points at once."""
    u, v = _plane(40, 5)
    near, second, which = patterns._nearest(_random(1), u, v)
    random = _random(1)
    loose = random.uniform(0, 1)
    offsets = 0.5 + loose * random.uniform(-0.5, 0.5, (64, 64, 2)).astype(np.float32)
    numbers = random.integers(0, 1000, (64, 64))
    i, j = np.mgrid[-6:7, -6:7]
    a = i + offsets[i % 64, j % 64, 0]
    b = j + offsets[i % 64, j % 64, 1] + (i % 2) / 2 - 0.25
    distances = np.hypot(u[..., None] - a.ravel(), v[..., None] - b.ravel())
    ordered = np.sort(distances, -1)
    np.testing.assert_allclose(near, ordered[..., 0], atol=1e-5)
    close = second < 1  # a point that is further away may stand outside the nine squares
    np.testing.assert_allclose(second[close], ordered[..., 1][close], atol=1e-5)
    np.testing.assert_array_equal(which, numbers[i % 64, j % 64].ravel()[distances.argmin(-1)])


def test_a_folder_is_drawn_once(tmp_path):
    folder = tmp_path / "new" / "patterns"
    first = draw_patterns(folder, 2, side=64)
    pixels = [np.asarray(Image.open(path)) for path in first]
    first[0].unlink()
    untouched = first[1].stat().st_mtime_ns
    again = draw_patterns(folder, 3, side=64)
    assert again[:2] == first and first[1].stat().st_mtime_ns == untouched
    np.testing.assert_array_equal(np.asarray(Image.open(first[0])), pixels[0])
    other = draw_patterns(folder, 2, seed=1, side=64)
    assert (np.asarray(Image.open(other[0])) != pixels[0]).any()
    assert sorted(folder.iterdir()) == sorted([*again, *other])


def test_bad_wishes_say_so(tmp_path):
    with pytest.raises(OptionError, match="count = 0"):
        draw_patterns(tmp_path, 0)
    with pytest.raises(OptionError, match="seed = -1"):
        draw_patterns(tmp_path, 1, seed=-1)
    with pytest.raises(OptionError, match="64 px"):
        draw_patterns(tmp_path, 1, side=32)
    file = tmp_path / "file"
    file.write_text("here already")
    with pytest.raises(ImageError, match="cannot be written"):
        draw_patterns(file, 1)
    assert file.read_text() == "here already"


def test_the_command(run_recipe, tmp_path):
    result = run_recipe("patterns", tmp_path / "p", "--count", "2")
    assert result.returncode == 0, result.stderr
    assert "2 patterns" in result.stdout
    with Image.open(tmp_path / "p" / "pattern-0-000001.png") as opened:
        assert opened.size == (patterns.SIDE,) * 2
    result = run_recipe("patterns", tmp_path / "p", "--count", "0")
    assert result.returncode == 2 and "count = 0" in result.stderr
    assert len(result.stderr.splitlines()) == 1
