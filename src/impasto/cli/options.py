"""Options of the command line, generated from the fields of dataclasses.

A field that is declared with :func:`impasto.images.options.option` is an option: its name, default
and help are written there only. A command receives the dataclasses, not single options::

    @click.command()
    @options_of(controls=Controls, read=ReadOptions)
    def stylize(controls: Controls, read: ReadOptions) -> None: ...
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn, TypeVar, cast

import click

from impasto.batch.inputs import STDIO
from impasto.cli.completion import COMPLETERS, Completer, one_of
from impasto.errors import counted, escaped
from impasto.images.options import SaveOptions, option

if TYPE_CHECKING:
    from tqdm import tqdm

    from impasto.models import Bundle
    from impasto.stylizer import Stylizer

C = TypeVar("C", bound=Callable[..., Any])

_BAR = "{desc:<32.32} {bar} {percentage:3.0f} % {elapsed}<{remaining}"


class LibraryOption(click.Option):
    """Click option with a default of the library, which is looked up when the help is printed.

    ``reads`` names the place of the default: ``module:function:parameter``.
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
        if isinstance(default, tuple):
            default = ", ".join(map(str, default))
        elif self.secondary_opts:
            default = (self.opts if default else self.secondary_opts)[0].lstrip("-")
        return record and (record[0], f"{record[1]}  [default: {default}]")


def options_of(*, leave_out: Collection[str] = (), **kinds: type) -> Callable[[C], C]:
    """Generate options from the fields of dataclasses; the command receives their instances.

    Only options that the user gave are passed to a dataclass, so that only its own defaults and
    checks apply.

    Args:
        leave_out: fields that are not options of this command, as ``parameter.field``.
        kinds: the dataclasses, by the name of the command's parameter.

    Raises:
        TypeError: if a field's type has no row in the table of kinds.
    """
    chosen = {
        name: [
            each
            for each in fields(kind)
            if "help" in each.metadata and f"{name}.{each.name}" not in leave_out
        ]
        for name, kind in kinds.items()
    }

    def decorate(command: C) -> C:
        @functools.wraps(command)
        def with_values(**options: Any) -> Any:
            for name, kind in kinds.items():
                values = {each.name: options.pop(each.name) for each in chosen[name]}
                options[name] = kind(
                    **{
                        field: value
                        for field, value in values.items()
                        if value is not None and value != ()
                    }
                )
            return command(**options)

        wrapped = cast(C, with_values)
        for each in reversed([each for row in chosen.values() for each in row]):
            wrapped = _option(each)(wrapped)
        return wrapped

    return decorate


def style_size_option() -> Callable[[C], C]:
    """The option ``--size`` of commands that read a style from its picture."""
    return click.option(
        "--size",
        type=int,
        metavar="N",
        cls=LibraryOption,
        reads="stylizer:Stylizer.style:size",
        help="Reduce a larger picture to this shorter side, which sets the scale of the strokes.",
    )


def overwrite_option(help: str = "") -> Callable[[C], C]:
    """The option ``--overwrite`` of a command that writes a file; without it none is replaced.

    Args:
        help: a sentence; by default that of :class:`impasto.images.options.SaveOptions`.
    """
    (own,) = (each for each in fields(SaveOptions) if each.name == "overwrite")
    return click.option("--overwrite", is_flag=True, help=help or own.metadata["help"])


def without_none(**options: Any) -> dict[str, Any]:
    """Drop options that are None, so that the library's own defaults apply."""
    return {name: value for name, value in options.items() if value is not None}


def byte_count(text: str) -> int:
    """Parse a number of bytes with or without a unit: 2GB, 512MiB."""
    match = re.fullmatch(r"([0-9]*\.?[0-9]+)\s*([a-z]*)", str(text).strip().lower())
    factor = _UNITS.get(match[2]) if match else None
    if match is None or factor is None:
        raise click.BadParameter(f"{text!r} must be a number of bytes, such as 2GB or 512MiB")
    count = round(float(match[1]) * factor)
    if not match[2] and 0 < count < _LEAST_BYTES:
        raise click.BadParameter(
            f"{text!r} is {counted(count, 'byte')}: give the unit too, such as {match[1]}GB or "
            "512MiB"
        )
    return count


def numbers(text: str) -> tuple[float, ...]:
    """Parse numbers that are separated by commas."""
    try:
        return tuple(float(each) for each in text.split(","))
    except ValueError:
        raise click.BadParameter(
            f"{text!r} must be numbers separated by commas, such as 0.7,0.3"
        ) from None


def seconds(text: str) -> Fraction:
    """Parse a time, such as 12.5, 0:12 or 1:02:03, as seconds."""
    from impasto.video.timeline import parse_time

    return parse_time(text)


def frame_rate(text: str) -> Fraction:
    """Parse a number of frames a second, such as 25, 23.976 or 30000/1001."""
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise click.BadParameter(
            f"{text!r} must be a number of frames a second, such as 25, 23.976 or 30000/1001"
        ) from None


def file_or_stdin(name: str) -> str | BinaryIO:
    """Return the name of a file unchanged, or standard input for ``-``."""
    return sys.stdin.buffer if name == STDIO else name


def number_or_file(text: str) -> float | str | BinaryIO:
    """Parse a number; any other text is the name of a file, or ``-``."""
    try:
        return float(text)
    except ValueError:
        return file_or_stdin(text)


