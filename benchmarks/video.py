"""Films: time against the model alone, cost of the film around it, memory, steadiness.

    python benchmarks/video.py [speed] [identity] [memory] [steady] [--seconds S] [--model NAME]

* speed: the whole command's work against the same frames through `model.stylize` one after the
  other (default threads, ONNX Runtime), in turns; at 640 x 360 and 1280 x 720.
* identity: strength 0, so no model runs, against PyAV's plain transcoding: decode and encode with
  the same codec and settings, without the way to RGB and back.
* memory: the peak of a process that paints 60 frames of 3840 x 2160, and what one that paints
  320 x 180 holds at frame 300 and at frame 3,000.
* steady: how calm `light` and `strong` are, beside frame by frame, on clips whose motion is known
  (benchmarks/steady.py).

Clips are generated here: a slow pan over the example photographs, with a tone.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

import impasto
from impasto.controls import Controls
from impasto.painting import Progress
from impasto.video.container.encoding import choose_encoding
from impasto.video.film import stylize_video
from impasto.video.options import VideoOptions
from impasto.video.reading import open_film

PHOTOS = Path(__file__).parents[1] / "examples" / "photos"
STYLE = Path(__file__).parents[1] / "examples" / "styles" / "wave.jpg"
SIZES = ((640, 360), (1280, 720))
RATE = 30
TURNS = 3


def main() -> None:
    """Run the chosen measurements and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", help="speed, identity, memory, steady (default: all)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of the clips")
    parser.add_argument("--model", default="fast")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--held", metavar="FILM", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.held:
        print_memory(options.held, options)
        return
    every = {"speed": speed, "identity": identity, "memory": memory, "steady": steady}
    for name in options.what or every:
        if name not in every:
            parser.error(f"{name!r} is not one of {', '.join(every)}")
        print(f"\n{name}")
        every[name](options)


def speed(options: argparse.Namespace) -> None:
    """Print the ratio of the whole work's time to that of the model alone."""
    model = impasto.load(options.model, engine=options.engine)
    style = model.style(STYLE)
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            clip = write_clip(Path(folder) / f"{width}.mp4", width, height, options.seconds)
            with open_film(clip, max_pixels=10**9) as film:
                frames = [each.image for each in film.frames()]

            def alone(frames: list[Any] = frames) -> None:
                for frame in frames:
                    model.stylize(frame, style)

            for level in ("off", "light"):
                work = partial(painted, model, clip, style, steady=level)
                whole, model_only = in_turns(work, alone)
                count = len(frames)
                print(
                    f"{width} x {height}, {level:5}: {count / whole:5.1f} frames a second, model "
                    f"alone {count / model_only:5.1f}; ratio of times {whole / model_only:.2f}"
                )


def identity(options: argparse.Namespace) -> None:
    """Print the ratio of the speed without a model to that of plain transcoding."""
    model = impasto.load(options.model, engine=options.engine)
    style = model.style(STYLE)
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            clip = write_clip(Path(folder) / f"{width}.mp4", width, height, options.seconds)
            target = Path(folder) / "plain.mp4"

            def whole(clip: Path = clip) -> None:
                painted(model, clip, style, steady="off", controls=Controls(alpha=0.0))

            ours, plain = in_turns(whole, partial(transcode, clip, target))
            count = options.seconds * RATE
            print(
                f"{width} x {height}: {count / ours:5.1f} frames a second, plain "
                f"{count / plain:5.1f}; ratio of speeds {plain / ours:.2f}"
            )


def memory(options: argparse.Namespace) -> None:
    """Print the peak memory at 4K, and whether memory grows with the length."""
    with tempfile.TemporaryDirectory() as folder:
        large = write_clip(Path(folder) / "large.mp4", 3840, 2160, 60 / RATE)
        long = write_clip(Path(folder) / "long.mp4", 320, 180, 3000 / RATE)
        for clip in (large, long):
            script = [sys.executable, __file__, "--held", str(clip), "--model", options.model]
            subprocess.run([*script, "--engine", options.engine], check=True)


