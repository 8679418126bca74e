"""The search for VGG-19, and fetching it from a server that may do anything."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
from pathlib import Path

import pytest

from impasto.errors import ModelError
from impasto.lab.nets import weights
from impasto.lab.nets.weights import Download, fetch, find_vgg

CONTENT = os.urandom(3 << 20)


class Server(http.server.BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self):
        type(self).asked += 1
        if self.path == "/missing":
            self.send_error(404)
            return
        self.send_response(200)
        if self.path != "/unsized":
            self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT[: len(CONTENT) // 2] if self.path == "/broken" else CONTENT)

    def log_message(self, *args):
        pass


@pytest.fixture
def address():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def nobody_home(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv(weights.VARIABLE, raising=False)


def download(url, sha256=None):
    digest = hashlib.sha256(CONTENT).hexdigest() if sha256 is None else sha256
    return Download("vgg19", "vgg19.pth", url, digest, len(CONTENT), "for tests")


@pytest.mark.parametrize("path", ["/whole", "/unsized"])
def test_fetches_once_and_whole(address, tmp_path, path):
    folder, seen = tmp_path / "new" / "folder", []
    row = download(address + path, hashlib.sha256(CONTENT).hexdigest()[:8])
    found = fetch(row, folder=folder, watch=lambda done, promised: seen.append((done, promised)))
    assert found.read_bytes() == CONTENT and [each.name for each in folder.iterdir()] == [
        "vgg19.pth"
    ]
    assert seen[-1] == (len(CONTENT), len(CONTENT) if path == "/whole" else None)
    before = Server.asked
    assert fetch(row, folder=folder) == found and Server.asked == before
    found.write_bytes(b"spoiled since")
    assert fetch(row, folder=folder).read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("path", "sha256", "words"),
    [
        ("/whole", "0" * 8, "wrong checksum"),
        ("/broken", None, "the download was interrupted"),
        ("/missing", None, "404"),
    ],
)
def test_a_bad_transfer_leaves_nothing(address, tmp_path, path, sha256, words):
    with pytest.raises(ModelError, match=words):
        fetch(download(address + path, sha256), folder=tmp_path / "here")
    assert list((tmp_path / "here").iterdir()) == []


def test_without_network(tmp_path):
    with pytest.raises(ModelError, match="--vgg"):
        fetch(download("http://127.0.0.1:9/nobody"), folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(address, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ModelError, match="XDG_CACHE_HOME"):
        fetch(download(address + "/whole"), folder=tmp_path / "file" / "folder")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_read_only(address, tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(ModelError, match="written"):
            fetch(download(address + "/whole"), folder=tmp_path)
    finally:
        tmp_path.chmod(0o700)


def test_a_disk_that_is_full(address):
    device = Path("/dev/full")
    if not device.exists():
        pytest.skip("no /dev/full here")
    with device.open("wb", buffering=0) as full, pytest.raises(ModelError, match="MB"):
        weights._transfer(download(address + "/whole"), full.write, None)


def test_the_order_of_the_search(tmp_path, monkeypatch):
    with pytest.raises(ModelError, match=r"--vgg.*IMPASTO_VGG.*impasto lab fetch vgg19"):
        find_vgg()
    cached = weights.cache_folder() / weights.DOWNLOADS[0].file
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert find_vgg() == cached
    with pytest.raises(ModelError, match=r"vgg_normalised.pth.*IMPASTO_VGG"):
        find_vgg(normalised=True)  # which is not what the cache has
    named = tmp_path / "named.pth"
    named.touch()
    monkeypatch.setenv(weights.VARIABLE, str(named))
    assert find_vgg() == find_vgg(normalised=True) == named
    given = tmp_path / "given.pth"
    given.touch()
    assert find_vgg(given) == given
    with pytest.raises(ModelError, match="no such file"):
        find_vgg(tmp_path / "gone.pth")
    monkeypatch.setenv(weights.VARIABLE, str(tmp_path / "gone.pth"))
    with pytest.raises(ModelError, match="IMPASTO_VGG"):
        find_vgg()


def test_what_can_be_fetched_is_torchvisions():
    (row,) = weights.DOWNLOADS
    assert row.sha256 in row.url and row.url.startswith("https://download.pytorch.org/")
