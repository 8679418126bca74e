"""Styles over time: times as people write them, shares of styles, strengths, files of times."""

from __future__ import annotations

import doctest
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impasto.errors import OptionError
from impasto.video import timeline
from impasto.video.timeline import (
    AlphaKey,
    Moment,
    StyleKey,
    Timeline,
    parse_time,
    parse_timeline,
    read_timeline,
    time_text,
)

F = Fraction

fractions = st.fractions(0, 100, max_denominator=1000)


@st.composite
def timelines(draw: st.DrawFn) -> Timeline:
    """Timelines of styles that may come back, with fades of any length, and strengths."""
    times = sorted({F(0), *draw(st.lists(fractions, max_size=5))})
    names = st.sampled_from("abc")
    keys = tuple(StyleKey(time, draw(names), draw(fractions) / 10) for time in times)
    alphas = tuple(
        AlphaKey(time, draw(st.floats(0, 2)))
        for time in sorted(set(draw(st.lists(fractions, max_size=4))))
    )
    return Timeline(keys, alphas)


def shares(line: Timeline, time: Fraction) -> np.ndarray:
    """The share of every style at a time."""
    moment = line.at(time)
    every = np.zeros(len(line.styles))
    every[list(moment.styles)] = moment.weights
    return every


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("12", F(12)),
        ("12.5", F(25, 2)),
        (".25", F(1, 4)),
        ("90", F(90)),
        ("0:05", F(5)),
        ("0:5", F(5)),
        (" 1:02.5 ", F(125, 2)),
        ("90:00", F(5400)),
        ("1:02:03", F(3723)),
        ("10:00:00.001", F(36_000_001, 1000)),
    ],
)
def test_a_time_is_read(text: str, seconds: Fraction) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize(
    "text", " |-1|1:60|1:75:00|1:2:3:4|5s|1,5|nan|1e3|½|٣|1:|:5|9999999999999999".split("|")
)
def test_what_is_no_time_is_told_in_one_line(text: str) -> None:
    with pytest.raises(OptionError, match=r"is not a time; give seconds \(12 or 12.5\)") as error:
        parse_time(text)
    assert "\n" not in str(error.value)


@given(st.integers(0, 10**9))
def test_a_time_is_written_as_it_is_read(milliseconds: int) -> None:
    assert parse_time(time_text(F(milliseconds, 1000))) == F(milliseconds, 1000)


def test_a_time_is_rounded_as_a_whole() -> None:
    """59.9996 seconds are a minute, not 0:60."""
    assert time_text(F("59.9996")) == "1:00"
    assert time_text(F("3599.96"), places=1) == "1:00:00"
    assert time_text(F(1, 3)) == "0:00.333"


def test_a_fade_begins_at_the_time_of_its_style() -> None:
    line = parse_timeline(["0:05=b", "0:09=c"], first="a", fade=F(2))
    assert line.styles == ("a", "b", "c")
    expected = {0: (1, 0, 0), 5: (1, 0, 0), 6: (0.5, 0.5, 0), 7: (0, 1, 0), 8: (0, 1, 0)}
    for time, weights in (expected | {9: (0, 1, 0), F(19, 2): (0, 0.75, 0.25)}).items():
        assert tuple(shares(line, F(time))) == weights, time
    assert line.at(F(100)) == Moment((2,), (1.0,))


def test_without_a_fade_a_style_begins_at_its_very_time() -> None:
    line = parse_timeline(["0:05=b"], first="a")
    assert line.at(F(5) - F(1, 90000)).styles == (0,)
    assert line.at(F(5)) == Moment((1,), (1.0,))


def test_a_fade_is_cut_short_by_the_next_style() -> None:
    """At 1 the second style is there in full, though its fade was to take 4 seconds."""
    line = Timeline((StyleKey(F(0), "a"), StyleKey(F(0) + 1, "b", F(4)), StyleKey(F(2), "c", F(4))))
    assert tuple(shares(line, F(3, 2))) == (0.5, 0.5, 0)
    assert tuple(shares(line, F(2))) == (0, 1, 0)
    assert tuple(shares(line, F(4))) == (0, 0.5, 0.5)


