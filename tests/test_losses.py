"""Losses: known answers, and the quick moments against the plain ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from impasto.lab.losses import content_loss, style_loss, total_variation
from impasto.lab.moments import SMALLEST, fast_mean_square, fast_mean_std
from impasto.lab.normalization import EPS


def test_content_loss_is_the_mean_square():
    a = torch.zeros(1, 2, 3, 4)
    assert content_loss(a, a + 2).item() == pytest.approx(4)


def test_style_loss_against_numpy_in_float64():
    random = np.random.default_rng(0)
    got = {k: random.normal(size=(2, 5, 6, 7)) for k in ("relu1_1", "relu2_1")}
    wanted = {k: random.normal(1, 2, size=(2, 5, 9, 4)) for k in got}
    expected = 0.0
    for layer in got:
        for moment in (np.mean, lambda x, axis: np.sqrt(np.var(x, axis=axis) + EPS)):
            difference = moment(got[layer], axis=(2, 3)) - moment(wanted[layer], axis=(2, 3))
            expected += (difference**2).mean()
    tensors = [{k: torch.from_numpy(v) for k, v in side.items()} for side in (got, wanted)]
    assert style_loss(*tensors).item() == pytest.approx(expected, rel=1e-5)


def test_style_loss_sees_statistics_and_not_places():
    x = torch.randn(1, 4, 8, 8)
    shuffled = x.flatten(2)[..., torch.randperm(64)].reshape(x.shape)
    assert style_loss({"relu1_1": x}, {"relu1_1": shuffled}).item() == pytest.approx(0, abs=1e-9)
    assert style_loss({"relu1_1": x}, {"relu1_1": x + 1}).item() == pytest.approx(1, rel=1e-4)


def test_sums_over_channels_are_means_times_their_number():
    got, wanted = torch.randn(2, 3, 64, 5, 5), torch.randn(2, 3, 64, 5, 5) * 2
    layers = {"relu1_1": 64, "relu2_1": 16}
    sides = [
        {k: side[i][:, :n] for i, (k, n) in enumerate(layers.items())} for side in (got, wanted)
    ]
    total = 0.0
    for layer, channels in layers.items():
        alone = [{layer: side[layer]} for side in sides]
        total += channels * style_loss(*alone).item()
        assert style_loss(*alone, units="sum").item() == pytest.approx(
            channels * style_loss(*alone).item()
        )
    assert style_loss(*sides, units="sum").item() == pytest.approx(total)
    # The paper's weight 1e-1 in sums is 6.4 in means where there are 64 channels.
    alone = [{"relu1_1": side["relu1_1"]} for side in sides]
    assert 0.1 * style_loss(*alone, units="sum").item() == pytest.approx(
        6.4 * style_loss(*alone).item()
    )


def test_total_variation_of_a_ramp():
    ramp = torch.arange(5.0).expand(1, 1, 3, 5)
    assert total_variation(ramp).item() == pytest.approx(1)


def test_quick_moments_and_their_gradient_are_the_plain_ones():
    random = torch.Generator().manual_seed(0)
    side = int(SMALLEST**0.5) * 2
    offset, spread = (torch.rand(1, 16, 1, 1, generator=random) for _ in range(2))
    x = torch.randn(2, 16, side, side + 3, generator=random) * spread * 2 + offset * 3
    x = x.relu().bfloat16().to(memory_format=torch.channels_last)
    quick, plain = x.clone().requires_grad_(), x.double().requires_grad_()
    mean, std = fast_mean_std(quick)
    variance, wanted_mean = torch.var_mean(plain, dim=(2, 3), keepdim=True, correction=0)
    wanted_std = (variance + EPS).sqrt()
    assert ((mean - wanted_mean).abs() / wanted_std).max() < 5e-3
    assert (std / wanted_std - 1).abs().max() < 5e-3
    weights = torch.randn(2, 2, 16, 1, 1, generator=random)
    (mean * weights[0] + std * weights[1]).sum().backward()
    (wanted_mean * weights[0] + wanted_std * weights[1]).sum().backward()
    error = (quick.grad.double() - plain.grad).norm() / plain.grad.norm()
    assert error < 0.02  # bfloat16 keeps 8 bits


def test_quick_square_distance_and_its_gradient_are_the_plain_ones():
    random = torch.Generator().manual_seed(0)
    x, y = (torch.randn(2, 16, 20, 24, generator=random).bfloat16() for _ in range(2))
    x, y = (each.to(memory_format=torch.channels_last) for each in (x, y))
    quick, plain = x.clone().requires_grad_(), x.double().requires_grad_()
    got, wanted = fast_mean_square(quick, y), (plain - y.double()).square().mean()
    assert got.item() == pytest.approx(wanted.item(), rel=1e-3)
    (3 * got).backward()
    (3 * wanted).backward()
    error = (quick.grad.double() - plain.grad).norm() / plain.grad.norm()
    assert error < 0.01  # bfloat16 keeps 8 bits
