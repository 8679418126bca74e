"""The comb filter against its definition, and what it takes from pictures and what it leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.lab.evaluate.weave import weave
from impasto.lab.export import int8
from impasto.lab.export.graphs import PARITY, CardFacts, export, multiply_adds, parity
from impasto.lab.methods.compact.comb import BLOCK, CELL, REACH, Comb
from impasto.lab.methods.compact.network import FAST, Compact
from impasto.lab.training.checkpoints import weights_of
from impasto.lab.tuning.decoder import GraphDecoder
from impasto.models import open_engine
from impasto.models.engines import ENGINES

INSIDE = (..., slice(REACH, -REACH), slice(REACH, -REACH))


def combed(image: Tensor, share: float = 1.0) -> Tensor:
    with torch.no_grad():
        return F.pixel_shuffle(Comb(share)(F.pixel_unshuffle(image, 2)), 2)


def mesh(side: int = 160) -> Tensor:
    cell = torch.rand(1, 3, CELL, CELL, generator=torch.Generator().manual_seed(0))
    return cell.repeat(1, 1, side // CELL, side // CELL)


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_a_mesh_is_taken_away_by_its_share(share: float) -> None:
    image = mesh()
    mean = image.mean(dim=(2, 3), keepdim=True)
    torch.testing.assert_close(combed(image, share), mean + (1 - share) * (image - mean))


def test_its_borders_are_like_the_rest() -> None:
    assert float(combed(mesh(64)).std(dim=(2, 3)).max()) < 1e-5


@pytest.mark.parametrize(
    ("x_period", "y_period", "most"), [(0, 0, 1e-5), (10, 40, 1e-3), (7, 23, 0.15), (4.4, 0, 0.15)]
)
def test_slopes_and_other_periods_stay(x_period: float, y_period: float, most: float) -> None:
    rows, columns = torch.meshgrid(torch.arange(160.0), torch.arange(160.0), indexing="ij")
    image = (0.3 * rows - 0.7 * columns) / 160
    for places, period in ((columns, x_period), (rows, y_period)):
        image = image + (torch.sin(2 * torch.pi * places / period) if period else 0)
    image = image.expand(1, 3, -1, -1)
    assert float((combed(image) - image)[INSIDE].abs().max()) < most


def test_a_mesh_on_a_photograph_goes_and_the_photograph_stays() -> None:
    rng = torch.Generator().manual_seed(1)
    smooth = F.interpolate(torch.rand(1, 3, 5, 5, generator=rng), (160, 160), mode="bicubic")
    photograph = smooth.clamp(0, 1) * 0.05 + 0.4
    noise = 0.02 * torch.randn(photograph.shape, generator=rng)
    pattern = mesh() - mesh().mean(dim=(2, 3), keepdim=True)
    woven = photograph + noise + 0.05 * pattern
    before, after = (
        float(weave(each, photograph, photograph + noise)[4]) for each in (woven, combed(woven))
    )
    assert before > 3 and after < 0.5
    left = (combed(woven) - photograph - noise)[INSIDE]
    assert float(left.std()) < 0.2 * float((woven - photograph - noise)[INSIDE].std())


def test_of_noise_a_hundredth_goes() -> None:
    noise = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    taken = (noise - combed(noise))[INSIDE].square().mean() / noise[INSIDE].square().mean()
    # 15 of 16 waves of a cell, each averaged over 2 x 2 cells of 5 x 5 blocks, a little smoothed.
    assert 0.004 < float(taken) < 0.01


def test_it_is_its_definition() -> None:
    """Phase by phase in NumPy, without convolutions."""
    image = torch.rand(1, 3, 96, 96, generator=torch.Generator().manual_seed(3))
    x = image[0].numpy().astype(np.float64)
    blocks = 96 // BLOCK
    cells = x.reshape(3, blocks, 2, CELL, blocks, 2, CELL)
    phases = cells.mean(axis=(2, 5)).transpose(0, 2, 4, 1, 3)  # color, y, x, block
    reach = REACH // BLOCK - 1
    phases = np.pad(phases, [(0, 0)] * 3 + [(reach, reach)] * 2, mode="edge")
    level = phases.mean(axis=(1, 2))
    away = np.arange(CELL) - 1.5
    line = [-away / 16, np.ones(CELL), away / 16]
    size = blocks + 2 * reach - 2
    plane = sum(
        (line[i][:, None] * line[j])[None, :, :, None, None]
        * level[:, None, None, i : i + size, j : j + size]
        for i in range(3)
        for j in range(3)
    )
    changes = phases[..., 1:-1, 1:-1] - plane
    size -= 4
    average = sum(changes[..., i : i + size, j : j + size] for i in range(5) for j in range(5)) / 25
    wanted = x.copy()
    for row in range(96):
        for column in range(96):
            found = np.zeros(3)
            places = [
                1 + (at + 0.5) / BLOCK - 0.5 for at in (row // 2 * 2 + 0.5, column // 2 * 2 + 0.5)
            ]
            (top, down), (left, right) = ((int(at), at - int(at)) for at in places)
            for i, a in ((top, 1 - down), (top + 1, down)):
                for j, b in ((left, 1 - right), (left + 1, right)):
                    found += a * b * average[:, row % CELL, column % CELL, i, j]
            wanted[:, row, column] -= found
    np.testing.assert_allclose(combed(image)[0].numpy(), wanted, atol=2e-6)


@torch.no_grad()
def test_a_bundle_with_it_paints_tunes_and_is_trained_further() -> None:
    torch.manual_seed(0)
    network = Compact(replace(FAST, comb=1.0)).eval()
    bundle = export(network, CardFacts("combed", "A comb", "for tests", "nothing", 0, {}, "MIT"))
    assert bundle.card.rim == Compact(FAST).rim + REACH
    assert 1 < bundle.card.macs_512 / multiply_adds(Compact(FAST), 512) < 1.1
    for engine in ENGINES:
        if engine.installed:
            found = parity(network, open_engine(bundle, name=engine.name, precision="fp32"))
            assert max(found.values()) < PARITY
    maps = [
        torch.randn(1, level.channels, 64 // level.stride, 64 // level.stride)
        for level in bundle.card.levels
    ]
    scales = [torch.rand(1, level.channels, 1, 1) for level in bundle.card.levels]
    painted = GraphDecoder(bundle)(maps, scales, scales)
    torch.testing.assert_close(painted, network.decode(maps, scales, scales), atol=2e-3, rtol=0)
    # Its weights in the bundle are constants: the model may start one without the filter.
    plain = Compact(FAST).eval()
    plain.load_state_dict(plain.complete(weights_of(bundle)))
    torch.testing.assert_close(
        plain.head.weight, network.head.weight.half().float(), atol=1e-6, rtol=0
    )


def test_int8_leaves_it_and_the_last_convolutions_in_single_precision() -> None:
    torch.manual_seed(0)
    network = Compact(replace(FAST, comb=1.0)).eval()
    bundle = export(network, CardFacts("combed", "A comb", "for tests", "nothing", 0, {}, "MIT"))
    feed = {}
    for i, level in enumerate(bundle.card.levels):
        side = 64 // level.stride
        feed[f"features_{i}"] = torch.randn(1, level.channels, side, side).numpy()
        feed[f"scale_{i}"] = torch.rand(1, level.channels, 1, 1).numpy()
        feed[f"shift_{i}"] = torch.rand(1, level.channels, 1, 1).numpy()
    graph = onnx.load_from_string(int8._quantized(bundle.decoder, iter([feed]))).graph
    stored = {o for n in graph.node if n.op_type == "DequantizeLinear" for o in n.output}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    exact = ["/comb/" in node.name for node in convolutions if node.input[1] not in stored]
    assert exact == [False] * int8._EXACT + [True] * 4
    assert len(convolutions) > len(exact)


def test_it_learns_nothing_and_lets_gradients_through() -> None:
    network = Compact(FAST)
    plain = {name for name, _ in network.named_parameters()}
    comb = Comb(1.0)
    assert not list(comb.parameters()) and not comb.state_dict()
    assert plain == {n for n, _ in Compact(FAST).named_parameters()}
    image = mesh(64).requires_grad_()
    F.pixel_shuffle(comb(F.pixel_unshuffle(image, 2)), 2)[..., 32, 32].sum().backward()
    assert image.grad is not None
    rows = image.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert int(rows.min()) >= 32 - REACH and int(rows.max()) <= 32 + REACH
