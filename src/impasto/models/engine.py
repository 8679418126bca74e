"""Inference engines: what runs a model's graphs.

Every engine gives the same operations (:class:`Engine`); one file an engine, one row a file in
``ENGINES``. An engine's library is imported when the engine is opened and never before, and kept
from reporting home.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine, column
from impasto.controls.moments import Moments
from impasto.errors import EngineError, OptionError
from impasto.models.bundle import Bundle, Card


@dataclass(frozen=True, eq=False)
class Encoded:
    """What an encoder says about a picture: a value, valid for as long as it is kept.

    Attributes:
        features: one map (C, h, w) float32 a level, finest level first.
        moments: their mean and deviation, one pair a level.
    """

    features: tuple[NDArray[np.float32], ...]
    moments: tuple[Moments, ...]


class Engine(Protocol):
    """A model made ready to run. Its methods may be called from several threads at once.

    Attributes:
        name: its row in ``ENGINES``.
        precision: ``fp32`` or ``bf16``, the precision that its convolutions run in.
    """

    name: str
    precision: str

    def encode(self, image: NDArray[np.float32]) -> Encoded:
        """Features and moments of an image.

        Args:
            image: (3, H, W) float32, RGB in [0, 1]; H and W multiples of ``Card.multiple``.

        Raises:
            EngineError: if the engine fails, as when memory runs out.
        """
        ...

    def paint(
        self, image: NDArray[np.float32], weights: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """The picture of a model whose styles are built in.

        Args:
            image: (3, H, W) float32, RGB in [0, 1]; H and W multiples of ``Card.multiple``.
            weights: (S, 1, 1) or (S, h, w), how much of each style; None where the card is not
                ``weighted``.

        Returns:
            (3, H, W) float32, not clipped.

        Raises:
            EngineError: if the engine fails, as when memory runs out, or the model has no such
                graph; just as :meth:`encode` and :meth:`decode` of a model that has this one.
        """
        ...

    def read(
        self,
        style: NDArray[np.float32],
        moments: Sequence[Moments],
        counts: NDArray[np.float32],
    ) -> tuple[Moments, ...]:
        """The moments that a picture is to be given in a style.

        Args:
            style: (3, H, W), as for :meth:`encode`.
            moments: its own, one pair a level.
            counts: (h, w), how much each ``Card.multiple`` pixels count, 0 or more.

        Raises:
            EngineError: if the engine fails, or the model has no reader (``Card.reader_macs_512``):
                a style's own moments are then those to give.
        """
        ...

    def decode(
        self, features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
    ) -> NDArray[np.float32]:
        """The image of features after ``features * scale + shift`` at every level.

        Args:
            features: as :meth:`encode` gives them.
            affines: one map a level.

        Returns:
            (3, H, W) float32, not clipped.

        Raises:
            EngineError: if the engine fails, as when memory runs out.
        """
        ...


@dataclass(frozen=True)
class EngineRow:
    """An engine that Impasto can use.

    Attributes:
        name: as on the command line.
        module: our file, with ``open_graphs(bundle, *, precision, threads) -> Engine`` and
            ``supported() -> frozenset[str]``, the precisions that this processor is good at.
        imports: the library it needs, as it is imported.
        pip: what to install to have it, as ``pip install`` takes it.
        precisions: what it offers, most preferred first: the default is the first of them that
            the processor supports.
        summary: a line for people.
    """

    name: str
    module: str
    imports: str
    pip: str
    precisions: tuple[str, ...]
    summary: str

    @property
    def installed(self) -> bool:
        """Whether its library can be imported; it is not."""
        spec = importlib.util.find_spec(self.imports)
        # A folder of that name in the working directory counts as a package too, without a file.
        return spec is not None and spec.origin is not None


# Most preferred first: the default is the first one that is installed.
ENGINES: tuple[EngineRow, ...] = (
    EngineRow(
        name="openvino",
        module="impasto.models.openvino",
        imports="openvino",
        pip='"impasto[openvino]"',
        precisions=("bf16", "fp32"),
        summary="OpenVINO, the fastest on most processors",
    ),
    EngineRow(
        name="onnxruntime",
        module="impasto.models.onnxruntime",
        imports="onnxruntime",
        pip="onnxruntime",
        precisions=("fp32",),
        summary="ONNX Runtime, always there",
    ),
)


def open_engine(
    bundle: Bundle,
    *,
    name: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Make a model ready to run.

    Args:
        bundle: the model.
        name: a name in ``ENGINES``; by default the first of them that is installed.
        precision: ``fp32`` or ``bf16``; by default the one on the model's card, or the first in
            the engine's row, that this processor supports.
        threads: how many threads one run may use, 1 or more; by default one for each core.

    Returns:
        The engine.

    Raises:
        OptionError: if the name or the precision is unknown, or threads is below 1.
        EngineError: if the engine is not installed or does not start, or the processor does not
            support the precision.
        ModelError: if the bundle's graphs are damaged or do not fit its card.

    Example:
        >>> engine = open_engine(find_bundle("fast"), name="onnxruntime")    # doctest: +SKIP
        >>> encoded = engine.encode(np.zeros((3, 64, 64), np.float32))       # doctest: +SKIP
    """
    row = _row(name)
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise OptionError(f"threads must be a whole number of 1 or more, not {threads!r}")
    if precision is not None and precision not in row.precisions:
        raise OptionError(
            f"engine {row.name!r} has no precision {precision!r}; choose {_any_of(row.precisions)}"
        )
    if not row.installed:
        raise EngineError(f"engine {row.name!r} is not installed; pip install {row.pip}")
    try:
        opener: Any = importlib.import_module(row.module)
        supported: frozenset[str] = opener.supported()
    except ImportError as error:
        raise EngineError(
            f"engine {row.name!r} is installed and does not start ({error_line(error)}); "
            f"pip install --force-reinstall {row.pip}"
        ) from error
    usable = [each for each in row.precisions if each in supported]
    if precision is not None and precision not in usable:
        raise EngineError(
            f"this processor does not support {precision} with engine {row.name!r}; "
            f"choose {_any_of(usable)}"
        )
    if precision is None:
        precision = bundle.card.precision if bundle.card.precision in usable else usable[0]
    engine: Engine = opener.open_graphs(bundle, precision=precision, threads=threads)
    return engine


