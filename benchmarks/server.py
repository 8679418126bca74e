"""``impasto serve`` under load: does it open at once, stay flat in memory, and answer in turn?

python benchmarks/server.py                        # 500 requests, 4 at a time, and 5 starts
python benchmarks/server.py --threads 1 2          # compare pictures at once with threads each
python benchmarks/server.py --requests 100 --warm 20 --starts 1

Every request has a photograph of random size, one or two styles, some of them uploaded, and
sometimes masks. Exit code 1 if the memory after the last request is more than 5 % above that after
request number --warm, if a request fails, or if the page opens later than 1.5 s after the command
(median of --starts).
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

GROWTH = 1.05
"""Largest allowed memory at the end, relative to that after warm-up."""

OPEN_SECONDS = 1.5
"""Largest allowed time from the command to the page."""

# A request waits for those before it: 95 of 100 are answered within this, over the mean of all.
LATE = 1.3

_BOUNDARY = "a-line-between-parts"

# Memory at a request is the median of so many requests up to it.
_WINDOW = 10


@dataclass(frozen=True)
class Load:
    """Result of many requests.

    Attributes:
        early: bytes of resident memory when the server was warm.
        late: the same at the end.
        course: the same at every tenth of the requests.
        seconds: of each request, from its sending to its answer.
        work: seconds of painting over all threads, as reported by the server.
        total: seconds of all.
        failed: requests not answered by a picture.
    """

    early: int
    late: int
    course: tuple[int, ...]
    seconds: tuple[float, ...]
    work: float
    total: float
    failed: int

    @property
    def flat(self) -> bool:
        """True if memory did not grow, and every request was answered."""
        return self.late <= GROWTH * self.early and not self.failed


@contextmanager
def serving(*words: str) -> Iterator[tuple[int, float]]:
    """Run the command; yields its port and start time."""
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "impasto", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    try:
        found = re.match(r"http://[\w.]+:(\d+)/", process.stdout.readline())
        assert found, "the server has not started"
        yield int(found[1]), begin
    finally:
        process.terminate()
        process.wait()


def ask(port: int, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send a request; a form if it has a body."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    kind = {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"}
    client.request("POST" if body else "GET", path, body, kind if body else {})
    answer = client.getresponse()
    found = answer.status, answer.read()
    client.close()
    return found


def seconds_to_open(starts: int) -> list[float]:
    """Measure the seconds from the command to its page, for several starts."""
    found = []
    for _ in range(starts):
        with serving() as (port, begin):
            status, _ = ask(port, "/")
            found.append(time.perf_counter() - begin)
            assert status == 200
    return found


def load(port: int, requests: int, at_once: int, warm: int, *, model: str, largest: int) -> Load:
    """Send many requests, ``at_once`` at a time.

    Args:
        port: of the server.
        requests: number of requests.
        at_once: number of clients.
        warm: number of the request after which memory may no longer grow.
        model: the model to paint with.
        largest: the longest side of photographs, in pixels.
    """
    memory: list[int] = []

    def one(number: int) -> tuple[float, bool]:
        body = form(np.random.default_rng(number), model, largest)
        begin = time.perf_counter()
        status, _ = ask(port, "/api/stylize", body)
        seconds = time.perf_counter() - begin
        memory.append(json.loads(ask(port, "/api/health")[1])["memory"])
        return seconds, status == 200

    begin = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        done = list(pool.map(one, range(requests)))
    total = time.perf_counter() - begin
    work = json.loads(ask(port, "/api/health")[1])["seconds"]
    early, *course = (
        int(np.median(memory[max(0, end - _WINDOW) : end]))
        for end in (warm, *(requests * k // 10 for k in range(1, 11)))
    )
    failed = sum(not fine for _, fine in done)
    seconds = tuple(each for each, _ in done)
    return Load(early, course[-1], tuple(course), seconds, work, total, failed)


def form(random: np.random.Generator, model: str, largest: int) -> bytes:
    """Return the body of a random request."""
    parts: list[tuple[str, str | bytes]] = [("model", model), ("alpha", f"{random.random():.2f}")]
    parts.append(("content", picture(random, largest, "JPEG")))
    for _ in range(random.integers(1, 3)):
        sent = random.random() < 0.25
        parts.append(("style", picture(random, 256, "PNG") if sent else "munch-scream"))
    if random.random() < 0.3:
        count = sum(name == "style" for name, _ in parts)
        parts += [("mask", picture(random, 64, "PNG", gray=True)) for _ in range(count)]
    body = b""
    for name, value in parts:
        head = f'Content-Disposition: form-data; name="{name}"'
        if isinstance(value, bytes):
            head += '; filename="a.jpg"'
        data = value if isinstance(value, bytes) else value.encode()
        body += f"--{_BOUNDARY}\r\n{head}\r\n\r\n".encode() + data + b"\r\n"
    return body + f"--{_BOUNDARY}--\r\n".encode()


def picture(random: np.random.Generator, largest: int, kind: str, *, gray: bool = False) -> bytes:
    """Return a picture of random size: a ramp with grain."""
    height, width = random.integers(max(16, largest // 4), largest + 1, 2)
    ramp = np.linspace(0, 200, height)[:, None] * np.linspace(1, 0.2, width)
    values = ramp[..., None] * (1 if gray else random.random(3)) + random.integers(
        0, 50, (height, width, 1)
    )
    values = np.broadcast_to(values, (height, width, 3)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(values).save(stream, kind)
    return stream.getvalue()


def report(found: Load, warm: int, at_once: int) -> Iterator[str]:
    """Yield lines about a load."""
    count, mean = len(found.seconds), statistics.mean(found.seconds)
    late = float(np.percentile(found.seconds, 95))
    course = ", ".join(f"{each / 1e6:.0f}" for each in found.course)
    yield (
        f"  {count} requests, {at_once} at a time, in {found.total:.1f} s: "
        f"{count / found.total:.1f} a second; {found.failed} failed"
    )
    yield (
        f"  an answer takes {mean:.3f} s on average, 95 % within {late:.3f} s "
        f"({late / mean:.2f} times the average), of which {found.work / count:.3f} s is work"
    )
    yield (
        f"  memory {found.early / 1e6:.0f} MB after {warm}, {found.late / 1e6:.0f} MB after {count}"
        f" ({found.late / found.early - 1:+.1%}); at every tenth {course} MB: "
        + ("flat" if found.flat else "FAULT")
    )


def main() -> None:
    """Read the command line, and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--requests", type=int, default=500, metavar="N", help="default: 500")
    add("--at-once", type=int, default=4, metavar="N", help="clients (default: 4)")
    add("--warm", type=int, default=50, metavar="N", help="baseline request (default: 50)")
    add("--largest", type=int, default=384, metavar="PIXELS", help="longest side (default: 384)")
    add("--model", default="fast", help="default: fast")
    add("--starts", type=int, default=5, metavar="N", help="starts to time (default: 5)")
    add("--threads", type=int, nargs="*", metavar="N", help="threads per picture, one run for each")
    options: Any = parser.parse_args()
    fine = True
    if options.starts:
        opened = seconds_to_open(options.starts)
        middle = statistics.median(opened)
        fine = middle <= OPEN_SECONDS
        print(f"the page opens within {middle:.2f} s of the command (median of {len(opened)})")
    for threads in options.threads or [None]:
        words = [] if threads is None else ["--threads", str(threads)]
        with serving("--model", options.model, *words) as (port, _):
            jobs = json.loads(ask(port, "/api/health")[1])["jobs"]
            each = "" if threads is None else f", {threads} threads each"
            print(f"{jobs} pictures at once{each}, model {options.model}", flush=True)
            found = load(
                port,
                options.requests,
                options.at_once,
                options.warm,
                model=options.model,
                largest=options.largest,
            )
        fine = fine and found.flat
        print(*report(found, options.warm, options.at_once), sep="\n", flush=True)
    sys.exit(not fine)


if __name__ == "__main__":
    main()
