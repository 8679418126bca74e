"""Films of pictures: animated GIF, WebP and PNG, and numbered pictures, read and written."""

from __future__ import annotations

import doctest
import io
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, PngImagePlugin

from impasto.errors import VideoError
from impasto.images import SaveOptions, write_image
from impasto.video import pictures
from impasto.video.frames import Damage, Film, FilmInfo, Frame
from impasto.video.pictures import (
    animated_in,
    animated_out,
    gif_out,
    is_picture_target,
    is_pictures,
    numbered,
    open_pictures,
    open_pictures_target,
)
from impasto.video.pictures.numbered import NumberedTarget

F = Fraction
ANIMATED = ("gif", "webp", "png")
COLORS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0))


def shot(number: int, size: tuple[int, int] = (24, 16)) -> Image.Image:
    """A plain picture with a square that stands elsewhere in each: no two frames are the same."""
    image = Image.new("RGB", size, COLORS[number % len(COLORS)])
    image.paste((128, 128, 128), (number % 16, 4, number % 16 + 4, 8))
    return image


def save_film(
    path: Path, frames: Sequence[Image.Image], delays: Sequence[float], **options: Any
) -> Path:
    """Write an animated picture with Pillow, without loss; delays in milliseconds."""
    if path.suffix == ".webp":
        options = {"lossless": True, "exact": True, **options}
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=list(delays), **options)
    return path


def read(source: Path | str, **options: Any) -> Film:
    return open_pictures(source, max_pixels=10**8, **options)


def decoded(film: Film, *part: Any) -> tuple[list[Frame], list[Damage]]:
    """The frames of a film or of a part, and its damage."""
    every = list(film.frames(*part))
    return [e for e in every if isinstance(e, Frame)], [e for e in every if isinstance(e, Damage)]


def pixels(image: Image.Image) -> NDArray[np.uint8]:
    return np.asarray(image.convert("RGB"))


# ---------------------------------------------------------------------------------- animated


@pytest.mark.parametrize("suffix", ANIMATED)
def test_frames_and_times_of_an_animation_are_exact(tmp_path: Path, suffix: str) -> None:
    path = save_film(tmp_path / f"a.{suffix}", [shot(i) for i in range(4)], [40, 20, 130, 500])
    assert is_pictures(path)
    with read(path) as film:
        frames, damage = decoded(film)
    assert not damage
    assert [frame.time for frame in frames] == [0, F("0.04"), F("0.06"), F("0.19")]
    assert [frame.seconds for frame in frames] == [F("0.04"), F("0.02"), F("0.13"), F("0.5")]
    info = film.info
    assert (info.height, info.width, info.frames) == (16, 24, 4)
    assert info.rate == 4 / F("0.69") and info.seconds == pytest.approx(0.69)
    assert not info.alpha and not info.deep and info.remarks == ()
    assert all((frame.time / info.tick).denominator == 1 for frame in frames)
    for i, frame in enumerate(frames):
        assert frame.image.dtype == np.uint8 and frame.opacity is None
        np.testing.assert_array_equal(frame.image, pixels(shot(i)))


@pytest.mark.parametrize("suffix", ANIMATED)
def test_a_part_of_an_animation_is_the_same_again(tmp_path: Path, suffix: str) -> None:
    path = save_film(tmp_path / f"a.{suffix}", [shot(i) for i in range(6)], [100] * 6)
    with read(path) as film:
        whole, _ = decoded(film)
        for start, end in ((F("0.2"), F("0.4")), (F("0.15"), None), (F(0), F("0.1"))):
            part, damage = decoded(film, start, end)
            wanted = [f for f in whole if start <= f.time and (end is None or f.time < end)]
            assert not damage and [f.time for f in part] == [f.time for f in wanted]
            for one, other in zip(part, wanted, strict=True):
                np.testing.assert_array_equal(one.image, other.image)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_frames_of_ten_milliseconds_last_as_in_browsers(tmp_path: Path, suffix: str) -> None:
    path = save_film(tmp_path / f"a.{suffix}", [shot(i) for i in range(3)], [10, 20, 10])
    with read(path) as film:
        frames, _ = decoded(film)
    assert [frame.seconds for frame in frames] == [F("0.1"), F("0.02"), F("0.1")]
    assert "2 of its 3 frames" in film.info.remarks[0]


