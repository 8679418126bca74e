"""Config of a training run: frozen tables of fields, read from and written to TOML.

The tables and fields depend on the network (``Tables``, in its row): settings that do not apply to
it have no field, and are rejected.
"""

from __future__ import annotations

import dataclasses
import json
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

from impasto.errors import OptionError
from impasto.images.files import write_whole
from impasto.images.kinds import kind_of, wrong_kind
from impasto.lab.data.cropping import Crops
from impasto.lab.data.sources import SMALLEST
from impasto.lab.losses import STYLE_LAYERS
from impasto.lab.training.registry import HOMES, load_row
from impasto.lab.training.terms import GRAM_TERMS, STYLE_TERMS, Distances, Term

CHOICES = {
    "name": ("muon", "adam"),
    "schedule": ("cosine", "inverse"),
    "style_units": ("mean", "sum"),
    "precision": ("auto", "bf16", "fp32"),
    "normalization": ("instance", "batch"),
    "content_target": ("aligned", "content"),
}
"""Allowed values of fields with a choice."""


def check_choice(table: object, name: str) -> None:
    """Raise ``OptionError`` unless a field of ``table`` is one of its ``CHOICES``."""
    value = getattr(table, name)
    if value not in CHOICES[name]:
        raise OptionError(f"{name} = {value!r}; it must be one of {CHOICES[name]}")


def check_counts(table: object, *names: str) -> None:
    """Raise ``OptionError`` unless these fields of ``table`` are 1 or more."""
    for name in names:
        if getattr(table, name) < 1:
            raise OptionError(f"{name} = {getattr(table, name)}; it must be 1 or more")


def check_shares(table: object, *names: str) -> None:
    """Raise ``OptionError`` unless these fields of ``table`` are from 0 to 1."""
    for name in names:
        if not 0 <= getattr(table, name) <= 1:
            raise OptionError(f"{name} = {getattr(table, name)}; it must be a share from 0 to 1")


def check_factors(layers: Mapping[str, float]) -> None:
    """Raise ``OptionError`` unless the factors of ``style_layers`` are above 0."""
    for layer, factor in layers.items():
        if not 0 < factor < math.inf:
            raise OptionError(f"style_layers: {layer} = {factor}; a factor must be above 0")


@dataclass(frozen=True)
class Data:
    """``[data]``: pictures, and how they are cropped."""

    contents: dict[str, float]
    """Photographs -> how often they are drawn from: folders, tar shards, or a pattern of them."""
    styles: dict[str, float]
    """Paintings -> how often they are drawn from: the same.  For a network with built-in styles
    every file is a style, named after the file or by a key ``"NAME=FILE"``."""
    crop: int = 128
    """Side of the training crops in pixels, a multiple of 16."""
    resize: int = 0
    """Shorter side to which pictures are resized before unscaled crops are cut; 0: crops of random
    sizes, at least ``content_scale``."""
    content_scale: float = 0.5
    """Least share of the shorter side of a photograph that a crop covers."""
    enlarge: float = Crops.enlarge
    """Largest factor by which a crop may be enlarged; pictures too small even for that are
    skipped."""
    flip: float = 0.5
    """Share of crops that are mirrored."""
    memory: float = 4.0
    """Gigabytes of decoded pictures to cache, for contents and styles each, per process; larger
    sets are decoded again on each use."""

    @property
    def reduced_to(self) -> int:
        """Shorter side to which larger pictures are reduced before cropping."""
        return max(288, 2 * self.crop, self.resize)

    @property
    def least_side(self) -> int:
        """Shorter side of the smallest pictures that may be used."""
        return max(SMALLEST, math.ceil(self.crop / self.enlarge))

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        if self.crop < 16 or self.crop % 16:
            raise OptionError(f"crop = {self.crop}; it must be a multiple of 16")
        if self.resize and self.resize < self.crop:
            raise OptionError(f"resize = {self.resize} is smaller than the crop of {self.crop} px")
        check_shares(self, "content_scale", "flip")
        if not 1 <= self.enlarge < math.inf:
            raise OptionError(f"enlarge = {self.enlarge}; it must be 1 or more")


