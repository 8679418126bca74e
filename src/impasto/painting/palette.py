"""The photograph in the colors of styles, without painting: the color method ``only``.

It does not use the model, so it is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import TYPE_CHECKING

from impasto.controls.color.matching import apply_palettes, palette_to
from impasto.controls.regions import StyleMap
from impasto.images.photo import Photo
from impasto.images.windows import PaintedTile, Source
from impasto.painting import Progress, Watch
from impasto.painting.survey import survey
from impasto.painting.tiles import keep_photograph

if TYPE_CHECKING:
    from impasto.controls import Controls

# Pixels per strip, in whole rows.
_PIXELS = 1 << 20


def paint_palette(
    source: Source, styles: Sequence[Photo], controls: Controls, watch: Watch | None = None
) -> Iterator[PaintedTile]:
    """Give a photograph the palettes of styles, strip by strip from the top.

    Args:
        source: the photograph.
        styles: pictures whose palettes are taken.
        controls: strength, weights, masks and statistics.
        watch: called after every strip.

    Raises:
        OptionError: unless there is one weight and one mask, if any, for each style.
        ImageError: if the photograph is broken.

    Example:
        >>> tiles = paint_palette(source, [wave], Controls(color="only"))    # doctest: +SKIP
    """
    start = perf_counter()
    height, width = source.height, source.width
    amounts = StyleMap(controls, len(styles), height, width)
    step = max(1, _PIXELS // width)
    strips = [
        (slice(top, min(top + step, height)), slice(0, width)) for top in range(0, height, step)
    ]
    found = survey(source, amounts.regions, color=controls.color, tiles=strips)
    maps = [palette_to(colors, style) for colors, style in zip(found.colors, styles, strict=True)]
    for number, (rows, columns) in enumerate(strips, 1):
        image, alpha = source.window(rows, columns)
        shares = amounts.window(rows, columns)
        opacity = alpha if found.opacity else None
        result = keep_photograph(apply_palettes(image, maps, shares), image, opacity, shares)
        yield PaintedTile(rows, columns, result, alpha, (0.0, perf_counter() - start, 0.0))
        if watch is not None:
            watch(Progress(number, len(strips)))
        start = perf_counter()
