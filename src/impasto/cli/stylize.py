"""Command ``impasto stylize``: many pictures, many styles, all controls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import click

from impasto.batch.inputs import (
    STDIO,
    check_single,
    check_there,
    find_contents,
    find_styles,
    split_styles,
)
from impasto.cli import FAILED, completion
from impasto.cli.lines import describe, say
from impasto.cli.options import ModelOptions, StyleOptions, options_of, progress_bar
from impasto.controls import Controls
from impasto.errors import ImpastoError, OptionError, counted, escaped
from impasto.images.options import ReadOptions, SaveOptions, option
from impasto.painting import Budget

if TYPE_CHECKING:
    from tqdm import tqdm

    from impasto.batch.outputs import Job
    from impasto.batch.run import Outcome, Tally
    from impasto.images.photo import Photo
    from impasto.painting import Progress
    from impasto.styles.style import Style
    from impasto.stylizer import Stylizer

_PREVIEW_EVERY = 25

# A picture in one tile has two steps, encoding and decoding; in more tiles, two for each tile.
_STEPS_OF_ONE_TILE = 2


@dataclass(frozen=True, kw_only=True)
class Task(StyleOptions):
    """Options of the styles and results of a call.

    Attributes:
        out: file or folder of the results.
        all_pairs: paint every photograph in each style separately.
        resume: skip results that exist.
        quiet: print errors only.
    """

    out: str | None = option(
        None,
        "Output file or folder; - for stdout.",
        short="-o",
        metavar="OUT",
        complete="file",
    )
    all_pairs: bool = option(
        False,
        "Paint every photograph in each style separately. A style may then be a folder, or a "
        "pattern of names in quotes, such as 'monet-*'.",
    )
    resume: bool = option(
        False,
        "Skip results that already exist. Only names are compared: a picture made with other "
        "options counts as done.",
    )
    quiet: bool = option(False, "Print errors only.", short="-q")


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """Options of methods that other packages plug in, such as those of the lab.

    Attributes:
        vgg: file of VGG-19.
        steps: number of steps of an optimization.
        changes: other settings, as texts ``NAME=VALUE``.
        preview: file of the intermediate picture.
        checkpoint: file of the state of a run.
    """

    vgg: Path | None = option(
        None,
        "VGG-19 file, for methods of the lab.",
        shown="$IMPASTO_VGG, or the file that `impasto lab fetch vgg19` has downloaded",
    )
    steps: int | None = option(
        None, "Number of steps, for methods of the lab.", metavar="N", shown="the method's"
    )
    changes: Sequence[str] = option(
        (),
        "Setting for a method of the lab; `impasto lab methods` lists them.",
        flag="set",
        metavar="NAME=VALUE",
    )
    preview: Path | None = option(
        None, "Write the intermediate picture to a file every 25 steps.", metavar="FILE"
    )
    checkpoint: Path | None = option(
        None,
        "Save the state of a method of the lab to a file, and resume a stopped run from it.",
        metavar="FILE",
    )

    def check(self, model: str | None, pictures: int, *, overwrite: bool) -> None:
        """Check that the model is plugged in and that only one picture is painted, where needed.

        Args:
            model: name of the model.
            pictures: number of results.
            overwrite: whether files may be replaced.

        Raises:
            OptionError: naming the options.
            ImageError: if the preview would replace a file.
        """
        used = [name for name, value in vars(self).items() if value not in (None, ())]
        if not used:
            return
        from impasto.models import find_plugin, plugins

        if model is None or find_plugin(model) is None:
            names = [plugin.name for plugin in plugins()]
            flag = "set" if used[0] == "changes" else used[0]
            raise OptionError(
                f"--{flag} is for methods of the lab: give --model, one of {', '.join(names)}"
            )
        if pictures > 1 and (self.checkpoint or self.preview):
            raise OptionError(
                f"--checkpoint and --preview work with one picture, not {pictures}; paint the "
                "pictures one by one, or leave the option out"
            )
        # A run that is resumed from its checkpoint may replace its own preview.
        if self.preview and not (self.checkpoint and self.checkpoint.exists()):
            from impasto.images.writing import check_target

            check_target(self.preview, overwrite=overwrite)

    def settings(self) -> dict[str, Any]:
        """Return the settings of a painter that were given; {} for none.

        Raises:
            OptionError: if a text is not NAME=VALUE.
        """
        options = {}
        for text in self.changes:
            name, mark, value = text.partition("=")
            if not mark or not name.strip():
                raise OptionError(f"{text!r} is not a setting: write NAME=VALUE, such as steps=200")
            options[name.strip().replace("-", "_")] = value.strip()
        settings = {
            "steps": self.steps, "options": options or None, "checkpoint": self.checkpoint
        }  # fmt: skip
        return {name: value for name, value in settings.items() if value is not None}


@click.command()
@click.argument(
    "contents", metavar="CONTENT...", nargs=-1, required=True, shell_complete=completion.contents
)
@options_of(
    task=Task,
    controls=Controls,
    read=ReadOptions,
    save=SaveOptions,
    budget=Budget,
    model=ModelOptions,
    method=MethodOptions,
)
def stylize(
    contents: tuple[str, ...],
    task: Task,
    controls: Controls,
    read: ReadOptions,
    save: SaveOptions,
    budget: Budget,
    model: ModelOptions,
    method: MethodOptions,
) -> int:
    """Paint photographs in the style of a picture, or of several.

    CONTENT is a photograph or a folder, which stands for all photographs in it and its subfolders,
    except hidden files. If exactly two names are given without -s, the second is the style.

    Without -o the result is saved beside its photograph as PHOTO-STYLE with the photograph's
    suffix. If that format cannot be written, the result is a PNG with both suffixes: a.gif becomes
    a.gif-STYLE.png. If the name is taken, it is PHOTO-STYLE-2 and so on. For several results -o is
    a folder, which is created if missing; it gets the same subfolders as a folder of photographs.
    Use - for standard input, and -o - for standard output (as PNG).

    If a picture fails, the reason is printed, the others are still painted, and the exit code is 2.

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
    # Imported here, since a shell imports this module at every press of the Tab key.
    from impasto.batch.names import style_labels
    from impasto.batch.outputs import leave_out_results, plan_outputs

    maps: list[Any] = [controls.alpha, *controls.masks]
    files = [
        each if isinstance(each, str) else STDIO for each in maps if not isinstance(each, float)
    ]
    _check_together(task, controls, save)
    contents, names = split_styles(contents, task.style, others=files)
    mixtures: list[tuple[str, ...]] = [names]
    problems: tuple[str, ...] = ()
    named = names
    if task.all_pairs:
        from impasto.styles.library import trained_names

        bundle = model.bundle()
        names, problems = find_styles(
            named,
            model=lambda: bundle.identity if bundle else "",
            built_in=trained_names(bundle) if bundle else (),
            tell=None if task.quiet else _tell,
        )
        mixtures = [(name,) for name in names]
    else:
        check_single(names, model=lambda: getattr(model.bundle(), "identity", ""))
        check_there(names)
    mixed = 1 if task.all_pairs else len(names)
    if controls.weights or controls.masks:
        controls.check_count(mixed)
    inputs, unread = find_contents(contents, out=task.out, tell=None if task.quiet else _tell)
    if not inputs:  # before any message about --out
        for problem in (*problems, *unread):
            say(f"impasto: {problem}", err=True)
        return FAILED
    labels = style_labels(named, names)
    if task.out is None:
        inputs, results = leave_out_results(inputs, mixtures, labels)
        if results and not task.quiet:
            say(
                f"impasto: {counted(len(results), 'result')} of earlier runs skipped "
                f"({', '.join(results[:3])}{', ...' if len(results) > 3 else ''}); to paint such a "
                "picture too, name it without its photograph, or give -o FOLDER",
                err=True,
            )
    outputs = plan_outputs(
        inputs,
        mixtures,
        out=task.out,
        existing="skip" if task.resume else "replace" if save.overwrite else "spare",
        to_folder=task.all_pairs or contents != tuple(path for path, _ in inputs),
        others=files,
        labels=labels,
    )
    if save.format is not None and outputs.place != STDIO:
        raise click.UsageError(
            "--format is for standard output (-o -); for a file, its suffix sets the format"
        )
    total = len(inputs) * len(mixtures)
    if method != MethodOptions():
        method.check(model.model, total, overwrite=save.overwrite)
    if save.depth == 16:
        _check_depth((job for jobs in outputs.jobs(inputs, mixtures) for job in jobs), save)

    from impasto.batch.run import Tally, prepare_styles, run

    tally = Tally()
    for problem in (*problems, *unread):
        tally.add_problem(problem, 1)
        say(f"impasto: {problem}", err=True)
    skipped, wanted = 0, dict.fromkeys(name for mixture in mixtures for name in mixture)
    if task.resume:
        from impasto.images.files import look_through

        jobs = [job for group in outputs.jobs(inputs, mixtures) for job in group]
        skipped = sum(job.done for job in jobs)
        for folder in {job.target.parent for job in jobs if job.target}:
            look_through(folder)  # even if there is nothing left to do
        wanted = dict.fromkeys(name for job in jobs if not job.done for name in job.styles)
    if skipped == total:
        tally.skipped = skipped
    else:
        with ExitStack() as opened:
            with progress_bar("loading the model", 1 + len(wanted), quiet=task.quiet) as bar:
                loaded = model.load(vgg=method.vgg)
                if method != MethodOptions():
                    loaded = loaded.with_settings(**method.settings())
                if budget.tile is not None or budget.memory != Budget.memory:
                    _check_whole(loaded, budget)
                loaded.check(controls, mixed, budget)
                painter = loaded.painter
                label = f"{painter.name}, {painter.engine.name} {painter.engine.precision}"
                if files:
                    controls = controls.opened(opened, max_pixels=read.max_pixels)
                    loaded.check(controls, mixed, budget)
                bar.update()
                styles: dict[str, Style | Photo | ImpastoError] = {}
                for each in prepare_styles(loaded, wanted, controls, read):
                    describe(bar, f"style {Path(each.name).name}")
                    bar.update()
                    styles[each.name] = each.value
                    if each.remark and not task.quiet:
                        told = f"impasto: style {each.name}: {each.remark}"
                        say(told, err=True, bar=bar)
                    if isinstance(each.value, ImpastoError):
                        if len(mixtures) == 1:  # nothing can be painted without it
                            raise each.value
                        problem = escaped(str(each.value))
                        tally.add_problem(problem)
                        say(f"impasto: {problem}", err=True, bar=bar)
            opened.enter_context(outputs.folder())
            with progress_bar("painting", total, quiet=task.quiet, done=skipped) as bar:
                screen = _Screen(bar, task.quiet, method.preview)
                events = run(
                    loaded,
                    outputs.jobs(inputs, mixtures),
                    styles,
                    controls,
                    read=read,
                    save=save,
                    budget=budget,
                    watch=screen.watch if screen.has_use else None,
                )
                screen.follow(events, tally, label)
    if total + len(problems) + len(unread) > 1 and not task.quiet:
        first, *more = tally.summary(perf_counter() - begin)
        # Failures go to stderr, for those who keep stdout only.
        say(f"impasto: {first}" if more else first, err=bool(more))
        for line in more:
            say(line, err=True)
    return FAILED if tally.problems else 0


