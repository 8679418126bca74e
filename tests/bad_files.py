"""Picture files that must not be read, and what the one line about each must say."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class BadFile:
    """One way to spoil a file."""

    make: Callable[[Path], Path]
    """Makes it in a folder and returns its path."""
    says: tuple[str, ...]
    """Parts that the message must have, beside the path."""

    @property
    def name(self) -> str:
        return self.make.__name__


def noise(height: int = 60, width: int = 80) -> Image.Image:
    """A picture that does not compress to nothing."""
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def encoded(format: str, picture: Image.Image | None = None, **options: object) -> bytes:
    """The bytes of a picture file."""
    stream = io.BytesIO()
    (picture or noise()).save(stream, format, **options)
    return stream.getvalue()


def png(width: int, height: int, *, depth: int = 8, kind: int = 2, chunks: bytes = b"") -> bytes:
    """A PNG with any header, and pixels (zeros) for its first row only."""
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    pixels = zlib.compress(bytes(1 + width * 3))
    parts = [png_chunk(b"IHDR", header), chunks, png_chunk(b"IDAT", pixels), png_chunk(b"IEND")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def png_chunk(name: bytes, data: bytes = b"") -> bytes:
    """One part of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def missing(folder: Path) -> Path:
    return folder / "missing.jpg"


def dangling_link(folder: Path) -> Path:
    path = folder / "link.png"
    path.symlink_to(folder / "gone.png")
    return path


def directory(folder: Path) -> Path:
    path = folder / "album.png"
    path.mkdir()
    return path


def empty(folder: Path) -> Path:
    return _written(folder / "empty.png", b"")


def text_named_jpg(folder: Path) -> Path:
    return _written(folder / "text.jpg", b"Dear diary, today I painted nothing at all.\n")


def page_named_png(folder: Path) -> Path:
    return _written(folder / "page.png", b"<!doctype html><title>404</title>")


def drawing(folder: Path) -> Path:
    return _written(folder / "drawing.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")


