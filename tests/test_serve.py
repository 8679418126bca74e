"""The command ``impasto serve`` in a process of its own: what it paints, refuses, and bounds."""

from __future__ import annotations

import base64
import http.client
import io
import json
import re
import shlex
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bad_files import png
from PIL import Image
from served import Part, Server, form, serving
from test_cli import imported, run, save

import impasto
from impasto.cli import cli
from impasto.errors import ImpastoError
from impasto.images.photo import read_photo
from impasto.styles.files import read_style, style_bytes
from impasto.styles.style import make_thumbnail

pytest.importorskip("uvicorn")
pytest.importorskip("starlette")
pytest.importorskip("python_multipart")
connect = pytest.importorskip("websockets.sync.client").connect
broken = pytest.importorskip("websockets.exceptions")

ROOT = Path(__file__).parents[1]

EXIF = Image.Exif()
EXIF.update({0x0112: 1, 0x010F: "Camera", 0x8825: {1: "N", 2: (50.0, 4.0, 59.0)}})


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder of the server and of the clients."""
    folder = tmp_path_factory.mktemp("served")
    for seed, name in enumerate(("street.jpg", "harbor.png", "wave.png", "rain.jpg")):
        save(folder / name, height=72, width=96, seed=seed)
    with Image.open(folder / "street.jpg") as image:
        image.save(folder / "street.jpg", exif=EXIF, quality=92)
    shutil.copy(folder / "wave.png", folder / "wave")  # may be taken for the name of a style
    ramp = np.linspace(0, 255, 96).astype(np.uint8)[None].repeat(72, 0)
    Image.fromarray(ramp).save(folder / "left.png")
    Image.fromarray(255 - ramp).save(folder / "right.png")
    return folder


@pytest.fixture(scope="module")
def server(files: Path, tiny_path: Path) -> Iterator[Server]:
    words = ["--model", "fast", "--model", tiny_path, "--engine", "onnxruntime"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMPASTO_STYLES", str(files / "styles"))  # of the commands below too
        with serving(*words, "--queue", "2", "--max-pixels", "2000000", cwd=files) as found:
            yield found


@pytest.fixture(scope="module")
def fast() -> impasto.Stylizer:
    return impasto.load("fast", engine="onnxruntime", threads=1)


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def eventually(true: Any, seconds: float = 20.0) -> bool:
    until = time.monotonic() + seconds
    while not true() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(true())


# --- what it paints --------------------------------------------------------------------------


def test_result_is_that_of_the_command(server: Server, files: Path, tmp_path: Path):
    """The same bytes, under the same name, with the same metadata."""
    made = tmp_path / "street-munch-scream.jpg"
    run(
        "stylize", files / "street.jpg", "-s", "munch-scream", "-o", made, "--model", "fast",
        "--engine", "onnxruntime", "--threads", "1", "--alpha", "0.7", "--quality", "80",
    )  # fmt: skip
    headers, data = server.stylize(
        ("content", files / "street.jpg"),
        ("style", "munch-scream"),
        ("alpha", "0.7"),
        ("quality", "80"),
    )
    assert data == made.read_bytes()
    assert headers["content-type"] == "image/jpeg" and headers["impasto-model"] == "fast"
    assert headers["cache-control"] == "no-store"
    assert re.fullmatch(r"read;dur=[\d.]+, paint;dur=[\d.]+", headers["server-timing"])
    disposition = headers["content-disposition"]
    assert disposition.startswith('inline; filename="street-munch-scream.jpg"')
    with Image.open(io.BytesIO(data)) as image:
        kept = image.getexif()
    assert kept[0x010F] == "Camera" and 0x8825 not in kept, "the place is dropped"


@pytest.mark.parametrize(
    ("parts", "controls"),
    [
        ([("style", "rain.jpg"), ("alpha", "0.5")], {"alpha": 0.5}),
        ([("style", "rain.jpg"), ("alpha", "@left.png")], {"alpha": "left.png"}),
        (
            [("style", "rain.jpg"), ("style", "wave.png"), ("weights", "3,1")],
            {"weights": [3, 1]},
        ),
        (
            [("style", "rain.jpg"), ("style", "wave.png"), ("mask", "@left.png"),
             ("mask", "@right.png"), ("statistics", "image")],
            {"masks": ["left.png", "right.png"], "statistics": "image"},
        ),
        ([("style", "rain.jpg"), ("color", "luminance")], {"color": "luminance"}),
        ([("style", "rain.jpg"), ("color", "cholesky")], {"color": "cholesky"}),
        ([("style", "rain.jpg"), ("color", "only")], {"color": "only"}),
        ([("style", "rain.jpg"), ("coarse", "2")], {"coarse": 2.0}),
        ([("style", "rain.jpg"), ("size", "48"), ("style_size", "32")],
         {"size": 48, "style_size": 32}),
        ([("style", "rain.jpg"), ("behavior", "authors")], {"behavior": "authors"}),
    ],
)  # fmt: skip
def test_every_control(
    server: Server,
    files: Path,
    fast: impasto.Stylizer,
    parts: list[tuple[str, str]],
    controls: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
):
    """A PNG of what the library paints, to the last digit."""
    monkeypatch.chdir(files)
    styles = [value for name, value in parts if name == "style"]
    wanted = fast.stylize("harbor.png", styles, **controls)
    sent: list[Part] = [
        (name, files / value.lstrip("@"))
        if "." in value and not value[0].isdigit()
        else (name, value)
        for name, value in parts
    ]
    headers, data = server.stylize(("content", files / "harbor.png"), *sent)
    assert headers["content-type"] == "image/png"
    assert np.array_equal(pixels(data), np.asarray(wanted))


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "avif", "tiff"])
def test_formats(server: Server, files: Path, format: str):
    """The format that is asked for, with a name that says so; TIFF and PNG lose nothing."""
    headers, data = server.stylize(
        ("content", files / "harbor.png"), ("style", "munch-scream"), ("format", format)
    )
    _, exact = server.stylize(("content", files / "harbor.png"), ("style", "munch-scream"))
    assert headers["content-type"] == f"image/{format}"
    suffix = {"jpeg": "jpg", "tiff": "tif"}.get(format, format)
    assert f'filename="harbor-munch-scream.{suffix}"' in headers["content-disposition"]
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == format.upper() and image.size == (96, 72)
    error = np.abs(pixels(data).astype(int) - pixels(exact))
    assert error.mean() < (0.01 if format in ("png", "tiff") else 12)


def test_names_of_any_kind(server: Server, files: Path):
    """A name names no folder, breaks no header, and comes back whole."""
    data = (files / "street.jpg").read_bytes()
    for name, wanted in (
        ("../../etc/cron.d/a.jpg", "a-wave.jpg"),
        ("C:\\trip\\b.jpeg", "b-wave.jpeg"),
        ("Märchen – 1.jpg", "M%C3%A4rchen%20%E2%80%93%201-wave.jpg"),
        ("a.gif", "a.gif-wave.png"),
        ("", "content-wave.png"),
    ):
        headers, _ = server.stylize(
            ("content", (name, data)), ("style", files / "wave.png"), ("model", "tiny")
        )
        assert headers["content-disposition"].endswith(f"filename*=UTF-8''{wanted}"), name


def test_style_is_read_once_and_its_file_takes_its_place(
    server: Server, files: Path, fast: impasto.Stylizer
):
    status, headers, style = server.post("/api/styles", [("style", files / "rain.jpg")])
    assert status == 200 and 'filename="rain.safetensors"' in headers["content-disposition"]
    _, by_picture = server.stylize(("content", files / "harbor.png"), ("style", files / "rain.jpg"))
    _, by_file = server.stylize(
        ("content", files / "harbor.png"), ("style", ("rain.safetensors", style))
    )
    assert by_picture == by_file
    assert len(style) < 20_000
    # It is the file that the command line keeps, but for the name.
    photo = replace(read_photo(files / "rain.jpg"), name="rain.jpg")
    kept = replace(
        fast.style(photo), model_name="fast", note="rain.jpg", thumbnail=make_thumbnail(photo)
    )
    assert style == style_bytes(kept)
    # A kept one by its name; one of another model is refused.
    status, _, kept_data = server.post("/api/styles", [("style", "munch-scream")])
    assert status == 200 and kept_data == style_bytes(fast.kept("munch-scream"))
    assert "another model" in server.refused(
        ("content", files / "harbor.png"), ("model", "tiny"), ("style", ("a.safetensors", style))
    )


def test_models_and_styles(server: Server, fast: impasto.Stylizer):
    models = server.json("/api/models")
    assert [each["name"] for each in models] == ["fast", "tiny"]
    assert models[0]["identity"] == fast.identity
    styles = {each["name"]: each for each in server.json("/api/styles?model=fast")}
    assert styles["munch-scream"]["title"] == "The Scream"
    assert [each["name"] for each in server.json("/api/styles")] == list(styles)
    assert server.json("/api/styles?model=tiny") == []
    status, _, body = server.ask("/api/styles?model=slow")
    assert status == 400
    assert json.loads(body)["error"] == "there is no model 'slow'; this server has fast, tiny"


def test_page_and_its_gallery(server: Server):
    site = server.json("/site.json")
    assert site["home"] == "server" and [m["name"] for m in site["models"]] == ["fast", "tiny"]
    assert site["limits"] == {"bytes": 32_000_000, "pixels": 2_000_000} and not site["token"]
    rows = server.json("/" + site["models"][0]["styles"])
    assert rows == server.json("/api/styles?model=fast")
    status, headers, data = server.ask("/" + rows[0]["thumbnail"])
    assert status == 200 and headers["content-type"] == "image/webp"
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (160, 160)
    status, headers, _ = server.ask("/base.css")
    assert status == 200 and headers["content-type"].startswith("text/css")
    assert "connect-src 'self'" in headers["content-security-policy"]
    for path in ("/nothing", "/types.d.ts", "/../guards.py", "/%2e%2e/guards.py",
                 "/models/fast/styles/nobody.webp", "/models/slow/styles.json"):  # fmt: skip
        status, _, body = server.ask(path)
        assert status == 404 and json.loads(body)["error"], path


# --- what it refuses -------------------------------------------------------------------------


def test_no_path_and_no_address_is_a_style(server: Server, files: Path):
    """A text is a name and nothing else: no file is opened, and nothing is fetched."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        place = f"http://127.0.0.1:{listener.getsockname()[1]}/wave.png"
        for text in (
            place, "wave.png", "wave", str(files / "wave.png"), "/etc/hostname", "./wave",
            "kept.safetensors", "file:///etc/hostname", "~/.bashrc", "-", "", "..", "a\0b",
        ):  # fmt: skip
            line = server.refused(("content", files / "harbor.png"), ("style", text))
            assert line.startswith("there is no style"), line
            line = server.refused(("style", text), path="/api/styles")
            assert line.startswith("there is no style"), line
        line = server.refused(("content", place), ("style", "munch-scream"))
        assert line == "content must be a file"
        line = server.refused(
            ("content", files / "harbor.png"), ("style", "munch-scream"), ("mask", "left.png")
        )
        assert line == "mask must be a file, not 'left.png'"
        line = server.refused(
            ("content", files / "harbor.png"), ("style", "munch-scream"), ("alpha", "left.png")
        )
        assert line == "alpha must be a number, or a file, not 'left.png'"
        for model in (str(files / "x.impasto"), "gatys", "json:loads", "./fast"):
            line = server.refused(
                ("content", files / "harbor.png"), ("style", "munch-scream"), ("model", model)
            )
            assert line.startswith("there is no model") and line.endswith(
                "this server has fast, tiny"
            )
        with pytest.raises(TimeoutError):
            asked.append(listener.accept())
    assert not asked


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([], "content is missing"),
        ([("style", "munch-screan")], "there is no style 'munch-screan'; did you mean"),
        ([("style", "munch-scream"), ("alpha", "3")], "alpha must be a number from 0 to 2, not 3"),
        ([("style", "munch-scream"), ("alpha", "nan")], "alpha must be a number, or a file"),
        ([("style", "munch-scream"), ("alpha", "")], "alpha must be a number, or a file, not ''"),
        ([("style", "munch-scream"), ("alpha", "1"), ("alpha", "1")], "alpha is given twice"),
        ([("style", "munch-scream"), ("strength", "1")], "there is no field 'strength'"),
        ([("style", "munch-scream"), ("aplha", "1")], "did you mean 'alpha'?"),
        ([("style", "munch-scream"), ("size", "8")], "size must be a whole number of 16 pixels"),
        ([("style", "munch-scream"), ("size", "1e9")], "size must be a whole number, not '1e9'"),
        ([("style", "munch-scream"), ("size", "3000")], "is more than the 2,000,000"),
        ([("style", "munch-scream"), ("weights", "1,2")], "one weight for each style"),
        ([("style", "munch-scream"), ("color", "sepia")], "sepia"),
        ([("style", "munch-scream"), ("color", "coral")], "needs the picture of a style"),
        ([("style", "munch-scream"), ("transform", "wct")], "wct"),
        ([("style", "munch-scream"), ("format", "gif")], "format 'gif' cannot be written"),
        ([("style", "munch-scream"), ("format", "jpeg"), ("depth", "16")], "JPEG holds 8 bits"),
        ([("style", "munch-scream"), ("overwrite", "true")], "there is no field 'overwrite'"),
        ([("style", "munch-scream"), ("keep_gps", "yes")], "keep_gps must be true or false"),
        ([("style", "munch-scream")] * 9, "9 styles are more than the maximum of 8"),
        ([("style", ("a.jpg", b"no picture"))], "a.jpg: not a picture"),
        ([("style", ("a.safetensors", b"\x02\0\0\0\0\0\0\0{}"))], "a.safetensors: not a style"),
        ([("style", ("", b""))], "style: empty (0 bytes)"),
        ([("style", "munch-scream"), ("size", ("a.txt", b"9"))], "size is not a file"),
    ],
)  # fmt: skip
def test_requests_that_are_refused(server: Server, files: Path, parts: list[Part], says: str):
    sent = [("content", files / "harbor.png"), *parts] if parts else [("style", "munch-scream")]
    assert says in server.refused(*sent)


