"""``impasto lab train`` and what belongs to a run: its pictures, its terms, its weights."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from impasto.cli.options import LibraryOption, given

if TYPE_CHECKING:
    from impasto.lab.train.config import TrainConfig

_FILE = click.Path(path_type=Path)

_settings = click.option(
    "--set",
    "settings",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Another value for a field of the config, such as iterations=500.",
)


@click.command()
@click.argument("config", type=_FILE)
@click.option("-o", "--out", type=_FILE, help="Run folder  [default: runs/NAME-OF-CONFIG]")
@click.option("--tensorboard", is_flag=True, help="Write the log for TensorBoard too.")
@click.option("--no-export", is_flag=True, help="Make no bundle when the run is through.")
@click.option(
    "--style",
    "styles",
    metavar="FILE",
    multiple=True,
    help="In place of [styles] of the config: a picture or a folder; NAME=FILE names the style.",
)
@click.option(
    "--photographs",
    metavar="PLACE",
    multiple=True,
    help="In place of [contents]: a folder, a shard or a pattern of shards.",
)
@_settings
def train(
    config: Path,
    out: Path | None,
    tensorboard: bool,
    no_export: bool,
    styles: tuple[str, ...],
    photographs: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Train a network as the file CONFIG says; go on where the run folder stands.

    A run that is through leaves a bundle, RUN/NAME-OF-RUN.impasto. Ctrl-C (or a plain `kill`) ends
    the step, writes a checkpoint and stops; the same command goes on from there. In several
    processes: torchrun --nproc-per-node 2 -m impasto lab train CONFIG
    """
    _set_signals()
    from impasto.lab.train.config import read_config

    changes: dict[str, object] = {"tensorboard": True} if tensorboard else {}
    if styles:
        changes["styles"] = dict.fromkeys(styles, 1.0)
    if photographs:
        changes["contents"] = dict.fromkeys(photographs, 1.0)
    made = read_config(config, changes=changes, settings=settings)
    _run(made, out or Path("runs") / config.stem, bundle=not no_export)


@click.command()
@click.argument("photographs", type=_FILE)
@click.argument("paintings", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="Run folder; it names the new model.")
@click.option(
    "--vgg",
    type=_FILE,
    help="File of the normalised VGG  [default: what $IMPASTO_VGG names]",
)
@click.option(
    "--model",
    cls=LibraryOption,
    reads="lab.train.finetune:finetune_config:model",
    help="What to start from: quality or fast.",
)
@click.option(
    "--iterations",
    cls=LibraryOption,
    reads="lab.train.finetune:finetune_config:iterations",
    type=int,
    help="Steps of 4 pairs.",
)
@click.option("--tensorboard", is_flag=True, help="Write the log for TensorBoard too.")
def finetune(
    photographs: Path,
    paintings: Path,
    out: Path,
    vgg: Path | None,
    model: str | None,
    iterations: int | None,
    tensorboard: bool,
) -> None:
    """Train a model that ships further on your collection: folders PHOTOGRAPHS and PAINTINGS.

    \b
    impasto lab finetune photos/ paintings/ -o mine --vgg vgg_normalised.pth
    impasto stylize street.jpg one-of-them.jpg --model mine/mine.impasto
    """
    _set_signals()
    from impasto.lab.train.finetune import finetune_config

    settings = finetune_config(
        photographs, paintings, vgg=vgg, **given(model=model, iterations=iterations)
    )
    _run(dataclasses.replace(settings, tensorboard=tensorboard), out, bundle=True)


def _set_signals() -> None:
    # A shell that starts us in the background has us ignore Ctrl-C; `kill` is then the way.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)


def _run(config: TrainConfig, folder: Path, *, bundle: bool) -> None:
    from impasto.lab.train.loop import train as learn

    try:
        checkpoint = learn(config, folder, bundle=bundle)
    except KeyboardInterrupt as error:
        if str(error):
            click.echo(f"{folder}: {error}", err=True)
        raise
    if os.environ.get("RANK", "0") == "0":  # of several processes the first one tells
        made = folder / f"{folder.resolve().name}.impasto"
        click.echo(made if bundle and made.exists() else checkpoint)


