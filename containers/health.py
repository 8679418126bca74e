"""Health check of the container: asks `impasto serve`, if it runs here, whether it answers.

Exit status 0: it does, or another command runs. 1: it is there and does not answer. Every answer
counts, also that a token is wanted. Standard library only; it must start fast.
"""

from __future__ import annotations

import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path

HOST, PORT = "127.0.0.1", 8484
SECONDS = 5.0

# Addresses that mean all of this machine.
_ALL = ("0.0.0.0", "::", "")


def served(processes: Path, command: str) -> tuple[str, int] | None:
    """Return address and port of `impasto serve`; None if that does not run.

    Args:
        processes: ``/proc``.
        command: the file of the command, whose process is looked for.
    """
    for process in processes.glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended, or is another user's
            continue
        if command not in words:
            continue
        arguments = words[words.index(command) + 1 :]
        if arguments[:1] == ["serve"]:
            host, port = _option(arguments, "--host", HOST), _option(arguments, "--port", str(PORT))
            return HOST if host in _ALL else host, int(port)
    return None


def answers(host: str, port: int) -> bool:
    """Return True if a server answers at an address."""
    connection = HTTPConnection(host, port, timeout=SECONDS)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status < 500
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """Check, and return the exit status."""
    address = served(Path("/proc"), str(Path(sys.executable).with_name("impasto")))
    if address is None or answers(*address):
        return 0
    print(f"impasto serve does not answer at {address[0]}, port {address[1]}", file=sys.stderr)
    return 1


def _option(arguments: list[str], name: str, default: str) -> str:
    for number, word in enumerate(arguments):
        if word == name and number + 1 < len(arguments):
            return arguments[number + 1]
        if word.startswith(f"{name}="):
            return word.partition("=")[2]
    return default


if __name__ == "__main__":
    sys.exit(main())