def test_bombs_are_refused_from_their_headers(server: Server, files: Path):
    """2,500 megapixels that are never decoded, as photograph, style and mask."""
    file = "bomb.png", png(50_000, 50_000)
    for parts in (
        [("content", file), ("style", "munch-scream")],
        [("content", files / "harbor.png"), ("style", file)],
        [("content", files / "harbor.png"), ("style", "munch-scream"), ("mask", file)],
    ):
        line = server.refused(*parts)
        assert line.startswith("bomb.png: 50000 x 50000 = 2,500,000,000 pixels, more than")


def test_other_kinds_of_requests(server: Server):
    for kind in ("application/json", "application/x-www-form-urlencoded", "text/plain"):
        status, _, body = server.ask("/api/stylize", "POST", b"{}", Content_Type=kind)
        assert status == 400 and b"curl -F" in body
    for sent in (b"", b"--x\r\n\r\n", b"no form at all", b"--x--"):
        kind = "multipart/form-data; boundary=x"
        status, _, body = server.ask("/api/stylize", "POST", sent, Content_Type=kind)
        assert status == 400 and json.loads(body)["error"], sent
    status, headers, body = server.ask("/api/stylize")
    assert status == 405 and headers["allow"] == "POST" and json.loads(body)["error"]
    status, _, _ = server.ask("/api/health", "DELETE")
    assert status == 405


