"""``impasto lab train`` and related commands on runs."""

from __future__ import annotations

import dataclasses
import functools
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from impasto.cli import completion
from impasto.cli.lines import say
from impasto.cli.options import LibraryOption, without_none

if TYPE_CHECKING:
    from impasto.lab.training.config import TrainConfig

_FILE = click.Path(path_type=Path)

C = TypeVar("C", bound=Callable[..., Any])


def _interruptible(command: C) -> C:
    """Let Ctrl-C and `kill` interrupt a command, also one started in the background by a shell.

    A shell makes such a command ignore Ctrl-C; `kill` then works.
    """

    @functools.wraps(command)
    def with_signals(*arguments: Any, **options: Any) -> Any:
        handler = signal.default_int_handler
        before = {each: signal.signal(each, handler) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            return command(*arguments, **options)
        finally:
            for number, old in before.items():
                signal.signal(number, old)

    return cast(C, with_signals)


@click.command()
@click.argument("config", type=_FILE, shell_complete=completion.with_suffix(".toml"))
@click.option("-o", "--out", type=_FILE, help="Run folder  [default: runs/NAME-OF-CONFIG]")
@click.option(
    "--vgg",
    type=_FILE,
    help="Use instead of `vgg` in the config  [default: if that is missing, as for finetune]",
)
@click.option("--tensorboard", is_flag=True, help="Also write the log for TensorBoard.")
@click.option("--no-export", is_flag=True, help="Do not write a bundle at the end of the run.")
@click.option(
    "--style",
    "styles",
    metavar="FILE",
    multiple=True,
    shell_complete=completion.files,
    help="Replace [data.styles]: a picture or a folder; NAME=FILE names the style.",
)
@click.option(
    "--photographs",
    metavar="PLACE",
    multiple=True,
    shell_complete=completion.files,
    help="Replace [data.contents]: a folder, a shard or a pattern of shards.",
)
@click.option(
    "--set",
    "settings",
    metavar="FIELD=VALUE",
    multiple=True,
    help="Change a field of the config, such as iterations=500 or loss.style=2.",
)
@_interruptible
def train(
    config: Path,
    out: Path | None,
    vgg: Path | None,
    tensorboard: bool,
    no_export: bool,
    styles: tuple[str, ...],
    photographs: tuple[str, ...],
    settings: tuple[str, ...],
) -> None:
    """Train a network as the file CONFIG describes, or resume the run in the run folder.

    A finished run writes a bundle, RUN/NAME-OF-RUN.impasto. Ctrl-C (or a plain `kill`) finishes
    the step, writes a checkpoint and stops; run the same command again to resume. For several
    processes: torchrun --nproc-per-node 2 -m impasto lab train CONFIG
    """
    from impasto.lab.training.checkpoints import CHECKPOINT
    from impasto.lab.training.config import read_config
    from impasto.lab.training.places import check_start

    changes: dict[str, object] = {"tensorboard": True} if tensorboard else {}
    if styles:
        changes["data.styles"] = dict.fromkeys(styles, 1.0)
    if photographs:
        changes["data.contents"] = dict.fromkeys(photographs, 1.0)
    made = read_config(config, changes=changes, settings=settings)
    folder = out or Path("runs") / config.stem
    if not (folder / CHECKPOINT).exists():
        check_start(made, config)
    _run(made, folder, vgg=vgg, bundle=not no_export)


@click.command()
@click.argument("photographs", type=_FILE)
@click.argument("paintings", type=_FILE)
@click.option(
    "-o", "--out", type=_FILE, required=True, help="Run folder; the new model is named after it."
)
@click.option(
    "--vgg",
    type=_FILE,
    help="File of the normalized VGG  [default: the file in $IMPASTO_VGG]",
)
@click.option(
    "--model",
    cls=LibraryOption,
    reads="lab.methods.compact.finetune:finetune_config:model",
    help="Model to start from: quality or fast.",
    shell_complete=completion.one_of("quality", "fast"),
)
@click.option(
    "--iterations",
    cls=LibraryOption,
    reads="lab.methods.compact.finetune:finetune_config:iterations",
    type=int,
    help="Number of steps, of 4 pairs each.",
)
@click.option("--tensorboard", is_flag=True, help="Also write the log for TensorBoard.")
@_interruptible
def finetune(
    photographs: Path,
    paintings: Path,
    out: Path,
    vgg: Path | None,
    model: str | None,
    iterations: int | None,
    tensorboard: bool,
) -> None:
    """Fine-tune an included model on your own folders of PHOTOGRAPHS and PAINTINGS.

    \b
    impasto lab finetune photos/ paintings/ -o mine --vgg vgg_normalised.pth
    impasto stylize street.jpg one-of-them.jpg --model mine/mine.impasto
    """
    from impasto.lab.methods.compact.finetune import finetune_config

    settings = finetune_config(
        photographs, paintings, vgg=vgg, **without_none(model=model, iterations=iterations)
    )
    _run(dataclasses.replace(settings, tensorboard=tensorboard), out, bundle=True)


def _run(config: TrainConfig, folder: Path, *, bundle: bool, vgg: Path | None = None) -> None:
    from impasto.lab.export.publish import bundle_of, publish_trained
    from impasto.lab.training.checkpoints import CHECKPOINT
    from impasto.lab.training.loop import train as learn
    from impasto.lab.training.places import check_fresh, with_vgg

    if not (folder / CHECKPOINT).exists():
        check_fresh(folder, bundle_of(folder))
    config = with_vgg(config, vgg)
    try:
        checkpoint = learn(config, folder)
    except KeyboardInterrupt as error:
        if str(error):
            say(f"{folder}: {error}", err=True)
        raise
    if os.environ.get("RANK", "0") == "0":  # only the first of several processes publishes
        say((publish_trained(folder) if bundle else None) or checkpoint)
