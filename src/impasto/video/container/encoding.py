"""Encoding of films: codecs with their settings, and parts of a film in separate files.

A part is one closed group of pictures, made by a separate encoder with fixed threads and without
dates. So the same frames give the same bytes, whether or not the work was interrupted before, and
the parts can be concatenated (:mod:`impasto.video.container.joining`). Only x265 and SVT-AV1
occasionally differ in the last bits, since they read uninitialized memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from impasto.errors import OptionError, VideoError, escaped
from impasto.video.container.colors import ToFilm
from impasto.video.frames import LARGE, FilmInfo, Frame
from impasto.video.pyav import library, wrapped

if TYPE_CHECKING:
    from av import VideoFrame

__all__ = [
    "CODECS",
    "CONTAINERS",
    "Codec",
    "Container",
    "Encoding",
    "check_size",
    "choose_encoding",
    "encoded",
    "prepare_stream",
    "write_part",
]

# Threads of an encoder: its output depends on their number, so that is the same on every machine.
# Each of them holds frames in memory, so large frames have one: painting takes much longer.
_THREADS, _THREADS_LARGE = 2, 1
# Frames that an encoder looks ahead, for the same reason.
_AHEAD = 5
# No frame is decoded this many seconds before it is shown.
_HOUR = 3600
# Longer than any part: within one, an encoder begins a group of pictures only at a new shot.
_LONG_GROUP = 10_000


@dataclass(frozen=True)
class Encoder:
    """An encoder of FFmpeg, and its settings.

    Attributes:
        name: name in FFmpeg.
        options: its options, without the rate factor.
        crf_option: the option that takes the rate factor.
        large: other options for frames of 4K, to save memory.
    """

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    crf_option: str = "crf"
    large: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Codec:
    """A video codec.

    Attributes:
        name: name for users.
        title: name for messages.
        encoders: in the order of preference.
        pixels: FFmpeg's pixel format.
        deep: that with more than 8 bits; None: it is used for 8 bits only.
        alpha: that with an opacity, or None.
        deep_alpha: that with both.
        crf: the usual rate factor; None: it takes none.
        most: the largest rate factor.
        even: True if the sides have to be even.
    """

    name: str
    title: str
    encoders: tuple[Encoder, ...]
    pixels: str
    deep: str | None = None
    alpha: str | None = None
    deep_alpha: str | None = None
    crf: float | None = None
    most: int = 51
    even: bool = True

    def pixel_format(self, *, deep: bool, alpha: bool) -> str:
        """Return the pixel format for a kind of film, without what the codec cannot hold."""
        if alpha and self.alpha is not None:
            return self.deep_alpha if deep and self.deep_alpha else self.alpha
        return self.deep if deep and self.deep else self.pixels


CODECS: dict[str, Codec] = {
    row.name: row
    for row in (
        Codec(
            "h264",
            "H.264",
            (
                Encoder(
                    "libx264",
                    {"preset": "veryfast", "rc-lookahead": f"{_AHEAD}"},
                    large={"rc-lookahead": "1", "bf": "0", "refs": "1"},
                ),
            ),
            pixels="yuv420p",
            crf=15,
        ),
        Codec(
            "hevc",
            "HEVC",
            (
                Encoder(
                    "libx265",
                    {
                        "preset": "veryfast",
                        # The analysis for weighted prediction reads uninitialized memory.
                        "x265-params": "log-level=none:open-gop=0:info=0:frame-threads=1:"
                        f"weightp=0:rc-lookahead={_AHEAD}:pools={_THREADS}",
                    },
                ),
            ),
            pixels="yuv420p",
            deep="yuv420p10le",
            crf=20,
        ),
        Codec(
            "av1",
            "AV1",
            (
                Encoder("libsvtav1", {"preset": "8", "svtav1-params": "lp=1:lookahead=8"}),
                Encoder("libaom-av1", {"cpu-used": "6", "row-mt": "1"}),
            ),
            pixels="yuv420p",
            deep="yuv420p10le",
            crf=26,
            most=63,
        ),
        Codec(
            "vp9",
            "VP9",
            (
                Encoder(
                    "libvpx-vp9",
                    {"b": "0", "deadline": "good", "cpu-used": "4", "lag-in-frames": "6"},
                ),
            ),
            pixels="yuv420p",
            alpha="yuva420p",
            crf=24,
            most=63,
            even=False,
        ),
        Codec(
            "prores",
            "ProRes",
            (Encoder("prores_ks", {"vendor": "apl0"}),),
            pixels="yuv422p10le",
            deep="yuv422p10le",
            alpha="yuva444p10le",
            deep_alpha="yuva444p10le",
        ),
        Codec(
            "ffv1",
            "FFV1",
            (Encoder("ffv1", {"level": "3", "slices": "4", "slicecrc": "1"}),),
            # Lossless only without conversion to brightness and differences.
            pixels="bgr0",
            deep="gbrp16le",
            alpha="bgra",
            deep_alpha="gbrap16le",
            even=False,
        ),
    )
}
"""All codecs, by their names."""


@dataclass(frozen=True)
class Container:
    """A container format.

    Attributes:
        format: its muxer in FFmpeg.
        codecs: codecs that it holds, the usual one first.
        texts: FFmpeg's encoder for subtitles that it holds.
        edits: True if its streams may begin before the film does, and are not shown there.
        options: options of the muxer.
    """

    format: str
    codecs: tuple[str, ...]
    texts: str
    edits: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


_FAST_START = {"movflags": "+faststart"}

CONTAINERS: dict[str, Container] = {
    ".mp4": Container("mp4", ("h264", "hevc", "av1", "vp9"), "mov_text", True, _FAST_START),
    ".m4v": Container("mp4", ("h264", "hevc", "av1", "vp9"), "mov_text", True, _FAST_START),
    ".mov": Container("mov", ("h264", "hevc", "prores"), "mov_text", True, _FAST_START),
    ".mkv": Container("matroska", ("h264", "hevc", "av1", "vp9", "prores", "ffv1"), "subrip"),
    ".webm": Container("webm", ("vp9", "av1"), "webvtt"),
}
"""The containers by suffix."""


@dataclass(frozen=True)
class Encoding:
    """All that is needed to write the frames of a film.

    Attributes:
        codec: a name in :data:`CODECS`.
        encoder: encoder of FFmpeg.
        container: container of the result.
        crf: rate factor; None: the codec takes none.
        width: width of the frames, in pixels.
        height: height of the frames.
        rate: mean number of frames in a second.
        aspect: width of a pixel over its height.
        pixel_format: pixel format of FFmpeg.
        tick: the unit of times of the source, in seconds.
        remarks: losses, one line each.
    """

    codec: str
    encoder: Encoder
    container: Container
    crf: float | None
    width: int
    height: int
    rate: Fraction
    aspect: Fraction = Fraction(1)
    pixel_format: str = "yuv420p"
    tick: Fraction = Fraction(1, 90000)
    remarks: tuple[str, ...] = ()

    @property
    def encoder_rate(self) -> Fraction:
        """Frames a second for the rate control of an encoder: x265 refuses less than 1."""
        return max(self.rate, Fraction(1))

    @property
    def coded_width(self) -> int:
        """Width with the column that codecs with even sides need."""
        return _coded(self.width, CODECS[self.codec].even)

    @property
    def coded_height(self) -> int:
        """Height with the row that codecs with even sides need."""
        return _coded(self.height, CODECS[self.codec].even)

    @property
    def has_alpha(self) -> bool:
        """True if the opacity is kept."""
        return any(mark in self.pixel_format for mark in ("yuva", "gbrap", "bgra"))

    @property
    def is_deep(self) -> bool:
        """True if more than 8 bits are kept."""
        return self.pixel_format.endswith("le")

    @property
    def is_large(self) -> bool:
        """True if its frames are so large that memory counts more than time."""
        return self.width * self.height > LARGE

    @property
    def options(self) -> dict[str, str]:
        """Options of the encoder."""
        options = dict(self.encoder.options)
        if self.is_large:
            options.update(self.encoder.large)
        if self.crf is not None:
            options[self.encoder.crf_option] = f"{self.crf:g}"
        if self.codec == "prores":
            options["profile"] = "4444" if self.has_alpha else "hq"
        if self.codec == "vp9" and self.has_alpha:
            options["auto-alt-ref"] = "0"  # libvpx refuses both
        return options


def choose_encoding(
    info: FilmInfo, suffix: str, *, codec: str | None = None, crf: float | None = None
) -> Encoding:
    """Decide how the frames of a film are written.

    Args:
        info: facts about the film; its size is that of the result.
        suffix: suffix of the result, such as ".mp4".
        codec: a name in :data:`CODECS`; None: the usual one of the container.
        crf: rate factor, lower is better; None: the usual one of the codec.

    Raises:
        OptionError: The container does not hold the codec, or a value is out of its range.
        VideoError: PyAV has no encoder for the codec.

    Example:
        >>> info = FilmInfo("clip.mp4", 49, 65, Fraction(25))
        >>> encoding = choose_encoding(info, ".mp4")
        >>> encoding.codec, encoding.coded_width, encoding.remarks
        ('h264', 66, ('65 x 49 becomes 66 x 50: H.264 needs even sides',))
    """
    container = CONTAINERS.get(suffix.lower())
    if container is None:
        names = ", ".join(CONTAINERS)
        raise OptionError(
            f"{suffix or 'a name without a suffix'} is not a film format: give one of {names}"
        )
    name = container.codecs[0] if codec is None else codec
    if name not in CODECS:
        raise OptionError(f"codec must be one of {', '.join(CODECS)}, not {name!r}")
    row = CODECS[name]
    if name not in container.codecs:
        fitting = [each for each, other in CONTAINERS.items() if name in other.codecs]
        raise OptionError(
            f"{suffix} cannot contain {row.title}: give one of "
            f"{', '.join(container.codecs)}, or a result ending in {' or '.join(fitting)}"
        )
    if crf is not None and row.crf is None:
        raise OptionError(f"{row.title} takes no crf")
    if crf is not None and not 0 <= crf <= row.most:
        raise OptionError(f"crf of {row.title} must be from 0 to {row.most}, not {crf:g}")
    encoding = Encoding(
        codec=name,
        encoder=_found(row),
        container=container,
        crf=row.crf if crf is None else crf,
        width=info.width,
        height=info.height,
        rate=info.rate,
        aspect=info.aspect,
        pixel_format=row.pixel_format(deep=info.deep, alpha=info.alpha),
        tick=info.tick,
    )
    return _with_remarks(encoding, info)


def write_part(path: Path, frames: Iterable[Frame], encoding: Encoding) -> None:
    """Write frames into a separate Matroska file, one closed group of pictures.

    The frames are numbered in it, one millisecond each; the caller keeps their times.

    Args:
        path: path of the part, which is overwritten.
        frames: frames with images of 8 or 16 bits, of the size of the encoding.
        encoding: the same for all parts of a film.

    Raises:
        VideoError: if it cannot be written.
    """
    av = library()
    colors = ToFilm(encoding.pixel_format, encoding.coded_width, encoding.coded_height)
    with (
        wrapped(str(path), "cannot be written"),
        av.open(f"file:{path}", "w", format="matroska") as output,
    ):
        output.flags |= av.container.Flags.bitexact.value
        stream = output.add_stream(encoding.encoder.name, rate=encoding.encoder_rate)
        prepare_stream(stream, encoding, colors)
        step = 1 / encoding.encoder_rate
        for number, frame in enumerate(frames):
            check_size(frame, encoding.height, encoding.width)
            picture = colors(frame.image, frame.opacity)
            picture.pts, picture.time_base = number, step
            output.mux(_numbered(encoded(stream, picture)))
        output.mux(_numbered(encoded(stream, None)))


def prepare_stream(stream: Any, encoding: Encoding, colors: ToFilm) -> None:
    """Set up a new stream of a container for the encoding of pictures."""
    context = stream.codec_context
    flags = library().codec.context.Flags
    context.width, context.height = encoding.coded_width, encoding.coded_height
    context.pix_fmt = encoding.pixel_format
    context.time_base = 1 / encoding.encoder_rate
    context.sample_aspect_ratio = encoding.aspect
    context.gop_size = _LONG_GROUP
    context.thread_count = _THREADS_LARGE if encoding.is_large else _THREADS
    context.flags |= flags.bitexact.value | flags.closed_gop.value
    context.options = encoding.options
    for name, value in colors.tags.items():
        setattr(context, name, value)
    if encoding.has_alpha and encoding.codec == "vp9":
        stream.metadata["alpha_mode"] = "1"


def check_size(frame: Frame, height: int, width: int) -> None:
    """Check that a frame has the size of its film.

    Raises:
        VideoError: It does not.
    """
    found = frame.image.shape[:2]
    if found != (height, width):
        raise VideoError(
            f"a frame of {found[1]} x {found[0]} pixels does not fit into a film of "
            f"{width} x {height}"
        )


def encoded(stream: Any, picture: VideoFrame | None) -> list[Any]:
    """Encode a picture, or flush all that are left; give the packets decodable times.

    x265 gives films of one or two frames uninitialized times.
    """
    packets: list[Any] = stream.encode(picture)
    for packet in packets:
        early = _HOUR / packet.time_base
        if packet.dts is None or not packet.pts - early <= packet.dts <= packet.pts:
            packet.dts = packet.pts
    return packets


def _numbered(packets: list[Any]) -> list[Any]:
    """Packets with whole milliseconds instead of numbers of frames, which Matroska would round."""
    for packet in packets:
        packet.time_base = Fraction(1, 1000)
        packet.duration = 1
    return packets


def _listed(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _coded(side: int, even: bool) -> int:
    return side + side % 2 if even else side


def _found(codec: Codec) -> Encoder:
    av = library()
    for encoder in codec.encoders:
        try:
            av.Codec(encoder.name, "w")
        except ValueError:
            continue
        return encoder
    names = " or ".join(each.name for each in codec.encoders)
    raise VideoError(
        f"this PyAV ({escaped(av.__version__)}) has no encoder for {codec.title} ({names}): "
        "pip install --upgrade av, or give another codec"
    )


def _with_remarks(encoding: Encoding, info: FilmInfo) -> Encoding:
    codec = CODECS[encoding.codec]
    size = f"{encoding.width} x {encoding.height}"
    coded = f"{encoding.coded_width} x {encoding.coded_height}"
    remarks = []
    if coded != size:
        remarks.append(f"{size} becomes {coded}: {codec.title} needs even sides")
    if info.alpha and not encoding.has_alpha:
        holds = [
            row.title
            for row in CODECS.values()
            if row.alpha is not None and row.name in encoding.container.codecs
        ]
        instead = f"; {_listed(holds)} {'has' if len(holds) == 1 else 'have'} one" if holds else ""
        remarks.append(f"the opacity is lost: {codec.title} has no alpha channel{instead}")
    return replace(encoding, remarks=tuple(remarks))
