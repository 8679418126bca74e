"""Files of pictures <-> Pillow images: which formats, opened with care, written whole or not.

What the pixels mean is the business of ``impasto.images``.
"""

from __future__ import annotations

import importlib
import io
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from impasto.errors import ImageError, OptionError
from impasto.wholefile import write_whole

QUALITY = 92


@dataclass(frozen=True)
class FileFormat:
    """What is known of one format of file."""

    name: str
    """As Pillow calls it."""
    suffixes: tuple[str, ...]
    magic: bytes
    """A regular expression for its first bytes."""
    module: str
    """Where its reader is registered; imported when a file starts with ``magic``."""
    animated: bool = False
    """More than one frame in the file is a film (elsewhere: previews, a stereo pair, a burst)."""
    written: bool = False
    lossy: bool = False
    """Its writer takes ``quality``."""
    alpha: bool = True


FORMATS = (
    FileFormat(
        "JPEG",
        (".jpg", ".jpeg"),
        rb"\xff\xd8\xff",
        "PIL.JpegImagePlugin",
        written=True,
        lossy=True,
        alpha=False,
    ),
    FileFormat(
        "PNG", (".png",), rb"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin", animated=True, written=True
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
        written=True,
        lossy=True,
    ),
    FileFormat("HEIF", (".heic", ".heif"), rb"....ftyp(he[iv][cxms]|mif1|msf1)", "pillow_heif"),
    FileFormat(
        "TIFF",
        (".tif", ".tiff"),
        rb"(II|MM)(\x2a\x00|\x00\x2a|\x2b\x00|\x00\x2b)",
        "PIL.TiffImagePlugin",
        written=True,
    ),
    FileFormat("GIF", (".gif",), rb"GIF8[79]a", "PIL.GifImagePlugin", animated=True),
    FileFormat("BMP", (".bmp",), rb"BM", "PIL.BmpImagePlugin"),
    FileFormat(
        "JPEG2000",
        (".jp2", ".j2k"),
        rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n",
        "PIL.Jpeg2KImagePlugin",
    ),
    FileFormat("PPM", (".ppm", ".pgm", ".pbm"), rb"P[1-6]\s", "PIL.PpmImagePlugin"),
)
"""Formats with a header that tells them, and no reader that starts another program (as EPS does).
Order matters for two only: an unclear brand (mif1) is tried as AVIF, then as HEIF."""

WRITTEN = tuple(row for row in FORMATS if row.written)


# What Pillow says, where that helps nobody.
_REASONS = {
    "not identified by this driver": "its header is incomplete, or gives it no size",
    "unknown pixel mode": "pixels of a kind that is not read, such as more than 4 channels",
}


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


def decode(stream: BinaryIO, *, name: str, max_pixels: int) -> Image.Image:
    """Decode the whole picture in the seekable ``stream``; its size is checked before its pixels.

    ``PIL.Image.open`` is not used: it raises above 179 million pixels and warns above 89 million,
    and both limits can be moved only for the whole process (``MAX_IMAGE_PIXELS``), the warning only
    with filters that other threads share. The readers that it would choose from are called directly
    instead and ``max_pixels`` is checked here, so nothing global is touched or shared. One reader
    has that limit inside: a WebP above 179 million pixels is refused whatever ``max_pixels`` says.
    """
    stream.seek(0)
    head = stream.read(32)
    if not head:
        raise ImageError(f"{name}: empty (0 bytes); save or fetch the picture again")
    rows = [row for row in FORMATS if re.match(row.magic, head, re.DOTALL)]
    if not rows:
        known = ", ".join(row.name for row in FORMATS)
        raise ImageError(
            f"{name}: not a picture in a format that is read ({known}); save it as JPEG or PNG"
        )
    for row in rows:
        try:
            picture = _opened(row, stream)
            break
        except ModuleNotFoundError as error:
            raise ImageError(
                f"{name}: reading {row.name} needs {error.name}; pip install {row.module}"
                " (or save the picture as JPEG or PNG)"
            ) from None
        except Exception as error:  # a reader raises whatever foreign bytes make it trip over
            if row is rows[-1]:
                raise _damaged(name, row.name, error) from error
    check_pixels(picture.size, name=name, max_pixels=max_pixels)
    _refuse_film(picture, row, name)
    if row.name == "TIFF":
        # Its load() has Pillow's limit too, unless the memory is there already.
        size = getattr(picture, "_tile_size", picture.size)  # as stored, before the orientation
        picture.im = Image.new(picture.mode, size).im
    load(picture, name=name)
    return picture


