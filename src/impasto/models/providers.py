"""Distributions that provide an engine's library.

ONNX Runtime comes under several names (``onnxruntime``, ``onnxruntime-gpu``, ``-directml``,
``-openvino`` and others), all with the module ``onnxruntime``. The engine uses whichever is
installed. Two of them overwrite each other's files, and the library may then fail in any way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions

from impasto.models.engines import EngineRow


@dataclass(frozen=True)
class Provider:
    """An installed distribution.

    Attributes:
        name: in pip.
        version: its version.
    """

    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def providers(module: str) -> tuple[Provider, ...]:
    """Return the distributions that provide a top-level module, by name.

    None, if it was not installed by pip; several, if they overwrite each other.

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
    """Return a sentence on what to do about an engine that is installed but does not start.

    Args:
        row: the engine.
        found: the distributions that provide its library.
    """
    if len(found) > 1:
        names = [each.name for each in found]
        return (
            f"{' and '.join(names)} overwrite each other's files: pip uninstall "
            f"{' '.join(names)}, then pip install the one that you want (docs/install.md)"
        )
    return f"pip install --force-reinstall {found[0].name if found else row.pip}"


def _has(distribution: Distribution, module: str) -> bool:
    record = distribution.read_text("RECORD")
    if record is not None:
        return f"\n{module}/__init__.py," in f"\n{record}".replace("\r", "")
    return module in (distribution.read_text("top_level.txt") or "").split()
