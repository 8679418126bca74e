"""Training of the paper's recipe: nothing that only the compact networks need is in its way."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import torch
from lab_parts import vgg_weights, write_pictures

import impasto.lab.training

ROOT = Path(__file__).parents[1]
LOADED = """
import atexit, sys
atexit.register(lambda: print(*(name for name in sys.modules if name.startswith("impasto.lab"))))
from impasto.__main__ import main
main()
"""


def test_training_adain_loads_no_other_network(tmp_path):
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    command = [
        sys.executable, "-c", LOADED, "lab", "train", ROOT / "configs/adain-paper.toml",
        "--vgg", tmp_path / "vgg.pth", "--photographs", write_pictures(tmp_path / "photos", 6),
        "--style", write_pictures(tmp_path / "paintings", 6, seed=1), "-o", tmp_path / "run",
        "--no-export",
    ]  # fmt: skip
    for setting in ("iterations=2", "batch=2", "data.crop=32", "data.resize=48", "preview_every=0"):
        command += ["--set", setting]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (tmp_path / "run/checkpoint.pt").exists(), done.stderr
    loaded = done.stdout.splitlines()[-1].split()
    assert "impasto.lab.training.loop" in loaded
    methods = [name for name in loaded if name.startswith("impasto.lab.methods.")]
    assert methods == ["impasto.lab.methods.adain"]


def test_the_main_line_names_nothing_of_the_compact_networks():
    for path in Path(impasto.lab.training.__path__[0]).glob("*.py"):
        found = re.findall(r"\b(rim|mesh|eye|teacher|[Cc]ompact)\b", path.read_text())
        # The registry says where the rows of all networks stand.
        assert not found or path.name == "registry.py", f"{path.name}: {found}"
