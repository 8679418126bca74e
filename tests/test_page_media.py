"""Camera and films in the page: a real browser, its fake camera, and films made by PyAV."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import clips
import numpy as np
import pytest
from browser import PACKAGES, PAGE, needs_browser, needs_packages, served
from film_files import HEIGHT, FilmFiles, Settings, facts, number_in, write_film
from numpy.typing import NDArray
from PIL import Image
from test_page_painting import write_site
from test_page_shell import POLICY

from impasto.video.frames import Frame

pytest.importorskip("av")
from impasto.video.reading import open_film as open_film_by_python

pytestmark = [needs_browser, needs_packages]

FILMS = "packages/mediabunny.min.mjs"

# A painter that turns colors around, so that it can be seen that it has painted; it counts the
# frames that it has at the same time, and closes them, as painters do.
SCRIPT = """
window.frames = { now: 0, most: 0, all: 0, sizes: [], looks: [] };
window.invert = true;
window.pause = 0;
window.wrong = null;
window.painter = {
  home: "device",
  async paintFrame(frame, look) {
    frames.now += 1;
    frames.all += 1;
    frames.most = Math.max(frames.most, frames.now);
    frames.sizes.push([frame.width, frame.height]);
    frames.looks.push(look.alpha);
    try {
      if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
      if (wrong) throw Object.assign(new Error(wrong), { name: "PaintError" });
      const canvas = new OffscreenCanvas(frame.width, frame.height);
      const context = canvas.getContext("2d");
      if (invert) context.filter = "invert(1)";
      context.drawImage(frame, 0, 0);
      frame.close();
      return canvas.transferToImageBitmap();
    } finally {
      frames.now -= 1;
    }
  },
};
window.site = { films: "packages/mediabunny.min.mjs" };
window.look = {
  model: "fast", styles: ["wave"], weights: [1], masks: [], alpha: 1, color: null, coarse: 1,
  styleSize: 512,
};
window.textOf = async (blob) => {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
};
window.shown = async (element) => {
  const { width, height } = element;
  const canvas = new OffscreenCanvas(width, height);
  canvas.getContext("2d").drawImage(element, 0, 0);
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  return { width, height, data: await textOf(new Blob([data])) };
};
null; // what is evaluated last is called
"""
HTML = """<!doctype html>
<html lang="en">
<title>Camera and films</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="base.css">
<link rel="stylesheet" href="media/media.css">
</html>
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our modules, mediabunny and an empty page, served as a static site is."""
    blank = tmp_path_factory.mktemp("blank")
    (blank / "panels.html").write_text(HTML)
    roots = {
        "/": PAGE,
        "/base.css": PAGE.parent / "base.css",
        "/packages": PACKAGES / "mediabunny/dist/bundles",
        "/panels.html": blank / "panels.html",
    }
    with served(roots, POLICY) as found:
        yield found


@contextmanager
def opened(browser: Any, address: str) -> Iterator[Any]:
    """A page with our painter; what goes wrong in it without being shown fails the test."""
    context = browser.new_context(permissions=["camera"], accept_downloads=True)
    found = context.new_page()
    problems: list[str] = []
    found.on("pageerror", lambda error: problems.append(str(error)))
    found.goto(f"{address}/panels.html")
    found.evaluate(SCRIPT)
    yield found
    context.close()
    assert problems == []


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    with opened(browser, address) as found:
        yield found


def add_panel(page: Any, name: str) -> None:
    page.evaluate(
        """async (name) => {
          await import(`./media/${name}.js`);
          const panel = document.createElement(`${name}-panel`);
          Object.assign(panel, { painter, look, site });
          document.body.style.height = "100vh";
          document.body.append(panel);
          window.panel = panel;
        }""",
        name,
    )


def until(page: Any, condition: str, seconds: float = 20) -> None:
    """Wait for a condition: playwright's own way evaluates a text, which the page forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(f"() => Boolean({condition})"):
        assert time.monotonic() < end, f"waited {seconds} s for {condition}"
        page.wait_for_timeout(30)


def picture_of(found: Any) -> NDArray[np.uint8]:
    array = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return array.reshape(found["height"], found["width"], 4)[..., :3]


# Films.


@pytest.fixture(scope="module")
def film_page(browser: Any, address: str) -> Iterator[Any]:
    """One page for many films, one after the other."""
    with opened(browser, address) as found:
        add_panel(found, "film")
        yield found


