"""The command ``impasto``.

Only click is imported at the top, so that ``impasto --help`` answers at once: what is heavy is
imported by the command that needs it. Defaults stand in the library's signatures and nowhere here.
"""

from __future__ import annotations

import importlib
import io
import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from impasto import __version__
from impasto.cli.figures import grid, strip
from impasto.cli.options import FAILED
from impasto.cli.styles import style, styles
from impasto.cli.stylize import stylize
from impasto.errors import ImpastoError

if TYPE_CHECKING:
    from impasto.models import Card, ModelRow

INTERRUPTED, PIPE_CLOSED = 130, 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Paint a photograph in the style of another picture, offline.

    \b
    impasto stylize street.jpg wave.jpg
    """


for _command in (stylize, grid, strip, style, styles):
    cli.add_command(_command)


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(arguments: tuple[str, ...]) -> Any:
    """Train and make models: impasto lab --help (needs PyTorch)."""
    # By name, since the studio knows nothing of the lab; its own absence is its own error.
    commands = importlib.import_module("impasto.lab.cli").lab
    return commands.main(list(arguments), prog_name="impasto lab", standalone_mode=False)


@cli.command()
@click.argument("files", metavar="[FILE]...", nargs=-1)
def models(files: tuple[str, ...]) -> None:
    """List the models and the engines that there are, or what is in the .impasto files given."""
    from impasto.models import DEFAULT_MODEL, MODELS, find_bundle
    from impasto.models.engine import ENGINES

    for file in files:
        _print_entry(file, _card_facts(find_bundle(file).card), marked=False)
    if files:
        return

    click.echo("Models (--model NAME; * is the default)\n")
    for row in MODELS:
        _print_entry(row.name, _model_facts(row), marked=row.name == DEFAULT_MODEL)
    click.echo("Any other model by its file: --model path/to/NAME.impasto\n")
    click.echo("Engines (--engine NAME; * is the default)\n")
    default = next((row for row in ENGINES if row.installed), None)
    for engine in ENGINES:
        state = "installed" if engine.installed else f"not installed: pip install {engine.pip}"
        facts = [engine.summary, f"{state}; {', '.join(engine.precisions)}"]
        _print_entry(engine.name, facts, marked=engine is default)


def _model_facts(row: ModelRow) -> list[str]:
    from impasto.models import find_bundle

    if row.lab is not None:
        return [row.summary, f"a method of the lab: {row.how}; impasto lab methods tells more"]
    if row.path is None:
        return [row.summary, f"not in this installation: {row.how}"]
    try:
        card = find_bundle(row.name).card
    except ImpastoError as error:  # one damaged file is no reason to hide the others
        return [row.summary, f"cannot be used: {' '.join(str(error).split())}"]
    return [row.summary, *_card_facts(card, size=row.path.stat().st_size)]


def _card_facts(card: Card, *, size: int = 0) -> list[str]:
    kind = "levels: " + ", ".join(f"{level.name} (1/{level.stride})" for level in card.levels)
    if card.styles:
        able = ", ".join(card.controls) or "none of alpha, several and masks"
        kind = f"styles built in: {', '.join(card.styles)}; controls: {able}"
    return [
        card.title,
        (f"{size / 1e6:.1f} MB, " if size else "") + f"{card.parameters / 1e6:.2f} M parameters, "
        f"{card.macs_512 / 1e9:.1f} G multiply-adds at 512 x 512",
        kind,
        f"trained on: {card.data} ({card.iterations:,} iterations)",
        f"licence: {card.licence}",
    ]


def _print_entry(name: str, facts: Sequence[str], *, marked: bool) -> None:
    width = min(100, max(60, shutil.get_terminal_size().columns))
    click.echo(f"{'*' if marked else ' '} {name}")
    for fact in facts:
        # Names of folders and files stay whole, wherever their hyphens are.
        wrapped = textwrap.fill(
            fact,
            width,
            initial_indent="    ",
            subsequent_indent="      ",
            break_on_hyphens=False,
        )
        click.echo(wrapped)
    click.echo()


def main() -> None:
    """Run the command and exit: 0 done, 1 output closed, 2 something failed, 130 interrupted."""
    for name in ("stdin", "stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by whoever started us
            setattr(sys, name, open(os.devnull, "r+"))  # noqa: SIM115, PTH123
        elif isinstance(stream, io.TextIOWrapper) and name != "stdin":
            stream.reconfigure(errors="backslashreplace")  # a file's name need not fit
    if not sys.warnoptions:  # libraries' remarks on odd files say nothing that a user could mend
        warnings.simplefilter("ignore")
    code: int | None
    try:
        code = cli.main(prog_name="impasto", standalone_mode=False)
        sys.stdout.flush()
    except (click.Abort, KeyboardInterrupt):
        click.echo("impasto: interrupted", err=True)
        code = INTERRUPTED
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except BrokenPipeError:
        # Python flushes once more on its way out; let it flush into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = PIPE_CLOSED
    except (ImpastoError, OSError) as error:
        click.echo(f"impasto: {' '.join(str(error).split())}", err=True)
        code = FAILED
    sys.exit(code or 0)
