"""Training: data that copes, configs that round-trip, a loop that learns and resumes exactly."""

from __future__ import annotations

import csv
import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_parts import vgg_weights, write_pictures
from PIL import Image

from impasto.errors import ImageError, ModelError, OptionError
from impasto.lab.methods.compact import FAST, QUALITY, Compact
from impasto.lab.train import lessons
from impasto.lab.train.config import TrainConfig, read_config, write_config
from impasto.lab.train.data import Sampler, is_held_out, load_collections
from impasto.lab.train.lessons import Lessons
from impasto.lab.train.loop import learning_rate, read_checkpoint, start_from, train
from impasto.lab.train.objective import Objective
from impasto.lab.vgg import load_vgg

CONFIGS = Path(__file__).parents[1] / "configs"


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("training")
    torch.save(vgg_weights(), folder / "vgg.pth")
    return TrainConfig(
        network="fast",
        vgg=str(folder / "vgg.pth"),
        contents={str(write_pictures(folder / "photos", 24)): 1.0},
        styles={
            str(write_pictures(folder / "paintings", 24, seed=1)): 1.0,
            str(write_pictures(folder / "textures", 24, seed=2)): 0.5,
        },
        iterations=4,
        batch=2,
        crop=32,
        log_every=1,
        preview_every=4,
        warmup=1,
        checkpoint_seconds=0.0,
    )


