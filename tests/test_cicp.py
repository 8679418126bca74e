"""Colors that are told by numbers instead of a profile, against the formulas of the standards."""

from __future__ import annotations

import io
import math
import struct
from functools import cache
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import tifffile
from bad_files import encoded, noise, png_chunk
from PIL import Image
from test_images import DISPLAY_P3, LINEAR_GREY, icc
from test_metadata import chunks_of, directory, with_chunks

from impasto.images import strips_in
from impasto.images.cicp import (
    PRIMARIES,
    ColorSpace,
    color_space,
    gamma_space,
    hlg_to_scene,
    pq_to_light,
    tone_mapped,
)
from impasto.images.options import SaveOptions
from impasto.images.photo import Photo, read_photo
from impasto.images.sources import open_picture
from impasto.images.strips_out import encode_png

# Published matrices: BT.2087 (BT.2020 to BT.709); CSS Color 4 (Display P3 to sRGB); Adobe RGB
# (1998), 4.3.5, with that of sRGB.
TO_SRGB = {
    9: [
        [1.660491, -0.587641, -0.07285],
        [-0.12455, 1.1329, -0.00835],
        [-0.018151, -0.100579, 1.11873],
    ],
    12: [[1.22494, -0.22494, 0.0], [-0.042057, 1.042057, 0.0], [-0.0196376, -0.078636, 1.0982736]],
}
ADOBE_TO_SRGB = [[1.39836, -0.39836, 0.0], [0.0, 1.0, 0.0], [0.0, -0.04293, 1.04293]]


def smooth() -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    waves = [0.5 + 0.45 * np.sin(x / 11 + k) * np.cos(y / 9 - k) for k in range(3)]
    return np.rint(np.stack(waves, axis=-1) * 255).astype(np.uint8)


def srgb_signal(light: float) -> float:
    light = min(max(light, 0.0), 1.0)
    return 12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055


def srgb_light(signal: float) -> float:
    return signal / 12.92 if signal <= 0.04045 else ((signal + 0.055) / 1.055) ** 2.4


