"""The models that lie in ``trained/``, as whoever downloads one gets them."""

from __future__ import annotations

import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import impasto
from impasto.errors import OptionError

ROOT = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not (ROOT / "trained").exists(), reason="a source archive comes without trained/"
)
OWN = tuple(sorted(path.stem for path in (ROOT / "examples" / "styles").glob("*.jpg")))
"""Styles whose pictures this project made."""
TRAINED = {
    "johnson-wave": (("wave",), ()),
    "cin-9": ((*OWN, "munch-scream", "kandinsky-cossacks"), ("several",)),
    "stylebank-5": (
        ("night_sky", "pointillism", "stained_glass", "wave", "watercolor"),
        ("alpha", "several", "masks"),
    ),
}
"""File -> its styles and its controls."""


@pytest.fixture(scope="module", params=TRAINED)
def trained(request):
    path = ROOT / "trained" / f"{request.param}.impasto"
    return request.param, path, impasto.load(path, engine="onnxruntime", threads=1)


@pytest.fixture(scope="module")
def photo():
    """A photograph that no network was trained on, small and of odd sides."""
    with Image.open(ROOT / "examples" / "photos" / "coffee.jpg") as file:
        pixels = np.asarray(file.convert("RGB"))
    return np.ascontiguousarray(pixels[20:380:3, 100:535:3])


def distance(first, second):
    """Mean difference in levels of 255."""
    return float(np.abs(first.astype(np.float32) - second.astype(np.float32)).mean())


def test_every_bundle_says_what_it_is_and_is_small(trained):
    name, path, model = trained
    assert (model.card.styles, model.card.controls) == TRAINED[name]
    assert path.stat().st_size <= 4 << 20
    assert model.card.licence == "MIT" and model.card.data and model.card.iterations > 100
    readme = (ROOT / "trained" / "README.md").read_text()
    assert f"`{path.name}`" in readme


def test_every_style_plainly_changes_the_photograph_its_own_way(trained, photo):
    model = trained[2]
    pictures = [model.stylize(photo, style) for style in model.card.styles]
    for picture in pictures:
        assert picture.shape == photo.shape and picture.dtype == np.uint8
        assert distance(picture, photo) > 15
        assert picture.std() > 20  # no gray wash
        # What it shows can still be told: light and dark lie where they lay, or the other way.
        gray, own = photo.mean(2).ravel(), picture.mean(2).ravel()
        assert abs(np.corrcoef(gray, own)[0, 1]) > 0.3
    for first, second in combinations(pictures, 2):
        assert distance(first, second) > 10


def test_mixtures_lie_between_their_styles(trained, photo):
    model = trained[2]
    if len(model.card.styles) == 1:
        with pytest.raises(OptionError):
            model.stylize(photo, ["wave", "wave"])
        return
    first, second = model.card.styles[0], "wave"
    ends = [model.stylize(photo, style) for style in (first, second)]
    whole = distance(*ends)
    mixed = [model.stylize(photo, [first, second], weights=[3 - i, 1 + i]) for i in range(3)]
    way = [distance(ends[0], picture) for picture in mixed]
    assert 0 < way[0] < way[1] < way[2] < 1.2 * whole
    assert all(distance(ends[1], picture) < whole for picture in mixed)


