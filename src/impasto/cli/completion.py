"""Completion of names in shells: files by their suffixes, styles, models, words of options.

Called at every press of the Tab key, so nothing heavy is imported: names of styles and models are
read from the names of their files. The scripts for shells are in :mod:`impasto.cli.shells`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import click
from click.shell_completion import CompletionItem

from impasto.styles.places import kept_names

Completer: TypeAlias = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

FILES = "files"
"""The type of an item that stands for folders, and for files with one of its ``suffixes``."""

_MODELS = Path(__file__).parents[1] / "models"
_PAINTERS = "impasto.painters"


def files(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave files and folders to the shell."""
    return [CompletionItem(incomplete, type="file")]


def pictures(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete files of pictures."""
    return [_files(incomplete, _picture_suffixes())]


def films(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete films: in containers, and animated pictures."""
    return [_files(incomplete, (*_film_suffixes(), *_animated_suffixes()))]


def pictures_and_films(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete files of both kinds."""
    return [_files(incomplete, (*_picture_suffixes(), *_film_suffixes()))]


def contents(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete photographs; also styles by name, since the second of two names is a style."""
    if not incomplete or len(ctx.params.get(param.name or "") or ()) == 0:
        return pictures(ctx, param, incomplete)
    return styles(ctx, param, incomplete)


def styles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete styles: saved names, and pictures."""
    return [*_names(kept_names(), incomplete), _files(incomplete, _picture_suffixes())]


def style_sources(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete files that styles are made of: pictures, and files of styles."""
    return [_files(incomplete, (*_picture_suffixes(), ".safetensors"))]


def style_names(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Complete names of styles only."""
    return _names(kept_names(), incomplete)


def own_styles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete names of the user's styles."""
    return _names(kept_names(own=True), incomplete)


def models(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete models: those that ship, those of other packages, and files."""
    from impasto.cli import plugged_in

    shipped = sorted(path.stem for path in _MODELS.glob("*.impasto"))
    names = _names([*shipped, *sorted(plugged_in(_PAINTERS))], incomplete)
    return [*names, _files(incomplete, (".impasto",))]


def engines(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete inference engines that are installed."""
    from impasto.models.engines import ENGINES

    return _names([row.name for row in ENGINES if row.installed], incomplete)


def precisions(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete precisions: those of the given engine, or of all, and the word for any."""
    from impasto.models.engines import AUTO, ENGINES

    rows = [row for row in ENGINES if row.name == ctx.params.get("engine")] or ENGINES
    names = dict.fromkeys(name for row in rows for name in row.precisions)
    return _names([*names, AUTO], incomplete)


def one_of(*words: str) -> Completer:
    """Return a completer of a few words."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return _names(words, incomplete)

    return complete


def with_suffix(*suffixes: str) -> Completer:
    """Return a completer of files with one of a few suffixes."""

    def complete(
        ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [_files(incomplete, suffixes)]

    return complete


COMPLETERS: dict[str, Completer] = {
    "file": files,
    "picture": pictures,
    "picture or film": pictures_and_films,
    "film": films,
    "toml": with_suffix(".toml"),
    "style": styles,
    "model": models,
    "engine": engines,
    "precision": precisions,
}
"""Completers by the name in the field of an option (``option(complete=...)``)."""


def _names(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _files(incomplete: str, suffixes: tuple[str, ...]) -> CompletionItem:
    return CompletionItem(incomplete, type=FILES, suffixes=suffixes)


def _picture_suffixes() -> tuple[str, ...]:
    from impasto.images.formats import READ_SUFFIXES

    return READ_SUFFIXES


def _animated_suffixes() -> tuple[str, ...]:
    from impasto.images.formats import FORMATS

    return tuple(suffix for row in FORMATS if row.animated for suffix in row.suffixes + row.also)


def _film_suffixes() -> tuple[str, ...]:
    from impasto.video.options import FILM_SUFFIXES

    return FILM_SUFFIXES