def pq_signal(nits: float) -> float:
    """SMPTE ST 2084, equation 5.2."""
    power = (nits / 10_000) ** (2610 / 16384)
    return ((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32)


def hlg_signal(scene: float) -> float:
    """BT.2100, table 5, the OETF."""
    a, b, c = 0.17883277, 1 - 4 * 0.17883277, 0.55991073
    return math.sqrt(3 * scene) if scene <= 1 / 12 else a * math.log(12 * scene - b) + c


def shoulder(light: float, peak: float = 1000.0) -> float:
    """The shoulder as the documentation has it."""
    if light <= 0.8:
        return light
    s, p = (light - 0.8) / 0.2, (peak / 203 - 0.8) / 0.2
    s = min(s, p)
    return 0.8 + 0.2 * s * (1 + s / p**2) / (1 + s)


# Signal to light by hand, from table 3 of H.273.
LIGHT = {
    4: lambda v: v**2.2,
    5: lambda v: v**2.8,
    8: lambda v: v,
    9: lambda v: 10 ** ((v - 1) * 2),
    10: lambda v: 10 ** ((v - 1) * 2.5),
    13: srgb_light,
    17: lambda v: 52.37 / 48 * v**2.6,
}


@pytest.mark.parametrize("transfer", LIGHT)
def test_gray_of_every_curve(transfer: int) -> None:
    signal = np.linspace(0.02, 1, 50)
    space = color_space(1, transfer)
    assert space is not None
    found = space.to_srgb(signal.astype(np.float32)[None, :, None])[0]
    wanted = [srgb_signal(LIGHT[transfer](float(v))) for v in signal]
    np.testing.assert_allclose(found, np.repeat(np.array(wanted)[:, None], 3, 1), atol=2e-5)
    assert (found == found[:, :1]).all()


@pytest.mark.parametrize("transfer", [1, 6, 7, 11, 12, 14, 15])
def test_signals_of_cameras_are_shown_as_they_are(transfer: int) -> None:
    space = color_space(1, transfer)
    assert space is not None
    assert space.same
    values = np.random.default_rng(0).random((5, 7, 3), np.float32)
    np.testing.assert_array_equal(space.to_srgb(values), values)


@pytest.mark.parametrize(("primaries", "transfer"), product(TO_SRGB, LIGHT))
def test_colors_by_published_matrices(primaries: int, transfer: int) -> None:
    values = np.random.default_rng(primaries).random((1, 200, 3))
    space = color_space(primaries, transfer)
    assert space is not None
    found = space.to_srgb(values.astype(np.float32))[0]
    light = np.vectorize(LIGHT[transfer])(values[0]) @ np.array(TO_SRGB[primaries]).T
    wanted = np.vectorize(srgb_signal)(light)
    np.testing.assert_allclose(found, wanted, atol=2e-4)


def adapted_to_d50(primaries: tuple[float, ...]) -> np.ndarray:
    """Colorants of a profile: XYZ by solving for white, then Bradford to D50 (ICC.1:2022, E)."""
    xyz = np.array(
        [[x / y, 1, (1 - x - y) / y] for x, y in zip(*[iter(primaries)] * 2, strict=True)]
    )
    white, colors = xyz[0], xyz[1:]
    colors = colors * np.linalg.solve(colors.T, white)[:, None]
    cone = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    gain = (cone @ [0.9642, 1.0, 0.8249]) / (cone @ white)
    return np.asarray((np.linalg.inv(cone) @ np.diag(gain) @ cone @ colors.T).T)


def profile(primaries: tuple[float, ...], transfer: int) -> bytes:
    """An ICC profile that says the same, its curve as a table."""
    steps = [round(65535 * min(max(LIGHT[transfer](i / 4095), 0), 1)) for i in range(4096)]
    curve = b"curv" + bytes(4) + struct.pack(">I4096H", 4096, *steps)
    tags = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    for name, color in zip((b"rXYZ", b"gXYZ", b"bXYZ"), adapted_to_d50(primaries), strict=True):
        numbers = [round(each * 65536) for each in color]
        tags[name] = b"XYZ " + bytes(4) + struct.pack(">3i", *numbers)
    return icc(b"RGB ", tags)


KNOWN = [number for number in PRIMARIES if number != 10]  # a profile has no y of 0


@pytest.mark.parametrize(("primaries", "transfer"), product(KNOWN, (4, 8, 13)))
def test_colors_are_those_of_a_profile_that_says_the_same(primaries: int, transfer: int) -> None:
    picture = noise(30, 40)
    told = with_chunks(
        encoded("PNG", picture), png_chunk(b"cICP", bytes([primaries, transfer, 0, 1]))
    )
    found = read_photo(io.BytesIO(told))
    assert found.remark == ""
    picture.info["icc_profile"] = profile(PRIMARIES[primaries][1], transfer)
    wanted = read_photo(picture)
    difference = np.abs(found.image - wanted.image) * 255
    assert difference.mean() < 0.5
    assert difference.max() < 3


def test_xyz_is_white_where_it_is_equal() -> None:
    space = color_space(10, 8)
    assert space is not None
    white = space.to_srgb(np.ones((1, 1, 3), np.float32))
    np.testing.assert_allclose(white, 1, atol=1e-5)
    # Y alone tells how bright it is: weights of the sRGB primaries (IEC 61966-2-1).
    light = np.vectorize(srgb_light)(space.to_srgb(np.full((1, 1, 3), 0.2, np.float32))[0, 0])
    assert light @ [0.2126, 0.7152, 0.0722] == pytest.approx(0.2, abs=1e-3)


# --- HDR ---------------------------------------------------------------------------------------


def test_pq_is_light() -> None:
    # BT.2408, table 1: 38 % are 26 cd/m2, 58 % are 203 cd/m2, 75 % are 983 cd/m2.
    found = pq_to_light(np.array([0, 0.38, 0.58, 0.75, 1]))
    np.testing.assert_allclose(found, [0, 26, 203, 983, 10_000], rtol=0.02)
    for nits in (0.01, 1, 10, 100, 203, 1000, 4000):
        assert float(pq_to_light(np.array(pq_signal(nits)))) == pytest.approx(nits, rel=1e-6)
        half = np.array(pq_signal(nits), np.float32)
        assert float(pq_to_light(half)) == pytest.approx(nits, rel=2e-3)


def test_hlg_is_light_of_the_scene() -> None:
    for scene in (0.001, 0.05, 1 / 12, 0.2, 0.5, 1):
        assert float(hlg_to_scene(np.array(hlg_signal(scene)))) == pytest.approx(scene, rel=1e-5)
    # BT.2408, table 1: 75 % are 203 cd/m2 on a display of 1,000.
    assert 1000 * float(hlg_to_scene(np.array(0.75))) ** 1.2 == pytest.approx(203, rel=0.01)


@pytest.mark.parametrize("bits", [8, 16])
def test_gray_of_pq_in_a_png(bits: int) -> None:
    nits = np.array([1, 10, 26, 50, 100, 160, 203, 400, 1000, 4000])
    most = (1 << bits) - 1
    words = np.rint([pq_signal(each) * most for each in nits])
    values = np.repeat(words.astype(f"u{bits // 8}")[None, :, None], 3, axis=2)
    data = with_chunks(encode_png(values), png_chunk(b"cICP", bytes([9, 16, 0, 1])))
    photo = read_photo(io.BytesIO(data))
    assert photo.remark == "its HDR (PQ) is reduced to the range of sRGB"
    stored = pq_to_light(words / most)
    wanted = [srgb_signal(shoulder(each / 203)) for each in stored]
    np.testing.assert_allclose(photo.image[0, :, 1], wanted, atol=1e-3)
    seen = dict(zip(nits, photo.image[0, :, 0] * 255, strict=True))
    assert 180 <= seen[100] <= 200  # not the 129 of a picture that is taken for sRGB
    assert 240 <= seen[203] <= 246
    assert seen[1000] > 254


def test_gray_of_hlg_in_a_png() -> None:
    scene = np.array([0.001, 0.01, 0.1, 0.2654, 0.5, 1.0])
    words = np.rint([hlg_signal(each) * 65535 for each in scene]).astype(np.uint16)
    values = np.repeat(words[None, :, None], 3, axis=2)
    data = with_chunks(encode_png(values), png_chunk(b"cICP", bytes([9, 18, 0, 1])))
    photo = read_photo(io.BytesIO(data))
    assert photo.remark == "its HDR (HLG) is reduced to the range of sRGB"
    wanted = [srgb_signal(shoulder(1000 * each**1.2 / 203)) for each in scene]
    np.testing.assert_allclose(photo.image[0, :, 0], wanted, atol=1e-3)
    one = with_chunks(encode_png(values[..., :1]), png_chunk(b"cICP", bytes([9, 18, 0, 1])))
    np.testing.assert_allclose(read_photo(io.BytesIO(one)).image, photo.image, atol=1e-4)


def test_colors_of_hlg() -> None:
    """The light of a display is the scene's times its luminance to the power of 0.2."""
    scene = np.array([0.3, 0.1, 0.02])
    signal = np.array([hlg_signal(each) for each in scene], np.float32)
    space = color_space(9, 18)
    assert space is not None
    luminance = scene @ [0.2627, 0.6780, 0.0593]
    light = scene * luminance**0.2 * 1000 / 203
    light *= shoulder(light.max()) / light.max()
    wanted = [srgb_signal(each) for each in np.array(TO_SRGB[9]) @ light]
    np.testing.assert_allclose(space.to_srgb(signal[None, None])[0, 0], wanted, atol=2e-3)


def test_the_shoulder_keeps_order_hue_and_the_middle() -> None:
    light = np.linspace(0, 60, 5000)[:, None] * np.array([1, 0.5, 0.25])
    for peak in (203, 250, 1000, 4000, 10_000):
        found = tone_mapped(light, peak)
        assert (np.diff(found[:, 0]) >= -1e-12).all()
        assert found.max() == pytest.approx(1)
        np.testing.assert_allclose(found[1:, 1] / found[1:, 0], 0.5)
        below = light[:, 0] <= 0.8
        np.testing.assert_array_equal(found[below], light[below])
        at_peak = np.array([[peak / 203]])
        assert tone_mapped(at_peak, peak)[0, 0] == pytest.approx(1)


@pytest.mark.parametrize(
    ("chunk", "peak"),
    [
        (png_chunk(b"cLLI", struct.pack(">II", 4000 * 10_000, 0)), 4000),
        (png_chunk(b"mDCV", struct.pack(">8HII", *range(8), 600 * 10_000, 1)), 600),
        (png_chunk(b"cLLI", struct.pack(">II", 50 * 10_000, 0)), 203),
        (png_chunk(b"cLLI", bytes(3)), 1000),
    ],
)
def test_the_peak_is_that_of_the_picture(chunk: bytes, peak: float) -> None:
    values = np.full((4, 4, 3), round(pq_signal(190) * 65535), np.uint16)
    data = with_chunks(encode_png(values), png_chunk(b"cICP", bytes([9, 16, 0, 1])), chunk)
    found = read_photo(io.BytesIO(data)).image[0, 0, 0]
    assert found == pytest.approx(srgb_signal(shoulder(190 / 203, peak)), abs=1e-3)


# --- PNG ---------------------------------------------------------------------------------------

GAMMA = png_chunk(b"gAMA", struct.pack(">I", 100_000))
USUAL = png_chunk(b"gAMA", struct.pack(">I", 45_455))
SRGB_PRIMARIES = (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
P3_PRIMARIES = (31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)


def primaries_chunk(numbers: tuple[int, ...]) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *numbers))


