"""Plan of the tiles of a picture that does not fit into memory, and the margin that each needs.

Pure geometry of the picture with its padding (:func:`impasto.painting.steps.padded`), in pixels.
Each tile computes its *core*; the cores cover the picture once. For the core's features the encoder
needs its *sight*. To paint the core, the decoder needs its *view*, and the encoder everything that
the view depends on, the *window*.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from impasto.errors import OptionError
from impasto.models import MODELS, Card
from impasto.painting import SMALLEST, Budget

# Memory of a process before the first picture: interpreter, libraries, engine. Measured.
_PROCESS = 260_000_000
# Bytes per weight of a model, as an engine holds it beside its own copies.
_WEIGHT_BYTES = 12
# Bytes per pixel outside the graphs: floats of the picture, its masks, kept values.
_PICTURE_BYTES = 60
_UNKNOWN = 3.5


@dataclass(frozen=True)
class Cut:
    """A tile along one axis, from pixel to pixel of the padded picture."""

    core: slice
    sight: slice
    view: slice
    window: slice


@dataclass(frozen=True)
class Tile:
    """A tile: its cut from top to bottom, and from left to right."""

    rows: Cut
    columns: Cut


@dataclass(frozen=True)
class Reach:
    """Receptive field of a model, in pixels, each a multiple of ``Card.multiple``.

    Attributes:
        multiple: all edges are multiples of it.
        encoder: from a position of the features into the picture.
        decoder: from a pixel of the result into the features.
        both: from a pixel of the result into the picture.
    """

    multiple: int
    encoder: int
    decoder: int
    both: int


def reach_of(card: Card) -> Reach:
    """Return the receptive field of a model, from its card.

    If a card does not specify the encoder's part of its rim, both graphs are given the whole of it:
    the result is the same, slightly slower.

    Example:
        >>> reach_of(card)                                                   # doctest: +SKIP
        Reach(multiple=8, encoder=24, decoder=48, both=72)
    """
    encoder = _up(card.encoder_rim or card.rim, card.multiple)
    decoder = _up(card.rim - card.encoder_rim, card.multiple)
    both = encoder + decoder if card.encoder_rim else decoder
    return Reach(card.multiple, encoder, decoder, both)


def far_from_borders(card: Card) -> Card:
    """Return a model's card with a margin so wide that no pixel of a picture depends on its border.

    The effect of padding at the borders is far too faint to be visible next to anything else, so
    the card's own margin is narrower; in a plain picture nothing hides it.

    Example:
        >>> far_from_borders(card).margin                                    # doctest: +SKIP
        72
    """
    return replace(card, margin=_up(max(card.margin, card.rim), card.multiple))


def tiles(height: int, width: int, *, side: int, reach: Reach) -> Iterator[Tile]:
    """Yield tiles that cover a picture, row by row from the top, from left to right.

    All have one size, as close to ``side`` as divides the picture evenly, except for the last of a
    row or column, which may be smaller. All windows have one size too: at an edge they are shifted
    inward, so an engine that prepares itself for a size does so once.

    Args:
        height: of the padded picture, a multiple of ``reach.multiple``.
        width: the same.
        side: the largest side of a core, in pixels.
        reach: receptive field of the model.

    Example:
        >>> [tile.columns.core for tile in tiles(8, 24, side=12, reach=Reach(4, 4, 4, 8))]
        [slice(0, 12, None), slice(12, 24, None)]
    """
    columns = list(cuts(width, side=side, reach=reach))
    for rows in cuts(height, side=side, reach=reach):
        for each in columns:
            yield Tile(rows, each)


def cut_tiles(height: int, width: int, *, side: int, card: Card) -> tuple[Tile, ...]:
    """Cut a padded picture into tiles for a model; see :func:`tiles`.

    Example:
        >>> len(cut_tiles(512, 512, side=512, card=card))                    # doctest: +SKIP
        1
    """
    whole = slice(0, height), slice(0, width)
    if side >= max(height, width):
        return (Tile(*(Cut(each, each, each, each) for each in whole)),)
    return tuple(tiles(height, width, side=side, reach=reach_of(card)))


def cuts(length: int, *, side: int, reach: Reach) -> Iterator[Cut]:
    """Yield the tiles along one axis; see :func:`tiles`."""
    step = core_side(length, side, reach.multiple)
    for start in range(0, length, step):
        core = slice(start, min(start + step, length))
        yield Cut(
            core=core,
            sight=_around(start, step, reach.encoder, length),
            view=_around(start, step, reach.decoder, length),
            window=_around(start, step, reach.both, length),
        )


def core_side(length: int, side: int, multiple: int) -> int:
    """Return the side of cores that divide a length evenly and are no longer than ``side``."""
    largest = max(multiple, side - side % multiple)
    return _up(math.ceil(length / math.ceil(length / largest)), multiple)


def pixel_bytes(card: Card) -> int:
    """Return the most bytes per pixel that a model needs while it works, in any engine.

    Measured for the models of the table. For others it is estimated from the work: a layer of C
    channels holds C numbers per pixel and costs about C squared, so the bytes are proportional to
    the root of the multiply-adds, with a factor that exceeds that of all our models.

    Example:
        >>> pixel_bytes(card)                                                # doctest: +SKIP
        230
    """
    if card.pixel_bytes:
        return card.pixel_bytes
    for row in MODELS:
        if row.name == card.name and row.pixel_bytes:
            return row.pixel_bytes
    features = sum(4 * level.channels / level.stride**2 for level in card.levels)
    return math.ceil(_UNKNOWN * math.sqrt(card.macs_512) / 512 + 12 * features)


@dataclass(frozen=True)
class Plan:
    """Plan of how a picture is cut.

    Attributes:
        side: the largest side of a tile's core, in pixels.
        keep: True if the features of the whole picture stay in memory between both passes.
        whole: True if the picture is one tile.
    """

    side: int
    keep: bool
    whole: bool = False


def plan_tiles(
    height: int,
    width: int,
    *,
    card: Card,
    budget: Budget,
    held: int = 0,
    row_bytes: int = 0,
) -> Plan:
    """Choose the tiles that paint a picture fastest within a budget; one tile where that fits.

    Args:
        height: of the picture, in pixels.
        width: of the picture.
        card: of the model.
        budget: the memory that the process may use, and the side of tiles, if requested.
        held: bytes held throughout, such as those of the picture.
        row_bytes: bytes held for each row of pixels of a tile, such as the rows of a file.

    Raises:
        OptionError: if not even the smallest tile fits.

    Example:
        >>> plan_tiles(10_000, 10_000, card=card, budget=Budget())           # doctest: +SKIP
        Plan(side=1664, keep=False, whole=False)
    """
    padded, multiple, memory = _padded(height, width, card), card.multiple, budget.memory
    reach = reach_of(card)
    fixed = process_bytes(card) + held
    pixel = pixel_bytes(card) + _PICTURE_BYTES
    features = math.ceil(
        padded[0] * padded[1] * sum(4 * each.channels / each.stride**2 for each in card.levels)
    )

    def needed(side: int) -> int:
        rows, columns = (
            min(core_side(each, side, multiple) + 2 * reach.both, each) for each in padded
        )
        return fixed + rows * columns * pixel + rows * row_bytes

    if budget.tile is not None:
        keep = needed(budget.tile) + features <= memory
        return Plan(budget.tile, keep, whole=budget.tile >= max(padded))
    if fixed + padded[0] * padded[1] * pixel + height * row_bytes <= memory:
        return plan_whole(height, width, card=card)
    plans = []
    for keep in (True, False):
        limit = memory - features if keep else memory
        side = _up(max(padded), SMALLEST)
        while side > SMALLEST and needed(side) > limit:
            side -= SMALLEST
        if needed(side) <= limit:
            plans.append(Plan(side, keep))
    if not plans:
        raise OptionError(
            f"a picture of {width} x {height} pixels needs {needed(SMALLEST) / 1e6:,.0f} MB with "
            f"model {card.name!r} even in tiles of {SMALLEST} pixels, but memory is "
            f"{memory / 1e6:,.0f} MB: give more memory or a smaller picture"
        )
    return min(plans, key=lambda plan: _work(plan, reach))


def plan_whole(height: int, width: int, *, card: Card) -> Plan:
    """Plan a picture as one tile, regardless of memory.

    Example:
        >>> plan_whole(512, 384, card=card)                                  # doctest: +SKIP
        Plan(side=512, keep=True, whole=True)
    """
    return Plan(max(_padded(height, width, card)), keep=True, whole=True)


def memory_at_once(height: int, width: int, *, card: Card) -> int:
    """Return the bytes that a process needs to paint a picture as a whole.

    Example:
        >>> memory_at_once(512, 512, card=card)                              # doctest: +SKIP
        410000000
    """
    rows, columns = _padded(height, width, card)
    return process_bytes(card) + rows * columns * (pixel_bytes(card) + _PICTURE_BYTES)


def _padded(height: int, width: int, card: Card) -> tuple[int, int]:
    """Return height and width of a picture as padded for a model."""
    return _up(height, card.multiple) + 2 * card.margin, _up(width, card.multiple) + 2 * card.margin


def process_bytes(card: Card) -> int:
    """Return the bytes that a process holds before the first picture, with its model loaded.

    Example:
        >>> process_bytes(card)                                              # doctest: +SKIP
        290000000
    """
    return _PROCESS + _WEIGHT_BYTES * card.parameters


def _work(plan: Plan, reach: Reach) -> float:
    """Return how often a pixel passes a graph, on average, if both graphs are equally slow."""
    rims = [reach.encoder, reach.decoder] + ([] if plan.keep else [reach.both])
    return sum((1 + 2 * rim / plan.side) ** 2 for rim in rims)


def _around(start: int, step: int, rim: int, length: int) -> slice:
    extent = min(length, step + 2 * rim)
    first = max(0, min(start - rim, length - extent))
    return slice(first, first + extent)


def _up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
