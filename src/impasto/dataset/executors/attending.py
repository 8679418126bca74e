"""Processing of a chunk in a worker's process, for every executor; and the chunk's mark.

Before a worker touches a picture it writes the picture's name into a small file, the mark of its
chunk. If it dies, the mark names the picture. A mark need not survive a power cut, so it is not
synced, and costs some microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from impasto.dataset.remote import OWN_WORK
from impasto.dataset.work import Answer, Chunk, Worker
from impasto.errors import ImpastoError, one_line


def attend(worker: Worker, chunk: Chunk, marks: Path) -> Answer:
    """Have a worker process a chunk, under its mark.

    Args:
        worker: opened in this process.
        chunk: the jobs.
        marks: the folder of the marks.

    Returns:
        The outcomes, or the error that ends the run.

    Example:
        >>> attend(spec.open(), chunk, marks).outcomes                       # doctest: +SKIP
    """
    try:
        with _mark(marks, chunk) as begin:
            return Answer(chunk, tuple(worker.work(chunk, begin)))
    except (ImpastoError, OSError) as error:
        return Answer(chunk, fatal=one_line(error))


def take_mark(marks: Path, chunk: Chunk) -> str:
    """Return the name of the picture at which the worker of a chunk was, "" before the first.

    The mark is removed, so that the next worker of the chunk is not blamed for it.

    Example:
        >>> take_mark(Path("marks"), Chunk(0, ()))
        ''
    """
    path = _file(marks, chunk)
    try:
        name = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return ""
    with suppress(OSError):
        path.unlink()
    return name


def has_marks(marks: Path) -> bool:
    """Return True if this machine sees the folder of the marks, or has one of its own now.

    For a data set on a remote file system each machine has its own, since there is no folder that
    all of them share.
    """
    if marks.parent.name.startswith(OWN_WORK):
        marks.mkdir(mode=0o700, parents=True, exist_ok=True)
    return marks.is_dir()


@contextmanager
def _mark(marks: Path, chunk: Chunk) -> Iterator[Callable[[str], None]]:
    path = _file(marks, chunk)
    with path.open("wb", buffering=0) as file:

        def begin(name: str) -> None:
            file.truncate(0)
            file.seek(0)
            file.write(name.encode("utf-8", "surrogateescape"))

        yield begin
    with suppress(OSError):
        path.unlink()


def _file(marks: Path, chunk: Chunk) -> Path:
    return marks / f"{chunk.number}.mark"
