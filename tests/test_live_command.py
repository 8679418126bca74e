"""The command ``impasto live`` in a process of its own, its records, and its virtual camera."""

from __future__ import annotations

import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_cli import COMMAND, imported, names, on_terminal, run, save

from impasto.cli import cli
from impasto.errors import ImageError, ImpastoError, OptionError, VideoError
from impasto.video.live.fitting import fitted
from impasto.video.live.recording import Recording
from impasto.video.live.virtual import VirtualCamera

av = pytest.importorskip("av", exc_type=ImportError)
pytest.importorskip("uvicorn")
pytest.importorskip("starlette")

BARS = "lavfi:smptebars=size=64x48:rate=30"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IMPASTO_STYLES", str(tmp_path / "kept"))
    for seed, name in enumerate(("wave.png", "rain.png")):
        save(Path(name), seed=seed)
    return tmp_path


@pytest.fixture
def model(tiny_path: Path) -> list[str]:
    return ["--model", str(tiny_path), "--engine", "onnxruntime", "--threads", "1"]


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs; killed if the block leaves it."""
    process = subprocess.Popen(
        [*COMMAND, "live", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Client:
    """Whatever a page asks of the server."""

    def __init__(self, line: str) -> None:
        found = re.match(r"http://(127\.0\.0\.1:\d+)/ shows (.*); press Ctrl-C to stop$", line)
        assert found, line
        self.place, self.source = found[1], found[2]

    def ask(self, path: str, settings: dict[str, Any] | None = None) -> tuple[int, Any]:
        client = http.client.HTTPConnection(self.place, timeout=20)
        if settings is None:
            client.request("GET", path)
        else:
            head = {"Content-Type": "application/json", "Origin": f"http://{self.place}"}
            client.request("POST", path, json.dumps(settings), head)
        answer = client.getresponse()
        found = answer.status, json.loads(answer.read())
        client.close()
        return found

    def pictures(self, count: int) -> list[np.ndarray]:
        """The next pictures of the stream, found by the boundary alone."""
        client = http.client.HTTPConnection(self.place, timeout=20)
        client.request("GET", "/live.mjpg")
        answer = client.getresponse()
        mark = b"--" + answer.getheader("Content-Type", "").partition("boundary=")[2].encode()
        data = b""
        while data.count(mark + b"\r\n") <= count:
            data += answer.read1(65536)
        client.close()
        found = []
        for each in data.split(mark + b"\r\n")[1 : count + 1]:
            with Image.open(io.BytesIO(each.partition(b"\r\n\r\n")[2])) as image:
                found.append(np.asarray(image.convert("RGB")).astype(float))
        return found

    def until(self, frames: int) -> dict[str, Any]:
        """The state after so many frames."""
        until = time.monotonic() + 20
        while (state := self.ask("/api/state")[1])["frames"] < frames:
            assert time.monotonic() < until
            time.sleep(0.05)
        found: dict[str, Any] = state
        return found


def frames_of(path: Path) -> tuple[list[float], list[np.ndarray], Any]:
    """Times and pictures of a film, and its stream's codec."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
        context = container.streams.video[0].codec_context
        facts = SimpleNamespace(
            name=context.name,
            tags=(
                context.colorspace,
                context.color_primaries,
                context.color_trc,
                context.color_range,
            ),
        )
        return (
            [float(frame.time) for frame in frames],
            [frame.to_ndarray(format="rgb24") for frame in frames],
            facts,
        )


# --- the command -----------------------------------------------------------------------------


