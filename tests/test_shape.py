"""The experiment of shape against texture: its pictures, and its run in small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch", reason="the experiment trains networks")

import torch
from conftest import picture
from PIL import Image

import shape
from impasto.errors import OptionError
from study import Bench, Places, Results, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Textures: three families of plain colors, with a file more of the first two."""
    made = tmp_path_factory.mktemp("textures")
    for i, (name, count) in enumerate((("blue", 2), ("green", 2), ("red", 1), ("sand", 1))):
        for number in range(count):
            image = np.zeros((80, 100, 3), np.uint8) + np.array(COLORS[i], np.uint8)
            Image.fromarray(image).save(made / f"{name}_{number}.png")
    (made / "notes.txt").write_text("no picture")
    return made


COLORS = ((0, 0, 255), (0, 255, 0), (255, 0, 0), (200, 180, 120))


def test_shapes_have_the_areas_of_their_outlines() -> None:
    areas = {
        "disk": np.pi * 0.9**2,
        "square": 1.6**2,
        "triangle": 0.95 * 1.75,
        "cross": 5 * (2 / 3) ** 2,
        "ring": np.pi * 0.75,
        "arrow": 0.6 + 0.9,
    }
    for name, area in areas.items():
        for turn in (0.0, 20.0):
            mask = shape.drawn_shape(name, 96, radius=40, turn=turn, at=(48, 50))
            assert mask.sum() / 40**2 == pytest.approx(area, rel=0.03), name
    for name in shape.SHAPES:
        mask = shape.drawn_shape(name, 96, radius=40, turn=10, at=(48, 50))
        y, x = np.nonzero(mask)
        assert np.hypot(x - 48, y - 50).max() < 1.3 * 40 + 1, name
    masks = [shape.drawn_shape(name, 48, radius=20, turn=0, at=(24, 24)) for name in shape.SHAPES]
    apart = [np.abs(a - b).mean() for i, a in enumerate(masks) for b in masks[:i]]
    assert min(apart) > 0.04


def test_shapes_are_filled_with_the_textures_of_their_families(folder: Path) -> None:
    source = shape.Textures([str(folder)], 3, 2)
    assert source.names == ["blue", "green", "red"]
    random = np.random.default_rng(0)
    numbers = np.arange(3).repeat(4)
    for textures in (numbers, (numbers + 1) % 3):
        made = shape.draw_set(numbers, textures, source, 32, random)
        assert made.shape == (12, 32, 32, 3) and made.dtype == np.uint8
        for image, family in zip(made, textures, strict=True):
            share = (image == COLORS[family]).all(axis=2).mean()
            assert 0.05 < share < 0.7
    flat = shape.draw_set(numbers, None, source, 32, random)
    for image in flat:  # two plain colors, and what lies between them along the edge
        _, counts = np.unique(image.reshape(-1, 3), axis=0, return_counts=True)
        assert np.sort(counts)[-2:].sum() > 0.75 * 32 * 32
    with pytest.raises(OptionError, match=r"5 classes need as many families .* not 4"):
        shape.Textures([str(folder)], 5, 1)


def test_jitter_changes_colors_and_nothing_else() -> None:
    torch.manual_seed(0)
    photo = torch.from_numpy(picture(24, 24)).permute(2, 0, 1).expand(64, 3, 24, 24)
    made = shape.jittered(photo)
    assert made.shape == photo.shape and 0 <= made.min() and made.max() <= 1
    gray = torch.full((64, 3, 8, 8), 0.5)
    found = shape.jittered(gray)
    assert (found.amax((2, 3)) - found.amin((2, 3))).max() < 1e-6, "no structure appears"
    assert (found[:, 0] - found[:, 2]).abs().max() < 2e-3, "gray stays gray"
    assert found[:, 0].mean((1, 2)).min() < 0.4 and found.max() > 0.6


def test_a_network_learns_shapes_that_are_easy(folder: Path) -> None:
    settings = shape.Settings(classes=3, epochs=12, width=8, batch=16)
    source, random = shape.Textures([str(folder)], 3, 1), np.random.default_rng(0)
    labels = np.arange(3).repeat(32)
    pictures = shape.draw_set(labels, labels, source, 24, random)
    inputs = shape.tensors(pictures)
    net = shape.trained(settings, pictures, labels, lambda numbers: inputs[numbers], seed=0)
    fresh = shape.draw_set(labels, labels, source, 24, random)
    assert (shape.decisions(net, fresh) == labels).mean() > 0.9
    # Each color is a class, so this network goes by color.
    conflict = shape.draw_set(labels, (labels + 1) % 3, source, 24, random)
    assert (shape.decisions(net, conflict) == (labels + 1) % 3).mean() > 0.6


def test_styles_for_training_are_not_those_of_the_test() -> None:
    test, training = shape.styles_of("fast")
    assert not set(test) & set(training)
    assert len(test) == pytest.approx((len(test) + len(training)) / 4, abs=1)


def test_pictures_are_chosen_by_the_way_to_train() -> None:
    torch.manual_seed(0)
    plain, numbers = torch.zeros(400, 3, 2, 2), torch.arange(400)
    variants = [torch.full_like(plain, value) for value in (0.25, 0.75)]
    half = shape._chooser("half", plain, variants)(numbers)[:, 0, 0, 0]
    assert [int((half == value).sum() // 60) for value in (0, 0.25, 0.75)] == [3, 1, 1]
    every = shape._chooser("all", plain, variants)(numbers)
    assert set(every.unique().tolist()) == {0.25, 0.75}
    assert torch.equal(shape._chooser("plain", plain, [])(numbers), plain)


def test_the_experiment_in_small(folder: Path, tmp_path: Path) -> None:
    places = Places({str(folder): 1.0}, {"unused": 1.0}, all_files=True)
    bench = Bench(shape.EXPERIMENT.smoke, places, tmp_path / "work")
    found = run(shape.EXPERIMENT, bench, tmp_path / "shape", say=str)
    assert found is not None and "vgg" not in found.about
    assert len(found.rows) == len(shape.TRAININGS) * len(shape.TESTS)
    assert all(0 <= value <= 1 for value in found.numbers("shape"))
    assert len(found.numbers("texture")) == len(shape.TRAININGS)
    text = shape.EXPERIMENT.tables(found)
    assert text.startswith("Percent of 6 pictures per test") and "`Stylize(p=1)`" in text
    assert "the network is right on" in shape.verdict(found)
    # Made again from nothing, the numbers are the same.
    other = Bench(shape.EXPERIMENT.smoke, places, tmp_path / "again")
    again = run(shape.EXPERIMENT, other, tmp_path / "shape2", say=str)
    assert again is not None
    assert [row["shape"] for row in again.rows] == [row["shape"] for row in found.rows]


def test_shape_bias_is_the_share_of_shape_in_both() -> None:
    def row(seed: int, by_shape: float, by_texture: float) -> dict[str, Any]:
        key = {"training": "plain", "seed": str(seed), "test": "conflict", "seconds": ""}
        return {**key, "shape": str(by_shape), "texture": str(by_texture)}

    results = Results("shape", [row(0, 0.2, 0.6), row(1, 0.3, 0.1), row(2, 0, 0)], {})
    assert shape.biases(results, "plain") == pytest.approx([25, 75])
