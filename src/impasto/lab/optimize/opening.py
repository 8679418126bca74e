"""A method of the lab by its module: with its device and its VGG-19, ready to paint."""

from __future__ import annotations

import importlib
from pathlib import Path

from impasto.lab.nets.vgg import VGG19, load_vgg
from impasto.lab.nets.weights import find_vgg
from impasto.lab.optimize.devices import open_device
from impasto.lab.optimize.method import MULTIPLE, Method
from impasto.lab.optimize.painter import MethodStylizer
from impasto.models import Card, Level


def open_method(
    module: str,
    *,
    vgg: str | Path | None = None,
    engine: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> MethodStylizer:
    """A method, ready to paint.

    Args:
        module: which has it as ``METHOD``.
        vgg: a file of VGG-19, as for :func:`impasto.lab.nets.weights.find_vgg`.
        engine: a device of PyTorch; by default ``cuda`` where there is one, else ``cpu``.
        precision: one of the method's; by default the first.
        threads: how many may be used, 1 or more; by default PyTorch's choice.

    Raises:
        ModelError: if there is no VGG-19, or it cannot be read.
        EngineError: if the device is not there.
        OptionError: if precision or threads is not a possible value.
    """
    method: Method = importlib.import_module(module).METHOD
    device = open_device(engine, precision, threads, precisions=method.capabilities.precisions)
    network = load_vgg(find_vgg(vgg)).to(device=device.name, dtype=device.dtype)
    return MethodStylizer(method, network, device, card=card_of(method, network))


def card_of(method: Method, vgg: VGG19) -> Card:
    """What stands where a model has its card."""
    parameters = sum(each.numel() for each in vgg.parameters())
    return Card(
        name=method.name,
        title=f"{method.title} ({method.paper})",
        architecture="VGG-19 as the judge, pixels by optimization",
        levels=(Level(vgg.layers[-1], 512, MULTIPLE),),
        multiple=MULTIPLE,
        rim=0,
        parameters=parameters,
        macs_512=0,
        data="none: nothing is trained",
        iterations=0,
        losses={},
        licence="that of the weights of VGG-19",
        notes=f"alpha: {method.capabilities.alpha}",
    )
