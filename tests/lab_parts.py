"""Small stand-ins for the lab's tests: weights with real shapes, pictures with real structure."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.lab.nets.vgg import CONVOLUTIONS, LAYOUTS
from impasto.lab.train.config import TrainConfig

SHARED = Path(__file__).parents[2] / "shared"
"""A folder of real weights and pictures beside the checkout; tests that want it skip without it."""


def vgg_weights(layout: str = "pytorch-AdaIN", *, last: str = "conv4_1") -> dict[str, Tensor]:
    """Random weights (He) of VGG-19 with the keys of ``layout``, up to the convolution ``last``."""
    keys = next(row.keys for row in LAYOUTS if row.name == layout)
    random = torch.Generator().manual_seed(0)
    weights = {}
    if layout == "pytorch-AdaIN":
        weights["0.weight"] = torch.eye(3).reshape(3, 3, 1, 1) * 2
        weights["0.bias"] = torch.full((3,), -1.0)
    for (name, inputs, outputs), key in zip(CONVOLUTIONS, keys, strict=True):
        scale = (2 / (9 * inputs)) ** 0.5
        weights[f"{key}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * scale
        weights[f"{key}.bias"] = torch.zeros(outputs)
        if name == last:
            break
    return weights


def small_config(folder: Path, network: str, *, pictures: int) -> TrainConfig:
    """Two steps of ``network`` on as many small photographs and paintings in ``folder``."""
    torch.save(vgg_weights(), folder / "vgg.pth")
    return TrainConfig(
        network=network,
        vgg=str(folder / "vgg.pth"),
        contents={str(write_pictures(folder / "photos", pictures)): 1.0},
        styles={str(write_pictures(folder / "paintings", pictures, seed=1)): 1.0},
        iterations=2,
        batch=2,
        crop=32,
        log_every=1,
        preview_every=0,
        warmup=1,
    )


def write_pictures(folder: Path, n: int, *, side: int = 96, seed: int = 0) -> Path:
    """``n`` pictures of colored rectangles as PNG files, named ``0.png`` and on."""
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(seed)
    for i in range(n):
        picture = np.zeros((side, side + 16, 3), np.uint8)
        for _ in range(12):
            top, left = random.integers(0, side, 2)
            picture[top : top + 40, left : left + 40] = random.integers(0, 256, 3)
        Image.fromarray(picture).save(folder / f"{i}.png")
    return folder