class _Screen:
    """Progress bars, lines of output and the preview of a call.

    Attributes:
        has_use: True if it shows or writes anything while a picture is painted.
    """

    def __init__(self, bar: tqdm[Any], quiet: bool, preview: Path | None) -> None:
        self.has_use = preview is not None or not bar.disable
        self._bar, self._quiet, self._preview = bar, quiet, preview
        self._tiles: tqdm[Any] | None = None
        self._photo = ""

    def watch(self, progress: Progress) -> None:
        """Show a step: of an optimization on the main bar, of tiles on a second bar."""
        if progress.losses:
            losses = " ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
            describe(self._bar, f"{progress.step}/{progress.steps} {losses}")
        elif progress.steps > _STEPS_OF_ONE_TILE:
            if self._tiles is None:
                self._tiles = progress_bar(
                    f"{self._photo}, tiles", progress.steps, quiet=self._quiet, below=1
                )
            self._tiles.total = progress.steps
            self._tiles.update(progress.step - self._tiles.n)
        last = progress.step == progress.steps
        if self._preview is None or progress.picture is None:
            return
        if last or progress.step % _PREVIEW_EVERY == 0:
            from impasto.images.writing import write_image

            write_image(progress.picture(), self._preview, save=SaveOptions(overwrite=True))

    def follow(self, events: Iterable[Job | Outcome], tally: Tally, label: str) -> None:
        """Consume the events, which paints the pictures, and write a line for each picture.

        Args:
            events: of :func:`impasto.batch.run.run`.
            tally: the counts, which are updated.
            label: names of the model and its engine.
        """
        from impasto.batch.outputs import Job

        for event in events:
            if isinstance(event, Job):
                self._photo = Path(event.photo).name
                styles = ", ".join(Path(name).name for name in event.styles)
                describe(self._bar, f"{self._photo}, {styles}")
                continue
            if self._tiles is not None:
                self._tiles.close()
                self._tiles = None
            job = event.jobs[0]
            if tally.add(event):
                say(f"impasto: {event.problem}", err=True, bar=self._bar)
            elif event.seconds and not self._quiet:
                encode, align, decode = event.seconds
                say(
                    f"{job.target or 'standard output'}: encode {encode:.3f} s, align "
                    f"{align:.3f} s, decode {decode:.3f} s ({label})"
                    + (f"; {event.remark}" if event.remark else ""),
                    err=job.target is None,
                    bar=self._bar,
                )
            if event.problem or event.seconds or event.elsewhere:
                self._bar.update(len(event.jobs))


