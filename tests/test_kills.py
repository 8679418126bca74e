"""A few of the calls of ``make kills``: ended by signals, on a tiny model."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from killed_calls import SIGNALS, check


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_calls_that_are_ended_leave_whole_pictures_only(tiny_path: Path):
    model = ("--model", str(tiny_path), "--engine", "onnxruntime")
    rounds = list(check(len(SIGNALS), seed=23, model=model, side=160, count=6))
    assert [row.number for row in rounds] == list(SIGNALS)
    assert sum(row.code != 0 for row in rounds) >= 2, "signals came too late"
