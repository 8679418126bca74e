"""Sources of pictures: files in folders, members of tar shards, and the held-out tenth.

Only headers are decoded here; ``data`` reads the pictures.
"""

from __future__ import annotations

import glob
import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from impasto.errors import ImageError
from impasto.images.formats import READ_SUFFIXES, is_hidden
from impasto.images.sources import open_picture

SUFFIXES = frozenset(READ_SUFFIXES)
SHARD = ".tar"
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
SMALLEST = 64
"""Shorter side in pixels below which a picture is skipped: it would be mostly up-sampling."""


@dataclass(frozen=True)
class Source:
    """The bytes of one picture: a file, or ``length`` bytes of a shard from ``offset`` on.

    Attributes:
        path: the file; for a member of a shard, the shard and its name as one path.
        shard: the shard, or None.
    """

    path: Path
    shard: Path | None = None
    offset: int = 0
    length: int = 0

    def open(self) -> BinaryIO:
        """Open its bytes as a seekable stream."""
        if self.shard is None:
            return self.path.open("rb")
        with self.shard.open("rb") as file:
            file.seek(self.offset)
            return io.BytesIO(file.read(self.length))


LeftOut = tuple[Path, str]
"""A skipped file, and the reason."""


def find_sources(
    place: str | Path, *, others: list[Path] | None = None
) -> tuple[list[Source], list[LeftOut]]:
    """Find every picture at ``place``, and the files that cannot be searched.

    Args:
        place: a folder (searched recursively, shards included), a ``.tar`` file, or a pattern, as
            in ``"photos-*.tar"``. Hidden files below it are ignored.
        others: receives the files and members that are not pictures by their suffix.

    Raises:
        ImageError: if the path does not exist.
    """
    path = Path(place)
    matches = glob.glob(str(place), recursive=True)  # noqa: PTH207 - the pattern may be absolute
    places = [path] if path.exists() else sorted(map(Path, matches))
    if not places:
        raise ImageError(f"{place}: no such folder, shard or pattern; give one with pictures")
    sources: list[Source] = []
    left_out: list[LeftOut] = []
    others = [] if others is None else others
    for each in places:
        files = files_below(each) if each.is_dir() else [each]
        for file in files:
            if file.suffix.lower() in SUFFIXES:
                sources.append(Source(file))
            elif file.suffix.lower() == SHARD:
                _look_into(file, sources, left_out, others)
            elif file.name.lower().endswith(COMPRESSED):
                left_out.append((file, "a compressed shard; decompress it to a plain .tar"))
            elif file == path:
                raise ImageError(f"{file}: neither a folder nor a .tar shard; give one of these")
            else:
                others.append(file)
    return sources, left_out


def files_below(folder: Path) -> list[Path]:
    """Return the files in a folder and its subfolders, sorted, without hidden ones."""
    return sorted(
        file
        for file in folder.rglob("*")
        if not any(map(is_hidden, file.relative_to(folder).parts)) and file.is_file()
    )


def _look_into(
    shard: Path, sources: list[Source], left_out: list[LeftOut], others: list[Path]
) -> None:
    try:
        with tarfile.open(shard, "r:") as archive:
            for member in archive:  # as far as possible: a shard may be truncated
                name = shard / member.name
                if not member.isfile() or any(map(is_hidden, Path(member.name).parts)):
                    continue
                if name.suffix.lower() not in SUFFIXES:
                    others.append(name)
                    continue
                sources.append(Source(name, shard, member.offset_data, member.size))
    except (tarfile.TarError, OSError) as error:
        left_out.append((shard, f"incomplete, or not a plain .tar ({_line(error)})"))


def is_held_out(name: str) -> bool:
    """Return True for the fixed tenth of names, by hash, that is held out for evaluation.

    >>> sum(is_held_out(f"{i}.jpg") for i in range(1000))
    100
    """
    return _digest(name) % 10 == 0


def split(sources: Sequence[Source], *, held_out: bool) -> list[Source]:
    """Return the held-out pictures of a path, or the others.

    A small path may have none in the tenth: then the first by hash is held out, so that there is
    always a held-out picture.  A single picture is on both sides.
    """
    if len(sources) < 2:
        return list(sources)
    kept = {s for s in sources if is_held_out(s.path.name)}
    first = min(sources, key=lambda s: (_digest(s.path.name), s.path))
    if not kept:
        kept = {first}
    elif len(kept) == len(sources):
        kept -= {first}
    return [s for s in sources if (s in kept) == held_out]


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "big")


def size_of(source: Source, smallest: int) -> tuple[int, int] | str:
    """Return width and height from the header, or a line with the reason for a failure."""
    try:
        with source.open() as stream:
            if _is_jpeg(stream):
                with Image.open(stream, formats=_JPEG) as opened:
                    width, height = opened.size
            else:
                with open_picture(_named(source, stream)) as picture:
                    width, height = picture.width, picture.height
    except Exception as error:  # a decoder may raise anything on a broken file
        return _line(error)
    return _too_small(width, height, smallest) or (width, height)


def read(source: Source, *, shorter: int, smallest: int) -> NDArray[np.uint8] | str:
    """Return the picture (H, W, 3), reduced to the shorter side ``shorter``, or a failure line.

    JPEG is decoded no larger than needed. Other formats are read as in the studio, so that deep
    pictures and those with a profile look as for a user, and films are rejected.
    """
    try:
        with source.open() as stream:
            if _is_jpeg(stream):
                with Image.open(stream, formats=_JPEG) as opened:
                    opened.draft("RGB", (2 * shorter, 2 * shorter))
                    picture = ImageOps.exif_transpose(opened).convert("RGB")
            else:
                with open_picture(_named(source, stream)) as found:
                    picture = Image.fromarray(np.rint(found.photo().image * 255).astype(np.uint8))
    except Exception as error:  # a decoder may raise anything on a broken file
        return _line(error)
    if reason := _too_small(*picture.size, smallest):
        return reason
    size = reduced(*picture.size, shorter)
    if size != picture.size:
        picture = picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    return np.asarray(picture)


_JPEG = ("JPEG", "MPO")


def _is_jpeg(stream: BinaryIO) -> bool:
    head = stream.read(3)
    stream.seek(0)
    return head == b"\xff\xd8\xff"


def _named(source: Source, stream: BinaryIO) -> Path | BinaryIO:
    """Return a file's path, so that only its header is read, or a shard member's bytes."""
    return source.path if source.shard is None else stream


def reduced(width: int, height: int, shorter: int) -> tuple[int, int]:
    """Return the size after reducing the shorter side to ``shorter``."""
    factor = min(shorter / min(width, height), 1.0)
    return max(round(width * factor), 1), max(round(height * factor), 1)


def _too_small(width: int, height: int, smallest: int) -> str:
    if min(width, height) >= smallest:
        return ""
    return f"{width}x{height} is smaller than {smallest} px"


def _line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return text.split("\n")[0] or type(error).__name__
