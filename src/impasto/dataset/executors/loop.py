"""The loop of every executor: chunks go out, outcomes come back, nothing is lost on the way.

A chunk whose worker has died goes to another one. The picture that the dead worker was at has one
try more; if it ends that worker too, it is barred, and the rest of its chunk is done without it.
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
"""Workers that one picture may end."""

# Workers that may die one after the other before they come to a picture, for each that there is.
_FALSE_STARTS = 2


def outcomes(
    executor: Executor, chunks: Iterable[Chunk], marks: Path
) -> Iterator[tuple[Outcome, ...]]:
    """Have an executor do all chunks, and return the outcomes of each as it comes.

    Args:
        executor: idle.
        chunks: drawn one after the other, as workers become idle, so there may be millions.
        marks: the folder that its workers write their marks to.

    Returns:
        The outcomes of a chunk after the other, in whatever order.

    Raises:
        DatasetError: if a worker says that no other chunk can succeed, or workers die again and
            again before they come to a picture.

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
        yield from done  # whatever is done with them, the workers are at the next chunks already
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
                    f"{counted(false_starts, 'worker')} ended before the first picture "
                    f"({answer.died}): is there enough memory? give fewer --workers"
                )
            again.append(_once_more(answer, name, tries))


def _once_more(answer: Answer, name: str, tries: Counter[str]) -> Chunk:
    """The chunk of a worker that has died, without the picture that has ended too many."""
    chunk = answer.chunk
    if not name:
        return chunk
    tries[name] += 1
    if tries[name] < TRIES:
        return chunk
    problem = f"has ended {counted(TRIES, 'worker')} ({answer.died})"
    return replace(chunk, barred=(*chunk.barred, Barred(name, problem)))
