"""Data sets on remote file systems: the same bytes as here, and nothing half anywhere."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dataset_parts import (
    contents,
    make,
    make_styles,
    paint,
    picture,
    pictures,
    read_shard,
    slow_pictures,
    write_shard,
)

from impasto.dataset import remote
from impasto.dataset.executors.attending import has_marks
from impasto.dataset.executors.loop import outcomes
from impasto.dataset.manifest import read_about, read_lines
from impasto.dataset.places import LocalPlace, as_place
from impasto.dataset.verify import verify_dataset
from impasto.dataset.work import DONE, SKIPPED, Answer, Chunk, Job, Outcome
from impasto.errors import DatasetError

fsspec = pytest.importorskip("fsspec")
import remote_files  # noqa: E402 (which needs fsspec)

COUNT = 60


@pytest.fixture(autouse=True)
def quick(
    inline: None, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.getbasetemp() / "styles of remote tests"
    monkeypatch.setenv("IMPASTO_STYLES", str(base))
    monkeypatch.setattr(remote, "_WAITS", (0.0, 0.0))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {**slow_pictures(COUNT), "labels.csv": b"1", "cat/0000.xml": b"<a/>"}
    return make(tmp_path_factory.mktemp("source"), files)


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_styles(tmp_path_factory.mktemp("styles"))


@pytest.fixture
def memory() -> Any:
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store, ``s3://``, and a file system with another rename, ``stubborn://``."""
    root = tmp_path / "far"
    remote_files.install(root, monkeypatch)
    return root


def hashed(files: dict[str, bytes]) -> dict[str, str]:
    """The hashes of files, without the path of the source in one of them."""
    found = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    about = json.loads(files["dataset.json"])
    return {**found, "dataset.json": {**about, "source": ""}}  # type: ignore[dict-item]


def of_folder(root: Path) -> dict[str, str]:
    return hashed({name: (root / name).read_bytes() for name in contents(root)})


def of_memory(system: Any, prefix: str) -> dict[str, str]:
    found = {key: each.getvalue() for key, each in system.store.items()}
    return hashed({k.removeprefix(f"{prefix}/"): v for k, v in found.items() if prefix in k})


def upload(system: Any, source: Path, prefix: str) -> None:
    for name in contents(source):
        system.pipe_file(f"{prefix}/{name}", (source / name).read_bytes())


def start(source: str | Path, out: str, styles: Path, model: Path) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "impasto", "dataset", source, "-s", styles, "-o", out),
        *("--seed", 5, "--model", model, "--engine", "onnxruntime", "--workers", 2),
    ]
    return subprocess.Popen(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def killed(driver: subprocess.Popen[str], done: Callable[[], bool]) -> None:
    """Kill a call when something has come so far; its workers end with it."""
    limit = time.monotonic() + 120
    while not done():
        assert driver.poll() is None and time.monotonic() < limit
        time.sleep(0.002)
    driver.kill()
    driver.communicate()
    time.sleep(0.5)


def test_a_folder_has_the_bytes_that_it_has_here(
    styles: Path, tiny_path: Path, tmp_path: Path, memory: Any
) -> None:
    files = {**pictures(5), "cat/a.txt": b"a cat", "gtFine/1.png": picture(8, "PNG")}
    files |= {"train.gif": picture(9, "GIF"), "dog/bad.jpg": b"no picture"}
    source = make(tmp_path / "in", files)
    upload(memory, source, "/in")
    upload(memory, make(tmp_path / "hidden", {".x/1.jpg": b"", ".y": b""}), "/in")
    options: Any = {"seed": 3, "styles_per_picture": 2, "alpha": (0.2, 1), "link": True}
    wanted = paint(source, tmp_path / "out", styles, tiny_path, **options)
    made = paint("memory://in/", "memory://out", styles, tiny_path, **options)  # type: ignore[arg-type]
    assert made.counts == wanted.counts
    assert made.problems == wanted.problems and len(made.problems) == 2
    assert of_memory(memory, "/out") == of_folder(tmp_path / "out")
    assert json.loads(memory.cat("/out/dataset.json"))["source"] == "memory://in"
    report = verify_dataset("memory://out")
    assert report.is_right and report.counts == made.counts

    again = paint("memory://in", "memory://out/", styles, tiny_path, **options)  # type: ignore[arg-type]
    assert again.earlier == made.counts["done"] and again.counts == made.counts
    memory.pipe_file("/out/1/cat/0000.jpg", b"changed")
    memory.pipe_file("/out/1/strange.txt", b"")
    memory.rm_file("/out/2/cat/a.txt")
    report = verify_dataset("memory://out")
    assert report.changed == ["1/cat/0000.jpg"] and report.missing == ["2/cat/a.txt"]
    assert report.extra == ["1/strange.txt"]
    with pytest.raises(DatasetError, match="memory://out: was started with another seed"):
        paint("memory://in", "memory://out", styles, tiny_path, seed=4)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="memory://in: contains other files"):
        paint(source, "memory://in", styles, tiny_path)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="memory://in/cat: would be both read and written"):
        paint("memory://in/cat", "memory://in", styles, tiny_path)  # type: ignore[arg-type]
    with pytest.raises(DatasetError, match="memory://none: no such folder"):
        paint("memory://none", "memory://out", styles, tiny_path)  # type: ignore[arg-type]


