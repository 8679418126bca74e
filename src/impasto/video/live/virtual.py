"""A camera that other programs can choose, such as those for meetings, by way of pyvirtualcam."""

from __future__ import annotations

import importlib
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from impasto.errors import VideoError, one_line
from impasto.video.live.fitting import fitted

__all__ = ["VirtualCamera"]

WIDTH, HEIGHT = 1280, 720
"""Its size in pixels: others come out green or not at all in some programs."""

_RATE = 30


class VirtualCamera:
    """A virtual camera, until its block ends. Frames are fitted into it, with black beside them.

    Attributes:
        name: of the device, as other programs list it.
    """

    def __init__(self) -> None:
        """Open the camera.

        Raises:
            VideoError: if pyvirtualcam is not installed, or the system has no such device.
        """
        try:
            module: Any = importlib.import_module("pyvirtualcam")
        except ImportError as error:
            raise VideoError(
                f"a virtual camera needs pyvirtualcam ({one_line(error)}): "
                "pip install 'impasto[camera]'"
            ) from error
        try:
            self._camera = module.Camera(width=WIDTH, height=HEIGHT, fps=_RATE)
        except (RuntimeError, OSError, ValueError) as error:
            text = " ".join(str(error).split())  # it lists what it tried on lines of their own
            raise VideoError(f"no virtual camera can be opened: {one_line(text)}") from error
        self.name = str(self._camera.device)

    def __enter__(self) -> VirtualCamera:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._camera.close()

    def show(self, image: NDArray[np.uint8]) -> None:
        """Show a frame, (H, W, 3)."""
        self._camera.send(fitted(image, HEIGHT, WIDTH))