def test_pages_of_others_are_refused(server: Server, files: Path):
    parts: list[Part] = [("content", files / "harbor.png"), ("style", "munch-scream")]
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Host": "evil.example"},
        {"Host": f"evil.example:{server.port}"},
    ):
        status, found, _ = server.post("/api/stylize", parts, **headers)
        assert status == 403, headers
        assert "access-control-allow-origin" not in found
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec_Fetch_Site": "same-origin"}
    assert server.post("/api/stylize", parts, **own)[0] == 200
    status, found, _ = server.ask(
        "/api/stylize", "OPTIONS", Origin="http://evil.example",
        Access_Control_Request_Method="POST",
    )  # fmt: skip
    assert status == 403 and "access-control-allow-origin" not in found


# --- what it bounds --------------------------------------------------------------------------


def opened(server: Server, length: int, *, sent: bytes = b"") -> socket.socket:
    """A request whose body is not sent yet, or not all of it."""
    client = socket.create_connection(("127.0.0.1", server.port), timeout=20)
    _, kind = form([])
    client.sendall(
        f"POST /api/stylize HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: {kind}\r\n"
        f"Content-Length: {length}\r\n\r\n".encode()
        + sent
    )
    return client


def answer(client: socket.socket) -> tuple[int, Any]:
    """The status of an answer, and its body as JSON."""
    found = http.client.HTTPResponse(client)
    found.begin()
    return found.status, json.loads(found.read())


