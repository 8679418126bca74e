"""Cache of styles read from pictures, so that no picture is read twice: one file per model.

Reading a style costs as much as painting some pictures, and folders of styles are used repeatedly.
Entries are found by the bytes of the picture, wherever it is. The file is beside the user's styles,
``read/MODEL-ENGINE-PRECISION.zip``; removing it costs only time.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from impasto.errors import StyleError, one_line
from impasto.images.files import claim, whole_file
from impasto.styles.files import SUFFIX, read_style
from impasto.styles.places import styles_folder
from impasto.styles.style import Style

_FOLDER = "read"

# A fixed time, since a zip file stores times: the same content must give the same file.
_TIME = (1980, 1, 1, 0, 0, 0)


def kept_file(model: str, engine: str, precision: str) -> Path:
    """Return the file of the styles that a model has read with an engine; it need not exist.

    Args:
        model: the identity of the model.
        engine: its name, since engines differ in the last digits.
        precision: of the engine.

    Raises:
        StyleError: if the user has no home.

    Example:
        >>> kept_file("0" * 16, "onnxruntime", "fp32").name
        '0000000000000000-onnxruntime-fp32.zip'
    """
    return styles_folder() / _FOLDER / f"{model}-{engine}-{precision}.zip"


def kept_key(sha256: str, size: int | None) -> str:
    """Return the name of a style in such a file.

    Args:
        sha256: of the bytes of the picture.
        size: the shorter side that the picture was reduced to, if it was larger.

    Example:
        >>> kept_key("0a" * 32, 512)[-10:]
        '0a0a0a-512'
    """
    return f"{sha256}-{size or 'full'}"


class KeptStyles:
    """The styles in such a file, found by their keys and read one by one.

    Args:
        path: the file; a missing or damaged one is empty.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip: zipfile.ZipFile | None = None
        with suppress(OSError, ValueError, zipfile.BadZipFile):
            self._zip = zipfile.ZipFile(path)

    def __contains__(self, key: str) -> bool:
        return self._zip is not None and key + SUFFIX in self._zip.NameToInfo

    def get(self, key: str) -> Style | None:
        """Return a style; None if there is none with this key, or it is damaged."""
        if self._zip is None:
            return None
        try:
            return read_style(self._zip.read(key + SUFFIX))
        except (KeyError, OSError, ValueError, zipfile.BadZipFile):
            return None

    def close(self) -> None:
        """Close the file."""
        if self._zip is not None:
            self._zip.close()
            self._zip = None


def keep_styles(path: Path, styles: Mapping[str, bytes]) -> None:
    """Add styles to such a file, which is created if missing.

    Args:
        path: from :func:`kept_file`.
        styles: the bytes of their files, by key.

    Raises:
        StyleError: if it cannot be written.

    Example:
        >>> keep_styles(path, {key: style_bytes(wave)})                      # doctest: +SKIP
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Entries that another call adds at the same time may be lost, and are then read again.
        with (
            claim(path),
            whole_file(path, overwrite=True) as file,
            zipfile.ZipFile(file, "w") as made,
        ):
            for name, data in _merged(path, styles):
                made.writestr(zipfile.ZipInfo(name, _TIME), data)
    except (OSError, ValueError) as error:
        raise StyleError(
            f"{one_line(path)}: cannot be written ({one_line(error)}); it caches the styles of "
            "pictures, so that they are read once"
        ) from error


def _merged(path: Path, styles: Mapping[str, bytes]) -> Iterable[tuple[str, bytes]]:
    """Yield the styles in the file, then the new ones."""
    before = KeptStyles(path)
    try:
        if before._zip is not None:
            for info in before._zip.infolist():
                if info.filename.removesuffix(SUFFIX) not in styles:
                    yield info.filename, before._zip.read(info)
    finally:
        before.close()
    for key, data in styles.items():
        yield key + SUFFIX, data