def test_a_style_that_comes_back_is_one_style() -> None:
    """It is encoded once, and nothing fades from it to itself."""
    line = parse_timeline(["1=b", "2=a", "3=a"], first="a", fade=F(1))
    assert line.styles == ("a", "b")
    assert line.at(F(5, 2)) == Moment((1, 0), (0.5, 0.5))
    assert line.at(F(7, 2)) == Moment((0,), (1.0,))
    picture = np.zeros((4, 4, 3), np.uint8)
    keys = [StyleKey(F(0), picture), StyleKey(F(1), Path("b")), StyleKey(F(2), picture)]
    assert len(Timeline((*keys, StyleKey(F(3), "b"))).styles) == 2


def test_strengths_go_evenly_from_one_to_the_next() -> None:
    line = parse_timeline(alphas_at=["0:06=1", "0:02=0.2"])
    times = [F(0), F(2), F(3), F(4), F(6), F(50)]
    assert [line.at(time).alpha for time in times] == pytest.approx([0.2, 0.2, 0.4, 0.6, 1, 1])
    assert line.at(F(3)).styles == () and line.styles == ()


@settings(max_examples=40, deadline=None)
@given(timelines(), fractions)
def test_shares_sum_to_one(line: Timeline, time: Fraction) -> None:
    moment = line.at(time)
    assert 1 <= len(moment.styles) == len(moment.weights) <= 2
    assert len(set(moment.styles)) == len(moment.styles)
    assert sum(moment.weights) == pytest.approx(1, abs=1e-12) and min(moment.weights) >= 0


@settings(max_examples=40, deadline=None)
@given(timelines(), fractions, st.integers(1, 50))
def test_nothing_jumps_where_there_is_a_fade(line: Timeline, time: Fraction, step: int) -> None:
    """In a short time no share changes more than the shortest fade says, nor does the strength."""
    after = time + F(step, 1000)
    ends = [key.time for key in line.keys[1:]] + [None]
    fades = [
        key.fade if end is None else min(key.fade, end - key.time)
        for key, end in zip(line.keys, ends, strict=True)
    ][1:]
    if all(fades):
        steepest = float(max((1 / fade for fade in fades), default=0))
        change = np.abs(shares(line, after) - shares(line, time)).max()
        assert change <= steepest * step / 1000 + 1e-9
    if line.alphas:
        slopes = [
            abs(b.alpha - a.alpha) / float(b.time - a.time)
            for a, b in zip(line.alphas, line.alphas[1:], strict=False)
        ]
        before, then = line.at(time).alpha, line.at(after).alpha
        assert before is not None and then is not None
        assert abs(then - before) <= max(slopes, default=0) * step / 1000 + 1e-9