def open_film(page: Any, path: Path) -> None:
    page.locator("film-panel input[type=file]").set_input_files(str(path))
    until(page, "panel.state === 'ready' || panel.state === 'failed'")


def press(page: Any, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def painted_film(page: Any, path: Path, result: Path) -> Path:
    """The result of the panel, as a person gets it."""
    open_film(page, path)
    press(page, "Paint the film")
    until(page, "panel.state === 'done' || panel.state === 'failed'", 60)
    assert page.evaluate("panel.state") == "done", page.locator("film-panel").inner_text()
    with page.expect_download() as waiting:
        press(page, "Save the film")
    waiting.value.save_as(result)
    return result


def read_film(path: Path) -> tuple[list[float], list[NDArray[Any]]]:
    """Times and upright frames, by our own reader."""
    with open_film_by_python(path, max_pixels=1 << 24) as film:
        frames = [each for each in film.frames() if isinstance(each, Frame)]
    return [float(each.time) for each in frames], [each.image for each in frames]


def sound_of(path: Path) -> list[str]:
    """The MD5 of the packets of each sound track."""
    streams = facts(path)["streams"]
    return [each["md5"] for each in streams if each["kind"] == "audio"]


KEPT = {
    "plain.mp4": 1,
    "plain.ts": 1,
    "pcm.mkv": 1,
    "opus.mkv": 1,
    "vfr.mp4": 1,
    "rotated90.mp4": 1,
    "rotated270.mp4": 1,
    "full.mp4": 1,
    "bt601.mp4": 1,
    "tracks.mp4": 2,
    "alpha.webm": 1,
    "late.mkv": 1,
    "one-frame.mp4": 0,
}
"""Films, and their sound tracks."""


@pytest.mark.parametrize("name", KEPT)
def test_films_keep_frames_times_shape_colors_and_sound(
    film_page: Any, films: FilmFiles, tmp_path: Path, name: str
) -> None:
    film_page.evaluate("window.invert = false; frames.most = 0")
    source = films(name)
    result = painted_film(film_page, source, tmp_path / "result.mp4")
    times, images = read_film(source)
    found, painted = read_film(result)
    assert len(found) == len(times)
    assert np.abs(np.subtract(found, times)).max() < 1.1e-3
    assert [number_in(image) for image in painted] == [number_in(image) for image in images]
    told, wanted = facts(result), facts(source)
    height, width = images[0].shape[:2]
    if wanted["aspect"]:  # pixels become square, along the width of the camera's picture
        long = int(width * wanted["aspect"]), int(height * wanted["aspect"])
        height, width = (long[1], width) if wanted["rotation"] % 180 else (height, long[0])
    assert {image.shape for image in painted} == {(height, width, 3)}
    shown = HEIGHT // 2 if name == "alpha.webm" else height  # below, black shines through
    for image, original in zip(painted, images, strict=True):
        square = np.asarray(Image.fromarray(original).resize((width, height)))
        error = image[:shown].astype(int) - square[:shown]
        assert np.abs(error.mean((0, 1))).max() < 1.5
        assert np.abs(error).mean() < 6
    assert sound_of(result) == sound_of(source)
    assert len(sound_of(result)) == KEPT[name]
    assert told["tags"][::2] == (1, 1)  # BT.709
    assert told["rotation"] == 0
    assert film_page.evaluate("frames.most") <= 2


def test_a_film_of_a_camera_is_painted_whole(page: Any, tmp_path: Path) -> None:
    """A clip of real photographs, with sound that fits, in its own size and in a smaller one."""
    clip = clips.pan(clips.Size(height=180, width=320, count=24))
    source, result = tmp_path / "boat.mp4", tmp_path / "result.mp4"
    times = tuple(Fraction(n, 30) for n in range(24))
    write_film(source, Settings(size=(180, 320), times=times), clip.frames)
    add_panel(page, "film")
    painted_film(page, source, result)
    found, painted = read_film(result)
    assert found == pytest.approx([float(time) for time in times], abs=2e-4)
    for image, frame in zip(painted, clip.frames, strict=True):
        assert np.abs(image.astype(int) - (255 - frame.astype(int))).mean() < 8  # turned around
    assert sound_of(result) == sound_of(source)
    words = page.locator("film-panel").inner_text()
    assert "24 frames painted in 0:0" in words
    assert page.evaluate("document.querySelector('video').videoWidth") == 320


def test_the_name_of_the_result_says_film_and_style(page: Any, films: FilmFiles) -> None:
    add_panel(page, "film")
    open_film(page, films("plain.mp4"))
    page.evaluate("panel.addEventListener('film', ({ detail }) => { window.kept = detail; })")
    press(page, "Paint the film")
    until(page, "window.kept")
    assert page.evaluate("[kept.name, kept.type]") == ["plain-wave.mp4", "video/mp4"]


def test_a_smaller_size_is_even_on_both_sides(page: Any, tmp_path: Path) -> None:
    source, result = tmp_path / "wide.mp4", tmp_path / "result.mp4"
    write_film(source, Settings(size=(300, 534), times=(Fraction(0), Fraction(1, 30)), sounds=()))
    add_panel(page, "film")
    open_film(page, source)
    titles = page.get_by_label("Size").locator("option").all_inner_texts()
    assert titles == ["256 px", "300 px (full)"]
    page.get_by_label("Size").select_option("256")
    press(page, "Paint the film")
    until(page, "panel.state === 'done'")
    with page.expect_download() as waiting:
        press(page, "Save the film")
    waiting.value.save_as(result)
    _, images = read_film(result)
    assert images[0].shape == (256, 456, 3)


def test_a_frame_is_shown_in_every_look_before_the_film_is_painted(
    page: Any, films: FilmFiles
) -> None:
    """The newest look wins: a slider that moves quickly is not painted at every place."""
    add_panel(page, "film")
    open_film(page, films("long.mp4"))
    until(page, "frames.all === 1 && frames.now === 0")
    page.evaluate("window.pause = 100")
    page.evaluate("for (let n = 1; n <= 20; n++) panel.look = { ...look, alpha: n / 20 }")
    until(page, "frames.looks.at(-1) === 1 && frames.now === 0")
    assert page.evaluate("frames.all") <= 3
    page.evaluate("window.pause = 0")
    slider = page.get_by_label("Frame shown")
    for place, number in ((0, 0), (0.5, 60), (1, 119)):
        before = page.evaluate("frames.all")
        slider.evaluate(
            """(slider, place) => {
              slider.value = place;
              slider.dispatchEvent(new Event("input"));
            }""",
            place,
        )
        until(page, f"frames.all > {before} && frames.now === 0")
        page.wait_for_timeout(50)
        shown = picture_of(page.evaluate("shown(document.querySelector('canvas'))"))
        assert number_in(255 - shown) == number
    assert slider.get_attribute("aria-valuetext") == "0:04 of 0:04"


def test_cancel_stops_at_once_and_the_film_can_be_painted_again(
    page: Any, films: FilmFiles
) -> None:
    add_panel(page, "film")
    open_film(page, films("long.mp4"))
    page.evaluate("window.pause = 40")
    press(page, "Paint the film")
    until(page, "frames.all > 8")
    assert "Frame " in page.locator("film-panel").inner_text()
    share = page.locator("progress").evaluate("(line) => line.value")
    assert 0 < share < 0.5
    press(page, "Cancel")
    until(page, "panel.state === 'ready'", 5)
    page.wait_for_timeout(300)
    painted = page.evaluate("frames.all")
    page.wait_for_timeout(300)
    assert page.evaluate("frames.all") == painted
    page.evaluate("window.pause = 0")
    press(page, "Paint the film")
    until(page, "panel.state === 'done'", 60)
    press(page, "Paint again")
    assert page.evaluate("panel.state") == "ready"


def test_leaving_stops_the_painting(page: Any, films: FilmFiles) -> None:
    add_panel(page, "film")
    open_film(page, films("long.mp4"))
    page.evaluate("window.pause = 40")
    press(page, "Paint the film")
    until(page, "frames.all > 4")
    page.evaluate("panel.remove()")
    page.wait_for_timeout(300)
    painted = page.evaluate("frames.all")
    page.wait_for_timeout(300)
    assert page.evaluate("frames.all") == painted


SENTENCES = {
    "sound.m4a": "sound.m4a has no picture, only sound.",
    "no-frame.mkv": "no-frame.mkv has no picture.",
    "cut-short.mp4": "cut-short.mp4 is damaged, or not a supported film",
    "pcm.avi": "pcm.avi is damaged, or not a supported film",
    "pq.mkv": "pq.mkv is in HEVC, which this browser cannot read: use impasto video",
    "odd.mkv": "which this browser cannot read: use impasto video on the command line.",
}


@pytest.mark.parametrize("name", SENTENCES)
def test_films_that_cannot_be_read_get_one_sentence(
    film_page: Any, films: FilmFiles, name: str
) -> None:
    open_film(film_page, films(name))
    alarm = film_page.get_by_role("alert")
    assert SENTENCES[name] in alarm.inner_text()
    assert alarm.inner_text().endswith(".")


def test_a_damaged_film_says_behind_which_frame(film_page: Any, films: FilmFiles) -> None:
    open_film(film_page, films("damaged.mkv"))
    press(film_page, "Paint the film")
    until(film_page, "panel.state === 'failed'")
    words = film_page.get_by_role("alert").inner_text()
    assert "damaged.mkv is damaged, or too large for this browser, after frame 1" in words


def test_what_the_painter_cannot_do_is_shown(page: Any, films: FilmFiles) -> None:
    add_panel(page, "film")
    open_film(page, films("plain.mp4"))
    until(page, "frames.all === 1 && frames.now === 0")
    page.evaluate("window.wrong = 'The server is busy: try again in a minute.'")
    press(page, "Paint the film")
    until(page, "panel.state === 'failed'")
    assert page.get_by_role("alert").inner_text() == "The server is busy: try again in a minute."


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        (
            "site.films = null",
            "This page cannot paint films: use impasto video on the command line.",
        ),
        (
            "delete window.VideoEncoder",
            "This browser cannot paint films (it has no WebCodecs)",
        ),
        ("site.films = 'nowhere.js'", "A part of the page could not be loaded: are you online?"),
    ],
)
def test_without_what_it_needs_the_panel_says_so(
    page: Any, films: FilmFiles, setting: str, words: str
) -> None:
    page.evaluate(setting)
    add_panel(page, "film")
    open_film(page, films("plain.mp4"))
    assert words in page.get_by_role("alert").inner_text()


