"""Metadata of picture files: read, cleaned, and fitted to another format.

Texts and dates (EXIF, XMP, IPTC, the text chunks of PNG, comments) and the print resolution are
kept. The place is dropped unless requested; thumbnails are dropped, and whatever is no longer true.
Losses are reported in words: ``Metadata.lost`` for what was damaged in the photograph,
:func:`fitted` for what a format does not hold.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, NamedTuple

from PIL import Image, PngImagePlugin

from impasto.images.exif import ORIENTATION, PREFIX, Exif, numbers_of, parse_exif, read_exif
from impasto.images.png import MORE
from impasto.images.xmp import cleaned_xmp, orientation_of

# Tags of a TIFF for what other formats hold elsewhere.
_TIFF_XMP, _TIFF_IPTC, _TIFF_PHOTOSHOP = 700, 33723, 34377

# Photoshop's resources that are kept: IPTC, the copyright flag, and the copyright address.
_IPTC = 0x0404
_RESOURCES_KEPT = (_IPTC, 0x040A, 0x040B)
# Of IPTC (IIM 4.2): the places of record 2, and its preview.
_IPTC_PLACE = frozenset((26, 27, 90, 92, 95, 100, 101))
_IPTC_PREVIEW = frozenset((200, 201, 202))

_XMP_SEGMENT = b"http://ns.adobe.com/xap/1.0/\0"
XMP_KEYWORD = b"XML:com.adobe.xmp"
# Texts in which programs pass on other metadata, as hexadecimal digits.
_RAW_PROFILE = b"Raw profile type "
# Texts that are the place, or no longer true: those of ImageMagick and thumbnailers.
_TEXTS_OF_PLACE = re.compile(rb"gps|latitude|longitude|altitude|location", re.IGNORECASE)
_TEXTS_UNTRUE = re.compile(
    rb"^(thumb::|icc:|(exif|tiff):.*(orientation|width|length|dimension|colorspace|thumbnail))",
    re.IGNORECASE,
)
# Limits on what is unpacked of one text, of XMP, and of all texts of a picture together.
_MOST_TEXT, _MOST_XMP, _MOST_TEXTS = 1 << 20, 16 << 20, 64 << 20

# For C2PA, which is signed over the bytes of the file.
_CREDENTIALS = "its content credentials are valid only for the original and are left out"

# Turns that swap rows and columns.
_ACROSS = (5, 6, 7, 8)


class Text(NamedTuple):
    """A text chunk of a PNG: its kind, and its data as stored in the file."""

    kind: bytes
    data: bytes

    @property
    def keyword(self) -> bytes:
        """The first word of the chunk, in Latin-1."""
        return self.data.partition(b"\0")[0]


@dataclass(frozen=True)
class Metadata:
    """All that a result carries over from its photograph, in the original bytes.

    Attributes:
        exif: EXIF data with their prefix.
        xmp: a packet of XMP.
        resources: numbers and data of Photoshop's resources: IPTC and the marks of copyright.
        texts: text chunks of PNG.
        comment: of JPEG and GIF.
        dpi: dots per inch across and down, or None where the file has none.
        lost: what was damaged in the photograph and is left out, each as a clause.
    """

    exif: bytes = b""
    xmp: bytes = b""
    resources: tuple[tuple[int, bytes], ...] = ()
    texts: tuple[Text, ...] = ()
    comment: bytes = b""
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = ()

    def turned(self, orientation: int) -> Metadata:
        """Return the same for a picture that is turned upright from an EXIF orientation."""
        if orientation not in _ACROSS:
            return self
        exif = parse_exif(self.exif).turned().tobytes() if self.exif else b""
        return replace(self, exif=exif, dpi=self.dpi and self.dpi[::-1])

    def stored(self, orientation: int) -> Metadata:
        """Return the same for pixels in the photograph's stored orientation, for viewers to turn.

        Example:
            >>> parse_exif(Metadata().stored(6).exif).number(ORIENTATION)
            6.0
        """
        about = self.turned(orientation)
        exif = parse_exif(about.exif)
        main = {**exif.main, ORIENTATION: numbers_of(3, [orientation], exif.order)}
        return replace(about, exif=replace(exif, main=main).tobytes())


@dataclass(frozen=True)
class Holds:
    """Most bytes of each kind of metadata that a format can hold; 0 for none."""

    exif: int = 1 << 30
    xmp: int = 1 << 30
    resources: int = 0
    texts: int = 0
    comment: int = 0


# A segment of a JPEG has 65,533 bytes, including its name. A resource of Photoshop has at most 28
# bytes of overhead.
_HOLDS = {
    "JPEG": Holds(65_533, 65_504, 65_519, 0, 65_533),
    "PNG": Holds(resources=1 << 30, texts=1 << 30, comment=1 << 30),
    "WEBP": Holds(),
    "AVIF": Holds(),
    "TIFF": Holds(resources=1 << 30),
}
_WORDS = {"exif": "EXIF data", "xmp": "XMP", "resources": "IPTC data", "comment": "comment"}


def fitted(metadata: Metadata, format: str) -> tuple[Metadata, tuple[str, ...]]:
    """Return the part of metadata that a format holds, and what is left out, in words.

    Args:
        metadata: of a photograph.
        format: that is written, by Pillow's name.

    Example:
        >>> fitted(Metadata(comment=b"a boat"), "WEBP")[1]
        ('its comment is left out (not supported by WEBP)',)
    """
    holds, lost = _HOLDS[format], []
    changes: dict[str, Any] = {}
    for name, words in _WORDS.items():
        value: Any = getattr(metadata, name)
        size = len(resource_blocks(value)) if name == "resources" else len(value)
        most: int = getattr(holds, name)
        if size > most:
            changes[name] = () if name == "resources" else b""
            why = (
                f"{size:,} bytes, {format} holds at most {most:,}"
                if most
                else f"not supported by {format}"
            )
            lost.append(f"its {words} {'are' if words.endswith('data') else 'is'} left out ({why})")
    if metadata.texts and not holds.texts:
        changes["texts"] = ()
        names = [each.keyword.decode("latin-1") for each in metadata.texts]
        shown = ", ".join(name if name.isprintable() else ascii(name) for name in names[:3])
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        lost.append(f"its PNG texts ({shown}{more}) are left out (not supported by {format})")
    return replace(metadata, **changes), tuple(lost)


def metadata_of_png(
    chunks: Iterable[tuple[bytes, bytes]], *, place: bool = False
) -> tuple[int, Metadata]:
    """Return the orientation and the metadata of a PNG.

    Args:
        chunks: kind and data of the chunks without pixels.
        place: keep the place.
    """
    exif, xmp, resources = b"", b"", b""
    texts: list[Text] = []
    dpi, lost, room = None, [], _MOST_TEXTS
    broken: list[str] = []
    for kind, data in chunks:
        if kind == b"eXIf" and not exif:
            exif = data
        elif kind == b"pHYs" and len(data) == 9 and data[8] == 1:
            x, y = struct.unpack_from(">II", data)
            dpi = _plausible((x * 0.0254, y * 0.0254))
        elif kind == b"caBX":
            lost.append(_CREDENTIALS)
        elif kind == MORE:
            lost.append("its texts beyond 16 MiB or 10,000 chunks are left out")
        if kind not in (b"tEXt", b"zTXt", b"iTXt"):
            continue
        text = Text(kind, data)
        key = text.keyword
        most = _MOST_XMP if key == XMP_KEYWORD else _MOST_TEXT
        try:
            body = _unpacked(text, min(most, room))
        except (ValueError, zlib.error) as error:
            broken.append(str(error))
            room -= most  # which may have been used in unpacking
            continue
        room -= len(body)
        raw = key.removeprefix(_RAW_PROFILE) if key.startswith(_RAW_PROFILE) else b""
        if key == XMP_KEYWORD:
            xmp = xmp or body
        elif raw in (b"exif", b"APP1"):  # the latter is the segment of a JPEG, of either kind
            data = _raw_profile(body)
            if data.startswith((PREFIX, b"II*", b"MM\0")):
                exif = exif or data
            elif data.startswith(_XMP_SEGMENT):
                xmp = xmp or data[len(_XMP_SEGMENT) :]
        elif raw in (b"iptc", b"8bim"):
            resources = resources or _raw_profile(body)
        elif raw == b"xmp":
            xmp = xmp or _raw_profile(body)
        elif not (raw or _TEXTS_UNTRUE.search(key)) and (place or not _TEXTS_OF_PLACE.search(key)):
            texts.append(text)
    if broken:
        many = "one of its texts is" if len(broken) == 1 else f"{len(broken)} of its texts are"
        lost.append(f"{many} left out ({broken[0]})")
    blocks = _resources(resources) or ({_IPTC: resources} if resources[:1] == b"\x1c" else {})
    found = Metadata(exif, xmp, tuple(blocks.items()), tuple(texts), b"", dpi, tuple(lost))
    return _cleaned(found, parse_exif(exif), place)


def metadata_of_tiff(file: BinaryIO, *, place: bool = False) -> tuple[int, Metadata]:
    """Return the orientation and the metadata of a TIFF.

    Args:
        file: the TIFF, whose pixels are not read.
        place: keep the place.
    """
    exif = read_exif(file, also=(_TIFF_XMP, _TIFF_IPTC, _TIFF_PHOTOSHOP))
    xmp, iptc, blocks = (
        value.data if (value := exif.main.get(tag)) else b""
        for tag in (_TIFF_XMP, _TIFF_IPTC, _TIFF_PHOTOSHOP)
    )
    resources = _resources(blocks)
    if iptc:
        resources[_IPTC] = iptc
    return _cleaned(Metadata(b"", xmp, tuple(resources.items())), exif, place)


def metadata_of_picture(
    picture: Image.Image, *, exif: bytes = b"", xmp: bytes = b"", place: bool = False
) -> tuple[int, Metadata]:
    """Return the orientation and the metadata that Pillow has of a picture.

    Args:
        picture: not necessarily decoded.
        exif: its EXIF data as stored in the file, where Pillow re-encodes them.
        xmp: the same for XMP, where Pillow does not give it.
        place: keep the place.
    """
    found = given_metadata(picture)
    found = replace(found, xmp=found.xmp or xmp)
    orientation, metadata = _cleaned(found, parse_exif(found.exif), place)
    if exif:
        told = parse_exif(exif).kept(place=place)
        told = told.turned() if orientation in _ACROSS else told
        metadata = replace(metadata, exif=told.tobytes(), dpi=metadata.dpi or told.dpi)
    return orientation, metadata


def xmp_of_gif(file: BinaryIO) -> bytes:
    """Return the packet of XMP of a GIF, b"" for none.

    It is stored as it is, not in blocks, and ends with a trailer of falling numbers (XMP, part 3,
    1.1.2).

    Args:
        file: the GIF.
    """
    file.seek(0)
    _, _, rest = file.read(_MOST_XMP).partition(b"\x21\xff\x0bXMP DataXMP")
    packet, trailer, _ = rest.partition(b"\x01\xff\xfe\xfd\xfc")
    return packet if trailer else b""


def given_metadata(picture: Image.Image) -> Metadata:
    """Return all metadata that Pillow has of a picture, unchanged."""
    info: Mapping[Any, Any] = picture.info
    exif, xmp, comment = (_bytes(info.get(name)) for name in ("exif", "xmp", "comment"))
    if not exif and picture.format == "TIFF":  # which has it among the tags of its pixels
        try:
            exif = picture.getexif().tobytes()
        except Exception:  # as for broken EXIF data
            exif = b""
    resources = info.get("photoshop")
    blocks: dict[int, bytes] = {}
    if isinstance(resources, dict):
        blocks = {key: data for key, data in resources.items() if isinstance(data, bytes)}
    dpi = info.get("dpi")
    of_jpeg = "jfif" in info or picture.format in ("JPEG", "MPO")
    if of_jpeg and info.get("jfif_unit") not in (1, 2):
        dpi = None  # the resolution of the EXIF data, or Pillow's guess
    lost: tuple[str, ...] = ()
    segments = getattr(picture, "applist", ())
    if any(b"/xmp/extension/" in data[:40] for _, data in segments):
        lost += ("the further segments of its XMP are left out",)
    if any(name == "APP11" and b"c2pa" in data[:200] for name, data in segments):
        lost += (_CREDENTIALS,)
    texts = tuple(
        Text(b"iTXt", _itxt(key, text))
        for key, text in getattr(picture, "text", {}).items()
        if key.encode("latin-1", "replace") != XMP_KEYWORD
    )
    return Metadata(exif, xmp, tuple(blocks.items()), texts, comment, _plausible(dpi), lost)


def pillow_info(metadata: Metadata) -> dict[str, Any]:
    """Return metadata under Pillow's names in ``info``, where it has one for them."""
    facts = {
        "exif": metadata.exif,
        "xmp": metadata.xmp,
        "comment": metadata.comment,
        "photoshop": dict(metadata.resources),
        "dpi": metadata.dpi,
    }
    return {name: value for name, value in facts.items() if value}


