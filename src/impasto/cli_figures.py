"""The commands ``impasto grid`` and ``impasto strip``: the paper's figures of its controls."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from impasto.cli_options import LibraryOption, given
from impasto.cli_painting import (
    BAR,
    C,
    about,
    numbers,
    painting_options,
    picture,
    read_style,
    short_name,
    write_result,
)
from impasto.errors import OptionError
from impasto.jobs import plan, split_styles

if TYPE_CHECKING:
    from PIL import Image

    from impasto.images import Photo
    from impasto.styles import Style
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
            reads="figures:grid:size",
            help="Shorter side that a larger photograph is reduced to.",
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
    reads="figures:grid:steps",
    help="Pictures along each side.",
)
@click.option(
    "--alpha",
    type=float,
    metavar="A",
    cls=LibraryOption,
    reads="figures:grid:alpha",
    help="Strength, up to 2.",
)
@_figure_options
def grid(
    content: str,
    names: tuple[str, ...],
    steps: int | None,
    alpha: float | None,
    size: int | None,
    **options: Any,
) -> int:
    """Draw a photograph between four styles, which mix as their corners are near.

    \b
    impasto grid street.jpg -s wave.jpg -s rain.jpg -s sun.jpg -s ink.jpg -o grid.png
    """
    from impasto import figures
    from impasto.affine import check_alpha

    if len(names) != 4:
        raise click.UsageError(
            f"a grid has a style at each corner: give -s 4 times, not {len(names)}"
        )
    if alpha is not None:
        check_alpha(alpha)
    if steps is not None and steps < 2:
        raise OptionError(f"a grid needs 2 steps or more along each side, not {steps}")
    return _draw(
        content,
        names,
        lambda model, photo, styles, watch: figures.grid(
            model,
            photo,
            styles,
            watch=watch,
            **given(steps=steps, alpha=alpha, size=size),
        ),
        pictures=(steps or figures.STEPS) ** 2,
        size=size,
        **options,
    )


@click.command()
@click.option("-s", "--style", "name", metavar="STYLE", required=True, help="The style.")
@click.option(
    "--alphas",
    type=numbers,
    metavar="A,A,...",
    cls=LibraryOption,
    reads="figures:strip:alphas",
    help="Strengths from left to right, up to 2.",
)
@_figure_options
def strip(
    content: str, name: str, alphas: tuple[float, ...] | None, size: int | None, **options: Any
) -> int:
    """Draw a photograph at several strengths of a style, from none to full.

    \b
    impasto strip street.jpg -s wave.jpg -o strip.png
    """
    from impasto import figures
    from impasto.affine import check_alpha

    for alpha in alphas or ():
        check_alpha(alpha)

    def draw(model: Stylizer, photo: Photo, styles: list[Style | Photo], **more: Any) -> Any:
        (style,) = styles
        return figures.strip(model, photo, style, **given(alphas=alphas, size=size), **more)

    return _draw(
        content,
        (name,),
        draw,
        pictures=len(alphas or figures.ALPHAS),
        size=size,
        **options,
    )


def _draw(
    content: str,
    names: Sequence[str],
    draw: Draw,
    *,
    pictures: int,
    out: str,
    size: int | None,
    style_size: int | None,
    model: str | None,
    engine: str | None,
    precision: str | None,
    threads: int | None,
    quality: int | None,
    max_pixels: int | None,
    overwrite: bool,
    quiet: bool,
) -> int:
    (content,), names = split_styles((content,), names)
    (job,) = plan((content,), names, out=out, overwrite=overwrite)

    from tqdm import tqdm

    from impasto.images import read_photo
    from impasto.painting import check_size
    from impasto.stylizer import load

    check_size(size)
    with tqdm(
        desc="loading the model",
        total=1 + len(names) + pictures,
        disable=quiet or not sys.stderr.isatty(),
        leave=False,
        bar_format=BAR,
        file=sys.stderr,
    ) as bar:
        stylizer = load(**given(model=model, engine=engine, precision=precision, threads=threads))
        bar.update()
        photo = about(content, lambda: read_photo(picture(content), **given(max_pixels=max_pixels)))
        styles = []
        for name in names:
            bar.set_description_str(f"style {short_name(name)}")
            styles.append(read_style(stylizer, name, size=style_size, max_pixels=max_pixels))
            bar.update()
        bar.set_description_str(short_name(content))
        sheet = about(content, lambda: draw(stylizer, photo, styles, watch=bar.update))
        write_result(sheet, job, quality=quality, overwrite=overwrite)
    if not quiet and job.target is not None:
        click.echo(f"{job.target}: {pictures} pictures ({sheet.width} x {sheet.height} pixels)")
    return 0
