"""XMP without what must not or cannot hold for a result, with all other bytes unchanged.

A packet is not rewritten: a parser finds the elements and attributes to remove, and they are cut
out (XMP: ISO 16684-1).
"""

from __future__ import annotations

import re
from xml.parsers import expat

# The place where a picture was taken, in the names of cameras, drones, phones and IPTC.
_PLACE = re.compile(
    r"gps|latitude|longitude|altitude|geotag|^(lat|long|alt|lat_long)$"
    r"|^(City|State|Country|CountryCode|CountryName|Location|LocationShown|LocationCreated"
    r"|LocationName|LocationId|ProvinceState|Sublocation|WorldRegion)$",
    re.IGNORECASE,
)

# No longer true of a painted picture: its size, turn and samples, its thumbnail, the digests over
# them, and the note that more follows behind the picture or in other segments.
_UNTRUE = frozenset((
    "Orientation", "ImageWidth", "ImageLength", "PixelXDimension", "PixelYDimension",
    "BitsPerSample", "SamplesPerPixel", "Compression", "PhotometricInterpretation",
    "PlanarConfiguration", "YCbCrSubSampling", "YCbCrPositioning", "ColorSpace", "ColorMode",
    "ICCProfile", "Gamma", "CompressedBitsPerPixel", "TransferFunction", "WhitePoint",
    "PrimaryChromaticities", "NativeDigest", "MakerNote", "Thumbnails", "HasExtendedXMP",
))  # fmt: skip
_UNTRUE_SPACES = (
    "http://ns.google.com/photos/",
    "http://ns.adobe.com/hdr-gain-map/",
    "http://ns.apple.com/HDRGainMap/",
    "http://ns.apple.com/pixeldatainfo/",
)

_NAME = rb"[^\s/>=\"']+"
_ATTRIBUTE = re.compile(rb"\s+(%s)\s*=\s*(?:\"[^\"]*\"|'[^']*')" % _NAME)
_START = re.compile(rb"<%s(?:\s+%s\s*=\s*(?:\"[^\"]*\"|'[^']*'))*\s*/?>" % (_NAME, _NAME))
# Limits above what any program writes; packets that exceed them are an attack.
_MOST_DEEP, _MOST_ELEMENTS, _MOST_SPACES = 100, 200_000, 1000


def cleaned_xmp(packet: bytes, *, place: bool = False) -> bytes:
    """Return a packet without thumbnails, outdated elements and the place.

    Args:
        packet: UTF-8, with or without its wrapper.
        place: keep the place.

    Returns:
        The packet itself if there is nothing to remove.

    Raises:
        ValueError: if it is not valid XMP.

    Example:
        >>> cleaned_xmp(b'<a xmlns:e="urn:e" e:GPSLatitude="1" e:Title="t"/>')
        b'<a xmlns:e="urn:e" e:Title="t"/>'
    """
    body = packet.rstrip(b"\0")
    if body.count(b"<") + body.count(b"=") > 2 * _MOST_ELEMENTS:
        raise ValueError("it has too many elements")
    if b"<!DOCTYPE" in body or b"<!ENTITY" in body:
        raise ValueError("it defines entities")
    cuts: list[tuple[int, int]] = []
    open_names: list[dict[str, str]] = [{}]
    dropped_at = 0  # the depth of the element that is being dropped
    dropped_from = elements = 0

    parser = expat.ParserCreate("UTF-8")

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal dropped_at, dropped_from, elements
        elements += 1 + len(attributes)
        if len(open_names) > _MOST_DEEP or elements > _MOST_ELEMENTS:
            raise ValueError("it has too many elements")
        own = {key[6:]: uri for key, uri in attributes.items() if key.startswith("xmlns:")}
        spaces = open_names[-1] | own if own else open_names[-1]
        if len(spaces) > _MOST_SPACES:
            raise ValueError("it has too many namespaces")
        open_names.append(spaces)
        if dropped_at:
            return
        at = parser.CurrentByteIndex
        if _goes(name, spaces, place):
            dropped_at, dropped_from = len(open_names), at
            return
        tag = _START.match(body, at)
        if tag is None:
            raise ValueError("an element cannot be parsed")
        for each in _ATTRIBUTE.finditer(body, at, tag.end()):
            if _goes(each[1].decode(), spaces, place):
                cuts.append(each.span())

    def end(name: str) -> None:
        nonlocal dropped_at
        if len(open_names) == dropped_at:
            tag = _START.match(body, dropped_from)
            if tag is None:
                raise ValueError("an element cannot be parsed")
            empty = tag[0].endswith(b"/>")
            last = tag.end() if empty else body.index(b">", parser.CurrentByteIndex) + 1
            cuts.append((dropped_from, last))
            dropped_at = 0
        open_names.pop()

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(body, True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    kept, done = [], 0
    for first, last in cuts:
        kept.append(body[done:first])
        done = last
    return b"".join((*kept, body[done:])) if cuts else packet


def orientation_of(packet: bytes) -> int:
    """Return the orientation in a packet, 1 for none.

    Example:
        >>> orientation_of(b'<rdf:Description tiff:Orientation="6"/>')
        6
    """
    found = re.search(rb"tiff:Orientation(?:\s*=\s*[\"']|>\s*)([1-8])\b", packet)
    return int(found[1]) if found else 1


def _goes(name: str, spaces: dict[str, str], place: bool) -> bool:
    prefix, _, local = name.rpartition(":")
    if not prefix or prefix in ("xmlns", "xml", "rdf", "x"):
        return False
    if local in _UNTRUE or spaces.get(prefix, "").startswith(_UNTRUE_SPACES):
        return True
    return not place and _PLACE.search(local) is not None
