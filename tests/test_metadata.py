"""Metadata of photographs in results: the same bytes in every format, or their loss told."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import tracemalloc
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from bad_files import encoded, noise, png_chunk
from PIL import Image

from impasto.images import strips_in, strips_out
from impasto.images.exif import Exif, parse_exif
from impasto.images.metadata import Metadata, fitted
from impasto.images.options import SaveOptions
from impasto.images.photo import read_photo
from impasto.images.sources import open_picture
from impasto.images.windows import PaintedTile
from impasto.images.writing import write_image, write_tiles
from impasto.images.xmp import cleaned_xmp

RESULTS = ("jpg", "png", "webp", "avif", "tif")
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 10: 8}

# Texts as cameras and programs write them: none of them is ASCII.
MAIN: dict[int, tuple[int, bytes]] = {
    0x010E: (2, "Straße in 東京\0".encode()),
    0x013B: (2, "Jörg Müller\0".encode("latin-1")),
    0x8298: (2, "© 2024 Jörg\0© Ann\0".encode()),
    0x9C9B: (1, "Tür\0".encode("utf-16-le")),
}
SHOT: dict[int, tuple[int, bytes]] = {
    0x9286: (7, b"UNICODE\0" + "日本".encode("utf-16-be")),
    0xA433: (2, "Ångström\0".encode()),
    0x829A: (5, struct.pack("<II", 1, 125)),
}
PLACE: dict[int, tuple[int, bytes]] = {1: (2, b"N\0"), 27: (7, b"ASCII\0\0\0" + b"GPS \xfc")}
UNTRUE: dict[int, tuple[int, bytes]] = {
    0x927C: (7, b"private"),
    0xA002: (3, struct.pack("<H", 80)),
    0xA005: (4, bytes(4)),
    0xA500: (5, struct.pack("<II", 22, 10)),
}


def directory(values: dict[int, tuple[int, bytes]], start: int, order: str = "<") -> bytes:
    """A directory of EXIF by the book (TIFF 6.0, section 2)."""
    table, behind = struct.pack(order + "H", len(values)), b""
    end = start + 2 + 12 * len(values) + 4
    for tag, (kind, data) in sorted(values.items()):
        table += struct.pack(order + "HHI", tag, kind, len(data) // SIZES[kind])
        if len(data) > 4:
            table += struct.pack(order + "I", end + len(behind))
            behind += data + bytes(len(data) % 2)
        else:
            table += data.ljust(4, b"\0")
    return table + bytes(4) + behind


def exif_data(
    order: str = "<", orientation: int = 1, **more: dict[int, tuple[int, bytes]]
) -> bytes:
    """EXIF data with texts, exposure, place, maker's blob, thumbnail and orientation."""
    main = MAIN | more.get("main", {})
    if orientation:
        main = main | {0x0112: (3, struct.pack(order + "H", orientation))}
    pointers = {0x8769: (4, bytes(4)), 0x8825: (4, bytes(4))}
    shot_at = 8 + len(directory(main | pointers, 8, order))
    shot = directory(SHOT | UNTRUE, shot_at, order)
    place_at = shot_at + len(shot)
    place = directory(PLACE, place_at, order)
    thumbnail_at = place_at + len(place)
    pointers = {
        0x8769: (4, struct.pack(order + "I", shot_at)),
        0x8825: (4, struct.pack(order + "I", place_at)),
    }
    first = directory(main | pointers, 8, order)
    # The next directory is the thumbnail's; its place stands behind the entries.
    link = 2 + 12 * len(main | pointers)
    first = first[:link] + struct.pack(order + "I", thumbnail_at) + first[link + 4 :]
    mark = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    thumbnail = directory({0x0201: (4, bytes(4))}, thumbnail_at, order) + b"A THUMBNAIL"
    return b"Exif\0\0" + mark + first + shot + place + thumbnail


def values_of(data: bytes, at: int | None = None) -> dict[int, tuple[int, bytes]]:
    """The values of a directory, read by the book: the first one, or that at a place."""
    data = data.removeprefix(b"Exif\0\0")
    order = "<" if data[:2] == b"II" else ">"
    start: int = struct.unpack_from(order + "I", data, 4)[0] if at is None else at
    (count,) = struct.unpack_from(order + "H", data, start)
    found = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, many = struct.unpack_from(order + "HHI", data, place)
        size = many * SIZES[kind]
        where = place + 8 if size <= 4 else struct.unpack_from(order + "I", data, place + 8)[0]
        found[tag] = kind, data[where : where + size]
    return found


