"""Published behavior on request, against the published formulas written down here once more.

On features of the tiny model everywhere; on pictures with the published weights where they lie
beside the checkout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import open_variant, picture, psnr
from numpy.typing import NDArray
from test_color import published_coral

from impasto.controls import Controls
from impasto.controls.affine import Affine
from impasto.controls.behavior import BEHAVIORS, find_behavior
from impasto.controls.moments import EPS
from impasto.errors import OptionError, StyleError
from impasto.images.photo import Photo, read_photo
from impasto.images.resizing import resize
from impasto.painting import Budget
from impasto.styles.files import load_style, save_style
from impasto.stylizer import Stylizer

EXAMPLES = Path(__file__).parents[1] / "examples"
SHARED = Path(__file__).parents[2] / "shared" / "weights"
OTHERS = [row.name for row in BEHAVIORS if row.name != "impasto"]


def near(model: Stylizer) -> float:
    """How near results that are equal in theory come."""
    return 2e-4 if model.engine.precision == "fp32" else 0.03


def flat(features: NDArray[Any]) -> NDArray[np.float64]:
    return features.reshape(len(features), -1).astype(np.float64)


def aligned(
    x: NDArray[np.float64], y: NDArray[np.float64], *, behavior: str
) -> NDArray[np.float64]:
    """AdaIN of (C, positions), as the two programs compute it."""
    less = 1 if behavior == "port" else 0
    # The authors' layer takes the deviation of the style as it is.
    extra = EPS if behavior == "port" else 0.0
    spread = np.sqrt(x.var(axis=1, keepdims=True, ddof=less) + EPS)
    wanted = np.sqrt(y.var(axis=1, keepdims=True, ddof=less) + extra)
    mean, shift = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    return wanted * (x - mean) / spread + shift


def target(
    x: NDArray[Any],
    ys: list[NDArray[Any]],
    *,
    behavior: str,
    alpha: float = 1.0,
    mask: NDArray[Any] | None = None,
) -> NDArray[np.float64]:
    """Features for the decoder, of features (C, h, w); a mask is for the first of two styles."""
    height, width = x.shape[1:]
    here, found = flat(x), np.empty((len(x), height * width))
    if mask is None:
        found = aligned(here, flat(ys[0]), behavior=behavior)
    else:
        rows, columns = (
            np.arange(side) * given // side
            for side, given in zip((height, width), mask.shape, strict=True)
        )
        inside = mask[np.ix_(rows, columns)].ravel() == 1
        for region, y in zip((inside, ~inside), ys, strict=True):
            found[:, region] = aligned(here[:, region], flat(y), behavior=behavior)
    return (alpha * found + (1 - alpha) * here).reshape(x.shape)


def decoded(model: Stylizer, maps: list[NDArray[Any]]) -> NDArray[np.float32]:
    still = [
        Affine(*(np.full((len(each), 1, 1), value, np.float32) for value in (1, 0)))
        for each in maps
    ]
    engine: Any = model.engine
    image = engine.decode([each.astype(np.float32) for each in maps], still)
    return np.asarray(image.transpose(1, 2, 0).clip(0, 1), np.float32)


def diagonal(height: int, width: int) -> NDArray[np.float32]:
    y, x = np.mgrid[:height, :width]
    return (x * height > y * width).astype(np.float32)


CASES: list[tuple[float, NDArray[np.float32] | None]] = [
    (1.0, None),
    (0.05, None),
    (1.0, diagonal(64, 80)),
    (0.5, diagonal(64, 80)),
    (1.0, diagonal(30, 23)),  # of a size of its own
    (1.0, diagonal(640, 400)),
]


@pytest.mark.parametrize(("alpha", "mask"), CASES)
@pytest.mark.parametrize("behavior", OTHERS)
def test_the_published_formulas(
    tiny: Stylizer, behavior: str, alpha: float, mask: NDArray[np.float32] | None
) -> None:
    image, looks = picture(64, 80), [picture(48, 36, seed=1), picture(20, 60, seed=2) ** 2]
    looks = looks[: 1 if mask is None else 2]
    encoded: list[Any] = [tiny.encode(each) for each in (image, *looks)]
    maps = [
        target(x, ys, behavior=behavior, alpha=alpha, mask=mask)
        for x, *ys in zip(*(each.features for each in encoded), strict=True)
    ]
    wanted = decoded(tiny, maps)
    controls = Controls(
        behavior=behavior, alpha=alpha, masks=() if mask is None else [mask, 1 - mask]
    )
    styles = [tiny.style(look, size=None) for look in looks]
    found = tiny.paint(image, styles, controls).image
    np.testing.assert_allclose(found, wanted, atol=near(tiny))
    ours = tiny.paint(image, styles, Controls(alpha=alpha, masks=controls.masks)).image
    assert np.abs(found - ours).max() > (0 if alpha == 1 and mask is None else 2 * near(tiny))
    tiled = tiny.paint(image, styles, controls, budget=Budget(tile=32)).image
    np.testing.assert_allclose(tiled, found, atol=near(tiny))


def test_the_unbiased_variance_is_seen_in_small_pictures(tiny: Stylizer) -> None:
    image, style = picture(16, 16), tiny.style(picture(64, 64, seed=1))
    found, ours = (
        tiny.paint(image, style, Controls(behavior=each)).image.astype(float)
        for each in ("port", "impasto")
    )
    # 16 positions at the coarse level and 64 at the fine one, of style 256 and 1024.
    assert 1e-3 < np.abs(found - ours).max() < 0.05


def test_a_region_of_one_position_has_moments_of_its_own(tiny: Stylizer) -> None:
    image, looks = picture(64, 80), [picture(48, 36, seed=1), picture(20, 60, seed=2) ** 2]
    dot = np.zeros((64, 80), np.float32)
    dot[32:36, 40:44] = 1
    encoded: list[Any] = [tiny.encode(each) for each in (image, *looks)]
    maps = [
        target(x, ys, behavior="authors", mask=dot)
        for x, *ys in zip(*(each.features for each in encoded), strict=True)
    ]
    styles = [tiny.style(look, size=None) for look in looks]
    masks = [dot, 1 - dot]
    found = tiny.paint(image, styles, Controls(behavior="authors", masks=masks)).image
    np.testing.assert_allclose(found, decoded(tiny, maps), atol=near(tiny))


def test_what_cannot_be_is_said(tiny: Stylizer, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="behavior must be impasto or authors or port, not 'lua'"):
        Controls(behavior="lua")
    style = tiny.style(picture(48, 36, seed=1))
    save_style(style, tmp_path / "kept.safetensors")
    kept = load_style(tmp_path / "kept.safetensors")
    image = picture(32, 32)
    with pytest.raises(StyleError, match=r"'port' needs .* give the picture itself"):
        tiny.paint(image, kept, Controls(behavior="port"))
    found = [tiny.paint(image, each, Controls(behavior="authors")).image for each in (style, kept)]
    np.testing.assert_allclose(*found, atol=near(tiny))
    assert all(find_behavior(row.name) is row and row.summary for row in BEHAVIORS)


# The published weights and pictures


class Published:
    """The PyTorch port's ``style_transfer``, written from its formulas, in single precision."""

    def __init__(self) -> None:
        import torch
        from torch.nn import functional as F

        self._pad = lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect")
        self._convolve, self._pool, self._torch = F.conv2d, F.max_pool2d, torch
        self._up = lambda x: F.interpolate(x, scale_factor=2, mode="nearest")

        def layers(name: str) -> list[Any]:
            """Weight and bias of each convolution, in the order of the network."""
            read = torch.load(SHARED / name, weights_only=True)
            numbers = sorted({int(key.partition(".")[0]) for key in read})
            return [(read[f"{each}.weight"], read[f"{each}.bias"]) for each in numbers]

        self._vgg, self._decoder = layers("vgg_normalised.pth"), layers("decoder.pth")

    def encode(self, image: NDArray[np.float32]) -> NDArray[np.float32]:
        """Relu4_1 (512, h, w) of (H, W, 3)."""
        x = self._torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None]
        x = self._convolve(x, *self._vgg[0])  # to BGR around 0
        for i, layer in enumerate(self._vgg[1:10]):  # conv1_1 to conv4_1
            x = self._convolve(self._pad(x), *layer).relu()
            if i in (1, 3, 7):
                x = self._pool(x, 2, ceil_mode=True)
        return np.asarray(x[0].numpy())

    def decode(self, features: NDArray[Any]) -> NDArray[np.float32]:
        x = self._torch.from_numpy(features.astype(np.float32))[None]
        for i, layer in enumerate(self._decoder):
            x = self._convolve(self._pad(x), *layer)
            x = x if i == 8 else x.relu()
            x = self._up(x) if i in (0, 4, 6) else x
        return np.asarray(x[0].numpy().transpose(1, 2, 0).clip(0, 1))


