"""``impasto lab``: the group of commands to make and study models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from impasto.cli import completion
from impasto.cli.groups import WordedGroup
from impasto.cli.lines import say
from impasto.cli.options import overwrite_option
from impasto.lab import require_torch
from impasto.lab.cli.evaluate import evaluate, score
from impasto.lab.cli.gallery import gallery
from impasto.lab.cli.train import finetune, train
from impasto.lab.cli.tune import tune

_FILE = click.Path(path_type=Path)


class _Lab(WordedGroup):
    """The commands; without PyTorch they print how to install it."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError:
            require_torch()
            raise


# Words that users may try as commands, and the intended ones.
_WORDS = {
    "fine-tune": "impasto lab finetune",
    **dict.fromkeys(("fit", "optimize", "polish"), "impasto lab tune"),
    **dict.fromkeys(("resume", "continue", "run", "learn"), "impasto lab train"),
    **dict.fromkeys(("publish", "bundle", "save"), "impasto lab export"),
    **dict.fromkeys(("convert", "load"), "impasto lab import"),
    **dict.fromkeys(("int8", "calibrate"), "impasto lab quantize"),
    **dict.fromkeys(("eval", "judge", "test", "compare"), "impasto lab evaluate"),
    **dict.fromkeys(("download", "get"), "impasto lab fetch"),
    **dict.fromkeys(("list", "ls"), "impasto lab methods"),
    **dict.fromkeys(("stylize", "paint"), "impasto stylize"),
}


@click.group(cls=_Lab, words=_WORDS, context_settings={"help_option_names": ["-h", "--help"]})
def lab() -> None:
    """Make and study models (needs PyTorch: pip install 'impasto[lab]')."""


for _command in (evaluate, finetune, gallery, score, train, tune):
    lab.add_command(_command)


@lab.command()
@click.argument("name", type=click.Choice(["vgg19"]))
def fetch(name: str) -> None:
    """Download the weights NAME (vgg19: 575 MB) to the cache and verify them.

    All commands that need VGG-19 find them there; --vgg FILE and $IMPASTO_VGG take precedence.
    """
    import sys

    from tqdm import tqdm

    from impasto.lab.nets.weights import DOWNLOADS
    from impasto.lab.nets.weights import fetch as download

    row = next(row for row in DOWNLOADS if row.name == name)
    with tqdm(
        total=row.size, unit="B", unit_scale=True, desc=name, disable=not sys.stderr.isatty()
    ) as bar:

        def watch(done: int, promised: int | None) -> None:
            bar.total = promised
            bar.update(done - bar.n)

        path = download(row, watch=watch)
    say(path)


@lab.command()
@click.argument("vgg", type=_FILE)
@click.argument("photographs", type=_FILE)
@click.option(
    "-o", "--out", type=_FILE, help="NAME.safetensors  [default: in the cache, for training]"
)
@click.option("--count", default=300, show_default=True, help="Number of photographs to measure.")
@click.option(
    "--size", default=224, show_default=True, help="Side of their square crops, in pixels."
)
@overwrite_option()
def normalize(
    vgg: Path, photographs: Path, out: Path | None, count: int, size: int, overwrite: bool
) -> None:
    """Normalize the VGG-19 or VGG-16 weights in the file VGG with a folder of PHOTOGRAPHS.

    Every filter gets a mean activation of 1, as the training losses require. Use the result in
    place of vgg_normalised.pth.
    """
    from impasto.lab.export.normalize import publish_normalized
    from impasto.lab.nets.weights import NORMALIZED, cache_folder

    target = out or cache_folder() / NORMALIZED
    publish_normalized(vgg, photographs, target, count=count, size=size, overwrite=overwrite)
    use = "training finds it there" if out is None else f"use it with --vgg {target}"
    say(f"{target}: {use}")


@lab.command()
def methods() -> None:
    """List the optimization methods and the trainable networks, with their options.

    Methods and networks of other packages are included.

    \b
    impasto stylize street.jpg -s wave.jpg --model gatys --steps 300 --set start=noise
    impasto lab train configs/adain-paper.toml --set network=adain --set adain.layer=relu3_1
    """
    from impasto.lab.cli.methods import method_lines, network_lines

    for lines in (method_lines(), network_lines()):
        for line in lines:
            say(line)


@lab.command()
@click.argument("run", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="Bundle to write, NAME.impasto.")
@click.option(
    "--pairs-of",
    type=_FILE,
    help="Config whose held-out pictures it is scored on  [default: the config of the run]",
)
@overwrite_option()
def export(run: Path, out: Path, pairs_of: Path | None, overwrite: bool) -> None:
    """Export the training run in the folder RUN as a bundle, checked and scored."""
    from impasto.lab.export.publish import publish_run
    from impasto.models import bundle_file

    out = bundle_file(out, overwrite=overwrite)
    bundle = publish_run(run, out, pairs_of=pairs_of, overwrite=overwrite)
    say(f"{out}: {bundle.card.losses}")


@lab.command()
@click.argument("run", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="File to write, NAME.safetensors.")
@overwrite_option()
def decoder(run: Path, out: Path, overwrite: bool) -> None:
    """Save only the decoder of an adain or style-swap run, without its VGG."""
    from impasto.lab.export.publish import publish_decoder

    say(f"{out}: {publish_decoder(run, out, overwrite=overwrite)['notes']}")


@lab.command("import")
@click.argument("vgg", type=_FILE)
@click.argument("decoder", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="Bundle to write, NAME.impasto.")
@overwrite_option()
def import_(vgg: Path, decoder: Path, out: Path, overwrite: bool) -> None:
    """Make a bundle from pytorch-AdaIN's VGG and DECODER files (vgg_normalised.pth, decoder.pth).

    DECODER may also be the one that was trained here, trained/adain-decoder.safetensors.
    """
    from impasto.lab.export.publish import publish_adain
    from impasto.models import bundle_file

    out = bundle_file(out, overwrite=overwrite)
    publish_adain(vgg, decoder, out, overwrite=overwrite)
    say(f"{out}: use it with --model {out}")


@lab.command()
@click.argument("model", metavar="MODEL", shell_complete=completion.models)
@click.argument("photographs", type=_FILE)
@click.option("-o", "--out", type=_FILE, required=True, help="Bundle to write, NAME.impasto.")
@click.option(
    "--paintings",
    type=_FILE,
    metavar="FOLDER",
    help="Folder of pictures to calibrate with as styles, in addition to the gallery.",
)
@overwrite_option()
def quantize(
    model: str, photographs: Path, out: Path, paintings: Path | None, overwrite: bool
) -> None:
    """Add an int8 decoder, for --precision int8, to a model (a name or an .impasto file).

    It is calibrated on the folder PHOTOGRAPHS with all styles that the gallery has for the model,
    and compared with single precision on a held-out tenth of the photographs. Styles stay valid:
    the other graphs are not changed.
    """
    from impasto.lab.export.int8 import quantize_bundle
    from impasto.models import bundle_file

    out = bundle_file(out, overwrite=overwrite)
    bundle = quantize_bundle(
        model,
        photographs,
        out,
        paintings=paintings,
        overwrite=overwrite,
        watch=lambda line: say(f"{line} ...", err=True),
    )
    say(
        f"{out}: {len(bundle.decoder_int8) / 1e6:.2f} MB in int8, PSNR to single precision "
        f"{bundle.card.int8_psnr['mean']:.1f} dB, {bundle.card.int8_psnr['min']:.1f} dB at worst"
    )
