"""Folders of data sets, on this machine or on a remote file system: all operations on files.

The rest of the package names files relative to such a folder, with ``/``, independent of where it
is. A folder can be pickled: it holds a path or an address, and no open files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO, Protocol, TypeAlias

from impasto.images.files import claim, remove_leftovers, whole_file, write_whole

__all__ = ["Entry", "Given", "LocalPlace", "Log", "Place", "as_place"]

# s3://bucket/train, or chained: dir::file:///shared. Not a drive of Windows, which has one letter.
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[^/]+)*://")


class Entry(Protocol):
    """A file or folder in a folder; :class:`os.DirEntry` is one."""

    @property
    def name(self) -> str:
        """Its own name, without the folder."""
        ...

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        """Return True for a folder."""
        ...

    def is_symlink(self) -> bool:
        """Return True for a link."""
        ...


class Log(Protocol):
    """Lines that are added while a data set is made, and survive the end of this process."""

    def add(self, lines: bytes) -> None:
        """Append whole lines.

        Raises:
            OSError: if that fails.
            ImpastoError: the same, of a remote file system.
        """
        ...

    def reading(self) -> AbstractContextManager[BinaryIO]:
        """All lines so far, to be read before the next ones are added."""
        ...

    def ordered(self) -> AbstractContextManager[BinaryIO]:
        """A file of lines that replaces all of them when the block ends, and ends the log."""
        ...

    def close(self) -> None:
        """Close it; what was added stays."""
        ...


class Place(Protocol):
    """A folder of a data set; ``str()`` is its name for messages.

    Names are relative to it. Methods raise :class:`OSError` for an error of one file, and
    :class:`impasto.errors.ImpastoError` for an error of the whole place.
    """

    @property
    def name(self) -> str:
        """Its own name."""
        ...

    @property
    def parent(self) -> Place:
        """The folder around it."""
        ...

    def absolute(self) -> Place:
        """Return the folder as every process finds it, whatever its working folder."""
        ...

    def shown(self, name: str) -> str:
        """Return the name of a file for messages."""
        ...

    def where(self, name: str = "") -> str:
        """Return the canonical name of a file or folder that has several, such as by links."""
        ...

    def path(self, name: str) -> Path | None:
        """Return the path of a file of this machine; None on a remote file system."""
        ...

    def exists(self) -> bool:
        """Return True if it exists."""
        ...

    def is_file(self) -> bool:
        """Return True if it is a file and not a folder."""
        ...

    def is_used(self) -> bool:
        """Return True if it contains anything but hidden files."""
        ...

    def make(self) -> None:
        """Make the folder, and its parents, unless it exists."""
        ...

    def entries(self, below: str = "") -> Sequence[Entry]:
        """List a folder in it, in the order of names."""
        ...

    def sizes(self) -> Callable[[str], int]:
        """Return a function that returns the current size of a file, -1 for none."""
        ...

    def picture(self, name: str) -> Path | BinaryIO:
        """Return a picture as :func:`impasto.images.sources.open_picture` takes it."""
        ...

    def open(self, name: str) -> BinaryIO:
        """Open a file for reading."""
        ...

    def read(self, name: str) -> bytes:
        """Read a whole file."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Write a file, which gets its name only when it is complete; folders are made."""
        ...

    def whole(self, name: str, *, synced: bool = False) -> AbstractContextManager[BinaryIO]:
        """A file to write piece by piece: it gets its name when the block ends without an error.

        Args:
            name: name of the file; folders are made.
            synced: whether it is synced to the disk before it gets its name.
        """
        ...

    def working(self, name: str, marks: str) -> AbstractContextManager[Path | None]:
        """Lock the folder for one call.

        Args:
            name: name of the file that the call makes.
            marks: name of the folder for marks of workers.

        Yields:
            The folder for marks, which is on this machine; None if another call holds the place.
        """
        ...

    def log(self, name: str) -> Log:
        """Open a file of lines for appending, without a partial line at its end."""
        ...

    def lines(self, name: str) -> AbstractContextManager[BinaryIO]:
        """All lines of such a file, for reading, even while a call adds to it."""
        ...


Given: TypeAlias = "str | os.PathLike[str] | Place"
"""A folder as a user names it: a path, or an address such as ``s3://bucket/train``."""


def as_place(given: Given) -> Place:
    """Return the folder that a path or an address names; nothing is opened.

    Example:
        >>> as_place("holiday").shown("1.jpg"), as_place("s3://bucket/train/").shown("1.jpg")
        ('holiday/1.jpg', 's3://bucket/train/1.jpg')
    """
    if isinstance(given, str) and _ADDRESS.match(given):
        from impasto.dataset.remote import RemotePlace

        return RemotePlace(given)
    return LocalPlace(Path(given)) if isinstance(given, str | os.PathLike) else given


