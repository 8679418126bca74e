"""Reading films: upright frames in sRGB at exact times, from any kind of source.

A film's times begin with its first stream, so that sound and picture stay together.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from impasto.errors import VideoError, escaped
from impasto.video.container.colors import FromFilm
from impasto.video.container.decoding import Decoding
from impasto.video.container.opening import Source, is_address, is_seekable, name_of
from impasto.video.frames import Damage, Film, FilmInfo, Frame
from impasto.video.pyav import wrapped

__all__ = ["ContainerFilm", "open_film"]


def open_film(source: Source, *, max_pixels: int) -> Film:
    """Open a film of any kind.

    Args:
        source: a file, a folder or pattern of numbered pictures, an animated picture, an address
            (``rtsp://...``), or an open binary file such as standard input.
        max_pixels: refuse films with larger frames.

    Raises:
        VideoError: It is not a film, has no frames, or its frames are too large.
        ImageError: It is a picture that cannot be read.
    """
    if isinstance(source, str | Path) and not is_address(source):
        from impasto.video.pictures import is_pictures, open_pictures

        if is_pictures(source):
            return open_pictures(source, max_pixels=max_pixels)
        if not Path(source).exists():
            raise VideoError(f"{escaped(str(source))}: does not exist")
    return ContainerFilm(source, max_pixels=max_pixels)


class ContainerFilm:
    """A film in a container, such as MP4 or Matroska.

    Each call of :meth:`frames` opens the file anew; a pipe continues.

    Args:
        source: a file, an address or an open binary file.
        max_pixels: refuse films with larger frames.

    Raises:
        VideoError: It cannot be read, or has no frames.
    """

    def __init__(self, source: Source, *, max_pixels: int) -> None:
        self._source = source
        self._name = name_of(source)
        self._is_pipe = not isinstance(source, str | Path) and not is_seekable(source)
        self._decoding: Decoding | None = Decoding(source, max_pixels)
        try:
            self._begin(self._decoding)
        except BaseException:
            self.close()
            raise

    def _begin(self, decoding: Decoding) -> None:
        first = decoding.first
        self._colors = FromFilm(first)
        height, width = first.height, first.width
        aspect = decoding.stream.sample_aspect_ratio or Fraction(1)
        if aspect <= 0:
            aspect = Fraction(1)
        if self._colors.turn.transposed:
            height, width, aspect = width, height, 1 / aspect
        seconds = decoding.seconds
        rate = decoding.rate
        frames = decoding.stream.frames or (round(seconds * rate) if seconds else None)
        self._info = FilmInfo(
            name=self._name,
            height=height,
            width=width,
            rate=rate,
            seconds=None if seconds is None else float(seconds),
            frames=frames,
            aspect=aspect,
            alpha=self._colors.alpha,
            deep=self._colors.deep,
            tick=decoding.tick,
            remarks=(*decoding.remarks, *self._remarks(decoding)),
        )
        self._started = False

    def _remarks(self, decoding: Decoding) -> Iterator[str]:
        yield from self._colors.remarks
        if self._is_pipe and decoding.others:
            others = " and ".join(decoding.others)
            yield f"the {others} of a pipe is left out: give a file to keep it"
        if not self._colors.turn.is_exact:
            yield "its rotation is not a multiple of 90 degrees: the nearest multiple is used"

    @property
    def info(self) -> FilmInfo:
        """The facts about it."""
        return self._info

    def frames(
        self, start: Fraction = Fraction(0), end: Fraction | None = None
    ) -> Iterator[Frame | Damage]:
        """Decode the frames that appear at ``start`` or later and before ``end``, in seconds.

        Raises:
            VideoError: The file cannot be read any more, or is a pipe that was read before.
        """
        decoding = self._taken()
        with wrapped(self._name, "cannot be read further"):
            for each in decoding.moments(start):
                if isinstance(each, Damage):
                    if each.time is None or each.time >= start:
                        yield each
                    continue
                if end is not None and each.time >= end:
                    return
                if each.time < start:
                    continue
                image, opacity = self._colors(each.frame)
                yield Frame(image, each.time, opacity, each.seconds)

    def close(self) -> None:
        """Close the file."""
        if self._decoding is not None:
            self._decoding.close()
            self._decoding = None

    def __enter__(self) -> ContainerFilm:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _taken(self) -> Decoding:
        """Return a decoding that is at the beginning."""
        if not self._started and self._decoding is not None:
            self._started = True
            return self._decoding
        if self._is_pipe:
            raise VideoError(f"{escaped(self._name)}: a pipe can be read only once")
        self.close()
        self._decoding = Decoding(self._source, None)
        self._started = True
        return self._decoding