def test_large_request_is_refused_before_it_is_sent(server: Server):
    with opened(server, 32_000_001) as client:
        status, found = answer(client)
    assert status == 413
    assert found["error"].startswith("a request of more than 32,000,000 bytes")
    # One that does not say how large it is, once it has grown too large.
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as client:
        client.sendall(
            f"POST /api/stylize HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
            f"Content-Type: {form([])[1]}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
        )
        head = b'--a-line-between-parts\r\nContent-Disposition: form-data; name="content"; '
        part = head + b'filename="a"\r\n\r\n'
        client.sendall(b"%x\r\n" % len(part) + part + b"\r\n")
        chunk = b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        for _ in range(31):
            client.sendall(chunk)
        assert answer(client)[0] == 413
    assert server.json("/api/health")["taken"] == 0


def test_full_queue(server: Server, files: Path):
    """Who comes too late is told when to come again; who leaves frees a place."""
    health = server.json("/api/health")
    places = health["jobs"] + health["queue"]
    clients = [opened(server, 1000, sent=b"--a-line") for _ in range(places)]
    try:
        assert eventually(lambda: server.json("/api/health")["taken"] == places)
        parts: list[Part] = [("content", files / "harbor.png"), ("style", "munch-scream")]
        status, headers, body = server.post("/api/stylize", parts)
        assert status == 503 and int(headers["retry-after"]) >= 1
        assert json.loads(body)["error"].startswith("too many requests are waiting")
        clients.pop().close()
        assert eventually(lambda: server.json("/api/health")["taken"] == places - 1)
        assert server.post("/api/stylize", parts)[0] == 200
    finally:
        for client in clients:
            client.close()
    assert eventually(lambda: server.json("/api/health")["taken"] == 0)


