"""The models that ship beside AdaIN, judged as ``impasto lab evaluate`` judges them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from PIL import Image

from impasto.lab.evaluate.intervals import mean_interval
from impasto.lab.evaluate.lines import BAR, METRICS, Line, metric
from impasto.lab.evaluate.painters import CONTENT_NAME
from impasto.lab.evaluate.pairs import Pair
from impasto.lab.evaluate.report import (
    Summary,
    bar_table,
    by_style_folder,
    folder_table,
    passes,
    size_table,
    summarize,
)
from impasto.lab.losses import STYLE_LAYERS
from impasto.stylizer import Stylizer
from plots import Bar, bar_plot
from study import Bench, Experiment, Results, Row, Unit, table

REFERENCE = "adain"
MODELS = ("quality", "fast")
COLUMNS = tuple(row.name for row in METRICS if row.name not in ("seconds", "lpips"))
"""Columns of the report but for the time, which other work on the machine changes."""

RATIOS = {
    "content": "content loss",
    "style": "style loss",
    "wasserstein": "sliced Wasserstein distance",
    "gram": "Gram distance",
    "colors": "distance in colors",
}
"""Columns that are told in words."""

OVERVIEW = {
    "style": "style loss",
    **{f"style_{layer}": f"- of it at {layer}" for layer in STYLE_LAYERS},
    "content": "content loss",
    "gram": "Gram distance",
    "wasserstein": "sliced Wasserstein distance",
    "colors": "distance in colors",
    "ssim": "likeness to the photograph (SSIM)",
    "edges": "likeness of its edges",
    "weave_4": "weave of 4 px, dB",
    "weave_8": "weave of 8 px, dB",
    "weave_16": "weave of 16 px, dB",
}
"""Rows of the table for everybody."""

_MARKED = (
    "**Better** or worse is marked where the 95 % interval of the difference from AdaIN on the "
    "same pairs excludes 0."
)

_Table = Mapping[tuple[str, str], Summary]


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of each of ``sizes``."""

    sizes: tuple[int, ...] = (256, 512)
    pairs: tuple[int, ...] = (100, 100)


def _units(bench: Bench) -> list[Unit]:
    settings: Settings = bench.settings
    return [
        Unit({"size": size, "pair": pair})
        for size, count in zip(settings.sizes, settings.pairs, strict=True)
        for pair in range(len(bench.pairs(count)))
    ]


@cache
def painters(adain: Stylizer, vgg: Path) -> Sequence[Any]:
    from impasto.lab.evaluate.painters import (
        JudgedAdaIN,
        JudgedContent,
        PainterOptions,
        open_painters,
    )

    options = PainterOptions(engine="onnxruntime", precision="fp32")
    reference: Any = adain.painter
    models = open_painters(MODELS, vgg=vgg, options=options)
    return JudgedContent(), JudgedAdaIN(reference, REFERENCE), *models


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    from impasto.lab.evaluate.run import measure

    pair = bench.pairs(max(bench.settings.pairs))[int(unit.key["pair"])]
    who = painters(bench.stylizer, bench.vgg_file)
    for line in measure(who, bench.judge, pair, int(unit.key["size"])):
        numbers = {name: line.values[name] for name in COLUMNS if name in line.values}
        about = {"model": line.model, "identity": line.identity}
        yield {**about, "paintings": _folder(pair, bench), **numbers}


def _folder(pair: Pair, bench: Bench) -> str:
    """Name of the folder that a pair's style was drawn from."""
    places = sorted(map(Path, bench.places.styles), key=lambda place: -len(place.parts))
    return next(place.name for place in places if pair.style.is_relative_to(place))


def lines_of(results: Results) -> list[Line]:
    """The rows as the lines of a report; a pair's number stands for its files."""
    return [
        Line(
            model=row["model"],
            identity=row["identity"],
            size=int(row["size"]),
            pair=Pair(Path(row["pair"]), Path(row["paintings"]) / row["pair"]),
            values={name: float(row[name]) for name in COLUMNS if row[name]},
        )
        for row in results.rows
    ]


def _by_size(results: Results) -> dict[int, _Table]:
    """Summaries by column and model, size by size."""
    found: dict[int, dict[tuple[str, str], Summary]] = {}
    for row in summarize(lines_of(results), reference=REFERENCE):
        found.setdefault(row.size, {})[row.metric, row.model] = row
    return found


def legend(results: Results) -> str:
    """A paragraph on pairs, engine and cells."""
    return (
        f"Held-out pairs of seed 0: {_counts(results)}. All models run in single precision on ONNX "
        f"Runtime and are judged in single precision. `{REFERENCE}` is the reference; "
        f"`{CONTENT_NAME}` is the unchanged photograph. A cell shows the mean, its 95 % bootstrap "
        "interval in square brackets, the median in round ones, then the mean relative to AdaIN's "
        "(x times, or + and -) and the share of pairs in which the model is better."
    )


