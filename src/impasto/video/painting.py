"""Painting of frames by a model: several at once, steadied, and in their order.

A frame takes the same time in one thread whether or not another frame is painted beside it, but two
threads on one frame wait for each other. So as many frames are painted at once as there are cores,
each in an engine of one thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain, count, repeat
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from impasto.controls import Controls
from impasto.controls.masks import fit
from impasto.controls.regions import StyleMap
from impasto.errors import VideoError
from impasto.images.arrays import Photo
from impasto.images.options import ReadOptions
from impasto.images.photo import fit_photo
from impasto.images.ranges import FIXED, WHITE, fractions
from impasto.images.writing import quantized
from impasto.models.engine import available_cores
from impasto.painting import Budget
from impasto.painting.plan import process_bytes
from impasto.styles.style import Style
from impasto.stylizer import Styles, Stylizer
from impasto.video.frames import LARGE, Frame
from impasto.video.options import VideoOptions
from impasto.video.steady import Prepared, SteadyInput, SteadyOutput, cropped, padded

State: TypeAlias = Mapping[str, NDArray[Any]]

# A worker with less than this, beside what its frame needs, paints in tiles so small that most of
# its work is on their margins.
_LEAST_BYTES = 120_000_000
# Dtypes of frames from programs.
_KINDS = (*FIXED, "f4")
_TOO_FEW = "there are fewer controls than frames: give one for each frame"
# Bytes for each pixel of a frame that decoders and encoders hold (measured with H.264 at 4K), and
# those of a frame in floats.
_CODED, _FLOATS = 60, 12


@dataclass(frozen=True, eq=False)
class Look:
    """The styles and the controls that a frame is painted with.

    Attributes:
        styles: of :meth:`impasto.stylizer.Stylizer.prepare`; empty: the frame stays as it is.
        controls: one weight and one mask for each style, if any; with their pictures read.
    """

    styles: Sequence[Style | Photo]
    controls: Controls


def changed(before: Look, now: Look, shape: tuple[int, int]) -> float | NDArray[np.float32]:
    """Measure how much the strengths of styles differ between two looks.

    Args:
        before: one look.
        now: the other.
        shape: height and width of the result, if the strengths are maps.

    Returns:
        The sum of the differences over all styles: a number, or a map.
    """
    if before is now:
        return 0.0
    amounts: dict[int, Any] = {}
    for look, sign in ((before, -1), (now, 1)):
        if look.styles:
            strengths = StyleMap(look.controls, len(look.styles), *shape)
            found = strengths.window(slice(0, shape[0]), slice(0, shape[1]))
            for style, strength in zip(look.styles, found, strict=True):
                amounts[id(style)] = amounts.get(id(style), 0.0) + sign * strength
    change = sum(np.abs(amount) for amount in amounts.values())
    return float(change) if np.ndim(change) == 0 else np.asarray(change, np.float32)


@dataclass(frozen=True, eq=False)
class PaintedFrame:
    """A frame that was painted.

    Attributes:
        frame: the result.
        photo: the input frame, at the size of the result, (H, W, 3) in [0, 1]; None unless
            requested, as the next.
        plain: the result before it was blended with those before it, (H, W, 3) in [0, 1].
        state: what :meth:`FramePainter.restore` needs to continue after this frame, if requested.
    """

    frame: Frame
    photo: NDArray[np.float32] | None = None
    plain: NDArray[np.float32] | None = None
    state: State | None = None


@dataclass(frozen=True)
class Crew:
    """The number of frames that are painted at once, and the resources of each.

    Attributes:
        workers: number of frames.
        threads: threads that the engine uses for each of them.
        budget: memory and tiles of each.
        ahead: number of frames that wait for a worker: one, so that no worker waits for a frame,
            unless frames are large.
    """

    workers: int
    threads: int
    budget: Budget
    ahead: int = 1

    @classmethod
    def of(cls, model: Stylizer, height: int, width: int, budget: Budget, cores: int) -> Crew:
        """Share the cores and the memory among the frames that are painted at once.

        Args:
            model: the model. Anything but a trained model paints one frame at a time.
            height: of the frames, in pixels.
            width: of the frames.
            budget: memory of the whole process, and tiles.
            cores: maximum number of threads.

        Example:
            >>> Crew.of(model, 720, 1280, Budget(), 2).workers               # doctest: +SKIP
            2
        """
        card = getattr(model.painter, "card", None)
        if card is None:
            return cls(1, cores, budget)
        pixels = height * width
        base, ahead = process_bytes(card), 0 if pixels > LARGE else 1
        for workers in range(cores, 0, -1):
            # A photograph and a result for each worker; what steadying keeps of the previous frame
            # before and after painting, and the frame that is being made.
            kept = _FLOATS * pixels * (2 * workers + ahead + 3)
            share = (budget.memory - base - _CODED * pixels - kept) // workers
            if share >= _LEAST_BYTES + _FLOATS * pixels:
                break
        share = max(share, _LEAST_BYTES + _FLOATS * pixels)
        threads = 1 if workers > 1 else cores
        return cls(workers, threads, replace(budget, memory=base + share), ahead)


class FramePainter:
    """Painter of the frames of one film, in their order; keeps only what steadying needs.

    Args:
        model: with the threads of the crew (:meth:`impasto.stylizer.Stylizer.with_threads`).
        looks: gives the look of the frame that appears at a time.
        steady: a name in :data:`impasto.video.options.LEVELS`.
        size: shorter side of the results in pixels; None: the frames' own.
        crew: how many frames are painted at once.
        deep: whether results have 16 bits; those of frames in floats are floats.
        keeps: whether frames are also returned as floats, before and after painting.
    """

    def __init__(
        self,
        model: Stylizer,
        looks: Callable[[Fraction], Look],
        *,
        steady: str,
        size: int | None = None,
        crew: Crew,
        deep: bool = False,
        keeps: bool = False,
    ) -> None:
        self._model, self._looks, self._size, self._crew = model, looks, size, crew
        self._deep, self._keeps = deep, keeps
        self._input: SteadyInput | None = None
        self._output: SteadyOutput | None = None
        self._before: Look | None = None
        self._multiple = lattice_of(model)
        if steady != "off":
            self._input = SteadyInput(steady, self._multiple)
            self._output = SteadyOutput(steady)

    def paint(self, frames: Iterable[Frame], *, every: int = 0) -> Iterator[PaintedFrame]:
        """Paint frames, in their order.

        Args:
            frames: upright, of one size; taken one by one, as they are needed.
            every: the state is returned too with every so many frames; 0 for never.

        Raises:
            VideoError: if a frame has another size than the first.
            ImpastoError: as :meth:`impasto.stylizer.Stylizer.paint`.
        """
        pending: deque[tuple[_Job, Future[NDArray[np.float32]]]] = deque()
        shape: tuple[int, ...] = ()
        with ThreadPoolExecutor(self._crew.workers, "impasto-frame") as pool:
            try:
                for index, frame in enumerate(frames, start=1):
                    shape = shape or frame.image.shape
                    if frame.image.shape != shape:
                        raise VideoError(_size_changed(frame, shape))
                    job = self._prepared(frame, wants_state=bool(every) and index % every == 0)
                    pending.append((job, pool.submit(self._painted, job)))
                    del frame, job  # free them before the next is decoded and prepared
                    if len(pending) >= self._crew.workers + self._crew.ahead:
                        yield self._finished(*pending.popleft())
                while pending:
                    yield self._finished(*pending.popleft())
            finally:
                for _, future in pending:
                    future.cancel()

    def restore(self, state: State) -> None:
        """Continue after the frame of the state, as if it had just been painted."""
        if self._input is not None and self._output is not None:
            self._input.restore(part_of_state(state, "input"))
            self._output.restore(part_of_state(state, "output"))
            numerator, denominator = part_of_state(state, "look")["time"].tolist()
            self._before = self._looks(Fraction(numerator, denominator))

    def _photo(self, frame: Frame) -> Photo:
        """A frame in floats, at the size of the result."""
        opacity = None if frame.opacity is None else floats(frame.opacity)
        photo = Photo(floats(frame.image), opacity, f"the frame at {float(frame.time):.2f} s")
        return fit_photo(photo, self._size)

    def _prepared(self, frame: Frame, *, wants_state: bool) -> _Job:
        look = self._looks(frame.time)
        if self._input is None:  # floats are made by the worker: they are four times as large
            return _Job(frame, look, None, None, {} if wants_state else None)
        photo = self._photo(frame)
        prepared = self._input(photo.image)
        state = named_state("input", self._input.state()) if wants_state else None
        return _Job(frame, look, photo.alpha, prepared, state)

    def _painted(self, job: _Job) -> NDArray[np.float32]:
        look = job.look
        if not look.styles or (isinstance(look.controls.alpha, float) and look.controls.alpha == 0):
            return self._photo(job.frame).image
        if job.prepared is None:
            photo = self._photo(job.frame)
            image, opacity = photo.image, photo.alpha
        else:
            image, opacity = job.prepared.image, job.opacity
        if job.prepared is None or self._multiple == 1:
            return self._model.paint(
                image,
                look.styles,
                look.controls,
                opacity=opacity,
                budget=self._crew.budget,
            ).image
        size, offset = (image.shape[0], image.shape[1]), job.prepared.offset

        def moved(plane: Any) -> NDArray[np.float32]:  # maps are read: arrays, or their windows
            return padded(fit(plane, *size), offset, self._multiple)

        controls = look.controls
        if controls.masks or not isinstance(controls.alpha, float):
            alpha = controls.alpha if isinstance(controls.alpha, float) else moved(controls.alpha)
            controls = replace(controls, alpha=alpha, masks=[moved(m) for m in controls.masks])
        painted = self._model.paint(
            padded(image, offset, self._multiple),
            look.styles,
            controls,
            opacity=None if opacity is None else moved(opacity),
            budget=self._crew.budget,
        )
        return cropped(painted.image, offset, size)

    def _finished(self, job: _Job, future: Future[NDArray[np.float32]]) -> PaintedFrame:
        plain = future.result()
        painted, state = plain, job.state
        if self._output is not None and job.prepared is not None:
            share = job.prepared.share
            change: float | NDArray[np.float32] = 0.0
            if share is not None and self._before is not None:
                change = changed(self._before, job.look, (share.shape[0], share.shape[1]))
            painted = self._output(job.prepared, plain, change)
            self._before = job.look
            if state is not None:
                time = np.array(job.frame.time.as_integer_ratio(), np.int64)
                state = {
                    **state,
                    **named_state("output", self._output.state()),
                    **named_state("look", {"time": time}),
                }
        depth, exact = 16 if self._deep else 8, job.frame.image.dtype.kind == "f"
        photo = self._photo(job.frame) if self._keeps or job.frame.opacity is not None else None
        opacity: Any = None
        if photo is not None and photo.alpha is not None:
            opacity = photo.alpha if exact else quantized(photo.alpha, depth)
        image: Any = painted if exact else quantized(painted, depth)
        frame = replace(job.frame, image=image, opacity=opacity)
        if not self._keeps or photo is None:
            return PaintedFrame(frame, state=state)
        return PaintedFrame(frame, photo.image, plain, state)


def stylize_frames(
    model: Stylizer,
    arrays: Iterable[NDArray[Any]],
    style: Styles,
    controls: Controls | Iterable[Controls] = Controls(),
    *,
    steady: str = "light",
    read: ReadOptions = ReadOptions(),
    budget: Budget = Budget(),
    threads: int | None = None,
) -> Iterator[NDArray[Any]]:
    """Paint the frames of a film that are given as arrays.

    Args:
        model: result of :func:`impasto.load`.
        arrays: (H, W, 3) or (H, W, 4), uint8, uint16 or float32 in [0, 1], sRGB, all of one size;
            taken one by one, a few ahead of the results.
        style: as for :meth:`impasto.stylizer.Stylizer.stylize`.
        controls: strength, weights, masks and colors; or those of every frame, such as masks that
            move, taken one by one too. The styles are prepared for the first.
        steady: "off", "light" or "strong": the level of steadiness.
        read: the size of the results and of the styles.
        budget: memory of the whole process, and tiles.
        threads: maximum number of threads; None: one for each core.

    Returns:
        For every array one of the same dtype and channels, in order.

    Raises:
        VideoError: if an array is no such frame, or has another size than the first, or there are
            fewer controls than frames.
        StyleError: as :meth:`impasto.stylizer.Stylizer.stylize`.
        OptionError: the same, or if steady is not a level.

    Example:
        >>> painted = stylize_frames(model, frames, "munch-scream")         # doctest: +SKIP
        >>> for image in painted: show(image)                               # doctest: +SKIP
        >>> moving = (Controls(masks=[mask]) for mask in masks)             # doctest: +SKIP
        >>> painted = stylize_frames(model, frames, "wave", moving)         # doctest: +SKIP
    """
    VideoOptions(steady=steady)  # refuses an unknown level
    given: list[Any] = list(style) if isinstance(style, list | tuple) else [style]
    own = repeat(controls) if isinstance(controls, Controls) else iter(controls)
    leading = next(own, None)
    if leading is None:
        raise VideoError(_TOO_FEW)
    model.check(leading, len(given), budget)
    cores = threads or available_cores()
    with ExitStack() as files:
        styles = [model.prepare(each, leading, read) for each in given]

        def opened(each: Controls) -> Look:
            each = each.opened(files, max_pixels=read.max_pixels)
            model.check(each, len(styles), budget)
            return Look(styles, each)

        if isinstance(controls, Controls):
            looks: Iterator[Look] = repeat(opened(controls))
        else:
            looks = map(opened, chain([leading], own))

        def look_at(time: Fraction) -> Look:
            look = next(looks, None)
            if look is None:
                raise VideoError(_TOO_FEW)
            return look

        stream = iter(arrays)
        first = next(stream, None)
        if first is None:
            return
        _check_array(first)
        height, width = first.shape[:2]
        crew = Crew.of(model, height, width, budget, cores)
        painter = FramePainter(
            model.with_threads(crew.threads),
            look_at,
            steady=steady,
            size=read.size,
            crew=crew,
            deep=first.dtype.itemsize > 1,
        )
        for painted in painter.paint(_framed(first, stream)):
            frame = painted.frame
            if frame.opacity is None:
                yield frame.image
            else:
                yield np.dstack([frame.image, frame.opacity])


def lattice_of(model: Stylizer) -> int:
    """Return the spacing of the points of a model's lattice in pixels; 1 if it has none."""
    card = getattr(model.painter, "card", None)
    return 1 if card is None else int(card.multiple)


