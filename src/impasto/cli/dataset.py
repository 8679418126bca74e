"""Commands ``impasto dataset``: paint a data set, each picture in a style, and verify it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from impasto.cli import FAILED, completion
from impasto.cli.lines import describe, say
from impasto.cli.options import ModelOptions, options_of, progress_bar
from impasto.controls import Controls
from impasto.dataset.options import DatasetOptions, Recipe
from impasto.errors import counted
from impasto.images.options import ReadOptions, SaveOptions, option

if TYPE_CHECKING:
    from tqdm import tqdm

    from impasto.dataset.making import Made
    from impasto.dataset.places import Place

# Number of failures and differences that are listed.
_NAMED = 20


class DatasetCommand(click.Command):
    """Click command with a subcommand: ``verify``."""

    def make_context(
        self,
        info_name: str | None,
        args: list[str],
        parent: click.Context | None = None,
        **extra: Any,
    ) -> click.Context:
        """Parse the arguments of this command, or of the subcommand."""
        if args[:1] == [verify.name]:
            name = f"{info_name} {verify.name}"
            return verify.make_context(name, args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)


@dataclass(frozen=True, kw_only=True)
class DatasetTask:
    """Options of the styles and the result of a call.

    Attributes:
        style: names of styles.
        out: the folder of the data set.
        quiet: print errors only.
    """

    style: Sequence[str] = option(
        (),
        "Styles: gallery for all that ship with the model, a name from `impasto styles`, a pattern "
        "in quotes, such as 'monet-*', a picture, or a folder of pictures.",
        short="-s",
        metavar="STYLE",
        complete="style",
    )
    out: str | None = option(
        None,
        "Output folder, or an address, such as s3://bucket/painted.",
        short="-o",
        metavar="OUT",
        complete="file",
    )
    quiet: bool = option(False, "Print errors only.", short="-q")


@click.command(cls=DatasetCommand)
@click.argument("source", metavar="IN", type=click.Path(), shell_complete=completion.files)
@options_of(
    task=DatasetTask,
    options=DatasetOptions,
    controls=Controls,
    read=ReadOptions,
    save=SaveOptions,
    model=ModelOptions,
    leave_out=(
        *(f"controls.{name}" for name in ("alpha", "weights", "masks", "statistics", "behavior")),
        *("read.size", "read.value_range", "save.depth", "save.overwrite", "save.format"),
        "model.threads",
    ),
)
def dataset(
    source: str,
    task: DatasetTask,
    options: DatasetOptions,
    controls: Controls,
    read: ReadOptions,
    save: SaveOptions,
    model: ModelOptions,
) -> int:
    """Paint a data set: each picture in its own style, with labels kept.

    IN is a folder tree of pictures (such as ImageFolder, COCO or VOC), a folder of tar files in
    the webdataset format, or one such file. IN and OUT may be addresses of remote file systems,
    such as s3://bucket/train (pip install 'impasto[remote]'). OUT gets the same names, sizes and
    formats; masks and all other files are copied. The style and strength of a picture depend only
    on --seed and its name, so the results do not depend on the number or kind of workers.
    OUT/manifest.jsonl records the style and strength of each picture.

    If the work is interrupted, even by kill -9, run the same command again to resume it. Files that
    cannot be read are listed at the end, and the exit code is 2. `impasto dataset verify OUT`
    compares all files with the manifest.

    \b
    impasto dataset train/ -s gallery -o painted/ --seed 1 --alpha 0.2 1
    impasto dataset coco/ -s 'monet-*' -s wave.jpg -o painted/ --link
    impasto dataset shards/ -s paintings/ -o painted/ --workers 8
    impasto dataset train/ -s gallery -o shards/ --shards 1000
    impasto dataset s3://bucket/train -s gallery -o s3://bucket/painted
    impasto dataset verify painted/
    """
    if task.out is None:
        raise click.UsageError("there is no output folder: give -o OUT")
    if not task.style:
        raise click.UsageError("there is no style: give -s STYLE, such as -s gallery")
    from impasto.dataset.making import stylize_dataset
    from impasto.dataset.places import as_place

    recipe = Recipe(
        model=model.model,
        engine=model.engine,
        precision=model.precision,
        controls=controls,
        read=read,
        save=save,
    )
    place = as_place(task.out)
    screen = _Screen(task.quiet)
    try:
        made = stylize_dataset(
            source,
            place,
            list(task.style),
            options,
            recipe,
            watch=screen.watch,
            tell=screen.tell,
        )
    except KeyboardInterrupt:
        if screen.is_painting:
            say("impasto: the work so far is kept; run the same command again to resume", err=True)
        raise
    finally:
        screen.close()
    _tell(made, place, task.quiet)
    return 0 if made.is_whole else FAILED


@click.command()
@click.argument("out", metavar="OUT", type=click.Path(), shell_complete=completion.files)
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def verify(out: str, quiet: bool) -> int:
    """Compare all files of the data set OUT with its manifest: names, sizes and SHA-256.

    The exit code is 0 if all files are unchanged, and 2 if a file is missing, changed or not in the
    manifest, or if the data set is not finished. Pictures that failed are reported, but are not an
    error.
    """
    from impasto.dataset.places import as_place
    from impasto.dataset.verify import verify_dataset

    place = as_place(out)
    with progress_bar(f"comparing {place.name}", None, quiet=quiet) as bar:
        bar.bar_format = _COUNT
        report = verify_dataset(place, watch=lambda number: _to(bar, number))
    for kind, names in (
        ("missing", report.missing),
        ("changed", report.changed),
        ("not in the manifest", report.extra),
        ("wrong", report.problems),
    ):
        for name in names[:_NAMED]:
            say(f"impasto: {kind}: {name}", err=True)
        if len(names) > _NAMED:
            say(f"impasto: {kind}: {len(names) - _NAMED:,} more", err=True)
    if report.unfinished:
        say(
            f"impasto: {place}: is not finished; run the command that makes it again to resume",
            err=True,
        )
    if not quiet:
        counts = report.counts
        parts = [
            f"{counted(counts['done'], 'picture')} and {counted(counts['copied'], 'other file')}"
        ]
        if missing := counts["failed"] + counts["skipped"]:
            parts.append(f"{missing:,} could not be painted")
        state = "as written" if report.is_right else "NOT as written"
        say(f"{place}: {', '.join(parts)}: {state}", err=not report.is_right)
    return 0 if report.is_right else FAILED


class _Screen:
    """The progress bar of a call, one for each stage."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm[Any] | None = None
        self._stage = ""
        self.is_painting = False

    def watch(self, stage: str, step: int, total: int | None) -> None:
        """Show the progress."""
        from impasto.dataset.making import PAINTING

        self.is_painting = self.is_painting or stage == PAINTING
        if self._bar is None or stage != self._stage:
            self.close()
            self._bar = progress_bar(stage, total, quiet=self._quiet, done=step)
            self._bar.bar_format = _COUNT if total is None else _BAR
            self._stage = stage
            describe(self._bar, stage)
        _to(self._bar, step)

    def tell(self, line: str) -> None:
        """Print a line that does not report a failure."""
        if not self._quiet:
            say(f"impasto: {line}", err=True, bar=self._bar)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _tell(made: Made, place: Place, quiet: bool) -> None:
    counts = made.counts
    for problem in made.problems[:_NAMED]:
        say(f"impasto: {problem}", err=True)
    missing = counts["failed"] + counts["skipped"]
    if missing > _NAMED:
        from impasto.dataset.manifest import MANIFEST

        say(f"impasto: {missing - _NAMED:,} more, all listed in {place.shown(MANIFEST)}", err=True)
    if quiet:
        return
    earlier = f" ({made.earlier:,} by earlier runs)" if made.earlier else ""
    painted = counts["in"] - made.earlier
    rate = f", {painted / made.seconds:.1f} a second" if painted > 1 and made.seconds else ""
    copied = f"; {counted(counts['copied'], 'other file')} copied" if counts["copied"] else ""
    say(
        f"{place}: {counts['in']:,} in = {counts['done']:,} done{earlier} + "
        f"{counts['failed']:,} failed + {counts['skipped']:,} skipped in {made.seconds:.1f} s"
        f"{rate}{copied}",
        err=not made.is_whole,
    )


def _to(bar: tqdm[Any], number: int) -> None:
    bar.update(number - bar.n)


_BAR = "{desc:<16.16} {bar} {percentage:3.0f} % {n:,}/{total:,} {rate_fmt} {elapsed}<{remaining}"
_COUNT = "{desc:<32.32} {n:,} {rate_fmt} {elapsed}"