def crop(name: str, side: int) -> NDArray[np.float32]:
    image = resize(read_photo(EXAMPLES / name).image, side)
    return image[:side, :side]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the weights in ../shared")
def test_pictures_of_the_published_weights() -> None:
    """At 256 px, with styles of other sizes; what this project does otherwise is 40 dB away."""
    torch = pytest.importorskip("torch")
    from impasto.lab.evaluate.painters import adain_bundle

    files = [SHARED / name for name in ("vgg_normalised.pth", "decoder.pth")]
    model = open_variant(adain_bundle(*files), ("onnxruntime", "fp32"))
    published = Published()
    image, mask = crop("photos/chelsea.jpg", 256), diagonal(256, 256)
    looks = [crop("styles/wave.jpg", 192), crop("styles/woodcut.jpg", 128)]
    content, styles = model.encode(image), [model.style(each, size=None) for each in looks]
    with torch.no_grad():
        x, *ys = (published.encode(each) for each in (image, *looks))
        recolored = published.encode(published_coral(looks[0].astype(float), image.astype(float)))
        for alpha in (0.05, 0.0):
            wanted = published.decode(target(x, ys, behavior="port", alpha=alpha))
            found = model.paint(content, styles[0], Controls(alpha=alpha, behavior="port")).image
            assert psnr(found, wanted) > 70
        assert psnr(model.paint(content, styles[0], Controls(alpha=0.05)).image, wanted) < 40
        wanted = published.decode(target(x, ys, behavior="authors", mask=mask))
        masks = [mask, 1 - mask]
        found = model.paint(content, styles, Controls(masks=masks, behavior="authors")).image
        assert psnr(found, wanted) > 60
        assert psnr(model.paint(content, styles, Controls(masks=masks)).image, wanted) < 40
        wanted = published.decode(target(x, [recolored], behavior="port"))
        style = Photo(looks[0], None, "a wave")
        found = model.paint(content, style, Controls(color="coral", behavior="port")).image
        assert psnr(found, wanted) > 60
