"""Commands ``impasto style`` and ``impasto styles``: the library of named styles."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from impasto.batch.inputs import STDIO
from impasto.cli import FAILED, completion, plugged_in
from impasto.cli.groups import WordedGroup
from impasto.cli.lines import say
from impasto.cli.options import (
    LibraryOption,
    file_or_stdin,
    options_of,
    overwrite_option,
    style_size_option,
    without_none,
)
from impasto.errors import ImageError, StyleError, one_line
from impasto.images.options import ReadOptions, SaveOptions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    from impasto.styles.library import Entry
    from impasto.styles.style import Style

# Words that users may type for a command, and the command that is meant.
_WORDS = {
    **dict.fromkeys(("list", "ls", "all", "styles"), "impasto styles"),
    **dict.fromkeys(("delete", "rm", "del"), "impasto style remove"),
    **dict.fromkeys(("create", "new", "make"), "impasto style add"),
    **dict.fromkeys(("save", "copy", "share", "send", "extract"), "impasto style export"),
    **dict.fromkeys(("info", "describe", "view"), "impasto style show"),
}

# Shorter side of the photograph of a sheet while it is painted: larger than its cell.
_SHEET_SIZE = 384

_model_option = click.option(
    "--model",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    help="For this model only  [default: for all]",
)


@click.group(cls=WordedGroup, words=_WORDS)
def style() -> None:
    """Save styles under a name, for use in place of style pictures.

    \b
    impasto style add great-wave wave.jpg --note "Hokusai, The Great Wave"
    impasto stylize street.jpg great-wave
    """


class _Add(click.Command):
    """Command whose help names other ways to make styles, where they are plugged in."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        if "lab" in plugged_in():
            formatter.write_paragraph()
            formatter.write_text(
                "`impasto lab tune PICTURE --add NAME` takes minutes per style, and matches its "
                "strokes better."
            )


@style.command(cls=_Add)
@click.argument("name")
@click.argument("picture", shell_complete=completion.style_sources)
@click.option(
    "--model",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    cls=LibraryOption,
    reads="stylizer:load:model",
    help="Model that makes the style; other models cannot use it.",
)
@click.option(
    "--note", metavar="TEXT", help="Origin, such as artist and title  [default: the file's name]"
)
@style_size_option()
@overwrite_option("Overwrite a style of that name for that model.")
@options_of(read=ReadOptions, leave_out=("read.size", "read.style_size", "read.keep_gps"))
def add(
    name: str,
    picture: str,
    model: str | None,
    note: str | None,
    size: int | None,
    overwrite: bool,
    read: ReadOptions,
) -> None:
    """Save the style of PICTURE under NAME.

    NAME consists of letters (a to z), digits, - and _. PICTURE may also be a style file
    (.safetensors) that was made for the same model, or - for standard input. A style takes a few
    kB: statistics and a thumbnail. To use the name with another model too, add it again with
    --model: each model can have its own style of that name.

    A model with built-in styles accepts only style files that were trained for the same network and
    written by `impasto style export`.
    """
    from dataclasses import replace

    from impasto.styles.files import SUFFIX
    from impasto.styles.library import add_style, check_name

    check_name(name)  # before the style is computed
    is_file = Path(picture).suffix.lower() == SUFFIX
    if is_file and size is not None:
        raise click.UsageError("--size is for pictures and does not apply to a style file")
    made = _from_file(picture, model) if is_file else _from_picture(picture, model, size, read)
    source = "standard input" if picture == STDIO else Path(picture).name
    if note is None:
        note = made.note if is_file else one_line(source)
    path = add_style(replace(made, note=note), name, overwrite=overwrite)
    size_kb = path.stat().st_size / 1000
    say(f"{name}: saved for model {made.model_name!r}, {size_kb:.1f} kB in {path}")


def _from_file(picture: str, model: str | None) -> Style:
    from impasto.models import DEFAULT_MODEL, find_bundle
    from impasto.styles.files import load_style
    from impasto.styles.library import check_fits

    loaded = load_style(picture)
    bundle = find_bundle(model or DEFAULT_MODEL)
    check_fits(loaded, model=bundle.identity, model_name=bundle.card.name)
    return loaded


def _from_picture(picture: str, model: str | None, size: int | None, read: ReadOptions) -> Style:
    from dataclasses import replace

    from impasto.images.sources import open_picture
    from impasto.styles.style import make_thumbnail
    from impasto.stylizer import load

    # In single precision, even where another is faster: the style is made once and used anywhere.
    stylizer = load(**without_none(model=model), precision="fp32")
    try:
        source = file_or_stdin(picture)
        with open_picture(source, **read.opening) as opened:
            photo, pages = opened.photo(), opened.pages
        made = stylizer.style(photo, **without_none(size=size))
        thumbnail = make_thumbnail(photo)
    except MemoryError as error:
        raise ImageError(f"{picture}: not enough memory for a picture of this size") from error
    if pages:
        say(f"impasto: {picture}: {pages}", err=True)
    return replace(made, model_name=stylizer.name, thumbnail=thumbnail)


