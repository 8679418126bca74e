"""Folders of data sets on remote file systems, by fsspec: ``s3://``, ``gs://``, ``sftp://``, ...

No file has its own name before it is complete:

* an object store (S3, Google, Azure, ...) shows an object only when it is complete, so it is put
  under its own name;
* where files can be renamed (SFTP, HDFS, ``file://``, ...) they are written below
  :data:`WORK`, and moved.

Nothing is appended to, since object stores cannot: lines of a manifest are collected, and written
as separate small files every few seconds, below :data:`WORK` too. The whole manifest replaces them
at the end.

Each process opens its own connection. Failed operations are retried, over a new one. If the whole
place becomes unreachable, that is an error of the run, not of its pictures.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from impasto.errors import DatasetError, one_line
from impasto.images.files import claim

WORK = ".impasto-work"
"""The folder of unfinished files, which exists only until the data set is finished."""

OWN_WORK = "impasto-dataset-"
"""Prefix of the name of a call's folder among the temporary files of this machine."""

# Stores that show an object only when it is complete, and that need no folders.
_STORES = frozenset("s3 s3a gs gcs abfs abfss az oci oss memory".split())

# File systems whose rename replaces an existing file.
_REPLACE = frozenset("file local sftp ssh".split())

# Packages that fsspec needs, where its own messages do not name them.
_PACKAGES = {
    "s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "abfs": "adlfs", "abfss": "adlfs",
    "az": "adlfs", "sftp": "paramiko", "ssh": "paramiko", "http": "aiohttp", "https": "aiohttp",
    "smb": "smbprotocol", "hdfs": "pyarrow", "oci": "ocifs", "oss": "ossfs",
}  # fmt: skip

# Seconds before each retry.
_WAITS = (0.5, 2.0)

# Final errors: a retry would change nothing.
_UNABLE = (NotImplementedError,)
_FINAL = (FileNotFoundError, IsADirectoryError, NotADirectoryError, *_UNABLE)
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ENAMETOOLONG)

# Lines that are not written yet are some seconds of work, and at most a 20th of it.
_SOONEST, _LATEST, _SHARE = 1.0, 30.0, 0.05

_IN_MEMORY, _PIECE = 16 << 20, 1 << 20

# Number of folders whose sizes are cached.
_LISTINGS = 256

# fsspec has no types.
_System = Any
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class _Listed:
    """A file or folder of a listing; see :class:`impasto.dataset.places.Entry`."""

    name: str
    size: int
    folder: bool
    link: bool

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return self.folder and (follow_symlinks or not self.link)

    def is_symlink(self) -> bool:
        return self.link