def check_pixels(size: tuple[int, int], *, name: str, max_pixels: int) -> None:
    """ImageError for a picture of (width, height) ``size`` that holds nothing, or too much."""
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(f"{name}: {width} x {height} pixels; a picture needs at least one")
    if width * height > max_pixels:
        raise ImageError(
            f"{name}: {width} x {height} = {width * height:,} pixels, more than max_pixels = "
            f"{max_pixels:,}; make it smaller, or raise max_pixels if you trust it"
        )


def load(picture: Image.Image, *, name: str) -> None:
    """Make Pillow decode the pixels now, where it can be told which picture fails, and how."""
    try:
        picture.load()
    except Exception as error:  # as above: truncation alone raises five different types
        raise _damaged(name, getattr(picture, "format", None) or "picture", error) from error


def write_image(
    image: Image.Image,
    target: str | os.PathLike[str] | BinaryIO,
    *,
    format: str | None = None,
    quality: int = QUALITY,
    overwrite: bool = False,
) -> None:
    """Write a Pillow image to a file or to a binary stream: whole, or not at all.

    A file is written under a temporary name in its own folder and then put in place, so nobody ever
    sees half of it; an existing file is replaced only with ``overwrite``, even if it appears while
    the picture is being encoded. EXIF and ICC profile in ``image.info`` are kept.

    Args:
        image: any Pillow image. A transparent one is composited onto white for JPEG.
        target: a path, or a stream such as ``sys.stdout.buffer`` (nothing is written to it unless
            the whole picture could be encoded).
        format: "png", "jpeg", "webp", "avif" or "tiff"; by default the suffix of the path decides,
            and a stream gets PNG.
        quality: 1 to 100 for JPEG, WebP and AVIF; the others lose nothing and ignore it.
        overwrite: replace an existing file.

    Raises:
        ImageError: an unknown suffix, a missing folder, an existing file, a full disk, ...
        OptionError: an unknown ``format``, or ``quality`` out of range.

    Example:
        >>> stream = io.BytesIO()
        >>> write_image(Image.new("RGB", (4, 4)), stream, format="webp", quality=80)
        >>> stream.getvalue()[8:12]
        b'WEBP'
    """
    if not 1 <= quality <= 100:
        raise OptionError(f"quality is {quality}; give 1 to 100")
    if isinstance(target, str | os.PathLike):
        path = Path(target)
        row = _row_of(format) if format else _row_of_suffix(path)
        _refuse_target(path, overwrite)
        _write_file(path, _encoded(image, one_line(path), row, quality), overwrite)
        return
    name = stream_name(target)
    left = memoryview(_encoded(image, name, _row_of(format or "png"), quality))
    try:
        while left:  # an unbuffered stream may take a part only
            left = left[target.write(left) :]
        target.flush()
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        raise ImageError(f"{name}: cannot be written to ({one_line(error)})") from error


def stream_name(stream: BinaryIO) -> str:
    """What to call a stream in a message."""
    name = getattr(stream, "name", None)
    return name if isinstance(name, str) else "the stream"


def one_line(what: object) -> str:
    """The text of ``what``, fit for a message of one line."""
    # Without the file name that the system adds, which may be the temporary one.
    text = getattr(what, "strerror", None) or str(what) or type(what).__name__
    return "".join(sign if sign.isprintable() else " " for sign in text).strip()


def _opened(row: FileFormat, stream: BinaryIO) -> Image.Image:
    module = importlib.import_module(row.module)
    # pillow-heif registers its reader on demand, for the whole process: call it unregistered.
    reader = Image.OPEN[row.name][0] if row.name in Image.OPEN else module.HeifImageFile
    stream.seek(0)
    # Without a name Pillow does not map the file, so one that shrinks meanwhile cannot kill us.
    picture: Image.Image = reader(stream, "")
    return picture


def _refuse_film(picture: Image.Image, row: FileFormat, name: str) -> None:
    try:
        frames = _pages(picture) if row.name == "TIFF" else getattr(picture, "n_frames", 1)
    except Exception as error:  # counting reads on through the file
        raise _damaged(name, row.name, error) from error
    if row.animated and frames > 1:
        raise ImageError(
            f"{name}: an animated {row.name} of {frames} frames; save the frames as pictures and "
            "give them one by one"
        )
    if row.name == "TIFF" and frames > 1:
        raise ImageError(
            f"{name}: a TIFF of {frames} pages; save the pages as pictures and give them one by one"
        )


