"""Completion of names in shells, by click's own protocol: files, styles, models.

Called at every press of the key, so nothing heavy is imported: names of styles and models are those
of their files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

from impasto.styles.places import kept_names

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

_MODELS = Path(__file__).parents[1] / "models"
_PAINTERS = "impasto.painters"


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave files and folders to the shell."""
    return [CompletionItem(incomplete, type="file")]


def contents(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete photographs; also styles by name, since the second of two names is one."""
    if not incomplete or len(ctx.params.get(param.name or "") or ()) == 0:
        return files(ctx, param, incomplete)
    return _or_files(kept_names(), incomplete)


def styles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete styles: names that are kept, and pictures."""
    return _or_files(kept_names(), incomplete)


def style_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of styles only."""
    return [CompletionItem(name) for name in kept_names() if name.startswith(incomplete)]


def own_styles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete names of the user's styles."""
    names = kept_names(own=True)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete models: those that ship, those of other packages, and files."""
    from impasto.cli import plugged_in

    shipped = sorted(path.stem for path in _MODELS.glob("*.impasto"))
    return _or_files([*shipped, *sorted(plugged_in(_PAINTERS))], incomplete)


def one_of(*words: str) -> Completer:
    """Return a completer of a few words."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(word) for word in words if word.startswith(incomplete)]

    return complete


COMPLETERS: dict[str, Completer] = {
    "file": files,
    "contents": contents,
    "style": styles,
    "model": models,
}
"""By the name in the field of an option (``option(complete=...)``)."""


def _or_files(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """The names that fit, and files: the shell's own where no name fits.

    A shell looks for files by itself only if it is given no name.
    """
    found = [CompletionItem(name) for name in names if name.startswith(incomplete)]
    if not found:
        return [CompletionItem(incomplete, type="file")]
    return found + [CompletionItem(name) for name in _listed(incomplete)]


def _listed(incomplete: str) -> list[str]:
    folder, start = os.path.split(incomplete)
    try:
        with os.scandir(folder or ".") as entries:
            found = [
                os.path.join(folder, each.name) + ("/" if each.is_dir() else "")  # noqa: PTH118
                for each in entries
                if each.name.startswith(start) and (start or not each.name.startswith("."))
            ]
    except OSError:
        return []
    return sorted(found)
