"""The command ``impasto stylize``."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from time import perf_counter

import click

from impasto.batch.inputs import check_single, find_contents, find_styles, split_styles
from impasto.batch.outputs import Existing, Plan, plan
from impasto.cli.jobs import paint_jobs
from impasto.cli.methods import MethodOptions, method_options
from impasto.cli.options import FAILED, LibraryOption, given
from impasto.cli.painting import (
    PaintingOptions,
    check_tiling,
    files_of,
    numbers,
    painting_options,
    read_plane,
    read_strength,
    tiling_options,
)


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
    "--all-pairs",
    is_flag=True,
    help="Paint every photograph in each style by itself. A style may then be a folder, or a "
    "pattern of names in quotes, such as 'monet-*'.",
)
@click.option(
    "--resume",
    is_flag=True,
    help="Skip results that are there. Only their names are compared: a picture made with other "
    "options counts as done.",
)
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
    help="Where a style goes, once for each -s (with --all-pairs once): a gray picture, or one "
    "with an alpha channel. What no mask covers stays the photograph.",
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
@click.option(
    "--depth",
    type=int,
    metavar="8|16",
    help="Bits a channel; 16 for PNG and TIFF  [default: 16 where photograph and format have them]",
)
@click.option("--keep-gps", is_flag=True, help="Keep the place where the photograph was taken.")
@tiling_options
@method_options
@painting_options
def stylize(
    contents: tuple[str, ...],
    names: tuple[str, ...],
    out: str | None,
    all_pairs: bool,
    resume: bool,
    alpha: str | None,
    weights: tuple[float, ...] | None,
    masks: tuple[str, ...],
    statistics: str | None,
    color: str | None,
    size: int | None,
    depth: int | None,
    keep_gps: bool,
    tile: int | None,
    memory: int | None,
    method: MethodOptions,
    common: PaintingOptions,
) -> int:
    """Paint photographs in the style of a picture, or of several.

    A CONTENT is a photograph, or a folder of them: all in it and below it, except hidden files.
    Of exactly two names without -s, the second is the style.

    Without -o the result lies beside its photograph, called PHOTO-STYLE with the photograph's
    suffix (.png where that cannot be written); if the name is taken, PHOTO-STYLE-2 and so on.
    For several results -o is a folder, made if it is missing; in it the sub-folders of a folder of
    photographs are kept. A - is standard input, or as -o standard output, which gets a PNG.

    What fails gets a line that says why. The others are still done, and the exit code is 2.

    \b
    impasto stylize street.jpg wave.jpg
    impasto stylize holiday/*.jpg -s wave.jpg -o painted/ --alpha 0.8
    impasto stylize holiday/ -s 'monet-*' -s wave.jpg --all-pairs -o painted/ --resume
    impasto stylize street.jpg -s wave.jpg -s rain.jpg --weights 0.7,0.3
    impasto stylize street.jpg -s wave.jpg --mask sky.png --color luminance
    impasto stylize scan.tif wave.jpg -o painted.tif --memory 1GB
    cat street.jpg | impasto stylize - wave.jpg > painted.png
    """
    begin = perf_counter()
    others = files_of(alpha, masks)
    contents, names = split_styles(contents, names, others=others)
    _check_together(
        names, all_pairs=all_pairs, resume=resume, weights=weights, masks=masks, common=common
    )
    identity = cache(common.identity)
    problems: tuple[str, ...] = ()
    if all_pairs:
        names, problems = find_styles(common.built_in(names), model=identity)
    else:
        check_single(names, model=identity)
    sources, unread = find_contents(contents, out=out)
    existing: Existing = "skip" if resume else "replace" if common.overwrite else "spare"
    made = plan(
        sources,
        [(name,) for name in names] if all_pairs else [names],
        out=out,
        existing=existing,
        to_folder=all_pairs or contents != tuple(source.path for source in sources),
        others=others,
    )
    mixed = 1 if all_pairs else len(names)
    _check(weights, mixed, statistics=statistics, color=color, size=size)
    _check_depth(depth, made)
    check_tiling(tile, memory)
    method.check(common.model, len(made), tile=tile, memory=memory)
    strength = None if alpha is None else read_strength(alpha, max_pixels=common.max_pixels)

    from impasto.batch.run import Tally
    from impasto.controls.masks import check_masks

    planes = [read_plane(mask, max_pixels=common.max_pixels) for mask in masks] or None
    check_masks(planes, mixed)

    tally = Tally()
    problems += unread
    for problem in problems:
        tally.add_problem(problem, 1)
        click.echo(f"impasto: {problem}", err=True)
    paint_jobs(
        made,
        tally,
        size=size,
        depth=depth,
        keep_gps=keep_gps,
        tiling=given(tile=tile, memory=memory),
        options=given(
            masks=planes, alpha=strength, weights=weights, statistics=statistics, color=color
        ),
        method=method,
        common=common,
    )
    if len(made) + len(problems) > 1 and not common.quiet:
        # Whoever keeps stdout only must see the failures.
        first, *more = tally.summary(perf_counter() - begin)
        click.echo(f"impasto: {first}" if more else first, err=bool(more))
        for line in more:
            click.echo(line, err=True)
    return FAILED if tally.problems else 0


def _check_together(
    names: Sequence[str],
    *,
    all_pairs: bool,
    resume: bool,
    weights: tuple[float, ...] | None,
    masks: Sequence[str],
    common: PaintingOptions,
) -> None:
    """Refuse options that contradict each other."""
    if resume and common.overwrite:
        raise click.UsageError("--resume keeps what is there, --overwrite replaces it: give one")
    if all_pairs:
        if weights is not None:
            raise click.UsageError("--weights mix styles, --all-pairs keeps them apart: give one")
        if len(masks) > 1:
            raise click.UsageError(
                f"with --all-pairs one --mask holds for every style, not {len(masks)}"
            )
    elif masks and len(masks) != len(names):
        raise click.UsageError(
            f"--mask goes with -s, one for each: {len(masks)} masks for {len(names)} styles"
        )


def _check(
    weights: tuple[float, ...] | None,
    count: int,
    *,
    statistics: str | None,
    color: str | None,
    size: int | None,
) -> None:
    """The library checks these too, but only after a model is loaded."""
    from impasto.controls.affine import check_weights
    from impasto.controls.color import find_method
    from impasto.controls.regions import check_statistics
    from impasto.images.options import check_size

    check_weights(weights, count)
    check_size(size)
    if statistics is not None:
        check_statistics(statistics)
    if color is not None:
        find_method(color)


def _check_depth(depth: int | None, made: Plan) -> None:
    """Refuse 16 bits for a format of 8 before anything is painted."""
    if depth is None:
        return
    from impasto.images.writing import check_depth, format_of

    for jobs in made.groups():
        for job in jobs:
            check_depth(depth, format_of(job.target))
