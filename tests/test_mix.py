"""Mixed weights: means by shares, one story, and nothing that does not belong together."""

from __future__ import annotations

import pytest
import torch
from click.testing import CliRunner
from lab_parts import changed, make_config, vgg_weights, write_pictures

import impasto
from impasto.cli import cli
from impasto.errors import ModelError, OptionError
from impasto.lab.export.publish import publish_run
from impasto.lab.training.checkpoints import read_checkpoint, weights_from, write_checkpoint
from impasto.lab.training.config import read_config
from impasto.lab.training.loop import train
from mix import mix_runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of ``fast`` from one start, and one of ``quality``."""
    folder = tmp_path_factory.mktemp("mixing")
    torch.save(vgg_weights(), folder / "vgg.pth")
    config = make_config(
        network="fast",
        vgg=str(folder / "vgg.pth"),
        contents={str(write_pictures(folder / "photos", 24)): 1.0},
        styles={str(write_pictures(folder / "paintings", 24, seed=1)): 1.0},
        start="fast",
        iterations=1,
        batch=2,
        crop=32,
        preview_every=0,
        score_pairs=2,
        score_size=64,
        warmup=1,
    )
    train(config, folder / "small")
    train(changed(config, crop=48, seed=5), folder / "large")
    other = changed(config, network="quality", start="quality")
    train(other, folder / "other")
    return folder


def test_each_weight_is_the_mean_by_shares(runs, tmp_path):
    mixed = mix_runs([(runs / "large", 3.0), (runs / "small", 1.0)], tmp_path / "mixed")
    large, small, found = (
        weights_from(path)[0]
        for path in (runs / "large/checkpoint.pt", runs / "small/checkpoint.pt", mixed)
    )
    assert any((large[name] - small[name]).abs().max() > 1e-4 for name in found)
    for name, weight in found.items():
        wanted = 0.75 * large[name] + 0.25 * small[name]
        torch.testing.assert_close(weight, wanted, rtol=1e-5, atol=1e-7)
    assert read_config(tmp_path / "mixed/config.toml") == read_config(runs / "large/config.toml")


def test_a_share_of_nothing_changes_nothing_and_a_network_with_itself_is_itself(runs, tmp_path):
    large = weights_from(runs / "large/checkpoint.pt")[0]
    for name, other, share in (("a", runs / "small", 0.0), ("b", runs / "large", 2.0)):
        mixed = weights_from(mix_runs([(runs / "large", 1.0), (other, share)], tmp_path / name))[0]
        for key, weight in mixed.items():
            torch.testing.assert_close(weight, large[key], rtol=1e-6, atol=1e-8)


def test_the_steps_of_two_seeds_are_all_counted_and_those_before_them_once(runs, tmp_path):
    config = read_config(runs / "small/config.toml")
    train(changed(config, seed=6), tmp_path / "again")
    mixed = mix_runs([(runs / "small", 1.0), (tmp_path / "again", 1.0)], tmp_path / "mixed")
    stages = read_checkpoint(mixed)["stages"]
    before = impasto.load("fast").card.iterations
    assert [stage["iterations"] for stage in stages] == [before, 1, 1, 0]
    further = mix_runs([(mixed.parent, 1.0), (runs / "small", 1.0)], tmp_path / "further")
    stages = read_checkpoint(further)["stages"]
    assert [stage["iterations"] for stage in stages] == [before, 1, 1, 0, 0]


def test_the_command_mixes_what_can_be_exported_and_started_from(run_recipe, runs, tmp_path):
    out = tmp_path / "mixed"
    asked = ["mix", f"{runs / 'large'}=2", runs / "small", "fast", "-o", out]
    result = run_recipe(*asked)
    assert result.returncode == 0, result.stderr
    assert result.stdout == f"{out / 'checkpoint.pt'}\n"
    result = run_recipe(*asked)
    assert result.returncode == 2 and "already exists; give another folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    asked = ["lab", "export", str(out), "-o", str(tmp_path / "mine.impasto")]
    result = CliRunner().invoke(cli, asked)
    assert result.exit_code == 0, result.output
    card = impasto.load(tmp_path / "mine.impasto").card
    before = impasto.load("fast").card
    assert card.iterations == before.iterations + 2
    assert card.notes.startswith(before.notes) and "2 pairs at 48 px" in card.notes
    assert "2 pairs at 32 px" in card.notes and "weights of runs mixed 2 : 1 : 1" in card.notes
    config = read_config(runs / "small/config.toml")
    further = changed(config, start=str(out / "checkpoint.pt"))
    train(further, tmp_path / "further")
    assert len(read_checkpoint(tmp_path / "further/checkpoint.pt")["stages"]) == 5
    with pytest.raises(
        ModelError,
        match=r"contains only weights, so the run cannot resume; give another run folder",
    ):
        train(further, out)


def test_what_does_not_belong_together_is_not_mixed(runs, tmp_path):
    large, small = runs / "large", runs / "small"
    for sources in ([(large, 1.0)], [(large, 0.0), (small, 0.0)], [(large, 2.0), (small, -1.0)]):
        with pytest.raises(OptionError, match="two or more sources with shares of 0 or more"):
            mix_runs(sources, tmp_path / "mixed")
    with pytest.raises(
        ModelError, match=r"other is a different network from the first: .* differs"
    ):
        mix_runs([(large, 1.0), (runs / "other", 1.0)], tmp_path / "mixed")
    with pytest.raises(OptionError, match="none of the sources is a run folder"):
        mix_runs([("fast", 1.0), ("fast", 1.0)], tmp_path / "mixed")
    with pytest.raises(ModelError, match="no such file"):
        mix_runs([(large, 1.0), (tmp_path / "nowhere.pt", 1.0)], tmp_path / "mixed")
    turned = read_checkpoint(small / "checkpoint.pt")
    turned["average"]["module.reader.axes.weight"] = -turned["average"]["module.reader.axes.weight"]
    write_checkpoint(tmp_path / "turned.pt", turned)
    with pytest.raises(ModelError, match="has different axes from the first one"):
        mix_runs([(large, 1.0), (tmp_path / "turned.pt", 1.0)], tmp_path / "mixed")
    assert not (tmp_path / "mixed").exists()
    with pytest.raises(OptionError, match="already exists; give another folder"):
        mix_runs([(large, 1.0), (small, 1.0)], small)


@pytest.mark.parametrize("network", ["stylebank", "cin"])
def test_a_bundle_of_built_in_styles_is_mixed_with_a_run(network, tmp_path):
    torch.save(vgg_weights(), tmp_path / "vgg.pth")
    paintings = write_pictures(tmp_path / "paintings", 2, seed=1)
    config = make_config(
        network=network,
        vgg=str(tmp_path / "vgg.pth"),
        contents={str(write_pictures(tmp_path / "photos", 12)): 1.0},
        styles={f"{name}={paintings / f'{name}.png'}": 1.0 for name in "01"},
        width=4,
        style_side=64,
        iterations=1,
        batch=2,
        crop=32,
        preview_every=0,
        warmup=1,
        score_pairs=2,
        score_size=64,
    )
    train(config, tmp_path / "run")
    train(changed(config, seed=5), tmp_path / "other")
    bundle = tmp_path / "other.impasto"
    publish_run(tmp_path / "other", bundle)
    mixed = mix_runs([(tmp_path / "run", 1.0), (bundle, 3.0)], tmp_path / "mixed")
    wanted = mix_runs([(tmp_path / "run", 1.0), (tmp_path / "other", 3.0)], tmp_path / "wanted")
    found, wanted = weights_from(mixed)[0], weights_from(wanted)[0]
    for name, weight in wanted.items():  # a bundle has half precision
        torch.testing.assert_close(found[name], weight, rtol=1e-3, atol=1e-4)
    publish_run(mixed.parent, tmp_path / "mixed.impasto")
    assert impasto.load(tmp_path / "mixed.impasto").card.styles == ("0", "1")
