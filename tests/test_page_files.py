"""Files in and out of the page: pixels, metadata and archives, compared with what Python makes."""

from __future__ import annotations

import base64
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import PAGE, needs_browser, served
from click.testing import CliRunner
from conftest import picture
from numpy.typing import NDArray
from PIL import Image, ImageCms
from test_metadata import check_exif, exif_data, exif_of

from impasto.cli import cli
from impasto.images.exif import parse_exif
from impasto.images.photo import read_photo
from impasto.images.resizing import scaled_size

pytestmark = needs_browser

Pixels = NDArray[np.uint8]

# Files cross as base64; functions of the page are called by their module and name.
SCRIPT = """
const modules = {};
window.bytesOf = (text) => {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
};
window.textOf = async (blob) => {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) {
    text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  }
  return btoa(text);
};
window.load = async (name) => modules[name] ??= await import(`/${name}.js`);
window.told = async (work) => {
  try {
    return await work();
  } catch (error) {
    return { error: error.name, sentence: error.message };
  }
};
"""


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.fixture(scope="module")
def page(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A page of the same origin as our modules, without anything on it."""
    folder = tmp_path_factory.mktemp("blank")
    (folder / "blank.html").write_text("<!doctype html><title>blank</title>")
    with served({"/": PAGE, "/blank": folder}) as address:
        found = browser.new_page()
        found.goto(f"{address}/blank/blank.html")
        found.evaluate(SCRIPT)
        yield found
        found.close()


def decoded(page: Any, data: bytes, size: int | None = None, name: str = "") -> Any:
    """(H, W, 4) as `decodePixels` has them, or the error."""
    found = page.evaluate(
        """async ([text, size, name]) => told(async () => {
          const { decodePixels } = await load("images/decoding");
          const bytes = bytesOf(text);
          const blob = name ? new File([bytes], name) : new Blob([bytes]);
          const { width, height, data } = await decodePixels(blob, size);
          return { width, height, data: await textOf(new Blob([data])) };
        })""",
        [encoded(data), size, name],
    )
    if "error" in found:
        return found
    array = np.frombuffer(base64.b64decode(found["data"]), np.uint8)
    return array.reshape(found["height"], found["width"], 4)


def sample(height: int = 40, width: int = 56) -> Image.Image:
    return Image.fromarray((picture(height, width) * 255).round().astype(np.uint8))


def file_of(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def as_python_reads(data: bytes) -> Pixels:
    image = np.asarray(read_photo(io.BytesIO(data)).image)
    return (image * 255).round().astype(np.uint8)


def turned_exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_pictures_of_all_orientations_come_out_upright(page: Any, format: str) -> None:
    for orientation in range(1, 9):
        options = {"lossless": True} if format == "WEBP" else {"quality": 95}
        data = file_of(sample(), format, exif=turned_exif(orientation), **options)
        wanted, found = as_python_reads(data), decoded(page, data)
        assert found.shape == (*wanted.shape[:2], 4)
        assert (found[..., 3] == 255).all()
        error = np.abs(found[..., :3].astype(int) - wanted).max()
        assert error <= (3 if format == "JPEG" else 0), orientation  # decoders round apart


def display_p3() -> bytes:
    """A profile of the primaries of Display P3, with the gamma 2.2."""

    def fixed(*values: float) -> bytes:
        return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * v) for v in values))

    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(2.2 * 256)) + bytes(2)
    text = b"desc" + bytes(4) + struct.pack(">I", 3) + b"P3\0" + bytes(78)
    tags = {
        b"desc": text,
        b"wtpt": fixed(0.9642, 1, 0.8249),
        b"rXYZ": fixed(0.51512, 0.2412, -0.00105),
        b"gXYZ": fixed(0.29198, 0.69225, 0.04189),
        b"bXYZ": fixed(0.1571, 0.06657, 0.78407),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
        b"cprt": b"text" + bytes(4) + b"none\0\0\0\0",
    }
    table, body, at = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, at + len(body), len(data))
        body += data
    head = bytearray(128)
    struct.pack_into(">I4sI4s4s4s", head, 0, 128 + len(table + body), b"lcms", 0x02100000,
                     b"mntr", b"RGB ", b"XYZ ")  # fmt: skip
    head[36:40] = b"acsp"
    struct.pack_into(">3i", head, 68, 63190, 65536, 54061)
    return bytes(head) + table + body


def test_a_wide_picture_is_converted_to_srgb(page: Any) -> None:
    profile = display_p3()
    assert ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space.strip() == "RGB"
    data = file_of(sample(), icc_profile=profile)
    wanted, found = as_python_reads(data), decoded(page, data)
    assert np.abs(wanted.astype(int) - np.asarray(sample())).max() > 8  # the profile says something
    assert np.abs(found[..., :3].astype(int) - wanted).max() <= 2


def test_transparent_pixels_keep_their_colors(page: Any) -> None:
    image = sample()
    alpha = np.linspace(0, 255, image.width).round().astype(np.uint8)
    image.putalpha(Image.fromarray(np.broadcast_to(alpha, (image.height, image.width)).copy()))
    for orientation in (1, 6):
        found = decoded(page, file_of(image, exif=turned_exif(orientation)))
        wanted = np.asarray(image)
        if orientation == 6:
            wanted = np.rot90(wanted, -1)
        assert np.array_equal(found, wanted)


def test_a_wide_transparent_picture_is_converted_too(page: Any) -> None:
    image = sample()
    image.putalpha(Image.fromarray(np.full((image.height, image.width), 200, np.uint8)))
    data = file_of(image, icc_profile=display_p3())
    wanted, found = as_python_reads(data), decoded(page, data)
    assert (found[..., 3] == 200).all()
    error = np.abs(found[..., :3].astype(int) - wanted)
    assert (error <= 2).mean() > 0.98  # what leaves sRGB is rounded as often as it is multiplied


def test_a_size_is_that_of_the_shorter_side(page: Any) -> None:
    data = file_of(sample(45, 70), "JPEG", exif=turned_exif(8), quality=95)
    for size in (16, 25, 90):
        found = decoded(page, data, size)
        assert found.shape[:2] == scaled_size(70, 45, size)
    reference = as_python_reads(file_of(sample(45, 70).rotate(90, expand=True).resize((25, 39))))
    small = decoded(page, data, 25)[..., :3].astype(int)
    assert np.abs(small - reference).mean() < 6  # by another filter


def cut(data: bytes, share: float = 0.6) -> bytes:
    return data[: int(len(data) * share)]


def films_of(format: str) -> bytes:
    frames = [sample(16, 16), sample(16, 16).rotate(90)]
    return file_of(frames[0], format, save_all=True, append_images=frames[1:], duration=100)


def huge() -> bytes:
    """A PNG of 300 megapixels of which the last are missing, as its header does not tell."""
    data = bytearray(file_of(sample()))
    data[16:24] = (20_000).to_bytes(4, "big") + (15_000).to_bytes(4, "big")
    return bytes(data)


AGAIN = "download or save it again."
REFUSED = {
    "a.heic": (b"\0\0\0\x18ftypheic" + bytes(40), "a HEIC picture that this browser cannot read"),
    "a.tif": (file_of(sample(), "TIFF"), "a TIFF picture that this browser cannot read"),
    "a.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), "a JPEG 2000 picture that this browser"),
    "a.nef": (file_of(sample(), "TIFF"), "a raw photograph: develop it"),
    "a.raf": (b"FUJIFILMCCD-RAW 0201" + bytes(40), "a raw photograph: develop it"),
    "cut.jpg": (cut(file_of(sample(), "JPEG")), AGAIN),
    "cut.png": (cut(file_of(sample())), AGAIN),
    "cut.webp": (cut(file_of(sample(), "WEBP")), AGAIN),
    "cut.gif": (cut(file_of(sample(), "GIF"), 0.1), AGAIN),
    "broken.png": (file_of(sample()).replace(b"IDAT", b"IDAX", 1), AGAIN),
    "moving.gif": (films_of("GIF"), "an animation of 2 frames"),
    "moving.png": (films_of("PNG"), "an animation of 2 frames"),
    "moving.webp": (films_of("WEBP"), "an animation of 2 frames"),
    "a.mp4": (b"\0\0\0\x18ftypisom" + bytes(40), "is a film"),
    "a.webm": (b"\x1a\x45\xdf\xa3" + bytes(40), "is a film"),
    "a.pdf": (b"%PDF-1.7" + bytes(40), "not a picture, but a PDF document."),
    "a.svg": (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not a picture, but a drawing (SVG)."),
    "page.jpg": (b"<!DOCTYPE html><title>404</title>", "not a picture, but a web page."),
    "notes.txt": (b"Buy milk.", "not a supported picture"),
    "empty.jpg": (b"", "is empty"),
    "huge.png": (huge(), "has 20000 x 15000 pixels, 300 megapixels, more than this browser can"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_gets_one_sentence(page: Any, name: str) -> None:
    data, words = REFUSED[name]
    found = decoded(page, data, name=name)
    assert found["error"] == "PaintError"
    assert words in found["sentence"]
    assert found["sentence"].startswith(f"{name} ")
    assert found["sentence"].endswith(".") and "\n" not in found["sentence"]


def test_an_opened_photograph_is_shown_small_and_upright(page: Any) -> None:
    data = file_of(sample(90, 60).resize((1500, 2400)), "JPEG", exif=turned_exif(6), quality=90)
    found = page.evaluate(
        """async (text) => {
          const { openPhoto } = await load("images/decoding");
          const file = new File([bytesOf(text)], "boat.jpg");
          const { photo, bitmap } = await openPhoto(file, "boat.jpg");
          const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
          canvas.getContext("2d").drawImage(bitmap, 0, 0);
          const png = await textOf(await canvas.convertToBlob());
          return { name: photo.name, size: [photo.width, photo.height], id: photo.id,
            same: photo.file === file, png };
        }""",
        encoded(data),
    )
    assert (found["name"], found["size"], found["same"]) == ("boat.jpg", [2400, 1500], True)
    assert found["id"]
    shown = Image.open(io.BytesIO(base64.b64decode(found["png"]))).convert("RGB")
    assert shown.size == (2048, 1280)
    wanted = Image.fromarray(as_python_reads(data)).resize((2048, 1280), Image.Resampling.LANCZOS)
    assert np.abs(np.asarray(shown).astype(int) - np.asarray(wanted)).mean() < 1


def test_a_worker_can_decode(page: Any) -> None:
    data = file_of(sample(), "JPEG", exif=turned_exif(5), quality=95)
    found = page.evaluate(
        """async (text) => {
          const source = `
            import { decodePixels } from "${location.origin}/images/decoding.js";
            onmessage = async ({ data }) => {
              const { width, height } = await decodePixels(data, null);
              postMessage([width, height]);
            };
            postMessage("ready");`;
          const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
          const worker = new Worker(url, { type: "module" });
          const answer = () => new Promise((resolve, reject) => {
            worker.onmessage = ({ data }) => resolve(data);
            worker.onerror = (event) => reject(new Error(event.message));
          });
          await answer();
          worker.postMessage(new Blob([bytesOf(text)]));
          const size = await answer();
          worker.terminate();
          return size;
        }""",
        encoded(data),
    )
    assert found == [40, 56]


# Results.


def painted(page: Any, image: Pixels, format: str, quality: int = 92, original: bytes = b"") -> Any:
    """The file that `encode` and `withMetadata` make of (H, W, 4)."""
    return page.evaluate(
        """async ([pixels, width, height, format, quality, original]) => told(async () => {
          const { encode, withMetadata } = await load("images/encoding");
          const data = new Uint8ClampedArray(bytesOf(pixels).buffer);
          const blob = await encode({ width, height, data }, format, quality);
          const whole = await withMetadata(blob, new Blob([bytesOf(original)]));
          return { data: await textOf(whole), type: whole.type, same: whole === blob };
        })""",
        [encoded(image.tobytes()), image.shape[1], image.shape[0], format, quality,
         encoded(original)],
    )  # fmt: skip


def with_opacity(image: Image.Image) -> Pixels:
    """Some pixels transparent, some half, each with a color."""
    alpha = np.linspace(-80, 335, image.height * image.width).clip(0, 255).round()
    return np.dstack([np.asarray(image), alpha.reshape(image.height, -1).astype(np.uint8)])


def opaque(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGBA"))


def opened(found: Any) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(found["data"])))
    image.load()
    return image


@pytest.mark.parametrize("size", [(1, 1), (40, 57), (700, 600)])
def test_a_png_has_every_bit(page: Any, size: tuple[int, int]) -> None:
    for pixels, mode in ((opaque(sample(*size)), "RGB"), (with_opacity(sample(*size)), "RGBA")):
        found = painted(page, pixels, "png")
        image = opened(found)
        assert (image.mode, found["type"]) == (mode, "image/png")
        assert np.array_equal(np.asarray(image.convert("RGBA")), pixels)
        assert image.info["srgb"] == 1
        usual = len(file_of(Image.fromarray(pixels[..., : len(mode)])))
        assert len(base64.b64decode(found["data"])) < 1.2 * usual + 100


def test_jpeg_has_the_quality_and_white_behind_what_is_transparent(page: Any) -> None:
    pixels = with_opacity(sample(64, 96))
    fine, coarse = (painted(page, pixels, "jpeg", quality) for quality in (98, 20))
    assert len(coarse["data"]) < len(fine["data"]) / 3
    image = opened(fine)
    assert (image.format, image.mode) == ("JPEG", "RGB")
    white = Image.new("RGBA", image.size, "white")
    wanted = Image.alpha_composite(white, Image.fromarray(pixels)).convert("RGB")
    assert np.abs(np.asarray(image).astype(int) - np.asarray(wanted)).mean() < 3


def test_webp_keeps_transparency(page: Any) -> None:
    pixels = with_opacity(sample(64, 96))
    found = painted(page, pixels, "webp", 95)
    image = opened(found)
    assert (image.format, image.mode, found["type"]) == ("WEBP", "RGBA", "image/webp")
    assert np.array_equal(np.asarray(image)[..., 3], pixels[..., 3])


def test_what_a_format_cannot_hold_is_refused(page: Any) -> None:
    found = painted(page, opaque(Image.new("RGB", (16_400, 1))), "webp")
    assert found["error"] == "PaintError"
    assert "16400 x 1 pixels as WebP: choose PNG" in found["sentence"]


RESOLUTION = {
    0x011A: (5, struct.pack("<II", 300, 1)),
    0x011B: (5, struct.pack("<II", 150, 1)),
    0x0128: (3, struct.pack("<H", 2)),
}
FORMATS = {"jpg": "jpeg", "png": "png", "webp": "webp"}


@pytest.fixture(scope="module")
def photographs() -> dict[str, bytes]:
    """Photographs on their side with all kinds of EXIF data."""
    exif = exif_data(orientation=6, main=RESOLUTION)
    formats = {"jpg": "JPEG", "png": "PNG", "webp": "WEBP"}
    return {kind: file_of(sample(), format, exif=exif) for kind, format in formats.items()}


@pytest.mark.parametrize("result", FORMATS)
@pytest.mark.parametrize("kind", FORMATS)
def test_results_tell_what_those_of_the_command_tell(
    page: Any,
    photographs: dict[str, bytes],
    tiny_path: Path,
    tmp_path: Path,
    kind: str,
    result: str,
) -> None:
    photograph, by_command = tmp_path / f"in.{kind}", tmp_path / f"command.{result}"
    photograph.write_bytes(photographs[kind])
    sample().save(tmp_path / "style.png")
    words = ["stylize", photograph, tmp_path / "style.png", "-o", by_command, "--model", tiny_path]
    assert CliRunner().invoke(cli, [str(each) for each in words]).exit_code == 0
    by_page = tmp_path / f"page.{result}"
    pixels = opaque(sample().rotate(-90, expand=True))
    found = painted(page, pixels, FORMATS[result], original=photographs[kind])
    by_page.write_bytes(base64.b64decode(found["data"]))
    check_exif(by_page)
    one, two = (parse_exif(exif_of(path)) for path in (by_command, by_page))
    assert (one.order, one.main, one.shot, one.place) == (two.order, two.main, two.shot, {})
    assert (two.whole, two.dpi) == (True, (150, 300))  # turned, as the picture is
    with Image.open(by_command) as a, Image.open(by_page) as b:
        assert dict(a.getexif()) | {0x8769: 0} == dict(b.getexif()) | {0x8769: 0}
        assert dict(a.getexif().get_ifd(0x8769)) == dict(b.getexif().get_ifd(0x8769))
        assert not b.getexif().get_ifd(0x8825)
    read_photo(by_page)


def test_transparent_webp_and_png_get_metadata_too(page: Any, tmp_path: Path) -> None:
    original = file_of(sample(), "JPEG", exif=exif_data(">"))
    pixels = with_opacity(sample())
    for suffix, format in (("webp", "webp"), ("png", "png")):
        path = tmp_path / f"a.{suffix}"
        found = painted(page, pixels, format, original=original)
        path.write_bytes(base64.b64decode(found["data"]))
        assert parse_exif(exif_of(path)).order == ">"
        with Image.open(path) as image:
            assert np.array_equal(np.asarray(image)[..., 3], pixels[..., 3])


def test_damaged_exif_data_fail_no_result(page: Any) -> None:
    """What Python keeps of each is kept, and there is always a picture."""
    whole = exif_data(orientation=6)
    rng = np.random.default_rng(0)
    pixels = opaque(sample(16, 16))
    kept = 0
    for number in range(60):
        exif = bytearray(whole)
        for place in rng.integers(6, len(exif), 1 + number % 8):
            exif[place] = rng.integers(256)
        data = bytes(exif[: rng.integers(12, len(exif))] if number % 3 == 0 else exif)
        photograph = file_of(sample(16, 24), "PNG")
        chunk = b"eXIf" + data[6:]
        crc = zlib.crc32(chunk)
        chunk = struct.pack(">I", len(data) - 6) + chunk + struct.pack(">I", crc)
        photograph = photograph[:33] + chunk + photograph[33:]
        found = painted(page, pixels, "jpeg", original=photograph)
        image = opened(found)
        assert image.size == (16, 16)
        wanted = parse_exif(data).kept(place=False)
        wanted = wanted.turned() if int(parse_exif(data).number(0x0112) or 1) >= 5 else wanted
        got = parse_exif(image.info.get("exif", b""))
        assert (got.main, got.shot, got.place) == (wanted.main, wanted.shot, {}), number
        kept += bool(got.main)
        assert decoded(page, photograph).shape in ((16, 24, 4), (24, 16, 4))
    assert kept > 20


def test_a_result_without_metadata_stays_as_it_is(page: Any) -> None:
    pixels = opaque(sample(16, 16))
    for original in (b"", b"no picture", file_of(sample(16, 16)), file_of(sample(16, 16), "GIF")):
        assert painted(page, pixels, "jpeg", original=original)["same"]


def zipped(page: Any, files: list[tuple[str, bytes]]) -> zipfile.ZipFile:
    data = page.evaluate(
        """async (files) => {
          const { zip } = await load("images/zip");
          const blobs = files.map(([name, text]) => ({ name, blob: new Blob([bytesOf(text)]) }));
          return textOf(await zip(blobs));
        }""",
        [(name, encoded(data)) for name, data in files],
    )
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(data)))


def test_an_archive_holds_the_files_under_their_names(page: Any) -> None:
    files = [
        ("straße-東京.png", bytes(range(256)) * 1000),
        ("boat.jpg", b"one"),
        ("Boat.jpg", b"two"),
        ("boat.jpg", b"three"),
        ("../up.jpg", b""),
        ("no suffix", b"four"),
        ("", b"five"),
    ]
    archive = zipped(page, files)
    assert archive.testzip() is None
    assert archive.namelist() == [
        "straße-東京.png",
        "boat.jpg",
        "Boat-2.jpg",
        "boat-3.jpg",
        ".._up.jpg",
        "no suffix",
        "picture",
    ]
    assert [archive.read(name) for name in archive.namelist()] == [data for _, data in files]
    assert {each.compress_type for each in archive.infolist()} == {zipfile.ZIP_STORED}
    assert zipped(page, []).namelist() == []


def test_an_archive_of_more_than_4_gb_is_refused(page: Any) -> None:
    found = page.evaluate(
        """() => told(async () => {
          const { zip } = await load("images/zip");
          const large = { name: "a.png", blob: { size: 2.2e9 } };
          return zip([large, large]);
        })"""
    )
    assert found["error"] == "PaintError"
    assert "2 pictures of 4.4 GB do not fit in one ZIP file (4 GB)" in found["sentence"]
