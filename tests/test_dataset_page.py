"""The page on data sets: its table of hours is what the benchmark makes of the committed rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "dataset.py"

ROWS = """\
executor,model,engine,precision,size,pictures,turns,workers,pictures_a_second,ratio_to_one,core_seconds,cores
local,fast,onnxruntime,fp32,500x375,200,3,1,9.000,1.000,0.2000,2
local,fast,onnxruntime,fp32,500x375,200,3,1,9.500,1.000,0.1000,2
local,fast,onnxruntime,fp32,500x375,200,3,2,18.500,1.850,0.1100,2
ray,fast,onnxruntime,fp32,500x375,200,3,1,7.000,1.000,0.1200,2
"""


def plan(*options: str) -> str:
    command = [sys.executable, str(SCRIPT), "plan", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.strip()


def test_hours_follow_from_the_last_row_of_one_worker(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    (line,) = plan("--rows", str(tmp_path / "rows.csv")).splitlines()[2:]
    # 1,281,167 x 0.1 / 3600 = 35.6 hours of a core
    assert line == "| `fast`, onnxruntime fp32 | 0.100 | 36 | 2.2 h | 0.6 h | 0.1 h | 0.0 h |"


def test_the_table_of_the_page_is_that_of_the_rows() -> None:
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    assert plan() in page, "python benchmarks/dataset.py plan prints the table"
