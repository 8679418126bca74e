"""Report of an examination, as values; paths in it begin with ~ for the home of the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Problem:
    """A problem.

    Attributes:
        what: the problem in one line.
        mend: how to fix it.
    """

    what: str
    mend: str


@dataclass(frozen=True)
class Facts:
    """Facts that another package reports about itself.

    Attributes:
        lines: lines for users.
        problems: what is wrong.
    """

    lines: tuple[str, ...]
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Package:
    """A package that Impasto needs, or can use.

    Attributes:
        name: its name for pip.
        wanted: the versions that fit, such as ">=2.0".
        extra: the extra of Impasto that it belongs to; "" for those that are always needed.
        version: the one that is installed; "" for none.
    """

    name: str
    wanted: str
    extra: str
    version: str


@dataclass(frozen=True)
class Trial:
    """A tiny picture, painted by a model on an engine.

    Attributes:
        model: name of the model.
        precision: precision of the engine.
        load: seconds until the model was ready.
        paint: seconds for the picture, with its style.
        problem: why there is no picture, or a wrong one; "" if it is correct.
    """

    model: str
    precision: str
    load: float = 0.0
    paint: float = 0.0
    problem: str = ""


@dataclass(frozen=True)
class EngineFacts:
    """An inference engine.

    Attributes:
        name: its row in the table.
        providers: the distributions that its library comes from, with their versions.
        devices: devices that the library finds here.
        trials: the pictures that it painted; empty where it is not installed.
    """

    name: str
    providers: tuple[str, ...] = ()
    devices: tuple[str, ...] = ()
    trials: tuple[Trial, ...] = ()

    @property
    def paints(self) -> bool:
        """True if a picture was painted correctly."""
        return any(not trial.problem for trial in self.trials)


@dataclass(frozen=True)
class ModelFacts:
    """A model of the table.

    Attributes:
        name: name on the command line.
        identity: identity of its graphs; "" if its bundle is missing or cannot be read.
        size: size of its bundle in bytes.
        problem: why it cannot be used; "" if it can, or does not ship with the package.
    """

    name: str
    identity: str
    size: int
    problem: str = ""


@dataclass(frozen=True)
class StyleFacts:
    """Numbers of the named styles.

    Attributes:
        gallery: number of those that ship.
        own: number of those of the user that can be used.
    """

    gallery: int
    own: int


@dataclass(frozen=True)
class FolderFacts:
    """A folder that is written to.

    Attributes:
        use: purpose of the folder.
        path: path of the folder.
        state: "writable", "will be created" or "not writable".
    """

    use: str
    path: str
    state: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All results of an examination.

    Attributes:
        impasto: version and location.
        python: version and kind.
        system: the operating system, the processor and the memory.
        packages: those that Impasto knows.
        engines: all engines of the table.
        models: all models of the table.
        styles: numbers of the styles.
        folders: folders that are written to.
        more: lines of other packages, by the names of their entry points.
        problems: what is wrong.
    """

    impasto: str
    python: str
    system: str
    packages: tuple[Package, ...]
    engines: tuple[EngineFacts, ...]
    models: tuple[ModelFacts, ...]
    styles: StyleFacts
    folders: tuple[FolderFacts, ...]
    more: Mapping[str, tuple[str, ...]]
    problems: tuple[Problem, ...]

    @property
    def can_paint(self) -> bool:
        """True if some engine paints with some model."""
        return any(engine.paints for engine in self.engines)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary for JSON."""
        return {"can_paint": self.can_paint, **asdict(self)}


def tilde(text: object) -> str:
    """Return a text, such as a path, with ~ for the home of the user.

    Example:
        >>> tilde(Path.home() / "pictures").replace("\\\\", "/")
        '~/pictures'
    """
    try:
        home = str(Path.home())
    except RuntimeError:  # the home folder is not known
        return str(text)
    # A home of / is that of a service, and every path would begin with ~.
    return str(text).replace(home, "~") if len(home) > 1 else str(text)
