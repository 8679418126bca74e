"""Library of styles by name: the user's own, and the gallery that ships with the models.

Both are folders of folders, ``ROOT/SHELF/NAME.safetensors``. A shelf of the user is named by
the identity of the model that its styles fit, so several models can have a style under one name; a
shelf of the gallery is named after its model. The model of a style is always read from its file.
"""

from __future__ import annotations

import difflib
import fnmatch
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from impasto import models
from impasto.errors import StyleError, one_line
from impasto.images.kinds import refuse_address
from impasto.styles.files import SUFFIX, load_style, read_style, save_style
from impasto.styles.places import GALLERY, VARIABLE, styles_folder
from impasto.styles.style import Style, model_label

MAX_NAME = 100

# ASCII, since other letters may have other bytes on another system. No leading -, which would be
# read as an option.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

WHOLE_GALLERY = "gallery"
"""The word for all styles that ship with a model, where several may be named."""


@dataclass(frozen=True)
class Entry:
    """A named style and its file.

    Attributes:
        name: the style's name.
        path: its file.
        gallery: True if it ships with the package, False if it is the user's own.
        style: the style in the file, or None if it cannot be used.
        problem: the reason for None, in a line.
    """

    name: str
    path: Path
    gallery: bool
    style: Style | None
    problem: str = ""


def check_name(name: str) -> str:
    """Check a style's name and return it: letters a to z, digits, - and _, no - or _ first.

    Raises:
        StyleError: if it is not valid.

    Example:
        >>> check_name("great-wave")
        'great-wave'
    """
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        suggestion = re.sub(r"[^A-Za-z0-9_]+", "-", name).strip("-_")[:MAX_NAME]
        raise StyleError(
            f"{one_line(name)!r} cannot be a style's name: use up to {MAX_NAME} letters (a to z), "
            "digits, - and _, a letter or digit first"
            + (f", such as {suggestion!r}" if suggestion else "")
        )
    return name


def find_style(
    source: str | os.PathLike[str],
    *,
    model: str,
    model_name: str = "",
    folder: str | os.PathLike[str] | None = None,
) -> Style | Path:
    """Resolve the name or path that a user gives as a style.

    A text of letters, digits, - and _ (no suffix, no slash) is a style's name, the user's before
    the gallery's; only if there is no such style, it is a picture of that name. Anything else is a
    path: of a style if it ends in ``.safetensors``, otherwise of a picture. So ``./wave`` and
    ``Path("wave")`` always mean a file.

    Args:
        source: a name or a path.
        model: the identity of the model that the style is for (``Stylizer.identity``).
        model_name: the name of that model, for messages.
        folder: of the user's styles; by default :func:`styles_folder`.

    Returns:
        The style, or the path of the picture to make it from (``Stylizer.style``), which may or may
        not exist.

    Raises:
        StyleError: if there is no style or file of that name, or the style is for another model,
            or its file is missing or damaged.

    Example:
        >>> find_style("wave.jpg", model="0" * 16)
        PosixPath('wave.jpg')
    """
    if line := refuse_address(source):
        raise StyleError(line)
    path = Path(source)
    if isinstance(source, str) and _NAME.fullmatch(source):
        style = _load_named(source, model=model, model_name=model_name, folder=folder)
        if style is not None:
            return style
        if not path.exists():
            raise StyleError(
                f"there is no style {source!r}, and no file of that name; "
                + _near(source, model, folder)
                + "`impasto styles` lists all styles, `impasto style add` adds one"
            )
    if path.suffix.lower() == SUFFIX:
        style = load_style(path)
        check_fits(style, model=model, model_name=model_name)
        return style
    return path


