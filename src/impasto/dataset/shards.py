"""Tar files of samples, as webdataset reads them: read and written in one pass.

A sample is all that has one key: the path of a member up to the first dot of its own name. So
``cat/1.jpg``, ``cat/1.cls`` and ``cat/1.json`` are the sample ``cat/1``.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from impasto.dataset.places import Place
from impasto.errors import one_line

_KEY = re.compile(r"((?:.*/|)[^./][^./]*)[.]([^/]*)")


@dataclass(frozen=True, eq=False)
class Member:
    """A file in a tar file.

    Attributes:
        info: its header.
        data: its bytes; b"" if it is not a file, such as a folder.
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


def read_samples(source: Path | BinaryIO) -> Iterator[list[Member]]:
    """Read a tar file, one sample after the other.

    Args:
        source: the file, or its path.

    Raises:
        tarfile.ReadError: if it is damaged or cut short, or cannot be read.

    Example:
        >>> for members in read_samples(Path("train-000000.tar")):           # doctest: +SKIP
        ...     print([each.name for each in members])
    """
    sample: list[Member] = []
    key = None
    try:
        with ExitStack() as held:
            file = held.enter_context(source.open("rb")) if isinstance(source, Path) else source
            tar = held.enter_context(tarfile.open(fileobj=file, mode="r:"))
            for info in tar:
                member = Member(info, _data(tar, info))
                if len(member.data) != (info.size if info.isreg() else 0):
                    raise tarfile.ReadError(f"{info.name} is cut short")
                of = key_of(member.name)[0] if info.isreg() else member.name
                if sample and of != key:
                    yield sample
                    sample = []
                key = of
                sample.append(member)
            _check_end(file, tar.offset)
    except OSError as error:
        raise tarfile.ReadError(f"cannot be read ({one_line(error)})") from error
    except (tarfile.TarError, EOFError, ValueError) as error:
        text = f"a damaged or cut short tar file ({one_line(error)})"
        raise tarfile.ReadError(text) from error
    if sample:
        yield sample


def samples_of(place: Place, name: str) -> Iterator[list[Member]]:
    """Read a tar file of a data set, as :func:`read_samples` does.

    Raises:
        tarfile.ReadError: as there.
    """
    try:
        file = place.open(name)
    except OSError as error:
        raise tarfile.ReadError(f"cannot be read ({one_line(error)})") from error
    with file:
        yield from read_samples(file)


class TarWriter:
    """Writer of members that hashes all that is written; made by :func:`write_tar`.

    Attributes:
        samples: number of samples, counted by the caller.
        size: size of the complete file.
        sha256: hash of the complete file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._hashed: Any = _Hashed(file)
        self._tar = tarfile.TarFile(fileobj=self._hashed, mode="w", format=tarfile.PAX_FORMAT)
        self.samples, self.size, self.sha256 = 0, 0, ""

    def add(self, info: tarfile.TarInfo, name: str, data: bytes) -> None:
        """Add a member under a name, with the permissions, owner and time of another one.

        Args:
            info: header of the other one.
            name: name of the member.
            data: bytes of the member.
        """
        header = tarfile.TarInfo(name)
        for each in ("mode", "uid", "gid", "uname", "gname", "mtime", "type", "linkname"):
            setattr(header, each, getattr(info, each))
        header.size = len(data)
        self._tar.addfile(header, io.BytesIO(data) if data else None)

    def close(self) -> None:
        """Write the end of the file."""
        self._tar.close()
        self.size, self.sha256 = self._hashed.size, self._hashed.digest.hexdigest()


@contextmanager
def write_tar(place: Place, name: str) -> Iterator[TarWriter]:
    """A tar file to write: it gets its name when the block ends, and then a JSON file beside it.

    The JSON file has the number of samples, the size and the hash.

    Args:
        place: the folder of a data set.
        name: name of the file in it.

    Raises:
        OSError: if it cannot be written.

    Example:
        >>> with write_tar(place, "train-000000.tar") as tar:                # doctest: +SKIP
        ...     tar.add(tarfile.TarInfo(), "cat/1.cls", b"0")
        ...     tar.samples += 1
    """
    with place.whole(name, synced=True) as file:
        writer = TarWriter(file)
        yield writer
        writer.close()
    facts = {"samples": writer.samples, "size": writer.size, "sha256": writer.sha256}
    place.write(about_file(name), (json.dumps(facts) + "\n").encode())


def about_file(name: str) -> str:
    """Return the name of the JSON file beside a tar file.

    Example:
        >>> about_file("train-000000.tar")
        'train-000000.json'
    """
    return f"{posixpath.splitext(name)[0]}.json"


def _data(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    file = tar.extractfile(info) if info.isreg() else None
    return b"" if file is None else file.read()


def _check_end(file: BinaryIO, end: int) -> None:
    """Refuse a tar file without its end: two blocks of zeros, which readers do not require."""
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
