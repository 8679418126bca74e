"""Styles over time: the times at which styles and strengths of a film begin, and all in between.

Times are those of the film that is read, counted from its beginning, also where only a part of it
is painted.
"""

from __future__ import annotations

import os
import re
import tomllib
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from impasto.errors import OptionError, one_line

if TYPE_CHECKING:
    from impasto.images.photo import Picture
    from impasto.styles.style import Style

    StyleInTime: TypeAlias = Style | Picture
    """A style as for ``Stylizer.stylize``: a saved name, a picture, or a made style."""

__all__ = [
    "AlphaKey",
    "Moment",
    "StyleKey",
    "Timeline",
    "parse_time",
    "parse_timeline",
    "read_timeline",
    "time_text",
]

_TIME = re.compile(
    r"(?:(?:([0-9]{1,6}):(?=[0-9]{1,2}:))?([0-9]{1,6}):)?([0-9]{1,9}(?:\.[0-9]{0,9})?|\.[0-9]{1,9})"
)

# Keys that a file of a timeline may have, and that every entry of its two lists may have.
_KEYS = ("fade", "style", "alpha")
_STYLE_KEYS = ("at", "name", "fade")
_ALPHA_KEYS = ("at", "value")


@dataclass(frozen=True, eq=False)
class StyleKey:
    """The beginning of a style in a film.

    Attributes:
        time: seconds from the film's beginning, 0 or more.
        style: as for ``Stylizer.stylize``.
        fade: seconds, 0 or more, of the transition from the previous style to this one, beginning
            at ``time``. The next style cuts it short if that begins earlier.
    """

    time: Fraction
    style: StyleInTime
    fade: Fraction = Fraction(0)


@dataclass(frozen=True)
class AlphaKey:
    """The strength at one time of a film.

    Attributes:
        time: seconds from the film's beginning, 0 or more.
        alpha: strength in [0, 2].
    """

    time: Fraction
    alpha: float


@dataclass(frozen=True)
class Moment:
    """The styles and the strength of one moment of a film.

    Attributes:
        styles: indices in ``Timeline.styles`` of the visible styles: one, or two during a
            transition. Empty if the timeline has no styles, but strengths alone.
        weights: the share of each, above 0; they sum to 1.
        alpha: strength in [0, 2]; None if the timeline does not set it.
    """

    styles: tuple[int, ...]
    weights: tuple[float, ...]
    alpha: float | None = None


@dataclass(frozen=True, eq=False)
class Timeline:
    """Styles and strengths over time, checked once, on construction.

    A style lasts from its time until the next one begins. While that fades in, its share grows
    linearly from 0, at its own time, to 1. Strengths change linearly from each to the next; before
    the first and after the last they stay.

    Attributes:
        keys: the styles in the order of their times; the first one at 0. Empty: styles do not
            change.
        alphas: the strengths in the order of their times. Empty: the strength does not change.
        styles: all styles, each once even if it is repeated; ``Moment.styles`` has their indices.

    Raises:
        OptionError: if times are negative, the same or not in order, the first style is not at 0, a
            fade is negative, a strength out of its range, or nothing is given at all.

    Example:
        >>> scream = StyleKey(Fraction(0), "munch-scream")
        >>> lilies = StyleKey(Fraction(5), "monet-waterlilies", fade=Fraction(2))
        >>> Timeline((scream, lilies)).at(Fraction(11, 2))
        Moment(styles=(0, 1), weights=(0.75, 0.25), alpha=None)
    """

    keys: tuple[StyleKey, ...] = ()
    alphas: tuple[AlphaKey, ...] = ()
    styles: tuple[StyleInTime, ...] = field(init=False)
    _numbers: tuple[int, ...] = field(init=False, repr=False)
    """For every key, its index in ``styles``."""

    def __post_init__(self) -> None:
        from impasto.controls.affine import check_alpha

        keys = tuple(
            StyleKey(_seconds(key.time, "a style"), key.style, _seconds(key.fade, "a fade"))
            for key in self.keys
        )
        alphas = tuple(
            AlphaKey(_seconds(key.time, "a strength"), check_alpha(key.alpha))
            for key in self.alphas
        )
        if not keys and not alphas:
            raise OptionError("the timeline is empty: give a style or a strength and its time")
        _check_order([key.time for key in keys], "style")
        _check_order([key.time for key in alphas], "strength")
        if keys and keys[0].time != 0:
            raise OptionError(
                f"the film has no style before {time_text(keys[0].time)}; give the one at its "
                "start too: -s STYLE (in a timeline file: at = 0)"
            )
        styles: list[StyleInTime] = []
        numbers = []
        for key in keys:
            known = [number for number, style in enumerate(styles) if _same(style, key.style)]
            numbers.append(known[0] if known else len(styles))
            if not known:
                styles.append(key.style)
        found = {"keys": keys, "alphas": alphas, "styles": tuple(styles)}
        for name, value in {**found, "_numbers": tuple(numbers)}.items():
            object.__setattr__(self, name, value)

    def at(self, time: Fraction) -> Moment:
        """Return the styles and the strength of the frame that appears at a time.

        Args:
            time: seconds from the film's beginning.

        Example:
            >>> ramp = AlphaKey(Fraction(0), 0.0), AlphaKey(Fraction(4), 1.0)
            >>> Timeline(alphas=ramp).at(Fraction(1)).alpha
            0.25
        """
        return Moment(*self._styles_at(time), self._alpha_at(time))

    def _styles_at(self, time: Fraction) -> tuple[tuple[int, ...], tuple[float, ...]]:
        if not self.keys:
            return (), ()
        place = max(0, bisect_right(self.keys, time, key=lambda key: key.time) - 1)
        key, number = self.keys[place], self._numbers[place]
        before = self._numbers[max(0, place - 1)]
        fade = key.fade
        if place + 1 < len(self.keys):  # so that at most two are visible, and nothing jumps
            fade = min(fade, self.keys[place + 1].time - key.time)
        passed = time - key.time
        if before == number or passed >= fade:
            return (number,), (1.0,)
        if passed <= 0:
            return (before,), (1.0,)
        share = float(passed / fade)
        return (before, number), (1 - share, share)

    def _alpha_at(self, time: Fraction) -> float | None:
        if not self.alphas:
            return None
        place = bisect_right(self.alphas, time, key=lambda key: key.time)
        if place == 0:
            return self.alphas[0].alpha
        if place == len(self.alphas):
            return self.alphas[-1].alpha
        left, right = self.alphas[place - 1], self.alphas[place]
        share = float((time - left.time) / (right.time - left.time))
        return left.alpha * (1 - share) + right.alpha * share


