"""The card of a model, ``card.json``: its network, requirements and origin."""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any

from impasto.errors import ModelError

FORMAT = 1
"""The number of the format written here, and the only one that is read."""

CONTROLS = ("alpha", "several", "masks")
"""Controls that a model with built-in styles may support: strength, mixtures of styles by weights,
and masks."""

PRECISIONS = ("fp32", "bf16")
"""Numeric precisions that a card may request: those in which engines run the graphs unchanged."""

# Fields that only some models use. Cards of the others omit them, so that the bytes of existing
# bundles do not change.
_BUILT_IN = ("styles", "controls", "pixel_bytes")
_OPTIONAL = (
    "precision",
    "reader_macs_512",
    "style_numbers",
    "bank_channels",
    "int8",
    "int8_psnr",
)


@dataclass(frozen=True)
class Level:
    """A depth of the network at which statistics are aligned.

    The level ``impasto.controls.descreen.COMB`` has no statistics: it is one channel that is 0 in
    every picture, and its aligned value is the share of a mesh that the decoder removes.

    Attributes:
        name: the layer's name, such as ``relu4_1``.
        channels: C of its features.
        stride: pixels of the image for one of its pixels, along each side.
    """

    name: str
    channels: int
    stride: int

    def __post_init__(self) -> None:
        if self.channels < 1 or self.stride < 1:
            raise ModelError(
                f"level {self.name!r} must have channels and stride of 1 or more, "
                f"not {self.channels} and {self.stride}"
            )


@dataclass(frozen=True)
class Card:
    """Description of a model: its network, requirements and origin.

    Attributes:
        name: short, as on the command line.
        title: a line for users.
        architecture: the network, in a line.
        levels: where statistics are aligned, finest first; at least one.
        multiple: height and width given to the graphs must be multiples of this, in pixels.
        rim: receptive field of encoder and decoder together: the farthest pixels on each side that
            an output pixel depends on.
        parameters: number of weights in both graphs.
        macs_512: multiply-adds for one 512 x 512 picture, both graphs.
        data: the training data.
        iterations: steps of training.
        losses: the losses reached, by name.
        licence: of the weights.
        notes: anything else worth knowing.
        margin: pixels of reflected border to put around a picture before encoding and to cut off
            after decoding, a multiple of ``multiple``; for networks that pad with zeros inside,
            whose edges would otherwise be visible.
        encoder_rim: receptive field of the encoder alone, a part of ``rim``: pixels on each side of
            its own cell that a position of the features depends on; 0: unknown.
        styles: names of the built-in styles; empty for a model that accepts any style. A model with
            styles has no levels.
        style_numbers: parameters per style, which are kept beside the graphs; 0: the model has one
            style, which is the network itself.
        bank_channels: channels of the features that styles filter, in a model whose styles are
            banks of filters between an encoder and a decoder; 0: styles affect the whole network.
        controls: supported controls of built-in styles, names in ``CONTROLS``.
        pixel_bytes: maximum memory per pixel while the model works on it; 0: unknown.
        reader_macs_512: multiply-adds of the graph ``reader.onnx`` for one 512 x 512 style, without
            those of the encoder; 0: the model has no reader and uses the style's own moments.
        precision: default precision, a name in ``PRECISIONS``; "" for the engine's first. Set for
            deep networks whose pictures change visibly in bfloat16.
        int8: how the decoder in int8 was made, in a line; "" for a model without one.
        int8_psnr: PSNR of its pictures against those in single precision, in dB: ``mean`` and
            ``min`` over the pairs that the line names.
        format: number of the bundle's format.

    Raises:
        ModelError: if the numbers contradict each other.
    """

    name: str
    title: str
    architecture: str
    levels: tuple[Level, ...]
    multiple: int
    rim: int
    parameters: int
    macs_512: int
    data: str
    iterations: int
    losses: dict[str, float]
    licence: str
    notes: str
    margin: int = 0
    encoder_rim: int = 0
    styles: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    style_numbers: int = 0
    bank_channels: int = 0
    pixel_bytes: int = 0
    reader_macs_512: int = 0
    precision: str = ""
    int8: str = ""
    int8_psnr: dict[str, float] = field(default_factory=dict)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not self.levels and not self.styles:
            raise ModelError(f"the card of model {self.name!r} has no levels")
        if self.styles and (self.levels or len(set(self.styles)) < len(self.styles)):
            raise ModelError(
                f"the card of model {self.name!r} has built-in styles, so it must have no levels "
                "and no style twice"
            )
        if self.styles and not self.style_numbers and (len(self.styles) > 1 or self.controls):
            raise ModelError(
                f"the card of model {self.name!r} has built-in styles, but 'style_numbers' is 0: "
                "it was written before styles were stored beside the graphs; export its run again"
            )
        if (self.style_numbers or self.bank_channels) and not self.styles:
            raise ModelError("'style_numbers' and 'bank_channels' are for built-in styles")
        if self.bank_channels and not self.style_numbers:
            raise ModelError("'bank_channels' needs 'style_numbers'")
        if unknown := set(self.controls) - set(CONTROLS):
            raise ModelError(
                f"'controls' has an unknown {min(unknown)!r}; known are {', '.join(CONTROLS)}"
            )
        if self.precision and self.precision not in PRECISIONS:
            raise ModelError(
                f"'precision' must be one of {', '.join(PRECISIONS)}, not {self.precision!r}"
            )
        if self.multiple < 1:
            raise ModelError(f"'multiple' must be 1 or more, not {self.multiple}")
        for count in (
            "rim",
            "encoder_rim",
            "parameters",
            "macs_512",
            "iterations",
            "margin",
            "style_numbers",
            "bank_channels",
            "pixel_bytes",
            "reader_macs_512",
        ):
            if getattr(self, count) < 0:
                raise ModelError(f"'{count}' must be 0 or more, not {getattr(self, count)}")
        if self.styles and self.reader_macs_512:
            raise ModelError(
                f"the card of model {self.name!r} has built-in styles, so it cannot have a "
                "reader: 'reader_macs_512' must be 0"
            )
        if self.int8_psnr and not self.int8:
            raise ModelError("'int8_psnr' needs 'int8', which says how the decoder was made")
        if self.int8 and self.styles:
            raise ModelError(
                f"the card of model {self.name!r} has built-in styles, so it cannot have an "
                "int8 decoder: leave 'int8' out"
            )
        if self.margin % self.multiple:
            raise ModelError(
                f"'margin' must be a multiple of {self.multiple} ('multiple'), not {self.margin}"
            )
        if self.encoder_rim > self.rim:
            raise ModelError(
                f"'encoder_rim' must be at most 'rim', which is {self.rim}, not {self.encoder_rim}"
            )
        for level in self.levels:
            if self.multiple % level.stride:
                raise ModelError(
                    f"'multiple' must be a multiple of the stride {level.stride} of level "
                    f"{level.name!r}, not {self.multiple}"
                )
        for name, loss in self.losses.items():
            if not _is_number(loss):
                raise ModelError(f"loss {name!r} must be a finite number, not {_kind(loss)}")
        for name, psnr in self.int8_psnr.items():
            if not _is_number(psnr):
                raise ModelError(f"PSNR {name!r} must be a finite number, not {_kind(psnr)}")