def test_strength_and_masks_where_they_are_promised(trained, photo):
    model = trained[2]
    style = model.card.styles[-1]
    full = model.stylize(photo, style)
    if "alpha" not in model.card.controls:
        with pytest.raises(OptionError):
            model.stylize(photo, style, alpha=0.5)
        return
    away = [distance(model.stylize(photo, style, alpha=a), photo) for a in (0.0, 0.25, 0.5, 1.0)]
    assert away == sorted(away) and away[0] < 1 and away[1] < 0.7 * away[3]
    left = np.zeros(photo.shape[:2], np.float32)
    left[:, : photo.shape[1] // 2] = 1
    other = model.card.styles[0]
    parted = model.stylize(photo, [style, other], masks=[left, 1 - left])
    columns = photo.shape[1] // 4
    second = model.stylize(photo, other)
    near, far = (
        [distance(parted[:, part], picture[:, part]) for picture in (full, second)]
        for part in (np.s_[:columns], np.s_[-columns:])
    )
    # Not the same as there: normalization sees the whole picture, in both styles.
    assert near[0] < 0.75 * near[1] and far[1] < 0.75 * far[0]


def test_the_logs_tell_how_each_was_made():
    # As they were written, most of them before configs had tables.
    found = {
        path.parent: tomllib.loads(path.read_text())
        for path in (ROOT / "recipes/logs").rglob("*.toml")
    }
    made = {folder.relative_to(ROOT / "recipes/logs").parts[0] for folder in found}
    last = {"quality-rim", "quality-again", "quality-large", "quality-price-of-colors"}
    last |= {"quality-collages", "quality-two-sizes"}
    last |= {"fast-rim", "fast-large", "fast-price-of-colors", "fast-grounds"}
    assert made >= {*TRAINED, "style-swap-inverse", *last}
    for folder, config in found.items():
        painted = config["network"] != "reader"  # which has no pictures to hold against others
        for name in ("log.csv", "held-out.csv") if painted else ("log.csv",):
            last = (folder / name).read_text().splitlines()[-1]
            assert 0 < int(last.split(",")[0]) <= config["iterations"]


ALIVE = ("quality", "fast")
"""Models that were trained with a leak and the studio's margin."""


@pytest.mark.parametrize("name", ALIVE)
def test_hardly_a_channel_is_dead(name):
    """A channel within a block that does not vary, or that nothing is made of, is work for nothing.

    Earlier models had 758 of 768 and 134 of 192 at 1/8 like that, and their losses did not tell.
    """
    torch = pytest.importorskip("torch")
    from channels import dead_channels, record_channels
    from impasto.lab.nets.network import stylize
    from impasto.lab.training.checkpoints import start_from
    from impasto.lab.training.networks import find_network

    row = find_network(name)
    network = row.build(row.tables.method())
    start_from(network, name)
    contents, styles = (
        torch.stack([torch.from_numpy(_corner(path)).movedim(2, 0) for path in sorted(paths)[:4]])
        for paths in (ROOT.glob("examples/photos/*.jpg"), ROOT.glob("examples/styles/*.jpg"))
    )
    with torch.no_grad(), record_channels(network) as activity:
        stylize(network, contents, styles)
    for block, dead in dead_channels(activity).items():
        if not block.startswith("reader"):
            share = float(dead.float().mean())
            assert share < 0.1, f"{block}: {share:.0%} of {len(dead)} channels are dead"


@pytest.mark.parametrize("name", ALIVE)
def test_training_paints_as_the_studio(name):
    """A network that is trained without the studio's margin is off in light within it."""
    torch = pytest.importorskip("torch")
    from impasto.lab.methods.compact.terms import CompactBatch
    from impasto.lab.training.checkpoints import start_from
    from impasto.lab.training.networks import find_network

    row = find_network(name)
    network = row.build(row.tables.method()).eval()
    start_from(network, name)
    photo, style = (
        np.ascontiguousarray(_corner(next(ROOT.glob(f"examples/{each}")))[:192, :128])
        for each in ("photos/coffee.jpg", "styles/wave.jpg")
    )
    one, other = (torch.from_numpy(each).movedim(2, 0)[None] for each in (photo, style))
    model = impasto.load(name, engine="onnxruntime", precision="fp32")
    painted = model.paint(photo, model.style(style)).image
    for rim in (None, 1):
        batch = CompactBatch(one, other, {}, one, unaligned=1, rim=rim)
        with torch.no_grad():
            pictures = row.paint(network, batch).clamp(0, 1).movedim(1, 3).numpy()
        # Those of the pairs, unaligned contents, and with ``rim`` pairs with the narrow margin.
        assert pictures.shape == (3 if rim else 2, *photo.shape)
        assert np.abs(pictures[-1 if rim else 0] - painted).max() < 2 / 255


def _corner(path):
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB").crop((0, 0, 256, 256)), np.float32) / 255
