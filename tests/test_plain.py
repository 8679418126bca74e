"""Plain grounds: a picture of one color is painted in one color, without a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from lab_parts import padded
from numpy.typing import NDArray
from PIL import Image

from impasto.controls.affine import adain
from impasto.controls.masks import PlaneWindows
from impasto.controls.moments import Moments
from impasto.controls.plain import texture_share, toned_down
from impasto.images.arrays import Photo
from impasto.images.windows import Window
from impasto.models import MODELS
from impasto.painting import Budget
from impasto.painting.survey import contrast_of
from impasto.styles.library import find_style
from impasto.stylizer import Stylizer, load

RIM = 16
"""How wide a rim is, in pixels, and by how much of 255 it may differ from the middle."""

EMBEDDED = [row.name for row in MODELS if row.file is not None]
STYLES = (
    "blake-abel", "kandinsky-cossacks", "klimt-kiss", "michelangelo-last-judgment",
    "munch-melancholy", "munch-scream", "schiele-arthur-roessler", "seurat-port-en-bessin",
    "uccello-san-romano", "van-gogh-irises",
)  # fmt: skip
COLORS = {"white": (1, 1, 1), "black": (0, 0, 0), "gray": (0.5, 0.5, 0.5), "red": (0.8, 0.2, 0.1)}


@pytest.fixture(scope="module", params=EMBEDDED)
def model(request: pytest.FixtureRequest) -> Stylizer:
    return load(request.param, engine="onnxruntime")


def flat(height: int, width: int, color: tuple[float, ...]) -> NDArray[np.float32]:
    return np.broadcast_to(np.array(color, np.float32), (height, width, 3)).copy()


def from_the_middle(painted: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of 255, the distance of every pixel of the rim from the middle's color."""
    height, width = painted.shape[:2]
    middle = painted[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8]
    apart = np.abs(painted - np.median(middle.reshape(-1, 3), axis=0)).max(axis=-1) * 255
    inside = np.zeros((height, width), bool)
    inside[RIM:-RIM, RIM:-RIM] = True
    return apart[~inside]


@pytest.mark.parametrize(
    "color, size", list(zip(COLORS, [(64, 80), (50, 101), (104, 48), (33, 36)], strict=True))
)
def test_a_flat_picture_has_no_frame(model: Stylizer, color: str, size: tuple[int, int]) -> None:
    content = model.encode(flat(*size, COLORS[color]))
    # Ten styles in all, four each for every color, since all colors are painted alike.
    for name in STYLES if color == "white" else STYLES[::3]:
        painted = model.paint(content, find_style(name, model=model.identity)).image
        assert from_the_middle(painted).max() <= RIM, name


@pytest.mark.parametrize("color", COLORS)
def test_every_color_is_painted_as_the_style_alone(color: str) -> None:
    # Of a picture without contrast AdaIN leaves the style's mean: nothing of the color is left.
    fast = load("fast", engine="onnxruntime")
    white, other = (
        fast.stylize(flat(48, 48, COLORS[each]), "klimt-kiss") for each in ("white", color)
    )
    np.testing.assert_allclose(white, other, atol=1e-5)


@pytest.mark.parametrize(
    "more", [{"alpha": 0.5}, {"tile": 64}, {"coarse": 2}, {"alpha": 2}, {"color": "luminance"}]
)
def test_with_other_controls_too(more: dict[str, float]) -> None:
    image = flat(130, 100, COLORS["white"])
    painted = load("fast", engine="onnxruntime").stylize(image, "munch-scream", **more)
    assert from_the_middle(painted).max() <= RIM


def test_rounding_to_8_bits_and_jpeg_leave_it_plain() -> None:
    noise = np.random.default_rng(0).integers(-2, 3, (96, 96, 3)) / 255
    image = (flat(96, 96, COLORS["gray"]) + noise).astype(np.float32)
    painted = load("fast", engine="onnxruntime").stylize(image, "munch-scream")
    assert from_the_middle(painted).max() <= RIM


@pytest.mark.parametrize("contrast", [17, 200])
def test_a_picture_with_any_contrast_is_painted_as_before(model: Stylizer, contrast: int) -> None:
    image = flat(64, 64, COLORS["black"])
    image[20:40, 30:50, 1] = contrast / 255
    style = find_style("munch-scream", model=model.identity)
    features, own = model.engine.encode(padded(image, model.card))
    maps = [adain(x, y) for x, y in zip(own, style.moments, strict=True)]
    inside = slice(model.card.margin, model.card.margin + 64)
    direct = model.engine.decode(features, maps)[:, inside, inside].transpose(1, 2, 0)
    assert np.array_equal(model.stylize(image, style), np.clip(direct, 0, 1))


