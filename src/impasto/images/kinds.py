"""Kinds of files by their first bytes, for messages about a file of an unexpected kind.

Web pages instead of a download, pointers instead of large files, and archives that were not
unpacked occur under any name.
"""

from __future__ import annotations

import io
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import one_line

_HEAD = 4096
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://|www\.|data:[a-z]+/", re.IGNORECASE)

_AGAIN = "get it again"
_OTHER = "check the path"
_UNPACK = "unpack it and give the file inside"

SAFETENSORS, PYTORCH, OLD_PYTORCH, PICKLE, BUNDLE = (
    "a safetensors file",
    "a PyTorch file",
    "a file of PyTorch before 1.6",
    "a Python pickle",
    "an Impasto model",
)
"""Names of kinds that some readers take."""


@dataclass(frozen=True)
class Kind:
    """Kind of a file.

    Attributes:
        name: as in "is NAME".
        mend: what to do about a file in the wrong place.
    """

    name: str
    mend: str = _OTHER


FILM = Kind("a film", "paint it with impasto video")
"""Kind of a film, for readers of pictures."""

_WHOLE_NETWORK = "save the network's state dict: torch.save(network.state_dict(), 'NAME.pth')"
_IN_ZIP: tuple[tuple[str, Kind], ...] = (
    (r"card\.json|(encoder|painter)\.onnx", Kind(BUNDLE)),
    (r"(.*/)?(constants\.pkl|code/.*)", Kind("a TorchScript archive", _WHOLE_NETWORK)),
    (r"(.*/)?data\.pkl", Kind(PYTORCH)),
    (r".*\.npy", Kind("an archive of NumPy arrays (.npz)")),
)

# By a regular expression for the first bytes.
_BY_HEAD: tuple[tuple[bytes, Kind], ...] = (
    (
        rb"version https://git-lfs",
        Kind("a Git LFS pointer", "get the file itself with git lfs pull"),
    ),
    (
        rb"\S*/?\.?\.?/?(\.git)?/annex/objects/",
        Kind("a git-annex pointer", "get the file itself with git annex get"),
    ),
    (
        rb"(\xef\xbb\xbf)?\s*(<!--.*?-->\s*)?<(!doctype\s+html|html|head|body|script)\b",
        Kind(
            "a web page (HTML)",
            "download the file itself with the button on its page",
        ),
    ),
    (rb"(\xef\xbb\xbf)?\s*<\?xml\b", Kind("an XML file")),
    (rb"\x80.\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", Kind(OLD_PYTORCH)),
    (rb"\x80[\x02-\x05]", Kind(PICKLE, _WHOLE_NETWORK)),
    (rb"\x1f\x8b", Kind("a gzip archive", _UNPACK)),
    (rb"BZh[1-9]", Kind("a bzip2 archive", _UNPACK)),
    (rb"\xfd7zXZ\0", Kind("an xz archive", _UNPACK)),
    (rb"\x28\xb5\x2f\xfd", Kind("a zstd archive", _UNPACK)),
    (rb"7z\xbc\xaf\x27\x1c", Kind("a 7z archive", _UNPACK)),
    (rb"Rar!", Kind("a RAR archive", _UNPACK)),
    (rb".{257}ustar", Kind("a tar archive", _UNPACK)),
    (rb"\x89HDF\r\n", Kind("an HDF5 file (such as one of Keras)")),
    (rb"\x93NUMPY", Kind("a NumPy array")),
    (rb"MATLAB 5", Kind("a MATLAB file")),
    (rb"GGUF", Kind("a GGUF file")),
    (rb"%PDF", Kind("a PDF document")),
    (rb"....ftyp(isom|iso\d|mp4\d|avc1|qt  |M4V|3g[p2]|dash|MSNV|f4v)", FILM),
    (rb"\x1a\x45\xdf\xa3|RIFF....AVI |YUV4MPEG2 |FLV\x01|OggS", FILM),
    # A protobuf: the version of the format, followed by the producer or the graph.
    (
        rb"\x08[\x01-\x20](\x12.\w|:|\x1a.\w|\x42)",
        Kind("an ONNX graph", "Impasto cannot read one"),
    ),
)


