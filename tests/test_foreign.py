"""Methods of a package of one file that knows our public names alone (``tests/foreign``).

By the real commands: it is listed, painted with, trained, resumed, exported and evaluated.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

import torch
from conftest import picture
from lab_parts import vgg_weights, write_pictures
from PIL import Image
from torch.nn import functional as F

FOREIGN = Path(__file__).parent / "foreign"

CONFIG = """
network = "{network}"
vgg = "vgg.pth"
iterations = 2
batch = 2
log_every = 1
preview_every = 0
score_pairs = 2
score_size = 64
precision = "fp32"

[data]
crop = 32

[data.contents]
"photos" = 1.0

[data.styles]
"{styles}" = 1.0

[optimizer]
name = "adam"
warmup = 1
ema = 0.0

{table}
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A working folder with photographs, paintings, a VGG and configs."""
    folder = tmp_path_factory.mktemp("foreign")
    torch.save(vgg_weights(), folder / "vgg.pth")
    write_pictures(folder / "photos", 4)
    write_pictures(folder / "looks", 4, seed=1)
    for network, styles, title in (
        ("strokes", "looks", "strokes"),
        ("strokes:WASH", "looks/0.png", "wash"),
        ("blend", "looks", ""),
    ):
        table = f"[{title}]\nwidth = 4" if title else ""
        text = CONFIG.format(network=network, styles=styles, table=table)
        title = title or network
        (folder / f"{title}.toml").write_text(text)
    for seed, name in enumerate(("street.png", "wave.png")):
        pixels = np.rint(picture(66, 84, seed=seed) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    return folder


@pytest.fixture(scope="module")
def run(work):
    """The command in that folder, where the package is installed."""
    path = [str(FOREIGN), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, path)),
        "IMPASTO_VGG": "vgg.pth",
    }

    def run(*words: object, code: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-P", "-m", "impasto", *map(str, words)],
            cwd=work, env=environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture(scope="module")
def trained(work, run):
    """The bundle of a run of two steps, which another step was added to."""
    run("lab", "train", "strokes.toml", "-o", "strokes", "--no-export")
    first = torch.load(work / "strokes/checkpoint.pt", weights_only=True)
    run("lab", "train", "strokes.toml", "-o", "strokes", "--set", "iterations=3")
    second = torch.load(work / "strokes/checkpoint.pt", weights_only=True)
    assert (first["step"], second["step"]) == (2, 3)
    moved = [not torch.equal(first["network"][k], second["network"][k]) for k in first["network"]]
    assert all(moved)
    return work / "strokes/strokes.impasto"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path)).astype(float)


def test_they_are_listed(run):
    assert "  glaze\n    from the package strokes" in run("models")
    text = run("lab", "methods")
    for line in (
        "glaze: The mean color of the style, by gradient descent (nobody, nowhere)",
        "    --set rate=0.5",
        "strokes: Strokes of half the size\n    any style; exported to a bundle",
        "    --set strokes.width=16",
        "wash: A wash in one style\n    one style; exported to a bundle",
        "blend: One convolution over both pictures\n    any style; not exported: it lays the",
        "adain: The network of Huang & Belongie 2017\n    any style",
    ):
        assert line in text


def test_a_method_by_optimization_paints(work, run):
    words = ("stylize", "street.png", "-s", "wave.png", "--model")
    assert "(glaze, cpu fp32)" in run(*words, "glaze", "-o", "one.png", "--steps", 20)
    run(*words, "strokes:GLAZE", "-o", "same.png", "--steps", 20)
    one, same, street, wave = (
        pixels(work / f"{name}.png") for name in ("one", "same", "street", "wave")
    )
    assert np.array_equal(one, same)
    moved = (one - street)[(one > 0).all(axis=2) & (one < 255).all(axis=2)]
    assert moved.std(axis=0).max() < 0.6  # all pixels by the same
    way = (wave - street.mean(axis=(0, 1))).mean(axis=(0, 1))
    np.testing.assert_allclose(moved.mean(axis=0), way, atol=8)  # the border counts for glaze


def test_a_network_is_trained_gone_on_with_and_exported(work, run, trained):
    with (work / "strokes/log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    assert all(float(row["light"]) >= 0 for row in rows)  # its own term of the loss
    card = run("models", trained)
    assert "Strokes of half the size" in card and "levels: 1/2 (1/2)" in card


def test_the_studio_paints_with_its_bundle(work, run, trained):
    """With all controls and in tiles, since it is affine between its two halves."""
    words = ("stylize", "street.png", "-s", "wave.png", "--model", trained)
    words += ("--engine", "onnxruntime", "--precision", "fp32", "-o")
    for name, more in (("whole", ()), ("tiles", ("--tile", 32)), ("none", ("--alpha", 0))):
        run(*words, f"{name}.png", *more)
    whole, tiles, none, street = (
        pixels(work / f"{name}.png") for name in ("whole", "tiles", "none", "street")
    )
    assert np.abs(whole - tiles).max() <= 1
    assert np.array_equal(none, street)
    np.testing.assert_allclose(whole, by_hand(work), atol=2)  # weights are kept in half precision


def by_hand(work: Path) -> np.ndarray:
    """The picture by the formula of AdaIN in float64, with the weights of the checkpoint."""
    saved = torch.load(work / "strokes/checkpoint.pt", weights_only=True)["average"]
    weights = {k.removeprefix("module."): v.double() for k, v in saved.items()}

    def convolved(x: torch.Tensor, name: str) -> torch.Tensor:
        padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        return F.conv2d(padded, weights[f"{name}.weight"], weights[f"{name}.bias"])

    street, wave = (
        F.pixel_unshuffle(torch.from_numpy(pixels(work / name)).permute(2, 0, 1)[None] / 255, 2)
        for name in ("street.png", "wave.png")
    )
    content, style = (convolved(x, "down").relu() for x in (street, wave))
    (mean, std), (goal, spread) = (
        (x.mean((2, 3), keepdim=True), (x.var((2, 3), correction=0, keepdim=True) + 1e-5).sqrt())
        for x in (content, style)
    )
    painted = F.pixel_shuffle(convolved(spread * (content - mean) / std + goal, "up"), 2)
    return painted[0].clamp(0, 1).permute(1, 2, 0).numpy() * 255


def test_they_are_evaluated(work, run, trained):
    run("lab", "train", "blend.toml", "-o", "blended")
    text = run(
        "lab", "evaluate", "--contents", "photos", "--styles", "looks", "--vgg", "vgg.pth",
        "--model", trained, "--model", "glaze:steps=3", "--model", "strokes:GLAZE:steps=1",
        "--model", "blended",
        "--size", 64, "--pairs", 1, "--all-files", "--judge-precision", "fp32", "-o", "judged",
    )  # fmt: skip
    assert "| (content) | strokes | glaze:steps=3 | strokes:GLAZE:steps=1 | blended |" in text


def test_one_style_by_its_place(work, run):
    run("lab", "train", "wash.toml", "-o", "wash", "--set", "wash.style_side=64")
    words = ("stylize", "street.png", "-s", "0", "--model", "wash/wash.impasto")
    assert "(wash, " in run(*words, "-o", "washed.png")
    assert pixels(work / "washed.png").shape == (66, 84, 3)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["strokes.width=wide"], "strokes.width = 'wide' is not of type int"),
        (["strokes.qqq=2"], "has no field 'qqq'; its fields are width"),
        (["strokes.width=0"], "width = 0; it must be 1 or more"),
        (["network=stroke"], "no network 'stroke'; choose fast, .*, blend, strokes, wash, or"),
        (["network=strokes:Strokes"], "is of type type; it must be a NetworkRow"),
        (["network=strokes:NOTHING"], "module 'strokes' has no 'NOTHING'"),
    ],
)
def test_mistakes_in_a_config_are_told(work, monkeypatch, settings, says):
    from impasto.errors import ImpastoError
    from impasto.lab import read_config

    monkeypatch.syspath_prepend(FOREIGN)
    with pytest.raises(ImpastoError, match=says) as caught:
        read_config(work / "strokes.toml", settings=settings)
    assert "\n" not in str(caught.value)