def floats(values: NDArray[Any]) -> NDArray[np.float32]:
    """Return whole numbers of 8 or 16 bits as floats in [0, 1]; floats are checked and copied.

    Example:
        >>> floats(np.array([0, 255], np.uint8))
        array([0., 1.], dtype=float32)
    """
    white = WHITE[values.dtype.str[1:]]
    return fractions(values, None, white=white, name="the frame", what="its values")


def named_state(stage: str, state: State) -> dict[str, NDArray[Any]]:
    """Return the state of a stage under names that begin with the stage's.

    Example:
        >>> list(named_state("input", {"offset": np.zeros(2)}))
        ['input.offset']
    """
    return {f"{stage}.{name}": values for name, values in state.items()}


def part_of_state(state: State, stage: str) -> dict[str, NDArray[Any]]:
    """Return the state of a stage, as given to :func:`named_state`; {} if there is none.

    Example:
        >>> list(part_of_state({"input.offset": np.zeros(2)}, "input"))
        ['offset']
    """
    before = f"{stage}."
    return {
        name.removeprefix(before): values
        for name, values in state.items()
        if name.startswith(before)
    }


@dataclass(frozen=True, eq=False)
class _Job:
    """A frame in progress: as it came, its opacity in floats, and after the first stage."""

    frame: Frame
    look: Look
    opacity: NDArray[np.float32] | None
    prepared: Prepared | None
    state: State | None


def _framed(first: NDArray[Any], others: Iterator[NDArray[Any]]) -> Iterator[Frame]:
    """Arrays as frames, one a second: the times do not matter."""
    array: NDArray[Any] | None = first
    for second in count():
        if array is None:
            return
        _check_array(array)
        opacity = array[..., 3] if array.shape[2] == 4 else None
        yield Frame(array[..., :3], Fraction(second), opacity)
        array = next(others, None)


def _check_array(array: Any) -> None:
    if not isinstance(array, np.ndarray):
        raise VideoError(f"a frame must be an array, not a {type(array).__name__}")
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype.str[1:] not in _KINDS:
        raise VideoError(
            "a frame must be (H, W, 3) or (H, W, 4) numbers of type uint8, uint16 or float32, not "
            f"{array.shape} {array.dtype}"
        )


def _size_changed(frame: Frame, shape: tuple[int, ...]) -> str:
    height, width = frame.image.shape[:2]
    return (
        f"the frame at {float(frame.time):.2f} s has {width} x {height} pixels, but the first one "
        f"{shape[1]} x {shape[0]}: all frames need the same size; cut the film there, or scale it"
    )
