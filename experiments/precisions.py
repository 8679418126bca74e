"""Tables of precisions, of the rows that benchmarks/int8.py keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from peaks import TITLES
from study import table

Rows = Sequence[Mapping[str, str]]

_PRECISIONS = ("fp32", "bf16", "int8")


def speeds(rows: Rows) -> str:
    """Speeds in times that of single precision, a line for each engine and model."""
    there = [name for name in _PRECISIONS if any(row["precision"] == name for row in rows)]
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        key = tuple(row[name] for name in ("processor", "engine", "isa", "model"))
        found.setdefault(key, {})[row["precision"]] = row["times"]
    lines = [
        [TITLES[engine], processor, isa, f"`{model}`", *(cells.get(name, "") for name in there)]
        for (processor, engine, isa, model), cells in found.items()
    ]
    head = ["engine", "processor", "`ONEDNN_MAX_CPU_ISA`", "model", *there]
    return table(head, lines, text_columns=4)


def pictures(rows: Rows) -> str:
    """Changes of pictures in int8, a line for each model and engine."""
    head = ["model", "engine", "pairs", "PSNR, dB", "at least", "step", "tiles", "content", "style"]
    columns = ("pairs", "psnr_mean", "psnr_min", "step", "tiles", "content", "style")
    lines = [
        [f"`{row['model']}`", TITLES[row["engine"]], *(row[name] for name in columns)]
        for row in rows
    ]
    return table(head, lines, text_columns=2)
