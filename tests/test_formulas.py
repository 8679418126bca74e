"""The paper's formulas for its controls, computed another way in feature space: eqs. 8, 14 and 15.

On the tiny model, every embedded one and the paper's own network in PyTorch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from conftest import EMBEDDED, apply_affine, open_variant, picture, tiny_card
from numpy.typing import NDArray

from impasto.controls import Controls
from impasto.controls.affine import Affine, align
from impasto.controls.moments import EPS, cell_average, moments
from impasto.controls.regions import StyleMap
from impasto.models import Bundle, Card, Level, find_bundle
from impasto.models.engine import Encoded
from impasto.painting.adain import AdaINPainter
from impasto.painting.tiles import Content, gather
from impasto.styles.style import Style
from impasto.stylizer import Stylizer

Maps = list[NDArray[np.float64]]


class TorchEngine:
    """A network of the lab as an engine."""

    name = "torch"
    precision = "fp32"

    def __init__(self, network: Any) -> None:
        self.network = network

    def encode(self, image: NDArray[np.float32]) -> Encoded:
        import torch

        with torch.no_grad():
            maps = [each[0].numpy() for each in self.network.encode(torch.from_numpy(image)[None])]
        return tuple(maps), tuple(moments(each) for each in maps)

    def decode(
        self, features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
    ) -> NDArray[np.float32]:
        import torch

        parts = (features, [a.scale for a in affines], [a.shift for a in affines])
        with torch.no_grad():
            image = self.network.decode(*([torch.from_numpy(a)[None] for a in p] for p in parts))
        found: NDArray[np.float32] = image[0].numpy()
        return found


def papers_network() -> Stylizer:
    """With its published weights if they lie beside the checkout, else with random ones."""
    pytest.importorskip("torch")
    from lab_parts import SHARED, vgg_weights

    from impasto.lab.methods.adain import AdaINNetwork, Decoder, decoder_from
    from impasto.lab.nets.state import read_weights
    from impasto.lab.nets.vgg import LAYOUTS, VGG, load_vgg

    files = [SHARED / "weights" / name for name in ("vgg_normalised.pth", "decoder.pth")]
    if all(file.exists() for file in files):
        vgg, decoder = load_vgg(files[0]), decoder_from(read_weights(files[1]))
    else:
        vgg, decoder = VGG(vgg_weights(), LAYOUTS[0]), Decoder()
    tiny = tiny_card()
    facts = {name: getattr(tiny, name) for name in tiny.__dataclass_fields__}
    card = Card(**{**facts, "name": "adain", "levels": (Level("relu4_1", 512, 8),), "multiple": 8})
    network = AdaINNetwork(vgg, decoder.eval())
    engine: Any = TorchEngine(network)
    return Stylizer(AdaINPainter(card, engine, "0" * 16))


@pytest.fixture(scope="module", params=["tiny", *EMBEDDED, "adain"])
def model(request: pytest.FixtureRequest, tiny_bundle: Bundle) -> Stylizer:
    if request.param == "adain":
        return papers_network()
    bundle = tiny_bundle if request.param == "tiny" else find_bundle(request.param)
    return open_variant(bundle, ("onnxruntime", "fp32"))


@pytest.fixture(scope="module")
def content(model: Stylizer) -> Any:
    # Wide enough that the middle lies beyond the reach of the reflection at the edges.
    return model.encode(picture(96, 160 + 2 * model.card.margin, seed=3))


@pytest.fixture(scope="module")
def painted_styles(model: Stylizer) -> list[Any]:
    return [model.encode(picture(64, 96, seed=seed) ** (seed - 3)) for seed in (4, 5, 6)]


def adain(x: NDArray[Any], y: NDArray[Any]) -> NDArray[np.float64]:
    """Eq. 8 on (C, positions), in double precision and in the paper's words."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    mu_x, mu_y = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    sigma_x, sigma_y = (np.sqrt(each.var(axis=1, keepdims=True) + EPS) for each in (x, y))
    return sigma_y * (x - mu_x) / sigma_x + mu_y


def size(content: Content) -> tuple[int, int]:
    return content.source.height, content.source.width


def flat(features: NDArray[Any]) -> NDArray[Any]:
    return features.reshape(len(features), -1)


def ours(
    model: Stylizer,
    content: Content,
    styles: Sequence[Content | Style],
    *,
    alpha: Any = 1.0,
    weights: Sequence[float] | None = None,
    masks: NDArray[np.float32] | None = None,
    statistics: str = "region",
) -> Maps:
    """The aligned features at every level, (C, positions)."""
    controls = Controls(
        alpha=alpha,
        weights=weights,
        masks=() if masks is None else list(masks),
        statistics=statistics,
    )
    features = content.features
    assert features is not None
    amounts = StyleMap(controls, len(styles), content.source.height, content.source.width)
    engine: Any = model.engine
    contents = gather(content, engine, amounts.regions)
    everywhere = content.padded(amounts.window, *content.whole)
    found = []
    for i, level in enumerate(content.card.levels):
        # A style is its moments, and so is a content.
        wanted: Any = [style.moments[i] for style in styles]
        cells = everywhere if everywhere.ndim == 1 else cell_average(everywhere, level.stride)
        affine = align([each[i] for each in contents], wanted, cells)
        found.append(flat(apply_affine(features[i], affine)))
    return found


def same(found: Maps, wanted: Maps) -> None:
    for one, two in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-5 * max(1, two.std()))


