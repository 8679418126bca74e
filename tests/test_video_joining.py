"""Parts are joined with all that the source holds; what a container does not hold is told."""

from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_files import HEIGHT, RATE, TEXTS, WIDTH, FilmFiles, facts, number_in, picture

from impasto.errors import OptionError, VideoError
from impasto.video.container.encoding import (
    CODECS,
    CONTAINERS,
    Encoding,
    choose_encoding,
    write_part,
)
from impasto.video.container.joining import join
from impasto.video.frames import FilmInfo, Frame
from impasto.video.reading import open_film

PART = 12
INFO = FilmInfo("clip", HEIGHT, WIDTH, Fraction(RATE))


def copied(
    source: Path,
    target: Path,
    *,
    start: Fraction = Fraction(0),
    end: Fraction | None = None,
    **choice: Any,
) -> tuple[list[Frame], Encoding, tuple[str, ...]]:
    """Bring a film into another file, part by part, as painting does."""
    folder = target.with_suffix(".parts")
    folder.mkdir(exist_ok=True)
    with open_film(source, max_pixels=1_000_000) as film:
        encoding = choose_encoding(film.info, target.suffix, **choice)
        frames = [each for each in film.frames(start, end) if isinstance(each, Frame)]
    parts = []
    for first in range(0, len(frames), PART):
        parts.append(folder / f"{first:06}.mkv")
        write_part(parts[-1], frames[first : first + PART], encoding)
    remarks = join(
        parts,
        [frame.time for frame in frames],
        target,
        encoding,
        source=source,
        start=start,
        end=end,
        seconds=frames[-1].seconds,
    )
    return frames, encoding, remarks


def numbered(count: int = RATE, *, deep: bool = False, alpha: bool = False) -> list[Frame]:
    frames = []
    for number in range(count):
        image: Any = picture(number)
        opacity: Any = image[..., 0] if alpha else None
        if deep:
            image = image * np.uint16(257) + np.uint16(number)
            opacity = opacity * np.uint16(257) if alpha else None
        frames.append(Frame(image, Fraction(number, RATE), opacity))
    return frames


def made(
    target: Path, frames: list[Frame], info: FilmInfo = INFO, **choice: Any
) -> tuple[str, ...]:
    """Write frames into a film without a source."""
    encoding = choose_encoding(info, target.suffix, **choice)
    part = target.with_suffix(".part")
    write_part(part, frames, encoding)
    return join([part], [frame.time for frame in frames], target, encoding, source=None)


def sounds(known: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["codec"], each["md5"]) for each in known["streams"] if each["kind"] == "audio"]


NAMES = (
    "plain.mp4 plain.mkv plain.ts pcm.mkv pcm.avi opus.mkv vfr.mp4 vfr.mkv rotated90.mp4 "
    "rotated180.mp4 pq.mkv full.mp4 tracks.mkv tracks.mp4 wide.mp4 wide.mkv edited.mp4 "
    "interlaced.mp4 cut-short.mkv fragmented.mp4 alpha.webm one-frame.mp4 damaged.mkv late.mkv"
).split()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("name", NAMES)
def test_times_sound_and_shape_are_kept(
    films: FilmFiles, tmp_path: Path, name: str, suffix: str
) -> None:
    source, target = films(name), tmp_path / f"result{suffix}"
    frames, _, remarks = copied(source, target)
    given, found = facts(source), facts(target)
    late = [abs(time - frame.time) for time, frame in zip(found["times"], frames, strict=True)]
    # Matroska counts in milliseconds.
    assert max(late) <= (0 if suffix == ".mp4" else 0.001)
    assert len(found["times"]) == len(given["times"])
    if name not in ("pq.mkv", "damaged.mkv"):  # one has none, one has a damaged one
        assert found["numbers"] == given["numbers"]
    if (name, suffix) != ("edited.mp4", ".mkv"):  # no edits there: what is hidden is left out
        assert sounds(found) == sounds(given)
    assert found["rotation"] == 0
    assert found["size"] == (given["size"][::-1] if name == "rotated90.mp4" else given["size"])
    aspect = given["aspect"] or 1
    assert (found["aspect"] or 1) == (1 / aspect if name == "rotated90.mp4" else aspect)
    assert found["tags"] == (1, 1, 1, 1)
    assert not remarks or name == "tracks.mkv"


