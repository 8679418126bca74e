"""Folders of pictures that are made up for training, each of them drawn once."""

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
    """``count`` pictures as PNG files in ``folder``; a file that is there is not drawn again.

    Args:
        folder: made if it is missing.
        kind: what a picture is called.
        count: 1 or more.
        seed: with its number it decides what a picture is.
        draw: picture (H, W, 3) of a number and what chance says of it.

    Raises:
        OptionError: for a count or a seed that is too small.
        ImageError: if the folder cannot be written.
    """
    if count < 1 or seed < 0:
        raise OptionError(f"count = {count}, seed = {seed}; at least 1 and 0")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ImageError(
            f"{folder}: {kind}s cannot be written there ({error.strerror or error}); name another "
            "folder"
        ) from error
    paths = [folder / f"{kind}-{seed}-{i:06d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        if not path.exists():
            write_image(
                draw(i, np.random.default_rng([seed, i])), path, save=SaveOptions(overwrite=True)
            )
    return paths
