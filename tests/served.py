"""The command ``impasto serve`` in a process of its own, and a client of it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

COMMAND = [sys.executable, "-m", "impasto"]

Part: TypeAlias = "tuple[str, str | Path | tuple[str, bytes]]"
"""A field of a form: a text, a file, or the name and the bytes of one."""

_BOUNDARY = "a-line-between-parts"


class Server:
    """A server that runs, and what is asked of it.

    Attributes:
        address: that it has printed.
        lines: that it has written to standard error.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        found = re.match(r"(http://([\w.]+):(\d+)/\S*) is the page; press Ctrl-C to stop$", line)
        assert found, line + process.stderr.read()
        self.address, self.host, self.port = found[1], found[2], int(found[3])
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        self.lines.extend(each.rstrip("\n") for each in self.process.stderr)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """A request, with headers whose underscores are hyphens."""
        client = http.client.HTTPConnection(self.host, self.port, timeout=60)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, body, named)
        answer = client.getresponse()
        found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        client.close()
        return found

    def json(self, path: str) -> Any:
        status, headers, body = self.ask(path)
        assert status == 200 and headers["content-type"] == "application/json", body
        return json.loads(body)

    def post(
        self, path: str, parts: Sequence[Part], **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send a form."""
        body, kind = form(parts)
        return self.ask(path, "POST", body, **{"Content_Type": kind, **headers})

    def stylize(self, *parts: Part, **headers: str) -> tuple[dict[str, str], bytes]:
        """A picture that is painted."""
        status, found, body = self.post("/api/stylize", parts, **headers)
        assert status == 200, body
        return found, body

    def refused(self, *parts: Part, path: str = "/api/stylize") -> str:
        """The line of a request that is refused."""
        status, _, body = self.post(path, parts)
        assert status == 400, (status, body)
        line: str = json.loads(body)["error"]
        assert line.isprintable() and len(line) < 600
        return line

    def end(self, number: int = signal.SIGINT) -> int:
        """End it by a signal, and return its exit code."""
        self.process.send_signal(number)
        code = self.process.wait(30)
        self._reader.join(10)
        return code


@contextmanager
def serving(
    *words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """The command while it runs, at any port that is free; killed if the block leaves it."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.wait()


def form(parts: Sequence[Part]) -> tuple[bytes, str]:
    """The body of a form, and its media type."""
    body = b""
    for name, value in parts:
        head, data = f'form-data; name="{name}"', b""
        if isinstance(value, str):
            data = value.encode()
        else:
            file, data = (value.name, value.read_bytes()) if isinstance(value, Path) else value
            head += f'; filename="{file}"'
        body += f"--{_BOUNDARY}\r\nContent-Disposition: {head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{_BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={_BOUNDARY}"
