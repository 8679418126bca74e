"""Export of a PyTorch network to a bundle: two ONNX graphs, checked against it, and a card."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.controls.affine import Affine, adain
from impasto.errors import ModelError, OptionError
from impasto.lab.nets.fast_moments import fast_mean_std
from impasto.lab.nets.network import align
from impasto.lab.nets.normalization import EPS
from impasto.models.bundle import Bundle, Card, Level
from impasto.models.engine import Engine, reader_outputs

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ModuleNotFoundError as error:  # pragma: no cover - the test machine has it
    raise ModelError("export needs onnx; pip install 'impasto[lab]'") from error

PARITY_SIZES = ((16, 16), (37, 53), (128, 128), (255, 129), (512, 384))
"""Heights and widths at which a bundle is checked; odd ones are padded as the studio does."""
PARITY = 1e-3
"""Largest allowed difference of an exported graph in float32, of full scale."""
OPSET = 18


class Exportable(Protocol):
    """A network that can become a bundle."""

    @property
    def levels(self) -> tuple[Level, ...]: ...

    @property
    def multiple(self) -> int: ...

    @property
    def rim(self) -> int: ...

    @property
    def encoder_rim(self) -> int: ...

    @property
    def reader(self) -> nn.Module | None: ...

    def encode(self, image: Tensor) -> list[Tensor]: ...

    def read(
        self, style: Tensor, features: Sequence[Tensor]
    ) -> Sequence[tuple[Tensor, Tensor]]: ...

    def decode(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor: ...


_VERBS = ("levels", "multiple", "rim", "encoder_rim", "reader", "encode", "read", "decode")


def check_exportable(network: object, name: str) -> None:
    """Reject a network that lacks an attribute of :class:`Exportable`.

    Args:
        network: any object.
        name: its name, for the message.

    Raises:
        OptionError: naming what is missing.
    """
    missing = [verb for verb in _VERBS if not hasattr(network, verb)]
    if missing:
        raise OptionError(
            f"{name} cannot be exported: its network has no {', '.join(missing)}; make it an "
            "EncoderDecoder of impasto.lab, or set assembled=None in its row"
        )


@dataclass(frozen=True)
class CardFacts:
    """Fields of a card that cannot be derived from the network."""

    name: str
    title: str
    architecture: str
    data: str
    iterations: int
    losses: dict[str, float]
    licence: str
    notes: str = ""
    margin: int = 0
    precision: str = ""


class _Encoder(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        outputs: list[Tensor] = []
        for features in self.network.encode(image):
            mean = features.mean(dim=(2, 3), keepdim=True)
            variance = (features - mean).square().mean(dim=(2, 3), keepdim=True)
            outputs += [features, mean, (variance + EPS).sqrt()]
        return tuple(outputs)


class _Decoder(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, *maps: Tensor) -> Tensor:
        picture: Tensor = self.network.decode(maps[0::3], maps[1::3], maps[2::3])
        return picture


class _Reader(nn.Module):
    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = nn.Module()  # only the reader, under its name in the network
        self.network.reader = network.reader

    def forward(self, image: Tensor, counts: Tensor, *moments: Tensor) -> tuple[Tensor, ...]:
        reader = self.network.get_submodule("reader")
        means, stds = reader(image, counts, moments[0::2], moments[1::2])
        return (*means, *stds)


def export(network: Exportable, facts: CardFacts) -> Bundle:
    """Export ``network`` to a bundle, with weights in half precision.

    ``network`` itself is not changed.  The caller checks the result with ``parity`` before writing
    it.  Raises ``ModelError`` if PyTorch cannot export the network.
    """
    if not isinstance(network, nn.Module):
        raise ModelError(f"{type(network).__name__} is not a PyTorch module")
    levels = network.levels
    card = Card(
        name=facts.name,
        title=facts.title,
        architecture=facts.architecture,
        levels=levels,
        multiple=network.multiple,
        rim=network.rim,
        encoder_rim=network.encoder_rim,
        margin=facts.margin,
        precision=facts.precision,
        parameters=sum(p.numel() for p in network.parameters()),
        macs_512=multiply_adds(network, 512),
        reader_macs_512=reader_multiply_adds(network, 512),
        data=facts.data,
        iterations=facts.iterations,
        losses=facts.losses,
        licence=facts.licence,
        notes=facts.notes,
    )
    encoder_outputs, decoder_inputs, reader_inputs, maps = [], [], ["image", "counts"], []
    cells = 4  # any size: height and width stay dynamic
    for i, level in enumerate(levels):
        side = cells * network.multiple // level.stride
        encoder_outputs += [f"features_{i}", f"mean_{i}", f"std_{i}"]
        decoder_inputs += [f"features_{i}", f"scale_{i}", f"shift_{i}"]
        reader_inputs += [f"mean_{i}", f"std_{i}"]
        maps += [torch.randn(1, level.channels, side, side)]
        maps += [torch.rand(1, level.channels, 1, 1) for _ in range(2)]
    image = torch.rand(1, 3, cells * network.multiple, cells * network.multiple)
    with torch.no_grad():
        encoder = graph_of(_Encoder(network), (image,), ["image"], encoder_outputs)
        decoder = graph_of(_Decoder(network), tuple(maps), decoder_inputs, ["image"])
        reader = b""
        if network.reader is not None:
            moments = [each for i in range(len(levels)) for each in maps[3 * i + 1 : 3 * i + 3]]
            style = (image, torch.ones(1, 1, cells, cells), *moments)
            reader = graph_of(_Reader(network), style, reader_inputs, reader_outputs(card))
    return Bundle(card=card, encoder=encoder, decoder=decoder, reader=reader)


def graph_of(
    module: nn.Module,
    inputs: tuple[Tensor, ...],
    names: list[str],
    outputs: list[str],
    *,
    fold: bool = True,
) -> bytes:
    """Return ONNX with dynamic height and width and weights in half precision.

    ``fold``: precompute values that depend only on weights; without it all weights keep their
    names.
    """
    buffer: Any = io.BytesIO()  # PyTorch's types allow only paths; this exporter accepts files, too
    axes = {
        name: {2: f"{name}_height", 3: f"{name}_width"}
        for name in (*names, *outputs)
        if not name.startswith(("mean_", "std_", "wanted_", "style"))
    }
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # The tracing exporter: scale and shift may be one value per channel or a map, which the
        # exporter of torch.export would specialize on; it needs no onnxscript and takes a second.
        torch.onnx.export(
            module.eval(),
            inputs,
            buffer,
            input_names=names,
            output_names=outputs,
            dynamic_axes=axes,
            opset_version=OPSET,
            dynamo=False,
            do_constant_folding=fold,
        )
    model = onnx.load_from_string(buffer.getvalue())
    _halve(model)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _halve(model: onnx.ModelProto) -> None:
    """Store float32 weights as float16, each with a cast that engines fold on loading."""
    graph = model.graph
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < 64:
            continue
        name = tensor.name
        array = numpy_helper.to_array(tensor)
        if not np.isfinite(array.astype(np.float16)).all():
            raise ModelError(f"weight {name} exceeds half precision ({np.abs(array).max()})")
        tensor.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    for i, cast in enumerate(casts):
        graph.node.insert(i, cast)


def multiply_adds(network: nn.Module, size: int) -> int:
    """Return multiply-adds of the convolutions for a picture of ``size`` x ``size``, without style.

    One multiply-add is one multiplication and one addition: half of the FLOPs in some counts.
    """
    image = torch.rand(1, 3, size, size)
    return _counted(network, lambda: _stylize(network, image, None))


def reader_multiply_adds(network: Any, size: int) -> int:
    """Return multiply-adds of the reader for a style of ``size`` x ``size``; 0 without a reader."""
    if network.reader is None:
        return 0
    style = torch.rand(1, 3, size, size)
    with torch.no_grad():
        features = network.encode(style)
    return _counted(network.reader, lambda: network.read(style, features))


def _counted(network: nn.Module, run: Callable[[], object]) -> int:
    counted = 0

    def count(module: Any, _: Any, output: Tensor) -> None:
        nonlocal counted
        counted += output.numel() * module.weight[0].numel()

    kinds = (nn.Conv2d, nn.Linear)
    hooks = [m.register_forward_hook(count) for m in network.modules() if isinstance(m, kinds)]
    try:
        with torch.no_grad():
            run()
    finally:
        for hook in hooks:
            hook.remove()
    return counted


def parity(network: Exportable, engine: Engine, *, seed: int = 0) -> dict[tuple[int, int], float]:
    """Return the largest difference between ``engine`` and ``network`` per size, of full scale.

    The pictures are smooth noise with the moments of another; sizes are ``PARITY_SIZES``.
    """
    random = torch.Generator().manual_seed(seed)
    differences = {}
    reads = network.reader is not None
    style = torch.rand(1, 3, 8, 8, generator=random)
    style = F.interpolate(style, (64, 64), mode="bicubic").clamp(0, 1)
    for height, width in PARITY_SIZES:
        image = torch.rand(1, 3, -(-height // 4), -(-width // 4), generator=random)
        image = F.interpolate(image, (height, width), mode="bicubic").clamp(0, 1)
        multiple = network.multiple
        padding = (0, -width % multiple, 0, -height % multiple)
        image = F.pad(image, padding, mode="replicate")
        with torch.no_grad():
            wanted = _stylize(network, image, style)[0].numpy()
        got = _stylize_by(engine, image[0].numpy(), style[0].numpy(), reads=reads)
        differences[height, width] = float(np.abs(got - wanted).max())
    return differences


def _stylize(network: Any, image: Tensor, style: Tensor | None) -> Tensor:
    features = network.encode(image)
    if style is None:
        wanted = [fast_mean_std(level) for level in features]
    else:
        wanted = network.read(style, network.encode(style))
    scales, shifts = zip(*map(align, features, wanted), strict=True)
    picture: Tensor = network.decode(features, scales, shifts)
    return picture


def _stylize_by(
    engine: Engine, image: NDArray[np.float32], style: NDArray[np.float32], *, reads: bool
) -> NDArray[np.float32]:
    features, own = engine.encode(image)
    encoded, wanted = engine.encode(style)
    if reads:
        # In networks with a reader the coarsest level has cells of size `multiple`.
        everywhere = np.ones(encoded[-1].shape[1:], np.float32)
        wanted = engine.read(style, wanted, everywhere)
    maps: list[Affine] = [adain(a, b) for a, b in zip(own, wanted, strict=True)]
    return engine.decode(features, maps)
