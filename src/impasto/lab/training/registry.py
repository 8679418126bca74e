"""The networks that can be trained, by name: one row each, loaded on demand.

So a run loads only the module of its own network.  The row is a ``networks.NetworkRow`` or
``BuiltInRow`` in the module of its network.  Other packages have theirs in entry points of the
group ``impasto.networks``; any other one is named by its location, ``module:NAME``.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from impasto.errors import OptionError
from impasto.models import find_plugin, open_plugin, plugins

GROUP = "impasto.networks"
"""Entry point group for networks of other packages."""

HOMES: dict[str, str] = {
    "fast": "impasto.lab.methods.compact.rows:FAST_ROW",
    "quality": "impasto.lab.methods.compact.rows:QUALITY_ROW",
    "adain": "impasto.lab.methods.adain:ADAIN",
    "adain-concat": "impasto.lab.methods.adain:CONCATENATION",
    "adain-bn": "impasto.lab.methods.adain:BATCH_NORMALIZED",
    "adain-in": "impasto.lab.methods.adain:INSTANCE_NORMALIZED",
    "reader": "impasto.lab.methods.compact.rows:READER_ROW",
    "style-swap": "impasto.lab.methods.style_swap:INVERSE_ROW",
    "johnson": "impasto.lab.methods.johnson:ROW",
    "ulyanov": "impasto.lab.methods.ulyanov:ROW",
    "cin": "impasto.lab.methods.cin:ROW",
    "stylebank": "impasto.lab.methods.stylebank:ROW",
}
"""Module and name of each row, by the name of the network in a config."""


def network_names() -> list[str]:
    """Return the names of all networks: the lab's own, then those of other packages."""
    others = (plugin.name for plugin in plugins(GROUP))
    return [*HOMES, *(name for name in others if name not in HOMES)]


@cache
def load_row(name: str) -> Any:
    """Return the row of the network ``name``, or of the one at ``module:NAME``.

    Raises:
        OptionError: if there is no such network, or no row at that location.
        ImpastoError: if its module cannot be imported.

    Example:
        >>> load_row("adain").title
        'The network of Huang & Belongie 2017'
    """
    if name in HOMES:
        module, _, attribute = HOMES[name].partition(":")
        return getattr(import_module(module), attribute)
    plugin = find_plugin(name, GROUP)
    if plugin is None:
        raise OptionError(
            f"no network {name!r}; choose {', '.join(network_names())}, or give another one as "
            "module:NAME"
        )
    row = open_plugin(plugin, "network")
    if isinstance(row, type) or not hasattr(row, "tables"):
        raise OptionError(
            f"network {name!r} is of type {type(row).__name__}; it must be a NetworkRow or a "
            "BuiltInRow of impasto.lab"
        )
    return row