@dataclass(frozen=True)
class PairData(Data):
    """``[data]`` of networks for any style: photographs are paired with crops of paintings."""

    repeats: int = 1
    """Number of uses of a picture: its features are computed once; photographs and styles are
    paired anew each time (``batches``)."""
    style_scale: float = 0.4
    """Least share of the shorter side of a painting that a crop covers."""
    style_jitter: float = 0.33
    """Share of styles with permuted channels and changed contrast."""
    style_collage: float = 0.0
    """Share of styles composed of crops of two paintings, side by side: a few hundred paintings
    give as many looks as there are pairs of them."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        check_counts(self, "repeats")
        check_shares(self, "style_scale", "style_jitter", "style_collage")


@dataclass(frozen=True)
class Loss:
    """``[loss]``: the weight of each term (``terms``), by its name."""

    weights: dict[str, float] = field(default_factory=dict)
    """In TOML a field each.  Omitted ones have the weight of their row."""

    files: ClassVar[tuple[str, ...]] = ()
    """Fields that name a file."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        for name, weight in self.weights.items():
            if not 0 <= weight < math.inf:
                raise OptionError(f"{name} = {weight}; it must be 0 or more")


@dataclass(frozen=True)
class UnitLoss(Loss):
    """``[loss]`` where the style loss compares means and deviations."""

    style_units: str = "mean"
    """``mean``: squares averaged over channels; ``sum``: summed, as the paper's authors do."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        check_choice(self, "style_units")

    @property
    def distances(self) -> Distances:
        """Layers and norms of the terms ``content`` and ``style``."""
        return Distances(units=self.style_units)


@dataclass(frozen=True)
class TargetLoss(UnitLoss):
    """``[loss]`` of networks for any style."""

    content_target: str = "aligned"
    """Target features of the content loss: ``aligned``, those of the photograph with the style's
    moments, the paper's t; ``content``, its own, f(c)."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        check_choice(self, "content_target")


@dataclass(frozen=True)
class GramLoss(Loss):
    """``[loss]`` of networks with built-in styles, which compares Gram matrices."""

    content_layer: str = ""
    """VGG layer of the content loss; empty: the paper's."""
    style_layers: dict[str, float] = field(default_factory=dict)
    """Layers of the style loss, and their factors; empty: the paper's, with equal factors."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        check_factors(self.style_layers)


@dataclass(frozen=True)
class MomentLoss(TargetLoss):
    """``[loss]`` where layers and norms are settings, for ablations."""

    content_layer: str = Distances.content_layer
    """VGG layer of the content loss."""
    squared: bool = Distances.squared
    """Squares of the distances, as in the code of the paper's authors; false: the 2-norms as
    printed in eqs. 12 and 13, with ``style_units = "mean"`` divided by the root of the number of
    compared values."""
    style_layers: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STYLE_LAYERS, 1.0))
    """Layers of the style loss, and their factors."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        if not self.style_layers:
            raise OptionError("style_layers has no layer; give one or more, such as relu3_1")
        check_factors(self.style_layers)

    @property
    def distances(self) -> Distances:
        """See :class:`UnitLoss`."""
        return Distances(
            self.style_units, self.content_layer, self.squared, tuple(self.style_layers.items())
        )


@dataclass(frozen=True)
class Optimizer:
    """``[optimizer]``: how weights are updated."""

    name: str = "muon"
    """``muon`` or ``adam``."""
    learning_rate: float = 2e-3
    """Learning rate of Adam, or of Muon, which is scaled to the step of Adam."""
    schedule: str = "cosine"
    """``cosine``: down to ``final_rate``; ``inverse``: 1 / (1 + ``decay`` * step)."""
    final_rate: float = 0.02
    """Share of the learning rate at the end of the cosine."""
    decay: float = 5e-5
    """Rate at which the inverse schedule falls."""
    warmup: int = 200
    """Steps over which the learning rate rises."""
    clip: float = 1.0
    """Norm to which the gradient is clipped; 0: no clipping."""
    ema: float = 0.999
    """Decay of the moving average of the weights, which is exported; 0: the last weights."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        check_choice(self, "name")
        check_choice(self, "schedule")
        check_shares(self, "final_rate")
        if not 0 <= self.ema < 1:
            raise OptionError(f"ema = {self.ema}; it must be 0 or more and below 1")


@dataclass(frozen=True)
class StyleOptimizer(Optimizer):
    """``[optimizer]`` of networks with parameters that belong to styles."""

    style_rate: float = 1.0
    """Learning rate of the parameters of styles (``style_parameters``), relative to the rest: a
    gamma is around 1, a weight of a convolution around 0.05, and Adam's steps have one size."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        if not 0 < self.style_rate < math.inf:
            raise OptionError(f"style_rate = {self.style_rate}; it must be above 0")


