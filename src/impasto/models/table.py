"""Table of models: the bundles in the package, and instructions for getting the others."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import ModelError
from impasto.images.kinds import refuse_address
from impasto.models.bundle import SUFFIX, Bundle, read_bundle
from impasto.models.plugin import find_plugin, plugins


@dataclass(frozen=True)
class ModelRow:
    """A row of the table of models.

    Attributes:
        name: as on the command line.
        summary: its purpose, in a line.
        file: its bundle in this folder, or None if it does not ship with the package.
        instructions: how to get its bundle if it is missing.
        pixel_bytes: maximum memory per pixel while the model works on it, in any engine, as
            measured; 0: not measured.
    """

    name: str
    summary: str
    file: str | None
    instructions: str
    pixel_bytes: int = 0

    @property
    def path(self) -> Path | None:
        """Path of its bundle, or None if it is not in this installation."""
        if self.file is None:
            return None
        path = Path(__file__).with_name(self.file)
        return path if path.is_file() else None


_REINSTALL = "it ships with the package: reinstall impasto"

MODELS: tuple[ModelRow, ...] = (
    ModelRow(
        name="fast",
        summary="compact, real time on a laptop's processor",
        file="fast.impasto",
        instructions=_REINSTALL,
        pixel_bytes=230,
    ),
    ModelRow(
        name="quality",
        summary="compact, several times the work of 'fast', better pictures",
        file="quality.impasto",
        instructions=_REINSTALL,
        pixel_bytes=330,
    ),
    ModelRow(
        name="adain",
        summary="the paper's network: VGG-19 to relu4_1 and its mirror",
        file=None,
        instructions="convert the pytorch-AdaIN weights, if you have them, with impasto lab import "
        "vgg_normalised.pth decoder.pth -o adain.impasto, and give the path of that file",
        pixel_bytes=2400,
    ),
)

DEFAULT_MODEL = "quality"


def find_bundle(name_or_path: str | Path) -> Bundle:
    """Find and read the bundle of a model, given by name or by file.

    Args:
        name_or_path: a name in ``MODELS``, or a ``.impasto`` file. A name takes precedence over a
            file of the same name; ``Path("fast")`` or ``"./fast"`` means the file.

    Returns:
        The bundle, read and checked.

    Raises:
        ModelError: if the name is unknown, the model is not in this installation or the file
            cannot be used.

    Example:
        >>> find_bundle("fast").card.title                             # doctest: +SKIP
    """
    if line := refuse_address(name_or_path):
        raise ModelError(line)
    rows = {row.name: row for row in MODELS}
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in rows:
        row = rows[name_or_path]
        if row.path is None:
            raise ModelError(
                f"model {row.name!r} is not in this installation: {_here(path) or row.instructions}"
            )
        return read_bundle(row.path)
    if find_plugin(name_or_path) is not None:
        raise ModelError(
            f"{name_or_path!r} is a method without a bundle, so it cannot make or save styles; "
            "use it with pictures in impasto stylize"
        )
    if str(name_or_path) == path.name and not path.suffix and not path.exists():
        names = [*rows, *(plugin.name for plugin in plugins())]
        near = difflib.get_close_matches(path.name.lower(), names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        if here := _here(path):
            hint = f"{here}; "
        raise ModelError(
            f"there is no model {name_or_path!r}; {hint}"
            f"known models are {', '.join(names)}; give any other by the path of its .impasto file "
            "or as module:NAME"
        )
    return read_bundle(path)


def _here(path: Path) -> str:
    """Return a hint at a bundle of that name in the working folder."""
    named = path.with_name(f"{path.name}{SUFFIX}")
    return f"give the full name of the file in this folder, {named}" if named.exists() else ""