def truncated_jpeg(folder: Path) -> Path:
    data = encoded("JPEG", quality=95)
    return _written(folder / "truncated.jpg", data[: len(data) // 2])


def truncated_png(folder: Path) -> Path:
    data = encoded("PNG")
    return _written(folder / "truncated.png", data[: len(data) // 2])


def truncated_webp(folder: Path) -> Path:
    data = encoded("WEBP")
    return _written(folder / "truncated.webp", data[: len(data) // 2])


def truncated_avif(folder: Path) -> Path:
    data = encoded("AVIF")
    return _written(folder / "truncated.avif", data[: len(data) // 2])


def truncated_tiff(folder: Path) -> Path:
    data = encoded("TIFF")
    return _written(folder / "truncated.tif", data[: len(data) // 2])


def header_only(folder: Path) -> Path:
    return _written(folder / "header.jpg", encoded("JPEG")[:20])


def animated_gif(folder: Path) -> Path:
    return _film(folder / "film.gif")


def animated_webp(folder: Path) -> Path:
    return _film(folder / "film.webp")


def animated_png(folder: Path) -> Path:
    return _film(folder / "film.png")


def raw_by_its_first_bytes(folder: Path) -> Path:
    return _written(folder / "raf.jpg", b"FUJIFILMCCD-RAW 0201FF393101" + bytes(200))


def raw_tiff(folder: Path) -> Path:
    """A mosaic of a sensor, with a small picture before it."""
    return _written(folder / "a.tif", raw_file())


def raw_file(*, photometric: int = 32803) -> bytes:
    """A TIFF as cameras write it: first a small preview, below that the values of the sensor.

    With the photometric interpretation 1 it is a gray picture of 16 bits behind its preview.
    """
    preview, mosaic = np.zeros((20, 30, 3), np.uint8), np.full((40, 60), 500, "<u2")
    places = {"sub": 512, "preview": 1024, "mosaic": 1024 + preview.nbytes}
    first = {254: 1, 256: 30, 257: 20, 258: 8, 262: 2, 273: places["preview"], 277: 3, 278: 20,
             279: preview.nbytes, 330: places["sub"]}  # fmt: skip
    sub = {254: 0, 256: 60, 257: 40, 258: 16, 262: photometric, 273: places["mosaic"], 277: 1,
           278: 40, 279: mosaic.nbytes}  # fmt: skip
    data = b"II*\0" + struct.pack("<I", 8) + _directory(first)
    data = data.ljust(places["sub"], b"\0") + _directory(sub)
    return data.ljust(places["preview"], b"\0") + preview.tobytes() + mosaic.tobytes()


def _directory(tags: dict[int, int]) -> bytes:
    entries = (struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(tags.items()))
    return struct.pack("<H", len(tags)) + b"".join(entries) + bytes(4)


def bomb(folder: Path) -> Path:
    return _written(folder / "bomb.png", png(50_000, 50_000))


def no_width(folder: Path) -> Path:
    return _written(folder / "nothing.png", png(0, 7))


def five_channels(folder: Path) -> Path:
    """A TIFF of 2 x 2 pixels of five inks."""
    entries = [
        (256, 3, 1, 2),  # width
        (257, 3, 1, 2),  # height
        (258, 3, 1, 8),  # bits per sample
        (262, 3, 1, 5),  # inks
        (273, 4, 1, 200),  # where the pixels are
        (277, 3, 1, 5),  # samples per pixel
        (279, 4, 1, 20),  # their bytes
    ]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries))
    table = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    data = (head + table + bytes(4)).ljust(200, b"\0") + bytes(20)
    return _written(folder / "inks.tif", data)


def pipe(folder: Path) -> Path:
    path = folder / "pipe.png"
    os.mkfifo(path)
    return path


def unreadable(folder: Path) -> Path:
    """A file that nobody but root may read."""
    path = _written(folder / "secret.png", encoded("PNG"))
    path.chmod(0)
    return path


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def _film(path: Path) -> Path:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "green", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    return path


BAD_FILES = (
    BadFile(missing, ("no such file",)),
    BadFile(dangling_link, ("no such file",)),
    BadFile(directory, ("folder",)),
    BadFile(empty, ("empty", "0 bytes")),
    BadFile(text_named_jpg, ("format", "JPEG, PNG, WEBP")),
    BadFile(page_named_png, ("format",)),
    BadFile(drawing, ("format",)),
    BadFile(truncated_jpeg, ("damaged, truncated", "JPEG")),
    BadFile(truncated_png, ("damaged, truncated", "PNG")),
    BadFile(truncated_webp, ("damaged, truncated", "WEBP")),
    BadFile(truncated_avif, ("damaged, truncated", "AVIF")),
    BadFile(truncated_tiff, ("damaged, truncated", "TIFF")),
    BadFile(header_only, ("damaged, truncated", "JPEG")),
    BadFile(animated_gif, ("animated GIF", "3 frames", "impasto video")),
    BadFile(animated_webp, ("animated WEBP", "3 frames", "impasto video")),
    BadFile(animated_png, ("animated PNG", "3 frames", "impasto video")),
    BadFile(
        raw_by_its_first_bytes, ("raw photograph (Fujifilm RAF)", "develop it in a raw converter")
    ),
    BadFile(raw_tiff, ("raw photograph", "develop it in a raw converter")),
    BadFile(bomb, ("50000 x 50000", "2,500,000,000", "max_pixels")),
    BadFile(no_width, ("PNG", "no size")),
    BadFile(five_channels, ("TIFF", "more than 4 channels")),
    *([BadFile(pipe, ("pipe",))] if hasattr(os, "mkfifo") else []),
    *([BadFile(unreadable, ("permission",))] if getattr(os, "geteuid", int)() else []),
)
"""All that can be made here: root reads what is unreadable, and not every system has pipes."""
