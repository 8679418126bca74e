"""Styles that are read: which moments a picture is given, where a model has a graph for that."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lab_parts import make_config, padded, vgg_weights

from impasto.controls.moments import moments
from impasto.errors import EngineError, ModelError
from impasto.images.photo import Photo
from impasto.lab.export.graphs import CardFacts, export
from impasto.lab.methods.adain import AdaINNetwork, Decoder
from impasto.lab.methods.compact.network import Compact
from impasto.lab.methods.compact.reader import SEEN, Eye
from impasto.lab.methods.compact.reading import EYE_LAYERS, ReadingObjective, give_eye
from impasto.lab.methods.compact.scales import CompactShape
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.lab.nets.vgg import LAYOUTS, VGG
from impasto.lab.training.checkpoints import start_from
from impasto.models import Bundle, read_bundle, write_bundle
from impasto.models.engine import ENGINES, open_engine
from impasto.stylizer import load

SHAPE = CompactShape((8, 16, 24), (0, 1, 1), (1, 1, 1), (8, 12, 16), 40)
FACTS = CardFacts(
    "reading", "One that reads", "two levels", "nothing", 0, {"style": 1.5}, "MIT", margin=8
)
ENGINE_NAMES = [row.name for row in ENGINES if row.installed]


@pytest.fixture(scope="module")
def network() -> Compact:
    torch.manual_seed(0)
    network = Compact(SHAPE).eval()
    torch.nn.init.normal_(network.reader.says.weight, std=0.1)
    with torch.no_grad():  # equal biases would be stored once, which only happens before training
        for p in network.parameters():
            if p.ndim == 1:
                p.add_(torch.randn_like(p) * 0.05)
    network.load_state_dict({k: v.half().float() for k, v in network.state_dict().items()})
    return network


@pytest.fixture(scope="module")
def bundle(network: Compact) -> Bundle:
    return export(network, FACTS)


@pytest.fixture(scope="module")
def path(bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reader") / "reading.impasto"
    write_bundle(bundle, path)
    return path


def _photo(*, alpha: np.ndarray | None = None, hidden: float = 0.5) -> Photo:
    image = np.random.default_rng(1).random((48, 64, 3)).astype(np.float32)
    if alpha is not None:
        image[alpha == 0] = hidden
    return Photo(name="a style", image=image, alpha=alpha)


@torch.no_grad()
def test_before_training_a_style_is_its_own_moments():
    network = Compact(SHAPE).eval()
    style = torch.rand(2, 3, 48, 64)
    features = network.encode(style)
    for level, (mean, std) in zip(features, network.read(style, features), strict=True):
        own = fast_mean_std(level)
        assert torch.allclose(mean, own[0], atol=0.02) and torch.allclose(std, own[1], rtol=0.02)


@torch.no_grad()
def test_no_style_is_read_as_something_wild(network):
    odd = torch.stack(
        [torch.zeros(3, 64, 64), torch.ones(3, 64, 64), torch.rand(3, 64, 64).round()]
    )
    features = network.encode(odd)
    for level, (mean, std) in zip(features, network.read(odd, features), strict=True):
        assert torch.isfinite(mean).all()
        ratio = std / fast_mean_std(level)[1]
        assert ratio.min() >= np.exp(-2) * 0.999 and ratio.max() <= np.exp(2) * 1.001


@pytest.mark.parametrize("name", ENGINE_NAMES)
@pytest.mark.parametrize("size", [(48, 64), (40, 72), (16, 24)])
def test_the_graph_reads_as_the_network_also_where_not_all_counts(network, bundle, name, size):
    random = np.random.default_rng(2)
    engine = open_engine(bundle, name=name, precision="fp32")
    style = random.random((3, *size), np.float32)
    encoded, _ = engine.encode(style)
    counts = random.random(encoded[-1].shape[1:], np.float32)
    features = [torch.from_numpy(level)[None] for level in encoded]
    with torch.no_grad():
        given = torch.from_numpy(style)[None], features, torch.from_numpy(counts)[None, None]
        wanted = network.read(*given)
    own = []
    for level in encoded:
        factor = level.shape[1] // counts.shape[0]
        own.append(moments(level, weights=np.kron(counts, np.ones((factor, factor)))))
    got = engine.read(style, own, counts)
    for (mean, std), found in zip(wanted, got, strict=True):
        np.testing.assert_allclose(found.mean, mean.numpy().ravel(), atol=1e-3)
        np.testing.assert_allclose(found.std, std.numpy().ravel(), atol=1e-3)


def test_a_style_is_what_the_reader_says(network, path):
    model = load(path, engine="onnxruntime")
    photo = _photo()
    image = torch.from_numpy(padded(photo.image, model.card))[None]
    with torch.no_grad():
        wanted = network.read(image, network.encode(image))
    for (mean, std), found in zip(wanted, model.style(photo).moments, strict=True):
        np.testing.assert_allclose(found.mean, mean.numpy().ravel(), atol=1e-3)
        np.testing.assert_allclose(found.std, std.numpy().ravel(), atol=1e-3)


def test_what_is_transparent_in_a_style_is_not_read(path):
    model = load(path, engine="onnxruntime")
    alpha = np.ones((48, 64), np.float32)
    alpha[:, 32:] = 0
    styles = [model.style(_photo(alpha=alpha, hidden=hidden)) for hidden in (0.0, 1.0)]
    whole = model.style(_photo())
    for one, two, other in zip(*(style.moments for style in (*styles, whole)), strict=True):
        assert np.array_equal(one.mean, two.mean) and np.array_equal(one.std, two.std)
        assert not np.allclose(one.std, other.std)


def test_a_style_of_which_next_to_nothing_is_seen(path):
    alpha = np.zeros((48, 64), np.float32)
    alpha[20:24, 20:24] = 1
    for level in load(path, engine="onnxruntime").style(_photo(alpha=alpha)).moments:
        assert np.isfinite(level.mean).all() and (level.std > 0).all()


def test_the_file_keeps_the_reader_and_the_identity_counts_it(bundle, path, tmp_path):
    assert read_bundle(path) == bundle
    assert bundle.card.reader_macs_512 > 0
    without = replace(bundle, card=replace(bundle.card, reader_macs_512=0), reader=b"")
    assert without.identity != bundle.identity
    with zipfile.ZipFile(path) as archive:
        card = archive.read("card.json")
        members = {name: archive.read(name) for name in archive.namelist()}
    assert "reader.onnx" in members
    with zipfile.ZipFile(tmp_path / "x.impasto", "w") as archive:
        for name in members.keys() - {"reader.onnx"}:
            archive.writestr(name, members[name])
    with pytest.raises(ModelError, match=r"it has no reader\.onnx"):
        read_bundle(tmp_path / "x.impasto")
    write_bundle(without, tmp_path / "without.impasto")
    with zipfile.ZipFile(tmp_path / "without.impasto") as archive:
        assert "reader.onnx" not in archive.namelist()
        plain = json.loads(archive.read("card.json"))
    assert plain.keys() == json.loads(card).keys() - {"reader_macs_512"}


@pytest.mark.parametrize("name", ENGINE_NAMES)
def test_a_damaged_reader_and_none_at_all(bundle, name):
    with pytest.raises(ModelError, match="the reader of model 'reading' is damaged"):
        open_engine(replace(bundle, reader=bundle.reader[:500]), name=name)
    with pytest.raises(ModelError, match="the reader of model 'reading' has no input 'counts'"):
        open_engine(replace(bundle, reader=bundle.encoder), name=name)
    card = replace(bundle.card, reader_macs_512=0)
    engine = open_engine(replace(bundle, card=card, reader=b""), name=name)
    style = np.zeros((3, 16, 16), np.float32)
    _, own = engine.encode(style)
    with pytest.raises(
        EngineError, match="has no reader: it uses the moments of a style unchanged"
    ):
        engine.read(style, own, np.ones((2, 2), np.float32))


def test_a_model_of_before_there_were_readers_can_be_trained_further(network, bundle, tmp_path):
    old = replace(bundle, card=replace(bundle.card, reader_macs_512=0), reader=b"")
    write_bundle(old, tmp_path / "old.impasto")
    again = Compact(SHAPE)
    start_from(again, tmp_path / "old.impasto")
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value) != name.startswith("reader."), name
    assert again.reader.says.weight.abs().max() < 1e-3


def test_one_that_reads_can_be_trained_further(network, path):
    again = Compact(SHAPE)
    start_from(again, path)
    for name, value in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name


def test_the_papers_network_has_no_reader_and_its_bundle_no_graph_for_it():
    bundle = export(AdaINNetwork(VGG(vgg_weights(), LAYOUTS[0]), Decoder()).eval(), FACTS)
    assert bundle.card.reader_macs_512 == 0 and set(bundle.parts) == {"encoder", "decoder"}


@pytest.fixture(scope="module")
def eye() -> Eye:
    torch.manual_seed(1)
    return Eye(SHAPE.eye)


@torch.no_grad()
def test_an_eye_tells_maps_like_those_of_vgg(eye):
    maps = eye(torch.rand(2, 3, 48, 64))
    assert [tuple(each.shape) for each in maps] == [
        (2, 128, 24, 32), (2, 256, 12, 16), (2, 512, 6, 8)
    ]  # fmt: skip
    judge = VGG(vgg_weights(), LAYOUTS[0])
    real = judge(torch.rand(2, 3, 48, 64), EYE_LAYERS)
    assert [each.shape for each in maps] == [real[layer].shape for layer in EYE_LAYERS]
    assert min(float(each.min()) for each in maps) == 0


def test_what_an_eye_gets_wrong_is_in_units_of_the_style_loss():
    """One that tells every map too high by 0.5 has a style term of 0.25 a layer."""
    judge = VGG(vgg_weights(), LAYOUTS[0])
    config = make_config(
        network="reader", vgg="vgg", contents={"a": 1.0}, styles={"b": 1.0}, precision="fp32"
    )
    objective = ReadingObjective(config, judge, paint=lambda learned, batch: batch.styles)
    styles = torch.rand(2, 3, 32, 32)
    batch = objective.prepare(styles, styles)
    _, right = objective(lambda _: list(batch.taught.values()), batch)
    assert float(right["style"]) == 0 and float(right["distill_features"]) == 0
    _, wrong = objective(lambda _: [each + 0.5 for each in batch.taught.values()], batch)
    assert float(wrong["style"]) == pytest.approx(len(EYE_LAYERS) * 0.25, rel=1e-4)
    parts = [0.25 / max(float(each.var(correction=0)), 1e-3) for each in batch.taught.values()]
    assert float(wrong["distill_features"]) == pytest.approx(sum(parts), rel=1e-3)


@torch.no_grad()
def test_a_reader_looks_along_the_axes_in_which_styles_differ(eye):
    network = Compact(SHAPE).eval()
    random = torch.Generator().manual_seed(3)
    styles = [
        torch.rand(8, 3, 32, 32, generator=random) * torch.rand(8, 3, 1, 1, generator=random)
        for _ in range(20)
    ]
    give_eye(network, eye.state_dict(), styles)
    for name, value in eye.state_dict().items():
        assert torch.equal(network.reader.eye.state_dict()[name], value)
    rows = []
    for batch in styles:
        means, stds = zip(*(fast_mean_std(x) for x in network.encode(batch)), strict=True)
        rows.append(network.reader.seen(batch, None, means, stds))
    seen = torch.cat(rows)
    assert seen.shape == (160, 2 * (3 + sum(SEEN) + 16 + 24))
    along = network.reader.axes(seen).double()
    assert along.mean(0).abs().max() < 1e-2
    spread = along.T @ along / len(along)
    assert (spread - torch.diag(spread.diag())).abs().max() < 1e-2
    # Strong axes have a deviation of 1, weak ones less; eigh gives the weakest first.
    assert 0.9 < spread[-1, -1] <= 1.001 and (spread.diag() <= 1.001).all()
    features = network.encode(styles[0])
    for level, (mean, _) in zip(features, network.read(styles[0], features), strict=True):
        assert torch.allclose(mean, fast_mean_std(level)[0], atol=0.02)  # and hardly speaks yet


def test_the_axes_stay_where_they_are_put():
    moving = [name for name, p in Compact(SHAPE).named_parameters() if not p.requires_grad]
    assert moving == ["reader.axes.weight", "reader.axes.bias"]