def png_chunks(metadata: Metadata) -> list[tuple[bytes, bytes]]:
    """Return the chunks of a PNG that hold metadata, to be written before its pixels."""
    chunks: list[tuple[bytes, bytes]] = []
    if metadata.dpi:
        x, y = (round(each / 0.0254) for each in metadata.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", x, y, 1)))
    if metadata.exif:
        chunks.append((b"eXIf", metadata.exif.removeprefix(PREFIX)))
    if metadata.xmp:
        chunks.append((b"iTXt", XMP_KEYWORD + bytes(5) + metadata.xmp))
    if metadata.resources:
        data = resource_blocks(metadata.resources)
        lines = "\n".join(data.hex()[at : at + 72] for at in range(0, 2 * len(data), 72))
        packed = zlib.compress(f"\niptc\n{len(data):8}\n{lines}\n".encode())
        chunks.append((b"zTXt", _RAW_PROFILE + b"iptc\0\0" + packed))
    chunks += metadata.texts
    if metadata.comment:
        chunks.append((b"tEXt", b"Comment\0" + metadata.comment.replace(b"\0", b"")))
    return chunks


def pillow_options(metadata: Metadata, format: str) -> dict[str, Any]:
    """Return the options of Pillow's writer for a format, with the metadata that the format holds.

    Example:
        >>> pillow_options(Metadata(dpi=(300, 300)), "JPEG")
        {'dpi': (300, 300)}
    """
    if format == "PNG":
        told = PngImagePlugin.PngInfo()
        for kind, data in png_chunks(replace(metadata, dpi=None, exif=b"")):
            told.add(kind, data)
        options = {"exif": metadata.exif, "dpi": metadata.dpi, "pnginfo": told}
        return {name: value for name, value in options.items() if value}
    exif = metadata.exif
    options = {"xmp": metadata.xmp}
    if format == "JPEG":
        options |= {"comment": metadata.comment, "dpi": metadata.dpi}
        if metadata.resources:
            data = b"Photoshop 3.0\0" + resource_blocks(metadata.resources)
            options["extra"] = b"\xff\xed" + struct.pack(">H", len(data) + 2) + data
    elif metadata.dpi:
        exif = parse_exif(exif).with_resolution(metadata.dpi).tobytes()
    options["exif"] = exif
    return {name: value for name, value in options.items() if value}


def tiff_exif(metadata: Metadata, order: str) -> Exif:
    """Return the directories of a TIFF that hold metadata.

    Args:
        metadata: of the photograph.
        order: byte order of a file without EXIF data, "<" or ">"; EXIF data keep theirs.
    """
    exif = parse_exif(metadata.exif) if metadata.exif else Exif(order)
    exif = exif.with_resolution(metadata.dpi)
    resources = dict(metadata.resources)
    iptc = resources.pop(_IPTC, b"")
    blocks = resource_blocks(tuple(resources.items()))
    inner = ((_TIFF_XMP, metadata.xmp), (_TIFF_IPTC, iptc), (_TIFF_PHOTOSHOP, blocks))
    more = {tag: numbers_of(1, data, exif.order) for tag, data in inner if data}
    return replace(exif, main=exif.main | more)


def resource_blocks(resources: tuple[tuple[int, bytes], ...]) -> bytes:
    """Return Photoshop's resources in their stored form."""
    return b"".join(
        b"8BIM" + struct.pack(">HHI", number, 0, len(data)) + data + bytes(len(data) % 2)
        for number, data in resources
    )


def _cleaned(found: Metadata, exif: Exif, place: bool) -> tuple[int, Metadata]:
    """Return the orientation of the pixels, and the metadata that a result may carry."""
    lost = list(found.lost)
    if not exif.whole:
        lost.append("a damaged part of its EXIF data is left out")
    orientation = int(exif.number(ORIENTATION) or orientation_of(found.xmp))
    kept = exif.kept(place=place)
    xmp = b""
    if found.xmp:
        try:
            if len(found.xmp) > _MOST_XMP:
                raise ValueError(f"{len(found.xmp):,} bytes")
            xmp = cleaned_xmp(found.xmp, place=place)
        except ValueError as error:
            lost.append(f"its XMP cannot be parsed and is left out ({error})")
    resources = []
    for number, data in found.resources:
        if number == _IPTC:
            data = _cleaned_iptc(data, place)
        if data and number in _RESOURCES_KEPT:
            resources.append((number, data))
    dpi = found.dpi or _plausible(kept.dpi)
    clean = replace(
        found, exif=kept.tobytes(), xmp=xmp, resources=tuple(resources), dpi=dpi, lost=tuple(lost)
    )
    return orientation, clean.turned(orientation)


def _cleaned_iptc(data: bytes, place: bool) -> bytes:
    """Return records of IPTC without places and previews, as far as they are intact."""
    dropped = _IPTC_PREVIEW if place else _IPTC_PREVIEW | _IPTC_PLACE
    kept, at = [], 0
    while at + 5 <= len(data) and data[at] == 0x1C:
        record, number, size = struct.unpack_from(">BBH", data, at + 1)
        first, at = at, at + 5
        if size & 0x8000:  # the size of a large record follows, in this many bytes
            wide = size & 0x7FFF
            size = int.from_bytes(data[at : at + wide], "big") if wide <= 4 else len(data)
            at += wide
        at += size
        if at > len(data):
            break
        if record != 2 or number not in dropped:
            kept.append(data[first:at])
    return b"".join(kept)


def _resources(data: bytes) -> dict[int, bytes]:
    """Return Photoshop's resources of a block, as far as they are intact."""
    found: dict[int, bytes] = {}
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        number, name = struct.unpack_from(">HB", data, at + 4)
        at += 7 + name + (name + 1) % 2
        if at + 4 > len(data):
            break
        (size,) = struct.unpack_from(">I", data, at)
        if at + 4 + size > len(data):
            break
        found.setdefault(number, data[at + 4 : at + 4 + size])
        at += 4 + size + size % 2
    return found


def _unpacked(text: Text, most: int) -> bytes:
    """Return the body of a text chunk.

    Raises:
        ValueError: if it unpacks to more than ``most`` bytes, or is no text.
        zlib.error: if it is damaged.
    """
    _, _, body = text.data.partition(b"\0")
    packed = text.kind == b"zTXt"
    if packed:
        body = body[1:]
    elif text.kind == b"iTXt":
        packed = body[:1] == b"\1"
        parts = body[2:].split(b"\0", 2)
        if len(parts) < 3:
            raise ValueError("it is truncated")
        body = parts[2]
    if packed:
        body = zlib.decompressobj().decompress(body, max(most, 0) + 1)
        if len(body) > most:
            raise ValueError(f"it unpacks to more than {most:,} bytes")
    return body


def _raw_profile(body: bytes) -> bytes:
    """Return the data of a text of ImageMagick's: a line with a name, one with a size, digits."""
    parts = body.split(maxsplit=2)
    try:
        return bytes.fromhex(parts[2].decode("ascii"))
    except (IndexError, ValueError):
        return b""


def _itxt(keyword: str, text: Any) -> bytes:
    """Return an iTXt chunk of a text that Pillow has decoded."""
    language, translated = getattr(text, "lang", "") or "", getattr(text, "tkey", "") or ""
    fields = (language.encode(), translated.encode(), str(text).encode("utf-8", "replace"))
    return keyword.encode("latin-1", "replace") + bytes(3) + b"\0".join(fields)


def _bytes(value: object) -> bytes:
    if isinstance(value, Image.Exif):
        return value.tobytes()
    return value.encode() if isinstance(value, str) else value if isinstance(value, bytes) else b""


def _plausible(dpi: Any) -> tuple[float, float] | None:
    """Return a resolution that formats can hold, or None."""
    try:
        x, y = (float(each) for each in dpi)
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return (x, y) if 0.5 <= min(x, y) and max(x, y) <= 65535 else None