def test_a_gif_that_says_nothing_of_time_shows_ten_frames_a_second(tmp_path: Path) -> None:
    shot(0).save(tmp_path / "a.gif", save_all=True, append_images=[shot(1)])
    with read(tmp_path / "a.gif") as film:
        assert [frame.time for frame in decoded(film)[0]] == [0, F("0.1")]


def test_thirds_of_a_second_are_exact_in_png(tmp_path: Path) -> None:
    """A delay is a fraction there; Pillow writes the nearest one to milliseconds."""
    path = save_film(tmp_path / "a.png", [shot(i) for i in range(4)], [1000 / 3] * 4)
    with read(path) as film:
        assert [frame.time for frame in decoded(film)[0]] == [0, F(1, 3), F(2, 3), 1]
        assert film.info.tick == F(1, 3)


@pytest.mark.parametrize(
    ("suffix", "loop", "plays"),
    [("gif", 0, 0), ("gif", 2, 3), ("gif", None, 1), ("webp", 3, 3), ("png", 0, 0), ("png", 5, 5)],
)
def test_it_is_known_how_often_it_is_shown(
    tmp_path: Path, suffix: str, loop: int | None, plays: int
) -> None:
    """A GIF says how often it is repeated, the others how often it is shown."""
    options = {} if loop is None else {"loop": loop}
    path = save_film(tmp_path / f"a.{suffix}", [shot(0), shot(1)], [50, 50], **options)
    assert read(path).info.plays == plays


@pytest.mark.parametrize("suffix", ANIMATED)
def test_transparency_is_opacity(tmp_path: Path, suffix: str) -> None:
    frames = []
    for i in range(3):
        image = Image.new("RGBA", (20, 12), (0, 0, 0, 0))
        image.paste((*COLORS[i], 255), (4 * i, 2, 4 * i + 6, 8))
        frames.append(image)
    path = save_film(tmp_path / f"a.{suffix}", frames, [100] * 3, disposal=2)
    with read(path) as film:
        shown, damage = decoded(film)
    assert film.info.alpha and len(shown) == 3 and not damage
    for frame, image in zip(shown, frames, strict=True):
        assert frame.opacity is not None and frame.opacity.dtype == np.uint8
        np.testing.assert_array_equal(frame.opacity, np.asarray(image)[..., 3])
        seen = frame.opacity > 0
        np.testing.assert_array_equal(frame.image[seen], np.asarray(image)[..., :3][seen])


def test_half_transparency_is_kept(tmp_path: Path) -> None:
    frames = [Image.new("RGBA", (8, 8), (200, 100, 50, alpha)) for alpha in (64, 128)]
    for suffix in ("webp", "png"):
        path = save_film(tmp_path / f"a.{suffix}", frames, [100] * 2)
        shown, _ = decoded(read(path))
        assert [int(f.opacity[0, 0]) for f in shown if f.opacity is not None] == [64, 128]


def test_what_is_drawn_as_a_difference_is_opaque(tmp_path: Path) -> None:
    """Small frames over a large one, with holes where nothing changes, as optimizers write them."""
    base = Image.new("P", (16, 16), 1)
    base.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    change = Image.new("P", (16, 16), 0)
    change.paste(2, (4, 4, 8, 8))
    change.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    first, second = (io.BytesIO(), io.BytesIO())
    base.save(first, "GIF", optimize=False)
    change.save(second, "GIF", transparency=0, optimize=False)
    head, tail = first.getvalue()[:-1], second.getvalue()
    (tmp_path / "a.gif").write_bytes(head + tail[13 + 3 * (2 << (tail[10] & 7)) :])
    frames, damage = decoded(film := read(tmp_path / "a.gif"))
    assert not film.info.alpha and not damage and len(frames) == 2
    assert frames[1].image[0, 0].tolist() == [255, 0, 0]
    assert frames[1].image[5, 5].tolist() == [0, 0, 255]


def test_a_picture_for_other_programs_is_no_frame(tmp_path: Path) -> None:
    """A PNG may have a still picture before its animation."""
    path = tmp_path / "a.png"
    shot(0).save(
        path, save_all=True, append_images=[shot(1), shot(2)], duration=100, default_image=True
    )
    frames, _ = decoded(film := read(path))
    assert film.info.frames == len(frames) == 2
    np.testing.assert_array_equal(frames[0].image, pixels(shot(1)))