def test_page_changes_a_running_call_and_ctrl_c_ends_it(folder: Path, model: list[str]):
    words = ["--camera", BARS, "-s", "wave.png", "-s", "rain.png", "--port", "0"]
    with started(*words, "--record", "clip.mp4", *model) as process:
        assert process.stdout is not None
        client = Client(process.stdout.readline().strip())
        assert client.source == BARS
        state = client.until(3)
        assert (state["style"], state["alpha"]) == ("wave", 1.0)
        assert state["styles"] == ["wave", "rain"] and state["recording"] == "clip.mp4"
        assert state["model"] == "tiny, onnxruntime fp32"
        assert state["rate"] > 0 and 0 < state["delay"] < 5
        wave = client.pictures(2)[-1]
        assert wave.shape == (48, 64, 3)

        assert client.ask("/api/settings", {"style": "rain"})[1]["style"] == "rain"
        rain = client.pictures(4)[-1]
        assert np.abs(rain - wave).mean() > 4
        assert client.ask("/api/settings", {"alpha": 0})[1]["alpha"] == 0
        plain = client.pictures(4)[-1]
        # The bars themselves: gray of 75 % at the left, blue at the right of the upper part.
        assert np.abs(plain[10, 3] - 180).max() < 20
        assert plain[10, 60, 2] > 110 > 60 > plain[10, 60, 0]

        for settings, says in (
            ({"style": "snow"}, "there is no style 'snow' here; choose one of wave, rain"),
            ({"alpha": 3}, "alpha must be a number from 0 to 2, not 3"),
            ({"alpha": float("nan")}, "alpha"),
        ):
            status, answer = client.ask("/api/settings", settings)
            assert status == 400 and says in answer["error"], answer
        painted = client.ask("/api/state")[1]["frames"]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert out == ""
    found = re.fullmatch(
        r"impasto: (\d+) frames in [\d.]+ s \([\d.]+ a second\), \d+ dropped; "
        r"delay \d+ ms, 95 % below \d+ ms; recorded clip\.mp4\n",
        err,
    )
    assert found, err
    times, pictures, codec = frames_of(Path("clip.mp4"))
    assert len(times) == int(found[1]) >= painted
    assert times[0] == 0 and min(np.diff(times)) > 0
    assert codec.name == "h264" and codec.tags == (1, 1, 1, 1)
    assert np.median(np.abs(pictures[-1].astype(float) - plain)) <= 4  # but for edges
    assert names() == {"wave.png", "rain.png", "clip.mp4"}


def test_ctrl_c_while_an_address_says_nothing(folder: Path, model: list[str]):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        with started("--camera", address, "-s", "wave.png", *model) as process:
            silent.settimeout(20)
            connection, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=5)  # FFmpeg would go on for 15 seconds
            connection.close()
    assert (process.returncode, err) == (130, "impasto: interrupted\n")


def test_killed_record_plays_and_is_not_written_over(folder: Path, model: list[str]):
    words = ["--camera", "lavfi:testsrc2=size=64x48:rate=30", "-s", "wave.png", "--port", "0"]
    with started(*words, "--record", "clip.mp4", *model) as process:
        assert process.stdout is not None
        client = Client(process.stdout.readline().strip())
        client.until(1)
        time.sleep(2.2)
        painted = client.ask("/api/state")[1]
        process.kill()
        process.wait()
    assert names() == {"wave.png", "rain.png", "clip.part.mkv"}
    times, _, _ = frames_of(Path("clip.part.mkv"))
    assert times and times[-1] >= 1.0, (times, painted)
    done = run("live", *words, "--record", "clip.mp4", *model, code=2)
    assert (
        b"clip.part.mkv: already exists, written by another run or left by one that" in done.stderr
    )


