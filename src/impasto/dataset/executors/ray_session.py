"""Connections to Ray: to an existing cluster, or to one of our own, which leaves nothing behind.

Our own has no dashboard and sends no data to others; using it requires its token, which is in no
file. All its files are in a folder of ours. A killed call leaves that folder, and some of its
processes for a minute; the next call ends and removes them.
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

# Ray's minimum. All that it holds for us are chunks of names and answers.
_STORE_BYTES = 75 * 1024 * 1024

# Ray gives itself 15 to 30 seconds to start, which is not enough on a busy machine. At the second
# attempt its files are in memory.
_ATTEMPTS = 3

# Do not end workers because other programs use much memory, and give workers the same processor
# priority as those of executor `local`.
_SYSTEM = {"memory_monitor_refresh_ms": 0, "worker_niceness": 0}

_CONNECT_SECONDS = 10.0

_PREFIX, _CLAIMED = "impasto-ray-", "session"

# The paths of Ray's sockets have some 65 characters more than its folder, and at most about 105.
_LONGEST_FOLDER = 20

# One for each process: Ray reads it once. It is passed only to our own processes.
_TOKEN = secrets.token_hex(32)


@contextmanager
def connected(address: str | None, cpus: int) -> Iterator[int]:
    """Connect to Ray for the duration of the block.

    If the program has called ``ray.init`` itself, that connection is used and kept.

    Args:
        address: address of a cluster: ``auto`` for the one of this machine, or ``HOST:PORT``; None:
            the value of ``RAY_ADDRESS`` in the environment, else our own cluster on this machine.
        cpus: number of CPUs of our own cluster.

    Yields:
        The number of CPUs of the cluster.

    Raises:
        DatasetError: if there is no such cluster, or Ray does not start.
        OptionError: if there are both an address and a connection.
    """
    if ray.is_initialized():
        if address is not None:
            raise OptionError("this program is already connected to Ray: leave out address")
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
    """Connect as a driver to an existing cluster."""
    try:
        _need_answer(address)
        with _own_handlers():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:  # Ray raises errors of all kinds
        ray.shutdown()
        raise DatasetError(
            f"cannot use the Ray cluster {one_line(address)} ({_first_line(error)}); this machine "
            "must be part of it: run ray start --address HOST:PORT"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


def _need_answer(address: str) -> None:
    """Check that something listens at an address: else Ray would end this process after a while.

    Raises:
        OSError: if nothing does.
    """
    if address.startswith("ray://"):
        raise ValueError("Ray Client addresses (ray://) are not supported: give HOST:PORT or auto")
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal():
        with socket.create_connection((host.strip("[]"), int(port)), _CONNECT_SECONDS):
            pass


@contextmanager
def _own_cluster(cpus: int) -> Iterator[None]:
    """Start a cluster on this machine, and remove all of it at the end."""
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
    """Start Ray, and retry if it fails.

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
                    f"Ray did not start on this machine ({_first_line(error)}); it may be too "
                    "busy; --executor local does not need Ray"
                ) from error


def _remove_left(base: Path) -> None:
    """Remove the folders of killed calls, and end processes that still run there."""
    for folder in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # it belongs to another user
            if any(folder.glob(".impasto-*")):  # else another call is just making it
                with claim(folder / _CLAIMED) as ours:
                    if ours:
                        _end_processes(folder)
                        shutil.rmtree(folder, ignore_errors=True)


def _end_processes(folder: Path) -> None:
    """End processes that Ray has started in a folder and not ended, as after a failed start."""
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
        settings["RAY_AUTH_TOKEN"] = _TOKEN  # else Ray would make a file in the user's home
    return settings


@contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Set environment variables for Ray and its processes, and restore them afterwards."""
    before = dict(os.environ)
    os.environ.update(settings)
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"  # else Ray warns of future changes
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _own_handlers() -> Iterator[None]:
    """Keep the handlers of signals, which Ray replaces by one that hides what ended a call."""
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
    """The line of an error of Ray that precedes stack traces and files."""
    return one_line(next(iter(str(error).strip().splitlines()), type(error).__name__))


def _cpus() -> int:
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if cpus < 1:
        raise DatasetError("the Ray cluster has no CPUs")
    return cpus
