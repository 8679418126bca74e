"""The authors' program and its PyTorch port, written down once more from their formulas.

Formulas and networks use nothing of the package, so that the studio can be compared with them, by
tests and by ``behavior.py``; the pictures that are compared are at the end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls import Controls
from impasto.images.photo import Photo, read_photo
from impasto.images.resizing import resize
from impasto.stylizer import Stylizer

EPS = 1e-5
EXAMPLES = Path(__file__).parents[1] / "examples"
PICTURES = ("photos/chelsea.jpg", "styles/wave.jpg", "styles/woodcut.jpg")
SIDES = (256, 192, 128)
"""Of the squares of photograph and styles that are compared, in pixels."""

Floats = NDArray[np.float64]


def flat(features: NDArray[Any]) -> Floats:
    """Features (C, h, w) as (C, positions)."""
    return features.reshape(len(features), -1).astype(np.float64)


def aligned(x: Floats, y: Floats, *, behavior: str) -> Floats:
    """AdaIN of (C, positions), as the two programs compute it."""
    less = 1 if behavior == "port" else 0
    # The authors' layer takes the deviation of the style as it is.
    extra = EPS if behavior == "port" else 0.0
    spread = np.sqrt(x.var(axis=1, keepdims=True, ddof=less) + EPS)
    wanted = np.sqrt(y.var(axis=1, keepdims=True, ddof=less) + extra)
    mean, shift = x.mean(axis=1, keepdims=True), y.mean(axis=1, keepdims=True)
    return wanted * (x - mean) / spread + shift


def target(
    x: NDArray[Any],
    ys: Sequence[NDArray[Any]],
    *,
    behavior: str,
    alpha: float = 1.0,
    mask: NDArray[Any] | None = None,
) -> Floats:
    """Features for the decoder, of features (C, h, w); a mask is for the first of two styles."""
    height, width = x.shape[1:]
    here, found = flat(x), np.empty((len(x), height * width))
    if mask is None:
        found = aligned(here, flat(ys[0]), behavior=behavior)
    else:
        rows, columns = (
            np.arange(side) * given // side
            for side, given in zip((height, width), mask.shape, strict=True)
        )
        inside = mask[np.ix_(rows, columns)].ravel() == 1
        for region, y in zip((inside, ~inside), ys, strict=True):
            found[:, region] = aligned(here[:, region], flat(y), behavior=behavior)
    return (alpha * found + (1 - alpha) * here).reshape(x.shape)


def coral(style: Floats, content: Floats) -> Floats:
    """``preserve_color`` of the authors' code, as its formulas stand there, in double precision."""
    (source, source_mean, source_spread), (_, mean, spread) = (
        (flat, flat.mean(axis=1, keepdims=True), flat.std(axis=1, ddof=1, keepdims=True))
        for flat in (each.reshape(-1, 3).T for each in (style, content))
    )
    standard = (source - source_mean) / source_spread
    wanted = (content.reshape(-1, 3).T - mean) / spread
    roots = [square_root(each @ each.T + np.eye(3)) for each in (standard, wanted)]
    moved = roots[1] @ np.linalg.inv(roots[0]) @ standard
    return np.asarray((moved * spread + mean).T.reshape(style.shape))


def square_root(matrix: Floats) -> Floats:
    """The principal square root as Denman & Beavers (1976) find it, without any eigenvector."""
    root, inverse = matrix, np.eye(len(matrix))
    for _ in range(60):
        root, inverse = (
            (root + np.linalg.inv(inverse)) / 2,
            (inverse + np.linalg.inv(root)) / 2,
        )
    return root


def diagonal(height: int, width: int) -> NDArray[np.float32]:
    """A mask: 1 above the diagonal."""
    y, x = np.mgrid[:height, :width]
    return np.asarray(x * height > y * width, np.float32)