def exif_of(path: Path) -> bytes:
    """The EXIF data of a file; of a TIFF, the file itself."""
    if path.suffix == ".tif":
        return path.read_bytes()
    with Image.open(path) as picture:
        found: bytes = picture.info["exif"]
    return found


def check_exif(path: Path, *, place: bool = False) -> None:
    """Every value that is kept has its type and its bytes; nothing else is there."""
    data = exif_of(path)
    main = values_of(data)
    order = "<" if data.removeprefix(b"Exif\0\0")[:2] == b"II" else ">"
    for tag, value in MAIN.items():
        assert main[tag] == value, hex(tag)
    pointer = struct.unpack(order + "I", main[0x8769][1])[0]
    assert values_of(data, pointer) == SHOT
    assert (0x8825 in main) == place
    if place:
        assert values_of(data, struct.unpack(order + "I", main[0x8825][1])[0]) == PLACE
    assert 0x0112 not in main or main[0x0112][1] in (b"\1\0", b"\0\1")
    for gone in (b"private", b"A THUMBNAIL") + (() if place else (b"GPS \xfc",)):
        assert gone not in path.read_bytes()


def tiff_with(data: bytes) -> bytes:
    """A TIFF of grey with the directories of EXIF data as its own."""
    pixels = {256: 20, 257: 20, 258: 8, 259: 1, 262: 1, 277: 1, 278: 20, 279: 400}
    main = {tag: (4, struct.pack("<I", number)) for tag, number in pixels.items()}
    more = {tag: value for tag, value in values_of(data).items() if tag not in (0x8769, 0x8825)}
    both = more | main | {273: (4, bytes(4)), 0x8769: (4, bytes(4)), 0x8825: (4, bytes(4))}
    at = 8 + len(directory(both, 8))
    shot = directory(SHOT | UNTRUE, at)
    place = directory(PLACE, at + len(shot))
    both[0x8769] = 4, struct.pack("<I", at)
    both[0x8825] = 4, struct.pack("<I", at + len(shot))
    both[273] = 4, struct.pack("<I", at + len(shot) + len(place))
    return b"II*\0\x08\0\0\0" + directory(both, 8) + shot + place + bytes(range(200)) * 2


def with_chunks(data: bytes, *chunks: bytes, last: bool = False) -> bytes:
    """A PNG with chunks before its pixels, or behind them."""
    at = data.index(b"IEND" if last else b"IDAT") - 4
    return data[:at] + b"".join(chunks) + data[at:]


def photograph(kind: str) -> bytes:
    """A file of a kind with EXIF data."""
    if kind == "tif":
        return tiff_with(exif_data())
    if kind == "png-late":
        return with_chunks(encoded("PNG"), png_chunk(b"eXIf", exif_data()[6:]), last=True)
    if kind == "png-raw":
        digits = exif_data().hex()
        lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
        text = f"\nexif\n{len(digits) // 2:8}\n{lines}\n".encode()
        body = b"Raw profile type exif\0\0" + zlib.compress(text)
        return with_chunks(encoded("PNG"), png_chunk(b"zTXt", body))
    if kind == "heic":
        heif = pytest.importorskip("pillow_heif")
        stream = io.BytesIO()
        heif.from_pillow(noise()).save(stream, exif=exif_data())
        return stream.getvalue()
    if kind == "png-deep":
        metadata = Metadata(exif_data())
        return strips_out.encode_png(np.zeros((20, 20, 3), np.uint16), metadata=metadata)
    if kind == "avif":  # Pillow's writer would take the orientation out, and spoil the texts
        return encoded("AVIF", exif=exif_data(orientation=0))
    return encoded({"jpg": "JPEG"}.get(kind, kind.upper()), exif=exif_data())


def painted(photo: Any, target: Path, metadata: Metadata) -> None:
    """Write a result as the command does."""
    tiles = iter([PaintedTile(slice(0, 20), slice(0, 20), np.zeros((20, 20, 3), np.float32), None)])
    about: dict[str, Any] = {"height": 20, "width": 20, "alpha": False, "depth": photo.depth}
    if target.suffix not in (".png", ".tif"):
        about["depth"] = 8
    write_tiles(tiles, target, metadata=metadata, save=SaveOptions(), **about)