def test_colors_go_through_the_profile(tmp_path: Path) -> None:
    """The gamma of a PNG: linear 0.5 is 188 in sRGB; the exact value is 187.5."""
    gray = [Image.new("RGB", (4, 4), (128, 128, each)) for each in (128, 127)]
    path = save_film(tmp_path / "a.png", gray, [100, 100])
    data = path.read_bytes()
    info = PngImagePlugin.PngInfo()
    info.add(b"gAMA", (100_000).to_bytes(4, "big"))
    gray[0].save(path, save_all=True, append_images=gray[1:], duration=100, pnginfo=info)
    assert path.read_bytes() != data
    frames, _ = decoded(read(path))
    assert frames[0].image[0, 0].tolist() == [188, 188, 188]
    # The profile of sRGB changes nothing.
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save_film(tmp_path / "a.webp", [shot(0), shot(1)], [100, 100], icc_profile=srgb)
    np.testing.assert_array_equal(decoded(read(path))[0][0].image, pixels(shot(0)))


def test_a_file_that_is_cut_short_gives_its_whole_frames(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    for suffix in ANIMATED:
        images = [Image.fromarray(each) for each in noise]
        path = save_film(tmp_path / f"a.{suffix}", images, [100] * 6)
        whole, _ = decoded(read(path))
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
        frames, damage = decoded(read(path))
        assert len(frames) == 4, suffix
        assert len(damage) == 1 and damage[0].time == F("0.3"), suffix
        for one, other in zip(frames, whole, strict=False):
            np.testing.assert_array_equal(one.image, other.image)


def test_a_damaged_frame_is_told(tmp_path: Path) -> None:
    path = save_film(tmp_path / "a.png", [shot(i) for i in range(4)], [100] * 4)
    data = bytearray(path.read_bytes())
    third = [i for i in range(len(data)) if data[i : i + 4] == b"fdAT"][1]
    data[third + 10 : third + 14] = b"\xff" * 4
    path.write_bytes(bytes(data))
    frames, damage = decoded(read(path))
    assert len(frames) == 2 and len(damage) == 1 and damage[0].time == F("0.1")
    assert damage[0].reason.startswith("frame 3 of 4 and those after it cannot be decoded (")


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "jpg", "tif", "bmp", "avif"])
def test_a_still_picture_is_no_film(tmp_path: Path, suffix: str) -> None:
    shot(0).save(tmp_path / f"a.{suffix}")
    assert is_pictures(tmp_path / f"a.{suffix}")
    with pytest.raises(VideoError, match=r"is a still picture \(\w+\), not a film; .*stylize"):
        read(tmp_path / f"a.{suffix}")


def test_large_animations_are_refused_from_their_headers(tmp_path: Path) -> None:
    path = save_film(tmp_path / "a.gif", [shot(0), shot(1)], [100, 100])
    with pytest.raises(VideoError, match="24 x 16 = 384 pixels, more than max_pixels = 300"):
        open_pictures(path, max_pixels=300)