def levels(content: Content, styles: Sequence[Content]) -> Any:
    """The features of the content and of all styles, level by level, as (C, positions)."""
    return [
        (flat(x), [flat(y) for y in ys])
        for x, *ys in zip(content.features, *(s.features for s in styles), strict=True)
    ]


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 1.7])
def test_strength_mixes_the_features(
    model: Stylizer, content: Content, painted_styles: list[Content], alpha: float
) -> None:
    """Eq. 14: (1 - alpha) f(c) + alpha AdaIN(f(c), f(s))."""
    styles = painted_styles[:1]
    wanted = [(1 - alpha) * x + alpha * adain(x, y) for x, (y,) in levels(content, styles)]
    same(ours(model, content, styles, alpha=alpha), wanted)


def test_a_map_of_strength_mixes_the_features_at_each_place(
    model: Stylizer, content: Content, painted_styles: list[Content]
) -> None:
    height, width = size(content)
    steps = np.zeros((height, width), np.float32)
    steps[:, width // 2 :] = 1.5
    wanted = []
    for i, (x, (y,)) in enumerate(levels(content, painted_styles[:1])):
        right = columns(model, content, i)
        wanted.append(x + 1.5 * right * (adain(x, y) - x))
    same(ours(model, content, painted_styles[:1], alpha=steps), wanted)


@pytest.mark.parametrize("weights", [(1, 1, 1), (0.2, 0.5, 0.3), (0, 3, 1)])
def test_mixing_moments_is_mixing_aligned_features(
    model: Stylizer,
    content: Content,
    painted_styles: list[Content],
    weights: tuple[float, ...],
) -> None:
    """Eq. 15: sum_k w_k AdaIN(f(c), f(s_k))."""
    portions = np.divide(weights, sum(weights))
    wanted = [
        sum(w * adain(x, y) for w, y in zip(portions, ys, strict=True))
        for x, ys in levels(content, painted_styles)
    ]
    same(ours(model, content, painted_styles, weights=weights), wanted)


def columns(model: Stylizer, content: Content, level: int) -> NDArray[np.bool_]:
    """The positions of a level that lie in the right half of the picture, margins included."""
    stride, margin = model.card.levels[level].stride, model.card.margin
    _, rows, places = content.features[level].shape
    middle = (margin + size(content)[1] // 2) // stride
    return np.tile(np.arange(places) >= middle, rows)


@pytest.fixture
def halves(model: Stylizer, content: Content) -> NDArray[np.float32]:
    height, width = size(content)
    assert (width // 2) % model.card.multiple == 0, "a border between cells"
    left = np.zeros((height, width), np.float32)
    left[:, : width // 2] = 1
    return np.stack([left, 1 - left])


def test_hard_masks_are_adain_on_sets_of_positions(
    model: Stylizer,
    content: Content,
    painted_styles: list[Content],
    halves: NDArray[np.float32],
) -> None:
    """Fig. 10 as the authors' code draws it: each region has its own moments and its own style."""
    wanted = []
    for i, (x, ys) in enumerate(levels(content, painted_styles[:2])):
        right = columns(model, content, i)
        target = np.empty(x.shape)
        for region, y in zip((~right, right), ys, strict=True):
            target[:, region] = adain(x[:, region], y)
        wanted.append(target)
    same(ours(model, content, painted_styles[:2], masks=halves), wanted)


def test_hard_masks_with_the_moments_of_the_image(
    model: Stylizer,
    content: Content,
    painted_styles: list[Content],
    halves: NDArray[np.float32],
) -> None:
    wanted = []
    for i, (x, ys) in enumerate(levels(content, painted_styles[:2])):
        wanted.append(np.where(columns(model, content, i), adain(x, ys[1]), adain(x, ys[0])))
    found = ours(model, content, painted_styles[:2], masks=halves, statistics="image")
    same(found, wanted)


def test_all_of_them_at_once(
    model: Stylizer,
    content: Content,
    painted_styles: list[Content],
    halves: NDArray[np.float32],
) -> None:
    """Two styles share the left half 1 : 3, the third has a quarter of the right; alpha 0.8."""
    masks = np.stack([halves[0], halves[0], 0.25 * halves[1]])
    wanted = []
    for i, (x, ys) in enumerate(levels(content, painted_styles)):
        right = columns(model, content, i)
        target = x.astype(np.float64)
        for region, share, y in [
            (~right, 0.25, ys[0]),
            (~right, 0.75, ys[1]),
            (right, 0.25, ys[2]),
        ]:
            inside = x[:, region]
            target[:, region] += 0.8 * share * (adain(inside, y) - inside)
        wanted.append(target)
    same(ours(model, content, painted_styles, alpha=0.8, weights=(1, 3, 2), masks=masks), wanted)


def test_paint_decodes_what_the_formula_says(
    model: Stylizer, content: Content, halves: NDArray[np.float32]
) -> None:
    """From pictures to the picture: the decoder gets the aligned features and nothing else."""
    styles = [model.style(picture(64, 96, seed=seed)) for seed in (4, 5)]
    # Some models read their styles: the moments that the features get are those that a style keeps.
    aligned = ours(model, content, styles, masks=halves)
    features = [
        each.reshape(f.shape).astype(np.float32)
        for each, f in zip(aligned, content.features, strict=True)
    ]
    still = [
        Affine(
            scale=np.ones((len(f), 1, 1), np.float32), shift=np.zeros((len(f), 1, 1), np.float32)
        )
        for f in features
    ]
    engine: Any = model.engine
    decoded = engine.decode(features, still)
    top = model.card.margin
    height, width = size(content)
    wanted = decoded[:, top : top + height, top : top + width].transpose(1, 2, 0).clip(0, 1)
    found = model.paint(content, styles, Controls(masks=list(halves))).image
    np.testing.assert_allclose(found, wanted, atol=1e-4)
