"""Call the command in a process of its own that need not import anything again.

Importing what a command needs takes longer than its work on a small picture. So a process imports
it once, and every call is a fork of it: with its own streams, folder, environment, signals and exit
code, as if it had been started. Where another start may say something else (other settings of
Python, imports that count, the time until an answer), tests start the command themselves.
"""

from __future__ import annotations

import atexit
import importlib
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

# No engine: ONNX Runtime starts a thread as it is imported, and threads are lost in a fork.
MODULES = ("impasto.cli.stylize", "impasto.stylizer", "impasto.batch", "tqdm")
AT_START = ("PYTHON", "LC_", "LANG", "OMP_", "COVERAGE")
"""Beginnings of the variables that Python and libraries read once: other ones, another process."""

_warm: dict[tuple[object, ...], _Warm] = {}


def call(
    *words: object,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    modules: Sequence[str] = MODULES,
    timeout: float = 60,
) -> subprocess.CompletedProcess[bytes]:
    """Run ``python WORDS`` and return what ``subprocess.run`` would.

    Args:
        words: ``-m MODULE`` or a script, and arguments.
        stdin: what it can read.
        cwd: the folder it works in; None for this one.
        env: its variables; None for those of this process.
        modules: what it need not import.
        timeout: in seconds.

    Raises:
        subprocess.TimeoutExpired: if it has not ended by then; it is killed.
    """
    given = [*map(str, words)]
    variables = dict(os.environ if env is None else env)
    settled = tuple(sorted(each for each in variables.items() if each[0].startswith(AT_START)))
    key = (os.getpid(), tuple(modules), settled)
    if key not in _warm:
        _warm[key] = _Warm(variables, modules)
    return _warm[key].call(given, stdin, str(cwd or Path.cwd()), variables, timeout)


class _Warm:
    """A process that has imported modules and forks."""

    def __init__(self, variables: dict[str, str], modules: Sequence[str]) -> None:
        self.turn = threading.Lock()
        self.socket, theirs = socket.socketpair()
        with theirs:  # which ends when the last end of ours is closed: with this process
            words = [sys.executable, __file__, str(theirs.fileno()), *modules]
            streams: dict[str, Any] = dict.fromkeys(("stdin", "stdout"), subprocess.DEVNULL)
            self.process = subprocess.Popen(
                words, env=variables, pass_fds=[theirs.fileno()], cwd=Path(__file__).parent,
                **streams,
            )  # fmt: skip
        self.lines = self.socket.makefile("r", encoding="utf-8")
        atexit.register(self.end)

    def end(self) -> None:
        self.lines.close()
        self.socket.close()
        self.process.wait()

    def call(
        self, words: list[str], stdin: bytes, cwd: str, variables: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[bytes]:
        text = json.dumps([words, cwd, variables]).encode()
        pipes = [os.pipe() for _ in range(3)]
        theirs = [pipes[0][0], pipes[1][1], pipes[2][1]]
        with self.turn, os.fdopen(pipes[0][1], "wb") as feed:
            socket.send_fds(self.socket, [len(text).to_bytes(8, "big")], theirs)
            self.socket.sendall(text)
            for each in theirs:
                os.close(each)
            child = int(self.lines.readline())
            said: list[bytes] = [b"", b""]
            threads = [threading.Thread(target=_feed, args=(feed, stdin))]
            threads += [
                threading.Thread(target=_drain, args=(os.fdopen(pipe[0], "rb"), said, i))
                for i, pipe in enumerate(pipes[1:])
            ]
            for thread in threads:
                thread.start()
            late = threading.Timer(timeout, os.kill, (child, signal.SIGKILL))
            late.start()
            code = int(self.lines.readline())
            in_time = late.is_alive()
            late.cancel()
            for thread in threads:
                thread.join()
        if not in_time:
            raise subprocess.TimeoutExpired(words, timeout, *said)
        return subprocess.CompletedProcess([sys.executable, *words], code, *said)


def _feed(stream: IO[bytes], what: bytes) -> None:
    try:
        stream.write(what)
        stream.close()
    except BrokenPipeError:  # it read no further
        pass


def _drain(stream: IO[bytes], said: list[bytes], i: int) -> None:
    with stream:
        said[i] = stream.read()


def _calls(ours: socket.socket) -> Iterator[list[str]]:
    """Fork for each call: the words of a call in the child, nothing in the parent."""
    while True:
        head, streams, _, _ = socket.recv_fds(ours, 8, 3)
        if not head:
            return
        text, length = b"", int.from_bytes(head, "big")
        while len(text) < length:
            text += ours.recv(length - len(text))
        child = os.fork()
        if child:
            for each in streams:
                os.close(each)
            ours.sendall(b"%d\n" % child)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            ours.sendall(b"%d\n" % code)
            continue
        ours.close()
        for i, each in enumerate(streams):
            os.dup2(each, i)
            os.close(each)
        words, cwd, variables = json.loads(text)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(variables)
        sys.stdin = open(0, closefd=False)  # noqa: SIM115
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(  # noqa: SIM115
            2, "w", buffering=1, errors="backslashreplace", closefd=False
        )
        yield words
        return


def _main(descriptor: int, modules: list[str]) -> None:
    for name in modules:
        importlib.import_module(name)
    for words in _calls(socket.socket(fileno=descriptor)):
        if words[0] == "-m":
            sys.path[0], sys.argv = str(Path.cwd()), words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        else:
            script = Path(words[0])
            sys.path[0], sys.argv = str(script if script.is_dir() else script.parent), words
            runpy.run_path(words[0], run_name="__main__")


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