def linear(values: np.ndarray) -> np.ndarray:
    return np.vectorize(srgb_signal)(values / 255)


PIXELS = np.asarray(noise(30, 40)).astype(np.float64)
PLAIN = PIXELS / 255
P3_LIGHT = np.vectorize(srgb_light)(PLAIN) @ np.array(TO_SRGB[12]).T
P3 = np.vectorize(srgb_signal)(P3_LIGHT)
ICC = {"icc_profile": profile(PRIMARIES[12][1], 13)}
SRGB_CHUNK = png_chunk(b"sRGB", b"\0")
BROKEN = " are invalid: sRGB is assumed"


@pytest.mark.parametrize(
    ("options", "chunks", "wanted", "remark"),
    [
        ({}, (GAMMA,), linear(PIXELS), ""),
        ({}, (USUAL,), PLAIN, ""),
        ({}, (USUAL, primaries_chunk(SRGB_PRIMARIES)), PLAIN, ""),
        ({}, (USUAL, primaries_chunk(P3_PRIMARIES)), P3, ""),
        ({}, (primaries_chunk(P3_PRIMARIES),), P3, ""),
        ({}, (png_chunk(b"gAMA", struct.pack(">I", 55556)),), None, ""),
        ({}, (SRGB_CHUNK, GAMMA, primaries_chunk(P3_PRIMARIES)), PLAIN, ""),
        (ICC, (GAMMA,), P3, ""),
        (ICC, (png_chunk(b"cICP", b"\1\x0d\0\1"),), PLAIN, ""),
        ({}, (SRGB_CHUNK, png_chunk(b"cICP", b"\x0c\x0d\0\1")), P3, ""),
        ({}, (GAMMA, png_chunk(b"cICP", b"\2\2\0\1")), linear(PIXELS), ""),
        ({}, (png_chunk(b"cICP", b"\x0c\2\0\1"),), P3, ""),
        (ICC, (png_chunk(b"cICP", b"\x63\x0d\0\1"),), P3, "its cICP 99/13/0/1 is unknown"),
        ({}, (png_chunk(b"cICP", b"\1\x63\0\1"),), PLAIN, "its cICP 1/99/0/1 is unknown"),
        ({}, (png_chunk(b"cICP", b"\x0c\x0d\1\1"),), PLAIN, "its cICP 12/13/1/1 is unknown"),
        ({}, (png_chunk(b"cICP", b"\1"),), PLAIN, "its cICP 1 is unknown"),
        ({}, (png_chunk(b"gAMA", bytes(4)),), PLAIN, "its gAMA and cHRM" + BROKEN),
        ({}, (png_chunk(b"gAMA", b"\1"),), PLAIN, "its gAMA and cHRM" + BROKEN),
        ({}, (primaries_chunk((0,) * 8),), PLAIN, "its gAMA and cHRM" + BROKEN),
        ({}, (primaries_chunk((31270, 32900) * 4),), PLAIN, "its gAMA and cHRM" + BROKEN),
        ({}, (primaries_chunk((2**32 - 1, 1) * 4),), PLAIN, "its gAMA and cHRM" + BROKEN),
    ],
    ids=range(21),
)
def test_the_order_of_what_a_png_tells(
    options: dict[str, bytes], chunks: tuple[bytes, ...], wanted: np.ndarray | None, remark: str
) -> None:
    photo = read_photo(io.BytesIO(with_chunks(encoded("PNG", noise(30, 40), **options), *chunks)))
    wanted = np.vectorize(srgb_signal)(PLAIN**1.8) if wanted is None else wanted
    difference = np.abs(photo.image - wanted) * 255
    assert difference.max() < 2.5
    assert difference.mean() < 0.4
    assert photo.remark.startswith(remark) if remark else photo.remark == ""
    if wanted is PLAIN:
        np.testing.assert_array_equal(photo.image, PIXELS.astype(np.float32) / np.float32(255))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_narrow_numbers_are_spread(bits: int, channels: int) -> None:
    """BT.2100, table 9: black at 16, white at 235, in 8 bits; times 256 in 16."""
    wanted = np.random.default_rng(bits).random((6, 8, channels))
    whole = np.rint((219 * wanted + 16) * (1 << (bits - 8)))
    if channels in (2, 4):  # opacity has no narrow range (PNG, 3rd edition, 11.3.2.6)
        whole[..., -1] = np.rint(wanted[..., -1] * ((1 << bits) - 1))
    data = encode_png(whole.astype(f"u{bits // 8}"))
    photo = read_photo(io.BytesIO(with_chunks(data, png_chunk(b"cICP", b"\1\x0d\0\0"))))
    error = 0.6 / (219 << (bits - 8))
    colors = wanted[..., : 1 if channels < 3 else 3]
    np.testing.assert_allclose(photo.image, np.broadcast_to(colors, photo.image.shape), atol=error)
    if photo.alpha is not None:
        np.testing.assert_allclose(photo.alpha, wanted[..., -1], atol=error)


