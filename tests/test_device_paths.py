"""What is done in another way on a device than on a processor gives the same numbers.

Tested on the processor, with the very functions that a device takes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import Collection, Sampler
from impasto.lab.nets.blocks import _Reflected
from impasto.lab.training.batches import BLOCK, PAIRS, Batches, BatchOptions
from impasto.lab.training.optimizers import Muon, orthogonalize


@pytest.mark.parametrize("shape", [(2, 3, 5, 7), (1, 1, 2, 2), (3, 4, 2, 9)])
def test_a_border_laid_around_is_a_reflected_one(shape):
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64).to(memory_format=torch.channels_last)
    x.requires_grad_()
    padded = _Reflected.apply(x)
    assert torch.equal(padded, F.pad(x, (1, 1, 1, 1), mode="reflect"))
    assert padded.is_contiguous(memory_format=torch.channels_last)
    weights = torch.randn_like(padded)
    (ours,) = torch.autograd.grad((padded * weights).sum(), x)
    (plain,) = torch.autograd.grad((F.pad(x, (1,) * 4, mode="reflect") * weights).sum(), x)
    assert torch.allclose(ours, plain)


def test_matrices_of_one_shape_move_as_each_would_alone():
    torch.manual_seed(0)
    together = [torch.nn.Parameter(torch.randn(8, 4, 3, 3)) for _ in range(3)]
    alone = [torch.nn.Parameter(each.detach().clone()) for each in together]
    one, others = Muon(together, lr=0.1), [Muon([each], lr=0.1) for each in alone]
    for _ in range(3):
        for a, b in zip(together, alone, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        one.step()
        for other in others:
            other.step()
    for a, b in zip(together, alone, strict=True):
        # bfloat16 inside, and products of another kernel
        assert torch.allclose(a, b, atol=0.02 * float(a.detach().abs().max()))


def test_a_stack_is_made_orthogonal_matrix_by_matrix():
    torch.manual_seed(0)
    stack = torch.randn(3, 16, 40) * torch.tensor([1.0, 100.0, 0.01])[:, None, None]
    values = torch.linalg.svdvals(orthogonalize(stack))
    assert values.min() > 0.5 and values.max() < 1.3


@pytest.mark.parametrize(
    ("batch", "repeats", "size"), [(1, 1, 1), (96, 1, 1), (4, 4, BLOCK), (96, 4, 10), (4096, 2, 2)]
)
def test_blocks_of_large_batches_are_short(batch, repeats, size):
    class Sampler:
        def state(self):
            return {}

    options = BatchOptions(batch=batch, repeats=repeats, seed=0)
    batches = Batches(None, Sampler(), Sampler(), options=options)
    assert batches.size == size
    assert size * batch <= max(PAIRS, 2 * batch)


def _smooth(height, width, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("resize", [0, 96])
def test_crops_cut_on_a_device_are_those_cut_here(resize):
    pictures = tuple(_smooth(120 + 30 * i, 200 - 25 * i, i) for i in range(4))
    here, there = (
        Sampler(
            [Collection("a", pictures[:1]), Collection("b", pictures[1:])],
            [1.0, 2.0],
            crops=Crops(side=64, smallest=0.3, jitter=0.5, resize=resize),
            seed=3,
            ahead=0 if on_device else 2,
            on_device=on_device,
        )
        for on_device in (False, True)
    )
    only = range(1, 12, 2)
    for _ in range(3):
        one, other = here.batch(12, only), there.batch(12, only)
        assert one.shape == other.shape and other.dtype == torch.float32
        assert 0 <= other.min() and other.max() <= 1
        # Whole pixels there, fractions of one here: half a pixel of a smooth picture.
        assert (one - other).abs().mean(dim=(1, 2, 3)).max() < 0.012
    state = there.state()
    again = there.batch(12, only)
    there.restore(state)
    assert torch.equal(there.batch(12, only), again)


def test_pictures_that_are_decoded_on_demand_are_cut_here():
    class Pictures(list):
        """Not kept: no tuple."""

    sampler = Sampler(
        [Collection("a", Pictures([_smooth(90, 120, 0)]))],
        [1.0],
        crops=Crops(side=64, smallest=0.5),
        seed=0,
        on_device=True,
    )
    assert sampler.device_pictures is None
    assert sampler.batch(2).shape == (2, 3, 64, 64)