Run: TypeAlias = Callable[
    [Mapping[str, NDArray[np.float32]], Sequence[str]], list[NDArray[np.float32]]
]
"""Runs a graph: inputs by name and the names of the outputs wanted -> those, in that order."""


class GraphEngine:
    """The engine that a model's graphs make, whatever library runs them; an :class:`Engine`."""

    def __init__(self, card: Card, graphs: Mapping[str, Run], *, name: str, precision: str) -> None:
        """``graphs``: what runs each of :attr:`impasto.models.Bundle.parts`."""
        self.name = name
        self.precision = precision
        self._card = card
        self._outputs = encoder_outputs(card)
        self._graphs = graphs

    def encode(self, image: NDArray[np.float32]) -> Encoded:
        """See :meth:`Engine.encode`."""
        run = self._run("encoder")
        outputs = run({"image": image[None]}, self._outputs)
        height, width = image.shape[1:]
        for level, made in zip(self._card.levels, outputs, strict=False):
            # Not every engine tells that sizes do not fit: one has given maps of nothing instead.
            wanted = (level.channels, height / level.stride, width / level.stride)
            if made.shape[1:] != wanted:
                raise EngineError(
                    f"{self.name} failed: an image of {width} x {height} pixels gave features of "
                    f"{made.shape[3]} x {made.shape[2]} at level {level.name!r}; heights and "
                    f"widths must be multiples of {self._card.multiple}"
                )
        return gather(self._card, outputs)

    def read(
        self,
        style: NDArray[np.float32],
        moments: Sequence[Moments],
        counts: NDArray[np.float32],
    ) -> tuple[Moments, ...]:
        """See :meth:`Engine.read`."""
        feed = {"image": style[None], "counts": counts[None, None]}
        for index, each in enumerate(moments):
            feed[f"mean_{index}"] = column(each.mean)[None]
            feed[f"std_{index}"] = column(each.std)[None]
        found = self._run("reader")(feed, reader_outputs(self._card))
        count = len(self._card.levels)
        return _moments(found[:count], found[count:])

    def paint(
        self, image: NDArray[np.float32], weights: NDArray[np.float32] | None
    ) -> NDArray[np.float32]:
        """See :meth:`Engine.paint`."""
        feed = {"image": image[None]}
        if weights is not None:
            feed["weights"] = weights[None]
        painted: NDArray[np.float32] = self._run("painter")(feed, ["painted"])[0][0]
        return painted

    def decode(
        self, features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
    ) -> NDArray[np.float32]:
        """See :meth:`Engine.decode`."""
        run = self._run("decoder")
        image: NDArray[np.float32] = run(decoder_feed(features, affines), ["image"])[0][0]
        return image

    def _run(self, part: str) -> Run:
        if part not in self._graphs:
            reason = "not built in" if part == "painter" else "as they are, not read"
            reason = "built in" if self._card.styles else reason
            raise EngineError(f"model {self._card.name!r} has no {part}: its styles are {reason}")
        return self._graphs[part]


