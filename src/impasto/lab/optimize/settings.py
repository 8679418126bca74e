"""Settings of a method: options by name, each checked against its type."""

from __future__ import annotations

import dataclasses
import difflib
import os
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from impasto.errors import OptionError
from impasto.images.photo import read_photo


def changed_options(options: Any, changed: object | None, by_name: Mapping[str, object]) -> Any:
    """Return a method's options with some of them changed.

    Args:
        options: an instance of the method's options.
        changed: an instance to use instead, or a table of some options by name.
        by_name: further ones, applied last; a ``start`` may be a picture itself.

    Raises:
        OptionError: if the method has no such option, or a value is of another type.
        ImageError: if ``start`` is a picture that cannot be read.

    Example:
        >>> changed_options(Gatys(), {"tv": 0}, {"steps": 20}).steps        # doctest: +SKIP
        20
    """
    asked: dict[str, Any] = {}
    if isinstance(changed, type(options)):
        options = changed
    elif isinstance(changed, Mapping):
        asked.update(changed)
    elif changed is not None:
        raise OptionError(
            f"options must be a {type(options).__name__} or a table by name, not a "
            f"{type(changed).__name__}"
        )
    asked.update(by_name)
    picture = asked.get("start")
    if picture is not None and not isinstance(picture, str | os.PathLike):
        # Not a name: a picture itself, which has no text form.
        del asked["start"]
        options = dataclasses.replace(options, start=read_photo(picture))
    return set_options(options, asked)


def set_options(options: Any, settings: Mapping[str, Any]) -> Any:
    """Return options with some of them changed; every value is checked against its type.

    Args:
        options: an instance of a method's ``options``.
        settings: by name; a text is read as on the command line (``20``, ``noise``,
            ``relu1_1:1,relu2_1:0.5``).

    Raises:
        OptionError: if there is no such option, or a value is of another type.

    Example:
        >>> set_options(Gatys(), {"steps": "20"}).steps                     # doctest: +SKIP
        20
    """
    kinds = typing.get_type_hints(type(options))
    changed = {}
    for name, value in settings.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, n=1)
            raise OptionError(
                f"there is no option {name!r} here; "
                + (f"did you mean {near[0]!r}? " if near else "")
                + f"the options are: {', '.join(kinds)}"
            )
        changed[name] = _value(name, value, kinds[name])
    return dataclasses.replace(options, **changed)


def _value(name: str, value: Any, kind: Any) -> Any:
    try:
        if kind is int:
            return _whole(value)
        if kind is float:
            return float(value)
        if kind is str:
            return str(value)
        if typing.get_origin(kind) is tuple:
            parts = value.split(",") if isinstance(value, str) else value
            (each, *_) = typing.get_args(kind)
            return tuple(each(part) for part in parts)
        if typing.get_origin(kind) is not None and isinstance(value, str):  # layers and weights
            pairs = (each.partition(":") for each in value.split(","))
            return {layer.strip(): float(weight or 1) for layer, _, weight in pairs}
    except (TypeError, ValueError):
        wanted = getattr(kind, "__name__", str(kind))
        raise OptionError(f"{name} cannot be {value!r}; it must be of type {wanted}") from None
    return value


def _whole(value: Any) -> int:
    number = float(value)
    if number != int(number):
        raise ValueError
    return int(number)


def read_settings(texts: Sequence[str]) -> dict[str, str]:
    """Read ``NAME=VALUE`` of the command line as a table.

    >>> read_settings(["steps=20"])
    {'steps': '20'}
    """
    settings = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not mark or not name.strip():
            raise OptionError(f"{text!r} is not a setting; write NAME=VALUE, such as steps=200")
        settings[name.strip().replace("-", "_")] = value.strip()
    return settings
