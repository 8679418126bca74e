"""Losses: known answers, and the quick moments against the plain ones."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.lab.losses import (
    adversarial_loss,
    content_loss,
    critic_loss,
    gram,
    gram_loss,
    histogram_loss,
    mmd_loss,
    projection_loss,
    sliced_wasserstein_loss,
    style_loss,
    total_variation,
)
from impasto.lab.losses.transport import directions, projections, sliced_wasserstein
from impasto.lab.methods.compact.losses import color_loss, mesh_loss, weave_loss
from impasto.lab.nets.fast_moments import fast_mean_square, fast_mean_std
from impasto.lab.nets.fast_norm import SMALLEST, is_quick, quick_instance_norm
from impasto.lab.nets.normalization import EPS, mean_std, normalize


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


def test_the_unbiased_style_loss_is_that_of_the_port():
    random = torch.Generator().manual_seed(3)
    output, style = (torch.randn(2, 5, *side, generator=random) for side in ((3, 4), (2, 2)))
    ours, theirs = (
        (each.mean((2, 3)), np.sqrt(each.var((2, 3), ddof=1) + EPS))
        for each in (output.double().numpy(), style.double().numpy())
    )
    expected = sum(float(np.square(a - b).mean()) for a, b in zip(ours, theirs, strict=True))
    found = style_loss({"relu1_1": output}, {"relu1_1": style}, unbiased=True)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    biased = style_loss({"relu1_1": output}, {"relu1_1": style}).item()
    assert abs(biased - expected) > 1e-3 * expected


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
    assert total_variation(3 * ramp, order=2).item() == pytest.approx(9)


def test_colors_are_compared_as_they_will_be_seen():
    random = torch.Generator().manual_seed(5)
    style = torch.rand(2, 3, 24, 32, generator=random)
    shuffled = style.flatten(2)[..., torch.randperm(24 * 32, generator=random)].reshape(style.shape)
    assert color_loss(shuffled, style) < 1e-10  # where a color lies makes no difference
    tinted = shuffled * 0.5
    tinted[:, 2] += 0.3
    means = (tinted.mean((2, 3)) - style.mean((2, 3))).square().mean()
    stds = (tinted.std((2, 3)) - style.std((2, 3))).square().mean()
    assert color_loss(tinted, style) == pytest.approx(float(means + stds), rel=1e-2)
    over = torch.where(style > 0.5, style + 3, style - 3)  # white and black
    assert torch.equal(color_loss(over, style), color_loss(over.clamp(0, 1), style))


def test_a_mesh_counts_where_the_style_has_none():
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    slope = (0.2 + (rows + columns) / 200).expand(2, 3, 48, 64)
    stripes, checks = 0.02 * (-1) ** columns, 0.02 * (-1) ** (rows + columns)
    broad = 0.1 * torch.sin(columns / 5)
    assert mesh_loss(slope, slope).item() == 0
    # What is 30 px wide is no mesh, however strong; nor is one that the style has itself.
    assert mesh_loss(slope + broad, slope).item() < 0.05
    assert mesh_loss(slope + stripes, slope + stripes).item() < 1e-5
    assert mesh_loss(slope, slope + checks).item() == 0
    # The amplitude is not changed by the filter, and e is a third of a level of 255, or less.
    found = mesh_loss(slope + stripes, slope).item()
    assert found == pytest.approx(math.log1p(0.02**2 / (5 / 8 / 12 / 255**2)), rel=1e-3)
    # Checks are there along and across; of two pictures the mean counts.
    both = mesh_loss(slope + checks, slope).item()
    assert both == pytest.approx(found + math.log(2), rel=1e-3)
    one = torch.cat([slope[:1] + checks, slope[:1]])
    assert mesh_loss(one, slope).item() == pytest.approx(both / 2)


def clouds(n=(5, 6), m=(7, 4), channels=4):
    random = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, *n, generator=random), torch.randn(
        1, channels, *m, generator=random
    )


def test_gram_by_hand():
    x = torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])  # two channels, two places
    assert gram(x)[0].tolist() == [[2.5, 5.5], [5.5, 12.5]]
    assert gram(x, torch.tensor([[0.0, 2.0]]))[0].tolist() == [[4.0, 8.0], [8.0, 16.0]]
    assert gram_loss(gram(x), gram(torch.zeros_like(x))).item() == pytest.approx(55.75)


def test_gram_counted_everywhere_is_the_gram():
    x, _ = clouds()
    assert torch.allclose(gram(x), gram(x, torch.full((5, 6), 0.3)), rtol=1e-5)


def test_the_second_order_polynomial_mmd_is_gram_matching():
    x, y = clouds()
    wanted = (gram(x) - gram(y)).square().sum()
    assert mmd_loss(x, y, kernel="polynomial").item() == pytest.approx(wanted.item(), rel=1e-4)
    x.requires_grad_()
    (one,) = torch.autograd.grad(mmd_loss(x, y), x)
    (two,) = torch.autograd.grad((gram(x) - gram(y)).square().sum(), x)
    assert torch.allclose(one, two, atol=1e-5)


def test_the_linear_mmd_is_the_distance_of_the_means():
    x, y = clouds()
    wanted = (x.mean((2, 3)) - y.mean((2, 3))).square().sum()
    assert mmd_loss(x, y, kernel="linear").item() == pytest.approx(wanted.item(), rel=1e-4)


def test_the_gaussian_mmd_of_two_points():
    x, y = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), 2.0)
    wanted = 2 - 2 * np.exp(-4 / (2 * 1.5**2))
    assert mmd_loss(x, y, kernel="gaussian", bandwidth=1.5).item() == pytest.approx(wanted)
    same, _ = clouds()
    assert mmd_loss(same, same, kernel="gaussian").item() == pytest.approx(0, abs=1e-6)
    near, far = (mmd_loss(same, same + by, kernel="gaussian").item() for by in (0.1, 1.0))
    assert 0 < near < far
    with pytest.raises(OptionError, match="polynomial"):
        mmd_loss(x, y, kernel="cubic")


def test_histogram_loss_sees_each_channel_alone():
    x = torch.tensor([[[[3.0, 1.0, 2.0]]]])
    assert histogram_loss(x, torch.tensor([[[[2.0, 4.0, 3.0]]]])).item() == pytest.approx(1)
    one, _ = clouds()
    shuffled = torch.stack([c.flatten()[torch.randperm(30)].reshape(6, 5) for c in one[0]])[None]
    assert histogram_loss(one, shuffled).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        histogram_loss,
        sliced_wasserstein_loss,
        *(partial(mmd_loss, kernel=kernel) for kernel in ("linear", "polynomial", "gaussian")),
    ],
)
def test_a_loss_of_a_batch_is_the_mean_of_those_of_its_pictures(loss):
    sizes = torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1)
    x, y = sizes * torch.randn(3, 4, 6, 5), 2 * torch.randn(3, 4, 3, 5) + 1
    alone = [loss(x[i : i + 1], y[i : i + 1]).item() for i in range(3)]
    assert max(alone) > 1.1 * min(alone)
    assert loss(x, y).item() == pytest.approx(np.mean(alone), rel=1e-4)
    one = [loss(x[i : i + 1], y[:1]).item() for i in range(3)]
    assert loss(x, y[:1]).item() == pytest.approx(np.mean(one), rel=1e-4)
    with pytest.raises(OptionError, match=r"\(3, 4, 6, 5\) and style \(2, 4, 3, 5\) do not match"):
        loss(x, y[:2])


def test_shadow_loss_is_that_of_each_picture_alone():
    along = directions(8, count=16, seed=3)
    x, style = torch.randn(2, 3, 8, 5, 7)
    kept = {"a": projections(style.flatten(2), along)}
    found = projection_loss({"a": x.requires_grad_()}, {"a": along}, kept)
    alone = [
        sliced_wasserstein(projections(a.flatten(1), along), projections(b.flatten(1), along)) ** 2
        for a, b in zip(x.detach(), style, strict=True)
    ]
    assert found.item() == pytest.approx(np.mean(alone), rel=1e-4)
    # It sees what the moments do not: two values a channel, or a bell of the same two moments.
    bell = torch.randn(1, 8, 32, 32, dtype=torch.float64)
    bell = (bell - bell.mean((2, 3), keepdim=True)) / bell.std((2, 3), keepdim=True, correction=0)
    coin = bell.sign() - bell.sign().mean((2, 3), keepdim=True)
    coin = (coin / coin.std((2, 3), keepdim=True, correction=0)).float()
    bell = bell.float()
    assert style_loss({"a": coin}, {"a": bell}).item() < 1e-9
    axis = torch.eye(8)
    assert (
        projection_loss({"a": coin}, {"a": axis}, {"a": projections(bell.flatten(2), axis)}) > 0.1
    )
    found.backward()
    assert x.grad.isfinite().all() and x.grad.any()


def test_sliced_wasserstein_loss_of_a_shift():
    x, _ = clouds(channels=3)
    shift = torch.tensor([1.0, 2.0, -1.0]).reshape(1, 3, 1, 1)
    wanted = (directions(3) @ shift.flatten()).square().mean()
    x.requires_grad_()
    found = sliced_wasserstein_loss(x, (x + shift).detach())
    assert found.item() == pytest.approx(wanted.item(), rel=1e-4)
    (gradient,) = torch.autograd.grad(found, x)
    assert torch.cosine_similarity(-gradient.sum((2, 3)), shift.flatten()[None]).item() > 0.9


def test_losses_of_a_critic():
    sure, wrong = torch.tensor([2.0, 1.0]), torch.tensor([-2.0, -1.0])
    assert critic_loss(sure, wrong).item() == 0
    assert critic_loss(wrong, sure).item() == pytest.approx(5)
    assert adversarial_loss(sure).item() == pytest.approx(-1.5)


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


@pytest.mark.parametrize("pairs", [1, 2])
def test_quick_instance_normalization_and_its_gradients_are_the_plain_ones(pairs):
    random = torch.Generator().manual_seed(0)
    side = int(SMALLEST**0.5) * 2
    offset, spread = (torch.rand(1, 16, 1, 1, generator=random) for _ in range(2))
    x = torch.randn(2, 16, side, side + 3, generator=random) * (spread + 0.2) + offset
    x = x.bfloat16().to(memory_format=torch.channels_last)
    assert is_quick(x) and not is_quick(x.float()) and not is_quick(x.contiguous())
    found = []
    gamma, beta = torch.randn(2, pairs, 16, 1, 1, generator=random)
    weights = torch.randn(x.shape, generator=random)
    for one in (x.clone(), x.double()):
        values = [
            v.clone().to(one.dtype if one.dtype == torch.float64 else v.dtype)
            for v in (gamma, beta)
        ]
        inputs = [each.requires_grad_() for each in (one, *values)]
        if one.dtype == torch.bfloat16:
            made = quick_instance_norm(*inputs, EPS)
        else:
            made = normalize(inputs[0], *mean_std(inputs[0]), *inputs[1:])
        (made.double() * weights).sum().backward()
        found.append((made.detach().double(), *(each.grad.double() for each in inputs)))
    for got, wanted in zip(*found, strict=True):
        assert (got - wanted).norm() / wanted.norm() < 0.02  # bfloat16 keeps 8 bits


def _waves(period, amplitude, *, along=0):
    places = torch.arange(96.0) * 2 * torch.pi / period
    wave = amplitude * places.cos().expand(96, 96)
    return (wave.mT if along else wave).expand(1, 3, 96, 96)


def _noise(amplitude, seed=0):
    return amplitude * torch.randn(1, 1, 96, 96, generator=torch.manual_seed(seed))


PLAIN = torch.full((1, 3, 96, 96), 0.5)
HALF_STEP = (0.5 / 255) ** 2


@pytest.mark.parametrize("period", [4, 8])
@pytest.mark.parametrize("along", [0, 1])
def test_a_weave_counts_by_its_energy_over_that_beside_it(period, along):
    picture = PLAIN + _waves(period, 0.05, along=along)
    # One of the four waves of one of the three lattices, and nothing beside any.
    wanted = math.log((0.05**2 / 4 + HALF_STEP) / HALF_STEP) / 3
    assert weave_loss(picture, PLAIN).item() == pytest.approx(wanted, rel=1e-3)


def test_a_chessboard_of_cells_is_a_weave_too():
    rows, columns = torch.meshgrid(torch.arange(96), torch.arange(96), indexing="ij")
    board = PLAIN + 0.04 * ((rows // 8 + columns // 8) % 2 * 2 - 1)
    # Along an axis it has waves of amplitude 1 / (4 sin (pi k / 16)) for odd k; along both, at
    # (j, k), half of their products, for x + y and for x - y.
    ends = {k: 1 / 4 / math.sin(math.pi * k / 16) for k in (1, 3)}
    energy = sum((0.04 * ends[j] * ends[k] / 2) ** 2 for j in (1, 3) for k in (1, 3)) * 2 / 8
    wanted = math.log((energy + HALF_STEP) / HALF_STEP) / 3
    assert weave_loss(board, PLAIN).item() == pytest.approx(wanted, rel=1e-3)


def test_texture_without_a_lattice_is_no_weave():
    assert weave_loss(PLAIN + _noise(0.1), PLAIN).item() < 0.15
    strokes = F.avg_pool2d(_noise(0.5), 5, stride=1, padding=2)  # mostly of 6 to 20 px
    assert weave_loss(PLAIN + strokes, PLAIN).item() < 0.15
    slope = torch.linspace(0.2, 0.8, 96).expand(1, 3, 96, 96)
    assert weave_loss(slope, slope).item() < 0.05


def test_a_weave_counts_only_where_the_photograph_is_smooth():
    busy = PLAIN + _noise(0.3)
    woven = PLAIN + _waves(4, 0.05)
    assert weave_loss(woven, busy).item() == 0  # nowhere
    half = PLAIN.clone()
    half[..., 48:] = busy[..., 48:]
    there = torch.where(torch.arange(96) < 48, woven, PLAIN)
    elsewhere = torch.where(torch.arange(96) >= 64, woven, PLAIN)
    assert weave_loss(there, half).item() > 0.6
    assert weave_loss(elsewhere, half).item() < 0.1


def test_a_batch_of_a_woven_and_a_plain_picture_has_the_mean_of_their_weaves():
    woven = PLAIN + _waves(8, 0.05)
    one = weave_loss(woven, PLAIN)
    both = weave_loss(torch.cat([woven, PLAIN]), torch.cat([PLAIN] * 2))
    torch.testing.assert_close(both, one / 2)
    picture = woven.clone().requires_grad_()
    weave_loss(picture, PLAIN).backward()
    assert picture.grad.abs().max() > 0 and picture.grad.isfinite().all()
