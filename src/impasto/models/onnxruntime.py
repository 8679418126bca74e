"""Engine of ONNX Runtime: small, portable, in single precision the reference for the others."""

from __future__ import annotations

import importlib
from typing import Any

from impasto.errors import ModelError
from impasto.models.bundle import Bundle, Port, check_graphs
from impasto.models.engine import Engine, GraphEngine, environment, error_line

# Log level. Errors are raised as exceptions; at a lower level they would be printed as well.
_FATAL = 4


def supported() -> frozenset[str]:
    """Return the precisions that this processor supports."""
    return frozenset({"fp32", "int8"})


def devices() -> tuple[str, ...]:
    """Return the library's devices here; Impasto uses the first, the processor."""
    found = [
        str(each).removesuffix("ExecutionProvider") for each in _library().get_available_providers()
    ]
    return tuple(sorted(found, key=lambda name: name != "CPU"))


def open_graphs(bundle: Bundle, *, precision: str, threads: int | None) -> Engine:
    """Load all graphs; see :func:`impasto.models.engine.open_engine`."""
    runtime = _library()
    sessions = {
        part: _session(runtime, bundle.card.name, part, graph, threads)
        for part, graph in bundle.graphs(precision).items()
    }
    ports = {
        part: (
            [_port(each) for each in session.get_inputs()],
            [_port(each) for each in session.get_outputs()],
        )
        for part, session in sessions.items()
    }
    check_graphs(bundle.card, ports)
    graphs = {part: session.run for part, session in sessions.items()}
    return GraphEngine(bundle.card, graphs, name="onnxruntime", precision=precision)


def _session(runtime: Any, model: str, part: str, graph: bytes, threads: int | None) -> Any:
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads or 0  # 0: one for each physical core
    options.log_severity_level = _FATAL
    # One block for all memory of a picture size would leave holes between those of other sizes, and
    # memory that doubles when it grows soon takes twice what any picture needs.
    options.enable_mem_pattern = False
    provider = "CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"}
    try:
        return runtime.InferenceSession(graph, options, providers=[provider])
    except Exception as error:  # its errors share no base class
        raise ModelError(
            f"the {part} of model {model!r} is damaged or too new for ONNX Runtime "
            f"{runtime.__version__} ({error_line(error)}); get the model again"
        ) from error


def _port(argument: Any) -> Port:
    channels = argument.shape[1] if len(argument.shape) == 4 else 0
    return Port(frozenset({argument.name}), channels if isinstance(channels, int) else None)


def _library() -> Any:
    # From 1.29 on its builds keep an identifier and a database in ~/.cache/Microsoft and report
    # every session to a collecting server. The variable prevents this if it is set when the
    # library's environment is created, which the call after the import ensures; the call also stops
    # the reports of a library that was imported earlier, and those on Windows.
    with environment("ORT_DISABLE_TELEMETRY", "1"):
        runtime: Any = importlib.import_module("onnxruntime")
        runtime.disable_telemetry_events()
    return runtime