def test_who_leaves_is_not_painted_for(server: Server):
    """What waits is dropped, what is being painted ends at its next step."""
    large = io.BytesIO()
    Image.effect_noise((1500, 1300), 80).convert("RGB").save(large, "JPEG", quality=60)
    body, _ = form([("content", ("a.jpg", large.getvalue())), ("style", "munch-scream")])
    before = server.json("/api/health")
    clients = [opened(server, len(body), sent=body) for _ in range(before["jobs"] + 2)]
    assert eventually(lambda: server.json("/api/health")["waiting"] == 2)
    for client in clients:
        client.close()
    assert eventually(lambda: server.json("/api/health")["taken"] == 0, 5)
    assert eventually(lambda: server.json("/api/health")["painting"] == 0)
    after = server.json("/api/health")
    assert after["waiting"] == 0 and after["painted"] == before["painted"]


def test_time_is_bounded():
    """A request that does not arrive is ended, and one that takes too long to paint."""
    large = io.BytesIO()
    Image.effect_noise((2400, 2400), 80).save(large, "JPEG", quality=50)
    words = ["--model", "fast", "--engine", "onnxruntime", "--seconds", "1", "--memory", "600MB"]
    with serving(*words) as server:
        with opened(server, 1000, sent=b"--a-line") as client:
            assert answer(client) == (408, {"error": "the request did not arrive in time"})
        line = server.refused(("content", ("a.jpg", large.getvalue())), ("style", "munch-scream"))
        assert line.startswith("painting takes longer than the limit of 1 second")


