"""A bundle: one exported model in one file, ``NAME.impasto``.

The file is a zip archive. That of a model for any style has these members:

``encoder.onnx``
    input ``image`` (1, 3, H, W) float32 RGB in [0, 1], H and W any multiples of ``Card.multiple``;
    outputs for each level i ``features_i`` (1, C, h, w), ``mean_i`` and ``std_i`` (1, C, 1, 1).
``decoder.onnx``
    inputs for each level i ``features_i``, ``scale_i`` and ``shift_i``, the last two (1, C, 1, 1)
    or (1, C, h, w); output ``image`` (1, 3, H, W), not clipped.
``reader.onnx``
    only if ``Card.reader_macs_512`` is above 0: predicts the moments that features are given for a
    style. Inputs ``image``, the style, as that of the encoder, ``counts`` (1, 1, h, w), the weight
    of each block of ``Card.multiple`` pixels, 0 or more, and for each level i the style's own
    ``mean_i`` and ``std_i`` (1, C, 1, 1); outputs ``wanted_mean_i`` and ``wanted_std_i``.
``decoder.int8.onnx``
    only if ``Card.int8`` says how it was made: the decoder with the same inputs and output, whose
    convolutions compute in int8. The other graphs, and with them styles, are the same for both.
``card.json``
    the :class:`Card`: the model's network, requirements and origin.

A model whose styles are built in has its card, its graphs and its styles:

``painter.onnx``
    inputs ``image`` as above and, if ``Card.style_numbers`` is above 0, ``style``, the numbers of
    a style or of a mixture, (1, P, 1, 1). Output ``painted`` (1, 3, H, W), not clipped.
``encoder.onnx``, ``bank.onnx``, ``decoder.onnx``
    in its place, if ``Card.bank_channels`` is above 0: ``image`` to ``features`` (1, C, h, w),
    h and w those of the picture by ``Card.multiple``; ``features`` and ``style`` to ``banked``;
    ``features``, ``image`` and ``rest`` (1, 1, 1, 1) or (1, 1, h, w), the share of the features
    that has no style, to ``painted``.
``styles/0.safetensors`` and so on
    if ``Card.style_numbers`` is above 0: a style file (:mod:`impasto.styles.files`) for each of
    ``Card.styles``. Each of them can be taken out and given to another copy of the same graphs.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from impasto.errors import ImageError, ModelError
from impasto.images.files import whole_file
from impasto.images.kinds import BUNDLE, kind_of, wrong_kind
from impasto.models.card import CONTROLS, FORMAT, Card, Level, first_line, read_card, write_card

__all__ = [
    "BUILT_IN_OUTPUTS",
    "CONTROLS",
    "FORMAT",
    "Bundle",
    "Card",
    "Level",
    "Port",
    "bundle_file",
    "check_graph",
    "check_graphs",
    "read_bundle",
    "read_card",
    "write_bundle",
]

SUFFIX = ".impasto"

MAX_GRAPH_BYTES = 1 << 30
MAX_CARD_BYTES = 1 << 20

MAX_STYLE_BYTES = 1 << 24

CARD, GRAPH, STYLE = "card.json", "{}.onnx", "styles/{}.safetensors"

_INT8 = "decoder.int8"

BUILT_IN_OUTPUTS = {
    "painter": "painted",
    "encoder": "features",
    "bank": "banked",
    "decoder": "painted",
}
"""Output of each graph of a model with built-in styles."""

# Zip's earliest date: the same model must always give the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True)
class Bundle:
    """An exported model: its card and its graphs in ONNX.

    Attributes:
        card: the model's card.
        encoder: ``encoder.onnx`` as bytes; empty for a model with a painter.
        decoder: ``decoder.onnx`` as bytes; empty for a model with a painter.
        painter: ``painter.onnx`` as bytes; empty where no style is built in, or styles are banks.
        reader: ``reader.onnx`` as bytes; empty for a model without a reader.
        bank: ``bank.onnx`` as bytes; empty where styles are not banks.
        styles: the files of the built-in styles as bytes.
        decoder_int8: ``decoder.int8.onnx`` as bytes; empty where ``Card.int8`` is.
    """

    card: Card
    encoder: bytes = b""
    decoder: bytes = b""
    painter: bytes = b""
    reader: bytes = b""
    bank: bytes = b""
    styles: tuple[bytes, ...] = ()
    decoder_int8: bytes = b""

    @cached_property
    def parts(self) -> dict[str, bytes]:
        """The graphs of the model, by the names of their files without the suffix."""
        return {part: getattr(self, part) for part in _part_names(self.card)}

    def graphs(self, precision: str) -> dict[str, bytes]:
        """Return the graphs that an engine runs in a precision, under the names of ``parts``.

        Args:
            precision: as for :func:`impasto.models.open_engine`. In ``int8`` only the decoder is
                another one.

        Raises:
            ModelError: if the model has no decoder in int8.
        """
        if precision != "int8":
            return self.parts
        if not self.card.int8:
            raise ModelError(
                f"model {self.card.name!r} has no int8 decoder: choose another precision, or "
                "add one with impasto lab quantize"
            )
        return {**self.parts, "decoder": self.decoder_int8}

    @cached_property
    def identity(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all graphs.

        A style is valid for exactly the models of one identity. It does not depend on the card, on
        the built-in styles beside the graphs, or on the decoder in int8, which is another form of
        the same decoder.
        """
        return _digest(self.parts.values())

    @cached_property
    def fingerprint(self) -> str:
        """The identity of a model with its built-in styles: models that paint the same share it."""
        return _digest((*self.parts.values(), *self.styles)) if self.styles else self.identity


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and check its card.

    The graphs themselves are checked when an engine opens them.

    Args:
        path: a ``.impasto`` file. Members above 1 GiB (the card: 1 MiB) are refused unread.

    Returns:
        The bundle.

    Raises:
        ModelError: if the file is missing, damaged, not a bundle, or of another format, or its card
            is wrong.

    Example:
        >>> bundle = read_bundle("fast.impasto")                       # doctest: +SKIP
        >>> bundle.card.multiple                                       # doctest: +SKIP
        8
    """
    source = Path(path)
    if source.is_dir():
        raise ModelError(f"{source} is a folder; a model is one .impasto file")
    kind = kind_of(source)
    if source.exists() and (kind is None or kind.name != BUNDLE):
        raise ModelError(wrong_kind(source, BUNDLE))
    try:
        with zipfile.ZipFile(source) as archive:
            card = read_card(_member(archive, CARD, MAX_CARD_BYTES))
            graphs = {
                part: _member(archive, GRAPH.format(part), MAX_GRAPH_BYTES)
                for part in _part_names(card)
            }
            if card.int8:
                graphs["decoder_int8"] = _member(archive, GRAPH.format(_INT8), MAX_GRAPH_BYTES)
            count = len(card.styles) if card.style_numbers else 0
            styles = tuple(
                _member(archive, STYLE.format(number), MAX_STYLE_BYTES) for number in range(count)
            )
        return Bundle(card=card, **graphs, styles=styles)
    except FileNotFoundError as error:
        raise ModelError(f"there is no model file {source}") from error
    except ModelError as error:
        raise ModelError(f"{source} is not a usable model: {error}") from error
    # RuntimeError and NotImplementedError: encryption and compressions that zipfile lacks.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise ModelError(
            f"{source} is damaged or not an Impasto model ({first_line(error)}); get it again"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or first_line(error)
        raise ModelError(f"{source} cannot be read ({reason})") from error


def bundle_file(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Check the name of a bundle before the work of making it.

    Args:
        path: the name; one without a suffix gets ``.impasto``, by which models are found.
        overwrite: True if a file of that name may be replaced.

    Returns:
        The complete path.

    Raises:
        ModelError: if the name is taken or has another suffix, or the file cannot be written.

    Example:
        >>> bundle_file("mine")
        PosixPath('mine.impasto')
    """
    from impasto.images.writing import check_target

    given = Path(path)
    named = given if given.suffix else given.with_name(f"{given.name}{SUFFIX}")
    try:
        check_target(named, overwrite=overwrite)
    except ImageError as error:
        raise ModelError(str(error)) from error
    if named.suffix != SUFFIX:
        raise ModelError(f"{named}: a model is saved as NAME{SUFFIX}; give it that suffix")
    return named