@dataclass(frozen=True)
class Method:
    """A table with the fields of one method; this one has none."""

    sources: ClassVar[tuple[str, ...]] = ()
    """Fields that name a checkpoint, a bundle or an included model, like ``start``."""


@dataclass(frozen=True)
class BuiltInMethod(Method):
    """The table of a network with built-in styles."""

    width: int = 0
    """Channels of the first convolution; 0: its paper's."""
    style_side: int = 256
    """Shorter side, in pixels, of the pictures of built-in styles; it sets the size of strokes."""
    even_styles: float = 0.0
    """Degree to which the weights of built-in styles are equalized: styles with large Gram matrices
    dominate the sum. 0: not at all, as in the papers; 1: all have equal weight."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        check_shares(self, "even_styles")
        if self.width < 0 or self.style_side < 64:
            raise OptionError(
                f"width = {self.width}, style_side = {self.style_side}; the minimums are 0 and 64"
            )


@dataclass(frozen=True)
class OneStyleMethod(BuiltInMethod):
    """``[johnson]`` and ``[ulyanov]``."""

    normalization: str = "instance"
    """``instance`` or ``batch``."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        check_choice(self, "normalization")


@dataclass(frozen=True)
class ManyStylesMethod(BuiltInMethod):
    """``[cin]``."""

    add_styles: bool = False
    """Keep the network of ``start`` and its styles unchanged, and add those of ``styles``."""


@dataclass(frozen=True)
class StyleBankMethod(ManyStylesMethod):
    """``[stylebank]``."""

    banks_every: int = 2
    """Steps on the banks for each on the auto-encoder: T of the paper."""
    balance: float = 1.0
    """Lambda of the paper: the auto-encoder's gradient relative to that of the step before."""
    normalization: str = "instance"
    """``instance`` as in the paper, or ``batch``, which it found worse near borders."""

    def __post_init__(self) -> None:
        """Raise ``OptionError`` for a value out of its range."""
        super().__post_init__()
        check_choice(self, "normalization")
        if self.add_styles and self.normalization == "batch":
            # Its running statistics belong to no style, and would change for the existing ones.
            raise OptionError('add_styles needs normalization = "instance"')
        check_counts(self, "banks_every")
        if not self.balance >= 0:
            raise OptionError(f"balance = {self.balance}; it must be 0 or more")


@dataclass(frozen=True)
class Tables:
    """The tables that the config of a network has.

    Attributes:
        terms: the terms of its loss.
        data: the type of ``[data]``.
        loss: the type of ``[loss]``; the terms are fields of that table, too.
        optimizer: the type of ``[optimizer]``.
        method: the type of its own table.
        title: the name of its own table in TOML; empty where it has none.
        logged: further columns of its log, without a weight.
    """

    terms: tuple[Term, ...] = STYLE_TERMS
    data: type[Data] = PairData
    loss: type[Loss] = MomentLoss
    optimizer: type[Optimizer] = Optimizer
    method: type[Method] = Method
    title: str = ""
    logged: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all measurements of a step, for the columns of logs."""
        return (*(term.name for term in self.terms), *self.logged)

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Names of the fields of each table in TOML; "" is the top."""
        found = {
            "": tuple(f.name for f in dataclasses.fields(TrainConfig) if f.name not in _PARTS),
            "data": _names(self.data),
            "loss": (*(term.name for term in self.terms), *_names(self.loss)),
            "optimizer": _names(self.optimizer),
        }
        return found | ({self.title: _names(self.method)} if self.title else {})


def _names(table: type) -> tuple[str, ...]:
    return tuple(f.name for f in dataclasses.fields(table) if f.name != "weights")


def built_in_tables(
    title: str, method: type[Method], *, optimizer: type[Optimizer] = Optimizer, logged: str = ""
) -> Tables:
    """Return the tables of a network with built-in styles."""
    return Tables(GRAM_TERMS, Data, GramLoss, optimizer, method, title, (logged,) if logged else ())


_LEFT_OUT: Any = None  # filled in when a config is created


