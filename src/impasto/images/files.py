"""Write a file completely or not at all, and remove leftovers of killed calls.

A file is created without a name where the system can do that (``O_TMPFILE``), else under a hidden
one, and gets its name when it is complete. A hidden file is locked (``flock``) as long as its maker
lives: the kernel frees the lock however a call ends, so a hidden file without one is a leftover.
"""

from __future__ import annotations

import errno
import hashlib
import os
import platform
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

_PREFIX, _SUFFIX = ".impasto-", ".partial"

_BINARY, _NOFOLLOW = getattr(os, "O_BINARY", 0), getattr(os, "O_NOFOLLOW", 0)

# Locks of another machine on a network drive, or of an earlier boot of this system, may not be
# visible here: such a file is a leftover only if nothing has been written for a day.
_FOREIGN_SECONDS = 24 * 3600.0

# A call that checks for leftovers locks a file for microseconds; a call that meets it tries again.
_PATIENCE_SECONDS = 0.1


def write_whole(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write ``data`` to ``path``; a failure leaves no partial file.

    Args:
        path: the file; its folder must exist.
        data: the full content.
        overwrite: replace an existing file. Its mode stays, and its owner where that is allowed. A
            symbolic link stays too: the file that it points to is replaced, or created. Other hard
            links keep the old file.

    Raises:
        FileExistsError: if the name is taken and ``overwrite`` is not set, even if it was taken
            only a moment ago.
        OSError: if it cannot be written, as when the disk is full.
        ValueError: if the name holds a zero byte.

    Example:
        >>> write_whole(Path("note.txt"), b"ready", overwrite=True)          # doctest: +SKIP
    """
    with whole_file(path, overwrite=overwrite) as file:
        file.write(data)


@contextmanager
def whole_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Open a file to write in pieces, which gets its name when the block ends without an error.

    Args:
        path: as for :func:`write_whole`.
        overwrite: the same.

    Raises:
        FileExistsError: as :func:`write_whole`.
        OSError: the same.
        ValueError: the same.

    Example:
        >>> with whole_file(Path("note.txt"), overwrite=True) as file:       # doctest: +SKIP
        ...     file.write(b"ready")
    """
    target = destination(path) if overwrite else path
    look_through(target.parent)
    hidden, handle = target.with_name(_hidden_name()), _open_nameless(target.parent)
    nameless = handle is not None
    if handle is None:
        handle, hidden = _open_hidden(target)
    with (
        _named_at_end(handle, hidden, target, overwrite=overwrite, nameless=nameless),
        # A second handle, since closing reports the last errors and the lock must outlive it.
        os.fdopen(os.dup(handle), "wb") as file,
    ):
        yield file


@contextmanager
def whole_path(path: Path, *, overwrite: bool) -> Iterator[Path]:
    """Yield a hidden name to write a file under, for libraries that open files by name.

    The file gets its own name when the block ends, without an error.

    Args:
        path: as for :func:`write_whole`.
        overwrite: the same.

    Raises:
        FileExistsError: as :func:`write_whole`.
        OSError: the same.
        ValueError: the same.

    Example:
        >>> with whole_path(Path("clip.mp4"), overwrite=True) as hidden:     # doctest: +SKIP
        ...     encode(hidden)
    """
    target = destination(path) if overwrite else path
    look_through(target.parent)
    handle, hidden = _open_hidden(target)
    with _named_at_end(handle, hidden, target, overwrite=overwrite):
        yield hidden


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a hidden folder to fill, which replaces ``path`` when the block ends without an error.

    Args:
        path: the folder; its parent must exist. If it exists, it is replaced with all its
            contents. A symbolic link stays, as for :func:`write_whole`.

    Raises:
        BlockingIOError: if another running call is filling it.
        OSError: if it cannot be written.
        ValueError: if the name holds a zero byte.

    Example:
        >>> with whole_folder(Path("site")) as hidden:                       # doctest: +SKIP
        ...     (hidden / "index.html").write_text("ready")
    """
    target = destination(path.absolute())  # "." has no name otherwise
    digest = hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]
    hidden, before = (
        target.with_name(f"{_PREFIX}{part}-{digest}{_SUFFIX}") for part in ("folder", "before")
    )
    with claim(target) as ours:
        if not ours:
            raise BlockingIOError(errno.EAGAIN, "another run is writing it")
        # Leftovers of a killed call, since no other call can hold the lock.
        if before.is_dir() and not target.exists():
            before.rename(target)
        for left in (hidden, before):
            if left.is_dir():
                shutil.rmtree(left)
        hidden.mkdir()
        try:
            yield hidden
            if target.exists():
                target.rename(before)
            try:
                hidden.rename(target)
            except OSError:
                if before.is_dir():
                    before.rename(target)
                raise
        finally:
            for left in (hidden, before):
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def claim(path: Path) -> Iterator[bool]:
    """Hold the name of a result while it is made, so that no other call makes it at the same time.

    Where the system has no locks, every call gets every name.

    Args:
        path: the result; its folder must exist.

    Yields:
        True if this call holds the name; False if another running call does.

    Example:
        >>> with claim(Path("out.png")) as ours:                             # doctest: +SKIP
        ...     print(ours)
        True
    """
    digest = hashlib.sha256(os.fsencode(path.name)).hexdigest()[:16]
    hidden = path.with_name(f"{_PREFIX}claim-{digest}{_SUFFIX}")
    until = time.monotonic() + _PATIENCE_SECONDS
    handle: int | None = None
    ours = True
    look_through(path.parent)
    try:
        while True:
            try:
                opened = _open_shared(hidden, os.O_CREAT)
            except OSError:  # writing the result will report any problem there
                break
            locked = _lock(opened)
            if locked is not False and _is_at(hidden, opened):
                handle = opened
                break
            os.close(opened)  # held by another call, or just given up by it
            if time.monotonic() > until:
                ours = locked is not False
                break
            time.sleep(_PATIENCE_SECONDS / 10)
        yield ours
    finally:
        if handle is not None:
            with suppress(OSError):
                hidden.unlink(missing_ok=True)
            os.close(handle)


def destination(path: Path) -> Path:
    """Return the file that a name refers to: the target of a symbolic link, even if it is missing.

    Raises:
        OSError: if the links form a cycle, or point into a missing folder.
        ValueError: if the name holds a zero byte.

    Example:
        >>> destination(Path("no-link.png"))
        PosixPath('no-link.png')
    """
    if not path.is_symlink():
        return path
    target = Path(os.path.realpath(path))
    if target.is_symlink():  # where realpath() gives up
        raise OSError(errno.ELOOP, "it is a link that points back to itself")
    if not target.parent.is_dir():
        raise FileNotFoundError(
            errno.ENOENT, f"it is a link into {target.parent}, which is not a folder; make it first"
        )
    return target


def remove_leftovers(folder: Path) -> None:
    """Remove the hidden files of calls that were killed; those of running calls stay.

    Args:
        folder: the folder, without its subfolders; it may be missing.

    Example:
        >>> remove_leftovers(Path("painted"))
    """
    try:
        with os.scandir(folder) as entries:
            names = [each.name for each in entries if each.name.startswith(_PREFIX)]
    except (OSError, ValueError):
        return
    for name in names:
        if name.endswith(_SUFFIX):
            with suppress(OSError):  # of another user, or removed by another call
                _remove_if_left(folder / name)


def look_through(folder: Path) -> None:
    """Remove leftovers once per process, since listing a folder for each of its results is slow.

    Example:
        >>> look_through(Path("painted"))
    """
    with suppress(ValueError):  # a zero byte in the name
        _look_through_once(os.path.realpath(folder))


@lru_cache(maxsize=1024)
def _look_through_once(folder: str) -> None:
    remove_leftovers(Path(folder))


def _remove_if_left(path: Path) -> None:
    handle = _open_shared(path, getattr(os, "O_NONBLOCK", 0))
    try:
        found, locked = os.fstat(handle), _lock(handle)
        if locked is False or not stat.S_ISREG(found.st_mode):
            return
        ours = locked and path.name.startswith((f"{_PREFIX}claim-", f"{_PREFIX}{_machine()}-"))
        if (ours or time.time() - found.st_mtime > _FOREIGN_SECONDS) and _is_at(path, handle):
            path.unlink()
    finally:
        os.close(handle)


def _open_shared(path: Path, flags: int) -> int:
    """Open a file that may be another user's, for a lock: for writing, where that is allowed."""
    try:
        return os.open(path, os.O_RDWR | _NOFOLLOW | flags, 0o666)
    except PermissionError:
        return os.open(path, os.O_RDONLY | _NOFOLLOW | flags & ~os.O_CREAT)


def _is_at(path: Path, handle: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(handle))
    except OSError:
        return False


def _hidden_name() -> str:
    return f"{_PREFIX}{_machine()}-{secrets.token_hex(8)}{_SUFFIX}"


@lru_cache
def _machine() -> str:
    """Identify the running system, whose locks are visible here, in all its containers."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
    except OSError:
        text = platform.node()
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _open_nameless(folder: Path) -> int | None:
    """Open a new file without a name, which cannot become a leftover; None if unsupported."""
    if not hasattr(os, "O_TMPFILE"):
        return None
    try:
        handle = os.open(folder, os.O_RDWR | os.O_TMPFILE, 0o666)
    except OSError:  # unsupported; if nothing can be written, a named file reports it
        return None
    if os.path.lexists(f"/proc/self/fd/{handle}"):
        _lock(handle)  # before it has a name, so that no call treats it as a leftover
        return handle
    os.close(handle)
    return None


def _open_hidden(target: Path) -> tuple[int, Path]:
    """Open and lock a new file under a hidden name in the folder of ``target``."""
    while True:
        hidden = target.with_name(_hidden_name())
        # With the mode of any new file: the tempfile module's are closed to group and others.
        handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | _BINARY, 0o666)
        if _lock(handle) is not False and os.path.lexists(hidden):
            return handle, hidden
        os.close(handle)  # removed as a leftover in the moment before it was locked


@contextmanager
def _named_at_end(
    handle: int, hidden: Path, target: Path, *, overwrite: bool, nameless: bool = False
) -> Iterator[None]:
    """Name a hidden or nameless file when the block ends without an error, and close it."""
    held: int | None = handle
    try:
        yield
        if overwrite:
            _keep_rights(handle, target)
        if nameless and _name_nameless(handle, hidden, target, overwrite=overwrite):
            return
        if os.name == "nt":  # where an open file cannot be renamed
            os.close(handle)
            held = None
        if overwrite:
            hidden.replace(target)
        else:
            _rename_to_new(hidden, target)
    finally:
        with suppress(OSError, ValueError):  # the first error is the one to report
            hidden.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


def _name_nameless(handle: int, hidden: Path, target: Path, *, overwrite: bool) -> bool:
    """Name a nameless file and return True, or give it the hidden name to be renamed from."""
    if not overwrite:
        try:
            _link_nameless(handle, target)
        except FileExistsError:
            raise
        except OSError:
            pass
        else:
            return True
    try:
        _link_nameless(handle, hidden)
    except OSError:  # a system that cannot name such files after all: a copy
        with hidden.open("xb") as copy, os.fdopen(os.dup(handle), "rb") as made:
            made.seek(0)
            shutil.copyfileobj(made, copy)
            os.fchmod(copy.fileno(), stat.S_IMODE(os.fstat(handle).st_mode))
    return False


def _link_nameless(handle: int, path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Only with a folder's handle does this call linkat(), which can follow the link in /proc.
        os.link(f"/proc/self/fd/{handle}", path.name, dst_dir_fd=folder, follow_symlinks=True)
    finally:
        os.close(folder)


def _rename_to_new(hidden: Path, path: Path) -> None:
    """Give the finished file its name unless it is taken: rename() would replace, link() not."""
    try:
        path.hardlink_to(hidden)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # no hard links: FAT, some network folders
        path.open("xb").close()
        try:
            hidden.replace(path)
        except OSError:
            path.unlink()
            raise


def _keep_rights(handle: int, target: Path) -> None:
    """Give a file the owner and the mode of the file that it will replace, where allowed."""
    try:
        before = target.stat()
    except FileNotFoundError:
        return
    if os.name == "nt":
        return
    try:
        os.fchown(handle, before.st_uid, before.st_gid)
    except OSError:  # only root can change the owner
        with suppress(OSError):
            os.fchown(handle, -1, before.st_gid)
    with suppress(OSError):  # no modes: FAT
        os.fchmod(handle, stat.S_IMODE(before.st_mode))


if sys.platform == "win32":

    def _lock(handle: int) -> bool | None:
        return None

else:
    import fcntl

    def _lock(handle: int) -> bool | None:
        """Lock an open file; False if another call holds it, None where there are no locks."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return None
        return True
