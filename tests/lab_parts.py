"""Small stand-ins for the lab's tests: weights with real shapes, pictures with real structure."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from impasto.lab.nets.vgg import LAYOUTS
from impasto.lab.training.config import TrainConfig, parse_config, tables_of
from impasto.lab.training.registry import HOMES
from impasto.models import Card

SHARED = Path(__file__).parents[2] / "shared"
"""A folder of real weights and pictures beside the checkout; tests that want it skip without it."""


def vgg_weights(
    layout: str = "pytorch-AdaIN", *, last: str = "conv4_1", network: str = "VGG-19"
) -> dict[str, Tensor]:
    """Random weights (He) of a VGG with the keys of ``layout``, up to the convolution ``last``."""
    row = next(row for row in LAYOUTS if (row.name, row.network) == (layout, network))
    random = torch.Generator().manual_seed(0)
    weights = {}
    if layout == "pytorch-AdaIN":
        weights["0.weight"] = torch.eye(3).reshape(3, 3, 1, 1) * 2
        weights["0.bias"] = torch.full((3,), -1.0)
    for (name, inputs, outputs), key in zip(row.convolutions, row.keys, strict=True):
        scale = (2 / (9 * inputs)) ** 0.5
        weights[f"{key}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=random) * scale
        weights[f"{key}.bias"] = torch.zeros(outputs)
        if name == last:
            break
    return weights


def small_config(folder: Path, network: str, *, pictures: int) -> TrainConfig:
    """Two steps of ``network`` on as many small photographs and paintings in ``folder``."""
    torch.save(vgg_weights(), folder / "vgg.pth")
    return make_config(
        network=network,
        vgg=str(folder / "vgg.pth"),
        contents={str(write_pictures(folder / "photos", pictures)): 1.0},
        styles={str(write_pictures(folder / "paintings", pictures, seed=1)): 1.0},
        iterations=2,
        batch=2,
        crop=32,
        optimizer="adam",  # as quick as it gets: Muon takes half the time of such small steps
        log_every=1,
        preview_every=0,
        warmup=1,
    )


def make_config(**fields: Any) -> TrainConfig:
    """A config of fields that are sorted into their tables; ``optimizer`` is the optimizer's name.

    A field that its network has not stands at the top, where the config refuses it.
    """
    tables = tables_of(fields["network"]).fields() if fields["network"] in HOMES else {}
    values: dict[str, Any] = {}
    for name, value in fields.items():
        if name == "optimizer":
            values.setdefault("optimizer", {})["name"] = value
            continue
        table = next((table for table, names in tables.items() if name in names), "")
        inner = values.setdefault(table, {}) if table else values
        inner[name] = value
    return parse_config(values)


def applicable(network: str, /, **fields: Any) -> dict[str, Any]:
    """Those of ``fields`` that the config of ``network`` has."""
    known = {name for names in tables_of(network).fields().values() for name in names}
    return {name: value for name, value in fields.items() if name in known}


def flat(config: TrainConfig) -> dict[str, Any]:
    """The fields of a config and of its tables by name; ``optimizer`` is the optimizer's name."""
    fields = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    tables = [fields.pop(name) for name in ("data", "loss", "optimizer", "method")]
    for table in tables:
        fields |= {f.name: getattr(table, f.name) for f in dataclasses.fields(table)}
    fields["optimizer"] = fields.pop("name")
    return fields | fields.pop("weights")


def changed(config: TrainConfig, **changes: Any) -> TrainConfig:
    """``config`` with other fields, whichever tables they stand in.

    With another network, fields that it has not are left out.
    """
    fields = flat(config)
    network = changes.get("network", config.network)
    if network != config.network and network in HOMES:
        fields = applicable(network, **fields) | {"optimizer": fields["optimizer"]}
    return make_config(**fields | changes)


def padded(image: np.ndarray, card: Card) -> np.ndarray:
    """(H, W, 3) as a model's encoder takes it: (3, H', W'), reflected around the edges."""
    rims = [(card.margin, card.margin + -side % card.multiple) for side in image.shape[:2]]
    planes = np.pad(image, [*rims, (0, 0)], mode="reflect").transpose(2, 0, 1)
    return np.ascontiguousarray(planes, np.float32)


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