@dataclass(frozen=True)
class TrainConfig:
    """One stage of training: fields of the run itself, and four tables."""

    network: str
    """A name of ``registry.network_names``: ``fast``, ``quality``, ``adain``, ..., or the location
    of another one, ``module:NAME``."""
    vgg: str
    """File of the normalised VGG-19: the judge of content and style."""
    data: Data
    loss: Loss = _LEFT_OUT
    """If omitted, every term has the weight of its row."""
    optimizer: Optimizer = _LEFT_OUT
    method: Method = _LEFT_OUT
    """In TOML under the name of the method: ``[johnson]``, ``[stylebank]``, ..."""

    start: str = ""
    """Checkpoint, bundle (``.impasto``) or model by name to start from; empty: random weights."""
    iterations: int = 10_000
    minutes: float = 0.0
    """Time limit of training, for machines with limited availability: if not 0, the cosine follows
    it where it is ahead of the steps, and training ends with it. The number of steps then depends
    on the machine, so runs are not exactly reproducible."""
    batch: int = 8
    """Pairs per step, over all processes and parts: a config means the same on any machine."""
    accumulate: int = 1
    """Parts into which a process divides its share of the batch, to save memory."""
    precision: str = "auto"
    """Precision of networks and judge: ``bf16`` (weights and losses stay float32), ``fp32``, or
    ``auto``: bf16 on a device that has instructions for it. A processor that emulates it takes
    about 20 times as long for a convolution."""
    device: str = ""
    """``cpu`` or ``cuda``; empty: CUDA if available."""
    compile: bool = False
    """Pass network and judge through ``torch.compile`` (minutes at first, then faster)."""
    seed: int = 0

    log_every: int = 20
    """Steps per line of the log."""
    tensorboard: bool = False
    """Write the log for TensorBoard too."""
    checkpoint_seconds: float = 180.0
    preview_every: int = 500
    """Steps between contact sheets and losses on held-out pictures; 0: none."""
    score_pairs: int = 32
    """Held-out pairs for the losses on the bundle's card; fewer are faster but less precise."""
    score_size: int = 256
    """Side of their pictures in pixels, a multiple of 16."""

    def __post_init__(self) -> None:
        """Fill in omitted tables and weights; raise ``OptionError`` for what does not fit."""
        tables = tables_of(self.network)
        for name in ("loss", "optimizer", "method"):
            if getattr(self, name) is None:
                object.__setattr__(self, name, getattr(tables, name)())
        for name in _PARTS:
            if type(getattr(self, name)) is not getattr(tables, name):
                raise OptionError(
                    f"{name} of network {self.network!r} is {getattr(tables, name).__name__}, not "
                    f"{type(getattr(self, name)).__name__}"
                )
        terms = {term.name: term.weight for term in tables.terms}
        for name in self.loss.weights:
            if name not in terms:
                raise OptionError(_unknown(name, "loss", self.network))
        object.__setattr__(self, "loss", replace(self.loss, weights=terms | self.loss.weights))
        check_choice(self, "precision")
        check_counts(self, "iterations", "batch", "accumulate", "log_every", "score_pairs")
        if self.score_size < 16 or self.score_size % 16:
            raise OptionError(f"score_size = {self.score_size}; it must be a multiple of 16")
        if not 0 <= self.minutes < math.inf:
            raise OptionError(f"minutes = {self.minutes}; it must be 0 (no limit) or more")
        if self.add_styles and not (self.start and self.optimizer.name == "adam"):
            # Muon updates a whole matrix, also where its gradient is 0.
            raise OptionError('add_styles needs start = "..." and optimizer.name = "adam"')

    @property
    def terms(self) -> tuple[Term, ...]:
        """The rows of the loss of this network."""
        return tables_of(self.network).terms

    def weight(self, term: str) -> float:
        """Return the weight of a term; 0 where the network has no such term."""
        return self.loss.weights.get(term, 0.0)

    @property
    def distances(self) -> Distances:
        """Layers and norms of the terms ``content`` and ``style``."""
        return self.loss.distances if isinstance(self.loss, UnitLoss) else Distances()

    @property
    def keeps_content(self) -> bool:
        """True where the content loss targets the photograph's own features."""
        return isinstance(self.loss, TargetLoss) and self.loss.content_target == "content"

    @property
    def style_rate(self) -> float:
        """Learning rate of the parameters of styles, relative to the rest."""
        return self.optimizer.style_rate if isinstance(self.optimizer, StyleOptimizer) else 1.0

    @property
    def repeats(self) -> int:
        """Number of uses of a picture."""
        return self.data.repeats if isinstance(self.data, PairData) else 1

    @property
    def add_styles(self) -> bool:
        """True where styles are added to those of ``start``."""
        return isinstance(self.method, ManyStylesMethod) and self.method.add_styles


