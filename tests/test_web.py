"""The page of a live painting, by a real server: who may ask, what is sent, how it looks."""

from __future__ import annotations

import http.client
import io
import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from impasto.errors import OptionError, WebError
from impasto.web import check_installed

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from impasto.web.guards import refusal
from impasto.web.live import STATIC, LiveState, live_app
from impasto.web.newest import Newest
from impasto.web.server import PageServer

CHROMIUM = shutil.which("chromium")
JSON = {"Content-Type": "application/json"}


class Stage:
    """A stage whose settings are kept."""

    def __init__(self) -> None:
        self.now = LiveState(
            source="camera 0 (Test)",
            model="fast, onnxruntime fp32",
            styles=("munch-scream", "wave"),
            style="munch-scream",
            alpha=1.0,
            alpha_range=(0.0, 2.0),
            frames=12,
            rate=10.25,
            delay=0.098,
        )

    def state(self) -> LiveState:
        return self.now

    def change(self, *, style: str | None = None, alpha: float | None = None) -> None:
        if style is not None and style not in self.now.styles:
            raise OptionError(f"there is no style {style!r} here")
        self.now = replace(
            self.now,
            style=style or self.now.style,
            alpha=self.now.alpha if alpha is None else float(alpha),
        )


class Page:
    """A page that is served, and a client of it."""

    def __init__(self, stage: Stage, newest: Newest, server: PageServer) -> None:
        self.stage, self.newest, self.server = stage, newest, server
        self.port = int(server.address.rstrip("/").rpartition(":")[2])

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """A request, with headers whose underscores are hyphens."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        client.request(method, path, body, named)
        answer = client.getresponse()
        found = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        client.close()
        return found

    def post(self, settings: object, **headers: str) -> tuple[int, Any]:
        body = settings if isinstance(settings, bytes) else json.dumps(settings).encode()
        kind = {"Content_Type": "application/json"}
        status, _, answer = self.ask("/api/settings", "POST", body, **{**kind, **headers})
        try:
            return status, json.loads(answer)
        except ValueError:
            return status, answer.decode()


@pytest.fixture
def page() -> Iterator[Page]:
    stage, newest = Stage(), Newest()
    with PageServer(live_app(stage, newest), port=0) as server:
        yield Page(stage, newest, server)
        newest.close()


@contextmanager
def stream(page: Page, receive_bytes: int | None = None) -> Iterator[Any]:
    """The stream of pictures as a file, behind its head."""
    with socket.socket() as client:
        if receive_bytes:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        client.settimeout(10)
        client.connect(("127.0.0.1", page.port))
        client.sendall(b"GET /live.mjpg HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        kind = answer.getheader("Content-Type", "")
        assert re.fullmatch(r"multipart/x-mixed-replace; boundary=impasto-frame", kind)
        assert answer.getheader("Cache-Control") == "no-store"
        assert answer.readline() == b"--impasto-frame\r\n"
        with answer:  # which holds the socket open too
            yield answer


def part(stream: Any) -> bytes:
    """The next picture of a stream, with the line behind it: it is there with the picture."""
    head = {}
    while line := stream.readline().strip():
        name, _, value = line.decode().partition(": ")
        head[name] = value
    assert head["Content-Type"] == "image/jpeg"
    data: bytes = stream.read(int(head["Content-Length"]))
    assert stream.readline() == b"\r\n" and stream.readline() == b"--impasto-frame\r\n"
    return data


def jpeg(value: int, size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, value).save(file, "JPEG", quality=95)
    return file.getvalue()


def eventually(true: Any, seconds: float = 5.0) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.01)
    return bool(true())


# --- what is served --------------------------------------------------------------------------


def test_page_and_its_files_come_from_here_alone(page: Page):
    status, headers, body = page.ask("/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert "default-src 'self'" in headers["content-security-policy"]
    assert headers["cross-origin-resource-policy"] == "same-origin"
    linked = re.findall(r'(?:src|href)="([^"]+)"', body.decode())
    assert {"/static/live.js", "/static/live.css", "/static/base.css"} <= {*linked}
    for path in linked:
        if path != "/live.mjpg":
            status, headers, data = page.ask(path)
            assert status == 200 and data, path
            assert "content-security-policy" in headers
    for file in filter(Path.is_file, STATIC.iterdir()):  # folders are other pages
        text = file.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|@import|url\(|\bstyle=|<script>", text), file.name


@pytest.mark.parametrize("path", ["/nothing", "/static/../server.py", "/static/%2e%2e/server.py"])
def test_nothing_else_is_served(page: Page, path: str):
    assert page.ask(path)[0] == 404


def test_state(page: Page):
    status, headers, body = page.ask("/api/state")
    found = json.loads(body)
    assert status == 200 and headers["cache-control"] == "no-store"
    assert found["styles"] == ["munch-scream", "wave"] and found["alpha_range"] == [0, 2]
    assert (found["rate"], found["delay"], found["frames"]) == (10.25, 0.098, 12)


def test_settings(page: Page):
    status, found = page.post({"style": "wave"})
    assert status == 200 and (found["style"], found["alpha"]) == ("wave", 1.0)
    status, found = page.post({"alpha": 0.25}, Origin=f"http://127.0.0.1:{page.port}")
    assert status == 200 and (found["style"], found["alpha"]) == ("wave", 0.25)
    assert (page.stage.now.style, page.stage.now.alpha) == ("wave", 0.25)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"style": "rain"}, "there is no style 'rain' here"),
        ({"alpha": "1"}, "alpha must be a number"),
        ({"alpha": True}, "alpha must be a number"),
        ({"style": None}, "style must be a name"),
        ({"size": 9}, "settings must be {"),
        ({}, "settings must be {"),
        ([1], "settings must be {"),
        (b"{", "settings must be JSON"),
        (b"[" * 4000, "settings must be JSON"),
        (b" " * 5000, "more than 4096 bytes"),
    ],
)
def test_settings_that_are_none(page: Page, body: object, says: str):
    status, found = page.post(body)
    assert status == 400 and found["error"].startswith(says.split("more")[0]), found
    assert says in found["error"]
    assert page.stage.now == Stage().now


# --- who may ask -----------------------------------------------------------------------------


def test_names_of_others_are_refused(page: Page):
    """As with DNS rebinding: a name of theirs leads here."""
    for host in ("evil.example", f"evil.example:{page.port}", "127.0.0.1.evil.example", ""):
        status, headers, body = page.ask("/api/state", Host=host)
        assert status == 403 and b"unknown host" in body
        assert "content-security-policy" in headers
    for host in (f"localhost:{page.port}", "127.0.0.1", f"[::1]:{page.port}", "localhost:9000"):
        assert page.ask("/api/state", Host=host)[0] == 200


def test_pages_of_others_are_refused(page: Page):
    own = f"http://127.0.0.1:{page.port}"
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", f"{own}.evil.example"):
        status, _ = page.post({"style": "wave"}, Origin=origin)
        assert status == 403
    # A form of another page can send text without asking first.
    status, found = page.post({"style": "wave"}, Content_Type="text/plain")
    assert status == 400 and "application/json" in found["error"]
    for site in ("cross-site", "same-site"):
        assert page.post({"style": "wave"}, Sec_Fetch_Site=site)[0] == 403
        # An <img> of another page is not shown the camera.
        assert page.ask("/live.mjpg", Sec_Fetch_Site=site, Sec_Fetch_Mode="no-cors")[0] == 403
    assert page.ask("/", Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="navigate")[0] == 200
    assert page.stage.now == Stage().now


def test_names_in_a_network():
    """Numbers are taken, since no name service stands between; other names are not."""
    for host in ("192.168.1.5:8484", "[fe80::1]:8484", socket.gethostname()):
        assert refusal("GET", {"host": host}, loopback=False) == ""
        if host[0].isdigit():
            assert refusal("GET", {"host": host})
    assert refusal("GET", {"host": "evil.example"}, loopback=False)


# --- the pictures ----------------------------------------------------------------------------


def test_pictures_come_as_they_are_put(page: Page):
    with stream(page) as pictures:
        for value in (10, 120, 250):
            page.newest.put(jpeg(value))
            with Image.open(io.BytesIO(part(pictures))) as image:
                assert abs(int(np.asarray(image).mean()) - value) <= 2


def test_newest_picture_wins_for_each_viewer(page: Page):
    """A slow viewer misses pictures; a quick one beside it gets all of them."""
    rng = np.random.default_rng(0)
    pictures = [b"%04d" % i + rng.bytes(60_000) for i in range(60)]
    with stream(page, receive_bytes=4096) as slow, stream(page) as quick:
        assert eventually(lambda: page.newest.viewers == 2)
        for picture in pictures:
            page.newest.put(picture)
            assert part(quick) == picture
        seen = [int(part(slow)[:4])]
        while seen[-1] < 59:
            seen.append(int(part(slow)[:4]))
    assert seen == sorted({*seen}), "in their order, none twice"
    assert len(seen) < 20, seen
    # What is buffered on the way is little: 60 kB a picture, a few of them.
    assert np.diff(seen).max() > 40


def test_viewers_who_leave_are_forgotten(page: Page):
    page.newest.put(jpeg(9))
    with stream(page) as pictures:
        part(pictures)
        assert page.newest.viewers == 1
    assert eventually(lambda: page.newest.viewers == 0)


def test_server_ends_at_once_with_viewers():
    newest = Newest()
    with PageServer(live_app(Stage(), newest), port=0) as server:
        page = Page(Stage(), newest, server)
        with stream(page) as pictures, stream(page, receive_bytes=4096):
            for i in range(20):
                newest.put(b"%04d" % i + bytes(200_000))
                time.sleep(0.005)
            begin = time.monotonic()
            newest.close()
            server.__exit__(None, None, None)
            assert time.monotonic() - begin < 4
            assert not server._thread.is_alive()
            with suppress(http.client.HTTPException, ConnectionError):  # but no waiting
                while pictures.read(65536):
                    pass
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", page.port), timeout=1)


def test_many_threads_put_pictures():
    newest = Newest()
    with (
        PageServer(live_app(Stage(), newest), port=0) as server,
        stream(Page(Stage(), newest, server)) as pictures,
    ):
        writers = [
            threading.Thread(target=lambda: [newest.put(bytes(500)) for _ in range(50)])
            for _ in range(4)
        ]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        newest.put(b"the last")
        while part(pictures) != b"the last":
            pass
        newest.close()


# --- the server ------------------------------------------------------------------------------


def test_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(WebError, match=rf"port {port}, cannot be used .*give another --port"):
            PageServer(live_app(Stage(), Newest()), port=port)
    with pytest.raises(WebError, match="from 0 to 65535"):
        PageServer(live_app(Stage(), Newest()), port=99999)
    with pytest.raises(WebError, match="no-such-host"):
        PageServer(live_app(Stage(), Newest()), host="no-such-host.invalid", port=0)


def test_usual_port_gives_way(monkeypatch: pytest.MonkeyPatch):
    """Two calls have a page each."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setattr("impasto.web.server.PORT", taken.getsockname()[1])
        with PageServer(live_app(Stage(), Newest())) as server:
            assert server.loopback and not server.address.endswith(f":{taken.getsockname()[1]}/")