def _losses(folder):
    if not (folder / "log.csv").exists():
        return []
    with (folder / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


class _Stop(KeyboardInterrupt):
    """Ctrl-C, told from that of whoever runs the tests."""


@pytest.mark.parametrize("repeats", [1, 2])
def test_resume_gives_the_losses_of_an_uninterrupted_run(config, tmp_path, monkeypatch, repeats):
    monkeypatch.setattr(lessons, "BLOCK", 3)
    iterations = 4 * repeats  # with repeats: into the second block
    config = dataclasses.replace(config, repeats=repeats, iterations=iterations, preview_every=99)
    train(config, tmp_path / "whole")
    for stop in (2, 3, iterations - 1):  # in a block and between two, with one schedule
        steps = Objective.__call__

        def stopped(self, network, lesson, steps=steps, after=stop):
            if len(_losses(tmp_path / "parts")) == after:
                raise _Stop
            return steps(self, network, lesson)

        with monkeypatch.context() as patch:
            patch.setattr(Objective, "__call__", stopped)
            train(config, tmp_path / "parts")
        assert len(_losses(tmp_path / "parts")) == stop
    train(config, tmp_path / "parts")
    assert _losses(tmp_path / "parts") == _losses(tmp_path / "whole")
    assert len(_losses(tmp_path / "whole")) == iterations
    whole = read_checkpoint(tmp_path / "whole" / "checkpoint.pt")["average"]
    parts = read_checkpoint(tmp_path / "parts" / "checkpoint.pt")["average"]
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_a_lesson_is_learned_as_often_as_the_config_says(config, monkeypatch):
    monkeypatch.setattr(lessons, "BLOCK", 5)
    made = Lessons(
        Objective(config, load_vgg(config.vgg), None),
        *(_sampler_of(folders, config) for folders in (config.contents, config.styles)),
        batch=1,
        repeats=3,
        seed=0,
    )
    blocks = [[made.at(step) for step in range(15 * b, 15 * b + 15)] for b in range(2)]
    for block in blocks:
        assert len({id(lesson) for lesson in block}) == 5
        for turn in range(3):  # each pass has all of them
            assert len({id(lesson) for lesson in block[5 * turn : 5 * turn + 5]}) == 5
    assert not torch.equal(blocks[0][0].contents, blocks[1][0].contents)
    with pytest.raises(OptionError, match="repeats"):
        Lessons(made.objective, made.contents, made.styles, batch=1, repeats=0, seed=0)


def _sampler_of(folders, config):
    loaded = load_collections(folders, shorter=64)
    return Sampler(
        loaded.collections, list(folders.values()), crop=32, smallest=0.5, jitter=0.0, seed=0
    )


def test_a_run_folder_says_all_and_its_result_starts_another(config, tmp_path):
    checkpoint = train(dataclasses.replace(config, iterations=1), tmp_path)
    assert read_config(tmp_path / "config.toml") == dataclasses.replace(config, iterations=1)
    with Image.open(tmp_path / "preview-000001.png") as sheet:
        assert sheet.size == (7 * 256, 4 * 256)
    network = Compact(FAST)
    start_from(network, checkpoint)
    saved = torch.load(checkpoint, weights_only=True)["average"]
    for name, value in network.state_dict().items():
        assert torch.equal(value, saved[f"module.{name}"])
    with pytest.raises(ModelError, match="does not fit"):
        start_from(Compact(QUALITY), checkpoint)


def test_learns_the_identity(config, tmp_path):
    """Thirty steps bring the L1 distance at alpha = 0 well down: gradients flow the right way."""
    alone = dataclasses.replace(
        config, iterations=30, content=0.0, style=0.0, identity=10.0, preview_every=1000,
        learning_rate=3e-3,
    )  # fmt: skip
    train(alone, tmp_path)
    losses = _losses(tmp_path)
    assert np.mean(losses[-5:]) < 0.7 * np.mean(losses[:5])


def test_learning_rate_rises_and_falls():
    config = TrainConfig("fast", "v", {}, {}, iterations=100, warmup=10, learning_rate=1.0)
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(rates[9], rel=0.03)
    assert rates[100] == pytest.approx(config.final_rate)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_broken_and_tiny_pictures_are_left_out_and_listed(tmp_path):
    folder = write_pictures(tmp_path / "set", 30)
    names = [f"{i}.png" for i in range(30) if not is_held_out(f"{i}.png")]
    (folder / names[0]).write_bytes((folder / names[0]).read_bytes()[:200])
    (folder / names[1]).write_text("not a picture")
    Image.new("RGB", (20, 300)).save(folder / names[2])
    Image.new("L", (90, 90), 7).save(folder / names[3])
    (folder / "notes.txt").write_text("not looked at")
    loaded = load_collections([folder], shorter=64)
    assert {f.name for f, _ in loaded.left_out} == set(names[:3])
    assert all(reason for _, reason in loaded.left_out)
    (collection,) = loaded.collections
    assert len(collection.pictures) == len(names) - 3
    assert all(min(p.shape[:2]) == 64 and p.shape[2] == 3 for p in collection.pictures)


def test_the_held_out_tenth_is_never_trained_on(tmp_path):
    folder = write_pictures(tmp_path / "set", 200, side=64)
    trained = load_collections([folder], shorter=64).collections[0].pictures
    kept = load_collections([folder], shorter=64, held_out=True).collections[0].pictures
    assert len(trained) + len(kept) == 200
    assert 8 <= len(kept) <= 35
    seen = {p.tobytes() for p in trained}
    assert not any(p.tobytes() in seen for p in kept)


@pytest.mark.parametrize("what", ["missing", "empty", "text"])
def test_folders_without_pictures_are_refused(tmp_path, what):
    folder = tmp_path / what
    if what != "missing":
        folder.mkdir()
    if what == "text":
        (folder / "a.jpg").write_text("no")
    with pytest.raises(ImageError, match=what):
        load_collections([folder], shorter=64)


def test_sampler_balances_collections_and_repeats_with_its_state(tmp_path):
    red, blue = tmp_path / "red", tmp_path / "blue"
    for folder, color, n in ((red, (255, 0, 0), 30), (blue, (0, 0, 255), 4)):
        folder.mkdir()
        for i in range(n):
            Image.new("RGB", (80, 70), color).save(folder / f"{i}.png")
    loaded = load_collections([red, blue], shorter=64)
    sampler = Sampler(loaded.collections, [1, 1], crop=32, smallest=0.5, jitter=0.0, seed=0)
    state = sampler.state()
    batch = sampler.batch(200)
    assert batch.shape == (200, 3, 32, 32)
    assert 0 <= batch.min() and batch.max() <= 1
    assert 0.35 < batch[:, 0].mean() < 0.65  # by collection, not by file
    sampler.restore(state)
    assert torch.equal(sampler.batch(200), batch)
    with pytest.raises(OptionError):
        Sampler(loaded.collections, [1], crop=32, smallest=0.5, jitter=0.0, seed=0)


def test_config_round_trip_and_errors(config, tmp_path):
    odd = dataclasses.replace(config, start='a "quoted" \\ name', learning_rate=1.5e-7)
    write_config(odd, tmp_path / "a.toml")
    assert read_config(tmp_path / "a.toml") == odd
    text = (tmp_path / "a.toml").read_text()
    for bad, message in (
        ("speed = 1\n" + text, "speed"),
        (text.replace("batch = 2", 'batch = "two"'), "batch"),
        (text.replace('network = "fast"\n', ""), "network"),
        ("= =", "TOML"),
    ):
        (tmp_path / "bad.toml").write_text(bad)
        with pytest.raises(OptionError, match=message):
            read_config(tmp_path / "bad.toml")
    with pytest.raises(OptionError):
        read_config(tmp_path / "missing.toml")
    with pytest.raises(OptionError, match="huge"):
        train(dataclasses.replace(config, network="huge"), tmp_path / "run")


@pytest.mark.parametrize("file", sorted(CONFIGS.glob("*.toml")), ids=lambda f: f.stem)
def test_the_configs_that_ship_can_be_read(file):
    assert read_config(file).iterations > 0
