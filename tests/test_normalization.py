"""BN, IN, CIN and AdaIN against float64 NumPy, PyTorch's own layers and the paper's claims."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("torch")

import torch

from impasto.errors import OptionError, StyleError
from impasto.lab.nets.batchnorm import BatchNorm, BatchRenorm, reestimate
from impasto.lab.nets.codes import Noise, StyleCode
from impasto.lab.nets.normalization import (
    EPS,
    AdaIN,
    ConditionalInstanceNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    adain,
    mean_std,
    min_max,
    standardize,
    whiten,
)

Array = NDArray[np.float64]


# The formulas of the paper, one sum at a time, in float64. Nothing here comes from the package.


def reference(x: Array, over: tuple[int, ...], gamma: Array, beta: Array) -> Array:
    """Eqs. 1 to 7: ``gamma (x - mu) / sigma + beta``; gamma and beta broadcast against x."""
    count = np.prod([x.shape[axis] for axis in over])
    mu = x.sum(axis=over, keepdims=True) / count
    sigma = np.sqrt(((x - mu) ** 2).sum(axis=over, keepdims=True) / count + 1e-5)
    return gamma * ((x - mu) / sigma) + beta


def moments(x: Array, *, unbiased: bool = False) -> tuple[Array, Array]:
    """Eqs. 5 and 6."""
    count = x.shape[2] * x.shape[3]
    mu = x.sum(axis=(2, 3), keepdims=True) / count
    squares = ((x - mu) ** 2).sum(axis=(2, 3), keepdims=True)
    return mu, np.sqrt(squares / (count - unbiased) + 1e-5)


def features(seed: int, *shape: int) -> Array:
    """Features whose channels and samples differ in mean and spread."""
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.2, 4, (*shape[:2], 1, 1))
    return rng.normal(rng.normal(0, 3, (*shape[:2], 1, 1)), spread, shape)


def tensor(x: Array) -> torch.Tensor:
    return torch.from_numpy(x).float()


def randomize(layer: torch.nn.Module, seed: int = 0) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.normal_(generator=generator)


def column(values: torch.Tensor) -> Array:
    """(C,) or (N, C) to something that broadcasts against (N, C, H, W)."""
    return values.detach().double().numpy()[..., None, None]


SIZES = [(1, 3, 5, 7), (4, 8, 6, 6), (2, 5, 1, 2), (3, 2, 17, 4)]


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize("unbiased", [False, True])
def test_mean_std_known(shape: tuple[int, ...], unbiased: bool) -> None:
    x = features(1, *shape)
    found = mean_std(tensor(x), unbiased=unbiased)
    for value, wanted in zip(found, moments(x, unbiased=unbiased), strict=True):
        assert value.shape == (*shape[:2], 1, 1)
        np.testing.assert_allclose(value, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", SIZES)
def test_standardization_and_min_max_known(shape: tuple[int, ...]) -> None:
    x = features(3, *shape)
    wanted = reference(x, (2, 3), np.ones(1), np.zeros(1))
    np.testing.assert_allclose(standardize(tensor(x)), wanted, rtol=1e-4, atol=2e-5)
    low, high = (each(x, axis=(2, 3), keepdims=True) for each in (np.min, np.max))
    np.testing.assert_allclose(min_max(tensor(x)), (x - low) / (high - low), atol=1e-5)
    flat = torch.full((1, 1, 4, 4), 7.0)
    assert not min_max(flat).any() and not standardize(flat).any() and not whiten(flat).any()


@pytest.mark.parametrize("shape", [(2, 5, 9, 8), (1, 6, 2, 2), (3, 1, 4, 4)])
def test_whitening_is_the_root_of_the_inverse_covariance(shape: tuple[int, ...]) -> None:
    mixed = np.einsum(
        "dc,nchw->ndhw", features(4, 1, shape[1], 1, shape[1])[0, :, 0], features(5, *shape)
    )
    found = whiten(torch.from_numpy(mixed)).numpy()
    for one, white in zip(mixed, found, strict=True):
        x, count = one.reshape(shape[1], -1), shape[2] * shape[3]
        covariance = np.cov(x, ddof=0).reshape(shape[1], shape[1]) + 1e-5 * np.eye(shape[1])
        left, values, right = np.linalg.svd(covariance)
        wanted = left / np.sqrt(values) @ right @ (x - x.mean(1, keepdims=True))
        np.testing.assert_allclose(white.reshape(shape[1], -1), wanted, rtol=1e-6, atol=1e-6)
        if count > 2 * shape[1]:  # all directions have a variance
            np.testing.assert_allclose(
                np.cov(white.reshape(shape[1], -1), ddof=0), np.eye(shape[1]), atol=1e-3
            )
    single = whiten(torch.from_numpy(mixed).float())
    np.testing.assert_allclose(single, found, rtol=1e-4, atol=1e-3)


def test_whitening_leaves_white_features_alone() -> None:
    """Of all roots only the symmetric one does; others turn the channels into each other."""
    x = whiten(torch.from_numpy(features(6, 2, 4, 12, 12)))
    torch.testing.assert_close(whiten(x), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("normalization", [standardize, min_max, whiten])
def test_normalizations_refuse_what_is_no_map(normalization: Callable[..., torch.Tensor]) -> None:
    assert normalization(torch.rand(2, 3, 8, 8).half()).dtype == torch.half
    with pytest.raises(OptionError, match=r"must be \(N, C, H, W\)"):
        normalization(torch.rand(3, 8, 8))
    with pytest.raises(OptionError, match="too few pixels"):
        normalization(torch.rand(1, 3, 0, 8))


@pytest.mark.parametrize("shape", SIZES)
def test_instance_norm(shape: tuple[int, ...]) -> None:
    x, layer = features(2, *shape), InstanceNorm(shape[1])
    theirs = torch.nn.InstanceNorm2d(shape[1], affine=True)
    randomize(layer)
    theirs.load_state_dict({"weight": layer.gamma, "bias": layer.beta})
    wanted = reference(x, (2, 3), column(layer.gamma), column(layer.beta))
    np.testing.assert_allclose(layer(tensor(x)).detach(), wanted, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(layer(tensor(x)), theirs(tensor(x)), rtol=1e-4, atol=2e-5)
    layer.eval()  # IN has no other behavior at test time
    np.testing.assert_allclose(layer(tensor(x)).detach(), wanted, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("shape", [(4, 8, 6, 6), (2, 12, 1, 2), (1, 4, 5, 7)])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_group_norm(shape: tuple[int, ...], groups: int) -> None:
    x, layer = features(21, *shape), GroupNorm(groups, shape[1])
    theirs = torch.nn.GroupNorm(groups, shape[1])
    randomize(theirs)
    layer.load_state_dict(theirs.state_dict())
    inside = x.reshape(shape[0], groups, shape[1] // groups, *shape[2:])
    normal = reference(inside, (2, 3, 4), np.ones(1), np.zeros(1)).reshape(shape)
    wanted = column(theirs.weight) * normal + column(theirs.bias)
    np.testing.assert_allclose(layer(tensor(x)).detach(), wanted, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(layer(tensor(x)), theirs(tensor(x)), rtol=1e-4, atol=2e-5)
    if groups == 1:
        one = LayerNorm(shape[1])
        one.load_state_dict(theirs.state_dict())
        assert torch.equal(one(tensor(x)), layer(tensor(x)))


NETWORKS = (
    (BatchNorm(6), torch.nn.BatchNorm2d(6)),
    (InstanceNorm(6), torch.nn.InstanceNorm2d(6, affine=True)),
    (GroupNorm(3, 6), torch.nn.GroupNorm(3, 6)),
    (BatchNorm(6, affine=False), torch.nn.BatchNorm2d(6, affine=False)),
    (InstanceNorm(6, affine=False), torch.nn.InstanceNorm2d(6)),
    (GroupNorm(3, 6, affine=False), torch.nn.GroupNorm(3, 6, affine=False)),
)


@pytest.mark.parametrize(("ours", "theirs"), NETWORKS)
def test_state_dicts_of_pytorch_load(ours: torch.nn.Module, theirs: torch.nn.Module) -> None:
    randomize(theirs)
    theirs(tensor(features(22, 4, 6, 5, 5)))
    here, there = (torch.nn.Sequential(torch.nn.Identity(), each) for each in (ours, theirs))
    here.load_state_dict(there.state_dict())
    x = tensor(features(23, 2, 6, 5, 5))
    torch.testing.assert_close(here.eval()(x), there.eval()(x), rtol=1e-4, atol=2e-5)
    here.load_state_dict(here.state_dict())  # and its own
    torch.testing.assert_close(here(x), there(x), rtol=1e-4, atol=2e-5)
    assert ("affine=False" in repr(ours)) == (not list(ours.parameters()))


def test_layers_say_what_they_are() -> None:
    layers = (BatchRenorm(4), LayerNorm(4), GroupNorm(2, 4), AdaIN(), ConditionalInstanceNorm(3, 4))
    found = [repr(layer) for layer in (*layers, StyleCode(4, code=5), Noise(4))]
    assert [text.split("(", 1)[1].rstrip(")").split(", eps")[0] for text in found[:3]] == [
        "4", "4", "2, 4"
    ]  # fmt: skip
    assert found[3:] == [
        "AdaIN(eps=1e-05, unbiased=False)",
        "ConditionalInstanceNorm(3, 4, eps=1e-05)",
        "StyleCode(\n  4, code=5, eps=1e-05\n  (map): Linear(in_features=5, out_features=8, "
        "bias=True)\n)",
        "Noise(4)",
    ]


@pytest.mark.parametrize("shape", SIZES)
def test_batch_renorm(shape: tuple[int, ...]) -> None:
    layer = BatchRenorm(shape[1], momentum=0.2, bounds=(1.5, 0.5), steps=(1, 3, 2))
    randomize(layer)
    gamma, beta = column(layer.gamma), column(layer.beta)
    mean, std = np.zeros((shape[1], 1, 1)), np.ones((shape[1], 1, 1))
    for step, (r_max, d_max) in enumerate([(1, 0), (1, 0), (1.25, 0.5), (1.5, 0.5), (1.5, 0.5)]):
        x = features(30 + step, *shape)
        own_mean = x.mean(axis=(0, 2, 3))[:, None, None]
        own_std = np.sqrt(x.var(axis=(0, 2, 3))[:, None, None] + 1e-5)
        r = np.clip(own_std / std, 1 / r_max, r_max)
        d = np.clip((own_mean - mean) / std, -d_max, d_max)
        wanted = gamma * ((x - own_mean) / own_std * r + d) + beta
        np.testing.assert_allclose(layer(tensor(x)).detach(), wanted, rtol=1e-3, atol=1e-4)
        mean, std = mean + 0.2 * (own_mean - mean), std + 0.2 * (own_std - std)
    np.testing.assert_allclose(layer.running_std, std.ravel(), rtol=1e-5)
    x = features(36, *shape)
    wanted = gamma * (x - mean) / std + beta
    np.testing.assert_allclose(layer.eval()(tensor(x)).detach(), wanted, rtol=1e-3, atol=1e-4)


def test_batch_renorm_without_bounds_trains_as_it_infers() -> None:
    layer = BatchRenorm(3, bounds=(1e9, 1e9), steps=(0, 1, 1), momentum=0.0)
    layer.load_state_dict(
        {"weight": torch.ones(3), "bias": torch.zeros(3), "running_mean": torch.tensor([1.0, 2, 3]),
         "running_var": torch.tensor([4.0, 9, 16]), "num_batches_tracked": torch.tensor(7)}
    )  # fmt: skip
    layer.step += 1
    x = tensor(features(40, 2, 3, 5, 5)).requires_grad_()
    trained = layer(x)
    torch.testing.assert_close(trained, layer.eval()(x), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.running_std, [2, 3, 4], rtol=1e-5)
    # r and d are constants: the gradient is that of batch normalization, times r.
    layer.train()
    (own,) = torch.autograd.grad(layer(x).square().sum(), x)
    assert own.isfinite().all() and own.mean(dim=(0, 2, 3)).abs().max() < 1e-4


@pytest.mark.parametrize("layer", [BatchNorm, BatchRenorm, torch.nn.BatchNorm2d])
def test_statistics_of_another_domain(layer: Callable[[int], torch.nn.Module]) -> None:
    network = torch.nn.Sequential(layer(3), torch.nn.ReLU(), torch.nn.Dropout(0.5))
    network(tensor(features(50, 4, 3, 6, 6)))
    network.eval()
    weights = [each.clone() for each in network.parameters()]
    pictures = features(51, 9, 3, 8, 5) * 3 + 7
    # Batches of three sizes: the statistics are those of all pictures together.
    reestimate(network, [tensor(each) for each in np.split(pictures, [2, 3])])
    assert not network.training and not network[0].training
    found = network(tensor(pictures))
    mean = pictures.mean(axis=(0, 2, 3), keepdims=True)
    std = np.sqrt(pictures.var(axis=(0, 2, 3), keepdims=True, ddof=1) + 1e-5)
    wanted = np.maximum((pictures - mean) / std, 0)
    np.testing.assert_allclose(found.detach(), wanted, rtol=1e-3, atol=1e-3)
    assert all(map(torch.equal, network.parameters(), weights))


def test_the_style_of_a_code_is_adain_with_its_pair() -> None:
    layer, x = StyleCode(4, code=6), features(60, 3, 4, 5, 5)
    codes = torch.randn(3, 6)
    pairs = (codes.double() @ layer.map.weight.detach().double().T).numpy()
    gamma, beta = 1 + pairs[:, :4, None, None], pairs[:, 4:, None, None]
    found = layer(tensor(x), codes)
    np.testing.assert_allclose(
        found.detach(), reference(x, (2, 3), gamma, beta), rtol=1e-3, atol=1e-4
    )
    torch.testing.assert_close(layer(tensor(x), codes[:1])[0], found[0])
    assert abs(layer.map.weight.detach().norm(dim=1).mean() - 1) < 0.5  # gains change by about 1
    with pytest.raises(OptionError, match=r"codes must be \(3, 6\).*not \(2, 6\)"):
        layer(tensor(x), codes[:2])


def test_noise_is_scaled_for_each_channel() -> None:
    layer, x = Noise(4), tensor(features(61, 3, 4, 5, 7))
    assert torch.equal(layer(x), x)
    with torch.no_grad():
        layer.strength.copy_(torch.tensor([0.0, 1.0, 2.0, -1.0]))
    noise = torch.randn(3, 1, 5, 7)
    torch.testing.assert_close((layer(x, noise) - x)[:, 2], 2 * noise[:, 0], rtol=1e-4, atol=1e-5)
    added = layer(x) - x
    assert not torch.equal(added, layer(x) - x)  # drawn anew
    torch.testing.assert_close(added[:, 3], -added[:, 1], rtol=1e-4, atol=1e-5)
    assert torch.equal(layer(x)[:, 0], x[:, 0])
    with pytest.raises(OptionError, match=r"\(3, 1, 5, 7\).*not \(3, 4, 5, 7\)"):
        layer(x, x)


@pytest.mark.parametrize("shape", SIZES)
def test_batch_norm(shape: tuple[int, ...]) -> None:
    layer, theirs = BatchNorm(shape[1]), torch.nn.BatchNorm2d(shape[1])
    randomize(layer)
    theirs.load_state_dict({"weight": layer.gamma, "bias": layer.beta}, strict=False)
    gamma, beta = column(layer.gamma), column(layer.beta)
    mean, variance = np.zeros(shape[1]), np.ones(shape[1])
    for seed in range(3):
        x = features(10 + seed, *shape)
        found = layer(tensor(x))
        np.testing.assert_allclose(
            found.detach(), reference(x, (0, 2, 3), gamma, beta), rtol=1e-4, atol=2e-5
        )
        torch.testing.assert_close(found, theirs(tensor(x)), rtol=1e-4, atol=2e-5)
        mean = 0.9 * mean + 0.1 * x.mean(axis=(0, 2, 3))
        variance = 0.9 * variance + 0.1 * x.var(axis=(0, 2, 3), ddof=1)
    np.testing.assert_allclose(layer.running_mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(layer.running_variance, variance, rtol=1e-5)
    torch.testing.assert_close(layer.running_variance, theirs.running_var)

    x = features(20, *shape)
    before = layer.running_mean.clone()
    found = layer.eval()(tensor(x))
    std = np.sqrt(variance + 1e-5)[:, None, None]
    wanted = gamma * (x - mean[:, None, None]) / std + beta
    np.testing.assert_allclose(found.detach(), wanted, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(found, theirs.eval()(tensor(x)), rtol=1e-4, atol=2e-5)
    assert torch.equal(before, layer.running_mean)


def test_batch_norm_depends_on_the_batch_and_instance_norm_does_not() -> None:
    x = tensor(features(3, 4, 3, 6, 6))
    batch, instance = BatchNorm(3), InstanceNorm(3)
    assert not torch.allclose(batch(x)[:1], batch(x[:1]), atol=1e-2)
    torch.testing.assert_close(instance(x)[:1], instance(x[:1]))


def test_conditional_by_index_is_the_formula_of_each_style() -> None:
    x, layer = features(4, 3, 5, 6, 7), ConditionalInstanceNorm(4, 5)
    randomize(layer)
    index = torch.tensor([2, 0, 2])
    wanted = reference(x, (2, 3), column(layer.gamma[index]), column(layer.beta[index]))
    np.testing.assert_allclose(layer(tensor(x), index).detach(), wanted, rtol=1e-4, atol=2e-5)
    for style in range(4):
        alone = InstanceNorm(5)
        alone.load_state_dict({"gamma": layer.gamma[style], "beta": layer.beta[style]})
        torch.testing.assert_close(layer(tensor(x), style), alone(tensor(x)))


def test_conditional_by_weights_mixes_the_pairs() -> None:
    x, layer = features(5, 2, 3, 6, 6), ConditionalInstanceNorm(3, 3)
    randomize(layer)
    weights = np.array([[0.2, 0.5, 0.3], [0.0, 1.0, 0.0]])
    gamma, beta = (weights @ p.detach().double().numpy() for p in (layer.gamma, layer.beta))
    wanted = reference(x, (2, 3), gamma[..., None, None], beta[..., None, None])
    found = layer(tensor(x), tensor(weights))
    np.testing.assert_allclose(found.detach(), wanted, rtol=1e-4, atol=2e-5)
    torch.testing.assert_close(layer(tensor(x), tensor(weights * 7)), found)  # ratios count
    torch.testing.assert_close(found[1:], layer(tensor(x), 1)[1:])
    one = layer(tensor(x), tensor(weights[0]))
    torch.testing.assert_close(one[0], found[0])
    # Mixing the pairs mixes the pictures: the map is linear in (gamma, beta).
    parts = [w * layer(tensor(x), k) for k, w in enumerate(weights[0])]
    torch.testing.assert_close(one, sum(parts[1:], parts[0]).to(one.dtype), rtol=1e-4, atol=1e-5)


def test_a_new_conditional_style_leaves_the_others_alone() -> None:
    layer = ConditionalInstanceNorm(4, 3)
    layer(torch.randn(2, 3, 5, 5), 1).square().sum().backward()
    assert layer.gamma.grad is not None
    assert layer.gamma.grad.abs().sum(1).nonzero().flatten().tolist() == [1]


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("unbiased", [False, True])
def test_adain_known(samples: int, unbiased: bool) -> None:
    x, y = features(6, 2, 4, 7, 5), features(7, samples, 4, 9, 3)
    (mu_x, sigma_x), (mu_y, sigma_y) = (moments(v, unbiased=unbiased) for v in (x, y))
    wanted = sigma_y * (x - mu_x) / sigma_x + mu_y
    found = adain(tensor(x), tensor(y), unbiased=unbiased)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=2e-5)
    assert torch.equal(AdaIN(unbiased=unbiased)(tensor(x), tensor(y)), found)
    assert not list(AdaIN().parameters())


def test_adain_is_instance_norm_with_the_pair_of_the_style() -> None:
    x, y = tensor(features(8, 2, 4, 6, 6)), tensor(features(9, 1, 4, 5, 5))
    layer = InstanceNorm(4)
    mean, std = mean_std(y)
    layer.load_state_dict({"gamma": std.flatten(), "beta": mean.flatten()})
    torch.testing.assert_close(adain(x, y), layer(x), rtol=1e-5, atol=1e-5)


few = settings(max_examples=40, deadline=None)
shapes = st.tuples(*(st.integers(1, high) for high in (3, 4, 9, 9)))
seeds = st.integers(0, 2**31)


@few
@given(shapes, seeds)
def test_instance_norm_has_the_moments_asked_for(shape: tuple[int, ...], seed: int) -> None:
    x, layer = features(seed, *shape), InstanceNorm(shape[1])
    randomize(layer, seed)
    out = layer(tensor(x)).detach().double().numpy()
    variance = x.var(axis=(2, 3))
    gamma, beta = (p.detach().double().numpy() for p in (layer.gamma, layer.beta))
    np.testing.assert_allclose(out.mean(axis=(2, 3)), np.tile(beta, (shape[0], 1)), atol=2e-4)
    # eps keeps the deviation of a nearly flat channel below gamma.
    wanted = abs(gamma) * np.sqrt(variance / (variance + EPS))
    np.testing.assert_allclose(out.std(axis=(2, 3)), wanted, rtol=2e-3, atol=2e-3)


@few
@given(shapes, st.integers(1, 9), st.integers(1, 9), seeds)
def test_adain_has_the_moments_of_the_style(
    shape: tuple[int, ...], height: int, width: int, seed: int
) -> None:
    x, y = features(seed, *shape), features(seed + 1, *shape[:2], height, width)
    out = adain(tensor(x), tensor(y)).double().numpy()
    mean, std = moments(y)
    variance = x.var(axis=(2, 3))
    np.testing.assert_allclose(out.mean(axis=(2, 3)), mean[..., 0, 0], rtol=1e-4, atol=2e-3)
    wanted = std[..., 0, 0] * np.sqrt(variance / (variance + EPS))
    np.testing.assert_allclose(out.std(axis=(2, 3)), wanted, rtol=2e-3, atol=2e-3)


@few
@given(shapes, seeds)
def test_adain_of_a_picture_with_itself_is_the_picture(shape: tuple[int, ...], seed: int) -> None:
    x = tensor(features(seed, *shape))
    torch.testing.assert_close(adain(x, x), x, rtol=1e-4, atol=1e-4)


@few
@given(seeds, st.floats(0.5, 10), st.floats(-5, 5))
def test_adain_forgets_gain_and_offset_of_the_content(seed: int, gain: float, add: float) -> None:
    x, y = (torch.from_numpy(features(seed + k, 1, 3, 6, 6)) for k in (0, 1))
    torch.testing.assert_close(adain(x * gain + add, y), adain(x, y), rtol=1e-2, atol=1e-2)


def double(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(*shape, dtype=torch.float64, generator=generator)
    return x.requires_grad_()


def test_gradients() -> None:
    x, y = double(2, 3, 3, 2), double(1, 3, 2, 4)
    check: Callable[..., bool] = torch.autograd.gradcheck
    assert check(adain, (x, y))
    assert check(lambda v: mean_std(v, unbiased=True), (x,))
    for layer in (BatchNorm(3).double(), BatchNorm(3).double().eval(), InstanceNorm(3).double()):
        randomize(layer)
        assert check(lambda v, g, b: with_pair(layer, v, g, b), (x, double(3), double(3)))  # noqa: B023
    many = ConditionalInstanceNorm(2, 3).double()
    weights = torch.tensor([[0.3, 0.7], [0.9, 0.1]], dtype=torch.float64, requires_grad=True)
    pair = (double(2, 3), double(2, 3))
    assert check(lambda v, w, g, b: with_pair(many, v, g, b, w), (x, weights, *pair))
    index = torch.tensor([1, 0])
    assert check(lambda v, g, b: with_pair(many, v, g, b, index), (x, *pair))


def with_pair(layer: torch.nn.Module, x: torch.Tensor, gamma: torch.Tensor, beta: torch.Tensor,
              *style: torch.Tensor) -> torch.Tensor:  # fmt: skip
    return torch.func.functional_call(layer, {"gamma": gamma, "beta": beta}, (x, *style))


def test_half_precision_keeps_its_statistics_in_single() -> None:
    # The mean is far from 0: sums in bfloat16 would be wrong in the first digit.
    x = (torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(1)) + 20).bfloat16()
    y = (torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(2)) * 3).bfloat16()
    mean, std = mean_std(x)
    assert mean.dtype == std.dtype == torch.float32
    wanted = moments(x.double().numpy())
    np.testing.assert_allclose(mean, wanted[0], rtol=1e-5)
    np.testing.assert_allclose(std, wanted[1], rtol=1e-4)
    exact = adain(x.double(), y.double())
    layers = (BatchNorm(4), InstanceNorm(4), lambda v: ConditionalInstanceNorm(2, 4)(v, 1))
    with torch.autocast("cpu", torch.bfloat16):
        found = adain(x, y)
        assert found.dtype == torch.bfloat16
        torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-3)
        for layer in layers:
            torch.testing.assert_close(layer(x).double(), layer(x.double()), rtol=2**-8, atol=1e-3)


def test_moments_far_from_zero_keep_their_digits() -> None:
    x = features(30, 1, 3, 16, 16) + 1e4  # mean square minus squared mean would lose them all
    _, std = mean_std(tensor(x))
    np.testing.assert_allclose(std, moments(tensor(x).double().numpy())[1], rtol=1e-3)


def test_flat_channels_stay_finite() -> None:
    flat, y = torch.full((1, 2, 4, 4), 3.0, requires_grad=True), torch.randn(1, 2, 5, 5)
    out = adain(flat, y)
    out.sum().backward()
    assert flat.grad is not None
    assert flat.grad.isfinite().all()
    torch.testing.assert_close(out, y.mean((2, 3), keepdim=True).expand_as(out))


def test_graphs_keep_height_and_width_open() -> None:
    height, width = (torch.export.Dim(name, min=2, max=512) for name in ("h", "w"))
    program = torch.export.export(
        AdaIN(), (torch.randn(1, 3, 8, 9), torch.randn(1, 3, 6, 6)),
        dynamic_shapes=({2: height, 3: width}, None),
    )  # fmt: skip
    x, y = torch.randn(1, 3, 31, 17), torch.randn(1, 3, 6, 6)
    torch.testing.assert_close(program.module()(x, y), adain(x, y))


def test_every_layer_is_exported_and_waits_for_no_device() -> None:
    x = torch.randn(2, 4, 8, 9)
    index, weights = torch.tensor([1, 0]), torch.rand(2, 3)
    layers: list[tuple[torch.nn.Module, tuple[torch.Tensor, ...]]] = [
        *((each.eval(), ()) for each in (BatchNorm(4), BatchRenorm(4), InstanceNorm(4))),
        *((each, ()) for each in (LayerNorm(4), GroupNorm(2, 4), GroupNorm(2, 4, affine=False))),
        (ConditionalInstanceNorm(3, 4), (index,)),
        (ConditionalInstanceNorm(3, 4), (weights,)),
        (StyleCode(4, code=5), (torch.randn(2, 5),)),
        (Noise(4), (torch.randn(2, 1, 8, 9),)),
    ]
    for layer, others in layers:
        program = torch.export.export(layer, (x, *others))
        torch.testing.assert_close(program.module()(x, *others), layer(x, *others))
        # On this device there are no values: whatever asked for one would raise.
        afar = (each.to("meta") for each in (x, *others))
        assert layer.train().to("meta")(*afar).shape == x.shape


x4 = torch.zeros(2, 3, 4, 4)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: mean_std(torch.zeros(3, 4, 4)), r"\(N, C, H, W\).*\(3, 4, 4\)"),
        (lambda: mean_std(torch.zeros(1, 3, 4, 4, dtype=torch.uint8)), "uint8"),
        (lambda: mean_std(torch.zeros(1, 3, 0, 4)), "too few pixels"),
        (lambda: mean_std(torch.zeros(1, 3, 1, 1), unbiased=True), "an unbiased variance"),
        (lambda: InstanceNorm(4)(x4), "4 channels"),
        (lambda: GroupNorm(2, 5), "5 channels cannot be divided into 2 groups"),
        (lambda: LayerNorm(4)(x4), "4 channels"),
        (lambda: BatchRenorm(3)(torch.zeros(1, 3, 1, 1)), "one value per channel"),
        (lambda: BatchRenorm(3, bounds=(0.5, 1)), "r_max must be 1 or more"),
        (lambda: BatchRenorm(3, steps=(9, 3, 20)), "the bounds must begin to open before"),
        (lambda: reestimate(InstanceNorm(3), [x4]), "no batch normalization"),
        (lambda: reestimate(BatchNorm(3), []), "at least one"),
        (lambda: BatchNorm(4)(x4), "4 channels"),
        (lambda: BatchNorm(3)(torch.zeros(1, 3, 1, 1)), "one value per channel"),
        (lambda: ConditionalInstanceNorm(5, 3)(x4, 5), "outside 0 to 4"),
        (lambda: ConditionalInstanceNorm(5, 3)(x4, -1), "outside 0 to 4"),
        (lambda: ConditionalInstanceNorm(5, 3)(x4, torch.tensor([0, 1, 2])), "3 styles"),
        (lambda: ConditionalInstanceNorm(5, 3)(x4, torch.zeros(2, 2).long()), "index"),
        (lambda: ConditionalInstanceNorm(5, 3)(x4, torch.ones(4)), r"\(5,\)"),
        (lambda: ConditionalInstanceNorm(5, 3)(x4, torch.zeros(5)), "not all 0"),
        (
            lambda: ConditionalInstanceNorm(2, 3)(x4, torch.tensor([-1.0, 2])),
            "must be finite, 0 or more",
        ),
    ],
)
def test_mistakes_are_told(call: Callable[[], object], says: str) -> None:
    with pytest.raises(OptionError, match=says):
        call()


@pytest.mark.parametrize("shape", [(1, 4, 4, 4), (3, 3, 4, 4)])
def test_styles_that_do_not_fit_are_told(shape: tuple[int, ...]) -> None:
    with pytest.raises(StyleError, match="do not fit"):
        adain(x4, torch.zeros(shape))
