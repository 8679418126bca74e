"""Write a file whole or not at all: under a temporary name first, then renamed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, data: bytes, *, overwrite: bool) -> None:
    """Write ``data`` to ``path``; whatever fails, nothing half-written is left.

    Args:
        path: the file; its folder must exist.
        data: all of it.
        overwrite: replace a file that is there.

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
    """A file to write piece by piece: it gets its name when the block ends, without an error.

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
    # Created as any file is: what the tempfile module makes is closed to the group and to others.
    temporary = path.with_name(f".impasto-{secrets.token_hex(8)}.partial")
    try:
        with temporary.open("xb") as file:
            yield file
        if overwrite:
            temporary.replace(path)
        else:
            _rename_to_new(temporary, path)
    finally:
        with suppress(OSError, ValueError):  # the first error is the one to tell
            temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Give the finished file its name unless it is taken: rename() would replace, link() not."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # no hard links here: FAT, some network folders
        path.open("xb").close()
        try:
            temporary.replace(path)
        except OSError:
            path.unlink()
            raise