_PARTS = ("data", "loss", "optimizer", "method")
"""The fields of a config that are tables."""


def tables_of(network: str) -> Tables:
    """Return the tables of a network's config; raise ``OptionError`` for an unknown network."""
    tables: Tables = load_row(network).tables
    return tables


def _unknown(name: str, table: str, network: str) -> str:
    """Return the message about an unknown field: its correct table, or similar names."""
    fields = tables_of(network).fields()
    place = f"[{table}]" if table else "the top level of a config"
    for other, names in fields.items():
        if name in names:
            home = f"[{other}] (--set {other}.{name})" if other else f"the top level (--set {name})"
            return f"{name!r} does not belong in {place}; put it in {home}"
    owners = [
        other
        for other, tables in ((name, tables_of(name)) for name in HOMES)
        if any(name in names for names in tables.fields().values()) or name == tables.title
    ]
    if owners:
        return f"{network!r} has no {name!r} ({place}); only these have it: {', '.join(owners)}"
    choices = [*fields[table], *(each for each in fields if each and not table)]
    if close := get_close_matches(name, choices, n=1):
        return f"{place} of {network!r} has no field {name!r}; did you mean {close[0]!r}?"
    everywhere = [(other, each) for other, names in fields.items() for each in names]
    if close := get_close_matches(name, [each for _, each in everywhere], n=1):
        other = next(other for other, each in everywhere if each == close[0])
        return (
            f"{place} of {network!r} has no field {name!r}; did you mean "
            f"{f'{other}.' if other else ''}{close[0]}?"
        )
    return f"{place} of {network!r} has no field {name!r}; its fields are {', '.join(choices)}"


def parse_config(values: Mapping[str, Any]) -> TrainConfig:
    """Return the config of nested tables as in TOML; ``OptionError`` names the fault."""
    values = dict(values)
    for name in ("network", "vgg"):
        if not isinstance(values.get(name, ""), str):
            raise OptionError(f"{name} = {values[name]!r} is not of type str")
        if name not in values:
            raise OptionError(f"{name} is missing")
    network = values["network"]
    tables = tables_of(network)
    if "contents" in values or isinstance(values.get("optimizer"), str):
        raise OptionError(
            "its fields are not in tables, as in old configs; move them into [data], [loss], "
            "[optimizer] and the table of the method, as in docs/training.md"
        )
    titles = {"data", "loss", "optimizer", tables.title}
    for name in values:
        if name not in titles and name not in tables.fields()[""]:
            raise OptionError(_unknown(name, "", network))
    parts: dict[str, Any] = {}
    for part, title in zip(_PARTS, ("data", "loss", "optimizer", tables.title), strict=True):
        table = values.pop(title, {}) if title else {}
        if not isinstance(table, dict):
            raise OptionError(f"{title} = {table!r}; it must be a table, [{title}]")
        parts[part] = _parse_part(table, part, title, network)
    return TrainConfig(**_checked(values, TrainConfig, "", network, leave_out=_PARTS), **parts)


def _parse_part(table: dict[str, Any], part: str, title: str, network: str) -> object:
    tables = tables_of(network)
    kind = getattr(tables, part)
    if part != "loss":
        return kind(**_checked(table, kind, title, network))
    terms = [term.name for term in tables.terms]
    weights = {name: value for name, value in table.items() if name in terms}
    for name, value in weights.items():
        if not _fits(value, "float"):
            raise OptionError(f"loss.{name} = {value!r} is not of type float")
    rest = {name: value for name, value in table.items() if name not in terms}
    options = _checked(rest, kind, title, network, leave_out=("weights",))
    return kind(weights={name: float(value) for name, value in weights.items()}, **options)


