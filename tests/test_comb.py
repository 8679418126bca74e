"""The comb filter against its definition, and what it takes from pictures and what it leaves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the lab needs PyTorch")

import onnx
import torch
from torch import Tensor
from torch.nn import functional as F

from impasto.controls import Controls
from impasto.controls.descreen import COMB
from impasto.errors import OptionError
from impasto.lab.evaluate.weave import weave
from impasto.lab.export import int8
from impasto.lab.export.graphs import PARITY, CardFacts, export, multiply_adds, parity
from impasto.lab.methods.compact.comb import BLOCK, CELL, REACH, Comb
from impasto.lab.methods.compact.network import FAST, Compact
from impasto.lab.training.checkpoints import weights_of
from impasto.lab.tuning.decoder import GraphDecoder
from impasto.models import Bundle, open_engine
from impasto.models.engines import ENGINES
from impasto.painting import Budget
from impasto.styles.style import Style
from impasto.stylizer import stylizer_of

COMBED = replace(FAST, comb=True)
INSIDE = (..., slice(REACH, -REACH), slice(REACH, -REACH))


def combed(image: Tensor, share: float = 1.0) -> Tensor:
    height, width = (side // BLOCK for side in image.shape[2:])
    shares = torch.full((1, 1, height, width), share)
    return F.pixel_shuffle(Comb()(F.pixel_unshuffle(image, CELL), shares), CELL)


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
    ("x_period", "y_period", "most"), [(0, 0, 1e-5), (10, 40, 0.03), (7, 23, 0.15), (4.4, 0, 0.15)]
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


@pytest.mark.parametrize("across", [False, True])
def test_edges_are_not_repeated_beside_themselves(across: bool) -> None:
    """An edge is as straight as a mesh. In a plain average it would be a fifth of the blocks."""
    rng = torch.Generator().manual_seed(4)
    image = torch.full((1, 3, 160, 160), 0.7) + 0.01 * torch.randn(1, 3, 160, 160, generator=rng)
    image[..., 75:79] = 0.1
    pattern = 0.02 * (mesh() - mesh().mean(dim=(2, 3), keepdim=True))
    image = image + pattern
    image, pattern = (each.transpose(2, 3) if across else each for each in (image, pattern))
    left = combed(image) - image + pattern
    beside = left[..., 48:112, :] if across else left[..., 48:112]
    step = 1 / 255
    assert float(beside.mean(dim=3 if across else 2).abs().max()) < step / 2
    assert float(pattern.abs().max()) > 2 * step


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
    weights = 1 / (1 + 255**2 * np.square(changes).mean(axis=(0, 1, 2)))
    places = [(..., slice(i, i + size), slice(j, j + size)) for i in range(5) for j in range(5)]
    average = sum((changes * weights)[p] for p in places) / sum(weights[p] for p in places)
    wanted = x.copy()
    for row in range(96):
        for column in range(96):
            block = row // BLOCK, column // BLOCK
            wanted[:, row, column] -= average[(slice(None), row % CELL, column % CELL, *block)]
    np.testing.assert_allclose(combed(image)[0].numpy(), wanted, atol=2e-6)


@torch.no_grad()
def test_a_bundle_with_it_paints_tunes_and_is_trained_further() -> None:
    torch.manual_seed(0)
    network = Compact(COMBED).eval()
    bundle = export(network, CardFacts("combed", "A comb", "for tests", "nothing", 0, {}, "MIT"))
    assert [level.name for level in bundle.card.levels] == ["1/4", "1/8", COMB]
    assert REACH < bundle.card.rim - Compact(FAST).rim < REACH + CELL
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
    # Its weights in the bundle are constants, which nobody trains further.
    further = Compact(COMBED).eval()
    further.load_state_dict(further.complete(weights_of(bundle)))
    torch.testing.assert_close(
        further.head.weight, network.head.weight.half().float(), atol=1e-6, rtol=0
    )


@torch.no_grad()
def test_styles_masks_and_strengths_set_how_much_is_removed() -> None:
    torch.manual_seed(0)
    network = Compact(COMBED).eval()
    network.head.weight.mul_(0.2)
    bundle = export(network, CardFacts("combed", "A comb", "for tests", "nothing", 0, {}, "MIT"))
    model = stylizer_of(bundle, open_engine(bundle, name="onnxruntime", precision="fp32"))
    rng = np.random.default_rng(0)
    photo, picture = rng.random((2, 256, 256, 3)).astype(np.float32)
    left = model.style(picture)
    assert left.moments[-1].mean == 0 and len(left.moments) == 3
    whole = replace(left.moments[-1], mean=np.ones(1))
    removed = replace(left, moments=(*left.moments[:-1], whole))

    def paint(styles: Style | list[Style], **given: Any) -> Tensor:
        tile = given.pop("tile", None)
        painted = model.paint(photo, styles, Controls(**given), budget=Budget(tile=tile)).image
        return torch.from_numpy(painted).permute(2, 0, 1)[None]

    before, after = paint(left), paint(removed)
    assert 0 < float(before.min()) and float(before.max()) < 1  # nothing is clipped
    assert float((before - after).abs().max()) > 0.5 / 255
    for share in (0.25, 0.5):
        mixed = paint([left, removed], weights=(1 - share, share))
        torch.testing.assert_close(mixed, torch.lerp(before, after, share), atol=1e-5, rtol=0)
    torch.testing.assert_close(after, combed(before), atol=1e-5, rtol=0)
    torch.testing.assert_close(paint(removed, tile=96), after, atol=1e-5, rtol=0)
    torch.testing.assert_close(paint(left, descreen=1), after, atol=0, rtol=0)
    torch.testing.assert_close(paint(removed, descreen=0), before, atol=0, rtol=0)
    # A strength of 2 does not remove a mesh twice.
    strong, weak = (paint(left, alpha=2, descreen=share) for share in (1, 0))
    torch.testing.assert_close(strong, combed(weak), atol=1e-5, rtol=0)
    strong, weak = (paint(left, transform="std", descreen=share) for share in (1, 0))
    torch.testing.assert_close(strong, combed(weak), atol=1e-5, rtol=0)
    mask = np.zeros((256, 256), np.float32)
    mask[:, :128] = 1
    parts = paint([left, removed], masks=(mask, 1 - mask), statistics="image")
    torch.testing.assert_close(parts[..., :128], before[..., :128], atol=1e-5, rtol=0)
    torch.testing.assert_close(parts[..., 128:], after[..., 128:], atol=1e-5, rtol=0)


def test_a_share_out_of_range_and_a_model_without_the_filter_are_refused(
    tiny_bundle: Bundle,
) -> None:
    for value in (-0.1, 1.5, float("nan"), "much"):
        with pytest.raises(OptionError, match=r"descreen must be a number from 0 to 1, not "):
            Controls(descreen=value)
    model = stylizer_of(tiny_bundle, open_engine(tiny_bundle, name="onnxruntime"))
    style = model.style(np.random.default_rng(0).random((64, 64, 3)))
    with pytest.raises(OptionError, match="cannot remove a mesh: leave descreen out"):
        model.paint(np.zeros((64, 64, 3), np.float32), style, Controls(descreen=0.5))


def test_int8_leaves_it_and_the_last_convolutions_in_single_precision() -> None:
    torch.manual_seed(0)
    network = Compact(COMBED).eval()
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
    assert exact == [False] * int8._EXACT + [True]
    assert len(convolutions) > len(exact)


def test_it_learns_nothing_and_lets_gradients_through() -> None:
    network = Compact(FAST)
    plain = {name for name, _ in network.named_parameters()}
    comb = Comb()
    assert not list(comb.parameters()) and not comb.state_dict()
    assert plain == {name for name, _ in Compact(COMBED).named_parameters()}
    image = mesh(64).requires_grad_()
    combed(image)[..., 32, 32].sum().backward()
    assert image.grad is not None
    rows = image.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten()
    assert int(rows.min()) >= 32 - REACH and int(rows.max()) <= 32 + REACH