class _Connection:
    """A file system, opened in this process.

    Args:
        address: address of the folder.

    Attributes:
        system: file system of fsspec.
        root: the folder's path there.
        is_store: whether a file there is either complete or missing.
        renames: whether files can be renamed.
        replaces: whether a rename replaces an existing file.
        protocol: its first name.
    """

    def __init__(self, address: str) -> None:
        try:
            import fsspec
        except ImportError as error:
            raise DatasetError(
                f"{_shown(address)}: addresses need fsspec; pip install 'impasto[remote]'"
            ) from error
        protocol = re.split("::|://", address)[0].lower()
        try:
            # Not a shared connection, whose listings may be old.
            system, root = fsspec.core.url_to_fs(address, skip_instance_cache=True)
        except ImportError as error:
            package = _PACKAGES.get(protocol)
            mend = f"; pip install {package}" if package else ""
            raise DatasetError(
                f"{_shown(address)}: fsspec needs another package for {protocol}:// "
                f"({one_line(error)}){mend}"
            ) from error
        except ValueError as error:
            raise DatasetError(f"{_shown(address)}: cannot be used ({one_line(error)})") from error
        inner = system
        while True:
            if (listings := getattr(inner, "dircache", None)) is not None:
                listings.use_listings_cache = False  # up to a million names, and out of date
            if not isinstance(within := getattr(inner, "fs", None), fsspec.AbstractFileSystem):
                break
            inner = within  # dir::, simplecache:: and the like
        of = inner.protocol
        protocols = {of} if isinstance(of, str) else set(of)
        # In dir:: names are relative to the folder already.
        self.system, self.root = system, "" if protocol == "dir" else str(root).rstrip("/")
        self.protocol = of if isinstance(of, str) else of[0]
        self.is_store = bool(protocols & _STORES)
        inherited = type(inner).mv is fsspec.AbstractFileSystem.mv  # copies, and removes
        self.renames = not self.is_store and not inherited
        self.replaces = bool(protocols & _REPLACE)
        self._folders: set[str] = set()

    def at(self, name: str) -> str:
        """The path of a file."""
        return f"{self.root}/{name}" if name else self.root or self.system.root_marker or "/"

    def make_folder(self, path: str) -> None:
        """Make a folder, once, if the system has folders."""
        if not self.is_store and path not in self._folders:
            with suppress(NotImplementedError):  # a store that is not known by name
                self.system.makedirs(path, exist_ok=True)
            self._folders.add(path)

    def forget_folders(self) -> None:
        """Make folders again: they may have been removed."""
        self._folders.clear()

    def either(self, name: str, read: Callable[[str], _Found]) -> _Found:
        """Read a file, or the one that it was to replace."""
        try:
            return read(self.at(name))
        except FileNotFoundError:
            if not self.renames or self.replaces:
                raise
            return read(self._before(self.at(name)))

    def put(self, name: str, put: Callable[[str], object]) -> None:
        """Write a file, under another name if necessary, and move it when it is complete."""
        target = self.at(name)
        self.make_folder(target.rpartition("/")[0])
        if self.is_store:
            put(target)
            return
        if not self.renames:
            try:
                put(target)
            except BaseException:
                with suppress(Exception):
                    self.system.rm_file(target)
                raise
            return
        self.make_folder(self.at(WORK))
        hidden = f"{self.at(WORK)}/{secrets.token_hex(8)}.partial"
        try:
            put(hidden)
            self._move(hidden, target)
        except BaseException:
            with suppress(Exception):
                self.system.rm_file(hidden)
            raise

    def _before(self, target: str) -> str:
        """The name that a file has while it is being replaced."""
        digest = hashlib.sha256(target.encode("utf-8", "surrogateescape")).hexdigest()[:16]
        return f"{self.at(WORK)}/{digest}.before"

    def _move(self, hidden: str, target: str) -> None:
        if self.replaces or not self.system.exists(target):
            self.system.mv(hidden, target)
        else:
            before = self._before(target)
            with suppress(FileNotFoundError):
                self.system.rm_file(before)
            self.system.mv(target, before)
            self.system.mv(hidden, target)
            with suppress(Exception):  # the next call, or the end, removes it
                self.system.rm_file(before)
        if not self.replaces and self.system.exists(hidden):  # WebHDFS does not report a failure
            raise OSError(f"{hidden} could not be renamed")


@lru_cache(maxsize=8)
def _connected(address: str, process: int) -> _Connection:
    """A connection of this process: those of other processes must not be used."""
    return _Connection(address)