@cache
def pictures() -> dict[str, bytes]:
    """PNGs of every kind of pixel."""
    color, rng = noise(67, 45), np.random.default_rng(0)
    deep = rng.integers(0, 65536, (67, 45, 4)).astype(np.uint16)
    return {
        "color": encoded("PNG", color),
        "gray": encoded("PNG", color.convert("L")),
        "palette": encoded("PNG", color.quantize(40), transparency=bytes(range(40))),
        "bits": encoded("PNG", color.convert("1")),
        "key": encoded("PNG", color, transparency=(1, 2, 3)),
        **{f"deep-{n}": encode_png(deep[..., :n]) for n in (1, 2, 3, 4)},
    }


@pytest.mark.parametrize("name", pictures())
@pytest.mark.parametrize("cicp", [(12, 13, 0, 1), (9, 16, 0, 1), (9, 18, 0, 0)])
def test_strips_have_the_same_colors(
    name: str, cicp: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips_in, "_STRIP_BYTES", 1500)
    data = with_chunks(pictures()[name], png_chunk(b"cICP", bytes(cicp)))
    wanted = read_photo(io.BytesIO(data))
    plain = read_photo(io.BytesIO(pictures()[name]))
    if name != "bits":
        gray = name in ("gray", "deep-1", "deep-2")
        assert np.abs(wanted.image - plain.image).max() > 0.02 or (gray and cicp[0] == 12)
    with open_picture(io.BytesIO(data)) as picture:
        assert picture.streams
        for rows in (slice(0, 20), slice(13, 67)):
            image, alpha = picture.window(rows, slice(3, 45))
            np.testing.assert_allclose(image, wanted.image[rows, 3:45], atol=1e-6)
            if wanted.alpha is not None:
                np.testing.assert_array_equal(alpha, wanted.alpha[rows, 3:45])


