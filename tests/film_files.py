"""Films of all odd kinds, made by code with PyAV: small, a second or two, with known pictures.

Each frame of a film has its number written in it as blocks of black and white, so that a test can
tell which one it holds whatever coding has done to it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEIGHT, WIDTH = 64, 96
RATE = 30
BLOCK = 8
TICK = Fraction(1, 90000)
SOUND_RATE = 44100

RGB = NDArray[np.uint8]
Maker = Callable[[Path], None]


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> RGB:
    """A frame that moves, with its number in the eight blocks at the top."""
    y, x = np.mgrid[:height, :width].astype(float)
    waves = [np.sin((x + 2 * number) / 11 + k) * np.cos(y / (9 + 2 * k)) for k in range(3)]
    image = (128 + 70 * np.stack(waves, axis=-1)).astype(np.uint8)
    for bit in range(8):
        image[:BLOCK, bit * BLOCK : (bit + 1) * BLOCK] = 235 if number >> bit & 1 else 16
    return image


def number_in(image: NDArray[Any]) -> int:
    """Read the number of a frame."""
    white = 65535 if image.dtype == np.uint16 else 255
    blocks = [
        image[2 : BLOCK - 2, bit * BLOCK + 2 : (bit + 1) * BLOCK - 2].mean() / white
        for bit in range(8)
    ]
    return sum(int(block > 0.5) << bit for bit, block in enumerate(blocks))


def tone(seconds: float, pitch: float = 440.0) -> NDArray[np.float32]:
    """A sine in two channels, (2, N)."""
    times = np.arange(round(seconds * SOUND_RATE)) / SOUND_RATE
    wave = 0.3 * np.sin(2 * np.pi * pitch * times)
    return np.stack((wave, -wave)).astype(np.float32)


@dataclass(frozen=True)
class Settings:
    """How a film is made; what is not given is as in the plainest film."""

    codec: str = "libx264"
    pixels: str = "yuv420p"
    times: Sequence[Fraction] = tuple(Fraction(n, RATE) for n in range(RATE))
    size: tuple[int, int] = (HEIGHT, WIDTH)
    options: tuple[tuple[str, str], ...] = (("bf", "2"), ("g", "12"), ("crf", "12"))
    container: tuple[tuple[str, str], ...] = ()
    tags: tuple[tuple[str, int], ...] = ()
    sounds: Sequence[tuple[str, str, float]] = (("aac", "und", 440.0),)
    marks: Sequence[str] = ()
    texts: Sequence[tuple[str, str]] = ()
    chapters: bool = False
    rotation: int = 0
    aspect: Fraction | None = None
    format: str | None = None
    shift: Fraction = Fraction(0)
    tick: Fraction = TICK


def write_film(path: Path, settings: Settings = Settings(), images: Any = None) -> None:
    """Write a film; its pictures are numbered frames unless others are given."""
    import av

    height, width = settings.size
    with av.open(
        str(path), "w", format=settings.format, container_options=dict(settings.container)
    ) as output:
        video = output.add_stream(settings.codec, rate=RATE, options=dict(settings.options))
        context = video.codec_context
        context.width, context.height, context.pix_fmt = width, height, settings.pixels
        context.time_base, context.thread_count = settings.tick, 1
        video.time_base = settings.tick
        if settings.aspect is not None:
            context.sample_aspect_ratio = settings.aspect
        for name, value in settings.tags:
            setattr(context, name, value)
        if settings.rotation:
            video.set_display_rotation(settings.rotation)
        if settings.pixels.startswith("yuva"):
            video.metadata["alpha_mode"] = "1"
        sounds = [_add_sound(output, *sound) for sound in settings.sounds]
        for sound, mark in zip(sounds, settings.marks, strict=False):
            sound.disposition = int(av.stream.Disposition[mark])
        texts = [_add_text(output, *text) for text in settings.texts]
        if settings.chapters:
            output.metadata.update(title="A film", artist="Somebody", comment="Made by a test")
            output.set_chapters(_chapters())
        if images is None:
            turned = settings.rotation % 180 != 0
            upright = (width, height) if turned else (height, width)
            images = (
                np.rot90(picture(n, *upright), -settings.rotation // 90)
                for n in range(len(settings.times))
            )
        packets = []
        for image, time in zip(images, settings.times, strict=True):
            frame = _frame(image, settings)
            frame.pts = round(time / settings.tick)
            frame.time_base = settings.tick
            packets += video.encode(frame)
        packets += video.encode(None)
        seconds = float(settings.times[-1]) + 1 / RATE if settings.times else 1.0
        for sound, (_, _, pitch) in zip(sounds, settings.sounds, strict=True):
            packets += _sound_packets(sound, seconds, pitch)
        for text in texts:
            packets += _text_packets(text)
        output.start_encoding()
        for packet in sorted(packets, key=lambda each: (each.dts or 0) * each.time_base):
            if settings.shift:
                moved = round(settings.shift / packet.time_base)
                packet.pts, packet.dts = packet.pts + moved, packet.dts + moved
            output.mux(packet)


def _frame(image: RGB, settings: Settings) -> Any:
    import av

    if isinstance(image, av.VideoFrame):
        return image
    channels = {3: "rgb24", 4: "rgba"}[image.shape[2]]
    if settings.pixels in ("gbrp", "bgr0", "bgra"):
        return av.VideoFrame.from_ndarray(image, format=channels)
    tags = dict(settings.tags)
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format=channels)
    frame = frame.reformat(
        format=settings.pixels,
        dst_colorspace=tags.get("colorspace", 5),
        src_color_range=2,
        dst_color_range=tags.get("color_range", 1),
    )
    for name, value in settings.tags:
        setattr(frame, name, value)
    return frame


def _add_sound(output: Any, codec: str, language: str, pitch: float) -> Any:
    stream = output.add_stream(codec, rate=48000 if codec == "libopus" else SOUND_RATE)
    stream.metadata["language"] = language
    return stream


def _sound_packets(stream: Any, seconds: float, pitch: float) -> list[Any]:
    import av

    stream.codec_context.open(strict=False)
    rate = stream.codec_context.sample_rate
    samples, packets = tone(seconds, pitch), []
    size = stream.codec_context.frame_size or 1024
    kind = stream.codec_context.format.name
    for start in range(0, samples.shape[1], size):
        part = np.ascontiguousarray(samples[:, start : start + size])
        if kind == "flt":
            part = np.ascontiguousarray(part.T.reshape(1, -1))
        elif kind == "s16":
            part = np.ascontiguousarray((part.T.reshape(1, -1) * 32767).astype(np.int16))
        frame = av.AudioFrame.from_ndarray(part, format=kind, layout="stereo")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def _add_text(output: Any, codec: str, language: str) -> Any:
    stream = output.add_stream(codec)
    stream.metadata["language"] = language
    stream.codec_context.subtitle_header = _STYLES.encode()
    stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
    return stream


_STYLES = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, \
Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, \
Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""

TEXTS = ((100, 300, "Hello"), (500, 400, "and good bye"))
"""Begin and length in milliseconds, and text, of the subtitles of a film."""


def _text_packets(stream: Any) -> list[Any]:
    from av.subtitles.subtitle import SubtitleSet

    packets = []
    for number, (begin, length, text) in enumerate(TEXTS):
        event = f"{number},0,Default,,0,0,0,,{text}".encode()
        texts = SubtitleSet.create(text=event, start=0, end=length, pts=0)
        packet = stream.codec_context.encode_subtitle(texts)
        packet.time_base = Fraction(1, 1000)
        packet.pts = packet.dts = begin
        packet.duration, packet.stream = length, stream
        packets.append(packet)
    return packets


def _chapters() -> list[Any]:
    return [
        {
            "id": number,
            "start": start,
            "end": end,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": title},
        }
        for number, (start, end, title) in enumerate(((0, 400, "First"), (400, 1000, "Second")))
    ]


VFR_TIMES = tuple(
    Fraction(n, 90000) for n in (0, 1501, 9000, 9900, 18000, 18003, 31000, 45000, 45900, 90000)
)
"""Times of the frames of the film with a variable rate."""

PQ_LIGHT = (1.0, 26.0, 100.0, 203.0, 1000.0)
"""cd/m2 of the gray bars of the film in PQ, from left to right."""


def pq_signal(light: float) -> float:
    """Return the signal of an amount of light in cd/m2 (SMPTE ST 2084)."""
    power = (light / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def _gray_bars(signals: Sequence[float], count: int) -> list[Any]:
    """Frames of 10 bits, limited range, with gray bars."""
    import av

    luma = np.empty((HEIGHT, WIDTH), np.uint16)
    edges = np.linspace(0, WIDTH, len(signals) + 1).round().astype(int)
    for signal, left, right in zip(signals, edges, edges[1:], strict=False):
        luma[:, left:right] = round(64 + 876 * signal)
    frames = []
    for _ in range(count):
        frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p10le")
        for plane, values in zip(frame.planes, (luma, 512, 512), strict=True):
            rows = np.frombuffer(plane, np.uint16).reshape(plane.height, -1)
            rows[:, : plane.width] = values
        frame.color_range, frame.colorspace = 1, 9
        frames.append(frame)
    return frames


def _hdr(path: Path, curve: int, signals: Sequence[float]) -> None:
    tags = (
        ("colorspace", 9),
        ("color_range", 1),
        ("color_primaries", 9),
        ("color_trc", curve),
    )
    options = (("x265-params", "log-level=none"), ("crf", "4"))
    settings = Settings(
        codec="libx265", pixels="yuv420p10le", options=options, tags=tags, sounds=()
    )
    write_film(path, settings, _gray_bars(signals, RATE))


def _opacity(number: int) -> RGB:
    image = np.dstack((picture(number), np.full((HEIGHT, WIDTH), 255, np.uint8)))
    image[HEIGHT // 2 :, :, 3] = 64
    return image


def _alpha(path: Path) -> None:
    options = (("auto-alt-ref", "0"), ("crf", "10"), ("b", "0"))
    settings = Settings(
        codec="libvpx-vp9",
        pixels="yuva420p",
        options=options,
        sounds=(("libopus", "eng", 440.0),),
        tick=Fraction(1, RATE),
    )
    write_film(path, settings, [_opacity(n) for n in range(RATE)])


def _shortened(kind: Maker, part: float) -> Maker:
    """A film of which only the beginning is there."""

    def make(path: Path) -> None:
        kind(path)
        data = path.read_bytes()
        path.write_bytes(data[: round(len(data) * part)])

    return make


def _film(**changes: Any) -> Maker:
    return lambda path: write_film(path, Settings(**changes))


def _colors(matrix: int, area: int) -> tuple[tuple[str, int], ...]:
    return (
        ("colorspace", matrix),
        ("color_range", area),
        ("color_primaries", matrix),
        ("color_trc", matrix),
    )


def _damaged(path: Path) -> None:
    """A Matroska file with noise in the middle of its pictures."""
    write_film(path, Settings(sounds=(), options=(("bf", "0"), ("g", "5"), ("crf", "12"))))
    data = bytearray(path.read_bytes())
    import av

    with av.open(str(path)) as film:
        places = [(each.pos, each.size) for each in film.demux(video=0) if each.size]
    position, size = places[12]
    noise = np.random.default_rng(0).integers(0, 256, size - 16, np.uint8)
    data[position + 24 : position + 8 + size] = noise.tobytes()
    path.write_bytes(bytes(data))


def _only_sound(path: Path) -> None:
    import av

    with av.open(str(path), "w") as output:
        sound = _add_sound(output, "aac", "und", 440.0)
        output.mux(_sound_packets(sound, 1.0, 440.0))


def _with_font(path: Path) -> None:
    """A film with a font for its subtitles."""
    import av

    with av.open(str(path), "w", format="matroska") as output:
        video = output.add_stream("libx264", rate=RATE)
        video.width, video.height = WIDTH, HEIGHT
        output.add_attachment("letters.ttf", "font/ttf", b"\0\1\0\0" + b"letters" * 9)
        for number in range(RATE):
            frame = av.VideoFrame.from_ndarray(picture(number), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


def _with_cover(path: Path) -> None:
    """A film with a cover, whose stream of pictures comes first."""
    import av

    plain = path.with_name("without-cover.mp4")
    write_film(plain)
    with av.open(str(plain)) as film, av.open(str(path), "w") as output:
        cover = output.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = int(av.stream.Disposition.attached_pic)
        made = {each: output.add_stream_from_template(each, opaque=True) for each in film.streams}
        image = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 200, np.uint8), format="rgb24")
        output.mux([*cover.encode(image), *cover.encode(None)])
        for packet in film.demux():
            if packet.size:
                packet.stream = made[packet.stream]
                output.mux(packet)
    plain.unlink()


def _interlaced(path: Path) -> None:
    """A film of fields: even rows show one moment, odd rows the next."""
    frames = []
    for number in range(RATE):
        even, odd = np.full((2, HEIGHT, WIDTH, 3), 60, np.uint8)
        for field, moment in ((even, 2 * number), (odd, 2 * number + 1)):
            left = moment % WIDTH
            field[16:, left : left + 24] = 220
        even[1::2] = odd[1::2]
        even[:BLOCK] = picture(number)[:BLOCK]
        frames.append(even)
    options = (("x264-params", "tff=1"), ("flags", "+ildct+ilme"), ("crf", "12"))
    write_film(path, Settings(options=options, sounds=()), frames)


_LONG = tuple(Fraction(n, RATE) for n in range(4 * RATE))
_FRAGMENTS = (("movflags", "frag_keyframe+delay_moov+default_base_moof"),)
_SOUNDS = (("aac", "eng", 440.0), ("aac", "fra", 660.0))

KINDS: dict[str, Maker] = {
    "plain.mp4": _film(),
    "plain.mkv": _film(),
    "plain.ts": _film(),
    "pcm.mkv": _film(sounds=(("pcm_s16le", "eng", 440.0),)),
    "pcm.avi": _film(
        options=(("bf", "0"),), sounds=(("pcm_s16le", "eng", 440.0),), tick=Fraction(1, RATE)
    ),
    "opus.mkv": _film(sounds=(("libopus", "eng", 440.0),)),
    "long.mp4": _film(times=_LONG),
    "vfr.mp4": _film(times=VFR_TIMES),
    "vfr.mkv": _film(times=VFR_TIMES),
    "rotated90.mp4": _film(rotation=90, aspect=Fraction(4, 3)),
    "rotated180.mp4": _film(rotation=180),
    "rotated270.mp4": _film(rotation=270),
    "pq.mkv": lambda path: _hdr(path, 16, [pq_signal(light) for light in PQ_LIGHT]),
    "hlg.mkv": lambda path: _hdr(path, 18, (0.1, 0.3, 0.5, 0.7, 0.75)),
    "full.mp4": _film(pixels="yuvj420p", tags=_colors(1, 2)),
    "bt601.mp4": _film(tags=_colors(6, 1)),
    "bt709.mp4": _film(tags=_colors(1, 1)),
    "tracks.mkv": _film(
        sounds=_SOUNDS,
        texts=(("srt", "eng"), ("srt", "deu")),
        chapters=True,
        marks=("default", "comment"),
    ),
    "tracks.mp4": _film(sounds=_SOUNDS, texts=(("mov_text", "eng"),), chapters=True),
    "wide.mp4": _film(aspect=Fraction(4, 3)),
    "wide.mkv": _film(aspect=Fraction(4, 3)),
    "odd.mkv": _film(codec="ffv1", pixels="bgr0", options=(), size=(65, 97), sounds=()),
    "edited.mp4": _film(shift=Fraction(-10, RATE)),
    "interlaced.mp4": _interlaced,
    "cut-short.mp4": _shortened(_film(), 0.7),
    "cut-short.mkv": _shortened(_film(times=_LONG), 0.6),
    "fragmented.mp4": _film(container=_FRAGMENTS),
    "alpha.webm": _alpha,
    "sound.m4a": _only_sound,
    "one-frame.mp4": _film(times=(Fraction(0),), sounds=()),
    "no-frame.mkv": _film(times=(), sounds=(("aac", "und", 440.0),)),
    "damaged.mkv": _damaged,
    "font.mkv": _with_font,
    "cover.mp4": _with_cover,
    "late.mkv": _film(shift=Fraction(2)),
}
"""All kinds of films by their names, and the functions that make them."""


class FilmFiles:
    """Films by their names, each made when it is first asked for.

    Args:
        folder: they are kept here.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str) -> Path:
        """Return the file of a film."""
        path = self._folder / name
        if not path.exists():
            KINDS[name](path)
        return path