def test_a_plain_region_is_painted_plain_beside_one_that_is_not() -> None:
    fast = load("fast", engine="onnxruntime")
    image = flat(128, 256, COLORS["white"])
    image[:, 128:] = np.random.default_rng(0).random((128, 128, 3), np.float32)
    left = np.zeros((128, 256), np.float32)
    left[:, :128] = 1
    painted = fast.stylize(image, ["munch-scream", "klimt-kiss"], masks=[left, 1 - left])
    alone = fast.stylize(flat(128, 128, COLORS["white"]), "munch-scream")
    far = slice(32, 96), slice(32, 40)  # further than the model sees from the border and the noise
    assert np.abs(painted[far] - alone[far]).max() * 255 <= RIM
    assert np.ptp(painted[32:96, 160:224]) * 255 > 4 * RIM


def test_what_is_hidden_does_not_count() -> None:
    image = flat(96, 96, COLORS["red"])
    image[:, 90:] = np.random.default_rng(0).random((96, 6, 3), np.float32)
    alpha = np.ones((96, 96, 1), np.float32)
    alpha[:, 90:] = 0
    fast = load("fast", engine="onnxruntime")
    picture = np.concatenate([image, alpha], axis=2)
    painted = np.asarray(fast.stylize(picture, "munch-scream"))[:, :90, :3]
    assert from_the_middle(painted).max() <= RIM


def test_files_in_tiles_are_as_plain(tmp_path: Path) -> None:
    Image.new("RGB", (150, 260), "white").save(tmp_path / "white.png")
    fast = load("fast", engine="onnxruntime")
    fast.stylize_file(
        tmp_path / "white.png", tmp_path / "painted.png", "munch-scream", budget=Budget(tile=96)
    )
    with Image.open(tmp_path / "painted.png") as painted:
        assert from_the_middle(np.asarray(painted, np.float32) / 255).max() <= RIM


def test_the_share_rises_from_0_to_1() -> None:
    shares = [texture_share(contrast / 255) for contrast in (0, 3, 4, 7, 10, 13, 16, 100)]
    np.testing.assert_allclose(shares, [0, 0, 0, 0.25, 0.5, 0.75, 1, 1])
    own = Moments(np.array([3.0]), np.array([0.5]))
    style = Moments(np.array([7.0]), np.array([2.0]))
    assert toned_down(own, 1) is own
    for share in shares:
        found = adain(toned_down(own, share), style)
        # The mean of the style always, and of its deviation the share.
        np.testing.assert_allclose(found.scale.item() * 3 + found.shift.item(), 7)
        np.testing.assert_allclose(found.scale.item() * 0.5, share * 2)


def test_contrast_is_the_range_of_what_can_be_seen() -> None:
    image = np.full((200, 50, 3), 0.5, np.float32)
    image[199, 49, 2] = 0.75
    assert contrast_of(Photo(image, None, "one spot"), enough=1) == 0.25
    visible = (image[..., 2] == 0.5).astype(np.float32)
    assert contrast_of(Photo(image, visible, "its spot is hidden"), enough=1) == 0
    assert contrast_of(Photo(image, 0 * visible, "all is hidden"), enough=1) is None


def test_contrast_of_a_region_that_is_large_enough() -> None:
    image = np.zeros((64, 64, 3), np.float32)
    image[40:] = 0.5
    mask = np.zeros((64, 64), np.float32)
    mask[:8, :8] = 1
    region = PlaneWindows(mask, 64, 64)
    photo = Photo(image, None, "half")
    assert contrast_of(photo, region, enough=1, pixels=64) == 0
    assert contrast_of(photo, region, enough=1, pixels=65) is None
    mask[39:41] = 1
    assert contrast_of(photo, PlaneWindows(mask, 64, 64), enough=1) == 0.5


def test_no_more_is_read_than_is_needed() -> None:
    seen = []

    class Watched(Photo):
        def window(self, rows: slice, columns: slice) -> Window:
            seen.append(rows.stop)
            return super().window(rows, columns)

    image = np.zeros((1000, 20, 3), np.float32)
    image[70] = 1
    assert contrast_of(Watched(image, None, "a line"), enough=0.1) == 1
    assert seen == [64, 128]
