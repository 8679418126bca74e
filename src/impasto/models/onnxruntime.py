"""ONNX Runtime: small, everywhere, single precision. The reference among the engines."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import EngineError, ModelError
from impasto.models.bundle import Bundle, Port, check_graph
from impasto.models.engine import Engine, GraphEngine, environment, error_line

# Errors come as exceptions, which we report; below "fatal" the library would print them as well.
_ONLY_FATAL = 4


def supported() -> frozenset[str]:
    """The precisions that this processor is good at."""
    return frozenset({"fp32"})


def open_graphs(bundle: Bundle, *, precision: str, threads: int | None) -> Engine:
    """Load all graphs; see :func:`impasto.models.engine.open_engine`."""
    graphs = {
        part: partial(_run, _session(bundle, part, graph, threads))
        for part, graph in bundle.parts.items()
    }
    return GraphEngine(bundle.card, graphs, name="onnxruntime", precision=precision)


def _session(bundle: Bundle, part: str, graph: bytes, threads: int | None) -> Any:
    runtime = _library()
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or 0  # 0: one for each physical core
    options.log_severity_level = _ONLY_FATAL
    try:
        session = runtime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors share no class of their own
        raise ModelError(
            f"the {part} of model {bundle.card.name!r} is damaged or too new for ONNX Runtime "
            f"{runtime.__version__} ({error_line(error)}); get the model again"
        ) from error
    check_graph(
        bundle.card,
        part,
        inputs=[_port(each) for each in session.get_inputs()],
        outputs=[_port(each) for each in session.get_outputs()],
    )
    return session


def _port(found: Any) -> Port:
    channels = found.shape[1] if len(found.shape) == 4 else 0
    return Port(frozenset({found.name}), channels if isinstance(channels, int) else None)


def _run(
    session: Any, feed: Mapping[str, NDArray[np.float32]], outputs: Sequence[str]
) -> list[NDArray[np.float32]]:
    try:
        found: list[NDArray[np.float32]] = session.run(outputs, feed)
    except Exception as error:  # its errors share no class of their own
        raise EngineError(f"ONNX Runtime failed: {error_line(error)}") from error
    return found


def _library() -> Any:
    # From 1.29 on its builds keep an identifier and a database in ~/.cache/Microsoft and report
    # every session to a collecting server. The variable prevents all of it if it is set when the
    # library's environment comes to life, which the call after the import makes sure of; the call
    # also stops the reports of a library that was imported before us, and those on Windows.
    with environment("ORT_DISABLE_TELEMETRY", "1"):
        runtime: Any = importlib.import_module("onnxruntime")
        runtime.disable_telemetry_events()
    return runtime
