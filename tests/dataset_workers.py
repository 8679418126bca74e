"""Workers for tests of executors: they paint nothing, and die where a test wants it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from impasto.dataset.painting import DatasetPainter, PaintSpec
from impasto.dataset.work import DONE, FAILED, SKIPPED, Chunk, Outcome
from impasto.errors import ImpastoError


@dataclass(frozen=True)
class Plan:
    """Which pictures do what, by their names.

    Attributes:
        deadly: they end their worker, always.
        once: they end their worker the first time.
        bad: they cannot be read.
        hopeless: at them the worker says that nothing can succeed.
        closed: the worker cannot be opened.
        stillborn: the worker dies as it is opened.
        notes: a folder for what has happened.
    """

    notes: Path
    deadly: tuple[str, ...] = ()
    once: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    hopeless: tuple[str, ...] = ()
    closed: bool = False
    stillborn: bool = False

    def open(self) -> PlannedWorker:
        if self.closed:
            raise ImpastoError("there is no engine")
        if self.stillborn:
            os._exit(3)
        return PlannedWorker(self)


@dataclass(frozen=True)
class PlannedWorker:
    plan: Plan

    def work(self, chunk: Chunk, begin: Callable[[str], None]) -> Iterator[Outcome]:
        barred = {each.name: each.problem for each in chunk.barred}
        for job in chunk.jobs:
            if job.name in barred:
                yield Outcome(job.name, SKIPPED, problem=barred[job.name])
                continue
            begin(job.name)
            if job.name in self.plan.hopeless:
                raise ImpastoError("the disk is full")
            first = not (self.plan.notes / job.name).exists()
            (self.plan.notes / job.name).touch()
            if job.name in self.plan.deadly or (first and job.name in self.plan.once):
                os.kill(os.getpid(), signal.SIGKILL)
            if job.name in self.plan.bad:
                yield Outcome(job.name, FAILED, problem="is damaged")
                continue
            yield Outcome(job.name, DONE, data=str(os.getpid()).encode())


@dataclass(frozen=True)
class DeadlySpec(PaintSpec):
    """A worker that paints, and is killed at some pictures."""

    def open(self) -> DatasetPainter:
        painter = super().open()
        return DeadlyPainter(painter._spec, painter._model)


class DeadlyPainter(DatasetPainter):
    def work(self, chunk: Chunk, begin: Callable[[str], None]) -> Iterator[Outcome]:
        def begin_and_die(name: str) -> None:
            begin(name)
            if "deadly" in name:
                os.kill(os.getpid(), signal.SIGKILL)

        return super().work(chunk, begin_and_die)