KINDS = ("jpg", "png", "png-late", "png-raw", "png-deep", "webp", "avif", "tif", "heic")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", [False, True])
def test_exif_is_the_same_bytes_in_every_format(kind: str, place: bool, tmp_path: Path) -> None:
    data = photograph(kind)
    with open_picture(io.BytesIO(data), keep_gps=place) as picture:
        photo = picture.photo()
        assert photo.metadata == picture.metadata
        assert photo.remark == ""
        for suffix in RESULTS:
            photo.save(photo.image, tmp_path / f"whole.{suffix}")
            painted(picture, tmp_path / f"tiles.{suffix}", picture.metadata)
            check_exif(tmp_path / f"whole.{suffix}", place=place)
            check_exif(tmp_path / f"tiles.{suffix}", place=place)
    write_image(photo.give_back(photo.image), tmp_path / "again.tif")
    check_exif(tmp_path / "again.tif", place=place)


def test_exif_of_the_other_byte_order_keeps_it(tmp_path: Path) -> None:
    data = exif_data(">", main={0x8298: (2, b"\xa9 J\xf6rg\0")})
    photo = read_photo(io.BytesIO(encoded("JPEG", exif=data)))
    for suffix in RESULTS:
        photo.save(photo.image, tmp_path / f"result.{suffix}")
        found = exif_of(tmp_path / f"result.{suffix}")
        assert found.removeprefix(b"Exif\0\0")[:2] == b"MM"
        assert values_of(found)[0x8298] == (2, b"\xa9 J\xf6rg\0")
    back = read_photo(tmp_path / "result.tif")
    np.testing.assert_array_equal(back.image, photo.image)
    assert tifffile.imread(tmp_path / "result.tif").shape == photo.image.shape


def test_a_large_tiff_has_all_of_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(strips_out, "_LARGEST", 1000)
    photo = read_photo(io.BytesIO(encoded("JPEG", exif=exif_data(), dpi=(240, 240))))
    values = np.random.default_rng(0).integers(0, 65536, (50, 60, 4), np.uint16)
    metadata = Metadata(photo.metadata.exif, xmp=b"<x/>", dpi=(240, 240))
    data = strips_out.encode_tiff(values, metadata=metadata)
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        assert file.is_bigtiff
        np.testing.assert_array_equal(file.asarray(), values)
        tags = file.pages[0].tags
        assert tags[700].value == b"<x/>"
        assert tags[282].value == (240, 1)
    back = read_photo(io.BytesIO(data)).metadata
    assert parse_exif(back.exif).shot == parse_exif(photo.metadata.exif).shot
    assert (back.xmp, back.dpi) == (b"<x/>", (240, 240))


# --- damage ------------------------------------------------------------------------------------


def test_damaged_exif_data_are_kept_as_far_as_they_are_whole() -> None:
    whole = exif_data()
    for end in range(0, len(whole), 7):
        photo = read_photo(io.BytesIO(encoded("JPEG", exif=whole[:end] or b"Exif\0\0")))
        kept = parse_exif(photo.metadata.exif)
        for tag, value in kept.main.items():
            assert (value.type, value.data) == MAIN[tag]
        if 20 < end < 300:
            assert photo.remark == "a damaged part of its EXIF data is left out"


@pytest.mark.parametrize("offset", [8, 0, 5000, 2**32 - 1])
def test_a_directory_within_itself_ends(offset: int) -> None:
    pointer = {0x8769: (4, struct.pack("<I", offset)), 0x8825: (4, struct.pack("<I", offset))}
    data = b"II*\0\x08\0\0\0" + directory(MAIN | pointer, 8)
    exif = parse_exif(data).kept(place=True)
    assert exif.main[0x010E].data == MAIN[0x010E][1]
    assert len(exif.tobytes()) < 1000


