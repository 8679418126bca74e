"""Export: the graphs are the network, at any size, in every engine; the card tells the truth."""

from __future__ import annotations

import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto

from impasto.controls.moments import moments
from impasto.lab.export.graphs import (
    PARITY,
    PARITY_SIZES,
    CardFacts,
    export,
    multiply_adds,
    parity,
    reader_multiply_adds,
)
from impasto.lab.methods.compact.network import FAST, Compact
from impasto.lab.methods.compact.scales import CompactShape
from impasto.lab.training.checkpoints import start_from, weights_of
from impasto.models import read_bundle, write_bundle
from impasto.models.engine import ENGINES, open_engine

FACTS = CardFacts(
    "small", "A small one", "two levels", "nothing", 0, {"style": 1.5}, "MIT", margin=8
)
ENGINE_NAMES = [row.name for row in ENGINES if row.installed]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    network = Compact(CompactShape((16, 32, 64), (0, 1, 1), (1, 1, 1), (8, 16, 32), 48)).eval()
    with torch.no_grad():
        for p in network.parameters():  # loud enough that a wrong graph shows
            p.mul_(1.5)
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.1)
    network.load_state_dict({k: v.half().float() for k, v in network.state_dict().items()})
    return network


@pytest.fixture(scope="module")
def bundle(network):
    return export(network, FACTS)


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_graphs_agree_with_pytorch_at_five_sizes(network, bundle, name):
    differences = parity(network, open_engine(bundle, name=name, precision="fp32"))
    assert set(differences) == set(PARITY_SIZES)
    assert max(differences.values()) <= PARITY


def test_all_weights_come_back_from_a_bundle_equal_ones_too(network):
    """The exporter stores tensors that are equal once, under the name of one of them."""
    alike = copy.deepcopy(network)
    block = alike.decoders[2][0]
    with torch.no_grad():
        block.first.weight.zero_()
        block.second.weight.zero_()
        block.first.bias.zero_()
        block.second.bias.zero_()
    weights, wanted = weights_of(export(alike, FACTS)), alike.state_dict()
    assert set(weights) == set(wanted)
    for name, weight in wanted.items():
        assert torch.equal(weights[name], weight), name


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_moments_of_the_graph_are_those_of_its_features(bundle, name):
    image = np.random.default_rng(0).random((3, 40, 64), np.float32)
    encoded, own = open_engine(bundle, name=name, precision="fp32").encode(image)
    for features, got in zip(encoded, own, strict=True):
        wanted = moments(features)
        np.testing.assert_allclose(got.mean, wanted.mean, atol=1e-4)
        np.testing.assert_allclose(got.std, wanted.std, atol=1e-4)


def test_a_wrong_network_is_noticed(network, bundle):
    torch.manual_seed(1)
    other = Compact(network.shape).eval()
    engine = open_engine(bundle, name="onnxruntime", precision="fp32")
    assert max(parity(other, engine).values()) > PARITY


def test_card_and_file(network, bundle, tmp_path):
    card = bundle.card
    assert card.levels == network.levels
    assert (card.multiple, card.rim, card.margin) == (network.multiple, network.rim, 8)
    assert card.encoder_rim == network.encoder_rim
    assert card.parameters == sum(p.numel() for p in network.parameters())
    write_bundle(bundle, tmp_path / "small.impasto")
    assert read_bundle(tmp_path / "small.impasto").card == card
    assert export(network, FACTS).identity == bundle.identity  # the same network, the same bytes


def test_a_bundle_can_be_trained_further(network, bundle, tmp_path):
    write_bundle(bundle, tmp_path / "small.impasto")
    again = Compact(network.shape)
    start_from(again, tmp_path / "small.impasto")
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_weights_are_stored_in_half_precision_and_run_in_single(bundle):
    for graph in bundle.parts.values():
        model = onnx.load_from_string(graph)
        sizes = {t.name: int(np.prod(t.dims)) for t in model.graph.initializer}
        floats = [t for t in model.graph.initializer if t.data_type == TensorProto.FLOAT]
        assert all(sizes[t.name] < 64 for t in floats)
        assert all(
            i.type.tensor_type.elem_type == TensorProto.FLOAT
            for i in (*model.graph.input, *model.graph.output)
        )
    size = sum(len(graph) for graph in bundle.parts.values())
    assert size < 2.2 * bundle.card.parameters + 30_000


def test_multiply_adds_by_hand():
    # fast at 64 px: 32x32 cells of 1/2, 16x16 of 1/4, 8x8 of 1/8
    half, quarter, eighth = 32 * 32 * 9, 16 * 16 * 9, 8 * 8 * 9
    by_hand = half * 12 * 24 * 2  # stem and head
    by_hand += quarter * (24 * 48 * 2 + 2 * 48 * 48)  # down, up, one block
    by_hand += eighth * (48 * 96 * 2 + 4 * 96 * 96)  # down, up, two blocks
    assert multiply_adds(Compact(FAST), 64) == by_hand
    # its reader: the eye at the same three scales, the maps that it tells, then along the axes of
    # their moments and through two hidden layers and past them
    by_hand = half * 12 * 48 + quarter * (48 * 96 + 2 * 96 * 96)
    by_hand += eighth * (96 * 192 + 4 * 192 * 192)
    by_hand += 32 * 32 * 48 * 128 + 16 * 16 * 96 * 256 + 8 * 8 * 192 * 512
    by_hand += 2 * (3 + 128 + 256 + 512 + 48 + 96) * 512 + 2 * 512 * 512
    by_hand += 2 * 512 * 2 * (48 + 96)
    assert reader_multiply_adds(Compact(FAST), 64) == by_hand
