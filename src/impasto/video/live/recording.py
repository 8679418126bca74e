"""Recording of live frames: H.264 with the times at which the frames came, safe at any moment.

While it runs it is ``NAME.part.mkv`` beside the result, which is playable up to the last second,
however the call ends. At the end the packets are copied unchanged into the requested file.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import OptionError, VideoError, escaped
from impasto.images.writing import check_target
from impasto.video.container.colors import ToFilm
from impasto.video.live.fitting import fitted
from impasto.video.pyav import library, wrapped

__all__ = ["Recording"]

# The formats of FFmpeg, and their options.
_FORMATS: dict[str, tuple[str, dict[str, str]]] = {
    ".mp4": ("mp4", {"movflags": "+faststart"}),
    ".mov": ("mov", {"movflags": "+faststart"}),
    ".mkv": ("matroska", {}),
}

# No look-ahead and no frames out of order: each one is in the file when the next one comes.
_SETTINGS = {"preset": "veryfast", "tune": "zerolatency", "crf": "20"}

# Frames between two keyframes.
_GROUP = 30

# Matroska counts milliseconds.
_TICK = Fraction(1, 1000)

# The output of FFmpeg is written at once, in pieces of a second at most.
_AT_ONCE = {"flush_packets": "1", "cluster_time_limit": "1000"}

_PIXELS = "yuv420p"


class Recording:
    """A film that is written frame by frame, and gets its name at the end of its block.

    It gets it however the block ends, since what was recorded until then is worth keeping. The
    first frame sets the size; later ones are fitted into it. An odd side gets one more row of
    pixels, since H.264 has half as many colors as pixels.

    Attributes:
        path: path of the film.
        frames: number of frames written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        """Check that the film can be written; nothing is made before the first frame.

        Args:
            path: path of the film: .mp4, .mov or .mkv.
            overwrite: replace an existing file.

        Raises:
            OptionError: if the suffix is none of these.
            ImageError: if there is no such folder, or the file exists.
            VideoError: if another call records it, or left it unfinished.
        """
        if path.suffix.lower() not in _FORMATS:
            raise OptionError(
                f"{escaped(str(path))}: a recording is written as {', '.join(_FORMATS)}; give one "
                "of these suffixes"
            )
        check_target(path, overwrite=overwrite)
        self.path, self.frames = path, 0
        self._overwrite = overwrite
        self._part = path.with_name(f"{path.stem}.part.mkv")
        if self._part.exists():
            raise VideoError(
                f"{escaped(str(self._part))}: already exists, written by another run or left by "
                "one that was killed; it is playable: rename or remove it first"
            )
        self._container: Any = None
        self._stream: Any = None
        self._last = -1

    def __enter__(self) -> Recording:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, image: NDArray[np.uint8], time: float) -> None:
        """Add a frame.

        Args:
            image: (H, W, 3), sRGB.
            time: in seconds; that of the first frame becomes 0. Frames are in order.

        Raises:
            VideoError: if it cannot be written, as when the disk is full.
        """
        with wrapped(str(self._part), "cannot be written"):
            if self._container is None:
                self._begin(*image.shape[:2])
                self._zero, self._shape = time, image.shape
            if image.shape != self._shape:
                image = fitted(image, *self._shape[:2])
            frame = self._to_film(image)
            self._last = max(self._last + 1, round((time - self._zero) / _TICK))
            frame.pts, frame.time_base = self._last, _TICK
            self._container.mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Finish the film and give it its name; without a frame there is no film.

        Raises:
            VideoError: if that fails; the part then stays, and is playable.
            ImageError: if the name was taken meanwhile.
        """
        if self._container is None:
            return
        container, self._container = self._container, None
        with wrapped(str(self._part), "cannot be finished"):
            container.mux(self._stream.encode())
            container.close()
        hidden = self.path.with_name(f".{self.path.stem}.part{self.path.suffix}")
        try:
            with wrapped(str(self.path), f"cannot be written; {self._part.name} is playable"):
                self._copy(hidden)
            check_target(self.path, overwrite=self._overwrite)
            with wrapped(str(self.path), f"cannot be written; {self._part.name} is playable"):
                hidden.replace(self.path)
                self._part.unlink()
        finally:
            hidden.unlink(missing_ok=True)

    def _begin(self, height: int, width: int) -> None:
        av = library()
        height, width = height + height % 2, width + width % 2
        self._to_film = ToFilm(_PIXELS, width, height)
        self._container = av.open(
            str(self._part), "w", format="matroska", container_options=_AT_ONCE
        )
        stream = self._stream = self._container.add_stream("libx264", rate=30, options=_SETTINGS)
        stream.height, stream.width, stream.pix_fmt = height, width, _PIXELS
        stream.time_base = stream.codec_context.time_base = _TICK
        stream.codec_context.gop_size = _GROUP
        for tag, value in self._to_film.tags.items():
            setattr(stream.codec_context, tag, value)

    def _copy(self, target: Path) -> None:
        """Copy the packets of the part into the requested format."""
        av = library()
        name, options = _FORMATS[self.path.suffix.lower()]
        with (
            av.open(str(self._part)) as source,
            av.open(str(target), "w", format=name, container_options=options) as result,
        ):
            stream = result.add_stream_from_template(source.streams.video[0])
            for packet in source.demux(video=0):
                if packet.dts is not None:  # the last one is empty
                    packet.stream = stream
                    result.mux(packet)