def parse_time(text: str) -> Fraction:
    """Return the seconds in a text: ``S``, ``M:SS`` or ``H:MM:SS``, with decimals.

    Args:
        text: such as "12.5", "1:02.5" or "1:02:03".

    Raises:
        OptionError: if it is not a time.

    Example:
        >>> parse_time("1:02.5")
        Fraction(125, 2)
    """
    found = _TIME.fullmatch(text.strip())
    hours, minutes, seconds = found.groups() if found else (None, None, None)
    if (
        seconds is None
        or (hours is not None and int(minutes or 0) >= 60)
        or (minutes is not None and Fraction(seconds) >= 60)
    ):
        raise OptionError(
            f"{one_line(text)!r} is not a time; give seconds (12 or 12.5), minutes and seconds "
            "(1:02.5), or hours too (1:02:03)"
        )
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + Fraction(seconds)


def time_text(time: Fraction, *, places: int = 3) -> str:
    """Format seconds for users, so that :func:`parse_time` reads them.

    Args:
        time: in seconds, 0 or more.
        places: maximum number of decimals.

    Example:
        >>> time_text(Fraction(125, 2)), time_text(Fraction(3723))
        ('1:02.5', '1:02:03')
    """
    whole, part = divmod(round(time * 10**places), 10**places)
    minutes, seconds = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    decimals = f"{part:0{places}d}".rstrip("0") if part else ""
    clock = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    return f"{clock}.{decimals}" if decimals else clock


def parse_timeline(
    styles_at: Sequence[str] = (),
    alphas_at: Sequence[str] = (),
    *,
    fade: Fraction = Fraction(0),
    first: StyleInTime | None = None,
) -> Timeline:
    """Make a timeline from the texts of a command line, in any order.

    Args:
        styles_at: such as "0:05=monet-waterlilies".
        alphas_at: such as "0:05=0.3".
        fade: seconds of the transition from a style to the next.
        first: the style at the beginning of the film, if none of the texts sets it.

    Raises:
        OptionError: as :class:`Timeline`, or if a text is not a time, "=" and the rest.

    Example:
        >>> parse_timeline(["0:05=monet-waterlilies"], first="munch-scream").at(Fraction(9)).styles
        (1,)
    """
    keys = []
    for text in styles_at:
        time, style = _split(text, "style-at", "0:05=monet-waterlilies")
        keys.append(StyleKey(time, style, fade))
    alphas = []
    for text in alphas_at:
        time, value = _split(text, "alpha-at", "0:05=0.3")
        alphas.append(AlphaKey(time, _number(value)))
    return _sorted(keys, alphas, first)


