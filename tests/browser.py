"""Pages in a real browser: headless Chromium, driven by playwright, and a small server for them."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "src/impasto/web/static/page"
PACKAGES = ROOT / "node_modules"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

needs_browser = pytest.mark.skipif(
    CHROMIUM is None or find_spec("playwright") is None,
    reason="needs Chromium (apt-get install chromium) and playwright",
)
needs_packages = pytest.mark.skipif(
    not PACKAGES.is_dir(), reason="needs the packages of the page (npm ci)"
)

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@contextmanager
def chromium(*arguments: str) -> Iterator[Any]:
    """Headless Chromium, as playwright's ``Browser``."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*ARGUMENTS, *arguments]
        )
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Answer:
    """An answer of the server of :func:`served`."""

    path: str
    status: int
    bytes: int


class _Handler(SimpleHTTPRequestHandler):
    extensions_map: ClassVar[dict[str, str]] = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
        ".webmanifest": "application/manifest+json",
    }
    roots: Mapping[str, Path]
    headers_added: Mapping[str, str]
    answers: list[Answer]
    protocol_version = "HTTP/1.1"

    def translate_path(self, path: str) -> str:
        name = unquote(urlsplit(path).path)
        for prefix in sorted(self.roots, key=len, reverse=True):
            if name.startswith(prefix):
                return str(self.roots[prefix] / name[len(prefix) :].lstrip("/"))
        return str(Path("/nowhere"))

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self.answers.append(Answer(unquote(urlsplit(self.path).path), int(code), 0))

    def send_header(self, keyword: str, value: str) -> None:
        if keyword == "Content-Length":
            self.answers[-1].bytes = int(value)
        super().send_header(keyword, value)

    def end_headers(self) -> None:
        for name, value in self.headers_added.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def served(
    roots: Mapping[str, Path],
    headers: Mapping[str, str] | None = None,
    answers: list[Answer] | None = None,
) -> Iterator[str]:
    """Serve folders as a plain static server does, and yield the address, without a slash.

    Args:
        roots: folders by the beginning of their addresses, such as ``{"/": PAGE}``.
        headers: added to every answer.
        answers: gets each answer, in order.
    """
    own = {
        "roots": roots,
        "headers_added": headers or {},
        "answers": [] if answers is None else answers,
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), own))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def main_thread_tasks(browser: Any, page: Any) -> Iterator[list[float]]:
    """How long the tasks of the page's main thread worked, in ms of the thread's own time.

    Its own, since on a machine that does other things at the same time a task may wait for long.

    Yields:
        The times, which are there when the block has ended.
    """
    found: list[float] = []
    browser.start_tracing(page=page, categories=["disabled-by-default-devtools.timeline"])
    yield found
    events = json.loads(browser.stop_tracing())["traceEvents"]
    main = {
        (each["pid"], each["tid"])
        for each in events
        if each["name"] == "thread_name" and each["args"]["name"] == "CrRendererMain"
    }
    found += [
        each.get("tdur", 0) / 1000  # a task that is not ended has none
        for each in events
        if each["name"] == "RunTask" and (each["pid"], each["tid"]) in main
    ]
