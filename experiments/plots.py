"""Plain plots with Pillow: lines with bands, and bars with intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

SIZE = (800, 420)
_SCALE = 2  # drawn larger and reduced, for smooth lines
_COLORS = ((31, 119, 180), (214, 39, 40), (44, 160, 44), (148, 103, 189), (255, 127, 14),
           (23, 190, 207), (140, 86, 75), (90, 90, 90))  # fmt: skip
_INK, _PALE = (30, 30, 30), (218, 218, 218)
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 16, 34, 48


@dataclass(frozen=True)
class Line:
    """A line of a plot.

    Attributes:
        name: for the legend.
        points: (x, y).
        band: (x, low, high) around it; empty for none.
        dashed: for numbers that stand beside others, such as a paper's.
    """

    name: str
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float, float]] = ()
    dashed: bool = False


@dataclass(frozen=True)
class Bar:
    """A bar of a plot: its group, its name in the legend, its value, the ends of its interval."""

    group: str
    name: str
    value: float
    interval: tuple[float, float] | None = None


def line_plot(
    lines: Sequence[Line], *, title: str, x: str, y: str, log_x: bool = False
) -> Image.Image:
    """Draw lines over a common axis, with a legend."""
    xs = [px for line in lines for px, _ in line.points]
    ys = [py for line in lines for _, py in line.points]
    ys += [edge for line in lines for _, low, high in line.band for edge in (low, high)]
    span = _range(xs, log=log_x, pad=0.0)
    frame = _Frame((title, x, y), span, _range(ys), [line.name for line in lines], log_x=log_x)
    frame.ticks_x(_log_ticks(*frame.span_x) if log_x else _ticks(*frame.span_x))
    for i, line in enumerate(lines):
        color = _COLORS[i % len(_COLORS)]
        if line.band:
            edge = [(px, high) for px, _, high in line.band]
            edge += [(px, low) for px, low, _ in reversed(line.band)]
            frame.area([frame.place(*p) for p in edge], color)
        frame.polyline([frame.place(*p) for p in line.points], color, dashed=line.dashed)
    return frame.image()


def bar_plot(bars: Sequence[Bar], *, title: str, y: str) -> Image.Image:
    """Draw bars side by side in groups, from 0, with a legend."""
    groups = list(dict.fromkeys(bar.group for bar in bars))
    names = list(dict.fromkeys(bar.name for bar in bars))
    ends = [0.0, *(bar.value for bar in bars), *(e for bar in bars for e in bar.interval or ())]
    frame = _Frame((title, "", y), (0.0, float(len(groups))), _range(ends), names)
    width = 0.8 / max(len(names), 1)
    for bar in bars:
        at = groups.index(bar.group) + 0.1 + width * names.index(bar.name)
        low, high = frame.place(at + 0.05 * width, 0), frame.place(at + 0.95 * width, bar.value)
        frame.box(low, high, _COLORS[names.index(bar.name) % len(_COLORS)])
        if bar.interval:
            ends = [frame.place(at + width / 2, edge) for edge in bar.interval]
            frame.polyline(ends, _INK)
    frame.names_x([(groups.index(group) + 0.5, group) for group in groups])
    return frame.image()


class _Frame:
    """Axes of a plot: places of values, ticks, texts, and a legend on the right."""

    def __init__(
        self,
        texts: tuple[str, str, str],
        span_x: tuple[float, float],
        span_y: tuple[float, float],
        names: Sequence[str],
        *,
        log_x: bool = False,
    ) -> None:
        """``texts``: title, x and y; ``names``: of the legend, in the order of the colors."""
        title, x, y = texts
        self.span_x, self.span_y, self.log_x = span_x, span_y, log_x
        width, height = (side * _SCALE for side in SIZE)
        self.canvas = Image.new("RGB", (width, height), "white")
        self.draw = ImageDraw.Draw(self.canvas)
        self.small, self.large = (_font(size * _SCALE) for size in (12, 14))
        legend = max((self.small.getlength(name) for name in names if name), default=0)
        self.left, self.right = _LEFT * _SCALE, width - _RIGHT * _SCALE
        self.top, self.bottom = _TOP * _SCALE, height - _BOTTOM * _SCALE
        if legend:
            self.right -= int(legend) + 40 * _SCALE
            self._legend(names)
        for value in _ticks(*span_y):
            _, at = self.place(span_x[0], value)
            self.draw.line([(self.left, at), (self.right, at)], _PALE, _SCALE)
            self._text((self.left - 6 * _SCALE, at), _number(value), "rm")
        edges = [(self.left, self.top), (self.left, self.bottom), (self.right, self.bottom)]
        self.draw.line(edges, _INK, _SCALE)
        self._text((width / 2, 8 * _SCALE), title, "ma", self.large)
        self._text(((self.left + self.right) / 2, height - 6 * _SCALE), x, "md")
        self._text((6 * _SCALE, self.top - 4 * _SCALE), y, "ld")

    def place(self, x: float, y: float) -> tuple[float, float]:
        """The pixel of a value."""
        scale: Callable[[float], float] = math.log if self.log_x else float
        low, high = map(scale, self.span_x)
        share = (scale(x) - low) / (high - low or 1)
        up = (y - self.span_y[0]) / (self.span_y[1] - self.span_y[0] or 1)
        across = self.left + share * (self.right - self.left)
        return across, self.bottom - up * (self.bottom - self.top)

    def ticks_x(self, values: Sequence[float]) -> None:
        self.names_x([(value, _number(value)) for value in values])

    def names_x(self, names: Sequence[tuple[float, str]]) -> None:
        for value, name in names:
            at, _ = self.place(value, self.span_y[0])
            self._text((at, self.bottom + 6 * _SCALE), name, "ma")

    def polyline(
        self,
        points: Sequence[tuple[float, float]],
        color: tuple[int, int, int],
        *,
        dashed: bool = False,
    ) -> None:
        if not dashed:
            self.draw.line(points, color, 2 * _SCALE, joint="curve")
            return
        for (x0, y0), (x1, y1) in pairwise(points):
            count = max(int(math.hypot(x1 - x0, y1 - y0) / (6 * _SCALE)), 1)
            for i in range(0, count, 2):
                a, b = i / count, min(i + 1, count) / count
                ends = [(x0 + t * (x1 - x0), y0 + t * (y1 - y0)) for t in (a, b)]
                self.draw.line(ends, color, 2 * _SCALE)

    def area(self, points: Sequence[tuple[float, float]], color: tuple[int, int, int]) -> None:
        layer = Image.new("L", self.canvas.size, 0)
        ImageDraw.Draw(layer).polygon(points, fill=48)
        self.canvas.paste(Image.new("RGB", self.canvas.size, color), (0, 0), layer)

    def box(
        self, one: tuple[float, float], two: tuple[float, float], color: tuple[int, int, int]
    ) -> None:
        xs, ys = zip(one, two, strict=True)
        self.draw.rectangle([min(xs), min(ys), max(xs), max(ys)], fill=color)

    def _legend(self, names: Sequence[str]) -> None:
        x, step = self.right + 12 * _SCALE, 18 * _SCALE
        for i, name in enumerate(names):
            if not name:
                continue
            y = self.top + step * (i + 0.6)
            self.draw.line([(x, y), (x + 22 * _SCALE, y)], _COLORS[i % len(_COLORS)], 4 * _SCALE)
            self._text((x + 28 * _SCALE, y), name, "lm")

    def image(self) -> Image.Image:
        return self.canvas.resize(SIZE, Image.Resampling.LANCZOS)

    def _text(
        self,
        at: tuple[float, float],
        text: str,
        anchor: str,
        font: ImageFont.FreeTypeFont | ImageFont.ImageFont | None = None,
    ) -> None:
        self.draw.text(at, text, fill=_INK, font=font or self.small, anchor=anchor)


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _range(values: Sequence[float], *, log: bool = False, pad: float = 0.06) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        return (low / 2, high * 2) if log else (low - 0.5, high + 0.5)
    extra = 0.0 if log else pad * (high - low)
    return (low if low == 0 else low - extra), high + extra


def _ticks(low: float, high: float) -> list[float]:
    """Round values between two, about five."""
    rough = (high - low) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough)
    first = math.ceil(low / step - 1e-9)
    return [i * step for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    found = [f * 10.0**p for p in range(-6, 9) for f in (1, 2, 5)]
    return [value for value in found if low * 0.999 <= value <= high * 1.001]


def _number(value: float) -> str:
    return f"{value:.6g}" if abs(value) > 1e-9 else "0"
