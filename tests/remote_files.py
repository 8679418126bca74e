"""File systems for fsspec that behave as real ones far away do, and note what is asked of them.

They are found as those of other packages are, by an entry point, so every process has them.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem
from fsspec.registry import _registry

ROOT = "REMOTE_FILES"
"""Variable of the environment: the folder that everything lies in."""


def note(*words: str) -> None:
    """Write a line about an operation, so that all processes' lines stay whole."""
    line = " ".join((*words, str(os.getpid()))) + "\n"
    handle = os.open(Path(os.environ[ROOT], "log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(handle, line.encode())
    os.close(handle)


def noted(root: Path) -> list[list[str]]:
    """The operations so far, in words: what, and of which object."""
    return [line.split() for line in (root / "log").read_text().splitlines()]


class ObjectStore(AbstractFileSystem):
    """A store as S3: objects without folders, each whole or not there; no appending, no renaming.

    An object is a file of the root folder, and its key is the file's name, quoted.
    """

    protocol = ("s3", "s3a")

    def _file(self, key: str) -> Path:
        return Path(os.environ[ROOT], "objects", quote(self._strip_protocol(key), safe=""))

    def _keys(self) -> dict[str, int]:
        folder = Path(os.environ[ROOT], "objects")
        return {unquote(each.name): each.stat().st_size for each in folder.iterdir()}

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: Any) -> None:
        note("put", path)
        coming = Path(os.environ[ROOT], "coming", f"{os.getpid()}-{time.monotonic_ns()}")
        with coming.open("wb") as file:  # as slow as a network
            file.write(value[: len(value) // 2])
            file.flush()
            time.sleep(0.002)
            file.write(value[len(value) // 2 :])
        coming.replace(self._file(path))

    def put_file(self, lpath: str, rpath: str, callback: Any = None, **kwargs: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    def _open(self, path: str, mode: str = "rb", **kwargs: Any) -> Any:
        assert mode == "rb", f"{path} would have a name before it is whole"
        note("get", path)
        return self._file(path).open("rb")

    def cat_file(self, path: str, **kwargs: Any) -> bytes:
        with self._open(path) as file:
            return bytes(file.read())

    def rm_file(self, path: str) -> None:
        note("remove", path)
        self._file(path).unlink()

    def rm(self, path: str, recursive: bool = False, maxdepth: Any = None) -> None:
        for key in self._keys():
            if key.startswith(f"{self._strip_protocol(path)}/"):
                self.rm_file(key)

    def mv(self, *args: Any, **kwargs: Any) -> None:
        raise AssertionError("a store cannot rename")

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        raise AssertionError(f"a bucket would be made: {path}")

    def ls(self, path: str, detail: bool = True, **kwargs: Any) -> list[Any]:
        note("list", path)
        start = f"{self._strip_protocol(path)}/"
        found: dict[str, dict[str, Any]] = {}
        for key, size in self._keys().items():
            own, slash, _ = key.removeprefix(start).partition("/")
            if key.startswith(start):
                kind = "directory" if slash else "file"
                found[own] = {"name": start + own, "size": 0 if slash else size, "type": kind}
        if not found:
            raise FileNotFoundError(path)
        return list(found.values())

    def info(self, path: str, **kwargs: Any) -> dict[str, Any]:
        path = self._strip_protocol(path)
        keys = self._keys()
        if path in keys:
            return {"name": path, "size": keys[path], "type": "file"}
        if "/" in path and not any(key.startswith(f"{path}/") for key in keys):
            raise FileNotFoundError(path)
        return {"name": path, "size": 0, "type": "directory"}


class Stubborn(LocalFileSystem):
    """Files that have their names while they are written, and a rename that never replaces one.

    Links are put as links.
    """

    protocol = "stubborn"

    def mv(self, path1: str, path2: str, **kwargs: Any) -> None:
        note("move", path1, path2)
        if Path(path2).exists():
            raise FileExistsError(path2)
        Path(path1).rename(path2)

    def put_file(self, path1: str, path2: str, callback: Any = None, **kwargs: Any) -> None:
        note("put", path2)
        shutil.copyfile(path1, path2, follow_symlinks=False)  # as sshfs sends links

    def pipe_file(self, path: str, value: bytes, **kwargs: Any) -> None:
        note("put", path)
        super().pipe_file(path, value)


def install(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let fsspec find both file systems, here and in other processes; they keep all below root."""
    plug = root / "plug"
    info = plug / "remote_files-1.0.dist-info"
    for folder in (info, root / "objects", root / "coming"):
        folder.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: remote_files\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[fsspec.specs]\ns3 = remote_files:ObjectStore\nstubborn = remote_files:Stubborn\n"
    )
    shutil.copy(__file__, plug / "remote_files.py")
    paths = [str(plug), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    monkeypatch.syspath_prepend(str(plug))
    monkeypatch.setenv(ROOT, str(root))
    for protocol, cls in (("s3", ObjectStore), ("stubborn", Stubborn)):
        monkeypatch.setitem(_registry, protocol, cls)


def put_all(root: Path, prefix: str, files: dict[str, bytes]) -> None:
    """Put objects into the store."""
    for name, data in files.items():
        (root / "objects" / quote(f"{prefix}/{name}", safe="")).write_bytes(data)


def objects(root: Path, prefix: str) -> dict[str, bytes]:
    """All objects below a prefix."""
    found = {unquote(each.name): each for each in (root / "objects").iterdir()}
    return {
        key.removeprefix(f"{prefix}/"): found[key].read_bytes()
        for key in sorted(found)
        if key.startswith(f"{prefix}/")
    }


def failing(times: int, error: Exception) -> Callable[..., Any]:
    """A function that raises an error so many times, and then answers None."""
    left = [times]

    def fail(*args: Any, **kwargs: Any) -> None:
        if left[0]:
            left[0] -= 1
            raise error

    return fail
