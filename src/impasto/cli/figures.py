"""The commands ``impasto grid`` and ``impasto strip``: the paper's figures of its controls."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from impasto.batch.inputs import Source, split_styles
from impasto.batch.outputs import plan
from impasto.cli.options import LibraryOption, given
from impasto.cli.painting import (
    C,
    PaintingOptions,
    about,
    numbers,
    painting_options,
    read_plane,
    read_style,
    short_name,
)
from impasto.errors import OptionError

if TYPE_CHECKING:
    from PIL import Image

    from impasto.images.photo import Photo
    from impasto.styles.style import Style
    from impasto.stylizer import Stylizer

    Draw = Callable[..., Image.Image]


def _figure_options(command: C) -> C:
    own = (
        click.argument("content", metavar="CONTENT"),
        click.option(
            "-o", "--out", metavar="OUT", required=True, help="File of the figure; - for stdout."
        ),
        click.option(
            "--size",
            type=int,
            metavar="N",
            cls=LibraryOption,
            reads="batch.figures:grid:size",
            help="Shorter side that a larger photograph is reduced to.",
        ),
        click.option(
            "--mask",
            metavar="FILE",
            help="Where what is painted goes: a gray picture, or one with an alpha channel. "
            "Elsewhere the photograph stays.",
        ),
    )
    command = painting_options(command)
    for option in reversed(own):
        command = option(command)
    return command


@click.command()
@click.option(
    "-s",
    "--style",
    "names",
    metavar="STYLE",
    multiple=True,
    help="Four: top left, top right, bottom left, bottom right.",
)
@click.option(
    "--steps",
    type=int,
    metavar="N",
    cls=LibraryOption,
    reads="batch.figures:grid:steps",
    help="Pictures along each side.",
)
@click.option(
    "--alpha",
    type=float,
    metavar="A",
    cls=LibraryOption,
    reads="batch.figures:grid:alpha",
    help="Strength, up to 2.",
)
@_figure_options
def grid(names: tuple[str, ...], steps: int | None, alpha: float | None, **figure: Any) -> int:
    """Draw a photograph between four styles, which mix as their corners are near.

    \b
    impasto grid street.jpg -s wave.jpg -s rain.jpg -s sun.jpg -s ink.jpg -o grid.png
    """
    from impasto.batch import figures
    from impasto.controls.affine import check_alpha

    if len(names) != 4:
        raise click.UsageError(
            f"a grid has a style at each corner: give -s 4 times, not {len(names)}"
        )
    if alpha is not None:
        check_alpha(alpha)
    if steps is not None and steps < 2:
        raise OptionError(f"a grid needs 2 steps or more along each side, not {steps}")
    return _draw(
        names,
        partial(figures.grid, **given(steps=steps, alpha=alpha)),
        pictures=(steps or figures.STEPS) ** 2,
        **figure,
    )


@click.command()
@click.option("-s", "--style", "name", metavar="STYLE", required=True, help="The style.")
@click.option(
    "--alphas",
    type=numbers,
    metavar="A,A,...",
    cls=LibraryOption,
    reads="batch.figures:strip:alphas",
    help="Strengths from left to right, up to 2.",
)
@_figure_options
def strip(name: str, alphas: tuple[float, ...] | None, **figure: Any) -> int:
    """Draw a photograph at several strengths of a style, from none to full.

    \b
    impasto strip street.jpg -s wave.jpg -o strip.png
    """
    from impasto.batch import figures
    from impasto.controls.affine import check_alpha

    for alpha in alphas or ():
        check_alpha(alpha)

    def draw(model: Stylizer, photo: Photo, styles: list[Style | Photo], **more: Any) -> Any:
        (style,) = styles
        return figures.strip(model, photo, style, **given(alphas=alphas), **more)

    return _draw((name,), draw, pictures=len(alphas or figures.ALPHAS), **figure)


def _draw(
    names: Sequence[str],
    draw: Draw,
    *,
    content: str,
    pictures: int,
    out: str,
    size: int | None,
    mask: str | None,
    common: PaintingOptions,
) -> int:
    masks = () if mask is None else (mask,)
    (content,), names = split_styles((content,), names, others=masks)
    made = plan(
        [Source(content)],
        [names],
        out=out,
        existing="replace" if common.overwrite else "spare",
        others=masks,
    )
    [(job,)] = made.groups()

    from impasto.images.options import check_size

    check_size(size)
    plane = None if mask is None else read_plane(mask, max_pixels=common.max_pixels)
    with common.progress("loading the model", 1 + len(names) + pictures) as bar:
        stylizer = common.load()
        bar.update()
        photo = about(content, lambda: common.read(content))
        styles = []
        for name in names:
            bar.set_description_str(f"style {short_name(name)}")
            styles.append(read_style(stylizer, name, common))
            bar.update()
        bar.set_description_str(short_name(content))
        sheet = about(
            content,
            lambda: draw(stylizer, photo, styles, watch=bar.update, **given(size=size, mask=plane)),
        )
        common.write(sheet, job)
    if not common.quiet and job.target is not None:
        click.echo(f"{job.target}: {pictures} pictures ({sheet.width} x {sheet.height} pixels)")
    return 0
