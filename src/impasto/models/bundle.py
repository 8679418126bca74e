"""A bundle: one exported model in one file, ``NAME.impasto``.

The file is a zip archive. That of a model for any style has three members:

``encoder.onnx``
    input ``image`` (1, 3, H, W) float32 RGB in [0, 1], H and W any multiples of ``Card.multiple``;
    outputs for each level i ``features_i`` (1, C, h, w), ``mean_i`` and ``std_i`` (1, C, 1, 1).
``decoder.onnx``
    inputs for each level i ``features_i``, ``scale_i`` and ``shift_i``, the last two (1, C, 1, 1)
    or (1, C, h, w); output ``image`` (1, 3, H, W), not clipped.
``card.json``
    the :class:`Card`: what the model is, what it needs and where it comes from.

A model whose styles are built in has its card and one graph:

``painter.onnx``
    inputs ``image`` as above and, where there is something to say (``Card.weighted``), ``weights``
    of the S styles, (1, S, 1, 1), or with masks among its controls also (1, S, h, w), a number for
    each ``Card.multiple`` pixels; what they lack to 1 is left to the photograph, if the strength is
    among its controls. Output ``painted`` (1, 3, H, W), not clipped.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import MISSING, asdict, dataclass, fields
from pathlib import Path
from typing import Any

from impasto.errors import ModelError

FORMAT = 1
"""The number of the format written here, and the only one that is read."""

MAX_GRAPH_BYTES = 1 << 30
MAX_CARD_BYTES = 1 << 20

CONTROLS = ("alpha", "several", "masks")
"""What can be asked of a model with built-in styles, if it can do it: a strength, a mixture of
styles by weights, and styles where their masks are."""

ENCODER, DECODER, PAINTER, CARD = "encoder.onnx", "decoder.onnx", "painter.onnx", "card.json"
# Fields that only models with built-in styles have: the cards of others are as they always were.
_BUILT_IN = ("styles", "controls", "pixel_bytes")

# Zip's earliest date: the same model must give the same bytes whenever it is written.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Level:
    """A depth of the network at which statistics are aligned.

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
    """What a model is, what it needs and where it comes from.

    Attributes:
        name: short, as on the command line.
        title: a line for people.
        architecture: the network, in a line.
        levels: where statistics are aligned, finest first; at least one.
        multiple: height and width given to the graphs must be multiples of this, in pixels.
        rim: pixels that one output pixel can see to each side: reach of encoder and decoder.
        parameters: number of weights in both graphs.
        macs_512: multiply-adds for one 512 x 512 picture, both graphs.
        data: what it was trained on.
        iterations: steps of training.
        losses: the losses reached, by name.
        licence: of the weights.
        notes: anything else worth knowing.
        margin: pixels of reflected border to put around a picture before encoding and to cut off
            after decoding, a multiple of ``multiple``; for networks that pad with zeros inside,
            whose edges would otherwise be visible.
        encoder_rim: how much of ``rim`` is the encoder's: pixels that a position of its features
            can see beyond its own cell, to each side; 0: not known.
        styles: names of the styles that are built in; empty for a model that takes any style. One
            that has styles has no levels, and the graph ``painter.onnx``.
        controls: what can be asked of built-in styles, names of ``CONTROLS``.
        pixel_bytes: memory that a pixel needs at most while the model works on it; 0: not known.
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
    pixel_bytes: int = 0
    format: int = FORMAT

    @property
    def weighted(self) -> bool:
        """Whether the painter takes weights of styles: else it can do but one thing."""
        return len(self.styles) > 1 or bool(self.controls)

    def __post_init__(self) -> None:
        if not self.levels and not self.styles:
            raise ModelError(f"the card of model {self.name!r} names no level")
        if self.styles and (self.levels or len(set(self.styles)) < len(self.styles)):
            raise ModelError(
                f"the card of model {self.name!r} names built-in styles, so it must name no level, "
                "and no style twice"
            )
        if unknown := set(self.controls) - set(CONTROLS):
            raise ModelError(f"'controls' names {min(unknown)!r}; known are {', '.join(CONTROLS)}")
        if self.multiple < 1:
            raise ModelError(f"'multiple' must be 1 or more, not {self.multiple}")
        for field in (
            "rim",
            "encoder_rim",
            "parameters",
            "macs_512",
            "iterations",
            "margin",
            "pixel_bytes",
        ):
            if getattr(self, field) < 0:
                raise ModelError(f"'{field}' must be 0 or more, not {getattr(self, field)}")
        if self.margin % self.multiple:
            raise ModelError(
                f"'margin' must be a multiple of {self.multiple} ('multiple'), not {self.margin}"
            )
        if self.encoder_rim > self.rim:
            raise ModelError(
                f"'encoder_rim' is a part of 'rim', which is {self.rim}, not {self.encoder_rim}"
            )
        for level in self.levels:
            if self.multiple % level.stride:
                raise ModelError(
                    f"'multiple' is {self.multiple}, which the stride {level.stride} of level "
                    f"{level.name!r} does not divide"
                )
        for name, loss in self.losses.items():
            if not _is_number(loss):
                raise ModelError(f"loss {name!r} must be a finite number, not {_kind(loss)}")


@dataclass(frozen=True)
class Bundle:
    """An exported model: its card and its graphs in ONNX.

    Attributes:
        card: the model's card.
        encoder: ``encoder.onnx`` as bytes; empty where styles are built in.
        decoder: ``decoder.onnx`` as bytes; the same.
        painter: ``painter.onnx`` as bytes; empty where no style is built in.
    """

    card: Card
    encoder: bytes
    decoder: bytes
    painter: bytes = b""

    @property
    def parts(self) -> dict[str, bytes]:
        """The graphs that there are, by the names of their files without the suffix."""
        if self.card.styles:
            return {"painter": self.painter}
        return {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def identity(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all graphs; the card does not count.

        A style is valid for exactly the model of one identity.
        """
        digest = hashlib.sha256()
        for graph in self.parts.values():
            digest.update(graph)
        return digest.hexdigest()[:16]


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check its card.

    The graphs themselves are checked when an engine opens them.

    Args:
        path: a ``.impasto`` file. Members above 1 GiB (the card: 1 MiB) are refused unread.

    Returns:
        The bundle.

    Raises:
        ModelError: if there is no such file, or it is damaged, or not a bundle, or of another
            format, or its card is wrong.

    Example:
        >>> bundle = read_bundle("fast.impasto")                       # doctest: +SKIP
        >>> bundle.card.multiple                                       # doctest: +SKIP
        8
    """
    source = Path(path)
    if source.is_dir():
        raise ModelError(f"{source} is a folder; a model is one .impasto file")
    try:
        with zipfile.ZipFile(source) as archive:
            card = read_card(_member(archive, CARD, MAX_CARD_BYTES))
            if card.styles:
                painter = _member(archive, PAINTER, MAX_GRAPH_BYTES)
                return Bundle(card=card, encoder=b"", decoder=b"", painter=painter)
            encoder = _member(archive, ENCODER, MAX_GRAPH_BYTES)
            decoder = _member(archive, DECODER, MAX_GRAPH_BYTES)
        return Bundle(card=card, encoder=encoder, decoder=decoder)
    except FileNotFoundError as error:
        raise ModelError(f"there is no model file {source}") from error
    except ModelError as error:
        raise ModelError(f"{source} is not a model that can be used: {error}") from error
    # RuntimeError and NotImplementedError: encryption and compressions that zipfile does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ModelError(
            f"{source} is damaged or not an Impasto model ({_line(error)}); get it again"
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{source} cannot be read ({_line(error)})") from error


def write_bundle(bundle: Bundle, path: str | os.PathLike[str]) -> None:
    """Write a bundle: completely or not at all, and the same bundle always as the same bytes.

    Args:
        bundle: what to write.
        path: the file, replaced if it is there; its folder must exist.

    Raises:
        ModelError: if it cannot be written.

    Example:
        >>> write_bundle(bundle, "fast.impasto")                       # doctest: +SKIP
    """
    target = Path(path)
    if target.is_dir():
        raise ModelError(f"{target} is a folder; give the name of a .impasto file")
    values = asdict(bundle.card)
    if not bundle.card.styles:
        for name in _BUILT_IN:
            del values[name]
    card = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    members = {
        CARD: card.encode(),
        **{f"{part}.onnx": graph for part, graph in bundle.parts.items()},
    }
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        # Stored, not deflated: weights hardly shrink, and deflate's bytes depend on the zlib used.
        with zipfile.ZipFile(partial, "x", compression=zipfile.ZIP_STORED) as archive:
            for name, data in members.items():
                info = zipfile.ZipInfo(name, date_time=_DATE)
                info.create_system = 3
                info.external_attr = 0o644 << 16
                archive.writestr(info, data)
        partial.replace(target)
    except OSError as error:
        raise ModelError(f"{target} cannot be written ({_line(error)})") from error
    finally:
        partial.unlink(missing_ok=True)


def read_card(text: str | bytes) -> Card:
    """A card from its JSON text, every field checked.

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
        raise ModelError(f"the card is not JSON ({_line(error)})") from error
    if not isinstance(raw, dict):
        raise ModelError(f"the card must be a JSON object, not {_kind(raw)}")
    if "format" not in raw:
        raise ModelError("the card has no 'format'")
    if raw["format"] != FORMAT:
        # Before anything else: the fields of a later format may have other meanings.
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


