"""How weights move: rates, clipped gradients, the moving average, and the configs of it all."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from lab_parts import changed, flat, make_config, small_config
from torch.optim.swa_utils import AveragedModel

from impasto.errors import OptionError
from impasto.lab.training.config import CHOICES, read_config, write_config
from impasto.lab.training.loop import train
from impasto.lab.training.networks import find_network
from impasto.lab.training.optimizers import (
    OPTIMIZERS,
    SCHEDULES,
    clip_gradients,
    learning_rate,
    update_average,
)

ROOT = Path(__file__).parents[1]
CONFIGS, ABLATIONS = ROOT / "configs", ROOT / "experiments" / "configs"
CONFIG_FOLDERS = (CONFIGS, ABLATIONS, ROOT / "recipes" / "configs")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(tmp_path_factory.mktemp("optimization"), "fast", pictures=24)


def test_a_step_that_is_not_finite_leaves_weights_finite():
    weight = torch.nn.Parameter(torch.randn(8, 8))
    for clip in (0.0, 1.0):
        weight.grad = torch.full_like(weight, torch.nan)
        assert torch.isnan(clip_gradients([weight], clip))
        assert not weight.grad.any()
    kept = weight.detach().clone()
    OPTIMIZERS["adam"]([weight], 1e-3).step()
    assert torch.equal(weight, kept)
    weight.grad = torch.full_like(weight, 2.0)
    assert clip_gradients([weight], 1.0).item() == pytest.approx(16)
    assert weight.grad.norm().item() == pytest.approx(1, abs=1e-3)


def test_the_average_starts_with_the_first_weights_and_follows_the_others():
    learned = torch.nn.Sequential(torch.nn.Linear(1, 1, bias=False), torch.nn.BatchNorm1d(1))
    average = AveragedModel(learned)
    kept, weight = average.module[0].weight, learned[0].weight
    found = []
    for value in (4.0, 1.0, 1.0):
        weight.data.fill_(value)
        learned[1].running_mean.fill_(value)
        update_average(average, learned, 0.25)
        found.append(kept.item())
        assert average.module[1].running_mean.item() == value
    assert found[0] == 4.0
    assert found[1] == pytest.approx(4 * 2 / 11 + 9 / 11)  # (1 + 1) / (10 + 1) is kept
    assert found[2] == pytest.approx(found[1] * 0.25 + 0.75)  # never more than asked for
    assert int(average.n_averaged) == 3


def test_learning_rate_rises_and_falls():
    config = make_config(
        network="fast",
        vgg="v",
        contents={},
        styles={},
        iterations=100,
        warmup=10,
        learning_rate=1.0,
    )
    rates = [learning_rate(config, step) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == pytest.approx(rates[9], rel=0.03)
    assert rates[100] == pytest.approx(config.optimizer.final_rate)
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_config_round_trip_and_errors(config, tmp_path):
    odd = changed(config, start='a "quoted" \\ name', learning_rate=1.5e-7)
    write_config(odd, tmp_path / "a.toml")
    assert read_config(tmp_path / "a.toml") == odd
    text = (tmp_path / "a.toml").read_text()
    for bad, message in (
        ("speed = 1\n" + text, "speed"),
        (text.replace("batch = 2", 'batch = "two"'), "batch"),
        (text.replace('network = "fast"\n', ""), "network"),
        (text.replace('"adam"', '"magic"'), "magic"),
        (text.replace("score_pairs = 32", "score_pairs = 0"), "score_pairs = 0; it must be 1 or"),
        (text.replace("score_size = 256", "score_size = 40"), "score_size = 40; .* multiple of 16"),
        (text.replace("tensorboard = false", "tensorboard = 1"), "tensorboard"),
        (text.replace("crop = 32", "crop = 40"), "multiple of 16"),
        (text.replace("= 0.5\n", '= "often"\n'), "often"),
        (text.replace("[loss]", "[losses]"), "'losses'; did you mean 'loss'"),
        (text.replace("mesh = 0.0", "mehs = 0.0"), ".loss. of 'fast' has no field 'mehs'.*'mesh'"),
        (text.replace("mesh = 0.0", "width = 1"), "'fast' has no 'width' .*johnson, ulyanov, cin"),
        (text.replace("mesh = 0.0", "mesh = -1.0"), "mesh = -1.0; it must be 0 or more"),
        (text.replace("distill_pixels = 0.0", "distill_pixels = 1.0"), "needs a teacher"),
        (
            "crop = 64\n" + text,
            "'crop' does not belong in the top level of a config; put it in .data.",
        ),
        ("= =", "TOML"),
    ):
        (tmp_path / "bad.toml").write_text(bad)
        with pytest.raises(OptionError, match=message):
            read_config(tmp_path / "bad.toml")
    with pytest.raises(OptionError):
        read_config(tmp_path / "missing.toml")
    # Runs of before configs had tables keep theirs as a record, which says so when it is read.
    for earlier in sorted((CONFIGS.parent / "recipes" / "logs").rglob("config.toml"))[::20]:
        with pytest.raises(OptionError, match="its fields are not in tables, as in old configs"):
            read_config(earlier)
    with pytest.raises(OptionError, match="huge"):
        train(changed(config, network="huge"), tmp_path / "run")


@pytest.mark.parametrize(
    "file",
    [file for folder in CONFIG_FOLDERS for file in sorted(folder.glob("*.toml"))],
    ids=lambda f: f.stem,
)
def test_the_configs_that_ship_can_be_read(file):
    assert find_network(read_config(file).network)


def test_the_paper_s_config_is_its_recipe():
    paper = read_config(CONFIGS / "adain-paper.toml")
    fields = flat(paper)
    wanted = {
        "network": "adain", "iterations": 160_000, "batch": 8, "resize": 512, "crop": 256,
        "flip": 0.0, "content": 1.0, "style": 0.1, "style_units": "sum", "identity": 0.0,
        "variation": 0.0, "optimizer": "adam", "learning_rate": 1e-4, "schedule": "inverse",
        "decay": 5e-5, "warmup": 0, "clip": 0.0, "ema": 0.0, "style_jitter": 0.0, "repeats": 1,
        "start": "",
    }  # fmt: skip
    assert {name: fields[name] for name in wanted} == wanted
    assert learning_rate(paper, 160_000) == pytest.approx(1e-4 / 9)
    for name in ("concat", "bn", "in"):
        ablation = read_config(ABLATIONS / f"adain-{name}.toml")
        assert ablation == changed(paper, network=f"adain-{name}", iterations=ablation.iterations)


def test_every_choice_of_a_config_is_there():
    assert set(CHOICES["name"]) == set(OPTIMIZERS)
    assert set(CHOICES["schedule"]) == set(SCHEDULES)


def test_a_field_of_numbers_is_a_list_in_a_file(tmp_path):
    config = make_config(network="quality", vgg="", contents={"a": 1.0}, styles={"b": 1.0})
    config = changed(config, dilations=(2, 4))
    write_config(config, tmp_path / "a.toml")
    assert "\ndilations = [2, 4]\n" in (tmp_path / "a.toml").read_text()
    assert read_config(tmp_path / "a.toml") == config
    for value in ("[2, 0]", "[-1]"):
        with pytest.raises(OptionError, match=r"dilations = .*; each must be 1 or more"):
            read_config(tmp_path / "a.toml", settings=[f"compact.dilations={value}"])
    with pytest.raises(OptionError, match=r"combed = 1\.5; it must be from 0 to 1"):
        read_config(tmp_path / "a.toml", settings=["compact.combed=1.5"])
    for value in ("2", "[2.5]", '"2"'):
        with pytest.raises(OptionError, match=r"dilations.* tuple\[int, \.\.\.\]"):
            read_config(tmp_path / "a.toml", settings=[f"compact.dilations={value}"])
