"""Executors run the workers of a data set. One file each, one row a file in ``EXECUTORS``.

An executor (:class:`impasto.dataset.work.Executor`) starts workers from one specification, gives
them chunks, and returns answers. The common parts are here: the loop that keeps all of them busy,
gives the chunk of a dead worker to another one, and bars a picture that has ended two workers
(:mod:`impasto.dataset.executors.loop`); and the code that runs in each worker's process
(:mod:`impasto.dataset.executors.attending`).
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.dataset.work import Executor, WorkerSpec
from impasto.errors import DatasetError, OptionError

__all__ = ["EXECUTORS", "ExecutorRow", "open_executor"]


@dataclass(frozen=True)
class ExecutorRow:
    """A row of the table of executors.

    Attributes:
        name: name on the command line.
        module: our module for it, with ``open_executor(spec, *, workers, marks, address) ->
            Executor``.
        imports: the module of its library; "" for none.
        pip: the requirement that ``pip install`` takes for it; "" for none.
        summary: one line for users.
        addressed: whether it takes an address.
    """

    name: str
    module: str
    imports: str
    pip: str
    summary: str
    addressed: bool = False


EXECUTORS: tuple[ExecutorRow, ...] = (
    ExecutorRow(
        name="local",
        module="impasto.dataset.executors.local",
        imports="",
        pip="",
        summary="processes on this machine",
    ),
    ExecutorRow(
        name="ray",
        module="impasto.dataset.executors.ray",
        imports="ray",
        pip="'impasto[ray]'",
        summary="a Ray cluster, or Ray on this machine",
        addressed=True,
    ),
)


def open_executor(
    name: str, spec: WorkerSpec, *, workers: int | None, marks: Path, address: str | None = None
) -> Executor:
    """Make an executor; its workers may be started later, when there are chunks.

    Args:
        name: a name in ``EXECUTORS``.
        spec: specification of its workers.
        workers: number of workers, 1 or more; None: one for each core.
        marks: the folder of :mod:`impasto.dataset.executors.attending`, which all workers and the
            driver see.
        address: of a cluster, for executors that take one.

    Raises:
        OptionError: if there is none of that name, or a number or the address is wrong.
        DatasetError: if its library is not installed.

    Example:
        >>> executor = open_executor("local", spec, workers=2, marks=marks)   # doctest: +SKIP
    """
    row = find_executor(name)
    if workers is not None and workers < 1:
        raise OptionError(f"workers must be a whole number of 1 or more, not {workers}")
    if address is not None and not row.addressed:
        raise OptionError(f"executor {row.name!r} runs on this machine: leave out address")
    if not is_installed(row):
        raise DatasetError(f"executor {row.name!r} is not installed; pip install {row.pip}")
    opener: Any = importlib.import_module(row.module)
    executor: Executor = opener.open_executor(spec, workers=workers, marks=marks, address=address)
    return executor


def is_installed(row: ExecutorRow) -> bool:
    """Return True if the library of an executor is installed, without loading it.

    Example:
        >>> is_installed(find_executor("local"))
        True
    """
    if not row.imports:
        return True
    found = importlib.util.find_spec(row.imports)
    return found is not None and found.origin is not None  # a folder of that name has no origin


def find_executor(name: str) -> ExecutorRow:
    """Return the row of an executor.

    Raises:
        OptionError: if there is none of that name.

    Example:
        >>> find_executor("local").summary
        'processes on this machine'
    """
    for row in EXECUTORS:
        if row.name == name:
            return row
    names = " or ".join(row.name for row in EXECUTORS)
    raise OptionError(f"there is no executor {name!r}; choose {names}")