# --- live frames -----------------------------------------------------------------------------


def frame(value: int = 128, size: tuple[int, int] = (64, 48)) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(value).integers(0, 60, (size[1], size[0], 3))
    Image.fromarray((noise + value).clip(0, 255).astype(np.uint8)).save(file, "JPEG", quality=95)
    return file.getvalue()


def live(server: Server, **options: Any) -> Any:
    return connect(f"ws://127.0.0.1:{server.port}/api/frames", **options)


def test_live_frames(server: Server, files: Path, fast: impasto.Stylizer):
    """What is sent comes back painted, in the newest look, with styles and masks of its own."""
    style = {"file": base64.b64encode((files / "rain.jpg").read_bytes()).decode(), "name": "r.jpg"}
    mask = {"file": base64.b64encode((files / "left.png").read_bytes()).decode()}
    wanted = fast.stylize(
        Image.open(io.BytesIO(frame())),
        [files / "rain.jpg"],
        masks=[Image.open(files / "left.png")],
        alpha=0.5,
    )
    with live(server) as client:
        client.send(json.dumps({"style": "munch-scream", "model": "fast"}))
        assert json.loads(client.recv()) == {"ready": True}
        client.send(frame())
        first = client.recv()
        client.send(json.dumps({"style": [style], "mask": [mask], "alpha": 0.5, "quality": 100}))
        assert json.loads(client.recv()) == {"ready": True}
        client.send(frame())
        second = client.recv()
    assert isinstance(first, bytes) and isinstance(second, bytes)
    assert pixels(first).shape == (48, 64, 3)
    error = np.abs(pixels(second).astype(int) - np.asarray(wanted))
    assert error.mean() < 2 and np.abs(pixels(first).astype(int) - np.asarray(wanted)).mean() > 5
    assert server.json("/api/health")["frames"] >= 2


def test_newest_frame_wins(server: Server):
    """Of frames that come while one is painted the newest is painted next; none is forgotten."""
    with live(server) as client:
        client.send(json.dumps({"style": "munch-scream", "size": 48}))
        assert json.loads(client.recv()) == {"ready": True}
        large = [frame(20 * i, (640, 480)) for i in range(8)]
        for data in large:
            client.send(data)
        dropped, painted = [], []
        while len(dropped) + len(painted) < len(large):
            found = client.recv(timeout=20)
            if isinstance(found, bytes):
                painted.append(pixels(found))
            else:
                message = json.loads(found)
                assert message["dropped"] is True
                dropped.append(message["frame"])
        assert dropped == sorted(dropped) and 7 not in dropped, "the last is painted"
        assert painted and all(each.shape == (48, 64, 3) for each in painted)
        client.send(large[7])
        assert np.array_equal(pixels(client.recv(timeout=20)), painted[-1])


@pytest.mark.parametrize(
    ("look", "says"),
    [
        ("{", "is not JSON"),
        ("[1]", "a look must be a JSON object"),
        ({"style": []}, "style is missing"),
        ({"style": "/etc/hostname"}, "there is no style '/etc/hostname'"),
        ({"style": {"file": "?"}}, "its file is not base64"),
        ({"style": {"path": "/etc/hostname"}}, "must be a text, a number"),
        ({"style": "munch-scream", "content": "a.jpg"}, "there is no field 'content'"),
        ({"style": "munch-scream", "alpha": 9}, "alpha must be a number from 0 to 2, not 9"),
        ({"style": "munch-scream", "alpha": True}, "alpha must be a number, or a file"),
    ],
)
def test_looks_that_are_refused(server: Server, look: object, says: str):
    with live(server) as client:
        client.send(look if isinstance(look, str) else json.dumps(look))
        assert says in json.loads(client.recv())["error"]
        client.send(frame())
        assert json.loads(client.recv()).keys() == {"frame", "error"}
        # It goes on with a look that is one.
        client.send(json.dumps({"style": "munch-scream"}))
        assert json.loads(client.recv()) == {"ready": True}
        client.send(b"no picture")
        message = json.loads(client.recv())
        assert message["frame"] == 1 and message["error"].startswith("the frame: not a picture")
        client.send(frame())
        assert isinstance(client.recv(), bytes)


