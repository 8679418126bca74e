"""Config of a training run: one frozen value, read from and written to TOML."""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.lab.data.cropping import Crops
from impasto.lab.data.sources import SMALLEST
from impasto.lab.nets.weights import find_vgg

CHOICES = {
    "optimizer": ("muon", "adam"),
    "schedule": ("cosine", "inverse"),
    "style_units": ("mean", "sum"),
    "precision": ("bf16", "fp32"),
    "normalization": ("instance", "batch"),
}
"""What the fields that name something may say."""
COUNTS = ("iterations", "batch", "accumulate", "repeats", "log_every", "banks_every")
"""Whole numbers of 1 or more."""


@dataclass(frozen=True)
class TrainConfig:
    """One stage of training.  Every field stands in the TOML file under its own name."""

    network: str
    """A name of ``networks.NETWORKS``: ``fast``, ``quality``, ``adain``, ..."""
    vgg: str
    """File of the normalised VGG-19: the judge of content and style."""
    contents: dict[str, float]
    """Photographs -> how often they are drawn from: folders, tar shards, or a pattern of them."""
    styles: dict[str, float]
    """Paintings -> how often they are drawn from: the same."""
    teacher: str = ""
    """File of an AdaIN decoder for ``vgg``, whose pictures are distilled; empty: no teacher."""
    start: str = ""
    """Checkpoint, bundle (``.impasto``) or model by name to start from; empty: random weights."""
    eye: str = ""
    """Checkpoint of ``reader`` or of a compact network, bundle or model by name whose eye a reader
    is given, with new axes, instead of what ``start`` has of it. Either way an eye that is there
    stays as it is; ``reader``, which trains eyes, starts from it."""

    iterations: int = 10_000
    minutes: float = 0.0
    """Time of training, for machines that are there for a while: if not 0, the cosine falls along
    it where it is further on than the steps, and when it is over so is training. How many steps
    that makes depends on the machine, so runs are no longer the same to the last digit."""
    batch: int = 8
    """Pairs a step, over all processes and parts: a config means the same on any machine."""
    accumulate: int = 1
    """Parts in which a process goes through its share of the batch, to save memory."""
    repeats: int = 1
    """How often a picture is learned from: judge and teacher look at it once; without a teacher,
    photographs and styles are paired anew each time (``lessons``)."""
    crop: int = 128
    """Side of the training crops in pixels, a multiple of 16."""
    larger: int = 0
    """Side of the crops of every third step, in as many fewer pairs as they are larger; 0: all are
    of one size. Textures are lost where none are small, and large ones where none are large."""
    resize: int = 0
    """Shorter side to which pictures are brought before crops are cut from them as they are; 0:
    crops of random sizes, of which the next two fields say the least."""
    content_scale: float = 0.5
    """Least share of the shorter side of a photograph that a crop covers."""
    style_scale: float = 0.4
    """The same of a painting."""
    enlarge: float = Crops.enlarge
    """How many times as large as in its picture a crop may be at most; pictures too small even for
    that are left out."""
    style_jitter: float = 0.33
    """Share of styles with permuted channels and changed contrast."""
    style_collage: float = 0.0
    """Share of styles that are put together from crops of two, side by side: from a few hundred
    paintings, as many looks as there are pairs of them."""
    flip: float = 0.5
    """Share of crops that are mirrored."""
    memory: float = 4.0
    """Gigabytes of decoded pictures to keep, for contents and styles each and in every process;
    larger sets are decoded from their files again and again."""

    distill_pixels: float = 0.0
    """Weight of the L1 distance to the teacher's picture."""
    distill_features: float = 0.0
    """Weight of the mean square distance to it at relu2_1 and relu3_1."""
    content: float = 1.0
    """Weight of the content loss (relu4_1 against the AdaIN target, mean units)."""
    style: float = 10.0
    """Weight of the style loss (mean and std at four layers, in ``style_units``)."""
    style_units: str = "mean"
    """``mean``: squares averaged over channels; ``sum``: summed, as the paper's authors do."""
    wasserstein: float = 0.0
    """Weight of the squared sliced Wasserstein distance to the style at relu3_1 and relu4_1: the
    style loss, had it looked along chance directions and at all that is there, not at two moments
    a channel."""
    identity: float = 10.0
    """Weight of the L1 distance to the photograph where nothing is aligned (alpha = 0)."""
    variation: float = 0.0
    """Weight of the total variation."""
    mesh: float = 0.0
    """Weight of the finest pattern that pictures have and their styles have not (``losses``)."""
    colors: float = 0.0
    """Weight of how far the pixels' means and deviations are from the style's (``losses``)."""
    rim: float = 0.0
    """Weight of what a margin of zeros changes within a picture (``networks.WIDE``); a network that
    is not kept from it paints a frame in the colors that it lacks."""

    normalization: str = "instance"
    """Of ``johnson`` and ``ulyanov``: ``instance`` or ``batch``."""
    width: int = 0
    """Channels of the first convolution of a network with built-in styles; 0: its paper's."""
    style_side: int = 256
    """Shorter side, in pixels, of the pictures whose styles are built in: the size of strokes."""
    even_styles: float = 0.0
    """How far the weights of built-in styles are evened out: loud ones, whose Gram matrices are
    large, drown quiet ones in the sum. 0: not at all, the papers'; 1: all count alike."""
    style_rate: float = 1.0
    """Learning rate of what belongs to built-in styles, or of a reader, in those of the rest: a
    gamma is around 1, a weight of a convolution around 0.05, and Adam's steps are of one size."""
    add_styles: bool = False
    """Keep the network of ``start`` and its styles as they are, and learn those of ``styles``
    beside them."""
    banks_every: int = 2
    """Steps of ``stylebank`` on its banks for each on the auto-encoder: T of the paper."""
    balance: float = 1.0
    """Its lambda: the auto-encoder's gradient against that of the step before."""

    optimizer: str = "muon"
    """``muon`` or ``adam``."""
    learning_rate: float = 2e-3
    """Of Adam, or of Muon, which is scaled to the step of Adam."""
    schedule: str = "cosine"
    """``cosine``: down to ``final_rate``; ``inverse``: 1 / (1 + ``decay`` * step)."""
    final_rate: float = 0.02
    """Share of the learning rate at the end of the cosine."""
    decay: float = 5e-5
    """How quickly the inverse schedule falls."""
    warmup: int = 200
    """Steps over which the learning rate rises."""
    clip: float = 1.0
    """Norm to which the gradient is clipped; 0: not at all."""
    ema: float = 0.999
    """Decay of the moving average of the weights, which is what is exported; 0: the last ones."""
    precision: str = "bf16"
    """Of networks and judge: ``bf16`` (weights and losses stay float32) or ``fp32``."""
    device: str = ""
    """``cpu`` or ``cuda``; empty: CUDA where there is a device."""
    compile: bool = False
    """Whether network and judge go through ``torch.compile`` (minutes at first, then quicker)."""
    seed: int = 0

    log_every: int = 20
    """Steps to a line of the log."""
    tensorboard: bool = False
    """Whether the log is written for TensorBoard too."""
    checkpoint_seconds: float = 180.0
    preview_every: int = 500
    """Steps between contact sheets and losses on held-out pictures; 0: none at all."""

    @property
    def reduced_to(self) -> int:
        """Shorter side that larger pictures are brought down to before crops are cut."""
        return max(288, 2 * self.crop, 2 * self.larger, self.resize)

    @property
    def least_side(self) -> int:
        """Shorter side of the smallest pictures that may be used."""
        return max(SMALLEST, math.ceil(self.crop / self.enlarge))

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise OptionError(f"{name} = {getattr(self, name)!r}; it is one of {choices}")
        for name in COUNTS:
            if getattr(self, name) < 1:
                raise OptionError(f"{name} = {getattr(self, name)}; it must be 1 or more")
        if self.crop < 16 or self.crop % 16:
            raise OptionError(f"crop = {self.crop}; it must be a multiple of 16")
        if self.larger and (self.larger <= self.crop or self.larger % 16 or self.resize):
            raise OptionError(
                f"larger = {self.larger} beside crop = {self.crop}, resize = {self.resize}; it is "
                "more than crop and a multiple of 16, and goes without resize"
            )
        if self.resize and self.resize < self.crop:
            raise OptionError(f"resize = {self.resize} is smaller than the crop of {self.crop} px")
        shares = (
            "content_scale",
            "style_scale",
            "style_jitter",
            "style_collage",
            "flip",
            "final_rate",
        )
        for name in (*shares, "even_styles"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionError(f"{name} = {getattr(self, name)}; it is a share, from 0 to 1")
        if self.width < 0 or self.style_side < 64 or not self.balance >= 0:
            raise OptionError(
                f"width = {self.width}, style_side = {self.style_side}, balance = {self.balance}; "
                "these are at least 0, 64 and 0"
            )
        if not 1 <= self.enlarge < math.inf:
            raise OptionError(f"enlarge = {self.enlarge}; it must be 1 or more")
        if not 0 <= self.minutes < math.inf:
            raise OptionError(f"minutes = {self.minutes}; it is a time, 0 (no limit) or more")
        if not 0 < self.style_rate < math.inf:
            raise OptionError(f"style_rate = {self.style_rate}; it must be above 0")
        if self.add_styles and not (self.start and self.optimizer == "adam"):
            # Muon moves a whole matrix, also where its gradient is 0.
            raise OptionError('add_styles needs start = "..." and optimizer = "adam"')
        if not 0 <= self.ema < 1:
            raise OptionError(f"ema = {self.ema}; it must be 0 or more and below 1")


def read_config(
    path: str | Path,
    *,
    changes: Mapping[str, object] | None = None,
    settings: Sequence[str] = (),
) -> TrainConfig:
    """The config in a TOML file; ``OptionError`` names what is wrong with it.

    ``changes`` take the place of fields of the file, and so do ``settings``, texts such as
    ``"iterations=500"`` and ``"start=runs/a/checkpoint.pt"``.
    """
    path = Path(path)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"{path}: cannot be read as TOML ({error})") from error
    values |= dict(changes or {}) | dict(_setting(text) for text in settings)
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
        kind = str(known[name].type)
        if not _fits(value, kind):
            raise OptionError(f"{path}: {name} = {value!r} is not of type {kind}")
        checked[name] = float(value) if kind == "float" else value
    try:
        return TrainConfig(**checked)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _setting(text: str) -> tuple[str, object]:
    name, mark, value = (part.strip() for part in text.partition("="))
    if not mark or not name:
        raise OptionError(f"{text!r} is no setting: write FIELD=VALUE, such as iterations=500")
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value  # a text without its quotes