def size_tables(results: Results) -> str:
    """Table, bars and folders of each size."""
    models, parts = results.values("model"), []
    folders = by_style_folder(lines_of(results), results.values("paintings"))
    for size, rows in _by_size(results).items():
        count = rows["ssim", REFERENCE].pairs
        tables = [size_table(rows, models), bar_table(rows, models, REFERENCE)]
        tables.append(folder_table([row for row in folders if row.size == size]))
        parts += [f"**{count} pairs at {size} px**", *filter(None, tables)]
    return "\n\n".join(parts)


def overview(results: Results) -> str:
    """Table of what is better and what is worse than AdaIN's, both sizes side by side."""
    sources = [", ".join(results.about[side]) for side in ("contents", "styles")]
    return (
        f"Means over held-out pairs, {_counts(results)}; photographs of {sources[0]}, paintings of "
        f"{sources[1]}. {_MARKED}\n\n{_overview_table(results)}"
    )


def _overview_table(results: Results) -> str:
    tables = _by_size(results)
    columns = [(size, model) for size in tables for model in (REFERENCE, *MODELS)]
    rows = []
    for name, words in OVERVIEW.items():
        found = [tables[size].get((name, model)) for size, model in columns]
        if any(found):
            rows.append([words, metric(name).better, *(_judged(cell) for cell in found)])
    head = ["", "good is"]
    head += [f"{'AdaIN' if m == REFERENCE else f'`{m}`'}, {size} px" for size, m in columns]
    return table(head, rows, text_columns=2)


def _judged(cell: Summary | None) -> str:
    """A mean, and whether it is better than the reference's."""
    if cell is None:
        return ""
    text = f"{cell.mean:.{metric(cell.metric).digits}f}"
    low, high = cell.difference_low, cell.difference_high
    if low is None or high is None or low <= 0 <= high:
        return text
    return f"{text} **better**" if (low > 0) == (cell.better == "higher") else f"{text} worse"


def front(results: Results) -> str | None:
    """The overview for the front page; None until the run is whole.

    A few pairs are no verdict, so until then the page keeps the numbers that it has.
    """
    wanted = dict(zip(Settings().sizes, Settings().pairs, strict=True))
    if any(len(results.where(size=s, model=REFERENCE)) < n for s, n in wanted.items()):
        return None
    return (
        "Means over pairs of [sharp pictures](docs/evaluation.md#the-standard-pictures) that no "
        f"training has seen, {_counts(results)}, with styles read in one pass, not tuned. "
        f"{_MARKED}\n\n{_overview_table(results)}"
    )


def _counts(results: Results) -> str:
    tables = _by_size(results)
    counts = [f"{rows['ssim', REFERENCE].pairs} at {size} px" for size, rows in tables.items()]
    return " and ".join(counts)


def verdict(results: Results) -> str:
    """A line a model on what the tables say of it."""
    tables, lines = _by_size(results), []
    for model in MODELS:
        parts = []
        for size, rows in tables.items():
            missed = [each.metric for each in BAR if not passes(each, rows[each.metric, model])]
            ratios = [
                f"{words} {rows[name, model].mean / rows[name, REFERENCE].mean:.2f}"
                for name, words in RATIOS.items()
            ]
            ssim = rows["ssim", model].mean - rows["ssim", REFERENCE].mean
            met = f"misses the bar in {', '.join(missed)}" if missed else "meets the bar"
            parts.append(
                f"at {size} px it {met}: {', '.join(ratios)} times AdaIN's, SSIM {ssim:+.2f}"
            )
        lines.append(f"* `{model}`: {'; '.join(parts)}.")
    return "\n".join(lines)


def _tables(results: Results) -> str:
    return "\n\n".join([overview(results), legend(results), size_tables(results), verdict(results)])


def _plot(results: Results) -> Image.Image:
    bars = []
    for size in results.values("size"):
        for model in MODELS:
            for name in ("content", "style", "wasserstein"):
                theirs = results.numbers(name, size=size, model=REFERENCE)
                base = sum(theirs) / len(theirs)
                values = [v / base for v in results.numbers(name, size=size, model=model)]
                mean = sum(values) / len(values)
                bars.append(Bar(f"{model}, {size} px", name, mean, mean_interval(values)))
    return bar_plot(bars, title="The models that ship", y="times AdaIN's mean")


EXPERIMENT = Experiment(
    name="yardstick",
    title="The models that ship, beside AdaIN",
    about=(
        "`quality` and `fast` on pairs that no training here has seen, measured by the code of "
        "`impasto lab evaluate`, whose columns docs/evaluation.md explains. The bar: closer to the "
        "target and to the style than AdaIN, crisper, and not by a gain that only the training "
        "loss sees."
    ),
    settings=Settings,
    smoke=Settings(sizes=(64,), pairs=(1,)),
    keys=("size", "pair"),
    columns=("model", "identity", "paintings", *COLUMNS),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