@dataclass(frozen=True, kw_only=True)
class StyleOptions:
    """The option of the styles that a command paints in.

    Attributes:
        style: names of styles.
    """

    style: Sequence[str] = option(
        (),
        "Style: a picture, or a name from `impasto styles`. Several styles are mixed.",
        short="-s",
        metavar="STYLE",
        complete="style",
    )


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """Options of the model and its inference engine: arguments of :func:`impasto.stylizer.load`.

    Attributes:
        model: name or file of the model; None for the default, as in the others.
        engine: name of the inference engine.
        precision: fp32, bf16 or int8.
        threads: number of threads.
    """

    model: str | None = option(
        None,
        "Model: a name from `impasto models`, an .impasto file, or module:NAME in Python.",
        metavar="NAME|FILE",
        reads="stylizer:load:model",
        complete="model",
    )
    engine: str | None = option(
        None,
        "Inference engine.",
        metavar="NAME",
        shown="the fastest installed",
        complete="engine",
    )
    precision: str | None = option(
        None,
        "Precision: fp32, bf16 or int8.",
        metavar="P",
        shown="the engine's choice",
        complete="precision",
    )
    threads: int | None = option(None, "Number of threads.", metavar="N", shown="one per core")

    def load(self, *, vgg: Path | None = None) -> Stylizer:
        """Load the model; ``vgg`` is a file of VGG-19, for methods of the lab."""
        from impasto.stylizer import load

        options: dict[str, Any] = {} if self.model is None else {"model": self.model}
        return load(
            **options, engine=self.engine, precision=self.precision, threads=self.threads, vgg=vgg
        )

    def bundle(self) -> Bundle | None:
        """Read the model's bundle without opening an engine; None for a plugged-in painter."""
        from impasto.models import DEFAULT_MODEL, find_bundle, find_plugin

        if self.model is not None and find_plugin(self.model) is not None:
            return None
        return find_bundle(self.model or DEFAULT_MODEL)


@dataclass(frozen=True, kw_only=True)
class FilmModelOptions(ModelOptions):
    """The same for films and cameras, where the fastest precision is preferred.

    Attributes:
        precision: fp32, bf16, int8 or auto.
    """

    precision: str | None = option(
        "auto",
        "Precision: fp32, bf16, int8, or auto, the fastest as measured.",
        metavar="P",
        complete="precision",
    )


def progress_bar(
    label: str, total: int | None, *, quiet: bool, done: int = 0, below: int = 0
) -> tqdm[NoReturn]:
    """Make a progress bar, which is shown on a terminal only.

    Args:
        label: text beside the bar.
        total: number of steps.
        quiet: show nothing.
        done: number of steps done before, which are excluded from the estimate of time.
        below: number of bars above it.
    """
    from tqdm import tqdm

    return tqdm(
        desc=escaped(label),
        total=total,
        initial=done,
        position=below,
        disable=quiet or not sys.stderr.isatty(),
        leave=False,
        bar_format=_BAR,
        smoothing=0,  # the overall mean predicts best, since the sizes of pictures vary
        file=sys.stderr,
    )


def _option(field: Field[Any]) -> Callable[[C], C]:
    facts = field.metadata
    kind = facts.get("kind") or str(field.type).removesuffix(" | None")
    if kind not in _KINDS:
        raise TypeError(f"{field.name}: there is no option for type {kind!r}: add it to _KINDS")
    settings = dict(_KINDS[kind])
    settings.update({key: facts[key] for key in ("metavar", "required") if key in facts})
    text = facts["help"]
    default = facts.get("shown", None if field.default is MISSING else field.default)
    if "reads" in facts:
        settings.update(cls=LibraryOption, reads=facts["reads"])
    elif default not in (None, (), "") and default is not False:
        text = f"{text}  [default: {default}]"
    if (completer := _completer(facts, kind)) is not None:
        settings["shell_complete"] = completer
    flags = [f"--{facts.get('flag', field.name).replace('_', '-')}"]
    if "short" in facts:
        flags.insert(0, facts["short"])
    if not facts.get("required"):
        settings["default"] = None  # not given
    return click.option(*flags, field.name, help=text, **settings)


def _completer(facts: Mapping[str, Any], kind: str) -> Completer | None:
    known: str | tuple[str, ...] = facts.get("complete") or _COMPLETED.get(kind, "")
    if isinstance(known, tuple):
        return one_of(*known)
    if known:
        return COMPLETERS[known]
    words = str(facts.get("metavar", "")).split("|")
    if len(words) > 1 and all(re.fullmatch(r"[a-z0-9-]+", word) for word in words):
        return one_of(*words)
    return None


_LEAST_BYTES = 1_000_000  # nothing can be painted with less: a unit was forgotten

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", 1):
    _UNITS |= {_letter: 1000**_power, f"{_letter}b": 1000**_power, f"{_letter}ib": 1024**_power}

# Settings of an option by the type of its field, as it is annotated, or by the field's "kind".
_KINDS: dict[str, dict[str, Any]] = {
    "bool": {"is_flag": True},
    "int": {"type": int},
    "float": {"type": float},
    "str": {},
    "Path": {"type": click.Path(path_type=Path)},
    "Sequence[str]": {"multiple": True},
    "Sequence[float]": {"type": numbers},
    "Map": {"type": file_or_stdin},
    "Sequence[Map]": {"type": file_or_stdin, "multiple": True},
    "float | Map": {"type": number_or_file},
    "bytes": {"type": byte_count},
    "two numbers": {"type": float, "nargs": 2},
    "time": {"type": seconds},
    "rate": {"type": frame_rate},
}

# What shells complete for a kind, where the field does not specify it.
_COMPLETED = {
    "Path": "file",
    "Map": "picture or film",
    "Sequence[Map]": "picture or film",
    "float | Map": "picture or film",
}