# The camera.

STREAMS = """
window.streams = [];
window.wishes = [];
const own = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (wish) => {
  wishes.push(wish);
  const stream = await own(wish);
  streams.push(stream);
  return stream;
};
window.running = () => streams.flatMap((each) => each.getTracks())
  .filter((track) => track.readyState === "live").length;
null;
"""

TWO_COLORS = """
const canvas = document.createElement("canvas");
[canvas.width, canvas.height] = [640, 360];
const context = canvas.getContext("2d");
const draw = () => {
  context.fillStyle = "#f00";
  context.fillRect(0, 0, 320, 360);
  context.fillStyle = "#00f";
  context.fillRect(320, 0, 320, 360);
};
setInterval(draw, 50);
window.invert = false;
navigator.mediaDevices.getUserMedia = async () => canvas.captureStream(20);
null;
"""


def start_camera(page: Any) -> None:
    page.evaluate(STREAMS)
    add_panel(page, "camera")
    press(page, "Start the camera")
    until(page, "frames.all > 2")


def test_the_camera_is_painted_and_stops_when_told(page: Any) -> None:
    start_camera(page)
    assert page.evaluate("running()") == 1
    until(page, "panel.rate >= 3")  # of the frames of the fake camera, with a painter like this
    assert page.evaluate("frames.most") <= 2
    assert page.evaluate("Math.min(...frames.sizes.at(-1))") == 256
    until(page, "/^[0-9]+[.][0-9] frames.s$/.test(panel.querySelector('.camera-panel-rate').value)")
    shown = picture_of(page.evaluate("shown(document.querySelector('canvas'))"))
    assert shown.std() > 10
    page.get_by_label("Size").select_option("384")
    until(page, "Math.min(...frames.sizes.at(-1)) === 384")
    press(page, "Stop")
    assert page.evaluate("[running(), panel.state]") == [0, "idle"]
    press(page, "Start the camera")
    until(page, "panel.state === 'live'")
    assert page.evaluate("running()") == 1


