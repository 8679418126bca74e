"""The loop of every executor: it sends chunks, receives outcomes, and loses none.

A chunk whose worker has died goes to another one. The picture that the dead worker was at gets one
more try; if it ends that worker too, it is barred, and the rest of its chunk is done without it.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from impasto.dataset.executors.attending import take_mark
from impasto.dataset.work import Answer, Barred, Chunk, Executor, Outcome
from impasto.errors import DatasetError, counted

TRIES = 2
"""Number of workers that one picture may end."""

# Number of workers, for each one, that may die in a row before they reach a picture.
_FALSE_STARTS = 2


def outcomes(
    executor: Executor, chunks: Iterable[Chunk], marks: Path
) -> Iterator[tuple[Outcome, ...]]:
    """Have an executor process all chunks, and return the outcomes of each as it comes.

    Args:
        executor: an idle executor.
        chunks: drawn one after the other, as workers become idle, so there may be millions.
        marks: the folder that its workers write their marks to.

    Returns:
        The outcomes of one chunk after the other, in any order.

    Raises:
        DatasetError: if a worker reports that no other chunk can succeed, or workers die repeatedly
            before they reach a picture.

    Example:
        >>> for each in outcomes(executor, chunks, marks):                   # doctest: +SKIP
        ...     manifest.add(each)
    """
    left = iter(chunks)
    again: deque[Chunk] = deque()
    tries: Counter[str] = Counter()
    false_starts = working = 0
    done: list[tuple[Outcome, ...]] = []
    fatal = ""
    while True:
        while working < executor.size and not fatal:
            chunk = again.popleft() if again else next(left, None)
            if chunk is None:
                break
            executor.submit(chunk)
            working += 1
        yield from done  # the workers have the next chunks already, whatever the caller does
        done.clear()
        if fatal:
            raise DatasetError(fatal)
        if not working:
            return
        for answer in executor.answers():
            working -= 1
            fatal = fatal or answer.fatal
            if not answer.died:
                false_starts = 0
                done.append(answer.outcomes)
                continue
            name = answer.at or take_mark(marks, answer.chunk)
            false_starts = 0 if name else false_starts + 1
            if false_starts > _FALSE_STARTS * executor.size:
                raise DatasetError(
                    f"{counted(false_starts, 'worker')} died before the first picture "
                    f"({answer.died}); if memory is short, give fewer --workers"
                )
            again.append(_once_more(answer, name, tries))


def _once_more(answer: Answer, name: str, tries: Counter[str]) -> Chunk:
    """The chunk of a dead worker, without a picture that has ended too many workers."""
    chunk = answer.chunk
    if not name:
        return chunk
    tries[name] += 1
    if tries[name] < TRIES:
        return chunk
    problem = f"crashed {counted(TRIES, 'worker')} ({answer.died})"
    return replace(chunk, barred=(*chunk.barred, Barred(name, problem)))