@settings(max_examples=40, deadline=None)
@given(timelines())
def test_key_points_are_met(line: Timeline) -> None:
    """At its time a style has not begun if it fades in, and is there alone if it does not."""
    for i, key in enumerate(line.keys):
        wanted = key if i == 0 or not key.fade else line.keys[i - 1]
        assert line.at(key.time).styles == (line.styles.index(wanted.style),)
    for alpha in line.alphas:
        assert line.at(alpha.time).alpha == pytest.approx(alpha.alpha, abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Timeline(), "the timeline is empty"),
        (lambda: parse_timeline(["0:05=b"]), "no style before 0:05; give the one at its start"),
        (lambda: parse_timeline(["0=b"], first="a"), "two styles start at 0:00"),
        (lambda: parse_timeline(["1=b", "1.0=c"], first="a"), "two styles start at 0:01"),
        (lambda: parse_timeline(["b"], first="a"), "--style-at must be TIME=VALUE, such as"),
        (lambda: parse_timeline(["1="], first="a"), "--style-at must be TIME=VALUE"),
        (lambda: parse_timeline(["x=b"], first="a"), "'x' is not a time"),
        (lambda: parse_timeline(alphas_at=["1=much"]), "'much' is not a strength"),
        (lambda: parse_timeline(alphas_at=["1=3"]), "alpha must be a number from 0 to 2, not 3"),
        (lambda: parse_timeline(alphas_at=["1=nan"]), "alpha must be a number from 0 to 2"),
        (lambda: parse_timeline(alphas_at=["1=1", "1=2"]), "two strengths start at 0:01"),
        (lambda: parse_timeline(["1=b"], first="a", fade=F(-1)), "a fade must be 0 seconds or mor"),
        (lambda: Timeline((StyleKey(F(-1), "a"),)), "a style must be 0 seconds or more, not -1"),
        (
            lambda: Timeline((StyleKey(F(0), "a"), StyleKey(F(9), "b"), StyleKey(F(5), "c"))),
            "the style at 0:09 comes before the one at 0:05",
        ),
    ],
)
def test_mistakes_are_told_in_one_line(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(OptionError) as error:
        make()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_name_may_hold_the_sign(tmp_path: Path) -> None:
    assert parse_timeline(["0=a=b.jpg"]).styles == ("a=b.jpg",)


def test_a_file_says_the_same(tmp_path: Path) -> None:
    file = tmp_path / "styles.toml"
    file.write_text(
        """
        fade = 0.1
        [[style]]
        at = "0:09.5"
        name = "munch-scream"
        fade = "0:02"
        [[style]]
        at = 5
        name = "monet-waterlilies"
        [[style]]
        at = 0.0
        name = "wave.jpg"
        [[alpha]]
        at = 1.5
        value = 0.3
        [[alpha]]
        at = "0:02"
        value = 1
        """
    )
    line = read_timeline(file)
    assert line.styles == ("wave.jpg", "monet-waterlilies", "munch-scream")
    assert [key.time for key in line.keys] == [0, 5, F(19, 2)]
    assert [key.fade for key in line.keys] == [F(1, 10), F(1, 10), 2]
    assert line.alphas == (AlphaKey(F(3, 2), 0.3), AlphaKey(F(2), 1.0))
    file.write_text('[[style]]\nat = 5\nname = "b"')
    assert read_timeline(file, first="a").styles == ("a", "b")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[style]]\nat = 0:05", "cannot be read as a TOML file"),
        ("style = 5", "'style' is not a list of tables; start every entry with [[style]]"),
        ("[[style]]\nat = 0", "a [[style]] needs a name"),
        ('[[style]]\nname = "a"', "a time must be a number of seconds or a text"),
        ('[[style]]\nname = "a"\nat = 00:00:05', 'such as "1:02.5", not 00:00:05'),
        ('[[style]]\nname = "a"\nat = true', "a time must be a number of seconds or a text"),
        ('[[style]]\nname = "a"\nat = -1', "'-1' is not a time"),
        ('[[style]]\nname = "a"\nat = 1e999999', "'1e999999' is not a time"),
        ('[[style]]\nname = "a"\nat = 0\nfades = 2', "[[style]] has the unknown key 'fades'; use"),
        ("[[alpha]]\nat = 0", "'None' is not a strength"),
        ("[[alpha]]\nat = 0\nvalue = 7", "alpha must be a number from 0 to 2"),
        ("styles = 5", "the file has the unknown key 'styles'; use fade, style, alpha"),
        ("", "the timeline is empty"),
    ],
)
def test_mistakes_of_a_file_are_told_with_its_name(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "styles.toml"
    file.write_text(text)
    with pytest.raises(OptionError) as error:
        read_timeline(file)
    assert message in str(error.value) and str(error.value).startswith(f"{file}: ")
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"none.toml: cannot be read as a TOML file \(No such"):
        read_timeline(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match=r"bytes.toml: cannot be read as a TOML file"):
        read_timeline(tmp_path / "bytes.toml")


def test_the_examples_hold() -> None:
    assert doctest.testmod(timeline).failed == 0