def kind_of(path: str | os.PathLike[str]) -> Kind | None:
    """Find the kind of a file by its first bytes, regardless of its name.

    Args:
        path: a regular file.

    Returns:
        The kind; None for an unknown or missing one.

    Example:
        >>> kind_of("decoder.pth").name                                     # doctest: +SKIP
        'a web page (HTML)'
    """
    file = Path(path)
    try:
        if not stat.S_ISREG(file.stat().st_mode):  # opening a pipe would wait for a writer
            return None
        with file.open("rb") as stream:
            head = stream.read(_HEAD)
            size = stream.seek(0, io.SEEK_END)
    except (OSError, ValueError):  # ValueError: a zero byte in the name
        return None
    if not head:
        return Kind("an empty file", _AGAIN)
    if head.startswith(b"PK\x03\x04"):
        return _zip(file)
    tests: tuple[Callable[[], Kind | None], ...] = (
        lambda: _safetensors(file, head, size),
        lambda: kind_of_head(head),
        lambda: _picture(head),
        lambda: _text(head),
    )
    return next((found for test in tests if (found := test()) is not None), None)


def wrong_kind(path: str | os.PathLike[str], wanted: str) -> str:
    """Return the line about a file that cannot be read as what it should be.

    Args:
        path: the file, which need not exist.
        wanted: what was expected, such as "weights (.pth or .safetensors)".

    Returns:
        What it is instead, and the remedy; that it is damaged, where its kind is unknown.

    Example:
        >>> wrong_kind("no.pth", "weights")
        'no.pth: no such file; check the path'
    """

    file, name = Path(path), one_line(path)
    try:
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            return f"{name}: is a folder, not {wanted}; give the file"
        if not stat.S_ISREG(mode):
            return f"{name}: is a pipe or a device, not {wanted}; give a file"
        file.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        if file.is_symlink():
            return f"{name}: is a link to a file that does not exist; {_AGAIN}"
        return f"{name}: no such file; {_OTHER}"
    except (OSError, ValueError) as error:
        return f"{name}: cannot be read ({one_line(error)})"
    kind = kind_of(file)
    if kind is None:
        return f"{name}: is damaged, or not {wanted}; {_AGAIN}"
    return f"{name}: is {kind.name}, not {wanted}; {kind.mend}"


def refuse_address(name: object) -> str:
    """Return the line about a web address given instead of a file; "" for any other name.

    Example:
        >>> refuse_address("https://example.org/a.jpg")
        'https://example.org/a.jpg: is a web address; download it and give the file'
    """

    if not isinstance(name, str) or not _ADDRESS.match(name) or os.path.lexists(name):
        return ""
    return f"{one_line(name)}: is a web address; download it and give the file"


def kind_of_head(head: bytes) -> Kind | None:
    """Find the kind of a file by its first bytes; None for an unknown one.

    Example:
        >>> kind_of_head(b"%PDF-1.7").name
        'a PDF document'
    """
    for magic, kind in _BY_HEAD:
        if re.match(magic, head, re.DOTALL | re.IGNORECASE):
            return kind
    return None


def _zip(path: Path) -> Kind:
    import zipfile  # takes longer to load than the rest, and most calls need it not

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except Exception:  # errors that a damaged directory causes
        return Kind("a damaged or truncated zip archive", _AGAIN)
    for pattern, kind in _IN_ZIP:
        if any(re.fullmatch(pattern, name) for name in names):
            return kind
    return Kind("a zip archive", _UNPACK)


def _safetensors(path: Path, head: bytes, size: int) -> Kind | None:
    """By the length of its header and the offsets in it."""
    import json

    length = int.from_bytes(head[:8], "little")
    if head[8:9] != b"{" or length > 100_000_000:
        return None
    cut = Kind("a damaged or truncated safetensors file", _AGAIN)
    if 8 + length > size:
        return cut
    try:
        with path.open("rb") as stream:
            header = json.loads(stream.read(8 + length)[8:])
        ends = [each["data_offsets"][1] for k, each in header.items() if k != "__metadata__"]
        return cut if 8 + length + max(ends, default=0) != size else Kind(SAFETENSORS)
    except Exception:  # a header of any form
        return cut


def _picture(head: bytes) -> Kind | None:
    from impasto.images.formats import FORMATS

    for row in FORMATS:
        if re.match(row.magic, head, re.DOTALL):
            return Kind(f"a picture ({row.name})")
    return None


def _text(head: bytes) -> Kind | None:
    try:
        text = head.decode("utf-8", "strict" if len(head) < _HEAD else "ignore")
    except UnicodeDecodeError:
        return None
    if any(not (each.isprintable() or each.isspace()) for each in text):
        return None
    return Kind("a JSON file" if text.lstrip()[:1] in ("{", "[") else "a text file")
