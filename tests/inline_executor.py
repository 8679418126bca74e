"""An executor without processes, for tests of what workers do."""

from __future__ import annotations

from pathlib import Path

from impasto.dataset.executors.attending import attend
from impasto.dataset.work import Answer, Chunk, WorkerSpec


class InlineExecutor:
    size = 1

    def __init__(self, spec: WorkerSpec, marks: Path) -> None:
        self.worker, self.marks = spec.open(), marks
        self.waiting: list[Answer] = []

    def submit(self, chunk: Chunk) -> None:
        self.waiting.append(attend(self.worker, chunk, self.marks))

    def answers(self) -> list[Answer]:
        found, self.waiting = self.waiting, []
        return found

    def close(self) -> None:
        pass


def open_executor(
    spec: WorkerSpec, *, workers: int | None, marks: Path, address: str | None
) -> InlineExecutor:
    return InlineExecutor(spec, marks)
