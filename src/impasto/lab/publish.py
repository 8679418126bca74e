"""From a finished training run, or from published weights, to a bundle with an honest card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from impasto.engines import ENGINES, open_engine
from impasto.errors import ModelError, OptionError
from impasto.lab.evaluate import evaluate, held_out_pairs
from impasto.lab.export import PARITY, Exportable, Story, export, parity
from impasto.lab.methods.adain import AdaINNetwork, decoder_from, encoder_of
from impasto.lab.train.checkpoints import CHECKPOINT, start_from
from impasto.lab.train.config import TrainConfig, read_config
from impasto.lab.train.networks import find_network
from impasto.lab.vgg import load_vgg, read_weights
from impasto.models.bundle import Bundle, write_bundle

PAIRS, SIZE = 32, 256
"""Held-out pairs that a run is scored on, and the side of their pictures."""


def publish_run(run: str | Path, target: str | Path) -> Bundle:
    """Export the averaged weights of a run folder to ``target``, checked and scored.

    The model is called by the name of the file.  Every installed engine must agree with PyTorch
    (``parity``); the card gets the losses on ``PAIRS`` held-out pairs at ``SIZE`` pixels.

    Raises:
        ModelError: where an engine does not agree; nothing is written then.
        OptionError: for a network that no bundle can hold.
    """
    run = Path(run)
    config = read_config(run / "config.toml")
    row = find_network(config.network)
    if row.assembled is None:
        raise OptionError(f"{row.name} cannot be exported: {row.remark}; its weights are in {run}")
    learned = row.learned()
    stages = start_from(learned, run / CHECKPOINT)
    network = row.assembled(learned, load_vgg(config.vgg)).eval()
    _round_to_half(network)
    judge = load_vgg(config.vgg)
    contents, styles = held_out_pairs(config.contents, config.styles, n=PAIRS, size=SIZE)
    scores = evaluate(network, judge, contents, styles)
    story = Story(
        name=Path(target).stem,
        title=row.title,
        architecture=row.architecture,
        data=_data(config, stages),
        iterations=sum(stage["iterations"] for stage in stages),
        losses=scores.losses(),
        licence=row.licence,
        notes=_history(stages),
        margin=row.margin,
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
    network = AdaINNetwork(encoder_of(encoder), decoder_from(read_weights(decoder)).eval())
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


def _round_to_half(network: torch.nn.Module) -> None:
    """Bundles store half precision: round first, so that what is scored is what is shipped."""
    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            if value.is_floating_point():
                value.copy_(value.half().float())


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


def _data(config: TrainConfig, stages: list[dict[str, Any]]) -> str:
    parts = []
    for folders in (config.contents, config.styles):
        total = sum(folders.values())
        parts.append(
            ", ".join(f"{Path(k).name} {100 * v / total:.0f} %" for k, v in folders.items())
        )
    earlier = [f"; before that {stage['data']}" for stage in stages if stage.get("data")]
    return f"photographs: {parts[0]}; styles: {parts[1]}; a tenth of each held out" + "".join(
        earlier
    )


def _history(stages: list[dict[str, Any]]) -> str:
    lines = []
    for stage in stages:
        if "notes" in stage:  # of the bundle that was trained further
            lines.append(f"{stage['notes'] or 'a bundle'}; trained further")
            continue
        goal = "distilling an AdaIN decoder" if stage["distilled"] else "the paper's losses"
        lines.append(
            f"{stage['iterations']} steps of {stage['batch']} pairs at {stage['crop']} px on {goal}"
        )
    return "; ".join(lines) + "; judged by the normalised VGG-19"
