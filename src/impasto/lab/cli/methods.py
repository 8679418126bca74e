"""``impasto lab methods``: optimization methods and networks, with their options, as lines."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from typing import Any

from impasto.errors import ImpastoError, escaped
from impasto.models import open_plugin, plugins


def method_lines() -> Iterator[str]:
    """Yield lines about all plugged-in painters."""
    from impasto.lab.optimize.painter import Method

    for plugin in plugins():
        try:
            thing = open_plugin(plugin)
        except ImpastoError as error:  # a broken one does not hide the others
            yield f"{plugin.name}: cannot be used: {escaped(str(error))}"
            yield ""
            continue
        method = getattr(thing, "__self__", thing)  # of METHOD.open_painter
        if not isinstance(method, Method):
            yield f"{plugin.name}: a painter from the package {_package(plugin)}"
            yield ""
            continue
        limits = method.limits
        yield f"{plugin.name}: {method.title} ({method.paper})"
        yield f"    alpha up to {limits.alpha[1]:g}: {method.alpha}"
        able = {
            "several styles": limits.several,
            "masks": limits.masks,
            "a map of alpha": limits.alpha_map,
            "--checkpoint": method.checkpoints,
        }
        yield "    supports: " + ", ".join(name for name, yes in able.items() if yes)
        if not all(able.values()):
            yield "    does not support: " + ", ".join(
                name for name, yes in able.items() if not yes
            )
        yield f"    precision: {', '.join(method.precisions)}"
        for name, value in _defaults(method.options):
            yield f"    --set {name}={value}"
        yield ""


def network_lines() -> Iterator[str]:
    """Yield lines about every network that can be trained."""
    from impasto.lab.training.networks import BuiltInRow, find_network
    from impasto.lab.training.registry import network_names

    yield "Networks to train: set network = NAME in the config for impasto lab train"
    yield ""
    for name in network_names():
        try:
            row = find_network(name)
        except ImpastoError as error:
            yield f"{name}: cannot be used: {escaped(str(error))}"
            yield ""
            continue
        yield f"{name}: {row.title}"
        kept = "exported to a bundle"
        if not isinstance(row, BuiltInRow) and not row.exported:
            kept = f"not exported: {row.remark}"
        yield f"    {row.family}; {kept}"
        for option, value in _defaults(row.tables.method):
            yield f"    --set {row.tables.title}.{option}={value}"
        yield ""


def _defaults(options: type) -> Iterator[tuple[str, str]]:
    """Yield fields of a table of options and their defaults, as written on the command line."""
    for field in dataclasses.fields(options):
        value: Any = getattr(options(), field.name)
        if isinstance(value, dict):
            value = ",".join(f"{layer}:{weight:g}" for layer, weight in value.items())
        elif isinstance(value, tuple):
            value = ",".join(f"{each:g}" for each in value)
        yield field.name, str(value)


def _package(plugin: EntryPoint) -> str:
    return plugin.dist.name if plugin.dist else plugin.module.partition(".")[0]
