"""Options of the command line that are made of the fields of dataclasses."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from impasto.cli.figures import grid, strip
from impasto.cli.options import options_of
from impasto.cli.stylize import stylize
from impasto.controls import Controls
from impasto.errors import OptionError
from impasto.images.options import ReadOptions, SaveOptions, option
from impasto.painting import Budget


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """A field of each kind."""

    count: int = option(3, "How many.")
    limit: float | None = option(None, "At most.", shown="no limit")
    name: str | None = option(None, "Called so.", short="-n", metavar="NAME")
    gently: bool = option(False, "Not hard.")
    shares: Sequence[float] | None = option(None, "Of each.")
    words: Sequence[str] = option((), "Some of them.", flag="word")
    maps: Sequence[Map] = option((), "Pictures.", flag="map")  # noqa: F821 (a text, as in Controls)
    strength: float | Map = option(1.0, "A number or a picture.")  # noqa: F821
    place: Path | None = option(None, "A file.")
    room: int = option(1000, "Bytes.", kind="bytes")
    hidden: int = 7

    def __post_init__(self) -> None:
        if self.count < 0:
            raise OptionError(f"count is {self.count}")


def wishes(*words: str) -> Any:
    @click.command()
    @options_of(asked=Wishes)
    def command(asked: Wishes) -> Wishes:
        return asked

    return command.main([*words], standalone_mode=False)


def test_defaults_are_those_of_the_dataclass() -> None:
    assert wishes() == Wishes()


def test_every_kind_is_read() -> None:
    found = wishes(
        *"--count 0 --limit 0.5 -n x --gently --shares 1,0 --word a --word b".split(),
        *"--map sky.png --map - --strength 0 --place p/q --room 2kB".split(),
    )
    assert found == Wishes(
        count=0, limit=0.5, name="x", gently=True, shares=(1.0, 0.0), words=("a", "b"),
        maps=("sky.png", sys.stdin.buffer), strength=0.0, place=Path("p/q"), room=2000,
    )  # fmt: skip
    assert wishes("--strength", "ramp.png").strength == "ramp.png"
    with pytest.raises(click.NoSuchOption):
        wishes("--hidden", "1")
    with pytest.raises(OptionError, match="count is -1"):
        wishes("--count", "-1")


def test_help_has_defaults() -> None:
    @click.command()
    @options_of(asked=Wishes, leave_out=("asked.words",))
    def command(asked: Wishes) -> None: ...

    text = " ".join(CliRunner().invoke(command, ["--help"]).output.split())
    for words in (
        "--count INTEGER How many. [default: 3]",
        "--limit FLOAT At most. [default: no limit]",
        "-n, --name NAME Called so. --gently Not hard. --shares",
        "[default: 1.0]",
    ):
        assert words in text
    assert "--word" not in text


def test_a_field_of_an_unknown_type_is_refused() -> None:
    @dataclass
    class Odd:
        when: complex = option(1j, "Rotated.")

    with pytest.raises(TypeError, match="when: there is no option for type 'complex'"):
        options_of(odd=Odd)(lambda odd: odd)


def test_every_field_of_the_library_is_an_option() -> None:
    known = {each.name for each in stylize.params}
    for kind in (Controls, ReadOptions, SaveOptions, Budget):
        assert {each.name for each in fields(kind)} <= known
    for figure in (grid, strip):
        assert {"mask", "statistics", "color", "size", "style_size", "max_pixels"} <= {
            each.name for each in figure.params
        }
    for command in (stylize, grid, strip):
        flags = [flag for each in command.params for flag in each.opts]
        assert len(flags) == len(set(flags))
