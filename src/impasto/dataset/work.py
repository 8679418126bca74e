"""The values exchanged between a data set's driver and its workers, and their protocols.

The driver reads names and writes the manifest; workers read and write pictures. An executor
starts workers somewhere, gives each a chunk at a time, and reports the outcomes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

PAINT, COPY, SHARD, STYLE = "paint", "copy", "shard", "style"
"""Kinds of jobs: a picture, a file that is taken unchanged, a tar file of pictures, and a picture
of a style that is to be read."""

DONE, COPIED, FAILED, SKIPPED = "done", "copied", "failed", "skipped"
"""States of results. Failed: cannot be read or written; skipped: ended its worker.
A tar file as a whole has the state :data:`SHARD`."""


@dataclass(frozen=True, slots=True)
class Job:
    """A file of the source.

    Attributes:
        name: path relative to the source, with ``/``.
        kind: :data:`PAINT`, :data:`COPY`, :data:`SHARD` or :data:`STYLE`.
        beside: for a picture that goes into a tar file: the names of files in its folder that go
            with it, such as a text of the same name.
    """

    name: str
    kind: str = PAINT
    beside: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Barred:
    """A picture that is not tried again.

    Attributes:
        name: name of its source.
        problem: reason in one line.
    """

    name: str
    problem: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """Work for one worker: a few seconds of it.

    Attributes:
        number: unique in the run.
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
        source: path relative to the source, with ``/``; for a member of a shard ``SHARD/MEMBER``.
        status: :data:`DONE`, :data:`COPIED`, :data:`SHARD`, :data:`FAILED` or :data:`SKIPPED`.
        result: path relative to the resulting data set, in the same way; "" for none.
        copy: number of the picture among those made from one source, from 0.
        style: the name of its style.
        alpha: strength; None if it is not painted.
        size: size of the result, in bytes.
        sha256: hash of its bytes, in hexadecimal digits.
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
    """The result of the work on a chunk.

    Attributes:
        chunk: the chunk as it was submitted.
        outcomes: outcomes of its jobs, if the worker finished.
        died: how the worker ended, if it ended before that, such as "killed by SIGKILL".
        at: the picture at which it ended, if that is known.
        fatal: an error that every other chunk would also get, in one line; "" for none.
    """

    chunk: Chunk
    outcomes: tuple[Outcome, ...] = ()
    died: str = ""
    at: str = ""
    fatal: str = ""


class Worker(Protocol):
    """A painter in a separate process, with its own engine and styles."""

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
            ImpastoError: if that fails.
        """
        ...


class Executor(Protocol):
    """A set of workers, each of which has one chunk at a time.

    Attributes:
        size: number of workers, and so of chunks that are processed at a time.
    """

    size: int

    def submit(self, chunk: Chunk) -> None:
        """Give a chunk to an idle worker, which is started if there is none.

        At most :attr:`size` chunks are submitted and not answered.
        """
        ...

    def answers(self) -> list[Answer]:
        """Wait until at least one chunk is answered, and return the answers.

        A worker that has died is an answer too; the next :meth:`submit` starts another one.
        """
        ...

    def close(self) -> None:
        """End all workers now, whatever they do, and wait until they have ended."""
        ...