@dataclass(frozen=True)
class Port:
    """An input or output of a graph, as an engine sees it.

    Attributes:
        names: what it is called; an engine may know one tensor by several names.
        channels: the length of axis 1, or None where the graph leaves it open.
    """

    names: frozenset[str]
    channels: int | None


def check_graph(card: Card, part: str, *, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Check that a graph has the inputs and outputs that the card promises.

    Args:
        card: the model's card.
        part: ``encoder``, ``decoder`` or ``painter``.
        inputs: all inputs of the graph.
        outputs: all outputs; more than are needed do no harm.

    Raises:
        ModelError: naming the first difference.

    Example:
        >>> check_graph(card, "encoder", inputs=[], outputs=[])              # doctest: +SKIP
        Traceback (most recent call last):
        impasto.errors.ModelError: the encoder of model 'fast' has no input 'image': ...
    """
    picture = {"image": 3}
    if part == "painter":
        takes = {**picture, "weights": len(card.styles)} if card.weighted else picture
        gives = {"painted": 3}
    elif part == "encoder":
        takes, gives = picture, _ports(card, ("features", "mean", "std"))
    else:
        takes, gives = _ports(card, ("features", "scale", "shift")), picture
    graph = f"the {part} of model {card.name!r}"
    for kind, expected, ports in (("input", takes, inputs), ("output", gives, outputs)):
        found = {name: port.channels for port in ports for name in port.names}
        for name, channels in expected.items():
            if name not in found:
                raise ModelError(
                    f"{graph} has no {kind} {name!r}: card and graphs do not belong together"
                )
            if found[name] not in (None, channels):
                raise ModelError(
                    f"{kind} {name!r} of {graph} has {found[name]} channels where its card says "
                    f"{channels}"
                )
    for port in inputs:
        if not port.names & takes.keys():
            raise ModelError(f"{graph} has an unknown input {min(port.names)!r}")


def _ports(card: Card, kinds: tuple[str, ...]) -> dict[str, int]:
    return {
        f"{kind}_{index}": level.channels
        for index, level in enumerate(card.levels)
        for kind in kinds
    }


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    try:
        info = archive.getinfo(name)
    except KeyError:
        raise ModelError(f"it holds no {name}") from None
    if info.file_size > limit:
        raise ModelError(f"its {name} has {info.file_size} bytes; at most {limit} are read")
    # zipfile hands out no more than the header's size, whatever the compressed data would give.
    with archive.open(info) as stream:
        return stream.read(limit + 1)


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
    known = {field.name: field for field in fields(shape)}
    for name in raw:
        if name not in known:
            raise ModelError(f"{where} has an unknown field {name!r}")
    for name, field in known.items():
        if name not in raw:
            if field.default is MISSING:
                raise ModelError(f"{where} has no {name!r}")
            continue
        # Annotations are text in this file, so the table above is keyed by text.
        if not isinstance(raw[name], _KINDS[str(field.type)]) or isinstance(raw[name], bool):
            raise ModelError(f"{name!r} in {where} must be {field.type}, not {_kind(raw[name])}")
    return dict(raw)


def _texts(values: list[object], name: str) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str) or not value:
            raise ModelError(f"{name!r} in the card must be texts, not {_kind(value)}")
    return tuple(str(value) for value in values)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _kind(value: object) -> str:
    return f"{type(value).__name__} {str(value)[:40]!r}"


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
