"""Table 1 of Huang & Belongie 2017: seconds a picture, with and without looking at the style."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median
from time import process_time
from typing import Any

from PIL import Image

from plots import Bar, bar_plot
from study import ROOT, Bench, Experiment, Results, Row, Unit, table

METHODS = ("gatys", "style-swap", "ulyanov", "cin", "adain")
NAMES = {
    "gatys": "Gatys, 500 steps",
    "style-swap": "Chen & Schmidt, with its inverse network",
    "ulyanov": "Ulyanov",
    "cin": "Dumoulin (CIN), 32 styles",
    "adain": "AdaIN",
}
STEPS = 500
INVERSE = ROOT / "trained" / "style-swap-inverse.safetensors"


@dataclass(frozen=True)
class Settings:
    """Mean of ``pictures`` pictures; of Gatys ``steps`` steps are timed and 500 counted."""

    sizes: tuple[int, ...] = (256, 512)
    pictures: int = 3
    steps: int = 4


def _units(bench: Bench) -> list[Unit]:
    return [Unit({"size": s, "method": m}) for s in bench.settings.sizes for m in METHODS[::-1]]


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.no_grad():
            parts = TIMED[str(unit.key["method"])](bench, int(unit.key["size"]))
    finally:
        torch.set_num_threads(before)
    yield {"painting": parts[0], "style": parts[1]}


def _picture(size: int, seed: int = 0) -> Any:
    """Noise on a slope: what a picture shows changes no time here."""
    import torch

    random = torch.Generator().manual_seed(seed)
    slope = torch.linspace(0.2, 0.8, size)
    return (slope + 0.1 * torch.randn(1, 3, size, size, generator=random)).clamp(0, 1)


def _timed(work: Callable[[], object], times: int) -> float:
    """Mean CPU seconds of one thread, after a first call that is not counted."""
    found = []
    for _ in range(times + 1):
        begin = process_time()
        work()
        found.append(process_time() - begin)
    return mean(found[1:])


def _adain(bench: Bench, size: int) -> tuple[float, float]:
    network, content, style = bench.network, _picture(size), _picture(size, 1)
    from impasto.lab.nets.network import align

    wanted = network.read(style, network.encode(style))

    def paint() -> None:
        (features,) = network.encode(content)
        scale, shift = align(features, wanted[0])
        network.decode([features], [scale], [shift])

    times = bench.settings.pictures
    looking = _timed(lambda: network.read(style, network.encode(style)), times)
    return _timed(paint, times), looking


def _cin(bench: Bench, size: int) -> tuple[float, float]:
    import torch

    from impasto.lab import CIN

    network, content = CIN(32).eval(), _picture(size)
    weights = torch.nn.functional.one_hot(torch.tensor([3]), 32).float()[..., None, None]
    return _timed(lambda: network(content, weights), bench.settings.pictures), 0.0


def _ulyanov(bench: Bench, size: int) -> tuple[float, float]:
    from impasto.lab import Ulyanov

    network, content = Ulyanov().eval(), _picture(size)
    return _timed(lambda: network(content), bench.settings.pictures), 0.0


def _style_swap(bench: Bench, size: int) -> tuple[float, float]:
    from impasto.lab.losses.patches import Bank, style_swap
    from impasto.lab.methods.style_swap import LAYER, decoded, load_inverse

    content, style, net = _picture(size), _picture(size, 1), load_inverse(INVERSE, bench.vgg)
    banks: list[Any] = []

    def look() -> None:
        banks[:] = [Bank([bench.vgg(style, [LAYER])[LAYER]])]

    def paint() -> None:
        decoded(style_swap(bench.vgg(content, [LAYER])[LAYER], banks[0]), net)

    looking = _timed(look, bench.settings.pictures)
    return _timed(paint, bench.settings.pictures), looking


def _gatys(bench: Bench, size: int) -> tuple[float, float]:
    import impasto
    from impasto.lab import gram

    layers = {f"relu{n}_1": 0.25 for n in range(1, 5)}
    model = impasto.load("gatys", vgg=bench.vgg_file, threads=1).with_settings(
        steps=bench.settings.steps + 1,
        options={"content_layers": {"relu4_1": 1.0}, "style_layers": layers},
    )
    content, style = (_picture(size, seed)[0].permute(1, 2, 0).numpy() for seed in (0, 1))
    at = [process_time()]
    model.stylize(content, style, watch=lambda _: at.append(process_time()))
    steps = [later - earlier for earlier, later in pairwise(at[1:])]

    def look() -> None:
        seen = bench.vgg(_picture(size, 1), list(layers))
        for features in seen.values():
            gram(features)

    return STEPS * median(steps), _timed(look, 1)


TIMED: dict[str, Callable[[Bench, int], tuple[float, float]]] = {
    "gatys": _gatys,
    "style-swap": _style_swap,
    "ulyanov": _ulyanov,
    "cin": _cin,
    "adain": _adain,
}


def _seconds(results: Results, method: str, size: str, *, style: bool) -> float | None:
    rows = results.where(method=method, size=size)
    if not rows:
        return None
    return float(rows[0]["painting"]) + (float(rows[0]["style"]) if style else 0.0)


def _pair(plain: float | None, whole: float | None) -> str:
    if plain is None:
        return ""
    return _digits(plain) + ("" if whole is None or whole == plain else f" ({_digits(whole)})")


def _digits(seconds: float) -> str:
    """Three digits, and no powers of ten."""
    return f"{seconds:.0f}" if seconds >= 100 else f"{seconds:.3g}"


def _tables(results: Results) -> str:
    theirs, parts = results.published, []
    for size in results.values("size"):
        rows = []
        for method in METHODS:
            own = [_seconds(results, method, size, style=style) for style in (False, True)]
            base = _seconds(results, "adain", size, style=False)
            paper = theirs.get(f"seconds_{size}", {})
            ratio = "" if own[0] is None or not base else _digits(own[0] / base)
            published = paper.get(method)
            rows.append(
                [
                    NAMES[method],
                    theirs["styles"][method],
                    _pair(*own),
                    ratio,
                    _pair(published, theirs.get(f"with_style_{size}", {}).get(method)),
                    "" if published is None else _digits(published / paper["adain"]),
                ]
            )
        head = ["", "styles", "seconds", "x AdaIN's", "the paper", "x AdaIN's, the paper"]
        parts.append(f"{size} x {size} px:\n\n{table(head, rows)}")
    return (
        "CPU seconds of one thread, in brackets including the encoding of the style; the paper's "
        "are those of a graphics card, so compare the ratios.\n\n" + "\n\n".join(parts)
    )


def _plot(results: Results) -> Image.Image:
    from math import log10

    bars = []
    for size in results.values("size"):
        base = _seconds(results, "adain", size, style=False)
        paper = results.published.get(f"seconds_{size}", {})
        for method in METHODS[:-1]:
            own = _seconds(results, method, size, style=False)
            if own and base:
                bars.append(Bar(method, f"here, {size} px", log10(own / base)))
            if paper:
                ratio = log10(paper[method] / paper["adain"])
                bars.append(Bar(method, f"the paper, {size} px", ratio))
    return bar_plot(bars, title="Table 1: time beside AdaIN's", y="log10 of the ratio")


EXPERIMENT = Experiment(
    name="table1",
    title="Table 1: time",
    about=(
        "Networks for one style and for a list of styles have the full width of the papers, and "
        "random weights, which do not change the time. For Gatys a few steps are timed and 500 "
        "counted, with VGG-19 up to relu4_1. CPU seconds are disturbed less by other work on the "
        "machine than wall-clock time."
    ),
    settings=Settings,
    smoke=Settings(sizes=(64,), pictures=1, steps=2),
    keys=("size", "method"),
    columns=("painting", "style"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
    drawn=False,
)
