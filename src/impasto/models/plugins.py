"""Painters that other packages plug in: entry points of the group ``impasto.painters``.

An entry point has the painter's name and names a function ``open_painter(*, engine, precision,
threads, vgg)`` that returns a :class:`impasto.painting.Painter`. The methods of the lab are
plugged in this way; other packages can do the same.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from impasto.errors import ImpastoError

GROUP = "impasto.painters"


def plugins() -> tuple[EntryPoint, ...]:
    """Return the entry points of all painters that are installed, by name.

    Example:
        >>> [plugin.name for plugin in plugins()]                            # doctest: +SKIP
        ['cnnmrf', 'gatys', 'style-swap']
    """
    found = {plugin.name: plugin for plugin in entry_points(group=GROUP)}
    return tuple(found[name] for name in sorted(found))


def find_plugin(name: str | Path) -> EntryPoint | None:
    """Return the entry point of a painter; None if no painter is plugged in under that name.

    Args:
        name: as a user gives it; a path is never the name of one.

    Example:
        >>> find_plugin("no-such-painter") is None
        True
    """
    # Reading the metadata of all packages is slow. A painter's name has no folder and no suffix, so
    # most names of files are rejected before that.
    if not isinstance(name, str) or Path(name).name != name or Path(name).suffix:
        return None
    return next((each for each in plugins() if each.name == name), None)


def open_plugin(plugin: EntryPoint) -> Callable[..., Any]:
    """Import the function that opens a painter.

    Raises:
        ImpastoError: if a package that it needs is not installed; with the pip command for it.
    """
    try:
        opener: Callable[..., Any] = plugin.load()
    except ModuleNotFoundError as error:
        package = plugin.dist.name if plugin.dist is not None else plugin.module.partition(".")[0]
        extras = f"[{','.join(plugin.extras)}]" if plugin.extras else ""
        raise ImpastoError(
            f"model {plugin.name!r} needs {error.name}; pip install '{package}{extras}'"
        ) from error
    return opener