def test_film_ends_the_call_and_a_terminal_shows_how_it_goes(folder: Path, model: list[str]):
    with av.open("film.mkv", "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for i in range(20):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 9 * i, np.uint8), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    words = ["live", "--camera", "film.mkv", "-s", "wave.png", "--no-page", "--size", "24"]
    code, text = on_terminal(*words, "--record", "out.mkv", *model)
    assert code == 0, text
    assert re.search(r"wave, strength 100%: \d+\.\d frames/s, \d+ ms delay, \d+ dropped", text)
    times, pictures, _ = frames_of(Path("out.mkv"))
    assert pictures[0].shape == (24, 32, 3) and len(times) <= 20
    steps = np.array(times) / 0.05  # the frames' own moments, 50 ms apart
    assert abs(times[-1] - 0.95) < 0.2 and np.abs(steps - steps.round()).mean() < 0.25


def test_cameras_are_listed(folder: Path):
    from impasto.video.live.cameras import list_cameras

    if list_cameras():
        assert b"0  " in run("live", "--list").stdout
        return
    done = run("live", "--list", code=2)
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "impasto: this machine has no camera: connect one, or give --camera an address (rtsp://, "
        "http://) or a film"
    ]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "a style is missing: impasto live -s munch-scream"),
        (["-s", "wave.png", "--no-page"], "with --no-page there is no output"),
        (["-s", "wave.png", "--camera", "gone.mp4"], "gone.mp4: does not exist"),
        (["-s", "wave.png", "--record", "clip.avi"], "a recording is written as .mp4, .mov, .mkv"),
        (["-s", "wave.png", "--record", "wave.mkv"], "wave.mkv: "),
        (["-s", "gone.png", "--camera", BARS], "gone.png: "),
        (["-s", "no-*", "--camera", BARS], "no-*: matches no style for this model"),
        (["-s", "wave.png", "--camera", BARS, "--size", "3"], "size must be a whole number"),
        (["-s", "wave.png", "--camera", BARS, "--port", "70000"], "must be from 0 to 65535"),
    ],
)
def test_mistakes_are_told_in_one_line(folder: Path, model: list[str], words: list[str], says: str):
    Path("wave.mkv").write_bytes(b"a film")
    with pytest.raises(ImpastoError) as found:
        cli.main(["live", *words, *model], standalone_mode=False)
    assert says in str(found.value) and "\n" not in str(found.value)
    assert Path("wave.mkv").read_bytes() == b"a film"


def test_help_imports_no_engine_and_no_film():
    loaded = imported("live", "--help")
    assert not loaded & {"onnxruntime", "openvino", "torch", "av", "uvicorn", "starlette"}


# --- a record --------------------------------------------------------------------------------


def test_record_keeps_times_and_colors(tmp_path: Path):
    moments = [7.0, 7.04, 7.1304, 7.1309, 7.5, 9.25]
    with Recording(tmp_path / "clip.mov") as recording:
        for i, moment in enumerate(moments):
            image = np.zeros((49, 65, 3), np.uint8)
            image[..., i % 3] = 255
            recording.write(image, moment)
        assert (tmp_path / "clip.part.mkv").exists()
    times, pictures, codec = frames_of(tmp_path / "clip.mov")
    # The fourth was less than a millisecond behind the third.
    np.testing.assert_allclose(times, [0, 0.04, 0.13, 0.131, 0.5, 2.25], atol=1e-3)
    for i, picture in enumerate(pictures):
        assert picture.shape == (50, 66, 3)
        mean = picture.reshape(-1, 3).mean(axis=0)
        assert mean[i % 3] >= 250 and sorted(mean)[1] <= 5, mean
    assert codec.tags == (1, 1, 1, 1)
    data = (tmp_path / "clip.mov").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat"), "it plays before it is there in whole"
    assert names(tmp_path) == {"clip.mov"}


def test_record_is_kept_whatever_ends_it(tmp_path: Path):
    image = np.zeros((48, 64, 3), np.uint8)
    with pytest.raises(KeyboardInterrupt), Recording(tmp_path / "clip.mkv") as recording:
        recording.write(image, 1.0)
        recording.write(image[:32, :32], 2.0)  # a camera that changes its size
        raise KeyboardInterrupt
    times, pictures, _ = frames_of(tmp_path / "clip.mkv")
    assert times == [0, 1] and pictures[1].shape == (48, 64, 3)
    with Recording(tmp_path / "none.mp4"):
        pass
    assert names(tmp_path) == {"clip.mkv"}


