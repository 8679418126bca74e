"""``impasto dataset verify``: every difference between a data set and its manifest is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from dataset_parts import lines, make, make_styles, paint, picture, pictures, write_shard

from impasto.cli import cli
from impasto.dataset.verify import verify_dataset
from impasto.errors import DatasetError


@pytest.fixture
def out(tmp_path: Path, tiny_path: Path, inline: None) -> Path:
    """A data set of three pictures, a side file, and a picture that has failed."""
    source = make(tmp_path / "in", {**pictures(3), "a.txt": b"side", "bad.jpg": b"no"})
    paint(source, tmp_path / "out", make_styles(tmp_path / "styles"), tiny_path)
    return tmp_path / "out"


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def without_line(out: Path) -> None:
    path = out / "manifest.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def unfinished(out: Path) -> None:
    about = json.loads((out / "dataset.json").read_text())
    del about["finished"]
    (out / "dataset.json").write_text(json.dumps(about))


def test_a_data_set_as_it_was_written_is_right(out: Path) -> None:
    report = verify_dataset(out)
    assert report.is_right
    assert report.counts == {"in": 4, "done": 3, "failed": 1, "skipped": 0, "copied": 1}
    found = CliRunner().invoke(cli, ["dataset", "verify", str(out)], standalone_mode=False)
    assert found.return_value == 0
    assert found.stdout == (
        f"{out}: 3 pictures and 1 other file, 1 could not be painted: as written\n"
    )


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        (lambda out: flipped(out / "cat/0000.jpg"), "changed", "cat/0000.jpg"),
        (lambda out: (out / "cat/0002.jpg").write_bytes(b""), "changed", "cat/0002.jpg"),
        (lambda out: (out / "dog/0001.jpg").unlink(), "missing", "dog/0001.jpg"),
        (lambda out: (out / "a.txt").unlink(), "missing", "a.txt"),
        (lambda out: make(out, {"cat/x/9.jpg": b""}), "not in the manifest", "cat/x/9.jpg"),
        (without_line, "not in the manifest", "a.txt"),
        (without_line, "wrong", "manifest.jsonl has 4 in, 3 done, 1 failed, 0 skipped, 0 copied"),
    ],
)
def test_what_is_changed_missing_or_extra_is_named(
    out: Path, spoil: Callable[[Path], object], kind: str, says: str
) -> None:
    spoil(out)
    found = CliRunner().invoke(cli, ["dataset", "verify", str(out)], standalone_mode=False)
    assert found.return_value == 2
    assert f"impasto: {kind}: {says}" in found.stderr
    assert "NOT as written" in found.stderr and not found.stdout
    if kind != "wrong" and says != "a.txt":
        assert len(found.stderr.splitlines()) == 2


def test_an_unfinished_data_set_is_said(out: Path) -> None:
    unfinished(out)
    report = verify_dataset(out)
    assert report.unfinished and not report.is_right and not report.missing


def test_what_is_no_data_set_or_has_a_damaged_manifest_is_refused(
    out: Path, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=r"in: is not a data set made by Impasto"):
        verify_dataset(tmp_path / "in")
    with (out / "manifest.jsonl").open("a") as file:
        file.write("{]\n")
    with pytest.raises(DatasetError, match=r"manifest.jsonl: line 6 is damaged"):
        verify_dataset(out)


def test_pictures_in_tar_files_are_compared_too(out: Path, tmp_path: Path, tiny_path: Path) -> None:
    write_shard(tmp_path / "tars/a.tar", [("1.jpg", picture(1)), ("2.jpg", picture(2))])
    write_shard(tmp_path / "tars/b.tar", [("1.jpg", picture(1))])
    tars = tmp_path / "painted"
    paint(tmp_path / "tars", tars, make_styles(tmp_path / "styles"), tiny_path)
    path = tars / "manifest.jsonl"
    text = path.read_text()
    (line,) = (each for each in lines(tars) if each["source"] == "a.tar/2.jpg")
    path.write_text(text.replace(line["sha256"], "0" * 64).replace("a.tar/1.jpg", "a.tar/7.jpg"))
    report = verify_dataset(tars)
    assert report.changed == ["a.tar/2.jpg"] and report.missing == ["a.tar/7.jpg"]
    path.write_text(text)
    flipped(tars / "a.tar")
    (tars / "b.tar").unlink()
    report = verify_dataset(tars)
    assert report.changed == ["a.tar"] and report.missing == ["b.tar"]
