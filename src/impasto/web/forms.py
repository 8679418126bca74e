"""Fields of a request, generated from the fields of the option values, and parsing of requests.

A field that is an option of the command line is a field here, under the same name with underscores
in place of hyphens. A form has texts and files; JSON, as for live frames, is converted to the same.
So every value is checked once, by the same code as on the command line.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any, BinaryIO, TypeAlias, cast

from impasto.controls import Controls
from impasto.errors import OptionError, counted, escaped, one_line
from impasto.images.options import ReadOptions, SaveOptions

__all__ = ["MAX_STYLES", "Asked", "FormField", "Item", "Upload", "form_fields", "items", "read"]

MAX_STYLES = 8
"""Number of styles that a request may mix."""

_MAX_NAME = 200

_VALUES: dict[str, type[Any]] = {"controls": Controls, "read": ReadOptions, "save": SaveOptions}

# A server has one limit for all, and replaces no file; the format is a separate field here.
_LEFT_OUT = ("read.max_pixels", "save.overwrite", "save.format")

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}", re.ASCII)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", re.ASCII)


@dataclass(frozen=True, eq=False)
class Upload:
    """A file that was sent, as a binary stream with a name for messages.

    Attributes:
        name: name given by its sender, without folders; it names no file here.
        file: its bytes.
    """

    name: str
    file: BinaryIO

    def read(self, size: int = -1) -> bytes:
        """Read bytes, as from any file."""
        return self.file.read(size)

    def seek(self, place: int) -> int:
        """Seek, as in any file."""
        return self.file.seek(place)

    def seekable(self) -> bool:
        """True: it can be read again."""
        return True

    @property
    def stream(self) -> BinaryIO:
        """The upload as a stream: readers of pictures need only the methods above and the name."""
        return cast(BinaryIO, self)

    @classmethod
    def of(cls, name: str | None, file: BinaryIO, field: str) -> Upload:
        """Make an upload; without a name it is named after the field.

        Example:
            >>> Upload.of("C:\\\\trip\\\\a.jpg", io.BytesIO(), "content").name
            'a.jpg'
        """
        base = PureWindowsPath(PurePosixPath(name or "").name).name
        return cls(escaped(base)[-_MAX_NAME:] or field, file)


Item: TypeAlias = tuple[str, str | Upload]
"""The name of a field and its value."""


@dataclass(frozen=True)
class FormField:
    """A field of a request.

    Attributes:
        name: name of the field.
        value: the option value that it belongs to: "controls", "read" or "save".
        attribute: attribute of that value.
        kind: how a text is read: the type of the attribute, or the kind of its option.
        help: sentence of the command line.
        default: default of the attribute.
    """

    name: str
    value: str
    attribute: str
    kind: str
    help: str
    default: Any

    @property
    def is_file(self) -> bool:
        """True if it is, or may be, a file."""
        return "Map" in self.kind

    @property
    def repeats(self) -> bool:
        """True if it may be given more than once."""
        return self.kind == "Sequence[Map]"

    def parse(self, given: str | Upload) -> Any:
        """Parse a text; a file stays as it is.

        Raises:
            OptionError: if the text is not of its kind, or the field takes no file.
        """
        if isinstance(given, Upload):
            if not self.is_file:
                raise OptionError(f"{self.name} is not a file: send it as text")
            return given
        if self.kind == "bool" and given in ("true", "false"):
            return given == "true"
        if self.kind == "int" and _WHOLE.fullmatch(given):
            return int(given)
        if self.kind in ("float", "float | Map") and _NUMBER.fullmatch(given):
            return float(given)
        if self.kind == "Sequence[float]":
            numbers = given.split(",")
            if all(_NUMBER.fullmatch(each) for each in numbers):
                return tuple(float(each) for each in numbers)
        if self.kind == "str" and given:
            return given
        raise OptionError(f"{self.name} must be {_WORDS[self.kind]}, not {escaped(given[:100])!r}")


_WORDS = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a number",
    "float | Map": "a number, or a file",
    "Sequence[float]": "numbers separated by commas, such as 0.7,0.3",
    "Sequence[Map]": "a file",
    "str": "a name",
}


@cache
def form_fields() -> Mapping[str, FormField]:
    """The fields that stand for options, by their names.

    Raises:
        TypeError: if an option is of an unknown kind.

    Example:
        >>> form_fields()["style_size"].default
        512
    """
    found = {}
    for value, kind in _VALUES.items():
        for each in fields(kind):
            facts = each.metadata
            if "help" not in facts or f"{value}.{each.name}" in _LEFT_OUT:
                continue
            name = facts.get("flag", each.name).replace("-", "_")
            type_name = facts.get("kind") or str(each.type).removesuffix(" | None")
            shape = type_name.removesuffix(" | None")
            if shape not in _WORDS:
                raise TypeError(f"{each.name}: there is no field for type {shape!r}")
            found[name] = FormField(name, value, each.name, shape, facts["help"], each.default)
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """A request: what to paint, and how.

    Attributes:
        content: the photograph; None where none is needed.
        styles: names and files.
        model: its name; None for the first that is served.
        controls: values of :class:`Controls`, with files for its maps.
        read: options of reading.
        save: options of writing, with the format; None for the photograph's own.
    """

    content: Upload | None = None
    styles: tuple[str | Upload, ...] = ()
    model: str | None = None
    controls: Mapping[str, Any] = field(default_factory=dict)
    read: ReadOptions = ReadOptions()
    save: SaveOptions = SaveOptions()


# Fields that do not stand for an option of a value.
_OTHERS = ("content", "style", "model", "format")


def read(given: Iterable[Item], *, wanted: Sequence[str] | None = None) -> Asked:
    """Read the fields of a request.

    Args:
        given: fields in their order.
        wanted: the names allowed in this request; None for all.

    Raises:
        OptionError: with the name of the field.

    Example:
        >>> asked = read([("style", "munch-scream"), ("alpha", "0.5")])
        >>> asked.styles, asked.controls
        (('munch-scream',), {'alpha': 0.5})
    """
    known = tuple(wanted) if wanted is not None else (*_OTHERS, *form_fields())
    values: dict[str, dict[str, Any]] = {name: {} for name in (*_VALUES, "other")}
    styles: list[str | Upload] = []
    for name, value in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            mend = f"did you mean {near[0]!r}?" if near else f"the fields are {', '.join(known)}"
            raise OptionError(f"there is no field {one_line(name[:100])!r}: {mend}")
        if name == "style":
            styles.append(value)
        elif name in _OTHERS:
            if isinstance(value, Upload) != (name == "content"):
                is_file = name == "content"
                raise OptionError(f"{name} must be {'a file' if is_file else 'text'}")
            _once(values["other"], name, value)
        else:
            row = form_fields()[name]
            parsed = row.parse(value)
            if row.repeats:
                values[row.value].setdefault(row.attribute, []).append(parsed)
            else:
                _once(values[row.value], row.attribute, parsed, name)
    masks = values["controls"].get("masks", ())
    for count, noun in ((len(styles), "style"), (len(masks), "mask")):
        if count > MAX_STYLES:
            raise OptionError(f"{counted(count, noun)} are more than the maximum of {MAX_STYLES}")
    other = values["other"]
    format = other.get("format")
    return Asked(
        content=other.get("content"),
        styles=tuple(styles),
        model=other.get("model"),
        controls=values["controls"],
        read=ReadOptions(**values["read"]),
        save=SaveOptions(**values["save"], format=None if format is None else _format(format)),
    )


def items(message: Any) -> list[Item]:
    """Read the fields of a JSON object, in which lists repeat a field.

    A file is an object ``{"file": "...", "name": "..."}`` with its bytes in base64. A list of
    numbers is one field.

    Raises:
        OptionError: if it is not such an object.

    Example:
        >>> items({"style": ["wave", "rain"], "weights": [0.7, 0.3], "alpha": 1})
        [('style', 'wave'), ('style', 'rain'), ('weights', '0.7,0.3'), ('alpha', '1')]
    """
    if not isinstance(message, dict):
        raise OptionError('a look must be a JSON object, such as {"style": "munch-scream"}')
    found: list[Item] = []
    for name, value in message.items():
        if isinstance(value, list) and value and all(_is_number(each) for each in value):
            found.append((name, ",".join(str(each) for each in value)))
            continue
        for each in value if isinstance(value, list) else [value]:
            found.append((name, _value(name, each)))
    return found


def _value(name: str, value: Any) -> str | Upload:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    if _is_number(value):
        return str(value)
    if isinstance(value, dict) and isinstance(value.get("file"), str):
        given = value.get("name")
        try:
            data = base64.b64decode(value["file"], validate=True)
        except (binascii.Error, ValueError):
            raise OptionError(f"{one_line(name[:100])}: its file is not base64") from None
        return Upload.of(given if isinstance(given, str) else None, io.BytesIO(data), name)
    raise OptionError(
        f"{one_line(name[:100])} must be a text, a number, a list of these, or "
        '{"file": BASE64, "name": NAME}'
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _once(values: dict[str, Any], key: str, value: Any, name: str = "") -> None:
    if key in values:
        raise OptionError(f"{name or key} is given twice")
    values[key] = value


def _format(name: str) -> str:
    from impasto.images.writing import result_format

    return result_format(None, SaveOptions(format=name)).name.lower()
