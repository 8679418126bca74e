"""Options of films, as a value that is checked once, on construction.

Nothing heavy is imported here: the command line builds its options from the fields.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from impasto.errors import OptionError
from impasto.images.options import SaveOptions, option
from impasto.painting import Budget
from impasto.video.timeline import Timeline

__all__ = ["FILM_SUFFIXES", "LEVELS", "VideoOptions", "is_film"]

LEVELS = ("off", "light", "strong")
"""Levels of steadiness, from frame by frame to the calmest."""


FILM_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv", ".wmv", ".flv", ".y4m", ".mxf"),
)
"""Suffixes that mark a name as that of a film, for example of a mask or in place of a command."""


def is_film(source: object) -> bool:
    """Return True for the name of a film.

    Example:
        >>> is_film("sky.mp4"), is_film("sky.png")
        (True, False)
    """
    if not isinstance(source, str | os.PathLike):
        return False
    return Path(source).suffix.lower() in FILM_SUFFIXES


@dataclass(frozen=True, kw_only=True)
class VideoOptions:
    """Options for reading, steadying and writing a film.

    Attributes:
        codec: codec of the result, a name in
            :data:`impasto.video.container.encoding.CODECS`; None: the usual one for the suffix of
            the result.
        crf: constant rate factor, the quality: lower is better and larger; None: the codec's own.
        start: beginning of the painted part of the film, in seconds; None: the film's beginning.
        end: end of that part, exclusive; None: the film's end.
        steady: "off" paints frame by frame; "light" removes noise from what stands still and moves
            the model's lattice with the picture; "strong" also blends each frame with the previous
            one, warped along the motion.
        rate: frames a second of numbered pictures.
        timeline: the styles and the strength over time; None: the same all the time.
        report: a file for the measured steadiness of the result (Markdown; a JSON file beside it).
        keep_partial: after an interruption, leave the painted frames as a film, OUT.partial.SUFFIX.
        workers: maximum number of threads; None: one for each core.
        save: quality of results that are pictures; whether a file may be replaced.
        memory: bytes of main memory that the whole process may use; frames of 4K, which just fit
            into the default, are painted in tiles for that (docs/films.md).
        tile: paint in tiles of at most this many pixels to a side, as
            :class:`impasto.painting.Budget`.

    Raises:
        OptionError: if a value is out of its range.

    Example:
        >>> VideoOptions(crf=20).steady
        'light'
    """

    codec: str | None = option(
        None,
        "Codec: h264, hevc, av1, vp9, prores or ffv1.",
        metavar="NAME",
        complete=("h264", "hevc", "av1", "vp9", "prores", "ffv1"),
        shown="h264, and vp9 for .webm",
    )
    crf: float | None = option(
        None,
        "Quality setting of the codec: lower values give better quality and larger files.",
        metavar="N",
        shown="depends on the codec, such as 15 for h264",
    )
    start: Fraction | None = option(
        None, "Start time, such as 12 or 0:12.", flag="from", metavar="TIME", kind="time"
    )
    end: Fraction | None = option(
        None, "Stop before this time, such as 0:15.", flag="to", metavar="TIME", kind="time"
    )
    steady: str = option(
        "light", "Reduce flicker: off, light or strong.", metavar="off|light|strong"
    )
    rate: Fraction | None = option(
        None, "Frame rate of numbered pictures.", metavar="N", kind="rate", shown="25"
    )
    timeline: Timeline | None = None
    report: Path | None = option(
        None,
        "Measure the flicker of the result and write a report (Markdown, and JSON).",
        metavar="FILE",
    )
    keep_partial: bool = option(
        False, "If interrupted, save the frames painted so far as a film beside the result."
    )
    workers: int | None = None
    save: SaveOptions = SaveOptions()
    memory: int = option(
        1_500_000_000,
        "Memory limit of the whole process, such as 2GB.",
        metavar="BYTES",
        kind="bytes",
    )
    tile: int | None = option(
        None,
        "Paint in tiles of at most N pixels per side.",
        metavar="N",
        shown="only if needed for --memory, in the largest tiles that fit",
    )

    @property
    def budget(self) -> Budget:
        """Memory of the whole process, and tiles."""
        return Budget(memory=self.memory, tile=self.tile)

    def __post_init__(self) -> None:
        Budget(memory=self.memory, tile=self.tile)  # refuses values out of their range
        if self.steady not in LEVELS:
            raise OptionError(f"steady must be one of {', '.join(LEVELS)}, not {self.steady!r}")
        if self.crf is not None and not 0 <= self.crf <= 63:
            raise OptionError(f"crf must be a number from 0 to 63, not {self.crf:g}")
        if self.start is not None and self.start < 0:
            raise OptionError(f"--from must be 0 or more, not {float(self.start):g}")
        if self.end is not None and self.end <= (self.start or 0):
            raise OptionError(
                f"the film would end ({float(self.end):g} s) before it begins "
                f"({float(self.start or 0):g} s): give a later --to"
            )
        if self.rate is not None and not 0 < self.rate <= 1000:
            raise OptionError(
                f"rate must be above 0 and at most 1000 frames per second, not {float(self.rate):g}"
            )
        if self.workers is not None and self.workers < 1:
            raise OptionError(f"the number of threads must be 1 or more, not {self.workers}")
