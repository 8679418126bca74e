"""Styles of a transform, found once by name, file or picture and kept as values."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from impasto.augment.own_model import OwnModel
from impasto.batch.styles import named_styles
from impasto.errors import OptionError, StyleError
from impasto.images.photo import Photo, Picture
from impasto.styles.library import check_fits
from impasto.styles.style import Style

Given: TypeAlias = Style | Picture | Photo
"""A style, a picture of one, or a name, pattern or path of one or several."""


def find_all(given: Given | Sequence[Given], model: OwnModel) -> tuple[Style, ...]:
    """Find and make styles; the model is opened only if there are pictures to read.

    Args:
        given: "gallery"; names, patterns of names, files and folders; pictures; styles.
        model: the model that they are for.

    Raises:
        StyleError: if there is no such style, or it is for another model.
        ImageError: if a picture cannot be read.
        OptionError: if there are no styles at all.

    Example:
        >>> [style.name for style in find_all("monet-*", OwnModel("fast"))]  # doctest: +SKIP
        ['monet-haystacks', 'monet-rouen-cathedral', 'monet-waterlilies']
    """
    several = _several(given)
    # Thumbnails would be most of the data sent to a worker.
    styles = tuple(replace(style, thumbnail=None) for each in several for style in _of(each, model))
    if not styles:
        raise OptionError("styles is empty; give 'gallery', or the styles to draw from")
    return styles


def _several(given: Given | Sequence[Given]) -> list[Given]:
    if isinstance(given, list | tuple):
        return list(given)
    one: Any = given  # a text is a sequence too
    return [one]


def _of(given: Given, model: OwnModel) -> Iterable[Style]:
    if isinstance(given, Style):
        check_fits(given, model=model.identity, model_name=model.name)
        return [given]
    if not isinstance(given, str | os.PathLike):
        return [_made(given, model)]
    # A path is never the name of a style.
    name = given if isinstance(given, str) else str(Path(given).absolute())
    found = named_styles(
        [name],
        model=model.identity,
        model_name=model.name,
        built_in=model.built_in,
        shipped=model.built_in,
    )
    styles = [each if isinstance(each, Style) else _made(each, model) for _, each in found]
    if not styles:
        raise StyleError(
            f"model {model.name!r} has no gallery; give styles=, such as a folder of pictures"
        )
    return styles


def _made(given: Picture | Photo, model: OwnModel) -> Style:
    made = model().prepare(given)
    assert isinstance(made, Style)
    return made