@style.command()
@click.argument("name", shell_complete=completion.style_names)
@click.option(
    "--model",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    cls=LibraryOption,
    reads="stylizer:load:model",
    help="Model that the style is for.",
)
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    shell_complete=completion.files,
    help="Output file, NAME.safetensors  [default: named after the style]",
)
@overwrite_option()
def export(name: str, model: str | None, out: str | None, overwrite: bool) -> None:
    """Write a style to a file that others can add: one of yours, or one built into a model.

    \b
    impasto style export wave --model stylebank-5.impasto
    impasto style add wave wave.safetensors --model a-copy.impasto
    """
    from impasto.models import DEFAULT_MODEL, find_bundle
    from impasto.styles.files import SUFFIX, save_style
    from impasto.styles.library import export_style

    bundle = find_bundle(model or DEFAULT_MODEL)
    found = export_style(name, bundle)
    target = Path(out or f"{name}{SUFFIX}")
    save_style(found, target, overwrite=overwrite)
    size_kb = target.stat().st_size / 1000
    say(f"{target}: style {name!r} for model {bundle.card.name!r}, {size_kb:.1f} kB")


@style.command()
@click.argument("name", shell_complete=completion.own_styles)
@_model_option
def remove(name: str, model: str | None) -> None:
    """Remove one of your styles; those of the gallery cannot be removed."""
    from impasto.styles.library import remove_style

    for entry in remove_style(name, model=_identity(model)):
        say(f"{name}: removed{_for_model(entry)}")


@style.command()
@click.argument("name", shell_complete=completion.style_names)
@_model_option
@click.option(
    "--thumbnail",
    metavar="OUT",
    shell_complete=completion.files,
    help="Write its thumbnail to this picture file.",
)
@overwrite_option()
def show(name: str, model: str | None, thumbnail: str | None, overwrite: bool) -> None:
    """Show the details of a style, given by NAME or as a style file (.safetensors)."""
    from impasto.images.writing import write_image
    from impasto.styles.files import SUFFIX, load_style
    from impasto.styles.library import Entry, list_styles
    from impasto.styles.style import open_thumbnail

    if Path(name).suffix.lower() == SUFFIX:
        found = [Entry(name, Path(name), gallery=False, style=load_style(name))]
    else:
        found = [each for each in list_styles(model=_identity(model)) if each.name == name]
    if not found:
        raise StyleError(f"there is no style {name!r}; `impasto styles` lists all styles")
    for entry in found:
        _print_facts(entry)
    if thumbnail is not None:
        pictures = [open_thumbnail(each.style) for each in found if each.style is not None]
        picture = next((each for each in pictures if each is not None), None)
        if picture is None:
            raise StyleError(f"style {name!r} has no thumbnail")
        write_image(picture, thumbnail, save=SaveOptions(overwrite=overwrite))


def _print_facts(entry: Entry) -> None:
    say(f"{entry.name}{_for_model(entry)}")
    if entry.style is None:
        say(f"    cannot be used: {entry.problem}")
        return
    if entry.style.note:
        say(f"    note: {' '.join(entry.style.note.split())}")
    if entry.style.parameters is not None:
        say(f"    trained: {entry.style.parameters.size:,} parameters")
    else:
        channels = ", ".join(str(level.mean.size) for level in entry.style.moments)
        say(f"    channels per level: {channels}")
    if entry.style.tuned is not None:
        say(f"    tuned: {entry.style.tuned}")
    size_kb = entry.path.stat().st_size / 1000
    where = "the gallery" if entry.gallery else entry.path
    say(f"    {size_kb:.1f} kB in {where}")


