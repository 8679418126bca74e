"""The decoder of a bundle in PyTorch, built from its own graph, with gradients.

So styles can be tuned for any encoder/decoder bundle, whatever program made it, and they fit
exactly the weights that it paints with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor
from torch.nn import functional as F

from impasto.errors import ModelError
from impasto.models import Bundle

_Attributes = Mapping[str, Any]
_Operation = Callable[[Sequence[Any], _Attributes], Tensor]


class GraphDecoder:
    """``decoder.onnx`` of a bundle as a function of tensors, with fixed weights."""

    def __init__(self, bundle: Bundle, device: torch.device | str = "cpu") -> None:
        """Read the graph.

        Raises:
            ModelError: if the model's styles are built in, or its decoder has an unsupported
                operation.
        """
        name = bundle.card.name
        if bundle.card.styles:
            raise ModelError(
                f"the styles of model {name!r} are built in and cannot be tuned: they are "
                "parameters of its layers, trained with it (impasto lab train); use a model that "
                "takes any picture"
            )
        graph = onnx.load_from_string(bundle.decoder).graph
        unknown = sorted({node.op_type for node in graph.node} - set(_OPERATIONS))
        if unknown:
            raise ModelError(
                f"the decoder of model {name!r} uses the operation {unknown[0]}, whose gradient is "
                "not implemented; styles of this model cannot be tuned"
            )
        self.levels = len(bundle.card.levels)
        self._output = graph.output[0].name
        self._constants = {
            each.name: _tensor(numpy_helper.to_array(each), device) for each in graph.initializer
        }
        self._steps: list[tuple[_Operation, list[str], str, _Attributes]] = []
        for node in graph.node:
            values = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
            inputs, output = list(node.input), node.output[0]
            # Values that depend only on weights are computed once.
            if all(not each or each in self._constants for each in inputs):
                given = [self._constants[each] if each else None for each in inputs]
                self._constants[output] = _OPERATIONS[node.op_type](given, values).to(device)
            else:
                self._steps.append((_OPERATIONS[node.op_type], inputs, output, values))

    def __call__(
        self, features: Sequence[Tensor], scales: Sequence[Tensor], shifts: Sequence[Tensor]
    ) -> Tensor:
        """Decode features under one affine map per level to (N, 3, H, W), not clipped."""
        known = dict(self._constants)
        for i, maps in enumerate(zip(features, scales, shifts, strict=True)):
            for kind, each in zip(("features", "scale", "shift"), maps, strict=True):
                known[f"{kind}_{i}"] = each
        for operation, inputs, output, values in self._steps:
            known[output] = operation([known[each] if each else None for each in inputs], values)
        picture: Tensor = known[self._output]
        return picture


def _tensor(array: Any, device: torch.device | str) -> Tensor:
    found = torch.from_numpy(np.array(array)).to(device)
    # The fastest layout of convolution weights in PyTorch.
    return found.to(memory_format=torch.channels_last) if found.ndim == 4 else found


def _whole(value: Tensor | None) -> list[int]:
    return [] if value is None else [int(each) for each in value.flatten().tolist()]


def _constant(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    return torch.from_numpy(np.array(numpy_helper.to_array(values["value"])))


def _filled(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    value = numpy_helper.to_array(values["value"]) if "value" in values else np.zeros(1, np.float32)
    return torch.from_numpy(np.full(_whole(inputs[0]), value.reshape(-1)[0]))


def _cast(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    dtype = onnx.helper.tensor_dtype_to_np_dtype(values["to"])
    cast: Tensor = inputs[0].to(torch.from_numpy(np.zeros(0, dtype)).dtype)
    return cast


def _convolution(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    x, weight, bias = (*inputs, None)[:3]
    top, left, bottom, right = values.get("pads", (0, 0, 0, 0))
    padding: Any = (top, left)
    if (top, left) != (bottom, right):
        x, padding = F.pad(x, (left, right, top, bottom)), 0
    strides, dilations = values.get("strides", (1, 1)), values.get("dilations", (1, 1))
    return F.conv2d(
        x, weight, bias, tuple(strides), padding, tuple(dilations), values.get("group", 1)
    )


def _resized(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    x, scales = inputs[0], inputs[2] if len(inputs) > 2 else None
    factors = [] if scales is None else [float(each) for each in scales.flatten().tolist()]
    nearest = values.get("mode", b"nearest") == b"nearest"
    if not nearest or len(factors) != 4 or factors[:2] != [1, 1] or factors[2] != factors[3]:
        raise ModelError("tuning needs a decoder that upsamples by nearest neighbors, evenly")
    return F.interpolate(x, scale_factor=factors[2], mode="nearest")


def _to_space(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    (x,), block = inputs, values["blocksize"]
    if values.get("mode", b"DCR") == b"DCR":  # PyTorch uses the other order
        n, channels, height, width = x.shape
        x = x.reshape(n, block * block, channels // block**2, height, width)
        x = x.transpose(1, 2).reshape(n, channels, height, width)
    return F.pixel_shuffle(x, block)


def _padded(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    x, widths = inputs[0], _whole(inputs[1])
    half = len(widths) // 2
    outer = [*widths[: half - 2], *widths[half:-2]]
    (top, left), (bottom, right) = widths[half - 2 : half], widths[-2:]
    if any(outer):
        raise ModelError("tuning needs a decoder that pads only height and width")
    mode = values.get("mode", b"constant").decode()
    return F.pad(x, (left, right, top, bottom), "replicate" if mode == "edge" else mode)


def _sliced(inputs: Sequence[Any], values: _Attributes) -> Tensor:
    x: Tensor = inputs[0]
    starts, ends = _whole(inputs[1]), _whole(inputs[2])
    axes = _whole(inputs[3]) if len(inputs) > 3 else list(range(len(starts)))
    steps = _whole(inputs[4]) if len(inputs) > 4 else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        places = range(x.shape[axis])[start if start > -(2**62) else None : _end(end) : step]
        x = x.index_select(axis, torch.tensor(list(places)))
    return x


def _end(value: int) -> int | None:
    return value if abs(value) < 2**62 else None  # the largest numbers mean "to the end"


_OPERATIONS: dict[str, _Operation] = {
    "Add": lambda x, v: x[0] + x[1],
    "AveragePool": lambda x, v: F.avg_pool2d(x[0], v["kernel_shape"], v["strides"]),
    "Cast": _cast,
    "Clip": lambda x, v: x[0].clamp(*x[1:3]),
    "Concat": lambda x, v: torch.cat(list(x), v["axis"]),
    "Constant": _constant,
    "ConstantOfShape": _filled,
    "Conv": _convolution,
    "DepthToSpace": _to_space,
    "Div": lambda x, v: x[0] / x[1],
    "Identity": lambda x, v: x[0],
    "LeakyRelu": lambda x, v: F.leaky_relu(x[0], v.get("alpha", 0.01)),
    "Mul": lambda x, v: x[0] * x[1],
    "Pad": _padded,
    "Reciprocal": lambda x, v: torch.reciprocal(x[0]),
    "ReduceMean": lambda x, v: x[0].mean(_whole(x[1]), keepdim=bool(v.get("keepdims", 1))),
    "Relu": lambda x, v: F.relu(x[0]),
    "Reshape": lambda x, v: x[0].reshape(_whole(x[1])),
    "Resize": _resized,
    "Slice": _sliced,
    "Sub": lambda x, v: x[0] - x[1],
    "Transpose": lambda x, v: x[0].permute(v["perm"]),
}
