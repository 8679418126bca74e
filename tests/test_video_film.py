"""Films from file to file, through the real command: going on after kills, styles over time."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from warm_command import call

import impasto
from impasto.controls import Controls
from impasto.errors import OptionError, VideoError
from impasto.painting import Progress
from impasto.video.film import FilmWork, stylize_video
from impasto.video.options import VideoOptions
from impasto.video.painting import stylize_frames
from impasto.video.timeline import parse_timeline

SIZE = WIDTH, HEIGHT = 96, 64
RATE = 10
PART = 8
STYLE = "munch-scream"


@pytest.fixture(scope="session")
def fast() -> impasto.Stylizer:
    return impasto.load("fast", engine="onnxruntime", threads=1)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pan of 45 frames with sound, in FFV1 and PCM: nothing is lost in it."""
    return write_clip(tmp_path_factory.mktemp("films") / "pan.mkv", 45)


def photograph() -> Image.Image:
    with Image.open("examples/photos/coffee.jpg") as picture:
        return picture.convert("RGB").resize((192, 128), Image.Resampling.LANCZOS)


def frames_of_pan(count: int) -> list[NDArray[np.uint8]]:
    image = np.asarray(photograph())
    return [image[k // 2 : k // 2 + HEIGHT, k : k + WIDTH] for k in range(count)]


def write_clip(path: Path, count: int) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        sound: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        for image in frames_of_pan(count):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
        wave = (3000 * np.sin(np.arange(8000 * count // RATE) / 5)).astype(np.int16)
        for begin in range(0, len(wave), 400):
            samples = wave[None, begin : begin + 400]
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 8000, begin, Fraction(1, 8000)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path


def decoded(path: Path) -> tuple[list[NDArray[np.uint8]], list[Fraction]]:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    times = [frame.pts * frame.time_base for frame in frames]
    return [frame.to_ndarray(format="rgb24") for frame in frames], times


def command(*arguments: object) -> list[str]:
    named = [str(each) for each in arguments]
    return [sys.executable, "-m", "impasto", "video", *named, "--engine", "onnxruntime"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    done = call(*command(*arguments)[1:], timeout=120)
    return subprocess.CompletedProcess(
        done.args, done.returncode, done.stdout.decode(), done.stderr.decode()
    )


def wait_for_parts(folder: Path, count: int, process: subprocess.Popen[Any]) -> None:
    until = time.monotonic() + 60
    while len(list(folder.glob("0*.json"))) < count:
        assert process.poll() is None, "it was through before it could be stopped"
        assert time.monotonic() < until, f"no {count} parts within a minute"
        time.sleep(0.005)


def test_every_frame_is_what_a_picture_would_be(
    clip: Path, fast: impasto.Stylizer, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    made = stylize_video(fast, clip, target, STYLE, video=VideoOptions(codec="ffv1", steady="off"))
    frames, times = decoded(target)
    assert (made.frames, made.width, made.height) == (45, WIDTH, HEIGHT)
    assert times == [Fraction(k, RATE) for k in range(45)]
    for got, image in list(zip(frames, frames_of_pan(45), strict=True))[::9]:
        wanted = np.asarray(fast.stylize(image, STYLE))
        assert np.abs(got.astype(int) - wanted.astype(int)).max() <= 1
    assert not (tmp_path / "out.mkv.part").exists()


def test_a_film_goes_on_after_kill_and_is_the_same(clip: Path, tmp_path: Path) -> None:
    """Also in the middle of steadying, which remembers what came before."""
    options = (clip, "-s", STYLE, "--codec", "ffv1", "--steady", "light")
    whole = tmp_path / "whole.mkv"
    assert run(*options, "-o", whole).returncode == 0
    target = tmp_path / "killed.mkv"
    for parts in (1, 3):
        process = subprocess.Popen(
            command(*options, "-o", target), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for_parts(tmp_path / "killed.mkv.part", parts, process)
        time.sleep(random.random() / 20)
        process.kill()
        process.wait()
        assert not target.exists()
    done = run(*options, "-o", target)
    assert done.returncode == 0, done.stderr
    assert "resuming after" in done.stderr
    one, other = decoded(whole), decoded(target)
    assert one[1] == other[1]
    assert all(np.array_equal(a, b) for a, b in zip(one[0], other[0], strict=True))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["killed.mkv", "whole.mkv"]


def test_all_but_the_last_second_is_safe(
    clip: Path, fast: impasto.Stylizer, tmp_path: Path
) -> None:
    target = tmp_path / "out.mkv"
    for painted in (12, 27, 38):

        def stop(progress: Progress, painted: int = painted) -> None:
            if progress.step == painted:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            stylize_video(fast, clip, target, STYLE, video=VideoOptions(codec="ffv1"), watch=stop)
        records = (tmp_path / "out.mkv.part").glob("0*.json")
        safe = sum(len(json.loads(each.read_text())["times"]) for each in records)
        assert painted - RATE <= safe <= painted


def test_ctrl_c_leaves_nothing_under_the_name_and_a_film_on_request(
    clip: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.mp4"
    process = subprocess.Popen(
        command(clip, "-s", STYLE, "-o", target, "--keep-partial"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for_parts(tmp_path / "out.mp4.part", 2, process)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again to resume" in told
    assert not target.exists()
    frames, times = decoded(tmp_path / "out.partial.mp4")
    assert len(frames) >= 2 * PART
    assert len(frames) % PART == 0
    assert times[0] == 0


def test_numbered_pictures_go_on_after_kill(clip: Path, tmp_path: Path) -> None:
    options = (clip, "-s", STYLE, "--to", "3.5")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = run(*options, "-o", whole)
    assert done.returncode == 0, done.stderr
    assert "pictures cannot hold sound: " in done.stderr
    process = subprocess.Popen(
        command(*options, "-o", killed), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for_parts(tmp_path / "killed.part", 1, process)
    process.kill()
    process.wait()
    begun = (killed / "frame-000001.png").stat().st_mtime_ns
    assert run(*options, "-o", killed).returncode == 0
    names = [f"frame-{number:06d}.png" for number in range(1, 36)]
    assert sorted(each.name for each in killed.iterdir()) == names
    for name in names:
        assert (killed / name).read_bytes() == (whole / name).read_bytes()
    assert (killed / "frame-000001.png").stat().st_mtime_ns == begun  # not painted again
    again = run(*options, "-o", killed)
    assert again.returncode == 2
    assert "picture 1 already exists" in again.stderr
    assert (killed / "frame-000001.png").stat().st_mtime_ns == begun


def test_other_options_do_not_go_on_with_a_film(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mkv"
    process = subprocess.Popen(
        command(clip, "-s", STYLE, "-o", target), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for_parts(tmp_path / "out.mkv.part", 1, process)
    process.kill()
    process.wait()
    other = run(clip, "-s", STYLE, "-o", target, "--alpha", "0.5")
    assert other.returncode == 2
    assert "different controls" in other.stderr
    assert (tmp_path / "out.mkv.part").exists()
    assert run(clip, "-s", STYLE, "-o", target, "--alpha", "0.5", "--overwrite").returncode == 0


def test_a_part_of_a_film_begins_at_0_with_its_sound(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "cut.mkv"
    done = run(
        clip, "-s", STYLE, "--from", "0:01.2", "--to", "2.5", "--codec", "ffv1", "-o", target
    )
    assert done.returncode == 0, done.stderr
    frames, times = decoded(target)
    assert len(frames) == 13
    assert times == [Fraction(k, RATE) for k in range(13)]
    with av.open(str(target)) as container:
        sound = sum(frame.samples for frame in container.decode(audio=0))
    assert abs(sound / 8000 - 1.3) <= 0.05


def test_a_style_begins_at_its_time(clip: Path, fast: impasto.Stylizer, tmp_path: Path) -> None:
    target = tmp_path / "two.mkv"
    timeline = parse_timeline(["1=monet-waterlilies"], ["2=1", "4=0"], first=STYLE)
    video = VideoOptions(codec="ffv1", steady="off", timeline=timeline)
    stylize_video(fast, clip, target, video=video)
    frames, _ = decoded(target)
    photos = frames_of_pan(45)
    looks = {9: (STYLE, 1.0), 10: ("monet-waterlilies", 1.0), 30: ("monet-waterlilies", 0.5)}
    for number, (style, alpha) in looks.items():
        wanted = np.asarray(fast.stylize(photos[number], style, alpha=alpha)).astype(int)
        assert np.abs(frames[number].astype(int) - wanted).max() <= 1, number
    for number in (40, 44):  # the photograph itself
        assert np.abs(frames[number].astype(int) - photos[number]).max() <= 1


def test_a_mask_may_be_a_film(clip: Path, fast: impasto.Stylizer, tmp_path: Path) -> None:
    mask = tmp_path / "mask.mkv"
    with av.open(str(mask), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number in range(45):
            image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            image[:, : WIDTH // 2] = 255 if number < 20 else 0
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    target = tmp_path / "out.mkv"
    stylize_video(
        fast, clip, target, STYLE, Controls(masks=[str(mask)]),
        video=VideoOptions(codec="ffv1", steady="light"),
    )  # fmt: skip
    frames, _ = decoded(target)
    photos = frames_of_pan(45)
    changed = np.abs(frames[5].astype(int) - photos[5])
    assert changed[:, : WIDTH // 2 - 4].mean() > 8
    assert changed[:, WIDTH // 2 + 4 :].mean() < 4  # what denoising may change
    assert np.abs(frames[30].astype(int) - photos[30]).max() <= 1  # the mask is empty there


def test_arrays_come_back_as_they_are(fast: impasto.Stylizer) -> None:
    arrays = frames_of_pan(7)
    painted = list(stylize_frames(fast, iter(arrays), STYLE, steady="off"))
    assert len(painted) == 7
    for got, array in zip(painted, arrays, strict=True):
        assert got.dtype == np.uint8
        assert np.array_equal(got, fast.stylize(array, STYLE))
    opaque = np.dstack([arrays[0], np.full((HEIGHT, WIDTH), 255, np.uint8)])
    (deep,) = stylize_frames(fast, [opaque.astype(np.uint16) * 257], STYLE)
    assert (deep.shape, deep.dtype) == ((HEIGHT, WIDTH, 4), np.uint16)


def test_frames_in_floats_are_painted_as_pictures_in_floats(fast: impasto.Stylizer) -> None:
    arrays = [frame.astype(np.float32) / 255 for frame in frames_of_pan(5)]
    arrays = [np.dstack([frame, np.full((HEIGHT, WIDTH), 0.75, np.float32)]) for frame in arrays]
    painted = list(stylize_frames(fast, arrays, STYLE, steady="off"))
    for got, array in zip(painted, arrays, strict=True):
        assert got.dtype == np.float32
        assert np.array_equal(got, fast.stylize(array, STYLE))
    steady = list(stylize_frames(fast, arrays, STYLE, steady="light"))
    whole = [np.rint(array * 255).astype(np.uint8) for array in arrays]
    for got, again in zip(steady, stylize_frames(fast, whole, STYLE, steady="light"), strict=True):
        assert np.array_equal(np.rint(got * 255), again)


def test_each_frame_can_have_controls_of_its_own(fast: impasto.Stylizer) -> None:
    arrays = frames_of_pan(4)
    masks = [np.linspace(0, edge, WIDTH, dtype=np.float32)[None].clip(0, 1) for edge in (1, 2, 3)]
    controls = [Controls(masks=[mask]) for mask in masks] + [Controls(alpha=0)]
    painted = list(stylize_frames(fast, arrays, STYLE, iter(controls), steady="off"))
    for got, array, mask in zip(painted, arrays, masks, strict=False):
        assert np.array_equal(got, fast.stylize(array, STYLE, masks=[mask]))
    assert np.array_equal(painted[3], arrays[3])
    with pytest.raises(VideoError, match="fewer controls than frames"):
        list(stylize_frames(fast, arrays, STYLE, controls[:3], steady="off"))
    with pytest.raises(VideoError, match="fewer controls than frames"):
        list(stylize_frames(fast, arrays, STYLE, []))


def test_frames_are_painted_at_once_and_keep_their_order(fast: impasto.Stylizer) -> None:
    arrays = frames_of_pan(12)
    one = list(stylize_frames(fast, arrays, STYLE, threads=1))
    three = list(stylize_frames(fast, arrays, STYLE, threads=3))
    assert all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))


def test_frames_are_taken_as_they_are_needed(fast: impasto.Stylizer) -> None:
    taken = 0

    def endless() -> Iterator[NDArray[np.uint8]]:
        nonlocal taken
        while True:
            taken += 1
            yield frames_of_pan(1)[0]

    stream = stylize_frames(fast, endless(), STYLE, threads=2)
    for _ in range(5):
        next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert taken <= 5 + 4


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ([np.zeros((32, 32, 3))], "uint8, uint16 or float32"),
        ([np.zeros((32, 32), np.uint8)], r"\(32, 32\)"),
        ([np.zeros((32, 32, 3), np.uint8), np.zeros((32, 48, 3), np.uint8)], "48 x 32.*32 x 32"),
    ],
)
def test_arrays_that_are_no_frames_are_refused(
    fast: impasto.Stylizer, arrays: Sequence[NDArray[Any]], message: str
) -> None:
    with pytest.raises(VideoError, match=message):
        list(stylize_frames(fast, arrays, STYLE))


def test_a_preview_shows_frames_and_writes_no_film(clip: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "look.png"
    done = run(clip, "-s", STYLE, "--preview", sheet)
    assert done.returncode == 0, done.stderr
    with Image.open(sheet) as picture:
        assert picture.width >= 3 * WIDTH
    assert [each.name for each in tmp_path.iterdir()] == ["look.png"]


def test_a_report_counts_every_frame_also_after_a_kill(clip: Path, tmp_path: Path) -> None:
    options = (clip, "-s", STYLE, "--codec", "ffv1", "--report", tmp_path / "calm.md")
    process = subprocess.Popen(
        command(*options, "-o", tmp_path / "out.mkv"), stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    wait_for_parts(tmp_path / "out.mkv.part", 2, process)
    process.kill()
    process.wait()
    done = run(*options, "-o", tmp_path / "out.mkv")
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "calm.json").read_text())
    assert (facts["frames"], facts["shots"], facts["steady"]) == (45, 1, "light")
    assert 0 < facts["error"] < 0.3
    again = run(*options, "-o", tmp_path / "other.mkv")
    assert again.returncode == 2
    assert "calm.md: already exists" in again.stderr


def test_progress_is_told_frame_by_frame(
    clip: Path, fast: impasto.Stylizer, tmp_path: Path
) -> None:
    steps: list[Progress] = []
    video = VideoOptions(end=Fraction(1), steady="off")
    with FilmWork(fast, clip, tmp_path / "out.mp4", STYLE, video=video) as work:
        assert work.frames == 10
        work.run(steps.append)
    assert [(each.step, each.steps) for each in steps] == [(k, 10) for k in range(1, 11)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "9"), "no frame at 0:09 or later; the film ends at 0:04.5"),
        (("--codec", "h265"), "h264, hevc"),
        (("--steady", "very"), "off, light, strong"),
        (("--from", "2", "--to", "1"), "end"),
        (("--style-at", "5"), "0:05=monet"),
        (("--crf", "99"), "0 to 63"),
    ],
)
def test_mistakes_are_told_in_one_line(
    clip: Path, tmp_path: Path, arguments: Sequence[str], message: str
) -> None:
    done = run(clip, "-s", STYLE, "-o", tmp_path / "out.mp4", *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_word_video_may_be_left_out(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.gif"
    words = command(clip, "-s", STYLE, "--to", "0.3", "-o", target)
    words.remove("video")
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "running impasto video " in done.stderr
    with Image.open(target) as picture:
        assert picture.n_frames == 3


def test_a_result_that_exists_is_spared(clip: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    target.write_bytes(b"mine")
    done = run(clip, "-s", STYLE, "-o", target)
    assert done.returncode == 2
    assert "already exists" in done.stderr
    assert target.read_bytes() == b"mine"


def test_a_film_from_a_pipe_to_a_pipe(clip: Path, tmp_path: Path) -> None:
    with ExitStack() as files:
        source = files.enter_context(clip.open("rb"))
        done = subprocess.run(
            command("-", "-s", STYLE, "-o", "-", "--to", "1"),
            stdin=source,
            capture_output=True,
            timeout=120,
            env={**os.environ},
        )
    assert done.returncode == 0, done.stderr
    (tmp_path / "out.mkv").write_bytes(done.stdout)
    assert len(decoded(tmp_path / "out.mkv")[0]) == 10


def test_the_limits_of_a_model_are_found_before_the_first_frame(
    clip: Path, fast: impasto.Stylizer, tmp_path: Path
) -> None:
    class Single:
        """The model, but without mixtures and exaggeration."""

        limits = replace(fast.limits, several=False, alpha=(0.0, 1.0))

        def __getattr__(self, name: str) -> Any:
            return getattr(fast.painter, name)

    model = impasto.Stylizer(Single())
    for timeline, message in (
        (parse_timeline(["1=monet-waterlilies"], first=STYLE, fade=Fraction(1)), "mix styles"),
        (parse_timeline([], ["0=1", "2=1.5"]), "alpha of model 'fast' must lie"),
    ):
        style = None if timeline.keys else STYLE
        with pytest.raises(OptionError, match=message):
            video = VideoOptions(timeline=timeline)
            stylize_video(model, clip, tmp_path / "out.mp4", style, video=video)
        assert list(tmp_path.iterdir()) == []


def test_a_film_is_not_a_style_of_a_timeline_and_a_mixture() -> None:
    timeline = parse_timeline(["1=monet-waterlilies"], first=STYLE)
    model = impasto.load("fast", engine="onnxruntime")
    with pytest.raises(OptionError, match="timeline already has the styles"):
        stylize_video(model, "a.mp4", "b.mp4", STYLE, video=VideoOptions(timeline=timeline))
