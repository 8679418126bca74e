"""Options of stylized data sets, as values that are checked once, on construction.

Nothing heavy is imported here: the command line builds its options from the fields.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from impasto.controls import Controls
from impasto.errors import OptionError
from impasto.images.options import ReadOptions, SaveOptions, option

__all__ = ["DatasetOptions", "Recipe"]

# Seeds have 64 bits, as the random numbers.
_MOST_SEED = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True)
class DatasetOptions:
    """Options of the data set, and of the workers that make it.

    Attributes:
        seed: 0 or more; determines which styles and strengths pictures get.
        styles_per_picture: number of pictures made from each; from 2 on each is part of a separate
            data set, in the folders 1, 2, ...
        alpha: the lowest and the highest strength, in [0, 2]; all between them are equally likely.
        shards: write a folder as tar files of this many pictures each; None: as a folder. Tar files
            stay tar files.
        copy: patterns of names of files and folders that are not painted, such as masks.
        link: link side files (hard links) instead of copying them.
        workers: number of workers; None: one for each core.
        executor: a name in :data:`impasto.dataset.executors.EXECUTORS`.
        address: address of the cluster, for executors that take one.

    Raises:
        OptionError: if a value is out of its range.

    Example:
        >>> DatasetOptions(seed=1, alpha=(0.2, 1)).alpha
        (0.2, 1.0)
    """

    seed: int = option(0, "Random seed of styles and strengths: 0 or more.", metavar="N")
    styles_per_picture: int = option(
        1,
        "Versions of each picture, in different styles; with 2 or more, OUT has a complete data "
        "set in each of the folders 1, 2, ...",
        metavar="N",
    )
    alpha: tuple[float, float] = option(
        (1.0, 1.0),
        "Lowest and highest strength, from 0 to 2.",
        metavar="LO HI",
        kind="two numbers",
        shown="1 1",
    )
    shards: int | None = option(
        None,
        "Write the pictures of a folder as tar files of N pictures each, for webdataset.",
        metavar="N",
        shown="a folder with the same layout",
    )
    copy: Sequence[str] = option(
        (),
        "Copy files or folders unchanged, such as masks: a name or a pattern, such as 'gt_*'.",
        metavar="PATTERN",
    )
    link: bool = option(False, "Hard-link side files instead of copying them.")
    workers: int | None = option(None, "Number of workers.", metavar="N", shown="one for each core")
    executor: str = option(
        "local",
        "Where workers run: local, processes on this machine; or ray, a Ray cluster or Ray on "
        "this machine.",
        metavar="NAME",
    )
    address: str | None = option(
        None,
        "Address of the Ray cluster: HOST:PORT, or auto for the one this machine belongs to.",
        metavar="ADDRESS",
        shown="RAY_ADDRESS, or Ray on this machine",
    )

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= _MOST_SEED:
            raise OptionError(f"seed must be from 0 to 2^64 - 1, not {self.seed}")
        if self.styles_per_picture < 1:
            raise OptionError(
                f"styles_per_picture must be 1 or more, not {self.styles_per_picture}"
            )
        if self.shards is not None and self.shards < 1:
            raise OptionError(f"shards must have 1 picture or more, not {self.shards}")
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"workers must be a whole number of 1 or more, not {self.workers}")
        object.__setattr__(self, "alpha", _strengths(self.alpha))
        object.__setattr__(self, "copy", tuple(self.copy))


@dataclass(frozen=True, kw_only=True, eq=False)
class Recipe:
    """The model, and all options of painting that are the same for every picture.

    Attributes:
        model: a name or file, as :func:`impasto.stylizer.load` takes it; None for the default.
            Plugged-in methods are not supported.
        engine: name of the inference engine; None: the fastest that is installed.
        precision: ``fp32`` or ``bf16``; None: the engine's choice.
        controls: colors, transform and strokes; strength is an option of the data set, and there
            are no masks.
        read: limits for reading. Pictures keep their size.
        save: quality of the results.

    Raises:
        OptionError: if a control is given that differs from picture to picture, or a size.

    Example:
        >>> Recipe(model="fast", controls=Controls(color="luminance")).engine is None
        True
    """

    model: str | Path | None = None
    engine: str | None = None
    precision: str | None = None
    controls: Controls = Controls()
    read: ReadOptions = ReadOptions()
    save: SaveOptions = SaveOptions()

    def __post_init__(self) -> None:
        controls = self.controls
        if controls.masks or controls.weights is not None:
            raise OptionError(
                "a data set takes no masks and no weights: each picture has one style"
            )
        if controls.alpha != 1.0:
            raise OptionError(
                "give the strength as an option of the data set: DatasetOptions(alpha=...)"
            )
        if self.read.size is not None:
            raise OptionError("pictures of a data set keep their size: leave out size")


def _strengths(given: Any) -> tuple[float, float]:
    try:
        low, high = map(float, given)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not 0 <= low <= high <= 2:
        raise OptionError(
            f"alpha must be two numbers from 0 to 2, the lowest strength first, not {given!r}"
        )
    return low, high