def test_packages_that_are_missing(monkeypatch: pytest.MonkeyPatch):
    check_installed()
    monkeypatch.setattr("impasto.web.find_spec", lambda name: None)
    with pytest.raises(WebError) as found:
        check_installed()
    assert str(found.value) == ("the page needs starlette and uvicorn: pip install 'impasto[web]'")


# --- the page in a browser -------------------------------------------------------------------


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
def test_page_in_a_browser(page: Page, tmp_path: Path):
    """It shows the picture, the figures and the styles; nothing is refused by its own policy."""
    stop = threading.Event()

    def flow() -> None:
        while not stop.wait(0.05):
            page.newest.put(jpeg(200, (160, 90)))

    writer = threading.Thread(target=flow)
    writer.start()
    shot = tmp_path / "page.png"
    command = [
        str(CHROMIUM), "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
        f"--user-data-dir={tmp_path / 'profile'}", "--window-size=800,600", "--dump-dom",
        "--enable-logging=stderr", "--virtual-time-budget=2000", f"--screenshot={shot}",
    ]  # fmt: skip
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--no-sandbox")
    try:
        done = subprocess.run(
            [*command, page.server.address],
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
    finally:
        stop.set()
        writer.join()
    assert "CONSOLE" not in done.stderr, done.stderr
    for text in ("munch-scream", "wave", "10.3", "98", "camera 0 (Test)"):
        assert text in done.stdout
    with Image.open(shot) as image:
        pixels = np.asarray(image.convert("RGB"))
    middle = pixels[pixels.shape[0] // 3, pixels.shape[1] // 2]
    np.testing.assert_allclose(middle, 200, atol=3)
