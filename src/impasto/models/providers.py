"""Distributions that an engine's library comes from.

ONNX Runtime comes under several names (``onnxruntime``, ``onnxruntime-gpu``, ``-directml``,
``-openvino`` and others), all with the module ``onnxruntime``. The engine takes whichever is there.
Two of them write over each other's files, and the library may then fail in any way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from impasto.models.engines import EngineRow


@dataclass(frozen=True)
class Provider:
    """A distribution that is installed.

    Attributes:
        name: as pip knows it.
        version: of it.
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def providers(module: str) -> tuple[Provider, ...]:
    """Return the distributions that a top-level module comes from, by name.

    None, if nobody has told pip of it; several, if they write over each other.

    Args:
        module: its name.

    Example:
        >>> [each.name for each in providers("onnxruntime")]                 # doctest: +SKIP
        ['onnxruntime-gpu']
    """
    found = {}
    for each in distributions():
        name = each.metadata["Name"] or ""
        # The first one on the path counts, as it does for imports.
        if name and name.lower() not in found and _has(each, module):
            found[name.lower()] = Provider(name, each.version)
    return tuple(found[name] for name in sorted(found))


def mend(row: EngineRow, found: Sequence[Provider]) -> str:
    """A sentence on what to do about an engine that is installed but does not start.

    Args:
        row: the engine.
        found: what its library comes from.
    """
    if len(found) > 1:
        names = [each.name for each in found]
        return (
            f"{' and '.join(names)} write over each other's files: pip uninstall "
            f"{' '.join(names)}, then pip install the one that you want (docs/install.md)"
        )
    return f"pip install --force-reinstall {found[0].name if found else row.pip}"


def _has(distribution: Distribution, module: str) -> bool:
    record = distribution.read_text("RECORD")
    if record is not None:
        return f"\n{module}/__init__.py," in f"\n{record}".replace("\r", "")
    return module in (distribution.read_text("top_level.txt") or "").split()
