"""``impasto lab``: train networks and make bundles."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from impasto.lab.cli_evaluate import evaluate

_FILE = click.Path(path_type=Path)


@click.group()
def lab() -> None:
    """Make and study models (needs PyTorch: pip install 'impasto[lab]')."""


lab.add_command(evaluate)


@lab.command()
@click.argument("config", type=_FILE)
@click.option("-o", "--out", type=_FILE, help="Run folder  [default: runs/NAME-OF-CONFIG]")
def train(config: Path, out: Path | None) -> None:
    """Train a network as the file CONFIG says; go on where the run folder stands.

    Ctrl-C (or a plain `kill`) writes a checkpoint first.
    """
    # A shell that starts us in the background has us ignore Ctrl-C; `kill` is then the way.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    from impasto.lab.train.config import read_config
    from impasto.lab.train.loop import train as run

    click.echo(run(read_config(config), out or Path("runs") / config.stem))


@lab.command()
@click.argument("run", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="The bundle, NAME.impasto.")
def export(run: Path, out: Path) -> None:
    """Make a bundle of the training run in the folder RUN, checked and scored."""
    from impasto.lab.publish import publish_run

    bundle = publish_run(run, out)
    click.echo(f"{out}: {bundle.card.losses}")


@lab.command("import")
@click.argument("vgg", type=_FILE)
@click.argument("decoder", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="The bundle, NAME.impasto.")
def import_(vgg: Path, decoder: Path, out: Path) -> None:
    """Make a bundle of pytorch-AdaIN's VGG and DECODER files (vgg_normalised.pth, decoder.pth)."""
    from impasto.lab.publish import publish_adain

    publish_adain(vgg, decoder, out)
    click.echo(out)


@lab.command()
@click.argument("paintings", type=_FILE)
@click.option(
    "--model",
    "models",
    metavar="NAME|FILE",
    multiple=True,
    help="Only for this model; may be given again  [default: all that ship]",
)
@click.option("--works", type=_FILE, help="Another table of works than that of the gallery.")
@click.option("-o", "--out", type=_FILE, help="Where the shelves are  [default: in the package]")
def gallery(paintings: Path, models: tuple[str, ...], works: Path | None, out: Path | None) -> None:
    """Make the styles that ship, of works in the folder PAINTINGS.

    The table lab/gallery.toml says which; styles of works that are no longer in it are deleted.
    """
    from impasto.lab.gallery import WORKS, make_gallery, read_works
    from impasto.library import GALLERY

    made = make_gallery(
        paintings, models=models or None, works=read_works(works or WORKS), folder=out or GALLERY
    )
    for shelf in dict.fromkeys(path.parent for path in made):
        sizes = [path.stat().st_size for path in made if path.parent == shelf]
        click.echo(f"{shelf}: {len(sizes)} styles, {sum(sizes) / 1000:.0f} kB")
