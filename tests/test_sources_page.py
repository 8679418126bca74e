"""The page of the sources: everything that it names is there."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

pytest.importorskip("torch")

from impasto.cli import cli
from impasto.lab.training.networks import all_networks

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "sources.md"
PLACES = ("where", "checked by", "now")
WORDS = {"std", "units=paper", "content_layers", "style_layers", "unbiased=True", ".t7", "trained/"}
"""Values and words within the text of cells."""


def cells() -> Iterator[tuple[str, str]]:
    """Find the names within backticks in the tables of statements, each with its row."""
    columns: list[str] = []
    for line in PAGE.read_text().splitlines():
        row = [cell.strip() for cell in line[1:-1].split("|")] if line.startswith("|") else []
        if row and row[0] in ("statement", "what"):
            columns = row
        elif len(row) > 1 and columns[0] == "statement" and not row[0].startswith("---"):
            assert len(row) == len(columns) == 4, line
            for column, cell in zip(columns, row, strict=True):
                if column in PLACES:
                    yield from ((name, row[0]) for name in re.findall(r"`([^`]+)`", cell))


def is_there(name: str) -> bool:
    """Return whether a name of the page is that of a test, a file, a field, a command or code."""
    if "::" in name:
        file, _, function = name.partition("::")
        path = ROOT / "tests" / f"{file}.py"
        tree = ast.parse(path.read_text() if path.exists() else "")
        return function in {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
    if field := re.fullmatch(r"\[(\w+)\] (\w+)", name):
        fields = [row.tables.fields() for row in all_networks()]
        return any(field[2] in found.get(field[1], ()) for found in fields)
    if name.startswith("--"):
        stylize = cli.get_command(click.Context(cli), "stylize")
        assert stylize is not None
        return any(name.split()[0] in option.opts for option in stylize.params)
    if name.startswith("impasto "):
        command: Any = cli
        for word in name.split()[1:]:
            command = command.get_command(click.Context(command), word)
        return command is not None
    if "/" in name:
        return (ROOT / name).exists()
    parts = ["impasto", *name.split(".")]
    for end in range(len(parts), 1, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def test_what_the_page_names_is_there() -> None:
    names = [(name, row) for name, row in cells() if name not in WORDS and name != "coral"]
    assert len(names) > 100
    missing = [f"{name} ({row})" for name, row in names if not is_there(name)]
    assert not missing, "\n".join(missing)


def test_no_statement_is_without_a_place() -> None:
    text = PAGE.read_text()
    assert not re.findall(r"\b(MISSING|WRONG|PARTLY)\b", text)


@pytest.mark.parametrize(
    "name",
    ["lab.losses.nothing", "test_losses::test_nothing", "experiments/nothing.py", "[loss] nothing",
     "impasto lab nothing", "--nothing", "lab.nothing.gram"],
)  # fmt: skip
def test_what_is_missing_is_noticed(name: str) -> None:
    assert not is_there(name)
