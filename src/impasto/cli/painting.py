"""What the commands that paint share: their options, and the files that they read and write."""

from __future__ import annotations

import functools
import io
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar, cast

import click

from impasto.batch.inputs import STDIO
from impasto.batch.outputs import Job, error_line
from impasto.cli.options import LibraryOption, given
from impasto.errors import ImpastoError, OptionError, StyleError

if TYPE_CHECKING:
    from tqdm import tqdm

    from impasto.controls.masks import Mask, ReadMask
    from impasto.images.photo import Photo
    from impasto.styles.style import Style
    from impasto.stylizer import Stylizer

C = TypeVar("C", bound=Callable[..., Any])
T = TypeVar("T")

_BAR = "{desc:<32.32} {bar} {percentage:3.0f} % {elapsed}<{remaining}"

_STYLE_SIZE = click.option(
    "--style-size",
    type=int,
    metavar="N",
    cls=LibraryOption,
    reads="stylizer:Stylizer.style:size",
    help="Shorter side that a larger style is reduced to: the scale of its strokes.",
)
_ENGINE = (
    click.option(
        "--model",
        metavar="NAME|FILE",
        cls=LibraryOption,
        reads="stylizer:load:model",
        help="A name that `impasto models` lists, or an .impasto file.",
    ),
    click.option("--engine", metavar="NAME", help="What runs it  [default: the fastest installed]"),
    click.option("--precision", metavar="P", help="fp32 or bf16  [default: the engine's choice]"),
    click.option("--threads", type=int, metavar="N", help="Threads  [default: one for each core]"),
)
_RESULT = (
    click.option(
        "--quality",
        type=int,
        metavar="Q",
        cls=LibraryOption,
        reads="images.writing:write_image:quality",
        help="Of JPEG, WebP and AVIF, 1 to 100.",
    ),
    click.option(
        "--max-pixels",
        type=int,
        metavar="N",
        cls=LibraryOption,
        reads="images.photo:read_photo:max_pixels",
        help="Refuse larger pictures.",
    ),
    click.option("--overwrite", is_flag=True, help="Replace files that exist."),
    click.option("-q", "--quiet", is_flag=True, help="Print errors only."),
)


_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _UNITS |= {_letter: 1000**_power, f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power}


def byte_count(text: str) -> int:
    """A number of bytes with or without a unit, as the type of an option: 2GB, 512MiB."""
    found = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]*)", str(text).strip().lower())
    factor = _UNITS.get(found[2]) if found else None
    if found is None or factor is None:
        raise click.BadParameter(f"{text!r} must be a number of bytes, such as 2GB or 512MiB")
    return round(float(found[1]) * factor)


TILING = (
    click.option(
        "--tile",
        type=int,
        metavar="N",
        help="Paint in tiles of at most N pixels to a side  [default: what does not fit into "
        "--memory, in tiles as large as fit]",
    ),
    click.option(
        "--memory",
        type=byte_count,
        metavar="BYTES",
        cls=LibraryOption,
        reads="stylizer:Stylizer.stylize_file:memory",
        help="What painting may use, such as 2GB.",
    ),
)


def tiling_options(command: C) -> C:
    """The options of commands that paint pictures of any size."""
    for option in reversed(TILING):
        command = option(command)
    return command


def check_tiling(tile: int | None, memory: int | None) -> None:
    """The library checks these too, but only after a model is loaded."""
    from impasto.painting import plan as tiling

    tiling.check_tile(tile)
    if memory is not None:
        tiling.check_memory(memory)


