"""Output to the terminal: all text that the command prints goes through here.

Names of files may contain line breaks, control codes and signs that reverse the text direction.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from impasto.errors import escaped

if TYPE_CHECKING:
    from tqdm import tqdm


def say(line: object = "", *, err: bool = False, bar: tqdm[Any] | None = None) -> None:
    """Write one line, with its control characters escaped.

    Args:
        line: the text.
        err: to standard error.
        bar: a progress bar that is on the screen, which makes room for the line.

    Example:
        >>> say("new\\nline.png: painted")
        new\\nline.png: painted
    """
    text = escaped(str(line))
    if bar is None:
        click.echo(text, err=err)
    else:
        bar.write(text, file=sys.stderr if err else sys.stdout)


def describe(bar: tqdm[Any], text: str) -> None:
    """Change the text beside a progress bar."""
    bar.set_description_str(escaped(text))
