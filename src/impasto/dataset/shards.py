"""Tar files of samples, as webdataset reads them: read and written in one pass.

A sample is what has one key: the path of a member up to the first dot of its own name. So
``cat/1.jpg``, ``cat/1.cls`` and ``cat/1.json`` are the sample ``cat/1``.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from impasto.errors import one_line
from impasto.images.files import whole_file, write_whole

_KEY = re.compile(r"((?:.*/|)[^./][^./]*)[.]([^/]*)")


@dataclass(frozen=True, eq=False)
class Member:
    """A file in a tar file.

    Attributes:
        info: its header.
        data: its bytes; b"" for what is no file, such as a folder.
    """

    info: tarfile.TarInfo
    data: bytes

    @property
    def name(self) -> str:
        """Its path in the tar file, without a ``./`` before it."""
        return self.info.name.removeprefix("./")


def key_of(name: str) -> tuple[str, str]:
    """Split the path of a member into key and suffix; a name without a dot is a key of its own.

    Example:
        >>> key_of("cat/1.seg.png"), key_of("README")
        (('cat/1', 'seg.png'), ('README', ''))
    """
    match = _KEY.fullmatch(name)
    return (match[1], match[2]) if match else (name, "")


def read_samples(path: Path) -> Iterator[list[Member]]:
    """Read a tar file, one sample after the other.

    Args:
        path: the file.

    Raises:
        tarfile.ReadError: if it is damaged or cut short, or cannot be read.

    Example:
        >>> for members in read_samples(Path("train-000000.tar")):           # doctest: +SKIP
        ...     print([each.name for each in members])
    """
    sample: list[Member] = []
    key = None
    try:
        with tarfile.open(path, "r:") as tar:
            for info in tar:
                file = tar.extractfile(info) if info.isreg() else None
                member = Member(info, b"" if file is None else file.read())
                if len(member.data) != (info.size if info.isreg() else 0):
                    raise tarfile.ReadError(f"{info.name} is cut short")
                of = key_of(member.name)[0] if info.isreg() else member.name
                if sample and of != key:
                    yield sample
                    sample = []
                key = of
                sample.append(member)
            _check_end(path, tar.offset)
    except OSError as error:
        raise tarfile.ReadError(f"cannot be read ({one_line(error)})") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        text = f"a damaged or cut short tar file ({one_line(error)})"
        raise tarfile.ReadError(text) from error
    if sample:
        yield sample


class TarWriter:
    """Writes members, and hashes all that is written; made by :func:`write_tar`.

    Attributes:
        samples: number of samples, to be counted by who adds them.
        size: of the file, once it is whole.
        sha256: of the file, the same.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._hashed: Any = _Hashed(file)
        self._tar = tarfile.TarFile(fileobj=self._hashed, mode="w", format=tarfile.PAX_FORMAT)
        self.samples, self.size, self.sha256 = 0, 0, ""

    def add(self, info: tarfile.TarInfo, name: str, data: bytes) -> None:
        """Add a member with the rights, owner and time of another one, under a name.

        Args:
            info: the header of that one.
            name: its own.
            data: its bytes.
        """
        header = tarfile.TarInfo(name)
        for each in ("mode", "uid", "gid", "uname", "gname", "mtime", "type", "linkname"):
            setattr(header, each, getattr(info, each))
        header.size = len(data)
        self._tar.addfile(header, io.BytesIO(data) if data else None)

    def close(self) -> None:
        """Write the end."""
        self._tar.close()
        self.size, self.sha256 = self._hashed.size, self._hashed.digest.hexdigest()


@contextmanager
def write_tar(path: Path) -> Iterator[TarWriter]:
    """A tar file to write: it gets its name when the block ends, and then a JSON file beside it.

    The JSON file has the number of samples, the size and the hash.

    Args:
        path: the file; its folder must exist.

    Raises:
        OSError: if it cannot be written.

    Example:
        >>> with write_tar(Path("train-000000.tar")) as tar:                 # doctest: +SKIP
        ...     tar.add(tarfile.TarInfo(), "cat/1.cls", b"0")
        ...     tar.samples += 1
    """
    with whole_file(path, overwrite=True) as file:
        writer = TarWriter(file)
        yield writer
        writer.close()
        file.flush()
        os.fsync(file.fileno())
    facts = {"samples": writer.samples, "size": writer.size, "sha256": writer.sha256}
    write_whole(about_file(path), (json.dumps(facts) + "\n").encode(), overwrite=True)


def about_file(path: Path) -> Path:
    """Return the JSON file beside a tar file.

    Example:
        >>> about_file(Path("train-000000.tar")).name
        'train-000000.json'
    """
    return path.with_suffix(".json")


def _check_end(path: Path, end: int) -> None:
    """Refuse a tar file that has lost its end: two blocks of zeros, which readers do without."""
    with path.open("rb") as file:
        file.seek(end)
        if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
            raise tarfile.ReadError("its end is missing")


class _Hashed(io.RawIOBase):
    """A file that is hashed as it is written."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        self._file.write(data)
        self.digest.update(data)
        self.size += len(data)
        return len(data)