@click.command()
@click.option(
    "--model",
    metavar="NAME|FILE",
    shell_complete=completion.models,
    help="List the styles of this model only.",
)
@click.option(
    "--sheet",
    metavar="OUT",
    shell_complete=completion.files,
    help="Draw a contact sheet: the photograph of --on in every style.",
)
@click.option(
    "--on", metavar="PHOTO", shell_complete=completion.pictures, help="The photograph for --sheet."
)
@overwrite_option()
def styles(model: str | None, sheet: str | None, on: str | None, overwrite: bool) -> int:
    """List the named styles: your own and those of the gallery.

    \b
    impasto styles
    impasto styles --sheet sheet.png --on street.jpg --model fast
    """
    from impasto.styles.library import list_styles

    if (sheet is None) != (on is None):
        raise click.UsageError(
            "--sheet OUT needs --on PHOTO, and --on PHOTO needs --sheet OUT: give both or neither"
        )
    if sheet is not None and on is not None:
        return _draw(Path(sheet), on, model=model, overwrite=overwrite)
    if model is not None and (names := _built_in(model)):
        own = [each for each in list_styles(model=_identity(model)) if each.style is not None]
        say(f"Styles built into {model}")
        say()
        for name in names:
            say(f"  {name}")
        say()
        if own:
            say("Your styles for this model")
            say()
            _print_table(own)
            say()
        say(f"Use a style: impasto stylize PHOTO -s {names[0]} --model {model}")
        return 0
    entries = list_styles(model=_identity(model))
    usable = [each for each in entries if each.style is not None]
    headings = sorted({_for_model(each) for each in usable})
    for heading in headings:
        say(f"Styles{heading}")
        say()
        _print_table([each for each in usable if _for_model(each) == heading])
        say()
    if not usable:
        say("There are no styles yet.")
        say()
    for entry in entries:
        if entry.style is None:
            say(f"cannot be used: {entry.problem}")
            say()
    say("Use a style: impasto stylize PHOTO NAME; add one: impasto style add NAME PICTURE")
    return 0


def _print_table(entries: Sequence[Entry]) -> None:
    width = max(len(each.name) for each in entries)
    for entry in entries:
        note = " ".join(entry.style.note.split()) if entry.style else ""
        origin = "gallery" if entry.gallery else "yours"
        say(f"  {entry.name:<{width}}  {origin:<7}  {note}".rstrip())


def _draw(target: Path, on: str, *, model: str | None, overwrite: bool) -> int:
    from tqdm import tqdm

    from impasto.batch.figures import Cell, contact_sheet
    from impasto.images.photo import read_photo
    from impasto.images.resizing import resize
    from impasto.images.writing import check_target, write_image
    from impasto.styles.library import Entry, list_styles
    from impasto.styles.style import Style
    from impasto.stylizer import load

    check_target(target, overwrite=overwrite)  # before painting
    photo = read_photo(file_or_stdin(on))
    stylizer = load(**without_none(model=model))
    image = photo.image
    if min(image.shape[:2]) > _SHEET_SIZE:
        image = resize(image, _SHEET_SIZE)
    entries: Sequence[Entry] = list_styles(model=stylizer.identity)
    if stylizer.limits.styles:
        own = {each.name for each in entries}
        values = [(name, stylizer.find(name)) for name in stylizer.limits.styles if name not in own]
        came_with = [
            Entry(name, Path(str(model)), gallery=False, style=value)
            for name, value in values
            if isinstance(value, Style)
        ]
        entries = [*came_with, *entries]
    usable = [(each, each.style) for each in entries if each.style is not None]
    if not usable:
        raise StyleError(
            f"there is no style for model {stylizer.name!r} yet: add one with impasto style add"
        )
    cells = [Cell(_picture(image), "the photograph", Path(on).name)]
    failures = [each.problem for each in entries if each.style is None]
    for entry, value in tqdm(usable, desc="painting", leave=False, disable=not sys.stderr.isatty()):
        try:
            painted = _picture(stylizer.paint(image, value).image)
        except StyleError as error:  # the others are drawn in spite of one bad style
            failures.append(str(error))
            continue
        cells.append(Cell(painted, entry.name, value.note, _inset(value)))
    write_image(contact_sheet(cells), target, save=SaveOptions(overwrite=overwrite))
    say(f"{target}: {len(cells) - 1} styles for model {stylizer.name!r}")
    for problem in failures:
        say(f"impasto: {problem}", err=True)
    return FAILED if failures else 0


def _picture(image: NDArray[np.float32]) -> Image.Image:
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.rint(image * 255).astype(np.uint8))


def _inset(style: Style) -> Image.Image | None:
    from impasto.styles.style import open_thumbnail

    try:
        return open_thumbnail(style)
    except ImageError:  # the style works without a thumbnail
        return None


def _identity(model: str | None) -> str | None:
    from impasto.models import find_bundle

    return None if model is None else find_bundle(model).identity


def _built_in(model: str) -> tuple[str, ...]:
    from impasto.models import find_bundle

    return find_bundle(model).card.styles


def _for_model(entry: Entry) -> str:
    from impasto.styles.style import model_label

    if entry.style is None:
        return ""
    return f" for {model_label(entry.style.model, entry.style.model_name)}"
