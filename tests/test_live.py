"""Live painting: the newest frame wins. Graphs of FFmpeg's filters stand in for cameras."""

from __future__ import annotations

import errno
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from conftest import open_variant, picture

from impasto.controls import Controls
from impasto.errors import ImpastoError, OptionError, StyleError, VideoError
from impasto.images.cicp import color_space
from impasto.images.options import ReadOptions
from impasto.images.photo import Photo
from impasto.models import Bundle
from impasto.painting.objects import painter_of
from impasto.stylizer import Stylizer
from impasto.video.live import LiveFrame, LiveFrames, LiveSettings, cameras
from impasto.video.live.cameras import Grabbed, list_cameras, open_camera

av = pytest.importorskip("av", exc_type=ImportError)

BARS = "lavfi:smptebars=size=64x48:rate=30"
MOVING = "lavfi:testsrc2=size=64x48:rate=30"
READ = ReadOptions()
STYLE = Photo(picture(32, 32, seed=3), None, "a style")


class Sleeper:
    """Paints every pixel in the style's first color, after a rest of a known length."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def stylize(self, content: Any, style: Any) -> Any:
        time.sleep(self.seconds)
        return np.broadcast_to(style[0, 0], content.shape)


def sleeper(seconds: float) -> Stylizer:
    return Stylizer(painter_of(Sleeper(seconds), "sleeper"))


@pytest.fixture(scope="module")
def quick(tiny_bundle: Bundle) -> Stylizer:
    """A real model that takes a few milliseconds."""
    return open_variant(tiny_bundle, ("onnxruntime", "fp32"))


def painted(
    model: Stylizer, source: str, count: int, settings: LiveSettings | None = None
) -> list[LiveFrame]:
    """The first frames of a source."""
    with LiveFrames(model, open_camera(source), settings or LiveSettings((STYLE,))) as frames:
        return list(islice(frames, count))


@contextmanager
def open_still(source: str) -> Iterator[Grabbed]:
    """The first frame of a source as it came."""
    camera = open_camera(source)
    frames = camera.grab(threading.Event())
    yield next(frames)
    camera.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """Ten gray frames at 20 a second, each 20 of 255 brighter than the one before."""
    path = tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "gray"
        for i in range(10):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64), 20 * i, np.uint8), format="gray")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


# --- the newest frame wins -------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [0.045, 0.12])
def test_delay_is_below_one_and_a_half_works(seconds: float):
    """Without leaving frames that have waited, p95 at 45 ms would be 1.7 works at 30 a second."""
    for tries in (2, 1, 0):  # another program may have had the processor
        frames = painted(sleeper(seconds), MOVING, 24)
        works = [frame.work for frame in frames]
        delays = [frame.delay for frame in frames]
        assert min(works) >= seconds
        assert all(delay >= work for delay, work in zip(delays, works, strict=True))
        late, work = np.percentile(delays, 95), np.percentile(works, 95)
        if late <= 1.5 * work:
            break
        assert tries, f"{late:.3f} s for works of {work:.3f} s"


def test_slow_model_drops_frames_and_never_queues():
    frames = painted(sleeper(0.1), "lavfi:testsrc2=size=64x48:rate=60", 10)
    numbers = [frame.number for frame in frames]
    assert min(np.diff(numbers)) >= 4  # of the six that came meanwhile
    assert [frame.painted for frame in frames] == list(range(10))
    waited = [frame.delay - frame.work for frame in frames]
    assert np.median(waited[5:]) < 0.05, "a queue would grow by 80 ms from frame to frame"
    assert 5 < frames[-1].rate < 10.1
    assert frames[0].rate == 0


def test_quick_model_paints_every_frame_once(quick: Stylizer):
    settings = LiveSettings((quick.prepare(STYLE, Controls(), READ),))
    frames = painted(quick, "lavfi:testsrc2=size=32x32:rate=10", 6, settings)
    assert [frame.number for frame in frames] == list(range(6))


# --- settings --------------------------------------------------------------------------------


def test_settings_change_while_it_runs(quick: Stylizer):
    """From another thread; strength 0 is the photograph itself."""
    style = quick.prepare(STYLE, Controls(), READ)
    other = quick.prepare(Photo(picture(32, 32, seed=9), None, "another"), Controls(), READ)
    plan = [
        LiveSettings((style,)),
        LiveSettings((other,)),
        LiveSettings((other,), Controls(alpha=0)),
        LiveSettings((other,), size=24),
    ]
    with open_still(BARS) as still:
        expected = still.pixels(None)
    seen: dict[int, Any] = {}
    with LiveFrames(quick, open_camera(BARS), plan[0]) as frames:

        def turn() -> None:
            for settings in plan[1:]:
                time.sleep(0.25)
                frames.settings = settings
            time.sleep(0.25)
            frames.stop()

        thread = threading.Thread(target=turn)
        thread.start()
        for frame in frames:
            seen[plan.index(frame.settings)] = frame.image
        thread.join()
    assert set(seen) == {0, 1, 2, 3}
    assert np.abs(seen[0].astype(int) - seen[1]).mean() > 5
    np.testing.assert_array_equal(seen[2], expected)
    assert seen[3].shape == (24, 32, 3)


def test_settings_that_do_not_fit_change_nothing(quick: Stylizer):
    style = quick.prepare(STYLE, Controls(), READ)
    before = LiveSettings((style,))
    camera = open_camera(BARS)
    frames = LiveFrames(quick, camera, before)
    with pytest.raises(OptionError, match="weight"):
        frames.settings = LiveSettings((style,), Controls(weights=[1, 2]))
    with pytest.raises(StyleError, match="is not a style"):
        frames.settings = LiveSettings(("munch",))  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="size"):
        LiveSettings((style,), size=3)
    assert frames.settings is before
    camera.close()


# --- the end ---------------------------------------------------------------------------------


def test_stop_ends_it_at_once_and_releases_the_source(film: Path):
    def held() -> int:
        return sum(os.path.realpath(each) == str(film) for each in Path("/proc/self/fd").iterdir())

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("this system does not tell which files are open")
    with LiveFrames(sleeper(0.01), open_camera(film), LiveSettings((STYLE,))) as frames:
        first = next(iter(frames))
        assert held() == 1
        begin = time.perf_counter()
    assert time.perf_counter() - begin < 0.4
    assert held() == 0 and not frames._thread.is_alive()
    assert first.number == 0


def test_film_is_played_at_its_own_speed_to_its_last_frame(film: Path, quick: Stylizer):
    settings = LiveSettings((quick.prepare(STYLE, Controls(), READ),), Controls(alpha=0))
    begin = time.perf_counter()
    frames = painted(quick, str(film), 100, settings)
    assert 0.45 <= time.perf_counter() - begin < 5
    assert frames[-1].number == 9
    assert abs(int(frames[-1].image[20, 20, 0]) - 180) <= 1
    gaps = np.diff([frame.captured for frame in frames]) / np.diff([f.number for f in frames])
    assert abs(np.median(gaps) - 0.05) < 0.01


def test_slow_model_still_paints_the_last_frame(film: Path):
    frames = painted(sleeper(0.3), str(film), 100)
    assert frames[-1].number == 9 and len(frames) <= 4


def test_rotated_and_oblong_pixels_are_set_right(tmp_path: Path):
    """A phone's film lies on its side in the file; pixels of DV are not square."""
    path = tmp_path / "side.mp4"
    image = np.zeros((48, 64, 3), np.uint8)
    image[:16] = 255  # white above, which a quarter turn to the left brings to the left
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=20)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = 2
        stream.set_display_rotation(90)
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    with open_still(str(path)) as still:
        assert still.frame.rotation == 90
        pixels = still.pixels(None)
        assert still.pixels(24).shape == (64, 24, 3)
    assert pixels.shape == (128, 48, 3)
    assert pixels[:, :12].min() > 235 and pixels[:, 20:].max() < 25


