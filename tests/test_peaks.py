"""Tables of memory: rows that benchmarks keep, and what the docs make of them."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="the pages are made by experiments, which need PyTorch")

import peaks

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "memory.py"


def row(megapixels: str, budget: str, engine: str, peak: str, **others: str) -> dict[str, str]:
    cells = {"model": "fast", "format": "png", "depth": "8", "mask": "no", "precision": "fp32"}
    cells |= {"megapixels": megapixels, "budget": budget, "engine": engine, "peak": peak}
    return cells | others


def test_tables_of_peaks() -> None:
    rows = [
        row("16", "2000000000", "onnxruntime", "1234567890"),
        row("4", "2000000000", "onnxruntime", "650400000"),
        row("6", "1000000000", "onnxruntime", "700000000"),
        row("6", "512000000", "onnxruntime", "500000000", format="tif", depth="16", mask="yes"),
        row("6", "512000000", "openvino", "512600000", format="tif", depth="16", mask="yes"),
    ]
    assert peaks.sizes(rows).splitlines()[0::2] == [
        "| engine | model | picture | 4 megapixels | 16 megapixels |",
        "| ONNX Runtime, fp32 | `fast` | PNG | 650 MB | 1.23 GB |",
    ]
    head, _, *lines = peaks.budgets(rows).splitlines()
    assert head.endswith("| peak with ONNX Runtime | peak with OpenVINO |")
    assert lines == [
        "| `fast` | TIFF of 16 bits, a mask as large, 6 megapixels | 512 MB | 500 MB | 513 MB |",
        "| `fast` | PNG, 6 megapixels | 1 GB | 700 MB |  |",
    ]
    course = [{"engine": "openvino", "call": str(n), "bytes": f"{n}000000"} for n in (10, 20)]
    assert peaks.soak(course).splitlines()[0::2] == [
        "| calls | 10 | 20 |",
        "| OpenVINO | 10 MB | 20 MB |",
    ]


def test_peaks_are_kept_and_not_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "pictures.csv"
    options = ["--models", "fast", "--formats", "png", "--megapixels", "0.01"]
    options += ["--engine", "onnxruntime", "--rows", str(file)]

    def measure() -> str:
        done = subprocess.run(
            [sys.executable, str(SCRIPT), *options],
            capture_output=True, text=True, timeout=300, check=True,
        )  # fmt: skip
        return done.stdout

    assert "peak MB" in measure()
    with file.open(newline="") as opened:
        (found,) = csv.DictReader(opened)
    assert found["engine"] == "onnxruntime" and found["budget"] == "2000000000"
    assert 5e7 < int(found["peak"]) < 1e9
    before = file.read_bytes()
    assert measure() == "" and file.read_bytes() == before
