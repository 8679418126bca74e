"""Third-party packages of a page without a server, and how their files are found.

They are not in our package: ONNX Runtime's build for browsers alone has 14 MB, and is needed only
to publish a page. npm provides them, in a folder ``node_modules`` or packed (``npm pack``).
``package-lock.json`` has the same versions and sums, for the tests.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import WebError, escaped, one_line

__all__ = ["FILMS", "RUNTIME", "WEBGPU", "Package", "read_packages"]


@dataclass(frozen=True)
class Package:
    """A package of npm.

    Attributes:
        name: name of the package.
        version: the one that the page is made for.
        integrity: SHA-512 of the packed package in base64, as npm's lock files have it.
        files: files taken from it; the first is the module that the page imports.
    """

    name: str
    version: str
    integrity: str
    files: tuple[str, ...]


RUNTIME = Package(
    name="onnxruntime-web",
    version="1.30.0",
    integrity="q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ==",
    files=(
        "dist/ort.wasm.min.mjs",
        "dist/ort-wasm-simd-threaded.mjs",
        "dist/ort-wasm-simd-threaded.wasm",
    ),
)
"""ONNX Runtime for processors."""

WEBGPU = Package(
    name=RUNTIME.name,
    version=RUNTIME.version,
    integrity=RUNTIME.integrity,
    files=(
        "dist/ort.webgpu.min.mjs",
        "dist/ort-wasm-simd-threaded.asyncify.mjs",
        "dist/ort-wasm-simd-threaded.asyncify.wasm",
    ),
)
"""ONNX Runtime for graphics cards."""

FILMS = Package(
    name="mediabunny",
    version="1.61.0",
    integrity="WciPOYwKZwgYkoBKcEK6JzzIf+w5whypPzFdOihOylZ/5Qv19FmNfRnTcaprH+jD136YpEASU30Eb6VNCJiz3A==",
    files=("dist/bundles/mediabunny.min.mjs",),
)
"""mediabunny, which demuxes and muxes films."""


def read_packages(packages: Sequence[Package], folder: Path) -> dict[str, bytes]:
    """Read the files that a page needs from packages.

    Args:
        packages: the packages.
        folder: has them as packed by npm (``NAME-VERSION.tgz``), or is ``node_modules``, or has a
            folder of that name.

    Returns:
        The bytes of all files by their names, without folders.

    Raises:
        WebError: if one is missing, or is of another version, or is damaged.

    Example:
        >>> sorted(read_packages([FILMS], Path(".")))                        # doctest: +SKIP
        ['mediabunny.min.mjs']
    """
    found: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for package in packages:
        files = _unpacked(package, folder) or _packed(package, folder)
        if files is None:
            missing[f"{package.name}@{package.version}"] = f"{package.name} {package.version}"
        else:
            found |= {Path(name).name: data for name, data in files.items()}
    if missing:
        raise WebError(
            f"{escaped(str(folder))}: has no package {' and no '.join(missing.values())}, which "
            f"the page needs: run npm pack {' '.join(missing)} there, or give another folder "
            "(--packages FOLDER)"
        )
    return found


def _unpacked(package: Package, folder: Path) -> Mapping[str, bytes] | None:
    for place in (folder / package.name, folder / "node_modules" / package.name):
        facts = place / "package.json"
        if not facts.is_file():
            continue
        try:
            version = json.loads(facts.read_bytes()).get("version")
            if version != package.version:
                raise WebError(_other(package, place, str(version)))
            return {name: (place / name).read_bytes() for name in package.files}
        except (OSError, ValueError, AttributeError) as error:
            raise WebError(
                f"{escaped(str(place))}: cannot be read ({one_line(error)}): run npm ci again"
            ) from error
    return None


def _packed(package: Package, folder: Path) -> Mapping[str, bytes] | None:
    path = folder / f"{package.name}-{package.version}.tgz"
    if not path.is_file():
        for other in sorted(folder.glob(f"{package.name}-[0-9]*.tgz")):
            version = other.name.removeprefix(f"{package.name}-").removesuffix(".tgz")
            raise WebError(_other(package, other, version))
        return None
    again = f"run npm pack {package.name}@{package.version} again"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WebError(f"{escaped(str(path))}: cannot be read ({one_line(error)})") from error
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != package.integrity:
        raise WebError(
            f"{escaped(str(path))}: is damaged, or not the published file (its SHA-512 is "
            f"different): {again}"
        )
    files = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for name in package.files:
            member = archive.extractfile(f"package/{name}")
            assert member is not None, f"the sum was right, and {name} is no file in it"
            files[name] = member.read()
    return files


def _other(package: Package, place: Path, version: str) -> str:
    return (
        f"{escaped(str(place))}: is {package.name} {escaped(version)}, and the page needs "
        f"{package.version}: run npm pack {package.name}@{package.version}, and pass the folder of "
        "that file with --packages"
    )
