"""The command reference, made of click's commands, and the Python reference, of public names."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from types import ModuleType

import click

import impasto
from impasto import lab
from impasto.cli import cli
from sitemap import ROOT

_PARTS = {
    "Paint": ("load", "Stylizer", "Painted", "read_photo", "grid", "strip"),
    "Values": ("Controls", "ReadOptions", "SaveOptions", "Budget"),
    "Styles": ("Style", "blend_styles", "load_style", "save_style"),
    "Films": ("stylize_video", "stylize_frames", "VideoOptions"),
    "Data sets": ("stylize_dataset", "DatasetOptions", "augment"),
}
"""Public names by subject; errors are a subject of their own, and what is not here comes last."""


def commands() -> Iterator[tuple[str, click.Command, click.Context]]:
    """Every command with its full name, plugged-in ones too."""
    yield from _below("impasto", cli, click.Context(cli, info_name="impasto"))


def _below(
    name: str, command: click.Command, context: click.Context
) -> Iterator[tuple[str, click.Command, click.Context]]:
    yield name, command, context
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            child = command.get_command(context, each)
            if child is not None and not child.hidden:
                inner = click.Context(child, info_name=each, parent=context)
                yield from _below(f"{name} {each}", child, inner)


def commands_page() -> str:
    """The page of all commands with their options."""
    lines = [
        "# Commands",
        "",
        "What `--help` says, on one page. It is made of the commands themselves.",
        "",
        "| command | what it does |",
        "| --- | --- |",
    ]
    found = list(commands())
    for name, command, _ in found:
        if not isinstance(command, click.Group):
            anchor = name.replace(" ", "-")
            lines.append(f"| [`{name}`](#{anchor}) | {_cell(command.get_short_help_str(200))} |")
    for name, command, context in found:
        depth = "##" if name.count(" ") < 2 else "###"
        lines += ["", f"{depth} {name}", ""]
        usage = " ".join(command.collect_usage_pieces(context))
        lines += ["```text", f"{name} {usage}", "```", ""]
        lines += _prose(command.help or "")
        options = [
            row for param in command.params if (row := param.get_help_record(context)) and row[1]
        ]
        if options:
            lines += ["", "| option | what it does |", "| --- | --- |"]
            lines += [f"| `{_cell(option)}` | {_cell(text)} |" for option, text in options]
    return "\n".join(lines) + "\n"


def _prose(text: str) -> list[str]:
    r"""The help of a command as Markdown; what follows ``\b`` is kept line by line."""
    lines: list[str] = []
    for part in re.split(r"\n\s*\n", text.partition("\f")[0].strip()):
        if part.lstrip(" ").startswith("\b"):
            lines += ["```text", *textwrap.dedent("\n".join(part.splitlines()[1:])).splitlines()]
            lines += ["```", ""]
        else:
            lines += [_escape(" ".join(part.split())), ""]
    return lines


def _escape(text: str) -> str:
    """Text in which nothing but code is Markdown."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<\[\]])", r"\\\1", part) for part in parts
    )


def _cell(text: str) -> str:
    """Text of a cell of a table; a bar would end it."""
    return _escape(" ".join(text.split())).replace("|", "\\|")


def python_page() -> str:
    """The page of the names of ``impasto``."""
    names = [name for name in impasto.__all__ if not name.startswith("__")]
    parts = {part: [name for name in given if name in names] for part, given in _PARTS.items()}
    parts["Errors"] = [name for name in names if name.endswith("Error")]
    placed = {name for each in parts.values() for name in each}
    parts["More"] = [name for name in names if name not in placed]
    lines = [
        "# Python",
        "",
        "The names of `import impasto`. [Get started](get-started.md#in-python) is the place to "
        "begin.",
    ]
    for part, given in parts.items():
        if given:
            lines += ["", f"## {part}", ""]
            lines += [_entry(place(impasto, name)) for name in given]
    return "\n".join(lines) + "\n"


def lab_page() -> str:
    """The page of the names of ``impasto.lab``."""
    lines = [
        "# Python: the lab",
        "",
        "The names of `import impasto.lab`, by the modules that they stand in. The lab needs "
        "PyTorch: `pip install 'impasto[lab]'`.",
    ]
    homes: dict[str, list[str]] = {}
    for name in lab.__all__:
        homes.setdefault(place(lab, name).rpartition(".")[0], []).append(name)
    for home, names in sorted(homes.items()):
        first = _first_line(home)
        lines += ["", f"## {home.removeprefix('impasto.lab.')}", "", _escape(first), ""]
        lines += [_entry(f"{home}.{name}") for name in names]
    return "\n".join(lines) + "\n"


def place(package: ModuleType, name: str) -> str:
    """The full name of a public name, by the module that it is written in; or of a module."""
    homes = vars(package)["_HOMES"]
    if name in homes:  # of the lab, whose names are not imported: that would need PyTorch
        return f"{homes[name]}.{name}"
    home = next((module for module, names in homes.items() if name in names), package.__name__)
    return f"{home}.{name}"


def _first_line(module: str) -> str:
    """The first line of a module's docstring, read without importing PyTorch."""
    stem = ROOT / "src" / module.replace(".", "/")
    file = stem / "__init__.py" if stem.is_dir() else stem.with_suffix(".py")
    text = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return text.partition("\n")[0]


def _entry(name: str) -> str:
    return f"::: {name}\n"