def test_turned_pictures_have_their_colors_too() -> None:
    exif = b"II*\0\x08\0\0\0" + directory({0x0112: (3, b"\6\0")}, 8)
    data = with_chunks(encoded("PNG", noise(30, 40)), GAMMA, png_chunk(b"eXIf", exif))
    with open_picture(io.BytesIO(data)) as picture:
        image, _ = picture.window(slice(0, 40), slice(0, 30))
    wanted = np.rot90(linear(PIXELS), -1)
    np.testing.assert_allclose(image, wanted, atol=1e-4)


def test_a_picture_that_pillow_opened_has_its_colors() -> None:
    data = with_chunks(encoded("PNG", noise(30, 40)), USUAL, primaries_chunk(P3_PRIMARIES))
    found = read_photo(Image.open(io.BytesIO(data)))
    np.testing.assert_allclose(found.image, P3, atol=3e-3)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tif"])
def test_results_tell_of_srgb_alone(suffix: str, tmp_path: Path) -> None:
    told = (GAMMA, primaries_chunk(P3_PRIMARIES), png_chunk(b"cICP", b"\x0c\x0d\0\1"))
    for deep in (False, True):
        plain = encode_png(smooth().astype(np.uint16) * np.uint16(257) if deep else smooth())
        photo = read_photo(io.BytesIO(with_chunks(plain, *told, SRGB_CHUNK)))
        target = tmp_path / f"result.{suffix}"
        photo.save(photo.image, target, save=SaveOptions(quality=100, overwrite=True))
        back = read_photo(target)
        assert back.remark == ""
        assert np.abs(back.image - photo.image).mean() < 0.01
        light = np.vectorize(srgb_light)(smooth() / 255) @ np.array(TO_SRGB[12]).T
        np.testing.assert_allclose(photo.image, np.vectorize(srgb_signal)(light), atol=1e-3)
        if suffix == "png":
            kinds = {kind for kind, _ in chunks_of(target.read_bytes())}
            assert kinds == {b"IHDR", b"iCCP", b"IDAT", b"IEND"}


