"""Picture files of every kind that is read, small, and ways to damage them: the same every time."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy as np
from bad_files import png_chunk, raw_file
from PIL import Image, ImageCms

from impasto.images.metadata import Metadata
from impasto.images.strips_out import encode_png, encode_tiff

Rng = np.random.Generator


def seeds() -> dict[str, bytes]:
    """Whole files by name, of at most 96 pixels a side."""
    rng = np.random.default_rng(0)
    ramp = np.indices((40, 56)).sum(axis=0)[..., None] * np.array([2, 1, 2])
    color = Image.fromarray((ramp + rng.integers(0, 20, ramp.shape)).clip(0, 255).astype(np.uint8))
    clear = color.copy()
    clear.putalpha(Image.linear_gradient("L").resize(color.size))
    deep = rng.integers(0, 65536, (24, 32, 4)).astype(np.uint16)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exif = Image.Exif()
    exif.update({0x0112: 6, 0x010F: "Camera", 0x8825: {1: "N", 2: (50.0, 4.0, 59.0)}})
    exif[0x8769] = {0x9003: "2020:02:02 10:00:00", 0x829A: 0.01}
    told: dict[str, Any] = {"exif": exif.tobytes(), "icc_profile": profile}

    def frames() -> dict[
        str, Any
    ]:  # Pillow's writers leave notes on the pictures they have written
        return {"save_all": True, "append_images": [color.rotate(90)]}

    files = {
        "jpeg": _saved(color, "JPEG", **told),
        "jpeg-progressive": _saved(color, "JPEG", progressive=True, quality=70),
        "jpeg-told": _saved(color, "JPEG", **told, xmp=XMP, comment=b"a boat", extra=IPTC),
        "jpeg-cmyk": _saved(color.convert("CMYK"), "JPEG"),
        "jpeg-grey": _saved(color.convert("L"), "JPEG", restart_marker_rows=1),
        "jpeg-mpo": _saved(color, "MPO", **frames()),
        "png": _saved(color, "PNG", **told),
        "png-told": told_png(_saved(color, "PNG"), exif.tobytes()),
        "png-alpha": _saved(clear, "PNG"),
        "png-palette": _saved(color.quantize(40), "PNG", transparency=bytes(range(40))),
        "png-key": _saved(color, "PNG", transparency=(1, 2, 3)),
        "png-bits": _saved(color.convert("1"), "PNG"),
        "png-4-colors": _saved(color.quantize(4), "PNG", bits=2),
        "png-16": encode_png(deep[..., :3], **_told(told)),
        "png-16-grey": encode_png(deep[..., :1]),
        "png-16-grey-alpha": encode_png(deep[..., :2]),
        "png-16-alpha": encode_png(deep),
        "png-interlaced": interlaced(np.asarray(clear)),
        "png-16-interlaced": interlaced(deep[..., :3]),
        "png-film": _saved(color, "PNG", **frames()),
        "webp": _saved(color, "WEBP", **told),
        "webp-told": _saved(clear, "WEBP", **told, xmp=XMP),
        "webp-lossless": _saved(clear, "WEBP", lossless=True),
        "webp-alpha": _saved(clear, "WEBP", quality=60),
        "webp-film": _saved(color, "WEBP", **frames()),
        "avif": _saved(color, "AVIF", exif=told["exif"]),
        "avif-alpha": _saved(clear, "AVIF"),
        "avif-film": _saved(color, "AVIF", **frames()),
        "tiff": _saved(color, "TIFF", **told),
        "tiff-alpha": _saved(clear, "TIFF", compression="tiff_lzw"),
        "tiff-deflate": _saved(color, "TIFF", compression="tiff_adobe_deflate"),
        "tiff-jpeg": _saved(color, "TIFF", compression="jpeg"),
        "tiff-palette": _saved(color.quantize(40), "TIFF"),
        "tiff-fax": _saved(color.convert("1"), "TIFF", compression="group4"),
        "tiff-big": _saved(color, "TIFF", big_tiff=True),
        "tiff-lab": _saved(_lab(color), "TIFF", compression="tiff_lzw"),
        "tiff-cmyk": _saved(color.convert("CMYK"), "TIFF", compression="packbits"),
        "tiff-pages": _saved(color.copy(), "TIFF", **frames()),
        "tiff-preview": raw_file(photometric=1),
        "tiff-raw": raw_file(),
        "tiff-signed": tiff(deep[..., :3].view(np.int16) & 0x7FFF, compression=8, tile=16),
        "tiff-32": tiff(deep[..., :4].astype(np.uint32) << 16, compression=5, predictor=2),
        "tiff-64": tiff((deep[..., :1].astype(np.int64) << 40) | 1 << 62, inverted=True, order=">"),
        "tiff-bytes-signed": tiff((deep[..., :3] >> 9).astype(np.int8)),
        "tiff-complex": tiff(deep[..., :1].astype(np.complex64)),
        "tiff-16": encode_tiff(deep, **_told(told)),
        "tiff-16-lzw": tiff(deep[..., :3], compression=5, predictor=2),
        "tiff-16-tiles": tiff(deep, compression=8, tile=16, order=">"),
        "tiff-16-planes": tiff(deep[..., :3], compression=8, planar=True),
        "tiff-float": tiff((deep[..., :3] / 65535).astype(np.float32), compression=8, predictor=3),
        "tiff-half": tiff((deep[..., :1] / 65535).astype(np.float16), big=True),
        "gif": _saved(color, "GIF"),
        "gif-clear": _saved(color.quantize(9), "GIF", transparency=3, interlace=1),
        "gif-film": _saved(color, "GIF", **frames()),
        "bmp": _saved(color, "BMP"),
        "bmp-palette": _saved(color.quantize(16), "BMP"),
        "jpeg2000": _saved(color, "JPEG2000"),
        "jpeg2000-bare": _saved(color.convert("L"), "JPEG2000", no_jp2=True, num_resolutions=2),
        "jpeg2000-16": _saved(Image.fromarray(deep[..., 0]), "JPEG2000"),
        "jpeg2000-tiles": _saved(clear, "JPEG2000", tile_size=(32, 32), irreversible=True),
        "ppm": _saved(color, "PPM"),
        "ppm-16": b"P6\n32 24\n65535\n" + deep[..., :3].astype(">u2").tobytes(),
        "ppm-text": b"P3\n4 3\n255\n" + b" ".join(b"%d" % i for i in range(36)) + b"\n",
        "pgm": _saved(color.convert("L"), "PPM"),
        "pgm-16": _saved(Image.fromarray(deep[..., 0]), "PPM"),
        "pbm": _saved(color.convert("1"), "PPM"),
    }
    if find_spec("pillow_heif"):
        import pillow_heif

        stream = io.BytesIO()
        pillow_heif.from_pillow(color).save(stream, **told)
        files["heic"] = stream.getvalue()
        several = pillow_heif.from_pillow(clear)
        several.add_from_pillow(color.rotate(90))
        stream = io.BytesIO()
        several.save(stream, primary_index=1)
        files["heic-several"] = stream.getvalue()
    return files


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-'
    b'syntax-ns#"><rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://'
    b"purl.org/dc/elements/1.1/\" exif:GPSLatitude='1' dc:format='a'><exif:GPSLongitude>7"
    b"</exif:GPSLongitude><dc:title>a</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
_RECORDS = b"\x1c\2\5\0\5Title" + b"\x1c\2\x5a\0\x09Frankfurt" + b"\x1c\2\x74\0\5(c) J"
_BLOCK = b"Photoshop 3.0\x008BIM\4\4\0\0" + struct.pack(">I", len(_RECORDS)) + _RECORDS
IPTC = b"\xff\xed" + struct.pack(">H", 2 + len(_BLOCK)) + _BLOCK


def told_png(plain: bytes, exif: bytes) -> bytes:
    """A PNG with chunks of every kind that are not about pixels."""
    chunks = (
        (b"gAMA", struct.pack(">I", 55_000)),
        (b"cHRM", struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)),
        (b"cICP", bytes([9, 16, 0, 1])),
        (b"cLLI", struct.pack(">II", 4_000_000, 1_000_000)),
        (b"pHYs", struct.pack(">IIB", 11811, 11811, 1)),
        (b"eXIf", exif.removeprefix(b"Exif\0\0")),
        (b"tEXt", b"Title\0a boat"),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"a boat " * 9)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP)),
        (b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(b"\niptc\n 10\n" + b"1c0205" * 4)),
    )
    at = plain.index(b"IDAT") - 4
    return plain[:at] + b"".join(png_chunk(*each) for each in chunks) + plain[at:]


def mutant(files: dict[str, bytes], number: int) -> tuple[str, bytes]:
    """One damaged file, of its number always the same."""
    rng = np.random.default_rng(number)
    names = sorted(files)
    name = names[number % len(names)]
    data = bytearray(files[name])
    kinds = [_WAYS[number // len(names) % len(_WAYS)]]
    kinds += [_WAYS[int(i)] for i in rng.integers(0, len(_WAYS), rng.integers(0, 2))]
    for way in kinds:
        data = way(data, rng, files)
    # A PNG that is wrong in its checksums alone would never reach its decoder.
    if name.startswith("png") and rng.random() < 0.7:
        data = _mended(data)
    words = "+".join(way.__name__.strip("_") for way in kinds)
    return f"{number} {name} {words}", bytes(data)


def interlaced(values: np.ndarray) -> bytes:
    """A PNG of uint8 or uint16 whose rows come in seven passes (Adam7)."""
    height, width, channels = values.shape
    deep = values.dtype.itemsize
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8 * deep, kind, 0, 0, 1)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    rows = b""
    for top, left, down, right in [*passes, (1, 0, 2, 1)]:
        for row in values[top::down, left::right]:
            rows += b"\0" + row.astype(f">u{deep}").tobytes() if len(row) else b""
    parts = [png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(rows))]
    return b"\x89PNG\r\n\x1a\n" + b"".join((*parts, png_chunk(b"IEND")))


def tiff(
    values: np.ndarray,
    *,
    compression: int = 1,
    predictor: int = 1,
    tile: int = 0,
    planar: bool = False,
    big: bool = False,
    order: str = "<",
    extra: int = 2,
    inverted: bool = False,
    tags: dict[int, tuple[int, ...]] | None = None,
) -> bytes:
    """A TIFF written by the book (TIFF 6.0 and its technical notes): an oracle for the reader.

    Compressions are 1 (none), 5 (LZW) and 8 (Deflate).
    """
    height, width, channels = values.shape
    size = values.dtype.itemsize
    planes = [values[..., i : i + 1] for i in range(channels)] if planar else [values]
    blocks = []
    for plane in planes:
        if tile:
            wide = [(0, -height % tile), (0, -width % tile), (0, 0)]
            padded = np.pad(plane, wide, mode="edge")
            blocks += [
                padded[y : y + tile, x : x + tile]
                for y in range(0, height, tile)
                for x in range(0, width, tile)
            ]
        else:
            blocks += [plane[y : y + 7] for y in range(0, height, 7)]
    packed = []
    for block in blocks:
        rows = len(block)
        if predictor == 2:
            words = (
                block.astype(f"=u{size}") if block.dtype.kind == "u" else block.view(f"=u{size}")
            )
            words = np.diff(words, axis=1, prepend=np.zeros_like(words[:, :1]))
            data = words.astype(f"{order}u{size}").tobytes()
        elif predictor == 3:
            most = block.astype(f">{block.dtype.str[1:]}").reshape(rows, -1)
            split = most.view(np.uint8).reshape(rows, -1, size).swapaxes(1, 2)
            split = np.ascontiguousarray(split).reshape(rows, -1, block.shape[2])
            data = np.diff(split, axis=1, prepend=np.zeros_like(split[:, :1])).tobytes()
        else:
            data = block.astype(f"{order}{block.dtype.str[1:]}").tobytes()
        packed.append({1: bytes, 5: lzw, 8: zlib.compress}[compression](data))
    table: dict[int, tuple[int, tuple[int, ...]]] = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (8 * size,) * channels),
        259: (3, (compression,)),
        262: (3, (2 if channels > 2 else 0 if inverted else 1,)),
        277: (3, (channels,)),
        284: (3, (2 if planar else 1,)),
        317: (3, (predictor,)),
        339: (3, ({"u": 1, "i": 2, "f": 3, "c": 6}[values.dtype.kind],) * channels),
    }
    if channels in (2, 4):
        table[338] = (3, (extra,))
    if tile:
        table |= {322: (4, (tile,)), 323: (4, (tile,))}
    else:
        table[278] = (4, (7,))
    table |= {tag: (4, each) for tag, each in (tags or {}).items()}
    places, body = [], b""
    start = 16 if big else 8
    for data in packed:
        places.append(start + len(body))
        body += data + bytes(len(data) % 2)
    table[324 if tile else 273] = (4, tuple(places))
    table[325 if tile else 279] = (4, tuple(map(len, packed)))
    return _tiff_file(table, body, big=big, order=order)


def lzw(data: bytes) -> bytes:
    """LZW as TIFF has it: codes of growing width, the most significant bit first."""
    bits, held, table, word = 0, 0, {bytes([i]): i for i in range(256)}, b""
    out = bytearray()

    def put(code: int, width: int) -> None:
        nonlocal bits, held
        held, bits = (held << width) | code, bits + width
        while bits >= 8:
            bits -= 8
            out.append((held >> bits) & 255)
            held &= (1 << bits) - 1

    width = 9
    put(256, width)
    for value in data:
        longer = word + bytes([value])
        if longer in table:
            word = longer
            continue
        put(table[word], width)
        table[longer] = len(table) + 2
        width = max(9, (len(table) + 2).bit_length())
        if len(table) + 2 >= 4094:
            put(256, width)
            table, width = {bytes([i]): i for i in range(256)}, 9
        word = bytes([value])
    if word:
        put(table[word], width)
        width = max(9, (len(table) + 3).bit_length())
    put(257, width)
    put(0, -bits % 8)
    return bytes(out)


def _tiff_file(
    table: dict[int, tuple[int, tuple[int, ...]]], body: bytes, *, big: bool, order: str
) -> bytes:
    word = "Q" if big else "I"
    mark = b"II" if order == "<" else b"MM"
    start = 16 if big else 8
    place = start + len(body)
    count = struct.pack(order + ("Q" if big else "H"), len(table))
    room = 8 if big else 4
    later = place + len(count) + len(table) * (20 if big else 12) + room
    entries, tail = b"", b""
    for tag, (kind, numbers) in sorted(table.items()):
        value = struct.pack(f"{order}{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        if len(value) > room:
            at = later + len(tail)
            tail += value + bytes(len(value) % 2)
            value = struct.pack(order + word, at)
        entries += struct.pack(f"{order}HH{word}", tag, kind, len(numbers)) + value.ljust(
            room, b"\0"
        )
    head = (
        mark + struct.pack(order + "HHHQ", 43, 8, 0, place)
        if big
        else mark + struct.pack(order + "HI", 42, place)
    )
    return head + body + count + entries + bytes(room) + tail


def _told(options: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": Metadata(options["exif"]), "profile": options["icc_profile"]}


def _lab(picture: Image.Image) -> Image.Image:
    srgb, lab = (ImageCms.createProfile(space) for space in ("sRGB", "LAB"))
    changed = ImageCms.profileToProfile(picture, srgb, lab, outputMode="LAB")
    changed.info.clear()
    return changed


def _saved(picture: Image.Image, format: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def _flipped(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    for at in rng.integers(0, max(1, len(data)), rng.integers(1, 12)):
        if len(data):
            data[at] ^= 1 << int(rng.integers(0, 8))
    return data


def _cut(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    return data[: int(rng.integers(0, len(data) + 1))]


def _header(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    for at in rng.integers(0, max(1, min(len(data), 96)), rng.integers(1, 5)):
        if len(data):
            data[at] = int(rng.choice([0, 1, 127, 128, 255, int(rng.integers(0, 256))]))
    return data


def _enormous(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    """A large number over two, four or eight bytes: where sizes, counts and places are."""
    size = int(rng.choice([2, 4, 8]))
    if len(data) > size:
        at = int(rng.integers(0, min(len(data), 400) - size if len(data) > 2 * size else 1))
        number = int(rng.choice([255, 999, 30_000, 65_535, 1 << 20, 1 << 27, 2**31 - 1, 2**32 - 1]))
        order = "big" if rng.random() < 0.5 else "little"
        data[at : at + size] = (number % 256**size).to_bytes(size, order)
    return data


def _spliced(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    """A part of another file, or of this one, in the place of a part of this one."""
    names = sorted(files)
    other = files[names[int(rng.integers(0, len(names)))]] if rng.random() < 0.6 else bytes(data)
    if not data or not other:
        return data
    start, source = int(rng.integers(0, len(data))), int(rng.integers(0, len(other)))
    gone, put = (int(each) for each in rng.integers(0, 120, 2))
    return data[:start] + other[source : source + put] + data[start + gone :]


def _flat(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    """A run of equal bytes, as a bad block of a disk leaves it."""
    if data:
        at, size = int(rng.integers(0, len(data))), int(rng.integers(1, 200))
        data[at : at + size] = bytes([int(rng.choice([0, 255]))]) * len(data[at : at + size])
    return data


def _moved(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    """Two parts in each other's place, or all of it twice."""
    if len(data) < 8:
        return data
    one, two, three = sorted(int(each) for each in rng.integers(0, len(data), 3))
    if rng.random() < 0.2:
        return data + data
    return data[:one] + data[two:three] + data[one:two] + data[three:]


