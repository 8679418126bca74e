"""Checkpoints, written atomically, and initial weights for training."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from impasto.errors import ModelError
from impasto.images.files import write_whole
from impasto.images.kinds import SAFETENSORS, kind_of
from impasto.lab.nets.state import load_into, read_pickle, read_weights, weights_metadata
from impasto.lab.training.builtin import split_styles, spread_styles, style_names
from impasto.lab.training.config import ManyStylesMethod, TrainConfig
from impasto.models import MODELS, Bundle, find_bundle
from impasto.styles.files import read_style

CHECKPOINT = "checkpoint.pt"
"""Name of the checkpoint in a run folder."""
STYLES = "styles"
"""Name of the table of style weights stored beside the graphs of a bundle."""


def write_checkpoint(path: Path, value: dict[str, Any]) -> None:
    """Write ``value`` to ``path``; if that fails, the existing file stays unchanged.

    Raises ``OSError``, as when the disk is full.
    """
    buffer = io.BytesIO()  # in memory first: torch's own writer reports a full disk inconsistently
    torch.save(value, buffer)
    write_whole(path, buffer.getvalue(), overwrite=True)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint written by ``train``; raise ``ModelError`` for another file."""
    wanted = "a checkpoint of a training run"
    saved = read_pickle(path, wanted)
    if not isinstance(saved, dict) or not {"average", "step", "stages"} <= set(saved):
        raise ModelError(
            f"{path}: is a PyTorch file, but not {wanted} ({CHECKPOINT} of a run folder)"
        )
    return saved


def names_of(source: str | Path) -> tuple[str, ...]:
    """Return the built-in styles of a checkpoint, a bundle or a named model."""
    if is_bundle(source):
        return find_bundle(source).card.styles
    return tuple(read_checkpoint(source).get("names", ()))


def with_width(config: TrainConfig) -> TrainConfig:
    """Return the config of a run that adds styles, with the width of the network to extend.

    Raises:
        ModelError: if there is no such network.
    """
    method = config.method
    if (
        not (config.start and isinstance(method, ManyStylesMethod) and method.add_styles)
        or method.width
    ):
        return config
    weights, _ = weights_from(config.start)
    # The first convolution: 9x9, of the colors of a picture.
    width = next((len(each) for each in weights.values() if each.shape[1:] == (3, 9, 9)), 0)
    return replace(config, method=replace(method, width=width))


def start_from(
    learned: nn.Module, source: str | Path, *, part: str = "", held: int = 0
) -> list[dict[str, Any]]:
    """Load averaged weights into ``learned``.

    Args:
        learned: the trained part of a network.
        source: a checkpoint, a bundle, the name of an included model, or the file of a decoder
            (``publish_decoder``).
        part: position of ``learned`` in the network of a bundle (``NetworkRow.part``).
        held: if not 0, the number of built-in styles of the weights; ``learned`` has more, which
            start from their mean.

    Returns:
        The training stages of the weights, oldest first, for ``publish``.

    Raises:
        ModelError: if there is no such file or name, or the weights do not fit.
    """
    weights, stages = weights_from(source, part=part)
    values = weights.pop(STYLES, None)
    if values is not None and style_names(learned):
        weights |= split_styles(learned, values)
    own = learned.state_dict()
    if _is_safetensors(source) and set(own) < set(weights):
        # The inverse of a shallower layer starts from the last layers of a deeper decoder.
        weights = {k: v for k, v in weights.items() if k in own}
    if complete := getattr(learned, "complete", None):  # parts that earlier models lack
        weights = complete(weights)
    if held:
        weights = spread_styles(learned, weights, held, str(source))
    load_into(learned, weights, source, "the network")
    return stages


def weights_from(
    source: str | Path, *, part: str = ""
) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return averaged weights in float32, and their training stages, for :func:`start_from`.

    Raises ``ModelError`` if there is no such file or name.
    """
    if is_bundle(source):
        bundle = find_bundle(source)
        weights = {
            k.removeprefix(part): v for k, v in weights_of(bundle).items() if k.startswith(part)
        }
        card = bundle.card
        stages = [{"iterations": card.iterations, "notes": card.notes, "data": card.data}]
    elif _is_safetensors(source):
        weights = {f"convolutions.{k}": v for k, v in read_weights(source).items()}
        about = weights_metadata(source)
        stages = [
            {
                "iterations": int(about.get("iterations", 0)),
                "notes": about.get("notes", ""),
                "data": about.get("data", ""),
            }
        ]
    else:
        saved = read_checkpoint(source)
        weights = {
            k.removeprefix("module."): v
            for k, v in saved["average"].items()
            if k.startswith("module.")
        }
        stages = saved["stages"]
    return {k: v.float() for k, v in weights.items()}, stages


def weights_of(bundle: Bundle) -> dict[str, Tensor]:
    """Return the weights in a bundle under the names of its network, to train it further.

    Style weights beside the graphs are one table (S, P), ``STYLES``. The result is float32, from
    the stored half precision. Raises ``ModelError`` if ``onnx`` is missing, or a style has no
    numbers.
    """
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError as error:  # pragma: no cover - the test machine has it
        raise ModelError("weights of a bundle need onnx; pip install 'impasto[lab]'") from error
    weights = {}
    if bundle.styles:
        card, rows = bundle.card, []
        for name, data in zip(card.styles, bundle.styles, strict=True):
            numbers = read_style(data).parameters
            if numbers is None:
                raise ModelError(
                    f"style {name!r} in model {card.name!r} is of another model; get it again"
                )
            rows.append(numbers)
        weights[STYLES] = torch.from_numpy(np.stack(rows).astype(np.float32))
    for part in bundle.parts.values():
        graph = onnx.load_from_string(part).graph
        stored = {
            tensor.name.removesuffix(".half"): torch.from_numpy(
                numpy_helper.to_array(tensor).astype(np.float32)
            )
            for tensor in graph.initializer
        }
        for node in graph.node:
            # Equal tensors, such as biases that are all 0, are stored once under several names.
            if node.op_type == "Identity" and node.input[0] in stored:
                stored[node.output[0]] = stored[node.input[0]]
        weights |= {
            name.removeprefix("network."): tensor
            for name, tensor in stored.items()
            if name.startswith("network.")
        }
    return weights


def is_bundle(source: str | Path) -> bool:
    """Return True for the name of an included model, or the file of a bundle."""
    return source in {row.name for row in MODELS} or Path(source).suffix == ".impasto"


def _is_safetensors(source: str | Path) -> bool:
    kind = kind_of(source)
    return kind is not None and kind.name == SAFETENSORS
