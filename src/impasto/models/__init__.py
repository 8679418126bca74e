"""The models: those that ship inside the package, and where the others come from."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from impasto.errors import ModelError
from impasto.models.bundle import Bundle, Card, Level, read_bundle, write_bundle

__all__ = [
    "DEFAULT_MODEL",
    "MODELS",
    "Bundle",
    "Card",
    "Level",
    "ModelRow",
    "find_bundle",
    "lab_module",
    "read_bundle",
    "write_bundle",
]


@dataclass(frozen=True)
class ModelRow:
    """A model that Impasto knows by name.

    Attributes:
        name: as on the command line.
        summary: what it is for, in a line.
        file: its bundle in this folder, or None if it does not ship with the package.
        how: how to get it when its bundle is not here.
        pixel_bytes: memory that a pixel needs at most while the model works on it, in any engine,
            as measured; 0: not measured.
        lab: the module of the lab that paints instead of a bundle, or None. It is imported by name
            when it is asked for, never before: the studio knows nothing of the lab.
    """

    name: str
    summary: str
    file: str | None
    how: str
    pixel_bytes: int = 0
    lab: str | None = None

    @property
    def path(self) -> Path | None:
        """Where its bundle lies, or None if it is not in this installation."""
        if self.file is None:
            return None
        path = Path(__file__).with_name(self.file)
        return path if path.is_file() else None


_METHOD = "it needs pip install 'impasto[lab]' and weights of VGG-19 (impasto lab fetch vgg19)"
_REINSTALL = "it ships with the package: install impasto again"

MODELS: tuple[ModelRow, ...] = (
    ModelRow(
        name="fast",
        summary="compact, real time on a laptop's processor",
        file="fast.impasto",
        how=_REINSTALL,
        pixel_bytes=230,
    ),
    ModelRow(
        name="quality",
        summary="compact, several times the work of 'fast', better pictures",
        file="quality.impasto",
        how=_REINSTALL,
        pixel_bytes=330,
    ),
    ModelRow(
        name="adain",
        summary="the paper's network: VGG-19 to relu4_1 and its mirror",
        file=None,
        how="impasto lab import vgg_normalised.pth decoder.pth -o adain.impasto makes it of the "
        "pytorch-AdaIN weights, if you have them; then give the path of the file",
        pixel_bytes=2400,
    ),
    ModelRow(
        name="gatys",
        summary="by optimization, minutes a picture: Gram matrices (Gatys et al. 2016)",
        file=None,
        how=_METHOD,
        lab="impasto.lab.methods.gatys",
    ),
    ModelRow(
        name="cnnmrf",
        summary="by optimization, minutes a picture: patches of features (Li & Wand 2016)",
        file=None,
        how=_METHOD,
        lab="impasto.lab.methods.cnnmrf",
    ),
    ModelRow(
        name="style-swap",
        summary="patches swapped (Chen & Schmidt 2016): by optimization, a minute a picture, or "
        "by a trained network",
        file=None,
        how=_METHOD,
        lab="impasto.lab.methods.style_swap",
    ),
)

DEFAULT_MODEL = "quality"


def lab_module(name_or_path: str | Path) -> str | None:
    """The module of the lab behind a name in ``MODELS``, or None where a bundle is meant.

    Example:
        >>> lab_module("gatys"), lab_module("fast")
        ('impasto.lab.methods.gatys', None)
    """
    rows = {row.name: row.lab for row in MODELS}
    return rows.get(name_or_path) if isinstance(name_or_path, str) else None


def find_bundle(name_or_path: str | Path) -> Bundle:
    """The bundle of a model given by name or by file.

    Args:
        name_or_path: a name in ``MODELS``, or a ``.impasto`` file. A name wins over a file that
            is called the same; ``Path("fast")`` or ``"./fast"`` means the file.

    Returns:
        The bundle, read and checked.

    Raises:
        ModelError: if the name is unknown, the model is not in this installation or the file
            cannot be used.

    Example:
        >>> find_bundle("fast").card.title                             # doctest: +SKIP
    """
    rows = {row.name: row for row in MODELS}
    path = Path(name_or_path)
    if isinstance(name_or_path, str) and name_or_path in rows:
        row = rows[name_or_path]
        if row.lab is not None:
            raise ModelError(
                f"{row.name!r} is a method that paints by optimization and has no bundle, so it "
                "makes and keeps no styles: give it pictures, with stylize"
            )
        if row.path is None:
            raise ModelError(f"model {row.name!r} is not in this installation: {row.how}")
        return read_bundle(row.path)
    if str(name_or_path) == path.name and not path.suffix and not path.exists():
        near = difflib.get_close_matches(path.name.lower(), rows, n=1)
        raise ModelError(
            f"there is no model {name_or_path!r}; "
            + (f"did you mean {near[0]!r}? " if near else "")
            + f"the known ones are {', '.join(rows)}, any other by the path of its .impasto file"
        )
    return read_bundle(path)