def find_kept(
    name: str,
    *,
    model: str,
    model_name: str = "",
    folder: str | os.PathLike[str] | None = None,
) -> Style:
    """Return the style saved under a name; any other text, such as a path, opens no file.

    Args:
        name: from any source, trusted or not.
        model: the identity of the model that the style is for.
        model_name: the name of that model, for messages.
        folder: of the user's styles; by default :func:`styles_folder`.

    Raises:
        StyleError: if there is no style of that name, or it is for another model, or its file is
            damaged.

    Example:
        >>> find_kept("/etc/hostname", model="0" * 16)
        Traceback (most recent call last):
        impasto.errors.StyleError: there is no style '/etc/hostname'
    """
    style = None
    if is_name(name):
        style = _load_named(name, model=model, model_name=model_name, folder=folder)
    if style is None:
        near = _near(name, model, folder).removesuffix(" ")
        raise StyleError(f"there is no style {one_line(name)!r}" + (f"; {near}" if near else ""))
    return style


def is_name(name: str) -> bool:
    """Return True for a text that can be the name of a style, and is not a path.

    Example:
        >>> is_name("great-wave"), is_name("./great-wave")
        (True, False)
    """
    return len(name) <= MAX_NAME and _NAME.fullmatch(name) is not None


def find_trained(
    source: str | os.PathLike[str],
    *,
    model: str,
    folder: str | os.PathLike[str] | None = None,
) -> Style | None:
    """Resolve a name or path to a style that was trained for a model with built-in styles.

    Args:
        source: the name of a style of the user's, or the path of a style file (``.safetensors``).
        model: the identity of the model.
        folder: of the user's styles; by default :func:`styles_folder`.

    Returns:
        The style; None if the user has none of that name, and ``source`` is not a style file.

    Raises:
        StyleError: if the file is damaged, or missing, or its style is for another model.

    Example:
        >>> find_trained("wave", model="0" * 16, folder="nowhere") is None
        True
    """
    if Path(source).suffix.lower() == SUFFIX:
        style = load_style(source)
        check_fits(style, model=model)
        return style
    if not isinstance(source, str) or not _NAME.fullmatch(source):
        return None
    for path, gallery in _files(source, folder):
        if path.parent.name == model and not gallery:
            return replace(load_style(path), name=source)
    return None


def export_style(
    name: str, bundle: models.Bundle, *, folder: str | os.PathLike[str] | None = None
) -> Style:
    """Return a style by its name, to write it to a file for others.

    Args:
        name: of one of the user's styles, of the gallery, or of one that is built into the model.
        bundle: the model.
        folder: of the user's styles; by default :func:`styles_folder`.

    Raises:
        StyleError: if there is no style of that name, or the model's only style is the whole model.

    Example:
        >>> wave = export_style("wave", find_bundle("cin-9.impasto"))        # doctest: +SKIP
        >>> save_style(wave, "wave.safetensors")                             # doctest: +SKIP
    """
    card, model = bundle.card, bundle.identity
    if not card.styles:
        found = find_style(name, model=model, model_name=card.name, folder=folder)
        if isinstance(found, Style):
            return found
        raise StyleError(f"{one_line(found)}: is a picture, not the name of a saved style")
    own = find_trained(name, model=model, folder=folder)
    if own is not None:
        return own
    if name not in card.styles:
        names = ", ".join(trained_names(bundle, folder=folder))
        raise StyleError(f"model {card.name!r} has no style {one_line(name)!r}, but {names}")
    if not bundle.styles:
        raise StyleError(
            f"style {name!r} of model {card.name!r} is the whole network: give its .impasto file"
        )
    try:
        return read_style(bundle.styles[card.styles.index(name)])
    except ValueError as error:
        raise StyleError(f"style {name!r} of model {card.name!r}: {one_line(error)}") from error


