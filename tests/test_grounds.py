"""Pictures with plain grounds: mostly plain, with shapes, the same again from the same seed."""

from itertools import pairwise

import numpy as np
import pytest

import grounds
from grounds import draw_ground, draw_grounds
from impasto.errors import OptionError


def test_grounds_are_mostly_plain_and_have_shapes():
    plain = []
    for seed in range(12):
        picture = draw_ground(np.random.default_rng(seed), 128).astype(int)
        assert picture.shape == (128, 128, 3)
        steps = np.abs(np.diff(picture, axis=1)).max(axis=2)
        plain.append((steps <= 2).mean())
        assert steps.max() > 10, f"no edge in picture {seed}"
    assert np.median(plain) > 0.8 and min(plain) > 0.5


@pytest.mark.parametrize("share", [0, 1])
def test_white_grounds_are_white(share, monkeypatch):
    monkeypatch.setattr(grounds, "WHITE", share)
    drawn = [draw_ground(np.random.default_rng(seed), 64) for seed in range(20)]
    white = [(picture.min(axis=2) > 200).mean() > 0.3 for picture in drawn]
    assert abs(np.mean(white) - share) < 0.3


def test_the_same_seed_draws_the_same_files_once(tmp_path):
    first = draw_grounds(tmp_path / "a", 3, side=64)
    data = [path.read_bytes() for path in first]
    assert all(a != b for a, b in pairwise(data))
    times = [path.stat().st_mtime_ns for path in first]
    assert [path.stat().st_mtime_ns for path in draw_grounds(tmp_path / "a", 3, side=64)] == times
    again = draw_grounds(tmp_path / "b", 3, side=64)
    assert [path.read_bytes() for path in again] == data
    with pytest.raises(OptionError, match="count = 0"):
        draw_grounds(tmp_path, 0)
