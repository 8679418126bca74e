"""From a finished training run, or from published weights, to a bundle with an honest card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from impasto.engines import ENGINES, open_engine
from impasto.errors import ModelError
from impasto.lab.evaluate import evaluate, held_out_pairs
from impasto.lab.export import PARITY, Exportable, Story, export, parity
from impasto.lab.methods.adain import AdaINNetwork, decoder_from
from impasto.lab.methods.compact import Compact
from impasto.lab.train.config import TrainConfig, read_config
from impasto.lab.train.loop import NETWORKS, read_checkpoint, start_from
from impasto.lab.vgg import VGG19, load_vgg, read_weights
from impasto.models.bundle import Bundle, write_bundle

MARGIN = 16
"""Reflected border in pixels around pictures for networks that pad with zeros inside."""


def publish_run(run: str | Path, target: str | Path, *, pairs: int = 32, size: int = 256) -> Bundle:
    """Export the averaged weights of a run folder to ``target``, checked and scored.

    Every installed engine must agree with PyTorch (``parity``); the card gets the losses on
    ``pairs`` held-out pairs at ``size`` pixels.  Raises ``ModelError`` where an engine does not
    agree, and nothing is written then.
    """
    run = Path(run)
    config = read_config(run / "config.toml")
    network = Compact(NETWORKS[config.network])
    start_from(network, run / "checkpoint.pt")
    stages = read_checkpoint(run / "checkpoint.pt")["stages"]
    _round_to_half(network)
    judge = load_vgg(config.vgg)
    contents, styles = held_out_pairs(config.contents, config.styles, n=pairs, size=size)
    scores = evaluate(network.eval(), judge, contents, styles)
    shape = network.shape
    story = Story(
        name=config.network,
        title={
            "fast": "Compact network for real time",
            "quality": "Compact network, better pictures for four times the work",
        }[config.network],
        architecture=(
            f"pixel unshuffle, {len(shape.channels)} levels of {shape.channels} channels, "
            f"residual blocks {shape.encoder_blocks} down and {shape.decoder_blocks} up"
        ),
        data=_data(config),
        iterations=sum(stage["iterations"] for stage in stages),
        losses=scores.losses(),
        licence="MIT",
        notes=_history(stages),
        margin=MARGIN,
    )
    bundle = export(network, story)
    _check(network, bundle)
    write_bundle(bundle, target)
    return bundle


def publish_adain(vgg: str | Path, decoder: str | Path, target: str | Path) -> Bundle:
    """The bundle of the paper's network from pytorch-AdaIN weights that the user has.

    Its card says that licence and training data are those of the files given.
    """
    encoder = load_vgg(vgg)
    # Deeper layers, if the file has them, are not part of the paper's encoder.
    network = AdaINNetwork(_to_relu4_1(encoder), decoder_from(read_weights(decoder)).eval())
    story = Story(
        name="adain",
        title="The network of Huang & Belongie 2017",
        architecture="VGG-19 to relu4_1, AdaIN, mirrored decoder",
        data=f"that of {Path(vgg).name} and {Path(decoder).name}",
        iterations=0,
        losses={},
        licence=f"that of {Path(vgg).name} and {Path(decoder).name}",
    )
    _round_to_half(network)
    bundle = export(network, story)
    _check(network, bundle)
    write_bundle(bundle, target)
    return bundle


def _to_relu4_1(vgg: VGG19) -> VGG19:
    names = list(vgg.convolutions)
    if "conv4_1" not in names:
        raise ModelError(f"this VGG ends at {names[-1]}; the paper's encoder needs conv4_1")
    for name in names[names.index("conv4_1") + 1 :]:
        del vgg.convolutions[name]
    return vgg


def _round_to_half(network: torch.nn.Module) -> None:
    """Bundles store half precision: round first, so that what is scored is what is shipped."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(parameter.half().float())


def _check(network: Exportable, bundle: Bundle) -> None:
    for row in ENGINES:
        if not row.installed:
            continue
        differences = parity(network, open_engine(bundle, name=row.name, precision="fp32"))
        worst = max(differences.values())
        if worst > PARITY:
            raise ModelError(
                f"{row.name} differs from PyTorch by {worst:.2g} of full scale (allowed {PARITY}); "
                "the bundle was not written"
            )


def _data(config: TrainConfig) -> str:
    parts = []
    for folders in (config.contents, config.styles):
        total = sum(folders.values())
        parts.append(
            ", ".join(f"{Path(k).name} {100 * v / total:.0f} %" for k, v in folders.items())
        )
    return f"photographs: {parts[0]}; styles: {parts[1]}; a tenth of each held out"


def _history(stages: list[dict[str, Any]]) -> str:
    lines = []
    for stage in stages:
        goal = "distilling an AdaIN decoder" if stage["distilled"] else "the paper's losses"
        lines.append(
            f"{stage['iterations']} steps of {stage['batch']} pairs at {stage['crop']} px on {goal}"
        )
    return "; ".join(lines) + "; judged by the normalised VGG-19"
