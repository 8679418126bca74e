"""Resolution of names to saved styles, pictures to read, and styles of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from impasto.batch.inputs import find_styles
from impasto.batch.names import style_labels
from impasto.errors import StyleError
from impasto.styles.library import WHOLE_GALLERY, find_style, list_styles
from impasto.styles.style import Style

Found: TypeAlias = Style | Path | str
"""A saved style, the picture of one, or the name of one that is built into the model."""


def named_styles(
    names: Sequence[str],
    *,
    model: str,
    model_name: str,
    built_in: Sequence[str] = (),
    shipped: Sequence[str] = (),
    tell: Callable[[str], None] | None = None,
) -> Iterator[tuple[str, Found]]:
    """Find all styles that names refer to, without reading pictures.

    Args:
        names: ``gallery``, names of styles, patterns of them, files and folders.
        model: the identity of the model that they are for.
        model_name: its name, for messages.
        built_in: the names of its built-in styles, if any.
        shipped: those of them that ship with it, and so form its gallery.
        tell: called with a line on what is skipped.

    Returns:
        Each style with a name that is unique in the call except for those of the gallery, which
        come last.

    Raises:
        StyleError: if one is missing, does not fit the model, or is damaged.

    Example:
        >>> [name for name, _ in named_styles(["monet-*"], model=identity, model_name="fast")][:1]
        ... # doctest: +SKIP
        ['monet-haystacks']
    """
    others = [name for name in names if name != WHOLE_GALLERY]
    found, problems = find_styles(others, model=lambda: model, built_in=built_in, tell=tell)
    if problems:
        raise StyleError(problems[0])
    labels = style_labels(others, found)
    for name in found:
        if name in built_in:
            yield labels[name], name
        else:
            yield labels[name], find_style(name, model=model, model_name=model_name)
    if WHOLE_GALLERY not in names:
        return
    yield from ((name, name) for name in shipped)
    for entry in () if shipped else list_styles(model=model, own=False):
        if entry.style is None:
            raise StyleError(f"style {entry.name!r} of the gallery: {entry.problem}")
        yield entry.name, entry.style