def _tell(line: str) -> None:
    """Print a line that is neither a result nor a failure."""
    say(f"impasto: {line}", err=True)


def _check_together(task: Task, controls: Controls, save: SaveOptions) -> None:
    """Check that no options contradict each other."""
    if task.resume and save.overwrite:
        raise click.UsageError(
            "--resume keeps existing results, --overwrite replaces them: give one"
        )
    if task.all_pairs and controls.weights is not None:
        raise click.UsageError("--weights mixes styles, --all-pairs does not: give one")
    if task.all_pairs and len(controls.masks) > 1:
        raise click.UsageError(
            f"with --all-pairs, give one --mask for all styles, not {len(controls.masks)}"
        )


def _check_depth(jobs: Iterable[Job], save: SaveOptions) -> None:
    """Check before painting that the formats of all results have 16 bits."""
    from impasto.images.writing import check_depth, result_format

    for job in jobs:
        check_depth(16, result_format(job.target, save))


def _check_whole(model: Stylizer, budget: Budget) -> None:
    """Check that memory limits are given only for painters that support them."""
    limits = model.painter.limits
    if limits.tiles or limits.styles:
        return
    for name, limited in (("tile", budget.tile), ("memory", budget.memory != Budget.memory)):
        if limited:
            raise OptionError(
                f"{model.name} processes the whole picture at once and cannot paint in tiles: "
                f"leave --{name} out, and give a smaller --size if memory runs out"
            )