def test_tar_files_come_and_go(
    styles: Path, tiny_path: Path, tmp_path: Path, memory: Any, source: Path
) -> None:
    members = [("a/1.jpg", picture(1)), ("a/1.cls", b"0"), ("a/2.png", picture(2, "PNG"))]
    write_shard(tmp_path / "tars/b-000.tar", members)
    write_shard(tmp_path / "tars/b-001.tar", [("3.jpg", picture(3)), ("3.json", b"{}")])
    (tmp_path / "tars/b-002.tar").write_bytes((tmp_path / "tars/b-000.tar").read_bytes()[:2000])
    upload(memory, tmp_path / "tars", "/tars")
    wanted = paint(tmp_path / "tars", tmp_path / "painted", styles, tiny_path)
    made = paint("memory://tars", "memory://painted", styles, tiny_path)  # type: ignore[arg-type]
    assert made.counts == wanted.counts and made.problems == wanted.problems
    assert of_memory(memory, "/painted") == of_folder(tmp_path / "painted")
    assert verify_dataset("memory://painted").is_right

    one = paint("memory://tars/b-001.tar", tmp_path / "one", styles, tiny_path)  # type: ignore[arg-type]
    assert one.counts["done"] == 1
    assert list(read_shard(tmp_path / "one/b-001.tar")) == ["3.jpg", "3.json"]

    paint(source, tmp_path / "cut", styles, tiny_path, shards=25)
    paint(source, "memory://cut", styles, tiny_path, shards=25)  # type: ignore[arg-type]
    assert of_memory(memory, "/cut") == of_folder(tmp_path / "cut")
    memory.pipe_file("/cut/000001.tar", b"")
    assert verify_dataset("memory://cut").changed == ["000001.tar"]
    again = paint(source, "memory://cut", styles, tiny_path, shards=25)  # type: ignore[arg-type]
    assert again.earlier == COUNT - 25
    assert of_memory(memory, "/cut") == of_folder(tmp_path / "cut")


def test_a_store_of_objects_with_workers_and_a_kill(
    source: Path, styles: Path, tiny_path: Path, tmp_path: Path, store: Path
) -> None:
    paint(source, tmp_path / "wanted", styles, tiny_path, seed=5)
    wanted = of_folder(tmp_path / "wanted")
    files = {name: (source / name).read_bytes() for name in contents(source)}
    remote_files.put_all(store, "bucket/train", files)

    def parts() -> list[str]:
        return [each for each in remote_files.objects(store, "bucket/out") if ".jsonl" in each]

    driver = start("s3://bucket/train", "s3://bucket/out", styles, tiny_path)
    killed(driver, lambda: len(parts()) >= 1)
    there = remote_files.objects(store, "bucket/out")
    of_pictures = {name for name in there if name.endswith(".jpg")}
    assert 0 < len(of_pictures) < COUNT
    for name in of_pictures:  # whatever has a name is whole
        assert hashlib.sha256(there[name]).hexdigest() == wanted[name]
    report = verify_dataset("s3://bucket/out")
    assert report.unfinished and not report.missing and not report.changed
    assert 0 < report.counts["done"] <= len(of_pictures)
    assert len(report.extra) == len(of_pictures) - report.counts["done"]

    driver = start("s3://bucket/train", "s3://bucket/out", styles, tiny_path)
    stdout, stderr = driver.communicate(timeout=120)
    assert driver.returncode == 0, stderr
    assert f"s3://bucket/out: {COUNT} in = {COUNT} done (" in stdout
    earlier = int(stdout.split("done (")[1].split()[0])
    assert earlier == report.counts["done"]
    assert hashed(remote_files.objects(store, "bucket/out")) == wanted  # and no part is left
    assert verify_dataset("s3://bucket/out").is_right

    log = remote_files.noted(store)
    puts = [key for what, key, _ in log if what == "put" and key.endswith(".jpg")]
    assert len(set(puts)) == COUNT and len(puts) <= 2 * COUNT - earlier
    pids = {pid for what, key, pid in log if what == "put" and key.endswith(".jpg")}
    assert len(pids) >= 3  # each worker has a connection of its own
    reads = [key for what, key, _ in log if what == "get" and key.endswith(".jpg")]
    assert len([key for key in reads if "/train/" in key]) <= 2 * COUNT - earlier
    left = [key for what, key, _ in log if what == "remove"]
    assert left and all("/.impasto-work/" in key for key in left)


