"""Commands ``impasto grid`` and ``impasto strip``: the paper's figures of its controls."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import click

from impasto.batch.inputs import STDIO, split_styles
from impasto.cli import completion
from impasto.cli.lines import describe, say
from impasto.cli.options import (
    LibraryOption,
    ModelOptions,
    file_or_stdin,
    numbers,
    options_of,
    progress_bar,
    without_none,
)
from impasto.controls import Controls
from impasto.images.options import ReadOptions, SaveOptions, option

if TYPE_CHECKING:
    from PIL import Image

    from impasto.controls import Map
    from impasto.painting import Progress
    from impasto.stylizer import Stylizer

_EXCLUDED = (
    "controls.weights",
    "controls.masks",
    "read.size",
    "read.keep_gps",
    "save.depth",
    "save.format",
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Options of a figure: file, size and mask.

    Attributes:
        out: file of the figure.
        size: shorter side of each picture; None for the library's default.
        mask: mask of the painted area.
        quiet: print errors only.
    """

    out: str = option(
        "",
        "Output file; - for stdout.",
        short="-o",
        metavar="OUT",
        required=True,
        complete="file",
    )
    size: int | None = option(
        None,
        "Reduce a larger photograph to this shorter side.",
        metavar="N",
        reads="batch.figures:grid:size",
    )
    mask: Map | None = option(
        None,
        "Mask of the painted area: a gray picture, or one with an alpha channel. The rest of the "
        "photograph stays unchanged.",
        metavar="FILE",
    )
    quiet: bool = option(False, "Print errors only.", short="-q")


@click.command()
@click.argument("content", metavar="CONTENT", shell_complete=completion.pictures)
@click.option(
    "-s",
    "--style",
    "names",
    metavar="STYLE",
    shell_complete=completion.styles,
    multiple=True,
    help="Style of a corner, given 4 times: top left, top right, bottom left, bottom right.",
)
@click.option(
    "--steps",
    type=int,
    metavar="N",
    cls=LibraryOption,
    reads="batch.figures:grid:steps",
    help="Number of pictures along each side.",
)
@options_of(
    figure=Figure,
    controls=Controls,
    read=ReadOptions,
    save=SaveOptions,
    model=ModelOptions,
    leave_out=_EXCLUDED,
)
def grid(content: str, names: tuple[str, ...], steps: int | None, **options: Any) -> int:
    """Draw a grid that blends four styles, one at each corner.

    \b
    impasto grid street.jpg -s wave.jpg -s rain.jpg -s sun.jpg -s ink.jpg -o grid.png
    """
    if len(names) != 4:
        raise click.UsageError(
            f"a grid has a style at each corner: give -s 4 times, not {len(names)}"
        )
    from impasto.batch import figures

    def draw(model: Stylizer, photo: Any, styles: Sequence[Any], **more: Any) -> Image.Image:
        return figures.grid(model, photo, styles, **more, **without_none(steps=steps))

    return _draw(content, names, draw, pictures=(steps or figures.STEPS) ** 2, **options)


@click.command()
@click.argument("content", metavar="CONTENT", shell_complete=completion.pictures)
@click.option(
    "-s",
    "--style",
    "name",
    metavar="STYLE",
    shell_complete=completion.styles,
    required=True,
    help="Style: a picture, or a name from `impasto styles`.",
)
@click.option(
    "--alphas",
    type=numbers,
    metavar="A,A,...",
    cls=LibraryOption,
    reads="batch.figures:strip:alphas",
    help="Strengths from left to right, up to 2.",
)
@options_of(
    figure=Figure,
    controls=Controls,
    read=ReadOptions,
    save=SaveOptions,
    model=ModelOptions,
    leave_out=("controls.alpha", *_EXCLUDED),
)
def strip(content: str, name: str, alphas: tuple[float, ...] | None, **options: Any) -> int:
    """Draw a photograph at several strengths of a style, from none to full.

    \b
    impasto strip street.jpg -s wave.jpg -o strip.png
    """
    from impasto.batch import figures

    def draw(model: Stylizer, photo: Any, styles: Sequence[Any], **more: Any) -> Image.Image:
        return figures.strip(model, photo, styles[0], **more, **without_none(alphas=alphas))

    return _draw(content, (name,), draw, pictures=len(alphas or figures.ALPHAS), **options)


def _draw(
    content: str,
    names: tuple[str, ...],
    draw: Callable[..., Image.Image],
    *,
    pictures: int,
    figure: Figure,
    controls: Controls,
    read: ReadOptions,
    save: SaveOptions,
    model: ModelOptions,
) -> int:
    from impasto.batch.outputs import plan_outputs
    from impasto.images.writing import write_image

    masks: list[Any] = [] if figure.mask is None else [figure.mask]
    controls = replace(controls, masks=masks)
    maps: list[Any] = [controls.alpha, *masks]
    others = [
        each if isinstance(each, str) else STDIO for each in maps if not isinstance(each, float)
    ]
    (content,), names = split_styles((content,), names, others=others)
    inputs, mixtures = [(content, "")], [names]
    existing: Any = "replace" if save.overwrite else "spare"
    outputs = plan_outputs(inputs, mixtures, out=figure.out, existing=existing, others=others)
    [(job,)] = outputs.jobs(inputs, mixtures)
    with progress_bar("loading the model", 1 + pictures, quiet=figure.quiet) as bar:
        loaded = model.load()
        bar.update()
        describe(bar, content.rpartition("/")[2])

        def watch(progress: Progress) -> None:
            bar.update(1 + progress.step - bar.n)

        sheet = draw(
            loaded,
            file_or_stdin(content),
            [file_or_stdin(name) for name in names],
            controls=controls,
            read=read,
            watch=watch,
            **without_none(size=figure.size),
        )
    encoded = io.BytesIO()  # encoded in full before the first byte is written
    write_image(sheet, job.target or encoded, save=save)
    if job.target is None:
        sys.stdout.buffer.write(encoded.getbuffer())
        sys.stdout.buffer.flush()
    elif not figure.quiet:
        say(f"{job.target}: {pictures} pictures ({sheet.width} x {sheet.height} pixels)")
    return 0