@click.command()
@click.argument("folder", type=_FILE)
@click.option(
    "--count",
    cls=LibraryOption,
    reads="lab.patterns:draw_patterns:count",
    type=int,
    help="How many.",
)
@click.option(
    "--seed",
    cls=LibraryOption,
    reads="lab.patterns:draw_patterns:seed",
    type=int,
    help="Another seed draws other ones.",
)
def patterns(folder: Path, count: int | None, seed: int | None) -> None:
    """Draw stripes, checks, dots, webs and the like into FOLDER: loud styles to train on.

    \b
    impasto lab patterns runs/patterns
    impasto lab train configs/fast.toml --style paintings/ --style runs/patterns
    """
    from impasto.lab.patterns import draw_patterns

    click.echo(f"{folder}: {len(draw_patterns(folder, **given(count=count, seed=seed)))} patterns")


@click.command()
@click.argument("places", nargs=-1, required=True, metavar="PAINTINGS...")
@click.option("-o", "--output", "folder", type=_FILE, required=True, help="Folder of the prints.")
@click.option(
    "--count",
    cls=LibraryOption,
    reads="lab.prints:make_prints:count",
    type=int,
    help="How many.",
)
@click.option(
    "--seed",
    cls=LibraryOption,
    reads="lab.prints:make_prints:seed",
    type=int,
    help="Another seed makes other ones.",
)
def prints(places: tuple[str, ...], folder: Path, count: int | None, seed: int | None) -> None:
    """Make woodcuts, engravings and halftones of PAINTINGS: two-tone styles to train on.

    \b
    impasto lab prints paintings/ -o runs/prints
    impasto lab train configs/fast.toml --style paintings/ --style runs/prints
    """
    from impasto.lab.prints import make_prints

    made = make_prints(places, folder, **given(count=count, seed=seed))
    click.echo(f"{folder}: {len(made)} prints")


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="RUN[=SHARE]...")
@click.option("-o", "--out", type=_FILE, required=True, help="The new run folder.")
def mix(sources: tuple[str, ...], out: Path) -> None:
    """Mix the weights of runs that began alike: one network with what each of them learned.

    RUN may be a run folder, a checkpoint, a bundle or the name of a model that ships; SHARE is 1
    where it is left out.

    \b
    impasto lab mix runs/large=2 runs/small -o runs/mixed
    impasto lab export runs/mixed -o mixed.impasto
    """
    from impasto.lab.train.mixing import mix_runs

    click.echo(mix_runs([_share(text) for text in sources], out))


def _share(text: str) -> tuple[str, float]:
    name, mark, share = text.rpartition("=")
    try:
        return (name, float(share)) if mark else (text, 1.0)
    except ValueError:
        return text, 1.0  # a name with a "=" in it


@click.command()
@click.argument("config", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="The new folder.")
@click.option(
    "--megabytes",
    cls=LibraryOption,
    reads="lab.train.packing:pack_run:megabytes",
    type=float,
    help="What pictures may take; weights come beside it.",
)
@click.option(
    "--quality",
    cls=LibraryOption,
    reads="lab.train.packing:pack_run:quality",
    type=int,
    help="Of WebP, 1 to 100.",
)
@_settings
def pack(
    config: Path,
    out: Path,
    megabytes: float | None,
    quality: int | None,
    settings: tuple[str, ...],
) -> None:
    """Pack what the run of CONFIG reads into a folder, to train on another machine.

    \b
    impasto lab pack configs/device.toml -o packed --megabytes 40
    cd packed && impasto lab train config.toml -o ../runs/there
    """
    from impasto.lab.train.config import read_config
    from impasto.lab.train.packing import pack_run

    asked = given(megabytes=megabytes, quality=quality)
    rows = pack_run(read_config(config, settings=settings), out, **asked)
    for row in rows:
        click.echo(f"{row.place}: {row.kept} of {row.found} pictures, {row.bytes / 1e6:.1f} MB")
    whole = sum(file.stat().st_size for file in out.rglob("*") if file.is_file())
    click.echo(f"{out}: {whole / 1e6:.1f} MB with the weights")


@click.command()
@click.argument("config", type=_FILE)
@click.option(
    "--batches",
    cls=LibraryOption,
    reads="lab.train.gradients:term_gradients:batches",
    type=int,
    help="How many batches to look at.",
)
@_settings
def gradients(config: Path, batches: int | None, settings: tuple[str, ...]) -> None:
    """Tell what each term of the loss of CONFIG has in the gradient, before a long run.

    A row a term, by its weight: its part of the loss, the norm of its gradient, its share of the
    whole (all sum to 100 %), the cosine of two batches' gradients, that with every other term.

    \b
    impasto lab gradients configs/large-crops.toml --set colors=9000
    """
    from impasto.lab.train.config import read_config
    from impasto.lab.train.gradients import gradients_table, term_gradients

    found = term_gradients(read_config(config, settings=settings), **given(batches=batches))
    click.echo(gradients_table(found))