@pytest.mark.parametrize(
    "leave",
    ["panel.remove()", "window.dispatchEvent(new PageTransitionEvent('pagehide'))"],
)
def test_leaving_stops_the_camera(page: Any, leave: str) -> None:
    start_camera(page)
    page.evaluate(leave)
    assert page.evaluate("running()") == 0


def test_a_page_that_is_hidden_for_long_lets_go_of_the_camera(page: Any) -> None:
    page.clock.install()
    start_camera(page)
    hide = """(state) => {
      Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, "hidden")
    page.clock.run_for(15_000)
    page.evaluate(hide, "visible")
    page.clock.run_for(15_000)
    assert page.evaluate("running()") == 1
    page.evaluate(hide, "hidden")
    page.clock.run_for(21_000)
    assert page.evaluate("running()") == 0


def test_a_camera_that_is_allowed_too_late_is_let_go(page: Any) -> None:
    page.evaluate(STREAMS)
    page.evaluate(
        """() => {
          const quick = navigator.mediaDevices.getUserMedia;
          navigator.mediaDevices.getUserMedia = async (wish) => {
            await new Promise((resolve) => { window.allow = resolve; });
            return quick(wish);
          };
        }"""
    )
    add_panel(page, "camera")
    press(page, "Start the camera")
    until(page, "panel.state === 'asking' && Boolean(window.allow)")
    page.evaluate("panel.stop()")
    page.evaluate("allow()")
    until(page, "streams.length === 1 && running() === 0")
    assert page.evaluate("[frames.all, panel.state]") == [0, "idle"]


def test_the_newest_frame_wins_and_none_waits(page: Any) -> None:
    page.evaluate("window.pause = 250")
    start_camera(page)
    page.wait_for_timeout(1500)
    assert page.evaluate("frames.most") == 1
    assert page.evaluate("frames.all") < 12
    assert 0 < page.evaluate("panel.rate") < 4.5
    page.evaluate("window.pause = 50")
    until(page, "frames.most === 2")  # a quick painter never waits for a frame


def test_a_snapshot_has_the_size_of_the_camera(page: Any, tmp_path: Path) -> None:
    start_camera(page)
    page.evaluate("window.pause = 100")
    with page.expect_download() as waiting:
        press(page, "Snapshot")
    name = waiting.value.suggested_filename
    assert name.startswith("impasto-20")
    waiting.value.save_as(tmp_path / name)
    with Image.open(tmp_path / name) as image:
        assert image.format == "PNG"
        size = page.evaluate("[panel, streams[0]][1].getVideoTracks()[0].getSettings()")
        assert image.size == (size["width"], size["height"])
        assert min(image.size) > 256
    assert name in page.locator(".media-kept").inner_text()
    assert page.evaluate("frames.most") <= 2
    page.evaluate(
        """panel.addEventListener("snapshot", (event) => {
          event.preventDefault();
          window.taken = event.detail;
        })"""
    )
    press(page, "Snapshot")
    until(page, "window.taken")
    assert page.evaluate("[taken instanceof Blob, taken.type]") == [True, "image/png"]
    assert page.evaluate("panel.state") == "live"


def test_what_is_shown_can_be_recorded(page: Any, tmp_path: Path) -> None:
    import av

    start_camera(page)
    press(page, "Record")
    page.wait_for_timeout(600)
    page.get_by_label("Size").select_option("512")  # a film keeps its size
    until(page, "document.querySelector('.camera-panel-recording').value >= '● 0:02'")
    press(page, "Stop recording")
    with page.expect_download() as waiting:
        press(page, "Save the film")
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    assert path.suffix in (".mp4", ".webm")
    with av.open(str(path)) as film:
        frames = list(film.decode(video=0))
    assert {min(frame.width, frame.height) for frame in frames} == {256}
    assert len(frames) > 5
    assert 1 < float(frames[-1].time - frames[0].time) < 8
    assert page.evaluate("panel.state") == "live"


def test_a_recording_survives_the_end_of_the_camera(page: Any) -> None:
    start_camera(page)
    press(page, "Record")
    page.wait_for_timeout(500)
    press(page, "Stop")
    page.get_by_role("button", name="Save the film").wait_for()


def test_mirror_turns_what_is_shown(page: Any) -> None:
    page.evaluate(TWO_COLORS)
    add_panel(page, "camera")
    press(page, "Start the camera")
    mirror = page.get_by_role("button", name="Mirror")
    for pressed, left in (("true", [0, 0, 255]), ("false", [255, 0, 0])):
        until(page, "frames.all > 2")
        assert mirror.get_attribute("aria-pressed") == pressed
        page.wait_for_timeout(300)
        shown = picture_of(page.evaluate("shown(document.querySelector('canvas'))"))
        assert np.abs(shown[:, : shown.shape[1] // 3].mean((0, 1)) - left).max() < 8
        assert shown.shape == (256, 456, 3)
        mirror.click()


def test_the_other_camera_is_asked_for(page: Any) -> None:
    page.evaluate(STREAMS)
    page.evaluate(
        """() => {
          let at = 0;
          const settings = MediaStreamTrack.prototype.getSettings;
          MediaStreamTrack.prototype.getSettings = function () {
            const facing = wishes.at(-1).video.facingMode;
            return { ...settings.call(this), facingMode: facing };
          };
          const cameras = ["front", "back"].map((deviceId) => ({ kind: "videoinput", deviceId }));
          navigator.mediaDevices.enumerateDevices = async () => cameras;
        }"""
    )
    add_panel(page, "camera")
    press(page, "Start the camera")
    until(page, "panel.state === 'live'")
    mirror = page.get_by_role("button", name="Mirror")
    for wish, mirrored in (("environment", "false"), ("user", "true")):
        press(page, "Switch camera")
        until(page, f"panel.state === 'live' && wishes.at(-1).video.facingMode === '{wish}'")
        assert mirror.get_attribute("aria-pressed") == mirrored
        assert page.evaluate("running()") == 1


CAMERA_SENTENCES = {
    "NotAllowedError": "Camera access was denied: allow it for this page in your browser's "
    "settings",
    "NotFoundError": "There is no camera on this device.",
    "NotReadableError": "The camera cannot be opened: close other programs that use it",
}


@pytest.mark.parametrize("name", CAMERA_SENTENCES)
def test_without_a_camera_there_is_one_sentence(page: Any, name: str) -> None:
    page.evaluate(
        """(name) => {
          navigator.mediaDevices.getUserMedia = async () => {
            throw new DOMException("of the browser's own", name);
          };
        }""",
        name,
    )
    add_panel(page, "camera")
    press(page, "Start the camera")
    until(page, "panel.state === 'failed'")
    words = page.get_by_role("alert").inner_text()
    assert words.startswith(CAMERA_SENTENCES[name])
    assert "of the browser's own" not in words
    assert words.endswith(".") and "\n" not in words
    assert page.get_by_role("button", name="Try again").is_visible()


def test_an_address_without_https_is_told(page: Any) -> None:
    page.evaluate(
        """() => {
          Object.defineProperty(navigator, "mediaDevices", { value: undefined });
          Object.defineProperty(window, "isSecureContext", { value: false });
        }"""
    )
    add_panel(page, "camera")
    press(page, "Start the camera")
    assert "open this page with https:// or at localhost." in page.get_by_role("alert").inner_text()


def test_what_goes_wrong_with_the_camera_ends_it_with_a_sentence(page: Any) -> None:
    start_camera(page)
    page.evaluate("window.wrong = 'The server is busy: try again in a minute.'")
    until(page, "panel.state === 'failed'")
    assert page.get_by_role("alert").inner_text() == "The server is busy: try again in a minute."
    assert page.evaluate("running()") == 0
    page.evaluate("window.wrong = null")
    press(page, "Try again")
    until(page, "panel.state === 'live'")
    page.evaluate(
        """() => {
          const [track] = streams.at(-1).getVideoTracks();
          track.stop();
          track.dispatchEvent(new Event("ended"));
        }"""
    )
    assert "The camera is gone" in page.get_by_role("alert").inner_text()


# Both.


def serious_issues(page: Any) -> list[str]:
    """What axe-core finds that keeps people out."""
    if not page.evaluate("Boolean(window.axe)"):
        page.evaluate((PACKAGES / "axe-core/axe.min.js").read_text())
    found: list[str] = page.evaluate(
        """async () => {
          const { violations } = await axe.run(panel);
          return violations
            .filter(({ impact }) => ["serious", "critical"].includes(impact))
            .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html)}`);
        }"""
    )
    return found


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_state_keeps_people_out(page: Any, films: FilmFiles, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    start_camera(page)
    press(page, "Record")
    page.wait_for_timeout(500)
    assert serious_issues(page) == []
    press(page, "Stop")
    page.get_by_role("button", name="Save the film").wait_for()
    assert serious_issues(page) == []
    page.evaluate("panel.remove()")
    add_panel(page, "film")
    assert serious_issues(page) == []
    open_film(page, films("plain.mp4"))
    assert serious_issues(page) == []
    page.evaluate("window.pause = 200")
    press(page, "Paint the film")
    until(page, "panel.state === 'painting'")
    assert serious_issues(page) == []
    page.evaluate("window.pause = 0")
    until(page, "panel.state === 'done'")
    assert serious_issues(page) == []
    open_film(page, films("sound.m4a"))
    assert serious_issues(page) == []


# With the painter of the page itself.


@pytest.fixture(scope="module")
def real_page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page as `impasto page build` lays it out, with its painter opened."""
    folder = tmp_path_factory.mktemp("site")
    write_site(folder)
    (folder / "panels.html").write_text(HTML)
    roots = {
        "/": PAGE,
        "/base.css": PAGE.parent / "base.css",
        "/packages": PACKAGES / "mediabunny/dist/bundles",
        "/runtime": PACKAGES / "onnxruntime-web/dist",
        "/fast": folder / "fast",
        "/site.json": folder / "site.json",
        "/panels.html": folder / "panels.html",
    }
    with served(roots, POLICY) as address:
        context = browser.new_context(permissions=["camera"], accept_downloads=True)
        found = context.new_page()
        found.goto(f"{address}/panels.html")
        found.evaluate(SCRIPT)
        found.evaluate(STREAMS)
        found.evaluate(
            """async () => {
              const { openPainter } = await import("./painters/open.js");
              const real = await openPainter();
              const [style] = await real.styles("fast");
              look.styles = [style.id];
              window.painter = {
                home: real.home,
                site: real.site,
                async paintFrame(frame, look) {
                  frames.sizes.push([frame.width, frame.height]);
                  frames.now += 1;
                  frames.most = Math.max(frames.most, frames.now);
                  try {
                    const painted = await real.paintFrame(frame, look);
                    frames.all += 1;
                    return painted;
                  } finally {
                    frames.now -= 1;
                  }
                },
              };
            }"""
        )
        yield found
        context.close()


def test_the_camera_is_painted_in_a_style_at_3_frames_a_second(real_page: Any) -> None:
    """Or at most of what the painter does alone, where the machine has much else to do."""
    alone = real_page.evaluate(
        """async () => {
          const paint = async () => {
            const canvas = new OffscreenCanvas(342, 256);
            const noise = new ImageData(342, 256);
            noise.data.forEach((_, at) => {
              noise.data[at] = at % 4 === 3 ? 255 : (at * at) % 251;
            });
            canvas.getContext("2d").putImageData(noise, 0, 0);
            (await painter.paintFrame(canvas.transferToImageBitmap(), look)).close();
          };
          await paint();
          const began = performance.now();
          for (let n = 0; n < 6; n++) await paint();
          return 6000 / (performance.now() - began);
        }"""
    )
    real_page.evaluate("Object.assign(frames, { all: 0, most: 0 })")
    add_panel(real_page, "camera")
    press(real_page, "Start the camera")
    until(real_page, "frames.all > 3", 60)
    until(real_page, f"panel.rate >= {min(3, 0.6 * alone)}")
    print(f"alone {alone:.1f}, camera {real_page.evaluate('panel.rate'):.1f} frames/s")
    assert real_page.evaluate("frames.sizes.at(-1)") == [342, 256]
    assert real_page.evaluate("frames.most") <= 2
    shown = picture_of(real_page.evaluate("shown(document.querySelector('canvas'))"))
    assert shown.shape == (256, 342, 3)
    assert shown.std() > 10
    real_page.evaluate("panel.remove()")
    assert real_page.evaluate("running()") == 0


def test_a_film_is_painted_in_a_style(real_page: Any, tmp_path: Path) -> None:
    source, result = tmp_path / "boat.mp4", tmp_path / "result.mp4"
    write_film(source, Settings(times=tuple(Fraction(n, 30) for n in range(6))))
    add_panel(real_page, "film")
    painted_film(real_page, source, result)
    times, images = read_film(source)
    found, painted = read_film(result)
    assert found == pytest.approx(times, abs=2e-4)
    assert sound_of(result) == sound_of(source)
    for image, original in zip(painted, images, strict=True):
        assert image.shape == original.shape
        assert 12 < np.abs(image.astype(int) - original).mean() < 120  # painted, not lost
    real_page.evaluate("panel.remove()")
