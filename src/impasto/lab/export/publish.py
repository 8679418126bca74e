"""Export of a finished training run, or of published weights, to a bundle with a measured card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import safetensors.torch
import torch

from impasto.errors import ImageError, ModelError, OptionError, one_line
from impasto.images.files import write_whole
from impasto.images.writing import check_target
from impasto.lab.data.pictures import held_out_squares
from impasto.lab.export.builtin import built_in_losses, built_in_parity, export_built_in
from impasto.lab.export.graphs import PARITY, CardFacts, check_exportable, export, parity
from impasto.lab.export.scores import evaluate, held_out_pairs
from impasto.lab.methods.adain import AdaINNetwork, AdaINOptions, encoder_of, load_decoder
from impasto.lab.nets.state import read_weights, weights_metadata
from impasto.lab.nets.vgg import load_vgg, recognize
from impasto.lab.training.builtin import read_styles
from impasto.lab.training.checkpoints import CHECKPOINT, is_bundle, read_checkpoint, start_from
from impasto.lab.training.config import TrainConfig, read_config
from impasto.lab.training.networks import BuiltInRow, NetworkRow, all_networks, find_network
from impasto.lab.training.objective import Objective
from impasto.lab.training.places import run_config
from impasto.models import find_bundle
from impasto.models.bundle import Bundle, bundle_file, write_bundle
from impasto.models.engine import Engine, open_engine
from impasto.models.engines import ENGINES

_BEFORE = "; before that "


def publish_run(
    run: str | Path,
    target: str | Path,
    *,
    pairs_of: str | Path | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Export the averaged weights of a run folder to ``target``, checked and scored.

    The model is named after the file.  Every installed engine must agree with PyTorch (``parity``);
    the card gets the losses on as many held-out pairs as the config's ``score_pairs``.

    Args:
        run: the folder.
        target: the file.
        pairs_of: another config whose held-out pictures are used for the losses, so that runs on
            other pictures can be compared; by default the run's own.
        overwrite: replace a file of that name.

    Raises:
        ModelError: if an engine does not agree, or the name is taken; nothing is written then.
        OptionError: for a network that a bundle cannot hold, for a config that cannot be read, and
            for ``pairs_of`` where styles are built in.
    """
    run, target = Path(run), bundle_file(target, overwrite=overwrite)
    config = run_config(run)
    row = find_network(config.network)
    if isinstance(row, BuiltInRow):
        if pairs_of is not None:
            raise OptionError(f"{row.name} has built-in styles; omit pairs_of")
        bundle = _built_in_bundle(run, target, config, row)
        write_bundle(bundle, target, overwrite=overwrite)
        return bundle
    if row.assembled is None:
        raise OptionError(f"{row.name} cannot be exported: {row.remark}; its weights are in {run}")
    learned = row.build(config.method)
    stages = start_from(learned, run / CHECKPOINT)
    network = row.assembled(learned, load_vgg(config.vgg)).eval()
    check_exportable(network, row.name)
    _round_to_half(network)
    judge = load_vgg(config.vgg)
    shown = config if pairs_of is None else read_config(pairs_of)
    contents, styles = held_out_pairs(
        shown.data.contents, shown.data.styles, n=shown.score_pairs, size=shown.score_size
    )
    scores = evaluate(network, judge, contents, styles, margin=row.margin)
    facts = replace(
        _facts(target, config, row, stages),
        losses=scores.losses(),
        margin=row.margin,
        precision=row.precision,
    )
    bundle = export(network, facts)
    _check(bundle, partial(parity, network))
    write_bundle(bundle, target, overwrite=overwrite)
    return bundle


def publish_trained(run: str | Path) -> Path | None:
    """Publish a run under its own name, ``RUN/NAME-OF-RUN.impasto``, unless that is up to date.

    Returns:
        The bundle, or None for a network that a bundle cannot hold.

    Raises:
        ModelError, OptionError: as :func:`publish_run` does.

    Example:
        >>> publish_trained("runs/fast")                                    # doctest: +SKIP
        PosixPath('runs/fast/fast.impasto')
    """
    run = Path(run)
    if not find_network(run_config(run).network).exported:
        return None
    target = bundle_of(run)
    if not target.exists() or target.stat().st_mtime < (run / CHECKPOINT).stat().st_mtime:
        publish_run(run, target, overwrite=True)
    return target


