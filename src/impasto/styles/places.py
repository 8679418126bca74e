"""Folders of named styles. Nothing heavy is imported: shells complete names from here."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

from impasto.errors import StyleError

GALLERY = Path(__file__).parents[1] / "models" / "gallery"
"""The folder of the styles that ship with the package."""

VARIABLE = "IMPASTO_STYLES"
"""The environment variable that names another folder for the user's styles."""

# The folder for programs' data on each system: its environment variable, and the default.
_DATA_HOMES = {
    "darwin": ("", "Library/Application Support"),
    "win32": ("LOCALAPPDATA", "AppData/Local"),
}
_DATA_HOME = ("XDG_DATA_HOME", ".local/share")


def kept_names(*, own: bool = False) -> list[str]:
    """Return the names of saved styles for any model, in order, without opening their files.

    Args:
        own: only the user's.

    Example:
        >>> "munch-scream" in kept_names()                                   # doctest: +SKIP
        True
    """
    folders = [] if own else [GALLERY]
    with suppress(StyleError):  # without a home folder the gallery still exists
        folders.append(styles_folder())
    return sorted({path.stem for folder in folders for path in folder.glob("*/*.safetensors")})


def styles_folder() -> Path:
    """Return the folder of the user's styles, which need not exist.

    ``$IMPASTO_STYLES`` if that is set, else ``impasto/styles`` in the system's folder for programs'
    data: ``$XDG_DATA_HOME`` or ``~/.local/share``, on macOS ``~/Library/Application Support``, on
    Windows ``%LOCALAPPDATA%``.

    Raises:
        StyleError: if the user has no home.

    Example:
        >>> styles_folder()                                                  # doctest: +SKIP
        PosixPath('/home/me/.local/share/impasto/styles')
    """
    variable, usual = _DATA_HOMES.get(sys.platform, _DATA_HOME)
    try:
        if os.environ.get(VARIABLE):
            return Path(os.environ[VARIABLE]).expanduser()
        configured = Path(os.environ.get(variable, ""))
        # The XDG specification requires that relative paths are ignored.
        home = configured if configured.is_absolute() else Path.home() / usual
    except RuntimeError as error:
        raise StyleError(
            f"there is no folder for styles ({error}); set {VARIABLE} to one"
        ) from error
    return home / "impasto" / "styles"