@dataclass(frozen=True)
class RemotePlace:
    """A folder on a remote file system; see :class:`impasto.dataset.places.Place`.

    Attributes:
        address: as fsspec takes it.
    """

    address: str

    def __str__(self) -> str:
        return _shown(self._base)

    @property
    def name(self) -> str:
        """See :attr:`impasto.dataset.places.Place.name`."""
        return self._base.rpartition("/")[2]

    @property
    def parent(self) -> RemotePlace:
        """See :attr:`impasto.dataset.places.Place.parent`."""
        return RemotePlace(self._base.removesuffix(self.name))

    @property
    def _base(self) -> str:
        base = self.address.rstrip("/")
        return self.address if base.endswith(":") else base  # memory://, file:///

    def absolute(self) -> RemotePlace:
        """See :meth:`impasto.dataset.places.Place.absolute`."""
        return self

    def shown(self, name: str) -> str:
        """See :meth:`impasto.dataset.places.Place.shown`."""
        slash = "" if self._base.endswith("/") or not name else "/"
        return f"{self}{slash}{name}"

    def where(self, name: str = "") -> str:
        """See :meth:`impasto.dataset.places.Place.where`."""

        def found(to: _Connection) -> str:
            if type(to.system).__name__ == "LocalFileSystem":  # the same folder may have a path too
                return os.path.realpath(to.at(name))
            host = to.system.storage_options.get("host", "")
            return f"{to.protocol}://{host}/{to.at(name).strip('/')}"

        return self._do(found)

    def path(self, name: str) -> None:
        """See :meth:`impasto.dataset.places.Place.path`."""

    def exists(self) -> bool:
        """See :meth:`impasto.dataset.places.Place.exists`."""
        return self._kind() != ""

    def is_file(self) -> bool:
        """See :meth:`impasto.dataset.places.Place.is_file`."""
        return self._kind() == "file"

    def is_used(self) -> bool:
        """See :meth:`impasto.dataset.places.Place.is_used`."""
        try:
            return any(not each.name.startswith(".") for each in self.entries())
        except FileNotFoundError:
            return False

    def make(self) -> None:
        """See :meth:`impasto.dataset.places.Place.make`."""
        self._do(lambda to: to.make_folder(to.root))

    def entries(self, below: str = "") -> Sequence[_Listed]:
        """See :meth:`impasto.dataset.places.Place.entries`."""
        return self._listed(below)

    def sizes(self) -> Callable[[str], int]:
        """See :meth:`impasto.dataset.places.Place.sizes`: a listing for each folder."""

        @lru_cache(_LISTINGS)
        def listed(folder: str) -> dict[str, int]:
            try:
                return {each.name: each.size for each in self._listed(folder) if not each.folder}
            except OSError:
                return {}

        def size(name: str) -> int:
            folder, _, own = name.rpartition("/")
            return listed(folder).get(own, -1)

        return size

    def picture(self, name: str) -> BinaryIO:
        """See :meth:`impasto.dataset.places.Place.picture`."""
        stream = io.BytesIO(self.read(name))
        stream.name = name
        return stream

    def open(self, name: str) -> BinaryIO:
        """See :meth:`impasto.dataset.places.Place.open`: all of it is fetched."""
        file: Any = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 (the caller closes it)
        found: BinaryIO = file

        def fetch(to: _Connection, path: str) -> None:
            found.seek(0)
            found.truncate()
            with to.system.open(path, "rb") as stored:
                shutil.copyfileobj(stored, found, _PIECE)

        try:
            self._do(lambda to: to.either(name, lambda path: fetch(to, path)))
            found.seek(0)
        except BaseException:
            found.close()
            raise
        return found

    def read(self, name: str) -> bytes:
        """See :meth:`impasto.dataset.places.Place.read`."""
        return bytes(self._do(lambda to: to.either(name, to.system.cat_file)))

    def write(self, name: str, data: bytes) -> None:
        """See :meth:`impasto.dataset.places.Place.write`."""
        self._do(lambda to: to.put(name, lambda path: to.system.pipe_file(path, data)), _UNABLE)

    @contextmanager
    def whole(self, name: str, *, synced: bool = False) -> Iterator[BinaryIO]:
        """See :meth:`impasto.dataset.places.Place.whole`: all of it is sent at the end."""
        # With a name: SFTP clients send a nameless file, /proc/self/fd/5, as a link. On the call's
        # machine it is in the call's folder, which is removed with it, or with the next one.
        own = self._own_folder()
        folder = own if own.is_dir() and _is_ours(own) else None
        with tempfile.NamedTemporaryFile(prefix=OWN_WORK, dir=folder) as temporary:
            file: Any = temporary
            yield file
            file.flush()

            def send(to: _Connection) -> None:
                to.put(name, lambda there: to.system.put_file(file.name, there))

            self._do(send, _UNABLE)

    @contextmanager
    def working(self, name: str, marks: str) -> Iterator[Path | None]:
        """See :meth:`impasto.dataset.places.Place.working`: locked for calls of this machine."""
        own = self._own_folder()
        own.mkdir(mode=0o700, exist_ok=True)
        if not _is_ours(own):
            raise PermissionError(errno.EACCES, f"{own} belongs to another user")
        with claim(own / name) as ours:
            try:
                yield own / marks if ours else None
            finally:
                if ours:
                    shutil.rmtree(own, ignore_errors=True)

    def log(self, name: str) -> RemoteLog:
        """See :meth:`impasto.dataset.places.Place.log`."""
        return RemoteLog(self, name)

    @contextmanager
    def lines(self, name: str) -> Iterator[BinaryIO]:
        """See :meth:`impasto.dataset.places.Place.lines`."""
        with tempfile.TemporaryFile() as temporary:
            file: Any = temporary
            if self.gather(name, file) < 0:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            file.seek(0)
            yield file

    def gather(self, name: str, file: BinaryIO) -> int:
        """Write a file of lines, and the lines that came later, into a local file.

        Returns:
            The number of the last part of later lines, 0 if there is none, -1 without any lines.
        """
        last = -1
        with suppress(FileNotFoundError):
            with self.open(name) as whole:
                shutil.copyfileobj(whole, file, _PIECE)
            last = 0
        parts: list[str] = []
        with suppress(FileNotFoundError):
            parts = [each.name for each in self._listed(_parts(name))]
        for part in parts:
            with suppress(FileNotFoundError):  # another call has finished meanwhile
                file.write(self.read(f"{_parts(name)}/{part}"))
            last = max(last, int(part.partition("-")[0]))
        return last

    def remove_work(self) -> None:
        """Remove unfinished files."""

        def remove(to: _Connection) -> None:
            to.forget_folders()
            to.system.rm(to.at(WORK), recursive=True)

        with suppress(OSError):
            self._do(remove)

    def _own_folder(self) -> Path:
        """The folder that a call of this user has for this place on this machine."""
        user = getattr(os, "getuid", lambda: "")()
        digest = hashlib.sha256(f"{user} {self.where()}".encode("utf-8", "replace")).hexdigest()
        return Path(tempfile.gettempdir()) / f"{OWN_WORK}{digest[:16]}"

    def _listed(self, below: str) -> list[_Listed]:
        def found(to: _Connection) -> list[_Listed]:
            folder = to.at(below)
            names: dict[str, _Listed] = {}
            for each in to.system.ls(folder, detail=True):
                path = str(each["name"]).rstrip("/")
                name, kind = path.rpartition("/")[2], each.get("type")
                if not name or path.strip("/") == folder.strip("/"):
                    continue  # the mark of an empty folder in a store
                link = bool(each.get("islink")) or kind == "link"
                if link or kind not in ("file", "directory"):
                    kind = "directory" if to.system.isdir(path) else "file"
                size = each.get("size")
                names[name] = _Listed(
                    name, -1 if size is None else int(size), kind == "directory", link
                )
            return [names[name] for name in sorted(names)]

        return self._do(found)

    def _kind(self) -> str:
        """``file``, ``directory``, or "" if nothing is there."""
        try:
            return str(self._do(lambda to: to.system.info(to.at("")))["type"])
        except FileNotFoundError:
            return ""

    def _do(
        self, what: Callable[[_Connection], _Found], final: tuple[type[Exception], ...] = _FINAL
    ) -> _Found:
        """Perform an operation there, and retry it unless the error is final.

        Raises:
            OSError: if it cannot be done.
            DatasetError: if no operation is possible.
        """
        for wait in (*_WAITS, None):
            try:
                return what(_connected(self.address, os.getpid()))
            except DatasetError:
                raise
            except final as error:
                raise _plain(error) from error
            except Exception as error:  # each system has errors of its own
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                _connected.cache_clear()
                if wait is None or isinstance(error, PermissionError):
                    self._check()
                    raise _plain(error) from error
            time.sleep(wait)
        raise AssertionError

    def _check(self) -> None:
        """Check that the place can be reached.

        Raises:
            DatasetError: if it cannot.
        """
        try:
            to = _connected(self.address, os.getpid())
            to.system.info(to.at(""))
        except FileNotFoundError:  # nothing has been written yet
            return
        except DatasetError:
            raise
        except Exception as error:
            raise DatasetError(
                f"{self}: cannot be reached ({one_line(error)}); finished pictures are kept: run "
                "the same command again to resume"
            ) from error