def write_bundle(bundle: Bundle, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Write a bundle atomically; the same bundle always gives the same bytes.

    Those of a decoder in int8 are the same with the same version of zlib.

    Args:
        bundle: the bundle.
        path: the file; its folder must exist.
        overwrite: replace an existing file.

    Raises:
        ModelError: if the name is taken, or the file cannot be written.

    Example:
        >>> write_bundle(bundle, "fast.impasto")                       # doctest: +SKIP
    """
    from impasto.images.writing import target_exists

    target = Path(path)
    if target.is_dir():
        raise ModelError(f"{target} is a folder; give the name of a .impasto file")
    card = write_card(bundle.card)
    members = {
        CARD: card.encode(),
        **{GRAPH.format(part): graph for part, graph in bundle.parts.items()},
        **{STYLE.format(number): style for number, style in enumerate(bundle.styles)},
    }
    packed = {GRAPH.format(_INT8): bundle.decoder_int8} if bundle.card.int8 else {}
    try:
        # Stored, not deflated: weights hardly shrink, and deflate's bytes depend on the zlib used.
        # Only those in int8, which have few frequent values, shrink by a quarter.
        with (
            whole_file(target, overwrite=overwrite) as file,
            zipfile.ZipFile(file, "w", compression=zipfile.ZIP_STORED) as archive,
        ):
            for name, data in (members | packed).items():
                info = zipfile.ZipInfo(name, date_time=_DATE)
                info.create_system = 3
                info.external_attr = 0o644 << 16
                if name in packed:
                    info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, data)
    except FileExistsError as error:
        raise ModelError(str(target_exists(target))) from error
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise ModelError(f"{target} cannot be written ({reason})") from error


@dataclass(frozen=True)
class Port:
    """An input or output of a graph, as an engine reports it.

    Attributes:
        names: its names; an engine may report several for one tensor.
        channels: the length of axis 1, or None where the graph leaves it open.
    """

    names: frozenset[str]
    channels: int | None


def check_graphs(card: Card, ports: Mapping[str, tuple[Sequence[Port], Sequence[Port]]]) -> None:
    """Check all graphs of a bundle; see :func:`check_graph`.

    Args:
        card: the model's card.
        ports: for each part the inputs and the outputs of its graph.

    Raises:
        ModelError: naming the first difference.

    Example:
        >>> check_graphs(card, {"encoder": (inputs, outputs)})               # doctest: +SKIP
    """
    for part, (inputs, outputs) in ports.items():
        check_graph(card, part, inputs=inputs, outputs=outputs)


def check_graph(card: Card, part: str, *, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
    """Check that a graph has the inputs and outputs that the card specifies.

    Args:
        card: the model's card.
        part: a name in :attr:`Bundle.parts`.
        inputs: all inputs of the graph.
        outputs: all outputs; additional ones are ignored.

    Raises:
        ModelError: naming the first difference.

    Example:
        >>> check_graph(card, "encoder", inputs=[], outputs=[])              # doctest: +SKIP
        Traceback (most recent call last):
        impasto.errors.ModelError: the encoder of model 'fast' has no input 'image': ...
    """
    picture = {"image": 3}
    if card.styles:
        expected_inputs, expected_outputs = _built_in_ports(card, part)
    elif part == "encoder":
        expected_inputs, expected_outputs = picture, _ports(card, ("features", "mean", "std"))
    elif part == "reader":
        expected_inputs = {**picture, "counts": 1, **_ports(card, ("mean", "std"))}
        expected_outputs = _ports(card, ("wanted_mean", "wanted_std"))
    else:
        expected_inputs, expected_outputs = _ports(card, ("features", "scale", "shift")), picture
    graph = f"the {part} of model {card.name!r}"
    for kind, expected, ports in (
        ("input", expected_inputs, inputs),
        ("output", expected_outputs, outputs),
    ):
        found = {name: port.channels for port in ports for name in port.names}
        for name, channels in expected.items():
            if name not in found:
                raise ModelError(
                    f"{graph} has no {kind} {name!r}: the card and the graphs do not match"
                )
            if found[name] not in (None, channels):
                raise ModelError(
                    f"{kind} {name!r} of {graph} has {found[name]} channels, but its card says "
                    f"{channels}"
                )
    for port in inputs:
        if not port.names & expected_inputs.keys():
            raise ModelError(f"{graph} has an unknown input {min(port.names)!r}")


def _part_names(card: Card) -> tuple[str, ...]:
    if card.styles:
        return ("encoder", "bank", "decoder") if card.bank_channels else ("painter",)
    return ("encoder", "decoder", "reader") if card.reader_macs_512 else ("encoder", "decoder")


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def _built_in_ports(card: Card, part: str) -> tuple[dict[str, int], dict[str, int]]:
    """Return the channels of the inputs and outputs of a graph of a model with built-in styles."""
    own = {"style": card.style_numbers} if card.style_numbers else {}
    features = {"features": card.bank_channels}
    inputs = {
        "painter": {"image": 3, **own},
        "encoder": {"image": 3},
        "bank": {**features, **own},
        "decoder": {**features, "image": 3, "rest": 1},
    }
    output = BUILT_IN_OUTPUTS[part]
    return inputs[part], {output: 3 if output == "painted" else card.bank_channels}


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
        raise ModelError(f"it has no {name}") from None
    if info.file_size > limit:
        raise ModelError(f"its {name} has {info.file_size} bytes, more than the limit of {limit}")
    # zipfile never returns more than the size in the header, even if the data would expand to more.
    with archive.open(info) as stream:
        return stream.read(limit + 1)
