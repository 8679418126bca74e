"""What a training run is: one frozen value, read from and written to TOML."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.errors import OptionError


@dataclass(frozen=True)
class TrainConfig:
    """One stage of training.  Every field stands in the TOML file under its own name."""

    network: str
    """``fast`` or ``quality``."""
    vgg: str
    """File of the normalised VGG-19: the judge of content and style."""
    contents: dict[str, float]
    """Folders of photographs -> how often each is drawn from."""
    styles: dict[str, float]
    """Folders of paintings -> how often each is drawn from."""
    teacher: str = ""
    """File of an AdaIN decoder for ``vgg``, whose pictures are distilled; empty: no teacher."""
    start: str = ""
    """Checkpoint or bundle (``.impasto``) to start from; empty: random weights."""

    iterations: int = 10_000
    batch: int = 8
    """Pairs a step."""
    repeats: int = 1
    """How often a pair is learned from: judge and teacher look at it once (``lessons``)."""
    crop: int = 128
    """Side of the training crops in pixels, a multiple of 16."""
    content_scale: float = 0.5
    """Least share of the shorter side of a photograph that a crop covers."""
    style_scale: float = 0.4
    """The same of a painting."""
    style_jitter: float = 0.33
    """Share of styles with permuted channels and changed contrast."""

    distill_pixels: float = 0.0
    """Weight of the L1 distance to the teacher's picture."""
    distill_features: float = 0.0
    """Weight of the mean square distance to it at relu2_1 and relu3_1."""
    content: float = 1.0
    """Weight of the content loss (relu4_1 against the AdaIN target, mean units)."""
    style: float = 10.0
    """Weight of the style loss (mean and std at four layers, mean units)."""
    identity: float = 10.0
    """Weight of the L1 distance to the photograph where nothing is aligned (alpha = 0)."""
    variation: float = 0.0
    """Weight of the total variation."""

    learning_rate: float = 2e-3
    """Of Muon, which is scaled to the step of Adam."""
    final_rate: float = 0.02
    """Share of the learning rate at the end of the cosine."""
    warmup: int = 200
    """Steps over which the learning rate rises."""
    clip: float = 1.0
    """Norm to which the gradient is clipped."""
    ema: float = 0.999
    """Decay of the moving average of the weights, which is what is exported."""
    seed: int = 0

    log_every: int = 20
    checkpoint_seconds: float = 180.0
    preview_every: int = 500
    """Steps between contact sheets on held-out pictures."""


def read_config(path: str | Path) -> TrainConfig:
    """The config in a TOML file; ``OptionError`` names what is wrong with it."""
    path = Path(path)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path}: cannot be read as TOML ({error})") from error
    known = {f.name: f for f in dataclasses.fields(TrainConfig)}
    if unknown := sorted(set(values) - set(known)):
        raise OptionError(f"{path}: no such field {unknown[0]!r}; the fields are {sorted(known)}")
    missing = sorted(
        name for name, f in known.items() if f.default is dataclasses.MISSING and name not in values
    )
    if missing:
        raise OptionError(f"{path}: {missing[0]} is missing")
    checked: dict[str, Any] = {}
    for name, value in values.items():
        wanted = {"str": str, "int": int, "float": (int, float), "dict[str, float]": dict}
        if not isinstance(value, wanted[str(known[name].type)]) or isinstance(value, bool):
            raise OptionError(f"{path}: {name} = {value!r} is not of type {known[name].type}")
        checked[name] = float(value) if known[name].type == "float" else value
    return TrainConfig(**checked)


def write_config(config: TrainConfig, path: str | Path) -> None:
    """Write ``config`` as TOML that ``read_config`` reads back to an equal value."""
    lines, tables = [], []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if isinstance(value, dict):
            tables += [f"\n[{f.name}]", *(f'"{key}" = {weight}' for key, weight in value.items())]
        else:
            lines.append(f"{f.name} = {_toml(value)}")
    Path(path).write_text("\n".join(lines + tables) + "\n")


def _toml(value: str | float) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)