def bundle_of(run: str | Path) -> Path:
    """Return the file to which a run is published under its own name.

    Example:
        >>> bundle_of("runs/fast").name
        'fast.impasto'
    """
    folder = Path(run).resolve()
    return Path(run) / f"{folder.name}.impasto"


def _built_in_bundle(run: Path, target: str | Path, config: TrainConfig, row: BuiltInRow) -> Bundle:
    names = tuple(read_checkpoint(run / CHECKPOINT)["names"])
    network: Any = row.build(config.method, len(names))
    stages = start_from(network, run / CHECKPOINT)
    _round_to_half(network.eval())
    pictures = [picture.tensor() for picture in read_styles(config)]
    held = len(names) - len(pictures)
    objective = row.objective(config, load_vgg(config.vgg), row.layers, pictures, held=held)
    contents = held_out_squares(
        config.data.contents, n=config.score_pairs, size=config.score_size, seed=config.seed + 3
    )
    numbers = torch.arange(len(contents)) % len(pictures) + held
    facts = replace(
        _facts(target, config, row, stages),
        data=_data(config, stages, styles="the pictures of its styles"),
        losses=built_in_losses(objective, network, contents, numbers),
        notes=_history(stages),
    )
    # Styles added to earlier ones stay styles of the bundle that has those.
    start = config.start if config.add_styles else ""
    base = find_bundle(start) if start and is_bundle(start) and Path(start).exists() else None
    bundle = export_built_in(network, facts, names, base=base)
    _check(bundle, partial(built_in_parity, network))
    return bundle


def publish_adain(
    vgg: str | Path, decoder: str | Path, target: str | Path, *, overwrite: bool = False
) -> Bundle:
    """Write a bundle of the paper's network from the user's pytorch-AdaIN weights.

    Args:
        vgg: the file of the VGG-19.
        decoder: the file of the decoder.
        target: the file of the bundle.
        overwrite: replace a file of that name.

    Raises:
        ModelError: as :func:`adain_from`, or if an engine does not agree with PyTorch, or the name
            is taken; nothing is written then.
    """
    target = bundle_file(target, overwrite=overwrite)
    network, facts = adain_from(vgg, decoder)
    _round_to_half(network)
    bundle = export(network, facts)
    _check(bundle, partial(parity, network))
    write_bundle(bundle, target, overwrite=overwrite)
    return bundle


def adain_from(vgg: str | Path, decoder: str | Path) -> tuple[AdaINNetwork, CardFacts]:
    """Return AdaIN's network and card facts, from a VGG-19 and a decoder of pytorch-AdaIN.

    Licence and training data are those of the files, or those stated in a decoder of
    :func:`impasto.lab.export.publish.publish_decoder`.

    Raises:
        ModelError: if the files are not a VGG-19 up to relu4_1 and a decoder of that layout.
    """
    encoder = load_vgg(vgg)
    # Deeper layers, if the file has them, are not part of the encoder.
    learned = load_decoder(decoder).eval()
    network = AdaINNetwork(encoder_of(encoder, learned.layer), learned)
    row = cast(NetworkRow, find_network("adain"))
    theirs = f"that of {Path(vgg).name} and {Path(decoder).name}"
    about = weights_metadata(decoder)
    facts = CardFacts(
        name=row.name,
        title=row.title,
        architecture=row.described(AdaINOptions(layer=network.decoder.layer)),
        data=about.get("data", theirs),
        iterations=int(about.get("iterations", 0)),
        losses={},
        licence=about.get("licence", theirs),
        notes=about.get("notes", ""),
        precision=row.precision,
    )
    return network, facts


