"""The adversarial term of training: what it adds, that its critic learns, and what it leaves be."""

from __future__ import annotations

import csv
import dataclasses

import pytest
import torch
from lab_parts import small_config

from impasto.errors import OptionError
from impasto.lab.losses import adversarial_loss, critic_loss
from impasto.lab.train.adversary import Adversary
from impasto.lab.train.checkpoints import read_checkpoint
from impasto.lab.train.loop import train
from impasto.lab.train.networks import find_network
from impasto.lab.train.setup import open_course

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adversary")
    return dataclasses.replace(small_config(folder, "fast", pictures=8), precision="fp32")


def opened(config, **changes):
    torch.manual_seed(config.seed)
    config = dataclasses.replace(config, **changes)
    return open_course(config, find_network(config.network), CPU)


def pairs():
    random = torch.Generator().manual_seed(0)
    return (torch.rand(2, 3, 32, 32, generator=random) for _ in range(2))


def gradients(course, objective, lesson):
    course.learned.zero_grad(set_to_none=True)
    loss, terms = objective(course.learned, lesson)
    loss.backward()
    return [p.grad.clone() for p in course.moving], terms


@pytest.mark.parametrize("network", ["fast", "style-swap"])
def test_it_adds_its_own_gradient_and_no_other(config, network):
    without = opened(config, network=network)
    beside = opened(config, network=network, adversarial=0.7)
    for one, other in zip(without.moving, beside.moving, strict=True):
        assert torch.equal(one, other)  # the network begins as it would without
    lesson = without.objective.lesson(*pairs())
    plain, terms = gradients(without, without.objective, lesson)
    both, more = gradients(beside, beside.objective, lesson)
    assert set(more) - set(terms) == {"adversarial"}
    # By hand, from the pictures that are painted in the paintings.
    critic = beside.objective.adversary.critic
    painted = beside.objective.pictures(beside.learned, lesson)[:2]
    term = adversarial_loss(critic(2 * painted - 1))
    assert more["adversarial"].item() == pytest.approx(term.item(), rel=1e-5)
    alone = torch.autograd.grad(term, beside.moving)
    assert any(one.norm() > 1e-6 for one in alone)
    for got, one, two in zip(both, plain, alone, strict=True):
        assert torch.allclose(got, one + 0.7 * two, rtol=1e-3, atol=1e-5 * float(one.abs().max()))


def test_the_critic_gets_the_gradient_of_its_own_loss(config):
    course = opened(config, adversarial=0.7)
    adversary = course.objective.adversary
    lesson = course.objective.lesson(*pairs())
    gradients(course, course.objective, lesson)
    got = [p.grad.clone() for p in course.beside]
    painted = course.objective.pictures(course.learned, lesson)[:2].detach()
    real, fake = (adversary.critic(2 * each - 1) for each in (lesson.styles, painted))
    wanted = torch.autograd.grad(critic_loss(real, fake), adversary.parameters)
    for one, two in zip(got, wanted, strict=True):
        assert torch.allclose(one, two, rtol=1e-3, atol=1e-6)
    before = [p.detach().clone() for p in course.beside]
    course.settle()
    assert all(p.grad is None for p in course.beside)
    assert any(not torch.equal(p, was) for p, was in zip(course.beside, before, strict=True))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_critic_learns_to_tell_paintings_from_pictures(config, precision):
    adversary = Adversary(dataclasses.replace(config, precision=precision), CPU)
    stripes = torch.rand(4, 3, 1, 32, generator=torch.Generator().manual_seed(0))
    paintings, pictures = stripes.expand(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.5)
    first = adversary(pictures, paintings).item()
    adversary.step()
    for _ in range(60):
        last = adversary(pictures, paintings).item()
        adversary.step()
    with torch.no_grad():
        real, fake = (float(adversary.critic(2 * x - 1).mean()) for x in (paintings, pictures))
    assert last > first and real - fake > 0.5  # it says less of the pictures: a larger loss
    # However often it has learned, no layer amplifies: the spectral norms are found step by step.
    layer = adversary.critic.steps[1]
    assert torch.linalg.matrix_norm(layer.weight.flatten(1), ord=2) < 1.1


def test_a_step_that_is_not_finite_leaves_the_critic_as_it_is(config):
    adversary = Adversary(config, CPU)
    before = [p.detach().clone() for p in adversary.parameters]
    adversary(torch.full((1, 3, 32, 32), float("nan")), torch.rand(1, 3, 32, 32))
    adversary.step()
    for one, was in zip(adversary.parameters, before, strict=True):
        assert torch.equal(one, was) and one.grad is None


def test_off_it_leaves_nothing(config, tmp_path):
    course = opened(config)
    assert course.objective.adversary is None and course.beside == ()
    train(dataclasses.replace(config, iterations=1), tmp_path, bundle=False)
    saved = read_checkpoint(tmp_path / "checkpoint.pt")
    assert saved["objective"] == {} and not saved["stages"][0]["adversarial"]


def test_it_can_be_turned_on_and_off_between_runs(config, tmp_path):
    for step, weight in enumerate((0.0, 0.5, 0.0), start=1):
        asked = dataclasses.replace(config, iterations=step, adversarial=weight)
        train(asked, tmp_path, bundle=False)
        saved = read_checkpoint(tmp_path / "checkpoint.pt")
        assert set(saved["objective"]) == ({"critic", "optimizer"} if weight else set())
    with (tmp_path / "log.csv").open() as file:
        said = [row["adversarial"] != "" for row in csv.DictReader(file)]
    assert said == [False, True, False]


def test_where_there_is_nothing_to_learn_from_it_is_refused(config):
    with pytest.raises(OptionError, match=r"johnson learns from Gram matrices.*leave adversarial"):
        opened(config, network="johnson", adversarial=0.1)
    with pytest.raises(OptionError, match="adversarial = -1"):
        dataclasses.replace(config, adversarial=-1.0)
