"""Films of all kinds come in upright, frame by frame, at the times at which players show them."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_files import HEIGHT, KINDS, RATE, WIDTH, FilmFiles, facts, number_in, picture

from impasto.errors import VideoError
from impasto.video.frames import Damage, Frame
from impasto.video.reading import open_film

PIXELS = 1_000_000
UNREADABLE = ("sound.m4a", "no-frame.mkv", "cut-short.mp4")
HDR = ("pq.mkv", "hlg.mkv")
READABLE = [name for name in KINDS if name not in UNREADABLE]


def read(path: Any, **span: Any) -> list[Frame | Damage]:
    with open_film(path, max_pixels=PIXELS) as film:
        return list(film.frames(**span))


def frames_of(values: list[Frame | Damage]) -> list[Frame]:
    return [value for value in values if isinstance(value, Frame)]


@pytest.mark.parametrize("name", READABLE)
def test_frames_and_times_are_those_of_decoding(films: FilmFiles, name: str) -> None:
    path = films(name)
    known = facts(path)
    found = frames_of(read(path))
    # The beginning of the stream that begins first, as it is made; encoders of sound begin before.
    begins = 2 if name == "late.mkv" else 0
    if name == "plain.ts":
        begins = known["streams"][1]["start"]
    times = [time - begins for time in known["times"]]
    assert len(found) == len(times)
    assert max(abs(one.time - two) for one, two in zip(found, times, strict=True)) <= 0.001
    if name != "vfr.mkv":  # two of its frames are shown at the same millisecond
        assert [frame.time for frame in found] == times
    assert all(one.time < two.time for one, two in pairwise(found))
    if name not in (*HDR, "damaged.mkv"):
        assert [number_in(frame.image) for frame in found] == known["numbers"]


@pytest.mark.parametrize("name", READABLE)
def test_facts_are_known_before_decoding(films: FilmFiles, name: str) -> None:
    with open_film(films(name), max_pixels=PIXELS) as film:
        info = film.info
        frames = frames_of(list(film.frames()))
    assert {frame.image.shape for frame in frames} == {(info.height, info.width, 3)}
    assert info.deep == (frames[0].image.dtype == np.uint16)
    assert info.alpha == (frames[0].opacity is not None)
    assert info.seconds is not None and info.frames is not None
    cut = name.startswith("cut-short")
    assert cut or abs(info.seconds - float(frames[-1].time)) < 0.3
    if not name.startswith(("cut-short", "damaged", "vfr", "edited")):
        # Fragments and transport streams do not tell the length of the pictures alone.
        about = 1 if name in ("fragmented.mp4", "plain.ts") else 0
        assert abs(info.frames - len(frames)) <= about
    assert all(frame.time % info.tick == 0 for frame in frames)
    assert 10 <= info.rate <= RATE


@pytest.mark.parametrize(("turn", "size"), [(90, (96, 64)), (180, (64, 96)), (270, (96, 64))])
def test_films_of_phones_are_turned_upright(
    films: FilmFiles, turn: int, size: tuple[int, int]
) -> None:
    with open_film(films(f"rotated{turn}.mp4"), max_pixels=PIXELS) as film:
        first = next(film.frames())
        info = film.info
    assert isinstance(first, Frame)
    assert (info.height, info.width) == size
    # The sides of a pixel are turned too.
    assert info.aspect == (Fraction(3, 4) if turn == 90 else 1)
    assert np.abs(first.image.astype(int) - picture(0, *size)).mean() < 3


def test_the_frames_of_an_edited_film_are_those_that_are_shown(films: FilmFiles) -> None:
    """Ten frames stand before its edit list begins."""
    found = frames_of(read(films("edited.mp4")))
    assert [number_in(frame.image) for frame in found] == list(range(10, RATE))
    assert found[0].time == 0


def test_fields_are_joined_into_frames_without_combs(films: FilmFiles) -> None:
    import av

    path = films("interlaced.mp4")
    with open_film(path, max_pixels=PIXELS) as film:
        assert film.info.remarks == ("it is interlaced: its fields are combined into full frames",)
        found = frames_of(list(film.frames()))
    with av.open(str(path)) as raw:
        woven = [frame.to_ndarray(format="rgb24") for frame in raw.decode(video=0)]

    def combs(images: list[Any]) -> float:
        middle = np.stack([image[20:60] for image in images]).astype(float)
        return float(np.abs(middle[:, 1:-1] - (middle[:, :-2] + middle[:, 2:]) / 2).mean())

    assert len(found) == RATE
    assert combs([frame.image for frame in found]) < 0.4 * combs(woven)


def test_opacity_of_a_web_film_is_read(films: FilmFiles) -> None:
    first = frames_of(read(films("alpha.webm")))[0]
    assert first.opacity is not None and first.opacity.shape == (HEIGHT, WIDTH)
    assert first.opacity[: HEIGHT // 2 - 4].mean() > 252
    assert abs(first.opacity[HEIGHT // 2 + 4 :].mean() - 64) < 3


@pytest.mark.parametrize("name", ["long.mp4", "cut-short.mkv"])
@pytest.mark.parametrize(
    ("start", "end"), [(Fraction(3, 2), None), (Fraction(61, 30), Fraction(21, 10))]
)
def test_a_part_of_a_film_has_the_frames_of_the_whole(
    films: FilmFiles, name: str, start: Fraction, end: Fraction | None
) -> None:
    with open_film(films(name), max_pixels=PIXELS) as film:
        whole = frames_of(list(film.frames()))
        part = frames_of(list(film.frames(start, end)))
    wanted = [frame for frame in whole if start <= frame.time and (not end or frame.time < end)]
    assert part and [frame.time for frame in part] == [frame.time for frame in wanted]
    for one, two in zip(part, wanted, strict=True):
        np.testing.assert_array_equal(one.image, two.image)


class Pipe(io.RawIOBase):
    """A file that gives its bytes as they come, once."""

    def __init__(self, data: bytes) -> None:
        self._rest = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._rest.read(min(size, 1000) if size >= 0 else -1)


@pytest.mark.parametrize("name", ["tracks.mkv", "fragmented.mp4", "plain.ts", "alpha.webm"])
def test_a_pipe_is_read_once(films: FilmFiles, name: str) -> None:
    path = films(name)
    with open_film(Pipe(path.read_bytes()), max_pixels=PIXELS) as film:  # type: ignore[arg-type]
        assert film.info.name == "standard input"
        kinds = "sound and subtitles" if name == "tracks.mkv" else "sound"
        remark = f"the {kinds} of a pipe is left out: give a file to keep it"
        assert film.info.remarks == (remark,)
        found = frames_of(list(film.frames()))
        with pytest.raises(VideoError, match="a pipe can be read only once"):
            list(film.frames())
    assert [number_in(frame.image) for frame in found] == list(range(RATE))
    assert [frame.time for frame in found] == [frame.time for frame in frames_of(read(path))]


def test_an_mp4_with_its_index_at_the_end_cannot_come_from_a_pipe(films: FilmFiles) -> None:
    with pytest.raises(VideoError, match="and MP4 only with its index at the start"):
        open_film(Pipe(films("plain.mp4").read_bytes()), max_pixels=PIXELS)  # type: ignore[arg-type]


def test_plain_frames_from_a_pipe_are_a_film(tmp_path: Path) -> None:
    """YUV4MPEG2, as tools of video hand it on; gray is the value 126 in the narrow range."""
    frame = b"FRAME\n" + bytes([126]) * 64 + bytes([128]) * 32
    data = b"YUV4MPEG2 W8 H8 F24000:1001 Ip A4:3 C420jpeg\n" + frame * 3
    with open_film(Pipe(data), max_pixels=PIXELS) as film:  # type: ignore[arg-type]
        info = film.info
        found = frames_of(list(film.frames()))
    assert (info.height, info.width, info.aspect) == (8, 8, Fraction(4, 3))
    assert [frame.time for frame in found] == [Fraction(1001 * n, 24000) for n in range(3)]
    assert {int(value) for value in np.unique(found[1].image)} <= {127, 128, 129}


def test_an_open_file_is_read_as_often_as_one_likes(films: FilmFiles) -> None:
    file = io.BytesIO(films("plain.mp4").read_bytes())
    with open_film(file, max_pixels=PIXELS) as film:
        for _ in range(2):
            assert len(frames_of(list(film.frames()))) == RATE


def test_a_damaged_packet_is_told_and_the_film_goes_on(films: FilmFiles) -> None:
    found = read(films("damaged.mkv"))
    damages = [value for value in found if isinstance(value, Damage)]
    frames = frames_of(found)
    assert len(damages) == 1 and "damaged" in damages[0].reason
    assert damages[0].time is not None and Fraction(1, 3) <= damages[0].time <= Fraction(2, 5)
    assert found.index(damages[0]) in (11, 12, 13)
    assert [number_in(frame.image) for frame in frames[-14:]] == list(range(16, RATE))


def test_the_end_of_a_film_that_was_cut_short_is_told(films: FilmFiles) -> None:
    found = read(films("cut-short.mkv"))
    last = found[-1]
    assert isinstance(last, Damage) and last.reason.endswith("of 4.0 s: it has been cut short")
    assert len(found) > 60


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sound.m4a", "sound.m4a: has no video, only audio"),
        ("no-frame.mkv", "no-frame.mkv: has no frame that can be decoded"),
        ("cut-short.mp4", "cannot be read as a film (if it was cut short, its index"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(films: FilmFiles, name: str, message: str) -> None:
    with pytest.raises(VideoError) as caught:
        open_film(films(name), max_pixels=PIXELS)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [("empty.mp4", b""), ("letter.txt", b"Dear all,\n" * 99), ("noise.mkv", bytes(range(256)) * 9)],
)
def test_files_that_are_no_films_are_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(VideoError, match=f"{name}: cannot be read as a film"):
        open_film(tmp_path / name, max_pixels=PIXELS)


def test_a_missing_file_and_a_large_one_are_refused(films: FilmFiles, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match=r"nothing\.mp4: does not exist"):
        open_film(tmp_path / "nothing.mp4", max_pixels=PIXELS)
    with pytest.raises(VideoError, match="96 x 64 pixels, more than the limit of 6,143; pass"):
        open_film(films("plain.mp4"), max_pixels=HEIGHT * WIDTH - 1)


def test_names_may_hold_what_addresses_hold(films: FilmFiles, tmp_path: Path) -> None:
    path = tmp_path / "concat:a%20film \x1b[31m.mp4"
    path.write_bytes(films("one-frame.mp4").read_bytes())
    assert len(read(path)) == 1


def test_closing_a_film_ends_its_frames(films: FilmFiles) -> None:
    film = open_film(films("plain.mp4"), max_pixels=PIXELS)
    frames = film.frames()
    next(frames)
    film.close()
    assert list(frames) == []


@pytest.mark.parametrize("name", ["plain.mp4", "tracks.mkv", "plain.ts"])
def test_broken_bytes_never_end_in_another_error(
    films: FilmFiles, tmp_path: Path, name: str
) -> None:
    data = films(name).read_bytes()
    rng = np.random.default_rng(7)
    read_at_all = 0
    for _ in range(12):
        broken = bytearray(data)
        for place in rng.integers(0, len(data), 40):
            broken[place] = int(rng.integers(0, 256))
        path = tmp_path / name
        path.write_bytes(bytes(broken))
        try:
            read_at_all += bool(read(path))
        except VideoError as error:
            assert "\n" not in str(error)
    assert read_at_all