@pytest.mark.parametrize("scheme", ["file", "stubborn"])
def test_a_system_that_renames_with_workers_and_a_kill(
    scheme: str, source: Path, styles: Path, tiny_path: Path, tmp_path: Path, store: Path
) -> None:
    paint(source, tmp_path / "wanted", styles, tiny_path, seed=5)
    wanted = of_folder(tmp_path / "wanted")
    out = tmp_path / "out"
    address = f"{scheme}://{out}"

    def painted() -> list[Path]:
        return list(out.glob("[cd]*/*.jpg"))

    driver = start(f"{scheme}://{source}", address, styles, tiny_path)
    killed(driver, lambda: len(painted()) >= COUNT // 3)
    for path in painted():
        name = path.relative_to(out).as_posix()
        assert hashlib.sha256(path.read_bytes()).hexdigest() == wanted[name]
    driver = start(f"{scheme}://{source}", address, styles, tiny_path)
    _, stderr = driver.communicate(timeout=120)
    assert driver.returncode == 0, stderr
    assert of_folder(out) == wanted and not (out / remote.WORK).exists()
    assert verify_dataset(address).is_right and verify_dataset(out).is_right


def test_what_takes_the_place_of_another_file_is_never_lost(store: Path, tmp_path: Path) -> None:
    address = f"stubborn://{tmp_path}/out"
    place = as_place(address)
    place.make()
    place.write("dataset.json", b'{"format": 1, "seed": 1}')
    place.write("dataset.json", b'{"format": 1, "seed": 2}')
    assert read_about(address)["seed"] == 2
    connection = remote._connected(address, os.getpid())
    move, moves = connection.system.mv, []

    def move_once(*paths: str) -> None:
        if moves:
            raise KeyboardInterrupt  # a call ends between both
        moves.append(move(*paths))

    connection.system.mv = move_once
    with pytest.raises(KeyboardInterrupt):
        place.write("dataset.json", b'{"format": 1, "seed": 3}')
    remote._connected.cache_clear()
    assert not (tmp_path / "out/dataset.json").exists()
    assert read_about(address)["seed"] == 2
    place.write("dataset.json", b'{"format": 1, "seed": 4}')
    assert read_about(address)["seed"] == 4


def test_what_fails_is_tried_again_and_a_lost_place_ends_the_run(
    styles: Path, tiny_path: Path, tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = pictures(6)
    remote_files.put_all(store, "bucket/train", files)
    real = remote_files.ObjectStore.cat_file
    fail = remote_files.failing(2, RuntimeError("connection reset"))

    def cat_file(self: Any, path: str, **kwargs: Any) -> bytes:
        if path.endswith("0003.jpg"):
            fail()
        return real(self, path)

    monkeypatch.setattr(remote_files.ObjectStore, "cat_file", cat_file)
    made = paint("s3://bucket/train", tmp_path / "out", styles, tiny_path)  # type: ignore[arg-type]
    assert made.counts["done"] == 6 and made.is_whole

    fail = remote_files.failing(3, RuntimeError("server error"))  # one picture alone
    made = paint("s3://bucket/train", "s3://bucket/out", styles, tiny_path)  # type: ignore[arg-type]
    assert made.problems == ("dog/0003.jpg: server error",)

    def gone(self: Any, path: str, **kwargs: Any) -> Any:
        raise PermissionError("token has expired")

    info = remote_files.ObjectStore.info

    def break_off(self: Any, path: str, **kwargs: Any) -> bytes:
        if path.endswith("0003.jpg"):
            monkeypatch.setattr(remote_files.ObjectStore, "info", gone)
            gone(self, path)
        return real(self, path)

    monkeypatch.setattr(remote_files.ObjectStore, "cat_file", break_off)
    with pytest.raises(
        DatasetError, match=r"s3://bucket/train: cannot be reached \(token has expired\); finished "
    ):
        paint("s3://bucket/train", "s3://bucket/b", styles, tiny_path)  # type: ignore[arg-type]
    monkeypatch.setattr(remote_files.ObjectStore, "info", info)
    monkeypatch.setattr(remote_files.ObjectStore, "cat_file", real)
    made = paint("s3://bucket/train", "s3://bucket/b", styles, tiny_path)  # type: ignore[arg-type]
    assert made.is_whole and verify_dataset("s3://bucket/b").is_right


def test_a_second_call_of_this_machine_is_refused(
    styles: Path, tiny_path: Path, tmp_path: Path, memory: Any
) -> None:
    source = make(tmp_path / "in", pictures(2))
    with as_place("memory://out").working("manifest.jsonl", "marks") as marks:
        assert marks is not None and marks.parent.is_dir()
        with pytest.raises(DatasetError, match="memory://out: another run is writing there"):
            paint(source, "memory://out", styles, tiny_path)  # type: ignore[arg-type]
    assert not marks.parent.exists()
    paint(source, "memory://out", styles, tiny_path)  # type: ignore[arg-type]
    assert not marks.parent.exists()


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(remote_files._registry, "s3", raising=False)
    for address, words in (
        (
            "s3://bucket/a",
            r"s3://bucket/a: fsspec needs another package for s3:// \(.*\); pip insta",
        ),
        ("nix://bucket/a", r"nix://bucket/a: cannot be used \(Protocol not known: nix\)"),
    ):
        with pytest.raises(DatasetError, match=words):
            as_place(address).exists()
    remote._connected.cache_clear()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(DatasetError, match=r"need fsspec; pip install 'impasto\[remote\]'"):
        verify_dataset("memory://out")
    remote._connected.cache_clear()


def test_addresses_and_paths() -> None:
    for name in ("train", "C:/train", "c:\\train", "a:b", "./s3:/x", "/data/s3"):
        assert isinstance(as_place(name), LocalPlace), name
    for name in ("s3://b/train", "S3://b", "memory://", "dir::file:///x", "sftp://me@host/x"):
        assert not isinstance(as_place(name), LocalPlace), name
    place = as_place("sftp://me:pass:word@host/train/a.tar")
    assert str(place) == "sftp://me:***@host/train/a.tar"
    assert place.shown("1.jpg") == "sftp://me:***@host/train/a.tar/1.jpg"
    assert (str(place.parent), place.name) == ("sftp://me:***@host/train", "a.tar")
    assert str(as_place("memory://a.tar").parent) == "memory://"
    assert str(as_place("file:///a.tar").parent) == "file:///"
    assert as_place("file:///tmp").where() == as_place("/tmp").where()


def test_lines_outlive_a_call_that_does_not_close_them(memory: Any) -> None:
    place = as_place("memory://out")
    line = b'{"source": "%d.jpg", "status": "failed"}\n'
    for number in (1, 2, 3):  # each call finds those of all before it
        log = place.log("manifest.jsonl")
        with log.reading() as file:
            assert file.read().count(b"\n") == number - 1
        log.add(line % number)
    assert [each["source"] for each in read_lines("memory://out")] == ["1.jpg", "2.jpg", "3.jpg"]
    with log.reading() as file, log.ordered() as ordered:
        ordered.write(file.read())
    log.close()
    assert list(memory.store) == ["/out/manifest.jsonl"]
    assert len(list(read_lines("memory://out"))) == 3


def test_machines_that_share_no_folder_tell_where_a_worker_died(tmp_path: Path) -> None:
    marks = tmp_path / f"{remote.OWN_WORK}1/marks"
    assert has_marks(marks) and marks.is_dir()
    assert not has_marks(tmp_path / "shared/marks")

    class Elsewhere:
        size = 1

        def submit(self, chunk: Chunk) -> None:
            self.chunk = chunk

        def answers(self) -> list[Answer]:
            barred = {each.name for each in self.chunk.barred}
            if "b" not in barred:
                return [Answer(self.chunk, died="killed by SIGKILL", at="b")]
            states = [(each.name, SKIPPED if each.name in barred else DONE) for each in chunk.jobs]
            return [Answer(self.chunk, tuple(Outcome(*each) for each in states))]

        def close(self) -> None:
            pass

    chunk = Chunk(0, (Job("a"), Job("b")))
    (found,) = outcomes(Elsewhere(), [chunk], tmp_path)
    assert [(each.source, each.status) for each in found] == [("a", DONE), ("b", SKIPPED)]
