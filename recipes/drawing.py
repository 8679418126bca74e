"""Folders of synthetic pictures for training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from impasto.errors import ImageError, OptionError
from impasto.images.options import SaveOptions
from impasto.images.writing import write_image


def fill_folder(
    folder: str | Path,
    kind: str,
    count: int,
    seed: int,
    draw: Callable[[int, np.random.Generator], NDArray[np.uint8]],
) -> list[Path]:
    """Draw ``count`` pictures as PNG files in ``folder``; a file that exists is not drawn again.

    Args:
        folder: created if missing.
        kind: kind of the pictures, the first part of their names.
        count: 1 or more.
        seed: of the random numbers, which also depend on the picture's index.
        draw: function of an index and a random generator, which returns a picture (H, W, 3).

    Raises:
        OptionError: for a count or a seed that is too small.
        ImageError: if the folder cannot be written.
    """
    if count < 1 or seed < 0:
        raise OptionError(f"count = {count}, seed = {seed}; the minimums are 1 and 0")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"{folder}: {kind}s cannot be written there ({error.strerror or error}); give another "
            "folder"
        ) from error
    paths = [folder / f"{kind}-{seed}-{i:06d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        if not path.exists():
            write_image(
                draw(i, np.random.default_rng([seed, i])), path, save=SaveOptions(overwrite=True)
            )
    return paths
