"""Tables of memory, of the rows that benchmarks/memory.py and benchmarks/soak.py keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from impasto import Budget
from study import table

Rows = Sequence[Mapping[str, str]]

TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def sizes(rows: Rows) -> str:
    """Peaks of pictures of several sizes, with the usual budget."""
    usual = [row for row in rows if int(row["budget"]) == Budget.memory]
    columns = sorted({row["megapixels"] for row in usual}, key=float)
    lines = _by(usual, ("engine", "precision", "model", "picture"), "megapixels", columns)
    head = ["engine", "model", "picture", *(f"{each} megapixels" for each in columns)]
    return table(
        head,
        [[f"{TITLES[e]}, {p}", f"`{m}`", picture, *cells] for (e, p, m, picture), cells in lines],
        text_columns=3,
    )


def budgets(rows: Rows) -> str:
    """Peaks beside budgets of memory that were asked for."""
    asked = [row for row in rows if int(row["budget"]) != Budget.memory]
    asked.sort(key=lambda row: int(row["budget"]))
    engines = [name for name in TITLES if any(row["engine"] == name for row in asked)]
    lines = _by(asked, ("budget", "model", "megapixels", "picture"), "engine", engines)
    head = ["model", "picture", "`--memory`", *(f"peak with {TITLES[each]}" for each in engines)]
    return table(
        head,
        [
            [f"`{model}`", f"{picture}, {size} megapixels", _text(budget), *cells]
            for (budget, model, size, picture), cells in lines
        ],
        text_columns=2,
    )


def soak(rows: Rows) -> str:
    """Memory at every tenth of the calls, engine by engine."""
    calls = list(dict.fromkeys(row["call"] for row in rows))
    lines = _by(rows, ("engine",), "call", calls, column="bytes")
    return table(["calls", *calls], [[TITLES[engine], *cells] for (engine,), cells in lines])


def _by(
    rows: Rows, keys: Sequence[str], across: str, values: Sequence[str], column: str = "peak"
) -> list[tuple[tuple[str, ...], list[str]]]:
    """Memory as text: a line for each of the combinations of ``keys``, cells by ``across``."""
    found: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        about = {**row, "picture": _picture(row)}
        cells = found.setdefault(tuple(about[key] for key in keys), {})
        cells[row[across]] = _text(row[column])
    return [(key, [cells.get(value, "") for value in values]) for key, cells in found.items()]


def _picture(row: Mapping[str, str]) -> str:
    if "format" not in row:
        return ""
    kind = {"tif": "TIFF", "png": "PNG"}.get(row["format"], row["format"])
    deep = " of 16 bits" if row["depth"] == "16" else ""
    return kind + deep + (", a mask as large" if row["mask"] == "yes" else "")


def _text(amount: str) -> str:
    """Megabytes, or gigabytes from one on."""
    value = int(amount)
    return f"{value / 1e6:.0f} MB" if value < 1e9 else f"{value / 1e9:.3g} GB"
