"""Colors of films: the matrix, the range and HDR come out right, and go in again."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from film_files import HEIGHT, PQ_LIGHT, WIDTH, FilmFiles, pq_signal
from numpy.typing import NDArray

from impasto.images.cicp import color_space
from impasto.video.container.colors import FromFilm, ToFilm, Upright, upright
from impasto.video.container.encoding import choose_encoding, write_part
from impasto.video.container.joining import join
from impasto.video.frames import FilmInfo, Frame
from impasto.video.reading import open_film

# Kr and Kb of the matrices by their numbers in H.273 (table 4).
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}

COLORS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128),
          (200, 120, 40), (30, 90, 180)]  # fmt: skip


def bars(width: int = WIDTH, height: int = HEIGHT) -> NDArray[np.uint8]:
    """Bars of all colors, side by side."""
    places = np.arange(width) * len(COLORS) // width
    row = np.asarray(COLORS, np.uint8)[places]
    return np.broadcast_to(row, (height, width, 3)).copy()


def to_yuv(image: NDArray[Any], matrix: int, full: bool, bits: int = 8) -> NDArray[Any]:
    """The numbers that stand for colors (H.273, equations 1 to 68), (3, H, W)."""
    red, green, blue = np.moveaxis(image / 255, -1, 0)
    kr, kb = WEIGHTS[matrix]
    luma = kr * red + (1 - kr - kb) * green + kb * blue
    chroma = ((blue - luma) / (2 - 2 * kb), (red - luma) / (2 - 2 * kr))
    step, most = 1 << (bits - 8), (1 << bits) - 1
    if full:
        planes = [luma * most, *(each * most + (1 << (bits - 1)) for each in chroma)]
    else:
        planes = [219 * step * luma + 16 * step]
        planes += [224 * step * each + 128 * step for each in chroma]
    return np.stack([plane.round().clip(0, most) for plane in planes])


def to_rgb(planes: NDArray[Any], matrix: int, full: bool) -> NDArray[Any]:
    """The inverse, for 8 bits."""
    luma, blue, red = planes.astype(float)
    if full:
        luma, blue, red = luma / 255, (blue - 128) / 255, (red - 128) / 255
    else:
        luma, blue, red = (luma - 16) / 219, (blue - 128) / 224, (red - 128) / 224
    kr, kb = WEIGHTS[matrix]
    r, b = luma + red * (2 - 2 * kr), luma + blue * (2 - 2 * kb)
    g = (luma - kr * r - kb * b) / (1 - kr - kb)
    return (np.stack((r, g, b), axis=-1) * 255).clip(0, 255)


def write_raw(path: Path, planes: NDArray[Any], bits: int = 8, **tags: int) -> None:
    """Write a frame of numbers as they are, without loss."""
    import av

    height, width = planes.shape[1:]
    name = "yuv444p" if bits == 8 else f"yuv444p{bits}le"
    with av.open(str(path), "w", format="matroska") as output:
        video = output.add_stream("ffv1", rate=25)
        context = video.codec_context
        context.width, context.height, context.pix_fmt = width, height, name
        frame = av.VideoFrame(width, height, name)
        kind = np.uint8 if bits == 8 else np.uint16
        for plane, values in zip(frame.planes, planes, strict=True):
            rows = np.frombuffer(plane, kind).reshape(height, -1)
            rows[:, :width] = values.astype(kind)
        for tag, value in tags.items():
            setattr(context, tag, value)
            setattr(frame, tag, value)
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        output.mux(video.encode(frame))
        output.mux(video.encode(None))


def first_frame(path: Path) -> Frame:
    with open_film(path, max_pixels=10_000_000) as film:
        frame = next(film.frames())
    assert isinstance(frame, Frame)
    return frame


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 6])
@pytest.mark.parametrize("primaries", [2, None])
def test_every_matrix_and_range_comes_out_right(
    tmp_path: Path, matrix: int, full: bool, primaries: int | None
) -> None:
    """The primaries and the curve are those of the matrix, as cameras have it, or untold."""
    image = bars()
    told = matrix if primaries is None else primaries
    tags = {"colorspace": matrix, "color_range": 2 if full else 1}
    tags |= {"color_primaries": told, "color_trc": told}
    write_raw(tmp_path / "film.mkv", to_yuv(image, matrix, full), **tags)
    found = first_frame(tmp_path / "film.mkv").image.astype(int)
    assert np.abs(found - image).mean() <= 1
    assert np.abs(found - image).max() <= 3
    red = found[20, 2]
    assert red[0] >= 250 and red[1] <= 4 and red[2] <= 4


@pytest.mark.parametrize(("size", "matrix"), [((64, 96), 6), ((576, 720), 6), ((720, 1280), 1)])
def test_an_untold_matrix_goes_by_the_size(
    tmp_path: Path, size: tuple[int, int], matrix: int
) -> None:
    image = bars(size[1], size[0])
    write_raw(tmp_path / "film.mkv", to_yuv(image, matrix, full=False))
    found = first_frame(tmp_path / "film.mkv").image.astype(int)
    assert np.abs(found - image).mean() <= 1


@pytest.mark.parametrize("name", ["bt601.mp4", "bt709.mp4", "full.mp4", "plain.mkv"])
@pytest.mark.parametrize("target", ["result.mp4", "result.mov"])
def test_colors_come_back_from_the_painted_film(
    films: FilmFiles, tmp_path: Path, name: str, target: str
) -> None:
    """The numbers in the result are turned into colors by its tags, with the equations above."""
    import av

    path = tmp_path / target
    with open_film(films(name), max_pixels=1_000_000) as film:
        encoding = choose_encoding(film.info, path.suffix)
        given = [frame for frame in film.frames() if isinstance(frame, Frame)]
    write_part(tmp_path / "part", given, encoding)
    times = [frame.time for frame in given]
    join([tmp_path / "part"], times, path, encoding, source=None)
    with open_film(path, max_pixels=1_000_000) as film:
        found = [frame.image.astype(int) for frame in film.frames() if isinstance(frame, Frame)]
    difference = np.abs(np.stack(found) - np.stack([frame.image for frame in given]))
    assert difference.mean() <= 2
    with av.open(str(path)) as raw:
        frame = next(raw.decode(video=0))
    assert (frame.colorspace, frame.color_range) == (1, 1)
    # Colors are kept for 2 x 2 pixels, so they are compared in blocks.
    colors = _blocks(to_rgb(_planes(frame), 1, full=False))
    assert np.abs(colors - _blocks(given[0].image)).mean() <= 1


def _blocks(image: NDArray[Any]) -> NDArray[np.float64]:
    """Means of blocks of 8 x 8 pixels."""
    means: NDArray[np.float64] = image.reshape(HEIGHT // 8, 8, WIDTH // 8, 8, 3).mean((1, 3))
    return means


def _planes(frame: Any) -> NDArray[Any]:
    """The planes of a frame of yuv420p, each color repeated."""
    planes = []
    for plane, times in zip(frame.planes, (1, 2, 2), strict=True):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
        planes.append(rows[:, : plane.width].repeat(times, axis=0).repeat(times, axis=1))
    return np.stack(planes)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1", "vp9", "prores", "ffv1"])
def test_pure_colors_survive_every_codec(tmp_path: Path, codec: str) -> None:
    image = bars()
    encoding = choose_encoding(FilmInfo("clip", HEIGHT, WIDTH, Fraction(25)), ".mkv", codec=codec)
    write_part(tmp_path / "part", [Frame(image, Fraction(0))], encoding)
    join([tmp_path / "part"], [Fraction(0)], tmp_path / "film.mkv", encoding, source=None)
    found = first_frame(tmp_path / "film.mkv").image
    values = found / np.iinfo(found.dtype).max * 255
    for number, color in enumerate(COLORS):
        middle = (2 * number + 1) * WIDTH // (2 * len(COLORS))
        difference = np.abs(values[8:-8, middle - 2 : middle + 2].mean((0, 1)) - color)
        assert difference.max() <= 4, (color, difference)


def test_light_of_hdr_is_that_of_still_pictures(films: FilmFiles) -> None:
    """100 cd/m2 are 186 of 255, and everything else is as the arithmetic for pictures has it."""
    frame = first_frame(films("pq.mkv"))
    assert frame.image.dtype == np.uint16
    found = [
        float(frame.image[20:40, (2 * n + 1) * WIDTH // 10].mean()) / 257
        for n in range(len(PQ_LIGHT))
    ]
    assert 185 <= found[2] <= 200
    space = color_space(9, 16)
    assert space is not None
    signals = np.array([[[pq_signal(light)] * 3 for light in PQ_LIGHT]], np.float32)
    wanted = space.to_srgb(signals)[0, :, 0] * 255
    assert np.abs(np.array(found) - wanted).max() <= 2
    with open_film(films("pq.mkv"), max_pixels=1_000_000) as film:
        assert film.info.remarks == ("its HDR (PQ) is reduced to the range of sRGB",)


def test_hlg_is_brought_to_sdr(films: FilmFiles) -> None:
    """The signal 0.75 is the white of paper, 203 cd/m2: 90 % of white (BT.2408)."""
    frame = first_frame(films("hlg.mkv"))
    found = [float(frame.image[20:40, (2 * n + 1) * WIDTH // 10].mean()) / 257 for n in range(5)]
    assert found == sorted(found)
    assert found[4] == pytest.approx(255 * 0.9545, abs=3)  # the sRGB signal of 0.9 of the light


def test_the_brightest_light_of_a_film_is_white(tmp_path: Path) -> None:
    """Without a word about its peak, that is 1,000 cd/m2."""
    level = np.full((3, HEIGHT, WIDTH), 512.0)
    level[0] = round(64 + 876 * pq_signal(1000))
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 16}
    write_raw(tmp_path / "film.mkv", level, bits=10, **tags)
    assert first_frame(tmp_path / "film.mkv").image.min() >= 65535 * 0.995


def test_ten_bits_are_read_in_full(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(64, 940), (8, 876))
    planes = np.stack((ramp, np.full_like(ramp, 512), np.full_like(ramp, 512)))
    tags = {"colorspace": 1, "color_range": 1, "color_primaries": 1, "color_trc": 1}
    write_raw(tmp_path / "film.mkv", planes, bits=10, **tags)
    found = first_frame(tmp_path / "film.mkv").image
    assert found.dtype == np.uint16
    assert len(np.unique(found[4])) == 876
    wanted = (ramp[0] - 64) / 876 * 65535
    assert np.abs(found[4] - wanted[:, None]).max() <= 65535 / 876 / 2


def test_wide_colors_are_brought_to_srgb(tmp_path: Path) -> None:
    """A color that sRGB has, written in BT.2020, comes out as it was."""
    color = np.array([0.6, 0.35, 0.2])
    light = np.where(color <= 0.04045, color / 12.92, ((color + 0.055) / 1.055) ** 2.4)
    # BT.2087, table 2: linear light of BT.709 in the primaries of BT.2020.
    matrix = np.array(
        [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
    )
    wide = matrix @ light
    signal = np.where(wide <= 0.0031308, wide * 12.92, 1.055 * wide ** (1 / 2.4) - 0.055)
    image = np.broadcast_to(signal * 255, (HEIGHT, WIDTH, 3))
    tags = {"colorspace": 9, "color_range": 1, "color_primaries": 9, "color_trc": 14}
    write_raw(tmp_path / "film.mkv", to_yuv(image, 9, full=False, bits=10), bits=10, **tags)
    found = first_frame(tmp_path / "film.mkv").image[30, 40] / 65535
    assert np.abs(found - color).max() <= 2 / 255


@pytest.mark.parametrize("name", ["yuv420p", "yuv420p10le", "yuv422p10le", "yuva444p10le"])
def test_sixteen_bits_go_in_as_they_come_out(name: str) -> None:
    image = bars().astype(np.uint16) * np.uint16(257)
    opacity = np.full((HEIGHT, WIDTH), 65535, np.uint16)
    frame = ToFilm(name, WIDTH, HEIGHT)(image, opacity)
    deep = frame.format.components[0].bits > 8
    kind = np.uint16 if deep else np.uint8
    luma = np.frombuffer(frame.planes[0], kind).reshape(HEIGHT, -1)[:, :WIDTH]
    wanted = to_yuv(bars(), 1, full=False, bits=10 if deep else 8)[0]
    assert np.abs(luma.astype(int) - wanted).max() <= 1
    found, alpha = FromFilm(frame)(frame)
    middle = (np.arange(len(COLORS)) * 2 + 1) * WIDTH // (2 * len(COLORS))
    values = found[20, middle] / np.iinfo(found.dtype).max * 255
    assert np.abs(values - np.asarray(COLORS)).max() <= 3
    assert alpha is None or (alpha == 65535).all()


def test_tags_say_what_is_written() -> None:
    assert ToFilm("yuv420p", WIDTH, HEIGHT).tags == {
        "colorspace": 1,
        "color_range": 1,
        "color_primaries": 1,
        "color_trc": 1,
    }
    # RGB has no matrix and no narrow range.
    assert ToFilm("bgr0", WIDTH, HEIGHT).tags["colorspace"] == 0


TURNS = [(turn, flip) for turn in (0, 90, 180, 270) for flip in (False, True)]


@pytest.mark.parametrize(("turn", "flip"), TURNS)
def test_every_way_to_lay_a_picture_down_is_undone(tmp_path: Path, turn: int, flip: bool) -> None:
    """FFmpeg's documentation: turned counter-clockwise, then mirrored from left to right."""
    import av

    stored = bars()
    stored[: HEIGHT // 2] //= 2
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"crf": "8"})
        video.width, video.height = WIDTH, HEIGHT
        video.set_display_rotation(turn, hflip=flip)
        output.mux(video.encode(av.VideoFrame.from_ndarray(stored, format="rgb24")))
        output.mux(video.encode(None))
    wanted = np.rot90(stored, turn // 90)
    wanted = wanted[:, ::-1] if flip else wanted
    found = first_frame(path).image.astype(int)
    assert found.shape == wanted.shape
    assert np.abs(found - wanted).mean() < 12


def test_turning_is_made_of_swaps() -> None:
    array = np.arange(6).reshape(2, 3)
    np.testing.assert_array_equal(Upright(True, flip_rows=True)(array), np.rot90(array))
    np.testing.assert_array_equal(Upright()(array), array)


def test_a_plain_frame_is_upright() -> None:
    import av

    frame = av.VideoFrame.from_ndarray(bars(), format="rgb24")
    assert upright(frame) == Upright()
    image, opacity = FromFilm(frame)(frame)
    np.testing.assert_array_equal(image, bars())
    assert opacity is None