def psnr(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Peak signal-to-noise ratio of two images in [0, 1], in dB."""
    error = float(np.mean((one.astype(np.float64) - two) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


class Port:
    """The networks of the port, in single precision; needs PyTorch.

    Args:
        vgg: the normalized VGG-19, with the port's keys.
        decoder: the decoder, with the port's keys.
    """

    def __init__(self, vgg: Path, decoder: Path) -> None:
        self._files = {"vgg": vgg, "decoder": decoder}

    @cached_property
    def _vgg(self) -> list[Any]:
        return _layers(self._files["vgg"])

    @cached_property
    def _decoder(self) -> list[Any]:
        return _layers(self._files["decoder"])

    def encode(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Relu4_1 (512, h, w) of (H, W, 3)."""
        import torch
        from torch.nn import functional as F

        x = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None]
        with torch.no_grad():
            x = F.conv2d(x, *self._vgg[0])  # to BGR around 0
            for i, layer in enumerate(self._vgg[1:10]):  # conv1_1 to conv4_1
                x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), *layer).relu()
                if i in (1, 3, 7):
                    x = F.max_pool2d(x, 2, ceil_mode=True)
        return np.asarray(x[0].numpy())

    def decode(self, features: NDArray[Any]) -> NDArray[np.float32]:
        """(H, W, 3) in [0, 1] of features for the decoder."""
        import torch
        from torch.nn import functional as F

        x = torch.from_numpy(features.astype(np.float32))[None]
        with torch.no_grad():
            for i, layer in enumerate(self._decoder):
                x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), *layer)
                x = x if i == len(self._decoder) - 1 else x.relu()
                x = F.interpolate(x, scale_factor=2, mode="nearest") if i in (0, 4, 6) else x
        return np.asarray(x[0].numpy().transpose(1, 2, 0).clip(0, 1))


def _layers(file: Path) -> list[Any]:
    """Weight and bias of each convolution, in the order of the network."""
    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        read = load_file(file)
    else:
        import torch

        read = torch.load(file, weights_only=True)
    numbers = sorted({int(key.partition(".")[0]) for key in read})
    return [(read[f"{each}.weight"].float(), read[f"{each}.bias"].float()) for each in numbers]


@dataclass(frozen=True)
class Case:
    """A picture to be compared: of the port, or with a mask of the authors' program."""

    name: str
    alpha: float = 1.0
    masked: bool = False
    color: str | None = None

    @property
    def behavior(self) -> str:
        """Whose picture it is."""
        return "authors" if self.masked else "port"

    def written(self, port: Port, image: Any, looks: list[Any]) -> Any:
        """The picture by the formulas."""
        if self.color is not None:
            looks = [coral(looks[0].astype(float), image.astype(float))]
        mask = diagonal(*image.shape[:2]) if self.masked else None
        x, *ys = (port.encode(each) for each in (image, *looks))
        return port.decode(target(x, ys, behavior=self.behavior, alpha=self.alpha, mask=mask))

    def painted(self, model: Stylizer, image: Any, looks: list[Any], *, behavior: str) -> Any:
        """The picture by the studio."""
        mask = diagonal(*image.shape[:2])
        masks = [mask, 1 - mask] if self.masked else []
        controls = Controls(alpha=self.alpha, masks=masks, color=self.color, behavior=behavior)
        styles = [model.style(look, size=None) for look in looks[: 2 if self.masked else 1]]
        style = styles if self.color is None else Photo(looks[0], None, "a style")
        return model.paint(image, style, controls).image


CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("strength 1"),
        Case("strength 0.05", alpha=0.05),
        Case("strength 0", alpha=0.0),
        Case("two styles, a diagonal mask", masked=True),
        Case("`--color coral`", color="coral"),
    )
}


def example_pictures(sides: Sequence[int] = SIDES) -> list[NDArray[np.float32]]:
    """Upper left squares of a photograph and two styles of the examples, scaled to ``sides``."""
    return [
        resize(read_photo(EXAMPLES / name).image, side)[:side, :side]
        for name, side in zip(PICTURES, sides, strict=True)
    ]