def _told_wrong(data: bytearray, rng: Rng, files: dict[str, bytes]) -> bytearray:
    """A number of a header that says something else: a tag of a TIFF, else any small number."""
    if data[:2] in (b"II", b"MM") and len(data) > 16:
        order = "<" if data[:2] == b"II" else ">"
        big = 43 in data[2:4]
        (place,) = struct.unpack_from(order + "IQ"[big], data, 8 if big else 4)
        size, start = (20, place + 8) if big else (12, place + 2)
        count = (len(data) - start) // size if start < len(data) else 0
        if count > 0:
            entry = start + size * int(rng.integers(0, min(count, 24)))
            at = entry + int(rng.choice([0, 2, 4, size - (8 if big else 4)]))
            value = int(rng.choice([0, 1, 2, 3, 5, 8, 16, 254, 259, 262, 273, 330, 32803, 65535]))
            wide = "H" if at < entry + 4 or rng.random() < 0.5 else "I"
            if at + 4 <= len(data):
                struct.pack_into(order + wide, data, at, value)
            return data
    return _header(data, rng, files)


def _mended(data: bytearray) -> bytearray:
    """A PNG with the right checksum behind every part of it."""
    at = 8
    while at + 12 <= len(data):
        (size,) = struct.unpack_from(">I", data, at)
        end = at + 8 + size
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4
    return data


_WAYS: tuple[Callable[[bytearray, Rng, dict[str, bytes]], bytearray], ...] = (
    _flipped,
    _cut,
    _header,
    _enormous,
    _spliced,
    _flat,
    _moved,
    _told_wrong,
)
