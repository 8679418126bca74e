"""Models: their files, a table of those that ship, and the engines that run them."""

from impasto.models.bundle import Bundle, Card, Level, bundle_file, read_bundle, write_bundle
from impasto.models.engine import ENGINES, open_engine
from impasto.models.plugins import find_plugin, open_plugin, plugins
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
