"""The command ``impasto``.

Only click is imported at the top, so that ``impasto --help`` answers at once: what is heavy is
imported by the command that needs it. Defaults stand in the library's signatures and nowhere here.
"""

from __future__ import annotations

import importlib
import inspect
import io
import os
import shutil
import sys
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from impasto import __version__
from impasto.errors import ImpastoError, OptionError
from impasto.jobs import STDIO, Job, plan, split_style

if TYPE_CHECKING:
    from impasto.models import ModelRow
    from impasto.styles import Style
    from impasto.stylizer import Painted, Stylizer

FAILED, INTERRUPTED, PIPE_CLOSED = 2, 130, 1

_BAR = "{desc:<32.32} {bar} {percentage:3.0f} % {elapsed}<{remaining}"


class LibraryOption(click.Option):
    """An option whose default is the library's, looked up when the help is printed, not before.

    ``reads`` says where it is written: ``module:function:parameter``.
    """

    def __init__(self, *args: Any, reads: str, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.reads = reads

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        record = super().get_help_record(ctx)
        module, path, parameter = self.reads.split(":")
        target: Any = importlib.import_module(f"impasto.{module}")
        for name in path.split("."):
            target = getattr(target, name)
        default = inspect.signature(target).parameters[parameter].default
        return record and (record[0], f"{record[1]}  [default: {default}]")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Paint a photograph in the style of another picture, offline.

    \b
    impasto stylize street.jpg wave.jpg
    """


@cli.command()
@click.argument("contents", metavar="CONTENT...", nargs=-1, required=True)
@click.option("-s", "--style", "styles", metavar="STYLE", multiple=True, help="The style picture.")
@click.option("-o", "--out", metavar="OUT", help="File or folder of the result; - for stdout.")
@click.option(
    "--alpha",
    type=float,
    metavar="A",
    cls=LibraryOption,
    reads="stylizer:Stylizer.stylize:alpha",
    help="Strength: 0 the photograph, 1 the full style, up to 2.",
)
@click.option(
    "--size", type=int, metavar="N", help="Shorter side of the result  [default: the photograph's]"
)
@click.option(
    "--style-size",
    type=int,
    metavar="N",
    cls=LibraryOption,
    reads="stylizer:Stylizer.style:size",
    help="Shorter side that a larger style is reduced to: the scale of its strokes.",
)
@click.option(
    "--model",
    metavar="NAME|FILE",
    cls=LibraryOption,
    reads="stylizer:load:model",
    help="A name that `impasto models` lists, or an .impasto file.",
)
@click.option("--engine", metavar="NAME", help="What runs it  [default: the fastest installed]")
@click.option("--precision", metavar="P", help="fp32 or bf16  [default: the engine's choice]")
@click.option("--threads", type=int, metavar="N", help="Threads  [default: one for each core]")
@click.option(
    "--quality",
    type=int,
    metavar="Q",
    cls=LibraryOption,
    reads="images:write_image:quality",
    help="Of JPEG, WebP and AVIF, 1 to 100.",
)
@click.option(
    "--max-pixels",
    type=int,
    metavar="N",
    cls=LibraryOption,
    reads="images:read_photo:max_pixels",
    help="Refuse larger pictures.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def stylize(
    contents: tuple[str, ...],
    styles: tuple[str, ...],
    out: str | None,
    alpha: float | None,
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
    """Paint photographs in the style of a picture.

    Of exactly two names without -s, the second is the style.

    Without -o the result lies beside its photograph, called PHOTO-STYLE with the photograph's
    suffix (.png where that cannot be written); if the name is taken, PHOTO-STYLE-2 and so on.
    For several photographs -o is a folder, made if it is missing. A - is standard input, or as
    -o standard output, which gets a PNG.

    \b
    impasto stylize street.jpg wave.jpg
    impasto stylize holiday/*.jpg -s wave.jpg -o painted/ --alpha 0.8
    cat street.jpg | impasto stylize - wave.jpg > painted.png
    """
    contents, style_name = split_style(contents, styles)
    jobs = plan(contents, style_name, out=out, overwrite=overwrite)

    from tqdm import tqdm

    from impasto.affine import check_alpha
    from impasto.images import read_photo, resize
    from impasto.stylizer import MIN_SIDE, load

    # The library checks these too, but again for every photograph.
    if alpha is not None:
        check_alpha(alpha)
    if size is not None and size < MIN_SIDE:
        raise OptionError(f"size must be {MIN_SIDE} pixels or more, not {size}")

    failures = 0
    with tqdm(
        desc="loading the model",
        total=2 + len(jobs),
        disable=quiet or not sys.stderr.isatty(),
        leave=False,
        bar_format=_BAR,
        file=sys.stderr,
    ) as bar:
        stylizer = load(**_given(model=model, engine=engine, precision=precision, threads=threads))
        bar.update()
        bar.set_description_str(f"style {Path(style_name).name}")
        style = _read_style(stylizer, style_name, size=style_size, max_pixels=max_pixels)
        bar.update()
        _make_folders(jobs)
        for job in jobs:
            bar.set_description_str(Path(job.source).name)
            try:
                photo = read_photo(_picture(job.source), **_given(max_pixels=max_pixels))
                image = photo.image if size is None else resize(photo.image, size)
                painted = stylizer.paint(image, style, **_given(alpha=alpha))
                _write(photo.give_back(painted.image), job, quality=quality, overwrite=overwrite)
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


def _make_folders(jobs: Sequence[Job]) -> None:
    for folder in {job.target.parent for job in jobs if job.target is not None}:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OptionError(f"{folder}: cannot be made ({error.strerror})") from error


def _read_style(
    stylizer: Stylizer, name: str, *, size: int | None, max_pixels: int | None
) -> Style:
    from impasto.images import read_photo

    try:
        if max_pixels is None:
            return stylizer.style(_picture(name), **_given(size=size))
        photo = read_photo(_picture(name), max_pixels=max_pixels)
        return stylizer.style(photo.image, **_given(size=size))
    except OptionError:
        raise
    except (ImpastoError, OSError, MemoryError) as error:
        raise ImpastoError(error_line(error, Job(name, None))) from error


def _write(picture: Any, job: Job, *, quality: int | None, overwrite: bool) -> None:
    from impasto.images import write_image

    if job.target is not None:
        write_image(picture, job.target, overwrite=overwrite, **_given(quality=quality))
        return
    encoded = io.BytesIO()  # in full before the first byte leaves
    write_image(picture, encoded, **_given(quality=quality))
    sys.stdout.buffer.write(encoded.getbuffer())
    sys.stdout.buffer.flush()


def _result_line(job: Job, painted: Painted, stylizer: Stylizer) -> str:
    target = "standard output" if job.target is None else job.target
    return (
        f"{target}: encode {painted.encode_seconds:.3f} s, align {painted.align_seconds:.3f} s, "
        f"decode {painted.decode_seconds:.3f} s "
        f"({stylizer.card.name}, {stylizer.engine.name} {stylizer.engine.precision})"
    )


def error_line(error: BaseException, job: Job) -> str:
    """What went wrong, in one line that begins with the file it is about."""
    from impasto.imagefiles import one_line

    if isinstance(error, MemoryError):
        text = "not enough memory for a picture of this size; give --size"
    elif isinstance(error, OSError):
        text = error.strerror or type(error).__name__
    else:
        text = one_line(error)
    source = "<stdin>" if job.source == STDIO else one_line(job.source)
    named = text.startswith((f"{source}:", f"{one_line(job.target)}:"))
    return text if named else f"{source}: {text}"


def _picture(name: str) -> str | BinaryIO:
    return sys.stdin.buffer if name == STDIO else name


def _given(**options: Any) -> dict[str, Any]:
    """The options that were given; for the others the library's own defaults hold."""
    return {name: value for name, value in options.items() if value is not None}


@cli.command(context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lab(arguments: tuple[str, ...]) -> Any:
    """Train and make models: impasto lab --help (needs PyTorch)."""
    # By name, since the studio knows nothing of the lab; its own absence is its own error.
    commands = importlib.import_module("impasto.lab.cli").lab
    return commands.main(list(arguments), prog_name="impasto lab", standalone_mode=False)


@cli.command()
def models() -> None:
    """List the models and the engines that there are."""
    from impasto.engines import ENGINES
    from impasto.models import DEFAULT_MODEL, MODELS

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

    if row.path is None:
        return [row.summary, f"not in this installation: {row.how}"]
    try:
        card = find_bundle(row.name).card
    except ImpastoError as error:  # one damaged file is no reason to hide the others
        return [row.summary, f"cannot be used: {' '.join(str(error).split())}"]
    return [
        row.summary,
        card.title,
        f"{row.path.stat().st_size / 1e6:.1f} MB, {card.parameters / 1e6:.2f} M parameters, "
        f"{card.macs_512 / 1e9:.1f} G multiply-adds at 512 x 512",
        "levels: " + ", ".join(f"{level.name} (1/{level.stride})" for level in card.levels),
        f"trained on: {card.data} ({card.iterations:,} iterations)",
        f"licence: {card.licence}",
    ]


def _print_entry(name: str, facts: Sequence[str], *, marked: bool) -> None:
    width = min(100, max(60, shutil.get_terminal_size().columns))
    click.echo(f"{'*' if marked else ' '} {name}")
    for fact in facts:
        click.echo(textwrap.fill(fact, width, initial_indent="    ", subsequent_indent="      "))
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