def trained_names(
    bundle: models.Bundle, *, folder: str | os.PathLike[str] | None = None
) -> tuple[str, ...]:
    """List the styles of a model with built-in styles: those in its bundle, then the user's.

    Args:
        bundle: the model; others than those with built-in styles have none.
        folder: of the user's styles; by default :func:`styles_folder`.

    Example:
        >>> trained_names(find_bundle("stylebank-5.impasto"))                # doctest: +SKIP
        ('night_sky', 'pointillism', 'stained_glass', 'wave', 'watercolor', 'rain')
    """
    if not bundle.card.styles:
        return ()
    own = [each.name for each in list_styles(model=bundle.identity, folder=folder) if each.style]
    return tuple(dict.fromkeys((*bundle.card.styles, *own)))


def check_fits(style: Style, *, model: str, model_name: str = "") -> None:
    """Refuse a style that was made for another model.

    Args:
        style: the style.
        model: the identity of the model to use it with.
        model_name: the name of that model, for messages.

    Raises:
        StyleError: naming both models, and the command that adds it for this one.

    Example:
        >>> check_fits(Style("wave", "0" * 16, ()), model="0" * 16)
    """
    if style.model != model:
        raise _wrong_model(style.name, [style], model, model_name)


def list_styles(
    *,
    model: str | None = None,
    folder: str | os.PathLike[str] | None = None,
    like: str = "*",
    own: bool = True,
) -> tuple[Entry, ...]:
    """List the styles by name: the user's, then those of the gallery.

    A style of the gallery is omitted where the user has one of the same name for its model.

    Args:
        model: only those that fit the model of this identity; all by default.
        folder: of the user's styles; by default :func:`styles_folder`.
        like: only those whose name fits this shell-like pattern (``*``, ``?``, ``[...]``).
        own: include the user's, not only those of the gallery.

    Returns:
        One entry per file, including unusable files, with the reason.

    Example:
        >>> [entry.name for entry in list_styles(model=stylizer.identity)]   # doctest: +SKIP
        ['hokusai-wave', 'my-curtain']
    """
    entries = []
    taken = set()
    for path, gallery in _files("*", folder):
        if not (own or gallery) or not fnmatch.fnmatchcase(path.stem, like):
            continue
        entry = _entry(path, gallery=gallery)
        fits = _model_of_shelf(path) if entry.style is None else entry.style.model
        if (model is None or fits == model) and (fits, entry.name) not in taken:
            taken.add((fits, entry.name))
            entries.append(entry)
    return tuple(entries)