def print_memory(clip: str, options: argparse.Namespace) -> None:
    """Paint a clip in this process and print its memory."""
    model = impasto.load(options.model, engine=options.engine)
    held: dict[int, float] = {}

    def watch(progress: Progress) -> None:
        if progress.step in (30, 300, 1000, 3000):
            held[progress.step] = resident() / 1e6

    with tempfile.TemporaryDirectory() as folder:
        made = stylize_video(model, clip, Path(folder) / "out.mp4", str(STYLE), watch=watch)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    shown = ", ".join(f"frame {step}: {each:,.0f} MB" for step, each in held.items())
    print(f"{made.width} x {made.height}, {made.frames} frames: peak {peak:,.0f} MB; {shown}")


def steady(options: argparse.Namespace) -> None:
    """Print the table of steadiness."""
    script = Path(__file__).with_name("steady.py")
    subprocess.run([sys.executable, script, "--model", options.model], check=True)


def painted(
    model: impasto.Stylizer,
    clip: Path,
    style: impasto.Style,
    *,
    steady: str,
    controls: Controls = Controls(),
) -> None:
    """Paint a clip from file to file."""
    with tempfile.TemporaryDirectory() as folder:
        video = VideoOptions(steady=steady)
        stylize_video(model, clip, Path(folder) / "out.mp4", style, controls, video=video)


def in_turns(one: Any, other: Any) -> tuple[float, float]:
    """Return the median seconds of two functions that take turns."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(TURNS):
        for work, found in zip((one, other), times, strict=True):
            begin = perf_counter()
            work()
            found.append(perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


def write_clip(path: Path, width: int, height: int, seconds: float) -> Path:
    """Write a slow pan over example photographs with a tone: H.264 and AAC."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=RATE, options={"crf": "18"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        sound: Any = container.add_stream("aac", rate=48000, layout="mono")
        for image in pan(width, height, round(seconds * RATE)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
        for packet in tone(sound, seconds):
            container.mux(packet)
    return path


def pan(width: int, height: int, count: int) -> Iterator[NDArray[np.uint8]]:
    """Yield frames of slow pans, a shot every four seconds."""
    names = sorted(PHOTOS.glob("*.jpg"))
    shot = 4 * RATE
    for number in range(count):
        if number % shot == 0:
            with Image.open(names[number // shot % len(names)]) as picture:
                photo = picture.convert("RGB")
            scale = max(1.3 * width / photo.width, 1.3 * height / photo.height)
            size = math.ceil(photo.width * scale), math.ceil(photo.height * scale)
            photo = photo.resize(size, Image.Resampling.LANCZOS)
        step = number % shot
        left, top = 0.25 * width * step / shot, 0.2 * height * step / shot
        moved = photo.transform(
            (width, height), Image.Transform.AFFINE, (1, 0, left, 0, 1, top),
            Image.Resampling.BICUBIC,
        )  # fmt: skip
        yield np.asarray(moved)


def tone(stream: Any, seconds: float) -> Iterator[Any]:
    """Yield packets of a tone of 440 Hz."""
    rate, size = 48000, 1024
    for begin in range(0, round(seconds * rate), size):
        times = (begin + np.arange(size)) / rate
        wave = (0.1 * np.sin(2 * math.pi * 440 * times)).astype(np.float32)[None]
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, begin, Fraction(1, rate)
        yield from stream.encode(frame)
    yield from stream.encode()


def transcode(clip: Path, target: Path) -> None:
    """Decode and encode with Impasto's codec and settings, with unchanged colors."""
    with open_film(clip, max_pixels=10**9) as film:
        encoding = choose_encoding(film.info, ".mp4")
    with av.open(str(clip)) as source, av.open(str(target), "w") as container:
        pictures = source.streams.video[0]
        pictures.thread_type = "AUTO"
        stream: Any = container.add_stream(
            encoding.encoder.name, rate=pictures.average_rate, options=encoding.options
        )
        stream.width, stream.height, stream.pix_fmt = pictures.width, pictures.height, "yuv420p"
        for frame in source.decode(pictures):
            frame.pict_type = av.video.frame.PictureType.NONE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def resident() -> int:
    """Return the bytes of main memory used by this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


if __name__ == "__main__":
    main()