def read_timeline(path: str | os.PathLike[str], *, first: StyleInTime | None = None) -> Timeline:
    """Read a timeline from a small TOML file.

    It holds a list ``[[style]]`` of ``at`` (a time), ``name`` (of a saved style, or a picture, as
    for ``-s``) and perhaps ``fade``; a list ``[[alpha]]`` of ``at`` and ``value``; and before them
    ``fade`` for all styles that have none of their own. Times and fades are numbers of seconds, or
    texts as for :func:`parse_time`.

    Args:
        path: the file.
        first: the style at the beginning of the film, if the file does not set it.

    Raises:
        OptionError: as :class:`Timeline`, or if the file cannot be read or has other content.

    Example:
        >>> read_timeline("styles.toml")                                     # doctest: +SKIP
    """
    name = one_line(os.fspath(path))
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"), parse_float=str)
    except (OSError, ValueError) as error:  # also what is no UTF-8, and a zero byte in the name
        raise OptionError(f"{name}: cannot be read as a TOML file ({one_line(error)})") from None
    try:
        _check_names(table, _KEYS, "the file")
        fade = table.get("fade", 0)
        keys = []
        for entry in _entries(table, "style", _STYLE_KEYS):
            if not isinstance(style := entry.get("name"), str) or not style:
                raise OptionError(f"a [[style]] needs a name (text), not {style!r}")
            keys.append(
                StyleKey(_time_of(entry.get("at")), style, _time_of(entry.get("fade", fade)))
            )
        alphas = []
        for entry in _entries(table, "alpha", _ALPHA_KEYS):
            alphas.append(AlphaKey(_time_of(entry.get("at")), _number(entry.get("value"))))
        return _sorted(keys, alphas, first)
    except OptionError as error:
        raise OptionError(f"{name}: {error}") from None


def _sorted(
    keys: Sequence[StyleKey], alphas: Sequence[AlphaKey], first: StyleInTime | None
) -> Timeline:
    opening = () if first is None else (StyleKey(Fraction(0), first),)
    return Timeline(
        (*opening, *sorted(keys, key=lambda key: key.time)),
        tuple(sorted(alphas, key=lambda key: key.time)),
    )


def _split(text: str, option: str, example: str) -> tuple[Fraction, str]:
    time, sign, rest = text.partition("=")
    if not sign or not rest.strip():
        raise OptionError(
            f"--{option} must be TIME=VALUE, such as {example}, not {one_line(text)!r}"
        )
    return parse_time(time), rest.strip()


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise OptionError(
            f"{one_line(value)!r} is not a strength; give a number from 0 to 2"
        ) from None


def _time_of(value: object) -> Fraction:
    """Return a time of a file: a whole number, or a text, as decimal numbers are here too."""
    if isinstance(value, str) or type(value) is int:
        return parse_time(str(value))
    raise OptionError(
        f'a time must be a number of seconds or a text, such as "1:02.5", not {value}'
    )


def _entries(
    table: Mapping[str, Any], name: str, known: Sequence[str]
) -> Sequence[Mapping[str, Any]]:
    entries = table.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise OptionError(f"{name!r} is not a list of tables; start every entry with [[{name}]]")
    for entry in entries:
        _check_names(entry, known, f"[[{name}]]")
    return entries


def _check_names(table: Mapping[str, Any], known: Sequence[str], where: str) -> None:
    if unknown := [each for each in table if each not in known]:
        raise OptionError(
            f"{where} has the unknown key {one_line(unknown[0])!r}; use {', '.join(known)}"
        )


def _seconds(value: Any, noun: str) -> Fraction:
    """Return the exact number of seconds, if it is one."""
    try:
        seconds = Fraction(value)
    except (TypeError, ValueError, OverflowError):  # also NaN, and infinity
        seconds = Fraction(-1)
    if seconds < 0:
        raise OptionError(f"the time of {noun} must be 0 seconds or more, not {value}")
    return seconds


def _check_order(times: Sequence[Fraction], noun: str) -> None:
    for before, time in pairwise(times):
        if before == time:
            raise OptionError(f"two {noun}s start at {time_text(time)}; remove one of them")
        if before > time:
            raise OptionError(
                f"the {noun} at {time_text(before)} comes before the one at {time_text(time)}; "
                "give them in order of time"
            )


def _same(one: object, other: object) -> bool:
    if isinstance(one, str | os.PathLike) and isinstance(other, str | os.PathLike):
        return os.fspath(one) == os.fspath(other)
    return one is other  # arrays cannot be compared as a whole
