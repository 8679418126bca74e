"""Speed of the transform, by the processor's time, which other work on the machine leaves alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from time import process_time

import numpy as np
import pytest
from conftest import picture
from PIL import Image

import impasto
from impasto.augment import Stylize

ROOT = Path(__file__).parents[1]


def test_two_cores_paint_15_pictures_of_224_pixels_a_second() -> None:
    transform = Stylize(p=1)
    image = (picture(224, 224) * 255).astype(np.uint8)
    transform(image)
    start = process_time()
    for _ in range(6):
        transform(image)
    assert (process_time() - start) / 6 < 2 / 15


def rows(name: str, *options: object) -> list[list[str]]:
    """Run a benchmark, and return the cells of its table."""
    source = str(Path(impasto.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / name), *map(str, options)],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_transform_beside_the_model() -> None:
    small = ("--size", 32, "--pictures", 2, "--repeats", 1)
    found = {
        row[0]: [float(cell) for cell in row[1:] if cell] for row in rows("augment.py", *small)
    }
    assert found["the model alone"][1] == 1
    assert {"Pillow images", "arrays (H, W, 3) uint8"} < set(found)
    assert all(cell > 0 for cells in found.values() for cell in cells)
    pytest.importorskip("torch")
    assert "a batch of tensors" in found and any("DataLoader" in name for name in found)


def test_the_loop_that_reads_a_painting_for_each_picture(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from lab_parts import vgg_weights

    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    for name in ("photos", "paintings"):
        (tmp_path / name).mkdir()
        Image.fromarray((picture(96, 96) * 255).astype(np.uint8)).save(tmp_path / name / "1.png")
    folders = ("--photos", tmp_path / "photos", "--styles", tmp_path / "paintings")
    small = ("--style-size", 96, "--repeats", 1)
    found = rows("dataset_peer.py", "--vgg", tmp_path / "vgg.pth", *folders, *small)
    assert found[0][0] == "stylize-datasets' loop" and found[0][2] == "1.0"
    # In small, what is not the network counts for more.
    assert len(found) > 1 and all(float(row[2]) > 3 for row in found[1:])
