"""A film in a pipe: YUV4MPEG2 that any tool reads, or Matroska with all that the source has."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_files import HEIGHT, RATE, WIDTH, FilmFiles, facts, number_in, picture

from impasto.errors import OptionError, VideoError
from impasto.video.container.streams import StreamTarget
from impasto.video.frames import FilmInfo, Frame
from impasto.video.reading import open_film

INFO = FilmInfo("clip", HEIGHT, WIDTH, Fraction(RATE))


class Pipe(io.RawIOBase):
    """A file that takes bytes and can do nothing else."""

    def __init__(self) -> None:
        self.data = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.data += data
        return len(data)


def copied(source: Path, pipe: Any, **choice: Any) -> tuple[list[Frame], tuple[str, ...]]:
    with open_film(source, max_pixels=1_000_000) as film:
        target = StreamTarget(pipe, film.info, source=source, **choice)
        frames = [frame for frame in film.frames() if isinstance(frame, Frame)]
        for frame in frames:
            target.write(frame)
        return frames, target.finish()


def test_yuv4mpeg_is_read_by_others(films: FilmFiles, tmp_path: Path) -> None:
    pipe = Pipe()
    frames, remarks = copied(films("bt709.mp4"), pipe)
    assert pipe.data.startswith(b"YUV4MPEG2 W96 H64 F30:1 Ip A1:1 C420jpeg")
    assert remarks == (
        "YUV4MPEG2 holds only video (sound left out); give a codec to write Matroska",
    )
    path = tmp_path / "film.y4m"
    path.write_bytes(pipe.data)
    known = facts(path)
    assert known["numbers"] == list(range(RATE))
    assert known["times"] == [Fraction(n, RATE) for n in range(RATE)]
    with open_film(path, max_pixels=1_000_000) as film:
        first = next(film.frames())
    assert isinstance(first, Frame)
    assert np.abs(first.image.astype(int) - frames[0].image).mean() <= 2


def test_yuv4mpeg_keeps_time_by_whole_frames(tmp_path: Path) -> None:
    """Of the times 0, 1, 1.2, 4 only 0, 1 and 4 have a frame of their own at this rate."""
    pipe = Pipe()
    target = StreamTarget(pipe, INFO)  # type: ignore[arg-type]
    for number, place in enumerate((0.0, 1.0, 1.2, 4.0)):
        target.write(Frame(picture(number), Fraction(place) / RATE))
    assert target.finish() == (
        "YUV4MPEG2 has one frame rate: 2 frames repeated, 1 dropped; give a codec to write "
        "Matroska, which keeps all times",
    )
    (tmp_path / "film.y4m").write_bytes(pipe.data)
    assert facts(tmp_path / "film.y4m")["numbers"] == [0, 2, 2, 2, 3]


@pytest.mark.parametrize("size", [(65, 97), (720, 1280)])
def test_yuv4mpeg_of_any_size_has_the_colors_that_players_take_it_for(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    pipe = Pipe()
    info = replace(INFO, height=size[0], width=size[1])
    target = StreamTarget(pipe, info)  # type: ignore[arg-type]
    image = np.zeros((*size, 3), np.uint8)
    image[...] = (200, 60, 30)
    target.write(Frame(image, Fraction(0)))
    target.finish()
    (tmp_path / "film.y4m").write_bytes(pipe.data)
    with open_film(tmp_path / "film.y4m", max_pixels=1_000_000) as film:
        frame = next(film.frames())
    assert isinstance(frame, Frame) and frame.image.shape == (*size, 3)
    assert np.abs(frame.image.astype(int) - image).max() <= 3


@pytest.mark.parametrize("name", ["tracks.mkv", "vfr.mp4", "tracks.mp4"])
def test_matroska_in_a_pipe_has_times_sound_and_all_else(
    films: FilmFiles, tmp_path: Path, name: str
) -> None:
    source, pipe, path = films(name), Pipe(), tmp_path / "film.mkv"
    frames, remarks = copied(source, pipe, codec="h264")
    assert remarks == ()
    path.write_bytes(pipe.data)
    given, found = facts(source), facts(path)
    late = [abs(time - frame.time) for time, frame in zip(found["times"], frames, strict=True)]
    assert max(late) <= 0.001
    assert found["numbers"] == given["numbers"]
    assert found["chapters"] == given["chapters"]
    assert found["tags"] == (1, 1, 1, 1)

    def sounds(known: dict[str, Any]) -> list[str]:
        return [each["md5"] for each in known["streams"] if each["kind"] == "audio"]

    def kinds(known: dict[str, Any]) -> list[str]:
        return [each["kind"] for each in known["streams"] if each["kind"] != "data"]

    assert sounds(found) == sounds(given)
    assert kinds(found) == kinds(given)


def test_sound_that_a_pipe_does_not_hold_is_told(films: FilmFiles, tmp_path: Path) -> None:
    """Matroska would write about the sound of a transport stream at the end, into its beginning."""
    pipe = Pipe()
    _, remarks = copied(films("plain.ts"), pipe, codec="h264")
    assert remarks == ("the sound (aac) is left out: matroska in a pipe cannot contain it",)
    (tmp_path / "film.mkv").write_bytes(pipe.data)
    assert facts(tmp_path / "film.mkv")["numbers"] == list(range(RATE))


def test_a_pipe_keeps_every_bit_with_ffv1() -> None:
    pipe = Pipe()
    info = replace(INFO, alpha=True, deep=True)
    target = StreamTarget(pipe, info, codec="ffv1")  # type: ignore[arg-type]
    assert target.deep
    image = picture(5) * np.uint16(257) + np.uint16(3)
    target.write(Frame(image, Fraction(0), image[..., 1].copy()))
    assert target.finish() == ()
    with open_film(io.BytesIO(bytes(pipe.data)), max_pixels=1_000_000) as film:
        frame = next(film.frames())
    assert isinstance(frame, Frame) and frame.opacity is not None
    np.testing.assert_array_equal(frame.image, image)
    np.testing.assert_array_equal(frame.opacity, image[..., 1])


def test_frames_pass_on_as_they_come() -> None:
    """What has been painted can be seen before the film is whole; what is stopped is a film."""
    pipe = Pipe()
    target = StreamTarget(pipe, INFO, codec="ffv1")  # type: ignore[arg-type]
    sizes = []
    for number in range(4):
        target.write(Frame(picture(number), Fraction(number, RATE)))
        sizes.append(len(pipe.data))
    assert sizes[0] < sizes[2] < sizes[3]
    target.stop()
    with open_film(io.BytesIO(bytes(pipe.data)), max_pixels=1_000_000) as film:
        found = [number_in(frame.image) for frame in film.frames() if isinstance(frame, Frame)]
    assert found == list(range(len(found))) and len(found) >= 2


def test_a_closed_pipe_and_wrong_frames_are_told() -> None:
    class Closed(Pipe):
        def write(self, data: Any) -> int:
            raise BrokenPipeError(32, "Broken pipe")

    for codec in (None, "h264"):
        target = StreamTarget(Closed(), INFO, codec=codec)  # type: ignore[arg-type]
        with pytest.raises(VideoError, match="cannot be written: Broken pipe"):
            for number in range(60):
                target.write(Frame(picture(number), Fraction(number, RATE)))
            target.finish()
        target.stop()
    target = StreamTarget(Pipe(), INFO)  # type: ignore[arg-type]
    with pytest.raises(VideoError, match="does not fit"):
        target.write(Frame(picture(0, 32, 64), Fraction(0)))
    with pytest.raises(OptionError, match="codec must be one of"):
        StreamTarget(Pipe(), INFO, codec="mpeg")  # type: ignore[arg-type]
