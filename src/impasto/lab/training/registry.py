"""The networks that can be trained, by name: a row each, which is loaded when it is asked for.

So a run loads the module of its own network and no other's.  The row is a ``networks.NetworkRow``
or ``BuiltInRow`` beside the network that it is about.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

from impasto.errors import OptionError

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


@cache
def load_row(name: str) -> Any:
    """The row of the network ``name``.

    Raises:
        OptionError: if there is no such network.

    Example:
        >>> load_row("adain").title
        'The network of Huang & Belongie 2017'
    """
    if name not in HOMES:
        raise OptionError(f"no network {name!r}; there are {', '.join(HOMES)}")
    module, _, attribute = HOMES[name].partition(":")
    return getattr(import_module(module), attribute)
