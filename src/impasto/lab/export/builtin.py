"""Export of a network with built-in styles to a bundle: graphs, styles, card, checks, scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from impasto.errors import ModelError
from impasto.lab.export.graphs import PARITY_SIZES, CardFacts, graph_of
from impasto.lab.training.builtin import BuiltInObjective, style_names
from impasto.models.bundle import BUILT_IN_OUTPUTS, Bundle, Card
from impasto.models.engine import Engine
from impasto.painting.builtin import paint_values
from impasto.styles.files import style_bytes
from impasto.styles.style import Style


class BuiltIn(Protocol):
    """The interface of networks with built-in styles.

    For styles that can be extracted and shared it also has ``style_parameters()``, and painting
    with a row of those, (1, P, 1, 1): ``paint(image, style)``; or, if styles are filters between an
    encoder and a decoder, ``encode(image)``, ``bank(features, style)`` and ``finish(features,
    image, rest)``, which strength and masks need. Otherwise the row of a style is its weights.

    Attributes:
        styles: S, the number of styles.
        multiple: height and width must be multiples of this.
        controls: names of ``models.bundle.CONTROLS``.
        pixel_bytes: largest measured memory per pixel in any engine.
    """

    styles: int
    multiple: int
    controls: tuple[str, ...]
    pixel_bytes: int

    def __call__(self, image: Tensor, weights: Tensor) -> Tensor: ...


class _Part(nn.Module):
    """A method of a network wrapped as a network, whose weights keep their names."""

    def __init__(self, network: Any, method: str) -> None:
        super().__init__()
        self.network, self._method = network, method

    def forward(self, *inputs: Tensor | None) -> Tensor:
        if self._method == "forward" and len(inputs) == 1:
            inputs = (*inputs, None)  # no style weights, as there is one style
        found: Tensor = getattr(self.network, self._method)(*inputs)
        return found


def export_built_in(
    network: BuiltIn, facts: CardFacts, names: Sequence[str], *, base: Bundle | None = None
) -> Bundle:
    """Export ``network`` to a bundle, with weights in half precision.

    The caller checks it with :func:`built_in_parity` before writing it.

    Args:
        network: in evaluation mode.
        facts: for the card.
        names: of the styles.
        base: a bundle of the same network with other styles, whose graphs are reused unchanged.
            Styles fit one identity, and another version of PyTorch may write other graphs.

    Raises:
        ModelError: if PyTorch cannot export the network, or names and styles do not match.
    """
    if not isinstance(network, nn.Module) or len(names) != network.styles:
        raise ModelError(f"{len(names)} names do not fit {type(network).__name__}")
    values = style_values(network)
    channels = _bank_channels(network)
    if not channels and {"alpha", "masks"} & set(network.controls):
        raise ModelError(
            f"{type(network).__name__} declares {' and '.join(network.controls)}, but its styles "
            "are not banks: strength and masks need encode(), bank() and finish()"
        )
    card = Card(
        name=facts.name,
        title=facts.title,
        architecture=facts.architecture,
        levels=(),
        multiple=network.multiple,
        rim=0,
        parameters=sum(p.numel() for p in network.parameters()),
        macs_512=16 * _multiply_adds(network, 128),  # all are proportional to the area
        data=facts.data,
        iterations=facts.iterations,
        losses=facts.losses,
        licence=facts.licence,
        notes=facts.notes,
        styles=tuple(names),
        style_numbers=values.shape[1],
        bank_channels=channels,
        controls=network.controls,
        pixel_bytes=network.pixel_bytes,
    )
    parts = _parts(network, channels, values.shape[1]) if base is None else base.parts
    bundle = Bundle(card=card, styles=(), **parts)  # its styles refer to its identity
    styles = (
        Style(name, bundle.identity, (), parameters=value, model_name=card.name)
        for name, value in zip(names, values, strict=True)
    )
    kept = tuple(style_bytes(each) for each in styles) if values.size else ()
    return replace(bundle, styles=kept)


def style_values(network: Any) -> NDArray[np.float16]:
    """Return the numbers of each style of a network, (S, P), in the order of ``style_parameters``.

    P is 0 where a style is the network itself, and S where it is a weight.
    """
    if not hasattr(network, "style_parameters"):
        alone = network.styles == 1 and not network.controls
        return np.eye(network.styles, 0 if alone else None, dtype=np.float16)
    rows = torch.cat([each.detach().flatten(1) for each in network.style_parameters()], dim=1)
    return rows.numpy().astype(np.float16)


def _bank_channels(network: Any) -> int:
    """Return the channels of the features between encoder and decoder; 0 if it has none."""
    if not hasattr(network, "bank"):
        return 0
    with torch.no_grad():
        channels: int = network.encode(torch.rand(1, 3, 64, 64)).shape[1]
    return channels


def _parts(network: nn.Module, channels: int, numbers: int) -> dict[str, bytes]:
    """Return the graphs of a network by name."""
    image, style = torch.rand(1, 3, 64, 64), torch.rand(1, numbers, 1, 1)
    features, rest = torch.rand(1, channels, 16, 16), torch.rand(1, 1, 16, 16)
    rows: tuple[tuple[str, str, dict[str, Tensor]], ...]
    if channels:
        rows = (
            ("encoder", "encode", {"image": image}),
            ("bank", "bank", {"features": features, "style": style}),
            ("decoder", "finish", {"features": features, "image": image, "rest": rest}),
        )
    elif numbers:
        method = "paint" if hasattr(network, "paint") else "forward"
        rows = (("painter", method, {"image": image, "style": style}),)
    else:
        rows = (("painter", "forward", {"image": image}),)
    with torch.no_grad():
        graphs = {
            part: graph_of(
                _Part(network, method),
                tuple(inputs.values()),
                list(inputs),
                [BUILT_IN_OUTPUTS[part]],
                fold=False,
            )
            for part, method, inputs in rows
        }
    return _with_all_weights(graphs, network)


def _with_all_weights(graphs: dict[str, bytes], network: Any) -> dict[str, bytes]:
    """Return the graphs with all weights, including duplicates that the exporter merged.

    A network can then be trained further from its bundle, however short it was trained. Style
    weights are kept beside the graphs.
    """
    models = {part: onnx.load_from_string(graph) for part, graph in graphs.items()}
    there = {
        tensor.name.removesuffix(".half")
        for model in models.values()
        for tensor in model.graph.initializer
    }
    last = models[list(models)[-1]]
    own = style_names(network)
    for name, value in network.state_dict().items():
        if f"network.{name}" not in there and name not in own:
            array = value.numpy().astype(np.float16)
            last.graph.initializer.append(numpy_helper.from_array(array, f"network.{name}.half"))
    return {
        part: bytes(model.SerializeToString(deterministic=True)) for part, model in models.items()
    }


def built_in_parity(
    network: BuiltIn, engine: Engine, *, seed: int = 0
) -> dict[tuple[int, int], float]:
    """Return the largest difference between ``engine`` and ``network`` per size, of full scale.

    It covers each style alone (four at most), a mixture and, with masks, regions.
    """
    random = torch.Generator().manual_seed(seed)
    values = style_values(network).astype(np.float32)
    banks = hasattr(network, "bank")
    differences = {}
    for height, width in PARITY_SIZES:
        image = torch.rand(1, 3, -(-height // 4), -(-width // 4), generator=random)
        image = F.interpolate(image, (height, width), mode="bicubic").clamp(0, 1)
        sides = (-width % network.multiple, -height % network.multiple)
        image = F.pad(image, (0, sides[0], 0, sides[1]), mode="replicate")
        planes = image[0].numpy()
        features = engine.run("encoder", {"image": planes}) if banks else None
        worst = 0.0
        for weights in _samples(network, *image.shape[2:]):
            with torch.no_grad():
                wanted = network(image, weights)[0].numpy()
            amounts = weights[0].numpy()
            amounts = amounts[:, 0, 0] if amounts.shape[1:] == (1, 1) else amounts
            got = paint_values(engine, planes, features, values, amounts)
            worst = max(worst, float(np.abs(got - wanted).max()))
        differences[height, width] = worst
    return differences


@torch.no_grad()
def built_in_losses(
    objective: BuiltInObjective, network: Any, contents: Tensor, numbers: Tensor
) -> dict[str, float]:
    """Return the losses for the card, in single precision, on held-out photographs (N, 3, H, W).

    The styles are those of ``numbers`` (N,); the quality of the auto-encoder is added, if any.
    """
    sums: dict[str, float] = {}
    side = contents.shape[-1]
    for content, number in zip(contents.split(1), numbers.split(1), strict=True):
        batch = objective.prepare(content, number)
        values = objective.terms(network(content, batch.weights).clamp(0, 1), batch)
        found = {name: float(values[name]) for name in ("content", "style")}
        if hasattr(network, "reconstruct"):
            again = network.reconstruct(content).clamp(0, 1)
            found["identity_psnr"] = -10 * float(F.mse_loss(again, content).log10())
        for name, value in found.items():
            sums[name] = sums.get(name, 0.0) + value / len(contents)
    return {f"held_out_{name}_{side}": round(value, 4) for name, value in sums.items()}


def _maps(network: BuiltIn, height: int, width: int) -> Tensor:
    """Return equal weights of all styles; maps where the network accepts them."""
    cells = (1, 1)
    if "masks" in network.controls:
        cells = (height // network.multiple, width // network.multiple)
    return torch.full((1, network.styles, *cells), 1 / network.styles)


def _samples(network: BuiltIn, height: int, width: int) -> list[Tensor]:
    found = [
        F.one_hot(torch.tensor([i]), network.styles).float()[..., None, None]
        for i in range(min(network.styles, 4))
    ]
    maps = _maps(network, height, width)
    found.append(maps[..., :1, :1])
    if "alpha" in network.controls:
        found.append(found[0] * 0.5)
    if "masks" in network.controls:
        left = maps.clone()
        left[..., : left.shape[3] // 2] = 0
        found += [maps, left]
    return found


def _multiply_adds(network: Any, size: int) -> int:
    """Return multiply-adds for a picture of ``size`` x ``size``: half of PyTorch's FLOP count."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, size, size), _maps(network, size, size))
    return int(counter.get_total_flops()) // 2
