"""A network with built-in styles -> a bundle: one ONNX graph and a card, checked and scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from impasto.errors import ModelError
from impasto.lab.export.graphs import PARITY_SIZES, CardFacts, graph_of
from impasto.lab.training.builtin import BuiltInObjective
from impasto.models.bundle import Bundle, Card
from impasto.models.engine import Engine


class BuiltIn(Protocol):
    """A network with built-in styles, as all of them are.

    Attributes:
        styles: S, how many.
        multiple: of which height and width must be multiples.
        controls: names of ``models.bundle.CONTROLS``.
        pixel_bytes: memory that a pixel needs at most in any engine, as measured.
    """

    styles: int
    multiple: int
    controls: tuple[str, ...]
    pixel_bytes: int

    def __call__(self, image: Tensor, weights: Tensor) -> Tensor: ...


class _Painter(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, weights: Tensor | None = None) -> Tensor:
        picture: Tensor = self.network(image, weights)
        return picture


def export_built_in(network: BuiltIn, facts: CardFacts, names: Sequence[str]) -> Bundle:
    """The bundle of ``network``, its weights stored in half precision.

    What comes out is checked with :func:`built_in_parity` by whoever writes it.

    Args:
        network: in evaluation mode.
        facts: for the card.
        names: of the styles.

    Raises:
        ModelError: where PyTorch cannot export the network, or names and styles do not fit.
    """
    if not isinstance(network, nn.Module) or len(names) != network.styles:
        raise ModelError(f"{len(names)} names do not fit {type(network).__name__}")
    card = Card(
        name=facts.name,
        title=facts.title,
        architecture=facts.architecture,
        levels=(),
        multiple=network.multiple,
        rim=0,
        parameters=sum(p.numel() for p in network.parameters()),
        macs_512=16 * _multiply_adds(network, 128),  # all of them go with the area
        data=facts.data,
        iterations=facts.iterations,
        losses=facts.losses,
        licence=facts.licence,
        notes=facts.notes,
        styles=tuple(names),
        controls=network.controls,
        pixel_bytes=network.pixel_bytes,
    )
    inputs: dict[str, Tensor] = {"image": torch.rand(1, 3, 64, 64)}
    if card.weighted:
        inputs["weights"] = _maps(network, 64, 64)
    with torch.no_grad():
        painter = graph_of(
            _Painter(network), tuple(inputs.values()), list(inputs), ["painted"], fold=False
        )
    painter = _with_all_weights(painter, network)
    return Bundle(card=card, encoder=b"", decoder=b"", painter=painter)


def _with_all_weights(graph: bytes, network: nn.Module) -> bytes:
    """The graph with those weights too of which the exporter kept an equal one in their place.

    A network can then be trained further from its bundle, however short it was trained.
    """
    model = onnx.load_from_string(graph)
    there = {tensor.name.removesuffix(".half") for tensor in model.graph.initializer}
    for name, value in network.state_dict().items():
        if f"network.{name}" not in there:
            array = value.numpy().astype(np.float16)
            model.graph.initializer.append(numpy_helper.from_array(array, f"network.{name}.half"))
    return bytes(model.SerializeToString(deterministic=True))


def built_in_parity(
    network: BuiltIn, engine: Engine, *, seed: int = 0
) -> dict[tuple[int, int], float]:
    """Largest difference of the pictures of ``engine`` and of ``network``, of full scale, a size.

    For each style alone (four at most), for a mixture and, where there are masks, for regions.
    """
    random = torch.Generator().manual_seed(seed)
    differences = {}
    for height, width in PARITY_SIZES:
        image = torch.rand(1, 3, -(-height // 4), -(-width // 4), generator=random)
        image = F.interpolate(image, (height, width), mode="bicubic").clamp(0, 1)
        sides = (-width % network.multiple, -height % network.multiple)
        image = F.pad(image, (0, sides[0], 0, sides[1]), mode="replicate")
        worst = 0.0
        for weights in _samples(network, *image.shape[2:]):
            with torch.no_grad():
                wanted = network(image, weights)[0].numpy()
            given = weights[0].numpy() if network.styles > 1 or network.controls else None
            got = engine.paint(image[0].numpy(), given)
            worst = max(worst, float(np.abs(got - wanted).max()))
        differences[height, width] = worst
    return differences


@torch.no_grad()
def built_in_losses(
    objective: BuiltInObjective, network: Any, contents: Tensor, numbers: Tensor
) -> dict[str, float]:
    """For the card: the terms of the loss on held-out photographs (N, 3, H, W), in the styles of
    ``numbers`` (N,), in single precision; and how well the auto-encoder does, where there is one.
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
    """Weights of all styles, even: maps where the network takes them."""
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
    """Multiply-adds for one picture of ``size`` x ``size``: half of PyTorch's count of FLOPs."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.rand(1, 3, size, size), _maps(network, size, size))
    return int(counter.get_total_flops()) // 2