def test_values_that_lie_over_each_other_do_not_grow() -> None:
    many = 4000
    body = struct.pack("<H", many)
    for tag in range(many):
        body += struct.pack("<HHII", 0x9000 + tag % 0x6000, 7, 60_000, 0)
    head = struct.pack("<HHHII", 1, 0x8769, 4, 1, 26) + bytes(4)
    data = b"II*\0\x08\0\0\0" + head + body + bytes(60_000)
    tracemalloc.start()
    exif = parse_exif(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10 << 20
    assert not exif.whole


def test_what_is_too_long_for_a_jpeg_is_told(tmp_path: Path) -> None:
    long = {0x9286: (7, bytes(70_000))}
    at = 8 + len(directory({0x8769: (4, bytes(4))}, 8))
    data = directory({0x8769: (4, struct.pack("<I", at))}, 8) + directory(long, at)
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + b" " * 70_000 + b"</x:xmpmeta>"
    source = encoded("WEBP", exif=b"II*\0\x08\0\0\0" + data, xmp=xmp)
    photo = read_photo(io.BytesIO(source))
    photo.save(photo.image, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as result:
        assert not {"exif", "xmp"} & set(result.info)
    exif, packet = fitted(photo.metadata, "JPEG")[1]
    assert exif.startswith("its EXIF data are left out (70,0")
    assert packet == "its XMP is left out (70,048 bytes, JPEG holds at most 65,504)"
    for suffix in ("png", "avif", "tif"):
        photo.save(photo.image, tmp_path / f"a.{suffix}")
        assert read_photo(tmp_path / f"a.{suffix}").metadata.xmp == xmp


# --- resolution --------------------------------------------------------------------------------


@cache
def sources_of_dpi() -> dict[str, tuple[bytes, tuple[float, float]]]:
    """Files of (300, 200) dots an inch, told in every way."""
    inches = {0x011A: 300, 0x011B: 200}
    rational = {tag: (5, struct.pack("<II", 10 * n, 10)) for tag, n in inches.items()}
    exif = exif_data(main=rational | {0x0128: (3, b"\2\0")})
    cm = {tag: (5, struct.pack("<II", round(n / 2.54 * 1000), 1000)) for tag, n in inches.items()}
    metric = exif_data(main=cm | {0x0128: (3, b"\3\0")})
    plain = bytearray(encoded("JPEG"))
    assert plain[6:11] == b"JFIF\0"
    plain[13:18] = struct.pack(">BHH", 2, 118, 79)  # dots a centimeter
    files = {
        "jfif": encoded("JPEG", dpi=(300, 200)),
        "jfif-cm": bytes(plain),
        "jpeg-exif": encoded("JPEG", exif=exif),
        "jpeg-exif-cm": encoded("JPEG", exif=metric),
        "png": encoded("PNG", dpi=(300, 200)),
        "webp": encoded("WEBP", exif=exif),
        "avif": encoded(
            "AVIF", exif=exif_data(orientation=0, main=rational | {0x0128: (3, b"\2\0")})
        ),
        "tiff": encoded("TIFF", dpi=(300, 200)),
        "tiff-cm": encoded("TIFF", resolution_unit="cm", x_resolution=118.11, y_resolution=78.74),
        "bmp": encoded("BMP", dpi=(300, 200)),
    }
    return {name: (data, (300, 200)) for name, data in files.items()}


@pytest.mark.parametrize("name", sources_of_dpi())
def test_the_resolution_is_that_of_the_photograph(name: str, tmp_path: Path) -> None:
    data, wanted = sources_of_dpi()[name]
    photo = read_photo(io.BytesIO(data))
    for suffix in RESULTS:
        path = tmp_path / f"result.{suffix}"
        photo.save(photo.image, path)
        with Image.open(path) as result:
            dpi = result.info.get("dpi")
            if suffix in ("webp", "avif"):  # which have it in their EXIF data alone
                exif = result.getexif()
                inch = {2: 1, 3: 2.54}[exif[0x0128]]
                dpi = exif[0x011A] * inch, exif[0x011B] * inch
        assert [float(each) for each in dpi] == pytest.approx(wanted, abs=1), suffix
        assert read_photo(path).metadata.dpi == pytest.approx(wanted, abs=1)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
def test_the_resolution_turns_with_the_picture(suffix: str, tmp_path: Path) -> None:
    exif = exif_data(orientation=6)
    photo = read_photo(io.BytesIO(encoded("JPEG", exif=exif, dpi=(300, 200))))
    photo.save(photo.image, tmp_path / f"a.{suffix}")
    with Image.open(tmp_path / f"a.{suffix}") as result:
        assert [round(float(each)) for each in result.info["dpi"]] == [200, 300]


def test_a_jpeg_of_more_xmp_than_a_segment_tells_what_it_loses() -> None:
    more = b"http://ns.adobe.com/xmp/extension/\0" + bytes(40) + b"<a/>"
    main = PLAIN.replace(b" rdf:about", b" xmpNote:HasExtendedXMP='0A' rdf:about")
    main = main.replace(b" xmlns:dc", b" xmlns:xmpNote='http://ns.adobe.com/xmp/note/' xmlns:dc")
    segment = b"\xff\xe1" + struct.pack(">H", len(more) + 2) + more
    photo = read_photo(io.BytesIO(encoded("JPEG", xmp=main, extra=segment)))
    assert photo.remark == "the further segments of its XMP are left out"
    assert b"HasExtendedXMP" not in photo.metadata.xmp
    assert b"J\xc3\xb6rg" in photo.metadata.xmp


def test_content_credentials_are_told() -> None:
    told = "its content credentials are valid only for the original and are left out"
    box = b"JP\0\1\0\0\0\1" + struct.pack(">I", 60) + b"jumb" + struct.pack(">I", 30) + b"jumdc2pa"
    segment = b"\xff\xeb" + struct.pack(">H", len(box) + 2) + box
    assert read_photo(io.BytesIO(encoded("JPEG", extra=segment))).remark == told
    data = with_chunks(encoded("PNG"), png_chunk(b"caBX", box))
    assert read_photo(io.BytesIO(data)).remark == told


def test_xmp_of_a_gif() -> None:
    magic = b"\1" + bytes(range(255, -1, -1)) + b"\0"
    block = b"\x21\xff\x0bXMP DataXMP" + PLAIN + magic
    plain = encoded("GIF", noise().quantize(16))
    assert plain.endswith(b";")
    photo = read_photo(io.BytesIO(plain[:-1] + block + b";"))
    assert photo.metadata.xmp == PLAIN
    cut = read_photo(io.BytesIO(plain[:-1] + block[:60]))
    assert cut.metadata.xmp == b""


def test_nothing_is_made_up_where_nothing_is_said(tmp_path: Path) -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        photo = read_photo(io.BytesIO(encoded(format)))
        assert photo.metadata == Metadata()
        photo.save(photo.image, tmp_path / "a.tif", save=SaveOptions(overwrite=True))
        with tifffile.TiffFile(tmp_path / "a.tif") as file:
            assert not {282, 283, 296, 700, 33723, 34377} & set(file.pages[0].tags.keys())
    cameras = exif_data()  # without a resolution, of which Pillow makes 72
    assert read_photo(io.BytesIO(encoded("JPEG", exif=cameras))).metadata.dpi is None


# --- XMP ---------------------------------------------------------------------------------------

HEAD = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n<rdf:Description '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" '
    'xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/" rdf:about=""'
)
RIGHTS = (
    "<dc:rights><rdf:Alt><rdf:li xml:lang='x-default'>© Jörg &amp; 東</rdf:li></rdf:Alt>"
    "</dc:rights><!-- a > comment --><dc:title><![CDATA[<exif:GPSLatitude>]]></dc:title>"
)
TAIL = "</rdf:Description></rdf:RDF></x:xmpmeta>\n<?xpacket end='w'?>"
PLAIN = f"{HEAD} photoshop:Credit='Jo'>{RIGHTS}{TAIL}".encode()

# A place or something untrue as an attribute, as an element, nested or empty: what is cut out.
PLACES = (
    (' exif:GPSLatitude="50,4.5N"', ""),
    ("\n photoshop:City = 'Köln > Deutz'", ""),
    (' Iptc4xmpCore:Location="a"', ""),
    ("", "<exif:GPSLongitude>7</exif:GPSLongitude>"),
    ("", "<photoshop:Country/>"),
    ("", "<Iptc4xmpCore:CountryCode >DE</Iptc4xmpCore:CountryCode >"),
    ("", '<Iptc4xmpCore:LocationCreated a=">"><b><b/></b></Iptc4xmpCore:LocationCreated>'),
)
UNTRUE_XMP = (
    (' tiff:Orientation="6"', ""),
    (' hdrgm:Version="1.0"', ""),
    ("", "<xmp:Thumbnails><rdf:Alt><rdf:li>AAAA</rdf:li></rdf:Alt></xmp:Thumbnails>"),
    ("", "<exif:PixelXDimension>80</exif:PixelXDimension>"),
)


@pytest.mark.parametrize("cut", PLACES + UNTRUE_XMP)
def test_places_and_thumbnails_are_cut_out_of_xmp(cut: tuple[str, str]) -> None:
    attribute, element = cut
    packet = f"{HEAD}{attribute} photoshop:Credit='Jo'>{RIGHTS}{element}{TAIL}".encode()
    assert cleaned_xmp(packet) == PLAIN
    assert cleaned_xmp(packet, place=True) == (packet if cut in PLACES else PLAIN)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "HEIC", "JPEG2000"])
