"""What a step of training is made of: sums, shares, agreement, and the command that tells it."""

from __future__ import annotations

import math

import pytest
import torch
from lab_parts import applicable, changed, small_config

from gradients import _summarize, gradients_table, term_gradients
from impasto.errors import OptionError
from impasto.lab.training.config import write_config
from impasto.lab.training.networks import find_network
from impasto.lab.training.setup import open_setup


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    small = small_config(tmp_path_factory.mktemp("gradients"), "fast", pictures=24)
    return changed(
        small,
        start="fast",
        batch=4,
        crop=32,
        content=3.0,
        style=5.0,
        identity=2.0,
        colors=40.0,
        precision="fp32",
    )


def test_known_vectors_have_known_shares():
    one = {"left": torch.tensor([3.0, 0.0]), "up": torch.tensor([0.0, 4.0])}
    two = {"left": torch.tensor([3.0, 0.0]), "up": torch.tensor([0.0, -4.0])}
    up, left = _summarize([{"left": 1.0, "up": 2.0}, {"left": 3.0, "up": 2.0}], [one, two])
    assert (up.name, left.name) == ("up", "left")  # the larger share first
    assert (up.loss, left.loss) == (2.0, 2.0)
    assert (up.norm, left.norm) == (4.0, 3.0)
    assert (up.share, left.share) == pytest.approx((16 / 25, 9 / 25))
    assert (up.agreement, left.agreement) == (-1.0, 1.0)
    assert up.cosines == pytest.approx({"left": 0.0, "up": 1.0})
    against = {"left": torch.tensor([3.0, 0.0]), "up": torch.tensor([-1.0, 0.0])}
    assert [each.share for each in _summarize([{"left": 1.0, "up": 1.0}], [against])] == [1.5, -0.5]


def test_they_are_those_of_the_loss_that_is_learned_from(config):
    found = {term.name: term for term in term_gradients(config, batches=1)}
    assert set(found) == {"content", "style", "identity", "colors"}
    assert sum(term.share for term in found.values()) == pytest.approx(1.0, abs=1e-4)
    # By hand: the same first batch, one backward pass for the whole loss and one for a term alone.
    setup = open_setup(config, find_network(config.network), torch.device("cpu"))
    pictures = (each.batch(config.batch) for each in (setup.contents, setup.styles))
    loss, terms = setup.objective(setup.learned, setup.objective.prepare(*pictures))
    whole, colors = (
        torch.cat([g.flatten() for g in torch.autograd.grad(of, setup.moving, retain_graph=True)])
        for of in (loss, config.weight("colors") * terms["colors"])
    )
    assert sum(term.loss for term in found.values()) == pytest.approx(loss.item(), rel=1e-4)
    assert found["colors"].norm == pytest.approx(float(colors.norm()), rel=1e-3)
    share = float(colors @ whole / (whole @ whole))
    assert found["colors"].share == pytest.approx(share, rel=1e-2, abs=1e-3)


def test_a_weight_multiplies_its_own_gradient_alone(config):
    dear = changed(config, colors=10 * config.weight("colors"))
    before, after = (
        {term.name: term for term in term_gradients(each, batches=2)} for each in (config, dear)
    )
    for name, times in {"colors": 10, "content": 1, "style": 1}.items():
        assert after[name].norm == pytest.approx(times * before[name].norm, rel=1e-3)
        assert after[name].agreement == pytest.approx(before[name].agreement, abs=1e-3)
    assert after["colors"].share > before["colors"].share
    assert after["style"].share < before["style"].share


def test_a_batch_in_parts_is_the_same_batch(config):
    parts = changed(config, accumulate=2)
    whole, sums = (
        {term.name: term for term in term_gradients(each, batches=1)} for each in (config, parts)
    )
    assert set(whole) == set(sums) == {"content", "style", "identity", "colors"}
    for name, term in whole.items():
        assert sums[name].norm == pytest.approx(term.norm, rel=1e-3)
        assert sums[name].loss == pytest.approx(term.loss, rel=1e-3)


@pytest.mark.parametrize("network", ["adain", "style-swap", "reader", "stylebank"])
def test_other_networks_have_gradients_too(config, network):
    other = changed(
        config,
        network=network,
        start="",
        **applicable(network, colors=0.0),
        **({"distill_features": 1.0} if network == "reader" else {}),
    )
    found = term_gradients(other, batches=1)
    assert found and all(math.isfinite(each.norm) and each.norm > 0 for each in found)
    assert sum(term.share for term in found) == pytest.approx(1.0, abs=1e-3)


def test_the_command_prints_a_table_of_them(run_recipe, config, tmp_path):
    write_config(config, tmp_path / "run.toml")
    given = ["gradients", tmp_path / "run.toml"]
    result = run_recipe(*given, "--batches", "2", "--set", "loss.colors=80")
    assert result.returncode == 0, result.stderr
    wanted = term_gradients(changed(config, colors=80.0), batches=2)
    assert result.stdout == gradients_table(wanted) + "\n"
    head, _, *rows = result.stdout.splitlines()
    assert len(rows) == 4 and all(row.count("|") == head.count("|") for row in rows)
    assert {row.split("|")[1].strip() for row in rows} == {"content", "style", "identity", "colors"}
    result = run_recipe(*given)  # by default as many batches as the function
    assert result.stdout == gradients_table(term_gradients(config)) + "\n"


def test_no_batch_is_refused(run_recipe, config, tmp_path):
    with pytest.raises(OptionError, match="batches is 0"):
        term_gradients(config, batches=0)
    write_config(config, tmp_path / "run.toml")
    result = run_recipe("gradients", tmp_path / "run.toml", "--batches", "0")
    assert result.returncode == 2 and "batches is 0" in result.stderr
    assert len(result.stderr.splitlines()) == 1
