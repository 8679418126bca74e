"""The training of AdaIN in one file: the lab's losses step by step, and a model that paints."""

from __future__ import annotations

import csv
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_parts import make_config, vgg_weights, write_pictures

import impasto
from impasto.lab.training.loop import train
from impasto.lab.training.objective import Objective

SCRIPT = Path(__file__).parents[1] / "examples/lab/adain.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("adain_in_one_file", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one-file")
    torch.save(vgg_weights(), folder / "vgg.pth")
    write_pictures(folder / "photographs", 4)
    write_pictures(folder / "paintings", 4, seed=1)
    return folder


def test_losses_are_those_of_the_lab(script, folder, tmp_path, monkeypatch):
    config = make_config(
        network="adain", vgg=str(folder / "vgg.pth"), contents={str(folder / "photographs"): 1.0},
        styles={str(folder / "paintings"): 1.0}, iterations=4, batch=2, crop=32, style=0.1,
        style_units="sum", identity=0.0, variation=0.0, optimizer="adam", learning_rate=1e-4,
        schedule="inverse", decay=0.5, warmup=0, clip=0.0, ema=0.0, precision="fp32", log_every=1,
        preview_every=0,
    )  # fmt: skip
    batches, begun = [], []
    call = Objective.__call__

    def watched(self, learned, batch):
        batches.append((batch.contents, batch.styles))
        begun.append({name: value.clone() for name, value in learned.state_dict().items()})
        return call(self, learned, batch)

    monkeypatch.setattr(Objective, "__call__", watched)
    train(config, tmp_path)
    with (tmp_path / "log.csv").open() as file:
        wanted = [float(row["loss"]) for row in csv.DictReader(file)]

    decoder = script.make_decoder()
    decoder.load_state_dict(
        {name.removeprefix("convolutions."): value for name, value in begun[0].items()}
    )
    encoder = script.read_encoder(folder / "vgg.pth")
    with torch.no_grad():
        first = [script.losses(encoder, decoder, *batch) for batch in batches]
    untrained = np.array([float(content + 0.1 * style) for content, style in first])
    found = np.array(list(script.train(encoder, decoder, batches, learning_rate=1e-4, decay=0.5)))
    assert found[0] == pytest.approx(wanted[0], rel=1e-5)
    # Adam's first steps go by the signs of gradients, also of those that are 0 up to rounding.
    assert (abs(found - wanted) < 0.02 * abs(found - untrained))[1:].all()


def test_from_two_folders_to_a_picture(folder, tmp_path):
    command = [sys.executable, SCRIPT, folder / "photographs", folder / "paintings", "--vgg",
               folder / "vgg.pth", "-o", tmp_path / "decoder.pth", "--steps", "2", "--batch", "2",
               "--resize", "40", "--crop", "32"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("step 1: loss ") and "\nstep 2: loss " in done.stdout
    bundle = [sys.executable, "-m", "impasto", "lab", "import", folder / "vgg.pth",
              tmp_path / "decoder.pth", "-o", tmp_path / "mine.impasto"]  # fmt: skip
    subprocess.run(bundle, capture_output=True, check=True)
    model = impasto.load(tmp_path / "mine.impasto", engine="onnxruntime")
    random = np.random.default_rng(0)
    photo, style = random.random((2, 48, 40, 3), dtype=np.float32)
    assert model.stylize(photo, style).shape == (48, 40, 3)
    empty = tmp_path / "empty"
    empty.mkdir()
    command[3] = empty
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.strip().endswith("no JPEG or PNG file in it")
