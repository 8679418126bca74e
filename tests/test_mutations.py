"""Damaged files of every kind: a picture or one clear line, in a moment and in little memory.

``make fuzz`` reads 10,000 of them, the suite the first 2,000, or those that a minute is enough for.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mutated_files import mutant, seeds

pytest.importorskip("resource")

FILES = int(os.environ.get("IMPASTO_FUZZ", "2000"))
MINUTE = 60 if FILES == 2000 else float("inf")
SECONDS = 10
"""Far more than any takes, for a machine that is busy with other things."""
MEMORY = 512 << 20
"""Beside what is in use before; max_pixels is a million in the worker, 48 MB at the most deep."""
GROWTH = 48 << 20
"""Of a process from the first quarter of its files to the last: 5 kB a file of 10,000 in all."""


class Worker:
    """A process that reads one picture after the other."""

    def __init__(self) -> None:
        command = [sys.executable, str(Path(__file__).with_name("reading_worker.py")), str(MEMORY)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.answer(60) == "ready"
        self.held: list[int] = []

    def read(self, data: bytes) -> tuple[str, str]:
        """What became of it; a crash and a hang end the process."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(struct.pack(">Q", len(data)) + data)
            self.process.stdin.flush()
        except BrokenPipeError:
            return "crash", f"the process was gone ({self.process.wait()})"
        line = self.answer(SECONDS)
        if line is None:
            self.process.kill()
            return "hang", f"more than {SECONDS} s"
        if not line:
            return "crash", f"exit code {self.process.wait()}"
        kind, text, held = json.loads(line)
        self.held.append(held)
        return kind, text

    @property
    def growth(self) -> int:
        """Bytes by which memory has grown, its peaks compared, since a quarter of the files."""
        part = max(1, len(self.held) // 4)
        return max(self.held[-part:]) - max(self.held[:part])

    def answer(self, seconds: float) -> str | None:
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], seconds)
        return self.process.stdout.readline().decode().strip() if ready else None

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def told(numbers: range) -> tuple[dict[str, tuple[str, str]], list[int]]:
    """What became of each mutant, and the growth of each process that has read many.

    Read by as many processes as there are cores, two at least.
    """
    files, local, workers = seeds(), threading.local(), []
    end = time.monotonic() + MINUTE

    def one(number: int) -> tuple[str, tuple[str, str]] | None:
        if time.monotonic() > end:
            return None
        name, data = mutant(files, number)
        if getattr(local, "worker", None) is None:
            local.worker = Worker()
            workers.append(local.worker)
        kind, text = local.worker.read(data)
        if kind in ("crash", "hang"):
            local.worker = None
        return name, (kind, text)

    try:
        with ThreadPoolExecutor(max(2, min(8, os.cpu_count() or 1))) as pool:
            results = dict(filter(None, pool.map(one, numbers)))
        return results, [each.growth for each in workers if len(each.held) > 100]
    finally:
        for worker in workers:
            worker.close()


def test_damaged_files_give_a_picture_or_one_line():
    results, growth = told(range(FILES))
    assert len(results) == FILES or (MINUTE == 60 and len(results) > FILES / 10)
    bad = {
        name: result
        for name, result in results.items()
        if result[0] not in ("picture", "error") or not result[1].isprintable()
    }
    assert not bad, "\n".join(f"{name}: {kind} {text}" for name, (kind, text) in bad.items())
    kinds = [kind for kind, _ in results.values()]
    # The damage is neither so mild nor so wild that nothing would be learned.
    assert min(kinds.count("picture"), kinds.count("error")) > len(results) / 10
    assert max(growth, default=0) < GROWTH, [f"{each / 1e6:.0f} MB" for each in growth]


def test_whole_files_are_read():
    worker = Worker()
    try:
        for name, data in seeds().items():
            kind, text = worker.read(data)
            refused = name.endswith(("film", "raw", "complex"))
            assert kind == ("error" if refused else "picture"), f"{name}: {text}"
    finally:
        worker.close()
