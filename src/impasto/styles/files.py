"""Style files: safetensors files with a style, its origin and its thumbnail."""

from __future__ import annotations

import base64
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls.moments import Moments
from impasto.errors import StyleError, one_line
from impasto.images.files import write_whole
from impasto.images.kinds import SAFETENSORS, kind_of, wrong_kind
from impasto.styles.style import Style
from impasto.styles.tuned import read_tuned, tuned_text

FORMAT = 1
"""The number of the format written here, and the only one that is read."""

SUFFIX = ".safetensors"

MAX_BYTES = 1 << 22
"""Larger files are refused: moments and a thumbnail take a few kB, a bank of filters some 100."""

_KIND = "impasto-style"

_PARAMETERS = "parameters"

_IDENTITY = re.compile(r"[0-9a-f]{16}")

_REMAKE = "make it again with Stylizer.style(), or impasto style add"


def save_style(style: Style, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a style to a file atomically; the same style always gives the same bytes.

    Moments are rounded to float32, the precision that engines compute in; parameters keep theirs.

    Args:
        style: the style.
        path: a name that ends in ``.safetensors``; its folder must exist.
        overwrite: replace an existing file.

    Raises:
        StyleError: if the style holds NaN, infinity or other invalid values, or the file exists or
            cannot be written.

    Example:
        >>> save_style(model.style("wave.jpg"), "wave.safetensors")          # doctest: +SKIP
    """
    target = Path(path)
    if target.suffix.lower() != SUFFIX:
        raise StyleError(f"{one_line(target)}: a style file must be named NAME{SUFFIX}")
    _write(target, style_bytes(style), overwrite=overwrite)


def style_bytes(style: Style) -> bytes:
    """Return the bytes of the file of a style.

    Raises:
        StyleError: if the style holds NaN, infinity or other invalid values.

    Example:
        >>> len(style_bytes(wave))                                           # doctest: +SKIP
        3192
    """
    tensors: dict[str, NDArray[Any]] = {}
    with np.errstate(over="ignore"):  # infinity is refused below
        for index, level in enumerate(style.moments):
            tensors[f"mean_{index}"] = level.mean.astype("<f4")
            tensors[f"std_{index}"] = level.std.astype("<f4")
    if style.parameters is not None:
        half = style.parameters.dtype == np.float16
        tensors[_PARAMETERS] = style.parameters.astype("<f2" if half else "<f4")
    metadata = {
        "format": f"{_KIND} {FORMAT}",
        "name": style.name,
        "model": style.model,
        "model_name": style.model_name,
        "note": style.note,
        "thumbnail": base64.b64encode(style.thumbnail or b"").decode(),
    }
    if style.tuned is not None:  # other styles keep the bytes from before tuning existed
        metadata["tuned"] = tuned_text(style.tuned)
    data = _encode(tensors, metadata)
    try:  # a style that could not be read back is not written
        read_style(data)
    except ValueError as error:
        raise StyleError(
            f"style {style.name!r} cannot be written: {one_line(error)}; {_REMAKE}"
        ) from error
    return data


def load_style(path: str | os.PathLike[str]) -> Style:
    """Read a style from a file.

    Args:
        path: written by :func:`save_style`; at most 4 MiB.

    Returns:
        The style; its moments are the saved ones, rounded to float32.

    Raises:
        StyleError: if the file is missing, damaged, not a style, or of another format.

    Example:
        >>> model.stylize("street.jpg", load_style("wave.safetensors"))      # doctest: +SKIP
    """
    source = Path(path)
    data = _read(source)
    try:
        return read_style(data)
    except ValueError as error:
        kind = kind_of(source)
        if kind is not None and kind.name != SAFETENSORS:
            raise StyleError(wrong_kind(source, f"a style ({SUFFIX})")) from error
        raise StyleError(
            f"{one_line(source)}: not a style that can be used ({one_line(error)}); {_REMAKE}"
        ) from error


def _encode(tensors: dict[str, NDArray[Any]], metadata: dict[str, str]) -> bytes:
    # By hand: the writer of safetensors orders the metadata differently in every process.
    # Bytes of a file's name that are not UTF-8 become question marks.
    texts = {key: text.encode("utf-8", "replace").decode() for key, text in metadata.items()}
    header: dict[str, object] = {"__metadata__": texts}
    end = 0
    for name, values in tensors.items():
        start, end = end, end + values.nbytes
        dtype = f"F{8 * values.itemsize}"
        header[name] = {"dtype": dtype, "shape": values.shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)  # so that the tensors are aligned
    body = b"".join(values.tobytes() for values in tensors.values())
    return len(text).to_bytes(8, "little") + text + body


def read_style(data: bytes) -> Style:
    """Decode a style from the bytes of its file.

    Raises:
        ValueError: with the reason, if it is damaged, not a style, or of another format.

    Example:
        >>> read_style(style_bytes(wave)) == wave                            # doctest: +SKIP
        True
    """
    import safetensors.numpy

    if len(data) > MAX_BYTES:
        raise ValueError(f"larger than the limit of {MAX_BYTES:,} bytes for a style")
    try:
        tensors = safetensors.numpy.load(data)
    except Exception as error:  # its own, or a KeyError for dtypes that NumPy lacks
        raise ValueError("damaged, truncated or not a safetensors file") from error
    # Parsed here, now that the header is known to be valid: safetensors returns metadata only for
    # files that it maps into memory, and a mapped file that shrinks would kill the process.
    size = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + size]).get("__metadata__") or {}
    _check_format(metadata.get("format", ""))
    for key in ("name", "model", "model_name", "note", "thumbnail"):
        if key not in metadata:
            raise ValueError(f"its metadata has no {key!r}")
    if not _IDENTITY.fullmatch(metadata["model"]):
        raise ValueError(f"{metadata['model'][:40]!r} is not the identity of a model")
    try:
        thumbnail = base64.b64decode(metadata["thumbnail"], validate=True)
    except ValueError as error:
        raise ValueError(f"its thumbnail is damaged: {error}") from error
    trained = set(tensors) == {_PARAMETERS}
    return Style(
        name=metadata["name"],
        model=metadata["model"],
        moments=() if trained else _moments(tensors),
        parameters=_parameters(tensors[_PARAMETERS]) if trained else None,
        note=metadata["note"],
        thumbnail=thumbnail or None,
        model_name=metadata["model_name"],
        tuned=read_tuned(metadata.get("tuned", "")),
    )


def _check_format(text: str) -> None:
    kind, _, number = text.partition(" ")
    if kind != _KIND:
        raise ValueError("it is a safetensors file, but not a style")
    if number != str(FORMAT):
        # First, since the fields of a later format may have other meanings.
        raise ValueError(f"its format is {number} and this Impasto reads {FORMAT}; update Impasto")


def _parameters(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype not in (np.float16, np.float32) or values.ndim != 1 or not values.size:
        raise ValueError(
            f"tensor {_PARAMETERS!r} must be float16 or float32 of shape (P,), not {values.dtype} "
            f"{values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError(f"tensor {_PARAMETERS!r} holds NaN or infinity")
    return values


def _moments(tensors: dict[str, NDArray[Any]]) -> tuple[Moments, ...]:
    levels = max(1, len(tensors) // 2)
    expected = [f"{kind}_{index}" for index in range(levels) for kind in ("mean", "std")]
    for name in expected:
        if name not in tensors:
            raise ValueError(f"it has no tensor {name!r}")
    if len(tensors) > len(expected):
        raise ValueError(f"it has an unknown tensor {min(tensors.keys() - set(expected))!r}")
    values = {}
    for name in expected:
        tensor = tensors[name]
        if tensor.dtype != np.float32 or tensor.ndim != 1 or not tensor.size:
            raise ValueError(
                f"tensor {name!r} must be float32 of shape (C,), not {tensor.dtype} {tensor.shape}"
            )
        values[name] = tensor.astype(np.float64)
        if not np.isfinite(values[name]).all():
            raise ValueError(f"tensor {name!r} holds NaN or infinity")
    pairs = tuple(Moments(values[f"mean_{i}"], values[f"std_{i}"]) for i in range(levels))
    for index, pair in enumerate(pairs):
        if pair.mean.size != pair.std.size:
            raise ValueError(
                f"level {index}: {pair.mean.size} means and {pair.std.size} deviations"
            )
        if (pair.std < 0).any():
            raise ValueError(f"tensor 'std_{index}' holds a negative deviation")
    return pairs


def _read(path: Path) -> bytes:
    name = one_line(path)
    try:
        kind = path.stat().st_mode
        if stat.S_ISDIR(kind):
            raise StyleError(f"{name}: is a folder; a style is one {SUFFIX} file")
        if not stat.S_ISREG(kind):  # opening a pipe would wait for a writer
            raise StyleError(f"{name}: is a pipe or a device; a style is one {SUFFIX} file")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise StyleError(f"{name}: no such style file; check the path") from None
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise StyleError(f"{name}: cannot be read ({one_line(error)})") from error


def _write(path: Path, data: bytes, *, overwrite: bool) -> None:
    name = one_line(path)
    exists = StyleError(
        f"{name}: already exists; give another name or pass overwrite=True (--overwrite on the "
        "command line)"
    )
    try:
        if not path.parent.is_dir():
            raise StyleError(f"{name}: there is no folder {one_line(path.parent)}; make it first")
        if path.is_dir():
            raise StyleError(f"{name}: is a folder; give the name of a file in it")
        if os.path.lexists(path) and not overwrite:
            raise exists
        write_whole(path, data, overwrite=overwrite)
    except FileExistsError:
        raise exists from None
    except (OSError, ValueError) as error:  # as in _read
        raise StyleError(f"{name}: cannot be written ({one_line(error)})") from error
