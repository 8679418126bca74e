"""``impasto lab tune``: styles whose moments are fitted to the paper's losses."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli import completion
from impasto.cli.lines import say
from impasto.cli.options import (
    LibraryOption,
    overwrite_option,
    progress_bar,
    style_size_option,
    without_none,
)
from impasto.errors import StyleError, one_line
from impasto.lab.tuning.prices import CONTENT

if TYPE_CHECKING:
    from impasto.lab.tuning.files import Job, Result, Workshop
    from impasto.lab.tuning.judge import Judge
    from impasto.lab.tuning.options import TuneOptions
    from impasto.models import Bundle

_FILE = click.Path(path_type=Path)

NAME = "{}"
"""Placeholder in ``--add`` for the name of a style."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """The options of photographs, judge and settings, from the command line."""

    photographs: tuple[str, ...]
    content: str | None
    steps: int | None
    seed: int | None
    settings: tuple[str, ...]
    vgg: Path | None

    @property
    def options(self) -> TuneOptions:
        """The settings of tuning.

        Raises:
            OptionError: for a value out of its range.
        """
        from impasto.lab.tuning.options import TuneOptions, read_settings
        from impasto.lab.tuning.prices import content_weight

        weight = None if self.content is None else content_weight(self.content)
        given = without_none(content=weight, steps=self.steps, seed=self.seed)
        return TuneOptions(**{**read_settings(self.settings), **given})

    @contextmanager
    def judge(self) -> Iterator[Judge]:
        """Open the judge, with a bar for its encoded photographs."""
        from impasto.lab.tuning.judge import Judge

        with progress_bar("encoding photographs", None, quiet=False, below=1) as bar:

            def watch(done: int, count: int) -> None:
                bar.total = count
                bar.update(done - bar.n)

            yield Judge(self.photographs, vgg=self.vgg, options=self.options, watch=watch)


def tuning_options(help: str, *, required: bool) -> Callable[[Callable[..., Any]], Any]:
    """Add the options of photographs, judge and settings, which become the argument ``tuning``.

    Args:
        help: of ``--photographs``.
        required: whether photographs are required.
    """
    added = (
        click.option(
            "--photographs",
            metavar="PLACE",
            multiple=True,
            required=required,
            shell_complete=completion.files,
            help=help,
        ),
        click.option(
            "--content",
            metavar="WORD|NUMBER",
            cls=LibraryOption,
            reads="lab.tuning.options:TuneOptions:content",
            shell_complete=completion.one_of(*CONTENT),
            help=f"Weight of the content loss: {', '.join(CONTENT)}, or a number.",
        ),
        click.option(
            "--steps",
            type=int,
            metavar="N",
            cls=LibraryOption,
            reads="lab.tuning.options:TuneOptions:steps",
            help="Number of steps; each takes a second or two on two processor cores.",
        ),
        click.option(
            "--seed",
            type=int,
            metavar="N",
            cls=LibraryOption,
            reads="lab.tuning.options:TuneOptions:seed",
            help="Random seed for the choice of photographs and crops.",
        ),
        click.option(
            "--set",
            "settings",
            metavar="FIELD=VALUE",
            multiple=True,
            help="Change a setting, such as crop=192, rate=0.05 or judged=16.",
        ),
        click.option(
            "--vgg",
            type=_FILE,
            metavar="FILE",
            help="File of the normalized VGG-19  [default: the file in $IMPASTO_VGG]",
        ),
    )

    def decorate(command: Callable[..., Any]) -> Any:
        @functools.wraps(command)
        def with_tuning(**options: Any) -> Any:
            given = {each.name: options.pop(each.name) for each in fields(Tuning)}
            return command(**options, tuning=Tuning(**given))

        decorated: Any = with_tuning
        for option in reversed(added):
            decorated = option(decorated)
        return decorated

    return decorate


@click.command()
@click.argument("styles", metavar="STYLE...", nargs=-1, required=True)
@click.option(
    "-o",
    "--out",
    type=_FILE,
    metavar="FILE|FOLDER",
    help="Style file to write, NAME.safetensors; or a folder, for several styles.",
)
@click.option(
    "--add",
    metavar="NAME",
    help="Save it under NAME, as `impasto style add` does; {} stands for the style's own name.",
)
@click.option(
    "--picture",
    "pictures",
    type=_FILE,
    metavar="FILE",
    multiple=True,
    shell_complete=completion.files,
    help="Picture of a STYLE given as a name or a style file; one for each of these, in order.",
)
@click.option(
    "--model",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    cls=LibraryOption,
    reads="stylizer:load:model",
    help="Model that the styles are for.",
)
@tuning_options(
    "Photographs to tune on: a folder or a shard; may be repeated. 100 are enough.",
    required=True,
)
@style_size_option()
@overwrite_option("Replace existing styles of these names.")
def tune(
    styles: tuple[str, ...],
    out: Path | None,
    add: str | None,
    pictures: tuple[Path, ...],
    model: str | None,
    tuning: Tuning,
    size: int | None,
    overwrite: bool,
) -> None:
    """Tune styles: optimize them for the paper's losses, in minutes instead of seconds.

    STYLE is a picture; or a style name or style file, which is tuned further and needs its
    --picture. The result is an ordinary style file whose strokes are closer to the picture. It is
    judged on photographs that it was not tuned on, and left unchanged if it is not better.

    \b
    impasto lab tune wave.jpg --photographs photos/ -o wave.safetensors
    impasto lab tune paintings/*.jpg --photographs photos/ --add {}-tuned
    impasto stylize street.jpg wave.safetensors

    After an interruption, run the same command again to resume: finished styles are skipped.
    """
    from impasto.lab.tuning.files import Workshop
    from impasto.models import DEFAULT_MODEL, find_bundle

    if (out is None) == (add is None):
        raise click.UsageError("give an output: -o FILE, or --add NAME for the library")
    bundle = find_bundle(model or DEFAULT_MODEL)
    jobs = _jobs(styles, pictures, bundle, out, add)
    with tuning.judge() as judge:
        workshop = Workshop(bundle, judge, **without_none(style_size=size))
        for result in run_jobs(workshop, jobs, overwrite=overwrite):
            say(told(result))


def run_jobs(workshop: Workshop, jobs: Sequence[Job], *, overwrite: bool) -> Iterator[Result]:
    """Run jobs with a bar for the steps of each."""
    steps = workshop.judge.options.steps
    with progress_bar("", steps, quiet=False) as bar:

        def watch(job: Job, done: int, count: int) -> None:
            if done == 1:
                bar.reset(count)
                bar.set_description(one_line(job.name), refresh=False)
            bar.update(done - bar.n)

        yield from workshop.run(jobs, overwrite=overwrite, watch=watch)


def told(result: Result) -> str:
    """Format a result as a line."""
    tuned = result.style.tuned
    if result.seconds is None or tuned is None:
        return f"{one_line(result.job.target)}: already exists, skipped"
    return f"{one_line(result.job.target)}: {tuned} ({result.seconds:.0f} s)"


def _jobs(
    styles: Sequence[str],
    pictures: Sequence[Path],
    bundle: Bundle,
    out: Path | None,
    add: str | None,
) -> list[Job]:
    """Return a job for each style, with names from the options."""
    from impasto.lab.tuning.files import Job
    from impasto.styles.files import SUFFIX
    from impasto.styles.library import check_name, find_style
    from impasto.styles.style import Style

    facts = {"model": bundle.identity, "model_name": bundle.card.name}
    found = [find_style(text, **facts) for text in styles]
    kept = [text for text, each in zip(styles, found, strict=True) if isinstance(each, Style)]
    if len(pictures) < len(kept):
        raise StyleError(
            f"{one_line(kept[len(pictures)])}: is a style, and the style loss needs the "
            "picture, which a style file does not contain; give the picture it was made from: "
            "--picture FILE"
        )
    if len(pictures) > len(kept):
        raise click.UsageError(
            "--picture applies only to a STYLE given as a name or a style file; there are "
            f"{len(kept)} of these and {len(pictures)} of --picture: give one for each"
        )
    if add is not None and NAME not in add and len(styles) > 1:
        raise click.UsageError(
            f"--add {add} is one name for {len(styles)} styles; include {NAME}, which stands "
            f"for the name of each style, such as --add {NAME}-tuned"
        )
    alone = out is not None and out.suffix.lower() == SUFFIX
    if alone and len(styles) > 1:
        raise click.UsageError(
            f"-o {out} is one file for {len(styles)} styles; give a folder (without {SUFFIX})"
        )
    own = iter(pictures)
    jobs = []
    for text, style in zip(styles, found, strict=True):
        start = style if isinstance(style, Style) else None
        picture = next(own) if isinstance(style, Style) else style
        name = Path(text).stem
        if add is not None:
            name = check_name(add.replace(NAME, name))
            target = library_shelf(bundle) / f"{name}{SUFFIX}"
        elif out is not None and alone:
            name, target = out.stem, out
        else:
            target = _folder(out or Path()) / f"{name}{SUFFIX}"
        note = one_line(picture.name) if start is None else start.note
        jobs.append(Job(name=name, picture=picture, target=target, start=start, note=note))
    return jobs


def library_shelf(bundle: Bundle) -> Path:
    """Return the folder of the user's styles for a model, created if missing."""
    from impasto.styles.places import styles_folder

    return _folder(styles_folder() / bundle.identity)


def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StyleError(f"{one_line(path)}: cannot be created ({one_line(error)})") from error
    return path
