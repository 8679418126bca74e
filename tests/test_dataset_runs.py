"""Data sets by real workers: the same bytes whatever happens, and every picture is counted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
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
    slow_pictures,
    write_shard,
)
from dataset_workers import DeadlySpec

from impasto.dataset import making
from impasto.dataset.verify import verify_dataset

COUNT = 160


@pytest.fixture(autouse=True)
def own_styles(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    # One for all tests, so that only the first reads the styles.
    base = tmp_path_factory.getbasetemp() / "my styles"
    monkeypatch.setenv("IMPASTO_STYLES", str(base))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    files = {**slow_pictures(COUNT), "labels.csv": b"1", "cat/0000.xml": b"<a/>"}
    return make(tmp_path_factory.mktemp("source"), files)


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_styles(tmp_path_factory.mktemp("styles"))


@pytest.fixture
def wanted(source: Path, styles: Path, tiny_path: Path, tmp_path: Path) -> dict[str, str]:
    """The files of a data set that one worker has made without interruption."""
    paint(source, tmp_path / "wanted", styles, tiny_path, executor="local", workers=1, seed=5)
    return contents(tmp_path / "wanted")


def start(source: Path, out: Path, styles: Path, model: Path) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "impasto", "dataset", source, "-s", styles, "-o", out),
        *("--seed", 5, "--model", model, "--engine", "onnxruntime", "--workers", 2),
    ]
    return subprocess.Popen(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def until(driver: subprocess.Popen[str], out: Path, count: int) -> list[psutil.Process]:
    """Wait until so many lines are written; return the processes of the workers."""
    manifest = out / "manifest.jsonl"
    limit = time.monotonic() + 120
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < count:
        assert driver.poll() is None and time.monotonic() < limit
        time.sleep(0.001)
    return [each for each in workers(driver.pid)]


def workers(pid: int) -> Iterator[psutil.Process]:
    for each in psutil.Process(pid).children(recursive=True):
        if "spawn_main" in " ".join(each.cmdline()):
            yield each


def gone(processes: list[psutil.Process]) -> bool:
    return not psutil.wait_procs(processes, timeout=20)[1]


def test_the_bytes_are_the_same_for_any_number_of_workers_and_after_kills(
    source: Path, styles: Path, tiny_path: Path, tmp_path: Path, wanted: dict[str, str]
) -> None:
    paint(source, tmp_path / "four", styles, tiny_path, executor="local", workers=4, seed=5)
    assert contents(tmp_path / "four") == wanted

    out = tmp_path / "out"
    driver = start(source, out, styles, tiny_path)
    of_driver = until(driver, out, COUNT * 3 // 10)
    driver.kill()
    driver.communicate()
    assert gone(of_driver)
    there = contents(out)
    assert not verify_dataset(out).is_right
    for name, digest in there.items():  # no picture has a final name before it is whole
        if name.endswith(".jpg"):
            assert digest == wanted[name]
    done = sum(name.endswith(".jpg") for name in there)
    assert COUNT * 3 // 10 - 2 <= done < COUNT

    driver = start(source, out, styles, tiny_path)
    (first, *_) = until(driver, out, COUNT * 6 // 10)
    first.kill()
    stdout, stderr = driver.communicate(timeout=120)
    assert driver.returncode == 0, stderr
    assert f"{COUNT} in = {COUNT} done (" in stdout and " by earlier runs)" in stdout
    assert contents(out) == wanted
    assert verify_dataset(out).is_right


def test_ctrl_c_leaves_a_clean_state_and_a_second_call_meanwhile_is_refused(
    source: Path, styles: Path, tiny_path: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    driver = start(source, out, styles, tiny_path)
    of_driver = until(driver, out, 20)
    driver.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(making.DatasetError, match="out: another run is writing there"):
            paint(source, out, styles, tiny_path, executor="local", workers=1, seed=5)
    finally:
        driver.send_signal(signal.SIGCONT)
    os.killpg(driver.pid, signal.SIGINT)  # as a terminal does: workers get it too
    _, stderr = driver.communicate(timeout=60)
    assert driver.returncode == 130
    assert stderr.splitlines() == [
        "impasto: the work so far is kept; run the same command again to resume",
        "impasto: interrupted",
    ]
    assert gone(of_driver)
    left = {path.name for path in out.iterdir()}
    assert left <= {"dataset.json", "manifest.jsonl", "cat", "dog", "labels.csv"}


def test_a_picture_that_kills_its_workers_is_named_and_skipped(
    styles: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "PaintSpec", DeadlySpec)
    source = make(tmp_path / "in", {**pictures(6), "cat/deadly.jpg": picture(7)})
    out = tmp_path / "out"
    made = paint(source, out, styles, tiny_path, executor="local", workers=2)
    assert made.counts == {"in": 7, "done": 6, "failed": 0, "skipped": 1, "copied": 0}
    assert made.problems == ("cat/deadly.jpg: crashed 2 workers (killed by SIGKILL)",)
    (line,) = (each for each in lines(out) if each["status"] == "skipped")
    assert line["source"] == "cat/deadly.jpg" and "result" not in line
    assert sorted(contents(out)) == sorted([*pictures(6), "dataset.json", "manifest.jsonl"])

    members = [("1.jpg", picture(1)), ("deadly.jpg", picture(2)), ("deadly.cls", b"1")]
    write_shard(tmp_path / "tars/a.tar", [*members, ("3.jpg", picture(3))])
    tars = tmp_path / "painted"
    made = paint(tmp_path / "tars", tars, styles, tiny_path, executor="local", workers=1)
    assert made.counts == {"in": 3, "done": 2, "failed": 0, "skipped": 1, "copied": 0}
    assert list(read_shard(tars / "a.tar")) == ["1.jpg", "3.jpg"]
    assert verify_dataset(tars).is_right


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.long)])
def test_damaged_pictures_are_all_named_and_the_counts_add_up(
    count: int, styles: Path, tiny_path: Path, tmp_path: Path
) -> None:
    files = pictures(count)
    damaged = sorted(files)[7 :: count // (count // 100)][: count // 100]
    for number, name in enumerate(damaged):
        files[name] = (b"", files[name][:100], b"no picture", files[name][:-200])[number % 4]
    source = make(tmp_path / "in", files)
    out = tmp_path / "out"
    driver = start(source, out, styles, tiny_path)
    stdout, stderr = driver.communicate(timeout=600)
    assert driver.returncode == 2 and not stdout
    *named, last = stderr.splitlines()
    done, failed = count - len(damaged), len(damaged)
    assert f"{count:,} in = {done:,} done + {failed:,} failed + 0 skipped in " in last
    assert [each.split(": ")[1] for each in named] == damaged
    status = {each["source"]: each["status"] for each in lines(out)}
    assert sorted(status) == sorted(files)
    assert sorted(name for name in status if status[name] == "failed") == damaged
    assert all("problem" in each for each in lines(out) if each["status"] == "failed")


@pytest.mark.long
def test_memory_of_the_driver_does_not_grow_with_the_names(
    styles: Path, tiny_path: Path, tmp_path: Path
) -> None:
    source = tmp_path / "in"
    for folder in range(100):
        (source / f"class{folder:03d}").mkdir(parents=True)
        for number in range(1000):
            (source / f"class{folder:03d}/a_picture_of_a_longer_name_{number:04d}.jpg").touch()
    out = tmp_path / "out"
    driver = start(source, out, styles, tiny_path)
    most = 0
    while driver.poll() is None:
        try:
            most = max(most, psutil.Process(driver.pid).memory_info().rss)
        except psutil.NoSuchProcess:
            break
        time.sleep(0.05)
    _, stderr = driver.communicate()
    assert "100,000 in = 0 done + 100,000 failed + 0 skipped" in stderr
    assert most < 300e6, most
    print(f"{most / 1e6:.0f} MB")
