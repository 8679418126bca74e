"""Methods of the lab on the command line."""

from __future__ import annotations

import re

import numpy as np
import pytest
from click.testing import CliRunner
from lab_parts import vgg_weights, write_pictures
from PIL import Image
from safetensors.torch import save_file

from impasto.cli import cli
from impasto.errors import ImpastoError

SHALLOW = "--set content_layers=relu1_2 --set style_layers=relu1_1".split()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    write_pictures(tmp_path, 2, side=32)
    save_file(vgg_weights("Caffe", last="conv1_2"), tmp_path / "vgg.safetensors")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("IMPASTO_VGG", raising=False)
    return tmp_path


def run(*words, fails=None):
    result = CliRunner().invoke(cli, [*words], standalone_mode=False)
    if fails is None:
        assert result.exception is None, result.output
    else:
        assert isinstance(result.exception, ImpastoError), result.output
        assert re.search(fails, str(result.exception)), result.exception
    return result.output


def test_paints_with_preview_and_checkpoint(folder, monkeypatch):
    monkeypatch.setenv("IMPASTO_VGG", str(folder / "vgg.safetensors"))
    words = ["stylize", "0.png", "-s", "1.png", "--model", "gatys", "--engine", "cpu", "--steps"]
    said = run(*words, "2", *SHALLOW, "-o", "a.png", "--preview", "p.png", "--checkpoint", "run.pt")
    assert "a.png" in said and "gatys, cpu fp32" in said
    made, preview, content = (
        np.asarray(Image.open(name).convert("RGB"), int) for name in ("a.png", "p.png", "0.png")
    )
    assert made.shape == content.shape and np.abs(made - content).max() > 0
    assert np.abs(preview - made).max() <= 1
    run(*words, "3", *SHALLOW, "-o", "b.png", "--checkpoint", "run.pt")
    run(*words, "3", *SHALLOW, "-o", "c.png")
    assert (folder / "b.png").read_bytes() == (folder / "c.png").read_bytes()


def test_says_what_is_wrong_before_it_paints(folder):
    words = ["stylize", "0.png", "-s", "1.png", "-o", "a.png", "--model"]
    run(*words, "gatys", fails="impasto lab fetch vgg19")
    run(*words, "gatys", "--vgg", "gone.pth", fails="gone.pth")
    run(*words, "fast", "--steps", "3", fails="--steps is for methods")
    run(*words, "fast", "--vgg", "vgg.safetensors", fails="--vgg is for methods")
    vgg = ["--vgg", "vgg.safetensors"]
    run(*words, "gatys", *vgg, "--set", "steps", fails="NAME=VALUE")
    run(*words, "gatys", *vgg, "--set", "stepz=2", fails="did you mean 'steps'")
    for option in ("--tile", "--memory"):
        run(*words, "gatys", *vgg, option, "100000000", fails=f"whole.*leave {option} out")
    many = ["stylize", "0.png", "1.png", "-s", "1.png", "-o", "out", "--model", "gatys", *vgg]
    run(*many, "--checkpoint", "run.pt", fails="one picture, not 2")
    run("grid", "0.png", *["-s", "1.png"] * 4, "--model", "gatys", "-o", "g.png", fails="VGG-19")
    assert not (folder / "a.png").exists()


def test_several_photographs_are_as_painted_one_by_one(folder, monkeypatch):
    monkeypatch.setenv("IMPASTO_VGG", str(folder / "vgg.safetensors"))
    words = ["--model", "gatys", "--engine", "cpu", "--steps", "2", *SHALLOW]
    run(
        "stylize",
        "0.png",
        "1.png",
        "-s",
        "1.png",
        "-s",
        "0.png",
        "--all-pairs",
        "-o",
        "all",
        *words,
    )
    run("stylize", "1.png", "-s", "0.png", "-o", "one.png", *words)
    assert len(list((folder / "all").iterdir())) == 4
    assert (folder / "all" / "1-0.png").read_bytes() == (folder / "one.png").read_bytes()


def test_the_environment_does_not_disturb_models(folder, monkeypatch):
    monkeypatch.setenv("IMPASTO_VGG", str(folder / "gone.pth"))
    words = ["stylize", "0.png", "-s", "1.png", "-o", "a.png", "--model"]
    run(*words, "gatys", fails=r"gone.pth \(IMPASTO_VGG\)")
    run(*words, "gatys", "--vgg", "here.pth", fails="here.pth")
    run(*words, "fast")


def test_lists_methods_and_their_options():
    told = run("lab", "methods")
    for words in ("gatys: ", "cnnmrf: ", "style-swap: ", "does not support: a map of alpha"):
        assert words in told
    assert "--set content_layers=relu4_2:1" in told
    models = run("models")
    assert (
        "gatys" in models and "impasto[lab]" in models and "fetch vgg19" in " ".join(models.split())
    )
