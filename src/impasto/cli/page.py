"""Command ``impasto page``: the page that paints in browsers, as a folder of files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from impasto.cli import completion
from impasto.cli.groups import WordedGroup
from impasto.cli.lines import describe, say
from impasto.cli.options import progress_bar

# Words that users may type for a command, and the command that is meant.
_WORDS = {
    **dict.fromkeys(
        ("make", "create", "export", "write", "static", "publish"), "impasto page build"
    ),
    **dict.fromkeys(("serve", "run", "open", "start"), "impasto serve"),
}


@click.group(cls=WordedGroup, words=_WORDS)
def page() -> None:
    """Build the web page that paints in the visitors' browsers.

    \b
    impasto page build site
    """


@page.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    shell_complete=completion.models,
    help=(
        "Model of the page; can be repeated. The page starts with the first  [default: fast "
        "and quality]"
    ),
)
@click.option(
    "--packages",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help=(
        "Folder with the packages onnxruntime-web and mediabunny, from npm pack or npm install "
        " [default: the current folder]"
    ),
)
@click.option("--webgpu", is_flag=True, help="Include the build for graphics cards: 27 MB more.")
@click.option("--no-films", is_flag=True, help="Leave out the files for painting films.")
@click.option("--own-styles", is_flag=True, help="Include your own styles besides the gallery's.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def build(
    out: Path,
    models: Sequence[str],
    packages: Path | None,
    webgpu: bool,
    no_films: bool,
    own_styles: bool,
    quiet: bool,
) -> None:
    """Write the page into the folder OUT, for any static web server.

    Everything is painted in the visitor's browser, which also stores the page, so that it opens
    without a network the next time. An earlier page in OUT is replaced; other files in OUT are
    kept. The page needs two npm packages; if they are not found, the error names the command that
    gets them.

    \b
    impasto page build site
    impasto page build site --model fast --packages packages
    """
    from impasto.models import find_bundle
    from impasto.styles.library import list_styles
    from impasto.web.build import PAGE_MODELS, BuildOptions, build_page

    bundles = [find_bundle(name) for name in models or PAGE_MODELS]
    count = sum(len(list_styles(model=each.identity, own=own_styles)) for each in bundles)
    options = BuildOptions(
        packages=packages or BuildOptions.packages,
        webgpu=webgpu,
        films=not no_films,
        own_styles=own_styles,
    )
    with progress_bar("painting thumbnails", count, quiet=quiet) as bar:

        def watch(style: str) -> None:
            describe(bar, style)
            bar.update()

        built = build_page(out, bundles, options, watch=watch)
    if not quiet:
        say(
            f"{out}: {built.files} files, {built.bytes / 1e6:.1f} MB, of which the first visit "
            f"loads {built.first_bytes / 1e6:.1f} MB (gzip)"
        )
