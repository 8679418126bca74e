"""The siblings of AdaIN whose styles are built in: their networks, what they learn and how."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_parts import changed, make_config, vgg_weights, write_pictures
from torch import nn
from torch.nn import functional as F

from impasto.errors import ImageError, ModelError, OptionError
from impasto.lab.losses import gram
from impasto.lab.methods.cin import CIN, CINShape
from impasto.lab.methods.johnson import Johnson, JohnsonShape
from impasto.lab.methods.stylebank import BANK, StyleBank, StyleBankShape, relit
from impasto.lab.methods.ulyanov import Ulyanov, UlyanovShape
from impasto.lab.nets.batchnorm import BatchNorm
from impasto.lab.nets.normalization import ConditionalInstanceNorm, InstanceNorm
from impasto.lab.training.batches import Batches, BatchOptions
from impasto.lab.training.builtin import StyleDraws, TwoBranches, even_volumes, read_styles
from impasto.lab.training.checkpoints import read_checkpoint
from impasto.lab.training.config import CHOICES, read_config
from impasto.lab.training.journal import Preview
from impasto.lab.training.loop import train
from impasto.lab.training.networks import (
    NORMALIZATIONS,
    BuiltInRow,
    all_networks,
    find_network,
)
from impasto.lab.training.optimizers import parameter_groups
from impasto.lab.training.setup import open_setup

CPU = torch.device("cpu")
CONFIGS = Path(__file__).parents[1] / "configs"
STYLES = 3

BUILT_IN = [row for row in all_networks() if isinstance(row, BuiltInRow)]
NETWORKS = {
    "johnson": lambda: Johnson(JohnsonShape(8, 2)),
    "johnson-batch": lambda: Johnson(JohnsonShape(8, 2), normalization=BatchNorm),
    "ulyanov": lambda: Ulyanov(UlyanovShape(4, 4)),
    "ulyanov-batch": lambda: Ulyanov(UlyanovShape(4, 4), normalization=BatchNorm),
    "cin": lambda: CIN(STYLES, CINShape(8, 2)),
    "stylebank": lambda: StyleBank(STYLES, StyleBankShape(8)),
}


def lively(network: nn.Module, *, seed: int = 0) -> nn.Module:
    """``network`` with weights as after some training: no style is like another."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))
        if any(isinstance(module, BatchNorm) for module in network.modules()):
            for i in range(40):  # running statistics as of some training
                network.train()(picture(2, 32, 32, seed=i))
    return network


def one_hot(*numbers: int, styles: int = STYLES) -> torch.Tensor:
    return F.one_hot(torch.tensor(numbers), styles).float()[..., None, None]


@pytest.fixture(params=NETWORKS, scope="module")
def network(request: pytest.FixtureRequest) -> nn.Module:
    torch.manual_seed(0)
    return lively(NETWORKS[request.param]()).eval()


