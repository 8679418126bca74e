"""Connections to Ray: to a cluster that is there, or to one of our own, which leaves no trace.

Our own has no dashboard and sends nothing to anybody; who knows its token, which is in no file, may
use it. All its files lie in a folder of ours. A call that was killed leaves that folder, and some
of its processes for a minute; the next call ends and removes them.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil  # a part of Ray, which adds it to the module path
import ray

from impasto.errors import DatasetError, OptionError, one_line
from impasto.images.files import claim

# Ray's least. All that it holds for us are chunks of names and answers.
_STORE_BYTES = 75 * 1024 * 1024

# Ray gives itself 15 to 30 seconds to start, which is not enough on a busy machine. At the second
# time its files are in memory.
_ATTEMPTS = 3

# Memory that others on this machine take is no reason to end our workers, and these get as much of
# the processor as those of executor `local`.
_SYSTEM = {"memory_monitor_refresh_ms": 0, "worker_niceness": 0}

_CONNECT_SECONDS = 10.0

_PREFIX, _CLAIMED = "impasto-ray-", "session"

# Ray's sockets lie some 65 characters deep in its folder, and their paths may have about 105.
_LONGEST_FOLDER = 20

# One for the process: Ray reads it once. It is told to nobody but our own processes.
_TOKEN = secrets.token_hex(32)


@contextmanager
def connected(address: str | None, cpus: int) -> Iterator[int]:
    """Be connected to Ray within the block.

    A program that has called ``ray.init`` itself keeps its connection, which is used.

    Args:
        address: of a cluster: ``auto`` for the one of this machine, or ``HOST:PORT``; None: what
            the environment says in ``RAY_ADDRESS``, else a cluster of our own on this machine.
        cpus: number of CPUs of our own.

    Yields:
        The number of CPUs of the cluster.

    Raises:
        DatasetError: if there is no such cluster, or Ray does not start.
        OptionError: if there is an address and a connection.
    """
    if ray.is_initialized():
        if address is not None:
            raise OptionError("this program is connected to Ray already: leave address out")
        yield _cpus()
        return
    address = address or os.environ.get("RAY_ADDRESS")
    if address and address != "local":  # Ray's word for a cluster of one's own
        with _environment({}), _joined(address):
            yield _cpus()
    else:
        with _environment(_own_settings()), _own_cluster(cpus):
            yield cpus


@contextmanager
def _joined(address: str) -> Iterator[None]:
    """Be a driver of a cluster that is there."""
    try:
        _need_answer(address)
        with _own_handlers():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises errors of all kinds
        ray.shutdown()
        raise DatasetError(
            f"cannot use the Ray cluster {one_line(address)} ({_first_line(error)}); this machine "
            "must belong to it: ray start --address HOST:PORT"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _need_answer(address: str) -> None:
    """Look whether somebody listens at an address: Ray would end this process after a while.

    Raises:
        OSError: if nobody does.
    """
    if address.startswith("ray://"):
        raise ValueError("addresses of Ray clients are not for this: give HOST:PORT or auto")
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS):
            pass


@contextmanager
def _own_cluster(cpus: int) -> Iterator[None]:
    """Start a cluster on this machine; at the end all of it is gone."""
    base = tempfile.gettempdir()
    if len(base) > _LONGEST_FOLDER and os.name == "posix":
        base = "/tmp"
    _remove_left(Path(base))
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    try:
        with claim(folder / _CLAIMED):
            try:
                _start(folder, cpus)
                yield
            finally:
                ray.shutdown()
                _end_processes(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _start(folder: Path, cpus: int) -> None:
    """Start Ray, if need be once more.

    Raises:
        DatasetError: if it does not start.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with _own_handlers():
                ray.init(
                    address="local",
                    num_cpus=cpus,
                    num_gpus=0,
                    object_store_memory=_STORE_BYTES,
                    include_dashboard=False,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                    _temp_dir=str(folder),
                    _system_config=_SYSTEM,
                )
            return
        except Exception as error:  # Ray raises errors of all kinds
            ray.shutdown()
            _end_processes(folder)
            if attempt == _ATTEMPTS:
                raise DatasetError(
                    f"Ray does not start on this machine ({_first_line(error)}); is it very busy? "
                    "--executor local needs no Ray"
                ) from error


def _remove_left(base: Path) -> None:
    """Remove the folders of calls that were killed, and end what is still at work there."""
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user
            if any(folder.glob(".impasto-*")):  # else another call is just making it
                with claim(folder / _CLAIMED) as ours:
                    if ours:
                        _end_processes(folder)
                        shutil.rmtree(folder, ignore_errors=True)


def _end_processes(folder: Path) -> None:
    """End what Ray has started in a folder and not ended, as after a start that failed."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is of another user
            if _works_in(process, folder):
                found += [process, *process.children(recursive=True)]
    for process in found:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(found, timeout=10)


def _works_in(process: psutil.Process, folder: Path) -> bool:
    """Return whether a process is one of Ray's, with its logs in a folder."""
    command = " ".join(process.cmdline())
    if command.startswith("ray::"):  # the name that an agent gives itself in place of its command
        return any(Path(each.path).is_relative_to(folder) for each in process.open_files())
    return str(Path(ray.__file__).parent) in command and str(folder) in command


def _own_settings() -> dict[str, str]:
    """Settings of a cluster of our own: its token, and where its workers find modules."""
    settings = {
        "PYTHONPATH": os.pathsep.join(each for each in sys.path if each),
    }
    if not any(name.startswith("RAY_AUTH_") for name in os.environ):
        settings["RAY_AUTH_TOKEN"] = _TOKEN  # Ray would make a file in the user's home
    return settings


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set what Ray and its processes read in the environment; afterwards it is as before."""
    before = dict(os.environ)
    os.environ.update(settings)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # else Ray tells of its future
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handlers of signals, which Ray replaces by one that hides who has ended a call."""
    if threading.current_thread() is not threading.main_thread():  # no other may set handlers
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except SystemExit:  # Ray's answer to the signal
        signal.signal(signal.SIGTERM, before)
        signal.raise_signal(signal.SIGTERM)
        raise
    finally:
        signal.signal(signal.SIGTERM, before)


def _first_line(error: BaseException) -> str:
    """The line of an error of Ray before all stacks and files."""
    return one_line(next(iter(str(error).strip().splitlines()), type(error).__name__))


def _cpus() -> int:
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < 1:
        raise DatasetError("the Ray cluster has no CPUs")
    return cpus
