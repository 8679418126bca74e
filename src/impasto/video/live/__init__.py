"""A camera painted live: the newest frame wins, and settings may change from frame to frame.

A thread grabs frames and keeps only the last of them; nothing is ever queued. Painting takes the
last one whenever it is ready. So a slow model shows fewer frames, none of them late::

    with open_camera(0) as camera, LiveFrames(model, camera, settings) as frames:
        for frame in frames:
            show(frame.image)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from threading import Condition, Event, Thread
from time import perf_counter
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from impasto.controls import Controls
from impasto.images.options import check_size
from impasto.images.photo import Photo
from impasto.images.writing import quantized
from impasto.painting import Budget
from impasto.styles.style import Style
from impasto.stylizer import Stylizer
from impasto.video.live.cameras import Camera, Grabbed

__all__ = ["LiveFrame", "LiveFrames", "LiveSettings"]

# A frame that has waited longer than this fraction of the painting time is dropped for the next
# one, so that the delay stays below 1.5 times that time. If the camera keeps its rate, the next one
# comes within that time: if painting were faster than the camera, no frame would wait.
_PATIENCE = 0.5

# The shortest of the last few painting times is one that no other load on the machine slowed down.
_REMEMBERED = 5

# The frame rate is measured over this many seconds.
_WINDOW_SECONDS = 2.0

# A hung driver is not waited for; its thread ends with the process.
_JOIN_SECONDS = 3.0


@dataclass(frozen=True, eq=False)
class LiveSettings:
    """Everything that may change from one frame to the next, as one value.

    Attributes:
        styles: of ``Stylizer.prepare``; several are mixed.
        controls: as for any picture; their maps are open.
        size: shorter side that larger frames are reduced to; None: the camera's own.

    Raises:
        OptionError: if the size is out of its range.

    Example:
        >>> LiveSettings(styles=(), size=480).size
        480
    """

    styles: tuple[Style | Photo, ...]
    controls: Controls = Controls()
    size: int | None = 360

    def __post_init__(self) -> None:
        check_size(self.size)


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A painted frame.

    Attributes:
        image: (H, W, 3), sRGB.
        number: number of frames that the camera had given before.
        painted: how many of those were painted; the others were dropped.
        captured: the moment at which the camera gave it, in seconds of ``time.perf_counter``.
        delay: seconds from then until it was painted.
        work: seconds that painting took.
        rate: recent number of painted frames in a second; 0 for the first.
        settings: settings that it was painted with.
    """

    image: NDArray[np.uint8]
    number: int
    painted: int
    captured: float
    delay: float
    work: float
    rate: float
    settings: LiveSettings


class LiveFrames:
    """Painted frames of a camera, for one ``for`` loop; see :mod:`impasto.video.live`.

    Grabbing begins on entering its block and ends on leaving it, which also releases the camera.
    :attr:`settings` may be set, and :meth:`stop` called, from any thread.
    """

    def __init__(
        self,
        model: Stylizer,
        camera: Camera,
        settings: LiveSettings,
        *,
        budget: Budget = Budget(),
    ) -> None:
        """Check the settings.

        Args:
            model: the model that paints the frames.
            camera: an open camera; released at the end.
            settings: initial settings.
            budget: memory and tiles of one frame.

        Raises:
            ImpastoError: as ``Stylizer.paint`` would raise it for the styles and controls.
        """
        self._model, self._camera, self._budget = model, camera, budget
        self._stop, self._changed = Event(), Condition()
        self._newest: Grabbed | None = None
        self._ended = False
        self._error: Exception | None = None
        self._works: deque[float] = deque(maxlen=_REMEMBERED)
        self._thread = Thread(target=self._grab, name="camera", daemon=True)
        self.settings = settings

    @property
    def settings(self) -> LiveSettings:
        """The settings of the next frame.

        Setting them raises what ``Stylizer.paint`` would raise, and then changes nothing.
        """
        return self._settings

    @settings.setter
    def settings(self, settings: LiveSettings) -> None:
        self._model.check(settings.controls, len(settings.styles), self._budget)
        for style in settings.styles:
            self._model.check_style(style, settings.controls)
        self._settings = settings

    def __enter__(self) -> LiveFrames:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        self._thread.join(_JOIN_SECONDS)

    def stop(self) -> None:
        """End the loop over the frames after the one that is being painted."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def __iter__(self) -> Iterator[LiveFrame]:
        """Paint the newest frame whenever one is there, until the camera ends.

        Raises:
            VideoError: if the camera fails, such as when it is unplugged.
            ImpastoError: if a frame cannot be painted.
        """
        painted, finished = 0, deque[float]()
        while (grabbed := self._take()) is not None:
            begin, settings = perf_counter(), self._settings
            image = np.divide(grabbed.pixels(settings.size), 255, dtype=np.float32)
            result = self._model.paint(
                image, settings.styles, settings.controls, budget=self._budget
            )
            pixels = quantized(result.image, 8)
            end = perf_counter()
            self._works.append(end - begin)
            finished.append(end)
            while len(finished) > 2 and end - finished[0] > _WINDOW_SECONDS:
                finished.popleft()
            span = end - finished[0]
            yield LiveFrame(
                image=pixels,
                number=grabbed.number,
                painted=painted,
                captured=grabbed.captured,
                delay=end - grabbed.captured,
                work=end - begin,
                rate=(len(finished) - 1) / span if span else 0.0,
                settings=settings,
            )
            painted += 1

    def _take(self) -> Grabbed | None:
        """Wait for the frame to paint next; None at the end."""
        patience = _PATIENCE * min(self._works, default=0.0)
        with self._changed:
            while self._newest is None and not self._ended and not self._stop.is_set():
                self._changed.wait()
            waiting = self._newest
            if waiting is not None and perf_counter() - waiting.captured > patience:
                self._changed.wait_for(
                    lambda: self._newest is not waiting or self._ended or self._stop.is_set(),
                    patience,
                )
            if self._stop.is_set():
                return None
            grabbed, self._newest = self._newest, None
            if grabbed is None and self._error is not None:
                raise self._error
            return grabbed

    def _grab(self) -> None:
        """Keep the newest frame, in a separate thread, and release the camera at the end."""
        error: Exception | None = None
        try:
            for grabbed in self._camera.grab(self._stop):
                with self._changed:
                    self._newest = grabbed
                    self._changed.notify_all()
        except Exception as failure:  # raised again by the loop over the frames
            error = failure
        finally:
            with suppress(Exception):  # the device may be gone
                self._camera.close()
            with self._changed:
                self._error, self._ended = error, True
                self._changed.notify_all()
