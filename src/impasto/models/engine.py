"""Inference engines: the libraries that run a model's graphs.

Every engine offers the same operations (:class:`Engine`), in one file per engine, with one row per
file in :data:`impasto.models.engines.ENGINES`. An engine's library is imported only when the engine
is opened, with its telemetry switched off.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NoReturn, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls.affine import Affine
from impasto.controls.moments import Moments
from impasto.errors import EngineError, OptionError
from impasto.models.bundle import BUILT_IN_OUTPUTS, Bundle, Card
from impasto.models.engines import AUTO, ENGINES, EngineRow
from impasto.models.gains import WORTH, find_gain
from impasto.models.processor import instructions
from impasto.models.providers import mend, providers

Encoded: TypeAlias = tuple[tuple[NDArray[np.float32], ...], tuple[Moments, ...]]
"""An encoder's features, one map (C, h, w) per level, finest first; and their moments."""


class Engine(Protocol):
    """A loaded model, ready to run. Its methods are thread-safe.

    Attributes:
        name: its row in ``ENGINES``.
        precision: ``fp32``, ``bf16`` or ``int8``, the precision of convolutions, for ``int8`` of
            those of the decoder.
    """

    name: str
    precision: str

    def encode(self, image: NDArray[np.float32]) -> Encoded:
        """Encode an image to features and their moments.

        Args:
            image: (3, H, W) float32, RGB in [0, 1]; H and W multiples of ``Card.multiple``.

        Raises:
            EngineError: if the engine fails, such as when memory runs out.
        """
        ...

    def run(self, part: str, feed: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """Run a graph of a model with built-in styles.

        Args:
            part: its name in ``BUILT_IN_OUTPUTS``.
            feed: its inputs by name (:mod:`impasto.models.bundle` lists them), each (C, h, w)
                float32.

        Returns:
            Its output, (C, h, w) float32; pictures are not clipped.

        Raises:
            EngineError: if the engine fails, such as when memory runs out, or the model has no such
                graph. :meth:`encode` and :meth:`decode` are for models without built-in styles and
                raise this error for others.
        """
        ...

    def read(
        self,
        style: NDArray[np.float32],
        moments: Sequence[Moments],
        counts: NDArray[np.float32],
    ) -> tuple[Moments, ...]:
        """Predict the moments that features are given for a style, with the reader graph.

        Args:
            style: (3, H, W), as for :meth:`encode`.
            moments: the style's own, one pair per level.
            counts: (h, w), the weight of each block of ``Card.multiple`` pixels, 0 or more.

        Raises:
            EngineError: if the engine fails, or the model has no reader (``Card.reader_macs_512``):
                features are then given the style's own moments.
        """
        ...

    def decode(
        self, features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
    ) -> NDArray[np.float32]:
        """Decode features to an image, after ``features * scale + shift`` at every level.

        Args:
            features: as returned by :meth:`encode`.
            affines: one map per level.

        Returns:
            (3, H, W) float32, not clipped.

        Raises:
            EngineError: if the engine fails, such as when memory runs out.
        """
        ...


def open_engine(
    bundle: Bundle,
    *,
    name: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Engine:
    """Load a model into an inference engine.

    Args:
        bundle: the model.
        name: a name in ``ENGINES``; by default the first installed one.
        precision: ``fp32``, ``bf16`` or ``int8``, or ``auto`` for that of
            :func:`fastest_precision`; by default the one on the model's card, or the first in the
            engine's row, that this processor supports.
        threads: maximum number of threads per run, 1 or more; by default one per core.

    Returns:
        The engine.

    Raises:
        OptionError: if the name or the precision is unknown, or threads is below 1.
        EngineError: if the engine is not installed or does not start, or the processor does not
            support the precision.
        ModelError: if the bundle's graphs are damaged or do not fit its card, or it has no
            decoder in int8 where one is requested.

    Example:
        >>> engine = open_engine(find_bundle("fast"), name="onnxruntime")    # doctest: +SKIP
        >>> encoded = engine.encode(np.zeros((3, 64, 64), np.float32))       # doctest: +SKIP
    """
    if threads is not None and (not isinstance(threads, int) or threads < 1):
        raise OptionError(f"threads must be a whole number of 1 or more, not {threads!r}")
    row, precision = choose_engine(bundle, name=name, precision=precision)
    opener: Any = importlib.import_module(row.module)
    engine: Engine = opener.open_graphs(bundle, precision=precision, threads=threads)
    return engine


def choose_engine(
    bundle: Bundle, *, name: str | None = None, precision: str | None = None
) -> tuple[EngineRow, str]:
    """Return the engine and precision that :func:`open_engine` would use here, without opening it.

    Args:
        bundle: the model.
        name: as for :func:`open_engine`.
        precision: the same.

    Returns:
        The engine's row, and the precision, which is never ``auto``.

    Raises:
        OptionError: if the name or the precision is unknown.
        EngineError: if the engine is not installed or does not start, or the processor does not
            support the precision.

    Example:
        >>> row, precision = choose_engine(find_bundle("fast"))              # doctest: +SKIP
        >>> row.name, precision                                              # doctest: +SKIP
        ('onnxruntime', 'fp32')
    """
    row = _row(name)
    if precision not in (None, AUTO, *row.precisions):
        raise OptionError(
            f"engine {row.name!r} does not support precision {precision!r}; choose "
            f"{_any_of(row.precisions)}"
        )
    if not row.installed:
        raise EngineError(f"engine {row.name!r} is not installed; pip install {row.pip}")
    usable = usable_precisions(row)
    if precision not in (None, AUTO, *usable):
        raise EngineError(
            f"this processor does not support {precision} with engine {row.name!r}; "
            f"choose {_any_of(usable)}"
        )
    if precision is None:
        precision = default_precision(bundle.card, usable)
    elif precision == AUTO:
        precision = fastest_precision(row, bundle.card, usable)
    return row, precision


def usable_precisions(row: EngineRow) -> list[str]:
    """Return the precisions of an engine that this processor supports, most preferred first.

    Raises:
        EngineError: if the engine's library does not start.

    Example:
        >>> usable_precisions(ENGINES[-1])
        ['fp32', 'int8']
    """
    try:
        opener: Any = importlib.import_module(row.module)
        supported: frozenset[str] = opener.supported()
    except (ImportError, AttributeError) as error:  # caused by files that two packages have written
        raise EngineError(
            f"engine {row.name!r} is installed but does not start ({error_line(error)}); "
            f"{mend(row, providers(row.imports))}"
        ) from error
    return [each for each in row.precisions if each in supported]


def default_precision(card: Card, usable: Sequence[str]) -> str:
    """Choose the precision of a model where none is requested.

    It is the one on its card, or the first of the engine, which is fast and almost exact.

    Args:
        card: of the model.
        usable: precisions of the engine that this processor supports, most preferred first.

    Example:
        >>> default_precision(find_bundle("fast").card, ["fp32", "int8"])    # doctest: +SKIP
        'fp32'
    """
    return card.precision if card.precision in usable else usable[0]


def fastest_precision(row: EngineRow, card: Card, usable: Sequence[str]) -> str:
    """Choose the precision of a model for painting many frames fast.

    It is ``int8`` where the model has such a decoder and the table of measured gains
    (:mod:`impasto.models.gains`) shows that it is worthwhile on this processor; else that of
    :func:`default_precision`. Where that is bfloat16 and there is AMX, it is never ``int8``.

    Args:
        row: the engine.
        card: of the model.
        usable: precisions of the engine that this processor supports, most preferred first.

    Example:
        >>> card = find_bundle("fast").card                                  # doctest: +SKIP
        >>> fastest_precision(ENGINES[-1], card, ["fp32", "int8"])           # doctest: +SKIP
        'int8'
    """
    first, known = default_precision(card, usable), instructions()
    asked = first == card.precision
    if asked or not card.int8 or "int8" not in usable or (first == "bf16" and "amx" in known):
        return first
    measured = find_gain(row.name, known)
    worth = (
        measured is not None and measured.before == first and (measured.of(card.macs_512) >= WORTH)
    )
    return "int8" if worth else first


Run: TypeAlias = Callable[
    [Sequence[str], Mapping[str, NDArray[np.float32]]], list[NDArray[np.float32]]
]
"""Function that runs a graph: names of outputs, inputs by name -> those outputs, in order."""


class GraphEngine:
    """The :class:`Engine` of a model's graphs, common to all libraries that run them."""

    def __init__(self, card: Card, graphs: Mapping[str, Run], *, name: str, precision: str) -> None:
        """Set ``graphs``, with a function for each of :attr:`impasto.models.Bundle.parts`."""
        self.name = name
        self.precision = precision
        self._card = card
        self._outputs = encoder_outputs(card)
        self._graphs = graphs

    def __reduce__(self) -> NoReturn:
        raise EngineError(
            f"an opened engine ({self.name}, model {self._card.name!r}) cannot be pickled or "
            "copied; pickle what impasto.load() returns, or load the model in each process"
        )

    def encode(self, image: NDArray[np.float32]) -> Encoded:
        """See :meth:`Engine.encode`."""
        outputs = self._run("encoder", self._outputs, {"image": image[None]})
        height, width = image.shape[1:]
        for level, features in zip(self._card.levels, outputs, strict=False):
            # Not every engine reports mismatched sizes: one returned empty maps instead.
            wanted = (level.channels, height / level.stride, width / level.stride)
            if features.shape[1:] != wanted:
                raise EngineError(
                    f"{self.name} failed: an image of {width} x {height} pixels gave features of "
                    f"{features.shape[3]} x {features.shape[2]} at level {level.name!r}; heights "
                    f"and widths must be multiples of {self._card.multiple}"
                )
        return group_outputs(self._card, outputs)

    def read(
        self,
        style: NDArray[np.float32],
        moments: Sequence[Moments],
        counts: NDArray[np.float32],
    ) -> tuple[Moments, ...]:
        """See :meth:`Engine.read`."""
        feed = {"image": style[None], "counts": counts[None, None]}
        for index, each in enumerate(moments):
            for name, values in (("mean", each.mean), ("std", each.std)):
                feed[f"{name}_{index}"] = values.astype(np.float32).reshape(1, -1, 1, 1)
        found = self._run("reader", reader_outputs(self._card), feed)
        count = len(self._card.levels)
        return _moments(found[:count], found[count:])

    def run(self, part: str, feed: Mapping[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """See :meth:`Engine.run`."""
        batched = {name: values[None] for name, values in feed.items()}
        outputs = [BUILT_IN_OUTPUTS[part]] if self._card.styles else []
        found: NDArray[np.float32] = self._run(part, outputs, batched)[0][0]
        return found

    def decode(
        self, features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
    ) -> NDArray[np.float32]:
        """See :meth:`Engine.decode`."""
        feed = decoder_feed(features, affines)
        outputs = [] if self._card.styles else ["image"]
        image: NDArray[np.float32] = self._run("decoder", outputs, feed)[0][0]
        return image

    def _run(
        self, part: str, outputs: Sequence[str], feed: Mapping[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        if part not in self._graphs or not outputs:
            reason = "its styles are built in"
            if not self._card.styles:
                reason = (
                    "it uses the moments of a style unchanged"
                    if part == "reader"
                    else "it has no built-in styles"
                )
            raise EngineError(f"model {self._card.name!r} has no {part}: {reason}")
        try:
            return self._graphs[part](outputs, feed)
        except EngineError:
            raise
        except Exception as error:  # errors of these libraries share no base class
            raise EngineError(f"{self.name} failed: {error_line(error)}") from error


def group_outputs(card: Card, outputs: Sequence[NDArray[np.float32]]) -> Encoded:
    """Group an encoder's outputs into features and moments.

    Args:
        card: the model's card.
        outputs: the arrays of ``encoder_outputs(card)``, in that order, with their batch axis.
    """
    count = len(card.levels)
    features, means, stds = (outputs[part * count : (part + 1) * count] for part in range(3))
    moments = (
        replace(each, count=maps[0, 0].size)
        for each, maps in zip(_moments(means, stds), features, strict=True)
    )
    return tuple(each[0] for each in features), tuple(moments)


def _moments(
    means: Sequence[NDArray[np.float32]], stds: Sequence[NDArray[np.float32]]
) -> tuple[Moments, ...]:
    return tuple(
        Moments(mean=mean.astype(np.float64).ravel(), std=std.astype(np.float64).ravel())
        for mean, std in zip(means, stds, strict=True)
    )


def encoder_outputs(card: Card) -> list[str]:
    """Return the names of an encoder's outputs, in the order of :func:`group_outputs`."""
    return [f"{kind}_{i}" for kind in ("features", "mean", "std") for i in range(len(card.levels))]


def reader_outputs(card: Card) -> list[str]:
    """Return the names of a reader's outputs, means first."""
    return [f"wanted_{kind}_{i}" for kind in ("mean", "std") for i in range(len(card.levels))]


def decoder_feed(
    features: Sequence[NDArray[np.float32]], affines: Sequence[Affine]
) -> dict[str, NDArray[np.float32]]:
    """Return a decoder's inputs by name, with their batch axis; no array is copied."""
    feed: dict[str, NDArray[np.float32]] = {}
    for index, (each, affine) in enumerate(zip(features, affines, strict=True)):
        feed[f"features_{index}"] = each[None]
        feed[f"scale_{index}"] = affine.scale[None]
        feed[f"shift_{index}"] = affine.shift[None]
    return feed


@contextmanager
def environment(name: str, value: str) -> Iterator[None]:
    """Set an environment variable within a block and restore it afterwards.

    Engines read such variables once, at start, to decide whether they send telemetry.
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
    """Summarize a library's error in one line of at most 200 characters.

    Args:
        error: the error.
        last: take the last line instead of the first, for libraries that begin with a trace.
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1 if last else 0] if lines else type(error).__name__
    return text if len(text) <= 200 else text[:199] + "…"


def default_engine() -> EngineRow:
    """Return the row of the engine that is used where none is requested.

    Example:
        >>> default_engine() in ENGINES
        True
    """
    # The last one is a dependency of the package; if it is missing, its own error reports it.
    return next((row for row in ENGINES if row.installed), ENGINES[-1])


def _row(name: str | None) -> EngineRow:
    if name is None:
        return default_engine()
    for row in ENGINES:
        if row.name == name:
            return row
    raise OptionError(
        f"there is no engine {name!r}; choose {_any_of([row.name for row in ENGINES])}"
    )


def _any_of(words: Sequence[str]) -> str:
    return " or ".join(words)


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1
