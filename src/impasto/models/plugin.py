"""Painters of other packages and of a user's own modules, found by name.

A package has entry points in the group ``impasto.painters``, each with a painter's name and its
place, ``module:NAME``; a user can also give such a place directly. The place holds a painter
(:class:`impasto.painting.Painter`), a function that opens one, an object with ``stylize``, or a
method of the lab (:func:`impasto.painting.objects.painter_of`). The lab's own methods are plugged
in this way.
"""

from __future__ import annotations

import difflib
import importlib
import re
import sys
import traceback
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from impasto.errors import ImpastoError, ModelError, escaped

GROUP = "impasto.painters"

# A single letter is a drive, so that a bundle on it is not mistaken for a place.
_PLACE = re.compile(r"(?!.:.*\.impasto$)[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def plugins(group: str = GROUP) -> tuple[EntryPoint, ...]:
    """Return the installed entry points of a group, by name.

    Args:
        group: by default that of painters.

    Example:
        >>> [plugin.name for plugin in plugins()]                            # doctest: +SKIP
        ['cnnmrf', 'gatys', 'style-swap']
    """
    found = {plugin.name: plugin for plugin in entry_points(group=group)}
    return tuple(found[name] for name in sorted(found))


def find_plugin(name: str | Path, group: str = GROUP) -> EntryPoint | None:
    """Return the entry point of a painter; None if no painter is plugged in under that name.

    Args:
        name: as given by a user; a path is never the name of one. ``module:NAME`` is a place, and
            equivalent to the name of an entry point at that place; whether it exists is checked
            when it is opened.
        group: by default that of painters.

    Example:
        >>> find_plugin("no-such-painter") is None
        True
        >>> find_plugin("tinting:TintPainter").attr
        'TintPainter'
    """
    if is_place(name):
        return EntryPoint(str(name), str(name), group)
    # Reading the metadata of all packages is slow. A painter's name has no folder and no suffix, so
    # most file names are rejected before that.
    if not isinstance(name, str) or Path(name).name != name or Path(name).suffix:
        return None
    return next((each for each in plugins(group) if each.name == name), None)


def is_place(name: str | Path) -> bool:
    """Return True for ``module:NAME``, an object in a module that can be imported.

    Example:
        >>> is_place("tinting:TintPainter"), is_place("gatys:steps=3"), is_place("C:wave.impasto")
        (True, False, False)
    """
    return isinstance(name, str) and _PLACE.fullmatch(name) is not None


def open_plugin(plugin: EntryPoint, what: str = "model") -> Any:
    """Import the object that an entry point names.

    The module of a place given by a user is searched on Python's path, and then in the working
    folder, which stays on the path from then on.

    Args:
        plugin: from :func:`find_plugin`.
        what: its kind, for messages.

    Raises:
        ImpastoError: if a package that it needs is not installed; with the pip command for it.
        ModelError: if the module or the name in it does not exist, or it cannot be imported.
    """
    given = is_place(plugin.name)
    if given:
        _look_here(plugin.module.partition(".")[0])
    try:
        thing: Any = importlib.import_module(plugin.module)
    except ModuleNotFoundError as error:
        if not given:
            raise _not_installed(plugin, error, what) from error
        if error.name is None or not f"{plugin.module}.".startswith(f"{error.name}."):
            raise ImpastoError(f"{what} {plugin.name!r} needs {error.name}; install it") from error
        raise ModelError(
            f"{what} {plugin.name!r}: there is no module {error.name!r} on Python's path or in "
            f"{escaped(str(Path.cwd()))}; run in the folder of its file, or add that to PYTHONPATH"
        ) from error
    except Exception as error:  # the module may do anything
        raise ModelError(
            f"{what} {plugin.name!r}: module {plugin.module!r} cannot be imported: {_line(error)}"
        ) from error
    for name in plugin.attr.split("."):
        if not hasattr(thing, name):
            near = difflib.get_close_matches(name, [n for n in vars(thing) if n[0] != "_"], n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise ModelError(
                f"{what} {plugin.name!r}: module {plugin.module!r} has no {plugin.attr!r}{hint}"
            )
        thing = getattr(thing, name)
    return thing


def _look_here(root: str) -> None:
    """Add the working folder to Python's path for a module that is not on it."""
    try:
        missing = root not in sys.modules and find_spec(root) is None
    except ValueError:  # a module without a spec exists
        return
    here = str(Path.cwd())
    if missing and here not in sys.path:
        sys.path.append(here)
        importlib.invalidate_caches()


def _not_installed(plugin: EntryPoint, error: ModuleNotFoundError, what: str) -> ImpastoError:
    package = plugin.dist.name if plugin.dist is not None else plugin.module.partition(".")[0]
    extras = f"[{','.join(plugin.extras)}]" if plugin.extras else ""
    return ImpastoError(
        f"{what} {plugin.name!r} needs {error.name}; pip install '{package}{extras}'"
    )


def _line(error: Exception) -> str:
    """Return an error in a line: its type, its message and the line of code that raised it."""
    text = f"{type(error).__name__}: {error}"
    if not isinstance(error, SyntaxError):  # its message has the location
        frame = traceback.extract_tb(error.__traceback__)[-1]
        text += f" ({Path(frame.filename).name}, line {frame.lineno})"
    return escaped(" ".join(text.split()))
