"""Memory stays flat over many sizes of pictures, and the same call gives the same bytes."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from impasto.models.engine import ENGINES

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "soak.py"


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads memory as Linux tells it")
@pytest.mark.parametrize("engine", [row.name for row in ENGINES if row.installed])
def test_memory_stays_flat_over_many_sizes(engine: str, tmp_path: Path) -> None:
    # ``make soak`` makes 5,000 calls, with pictures of up to 512 pixels.
    options = ["--calls", "300", "--warm", "100", "--largest", "128", "--threads", "1"]
    options += ["--rows", str(tmp_path / "rows.csv")]
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--engine", engine, *options],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "12 calls repeated, 0 of them with different bytes" in done.stdout
    with (tmp_path / "rows.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["call"] for row in rows] == [str(30 * k) for k in range(1, 11)]
    assert f"{int(rows[-1]['bytes']) / 1e6:.0f} MB at call 300" in done.stdout
