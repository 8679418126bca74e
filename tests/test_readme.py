"""What README.md says works: each of its commands, and its Python, on pictures called as there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import picture
from PIL import Image

README = (Path(__file__).parents[1] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


COMMANDS = [
    line.partition(" #")[0].rstrip()
    for block in blocks("sh")
    for line in block.splitlines()
    # Training has tests of its own; these need what a run leaves.
    if re.match(r"impasto |cat ", line) and not re.search(r"impasto lab|--model (mine|runs)/", line)
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with every file that the commands name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    names = "street.jpg wave.jpg a.jpg b.jpg scan.tif holiday/1.jpg holiday/old/2.jpg styles/3.jpg"
    for seed, name in enumerate(names.split()):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = np.rint(picture(48, 64, seed=seed) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_does_what_it_is_there_for(folder: Path, command: str) -> None:
    before = set(folder.rglob("*"))
    shell = f'impasto() {{ "{sys.executable}" -m impasto "$@"; }}; set -o pipefail; {command}'
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    made = [path for path in set(folder.rglob("*")) - before if path.is_file()]
    assert "stylize" not in command or made
    for path in made:
        with Image.open(path) as image:
            image.load()


def test_its_commands_are_found() -> None:
    assert len(COMMANDS) >= 11 and any("munch-scream" in each for each in COMMANDS)


def test_its_python_runs_from_top_to_bottom(folder: Path) -> None:
    names: dict[str, object] = {}
    for block in blocks("python"):
        exec(block, names)
    with Image.open(folder / "out.png") as image:
        assert image.size == (64, 48)
    assert (folder / "out.tif").exists()