@dataclass(frozen=True)
class PaintingOptions:
    """What the options of every command that paints say; None where the library's default holds."""

    style_size: int | None
    model: str | None
    engine: str | None
    precision: str | None
    threads: int | None
    quality: int | None
    max_pixels: int | None
    overwrite: bool
    quiet: bool

    def load(self, vgg: Path | None = None) -> Stylizer:
        """The model; ``vgg`` is for methods of the lab."""
        from impasto.stylizer import load

        return load(
            **given(
                model=self.model,
                engine=self.engine,
                precision=self.precision,
                threads=self.threads,
                vgg=vgg,
            )
        )

    def identity(self) -> str:
        """The model's identity, without loading it."""
        from impasto.models import DEFAULT_MODEL, find_bundle, lab_module

        model = self.model or DEFAULT_MODEL
        if lab_module(model) is not None:
            return ""  # no kept style fits a method of the lab
        return find_bundle(model).identity

    def built_in(self, names: Sequence[str]) -> tuple[str, ...]:
        """The names of styles, patterns replaced by those of built-in styles that fit them."""
        from fnmatch import filter as fitting

        from impasto.models import DEFAULT_MODEL, find_bundle, lab_module

        model = self.model or DEFAULT_MODEL
        styles = () if lab_module(model) is not None else find_bundle(model).card.styles
        found = [each for name in names for each in fitting(styles, name) or [name]]
        return tuple(dict.fromkeys(found))

    def read(self, name: str, *, keep_gps: bool = False) -> Photo:
        """A photograph."""
        from impasto.images.photo import read_photo

        return read_photo(picture(name), keep_gps=keep_gps, **given(max_pixels=self.max_pixels))

    def write(self, picture: Any, job: Job, *, depth: int | None = None) -> None:
        """Write a result to where its job says."""
        from impasto.images.options import SaveOptions
        from impasto.images.photo import write_image

        options = given(quality=self.quality, depth=depth)
        save = SaveOptions(overwrite=self.overwrite, **options)
        if job.target is not None:
            write_image(picture, job.target, save=save)
            return
        encoded = io.BytesIO()  # in full before the first byte leaves
        write_image(picture, encoded, save=save)
        sys.stdout.buffer.write(encoded.getbuffer())
        sys.stdout.buffer.flush()

    def progress(
        self, what: str, total: int | None, *, done: int = 0, below: int = 0
    ) -> tqdm[NoReturn]:
        """A bar on a terminal, ``below`` others; what is ``done`` before counts as no time in its
        estimate."""
        from tqdm import tqdm

        return tqdm(
            desc=what,
            total=total,
            initial=done,
            position=below,
            disable=self.quiet or not sys.stderr.isatty(),
            leave=False,
            bar_format=_BAR,
            smoothing=0,  # pictures of all sizes are mixed: the mean of all tells most
            file=sys.stderr,
        )


def painting_options(command: C) -> C:
    """The options of every command that paints, after its own; it gets them as ``common``."""

    @functools.wraps(command)
    def with_common(**options: Any) -> Any:
        common = {each.name: options.pop(each.name) for each in fields(PaintingOptions)}
        return command(**options, common=PaintingOptions(**common))

    wrapped = cast(C, with_common)
    for option in reversed((_STYLE_SIZE, *_ENGINE, *_RESULT)):
        wrapped = option(wrapped)
    return wrapped


def numbers(text: str) -> tuple[float, ...]:
    """Numbers with commas between them, as the type of an option."""
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} must be numbers with commas between, such as 0.7,0.3"
        ) from None


def read_style(
    stylizer: Stylizer, name: str, common: PaintingOptions, *, color: str | None = None
) -> Style | Photo:
    """A style by its name, or the picture of one at the size at which it is to be encoded.

    Raises:
        ImpastoError: in one line that begins with the file it is about.
        OptionError: if an option is out of range.
    """
    from impasto.images.options import check_size
    from impasto.images.photo import fit_photo
    from impasto.styles.style import Style
    from impasto.stylizer import STYLE_SIZE

    side = STYLE_SIZE if common.style_size is None else common.style_size
    check_size(side)

    def read() -> Style | Photo:
        found = None if name == STDIO else stylizer.found(name)
        style = (
            found if isinstance(found, Style) else fit_photo(common.read(name), side, enlarge=False)
        )
        stylizer.check_style(style, color=color)
        return style

    return about(name, read)


def read_plane(name: str, *, max_pixels: int | None) -> Mask:
    """A mask, or a map of strength, from a file; of a large one as long as the command runs."""
    read = _reader()
    return about(name, lambda: read(picture(name), **given(max_pixels=max_pixels)))


def read_strength(text: str, *, max_pixels: int | None) -> float | Mask:
    """What ``--alpha`` means: a number, or a map of it from a file."""
    from impasto.controls.masks import read_alpha

    try:
        number = float(text)
    except ValueError:
        if text == STDIO:
            return read_plane(text, max_pixels=max_pixels)
        read = _reader()
        return about(text, lambda: read_alpha(text, read=read, **given(max_pixels=max_pixels)))
    return read_alpha(number)


def _reader() -> ReadMask:
    from impasto.controls.masks import mask_reader

    return mask_reader(click.get_current_context().with_resource(ExitStack()))


def files_of(alpha: str | None, masks: Sequence[str]) -> tuple[str, ...]:
    """The files among masks and strength, which no result may replace."""
    try:
        float(alpha or 0)
    except ValueError:
        return (*masks, str(alpha))
    return tuple(masks)


def about(name: str, read: Callable[[], T]) -> T:
    """What ``read`` gives; its errors begin with the file they are about."""
    try:
        return read()
    except (OptionError, StyleError):
        raise
    except (ImpastoError, OSError, MemoryError) as error:
        raise ImpastoError(error_line(error, Job(name, None))) from error


def picture(name: str) -> str | BinaryIO:
    """What the library reads for a name on the command line."""
    return sys.stdin.buffer if name == STDIO else name


def short_name(name: str) -> str:
    """A name for the progress bar."""
    return Path(name).name
