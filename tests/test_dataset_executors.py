"""Executors: every job exactly once, whatever happens to workers."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from dataset_workers import Plan

from impasto.dataset.executors import EXECUTORS, open_executor
from impasto.dataset.executors.loop import outcomes
from impasto.dataset.work import DONE, FAILED, SKIPPED, Chunk, Job, Outcome
from impasto.errors import DatasetError, OptionError

NAMES = tuple(f"{number:02d}" for number in range(12))


def chunks(size: int = 3) -> Iterator[Chunk]:
    for number, first in enumerate(range(0, len(NAMES), size)):
        yield Chunk(number, tuple(Job(name) for name in NAMES[first : first + size]))


def run(plan: Plan, workers: int, marks: Path, name: str = "local") -> list[Outcome]:
    executor = open_executor(name, plan, workers=workers, marks=marks)
    try:
        return [each for some in outcomes(executor, chunks(), marks) for each in some]
    finally:
        executor.close()


@pytest.fixture
def marks(tmp_path: Path) -> Path:
    (tmp_path / "marks").mkdir()
    (tmp_path / "notes").mkdir()
    return tmp_path / "marks"


def test_a_worker_that_dies_loses_nothing_and_a_deadly_picture_is_named(marks: Path) -> None:
    plan = Plan(marks.parent / "notes", deadly=("04",), once=("01", "09"), bad=("07",))
    found = run(plan, 2, marks)
    assert Counter(each.source for each in found) == Counter(NAMES)
    status = {each.source: each.status for each in found}
    assert [name for name in NAMES if status[name] != DONE] == ["04", "07"]
    assert status["04"] == SKIPPED and status["07"] == FAILED
    (skipped,) = (each for each in found if each.status == SKIPPED)
    assert skipped.problem == "crashed 2 workers (killed by SIGKILL)"
    assert not list(marks.iterdir())
    assert not [each for each in psutil.Process().children() if "spawn_main" in str(each.cmdline())]


def test_workers_are_processes_of_their_own_and_each_is_used_again(marks: Path) -> None:
    found = run(Plan(marks.parent / "notes"), 2, marks)
    processes = {int(each.data) for each in found}
    assert len(processes) == 2 and os.getpid() not in processes


def test_what_every_chunk_would_meet_ends_the_run(marks: Path) -> None:
    notes = marks.parent / "notes"
    with pytest.raises(DatasetError, match="the disk is full"):
        run(Plan(notes, hopeless=("05",)), 1, marks)
    with pytest.raises(DatasetError, match="there is no engine"):
        run(Plan(notes, closed=True), 1, marks)
    with pytest.raises(DatasetError, match=r"3 workers died before the first .*code 3"):
        run(Plan(notes, stillborn=True), 1, marks)


def test_a_picture_is_blamed_once_for_a_worker_that_it_has_ended(marks: Path) -> None:
    (marks / "1.mark").write_text("05")  # as a worker leaves it, whose followers cannot be opened
    with pytest.raises(DatasetError, match=r"5 workers died before the first .*code 3"):
        run(Plan(marks.parent / "notes", stillborn=True), 2, marks)


def test_an_idle_worker_that_is_killed_is_replaced(marks: Path) -> None:
    executor = open_executor("local", Plan(marks.parent / "notes"), workers=1, marks=marks)
    try:
        pids = set()
        for number in range(2):
            answer = None
            while answer is None or answer.died:  # it may go to one that is just dying
                executor.submit(Chunk(number, (Job(NAMES[number]),)))
                (answer,) = executor.answers()
            (outcome,) = answer.outcomes
            pids.add(int(outcome.data))
            os.kill(int(outcome.data), signal.SIGKILL)
            while psutil.Process(int(outcome.data)).status() != psutil.STATUS_ZOMBIE:
                time.sleep(0.01)
        assert len(pids) == 2
    finally:
        executor.close()


def test_executors_are_found_by_name(marks: Path) -> None:
    assert next(row.name for row in EXECUTORS) == "local"
    plan = Plan(marks.parent / "notes")
    with pytest.raises(OptionError, match=r"no executor 'spark'; choose local"):
        open_executor("spark", plan, workers=1, marks=marks)
    with pytest.raises(OptionError, match="1 or more, not 0"):
        open_executor("local", plan, workers=0, marks=marks)
    with pytest.raises(OptionError, match="leave out address"):
        open_executor("local", plan, workers=1, marks=marks, address="auto")
