"""Patches: the search against the formula by the letter, and putting together."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from impasto.errors import OptionError
from impasto.lab.losses.patches import Bank, fold, patch_loss, style_swap, unfold


def maps(*sizes, channels=8):
    random = torch.Generator().manual_seed(0)
    return [torch.randn(1, channels, *size, generator=random) for size in sizes]


def test_the_search_is_the_convolution_of_the_papers():
    content, style = maps((9, 11), (8, 7))
    filters = unfold(style).reshape(-1, 8, 3, 3)
    filters = filters / filters.flatten(1).norm(dim=1).reshape(-1, 1, 1, 1)
    correlation = F.conv2d(content, filters)
    wanted = correlation[0].flatten(1).argmax(dim=0)
    assert torch.equal(Bank([style]).nearest(content), wanted)
    found = filters.flatten(1)[wanted] * unfold(style).norm(dim=1)[wanted, None]
    # Chen & Schmidt write it as a transposed convolution of the one-hot choice.
    one_hot = F.one_hot(wanted, len(filters)).T.float().reshape(1, -1, 7, 9)
    total = F.conv_transpose2d(one_hot, unfold(style).reshape(-1, 8, 3, 3))
    count = F.conv_transpose2d(torch.ones(1, 1, 7, 9), torch.ones(1, 1, 3, 3))
    assert torch.allclose(fold(found, (9, 11)), total / count, atol=1e-5)
    assert torch.allclose(style_swap(content, Bank([style])), total / count, atol=1e-5)


def test_chunks_change_nothing():
    content, one, two = maps((10, 12), (9, 8), (6, 13))
    bank = Bank([one, two])
    whole = bank.nearest(content)
    assert len(set(whole.tolist())) > 20 and whole.max() >= 42  # of both maps
    for size in (4 * 80 * 5, 1):  # five patches at a time, and one
        assert torch.equal(bank.nearest(content, chunk_bytes=size), whole)
    assert torch.equal(style_swap(content, bank), style_swap(content, bank, chunk_bytes=4 * 80 * 3))
    everything = torch.cat([unfold(one), unfold(two)])
    assert torch.equal(bank.take(whole), everything[whole])


def test_length_does_not_count_but_is_taken_over():
    (style,) = maps((6, 6))
    bank = Bank([style])
    assert torch.equal(bank.nearest(style * 0.1), torch.arange(16))
    assert torch.allclose(style_swap(style * 0.1, bank), style, atol=1e-5)


def test_what_is_transparent_is_no_patch():
    (style,) = maps((6, 8))
    counts = torch.ones(6, 8)
    counts[:, 4:] = 0
    bank = Bank([style], counts=[counts])
    # 6 columns of patches begin at 0 to 5; those from 0 to 2 lie at least half within.
    assert len(bank) == 4 * 3
    assert torch.equal(bank.take(torch.arange(3)), unfold(style)[:3])
    with pytest.raises(OptionError, match="no patch"):
        Bank([style], counts=[torch.zeros(6, 8)])
    with pytest.raises(OptionError, match="larger"):
        style_swap(style[..., :2], bank)


def test_patch_loss_by_hand():
    x = torch.ones(1, 1, 3, 4)
    wanted = torch.stack([torch.ones(9), torch.full((9,), 3.0)])
    assert patch_loss(x, wanted).item() == pytest.approx(2)
    assert patch_loss(x, wanted, torch.tensor([1.0, 0.5])).item() == pytest.approx(1)
