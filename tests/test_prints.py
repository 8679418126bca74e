"""Prints: of ink and paper, of training pictures alone, no two alike."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import prints
from impasto.errors import ImageError, OptionError
from impasto.lab.data.sources import is_held_out
from prints import SIDES, make_print, make_prints


@pytest.fixture
def paintings(tmp_path):
    """Four to be trained on, and one that is held out, which alone is bright."""
    folder = tmp_path / "paintings"
    folder.mkdir()
    y, x = np.mgrid[:90, :130]
    names = [f"{i}.png" for i in range(100)]
    for i, name in enumerate([n for n in names if not is_held_out(n)][:4]):
        waves = (np.sin(x / (9 + 3 * i)) * np.cos(y / 7) + 1) * 110
        Image.fromarray(np.stack([waves] * 3, 2).astype(np.uint8)).save(folder / name)
    held = next(n for n in names if is_held_out(n))
    Image.fromarray(np.full((90, 130, 3), 255, np.uint8)).save(folder / held)
    return folder


def test_a_print_is_ink_and_paper():
    y, x = np.mgrid[:120, :160]
    picture = np.stack([(np.sin(x / 20) + np.cos(y / 15) + 2) * 60] * 3, 2).astype(np.uint8)
    made = [make_print(picture, np.random.default_rng(i)) for i in range(12)]
    for each in made:
        assert SIDES[0] <= min(each.shape[:2]) < SIDES[1] and each.dtype == np.uint8
        assert each.shape[1] / each.shape[0] == pytest.approx(160 / 120, rel=0.01)
        light = each.mean(axis=2)
        low, high = np.quantile(light, [0.02, 0.98])
        assert high - low > 40
        # Most pixels are near one of the two.
        share = (light - low) / (high - low)
        assert np.mean(np.minimum(np.abs(share), np.abs(1 - share)) < 0.25) > 0.6
    for one, two in combinations(made, 2):
        assert one.shape != two.shape or np.abs(one.astype(int) - two).mean() > 5


def test_prints_are_made_once_and_of_training_pictures(paintings, tmp_path, monkeypatch):
    seen = []
    read = prints.read
    monkeypatch.setattr(
        prints, "read", lambda source, **how: seen.append(source.path.name) or read(source, **how)
    )
    first = make_prints([paintings], tmp_path / "new" / "prints", 6)
    assert [path.name for path in first] == [f"print-0-{i:06d}.png" for i in range(6)]
    assert len(set(seen)) > 1 and not any(is_held_out(name) for name in seen)
    bytes_ = first[0].read_bytes()
    first[0].unlink()
    untouched = first[1].stat().st_mtime_ns
    again = make_prints([paintings], tmp_path / "new" / "prints", 6)
    assert again == first and first[1].stat().st_mtime_ns == untouched
    assert first[0].read_bytes() == bytes_


def test_a_broken_painting_is_passed_over(paintings, tmp_path):
    for file in sorted(paintings.iterdir())[1:]:
        file.write_bytes(b"broken")
    assert len(make_prints([paintings], tmp_path / "prints", 3)) == 3


def test_bad_wishes_say_so(paintings, tmp_path):
    with pytest.raises(OptionError, match="count = 0"):
        make_prints([paintings], tmp_path / "p", 0)
    with pytest.raises(ImageError, match="no such folder"):
        make_prints([tmp_path / "nowhere"], tmp_path / "p", 1)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ImageError, match="none of 0 pictures can be used"):
        make_prints([empty], tmp_path / "p", 1)
    file = tmp_path / "file"
    file.write_text("here already")
    with pytest.raises(ImageError, match="cannot be written"):
        make_prints([paintings], file, 1)
    assert file.read_text() == "here already"


def test_the_command(run_recipe, paintings, tmp_path):
    result = run_recipe("prints", paintings, "-o", tmp_path / "p", "--count", "2")
    assert result.returncode == 0, result.stderr
    assert "2 prints" in result.stdout
    assert len(list((tmp_path / "p").iterdir())) == 2
    result = run_recipe("prints", tmp_path / "nowhere", "-o", tmp_path / "q")
    assert result.returncode == 2 and "no such folder" in result.stderr
    assert len(result.stderr.splitlines()) == 1