def facts(path: Path) -> dict[str, Any]:
    """Read what a film holds, by PyAV alone: the yardstick of the tests."""
    import hashlib

    import av

    with av.open(str(path)) as film:
        sums: dict[int, Any] = {}
        shown: list[Fraction] = []
        starts: dict[int, Fraction] = {}
        for packet in film.demux():
            if not packet.size:
                continue
            index = packet.stream.index
            data = bytes(packet)
            if data[:2] == b"\xff\xf1":  # the header of AAC in transport streams
                data = data[7:]
            sums.setdefault(index, hashlib.md5()).update(data)
            if packet.pts is not None:
                time = packet.pts * packet.time_base
                starts[index] = min(starts.get(index, time), time)
        streams = [
            {
                "kind": each.type,
                "codec": each.name,
                "language": each.metadata.get("language"),
                "md5": sums[each.index].hexdigest() if each.index in sums else None,
                "start": starts.get(each.index),
                "disposition": int(each.disposition),
            }
            for each in film.streams
        ]
        chapters = [
            (
                float(each["start"] * each["time_base"]),
                float(each["end"] * each["time_base"]),
                each["metadata"].get("title"),
            )
            for each in film.chapters()
        ]
        metadata = {name.lower(): value for name, value in film.metadata.items()}
    with av.open(str(path)) as film:
        frames, first = [], None
        for frame in film.decode(video=0):
            first = first or frame
            shown.append(frame.pts * frame.time_base)
            array = frame.to_ndarray(format="rgb24")
            if frame.rotation:
                array = np.rot90(array, frame.rotation // 90)
            frames.append(number_in(array))
        video = film.streams.video[0]
        context = video.codec_context
        assert first is not None
        return {
            "streams": streams,
            "chapters": chapters,
            "metadata": metadata,
            "times": shown,
            "numbers": frames,
            "size": (first.height, first.width),
            "rotation": first.rotation,
            "aspect": video.sample_aspect_ratio,
            "start": film.start_time,
            "seconds": None if film.duration is None else film.duration / 1e6,
            "tags": (
                context.colorspace,
                context.color_range,
                context.color_primaries,
                context.color_trc,
            ),
        }


if __name__ == "__main__":  # a look at them: python tests/film_files.py FOLDER
    import sys

    files = FilmFiles(Path(sys.argv[1]))
    for each in KINDS:
        try:
            print(each, json.dumps(facts(files(each)), default=str))
        except Exception as error:
            print(each, type(error).__name__, error)
