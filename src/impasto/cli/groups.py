"""Groups of commands that recognize other words for commands and options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

# Impasto's options, and what other programs call them.
_OPTIONS: dict[str, tuple[str, ...]] = {
    "alpha": ("strength", "style-strength", "style-weight", "intensity", "amount", "opacity"),
    "out": ("output", "output-dir", "out-dir", "outdir", "output-folder", "dest", "save-to"),
    "style": ("styles", "style-image", "style-path", "style-dir"),
    "size": ("resolution", "image-size", "img-size", "content-size", "max-size", "width", "height"),
    "coarse": ("stroke", "stroke-size", "strokes", "brush", "brush-size"),
    "descreen": ("demesh", "remove-mesh", "mesh", "smooth", "remove-pattern"),
    "color": ("colour", "colors", "preserve-color", "preserve-colors", "keep-colors"),
    "weights": ("blend", "interpolation-weights", "style-interpolation-weights", "mix"),
    "mask": ("masks", "region", "regions", "mask-path"),
    "model": ("network", "net", "weights-file"),
    "engine": ("device", "gpu", "cuda", "cpu", "backend", "provider"),
    "memory": ("mem", "ram", "max-memory"),
    "threads": ("jobs", "workers", "num-threads", "num-workers"),
    "steps": ("iterations", "iters", "num-steps", "epochs"),
    "iterations": ("steps", "iters", "num-steps", "epochs"),
    "overwrite": ("force", "replace", "yes", "clobber"),
    "resume": ("continue", "skip-existing"),
    "quality": ("jpeg-quality", "compression"),
}
_MEANT = {word: name for name, words in _OPTIONS.items() for word in words}

_PHOTOGRAPH = ("content", "contents", "content-image", "content-path", "input", "photo", "image")
_NAMED = ("content", "contents")
# Options of other programs for what is a positional argument here, and our arguments.


class WordedGroup(click.Group):
    """Click group that suggests the intended command for an unknown one."""

    def __init__(self, *args: Any, words: Mapping[str, str] | None = None, **settings: Any) -> None:
        """Take in ``words`` the hints for words that are not commands, such as {"list": "..."}."""
        super().__init__(*args, **settings)
        self.words = words or {}

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with.

        Raises:
            UsageError: for an unknown one, with the intended one.
        """
        name = args[0]
        if ctx.resilient_parsing or name.startswith("-") or name in self.list_commands(ctx):
            return super().resolve_command(ctx, args)
        raise click.UsageError(f"No such command {name!r}.{self.hint(ctx, name)}", ctx)

    def hint(self, ctx: click.Context, name: str) -> str:
        """A sentence that suggests a command for an unknown word; "" if none is similar."""
        word = name.lower().replace("_", "-")
        if word in self.words:
            return f" Did you mean `{self.words[word]}`?"
        import difflib  # needed only for a wrong word

        known = [*self.list_commands(ctx), *self.words]
        near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
        if not near:
            return ""
        meant = self.words.get(near[0], f"{ctx.command_path} {near[0]}")
        return f" Did you mean `{meant}`?"


def say_option(error: click.NoSuchOption) -> click.UsageError:
    """Return the error about an unknown option, with the intended option.

    Args:
        error: error of click, which suggests names with similar spelling.
    """
    context, option = error.ctx, error.option_name
    if context is None:
        return error
    if isinstance(context.command, WordedGroup) and context.parent is None:
        return click.UsageError(
            f"No such option {option!r}. Options come after the command: {context.command_path} "
            f"stylize PHOTO STYLE {option}",
            context,
        )
    word = option.lstrip("-").lower().replace("_", "-")
    if word in _PHOTOGRAPH and any(p.name in _NAMED for p in context.command.params):
        return click.UsageError(
            f"No such option {option!r}. Input files are given without an option: "
            f"{context.command_path} PHOTO",
            context,
        )
    meant = f"--{_MEANT.get(word, '')}"
    if any(meant in each.opts for each in context.command.params):
        return click.UsageError(f"No such option {option!r}. Did you mean {meant!r}?", context)
    return error