# --- AVIF, HEIC, JPEG 2000, EXIF ---------------------------------------------------------------


def with_nclx(data: bytes, primaries: int, transfer: int) -> bytes:
    """A file of boxes with other numbers in its box of colors."""
    at = data.index(b"nclx") + 4
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


def boxed(format: str, values: np.ndarray) -> bytes:
    picture = Image.fromarray(values)
    if format == "AVIF":
        return encoded("AVIF", picture, quality=100, subsampling="4:4:4")
    heif = pytest.importorskip("pillow_heif")
    stream = io.BytesIO()
    options = {"quality": 95, "chroma": 444, "color_primaries": 1, "transfer_characteristics": 13}
    heif.from_pillow(picture).save(stream, save_nclx_profile=True, matrix_coefficients=6, **options)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["AVIF", "HEIC"])
@pytest.mark.parametrize(("primaries", "transfer"), [(12, 13), (9, 8), (1, 1), (2, 2), (9, 16)])
def test_boxes_of_colors_are_read(format: str, primaries: int, transfer: int) -> None:
    plain = boxed(format, smooth())
    photo = read_photo(io.BytesIO(with_nclx(plain, primaries, transfer)))
    before = read_photo(io.BytesIO(plain))
    assert before.remark == ""
    space = color_space(primaries, transfer)
    assert space is not None
    np.testing.assert_allclose(photo.image, space.to_srgb(before.image), atol=1e-6)
    assert photo.remark == (
        "its HDR (PQ) is reduced to the range of sRGB" if transfer == 16 else ""
    )
    if transfer == 13:
        light = np.vectorize(srgb_light)(before.image) @ np.array(TO_SRGB[12]).T
        np.testing.assert_allclose(photo.image, np.vectorize(srgb_signal)(light), atol=3e-3)


def test_boxes_that_are_not_understood_are_told() -> None:
    plain = boxed("AVIF", smooth())
    photo = read_photo(io.BytesIO(with_nclx(plain, 77, 13)))
    assert photo.remark == "its colors (77/13 of H.273) are unknown: sRGB is assumed"
    np.testing.assert_array_equal(photo.image, read_photo(io.BytesIO(plain)).image)
    profiled = encoded("AVIF", Image.fromarray(smooth()), icc_profile=DISPLAY_P3)
    assert read_photo(io.BytesIO(profiled)).remark == ""


def jp2(colr: bytes) -> bytes:
    """A JPEG 2000 with another box of colors."""
    data = encoded("JPEG2000", noise(30, 40))
    at = data.index(b"colr") - 4
    (size,) = struct.unpack_from(">I", data, at)
    box = struct.pack(">I4s", 8 + len(colr), b"colr") + colr
    head = data.index(b"jp2h") - 4
    (length,) = struct.unpack_from(">I", data, head)
    data = data[:at] + box + data[at + size :]
    return data[:head] + struct.pack(">I", length + len(box) - size) + data[head + 4 :]


def test_colors_of_jpeg_2000() -> None:
    for colr in (b"\2\0\0" + ICC["icc_profile"], b"\5\0\0" + struct.pack(">HHHB", 12, 13, 0, 128)):
        with open_picture(io.BytesIO(jp2(colr))) as picture:
            np.testing.assert_allclose(picture.photo().image, P3, atol=0.008)
            np.testing.assert_allclose(picture.photo().image, P3, atol=0.008)
            assert picture.remark == ""
    photo = read_photo(io.BytesIO(jp2(b"\1\0\0" + struct.pack(">I", 21))))
    assert photo.remark == "its color space 21 is unknown: sRGB is assumed"
    np.testing.assert_array_equal(photo.image, PIXELS.astype(np.float32) / np.float32(255))


