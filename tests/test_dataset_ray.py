"""Executor ``ray``: the same data sets as by ``local``, whatever dies, and no trace of Ray."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from dataset_parts import contents, make, make_styles, paint, picture, pictures, slow_pictures
from dataset_workers import DeadlySpec, Plan

from impasto.dataset import executors, making
from impasto.dataset.executors import find_executor, is_installed, open_executor
from impasto.dataset.executors.loop import outcomes
from impasto.dataset.work import DONE, STYLE, Chunk, Job, Outcome
from impasto.errors import DatasetError, OptionError

COUNT = 120

needs_ray = pytest.mark.skipif(
    not is_installed(find_executor("ray")), reason="needs Ray (pip install 'impasto[ray]')"
)


@pytest.fixture(autouse=True, scope="module")
def own_styles(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_STYLES", str(tmp_path_factory.mktemp("my styles")))
        yield


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("source"), {**slow_pictures(COUNT), "labels.csv": b"1"})


@pytest.fixture(scope="module")
def styles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_styles(tmp_path_factory.mktemp("styles"))


@pytest.fixture(scope="module")
def wanted(
    source: Path, styles: Path, tiny_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    """The files of a data set by two workers of ``local``."""
    out = tmp_path_factory.mktemp("local") / "wanted"
    paint(source, out, styles, tiny_path, executor="local", workers=2, seed=5)
    return contents(out)


@pytest.fixture(scope="module")
def connection() -> Iterator[None]:
    """Ray in this process, as a program has it that has called ``ray.init``."""
    from impasto.dataset.executors.ray_session import connected

    with connected(None, 2):
        yield


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "out/marks").mkdir(parents=True)
    (tmp_path / "notes").mkdir()
    return tmp_path / "out/marks"


def start(
    source: Path, out: Path, styles: Path, model: Path, *more: object
) -> subprocess.Popen[str]:
    command = [
        *(sys.executable, "-m", "impasto", "dataset", source, "-s", styles, "-o", out),
        *("--seed", 5, "--model", model, "--engine", "onnxruntime", "--workers", 2),
        *("--executor", "ray", *more),
    ]
    home = out.parent / "home"
    home.mkdir(parents=True, exist_ok=True)
    return subprocess.Popen(
        [str(each) for each in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "HOME": str(home)},
    )


def until(driver: subprocess.Popen[str], out: Path, count: int) -> None:
    """Wait until so many lines are written."""
    manifest = out / "manifest.jsonl"
    limit = time.monotonic() + 240
    while not manifest.exists() or manifest.read_bytes().count(b"\n") < count:
        assert driver.poll() is None and time.monotonic() < limit, driver.communicate()
        time.sleep(0.001)


def below(pid: int, words: str = "") -> list[psutil.Process]:
    """The processes below one that have such words in their command lines."""
    found = []
    for each in psutil.Process(pid).children(recursive=True):
        try:
            if words in " ".join(each.cmdline()):
                found.append(each)
        except psutil.NoSuchProcess:
            pass
    return found


def session_of(driver: subprocess.Popen[str]) -> Path:
    """The folder of the Ray that a call has started."""
    (server,) = below(driver.pid, "gcs_server --log_dir=")
    log = Path(next(each for each in server.cmdline() if "log_dir" in each).partition("=")[2])
    return next(each for each in log.parents if each.name.startswith("impasto-ray-"))


def gone(processes: list[psutil.Process], seconds: float = 20) -> bool:
    return not psutil.wait_procs(processes, timeout=seconds)[1]


@needs_ray
def test_the_bytes_are_those_of_local_whatever_dies_and_nothing_is_left(
    source: Path, styles: Path, tiny_path: Path, tmp_path: Path, wanted: dict[str, str]
) -> None:
    killed, stopped = tmp_path / "killed" / "out", tmp_path / "stopped" / "out"

    def kill_one() -> tuple[Path, list[psutil.Process]]:
        driver = start(source, killed, styles, tiny_path)
        until(driver, killed, COUNT * 3 // 10)
        session, of_ray = session_of(driver), below(driver.pid)
        driver.kill()
        driver.communicate()
        assert session.is_dir()  # nobody was there to remove it
        return session, of_ray

    def interrupt_one() -> None:
        driver = start(source, stopped, styles, tiny_path)
        until(driver, stopped, COUNT * 5 // 10)
        session, of_ray = session_of(driver), below(driver.pid)
        assert session.is_dir()
        os.killpg(driver.pid, signal.SIGINT)  # as a terminal does
        _, stderr = driver.communicate(timeout=60)
        assert driver.returncode == 130
        assert stderr.splitlines() == [
            "impasto: the work so far is kept; run the same command again to resume",
            "impasto: interrupted",
        ]
        assert gone(of_ray) and not session.exists()
        assert {path.name for path in stopped.iterdir()} <= {
            *("dataset.json", "manifest.jsonl", "cat", "dog", "labels.csv")
        }

    # At the same time, since each waits for its Ray; neither may take the other's for one left.
    with ThreadPoolExecutor() as pool:
        one, other = pool.submit(kill_one), pool.submit(interrupt_one)
        (left, of_killed), _ = one.result(), other.result()
    driver = start(source, killed, styles, tiny_path)
    until(driver, killed, COUNT * 5 // 10)
    assert gone(of_killed) and not left.exists()
    session, of_ray = session_of(driver), below(driver.pid)
    worker = below(driver.pid, "spawn_main")[0]
    assert worker.nice() == psutil.Process().nice()  # as those of `local`; Ray's own default is 15
    worker.kill()
    until(driver, killed, COUNT * 7 // 10)
    below(driver.pid, "ray::RayWorker")[0].kill()  # an actor
    of_ray += below(driver.pid)
    stdout, stderr = driver.communicate(timeout=240)
    assert driver.returncode == 0, stderr
    assert re.search(
        rf"{COUNT} in = {COUNT} done \(\d+ by earlier runs\) \+ 0 failed \+ 0 skipped in ", stdout
    )
    assert contents(killed) == wanted
    assert gone(of_ray) and not session.exists()
    assert not any((killed.parent / "home").iterdir())  # no token, no settings
    paint(source, stopped, styles, tiny_path, executor="local", workers=2, seed=5)
    assert contents(stopped) == wanted


@needs_ray
def test_a_picture_that_kills_its_workers_is_skipped_as_by_local(
    connection: None, styles: Path, tiny_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "PaintSpec", DeadlySpec)
    source = make(tmp_path / "in", {**pictures(6), "cat/deadly.jpg": picture(7)})
    made = {
        name: paint(source, tmp_path / name, styles, tiny_path, executor=name, workers=2)
        for name in ("local", "ray")
    }
    assert made["ray"].problems == ("cat/deadly.jpg: crashed 2 workers (killed by SIGKILL)",)
    assert made["ray"].counts == made["local"].counts
    assert contents(tmp_path / "ray") == contents(tmp_path / "local")


@needs_ray
def test_folders_may_be_addresses(
    connection: None, source: Path, styles: Path, tiny_path: Path, tmp_path: Path,
    wanted: dict[str, str],
) -> None:  # fmt: skip
    pytest.importorskip("fsspec")
    out = tmp_path / "out"
    options = {"executor": "ray", "workers": 2, "seed": 5}
    paint(f"file://{source}", f"file://{out}", styles, tiny_path, **options)
    found = contents(out)
    assert found.pop("dataset.json") != wanted["dataset.json"]  # it names the addresses
    assert found == {name: wanted[name] for name in found} and len(found) == len(wanted) - 1


def run(plan: Plan, marks: Path, workers: int = 2) -> list[Outcome]:
    """Have workers do twelve jobs, three a chunk."""
    names = [f"{number:02d}" for number in range(12)]
    chunks = (Chunk(i, tuple(Job(name) for name in names[3 * i : 3 * i + 3])) for i in range(4))
    executor = open_executor("ray", plan, workers=workers, marks=marks)
    try:
        return [each for some in outcomes(executor, chunks, marks) for each in some]
    finally:
        executor.close()


@needs_ray
def test_workers_that_die_lose_nothing(connection: None, marks: Path) -> None:
    notes = marks.parent.parent / "notes"
    found = run(Plan(notes, deadly=("04",), once=("01", "09"), bad=("07",)), marks)
    status = {each.source: each.status for each in found}
    assert Counter(each.source for each in found) == Counter(f"{i:02d}" for i in range(12))
    assert {name: status[name] for name in status if status[name] != DONE} == {
        "04": "skipped",
        "07": "failed",
    }
    assert not list(marks.iterdir())
    assert gone([*below(os.getpid(), "ray::RayWorker"), *below(os.getpid(), "spawn_main")])


@needs_ray
def test_actors_that_die_are_replaced(connection: None, marks: Path) -> None:
    executor = open_executor("ray", Plan(marks.parent.parent / "notes"), workers=1, marks=marks)
    try:
        pids = set()
        for number in range(2):
            executor.submit(Chunk(number, (Job(f"{number}"),)))
            answer = executor.answers()[0]
            while answer.died:  # Ray may not yet have seen that the actor is gone
                assert answer.died == "its Ray actor died" and number == 1
                executor.submit(answer.chunk)
                answer = executor.answers()[0]
            (outcome,) = answer.outcomes
            pids.add(int(outcome.data))
            (actor,) = below(os.getpid(), "ray::RayWorker")
            actor.kill()
            assert gone([psutil.Process(int(outcome.data))])
        assert len(pids) == 2
    finally:
        executor.close()


@needs_ray
def test_what_every_chunk_would_meet_ends_the_run(connection: None, marks: Path) -> None:
    notes = marks.parent.parent / "notes"
    with pytest.raises(DatasetError, match=r"^the disk is full$"):
        run(Plan(notes, hopeless=("05",)), marks, workers=1)
    with pytest.raises(DatasetError, match=r"^there is no engine$"):
        run(Plan(notes, closed=True), marks, workers=1)
    with pytest.raises(DatasetError, match=r"5 workers died before the first .*code 3"):
        run(Plan(notes, stillborn=True), marks)
    with pytest.raises(DatasetError, match=r"cannot find .*nowhere: give folders that all"):
        run(Plan(notes), Path("nowhere/marks"), workers=1)
    executor = open_executor("ray", Plan(notes), workers=1, marks=marks)
    try:
        executor.submit(Chunk(0, (Job("/no/style.png", STYLE),)))
        (answer,) = executor.answers()
    finally:
        executor.close()
    assert "cannot find /no/style.png" in answer.fatal


@needs_ray
def test_an_address_beside_a_connection_is_an_error(connection: None, marks: Path) -> None:
    with pytest.raises(OptionError, match="already connected to Ray: leave out address"):
        open_executor("ray", Plan(marks), workers=1, marks=marks, address="auto")


@needs_ray
def test_a_cluster_that_is_not_there_is_a_clear_error(
    source: Path, styles: Path, tiny_path: Path, tmp_path: Path
) -> None:
    from impasto.dataset.executors import ray_session

    driver = start(source, tmp_path / "out", styles, tiny_path, "--address", "127.0.0.1:1")
    _, stderr = driver.communicate(timeout=120)
    assert driver.returncode == 2
    (line,) = stderr.splitlines()
    assert line.startswith("impasto: cannot use the Ray cluster 127.0.0.1:1 ([Errno ")
    with pytest.raises(ValueError, match="give HOST:PORT or auto"):
        ray_session._need_answer("ray://127.0.0.1:10001")


@needs_ray
@pytest.mark.long
def test_a_cluster_that_is_there_works_and_stays(
    source: Path, styles: Path, tiny_path: Path, tmp_path: Path, wanted: dict[str, str]
) -> None:
    import socket
    import tempfile

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="ray-test-", dir="/tmp") as folder:
        settings = {"RAY_USAGE_STATS_ENABLED": "0", "HOME": folder}
        # The scripts of Ray are named by the interpreter, since it need not be on the path.
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            *("--port", port, "--num-cpus", 2, "--include-dashboard", "false"),
            *("--temp-dir", folder, "--object-store-memory", 100_000_000),
        ]
        cluster = subprocess.Popen(
            [str(each) for each in command],
            env={**os.environ, **settings},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert cluster.stdout is not None
            for line in cluster.stdout:
                if "--block" in line or "Ray runtime started" in line:
                    break
            for number in range(2):  # the second finds the cluster as the first has left it
                out = tmp_path / f"out{number}"
                driver = start(source, out, styles, tiny_path, "--address", f"127.0.0.1:{port}")
                stdout, stderr = driver.communicate(timeout=240)
                assert driver.returncode == 0, stderr
                assert f"{COUNT} in = {COUNT} done" in stdout
                assert contents(out) == wanted
                assert cluster.poll() is None
                assert gone(below(cluster.pid, "spawn_main"))
                assert gone(below(cluster.pid, "ray::RayWorker"))
        finally:
            of_cluster = below(cluster.pid)
            cluster.terminate()
            cluster.communicate(timeout=60)
            assert gone(of_cluster)


def test_ray_that_is_not_installed_is_a_clear_error(
    marks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = find_executor("ray")
    assert row.addressed
    monkeypatch.setattr(executors, "EXECUTORS", (replace(row, imports="ray_of_nobody"),))
    message = r"executor 'ray' is not installed; pip install 'impasto\[ray\]'"
    with pytest.raises(DatasetError, match=message):
        open_executor("ray", Plan(marks), workers=1, marks=marks)
    (tmp_path / "ray_of_nobody").mkdir()  # a folder is not enough
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(DatasetError, match=message):
        open_executor("ray", Plan(marks), workers=1, marks=marks)