def test_xmp_is_the_same_bytes_in_every_format(format: str, tmp_path: Path) -> None:
    packet = PLAIN.replace(b" rdf:about", b' exif:GPSAltitude="9" rdf:about')
    if format == "PNG":
        body = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(packet)
        source = with_chunks(encoded("PNG"), png_chunk(b"iTXt", body), last=True)
    elif format == "TIFF":
        stream = io.BytesIO()
        tifffile.imwrite(stream, np.zeros((20, 20), np.uint8), extratags=[(700, 1, None, packet)])
        source = stream.getvalue()
    elif format == "HEIC":
        heif = pytest.importorskip("pillow_heif")
        stream = io.BytesIO()
        heif.from_pillow(noise()).save(stream, xmp=packet)
        source = stream.getvalue()
    elif format == "JPEG2000":
        name = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
        box = struct.pack(">I4s", 24 + len(packet), b"uuid") + name + packet
        plain = encoded("JPEG2000")
        at = plain.index(b"jp2c") - 4
        source = plain[:at] + box + plain[at:]
    else:
        source = encoded(format, xmp=packet)
    photo = read_photo(io.BytesIO(source))
    assert (photo.metadata.xmp, photo.remark) == (PLAIN, "")
    for suffix in RESULTS:
        photo.save(photo.image, tmp_path / f"a.{suffix}")
        assert PLAIN in (tmp_path / f"a.{suffix}").read_bytes()
        assert read_photo(tmp_path / f"a.{suffix}").metadata.xmp == PLAIN


