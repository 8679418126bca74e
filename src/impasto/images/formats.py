"""Files of pictures -> pixels as stored: the supported formats, opened safely.

It also defines once, for all readers of folders (batches, styles, training), the file names that
count as pictures.

``impasto.images.pixels`` interprets the pixels. Pillow is imported only when a picture is opened,
since shells complete file names by the suffixes in this table.
"""

from __future__ import annotations

import importlib
import re
import stat
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, BinaryIO

from impasto.errors import ImageError, one_line

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class FileFormat:
    """A format of picture files, one row of the table."""

    name: str
    """Pillow's name."""
    suffixes: tuple[str, ...]
    """Of files that are read, in lower case, and of results if it is written."""
    magic: bytes
    """A regular expression for its first bytes."""
    module: str
    """The module that registers its reader; imported when a file starts with ``magic``."""
    animated: bool = False
    """Several frames in the file are a film (elsewhere: previews, a stereo pair, a burst)."""
    written: bool = False
    lossy: bool = False
    """Its writer takes ``quality``."""
    alpha: bool = True
    deep: bool = False
    """Can be written with 16 bits per channel."""
    cut: bool = False
    """Its reader returns 8 bits per channel even where the file has more."""
    also: tuple[str, ...] = ()
    """Further suffixes of files that are read, but not written."""


FORMATS = (
    FileFormat(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".jif"),
        rb"\xff\xd8\xff",
        "PIL.JpegImagePlugin",
        written=True,
        lossy=True,
        alpha=False,
        also=(".mpo",),
    ),
    FileFormat(
        "PNG",
        (".png",),
        rb"\x89PNG\r\n\x1a\n",
        "PIL.PngImagePlugin",
        animated=True,
        written=True,
        deep=True,
        also=(".apng",),
    ),
    FileFormat(
        "WEBP",
        (".webp",),
        rb"RIFF....WEBP",
        "PIL.WebPImagePlugin",
        animated=True,
        written=True,
        lossy=True,
    ),
    FileFormat(
        "AVIF",
        (".avif",),
        rb"....ftyp(avif|avis|mif1|msf1)",
        "PIL.AvifImagePlugin",
        animated=True,
        cut=True,
        written=True,
        lossy=True,
        also=(".avifs",),
    ),
    FileFormat(
        "HEIF",
        (".heic", ".heif", ".hif", ".heics", ".heifs"),
        rb"....ftyp(he[iv][cxms]|mif1|msf1)",
        "pillow_heif",
        cut=True,
    ),
    FileFormat(
        "TIFF",
        (".tif", ".tiff"),
        rb"(II|MM)(\x2a\x00|\x00\x2a|\x2b\x00|\x00\x2b)",
        "PIL.TiffImagePlugin",
        written=True,
        cut=True,
        deep=True,
        also=(".btf", ".tf8"),
    ),
    FileFormat("GIF", (".gif",), rb"GIF8[79]a", "PIL.GifImagePlugin", animated=True),
    FileFormat("BMP", (".bmp", ".dib"), rb"BM", "PIL.BmpImagePlugin"),
    FileFormat(
        "JPEG2000",
        (".jp2", ".j2k", ".jpf", ".jpx", ".j2c", ".jpc"),
        rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n",
        "PIL.Jpeg2KImagePlugin",
        cut=True,
    ),
    FileFormat("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), rb"P[1-6]\s", "PIL.PpmImagePlugin"),
)
"""Formats with an identifying header and a reader that starts no other program (as EPS's does).
Order matters for two only: an ambiguous brand (mif1) is tried as AVIF, then as HEIF."""

WRITTEN = tuple(row for row in FORMATS if row.written)

READ_SUFFIXES = tuple(suffix for row in FORMATS for suffix in (*row.suffixes, *row.also))
"""Suffixes of the files in a folder that count as pictures, in lower case."""

RAW_SUFFIXES = frozenset(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .gpr .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef"
    " .raf .raw .rw2 .rwl .sr2 .srf .srw .x3f".split()
)
"""Suffixes of raw photographs, which are reported apart from files that are no pictures."""

# Raw photographs by their first bytes; others are TIFFs, recognized by their content.
_RAW_MAGICS = {
    "Canon CR2": rb"(II\x2a\x00|MM\x00\x2a)....CR",
    "Canon CR3": rb"....ftypcrx ",
    "Canon CRW": rb"II....HEAPCCDR",
    "Fujifilm RAF": rb"FUJIFILMCCD-RAW",
    "Minolta MRW": rb"\x00MRM",
    "Olympus ORF": rb"IIR[OS]|MMOR",
    "Panasonic RW2": rb"IIU\x00",
    "Phase One IIQ": rb"(II\x2a\x00|MM\x00\x2a)....(IIII|MMMM)",
    "Sigma X3F": rb"FOVb",
}

