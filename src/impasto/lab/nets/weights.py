"""Weights of the perceptual network, found by path, environment variable or in the cache."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import ModelError
from impasto.images.files import whole_file

VARIABLE = "IMPASTO_VGG"
"""The environment variable that names a file of VGG-19."""

TIMEOUT = 30.0
"""Seconds without data after which a transfer fails."""

_BLOCK = 1 << 20
NORMALIZED = "vgg-normalized.safetensors"
"""Name in the cache of the result of `impasto lab normalize`."""

_NORMALISED = (
    "training needs a normalized VGG-19: vgg_normalised.pth of the AdaIN release, or one made from "
    "plain weights with `impasto lab normalize`"
)

# Cache folders by system: the environment variable, and the default without it.
_CACHES = {"darwin": ("", "Library/Caches"), "win32": ("LOCALAPPDATA", "AppData/Local")}
_CACHE = ("XDG_CACHE_HOME", ".cache")


@dataclass(frozen=True)
class Download:
    """A file of weights published by others.

    Attributes:
        name: as in `impasto lab fetch NAME`.
        file: its name in the cache.
        url: its address.
        sha256: its checksum, or the first digits of it.
        size: in bytes, for display.
        summary: a human-readable line.
    """

    name: str
    file: str
    url: str
    sha256: str
    size: int
    summary: str


DOWNLOADS: tuple[Download, ...] = (
    Download(
        name="vgg19",
        file="vgg19-dcbb9e9d.pth",
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        # torchvision publishes the first digits, in the file's name.
        sha256="dcbb9e9d",
        size=574_673_361,
        summary="torchvision's VGG-19, trained on ImageNet",
    ),
)


def cache_folder() -> Path:
    """Return the folder of fetched weights, which need not exist.

    It is ``impasto`` in the system's cache folder: ``$XDG_CACHE_HOME`` or ``~/.cache``, on macOS
    ``~/Library/Caches``, on Windows ``%LOCALAPPDATA%``.

    Raises:
        ModelError: if the user has no home folder.

    Example:
        >>> cache_folder()                                                  # doctest: +SKIP
        PosixPath('/home/me/.cache/impasto')
    """
    variable, usual = _CACHES.get(sys.platform, _CACHE)
    given = Path(os.environ.get(variable, ""))
    # The XDG specification wants relative paths to be ignored.
    try:
        return (given if given.is_absolute() else Path.home() / usual) / "impasto"
    except RuntimeError as error:
        raise ModelError(f"there is no folder for weights ({error}); give --vgg FILE") from error


def find_vgg(given: str | Path | None = None, *, normalised: bool = False) -> Path:
    """Return the VGG-19 file to use: ``given``, else ``$IMPASTO_VGG``, else one in the cache.

    Args:
        given: a file, or None.
        normalised: require the normalized network, for which the weights of the training losses are
            tuned: in the cache, the result of `impasto lab normalize`.

    Raises:
        ModelError: if there is none, saying how to get one.

    Example:
        >>> find_vgg("vgg_normalised.pth")                                  # doctest: +SKIP
        PosixPath('vgg_normalised.pth')
    """
    for path, source in ((given, ""), (os.environ.get(VARIABLE), f" ({VARIABLE})")):
        if path:
            found = Path(path).expanduser()
            if not found.is_file():
                raise ModelError(
                    f"{found}{source}: no such file of VGG-19; check the path"
                    + (f" ({_NORMALISED})" if normalised else "")
                )
            return found
    if normalised:
        made = cache_folder() / NORMALIZED
        if made.is_file():
            return made
        raise ModelError(f"no VGG-19 is given: {_NORMALISED}; give --vgg or set {VARIABLE}")
    cached = [cache_folder() / row.file for row in DOWNLOADS if row.name == "vgg19"]
    for path in cached:
        if path.is_file():
            return path
    raise ModelError(
        f"there are no weights of VGG-19: give --vgg FILE, set {VARIABLE} to a file, or download "
        f"them once with `impasto lab fetch vgg19` (to {cached[0]})"
    )


def fetch(
    download: Download,
    *,
    folder: Path | None = None,
    watch: Callable[[int, int | None], object] | None = None,
) -> Path:
    """Download a file, check it and move it into place, unless it is already complete there.

    Args:
        download: the file to get.
        folder: the target; by default :func:`cache_folder`, created if missing.
        watch: called with the bytes received and the total, if known.

    Returns:
        The file.

    Raises:
        ModelError: if the network or the disk fails, or the file is not the expected one. No
            partial file is left then.

    Example:
        >>> fetch(DOWNLOADS[0])                                             # doctest: +SKIP
        PosixPath('/home/me/.cache/impasto/vgg19-dcbb9e9d.pth')
    """
    target = (cache_folder() if folder is None else folder) / download.file
    if target.is_file() and _digest(target).startswith(download.sha256):
        return target
    with ExitStack() as whole:
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = whole.enter_context(whole_file(target, overwrite=True))
        except OSError as error:
            raise ModelError(
                f"{target.parent}: cannot be written to ({error.strerror}); set "
                "XDG_CACHE_HOME to another folder, or download the file yourself and give --vgg"
            ) from error
        try:
            found = _transfer(download, file.write, watch)
            if not found.startswith(download.sha256):
                raise ModelError(
                    f"{download.url}: the file has a wrong checksum (sha256 {found[:16]}... "
                    f"instead of {download.sha256}...); nothing was saved, try again later"
                )
            whole.close()
        except OSError as error:  # the last bytes are written on close
            raise _unwritable(download, error) from error
    return target


def _transfer(
    download: Download,
    write: Callable[[bytes], object],
    watch: Callable[[int, int | None], object] | None,
) -> str:
    """Return the checksum of all data passed to ``write``."""
    digest, done = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(download.url, timeout=TIMEOUT) as answer:
            length = answer.headers.get("Content-Length", "")
            promised = int(length) if length.isdigit() else None
            while block := answer.read(_BLOCK):
                try:
                    write(block)
                except OSError as error:
                    raise _unwritable(download, error) from error
                digest.update(block)
                done += len(block)
                if watch is not None:
                    watch(done, promised)
    except ModelError:
        raise
    except urllib.error.HTTPError as error:
        raise ModelError(
            f"{download.url}: the server answered {error.code} ({error.reason}); try again later, "
            "or get the file elsewhere and give --vgg"
        ) from error
    except (OSError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or error
        raise ModelError(
            f"{download.url}: cannot be downloaded ({reason}); check the network, or get the file "
            "elsewhere and give --vgg"
        ) from error
    except Exception as error:  # http.client's own exceptions, for a broken response
        raise ModelError(
            f"{download.url}: the download was interrupted ({error!r}); try again"
        ) from error
    if promised is not None and done != promised:
        raise ModelError(
            f"{download.url}: the download was interrupted after {done:,} of {promised:,} bytes; "
            "try again"
        )
    return digest.hexdigest()


def _unwritable(download: Download, error: OSError) -> ModelError:
    return ModelError(
        f"{download.file}: cannot be written ({error.strerror}); "
        f"it needs {download.size / 1e6:.0f} MB"
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
