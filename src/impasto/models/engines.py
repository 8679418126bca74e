"""Table of inference engines: a row for each, and which of them are installed.

Nothing heavy is imported here: shells complete the names of engines from this table.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass


@dataclass(frozen=True)
class EngineRow:
    """A row of the table of inference engines.

    Attributes:
        name: as on the command line.
        module: our module for it, with ``open_graphs(bundle, *, precision, threads) -> Engine`` and
            ``supported() -> frozenset[str]``, the precisions that this processor supports, and
            ``devices() -> tuple[str, ...]``, the devices of its library, the processor first.
        imports: the module of its library.
        pip: the requirement for ``pip install``.
        precisions: the supported ones, most preferred first: the default is the first one that
            the processor supports.
        summary: a line for users.
    """

    name: str
    module: str
    imports: str
    pip: str
    precisions: tuple[str, ...]
    summary: str

    @property
    def installed(self) -> bool:
        """True if the engine's library is installed; tested without importing it."""
        spec = importlib.util.find_spec(self.imports)
        # A folder of that name in the working directory also counts as a package, without a file.
        return spec is not None and spec.origin is not None


AUTO = "auto"
"""Requests the precision that :func:`impasto.models.engine.fastest_precision` chooses."""

# Most preferred first: the default is the first one that is installed.
ENGINES: tuple[EngineRow, ...] = (
    EngineRow(
        name="openvino",
        module="impasto.models.openvino",
        imports="openvino",
        pip='"impasto[openvino]"',
        precisions=("bf16", "fp32", "int8"),
        summary="OpenVINO, the fastest on most processors",
    ),
    EngineRow(
        name="onnxruntime",
        module="impasto.models.onnxruntime",
        imports="onnxruntime",
        pip="onnxruntime",
        precisions=("fp32", "int8"),
        summary="ONNX Runtime, always available",
    ),
)
