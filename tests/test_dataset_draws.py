"""Styles and strengths of a data set: what the documentation says, computed again without it."""

from __future__ import annotations

import hashlib
from collections import Counter
from fractions import Fraction

import pytest

from impasto.dataset.draws import Draw, draws
from impasto.dataset.options import DatasetOptions, Recipe
from impasto.errors import OptionError


def number(seed: int, index: int, name: str) -> int:
    digest = hashlib.sha256(f"{seed}/{index}/{name}".encode()).hexdigest()
    return int(digest[:16], 16)


def test_a_draw_is_as_the_page_says() -> None:
    for name in ("cat/1.jpg", "b.png", "train-000001.tar/é/7.jpg"):
        (drawn,) = draws(name, seed=7, styles=43, alpha=(0.25, 1.5))
        share = Fraction(number(7, 1, name), 2**64)
        assert drawn.style == number(7, 0, name) * 43 // 2**64
        assert drawn.alpha == pytest.approx(
            float(Fraction(1, 4) + share * Fraction(5, 4)), abs=5e-5
        )
        assert round(drawn.alpha, 4) == drawn.alpha


def test_several_pictures_of_one_get_different_styles_as_long_as_there_are_some() -> None:
    for each in range(200):
        name = f"{each}.jpg"
        drawn = [draw.style for draw in draws(name, seed=1, styles=5, copies=10)]
        assert sorted(drawn[:5]) == sorted(drawn[5:]) == [0, 1, 2, 3, 4]
        left = list(range(5))  # the rule in other words: taken out of a list
        for copy, style in enumerate(drawn[:5]):
            assert style == left.pop(number(1, 2 * copy, name) * len(left) // 2**64)
        first = [draw.style for draw in draws(name, seed=1, styles=5, copies=3)]
        assert first == drawn[:3]


def test_draws_are_even_and_differ_by_seed() -> None:
    drawn = [next(draws(f"{i}.jpg", seed=3, styles=8, alpha=(0, 2))) for i in range(4000)]
    counts = Counter(each.style for each in drawn)
    assert all(400 < counts[style] < 600 for style in range(8))
    strengths = sorted(each.alpha for each in drawn)
    assert strengths[0] < 0.02 and strengths[-1] > 1.98
    assert abs(sum(strengths) / len(strengths) - 1) < 0.05
    other = [next(draws(f"{i}.jpg", seed=4, styles=8)).style for i in range(4000)]
    same = sum(a.style == b for a, b in zip(drawn, other, strict=True))
    assert 380 < same < 620


def test_a_name_that_is_no_utf_8_has_a_draw() -> None:
    assert isinstance(next(draws("caf\udce9.jpg", seed=0, styles=3)), Draw)


def test_options_out_of_their_range_are_refused() -> None:
    for wrong in ((1, 0.2), (0, 3), (0.5,), "ab", (float("nan"), 1)):
        with pytest.raises(OptionError, match="alpha must be two numbers from 0 to 2"):
            DatasetOptions(alpha=wrong)
    for name, value in (("seed", -1), ("shards", 0), ("workers", 0), ("styles_per_picture", 0)):
        with pytest.raises(OptionError, match=name):
            DatasetOptions(**{name: value})
    from impasto.controls import Controls
    from impasto.images.options import ReadOptions

    with pytest.raises(OptionError, match="no masks and no weights"):
        Recipe(controls=Controls(weights=[1, 2]))
    with pytest.raises(OptionError, match="give the strength as an option of the data set"):
        Recipe(controls=Controls(alpha=0.5))
    with pytest.raises(OptionError, match="keep their size"):
        Recipe(read=ReadOptions(size=64))