def gather(card: Card, outputs: Sequence[NDArray[np.float32]]) -> Encoded:
    """An encoder's raw outputs as a value.

    Args:
        card: the model's card.
        outputs: the arrays of ``encoder_outputs(card)``, in that order, with their batch axis.
    """
    count = len(card.levels)
    features, means, stds = (outputs[part * count : (part + 1) * count] for part in range(3))
    return Encoded(
        features=tuple(each[0] for each in features),
        moments=_moments(means, stds),
    )


def _moments(
    means: Sequence[NDArray[np.float32]], stds: Sequence[NDArray[np.float32]]
) -> tuple[Moments, ...]:
    return tuple(
        Moments(mean=mean.astype(np.float64).ravel(), std=std.astype(np.float64).ravel())
        for mean, std in zip(means, stds, strict=True)
    )


def encoder_outputs(card: Card) -> list[str]:
    """The names of an encoder's outputs, in the order that :func:`gather` takes them."""
    return [f"{kind}_{i}" for kind in ("features", "mean", "std") for i in range(len(card.levels))]


def reader_outputs(card: Card) -> list[str]:
    """The names of a reader's outputs, means first."""
    return [f"wanted_{kind}_{i}" for kind in ("mean", "std") for i in range(len(card.levels))]


def decoder_feed(
    features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
) -> dict[str, NDArray[np.float32]]:
    """A decoder's inputs by name, with their batch axis; no array is copied."""
    feed: dict[str, NDArray[np.float32]] = {}
    for index, (each, affine) in enumerate(zip(features, affines, strict=True)):
        feed[f"features_{index}"] = each[None]
        feed[f"scale_{index}"] = affine.scale[None]
        feed[f"shift_{index}"] = affine.shift[None]
    return feed


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """A variable of the environment that is set for the block and then as it was before.

    Engines read their wish not to report home from there, once, while they start.
    """
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before


def error_line(error: BaseException, *, last: bool = False) -> str:
    """What a library's error says, in one line of readable length.

    Args:
        error: the error.
        last: take its last line and not its first, for libraries that begin with a trace.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1 if last else 0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def _row(name: str | None) -> EngineRow:
    if name is None:
        # The last one comes with the package; if even that is gone, its own error says so.
        return next((row for row in ENGINES if row.installed), ENGINES[-1])
    for row in ENGINES:
        if row.name == name:
            return row
    raise OptionError(
        f"there is no engine {name!r}; choose {_any_of([row.name for row in ENGINES])}"
    )


def _any_of(words: Sequence[str]) -> str:
    return " or ".join(words)