def test_an_mp4_starts_at_once_and_with_its_pictures(films: FilmFiles, tmp_path: Path) -> None:
    target = tmp_path / "result.mp4"
    frames, _, _ = copied(films("plain.mp4"), target)
    data = target.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")
    found = facts(target)
    assert (found["start"], found["times"][0]) == (0, 0)
    assert found["seconds"] == pytest.approx(1.0, abs=0.001)
    assert frames[-1].seconds == Fraction(1, RATE)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_sound_stays_with_the_pictures(films: FilmFiles, tmp_path: Path, suffix: str) -> None:
    """In a transport stream the sound begins before the pictures, at a time of its own."""
    source, target = films("plain.ts"), tmp_path / f"result{suffix}"
    copied(source, target)
    given, found = facts(source), facts(target)

    def offset(known: dict[str, Any]) -> float:
        sound = next(each for each in known["streams"] if each["kind"] == "audio")
        return float(known["times"][0] - sound["start"])

    assert offset(given) == pytest.approx(0.0232, abs=1e-3)
    assert offset(found) == pytest.approx(offset(given), abs=1e-3)


def test_the_last_frame_is_shown_as_long_as_in_the_source(films: FilmFiles, tmp_path: Path) -> None:
    frames, _, _ = copied(films("vfr.mp4"), tmp_path / "result.mp4")
    assert frames[-1].seconds is not None
    ends = float(frames[-1].time + frames[-1].seconds)
    assert facts(tmp_path / "result.mp4")["seconds"] == pytest.approx(ends, abs=0.001)


def read_texts(path: Path) -> list[list[tuple[float, str]]]:
    import av

    with av.open(str(path)) as film:
        found = []
        for stream in film.streams.subtitles:
            texts = []
            film.seek(0)
            for packet in film.demux(stream):
                for each in packet.decode() if packet.size else []:
                    texts.append((float(packet.pts * packet.time_base), each.dialogue.decode()))
            found.append(texts)
        return found


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize("name", ["tracks.mkv", "tracks.mp4"])
def test_subtitles_chapters_languages_and_metadata_are_kept(
    films: FilmFiles, tmp_path: Path, name: str, suffix: str
) -> None:
    source, target = films(name), tmp_path / f"result{suffix}"
    _, _, remarks = copied(source, target)
    given, found = facts(source), facts(target)
    assert found["chapters"] == given["chapters"] == [(0.0, 0.4, "First"), (0.4, 1.0, "Second")]
    for name_of in ("title", "artist", "comment"):
        assert found["metadata"][name_of] == given["metadata"][name_of]

    def languages(known: dict[str, Any]) -> list[tuple[str, str]]:
        return [
            (each["kind"], each["language"])
            for each in known["streams"]
            if each["kind"] in ("audio", "subtitle")
        ]

    def marks(known: dict[str, Any]) -> list[int]:
        return [each["disposition"] for each in known["streams"] if each["kind"] == "audio"]

    kept, wanted = languages(found), languages(given)
    if (name, suffix) == ("tracks.mkv", ".mov"):
        # QuickTime has a list of languages of its own, and no mark for comments.
        assert (kept.pop(), wanted.pop()) == (("subtitle", None), ("subtitle", "deu"))
        assert remarks == (
            "the flag of the sound (comment) is left out",
            "the language of the subtitle (deu) is left out",
        )
    else:
        assert marks(found) == marks(given)
        assert remarks == ()
    assert kept == wanted
    texts = [[each for each in track if each[1]] for track in read_texts(target)]
    assert texts == [[(begin / 1000, text) for begin, _, text in TEXTS]] * len(texts)
    assert len(texts) == len(languages(given)) - 2


