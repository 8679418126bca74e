"""``impasto lab evaluate``: the yardstick on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from impasto.cli import completion
from impasto.cli.lines import say
from impasto.cli.options import LibraryOption, without_none

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
    """Folders and files, and the share of each, of ``NAME`` or ``NAME=SHARE``; a share is 1 unless
    it is said.

    What is there and whose own name ends like that is taken as it is.
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


@click.command()
@click.option(
    "--contents",
    metavar="FOLDER|FILE[=SHARE]",
    shell_complete=completion.files,
    multiple=True,
    help="Photographs; may be given again. A share says how often they are drawn from.",
)
@click.option(
    "--styles",
    metavar="FOLDER|FILE[=SHARE]",
    shell_complete=completion.files,
    multiple=True,
    help="Styles; as --contents.",
)
@click.option(
    "--config",
    type=_FILE,
    help="A training config: its folders, shares and VGG, where not given.",
)
@click.option("--vgg", type=_FILE, help="Weights of the judge, such as vgg_normalised.pth.")
@click.option(
    "--decoder",
    type=_FILE,
    help="Weights of an AdaIN decoder for the VGG: judged too, and the reference.",
)
@click.option(
    "--model",
    "models",
    cls=LibraryOption,
    reads=f"{_RUN}:models",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    multiple=True,
    help="What to judge; may be given again. Options of a method: gatys:steps=100,start=noise.",
)
@click.option(
    "--reference",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    help="The model that the others are compared with.",
)
@click.option(
    "--size",
    "sizes",
    cls=LibraryOption,
    reads=f"{_PAIRS}:sizes",
    type=int,
    multiple=True,
    help="Side of the pictures in pixels; may be given again.",
)
@click.option(
    "--pairs",
    cls=LibraryOption,
    reads=f"{_PAIRS}:count",
    metavar="N|all",
    callback=_pairs,
    help="How many pairs are drawn; all: each photograph with each style.",
)
@click.option("--seed", cls=LibraryOption, reads=f"{_PAIRS}:seed", type=int, help="Of the draw.")
@click.option(
    "--held-out/--all-files",
    "held_out",
    cls=LibraryOption,
    reads=f"{_PAIRS}:held_out",
    default=None,
    help="Only files that no training here sees, or all.",
)
@click.option("--engine", help="What runs the models  [default: the best one installed]")
@click.option(
    "--precision",
    cls=LibraryOption,
    reads=f"{_PAINTERS}:precision",
    help="Of the models.",
)
@click.option("--threads", type=int, help="Of the models  [default: one for each core]")
@click.option(
    "--judge-precision",
    cls=LibraryOption,
    reads=f"{_JUDGE}:precision",
    help="Of VGG: bf16 or fp32.",
)
@click.option(
    "--lpips",
    type=_FILE,
    nargs=2,
    metavar="BACKBONE HEADS",
    help="Weights for the column lpips: torchvision's alexnet or vgg16, and LPIPS' heads for it.",
)
@click.option(
    "--inception",
    type=_FILE,
    help="Weights of Inception v3 (torchvision's layout) for FID, with --lpips for ArtFID.",
)
@click.option(
    "--worst-by",
    cls=LibraryOption,
    reads=f"{_RUN}:worst_by",
    metavar="COLUMN",
    help="What tells the worst pairs.",
)
@click.option("-o", "--out", type=_FILE, required=True, help="Folder of the report.")
def evaluate(
    contents: tuple[str, ...],
    styles: tuple[str, ...],
    config: Path | None,
    vgg: Path | None,
    out: Path,
    models: tuple[str, ...],
    sizes: tuple[int, ...],
    pairs: int | str | None,
    **options: Any,
) -> None:
    """Judge models on the same pairs of photographs and styles, and write a report.

    Models are run as their users run them. The report is a folder: pairs.csv (a line a model and
    pair), summary.csv, folders.csv, summary.md, and pictures of the worst pairs and of a few
    styles. Stopped with Ctrl-C, the same command goes on; more models, sizes and pairs can be added
    to a folder.
    docs/evaluation.md tells what each number means.

    \b
    impasto lab evaluate --contents photos --styles paintings \\
        --vgg vgg_normalised.pth --decoder decoder.pth --model quality --model fast -o judged
    """
    from impasto.lab.evaluate.painters import PainterOptions
    from impasto.lab.evaluate.pairs import PairOptions
    from impasto.lab.evaluate.run import JudgeOptions, evaluate_models

    sides: dict[str, Any] = {"contents": folders(contents), "styles": folders(styles)}
    if config is not None:
        from impasto.lab.training.config import read_config

        read = read_config(config)
        sides = {name: side or getattr(read.data, name) for name, side in sides.items()}
        vgg = vgg or Path(read.vgg)
    for name, value in (*sides.items(), ("vgg", vgg)):
        if not value:
            raise click.UsageError(f"give --{name}, or --config")
    draw = without_none(sizes=sizes or None, **_take(options, "seed", "held_out"))
    if pairs is not None:
        draw["count"] = None if pairs == _ALL else pairs
    judge = without_none(
        vgg=vgg, precision=options.pop("judge_precision"), **_take(options, "lpips", "inception")
    )
    painters = without_none(**_take(options, "decoder", "engine", "precision", "threads"))
    found = evaluate_models(
        pairs=PairOptions(**sides, **draw),
        judge=JudgeOptions(**judge),
        painters=PainterOptions(**painters),
        out=out,
        progress=True,
        **without_none(models=models or None, **options),
    )
    for line in found.files[1].read_text(encoding="utf-8").splitlines():
        say(line)
    for path in found.files:
        say(path)