def test_an_empty_or_foreign_file_is_no_film_of_pictures(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(b"")
    (tmp_path / "b.gif").write_bytes(b"GIF89a")
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x20ftypisom")
    (tmp_path / "clip.mjpeg").write_bytes(b"\xff\xd8\xff\xe0")
    for name in ("a.gif", "clip.mp4", "clip.mjpeg", "none.gif"):
        assert not is_pictures(tmp_path / name)
        with pytest.raises(VideoError):
            read(tmp_path / name)
    with pytest.raises(VideoError):
        read(tmp_path / "b.gif")
    for name in ("-", "rtsp://camera/*", "rtsp://camera/%d.png", "clip-*.mp4"):
        assert not is_pictures(name)


@pytest.mark.parametrize("suffix", ANIMATED)
def test_damage_of_any_kind_is_an_error_of_ours(tmp_path: Path, suffix: str) -> None:
    """Bytes changed, left out, put in at random: one line, or frames of the size that is told."""
    path = save_film(tmp_path / f"a.{suffix}", [shot(i) for i in range(5)], [40] * 5)
    data = path.read_bytes()
    for seed in range(60):
        random = np.random.default_rng(seed)
        changed = bytearray(data)
        for _ in range(random.integers(1, 6)):
            at, many = random.integers(len(changed)), random.integers(1, 9)
            new = random.integers(0, 256, random.integers(0, 9), np.uint8).tobytes()
            changed[at : at + many] = new
        path.write_bytes(bytes(changed))
        try:
            film = read(path)
            for each in film.frames():
                if isinstance(each, Frame):
                    assert each.image.shape == (film.info.height, film.info.width, 3)
                    assert (each.opacity is not None) == film.info.alpha
                else:
                    assert each.reason and "\n" not in each.reason
        except VideoError as error:
            assert str(path) in str(error) and "\n" not in str(error)


# ---------------------------------------------------------------------------------- numbered


def save_shots(folder: Path, numbers: Sequence[int], name: str = "shot-{:04d}.png") -> None:
    for number in numbers:
        shot(number).save(folder / name.format(number))


def test_a_folder_is_read_in_natural_order(tmp_path: Path) -> None:
    save_shots(tmp_path, range(1, 13), "frame{}.png")
    (tmp_path / ".hidden.png").write_bytes(b"no picture")
    (tmp_path / "notes.txt").write_text("not a picture")
    with read(tmp_path) as film:
        frames, damage = decoded(film)
    assert not damage and [frame.time for frame in frames] == [F(i, 25) for i in range(12)]
    for number, frame in enumerate(frames, 1):
        np.testing.assert_array_equal(frame.image, pixels(shot(number)))
    info = film.info
    assert (info.rate, info.tick, info.frames, info.seconds) == (25, F(1, 25), 12, 12 / 25)
    assert [frame.seconds for frame in frames] == [None] * 11 + [F(1, 25)]
    assert info.remarks == ("1 file without a picture suffix is skipped: notes.txt",)


@pytest.mark.parametrize("pattern", ["shot-%04d.png", "shot-*.png", "shot-[01]*.png"])
def test_a_pattern_takes_what_fits(tmp_path: Path, pattern: str) -> None:
    save_shots(tmp_path, [8, 9, 10, 11])
    save_shots(tmp_path, [3], "other-{:04d}.png")
    shot(0).save(tmp_path / "shot-0009.jpg")
    source = tmp_path / pattern
    assert is_pictures(source)
    frames, _ = decoded(film := read(source, rate=F(24000, 1001)))
    assert [frame.time for frame in frames] == [F(1001 * i, 24000) for i in range(4)]
    assert film.info.remarks == ()
    np.testing.assert_array_equal(frames[1].image, pixels(shot(9)))


def test_numbers_are_those_that_printf_writes(tmp_path: Path) -> None:
    save_shots(tmp_path, [1], "a-{:04d}.png")
    save_shots(tmp_path, [2, 12345], "a-{}.png")
    assert len(decoded(read(tmp_path / "a-%04d.png"))[0]) == 2  # 0001 and 12345
    assert len(decoded(read(tmp_path / "a-%d.png"))[0]) == 2  # 2 and 12345
    save_shots(tmp_path, [7], "100%-{}.png")
    assert len(decoded(read(tmp_path / "100%%-%d.png"))[0]) == 1
    with pytest.raises(
        VideoError, match=r"exactly one place for the number, such as shot-%04d.png"
    ):
        read(tmp_path / "a-%d-%d.png")


def test_gaps_are_told(tmp_path: Path) -> None:
    save_shots(tmp_path, [1, 2, 5, 6, 8, 9])
    line = "3 numbers missing (3 to 4, 7): the pictures are shown without a gap"
    for source in (tmp_path / "shot-%04d.png", tmp_path / "shot-*.png", tmp_path):
        film = read(source)
        assert film.info.remarks == (line,) and film.info.frames == 6
        assert len(decoded(film)[0]) == 6
    assert read(tmp_path / "shot-000[159].png").info.remarks == ()  # every fourth one


def test_sizes_that_differ_are_told_before_any_work(tmp_path: Path) -> None:
    save_shots(tmp_path, [1, 2])
    shot(3, (30, 16)).save(tmp_path / "shot-0003.png")
    with pytest.raises(VideoError) as error:
        read(tmp_path)
    text = str(error.value)
    assert text.startswith(f"{tmp_path / 'shot-0003.png'}: 30 x 16 pixels, but ")
    assert f"{tmp_path / 'shot-0001.png'} has 24 x 16" in text


def test_an_unreadable_picture_is_told_and_the_film_goes_on(tmp_path: Path) -> None:
    save_shots(tmp_path, [1, 2, 3, 4])
    (tmp_path / "shot-0002.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    data = (tmp_path / "shot-0003.png").read_bytes()
    (tmp_path / "shot-0003.png").write_bytes(data[:60])
    film = read(tmp_path)
    frames, damage = decoded(film)
    assert [frame.time for frame in frames] == [0, F(3, 25)]
    assert [each.time for each in damage] == [0, 0]
    assert "shot-0002.png" in damage[0].reason and "shot-0003.png" in damage[1].reason
    frames, damage = decoded(film, F(2, 25), None)
    assert len(frames) == 1 and [each.time for each in damage] == [None]


def test_sixteen_bits_stay_sixteen(tmp_path: Path) -> None:
    ramp = np.arange(256 * 3, dtype=np.uint16).reshape(16, 16, 3) * 85
    for number in range(2):
        write_image(ramp + number, tmp_path / f"{number}.png")
    shot(2, (16, 16)).save(tmp_path / "2.png")
    film = read(tmp_path)
    frames, _ = decoded(film)
    assert film.info.deep and {frame.image.dtype for frame in frames} == {np.dtype(np.uint16)}
    np.testing.assert_array_equal(frames[1].image, ramp + 1)
    np.testing.assert_array_equal(frames[2].image, pixels(shot(2, (16, 16))) * np.uint16(257))


def test_pictures_are_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for number in range(2):
        shot(number).save(tmp_path / f"{number}.png", exif=exif)
    frames, _ = decoded(film := read(tmp_path))
    assert (film.info.height, film.info.width) == (24, 16)
    np.testing.assert_array_equal(frames[1].image, np.rot90(pixels(shot(1)), -1))


def test_one_transparent_picture_makes_a_film_with_opacity(tmp_path: Path) -> None:
    shot(0).save(tmp_path / "0.png")
    half = shot(1).convert("RGBA")
    half.putalpha(64)
    half.save(tmp_path / "1.png")
    film = read(tmp_path)
    frames, _ = decoded(film)
    assert film.info.alpha
    assert [np.unique(f.opacity).tolist() for f in frames if f.opacity is not None] == [[255], [64]]


@pytest.mark.parametrize("kind", ["LA", "RGBA", "RGB", "deep RGBA", "deep RGB"])
def test_opacity_is_known_from_the_header_of_a_tiff(tmp_path: Path, kind: str) -> None:
    if kind.startswith("deep"):
        array = np.full((8, 8, 4 if kind.endswith("A") else 3), 30_000, np.uint16)
        write_image(array, tmp_path / "0.tif")
    else:
        Image.new(kind, (8, 8)).save(tmp_path / "0.tif")
    film = read(tmp_path)
    assert film.info.alpha == kind.endswith("A")
    (frame,), _ = decoded(film)
    assert (frame.opacity is not None) == film.info.alpha


def test_a_place_without_pictures_is_told(tmp_path: Path) -> None:
    for source in (tmp_path, tmp_path / "a-%d.png", tmp_path / "a-*.png"):
        with pytest.raises(VideoError, match="has no pictures; check the path and the suffix"):
            read(source)
    with pytest.raises(VideoError, match="cannot be read"):
        read(tmp_path / "none" / "a-%d.png")
    (tmp_path / "0.png").write_bytes(b"no")
    with pytest.raises(VideoError, match=r"none of its pictures can be read; .*0.png: not a pict"):
        read(tmp_path)


# ----------------------------------------------------------------------------------- written


def info_of(frames: Sequence[Frame], **facts: Any) -> FilmInfo:
    """The facts about a film of frames."""
    height, width = frames[0].image.shape[:2]
    deep = frames[0].image.dtype == np.uint16
    alpha = frames[0].opacity is not None
    return FilmInfo(
        **{"name": "a film", "height": height, "width": width, "rate": F(25), "deep": deep}
        | {"alpha": alpha, **facts}
    )


def write(target: Path, frames: Sequence[Frame], **facts: Any) -> tuple[str, ...]:
    save = facts.pop("save", SaveOptions())
    writer = open_pictures_target(target, info_of(frames, **facts), save=save)
    for frame in frames:
        writer.write(frame)
    return writer.finish()


def film_of(images: Sequence[Any]) -> list[Frame]:
    return [Frame(np.asarray(each), F(i, 25)) for i, each in enumerate(images)]


def painted(number: int, size: tuple[int, int] = (48, 64)) -> NDArray[np.uint8]:
    """A picture of many colors that moves."""
    y, x = np.mgrid[0.0 : size[0], 0.0 : size[1]]
    waves = [np.sin((x + number) / 7 + c) * np.cos(y / (5 + c)) for c in range(3)]
    return np.rint(127.5 + 127.5 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "apng"])
def test_an_animation_is_written_as_others_read_it(tmp_path: Path, suffix: str) -> None:
    """Pillow gives the frames, the times and how often it is shown."""
    frames = film_of([painted(i) for i in range(5)])
    assert write(tmp_path / f"a.{suffix}", frames, plays=3) == ()
    most = {"gif": 12, "webp": 12, "png": 0, "apng": 0}[suffix]
    with Image.open(tmp_path / f"a.{suffix}") as image:
        assert getattr(image, "n_frames", 0) == 5
        assert image.info["loop"] == (2 if suffix == "gif" else 3)
        for number, frame in enumerate(frames):
            image.seek(number)
            image.load()
            assert image.info["duration"] == 40
            error = np.abs(pixels(image).astype(int) - frame.image).mean()
            assert error <= most, (number, error)
    assert {file.name for file in tmp_path.iterdir()} == {f"a.{suffix}"}


@pytest.mark.parametrize("suffix", ["gif", "webp", "png"])
def test_what_is_written_is_read_again(tmp_path: Path, suffix: str) -> None:
    """Colors that a GIF holds come back exactly; so do times of an even rate, and opacity."""
    frames = []
    for i in range(6):
        image = np.asarray(shot(i)).copy()
        opacity = np.full(image.shape[:2], 255, np.uint8)
        opacity[:, : 2 * i] = 0
        frames.append(Frame(image, i * F(1, 20), opacity, F(1, 20)))
    write(tmp_path / f"a.{suffix}", frames, save=SaveOptions(quality=100))
    found, damage = decoded(film := read(tmp_path / f"a.{suffix}"))
    assert not damage and film.info.alpha and film.info.plays == 0
    assert [(f.time, f.seconds) for f in found] == [(f.time, f.seconds) for f in frames]
    for one, other in zip(found, frames, strict=True):
        assert one.opacity is not None and other.opacity is not None
        np.testing.assert_array_equal(one.opacity, other.opacity)
        seen = one.opacity > 0
        difference = one.image[seen].astype(int) - other.image[seen]
        assert np.abs(difference).mean() <= (4 if suffix == "webp" else 0)


def test_an_opaque_gif_of_changes_shows_the_same(tmp_path: Path) -> None:
    """What stands still is not written again, and an unchanged frame takes next to nothing."""
    frames = film_of(
        [np.asarray(shot(0)), np.asarray(shot(0)), np.asarray(shot(5)), painted(0)[:16, :24]]
    )
    write(tmp_path / "a.gif", frames)
    found, _ = decoded(film := read(tmp_path / "a.gif"))
    assert not film.info.alpha and len(found) == 4
    for one, other in zip(found[:3], frames, strict=False):
        np.testing.assert_array_equal(one.image, other.image)
    still = film_of([painted(0, (200, 300))] * 20)
    write(tmp_path / "still.gif", still)
    write(tmp_path / "one.gif", still[:1])
    grown = (tmp_path / "still.gif").stat().st_size - (tmp_path / "one.gif").stat().st_size
    assert grown < 19 * 64


def test_a_gif_keeps_its_colors_until_the_next_shot(tmp_path: Path) -> None:
    """One palette for each of two shots, so nothing flickers that stands still."""
    one = [painted(i, (60, 90)) for i in range(4)]
    other = [np.stack([each[..., 0] // 8 + 200] * 3, axis=-1) for each in one]
    write(tmp_path / "a.gif", film_of([*one, *other, *one]))
    data = (tmp_path / "a.gif").read_bytes()
    begins = [i for i in range(len(data)) if data[i : i + 3] == b"!\xf9\4"]
    own = [bool(data[i + 8 + 9] & 0x80) for i in begins]
    assert own[:4] == [False] * 4 and own[4:8] == [True] * 4
    found, _ = decoded(read(tmp_path / "a.gif"))
    for frame, image in zip(found, [*one, *other, *one], strict=True):
        assert np.abs(frame.image.astype(int) - image).mean() < 9


def test_a_gif_has_no_colors_for_what_is_not_seen(tmp_path: Path) -> None:
    """A few colors around which anything may be hidden come back exactly."""
    image = np.random.default_rng(1).integers(0, 256, (60, 90, 3), np.uint8)
    image[20:40, 30:60] = painted(0, (20, 30)) // 64 * 64
    opacity = np.zeros((60, 90), np.uint8)
    opacity[20:40, 30:60] = 255
    write(tmp_path / "a.gif", [Frame(image, F(i, 25), opacity) for i in range(2)])
    found, _ = decoded(read(tmp_path / "a.gif"))
    np.testing.assert_array_equal(found[1].image[20:40, 30:60], image[20:40, 30:60])


@pytest.mark.parametrize(
    ("suffix", "rate"), [("gif", F(30)), ("gif", F(24000, 1001)), ("webp", F(60)), ("png", F(60))]
)
def test_rounded_times_do_not_drift(tmp_path: Path, suffix: str, rate: Fraction) -> None:
    frames = [Frame(np.asarray(shot(i)), i / rate) for i in range(100)]
    write(tmp_path / f"a.{suffix}", frames, rate=rate)
    found, _ = decoded(film := read(tmp_path / f"a.{suffix}"))
    half = {"gif": F(1, 200), "webp": F(1, 2000), "png": F(0)}[suffix]
    assert len(found) == 100
    assert all(abs(a.time - b.time) <= half for a, b in zip(found, frames, strict=True))
    assert abs(F(film.info.seconds or 0) - 100 / rate) <= half + F(1, 10**9)


def test_a_gif_faster_than_browsers_leaves_frames_out(tmp_path: Path) -> None:
    frames = [Frame(np.asarray(shot(i)), F(i, 60)) for i in range(60)]
    (remark,) = write(tmp_path / "a.gif", frames, rate=F(60))
    found, _ = decoded(film := read(tmp_path / "a.gif"))
    assert remark == f"GIF shows at most 50 frames per second: {60 - len(found)} frames dropped"
    assert 48 <= len(found) <= 50 and abs((film.info.seconds or 0) - 1) <= 0.02
    assert min(frame.seconds or 0 for frame in found) >= F(2, 100)


def test_times_that_differ_are_kept(tmp_path: Path) -> None:
    times = [F(3), F("3.04"), F("3.5"), F("3.52"), F(5)]
    frames = [Frame(np.asarray(shot(i)), time) for i, time in enumerate(times)]
    frames[-1] = Frame(frames[-1].image, times[-1], seconds=F("0.75"))
    for suffix in ANIMATED:
        write(tmp_path / f"a.{suffix}", frames)
        found, _ = decoded(read(tmp_path / f"a.{suffix}"))
        assert [frame.time + 3 for frame in found] == times
        assert found[-1].seconds == F("0.75")


def test_fractions_that_png_cannot_tell_are_made_up_for(tmp_path: Path) -> None:
    times = [i * F(90001, 180000) for i in range(40)]
    write(tmp_path / "a.png", [Frame(np.asarray(shot(i)), time) for i, time in enumerate(times)])
    found, _ = decoded(read(tmp_path / "a.png"))
    assert max(abs(frame.time - time) for frame, time in zip(found, times, strict=True)) < F(
        1, 5000
    )


def test_sixteen_bits_are_written_where_they_can_be(tmp_path: Path) -> None:
    ramp = np.arange(12 * 16 * 3, dtype=np.uint16).reshape(12, 16, 3) * 113
    frames = film_of([ramp, ramp[::-1].copy()])
    assert write(tmp_path / "a.png", frames) == ()
    assert (tmp_path / "a.png").read_bytes()[24] == 16
    found, _ = decoded(film := read(tmp_path / "a.png"))
    assert film.info.remarks == ("its 16 bits per channel are read as 8",)
    np.testing.assert_array_equal(found[1].image, frames[1].image >> 8)
    for suffix, name in (("gif", "GIF"), ("webp", "WebP")):
        assert write(tmp_path / f"a.{suffix}", frames) == (
            f"{name} holds 8 bits per channel, not 16",
        )
    assert write(tmp_path / "%d.png", frames) == write(tmp_path / "%d.tif", frames) == ()
    for suffix in ("png", "tif"):
        deep, _ = decoded(read(tmp_path / f"%d.{suffix}"))
        np.testing.assert_array_equal(deep[0].image, ramp)
    overwrite = SaveOptions(depth=8, overwrite=True)
    assert write(tmp_path / "%d.png", frames, save=overwrite) == ()
    assert not read(tmp_path / "%d.png").info.deep


def test_half_transparent_pixels_are_told_for_gif(tmp_path: Path) -> None:
    opacity = np.linspace(0, 255, 24).astype(np.uint8)[None].repeat(16, axis=0)
    frames = [Frame(np.asarray(shot(i)), F(i, 25), opacity) for i in range(2)]
    (remark,) = write(tmp_path / "a.gif", frames)
    assert remark.startswith("GIF has no partly transparent pixels")
    found, _ = decoded(read(tmp_path / "a.gif"))
    np.testing.assert_array_equal(found[0].opacity, np.where(opacity < 128, 0, 255))
    assert write(tmp_path / "a.webp", frames) == ()
    np.testing.assert_array_equal(decoded(read(tmp_path / "a.webp"))[0][1].opacity, opacity)


def test_an_animation_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    frames = film_of([painted(i) for i in range(3)])
    for suffix in ANIMATED:
        writer = open_pictures_target(tmp_path / f"a.{suffix}", info_of(frames))
        writer.write(frames[0])
        writer.write(frames[1])
        assert not (tmp_path / f"a.{suffix}").exists()
        writer.stop()
        assert list(tmp_path.iterdir()) == []
    with pytest.raises(VideoError, match=r"a.gif: there was no frame to write"):
        open_pictures_target(tmp_path / "a.gif", info_of(frames)).finish()
    write(tmp_path / "a.gif", frames)
    with pytest.raises(VideoError, match="already exists"):
        write(tmp_path / "a.gif", frames)
    write(tmp_path / "a.gif", frames[:1], save=SaveOptions(overwrite=True))
    with Image.open(tmp_path / "a.gif") as image:
        assert getattr(image, "n_frames", 0) == 1


def test_names_of_results_say_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "there.d"
    folder.mkdir()
    for name in ("a.gif", "A.WEBP", "a.png", "%04d.jpg", "frames", "there.d", "a.jpg"):
        assert is_picture_target(tmp_path / name), name
    for name in ("a.mp4", "a.mkv", "a.webm", "a.mov"):
        assert not is_picture_target(tmp_path / name), name
    info = info_of(film_of([painted(0)]))
    for name, message in {
        "a.jpg": r"a single .jpg cannot hold a film; give numbered pictures \(a-%04d.jpg\)",
        "a-*.png": r"give the pictures a number pattern, such as painted-%04d.png",
        "a-%d.bmp": r"the suffix '.bmp' is not supported for output",
        "none/a.gif": r"there is no folder",
    }.items():
        with pytest.raises(VideoError, match=message):
            open_pictures_target(tmp_path / name, info)
    with pytest.raises(VideoError, match="but WebP allows at most 16,383 per side"):
        open_pictures_target(tmp_path / "a.webp", replace(info, width=20_000))


def test_numbered_results_are_counted_from_one(tmp_path: Path) -> None:
    frames = film_of([painted(i) for i in range(3)])
    write(tmp_path / "new" / "folder", frames)
    names = [f"frame-{i:06d}.png" for i in (1, 2, 3)]
    assert sorted(file.name for file in (tmp_path / "new" / "folder").iterdir()) == names
    found, _ = decoded(read(tmp_path / "new" / "folder"))
    for one, other in zip(found, frames, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    opacity = np.full((48, 64), 99, np.uint8)
    seen = [Frame(frame.image, frame.time, opacity) for frame in frames]
    (remark,) = write(tmp_path / "a-%03d.jpg", seen)
    assert remark == "JPEG has no alpha channel: the frames are placed on white"
    assert (tmp_path / "a-003.jpg").exists()
    assert write(tmp_path / "a-%03d.webp", seen) == ()
    again, _ = decoded(read(tmp_path / "a-*.webp"))
    np.testing.assert_array_equal(again[0].opacity, opacity)


def test_a_call_that_goes_on_passes_over_what_is_there(tmp_path: Path) -> None:
    frames = film_of([painted(i) for i in range(4)])
    write(tmp_path / "a-%d.png", frames[:2])
    (tmp_path / "a-03.png").write_bytes(b"another")
    writer = NumberedTarget(tmp_path / "a-%d.png", info_of(frames))
    assert writer.done() == {1, 2}
    writer.skip(2)
    for frame in frames[2:]:
        writer.write(frame)
    assert writer.done() == {1, 2, 3, 4}
    with pytest.raises(VideoError, match=r"a-1.png: already exists"):
        write(tmp_path / "a-%d.png", frames[:1])


def test_the_examples_hold() -> None:
    for module in (pictures, numbered, animated_in, animated_out, gif_out):
        assert doctest.testmod(module).failed == 0
