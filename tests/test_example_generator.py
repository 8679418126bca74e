"""The small generator: codes enter through AdaIN alone, noise in each layer, and both are seen."""

from __future__ import annotations

import importlib.util
import sys
from itertools import islice
from pathlib import Path

import pytest
import torch
from lab_parts import write_pictures
from PIL import Image

from impasto.lab import Noise, StyleCode

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "examples/lab/generator.py"
TRAINED = ROOT / "trained/generator.safetensors"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("generator", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_codes_enter_through_adain_alone_and_noise_in_each_layer(script):
    torch.manual_seed(0)
    generator = script.Generator()
    layers = [m for m in generator.modules() if isinstance(m, script.Layer)]
    assert len(layers) == 5  # at 4, 8, 16, 32 and 64 px
    for layer in layers:
        assert isinstance(layer.style, StyleCode) and isinstance(layer.noise, Noise)
    one, other = script.sample(generator, 2, 1, seed=0)[:, 0]
    assert not torch.equal(one, other)
    for layer in layers:  # AdaIN with a pair that no code changes
        torch.nn.init.zeros_(layer.style.map.weight)
    one, other = script.sample(generator, 2, 1, seed=0)[:, 0]
    assert torch.equal(one, other)
    assert script.movements(script.sample(generator, 1, 2, seed=0).repeat(2, 1, 1, 1, 1))[1] > 1
    for layer in layers:
        torch.nn.init.zeros_(layer.noise.strength)
    assert script.movements(script.sample(generator, 2, 2, seed=0)) == (0, 0)


def test_the_energy_score_is_least_for_samples_of_the_right_distribution(script):
    """Of paintings that are white or black by chance, gray is the mean and no painting."""
    white, black = torch.ones(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)

    def expected(first, second):
        """Mean over both paintings and independent samples of which a share is white."""
        scores = [script.energy_score(painting, one, other)
                  for painting in (white, black) for one in first for other in second]  # fmt: skip
        return torch.stack(scores).mean().item()

    right = expected((white, black), (white, black))
    gray = (white + black) / 2
    assert right < expected((gray,), (gray,)) < expected((white,), (white,))
    assert script.distance(white, black).item() == pytest.approx(5 * 3**0.5, rel=1e-3)


def test_from_a_folder_to_samples(script, tmp_path, monkeypatch, capsys):
    paintings = write_pictures(tmp_path / "paintings", 6)
    squares = script.read_squares(paintings)
    assert squares.shape == (6, 3, 64, 64)
    steps = list(islice(script.train(squares, batch=4, seed=0), 3))
    again = list(islice(script.train(squares, batch=4, seed=0), 3))
    assert [loss for loss, _ in steps] == [loss for loss, _ in again]
    made, sheet = str(tmp_path / "made.safetensors"), str(tmp_path / "sheet.png")
    for arguments in (
        [str(paintings), "-o", made, "--minutes", "0", "--batch", "4"],
        ["--load", made, "--sheet", sheet],
    ):
        monkeypatch.setattr(sys, "argv", ["generator.py", *arguments])
        script.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("step 1: loss ") and lines[1].startswith("another code moves")
    with Image.open(sheet) as picture:
        assert picture.size == (512, 512)


@pytest.mark.skipif(not TRAINED.exists(), reason="a source archive comes without trained/")
def test_codes_and_noise_move_the_samples_of_the_trained_one(script):
    generator = script.Generator()
    weights = script.load_file(TRAINED)
    generator.load_state_dict({name: value.float() for name, value in weights.items()})
    code, noise = script.movements(script.sample(generator, 8, 8, seed=0))
    assert TRAINED.stat().st_size < 1_000_000
    assert code > noise > 10
