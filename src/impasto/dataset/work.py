"""The values that travel between a data set's driver and its workers, and what both can do.

The driver reads names and writes the manifest; workers read and write pictures. An executor is
what starts workers somewhere, gives each a chunk at a time, and says how it went.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

PAINT, COPY, SHARD, STYLE = "paint", "copy", "shard", "style"
"""Kinds of jobs: a picture, a file that is taken as it is, a tar file of pictures, and a picture of
a style that is to be read."""

DONE, COPIED, FAILED, SKIPPED = "done", "copied", "failed", "skipped"
"""States of results. Failed is what cannot be read or written; skipped, what ended its worker.
A tar file as a whole has the state :data:`SHARD`."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file of the source.

    Attributes:
        name: relative to the source, with ``/``.
        kind: :data:`PAINT`, :data:`COPY`, :data:`SHARD` or :data:`STYLE`.
        beside: of a picture that goes into a tar file: the names of files in its folder that go
            with it, such as a text of the same name.
    """

    name: str
    kind: str = PAINT
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Barred:
    """A picture that is not tried again.

    Attributes:
        name: of its source.
        problem: the reason in one line.
    """

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Work for one worker: a few seconds of it.

    Attributes:
        number: no other chunk of the run has it.
        jobs: one or more.
        shard: the tar file that all results go into, relative to each copy of the data set; "" if
            each is a file of its own.
        barred: pictures in it that have ended their workers.
    """

    number: int
    jobs: tuple[Job, ...]
    shard: str = ""
    barred: tuple[Barred, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """A result, or the reason why there is none.

    Attributes:
        source: relative to the source, with ``/``; of a member of a shard ``SHARD/MEMBER``.
        status: :data:`DONE`, :data:`COPIED`, :data:`SHARD`, :data:`FAILED` or :data:`SKIPPED`.
        result: relative to the data set that is made, in the same way; "" for none.
        copy: which of the pictures that are made of one source it is, from 0.
        style: the name of its style.
        alpha: the strength; None for what is not painted.
        size: of the result, in bytes.
        sha256: of its bytes, in hexadecimal digits.
        problem: the reason for a failure, in one line.
        data: bytes that the driver keeps: a style that was read, a few kB. Never pixels.
    """

    source: str
    status: str
    result: str = ""
    copy: int = 0
    style: str = ""
    alpha: float | None = None
    size: int = 0
    sha256: str = ""
    problem: str = ""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of the work at a chunk.

    Attributes:
        chunk: as it was submitted.
        outcomes: of its jobs, if the worker came to its end.
        died: how the worker ended, if it ended before that, such as "killed by SIGKILL".
        at: the picture at which that was, if whoever answers knows it.
        fatal: an error that every other chunk would meet too, in one line; "" for none.
    """

    chunk: Chunk
    outcomes: tuple[Outcome, ...] = ()
    died: str = ""
    at: str = ""
    fatal: str = ""


class Worker(Protocol):
    """A painter in a process of its own, with an engine and styles of its own."""

    def work(self, chunk: Chunk, begin: Callable[[str], None]) -> Iterator[Outcome]:
        """Do the jobs of a chunk one after the other.

        Args:
            chunk: the jobs; a picture that is barred in it is an outcome :data:`SKIPPED`.
            begin: to be called with the name of each picture (:attr:`Outcome.source`) before it is
                touched, so that one that ends the process is known.

        Raises:
            ImpastoError: if no other chunk can succeed either. The failure of one picture is an
                outcome.
        """
        ...


class WorkerSpec(Protocol):
    """All that a worker needs to know. It can be pickled, and holds no pixels and no engine."""

    def open(self) -> Worker:
        """Make the worker: opens the engine, once in each process.

        Raises:
            ImpastoError: if that cannot be.
        """
        ...


class Executor(Protocol):
    """Workers somewhere, each of which has one chunk at a time.

    Attributes:
        size: the number of workers, and so of chunks that are in work at a time.
    """

    size: int

    def submit(self, chunk: Chunk) -> None:
        """Give a chunk to an idle worker, which is started where there is none.

        At most :attr:`size` chunks are submitted and not answered.
        """
        ...

    def answers(self) -> list[Answer]:
        """Wait until at least one chunk is answered, and return the answers.

        A worker that has died is an answer too; the next :meth:`submit` starts another one.
        """
        ...

    def close(self) -> None:
        """End all workers now, whatever they do, and wait until they are gone."""
        ...