def picture(n: int, height: int, width: int, *, seed: int = 0) -> torch.Tensor:
    random = torch.Generator().manual_seed(seed)
    small = torch.rand(n, 3, height // 4, width // 4, generator=random)
    return F.interpolate(small, (height, width), mode="bicubic").clamp(0, 1)


# --- one contract for all ---


@torch.no_grad()
def test_the_picture_keeps_its_size_and_its_range(network):
    for rows, columns in ((2, 3), (5, 4)):
        image = picture(2, rows * 16, columns * 16)
        assert image.shape[2] % network.multiple == 0
        painted = network(image, one_hot(0, 1)[:, : network.styles])
        assert painted.shape == image.shape
        assert painted.isfinite().all() and painted.std() > 0.01
        assert -0.5 < painted.mean() < 1.5


@torch.no_grad()
def test_a_batch_is_its_pictures_one_by_one(network):
    image = picture(3, 32, 48)
    weights = one_hot(0, 2, 1)[:, : network.styles]
    together = network(image, weights)
    for i in range(3):
        alone = network(image[i : i + 1], weights[i : i + 1])
        assert torch.allclose(together[i : i + 1], alone, atol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
def test_a_seed_decides_all(name):
    image = picture(1, 32, 32)
    outputs = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        with torch.no_grad():
            made = NETWORKS[name]().eval()
            outputs.append(made(image, one_hot(0)[:, : made.styles]))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.allclose(outputs[0], outputs[2], atol=1e-4)


@torch.no_grad()
def test_styles_differ_and_mix(network):
    image = picture(1, 32, 32)
    if network.styles == 1:
        assert not network.controls
        return
    assert "several" in network.controls
    first, second = (network(image, one_hot(i)) for i in range(2))
    assert (first - second).abs().max() > 1e-3
    mixed = network(image, (one_hot(0) + one_hot(1)) / 2)
    assert min((mixed - each).abs().max() for each in (first, second)) > 1e-4
    # Weights of 0 count for nothing at all.
    assert torch.equal(network(image, one_hot(0) * 1.0), first)


def test_the_rows_say_what_the_networks_can():
    names = [row.name for row in BUILT_IN]
    assert names == ["johnson", "ulyanov", "cin", "stylebank"]
    assert set(NORMALIZATIONS) == set(CHOICES["normalization"])
    for row in BUILT_IN:
        config = read_config(CONFIGS / f"{row.name}.toml")
        assert config.network == row.name and find_network(row.name) is row
        styles = 1 if row.single else 2
        made = row.build(config.method, styles)
        assert made.styles == styles and made.multiple >= 4
        assert bool(made.controls) != row.single


def test_the_papers_networks_have_the_papers_numbers():
    # Johnson's in numbers of weights: three down, ten in blocks, two up, one head; pairs of IN.
    convolutions = 81 * 3 * 32 + 9 * (32 * 64 + 64 * 128 + 10 * 128 * 128 + 128 * 64 + 64 * 32)
    convolutions += 81 * 32 * 3 + 3
    pairs = 2 * (32 + 64 + 128 + 10 * 128 + 64 + 32)
    assert sum(p.numel() for p in Johnson().parameters()) == convolutions + pairs
    # "2FS": a style of CIN is a gamma and a beta for every feature map, the three of the end too.
    sizes = [sum(p.numel() for p in CIN(n).parameters()) for n in (1, 32)]
    assert sizes[1] - sizes[0] == 31 * 2 * (pairs // 2 + 3)
    # StyleBank: 128 filters of 128 x 3 x 3 a style.
    sizes = [sum(p.numel() for p in StyleBank(n).parameters()) for n in (1, 3)]
    assert sizes[1] - sizes[0] == 2 * 128 * 128 * 9
    assert len(read_config(CONFIGS / "cin.toml").data.styles) == 32


# --- known answers ---


@torch.no_grad()
def test_cin_with_one_style_is_instance_normalization_with_that_pair():
    torch.manual_seed(0)
    conditional = lively(CIN(4, CINShape(8, 2))).eval()
    image = picture(2, 32, 48)
    for style in range(4):
        plain = CIN(1, CINShape(8, 2)).eval()
        weights = conditional.state_dict()
        for name, value in weights.items():
            if name.endswith(("gamma", "beta")):
                weights[name] = value[style : style + 1]
        plain.load_state_dict(weights)
        for module in plain.modules():  # each CIN of one style becomes an IN with its pair
            for name, child in list(module.named_children()):
                if isinstance(child, ConditionalInstanceNorm):
                    module.register_module(name, _Plain(child))
        wanted = plain(image, one_hot(0, styles=1))
        assert torch.equal(conditional(image, one_hot(style, styles=4)), wanted)


class _Plain(nn.Module):
    """Instance normalization that is handed a style it does not ask for."""

    def __init__(self, one: ConditionalInstanceNorm) -> None:
        super().__init__()
        self.layer = InstanceNorm(one.gamma.shape[1])
        self.layer.load_state_dict({"gamma": one.gamma[0], "beta": one.beta[0]})

    def forward(self, x, style):
        return self.layer(x)


@torch.no_grad()
def test_stylebank_mixes_banks_regions_and_strengths():
    torch.manual_seed(0)
    bank = lively(StyleBank(STYLES, StyleBankShape(8))).eval()
    image = picture(1, 32, 48)
    features = bank.encode(image)
    kernels = bank.banks.unflatten(2, (32, BANK, BANK))

    def by(kernel, x):
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel)

    # A style is its bank, and nothing is the auto-encoder.
    assert torch.allclose(bank.banked(features, one_hot(2)), by(kernels[2], features), atol=1e-5)
    assert torch.equal(bank(image, torch.zeros(1, STYLES, 1, 1)), bank.reconstruct(image))
    # Linear fusion is the convolution with the mixed bank; strength goes on a straight line.
    weights = torch.tensor([0.25, 0.5, 0.25])[None, :, None, None]
    mixed = (weights.reshape(-1, 1, 1, 1, 1) * kernels).sum(0)
    assert torch.allclose(bank.banked(features, weights), by(mixed, features), atol=1e-5)
    half = bank.banked(features, 0.5 * one_hot(1))
    assert torch.allclose(half, (by(kernels[1], features) + features) / 2, atol=1e-5)
    # Regions: each bank sees its own, and maps that are even are the weights.
    even = one_hot(1).expand(1, STYLES, 8, 12).contiguous()
    assert torch.allclose(bank.banked(features, even), by(kernels[1], features), atol=1e-5)
    mask = torch.zeros(1, STYLES, 8, 12)
    mask[:, 0, :, :6], mask[:, 1, :, 6:] = 1.0, 1.0
    parts = bank.banked(features, mask)
    left, right = (by(kernels[i], features) for i in range(2))
    assert torch.allclose(parts[..., :5], left[..., :5], atol=1e-5)
    assert torch.allclose(parts[..., 7:], right[..., 7:], atol=1e-5)
    seam = by(kernels[0], features * mask[:, :1]) + by(kernels[1], features * mask[:, 1:2])
    assert torch.allclose(parts, seam, atol=1e-5)


@torch.no_grad()
def test_the_light_of_the_photograph_comes_back_where_there_is_no_style():
    painted, image = picture(2, 32, 48), 0.2 + 0.3 * picture(2, 32, 48, seed=1)
    assert torch.equal(relit(painted, image, torch.zeros(1, 1, 1, 1)), painted)
    lit = relit(painted, image, torch.ones(1, 1, 1, 1))
    for got, wanted in zip(torch.std_mean(lit, (2, 3)), torch.std_mean(image, (2, 3)), strict=True):
        assert torch.allclose(got, wanted, atol=2e-3)
    # A region's light is that of the region, and the rest is left alone.
    share = torch.zeros(2, 1, 8, 12)
    share[..., :6] = 1
    half = relit(painted, image, share)
    assert torch.equal(half[..., 26:], painted[..., 26:])
    inside = (image[..., :20].mean((2, 3)) - half[..., :20].mean((2, 3))).abs().max()
    assert inside < 0.25 * (image - painted)[..., :20].mean((2, 3)).abs().max()
    # Half a strength is half the way.
    way = relit(painted, image, torch.full((1, 1, 1, 1), 0.5))
    assert torch.allclose(way, (lit + painted) / 2, atol=1e-5)


@torch.no_grad()
def test_stylebank_stays_near_the_range_of_pictures():
    bank = StyleBank(1, StyleBankShape(8)).eval()
    bank.head.weight.mul_(1e3)
    painted = bank(picture(1, 32, 32), torch.ones(1, 1, 1, 1))
    assert (painted - 0.5).abs().max() == pytest.approx(150 / 255, abs=1e-4)


def test_gram_matrices_are_products_of_channels():
    x = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    wanted = np.einsum("nchw,ndhw->ncd", x.numpy(), x.numpy()) / 42
    np.testing.assert_allclose(gram(x).numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_loud_styles_are_evened_out_as_far_as_asked():
    quiet, loud = torch.full((2, 2), 1.0), torch.full((2, 2), 7.0)
    wanted = {"relu1_1": torch.stack([quiet, loud])}
    squares = torch.tensor([1.0, 49.0])
    assert torch.equal(even_volumes(wanted, 0.0), torch.ones(2))
    counts = even_volumes(wanted, 1.0) ** 2 * squares
    assert torch.allclose(counts, torch.full((2,), 25.0))
    counts = even_volumes(wanted, 0.5) ** 2 * squares  # what was 49 times is 7 times
    assert float(counts[1] / counts[0]) == pytest.approx(7.0)
    assert torch.equal(even_volumes({"relu1_1": loud[None]}, 1.0), torch.ones(1))


# --- training ---


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("siblings")
    torch.save(vgg_weights(), folder / "vgg.pth")
    paintings = write_pictures(folder / "paintings", 3, seed=1)
    return make_config(
        network="stylebank",
        vgg=str(folder / "vgg.pth"),
        contents={str(write_pictures(folder / "photos", 12)): 1.0},
        styles={str(paintings / "0.png"): 1.0, f"second={paintings / '1.png'}": 1.0},
        width=4,
        style_side=64,
        iterations=4,
        batch=2,
        crop=32,
        style=1e-3,
        optimizer="adam",
        learning_rate=1e-3,
        precision="fp32",
        clip=0.0,
        ema=0.5,
        log_every=1,
        preview_every=0,
        warmup=1,
        checkpoint_seconds=0.0,
    )


def _rows(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def _only(config, network):
    """The config for ``network``, with one style where it takes one."""
    styles = config.data.styles
    if find_network(network).single:
        styles = dict([next(iter(styles.items()))])
    # The coarsest of ulyanov's six scales needs more than one pixel.
    crop = 64 if network == "ulyanov" else config.data.crop
    return changed(config, network=network, styles=styles, crop=crop)


@pytest.mark.parametrize("name", [row.name for row in BUILT_IN])
def test_every_weight_is_learned_and_the_loss_falls(config, name, tmp_path):
    settings = changed(
        _only(config, name), iterations=16, learning_rate=5e-3, content=0.0, style=1e-2
    )
    setup = open_setup(settings, find_network(name), CPU)
    batch = setup.objective.prepare(setup.contents.batch(2), setup.styles.batch(2))
    loss, terms = setup.objective.at(0)(setup.learned, batch)
    loss.backward()
    assert set(terms) == {"content", "style", "variation"}
    for parameter_name, parameter in setup.learned.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, parameter_name
    # Of the same pictures in the same styles: those of single steps are louder and quieter.
    train(settings, tmp_path)
    setup.learned.load_state_dict(read_checkpoint(tmp_path / "checkpoint.pt")["network"])
    _, after = setup.objective.at(0)(setup.learned, batch)
    assert after["style"] < 0.8 * terms["style"]


@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_bank_moves_in_steps_that_draw_it_alone(config, optimizer, tmp_path, monkeypatch):
    steps, seen = TwoBranches.__call__, []

    def watched(self, learned, batch):
        drawn = batch.weights[0, :, 0, 0] > 0
        seen.append((drawn & (not self.reconstructs), learned.banks.detach().clone()))
        return steps(self, learned, batch)

    monkeypatch.setattr(TwoBranches, "__call__", watched)
    settings = changed(config, batch=1, iterations=12, banks_every=2, optimizer=optimizer)
    train(settings, tmp_path)
    moves = [(after - before).abs().amax((1, 2)) for (_, before), (_, after) in pairwise(seen)]
    drawn = torch.stack([each for each, _ in seen[:-1]])
    assert drawn.any(0).all() and not drawn[2].any()  # both are drawn; the auto-encoder's step
    assert torch.equal(torch.stack(moves) > 0, drawn)


@pytest.mark.parametrize("name", ["johnson", "ulyanov", "stylebank"])
def test_normalization_is_chosen_by_a_field(config, name):
    for choice, layer in NORMALIZATIONS.items():
        settings = changed(_only(config, name), normalization=choice)
        layers = {type(m) for m in find_network(name).build(settings.method, 1).modules()}
        assert layer in layers and not layers & (set(NORMALIZATIONS.values()) - {layer})
    with pytest.raises(OptionError, match="layer"):
        changed(_only(config, name), normalization="layer")


def test_a_bank_is_not_added_where_statistics_would_move_for_all(config):
    with pytest.raises(OptionError, match='add_styles needs normalization = "instance"'):
        changed(config, normalization="batch", add_styles=True, start="runs/bank/checkpoint.pt")


def test_the_style_loss_counts_a_style_as_its_volume_says(config):
    terms = {}
    for evenness in (0.0, 1.0):
        settings = changed(config, even_styles=evenness)
        objective = open_setup(settings, find_network("stylebank"), CPU).objective
        for number in range(2):
            batch = objective.prepare(picture(1, 32, 32), torch.tensor([number]))
            terms[evenness, number] = float(objective.terms(batch.contents, batch)["style"])
    volumes = even_volumes(objective.wanted, 1.0)
    assert abs(float(volumes[0] - volumes[1])) > 0.01
    for number in range(2):
        wanted = terms[0.0, number] * float(volumes[number]) ** 2
        assert terms[1.0, number] == pytest.approx(wanted, rel=1e-4)
    with pytest.raises(OptionError, match="even_styles"):
        changed(config, even_styles=1.5)


def test_photographs_that_are_used_again_meet_other_styles(config):
    setup = open_setup(config, find_network("stylebank"), CPU)
    options = BatchOptions(batch=1, repeats=2, seed=0, block=4)
    batches = Batches(setup.objective, setup.contents, setup.styles, options=options)
    steps = [batches.at(step)[0] for step in range(8)]
    first = {id(batch.contents): batch.weights for batch in steps[:4]}
    for batch in steps[4:]:
        wanted = setup.objective.prepare(batch.contents, batch.weights[:, :, 0, 0].argmax(1))
        assert torch.equal(batch.weights, wanted.weights)
        assert torch.allclose(batch.target, wanted.target, atol=1e-5)
        assert batch.weights is not first[id(batch.contents)]


def test_styles_may_have_a_rate_of_their_own(config, tmp_path):
    """Adam's first step is the rate, for every weight that has a gradient."""
    settings = changed(config, network="cin", iterations=1, style_rate=4.0)
    torch.manual_seed(settings.seed)
    setup = open_setup(settings, find_network("cin"), CPU)
    before = {name: value.clone() for name, value in setup.learned.state_dict().items()}
    groups = parameter_groups(settings, setup.learned, setup.moving)
    assert sorted(id(p) for g in groups for p in g["params"]) == sorted(map(id, setup.moving))
    first = read_checkpoint(train(settings, tmp_path))["network"]
    moved: dict[bool, list[float]] = {True: [], False: []}
    for name, value in first.items():
        own = name.endswith(("gamma", "beta"))
        moved[own].append(float((value - before[name]).abs().max()))
    assert max(moved[True]) == pytest.approx(4e-3, rel=0.01)
    assert max(moved[False]) == pytest.approx(1e-3, rel=0.01)
    # It goes on with it, and says so where the steps before were made without.
    train(changed(settings, iterations=2), tmp_path)
    with pytest.raises(ModelError, match="style_rate"):
        train(changed(config, network="cin", iterations=3), tmp_path)
    with pytest.raises(OptionError, match="style_rate = 0"):
        changed(config, style_rate=0.0)


@pytest.mark.parametrize("name", ["johnson", "stylebank"])
def test_resume_gives_the_losses_of_an_uninterrupted_run(config, tmp_path, name):
    settings = changed(_only(config, name), iterations=6, schedule="inverse")
    train(settings, tmp_path / "whole")
    for steps in (1, 2, 5, 6):  # stylebank: in front of a step of the auto-encoder, and behind it
        part = changed(settings, iterations=steps)
        train(part, tmp_path / "parts")
    whole, parts = (read_checkpoint(tmp_path / way / "checkpoint.pt") for way in ("whole", "parts"))
    assert [row["loss"] for row in _rows(tmp_path / "whole")] == [
        row["loss"] for row in _rows(tmp_path / "parts")
    ]
    for key, value in whole["average"].items():
        assert torch.equal(value, parts["average"][key]), key


@pytest.mark.parametrize("every", [1, 2, 4])
def test_stylebank_goes_to_the_auto_encoder_after_every_t_steps(config, tmp_path, every):
    train(changed(config, banks_every=every, iterations=10), tmp_path)
    branches = ["I" if row["identity"] else "K" for row in _rows(tmp_path)]
    assert branches == (["K"] * every + ["I"]) * (10 // (every + 1)) + ["K"] * (10 % (every + 1))
    for row in _rows(tmp_path):
        assert bool(row["style"]) != bool(row["identity"])


@pytest.mark.parametrize("balance", [1.0, 0.5])
def test_stylebank_balances_the_gradient_as_published(config, balance):
    settings = changed(config, balance=balance)
    setup = open_setup(settings, find_network("stylebank"), CPU)
    objective, learned = setup.objective, setup.learned
    assert isinstance(objective, TwoBranches)
    batch = objective.prepare(setup.contents.batch(2), torch.tensor([0, 1]))

    def gradients(step):
        learned.zero_grad(set_to_none=True)
        objective.at(step)(learned, batch)[0].backward()
        own = {id(p) for p in learned.style_parameters()}
        before = {n: p.grad.clone() for n, p in learned.named_parameters() if p.grad is not None}
        setup.settle()
        shared = [p for p in learned.parameters() if id(p) not in own]
        return before, torch.cat([p.grad.flatten() for p in shared]), shared

    before, banks_gradient, _ = gradients(1)
    for name, parameter in learned.named_parameters():  # with the banks nothing is scaled
        assert torch.equal(parameter.grad, before[name])
    before, scaled, shared = gradients(2)
    assert learned.banks.grad is None  # encoder and decoder only
    raw = torch.cat([before[n].flatten() for n, _ in learned.named_parameters() if n in before])
    assert scaled.norm() == pytest.approx(balance * float(banks_gradient.norm()), rel=1e-5)
    direction = F.cosine_similarity(scaled, raw, dim=0)
    assert direction == pytest.approx(1.0, abs=1e-5) and len(shared) == len(before)


def test_the_auto_encoder_alone_learns_to_give_the_photograph_back(config, tmp_path):
    settings = changed(
        config, iterations=120, width=8, content=0.0, style=0.0, variation=1e-3, banks_every=1,
        learning_rate=5e-3, balance=30.0,
    )  # fmt: skip
    train(settings, tmp_path)
    squares = [float(row["identity"]) for row in _rows(tmp_path) if row["identity"]]
    assert np.mean(squares[-5:]) < 0.5 * np.mean(squares[:5])


@pytest.mark.parametrize("name", ["cin", "stylebank"])
def test_a_new_style_moves_nothing_else(config, tmp_path, name):
    """Encoder and decoder keep their weights, and the other styles their pictures, to the bit."""
    first = changed(config, network=name, iterations=3)
    start = train(first, tmp_path / "first")
    third = Path(next(iter(config.data.styles))).with_name("2.png")
    more = changed(first, styles={str(third): 1.0}, start=str(start), add_styles=True, iterations=4,
                   width=0)  # fmt: skip
    saved = read_checkpoint(train(more, tmp_path / "more"))
    assert saved["names"] == ["0", "second", "2"]
    assert read_config(tmp_path / "more" / "config.toml").method.width == 4  # that of the start
    assert not any(row.get("identity") for row in _rows(tmp_path / "more"))  # one branch
    old, new = (find_network(name).build(config.method, n).eval() for n in (2, 3))
    for network, checkpoint in ((old, read_checkpoint(start)), (new, saved)):
        network.load_state_dict(
            {
                k.removeprefix("module."): v
                for k, v in checkpoint["average"].items()
                if k.startswith("module.")
            }
        )
    own = {id(p) for p in new.style_parameters()}
    before = dict(old.named_parameters())
    for key, value in new.named_parameters():
        if id(value) in own:
            assert torch.equal(value[:2], before[key]), key
            # It starts between the others and goes its own way.
            assert not torch.equal(value[2], before[key].mean(0)), key
        else:
            assert torch.equal(value, before[key]), key
    image = picture(1, 32, 48)
    with torch.no_grad():
        for i in range(2):
            wanted = old(image, one_hot(i, styles=2))
            assert torch.equal(new(image, one_hot(i, styles=3)), wanted)
        assert (new(image, one_hot(2)) - wanted).abs().max() > 1e-4


def test_styles_are_the_files_of_the_config(config, tmp_path):
    found = read_styles(config)
    assert [style.name for style in found] == ["0", "second"]
    folder = Path(next(iter(config.data.styles))).parent
    whole = read_styles(changed(config, styles={str(folder): 3.0}))
    assert [(style.name, style.share) for style in whole] == [("0", 1.0), ("1", 1.0), ("2", 1.0)]
    assert min(whole[0].picture.shape[:2]) == 64
    (tmp_path / "broken.png").write_bytes(b"no picture")
    for styles, error, message in (
        ({str(tmp_path / "broken.png"): 1.0}, ImageError, "broken.png: cannot be used as a style"),
        ({str(tmp_path / "gone.png"): 1.0}, ImageError, "gone.png"),
        ({str(folder): 1.0, str(folder / "1.png"): 1.0}, OptionError, "two pictures.*'1'"),
        ({f"one={folder}": 1.0}, OptionError, "3 pictures"),
    ):
        with pytest.raises(error, match=message):
            read_styles(changed(config, styles=styles))


def test_draws_follow_the_shares_and_go_on_where_they_stood():
    draws = StyleDraws([3.0, 1.0], first=5, seed=0)
    numbers = draws.batch(4000)
    assert set(numbers.tolist()) == {5, 6}
    assert (numbers == 5).float().mean() == pytest.approx(0.75, abs=0.03)
    state = draws.state()
    wanted = draws.batch(8)
    draws.restore(state)
    assert torch.equal(draws.batch(8, only=[1, 3]), wanted[[1, 3]])


def test_what_cannot_be_is_said_before_the_work(config, tmp_path):
    for change, message in (
        ({"network": "johnson"}, "one style, but .data.styles. has 2 pictures .0, second."),
        (
            {"network": "ulyanov", "add_styles": True, "start": "x"},
            "only these have it: cin, stylebank",
        ),
        (
            {"network": "fast", "add_styles": True, "start": "fast"},
            "only these have it: cin, stylebank",
        ),
        ({"network": "ulyanov", "styles": _renamed(config), "crop": 48}, "multiple of 32"),
        ({"repeats": 2}, "'stylebank' has no 'repeats'"),
        ({"mesh": 1.0}, "'stylebank' has no 'mesh'"),
        ({"colors": 1.0}, "'stylebank' has no 'colors'"),
        ({"teacher": "decoder.pth"}, "'stylebank' has no 'teacher'"),
    ):
        with pytest.raises(OptionError, match=message):
            train(changed(config, **change), tmp_path / "run")
    for change in ({"add_styles": True}, {"add_styles": True, "start": "a", "optimizer": "muon"}):
        with pytest.raises(OptionError, match=r'start = "..." and optimizer.name = "adam"'):
            changed(config, **change)
    start = train(changed(config, iterations=1), tmp_path / "first")
    again = changed(config, start=str(start), add_styles=True)
    with pytest.raises(OptionError, match="already has a style '0'"):
        train(again, tmp_path / "run")
    other = changed(again, network="cin", styles=_renamed(config))
    with pytest.raises(ModelError, match="does not fit"):
        train(other, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def _renamed(config):
    return {f"third={next(iter(config.data.styles))}": 1.0}


def test_a_preview_shows_each_style_on_photographs(config, tmp_path, monkeypatch):
    monkeypatch.setattr(Preview, "side", 64)
    train(changed(config, iterations=1, preview_every=1), tmp_path)
    from PIL import Image

    with Image.open(tmp_path / "preview-000001.png") as sheet:
        assert sheet.size == (3 * 64, 4 * 64)
    with (tmp_path / "held-out.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert float(row["style"]) > 0