def test_record_that_cannot_be(tmp_path: Path):
    image = np.zeros((48, 64, 3), np.uint8)
    (tmp_path / "there.mp4").write_bytes(b"old")
    with pytest.raises(ImageError, match=r"there\.mp4"):
        Recording(tmp_path / "there.mp4")
    with pytest.raises(ImageError, match="no folder"):
        Recording(tmp_path / "gone" / "clip.mp4")
    with pytest.raises(OptionError, match=r"\.mp4, \.mov, \.mkv"):
        Recording(tmp_path / "clip.gif")
    with Recording(tmp_path / "there.mp4", overwrite=True) as recording:
        recording.write(image, 0.0)
    assert frames_of(tmp_path / "there.mp4")[0] == [0]
    # A name that is taken while it runs is not written over; the record stays beside it.
    with pytest.raises(ImageError, match="late"), Recording(tmp_path / "late.mp4") as recording:
        recording.write(image, 0.0)
        (tmp_path / "late.mp4").write_bytes(b"of another")
    assert (tmp_path / "late.mp4").read_bytes() == b"of another"
    assert names(tmp_path) == {"there.mp4", "late.mp4", "late.part.mkv"}
    with pytest.raises(VideoError, match="it is playable"):
        Recording(tmp_path / "late.mp4", overwrite=True)


# --- a virtual camera ------------------------------------------------------------------------


def test_virtual_camera(monkeypatch: pytest.MonkeyPatch):
    sent: list[np.ndarray] = []

    class Camera:
        device = "/dev/video9"

        def __init__(self, width: int, height: int, fps: float) -> None:
            assert (width, height) == (1280, 720) and fps > 0

        def send(self, frame: np.ndarray) -> None:
            sent.append(frame)

        def close(self) -> None:
            sent.append(np.zeros(0))

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=Camera))
    with VirtualCamera() as camera:
        assert camera.name == "/dev/video9"
        camera.show(np.full((48, 48, 3), 200, np.uint8))
    frame, closed = sent
    assert frame.shape == (720, 1280, 3) and frame.flags.c_contiguous and closed.size == 0
    assert frame[:, 280:1000].min() == 200 and frame[:, :280].max() == 0 == frame[:, 1000:].max()
    assert fitted(np.full((30, 10, 3), 7, np.uint8), 30, 30)[:, 10:20].min() == 7


def test_virtual_camera_that_cannot_be(monkeypatch: pytest.MonkeyPatch, folder: Path):
    def refuse(**facts: Any) -> Any:
        raise RuntimeError("virtual camera output could not be started:\n\t'v4l2': No loopback\n")

    monkeypatch.setitem(sys.modules, "pyvirtualcam", SimpleNamespace(Camera=refuse))
    with pytest.raises(VideoError) as found:
        VirtualCamera()
    assert str(found.value) == (
        "no virtual camera can be opened: virtual camera output could not be started: 'v4l2': No "
        "loopback"
    )
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(VideoError, match="pip install 'impasto\\[camera\\]'"):
        VirtualCamera()


# --- a stream as a camera --------------------------------------------------------------------


def test_page_of_one_call_is_the_camera_of_another():
    """MJPEG over HTTP is what most cameras in networks give."""
    from impasto.video.live.cameras import open_camera
    from impasto.web.live import live_app
    from impasto.web.newest import Newest
    from impasto.web.server import PageServer

    newest, stop = Newest(), threading.Event()

    def flow() -> None:
        for i in range(1000):
            file = io.BytesIO()
            Image.new("RGB", (64, 48), (200, 40, i % 256)).save(file, "JPEG", quality=95)
            newest.put(file.getvalue())
            if stop.wait(0.02):
                return

    writer = threading.Thread(target=flow)
    with PageServer(live_app(SimpleNamespace(), newest), port=0) as server:
        writer.start()
        camera = open_camera(f"{server.address}live.mjpg")
        assert not camera.paced and (camera.width, camera.height) == (64, 48)
        for grabbed in camera.grab(threading.Event()):
            if grabbed.number == 5:
                break
        pixels = grabbed.pixels(None)
        camera.close()
        stop.set()
        writer.join()
        newest.close()
    assert np.abs(pixels[..., 0].astype(int) - 200).max() <= 4
    assert np.abs(pixels[..., 1].astype(int) - 40).max() <= 4
