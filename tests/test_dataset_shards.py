"""Tar files as data sets: the same samples come out, in the form that webdataset reads."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from dataset_parts import (
    contents,
    lines,
    make,
    make_styles,
    paint,
    picture,
    pictures,
    read_shard,
    size_of,
    write_shard,
)

from impasto.dataset.shards import key_of, read_samples
from impasto.dataset.verify import verify_dataset
from impasto.errors import DatasetError

pytestmark = pytest.mark.usefixtures("inline")


def shard(first: int, count: int) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for number in range(first, first + count):
        found += [
            (f"{number:04d}.jpg", picture(number)),
            (f"{number:04d}.cls", str(number % 2).encode()),
            (f"{number:04d}.seg.png", picture(500 + number, "PNG")),
            (f"{number:04d}.json", json.dumps({"caption": "a cat"}).encode()),
        ]
    return found


def test_tar_files_keep_their_members(tmp_path: Path, tiny_path: Path) -> None:
    source = tmp_path / "in"
    members = [shard(0, 3), shard(3, 2)]
    for number, each in enumerate(members):
        write_shard(source / f"train-{number:06d}.tar", each)
    make(source, {"train-000000.json": b"about another file", "LICENSE": b"free"})
    styles = make_styles(tmp_path / "styles")
    out = tmp_path / "out"
    made = paint(source, out, styles, tiny_path, seed=1)
    assert made.counts == {"in": 5, "done": 5, "failed": 0, "skipped": 0, "copied": 1}
    for number, each in enumerate(members):
        found = read_shard(out / f"train-{number:06d}.tar")
        assert list(found) == [name for name, _ in each]
        for name, data in each:
            if name.endswith(".jpg"):
                assert found[name] != data and size_of(found[name]) == size_of(data)
            else:
                assert found[name] == data
        with tarfile.open(out / f"train-{number:06d}.tar") as tar:
            header = tar.getmember(each[0][0])
            assert header.mtime == 1_700_000_000 and header.mode == 0o640
        about = json.loads((out / f"train-{number:06d}.json").read_text())
        assert about["samples"] == len(each) // 4
        assert about["size"] == (out / f"train-{number:06d}.tar").stat().st_size
    assert verify_dataset(out).is_right
    one = paint(source / "train-000001.tar", tmp_path / "one", styles, tiny_path, seed=1)
    assert one.counts["in"] == 2
    assert read_shard(tmp_path / "one/train-000001.tar") == read_shard(out / "train-000001.tar")


def test_a_sample_whose_picture_fails_is_left_out_and_named(
    tmp_path: Path, tiny_path: Path
) -> None:
    source = tmp_path / "in"
    members = shard(0, 3)
    members[4] = (members[4][0], b"no picture")
    write_shard(source / "a.tar", members)
    made = paint(source, tmp_path / "out", make_styles(tmp_path / "styles"), tiny_path)
    assert made.counts["done"] == 2 and made.counts["failed"] == 1
    assert made.problems[0].startswith("a.tar/0001.jpg: not a picture in a supported format")
    found = read_shard(tmp_path / "out/a.tar")
    assert list(found) == [name for name, _ in members if not name.startswith("0001")]


def test_tar_files_in_several_styles(tmp_path: Path, tiny_path: Path) -> None:
    write_shard(tmp_path / "in/a.tar", shard(0, 2))
    styles = make_styles(tmp_path / "styles")
    made = paint(tmp_path / "in", tmp_path / "out", styles, tiny_path, styles_per_picture=2)
    assert made.counts["in"] == made.counts["done"] == 4
    one, two = (read_shard(tmp_path / "out" / name / "a.tar") for name in "12")
    assert list(one) == list(two) and one["0000.cls"] == two["0000.cls"]
    assert one["0000.jpg"] != two["0000.jpg"]
    assert verify_dataset(tmp_path / "out").is_right


def test_a_damaged_tar_file_makes_none_and_the_others_are_made(
    tmp_path: Path, tiny_path: Path
) -> None:
    source = tmp_path / "in"
    for name in "abcd":
        write_shard(source / f"{name}.tar", shard(0, 2))
    whole = (source / "b.tar").read_bytes()
    (source / "b.tar").write_bytes(whole[:6000])  # in the middle of a member
    end = whole.rstrip(b"\0")
    (source / "c.tar").write_bytes(end + bytes(-len(end) % 512))  # between two
    made = paint(source, tmp_path / "out", make_styles(tmp_path / "styles"), tiny_path)
    assert made.counts["done"] == 4 and made.counts["failed"] == 2
    assert [each.partition(": ")[0] for each in made.problems] == ["b.tar", "c.tar"]
    assert all("cut short" in each for each in made.problems)
    names = ["a.json", "a.tar", "d.json", "d.tar", "dataset.json", "manifest.jsonl"]
    assert list(contents(tmp_path / "out")) == names


def test_folders_become_tar_files_with_classes(tmp_path: Path, tiny_path: Path) -> None:
    files = {f"{split}/{name}": data for split in ("train", "val") for name, data in
             pictures(5).items()}  # fmt: skip
    files |= {"train/cat/0000.txt": b"a cat", "train/dog/a.b.JPEG": picture(9), "readme.md": b""}
    source = make(tmp_path / "in", files)
    styles = make_styles(tmp_path / "styles")
    out = tmp_path / "out"
    made = paint(source, out, styles, tiny_path, shards=4, seed=1)
    assert made.counts == {"in": 11, "done": 11, "failed": 0, "skipped": 0, "copied": 1}
    names = ("train-000000", "train-000001", "val-000000", "val-000001")
    assert sorted(path.stem for path in out.glob("*.tar")) == list(names)
    counts = [json.loads((out / f"{name}.json").read_text())["samples"] for name in names]
    assert counts == [4, 2, 4, 1]
    found = read_shard(out / "train-000000.tar")
    assert list(found)[:4] == [f"train/cat/0000.{each}" for each in ("jpg", "txt", "cls", "json")]
    assert found["train/cat/0000.txt"] == b"a cat" and found["train/cat/0000.cls"] == b"0"
    found |= read_shard(out / "train-000001.tar")
    assert found["train/dog/a_b.cls"] == b"1" and "train/dog/a_b.jpg" in found
    about = json.loads(found["train/dog/a_b.json"])
    line = {each["source"]: each for each in lines(out)}["train/dog/a.b.JPEG"]
    assert about["source"] == "train/dog/a.b.JPEG" and about["class"] == "dog"
    assert (about["style"], about["alpha"]) == (line["style"], line["alpha"])
    assert verify_dataset(out).is_right
    folder = tmp_path / "folder"
    paint(source, folder, styles, tiny_path, seed=1)
    assert found["train/dog/a_b.jpg"] == (folder / "train/dog/a.b.JPEG").read_bytes()


def test_tar_files_that_are_whole_are_not_made_again(tmp_path: Path, tiny_path: Path) -> None:
    source = make(tmp_path / "in", pictures(7))
    styles = make_styles(tmp_path / "styles")
    out = tmp_path / "out"
    paint(source, out, styles, tiny_path, shards=3)
    before, times = contents(out), {path: path.stat().st_mtime_ns for path in out.glob("*.tar")}
    (out / "000001.tar").unlink()
    made = paint(source, out, styles, tiny_path, shards=3)
    assert made.earlier == 4 and contents(out) == before
    again = [path.name for path, time in times.items() if path.stat().st_mtime_ns != time]
    assert again == ["000001.tar"]
    with pytest.raises(DatasetError, match=r"other shards \(3, now 2\)"):
        paint(source, out, styles, tiny_path, shards=2)


def test_tar_files_are_not_cut_anew(tmp_path: Path, tiny_path: Path) -> None:
    write_shard(tmp_path / "in/a.tar", shard(0, 1))
    with pytest.raises(DatasetError, match="tar files, which stay tar files: leave out shards"):
        paint(tmp_path / "in", tmp_path / "out", make_styles(tmp_path / "s"), tiny_path, shards=2)


def test_keys_are_those_of_webdataset(tmp_path: Path) -> None:
    """Its rule: ``^((?:.*/|)[^.]+)[.]([^/]*)$``, of names below folders with dots too."""
    assert key_of("v1.0/a.seg.png") == ("v1.0/a", "seg.png")
    assert key_of("a") == ("a", "") and key_of(".a") == (".a", "")
    write_shard(tmp_path / "a.tar", [("./1.jpg", b"a"), ("1.cls", b"b"), ("2.jpg", b"")])
    samples = [[each.name for each in sample] for sample in read_samples(tmp_path / "a.tar")]
    assert samples == [["1.jpg", "1.cls"], ["2.jpg"]]
