"""Options of the commands in this folder that say which pictures and weights they work with."""

from __future__ import annotations

import argparse
from pathlib import Path

from impasto.errors import OptionError
from impasto.lab.cli.evaluate import folders
from study import ROOT, Places


def add_places(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`places_of` reads."""
    add = parser.add_argument
    add("--contents", action="append", metavar="DIR[=SHARE]", help="photographs (the examples)")
    add("--styles", action="append", metavar="DIR[=SHARE]", help="paintings (the examples)")
    add("--standard", type=Path, metavar="DIR", help="use the standard pictures in DIR")
    add("--all-files", action="store_true", help="judge on all files, not the held-out tenth")
    add("--vgg", type=Path, metavar="FILE", help="normalized VGG-19 (default: as in training)")
    add("--decoder", type=Path, metavar="FILE", help="the paper's (default: in trained/)")


def places_of(options: argparse.Namespace) -> Places:
    """Pictures and weights by the command line.

    Raises:
        OptionError: for the standard pictures together with folders.
        ImageError: if the standard pictures are others than those of the list.
    """
    given = options.contents, options.styles
    if options.standard is not None:
        from impasto.lab.evaluate.standard import standard_folders

        if any(given) or options.all_files:
            raise OptionError(
                "--standard has its own pictures; omit --contents, --styles and --all-files"
            )
        given = tuple([str(folder)] for folder in standard_folders(options.standard))
    contents, styles = given
    return Places(
        contents=folders(contents or [str(ROOT / "examples" / "photos")]),
        styles=folders(styles or [str(ROOT / "examples" / "styles")]),
        vgg=options.vgg,
        decoder=options.decoder,
        all_files=options.all_files or not all(given),  # of a few examples a tenth is none
    )