def test_colors_are_those_of_stills(tmp_path: Path):
    """Of a film in HD that does not tell its matrix, and of one of a phone in HLG with 10 bits."""
    for name, pixels, tags, red in (
        ("hd.mkv", "yuv420p", {}, (63, 102, 240)),  # BT.709, limited range
        ("hlg.mkv", "yuv420p10le", {"color_trc": 18, "color_primaries": 9, "colorspace": 9}, None),
    ):
        with av.open(str(tmp_path / name), "w") as container:
            stream = container.add_stream("ffv1", rate=20)
            stream.width, stream.height, stream.pix_fmt = 1280, 720, pixels
            for tag, value in tags.items():
                setattr(stream.codec_context, tag, value)
            frame = av.VideoFrame(1280, 720, pixels)
            for plane, value in zip(frame.planes, red or (721, 512, 512), strict=True):
                kind = np.uint8 if red else np.uint16
                plane.update(np.full(plane.buffer_size // kind(0).nbytes, value, kind).tobytes())
            for tag, value in tags.items():
                setattr(frame, tag, value)
            container.mux(stream.encode(frame))
            container.mux(stream.encode())
        with open_still(str(tmp_path / name)) as still:
            color = still.pixels(90).reshape(-1, 3).mean(axis=0)
        assert still.pixels(90).shape == (90, 160, 3)
        expected: Any = (255, 0, 0)
        if not red:
            space = color_space(9, 18)
            assert space is not None
            expected = 255 * space.to_srgb(np.full((1, 1, 3), 657 / 876, np.float32))[0, 0]
        np.testing.assert_allclose(color, expected, atol=1.5)


# --- cameras, and what goes wrong with them --------------------------------------------------


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend a system with cameras: the names of its devices, and what opening one does."""

    def pretend(platform: str = "linux", devices: tuple[str, ...] = (), opened: Any = None) -> None:
        listed = [
            SimpleNamespace(name=name, description=f"Camera of {name}", media_types=kinds)
            for name, kinds in [*((name, ["video"]) for name in devices), ("hw:0", ["audio"])]
        ]
        fake = SimpleNamespace(
            error=av.error, enumerate_input_devices=lambda format: listed, open=opened
        )
        monkeypatch.setattr(cameras, "library", lambda: fake)
        monkeypatch.setattr(cameras.sys, "platform", platform)

    return pretend


def test_list_of_cameras(system: Callable[..., None]):
    system(devices=("/dev/video2", "/dev/video0"))
    assert [(each.number, each.name) for each in list_cameras()] == [
        (0, "Camera of /dev/video0"),
        (2, "Camera of /dev/video2"),
    ]
    system("win32", devices=("HD Cam", "Other"))
    assert [each.number for each in list_cameras()] == [0, 1]
    system()
    assert list_cameras() == ()
    system("plan9")
    with pytest.raises(VideoError, match="plan9"):
        list_cameras()


@pytest.mark.parametrize(
    ("platform", "device", "address"),
    [
        ("linux", "/dev/video0", "/dev/video0"),
        ("darwin", "FaceTime HD", "0:none"),
        ("win32", "HD Cam", "video=HD Cam"),
    ],
)
def test_a_camera_is_asked_for_less_until_it_agrees(
    system: Callable[..., None], platform: str, device: str, address: str
):
    asked = []

    def opened(name: str, **how: Any) -> Any:
        assert name == address and how["format"] == cameras._SYSTEMS[platform].format
        asked.append(how["options"].get("video_size"))
        if asked[-1] == "1280x720":
            raise av.error.OSError(errno.EIO, "Input/output error")
        return av.open("testsrc2=size=640x480:rate=25", format="lavfi")

    system(platform, (device,), opened)
    camera = open_camera("0")
    assert asked == ["1280x720", "640x480"]
    assert (camera.name, camera.width, camera.rate) == (f"camera 0 (Camera of {device})", 640, 25)
    assert not camera.paced
    camera.close()


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EBUSY, "camera 0 (Camera of /dev/video0): is in use by another program: close that"),
        (errno.EACCES, "camera 0 (Camera of /dev/video0): you have no permission to use it: add"),
        (errno.ENODEV, "there is no camera 0; choose 0 (Camera of /dev/video0)"),
        (errno.EIO, "camera 0 (Camera of /dev/video0): cannot be opened (Bad): reconnect it"),
    ],
)
def test_cameras_that_cannot_be_opened(system: Callable[..., None], number: int, says: str):
    tries = []

    def refuse(name: str, **how: Any) -> Any:
        tries.append(how)
        raise av.error.OSError(number, "Bad", name)

    system(devices=("/dev/video0",), opened=refuse)
    with pytest.raises(VideoError) as found:
        open_camera(0)
    assert str(found.value).startswith(says) and "\n" not in str(found.value)
    assert len(tries) == (3 if number == errno.EIO else 1)


def test_a_number_that_no_camera_has(system: Callable[..., None]):
    system(devices=("/dev/video0",))
    with pytest.raises(VideoError, match=r"no camera 3; choose 0 \(Camera of"):
        open_camera(3)
    system("win32")
    with pytest.raises(VideoError, match="there is no camera 0, nor any other: connect one"):
        open_camera(0)


def test_a_camera_that_is_unplugged(quick: Stylizer, system: Callable[..., None]):
    """The frames before it are painted, then its line is raised where the frames are used."""
    inner = av.open("testsrc2=size=32x32:rate=30", format="lavfi")

    class Unplugged:
        streams, close = inner.streams, inner.close

        def demux(self, stream: Any) -> Iterator[Any]:
            yield from islice(inner.demux(stream), 3)
            time.sleep(0.2)
            raise av.error.OSError(errno.ENODEV, "No such device")

    system(devices=("/dev/video0",), opened=lambda name, **how: Unplugged())
    settings = LiveSettings((quick.prepare(STYLE, Controls(), READ),))
    seen = []
    with (
        pytest.raises(VideoError, match=r"no more frames \(No such device\): it was unpl"),
        LiveFrames(quick, open_camera(0), settings) as frames,
    ):
        seen.extend(frames)
    assert seen and seen[-1].number == 2


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("gone.mp4", "gone.mp4: does not exist, and is neither a camera number nor an"),
        ("lavfi:nosuch", "lavfi:nosuch: cannot be opened (Filter not found)"),
        ("lavfi:sine", "lavfi:sine: has no video; give"),
        (__file__, f"{__file__}: cannot be opened (Invalid data found"),
        ("rtsp://me:secret@127.0.0.1:9/x", "rtsp://127.0.0.1:9/x: cannot be opened (Connection"),
    ],
)
def test_sources_that_are_none(source: str, says: str):
    with pytest.raises(VideoError) as found:
        open_camera(source)
    assert str(found.value).startswith(says)
    assert "\n" not in str(found.value) and "secret" not in str(found.value)


def test_an_address_that_says_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cameras, "_SECONDS_TO_OPEN", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/live.mjpg"
        with pytest.raises(VideoError, match=r"no data for 0\.3 s\): check the address"):
            open_camera(address)


def test_no_pyav(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImpastoError, match=r"pip install 'impasto\[video\]'"):
        open_camera(0)
