"""Batches: learned as often, in such pairs and of such sizes as a config says."""

from __future__ import annotations

import pytest
import torch
from lab_parts import changed, small_config

from impasto.errors import OptionError
from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import Sampler, load_collections
from impasto.lab.methods.adain import Decoder
from impasto.lab.methods.compact.objective import CompactObjective
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training import batches as batches
from impasto.lab.training.batches import Batches, BatchOptions
from impasto.lab.training.networks import find_network
from impasto.lab.training.setup import open_setup


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    return small_config(tmp_path_factory.mktemp("batches"), "fast", pictures=24)


def test_a_batch_is_learned_as_often_as_the_config_says(config, monkeypatch):
    monkeypatch.setattr(batches, "BLOCK", 5)
    made = Batches(
        CompactObjective(config, load_vgg(config.vgg), paint=find_network("fast").paint),
        *(_sampler_of(folders, config) for folders in (config.data.contents, config.data.styles)),
        options=BatchOptions(batch=1, repeats=3, seed=0),
    )
    blocks = [[made.at(step)[0] for step in range(15 * b, 15 * b + 15)] for b in range(2)]
    for block in blocks:
        for turn in range(3):  # each pass has all photographs and all styles
            learned = block[5 * turn : 5 * turn + 5]
            assert len({id(batch.contents) for batch in learned}) == 5
            assert len({id(batch.styles) for batch in learned}) == 5
        assert len({id(batch.contents) for batch in block}) == 5
        # ... which meet each other but once
        assert len({(id(batch.contents), id(batch.styles)) for batch in block}) == 15
    assert not torch.equal(blocks[0][0].contents, blocks[1][0].contents)
    with pytest.raises(OptionError, match="repeats"):
        BatchOptions(batch=1, repeats=0, seed=0)


def test_pictures_that_are_paired_anew_teach_what_a_new_pair_would(config):
    config = changed(config, precision="fp32", wasserstein=1.0)
    vgg = load_vgg(config.vgg)
    objective = CompactObjective(config, vgg, paint=find_network("fast").paint, features="relu4_1")
    contents, styles = torch.rand(2, 2, 3, 64, 64)
    one, two = objective.prepare(contents, styles.flip(3)), objective.prepare(contents.mT, styles)
    paired, wanted = objective.paired(one, two), objective.prepare(contents, styles)
    assert paired.contents is one.contents and paired.styles is two.styles
    assert torch.allclose(paired.target, wanted.target, atol=1e-4)
    assert torch.equal(paired.content, wanted.content)
    assert all(map(torch.equal, paired.inner, wanted.inner))
    assert paired.projections is two.projections and paired.along is two.along
    for layer, moments in wanted.wanted.items():
        assert all(map(torch.equal, paired.wanted[layer], moments))
    # A teacher's picture is that of the pair it was made of.
    taught = CompactObjective(config, vgg, paint=objective.paint, teacher=Decoder())
    batch = taught.prepare(contents, styles)
    assert taught.paired(batch, taught.prepare(contents.mT, styles.mT)) is batch


def test_a_third_of_the_steps_has_larger_crops(config):
    both = changed(config, batch=9, larger=48, rim=0.0)
    setup = open_setup(both, find_network("fast"), torch.device("cpu"))
    batches = setup.batches(both, torch.device("cpu"))
    seen = [batches.at(step)[0].contents for step in range(6)]
    assert [len(each) for each in seen] == [9, 9, 4, 9, 9, 4]  # 9 (32 / 48)^2
    assert [each.shape[-1] for each in seen] == [32, 32, 48] * 2
    assert not any(torch.equal(a, b) for a, b in zip(seen[:3], seen[3:], strict=True))
    plain = batches.small
    for one, other, said in ((batches, plain, "one size"), (plain, batches, "different batches")):
        with pytest.raises(OptionError, match=said):
            one.restore(other.state(0))
    for change in ({"larger": 32}, {"larger": 40}, {"larger": 48, "resize": 64}):
        with pytest.raises(OptionError, match="multiple of 16"):
            changed(config, **change)


def _sampler_of(folders, config):
    loaded = load_collections(folders, shorter=64)
    crops = Crops(side=32, smallest=0.5)
    return Sampler(loaded.collections, list(folders.values()), crops=crops, seed=0)
