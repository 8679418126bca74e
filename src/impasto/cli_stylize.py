"""The command ``impasto stylize``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import click

from impasto.cli_options import FAILED, LibraryOption, given
from impasto.cli_painting import (
    BAR,
    about,
    error_line,
    files_of,
    numbers,
    painting_options,
    picture,
    read_plane,
    read_strength,
    read_style,
    short_name,
    write_result,
)
from impasto.errors import ImpastoError, OptionError
from impasto.jobs import Job, plan, split_styles

if TYPE_CHECKING:
    from impasto.images import Photo
    from impasto.painting import Painted
    from impasto.stylizer import Stylizer


@click.command()
@click.argument("contents", metavar="CONTENT...", nargs=-1, required=True)
@click.option(
    "-s",
    "--style",
    "names",
    metavar="STYLE",
    multiple=True,
    help="The style: a picture, or a name that `impasto styles` lists. Several mix.",
)
@click.option("-o", "--out", metavar="OUT", help="File or folder of the result; - for stdout.")
@click.option(
    "--alpha",
    metavar="A|FILE",
    cls=LibraryOption,
    reads="stylizer:Stylizer.stylize:alpha",
    help="Strength: 0 the photograph, 1 the full style, up to 2. Or a gray picture of it.",
)
@click.option(
    "--weights",
    type=numbers,
    metavar="W,W,...",
    help="How much of each style, in the order of -s  [default: all the same]",
)
@click.option(
    "--mask",
    "masks",
    metavar="FILE",
    multiple=True,
    help="Where a style goes, once for each -s: a gray picture, or one with an alpha channel. "
    "What no mask covers stays the photograph.",
)
@click.option(
    "--statistics",
    metavar="region|image",
    cls=LibraryOption,
    reads="stylizer:Stylizer.stylize:statistics",
    help="What of the photograph a style is fitted to: its mask, or all of it.",
)
@click.option(
    "--color",
    metavar="NAME",
    help="Keep the photograph's colors: cholesky, eigen, monge-kantorovich or luminance; or take "
    "the style's colors and nothing else: only.",
)
@click.option(
    "--size", type=int, metavar="N", help="Shorter side of the result  [default: the photograph's]"
)
@painting_options
def stylize(
    contents: tuple[str, ...],
    names: tuple[str, ...],
    out: str | None,
    alpha: str | None,
    weights: tuple[float, ...] | None,
    masks: tuple[str, ...],
    statistics: str | None,
    color: str | None,
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
    """Paint photographs in the style of a picture, or of several.

    Of exactly two names without -s, the second is the style.

    Without -o the result lies beside its photograph, called PHOTO-STYLE with the photograph's
    suffix (.png where that cannot be written); if the name is taken, PHOTO-STYLE-2 and so on.
    For several photographs -o is a folder, made if it is missing. A - is standard input, or as
    -o standard output, which gets a PNG.

    \b
    impasto stylize street.jpg wave.jpg
    impasto stylize holiday/*.jpg -s wave.jpg -o painted/ --alpha 0.8
    impasto stylize street.jpg -s wave.jpg -s rain.jpg --weights 0.7,0.3
    impasto stylize street.jpg -s wave.jpg --mask sky.png --color luminance
    cat street.jpg | impasto stylize - wave.jpg > painted.png
    """
    others = files_of(alpha, masks)
    contents, names = split_styles(contents, names, others=others)
    if masks and len(masks) != len(names):
        raise click.UsageError(
            f"--mask goes with -s, one for each: {len(masks)} masks for {len(names)} styles"
        )
    jobs = plan(contents, names, out=out, overwrite=overwrite, others=others)
    _check(weights, len(names), statistics=statistics, color=color, size=size)
    strength = None if alpha is None else read_strength(alpha, max_pixels=max_pixels)

    from tqdm import tqdm

    from impasto.images import read_photo
    from impasto.masks import check_masks, fit_photo
    from impasto.styles import Style
    from impasto.stylizer import load

    planes = [read_plane(mask, max_pixels=max_pixels) for mask in masks] or None
    check_masks(planes, len(names))

    failures = 0
    with tqdm(
        desc="loading the model",
        total=1 + len(names) + len(jobs),
        disable=quiet or not sys.stderr.isatty(),
        leave=False,
        bar_format=BAR,
        file=sys.stderr,
    ) as bar:
        stylizer = load(**given(model=model, engine=engine, precision=precision, threads=threads))
        bar.update()
        styles: list[Style | Photo] = []
        for name in names:
            bar.set_description_str(f"style {short_name(name)}")
            style = read_style(stylizer, name, size=style_size, max_pixels=max_pixels, color=color)
            # Once for all photographs, unless each of them changes the style's colors first.
            if color is None and not isinstance(style, Style):
                style = about(name, partial(stylizer.style, style, size=None))
            styles.append(style)
            bar.update()
        _make_folders(jobs)
        for job in jobs:
            bar.set_description_str(short_name(job.source))
            try:
                photo = read_photo(picture(job.source), **given(max_pixels=max_pixels))
                photo = fit_photo(photo, size)
                painted = stylizer.paint(
                    photo.image,
                    styles,
                    masks=planes,
                    opacity=photo.alpha,
                    **given(alpha=strength, weights=weights, statistics=statistics, color=color),
                )
                result = photo.give_back(painted.image)
                write_result(result, job, quality=quality, overwrite=overwrite)
            except (BrokenPipeError, OptionError):  # the next photograph would say the same
                raise
            except (ImpastoError, OSError, MemoryError) as error:
                failures += 1
                bar.write(f"impasto: {error_line(error, job)}", file=sys.stderr)
            else:
                if not quiet:
                    stream = sys.stderr if job.target is None else sys.stdout
                    bar.write(_result_line(job, painted, stylizer), file=stream)
            bar.update()
    return FAILED if failures else 0


def _check(
    weights: tuple[float, ...] | None,
    count: int,
    *,
    statistics: str | None,
    color: str | None,
    size: int | None,
) -> None:
    """The library checks these too, but only after a model is loaded."""
    from impasto.affine import check_weights
    from impasto.color import find_method
    from impasto.painting import check_size
    from impasto.regions import check_statistics

    check_weights(weights, count)
    check_size(size)
    if statistics is not None:
        check_statistics(statistics)
    if color is not None:
        find_method(color)


def _make_folders(jobs: Sequence[Job]) -> None:
    for folder in {job.target.parent for job in jobs if job.target is not None}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"{folder}: cannot be made ({error.strerror})") from error


def _result_line(job: Job, painted: Painted, stylizer: Stylizer) -> str:
    target = "standard output" if job.target is None else job.target
    return (
        f"{target}: encode {painted.encode_seconds:.3f} s, align {painted.align_seconds:.3f} s, "
        f"decode {painted.decode_seconds:.3f} s "
        f"({stylizer.card.name}, {stylizer.engine.name} {stylizer.engine.precision})"
    )