@pytest.mark.parametrize(
    "packet",
    [
        PLAIN[:-60],
        b"no XML",
        PLAIN.replace("東".encode(), b"\xff\xfe"),
        b'<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]><a>&c;</a>',
        b"<a>" * 100_000 + b"</a>" * 100_000,
        b"<a>" + b"<b/>" * 1_000_000 + b"</a>",
        b"<a " + b" ".join(b"xmlns:a%d='b'" % i for i in range(2000)) + b"/>",
        b"\0\1\2",
    ],
    ids=range(8),
)
def test_xmp_that_cannot_be_understood_is_left_out_and_told(packet: bytes) -> None:
    photo = read_photo(io.BytesIO(encoded("WEBP", xmp=packet)))
    assert photo.metadata.xmp == b""
    assert photo.remark.startswith("its XMP cannot be parsed and is left out (")
    assert photo.remark.isprintable()


def test_an_orientation_in_xmp_turns_the_picture_once(tmp_path: Path) -> None:
    packet = PLAIN.replace(b" rdf:about", b' tiff:Orientation="6" rdf:about')
    for format in ("JPEG", "WEBP", "PNG"):
        source = encoded(format, xmp=packet)
        if format == "PNG":
            body = b"XML:com.adobe.xmp\0\0\0\0\0" + packet
            source = with_chunks(encoded("PNG"), png_chunk(b"iTXt", body))
        with open_picture(io.BytesIO(source)) as picture:
            assert (picture.height, picture.width) == (80, 60)
            photo = picture.photo()
        photo.save(photo.image, tmp_path / "a.png", save=SaveOptions(overwrite=True))
        assert read_photo(tmp_path / "a.png").image.shape == (80, 60, 3)


# --- texts of PNG, IPTC, comments --------------------------------------------------------------

TEXTS = (
    (b"tEXt", b"Copyright\0\xa9 2024 J\xf6rg"),
    (b"zTXt", b"Description\0\0" + zlib.compress(b"long " * 100)),
    (b"iTXt", b"Title\0\0\0de\0Titel\0" + "Straße in 東京".encode()),
    (b"iTXt", b"Author\0\1\0\0\0" + zlib.compress("Jörg".encode())),
    (b"tEXt", b"Copyright\0a second one"),
)