def add_style(
    style: Style,
    name: str,
    *,
    folder: str | os.PathLike[str] | None = None,
    shelf: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Save a style under a name.

    Args:
        style: the style, saved with its note and thumbnail; its own name is replaced.
        name: letters, digits, - and _.
        folder: of the shelves, created if missing; by default :func:`styles_folder`.
        shelf: its subfolder; by default the identity of its model. The gallery is written with
            ``folder=GALLERY, shelf="fast"``.
        overwrite: replace a style of that name for that model.

    Returns:
        The file.

    Raises:
        StyleError: if the name is invalid or taken, or the file cannot be written.

    Example:
        >>> wave = replace(model.style("wave.jpg"), note="Hokusai")          # doctest: +SKIP
        >>> add_style(wave, "great-wave")                                    # doctest: +SKIP
        PosixPath('/home/me/.local/share/impasto/styles/0123456789abcdef/great-wave.safetensors')
    """
    root = styles_folder() if folder is None else Path(folder)
    path = root / (style.model if shelf is None else shelf) / f"{check_name(name)}{SUFFIX}"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise StyleError(
            f"{one_line(path.parent)}: cannot be created ({one_line(error)}); set {VARIABLE} to "
            "another folder for styles"
        ) from error
    save_style(replace(style, name=name), path, overwrite=overwrite)
    return path


def remove_style(
    name: str, *, model: str | None = None, folder: str | os.PathLike[str] | None = None
) -> tuple[Entry, ...]:
    """Delete one of the user's styles; those of the gallery cannot be deleted.

    Args:
        name: the style's name.
        model: only for the model of this identity; by default for every model that has it.
        folder: of the user's styles; by default :func:`styles_folder`.

    Returns:
        The deleted entries, damaged files included.

    Raises:
        StyleError: if the user has no such style, or its file cannot be deleted.

    Example:
        >>> remove_style("great-wave")                                       # doctest: +SKIP
    """
    entries = [each for each in list_styles(model=model, folder=folder) if each.name == name]
    own = tuple(each for each in entries if not each.gallery)
    if not own:
        where = "" if model is None else f" for model {model}"
        raise StyleError(
            f"style {one_line(name)!r} ships with the package and cannot be removed: only styles "
            "that you added can be"
            if entries
            else f"you have no style {one_line(name)!r}{where}; `impasto styles` lists yours"
        )
    for entry in own:
        try:
            entry.path.unlink()
        except OSError as error:
            raise StyleError(
                f"{one_line(entry.path)}: cannot be removed ({one_line(error)})"
            ) from error
    return own


def _near(name: str, model: str, folder: str | os.PathLike[str] | None) -> str:
    """Return a question that suggests a similar name for an unknown one; "" if there is none."""
    names = [each.name for each in list_styles(model=model, folder=folder) if each.style]
    near = difflib.get_close_matches(name[:MAX_NAME], names, n=1)
    return f"did you mean {near[0]!r}? " if near else ""


def _load_named(
    name: str, *, model: str, model_name: str, folder: str | os.PathLike[str] | None
) -> Style | None:
    others = []
    broken = None
    for path, _ in _files(name, folder):
        try:
            style = load_style(path)
        except StyleError as error:
            if path.parent.name == model:  # a gallery style must not silently replace it
                raise
            broken = broken or error
            continue
        if style.model == model:
            return replace(style, name=name)
        others.append(style)
    if others:
        raise _wrong_model(name, others, model, model_name)
    if broken is not None:
        raise broken
    return None


def _files(name: str, folder: str | os.PathLike[str] | None) -> Iterator[tuple[Path, bool]]:
    """Find the files of a name (``*`` for all), the user's first; True for those of the gallery."""
    try:
        own = styles_folder() if folder is None else Path(folder)
    except StyleError:  # without a home folder the gallery still exists
        own = None
    for root in (own, GALLERY):
        if root is not None:
            paths = root.glob(f"*/{name}{SUFFIX}")
            for path in sorted(paths, key=lambda path: (path.stem, path.parent.name)):
                yield path, root is GALLERY


def _entry(path: Path, *, gallery: bool) -> Entry:
    name = path.stem
    try:
        style = replace(load_style(path), name=check_name(name))
    except StyleError as error:
        return Entry(name, path, gallery, style=None, problem=one_line(error))
    return Entry(name, path, gallery, style)


def _model_of_shelf(path: Path) -> str:
    """Return the model of an unreadable file, from its shelf's name or the other files there."""
    shelf = path.parent
    if shelf.parent == GALLERY:  # its shelves have names of models, not identities
        for each in sorted(shelf.glob(f"*{SUFFIX}")):
            with suppress(StyleError):
                return load_style(each).model
    return shelf.name


def _wrong_model(name: str, styles: list[Style], model: str, model_name: str) -> StyleError:
    made = " and ".join(sorted({model_label(each.model, each.model_name) for each in styles}))
    if any(style.parameters is not None for style in styles):
        return StyleError(
            f"style {name!r} was trained for {made}, not for {model_label(model, model_name)}: it "
            "works only with copies of its own base, whatever other styles those have"
        )
    # A model that is not in the table can only be given by its file, whose path is unknown here.
    row = model_name in {row.name for row in models.MODELS}
    option = f" --model {model_name if row else 'FILE.impasto'}"
    valid_name = name if _NAME.fullmatch(name) else "NAME"
    return StyleError(
        f"style {name!r} was made for {made}, not for {model_label(model, model_name)}; add it "
        f"for this model too: impasto style add {valid_name} PICTURE{option}"
    )
