"""Every number of the yardstick against a known answer."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from conftest import picture
from torch import Tensor

from impasto.lab.evaluate import features, pictures
from impasto.lab.evaluate.lines import COLUMNS, METRICS
from impasto.lab.losses import STYLE_LAYERS, content_loss, style_loss, transport

PINNED_DIRECTION = [-0.3288487, 0.6059436, 0.7243555]


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def batch(*images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)


def flat(value: float, *, side: int = 40) -> Tensor:
    return torch.full((1, 3, side, side), value)


def grayscale(plane: Tensor) -> Tensor:
    return plane.expand(1, 3, *plane.shape[-2:])


# transport


def test_directions_are_unit_vectors_and_always_the_same():
    found = transport.directions(512)
    assert found.shape == (transport.DIRECTIONS, 512)
    assert torch.allclose(found.norm(dim=1), torch.ones(len(found)))
    assert torch.equal(found, transport.directions(512))
    assert not torch.equal(found, transport.directions(512, seed=1))
    # Written down: another machine, another version must use these.
    assert transport.directions(3)[0].tolist() == pytest.approx(PINNED_DIRECTION, abs=1e-6)


@pytest.mark.parametrize("order", [1, 2])
def test_sorting_finds_the_cheapest_way(order):
    """In one dimension, against every way to pair the points."""
    random = np.random.default_rng(0)
    a, b = random.normal(size=(2, 6))
    cheapest = min(
        np.mean(np.abs(a - np.array(other)) ** order) for other in itertools.permutations(b)
    )
    axis = torch.ones(1, 1)
    one, two = (transport.projections(torch.from_numpy(x)[None], axis) for x in (a, b))
    found = transport.sliced_wasserstein(one, two, order=order)
    assert found == pytest.approx(cheapest ** (1 / order), rel=1e-5)


def test_a_shift_costs_its_shadow_and_places_cost_nothing():
    along = transport.directions(5)
    points = torch.randn(5, 300, generator=seeded())
    shift = torch.tensor([1.0, -2.0, 0.5, 0.0, 3.0])
    projection = transport.projections(points, along)
    moved = transport.projections(points + shift[:, None], along)
    expected = float((along @ shift).square().mean().sqrt())
    assert transport.sliced_wasserstein(projection, moved) == pytest.approx(expected, rel=1e-4)
    assert expected == pytest.approx(float(shift.norm()) / math.sqrt(5), rel=0.25)
    mixed = transport.projections(points[:, torch.randperm(300, generator=seeded())], along)
    assert transport.sliced_wasserstein(projection, mixed) == pytest.approx(0, abs=1e-6)
    twice = transport.projections(points.repeat_interleave(2, dim=1), along)
    assert transport.sliced_wasserstein(projection, twice) == pytest.approx(0, abs=1e-6)


# pictures


def test_ssim_of_flat_pictures_is_their_light():
    a, b = 0.3, 0.7
    expected = (2 * a * b + 1e-4) / (a * a + b * b + 1e-4)
    assert pictures.ssim(flat(a), flat(b)).item() == pytest.approx(expected, rel=1e-6)


def test_ssim_against_its_formula_window_by_window():
    x, y = (batch(picture(17, 21, seed=seed)) for seed in (0, 1))
    found = pictures.ssim(torch.cat([x, x]), torch.cat([y, x]))
    gray = [np.tensordot(pictures.LUMA, each[0].double().numpy(), 1) for each in (x, y)]
    line = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(line, line) / line.sum() ** 2
    values = []
    for top, left in itertools.product(range(7), range(11)):
        p, q = (plane[top : top + 11, left : left + 11] for plane in gray)
        mp, mq = (weights * p).sum(), (weights * q).sum()
        vp, vq = (weights * (p - mp) ** 2).sum(), (weights * (q - mq) ** 2).sum()
        cov = (weights * (p - mp) * (q - mq)).sum()
        values.append(
            (2 * mp * mq + 1e-4) * (2 * cov + 9e-4)
            / ((mp**2 + mq**2 + 1e-4) * (vp + vq + 9e-4))
        )  # fmt: skip
    assert found[0].item() == pytest.approx(np.mean(values), abs=1e-9)
    assert found[1].item() == pytest.approx(1)
    assert found[0] < 0.9


def test_ssim_against_scikit_image():
    metrics = pytest.importorskip("skimage.metrics")
    x, y = (batch(picture(60, 71, seed=seed)) for seed in (0, 1))
    expected = metrics.structural_similarity(
        *(pictures.luma(each)[0, 0].numpy() for each in (x, y)),
        data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
    )  # fmt: skip
    assert pictures.ssim(x, y).item() == pytest.approx(expected, abs=1e-6)


def test_edge_similarity_of_a_ramp_and_nothing():
    slope = 0.01
    ramp = grayscale(torch.arange(40.0).expand(40, 40) * slope)
    c = 170 / 255**2
    # the Prewitt mask spans two pixels
    expected = c / ((2 * slope) ** 2 + c)
    assert pictures.edge_similarity(ramp, flat(0.2)).item() == pytest.approx(expected, rel=1e-4)
    lighter = ramp * 1.0 + 0.1
    assert pictures.edge_similarity(ramp, lighter).item() == pytest.approx(1, abs=1e-6)
    down = ramp.transpose(2, 3)  # as long a gradient: only its length is compared
    assert pictures.edge_similarity(ramp, down).item() == pytest.approx(1, abs=1e-6)


def test_psnr():
    assert pictures.psnr(flat(0.5), flat(0.6)).item() == pytest.approx(20, abs=1e-4)
    assert pictures.psnr(flat(0.5), flat(0.5)).item() == 100


def test_clipped_share_counts_pixels_that_lose_something():
    raw = torch.full((2, 3, 10, 10), 0.5)
    raw[0, 0, 0, :5] = 1.2
    raw[0, 1, 0, 3:8] = -0.1  # two of these pixels are counted already
    raw[0, 2, 5] = 1 + 0.4 / 255  # rounded to white, not clipped
    assert pictures.clipped_share(raw).tolist() == pytest.approx([0.08, 0])


def test_checkerboard_energy_of_checks_and_stripes_is_their_square():
    y, x = torch.meshgrid(torch.arange(48), torch.arange(64), indexing="ij")
    for pattern in (x + y, x, y):
        checks = grayscale(0.5 + 0.03 * (1.0 - 2 * (pattern % 2)))
        found = pictures.checkerboard_energy(checks).item()
        assert found == pytest.approx(0.03**2, rel=1e-3)
    slope = grayscale(0.2 + 0.01 * x.float())
    waves = grayscale(0.5 + 0.2 * torch.sin(2 * math.pi * 0.3 * x + 0.3))
    assert pictures.checkerboard_energy(slope).item() < 1e-9
    assert pictures.checkerboard_energy(waves).item() < 1e-4 * waves[:, :1].var().item()


def test_rounding_to_eight_bits_leaves_what_is_said():
    noise = (torch.rand(16, 3, 256, 256, generator=seeded()) - 0.5) / 255
    measured = pictures.checkerboard_energy(noise).mean().item()
    assert measured == pytest.approx(pictures.rounding_energy(), rel=0.05)


def test_checkerboard_excess_is_decibels_over_the_content():
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checks = 1.0 - 2 * ((x + y) % 2)
    weak, strong = (grayscale(0.5 + height * checks) for height in (0.01, 0.1))
    assert pictures.checkerboard_excess(strong, weak).item() == pytest.approx(20, abs=0.01)
    assert pictures.checkerboard_excess(weak, weak).item() == 0
    # what nobody can see is no excess, even over a picture that has nothing there at all
    assert (
        pictures.checkerboard_excess(grayscale(0.5 + 1e-5 * checks), grayscale(0 * checks)).item()
        < 0.05
    )


def test_lab_of_known_colors():
    colors = {
        (1.0, 1.0, 1.0): (100, 0, 0),
        (0.0, 0.0, 0.0): (0, 0, 0),
        (1.0, 0.0, 0.0): (53.24, 80.09, 67.20),
        (0.0, 0.0, 1.0): (32.30, 79.19, -107.86),
        (0.5, 0.5, 0.5): (53.39, 0, 0),
    }
    image = torch.tensor(list(colors)).T.reshape(1, 3, 1, -1)
    found = pictures.to_lab(image)[0, :, 0].T
    assert torch.allclose(found, torch.tensor(list(colors.values())).float(), atol=0.05)


def test_color_distance_is_half_the_way_and_sees_no_places():
    light, dark = (flat(value) for value in (0.8, 0.4))
    way = float(pictures.to_lab(light)[0, 0, 0, 0] - pictures.to_lab(dark)[0, 0, 0, 0])
    assert pictures.color_distance(light, dark).item() == pytest.approx(way / 2, rel=0.2)
    image = batch(picture(40, 40))
    turned = image.flip(3).transpose(2, 3)
    assert pictures.color_distance(image, turned).item() == pytest.approx(0, abs=1e-5)


# features


def maps(seed: int, *, spread: float = 1.0, shift: float = 0.0) -> dict[str, Tensor]:
    random = torch.Generator().manual_seed(seed)
    return {
        layer: torch.randn(1, 4 << i, 24 >> i, 24 >> i, generator=random) * spread + shift
        for i, layer in enumerate(STYLE_LAYERS)
    }


def test_content_distances():
    got = torch.zeros(1, 2, 3, 4)
    found = features.content_distances(got, got + 2, got - 3)
    assert found == pytest.approx(
        {"content": 4, "content_kept": 9, "content_norm": math.sqrt(4 * 24)}
    )


def test_style_distances_are_those_of_training_in_three_units():
    got, wanted = maps(0), maps(1, spread=1.5, shift=0.3)
    found = features.style_distances(features.style_facts(got), features.style_facts(wanted))
    assert found["style"] == pytest.approx(style_loss(got, wanted).item(), rel=1e-5)
    assert found["style"] == pytest.approx(sum(found[f"style_{la}"] for la in STYLE_LAYERS))
    paper = sum(found[f"style_{la}"] * wanted[la].shape[1] for la in STYLE_LAYERS)
    assert found["style_paper"] == pytest.approx(paper)
    norm = 0.0
    for layer, b in wanted.items():
        a = got[layer]
        norm += (a.mean((2, 3)) - b.mean((2, 3))).norm()
        deviations = [(x.var((2, 3), correction=0) + 1e-5).sqrt() for x in (a, b)]
        norm += (deviations[0] - deviations[1]).norm()
    assert found["style_norm"] == pytest.approx(float(norm), rel=1e-4)


def test_gram_distance_is_relative():
    got = maps(0)
    twice = {layer: x * math.sqrt(2) for layer, x in got.items()}
    nothing = {layer: x * 0 for layer, x in got.items()}
    facts = features.style_facts(got)
    found = features.gram_distances(features.style_facts(twice), facts)
    assert found == pytest.approx(dict.fromkeys(found, 1.0), rel=1e-4)
    found = features.gram_distances(features.style_facts(nothing), facts)
    assert found["gram"] == pytest.approx(1)
    assert features.gram_distances(facts, facts)["gram"] == 0


def test_gram_and_wasserstein_see_what_the_training_loss_cannot():
    layer = STYLE_LAYERS[0]
    # The same values in every channel, at the same places or at others.
    row = torch.tensor([-1.0, -1.0, 1.0, 1.0]).repeat(16)
    other = torch.tensor([-1.0, 1.0, -1.0, 1.0]).repeat(16)
    together = {layer: torch.stack([row, row]).reshape(1, 2, 8, 8)}
    apart = {layer: torch.stack([row, other]).reshape(1, 2, 8, 8)}
    # The same mean and deviation, spread in another way.
    rare = torch.zeros(64)
    rare[:2] = torch.tensor([1.0, -1.0]) * math.sqrt(32)
    spots = {layer: torch.stack([rare, rare]).reshape(1, 2, 8, 8)}
    facts = features.style_facts(together)
    for changed, gram in ((apart, True), (spots, False)):
        have = features.style_facts(changed)
        assert features.style_distances(have, facts)["style"] == pytest.approx(0, abs=1e-9)
        assert (features.gram_distances(have, facts)["gram"] > 0.5) == gram
        assert features.wasserstein_distances(have, facts)["wasserstein"] > 0.3


def test_wasserstein_is_zero_for_the_same_and_grows_with_a_shift():
    got = maps(0)
    facts = features.style_facts(got)
    assert features.wasserstein_distances(facts, facts)["wasserstein"] == 0
    near, far = (
        features.wasserstein_distances(
            features.style_facts({layer: x + by for layer, x in got.items()}), facts
        )
        for by in (0.1, 0.2)
    )
    for name, value in near.items():
        assert far[name] == pytest.approx(2 * value, rel=1e-3), name


def test_content_loss_is_that_of_training():
    a, b = maps(0), maps(1)
    layer = STYLE_LAYERS[-1]
    found = features.content_distances(a[layer], b[layer], a[layer])
    assert found["content"] == pytest.approx(content_loss(a[layer], b[layer]).item())


def test_the_table_names_every_column_once():
    assert len(set(COLUMNS)) == len(COLUMNS)
    facts = features.style_facts(maps(0))
    made = (
        features.content_distances(torch.zeros(1), torch.zeros(1), torch.zeros(1))
        | features.style_distances(facts, facts)
        | features.gram_distances(facts, facts)
        | features.wasserstein_distances(facts, facts)
    )
    assert set(made) < set(COLUMNS)
    assert all(row.meaning for row in METRICS)


def test_no_column_is_called_twice():
    from impasto.lab.evaluate.lines import _KEYS

    assert len({*_KEYS, *COLUMNS}) == len(_KEYS) + len(COLUMNS)