# Files that systems put into people's folders.
_SYSTEM_FILES = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"))

# Most names in a line about skipped files.
_NAMES = 3


# OpenJPEG takes time for every layer that is declared in every tile, even an empty one.
_MAX_LAYERS = 1000

# Replacements for messages of Pillow that do not help users.
_REASONS = {
    "not identified by this driver": "its header is incomplete or has no size",
    "unknown pixel mode": "its pixel format is not supported, such as more than 4 channels",
}


def check_raw(head: bytes, name: str) -> None:
    """Refuse a raw photograph, recognized by the first bytes of its file.

    Args:
        head: the first 32 bytes.
        name: of the file, for the message.

    Raises:
        ImageError: naming its kind.

    Example:
        >>> check_raw(b"FUJIFILMCCD-RAW 0201", "a.raf")
        Traceback (most recent call last):
            ...
        impasto.errors.ImageError: a.raf: a raw photograph (Fujifilm RAF); develop it in a ...
    """
    for kind, magic in _RAW_MAGICS.items():
        if re.match(magic, head, re.DOTALL):
            raise raw_error(name, kind)


def raw_error(name: str, kind: str) -> ImageError:
    """The error for a raw photograph of a kind."""
    return ImageError(
        f"{name}: a raw photograph ({kind}); develop it in a raw converter and export it "
        "as TIFF or JPEG"
    )


def is_hidden(name: str) -> bool:
    """Return True for a hidden file or folder, or one that a system creates.

    Example:
        >>> [is_hidden(name) for name in (".DS_Store", "Thumbs.db", "a.jpg")]
        [True, True, False]
    """
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def passed_over(names: Iterable[str | PurePath]) -> str:
    """Return a line on files in a folder that do not count as pictures, "" for none.

    Args:
        names: of the files, without hidden ones.

    Example:
        >>> passed_over(["notes.txt", "a.NEF"])
        '1 file without a picture suffix is skipped: notes.txt; 1 raw photograph is skipped \
(export it as TIFF or JPEG): a.NEF'
    """
    paths = [PurePath(name) for name in names]
    raw = [path for path in paths if path.suffix.lower() in RAW_SUFFIXES]
    others = [path for path in paths if path.suffix.lower() not in RAW_SUFFIXES]
    parts = []
    if others:
        one = "file without a picture suffix is skipped"
        many = "files without a picture suffix are skipped"
        parts.append(f"{len(others):,} {one if len(others) == 1 else many}: {_some(others)}")
    if raw:
        one = "raw photograph is skipped (export it as TIFF or JPEG)"
        many = "raw photographs are skipped (export them as TIFF or JPEG)"
        parts.append(f"{len(raw):,} {one if len(raw) == 1 else many}: {_some(raw)}")
    return "; ".join(parts)


def _some(paths: Sequence[PurePath]) -> str:
    shown = [one_line(path) for path in sorted(paths)[:_NAMES]]
    return ", ".join(shown + ["..."] * (len(paths) > _NAMES))


def open_file(path: Path) -> BinaryIO:
    """Open the picture file ``path`` for reading; ImageError if there is no such regular file."""
    name = one_line(path)
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise ImageError(f"{name}: is a folder; give the pictures in it one by one")
        # Opening a pipe would wait for a writer, and reading a device may never end.
        if not stat.S_ISREG(kind):
            raise ImageError(
                f"{name}: is a pipe or a device, not a regular file; give its bytes as a file "
                "object (on the command line: -)"
            )
        return path.open("rb")
    except FileNotFoundError:
        raise ImageError(f"{name}: no such file; check the path") from None
    except PermissionError:
        raise ImageError(f"{name}: permission denied; make the file readable for you") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ImageError(f"{name}: cannot be opened ({one_line(error)})") from None


