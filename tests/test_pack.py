"""A packed run: all that training reads, in a folder that can be carried away."""

from __future__ import annotations

import pytest
import torch
from lab_parts import changed, small_config
from PIL import Image

import pack
from impasto.errors import OptionError
from impasto.lab.data.sources import find_sources, is_held_out, split
from impasto.lab.nets.vgg import load_vgg
from impasto.lab.training.checkpoints import weights_from
from impasto.lab.training.config import read_config, write_config
from impasto.lab.training.loop import train
from pack import _divide, pack_run


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    made = small_config(tmp_path_factory.mktemp("packing"), "fast", pictures=24)
    return changed(made, start="fast", preview_every=1)


def test_a_packed_run_is_trained_where_it_lies(config, tmp_path, monkeypatch):
    rows = pack_run(config, tmp_path / "packed")
    for row, place in zip(rows, [*config.data.contents, *config.data.styles], strict=True):
        wanted = len(split(find_sources(place)[0], held_out=False))
        assert (row.place, row.packed, row.available) == (place, wanted, wanted)
    moved = tmp_path / "elsewhere"
    (tmp_path / "packed").rename(moved)
    monkeypatch.chdir(moved)
    packed = read_config("config.toml")
    assert packed == changed(
        config, vgg="vgg.safetensors", start="start.pt", preview_every=0,
        contents={"contents-1": 1.0}, styles={"styles-1": 1.0},
    )  # fmt: skip
    train(packed, tmp_path / "run")
    ours, theirs = weights_from("start.pt")[0], weights_from("fast")[0]
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[k], theirs[k], rtol=1e-3, atol=1e-6) for k in theirs)
    pictures = torch.rand(1, 3, 32, 32)
    one, two = (
        load_vgg(path)(pictures, ["relu4_1"])["relu4_1"] for path in (packed.vgg, config.vgg)
    )
    assert torch.allclose(one, two, rtol=1e-2, atol=1e-2 * two.std().item())


def test_what_is_held_out_is_not_packed(config, tmp_path):
    """By name, and no name of what is packed falls into the tenth that others would hold out."""
    pack_run(config, tmp_path)
    held = {
        s.path.stem for s in split(find_sources(next(iter(config.data.styles)))[0], held_out=True)
    }
    names = [file.name for file in (tmp_path / "styles-1").iterdir()]
    assert held and not any(is_held_out(name) for name in names)
    assert not held & {name.removesuffix(".webp").rstrip("_") for name in names}


def test_pictures_are_as_many_as_there_is_room_for(config, tmp_path):
    large = changed(config, styles={k: 1.0 for k in [*config.data.contents, *config.data.styles]})
    every = pack_run(large, tmp_path / "every")
    some = pack_run(large, tmp_path / "some", megabytes=0.04)
    used = sum(file.stat().st_size for file in (tmp_path / "some").rglob("*.webp"))
    assert used == sum(row.bytes for row in some) <= 40_000
    assert used > 25_000  # and not many fewer
    assert all(1 <= a.packed < b.packed for a, b in zip(some, every, strict=True))
    again = pack_run(large, tmp_path / "again", megabytes=0.04)
    assert again == some
    coarse = pack_run(large, tmp_path / "coarse", megabytes=0.04, quality=5)
    assert sum(row.packed for row in coarse) > sum(row.packed for row in some)
    with pytest.raises(OptionError, match="1 to 100"):
        pack_run(large, tmp_path / "none", quality=0)
    with pytest.raises(OptionError, match="more megabytes"):
        pack_run(large, tmp_path / "none", megabytes=0.001)
    with pytest.raises(OptionError, match="megabytes is 0; it must be above 0"):
        pack_run(large, tmp_path / "none", megabytes=0)


def test_room_that_one_place_leaves_is_the_others():
    assert _divide(100, [1, 1], [1000, 1000]) == [50, 50]
    assert _divide(100, [3, 1], [1000, 1000]) == [75, 25]
    assert _divide(100, [1, 1, 2], [10, 1000, 1000]) == pytest.approx([11, 30, 60])
    assert _divide(100, [1, 0], [10, 10]) == pytest.approx([11, 0])


def test_pictures_are_no_larger_than_a_run_wants(config, tmp_path, monkeypatch):
    folder = tmp_path / "large"
    folder.mkdir()
    for i in range(12):
        Image.effect_noise((700, 600), 60).convert("RGB").save(folder / f"{i}.png")
    monkeypatch.setattr(pack, "TRIED", 2)
    pack_run(changed(config, contents={str(folder): 1.0}), tmp_path / "packed")
    sizes = {Image.open(file).size for file in (tmp_path / "packed/contents-1").iterdir()}
    assert sizes == {(336, 288)}


def test_the_command_tells_what_it_took(run_recipe, config, tmp_path):
    write_config(config, tmp_path / "run.toml")
    given = ["pack", tmp_path / "run.toml", "-o", tmp_path / "packed"]
    result = run_recipe(*given, "--set", "batch=3")
    assert result.returncode == 0, result.stderr
    *rows, last = result.stdout.splitlines()
    assert len(rows) == 2 and all("pictures, 0." in row for row in rows)
    assert last.startswith(str(tmp_path / "packed")) and "MB with the weights" in last
    assert read_config(tmp_path / "packed/config.toml").batch == 3
    result = run_recipe(*given)
    assert result.returncode == 2 and "exists" in result.stderr
    assert len(result.stderr.splitlines()) == 1
    with pytest.raises(OptionError, match="cin has built-in styles"):
        pack_run(changed(config, network="cin"), tmp_path / "cin")