def _pages(picture: Any) -> int:
    """Pages of a TIFF, without previews and masks (bits 0 and 2 of NewSubfileType, TIFF 6.0)."""
    count = 1
    for page in range(1, picture.n_frames):
        picture.seek(page)
        count += not picture.tag_v2.get(254, 0) & 0b101
    picture.seek(0)
    return count


def _damaged(name: str, kind: str, error: Exception) -> ImageError:
    if isinstance(error, Image.DecompressionBombError):
        return ImageError(
            f"{name}: more pixels than Pillow's own limit, which its {kind} reader cannot be told "
            "to lift; make it smaller, or save it as PNG, JPEG or TIFF"
        )
    reason = _REASONS.get(str(error), one_line(error))
    return ImageError(
        f"{name}: a damaged, cut short or unusual {kind} file ({reason}); fetch it or save it again"
    )


def _row_of(format: str) -> FileFormat:
    wanted = format.lower().removeprefix(".")
    for row in WRITTEN:
        if wanted == row.name.lower() or f".{wanted}" in row.suffixes:
            return row
    known = ", ".join(row.name.lower() for row in WRITTEN)
    raise OptionError(f"format {format!r} is not written; give one of {known}")


def _row_of_suffix(path: Path) -> FileFormat:
    for row in WRITTEN:
        if path.suffix.lower() in row.suffixes:
            return row
    known = ", ".join(suffix for row in WRITTEN for suffix in row.suffixes)
    raise ImageError(
        f"{one_line(path)}: the suffix {path.suffix!r} tells no format that is written; "
        f"use one of {known}"
    )


def _encoded(image: Image.Image, name: str, row: FileFormat, quality: int) -> bytes:
    options: dict[str, Any] = {
        key: image.info[key] for key in ("exif", "icc_profile") if image.info.get(key)
    }
    if row.lossy:
        options["quality"] = quality
    # TIFF stays uncompressed: Pillow's compressing writer fails on EXIF data with a sub-directory.
    encoded = io.BytesIO()
    try:
        if not row.alpha:
            image = _on_white(image)
        image.save(encoded, format=row.name, **options)
    except Exception as error:  # what a writer raises depends on the format and on the codec in it
        raise ImageError(
            f"{name}: cannot be written as {row.name} ({one_line(error)}); mode {image.mode}, "
            f"{image.width} x {image.height} pixels: convert it to RGB, or try PNG or TIFF"
        ) from error
    return encoded.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    if image.has_transparency_data:
        color = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", color.size, "white"), color).convert("RGB")
    return image.convert("RGB") if image.mode == "P" else image


def _refuse_target(path: Path, overwrite: bool) -> None:
    """What can be said before the work of encoding."""
    name = one_line(path)
    try:
        if not path.parent.is_dir():
            raise ImageError(f"{name}: there is no folder {one_line(path.parent)}; make it first")
        kind = path.stat().st_mode if os.path.lexists(path) else None
    except FileNotFoundError:  # a link to nothing: still a name that somebody has given
        kind = stat.S_IFREG
    except (OSError, ValueError) as error:  # as in open_file
        raise ImageError(f"{name}: cannot be written ({one_line(error)})") from None
    if kind is None:
        return
    if stat.S_ISDIR(kind):
        raise ImageError(f"{name}: is a folder; give a file name in it")
    if not stat.S_ISREG(kind):  # replacing /dev/null would harm the whole system
        raise ImageError(
            f"{name}: is a pipe or a device, not a regular file; give a stream to write into it "
            "(on the command line: -)"
        )
    if not overwrite:
        raise _exists(path)


def _write_file(path: Path, data: bytes, overwrite: bool) -> None:
    try:
        write_whole(path, data, overwrite=overwrite)
    except FileExistsError:
        raise _exists(path) from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise ImageError(f"{one_line(path)}: cannot be written ({one_line(error)})") from error


def _exists(path: Path) -> ImageError:
    return ImageError(
        f"{one_line(path)}: exists already; give another name, or allow to overwrite it "
        "(overwrite=True, on the command line --overwrite)"
    )
