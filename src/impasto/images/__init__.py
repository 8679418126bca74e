"""Read, scale and write pictures and files, independent of styles and models.

``Photo``, ``Picture``, ``read_photo`` and ``write_image`` are loaded on first use, since other
modules of the package need no NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto.images.options import ReadOptions, SaveOptions
    from impasto.images.photo import Photo, Picture, read_photo
    from impasto.images.writing import write_image

__all__ = ["Photo", "Picture", "ReadOptions", "SaveOptions", "read_photo", "write_image"]

_HOME = {
    "Photo": "photo",
    "Picture": "photo",
    "ReadOptions": "options",
    "SaveOptions": "options",
    "read_photo": "photo",
    "write_image": "writing",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
