"""``impasto lab evaluate`` and ``impasto lab score``: evaluation on the command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from impasto.cli import completion
from impasto.cli.lines import say
from impasto.cli.options import LibraryOption, without_none

if TYPE_CHECKING:
    from impasto.lab.evaluate.pairs import PairOptions
    from impasto.lab.evaluate.run import Evaluation, JudgeOptions

_FILE = click.Path(path_type=Path)
_RUN = "lab.evaluate.run:evaluate_models"
_PAIRS = "lab.evaluate.pairs:PairOptions"
_PAINTERS = "lab.evaluate.painters:PainterOptions"
_JUDGE = "lab.evaluate.run:JudgeOptions"
_ALL = "all"


def _pairs(_: click.Context, __: click.Parameter, text: str | None) -> int | str | None:
    if text is None or text == _ALL:
        return text
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a number nor {_ALL}") from None


def _take(options: dict[str, Any], *names: str) -> dict[str, Any]:
    """Remove options of these names and return them."""
    return {name: options.pop(name) for name in names}


def folders(values: tuple[str, ...]) -> dict[str, float]:
    """Parse ``NAME`` or ``NAME=SHARE`` to folders and files with shares, by default 1.

    An existing path whose own name ends like that is used as a whole.
    """
    found = {}
    for value in values:
        name, _, share = value.rpartition("=")
        if name and not Path(value).exists():
            try:
                found[name] = float(share)
                continue
            except ValueError:
                pass
        found[value] = 1.0
    return found


def _with(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Decorate a command with shared options."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_SIDES = (
    click.option(
        "--contents",
        metavar="FOLDER|FILE[=SHARE]",
        shell_complete=completion.files,
        multiple=True,
        help="Photographs; may be repeated. SHARE is how often they are drawn, relative to others.",
    ),
    click.option(
        "--styles",
        metavar="FOLDER|FILE[=SHARE]",
        shell_complete=completion.files,
        multiple=True,
        help="Styles; same form as --contents.",
    ),
    click.option(
        "--standard",
        metavar="FOLDER",
        type=_FILE,
        help="Use the standard pictures instead of --contents and --styles: photos/crisp and "
        "paintings/crisp in this folder, at 256 and 512 px unless --size is given.",
    ),
    click.option(
        "--config",
        type=_FILE,
        help="Training config; supplies folders, shares and VGG that are not given.",
    ),
    click.option("--vgg", type=_FILE, help="VGG weights for judging, such as vgg_normalised.pth."),
)
"""Options of the pictures and of the judge."""

_DRAW = (
    click.option(
        "--size",
        "sizes",
        cls=LibraryOption,
        reads=f"{_PAIRS}:sizes",
        type=int,
        multiple=True,
        help="Side of the pictures in pixels; may be repeated.",
    ),
    click.option(
        "--pairs",
        cls=LibraryOption,
        reads=f"{_PAIRS}:count",
        metavar="N|all",
        callback=_pairs,
        help="Number of pairs to draw; all: every photograph with every style.",
    ),
    click.option(
        "--seed",
        cls=LibraryOption,
        reads=f"{_PAIRS}:seed",
        type=int,
        help="Random seed of the draw.",
    ),
    click.option(
        "--held-out/--all-files",
        "held_out",
        cls=LibraryOption,
        reads=f"{_PAIRS}:held_out",
        default=None,
        help="Only files that training here never sees, or all files.",
    ),
)
"""Options of the pairs."""

_JUDGED = (
    click.option(
        "--judge-precision",
        cls=LibraryOption,
        reads=f"{_JUDGE}:precision",
        help="Precision of VGG: bf16 or fp32.",
    ),
    click.option(
        "--lpips",
        type=_FILE,
        nargs=2,
        metavar="BACKBONE HEADS",
        help="Weights for the column lpips: torchvision's alexnet or vgg16, and the matching "
        "LPIPS heads.",
    ),
    click.option(
        "--inception",
        type=_FILE,
        help="Weights of Inception v3 (torchvision's layout) for FID, and with --lpips for ArtFID.",
    ),
    click.option(
        "--worst-by",
        cls=LibraryOption,
        reads=f"{_RUN}:worst_by",
        metavar="COLUMN",
        help="Column that ranks the worst pairs.",
    ),
    click.option("-o", "--out", type=_FILE, required=True, help="Folder of the report."),
)
"""Options of the judge, and of the report."""


@click.command()
@_with(_SIDES)
@click.option(
    "--decoder",
    type=_FILE,
    help="Weights of an AdaIN decoder for the VGG: also judged, and the default reference.",
)
@click.option(
    "--model",
    "models",
    cls=LibraryOption,
    reads=f"{_RUN}:models",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    multiple=True,
    help="Model to judge: a name, file, run folder or module:NAME; may be repeated. With options: "
    "gatys:steps=100,start=noise.",
)
@click.option(
    "--reference",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    help="Model to compare the others with.",
)
@_with(_DRAW)
@click.option(
    "--engine",
    shell_complete=completion.engines,
    help="Engine that runs the models  [default: the best one installed]",
)
@click.option(
    "--precision",
    shell_complete=completion.precisions,
    cls=LibraryOption,
    reads=f"{_PAINTERS}:precision",
    help="Precision of the models.",
)
@click.option("--threads", type=int, help="Threads of the models  [default: one for each core]")
@_with(_JUDGED)
def evaluate(
    vgg: Path | None,
    out: Path,
    models: tuple[str, ...],
    sizes: tuple[int, ...],
    pairs: int | str | None,
    **options: Any,
) -> None:
    """Judge models on the same pairs of photographs and styles, and write a report.

    Models run as they do for users. The report is a folder: pairs.csv (one line per model and
    pair), summary.csv, folders.csv, summary.md, and pictures of the worst pairs and of a few
    styles. After Ctrl-C, run the same command again to resume. More models, sizes and pairs can be
    added to a folder. docs/evaluation.md explains each number.

    \b
    impasto lab evaluate --contents photos --styles paintings \\
        --vgg vgg_normalised.pth --decoder decoder.pth --model quality --model fast -o judged
    impasto lab evaluate --standard data --vgg vgg_normalised.pth --model mine.impasto -o judged
    """
    from impasto.lab.evaluate.painters import PainterOptions
    from impasto.lab.evaluate.run import evaluate_models

    painters = without_none(**_take(options, "decoder", "engine", "precision", "threads"))
    sides = _Sides(**_take(options, "contents", "styles", "standard", "config"))
    drawn, vgg = _drawn_from(sides, vgg, sizes, pairs, options)
    if drawn is None:
        raise click.UsageError("give --contents and --styles, or --standard, or --config")
    if vgg is None:
        raise click.UsageError("give --vgg, or --config")
    found = evaluate_models(
        pairs=drawn,
        judge=_judge(vgg, options),
        painters=PainterOptions(**painters),
        out=out,
        progress=True,
        **without_none(models=models or None, **options),
    )
    _say_report(found)


@click.command()
@click.argument("pictures", metavar="NAME=FOLDER...", nargs=-1, required=True)
@_with(_SIDES)
@click.option(
    "--reference",
    metavar="NAME",
    help="What to compare the others with: a NAME or a model of the report.",
)
@_with(_DRAW)
@_with(_JUDGED)
def score(
    pictures: tuple[str, ...],
    vgg: Path | None,
    out: Path,
    sizes: tuple[int, ...],
    pairs: int | str | None,
    **options: Any,
) -> None:
    """Judge pictures made by other programs, and add them to the tables of a report.

    Each NAME=FOLDER is a row of the tables. The picture of a pair is named after its photograph and
    style, such as street-wave.png or street_stylized_wave.jpg for street.jpg and wave.jpg. It
    shows the whole photograph or its middle square, at any size. Without --contents and --styles
    the pairs are those of the report in the folder --out, whose models stay in the tables. For
    details see docs/evaluation.md.

    \b
    impasto lab evaluate --contents photos --styles paintings --vgg vgg_normalised.pth -o judged
    impasto lab score stytr2=outputs/stytr2 --vgg vgg_normalised.pth -o judged
    """
    from impasto.lab.evaluate.run import score_pictures

    sides = _Sides(**_take(options, "contents", "styles", "standard", "config"))
    drawn, vgg = _drawn_from(sides, vgg, sizes, pairs, options)
    if vgg is None:
        raise click.UsageError("give --vgg, or --config")
    folders_of: dict[str, str] = {}
    for text in pictures:
        name, mark, folder = text.partition("=")
        if not mark or not name or not folder:
            raise click.UsageError(f"{text!r} is not NAME=FOLDER, such as stytr2=outputs")
        if name in folders_of:
            raise click.UsageError(f"two folders are named {name!r}; give one of them another name")
        folders_of[name] = folder
    found = score_pictures(
        folders_of,
        pairs=drawn,
        judge=_judge(vgg, options),
        out=out,
        progress=True,
        **without_none(**options),
    )
    _say_report(found)


@dataclass(frozen=True)
class _Sides:
    """Options for the sources of pictures."""

    contents: tuple[str, ...]
    styles: tuple[str, ...]
    standard: Path | None
    config: Path | None


def _drawn_from(
    given: _Sides,
    vgg: Path | None,
    sizes: tuple[int, ...],
    pairs: int | str | None,
    options: dict[str, Any],
) -> tuple[PairOptions | None, Path | None]:
    """Return the pairs, and the weights of the judge; None for pairs without folders.

    Raises:
        UsageError: if one side of the pairs is given without the other, or only their number, or
            the standard set with folders.
    """
    from impasto.lab.evaluate.pairs import PairOptions

    sides: dict[str, Any] = {
        "contents": folders(given.contents),
        "styles": folders(given.styles),
    }
    if given.config is not None:
        from impasto.lab.training.config import read_config

        read = read_config(given.config)
        vgg = vgg or Path(read.vgg)
        if given.standard is None:
            sides = {name: side or getattr(read.data, name) for name, side in sides.items()}
    draw = without_none(sizes=sizes or None, **_take(options, "seed", "held_out"))
    if pairs is not None:
        draw["count"] = None if pairs == _ALL else pairs
    if given.standard is not None:
        from impasto.lab.evaluate.standard import SIZES, standard_folders

        if given.contents or given.styles or draw.get("held_out") is False:
            raise click.UsageError(
                "--standard has its own pictures; omit --contents, --styles and --all-files"
            )
        places = standard_folders(given.standard)
        sides = {name: {str(p): 1.0} for name, p in zip(sides, places, strict=True)}
        draw.setdefault("sizes", SIZES)
    missing = [name for name, side in sides.items() if not side]
    if len(missing) == len(sides) and not draw:
        return None, vgg
    for name in missing:
        raise click.UsageError(f"give --{name}, or --config")
    return PairOptions(**sides, **draw), vgg


def _judge(vgg: Path | None, options: dict[str, Any]) -> JudgeOptions:
    from impasto.lab.evaluate.run import JudgeOptions

    given = without_none(
        vgg=vgg, precision=options.pop("judge_precision"), **_take(options, "lpips", "inception")
    )
    return JudgeOptions(**given)


def _say_report(found: Evaluation) -> None:
    for line in found.files[1].read_text(encoding="utf-8").splitlines():
        say(line)
    for path in found.files:
        say(path)
