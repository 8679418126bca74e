"""The perceptual network: the convolutions of VGG-19 or VGG-16, with layers by name.

Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition"
(arXiv 1409.1556).  Three layouts of their weights are in use, each with its own preprocessing and
padding; mixing them up is a common cause of gray pictures in training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from impasto.errors import ModelError, OptionError
from impasto.lab.nets.blocks import reflected
from impasto.lab.nets.precision import channels_last
from impasto.lab.nets.state import read_weights

CONVOLUTIONS: tuple[tuple[str, int, int], ...] = (
    ("conv1_1", 3, 64), ("conv1_2", 64, 64),
    ("conv2_1", 64, 128), ("conv2_2", 128, 128),
    ("conv3_1", 128, 256), ("conv3_2", 256, 256), ("conv3_3", 256, 256), ("conv3_4", 256, 256),
    ("conv4_1", 256, 512), ("conv4_2", 512, 512), ("conv4_3", 512, 512), ("conv4_4", 512, 512),
    ("conv5_1", 512, 512), ("conv5_2", 512, 512), ("conv5_3", 512, 512), ("conv5_4", 512, 512),
)  # fmt: skip
"""Convolutions of VGG-19: name, input channels, output channels. A 2x2 max pooling comes before
each convN_1, N > 1. VGG-16 has no convN_4."""

POOLINGS: dict[str, Any] = {"max": F.max_pool2d, "average": F.avg_pool2d}


@dataclass(frozen=True)
class Layout:
    """Layout of one family of weight files: names of convolutions, range of input values."""

    name: str
    keys: tuple[str, ...]
    """Key of each convolution, in the order of ``convolutions``, without ``.weight``."""
    padding: str
    """``reflect`` or ``constant`` (zeros), as used with these weights."""
    matrix: tuple[tuple[float, ...], ...] | None
    """Preprocessing of RGB in [0, 1]: ``matrix @ rgb + offset``; None: it is in the file."""
    offset: tuple[float, ...] | None

    @property
    def network(self) -> str:
        """``VGG-19`` or ``VGG-16``."""
        return f"VGG-{len(self.keys) + 3}"  # plus the three fully connected layers

    @property
    def convolutions(self) -> tuple[tuple[str, int, int], ...]:
        """The rows of ``CONVOLUTIONS`` that the network has."""
        if len(self.keys) == len(CONVOLUTIONS):
            return CONVOLUTIONS
        return tuple(row for row in CONVOLUTIONS if not row[0].endswith("_4"))


def _keys(start: int, between: int, pooling: int, *, deepest: int) -> tuple[str, ...]:
    """Return the indices of convolutions in a sequence of modules, ``between`` apart."""
    keys, number = [], start
    for name, _, _ in CONVOLUTIONS:
        if int(name[-1]) <= deepest:
            if name.endswith("_1") and name != "conv1_1":
                number += pooling
            keys.append(str(number))
            number += between
    return tuple(keys)


_TORCHVISION = (
    ((1 / 0.229, 0, 0), (0, 1 / 0.224, 0), (0, 0, 1 / 0.225)),
    (-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
)
_CAFFE = ((0, 0, 255), (0, 255, 0), (255, 0, 0)), (-103.939, -116.779, -123.68)

LAYOUTS: tuple[Layout, ...] = tuple(
    layout
    for deepest in (4, 3)  # of VGG-19, of VGG-16
    for layout in (
        Layout("pytorch-AdaIN", _keys(2, 3, 1, deepest=deepest), "reflect", None, None),
        Layout(
            "torchvision",
            tuple(f"features.{key}" for key in _keys(0, 2, 1, deepest=deepest)),
            "constant",
            *_TORCHVISION,
        ),
        Layout(
            "Caffe",
            tuple(name for name, _, _ in CONVOLUTIONS if int(name[-1]) <= deepest),
            "constant",
            *_CAFFE,
        ),
    )
)


class VGG(nn.Module):
    """VGG-19 or VGG-16 up to the deepest given layer; frozen, without gradients for its weights."""

    def __init__(self, weights: Mapping[str, Tensor], layout: Layout) -> None:
        """Build from ``weights`` with the keys of ``layout``; the deepest layer found is the last.

        Raises ``ModelError`` where a shape differs from the network's or there is no convolution.
        """
        super().__init__()
        self.layout = layout
        if layout.matrix is None:
            matrix, offset = weights["0.weight"], weights.get("0.bias", torch.zeros(3))
        else:
            matrix = torch.tensor(layout.matrix).reshape(3, 3, 1, 1)
            offset = torch.tensor(layout.offset)
        self.preprocess = _frozen_convolution(matrix, offset)
        self.convolutions = nn.ModuleDict()
        for (name, inputs, outputs), key in zip(layout.convolutions, layout.keys, strict=True):
            if f"{key}.weight" not in weights or f"{key}.bias" not in weights:
                break
            weight = weights[f"{key}.weight"]
            if tuple(weight.shape) != (outputs, inputs, 3, 3):
                raise ModelError(
                    f"{key}.weight has shape {tuple(weight.shape)}, but {layout.network}'s {name} "
                    f"has {(outputs, inputs, 3, 3)}; give a file of {layout.network}"
                )
            self.convolutions[name] = _frozen_convolution(weight, weights[f"{key}.bias"])
        if not self.convolutions:
            raise ModelError(f"these weights contain no convolution of the {layout.name} layout")

    @property
    def layers(self) -> tuple[str, ...]:
        """The available layers, ``relu1_1`` first."""
        return tuple(name.replace("conv", "relu") for name in self.convolutions)

    @property
    def is_normalized(self) -> bool:
        """True for weights in the layout of ``vgg_normalised.pth`` (see :func:`normalized`)."""
        return self.layout.matrix is None

    def forward(
        self, image: Tensor, layers: Iterable[str], *, pooling: str = "max"
    ) -> dict[str, Tensor]:
        """Return features of ``image`` (N, 3, H, W), RGB in [0, 1], at ``layers``.

        Runs no further than the deepest requested layer.  H and W should be multiples of 8 up to
        relu4_1 (16 up to relu5_1): pooling drops the remainder, where the original rounds up.
        ``pooling`` is the network's own ``max``, or ``average``, which Gatys et al. 2016 prefer.
        Raises ``ModelError`` for a missing layer, ``OptionError`` for another pooling.
        """
        if pooling not in POOLINGS:
            raise OptionError(f"pooling must be {' or '.join(POOLINGS)}, not {pooling!r}")
        wanted = set(layers)
        if unknown := wanted - set(self.layers):
            raise ModelError(f"no layer {sorted(unknown)[0]!r}; this VGG has {self.layers}")
        features: dict[str, Tensor] = {}
        pool: Callable[[Tensor, int], Tensor] = POOLINGS[pooling]
        # AMX and AVX-512 convolutions are about 10 times faster in bfloat16 with channels last.
        x = image.to(self.preprocess.weight.dtype, memory_format=torch.channels_last)
        x = self.preprocess(x)
        for name, convolution in self.convolutions.items():
            if name.endswith("_1") and name != "conv1_1":
                x = pool(x, 2)
            x = reflected(x) if self.layout.padding == "reflect" else F.pad(x, (1, 1, 1, 1))
            x = F.relu(convolution(x), inplace=True)
            layer = name.replace("conv", "relu")
            if layer in wanted:
                features[layer] = x
            if len(features) == len(wanted):
                break
        return features


def recognize(weights: Mapping[str, Tensor]) -> Layout:
    """Return the layout of VGG-19 or VGG-16 that matches the keys of ``weights``.

    Raises ``ModelError`` where none matches.
    """
    return _found(weights)[0]


def load_vgg(path: str | Path) -> VGG:
    """Load VGG-19 or VGG-16 from a file of any known layout, with its preprocessing.

    Its keys may have a prefix, such as ``module.``. Raises ``ModelError`` for a file that is
    missing, damaged or something else.

    >>> vgg = load_vgg("vgg_normalised.pth")                            # doctest: +SKIP
    >>> vgg(torch.rand(1, 3, 64, 64), ["relu4_1"])["relu4_1"].shape     # doctest: +SKIP
    torch.Size([1, 512, 8, 8])
    """
    weights = read_weights(path)
    try:
        layout, prefix = _found(weights)
        own = {k.removeprefix(prefix): v for k, v in weights.items() if k.startswith(prefix)}
        return VGG(own, layout).eval()
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error


def _found(weights: Mapping[str, Tensor]) -> tuple[Layout, str]:
    """Return the layout of ``weights`` and the prefix of its keys that match most layers."""
    candidates = []
    for layout in LAYOUTS:
        first = f"{layout.keys[0]}.weight"
        prefixes = [k.removesuffix(first) for k in weights if f".{k}".endswith(f".{first}")]
        for prefix in sorted(prefixes, key=len):
            # torchvision's bare Sequential has the key 2.weight too, but (64, 64, 3, 3)
            matrix = weights.get(f"{prefix}0.weight")
            if layout.matrix is not None or (matrix is not None and matrix.shape[:2] == (3, 3)):
                keys = (f"{prefix}{key}.weight" in weights for key in layout.keys)
                candidates.append((sum(takewhile(bool, keys)), layout, prefix))
    if candidates:
        # The first of equals: a file that ends at relu3_3 fits either network.
        _, layout, prefix = max(candidates, key=lambda each: each[0])
        if layout.name == "torchvision" and f"{prefix}features.1.weight" in weights:
            raise ModelError(
                f"a {layout.network} with batch normalization; give torchvision's plain one"
            )
        return layout, prefix
    known = ", ".join(f"{la.name} ({la.keys[0]}.weight)" for la in LAYOUTS[: len(LAYOUTS) // 2])
    shown = ", ".join(sorted(weights)[:3])
    raise ModelError(
        f"its {len(weights)} keys ({shown}{', ...' if len(weights) > 3 else ''}) match no known "
        f"layout of VGG-19 or VGG-16: {known}"
    )


def normalized(vgg: VGG, pictures: Iterable[Tensor]) -> dict[str, Tensor]:
    """Scale weights so that each filter has a mean activation of 1 over pictures and positions.

    Gatys et al. 2016, section 2: filters are divided by their means ``m`` and those that read them
    are multiplied, ``W'_ij = W_ij m_j / m_i`` and ``b'_i = b_i / m_i``. ReLU and max pooling
    preserve a positive factor, so each activation is that of ``vgg`` divided by its filter's mean;
    but padding is by reflection, as in AdaIN. The losses of AdaIN expect such a network.

    Args:
        vgg: the original network.
        pictures: batches (N, 3, H, W) in [0, 1], of photographs; a few hundred suffice.

    Returns:
        A table in the layout of ``vgg_normalised.pth``.

    Raises:
        ModelError: if there are no pictures.

    Example:
        >>> normalized(load_vgg("vgg19.pth"), [torch.rand(2, 3, 64, 64)])    # doctest: +SKIP
    """
    layout = next(
        row for row in LAYOUTS if row.matrix is None and row.network == vgg.layout.network
    )
    preprocess: Any = vgg.preprocess  # which has a bias here
    table: dict[str, Tensor] = {"0.weight": preprocess.weight, "0.bias": preprocess.bias}
    convolutions: Iterable[Any] = vgg.convolutions.values()
    for key, convolution in zip(layout.keys, convolutions, strict=False):
        table |= {f"{key}.weight": convolution.weight, f"{key}.bias": convolution.bias}
    same = VGG(table, layout).eval()
    sums: dict[str, Tensor] = {}
    count = 0
    with torch.no_grad():
        for batch in pictures:
            for layer, features in same(batch, same.layers).items():
                means = features.double().mean(dim=(2, 3)).sum(dim=0)
                sums[layer] = sums.get(layer, 0) + means
            count += len(batch)
    if not count:
        raise ModelError("there are no pictures to normalize with; give photographs")
    made = {name: table[name].detach().clone().contiguous() for name in ("0.weight", "0.bias")}
    before = torch.ones(3, dtype=torch.float64)
    for key, layer in zip(layout.keys, same.layers, strict=False):
        # A filter that photographs rarely activate keeps a scale like that of the others.
        mean = sums[layer] / count
        usual = mean.median() if mean.median() > 0 else torch.ones_like(mean[0])
        mean = torch.where(mean > 1e-4 * usual, mean, usual)
        weight, bias = (table[f"{key}.{part}"].detach().double() for part in ("weight", "bias"))
        weight = weight * before[:, None, None] / mean[:, None, None, None]
        made[f"{key}.weight"] = weight.float().contiguous()
        made[f"{key}.bias"] = (bias / mean).float()
        before = mean
    return made


def _frozen_convolution(weight: Tensor, bias: Tensor) -> nn.Conv2d:
    outputs, inputs, height, width = weight.shape
    convolution = nn.Conv2d(inputs, outputs, (height, width))
    convolution.load_state_dict({"weight": weight, "bias": bias})
    return channels_last(convolution).requires_grad_(False)