def publish_decoder(
    run: str | Path, target: str | Path, *, overwrite: bool = False
) -> dict[str, str]:
    """Export only the decoder of a run of ``adain`` or ``style-swap``, without the encoder.

    The file is safetensors in half precision with pytorch-AdaIN's keys (``1.weight``).  That of
    ``adain`` is a third of the bundle, and :func:`publish_adain` reads it; that of ``style-swap``
    is its option ``inverse``; ``start`` in a config reads both.

    Args:
        run: the run folder.
        target: the file, ``NAME.safetensors``.
        overwrite: replace a file of that name.

    Returns:
        The file's metadata: data, iterations, licence, notes and the layout of its VGG.

    Raises:
        ModelError: if there is no such run, or the file cannot be written.
        OptionError: if the run is of another network, or the name has another suffix or is taken.
    """
    run = Path(run)
    try:
        check_target(Path(target), overwrite=overwrite)
    except ImageError as error:
        raise OptionError(str(error)) from error
    config = run_config(run)
    row = find_network(config.network)
    if isinstance(row, BuiltInRow) or not row.alone:
        alone = " or ".join(
            repr(each.name) for each in all_networks() if getattr(each, "alone", False)
        )
        raise OptionError(
            f"{run} trains {config.network!r}; only a decoder of {alone} can be saved alone"
        )
    if Path(target).suffix != ".safetensors":
        raise OptionError(f"{target}: a decoder must be saved as NAME.safetensors")
    decoder: Any = row.build(config.method)
    stages = start_from(decoder, run / CHECKPOINT)
    about = {
        "data": _data(config, stages),
        "iterations": str(sum(stage["iterations"] for stage in stages)),
        "licence": row.licence,
        "notes": _history(stages),
        "vgg": recognize(read_weights(config.vgg)).name,
    }
    weights = {k: v.half().contiguous() for k, v in decoder.convolutions.state_dict().items()}
    data = safetensors.torch.save(weights, about)
    try:
        write_whole(Path(target), data, overwrite=overwrite)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written ({one_line(error)})") from error
    return about


def _round_to_half(network: torch.nn.Module) -> None:
    """Round to half precision, which bundles store, so that the scores are those of the bundle."""
    with torch.no_grad():
        for value in (*network.parameters(), *network.buffers()):
            if value.is_floating_point():
                value.copy_(value.half().float())


def _check(bundle: Bundle, differences: Callable[[Engine], dict[tuple[int, int], float]]) -> None:
    """Reject a bundle if an installed engine paints differently from PyTorch."""
    for row in ENGINES:
        if not row.installed:
            continue
        engine = open_engine(bundle, name=row.name, precision="fp32")
        worst = max(differences(engine).values())
        if worst > PARITY:
            raise ModelError(
                f"{row.name} differs from PyTorch by {worst:.2g} of full scale (allowed {PARITY}); "
                "the bundle was not written"
            )


def _facts(
    target: str | Path,
    config: TrainConfig,
    row: NetworkRow | BuiltInRow,
    stages: list[dict[str, Any]],
) -> CardFacts:
    return CardFacts(
        name=Path(target).stem,
        title=row.title,
        architecture=row.described(config.method),
        data=_data(config, stages),
        iterations=sum(stage["iterations"] for stage in stages),
        losses={},
        licence=row.licence,
        notes=_history(stages),
    )


def _data(config: TrainConfig, stages: list[dict[str, Any]], *, styles: str = "") -> str:
    parts = []
    for folders in (config.data.contents, config.data.styles):
        total = sum(folders.values())
        parts.append(
            ", ".join(f"{Path(k).name} {100 * v / total:.0f} %" for k, v in folders.items())
        )
    told = f"photographs: {parts[0]}; styles: {styles or parts[1]}; a tenth of each held out"
    earlier = [text for stage in stages for text in stage.get("data", "").split(_BEFORE) if text]
    return _BEFORE.join(dict.fromkeys([told, *earlier]))  # without duplicates


def _history(stages: list[dict[str, Any]]) -> str:
    lines = []
    for stage in stages:
        if "notes" in stage:  # of the bundle that was trained further
            lines.append(f"{stage['notes'] or 'a bundle'}; trained further")
            continue
        if "mixed" in stage:
            lines.append(f"weights of runs mixed {stage['mixed']}")
            continue
        aim = stage.get("aim", Objective.aim)
        lines.append(
            f"{stage['iterations']} steps of {stage['batch']} pairs at {stage['crop']} px on {aim}"
        )
    return "; ".join(lines) + "; judged by the normalised VGG-19"