@dataclass(frozen=True)
class LocalPlace:
    """A folder of this machine; see :class:`Place`.

    Attributes:
        folder: its path.
    """

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def name(self) -> str:
        """See :attr:`Place.name`."""
        return self.folder.name

    @property
    def parent(self) -> LocalPlace:
        """See :attr:`Place.parent`."""
        return LocalPlace(self.folder.parent)

    def absolute(self) -> LocalPlace:
        """See :meth:`Place.absolute`."""
        return LocalPlace(self.folder.absolute())

    def shown(self, name: str) -> str:
        """See :meth:`Place.shown`."""
        return str(self.folder / name)

    def where(self, name: str = "") -> str:
        """See :meth:`Place.where`."""
        return os.path.realpath(self.folder / name)

    def path(self, name: str) -> Path | None:
        """See :meth:`Place.path`."""
        return self.folder / name

    def exists(self) -> bool:
        """See :meth:`Place.exists`."""
        return self.folder.exists()

    def is_file(self) -> bool:
        """See :meth:`Place.is_file`."""
        return self.folder.is_file()

    def is_used(self) -> bool:
        """See :meth:`Place.is_used`."""
        return any(not each.name.startswith(".") for each in self.folder.iterdir())

    def make(self) -> None:
        """See :meth:`Place.make`."""
        self.folder.mkdir(parents=True, exist_ok=True)

    def entries(self, below: str = "") -> Sequence[Entry]:
        """See :meth:`Place.entries`."""
        with os.scandir(self.folder / below) as entries:
            return sorted(entries, key=lambda each: each.name)

    def sizes(self) -> Callable[[str], int]:
        """See :meth:`Place.sizes`."""

        def size(name: str) -> int:
            try:
                return os.stat(self.folder / name).st_size  # noqa: PTH116 (Path is slow for many)
            except (OSError, ValueError):
                return -1

        return size

    def picture(self, name: str) -> Path:
        """See :meth:`Place.picture`."""
        return self.folder / name

    def open(self, name: str) -> BinaryIO:
        """See :meth:`Place.open`."""
        return (self.folder / name).open("rb")

    def read(self, name: str) -> bytes:
        """See :meth:`Place.read`."""
        return (self.folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """See :meth:`Place.write`."""
        write_whole(self._made(name), data, overwrite=True)

    @contextmanager
    def whole(self, name: str, *, synced: bool = False) -> Iterator[BinaryIO]:
        """See :meth:`Place.whole`."""
        with whole_file(self._made(name), overwrite=True) as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())

    @contextmanager
    def working(self, name: str, marks: str) -> Iterator[Path | None]:
        """See :meth:`Place.working`."""
        with claim(self.folder / name) as ours:
            yield self.folder / marks if ours else None

    def log(self, name: str) -> LocalLog:
        """See :meth:`Place.log`."""
        found = LocalLog(self, name)
        remove_leftovers(self.folder)
        return found

    @contextmanager
    def lines(self, name: str) -> Iterator[BinaryIO]:
        """See :meth:`Place.lines`."""
        with self.open(name) as file:
            yield file

    def _made(self, name: str) -> Path:
        """The path of a file, whose folder is made."""
        path = self.folder / name
        _make_folder(path.parent)
        return path


class LocalLog:
    """A file to which lines are appended, and synced; see :class:`Log`.

    Args:
        place: its folder.
        name: name of the file; a partial line that a killed call has left is removed.

    Raises:
        OSError: if it cannot be written.
    """

    def __init__(self, place: LocalPlace, name: str) -> None:
        self._place, self._name = place, name
        path = place.folder / name
        self._file = path.open("ab")
        size = self._file.tell()
        with path.open("rb") as before:
            while size:
                start = max(0, size - 65_536)
                before.seek(start)
                end = before.read(size - start).rfind(b"\n") + 1
                if end:
                    size = start + end
                    break
                size = start
        self._file.truncate(size)

    def add(self, lines: bytes) -> None:
        """See :meth:`Log.add`."""
        self._file.write(lines)
        self._file.flush()
        os.fsync(self._file.fileno())

    def reading(self) -> AbstractContextManager[BinaryIO]:
        """See :meth:`Log.reading`."""
        return self._place.lines(self._name)

    @contextmanager
    def ordered(self) -> Iterator[BinaryIO]:
        """See :meth:`Log.ordered`."""
        self._file.close()
        with self._place.whole(self._name, synced=True) as file:
            yield file

    def close(self) -> None:
        """See :meth:`Log.close`."""
        self._file.close()


@cache
def _make_folder(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
