"""Muon: its direction is orthogonal, its rule for vectors is Adam's, it goes downhill."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from impasto.lab.training.optimizers import BOUND, Muon, orthogonalize


@pytest.mark.parametrize("shape", [(8, 8), (16, 200), (200, 16)])
def test_singular_values_are_near_one_and_directions_stay(shape):
    torch.manual_seed(0)
    matrix = torch.randn(shape) * 100
    got = orthogonalize(matrix)
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert torch.linalg.svdvals(got)[:-1].min() > 0.5  # the smallest of a square one may lag
    assert torch.linalg.svdvals(got).max() < 1.3
    # in the basis of the singular vectors it is diagonal, but for the rounding of bfloat16
    inner = u.T @ got @ v.T
    assert (inner - torch.diag(inner.diag())).abs().max() < 0.05


def test_vectors_move_as_with_adam():
    torch.manual_seed(0)
    ours, theirs = (nn.Parameter(torch.ones(5)) for _ in range(2))
    muon = Muon([ours], lr=0.1, betas=(0.9, 0.99))
    adam = torch.optim.Adam([theirs], lr=0.1, betas=(0.9, 0.99))
    for _ in range(10):
        gradient = torch.randn(5)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adam.step()
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_step_has_the_size_that_adam_would_take():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(64, 32, 3, 3))
    weight.grad = torch.randn_like(weight) * 1e-6  # the size of the gradient does not matter
    Muon([weight], lr=1.0).step()
    # Adam's steps have about 0.2 of its rate; singular values of 0.7 to 1.2 leave this range
    assert 0.14 < weight.square().mean().sqrt().item() < 0.24


def test_fits_a_convolution():
    torch.manual_seed(0)
    wanted, model = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 8, 3)
    optimizer = Muon(model.parameters(), lr=0.02)
    x = torch.randn(4, 3, 12, 12)
    losses = []
    for _ in range(150):
        loss = (model(x) - wanted(x)).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.02 * losses[0]


def test_a_closure_makes_the_gradients_of_its_step():
    start = torch.randn(8, 4)
    one, other = (nn.Parameter(start.clone()) for _ in range(2))
    plain, called = Muon([one], lr=0.1), Muon([other], lr=0.1)

    def closure():
        called.zero_grad()
        loss = other.square().sum()
        loss.backward()
        return loss

    one.square().sum().backward()
    assert plain.step() is None
    assert called.step(closure) == start.square().sum()
    assert torch.equal(one, other) and not torch.equal(one, start)


def test_spectral_norms_stay_bounded():
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(16, 8, 3, 3) * 5)
    optimizer = Muon([weight], lr=0.1)
    direction = torch.randn_like(weight)
    for _ in range(120):
        weight.grad = direction  # always the same way: without a bound it would go on for ever
        optimizer.step()
    assert 0.6 * BOUND < torch.linalg.matrix_norm(weight.flatten(1), 2) < 1.3 * BOUND
