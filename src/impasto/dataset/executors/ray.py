"""Executor ``ray``: actors of a Ray cluster, or of Ray on this machine. Needs Ray's core only.

An actor has one CPU, and runs its worker in a separate process, as executor ``local`` does: so a
picture that ends the worker does not end the actor, the next worker starts quickly, and the reports
are the same. If an actor is lost, for example with its machine, nothing is lost: another one gets
its chunk. Chunks of names go to actors, and facts come back; pixels are not transferred.
"""

from __future__ import annotations

import socket
import sys
from collections import deque
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import ray

from impasto.dataset.executors.attending import has_marks, take_mark
from impasto.dataset.executors.local import LocalExecutor
from impasto.dataset.executors.ray_session import connected
from impasto.dataset.work import STYLE, Answer, Chunk, WorkerSpec
from impasto.errors import DatasetError, ImpastoError, one_line
from impasto.models.engine import available_cores

# Ray has no static types.
_Actor: TypeAlias = Any
_Reference: TypeAlias = Any

# Seconds within which an actor normally ends when it is told to.
_END_SECONDS = 10


def open_executor(
    spec: WorkerSpec, *, workers: int | None, marks: Path, address: str | None = None
) -> RayExecutor:
    """Make the executor; see :func:`impasto.dataset.executors.open_executor`."""
    return RayExecutor(spec, workers, marks, address)


class RayExecutor:
    """Actors of Ray; see :class:`impasto.dataset.work.Executor`.

    An actor gets its first chunk when it is ready, so on a busy cluster as many actors work as
    there is room for.

    Args:
        spec: specification of each worker.
        workers: number of workers; None: one for each CPU.
        marks: the folder for :func:`impasto.dataset.executors.attending.attend`.
        address: of the cluster (:func:`impasto.dataset.executors.ray_session.connected`).

    Raises:
        DatasetError: if there is no such cluster, or Ray does not start.
    """

    def __init__(
        self, spec: WorkerSpec, workers: int | None, marks: Path, address: str | None
    ) -> None:
        self._marks = marks.absolute()
        self._waiting: deque[Chunk] = deque()
        self._idle: list[_Actor] = []
        self._starting: dict[_Reference, _Actor] = {}
        self._busy: dict[_Reference, tuple[_Actor, Chunk]] = {}
        self._held = ExitStack()
        cpus = self._held.enter_context(connected(address, workers or available_cores()))
        try:
            self.size = workers or cpus
            self._spec = ray.put(spec)
            self._class = ray.remote(num_cpus=1, max_restarts=0, max_task_retries=0)(RayWorker)
        except BaseException:
            self._held.close()
            raise

    def submit(self, chunk: Chunk) -> None:
        """See :meth:`impasto.dataset.work.Executor.submit`."""
        self._waiting.append(chunk)
        self._hand_out()

    def answers(self) -> list[Answer]:
        """See :meth:`impasto.dataset.work.Executor.answers`.

        Raises:
            DatasetError: if actors cannot work there.
        """
        while True:
            self._hand_out()
            references = [*self._starting, *self._busy]
            ray.wait(references, num_returns=1)
            ready, _ = ray.wait(references, num_returns=len(references), timeout=0)
            if found := [each for each in map(self._answer, ready) if each is not None]:
                return found

    def close(self) -> None:
        """See :meth:`impasto.dataset.work.Executor.close`."""
        try:
            actors = [
                *self._idle,
                *self._starting.values(),
                *(each for each, _ in self._busy.values()),
            ]
            last = [actor.ready.remote() for actor in actors]
            for actor in actors:
                ray.kill(actor)
            if last:  # the remaining work of an actor fails when it has ended
                ray.wait(last, num_returns=len(last), timeout=_END_SECONDS)
            self._idle.clear()
            self._starting.clear()
            self._busy.clear()
        finally:
            self._held.close()

    def _hand_out(self) -> None:
        """Give chunks that wait to idle actors, and start actors for the others."""
        while self._waiting and self._idle:
            actor, chunk = self._idle.pop(), self._waiting.popleft()
            self._busy[actor.work.remote(chunk)] = (actor, chunk)
        while (
            len(self._starting) < len(self._waiting)
            and len(self._starting) + len(self._busy) < self.size
        ):
            actor = self._class.remote(self._spec, self._marks)
            self._starting[actor.ready.remote()] = actor

    def _answer(self, reference: _Reference) -> Answer | None:
        """Take the answer of an actor; None if it has only become ready."""
        actor, chunk = self._busy.pop(reference, (None, None))
        if actor is None:
            actor = self._starting.pop(reference)
        try:
            answer: Answer | None = ray.get(reference)
        except ray.exceptions.RayError as error:
            ray.kill(actor)
            if chunk is None:  # the actor was starting, to get a waiting chunk
                chunk = self._waiting.popleft() if self._waiting else None
            own = isinstance(error, ray.exceptions.RayTaskError)
            if own or getattr(error, "actor_init_failed", False):
                if chunk is None:
                    raise DatasetError(_problem(error)) from error
                return Answer(chunk, fatal=_problem(error))
            return None if chunk is None else Answer(chunk, died="its Ray actor died")
        self._idle.append(actor)
        return answer


class RayWorker:
    """An actor: a worker in a separate process, on the machine that Ray has chosen.

    Args:
        spec: specification of the worker.
        marks: the folder of the marks.
    """

    def __init__(self, spec: WorkerSpec, marks: Path) -> None:
        # Otherwise each process of a worker would run Ray's main file.
        vars(sys.modules["__main__"]).pop("__file__", None)
        self._marks = marks
        self._executor = LocalExecutor(spec, 1, marks)

    def ready(self) -> None:
        """Check that this machine sees the folder of the data set.

        Raises:
            DatasetError: if it does not.
        """
        if not has_marks(self._marks):
            raise DatasetError(_unseen(self._marks.parent))

    def work(self, chunk: Chunk) -> Answer:
        """Have the worker do a chunk."""
        for job in chunk.jobs:  # a style that a machine does not see is not a damaged style
            if job.kind == STYLE and not Path(job.name).exists():
                return Answer(chunk, fatal=_unseen(job.name))
        self._executor.submit(chunk)
        (answer,) = self._executor.answers()
        # The driver may not see the marks of this machine.
        return replace(answer, at=take_mark(self._marks, chunk)) if answer.died else answer


def _unseen(path: str | Path) -> str:
    return (
        f"machine {socket.gethostname()} of the Ray cluster cannot find {one_line(path)}: give "
        "folders that all machines share at the same path"
    )


def _problem(error: BaseException) -> str:
    """The reason why an actor cannot work, in one line."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, ImpastoError):
        return str(cause)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__  # after all stack traces
    return f"Ray workers failed: {one_line(last)}"