def _checked(
    values: Mapping[str, Any],
    kind: type,
    title: str,
    network: str,
    *,
    leave_out: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the values for the fields of a table, with their types."""
    known = {f.name: f for f in dataclasses.fields(kind) if f.name not in leave_out}
    checked: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise OptionError(_unknown(name, title, network))
        wanted = _type_of(known[name])
        if not _fits(value, wanted):
            dotted = f"{title}.{name}" if title else name
            raise OptionError(f"{dotted} = {value!r} is not of type {wanted}")
        checked[name] = float(value) if wanted == "float" else value
    for name, f in known.items():
        if name not in values and f.default is f.default_factory is dataclasses.MISSING:
            raise OptionError(f"{title}.{name} is missing" if title else f"{name} is missing")
    return checked


def read_config(
    path: str | Path,
    *,
    changes: Mapping[str, object] | None = None,
    settings: Sequence[str] = (),
) -> TrainConfig:
    """Return the config in a TOML file; ``OptionError`` names the fault.

    Args:
        path: the file.
        changes: values that replace those in the file, by their dotted names, such as
            ``{"data.crop": 64}``.
        settings: the same as texts, such as ``"iterations=500"``, ``"loss.style=2"`` and
            ``"start=runs/a/checkpoint.pt"``.
    """
    path = Path(path)
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        raise OptionError(wrong_kind(path, "a training config (TOML)")) from error
    except tomllib.TOMLDecodeError as error:
        kind = kind_of(path)
        if kind is not None and not kind.name.startswith("a text"):
            raise OptionError(wrong_kind(path, "a training config (TOML)")) from error
        raise OptionError(f"{path}: cannot be read as TOML ({error})") from error
    _change(values, [*(changes or {}).items(), *(_setting(text) for text in settings)])
    try:
        return parse_config(values)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None


def _change(values: dict[str, Any], changes: Iterable[tuple[str, object]]) -> None:
    for dotted, value in changes:
        table, _, name = dotted.rpartition(".")
        inner = values.setdefault(table, {}) if table else values
        if isinstance(inner, dict):  # otherwise the reader reports that it must be a table
            inner[name] = value


def _setting(text: str) -> tuple[str, object]:
    name, mark, value = (part.strip() for part in text.partition("="))
    if not mark or not name:
        raise OptionError(
            f"{text!r} is not a setting; write FIELD=VALUE, such as iterations=500 or loss.style=2"
        )
    try:
        return name, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name, value  # a string without its quotes


def _type_of(field: dataclasses.Field[Any]) -> str:
    """Return the type of a field as written; the class itself without postponed annotations."""
    kind = field.type
    written = kind.__name__ if isinstance(kind, type) and "[" not in str(kind) else str(kind)
    if written not in _TYPES:
        raise OptionError(
            f"{field.name} has the unsupported type {written}; a field of a table must be one of "
            + ", ".join(_TYPES)
        )
    return written


_TYPES = ("str", "int", "float", "bool", "tuple[int, ...]", "dict[str, float]")


def _fits(value: object, kind: str) -> bool:
    if kind == "dict[str, float]":
        return isinstance(value, dict) and all(_fits(share, "float") for share in value.values())
    if kind == "tuple[int, ...]":
        return isinstance(value, list | tuple) and all(_fits(each, "int") for each in value)
    if kind == "bool" or isinstance(value, bool):
        return kind == "bool" and isinstance(value, bool)
    types: dict[str, type | tuple[type, ...]] = {
        "str": str, "int": int, "float": (int, float)
    }  # fmt: skip
    return isinstance(value, types[kind])


def write_config(config: TrainConfig, path: str | Path) -> None:
    """Write ``config`` atomically, as TOML that ``read_config`` reads back as equal."""
    write_whole(Path(path), config_text(config).encode(), overwrite=True)


def config_text(config: TrainConfig) -> str:
    """Return the TOML of a config, as :func:`write_config` writes it."""
    top = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    lines = [f"{name} = {_toml(value)}" for name, value in top.items() if name not in _PARTS]
    titles = ("data", "loss", "optimizer", tables_of(config.network).title)
    for part, title in zip(_PARTS, titles, strict=True):
        values = {f.name: getattr(top[part], f.name) for f in dataclasses.fields(top[part])}
        values = values.pop("weights", {}) | values
        if not values:
            continue
        lines.append(f"\n[{title}]")
        lines += [f"{k} = {_toml(v)}" for k, v in values.items() if not isinstance(v, dict)]
        for name, inner in values.items():
            if isinstance(inner, dict):
                lines.append(f"\n[{title}.{name}]")
                lines += [f"{_toml(key)} = {share}" for key, share in inner.items()]
    return "\n".join(lines) + "\n"


def _toml(value: str | float | tuple[int, ...]) -> str:
    if isinstance(value, tuple):
        return repr(list(value))
    # The strings and truth values of JSON are those of TOML; numbers are Python's.
    return json.dumps(value) if isinstance(value, str | bool) else repr(value)