def test_live_frames_are_bounded(server: Server):
    with ExitStack() as clients:
        for _ in range(8):
            clients.enter_context(live(server))
        with live(server) as late:
            assert "all 8 live connections are in use" in json.loads(late.recv())["error"]
    assert eventually(lambda: server.json("/api/health")["sockets"] == 0)
    with live(server) as client, pytest.raises(broken.ConnectionClosed):
        client.send(bytes(9_000_000))
        client.recv()
    with pytest.raises(broken.InvalidStatus, match="403"):
        live(server, origin="http://evil.example").__enter__()


# --- the command -----------------------------------------------------------------------------


@pytest.fixture
def examples(files: Path, tmp_path: Path) -> Path:
    """A folder with the files that examples name."""
    for name, own in (
        ("street.jpg", "street.jpg"),
        ("wave.jpg", "wave.png"),
        ("sky.png", "left.png"),
    ):
        shutil.copy(files / own, tmp_path / name)  # what a file is, its bytes say
    return tmp_path


def curl(line: str, folder: Path) -> bytes:
    """Run an example; what it prints."""
    if shutil.which("curl") is None:
        pytest.skip("needs curl")
    words = shlex.split(line)
    assert words[0] == "curl"
    done = subprocess.run(
        ["curl", "-sS", "--fail-with-body", *words[1:]],
        cwd=folder, capture_output=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, (line, done.stdout, done.stderr)
    return done.stdout


def test_examples_of_the_interface(server: Server, examples: Path):
    """Each operation of the OpenAPI document has a line for curl, which does what it says."""
    paths = server.json("/openapi.json")["paths"]
    operations = [each for path in paths.values() for each in path.values()]
    lines = [each["x-codeSamples"][0]["source"] for each in operations]
    assert len(lines) == 5 and all(f"http://127.0.0.1:{server.port}/" in line for line in lines)
    for line in lines:
        printed = curl(line, examples)
        assert " -o " in line or json.loads(printed)
    with Image.open(examples / "painted.jpg") as image:
        assert image.format == "JPEG" and image.size == (96, 72)
    assert read_style((examples / "wave.safetensors").read_bytes()).model


def test_examples_of_the_page(server: Server, examples: Path, monkeypatch: pytest.MonkeyPatch):
    """Every line for curl of docs/server.md, in their order, and its program."""
    monkeypatch.chdir(examples)
    text = (ROOT / "docs" / "server.md").read_text(encoding="utf-8")
    text = text.replace("127.0.0.1:8484", f"127.0.0.1:{server.port}")
    lines = re.findall(r"^curl .*$", text, re.MULTILINE)
    assert len(lines) >= 12
    for line in lines:
        printed = curl(line, examples)
        if "/api/stylize" not in line and " -o " not in line:
            assert json.loads(printed), line
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(compile(program, "docs/server.md", "exec"), {})
    for name in ("painted.jpg", "painted.png", "mixed.jpg", "sky.jpg", "frame.jpg",
                 "street-munch-scream.jpg"):  # fmt: skip
        with Image.open(examples / name) as image:
            image.load()


def test_token(tiny_path: Path, files: Path):
    """Without it nothing is answered; programs send it in a header, a page has it as a cookie."""
    with serving("--model", tiny_path, "--token", "open-sesame") as server:
        assert server.address.endswith("/?token=open-sesame")
        for path in ("/", "/site.json", "/api/health", "/?token=open", "/api/health?token="):
            status, headers, body = server.ask(path)
            assert status == 401 and headers["www-authenticate"] == "Bearer"
            assert "this server needs a token" in json.loads(body)["error"]
        for word in ("Bearer open", "Basic open-sesame", "open-sesame"):
            assert server.ask("/api/health", Authorization=word)[0] == 401
        bearer = {"Authorization": "Bearer open-sesame"}
        assert server.ask("/api/health", **bearer)[0] == 200
        with live(server, additional_headers=bearer) as client:
            client.send("{}")
            assert "style is missing" in client.recv()
        with pytest.raises(broken.InvalidStatus, match="403"), live(server):
            pass
        status, headers, _ = server.ask("/?token=open-sesame")
        assert status == 303 and headers["location"] == "/"
        cookie, *rest = headers["set-cookie"].split("; ")
        assert {"HttpOnly", "SameSite=lax", "Path=/"} == set(rest)
        status, _, body = server.ask("/site.json", Cookie=cookie)
        assert status == 200 and json.loads(body)["token"] is True
        assert not [line for line in server.lines if "sesame" in line], "it is in no log"


def test_log_has_no_names(tiny_path: Path, files: Path):
    with serving("--model", tiny_path) as server:
        server.stylize(("content", files / "street.jpg"), ("style", files / "rain.jpg"))
        server.refused(("content", files / "street.jpg"), ("style", "secret-style"))
        server.ask("/api/secret.jpg?name=secret.jpg")
        server.ask("/secret.jpg")
        with live(server) as client:
            client.send(json.dumps({"style": "secret-style"}))
            client.recv()
        assert eventually(lambda: len(server.lines) >= 4)
        assert server.end() == 0
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d 127\.0\.0\.1"
    wanted = ["POST /api/stylize 200", "POST /api/stylize 400", "GET /api/... 404",
              "WebSocket /api/frames closed"]  # fmt: skip
    assert len(server.lines) == len(wanted), server.lines
    for line, each in zip(server.lines, wanted, strict=True):
        assert re.fullmatch(rf"{stamp} {re.escape(each)} \d+\.\d{{3}} s", line), line


def test_all_addresses(tiny_path: Path):
    """Everyone is let in only where that is said, and it is told what that means."""
    with serving("--model", tiny_path, "--host", "0.0.0.0") as server:
        assert server.host == "127.0.0.1"
        assert server.ask("/api/health", Host="192.168.1.5:80")[0] == 200
        assert server.ask("/api/health", Host="evil.example")[0] == 403
        assert eventually(lambda: server.lines)
        assert server.lines[0] == (
            "impasto: anyone who can reach this machine can paint here; --token WORD limits access "
            "to those who know the word"
        )
        assert server.end(signal.SIGTERM) == 128 + signal.SIGTERM
    assert server.lines[-1] == "impasto: stopped by SIGTERM"


def test_ends_while_it_paints(tiny_path: Path, files: Path):
    with serving("--model", "fast", "--engine", "onnxruntime") as server:
        large = io.BytesIO()
        Image.effect_noise((2000, 1600), 80).save(large, "JPEG")
        body, _ = form([("content", ("a.jpg", large.getvalue())), ("style", "munch-scream")])
        with opened(server, len(body), sent=body), live(server):
            assert eventually(lambda: server.json("/api/health")["painting"] == 1)
            assert server.end() == 0
    assert not [line for line in server.lines if "Traceback" in line or "Error" in line]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model", "slow"], "there is no model 'slow'"),
        (["--model", "gatys"], "only models can be served"),
        (["--model", "fast", "--model", "fast"], "must have different names"),
        (["--port", "99999"], "port 99999 must be from 0 to 65535"),
        (["--queue", "-1"], "queue is -1; give 0 or more"),
        (["--seconds", "0"], "seconds is 0; give 1 or more"),
        (["--max-pixels", "0"], "max_pixels is 0; give 1 or more"),
        (["--threads", "0"], "threads is 0; give 1 or more"),
        (["--engine", "steam"], "steam"),
        (["--precision", "fp8"], "fp8"),
        (["--token", "a b"], "a token must be 8 or more letters"),
    ],
)
def test_options_that_are_refused(words: list[str], says: str):
    with pytest.raises(ImpastoError) as found:
        cli.main(["serve", "--port", "0", *words], standalone_mode=False)
    assert says in str(found.value)


def test_nothing_heavy_is_imported_for_its_help():
    heavy = {"numpy", "PIL", "onnxruntime", "starlette", "uvicorn", "websockets"}
    assert not imported("serve", "--help") & heavy
