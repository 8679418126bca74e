"""Executor ``local``: processes on this machine, each started anew (spawn), so without threads."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path

from impasto.dataset.executors.attending import attend
from impasto.dataset.work import Answer, Chunk, WorkerSpec
from impasto.errors import ImpastoError, one_line
from impasto.models.engine import available_cores

# Fork would inherit the driver's threads and locks, and open engines.
_CONTEXT = multiprocessing.get_context("spawn")

# Signals that a terminal sends to all processes of a call: only the driver handles them.
_OF_TERMINAL = ("SIGINT", "SIGQUIT", "SIGHUP")


def open_executor(
    spec: WorkerSpec, *, workers: int | None, marks: Path, address: str | None = None
) -> LocalExecutor:
    """Make the executor; see :func:`impasto.dataset.executors.open_executor`."""
    return LocalExecutor(spec, available_cores() if workers is None else workers, marks)


class LocalExecutor:
    """Processes on this machine; see :class:`impasto.dataset.work.Executor`.

    Args:
        spec: specification of each worker.
        size: number of workers.
        marks: the folder for :func:`impasto.dataset.executors.attending.attend`.
    """

    def __init__(self, spec: WorkerSpec, size: int, marks: Path) -> None:
        self.size = size
        self._spec, self._marks = spec, marks
        self._idle: list[_Process] = []
        self._busy: dict[_Process, Chunk] = {}

    def submit(self, chunk: Chunk) -> None:
        """See :meth:`impasto.dataset.work.Executor.submit`."""
        while self._idle:
            process = self._idle.pop()
            if process.send(chunk):
                self._busy[process] = chunk
                return
            process.end()  # killed while it was idle
        process = _Process(self._spec, self._marks)
        process.send(chunk)  # if that fails, it has died already, which answers() reports
        self._busy[process] = chunk

    def answers(self) -> list[Answer]:
        """See :meth:`impasto.dataset.work.Executor.answers`."""
        found = []
        ready = wait([process.pipe for process in self._busy])
        for process in [each for each in self._busy if each.pipe in ready]:
            chunk = self._busy.pop(process)
            answer = process.receive()
            if answer is None:
                answer = Answer(chunk, died=process.end())
            else:
                self._idle.append(process)
            found.append(answer)
        return found

    def close(self) -> None:
        """See :meth:`impasto.dataset.work.Executor.close`."""
        processes = [*self._idle, *self._busy]
        for process in processes:
            process.kill()
        for process in processes:
            process.end()
        self._idle.clear()
        self._busy.clear()


class _Process:
    """A worker's process, and the pipe to it."""

    def __init__(self, spec: WorkerSpec, marks: Path) -> None:
        self.pipe, theirs = _CONTEXT.Pipe()
        self._process: SpawnProcess = _CONTEXT.Process(
            target=_serve, args=(spec, marks, theirs), name="impasto-worker", daemon=True
        )
        with _ignored():
            self._process.start()
        theirs.close()  # so that the pipe ends with the process

    def send(self, chunk: Chunk) -> bool:
        """Send a chunk; False if the process has ended."""
        try:
            self.pipe.send(chunk)
        except OSError:
            return False
        return True

    def receive(self) -> Answer | None:
        """Receive the answer; None if the process has ended without one."""
        try:
            answer: Answer = self.pipe.recv()
        except (EOFError, OSError):
            return None
        return answer

    def kill(self) -> None:
        """End the process now, whatever it does."""
        self._process.kill()

    def end(self) -> str:
        """Wait until the process has ended, and report how."""
        self.pipe.close()
        self._process.join(0.2)  # a process that has died closes its pipe a moment before
        self._process.kill()
        self._process.join()
        code = self._process.exitcode or 0
        self._process.close()
        if code >= 0:
            return f"exited with code {code}"
        try:
            return f"killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"killed by signal {-code}"


def _serve(spec: WorkerSpec, marks: Path, pipe: Connection) -> None:
    """Work in the process of a worker until the driver closes the pipe or has ended."""
    threading.Thread(target=_leave_with_driver, daemon=True).start()
    try:
        worker = spec.open()
    except (ImpastoError, OSError) as error:
        with suppress(EOFError, OSError):
            pipe.send(Answer(pipe.recv(), fatal=one_line(error)))
        return
    while True:
        try:
            pipe.send(attend(worker, pipe.recv(), marks))
        except (EOFError, OSError):
            return


def _leave_with_driver() -> None:
    """End this process as soon as the driver's has ended, for whatever reason."""
    driver = multiprocessing.parent_process()
    if driver is not None:
        wait([driver.sentinel])
        os._exit(1)


@contextmanager
def _ignored() -> Iterator[None]:
    """Start processes that ignore the signals of the terminal from the start."""
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield
        return
    numbers = [getattr(signal, name) for name in _OF_TERMINAL if hasattr(signal, name)]
    before = {number: signal.signal(number, signal.SIG_IGN) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