class RemoteLog:
    """Lines on a remote file system; see :class:`impasto.dataset.places.Log`.

    All of them are in a file without a name on this machine; new ones are written to the remote
    file system too, as numbered parts.

    Args:
        place: the folder.
        name: name of the file that gets the lines at the end.
    """

    def __init__(self, place: RemotePlace, name: str) -> None:
        self._place, self._name = place, name
        file: Any = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the log)
        self._file: BinaryIO = file
        self._number = max(0, place.gather(name, self._file))
        self._new = b""
        self._finished = False
        self._begun = time.monotonic()
        self._written = self._begun - _LATEST  # the first lines are written at once

    def add(self, lines: bytes) -> None:
        """See :meth:`impasto.dataset.places.Log.add`."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(lines)
        self._new += lines
        now = time.monotonic()
        if now - self._written >= min(_LATEST, _SOONEST + _SHARE * (now - self._begun)):
            self._publish()

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """See :meth:`impasto.dataset.places.Log.reading`."""
        self._file.seek(0)
        yield self._file

    @contextmanager
    def ordered(self) -> Iterator[BinaryIO]:
        """See :meth:`impasto.dataset.places.Log.ordered`."""
        with self._place.whole(self._name) as file:
            yield file
        self._new, self._finished = b"", True
        self._place.remove_work()

    def close(self) -> None:
        """See :meth:`impasto.dataset.places.Log.close`."""
        with suppress(OSError, DatasetError):  # an error is ending the call already
            self._publish()
        if self._finished:  # later writes have made the folder again
            self._place.remove_work()
        self._file.close()

    def _publish(self) -> None:
        """Write the lines that were not published yet."""
        if not self._new:
            return
        self._number += 1
        # Calls of other machines, which cannot see this one, must not use its names.
        name = f"{self._number:08d}-{secrets.token_hex(4)}.jsonl"
        self._place.write(f"{_parts(self._name)}/{name}", self._new)
        self._new, self._written = b"", time.monotonic()


def _is_ours(path: Path) -> bool:
    """Return whether a file or folder belongs to the user of this process."""
    return path.lstat().st_uid == getattr(os, "getuid", lambda: 0)()


def _parts(name: str) -> str:
    """The folder of the parts of a file of lines."""
    return f"{WORK}/{name}"


def _shown(address: str) -> str:
    """An address without a password, in one line."""
    return one_line(re.sub(r"(://[^/@:]*):[^/@]*@", r"\1:***@", address))


def _plain(error: Exception) -> OSError:
    """Convert an error of any system to one of ours, which names no path there."""
    for kind, number in ((FileNotFoundError, errno.ENOENT), (PermissionError, errno.EACCES)):
        if isinstance(error, kind):
            return kind(number, os.strerror(number))
    if isinstance(error, NotImplementedError):
        return OSError(errno.EOPNOTSUPP, "this file system does not support writing")
    return error if isinstance(error, OSError) else OSError(None, one_line(error))