def chunks_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """Kind and data of all chunks."""
    at, found = 8, []
    while at < len(data):
        (size,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


@pytest.mark.parametrize("last", [False, True])
def test_texts_of_a_png_are_the_same_chunks(last: bool, tmp_path: Path) -> None:
    gone = (
        (b"tEXt", b"GPSLatitude\x0050"),
        (b"tEXt", b"Thumb::URI\0file:///home/jo"),
        (b"tEXt", b"icc:description\0Display P3"),
        (b"zTXt", b"exif:PixelXDimension\0\0" + zlib.compress(b"80")),
    )
    chunks = [png_chunk(*each) for each in (*gone, *TEXTS)]
    for deep in (False, True):
        plain = encoded("PNG")
        if deep:
            plain = strips_out.encode_png(np.zeros((20, 20, 4), np.uint16))
        with open_picture(io.BytesIO(with_chunks(plain, *chunks, last=last))) as picture:
            photo = picture.photo()
            painted(picture, tmp_path / f"tiles-{deep}.png", picture.metadata)
        photo.save(photo.image, tmp_path / f"whole-{deep}.png")
        for way in ("whole", "tiles"):
            found = chunks_of((tmp_path / f"{way}-{deep}.png").read_bytes())
            assert tuple(each for each in found if each[0] in (b"tEXt", b"zTXt", b"iTXt")) == TEXTS
    assert fitted(photo.metadata, "JPEG")[1] == (
        "its PNG texts (Copyright, Description, Title and 2 more) are left out "
        "(not supported by JPEG)",
    )


def bomb(kind: bytes, keyword: bytes, size: int) -> bytes:
    head = {b"zTXt": b"\0\0", b"iTXt": b"\0\1\0\0\0"}[kind]
    return png_chunk(kind, keyword + head + zlib.compress(bytes(size)))


@pytest.mark.parametrize(
    "chunk",
    [
        bomb(b"zTXt", b"Comment", 20 << 20),
        bomb(b"iTXt", b"Comment", 2 << 20),
        bomb(b"iTXt", b"XML:com.adobe.xmp", 20 << 20),
        bomb(b"zTXt", b"Raw profile type exif", 20 << 20),
        png_chunk(b"zTXt", b"Comment\0\0no zlib"),
        png_chunk(b"iTXt", b"Comment\0\0"),
    ],
    ids=range(6),
)
@pytest.mark.parametrize("last", [False, True])
def test_texts_that_unpack_without_end_are_left_out(chunk: bytes, last: bool) -> None:
    data = with_chunks(encoded("PNG"), chunk, png_chunk(*TEXTS[0]), last=last)
    tracemalloc.start()
    photo = read_photo(io.BytesIO(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50 << 20
    assert photo.metadata.texts == (TEXTS[0],)
    assert photo.remark.startswith("one of its texts is left out (")
    np.testing.assert_array_equal(np.rint(photo.image * 255), np.asarray(noise()))


def test_very_many_texts_take_no_time_and_one_remark() -> None:
    chunk = bomb(b"zTXt", b"Comment", 2 << 20) * 300 + png_chunk(b"tEXt", b"a\0b") * 20_000
    photo = read_photo(io.BytesIO(with_chunks(encoded("PNG"), chunk)))
    assert photo.remark == (
        "its texts beyond 16 MiB or 10,000 chunks are left out; "
        "300 of its texts are left out (it unpacks to more than 1,048,576 bytes)"
    )
    assert 9000 < len(photo.metadata.texts) < 10_000
    np.testing.assert_array_equal(np.rint(photo.image * 255), np.asarray(noise()))


def test_a_wrong_checksum_of_a_text_is_no_reason_to_refuse_the_picture() -> None:
    chunk = png_chunk(*TEXTS[0])[:-1] + b"\0"
    photo = read_photo(io.BytesIO(with_chunks(encoded("PNG"), chunk)))
    np.testing.assert_array_equal(np.rint(photo.image * 255), np.asarray(noise()))


def test_texts_do_not_reach_the_strips_of_a_large_png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips_in, "_STRIP_BYTES", 2000)
    data = with_chunks(encoded("PNG", exif=exif_data()), *(png_chunk(*each) for each in TEXTS))
    with open_picture(io.BytesIO(data)) as picture:
        assert picture.streams
        image, _ = picture.window(slice(10, 50), slice(0, 80))
        assert picture.metadata.texts == TEXTS
    np.testing.assert_array_equal(np.rint(image * 255), np.asarray(noise())[10:50])


def iim(*records: tuple[int, bytes]) -> bytes:
    return b"".join(
        b"\x1c\x02" + struct.pack(">BH", number, len(data)) + data for number, data in records
    )


WHOLE_IPTC = iim((5, b"Titel"), (90, b"K\xf6ln"), (116, b"\xa9 Jo"), (101, b"Germany"), (202, b"x"))
KEPT_IPTC = iim((5, b"Titel"), (116, b"\xa9 Jo"))


def photoshop(iptc: bytes) -> bytes:
    blocks = b""
    for number, data in ((0x03ED, bytes(16)), (0x0404, iptc), (0x040A, b"\1"), (0x040C, b"thumb")):
        blocks += b"8BIM" + struct.pack(">H", number) + b"\3abc"
        blocks += struct.pack(">I", len(data)) + data + bytes(len(data) % 2)
    return blocks


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG"])
@pytest.mark.parametrize("place", [False, True])
def test_iptc_is_kept_without_the_place(format: str, place: bool, tmp_path: Path) -> None:
    if format == "JPEG":
        data = b"Photoshop 3.0\0" + photoshop(WHOLE_IPTC)
        source = encoded("JPEG", extra=b"\xff\xed" + struct.pack(">H", len(data) + 2) + data)
    elif format == "TIFF":
        stream = io.BytesIO()
        tags = [(33723, 7, None, WHOLE_IPTC), (34377, 1, None, photoshop(b"another one"))]
        tifffile.imwrite(stream, np.zeros((20, 20), np.uint8), extratags=tags)
        source = stream.getvalue()
    else:
        body = f"\niptc\n{len(WHOLE_IPTC):8}\n{WHOLE_IPTC.hex()}\n".encode()
        chunk = png_chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(body))
        source = with_chunks(encoded("PNG"), chunk)
    wanted = iim((5, b"Titel"), (90, b"K\xf6ln"), (116, b"\xa9 Jo"), (101, b"Germany"))
    wanted = wanted if place else KEPT_IPTC
    photo = read_photo(io.BytesIO(source), keep_gps=place)
    for suffix in ("jpg", "tif", "png"):
        photo.save(photo.image, tmp_path / f"a.{suffix}")
        back = read_photo(tmp_path / f"a.{suffix}", keep_gps=True).metadata
        assert dict(back.resources)[0x0404] == wanted
        assert set(dict(back.resources)) <= {0x0404, 0x040A}
    with Image.open(tmp_path / "a.jpg") as result:
        assert result.info["photoshop"][0x0404] == wanted
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert bytes(file.pages[0].tags[33723].value) == wanted
    assert fitted(photo.metadata, "AVIF")[1] == (
        "its IPTC data are left out (not supported by AVIF)",
    )


def test_a_comment_is_kept_or_told(tmp_path: Path) -> None:
    for format in ("JPEG", "GIF"):
        photo = read_photo(io.BytesIO(encoded(format, comment=b"\xa9 J\xf6rg")))
        photo.save(photo.image, tmp_path / "a.jpg", save=SaveOptions(overwrite=True))
        with Image.open(tmp_path / "a.jpg") as result:
            assert result.info["comment"] == b"\xa9 J\xf6rg"
        photo.save(photo.image, tmp_path / "a.png", save=SaveOptions(overwrite=True))
        assert (b"tEXt", b"Comment\0\xa9 J\xf6rg") in chunks_of((tmp_path / "a.png").read_bytes())


def test_the_line_of_a_result_says_what_is_lost(tiny_path: Path, tmp_path: Path) -> None:
    texts = [png_chunk(*each) for each in TEXTS[:1]]
    (tmp_path / "a.png").write_bytes(with_chunks(encoded("PNG"), *texts))
    (tmp_path / "wave.png").write_bytes(encoded("PNG"))
    command = [
        sys.executable,
        "-m",
        "impasto",
        "stylize",
        str(tmp_path / "a.png"),
        str(tmp_path / "wave.png"),
        "--model",
    ]
    for suffix, wanted in (("jpg", True), ("png", False)):
        target = str(tmp_path / f"out.{suffix}")
        result = subprocess.run(
            [*command, str(tiny_path), "-o", target], capture_output=True, text=True, check=True
        )
        told = "; its PNG texts (Copyright) are left out (not supported by JPEG)" in result.stdout
        assert told == wanted


def test_an_avif_that_is_turned_by_its_boxes_has_its_texts_as_they_were() -> None:
    exif = exif_data(orientation=6, main={0x010E: (2, b"Title\0"), 0x013B: (2, b"Jo\0")})
    data = encoded("AVIF", exif=exif)
    assert data.count(b"Title") == 1
    with open_picture(io.BytesIO(data.replace(b"Title", b"T\xfctle"))) as picture:
        assert (picture.height, picture.width) == (80, 60)
        assert values_of(picture.metadata.exif)[0x010E] == (2, b"T\xfctle\0")


def test_an_empty_value_writes_nothing() -> None:
    assert Exif().tobytes() == b""
    assert parse_exif(b"").whole
