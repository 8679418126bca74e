"""Training data: folders and shards, in memory or on demand, with files that are broken."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile

import numpy as np
import pytest
import torch
from lab_parts import write_pictures
from PIL import Image

from impasto.errors import ImageError, OptionError
from impasto.images.photo import write_image
from impasto.lab.data.cropping import Crops
from impasto.lab.data.pictures import (
    Collection,
    Sampler,
    held_out_squares,
    is_held_out,
    load_collections,
)
from impasto.lab.data.sources import find_sources, read, size_of, split


def sampler_of(places, *, memory=float("inf"), seed=0, **settings):
    loaded = load_collections(places, shorter=64, memory=memory)
    sampler = Sampler(
        loaded.collections,
        [1] * len(places),
        crops=Crops(side=32, smallest=0.5, jitter=0.5),
        seed=seed,
        **settings,
    )
    return sampler, loaded


def shard(path, folder, *, extra=()):
    with tarfile.open(path, "w") as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, arcname=f"{path.stem}/{file.name}")
        for name, data in extra:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def test_broken_and_tiny_pictures_are_left_out_and_listed(tmp_path):
    folder = write_pictures(tmp_path / "set", 30)
    names = [f"{i}.png" for i in range(30) if not is_held_out(f"{i}.png")]
    (folder / names[0]).write_bytes((folder / names[0]).read_bytes()[:200])
    (folder / names[1]).write_text("not a picture")
    Image.new("RGB", (20, 300)).save(folder / names[2])
    Image.new("L", (90, 90), 7).save(folder / names[3])
    (folder / "notes.txt").write_text("not looked at")
    loaded = load_collections([folder], shorter=64)
    assert {f.name for f, _ in loaded.left_out} == {*names[:3], "set"}
    assert all(reason for _, reason in loaded.left_out)
    assert dict(loaded.left_out)[folder] == "1 file without a picture suffix is skipped: notes.txt"
    (collection,) = loaded.collections
    assert len(collection.pictures) == len(names) - 3
    assert all(min(p.shape[:2]) == 64 and p.shape[2] == 3 for p in collection.pictures)


def test_training_reads_what_the_studio_reads(tmp_path):
    ramp = np.linspace(0, 65535, 90 * 80 * 3).reshape(90, 80, 3).astype(np.uint16)
    write_image(ramp, tmp_path / "deep.png")
    write_image(ramp, tmp_path / "deep.tif")
    plain = Image.fromarray((ramp // 257).astype(np.uint8))
    names = {"a.jfif": "JPEG", "b.JPE": "JPEG", "c.gif": "GIF", "d.jp2": "JPEG2000",
             "e.pnm": "PPM", "f.dib": "BMP", "g.mpo": "JPEG"}  # fmt: skip
    for name, format in names.items():
        plain.save(tmp_path / name, format)
    plain.save(tmp_path / "film.gif", save_all=True, append_images=[plain.rotate(90)])
    (tmp_path / ".DS_Store").write_text("")
    (tmp_path / "._a.jfif").write_text("")
    (tmp_path / "words.txt").write_text("")
    others = []
    sources, left_out = find_sources(tmp_path, others=others)
    assert not left_out and [path.name for path in others] == ["words.txt"]
    found = {source.path.name: read(source, shorter=80, smallest=64) for source in sources}
    assert set(found) == {*names, "deep.png", "deep.tif", "film.gif"}
    assert "animated" in found.pop("film.gif")
    for name, pixels in found.items():
        assert pixels.shape == (90, 80, 3), name
        far = np.abs(pixels.astype(int) - np.asarray(plain))
        assert far.mean() < (12 if name == "c.gif" else 3), name
    for source in sources:
        assert size_of(source, 64) in ((80, 90), found.get("film.gif")) or "film" in str(source)
    loaded = load_collections([tmp_path], shorter=64)
    assert {path.name for path, _ in loaded.left_out} <= {"film.gif", tmp_path.name}


def test_the_held_out_tenth_is_never_trained_on(tmp_path):
    folder = write_pictures(tmp_path / "set", 200, side=64)
    trained = load_collections([folder], shorter=64).collections[0].pictures
    kept = load_collections([folder], shorter=64, held_out=True).collections[0].pictures
    assert len(trained) + len(kept) == 200
    assert 8 <= len(kept) <= 35
    seen = {p.tobytes() for p in trained}
    assert not any(p.tobytes() in seen for p in kept)


@pytest.mark.parametrize("what", ["missing", "empty", "text"])
def test_folders_without_pictures_are_refused(tmp_path, what):
    folder = tmp_path / what
    if what != "missing":
        folder.mkdir()
    if what == "text":
        (folder / "a.jpg").write_text("no")
    with pytest.raises(ImageError, match=what):
        load_collections([folder], shorter=64)


def test_sampler_balances_collections_and_repeats_with_its_state(tmp_path):
    red, blue = tmp_path / "red", tmp_path / "blue"
    for folder, color, n in ((red, (255, 0, 0), 30), (blue, (0, 0, 255), 4)):
        folder.mkdir()
        for i in range(n):
            Image.new("RGB", (80, 70), color).save(folder / f"{i}.png")
    loaded = load_collections([red, blue], shorter=64)
    sampler = Sampler(loaded.collections, [1, 1], crops=Crops(side=32, smallest=0.5), seed=0)
    state = sampler.state()
    batch = sampler.batch(200)
    assert batch.shape == (200, 3, 32, 32)
    assert 0 <= batch.min() and batch.max() <= 1
    assert 0.35 < batch[:, 0].mean() < 0.65  # by collection, not by file
    sampler.restore(state)
    assert torch.equal(sampler.batch(200), batch)
    with pytest.raises(OptionError):
        Sampler(loaded.collections, [1], crops=Crops(side=32, smallest=0.5), seed=0)


def test_jitter_permutes_colors_and_changes_contrast(tmp_path):
    rows = np.arange(96)[:, None, None] // 8 % 2
    stripes = np.broadcast_to(rows * [150, 100, 50] + 50, (96, 96, 3)).astype(np.uint8)
    Image.fromarray(stripes).save(tmp_path / "0.png")
    loaded = load_collections([tmp_path], shorter=96)

    def drawn(jitter):
        crops = Crops(side=32, smallest=0.5, jitter=jitter)
        sampler = Sampler(loaded.collections, [1], crops=crops, seed=0)
        return sampler.batch(100)

    def contrast(crops):
        return crops.diff(dim=2).abs().amax(dim=(1, 2, 3))

    plain, jittered = drawn(0.0), drawn(1.0)
    assert (plain.amax(dim=(2, 3)).argmax(1) == 0).all()  # red
    assert len(jittered.amax(dim=(2, 3)).argmax(1).unique()) == 3
    assert contrast(jittered).min() < 0.9 * contrast(plain).min()
    assert contrast(jittered).max() > 1.1 * contrast(plain).max()


def test_a_collage_is_one_crop_on_either_side_of_a_seam():
    shades = tuple(np.full((96, 96, 3), shade, np.uint8) for shade in (50, 200))

    def drawn(collage, *, on_device=False):
        sampler = Sampler(
            [Collection("shades", shades)],
            [1],
            crops=Crops(side=40, smallest=0.5, collage=collage),
            seed=1,
            on_device=on_device,
        )
        return sampler.batch(200)[:, 0]

    def seams(crops):
        """Along rows, and along columns."""
        return [(crops.diff(dim=d).abs() > 0.1).flatten(1).sum(1) for d in (1, 2)]

    assert sum(each.sum() for each in seams(drawn(0.0))) == 0
    crops = drawn(0.6)
    across, upright = seams(crops)
    joined = (across > 0) | (upright > 0)
    # Six in ten are collages, and half of those of two pictures of one shade.
    assert 0.2 < joined.float().mean() < 0.4
    assert set(across.tolist()) == set(upright.tolist()) == {0, 40}  # one straight seam
    assert not ((across > 0) & (upright > 0)).any()
    shares = (crops[joined] > 0.5).float().mean(dim=(1, 2))
    assert shares.min() >= 0.3 and shares.max() <= 0.7
    assert (drawn(0.6, on_device=True) - crops).abs().max() < 1e-3


def test_a_place_too_small_for_a_tenth_still_holds_one_back(tmp_path):
    names = [f"{i}.png" for i in range(60) if not is_held_out(f"{i}.png")][:5]
    for name in names:
        Image.new("RGB", (80, 80), (int(name[:-4]) * 4, 0, 0)).save(tmp_path / name)
    sources, _ = find_sources(tmp_path)
    kept, trained = split(sources, held_out=True), split(sources, held_out=False)
    assert len(kept) == 1 and len(trained) == 4
    assert not set(kept) & set(trained)
    assert split(sources[:1], held_out=True) == split(sources[:1], held_out=False) == sources[:1]
    assert held_out_squares({str(tmp_path): 1.0}, n=3, size=64, seed=0).shape == (3, 3, 64, 64)


def test_shards_are_read_as_folders_are(tmp_path):
    folder = write_pictures(tmp_path / "folder", 20)
    one, two = tmp_path / "part-0", tmp_path / "part-1"
    for half, numbers in ((one, range(10)), (two, range(10, 20))):
        half.mkdir()
        for i in numbers:
            shutil.copy(folder / f"{i}.png", half)
    shards = tmp_path / "shards"
    shards.mkdir()
    shard(shards / "part-0.tar", one, extra=[("part/0.json", b"{}")])
    shard(shards / "part-1.tar", two, extra=[("part/bad.png", b"not a picture")])
    wanted = [p.tobytes() for p in load_collections([folder], shorter=64).collections[0].pictures]
    for place in (shards, f"{shards}/part-*.tar"):
        for memory in (0.0, 1.0):
            loaded = load_collections([place], shorter=64, memory=memory)
            (_, note), *others = loaded.left_out
            assert note == "1 file without a picture suffix is skipped: 0.json"
            assert [str(file)[-len("part-1.tar/part/bad.png") :] for file, _ in others] == [
                "part-1.tar/part/bad.png"
            ]
            got = [p.tobytes() for p in loaded.collections[0].pictures]
            assert sorted(got) == sorted(wanted)
    alone = load_collections([shards / "part-0.tar"], shorter=64)
    assert 0 < len(alone) <= 10


def test_shards_that_break_off_or_are_compressed_are_listed(tmp_path):
    folder = write_pictures(tmp_path / "folder", 12)
    whole = shard(tmp_path / "whole.tar", folder)
    data = whole.read_bytes()
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "broken.tar").write_bytes(data[: len(data) // 2 + 100])
    (tmp_path / "set" / "packed.tar.gz").write_bytes(gzip.compress(data))
    loaded = load_collections([tmp_path / "set"], shorter=64)
    assert 3 <= len(loaded) < 12  # what stands before the break is used
    reasons = {file.name: reason for file, reason in loaded.left_out}
    assert "decompress" in reasons["packed.tar.gz"]
    assert any("broken.tar" in str(file) for file, _ in loaded.left_out)
    with pytest.raises(ImageError, match="packed"):
        load_collections([tmp_path / "set" / "packed.tar.gz"], shorter=64)
    with pytest.raises(ImageError, match=r"nothing-\*.tar: no such"):
        load_collections([str(tmp_path / "nothing-*.tar")], shorter=64)


def test_pictures_on_demand_are_those_in_memory(tmp_path):
    folder = write_pictures(tmp_path / "set", 30, side=150)
    kept, _ = sampler_of([folder])
    read_again, loaded = sampler_of([folder], memory=1e-6)
    assert not isinstance(loaded.collections[0].pictures, tuple)
    for _ in range(3):
        assert torch.equal(kept.batch(5), read_again.batch(5))


@pytest.mark.parametrize("memory", [0.0, 1.0])
def test_broken_pixels_behind_a_good_header_are_left_out_when_met(tmp_path, memory):
    folder = write_pictures(tmp_path / "set", 40)
    names = [f"{i}.png" for i in range(40) if not is_held_out(f"{i}.png")]
    for name in names[:2]:  # a twentieth
        (folder / name).write_bytes((folder / name).read_bytes()[:150])
    sampler, loaded = sampler_of([folder], memory=memory)
    assert bool(loaded.left_out) == bool(memory)
    sampler.batch(200)
    assert {file.name for file, _ in loaded.left_out} == set(names[:2])
    assert len(loaded.left_out) == 2  # once each


def test_nothing_but_broken_pixels_is_an_error(tmp_path):
    folder = write_pictures(tmp_path / "set", 12)
    for file in folder.iterdir():
        file.write_bytes(file.read_bytes()[:150])
    sampler, _ = sampler_of([folder], memory=0.0)
    with pytest.raises(ImageError, match="none of"):
        sampler.batch(1)
    with pytest.raises(ImageError, match="none of"):
        load_collections([folder], shorter=64)


def test_batches_made_ahead_do_not_change_what_is_drawn(tmp_path):
    folder = write_pictures(tmp_path / "set", 20)
    plain, _ = sampler_of([folder])
    ahead, _ = sampler_of([folder], ahead=2)
    first = [plain.batch(3) for _ in range(4)]
    assert all(torch.equal(batch, ahead.batch(3)) for batch in first)
    state = ahead.state()
    assert state == plain.state()
    following = ahead.batch(3)
    ahead.restore(state)
    assert torch.equal(ahead.batch(3), following)


def test_processes_draw_one_batch_and_make_a_part_each(tmp_path):
    folder = write_pictures(tmp_path / "set", 20)
    joint, _ = sampler_of([folder])
    parts = [sampler_of([folder])[0] for _ in range(2)]
    for _ in range(2):
        whole = joint.batch(6)
        for i, part in enumerate(parts):
            assert torch.equal(part.batch(6, range(i, 6, 2)), whole[i::2])


def test_crops_of_the_paper_cover_a_fixed_share(tmp_path):
    """A ramp over 128 px, crops of 32 out of 64: half of it, at any place, never mirrored."""
    (tmp_path / "set").mkdir()
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (128, 128, 3))
    Image.fromarray(ramp).save(tmp_path / "set" / "ramp.png")
    loaded = load_collections([tmp_path / "set"], shorter=128)
    sampler = Sampler(
        loaded.collections, [1], crops=Crops(side=32, smallest=0.1, flip=0.0, resize=64), seed=0
    )
    crops = sampler.batch(50)[:, 0, 16] * 255
    rise = crops[:, -1] - crops[:, 0]
    assert torch.all((rise - 62).abs() <= 2)
    assert crops[:, 0].max() - crops[:, 0].min() > 40


@pytest.mark.parametrize(("enlarge", "rise"), [(2.0, 31), (4.0, 15)])
def test_crops_are_not_enlarged_further_than_they_may_be(tmp_path, enlarge, rise):
    """A ramp over 128 px, crops of 64: of 32 px and more, or of 16, where 12 might be taken."""
    ramp = np.broadcast_to(np.arange(128, dtype=np.uint8)[None, :, None], (128, 128, 3))
    (tmp_path / "set").mkdir()
    Image.fromarray(ramp).save(tmp_path / "set" / "ramp.png")
    collections = load_collections([tmp_path / "set"], shorter=128).collections
    sampler = Sampler(
        collections, [1], crops=Crops(side=64, smallest=0.1, flip=0.0, enlarge=enlarge), seed=0
    )
    crops = sampler.batch(200)[:, 0, 32] * 255
    least = (crops[:, -1] - crops[:, 0]).min()
    assert rise - 2 <= least <= rise + 4


def test_pictures_smaller_than_asked_for_are_left_out(tmp_path):
    folder = write_pictures(tmp_path / "set", 30, side=70)
    write_pictures(folder / "large", 30, side=130, seed=1)
    loaded = load_collections([folder], shorter=288, smallest=128)
    assert {reason for _, reason in loaded.left_out} == {"86x70 is smaller than 128 px"}
    assert all(min(p.shape[:2]) >= 128 for p in loaded.collections[0].pictures)
    with pytest.raises(ImageError, match=r"at least 256 px.*smaller than 256"):
        load_collections([folder], shorter=288, smallest=256)
