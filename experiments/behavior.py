"""Distance of ``--behavior`` from the pictures of the authors' program and its port, in dB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image

from plots import Bar, bar_plot
from port import CASES, SIDES, Port, example_pictures, psnr
from study import Bench, Experiment, Results, Row, Unit, table

OURS = "impasto"
COLUMNS = ("with", "without")


@dataclass(frozen=True)
class Settings:
    """``sides`` of the squares of a photograph and of two styles, in pixels."""

    sides: tuple[int, ...] = SIDES


def _measure(unit: Unit, bench: Bench) -> Iterator[Row]:
    settings: Settings = bench.settings
    case, port = CASES[str(unit.key["case"])], Port(bench.vgg_file, bench.decoder_file)
    image, *looks = example_pictures(settings.sides)
    wanted = case.written(port, image, looks)
    found = {
        column: psnr(case.painted(bench.stylizer, image, looks, behavior=behavior), wanted)
        for column, behavior in zip(COLUMNS, (case.behavior, OURS), strict=True)
    }
    yield {"behavior": case.behavior, **found}


def _tables(results: Results) -> str:
    size, *sides = results.settings["sides"]
    rows = [
        [
            row["case"],
            f"`{row['behavior']}`",
            *(f"{float(row[c]):.1f}" for c in ("with", "without")),
        ]
        for row in results.rows
    ]
    return (
        "PSNR in dB between the studio's picture and that of the formulas; a photograph of "
        f"{size} px, styles of {' and '.join(f'{side} px' for side in sides)}:\n\n"
        + table(["", "`--behavior`", "with it", "without"], rows, text_columns=2)
    )


def _plot(results: Results) -> Image.Image:
    bars = [
        Bar(row["case"].strip("`").split(",")[0], f"{column} --behavior", float(row[column]))
        for row in results.rows
        for column in COLUMNS
    ]
    return bar_plot(bars, title="Pictures of the published programs", y="dB")


EXPERIMENT = Experiment(
    name="behavior",
    title="Published behavior",
    about=(
        "`--behavior port` and `authors` should give the pictures of the published programs. "
        "`experiments/port.py` implements their formulas and networks again, independently of the "
        "package, and a picture of the studio is compared with theirs."
    ),
    settings=Settings,
    smoke=Settings(sides=(64, 48, 32)),
    keys=("case",),
    columns=("behavior", *COLUMNS),
    units=lambda bench: [Unit({"case": name}) for name in CASES],
    measure=_measure,
    tables=_tables,
    plot=_plot,
    drawn=False,
)
