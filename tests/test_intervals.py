"""Bootstrap intervals of means and of paired differences, and how a report shows them."""

from __future__ import annotations

import math
from itertools import accumulate
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

from impasto.lab.evaluate.intervals import RESAMPLES, mean_interval
from impasto.lab.evaluate.lines import Line
from impasto.lab.evaluate.pairs import Pair
from impasto.lab.evaluate.report import markdown, summarize


def test_means_of_two_values_are_theirs_or_in_between() -> None:
    # A draw of two is (0, 0), (0, 1), (1, 0) or (1, 1), each as likely.
    assert mean_interval([0.0, 1.0]) == (0.0, 1.0)
    assert mean_interval([0.0, 1.0], level=0.4) == (0.5, 0.5)
    assert mean_interval([3.0, 3.0, 3.0]) == (3.0, 3.0)
    assert mean_interval([3.0]) is None and mean_interval([]) is None


@pytest.mark.parametrize("ones", [50, 20])
def test_the_interval_of_a_share_is_the_binomial_one(ones: int) -> None:
    n, p = 100, ones / 100
    chances = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
    below = list(accumulate(chances))
    exact = [next(k for k, chance in enumerate(below) if chance >= q) / n for q in (0.025, 0.975)]
    found = mean_interval([1.0] * ones + [0.0] * (n - ones))
    assert found == pytest.approx(exact, abs=0.0101)


def test_more_values_than_are_drawn_at_a_time_give_the_same_kind_of_interval() -> None:
    values = [float(i % 2) for i in range(4000)]  # in several blocks
    low, high = mean_interval(values, resamples=RESAMPLES) or (0, 0)
    # The normal approximation: 1.96 deviations of 0.5 / sqrt(4000).
    assert (low, high) == pytest.approx((0.5 - 0.0155, 0.5 + 0.0155), abs=0.002)


def line(model: str, number: int, style: float, ssim: float) -> Line:
    pair = Pair(Path(f"{number}.jpg"), Path("style.jpg"))
    values = {"style": style, "ssim": ssim, "content": 1.0, "wasserstein": 1.0}
    return Line(model, model, 64, pair, values)


def test_a_difference_that_is_the_same_in_every_pair_is_certain() -> None:
    lines = []
    for number, hard in enumerate((0.1, 5.0, 0.2, 9.0)):  # pairs differ more than models do
        lines += [line("ref", number, hard, 0.5), line("mine", number, hard + 0.25, 0.5)]
    found = {(row.model, row.metric): row for row in summarize(lines, reference="ref")}
    mine, ref = found["mine", "style"], found["ref", "style"]
    assert mine.mean == pytest.approx(3.825) and mine.difference == pytest.approx(0.25)
    assert (mine.difference_low, mine.difference_high) == pytest.approx((0.25, 0.25))
    assert mine.low is not None and mine.high is not None
    assert mine.low < ref.mean < mine.high  # which the means alone would not have told
    assert ref.difference_low is ref.difference is None
    text = markdown(list(found.values()), reference="ref")
    assert "| style | lower | +0.250 [+0.250, +0.250] * |" in text
    assert "| ssim | higher | +0.000 [+0.000, +0.000] |" in text
    assert f"3.825 [{mine.low:.3f}, {mine.high:.3f}] (2.850) x1.07" in text


def test_a_single_pair_has_no_interval() -> None:
    found = summarize([line("ref", 0, 1.0, 0.5), line("mine", 0, 2.0, 0.6)], reference="ref")
    assert all(row.low is row.high is row.difference_low is None for row in found)
    text = markdown(found, reference="ref")
    assert "pair by pair" not in text and "2.000 (2.000) x2.00" in text