def _fits(value: object, kind: str) -> bool:
    if kind == "dict[str, float]":
        return isinstance(value, dict) and all(_fits(share, "float") for share in value.values())
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    types = {"str": str, "int": int, "float": (int, float)}
    return isinstance(value, types[kind])


def write_config(config: TrainConfig, path: str | Path) -> None:
    """Write ``config``, whole or not at all, as TOML that ``read_config`` reads back as equal."""
    lines, tables = [], []
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if isinstance(value, dict):
            tables += [f"\n[{f.name}]", *(f"{_toml(k)} = {share}" for k, share in value.items())]
        else:
            lines.append(f"{f.name} = {_toml(value)}")
    write_whole(Path(path), ("\n".join(lines + tables) + "\n").encode(), overwrite=True)


def _toml(value: str | float) -> str:
    # The strings and truth values of JSON are those of TOML; numbers are Python's.
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)


def finetune_config(
    photographs: str | Path,
    paintings: str | Path,
    *,
    vgg: str | Path | None = None,
    model: str = "quality",
    iterations: int = 1500,
) -> TrainConfig:
    """The config that trains ``model`` further on a collection.

    Small steps and few of them: the model can paint already, and shall learn the collection's
    palette and strokes without losing its drawing.  Every picture is used four times, in other
    pairs each time, which halves the time (``lessons``).  About ten minutes for 40 paintings on two
    processor cores.

    Args:
        photographs: folder, shard or pattern of shards; some hundred are enough.
        paintings: the same; 20 or more.
        vgg: file of the normalised VGG-19, the judge; by default what ``$IMPASTO_VGG`` names.
        model: ``quality`` or ``fast``.
        iterations: steps of 4 pairs.

    Returns:
        A config for ``train``.

    Raises:
        ModelError: if there is no VGG file.
        OptionError: for a model that does not ship.

    Example:
        >>> finetune_config("photos", "paintings", vgg="vgg.pth")           # doctest: +SKIP
    """
    judge = find_vgg(vgg, normalised=True)
    if model not in ("quality", "fast"):
        raise OptionError(f"model {model!r} does not ship; fine-tune 'quality' or 'fast'")
    return TrainConfig(
        network=model,
        start=model,
        vgg=str(judge),
        contents={str(photographs): 1.0},
        styles={str(paintings): 1.0},
        iterations=iterations,
        batch=4,
        repeats=4,
        crop=192,
        style_jitter=0.1,
        content=10.0,
        style=20.0,
        identity=20.0,
        mesh=2.0,
        learning_rate=4e-4,
        style_rate=0.1,
        final_rate=0.03,
        warmup=20,
        ema=0.99,
        preview_every=100,
    )