def test_primaries_of_a_tiff() -> None:
    white = (318, 5, 2, (3127, 10000, 3290, 10000))
    wide = (319, 5, 6, (68, 100, 32, 100, 265, 1000, 69, 100, 15, 100, 6, 100))
    pixels = PIXELS.astype(np.uint8)
    for values in (pixels, pixels.astype(np.uint16) * np.uint16(257)):
        for tags in ([white, wide], [wide]):
            stream = io.BytesIO()
            tifffile.imwrite(stream, values, photometric="rgb", extratags=tags)
            photo = read_photo(stream)
            np.testing.assert_allclose(photo.image, P3, atol=1e-3)
            assert photo.remark == ""
    curve = (301, 3, 768, tuple(range(768)))
    broken = (319, 5, 6, (1, 0) * 6)
    told = "its primaries are invalid: sRGB is assumed"
    for tags, remark in (([curve], "its transfer function is ignored"), ([broken], told)):
        stream = io.BytesIO()
        tifffile.imwrite(stream, pixels, photometric="rgb", extratags=tags)
        assert read_photo(stream).remark == remark


def exif_of_adobe(direct: bool) -> bytes:
    """EXIF data that tell of Adobe RGB: directly, or as cameras do (DCF 2.0)."""
    at = 8 + len(directory({0x8769: (4, bytes(4))}, 8))
    shot = {0xA001: (3, b"\2\0" if direct else b"\xff\xff"), 0xA005: (4, bytes(4))}
    inner = at + len(directory(shot, at))
    shot[0xA005] = 4, struct.pack("<I", inner)
    data = directory({0x8769: (4, struct.pack("<I", at))}, 8) + directory(shot, at)
    return b"Exif\0\0II*\0\x08\0\0\0" + data + directory({1: (2, b"R03\0")}, inner)


@pytest.mark.parametrize("direct", [False, True])
def test_adobe_rgb_by_exif_data(direct: bool) -> None:
    picture = Image.fromarray(smooth())
    data = encoded("WEBP", picture, lossless=True, exif=exif_of_adobe(direct))
    found = read_photo(io.BytesIO(data)).image
    light = (smooth() / 255) ** (563 / 256) @ np.array(ADOBE_TO_SRGB).T
    np.testing.assert_allclose(found, np.vectorize(srgb_signal)(light), atol=2e-3)
    data = encoded(
        "WEBP", picture, lossless=True, exif=exif_of_adobe(direct), icc_profile=DISPLAY_P3
    )
    assert np.abs(read_photo(io.BytesIO(data)).image - found).max() > 0.01


@pytest.mark.parametrize(
    ("mode", "profile", "told"),
    [
        ("RGB", b"no profile at all", "its ICC profile is damaged: sRGB is assumed"),
        ("RGB", DISPLAY_P3[:200], "its ICC profile is damaged: sRGB is assumed"),
        ("RGB", LINEAR_GREY, "its ICC profile is for GRAY, not for mode RGB, and is ignored"),
        ("CMYK", DISPLAY_P3, "its ICC profile is for RGB, not for mode CMYK, and is ignored"),
        ("L", DISPLAY_P3, ""),
        ("L", LINEAR_GREY, ""),
        ("RGB", DISPLAY_P3, ""),
    ],
    ids=range(7),
)
def test_profiles_that_are_passed_over_are_told(mode: str, profile: bytes, told: str) -> None:
    picture = noise(20, 20).convert(mode)
    data = encoded("TIFF" if mode == "CMYK" else "PNG", picture, icc_profile=profile)
    assert read_photo(io.BytesIO(data)).remark == told
    picture.info["icc_profile"] = profile
    assert read_photo(picture).remark == told


def test_reserved_numbers_have_no_space() -> None:
    assert color_space(0, 13) is None
    assert color_space(1, 3) is None
    assert color_space(23, 19) is None
    assert gamma_space(float("1e-9"), None) is None
    assert gamma_space(None, None) == ColorSpace()


def test_a_photo_of_an_array_is_as_it_was() -> None:
    values = np.random.default_rng(1).random((4, 5, 3), np.float32)
    photo = read_photo(values)
    assert isinstance(photo, Photo)
    np.testing.assert_array_equal(photo.image, values)
