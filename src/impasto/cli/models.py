"""Command ``impasto models``: models, engines and their facts."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from impasto.cli import completion
from impasto.cli.lines import say
from impasto.errors import ImpastoError, escaped

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from impasto.models import Card, ModelRow


@click.command()
@click.argument("files", metavar="[FILE]...", nargs=-1, shell_complete=completion.models)
def models(files: tuple[str, ...]) -> None:
    """List the models and engines, or describe .impasto files."""
    from impasto.models import DEFAULT_MODEL, ENGINES, MODELS, find_bundle, plugins
    from impasto.models.engine import default_engine

    for file in files:
        _print_entry(file, _card_facts(find_bundle(file).card), marked=False)
    if files:
        return

    say("Models (--model NAME; * is the default)")
    say()
    for row in MODELS:
        _print_entry(row.name, _model_facts(row), marked=row.name == DEFAULT_MODEL)
    say("Use any other model by its file: --model path/to/NAME.impasto")
    say("or by its name in a Python module: --model module:NAME")
    say()
    if found := plugins():
        say("Methods of other packages (--model NAME as well)")
        say()
        for plugin in found:
            _print_entry(plugin.name, _plugin_facts(plugin), marked=False)
        say("Some need VGG-19: give --vgg FILE, or run impasto lab fetch vgg19 once")
        say()
    say("Engines (--engine NAME; * is the default)")
    say()
    default = default_engine()
    for engine in ENGINES:
        state = "installed" if engine.installed else f"not installed: pip install {engine.pip}"
        facts = [engine.summary, f"{state}; {', '.join(engine.precisions)}"]
        _print_entry(engine.name, facts, marked=engine is default)


def _model_facts(row: ModelRow) -> list[str]:
    from impasto.models import find_bundle

    if row.path is None:
        return [row.summary, f"not in this installation: {row.instructions}"]
    try:
        card = find_bundle(row.name).card
    except ImpastoError as error:  # the others are listed in spite of one damaged file
        return [row.summary, f"cannot be used: {escaped(str(error))}"]
    return [row.summary, *_card_facts(card, size=row.path.stat().st_size)]


def _card_facts(card: Card, *, size: int = 0) -> list[str]:
    kind = "levels: " + ", ".join(f"{level.name} (1/{level.stride})" for level in card.levels)
    if card.styles:
        controls = ", ".join(card.controls) or "none of alpha, several and masks"
        kind = f"styles built in: {', '.join(card.styles)}; controls: {controls}"
    return [
        card.title,
        (f"{size / 1e6:.1f} MB, " if size else "") + f"{card.parameters / 1e6:.2f} M parameters, "
        f"{card.macs_512 / 1e9:.1f} G multiply-adds at 512 x 512",
        kind,
        f"trained on: {card.data} ({card.iterations:,} iterations)",
        f"license: {card.licence}",
        *_precision_facts(card),
    ]


def _precision_facts(card: Card) -> list[str]:
    """Distance of the decoder in int8, and the precision used here by default."""
    from impasto.models.engine import (
        default_engine,
        default_precision,
        fastest_precision,
        usable_precisions,
    )

    row = default_engine()
    try:
        usable = usable_precisions(row)
    except ImpastoError as error:  # cards can be read without an engine
        return [f"engine {row.name} cannot be used: {escaped(str(error))}"]
    offered = [each for each in usable if each != "int8" or card.int8]
    chosen, fastest = default_precision(card, usable), fastest_precision(row, card, usable)
    films = f", {fastest} for films and cameras" if fastest != chosen else ""
    others = [each for each in offered if each not in (chosen, fastest)]
    also = f"; also {', '.join(others)}" if others else ""
    facts = [f"precision here, with {row.name}: {chosen} by default{films}{also}"]
    if card.int8:
        near = ", ".join(f"{name} {value:.1f} dB" for name, value in card.int8_psnr.items())
        facts.append(f"int8: PSNR to single precision {near} ({card.int8})")
    return facts


def _plugin_facts(plugin: EntryPoint) -> list[str]:
    package = plugin.dist.name if plugin.dist else plugin.module.partition(".")[0]
    if not plugin.extras:
        return [f"from the package {package}"]
    needs = f"{package}[{','.join(plugin.extras)}]"
    return [f"from the package {package}; needs pip install '{needs}'"]


def _print_entry(name: str, facts: Sequence[str], *, marked: bool) -> None:
    width = min(100, max(60, shutil.get_terminal_size().columns))
    say(f"{'*' if marked else ' '} {name}")
    for fact in facts:
        # Names of folders and files are not broken at their hyphens.
        wrapped = textwrap.wrap(
            fact,
            width,
            initial_indent="    ",
            subsequent_indent="      ",
            break_on_hyphens=False,
        )
        for line in wrapped:
            say(line)
    say()
