"""Feature transforms between one encoder and one decoder, with nothing trained for any of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np
from PIL import Image

from impasto.controls.transforms import TRANSFORMS, transform
from impasto.lab.evaluate.intervals import mean_interval
from plots import Bar, bar_plot
from study import (
    DECODER,
    Bench,
    Experiment,
    Results,
    Row,
    Unit,
    gap_of,
    mean_of,
    pair_units,
    table,
)

NAMES = ("none", *(row.name for row in TRANSFORMS))
"""``none``: the decoder alone."""

COLUMNS = ("style", "gram", "wasserstein", "colors", "content_kept", "ssim")
HEAD = ("style", "Gram", "sliced Wasserstein", "colors (Lab)", "content to f(c)", "SSIM")


@dataclass(frozen=True)
class Settings:
    """Held-out ``pairs`` of ``size`` px."""

    pairs: int = 200
    size: int = 256


def _units(bench: Bench) -> list[Unit]:
    # Pair by pair, so that a run that is cut off has the same pairs for both decoders.
    return [
        Unit({**unit.key, "decoder": name})
        for unit in pair_units(bench)
        for name in dict.fromkeys((DECODER.name, bench.decoder_file.name))
    ]


@cache
def _decoder(bench: Bench, name: str) -> Any:
    """The decoder in the file called ``name``."""
    from impasto.lab.methods.adain import load_decoder

    if name == bench.decoder_file.name:
        return bench.network.decoder
    return load_decoder(DECODER).eval()


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    import torch

    settings: Settings = bench.settings
    look = bench.looks(settings.pairs, settings.size)[int(unit.key["pair"])]
    content, style = (
        torch.from_numpy(each.copy()).permute(2, 0, 1)[None] for each in (look.content, look.style)
    )
    decoder = _decoder(bench, str(unit.key["decoder"]))
    pictures, times = [], []
    with torch.no_grad():
        (x,), (y,) = bench.network.encode(content), bench.network.encode(style)
        for name in NAMES:
            start, features = perf_counter(), x
            if name != "none":
                features = torch.from_numpy(transform(x[0].numpy(), y[0].numpy(), name))[None]
            times.append(perf_counter() - start)
            pictures.append(decoder(features)[0].permute(1, 2, 0).clamp(0, 1).numpy())
    judged = bench.judged(look, pictures)
    for name, numbers, seconds in zip(NAMES, judged, times, strict=True):
        yield {
            "transform": name,
            **{column: numbers[column] for column in COLUMNS},
            "transform_seconds": seconds,
        }


def _tables(results: Results) -> str:
    pairs, size = len(results.values("pair")), results.settings["size"]
    parts = [_table(results, decoder) for decoder in results.values("decoder")]
    return "\n\n".join([f"Means over {pairs} held-out pairs at {size} px.", *parts])


def _table(results: Results, decoder: str) -> str:
    """Table of every transform with one decoder, and what it says."""

    def numbers(name: str, column: str) -> list[float]:
        return results.numbers(column, transform=name, decoder=decoder)

    def ratio(name: str, column: str) -> str:
        ours, theirs = (numbers(each, column) for each in (name, "adain"))
        better = sum(a < b for a, b in zip(ours, theirs, strict=True))
        return (
            f"{sum(ours) / sum(theirs):.2f} times AdaIN's, lower in {better} of {len(ours)} pairs"
        )

    rows = [
        [
            f"`{name}`" if name != "none" else "none (the decoder alone)",
            *(mean_of(numbers(name, column)) for column in COLUMNS),
        ]
        for name in NAMES
    ]
    gap = gap_of(*(numbers(name, "style") for name in ("mean", "std")))
    return (
        f"With `{decoder}`:\n\n"
        f"{table(['transform', *HEAD], rows)}\n\n"
        f"* `ost`: Gram distance {ratio('ost', 'gram')}; style loss {ratio('ost', 'style')}; "
        f"Wasserstein {ratio('ost', 'wasserstein')}.\n"
        f"* `efdm`: style loss {ratio('efdm', 'style')}; Gram distance {ratio('efdm', 'gram')}.\n"
        f"* `wct`: Gram distance {ratio('wct', 'gram')}.\n"
        f"* Style loss of the mean alone minus that of the deviation alone, pair by pair: {gap}."
    )


def _plot(results: Results) -> Image.Image:
    bars = []
    for name in NAMES:
        for decoder in results.values("decoder"):
            values = results.numbers("gram", transform=name, decoder=decoder)
            bars.append(Bar(name, decoder, float(np.mean(values)), mean_interval(values)))
    return bar_plot(bars, title="Distance of Gram matrices by transform", y="relative distance")


EXPERIMENT = Experiment(
    name="transforms",
    title="Feature transforms",
    about=(
        "Which statistics of VGG's features should be those of the style? The transforms of "
        "`--transform` are applied between the paper's encoder and a decoder that was trained with "
        "AdaIN only: the one in `trained/`, and another that `--decoder` gives. `mean` and `std` "
        "show which moment carries the style."
    ),
    settings=Settings,
    smoke=Settings(pairs=1, size=64),
    keys=("pair", "decoder"),
    columns=("transform", *COLUMNS, "transform_seconds"),
    units=_units,
    measure=_measure,
    tables=_tables,
    plot=_plot,
)
