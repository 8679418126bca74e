"""Clean environments for the checks of what strangers meet: no caches, no sources, no settings."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

ROOT = Path(__file__).resolve().parents[1]

# Variables of this machine that pip needs to find packages; its cache is none of them.
_KEPT = re.compile(r"PIP_(?!CACHE_DIR$)|SSL_|REQUESTS_|.*_proxy$|.*_PROXY$")

DIFFERENCE = 5.0
"""By how much of 255 a painting differs from its photograph on average, at the least."""


class Failure(Exception):
    """Something that a stranger must not meet, in a line or with the output of a command."""


def environment(home: Path, *, python: bool = False) -> dict[str, str]:
    """Return the variables of somebody whose home is empty, as is everything that pip keeps there.

    Args:
        home: an empty folder.
        python: put the Python that runs this first, under its names outside any environment.
    """
    kept = {name: value for name, value in os.environ.items() if _KEPT.match(name)}
    path = f"{Path(sys.base_prefix) / 'bin'}:/usr/bin:/bin" if python else "/usr/bin:/bin"
    return {**kept, "PATH": path, "HOME": str(home), "LANG": "C.UTF-8"}


def read_picture(path: Path) -> np.ndarray:
    """Read a picture as an (H, W, 3) array of values up to 255."""
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
            return np.asarray(upright, dtype=np.float64)
    except OSError as error:
        raise Failure(f"{path.name} cannot be opened: {error}") from error


def require_painted(painted: np.ndarray, photograph: np.ndarray) -> None:
    """Fail unless a picture has its photograph's size, and is not the photograph.

    Raises:
        Failure: with the numbers.
    """
    (height, width), (rows, columns) = painted.shape[:2], photograph.shape[:2]
    if (height, width) != (rows, columns):
        raise Failure(f"the painting has {width} x {height} pixels, not {columns} x {rows}")
    if (off := float(np.abs(painted - photograph).mean())) < DIFFERENCE:
        raise Failure(f"the painting is the photograph: they differ by {off:.1f} of 255")
