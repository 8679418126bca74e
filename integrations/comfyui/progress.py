"""ComfyUI's progress bar and its Cancel button."""

from __future__ import annotations

from collections.abc import Callable

from comfy.model_management import throw_exception_if_processing_interrupted
from comfy.utils import ProgressBar


class Steps:
    """Counts the images that are done, of so many.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._parts, self._bar = 1000, ProgressBar(1000 * count)
        self._done = 0

    def image(self) -> None:
        """Note that one more image is done; an exception of ComfyUI's ends all if it shall."""
        self._done += 1
        self._at(0)

    def within(self) -> Callable[[object], None]:
        """Return what an image under way calls after every step of it, such as a tile."""
        return lambda progress: self._at(self._parts * progress.step // progress.steps)

    def _at(self, part: int) -> None:
        throw_exception_if_processing_interrupted()
        self._bar.update_absolute(self._done * self._parts + part)
