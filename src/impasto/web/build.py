"""The page as a folder of files: any plain server can serve it, and browsers paint by themselves.

The folder has the page (:mod:`impasto.web.site`), its models in pieces that are fetched when they
are needed, and the third-party packages that it needs (:mod:`impasto.web.packages`). Its
worker ``sw.js`` begins with the list of all files and their sums: what browsers keep is complete,
and a new version replaces it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from impasto import __version__
from impasto.errors import WebError, counted, escaped, one_line
from impasto.images.files import whole_folder
from impasto.models import Bundle
from impasto.models.card import write_card
from impasto.models.engine import open_engine
from impasto.styles.library import list_styles
from impasto.stylizer import stylizer_of
from impasto.web.packages import FILMS, RUNTIME, WEBGPU, read_packages
from impasto.web.site import (
    ENTRY,
    POLICY,
    SAMPLE,
    SITE,
    Runtime,
    describe,
    encoded_sample,
    folder_of,
    gallery,
    page_files,
    styles_address,
    thumbnail,
    thumbnail_address,
)

__all__ = ["PAGE_MODELS", "BuildOptions", "Built", "build_page"]

PAGE_MODELS = ("fast", "quality")
"""Models of the page by default; it begins with the first."""

WORKER = "sw.js"

_LIST = "self.SITE = "  # what the worker begins with

_RUNTIME = "runtime"

# Our own files that a first visit needs: all but pictures, which are requested when they are shown.
_FIRST = (".html", ".css", ".js", ".svg", ".webmanifest")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class BuildOptions:
    """Options of a page of files.

    Attributes:
        packages: folder with the packages of npm, packed or unpacked.
        webgpu: add the build of ONNX Runtime for graphics cards.
        films: add the files for painting films.
        own_styles: add the styles that the user has added to those of the gallery.
    """

    packages: Path = Path()
    webgpu: bool = False
    films: bool = True
    own_styles: bool = False


@dataclass(frozen=True)
class Built:
    """A page that was written.

    Attributes:
        folder: folder of the page.
        version: version of its files.
        files: number of files.
        bytes: total size of the files.
        first_bytes: size of those that a first visit loads, compressed by gzip.
    """

    folder: Path
    version: str
    files: int
    bytes: int
    first_bytes: int


def build_page(
    out: Path,
    models: Sequence[Bundle],
    options: BuildOptions = BuildOptions(),
    *,
    watch: Callable[[str], None] | None = None,
) -> Built:
    """Write the page as a folder of files, whole or not at all.

    Args:
        out: the folder. An existing one must be empty or an earlier page; files in it that are
            not of the page, such as CNAME, stay.
        models: models to paint with; the page begins with the first.
        options: contents of the page.
        watch: called with the name of each style that gets a thumbnail.

    Raises:
        WebError: if the folder is not ours, a package is missing or a model cannot run in browsers.

    Example:
        >>> build_page(Path("site"), [find_bundle("fast")])                  # doctest: +SKIP
        Built(folder=PosixPath('site'), version='0.1.0+5f2c8a901b3d', files=...)
    """
    _check_models(models)
    foreign = _foreign_files(out)
    packages = [RUNTIME, *([WEBGPU] if options.webgpu else []), *([FILMS] if options.films else [])]
    taken = read_packages(packages, options.packages)
    files = {_placed(name): data for name, data in taken.items()}
    files |= {name: path.read_bytes() for name, path in page_files().items() if name != WORKER}
    files[ENTRY] = _guarded(files[ENTRY])
    for bundle in models:
        files |= _model_files(bundle, options, watch)
    worker = page_files()[WORKER].read_bytes()
    version = f"{__version__}+{_sum([*files.values(), worker])[:12]}"
    files[SITE] = _json(
        describe(
            "device",
            models,
            version=version,
            runtime=Runtime(
                _placed(RUNTIME.files[0]), _placed(WEBGPU.files[0]) if options.webgpu else None
            ),
            films=_placed(FILMS.files[0]) if options.films else None,
        )
    )
    first = _first(models[0])
    files[WORKER] = _listed(files, first, version) + worker
    try:
        if clash := sorted({*map(str, foreign)} & files.keys()):
            raise WebError(
                f"{escaped(str(out / clash[0]))}: is not part of the page, but this version has a "
                "file of that name: move yours"
            )
        with whole_folder(out) as folder:
            _write(folder, files)
            _copy(foreign, out, folder)
    except (OSError, ValueError) as error:
        raise WebError(f"{escaped(str(out))}: cannot be written ({one_line(error)})") from error
    packed = sum(len(gzip.compress(files[name], 6)) for name in first)
    return Built(out, version, len(files), sum(map(len, files.values())), packed)


def _check_models(models: Sequence[Bundle]) -> None:
    if not models:
        raise WebError("the page needs a model, such as --model fast")
    names = [bundle.card.name for bundle in models]
    for name, bundle in zip(names, models, strict=True):
        if bundle.card.styles:
            raise WebError(
                f"model {name!r} has built-in styles; the page needs a model that takes any style"
            )
        if not _NAME.fullmatch(name):
            raise WebError(
                f"{escaped(name)!r} cannot be a model of the page: its name becomes a folder name, "
                "so use letters (a to z), digits, -, _ and ."
            )
        if names.count(name) > 1:
            raise WebError(f"{names.count(name)} models are called {name!r}: give each once")


def _foreign_files(out: Path) -> list[Path]:
    """Files in an earlier page that are not of it, relative to it; refuse any other folder."""
    target = escaped(str(out))
    try:
        if not out.absolute().parent.is_dir():
            parent = escaped(str(out.parent))
            raise WebError(f"{target}: there is no folder {parent}; make it first")
        if not out.exists():
            return []
        if not out.is_dir():
            raise WebError(f"{target}: is a file; give a folder")
        found = sorted(path.relative_to(out) for path in _files_in(out))
        if not found:
            return []
        ours = _files_of(out / WORKER)
    except OSError as error:
        raise WebError(f"{target}: cannot be read ({one_line(error)})") from error
    if ours is None:
        raise WebError(
            f"{target}: has {counted(len(found), 'file')} and is not a page built by Impasto: "
            "give another folder, or an empty one"
        )
    return [path for path in found if path.as_posix() not in ours]


def _files_in(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            yield from _files_in(path)
        else:
            yield path


def _files_of(worker: Path) -> set[str] | None:
    """The files of a page by its worker, which is one of them; None if it is not our worker."""
    if not worker.is_file():
        return None
    with worker.open("rb") as stream:
        line = stream.readline(1 << 20).decode("utf-8", "replace").strip()
    try:
        return {WORKER, *json.loads(line.removeprefix(_LIST).removesuffix(";"))["files"]}
    except (ValueError, KeyError, TypeError):
        return None


def _model_files(
    bundle: Bundle, options: BuildOptions, watch: Callable[[str], None] | None
) -> dict[str, bytes]:
    name = bundle.card.name
    own = options.own_styles
    files = {f"{folder_of(name)}/{part}.onnx": graph for part, graph in bundle.parts.items()}
    if bundle.card.int8:
        files[f"{folder_of(name)}/decoder.int8.onnx"] = bundle.decoder_int8
    files[f"{folder_of(name)}/card.json"] = write_card(bundle.card).encode()
    files[styles_address(name)] = _json(gallery(bundle, "device", own=own))
    # In single precision, the same on every machine.
    stylizer = stylizer_of(bundle, open_engine(bundle, precision="fp32"))
    sample = encoded_sample(stylizer)
    for entry in list_styles(model=bundle.identity, own=own):
        if entry.style is not None:
            address = thumbnail_address(name, entry.name)
            files[address] = thumbnail(stylizer, entry.style, sample)
            if watch is not None:
                watch(entry.name)
    return files


def _first(model: Bundle) -> list[str]:
    """Files that a first visit needs, to paint in styles of the gallery: no reader of styles.

    The decoder in int8, where the model has one; the other is for graphics cards.
    """
    own = [name for name in page_files() if name.endswith(_FIRST) and name != WORKER]
    folder, styles = folder_of(model.card.name), styles_address(model.card.name)
    decoder = "decoder.int8.onnx" if model.card.int8 else "decoder.onnx"
    parts = [f"{folder}/{part}" for part in ("card.json", "encoder.onnx", decoder)]
    return [*own, SITE, SAMPLE, *map(_placed, RUNTIME.files), *parts, styles]


def _guarded(page: bytes) -> bytes:
    """Put the policy into the page itself: a plain server sends no header with it."""
    policy = "; ".join(part for part in POLICY.split("; ") if not part.startswith("frame-"))
    meta = f'<head>\n  <meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page.replace(b"<head>", meta.encode(), 1)


def _listed(files: Mapping[str, bytes], first: Sequence[str], version: str) -> bytes:
    # The smallest come first: the page is complete before the files that it paints with.
    facts = {
        "version": version,
        "entry": ENTRY,
        "policy": POLICY,
        "first": sorted(first, key=lambda name: len(files[name])),
        "files": {name: [_sum([data]), len(data)] for name, data in sorted(files.items())},
    }
    return f"{_LIST}{json.dumps(facts, separators=(',', ':'))};\n".encode()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def _copy(foreign: Sequence[Path], before: Path, folder: Path) -> None:
    for path in foreign:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(before / path, folder / path, follow_symlinks=False)


def _placed(file: str) -> str:
    """The address of a file of a package, by its name there."""
    return f"{_RUNTIME}/{Path(file).name}"


def _json(value: object) -> bytes:
    return (json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n").encode()


def _sum(parts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()
