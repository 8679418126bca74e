"""Engine of OpenVINO: the fastest on most processors, in bfloat16 where that is supported."""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import EngineError, ModelError
from impasto.models.bundle import Bundle, Port, check_graphs
from impasto.models.engine import Engine, GraphEngine, environment, error_line
from impasto.models.memory import give_back_memory

# Precision -> INFERENCE_PRECISION_HINT and the name of the processor's capability in OpenVINO.
# A decoder in int8 specifies which operations run in int8; the hint is for the rest.
_PRECISIONS = {"fp32": ("f32", "FP32"), "bf16": ("bf16", "BF16"), "int8": ("f32", "INT8")}

# Prepared operations that a graph keeps, the last used. Every picture size needs some of its own,
# and OpenVINO would keep 5,000, a MB for every size so far. This number is enough for the few sizes
# that alternate in a folder or at the edges of tiles.
_KEPT_OPERATIONS = 64
# Newly prepared operations lie between kept ones, so the C library can hold on to freed memory.
# After this many changes of size it is asked to return that, which takes some milliseconds.
_CHANGES = 32


def supported() -> frozenset[str]:
    """Return the precisions that this processor supports."""
    capabilities = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return frozenset(
        precision
        for precision, (_, capability) in _PRECISIONS.items()
        if capability in capabilities
    )


def devices() -> tuple[str, ...]:
    """Return the library's devices here; Impasto uses the first, the processor."""
    return tuple(sorted(map(str, _core().available_devices), key=lambda name: name != "CPU"))


def open_graphs(bundle: Bundle, *, precision: str, threads: int | None) -> Engine:
    """Compile all graphs; see :func:`impasto.models.engine.open_engine`."""
    core = _core()
    options = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": _PRECISIONS[precision][0],
        "CPU_RUNTIME_CACHE_CAPACITY": str(_KEPT_OPERATIONS),
        # Each process counts its threads from the first core, so two of them would share that one.
        "ENABLE_CPU_PINNING": "NO",
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = str(threads)
    compiled = {
        part: _Graph(core, bundle.card.name, part, graph, options)
        for part, graph in bundle.graphs(precision).items()
    }
    check_graphs(bundle.card, {part: graph.ports for part, graph in compiled.items()})
    graphs = {part: graph.run for part, graph in compiled.items()}
    return GraphEngine(bundle.card, graphs, name="openvino", precision=precision)


class _Graph:
    def __init__(
        self, core: Any, model: str, part: str, graph: bytes, options: Mapping[str, str]
    ) -> None:
        try:
            compiled = core.compile_model(core.read_model(graph), "CPU", options)
        except Exception as error:  # its errors share no base class
            raise ModelError(
                f"the {part} of model {model!r} is damaged or too new for this OpenVINO "
                f"({error_line(error, last=True)}); get the model again"
            ) from error
        self.ports = (
            [_port(each) for each in compiled.inputs],
            [_port(each) for each in compiled.outputs],
        )
        self._compiled = compiled
        # A request is busy while it runs, so every thread takes its own and puts it back.
        self._idle: deque[Any] = deque()
        self._sizes: list[tuple[int, ...]] = []
        self._changes = 0

    def run(
        self, outputs: Sequence[str], feed: Mapping[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        self._notice([each.shape for each in feed.values()])
        try:
            request.infer(dict(feed), share_inputs=True, share_outputs=True)
            # Copies, since the next run of this request overwrites its tensors.
            results = [request.get_tensor(name).data.copy() for name in outputs]
        except Exception as error:  # its errors share no base class
            raise EngineError(f"OpenVINO failed: {error_line(error, last=True)}") from error
        self._idle.append(request)
        return results

    def _notice(self, sizes: list[tuple[int, ...]]) -> None:
        """Count changes of size. Threads may miss each other's, which does not matter."""
        if sizes != self._sizes:
            self._sizes = sizes
            self._changes += 1
            if self._changes % _CHANGES == 0:
                give_back_memory()


def _port(output: Any) -> Port:
    shape = output.get_partial_shape()
    channels: int | None = None
    if shape.rank.is_static:
        if shape.rank.get_length() != 4:
            channels = 0
        elif shape[1].is_static:
            channels = int(shape[1].get_length())
    return Port(frozenset(output.names), channels)


_LOCK = Lock()


def _core() -> Any:
    with _LOCK:  # `cache` alone lets two threads create one each
        return _shared_core()


@cache
def _shared_core() -> Any:
    # One for the process, never freed. Each Core installs an alternate signal stack for the thread
    # that creates it, and when freed restores the previous one: that of an earlier Core may be
    # unmapped by then, and the next signal, such as Ctrl-C, causes a segmentation fault.
    return _library().Core()


def _library() -> Any:
    # The import of OpenVINO writes an identifier into ~/intel and sends a message to an analytics
    # server, unless the environment variable CI indicates continuous integration.
    with environment("CI", "true"):
        return importlib.import_module("openvino")