def open_by_pillow(
    stream: BinaryIO,
    rows: Sequence[FileFormat],
    *,
    name: str,
    max_pixels: int,
    animated: bool = False,
) -> tuple[Image.Image, FileFormat]:
    """Parse the header of the picture in the seekable ``stream``, without decoding its pixels.

    ``PIL.Image.open`` is not used: it raises above 179 million pixels and warns above 89 million,
    and both limits can be moved only for the whole process (``MAX_IMAGE_PIXELS``), the warning only
    with filters that other threads share. Instead, the readers that it would choose from are called
    directly and ``max_pixels`` is checked here, so no global state is touched or shared. One reader
    has that limit built in: a WebP above 179 million pixels is refused with any ``max_pixels``.

    Args:
        stream: the file.
        rows: the formats that it may have.
        name: what to call it in a message.
        max_pixels: a larger picture is refused.
        animated: accept pictures of several frames.

    Returns:
        Pillow's image, and its format.

    Raises:
        ImageError: if it is damaged, a film, or too large.
    """
    for row in rows:
        try:
            picture = _parsed(row, stream)
            break
        except ModuleNotFoundError:
            raise ImageError(
                f"{name}: reading {row.name} needs pillow-heif; pip install 'impasto[heic]'"
                " (or save the picture as JPEG or PNG)"
            ) from None
        except Exception as error:  # readers raise errors of any type on malformed bytes
            if row is rows[-1]:
                raise damaged(name, row.name, error) from error
    check_pixels(picture.size, name=name, max_pixels=max_pixels)
    if row.animated and not animated:
        _refuse_film(picture, row, name)
    if row.name == "JPEG2000" and (layers := _layers(stream)) > _MAX_LAYERS:
        raise ImageError(
            f"{name}: a JPEG2000 file of {layers:,} quality layers, more than {_MAX_LAYERS:,}, "
            "would take too long to decode; save it again"
        )
    return picture, row


def check_pixels(size: tuple[int, int], *, name: str, max_pixels: int) -> None:
    """Raise ImageError for a picture of (width, height) ``size`` that is empty or too large."""
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} x {height} pixels; a picture needs at least one")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width} x {height} = {width * height:,} pixels, more than max_pixels = "
            f"{max_pixels:,}; make it smaller, or raise max_pixels if you trust it"
        )


def load(picture: Image.Image, *, name: str) -> None:
    """Decode the pixels here, where a message can name the picture that fails."""
    try:
        picture.load()
    except Exception as error:  # as above: truncation alone raises five different types
        raise damaged(name, getattr(picture, "format", None) or "picture", error) from error


def stream_name(stream: BinaryIO) -> str:
    """The name of a stream, for messages."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) else "the stream"


def _parsed(row: FileFormat, stream: BinaryIO) -> Image.Image:
    from PIL import Image

    module = importlib.import_module(row.module)
    # pillow-heif registers its reader on demand, for the whole process: call it unregistered.
    reader = Image.OPEN[row.name][0] if row.name in Image.OPEN else module.HeifImageFile
    stream.seek(0)
    # Without a name Pillow does not map the file, so a file that shrinks cannot crash the process.
    picture: Image.Image = reader(stream, "")
    return picture


def _refuse_film(picture: Image.Image, row: FileFormat, name: str) -> None:
    try:
        frames = getattr(picture, "n_frames", 1)
    except Exception as error:  # counting frames reads on through the file
        raise damaged(name, row.name, error) from error
    if frames > 1:
        raise ImageError(
            f"{name}: an animated {row.name} of {frames} frames; paint it with impasto video"
        )


def _layers(stream: BinaryIO) -> int:
    """Find the most quality layers declared in a part of a JPEG 2000 (ISO 15444-1, A.6.1)."""
    place = stream.tell()
    stream.seek(0)
    data = stream.read()
    stream.seek(place)
    most = 0
    at = data.find(b"\xff\x4f\xff\x51") + 2  # behind the start of the codestream
    tile, length = 0, 0
    while at + 12 <= len(data):
        marker, size = struct.unpack_from(">HH", data, at)
        if marker == 0xFF90:  # the start of a part of a tile, and its length
            tile, length = at, struct.unpack_from(">I", data, at + 6)[0]
        elif marker == 0xFF52:  # the coding style
            most = max(most, struct.unpack_from(">H", data, at + 6)[0])
        elif marker == 0xFF93:  # the data of a part
            if tile + length <= at:  # 0 for the last one
                break
            at = tile + length
            continue
        at += 2 + size
    return most


def damaged(name: str, kind: str, error: Exception) -> ImageError:
    """Return the error for a file that a reader fails on."""
    from PIL import Image

    if isinstance(error, Image.DecompressionBombError):
        return ImageError(
            f"{name}: more pixels than Pillow's own limit, which cannot be raised for {kind}; "
            "make it smaller, or save it as PNG, JPEG or TIFF"
        )
    if isinstance(error, MemoryError):
        return ImageError(f"{name}: not enough memory for its pixels; make it smaller")
    reason = _REASONS.get(str(error), one_line(error))
    return ImageError(
        f"{name}: a damaged, truncated or unusual {kind} file ({reason}); download or save it again"
    )
