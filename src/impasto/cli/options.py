"""What the commands share: options whose defaults are the library's."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import click

FAILED = 2
"""The exit code where something failed."""


class LibraryOption(click.Option):
    """An option whose default is the library's, looked up when the help is printed, not before.

    ``reads`` says where it is written: ``module:function:parameter``.
    """

    def __init__(self, *args: Any, reads: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.reads = reads

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        module, path, parameter = self.reads.split(":")
        target: Any = importlib.import_module(f"impasto.{module}")
        for name in path.split("."):
            target = getattr(target, name)
        default = inspect.signature(target).parameters[parameter].default
        if isinstance(default, tuple):
            default = ", ".join(map(str, default))
        elif self.secondary_opts:
            default = (self.opts if default else self.secondary_opts)[0].lstrip("-")
        return record and (record[0], f"{record[1]}  [default: {default}]")


def given(**options: Any) -> dict[str, Any]:
    """The options that were given; for the others the library's own defaults hold."""
    return {name: value for name, value in options.items() if value is not None}
