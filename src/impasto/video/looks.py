"""The look of every frame: styles and strength over time, masks that are films themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.controls import Controls
from impasto.images.arrays import Photo
from impasto.images.ranges import WHITE
from impasto.styles.style import Style
from impasto.video.frames import Film, Frame
from impasto.video.options import is_film
from impasto.video.painting import Look
from impasto.video.timeline import Timeline

# A mask's frame is searched from this many seconds before: it may be shown that long.
_BEFORE = Fraction(2)

# Rec. 709: the weights of the sRGB primaries.
_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)


class MaskFilm:
    """A film of a mask, or of a map of strength: white for all of the style, black for none.

    If its frames have an opacity, that is the mask, as for a picture that is cut out.

    Args:
        film: an open film; frames are requested in the order of their times.
    """

    def __init__(self, film: Film) -> None:
        self._film = film
        self._frames: Iterator[Frame] | None = None
        self._now: Frame | None = None
        self._next: Frame | None = None

    def at(self, time: Fraction) -> NDArray[np.float32]:
        """Return the mask at a time, (H, W) in [0, 1]; after its end the last one."""
        if self._frames is None or (self._now is not None and time < self._now.time):
            self._open(max(time - _BEFORE, Fraction(0)))
            if self._now is not None and self._now.time > time:
                self._open(Fraction(0))
        while self._next is not None and self._next.time <= time:
            self._step()
        if self._now is None:  # its first frame comes later, or it has none
            return np.zeros((1, 1), np.float32)
        return _plane(self._now)

    def _open(self, start: Fraction) -> None:
        self._frames = (each for each in self._film.frames(start) if isinstance(each, Frame))
        self._next = next(self._frames, None)
        self._step()

    def _step(self) -> None:
        assert self._frames is not None
        self._now, self._next = self._next, next(self._frames, None)


class Looks:
    """The look of each frame, by the time at which it appears.

    Args:
        styles: of :meth:`impasto.stylizer.Stylizer.prepare`: all that are mixed, or all of the
            timeline, in the order of ``Timeline.styles``.
        controls: controls with their pictures read, and their films replaced by :meth:`split`.
        timeline: None: the same styles and strength all the time.
        films: the films among the masks by their numbers, and that of the strength as "alpha".
    """

    def __init__(
        self,
        styles: Sequence[Style | Photo],
        controls: Controls,
        timeline: Timeline | None,
        films: dict[int | str, MaskFilm],
    ) -> None:
        self._styles, self._controls, self._timeline = tuple(styles), controls, timeline
        self._films = films

    @staticmethod
    def split(
        controls: Controls, files: ExitStack, open_film: Callable[[Any], Film]
    ) -> tuple[Controls, dict[int | str, MaskFilm]]:
        """Open the films among the masks and the strength.

        Args:
            controls: controls as the user gave them.
            files: closes the films.
            open_film: function that opens a film.

        Returns:
            Controls with a plain plane in place of every film, and the films.

        Raises:
            VideoError: if one cannot be read.
        """
        films: dict[int | str, MaskFilm] = {}
        white = np.ones((1, 1), np.float32)

        def opened(source: Any, key: int | str) -> Any:
            if not is_film(source):
                return source
            films[key] = MaskFilm(files.enter_context(open_film(source)))
            return white

        masks = [opened(mask, number) for number, mask in enumerate(controls.masks)]
        alpha = opened(controls.alpha, "alpha")
        if films:
            controls = replace(controls, masks=masks, alpha=alpha)
        return controls, films

    def __call__(self, time: Fraction) -> Look:
        """Return the look of the frame that appears at a time, in seconds."""
        styles, controls = self._styles, self._controls
        if self._timeline is not None:
            moment = self._timeline.at(time)
            if moment.styles:
                styles = tuple(self._styles[number] for number in moment.styles)
                controls = replace(controls, weights=moment.weights if len(styles) > 1 else None)
            if moment.alpha is not None:
                controls = replace(controls, alpha=moment.alpha)
        if not self._films:
            return Look(styles, controls)
        if "alpha" in self._films:
            controls = replace(controls, alpha=self._films["alpha"].at(time))
        masks = [
            self._films[number].at(time) if number in self._films else mask
            for number, mask in enumerate(controls.masks)
        ]
        # A style is left out while its mask is empty.
        seen = [number for number, mask in enumerate(masks) if not _is_empty(mask)]
        weights = controls.weights
        if weights is not None:
            weights = [weights[number] for number in seen]
        if masks and (not seen or (weights is not None and not any(weights))):
            return Look((), self._controls)
        controls = replace(controls, masks=[masks[number] for number in seen], weights=weights)
        return Look([styles[number] for number in seen] if masks else styles, controls)


def _is_empty(mask: Any) -> bool:
    return isinstance(mask, np.ndarray) and not mask.any()


def _plane(frame: Frame) -> NDArray[np.float32]:
    plane = frame.opacity
    white = np.float32(WHITE[frame.image.dtype.str[1:]])
    if plane is not None:
        return plane.astype(np.float32) / white
    gray: NDArray[np.float32] = (frame.image.astype(np.float32) @ _LUMA) / white
    return gray.clip(0, 1)