@pytest.mark.parametrize(
    ("name", "suffix", "remark"),
    [
        ("tracks.mkv", ".webm", "the sound (aac, eng) is left out: webm cannot contain it"),
        ("font.mkv", ".mp4", "the attachment (letters.ttf) is left out: mp4 cannot contain it"),
        ("cover.mp4", ".webm", "the cover (mjpeg) is left out: webm cannot contain it"),
    ],
)
def test_what_a_container_does_not_hold_is_told(
    films: FilmFiles, tmp_path: Path, name: str, suffix: str, remark: str
) -> None:
    _, _, remarks = copied(films(name), tmp_path / f"result{suffix}")
    assert remark in remarks
    assert all("\n" not in each for each in remarks)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_tracks_whose_times_go_back_are_joined(
    films: FilmFiles, tmp_path: Path, suffix: str
) -> None:
    """Broken recordings repeat times; MP4 takes none twice."""
    import av

    source = tmp_path / "source.mkv"
    with av.open(str(films("tracks.mkv"))) as film, av.open(str(source), "w") as output:
        made = {each: output.add_stream_from_template(each, opaque=True) for each in film.streams}
        for number, packet in enumerate(film.demux()):
            if not packet.size:
                continue
            if packet.stream.type != "video":
                packet.pts = packet.dts = 100 + 20 * (number // 40)
            packet.stream = made[packet.stream]
            output.mux(packet)
    _, _, remarks = copied(source, tmp_path / f"result{suffix}")
    assert sounds(facts(tmp_path / f"result{suffix}")) == sounds(facts(source))
    assert remarks == ()


@pytest.mark.parametrize("name", ["tracks.mkv", "tracks.mp4", "plain.ts", "opus.mkv"])
def test_a_damaged_source_does_not_cost_the_painted_film(
    films: FilmFiles, tmp_path: Path, name: str
) -> None:
    frames = numbered(10)
    encoding = choose_encoding(INFO, ".mp4")
    write_part(tmp_path / "part", frames, encoding)
    times = [frame.time for frame in frames]
    data = films(name).read_bytes()
    rng = np.random.default_rng(3)
    joined = 0
    for number in range(12):
        broken = bytearray(data)
        for place in rng.integers(1000, len(data), 60):
            broken[place] = int(rng.integers(0, 256))
        source, target = tmp_path / f"{number}-{name}", tmp_path / "result.mp4"
        source.write_bytes(bytes(broken))
        try:
            open_film(source, max_pixels=1_000_000).close()
        except VideoError:
            continue  # it could not have been painted
        join([tmp_path / "part"], times, target, encoding, source=source)
        assert facts(target)["numbers"] == list(range(10))
        joined += 1
    assert joined >= 4


def test_attachments_and_covers_are_kept(films: FilmFiles, tmp_path: Path) -> None:
    import av

    _, _, remarks = copied(films("font.mkv"), tmp_path / "font.mkv")
    assert remarks == ()
    with av.open(str(tmp_path / "font.mkv")) as film:
        assert film.streams.attachments[0].data.startswith(b"\0\1\0\0letters")
    for suffix in (".mp4", ".mkv"):
        target = tmp_path / f"cover{suffix}"
        _, _, remarks = copied(films("cover.mp4"), target)
        assert remarks == ()
        with av.open(str(target)) as film:
            covers = [
                each
                for each in film.streams.video
                if each.disposition & av.stream.Disposition.attached_pic
            ]
            assert len(covers) == 1 and covers[0].codec_context.name == "mjpeg"
            assert not film.streams.video[0].disposition & av.stream.Disposition.attached_pic


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_piece_of_a_film_begins_at_zero(films: FilmFiles, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"result{suffix}"
    start, end = Fraction(3, 2), Fraction(5, 2)
    copied(films("long.mp4"), target, start=start, end=end)
    found = facts(target)
    assert found["numbers"] == list(range(45, 75))
    assert [round(float(time), 2) for time in found["times"]] == [
        round(n / RATE, 2) for n in range(RATE)
    ]
    sound = next(each for each in found["streams"] if each["kind"] == "audio")
    packet = 1024 / 44100
    assert abs(float(sound["start"])) <= packet
    assert found["seconds"] == pytest.approx(1.0, abs=packet + 0.001)


def test_chapters_and_texts_of_a_piece_are_cut(films: FilmFiles, tmp_path: Path) -> None:
    target = tmp_path / "result.mkv"
    copied(films("tracks.mkv"), target, start=Fraction(1, 5), end=Fraction(3, 5))
    assert facts(target)["chapters"] == [(0.0, 0.2, "First"), (0.2, 0.4, "Second")]
    assert read_texts(target)[0] == [(0.0, "Hello"), (0.3, "and good bye")]


CHOICES = [
    (suffix, codec) for suffix, container in CONTAINERS.items() for codec in container.codecs
]


@pytest.mark.parametrize(("suffix", "codec"), CHOICES)
def test_every_container_holds_its_codecs(tmp_path: Path, suffix: str, codec: str) -> None:
    import av

    target = tmp_path / f"result{suffix}"
    frames = numbered(10)
    assert made(target, frames, codec=codec) == ()
    found = facts(target)
    assert found["numbers"] == list(range(10))
    assert max(abs(one - two.time) for one, two in zip(found["times"], frames)) <= 0.001  # noqa: B905
    assert found["tags"] == ((0, 2, 1, 13) if codec == "ffv1" else (1, 1, 1, 1))
    with av.open(str(target)) as film:
        context = film.streams.video[0].codec_context
        assert context.codec.canonical_name == codec
        if codec == "hevc" and suffix != ".mkv":
            assert context.codec_tag == "hvc1"


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("rate", [Fraction(1, 4), Fraction(240)])
def test_slow_and_quick_films_are_coded(tmp_path: Path, codec: str, rate: Fraction) -> None:
    """A slide show has less than a frame a second, which some encoders refuse."""
    frames = [replace(each, time=each.time * RATE / rate) for each in numbered(3)]
    target = tmp_path / "film.mkv"
    assert made(target, frames, replace(INFO, rate=rate), codec=codec) == ()
    found = facts(target)["times"]
    assert max(abs(one - two.time) for one, two in zip(found, frames, strict=True)) <= 0.001


@pytest.mark.parametrize("codec", CODECS)
def test_the_shortest_films_are_written(tmp_path: Path, codec: str) -> None:
    """Encoders that reorder frames have too few to reorder; each is tried a few times."""
    for count in (1, 2, 3) * 4:
        made(tmp_path / "film.mkv", numbered(count), codec=codec)
        assert facts(tmp_path / "film.mkv")["numbers"] == list(range(count))


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("deep", [False, True])
def test_the_same_frames_give_the_same_parts(tmp_path: Path, codec: str, deep: bool) -> None:
    """To the last bit, where the encoder writes nothing that depends on what memory held before."""
    info = replace(INFO, deep=deep, alpha=codec in ("vp9", "prores", "ffv1"))
    encoding = choose_encoding(info, ".mkv", codec=codec)
    times = [Fraction(n, RATE) for n in range(8)]
    files, images = [], []
    for name in ("one", "two"):
        part, target = tmp_path / name, tmp_path / f"{name}.mkv"
        write_part(part, numbered(8, deep=deep, alpha=info.alpha), encoding)
        join([part], times, target, encoding, source=None)
        files.append((part.read_bytes(), target.read_bytes()))
        with open_film(target, max_pixels=1_000_000) as film:
            found = [frame.image for frame in film.frames() if isinstance(frame, Frame)]
        images.append(np.stack(found).astype(float) / np.iinfo(found[0].dtype).max)
    if codec != "av1":
        assert files[0] == files[1]
    assert np.abs(images[0] - images[1]).mean() <= 1 / 255


@pytest.mark.parametrize("deep", [False, True])
@pytest.mark.parametrize("alpha", [False, True])
def test_ffv1_keeps_every_bit(tmp_path: Path, deep: bool, alpha: bool) -> None:
    target = tmp_path / "result.mkv"
    frames = numbered(3, deep=deep, alpha=alpha)
    info = replace(INFO, deep=deep, alpha=alpha)
    made(target, frames, info, codec="ffv1")
    with open_film(target, max_pixels=1_000_000) as film:
        assert (film.info.deep, film.info.alpha) == (deep, alpha)
        for one, two in zip(film.frames(), frames, strict=True):
            assert isinstance(one, Frame)
            np.testing.assert_array_equal(one.image, two.image)
            if alpha:
                assert one.opacity is not None and two.opacity is not None
                np.testing.assert_array_equal(one.opacity, two.opacity)


@pytest.mark.parametrize(("suffix", "codec"), [(".webm", "vp9"), (".mov", "prores")])
def test_opacity_is_kept_where_the_codec_has_it(
    films: FilmFiles, tmp_path: Path, suffix: str, codec: str
) -> None:
    target = tmp_path / f"result{suffix}"
    frames, encoding, _ = copied(films("alpha.webm"), target, codec=codec)
    assert encoding.has_alpha and encoding.remarks == ()
    with open_film(target, max_pixels=1_000_000) as film:
        assert film.info.alpha
        first = next(film.frames())
    assert isinstance(first, Frame) and first.opacity is not None
    white = np.iinfo(first.opacity.dtype).max
    assert frames[0].opacity is not None
    difference = first.opacity / white - frames[0].opacity / 255
    assert np.abs(difference).mean() < 0.01


def test_lost_opacity_is_told(films: FilmFiles) -> None:
    info = replace(INFO, alpha=True)
    assert choose_encoding(info, ".mp4").remarks == (
        "the opacity is lost: H.264 has no alpha channel; VP9 has one",
    )
    assert choose_encoding(info, ".mkv", codec="hevc").remarks == (
        "the opacity is lost: HEVC has no alpha channel; VP9, ProRes and FFV1 have one",
    )


@pytest.mark.parametrize("codec", CODECS)
def test_odd_sides_are_kept_or_told(films: FilmFiles, tmp_path: Path, codec: str) -> None:
    target = tmp_path / "result.mkv"
    frames, encoding, _ = copied(films("odd.mkv"), target, codec=codec)
    with open_film(target, max_pixels=1_000_000) as film:
        first = next(film.frames())
    assert isinstance(first, Frame)
    image = first.image / np.iinfo(first.image.dtype).max * 255
    if codec in ("vp9", "ffv1"):
        assert image.shape[:2] == (65, 97) and encoding.remarks == ()
    else:
        assert image.shape[:2] == (66, 98)
        assert encoding.remarks == (
            f"97 x 65 becomes 98 x 66: {CODECS[codec].title} needs even sides",
        )
        assert np.abs(image[65, :97] - frames[0].image[64]).mean() < 6
        assert np.abs(image[:65, 97] - frames[0].image[:, 96]).mean() < 6
    assert np.abs(image[:65, :97] - frames[0].image).mean() < 3


@pytest.mark.parametrize(
    ("suffix", "choice", "message"),
    [
        (".avi", {}, ".avi is not a film format: give one of .mp4, .m4v, .mov, .mkv, .webm"),
        ("", {}, "a name without a suffix is not a film format"),
        (".mp4", {"codec": "mpeg"}, "codec must be one of h264, hevc, av1, vp9, prores, ffv1"),
        (".mp4", {"codec": "ffv1"}, ".mp4 cannot contain FFV1: give one of h264, hevc, av1, vp9, "),
        (".webm", {"codec": "h264"}, "or a result ending in .mp4 or .m4v or .mov or .mkv"),
        (".mkv", {"codec": "ffv1", "crf": 20}, "FFV1 takes no crf"),
        (".mp4", {"crf": 52}, "crf of H.264 must be from 0 to 51, not 52"),
        (".webm", {"crf": -1}, "crf of VP9 must be from 0 to 63, not -1"),
    ],
)
def test_wrong_choices_are_refused(suffix: str, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        choose_encoding(INFO, suffix, **choice)
    assert message in str(caught.value)


def test_the_rate_factor_is_the_quality(tmp_path: Path) -> None:
    sizes = []
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    for crf in (10, 40):
        path = tmp_path / f"{crf}.mkv"
        write_part(path, [Frame(noise, Fraction(0))], choose_encoding(INFO, ".mp4", crf=crf))
        sizes.append(path.stat().st_size)
    assert sizes[0] > 2 * sizes[1]


@pytest.mark.parametrize("codec", CODECS)
def test_encoders_and_decoders_write_nothing_to_the_terminal(
    tmp_path: Path, codec: str, capfd: pytest.CaptureFixture[str]
) -> None:
    made(tmp_path / "film.mkv", numbered(3), codec=codec)
    with open_film(tmp_path / "film.mkv", max_pixels=1_000_000) as film:
        assert len(list(film.frames())) == 3
    assert capfd.readouterr() == ("", "")


def test_a_part_is_one_closed_group_of_pictures(tmp_path: Path) -> None:
    import av

    path = tmp_path / "part.mkv"
    write_part(path, numbered(), choose_encoding(INFO, ".mp4"))
    with av.open(str(path)) as film:
        packets = [each for each in film.demux(video=0) if each.size]
    assert [each.is_keyframe for each in packets] == [True] + [False] * (RATE - 1)
    assert sorted(each.pts for each in packets) == list(range(RATE))


def test_parts_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    encoding = choose_encoding(INFO, ".mp4")
    part, target = tmp_path / "part.mkv", tmp_path / "result.mp4"
    write_part(part, numbered(3), encoding)
    times = [Fraction(n, RATE) for n in range(4)]
    with pytest.raises(VideoError, match="the parts have 3 frames, not 4"):
        join([part], times, target, encoding, source=None)
    with pytest.raises(VideoError, match="a frame of 96 x 64 pixels does not fit into a film of"):
        write_part(part, numbered(1), replace(encoding, width=98))
    with pytest.raises(VideoError, match=r"nowhere.*cannot be written"):
        write_part(tmp_path / "nowhere" / "part.mkv", numbered(1), encoding)
    with pytest.raises(VideoError, match=r"nowhere.*cannot be written"):
        write_part(part, numbered(3), encoding)
        join([part], times[:3], tmp_path / "nowhere" / "a.mp4", encoding, source=None)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told(films: FilmFiles, tmp_path: Path) -> None:
    encoding = choose_encoding(INFO, ".mkv")
    noise = np.random.default_rng(0).integers(0, 256, (40, HEIGHT, WIDTH, 3), np.uint8)
    frames = [Frame(image, Fraction(n, RATE)) for n, image in enumerate(noise)]
    write_part(tmp_path / "part", frames, encoding)
    times, full = [frame.time for frame in frames], Path("/dev/full")
    with pytest.raises(VideoError, match="/dev/full: cannot be written: No space left on device"):
        write_part(full, frames, encoding)
    with pytest.raises(VideoError, match="/dev/full: cannot be written: No space left on device"):
        join([tmp_path / "part"], times, full, encoding, source=films("tracks.mkv"))


def test_numbers_survive_the_coding() -> None:
    """The yardstick itself: the number of a frame is read from its blocks."""
    assert [number_in(picture(n)) for n in (0, 1, 77, 255)] == [0, 1, 77, 255]
    assert io.BytesIO(picture(3).tobytes()).getbuffer().nbytes == HEIGHT * WIDTH * 3