def read_card(text: str | bytes) -> Card:
    """Parse a card from JSON and check every field.

    Args:
        text: a JSON object with the fields of :class:`Card`; those with a default may be absent.

    Raises:
        ModelError: if it is not JSON, of another format, or a field is missing, unknown, of the
            wrong type or out of range.

    Example:
        >>> read_card("{}")
        Traceback (most recent call last):
        impasto.errors.ModelError: the card has no 'format'
    """
    try:
        raw = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the card is not JSON ({first_line(error)})") from error
    if not isinstance(raw, dict):
        raise ModelError(f"the card must be a JSON object, not {_kind(raw)}")
    if "format" not in raw:
        raise ModelError("the card has no 'format'")
    if raw["format"] != FORMAT:
        # First, since the fields of a later format may have other meanings.
        raise ModelError(
            f"its format is {raw['format']!r} and this Impasto reads {FORMAT}; update Impasto"
        )
    values = _fields(raw, Card, "the card")
    levels = values["levels"]
    values["levels"] = tuple(
        Level(**_fields(level, Level, f"level {index} of the card"))
        for index, level in enumerate(levels)
    )
    for name in ("styles", "controls"):
        values[name] = _texts(values.get(name, []), name)
    return Card(**values)


def write_card(card: Card) -> str:
    """Return the JSON text of a card, the inverse of :func:`read_card`.

    Example:
        >>> write_card(card)                                           # doctest: +SKIP
    """
    values = asdict(card)
    unused = [] if card.styles else list(_BUILT_IN)
    for name in [*unused, *(each for each in _OPTIONAL if not values[each])]:
        del values[name]
    return json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


_KINDS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "tuple[Level, ...]": (list,),
    "tuple[str, ...]": (list,),
    "dict[str, float]": (dict,),
}


def _fields(raw: object, shape: type[Card] | type[Level], where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise ModelError(f"{where} must be a JSON object, not {_kind(raw)}")
    known = {each.name: each for each in fields(shape)}
    for name in raw:
        if name not in known:
            raise ModelError(f"{where} has an unknown field {name!r}")
    for name, each in known.items():
        if name not in raw:
            if each.default is each.default_factory is MISSING:
                raise ModelError(f"{where} has no {name!r}")
            continue
        # Annotations are text in this file, so the table above is keyed by text.
        if not isinstance(raw[name], _KINDS[str(each.type)]) or isinstance(raw[name], bool):
            raise ModelError(f"{name!r} in {where} must be {each.type}, not {_kind(raw[name])}")
    return dict(raw)


def _texts(values: list[object], name: str) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str) or not value:
            raise ModelError(f"{name!r} in the card must be strings, not {_kind(value)}")
    return tuple(str(value) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message, or the name of its class."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
