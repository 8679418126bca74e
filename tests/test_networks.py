"""One contract for every network of the lab, and the reach that the card promises."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from lab_parts import vgg_weights
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from impasto.controls.descreen import COMB
from impasto.errors import ModelError
from impasto.lab.export.graphs import (
    multiply_adds,
    reader_multiply_adds,
)
from impasto.lab.methods.adain import AdaINNetwork, Decoder, decoder_from
from impasto.lab.methods.compact.comb import CELL, Comb
from impasto.lab.methods.compact.network import FAST, QUALITY, Compact
from impasto.lab.methods.compact.scales import CompactShape
from impasto.lab.nets.blocks import doubled
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.lab.nets.network import align, stylize
from impasto.lab.nets.vgg import LAYOUTS, VGG


def adain() -> nn.Module:
    return AdaINNetwork(VGG(vgg_weights(), LAYOUTS[0]), Decoder())


DILATED = replace(QUALITY, dilations=(2, 4))
COMBED = replace(FAST, comb=True)
PLAIN = replace(QUALITY, comb=False)
NETWORKS = {
    "fast": lambda: Compact(FAST),
    "quality": lambda: Compact(QUALITY),
    "dilated": lambda: Compact(DILATED),
    "combed": lambda: Compact(COMBED),
    "plain": lambda: Compact(PLAIN),
    "adain": adain,
}


@pytest.fixture(params=NETWORKS, scope="module")
def network(request):
    torch.manual_seed(0)
    return NETWORKS[request.param]().eval()


@torch.no_grad()
def test_levels_are_what_encode_gives_and_the_picture_keeps_its_size(network):
    height, width = 6 * network.multiple, 5 * network.multiple
    image = torch.rand(2, 3, height, width)
    features = network.encode(image)
    assert len(features) == len(network.levels)
    for level, got in zip(network.levels, features, strict=True):
        assert got.shape == (2, level.channels, height // level.stride, width // level.stride)
        assert network.multiple % level.stride == 0
    assert stylize(network, image, image.flip(0)).shape == image.shape


@torch.no_grad()
def test_moments_equal_to_the_contents_are_alpha_0(network):
    features = network.encode(torch.rand(1, 3, 4 * network.multiple, 4 * network.multiple))
    maps = [align(level, fast_mean_std(level)) for level in features]
    aligned = network.decode(features, [m[0] for m in maps], [m[1] for m in maps])
    still = [(torch.ones_like(scale), torch.zeros_like(shift)) for scale, shift in maps]
    unaligned = network.decode(features, [m[0] for m in still], [m[1] for m in still])
    assert torch.allclose(aligned, unaligned, atol=1e-4)


@torch.no_grad()
def test_the_style_matters_only_through_its_moments(network):
    content, style = torch.rand(2, 1, 3, 4 * network.multiple, 4 * network.multiple)
    features = network.encode(content)
    wanted = network.read(style, network.encode(style))
    maps = [align(c, s) for c, s in zip(features, wanted, strict=True)]
    direct = network.decode(features, [m[0] for m in maps], [m[1] for m in maps])
    assert torch.allclose(direct, stylize(network, content, style), atol=1e-5)


@torch.no_grad()
def test_one_pixel_reaches_no_further_than_the_rim(network):
    """A pixel is disturbed wherever a cell of the coarsest grid can have it."""
    side = 2 * network.rim + 3 * network.multiple
    side += -side % network.multiple
    image = torch.rand(1, 3, side, side)
    before = _decode(network, image)
    reached = seen = 0
    features = network.encode(image)
    for offset in (0, network.multiple - 1):
        at = (side // 2) // network.multiple * network.multiple + offset
        touched = image.clone()
        touched[..., at, at] += 50.0
        changed = (_decode(network, touched) != before).any(dim=1)[0].nonzero()
        reached = max(reached, int((changed - at).abs().max()))
        for level, one, two in zip(network.levels, features, network.encode(touched), strict=True):
            cells = (one != two).any(dim=1)[0].nonzero() * level.stride
            if level.name == COMB:
                assert not cells.numel() and not one.any()
                continue
            beyond = torch.maximum(cells - at, at - cells - level.stride + 1)
            seen = max(seen, int(beyond.max()))
    assert reached <= network.rim
    # not a bound so wide that tiles would waste their time
    assert reached >= network.rim // 2
    assert network.encoder_rim // 2 <= seen <= network.encoder_rim


def _decode(network, image):
    features = network.encode(image)
    one = [torch.ones(1, f.shape[1], 1, 1) for f in features]
    # A comb filter removes the whole mesh.
    levels = zip(one, network.levels, strict=True)
    shifts = [torch.full_like(scale, level.name == COMB) for scale, level in levels]
    return network.decode(features, one, shifts)


@torch.no_grad()
def test_dilated_blocks_begin_as_identity():
    before, after = Compact(QUALITY).eval(), Compact(DILATED).eval()
    after.load_state_dict(after.complete(before.state_dict()))
    content, style = torch.rand(2, 1, 3, 64, 64)
    assert torch.equal(stylize(after, content, style), stylize(before, content, style))
    own = after.state_dict()
    assert after.complete(own).keys() == own.keys()
    assert all(torch.equal(v, own[k]) for k, v in after.complete(own).items())


@torch.no_grad()
def test_a_comb_filter_is_put_behind_weights_without_one_and_removes_what_styles_ask():
    plain, combed = Compact(FAST).eval(), Compact(COMBED).eval()
    combed.load_state_dict(combed.complete(plain.state_dict()))
    assert combed.state_dict().keys() == plain.state_dict().keys()  # it has nothing to learn
    content, style = torch.rand(2, 1, 3, 64, 64)
    before = stylize(plain, content, style)
    torch.testing.assert_close(stylize(combed, content, style), before)  # predicted styles: nothing
    always = Compact(replace(COMBED, combed=0.7)).eval()
    always.load_state_dict(combed.state_dict())
    share = torch.full((1, 1, 8, 8), 0.7)
    wanted = F.pixel_shuffle(Comb()(F.pixel_unshuffle(before, CELL), share), CELL)
    torch.testing.assert_close(stylize(always, content, style), wanted)
    assert not torch.allclose(wanted, before, atol=1e-3)
    # The graph of a bundle has its constants under their names.
    named = combed.state_dict() | {f"comb.{k}": v for k, v in Comb().named_buffers()}
    assert combed.complete(named).keys() == combed.state_dict().keys()


def test_doubling_is_what_torch_compile_is_given(monkeypatch):
    x = torch.rand(2, 3, 5, 7)
    wanted = doubled(x)
    torch.testing.assert_close(F.avg_pool2d(wanted, 2), x)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.equal(doubled(x), wanted)


def test_work_is_a_fortieth_and_a_tenth_of_the_papers_network():
    paper = multiply_adds(adain(), 128)
    assert multiply_adds(Compact(FAST), 128) <= paper / 40
    assert multiply_adds(Compact(PLAIN), 128) <= paper / 10
    # A comb filter adds less than a fiftieth, most of it products with 0 in the head.
    assert multiply_adds(Compact(QUALITY), 128) <= 1.02 * multiply_adds(Compact(PLAIN), 128)
    # A style costs the paper's network its encoder, half of it; ours costs encoder and reader.
    network = Compact(QUALITY)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.encode(torch.rand(1, 3, 128, 128))
    reading = reader_multiply_adds(network, 128) + counter.get_total_flops() // 2
    assert reading <= paper / 2 / 4
    # by hand: VGG-19 to relu4_1 at 512 px is 63.3 billion (plus the 1x1 preprocessing), twice
    assert paper * 16 == pytest.approx(2 * 63.3e9, rel=0.01)


def test_decoder_reads_the_published_keys():
    decoder = Decoder()
    weights = {k: v.clone() for k, v in decoder.convolutions.state_dict().items()}
    assert set(k.split(".")[0] for k in weights) == set("1 5 8 11 14 18 21 25 28".split())
    again = decoder_from(weights)
    x = torch.rand(1, 512, 3, 4)
    assert torch.allclose(again(x), decoder(x), atol=1e-5)
    with pytest.raises(ModelError):
        decoder_from({k: v for k, v in weights.items() if k != "28.bias"})


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler here")
def test_compiled_networks_learn_what_plain_ones_do():
    """In bfloat16 the compiled gradient of F.interpolate was 0 here, and the losses the same."""
    torch.manual_seed(0)
    shape = CompactShape((8, 16, 16), (0, 0, 1), (0, 1, 1), (8, 8, 8), 8)
    network = Compact(shape).to(memory_format=torch.channels_last)
    contents, styles, wanted = torch.rand(3, 2, 3, 64, 64)

    def gradients(paint):
        network.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            pictures = paint(network, contents, styles)
        (pictures.float() - wanted).square().mean().backward()
        return {k: p.grad.clone() for k, p in network.named_parameters() if p.grad is not None}

    plain, compiled = gradients(stylize), gradients(torch.compile(stylize, dynamic=False))
    assert plain.keys() == compiled.keys()
    for name, gradient in plain.items():
        assert (compiled[name] - gradient).norm() <= 0.1 * gradient.norm(), name
