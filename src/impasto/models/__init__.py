"""Models: their files, a table of those that ship, and the engines that run them.

Names are loaded on first use, so that listing engines does not load NumPy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from impasto.models.bundle import Bundle, Card, Level, bundle_file, read_bundle, write_bundle
    from impasto.models.engine import open_engine
    from impasto.models.engines import ENGINES
    from impasto.models.plugin import find_plugin, open_plugin, plugins
    from impasto.models.table import DEFAULT_MODEL, MODELS, ModelRow, find_bundle

__all__ = [
    "DEFAULT_MODEL",
    "ENGINES",
    "MODELS",
    "Bundle",
    "Card",
    "Level",
    "ModelRow",
    "bundle_file",
    "find_bundle",
    "find_plugin",
    "open_engine",
    "open_plugin",
    "plugins",
    "read_bundle",
    "write_bundle",
]

_HOMES = {
    "bundle": ("Bundle", "Card", "Level", "bundle_file", "read_bundle", "write_bundle"),
    "engine": ("open_engine",),
    "engines": ("ENGINES",),
    "plugin": ("find_plugin", "open_plugin", "plugins"),
    "table": ("DEFAULT_MODEL", "MODELS", "ModelRow", "find_bundle"),
}
_HOME = {name: f"{__name__}.{home}" for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
